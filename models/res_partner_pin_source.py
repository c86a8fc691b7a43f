from odoo import api, fields, models


class ResPartnerPinSource(models.Model):
    _inherit = "res.partner"

    secure_pin_source_text = fields.Char(
        compute="_compute_secure_pin_source_text",
        groups="secure_messaging.group_user",
    )

    @api.depends_context("allowed_company_ids", "lang")
    def _compute_secure_pin_source_text(self):
        """What is asked of contacts without a PIN of their own, if not the default."""
        company = self.env.company
        self.secure_pin_source_text = {
            "code": self.env._("Gets one-time codes by SMS or email instead"),
            "field": self._secure_field_text(company),
        }.get(company._secure_least_rule(), False)

    @api.model
    def _secure_field_text(self, company):
        field = self.env["secure.pin"]._value_field(company)
        if not field:
            return self.env._("The field that serves as PIN instead is missing")
        return self.env._(
            "Asked for “%(field)s” instead, which is not encrypted in the database",
            field=field._description_string(self.env),
        )
