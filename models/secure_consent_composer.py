from odoo import api, fields, models

from ..tools import own_code


class SecureConsentComposer(models.AbstractModel):
    """“Ask for Consent” of a form to write in: as the template says. Whoever turned it
    on is not overruled by the template they pick next."""

    _name = "secure.consent.composer"
    _inherit = ["secure.consent.choice"]
    _description = "Form That Can Ask for Consent"

    ask_consent = fields.Boolean(
        compute="_compute_ask_consent", store=True, readonly=False
    )
    ask_consent_chosen = fields.Boolean(
        default=lambda self: bool(self.env.context.get("default_ask_consent"))
    )

    @api.model_create_multi
    def create(self, vals_list):
        protected = own_code.only_protecting(self)
        return super(SecureConsentComposer, protected).create(vals_list)

    @api.onchange("ask_consent")
    def _onchange_ask_consent(self):
        """Also called when the template turned it: that is no decision."""
        self.ask_consent_chosen = self.ask_consent and (
            self.ask_consent_chosen or not self._template_asks_consent()
        )

    # Not to be computed when ``ask_consent_chosen`` changes: turning it off is final
    def _compute_ask_consent(self):
        for composer in self:
            composer.ask_consent = (
                composer.ask_consent_chosen or composer._template_asks_consent()
            )

    def _template_asks_consent(self):
        # sudo: how a template is sent, whoever may use it
        return self.template_id.sudo().ask_consent
