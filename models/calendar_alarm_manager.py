from odoo import api, models

from ..tools import own_code

SECURE = {"secure_reminders": True, own_code.STANDARD_KEY: False}
"""What follows is sent securely, whatever its template says. Only adds protection."""


class CalendarAlarmManager(models.AbstractModel):
    _inherit = "calendar.alarm_manager"

    @api.model
    def _send_reminder(self):
        """Odoo does not tell an attendee's reminder which alarm it is for: those that
        are secure are sent in one round, those that are not in another."""
        secure = self.with_context(**SECURE)
        super(CalendarAlarmManager, secure)._send_reminder()
        # sudo: the reminder job's own look-up: which alarms are not secure, not whose
        alarms = self.env["calendar.alarm"].sudo().search([("secure_send", "=", False)])
        standard = own_code.standard(alarms.mail_template_id)
        plain = self.with_context(secure_reminders=False, **standard)
        return super(CalendarAlarmManager, plain)._send_reminder()

    def _get_events_by_alarm_to_notify(self, alarm_type):
        found = super()._get_events_by_alarm_to_notify(alarm_type)
        secure = bool(self.env.context.get("secure_reminders"))
        if not secure and not own_code.is_any_standard(self.env):
            return found
        alarms = self.env["calendar.alarm"].browse(found)
        wanted = alarms.filtered(lambda alarm: alarm.secure_send == secure)
        return {alarm.id: found[alarm.id] for alarm in wanted}
