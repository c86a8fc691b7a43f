from odoo import api, models

from ..tools import content


class MailActivitySchedule(models.TransientModel):
    """Odoo saves this dialog before it makes the to-do that refuses the note."""

    _inherit = "mail.activity.schedule"

    @api.model_create_multi
    def create(self, vals_list):
        dialogs = super().create(vals_list)
        dialogs._check_no_secure_note()
        return dialogs

    def write(self, vals):
        result = super().write(vals)
        self._check_no_secure_note()
        return result

    def _check_no_secure_note(self):
        for dialog in self:
            if dialog.res_model == "secure.thread" and not content.is_empty(
                dialog.note
            ):
                raise self.env["mail.activity"]._secure_note_refusal()
