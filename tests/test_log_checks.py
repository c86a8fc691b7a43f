"""Checks of the log, its export, and what happens when two write at once."""

import csv
import hashlib
import hmac
import io
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from unittest.mock import patch

import psycopg2
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from odoo import SUPERUSER_ID, api, fields
from odoo.exceptions import AccessError
from odoo.sql_db import db_connect
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger

from ..models import secure_log_check, secure_log_check_run
from ..models.secure_keyring import KeysUnavailable
from ..tools import clashes, log_chain
from ..tools.keyring import KeyMissing, Purpose
from ..wizard import secure_log_export
from .common import CANARY_REPLY, PIN, WRONG_PIN
from .test_log_chain import CHECK_LOG, ChainCase

WAITING_LOG = "odoo.addons.secure_messaging.models.secure_access_log_waiting"
PIN_LOG = "odoo.addons.secure_messaging.models.secure_pin"
LOG_ROWS = 1000


@tagged("post_install", "-at_install")
class TestChecks(ChainCase):
    def run_cron(self):
        """In transactions of its own, as the job does."""
        self.env.flush_all()
        with self.enter_registry_test_mode(), self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["secure.log.check"]._cron_verify()
        self.env.invalidate_all()

    def checks(self):
        return self.env["secure.log.check"].search(
            [("company_id", "=", self.company.id)], order="id"
        )

    def todos(self):
        return self.env["mail.activity"].search(
            [("res_model", "=", "secure.log.check"), ("user_id", "=", self.manager.id)]
        )

    def damage(self):
        self.sql("ALTER TABLE secure_access_log DISABLE TRIGGER USER")
        self.sql(
            "DELETE FROM secure_access_log WHERE thread_id = %s AND number = 2",
            self.thread.id,
        )

    def test_once_a_day(self):
        for _run in range(2):
            self.run_cron()
            self.assertEqual(self.checks().mapped("state"), ["good"])
        self.sql(
            "UPDATE secure_log_check SET create_date = %s",
            fields.Datetime.now() - secure_log_check.CHECK_EVERY - timedelta(minutes=1),
        )
        self.run_cron()
        self.assertEqual(self.checks().mapped("state"), ["good", "good"])
        self.assertFalse(self.todos())

    def test_goes_on_where_it_was(self):
        [check] = self.env["secure.log.check"]._start(self.company)
        check.position = self.thread.id
        self.run_cron()
        self.assertEqual(self.checks(), check)
        self.assertEqual(check.state, "good")
        self.assertEqual(check.thread_count, 1)

    def test_responsible_is_told_once(self):
        """Without an email, and with nothing of the content."""
        self.damage()
        with self.gateways(), self.assertLogs(CHECK_LOG, "ERROR") as logs:
            self.run_cron()
        self.assertIn("1 findings", logs.output[0])
        self.assertFalse(self._mails)
        [todo] = self.todos()
        self.assertIn("not as it was written", todo.summary)
        check = self.checks()
        self.assertEqual(todo.res_id, check.id)
        own = check.with_user(self.manager)
        self.assertEqual(own.finding_ids.mapped("place"), [self.name])
        [row] = self.log.with_user(self.manager).search([("kind", "=", "log_changed")])
        self.assertEqual((row.detail, row.company_id), ("bad 1", self.company))
        self.sql("UPDATE secure_log_check SET create_date = '2001-01-01'")
        with mute_logger(CHECK_LOG):
            self.run_cron()
        self.assertEqual(self.checks().mapped("state"), ["bad", "bad"])
        self.assertEqual(self.todos(), todo)
        todo.with_user(self.manager).action_feedback()
        self.sql("UPDATE secure_log_check SET create_date = '2001-01-01'")
        with mute_logger(CHECK_LOG):
            self.run_cron()
        self.assertEqual(len(self.todos()), 1)

    def test_by_the_button(self):
        log = self.log.with_user(self.manager).with_company(self.company)
        log = log.with_context(allowed_company_ids=self.company.ids)
        action = log.action_verify()
        check = self.checks()
        self.assertEqual(action["res_id"], check.id)
        self.assertEqual(action["views"], [(False, "form")])
        self.assertEqual((check.state, check.user_id), ("good", self.manager))
        for user in (self.sender, self.clerk):
            with self.assertRaises(AccessError):
                self.log.with_user(user).action_verify()

    def test_by_the_button_for_several_companies(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.manager.company_ids |= other
        both = (self.company | other).ids
        log = self.log.with_user(self.manager).with_context(allowed_company_ids=both)
        checks = self.env["secure.log.check"].search(log.action_verify()["domain"])
        self.assertEqual(sorted(checks.company_id.ids), sorted(both))

    def test_which_companies_are_due(self):
        """With a log, and not looked at for a day but by somebody who pressed the
        button."""
        checks = self.env["secure.log.check"]

        def due():
            return self.company in checks._due_companies()

        fresh = self.env["res.company"].create({"name": "Fresh"})
        self.assertNotIn(fresh, checks._due_companies())
        self.log._log("switched_off", fresh)
        self.assertIn(fresh, checks._due_companies(), "switched off since")
        self.assertTrue(due())
        check = checks._start(self.company, self.manager)
        self.assertFalse(due(), "under way")
        check.state = "good"
        self.assertTrue(due(), "by the button")
        checks._start(self.company).state = "good"
        self.assertFalse(due(), "by itself")
        self.company.secure_messaging_enabled = False
        self.sql("UPDATE secure_log_check SET create_date = '2001-01-01'")
        self.assertTrue(due(), "with conversations")

    def test_how_much_is_left(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        checks = self.env["secure.log.check"]._start(self.company | elsewhere)
        threads = self.env["secure.thread"].search([])
        self.other.active = False
        self.assertEqual([check._left() for check in checks], [1 + len(threads), 1])
        checks[0].position = self.thread.id
        self.assertEqual(checks[0]._left(), len(threads))
        checks[0].position = self.other.id
        self.assertEqual(checks[0]._left(), 1, "the end")
        checks[0].state = "good"
        self.assertEqual(checks[0]._left(), 0)

    def steps(self, result, time_left=1):
        """How often checks are gone on with by the job."""
        steps, jobs = [], type(self.env["ir.cron"])

        def step(check):
            steps.append(check.company_id)
            self.assertLess(len(steps), 9, "for ever")
            return result

        checks = self.env["secure.log.check"]
        checks._start(self.company | self.env["res.company"].create({"name": "Other"}))
        with (
            patch.object(type(checks), "_step", step),
            patch.object(jobs, "_commit_progress", lambda *_args, **_values: time_left),
        ):
            checks._cron_verify()
        return steps

    def test_a_check_that_another_worker_has_is_passed_over(self):
        steps = self.steps(0)
        self.assertGreater(len(steps), 1)
        self.assertEqual(len(set(steps)), len(steps))

    def test_a_job_ends_when_its_time_is_over(self):
        self.assertEqual(len(self.steps(1, time_left=0)), 1)

    def test_what_takes_too_long_goes_on_by_itself(self):
        with patch.object(secure_log_check, "CHECK_AT_ONCE", 0):
            self.log.with_user(self.manager).action_verify()
        [check] = self.checks()
        self.assertEqual(check.state, "running")
        job = self.env.ref("secure_messaging.ir_cron_log_check")
        self.assertTrue(self.env["ir.cron.trigger"].search([("cron_id", "=", job.id)]))
        self.run_cron()
        self.assertEqual(self.checks().mapped("state"), ["good"])

    def test_who_reads_checks(self):
        self.damage()
        check = self.check()
        self.company.secure_responsible_id = self.colleague
        for user in (self.manager, self.colleague):
            own = check.with_user(user)
            self.assertEqual(own.finding_ids.numbers, "2")
            for call in (
                lambda own=own: own.write({"state": "good"}),
                lambda own=own: own.unlink(),
                lambda own=own: own.create({"company_id": self.company.id}),
                lambda own=own: own.finding_ids.unlink(),
            ):
                with self.assertRaises(AccessError):
                    call()
        self.assertFalse(check.with_user(self.sender).search([]))
        with self.assertRaises(AccessError):
            check.with_user(self.sender).read(["state"])

    def test_old_good_ones_are_forgotten(self):
        good = self.check()
        self.damage()
        bad = self.check()
        self.sql("UPDATE secure_log_check SET create_date = '2001-01-01'")
        good._gc_good()
        self.assertEqual((good | bad).exists(), bad)

    def test_no_more_findings_are_kept_than_can_be_read(self):
        self.sql("ALTER TABLE secure_access_log DISABLE TRIGGER USER")
        self.sql(
            "UPDATE secure_access_log SET detail = 'x' WHERE thread_id IS NOT NULL"
        )
        with patch.object(secure_log_check_run, "FINDINGS_KEPT", 2):
            check = self.check()
        self.assertEqual(len(check.finding_ids), 2)
        self.assertEqual(check.finding_count, 6)


@tagged("post_install", "-at_install")
class TestBatch(ChainCase):
    def links(self, count):
        link = self.sent.link.sudo()
        threads = self.env["secure.thread"].sudo()
        values = {"company_id": self.company.id, "partner_id": self.contact.id}
        threads = threads.create([dict(values) for _number in range(count)])
        return self.env["secure.link"]._issue(
            [
                {
                    "thread_id": thread.id,
                    "message_id": 0,
                    "channel": "email",
                    "address": link.address,
                    "duration": 24,
                }
                for thread in threads
            ]
        )

    def queries(self, links):
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        self.log._log("sent", links)
        self.env.flush_all()
        return self.env.cr.sql_log_count - before

    def test_queries_do_not_grow(self):
        few, many = self.links(10), self.links(LOG_ROWS)
        self.assertEqual(self.queries(few), self.queries(many))
        rows = self.log.search([("link_id", "in", many.ids)])
        self.assertEqual(len(rows), LOG_ROWS)
        self.assertEqual(self.found(), [])

    def test_several_rows_of_one_conversation(self):
        link = self.sent.link
        self.log._log("read", link, message_ids=[self.sent.message.id] * 3)
        self.assertEqual(self.numbers(self.thread), [1, 2, 3, 4, 5, 6, 7])
        self.assertEqual(self.found(), [])

    def test_unknown_kind(self):
        with self.assertRaises(ValueError):
            self.log._log("nonsense", self.thread)

    def test_nothing_to_append(self):
        nothing = self.log.browse()
        self.assertEqual(self.log._append("secure.thread", []), nothing)
        [row] = self.log._rows("read", self.thread, None, None, {})[1]
        gone = {**row, "thread_id": 987654}
        self.assertEqual(self.log._append("secure.thread", [gone]), nothing)
        self.assertTrue(self.log._append("secure.thread", [row]))

    def test_where_a_log_may_begin(self):
        """With a company that has sent nothing yet; else, its end was lost."""
        fresh = self.env["res.company"].create({"name": "Fresh"})
        for model, holder, tip, kind, begins in (
            ("res.company", fresh, "tip_missing", "switched_on", True),
            ("res.company", fresh, "tip_missing", "default_pin_set", True),
            ("res.company", fresh, "tip_missing", "switched_off", False),
            ("res.company", fresh, "tip_damaged", "switched_on", False),
            ("res.company", self.company, "tip_missing", "switched_on", False),
            ("secure.thread", self.thread, "tip_missing", "switched_on", False),
        ):
            with self.subTest(model=model, tip=tip, kind=kind):
                self.assertIs(
                    self.log._begins(model, holder.id, tip, {"kind": kind}), begins
                )


@tagged("post_install", "-at_install")
class TestInBetween(ChainCase):
    """Another worker has moved the end of the chain since this transaction began."""

    def clash(self):
        return patch.object(
            type(self.log),
            "_append",
            side_effect=psycopg2.errors.SerializationFailure("could not serialize"),
        )

    def test_what_has_left_does_not_leave_again(self):
        """It is noted by the next transaction, once."""
        with self.clash():
            sent = self.send(partner=self.other_contact)
            self.assertEqual(len(self._mails), 1)
        mail = self.env["mail.mail"].sudo()
        mail = mail.search([("secure_link_id", "=", sent.link.id)])
        self.assertEqual(mail.state, "sent")
        self.assertFalse(sent.link.sudo().left_at)
        job = self.env.ref("secure_messaging.ir_cron_settle")
        self.assertTrue(self.env["ir.cron.trigger"].search([("cron_id", "=", job.id)]))
        with self.gateways():
            for _run in range(2):
                self.env["secure.link"]._cron_settle()
            self.assertFalse(self._mails)
        self.assertTrue(sent.link.sudo().left_at)
        self.assertEqual(self.counts(sent.thread), {"sent": 1, "delivered": 1})

    def test_bounce_is_not_lost(self):
        status = self.env["mail.notification"].sudo()
        status = status.search([("mail_message_id", "=", self.sent.message.id)])
        with self.clash():
            status.write({"notification_status": "bounce"})
        self.assertNotIn("failed", self.counts(self.thread))
        self.append_waiting()
        [row] = self.rows(self.thread, "failed")
        self.assertEqual(row.detail, "bounce")
        self.assertEqual(self.found(), [])

    def test_statement_42_rows_that_wait_are_not_forged(self):
        """In PostgreSQL, by who has no key: the job proves nothing that was not."""
        waits = "secure_access_log_waiting"
        changed = "UPDATE secure_access_log_waiting SET row = row::jsonb || '{}'"
        attacks = {
            "changed": changed.replace("{}", '{"detail": "x"}'),
            "another kind": changed.replace("{}", '{"kind": "pin_accepted"}'),
            "another chain": changed.replace("{}", f'{{"thread_id": {self.other.id}}}'),
            "nonsense": changed.replace("{}", '{"date": 7, "kind": "x"}'),
            "not its MAC": f"UPDATE {waits} SET secure_uid = 'x'",
        }
        for name, query in attacks.items():
            with self.subTest(attack=name), self.attack():
                with self.clash():
                    self.log._log_surely("read", self.sent.link)
                self.sql(query)
                with mute_logger(WAITING_LOG):
                    self.append_waiting()
                thread = self.other if name == "another chain" else self.thread
                [finding] = self.found()
                self.assertEqual(finding[:2], (thread.name, "forged"))
                [row] = self.rows(thread, "forged")
                self.assertFalse(row.detail)
                self.assertEqual(self.found(), [finding], "found by each check")

    def test_rows_without_a_mac_say_so(self):
        """As those are that were written while the key was missing: whoever can write
        to PostgreSQL can put such a row there. One that cannot be read holds up
        nothing."""
        with self.attack():
            with self.clash():
                self.log._log_surely("read", self.sent.link)
                put = self.log._log_surely("read", self.sent.link)
                self.assertEqual(put, self.log.browse(), "not in the log yet")
            self.sql(
                """UPDATE secure_access_log_waiting SET mac = NULL, row = CASE
                     WHEN id = (SELECT MAX(id) FROM secure_access_log_waiting)
                     THEN '{"thread_id": "x"}'::jsonb ELSE row::jsonb END"""
            )
            for change in (
                '{"user_id": true}',
                '{"user_id": 9999999999}',
                '{"kind": []}',
                '{"detail": {}}',
                '{"company_id": 987654}',
                '{"thread_id": null}',
                '{"date": "never"}',
                '{"kind": "nonsense"}',
                "[]",
            ):
                self.sql(
                    """INSERT INTO secure_access_log_waiting (chain, row)
                       SELECT chain, row::jsonb || %s FROM secure_access_log_waiting
                        WHERE row::jsonb ? 'kind' ORDER BY id LIMIT 1""",
                    change,
                )
            with self.assertLogs(WAITING_LOG, "ERROR"):
                self.append_waiting()
            self.assertEqual(
                self.rows(self.thread, "read").mapped("detail"),
                [False, "waited without a key"],
            )
            found = {kind for _place, kind, *_numbers in self.found()}
            self.assertEqual(found, {"forged"})
            self.sql("SELECT 1 FROM secure_access_log WHERE kind = 'nonsense'")
            self.assertFalse(self.env.cr.fetchall())

    def test_wrong_pin_is_counted_once(self):
        """Run again, the request would count one try twice."""
        thread = self.send(pin=PIN).thread
        counts = []
        charge = type(self.env["secure.attempt"])._charge

        def counting(attempts, subject):
            counts.append(subject)
            return charge(attempts, subject)

        with patch.object(type(self.env["secure.attempt"]), "_charge", counting):
            self.visitor.get(f"/sm/{self.token}")
            self.visitor.submit(pin=WRONG_PIN)
            with self.clash(), mute_logger("odoo.sql_db"):
                self.visitor.submit(pin=WRONG_PIN)
        self.assertEqual(len(counts), 2)
        self.assertEqual(self.counts(thread)["pin_refused"], 1)
        self.append_waiting()
        self.assertEqual(self.counts(thread)["pin_refused"], 2)

    def test_job_tries_again(self):
        tries = []

        def act():
            tries.append(1)
            if len(tries) < 3:
                raise psycopg2.errors.SerializationFailure
            return "done"

        with self.enter_registry_test_mode(), self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            self.assertEqual(clashes.again(env, act), "done")
            tries[:] = [-1] * -clashes.CLASHES_BORNE
            with (
                self.assertLogs(
                    "odoo.addons.secure_messaging.tools.clashes", "WARNING"
                ),
                patch.object(clashes, "CLASHES_BORNE", 2),
            ):
                self.assertIsNone(clashes.again(env, act))

    def test_a_key_that_goes_missing_writes_nothing_twice(self):
        """In the middle of a batch: what it had put into the log waits again."""
        append = type(self.log)._append
        with self.clash():
            self.log._log_surely("read", self.sent.link)
            self.log._log_surely("log_exported", self.company)

        def locking(log, model, rows):
            if model == "res.company":
                raise KeysUnavailable("the key is missing")
            return append(log, model, rows)

        with patch.object(type(self.log), "_append", locking):
            self.append_waiting()
        self.append_waiting()
        self.assertEqual(self.counts(self.thread)["read"], 2)
        self.assertEqual(self.log.search_count([("kind", "=", "log_exported")]), 1)
        self.assertEqual(self.found(), [])


class TwoAtOnceCase(TransactionCase):
    """Connections that really commit. The test's own transaction must not touch the
    company: it would hold a lock on it."""

    def setUp(self):
        super().setUp()
        self.connection = db_connect(self.env.cr.dbname)
        self.company_id = self.env.company.id
        self.addCleanup(self.restore, *self.state())

    def execute(self, query, *params):
        with self.connection.cursor() as cr:
            cr.execute(query, params)
            return cr.fetchall() if cr.description else []

    def state(self):
        query = "SELECT log_tip FROM res_company WHERE id = %s"
        [(tip,)] = self.execute(query, self.company_id)
        query = "SELECT COALESCE(MAX(id), 0) FROM secure_access_log"
        [(last,)] = self.execute(query)
        return tip, last

    def restore(self, tip, last):
        with self.connection.cursor() as cr:
            cr.execute("ALTER TABLE secure_access_log DISABLE TRIGGER USER")
            cr.execute("DELETE FROM secure_access_log WHERE id > %s", [last])
            cr.execute("ALTER TABLE secure_access_log ENABLE TRIGGER USER")
            cr.execute("DELETE FROM secure_access_log_waiting")
            cr.execute(
                "UPDATE res_company SET log_tip = %s WHERE id = %s",
                [tip, self.company_id],
            )

    def environment(self, cr):
        return api.Environment(cr, SUPERUSER_ID, {})


@tagged("post_install", "-at_install")
class TestTwoAtOnce(TwoAtOnceCase):
    def write_rows(self, start, count=15):
        with self.connection.cursor() as cr:
            env = self.environment(cr)

            def act():
                company = env["res.company"].browse(self.company_id)
                env["secure.access.log"]._log("log_exported", company, detail="two")
                # Commits, outside of a job
                return env["ir.cron"]._commit_progress()

            start.wait()
            done = 0
            # Where others got in between too often, a job begins once more
            for _try in range(10 * count):
                done += bool(clashes.again(env, act))
                if done == count:
                    break

    @mute_logger("odoo.sql_db")
    def test_unbroken(self):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self.write_rows, [Barrier(2, timeout=30)] * 2))
        written = self.execute(
            "SELECT COUNT(*) FROM secure_access_log WHERE detail = 'two'"
        )
        self.assertEqual(written, [(30,)])
        numbers = self.execute(
            """SELECT number FROM secure_access_log
                WHERE thread_id IS NULL AND company_id = %s ORDER BY number""",
            self.company_id,
        )
        last = len(numbers)
        self.assertEqual([number for (number,) in numbers], list(range(1, last + 1)))
        with self.connection.cursor() as cr:
            env = self.environment(cr)
            check = env["secure.log.check"]._start(
                env["res.company"].browse(self.company_id)
            )
            found = check._check_chains(
                check._judge(), "res.company", [self.company_id]
            )
            self.assertEqual(list(found), [])
            cr.rollback()

    @mute_logger("odoo.sql_db")
    def test_late_row_follows(self):
        """A snapshot that is too old: the row waits, what came with it is kept."""
        with self.connection.cursor() as late:
            env = self.environment(late)
            company = env["res.company"].browse(self.company_id)
            self.assertTrue(company.name)
            with self.connection.cursor() as cr:
                other = self.environment(cr)
                other["secure.access.log"]._log(
                    "log_exported", other["res.company"].browse(self.company_id)
                )
            with (
                self.assertRaises(psycopg2.errors.SerializationFailure),
                late.savepoint(),
            ):
                env["secure.access.log"]._log("log_exported", company)
            env["secure.access.log"]._log_surely("log_exported", company, detail="late")
        count = "SELECT count(*) FROM secure_access_log WHERE detail = 'late'"
        self.assertEqual(self.execute(count), [(0,)])
        with self.connection.cursor() as cr:
            self.environment(cr)["secure.access.log.waiting"]._cron_append()
        self.assertEqual(self.execute(count), [(1,)])
        self.assertEqual(
            self.execute("SELECT count(*) FROM secure_access_log_waiting"), [(0,)]
        )


@tagged("post_install", "-at_install")
class TestExport(ChainCase):
    def export(self, user=None, **values):
        log_export = self.env["secure.log.export"].with_user(user or self.manager)
        return log_export.create(values)

    def download(self, export, user=None):
        user = user or self.manager
        self.authenticate(user.login, user.login + "-" + user.login)
        with mute_logger("odoo.http"):
            return self.url_open(export.action_export()["url"])

    def lines_of(self, response):
        self.assertEqual(response.status_code, 200)
        return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))

    def mac(self, fingerprint, data):
        try:
            return (
                self.env["secure.keyring"]._ring().mac(Purpose.LOG, data, fingerprint)
            )
        except KeyMissing:
            return None

    def bad_lines(self, text):
        stream = io.StringIO(text.removeprefix("\ufeff"), newline="")
        return [
            (row["thread_name"], row["number"], kind)
            for row, kind in log_chain.check_csv(stream, self.mac)
        ]

    def test_all_of_it(self):
        self.send(channel="sms")
        expected = self.log.with_user(self.manager).search([], order="id")
        export = self.export()
        self.assertEqual(export.row_count, len(expected))
        response = self.download(export)
        rows = self.lines_of(response)
        self.assertEqual([row["kind"] for row in rows], expected.mapped("kind"))
        self.assertEqual([row["mac"] for row in rows], expected.mapped("mac"))
        self.assertEqual(
            rows[0]["date"], expected[0].date.strftime("%Y-%m-%dT%H:%M:%SZ")
        )
        self.assertEqual(rows[-1]["contact"], "Clara Client")
        self.assertEqual(rows[-1]["company"], self.company.name)
        self.assertEqual(response.headers["Cache-Control"], "no-store")
        self.assertEqual(self.bad_lines(response.content.decode()), [])

    def test_cells_are_no_formulas(self):
        sent = self.send(channel="sms")
        rows = self.lines_of(self.download(self.export()))
        [row] = [row for row in rows if row["link_id"] == str(sent.link.id)]
        self.assertEqual(row["address"], "'+32***56")
        for text in ("=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "'=1", "plain"):
            written = log_chain.csv_cell(text)
            self.assertNotIn(written[0], "=+-@\t\r\n")
            self.assertEqual(log_chain.from_csv_cell(written), text)

    def test_export_is_logged(self):
        response = self.download(self.export())
        count = len(self.lines_of(response))
        [row] = self.log.with_user(self.manager).search([("kind", "=", "log_exported")])
        self.assertEqual(row.detail, str(count))
        self.assertEqual((row.user_name, row.company_id), ("Manager", self.company))
        self.assertEqual(self.found(), [])

    def test_what_the_list_shows(self):
        domain = [["thread_id", "=", self.thread.id]]
        exports = self.env["secure.log.export"].with_user(self.manager)
        shown = exports.with_context(active_domain=domain, active_ids=[]).create({})
        self.assertEqual(shown.row_count, 4)
        ids = self.rows(self.thread).ids[:2]
        ticked = exports.with_context(active_domain=domain, active_ids=ids).create({})
        self.assertEqual(
            [int(row["number"]) for row in self.lines_of(self.download(ticked))], [1, 2]
        )

    def test_of_a_period(self):
        now = fields.Datetime.now()
        day = timedelta(days=1)
        everything = self.export(date_to=now - day).row_count
        self.assertTrue(everything)
        self.assertFalse(self.export(scope="period", date_to=now - day).row_count)
        self.assertFalse(self.export(scope="period", date_from=now + day).row_count)
        export = self.export(scope="period", date_from=now - day, date_to=now + day)
        count = export.row_count
        self.assertTrue(count)
        self.assertEqual(len(self.lines_of(self.download(export))), count)

    def test_by_pages(self):
        whole = self.lines_of(self.download(self.export()))
        with patch.object(secure_log_export, "PAGE", 2):
            rows = self.lines_of(self.download(self.export()))
        self.assertEqual(rows[: len(whole)], whole)

    def test_as_docs_describe_it(self):
        """docs/log.md followed step by step, without this module's own code."""
        sha256 = hashlib.sha256
        key = self.env["secure.keyring"]._ring()._keys
        before = {}
        for row in self.lines_of(self.download(self.export())):
            cells = [value.removeprefix("'") for value in list(row.values())[:15]]
            form = json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
            content = sha256(form.encode()).digest()
            chain = f"res.company:{row['company_id']}"
            if row["thread_id"]:
                chain = f"secure.thread:{row['thread_id']}"
            start = sha256(f"secure_messaging/log/1/{chain}".encode()).digest()
            digest = sha256(before.get(chain, start) + content).digest()
            self.assertEqual(row["digest"], digest.hex())
            before[chain] = digest
            secret = key[row["fingerprint"]]
            name = sha256(b"secure_messaging/fingerprint" + secret).digest()[:8]
            self.assertEqual(row["fingerprint"], name.hex())
            derived = HKDF(SHA256(), 32, salt=None, info=b"secure_messaging/log")
            mac = hmac.new(derived.derive(secret), digest + content, "sha256")
            self.assertEqual(row["mac"], mac.hexdigest())
        self.assertGreater(len(before), 2)

    def test_a_changed_file_is_found(self):
        text = self.download(self.export()).content.decode()
        changed = text.replace(",opened,", ",replied,")
        self.assertNotEqual(changed, text)
        self.assertEqual(self.bad_lines(changed), [(self.name, 3, "changed")])
        other = text.replace(f",{self.name},", f",{self.other.name},", 1)
        self.assertEqual(self.bad_lines(other), [(self.other.name, 1, "changed")])

    def test_lines_of_a_changed_file(self):
        """Repeated, put elsewhere, cut, or with a number that is none."""
        text = self.download(self.export()).content.decode()
        head, *lines = text.splitlines(keepends=True)
        one, two, three, four = (line for line in lines if self.name in line)

        def found(*rows):
            return [finding[1:] for finding in self.bad_lines(head + "".join(rows))]

        self.assertEqual(found(one, two, three, four), [])
        self.assertEqual(found(two, four), [])
        for number, again in enumerate((one, two, three), 1):
            repeated = found(one, two, three, again)
            self.assertEqual(repeated, [(number, "inserted")])
        self.assertEqual(found(two, one, three), [(1, "inserted")])
        for number in ("", "x", "-2", "1_0", " 2", "2.0", "٢", "9" * 5000):
            damaged = found(one, two.replace("2,", f"{number},", 1), three)
            self.assertEqual(damaged, [(number, "changed")], number)
        other = two.replace("2,", "9999,", 1)
        self.assertEqual(found(one, other, three), [(9999, "changed")])
        self.assertEqual(found(one, two[:30]), [(2, "changed")])
        self.assertEqual(found(one, two.strip() + ",more\n"), [])

    def test_only_managers_and_only_their_own(self):
        for user in (self.sender, self.clerk):
            with self.assertRaises(AccessError):
                self.export(user)
        export = self.export()
        for user, status in ((self.sender, 403), (self.portal, 403)):
            self.assertEqual(self.download(export, user).status_code, status)
        second = self._user("second", "base.group_user,secure_messaging.group_manager")
        self.assertEqual(self.download(export, second).status_code, 404)
        self.assertFalse(self.log.search([("kind", "=", "log_exported")]))

    def test_a_filter_shows_no_more_than_the_list(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.log._log("switched_on", other)
        export = self.export(domain=f'[["company_id", "=", {other.id}]]')
        self.assertEqual(export.row_count, 0)
        self.assertEqual(self.lines_of(self.download(export)), [])


@tagged("post_install", "-at_install")
class TestStatement55(ChainCase):
    def test_statement_55_success_failure_and_lock(self):
        """Said in the server's log, by the conversation's reference."""
        thread = self.send(pin=PIN).thread
        token = self.token
        with (
            self.leak_scan() as scan,
            self.assertLogs(PIN_LOG, logging.INFO) as pins,
        ):
            self.visitor.get(f"/sm/{token}")
            for _try in range(4):
                self.visitor.submit(pin=WRONG_PIN)
            self.visitor.submit(pin=PIN)
            self.visitor.post(f"/{self.visitor.path}", data={"body": CANARY_REPLY})
            for _try in range(5):
                self.visitor.get(f"/sm/{token}")
                self.visitor.submit(pin=WRONG_PIN)
        lines = [(record.levelname, record.getMessage()) for record in pins.records]
        self.assertEqual(
            lines[:5],
            [("INFO", f"PIN check: FAIL for {thread.name}")] * 4
            + [("INFO", f"PIN check: SUCCESS for {thread.name}")],
        )
        self.assertIn(("WARNING", f"PIN check: LOCKED for {thread.name}"), lines)
        for line in pins.output:
            scan.add_left("log of PINs", line)
        self.assertNoLeak(scan, PIN, WRONG_PIN, token)
