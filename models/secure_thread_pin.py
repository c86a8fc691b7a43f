"""What the responsible is told of codes that could not be sent."""

from odoo import models


class SecureThreadPin(models.Model):
    _inherit = "secure.thread"

    def _reminder_texts(self):
        return {
            **super()._reminder_texts(),
            "code_no_sms": self.env._(
                "The contact asked for a one-time code, but has no valid phone number"
            ),
            "code_no_email": self.env._(
                "The contact asked for a one-time code, but has no valid email address"
            ),
            "code_new_sms": self.env._(
                "The contact asked for a one-time code: please confirm the phone "
                "number, which has changed"
            ),
            "code_new_email": self.env._(
                "The contact asked for a one-time code: please confirm the email "
                "address, which has changed"
            ),
        }
