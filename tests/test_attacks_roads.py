"""What an attacker, or bad luck, may try on the roads by which Odoo sends."""

from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models import secure_dispatch_run
from .common import CANARY, CANARY_FILE, CANARY_FILE_NAME
from .test_compose import ComposeCase
from .test_roads import RoadCase

RENDER_LOGGER = "odoo.addons.mail.models.mail_render_mixin"


@tagged("post_install", "-at_install")
class TestMark(RoadCase):
    """What is marked stays marked."""

    def test_reset_template_keeps_the_mark(self):
        template = self.env.ref("calendar.calendar_template_meeting_reminder")
        template.send_securely = True
        template.reset_template()
        self.assertTrue(template.send_securely)

    def test_reset_sms_template_keeps_the_mark(self):
        template = self.env.ref("calendar_sms.sms_template_data_calendar_reminder")
        template.send_securely = True
        template.reset_template()
        self.assertTrue(template.send_securely)

    def test_standard_action_speaks_for_its_own_template_only(self):
        plain = self.template.copy({"name": "Plain", "send_securely": False})
        plain.body_html = "<p>Hello</p>"
        self.template.body_html = f"<p>{CANARY}</p>"
        code = f"""
if record.model == 'res.partner' and record.subject:
    env['mail.template'].browse({self.template.id}).send_mail(record.res_id)
"""
        self.env["base.automation"].create(
            {
                "name": "Answer",
                "model_id": self.env["ir.model"]._get("mail.message").id,
                "trigger": "on_create",
                "action_server_ids": [
                    (
                        0,
                        0,
                        {
                            "name": "Code",
                            "model_id": self.env["ir.model"]._get("mail.message").id,
                            "state": "code",
                            "usage": "base_automation",
                            "code": code,
                        },
                    )
                ],
            }
        )
        action = self.env["ir.actions.server"].create(
            {
                "name": "Tell",
                "model_id": self.partner_model.id,
                "state": "mail_post",
                "template_id": plain.id,
                "mail_post_method": "email",
            }
        )
        with self.gateways():
            action.with_context(
                active_model="res.partner",
                active_ids=self.contact.ids,
                active_id=self.contact.id,
            ).run()
            self.env["mail.mail"].search([("state", "=", "outgoing")]).send()
            left = self.left_text()
        self.assertIn("Hello", left)
        self.assertNotIn(CANARY, left)
        self.assertIn(CANARY, "".join(self.clear(one) for one in self.threads()))


@tagged("post_install", "-at_install")
class TestClear(RoadCase):
    """Content in errors, logs and columns."""

    def composer(self, **values):
        return (
            self.env["mail.compose.message"]
            .with_user(self.sender)
            .create(
                {
                    "composition_mode": "mass_mail",
                    "model": "res.partner",
                    "res_ids": str(self.both.ids),
                    "subject": "Findings",
                    "secure_send": True,
                    **values,
                }
            )
        )

    def test_email_that_cannot_be_rendered(self):
        self.sender.group_ids |= self.env.ref("mail.group_mail_template_editor")
        body = f"<p>{CANARY} <t t-out='object.no_such_field'/></p>"
        with self.scan(), self.assertRaises(UserError) as error:
            self.composer(body=body).action_send_mail()
        self.assertNotIn(CANARY, str(error.exception))

    def test_pressed_twice(self):
        composer = self.composer(body=f"<p>{CANARY}</p>")
        with self.gateways():
            composer.action_send_mail()
            with self.assertRaises(UserError):
                composer.action_send_mail()
            self.assertSent(self.both)

    def sms(self, mode, **values):
        return (
            self.env["sms.composer"]
            .with_user(self.sender)
            .create(
                {
                    "composition_mode": mode,
                    "res_model": "res.partner",
                    "res_ids": str(self.both.ids),
                    "body": f"{CANARY} {{{{ object.no_such_field }}}}",
                    "secure_send": True,
                    **values,
                }
            )
        )

    def test_sms_that_cannot_be_rendered(self):
        self.sender.group_ids |= self.env.ref("mail.group_mail_template_editor")
        for mode in ("comment", "mass"):
            with self.subTest(mode), self.scan():
                with self.assertRaises(UserError) as error:
                    self.sms(mode).action_send_sms()
                self.assertNotIn(CANARY, str(error.exception))

    def test_sms_composer_of_others(self):
        composer = self.sms("mass")
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            composer.with_user(self.colleague).read(["body"])

    def test_key_missing_while_the_company_sends_securely(self):
        self.company.secure_send_default = True
        keyring = self.registry["secure.keyring"]
        locked = secure_dispatch_run.KeysUnavailable("no key")
        composers = self.env["mail.compose.message"].with_user(self.sender)
        values = {
            "composition_mode": "mass_mail",
            "model": "res.partner",
            "res_ids": str(self.both.ids),
            "body": f"<p>{CANARY}</p>",
        }
        with self.leak_scan() as scan:
            with (
                patch.object(keyring, "_ring", side_effect=locked),
                self.assertRaises(UserError),
            ):
                composers.create(values)
            self.assertNoLeak(scan)

    def test_key_back_and_the_switch_turned_on(self):
        keyring = self.registry["secure.keyring"]
        locked = secure_dispatch_run.KeysUnavailable("no key")
        with patch.object(keyring, "_ring", side_effect=locked):
            composer = self.composer(body=f"<p>{CANARY}</p>", secure_send=False)
            self.env.flush_all()
        with self.leak_scan() as scan:
            composer.secure_send = True
            self.env.flush_all()
            self.assertNoLeak(scan)


@tagged("post_install", "-at_install")
class TestRights(ComposeCase):
    def test_notify_about_a_hidden_document(self):
        document = self.env["res.partner"].create({"name": "Hidden"})
        with self.gateways():
            document.message_post(
                body=CANARY, partner_ids=self.contact.ids, send_securely=True
            )
        [thread] = self.threads()
        self.env["ir.rule"].create(
            {
                "name": "Hidden",
                "model_id": self.partner_model.id,
                "domain_force": f"[('id', '!=', {document.id})]",
            }
        )
        self.env.invalidate_all()
        partners = self.contact | self.colleague.partner_id
        with self.gateways(), self.assertRaises(AccessError):
            self.env["res.partner"].with_user(self.clerk).message_notify(
                body="hello",
                partner_ids=partners.ids,
                model="res.partner",
                res_id=document.id,
                send_securely=True,
            )
        self.assertNotIn(self.colleague, thread.participant_ids)

    def test_author_deleted(self):
        at = self.later()
        user = self._user("leaver", "base.group_user,secure_messaging.group_user")
        dispatch = self.plan(user=user, scheduled_at=at)
        user.unlink()
        with self.gateways(), freeze_time(at + timedelta(minutes=1)):
            self.run_cron()
            self.assertNothingSent()
        self.assertEqual(dispatch.state, "held")

    def test_failure_of_somebody_without_the_outbox(self):
        self.both.email = False
        with self.gateways():
            mails = self.template.with_user(self.clerk).send_mail_batch(self.both.ids)
        self.assertEqual(mails.mapped("state"), ["cancel", "cancel"])


@tagged("post_install", "-at_install")
class TestLost(ComposeCase):
    def test_conversation_was_archived(self):
        with self.gateways():
            for _time in range(2):
                self.contact.with_user(self.writer).message_post(
                    body=CANARY, partner_ids=self.contact.ids, send_securely=True
                )
                self.threads().active = False
        archived = self.env["secure.thread"].with_context(active_test=False).search([])
        self.assertEqual(len(archived), 2)

    def test_stage_changes_though_its_template_cannot_be_sent(self):
        self.contact.email = False
        self.env.cr.precommit.run()
        changed = {"template": (self.template.sudo(), {})}
        partners = self.registry["res.partner"]
        with (
            self.gateways(),
            patch.object(partners, "_track_template", lambda *_args: changed),
        ):
            for partner in self.both.with_user(self.writer):
                partner._message_track_post_template({"stage"})
            self.assertSent(self.other_contact, text="Dear")
        self.assertEqual(set(self.dispatches().mapped("state")), {"failed", "sent"})

    def test_automation_reads_nothing(self):
        with self.gateways():
            self.contact.message_post(
                body=CANARY, partner_ids=self.contact.ids, send_securely=True
            )
            thread = self.threads()
            for user in (self.env["res.users"].browse(1), self.clerk):
                thread.staff_unread_count = 1
                self.contact.with_user(user).sudo().message_post(
                    body=CANARY, partner_ids=self.contact.ids, send_securely=True
                )
                self.assertEqual(thread.staff_unread_count, 1)
            self.contact.with_user(self.manager).sudo().message_post(
                body=CANARY, partner_ids=self.contact.ids, send_securely=True
            )
        self.assertEqual(thread.staff_unread_count, 0)

    def test_scheduled_files_alone(self):
        file = self.upload(self.writer, res_model="mail.compose.message", res_id=0)
        at = self.later()
        with self.gateways():
            self.contact.with_user(self.writer).message_post(
                body="",
                partner_ids=self.contact.ids,
                attachment_ids=file.ids,
                send_securely=True,
                scheduled_date=at,
            )
            with freeze_time(at + timedelta(minutes=1)):
                self.run_cron()
        self.assertEqual(self.dispatches().state, "sent")

    def test_files_alone(self):
        file = self.upload()
        with self.scan():
            self.form(body=False, attachment_ids=file.ids).action_send()
        for thread in self.threads():
            self.assertEqual(
                self.files(thread), [(CANARY_FILE_NAME, CANARY_FILE.encode())]
            )
        self.assertEqual(self.threads().partner_id, self.both)

    def test_template_whose_text_was_taken_out(self):
        file = self.upload()
        with self.gateways():
            self.form(
                body=False, template_id=self.template.id, attachment_ids=file.ids
            ).action_send()
        for thread in self.threads():
            self.assertNotIn("Dear", self.clear(thread))

    def test_filter_that_breaks_is_told(self):
        at = self.later()
        dispatch = self.plan(
            rows=[],
            partners=self.env["res.partner"],
            scheduled_at=at,
            recipient_filter="[('no_such_field', '=', 1)]",
        )
        dispatch.line_ids.unlink()
        with self.gateways(), freeze_time(at + timedelta(minutes=1)):
            with mute_logger("odoo.addons.secure_messaging.models.secure_dispatch_run"):
                self.run_cron()
        self.assertEqual(dispatch.state, "failed")
        self.assertEqual(dispatch.activity_ids.user_id, self.sender)
