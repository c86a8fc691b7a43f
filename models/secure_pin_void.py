"""PINs that open nothing any more, since the key of their hashes was compromised."""

from odoo import fields, models

VOID_HASH = "*"
"""No hash of any PIN."""


class SecurePinVoid(models.Model):
    _inherit = "secure.pin"

    is_void = fields.Boolean(
        "To Be Set Anew",
        help="The key it was sealed with was compromised: it opens nothing any more.",
    )

    def _void(self):
        """These open nothing until they are set anew; what they were is not kept."""
        for pin in self:
            nothing = self._sealed_hash(pin.secure_uid, VOID_HASH)
            pin.write({**nothing, "generation": pin.generation + 1, "is_void": True})

    def _owner(self):
        return self.partner_id or self.company_id or self.thread_id

    def _void_text(self):
        """Why nothing can be sent with a PIN that is void."""
        owner = self._owner()
        return {
            "res.partner": self.env._(
                "The PIN of %(name)s has to be set anew, since a key was compromised. "
                "Nothing was sent.",
                name=owner.display_name,
            ),
            "res.company": self.env._(
                "The default PIN of %(name)s has to be set anew, since a key was "
                "compromised. Nothing was sent.",
                name=owner.display_name,
            ),
            "secure.thread": self.env._(
                "The PIN of the conversation %(name)s opens nothing any more, since a "
                "key was compromised. Please send a new message with another PIN.",
                name=owner.display_name,
            ),
        }[owner._name]
