from odoo import api, fields, models


class CalendarAlarm(models.Model):
    """Reminders: secure as their template is, unless the reminder says otherwise."""

    _inherit = "calendar.alarm"

    secure_send = fields.Boolean(
        "Send Securely",
        compute="_compute_secure_send",
        store=True,
        readonly=False,
        help="Contacts get a notification with a link; the reminder is read behind it. "
        "Shows what the template says; this reminder may decide otherwise.",
    )

    @api.depends(
        "alarm_type", "mail_template_id.send_securely", "sms_template_id.send_securely"
    )
    def _compute_secure_send(self):
        for alarm in self:
            by_type = {
                # sudo: how a template is sent, whoever may use it
                "email": alarm.mail_template_id.sudo().send_securely,
                "sms": alarm.sms_template_id.sudo().send_securely,
            }
            alarm.secure_send = by_type.get(alarm.alarm_type, False)
