from odoo import models

from ..tools import log_filter


class MailNotification(models.Model):
    """Statuses stay Odoo's; the log learns from them what became of the sending."""

    _inherit = "mail.notification"

    def write(self, vals):
        """Note delivery reports and bounces. A bounce quotes the mail it returns, and
        with it the link: nothing of that text is kept."""
        if vals.get("failure_reason"):
            vals = {**vals, "failure_reason": log_filter.mask(vals["failure_reason"])}
        status = vals.get("notification_status")
        if status == "bounce":
            secure = self.filtered(lambda row: row.mail_message_id.secure_uid)
            if secure:
                rest = self - secure
                super(MailNotification, secure).write({**vals, "failure_reason": False})
                secure._log_secure("failed", "bounce")
                return super(MailNotification, rest).write(vals) if rest else True
        return super().write(vals)

    def _log_secure(self, kind, detail=False):
        """Write to the log of the conversations these notifications belong to."""
        # sudo: for the log, which is written whoever causes an event
        messages = self.sudo().mail_message_id.filtered("secure_uid")
        links = (
            self.env["secure.link"].sudo().search([("message_id", "in", messages.ids)])
        )
        self.env["secure.access.log"]._log_surely(kind, links, detail=detail)
