"""Notifications: the only thing that leaves the house."""

from markupsafe import Markup

from odoo import api, models
from odoo.fields import Command

from ..tools import notification as texts
from ..tools import own_code, pin_policy
from ..tools import token as tokens

MESSAGE_ID_HOST = "secure-message"
"""By this host an answer to a notification is known, even when Odoo has forgotten what
was answered."""
SEND_NOW_LIMIT = 100
"""Up to this many mails leave right after the commit; more wait for Odoo's queue.
Odoo's own limit for notifications (``mail.mail.force.send.limit``) is 100."""

QUEUES = {
    "email": "mail.ir_cron_mail_scheduler_action",
    "sms": "sms.ir_cron_sms_scheduler_action",
}


def own_message_id():
    """A Message-Id that names neither record nor server."""
    return f"<{tokens.new_secret()}@{MESSAGE_ID_HOST}>"


class SecureNotification(models.AbstractModel):
    """Puts notifications into Odoo's own mail and SMS queues, for many at once."""

    _name = "secure.notification"
    _description = "Secure Messaging Notifications"

    @api.model
    def _queue(self, drafts, messages, links, leave=True):
        """Queue a notification for each draft that has a link.

        :param list drafts: of ``secure.thread._send``
        :param messages: ``mail.message`` records, in the same order
        :param list links: ``secure.link`` records, in the same order
        :param bool leave: whether to see to it that mails leave soon
        """
        rows = [
            (draft, message, link)
            for draft, message, link in zip(drafts, messages, links, strict=True)
            if link
        ]
        mails = self._queue_mails([row for row in rows if row[2].channel == "email"])
        if leave:
            self._let_leave(mails)
        self._queue_sms([row for row in rows if row[2].channel == "sms"])

    @api.model
    def _let_leave(self, mails):
        """A few right after the commit; many by Odoo's queue, soon."""
        if len(mails) <= SEND_NOW_LIMIT:
            mails.send_after_commit()
        else:
            self._wake_queue("email")

    @api.model
    def _wake_queue(self, channel):
        """Have Odoo's queue send what waits there, soon."""
        self.env.ref(QUEUES[channel])._trigger()

    @api.model
    def _queue_mails(self, rows):
        if not rows:
            return self.env["mail.mail"]
        # sudo: whoever sends has no right to mails; a mark stands for the link, and
        # there is no content
        mails = (
            self.env["mail.mail"]
            .sudo()
            .with_context(**own_code.MARK)
            .create(
                [
                    {
                        "mail_message_id": message.id,
                        "body_html": self._mail_body(draft),
                        "recipient_ids": [Command.link(draft["partner"].id)],
                        "auto_delete": False,
                        "is_notification": True,
                        "references": message.message_id,
                        "secure_link_id": link.id,
                    }
                    for draft, message, link in rows
                ]
            )
        )
        self.env["mail.notification"].sudo().create(
            [
                {
                    "author_id": draft["author"].id,
                    "mail_message_id": message.id,
                    "mail_mail_id": mail.id,
                    "res_partner_id": draft["partner"].id,
                    "notification_type": "email",
                    "notification_status": "ready",
                    "is_read": True,
                }
                for (draft, message, _link), mail in zip(rows, mails, strict=True)
            ]
        )
        return mails

    @api.model
    def _mail_values(self, done):
        """What makes Odoo's own row of a mail a notification.

        :param done: ``Sent``
        """
        # sudo: of this very send; no content among these
        message = done.message.sudo()
        message_id = own_message_id()
        return {
            "subject": message.subject,
            "body_html": self._mail_body(self._draft_of(done)),
            "reply_to": message.reply_to,
            "headers": False,
            "message_id": message_id,
            "references": message_id,
            "secure_link_id": done.link.id,
            "secure_thread_id": done.thread.id,
        }

    @api.model
    def _queue_sms(self, rows):
        """SMS leave by their queue, never in this transaction: a rollback after the
        gateway took them would leave links in the world that nobody knows."""
        if not rows:
            return
        # sudo: as in `_queue_mails`; the number is the link's
        sms_list = (
            self.env["sms.sms"]
            .sudo()
            .create(
                [
                    {
                        "body": self._text(draft, "secure_sms_body"),
                        "number": link.sudo().address,
                        "partner_id": draft["partner"].id,
                        "mail_message_id": message.id,
                        "state": "outgoing",
                        "secure_link_id": link.id,
                    }
                    for draft, message, link in rows
                ]
            )
        )
        self._follow_sms(sms_list)

    @api.model
    def _follow_sms(self, sms_list):
        """Have messages in conversations learn what becomes of their SMS."""
        # sudo: of this very send; no content among these
        waiting = sms_list.sudo().filtered(
            lambda sms: sms.secure_link_id and sms.state == "outgoing"
        )
        messages = self.env["mail.message"].sudo()
        self.env["mail.notification"].sudo().create(
            [
                {
                    "author_id": messages.browse(link.message_id).author_id.id,
                    "mail_message_id": link.message_id,
                    "res_partner_id": sms.partner_id.id,
                    "sms_number": sms.number,
                    "notification_type": "sms",
                    "sms_id_int": sms.id,
                    "sms_tracker_ids": [self._sms_tracker(sms)],
                    "is_read": True,
                    "notification_status": "ready",
                }
                for sms in waiting
                for link in sms.secure_link_id
            ]
        )

    @api.model
    def _sms_tracker(self, sms):
        """What takes the gateway's reports of an SMS to its notification."""
        return Command.create({"sms_uuid": sms.uuid})

    @api.model
    def _sms_values(self, done):
        """What makes Odoo's own row of an SMS a notification.

        :param done: ``Sent``
        """
        return {
            "body": self._text(self._draft_of(done), "secure_sms_body"),
            # sudo: of this very send
            "number": done.link.sudo().address,
            "mail_message_id": done.message.id,
            "secure_link_id": done.link.id,
        }

    @api.model
    def _draft_of(self, done):
        """Who a message is from and to, as :meth:`_text` wants to know it."""
        # sudo: of this very send; no content among these
        thread, author = done.thread.sudo(), done.message.sudo().author_id
        return {
            "company": thread.company_id,
            "partner": thread.partner_id,
            "sender": author.user_ids[:1] or thread.responsible_id,
        }

    # -- texts -----------------------------------------------------------------

    @api.model
    def _says(self, draft, digits):
        """Whether digits stand in the notification a draft will make, be it in its
        text, in a name or in the company's phone number."""
        # sudo: the sender's name, as the notification will show it
        draft = {"sender": self.env.user.sudo(), **draft}
        if draft["channel"] == "sms":
            text = self._text(draft, "secure_sms_body")
        else:
            text = self._text(draft, "secure_email_subject") + self._mail_body(draft)
        return pin_policy.is_in_text(digits, text)

    @api.model
    def _subjects(self, drafts):
        """Set each outbound draft's ``notification_subject``."""
        for draft in drafts:
            if draft["channel"] == "email":
                draft["notification_subject"] = self._text(
                    draft, "secure_email_subject"
                )

    @api.model
    def _text(self, draft, field):
        company = draft["company"].with_context(lang=draft["partner"].lang)
        return texts.fill(company[field], self._values(draft))

    @api.model
    def _values(self, draft):
        """What the placeholders stand for."""
        user, company = draft["sender"].name, draft["company"].name
        return {
            "user.name": user,
            "company.name": company,
            "user.name_and_company": f"{user}, {company}",
            "contact.name": draft["partner"].name,
        }

    @api.model
    def _mail_body(self, draft):
        """The mail's HTML, still with the mark in the link's place."""
        company = draft["company"].with_context(lang=draft["partner"].lang)
        anchor = Markup(
            '<a href="%(mark)s" style="overflow-wrap: anywhere">%(mark)s</a>'
        ) % {"mark": texts.LINK_MARK}
        text = texts.fill_html(company.secure_email_body, self._values(draft), anchor)
        layout = self._mail_layout(company, draft["partner"].lang)
        return layout.replace(texts.TEXT_MARK, text)

    @api.model
    def _mail_layout(self, company, lang):
        """The frame around the text, rendered once for each company and language."""
        cache = self.env.cr.cache.setdefault("secure_mail_layout", {})
        key = (company.id, company.write_date, lang)
        if key not in cache:
            cache[key] = (
                self.env["ir.qweb"]
                .with_context(lang=lang)
                ._render(
                    "secure_messaging.notification_email",
                    {
                        "company": company,
                        "text_mark": texts.TEXT_MARK,
                        "link_mark": texts.LINK_MARK,
                        "lang": lang or "en_US",
                    },
                    minimal_qcontext=True,
                )
            )
        return cache[key]
