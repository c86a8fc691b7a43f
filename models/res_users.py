from odoo import models


class ResUsers(models.Model):
    _inherit = "res.users"

    def _init_store_data(self, store):
        """Tell the web client of staff, before the first chatter is open, whether
        “Send Securely” is there and what it shows at first."""
        result = super()._init_store_data(store)
        facts = self.env.company._secure_sending_facts()
        if facts["enabled"] and self.env.user._is_internal():
            store.add_global_values(secure_sending=facts)
        return result
