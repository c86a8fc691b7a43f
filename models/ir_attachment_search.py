"""Searching files, without asking for what is nobody's."""

import re

from odoo import api, models
from odoo.fields import Domain

from .ir_attachment import SEALED_FIELDS


class IrAttachmentSearch(models.Model):
    _inherit = "ir.attachment"

    @api.model
    def _search(self, domain, offset=0, limit=None, order=None, **kwargs):
        """Odoo searches files as superuser and looks at rights afterwards: what nobody
        may read could be searched and sorted by."""
        if not self.env.su:
            asked = {
                condition.field_expr.partition(".")[0]
                for condition in Domain(domain).iter_conditions()
            }
            asked.update(re.findall(r"\w+", order or ""))
            for name in sorted(SEALED_FIELDS & asked):
                self._check_field_access(self._fields[name], "read")
        return super()._search(domain, offset, limit, order, **kwargs)
