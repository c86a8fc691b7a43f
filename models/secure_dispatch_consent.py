"""Whether a send asks for consent: what all its recipients have in common."""

from odoo import api, fields, models


class SecureDispatchConsent(models.Model):
    _inherit = "secure.dispatch"

    ask_consent = fields.Boolean("Asks for Consent", readonly=True)

    @api.model
    def _begin(self, values):
        """As its form says; without one, as its template does."""
        if "ask_consent" not in values:
            # sudo: how a template is sent, whoever may use it
            email = self.env["mail.template"].sudo().browse(values.get("template_id"))
            sms = self.env["sms.template"].sudo().browse(values.get("sms_template_id"))
            asks = email.ask_consent or sms.ask_consent
            values = {**values, "ask_consent": asks}
        return super()._begin(values)

    def _deliver(self, rows, notify=True, leave=True):
        # sudo: authors need no access to their sends
        asks = self.sudo().ask_consent
        for row in rows:
            row.setdefault("ask_consent", asks)
        return super()._deliver(rows, notify=notify, leave=leave)
