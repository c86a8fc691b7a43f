"""Links and the key they were made with. It may be removed: then they count as expired.

A token follows from that key alone. Before it may be removed, each of its links keeps
the token's digest, sealed: so who holds one is still told from who guesses, and may ask
for a new one, while everybody else learns nothing.
"""

from odoo import api, models
from odoo.tools import SQL

from ..tools import token as tokens
from ..tools.keyring import Place, Purpose
from .sealed_fields import SealedColumn
from .secure_keyring import KeysUnavailable


class SecureLinkKey(models.Model):
    _inherit = "secure.link"

    token_proof = SealedColumn(sealed_purpose=Purpose.LINKS, sealed_uid="public_id")

    @api.model
    def _lacks_proof(self, fingerprint):
        """SQL: whether a link is by another key than this, and would be forgotten with
        it."""
        return SQL("(fingerprint <> %s AND token_proof IS NULL)", fingerprint)

    def _proof_values(self, ring):
        """What is to be kept of a link's token, when it has to be."""
        if self.token_proof or self.fingerprint == ring.primary:
            return {}
        digest = tokens.digest(tokens.derive(ring, *self._token_parts()))
        place = Place(self._name, self.public_id, "token_proof")
        return {"token_proof": ring.seal_text(Purpose.LINKS, place, digest)}

    def _proof(self, ring):
        """The digest of the link's token; empty while it can be derived."""
        if self.fingerprint in ring.fingerprints or not self.token_proof:
            return ""
        place = Place(self._name, self.public_id, "token_proof")
        return ring.open_text(Purpose.LINKS, place, self.token_proof)

    def _key_is_gone(self):
        """Whether the link can neither be checked nor sent any more as it is."""
        try:
            ring = self.env["secure.keyring"]._ring()
        except KeysUnavailable:
            # All is locked, and says so elsewhere
            return False
        # sudo: the name of a key; told is only whether it is gone
        return self.sudo().fingerprint not in ring.fingerprints

    def _take_first_key(self):
        """Notifications that still wait get a link that works."""
        gone = self.filtered(lambda link: link._key_is_gone())
        if gone:
            ring = self.env["secure.keyring"]._sealing_ring()
            gone.write({"fingerprint": ring.primary, "token_proof": False})
