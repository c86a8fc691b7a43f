from odoo import api, models
from odoo.exceptions import UserError


class MailComposerMixin(models.AbstractModel):
    """Odoo has a dozen small forms that send an email of their own (invitations,
    refusals). Those cannot send securely: they refuse secure templates."""

    _inherit = "mail.composer.mixin"

    @api.constrains("template_id")
    def _check_secure_template(self):
        for composer in self:
            # sudo: how a template is sent, whoever may use it
            template = composer.template_id.sudo()
            if template.send_securely and not composer._sends_securely():
                raise UserError(composer.template_id._secure_unknown_road_text())

    @api.model
    def _sends_securely(self):
        """Whether this form knows what to do with a secure template."""
        return self._name == "mail.compose.message"
