import hashlib
import hmac
import json
import logging

from odoo import api, fields, models

from ..tools import clashes, log_chain
from ..tools.keyring import KeyMissing, Purpose, new_uid
from .secure_access_log_chain import HOLDERS
from .secure_keyring import KeysUnavailable

_logger = logging.getLogger(__name__)

WAITING_BATCH = 1000
INTEGER_MAX = 2**31 - 1
"""Of PostgreSQL."""
UNPROTECTED = "waited without a key"
"""In the detail of a row that was written while there was no key to prove it with."""


class SecureAccessLogWaiting(models.Model):
    """Rows that could not be put behind the end of their chain at once: another worker
    held it, or the key was missing.

    Inserting here clashes with nobody, and belongs to the transaction of what happened.
    Each has a MAC, so that nothing else gets into a chain under its name; without a key
    there is none, and the row says so for good.
    """

    _name = "secure.access.log.waiting"
    _description = "Secure Messaging Log, Waiting"
    _log_access = False

    chain = fields.Char(required=True, groups=fields.NO_ACCESS)
    row = fields.Json(required=True, groups=fields.NO_ACCESS)
    secure_uid = fields.Char(groups=fields.NO_ACCESS)
    fingerprint = fields.Char(groups=fields.NO_ACCESS)
    mac = fields.Char("MAC", groups=fields.NO_ACCESS)

    @api.model
    def _put(self, model, rows):
        """Keep rows for :meth:`_cron_append`.

        :param str model: whose chains they belong to
        :param list rows: as ``secure.access.log._append`` takes them
        """
        values = [
            {
                "chain": model,
                "row": {**row, "date": fields.Datetime.to_string(row["date"])},
                "secure_uid": new_uid(),
            }
            for row in rows
        ]
        try:
            ring = self.env["secure.keyring"]._ring()
        except KeysUnavailable:
            ring = None
        for one in values if ring else []:
            one["fingerprint"] = ring.primary
            one["mac"] = ring.mac(Purpose.LOG, _told(one), ring.primary).hex()
        # sudo: nobody has access to this table; the rows are the log's own
        self.sudo().create(values)
        # sudo: whoever causes an event has no right to jobs
        self.env.ref("secure_messaging.ir_cron_log").sudo()._trigger()
        return self.env["secure.access.log"]

    @api.model
    def _cron_append(self):
        """Put into the log what waits. Can be run twice, killed, and run beside
        others."""
        while clashes.again(self.env, self._append_batch):
            pass

    @api.model
    def _append_batch(self):
        """:return: whether there is more, and time for it"""
        # sudo: as in :meth:`_put`
        batch = self.sudo().search([], order="id", limit=WAITING_BATCH)
        batch = batch.try_lock_for_update()
        try:
            for model, waiting in batch.grouped("chain").items():
                rows = [row for one in waiting if (row := one._proven_row())]
                self.env["secure.access.log"]._append(model, rows)
        except KeysUnavailable:
            # Of this batch, chains that came first may stand in the log already: with
            # rows that still wait, they would be there twice
            self.env.cr.rollback()
            return False
        batch.unlink()
        left = self.sudo().search_count([])
        time = self.env["ir.cron"]._commit_progress(len(batch), remaining=left)
        return bool(batch and left and time)

    def _proven_row(self):
        """The row as it was put here, as ``secure.access.log._append`` takes it.

        :return: dict; in its place a row that says so, where it is another; None when
            not even whose it is can be read
        """
        genuine = self._is_genuine()
        if genuine is None and self._is_well_formed():
            row = dict(self.row)
            row["detail"] = ", ".join(filter(None, (row["detail"], UNPROTECTED)))
        elif genuine:
            row = self.row
        else:
            _logger.error("A row that waited for the log is not the one put there")
            return self._alarm_row()
        return {**row, "date": fields.Datetime.to_datetime(row["date"])}

    def _is_genuine(self):
        """None where nothing proves either: there was no key, or it is gone."""
        if not self.mac:
            return None
        ring = self.env["secure.keyring"]._ring()
        given = {name: self[name] for name in ("chain", "row", "secure_uid")}
        try:
            mac = ring.mac(Purpose.LOG, _told(given), self.fingerprint)
        except KeyMissing:
            return None
        return hmac.compare_digest(mac.hex().encode(), self.mac.encode())

    def _is_well_formed(self):
        """Whether it can be written at all: what cannot must not hold up the others."""
        row, columns = self.row, self.env["secure.access.log"]._fields
        if (
            self.chain not in HOLDERS
            or not isinstance(row, dict)
            or row.keys() != set(log_chain.CONTENT)
            or not row[HOLDERS[self.chain]]
            or row["kind"] not in [kind for kind, _label in columns["kind"].selection]
        ):
            return False
        for name, value in row.items():
            kind = int if columns[name].type in ("integer", "many2one") else str
            # True is an int to Python, and not to PostgreSQL
            if value not in (None, False, "") and type(value) is not kind:
                return False
            if kind is int and abs(value or 0) > INTEGER_MAX:
                return False
        # sudo: a foreign key, unlike the other numbers
        company = self.env["res.company"].sudo().browse(row["company_id"] or ())
        if company != company.exists():
            return False
        try:
            return bool(fields.Datetime.to_datetime(row["date"]))
        except ValueError:
            return False

    def _alarm_row(self):
        """For the chain it claims to belong to, if that is there."""
        log, row = self.env["secure.access.log"], self.row
        claimed = isinstance(row, dict) and row.get(HOLDERS.get(self.chain))
        if type(claimed) is not int:
            return None
        # sudo: what the log notes of whose chain it is
        holder = self.env[self.chain].sudo().browse(claimed).exists()
        return holder and log._alarm_row(holder, log_chain.FORGED)


def _told(values):
    """What the MAC of a row is over."""
    parts = [values["chain"], values["secure_uid"], values["row"]]
    text = json.dumps(parts, sort_keys=True)
    # Of another length than what is proven of rows that stand
    return b"secure_messaging/log/waiting/" + hashlib.sha256(text.encode()).digest()
