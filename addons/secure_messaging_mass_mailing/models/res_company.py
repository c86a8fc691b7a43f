from odoo import models


class ResCompany(models.Model):
    _inherit = "res.company"

    def _secure_marked(self):
        """Mailings that are still to be sent."""
        waiting = [
            ("secure_send", "=", True),
            ("state", "!=", "done"),
            *("|", ("user_id", "=", False), ("user_id.company_id", "=", self.id)),
        ]
        names, count = self._secure_names("mailing.mailing", waiting)
        row = (self.env._("Mailings"), names, count)
        return super()._secure_marked() + ([row] if count else [])
