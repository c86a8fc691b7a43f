"""Sends of our own: planned, and carried out in chunks, each in one transaction."""

import logging

import psycopg2

from odoo import api, fields, models

from ..tools import own_code
from ..tools.clashes import CLASHES, CLASHES_BORNE, WHOLE_TRANSACTION
from .secure_keyring import KeysUnavailable

_logger = logging.getLogger(__name__)

CHUNK = 100
"""Recipients rendered and stored at once: what a send holds in memory, and what is done
again when a worker is killed."""
RUN_NOW_LIMIT = 20
"""Up to this many recipients are sent to while the sender waits; more by the cron."""
DUE_STATES = ("running", "scheduled")


class SecureDispatchRun(models.Model):
    _inherit = "secure.dispatch"

    @api.model
    def _plan(self, values, rows, scheduled_at=False):
        """Prepare a send that :meth:`_run` carries out, now or at a time.

        :param dict values: like :meth:`_begin`, with ``subject``, ``body``, ``pin`` in
            clear and ``files`` as (name, bytes)
        :param list rows: dicts with ``partner`` or ``res_id``, or both
        :return: ``secure.dispatch``, as superuser
        """
        values, content = self._parted(values)
        dispatch = self._begin(
            {**values, "state": "scheduled", "scheduled_at": scheduled_at}
        )
        dispatch._put_content(**content)
        dispatch._put_recipients(rows)
        return dispatch

    def _replan(self, values, rows, scheduled_at=False):
        """Like :meth:`_plan`, in the place of what was planned. The caller has locked
        it and seen that it has not begun."""
        values, content = self._parted(values)
        author = self.env["secure.road"]._sender()
        self.write(
            {
                **values,
                "user_id": author.id,
                "is_automatic": not author,
                "responsible_id": author.id,
                "state": "scheduled",
                "scheduled_at": scheduled_at,
                "date": fields.Datetime.now(),
            }
        )
        self._put_content(**content)
        self._put_recipients(rows)
        return self

    @api.model
    def _parted(self, values):
        """Columns, and what is sealed."""
        values = dict(values)
        content = {key: values.pop(key, False) for key in ("subject", "body", "pin")}
        return values, {**content, "files": values.pop("files", [])}

    def _put_content(self, subject, body, pin, files):
        self._seal("sealed_subject", subject)
        self._seal("sealed_body", body)
        self._seal("sealed_pin", pin)
        self.has_pin = bool(pin)
        self.attachment_ids.unlink()
        self.env["ir.attachment"].with_context(**own_code.MARK).create(
            [
                {"name": name, "raw": data, "res_model": self._name, "res_id": self.id}
                for name, data in files
            ]
        )
        self.invalidate_recordset(["attachment_ids"])

    def _start(self):
        """Begin with what was planned: at once when few wait, else by the cron."""
        self.ensure_one()
        cron = self.env.ref("secure_messaging.ir_cron_dispatch")
        self.stopped = False
        if self.scheduled_at and self.scheduled_at > fields.Datetime.now():
            self.state = "scheduled"
            return cron._trigger(self.scheduled_at)
        self.state = "running"
        if not self._author_problem():
            self._fill_from_filter()
        if self.waiting_count > RUN_NOW_LIMIT:
            return cron._trigger()
        return self._run_chunk(RUN_NOW_LIMIT)

    @api.model
    def _cron_run(self):
        """Carry on with whatever is due, a chunk of each in turn. Can be killed, and
        run twice at once: a recipient is marked in the transaction that sends, and the
        send is locked by it."""
        due = self.search(self._due_domain(), order="id")
        clashes = dict.fromkeys(due.ids, 0)
        while due:
            for dispatch in due:
                more = dispatch._step(clashes)
                if not more:
                    due -= dispatch
                if not self.env["ir.cron"]._commit_progress(
                    more, remaining=self._count_due()
                ):
                    return

    @api.model
    def _due_domain(self):
        return [
            "|",
            ("state", "=", "running"),
            "&",
            ("state", "=", "scheduled"),
            ("scheduled_at", "<=", fields.Datetime.now()),
        ]

    @api.model
    def _count_due(self):
        """How many recipients wait for the cron."""
        due = self._search(self._due_domain())
        return self.env["secure.dispatch.line"].search_count(
            [("dispatch_id", "in", due), ("state", "=", "waiting")]
        )

    def _step(self, clashes):
        """One chunk of one send, by the cron.

        :param dict clashes: how often others got in between so far, by id
        :return: how many recipients were dealt with; 0 when this send is to be left
        """
        while True:
            try:
                return self._run_chunk(CHUNK, leave=False)
            except CLASHES:
                self.env.cr.rollback()
                clashes[self.id] += 1
                if clashes[self.id] >= CLASHES_BORNE:
                    return 0
            except Exception as error:
                # Neither the text of the error nor its trace: they may quote content
                self.env.cr.rollback()
                _logger.error("Secure send stopped: %s", type(error).__name__)
                if not isinstance(error, psycopg2.OperationalError):
                    self._stop()
                return 0

    def _stop(self):
        """What broke a send as a whole would break it again: its responsible decides,
        instead of the cron trying for ever."""
        if not self._lock_free() or self.state not in DUE_STATES:
            return
        waiting = self.line_ids.filtered(lambda line: line.state == "waiting")
        text = self.env._("Something went wrong. Please try again.")
        waiting.write({"state": "failed", "reason": text})
        self.state = "failed"
        if self.responsible_id:
            self._remind(len(waiting))

    def _run_chunk(self, limit, leave=True):
        """Send to the next recipients, in this transaction.

        :param bool leave: False for Odoo's queues to do it, which note each mail as
            sent by itself; when a worker is killed, one mail at most leaves twice
        :return: how many were dealt with
        """
        if not self._lock_free() or self.state not in DUE_STATES:
            return 0
        if self._author_problem():
            self._hold()
            return 0
        self._fill_from_filter()
        if not self.line_ids:
            self._end_with_nobody()
            return 0
        lines = self.env["secure.dispatch.line"].search(
            [("dispatch_id", "=", self.id), ("state", "=", "waiting")],
            order="id",
            limit=limit,
        )
        if lines:
            self.state = "running"
            self._deliver_lines(lines, leave)
            if not leave:
                self.env["secure.notification"]._wake_queue("email")
        self._finish()
        return len(lines)

    def _lock_free(self):
        """Lock the send, unless somebody else works on it: sends or changes it.

        When it was changed since this transaction began, PostgreSQL refuses, and the
        transaction is run again.
        """
        return bool(self.exists() and self._lock("SKIP LOCKED"))

    def _lock(self, how=""):
        """Have this send to oneself until the transaction ends.

        :return: whether it is locked now
        """
        self.ensure_one()
        self.env.flush_all()
        self.env.cr.execute(
            f"SELECT id FROM secure_dispatch WHERE id = %s FOR UPDATE {how}", [self.id]
        )
        found = self.env.cr.fetchone()
        self.invalidate_recordset()
        self.env["secure.dispatch.line"].invalidate_model()
        return bool(found)

    def _deliver_lines(self, lines, leave):
        """Send to recipients; when that fails as a whole, to one by one, so that what
        is wrong with one of them stops nobody else."""
        acting = self._as_author()
        try:
            with self.env.cr.savepoint():
                acting._deliver(acting._rows(lines), leave=leave)
        except WHOLE_TRANSACTION:
            raise
        except KeysUnavailable as locked:
            # Whatever is missing, is missing for all
            lines.write({"state": "failed", "reason": str(locked)})
        except Exception as error:
            if len(lines) > 1:
                for line in lines:
                    self._deliver_lines(line, leave)
                return
            # What went wrong may quote the content: neither kept nor logged
            _logger.error("A recipient was not sent to: %s", type(error).__name__)
            text = self.env._("Something went wrong. Please try again.")
            lines.write({"state": "failed", "reason": text})
        lines.filtered(lambda line: line.state == "waiting").write(
            {"state": "failed", "reason": self.env._("No recipient any more.")}
        )
