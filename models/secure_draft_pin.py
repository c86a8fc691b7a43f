"""What a message will ask its contact for, and why it cannot be sent without."""

from odoo import api, models

from ..tools import pin_policy
from .secure_thread import STRICTNESS


class SecureDraftPin(models.AbstractModel):
    _inherit = "secure.draft"

    @api.model
    def _note_pin_rules(self, drafts):
        """Set each draft's ``pin_rule``: the nearer PIN wins, and a conversation asks
        for no less than before. None when that is not there to be asked for; why is in
        ``pin_flaw``.
        """
        if not drafts:
            return
        threads = self._known_threads(drafts)
        # sudo: which PINs exist, not what they are
        pins = (
            self.env["secure.pin"]
            .sudo()
            .search(
                [
                    "|",
                    "|",
                    ("partner_id", "in", {draft["partner"].id for draft in drafts}),
                    ("company_id", "in", {draft["company"].id for draft in drafts}),
                    ("thread_id", "in", [thread.id for thread in threads]),
                ]
            )
        )
        have = {
            "contact": set(pins.partner_id.ids),
            "default": set(pins.company_id.ids),
            "void": {pin._owner(): pin for pin in pins.filtered("is_void")},
        }
        for draft, thread in zip(drafts, threads, strict=True):
            draft["pin_wanted"] = self._pin_wanted(draft, thread, have)
            draft["pin_void"] = self._void_pin(draft, thread, have)
        self._read_for_flaws(drafts)
        for draft in drafts:
            flaw = self._pin_flaw(draft, have)
            draft["pin_flaw"] = flaw
            draft["pin_rule"] = None if flaw else draft["pin_wanted"]

    @api.model
    def _known_threads(self, drafts):
        """The conversation each draft goes into, as far as there is one by now."""
        model = self.env["secure.thread"]
        open_ = [row for row in drafts if not row.get("thread") and row.get("res_id")]
        about = model._threads_about(open_)
        threads = []
        for row in drafts:
            thread = row.get("thread")
            if not thread and row.get("res_id"):
                thread = about.get(model._way_key(row))
            threads.append(thread or model)
        return threads

    @api.model
    def _pin_wanted(self, draft, thread, have):
        """The rule for a draft, whether or not it can be met.

        :param dict have: ids of the contacts and companies that have a PIN, by rule
        """
        # sudo: the rule, not the PIN
        former = (thread and thread.sudo().pin_rule) or "none"
        if draft["pin"] or former == "message":
            return "message"
        if draft["partner"].id in have["contact"]:
            return "contact"
        source = draft["company"]._secure_least_rule()
        if source == "none" and draft["company"].id in have["default"]:
            source = "default"
        return max(source, former, key=STRICTNESS.get)

    @api.model
    def _void_pin(self, draft, thread, have):
        """The PIN a draft would ask for, if that opens nothing any more."""
        owners = {"contact": draft["partner"], "default": draft["company"]}
        owner = owners.get(draft["pin_wanted"], thread)
        pin = not draft["pin"] and have["void"].get(owner)
        return pin or self.env["secure.pin"]

    @api.model
    def _read_for_flaws(self, drafts):
        """Read for all what :meth:`_pin_flaw` looks at, in a few queries."""
        # sudo: whether values and addresses can serve; neither is shown
        partners = self.env["res.partner"].sudo()
        for company in {
            row["company"] for row in drafts if row["pin_wanted"] == "field"
        }:
            asked = partners.union(
                *(
                    row["partner"]
                    for row in drafts
                    if (row["pin_wanted"], row["company"]) == ("field", company)
                )
            )
            self.env["secure.pin"]._fetch_values(asked, company)
        asked = partners.union(
            *(row["partner"] for row in drafts if row["pin_wanted"] == "code")
        )
        unconfirmed = self.env["secure.address"]._unconfirmed(asked)
        for row in drafts:
            if row["pin_wanted"] == "code":
                other = self.env["secure.code"]._other(row["channel"])
                row["unconfirmed"] = (row["partner"].id, other) in unconfirmed

    @api.model
    def _pin_flaw(self, draft, have):
        """What keeps a draft from asking for what it should; else empty."""
        wanted, partner = draft["pin_wanted"], draft["partner"]
        if draft["pin_void"]:
            return "void"
        if wanted == "contact" and partner.id not in have["contact"]:
            return "removed"
        if wanted == "default" and draft["company"].id not in have["default"]:
            return "missing"
        if wanted == "field":
            return self.env["secure.pin"]._value_flaw(partner, draft["company"])
        if wanted != "code":
            return ""
        other = self.env["secure.code"]._other(draft["channel"])
        if not partner._secure_address(other):
            return "no_address"
        return "unconfirmed" if draft["unconfirmed"] else ""

    @api.model
    def _hide_value_flaws(self, drafts):
        """For what is told before anything is sent. That a value is too easy to guess
        also says that it equals the contact's name or town: whoever can write those,
        and not read the field, would try values until it does."""
        partners, pins = self.env["res.partner"], self.env["secure.pin"]
        for draft in drafts:
            if (draft["pin_wanted"], draft["pin_flaw"]) != ("field", "obvious"):
                continue
            field = pins._value_field(draft["company"])
            if not partners._has_field_access(field, "read"):
                draft.update(pin_flaw="", pin_rule="field")

    @api.model
    def _pin_problem(self, draft):
        """``pin_flaw`` as text. A value is never in it."""
        name = draft["partner"].display_name
        if draft["pin_flaw"] == "void":
            return draft["pin_void"]._void_text()
        if draft["pin_wanted"] == "field":
            return self._value_problem(draft["pin_flaw"], name, draft["company"])
        if draft["pin_wanted"] == "code":
            return self._code_problem(draft, name)
        if draft["pin_flaw"] == "removed":
            return self.env._(
                "This conversation asks for a PIN of %(contact)s, which was removed. "
                "Please set a new one on the contact.",
                contact=name,
            )
        return self.env._(
            "A PIN is required, but there is none for %(contact)s. Please set one "
            "on the contact, for this message, or as the company's default.",
            contact=name,
        )

    @api.model
    def _value_problem(self, flaw, name, company):
        field = self.env["secure.pin"]._value_field(company)
        if flaw == "field":
            return self.env._(
                "The field that serves as PIN is missing. An administrator can choose "
                "another one in the settings. Until then nothing can be sent to "
                "%(contact)s.",
                contact=name,
            )
        label = field._description_string(self.env)
        texts = {
            "empty": self.env._(
                "“%(field)s” is empty for %(contact)s. It serves as PIN: please fill "
                "it in, or set a PIN for this contact or message.",
                field=label,
                contact=name,
            ),
            "length": self.env._(
                "“%(field)s” of %(contact)s cannot serve as PIN: that takes %(low)s to "
                "%(high)s letters and digits. Please correct it, or set a PIN for this "
                "contact or message.",
                field=label,
                contact=name,
                low=pin_policy.VALUE_MIN_LENGTH,
                high=pin_policy.VALUE_MAX_LENGTH,
            ),
            "obvious": self.env._(
                "“%(field)s” of %(contact)s is too easy to guess to serve as PIN. "
                "Please correct it, or set a PIN for this contact or message.",
                field=label,
                contact=name,
            ),
        }
        return texts[flaw]

    @api.model
    def _code_problem(self, draft, name):
        by_sms = draft["channel"] == "email"
        if draft["pin_flaw"] == "unconfirmed" and by_sms:
            return self.env._(
                "The phone number of %(contact)s was changed lately, so no one-time "
                "code may go there. Please confirm it on the contact, or set a PIN.",
                contact=name,
            )
        if draft["pin_flaw"] == "unconfirmed":
            return self.env._(
                "The email address of %(contact)s was changed lately, so no one-time "
                "code may go there. Please confirm it on the contact, or set a PIN.",
                contact=name,
            )
        if by_sms:
            return self.env._(
                "%(contact)s has no valid phone number for the one-time code. Please "
                "add one, or set a PIN for this contact or message.",
                contact=name,
            )
        return self.env._(
            "%(contact)s has no valid email address for the one-time code. Please add "
            "one, or set a PIN for this contact or message.",
            contact=name,
        )
