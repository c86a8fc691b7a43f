from odoo.exceptions import AccessError, UserError
from odoo.tests import JsonRpcException, tagged

from ..tools import content
from .common import CANARY, CANARY_REPLY, CANARY_SUBJECT, SecureCase


@tagged("post_install", "-at_install")
class TestChatter(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send()
        self.thread = self.sent.thread

    def messages_for(self, login):
        self.authenticate(login, f"{login}-{login}")
        data = self.make_jsonrpc_request(
            "/mail/thread/messages",
            {"thread_model": "secure.thread", "thread_id": self.thread.id},
        )
        return {row["id"]: row for row in data["data"].get("mail.message", [])}

    def test_staff_with_access_read_clear(self):
        for login in ("sender", "manager"):
            row = self.messages_for(login)[self.sent.message.id]
            self.assertIn(CANARY, str(row["body"]))
            self.assertEqual(row["subject"], CANARY_SUBJECT)

    def test_others_do_not(self):
        """Odoo answers them with what they may see elsewhere."""
        self.contact.message_post(body="of the contact")
        for login in ("clerk", "colleague", "portal7"):
            with self.subTest(login=login):
                rows = self.messages_for(login)
                self.assertEqual(bool(rows), login != "portal7")
                self.assertNotIn(self.sent.message.id, rows)
                models = {row["model"] for row in rows.values()}
                self.assertNotIn("secure.thread", models)
                self.assertNotIn(CANARY, str(rows))
        self.authenticate(None, None)
        with self.assertRaises(JsonRpcException) as refused:
            self.make_jsonrpc_request(
                "/mail/thread/messages",
                {"thread_model": "secure.thread", "thread_id": self.thread.id},
            )
        self.assertEqual(str(refused.exception), "odoo.http.SessionExpiredException")

    def test_reads_give_the_placeholder(self):
        for user in (self.sender, self.manager):
            [row] = self.sent.message.with_user(user).read(
                ["body", "subject", "preview"]
            )
            self.assertEqual(row["body"], content.PLACEHOLDER)
            self.assertNotIn(CANARY, str(row))
            for field in ("secure_body", "secure_subject", "secure_uid"):
                with self.assertRaises(AccessError):
                    self.sent.message.with_user(user).read([field])
            found = (
                self.env["mail.message"]
                .with_user(user)
                .search([("body", "ilike", CANARY)])
            )
            self.assertFalse(found)

    def test_comment_goes_to_contact_note_stays(self):
        thread = self.thread.with_user(self.sender)
        with self.gateways():
            note = thread.message_post(body=CANARY, subtype_xmlid="mail.mt_note")
            self.assertFalse(self._mails)
            comment = thread.message_post(
                body=CANARY, message_type="comment", subtype_xmlid="mail.mt_comment"
            )
            self.assertEqual(len(self._mails), 1)
            self.assertNotIn(CANARY, self.left_text())
        self.assertEqual(note.sudo().secure_direction, "internal")
        self.assertEqual(comment.sudo().secure_direction, "outbound")

    def test_who_may_not_read_may_not_post(self):
        for user in (self.clerk, self.portal, self.colleague):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.thread.with_user(user).sudo().message_post(body="x")

    def test_mentioned_without_access_learns_nothing(self):
        with self.gateways(), self.leak_scan() as scan:
            self.thread.with_user(self.sender).message_post(
                body=CANARY,
                message_type="comment",
                subtype_xmlid="mail.mt_comment",
                partner_ids=[self.clerk.partner_id.id, self.manager.partner_id.id],
            )
            self.env.cr.precommit.run()
            self.assertNoLeak(scan)
        told = self.env["mail.notification"].search(
            [
                ("mail_message_id.res_id", "=", self.thread.id),
                ("notification_type", "=", "inbox"),
            ]
        )
        self.assertEqual(told.res_partner_id, self.manager.partner_id)

    def test_messages_cannot_be_changed(self):
        message = self.sent.message
        for user in (self.sender, self.manager, self.env.ref("base.user_admin")):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                message.with_user(user).write({"body": "HACKED"})
        with self.assertRaises(UserError):
            self.thread._message_update_content(message, body="HACKED")
        with self.assertRaises(AccessError):
            message.with_context(secure_own_code=True).write({"body": "HACKED"})
        self.assertEqual(message.body, content.PLACEHOLDER)

    def test_odoos_own_lines_are_sealed(self):
        with self.leak_scan() as scan:
            self.thread.with_user(self.sender)._message_log(body=CANARY_REPLY)
            activity = self.thread.with_user(self.sender).activity_schedule(
                "mail.mail_activity_data_todo", user_id=self.sender.id
            )
            activity.action_feedback(feedback=CANARY_REPLY)
            self.env.cr.precommit.run()
            self.assertNoLeak(scan)

    def test_nobody_outside_follows(self):
        self.thread.sudo().message_subscribe(
            [self.contact.id, self.portal.partner_id.id]
        )
        self.assertFalse(self.thread.message_partner_ids.filtered("partner_share"))

    def test_nothing_is_taken_out(self):
        sent = self.send(attachments=[("a.txt", b"a")])
        for record in (sent.message, sent.message.attachment_ids):
            for user in (self.sender, self.manager, self.env.ref("base.user_admin")):
                with self.subTest(record=record, user=user.login):
                    with self.assertRaises(AccessError):
                        record.with_user(user).unlink()
                    with self.assertRaises(AccessError):
                        record.with_user(user).sudo().unlink()

    def test_files_enter_with_a_message_only(self):
        values = {"name": "x", "raw": b"x", "res_model": "secure.thread"}
        files = self.env["ir.attachment"].with_user(self.sender)
        for env in (files, files.sudo(), files.with_context(secure_own_code=True)):
            with self.assertRaises(AccessError):
                env.create({**values, "res_id": self.thread.id})

    def test_what_staff_may_change(self):
        thread = self.thread.with_user(self.sender)
        thread.write({"state": "closed", "channel": "sms", "participant_ids": False})
        for values in (
            {"pin_rule": "none"},
            {"partner_id": self.other_contact.id},
            {"company_id": self.company.id},
            {"name": "x"},
            {"staff_unread_count": 0},
            {"active": False},
            {"subject_sealed": "x"},
        ):
            with self.subTest(values=values), self.assertRaises(AccessError):
                thread.write(values)

    def test_odoos_composers_stay_out(self):
        for model, values in (
            (
                "mail.compose.message",
                {"model": "secure.thread", "res_ids": str(self.thread.ids)},
            ),
            ("sms.composer", {"res_model": "secure.thread", "res_id": self.thread.id}),
        ):
            with self.subTest(model=model), self.assertRaises(UserError):
                self.env[model].with_user(self.sender).create(
                    {**values, "body": CANARY}
                )
            with self.subTest(model=model, context=True), self.assertRaises(UserError):
                context = {f"default_{key}": value for key, value in values.items()}
                composer = self.env[model].with_user(self.sender)
                composer.with_context(**context).create({"body": CANARY})
        with self.assertRaises(UserError):
            self.env["mail.scheduled.message"].with_user(self.sender).create(
                {
                    "model": "secure.thread",
                    "res_id": self.thread.id,
                    "author_id": self.sender.partner_id.id,
                    "body": CANARY,
                    "scheduled_date": "2030-01-01 10:00:00",
                }
            )

    def test_closed_roads(self):
        with self.assertRaises(UserError):
            self.thread.message_change_thread(self.contact)
        other = self.env["mail.message"].create(
            {"model": "res.partner", "res_id": self.contact.id, "body": "x"}
        )
        with self.assertRaises(AccessError):
            other.write({"model": "secure.thread", "res_id": self.thread.id})
        with self.assertRaises(UserError):
            self.thread.copy()
        with self.assertRaises(AccessError):
            self.env["secure.thread"].with_user(self.sender).create(
                {"partner_id": self.contact.id}
            )


@tagged("post_install", "-at_install")
class TestAnswerByMail(SecureCase):
    """An email answer to a notification is never stored."""

    def incoming(self, sender="clara@client.example", **headers):
        sent = self.send()
        mail = self._mails[0]
        lines = {
            "From": sender,
            "To": "catchall@practice.example",
            "Subject": f"Re: {CANARY_SUBJECT}",
            "Message-Id": "<incoming-1@client.example>",
            "In-Reply-To": mail["message_id"],
            **headers,
        }
        head = "\n".join(f"{key}: {value}" for key, value in lines.items())
        raw = f"{head}\nContent-Type: text/plain\n\n{CANARY_REPLY}\n"
        with self.gateways(), self.leak_scan() as scan:
            self.env["mail.thread"].message_process(
                "res.partner", raw, save_original=True
            )
            self.assertNoLeak(scan)
        return sent

    def test_nothing_stored_one_neutral_answer(self):
        sent = self.incoming()
        self.assertEqual(len(self._mails), 1)
        answer = self._mails[0]
        self.assertEqual(answer["email_to"], ["clara@client.example"])
        self.assertNotIn(CANARY_REPLY, self.left_text())
        self.assertNotIn(CANARY_SUBJECT, self.left_text())
        self.assertEqual(answer["headers"]["Auto-Submitted"], "auto-replied")
        self.assertEqual(len(sent.thread.message_ids), 1)

    def test_once_a_day(self):
        self.incoming()
        self.incoming(**{"Message-Id": "<incoming-2@client.example>"})
        self.assertFalse(self._mails)

    def test_machines_get_no_answer(self):
        for index, headers in enumerate(
            (
                {"Auto-Submitted": "auto-replied"},
                {"Precedence": "bulk"},
                {"List-Id": "<x>"},
            )
        ):
            with self.subTest(headers=headers):
                self.incoming(
                    **headers, **{"Message-Id": f"<machine-{index}@client.example>"}
                )
                self.assertFalse(self._mails)

    def test_message_id_tells_nothing(self):
        self.send()
        mail = self._mails[0]
        headers = str(mail["headers"]) + mail["message_id"] + str(mail["references"])
        self.assertNotIn("secure.thread", headers)
        self.assertNotIn("openerp", headers)
        self.assertNotIn("sender@", str(mail["reply_to"]))
