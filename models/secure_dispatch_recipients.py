"""Who is among a send's recipients."""

from ast import literal_eval

from odoo import models
from odoo.exceptions import UserError
from odoo.fields import Domain


class SecureDispatchRecipients(models.Model):
    _inherit = "secure.dispatch"

    def _put_recipients(self, rows):
        self.line_ids.unlink()
        self.env["secure.dispatch.line"].create(
            [
                {
                    "dispatch_id": self.id,
                    "res_id": row.get("res_id"),
                    "partner_id": row["partner"].id if row.get("partner") else False,
                }
                for row in rows
            ]
        )

    def _fill_from_filter(self):
        """Find the recipients, once, when it leaves: those its author sees then."""
        if not self.recipient_filter or self.line_ids:
            return
        partners = self._as_author()._matching_partners(
            self.recipient_filter, self.company_id
        )
        self._put_recipients([{"partner": partner} for partner in partners])

    def _end_with_nobody(self):
        """It failed, and is not “Sent”: who waits for it must know."""
        self.write({"state": "failed", "stopped": "nobody"})
        if self.responsible_id:
            self._remind(0)

    def _matching_partners(self, text, company, limit=None):
        """The contacts, colleagues not among them, that match a filter as text.

        :raise UserError: when it cannot be read
        """
        domain = self._filter_domain(text, company)
        found = self.env["res.partner"].search(domain, limit=limit)
        contacts, _colleagues = self.env["secure.road"]._split(found)
        return contacts

    def _filter_domain(self, text, company):
        """Contacts of other companies are not written to from this one."""
        try:
            domain = Domain(literal_eval(text or "[]"))
            domain.validate(self.env["res.partner"])
        except (ValueError, SyntaxError, TypeError) as error:
            raise UserError(
                self.env._("This filter cannot be used. Please choose it anew.")
            ) from error
        return domain & Domain("company_id", "in", [company.id, False])
