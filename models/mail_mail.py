from collections import namedtuple
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import email_normalize, formataddr, html2plaintext

from ..tools import log_filter, own_code
from ..tools import notification as texts
from .secure_keyring import KeysUnavailable

SENT_KEPT = timedelta(days=7)
"""How long a notification's mail is kept for whoever looks into what left."""
GC_BATCH = 5000


Notice = namedtuple("Notice", ("url", "email"))
"""A notification that leaves: the clear address of the page, and the whole email."""


class _Leaving:
    """Notifications on their way out, with their clear links. Lives in memory only; an
    object of this class cannot come from a client's context.

    Plain values and no records: Odoo commits after each mail, which empties the cache,
    and would read each of these again.
    """

    def __init__(self, mails):
        urls = mails.secure_link_id._urls()
        self._notices = {
            mail.id: Notice(url, mail._notification_email(url))
            for mail in mails
            for url in [urls[mail.secure_link_id.id]]
        }

    def of(self, mail):
        """The :class:`Notice` of a mail; None for one that is no notification."""
        return self._notices.get(mail.id)


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

    def _send(self, *args, **kwargs):
        """Read the batch's links once, and note afterwards which have left.

        Odoo browses mails one by one in here; a dict in the context survives the
        commits in between, the cache does not.
        """
        secure = self.sudo().filtered(
            lambda mail: mail.secure_link_id and mail.state == "outgoing"
        )
        if not secure:
            return super()._send(*args, **kwargs)
        try:
            leaving = secure._prepare_leaving()
        except KeysUnavailable as locked:
            secure._fail_locked(str(locked))
            return super(MailMail, self - secure)._send(*args, **kwargs)
        own = self.with_context(secure_leaving=leaving)
        result = super(MailMail, own)._send(*args, **kwargs)
        sent = secure.filtered(lambda mail: mail.state == "sent")
        sent.secure_link_id._mark_left()
        failed = (secure - sent).filtered(lambda mail: mail.state == "exception")
        failed.secure_link_id._mark_failed()
        return result

    def _prepare_leaving(self):
        """The clear links of these mails, whose validity starts now."""
        leaving = _Leaving(self)
        self.secure_link_id._prepare_leaving()
        return leaving

    def _fail_locked(self, reason):
        """Without the key these stay, as failed and to be sent again; others go."""
        failure = {"failure_type": "unknown", "failure_reason": reason}
        self.write({"state": "exception", **failure})
        self._postprocess_sent_message(success_pids=[], success_emails=[], **failure)
        self.secure_link_id._mark_failed()

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
        each. The message and its statuses stay."""
        limit = fields.Datetime.now() - SENT_KEPT
        mails = self.sudo().search(
            [
                ("secure_link_id", "!=", False),
                ("state", "=", "sent"),
                ("is_notification", "=", True),
                ("date", "<", limit),
            ],
            limit=GC_BATCH,
        )
        count = len(mails)
        mails.unlink()
        return count, count == GC_BATCH

    def _notification_email(self, url):
        """All that leaves for this mail: what Odoo would make of it, and no more.

        Built here and not by Odoo, which would look for the files of the message, and
        share those that are too large for an email by link.

        :param str url: the clear address of the page
        :return: dict like those of ``_prepare_outgoing_list``
        """
        link, partner = self.secure_link_id, self.recipient_ids[:1]
        company = self.record_company_id or self.env.company
        domain = self.record_alias_domain_id
        body = self._prepare_outgoing_body().replace(texts.LINK_MARK, url)
        reached = email_normalize(partner.email or "") == link.address
        return {
            "attachments": [],
            "body": body,
            "body_alternative": html2plaintext(body),
            "email_cc": [],
            "email_from": self.email_from,
            "email_to": [formataddr((partner.name or "", link.address))],
            # None for a contact whose address is another one by now
            "email_to_normalized": [link.address] if reached else None,
            "email_to_raw": partner.email or "",
            "headers": {"Return-Path": domain.bounce_email or company.bounce_email},
            "message_id": self.message_id,
            "object_id": "",
            "partner_id": partner,
            "references": self.references,
            "reply_to": self.reply_to,
            "subject": self.subject,
        }

    def _prepare_outgoing_list(self, *args, **kwargs):
        """Only the notification leaves: no file, no copy, no trace of the record."""
        notice = self._leaving()
        if notice and not self._secure_by_odoo():
            self._check_reached(notice)
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

    def _secure_by_odoo(self):
        """Whether Odoo shall lay out this notification, for what other modules add to
        it (unsubscribe links of mailings)."""
        return False

    def _leaving(self):
        """What the batch knows of this mail; see :class:`_Leaving`."""
        leaving = self.env.context.get("secure_leaving")
        return leaving.of(self) if isinstance(leaving, _Leaving) else None

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
