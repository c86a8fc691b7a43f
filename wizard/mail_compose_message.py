"""How Odoo's composer holds what is typed, and its switch."""

from contextlib import nullcontext

from odoo import api, fields, models

from ..models.sealed_fields import SealedChar, SealedHtml
from ..tools import log_filter, own_code


class MailComposeMessage(models.TransientModel):
    """Seals what is typed, whether or not it will be sent securely: the switch may
    still be turned, and the web client saves the form before that."""

    _name = "mail.compose.message"
    _inherit = [
        "mail.compose.message",
        "secure.closed.road",
        "secure.composer.choice",
    ]

    subject = SealedChar()
    body = SealedHtml()
    secure_send = fields.Boolean(
        "Send Securely",
        compute="_compute_secure_send",
        store=True,
        readonly=False,
        help="Contacts get a notification with a link; text, subject and files are "
        "read behind it.",
    )
    secure_dispatch_id = fields.Many2one("secure.dispatch", groups=fields.NO_ACCESS)

    # -- the switch --------------------------------------------------------------

    @api.depends("template_id", "subtype_id", "composition_mode")
    def _compute_secure_send(self):
        return super()._compute_secure_send()

    @api.depends("template_id")
    def _compute_ask_consent(self):
        return super()._compute_ask_consent()

    def _secure_by_default(self):
        # sudo: how a template is sent, whoever may use it
        template = self.template_id.sudo()
        if template:
            secure = template.send_securely
        else:
            secure = self.env.company._secure_sends_by_default()
            secure = secure and not self.subtype_is_log
        return secure and not own_code.is_standard(self.env, template)

    def _compute_attachment_ids(self):
        """Reports of a secure template are sealed as they are made."""
        secure = self.filtered(lambda composer: composer.template_id.send_securely)
        sealing = secure.with_context(secure_seal_files=True)
        super(MailComposeMessage, sealing)._compute_attachment_ids()
        return super(MailComposeMessage, self - secure)._compute_attachment_ids()

    # -- rendering a secure template is this road's to do ----------------------------

    def _rendering(self):
        return self.with_context(**own_code.RENDERING)

    def _secure_quiet(self):
        """What goes wrong may quote content: for logs and errors about secure ones."""
        # sudo: how a template is sent, whoever may use it
        secure = self.template_id.sudo().filtered("send_securely")
        return log_filter.content_at_work() if secure else nullcontext()

    def _set_value_from_template(self, *args, **kwargs):
        own = self._rendering()
        with self._secure_quiet():
            return super(MailComposeMessage, own)._set_value_from_template(
                *args, **kwargs
            )

    def _generate_template_for_composer(self, *args, **kwargs):
        own = self._rendering()
        with self._secure_quiet():
            return super(MailComposeMessage, own)._generate_template_for_composer(
                *args, **kwargs
            )

    def _render_field(self, *args, **kwargs):
        own = self._rendering()
        return super(MailComposeMessage, own)._render_field(*args, **kwargs)
