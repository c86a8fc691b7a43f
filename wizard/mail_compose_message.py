"""How Odoo's composer holds what is typed, and its switch."""

from odoo import api, fields, models

from ..models.secure_keyring import KeysUnavailable
from ..tools import own_code

KEPT = ("subject", "body")
KEPT_FOR = ("template_id", "composition_mode", "model", "res_domain", "res_ids")
"""What Odoo computes subject and text from: when one changes, what was kept is void."""


class MailComposeMessage(models.TransientModel):
    """Seals what is typed, whether or not it will be sent securely: the switch may
    still be turned, and the web client saves the form before that."""

    _name = "mail.compose.message"
    _inherit = ["mail.compose.message", "secure.sealed", "secure.closed.road"]

    subject = fields.Char(store=False, inverse="_inverse_subject")
    body = fields.Html(store=False, inverse="_inverse_body")
    plain_subject = fields.Char(groups=fields.NO_ACCESS)
    plain_body = fields.Text(groups=fields.NO_ACCESS)
    subject_kept_for = fields.Char(groups=fields.NO_ACCESS)
    body_kept_for = fields.Char(groups=fields.NO_ACCESS)
    secure_send = fields.Boolean(
        "Send Securely",
        compute="_compute_secure_send",
        store=True,
        readonly=False,
        help="Contacts get a notification with a link; text, subject and files are "
        "read behind it.",
    )
    secure_dispatch_id = fields.Many2one("secure.dispatch", groups=fields.NO_ACCESS)

    # -- what is typed -----------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        protected = own_code.only_protecting(self)
        composers = super(MailComposeMessage, protected).create(vals_list)
        for composer in composers:
            for name in KEPT:
                if not composer._kept_now(name):
                    composer._keep(name)
        return composers

    def _compute_subject(self):
        rest = self._compute_kept("subject")
        return super(MailComposeMessage, rest)._compute_subject()

    def _compute_body(self):
        rest = self._compute_kept("body")
        return super(MailComposeMessage, rest)._compute_body()

    def _inverse_subject(self):
        for composer in self:
            composer._keep("subject")

    def _inverse_body(self):
        for composer in self:
            composer._keep("body")

    def _compute_kept(self, name):
        """Set what was kept.

        :return: those that kept nothing for what they are now
        """
        rest = self.browse()
        for composer in self:
            if not composer._kept_now(name):
                rest |= composer
                continue
            record = composer._origin.sudo()
            sealed = record._open_sealed(f"sealed_{name}")
            composer[name] = sealed or record[f"plain_{name}"]
        return rest

    def _kept_now(self, name):
        return self._origin.sudo()[f"{name}_kept_for"] == self._kept_key()

    def _kept_key(self):
        return repr(
            [
                self[key].id if key == "template_id" else self[key] or False
                for key in KEPT_FOR
            ]
        )

    def _keep(self, name):
        """Seal a text. Without the key nothing is sent securely, and the composer works
        as it does without this module."""
        value, record = self[name], self.sudo()
        try:
            self._seal(f"sealed_{name}", value)
            record[f"plain_{name}"] = False
        except KeysUnavailable:
            if self.secure_send:
                raise
            record[f"sealed_{name}"] = False
            record[f"plain_{name}"] = value
        record[f"{name}_kept_for"] = self._kept_key()

    def _may_open(self):
        return self.env.su or super()._may_open()

    # -- the switch --------------------------------------------------------------

    @api.depends("template_id", "subtype_id", "composition_mode")
    def _compute_secure_send(self):
        default = self.env.company._secure_sends_by_default()
        standard = own_code.is_standard(self.env)
        for composer in self:
            if composer.template_id:
                # sudo: how a template is sent, whoever may use it
                secure = composer.template_id.sudo().send_securely
            else:
                secure = default and not composer.subtype_is_log
            composer.secure_send = secure and not standard

    def _compute_attachment_ids(self):
        """Reports of a secure template are sealed as they are made."""
        secure = self.filtered(lambda composer: composer.template_id.send_securely)
        sealing = secure.with_context(secure_seal_files=True)
        super(MailComposeMessage, sealing)._compute_attachment_ids()
        return super(MailComposeMessage, self - secure)._compute_attachment_ids()

    # -- rendering a secure template is this road's to do ----------------------------

    def _rendering(self):
        return self.with_context(**own_code.RENDERING)

    def _set_value_from_template(self, *args, **kwargs):
        own = self._rendering()
        return super(MailComposeMessage, own)._set_value_from_template(*args, **kwargs)

    def _generate_template_for_composer(self, *args, **kwargs):
        own = self._rendering()
        return super(MailComposeMessage, own)._generate_template_for_composer(
            *args, **kwargs
        )

    def _render_field(self, *args, **kwargs):
        own = self._rendering()
        return super(MailComposeMessage, own)._render_field(*args, **kwargs)
