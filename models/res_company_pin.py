"""What contacts are asked for who have no PIN of their own."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError

PIN_SOURCES = [
    ("default", "Default PIN"),
    ("field", "A field of the contact"),
    ("code", "One-time code"),
]
"""Keys are rules of conversations, too."""


class ResCompanyPin(models.Model):
    _inherit = "res.company"

    secure_pin_source = fields.Selection(
        PIN_SOURCES, "Without a PIN of Their Own", required=True, default="default"
    )
    secure_pin_field_id = fields.Many2one(
        "ir.model.fields",
        "Field That Serves as PIN",
        domain=lambda self: self.env["secure.pin"]._field_domain(),
    )

    @api.constrains("secure_pin_source", "secure_pin_field_id")
    def _check_secure_pin_field(self):
        """That there is a field is for the settings to check: they write one value
        after the other. Without one, every send is refused."""
        for company in self.filtered(lambda one: one.secure_pin_source == "field"):
            field = company.secure_pin_field_id
            problem = field and self.env["secure.pin"]._field_problem(field)
            if problem:
                raise ValidationError(problem)

    def _secure_least_rule(self):
        """What the company asks for now.

        New messages ask for no less. What was sent before asks for it where it asks for
        nothing otherwise, whatever held then: where the conversation's rule is none and
        the contact has no PIN. Other rules stay as they are, until something new is
        sent there.

        A field and a code are asked of everybody: a contact who lacks them is refused
        and does not go without.
        """
        # sudo: a setting of the company everybody who writes for it may know
        company = self.sudo()
        source = company.secure_pin_source
        asks = source != "default" or company.secure_pin_required
        return source if asks else "none"
