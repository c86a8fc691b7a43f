from odoo import models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    def _secure_marked(self):
        """Mailings that are still to be sent."""
        # sudo: who sees the settings may know what switching off would hold up
        mailings = self.env["mailing.mailing"].sudo()
        waiting = mailings.search(
            [("secure_send", "=", True), ("state", "!=", "done")]
        ).filtered(lambda mailing: mailing._secure_company() == self.company_id)
        found = [(self.env._("Mailings"), waiting)] if waiting else []
        return super()._secure_marked() + found
