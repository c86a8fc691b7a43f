"""The one way content enters a conversation."""

from collections import namedtuple

from odoo import api, fields, models

from ..tools import content, own_code
from ..tools import token as tokens
from ..tools.keyring import Purpose, new_uid
from .secure_draft import INBOUND, INTERNAL, OUTBOUND

Sent = namedtuple("Sent", ("thread", "message", "link"))
"""What became of one dict of values: records; no link for replies and notes."""


class SecureThreadSend(models.Model):
    _inherit = "secure.thread"

    @api.model
    def _send(self, values_list, notify=True):
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
            - ``author``: ``res.partner``, the current user's by default
            - ``sender``: ``res.users`` named in the notification

        :param bool notify: False where Odoo makes the mail or SMS row itself; it is
            marked with the returned link
        :return: list of ``Sent``, in order
        :raise UserError: naming every recipient that cannot be sent to
        """
        draft_model = self.env["secure.draft"]
        drafts = [draft_model._complete(values) for values in values_list]
        draft_model._check(drafts)
        draft_model._take_uploads(drafts)
        self._find_or_make_threads(drafts)
        outbound = [draft for draft in drafts if draft["direction"] == OUTBOUND]
        self.env["secure.notification"]._subjects(outbound)
        messages = self._store_messages(drafts)
        links = self._issue_links(drafts, messages)
        if notify:
            self.env["secure.notification"]._queue(drafts, messages, links)
        self._note_activity(drafts)
        return [
            Sent(draft["thread"], message, link)
            for draft, message, link in zip(drafts, messages, links, strict=True)
        ]

    # -- threads ---------------------------------------------------------------

    @api.model
    def _find_or_make_threads(self, drafts):
        """Give each draft a conversation: the given one, its document's, a new one."""
        outbound = [draft for draft in drafts if draft["direction"] == OUTBOUND]
        about = self._threads_about([row for row in outbound if not row["thread"]])
        starting = {}
        for number, draft in enumerate(outbound):
            if draft["thread"] and draft["pin"]:
                draft.update(thread=self.browse(), res_model=False, res_id=False)
            key = self._document_key(draft)
            draft["thread"] = draft["thread"] or about.get(key, self.browse())
            if not draft["thread"]:
                # Drafts about one document share what the first of them starts
                starting.setdefault(key or number, []).append(draft)
        self._start_threads(list(starting.values()))
        for rule in {draft["pin_rule"] for draft in outbound}:
            rows = [draft for draft in outbound if draft["pin_rule"] == rule]
            self.sudo().browse(row["thread"].id for row in rows)._tighten(rule)

    @api.model
    def _start_threads(self, groups):
        """A new conversation for each list of drafts."""
        made = self.sudo().create([self._thread_values(group[0]) for group in groups])
        for group, thread in zip(groups, made, strict=True):
            for draft in group:
                draft["thread"] = thread
            if group[0]["pin"]:
                self.env["secure.pin"]._set(thread, group[0]["pin"])

    @api.model
    def _threads_about(self, drafts):
        """Existing conversations by :meth:`_document_key`, in one query."""
        keyed = [draft for draft in drafts if draft["res_id"] and not draft["pin"]]
        if not keyed:
            return {}
        threads = self.sudo().search(
            [
                ("partner_id", "in", {draft["partner"].id for draft in keyed}),
                ("res_model", "in", {draft["res_model"] for draft in keyed}),
                ("res_id", "in", {draft["res_id"] for draft in keyed}),
                ("pin_rule", "!=", "message"),
            ]
        )
        return {
            (
                thread.company_id.id,
                thread.partner_id.id,
                thread.res_model,
                thread.res_id,
            ): thread
            for thread in threads
        }

    @api.model
    def _document_key(self, draft):
        """What makes two sends one conversation; None when nothing does."""
        if draft["pin"] or not draft["res_id"]:
            return None
        return (
            draft["company"].id,
            draft["partner"].id,
            draft["res_model"],
            draft["res_id"],
        )

    @api.model
    def _thread_values(self, draft):
        uid = new_uid()
        place = ("secure.thread", uid, "subject")
        subject = (draft["subject"] or "").strip()
        seal = self.env["secure.keyring"]._seal
        return {
            "secure_uid": uid,
            "company_id": draft["company"].id,
            "partner_id": draft["partner"].id,
            "subject_sealed": seal(Purpose.CONTENT, place, subject)
            if subject
            else False,
            "responsible_id": draft["responsible"].id,
            "channel": draft["channel"],
            "pin_rule": draft["pin_rule"],
            "res_model": draft["res_model"] if not draft["pin"] else False,
            "res_id": draft["res_id"] if not draft["pin"] else False,
        }

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
        messages = self.env["mail.message"]._secure_create(values_list)
        return messages

    @api.model
    def _message_values(self, draft, attachments):
        thread = draft["thread"].sudo()
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
            "email_from": author.email_formatted or company.email_formatted,
            "reply_to": company._secure_reply_to(),
            "message_id": f"<{tokens.new_secret()}@secure-message>",
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
        threads = self.sudo().browse({draft["thread"].id for draft in drafts})
        threads.write({"last_message_date": fields.Datetime.now()})
        inbound = [draft["thread"] for draft in drafts if draft["direction"] == INBOUND]
        for thread in inbound:
            thread.sudo().staff_unread_count += 1
            if thread.sudo().state == "closed":
                thread.sudo().state = "open"
        outbound = {
            draft["thread"].id for draft in drafts if draft["direction"] == OUTBOUND
        }
        self.sudo().browse(outbound)._mark_read_by_staff()
