"""What the public page shows when a request cannot even be looked at."""

from odoo import api, models


class SecurePageError(models.AbstractModel):
    _inherit = "secure.page"

    @api.model
    def _error(self, status):
        """:param int status: of HTTP, from 400 to 499"""
        return self._render(
            "page_error",
            self._company_values(self.env["res.company"]),
            {"title": self.env._("Secure message"), "status": status},
        )
