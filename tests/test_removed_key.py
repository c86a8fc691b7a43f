"""What becomes of links when the key they were made with is removed."""

from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..tools.pin_policy import WRONG_PINS_PER_ADDRESS
from .common import CANARY, PIN, WRONG_PIN
from .test_rotation import NEW_KEY, THIRD_KEY, RotationCase


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

    def test_without_key_and_proof_no_link_is_known(self):
        sent = self.send()
        sent.link.sudo().write({"fingerprint": "0" * 16, "token_proof": False})
        self.visitor.get(f"/sm/{self.token}")
        self.assertEqual(self.visitor.status, 404)

    def test_a_link_has_not_expired_because_all_keys_are_missing(self):
        sent = self.send()
        with (
            self.keys(THIRD_KEY),
            mute_logger("odoo.addons.secure_messaging.models.secure_keyring"),
        ):
            self.assertFalse(sent.link._key_is_gone())

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
