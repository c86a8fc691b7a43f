"""What becomes of conversations as the contact's record changes, ends or is merged."""

import re
from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import SUPERUSER_ID, api, fields
from odoo.exceptions import UserError
from odoo.sql_db import db_connect
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..models import secure_pin_bulk
from ..models.secure_code import CODE_WINDOWS
from ..tools import pin_policy
from ..tools.pin_policy import WRONG_PINS_PER_CONTACT
from .common import CANARY, CANARY_FILE, CANARY_FILE_NAME, PIN, SecureCase, Visitor

OTHER_PIN = "574931"
DEFAULT_PIN = "918273"


class LifeCase(SecureCase):
    """Somebody who keeps contacts, and is no reader of conversations."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keeper = cls._user("keeper", "base.group_user,base.group_partner_manager")

    def enter(self, token, pin=None):
        visitor = Visitor(self)
        visitor.open_gate(token, pin=pin)
        return visitor

    def assertInside(self, visitor):
        visitor.get("/" + visitor.path)
        self.assertEqual(visitor.status, 200)
        self.assertIn(CANARY, visitor.text)

    def assertOutside(self, visitor):
        visitor.get("/" + visitor.path)
        self.assertNotIn(CANARY, visitor.text)

    def state(self, token):
        """What the holder of a link is told, by status."""
        return self.visitor.get(f"/sm/{token}").status_code

    def wrong_pins(self, partner):
        counters = self.env["secure.attempt"].search(
            [("kind", "=", "contact"), ("key", "=", str(partner.id))]
        )
        counters.invalidate_recordset()
        return counters.total


@tagged("post_install", "-at_install")
class TestEnds(LifeCase):
    def test_statement_27_archived(self):
        sent = self.send()
        visitor, token = self.enter(self.token), self.token
        self.assertInside(visitor)
        self.contact.with_user(self.keeper).active = False
        self.assertOutside(visitor)
        self.assertEqual(self.state(token), 410)
        with self.assertRaisesRegex(UserError, "archived"):
            self.send(thread=sent.thread)
        self.assertTrue(sent.thread.with_user(self.sender).has_access("read"))

    def test_unarchived_links_live_as_long_as_they_would_have(self):
        sent, token = self.send(), None
        token = self.token
        self.contact.with_user(self.keeper).active = False
        self.assertEqual(self.state(token), 410)
        self.contact.with_user(self.keeper).active = True
        self.assertInside(self.enter(token))
        sent.link.sudo().expires_at = fields.Datetime.now() - timedelta(seconds=1)
        self.assertEqual(self.state(token), 410)

    def test_not_deleted_and_told_why(self):
        sent = self.send()
        with self.assertRaisesRegex(UserError, "secure conversations with Clara"):
            self.contact.with_user(self.keeper).unlink()
        sent.thread.sudo().active = False
        with self.assertRaisesRegex(UserError, "secure conversations with Clara"):
            self.contact.with_user(self.keeper).unlink()

    def test_one_without_conversation_is_deleted_with_the_pin(self):
        pin = self.set_pin(self.other_contact)
        self.other_contact.with_user(self.keeper).unlink()
        self.assertFalse(pin.exists())


@tagged("post_install", "-at_install")
class TestChanges(LifeCase):
    def test_statement_27_another_address(self):
        """Links and open doors end, and come back with nothing but the old address."""
        for field, channel, value in (
            ("email", "email", "clara@elsewhere.example"),
            ("phone", "sms", "+32 470 99 99 99"),
        ):
            with self.subTest(channel=channel):
                link = self.send(channel=channel).link
                token = self.token
                visitor = self.enter(token)
                self.assertInside(visitor)
                self.assertEqual(link._state(), "live")
                old = self.contact[field]
                self.contact.with_user(self.keeper)[field] = value
                self.assertOutside(visitor)
                self.assertEqual(self.state(token), 410)
                self.assertEqual(link._state(), "revoked")
                self.contact.with_user(self.keeper)[field] = False
                self.assertOutside(visitor)
                self.contact.with_user(self.keeper)[field] = old
                self.assertEqual(self.state(token), 200)

    def test_the_other_channel_is_not_concerned(self):
        self.send(channel="sms")
        token = self.token
        self.contact.email = "clara@elsewhere.example"
        self.assertInside(self.enter(token))

    def test_same_address_written_otherwise_is_the_same(self):
        self.send()
        self.contact.email = '"Clara" <CLARA@Client.example>'
        self.assertInside(self.enter(self.token))

    def test_after_a_change_staff_decide(self):
        """The page does not send to the new address; who answers is told."""
        sent = self.send()
        token = self.token
        self.contact.email = "clara@elsewhere.example"
        sent.link.sudo().expires_at = fields.Datetime.now() - timedelta(seconds=1)
        with self.gateways():
            self.visitor.get(f"/sm/{token}")
            self.visitor.submit(self.visitor.form("/renew"))
            self.assertFalse(self._mails)
        self.assertIn("address has changed", sent.thread.activity_ids.summary)
        with self.gateways():
            sent.thread.with_user(self.sender).action_resend()
            self.assertEqual(self._mails[0]["email_to"], self.addressed())
            self.assertInside(self.enter(self.left_token()))

    def addressed(self):
        return [f'"{self.contact.name}" <{self.contact.email_normalized}>']

    def test_two_at_one_address_stay_apart(self):
        self.other_contact.write(
            {"email": self.contact.email, "phone": self.contact.phone}
        )
        self.set_pin(self.contact, PIN)
        self.set_pin(self.other_contact, OTHER_PIN)
        for channel in ("email", "sms"):
            with self.subTest(channel=channel):
                first = self.send(channel=channel)
                first_token = self.token
                second = self.send(channel=channel, partner=self.other_contact)
                self.assertNotEqual(first.thread, second.thread)
                self.assertInside(self.enter(first_token, PIN))
                self.assertInside(self.enter(self.token, OTHER_PIN))
                for token, pin in ((first_token, OTHER_PIN), (self.token, PIN)):
                    visitor = self.enter(token, pin)
                    self.assertEqual(visitor.status, 403)

    def test_statement_46_moved_to_another_company(self):
        """What was sent stays readable; nothing more leaves for the old company."""
        other = self.env["res.company"].create({"name": "Second Office"})
        sent = self.send()
        token = self.token
        self.contact.company_id = other
        self.assertInside(self.enter(token))
        with self.assertRaisesRegex(UserError, "belongs to another company"):
            self.send(thread=sent.thread)
        with self.assertRaisesRegex(UserError, "belongs to another company"):
            sent.thread.with_user(self.manager).action_resend()
        self.assertEqual(sent.thread.company_id, self.company)

    def test_becomes_a_colleague(self):
        """An account for staff opens no conversation that one had as a contact."""
        sent = self.send()
        token = self.token
        user = new_test_user(
            self.env,
            login="clara",
            email=self.contact.email,
            groups="base.group_user,secure_messaging.group_user",
            partner_id=self.contact.id,
        )
        self.assertFalse(sent.thread.with_user(user).has_access("read"))
        self.assertNotIn(self.contact, sent.thread.message_partner_ids)
        self.assertInside(self.enter(token))

    def test_becomes_a_portal_user(self):
        sent = self.send()
        user = new_test_user(
            self.env,
            login="clara",
            email=self.contact.email,
            groups="base.group_portal",
            partner_id=self.contact.id,
        )
        self.assertFalse(sent.thread.with_user(user).has_access("read"))
        self.assertFalse(
            self.env["secure.thread"].with_user(user).has_access("read"),
        )

    def test_names_are_only_text(self):
        """In email, SMS, page and back office, whatever stands in a name."""
        for name in (
            "<script>alert(1)</script> \"';--",
            "\u202egpj.exe \u2066עברית العربية",
            "N" * 5000,
            "{{ secure_link }} [[secure_link]] {{ object.password }}",
            "Name\r\nBcc: everybody@client.example\r\n\r\nBody",
            "Clara\x00\x0b\x1f",
        ):
            clean = name.replace("\x00", "")
            with self.subTest(name=name[:20]):
                self.contact.name = clean
                sent = self.send(channel="email")
                [mail] = self._mails
                for text in (mail["subject"], *mail["email_to"]):
                    self.assertNotRegex(text, "[\r\n]")
                self.assertNotIn("<script>", mail["body"])
                addresses = re.findall(r'href="([^"]*)"', mail["body"])
                self.assertEqual(len(addresses), 2)
                self.assertTrue(all(self.token in each for each in addresses))
                visitor = self.enter(self.token)
                self.assertInside(visitor)
                self.assertNotIn("<script>alert", visitor.text)
                self.send(channel="sms", thread=sent.thread)
                [sms] = self._sms
                self.assertEqual(sms["body"].count("/sm/"), 1)
                self.assertNotRegex(sms["body"], "[\x00-\x09\x0b-\x1f]")


@tagged("post_install", "-at_install")
class TestMerged(LifeCase):
    """Odoo's own wizard, used by who may merge contacts and nothing else."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_contact.email = cls.contact.email
        # Long ago
        cls.env["secure.address"].sudo().search([]).unlink()
        cls.document = cls.env.ref("base.be")

    def merge(self, into=None):
        into = into or self.contact
        wizard = self.env["base.partner.merge.automatic.wizard"].with_user(self.keeper)
        both = self.contact | self.other_contact
        # As the list's action does; the wizard calls _merge from its button
        wizard = wizard.with_context(
            active_model="res.partner", active_ids=both.ids
        ).create({"dst_partner_id": into.id})
        with mute_logger("odoo.sql_db"):
            wizard.action_merge()
        # As the commit does
        self.env.cr.flush()
        self.env.invalidate_all()
        self.assertEqual(both.exists(), into)
        return into

    def pins_of(self, partner):
        return self.env["secure.pin"]._of(partner)

    def test_conversations_links_and_log_come_along(self):
        mine = self.send(attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())])
        my_token = self.token
        theirs = self.send(partner=self.other_contact)
        merged = self.merge()
        threads = mine.thread | theirs.thread
        self.assertEqual(threads.partner_id, merged)
        self.assertTrue(all(threads.mapped("active")))
        log = self.env["secure.access.log"].with_user(self.manager)
        for sent in (mine, theirs):
            kinds = log.search([("thread_id", "=", sent.thread.id)]).mapped("kind")
            self.assertIn("sent", kinds)
        for token in (my_token, self.token):
            self.assertInside(self.enter(token))

    def test_addresses_are_to_be_confirmed_anew(self):
        """One-time codes go to no address that came with the other contact."""
        self.send()
        for contact in (self.contact, self.other_contact):
            contact.with_user(self.keeper).phone = "+32 470 99 88 77"
        self.env["secure.address"].with_user(self.sender)._confirm(self.contact, "sms")
        merged = self.merge()
        self.assertEqual(
            self.env["secure.address"]._unconfirmed(merged),
            {(merged.id, "email"), (merged.id, "sms")},
        )

    def change_phone(self, partner, phone, user=None):
        """By the contact, unless said otherwise."""
        partner.with_user(user or self.portal).sudo().phone = phone
        return {(partner.id, "sms")}

    def test_changed_by_somebody_outside_stays_so(self):
        """Until staff confirm it, long after those who changed one lately may."""
        addresses = self.env["secure.address"]
        for owner, into, with_threads in (
            (0, 0, False),
            (1, 0, False),
            (0, 1, True),
            (1, 0, True),
        ):
            with (
                self.subTest(owner=owner, into=into, with_threads=with_threads),
                self.env.cr.savepoint() as point,
            ):
                both = self.contact, self.other_contact
                if with_threads:
                    self.send()
                self.change_phone(both[owner], "+32 470 99 88 77")
                merged = self.merge(into=both[into])
                with freeze_time(fields.Datetime.now() + timedelta(days=30)):
                    unconfirmed = addresses._unconfirmed(merged)
                self.assertEqual(unconfirmed, {(merged.id, "sms")})
                addresses.with_user(self.sender)._confirm(merged, "sms")
                self.assertNotIn((merged.id, "sms"), addresses._unconfirmed(merged))
                point.rollback()
                self.env.invalidate_all()

    def test_a_number_that_comes_along_is_as_it_was(self):
        """Odoo writes it to the merged contact, by the user who merges."""
        addresses = self.env["secure.address"]
        self.contact.phone = False
        addresses.with_user(self.sender)._confirm(self.contact, "sms")
        self.change_phone(self.other_contact, "+32 470 99 88 77")
        merged = self.merge()
        self.assertEqual(merged.phone, "+32 470 99 88 77")
        self.assertEqual(addresses._outside(merged), {(merged.id, "sms")})

    def test_changed_by_staff_lately_stays_so(self):
        addresses = self.env["secure.address"]
        self.change_phone(self.other_contact, "+32 470 99 88 77", self.keeper)
        merged = self.merge()
        self.assertEqual(addresses._unconfirmed(merged), {(merged.id, "sms")})
        self.assertFalse(addresses._outside(merged))

    def test_confirmed_before_is_not_to_be_confirmed_anew(self):
        """Where nothing was written to any of them."""
        addresses = self.env["secure.address"]
        self.change_phone(self.other_contact, "+32 470 99 88 77")
        addresses.with_user(self.sender)._confirm(self.other_contact, "sms")
        merged = self.merge()
        self.assertFalse(addresses._unconfirmed(merged))

    def test_in_both_directions(self):
        sent = self.send()
        theirs = self.send(partner=self.other_contact)
        merged = self.merge(into=self.other_contact)
        self.assertEqual((sent.thread | theirs.thread).partner_id, merged)

    def test_statement_27_doors_close(self):
        self.send()
        mine = self.enter(self.token)
        self.send(partner=self.other_contact)
        theirs = self.enter(self.token)
        self.assertInside(mine)
        self.assertInside(theirs)
        self.merge()
        self.assertOutside(mine)
        self.assertOutside(theirs)

    def test_links_to_another_address_die(self):
        self.other_contact.email = "otto@client.example"
        self.send(partner=self.other_contact)
        token = self.token
        admin = self.env.ref("base.user_admin")
        self.patch(type(self), "keeper", admin)
        self.merge()
        self.assertEqual(self.state(token), 410)

    def test_the_only_pin_is_asked_for_everywhere(self):
        for owner, into in ((0, 0), (0, 1), (1, 0), (1, 1)):
            with self.subTest(owner=owner, into=into), self.env.cr.savepoint() as point:
                both = self.contact, self.other_contact
                self.set_pin(both[owner])
                self.send()
                tokens = [self.token]
                self.send(partner=self.other_contact)
                tokens.append(self.token)
                merged = self.merge(into=both[into])
                self.assertTrue(self.pins_of(merged))
                for token in tokens:
                    self.assertEqual(self.enter(token).status, 403)
                    self.assertInside(self.enter(token, PIN))
                point.rollback()
                self.env.invalidate_all()

    def test_of_two_pins_none_is_kept(self):
        """Whoever knows one of them must not read what the other one guarded."""
        for into in (0, 1):
            with self.subTest(into=into), self.env.cr.savepoint() as point:
                self.set_pin(self.contact, PIN)
                self.set_pin(self.other_contact, OTHER_PIN)
                mine = self.send()
                tokens = [self.token]
                theirs = self.send(partner=self.other_contact)
                tokens.append(self.token)
                merged = self.merge(into=(self.contact, self.other_contact)[into])
                self.assertFalse(self.pins_of(merged))
                for token in tokens:
                    for pin in (PIN, OTHER_PIN):
                        self.assertEqual(self.enter(token, pin).status, 403)
                threads = mine.thread | theirs.thread
                [todo] = threads.activity_ids
                self.assertIn("set a new one", todo.summary)
                self.set_pin(merged, "602835")
                for token in tokens:
                    self.assertInside(self.enter(token, "602835"))
                point.rollback()
                self.env.invalidate_all()

    def test_a_removed_pin_counts_as_one(self):
        """Its conversations were closed, and the other contact's PIN opens none."""
        self.set_pin(self.contact, PIN)
        self.send()
        token = self.token
        self.env["secure.pin"]._clear(self.contact)
        self.set_pin(self.other_contact, OTHER_PIN)
        self.merge()
        for pin in (PIN, OTHER_PIN):
            self.assertEqual(self.enter(token, pin).status, 403)

    def later_pins(self, pins):
        """PINs that wait to be set by the cron."""
        bulks = self.env["secure.pin.bulk"].with_user(self.manager)
        with patch.object(secure_pin_bulk, "CHUNK", 0):
            return bulks._set_pins(pins, "imported")

    def assertNotSet(self, bulk):
        with patch.object(
            type(self.env["ir.cron"]), "_commit_progress", return_value=60.0
        ):
            self.env["secure.pin.bulk"]._cron_run()
        lines = bulk.line_ids.sudo()
        self.assertEqual(set(lines.mapped("state")), {"failed"})
        self.assertIn("merged with another", lines[0].reason)
        self.assertFalse(any(lines.mapped("pin_sealed")))
        self.assertEqual(bulk.state, "failed")
        self.assertIn("could not be set", bulk.activity_ids.summary)

    def test_of_two_pins_that_wait_none_is_set(self):
        bulk = self.later_pins({self.contact: PIN, self.other_contact: OTHER_PIN})
        merged = self.merge()
        self.assertNotSet(bulk)
        self.assertFalse(self.pins_of(merged))

    def test_a_pin_that_waits_is_not_set_in_place_of_a_removed_one(self):
        """What the removed one guarded would open to the other's."""
        for into in (0, 1):
            with self.subTest(into=into), self.env.cr.savepoint() as point:
                self.set_pin(self.contact, PIN)
                self.send()
                token = self.token
                self.env["secure.pin"]._clear(self.contact)
                bulk = self.later_pins({self.other_contact: OTHER_PIN})
                merged = self.merge(into=(self.contact, self.other_contact)[into])
                self.assertNotSet(bulk)
                self.assertFalse(self.pins_of(merged))
                self.assertEqual(self.enter(token, OTHER_PIN).status, 403)
                point.rollback()
                self.env.invalidate_all()

    def test_archived_conversations_are_tightened_too(self):
        sent = self.send()
        sent.thread.sudo().active = False
        self.set_pin(self.contact, PIN)
        self.assertEqual(sent.thread.pin_rule, "contact")

    def test_no_pin_at_all_needs_none(self):
        self.send()
        self.merge()
        self.assertInside(self.enter(self.token))

    def test_a_conversations_own_pin_stays(self):
        sent = self.send(partner=self.other_contact, pin=PIN)
        token = self.token
        self.set_pin(self.contact, OTHER_PIN)
        self.merge()
        self.assertEqual(sent.thread.pin_rule, "message")
        self.assertEqual(self.enter(token, OTHER_PIN).status, 403)
        self.assertInside(self.enter(token, PIN))

    def test_statement_20_wrong_pins_add_up(self):
        attempts = self.env["secure.attempt"]
        for partner, count in ((self.contact, 20), (self.other_contact, 29)):
            with attempts._own_transaction() as counters:
                for _number in range(count):
                    counters._count(
                        "contact", str(partner.id), None, fields.Datetime.now()
                    )
            self.addCleanup(attempts._forgive, partner)
        self.assertEqual(self.wrong_pins(self.contact), 20)
        self.set_pin_kept(self.contact)
        self.send(partner=self.other_contact)
        merged = self.merge()
        self.assertEqual(self.wrong_pins(merged), WRONG_PINS_PER_CONTACT - 1)
        self.enter(self.token, "111222")
        self.assertEqual(self.enter(self.token, PIN).status, 429)

    def test_statement_20_rations_add_up(self):
        """The window goes on: it does not end with the older of the two."""
        attempts = self.env["secure.attempt"]
        now = fields.Datetime.now()

        def asks(partner, minutes):
            with freeze_time(now + timedelta(minutes=minutes)):
                return attempts._allow(CODE_WINDOWS, str(partner.id))

        self.assertTrue(asks(self.contact, -50))
        self.assertTrue(asks(self.other_contact, -2))
        self.assertTrue(asks(self.other_contact, -1))
        merged = self.merge()
        self.assertFalse(asks(merged, 11), "three within the hour")
        self.assertTrue(asks(merged, 59))

    def test_statement_20_counts_move_with_the_contacts_and_once(self):
        """Neither when the merge fails, nor twice when it is run again. With
        connections that really commit; what they write is taken away again."""
        keys = 2**30 + 1, 2**30 + 2
        connection = db_connect(self.env.cr.dbname)

        def execute(query, *params):
            with connection.cursor() as cr:
                cr.execute("SET LOCAL lock_timeout = '5s'")
                cr.execute(query, params)
                return cr.description and cr.fetchall()

        def counts():
            return dict(
                execute(
                    "SELECT key::int, total FROM secure_attempt WHERE key IN (%s, %s)",
                    *map(str, keys),
                )
            )

        self.addCleanup(
            execute,
            "DELETE FROM secure_attempt WHERE key IN (%s, %s)",
            *map(str, keys),
        )
        for key, total in zip(keys, (20, 29), strict=True):
            execute(
                """INSERT INTO secure_attempt
                          (kind, key, window_start, window_count, total)
                   VALUES ('contact', %s, NOW(), 0, %s)""",
                str(key),
                total,
            )
        for end, left in (
            ("rollback", {keys[0]: 20, keys[1]: 29}),
            ("commit", {keys[0]: 49}),
            ("commit", {keys[0]: 49}),
        ):
            with connection.cursor() as cr:
                cr.execute("SET LOCAL lock_timeout = '5s'")
                env = api.Environment(cr, SUPERUSER_ID, {})
                into, merged = (env["res.partner"].browse(key) for key in keys)
                env["secure.attempt"]._add_up(merged, into)
                getattr(cr, end)()
            self.assertEqual(counts(), left)

    def set_pin_kept(self, partner):
        """A new PIN forgives what was wrong before; this one was there before."""
        digits = self.env["secure.pin"]
        values = digits._sealed_hash(False, pin_policy.hash_pin(PIN))
        digits.sudo().create({"partner_id": partner.id, **values})

    def test_two_conversations_about_one_document(self):
        about = {"res_model": self.document._name, "res_id": self.document.id}
        older = self.send(partner=self.other_contact, **about)
        old_token = self.token
        newer = self.send(**about)
        new_token = self.token
        older.thread.sudo().last_message_date -= timedelta(days=1)
        for into in (self.contact, self.other_contact):
            with self.subTest(into=into.name), self.env.cr.savepoint() as point:
                self.merge(into=into)
                self.assertEqual((older.thread | newer.thread).partner_id, into)
                self.assertFalse(older.thread.active)
                self.assertTrue(newer.thread.active)
                self.assertEqual(self.state(old_token), 410)
                self.assertInside(self.enter(new_token))
                self.assertEqual(self.send(partner=into, **about).thread, newer.thread)
                reader = older.thread.with_user(self.sender)
                self.assertEqual(len(reader.message_ids), 1)
                log = self.env["secure.access.log"].search(
                    [("thread_id", "=", older.thread.id), ("kind", "=", "revoked")]
                )
                self.assertEqual(log.detail, "merged")
                point.rollback()
                self.env.invalidate_all()

    def test_conversations_about_the_contacts_themselves(self):
        """As automatic sends have them that are about no document."""
        threads = {}
        for partner in (self.contact, self.other_contact):
            about = {"res_model": "res.partner", "res_id": partner.id}
            threads[partner] = self.send(partner=partner, **about).thread
        threads[self.contact].last_message_date -= timedelta(days=1)
        merged = self.merge()
        alive = threads[self.other_contact]
        self.assertFalse(threads[self.contact].active)
        self.assertEqual(alive.res_id, merged.id)
        again = self.send(partner=merged, res_model="res.partner", res_id=merged.id)
        self.assertEqual(again.thread, alive)

    def test_a_planned_send_reaches_nobody_twice(self):
        form = (
            self.env["secure.compose"]
            .with_user(self.sender)
            .create(
                {
                    "partner_ids": [(6, 0, [self.contact.id, self.other_contact.id])],
                    "body": f"<p>{CANARY}</p>",
                    "scheduled_at": fields.Datetime.now() + timedelta(days=1),
                }
            )
        )
        form.action_send()
        merged = self.merge()
        lines = self.env["secure.dispatch.line"].search(
            [("partner_id", "=", merged.id)]
        )
        self.assertEqual(sorted(lines.mapped("state")), ["cancelled", "waiting"])
