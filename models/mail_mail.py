from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools import log_filter, own_code
from ..tools import notification as texts

SENT_KEPT = timedelta(days=7)
"""How long a notification's mail is kept for whoever looks into what left."""
GC_BATCH = 5000


class AddressChanged(Exception):
    """The contact's address is no longer the one the link is for."""


class MailMail(models.Model):
    _inherit = "mail.mail"

    secure_link_id = fields.Many2one(
        "secure.link",
        groups=fields.NO_ACCESS,
        ondelete="set null",
        index="btree_not_null",
    )
    secure_not_sent = fields.Boolean(
        groups=fields.NO_ACCESS, help="Stands in for a notification that was refused."
    )

    @api.model_create_multi
    def create(self, vals_list):
        """Only this module's own code mails from a conversation."""
        if not own_code.is_own(self.env):
            self._check_not_from_thread(vals_list)
        return super().create(vals_list)

    @api.model
    def _secure_not_sent(self, reasons):
        """Stand-ins for notifications that were not sent, for callers that want a mail
        for each record: cancelled, empty, with the reason.

        :param list reasons: of str
        """
        # sudo: whoever may send gets its mails, as from Odoo; no content in them
        return self.sudo().create(
            [
                {
                    "state": "cancel",
                    "failure_reason": reason,
                    "auto_delete": True,
                    "is_notification": False,
                    "secure_not_sent": True,
                }
                for reason in reasons
            ]
        )

    @api.model
    def _check_not_from_thread(self, vals_list):
        ids = [
            vals["mail_message_id"] for vals in vals_list if vals.get("mail_message_id")
        ]
        # sudo: only to see which model the messages are of
        models_ = set(self.env["mail.message"].sudo().browse(ids).mapped("model"))
        models_.update(vals.get("model") for vals in vals_list)
        if "secure.thread" in models_ | {self.env.context.get("default_model")}:
            raise UserError(
                self.env._(
                    "A conversation cannot be emailed. Please write in it: the contact "
                    "gets a notification."
                )
            )

    def write(self, vals):
        """A mail server that refuses a mail may quote it, link and all."""
        if vals.get("failure_reason"):
            vals = {
                **vals,
                "failure_reason": log_filter.mask(str(vals["failure_reason"])),
            }
        return super().write(vals)

    @api.autovacuum
    def _gc_secure_sent(self):
        """Remove notifications that left, in bulk; one by one costs Odoo eleven queries
        each. The message and its statuses stay. What stands in for those that were
        refused goes, too."""
        limit = fields.Datetime.now() - SENT_KEPT
        # sudo: Odoo's vacuum; nobody has access to these mails
        mails = self.sudo().search(
            [
                ("date", "<", limit),
                *("|", ("secure_not_sent", "=", True), "&", "&"),
                ("secure_link_id", "!=", False),
                ("state", "=", "sent"),
                ("is_notification", "=", True),
            ],
            limit=GC_BATCH,
        )
        count = len(mails)
        mails.unlink()
        return count, count == GC_BATCH

    def _prepare_outgoing_list(self, *args, **kwargs):
        """Only the notification leaves: no file, no copy, no trace of the record."""
        notice = self._leaving()
        if notice and not self._secure_by_odoo():
            self._check_reached(notice)
            self._check_accepted()
            return [dict(notice.email)]
        emails = super()._prepare_outgoing_list(*args, **kwargs)
        if not self._is_secure():
            return emails
        for row in emails:
            self._check_reached(notice, row)
            headers = {
                key: value for key, value in row["headers"].items() if "Odoo" not in key
            }
            row.update(attachments=[], email_cc=[], object_id="", headers=headers)
        return emails

    def _due(self):
        """Those that wait for nothing but to be sent."""
        now = fields.Datetime.now()
        return self.filtered(
            lambda mail: mail.state == "outgoing"
            and (not mail.scheduled_date or mail.scheduled_date <= now)
        )

    def _secure_by_odoo(self):
        """Whether Odoo shall lay out this notification, for what other modules add to
        it (unsubscribe links of mailings)."""
        return False

    def _is_secure(self):
        # sudo: which mails are notifications is decided here, whoever sends them
        return bool(self.sudo().secure_link_id) or self.model == "secure.thread"

    def _check_reached(self, notice, row=None):
        """Refuse a link that would go to another address than its own.

        :param notice: :class:`Notice`; None for mails without link
        :param dict row: what Odoo is about to send in its place
        :raise AddressChanged: with the reason for whoever sends it again
        """
        # sudo: only whether this is a notification
        if not notice and not self.sudo().secure_link_id:
            return
        allowed = notice and notice.email["email_to_normalized"]
        if not allowed or (row and row["email_to_normalized"] != allowed):
            raise AddressChanged(
                self.env._(
                    "The contact's email address has changed since this was sent. "
                    "Please send it again."
                )
            )

    def _personalize_outgoing_body(self, body, partner=False, doc_to_followers=None):
        """Put the link in, or take its mark out where it must not go."""
        body = super()._personalize_outgoing_body(body, partner, doc_to_followers)
        if texts.LINK_MARK not in body:
            return body
        notice = self._leaving()
        fits = notice and partner and partner == notice.email["partner_id"]
        return body.replace(texts.LINK_MARK, notice.url if fits else "")
