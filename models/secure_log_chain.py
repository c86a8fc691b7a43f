from odoo import fields, models
from odoo.tools import SQL

from ..tools import log_chain
from ..tools.keyring import KeyMissing, KeyringError, Place, Purpose, new_uid
from ..tools.log_chain import Tip
from .sealed_fields import SealedColumn


class SecureLogChain(models.AbstractModel):
    """What has a chain of its own in the log, and seals where that chain ends.

    Without the sealed end, rows cut off there would not be missed.
    """

    _name = "secure.log.chain"
    _description = "Secure Messaging Log Chain"

    secure_uid = fields.Char(
        copy=False, groups=fields.NO_ACCESS, default=lambda self: new_uid()
    )
    log_tip = SealedColumn("End of the Log", sealed_purpose=Purpose.LOG)

    def _log_tips(self, lock=False):
        """Where the chains of these end.

        :param bool lock: have them to oneself until the transaction ends, in one order
            for everybody. PostgreSQL refuses when somebody else has moved one since
            this transaction began
        :return: dict of (uid, ``Tip``) by id; in the tip's place a kind of finding
            where there is none to go by
        """
        ring = self.env["secure.keyring"]._ring()
        self.env.cr.execute(
            SQL(
                "SELECT id, secure_uid, log_tip FROM %s WHERE id = ANY(%s) "
                "ORDER BY id %s",
                SQL.identifier(self._table),
                list(self.ids),
                SQL("FOR NO KEY UPDATE") if lock else SQL(),
            )
        )
        return {
            record_id: (uid or "", self._open_log_tip(ring, uid or "", sealed))
            for record_id, uid, sealed in self.env.cr.fetchall()
        }

    def _put_log_tips(self, tips):
        """Seal where chains end now. The caller has locked them.

        :param dict tips: as :meth:`_log_tips` gives them
        """
        ring = self.env["secure.keyring"]._sealing_ring()
        rows = [
            SQL("%s", (record_id, self._seal_log_tip(ring, uid, tip)))
            for record_id, (uid, tip) in tips.items()
        ]
        self.env.cr.execute(
            SQL(
                """UPDATE %s AS holder SET log_tip = tip.sealed
                     FROM (VALUES %s) AS tip (id, sealed) WHERE holder.id = tip.id""",
                SQL.identifier(self._table),
                SQL(", ").join(rows),
            )
        )

    def _seal_log_tip(self, ring, uid, tip):
        place = Place(self._name, uid, "log_tip")
        return ring.seal_text(Purpose.LOG, place, log_chain.tip_to_text(tip))

    def _open_log_tip(self, ring, uid, sealed):
        if not sealed:
            return "tip_missing"
        place = Place(self._name, uid, "log_tip")
        try:
            return log_chain.tip_from_text(ring.open_text(Purpose.LOG, place, sealed))
        except KeyMissing:
            return "tip_key_missing"
        except (KeyringError, ValueError):
            return "tip_damaged"

    def _first_log_tip(self, uid):
        """The sealed end of a chain without rows: that a conversation's whole chain is
        gone shows, too."""
        ring = self.env["secure.keyring"]._sealing_ring()
        return self._seal_log_tip(ring, uid, Tip(0, b""))
