from odoo import models


class SmsTracker(models.Model):
    _inherit = "sms.tracker"

    def _update_sms_notifications(self, notification_status, **kwargs):
        """The gateway's report that an SMS arrived goes into the log."""
        notifications = self.mail_notification_id
        fresh = notifications.filtered(lambda row: row.notification_status != "sent")
        result = super()._update_sms_notifications(notification_status, **kwargs)
        if notification_status == "sent":
            fresh._log_secure("delivered")
        return result
