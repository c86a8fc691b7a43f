"""How a check looks at the log: read by pages, straight from the tables."""

import logging
from itertools import groupby, islice
from operator import itemgetter

from odoo import models
from odoo.tools import SQL

from ..tools import log_chain
from ..tools.keyring import KeyMissing, Purpose
from .secure_access_log_chain import COLUMNS
from .secure_log_check import FINDINGS_KEPT, UNREADABLE

_logger = logging.getLogger(__name__)

CHECK_BATCH = 500
"""Conversations checked in one transaction."""
PAGE = 2000
"""Rows in memory at once."""


class SecureLogCheckRun(models.Model):
    _inherit = "secure.log.check"

    def _check_batch(self):
        """The next conversations, or the end. What was logged in this transaction and
        where chains end is read from one snapshot: no writer needs to wait.

        :return: how many were checked
        """
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """SELECT id FROM secure_thread
                    WHERE company_id = %s AND id > %s ORDER BY id LIMIT %s""",
                *(self.company_id.id, self.position, CHECK_BATCH),
            )
        )
        ids = [thread_id for (thread_id,) in self.env.cr.fetchall()]
        if not ids:
            self._check_rest()
            return 1
        self._note_chains("secure.thread", ids)
        self.write({"thread_count": self.thread_count + len(ids), "position": ids[-1]})
        return len(ids)

    def _check_rest(self):
        """The company's own rows, and those of no conversation that is there."""
        self._note_chains("res.company", self.company_id.ids)
        self._note(self._judge(), self._find_astray())
        # sudo: only how many; nobody has access to these rows
        waiting = self.env["secure.access.log.waiting"].sudo().search_count([])
        self.waiting_count = waiting
        self._end("bad" if self.finding_count else "good")

    def _note_chains(self, model, ids):
        """Check some chains. Where a row cannot even be read, each is looked at by
        itself: the others are judged, and that one is named."""
        try:
            with self.env.cr.savepoint():
                judge = self._judge()
                self._note(judge, self._check_chains(judge, model, ids))
        except UNREADABLE:
            if len(ids) > 1:
                for holder_id in ids:
                    self._note_chains(model, [holder_id])
                return
            _logger.exception("The log of %s %s cannot be read", model, ids[0])
            thread_id = ids[0] if model == "secure.thread" else 0
            unread = log_chain.Finding("unreadable", 0, 0, 0)
            self._note(self._judge(), iter([(thread_id, unread)]))

    def _judge(self):
        ring = self.env["secure.keyring"]._ring()

        def mac(fingerprint, data):
            try:
                return ring.mac(Purpose.LOG, data, fingerprint)
            except KeyMissing:
                return None

        return log_chain.Check(mac)

    def _check_chains(self, judge, model, ids):
        """(id of the conversation or none, finding) for all that is wrong."""
        # sudo: nobody may read where the log ends
        tips = self.env[model].sudo().browse(ids)._log_tips()
        chains = self._stream(model, ids)
        left = dict(tips)
        # Odoo's own would hold all rows in memory
        # pylint: disable-next=bad-builtin-groupby
        for holder_id, rows in groupby(chains, itemgetter("holder")):
            _uid, tip = left.pop(holder_id)
            yield from self._check_chain(judge, model, holder_id, rows, tip)
        for holder_id, (_uid, tip) in left.items():
            if self._has_chain(model, tip):
                yield from self._check_chain(judge, model, holder_id, (), tip)

    def _has_chain(self, model, tip):
        """Conversations have one from the first, companies from being switched on: then
        they are on, or have conversations."""
        company = self.company_id
        return (
            model == "secure.thread"
            or tip != "tip_missing"
            or company.secure_messaging_enabled
            or company._secure_has_threads()
        )

    def _check_chain(self, judge, model, holder_id, rows, tip):
        thread_id = holder_id if model == "secure.thread" else 0
        if isinstance(tip, str):
            yield thread_id, log_chain.Finding(tip, 0, 0, 0)
            tip = None
        name = log_chain.chain_name(thread_id, holder_id)
        for finding in judge.chain(name, rows, tip):
            yield thread_id, finding

    def _stream(self, model, ids):
        """Rows of chains, in the order of their numbers, a page at a time. Those
        without a number are in none (:meth:`_find_astray`)."""
        of_company = model == "res.company"
        holder = SQL.identifier("company_id" if of_company else "thread_id")
        last = (0, 0, 0)
        while last:
            self.env.cr.execute(
                SQL(
                    """SELECT %s AS holder, id, %s
                         FROM secure_access_log
                        WHERE %s = ANY(%s) AND %s number IS NOT NULL
                          AND (%s, number, id) > %s
                        ORDER BY %s, number, id LIMIT %s""",
                    holder,
                    SQL(", ").join(SQL.identifier(column) for column in COLUMNS),
                    *(holder, ids),
                    SQL("thread_id IS NULL AND" if of_company else ""),
                    *(holder, last, holder, PAGE),
                )
            )
            page = self.env.cr.dictfetchall()
            yield from page
            full = len(page) == PAGE
            last = full and itemgetter("holder", "number", "id")(page[-1])

    def _find_astray(self):
        """Rows that stand in no chain that could be checked."""
        self.env.cr.execute(
            SQL(
                """SELECT id, COALESCE(number, 0), COALESCE(thread_id, 0)
                     FROM secure_access_log AS log
                    WHERE (company_id = %s OR company_id IS NULL)
                      AND (number IS NULL OR number < 1
                           OR (thread_id IS NULL AND company_id IS NULL)
                           OR (thread_id IS NOT NULL AND NOT EXISTS (
                               SELECT FROM secure_thread WHERE id = log.thread_id)))
                    ORDER BY id""",
                self.company_id.id,
            )
        )
        for row_id, number, thread_id in self.env.cr.fetchall():
            yield thread_id, log_chain.Finding("astray", number, number, row_id)

    def _note(self, judge, found):
        """Add to the result.

        :param found: iterator; beyond ``FINDINGS_KEPT`` they are only counted
        """
        kept = list(islice(found, max(0, FINDINGS_KEPT - self.finding_count)))
        count = len(kept) + sum(1 for _finding in found)
        names = self._thread_names([thread_id for thread_id, _finding in kept])
        self.env["secure.log.finding"].create(
            [
                {
                    "check_id": self.id,
                    "thread_id": thread_id,
                    "thread_name": names.get(thread_id),
                    **finding._asdict(),
                }
                for thread_id, finding in kept
            ]
        )
        self.write(
            {
                "finding_count": self.finding_count + count,
                "row_count": self.row_count + judge.rows,
                "by_digest_count": self.by_digest_count + judge.by_digest,
            }
        )

    def _thread_names(self, ids):
        # sudo: the reference only, which says nothing of the content
        threads = self.env["secure.thread"].sudo().browse(set(ids) - {0}).exists()
        return {thread.id: thread.name for thread in threads}

    def _left(self):
        """How many conversations are still to be checked, and the end."""
        if self.state != "running":
            return 0
        # sudo: only how many
        threads = self.env["secure.thread"].sudo().with_context(active_test=False)
        return 1 + threads.search_count(
            [("company_id", "=", self.company_id.id), ("id", ">", self.position)]
        )
