"""Whom a new message goes to, and what its writer is told before it does."""

import json
import re

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools.mail import email_split_tuples

from ..models.secure_draft import OUTBOUND
from ..models.secure_road_pins import SUMMED_UP

LOOKED_AT = 200
"""Recipients whose problems are told before sending; for more it would not be cheap."""
PROBLEMS_TOLD = 8
DOCUMENTS_NAMED = 3
RECIPIENT_FACTS = (
    "partner_ids",
    "partner_filter",
    "kind",
    "res_model",
    "res_ids",
    "dispatch_id",
    "channel",
    "company_id",
    "pin",
    "keep_pin",
    "pin_asked",
)
"""What it depends on who gets it, and what they will be asked for."""


class SecureComposeRecipients(models.TransientModel):
    _inherit = "secure.compose"

    recipient_count = fields.Integer(
        "Number of Recipients", compute="_compute_recipients"
    )
    documents_text = fields.Char("About", compute="_compute_documents_text")
    problem = fields.Char(compute="_compute_recipients")
    pin_summary = fields.Char("Will Ask For", compute="_compute_pin_summary")
    pin_missing = fields.Json(compute="_compute_pin_summary")
    pin_asked = fields.Integer(store=False)
    """Changes when a PIN was set meanwhile: what depends on PINs is to be told anew."""

    # -- who ---------------------------------------------------------------------

    def _recipients(self, limit=None):
        """Who gets it, among what the writer may see.

        :return: (list of rows for ``secure.dispatch._plan``, ``res.users`` among them,
            who take part inside)
        """
        nobody = self.env["res.users"]
        kept = self._kept_dispatch()
        if kept:
            lines = kept.line_ids[:limit]
            rows = [{"res_id": row.res_id, "partner": row.partner_id} for row in lines]
            return rows, kept.participant_ids
        if self.res_model:
            return self._document_rows(limit), nobody
        if self.kind == "filter":
            dispatches = self.env["secure.dispatch"]
            partners = dispatches._matching_partners(
                self.partner_filter, self.company_id, limit
            )
            return [{"partner": partner} for partner in partners], nobody
        chosen = self.partner_ids._origin._filtered_access("read")
        contacts, colleagues = self.env["secure.road"]._split(chosen)
        return [{"partner": contact} for contact in contacts[:limit]], colleagues

    def _kept_dispatch(self):
        """The planned send that this changes, when its recipients stay who they are:
        they were chosen on a document or by a template; this form cannot name them."""
        planned = self.dispatch_id._filtered_access("read")
        return planned.filtered(lambda one: one.res_model and one.origin != "compose")

    @api.depends(*RECIPIENT_FACTS)
    def _compute_pin_summary(self):
        """What the send will ask for, of all recipients."""
        road = self.env["secure.road"]
        for compose in self:
            compose.update({"pin_summary": False, "pin_missing": False})
            try:
                rows, _colleagues = compose._recipients(SUMMED_UP + 1)
            except UserError:
                # Told by `problem`
                continue
            pin = bool(compose.pin or compose._kept_pin())
            line = road._pin_line(
                [{**row, "pin": pin} for row in compose._with_documents(rows)]
            )
            compose.pin_summary = line["text"]
            compose.pin_missing = line["missing"]

    def _with_documents(self, rows):
        """What the roads know of rows: their document instead of its id."""
        documents = self._documents() if self.res_model else None
        return [
            {
                "partner": row["partner"],
                "company": self.company_id,
                "channel": self.channel,
                "record": documents.browse(row["res_id"]) if "res_id" in row else None,
            }
            for row in rows
        ]

    def _document_rows(self, limit=None):
        """A row for each contact of each document, and one for a document without."""
        documents = self._documents()[:limit]
        found = self.env["secure.road"]._recipients_of(documents)
        nobody = self.env["res.partner"]
        return [
            {"res_id": document.id, "partner": partner}
            for document in documents
            for partner in found[document.id] or [nobody]
        ]

    def _documents(self):
        """The documents it is about that the writer may see."""
        if self.res_model not in self.env or self.res_model.startswith("secure."):
            raise UserError(self.env._("There are no documents to write about."))
        try:
            ids = {int(id_): True for id_ in json.loads(self.res_ids or "[]")}
        except (TypeError, ValueError) as error:
            raise UserError(
                self.env._("There are no documents to write about.")
            ) from error
        return self.env[self.res_model].browse(ids).exists()._filtered_access("read")

    def _count_recipients(self, rows):
        if len(rows) >= LOOKED_AT and self.res_model:
            return len(self._documents())
        if self.kind == "filter" and len(rows) >= LOOKED_AT:
            domain = self.env["secure.dispatch"]._filter_domain(
                self.partner_filter, self.company_id
            )
            return self.env["res.partner"].search_count(domain)
        if self.kind == "contacts" and not self.res_model:
            return len(self._recipients()[0])
        return sum(bool(row["partner"]) for row in rows)

    @api.depends("res_model", "res_ids")
    def _compute_documents_text(self):
        for compose in self:
            compose.documents_text = False
            if compose.res_model:
                documents = compose._documents()
                names = documents[:DOCUMENTS_NAMED].mapped("display_name")
                if len(documents) > DOCUMENTS_NAMED:
                    more = len(documents) - DOCUMENTS_NAMED
                    names.append(self.env._("%(count)s more", count=more))
                compose.documents_text = ", ".join(names)

    @api.model
    def add_recipient(self, text, company_id=False):
        """Find the contacts behind addresses or a number, or make them: before anything
        is sent, so that it is seen who it is.

        :return: dict with ``ids``, ``made`` (names of those who are new), and
            ``problem`` (text about the others)
        """
        self.check_access("create")
        road, made = self.env["secure.road"], []
        if "@" in (text or ""):
            contacts, problems = road._find_contacts([text], made)
            problems.update(self._unread_addresses(text))
        else:
            contacts, problems = road._find_or_make_number(text, made)
        if not contacts and not problems:
            problems = {"": self.env._("Please type an address or a number.")}
        return {
            "ids": self.env["res.partner"].union(*contacts.values()).ids,
            "made": [contact.display_name for contact in made],
            "problem": "\n".join(problems.values()),
        }

    @api.model
    def _unread_addresses(self, text):
        """What was meant as an address and is none, so that nobody is left out without
        a word.

        :return: dict of reasons by what was typed
        """
        parts = (part.strip() for part in re.split("[,;\\n]", text))
        return {
            part: self.env._("%s is no email address.", part)
            for part in parts
            if "@" in part and not email_split_tuples(part)
        }

    # -- what the writer is told ---------------------------------------------------

    @api.depends(*RECIPIENT_FACTS, "attachment_ids", "ask_consent")
    def _compute_recipients(self):
        """How many, and what will stop the send: told before anything is typed."""
        for compose in self:
            compose.recipient_count = 0
            try:
                rows, _colleagues = compose._recipients(LOOKED_AT)
                compose.recipient_count = compose._count_recipients(rows)
                compose.problem = compose._find_problem(rows)
            except UserError as refusal:
                compose.problem = str(refusal)

    def _find_problem(self, rows):
        company = self.company_id
        stopped = company._secure_obstacle() or company._secure_consent_problem(
            self.ask_consent
        )
        if stopped:
            return stopped
        problems = [*self._recipient_problems(rows), self._files_problem()]
        found = list(dict.fromkeys(filter(None, problems)))
        if len(found) > PROBLEMS_TOLD:
            more = len(found) - PROBLEMS_TOLD
            text = self.env._("… and %(count)s more problems.", count=more)
            found[PROBLEMS_TOLD:] = [text]
        return "\n".join(found)

    def _recipient_problems(self, rows):
        model, road = self.env["secure.draft"], self.env["secure.road"]
        known = [row for row in rows if row["partner"]]
        pin = self.pin or self._kept_pin()
        drafts = road._drafts(
            [{**row, "pin": pin} for row in self._with_documents(known)]
        )
        for draft in drafts:
            # sudo: what the writer will be told anyway when sending is refused
            draft.update(
                partner=draft["partner"].sudo(), company=draft["company"].sudo()
            )
        model._note_pin_rules(drafts)
        model._hide_value_flaws(drafts)
        if not self._typed_pin():
            # One that somebody else may have set is judged as it is sent: whose number
            # holds its digits is not for this form to tell
            for draft in drafts:
                draft["pin"] = False
        problems = [model._recipient_problem(draft) for draft in drafts]
        without = len(rows) - len(known)
        if without:
            text = self.env._("%(count)s documents have no contact.", count=without)
            problems.append(text)
        return [*problems, *self._blacklist_problems(known)]

    def _kept_pin(self):
        """The PIN that stays as it was set, to be checked and never shown: of this form
        when it was saved with one, else of the send it changes."""
        if not self.keep_pin:
            return False
        dispatch = self.dispatch_id._filtered_access("read")
        return self._typed_pin() or (dispatch and dispatch._open_sealed("sealed_pin"))

    def _typed_pin(self):
        """The PIN that was typed into this form."""
        return self.pin or (self.keep_pin and self._origin._open("sealed_pin"))

    def _blacklist_problems(self, rows):
        if len(rows) < 2:
            return []
        partners = self.env["res.partner"].union(*(row["partner"] for row in rows))
        dispatches = self.env["secure.dispatch"]
        listed = dispatches._blacklisted_partners(partners, self.channel)
        return [
            self.env._("%(contact)s is on the blacklist.", contact=one.display_name)
            for one in listed
        ]

    def _files_problem(self):
        model = self.env["secure.draft"]
        draft = {
            "attachment_ids": self.attachment_ids._origin.ids,
            "attachments": [],
            "direction": OUTBOUND,
        }
        model._note_sizes([draft])
        return model._files_problem(draft)
