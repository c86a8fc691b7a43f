import json

from odoo import api, models
from odoo.exceptions import UserError


class MailScheduledMessage(models.Model):
    _name = "mail.scheduled.message"
    _inherit = ["mail.scheduled.message", "secure.closed.road"]

    @api.model_create_multi
    def create(self, vals_list):
        """Odoo would drop what it does not know when the message's time has come, and
        send it as it is. Its composer never comes here with a secure message."""
        for vals in vals_list:
            parameters = json.loads(vals.get("notification_parameters") or "{}")
            if parameters.get("send_securely"):
                raise UserError(
                    self.env._("A secure message is scheduled with the composer.")
                )
        return super().create(vals_list)
