from odoo import api, models

from odoo.addons.secure_messaging.models.secure_draft import INBOUND


class SecureThread(models.Model):
    _inherit = "secure.thread"

    @api.model
    def _note_activity(self, drafts):
        """A contact who writes answers the mailing that came last."""
        result = super()._note_activity(drafts)
        # sudo: what a contact writes comes without a user
        traces = self.env["mailing.trace"].sudo()
        for draft in drafts:
            if draft["direction"] == INBOUND:
                traces.search(
                    [("secure_link_id.thread_id", "=", draft["thread"].id)],
                    order="id desc",
                    limit=1,
                ).set_replied()
        return result
