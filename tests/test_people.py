"""Least-privileged people at every model, and what a contact's form allows."""

from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from ..tools import pin_policy
from ..tools.keyring import Purpose
from .common import CANARY, CANARY_SUBJECT, PIN, WRONG_PIN, SecureCase

OPERATIONS = ("read", "write", "create", "unlink")
NOBODY = ("secure.attempt", "secure.pin", "secure.grant", "secure.mail.answer")


@tagged("post_install", "-at_install")
class TestRights(SecureCase):
    def test_models_by_person(self):
        """What each may at most do, before any record rule."""
        allowed = {
            "secure.thread": {"sender": "read write", "manager": "read write"},
            "secure.link": {"sender": "read", "manager": "read"},
            "secure.access.log": {"sender": "read", "manager": "read"},
        }
        people = [
            self.sender,
            self.manager,
            self.clerk,
            self.portal,
            self.env.ref("base.public_user"),
        ]
        for model in (*allowed, *NOBODY):
            for user in people:
                expected = allowed.get(model, {}).get(user.login, "").split()
                for operation in OPERATIONS:
                    with self.subTest(
                        model=model, user=user.login, operation=operation
                    ):
                        may = self.env[model].with_user(user).has_access(operation)
                        self.assertEqual(may, operation in expected)

    def test_own_followed_unassigned(self):
        sent = self.send()
        thread = sent.thread.with_user(self.colleague)
        self.assertFalse(thread.has_access("read"))
        self.assertFalse(sent.link.with_user(self.colleague).has_access("read"))
        self.assertTrue(sent.link.with_user(self.sender).has_access("read"))
        self.assertFalse(self.env["secure.thread"].with_user(self.colleague).search([]))
        sent.thread.sudo().participant_ids = self.colleague
        self.assertTrue(thread.has_access("read"))
        self.assertEqual(thread.subject, CANARY_SUBJECT)
        sent.thread.sudo().participant_ids = False
        sent.thread.sudo().responsible_id = False
        self.assertTrue(thread.has_access("read"))
        self.assertTrue(sent.thread.with_user(self.manager).has_access("read"))

    def test_number_on_the_contact_is_ones_own(self):
        """Two people in one transaction, as in a batch, and one in two companies."""
        self.send(self.sender)
        other = self.env["res.company"].create({"name": "Other Office"})
        self.sender.company_ids += other
        self.env.invalidate_all()
        for user, count in ((self.sender, 1), (self.colleague, 0), (self.manager, 1)):
            with self.subTest(user=user.login):
                seen = self.contact.with_user(user).secure_thread_count
                self.assertEqual(seen, count)
        there = self.contact.with_user(self.sender)
        there = there.with_context(allowed_company_ids=other.ids)
        self.assertEqual(there.secure_thread_count, 0)

    def test_other_company(self):
        other = self.env["res.company"].create({"name": "Other Office"})
        sent = self.send()
        stranger = self._user(
            "stranger",
            "base.group_user,secure_messaging.group_manager",
            company_id=other.id,
            company_ids=[(6, 0, other.ids)],
            notification_type="email",
        )
        self.assertFalse(sent.thread.with_user(stranger).has_access("read"))
        self.assertFalse(sent.link.with_user(stranger).has_access("read"))
        self.assertFalse(self.env["secure.access.log"].with_user(stranger).search([]))

    def test_neither_sudo_nor_context_opens(self):
        """Template editors run code as superuser; clients send context keys."""
        sent = self.send()
        thread = sent.thread.with_user(self.clerk).sudo()
        self.assertFalse(thread.subject)
        for key in ("secure_own_code", "secure_decrypt", "su", "secure_seal_files"):
            self.assertFalse(thread.with_context(**{key: True}).subject)
        self.assertFalse(sent.thread.with_user(self.env.ref("base.user_root")).subject)

    def test_links_show_nothing_a_token_follows_from(self):
        sent = self.send()
        for field in ("public_id", "nonce", "fingerprint"):
            with self.assertRaises(AccessError):
                sent.link.with_user(self.manager).read([field])

    def test_log_is_written_by_nobody(self):
        self.send()
        log = self.env["secure.access.log"].sudo().search([], limit=1)
        for action in (
            lambda: log.write({"kind": "read"}),
            log.unlink,
            lambda: log.create({"kind": "read"}),
        ):
            with self.assertRaises(AccessError):
                action()

    def test_log_follows_the_conversation(self):
        sent = self.send()
        domain = [("thread_id", "=", sent.thread.id)]
        log = self.env["secure.access.log"]
        self.assertIn("sent", log.with_user(self.sender).search(domain).mapped("kind"))
        self.assertTrue(log.with_user(self.manager).search(domain))
        self.assertFalse(log.with_user(self.colleague).search(domain))
        with self.assertRaises(AccessError):
            log.search(domain, limit=1).with_user(self.colleague).read(["kind"])
        row = log.search([*domain, ("kind", "=", "sent")])
        self.assertEqual(row.address, "c***@client.example")
        self.assertEqual(row.message_id, sent.message.id)


@tagged("post_install", "-at_install")
class TestPins(SecureCase):
    def wizard(self, user, **values):
        return self.env["secure.pin.wizard"].with_user(user).create(values)

    def test_set_from_the_contact_form(self):
        with self.leak_scan() as scan:
            wizard = self.wizard(self.sender, partner_id=self.contact.id, pin=PIN)
            self.assertFalse(wizard.pin)
            self.assertNotIn(PIN, str(wizard.read()))
            self.assertNoLeak(scan, PIN)
        self.assertTrue(self.contact.with_user(self.sender).secure_pin_is_set)
        sent = self.send()
        self.assertEqual(sent.thread.pin_rule, "contact")
        self.visitor.open_gate(self.token, pin=PIN)
        self.assertIn(CANARY, self.visitor.text)

    def test_generated_is_shown_once(self):
        action = self.wizard(self.sender, partner_id=self.contact.id).action_generate()
        pin = action["params"]["pin"]
        self.assertEqual(len(pin), 6)
        self.send()
        self.visitor.open_gate(self.token, pin=pin)
        self.assertIn(CANARY, self.visitor.text)

    def test_bad_pins_are_refused(self):
        for pin, text in (
            ("123", "4 to 12"),
            ("12ab56", "digits"),
            ("0000", "guess"),
            ("3456", "guess"),
        ):
            with self.subTest(pin=pin), self.assertRaisesRegex(UserError, text):
                self.wizard(self.sender, partner_id=self.contact.id, pin=pin)

    def test_who_may_set(self):
        with self.assertRaises(AccessError):
            self.wizard(self.clerk, partner_id=self.contact.id, pin=PIN)
        with self.assertRaises(AccessError):
            self.wizard(self.manager, company_id=self.company.id, pin=PIN)
        self.wizard(
            self.env.ref("base.user_admin"), company_id=self.company.id, pin=PIN
        )
        self.assertEqual(self.send().thread.pin_rule, "default")

    def test_nearer_wins_and_only_gets_stricter(self):
        self.set_pin(self.company, "918273")
        sent = self.send()
        self.assertEqual(sent.thread.pin_rule, "default")
        self.set_pin(self.contact, PIN)
        self.assertEqual(sent.thread._effective_rule(), "contact")
        self.visitor.open_gate(self.token, pin="918273")
        self.assertEqual(self.visitor.status, 403)
        self.visitor.submit(pin=PIN)
        self.assertEqual(self.visitor.status, 200)
        again = self.send(thread=sent.thread)
        self.assertEqual(again.thread, sent.thread)
        self.assertEqual(sent.thread.pin_rule, "contact")
        self.env["secure.pin"]._clear(self.contact)
        self.assertEqual(sent.thread._effective_rule(), "contact")
        self.visitor.open_gate(self.token, pin=PIN)
        self.assertEqual(self.visitor.status, 403)

    def test_message_pin_starts_its_own_conversation(self):
        first = self.send()
        second = self.send(thread=first.thread, pin=PIN)
        self.assertNotEqual(first.thread, second.thread)
        self.assertEqual(second.thread.pin_rule, "message")

    def test_required_and_none(self):
        self.company.secure_pin_required = True
        with self.assertRaisesRegex(UserError, "PIN is required"):
            self.send()
        self.assertTrue(self.send(pin=PIN).link)

    def test_statement_14_renewed_when_the_cost_rises(self):
        """The old hash goes with the first right PIN: nobody has to set a new one."""
        pins, pin = self.env["secure.pin"], self.set_pin(self.contact)
        before = pin.hash_sealed
        dearer = pin_policy._hasher.using(rounds=2 * pin_policy._hasher.default_rounds)
        with patch.object(pin_policy, "_hasher", dearer):
            self.assertFalse(pins._matches(pin, WRONG_PIN))
            self.assertEqual(pin.hash_sealed, before)
            self.assertTrue(pins._matches(pin, PIN))
            renewed = pin.hash_sealed
            self.assertNotEqual(renewed, before)
            place = ("secure.pin", pin.secure_uid, "hash_sealed")
            hashed = self.env["secure.keyring"]._open(Purpose.PINS, place, renewed)
            self.assertFalse(pin_policy.needs_rehash(hashed))
            # Once: what is dear enough stays
            self.assertTrue(pins._matches(pin, PIN))
            self.assertFalse(pins._matches(pin, WRONG_PIN))
            self.assertEqual(pin.hash_sealed, renewed)
        self.assertEqual(pin.generation, 1, "open pages stay open")

    def test_pins_cannot_be_copied_or_read(self):
        pin = self.set_pin(self.contact)
        with self.assertRaises(UserError):
            pin.copy()
        for user in (self.sender, self.env.ref("base.user_admin")):
            with self.assertRaises(AccessError):
                pin.with_user(user).read(["hash_sealed"])

    def test_contact_copy_has_no_pin(self):
        self.set_pin(self.contact)
        self.assertFalse(self.env["secure.pin"]._of(self.contact.copy()))


@tagged("post_install", "-at_install")
class TestCompose(SecureCase):
    def form(self, user=None, **values):
        return (
            self.env["secure.compose"]
            .with_user(user or self.sender)
            .create(
                {
                    "partner_ids": [(6, 0, self.contact.ids)],
                    "subject": CANARY_SUBJECT,
                    "body": f"<p>{CANARY}</p>",
                    **values,
                }
            )
        )

    def test_sealed_as_it_arrives(self):
        with self.leak_scan() as scan:
            form = self.form(pin=PIN)
            self.env.flush_all()
            self.env.invalidate_all()
            self.assertEqual(form.subject, CANARY_SUBJECT)
            self.assertIn(CANARY, form.body)
            self.assertNoLeak(scan, PIN)

    def test_another_user_sees_nothing(self):
        form = self.form()
        with self.assertRaises(AccessError):
            form.with_user(self.colleague).read(["subject"])
        self.assertFalse(form.with_user(self.colleague).sudo().subject)
        with self.assertRaises(AccessError):
            form.with_user(self.colleague).action_send()

    def test_each_contact_alone(self):
        form = self.form(partner_ids=[(6, 0, [self.contact.id, self.other_contact.id])])
        with self.gateways():
            form.action_send()
        self.assertEqual(
            sorted(address for mail in self._mails for address in mail["email_to"]),
            [
                '"Clara Client" <clara@client.example>',
                '"Otto Other" <otto@client.example>',
            ],
        )
        threads = self.env["secure.thread"].search(
            [("responsible_id", "=", self.sender.id)]
        )
        self.assertEqual(threads.partner_id, self.contact | self.other_contact)

    def test_two_contacts_with_one_address_stay_apart(self):
        self.other_contact.email = self.contact.email
        form = self.form(partner_ids=[(6, 0, [self.contact.id, self.other_contact.id])])
        with self.gateways():
            form.action_send()
        self.assertEqual(len(self._mails), 2)
        threads = self.env["secure.thread"].search(
            [("responsible_id", "=", self.sender.id)]
        )
        self.assertEqual(len(threads), 2)

    def test_bad_recipients_are_named_and_the_others_sent_to(self):
        nobody = self.env["res.partner"].create({"name": "Nora Nothing"})
        wrong = self.env["res.partner"].create(
            {"name": "Willy Wrong", "phone": "12", "email": "x"}
        )
        cases = [
            ("email", nobody, "Nora Nothing has no email"),
            ("sms", nobody, "Nora Nothing has no phone"),
            ("email", wrong, "not valid"),
            ("sms", wrong, "not valid"),
        ]
        for channel, partner, text in cases:
            with self.subTest(text=text), self.gateways():
                form = self.form(
                    partner_ids=[(6, 0, [self.contact.id, partner.id])], channel=channel
                )
                self.assertIn(text, form.problem)
                form.action_send()
                self.leave()
                self.assertEqual(len(self._mails) + len(self._sms), 1)
            line = self.env["secure.dispatch.line"].search([], order="id desc", limit=1)
            self.assertEqual(line.partner_id, partner)
            self.assertIn(text, line.reason)

    def test_archived_contact_and_empty_message(self):
        form = self.form()
        self.contact.active = False
        with self.assertRaisesRegex(UserError, "archived"):
            form.action_send()
        self.contact.active = True
        with self.assertRaisesRegex(UserError, "write a message"):
            self.form(body="<p><br></p>").action_send()

    def test_form_tells_what_will_stop_it(self):
        """As the web client fills it in, before anything is saved."""
        nobody = self.env["res.partner"].create({"name": "Nora Nothing"})
        self.company.secure_pin_required = True
        with Form(self.env["secure.compose"].with_user(self.sender)) as form:
            form.partner_ids.add(nobody)
            self.assertIn("has no email", form.problem)
            form.partner_ids.remove(nobody.id)
            form.partner_ids.add(self.contact)
            self.assertIn("PIN is required", form.problem)
            form.pin = "1234"
            self.assertIn("guess", form.problem)
            form.pin = PIN
            self.assertFalse(form.problem)
            form.body = "x"

    def test_group_is_needed(self):
        with self.assertRaises(AccessError):
            self.form(self.clerk)

    def test_expiry_and_renewal_chosen(self):
        form = self.form(expiry_hours="240", renewable=False)
        with self.gateways():
            form.action_send()
        link = self.env["secure.link"].search([], limit=1)
        self.assertEqual(link.duration, 240)
        self.assertFalse(link.renewable)
