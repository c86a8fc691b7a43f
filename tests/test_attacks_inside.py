"""What colleagues and clients with a login may try to get into conversations of
others: by addresses, by recipients, by appointments, in somebody else's name."""

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged

from ..tools import own_code
from .common import CANARY
from .test_calendar import AppointmentCase
from .test_roads import RoadCase

NEW = "taken@elsewhere.example"


class InsideCase(RoadCase):
    """The sender's conversation with the contact, about the contact."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # May write on contacts and read their own conversations only
        groups = "base.group_user,base.group_partner_manager,"
        cls.insider = cls._user("insider", groups + "secure_messaging.group_user")
        # Who reads may write on contacts, too
        for reader in cls.sender, cls.manager:
            reader.group_ids |= cls.env.ref("base.group_partner_manager")

    def setUp(self):
        super().setUp()
        self.about = {"res_model": "res.partner", "res_id": self.contact.id}
        self.thread = self.send(**self.about).thread

    def move(self, user, **values):
        """Somebody changes the address; from outside as Odoo's portal does it."""
        contact = self.contact.with_user(user)
        (contact.sudo() if user == self.portal else contact).write(
            values or {"email": NEW}
        )

    def post(self, user, automatic=False, **values):
        """:return: the conversations that got it"""
        record = self.contact.with_user(user)
        if automatic:
            # As automations run: with all rights, set off by somebody
            record = record.sudo().with_context(**own_code.AUTOMATIC)
        before = self.env["mail.message"].search([], order="id desc", limit=1)
        with self.gateways():
            record.message_post(
                body="More",
                partner_ids=self.contact.ids,
                send_securely=True,
                **values,
            )
            self.leave()
            self.token = self.left_token()
        made = self.env["mail.message"].search(
            [("id", ">", before.id), ("model", "=", "secure.thread")]
        )
        self.assertTrue(made)
        return self.env["secure.thread"].browse(made.mapped("res_id"))

    def shown(self):
        self.visitor.open_gate(self.token)
        self.assertEqual(self.visitor.status, 200)
        return self.visitor.text


@tagged("post_install", "-at_install")
class TestMovedAddress(InsideCase):
    """A changed address does not bring the conversation with it."""

    def test_statement_27_somebody_outside_gets_nothing_of_before(self):
        self.move(self.portal)
        started = self.post(self.sender)
        self.assertNotEqual(started, self.thread)
        text = self.shown()
        self.assertIn("More", text)
        self.assertNotIn(CANARY, text)

    def test_nor_what_automations_and_templates_send(self):
        self.move(self.portal)
        root = self.env.ref("base.user_root")
        self.assertNotEqual(self.post(root), self.thread)
        self.assertNotIn(CANARY, self.shown())

    def test_second_message_goes_on_in_what_began_there(self):
        self.move(self.portal)
        started = self.post(self.sender)
        self.assertEqual(self.post(self.sender), started)
        with self.gateways():
            started.with_user(self.sender).message_post(
                body="And more",
                message_type="comment",
                subtype_xmlid="mail.mt_comment",
            )
        self.assertFalse(started.sudo().link_ids.filtered("revoked_at"))

    def test_writing_inside_is_refused_until_confirmed(self):
        self.move(self.portal)
        thread = self.thread.with_user(self.sender)
        comment = {"message_type": "comment", "subtype_xmlid": "mail.mt_comment"}
        for write in (
            lambda: thread.message_post(body="More", **comment),
            thread.action_resend,
        ):
            with self.gateways():
                with self.assertRaisesRegex(UserError, f"changed to {NEW}"):
                    write()
                self.assertFalse(self.left_text())
        contact = self.contact.with_user(self.sender)
        self.assertTrue(contact.secure_email_changed)
        contact.action_secure_confirm_email()
        contact.invalidate_recordset()
        self.assertFalse(contact.secure_email_changed)
        with self.gateways():
            thread.message_post(body="More", **comment)
            self.leave()
            self.token = self.left_token()
        self.assertIn(CANARY, self.shown())

    def test_nor_by_sms(self):
        thread = self.send(channel="sms").thread.with_user(self.sender)
        self.move(self.portal, phone="+32 470 99 88 77")
        with self.gateways(), self.assertRaisesRegex(UserError, "phone number of"):
            thread.action_resend()

    def test_archived_conversations_hear_of_it_as_well(self):
        archived = self.send(pin="839174").thread
        archived.active = False
        self.move(self.portal)
        self.contact.with_user(self.sender).action_secure_confirm_email()
        rows = self.env["secure.access.log"].search(
            [("kind", "=", "address_confirmed")]
        )
        self.assertIn(archived.id, rows.mapped("thread_id"))

    def test_notes_stay_possible(self):
        self.move(self.portal)
        self.assertTrue(self.thread.with_user(self.sender).message_post(body="Called"))

    def test_own_pin_begins_anew(self):
        self.move(self.portal)
        sent = self.send(thread=self.thread.with_user(self.sender), pin="839174")
        self.assertNotEqual(sent.thread, self.thread)

    def test_the_other_channel_is_not_concerned(self):
        self.move(self.portal)
        self.assertEqual(self.send(channel="sms", **self.about).thread, self.thread)

    def test_back_by_sms_does_not_open_the_email_address(self):
        self.move(self.portal)
        thread = self.send(
            channel="sms", res_model="res.partner", res_id=self.other_contact.id
        ).thread
        with self.assertRaisesRegex(UserError, f"changed to {NEW}"):
            self.send(thread=thread.with_user(self.sender), channel="email")

    def test_clerk_does_not_have_a_conversation_sent_to_themselves(self):
        for user in (self.writer, self.insider):
            with self.subTest(user.login):
                self.move(user)
                started = self.post(user)
                self.assertNotEqual(started, self.thread)
                self.assertNotIn(CANARY, self.shown())

    def test_nor_without_changing_anything(self):
        started = self.post(self.writer)
        self.assertNotEqual(started, self.thread)
        self.assertTrue(started.apart)
        self.assertEqual(self.post(self.manager), self.thread)

    def test_nor_by_setting_off_an_automation(self):
        self.move(self.writer)
        self.assertNotEqual(self.post(self.writer, automatic=True), self.thread)
        self.assertNotIn(CANARY, self.shown())

    def test_nor_by_waiting_for_one(self):
        self.move(self.writer)
        self.assertNotEqual(self.post(self.env.ref("base.user_root")), self.thread)
        self.assertNotIn(CANARY, self.shown())

    def test_nor_by_a_template(self):
        self.move(self.writer)
        with self.gateways():
            template = self.template.with_user(self.writer)
            template.send_mail(self.contact.id, force_send=True)
            self.token = self.left_token()
        self.assertNotIn(CANARY, self.shown())

    def test_who_reads_goes_on_and_so_do_automations(self):
        readers = self.sender | self.manager
        for user in (*readers, self.env.ref("base.user_root")):
            self.assertEqual(self.post(user), self.thread, user.login)
        self.assertEqual(self.post(self.writer, automatic=True), self.thread)
        self.move(self.sender)
        self.assertEqual(self.post(self.sender), self.thread)

    def test_who_started_apart_goes_on_there(self):
        started = self.post(self.insider)
        self.assertNotEqual(started, self.thread)
        self.assertEqual(self.post(self.insider), started)
        self.assertEqual(self.post(self.manager), self.thread)

    def test_queries_do_not_grow(self):
        counts = []
        # The first warms caches up
        for size in (2, 10, 40):
            partners = self.env["res.partner"].create(
                [
                    {"name": f"No. {n}", "email": f"s{size}n{n}@client.example"}
                    for n in range(size)
                ]
            )
            rows = [
                {
                    "partner": one,
                    "company": self.company,
                    "body": "x",
                    "responsible": self.sender,
                    "res_model": "res.partner",
                    "res_id": one.id,
                }
                for one in partners
            ]
            threads = self.env["secure.thread"].with_user(self.insider)
            threads.sudo()._send(rows, leave=False)
            partners.with_user(self.portal).sudo().write({"phone": "+32470111213"})
            for number, one in enumerate(partners.with_user(self.portal).sudo()):
                one.email = f"moved{size}n{number}@client.example"
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            drafts = self.env["secure.draft"].with_user(self.insider)
            made = [drafts._complete(row) for row in rows]
            self.assertFalse(threads._threads_about(made))
            self.assertFalse(threads.with_user(1)._threads_about(made))
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(*counts[1:])


@tagged("post_install", "-at_install")
class TestConfirming(InsideCase):
    def rows(self):
        return self.env["secure.access.log"].search(
            [("kind", "=", "address_confirmed"), ("thread_id", "=", self.thread.id)]
        )

    def test_it_is_in_the_log(self):
        self.move(self.portal)
        self.contact.with_user(self.manager).action_secure_confirm_email()
        row = self.rows()
        self.assertEqual(row.user_id, self.manager.id)
        self.assertEqual(
            (row.channel, row.address), ("email", "t***@elsewhere.example")
        )
        self.assertTrue(row.explanation)
        self.assertFalse(self.thread.activity_ids)
        self.contact.with_user(self.manager).action_secure_confirm_email()
        self.assertEqual(len(self.rows()), 1)

    def test_nobody_confirms_their_own_change_unseen(self):
        self.move(self.insider)
        self.contact.with_user(self.insider).action_secure_confirm_email()
        self.assertEqual(self.rows().user_id, self.insider.id)
        todo = self.thread.activity_ids
        self.assertEqual(todo.user_id, self.sender)
        self.assertIn("Insider", todo.summary)

    def test_a_practice_of_one_confirms(self):
        self.move(self.sender)
        self.contact.with_user(self.sender).action_secure_confirm_email()
        self.assertTrue(self.rows())
        self.assertFalse(self.thread.activity_ids)

    def test_one_call_for_all_conversations(self):
        counts = []
        self.move(self.portal)
        # The first warms caches up
        for size in (1, 3, 30):
            rows = [{"partner": self.contact, "company": self.company, "body": "x"}]
            self.env["secure.thread"].with_user(self.sender).sudo()._send(
                rows * size, leave=False
            )
            self.env["secure.address"].sudo().search([]).confirmed_at = False
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.contact.with_user(self.manager).action_secure_confirm_email()
            self.env.flush_all()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(*counts[1:])


@tagged("post_install", "-at_install")
class TestBroughtIn(InsideCase):
    """Nobody brings people into a conversation they do not read."""

    def bring(self, user, method):
        with self.gateways():
            return getattr(self.contact.with_user(user), method)(
                body="From the clerk",
                partner_ids=(self.contact | self.colleague.partner_id).ids,
                send_securely=True,
            )

    def test_clerk_brings_no_colleague_in(self):
        for method in ("message_notify", "message_post"):
            for user in (self.clerk, self.writer, self.insider):
                with self.subTest(method, user=user.login):
                    try:
                        self.bring(user, method)
                    except AccessError:
                        self.assertEqual(user, self.clerk)
                    self.assertNotIn(self.colleague, self.thread.participant_ids)
                    self.assertNotIn("From the clerk", self.clear(self.thread))
                    self.env.invalidate_all()
                    reader = self.thread.with_user(self.colleague)
                    self.assertFalse(reader.has_access("read"))

    def test_notifying_takes_what_posting_takes(self):
        with self.assertRaises(AccessError):
            self.bring(self.clerk, "message_notify")
        self.assertEqual(self.threads(), self.thread)

    def test_who_reads_brings_colleagues_in(self):
        self.bring(self.manager, "message_post")
        self.assertIn(self.colleague, self.thread.participant_ids)

    def test_an_automation_brings_nobody_in(self):
        contact = self.contact.with_user(self.writer).sudo()
        with self.gateways():
            contact.with_context(**own_code.AUTOMATIC).message_post(
                body="Stage",
                partner_ids=(self.contact | self.colleague.partner_id).ids,
                send_securely=True,
            )
        self.assertIn("Stage", self.clear(self.thread))
        self.assertNotIn(self.colleague, self.thread.participant_ids)


@tagged("post_install", "-at_install")
class TestAttending(AppointmentCase):
    """An appointment's conversation is not read by whoever can change it."""

    def setUp(self):
        super().setUp()
        self.intruder = self._user(
            "intruder", "base.group_user,secure_messaging.group_user"
        )
        with self.gateways():
            self.notify()
        self.assertEqual(len(self.threads()), 2)

    def join(self):
        event = self.event.with_user(self.intruder)
        event.with_context(no_mail_to_attendees=True).write(
            {"partner_ids": [Command.link(self.intruder.partner_id.id)]}
        )
        return event.with_context(no_mail_to_attendees=False)

    def assertOutside(self):
        self.env.invalidate_all()
        for thread in self.threads():
            self.assertNotIn(self.intruder, thread.participant_ids)
            self.assertFalse(thread.with_user(self.intruder).has_access("read"))

    def test_nobody_joins_by_moving_an_appointment(self):
        changed = self.env.ref("calendar.calendar_template_meeting_changedate")
        changed.send_securely = True
        event = self.join()
        before = len(self.env["mail.message"].search([("model", "=", "secure.thread")]))
        with self.gateways():
            later = fields.Datetime.add(event.start, minutes=5)
            event.write({"start": later})
            self.env.cr.postcommit.run()
        after = len(self.env["mail.message"].search([("model", "=", "secure.thread")]))
        self.assertGreater(after, before)
        self.assertOutside()

    def test_nor_by_waiting_for_a_reminder(self):
        self.join()
        inside = [("model", "=", "secure.thread")]
        before = self.env["mail.message"].search_count(inside)
        with self.gateways():
            self.notify(user=self.env.ref("base.user_root"))
        self.assertGreater(self.env["mail.message"].search_count(inside), before)
        self.assertOutside()

    def test_who_reads_lets_attendees_in(self):
        self.join()
        with self.gateways():
            self.notify(user=self.manager)
        for thread in self.threads():
            self.assertIn(self.intruder, thread.participant_ids)


@tagged("post_install", "-at_install")
class TestSomebodyElsesName(InsideCase):
    """What stands in a conversation was written by whom it names."""

    def notices(self):
        return self.env["mail.message"].search(
            [("model", "=", "secure.thread"), ("author_id", "=", self.contact.id)]
        )

    def test_no_notice_in_the_clients_name(self):
        values = {
            "author_id": self.contact.id,
            "email_from": self.contact.email_formatted,
            "partner_ids": self.manager.partner_id.ids,
            "body": "Please pay",
        }
        thread = self.thread.with_user(self.clerk)
        partners = self.env["res.partner"]
        named = {"model": "secure.thread", "res_id": self.thread.id}
        for record, more in ((thread, {}), (partners.with_user(self.clerk), named)):
            with self.gateways(), self.assertRaises(AccessError):
                record.message_notify(**values, **more)
        with self.gateways():
            self.thread.with_user(self.sender).message_notify(**values)
            with self.assertRaises(AccessError):
                partners.with_user(self.sender).message_notify(**values, **named)
        self.assertFalse(self.notices())

    def test_no_message_in_the_clients_name(self):
        messages = self.env["mail.message"].with_user(self.sender)
        for author in (self.contact, self.manager.partner_id):
            with self.assertRaises(AccessError):
                messages.create(
                    {
                        "model": "secure.thread",
                        "res_id": self.thread.id,
                        "author_id": author.id,
                        "message_type": "email",
                        "date": "2020-01-01 00:00:00",
                        "body": "I agree",
                    }
                )
        self.assertFalse(self.notices())

    def test_no_message_in_a_colleagues_name(self):
        with self.gateways():
            message = self.thread.with_user(self.sender).message_post(
                body="Signed",
                author_id=self.manager.partner_id.id,
                message_type="comment",
                subtype_xmlid="mail.mt_comment",
            )
        self.assertEqual(message.author_id, self.sender.partner_id)

    def test_odoos_own_lines_name_who_acts(self):
        thread = self.thread.with_user(self.sender)
        thread._message_log(
            body="Line", author_id=self.contact.id, email_from="x@client.example"
        )
        last = self.thread.message_ids.sorted("id")[-1:]
        self.assertEqual(last.author_id, self.sender.partner_id)
        self.assertNotIn("client.example", last.email_from)


@tagged("post_install", "-at_install")
class TestFormerResponsible(InsideCase):
    def test_a_todo_keeps_nobody_in(self):
        self.thread.sudo()._remind_responsible("link")
        self.assertEqual(self.thread.activity_ids.user_id, self.sender)
        self.thread.with_user(self.manager).responsible_id = self.manager
        self.env.invalidate_all()
        self.assertFalse(self.thread.with_user(self.sender).has_access("read"))

    def test_who_takes_part_stays(self):
        self.thread.with_user(self.manager).write(
            {
                "responsible_id": self.manager.id,
                "participant_ids": [Command.link(self.sender.id)],
            }
        )
        self.env.invalidate_all()
        self.assertTrue(self.thread.with_user(self.sender).has_access("read"))

    def test_nor_does_one_that_changes_nothing_put_anybody_out(self):
        self.thread.sudo()._remind_responsible("link")
        self.thread.with_user(self.manager).responsible_id = self.sender
        self.assertIn(self.sender.partner_id, self.thread.message_partner_ids)
