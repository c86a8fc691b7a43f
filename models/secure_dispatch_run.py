"""Sends of our own: planned, and carried out in chunks, each in one transaction."""

import logging

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import ConcurrencyError, UserError

from ..tools import own_code

_logger = logging.getLogger(__name__)

CHUNK = 100
"""Recipients rendered and stored at once: what a send holds in memory, and what is done
again when a worker is killed."""
RUN_NOW_LIMIT = 20
"""Up to this many recipients are sent to while the sender waits; more by the cron."""
CLASHES = (ConcurrencyError, psycopg2.errors.SerializationFailure)
CLASHES_BORNE = 10
"""How often another worker may get in between before this one leaves it to the next."""


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
        content = {key: values.pop(key, False) for key in ("subject", "body", "pin")}
        files = values.pop("files", [])
        dispatch = self._begin(
            {**values, "state": "scheduled", "scheduled_at": scheduled_at}
        )
        dispatch._put_content(files=files, **content)
        dispatch._put_recipients(rows)
        return dispatch

    def _put_content(self, subject, body, pin, files):
        self._seal("sealed_subject", subject)
        self._seal("sealed_body", body)
        self._seal("sealed_pin", pin)
        self.attachment_ids.unlink()
        self.env["ir.attachment"].sudo().with_context(**own_code.MARK).create(
            [
                {"name": name, "raw": data, "res_model": self._name, "res_id": self.id}
                for name, data in files
            ]
        )

    def _put_recipients(self, rows):
        self.line_ids.unlink()
        self.env["secure.dispatch.line"].sudo().create(
            [
                {
                    "dispatch_id": self.id,
                    "res_id": row.get("res_id"),
                    "partner_id": row["partner"].id if row.get("partner") else False,
                }
                for row in rows
            ]
        )

    def _start(self):
        """Begin with what was planned: at once when few wait, else by the cron."""
        self.ensure_one()
        cron = self.env.ref("secure_messaging.ir_cron_dispatch").sudo()
        if self.scheduled_at and self.scheduled_at > fields.Datetime.now():
            return cron._trigger(self.scheduled_at)
        self.sudo().state = "running"
        if self.waiting_count > RUN_NOW_LIMIT:
            return cron._trigger()
        return self._run_chunk(RUN_NOW_LIMIT)

    @api.model
    def _cron_run(self):
        """Carry on with whatever is due. Can be killed, and run twice at once: a
        recipient is marked in the transaction that sends, and locked by it."""
        due = self.sudo().search(
            [
                "|",
                ("state", "=", "running"),
                ("state", "=", "scheduled"),
                ("scheduled_at", "<=", fields.Datetime.now()),
            ],
            order="id",
        )
        for dispatch in due:
            if not dispatch._run():
                return

    def _run(self):
        """Carry on with one send, chunk by chunk, until it is done or time is up.

        :return: seconds left for the cron; 0 when it must stop
        """
        clashes = 0
        while self._waits():
            try:
                count = self._run_chunk(CHUNK, leave=False)
            except CLASHES:
                self.env.cr.rollback()
                clashes += 1
                if clashes < CLASHES_BORNE:
                    continue
                return 1
            except Exception as error:
                # Neither the text of the error nor its trace: they may quote content
                self.env.cr.rollback()
                _logger.error("Secure send stopped: %s", type(error).__name__)
                return 1
            left = self.env["ir.cron"]._commit_progress(count)
            if not left or not count:
                return left
        return 1

    def _waits(self):
        """Whether there is anything left to do; asked anew in each transaction."""
        self.invalidate_recordset(["state"])
        return self.exists() and self.state in ("running", "scheduled")

    def _run_chunk(self, limit, leave=True):
        """Send to the next recipients, in this transaction.

        :param bool leave: False for Odoo's queues to do it, which note each mail as
            sent by itself; when a worker is killed, one mail at most leaves twice
        :return: how many were dealt with
        """
        lines = self._take_lines(limit)
        author = self.user_id
        if author and not author.active:
            self._hold()
            return 0
        if lines:
            self.state = "running"
            acting = self._as_author()
            rows = acting._rows(lines)
            acting._deliver(rows, leave=leave)
            lines.filtered(lambda line: line.state == "waiting").write(
                {"state": "failed", "reason": self.env._("No recipient any more.")}
            )
            if not leave:
                self.env.ref("mail.ir_cron_mail_scheduler_action").sudo()._trigger()
        self._finish()
        return len(lines)

    def _take_lines(self, limit):
        """Waiting recipients that nobody else deals with just now, locked."""
        self.flush_recordset()
        self.line_ids.flush_recordset()
        self.env.cr.execute(
            """SELECT id FROM secure_dispatch_line
                WHERE dispatch_id = %s AND state = 'waiting'
                ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED""",
            [self.id, limit],
        )
        ids = [id_ for (id_,) in self.env.cr.fetchall()]
        self.env["secure.dispatch.line"].invalidate_model(["state"])
        return self.env["secure.dispatch.line"].sudo().browse(ids)

    def _hold(self):
        """Its author has left: nothing is sent in their name, somebody else decides."""
        self.state = "held"
        user = self.company_id.secure_responsible_id
        spoken = self.with_context(lang=user.lang)
        self.activity_schedule(
            "mail.mail_activity_data_todo",
            summary=spoken.env._("A scheduled send waits: its author has left"),
            user_id=user.id,
        )

    def _as_author(self):
        """Rendered with the rights of who wrote it; what an automation sends, with
        those it runs with."""
        company = {"allowed_company_ids": self.company_id.ids}
        if not self.user_id:
            return self.with_context(**company, **own_code.AUTOMATIC)
        author = self.with_user(self.user_id).with_context(**company)
        return author.with_context(lang=self.user_id.lang, tz=self.user_id.tz)

    def action_retry(self):
        """Send again to those who were not sent to; nobody gets anything twice."""
        self.ensure_one()
        self.check_access("read")
        if not self.can_retry:
            raise UserError(
                self.env._("What was to be said is not kept. Please send it again.")
            )
        failed = self.sudo().line_ids.filtered(lambda line: line.state == "failed")
        failed.write({"state": "waiting", "reason": False})
        self.sudo().activity_ids.unlink()
        self.sudo()._start()
