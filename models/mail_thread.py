from odoo import models


class MailThread(models.AbstractModel):
    _inherit = "mail.thread"

    def _routing_check_route(self, message, message_dict, route, raise_exception=True):
        """An email answer to a notification is not stored anywhere.

        Whoever got hold of the notification could have written it, and it may quote
        anything. A neutral answer points to the link.
        """
        parent = (
            self.env["mail.message"].sudo().browse(message_dict.get("parent_id") or [])
        )
        if "secure.thread" not in (route[0], parent.model):
            return super()._routing_check_route(
                message, message_dict, route, raise_exception
            )
        self.env["secure.mail.answer"]._answer(message, message_dict, parent)
        return False
