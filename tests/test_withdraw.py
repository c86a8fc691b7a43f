"""Messages that were taken back: gone for the contact, marked for staff, for good."""

import re
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import CANARY, SecureCase, Visitor

FIRST, SECOND = "FIRST-WORDS", "SECOND-WORDS"


@tagged("post_install", "-at_install")
class TestWithdrawMessage(SecureCase):
    def setUp(self):
        super().setUp()
        self.first = self.send(
            body=f"<p>{FIRST}</p>", attachments=[("first.txt", b"FILE-OF-FIRST")]
        )
        self.first_token = self.token
        self.thread = self.first.thread.with_user(self.sender)
        self.second = self.send(thread=self.thread, body=f"<p>{SECOND}</p>")
        self.second_token = self.token

    def withdraw(self, sent=None, user=None):
        thread = self.thread.with_user(user or self.sender)
        return thread.action_withdraw_message((sent or self.first).message.id)

    def opened(self, token=None):
        visitor = Visitor(self)
        visitor.open_gate(token or self.second_token)
        return visitor

    def log(self, *kinds):
        rows = self.env["secure.access.log"].search(
            [("thread_id", "=", self.thread.id), ("kind", "in", kinds)]
        )
        return sorted((row.kind, row.message_id) for row in rows)

    def test_in_its_place(self):
        """No text, no file: when it was withdrawn. All else stays."""
        self.withdraw()
        text = self.opened().text
        self.assertNotIn(FIRST, text)
        self.assertNotIn("first.txt", text)
        self.assertIn(SECOND, text)
        self.assertIn("This message was withdrawn", text)
        withdrawn = self.first.message.sudo().secure_withdrawn_date
        self.assertIn(f'datetime="{withdrawn.isoformat()}Z"', text)
        self.assertEqual(text.count("<article"), 2)

    def test_on_a_page_that_is_open(self):
        visitor = self.opened()
        page = "/" + visitor.path
        [file] = set(re.findall(r'href="(/sm/c/[^"]*/f/[^"]*)"', visitor.text))
        known = ".".join(re.findall(r'data-mark="([^"]*)"', visitor.text))
        self.assertEqual(visitor.get(file).content, b"FILE-OF-FIRST")
        self.withdraw()
        self.assertEqual(visitor.get(file).status_code, 404)
        self.assertNotIn("FILE-OF-FIRST", visitor.text)
        news = visitor.get(f"{page}/news?known={known}").json()["html"]
        self.assertIn("This message was withdrawn", news)
        self.assertNotIn(SECOND, news)
        self.assertNotIn(FIRST, visitor.get(page).text)
        self.assertIn(SECOND, visitor.text)

    def test_its_link_leads_to_what_is_left(self):
        self.withdraw()
        self.assertEqual(self.first.link.sudo().state, "live")
        text = self.opened(self.first_token).text
        self.assertIn(SECOND, text)
        self.assertNotIn(FIRST, text)

    def test_statement_33_the_last_one_takes_the_links_with_it(self):
        visitor = self.opened()
        self.withdraw(self.first)
        self.withdraw(self.second)
        for token in (self.first_token, self.second_token):
            answer = self.visitor.get(f"/sm/{token}")
            self.assertEqual(answer.status_code, 410)
            self.assertIn("This message was withdrawn", answer.text)
            self.assertFalse(self.visitor.forms())
        self.assertEqual(visitor.get("/" + visitor.path).status_code, 410)
        kinds = ["revoked", "revoked"]
        self.assertEqual([kind for kind, _id in self.log("revoked")], kinds)

    def test_statement_33_no_renewal(self):
        """Nor by a form that was on the page before."""
        sent = self.send(partner=self.other_contact)
        token = self.token
        sent.link.sudo().expires_at = sent.link.sudo().create_date
        self.visitor.get(f"/sm/{token}")
        index = self.visitor.form("/renew")
        sent.thread.with_user(self.sender).action_withdraw_message(sent.message.id)
        with self.gateways():
            self.visitor.submit(index)
            self.assertFalse(self._mails)
        self.assertEqual(len(sent.thread.link_ids), 1)

    def test_a_waiting_notification_does_not_leave(self):
        mails = self.env["mail.mail"]
        for channel in ("email", "sms"):
            with self.subTest(channel=channel), self.gateways():
                draft = {
                    "thread": self.thread,
                    "body": f"<p>{CANARY}</p>",
                    "channel": channel,
                }
                with patch.object(type(mails), "send_after_commit", lambda self: None):
                    [sent] = self.thread._send([draft])
                self.withdraw(sent)
                mails.sudo().process_email_queue()
                self.leave()
                self.assertFalse(self._mails or self._sms)
                self.assertEqual(sent.link.sudo().state, "revoked")
                status = sent.message.sudo().notification_ids.notification_status
                self.assertEqual(status, "canceled")
        # What left before still leads to what is left
        self.assertIn(SECOND, self.opened().text)

    def test_staff_still_see_it_and_that_it_was_withdrawn(self):
        self.withdraw()
        messages = {row["id"]: row for row in self.shown_to(self.sender)}
        first = messages[self.first.message.id]
        self.assertIn(FIRST, str(first["body"]))
        self.assertTrue(first["secure_withdrawn_date"])
        self.assertTrue(first["secure_to_contact"])
        second = messages[self.second.message.id]
        self.assertFalse(second["secure_withdrawn_date"])
        note = max(messages)
        self.assertIn("Withdrawn: the message of", str(messages[note]["body"]))
        self.assertNotIn("secure_to_contact", messages[note])
        file = self.first.message.sudo().attachment_ids.with_user(self.sender)
        self.assertTrue(file._secure_readable())

    def shown_to(self, user):
        self.authenticate(user.login, f"{user.login}-{user.login}")
        answer = self.make_jsonrpc_request(
            "/mail/thread/messages",
            {"thread_model": "secure.thread", "thread_id": self.thread.id},
        )
        return answer["data"]["mail.message"]

    def test_logged_once_and_for_good(self):
        first = self.withdraw()
        self.assertEqual(self.withdraw(), first)
        self.assertEqual(
            self.log("message_revoked"), [("message_revoked", self.first.message.id)]
        )
        [row] = self.env["secure.access.log"].search(
            [("thread_id", "=", self.thread.id), ("kind", "=", "message_revoked")]
        )
        self.assertEqual(row.user_id, self.sender.id)
        for user in (self.sender, self.manager):
            with self.assertRaises(AccessError):
                self.first.message.with_user(user).write(
                    {"secure_withdrawn_date": False}
                )

    def test_logged_without_a_link_in_as_many_queries_for_many(self):
        counts = []
        for size in (3, 3, 9):
            messages = self.env["mail.message"].sudo()
            for _number in range(size):
                sent = self.send()
                messages |= sent.message.sudo()
                sent.link.sudo().unlink()
            self.assertEqual(len(set(messages.mapped("res_id"))), size)
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.env["secure.thread"]._log_withdrawn(messages, self.env["secure.link"])
            counts.append(self.env.cr.sql_log_count - before)
            logged = self.env["secure.access.log"].search(
                [("kind", "=", "message_revoked"), ("message_id", "in", messages.ids)]
            )
            self.assertEqual(
                {(row.thread_id, row.message_id) for row in logged},
                {(message.res_id, message.id) for message in messages},
            )
        self.assertEqual(counts[1], counts[2])

    def test_logged_without_a_link_too(self):
        self.first.link.sudo().unlink()
        self.withdraw()
        self.assertEqual(
            self.log("message_revoked"), [("message_revoked", self.first.message.id)]
        )

    def test_messages_to_the_contact_only(self):
        visitor = self.opened()
        visitor.submit(visitor.form(visitor.path), body="from the contact")
        reply = self.thread.message_ids.sorted("id")[-1]
        note = self.thread.message_post(body="note")
        other = self.send(partner=self.other_contact)
        for message in (reply, note, other.message):
            with self.assertRaisesRegex(UserError, "Only messages to the contact"):
                self.thread.action_withdraw_message(message.id)
            self.assertFalse(message.sudo().secure_withdrawn_date)

    def test_who_may_write_to_the_conversation(self):
        for user in (self.colleague, self.clerk, self.portal):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.withdraw(user=user)
        self.assertFalse(self.first.message.sudo().secure_withdrawn_date)
        self.withdraw(user=self.manager)
        self.assertTrue(self.first.message.sudo().secure_withdrawn_date)

    def test_withdrawing_links_leaves_a_line(self):
        self.thread.action_revoke()
        note = self.thread.message_ids.sorted("id")[-1].with_user(self.sender)
        self.assertIn("All links were withdrawn", note._secure_clear()[note.id]["body"])
        count = len(self.thread.message_ids)
        self.thread.action_revoke()
        self.assertEqual(len(self.thread.message_ids), count)

    def test_not_read_by_who_comes_after(self):
        """No receipt for what is not shown."""
        self.withdraw()
        self.opened()
        self.assertFalse(self.first.message.sudo().secure_seen_date)
        self.assertTrue(self.second.message.sudo().secure_seen_date)

    def test_no_leak(self):
        with self.leak_scan() as scan:
            sent = self.send(thread=self.thread, pin=False)
            self.withdraw(sent)
            self.opened()
            self.assertNoLeak(scan, self.token)


@tagged("post_install", "-at_install")
class TestWithdrawSend(SecureCase):
    def contacts(self, count):
        return self.env["res.partner"].create(
            [
                {"name": f"Contact {number}", "email": f"c{number}@client.example"}
                for number in range(count)
            ]
        )

    def sent_to(self, contacts):
        """A send from the form, in the Outbox."""
        form = (
            self.env["secure.compose"]
            .with_user(self.sender)
            .create(
                {
                    "partner_ids": [(6, 0, contacts.ids)],
                    "subject": "Subject",
                    "body": f"<p>{CANARY}</p>",
                }
            )
        )
        with self.gateways():
            form.action_send()
            self.env["secure.dispatch"]._cron_run()
            self.tokens = re.findall(r"/sm/([0-9A-Za-z]{33})\"", self.left_text())
        dispatch = self.env["secure.dispatch"].search([], order="id desc", limit=1)
        self.assertEqual(dispatch.sent_count, len(contacts))
        return dispatch.with_user(self.sender)

    def test_all_of_it(self):
        dispatch = self.sent_to(self.contacts(3))
        lines = dispatch.sudo().line_ids
        reader = Visitor(self)
        reader.open_gate(self.tokens[0])
        self.assertIn(CANARY, reader.text)
        dispatch.action_withdraw()
        self.assertNotIn(CANARY, reader.get("/" + reader.path).text)
        for token in set(self.tokens):
            answer = self.visitor.get(f"/sm/{token}")
            self.assertEqual(answer.status_code, 410)
            self.assertIn("This message was withdrawn", answer.text)
        self.assertTrue(all(lines.message_id.mapped("secure_withdrawn_date")))
        self.assertTrue(dispatch.withdrawn_at)
        self.assertEqual(
            sorted(lines.mapped("delivery")), ["read", "withdrawn", "withdrawn"]
        )
        self.assertFalse(dispatch.unreached_count)
        with self.assertRaises(UserError):
            dispatch.action_retry()

    def test_other_messages_of_the_same_conversations_stay(self):
        contact = self.contacts(1)
        document = {"res_model": "res.partner", "res_id": contact.id}
        kept = self.send(partner=contact, body="<p>KEPT-WORDS</p>", **document)
        token = self.token
        dispatch = self.sent_to(contact)
        message = dispatch.sudo().line_ids.message_id
        message._secure_write({"res_id": kept.thread.id})
        dispatch.action_withdraw()
        self.visitor.open_gate(token)
        self.assertIn("KEPT-WORDS", self.visitor.text)
        self.assertNotIn(CANARY, self.visitor.text)

    def test_who_waits_is_not_sent_to(self):
        dispatch = self.sent_to(self.contacts(2)).sudo()
        dispatch.line_ids[0].write(
            {"state": "waiting", "message_id": False, "link_id": False}
        )
        dispatch.state = "running"
        dispatch.with_user(self.sender).action_withdraw()
        self.assertEqual(dispatch.state, "cancelled")
        with self.gateways():
            self.env["secure.dispatch"]._cron_run()
            self.assertFalse(self._mails)

    def test_whose_send_it_is(self):
        dispatch = self.sent_to(self.contacts(1))
        for user in (self.colleague, self.clerk, self.portal):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                dispatch.with_user(user).action_withdraw()
        self.assertFalse(dispatch.withdrawn_at)
        dispatch.with_user(self.manager).action_withdraw()
        self.assertTrue(dispatch.withdrawn_at)

    def test_queries_do_not_grow(self):
        counts = []
        for size in (3, 3, 12):
            dispatch = self.sent_to(self.contacts(size))
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            dispatch.action_withdraw()
            self.env.flush_all()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(counts[1], counts[2])
