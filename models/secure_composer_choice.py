from odoo import api, fields, models


class SecureComposerChoice(models.AbstractModel):
    """The switch of Odoo's composers: as the template says, or the company where there
    is none. Whoever turned it on is not overruled by the template they pick next."""

    _name = "secure.composer.choice"
    _inherit = ["secure.consent.composer"]
    _description = "Composer That Can Send Securely"

    secure_send_chosen = fields.Boolean(
        default=lambda self: bool(self.env.context.get("default_secure_send"))
    )

    secure_pin_summary = fields.Char(
        "Will Ask For", compute="_compute_secure_pin_summary"
    )
    secure_pin_missing = fields.Json(compute="_compute_secure_pin_summary")
    secure_pin_asked = fields.Integer(store=False)
    """Changes when a PIN was set meanwhile: what depends on PINs is to be told anew."""

    @api.onchange("secure_send")
    def _onchange_secure_send(self):
        """Also called when the template turned it: that is no decision."""
        self.secure_send_chosen = self.secure_send and (
            self.secure_send_chosen or not self._secure_by_default()
        )

    # Not to be computed when ``secure_send_chosen`` changes: turning it off is final
    def _compute_secure_send(self):
        for composer in self:
            composer.secure_send = (
                composer.secure_send_chosen or composer._secure_by_default()
            )

    def _secure_by_default(self):
        """Whether it is sent securely unless somebody decides otherwise."""
        raise NotImplementedError

    # -- what it will ask for ----------------------------------------------------

    def _compute_secure_pin_summary(self):
        for composer in self:
            line = composer._secure_pin_line() if composer.secure_send else {}
            composer.secure_pin_summary = line.get("text")
            composer.secure_pin_missing = line.get("missing")

    def _secure_pin_line(self):
        """Of all it will go to: see ``secure.road._pin_line``."""
        raise NotImplementedError
