"""The log: one row for each thing that happened, and none that says too much."""

from ast import literal_eval
from collections import Counter
from datetime import timedelta

from freezegun import freeze_time
from lxml import etree

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from ..models.secure_access_log import KINDS
from ..tools.pin_policy import RENEWALS_PER_HOUR
from .common import (
    CANARY_FILE,
    CANARY_FILE_NAME,
    CANARY_REPLY,
    PIN,
    WRONG_PIN,
    SecureCase,
    Visitor,
)
from .test_page_rights import file_urls

NETWORK = "127.0.0.0/24"


class LogCase(SecureCase):
    def rows(self, thread, *kinds):
        """Rows as the sender finds them, oldest first."""
        domain = [("thread_id", "=", thread.id)]
        if kinds:
            domain.append(("kind", "in", kinds))
        return (
            self.env["secure.access.log"]
            .with_user(self.sender)
            .search(domain, order="id")
        )

    def counts(self, thread):
        return Counter(self.rows(thread).mapped("kind"))


@tagged("post_install", "-at_install")
class TestLogOfVisits(LogCase):
    def test_each_thing_once(self):
        sent = self.send(
            pin=PIN, attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())]
        )
        self.visitor.get(f"/sm/{self.token}")
        self.assertEqual(self.counts(sent.thread), {"sent": 1, "delivered": 1})
        self.visitor.submit(pin=WRONG_PIN)
        self.visitor.submit(pin=PIN)
        path = self.visitor.path
        for _again in range(2):
            self.visitor.get("/" + path)
        self.visitor.get(file_urls(self.visitor.text)[0])
        self.visitor.get("/" + path)
        self.visitor.submit(self.visitor.form(path), body=CANARY_REPLY)
        self.visitor.submit(self.visitor.form("/leave"))
        expected = [
            "sent",
            "delivered",
            "opened",
            "pin_refused",
            "pin_accepted",
            "read",
            "file_taken",
            "replied",
            "left",
        ]
        rows = self.rows(sent.thread)
        self.assertEqual(rows.mapped("kind"), expected)
        for row in rows[2:]:
            with self.subTest(kind=row.kind):
                self.assertEqual(row.network, NETWORK)
                self.assertEqual(row.address, "c***@client.example")
                self.assertEqual(row.channel, "email")
                self.assertEqual(row.thread_name, sent.thread.name)
                self.assertEqual(row.partner_id, self.contact.id)
                self.assertEqual(row.company_id, self.company)
                self.assertEqual(row.link_id, sent.link.id)
                self.assertFalse(row.user_name)
        reply = sent.thread.message_ids.sorted("id")[-1]
        self.assertEqual(rows[5].message_id, sent.message.id)
        self.assertEqual(rows[7].message_id, reply.id)

    def test_first_opening_only(self):
        sent = self.send()
        for visitor in (Visitor(self), Visitor(self)):
            visitor.open_gate(self.token)
        self.assertEqual(
            self.counts(sent.thread),
            {"sent": 1, "delivered": 1, "opened": 1, "read": 1},
        )

    def test_double_click_is_one_reply(self):
        sent = self.send()
        self.visitor.open_gate(self.token)
        action, hidden = self.visitor.forms()[self.visitor.form(self.visitor.path)]
        for _click in range(2):
            self.visitor.post(action, data={**hidden, "body": "once"})
        self.assertEqual(self.counts(sent.thread)["replied"], 1)

    def test_number_is_masked(self):
        sent = self.send(channel="sms")
        self.visitor.open_gate(self.token)
        [row] = self.rows(sent.thread, "opened")
        self.assertEqual((row.address, row.channel), ("+32***56", "sms"))


@tagged("post_install", "-at_install")
class TestLogOfRenewals(LogCase):
    def ask(self, sent, token):
        moment = sent.link.sudo().expires_at + timedelta(seconds=1)
        with freeze_time(moment, tick=True), self.gateways():
            self.visitor.get(f"/sm/{token}")
            self.visitor.submit(self.visitor.form("/renew"))

    def test_renewed(self):
        sent = self.send()
        self.ask(sent, self.token)
        self.assertEqual(
            self.counts(sent.thread), {"sent": 2, "delivered": 2, "renewed": 1}
        )
        [row] = self.rows(sent.thread, "renewed")
        self.assertEqual(row.network, NETWORK)
        self.assertEqual(row.address, "c***@client.example")

    def test_refused_for_the_address(self):
        sent = self.send()
        self.contact.email = "new@client.example"
        self.ask(sent, self.token)
        self.assertEqual(
            self.counts(sent.thread), {"sent": 1, "delivered": 1, "renewal_refused": 1}
        )
        [row] = self.rows(sent.thread, "renewal_refused")
        self.assertEqual((row.detail, row.network), ("moved", NETWORK))
        self.assertEqual(row.address, "c***@client.example")

    def test_refused_for_what_would_stop_a_send(self):
        sent = self.send()
        self.company.secure_pin_required = True
        self.ask(sent, self.token)
        self.assertEqual(
            self.counts(sent.thread), {"sent": 1, "delivered": 1, "renewal_refused": 1}
        )
        [row] = self.rows(sent.thread, "renewal_refused")
        self.assertEqual((row.detail, row.network), ("refused", NETWORK))
        self.assertFalse(self._mails)

    def test_beyond_the_limit(self):
        """Nothing happens, not even in the log: asking is free for whoever asks."""
        for _conversation in range(RENEWALS_PER_HOUR):
            self.ask(self.send(), self.token)
            self.assertEqual(len(self._mails), 1)
        sent = self.send()
        self.ask(sent, self.token)
        self.assertFalse(self._mails)
        self.assertEqual(self.counts(sent.thread), {"sent": 1, "delivered": 1})


@tagged("post_install", "-at_install")
class TestLogOfPins(LogCase):
    def wizard(self, **values):
        return (
            self.env["secure.pin.wizard"]
            .with_user(self.sender)
            .create({"partner_id": self.contact.id, **values})
        )

    def test_set_generated_and_removed(self):
        """In each conversation of the contact, by name of who did it."""
        threads = self.send().thread | self.send(user=self.colleague).thread
        other = self.send(partner=self.other_contact).thread
        log = self.env["secure.access.log"].with_user(self.manager)
        for count, change in enumerate(
            (
                lambda: self.wizard(pin=PIN).action_save(),
                lambda: self.wizard().action_generate(),
                lambda: self.wizard().action_clear(),
            ),
            start=1,
        ):
            change()
            rows = log.search([("kind", "=", "pin_set")])
            self.assertEqual(
                Counter(rows.mapped("thread_id")), dict.fromkeys(threads.ids, count)
            )
            self.assertEqual(set(rows.mapped("user_name")), {"Sender"})
            self.assertEqual(set(rows.mapped("partner_id")), {self.contact.id})
        self.assertNotIn("pin_set", self.counts(other))

    def test_by_the_form(self):
        thread = self.send().thread
        wizards = self.env["secure.pin.wizard"].with_user(self.sender)
        with Form(wizards.with_context(default_partner_id=self.contact.id)) as form:
            form.pin = PIN
        self.assertEqual(self.counts(thread)["pin_set"], 1)


@tagged("post_install", "-at_install")
class TestLogScreen(LogCase):
    def test_of_archived_conversations_as_well(self):
        thread = self.send().thread
        thread.active = False
        log = self.env["secure.access.log"].with_user(self.sender)
        self.assertTrue(log.search([("thread_id", "=", thread.id)]))

    def test_visitors_have_no_name(self):
        link = self.send().link
        log = self.env["secure.access.log"].with_user(self.portal).sudo()
        self.assertFalse(log._log("read", link).user_id)

    def test_rows_by_their_number_are_for_who_may_read_them(self):
        row = self.rows(self.send().thread, "sent")
        for user in (self.sender, self.manager):
            self.assertTrue(row.with_user(user).read(["kind"]))
            self.assertIsNone(row.with_user(user)._check_access("read"))
        for user in (self.colleague, self.clerk):
            self.assertFalse(row.with_user(user).has_access("read"))
            with self.assertRaises(AccessError):
                row.with_user(user).read(["kind"])
        self.assertFalse(row.with_user(self.colleague).browse().has_access("write"))

    def test_what_delivered_means(self):
        """Not the same for an email as for an SMS, and the screen says so."""
        [row] = self.rows(self.send().thread, "delivered")
        self.assertIn("mail server accepted", row.explanation)
        thread = self.send(channel="sms").thread
        self.env["secure.access.log"]._log("delivered", thread.sudo().link_ids)
        rows = self.rows(thread, "delivered")
        self.assertEqual(
            set(rows.mapped("explanation")),
            {"The SMS gateway reported that the SMS arrived."},
        )

    def arch(self, kind):
        view = self.env["secure.access.log"].get_view(view_type=kind)
        return etree.fromstring(view["arch"])

    def kinds_of(self, filters):
        """The events that the filters of these names show."""
        return {
            kind
            for one in self.arch("search").iterfind("filter")
            if one.get("name") in filters
            for [_field, _in, kinds] in literal_eval(one.get("domain"))
            for kind in kinds
        }

    def test_each_event_is_found_by_a_filter(self):
        by_subject = {"sending", "reading", "pins", "consents", "running"}
        self.assertEqual(self.kinds_of(by_subject), set(dict(KINDS)))

    def test_what_needs_attention_has_a_colour(self):
        [badge] = self.arch("list").iterfind("field[@name='kind']")
        coloured = set()
        for colour in ("danger", "warning"):
            _kind, _in, kinds = badge.get(f"decoration-{colour}").partition(" in ")
            coloured |= set(literal_eval(kinds))
        self.assertEqual(coloured, self.kinds_of({"trouble"}))
        self.assertIn("key_compromised", coloured)

    def test_events_are_explained(self):
        log, link = self.env["secure.access.log"], self.send().link
        known = set()
        for kind, detail in (
            ("code_sent", False),
            ("code_refused", "code_no_sms"),
            ("code_refused", "code_new_email"),
            ("consent_given", "v1 en_US"),
            ("consent_declined", "v1 en_US"),
            ("consent_withdrawn", "v1 en_US"),
            ("default_pin_set", False),
            ("default_pin_removed", False),
            ("key_compromised", False),
            ("revoked", "merged"),
            ("revoked", False),
        ):
            row = log._log(kind, link, detail=detail).with_user(self.manager)
            self.assertTrue(row.explanation, kind)
            known.add(row.explanation)
        self.assertEqual(len(known), 11)

    def test_found_by_contact(self):
        sent, other = self.send(), self.send(partner=self.other_contact)
        log = self.env["secure.access.log"].with_user(self.sender)
        found = log.search([("partner_name", "ilike", "Clara")])
        self.assertIn(sent.thread.id, found.mapped("thread_id"))
        self.assertNotIn(other.thread.id, found.mapped("thread_id"))
        self.contact.active = False
        self.assertEqual(log.search([("partner_name", "ilike", "Clara")]), found)

    def test_changed_settings(self):
        """What is asked before somebody reads: who changed it, from what to what."""
        company = self.company
        before = self.env["secure.access.log"].search([("thread_id", "=", False)])
        field = self.env["ir.model.fields"]._get("res.partner", "ref")
        company.secure_pin_required = not company.secure_pin_required
        company.write({"secure_pin_source": "field", "secure_pin_field_id": field.id})
        company.secure_pin_source = "field"
        company.secure_messaging_enabled = False
        company.secure_pin_source = "code"
        rows = self.env["secure.access.log"].search([("thread_id", "=", False)])
        rows = (rows - before).sorted("number")
        self.assertEqual(
            [(row.kind, row.detail) for row in rows],
            [
                ("setting_changed", "secure_pin_required: - > True"),
                ("setting_changed", "secure_pin_source: default > field"),
                ("setting_changed", "secure_pin_field_id: - > ref"),
                ("switched_off", False),
            ],
        )
        self.assertEqual(rows.mapped("company_id"), company)

    def test_settings_changed_while_switched_off(self):
        """What was sent before is read then, too, and asks for the other PIN."""
        self.send()
        before = self.env["secure.access.log"].search([("thread_id", "=", False)])
        self.company.secure_messaging_enabled = False
        self.company.secure_pin_source = "code"
        self.company.secure_messaging_enabled = True
        rows = self.env["secure.access.log"].search([("thread_id", "=", False)])
        rows = (rows - before).sorted("number")
        self.assertEqual(
            [(row.kind, row.detail) for row in rows],
            [
                ("switched_off", False),
                ("setting_changed", "secure_pin_source: default > code"),
                ("switched_on", False),
            ],
        )

    def test_company_rows_lead_nowhere(self):
        log = self.env["secure.access.log"].with_user(self.manager)
        row = log.search([("thread_id", "=", False)], limit=1)
        self.assertEqual(row.kind, "switched_on")
        with self.assertRaises(UserError):
            row.action_open_thread()
