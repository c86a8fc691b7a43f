"""Finding the conversation a message belongs to, or starting one."""

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import ConcurrencyError

from ..tools.keyring import Purpose, new_uid
from .secure_draft import OUTBOUND


class SecureThreadStart(models.Model):
    _inherit = "secure.thread"

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
            # sudo: of this very send; a rule only ever gets stricter
            self.sudo().browse(row["thread"].id for row in rows)._tighten(rule)

    @api.model
    def _start_threads(self, groups):
        """A new conversation for each list of drafts."""
        try:
            # sudo: nobody may make conversations; the roads to `_send` check who writes
            made = self.sudo().create(
                [self._thread_values(group[0]) for group in groups]
            )
        except psycopg2.errors.UniqueViolation as clash:
            raise ConcurrencyError("a conversation has just been started") from clash
        pins = {}
        for group, thread in zip(groups, made, strict=True):
            for draft in group:
                draft["thread"] = thread
            if group[0]["pin"]:
                pins[thread] = group[0]["pin"]
        self.env["secure.pin"]._set_all(pins)

    @api.model
    def _threads_about(self, drafts):
        """Existing conversations by :meth:`_document_key`, in one query."""
        keyed = [draft for draft in drafts if draft["res_id"] and not draft["pin"]]
        if not keyed:
            return {}
        # Links of archived ones are dead: there a new message could not be read
        # sudo: who may write about a document goes on in its conversation, read or not
        threads = self.sudo().with_context(active_test=True)
        threads = threads.search(
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
            "last_message_date": fields.Datetime.now(),
            "pin_rule": draft["pin_rule"],
            "res_model": draft["res_model"] if not draft["pin"] else False,
            "res_id": draft["res_id"] if not draft["pin"] else False,
        }
