"""Roads of Odoo's own into and out of a conversation, for who may not go there."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import JsonRpcException, tagged

from .common import (
    CANARY,
    CANARY_FILE,
    CANARY_FILE_NAME,
    CANARY_REPLY,
    CANARY_SUBJECT,
    SecureCase,
)

ACCESS_ERROR = "odoo.exceptions.AccessError"
NOT_FOUND = "werkzeug.exceptions.NotFound"


@tagged("post_install", "-at_install")
class TestMessageFields(SecureCase):
    def setUp(self):
        super().setUp()
        self.message = self.send(attachments=[("a.txt", b"a")]).message
        self.changes = {
            "attachment_ids": [(5,)],
            "author_id": self.clerk.partner_id.id,
            "body": "HACKED",
            "email_from": "spy@client.example",
            "message_id": "<hacked@client.example>",
            "message_type": "notification",
            "model": "res.partner",
            "res_id": self.message.res_id + 1,
            "secure_body": "HACKED",
            "secure_direction": "inbound",
            "secure_subject": "HACKED",
            "secure_uid": "HACKED",
            "subject": "HACKED",
            "subtype_id": self.env.ref("mail.mt_note").id,
        }

    def stored(self):
        self.env.invalidate_all()
        [values] = self.message.sudo().read([])
        names = (*self.changes, "secure_seen_date")
        return {
            name: values[name] if name in values else self.message.sudo()[name]
            for name in names
        }

    def test_by_rpc(self):
        """By its author, whom Odoo lets write to it."""
        before = self.stored()
        self.authenticate("sender", "sender-sender")
        self.assertTrue(self.message.with_user(self.sender).has_access("write"))
        changes = {**self.changes, "secure_seen_date": "2020-01-01 10:00:00"}
        for name, value in changes.items():
            with self.subTest(name=name):
                with self.assertRaises(JsonRpcException) as refused:
                    self.make_jsonrpc_request(
                        "/web/dataset/call_kw",
                        {
                            "model": "mail.message",
                            "method": "write",
                            "args": [self.message.ids, {name: value}],
                            "kwargs": {},
                        },
                    )
                self.assertEqual(str(refused.exception), ACCESS_ERROR)
                self.assertEqual(self.stored(), before)

    def test_by_code_of_staff(self):
        """Server actions and the like run as superuser."""
        before = self.stored()
        for name, value in self.changes.items():
            with self.subTest(name=name):
                with self.assertRaises(AccessError):
                    self.message.with_user(self.sender).sudo().write({name: value})
                self.assertEqual(self.stored(), before)

    def test_own_values_may_be_written_back(self):
        """As Odoo does by way of ``mail.mail``."""
        before = self.stored()
        self.message.sudo().write({"author_id": self.sender.partner_id.id})
        self.assertEqual(self.stored(), before)


@tagged("post_install", "-at_install")
class TestRoutesOfOdoo(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send()
        self.thread = self.sent.thread
        # As if a module had made conversations shareable by link
        self.patch(type(self.thread), "_mail_post_token_field", "name")

    def ask(self, route, **params):
        """The answer, or the name of the error."""
        where = {"thread_model": "secure.thread", "thread_id": self.thread.id}
        try:
            return self.make_jsonrpc_request(route, {**where, **params})
        except JsonRpcException as refusal:
            return str(refusal)

    def outsiders(self):
        for login in (None, "portal7", "clerk", "colleague"):
            self.authenticate(login, login and f"{login}-{login}")
            with self.subTest(login=login):
                yield login

    def keys(self):
        pid = self.contact.id
        return (
            {},
            {"token": self.thread.name},
            {"hash": self.thread._sign_token(pid), "pid": pid},
            {
                "token": self.thread.name,
                "hash": self.thread._sign_token(pid),
                "pid": pid,
            },
        )

    def test_reading(self):
        for login in self.outsiders():
            answer = self.ask("/mail/thread/messages")
            if login:
                self.assertNotIn(self.sent.message.id, answer["messages"])
                self.assertNotIn("secure.thread", str(answer))
            else:
                self.assertEqual(answer, "odoo.http.SessionExpiredException")

    def test_reading_with_a_key(self):
        for _login in self.outsiders():
            for key in self.keys():
                answer = self.ask("/mail/chatter_fetch", **key)
                nothing = {"data": {"mail.message": []}, "messages": []}
                self.assertEqual(answer, NOT_FOUND if "token" in key else nothing)
                answer = self.ask("/portal/chatter_init", **key)
                self.assertNotIn("mail.thread", answer)

    def test_writing_with_a_key(self):
        for _login in self.outsiders():
            for key in self.keys():
                answer = self.ask(
                    "/mail/message/post", post_data={"body": "INTRUDER"}, **key
                )
                self.assertEqual(answer, NOT_FOUND)
        self.assertEqual(self.thread.message_ids, self.sent.message)

    def test_staff_with_access_come_in(self):
        self.authenticate("sender", "sender-sender")
        answer = self.ask("/mail/thread/messages")
        self.assertEqual(answer["messages"], self.sent.message.ids)
        answer = self.ask("/mail/message/post", post_data={"body": "note"})
        self.assertEqual(len(self.thread.message_ids), 2)


@tagged("post_install", "-at_install")
class TestIncomingMail(SecureCase):
    def test_alias_starts_no_conversation(self):
        self._init_mail_gateway()
        alias = self.env["mail.alias"].create(
            {
                "alias_name": "intake",
                "alias_model_id": self.env["ir.model"]._get_id("secure.thread"),
                "alias_contact": "everyone",
                "alias_domain_id": self.mail_alias_domain.id,
            }
        )
        raw = (
            f"From: clara@client.example\nTo: {alias.alias_full_name}\n"
            f"Subject: {CANARY_SUBJECT}\nMessage-Id: <alias-1@client.example>\n\n"
            f"{CANARY}\n"
        )
        with self.gateways(), self.leak_scan() as scan:
            for model in (None, "secure.thread"):
                self.assertFalse(self.env["mail.thread"].message_process(model, raw))
            self.assertNoLeak(scan)
        self.assertFalse(self.env["secure.thread"].search([]))

    def test_no_other_road_by_mail(self):
        """Odoo's own ``message_new`` can be called by RPC."""
        values = {"subject": CANARY_SUBJECT, "email_from": "clara@client.example"}
        for user in (self.sender, self.env.user):
            threads = self.env["secure.thread"].with_user(user)
            with self.assertRaises(UserError) as refused:
                threads.message_new(values, {"company_id": self.company.id})
            self.assertIn("cannot be started by email", str(refused.exception))


@tagged("post_install", "-at_install")
class TestMailToStaff(SecureCase):
    def reply(self):
        self.visitor.open_gate(self.token)
        with self.gateways():
            self.visitor.submit(
                self.visitor.form(self.visitor.path),
                body=CANARY_REPLY,
                files={"files": (CANARY_FILE_NAME, CANARY_FILE.encode(), "text/plain")},
            )
        self.assertEqual(self.visitor.status, 200)

    def assertTellsNothing(self, mail):
        self.assertFalse(mail["attachments"] or mail["email_cc"] or mail["object_id"])
        message = mail["EmailMessage"]
        headers = "\n".join(f"{name}: {value}" for name, value in message.items())
        text = headers + mail["body"] + mail["body_alternative"]
        for hidden in (
            CANARY,
            CANARY_SUBJECT,
            CANARY_REPLY,
            CANARY_FILE,
            CANARY_FILE_NAME,
            self.token,
            "X-Odoo",
            "X-Msg-To-Add",
        ):
            self.assertNotIn(hidden, text)
        self.assertNotIn("secure.thread", headers)

    def test_reply_by_email(self):
        self.sender.notification_type = "email"
        sent = self.send()
        self.assertEqual(len(self._mails), 1)
        self.reply()
        [mail] = self._mails
        self.assertEqual(mail["email_to"], ['"Sender" <sender@practice.example>'])
        self.assertTellsNothing(mail)
        self.assertEqual(mail["subject"], f"{sent.thread.name}: an answer")
        self.assertNotIn("colleague@", str(mail["EmailMessage"].items()))

    def test_mention_by_email(self):
        """Of a colleague who may read along, and of people who may not."""
        self.colleague.notification_type = "email"
        self.clerk.notification_type = "email"
        thread = self.send().thread
        thread.participant_ids = self.colleague
        people = self.colleague | self.clerk | self.portal
        with self.gateways():
            thread.with_user(self.sender).message_post(
                body=CANARY_REPLY,
                attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())],
                partner_ids=[*people.partner_id.ids, self.other_contact.id],
            )
        [mail] = self._mails
        self.assertEqual(mail["email_to"], ['"Colleague" <colleague@practice.example>'])
        self.assertTellsNothing(mail)
        addresses = str(mail["EmailMessage"].items())
        for address in ("clerk@", "portal7@", "clara@", "otto@"):
            self.assertNotIn(address, addresses)

    def test_copies_added_to_the_mail_do_not_leave(self):
        self.colleague.notification_type = "email"
        thread = self.send().thread
        thread.participant_ids = self.colleague
        with self.gateways():
            note = thread.with_user(self.sender).message_post(
                body="x", partner_ids=self.colleague.partner_id.ids
            )
        mail = self.env["mail.mail"].search([("mail_message_id", "=", note.id)])
        headers = {"X-Odoo-Spy": "secure.thread-1", "X-Fine": "1"}
        mail.write(
            {
                "state": "outgoing",
                "email_to": "colleague@practice.example",
                "email_cc": "spy@client.example",
                "headers": repr(headers),
            }
        )
        with self.gateways():
            mail.send()
        self.assertEqual(len(self._mails), 2)
        for left in self._mails:
            self.assertEqual(left["email_cc"], [])
            self.assertNotIn("spy@", left["EmailMessage"].as_string())
            self.assertNotIn("X-Odoo-Spy", left["EmailMessage"])
            self.assertIn("X-Fine", left["EmailMessage"])

    def test_no_out_of_office_answer(self):
        """Odoo's would quote the message, and add to the conversation."""
        self.sender.write(
            {
                "out_of_office_from": fields.Datetime.now() - timedelta(days=1),
                "out_of_office_message": "<p>I am away</p>",
            }
        )
        self.assertTrue(self.sender.is_out_of_office)
        thread = self.send().thread
        self.reply()
        self.assertFalse(self._mails)
        self.assertEqual(len(thread.message_ids), 2)
        with self.gateways():
            thread.with_user(self.manager).message_post(
                body="x",
                message_type="comment",
                subtype_xmlid="mail.mt_note",
                partner_ids=self.sender.partner_id.ids,
            )
        self.assertFalse(self._mails)
        self.assertEqual(len(thread.message_ids), 3)
