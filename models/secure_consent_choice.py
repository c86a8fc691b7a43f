from odoo import fields, models


class SecureConsentChoice(models.AbstractModel):
    """“Ask for Consent” of what is sent, where the company leaves that open."""

    _name = "secure.consent.choice"
    _description = "Choice to Ask for Consent"

    ask_consent = fields.Boolean(
        "Ask for Consent",
        help="Before they read, contacts are asked to agree to the company's consent "
        "text, once for each version of it.",
    )
    consent_offered = fields.Boolean(compute="_compute_consent_offered")

    def _compute_consent_offered(self):
        """Whether it is to be shown: elsewhere the company has decided for all."""
        for record in self:
            # sudo: a setting of the company everybody who writes for it may know
            company = record._consent_company().sudo()
            record.consent_offered = company.secure_consent_for == "chosen"

    def _consent_company(self):
        return self.env.company
