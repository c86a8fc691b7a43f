"""The log cannot be changed, and shows it if somebody did."""

from contextlib import contextmanager
from unittest.mock import patch

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..hooks import uninstall_hook
from ..models import secure_log_check_run
from ..models.secure_keyring import KeysUnavailable
from ..tools import keyring, log_chain
from .test_log import LogCase

CHECK_LOG = "odoo.addons.secure_messaging.models.secure_log_check"
CHECK_RUN_LOG = "odoo.addons.secure_messaging.models.secure_log_check_run"
CHAIN_LOG = "odoo.addons.secure_messaging.models.secure_access_log_chain"
OTHER_VALUES = {
    "number": 4711,
    "date": "2001-01-01 00:00:00",
    "kind": "read",
    "detail": "something else",
    "company_id": None,
    "thread_id": 987654321,
    "thread_name": "SM/1999/00001",
    "partner_id": 987654321,
    "message_id": 987654321,
    "link_id": 987654321,
    "user_id": 987654321,
    "channel": "sms",
    "address": "x***@elsewhere.example",
    "network": "10.9.8.0/24",
    "fingerprint": "0123456789abcdef",
    "digest": "00" * 32,
    "mac": "00" * 32,
}


class ChainCase(LogCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send()
        self.thread = self.sent.thread
        self.visitor.open_gate(self.token)
        self.other = self.send(partner=self.other_contact).thread
        self.log = self.env["secure.access.log"]
        self.name = self.thread.name

    @contextmanager
    def attack(self):
        """What somebody does who may do anything with the database. Undone
        afterwards."""
        self.env.flush_all()
        self.env.cr.execute("SAVEPOINT attack")
        try:
            self.sql("ALTER TABLE secure_access_log DISABLE TRIGGER USER")
            self.sql("DROP INDEX secure_access_log_thread_number")
            yield
        finally:
            self.env.cr.execute("ROLLBACK TO SAVEPOINT attack")
            self.env.invalidate_all()

    def sql(self, query, *params):
        self.env.flush_all()
        self.env.cr.execute(query, params)
        self.env.invalidate_all(flush=False)

    def append_waiting(self):
        """In transactions of its own, as the job does."""
        self.env.flush_all()
        with self.enter_registry_test_mode(), self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["secure.access.log.waiting"]._cron_append()
        self.env.invalidate_all()

    def numbers(self, thread):
        self.sql(
            "SELECT number FROM secure_access_log WHERE thread_id = %s ORDER BY id",
            thread.id,
        )
        return [number for (number,) in self.env.cr.fetchall()]

    def check(self, company=None):
        """A whole check of a company's log."""
        check = self.env["secure.log.check"]._start(company or self.company)
        with mute_logger(CHECK_LOG):
            while check.state == "running":
                self.assertTrue(check._step())
        return check

    def found(self):
        """(conversation, what, first number, last number) of all that is found."""
        return [
            (finding.thread_name, finding.kind, finding.number, finding.last_number)
            for finding in self.check().finding_ids
        ]


@tagged("post_install", "-at_install")
class TestStatement42(ChainCase):
    def test_statement_42_postgresql_refuses(self):
        for statement in (
            "UPDATE secure_access_log SET detail = 'x' WHERE thread_id = %s",
            "DELETE FROM secure_access_log WHERE thread_id = %s",
            "TRUNCATE secure_access_log",
        ):
            with (
                self.subTest(statement),
                mute_logger("odoo.sql_db"),
                self.assertRaises(psycopg2.errors.InsufficientPrivilege),
                self.env.cr.savepoint(),
            ):
                params = [self.thread.id] if "%s" in statement else None
                self.env.cr.execute(statement, params)

    def test_statement_42_refused_again_after_an_upgrade(self):
        self.sql("ALTER TABLE secure_access_log DISABLE TRIGGER USER")
        self.log.init()
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.InsufficientPrivilege),
            self.env.cr.savepoint(),
        ):
            self.sql("DELETE FROM secure_access_log")

    def test_nothing_stays_in_postgresql(self):
        """After uninstalling, which drops the table but not its function."""
        query = "SELECT FROM pg_proc WHERE proname = 'secure_access_log_refuse'"
        self.sql(query)
        self.assertEqual(self.env.cr.rowcount, 1)
        uninstall_hook(self.env)
        self.sql(query)
        self.assertFalse(self.env.cr.rowcount)

    def test_statement_42_each_row_says_what_happened(self):
        [row] = self.rows(self.thread, "read")
        self.assertTrue(row.date)
        self.assertEqual(row.channel, "email")
        self.assertEqual(row.message_id, self.sent.message.id)
        self.assertEqual(row.network, "127.0.0.0/24")

    def test_statement_42_only_who_may_read_the_conversation(self):
        for user, count in (
            (self.sender, 4),
            (self.manager, 4),
            (self.colleague, 0),
        ):
            own = self.log.with_user(user)
            domain = [("thread_id", "=", self.thread.id)]
            self.assertEqual(own.search_count(domain), count, user.login)
        own = self.log.with_user(self.sender)
        self.assertFalse(own.search([("thread_id", "=", False)]))
        self.assertTrue(
            self.log.with_user(self.manager).search([("thread_id", "=", False)])
        )
        with self.assertRaises(AccessError):
            self.log.with_user(self.clerk).search([])
        for nobody in ("secure.access.log.waiting",):
            with self.assertRaises(AccessError):
                self.env[nobody].with_user(self.manager).search([])


@tagged("post_install", "-at_install")
class TestFound(ChainCase):
    def test_untouched(self):
        self.assertEqual(self.numbers(self.thread), [1, 2, 3, 4])
        check = self.check()
        self.assertEqual((check.state, check.finding_count), ("good", 0))
        self.assertEqual(
            check.row_count,
            self.log.search_count([("company_id", "=", self.company.id)]),
        )
        threads = self.env["secure.thread"].with_context(active_test=False)
        self.assertEqual(
            check.thread_count,
            threads.search_count([("company_id", "=", self.company.id)]),
        )

    def test_each_column(self):
        stored = {
            name
            for name, field in self.log._fields.items()
            if field.store and name != "id"
        }
        self.assertEqual(stored, OTHER_VALUES.keys(), "a column is not looked at")
        for column, value in OTHER_VALUES.items():
            with self.subTest(column), self.attack():
                self.sql(
                    f"""UPDATE secure_access_log SET {column} = %s
                         WHERE thread_id = %s AND number = 2""",
                    value,
                    self.thread.id,
                )
                gone = column in ("number", "thread_id")
                kind = "missing" if gone else "changed"
                self.assertIn((self.name, kind, 2, 2), self.found())

    def test_a_changed_row_alone_is_named(self):
        with self.attack():
            self.sql(
                """UPDATE secure_access_log SET kind = 'read'
                    WHERE thread_id = %s AND number = 2""",
                self.thread.id,
            )
            self.assertEqual(self.found(), [(self.name, "changed", 2, 2)])
            check = self.check()
            self.assertEqual(check.state, "bad")
            self.assertEqual(check.finding_ids.place, self.name)
            self.assertEqual(check.finding_ids.numbers, "2")

    def test_deleted_in_the_middle(self):
        with self.attack():
            self.sql(
                """DELETE FROM secure_access_log
                    WHERE thread_id = %s AND number IN (2, 3)""",
                self.thread.id,
            )
            self.assertEqual(self.found(), [(self.name, "missing", 2, 3)])

    def test_cut_off_at_the_end(self):
        with self.attack():
            self.sql(
                "DELETE FROM secure_access_log WHERE thread_id = %s AND number > 2",
                self.thread.id,
            )
            self.assertEqual(self.found(), [(self.name, "cut", 3, 4)])
            self.log._log("left", self.sent.link)
            self.assertEqual(self.found(), [(self.name, "missing", 3, 4)])

    def test_all_of_a_conversation_deleted(self):
        with self.attack():
            self.sql(
                "DELETE FROM secure_access_log WHERE thread_id = %s", self.thread.id
            )
            self.assertEqual(self.found(), [(self.name, "cut", 1, 4)])
            self.sql(
                "UPDATE secure_thread SET log_tip = NULL WHERE id = %s", self.thread.id
            )
            self.assertEqual(self.found(), [(self.name, "tip_missing", 0, 0)])

    def copy_row(self, number, thread=None):
        """A row once more, in the same conversation or in another."""
        names = [name for name in OTHER_VALUES if name not in ("number", "thread_id")]
        columns = ", ".join(names)
        self.sql(
            f"""INSERT INTO secure_access_log (number, thread_id, {columns})
                SELECT %s, %s, {columns} FROM secure_access_log
                 WHERE thread_id = %s AND number = 2""",
            number,
            (thread or self.thread).id,
            self.thread.id,
        )

    def test_inserted(self):
        with self.attack():
            self.copy_row(5)
            self.assertEqual(self.found(), [(self.name, "inserted", 5, 5)])
        with self.attack():
            self.copy_row(3)
            self.assertEqual(self.found(), [(self.name, "inserted", 3, 3)])
        with self.attack():
            self.sql(
                """UPDATE secure_access_log SET number = number + 1
                    WHERE thread_id = %s AND number > 2""",
                self.thread.id,
            )
            self.copy_row(3)
            self.assertEqual(
                self.found(),
                [
                    (self.name, "changed", 3, 3),
                    (self.name, "changed", 4, 4),
                    (self.name, "inserted", 5, 5),
                ],
            )

    def test_swapped(self):
        with self.attack():
            self.sql(
                """UPDATE secure_access_log SET number = 5 - number
                    WHERE thread_id = %s AND number IN (2, 3)""",
                self.thread.id,
            )
            self.assertEqual(
                self.found(),
                [(self.name, "changed", 2, 2), (self.name, "changed", 3, 3)],
            )

    def test_moved_to_another_conversation(self):
        with self.attack():
            self.sql(
                """UPDATE secure_access_log SET thread_id = %s, number = 3
                    WHERE thread_id = %s AND number = 2""",
                *(self.other.id, self.thread.id),
            )
            self.assertEqual(
                self.found(),
                [
                    (self.name, "missing", 2, 2),
                    (self.other.name, "inserted", 3, 3),
                ],
            )

    def test_belongs_to_none(self):
        with self.attack():
            self.copy_row(1, self.thread.browse(987654321))
            self.assertEqual(self.found(), [(False, "astray", 1, 1)])
            [finding] = self.check().finding_ids
            self.assertIn("987654321", finding.place)

    def test_rows_that_nothing_can_read(self):
        """A row without a number, or with a time Python has no word for, stops no
        check: it is named, and so is what is wrong elsewhere."""
        astray = (self.name, "astray", 0, 0), (self.name, "missing", 2, 2)
        for column, value, found in (
            ("number", None, astray),
            ("date", "0044-01-01 BC", [(self.name, "unreadable", 0, 0)]),
            ("date", "infinity", [(self.name, "changed", 2, 2)]),
            ("date", None, [(self.name, "changed", 2, 2)]),
        ):
            with self.subTest(column=column, value=value), self.attack():
                self.sql(f"ALTER TABLE secure_access_log ALTER {column} DROP NOT NULL")
                self.sql(
                    f"""UPDATE secure_access_log SET {column} = %s
                         WHERE thread_id = %s AND number = 2""",
                    *(value, self.thread.id),
                )
                self.sql(
                    "DELETE FROM secure_access_log WHERE thread_id = %s AND number = 2",
                    self.other.id,
                )
                with mute_logger(CHECK_RUN_LOG):
                    others = [(self.other.name, "cut", 2, 2)]
                    self.assertCountEqual(self.found(), [*found, *others])
                    self.assertEqual(self.check().state, "bad")

    def test_a_table_that_is_another_one(self):
        """The check ends, and somebody is told; it does not fail day by day."""
        with self.attack():
            self.sql("ALTER TABLE secure_access_log RENAME number TO other")
            with mute_logger(CHECK_RUN_LOG, "odoo.sql_db"):
                check = self.check()
            self.assertEqual(check.state, "stopped")
            self.assertIn("number", check.problem)
            self.assertTrue(check.activity_ids)

    def tip(self, thread):
        self.env.cr.execute(
            "SELECT log_tip FROM secure_thread WHERE id = %s", [thread.id]
        )
        return self.env.cr.fetchone()[0]

    def test_old_tip_restored(self):
        """However many rows stand behind it: one finding."""
        old = self.tip(self.thread)
        self.log._log("left", self.sent.link)
        self.log._log("left", self.sent.link)
        with self.attack():
            self.sql(
                "UPDATE secure_thread SET log_tip = %s WHERE id = %s",
                *(old, self.thread.id),
            )
            self.assertEqual(self.found(), [(self.name, "tip_behind", 5, 5)])

    def test_tip_of_another_conversation(self):
        with self.attack():
            self.sql(
                "UPDATE secure_thread SET log_tip = %s WHERE id = %s",
                *(self.tip(self.other), self.thread.id),
            )
            self.assertEqual(self.found(), [(self.name, "tip_damaged", 0, 0)])

    def test_lost_tip_stops_nothing_and_is_not_forgotten(self):
        for value in (None, "bm9uc2Vuc2U="):
            with self.subTest(value), self.attack():
                self.sql(
                    "UPDATE secure_thread SET log_tip = %s WHERE id = %s",
                    *(value, self.thread.id),
                )
                with self.assertLogs(CHAIN_LOG, "ERROR"):
                    self.log._log("left", self.sent.link)
                self.assertEqual(self.numbers(self.thread), [1, 2, 3, 4, 5, 6])
                self.assertEqual(self.found(), [(self.name, "damaged", 5, 5)])
                self.log._log("left", self.sent.link)
                self.assertEqual(self.found(), [(self.name, "damaged", 5, 5)])

    def test_digests_made_anew_without_the_key(self):
        """Digests need no key; whoever makes them anew is found by the MACs."""
        with self.attack():
            self.forge(3)
            self.assertEqual(
                self.found(),
                [(self.name, "changed", 3, 3), (self.name, "changed", 4, 4)],
            )

    def forge(self, number):
        """Change a row, and all digests from there on."""
        self.sql(
            """SELECT * FROM secure_access_log
                WHERE thread_id = %s ORDER BY number""",
            self.thread.id,
        )
        rows = self.env.cr.dictfetchall()
        before = rows[number - 2]
        tip = log_chain.Tip(before["number"], bytes.fromhex(before["digest"]))
        forged = [dict(row) for row in rows[number - 1 :]]
        forged[0]["detail"] = "forged"
        log_chain.extend(tip, forged, forged[0]["fingerprint"], lambda *_key: b"")
        for row in forged:
            self.sql(
                "UPDATE secure_access_log SET detail = %s, digest = %s WHERE id = %s",
                *(row["detail"], row["digest"], row["id"]),
            )

    def test_company_rows(self):
        self.set_pin(self.company)
        self.env["secure.pin"]._clear(self.company)
        log = self.log.with_user(self.manager)
        rows = log.search([("thread_id", "=", False)], order="number")
        self.assertEqual(
            rows.mapped("kind"),
            ["switched_on", "default_pin_set", "default_pin_removed"],
        )
        self.assertEqual(rows.mapped("number"), [1, 2, 3])
        self.assertEqual(self.found(), [])
        with self.attack():
            self.sql("DELETE FROM secure_access_log WHERE kind = 'default_pin_set'")
            self.assertEqual(self.found(), [(False, "missing", 2, 2)])
            self.assertIn("own log", self.check().finding_ids.place)
        with self.attack():
            self.sql("DELETE FROM secure_access_log WHERE thread_id IS NULL")
            self.sql("UPDATE res_company SET log_tip = NULL")
            self.assertEqual(self.found(), [(False, "tip_missing", 0, 0)])

    def test_statement_42_a_companys_wiped_log_does_not_begin_anew(self):
        """Found before the next event, and for good after it."""
        self.company.secure_pin_required = False
        events = {
            "a PIN": lambda: self.set_pin(self.company),
            "switched off": lambda: self.company.write(
                {"secure_messaging_enabled": False}
            ),
            "off and on": lambda: (
                self.sql(
                    "UPDATE res_company SET secure_messaging_enabled = FALSE "
                    "WHERE id = %s",
                    self.company.id,
                ),
                self.company.write({"secure_messaging_enabled": True}),
            ),
        }
        for name, act in events.items():
            with self.subTest(event=name), self.attack():
                self.sql("DELETE FROM secure_access_log WHERE thread_id IS NULL")
                self.sql("UPDATE res_company SET log_tip = NULL")
                self.assertEqual(self.found(), [(False, "tip_missing", 0, 0)])
                with mute_logger(CHAIN_LOG):
                    act()
                self.assertEqual(self.found(), [(False, "damaged", 1, 1)])

    def test_a_companys_log_begins(self):
        """With its PIN, or as it is switched on: nothing was lost."""
        company = self.env["res.company"].create(
            {"name": "Second", "secure_responsible_id": self.manager.id}
        )
        self.set_pin(company)
        company.secure_messaging_enabled = True
        rows = self.log.sudo().search([("company_id", "=", company.id)], order="number")
        self.assertEqual(rows.mapped("kind"), ["default_pin_set", "switched_on"])

    def test_switching(self):
        self.company.secure_messaging_enabled = True
        self.company.secure_messaging_enabled = False
        log = self.log.with_user(self.manager)
        rows = log.search([("thread_id", "=", False)], order="number")
        self.assertEqual(rows.mapped("kind"), ["switched_on", "switched_off"])

    def test_by_pages_and_batches(self):
        with self.attack():
            self.sql(
                """DELETE FROM secure_access_log
                    WHERE (thread_id, number) IN ((%s, 2), (%s, 2))""",
                *(self.thread.id, self.other.id),
            )
            whole = self.found()
            self.assertEqual(
                whole,
                [(self.name, "missing", 2, 2), (self.other.name, "cut", 2, 2)],
            )
            with (
                patch.object(secure_log_check_run, "PAGE", 1),
                patch.object(secure_log_check_run, "CHECK_BATCH", 1),
            ):
                self.assertEqual(self.found(), whole)

    def test_other_companies_are_not_looked_at(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        with self.attack():
            self.sql("DELETE FROM secure_access_log WHERE number = 2")
            check = self.check(other)
            self.assertEqual((check.state, check.row_count), ("good", 0))


@tagged("post_install", "-at_install")
class TestKeysOfTheLog(ChainCase):
    """After a rotation: the tip is sealed anew, old rows keep the MAC they have."""

    @contextmanager
    def rotated(self, keep_old):
        old = self.env["secure.keyring"]._ring()
        fresh = b"n" * keyring.KEY_BYTES
        both = keyring.Keyring([fresh, *old._keys.values()])
        tips = self.thread._log_tips()
        model = type(self.env["secure.keyring"])
        for ring in (both, both if keep_old else keyring.Keyring([fresh])):
            with (
                patch.object(model, "_ring", lambda _self, ring=ring: ring),
                patch.object(model, "_sealing_ring", lambda _self, ring=ring: ring),
            ):
                if ring is both:
                    self.env["secure.thread"]._put_log_tips(tips)
                if ring is not both or keep_old:
                    yield
                    return

    def findings(self, judge=None):
        check = self.env["secure.log.check"]._start(self.company)
        judge = judge or check._judge()
        found = check._check_chains(judge, "secure.thread", self.thread.ids)
        return [finding[:3] for _thread, finding in found], judge

    def test_old_key_kept(self):
        with self.rotated(keep_old=True):
            self.log._log("left", self.sent.link)
            found, judge = self.findings()
            self.assertEqual((found, judge.rows, judge.by_digest), ([], 5, 0))

    def test_old_key_removed(self):
        """The digests and the tip speak for the rows; the result says so."""
        with self.rotated(keep_old=False):
            self.log._log("left", self.sent.link)
            found, judge = self.findings()
            self.assertEqual((found, judge.rows, judge.by_digest), ([], 5, 4))
            with self.attack():
                self.sql(
                    """UPDATE secure_access_log SET detail = 'x'
                        WHERE thread_id = %s AND number = 3""",
                    self.thread.id,
                )
                self.assertEqual(self.findings()[0], [("changed", 3, 3)])

    def test_old_key_removed_and_digests_made_anew(self):
        with self.rotated(keep_old=False):
            with self.attack():
                TestFound.forge(self, 3)
                self.assertEqual(self.findings()[0], [("tip_differs", 4, 4)])
            self.log._log("left", self.sent.link)
            with self.attack():
                TestFound.forge(self, 3)
                kinds = [kind for kind, _first, _last in self.findings()[0]]
                self.assertTrue(kinds)

    def test_tip_of_a_removed_key(self):
        old = self.tip_text()
        with self.rotated(keep_old=False), self.attack():
            self.sql(
                "UPDATE secure_thread SET log_tip = %s WHERE id = %s",
                *(old, self.thread.id),
            )
            self.assertEqual(self.findings()[0], [("tip_key_missing", 0, 0)])

    def tip_text(self):
        self.env.flush_all()
        self.sql("SELECT log_tip FROM secure_thread WHERE id = %s", self.thread.id)
        return self.env.cr.fetchone()[0]

    def locked(self):
        error = KeysUnavailable("the key is missing")
        model = type(self.env["secure.keyring"])
        return patch.multiple(
            model,
            _ring=lambda _self: (_ for _ in ()).throw(error),
            _sealing_ring=lambda _self: (_ for _ in ()).throw(error),
        )

    def test_check_without_the_key(self):
        """Not possible is not changed: neither log nor to-do says that it was."""
        check = self.env["secure.log.check"]._start(self.company)
        with self.locked(), self.assertLogs(CHECK_LOG, "ERROR"):
            check._step()
        self.assertEqual(check.state, "stopped")
        self.assertIn("missing", check.problem)
        [todo] = check.activity_ids
        self.assertIn("could not be checked", todo.summary)
        self.assertFalse(self.log.search([("kind", "=", "log_changed")]))
        self.assertFalse(self.env["secure.access.log.waiting"].sudo().search([]))
        with self.attack():
            self.sql(
                "DELETE FROM secure_access_log WHERE thread_id = %s", self.thread.id
            )
            todo = self.check().activity_ids
            self.assertIn("not as it was written", todo.summary, "told all the same")

    def test_withdrawing_without_the_key(self):
        """Goes, and is logged when the key is back; that it had no proof stays."""
        with self.locked():
            self.thread.with_user(self.sender).action_revoke()
        self.assertNotIn("revoked", self.counts(self.thread))
        waiting = self.env["secure.access.log.waiting"].sudo()
        self.assertEqual(waiting.search_count([]), 1)
        moment = self.sent.link.sudo().revoked_at
        self.append_waiting()
        [row] = self.rows(self.thread, "revoked")
        self.assertEqual(row.date, moment)
        self.assertEqual(row.detail, "waited without a key")
        self.assertEqual(waiting.search_count([]), 0)
        self.assertEqual(self.found(), [])
