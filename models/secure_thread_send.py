"""The one way content enters a conversation."""

from collections import namedtuple

from odoo import api, fields, models

from ..tools import content, own_code
from ..tools import notification as texts
from ..tools.keyring import Purpose
from .secure_draft import INBOUND, INTERNAL, OUTBOUND
from .secure_notification import own_message_id

Sent = namedtuple("Sent", ("thread", "message", "link", "started"), defaults=(False,))
"""What became of one dict of values: records; no link for replies and notes; nothing
but empty records for what was refused; whether the conversation began with it."""


class SecureThreadSend(models.Model):
    _inherit = "secure.thread"

    @api.model
    def _send(self, values_list, notify=True, leave=True, refused=None):
        """Store messages, sealed, and let their notifications leave.

        The same few queries for one recipient and for ten thousand. Who may send is
        for the caller to check; what may be sent is checked here, and it fails closed.

        :param list values_list: a dict for each recipient:

            - ``thread``: an existing conversation, or ``partner`` and ``company`` for
              a new one (``res_model`` and ``res_id``: about which document)
            - ``body`` (Markup or HTML), ``subject``
            - ``attachments``: list of (name, bytes); ``attachment_ids``: pending
              uploads of the sender
            - ``direction``: outbound (default), inbound, internal
            - ``channel``: ``email`` (default) or ``sms``
            - ``pin``: a PIN of its own, which takes a conversation of its own
            - ``expiry_hours``, ``renewable``, ``responsible``
            - ``ask_consent``: where the company leaves open whom it asks
            - ``author``: ``res.partner``, the current user's by default
            - ``sender``: ``res.users`` named in the notification
            - ``colleagues``: ``res.users`` who take part in the conversation from now
              on and are told, without content: in a new one, or one that the current
              user reads

        :param bool notify: False where Odoo makes the mail or SMS row itself; it is
            marked with the returned link
        :param bool leave: False where the caller sees to it that what was queued leaves
        :param dict refused: where given, what cannot be sent is left out, with the
            reason noted here by its place in the list, and the rest goes
        :return: list of ``Sent``, in order
        :raise UserError: without ``refused``, naming every recipient that cannot be
            sent to
        :raise ConcurrencyError: when somebody else has just started a conversation
            about the same document; the whole transaction is to be run again
        """
        draft_model = self.env["secure.draft"]
        completed = [draft_model._complete(values) for values in values_list]
        draft_model._embed_pictures(completed)
        drafts = draft_model._check(completed, refused)
        sent = iter(self._send_checked(drafts, notify, leave) if drafts else [])
        nothing = Sent(self.browse(), self.env["mail.message"], self.env["secure.link"])
        good = {id(draft) for draft in drafts}
        return [next(sent) if id(row) in good else nothing for row in completed]

    @api.model
    def _send_checked(self, drafts, notify, leave):
        """:meth:`_send` for what was completed and found in order."""
        draft_model = self.env["secure.draft"]
        draft_model._take_uploads(drafts)
        self._find_or_make_threads(drafts)
        outbound = [draft for draft in drafts if draft["direction"] == OUTBOUND]
        self.env["secure.notification"]._subjects(outbound)
        messages = self._store_messages(drafts)
        links = self._issue_links(drafts, messages)
        if notify:
            self.env["secure.notification"]._queue(drafts, messages, links, leave)
        self._note_activity(drafts)
        self._invite_colleagues(drafts, messages)
        return [
            Sent(draft["thread"], message, link, draft["started"])
            for draft, message, link in zip(drafts, messages, links, strict=True)
        ]

    # -- messages --------------------------------------------------------------

    @api.model
    def _store_messages(self, drafts):
        """Insert the messages, sealed before the first INSERT.

        :return: ``mail.message`` records, in order
        """
        files = self._store_files(drafts)
        values_list = [
            self._message_values(draft, attachments)
            for draft, attachments in zip(drafts, files, strict=True)
        ]
        return self.env["mail.message"]._secure_create(values_list)

    @api.model
    def _message_values(self, draft, attachments):
        thread = draft["thread"]
        note = draft["direction"] == INTERNAL
        subtype = "mail.mt_note" if note else "mail.mt_comment"
        company = draft["company"]
        author = draft["author"]
        return {
            "model": "secure.thread",
            "res_id": thread.id,
            "body": content.PLACEHOLDER,
            "subject": draft.get("notification_subject")
            or self._neutral_subject(draft),
            "message_type": "comment",
            "subtype_id": self.env["ir.model.data"]._xmlid_to_res_id(subtype),
            "author_id": author.id,
            "email_from": texts.one_line(
                author.email_formatted or company.email_formatted
            ),
            "reply_to": company._secure_reply_to(),
            "message_id": own_message_id(),
            "record_alias_domain_id": company.alias_domain_id.id,
            "record_company_id": company.id,
            "attachment_ids": [(4, attachment.id) for attachment in attachments],
            "secure_uid": draft["uid"],
            "secure_direction": draft["direction"],
            **self._sealed_content(draft),
        }

    @api.model
    def _neutral_subject(self, draft):
        """What staff read in the subject of an email about a message."""
        if draft["direction"] != INBOUND:
            return draft["thread"].name
        # Not in the visitor's language
        user = draft["thread"]._answering_user()
        spoken = self.with_context(lang=user.lang)
        return spoken.env._("%(reference)s: an answer", reference=draft["thread"].name)

    @api.model
    def _sealed_content(self, draft):
        seal = self.env["secure.keyring"]._seal
        place = ("mail.message", draft["uid"])
        subject = (draft["subject"] or "").strip()
        return {
            "secure_body": seal(Purpose.CONTENT, (*place, "body"), draft["body"] or ""),
            "secure_subject": seal(Purpose.CONTENT, (*place, "subject"), subject)
            if subject
            else False,
        }

    @api.model
    def _store_files(self, drafts):
        """Seal the files of all drafts.

        :return: list of ``ir.attachment`` records, one for each draft
        """
        Attachment = self.env["ir.attachment"].with_context(**own_code.MARK)
        values_list, owners = [], []
        for index, draft in enumerate(drafts):
            for name, data in draft["attachments"]:
                owners.append(index)
                values_list.append(
                    {
                        "name": name,
                        "raw": data,
                        "res_model": "secure.thread",
                        "res_id": draft["thread"].id,
                    }
                )
        # sudo: nobody may add files; the roads to `_send` check who writes
        stored = [Attachment.sudo() for _draft in drafts]
        for index, attachment in zip(
            owners, Attachment.sudo().create(values_list), strict=True
        ):
            stored[index] |= attachment
        return stored

    # -- links and after -------------------------------------------------------

    @api.model
    def _issue_links(self, drafts, messages):
        """Links for the outbound ones.

        :return: list of ``secure.link``, an empty one where there is none
        """
        numbered = [
            (
                index,
                {
                    "thread_id": draft["thread"].id,
                    "message_id": messages[index].id,
                    "channel": draft["channel"],
                    "address": draft["partner"]._secure_address(draft["channel"]),
                    "duration": draft["expiry_hours"],
                    "renewable": draft["renewable"],
                },
            )
            for index, draft in enumerate(drafts)
            if draft["direction"] == OUTBOUND
        ]
        links = [self.env["secure.link"] for _draft in drafts]
        if numbered:
            issued = self.env["secure.link"]._issue(
                [values for _index, values in numbered]
            )
            for (index, _values), link in zip(numbered, issued, strict=True):
                links[index] = link
        return links

    @api.model
    def _note_activity(self, drafts):
        """Dates and counters, in one statement for each kind of change."""
        # sudo: dates and counters of the conversations this very send writes to
        threads = self.sudo().browse({draft["thread"].id for draft in drafts})
        now = fields.Datetime.now()
        # Those just started have it
        threads.filtered(lambda thread: thread.last_message_date != now).write(
            {"last_message_date": now}
        )
        inbound = [draft["thread"] for draft in drafts if draft["direction"] == INBOUND]
        for thread in inbound:
            thread.sudo().staff_unread_count += 1
            if thread.sudo().state == "closed":
                thread.sudo().state = "open"
        outbound = {
            draft["thread"].id for draft in drafts if draft["direction"] == OUTBOUND
        }
        self._note_read(self.sudo().browse(outbound))

    @api.model
    def _note_read(self, threads):
        """Who answers has read; not so an automation, nor who may not read there."""
        unread = threads.filtered("staff_unread_count")
        sender = unread and self.env["secure.road"]._sender()
        if sender:
            seen = unread.with_user(sender).sudo(False)._filtered_access("read")
            seen._mark_read_by_staff()

    @api.model
    def _invite_colleagues(self, drafts, messages):
        """Colleagues among the recipients take part inside, and are told."""
        threads = self.browse(row["thread"].id for row in drafts if row["colleagues"])
        readable = threads._filtered_readable()
        for draft, message in zip(drafts, messages, strict=True):
            # Nobody is brought into what is not the sender's to read
            if not (draft["started"] or draft["thread"] in readable):
                continue
            # sudo: who the author is, and taking part, as every recipient inside does
            colleagues = draft["colleagues"] - draft["author"].sudo().user_ids
            if colleagues:
                thread = draft["thread"].sudo()
                thread.participant_ids |= colleagues
                thread._tell_staff(message, colleagues.partner_id.ids)
