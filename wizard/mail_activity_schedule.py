from odoo import api, models

from ..tools import content


class MailActivitySchedule(models.TransientModel):
    """Odoo saves this dialog before it makes the to-do that refuses the note."""

    _inherit = "mail.activity.schedule"

    @api.constrains("note", "res_model")
    def _check_no_secure_note(self):
        for dialog in self:
            if dialog.res_model == "secure.thread" and not content.is_empty(
                dialog.note
            ):
                raise self.env["mail.activity"]._secure_note_refusal()
