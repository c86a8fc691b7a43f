from odoo import api, models
from odoo.exceptions import UserError

from ..tools import content


class MailFollowersEdit(models.TransientModel):
    """Colleagues are told that they follow a conversation, and nothing of what it is
    about: Odoo would keep the text in clear."""

    _inherit = "mail.followers.edit"

    @api.constrains("message", "res_model")
    def _check_no_secure_message(self):
        for dialog in self:
            if dialog.res_model == "secure.thread" and not content.is_empty(
                dialog.message
            ):
                raise UserError(
                    self.env._(
                        "Messages to new followers are not sealed. Please write the "
                        "message into the conversation with “Log note”."
                    )
                )
