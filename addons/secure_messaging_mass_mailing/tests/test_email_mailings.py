"""Mailings by email, from their form to the page and back into their statistics."""

import re
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import Form, tagged

from .common import MailingCase


@tagged("post_install", "-at_install")
class TestEmailMailings(MailingCase):
    def test_content_is_in_the_conversations_only(self):
        mailing = self.mailing(preview="HiddenLine")
        with self.scan():
            self.launch(mailing)
            self.assertSent(self.both)
            self.assertNotIn("/r/", self.left_text())
            self.assertNotIn("HiddenLine", self.left_text())
            self.assertNotIn("/view", self.left_text())
            self.assertNotIn("blank.gif", self.left_text())
        self.assertEqual(mailing.state, "done")
        self.assertEqual(self.statuses(mailing), ["sent", "sent"])
        for thread in self.threads():
            self.assertEqual(thread.responsible_id, self.marketer)
            self.assertEqual(
                (thread.res_model, thread.res_id), ("res.partner", thread.partner_id.id)
            )
            clear = self.clear(thread)
            self.assertIn(f"for {thread.partner_id.name}", clear)
            self.assertIn("https://shop.example/CANARYlink7361", clear)
            self.assertNotIn("Web version", clear)
            self.assertNotIn("blank.gif", clear)
            self.assertNotIn("HiddenLine", clear)
        dispatch = self.dispatch(mailing)
        self.assertEqual(
            (dispatch.origin, dispatch.state, dispatch.user_id),
            ("mailing", "sent", self.marketer),
        )
        self.assertEqual(set(dispatch.line_ids.mapped("delivery")), {"delivered"})
        self.assertFalse(dispatch.can_retry)

    def test_no_address_of_the_content_is_tracked(self):
        before = self.env["link.tracker"].search_count([])
        mailing = self.mailing()
        with self.gateways():
            self.launch(mailing)
        self.assertIn("shop.example", mailing.convert_links()[mailing.id])
        self.assertEqual(self.env["link.tracker"].search_count([]), before)

    def test_standard_is_standard_and_secure_is_secure(self):
        self.company.secure_send_default = True
        standard = self.mailing(secure_send=False)
        with self.gateways():
            self.launch(standard)
            self.assertIn("CANARYbody7351", self.left_text())
        self.assertFalse(self.threads())
        self.company.secure_send_default = False
        with self.gateways():
            self.launch(self.mailing())
            self.assertSent(self.both)

    def test_composer_that_says_otherwise(self):
        composer = self.composer_of(self.mailing())
        composer.secure_send = False
        with self.scan():
            composer._action_send_mail()
            self.assertSent(self.both)

    def test_sent_by_hand(self):
        """By somebody who may not add contacts: unknown addresses are refused."""
        mailing, _targets = self.list_mailing(
            [
                {"name": "Clara", "email": "clara@client.example"},
                {"name": "New Person", "email": "new@x.example"},
            ]
        )
        with self.scan():
            mailing.action_send_mail()
            self.assertSent(self.contact)
        self.assertEqual(self.statuses(mailing), ["sent", "error"])
        self.assertIn("may not add", self.traces(mailing)[1].failure_reason)

    def test_switch(self):
        mailings = self.env["mailing.mailing"].with_user(self.marketer)
        self.assertFalse(Form(mailings).secure_send)
        self.company.secure_send_default = True
        self.assertTrue(Form(mailings).secure_send)
        mailing = self.mailing(secure_send=False)
        self.assertFalse(mailing.secure_send)
        self.assertTrue(self.mailing().copy().secure_send)
        self.assertFalse(mailing.copy().secure_send)

    def test_way_out(self):
        """Unsubscribing, in the mail's text, in its headers and on the page."""
        mailing = self.mailing(self.contact)
        with self.gateways():
            self.launch(mailing)
            [mail] = self._mails
        self.assertIn("Unsubscribe", mail["body"])
        self.assertIn("/confirm_unsubscribe?", mail["body_alternative"])
        self.assertNotIn("/unsubscribe_from_list", mail["body_alternative"])
        urls = re.findall(
            r"http[^\s\"<>]*/mailing/[^\s\"<>]*", mail["body"].replace("&amp;", "&")
        )
        self.assertEqual(len(urls), 1)
        self.assertIn(f"document_id={self.contact.id}", urls[0])
        self.assertIn("email=clara%40client.example", urls[0])
        self.assertEqual(self.url_open(urls[0]).status_code, 200)
        self.assertIn(urls[0].replace("&", "&amp;"), self.clear(self.threads()))
        header = mail["headers"]["List-Unsubscribe"].strip("<>")
        self.assertEqual(self.url_open(header, data={"x": "y"}).status_code, 200)
        self.assertTrue(
            self.env["mail.blacklist"].search([("email", "=", "clara@client.example")])
        )

    def test_no_web_version(self):
        mailing = self.mailing(self.contact)
        with self.gateways():
            self.launch(mailing)
        url = mailing._get_view_url("clara@client.example", self.contact.id)
        self.assertEqual(self.url_open(url).status_code, 404)
        self.authenticate("marketer", "marketer-marketer")
        self.assertEqual(self.url_open(url).status_code, 404)
        with self.assertRaises(UserError):
            mailing.secure_send = False
        standard = self.mailing(self.contact, secure_send=False)
        url = standard._get_view_url("clara@client.example", self.contact.id)
        self.assertIn("CANARYbody7351", self.url_open(url).text)

    def test_statistics_come_from_the_page(self):
        mailing = self.mailing(self.contact)
        with self.gateways():
            self.launch(mailing)
            token = self.left_token()
        trace = self.traces(mailing)
        self.visitor.get(f"/sm/{token}")
        trace.invalidate_recordset()
        self.assertEqual(trace.trace_status, "sent")
        self.set_pin(self.contact)
        self.visitor.open_gate(token, pin="000111")
        trace.invalidate_recordset()
        self.assertEqual(trace.trace_status, "open")
        self.assertFalse(trace.links_click_datetime)
        self.visitor.open_gate(token, pin="839174")
        trace.invalidate_recordset()
        self.assertTrue(trace.links_click_datetime)
        self.assertEqual(mailing.clicks_ratio, 100)
        with self.gateways():
            self.visitor.submit(_index=self.visitor.form(self.visitor.path), body="hi")
        trace.invalidate_recordset()
        self.assertEqual(trace.trace_status, "reply")
        self.assertEqual((mailing.opened, mailing.replied), (1, 1))

    def test_trace_knows_our_mail(self):
        """By its Message-Id Odoo finds what bounces; nothing of the bounce is kept."""
        mailing = self.mailing(self.contact)
        with self.gateways():
            self.launch(mailing)
            [mail] = self._mails
        trace = self.traces(mailing)
        self.assertEqual(trace.message_id, mail["message_id"])
        self.assertTrue(trace.message_id.endswith("@secure-message>"))
        self.env["mailing.trace"].set_bounced(
            domain=[("message_id", "=", trace.message_id)], bounce_message="CANARYquote"
        )
        self.assertEqual(trace.trace_status, "bounce")
        self.assertFalse(trace.failure_reason)

    def test_who_is_not_sent_to(self):
        self.company.secure_pin_required = True
        self.set_pin(self.contact)
        blocked, lost = self.env["res.partner"].create(
            [{"name": "Bert", "email": "bert@x.example"}, {"name": "Lost"}]
        )
        self.env["mail.blacklist"]._add("bert@x.example")
        everybody = self.both | blocked | lost
        mailing = self.mailing(everybody)
        with self.scan():
            self.launch(mailing)
            self.assertSent(self.contact)
        status = {
            trace.res_id: (trace.trace_status, trace.failure_type)
            for trace in self.traces(mailing)
        }
        self.assertEqual(
            status,
            {
                self.contact.id: ("sent", False),
                self.other_contact.id: ("error", "secure_refused"),
                blocked.id: ("cancel", "mail_bl"),
                lost.id: ("cancel", "mail_email_missing"),
            },
        )
        refused = self.traces(mailing).filtered("failure_reason")
        self.assertIn("A PIN is required", refused.failure_reason)
        self.assertEqual(mailing.failed, 1)
        lines = self.dispatch(mailing).line_ids
        self.assertEqual(len(lines), 4)
        self.assertEqual(len(lines.filtered("reason")), 3)
        self.set_pin(self.other_contact)
        with self.scan():
            mailing.action_retry_failed()
            self.run_queue()
            self.assertEqual(len(self._mails), 1)
        self.assertEqual(self.threads().partner_id, self.both)
        self.assertEqual(len(self.dispatch(mailing)), 1)
        self.assertEqual(len(self.dispatch(mailing).line_ids), 4)
        self.assertEqual(mailing.state, "done")

    def test_mailing_list(self):
        """Contacts are found by their exact address, or made; in doubt, neither."""
        twins = self.env["res.partner"].create(
            [{"name": f"Twin {n}", "email": "twin@x.example"} for n in (1, 2)]
        )
        mailing, targets = self.list_mailing(
            [
                {"name": "Clara", "email": "clara@client.example"},
                {"name": "New Person", "email": "new@x.example"},
                {"name": "Twin", "email": "twin@x.example"},
                {"name": "Clara again", "email": "Clara@Client.example"},
            ]
        )
        with self.scan():
            self.launch(mailing)
            new = self.env["res.partner"].search([("email", "like", "new@x.example")])
            self.assertSent(self.contact | new)
        self.assertEqual(new.name, "New Person")
        self.assertEqual(self.statuses(mailing), ["sent", "sent", "error", "cancel"])
        for twin in twins:
            self.assertIn(twin.name, self.traces(mailing)[2].failure_reason)
        self.assertEqual(set(self.threads().mapped("res_model")), {"mailing.contact"})
        self.assertEqual(set(self.threads().mapped("res_id")), set(targets[:2].ids))

    def test_two_contacts_of_one_address(self):
        self.other_contact.email = self.contact.email
        mailing = self.mailing()
        mailing.body_html = "<p>the same for all</p>"
        self.env["ir.config_parameter"].set_param("mail.batch_size", "1")
        with self.gateways():
            self.launch(mailing)
            self.assertSent(self.both, text="the same")
        self.assertEqual(self.statuses(mailing), ["sent", "sent"])

    def test_goes_on_where_it_was(self):
        mailing = self.mailing()
        with self.gateways():
            mailing.sudo()._action_send_mail(res_ids=self.contact.ids)
            mailing.sudo().state = "sending"
            self.run_queue()
            self.run_queue()
            self.assertSent(self.both)
        self.assertEqual(len(self.dispatch(mailing).line_ids), 2)

    def test_committed_before_it_leaves(self):
        """Killed after the first mail: its message and trace are there."""
        mailing = self.mailing()
        seen = []

        def commit(*_args):
            seen.append(("commit", len(self._mails), len(self.traces(mailing))))

        composer = self.composer_of(mailing)
        with self.gateways(), patch.object(self.env.cr, "commit", commit):
            composer._action_send_mail(auto_commit=True)
        self.assertEqual(seen[0], ("commit", 0, 2))

    def composer_of(self, mailing):
        """What Odoo makes of a mailing."""
        made = []
        model = self.env.registry["mail.compose.message"]
        with patch.object(
            model, "_action_send_mail", lambda self, **_kw: made.append(self)
        ):
            mailing.sudo()._action_send_mail()
        mailing.sudo().state = "sending"
        [composer] = made
        return composer

    def test_mail_that_failed_is_sent_again_not_said_again(self):
        mailing = self.mailing(self.contact)
        with self.gateways():
            self.launch(mailing)
        mail = self.env["mail.mail"].search([("mailing_id", "=", mailing.id)])
        mail.state = "exception"
        self.traces(mailing).set_failed(failure_type="mail_smtp")
        with self.gateways():
            mailing.action_retry_failed()
            self.run_queue()
            mail.send()
            self.assertEqual(len(self._mails), 1)
        self.assertEqual(self.statuses(mailing), ["sent"])
        self.assertEqual(mailing.state, "done")
        self.assertEqual(self.clear(self.threads()).count("CANARYbody7351"), 1)

    def test_ab_test(self):
        people = self.env["res.partner"].create(
            [{"name": f"P{n}", "email": f"p{n}@x.example"} for n in range(10)]
        )
        campaign = self.env["utm.campaign"].create({"name": "Autumn"})
        mailing = self.mailing(
            people, ab_testing_enabled=True, ab_testing_pc=30, campaign_id=campaign.id
        )
        with self.gateways():
            self.launch(mailing)
            self.assertEqual(len(self._mails), 3)
            mailing.sudo().action_select_as_winner()
            self.run_queue()
            self.assertEqual(len(self._mails), 10)
        final = campaign.ab_testing_winner_mailing_id
        self.assertTrue(final.secure_send)
        self.assertEqual(self.threads().partner_id, people)
        self.assertEqual(len(self.threads()), 10)

    def test_sequence(self):
        """The scheduled mailings of a campaign, each secure or not by itself."""
        campaign = self.env["utm.campaign"].create({"name": "Autumn"})
        first, second, third = (
            self.mailing(
                self.contact,
                campaign_id=campaign.id,
                body_html=f"<p>step {number}</p>",
                secure_send=number != 2,
                schedule_type="scheduled",
                schedule_date=f"2099-01-0{number} 10:00:00",
            )
            for number in (1, 2, 3)
        )
        steps = first | second | third
        for step in steps:
            step.action_schedule()
        with self.gateways():
            self.run_queue()
            self.assertNothingSent()
            (first | second).schedule_date = "2020-01-01 10:00:00"
            self.run_queue()
            self.assertEqual(len(self._mails), 2)
            self.assertIn("step 2", self.left_text())
            self.assertNotIn("step 1", self.left_text())
            third.schedule_date = "2020-01-01 10:00:00"
            self.run_queue()
            self.assertNotIn("step 3", self.left_text())
        self.assertEqual(steps.mapped("state"), ["done", "done", "done"])
        [thread] = self.threads()
        clear = self.clear(thread)
        self.assertIn("step 1", clear)
        self.assertIn("step 3", clear)

    def test_switched_off(self):
        mailing = self.mailing()
        mailing.action_launch()
        self.company.secure_messaging_enabled = False
        with self.gateways():
            self.run_queue()
            with self.assertRaises(UserError):
                mailing.action_launch()
            with self.assertRaises(UserError):
                mailing.action_send_mail()
        self.assertNothingSent()
        self.assertEqual(mailing.state, "draft")
        self.assertFalse(self.traces(mailing))
        self.assertIn("switched off", mailing.activity_ids.note)
        self.assertEqual(mailing.activity_ids.user_id, self.marketer)

    def test_key_missing(self):
        mailing = self.mailing()
        mailing.action_launch()
        keyring = self.env.registry["secure.keyring"]
        gone = {**self.env["secure.keyring"]._status(), "problem": "The key is gone."}
        with self.gateways(), patch.object(keyring, "_status", lambda _self: gone):
            self.run_queue()
            with self.assertRaises(UserError):
                mailing.action_launch()
        self.assertNothingSent()
        self.assertEqual(mailing.state, "draft")
        self.assertIn("key is gone", mailing.activity_ids.note)
        with self.gateways():
            self.launch(mailing)
            self.assertSent(self.both)

    def test_others_go_on(self):
        """A secure mailing that cannot be sent does not hold up a standard one."""
        first, second = self.mailing(), self.mailing(secure_send=False)
        (first | second).action_launch()
        self.company.secure_messaging_enabled = False
        with self.gateways():
            self.run_queue()
            self.assertEqual(len(self._mails), 2)
        self.assertEqual((first | second).mapped("state"), ["draft", "done"])

    def test_answers_by_email_are_dropped(self):
        mailing = self.mailing(self.contact)
        with self.gateways():
            self.launch(mailing)
            [sent] = self._mails
        mail = self.env["mail.mail"].search([("mailing_id", "=", mailing.id)])
        for gone in (False, True):
            if gone:
                mail.mail_message_id.unlink()
            raw = (
                f"From: clara@client.example\nTo: {sent['reply_to']}\n"
                f"Subject: Re\nMessage-Id: <answer{gone}@client.example>\n"
                f"In-Reply-To: {sent['message_id']}\n"
                f"References: {sent['message_id']}\n\nCANARYreply7355"
            )
            with self.scan():
                self.env["secure.mail.answer"].search([]).unlink()
                self.env["mail.thread"].message_process("res.partner", raw)
                [answer] = self._mails
                self.assertIn("has not been stored", answer["body"])
        self.assertEqual(self.statuses(mailing), ["sent"])

    def test_sample(self):
        mailing = self.mailing(self.contact)
        wizard = self.env["mailing.mailing.test"].with_user(self.marketer)
        with self.scan():
            wizard.create(
                {"email_to": "a@x.example\nb@x.example", "mass_mailing_id": mailing.id}
            ).send_mail_test()
            self.assertEqual(len(self._mails), 2)
            self.assertIn("[TEST]", self._mails[0]["subject"])
            self.assertIn("/sm/...", self._mails[0]["body"])
        self.assertFalse(self.threads())
        self.assertIn("a@x.example", mailing.message_ids[0].body)

    def test_composer_with_a_mailing_for_statistics(self):
        """Odoo makes a mailing of it: without what was typed."""
        composer = (
            self.env["mail.compose.message"]
            .with_context(
                default_composition_mode="mass_mail",
                default_model="res.partner",
                default_res_ids=self.both.ids,
            )
            .create(
                {
                    "subject": "CANARYsubject7352",
                    "body": "<p>CANARYbody7351</p>",
                    "mass_mailing_name": "Spring",
                    "secure_send": True,
                }
            )
        )
        with self.scan():
            composer.action_send_mail()
            self.assertSent(self.both)
        self.assertTrue(composer.mass_mailing_id.secure_send)
        self.assertEqual(self.statuses(composer.mass_mailing_id), ["sent", "sent"])

    def test_no_statistics_by_email(self):
        mailing = self.mailing(self.contact)
        self.assertFalse(mailing._action_send_statistics())

    def test_queries_do_not_grow(self):
        def mailing(secure, number):
            people = self.env["res.partner"].create(
                [
                    {"name": f"P{n}", "email": f"p{n}.{secure}{number}@x.example"}
                    for n in range(number)
                ]
            )
            return self.mailing(people, secure_send=secure)

        standard, secure = self.queries_each(mailing)
        # Odoo writes the statuses of a message mail by mail; stock mailings have none
        self.assertLess(secure, standard + 2.5)
