"""Mailings by SMS."""

import re

from odoo.tests import tagged

from .common import MailingCase


@tagged("post_install", "-at_install")
class TestSmsMailings(MailingCase):
    def test_content_is_in_the_conversations_only(self):
        before = self.env["link.tracker"].search_count([])
        mailing = self.sms_mailing(keep_archives=True)
        with self.scan():
            self.launch(mailing)
            self.assertSent(self.both, channel="sms")
            for sms in self._sms:
                self.assertIn("STOP SMS: ", sms["body"])
        self.assertEqual(self.env["link.tracker"].search_count([]), before)
        self.assertEqual(self.statuses(mailing), ["pending", "pending"])
        self.assertEqual(mailing.state, "done")
        for thread in self.threads():
            self.assertEqual(thread.responsible_id, self.marketer)
            self.assertNotIn("STOP", self.clear(thread))
        dispatch = self.dispatch(mailing)
        self.assertEqual(dispatch.channel, "sms")
        self.assertEqual(dispatch.line_ids.mapped("delivery"), ["left", "left"])

    def test_way_out(self):
        mailing = self.sms_mailing(self.contact)
        with self.gateways():
            self.launch(mailing)
            self.leave()
            [sms] = self._sms
        url = re.search(r"STOP SMS: (\S+)", sms["body"])[1]
        page = self.url_open(url)
        self.assertIn("sms_number", page.text)
        answer = self.url_open(f"{url}?sms_number=%2B32470123456")
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(
            self.env["phone.blacklist"].search([("number", "=", "+32470123456")])
        )

    def test_statistics(self):
        mailing = self.sms_mailing(self.contact)
        with self.gateways():
            self.launch(mailing)
            self.leave()
            token = self.left_token()
        trace = self.traces(mailing)
        [tracker] = trace.sms_tracker_ids
        self.assertTrue(tracker.mail_notification_id)
        tracker._action_update_from_sms_state("sent")
        self.assertEqual(trace.trace_status, "sent")
        self.visitor.open_gate(token)
        trace.invalidate_recordset()
        self.assertEqual(trace.trace_status, "open")
        self.assertTrue(trace.links_click_datetime)

    def test_standard_is_standard(self):
        self.company.secure_send_default = True
        mailing = self.sms_mailing(secure_send=False)
        with self.gateways():
            self.launch(mailing)
            self.leave()
            self.assertIn("CANARYbody7351", self.left_text())
        self.assertFalse(self.threads())

    def test_composer_that_says_otherwise(self):
        mailing = self.sms_mailing().sudo()
        values = mailing._send_sms_get_composer_values(self.both.ids)
        composer = self.env["sms.composer"].create({**values, "secure_send": False})
        with self.scan():
            composer._action_send_sms()
            self.assertSent(self.both, channel="sms")

    def test_follows_a_secure_template(self):
        mailing = self.env["mailing.mailing"].create(
            {
                "subject": "x",
                "mailing_type": "sms",
                "sms_template_id": self.sms_template.id,
                "mailing_model_id": self.partner_model.id,
            }
        )
        self.assertTrue(mailing.secure_send)
        mailing.secure_send = False
        self.assertFalse(mailing.secure_send)

    def test_who_is_not_sent_to(self):
        nowhere = self.env["res.partner"].create({"name": "Nowhere"})
        self.env["phone.blacklist"].sudo().add("+32470123456")
        archived = self.env["res.company"].create({"name": "Else"})
        self.other_contact.company_id = archived
        mailing = self.sms_mailing(self.both | nowhere)
        with self.scan():
            self.launch(mailing)
            self.assertNothingSent()
        self.assertEqual(
            [
                (trace.trace_status, trace.failure_type)
                for trace in self.traces(mailing)
            ],
            [
                ("cancel", "sms_blacklist"),
                ("error", "secure_refused"),
                ("cancel", "sms_number_missing"),
            ],
        )
        self.assertEqual(self.dispatch(mailing).failed_count, 3)
        self.other_contact.company_id = False
        self.run_queue()
        with self.scan():
            mailing.action_retry_failed()
            self.run_queue()
            self.assertSent(self.other_contact, channel="sms")

    def test_mailing_list(self):
        mailing, targets = self.list_mailing(
            [
                {"name": "Clara", "mobile": "+32 470 12 34 56"},
                {"name": "New Person", "mobile": "+32 470 88 88 88"},
                {"name": "Clara again", "mobile": "+32470123456"},
            ],
            mailing_type="sms",
        )
        with self.scan():
            self.launch(mailing)
            new = self.env["res.partner"].search([("name", "=", "New Person")])
            self.assertSent(self.contact | new, channel="sms")
        self.assertEqual(set(self.threads().mapped("res_id")), set(targets[:2].ids))
        self.assertEqual(self.statuses(mailing)[2], "cancel")

    def test_number_of_several(self):
        self.other_contact.phone = self.contact.phone
        mailing, _targets = self.list_mailing(
            [{"name": "Clara", "mobile": "+32 470 12 34 56"}], mailing_type="sms"
        )
        with self.gateways():
            self.launch(mailing)
            self.assertNothingSent()
        self.assertIn("Otto Other", self.traces(mailing).failure_reason)

    def test_failed_is_sent_again_not_said_again(self):
        mailing = self.sms_mailing(self.contact)
        with self.gateways():
            self.launch(mailing)
            sms = self.env["sms.sms"].search([("mailing_id", "=", mailing.id)])
            sms.action_set_error("sms_server")
            self.assertEqual(self.statuses(mailing), ["error"])
            mailing.action_retry_failed()
            self.run_queue()
            self.leave()
            self.assertEqual(len(self._sms), 1)
        self.assertEqual(self.statuses(mailing), ["pending"])
        self.assertEqual(self.clear(self.threads()).count("CANARYbody7351"), 1)

    def test_never_sent_in_the_transaction(self):
        mailing = self.sms_mailing(sms_force_send=True)
        with self.gateways():
            mailing.action_send_mail()
            self.assertFalse(self._sms)
            self.assertSent(self.both, channel="sms")

    def test_sample(self):
        mailing = self.sms_mailing(self.contact)
        wizard = self.env["mailing.sms.test"].with_user(self.marketer)
        with self.scan():
            wizard.create(
                {"numbers": "+32 470 99 99 99", "mailing_id": mailing.id}
            ).action_send_sms()
            [sms] = self._sms
            self.assertIn("/sm/...", sms["body"])
        self.assertFalse(self.threads())

    def test_queries_do_not_grow(self):
        def mailing(secure, number):
            people = self.env["res.partner"].create(
                [
                    {"name": f"P{n}", "phone": f"+3247{secure + 1}{number}{n:04}"}
                    for n in range(number)
                ]
            )
            return self.sms_mailing(people, secure_send=secure)

        standard, secure = self.queries_each(mailing)
        self.assertLess(secure, standard + 0.5)
