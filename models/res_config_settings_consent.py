from odoo import api, fields, models


class ResConfigSettingsConsent(models.TransientModel):
    _inherit = "res.config.settings"

    secure_consent_for = fields.Selection(
        related="company_id.secure_consent_for", readonly=False, required=True
    )
    secure_consent_text = fields.Text(
        related="company_id.secure_consent_text", readonly=False
    )
    secure_consent_version = fields.Integer(compute="_compute_secure_consent_version")
    secure_consent_answered = fields.Boolean(compute="_compute_secure_consent_version")
    secure_consent_changes = fields.Boolean(compute="_compute_secure_consent_changes")

    @api.depends("company_id")
    def _compute_secure_consent_version(self):
        for settings in self:
            current = self.env["secure.consent.text"]._current(settings.company_id)
            settings.secure_consent_version = current.number
            settings.secure_consent_answered = current.is_answered

    @api.depends("secure_consent_text", "company_id")
    def _compute_secure_consent_changes(self):
        """Whether saving makes a version that everybody is asked about anew."""
        for settings in self:
            stored = settings.company_id._origin.secure_consent_text
            settings.secure_consent_changes = settings.secure_consent_answered and (
                settings.secure_consent_text or ""
            ) != (stored or "")

    def action_secure_consent_texts(self):
        """All versions there were."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "secure_messaging.secure_consent_text_action"
        )
        return {**action, "domain": [("company_id", "=", self.company_id.id)]}
