"""The form for new messages: to whom, what is told before, and that all it sends goes
through the Outbox."""

from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from .common import CANARY, CANARY_FILE, CANARY_FILE_NAME, CANARY_SUBJECT, PIN
from .test_dispatch import DispatchCase


class ComposeCase(DispatchCase):
    def form(self, user=None, **values):
        composes = self.env["secure.compose"].with_user(user or self.sender)
        return composes.create(
            {
                "partner_ids": self.both.ids,
                "subject": CANARY_SUBJECT,
                "body": f"<p>{CANARY}</p>",
                **values,
            }
        )

    def upload(self, user=None, **values):
        values = {"res_model": "secure.compose", "res_id": False, **values}
        return super().upload(user, **values)

    def dispatches(self):
        return self.env["secure.dispatch"].search([])


@tagged("post_install", "-at_install")
class TestRecipients(ComposeCase):
    def test_several_go_through_the_outbox(self):
        with self.scan():
            action = self.form().action_send()
            self.assertSent(self.both)
        self.assertIn("2 contacts", action["params"]["message"])
        [dispatch] = self.dispatches()
        self.assertEqual(dispatch.origin, "compose")
        self.assertEqual(dispatch.user_id, self.sender)
        self.assertEqual(dispatch.line_ids.partner_id, self.both)

    def test_good_ones_go_and_the_others_are_listed(self):
        nobody = self.people(1, email=False)
        form = self.form(partner_ids=(self.both | nobody).ids)
        self.assertEqual(form.recipient_count, 3)
        self.assertIn("has no email", form.problem)
        with self.scan():
            action = form.action_send()
            self.assertSent(self.both)
        self.assertEqual(action["params"]["type"], "warning")
        self.assertIn("2 of 3", action["params"]["message"])
        self.assertEqual(self.dispatches().failed_count, 1)

    def test_when_nobody_can_be_sent_to_nothing_is_lost(self):
        form = self.form(attachment_ids=self.upload().ids)
        self.both.email = False
        # Not assertRaisesRegex: it would not roll back
        with self.gateways(), self.assertRaises(UserError) as refused:
            form.action_send()
        self.assertIn("has no email", str(refused.exception))
        self.assertEqual(form.subject, CANARY_SUBJECT)
        self.assertTrue(form.attachment_ids.exists())
        self.assertFalse(self.dispatches())

    def test_colleagues_take_part(self):
        partners = self.contact | self.colleague.partner_id
        with self.scan():
            self.form(partner_ids=partners.ids).action_send()
            self.assertSent(self.contact)
        self.assertEqual(self.threads().participant_ids, self.colleague)

    def test_colleagues_alone(self):
        form = self.form(partner_ids=self.colleague.partner_id.ids)
        with self.gateways(), self.assertRaisesRegex(UserError, "are colleagues"):
            form.action_send()
        self.assertFalse(self.dispatches())

    def test_filter(self):
        self.both.function = "Patient of ours"
        values = {
            "kind": "filter",
            "partner_ids": False,
            "partner_filter": "[('function', '=', 'Patient of ours')]",
        }
        form = self.form(**values)
        self.assertEqual(form.recipient_count, 2)
        with self.scan():
            form.action_send()
            self.assertSent(self.both)

    def test_filter_is_asked_when_it_leaves(self):
        at = self.later()
        form = self.form(
            kind="filter",
            partner_ids=False,
            partner_filter="[('function', '=', 'Patient of ours')]",
            scheduled_at=at,
        )
        with self.assertRaisesRegex(UserError, "No contact"):
            form.action_send()
        self.contact.function = "Patient of ours"
        form.action_send()
        self.other_contact.function = "Patient of ours"
        self.contact.function = False
        with self.scan(), freeze_time(at + timedelta(minutes=1)):
            self.run_cron()
            self.assertSent(self.other_contact)

    def test_filter_shows_only_what_the_writer_sees(self):
        other = self.env["res.company"].create({"name": "Other Office"})
        self.both.function = "Patient of ours"
        self.contact.company_id = other
        form = self.form(
            kind="filter",
            partner_ids=False,
            partner_filter="[('function', '=', 'Patient of ours')]",
        )
        self.assertEqual(form.recipient_count, 1)

    def test_filter_that_is_none(self):
        for text in ("__import__('os')", "[('nonsense', '=', 1)]", "1 +", "[1]"):
            form = self.form(kind="filter", partner_ids=False, partner_filter=text)
            with self.subTest(text=text):
                self.assertIn("filter", form.problem)
                with self.assertRaises(UserError):
                    form.action_send()

    def test_documents(self):
        """Any model with contacts; here users, each of whom is a person."""
        portal = self.portal
        values = {
            "partner_ids": False,
            "res_model": "res.users",
            "res_ids": f"[{portal.id}, {self.colleague.id}, {0x7FFFFFFF}]",
            "body": f"<p>{CANARY} <t t-out='object.name'/></p>",
        }
        form = self.form(**values)
        self.assertIn(portal.name, form.documents_text)
        self.assertIn("1 documents have no contact", form.problem)
        with self.scan():
            form.action_send()
            self.assertSent(portal.partner_id)
        self.assertEqual(self.threads().res_model, "res.users")
        self.assertEqual(self.threads().res_id, portal.id)
        self.assertIn(portal.name, self.clear(self.threads()))

    def test_documents_that_say_who(self):
        documents = self.registry["res.country"]

        def contacts(records):
            return dict.fromkeys(records.ids, self.both.with_env(records.env))

        def staff(records):
            return dict.fromkeys(records.ids, self.colleague)

        documents._secure_recipients = contacts
        documents._secure_colleagues = staff
        self.addCleanup(delattr, documents, "_secure_recipients")
        self.addCleanup(delattr, documents, "_secure_colleagues")
        country = self.env.ref("base.be")
        action = self.env["secure.compose"].action_about("res.country", country.ids)
        composes = self.env["secure.compose"].with_user(self.sender)
        with Form(composes.with_context(**action["context"])) as form:
            form.body = f"<p>{CANARY}</p>"
        with self.scan():
            form.record.action_send()
            self.assertSent(self.both)
        self.assertEqual(self.threads().participant_ids, self.colleague)
        self.assertEqual(set(self.threads().mapped("res_id")), {country.id})

    def test_documents_one_may_not_read(self):
        cron = self.env["ir.cron"].search([], limit=1)
        form = self.form(partner_ids=False, res_model="ir.cron", res_ids=str(cron.ids))
        with self.gateways(), self.assertRaises(UserError):
            form.action_send()
        for model, ids in (("secure.thread", "[1]"), ("nonsense", "[1]")):
            form = self.form(partner_ids=False, res_model=model, res_ids=ids)
            with self.assertRaises(UserError):
                form.action_send()
        form = self.form(partner_ids=False, res_model="res.users", res_ids="x")
        with self.assertRaises(UserError):
            form.action_send()

    def test_address_of_somebody_known_or_new(self):
        composes = self.env["secure.compose"].with_user(self.sender)
        self.assertEqual(
            composes.add_recipient("clara@client.example"),
            {"ids": self.contact.ids, "made": [], "problem": ""},
        )
        self.assertEqual(
            composes.add_recipient("+32 470 12 34 56"),
            {"ids": self.contact.ids, "made": [], "problem": ""},
        )
        refused = composes.add_recipient("n@new.example")
        self.assertIn("may not add", refused["problem"])
        self.assertFalse(refused["ids"] or refused["made"])
        self.assertIn("may not add", composes.add_recipient("+32470888888")["problem"])
        self.assertIn("neither", composes.add_recipient("nonsense")["problem"])
        self.assertIn("neither", composes.add_recipient("")["problem"])
        self.sender.group_ids |= self.env.ref("base.group_partner_manager")
        for text, name in (
            ("New Person <n@new.example>", "New Person"),
            ("+32470888888", "+32470888888"),
        ):
            found = composes.add_recipient(text)
            self.assertEqual(len(found["made"]), 1)
            self.assertIn(name, found["made"][0])
            self.assertEqual(self.env["res.partner"].browse(found["ids"]).name, name)
            again = composes.add_recipient(text)
            self.assertEqual(again, {"ids": found["ids"], "made": [], "problem": ""})

    def test_several_addresses_at_once(self):
        text = "clara@client.example, New Person <n@new.example>; nobody@"
        composes = self.env["secure.compose"].with_user(self.sender)
        found = composes.add_recipient(text)
        self.assertEqual(found["ids"], self.contact.ids)
        self.assertIn("may not add", found["problem"])
        self.sender.group_ids |= self.env.ref("base.group_partner_manager")
        found = composes.add_recipient(text)
        partners = self.env["res.partner"].browse(found["ids"])
        self.assertEqual(partners.mapped("name"), ["Clara Client", "New Person"])
        self.assertEqual(found["made"], ["New Person"])
        self.assertIn("nobody@", found["problem"])

    def test_ambiguous_address_names_the_candidates(self):
        self.other_contact.write(
            {"email": self.contact.email, "phone": self.contact.phone}
        )
        composes = self.env["secure.compose"].with_user(self.sender)
        for text in ("clara@client.example", "+32 470 12 34 56"):
            problem = composes.add_recipient(text)["problem"]
            self.assertIn("Clara Client", problem)
            self.assertIn("Otto Other", problem)

    def test_who_may_not_compose_adds_nobody(self):
        for user in (self.clerk, self.portal):
            with self.assertRaises(AccessError):
                self.env["secure.compose"].with_user(user).add_recipient("a@b.example")

    def test_blacklisted_are_told_before(self):
        self.env["mail.blacklist"].sudo()._add(self.contact.email)
        self.assertIn("blacklist", self.form().problem)
        self.assertFalse(self.form(partner_ids=self.contact.ids).problem)

    def test_problems_of_many_are_cheap(self):
        counts = []
        for number in (20, 60):
            people = self.people(number)
            form = self.form(partner_ids=people.ids)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.assertEqual(form.recipient_count, number)
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLess(counts[1] - counts[0], 5, counts)

    def test_what_will_be_asked_for(self):
        self.assertEqual(self.form().pin_summary, "No PIN")
        self.set_pin(self.contact)
        self.assertEqual(self.form().pin_summary, "No PIN (1), Contact's PIN (1)")
        self.assertEqual(self.form(pin=PIN).pin_summary, "PIN of this conversation")


@tagged("post_install", "-at_install")
class TestText(ComposeCase):
    def test_fields_for_each(self):
        with self.scan():
            self.form(
                body=f"<p>{CANARY} for <t t-out='object.name'>x</t></p>",
                subject="To {{ object.name }}",
            ).action_send()
            self.assertSent(self.both)
        for thread in self.threads():
            name = thread.partner_id.name
            self.assertIn(f"{CANARY} for {name}", self.clear(thread))
            self.assertIn(f"To {name}", self.clear(thread))

    def test_fields_one_may_not_use(self):
        self.env["ir.config_parameter"].set_param(
            "mail.restrict.template.rendering", "1"
        )
        editors = self.env.ref("mail.group_mail_template_editor")
        self.env.ref("base.group_user").sudo().implied_ids -= editors
        editors.sudo().user_ids -= self.sender
        for values in (
            {"body": "<p><t t-out='object.env.cr.dbname'/></p>"},
            {"subject": "{{ object.env.cr.dbname }}"},
        ):
            with (
                self.subTest(values=values),
                self.gateways(),
                self.assertRaisesRegex(UserError, "may not use"),
            ):
                self.form(**values).action_send()
        with self.gateways():
            self.form(body="<p>Dear patient <t t-out='object.name'/></p>").action_send()
            self.assertSent(self.both, text="Dear patient")

    def assertByTemplate(self, **values):
        composes = self.env["secure.compose"].with_user(self.sender)
        with Form(composes) as form:
            form.partner_ids.add(self.contact)
            form.channel = values.pop("channel", "email")
            for name, value in values.items():
                form[name] = value
        return form.record

    def test_template_unchanged_keeps_language_and_report(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.contact.lang = "fr_FR"
        self.template.lang = "{{ object.lang }}"
        self.template.with_context(
            lang="fr_FR"
        ).body_html = "<p>Bonjour <t t-out='object.name'/></p>"
        file = self.env["ir.attachment"].create({"name": "terms.txt", "raw": b"terms"})
        self.template.attachment_ids = file
        form = self.assertByTemplate(template_id=self.template)
        self.assertIn("Dear", form.body)
        with self.gateways():
            form.action_send()
            self.assertSent(self.contact, text="Bonjour Clara Client")
        self.assertEqual(self.files(self.threads()), [("terms.txt", b"terms")])
        self.assertFalse(self.dispatches().sealed_body)

    def test_template_changed(self):
        form = self.assertByTemplate(template_id=self.template)
        form.body = f"<p>{CANARY} <t t-out='object.name'/></p>"
        with self.scan():
            form.action_send()
            self.assertSent(self.contact, text=f"{CANARY} Clara")
        self.assertIn("About Clara Client", self.clear(self.threads()))

    def test_sms_template(self):
        form = self.assertByTemplate(channel="sms", sms_template_id=self.sms_template)
        self.assertIn("object.name", form.body)
        with self.gateways():
            form.action_send()
            self.assertSent(self.contact, text="Dear Clara Client", channel="sms")

    def test_canned_responses_are_those_of_the_user(self):
        responses = self.env["mail.canned.response"]
        for user in (self.sender, self.colleague):
            responses.with_user(user).create(
                {"source": user.login, "substitution": "Kind regards"}
            )
        offered = self.env["secure.compose"].with_user(self.sender).canned_responses()
        names = [row["source"] for row in offered]
        self.assertIn("sender", names)
        self.assertNotIn("colleague", names)

    def test_what_runs_is_taken_out(self):
        form = self.form(body="<p onclick='x()'>a<script>x()</script></p>")
        self.env.invalidate_all()
        self.assertNotIn("x()", form.body)


@tagged("post_install", "-at_install")
class TestSchedule(ComposeCase):
    def scheduled(self, **values):
        self.at = fields.Datetime.now() + timedelta(hours=1)
        form = self.form(scheduled_at=self.at, pin=PIN, **values)
        action = form.action_send()
        self.assertIn("Will be sent", action["params"]["message"])
        return self.dispatches()

    def test_draft_and_schedule_leave_no_trace(self):
        with self.scan():
            form = self.form(pin=PIN, attachment_ids=self.upload().ids)
            self.env.flush_all()
            self.assertTrue(form.exists())
        with self.scan() as scan:
            dispatch = self.scheduled(attachment_ids=self.upload().ids)
            self.assertNothingSent()
            self.assertNoLeak(scan, PIN)
        with self.scan():
            dispatch.with_user(self.sender).action_cancel()
        self.assertFalse(self.env["secure.compose"].search([]) - form)

    def test_change(self):
        dispatch = self.scheduled(attachment_ids=self.upload().ids)
        with self.scan():
            action = dispatch.with_user(self.sender).action_change()
            form = self.env["secure.compose"].with_user(self.sender)
            form = form.browse(action["res_id"])
            self.assertEqual(form.subject, CANARY_SUBJECT)
            self.assertIn(CANARY, form.body)
            self.assertFalse(form.pin)
            self.assertTrue(form.has_kept_pin)
            self.company.secure_pin_required = True
            self.assertFalse(form.problem)
            self.assertEqual(form.partner_ids, self.both)
            self.assertEqual(form.attachment_ids.secure_display_name, CANARY_FILE_NAME)
            form.write(
                {"partner_ids": self.contact.ids, "body": f"<p>{CANARY} new</p>"}
            )
            form.action_send()
            self.assertNothingSent()
        self.assertEqual(self.dispatches(), dispatch)
        with self.scan(), freeze_time(self.at + timedelta(minutes=1)):
            self.run_cron()
            self.assertSent(self.contact, text=f"{CANARY} new")
        thread = self.threads()
        self.assertEqual(thread.pin_rule, "message")
        self.assertEqual(self.files(thread), [(CANARY_FILE_NAME, CANARY_FILE.encode())])

    def test_statement_23_a_kept_pin_is_not_told_by_contacts_numbers(self):
        """Whoever may change the send could write numbers into a contact, and see which
        of them holds the PIN; of a PIN they type, they are told."""
        dispatch = self.scheduled()
        action = dispatch.with_user(self.manager).action_change()
        form = self.env["secure.compose"].with_user(self.manager)
        form = form.browse(action["res_id"])
        self.assertTrue(form.has_kept_pin)
        problems = set()
        for number in ("+32 470 11 22 33", f"+32 4{PIN}99"):
            self.contact.phone = number
            self.env.invalidate_all()
            problems.add(form.problem)
        self.assertFalse(any(problems), problems)
        form.pin = PIN
        self.assertIn("too easy to guess", form.problem)

    def test_change_without_the_pin(self):
        dispatch = self.scheduled()
        action = dispatch.with_user(self.sender).action_change()
        form = self.env["secure.compose"].with_user(self.sender)
        form = form.browse(action["res_id"])
        form.keep_pin = False
        self.company.secure_pin_required = True
        self.assertIn("PIN is required", form.problem)
        form.action_send()
        self.assertFalse(dispatch.has_pin)
        self.assertFalse(dispatch.sealed_pin)

    def test_change_that_comes_too_late(self):
        dispatch = self.scheduled()
        action = dispatch.with_user(self.sender).action_change()
        form = self.env["secure.compose"].with_user(self.sender)
        form = form.browse(action["res_id"])
        with self.gateways():
            dispatch.with_user(self.sender).action_send_now()
            self.assertSent(self.both)
            with self.assertRaisesRegex(UserError, "too late"):
                form.action_send()

    def change(self, dispatch):
        action = dispatch.with_user(self.sender).action_change()
        form = self.env["secure.compose"].with_user(self.sender)
        return form.browse(action["res_id"])

    def test_change_of_what_was_written_on_a_document(self):
        """Its recipients were chosen there, and stay who they are."""
        document = self.other_contact.with_user(self.sender).sudo()
        document.message_post(
            body=CANARY,
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=(self.contact | self.colleague.partner_id).ids,
            send_securely=True,
            scheduled_date=self.later(),
        )
        [dispatch] = self.dispatches()
        self.assertEqual(dispatch.line_ids.partner_id, self.contact)
        form = self.change(dispatch)
        self.assertEqual(form.recipient_count, 1)
        form.action_send()
        self.assertEqual(dispatch.line_ids.partner_id, self.contact)
        self.assertEqual(dispatch.line_ids.res_id, self.other_contact.id)
        self.assertEqual(dispatch.participant_ids, self.colleague)

    def test_change_of_what_is_about_documents(self):
        """Each contact of a document once, however often it is changed."""
        country = self.env.ref("base.be")
        found = {country.id: self.both}
        roads = self.registry["secure.road"]
        with patch.object(roads, "_recipients_of", lambda *args: found):
            form = self.form(
                partner_ids=False,
                res_model="res.country",
                res_ids=str(country.ids),
                scheduled_at=self.later(),
            )
            form.action_send()
            [dispatch] = self.dispatches()
            self.assertEqual(len(dispatch.line_ids), 2)
            self.change(dispatch).action_send()
        self.assertEqual(len(dispatch.line_ids), 2)

    def test_change_of_others(self):
        dispatch = self.scheduled()
        form = self.form(self.colleague, dispatch_id=dispatch.id)
        with self.gateways(), self.assertRaises(AccessError):
            form.action_send()
        self.assertEqual(dispatch.line_ids.partner_id, self.both)

    def test_who_changes_it_sends_it(self):
        dispatch = self.scheduled()
        action = dispatch.with_user(self.manager).action_change()
        form = self.env["secure.compose"].with_user(self.manager)
        form.browse(action["res_id"]).action_send()
        self.assertEqual(dispatch.user_id, self.manager)


@tagged("post_install", "-at_install")
class TestPreview(ComposeCase):
    def preview(self, **values):
        form = self.form(
            body=f"<p>{CANARY} for <t t-out='object.name'/></p>",
            attachment_ids=self.upload().ids,
            **values,
        )
        action = form.action_preview()
        self.assertEqual(action["res_id"], form.id)
        return form

    def test_page_and_notification(self):
        tables = ("secure_thread", "secure_link", "secure_dispatch", "mail_message")
        with self.scan() as scan:
            before = [self.count(table) for table in tables]
            form = self.preview()
            self.assertIn(f"{CANARY} for Clara Client", form.preview_page)
            self.assertIn(CANARY_SUBJECT, form.preview_page)
            self.assertIn(CANARY_FILE_NAME, form.preview_page)
            self.assertIn("/sm/xxx", form.preview_mail)
            self.assertNotIn(CANARY, form.preview_mail + form.preview_subject)
            form.preview_partner_id = self.other_contact
            self.assertIn(f"{CANARY} for Otto Other", form.preview_page)
            self.assertEqual([self.count(table) for table in tables], before)
            self.assertNoLeak(scan)

    def count(self, table):
        self.env.flush_all()
        self.env.cr.execute(f"SELECT COUNT(*) FROM {table}")
        return self.env.cr.fetchone()

    def test_sms(self):
        form = self.preview(channel="sms")
        self.assertEqual(form.preview_parts, 1)
        self.assertIn("/sm/xxx", form.preview_sms)

    def test_language_of_the_contact(self):
        self.env["res.lang"]._activate_lang("ar_001")
        self.contact.lang = "ar_001"
        form = self.preview()
        self.assertIn('dir="rtl"', form.preview_page)
        # Texts in the notification are the company's own, in whatever language
        self.assertIn('<div dir="auto"', form.preview_mail)

    def test_somebody_else_is_not_shown(self):
        form = self.preview()
        form.preview_partner_id = self.manager.partner_id
        self.assertIn("Clara Client", form.preview_page)

    def test_text_that_cannot_be_filled_in(self):
        self.sender.group_ids |= self.env.ref("mail.group_mail_template_editor")
        form = self.form(body="<p><t t-out='1 / 0'/></p>")
        form.action_preview()
        self.assertIn("filled in", form.preview_problem)

    def test_confirmation_has_the_count(self):
        form = self.form()
        with self.gateways():
            form.action_confirm()
            self.assertEqual(form.step, "confirm")
            self.assertEqual(form.recipient_count, 2)
            self.assertNothingSent()
            with self.assertRaises(UserError):
                self.form(body="<p><br></p>").action_confirm()


@tagged("post_install", "-at_install")
class TestStandard(ComposeCase):
    """Handed to Odoo's own composers: no sending code of our own."""

    def setUp(self):
        super().setUp()
        self.sender.group_ids |= self.env.ref("base.group_partner_manager")
        self.company.secure_send_default = True

    def composer(self, **values):
        action = self.form(**values).action_standard()
        return (
            self.env[action["res_model"]]
            .with_user(self.sender)
            .browse(action["res_id"])
        )

    def test_email(self):
        # Ordinary: in the end its file is stored as it is
        file = self.upload(raw=b"ordinary")
        with self.scan():
            composer = self.composer(attachment_ids=file.ids)
            self.assertFalse(composer.secure_send)
            self.assertEqual(composer.subject, CANARY_SUBJECT)
        with self.gateways():
            composer.action_send_mail()
            self.leave()
            self.assertEqual(len(self._mails), 2)
            self.assertIn(CANARY, self._mails[0]["body"])
            self.assertIn(CANARY_FILE_NAME, str(self._mails[0]["attachments"]))
        self.assertFalse(self.threads())

    def test_sms(self):
        with self.scan():
            composer = self.composer(channel="sms")
            self.assertFalse(composer.secure_send)
        with self.gateways():
            composer.action_send_sms()
            self.leave()
            self.assertEqual(len(self._sms), 2)
            self.assertIn(CANARY, self._sms[0]["body"])
        self.assertFalse(self.threads())

    def test_sms_carries_no_files(self):
        with self.assertRaisesRegex(UserError, "no files"):
            self.composer(channel="sms", attachment_ids=self.upload().ids)
