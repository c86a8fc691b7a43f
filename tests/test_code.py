"""One-time codes: by the other channel, once, for ten minutes, to no new address."""

import re
from datetime import datetime, timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import SUPERUSER_ID, fields
from odoo.exceptions import AccessError, UserError
from odoo.http import request
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models import secure_code
from ..tools import notification as texts
from ..tools import one_time_code, pin_policy
from .common import CANARY, PIN, SecureCase, Visitor

NOON = datetime(2026, 3, 2, 12)


class CodeCase(SecureCase):
    def setUp(self):
        super().setUp()
        self.company.secure_pin_source = "code"
        self.clock = freeze_time(NOON, tick=True)
        self.clock.start()
        self.addCleanup(lambda: self.clock.stop())

    def later(self, **delta):
        """Let time pass."""
        now = fields.Datetime.now()
        self.clock.stop()
        self.clock = freeze_time(now + timedelta(**delta), tick=True)
        self.clock.start()

    def ask(self, visitor=None, path=None):
        """Press the button for a code.

        :return: what left by email and SMS meanwhile
        """
        visitor = visitor or self.visitor
        with self.gateways():
            visitor.get(path or f"/sm/{self.token}")
            visitor.submit(visitor.form("/code"))
            self.leave()
            return self.left_text()

    def code_in(self, text):
        """The one code in what left; None if there is none."""
        text = re.sub(r"style=.*?>", "", text)
        found = set(re.findall(r"(?<![\w.@#+-])[0-9]{6}(?![\w@])", text))
        self.assertLessEqual(len(found), 1, found)
        return found.pop() if found else None

    def give(self, code, visitor=None):
        """Type a code into the last page's field."""
        visitor = visitor or self.visitor
        index = next(
            index
            for index, (action, _hidden) in enumerate(visitor.forms())
            if not action.endswith("/code")
        )
        visitor.submit(index, pin=code)

    def other_than(self, code):
        return f"{(int(code) + 1) % 10**6:06d}"


@tagged("post_install", "-at_install")
class TestCode(CodeCase):
    def test_link_by_email_code_by_sms(self):
        self.send()
        text = self.ask()
        self.assertEqual([sms["number"] for sms in self._sms], ["+32470123456"])
        self.assertFalse(self._mails)
        self.assertIn(self.company.name, text)
        self.give(self.code_in(text))
        self.assertIn(CANARY, self.visitor.text)

    def test_link_by_sms_code_by_email(self):
        self.send(channel="sms")
        text = self.ask()
        self.assertFalse(self._sms)
        [mail] = self._mails
        self.assertEqual(mail["email_to"], ["clara@client.example"])
        self.assertNotIn("/sm/", text)
        self.give(self.code_in(text))
        self.assertIn(CANARY, self.visitor.text)

    def test_statement_25_code_never_goes_where_the_link_went(self):
        """Not even a row made to do so."""
        sent = self.send()
        self.ask()
        code = self.env["secure.code"]._of(sent.link)
        self.assertEqual(code._leaving_digits("email", [self.contact.email]), "")
        self.assertEqual(code._leaving_digits("sms", ["+32470999999"]), "")
        self.assertEqual(len(code._leaving_digits("sms", ["+32470123456"])), 6)

    def test_statement_09_only_a_post_sends(self):
        self.send()
        with self.gateways():
            for method in ("GET", "HEAD"):
                self.visitor._request(method, f"/sm/{self.token}")
                self.visitor._request(method, f"/sm/{self.token}/code")
            self.visitor.post(f"/sm/{self.token}/code", data={})
            self.assertEqual(self.visitor.status, 400)
            self.leave()
            self.assertEqual(self.left_text(), "")
        self.assertFalse(self.env["secure.code"].sudo().search([]))

    def test_gate_asks_for_digits(self):
        self.send()
        self.ask()
        for part in ('inputmode="numeric"', 'autocomplete="one-time-code"'):
            self.assertIn(part, self.visitor.text)
        for hidden in (self.contact.name, "470", self.contact.email):
            self.assertNotIn(hidden, self.visitor.text)

    def test_code_from_another_visit_to_the_gate(self):
        """Who reads the SMS comes back to a page that was loaded anew."""
        self.send()
        code = self.code_in(self.ask())
        self.visitor.get(f"/sm/{self.token}")
        self.give(f" {code[:3]}-{code[3:]} ")
        self.assertIn(CANARY, self.visitor.text)

    def test_page_can_be_loaded_anew_after_asking(self):
        """It is the answer to a GET, and loading it sends nothing."""
        self.send()
        code = self.code_in(self.ask())
        self.assertEqual(self.visitor.response.request.method, "GET")
        with self.gateways():
            self.visitor.get(self.visitor.response.url)
            self.leave()
            self.assertEqual(self.left_text(), "")
        self.assertIn("a code is on its way", self.visitor.text)
        self.give(code)
        self.assertIn(CANARY, self.visitor.text)

    def test_only_codes_are_on_their_way(self):
        self.send(pin=PIN)
        self.visitor.get(f"/sm/{self.token}?code=asked")
        self.assertNotIn("on its way", self.visitor.text)

    def test_leading_zeros_and_other_digits(self):
        with patch.object(one_time_code, "derive", return_value="004271"):
            self.send()
            self.assertEqual(self.code_in(self.ask()), "004271")
            self.give("4271")
            self.assertNotIn(CANARY, self.visitor.text)
            self.give("٠٠٤٢٧١")
            self.assertIn(CANARY, self.visitor.text)

    def test_once(self):
        self.send()
        code = self.code_in(self.ask())
        self.give(code)
        other = Visitor(self)
        other.get(f"/sm/{self.token}")
        self.give(code, other)
        self.assertEqual(other.status, 403)
        self.assertIn("no longer valid", other.text)
        self.assertNotIn(CANARY, other.text)

    def test_ten_minutes(self):
        self.send()
        code = self.code_in(self.ask())
        self.later(minutes=9, seconds=50)
        self.give(self.other_than(code))
        self.assertIn("not right", self.visitor.text)
        self.later(seconds=11)
        self.give(code)
        self.assertEqual(self.visitor.status, 403)
        self.assertIn("no longer valid", self.visitor.text)
        code = self.code_in(self.ask())
        self.later(minutes=9, seconds=50)
        self.give(code)
        self.assertIn(CANARY, self.visitor.text)

    def test_limits_to_the_second(self):
        sent = self.send()
        self.ask()
        codes = self.env["secure.code"]
        row, second = codes._of(sent.link), timedelta(seconds=1)
        over = row.asked_at + secure_code.CODE_LIFE
        for now in (over - second, over):
            with freeze_time(now):
                self.assertEqual(codes._is_over(sent.link), now == over)
        again = row.issued_at + secure_code.CODE_PAUSE
        for now in (again - second, again):
            with freeze_time(now):
                codes._ask(sent.link, "192.0.2.1")
            self.assertEqual(row.issued_at == again, now == again)

    def test_a_new_code_ends_the_former(self):
        self.send()
        former = self.code_in(self.ask())
        self.later(minutes=1)
        code = self.code_in(self.ask())
        self.give(former)
        self.assertEqual(self.visitor.status, 403)
        self.give(code)
        self.assertIn(CANARY, self.visitor.text)

    def test_asked_twice_at_once_is_sent_once(self):
        self.send()
        code = self.code_in(self.ask())
        self.later(seconds=5)
        self.assertEqual(self.ask(), "")
        self.give(code)
        self.assertIn(CANARY, self.visitor.text)

    def test_five_tries(self):
        sent = self.send()
        code = self.code_in(self.ask())
        pins = self.env["secure.pin"]
        wrong = self.other_than(code)
        for number in range(5):
            address = f"192.0.2.{number}"
            self.assertEqual(pins._try(sent.link, wrong, address), ("wrong", None))
        self.assertEqual(pins._try(sent.link, code, "192.0.2.9"), ("stale", None))
        self.give(code)
        self.assertIn("no longer valid", self.visitor.text)
        self.later(minutes=1)
        self.give(self.code_in(self.ask()))
        self.assertIn(CANARY, self.visitor.text)

    def test_statement_17_wrong_codes_count_as_wrong_pins(self):
        sent = self.send()
        code = self.code_in(self.ask())
        for _number in range(pin_policy.WRONG_PINS_PER_ADDRESS):
            self.give(self.other_than(code))
        self.assertEqual(self.visitor.status, 429)
        attempts = self.env["secure.attempt"]
        rows = attempts._read_counters(attempts._subject(sent.link, "127.0.0.1"))
        self.assertEqual([rows[kind]["total"] for kind in sorted(rows)], [5, 5, 5])

    def test_locked_sends_no_code(self):
        self.send()
        code = self.code_in(self.ask())
        self.visitor.get(f"/sm/{self.token}")
        with patch.object(secure_code, "CODE_PAUSE", timedelta(0)), self.gateways():
            asking = self.visitor.forms()[self.visitor.form("/code")]
            for _number in range(pin_policy.WRONG_PINS_PER_ADDRESS):
                self.visitor.get(f"/sm/{self.token}")
                self.give(self.other_than(code))
            self.visitor.post(asking[0], data=asking[1])
            self.assertEqual(self.visitor.status, 429)
            self.leave()
            self.assertEqual(self.left_text(), "")

    def test_statement_20_a_code_refills_no_budget(self):
        sent = self.send()
        code = self.code_in(self.ask())
        self.give(self.other_than(code))
        self.later(minutes=1)
        code = self.code_in(self.ask())
        attempts = self.env["secure.attempt"]
        subject = attempts._subject(sent.link, "127.0.0.1")
        before = attempts._read_counters(subject)
        self.assertEqual({row["total"] for row in before.values()}, {1})
        self.give(code)
        after = attempts._read_counters(subject)
        self.assertEqual(after["address"]["window_count"], 0)
        for kind in ("link", "contact"):
            self.assertEqual(after[kind]["total"], 1)

    def test_statement_20_a_used_code_clears_no_address(self):
        sent = self.send()
        code = self.code_in(self.ask())
        self.give(code)
        pins = self.env["secure.pin"]
        for _number in range(3):
            pins._try(sent.link, self.other_than(code), "192.0.2.1")
        self.assertEqual(pins._try(sent.link, code, "192.0.2.1"), ("stale", None))
        attempts = self.env["secure.attempt"]
        rows = attempts._read_counters(attempts._subject(sent.link, "192.0.2.1"))
        self.assertEqual(rows["address"]["window_count"], 3)

    def test_statement_32_rations(self):
        self.send(expiry_hours=8760)
        sent = []
        for _round in range(6):
            for _ask in range(4):
                sent.append(bool(self.ask()))
                self.later(minutes=2)
            self.later(hours=1)
        self.assertEqual(sent[:8], [True] * 3 + [False] + [True] * 3 + [False])
        self.assertEqual(sum(sent), pin_policy.CODES_PER_DAY)
        self.later(days=1)
        self.assertTrue(self.ask())

    def test_ration_is_the_contacts_over_all_links(self):
        for _number in range(3):
            self.send(subject="another one")
            self.assertTrue(self.ask())
        self.send(subject="another one")
        self.assertEqual(self.ask(), "")

    def test_statement_31_same_answer_whatever_happens(self):
        answers = set()
        for prepare in (
            lambda: None,
            lambda: self.contact.write({"phone": False}),
            lambda: self.contact.write({"phone": "+32 470 77 66 55"}),
            lambda: self.env["secure.attempt"]._allow(
                {"code_hour": (9, timedelta(hours=1))}, str(self.contact.id)
            ),
        ):
            self.contact.phone = "+32 470 12 34 56"
            self.env["secure.address"]._note([])
            self.env["secure.address"].sudo().search([]).unlink()
            self.send(subject="another one")
            token = self.token
            prepare()
            self.ask(path=f"/sm/{token}")
            page = re.sub(r'value="\w+"', "", self.visitor.text.replace(token, ""))
            answers.add((self.visitor.status, page))
            self.give("000000")
            page = re.sub(r'value="\w+"', "", self.visitor.text.replace(token, ""))
            answers.add((self.visitor.status, page))
        self.assertEqual(sorted(status for status, _page in answers), [200, 403])

    def test_never_sent_opens_with_nothing(self):
        sent = self.send()
        self.contact.phone = False
        self.ask()
        code = self.env["secure.code"]._of(sent.link)
        self.give(code._digits())
        self.assertEqual(self.visitor.status, 403)
        self.assertIn("not right", self.visitor.text)
        row = self.env["secure.access.log"].search([("kind", "=", "code_refused")])
        self.assertEqual((row.channel, row.address), ("sms", False))

    def test_not_asked_for_opens_with_nothing(self):
        self.send()
        self.visitor.get(f"/sm/{self.token}")
        self.give("000000")
        self.assertEqual(self.visitor.status, 403)
        self.assertIn("Please ask for a new one", self.visitor.text)

    def test_code_whose_key_was_retired_does_not_open(self):
        sent = self.send()
        code = self.code_in(self.ask())
        self.env["secure.code"]._of(sent.link).fingerprint = "0" * 16
        self.give(code)
        self.assertEqual(self.visitor.status, 403)
        self.assertNotIn(CANARY, self.visitor.text)

    def test_code_of_another_link_does_not_open(self):
        self.send()
        code = self.code_in(self.ask())
        self.send(subject="another one")
        self.ask()
        self.give(code)
        self.assertNotIn(CANARY, self.visitor.text)

    def test_contact_who_got_a_pin_is_asked_for_it(self):
        self.send()
        self.visitor.get(f"/sm/{self.token}")
        self.set_pin(self.contact)
        with self.gateways():
            self.visitor.submit(self.visitor.form("/code"))
            self.leave()
            self.assertEqual(self.left_text(), "")
        self.visitor.submit(pin=PIN)
        self.assertIn(CANARY, self.visitor.text)

    def test_typed_text_is_carried_through(self):
        self.send(expiry_hours=240)
        self.give(self.code_in(self.ask()))
        reply = self.visitor.form(self.visitor.path)
        self.later(minutes=31)
        self.visitor.submit(reply, body="half typed")
        with self.gateways():
            self.visitor.submit(self.visitor.form("/code"))
            self.leave()
            code = self.code_in(self.left_text())
        self.assertIn("What you wrote has been kept", self.visitor.text)
        self.assertNotIn("half typed", self.visitor.text)
        self.give(self.other_than(code))
        self.give(code)
        self.assertIn("half typed", self.visitor.text)

    def test_statement_26_grant_holds_without_further_codes(self):
        self.send()
        self.give(self.code_in(self.ask()))
        path = self.visitor.path
        self.later(minutes=20)
        self.visitor.get("/" + path)
        self.assertIn(CANARY, self.visitor.text)

    def test_statement_27_other_address_changed_closes_doors(self):
        self.send()
        self.give(self.code_in(self.ask()))
        path = self.visitor.path
        self.contact.phone = "+32 470 99 99 99"
        self.visitor.get("/" + path)
        self.assertNotIn(CANARY, self.visitor.text)

    def test_log(self):
        sent = self.send()
        self.give(self.code_in(self.ask()))
        rows = self.env["secure.access.log"].search(
            [("thread_id", "=", sent.thread.id), ("kind", "=", "code_sent")]
        )
        self.assertEqual(rows.mapped("channel"), ["sms"])
        self.assertEqual(rows.mapped("address"), ["+32***56"])

    def test_old_codes_are_forgotten(self):
        self.send()
        self.ask()
        self.later(days=2)
        self.env["secure.code"]._gc_codes()
        self.env["secure.attempt"]._gc_addresses()
        self.assertFalse(self.env["secure.code"].sudo().search([]))


@tagged("post_install", "-at_install")
class TestCodeLeaving(CodeCase):
    def test_statement_02_code_stands_nowhere(self):
        """Nor does it after it was typed, rightly and wrongly; what leaves holds it
        once, by the other channel, and no content and no link with it."""
        for channel in ("email", "sms"):
            with self.leak_scan() as scan:
                self.send(channel=channel, subject=channel)
                text = self.ask()
                code = self.code_in(text)
                self.assertTrue(code)
                self.assertNotIn(self.token, text)
                way = "sms" if channel == "email" else "mail"
                self.assertEqual(scan.find([code, CANARY]), [(way, code)])
                self.give(self.other_than(code))
                scan.add_left("page", self.visitor.text.replace(self.token, ""))
                self.give(code)
                self.assertIn(CANARY, self.visitor.text)
                found = scan.find([code, CANARY, self.token])
                self.assertEqual(found, [(way, code)])

    def test_statement_02_nor_while_it_waits(self):
        self.send()
        self.visitor.get(f"/sm/{self.token}")
        with self.leak_scan() as scan, self.gateways():
            self.visitor.submit(self.visitor.form("/code"))
            [sms] = self.env["sms.sms"].search([("state", "=", "outgoing")])
            self.assertIn(texts.CODE_MARK, sms.body)
            digits = sms.sudo().secure_code_id._digits()
            self.assertEqual(scan.find([digits]), [])

    def test_one_sms_part_in_any_company(self):
        for name in ("A", "Ä" * 80, "عيادة " * 12, "Ünï €[]{} " * 10):
            self.company.name = name
            self.send(subject=name)
            self.ask()
            [sms] = self._sms
            self.later(hours=1)
            self.assertEqual(texts.sms_parts(sms["body"]), 1, sms["body"])
            self.assertIn(name[:1], sms["body"])

    def leaves_after(self, change):
        self.send()
        self.visitor.get(f"/sm/{self.token}")
        with self.gateways():
            self.visitor.submit(self.visitor.form("/code"))
            [sms] = self.env["sms.sms"].search([("state", "=", "outgoing")])
            change()
            self.leave()
            self.assertEqual(sms.state, "canceled")
            return self.left_text()

    def test_as_a_mail(self):
        """From the company, in the contact's language; nothing of it is kept."""
        self.company.email = "practice@company.example"
        self.env["res.lang"]._activate_lang("fr_FR")
        self.contact.lang = "fr_FR"
        sent = self.send(channel="sms")
        mails = type(self.env["mail.mail"])
        with patch.object(mails, "send_after_commit", lambda mails: None):
            self.visitor.get(f"/sm/{self.token}")
            self.visitor.submit(self.visitor.form("/code"))
        [mail] = self.env["mail.mail"].sudo().search([("secure_code_id", "!=", False)])
        self.assertEqual(mail.email_from, self.company.email_formatted)
        self.assertTrue(mail.auto_delete)
        self.assertFalse(mail.reply_to)
        code = self.env["secure.code"]._of(sent.link)
        self.assertEqual(code._spoken().env.lang, "fr_FR")

    def test_too_late_to_leave(self):
        self.assertEqual(self.leaves_after(lambda: self.later(minutes=10)), "")

    def test_withdrawn_before_it_leaves(self):
        def revoke():
            self.env["secure.link"].sudo().search([])._revoke()

        self.assertEqual(self.leaves_after(revoke), "")

    def test_number_changed_before_it_leaves(self):
        def change():
            self.contact.phone = "+32 470 99 99 99"

        self.assertEqual(self.leaves_after(change), "")

    def test_mail_that_is_too_late_fails(self):
        self.send(channel="sms")
        with (
            self.gateways(),
            patch.object(
                type(self.env["mail.mail"]), "send_after_commit", lambda mails: None
            ),
        ):
            self.visitor.get(f"/sm/{self.token}")
            self.visitor.submit(self.visitor.form("/code"))
            self.later(minutes=11)
            mail = self.env["mail.mail"].search([], order="id desc", limit=1)
            with mute_logger("odoo.addons.mail.models.mail_mail"):
                mail.send()
            self.assertFalse(self._mails)
        self.assertEqual(mail.state, "exception")

    def test_sms_is_paid_by_the_conversations_company(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.send()
        self.visitor.get(f"/sm/{self.token}")
        self.visitor.submit(self.visitor.form("/code"))
        [sms] = self.env["sms.sms"].search([("state", "=", "outgoing")])
        self.assertEqual(sms.with_company(other)._get_sms_company(), self.company)


@tagged("post_install", "-at_install")
class TestCodeAddress(CodeCase):
    """Who can change the other address must not get in by it."""

    def unconfirmed(self):
        return self.env["secure.address"]._unconfirmed(self.contact)

    def test_sending_without_the_other_address_is_refused(self):
        self.contact.phone = False
        with self.assertRaisesRegex(UserError, "Clara Client has no valid phone"):
            self.send()
        self.contact.write({"phone": "+32 470 12 34 56", "email": False})
        self.env["secure.address"].sudo().search([]).unlink()
        with self.assertRaisesRegex(UserError, "Clara Client has no valid email"):
            self.send(channel="sms")
        self.assertFalse(self.env["secure.thread"].search([]))

    def test_own_pin_needs_no_other_address(self):
        self.contact.phone = False
        self.assertEqual(self.send(pin=PIN).thread.pin_rule, "message")

    def test_changed_by_the_contact_until_confirmed(self):
        sent = self.send(expiry_hours=8760)
        partner = self.portal.partner_id
        self.contact.with_user(self.portal).sudo().write({"phone": "+32 470 11 22 33"})
        self.assertEqual(self.unconfirmed(), {(self.contact.id, "sms")})
        self.assertTrue(partner)
        self.later(days=8)
        self.assertEqual(self.ask(), "")
        self.assertIn("confirm the phone", sent.thread.activity_ids.summary)
        self.assertEqual(sent.thread.activity_ids.user_id, self.sender)
        contact = self.contact.with_user(self.sender)
        self.assertTrue(contact.secure_phone_changed)
        contact.action_secure_confirm_phone()
        contact.invalidate_recordset()
        self.assertFalse(contact.secure_phone_changed)
        self.later(hours=1)
        self.give(self.code_in(self.ask()))
        self.assertIn(CANARY, self.visitor.text)

    def test_changed_by_staff_within_seven_days(self):
        self.send(expiry_hours=8760)
        self.contact.with_user(self.sender).sudo().phone = "+32 470 11 22 33"
        self.later(days=6, hours=23)
        self.assertEqual(self.ask(), "")
        self.later(hours=2)
        self.assertTrue(self.ask())

    def test_sending_is_refused_while_unconfirmed(self):
        self.contact.phone = "+32 470 11 22 33"
        with self.assertRaisesRegex(UserError, "phone number of Clara Client was cha"):
            self.send()
        self.contact.with_user(self.sender).action_secure_confirm_phone()
        self.assertTrue(self.send().link)

    def test_only_who_sends_confirms(self):
        self.contact.phone = "+32 470 11 22 33"
        for user in (self.clerk, self.portal):
            with self.assertRaises(AccessError):
                self.contact.with_user(user).action_secure_confirm_phone()
        self.assertTrue(self.unconfirmed())

    def test_what_counts_as_a_change(self):
        for vals, channels in (
            ({"name": "Clara Changed"}, set()),
            ({"phone": "+32470123456"}, set()),
            ({"email": "Clara@Client.example"}, set()),
            ({"email": "clara@elsewhere.example"}, {"email"}),
            ({"phone": "0470 12 34 56"}, set()),
            ({"country_id": self.env.ref("base.fr").id}, {"sms"}),
            ({"phone": False, "email": False}, {"email", "sms"}),
        ):
            self.env["secure.address"].sudo().search([]).unlink()
            self.contact.write(vals)
            changed = {channel for _id, channel in self.unconfirmed()}
            self.assertEqual(changed, channels, vals)

    def test_contact_made_by_staff_and_by_somebody_outside(self):
        values = {"name": "New", "email": "n@client.example", "phone": "+32470111213"}
        partners = self.env["res.partner"].sudo()
        made = partners.with_user(self.sender).sudo().create(values)
        self.assertFalse(self.env["secure.address"]._unconfirmed(made))
        public = self.env.ref("base.public_user")
        made = partners.with_user(public).sudo().create(values)
        self.assertEqual(len(self.env["secure.address"]._unconfirmed(made)), 2)

    def test_contact_made_by_a_form_of_the_website(self):
        """Odoo makes it as the superuser, whoever has filled it in."""
        for user, by_staff in ((None, False), ("portal7", False), ("sender", True)):
            with self.subTest(user=user):
                self.authenticate(user, user and f"{user}-{user}")
                made = self.fill_in_form(
                    {
                        "name": "New",
                        "email": "n@client.example",
                        "phone": "+32470111213",
                    }
                )
                unconfirmed = self.env["secure.address"]._unconfirmed(made)
                self.assertEqual(len(unconfirmed), 0 if by_staff else 2)
                rows = self.env["secure.address"].sudo()
                rows = rows.search([("partner_id", "=", made.id)])
                self.assertFalse(any(rows.mapped("by_staff")))
                self.contact.phone = "+32 470 12 34 56"
                self.fill_in_form({"phone": "+32 470 11 22 33"}, self.contact)
                changed = rows.search([("partner_id", "=", self.contact.id)])
                self.assertEqual(changed.by_staff, by_staff)

    def fill_in_form(self, values, partner=None):
        """As website/controllers/form.py writes what somebody has typed, in a request
        of a route for everybody."""
        routing, made = self.registry["ir.http"], []
        dispatch = routing._pre_dispatch

        def writing(rule, args):
            partners = request.env["res.partner"].with_user(SUPERUSER_ID)
            if partner:
                partners.browse(partner.id).update(values)
            else:
                made.append(partners.create(values).id)
            return dispatch(rule, args)

        self.env.flush_all()
        with patch.object(routing, "_pre_dispatch", writing):
            self.url_open("/mail/view", allow_redirects=False)
        self.env.invalidate_all()
        return self.env["res.partner"].browse(made)

    def test_own_user_changes_count_as_the_contacts(self):
        self.portal.with_user(self.portal).write({"phone": "+32 470 11 22 33"})
        changed = self.env["secure.address"].sudo().search([], order="id desc", limit=1)
        self.assertEqual(changed.partner_id, self.portal.partner_id)
        self.assertFalse(changed.by_staff)

    def test_merged_contact(self):
        self.send()
        self.contact.with_user(self.portal).sudo().phone = "+32 470 11 22 33"
        merge = self.env["base.partner.merge.automatic.wizard"].create({})
        both = self.contact | self.other_contact
        with mute_logger("odoo.addons.base.partner.merge"):
            merge._merge(both.ids, self.contact)
        self.assertTrue(self.unconfirmed())

    def test_no_more_queries_for_more_contacts(self):
        partners = self.env["res.partner"].create(
            [{"name": f"No. {n}", "email": f"n{n}@client.example"} for n in range(60)]
        )
        partners[0].phone = "+32 470 11 22 44"
        counts = []
        for some in (partners[1:20], partners[20:]):
            some.fetch(["phone_sanitized", "email_normalized"])
            self.env.flush_all()
            before = self.env.cr.sql_log_count
            some.write({"phone": "+32 470 11 22 33"})
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(*counts)

    def test_rows_are_nobodys(self):
        self.contact.phone = "+32 470 11 22 33"
        for model in ("secure.address", "secure.code"):
            for user in (self.manager, self.sender):
                with self.assertRaises(AccessError):
                    self.env[model].with_user(user).search([])
