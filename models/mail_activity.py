from odoo import api, models
from odoo.exceptions import UserError

from ..tools import content


class MailActivity(models.Model):
    """To-dos on conversations: Odoo keeps their texts in clear, so only the summary,
    which everybody expects on lists and calendars, may stand there."""

    _inherit = "mail.activity"

    def write(self, vals):
        """Feedback goes into the conversation, sealed, and not into this table too."""
        secure = self.filtered(lambda activity: activity.res_model == "secure.thread")
        if "feedback" in vals and secure:
            others = self - secure
            rest = {key: value for key, value in vals.items() if key != "feedback"}
            if others:
                super(MailActivity, others).write(vals)
            return super(MailActivity, secure).write(rest) if rest else True
        return super().write(vals)

    @api.constrains("note", "res_model_id", "res_model")
    def _check_no_secure_note(self):
        for activity in self:
            if activity.res_model == "secure.thread" and not content.is_empty(
                activity.note
            ):
                raise self._secure_note_refusal()

    @api.model
    def _secure_note_refusal(self):
        return UserError(
            self.env._(
                "Notes of activities are not sealed. Please write the note into the "
                "conversation with “Log note”."
            )
        )
