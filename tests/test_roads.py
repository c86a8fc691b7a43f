"""Every road by which Odoo sends, asked to send securely: content in the conversation,
a notification outside, nothing in clear anywhere."""

import json

from freezegun import freeze_time

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from ..tools import own_code
from .common import (
    CANARY,
    CANARY_FILE,
    CANARY_FILE_NAME,
    CANARY_SUBJECT,
    SecureCase,
)

BODY = f"<p>{CANARY} for <t t-out='object.name'/></p>"


class RoadCase(SecureCase):
    """A document of two contacts, templates, and what to look for afterwards."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_contact.country_id = cls.env.ref("base.be")
        cls.both = cls.contact | cls.other_contact
        # May write on contacts, which here are the documents; none on conversations
        cls.writer = cls._user("writer", "base.group_user,base.group_partner_manager")
        cls.partner_model = cls.env["ir.model"]._get("res.partner")
        cls.template = cls.env["mail.template"].create(
            {
                "name": "Findings",
                "model_id": cls.partner_model.id,
                "subject": "About {{ object.name }}",
                "body_html": "<p>Dear <t t-out='object.name'/></p>",
                "send_securely": True,
            }
        )
        cls.sms_template = cls.env["sms.template"].create(
            {
                "name": "Findings by SMS",
                "model_id": cls.partner_model.id,
                "body": "Dear {{ object.name }}",
                "send_securely": True,
            }
        )

    def upload(self, user=None, **values):
        return (
            self.env["ir.attachment"]
            .with_user(user or self.sender)
            .create(
                {
                    "name": CANARY_FILE_NAME,
                    "raw": CANARY_FILE.encode(),
                    "res_model": "mail.compose.message",
                    "res_id": 0,
                    **values,
                }
            )
        )

    def threads(self):
        return self.env["secure.thread"].search([])

    def clear(self, thread):
        """What a conversation says, all of it."""
        messages = self.env["mail.message"].search(
            [("model", "=", "secure.thread"), ("res_id", "=", thread.id)]
        )
        return " ".join(
            f"{text['subject']} {text['body']}"
            for text in messages._secure_clear().values()
        )

    def files(self, thread):
        stored = self.env["ir.attachment"].search(
            [("res_model", "=", "secure.thread"), ("res_id", "=", thread.id)]
        )
        return stored._secure_files()

    def assertSent(self, partners, text=CANARY, channel="email"):
        """Each contact has the text alone, and got a link by the channel."""
        self.leave()
        threads = self.threads()
        self.assertEqual(threads.partner_id, partners)
        self.assertEqual(len(threads), len(partners))
        for thread in threads:
            self.assertIn(text, self.clear(thread))
            self.assertNotIn(text, self.left_text())
        left = self._mails if channel == "email" else self._sms
        self.assertEqual(len(left), len(partners))
        for row in left:
            self.assertIn("/sm/", row["body"])

    def assertNothingSent(self):
        self.leave()
        self.assertFalse(self._mails or self._sms)
        self.assertFalse(self.threads())

    def scan(self):
        """Gateways and leak scan in one."""
        return _Scan(self)


class _Scan:
    def __init__(self, case):
        self.case = case

    def __enter__(self):
        self.gateways = self.case.gateways()
        self.gateways.__enter__()
        self.leaks = self.case.leak_scan()
        self.found = self.leaks.__enter__()
        return self.found

    def __exit__(self, *error):
        try:
            if not error[0]:
                self.case.leave()
                self.case.env.cr.postcommit.run()
                self.case.assertNoLeak(self.found)
        finally:
            self.leaks.__exit__(*error)
            self.gateways.__exit__(*error)


@tagged("post_install", "-at_install")
class TestPost(RoadCase):
    """C1: message_post, by least-privileged staff: no right on conversations."""

    def post(self, user=None, **values):
        # sudo: as Odoo's route does for whoever may post on the document
        document = self.contact.with_user(user or self.clerk).sudo()
        return document.message_post(
            **{
                "body": CANARY,
                "subject": CANARY_SUBJECT,
                "message_type": "comment",
                "subtype_xmlid": "mail.mt_comment",
                "partner_ids": self.contact.ids,
                "send_securely": True,
                **values,
            }
        )

    def test_content_is_in_the_conversation_only(self):
        file = self.upload(self.clerk)
        with self.scan():
            line = self.post(attachment_ids=file.ids)
            self.assertSent(self.contact)
        [thread] = self.threads()
        self.assertEqual(
            (thread.res_model, thread.res_id), ("res.partner", self.contact.id)
        )
        self.assertEqual(thread.responsible_id, self.clerk)
        self.assertEqual(self.files(thread), [(CANARY_FILE_NAME, CANARY_FILE.encode())])
        self.assertIn(thread.name, line.body)
        self.assertEqual(line.model, "res.partner")
        self.assertTrue(line.subtype_id.internal)

    def test_same_document_same_conversation(self):
        with self.gateways():
            self.post(self.sender)
            self.post(self.sender, body="again")
            [thread] = self.threads()
            self.assertIn("again", self.clear(thread))
            # Who cannot read it starts another
            self.post(body="apart")
        self.assertEqual(len(self.threads()), 2)
        self.assertNotIn("apart", self.clear(thread))

    def test_each_contact_alone_and_colleagues_inside(self):
        with self.scan():
            self.post(partner_ids=(self.both | self.colleague.partner_id).ids)
            self.assertSent(self.both)
        for thread in self.threads():
            self.assertEqual(thread.participant_ids, self.colleague)
            self.assertTrue(thread.with_user(self.colleague).has_access("read"))
            told = self.env["mail.notification"].search(
                [("res_partner_id", "=", self.colleague.partner_id.id)]
            )
            self.assertIn(thread.id, told.mail_message_id.mapped("res_id"))

    def test_followers_get_nothing(self):
        self.contact.message_subscribe(self.other_contact.ids)
        with self.scan():
            self.post()
            self.assertSent(self.contact)

    def test_without_contact(self):
        for partners in ([], self.colleague.partner_id.ids):
            with self.gateways(), self.assertRaises(UserError):
                self.post(partner_ids=partners)
            self.assertNothingSent()

    def test_note_is_refused(self):
        with self.gateways(), self.assertRaises(UserError):
            self.post(subtype_xmlid="mail.mt_note")
        self.assertNothingSent()

    def test_switched_off(self):
        self.company.secure_messaging_enabled = False
        with self.gateways(), self.assertRaises(UserError):
            self.post()
        self.assertNothingSent()

    def test_portal_users_do_not_send(self):
        with self.gateways(), self.assertRaises(AccessError):
            self.contact.with_user(self.portal).message_post(
                body=CANARY, partner_ids=self.contact.ids, send_securely=True
            )
        self.assertNothingSent()

    def test_address_of_several(self):
        self.other_contact.email = self.contact.email
        with self.gateways(), self.assertRaises(UserError) as refused:
            self.post(partner_ids=[], outgoing_email_to=self.contact.email)
        self.assertIn("Clara Client", str(refused.exception))
        self.assertIn("Otto Other", str(refused.exception))
        self.assertNothingSent()

    def test_address_of_nobody_makes_a_contact(self):
        new = {"partner_ids": [], "outgoing_email_to": "New Person <new@x.example>"}
        with self.gateways(), self.assertRaises(UserError) as refused:
            self.post(**new)
        self.assertIn("you may not add contacts", str(refused.exception))
        with self.scan():
            self.post(self.writer, **new)
        [thread] = self.threads()
        self.assertEqual(thread.partner_id.name, "New Person")

    def notify(self, **kwargs):
        return (
            self.env["mail.thread"]
            .with_user(self.sender)
            .message_notify(
                body=CANARY,
                subject=CANARY_SUBJECT,
                partner_ids=self.contact.ids,
                send_securely=True,
                **kwargs,
            )
        )

    def test_notify(self):
        """C2: for what has no chatter of its own."""
        with self.scan():
            messages = self.notify()
            self.assertSent(self.contact)
        self.assertEqual(messages.res_id, self.threads().id)

    def test_notify_later(self):
        """About no document: of what waits there is no message yet."""
        with self.scan():
            messages = self.notify(scheduled_date="2099-01-01 10:00:00")
            self.assertNothingSent()
            self.assertFalse(messages)
            [dispatch] = self.env["secure.dispatch"].with_user(self.sender).search([])
            dispatch.action_send_now()
            self.assertSent(self.contact)
        self.assertEqual(self.threads().res_model, "res.partner")

    def test_sms(self):
        with self.scan():
            self.contact.with_user(self.sender).sudo()._message_sms(
                CANARY, number_field="phone", send_securely=True
            )
            self.assertSent(self.contact, channel="sms")

    def test_sms_by_template(self):
        """What Odoo's applications send of their own accord."""
        with self.gateways():
            self.contact.with_user(self.sender).sudo()._message_sms_with_template(
                template=self.sms_template, partner_ids=self.contact.ids
            )
            self.assertSent(self.contact, text="Dear Clara Client", channel="sms")

    def test_sms_to_another_number(self):
        with self.gateways(), self.assertRaises(UserError):
            self.contact.with_user(self.sender)._message_sms(
                CANARY,
                partner_ids=self.contact.ids,
                sms_pid_to_number={self.contact.id: "+32470999999"},
                send_securely=True,
            )
        self.assertNothingSent()

    def test_sealed_upload_goes_out_clear_when_the_switch_is_off(self):
        file = self.upload(name="plain.txt", raw=b"ordinary")
        sealed = (
            self.env["ir.attachment"]
            .with_user(self.sender)
            .with_context(secure_seal_files=True)
            .create(
                {
                    "name": "plain.txt",
                    "raw": b"plain",
                    "res_model": "mail.compose.message",
                    "res_id": 0,
                }
            )
        )
        self.assertNotIn(b"plain", sealed.raw)
        with self.gateways():
            message = (
                self.contact.with_user(self.sender)
                .sudo()
                .message_post(body="x", attachment_ids=(file | sealed).ids)
            )
        self.assertEqual(message.attachment_ids.mapped("name"), ["plain.txt"] * 2)
        self.assertIn(b"plain", message.attachment_ids.mapped("raw"))


@tagged("post_install", "-at_install")
class TestTemplate(RoadCase):
    """C4: send_mail and what calls it."""

    def setUp(self):
        super().setUp()
        # The text of templates stays in clear: the marked text comes from the record
        self.template.body_html = "<p>Dear <t t-out='object.ref'/></p>"

    def send_to(self, partners, **kwargs):
        for partner in partners:
            partner.ref = "reference"
        template = self.template.with_user(self.sender)
        return template.send_mail_batch(partners.ids, force_send=True, **kwargs)

    def test_batch(self):
        with self.gateways():
            mails = self.send_to(self.both)
            self.assertSent(self.both, text="Dear reference")
        self.assertEqual(len(mails), 2)
        self.assertEqual(mails.mapped("state"), ["sent", "sent"])
        for mail in mails:
            self.assertNotIn("reference", mail.body_html)
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(dispatch.state, "sent")
        self.assertEqual(dispatch.line_ids.partner_id, self.both)
        self.assertEqual(set(dispatch.line_ids.mapped("delivery")), {"delivered"})

    def test_one_of_many_has_no_address(self):
        self.contact.email = False
        with self.gateways():
            mails = self.send_to(self.both)
        self.assertEqual(mails.mapped("state"), ["cancel", "sent"])
        self.assertIn("no email", mails[0].failure_reason)
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(dispatch.state, "failed")
        self.assertEqual(dispatch.sent_count, 1)
        [line] = dispatch.line_ids.filtered(lambda line: line.state == "failed")
        self.assertEqual(line.partner_id, self.contact)
        self.contact.email = "clara@client.example"
        with self.gateways():
            dispatch.with_user(self.sender).action_retry()
            self.assertEqual(len(self._mails), 1)
        self.assertEqual(dispatch.state, "sent")
        self.assertEqual(len(self.threads()), 2)

    def test_one_of_many_cannot_be_rendered(self):
        self.template.body_html = (
            "<p t-if='object.name == \"Otto Other\"' t-out='1 / 0'/><p>fine</p>"
        )
        with self.gateways(), self.leak_scan() as scan:
            mails = self.send_to(self.both)
            self.assertNotIn("1 / 0", "\n".join(scan.log_lines))
        self.assertEqual(mails.mapped("state"), ["sent", "cancel"])

    def test_alone_it_says_what_is_wrong(self):
        self.contact.email = False
        with self.gateways(), self.assertRaises(UserError) as refused:
            self.template.with_user(self.sender).send_mail(self.contact.id)
        self.assertIn("no email", str(refused.exception))

    def test_values_of_the_caller(self):
        with self.scan():
            self.template.with_user(self.sender).send_mail(
                self.contact.id,
                force_send=True,
                email_values={
                    "subject": CANARY_SUBJECT,
                    "body_html": f"<p>{CANARY}</p>",
                },
            )
            self.assertSent(self.contact)

    def test_address_of_several(self):
        self.template.write({"use_default_to": False, "email_to": self.contact.email})
        self.other_contact.email = self.contact.email
        with self.gateways(), self.assertRaises(UserError) as refused:
            self.template.with_user(self.sender).send_mail(self.contact.id)
        self.assertIn("Otto Other", str(refused.exception))

    def test_two_contacts_of_one_address(self):
        """Both go: which contact is meant is clear."""
        self.other_contact.email = self.contact.email
        with self.gateways():
            self.send_to(self.both)
            self.assertSent(self.both, text="Dear reference")

    def test_not_for_logging_in(self):
        template = self.env.ref("auth_signup.mail_template_user_signup_account_created")
        with self.assertRaises(ValidationError):
            template.send_securely = True

    def test_date_of_the_template(self):
        """What is to leave later is not stored before."""
        self.template.scheduled_date = "{{ '2099-01-01 10:00:00' }}"
        with self.gateways():
            mails = self.send_to(self.both)
            self.assertNothingSent()
        self.assertEqual(mails.mapped("state"), ["cancel", "cancel"])
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(dispatch.state, "scheduled")
        self.assertEqual(str(dispatch.scheduled_at), "2099-01-01 10:00:00")
        self.assertEqual(dispatch.line_ids.partner_id, self.both)
        with self.gateways(), freeze_time("2099-01-01 10:01:00"):
            dispatch._run_chunk(10)
            self.assertSent(self.both, text="Dear reference")

    def test_date_of_the_caller(self):
        with self.gateways():
            self.template.with_user(self.sender).send_mail(
                self.contact.id,
                email_values={
                    "body_html": f"<p>{CANARY}</p>",
                    "scheduled_date": "2099-01-01 10:00:00",
                },
            )
            self.assertNothingSent()
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertIn(CANARY, dispatch.with_user(self.sender).body)

    def test_unknown_roads_are_refused_the_text(self):
        """Code that renders the template by itself would send it as it is."""
        for user in (self.sender, self.env.ref("base.user_root")):
            template = self.template.with_user(user)
            for call in (
                lambda t: t._render_field("body_html", self.contact.ids),
                lambda t: t._generate_template(self.contact.ids, ["body_html"]),
            ):
                with self.assertRaises(UserError) as refused:
                    call(template)
                self.assertIn("sent securely", str(refused.exception))
        key = own_code.RENDERING_KEY
        with self.assertRaises(UserError):
            self.template.with_context(**{key: True})._render_field(
                "body_html", self.contact.ids
            )

    def test_preview_works(self):
        preview = self.env["mail.template.preview"].create(
            {
                "mail_template_id": self.template.id,
                "resource_ref": f"res.partner,{self.contact.id}",
            }
        )
        self.assertIn("Dear", preview.body_html)
        self.assertFalse(preview.error_msg)

    def test_queries_do_not_grow(self):
        partners = self.env["res.partner"].create(
            [
                {"name": f"P{number}", "email": f"p{number}@x.example"}
                for number in range(60)
            ]
        )
        counts = {}
        with self.gateways():
            self.template.send_mail_batch(self.contact.ids)
            for group in (partners[:10], partners[10:]):
                self.env.flush_all()
                self.env.invalidate_all()
                before = self.env.cr.sql_log_count
                self.template.with_user(self.sender).send_mail_batch(group.ids)
                self.env.flush_all()
                counts[len(group)] = self.env.cr.sql_log_count - before
        self.assertLess((counts[50] - counts[10]) / 40, 1.0, counts)

    def test_a_document_that_is_gone_stops_nobody_else(self):
        gone = self.other_contact.copy()
        ids = [gone.id, self.contact.id]
        gone.unlink()
        generated, rows = self.template._secure_generate(ids)
        self.assertEqual(list(generated), self.contact.ids)
        self.assertEqual([row["res_id"] for row in rows], ids[:1])

    def test_languages_are_read_at_once(self):
        """Also of more contacts than fit in the cache of an earlier look at them."""
        partners = self.env["res.partner"].create(
            [{"name": f"P{n}", "email": f"p{n}@x.example"} for n in range(40)]
        )
        counts = []
        for group in (partners[:10], partners[10:]):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.template._secure_generate(group.ids)
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(counts[1], counts[0] + 5, counts)


@tagged("post_install", "-at_install")
class TestComposer(RoadCase):
    """C3 and the composer's own table."""

    def composer(self, partners, user=None, template=False, mode=None, **values):
        mode = mode or ("comment" if len(partners) == 1 else "mass_mail")
        context = {
            "default_composition_mode": mode,
            "default_model": "res.partner",
            "default_res_ids": partners.ids,
            "default_template_id": template and template.id,
        }
        composers = self.env["mail.compose.message"].with_user(user or self.writer)
        return composers.with_context(**context).create(
            {} if template else {"body": BODY, "subject": CANARY_SUBJECT, **values}
        )

    def test_who_turned_it_on_is_not_overruled_by_a_template(self):
        standard = self.template.copy({"send_securely": False})
        composers = self.env["mail.compose.message"].with_user(self.writer)
        composers = composers.with_context(
            default_composition_mode="comment",
            default_model="res.partner",
            default_res_ids=repr(self.contact.ids),
        )
        form = Form(composers)
        # By templates only: the next one decides
        for template in (self.template, standard):
            form.template_id = template
            self.assertEqual(form.secure_send, template == self.template)
        form.secure_send = True
        for template in (standard.copy(), self.template, standard):
            form.template_id = template
            self.assertTrue(form.secure_send)
        form.secure_send = False
        form.template_id = standard.copy()
        self.assertFalse(form.secure_send)
        form = Form(composers.with_context(default_secure_send=True))
        form.template_id = standard
        self.assertTrue(form.secure_send)

    def test_sms_opened_as_secure_stays_so(self):
        standard = self.env["sms.template"].create(
            {"name": "S", "model_id": self.template.model_id.id, "body": "x"}
        )
        composers = self.env["sms.composer"].with_user(self.writer)
        values = {"res_model": "res.partner", "res_id": self.contact.id, "body": "x"}
        for chosen in (True, False):
            context = {"default_secure_send": True} if chosen else {}
            composer = composers.with_context(**context).create(values)
            composer.template_id = standard
            self.assertEqual(composer.secure_send, chosen)

    def test_what_is_typed_is_sealed_before_it_is_sent(self):
        with self.leak_scan() as scan:
            composer = self.composer(self.contact)
            composer.body = f"<p>{CANARY} again</p>"
            self.assertNoLeak(scan)
        self.env.invalidate_all()
        self.assertIn("again", composer.body)
        self.assertEqual(composer.subject, CANARY_SUBJECT)

    def test_emptied_stays_empty(self):
        composer = self.composer(self.contact, template=self.template)
        self.assertIn("Dear", composer.body)
        composer.write({"body": False, "subject": False})
        self.env.invalidate_all()
        self.assertFalse(composer.body)

    def test_another_template_replaces_the_text(self):
        composer = self.composer(self.contact)
        composer.template_id = self.template
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertIn("Dear Clara Client", composer.body)

    def test_switch_follows_template_then_company(self):
        company = self.company
        self.assertFalse(self.composer(self.contact).secure_send)
        self.assertTrue(self.composer(self.contact, template=self.template).secure_send)
        company.secure_send_default = True
        self.assertTrue(self.composer(self.contact).secure_send)
        self.template.send_securely = False
        self.assertFalse(
            self.composer(self.contact, template=self.template).secure_send
        )
        company.secure_messaging_enabled = False
        self.assertFalse(self.composer(self.contact).secure_send)

    def test_one(self):
        file = self.upload(self.writer)
        with self.scan():
            composer = self.composer(
                self.contact,
                partner_ids=self.contact.ids,
                attachment_ids=file.ids,
                secure_send=True,
                body=f"<p>{CANARY}</p>",
            )
            composer.action_send_mail()
            self.assertSent(self.contact)
        [thread] = self.threads()
        self.assertEqual(self.files(thread), [(CANARY_FILE_NAME, CANARY_FILE.encode())])

    def test_many(self):
        file = self.upload(self.writer)
        with self.scan():
            composer = self.composer(
                self.both, attachment_ids=file.ids, secure_send=True
            )
            composer.action_send_mail()
            self.assertSent(self.both)
        for thread in self.threads():
            self.assertIn(f"{CANARY} for {thread.partner_id.name}", self.clear(thread))
            self.assertEqual(
                self.files(thread), [(CANARY_FILE_NAME, CANARY_FILE.encode())]
            )
            [line] = self.env["mail.message"].search(
                [
                    ("model", "=", "res.partner"),
                    ("res_id", "=", thread.partner_id.id),
                    ("secure_thread_id", "=", thread.id),
                ]
            )
            self.assertIn(thread.name, line.body)
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(set(dispatch.line_ids.mapped("delivery")), {"delivered"})

    def test_many_by_template(self):
        with self.gateways():
            composer = self.composer(self.both, template=self.template)
            composer.action_send_mail()
            self.assertSent(self.both, text="Dear")

    def test_date_of_the_template(self):
        """What is to leave later is not stored before, whoever chose the template."""
        self.template.scheduled_date = "{{ '2099-01-01 10:00:00' }}"
        with self.gateways():
            self.composer(self.both, template=self.template).action_send_mail()
            self.assertNothingSent()
        planned = self.env["secure.dispatch"].search([("state", "=", "scheduled")])
        self.assertEqual(planned.line_ids.partner_id, self.both)
        with self.gateways(), freeze_time("2099-01-01 10:01:00"):
            for dispatch in planned:
                dispatch._run_chunk(10)
            self.assertSent(self.both, text="Dear")

    def test_nothing_leaves_before_the_commit(self):
        """What is rolled back, and sent again, must not have left."""
        waiting = []
        mails = self.registry["mail.mail"]
        self.patch(mails, "send_after_commit", lambda mails: waiting.extend(mails.ids))
        with self.gateways():
            self.composer(self.both, template=self.template).action_send_mail()
            self.assertFalse(self._mails)
            self.assertEqual(len(waiting), 2)
            self.template.send_mail_batch(self.both.ids, force_send=True)
            self.assertFalse(self._mails)
            self.assertEqual(len(waiting), 4)

    def test_reports_of_those_left_out_are_not_kept(self):
        view = self.env["ir.ui.view"].create(
            {
                "name": "findings",
                "type": "qweb",
                "key": "secure_messaging.findings",
                "arch": f"<t t-name='findings'><p>{CANARY_FILE}</p></t>",
            }
        )
        self.template.report_template_ids = self.env["ir.actions.report"].create(
            {
                "name": "Findings",
                "model": "res.partner",
                "report_type": "qweb-html",
                "report_name": view.key,
            }
        )
        self.env["mail.blacklist"]._add(self.contact.email)
        files = self.env["ir.attachment"]
        last = files.search([("id", ">", 0)], order="id desc", limit=1).id
        with self.gateways():
            composer = self.composer(self.both, template=self.template)
            composer.action_send_mail()
            self.assertSent(self.other_contact, text="Dear")
        self.assertEqual(len(self.files(self.threads())), 1)
        made = files.search([("id", ">", last)])
        self.assertEqual(set(made.mapped("res_model")), {"secure.thread"})

    def test_some_of_many_cannot_be_sent(self):
        self.env["mail.blacklist"]._add(self.contact.email)
        nowhere = self.env["res.partner"].create({"name": "Nowhere"})
        with self.scan():
            composer = self.composer(self.both | nowhere, secure_send=True)
            composer.action_send_mail()
            self.assertSent(self.other_contact)
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(dispatch.failed_count, 2)
        self.assertEqual(len(dispatch.line_ids.mapped("reason")), 3)
        nowhere.email = "some@where.example"
        with self.scan():
            dispatch.sudo().action_retry()
        self.assertIn(nowhere, self.threads().partner_id)

    def test_ordinary_mail_stays_ordinary(self):
        file = self.upload(self.writer, raw=b"ordinary")
        with self.gateways():
            composer = self.composer(
                self.contact,
                partner_ids=self.contact.ids,
                attachment_ids=file.ids,
                body=f"<p>{CANARY}</p>",
            )
            self.assertFalse(composer.secure_send)
            composer.action_send_mail()
        self.assertIn(CANARY, self._mails[0]["body"])
        self.assertFalse(self.threads())

    def test_scheduled(self):
        with self.scan():
            composer = self.composer(
                self.contact,
                partner_ids=self.contact.ids,
                secure_send=True,
                body=f"<p>{CANARY}</p>",
                scheduled_date="2099-01-01 10:00:00",
            )
            composer.action_schedule_message()
            self.assertNothingSent()
        self.assertFalse(self.env["mail.scheduled.message"].search([]))
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(dispatch.state, "scheduled")
        self.assertIn(CANARY, dispatch.with_user(self.manager).body)

    def test_scheduled_message_marked_by_hand_is_refused(self):
        with self.assertRaises(UserError):
            self.env["mail.scheduled.message"].with_user(self.writer).create(
                {
                    "model": "res.partner",
                    "res_id": self.contact.id,
                    "scheduled_date": "2099-01-01 10:00:00",
                    "body": "x",
                    "notification_parameters": json.dumps({"send_securely": True}),
                }
            )

    def test_form(self):
        """What the web client does: onchange, save, read back."""
        context = {
            "default_composition_mode": "comment",
            "default_model": "res.partner",
            "default_res_ids": self.contact.ids,
        }
        composers = self.env["mail.compose.message"].with_user(self.writer)
        form = Form(composers.with_context(**context))
        form.template_id = self.template
        self.assertTrue(form.secure_send)
        self.assertIn("Dear Clara Client", form.body)
        composer = form.save()
        self.assertIn("Dear Clara Client", composer.body)


@tagged("post_install", "-at_install")
class TestSmsComposer(RoadCase):
    """C5."""

    def composer(self, partners, template=False, **values):
        context = {
            "default_res_model": "res.partner",
            "default_composition_mode": "mass" if len(partners) > 1 else "comment",
            "default_template_id": template and template.id,
        }
        if len(partners) > 1:
            context["default_res_ids"] = partners.ids
        else:
            context["default_res_id"] = partners.id
        composers = self.env["sms.composer"].with_user(self.writer)
        return composers.with_context(**context).create(
            {} if template else {"body": f"{CANARY} {{{{ object.name }}}}", **values}
        )

    def test_what_is_typed_is_sealed_before_it_is_sent(self):
        with self.leak_scan() as scan:
            composer = self.composer(self.contact)
            self.assertNoLeak(scan)
        self.env.invalidate_all()
        self.assertIn(CANARY, composer.body)

    def test_one(self):
        with self.scan():
            composer = self.composer(self.contact, secure_send=True)
            composer.action_send_sms()
            self.assertSent(self.contact, channel="sms")

    def test_one_by_template(self):
        with self.gateways():
            self.composer(self.contact, template=self.sms_template).action_send_sms()
            self.assertSent(self.contact, text="Dear Clara Client", channel="sms")

    def test_many_who_share_a_phone(self):
        self.other_contact.phone = self.contact.phone
        with self.scan():
            composer = self.composer(self.both, secure_send=True)
            composer.action_send_sms()
            self.assertSent(self.both, channel="sms")
        for thread in self.threads():
            self.assertIn(f"{CANARY} {thread.partner_id.name}", self.clear(thread))
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(dispatch.line_ids.mapped("delivery"), ["left", "left"])

    def test_some_of_many_cannot_be_sent(self):
        self.env["phone.blacklist"].sudo().add("+32470123456")
        nowhere = self.env["res.partner"].create({"name": "Nowhere"})
        with self.scan():
            composer = self.composer(self.both | nowhere, secure_send=True)
            composer.action_send_sms()
            self.assertSent(self.other_contact, channel="sms")
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(dispatch.failed_count, 2)
        nowhere.phone = "+32470777777"
        with self.scan():
            dispatch.sudo().action_retry()
        self.assertIn(nowhere, self.threads().partner_id)

    def test_pressed_twice(self):
        numbers = self.env["sms.composer"].with_user(self.writer)
        numbers = numbers.create(
            {
                "composition_mode": "numbers",
                "numbers": "+32470123456",
                "body": CANARY,
                "secure_send": True,
            }
        )
        for composer in (self.composer(self.both, secure_send=True), numbers):
            with self.subTest(mode=composer.composition_mode), self.gateways():
                composer.action_send_sms()
                self.leave()
                lines = self.env["secure.dispatch.line"].search_count([])
                left = len(self._sms)
                with self.assertRaisesRegex(UserError, "sent already"):
                    composer.action_send_sms()
                self.leave()
                self.assertEqual(len(self._sms), left)
                found = self.env["secure.dispatch.line"].search_count([])
                self.assertEqual(found, lines)

    def test_number_of_nobody(self):
        composer = self.env["sms.composer"].with_user(self.writer)
        composer = composer.create(
            {
                "composition_mode": "numbers",
                "numbers": "+32470999999",
                "body": CANARY,
                "secure_send": True,
            }
        )
        with self.gateways(), self.assertRaises(UserError):
            composer.action_send_sms()
        self.assertNothingSent()

    def test_number_of_a_contact(self):
        composer = self.env["sms.composer"].with_user(self.writer)
        composer = composer.create(
            {
                "composition_mode": "numbers",
                "numbers": "+32470123456",
                "body": CANARY,
                "secure_send": True,
            }
        )
        with self.scan():
            composer.action_send_sms()
            self.assertSent(self.contact, channel="sms")


@tagged("post_install", "-at_install")
class TestServerAction(RoadCase):
    def run_action(self, user=None, **values):
        action = self.env["ir.actions.server"].create(
            {"name": "Tell", "model_id": self.partner_model.id, **values}
        )
        context = {
            "active_model": "res.partner",
            "active_ids": self.both.ids,
            "active_id": self.contact.id,
        }
        # sudo: as automation rules run, for whoever set them off
        action.with_user(user or self.clerk).sudo().with_context(**context).run()
        self.env["mail.mail"].search([("state", "=", "outgoing")]).send()
        return action

    def mail_values(self, method="email"):
        return {
            "state": "mail_post",
            "template_id": self.template.id,
            "mail_post_method": method,
        }

    def test_email_and_post(self):
        for method in ("email", "comment"):
            with self.subTest(method=method), self.scan():
                before = len(self.threads())
                self.run_action(**self.mail_values(method))
                self.assertEqual(len(self._mails), 2)
                self.assertEqual(len(self.threads()), max(before, 2))

    def test_note_is_refused(self):
        with self.assertRaises(ValidationError):
            self.run_action(**self.mail_values("note"))

    def test_set_off_by_a_portal_user(self):
        self.contact.user_id = self.colleague
        with self.gateways():
            self.run_action(self.portal, **self.mail_values())
        threads = self.threads()
        self.assertEqual(threads.partner_id, self.both)
        by_contact = {row.partner_id: row.responsible_id for row in threads}
        self.assertEqual(by_contact[self.contact], self.colleague)
        self.assertEqual(by_contact[self.other_contact], self.manager)

    def test_failures_stop_nobody(self):
        self.contact.email = False
        with self.gateways():
            self.run_action(**self.mail_values())
        self.assertEqual(self.threads().partner_id, self.other_contact)
        [dispatch] = self.env["secure.dispatch"].search([])
        self.assertEqual(dispatch.failed_count, 1)
        self.assertEqual(dispatch.activity_ids.user_id, self.manager)

    def test_action_decides_otherwise(self):
        with self.gateways():
            action = self.run_action(**self.mail_values(), secure_send=False)
            self.assertFalse(action.secure_send)
            self.assertIn("Dear Clara Client", self.left_text())
        self.assertFalse(self.threads())
        self.template.send_securely = False
        with self.gateways():
            self.run_action(**self.mail_values(), secure_send=True)
            self.assertSent(self.both, text="Dear")

    def test_context_of_a_client_does_not_decide(self):
        key = own_code.STANDARD_KEY
        for claim in (True, 1, "x"):
            template = self.template.with_user(self.sender)
            with self.gateways():
                template.with_context(**{key: claim}).send_mail(self.contact.id)
            self.assertTrue(self.threads())

    def test_sms(self):
        for method in ("sms", "comment"):
            with self.subTest(method=method), self.gateways():
                self.run_action(
                    state="sms",
                    sms_template_id=self.sms_template.id,
                    sms_method=method,
                )
                self.assertSent(self.both, text="Dear", channel="sms")
