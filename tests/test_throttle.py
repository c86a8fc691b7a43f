import logging
import time
from datetime import datetime, timedelta
from unittest.mock import patch
from urllib.parse import urlsplit

from freezegun import freeze_time
from passlib.hash import pbkdf2_sha512

from odoo.exceptions import ConcurrencyError
from odoo.tests import tagged
from odoo.tools import config, mute_logger

from ..models import secure_attempt, secure_pin
from ..tools import pin_policy
from .common import CANARY, PIN, WRONG_PIN, SecureCase, same_transaction

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

    def counted(self, **rows):
        """Put counters into the table: kind and key joined by _, (total, locked)."""
        self.env.cr.execute("DELETE FROM secure_attempt")
        for name, (total, locked_until) in rows.items():
            kind, _sep, key = name.partition("_")
            self.env.cr.execute(
                """INSERT INTO secure_attempt (kind, key, window_start, window_count,
                                               total, locked_until)
                   VALUES (%s, %s, %s, 7, %s, %s)""",
                [kind, key, NOON, total, locked_until],
            )

    def test_link_that_wrong_pins_have_ended(self):
        """Told as locked; not one that opens again."""
        link, cap = self.sent.link, pin_policy.WRONG_PINS_KILL_LINK
        for total, state in ((cap - 1, "live"), (cap, "locked")):
            self.counted(**{f"link_{link.id}": (total, None)})
            self.assertEqual(link._state(), state)

    def test_what_staff_can_unlock(self):
        """A lock of this contact or of these links, and no other's."""
        attempts, cap = self.env["secure.attempt"], pin_policy.WRONG_PINS_PER_CONTACT
        soon, over = NOON + timedelta(seconds=1), NOON
        contact, link = f"contact_{self.contact.id}", f"link_{self.link.id}"
        others = f"contact_{self.other_contact.id}", f"link_{self.link.id + 1}"
        as_link, as_contact = f"link_{self.contact.id}", f"contact_{self.link.id}"
        for rows, locked in (
            ({contact: (cap, None)}, True),
            ({contact: (cap + 1, None)}, True),
            ({contact: (cap - 1, None)}, False),
            ({others[0]: (cap, None), contact: (1, None)}, False),
            ({as_link: (cap, None)}, False),
            ({link: (20, soon)}, True),
            ({link: (20, over)}, False),
            ({link: (20, None)}, False),
            ({others[1]: (20, soon)}, False),
            ({as_contact: (20, soon)}, False),
        ):
            with self.subTest(rows=rows), freeze_time(NOON):
                self.counted(**rows)
                found = attempts._staff_can_unlock(self.contact, self.link)
                self.assertEqual(found, locked)

    def test_unlocking_changes_nothing_of_others(self):
        soon = NOON + timedelta(minutes=30)
        own = f"contact_{self.contact.id}", f"link_{self.link.id}"
        others = (
            f"contact_{self.other_contact.id}",
            f"link_{self.link.id + 1}",
            f"link_{self.contact.id + 1_000_000}",
            f"address_{self.contact.id}",
        )
        attempts = self.env["secure.attempt"]
        with patch.object(type(attempts), "_own_transaction", same_transaction):
            self.counted(**dict.fromkeys([*own, *others], (9, soon)))
            attempts._forgive(self.contact, self.link)
        self.env.cr.execute(
            "SELECT kind || '_' || key, window_count, locked_until FROM secure_attempt"
        )
        left = {name: rest for name, *rest in self.env.cr.fetchall()}
        self.assertEqual(left.pop(own[1]), [0, None])
        self.assertEqual(left, dict.fromkeys(others, [7, soon]))

    def test_new_pin_of_contact_forgives(self):
        attempts = self.env["secure.attempt"]
        subject = [("contact", str(self.contact.id))]
        self.tries(3)
        self.set_pin(self.contact, "558213")
        # Not before the commit: until then the old one holds
        self.assertEqual(attempts._read_counters(subject)["contact"]["total"], 3)
        self.env.cr.postcommit.run()
        self.assertFalse(attempts._read_counters(subject))

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

    def forwarded(self, address, pin):
        """Type a PIN as a proxy passes it on.

        :return: the answer's status
        """
        self.visitor.get(f"/sm/{self.token}")
        action, hidden = self.visitor.forms()[0]
        host = urlsplit(self.base_url()).netloc
        headers = {"X-Forwarded-For": address, "X-Forwarded-Host": host}
        self.visitor.post(
            action, data={**hidden, "pin": pin}, headers=headers, allow_redirects=False
        )
        return self.visitor.status

    def test_statement_19_two_clients_behind_a_proxy(self):
        """By Odoo's own ProxyFix, which reads the proxy's last word only."""
        with patch.dict(config.options, proxy_mode=True):
            for n in range(6):
                status = self.forwarded(f"198.51.100.{n}, 203.0.113.7", WRONG_PIN)
            self.assertEqual(status, 429)
            self.assertEqual(self.forwarded("203.0.113.7", PIN), 429)
            self.assertEqual(self.forwarded("203.0.113.8", PIN), 303)
        attempts = self.env["secure.attempt"]
        rows = attempts._read_counters(attempts._subject(self.link, "203.0.113.7"))
        self.assertEqual(rows["address"]["window_count"], 5)

    def test_statement_19_neither_is_believed_without_proxy_mode(self):
        for n in range(6):
            status = self.forwarded(f"203.0.113.{n}", WRONG_PIN)
        self.assertEqual(status, 429)

    def test_statement_16_a_request_that_is_run_again_counts_once(self):
        """Odoo runs a request again that has met another one in the database."""
        pins, tried = self.env["secure.pin"], {}
        with freeze_time(NOON):
            for _run in range(3):
                result = pins._try(self.link, WRONG_PIN, "192.0.2.1", tried)
                self.assertEqual(result, ("wrong", None))
            other = pins._try(self.link, PIN, "192.0.2.1", {})
            self.assertEqual(other, ("right", None))
        attempts = self.env["secure.attempt"]
        rows = attempts._read_counters(attempts._subject(self.link, "192.0.2.1"))
        self.assertEqual(rows["link"]["total"], 1)

    def test_statement_16_page_remembers_what_a_request_tried(self):
        """Whose transaction failed at its end, as with two at once."""
        real, failed = type(self.env["secure.pin"])._note_try, []

        def fail_once(pins, *args):
            if not failed:
                failed.append(True)
                raise ConcurrencyError("met another request")
            return real(pins, *args)

        self.visitor.get(f"/sm/{self.token}")
        attempts = type(self.env["secure.attempt"])
        with (
            patch.object(type(self.env["secure.pin"]), "_note_try", fail_once),
            patch.object(
                attempts, "_charge", autospec=True, side_effect=attempts._charge
            ) as charge,
            patch("odoo.service.model.time.sleep"),
            mute_logger("odoo.service.model"),
        ):
            self.visitor.submit(pin=WRONG_PIN)
        self.assertTrue(failed)
        self.assertEqual(self.visitor.status, 403)
        self.assertEqual(charge.call_count, 1)

    def test_statement_16_right_pins_in_flight_are_no_failures(self):
        """Charged, and not yet given back: together with wrong ones they reach the
        limit, and are no part of it afterwards."""
        self.tries(3)
        attempts = self.env["secure.attempt"]
        with freeze_time(NOON):
            subject = attempts._subject(self.link, "192.0.2.1")
            for _right in range(2):
                self.assertFalse(attempts._charge(subject)[0])
            self.assertEqual(attempts._lock_reason(subject)[0], "address")
            for _right in range(2):
                attempts._refund(subject)
            self.assertFalse(attempts._lock_reason(subject))
        rows = attempts._read_counters(subject)
        self.assertEqual(rows["address"]["window_count"], 0)
        for kind in ("link", "contact"):
            self.assertEqual(rows[kind]["total"], 3)
        self.assertEqual(self.outcomes(6), ["wrong"] * 5 + ["locked"])

    def test_statement_17_the_client_is_not_shut_out_for_good(self):
        """Somebody with the link ends it; what they go on to try counts for nothing,
        and the client gets in by the link that staff send."""
        moment = NOON
        for n in range(25):
            moment += timedelta(minutes=11)
            self.tries(1, address=f"192.0.2.{n}", moment=moment)
        attempts = self.env["secure.attempt"]
        contact = [("contact", str(self.contact.id))]
        for _again in range(5):
            self.visitor.get(f"/sm/{self.token}")
            self.assertEqual(self.visitor.status, 429)
            self.tries(3, address="198.51.100.1", moment=moment)
        self.assertEqual(attempts._read_counters(contact)["contact"]["total"], 25)
        with freeze_time(moment), self.gateways():
            self.sent.thread.with_user(self.sender).action_resend()
            self.leave()
            token = self.left_token()
            self.visitor.open_gate(token, pin=PIN)
        self.assertIn(CANARY, self.visitor.text)

    def test_statement_17_responsible_is_told_of_the_cap(self):
        with patch.dict(secure_attempt.TOTAL_LIMITS, contact=3):
            self.tries(3)
            self.assertEqual(self.outcomes(1, PIN, "198.51.100.1"), ["locked"])
        self.assertIn("locked until you unlock", self.sent.thread.activity_ids.summary)
        self.assertEqual(self.sent.thread.activity_ids.user_id, self.sender)

    def test_statement_20_renewal_refills_nothing(self):
        self.tries(3)
        later = NOON + timedelta(hours=8761)
        attempts = self.env["secure.attempt"]
        with freeze_time(later), self.gateways():
            self.link._ask_renewal("192.0.2.1")
        rows = attempts._read_counters(attempts._subject(self.link, "192.0.2.1"))
        for kind in ("link", "contact"):
            self.assertEqual(rows[kind]["total"], 3)

    def test_statement_15_locked_costs_a_tenth_of_a_wrong_pin(self):
        """In the processor's time, with the rounds that are really computed."""
        real = pbkdf2_sha512.using(rounds=pin_policy.PIN_HASH_ROUNDS)
        with patch.object(pin_policy, "_hasher", real):
            with freeze_time(NOON):
                self.link = self.send(pin=PIN).link.sudo()
            wrong = self.cost(1)
            self.tries(4)
            locked = self.cost(20) / 20
        self.assertLess(locked, 0.1)
        self.assertLess(locked * 10, wrong)

    def cost(self, count):
        """Seconds of the processor's time for some tries."""
        before = time.process_time()
        self.tries(count)
        return time.process_time() - before

    def test_statement_55_said_in_the_log_without_the_pin(self):
        with self.assertLogs(secure_pin._logger, logging.INFO) as logs:
            self.tries(5)
            self.tries(1, PIN, "192.0.2.2")
        text = "\n".join(logs.output)
        for part in ("FAIL", "SUCCESS", "LOCKED"):
            self.assertIn(f"PIN check: {part} for {self.sent.thread.name}", text)
        for secret in (PIN, WRONG_PIN, self.token):
            self.assertNotIn(secret, text)

    def test_failures_do_not_end_an_open_grant(self):
        self.visitor.open_gate(self.token, pin=PIN)
        path = self.visitor.path
        for n in range(25):
            self.tries(
                1, address=f"192.0.2.{n}", moment=NOON + timedelta(minutes=11 * n)
            )
        self.visitor.get("/" + path)
        self.assertEqual(self.visitor.status, 200)
