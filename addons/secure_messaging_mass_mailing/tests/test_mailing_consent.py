"""Mailings that ask for consent."""

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import MailingCase


@tagged("post_install", "-at_install")
class TestMailingConsent(MailingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.write(
            {"secure_consent_text": "We keep it.", "secure_consent_for": "chosen"}
        )

    def asked(self, mailing):
        """Whether the conversations of a mailing ask."""
        threads = self.dispatch(mailing).line_ids.thread_id
        self.assertEqual(threads.partner_id, self.both)
        [asked] = set(threads.mapped("ask_consent"))
        threads.active = False
        return asked

    def test_by_mailing(self):
        for make in (self.mailing, self.sms_mailing):
            for asks in (True, False):
                with self.subTest(make=make, asks=asks):
                    mailing = make(ask_consent=asks)
                    with self.gateways():
                        self.launch(mailing)
                    self.assertEqual(self.asked(mailing), asks)
                    self.assertEqual(mailing.copy().ask_consent, asks)

    def test_by_sms_template(self):
        self.sms_template.ask_consent = True
        mailing = self.sms_mailing(sms_template_id=self.sms_template.id)
        self.assertTrue(mailing.ask_consent)
        mailing.sms_template_id = self.sms_template.copy({"ask_consent": False})
        self.assertTrue(mailing.ask_consent)

    def test_changed_between_two_runs(self):
        """Who is tried again is asked as the mailing says by then."""
        other = self.env["res.company"].create({"name": "Other Office"})
        self.other_contact.company_id = other
        mailing = self.mailing()
        with self.gateways():
            self.launch(mailing)
            self.other_contact.company_id = False
            mailing.ask_consent = True
            mailing.action_retry_failed()
            self.run_queue()
        threads = self.dispatch(mailing).line_ids.thread_id
        asked = {thread.partner_id: thread.ask_consent for thread in threads}
        self.assertEqual(asked, {self.contact: False, self.other_contact: True})

    def test_mailing_that_a_composer_makes(self):
        composer = (
            self.env["mail.compose.message"]
            .with_context(
                default_composition_mode="mass_mail",
                default_model="res.partner",
                default_res_ids=self.both.ids,
            )
            .create(
                {
                    "body": "<p>text</p>",
                    "subject": "Autumn",
                    "mass_mailing_name": "Of a composer",
                    "secure_send": True,
                    "ask_consent": True,
                }
            )
        )
        with self.gateways():
            composer.action_send_mail()
        mailing = self.env["mailing.mailing"].search([("name", "=", "Of a composer")])
        self.assertTrue(mailing.ask_consent)
        self.assertTrue(self.asked(mailing))

    def test_without_a_text_it_is_not_sent(self):
        mailing = self.mailing(ask_consent=True)
        self.env.cr.execute("UPDATE res_company SET secure_consent_text = NULL")
        self.env.invalidate_all()
        with self.gateways():
            with self.assertRaises(UserError) as refused:
                mailing.action_send_mail()
            self.assertIn("has no consent text", str(refused.exception))
            mailing.sudo()._action_send_mail()
            self.assertNothingSent()
        self.assertEqual(mailing.state, "draft")
        self.assertIn("has no consent text", mailing.sudo().activity_ids.note)
