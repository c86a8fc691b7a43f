"""What a contact answered to the consent text."""

from odoo import api, fields, models

from .secure_consent import OUTCOMES


class ResPartnerConsent(models.Model):
    _inherit = "res.partner"

    secure_consent_state = fields.Selection(
        OUTCOMES,
        "Consent",
        compute="_compute_secure_consent",
        groups="secure_messaging.group_user",
    )
    secure_consent_version = fields.Char(
        compute="_compute_secure_consent", groups="secure_messaging.group_user"
    )
    secure_consent_date = fields.Datetime(
        compute="_compute_secure_consent", groups="secure_messaging.group_user"
    )

    @api.depends_context("company", "lang")
    def _compute_secure_consent(self):
        """To the current company, wherever it was answered: one query for any list."""
        company = self.env.company
        last = self.env["secure.consent"]._last_of(self, company)
        for partner in self:
            row = last.get((partner.id, company.id))
            partner.secure_consent_state = row and row.outcome
            partner.secure_consent_version = row and row.text_id.display_name
            partner.secure_consent_date = row and row.date

    def action_secure_consents(self):
        """What the contact answered so far."""
        self.ensure_one()
        return self._secure_consents_action(self.env.company)

    def _secure_consents_action(self, company):
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "secure_messaging.secure_consent_action"
        )
        domain = [("partner_id", "=", self.id), ("company_id", "=", company.id)]
        return {**action, "domain": domain, "context": {}}
