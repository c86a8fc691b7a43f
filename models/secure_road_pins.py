"""“Will ask for …”: what every form that sends securely tells its writer of PINs."""

from collections import Counter

from odoo import api, models

from .secure_thread import PIN_RULES

NAMED = 3
"""Contacts without a PIN that are named, each with a way to set one."""
SUMMED_UP = 2_000
"""Recipients that are counted while somebody writes; of more only the rule is told. It
is done again as each is added: docs/pins.md says what it takes."""


class SecureRoadPins(models.AbstractModel):
    _inherit = "secure.road"

    @api.model
    def _pin_line(self, rows):
        """Which PINs a send will ask for, and who has none although one is required.

        :param list rows: dicts with ``partner``, and ``record``, ``company``,
            ``channel`` and ``pin`` where known
        :return: dict of ``text``, and ``missing``: list of dicts with ``id`` and
            ``name`` of contacts the current user may give a PIN
        """
        rows = [row for row in rows if row["partner"]][: SUMMED_UP + 1]
        if len(rows) > SUMMED_UP:
            return self._pin_line_of_any(rows[0].get("company") or self.env.company)
        drafts = self._drafts(rows)
        for draft in drafts:
            # sudo: which PIN there is, not what it is
            draft.update(
                partner=draft["partner"].sudo(),
                company=draft["company"].sudo(),
                pin=draft.get("pin", False),
                channel=draft.get("channel", "email"),
            )
        self.env["secure.draft"]._note_pin_rules(drafts)
        self.env["secure.draft"]._hide_value_flaws(drafts)
        counts = Counter(draft["pin_rule"] for draft in drafts)
        missing = [
            row["partner"]
            for row, draft in zip(rows, drafts, strict=True)
            if not draft["pin_rule"]
        ]
        return {
            "text": self._pin_line_text(counts),
            "missing": self._pin_line_missing(missing),
        }

    @api.model
    def _pin_line_text(self, counts):
        """What is asked for, by how many of the contacts: the one place for it.

        :param counts: ``Counter`` of PIN rules; None where one is required and missing
        """
        labels, known = self._pin_rule_labels(), [rule for rule in counts if rule]
        parts = [
            f"{labels[rule]} ({counts[rule]})" if len(counts) > 1 else labels[rule]
            for rule, _label in PIN_RULES
            if rule in counts
        ]
        text = ", ".join(parts)
        if not counts[None]:
            return text
        if counts[None] == 1:
            without = self.env._("1 contact has none")
        else:
            without = self.env._("%(count)s contacts have none", count=counts[None])
        return f"{text if known else self.env._('a PIN')}; {without}"

    @api.model
    def _pin_line_missing(self, partners):
        if not partners or not self.env.user.has_group("secure_messaging.group_user"):
            return []
        seen = partners[0].browse(dict.fromkeys(one.id for one in partners[:NAMED]))
        seen = seen._filtered_access("read")
        return [{"id": one.id, "name": one.display_name} for one in seen]

    @api.model
    def _pin_line_of_any(self, company):
        """Like :meth:`_pin_line`, where it is not known yet who gets it, or too many to
        look at do."""
        labels = self._pin_rule_labels()
        # sudo: whether there is a PIN, and whether one must be, is no secret to writers
        has_default = bool(self.env["secure.pin"]._of(company.sudo()))
        source = company.sudo()._secure_least_rule()
        if source == "none" and has_default:
            source = "default"
        if source == "default" and not has_default:
            rest = self.env._("whoever has none is not sent to")
        else:
            rest = labels[source]
        text = self.env._("%(own)s; else: %(rest)s", own=labels["contact"], rest=rest)
        return {"text": text, "missing": []}

    @api.model
    def _pin_rule_labels(self):
        field = self.env["secure.thread"]._fields["pin_rule"]
        return dict(field._description_selection(self.env))
