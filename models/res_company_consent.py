"""Whom a company asks for consent, and to what."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError

ASKED = [
    ("nobody", "Nobody"),
    ("everybody", "Everybody"),
    ("chosen", "Where chosen"),
]


class ResCompanyConsent(models.Model):
    _inherit = "res.company"

    secure_consent_for = fields.Selection(
        ASKED, "Ask for Consent", required=True, default="nobody"
    )
    secure_consent_text = fields.Text("Consent Text", translate=True)

    @api.model_create_multi
    def create(self, vals_list):
        companies = super().create(vals_list)
        for company in companies.filtered("secure_consent_text"):
            self.env["secure.consent.text"]._keep_up(company)
        return companies

    def write(self, vals):
        """Also called by Odoo's dialog for translations."""
        result = super().write(vals)
        if "secure_consent_text" in vals:
            for company in self:
                self.env["secure.consent.text"]._keep_up(company)
        return result

    @api.constrains("secure_consent_for", "secure_consent_text")
    def _check_secure_consent(self):
        for company in self:
            if company.secure_consent_for == "nobody":
                continue
            if not (company.secure_consent_text or "").strip():
                raise ValidationError(company._secure_no_consent_text())

    def _secure_asks_consent(self, chosen):
        """Whether the contact is asked before they read.

        :param bool chosen: whether the conversation or message asks by itself
        """
        # sudo: a setting of the company everybody who writes for it may know
        asked = self.sudo().secure_consent_for
        return asked == "everybody" or bool(asked == "chosen" and chosen)

    def _secure_consent_problem(self, chosen):
        """Why nothing can be sent that asks for consent, as text; empty when it can."""
        # sudo: a setting of the company everybody who writes for it may know
        missing = not (self.sudo().secure_consent_text or "").strip()
        if missing and self._secure_asks_consent(chosen):
            return self._secure_no_consent_text()
        return ""

    def _secure_no_consent_text(self):
        return self.env._(
            "%(company)s asks for consent, but has no consent text. An administrator "
            "can write it in the settings.",
            company=self.display_name,
        )
