"""Sends of the Outbox: each recipient exactly once, whatever happens on the way."""

from contextlib import suppress
from datetime import timedelta
from unittest.mock import patch

import psycopg2
from freezegun import freeze_time

from odoo import SUPERUSER_ID, api, fields
from odoo.exceptions import AccessError, ConcurrencyError, UserError
from odoo.sql_db import db_connect
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models import secure_dispatch_run, secure_notification
from .common import (
    CANARY,
    CANARY_FILE,
    CANARY_FILE_NAME,
    CANARY_SUBJECT,
    PIN,
)
from .test_roads import RoadCase

RUN_LOGGER = "odoo.addons.secure_messaging.models.secure_dispatch_run"


class Killed(BaseException):
    """A worker that ends in the middle: nothing catches this."""


class DispatchCase(RoadCase):
    def setUp(self):
        super().setUp()
        # Mails wait for their queue, as after a commit
        self.startPatcher(patch.object(secure_notification, "SEND_NOW_LIMIT", -1))

    def plan(self, partners=None, user=None, scheduled_at=False, rows=None, **values):
        user = user or self.sender
        dispatches = self.env["secure.dispatch"].with_user(user)
        partners = self.both if partners is None else partners
        return dispatches._plan(
            {
                "origin": "compose",
                "channel": "email",
                "subject": CANARY_SUBJECT,
                "body": f"<p>{CANARY}</p>",
                "company_id": self.company.id,
                **values,
            },
            rows or [{"partner": partner} for partner in partners],
            scheduled_at,
        )

    def later(self, hours=1):
        return fields.Datetime.now() + timedelta(hours=hours)

    def run_cron(self):
        """In transactions of its own, as the cron does."""
        self.env.flush_all()
        with self.enter_registry_test_mode(), self.registry.cursor() as cr:
            api.Environment(cr, SUPERUSER_ID, {})["secure.dispatch"]._cron_run()
        self.env.invalidate_all()

    def leave(self):
        self.env["mail.mail"].search([("state", "=", "outgoing")]).send()
        return super().leave()

    def people(self, count, **values):
        return self.env["res.partner"].create(
            [
                {
                    "name": f"Person {number}",
                    "email": f"person{number}@client.example",
                    **values,
                }
                for number in range(count)
            ]
        )

    def reason(self, dispatch, partner):
        line = dispatch.line_ids.filtered(lambda line: line.partner_id == partner)
        return line.reason


@tagged("post_install", "-at_install")
class TestRun(DispatchCase):
    def test_now(self):
        with self.scan():
            dispatch = self.plan()
            dispatch._start()
            self.assertEqual(dispatch.state, "sent")
            self.assertSent(self.both)
        self.assertEqual(dispatch.progress, 100)
        self.assertEqual(dispatch.user_id, self.sender)
        self.assertEqual(set(dispatch.line_ids.mapped("delivery")), {"delivered"})

    def test_contacts_start_a_conversation_of_their_own(self):
        with self.gateways():
            self.plan(self.contact)._start()
            self.plan(self.contact)._start()
        self.assertEqual(len(self.threads()), 2)
        self.assertFalse(any(self.threads().mapped("res_id")))

    def test_about_documents_in_the_conversation_about_them(self):
        rows = [{"partner": self.other_contact, "res_id": self.contact.id}]
        with self.gateways():
            for _time in range(2):
                self.plan(rows=rows, res_model="res.partner")._start()
        [thread] = self.threads()
        self.assertEqual(thread.partner_id, self.other_contact)
        self.assertEqual(thread.res_id, self.contact.id)

    def test_200_in_chunks_by_the_cron(self):
        people = self.people(205)
        with self.gateways():
            dispatch = self.plan(people)
            dispatch._start()
            self.assertEqual(dispatch.state, "running")
            self.assertFalse(dispatch.sent_count)
            self.run_cron()
            self.assertEqual(dispatch.state, "sent")
            self.assertSent(people)

    def test_queries_do_not_grow(self):
        counts = []
        for number in (10, 40):
            people = self.env["res.partner"].create(
                [
                    {"name": f"P{number}", "email": f"p{number}-{i}@client.example"}
                    for i in range(number)
                ]
            )
            with self.gateways():
                dispatch = self.plan(people, scheduled_at=self.later())
                self.env.flush_all()
                self.env.invalidate_all()
                before = self.env.cr.sql_log_count
                dispatch._run_chunk(100)
                self.env.flush_all()
                counts.append(self.env.cr.sql_log_count - before)
            self.assertEqual(dispatch.sent_count, number)
        self.assertLess(counts[1] - counts[0], 10, counts)

    def test_scheduled(self):
        file = (CANARY_FILE_NAME, CANARY_FILE.encode())
        with self.scan():
            at = self.later()
            dispatch = self.plan(scheduled_at=at, files=[file], pin=PIN)
            dispatch._start()
            self.run_cron()
            self.assertNothingSent()
            self.assertEqual(dispatch.state, "scheduled")
        with self.scan(), freeze_time(at + timedelta(minutes=1)):
            self.run_cron()
            self.assertEqual(dispatch.state, "sent")
            self.assertSent(self.both)
        for thread in self.threads():
            self.assertEqual(thread.pin_rule, "message")
            self.assertEqual(self.files(thread), [file])

    def test_cron_is_called_for_the_time(self):
        at = self.later(30)
        cron = self.env.ref("secure_messaging.ir_cron_dispatch")
        self.plan(scheduled_at=at)._start()
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])
        self.assertIn(at, triggers.mapped("call_at"))

    def test_pin_is_kept_no_longer_than_needed(self):
        self.other_contact.email = False
        with self.gateways():
            dispatch = self.plan(pin=PIN)
            dispatch._start()
            self.assertEqual(dispatch.state, "failed")
            self.assertTrue(dispatch.sealed_pin)
            self.other_contact.email = "otto@client.example"
            dispatch.with_user(self.sender).action_retry()
        self.assertEqual(dispatch.state, "sent")
        self.assertFalse(dispatch.sealed_pin)
        self.assertTrue(dispatch.has_pin)
        self.assertEqual(set(self.threads().mapped("pin_rule")), {"message"})

    def test_forgotten_pin_is_never_left_out(self):
        self.other_contact.email = False
        with self.gateways():
            dispatch = self.plan(pin=PIN)
            dispatch._start()
            self.env["secure.dispatch"]._gc_pins()
            self.assertTrue(dispatch.sealed_pin)
            with freeze_time(fields.Datetime.now() + timedelta(days=31)):
                self.env["secure.dispatch"]._gc_pins()
            self.assertFalse(dispatch.sealed_pin)
            self.other_contact.email = "otto@client.example"
            with self.assertRaises(UserError):
                dispatch.with_user(self.sender).action_retry()
            dispatch.can_retry = True
            dispatch.with_user(self.sender).action_retry()
        self.assertEqual(dispatch.sent_count, 1)
        self.assertIn("PIN", self.reason(dispatch, self.other_contact))


@tagged("post_install", "-at_install")
class TestOnce(DispatchCase):
    """Whatever happens, nobody gets anything twice, and nobody is forgotten."""

    def test_killed_in_the_middle(self):
        people = self.people(250)
        dispatches = self.registry["secure.dispatch"]
        note = dispatches._note_lines
        seen = []

        def killed(dispatch, rows, results):
            seen.append(len(rows))
            if len(seen) == 2:
                raise Killed
            return note(dispatch, rows, results)

        with self.gateways():
            dispatch = self.plan(people)
            dispatch._start()
            # Not assertRaises: Odoo's would roll back what was committed
            with patch.object(dispatches, "_note_lines", killed), suppress(Killed):
                self.run_cron()
            self.env.invalidate_all()
            self.assertEqual(seen, [100, 100])
            self.assertEqual(dispatch.state, "running")
            self.assertEqual(dispatch.sent_count, 100)
            self.run_cron()
            self.assertEqual(dispatch.state, "sent")
            self.assertSent(people)

    def test_one_that_breaks_everything(self):
        """Some error nobody thought of, with one of many."""
        people = self.people(5)
        dispatches = self.registry["secure.dispatch"]
        deliver = dispatches._deliver

        def breaking(dispatch, rows, **kwargs):
            sent = deliver(dispatch, rows, **kwargs)
            if any(row["partner"] == people[3] for row in rows):
                raise ZeroDivisionError(CANARY)
            return sent

        with self.scan(), mute_logger(RUN_LOGGER):
            dispatch = self.plan(people)
            with patch.object(dispatches, "_deliver", breaking):
                dispatch._start()
            self.assertEqual(dispatch.state, "failed")
            self.assertSent(people - people[3])
            self.assertIn("wrong", self.reason(dispatch, people[3]))
        with self.gateways():
            dispatch.with_user(self.sender).action_retry()
            self.leave()
            self.assertEqual(
                [mail["email_to"] for mail in self._mails],
                [[people[3].email_formatted]],
            )

    def test_somebody_else_started_the_same_conversation(self):
        """The transaction is run again, as a whole."""
        dispatches = self.registry["secure.dispatch"]
        deliver = dispatches._deliver
        clashes = [
            ConcurrencyError("once"),
            psycopg2.errors.SerializationFailure("twice"),
        ]

        def clashing(dispatch, rows, **kwargs):
            sent = deliver(dispatch, rows, **kwargs)
            if clashes:
                raise clashes.pop()
            return sent

        with self.gateways():
            dispatch = self.plan(scheduled_at=self.later())
            dispatch.scheduled_at = self.later(-1)
            with patch.object(dispatches, "_deliver", clashing):
                self.run_cron()
            self.assertSent(self.both)
        self.assertEqual(dispatch.state, "sent")


@tagged("post_install", "-at_install")
class TestTwoCrons(DispatchCase):
    """With connections that really commit. What they write is taken away again."""

    def setUp(self):
        super().setUp()
        self.connection = db_connect(self.env.cr.dbname)
        with self.connection.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            partner = env["res.partner"].create({"name": "Twice"})
            dispatch = env["secure.dispatch"].create(
                {
                    "origin": "compose",
                    "channel": "email",
                    "company_id": env.company.id,
                    "state": "running",
                    "is_automatic": True,
                    "line_ids": [(0, 0, {"partner_id": partner.id})] * 3,
                }
            )
            self.ids = partner.id, dispatch.id
        self.addCleanup(self.forget)
        self.served = []
        self.startPatcher(
            patch.object(
                self.registry["secure.dispatch"], "_deliver_lines", self.deliver
            )
        )

    def forget(self):
        with self.connection.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["secure.dispatch"].browse(self.ids[1]).unlink()
            env["res.partner"].browse(self.ids[0]).unlink()

    @staticmethod
    def deliver(_dispatch, lines, _leave):
        lines.write({"state": "sent"})

    def worker(self, cr):
        return api.Environment(cr, SUPERUSER_ID, {})["secure.dispatch"].browse(
            self.ids[1]
        )

    def test_second_one_finds_it_taken(self):
        with self.connection.cursor() as one, self.connection.cursor() as two:
            self.assertEqual(self.worker(one)._run_chunk(2), 2)
            one.flush()
            self.assertEqual(self.worker(two)._run_chunk(2), 0)
            one.commit()
            # Begun before the first one was done: runs again, and sees the rest
            with (
                mute_logger("odoo.sql_db"),
                self.assertRaises(psycopg2.errors.SerializationFailure),
            ):
                self.worker(two)._run_chunk(2)
            two.rollback()
            self.assertEqual(self.worker(two)._run_chunk(2), 1)
            self.assertEqual(self.worker(two).state, "sent")

    def test_changed_while_a_worker_looks(self):
        with self.connection.cursor() as person, self.connection.cursor() as cron:
            claimed = self.worker(person)
            claimed._claim("running")
            self.assertEqual(self.worker(cron)._run_chunk(2), 0)
            claimed.action_cancel()
            person.commit()
            cron.rollback()
            self.assertEqual(self.worker(cron)._run_chunk(2), 0)
            self.assertEqual(self.worker(cron).sent_count, 0)


@tagged("post_install", "-at_install")
class TestBadRecipients(DispatchCase):
    def assertOnly(self, dispatch, good, **problems):
        """The good ones got it; each of the others is listed with its reason."""
        self.assertEqual(dispatch.state, "failed")
        self.assertSent(good, channel=dispatch.channel)
        failed = dispatch.line_ids.filtered(lambda line: line.state == "failed")
        self.assertEqual(len(failed), len(problems))
        self.assertEqual(dispatch.sent_count, len(good))

    def test_without_address_or_number(self):
        nobody = self.people(1, email=False)
        for channel in ("email", "sms"):
            with self.subTest(channel=channel), self.scan():
                self.threads().link_ids.unlink()
                before = self.threads()
                dispatch = self.plan(self.both | nobody, channel=channel)
                dispatch._start()
                self.leave()
                made = self.threads() - before
                self.assertEqual(made.partner_id, self.both)
                self.assertIn("has no", self.reason(dispatch, nobody))
                self.assertEqual(dispatch.state, "failed")

    def test_two_with_one_phone(self):
        self.other_contact.phone = self.contact.phone
        with self.scan():
            dispatch = self.plan(channel="sms")
            dispatch._start()
            self.assertSent(self.both, channel="sms")
        self.assertEqual(dispatch.state, "sent")

    def test_two_with_one_email(self):
        self.other_contact.email = self.contact.email
        with self.scan():
            self.plan()._start()
            self.assertSent(self.both)

    def test_blacklisted(self):
        self.env["mail.blacklist"].sudo()._add(self.contact.email)
        self.env["phone.blacklist"].sudo().add("+32470123456")
        for channel in ("email", "sms"):
            with self.subTest(channel=channel), self.gateways():
                dispatch = self.plan(channel=channel)
                dispatch._start()
                self.assertEqual(dispatch.sent_count, 1)
                self.assertIn("blacklist", self.reason(dispatch, self.contact))
                alone = self.plan(self.contact, channel=channel)
                alone._start()
                self.assertEqual(alone.state, "sent")

    def test_document_without_a_contact(self):
        rows = [
            {"partner": self.contact, "res_id": self.contact.id},
            {"res_id": self.env.ref("base.be").id},
        ]
        with self.scan():
            dispatch = self.plan(rows=rows, res_model="res.country")
            rows[0]["res_id"] = self.env.ref("base.fr").id
            dispatch._put_recipients(rows)
            dispatch._start()
            self.assertSent(self.contact)
        [failed] = dispatch.line_ids.filtered(lambda line: line.state == "failed")
        self.assertEqual(failed.reason, "There is no contact to send to.")

    def test_document_gone_or_hidden(self):
        cron = self.env["ir.cron"].search([], limit=1)
        rows = [
            {"partner": self.contact, "res_id": cron.id},
            {"partner": self.other_contact, "res_id": 0x7FFFFFFF},
        ]
        with self.gateways():
            dispatch = self.plan(rows=rows, res_model="ir.cron")
            dispatch._start()
            self.assertNothingSent()
        self.assertIn("gone", self.reason(dispatch, self.contact))
        self.assertIn("gone", self.reason(dispatch, self.other_contact))

    def test_text_that_cannot_be_filled_in_for_one(self):
        self.sender.group_ids |= self.env.ref("mail.group_mail_template_editor")
        body = f"<p>{CANARY} <t t-out=\"1 / len(object.email or '')\"/></p>"
        with self.scan():
            nobody = self.people(1, email=False)
            dispatch = self.plan(self.both | nobody, body=body)
            dispatch._start()
            self.assertSent(self.both)
        self.assertIn("filled in", self.reason(dispatch, nobody))

    def test_fields_are_those_of_each(self):
        body = f"<p>{CANARY} for <t t-out='object.name'/></p>"
        with self.scan():
            dispatch = self.plan(body=body, subject="To {{ object.name }}")
            dispatch._start()
            self.assertSent(self.both)
        for thread in self.threads():
            name = thread.partner_id.name
            self.assertIn(f"To {name}", self.clear(thread))
            self.assertIn(f"{CANARY} for {name}", self.clear(thread))

    def test_who_may_not_edit_templates_runs_no_code(self):
        self.env["ir.config_parameter"].set_param(
            "mail.restrict.template.rendering", "1"
        )
        editors = self.env.ref("mail.group_mail_template_editor")
        editors.sudo().user_ids -= self.sender
        self.env.ref("base.group_user").sudo().implied_ids -= editors
        self.assertFalse(self.sender.has_group("mail.group_mail_template_editor"))
        with self.gateways():
            dispatch = self.plan(body="<p><t t-out='object.env.cr.dbname'/></p>")
            dispatch._start()
            self.assertNothingSent()
        self.assertIn("filled in", self.reason(dispatch, self.contact))

    def test_archived_or_deleted_meanwhile(self):
        gone = self.people(1)
        at = self.later()
        with self.gateways(), freeze_time(at + timedelta(minutes=1)):
            dispatch = self.plan(self.both | gone, scheduled_at=at)
            self.contact.active = False
            gone.unlink()
            self.run_cron()
            self.assertSent(self.other_contact)
        self.assertIn("archived", self.reason(dispatch, self.contact))
        self.assertEqual(dispatch.failed_count, 2)
        self.assertEqual(dispatch.activity_ids.user_id, self.sender)

    def test_contact_of_another_company(self):
        other = self.env["res.company"].create({"name": "Other Office"})
        self.contact.company_id = other
        with self.gateways():
            dispatch = self.plan()
            dispatch._start()
            self.assertSent(self.other_contact)
        self.assertTrue(self.reason(dispatch, self.contact))

    def test_retry_is_for_the_failed_only(self):
        self.other_contact.email = False
        with self.gateways():
            dispatch = self.plan()
            dispatch._start()
            self.assertSent(self.contact)
        self.other_contact.email = "otto@client.example"
        with self.gateways():
            dispatch.with_user(self.sender).action_retry()
            self.leave()
            [mail] = self._mails
        self.assertIn("otto@client.example", mail["email_to"][0])
        self.assertEqual(dispatch.state, "sent")
        self.assertFalse(dispatch.activity_ids)
        with self.assertRaises(UserError):
            dispatch.with_user(self.sender).action_retry()

    def test_key_missing(self):
        with self.gateways():
            dispatch = self.plan(pin=PIN)
            keyring = self.registry["secure.keyring"]
            text = "the key is missing"
            locked = secure_dispatch_run.KeysUnavailable(text)
            with patch.object(keyring, "_ring", side_effect=locked):
                dispatch._start()
            self.assertNothingSent()
            self.assertEqual(self.reason(dispatch, self.contact), text)
            dispatch.with_user(self.sender).action_retry()
            self.assertSent(self.both)


@tagged("post_install", "-at_install")
class TestNotReached(DispatchCase):
    """Who has it in their conversation, but whose notification did not arrive."""

    def sent(self, *bounced, **values):
        """A send that left, and of which some notifications came back."""
        dispatch = self.plan(**values)
        dispatch._start()
        self.leave()
        self.bounce(dispatch, *bounced)
        return dispatch.with_user(self.sender)

    def bounce(self, dispatch, *partners, status="bounce"):
        for partner in partners:
            message = self.line(dispatch, partner).link_id.message_id
            rows = self.env["mail.message"].browse(message).notification_ids
            rows.write({"notification_status": status})
        self.env.invalidate_all()

    def line(self, dispatch, partner):
        lines = dispatch.sudo().line_ids
        return lines.filtered(lambda line: line.partner_id == partner)

    def outbound(self):
        return self.env["mail.message"].search_count(
            [("secure_direction", "=", "outbound")]
        )

    def test_new_link_for_one(self):
        for channel, status in (("email", "bounce"), ("sms", "exception")):
            with self.subTest(channel=channel), self.scan():
                dispatch = self.sent(channel=channel)
                self.bounce(dispatch, self.contact, status=status)
                line = self.line(dispatch, self.contact).with_user(self.sender)
                old, said = line.sudo().link_id, self.outbound()
                self.contact.write(
                    {"email": f"{channel}@new.example", "phone": "+32470101010"}
                )
                self._mails.clear()
                self._sms.clear()
                line.action_new_link()
                self.leave()
                [left] = self._mails or self._sms
                self.assertIn("/sm/", left["body"])
                new = line.sudo().link_id
                self.assertEqual(new.address, self.contact._secure_address(channel))
                self.assertEqual(old.replaced_by_id, new)
                self.assertIn(line.delivery, ("delivered", "left"))
                self.assertEqual(self.outbound(), said)
                with self.assertRaises(UserError):
                    line.action_new_link()
                other = self.line(dispatch, self.other_contact)
                with self.assertRaises(UserError):
                    other.with_user(self.sender).action_new_link()

    def test_who_may_send_a_new_link(self):
        with self.gateways():
            dispatch = self.sent(self.contact)
            line = self.line(dispatch, self.contact)
            for user in (self.colleague, self.clerk, self.portal):
                with self.subTest(user=user.login), self.assertRaises(AccessError):
                    line.with_user(user).action_new_link()
            line.with_user(self.manager).action_new_link()
            self.assertEqual(line.delivery, "queued")

    def test_new_link_without_an_address(self):
        with self.gateways():
            dispatch = self.sent(self.contact)
            line = self.line(dispatch, self.contact).with_user(self.sender)
            self.contact.email = False
            with self.assertRaises(UserError) as refused:
                line.action_new_link()
            self.assertIn("no email", str(refused.exception))
            self.contact.email = "clara@client.example"
            self.company.secure_messaging_enabled = False
            with self.assertRaises(UserError) as refused:
                line.action_new_link()
            self.assertIn("switched off", str(refused.exception))

    def test_withdrawn_links_stay_withdrawn(self):
        with self.gateways():
            dispatch = self.sent(self.contact)
            line = self.line(dispatch, self.contact)
            line.thread_id.with_user(self.manager).action_revoke()
            with self.assertRaisesRegex(UserError, "withdrawn"):
                line.with_user(self.sender).action_new_link()
            self.assertEqual(len(line.thread_id.link_ids), 1)
            with self.assertRaises(UserError):
                dispatch.action_retry()

    def test_failures_that_were_dismissed(self):
        """Whoever clears Odoo's list of failures has not reached anybody."""
        with self.gateways():
            dispatch = self.sent(self.contact)
            threads = self.env["secure.thread"].with_user(self.sender)
            threads.notify_cancel_by_type("email")
            self.env.invalidate_all()
            line = self.line(dispatch, self.contact)
            self.assertEqual(line.delivery, "error")
            self.assertEqual(dispatch.unreached_count, 1)
            line.with_user(self.sender).action_new_link()
            self.assertEqual(line.delivery, "queued")

    def test_queries_of_new_links_do_not_grow(self):
        counts = []
        for size in (5, 15):
            people = self.people(size)
            with self.gateways():
                dispatch = self.sent(*people, partners=people)
                self.env.flush_all()
                self.env.invalidate_all()
                before = self.env.cr.sql_log_count
                dispatch.action_retry()
                self.leave()
                self.env.flush_all()
            counts.append(self.env.cr.sql_log_count - before)
            self.assertEqual(dispatch.unreached_count, 0)
        # To lock an email, and to note that it left
        self.assertLessEqual((counts[1] - counts[0]) / 10, 2.2, counts)

    def test_retry(self):
        with self.scan():
            dispatch = self.sent(self.contact)
            self.assertEqual((dispatch.state, dispatch.unreached_count), ("sent", 1))
            said = self.outbound()
            self._mails.clear()
            dispatch.action_retry()
            self.leave()
            [mail] = self._mails
            self.assertIn("clara@client.example", mail["email_to"][0])
            self.assertEqual(self.outbound(), said)
            self.assertEqual((dispatch.state, dispatch.unreached_count), ("sent", 0))
            with self.assertRaises(UserError):
                dispatch.action_retry()

    def test_retry_of_refused_and_bounced(self):
        third = self.people(1, email=False)
        with self.scan():
            dispatch = self.sent(self.contact, partners=self.both | third)
            self.assertEqual(dispatch.state, "failed")
            third.email = "third@client.example"
            self._mails.clear()
            dispatch.action_retry()
            self.leave()
            left = sorted(mail["email_to"][0] for mail in self._mails)
            self.assertEqual(len(left), 2)
            self.assertIn("clara@client.example", left[0])
            self.assertIn("third@client.example", left[1])
        self.assertEqual((dispatch.state, dispatch.unreached_count), ("sent", 0))
        self.assertEqual(self.outbound(), 3)

    def test_retry_when_the_content_is_not_kept(self):
        third = self.people(1, email=False)
        with self.gateways():
            dispatch = self.sent(self.contact, partners=self.both | third)
            dispatch.sudo().can_retry = False
            dispatch.action_retry()
            self.assertEqual(dispatch.unreached_count, 0)
            self.assertEqual(self.line(dispatch, third).state, "failed")
            with self.assertRaises(UserError) as refused:
                dispatch.action_retry()
            self.assertIn("not kept", str(refused.exception))

    def test_retry_names_who_cannot_be_reached(self):
        with self.gateways():
            dispatch = self.sent(self.contact, self.other_contact)
            self.contact.email = False
            dispatch.action_retry()
            self.leave()
            self.assertIn("no email", self.reason(dispatch, self.contact))
            self.assertEqual(self.line(dispatch, self.contact).delivery, "bounced")
            line = self.line(dispatch, self.other_contact)
            self.assertEqual((line.delivery, line.reason), ("delivered", False))
            with self.assertRaises(UserError) as refused:
                dispatch.action_retry()
            self.assertIn("no email", str(refused.exception))
            self.contact.email = "clara@client.example"
            dispatch.action_retry()
            self.assertFalse(self.reason(dispatch, self.contact))

    def test_what_was_withdrawn_or_read_is_left_alone(self):
        with self.gateways():
            dispatch = self.sent(self.contact, self.other_contact)
            self.line(dispatch, self.contact).link_id._revoke()
            link = self.line(dispatch, self.other_contact).link_id
            link.opened_at = fields.Datetime.now()
            self.assertEqual(dispatch.unreached_count, 0)
            with self.assertRaises(UserError):
                dispatch.action_retry()

    def test_queries_do_not_grow(self):
        counts = {}
        for number in (5, 10, 40):
            people = self.env["res.partner"].create(
                [
                    {"name": f"P{n}", "email": f"p{n}.{number}@client.example"}
                    for n in range(number)
                ]
            )
            with self.gateways():
                dispatch = self.plan(people)
                dispatch._start()
                dispatch._run_chunk(100)
                self.leave()
                self.bounce(dispatch, *people)
                before = self.env.cr.sql_log_count
                dispatch.with_user(self.sender).action_retry()
                self.env.flush_all()
                counts[number] = self.env.cr.sql_log_count - before
        self.assertLess((counts[40] - counts[10]) / 30, 0.5, counts)


@tagged("post_install", "-at_install")
class TestAuthorLeft(DispatchCase):
    def held(self, **values):
        at = self.later()
        dispatch = self.plan(scheduled_at=at, **values)
        self.sender.active = False
        with freeze_time(at + timedelta(minutes=1)):
            self.run_cron()
        return dispatch

    def test_held_and_told(self):
        with self.gateways():
            dispatch = self.held()
            self.assertNothingSent()
        self.assertEqual((dispatch.state, dispatch.stopped), ("held", "author"))
        self.assertEqual(dispatch.activity_ids.user_id, self.manager)
        self.assertIn("has left", dispatch.activity_ids.summary)

    def test_default_responsible_may_decide(self):
        self.company.secure_responsible_id = self.colleague
        with self.scan():
            dispatch = self.held().with_user(self.colleague)
            self.assertIn(CANARY, dispatch.body)
            dispatch.action_release()
            self.assertEqual(dispatch.state, "scheduled")
            with freeze_time(self.later(2)):
                self.run_cron()
            self.assertSent(self.both)
        self.assertEqual(self.threads().responsible_id, self.colleague)
        self.assertEqual(dispatch.user_id, self.colleague)
        self.assertFalse(dispatch.activity_ids)

    def test_author_left_the_company_or_the_house(self):
        other = self.env["res.company"].create({"name": "Other Office"})
        at = self.later()
        with self.gateways():
            dispatch = self.plan(scheduled_at=at)
            self.sender.write({"company_ids": other.ids, "company_id": other.id})
            with freeze_time(at + timedelta(minutes=1)):
                self.run_cron()
            self.assertNothingSent()
        self.assertEqual(dispatch.state, "held")

    def test_author_may_no_longer_send(self):
        at = self.later()
        with self.scan():
            dispatch = self.plan(scheduled_at=at)
            self.sender.group_ids -= self.env.ref("secure_messaging.group_user")
            with freeze_time(at + timedelta(minutes=1)):
                self.run_cron()
            self.assertNothingSent()
            self.assertEqual((dispatch.state, dispatch.stopped), ("held", "right"))
            todo = dispatch.activity_ids
            self.assertEqual(todo.user_id, self.manager)
            self.assertIn("may no longer send", todo.summary)
            with freeze_time(at + timedelta(minutes=1)):
                dispatch.with_user(self.manager).action_release()
            self.assertSent(self.both)
        self.assertEqual((dispatch.state, dispatch.stopped), ("sent", False))

    def test_author_may_no_longer_send_the_rest(self):
        people = self.people(150)
        with self.gateways():
            dispatch = self.plan(people)
            dispatch._start()
            dispatch._run_chunk(100)
            self.sender.group_ids -= self.env.ref("secure_messaging.group_user")
            self.run_cron()
            self.assertSent(people[:100])
        self.assertEqual((dispatch.state, dispatch.waiting_count), ("held", 50))

    def test_sent_now_without_an_author_who_may(self):
        dispatch = self.plan(scheduled_at=self.later())
        self.sender.group_ids -= self.env.ref("secure_messaging.group_user")
        with self.gateways():
            dispatch.with_user(self.manager).action_send_now()
            self.assertNothingSent()
        self.assertEqual((dispatch.state, dispatch.stopped), ("held", "right"))

    def test_about_documents_the_group_is_not_needed(self):
        at = self.later()
        with self.gateways():
            dispatch = self.plan(
                user=self.writer,
                scheduled_at=at,
                origin="chatter",
                res_model="res.partner",
                rows=[{"partner": self.contact, "res_id": self.contact.id}],
            )
            with freeze_time(at + timedelta(minutes=1)):
                self.run_cron()
            self.assertSent(self.contact)
        self.assertEqual(dispatch.state, "sent")


@tagged("post_install", "-at_install")
class TestNobody(DispatchCase):
    """A filter that matches nobody when it is time."""

    def setUp(self):
        super().setUp()
        self.at = self.later()
        self.dispatch = self.plan(
            partners=self.contact.browse(),
            scheduled_at=self.at,
            recipient_filter="[('function', '=', 'Patient of ours')]",
        )

    def test_by_the_cron_it_fails(self):
        with self.scan(), freeze_time(self.at + timedelta(minutes=1)):
            self.run_cron()
            self.assertNothingSent()
            row = self.dispatch.with_user(self.sender)
            self.assertEqual((row.state, row.stopped), ("failed", "nobody"))
            self.assertEqual(row.activity_ids.user_id, self.sender)
            self.assertIn("no contact matched", row.activity_ids.summary)
            with self.assertRaises(UserError) as refused:
                row.action_retry()
            self.assertIn("No contact matches", str(refused.exception))
            self.assertEqual((row.state, row.stopped), ("failed", "nobody"))
            self.contact.function = "Patient of ours"
            row.action_retry()
            self.assertSent(self.contact)
        self.assertEqual((row.state, row.stopped), ("sent", False))
        self.assertFalse(row.activity_ids)

    def test_by_hand_it_is_refused(self):
        row = self.dispatch.with_user(self.sender)
        with self.gateways():
            with self.assertRaises(UserError) as refused:
                row.action_send_now()
            self.assertIn("No contact matches", str(refused.exception))
            self.assertEqual((row.state, row.stopped), ("scheduled", False))
            self.assertEqual(row.scheduled_at, self.at)
            self.contact.function = "Patient of ours"
            row.action_send_now()
            self.assertSent(self.contact)

    def test_author_who_left_is_told_of_first(self):
        self.sender.active = False
        with self.gateways(), freeze_time(self.at + timedelta(minutes=1)):
            self.run_cron()
        self.assertEqual(self.dispatch.stopped, "author")


@tagged("post_install", "-at_install")
class TestRights(DispatchCase):
    def setUp(self):
        super().setUp()
        file = (CANARY_FILE_NAME, CANARY_FILE.encode())
        self.dispatch = self.plan(scheduled_at=self.later(), files=[file], pin=PIN)

    def by(self, user):
        self.env.invalidate_all()
        return self.dispatch.with_user(user)

    def test_who_reads(self):
        for user in (self.sender, self.manager):
            with self.subTest(user=user.login):
                [row] = self.by(user).read(["subject", "body"])
                self.assertEqual(row["subject"], CANARY_SUBJECT)
                self.assertIn(CANARY, row["body"])
        for user in (self.colleague, self.clerk, self.portal):
            with self.subTest(user=user.login):
                with self.assertRaises(AccessError):
                    self.by(user).read(["subject", "body"])
                self.assertFalse(self.by(user).sudo().body)
                with self.assertRaises(AccessError):
                    self.dispatch.line_ids.with_user(user).read(["partner_id"])
        root = self.env(user=SUPERUSER_ID)
        self.assertFalse(self.dispatch.with_env(root).body)

    def test_sealed_columns_are_for_nobody(self):
        for name in ("sealed_subject", "sealed_body", "sealed_pin", "secure_uid"):
            with self.subTest(name=name), self.assertRaises(AccessError):
                self.by(self.manager).read([name])

    def test_who_acts(self):
        actions = ("action_send_now", "action_cancel", "action_change")
        for user in (self.colleague, self.clerk, self.portal):
            for action in (*actions, "action_retry", "action_release"):
                with (
                    self.subTest(user=user.login, action=action),
                    self.assertRaises(AccessError),
                ):
                    getattr(self.by(user), action)()
        self.assertEqual(self.dispatch.state, "scheduled")

    def test_nobody_writes(self):
        for user in (self.sender, self.manager):
            with self.assertRaises(AccessError):
                self.by(user).write({"state": "sent"})
            with self.assertRaises(AccessError):
                self.dispatch.line_ids.with_user(user).write({"state": "sent"})
            with self.assertRaises(AccessError):
                self.by(user).unlink()

    def test_files(self):
        file = self.dispatch.attachment_ids
        for user in (self.sender, self.manager):
            self.env.invalidate_all()
            mine = file.with_user(user)
            self.assertEqual(mine.secure_display_name, CANARY_FILE_NAME)
            stream = mine._to_http_stream()
            self.assertEqual(stream.data, CANARY_FILE.encode())
        for user in (self.colleague, self.clerk, self.portal):
            self.env.invalidate_all()
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                file.with_user(user)._to_http_stream()
            with self.assertRaises(AccessError):
                file.with_user(user).sudo()._to_http_stream()

    def test_files_stay_as_they_are(self):
        file = self.dispatch.attachment_ids.with_user(self.manager)
        for act in (file.unlink, file.copy, lambda: file.write({"name": "x"})):
            with self.assertRaises(AccessError):
                act()

    def test_send_now(self):
        with self.scan():
            self.by(self.sender).action_send_now()
            self.assertSent(self.both)
        self.assertEqual(self.dispatch.state, "sent")

    def test_cancel(self):
        with self.scan():
            self.by(self.manager).action_cancel()
            with freeze_time(self.later(2)):
                self.run_cron()
            self.assertNothingSent()
        self.assertEqual(self.dispatch.state, "cancelled")
        self.assertFalse(self.dispatch.sealed_pin)
        self.assertEqual(set(self.dispatch.line_ids.mapped("state")), {"cancelled"})
        for action in ("action_cancel", "action_send_now", "action_retry"):
            with self.assertRaisesRegex(UserError, "Cancelled"):
                getattr(self.by(self.sender), action)()

    def test_cancel_while_it_runs(self):
        people = self.people(150)
        with self.gateways():
            dispatch = self.plan(people)
            dispatch._start()
            dispatch._run_chunk(100)
            dispatch.with_user(self.sender).action_cancel()
            self.run_cron()
            self.assertSent(people[:100])
        self.assertEqual(dispatch.sent_count, 100)
        self.assertEqual(dispatch.line_count, 100)

    def test_body_shown_to_others_runs_nothing(self):
        body = "<p onclick='x()'>a<script>x()</script><t t-out='object.name'/></p>"
        dispatch = self.plan(body=body, is_final=True)
        shown = dispatch.with_user(self.manager).body
        self.assertNotIn("x()", shown)
        self.assertIn("object.name", shown)
