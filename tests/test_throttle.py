from datetime import datetime, timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo.tests import tagged

from ..tools import pin_policy
from .common import PIN, WRONG_PIN, SecureCase

NOON = datetime(2026, 3, 2, 12)


@tagged("post_install", "-at_install")
class TestThrottle(SecureCase):
    def setUp(self):
        super().setUp()
        with freeze_time(NOON):
            self.sent = self.send(pin=PIN, expiry_hours=8760)
        self.link = self.sent.link.sudo()

    def tries(self, count, pin=WRONG_PIN, address="192.0.2.1", moment=NOON, link=None):
        """Outcomes of several tries at one moment."""
        pins = self.env["secure.pin"]
        with freeze_time(moment):
            return [pins._try(link or self.link, pin, address) for _ in range(count)]

    def outcomes(self, *args, **kwargs):
        return [outcome for outcome, _reason in self.tries(*args, **kwargs)]

    def test_statement_17_network_address(self):
        results = self.tries(6)
        self.assertEqual([result for result, _ in results], ["wrong"] * 5 + ["locked"])
        self.assertEqual(results[4][1], ("address", NOON + timedelta(minutes=30)))
        self.assertEqual(self.outcomes(1, PIN), ["locked"])
        self.assertEqual(self.outcomes(1, PIN, "192.0.2.2"), ["right"])

    def test_statement_17_lock_is_not_prolonged_by_trying(self):
        self.tries(5)
        self.tries(50, moment=NOON + timedelta(minutes=29))
        self.assertEqual(
            self.outcomes(1, PIN, moment=NOON + timedelta(minutes=29, seconds=59)),
            ["locked"],
        )
        self.assertEqual(
            self.outcomes(1, PIN, moment=NOON + timedelta(minutes=30)), ["right"]
        )

    def test_statement_17_link(self):
        addresses = [f"192.0.2.{n}" for n in range(1, 6)]
        outcomes = [self.outcomes(4, address=address) for address in addresses]
        self.assertEqual(sum(outcomes, []), ["wrong"] * 20)
        self.assertEqual(self.outcomes(1, PIN, "198.51.100.1"), ["locked"])
        later = NOON + timedelta(minutes=30)
        self.assertEqual(self.outcomes(1, PIN, "198.51.100.1", later), ["right"])

    def test_link_dies_after_25(self):
        moment = NOON
        for n in range(25):
            moment += timedelta(minutes=11)
            self.assertEqual(
                self.outcomes(1, address=f"192.0.2.{n}", moment=moment), ["wrong"]
            )
        self.assertEqual(
            self.outcomes(1, PIN, "198.51.100.1", moment + timedelta(days=9)),
            ["locked"],
        )
        with freeze_time(moment + timedelta(days=9)):
            self.assertEqual(self.link._state(), "locked")
        self.assertIn("send a new one", self.sent.thread.activity_ids.summary)

    def test_contact_cap_over_all_links(self):
        moment = NOON
        for round_ in range(3):
            with freeze_time(NOON):
                link = self.send(pin=PIN, expiry_hours=8760).link.sudo()
            for n in range(17 if round_ < 2 else 16):
                moment += timedelta(minutes=11)
                self.assertEqual(
                    self.outcomes(
                        1, address=f"192.0.{round_}.{n}", moment=moment, link=link
                    ),
                    ["wrong"],
                )
        moment += timedelta(days=30)
        with freeze_time(NOON):
            fresh = self.send(pin=PIN, expiry_hours=8760).link.sudo()
        self.assertEqual(
            self.tries(1, PIN, "198.51.100.9", moment, fresh),
            [("locked", ("contact", None))],
        )
        self.sent.thread.with_user(self.sender).action_unlock()
        self.assertEqual(
            self.outcomes(1, PIN, "198.51.100.9", moment, fresh), ["right"]
        )

    def test_staff_end_the_lock_of_a_link(self):
        for n in range(5):
            self.tries(4, address=f"192.0.2.{n}")
        with freeze_time(NOON):
            thread = self.sent.thread.with_user(self.sender)
            self.assertTrue(thread.is_locked)
            thread.action_unlock()
            thread.invalidate_recordset(["is_locked"])
            self.assertFalse(thread.is_locked)
        self.assertEqual(self.outcomes(1, PIN, "198.51.100.1"), ["right"])

    def test_new_pin_of_contact_forgives(self):
        attempts = self.env["secure.attempt"]
        self.tries(3)
        self.set_pin(self.contact, "558213")
        self.assertFalse(attempts._read_counters([("contact", str(self.contact.id))]))

    def test_statement_20_success_clears_only_its_address(self):
        self.tries(3)
        self.tries(2, address="192.0.2.9")
        self.tries(1, PIN)
        rows = self.env["secure.attempt"]._read_counters(
            self.env["secure.attempt"]._subject(self.link, "192.0.2.1")
        )
        self.assertEqual(rows["address"]["window_count"], 0)
        self.assertEqual(rows["link"]["window_count"], 5)
        self.assertEqual(rows["contact"]["total"], 5)

    def test_window_of_ten_minutes(self):
        self.tries(4)
        self.assertEqual(
            self.outcomes(4, moment=NOON + timedelta(minutes=10)), ["wrong"] * 4
        )
        self.assertEqual(
            self.outcomes(2, moment=NOON + timedelta(minutes=19)), ["wrong", "locked"]
        )

    def test_ipv6_counts_by_64(self):
        for n in range(5):
            self.tries(1, address=f"2001:db8:1:2::{n + 1}")
        self.assertEqual(self.outcomes(1, PIN, "2001:db8:1:2:ffff::1"), ["locked"])
        self.assertEqual(self.outcomes(1, PIN, "2001:db8:1:3::1"), ["right"])

    def test_statement_15_locked_never_hashes(self):
        self.tries(5)
        with patch.object(pin_policy, "verify") as verify:
            self.tries(3, PIN)
        verify.assert_not_called()

    def test_locked_page_and_activity_once(self):
        for _ in range(7):
            self.visitor.open_gate(self.token, pin=WRONG_PIN)
        self.assertEqual(self.visitor.status, 429)
        kinds = self.env["secure.access.log"].search(
            [("thread_id", "=", self.sent.thread.id)]
        )
        kinds = kinds.mapped("kind")
        self.assertEqual(kinds.count("pin_refused"), 5)
        self.assertEqual(kinds.count("locked"), 1)
        self.assertEqual(len(self.sent.thread.activity_ids), 1)

    def test_statement_19_forwarded_header_without_proxy_mode(self):
        for n in range(6):
            self.visitor.get(f"/sm/{self.token}")
            action, hidden = self.visitor.forms()[0]
            self.visitor.post(
                action,
                data={**hidden, "pin": WRONG_PIN},
                headers={"X-Forwarded-For": f"203.0.113.{n}"},
            )
        self.assertEqual(self.visitor.status, 429)

    def test_failures_do_not_end_an_open_grant(self):
        self.visitor.open_gate(self.token, pin=PIN)
        path = self.visitor.path
        for n in range(25):
            self.tries(
                1, address=f"192.0.2.{n}", moment=NOON + timedelta(minutes=11 * n)
            )
        self.visitor.get("/" + path)
        self.assertEqual(self.visitor.status, 200)
