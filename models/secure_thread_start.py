"""Finding the conversation a message belongs to, or starting one."""

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import ConcurrencyError

from ..tools.keyring import Purpose, new_uid
from .secure_draft import OUTBOUND


class SecureThreadStart(models.Model):
    _inherit = "secure.thread"

    apart = fields.Boolean(
        "Started Apart",
        readonly=True,
        help="Beside the conversation about the same document, which its sender may "
        "not read, or which must not be shown where this one goes.",
    )

    @api.model
    def _find_or_make_threads(self, drafts):
        """Give each draft a conversation: the given one, its document's, a new one."""
        # `started`: whether nobody has written in it before this very send
        outbound = [draft for draft in drafts if draft["direction"] == OUTBOUND]
        about = self._threads_about([row for row in outbound if not row["thread"]])
        starting = {}
        for number, draft in enumerate(outbound):
            if draft["thread"] and draft["pin"]:
                draft.update(thread=self.browse(), res_model=False, res_id=False)
            key = self._document_key(draft)
            joined = about.get(self._way_key(draft), self.browse())
            draft["thread"] = draft["thread"] or joined
            if not draft["thread"]:
                # Drafts about one document share what the first of them starts
                starting.setdefault(key or number, []).append(draft)
        self._start_threads(list(starting.values()))
        for rule in {draft["pin_rule"] for draft in outbound}:
            rows = [draft for draft in outbound if draft["pin_rule"] == rule]
            # sudo: of this very send; a rule only ever gets stricter
            self.sudo().browse(row["thread"].id for row in rows)._tighten(rule)

    @api.model
    def _start_threads(self, groups):
        """A new conversation for each list of drafts."""
        rivals = self._rivals([group[0] for group in groups])
        taken = {key for key, rows in rivals.items() if not rows[0].apart}
        values_list = [
            {
                **self._thread_values(group[0]),
                "apart": self._document_key(group[0]) in taken,
            }
            for group in groups
        ]
        try:
            # sudo: nobody may make conversations; the roads to `_send` check who writes
            made = self.sudo().create(values_list)
        except psycopg2.errors.UniqueViolation as clash:
            raise ConcurrencyError("a conversation has just been started") from clash
        pins = {}
        for group, thread in zip(groups, made, strict=True):
            for draft in group:
                draft.update(thread=thread, started=True)
            if group[0]["pin"]:
                pins[thread] = group[0]["pin"]
        self.env["secure.pin"]._set_all(pins)

    @api.model
    def _threads_about(self, drafts):
        """The existing conversation about its document that each draft goes on in, by
        :meth:`_way_key`, in the same few queries for all.

        Its link will show all that stands there. So whoever sends must be able to read
        it, or nobody sends but the system; and the link must go where the others went.
        """
        found = self._rivals(drafts)
        human = self.env["secure.road"]._sender()
        threads = self.browse(row.id for rows in found.values() for row in rows)
        if human:
            # sudo: which companies are theirs, whichever are ticked now
            companies = {"allowed_company_ids": human.sudo().company_ids.ids}
            readers = threads.with_user(human).with_context(**companies).sudo(False)
            readable = set(readers._filtered_access("read").ids)
            threads = threads.filtered(lambda thread: thread.id in readable)
        ways = {
            (thread, draft["channel"])
            for draft in drafts
            for thread in found.get(self._document_key(draft), ())
            if thread in threads
        }
        strange = self.env["secure.address"]._strange(ways, automatic=not human)
        about = {}
        for draft in drafts:
            for thread in found.get(self._document_key(draft), ()):
                way = (thread, draft["channel"])
                if way in ways and way not in strange:
                    about.setdefault(self._way_key(draft), thread)
        return about

    @api.model
    def _rivals(self, drafts):
        """All conversations about the documents, by :meth:`_document_key`; the one that
        was not started apart comes first, then the newest."""
        keyed = [draft for draft in drafts if draft["res_id"] and not draft["pin"]]
        if not keyed:
            return {}
        # Links of archived ones are dead: there a new message could not be read
        # sudo: which there are; `_threads_about` asks who reads
        threads = self.sudo().with_context(active_test=True)
        threads = threads.search(
            [
                ("partner_id", "in", {draft["partner"].id for draft in keyed}),
                ("res_model", "in", {draft["res_model"] for draft in keyed}),
                ("res_id", "in", {draft["res_id"] for draft in keyed}),
                ("pin_rule", "!=", "message"),
            ],
            order="apart, id desc",
        )
        return threads.grouped(
            lambda thread: (
                thread.company_id.id,
                thread.partner_id.id,
                thread.res_model,
                thread.res_id,
            )
        )

    @api.model
    def _way_key(self, draft):
        key = self._document_key(draft)
        return key and (*key, draft["channel"])

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
            "last_message_date": fields.Datetime.now(),
            "pin_rule": draft["pin_rule"],
            "res_model": draft["res_model"] if not draft["pin"] else False,
            "res_id": draft["res_id"] if not draft["pin"] else False,
        }
