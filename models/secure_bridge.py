from odoo import api, models
from odoo.exceptions import UserError

MAILINGS = "mass_mailing"
MAILINGS_BRIDGE = "secure_messaging_mass_mailing"


class SecureBridge(models.AbstractModel):
    """Watches for modules whose sends only a bridge makes secure, while it is away."""

    _name = "secure.bridge"
    _description = "Secure Messaging Bridges"

    @api.model
    def _mailings_unguarded(self):
        """Whether there are mailings, and nothing that could send them securely."""
        # sudo: which modules are installed is no secret to whoever sees the settings
        modules = self.env["ir.module.module"].sudo()
        installed = modules._installed()
        return MAILINGS in installed and not self._mailings_guarded()

    @api.model
    def _mailings_guarded(self):
        """Whether the bridge's code is at work, whatever the database says."""
        mailings = self.env.get("mailing.mailing")
        return mailings is not None and "secure_send" in mailings._fields

    @api.model
    def _check_mailing(self, composer, field):
        """Refuse to send a mailing that was marked, when the code that would make it
        secure is missing: its folder may have been moved. The mark is still in Odoo's
        table then.

        :param composer: Odoo's composer for emails or SMS
        :param str field: which of its fields would hold the mailing
        """
        mailing = composer[field] if field in composer._fields else None
        if not mailing or self._mailings_guarded():
            return
        self.env.cr.execute(
            """SELECT 1 FROM information_schema.columns
                WHERE table_name = 'mailing_mailing' AND column_name = 'secure_send'"""
        )
        if not self.env.cr.fetchone():
            return
        self.env.cr.execute(
            "SELECT secure_send FROM mailing_mailing WHERE id = %s", [mailing.id]
        )
        if self.env.cr.fetchone() == (True,):
            raise UserError(
                self.env._(
                    "“%(mailing)s” is to be sent securely, but the module “%(module)s” "
                    "is missing. Nothing was sent.",
                    mailing=mailing.display_name,
                    module=MAILINGS_BRIDGE,
                )
            )
