"""Everything under the first key: what is done after a new key was put before the old.

Each column that holds ciphertext is a field that says so (``models/sealed_fields.py``).
"""

import logging
from datetime import timedelta
from functools import partial

from odoo import api, fields, models
from odoo.tools import SQL, ormcache

from ..tools import clashes
from ..tools.keyring import KeyringError
from .sealed_fields import Resealable

_logger = logging.getLogger(__name__)

RESEAL_BATCH = 200
"""Rows that are sealed anew in one transaction: what is held in memory and locked."""
RESEAL_FILES_BATCH = 20
RETRY_AFTER = timedelta(minutes=1)


class SecureKeyringRotation(models.AbstractModel):
    _inherit = "secure.keyring"

    # -- what there is ---------------------------------------------------------------

    @api.model
    @ormcache()
    def _sealed_keys(self):
        """(model, field, purpose) of all that may be sealed for a column."""
        return frozenset(
            field.sealed_key
            for columns in self._sealed_columns().values()
            for field in columns
        )

    @api.model
    def _sealed_columns(self):
        """The fields that hold ciphertext, by model."""
        found = {}
        for name, model in sorted(self.env.registry.items()):
            if model._abstract:
                continue
            columns = [
                field
                for field in model._fields.values()
                if isinstance(field, Resealable) and field.store
            ]
            if columns:
                found[name] = columns
        return found

    @api.model
    def _sealed_counts(self):
        """(rows sealed with another key than the first, rows with anything sealed)"""
        primary = self._ring().primary
        elsewhere = whole = 0
        for name, columns in self._sealed_columns().items():
            model = self.env[name]
            model.flush_model()
            self.env.cr.execute(
                SQL(
                    "SELECT count(*) FILTER (WHERE %(other)s), count(*) FROM %(table)s "
                    "WHERE %(filled)s OR %(other)s",
                    other=self._elsewhere(model, columns, primary),
                    table=SQL.identifier(model._table),
                    filled=SQL(" OR ").join(
                        SQL("%s IS NOT NULL", SQL.identifier(field.name))
                        for field in columns
                    ),
                )
            )
            counts = self.env.cr.fetchone()
            elsewhere, whole = elsewhere + counts[0], whole + counts[1]
        return elsewhere, whole

    @api.model
    def _elsewhere(self, model, columns, fingerprint):
        """SQL: whether anything of a row is to be sealed with this key and is not."""
        terms = [field.sealed_elsewhere(fingerprint) for field in columns]
        if model._name == "secure.link":
            terms.append(model._lacks_proof(fingerprint))
        return SQL("(%s)", SQL(" OR ").join(terms))

    # -- sealing anew ------------------------------------------------------------------

    @api.model
    def _rotation_is_due(self):
        """Whether anything may be sealed with another key than the first: cheap, as it
        is asked again and again."""
        needed, primary = self._needed(), self._ring().primary
        return bool(needed and needed != [primary]) or bool(self._retiring())

    @api.model
    def _rotate(self, tell=None):
        """Seal everything with the first key, in batches that are committed one by one.

        Can be killed and started again, run twice, and run while others write: what is
        sealed with the first key is passed over, what somebody else holds is left for
        the next pass.

        :param tell: called with (done, whole) after each batch
        :return: whether all is done, and the other keys may go
        """
        self._sealing_ring()
        elsewhere, whole = self._sealed_counts()
        progress = _Progress(self.env, elsewhere, whole, tell)
        progress.note(0)
        while elsewhere and not progress.is_late:
            before = progress.done
            for name, columns in self._sealed_columns().items():
                self._rotate_model(self.env[name], columns, progress)
            if progress.done == before:
                break
            elsewhere = self._sealed_counts()[0]
        if progress.is_late:
            return False
        progress.end()
        if elsewhere:
            _logger.warning("%s rows are left for the next run", elsewhere)
            return False
        return bool(clashes.again(self.env, partial(self._retire, progress)))

    @api.model
    def _rotate_model(self, model, columns, progress):
        """All rows of one table, by number: a pass looks at each row once."""
        after = 0
        while not progress.is_late and after is not None:
            # Where somebody changed one of these rows just now, it looks again
            batch = partial(self._reseal_batch, model, columns, after)
            found = clashes.again(self.env, batch)
            if not found:
                return
            after, count = found
            progress.note(count)

    @api.model
    def _reseal_batch(self, model, columns, after):
        """
        :return: (number of the last row looked at, or None at the end; rows sealed)
        """
        ring = self._ring()
        limit = RESEAL_FILES_BATCH if model._name == "ir.attachment" else RESEAL_BATCH
        rows = self._lock_rows(model, columns, ring.primary, after, limit)
        # sudo: upkeep; the content is nobody's here, and stays sealed
        records = model.sudo().browse(row["id"] for row in rows)
        resealed = []
        for row, record in zip(rows, records, strict=True):
            try:
                values = _resealed_row(ring, columns, row)
                if model._name == "ir.attachment":
                    record._reseal_data(ring)
                elif model._name == "secure.link":
                    values |= record._proof_values(ring)
            except KeyringError as error:
                # The text names model and field, not what is in it
                _logger.error("%s(%s) is not resealed: %s", model, row["id"], error)
                continue
            resealed.append({**row, **values})
        self._write_resealed(model, columns, resealed)
        last = rows[-1]["id"] if len(rows) == limit else None
        return last, len(resealed)

    @api.model
    def _lock_rows(self, model, columns, fingerprint, after, limit):
        """The next rows that are sealed with another key, except what others hold."""
        model.flush_model()
        names = {"id", *(field.name for field in columns)}
        names |= {field.sealed_uid for field in columns if field.sealed_uid}
        self.env.cr.execute(
            SQL(
                """SELECT %s FROM %s WHERE id > %s AND (%s) ORDER BY id LIMIT %s
                      FOR NO KEY UPDATE SKIP LOCKED""",
                SQL(", ").join(map(SQL.identifier, sorted(names))),
                SQL.identifier(model._table),
                after,
                self._elsewhere(model, columns, fingerprint),
                limit,
            )
        )
        return self.env.cr.dictfetchall()

    @api.model
    def _write_resealed(self, model, columns, rows):
        """In one statement, past the ORM: nothing but the ciphertext changes."""
        if not rows:
            return
        names = [field.name for field in columns]
        cells = [SQL("%s::text[]", [row[name] for row in rows]) for name in names]
        self.env.cr.execute(
            SQL(
                "UPDATE %s AS t SET %s FROM unnest(%s::int[], %s) AS v(id, %s) "
                "WHERE t.id = v.id",
                SQL.identifier(model._table),
                SQL(", ").join(
                    SQL("%s = %s", SQL.identifier(name), SQL.identifier("v", name))
                    for name in names
                ),
                [row["id"] for row in rows],
                SQL(", ").join(cells),
                SQL(", ").join(map(SQL.identifier, names)),
            )
        )
        model.invalidate_model(names)

    @api.model
    def _cron_rotate(self):
        """Seal anew what is under another key than the first, if there is any; and end
        what the command began and could not end."""
        if self._status()["problem"]:
            return
        # Not only when all is sealed anew: that may take long, or never end
        closing = self._closing()
        if closing and not self._go_on_closing(closing):
            return
        if not self._rotation_is_due() or self._rotate():
            self._end_closing()
        elif self._retiring():
            # This very job is work that began before: once more, when it has ended
            job = self.env.ref("secure_messaging.ir_cron_rotate")
            job._trigger(fields.Datetime.now() + RETRY_AFTER)


class _Progress:
    """Counts, commits and tells."""

    def __init__(self, env, elsewhere, whole, tell):
        self._env, self._tell = env, tell
        self._elsewhere, self._whole = elsewhere, whole
        self.done = 0
        self.is_late = False

    def note(self, count):
        """So many rows more are done: commit that."""
        self.done += count
        left = max(self._elsewhere - self.done, 0)
        self._commit(count, left)
        if self._tell and count:
            self._tell(self._whole - left, self._whole)

    def end(self):
        """What is left is not for this run: the job need not be called at once."""
        self._elsewhere = 0
        self._commit(0, 0)

    def _commit(self, count, left):
        jobs = self._env["ir.cron"]
        self.is_late = jobs._commit_progress(count, remaining=left) <= 0


def _resealed_row(ring, columns, row):
    """What changes of a row, by column."""
    return {
        field.name: field.resealed(ring, row.get(field.sealed_uid), row[field.name])
        for field in columns
        if field.is_elsewhere(row[field.name], ring.primary)
    }
