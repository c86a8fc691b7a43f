"""The messages the page shows, and what is noted of it."""

import re

from odoo import api, fields, models

from ..tools import content
from .secure_draft import INBOUND, OUTBOUND
from .secure_page import MESSAGES_PER_PAGE


class SecurePageMessages(models.AbstractModel):
    _inherit = "secure.page"

    @api.model
    def _page_domain(self, thread):
        """What of a conversation is for its contact."""
        return [
            ("model", "=", "secure.thread"),
            ("res_id", "=", thread.id),
            ("secure_direction", "in", (OUTBOUND, INBOUND)),
        ]

    @api.model
    def _page_messages(self, thread, before=""):
        """Newest first, one more than a page to know whether there are older ones.

        :param str before: the uid of a message; from the address, so it may be anything
        """
        domain = self._page_domain(thread)
        # sudo: for the holder of this thread's grant, checked by the controller
        messages = self.env["mail.message"].sudo()
        if before:
            end = messages.search([*domain, ("secure_uid", "=", before)], limit=1)
            if not end:
                return messages
            domain.append(("id", "<", end.id))
        return messages.search(domain, order="id desc", limit=MESSAGES_PER_PAGE + 1)

    @api.model
    def _page_file(self, thread, uid):
        """A file by its random name, if it hangs on a message of this conversation that
        the contact may see."""
        if not re.fullmatch("[0-9a-f]{32}", uid):
            return self.env["ir.attachment"]
        domain = [
            *self._page_domain(thread),
            ("secure_withdrawn_date", "=", False),
            ("attachment_ids.secure_uid", "=", uid),
        ]
        # sudo: for the holder of this thread's grant, checked by the controller
        message = self.env["mail.message"].sudo().search(domain, limit=1)
        return message.attachment_ids.filtered(lambda file: file.secure_uid == uid)

    @api.model
    def _older_url(self, messages, address):
        if len(messages) <= MESSAGES_PER_PAGE:
            return ""
        return f"{address}?before={messages[MESSAGES_PER_PAGE - 1].secure_uid}"

    @api.model
    def _message_rows(self, messages, thread, address):
        """What the page shows of messages, oldest first."""
        shown = messages.filtered(lambda message: not message.secure_withdrawn_date)
        clear = shown._secure_clear()
        return [
            self._message_row(message, thread, address, clear.get(message.id))
            for message in reversed(messages)
        ]

    @api.model
    def _message_row(self, message, thread, address, clear):
        """:param dict clear: the content; None when the message was withdrawn"""
        files = message.attachment_ids.sorted("id") if clear else ()
        withdrawn = message.secure_withdrawn_date
        return {
            "uid": message.secure_uid,
            "mark": self._message_mark(message),
            "mine": message.secure_direction == INBOUND,
            "author": message.author_id.name or thread.company_id.name,
            "body": content.for_page(clear["body"]) if clear else "",
            "withdrawn": withdrawn and self._date_values(withdrawn, thread),
            **self._date_values(message.date, thread),
            "files": [self._file_row(file, address) for file in files],
        }

    @api.model
    def _date_values(self, date, thread):
        return {
            "date_iso": date.isoformat() + "Z",
            "date_text": self._date_text(date, thread),
        }

    @api.model
    def _message_mark(self, message):
        """By what an open page tells a message that is new to it, or was withdrawn."""
        return message.secure_uid[:12] + ("w" if message.secure_withdrawn_date else "")

    @api.model
    def _file_row(self, file, address):
        head = file._secure_head()
        return {
            "url": f"{address}/f/{file.secure_uid}",
            "name": head["name"],
            "size_text": content.size_text(head["file_size"]),
        }

    # -- receipts --------------------------------------------------------------

    @api.model
    def _write_receipts(self, grant, messages, remote_addr):
        """Seen dates, once each, of what a view shows: proof that somebody who knew
        the PIN had these messages before their eyes.

        :param messages: what :meth:`_page_messages` gave
        """
        seen = messages[:MESSAGES_PER_PAGE].filtered(
            lambda message: message.secure_direction == OUTBOUND
            and not message.secure_seen_date
            and not message.secure_withdrawn_date
        )
        if not seen:
            return
        seen._secure_write({"secure_seen_date": fields.Datetime.now()})
        self.env["secure.access.log"]._log(
            "read", grant.link_id, remote_addr, message_ids=seen.ids
        )
