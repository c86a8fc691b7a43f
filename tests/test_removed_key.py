"""What becomes of links when the key they were made with is removed or compromised."""

from contextlib import suppress
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from ..models import secure_keyring_compromise as compromise
from ..models.secure_keyring_compromise import COMPROMISED_PARAMETER
from ..models.secure_pin_void import VOID_HASH
from ..tools.keyring import Purpose
from ..tools.pin_policy import WRONG_PINS_PER_ADDRESS
from .common import CANARY, PIN, WRONG_PIN
from .test_rotation import NEW_KEY, THIRD_KEY, RotationCase

NEW_PIN = "604815"


@tagged("post_install", "-at_install")
class TestRemovedKey(RotationCase):
    def replace_key(self):
        with self.keys(NEW_KEY, self.key):
            self.assertTrue(self.rotate())

    def test_links_work_while_their_key_is_there(self):
        self.send(pin=PIN)
        with self.keys(NEW_KEY, self.key):
            self.rotate()
            self.visitor.open_gate(self.token, pin=PIN)
            self.assertIn(CANARY, self.visitor.text)
            self.assertEqual(self.ring._rotation_status()["links"], 1)

    def test_statement_5_links_of_a_removed_key_count_as_expired(self):
        """Whoever holds one is told, and may ask for a new one; nobody else learns
        anything."""
        sent = self.send(pin=PIN)
        token = self.token
        self.replace_key()
        with self.keys(NEW_KEY), self.gateways():
            self.assertEqual(sent.link.state, "expired")
            self.visitor.get(f"/sm/{token}")
            self.assertEqual(self.visitor.status, 410)
            self.visitor.submit(self.visitor.form("/renew"))
            self.assertEqual(self.visitor.status, 200)
            self.leave()
            renewed = self.left_token()
            self.assertNotEqual(renewed, token)
            self.visitor.open_gate(renewed, pin=PIN)
            self.assertIn(CANARY, self.visitor.text)
            self.visitor.get(f"/sm/{token}")
            self.assertEqual(self.visitor.status, 410)
            # Neither a guess at the rest of the token, nor one at all of it
            texts = []
            for forged in (token[:-1] + ("a" if token[-1] != "a" else "b"), "0" * 33):
                self.visitor.get(f"/sm/{forged}")
                self.assertEqual(self.visitor.status, 404)
                texts.append(self.visitor.text)
            self.assertEqual(*texts)

    def test_the_proof_survives_further_keys(self):
        sent = self.send()
        token = self.token
        self.replace_key()
        with self.keys(THIRD_KEY, NEW_KEY):
            self.assertTrue(self.rotate())
        with self.keys(THIRD_KEY):
            self.assertEqual(self.env["secure.link"]._find(token), sent.link)
            self.assertEqual(sent.link.state, "expired")

    def test_statement_2_the_proof_is_no_token(self):
        sent = self.send()
        self.replace_key()
        self.assertTrue(sent.link.sudo().token_proof)
        with self.leak_scan() as scan:
            self.assertEqual(scan.find([self.token, self.token[11:]]), [])

    def test_open_doors_close(self):
        self.send(pin=PIN)
        self.visitor.open_gate(self.token, pin=PIN)
        page = f"/{self.visitor.path}"
        self.replace_key()
        with self.keys(NEW_KEY, self.key):
            self.visitor.get(page)
            self.assertIn(CANARY, self.visitor.text)
        with self.keys(NEW_KEY):
            self.visitor.get(page)
            self.assertEqual(self.visitor.status, 410)
            self.assertNotIn(CANARY, self.visitor.text)

    def test_staff_send_a_new_link(self):
        sent = self.send(pin=PIN)
        self.replace_key()
        with self.keys(NEW_KEY), self.gateways():
            sent.thread.with_user(self.sender).action_resend()
            self.leave()
            self.visitor.open_gate(self.left_token(), pin=PIN)
            self.assertIn(CANARY, self.visitor.text)

    def test_statement_48_what_waits_leaves_with_a_link_that_works(self):
        mails = type(self.env["mail.mail"])
        with patch.object(mails, "send_after_commit", lambda mails: None):
            drafts = [
                {
                    "partner": self.contact,
                    "company": self.company,
                    "body": f"<p>{CANARY}</p>",
                    "channel": channel,
                    "pin": PIN,
                }
                for channel in ("email", "sms")
            ]
            threads = self.env["secure.thread"].with_user(self.sender)
            by_mail, _by_sms = threads._send(drafts)
        self.replace_key()
        with self.keys(NEW_KEY), self.gateways():
            by_mail.message.sudo().mail_ids.send()
            self.leave()
            self.assertEqual(len(self._mails) + len(self._sms), 2)
            tokens = []
            for text in (str(self._mails), str(self._sms)):
                [token] = {part[:33] for part in text.split("/sm/")[1:]}
                tokens.append(token)
                self.visitor.open_gate(token, pin=PIN)
                self.assertIn(CANARY, self.visitor.text)
        # Those that left are known after the next change of keys, too
        with self.keys(THIRD_KEY, NEW_KEY):
            self.assertTrue(self.rotate())
        with self.keys(THIRD_KEY):
            for token in tokens:
                link = self.env["secure.link"]._find(token)
                self.assertEqual(link.state, "expired")

    def test_statement_17_no_key_that_comes_or_goes_refills_a_budget(self):
        """Network addresses are known by names that need a key."""
        self.set_pin(self.contact)
        sent = self.send()
        attempts, pins = self.env["secure.attempt"], self.env["secure.pin"]
        address = "192.0.2.7"

        def wrong():
            return pins._try(sent.link, WRONG_PIN, address)[0]

        for _try in range(WRONG_PINS_PER_ADDRESS - 2):
            self.assertEqual(wrong(), "wrong")
        with self.keys(NEW_KEY, self.key):
            self.assertEqual(wrong(), "wrong")
            self.rotate()
        with self.keys(NEW_KEY):
            subject = attempts._subject(sent.link, address)
            counted = attempts._read_counters(subject)
            tries = WRONG_PINS_PER_ADDRESS - 1
            for kind in ("address", "link", "contact"):
                self.assertEqual(counted[kind]["window_count"], tries, kind)
            self.assertEqual(pins._try(sent.link, WRONG_PIN, address)[1][0], "address")
            self.assertEqual(wrong(), "locked")
        with self.keys(THIRD_KEY, NEW_KEY):
            self.assertEqual(wrong(), "locked")

    def test_answers_by_email_are_answered_once_a_day_whatever_the_key(self):
        answers = self.env["secure.mail.answer"]
        self.assertTrue(answers._claim("clara@client.example"))
        with self.keys(NEW_KEY, self.key):
            self.assertFalse(answers._claim("clara@client.example"))
            self.rotate()
        with self.keys(NEW_KEY):
            self.assertFalse(answers._claim("clara@client.example"))
            self.assertTrue(answers._claim("otto@client.example"))
            self.assertFalse(answers._claim("otto@client.example"))


@tagged("post_install", "-at_install")
class TestCompromisedKey(RotationCase):
    def close(self):
        def act(ring):
            ring._close_all()
            self.assertTrue(ring._rotate())
            ring._end_closing()

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
        dispatch = (
            self.env["secure.dispatch"]
            .with_user(self.sender)
            ._plan(
                {
                    "origin": "compose",
                    "channel": "email",
                    "company_id": self.company.id,
                    "subject": "x",
                    "body": CANARY,
                    "pin": PIN,
                },
                [{"partner": self.contact}],
                fields.Datetime.now() + timedelta(hours=1),
            )
        )
        self.close()
        with self.keys(NEW_KEY, self.key), self.gateways():
            self.assertFalse(dispatch.sudo().sealed_pin)
            dispatch.sudo().action_send_now()
            self.assertEqual(dispatch.line_ids.state, "failed")
            self.assertIn("PIN", dispatch.line_ids.reason)
            self.assertFalse(self._mails)

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
            self.env.cr.execute(
                "UPDATE ir_config_parameter SET value = %s WHERE key = %s",
                ["2000-01-01 00:00:00", COMPROMISED_PARAMETER],
            )
            pin = self.set_pin(self.contact, NEW_PIN)
            later = self.send()
            count = self.env["secure.access.log"].search_count([])
            self.run_apart(lambda ring: ring._close_all())
            self.assertFalse(pin.is_void)
            self.assertEqual(later.link.state, "live")
            self.assertEqual(self.env["secure.access.log"].search_count([]), count)
            self.run_apart(lambda ring: ring._end_closing())
            self.assertFalse(self.ring._parameter(COMPROMISED_PARAMETER))

    def test_statement_47_killed_in_the_middle(self):
        for _number in range(3):
            self.send()
        self.startPatcher(patch.object(compromise, "CLOSE_BATCH", 1))
        keyrings = self.registry["secure.keyring"]
        with self.keys(NEW_KEY, self.key):
            with patch.object(
                keyrings, "_close_threads", side_effect=[1, KeyboardInterrupt]
            ):
                with suppress(KeyboardInterrupt):
                    self.run_apart(lambda ring: ring._close_all())
            self.assertTrue(self.ring._parameter(COMPROMISED_PARAMETER))
            self.run_apart(lambda ring: ring._close_all())
            states = self.env["secure.link"].search([]).mapped("state")
            self.assertEqual(set(states), {"revoked"})

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
            before = self.env.cr.sql_log_count
            self.assertEqual(self.ring._close_threads(str(since)), count)
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
