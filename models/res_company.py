from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import formataddr

from ..tools import notification as texts
from ..tools import pin_policy
from .secure_link import DEFAULT_EXPIRY_HOURS, EXPIRY_HOURS

TEXT_FIELDS = {
    "secure_email_subject": False,
    "secure_email_body": True,
    "secure_sms_body": True,
}
"""The notification's texts, and whether the link belongs in."""


class ResCompany(models.Model):
    _name = "res.company"
    _inherit = ["res.company", "secure.log.chain"]

    secure_messaging_enabled = fields.Boolean("Secure Messaging")
    secure_email_subject = fields.Char(
        "Email Subject",
        translate=True,
        default=lambda self: self.env._(
            "{{ user.name_and_company }} sent you a secure message"
        ),
    )
    secure_email_body = fields.Text(
        "Email Text",
        translate=True,
        default=lambda self: self.env._(
            "Hello {{ contact.name }},\n\n"
            "{{ user.name_and_company }} sent you a secure message. You can read and "
            "answer it here:\n\n{{ secure_link }}\n\n"
            "Please do not answer this email: an answer would not be confidential."
        ),
    )
    secure_sms_body = fields.Text(
        "SMS Text",
        translate=True,
        default=lambda self: self.env._(
            "Secure message from {{ company.name }}: {{ secure_link }} "
            "Please do not answer this SMS."
        ),
    )
    secure_expiry_hours = fields.Selection(
        EXPIRY_HOURS, "Links Expire After", required=True, default=DEFAULT_EXPIRY_HOURS
    )
    secure_send_default = fields.Boolean(
        "Send Securely by Default",
        help="What “Send Securely” shows at first, on new templates and on messages "
        "without a template.",
    )
    secure_pin_required = fields.Boolean("PIN Required", default=True)
    secure_responsible_id = fields.Many2one(
        "res.users", "Default Responsible", domain=[("share", "=", False)]
    )

    @api.constrains(*TEXT_FIELDS)
    def _check_secure_texts(self):
        for company in self:
            for name, link in TEXT_FIELDS.items():
                company._check_secure_text(name, link)
            company._check_secure_texts_hold_no_pin()

    def _check_secure_text(self, name, link):
        label = self._fields[name]._description_string(self.env)
        try:
            texts.check(self[name], link)
        except texts.TextRefused as refusal:
            raise ValidationError(
                {
                    "unknown": self.env._(
                        "%(field)s: “%(part)s” is not allowed. Possible are: %(list)s",
                        field=label,
                        part=refusal.part,
                        list=", ".join(
                            f"{{{{ {name} }}}}" for name in texts.PLACEHOLDERS
                        ),
                    ),
                    "no_link": self.env._(
                        "%(field)s: {{ secure_link }} is missing.", field=label
                    ),
                    "link_in_subject": self.env._(
                        "%(field)s: the link does not belong here.", field=label
                    ),
                }[refusal.reason]
            ) from refusal

    def _check_secure_texts_hold_no_pin(self):
        """Whoever reads the notification would have both link and PIN."""
        pins = self.env["secure.pin"]
        said = " | ".join(filter(None, self._secure_texts()))
        if any(pins._is_default(self, run) for run in pin_policy.possible_pins(said)):
            raise ValidationError(
                self.env._(
                    "The default PIN must not stand in the notification, which brings "
                    "the link."
                )
            )

    def _secure_texts(self):
        """The notification's texts, in the language of the context."""
        return [self[name] for name in TEXT_FIELDS]

    @api.constrains("secure_messaging_enabled", "secure_responsible_id")
    def _check_secure_responsible(self):
        for company in self.filtered("secure_messaging_enabled"):
            if not company.secure_responsible_id.active:
                raise ValidationError(
                    self.env._(
                        "Please choose who is responsible by default, before secure "
                        "messaging is switched on for %(company)s.",
                        company=company.display_name,
                    )
                )

    @api.model
    def _secure_new_default(self):
        """What “Send Securely” shows at first on something new.

        Not on what other modules bring along: nobody looked at it, and among it are
        the emails that help people log in.
        """
        if self.env.context.get("install_mode") or not self.env.registry.ready:
            return False
        return self.env.company._secure_sends_by_default()

    def _secure_sends_by_default(self):
        """Whether messages of the company are secure unless somebody says otherwise."""
        # sudo: a setting of the company everybody who writes for it may know
        company = self.sudo()
        return company.secure_messaging_enabled and company.secure_send_default

    def _secure_sending_facts(self):
        """What the web client knows of it: whether the company sends securely at all,
        and whether it prefers to."""
        # sudo: settings of the company everybody who writes for it may know
        return {
            "enabled": self.sudo().secure_messaging_enabled,
            "preferred": self._secure_sends_by_default(),
        }

    def _secure_obstacle(self):
        """Why nothing can be sent for the company now, as text; empty when it can."""
        return (
            self._secure_off_text() or self.env["secure.keyring"]._status()["problem"]
        )

    def _secure_off_text(self):
        """:meth:`_secure_obstacle` as far as it is the company's own."""
        # sudo: a setting of the company everybody who writes for it may know
        company = self.sudo()
        if company.secure_messaging_enabled:
            return ""
        return self.env._(
            "Secure messaging is switched off for %(company)s: nothing can be sent. "
            "An administrator can switch it on in the settings.",
            company=company.display_name,
        )

    def _secure_reply_to(self):
        """Where answers to a notification go: to Odoo, which answers with a pointer to
        the link, or to the company; never to somebody's own mailbox."""
        address = self.catchall_email or self.email
        return formataddr((texts.one_line(self.name), address)) if address else False
