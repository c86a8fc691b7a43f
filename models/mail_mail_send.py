"""How notifications leave by email."""

import logging
import smtplib
from collections import namedtuple

import psycopg2

from odoo import SUPERUSER_ID, api, models, modules
from odoo.tools import formataddr, html2plaintext
from odoo.tools.mail import email_split_and_format_normalize

from ..tools import log_filter
from ..tools import notification as texts
from .secure_keyring import KeysUnavailable

_logger = logging.getLogger(__name__)

Notice = namedtuple("Notice", ("url", "email"))
"""A notification that leaves: the clear address of the page, and the whole email."""


class Leaving:
    """Notifications on their way out, with their clear links. Lives in memory only; an
    object of this class cannot come from a client's context.

    Plain values and no records: the commit after each mail empties the cache, and each
    of these would be read again.
    """

    def __init__(self, mails):
        urls = mails.secure_link_id._urls()
        mails.recipient_ids.fetch(["name", "email", "email_normalized"])
        self._notices = {
            mail.id: Notice(url, mail._notification_email(url))
            for mail in mails
            for url in [urls[mail.secure_link_id.id]]
        }
        self._own = [mail.id for mail in mails if not mail._secure_by_odoo()]
        self.failures = {}
        """What the mail server said, by id of the mail."""
        self.elsewhere = set()
        """Ids of mails that another worker sends or has just sent, that were cancelled,
        or whose contact has just got another address."""
        server = mails.env["ir.mail_server"]
        self.default_from = server._get_default_from_address()
        self.default_bounce = server._get_default_bounce_address()

    def of(self, mail):
        """The :class:`Notice` of a mail; None for one that is no notification."""
        return self._notices.get(mail.id)

    def emails(self):
        """(id of the mail, email) of those that leave as this module made them."""
        for mail_id in self._own:
            email = self._notices[mail_id].email
            if email["email_to_normalized"]:
                yield mail_id, email


def leaving_now(env):
    """The :class:`Leaving` under way here, or None."""
    leaving = env.context.get("secure_leaving")
    return leaving if isinstance(leaving, Leaving) else None


class MailMail(models.Model):
    _inherit = "mail.mail"

    def send_after_commit(self):
        """Notifications note one by one that they left, as in the queue: Odoo's own has
        one transaction for all, and all would leave again after an error."""
        # sudo: only whether these are notifications
        secure = self.sudo().filtered("secure_link_id")
        if not secure or modules.module.current_test:
            return super().send_after_commit()
        ids, env = secure.ids, self.env

        @env.cr.postcommit.add
        def send():
            with env.registry.cursor() as cr:
                # sudo: these mails are sent as the queue's job sends them
                own = api.Environment(cr, SUPERUSER_ID, env.context)
                own["mail.mail"].browse(ids).send(auto_commit=True)

        rest = self - secure
        return super(MailMail, rest).send_after_commit() if rest else None

    def _send(self, *args, **kwargs):
        """Read the batch's links once, let the notifications leave, and note afterwards
        which have left. What is no notification, or cannot leave, is Odoo's to send or
        to mark as failed."""
        # sudo: the column is for nobody; `send` has read these mails as the caller
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
        # Odoo names all of them
        left = self.browse() if args else own._send_notices(leaving, **kwargs)
        elsewhere = own.browse(leaving.elsewhere)
        rest = own - left - elsewhere
        if rest:
            super(MailMail, rest)._send(*args, **kwargs)
        secure -= elsewhere
        sent = secure.filtered(lambda mail: mail.state == "sent")
        sent.secure_link_id._mark_left()
        failed = (secure - sent).filtered(lambda mail: mail.state == "exception")
        failed.secure_link_id._mark_failed()
        return True

    def _send_notices(
        self,
        leaving,
        smtp_session=None,
        mail_server=False,
        alias_domain_id=False,
        auto_commit=False,
        post_send_callback=None,
        **_how,
    ):
        """Let notifications leave one by one, each locked before and noted after.

        Odoo's own loop reads and writes each mail by the ORM, whose cache is emptied by
        the commit after each mail: that takes it more than half of its time. Here the
        same is locked, noted and committed in the same order, by one statement each, so
        that a killed worker repeats one email at most, as Odoo's.

        :param leaving: :class:`Leaving`
        :return: those that left; what the server refused is for Odoo to mark as failed
        """
        server = self.env["ir.mail_server"]
        if server._disable_send():
            return self.browse()
        if mail_server and not self._filter_mail_mail_servers(mail_server):
            return self.browse()
        # sudo: the domain's own senders, read as Odoo's `_send` reads them
        domain = self.env["mail.alias.domain"].sudo().browse(alias_domain_id)
        server = server.with_context(
            domain_notifications_email=domain.default_from_email,
            domain_bounce_address=domain.bounce_email,
        )
        if auto_commit:
            # A link is valid before it leaves; and what others send now is seen
            self.env.cr.commit()  # pylint: disable=invalid-commit
        self.env.flush_all()
        left = []
        for mail_id, email in leaving.emails():
            if not self._lock_notice(mail_id):
                leaving.elsewhere.add(mail_id)
                continue
            try:
                server._send_notice(email, smtp_session, mail_server)
            except (psycopg2.Error, smtplib.SMTPServerDisconnected, MemoryError):
                raise
            # Whatever it is, it concerns this one email
            except Exception as error:  # pylint: disable=broad-except
                leaving.failures[mail_id] = log_filter.without_tokens(error)
                continue
            self._note_notice_sent(mail_id)
            left.append(mail_id)
            if auto_commit:
                if post_send_callback:
                    post_send_callback([mail_id])
                # What has left cannot be taken back
                self.env.cr.commit()  # pylint: disable=invalid-commit
        if left and post_send_callback:
            post_send_callback(left)
        return self.browse(left)._settle_notices()

    def _settle_notices(self):
        """What is done once for all that left."""
        if self:
            failure = ["failure_type", "failure_reason"]
            self.invalidate_recordset(["state", *failure])
            statuses = self.env["mail.notification"]
            statuses.invalidate_model(["notification_status", *failure])
            self._postprocess_sent_message(success_pids=[], success_emails=[])
            _logger.info("%s notifications left by email", len(self))
        return self

    def _lock_notice(self, mail_id):
        """Lock a mail and its status, so that noting that it left cannot fail.

        Looked up by one key after the other, not joined: where tables were empty when
        PostgreSQL last counted them, as that of mails is between two sends, a join
        reads whole indexes, for each mail.

        :return: whether it is still to be sent, by nobody else and to this address;
            whose contact has another one by now is for the next run to refuse
        """
        self.env.cr.execute(
            """WITH mail AS (
                    SELECT id
                      FROM mail_mail
                     WHERE id = %(id)s
                       AND state = 'outgoing'
                       AND (SELECT address FROM secure_link
                             WHERE id = mail_mail.secure_link_id)
                         = (SELECT email_normalized FROM res_partner
                             WHERE id = (SELECT partner_id FROM secure_thread
                             WHERE id = (SELECT thread_id FROM secure_link
                             WHERE id = mail_mail.secure_link_id)))
                       FOR UPDATE SKIP LOCKED
               ), status AS (
                    SELECT id FROM mail_notification
                     WHERE mail_mail_id = %(id)s AND EXISTS (SELECT FROM mail)
                       FOR UPDATE
               )
               SELECT id, (SELECT count(*) FROM status) FROM mail""",
            {"id": mail_id},
        )
        return bool(self.env.cr.rowcount)

    def _note_notice_sent(self, mail_id):
        """As Odoo notes it, in one statement."""
        self.env.cr.execute(
            """WITH mail AS (
                    UPDATE mail_mail
                       SET state = 'sent', failure_type = NULL, failure_reason = NULL
                     WHERE id = %(id)s
               )
               UPDATE mail_notification
                  SET notification_status = 'sent',
                      failure_type = NULL, failure_reason = NULL
                WHERE mail_mail_id = %(id)s
                  AND notification_status NOT IN ('sent', 'canceled')""",
            {"id": mail_id},
        )

    def _prepare_leaving(self):
        """The clear links of these mails, whose validity starts now."""
        leaving = Leaving(self)
        self.secure_link_id._prepare_leaving()
        return leaving

    def _leaving(self):
        """What the batch knows of this mail: :class:`Notice` or None."""
        leaving = leaving_now(self.env)
        return leaving and leaving.of(self)

    def _check_accepted(self):
        """Raise again what the mail server said, for Odoo to mark it as failed."""
        leaving = leaving_now(self.env)
        if leaving and self.id in leaving.failures:
            raise leaving.failures[self.id]

    def _fail_locked(self, reason):
        """Without the key these stay, as failed and to be sent again; others go."""
        failure = {"failure_type": "unknown", "failure_reason": reason}
        self.write({"state": "exception", **failure})
        self._postprocess_sent_message(success_pids=[], success_emails=[], **failure)
        self.secure_link_id._mark_failed()

    def _notification_email(self, url):
        """All that leaves for this mail: what Odoo would make of it, and no more.

        Built here and not by Odoo, which would look for the files of the message, and
        share those that are too large for an email by link.

        :param str url: the clear address of the page
        :return: dict like those of ``_prepare_outgoing_list``
        """
        link, partner = self.secure_link_id, self.recipient_ids[:1]
        company = self.record_company_id or self.env.company
        bounce = self.record_alias_domain_id.bounce_email or company.bounce_email
        body = self._prepare_outgoing_body().replace(texts.LINK_MARK, url)
        reached = partner and partner._secure_address("email") == link.address
        senders = email_split_and_format_normalize(self.email_from)
        return {
            "attachments": [],
            "body": body,
            "body_alternative": html2plaintext(body),
            "email_cc": [],
            "email_from": texts.one_line(senders[0] if senders else self.email_from),
            "email_to": [formataddr((texts.one_line(partner.name), link.address))],
            # None for a contact whose address is another one by now
            "email_to_normalized": [link.address] if reached else None,
            "email_to_raw": partner.email or "",
            "headers": {"Return-Path": bounce} if bounce else {},
            "message_id": self.message_id,
            "object_id": "",
            "partner_id": partner,
            "references": self.references,
            "reply_to": self.reply_to,
            "subject": self.subject,
        }
