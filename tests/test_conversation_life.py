"""A conversation from its first message on: which one, its links, its people."""

from contextlib import contextmanager
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import CANARY, CANARY_REPLY, PIN, SecureCase, Visitor


@tagged("post_install", "-at_install")
class TestWhichConversation(SecureCase):
    def about(self, document, **values):
        values = {"res_model": document._name, "res_id": document.id, **values}
        return self.send(**values).thread

    def test_one_for_each_contact_and_document(self):
        belgium, france = self.env.ref("base.be"), self.env.ref("base.fr")
        first = self.about(belgium)
        self.assertEqual(self.about(belgium), first)
        self.assertEqual(self.about(belgium, user=self.manager), first)
        others = [
            # May not read the first
            self.about(belgium, user=self.colleague),
            self.about(france),
            self.about(self.env["res.currency"].browse(belgium.id)),
            self.about(belgium, partner=self.other_contact),
            self.about(belgium, pin=PIN),
            self.about(belgium, pin=PIN),
            self.send().thread,
            self.send().thread,
        ]
        self.assertEqual(len({first, *others}), 9)
        self.assertEqual(self.about(belgium), first)
        self.assertEqual(len(first.message_ids), 4)
        self.assertEqual([len(thread.message_ids) for thread in others], [1] * 8)

    def test_own_pin_keeps_apart_from_the_document(self):
        document = self.env.ref("base.be")
        apart = self.about(document, pin=PIN)
        self.assertEqual(apart.pin_rule, "message")
        self.assertFalse(apart.res_id or apart.res_model)
        self.assertNotEqual(self.about(document), apart)

    def test_own_pin_serves_what_follows(self):
        """Where a PIN is required, the conversation's own is one."""
        self.company.secure_pin_required = True
        apart = self.send(pin=PIN)
        with self.gateways():
            apart.thread.with_user(self.sender).message_post(
                body="more", message_type="comment", subtype_xmlid="mail.mt_comment"
            )
            apart.thread.with_user(self.sender).action_resend()
        self.assertEqual(len(apart.thread.link_ids), 3)
        self.assertEqual(apart.thread.pin_rule, "message")
        self.assertFalse(apart.link.sudo()._renewal_refusal())

    def test_one_for_each_company(self):
        other = self.env["res.company"].create({"name": "Second Office"})
        other.write(
            {
                "secure_responsible_id": self.manager.id,
                "secure_messaging_enabled": True,
                "secure_pin_required": False,
            }
        )
        document = self.env.ref("base.be")
        first = self.about(document)
        self.assertNotEqual(self.about(document, company=other), first)

    def test_found_by_reference_and_contact(self):
        thread = self.send().thread
        other = self.send(partner=self.other_contact).thread
        hidden = self.send(user=self.colleague).thread
        threads = self.env["secure.thread"].with_user(self.sender)
        for text in ("Clara", "clara cl", thread.name):
            self.assertEqual(
                [id_ for id_, _name in threads.name_search(text)], thread.ids, text
            )
        found = threads.search([("display_name", "ilike", "otto")])
        self.assertEqual(found, other)
        self.assertFalse(threads.name_search(hidden.name))
        self.assertFalse(threads.name_search("Nobody"))


@tagged("post_install", "-at_install")
class TestNewLink(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send()
        self.old_link, self.old_token = self.sent.link.sudo(), self.token
        self.thread = self.sent.thread.with_user(self.sender)

    def resend(self):
        with self.gateways():
            self.thread.action_resend()
            self.leave()
            self.token = self.left_token()
        return self.thread.link_ids.sorted("id")[-1].sudo()

    def test_replaces_the_old_once_it_left(self):
        mails = self.env["mail.mail"]
        with patch.object(type(mails), "send_after_commit", lambda self: None):
            new = self.resend()
        self.assertEqual(self.visitor.get(f"/sm/{self.old_token}").status_code, 200)
        self.assertEqual(self.old_link.state, "live")
        with self.gateways():
            mails.sudo().search([("mail_message_id", "=", new.message_id)]).send()
            token = self.left_token()
        self.assertEqual(len(self._mails), 1)
        self.old_link.invalidate_recordset()
        self.assertEqual((self.old_link.state, new.state), ("replaced", "live"))
        self.assertEqual(self.visitor.get(f"/sm/{self.old_token}").status_code, 410)
        self.visitor.open_gate(token)
        self.assertIn(CANARY, self.visitor.text)
        self.assertNotIn("A new link was sent", self.visitor.text)

    def test_to_the_address_on_file_now(self):
        self.contact.email = "New <new@client.example>"
        new = self.resend()
        [mail] = self._mails
        self.assertEqual(mail["email_to"], ['"Clara Client" <new@client.example>'])
        self.assertEqual(new.address, "new@client.example")
        self.assertEqual(self.visitor.get(f"/sm/{self.old_token}").status_code, 410)
        self.visitor.open_gate(self.token)
        self.assertIn(CANARY, self.visitor.text)

    def test_by_sms_when_it_came_by_sms(self):
        self.thread = self.send(channel="sms").thread.with_user(self.sender)
        self.contact.phone = "+32 470 99 88 77"
        self.assertEqual(self.resend().channel, "sms")
        self.assertEqual([sms["number"] for sms in self._sms], ["+32470998877"])
        self.assertFalse(self._mails)

    def test_needs_an_address(self):
        self.contact.email = False
        with self.assertRaisesRegex(UserError, "^Clara Client has no email address.$"):
            self.resend()
        self.assertFalse(self._mails)
        self.assertEqual(self.thread.link_ids.ids, self.old_link.ids)

    def test_needs_a_link(self):
        self.old_link.unlink()
        with self.assertRaisesRegex(UserError, "no link to renew"):
            self.resend()

    def test_needs_access(self):
        thread = self.sent.thread
        for user in (self.colleague, self.clerk, self.portal):
            for action in (
                "action_resend",
                "action_revoke",
                "action_unlock",
                "action_close",
                "action_reopen",
            ):
                with self.subTest(user=user.login, action=action):
                    with self.gateways(), self.assertRaises(AccessError):
                        getattr(thread.with_user(user), action)()
                    self.assertFalse(self._mails)
        self.assertEqual(thread.link_ids, self.sent.link)
        self.assertEqual((thread.state, thread.link_ids.state), ("open", "live"))
        with self.gateways():
            thread.with_user(self.manager).action_resend()
        self.assertEqual(len(self._mails), 1)


@tagged("post_install", "-at_install")
class TestLife(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send()
        self.thread = self.sent.thread.with_user(self.sender)

    def reply(self, body=CANARY_REPLY):
        self.visitor.open_gate(self.token)
        self.visitor.submit(self.visitor.form(self.visitor.path), body=body)
        self.assertEqual(self.visitor.status, 200)
        return self.sent.thread.message_ids.sorted("id")[-1].sudo()

    def test_close_and_reopen(self):
        self.thread.action_close()
        self.assertEqual(self.thread.state, "closed")
        self.thread.action_reopen()
        self.assertEqual(self.thread.state, "open")

    def test_a_reply_opens_again(self):
        self.thread.action_close()
        self.reply()
        self.assertEqual(self.thread.state, "open")

    def test_a_note_does_not_open_again(self):
        self.thread.action_close()
        self.thread.message_post(body="x")
        self.assertEqual(self.thread.state, "closed")

    def test_log_of_this_conversation_only(self):
        self.send(partner=self.other_contact)
        action = self.thread.action_open_log()
        log = self.env[action["res_model"]].with_user(self.sender)
        rows = log.search(action["domain"])
        self.assertEqual(set(rows.mapped("thread_id")), {self.thread.id})
        self.assertEqual(sorted(rows.mapped("kind")), sorted(["sent", "delivered"]))

    def test_who_left_is_followed_by_the_default_responsible(self):
        self.sender.active = False
        told = self.reply().notification_ids
        self.assertEqual(told.res_partner_id, self.manager.partner_id)
        self.assertEqual(told.notification_type, "inbox")
        self.assertEqual(self.sent.thread.responsible_id, self.manager)

    def test_who_is_there_stays_responsible(self):
        told = self.reply().notification_ids
        self.assertEqual(told.res_partner_id, self.sender.partner_id)
        self.assertEqual(self.sent.thread.responsible_id, self.sender)


@tagged("post_install", "-at_install")
class TestTodos(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send()
        self.thread = self.sent.thread.with_user(self.sender)

    def schedule(self, **values):
        return self.thread.activity_schedule(
            "mail.mail_activity_data_todo", user_id=self.sender.id, **values
        )

    @contextmanager
    def refused(self):
        """Unlike ``assertRaisesRegex``, undone in the database."""
        with self.assertRaises(UserError) as refusal:
            yield
        self.assertIn("not sealed", str(refusal.exception))

    def test_notes_are_refused(self):
        with self.leak_scan() as scan:
            with self.refused():
                self.schedule(note=f"<p>{CANARY}</p>")
            todo = self.schedule(summary="Call back")
            with self.refused():
                todo.note = CANARY
            self.assertFalse(todo.note)
            todo.note = "<p><br></p>"
            self.assertNoLeak(scan)
        elsewhere = self.contact.activity_schedule(
            "mail.mail_activity_data_todo", user_id=self.sender.id, note="fine here"
        )
        self.assertIn("fine here", elsewhere.note)

    def test_statement_02_dialogs_of_odoo_keep_no_text(self):
        """Odoo saves its dialogs before their button is pressed, and keeps them for a
        while."""
        dialogs = {
            "mail.activity.schedule": ("note", {"summary": "Call back"}),
            "mail.followers.edit": (
                "message",
                {"partner_ids": self.colleague.partner_id.ids, "notify": True},
            ),
        }
        for model, (name, values) in dialogs.items():
            forms = self.env[model].with_user(self.sender)
            where = {"res_model": "secure.thread", "res_ids": f"[{self.thread.id}]"}
            with self.subTest(model=model), self.leak_scan() as scan:
                by_context = forms.with_context(
                    active_model="secure.thread",
                    active_ids=self.thread.ids,
                    default_res_model="secure.thread",
                )
                with self.refused():
                    forms.create({**where, **values, name: f"<p>{CANARY}</p>"})
                with self.refused():
                    by_context.create({**values, name: CANARY})
                form = forms.create({**where, **values, name: "<p><br></p>"})
                with self.refused():
                    form.write({name: CANARY})
                elsewhere = forms.create(
                    {
                        "res_model": "res.partner",
                        "res_ids": f"[{self.contact.id}]",
                        **values,
                        name: "fine here",
                    }
                )
                with self.refused():
                    elsewhere.write({**where, name: CANARY})
                self.assertIn("fine here", elsewhere[name])
                with self.gateways():
                    if model == "mail.followers.edit":
                        form.edit_followers()
                    else:
                        form.action_schedule_activities()
                self.assertNoLeak(scan)
        self.assertIn(self.colleague.partner_id, self.thread.message_partner_ids)
        self.assertEqual(self.thread.activity_ids.mapped("summary"), ["Call back"])

    def test_cannot_be_moved_in_with_a_note(self):
        todo = self.contact.activity_schedule(
            "mail.mail_activity_data_todo", user_id=self.sender.id, note=CANARY
        )
        place = self.env["ir.model"]._get_id("secure.thread")
        with self.assertRaises(UserError) as refused:
            todo.with_user(self.sender).write(
                {"res_model_id": place, "res_id": self.thread.id}
            )
        self.assertIn("not sealed", str(refused.exception))
        self.assertEqual(todo.res_model, "res.partner")

    def test_feedback_ends_sealed_in_the_conversation(self):
        todo = self.schedule(summary="Call back")
        with self.leak_scan() as scan:
            todo.action_feedback(feedback=CANARY_REPLY)
            self.env.flush_all()
            self.assertNoLeak(scan)
        note = self.thread.message_ids.sorted("id")[-1]
        self.assertEqual(note.sudo().secure_direction, "internal")
        self.assertFalse(todo.sudo().feedback)
        self.authenticate("sender", "sender-sender")
        data = self.make_jsonrpc_request(
            "/mail/thread/messages",
            {"thread_model": "secure.thread", "thread_id": self.thread.id},
        )
        bodies = {row["id"]: str(row["body"]) for row in data["data"]["mail.message"]}
        self.assertIn(CANARY_REPLY, bodies[note.id])
        self.visitor.open_gate(self.token)
        self.assertNotIn(CANARY_REPLY, self.visitor.text)

    def ask_for_a_link(self):
        visitor = Visitor(self)
        with self.gateways():
            visitor.get(f"/sm/{self.token}")
            visitor.submit(visitor.form("/renew"))
        self.assertFalse(self._mails)

    def test_once_while_open(self):
        self.sent.link.sudo().expires_at = self.env.cr.now().replace(microsecond=0)
        self.contact.email = "new@client.example"
        self.ask_for_a_link()
        self.ask_for_a_link()
        todo = self.thread.activity_ids
        self.assertEqual(len(todo), 1)
        self.assertEqual(todo.user_id, self.sender)
        todo.action_done()
        self.assertFalse(self.thread.activity_ids)
        self.sender.active = False
        self.ask_for_a_link()
        self.assertEqual(self.sent.thread.activity_ids.user_id, self.manager)


@tagged("post_install", "-at_install")
class TestOneBatch(SecureCase):
    def test_two_sends_about_one_document_share_its_conversation(self):
        draft = {
            "partner": self.contact,
            "company": self.company,
            "body": "x",
            "res_model": "res.partner",
            "res_id": self.contact.id,
        }
        with self.gateways():
            rows = self.env["secure.thread"]._send([draft, dict(draft)])
            own = self.env["secure.thread"]._send([draft, dict(draft, pin="839174")])
        self.assertEqual(rows[0].thread, rows[1].thread)
        self.assertEqual(len(rows[0].thread.message_ids), 3)
        self.assertEqual(own[0].thread, rows[0].thread)
        self.assertNotEqual(own[1].thread, rows[0].thread)
