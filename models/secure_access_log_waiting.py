from odoo import api, fields, models

from ..tools import clashes
from .secure_keyring import KeysUnavailable

WAITING_BATCH = 1000


class SecureAccessLogWaiting(models.Model):
    """Rows that could not be put behind the end of their chain at once: another worker
    held it, or the key was missing.

    Inserting here clashes with nobody, and belongs to the transaction of what happened.
    """

    _name = "secure.access.log.waiting"
    _description = "Secure Messaging Log, Waiting"
    _log_access = False

    chain = fields.Char(required=True, groups=fields.NO_ACCESS)
    row = fields.Json(required=True, groups=fields.NO_ACCESS)

    @api.model
    def _put(self, model, rows):
        """Keep rows for :meth:`_cron_append`.

        :param str model: whose chains they belong to
        :param list rows: as ``secure.access.log._append`` takes them
        """
        # sudo: nobody has access to this table; the rows are the log's own
        self.sudo().create(
            [
                {
                    "chain": model,
                    "row": {**row, "date": fields.Datetime.to_string(row["date"])},
                }
                for row in rows
            ]
        )
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
                rows = [
                    {**row, "date": fields.Datetime.to_datetime(row["date"])}
                    for row in waiting.mapped("row")
                ]
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
