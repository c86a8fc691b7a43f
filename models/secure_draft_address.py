"""Addresses that a conversation may not be written to."""

from odoo import api, models


class SecureDraftAddress(models.AbstractModel):
    _inherit = "secure.draft"

    @api.model
    def _note_pin_rules(self, drafts):
        """Note, too, which drafts go into a conversation that their contact's address
        must not be shown: ``strange``. Other drafts have a conversation found for them,
        or start one."""
        inside = [row for row in drafts if row.get("thread") and not row.get("pin")]
        ways = {(row["thread"], row["channel"]) for row in inside}
        strange = self.env["secure.address"]._strange(ways)
        for draft in drafts:
            way = (draft.get("thread"), draft.get("channel"))
            draft["strange"] = strange.get(way)
        return super()._note_pin_rules(drafts)

    @api.model
    def _recipient_problem(self, draft):
        problem = super()._recipient_problem(draft)
        if problem or not draft["strange"] or draft["pin"]:
            return problem
        return draft["strange"]._problem()
