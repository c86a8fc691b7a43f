"""A key in wrong hands: what is closed, and the command that does it."""

from argparse import Namespace
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from io import StringIO
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..cli.secure_messaging_rotate import DONE, UNFINISHED, SecureMessagingRotate
from ..models import secure_keyring_compromise as compromise
from ..models.secure_pin_void import VOID_HASH
from ..tools import clashes, pin_policy
from ..tools.keyring import Purpose
from .common import CANARY, PIN
from .test_log_checks import TwoAtOnceCase
from .test_rotation import NEW_KEY, THIRD_KEY, Killed, RotationCase

NEW_PIN = "604815"
CLASHES_LOG = "odoo.addons.secure_messaging.tools.clashes"


@tagged("post_install", "-at_install")
class TestCompromisedKey(RotationCase):
    def close(self):
        def act(ring):
            self.assertTrue(ring._close_all())
            self.assertTrue(ring._rotate())
            self.assertTrue(ring._end_closing())

        with self.keys(NEW_KEY, self.key):
            self.run_apart(act)

    def test_nothing_opens_any_more(self):
        self.set_pin(self.company)
        by_default, default_token = self.send(), self.token
        self.set_pin(self.other_contact)
        _by_contact, contact_token = self.send(partner=self.other_contact), self.token
        _by_message, message_token = self.send(pin=PIN), self.token
        self.visitor.open_gate(default_token, pin=PIN)
        page = f"/{self.visitor.path}"
        self.close()
        with self.keys(NEW_KEY, self.key):
            links = self.env["secure.link"].search([])
            self.assertEqual(set(links.mapped("state")), {"revoked"})
            self.visitor.get(page)
            self.assertNotIn(CANARY, self.visitor.text)
            for token in (default_token, contact_token, message_token):
                self.visitor.get(f"/sm/{token}")
                self.assertEqual(self.visitor.status, 410)
            for pin in self.env["secure.pin"].search([]):
                self.assertTrue(pin.is_void)
                self.assertEqual(pin.generation, 2, "doors it opened are closed")
                place = ("secure.pin", pin.secure_uid, "hash_sealed")
                kept = self.ring._open(Purpose.PINS, place, pin.hash_sealed)
                self.assertEqual(kept, VOID_HASH, "what it was is not kept")
            grants = self.env["secure.grant"].search([])
            self.assertFalse(grants.filtered(lambda grant: grant._holds()))
            # Even with a link: the PIN itself is void
            pins = self.env["secure.pin"]
            self.assertFalse(pins._matches(pins._for(by_default.thread)[1], PIN))
            rows = self.env["secure.access.log"].search(
                [("kind", "=", "key_compromised")]
            )
            threads = self.env["secure.thread"].search([])
            self.assertEqual(sorted(rows.mapped("thread_id")), sorted(threads.ids))

    def test_sends_name_the_pin_that_has_to_be_set_anew(self):
        self.set_pin(self.company)
        self.set_pin(self.other_contact)
        own = self.send(pin=PIN)
        self.close()
        with self.keys(NEW_KEY, self.key):
            with self.assertRaisesRegex(UserError, "default PIN of .* set anew"):
                self.send()
            with self.assertRaisesRegex(UserError, "PIN of Otto Other has to be set"):
                self.send(partner=self.other_contact)
            with self.assertRaisesRegex(UserError, own.thread.name):
                self.send(thread=own.thread, partner=None)
            self.assertFalse(self.other_contact.secure_pin_is_set)
            # One of its own is a new one
            self.assertTrue(self.send(pin=NEW_PIN).link)

    def test_texts_with_numbers_can_be_saved_meanwhile(self):
        """They are compared with the default PIN, which is none any more."""
        self.set_pin(self.company)
        self.close()
        with self.keys(NEW_KEY, self.key):
            self.company.secure_sms_body = f"Call {PIN}: {{{{ secure_link }}}}"

    def test_what_to_do_next_works(self):
        self.set_pin(self.contact)
        sent = self.send()
        self.close()
        with self.keys(NEW_KEY, self.key):
            thread = sent.thread.with_user(self.sender)
            with self.gateways(), self.assertRaisesRegex(UserError, "set anew"):
                thread.action_resend()
            wizard = self.env["secure.pin.wizard"].with_user(self.sender)
            wizard.create({"partner_id": self.contact.id}).pin = NEW_PIN
            self.env.flush_all()
            with self.gateways():
                thread.action_resend()
                self.leave()
                token = self.left_token()
            self.visitor.open_gate(token, pin=PIN)
            self.assertNotIn(CANARY, self.visitor.text)
            self.visitor.open_gate(token, pin=NEW_PIN)
            self.assertIn(CANARY, self.visitor.text)

    def test_planned_sends_do_not_use_their_pins(self):
        dispatch = self.planned(pin=PIN)
        self.close()
        with self.keys(NEW_KEY, self.key), self.gateways():
            self.assertFalse(dispatch.sudo().sealed_pin)
            dispatch.sudo().action_send_now()
            self.assertEqual(dispatch.line_ids.state, "failed")
            self.assertIn("PIN", dispatch.line_ids.reason)
            self.assertFalse(self._mails)

    def test_what_changes_meanwhile_does_not_keep_its_pin(self):
        """A planned send that is put off, a form that is saved, a PIN whose hash is
        made dearer: none was set anew."""
        pin = self.set_pin(self.contact)
        dispatch = self.planned(pin=PIN).sudo()
        compose = self.env["secure.compose"].with_user(self.sender).create({})
        compose.pin = PIN
        with self.keys(NEW_KEY, self.key):
            self.run_apart(lambda ring: ring._begin_closing())
            dearer = 2 * pin_policy._hasher.default_rounds
            hasher = pin_policy._hasher.using(rounds=dearer)
            # Not the transaction's own clock
            later = fields.Datetime.now() + timedelta(hours=1)
            with (
                patch.object(pin_policy, "_hasher", hasher),
                patch.object(type(self.env.cr), "now", lambda cr: later),
            ):
                self.assertTrue(self.env["secure.pin"]._matches(pin, PIN))
                dispatch.scheduled_at = later
                compose.subject = CANARY
                self.env.flush_all()
            self.assertGreater(dispatch.write_date, dispatch.create_date)
            self.run_apart(lambda ring: ring._close_all())
            self.assertTrue(pin.is_void)
            self.assertFalse(dispatch.sealed_pin)
            with self.assertRaisesRegex(UserError, "PIN of this message is gone"):
                compose._dispatch_values(self.env["res.users"])

    def test_notifications_that_wait_do_not_leave(self):
        mails = type(self.env["mail.mail"])
        with patch.object(mails, "send_after_commit", lambda mails: None):
            sent = (
                self.env["secure.thread"]
                .with_user(self.sender)
                ._send(
                    [{"partner": self.contact, "company": self.company, "body": CANARY}]
                )
            )
        self.close()
        self.assertEqual(sent[0].message.sudo().mail_ids.state, "cancel")

    def test_what_is_made_meanwhile_stays(self):
        """Started again after it was killed, it goes on; it does not begin anew."""
        self.set_pin(self.contact)
        self.send()
        with self.keys(NEW_KEY, self.key):
            self.run_apart(lambda ring: ring._close_all())
            count = self.env["secure.access.log"].search_count([])
            self.run_apart(lambda ring: ring._close_all())
            self.assertEqual(self.env["secure.access.log"].search_count([]), count)
            closing = {**self.ring._closing(), "since": "2000-01-01 00:00:00"}
            self.run_apart(lambda ring: ring._note_closing(closing))
            pin = self.set_pin(self.contact, NEW_PIN)
            later = self.send()
            count = self.env["secure.access.log"].search_count([])
            self.run_apart(lambda ring: ring._close_all())
            self.assertFalse(pin.is_void)
            self.assertEqual(later.link.state, "live")
            self.assertEqual(self.env["secure.access.log"].search_count([]), count)
            self.assertTrue(self.run_apart(lambda ring: ring._end_closing()))
            self.assertFalse(self.ring._closing())
            self.assertTrue(self.run_apart(lambda ring: ring._end_closing()))
            self.assertFalse(self.ring._closing())

    def test_with_another_key_it_begins_anew(self):
        self.send()
        with self.keys(NEW_KEY, self.key):
            self.run_apart(lambda ring: ring._close_all())
            before = self.ring._closing()
        with self.keys(THIRD_KEY, NEW_KEY, self.key):
            self.run_apart(lambda ring: ring._close_all())
            closing = self.ring._closing()
        self.assertGreater(closing["since"], before["since"])
        self.assertGreater(closing["log_id"], before["log_id"])

    def test_clocks_that_differ(self):
        """Odoo's host an hour behind PostgreSQL's: each conversation has one row."""
        threads = [self.send().thread.id for _number in range(3)]
        keyrings, calls = self.registry["secure.keyring"], []
        real, now = keyrings._close_threads, fields.Datetime.now

        def counted(ring, closing):
            calls.append(closing)
            self.assertLess(len(calls), 5, "the same ones again and again")
            return real(ring, closing)

        with (
            patch.object(fields.Datetime, "now", lambda: now() - timedelta(hours=1)),
            patch.object(keyrings, "_close_threads", counted),
        ):
            self.close()
        rows = self.env["secure.access.log"].search([("kind", "=", "key_compromised")])
        self.assertEqual(sorted(rows.mapped("thread_id")), sorted(threads))

    def test_the_job_ends_what_the_command_began(self):
        """Nobody has to start the command again."""
        sent = self.send(pin=PIN)
        job = self.env.ref("secure_messaging.ir_cron_rotate")
        with self.keys(NEW_KEY, self.key):
            self.run_apart(lambda ring: ring._begin_closing())
            job.method_direct_trigger()
            self.env.invalidate_all()
            self.assertFalse(self.sealed_cells(self.old))
            self.assertEqual(sent.link.state, "revoked")
            self.assertFalse(self.ring._closing())

    def test_the_job_closes_where_a_value_cannot_be_sealed_anew(self):
        sent = self.send(pin=PIN)
        job = self.env.ref("secure_messaging.ir_cron_rotate")
        rotating = patch.object(
            self.registry["secure.keyring"], "_rotate", lambda *_args: False
        )
        with self.keys(NEW_KEY, self.key), rotating:
            self.run_apart(lambda ring: ring._begin_closing())
            job.method_direct_trigger()
            self.env.invalidate_all()
            self.assertEqual(sent.link.state, "revoked")
            pins = self.env["secure.pin"].search([])
            self.assertEqual(set(pins.mapped("is_void")), {True})
            self.assertTrue(self.ring._closing(), "goes on until all is sealed anew")

    def test_a_job_whose_time_is_over_goes_on_later(self):
        for _number in range(3):
            self.send()
        self.startPatcher(patch.object(compromise, "CLOSE_BATCH", 1))
        jobs = self.registry["ir.cron"]
        with self.keys(NEW_KEY, self.key):
            self.run_apart(lambda ring: ring._begin_closing())
            with patch.object(jobs, "_commit_progress", lambda *_args, **_values: 0):
                self.assertFalse(self.run_apart(lambda ring: ring._end_closing()))
            self.assertTrue(self.ring._closing())
            self.assertTrue(self.run_apart(lambda ring: ring._end_closing()))
        states = self.env["secure.link"].search([]).mapped("state")
        self.assertEqual(set(states), {"revoked"})

    def test_statement_47_killed_in_the_middle(self):
        threads = [self.send().thread.id for _number in range(3)]
        self.startPatcher(patch.object(compromise, "CLOSE_BATCH", 1))
        keyrings, calls = self.registry["secure.keyring"], []
        real = keyrings._close_threads

        def dying(ring, closing):
            calls.append(closing)
            if len(calls) > 1:
                raise Killed
            return real(ring, closing)

        links = self.env["secure.link"].search([])
        with self.keys(NEW_KEY, self.key):
            # Not assertRaises: Odoo's would roll back what was committed
            with patch.object(keyrings, "_close_threads", dying), suppress(Killed):
                self.run_apart(lambda ring: ring._close_all())
            self.assertEqual(len(calls), 2)
            self.assertEqual(links.mapped("state").count("revoked"), 1)
            self.assertTrue(self.ring._closing())
            self.assertTrue(self.run_apart(lambda ring: ring._close_all()))
            self.assertEqual(set(links.mapped("state")), {"revoked"})
        rows = self.env["secure.access.log"].search([("kind", "=", "key_compromised")])
        self.assertEqual(sorted(rows.mapped("thread_id")), sorted(threads))

    def test_one_to_do_for_each_manager_and_company(self):
        for number in range(3):
            self.send(body=f"<p>{number}</p>")
        self.close()
        domain = [("summary", "like", "A key was compromised")]
        found = self.env["mail.activity"].search(domain)
        self.assertIn(self.manager, found.user_id)
        self.assertEqual(len(found), len(found.user_id))
        self.assertFalse(found.user_id & (self.sender | self.colleague | self.clerk))
        # As who has it sees it
        self.assertTrue(found.with_user(self.manager)[:1].res_name)
        self.assertFalse(self.env["secure.thread"].search([]).activity_ids)

    def test_queries_do_not_grow(self):
        def queries(count):
            people = self.env["res.partner"].create(
                [
                    {"name": f"P{number}", "email": f"p{number}@client.example"}
                    for number in range(count)
                ]
            )
            with self.gateways():
                self.env["secure.thread"].with_user(self.sender)._send(
                    [
                        {"partner": person, "company": self.company, "body": CANARY}
                        for person in people
                    ]
                )
                self.leave()
            self.env.invalidate_all()
            since = fields.Datetime.now() + timedelta(days=1)
            closing = {"since": str(since), "log_id": 0}
            before = self.env.cr.sql_log_count
            self.assertEqual(self.ring._close_threads(closing), count)
            self.env.flush_all()
            taken = self.env.cr.sql_log_count - before
            for table in ("secure_thread", "secure_link"):
                self.env.cr.execute(  # pylint: disable=sql-injection
                    f"UPDATE {table} SET create_date = '2999-01-01'"
                )
            return taken

        # The first also reads what is read once
        queries(1)
        self.assertEqual(queries(2), queries(9))


@tagged("post_install", "-at_install")
class TestCommand(RotationCase):
    """``odoo secure_messaging_rotate``, from where it has its database."""

    def command(self, *options):
        """:return: (exit code, what it said)"""
        names = ("new_key", "compromised", "key_is_new")
        chosen = Namespace(**{name: name in options for name in names})
        command = SecureMessagingRotate()
        said = StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            try:
                code = self.run_apart(lambda ring: command._rotate(ring, chosen))
            except SystemExit as ended:
                code = ended.code
        return code, said.getvalue()

    def record(self, *names):
        """Which of these methods of the keyring are called, in their order."""
        called = []
        keyrings = self.registry["secure.keyring"]
        for name in names:
            real = getattr(keyrings, name)

            def noting(ring, *args, _real=real, _name=name):
                called.append(_name)
                return _real(ring, *args)

            self.startPatcher(patch.object(keyrings, name, noting))
        return called

    def test_links_are_withdrawn_before_all_is_sealed_anew(self):
        sent = self.send(pin=PIN)
        called = self.record("_close_all", "_rotate", "_end_closing")
        with self.keys(NEW_KEY, self.key):
            code, said = self.command("compromised")
            self.assertEqual(code, DONE, said)
            self.assertEqual(called, ["_close_all", "_rotate", "_end_closing"])
            self.assertEqual(sent.link.state, "revoked")
            self.assertFalse(self.sealed_cells(self.old))
            self.assertFalse(self.ring._closing())
        self.assertIn(self.old, said.splitlines()[-1])

    def test_without_a_word_of_it_links_stay(self):
        sent = self.send(pin=PIN)
        with self.keys(NEW_KEY, self.key):
            code, said = self.command()
            self.assertEqual(code, DONE, said)
            self.assertEqual(sent.link.state, "live")

    def test_one_key_is_refused_unless_it_is_new(self):
        sent = self.send(pin=PIN)
        code, said = self.command("compromised")
        self.assertEqual(code, 2)
        self.assertIn("There is only one key", said)
        self.assertEqual(sent.link.state, "live")
        code, said = self.command("compromised", "key_is_new")
        self.assertEqual(code, DONE, said)
        self.assertEqual(sent.link.state, "revoked")

    def test_a_new_key_for_elsewhere_is_handed_out(self):
        with self.keys(self.key):
            code, said = self.command("new_key", "compromised")
        self.assertEqual(code, UNFINISHED)
        self.assertIn("SECURE_MESSAGING_KEYS", said)
        self.assertFalse(self.ring._closing())

    def test_repeated_it_goes_on_where_it_was(self):
        """What was set since is not void again; whoever answers for it is told once."""
        self.set_pin(self.contact)
        self.send()
        keyrings = self.registry["secure.keyring"]
        with self.keys(NEW_KEY, self.key):
            with patch.object(keyrings, "_rotate", lambda *_args: False):
                code, said = self.command("compromised")
            self.assertEqual(code, UNFINISHED)
            self.assertIn("Not finished", said)
            closing = self.ring._closing()
            self.assertTrue(closing["told"])
            domain = [("summary", "like", "A key was compromised")]
            todos = self.env["mail.activity"].search(domain)
            self.assertTrue(todos)
            # Since then: a new PIN, which the clock of one transaction does not show
            closing["since"] = "2000-01-01 00:00:00"
            self.run_apart(lambda ring: ring._note_closing(closing))
            pin = self.set_pin(self.contact, NEW_PIN)
            code, said = self.command("compromised", "new_key")
            self.assertEqual(code, 2)
            self.assertIn("leave --new-key out", said)
            code, said = self.command("compromised")
            self.assertEqual(code, DONE, said)
            self.assertFalse(pin.is_void)
            self.assertEqual(self.env["mail.activity"].search(domain), todos)
            self.assertFalse(self.ring._closing())

    def test_clashes_without_end(self):
        """It says so, and that it has to be run again."""
        sent = self.send(pin=PIN)
        keyrings = self.registry["secure.keyring"]
        clash = patch.object(keyrings, "_void_pins", side_effect=clashes.CLASHES[0])
        with self.keys(NEW_KEY, self.key):
            with clash, mute_logger(CLASHES_LOG):
                code, said = self.command("compromised")
            self.assertEqual(code, UNFINISHED)
            self.assertIn("Run this again", said)
            self.assertTrue(self.ring._closing())
            self.assertEqual(self.command("compromised")[0], DONE)
            self.assertEqual(sent.link.state, "revoked")


@tagged("post_install", "-at_install")
class TestBesideOthers(TwoAtOnceCase):
    """Connections that really commit: the server goes on while a key is given up."""

    def setUp(self):
        super().setUp()
        with self.connection.cursor() as cr:
            env = self.environment(cr)
            values = {
                "company_id": self.company_id,
                "partner_id": env.ref("base.partner_root").id,
            }
            threads = env["secure.thread"].with_context(tracking_disable=True)
            self.thread_id = threads.create(values).id
        self.addCleanup(self.forget)

    def forget(self):
        with self.connection.cursor() as cr:
            self.environment(cr)["secure.keyring"]._note_closing(None)
            cr.execute("DELETE FROM secure_thread WHERE id = %s", [self.thread_id])

    @mute_logger("odoo.sql_db")
    def test_a_conversation_somebody_logs_for(self):
        with self.connection.cursor() as cr, self.connection.cursor() as person:
            ring = self.environment(cr)["secure.keyring"]
            env = self.environment(person)
            tries = []

            def somebody_first(step, closing):
                # This transaction has begun, and does not see what comes now
                cr.execute("SELECT FROM secure_thread")
                if not tries:
                    thread = env["secure.thread"].browse(self.thread_id)
                    env["secure.access.log"]._log("pin_set", thread)
                    person.commit()
                tries.append(step)
                return real(closing)

            real = ring._close_threads
            with patch.object(
                self.registry["secure.keyring"], "_close_threads", somebody_first
            ):
                self.assertTrue(ring._close_all())
            self.assertGreater(len(tries), 2, "once more after the clash")
        kinds = "SELECT kind FROM secure_access_log WHERE thread_id = %s ORDER BY id"
        self.assertEqual(
            self.execute(kinds, self.thread_id), [("pin_set",), ("key_compromised",)]
        )
