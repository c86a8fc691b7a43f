from odoo import api, fields, models


class CalendarAlarm(models.Model):
    """Reminders: secure as their template is, unless the reminder says otherwise."""

    _name = "calendar.alarm"
    _inherit = ["calendar.alarm", "secure.choice"]
    _secure_follows = frozenset({"alarm_type", "mail_template_id", "sms_template_id"})

    secure_send = fields.Boolean(
        help="Contacts get a notification with a link; the reminder is read behind it. "
        "Shows what the template says; this reminder may decide otherwise.",
    )

    @api.depends(
        "alarm_type", "mail_template_id.send_securely", "sms_template_id.send_securely"
    )
    def _compute_secure_send(self):
        return super()._compute_secure_send()

    def _secure_by_template(self):
        by_type = {
            # sudo: how a template is sent, whoever may use it
            "email": self.mail_template_id.sudo().send_securely,
            "sms": self.sms_template_id.sudo().send_securely,
        }
        return by_type.get(self.alarm_type)
