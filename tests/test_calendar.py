"""Appointments: invitations, reminders, what staff write about them, and numbers."""

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import Form, tagged

from ..tools import ics, own_code
from .common import CANARY, CANARY_FILE, CANARY_FILE_NAME, CANARY_SUBJECT
from .test_roads import RoadCase

# Templates stay in clear: the marked texts come about as they are rendered
MARKED_BODY = (
    "<p><t t-out=\"'CANARYbody' + '7351'\"/> for <t t-out='object.common_name'/></p>"
)
MARKED_SUBJECT = "{{ 'CANARYsubject' + '7352' }}"
MARKED_SMS = "{{ 'CANARYbody' + '7351' }} {{ format_date(object.start, 'EEEE') }}"


class AppointmentCase(RoadCase):
    """An appointment of two contacts, a colleague and its organiser."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Has no rights on conversations
        cls.organiser = cls._user("organiser", "base.group_user")
        cls.attendee_model = cls.env["ir.model"]._get("calendar.attendee")
        cls.event_model = cls.env["ir.model"]._get("calendar.event")
        cls.mail_template = cls.env["mail.template"].create(
            {
                "name": "Appointment",
                "model_id": cls.attendee_model.id,
                "subject": MARKED_SUBJECT,
                "body_html": MARKED_BODY,
                "lang": "{{ object.partner_id.lang }}",
                "send_securely": True,
            }
        )
        cls.sms_reminder = cls.env["sms.template"].create(
            {
                "name": "Appointment",
                "model_id": cls.event_model.id,
                "body": MARKED_SMS,
                "send_securely": True,
            }
        )
        cls.event = cls.appointment(
            cls.both | cls.colleague.partner_id | cls.organiser.partner_id
        )

    @classmethod
    def appointment(cls, partners, user=None, **values):
        user = user or cls.organiser
        events = cls.env["calendar.event"].with_user(user)
        start = fields.Datetime.now() + timedelta(days=2)
        return (
            events.with_context(no_mail_to_attendees=True)
            .create(
                {
                    "name": "Consultation",
                    "start": start,
                    "stop": start + timedelta(hours=1),
                    "user_id": user.id,
                    "partner_ids": [Command.set(partners.ids)],
                    **values,
                }
            )
            .with_context(no_mail_to_attendees=False)
        )

    def notify(self, attendees=None, template=None, user=None, **kwargs):
        attendees = attendees or self.event.attendee_ids
        attendees = attendees.with_user(user or self.organiser)
        template = (template or self.mail_template).with_user(user or self.organiser)
        attendees._notify_attendees(template, force_send=True, **kwargs)
        self.env.cr.postcommit.run()

    def attendee(self, partner, event=None):
        attendees = (event or self.event).attendee_ids
        return attendees.filtered(lambda row: row.partner_id == partner)

    def left_to_contacts(self):
        """Recipients of what left; staff are told by mail only if they like it so."""
        return sorted(mail["email_to"][0] for mail in self._mails)

    def notices(self, user):
        return self.env["mail.message"].search(
            [
                ("notified_partner_ids", "in", user.partner_id.ids),
                ("message_type", "=", "user_notification"),
                ("subject", "=", "Your appointments"),
            ]
        )


@tagged("post_install", "-at_install")
class TestInvitation(AppointmentCase):
    def test_content_stays_inside(self):
        self.mail_template.attachment_ids = self.upload(
            self.env.user, name="map.txt", raw=b"map"
        )
        with self.scan():
            self.notify()
            self.assertSent(self.both)
        for thread in self.threads():
            self.assertEqual(
                (thread.res_model, thread.res_id), ("calendar.event", self.event.id)
            )
            self.assertEqual(thread.responsible_id, self.organiser)
            self.assertEqual(thread.participant_ids, self.colleague)
            name = thread.partner_id.name
            self.assertIn(f"{CANARY} for {name}", self.clear(thread))
            names = {file_name for file_name, _data in self.files(thread)}
            self.assertEqual(names, {"invitation.ics", "map.txt"})
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(
            (dispatch.origin, dispatch.res_model), ("calendar", "calendar.event")
        )
        self.assertEqual(dispatch.user_id, self.organiser)
        self.assertEqual(set(dispatch.line_ids.mapped("res_id")), {self.event.id})
        self.assertFalse(
            self.env["ir.attachment"].search([("name", "=", "invitation.ics")])
        )
        self.assertIn("Clara Client", self.event.message_ids[0].body)

    def test_calendar_file_names_nobody_else(self):
        self.assertIn("Contact Details", self.event.description, "So does Odoo")
        self.event.description = "<p>Organiser and Clara Client</p>"
        with self.gateways():
            self.notify()
        for thread in self.threads():
            [(_name, data)] = self.files(thread)
            text = data.decode().replace("\r\n ", "")
            other = self.both - thread.partner_id
            self.assertIn(f"MAILTO:{thread.partner_id.email}", text)
            for stranger in (other.email, other.name, self.colleague.email):
                self.assertNotIn(stranger, text)
            self.assertIn("SUMMARY:Consultation", text)
            self.assertEqual("DESCRIPTION" in text, thread.partner_id == self.contact)

    def test_folded_lines_of_calendar_files(self):
        lines = [
            "BEGIN:VEVENT",
            "ATTENDEE;CN=A very long name:MAIL",
            " TO:other@x.example",
            "attendee:mailto:Own@x.example",
            "SUMMARY:ATTENDEE:",
            "END:VEVENT",
            "",
        ]
        data = "\r\n".join(lines).encode()
        kept = ics.for_attendee(data, "own@x.example").decode()
        self.assertEqual(kept, "\r\n".join([lines[0], *lines[3:]]))
        self.assertNotIn("Own", ics.for_attendee(data, False).decode())

    def test_colleagues_are_told_without_content(self):
        self.colleague.notification_type = "email"
        self.event.write({"name": "Talk about the divorce", "location": "Room 2"})
        with self.gateways():
            self.notify()
            told = [
                m for m in self._mails if self.colleague.email in str(m["email_to"])
            ]
            self.assertEqual(len(told), 1)
            for secret in ("divorce", "Room 2", "Clara", CANARY):
                self.assertNotIn(secret, str(told[0]))
            self.assertIn(f"res_id={self.event.id}", told[0]["body"])
        self.assertFalse(self.notices(self.organiser), "Knows: it was their act.")

    def test_only_colleagues(self):
        event = self.appointment(self.colleague.partner_id)
        with self.gateways():
            self.notify(event.attendee_ids)
            self.assertNothingSent()
        self.assertFalse(self.env["secure.dispatch"].search([]))
        self.assertEqual(len(self.notices(self.colleague)), 1)

    def test_odoos_own_filters(self):
        with self.gateways():
            self.notify(self.event.attendee_ids.with_context(no_mail_to_attendees=True))
            self.env["ir.config_parameter"].set_param("calendar.block_mail", "1")
            self.notify()
            self.env["ir.config_parameter"].set_param("calendar.block_mail", False)
            with patch.object(
                self.env.registry["calendar.event"],
                "_skip_send_mail_status_update",
                lambda event: True,
            ):
                self.notify()
            self.assertNothingSent()
            self.assertFalse(self.notices(self.colleague))
            self.notify()
            self.assertSent(self.both)

    def test_without_address(self):
        self.contact.email = False
        with self.gateways():
            self.notify()
            self.assertSent(self.other_contact)
        [dispatch] = self.env["secure.dispatch"].search([])
        [line] = dispatch.line_ids.filtered("reason")
        self.assertEqual(line.partner_id, self.contact)
        self.assertIn("no email", line.reason)
        self.contact.email = "clara@client.example"
        with self.scan():
            dispatch.with_user(self.organiser).sudo().action_retry()
            self.assertEqual(self.left_to_contacts(), [self.contact.email_formatted])
        self.assertEqual(dispatch.state, "sent")
        self.assertEqual(len(self.threads()), 2)
        for thread in self.threads():
            self.assertEqual(thread.participant_ids, self.colleague)
            self.assertEqual(thread.responsible_id, self.organiser)

    def test_switched_off(self):
        self.company.secure_messaging_enabled = False
        with self.scan():
            self.notify()
            self.assertNothingSent()
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(dispatch.failed_count, 2)

    def test_one_cannot_be_rendered(self):
        self.mail_template.body_html = (
            '<p t-if=\'object.event_id.location == "Nowhere" '
            "and object.common_name == \"Otto Other\"' t-out='1 / 0'/><p>fine</p>"
        )
        # Not before: Odoo tries a template with any attendee there is
        self.event.location = "Nowhere"
        with self.gateways():
            self.notify()
            self.assertSent(self.contact, text="fine")

    def test_organiser_answers_for_what_others_plan(self):
        event = self.appointment(self.contact, user=self.organiser)
        with self.gateways():
            self.notify(event.attendee_ids, user=self.clerk)
        [thread] = self.threads()
        self.assertEqual(thread.responsible_id, self.organiser)
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(dispatch.user_id, self.clerk)
        self.assertEqual(dispatch.responsible_id, self.organiser)

    def test_portal_users_do_not_send(self):
        attendees = self.event.attendee_ids.with_user(self.portal)
        with self.gateways(), self.assertRaises(AccessError):
            attendees._notify_attendees(self.mail_template)
        self.assertNothingSent()

    def test_through_odoo(self):
        """A new appointment and a change of its time, as staff make them."""
        for name in ("invitation", "changedate"):
            template = self.env.ref(f"calendar.calendar_template_meeting_{name}")
            template.write(
                {
                    "body_html": MARKED_BODY,
                    "subject": MARKED_SUBJECT,
                    "send_securely": True,
                }
            )
        start = fields.Datetime.now() + timedelta(days=3)
        with self.scan():
            event = (
                self.env["calendar.event"]
                .with_user(self.organiser)
                .create(
                    {
                        "name": "New",
                        "start": start,
                        "stop": start + timedelta(hours=1),
                        "partner_ids": [Command.set(self.both.ids)],
                    }
                )
            )
            self.assertSent(self.both)
            event.start += timedelta(hours=1)
            self.assertEqual(len(self._mails), 4)
        self.assertEqual(len(self.threads()), 2)

    def test_languages(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.contact.lang = "fr_FR"
        self.mail_template.body_html = (
            "<p>day <t t-out=\"format_date(object.event_id.start, 'EEEE')\"/></p>"
        )
        self.event.start = "2030-01-07 10:00:00"
        with self.gateways():
            self.notify()
        days = {t.partner_id: self.clear(t) for t in self.threads()}
        self.assertIn("lundi", days[self.contact])
        self.assertIn("Monday", days[self.other_contact])

    def test_each_event_its_own_conversation(self):
        event = self.appointment(self.contact)
        with self.gateways():
            self.notify(self.event.attendee_ids | event.attendee_ids)
        threads = self.threads().filtered(lambda t: t.partner_id == self.contact)
        self.assertEqual(set(threads.mapped("res_id")), {self.event.id, event.id})
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(len(dispatch.line_ids), 3)

    def test_companies_stay_apart(self):
        company = self.env["res.company"].create(
            {
                "name": "Second",
                "email": "office@second.example",
                "secure_messaging_enabled": True,
                "secure_pin_required": False,
                "secure_responsible_id": self.manager.id,
            }
        )
        elsewhere = self._user("elsewhere", "base.group_user")
        elsewhere.write(
            {"company_ids": [Command.set(company.ids)], "company_id": company.id}
        )
        event = self.appointment(self.contact, user=elsewhere)
        # sudo: as the cron does, as OdooBot of the first company
        with self.gateways():
            attendees = (self.event | event.sudo()).attendee_ids.with_user(1)
            attendees._notify_attendees(self.mail_template, notify_author=True)
        by_event = {thread.res_id: thread for thread in self.threads()}
        self.assertEqual(by_event[event.id].company_id, company)
        self.assertEqual(by_event[event.id].responsible_id, elsewhere)
        self.assertEqual(by_event[self.event.id].company_id, self.company)
        dispatches = self.env["secure.dispatch"].search([])
        self.assertEqual(dispatches.company_id, company | self.company)
        for dispatch in dispatches:
            self.assertEqual(
                dispatch.line_ids.thread_id.company_id, dispatch.company_id
            )

    def test_queries_for_an_attendee(self):
        counts = {}
        leaving = patch.object(
            self.env.registry["secure.notification"], "_let_leave", lambda *mails: None
        )
        with self.gateways(), leaving:
            self.notify()
            for number in (10, 40):
                partners = self.env["res.partner"].create(
                    [
                        {"name": f"P{n}", "email": f"p{number}.{n}@x.example"}
                        for n in range(number)
                    ]
                )
                event = self.appointment(partners | self.colleague.partner_id)
                attendees = event.attendee_ids.with_user(self.organiser)
                self.env.flush_all()
                self.env.invalidate_all()
                before = self.env.cr.sql_log_count
                attendees._notify_attendees(self.mail_template)
                self.env.flush_all()
                counts[number] = self.env.cr.sql_log_count - before
        self.assertLess((counts[40] - counts[10]) / 30, 1.0, counts)


@tagged("post_install", "-at_install")
class TestReminder(AppointmentCase):
    """By the cron, as OdooBot."""

    def alarm(self, kind="email", **values):
        alarm = self.env["calendar.alarm"].create(
            {
                "name": "Reminder",
                "alarm_type": kind,
                "duration": 60,
                "interval": "hours",
                "mail_template_id": kind == "email" and self.mail_template.id,
                "sms_template_id": kind == "sms" and self.sms_reminder.id,
                **values,
            }
        )
        self.event.with_user(self.organiser).write({"alarm_ids": alarm.ids})
        return alarm

    def remind(self):
        self.env.flush_all()
        manager = self.env["calendar.alarm_manager"].with_user(1)
        manager.with_context(
            lastcall=fields.Datetime.now() - timedelta(days=1)
        )._send_reminder()
        self.env.cr.postcommit.run()
        self.leave()

    def test_toggle_follows_the_template(self):
        alarm = self.alarm()
        self.assertTrue(alarm.secure_send)
        self.mail_template.send_securely = False
        self.assertFalse(alarm.secure_send)
        alarm.secure_send = True
        self.assertTrue(alarm.secure_send)
        self.assertTrue(self.alarm("sms").secure_send)
        self.assertFalse(self.alarm("notification").secure_send)

    def test_decided_for_secure_stays(self):
        self.mail_template.send_securely = False
        alarm = self.alarm(secure_send=True)
        followed = self.alarm()
        for marked in (True, False):
            self.mail_template.send_securely = marked
            self.assertTrue(alarm.secure_send)
            self.assertEqual(followed.secure_send, marked)
        self.event.with_context(dont_notify=True).alarm_ids = alarm
        with self.scan():
            self.remind()
            self.assertSent(self.both)
        alarm.alarm_type = "notification"
        self.assertFalse(alarm.secure_send)
        alarm.alarm_type = "email"
        self.assertTrue(alarm.secure_send)

    def test_email(self):
        self.alarm()
        with self.scan():
            self.remind()
            self.assertSent(self.both)
        sent = self.env["secure.dispatch"].search([("origin", "=", "calendar")])
        self.assertEqual(sent.title, self.mail_template.name)
        for thread in self.threads():
            self.assertEqual(thread.responsible_id, self.organiser)
            self.assertEqual(thread.company_id, self.company)
            message = thread.sudo().message_ids.filtered("secure_direction")[:1]
            self.assertEqual(message.author_id, self.organiser.partner_id)
        self.assertIn("Organiser", self._mails[0]["subject"])
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertFalse(dispatch.user_id)
        self.assertEqual(dispatch.responsible_id, self.organiser)
        self.assertEqual(len(self.notices(self.organiser)), 1, "Odoo reminds them, too")

    def test_declined(self):
        self.attendee(self.contact).state = "declined"
        self.attendee(self.colleague.partner_id).state = "declined"
        for kind, channel in (("email", "email"), ("sms", "sms")):
            self.alarm(kind)
            with self.gateways():
                self.remind()
                self.assertSent(self.other_contact, channel=channel)
        self.assertFalse(self.notices(self.colleague))
        self.assertFalse(self.threads().participant_ids)

    def test_alarm_decides_otherwise(self):
        self.alarm(secure_send=False)
        with self.gateways():
            self.remind()
            self.assertIn(CANARY, self.left_text())
        self.assertFalse(self.threads())

    def test_secure_alarm_of_a_standard_template(self):
        self.mail_template.send_securely = False
        self.alarm(secure_send=True)
        with self.scan():
            self.remind()
            self.assertSent(self.both)

    def test_alarms_of_both_kinds_at_once(self):
        standard = self.alarm(secure_send=False)
        self.event.partner_ids = [Command.set(self.contact.ids)]
        event = self.appointment(self.other_contact)
        secure = self.alarm()
        (self.event | event).with_context(dont_notify=True).write(
            {"alarm_ids": [Command.clear()]}
        )
        self.event.alarm_ids = standard
        event.alarm_ids = secure
        with self.gateways():
            self.remind()
            clear = [mail for mail in self._mails if CANARY in mail["body"]]
            self.assertEqual(len(clear), 1)
            self.assertIn(self.contact.email, str(clear[0]["email_to"]))
        self.assertEqual(self.threads().partner_id, self.other_contact)

    def test_default_of_another_form_does_not_decide(self):
        alarm = self.alarm()
        copied = alarm.with_context(default_secure_send=False).create(
            {
                "name": "Another",
                "alarm_type": "email",
                "duration": 2,
                "mail_template_id": self.mail_template.id,
            }
        )
        self.assertTrue(copied.secure_send)
        self.assertFalse(copied.env.context["default_secure_send"])

    def test_context_of_a_client_does_not_decide(self):
        self.alarm()
        key = own_code.STANDARD_KEY
        for claim in (True, 1, "x"):
            with self.scan():
                self.notify(self.event.attendee_ids.with_context(**{key: claim}))
                self.assertTrue(self.threads())

    def test_sms(self):
        self.alarm("sms")
        self.env["res.lang"]._activate_lang("fr_FR")
        self.contact.lang = "fr_FR"
        with self.scan():
            self.remind()
            self.assertSent(self.both, channel="sms")
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual((dispatch.origin, dispatch.channel), ("calendar", "sms"))
        french = {
            "lundi",
            "mardi",
            "mercredi",
            "jeudi",
            "vendredi",
            "samedi",
            "dimanche",
        }
        for thread in self.threads():
            spoken = any(day in self.clear(thread) for day in french)
            self.assertEqual(spoken, thread.partner_id == self.contact)
            self.assertEqual(thread.responsible_id, self.organiser)
            self.assertEqual(thread.participant_ids, self.colleague)
        self.assertFalse(self.notices(self.organiser), "as the alarm says")
        self.assertEqual(len(self.notices(self.colleague)), 1)

    def test_sms_without_number(self):
        self.contact.phone = False
        self.alarm("sms", notify_responsible=True)
        with self.gateways():
            self.remind()
            self.assertSent(self.other_contact, channel="sms")
        self.assertEqual(len(self.notices(self.organiser)), 1)
        [dispatch] = self.env["secure.dispatch"].search([])
        [line] = dispatch.line_ids.filtered("reason")
        self.assertIn("no phone", line.reason)
        self.contact.phone = "+32 470 12 34 56"
        with self.gateways():
            dispatch.sudo().action_retry()
            self.leave()
            self.assertEqual(len(self._sms), 1)
        self.assertEqual(len(self.threads()), 2)

    def test_sms_of_a_standard_alarm(self):
        self.alarm("sms", secure_send=False)
        with self.gateways():
            self.remind()
            self.assertIn(CANARY, self.left_text())
        self.assertFalse(self.threads())

    def test_private_appointments_are_reminded_of(self):
        self.event.privacy = "private"
        self.mail_template.body_html = "<p>About <t t-out='object.event_id.name'/></p>"
        self.alarm()
        with self.gateways():
            self.remind()
            self.assertSent(self.both, text="About Consultation")

    def test_many_in_one_go(self):
        alarm = self.alarm("sms")
        counts = {}
        with self.gateways():
            self.event._do_sms_reminder(alarm)
            for number in (10, 40):
                events = self.env["calendar.event"]
                for n in range(number):
                    partner = self.env["res.partner"].create(
                        {
                            "name": f"P{n}",
                            "phone": f"+3247{number:02}{n:05}",
                            "country_id": self.env.ref("base.be").id,
                        }
                    )
                    events |= self.appointment(partner)
                self.env.flush_all()
                self.env.invalidate_all()
                before = self.env.cr.sql_log_count
                events.with_user(1)._do_sms_reminder(alarm.with_user(1))
                self.env.flush_all()
                counts[number] = self.env.cr.sql_log_count - before
        self.assertLess((counts[40] - counts[10]) / 30, 2.0, counts)


@tagged("post_install", "-at_install")
class TestWriting(AppointmentCase):
    """What staff write about appointments they ticked."""

    def test_recipients_by_event(self):
        event = self.appointment(self.contact)
        self.attendee(self.contact).state = "declined"
        events = (self.event | event).with_user(self.sender)
        self.assertEqual(
            events._secure_recipients(),
            {self.event.id: self.other_contact, event.id: self.contact},
        )
        self.assertEqual(
            events._secure_colleagues(),
            {
                self.event.id: self.colleague | self.organiser,
                event.id: self.env["res.users"],
            },
        )

    def test_button(self):
        action = self.event.with_user(self.sender).action_secure_compose()
        self.assertEqual(action["res_model"], "secure.compose")
        self.assertEqual(
            action["context"],
            {
                "default_res_model": "calendar.event",
                "default_res_ids": self.event.ids,
            },
        )
        event = self.appointment(self.colleague.partner_id)
        with self.assertRaises(UserError):
            event.with_user(self.sender).action_secure_compose()

    def test_compose_form(self):
        """From the button to what each contact reads."""
        events = self.two()
        self.attendee(self.organiser.partner_id).state = "declined"
        action = events.with_user(self.sender).action_secure_compose()
        composes = self.env["secure.compose"].with_user(self.sender)
        with Form(composes.with_context(**action["context"])) as form:
            form.subject = CANARY_SUBJECT
            form.body = f"<p>{CANARY} about <t t-out='object.name'/></p>"
        with self.scan():
            form.record.action_send()
            self.assertSent(self.both)
        about = {t.partner_id: self.clear(t) for t in self.threads()}
        self.assertIn("Monday", about[self.contact])
        self.assertNotIn("Tuesday", about[self.contact])
        self.assertIn("Tuesday", about[self.other_contact])
        self.assertEqual(set(self.threads().mapped("res_id")), set(events.ids))

    def test_private(self):
        event = self.appointment(self.contact, privacy="private")
        events = self.event | event
        for user, may in ((self.organiser, True), (self.sender, False)):
            seen = events.with_user(user)
            for way in (seen, seen.sudo()):
                if may:
                    self.assertIn(self.contact, way._secure_recipients()[event.id])
                    continue
                with self.assertRaises(AccessError) as refused:
                    way._secure_recipients()
                self.assertIn("Organiser", str(refused.exception))
                self.assertNotIn("Consultation", str(refused.exception))
                with self.assertRaises(AccessError):
                    way.action_secure_compose()

    def test_private_by_default_calendar(self):
        self.organiser.with_user(self.organiser).calendar_default_privacy = "private"
        with self.assertRaises(AccessError):
            self.event.with_user(self.sender)._secure_recipients()

    def composer(self, events, user=None, **values):
        """As Odoo's button "Send Mail" on the list opens it."""
        events = events.with_user(user or self.sender)
        action = events.with_context(
            default_composition_mode="mass_mail"
        ).action_open_composer()
        self.assertEqual(
            action["context"]["default_partner_ids"], events.partner_ids.ids
        )
        composers = self.env["mail.compose.message"].with_user(user or self.sender)
        return composers.with_context(**action["context"]).create(
            {"secure_send": True, **values}
        )

    def two(self):
        self.event.partner_ids = [Command.unlink(self.other_contact.id)]
        self.event.name = "Monday's talk"
        return self.event | self.appointment(self.other_contact, name="Tuesday's talk")

    def test_each_event_goes_to_its_own_attendees(self):
        events = self.two()
        body = f"<p>{CANARY} about <t t-out='object.name'/></p>"
        with self.scan():
            composer = self.composer(
                events, body=body, subject=CANARY_SUBJECT, template_id=False
            )
            composer.action_send_mail()
            self.assertSent(self.both)
        about = {t.partner_id: self.clear(t) for t in self.threads()}
        self.assertIn("Monday", about[self.contact])
        self.assertNotIn("Tuesday", about[self.contact])
        self.assertIn("Tuesday", about[self.other_contact])
        self.assertNotIn("Monday", about[self.other_contact])
        self.assertEqual(set(self.threads().mapped("res_id")), set(events.ids))

    def test_one_on_the_blacklist_stops_nobody_else(self):
        self.env["mail.blacklist"].sudo()._add(self.contact.email)
        alone = self.appointment(self.contact, name="Tuesday's talk")
        body = f"<p>{CANARY} about <t t-out='object.name'/></p>"
        with self.scan():
            composer = self.composer(
                self.event | alone,
                body=body,
                subject=CANARY_SUBJECT,
                template_id=False,
            )
            composer.action_send_mail()
            self.assertSent(self.other_contact)
        [dispatch] = self.env["secure.dispatch"].search([])
        failed = dispatch.line_ids.filtered(lambda line: line.state == "failed")
        self.assertEqual(failed.partner_id, self.contact)
        self.assertEqual(set(failed.mapped("res_id")), {self.event.id, alone.id})
        for line in failed:
            self.assertIn("lacklist", line.reason)
        self.assertEqual(dispatch.sent_count, 1)

    def test_one_on_the_blacklist_beside_colleagues(self):
        self.env["mail.blacklist"].sudo()._add(self.contact.email)
        event = self.appointment(self.contact | self.organiser.partner_id)
        with self.gateways():
            composer = self.composer(event, body=f"<p>{CANARY}</p>", template_id=False)
            composer.action_send_mail()
            self.assertNothingSent()
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertIn("lacklist", dispatch.line_ids.reason)

    def test_who_is_written_to_all_the_same(self):
        self.env["mail.blacklist"].sudo()._add(self.contact.email)
        with self.gateways():
            composer = self.composer(
                self.event,
                body=f"<p>{CANARY}</p>",
                template_id=False,
                use_exclusion_list=False,
            )
            composer.action_send_mail()
            self.assertSent(self.both)

    def test_each_event_goes_to_its_own_attendees_by_template(self):
        events = self.two()
        template = self.env.ref("calendar.calendar_template_meeting_update")
        template.send_securely = True
        with self.gateways():
            composer = self.composer(events)
            self.assertEqual(composer.template_id, template)
            composer.action_send_mail()
            self.assertSent(self.both, text="talk")
        with self.gateways():
            template.with_user(self.sender).send_mail_batch(events.ids)
        self.assertEqual(len(self.threads()), 2)

    def test_several_in_comment_mode(self):
        events = self.two()
        with self.gateways():
            composer = self.composer(
                events,
                composition_mode="comment",
                body="<p>x <t t-out='object.name'/></p>",
                template_id=False,
            )
            composer.action_send_mail()
        self.assertEqual(len(self.threads()), 2)
        for thread in self.threads():
            other = "Tuesday" if thread.partner_id == self.contact else "Monday"
            self.assertNotIn(other, self.clear(thread))

    def test_private_event_in_the_composer(self):
        event = self.appointment(self.contact, privacy="private", name="Secret talk")
        with self.gateways(), self.assertRaises(AccessError):
            self.composer(
                self.event | event, body="<p>x</p>", template_id=False
            ).action_send_mail()
        self.assertNothingSent()

    def test_private_event_on_other_roads(self):
        event = self.appointment(self.contact, privacy="private", name="Secret talk")
        with self.gateways():
            with self.assertRaises(AccessError):
                event.with_user(self.sender).sudo().message_post(
                    body="x", partner_ids=self.contact.ids, send_securely=True
                )
            template = self.mail_template.with_user(self.sender)
            with self.assertRaises(UserError) as refused:
                template.send_mail(self.attendee(self.contact, event).id)
            self.assertIn("private", str(refused.exception))
            self.assertNothingSent()
            template = self.mail_template.with_user(self.organiser)
            template.send_mail(self.attendee(self.contact, event).id, force_send=True)
            self.assertSent(self.contact, text="for Clara")
        [thread] = self.threads()
        self.assertEqual(
            (thread.res_model, thread.res_id), ("calendar.event", event.id)
        )
        self.assertIn(thread.name, event.sudo().message_ids[0].body)

    def test_planned_for_somebody_with_a_private_calendar(self):
        self.organiser.with_user(self.organiser).calendar_default_privacy = "private"
        with self.gateways():
            self.notify(self.attendee(self.contact), user=self.clerk)
            self.assertSent(self.contact)

    def test_ordinary_composer_is_odoos(self):
        events = self.two()
        with self.gateways():
            composer = self.composer(
                events, secure_send=False, body="<p>plain</p>", template_id=False
            )
            composer.action_send_mail()
        self.assertFalse(self.threads())
        self.assertIn("plain", self.left_text())

    def test_send_sms_button(self):
        action = self.event.with_user(self.writer).action_send_sms()
        self.env["res.partner"].flush_model()
        composers = self.env["sms.composer"].with_user(self.writer)
        composer = composers.with_context(**action["context"]).create(
            {"body": f"{CANARY} {{{{ object.name }}}}", "secure_send": True}
        )
        with self.scan():
            composer.action_send_sms()
            self.leave()
        self.assertLessEqual(self.both, self.threads().partner_id)

    def test_file(self):
        file = self.upload(self.sender)
        with self.scan():
            self.composer(
                self.event,
                body=f"<p>{CANARY}</p>",
                subject=CANARY_SUBJECT,
                template_id=False,
                attachment_ids=file.ids,
            ).action_send_mail()
            self.assertSent(self.both)
        for thread in self.threads():
            self.assertEqual(
                self.files(thread), [(CANARY_FILE_NAME, CANARY_FILE.encode())]
            )


@tagged("post_install", "-at_install")
class TestNumbers(AppointmentCase):
    def setUp(self):
        super().setUp()
        with self.gateways():
            self.notify()

    def test_counts(self):
        event = self.event.with_user(self.colleague)
        self.assertEqual(event.secure_message_count, 2)
        thread = self.threads().filtered(lambda t: t.partner_id == self.contact)
        with self.gateways():
            thread._send(
                [
                    {
                        "thread": thread,
                        "body": "<p>answer</p>",
                        "direction": "inbound",
                        "author": self.contact,
                    },
                    {
                        "thread": thread,
                        "body": "<p>note</p>",
                        "direction": "internal",
                    },
                ]
            )
        self.env.invalidate_all()
        self.assertEqual(event.secure_message_count, 3, "Without the note")
        attendee = self.attendee(self.contact).with_user(self.colleague)
        self.assertEqual(attendee.secure_message_count, 2)
        other = self.attendee(self.other_contact).with_user(self.colleague)
        self.assertEqual(other.secure_message_count, 1)
        own = self.attendee(self.colleague.partner_id).with_user(self.colleague)
        self.assertEqual((own.secure_message_count, own.secure_status), (0, False))

    def test_counts_are_of_what_one_may_read(self):
        self.assertEqual(self.event.with_user(self.sender).secure_message_count, 0)
        attendee = self.attendee(self.contact).with_user(self.sender)
        self.assertEqual(
            (attendee.secure_message_count, attendee.secure_status), (0, False)
        )
        with self.assertRaises(AccessError):
            self.event.with_user(self.clerk).read(["secure_message_count"])
        action = self.event.with_user(self.colleague).action_secure_threads()
        found = self.env["secure.thread"].with_user(self.colleague)
        self.assertEqual(len(found.search(action["domain"])), 2)

    def test_status(self):
        attendee = self.attendee(self.contact).with_user(self.colleague)
        self.assertEqual(attendee.secure_status, "delivered")
        thread = self.threads().filtered(lambda t: t.partner_id == self.contact)
        thread.sudo().link_ids.opened_at = fields.Datetime.now()
        self.env.invalidate_all()
        self.assertEqual(attendee.secure_status, "opened")
        self.contact.email = False
        with self.gateways():
            self.notify(self.attendee(self.contact))
        self.env.cr.execute(
            "UPDATE secure_dispatch_line SET write_date = write_date + interval '1h' "
            "WHERE state = 'failed'"
        )
        self.env.invalidate_all()
        manager = self.attendee(self.contact).with_user(self.manager)
        self.assertEqual(manager.secure_status, "failed")
        self.assertEqual(attendee.secure_status, "opened", "Not their send")

    def test_status_after_a_new_link(self):
        attendee = self.attendee(self.contact).with_user(self.colleague)
        thread = self.threads().filtered(lambda t: t.partner_id == self.contact)
        statuses = thread.message_ids.notification_ids
        statuses.filtered(
            lambda row: row.res_partner_id == self.contact
        ).notification_status = "bounce"
        self.env.invalidate_all()
        self.assertEqual(attendee.secure_status, "bounced")
        with self.gateways():
            thread.with_user(self.colleague).action_resend()
        self.env.invalidate_all()
        self.assertEqual(attendee.secure_status, "delivered")

    def test_queries_do_not_grow(self):
        partners = self.env["res.partner"].create(
            [{"name": f"P{n}", "email": f"p{n}@x.example"} for n in range(30)]
        )
        events = self.env["calendar.event"].union(
            *(
                self.appointment(partner | self.manager.partner_id)
                for partner in partners
            )
        )
        with self.gateways():
            self.notify(events.attendee_ids)
        counts = []
        for group in (events[:2], events[:5], events):
            self.env.invalidate_all()
            group = group.with_user(self.manager)
            before = self.env.cr.sql_log_count
            self.assertEqual(set(group.mapped("secure_message_count")), {1})
            group.attendee_ids.mapped("secure_status")
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(counts[2], counts[1], counts)


@tagged("post_install", "-at_install")
class TestShipped(AppointmentCase):
    def test_templates_are_secure_and_can_be_filled_in(self):
        self.event.write({"location": "Room 2"})
        for name in ("reminder", "booked", "follow_up"):
            mail = self.env.ref(f"secure_messaging.mail_template_appointment_{name}")
            sms = self.env.ref(f"secure_messaging.sms_template_appointment_{name}")
            self.assertTrue(mail.send_securely and sms.send_securely)
            before = len(self.threads())
            with self.gateways():
                self.notify(template=mail)
                self.event._secure_sms(sms)
                self.leave()
                self.assertEqual(len(self._mails), 2)
                self.assertEqual(len(self._sms), 2)
                self.assertNotIn("Consultation", self.left_text())
            self.assertEqual(len(self.threads()), max(before, 2))
        [thread] = self.threads().filtered(lambda t: t.partner_id == self.contact)
        text = self.clear(thread)
        self.assertEqual(text.count("Consultation"), 6)
        self.assertEqual(text.count("Dear Clara Client"), 3)
        self.assertIn("Organiser", text)
        for stranger in ("Otto", "Colleague"):
            self.assertNotIn(stranger, text)

    def test_follow_up(self):
        """The example rule, switched on: run by the cron, twice, it sends once."""
        rule = self.env.ref("secure_messaging.automation_appointment_follow_up")
        self.assertFalse(rule.active)
        rule.active = True
        past = fields.Datetime.now() - timedelta(days=1, hours=2)
        self.attendee(self.other_contact).state = "declined"
        long_ago = self.appointment(self.contact)
        for event, stop in ((self.event, past), (long_ago, past - timedelta(days=9))):
            event.with_context(no_mail_to_attendees=True).write(
                {"start": stop - timedelta(hours=1), "stop": stop}
            )
        cron = self.env.ref("base_automation.ir_cron_data_base_automation_check")
        self.env.flush_all()
        for _run in range(2):
            with self.gateways():
                cron.with_user(1).method_direct_trigger()
                self.env["mail.mail"].search([("state", "=", "outgoing")]).send()
        [thread] = self.threads()
        self.assertEqual(thread.partner_id, self.contact)
        self.assertEqual(
            (thread.res_model, thread.res_id), ("calendar.event", self.event.id)
        )
        self.assertEqual(thread.responsible_id, self.organiser)
        self.assertEqual(self.clear(thread).count("thank you for coming"), 1)

    def test_server_action_by_sms(self):
        template = self.env.ref("secure_messaging.sms_template_appointment_follow_up")
        action = self.env["ir.actions.server"].create(
            {
                "name": "Tell",
                "model_id": self.event_model.id,
                "state": "sms",
                "sms_method": "sms",
                "sms_template_id": template.id,
            }
        )
        with self.gateways():
            action.with_user(1).with_context(
                active_model="calendar.event",
                active_ids=self.event.ids,
                active_id=self.event.id,
            ).run()
            self.assertSent(self.both, text="Thank you", channel="sms")
