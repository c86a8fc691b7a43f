"""“Ask for Consent” on whatever is sent, where the company leaves it open: it reaches
the conversation by every road, and stays there."""

from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import Form, tagged

from .common import CANARY, PIN
from .test_calendar import AppointmentCase
from .test_dispatch import DispatchCase

BODY = f"<p>{CANARY}</p>"


class AskCase:
    """Where the company leaves it open."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.write(
            {"secure_consent_text": "We keep it.", "secure_consent_for": "chosen"}
        )

    def asked(self):
        """Whether the conversations that were just started ask."""
        threads = self.threads()
        self.assertTrue(threads)
        [asked] = set(threads.mapped("ask_consent"))
        threads.active = False
        return asked

    def both_ways(self, send):
        """Send twice: with the templates marked, and without.

        :param send: function that sends to at least one contact, by the templates
        """
        for marked in (True, False):
            self.template.ask_consent = self.sms_template.ask_consent = marked
            with self.gateways():
                send()
            self.assertEqual(self.asked(), marked)


@tagged("post_install", "-at_install")
class TestConsentRoads(AskCase, DispatchCase):
    def composer(self, template=False, partners=None, **values):
        partners = partners or self.contact
        mode = "comment" if len(partners) == 1 else "mass_mail"
        composers = self.env["mail.compose.message"].with_user(self.writer)
        return composers.with_context(
            default_composition_mode=mode,
            default_model="res.partner",
            default_res_ids=partners.ids,
            default_template_id=template and template.id,
            default_partner_ids=partners.ids if mode == "comment" else False,
        ).create(
            {"secure_send": True, **({} if template else {"body": BODY}), **values}
        )

    def sms_composer(self, partners=None, **values):
        partners = partners or self.contact
        return (
            self.env["sms.composer"]
            .with_user(self.writer)
            .create(
                {
                    "res_model": "res.partner",
                    "res_id": partners[:1].id,
                    "res_ids": repr(partners.ids),
                    "composition_mode": "mass" if len(partners) > 1 else "comment",
                    "template_id": self.sms_template.id,
                    "body": "text",
                    "secure_send": True,
                    **values,
                }
            )
        )

    def compose(self, **values):
        return (
            self.env["secure.compose"]
            .with_user(self.sender)
            .create({"partner_ids": self.contact.ids, "body": BODY, **values})
        )

    def action(self, **values):
        return self.env["ir.actions.server"].create(
            {"name": "Send", "model_id": self.partner_model.id, **values}
        )

    # -- by template ---------------------------------------------------------------

    def test_template(self):
        self.both_ways(lambda: self.template.send_mail_batch(self.both.ids))
        self.both_ways(lambda: self.template.send_mail(self.contact.id))

    def test_template_with_a_date(self):
        later = fields.Datetime.now() + timedelta(days=1)
        self.template.scheduled_date = str(later)
        for overrides in ({}, {"email_values": {"subject": "x"}}):
            for marked in (True, False):
                self.template.ask_consent = marked
                with self.gateways():
                    self.template.send_mail_batch(self.contact.ids, **overrides)
                    self.assertFalse(self.threads())
                    self.template.ask_consent = not marked
                    with freeze_time(later + timedelta(minutes=1)):
                        self.run_cron()
                self.assertEqual(self.asked(), marked)

    def test_server_actions(self):
        for method in ("email", "comment"):
            action = self.action(
                state="mail_post",
                template_id=self.template.id,
                mail_post_method=method,
            )
            self.both_ways(
                lambda action=action: action.with_context(
                    active_model="res.partner", active_ids=self.contact.ids
                ).run()
            )
        action = self.action(
            state="sms", sms_template_id=self.sms_template.id, sms_method="sms"
        )
        self.both_ways(
            lambda: action.with_context(
                active_model="res.partner",
                active_id=self.contact.id,
                active_ids=self.contact.ids,
            ).run()
        )

    def test_sms_with_template(self):
        self.both_ways(
            lambda: self.contact.with_user(self.writer)._message_sms_with_template(
                template=self.sms_template, partner_ids=self.contact.ids
            )
        )

    # -- by message --------------------------------------------------------------

    def test_composer(self):
        for partners in (self.contact, self.both):
            self.both_ways(
                lambda partners=partners: self.composer(
                    self.template, partners
                ).action_send_mail()
            )
            for asked in (True, False):
                with self.gateways():
                    self.composer(
                        partners=partners, ask_consent=asked
                    ).action_send_mail()
                self.assertEqual(self.asked(), asked)

    def test_composer_decides_otherwise(self):
        for marked in (True, False):
            self.template.ask_consent = marked
            for partners in (self.contact, self.both):
                composer = self.composer(self.template, partners)
                self.assertEqual(composer.ask_consent, marked)
                composer.ask_consent = not marked
                with self.gateways():
                    composer.action_send_mail()
                self.assertEqual(self.asked(), not marked)

    def test_composer_schedules(self):
        later = fields.Datetime.now() + timedelta(days=1)
        for asked in (True, False):
            composer = self.composer(ask_consent=asked, scheduled_date=str(later))
            with self.gateways():
                composer.action_schedule_message()
                with freeze_time(later + timedelta(minutes=1)):
                    self.run_cron()
            self.assertEqual(self.asked(), asked)

    def test_composer_of_many_with_a_date(self):
        later = fields.Datetime.now() + timedelta(days=1)
        self.template.write({"scheduled_date": str(later), "ask_consent": True})
        with self.gateways():
            self.composer(self.template, self.both).action_send_mail()
            self.assertFalse(self.threads())
            with freeze_time(later + timedelta(minutes=1)):
                self.run_cron()
        self.assertTrue(self.asked())

    def test_who_turned_it_on_is_not_overruled_by_a_template(self):
        marked = self.template.copy({"ask_consent": True})
        form = Form(self.composer())
        for template in (marked, self.template):
            form.template_id = template
            self.assertEqual(form.ask_consent, template == marked)
        form.ask_consent = True
        for template in (self.template.copy(), marked, self.template):
            form.template_id = template
            self.assertTrue(form.ask_consent)
        form.ask_consent = False
        form.template_id = self.template.copy()
        self.assertFalse(form.ask_consent)

    def test_context_of_a_client_only_adds(self):
        self.template.ask_consent = self.sms_template.ask_consent = True
        plain = self.template.copy({"ask_consent": False})
        models = (
            ("mail.compose.message", {"template_id": self.template.id}),
            ("sms.composer", {"template_id": self.sms_template.id}),
            ("secure.compose", {"template_id": self.template.id}),
        )
        for model, values in models:
            records = self.env[model].with_user(self.sender)
            made = records.with_context(default_ask_consent=False).create(values)
            self.assertTrue(made.ask_consent, model)
        records = self.env["secure.compose"].with_user(self.sender)
        made = records.with_context(default_ask_consent=True).create(
            {"template_id": plain.id}
        )
        self.assertTrue(made.ask_consent)

    def test_sms_composer(self):
        for partners in (self.contact, self.both):
            self.both_ways(
                lambda partners=partners: self.sms_composer(partners).action_send_sms()
            )
        for asked in (True, False):
            with self.gateways():
                self.sms_composer(
                    template_id=False, ask_consent=asked
                ).action_send_sms()
            self.assertEqual(self.asked(), asked)

    def test_sms_composer_with_numbers(self):
        for asked in (True, False):
            composer = self.sms_composer(
                composition_mode="numbers",
                numbers=self.contact.phone_sanitized,
                res_model=False,
                res_id=False,
                res_ids=False,
                template_id=False,
                ask_consent=asked,
            )
            with self.gateways():
                composer.action_send_sms()
            self.assertEqual(self.asked(), asked)

    def test_post(self):
        contact = self.contact.with_user(self.writer)
        values = {"body": BODY, "partner_ids": self.contact.ids, "send_securely": True}
        later = fields.Datetime.now() + timedelta(days=1)
        for asked in (True, False):
            with self.gateways():
                contact.message_post(**values, ask_consent=asked)
            self.assertEqual(self.asked(), asked)
            with self.gateways():
                contact.message_notify(**values, ask_consent=asked)
            self.assertEqual(self.asked(), asked)
            with self.gateways():
                contact.message_post(
                    **values, ask_consent=asked, scheduled_date=str(later)
                )
                with freeze_time(later + timedelta(minutes=1)):
                    self.run_cron()
            self.assertEqual(self.asked(), asked)
        self.assertIn("ask_consent", contact._get_allowed_message_params())

    def test_compose(self):
        self.both_ways(lambda: self.compose(template_id=self.template.id).action_send())
        self.both_ways(
            lambda: self.compose(
                sms_template_id=self.sms_template.id, channel="sms"
            ).action_send()
        )
        for asked in (True, False):
            with self.gateways():
                self.compose(ask_consent=asked).action_send()
            self.assertEqual(self.asked(), asked)

    def test_compose_later_and_changed(self):
        later = fields.Datetime.now() + timedelta(days=1)
        for asked in (True, False):
            with self.gateways():
                self.compose(
                    ask_consent=asked, scheduled_at=later, pin=PIN
                ).action_send()
                dispatch = self.env["secure.dispatch"].search(
                    [("state", "=", "scheduled")]
                )
                self.assertEqual(dispatch.ask_consent, asked)
                changed = dispatch.with_user(self.sender).action_change()
                form = self.env["secure.compose"].with_user(self.sender)
                form = form.browse(changed["res_id"])
                self.assertEqual(form.ask_consent, asked)
                form.subject = "Changed"
                form.action_send()
                with freeze_time(later + timedelta(minutes=1)):
                    self.run_cron()
            self.assertEqual(self.asked(), asked)

    def test_offered_where_the_company_leaves_it_open(self):
        other = self.env["res.company"].create({"name": "Other Office"})
        self.sender.company_ids += other
        form = self.compose()
        for setting in ("nobody", "everybody", "chosen"):
            self.company.secure_consent_for = setting
            self.env.invalidate_all()
            for record in (self.template, self.sms_template, self.composer(), form):
                self.assertEqual(record.consent_offered, setting == "chosen")
        form.company_id = other
        self.assertFalse(form.consent_offered)

    def test_without_a_text_nothing_is_sent(self):
        """Told before, where somebody writes; in the Outbox, where nobody is there."""
        self.env.cr.execute("UPDATE res_company SET secure_consent_text = NULL")
        self.env.invalidate_all()
        form = self.compose(ask_consent=True)
        self.assertIn("has no consent text", form.problem)
        with self.gateways():
            for send in (
                form.action_send,
                form.action_confirm,
                self.composer(ask_consent=True).action_send_mail,
            ):
                with self.assertRaises(UserError) as refused:
                    send()
                self.assertIn("has no consent text", str(refused.exception))
            self.template.ask_consent = True
            self.template.send_mail_batch(self.both.ids)
            self.assertNothingSent()
        lines = self.env["secure.dispatch.line"].search([])
        self.assertEqual(lines.mapped("state"), ["failed"] * 2)
        self.assertIn("has no consent text", lines[0].reason)
        self.assertEqual(form.body, BODY)
        with self.gateways():
            self.compose().action_send()
        self.assertFalse(self.asked())

    def test_reset_of_a_template_keeps_it(self):
        template = self.env.ref("secure_messaging.sms_template_appointment_reminder")
        template.write({"ask_consent": True, "send_securely": True})
        template.reset_template()
        self.assertTrue(template.ask_consent)

    def test_queries_do_not_grow(self):
        partners = self.people(60)
        self.template.ask_consent = True
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
        # Nor when what is there already has to be turned on
        turned = {}
        domain = [("partner_id", "in", partners.ids)]
        threads = self.env["secure.thread"].search(domain)
        threads.ask_consent = False
        with self.gateways():
            for group in (partners[:10], partners[10:]):
                self.env.flush_all()
                self.env.invalidate_all()
                before = self.env.cr.sql_log_count
                self.template.with_user(self.sender).send_mail_batch(group.ids)
                self.env.flush_all()
                turned[len(group)] = self.env.cr.sql_log_count - before
        self.assertLess((turned[50] - turned[10]) / 40, 1.0, turned)
        self.assertTrue(all(threads.mapped("ask_consent")))


@tagged("post_install", "-at_install")
class TestConsentAppointments(AskCase, AppointmentCase):
    def test_invitation_and_reminder(self):
        self.template, self.sms_template = self.mail_template, self.sms_reminder
        self.both_ways(self.notify)
        self.both_ways(lambda: self.event._secure_sms(self.sms_reminder))
