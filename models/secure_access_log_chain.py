"""How rows get into the log: behind the end of their chain, which is locked for it."""

import logging
from operator import itemgetter

from odoo import api, fields, models
from odoo.tools import SQL, groupby

from ..tools import log_chain
from ..tools.keyring import Purpose
from ..tools.log_chain import Tip

_logger = logging.getLogger(__name__)

COLUMNS = (*log_chain.CONTENT, *log_chain.PROOF)
HOLDERS = {"secure.thread": "thread_id", "res.company": "company_id"}
"""What has a chain, and the column that says whose a row is."""


class SecureAccessLogChain(models.Model):
    _inherit = "secure.access.log"

    @api.model
    def _append(self, model, rows):
        """Put rows behind the ends of their chains, in as many statements for one as
        for thousands.

        :param str model: one of ``HOLDERS``: whose chains they belong to
        :param list rows: dicts of ``log_chain.CONTENT``, without number and fingerprint
        :return: the new rows
        :raise CLASHES: when another worker moved an end since this transaction began
        """
        if not rows:
            return self.browse()
        ring = self.env["secure.keyring"]._sealing_ring()
        whose = itemgetter(HOLDERS[model])
        # sudo: who may cause an event may not read where the log ends
        holders = self.env[model].sudo().browse({whose(row) for row in rows})
        tips = holders._log_tips(lock=True)
        mended = self._mend_tips(model, tips, {whose(row): row for row in rows[::-1]})
        written = []
        for holder_id, group in groupby(rows, whose):
            if holder_id not in tips:
                # Erased while its rows waited, and its log with it
                continue
            uid, tip = tips[holder_id]
            group = [*mended.get(holder_id, ()), *group]
            tip = log_chain.extend(tip, group, ring.primary, self._log_mac(ring))
            tips[holder_id] = uid, tip
            written += group
        if not written:
            return self.browse()
        holders._put_log_tips(tips)
        return self._insert(written)

    @api.model
    def _insert(self, rows):
        """One statement for all. The ORM's own create makes one for each hundred."""
        values = [
            SQL("%s", tuple(row[column] or None for column in COLUMNS)) for row in rows
        ]
        self.env.cr.execute(
            SQL(
                "INSERT INTO secure_access_log (%s) VALUES %s RETURNING id",
                SQL(", ").join(SQL.identifier(column) for column in COLUMNS),
                SQL(", ").join(values),
            )
        )
        return self.browse(row_id for (row_id,) in self.env.cr.fetchall())

    @api.model
    def _mend_tips(self, model, tips, first):
        """Go on where the rows end, when the sealed end was removed or changed: nothing
        stops because of that. A row that says so stays behind, for every check to find.

        :param dict tips: of ``_log_tips``; completed here
        :param dict first: the first row that each holder is to get, by id
        :return: dict of the rows to be put first, by id
        """
        lost = {key for key, (_uid, tip) in tips.items() if isinstance(tip, str)}
        ends = self._read_ends(model, list(lost)) if lost else {}
        mended = {}
        for key, (uid, tip) in tips.items():
            end = ends.get(key)
            if key not in lost:
                end = tip
            elif end or not self._begins(model, key, tip, first[key]):
                mended[key] = [self._mending_row(model, key, first[key], tip)]
                _logger.error("The log of %s %s has lost its end", model, key)
            if not end or not end.number:
                thread_id = key if model == "secure.thread" else 0
                end = Tip(0, log_chain.start(log_chain.chain_name(thread_id, key)))
            tips[key] = uid, end
        return mended

    @api.model
    def _begins(self, model, holder_id, tip, row):
        """Whether it is nothing to wonder at that a chain has neither end nor rows: a
        company's begins when it is first switched on, or before, with its PIN."""
        if model == "secure.thread" or tip != "tip_missing":
            return False
        # sudo: whoever causes the event; the switch is no secret
        company = self.env[model].sudo().browse(holder_id)
        if row["kind"] == "switched_off" or company._secure_has_threads():
            return False
        return row["kind"] == "switched_on" or not company.secure_messaging_enabled

    @api.model
    def _mending_row(self, model, holder_id, like, reason):
        # sudo: what the log notes of whose chain broke, whoever causes the next event
        holder = self.env[model].sudo().browse(holder_id)
        row = self._alarm_row(holder, log_chain.DAMAGED, detail=reason)
        return {**row, "date": like["date"]}

    @api.model
    def _alarm_row(self, holder, kind, detail=False):
        """A row that says what was found wrong; each check finds it."""
        row = dict.fromkeys(COLUMNS, False)
        row.update(self._row_values(holder), kind=kind, detail=detail)
        return {**row, "date": fields.Datetime.now()}

    @api.model
    def _read_ends(self, model, ids):
        """The last row of each chain, whatever it is worth."""
        of_company = SQL("AND thread_id IS NULL" if model == "res.company" else "")
        column = SQL.identifier(HOLDERS[model])
        self.env.cr.execute(
            SQL(
                """SELECT DISTINCT ON (%s) %s, number, digest
                     FROM secure_access_log
                    WHERE %s = ANY(%s) AND number IS NOT NULL %s
                    ORDER BY %s, number DESC""",
                *(column, column, column, ids, of_company, column),
            )
        )
        return {
            key: Tip(number, log_chain.to_bytes(digest))
            for key, number, digest in self.env.cr.fetchall()
        }

    @api.model
    def _log_mac(self, ring):
        return lambda fingerprint, data: ring.mac(Purpose.LOG, data, fingerprint)
