"""Links as notifications leave: validity, failures, batches, changed addresses."""

import traceback
from contextlib import suppress
from datetime import timedelta
from smtplib import SMTPServerDisconnected
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields, modules
from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.base.models.ir_mail_server import MailDeliveryException

from ..tools import notification
from .common import SecureCase


@tagged("post_install", "-at_install")
class TestLeaving(SecureCase):
    def queue(self, count=1, **values):
        """Store messages; their mails wait in Odoo's queue."""
        partners = self.env["res.partner"].create(
            [{"name": f"P{n}", "email": f"p{n}@batch.example"} for n in range(count)]
        )
        drafts = [
            {"partner": partner, "company": self.company, "body": "<p>x</p>", **values}
            for partner in partners
        ]
        with patch.object(
            type(self.env["mail.mail"]), "send_after_commit", lambda mails: None
        ):
            return self.env["secure.thread"].with_user(self.sender)._send(drafts)

    def mails_of(self, rows):
        return (
            self.env["mail.mail"]
            .sudo()
            .search(
                [("mail_message_id", "in", [row.message.id for row in rows])],
                order="id",
            )
        )

    def test_validity_counts_from_leaving(self):
        [row] = self.queue()
        late = fields.Datetime.now() + timedelta(hours=30)
        with freeze_time(late, tick=True), self.gateways():
            self.mails_of([row]).send()
            token = self.left_token()
            self.assertEqual(self.visitor.get(f"/sm/{token}").status_code, 200)
        link = row.link.sudo()
        self.assertGreaterEqual(link.expires_at, late + timedelta(hours=24))
        self.assertTrue(link.left_at)
        with freeze_time(late + timedelta(hours=23, minutes=59), tick=True):
            self.assertEqual(self.visitor.get(f"/sm/{token}").status_code, 200)
        with freeze_time(late + timedelta(hours=24, minutes=1), tick=True):
            self.assertEqual(self.visitor.get(f"/sm/{token}").status_code, 410)

    def test_statement_48_sending_again_sends_the_same_link(self):
        [row] = self.queue()
        tokens = []
        for _ in range(2):
            with self.gateways():
                self.mails_of([row]).write({"state": "outgoing"})
                self.mails_of([row]).send()
                tokens.append(self.left_token())
        self.assertEqual(len(set(tokens)), 1)

    def test_changed_address_gets_no_link(self):
        [row] = self.queue()
        row.thread.partner_id.email = "new@batch.example"
        with self.gateways(), mute_logger("odoo.addons.mail.models.mail_mail"):
            mail = self.mails_of([row])
            mail.send()
        self.assertFalse(self._mails)
        self.assertEqual(mail.state, "exception")
        self.assertIn("address has changed", mail.failure_reason)
        log = self.env["secure.access.log"].search([("thread_id", "=", row.thread.id)])
        self.assertEqual(log.mapped("kind"), ["failed"])

    def test_files_and_copies_added_to_the_mail_do_not_leave(self):
        """Whatever somebody adds to the mail: the notification leaves as it is."""
        rows = self.queue(2)
        with_file, with_copy = self.mails_of(rows)
        for mail in (with_file, with_copy):
            file = self.env["ir.attachment"].create(
                {"name": "plain.txt", "raw": b"x", "res_model": "res.company"}
            )
            self.env.cr.execute(
                """INSERT INTO message_attachment_rel (message_id, attachment_id)
                   VALUES (%s, %s)""",
                [mail.mail_message_id.id, file.id],
            )
        with_copy.email_cc = "spy@client.example"
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertTrue(with_file.attachment_ids and with_copy.attachment_ids)
        with self.gateways(), mute_logger("odoo.addons.mail.models.mail_mail"):
            (with_file | with_copy).send()
        self.assertEqual((with_file | with_copy).mapped("state"), ["sent", "sent"])
        for number, left in enumerate(self._mails):
            self.assertEqual(
                left["email_to"], [f'"P{number}" <p{number}@batch.example>']
            )
            self.assertEqual((left["attachments"], left["email_cc"]), ([], []))
            self.assertNotIn("plain.txt", left["EmailMessage"].as_string())
            self.assertNotIn("spy@", left["EmailMessage"].as_string())

    def test_files_too_large_for_an_email(self):
        """Odoo would share them by link, which sealed files refuse."""
        self.env["ir.config_parameter"].set_param("base.default_max_email_size", "1")
        [row] = self.queue(1, attachments=[("large.pdf", b"x" * 1_500_000)])
        mail = self.mails_of([row])
        with self.gateways():
            mail.send()
        self.assertEqual(mail.state, "sent")
        self.assertFalse(self._mails[0]["attachments"])

    def test_mark_without_link_never_shows(self):
        mail = self.env["mail.mail"].create(
            {"body_html": f"<p>{notification.LINK_MARK}</p>", "email_to": "a@b.example"}
        )
        with self.gateways():
            mail.send()
        self.assertNotIn(notification.LINK_MARK, self._mails[0]["body"])

    def test_statement_48_dead_mail_server_is_seen_and_can_be_retried(self):
        [row] = self.queue()
        mail = self.mails_of([row])
        with patch.object(
            type(self.env["ir.mail_server"]),
            "_connect__",
            side_effect=OSError("refused"),
        ):
            mail.send()
        self.assertEqual(mail.state, "exception")
        [notified] = row.message.sudo().notification_ids
        self.assertEqual(notified.notification_status, "exception")
        with self.gateways():
            mail.mark_outgoing()
            mail.send()
        self.assertEqual(mail.state, "sent")
        self.assertEqual(notified.notification_status, "sent")

    def send_while(self, mails, happens):
        """Send; before each email leaves, ``happens`` is called with its address."""
        servers = type(self.env["ir.mail_server"])
        send = servers._send_notice

        def sending(server, email, *args):
            happens(email["email_to_normalized"][0])
            return send(server, email, *args)

        with self.gateways(), patch.object(servers, "_send_notice", sending):
            mails.send()
        return [mail["email_to"] for mail in self._mails]

    def test_one_refused_email_does_not_stop_the_others(self):
        mails = self.mails_of(self.queue(3))

        def refuse(address):
            if address == "p1@batch.example":
                raise MailDeliveryException(f"refused: {mails[1].body_html}")

        with mute_logger("odoo.addons.mail.models.mail_mail"):
            left = self.send_while(mails, refuse)
        self.assertEqual(len(left), 2)
        self.assertEqual(mails.mapped("state"), ["sent", "exception", "sent"])
        self.assertIn("refused", mails[1].failure_reason)
        self.assertEqual(
            mails.notification_ids.mapped("notification_status"),
            ["sent", "exception", "sent"],
        )
        links = mails.sudo().secure_link_id.sorted("id")
        self.assertEqual([bool(link.left_at) for link in links], [True, False, True])

    def test_what_another_worker_sends_is_left_to_it(self):
        """It sent the second while this one was busy with the first."""
        mails = self.mails_of(self.queue(3))

        def other_worker(address):
            if address == "p0@batch.example":
                self.env.cr.execute(
                    "UPDATE mail_mail SET state = 'sent' WHERE id = %s", [mails[1].id]
                )

        left = self.send_while(mails, other_worker)
        self.assertEqual(
            left, [['"P0" <p0@batch.example>'], ['"P2" <p2@batch.example>']]
        )
        links = mails.sudo().secure_link_id.sorted("id")
        self.assertFalse(links[1].left_at, "noted by who sent it")

    def test_withdrawn_meanwhile(self):
        """What waits, or comes later in the batch, does not leave any more."""
        rows = self.queue(3)
        mails = self.mails_of(rows)
        rows[0].link.sudo()._revoke()

        def withdraw(address):
            if address == "p1@batch.example":
                rows[2].link.sudo()._revoke()
                self.env.flush_all()

        left = self.send_while(mails, withdraw)
        self.assertEqual(left, [['"P1" <p1@batch.example>']])
        self.env.invalidate_all()
        self.assertEqual(mails.mapped("state"), ["cancel", "sent", "cancel"])
        self.assertEqual(
            mails.notification_ids.mapped("notification_status"),
            ["canceled", "sent", "canceled"],
        )

    def test_withdrawn_before_the_sms_leaves(self):
        with self.gateways():
            [row] = self.queue(channel="sms", partner=self.contact)
            row.thread.with_user(self.manager).action_revoke()
            self.leave()
            self.assertFalse(self._sms)
        sms = self.env["sms.sms"].sudo().search([("secure_link_id", "=", row.link.id)])
        self.assertEqual(sms.state, "canceled")

    def test_address_changed_meanwhile(self):
        """The link goes nowhere any more, so the email does not, and this is told."""
        rows = self.queue(2)
        mails = self.mails_of(rows)

        def move(address):
            if address == "p0@batch.example":
                rows[1].thread.partner_id.email = "new@batch.example"
                self.env.flush_all()

        self.assertEqual(len(self.send_while(mails, move)), 1)
        with self.gateways(), mute_logger("odoo.addons.mail.models.mail_mail"):
            mails[1].send()
            self.assertFalse(self._mails)
        self.assertIn("address has changed", mails[1].failure_reason)

    def test_contact_with_two_addresses(self):
        self.contact.email = "clara@client.example, clara@home.example"
        self.send()
        [mail] = self._mails
        self.assertEqual(mail["email_to"], ['"Clara Client" <clara@client.example>'])
        self.assertIn("/sm/", mail["body"])

    def test_refusal_that_quotes_the_link(self):
        """What the mail server says may be shown to whoever sends."""
        mail = self.mails_of(self.queue(1))
        servers = type(self.env["ir.mail_server"])

        def refuse(_server, message, **_how):
            text = message.get_body(("plain",)).get_content()
            raise MailDeliveryException("Mail Delivery Failed", f"blocked: {text}")

        with (
            mute_logger("odoo.addons.mail.models.mail_mail"),
            patch.object(servers, "_connect__", lambda *args, **kwargs: None),
            patch.object(servers, "_disable_send", lambda *args: False),
            patch.object(servers, "send_email", refuse),
            self.assertRaises(MailDeliveryException) as refused,
        ):
            mail.send(raise_exception=True)
        told = "".join(traceback.format_exception(refused.exception))
        self.assertIn("blocked", told)
        self.assertNotRegex(told, "/sm/[0-9A-Za-z]")

    def test_mail_server_that_hangs_up_halfway(self):
        """What left is noted; the rest stays in the queue."""
        mails = self.mails_of(self.queue(3))

        def hang_up(address):
            if address == "p1@batch.example":
                raise SMTPServerDisconnected()

        with suppress(SMTPServerDisconnected):
            self.send_while(mails, hang_up)
            self.fail("somebody ought to know")
        self.env.invalidate_all()
        self.assertEqual(mails.mapped("state"), ["sent", "outgoing", "outgoing"])

    def test_mail_server_that_hangs_up_after_the_commit(self):
        """Likewise for what leaves at once."""
        mails = self.mails_of(self.queue(3))
        self.env.flush_all()
        servers = type(self.env["ir.mail_server"])
        send = servers._send_notice

        def sending(server, email, *args):
            if email["email_to_normalized"] == ["p1@batch.example"]:
                raise SMTPServerDisconnected()
            return send(server, email, *args)

        self.assertTrue(mails.sudo().secure_link_id)
        # In tests Odoo sends in the same transaction
        with patch.object(modules.module, "current_test", False):
            mails.send_after_commit()
        with (
            self.gateways(),
            patch.object(servers, "_send_notice", sending),
            self.enter_registry_test_mode(),
            suppress(SMTPServerDisconnected),
        ):
            self.env.cr.postcommit.run()
        self.env.invalidate_all()
        self.assertEqual(mails.mapped("state"), ["sent", "outgoing", "outgoing"])

    def test_statements_for_each_email(self):
        """One to lock it, one to note that it left."""
        counts = []
        for size in (10, 40):
            mails = self.mails_of(self.queue(size))
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            with self.gateways():
                mails.send()
                self.env.flush_all()
            counts.append(self.env.cr.sql_log_count - before)
            self.assertEqual(len(self._mails), size)
        self.assertLessEqual((counts[1] - counts[0]) / 30, 2.1, counts)

    def test_shorter_expiry_shortens_the_others(self):
        [first] = self.queue(expiry_hours=8760)
        with self.gateways():
            [second] = (
                self.env["secure.thread"]
                .with_user(self.sender)
                ._send([{"thread": first.thread, "body": "x", "expiry_hours": 24}])
            )
        # The second's time counts from its leaving, perhaps a moment later
        self.assertLessEqual(
            first.link.sudo().expires_at, second.link.sudo().expires_at
        )

    def test_queries_for_each_recipient(self):
        """Sending to many takes the same queries for each as sending to a few more."""
        self.queue(3)
        counts = {}
        for size in (10, 40):
            upload = self.env["ir.attachment"].with_user(self.sender)
            upload = upload.create(
                {"name": "a.txt", "raw": b"a", "res_model": "secure.compose"}
            )
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            rows = self.queue(size, attachment_ids=upload.ids)
            self.assertEqual(len(rows[-1].message.attachment_ids), 1)
            self.env.flush_all()
            counts[size] = self.env.cr.sql_log_count - before
        each = (counts[40] - counts[10]) / 30
        self.assertLess(each, 1.0, counts)

    def test_sms_of_two_companies_in_one_queue(self):
        other = self.env["res.company"].create({"name": "Second Office"})
        other.write(
            {
                "secure_responsible_id": self.manager.id,
                "secure_messaging_enabled": True,
                "secure_pin_required": False,
            }
        )
        with self.gateways():
            for company in (self.company, other):
                self.env["secure.thread"]._send(
                    [
                        {
                            "partner": self.contact,
                            "company": company,
                            "body": "x",
                            "channel": "sms",
                        }
                    ]
                )
            self.env["sms.sms"].search([("state", "=", "outgoing")])._send()
        self.assertEqual(len(self._sms), 2)
        self.assertEqual(len({sms["body"] for sms in self._sms}), 2)

    def test_sms_with_equal_texts_get_their_own_links(self):
        self.other_contact.country_id = self.env.ref("base.be")
        with self.gateways():
            rows = self.env["secure.thread"]._send(
                [
                    {
                        "partner": partner,
                        "company": self.company,
                        "body": "x",
                        "channel": "sms",
                    }
                    for partner in (self.contact, self.other_contact)
                ]
            )
            self.leave()
        urls = [row.link._urls()[row.link.id] for row in rows]
        for url, number in zip(urls, ("+32470123456", "+32470654321"), strict=True):
            [sms] = [sms for sms in self._sms if sms["number"] == number]
            self.assertIn(url, sms["body"])

    def kinds(self, row):
        log = self.env["secure.access.log"].search([("thread_id", "=", row.thread.id)])
        return log.sorted("id").mapped("kind")

    def test_email_is_delivered_when_accepted_and_fails_when_it_comes_back(self):
        row = self.send()
        self.assertEqual(self.kinds(row), ["sent", "delivered"])
        [notification_row] = row.message.sudo().notification_ids
        quoted = f"returned: https://x.example/sm/{self.token}"
        with self.leak_scan() as scan:
            notification_row.write(
                {"notification_status": "bounce", "failure_reason": quoted}
            )
            self.assertNoLeak(scan, self.token)
        self.assertEqual(notification_row.notification_status, "bounce")
        self.assertEqual(self.kinds(row), ["sent", "delivered", "failed"])

    def test_sms_is_delivered_when_the_gateway_says_so(self):
        row = self.send(channel="sms")
        self.assertEqual(self.kinds(row), ["sent"])
        tracker = self.env["sms.tracker"].search(
            [("mail_notification_id.mail_message_id", "=", row.message.id)]
        )
        for _report in range(2):
            tracker._action_update_from_sms_state("sent")
        self.assertEqual(self.kinds(row), ["sent", "delivered"])

    def test_a_worker_that_died_before_noting_is_caught_up_with(self):
        [row] = self.queue()
        self.mails_of([row]).state = "sent"
        for _run in range(2):
            self.env["secure.link"]._cron_settle()
            self.assertEqual(self.kinds(row), ["sent", "delivered"])
            self.assertTrue(row.link.sudo().left_at)

    def age(self, messages):
        self.env.cr.execute(
            "UPDATE mail_message SET date = date - interval '8 days' WHERE id IN %s",
            [tuple(messages.ids)],
        )
        self.env.invalidate_all()

    def test_stand_ins_are_purged_too(self):
        mails = self.env["mail.mail"]
        cancelled = mails.create({"state": "cancel", "is_notification": False})
        old, new = mails._secure_not_sent(["No address.", "No address."])
        messages = old.mail_message_id
        self.age(messages | cancelled.mail_message_id)
        mails._gc_secure_sent()
        self.assertEqual((old | new | cancelled).exists(), new | cancelled)
        self.assertFalse(messages.exists())

    def test_sent_mails_are_purged_in_bulk(self):
        row = self.send()
        mail = self.mails_of([row])
        self.age(row.message)
        self.env["mail.mail"]._gc_secure_sent()
        self.assertFalse(mail.exists())
        self.assertTrue(row.message.exists())
        self.assertEqual(
            row.message.sudo().notification_ids.notification_status, "sent"
        )


@tagged("post_install", "-at_install")
class TestTextsOfCompany(SecureCase):
    def test_default_sms_fits_one_part(self):
        self.company.name = "Practice Dr. Longname Ltd"
        self.assertEqual(len(self.company.name), 25)
        self.send(channel="sms")
        body = self._sms[0]["body"]
        url = body[body.index("http") :].split()[0]
        filled = body.replace(url, "x" * 70)
        self.assertEqual(notification.sms_parts(filled), 1)

    def test_bad_texts_are_refused_on_saving(self):
        for field, text in (
            ("secure_sms_body", "no link"),
            ("secure_email_body", "{{ object.name }} {{ secure_link }}"),
            ("secure_email_subject", "{{ secure_link }}"),
            ("secure_email_body", "${x} {{ secure_link }}"),
        ):
            with self.subTest(text=text), self.assertRaises(ValidationError):
                self.company[field] = text

    def test_names_cannot_inject(self):
        self.contact.name = (
            "<script>x</script>\r\nBcc: spy@client.example [[secure_link]]"
        )
        self.send()
        mail = self._mails[0]
        self.assertNotIn("<script>", mail["body"])
        self.assertNotIn("\n", mail["subject"])
        self.assertEqual(mail["body"].count(f"/sm/{self.token}"), 3)

    def test_language_of_the_contact(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.company.with_context(
            lang="fr_FR"
        ).secure_email_subject = "Message confidentiel"
        self.contact.lang = "fr_FR"
        self.send()
        self.assertEqual(self._mails[0]["subject"], "Message confidentiel")

    def test_switch_needs_a_responsible(self):
        company = self.env["res.company"].create({"name": "New Office"})
        with self.assertRaises(ValidationError):
            company.secure_messaging_enabled = True
