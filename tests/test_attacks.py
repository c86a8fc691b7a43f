"""Roads an attacker found and that were closed: each stays closed."""

import base64
import logging
import smtplib
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..tools import log_filter, quoted_links
from .common import (
    CANARY,
    CANARY_FILE,
    CANARY_FILE_NAME,
    CANARY_REPLY,
    PIN,
    SecureCase,
)
from .test_page import at


def attach(mail, data, name):
    """Hang a file on a mail without saying what it is."""
    mail.add_attachment(
        data, maintype="application", subtype="octet-stream", filename=name
    )


@tagged("post_install", "-at_install")
class TestFilesOfStrangers(SecureCase):
    def test_sealing_one_file_lends_no_rights_to_the_next(self):
        """A batch with one file to seal is not created as superuser as a whole."""
        files = self.env["ir.attachment"].with_user(self.clerk)
        served = {
            "name": "x.js",
            "type": "binary",
            "url": "/served-by-nobody.js",
            "mimetype": "text/javascript",
            "raw": b"alert(2)",
        }
        with self.assertRaises(ValidationError):
            files.create(
                [{"name": "a", "raw": b"a", "res_model": "secure.compose"}, served]
            )
            self.env.flush_all()
        self.authenticate(None, None)
        self.assertNotIn("alert", self.url_open(served["url"]).text)

    def test_nobody_brings_a_ciphertext_to_have_it_opened(self):
        sent = self.send(attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())])
        stolen = sent.message.attachment_ids.sudo()
        values = {
            "name": "a",
            "secure_uid": stolen.secure_uid,
            "secure_name": stolen.secure_name,
            "secure_mimetype": stolen.secure_mimetype,
            "datas": base64.b64encode(stolen.raw),
        }
        for user in (self.clerk, self.sender):
            for extra in ({}, {"res_model": "secure.compose"}):
                with self.assertRaises(AccessError):
                    self.env["ir.attachment"].with_user(user).create(
                        {**values, **extra}
                    )
                rest = {key: values.pop(key) for key in [*values] if "secure_" in key}
                defaults = {f"default_{key}": value for key, value in rest.items()}
                files = self.env["ir.attachment"].with_user(user)
                with self.assertRaises(AccessError):
                    files.with_context(**defaults).create({**values, **extra})
                values.update(rest)

    def test_context_defaults_do_not_get_around_the_seal(self):
        sent = self.send()
        defaults = {
            "default_res_model": "secure.thread",
            "default_res_id": sent.thread.id,
        }
        files = (
            self.env["ir.attachment"].with_user(self.sender).with_context(**defaults)
        )
        with self.assertRaises(AccessError):
            files.create({"name": CANARY_FILE_NAME, "raw": CANARY_FILE.encode()})
        files = files.with_context(default_res_model="secure.compose", default_res_id=0)
        with self.leak_scan() as scan:
            files.create({"name": CANARY_FILE_NAME, "raw": CANARY_FILE.encode()})
            self.assertNoLeak(scan)

    def test_statement_43_nobody_adds_files_to_a_send_that_waits(self):
        """Neither to another's nor to one's own but with its form, whichever way the
        file says what it is for."""
        dispatch = self.planned(self.colleague)
        target = {"res_model": "secure.dispatch", "res_id": dispatch.id}
        ways = (
            (target, {}),
            ({"res_id": dispatch.id}, {"default_res_model": "secure.dispatch"}),
            ({}, {f"default_{key}": value for key, value in target.items()}),
            (target, {"secure_seal_files": True}),
        )
        for user in (self.clerk, self.sender, self.colleague):
            for values, context in ways:
                with self.subTest(user=user.login, values=values, context=context):
                    files = self.env["ir.attachment"].with_user(user)
                    with self.assertRaises(AccessError):
                        files.with_context(**context).create(
                            {"name": "invoice.pdf", "raw": b"pay me", **values}
                        )
        self.assertFalse(dispatch.sudo().attachment_ids)

    def test_sealing_hangs_no_file_on_a_record_that_is_not_yours(self):
        """A context that asks for the seal adds nothing else: no right, no default."""
        order = self.env["ir.module.module"].search([], limit=1)
        files = self.env["ir.attachment"].with_user(self.clerk)
        file = {"name": "a.txt", "raw": b"a"}
        for context in (
            {"default_res_model": order._name, "secure_seal_files": True},
            {"default_res_model": "secure.compose", "default_public": True},
        ):
            sealing = files.with_context(**context)
            if "secure_seal_files" in context:
                with self.assertRaises(AccessError):
                    sealing.create({**file, "res_id": order.id})
            made = sealing.with_context(default_res_id=order.id).create(file)
            self.assertTrue(made.sudo().secure_uid)
            self.assertFalse(made.sudo().res_id or made.sudo().public)

    def test_files_do_not_move_between_conversations(self):
        first, second = self.send(attachments=[("a.txt", b"a")]), self.send()
        file = first.message.attachment_ids
        with self.assertRaises(AccessError):
            file.with_user(self.sender).write({"res_id": second.thread.id})

    def test_markup_is_just_bytes_to_a_browser(self):
        html = b"<html><form action='https://evil.example'>"
        sent = self.send(attachments=[("evil.html", html)])
        self.authenticate("sender", "sender-sender")
        response = self.url_open(f"/web/content/{sent.message.attachment_ids.id}")
        self.assertEqual(response.content, html)
        self.assertEqual(response.headers["Content-Type"], "application/octet-stream")


@tagged("post_install", "-at_install")
class TestMessagesOfStrangers(SecureCase):
    def test_context_defaults_empty_bodies_and_later_writes(self):
        sent = self.send()
        # As Odoo's own code does, and modules
        messages = self.env["mail.message"].with_user(self.sender).sudo()
        target = {"model": "secure.thread", "res_id": sent.thread.id}
        with self.leak_scan() as scan:
            by_context = messages.with_context(default_model="secure.thread")
            by_context.create(
                {
                    "res_id": sent.thread.id,
                    "body": CANARY_REPLY,
                    "subject": CANARY_REPLY,
                }
            )
            empty = messages.create({**target, "body": "", "subject": CANARY_REPLY})
            with self.assertRaises(AccessError):
                empty.write({"body": CANARY_REPLY})
            self.assertNoLeak(scan)
        for user in (self.colleague, self.clerk):
            messages = messages.with_user(user)
            for strangers in (messages, messages.sudo()):
                with self.assertRaises(AccessError):
                    strangers.create({**target, "body": "x"})

    def test_nothing_else_of_a_message_changes_either(self):
        sent = self.send()
        for values in (
            {"date": "2020-01-01 00:00:00"},
            {"reply_to": "x@evil.example"},
            {"is_internal": True},
            {"partner_ids": [(4, self.clerk.partner_id.id)]},
            {"child_ids": [(0, 0, {"body": CANARY_REPLY})]},
            {"secure_seen_date": "2020-01-01 00:00:00"},
        ):
            with self.subTest(values=values), self.assertRaises(AccessError):
                sent.message.with_user(self.sender).write(values)
            with self.subTest(values=values, sudo=True), self.assertRaises(AccessError):
                sent.message.with_user(self.sender).sudo().write(values)

    def test_a_template_cannot_mail_a_conversation(self):
        sent = self.send()
        template = self.env["mail.template"].create(
            {
                "name": "Leaky",
                "model_id": self.env["ir.model"]._get_id("secure.thread"),
                "subject": "{{ object.subject }}",
                "body_html": f"<p>{CANARY_REPLY}</p>",
                "partner_to": "{{ object.partner_id.id }}",
                "use_default_to": False,
            }
        )
        with self.gateways(), self.assertRaises(UserError):
            template.with_user(self.sender).send_mail(sent.thread.id, force_send=True)
        self.assertFalse(self._mails)

    def test_a_todo_for_a_colleague_can_be_made(self):
        """Odoo tells the colleague, by email or in the inbox, and tells nothing."""
        sent = self.send(attachments=[("a.txt", b"a")])
        sent.thread.sudo().participant_ids = self.colleague
        for kind in ("inbox", "email"):
            self.colleague.notification_type = kind
            with self.gateways():
                todo = sent.thread.with_user(self.sender).activity_schedule(
                    "mail.mail_activity_data_todo",
                    user_id=self.colleague.id,
                    summary=CANARY_REPLY,
                )
                self.env.cr.precommit.run()
            self.assertEqual(todo.user_id, self.colleague)
        [mail] = self._mails
        self.assertIn("colleague@practice.example", mail["email_to"][0])
        self.assertNotIn(CANARY_REPLY, str(mail))
        self.assertFalse(mail["attachments"])

    def test_a_lock_is_told_by_email_too(self):
        self.sender.notification_type = "email"
        self.send(pin=PIN)
        with self.gateways():
            for _ in range(5):
                self.visitor.open_gate(self.token, pin="111222")
        self.assertEqual(self.visitor.status, 429)


@tagged("post_install", "-at_install")
class TestTokensInErrors(SecureCase):
    def test_a_refusal_that_quotes_the_mail(self):
        """As mail servers do that look links up in block lists."""

        def refuse(_server, message, **_options):
            text = str(message.get_body(("plain",)).get_content())
            link = next(word for word in text.split() if "/sm/" in word)
            refused.append(link)
            raise smtplib.SMTPException(f"550 rejected: {link} is listed")

        refused = []
        server = type(self.env["ir.mail_server"])
        draft = {"partner": self.contact, "company": self.company, "body": "x"}
        with self.leak_scan() as scan:
            with (
                self.gateways(),
                patch.object(server, "send_email", refuse),
                mute_logger("odoo.addons.mail.models.mail_mail"),
            ):
                self.env["secure.thread"].with_user(self.sender)._send([draft])
            [link] = refused
            self.assertNoLeak(scan, link.rsplit("/", 1)[1])

    def test_records_of_any_logger_are_masked(self):
        log_filter.install()
        token = "/sm/" + "Ab1" * 11
        logger = logging.getLogger("somebody.elses")
        with self.leak_scan() as scan:
            logger.warning("at %s", token)
            logger.warning("at " + token.upper())
            try:
                raise ValueError(token)
            except ValueError as error:
                logger.exception("failed: %s", error)
            self.assertNoLeak(scan, "Ab1" * 11, "AB1" * 11)


@tagged("post_install", "-at_install")
class TestGateway(SecureCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["mail.alias"].create(
            {
                "alias_name": "notes",
                "alias_domain_id": cls._alias_domain().id,
                "alias_model_id": cls.env["ir.model"]._get_id("res.partner"),
                "alias_force_thread_id": cls.other_contact.id,
                "alias_contact": "everyone",
            }
        )

    @classmethod
    def _alias_domain(cls):
        domain = cls.company.alias_domain_id
        return domain or cls.env["mail.alias.domain"].create(
            {"name": "practice.example"}
        )

    def receive(self, body, **headers):
        lines = {
            "From": "clara@client.example",
            "To": f"notes@{self._alias_domain().name}",
            "Subject": "Fwd",
            "Message-Id": "<forwarded@client.example>",
            **headers,
        }
        head = "\n".join(f"{key}: {value}" for key, value in lines.items())
        raw = f"{head}\nContent-Type: text/plain\n\n{body}\n"
        with self.gateways():
            self.env["mail.thread"].message_process(False, raw, save_original=True)

    def receive_mail(self, mail, number=0):
        mail["From"] = "clara@client.example"
        mail["To"] = f"notes@{self._alias_domain().name}"
        mail["Message-Id"] = f"<forwarded-{number}@client.example>"
        with self.gateways():
            self.env["mail.thread"].message_process(
                False, mail.as_bytes(), save_original=True
            )

    def test_an_answer_sent_to_an_alias_is_not_stored_either(self):
        self.send()
        own_id, token = self._mails[0]["message_id"], self.token
        with self.leak_scan() as scan:
            self.receive(
                f"{CANARY_REPLY} https://x.example/sm/{token}", References=own_id
            )
            self.assertNoLeak(scan, token)
        self.assertEqual(len(self._mails), 1)

    def test_a_forwarded_link_is_dead_in_the_database(self):
        self.send()
        token = self.token
        before = len(self.other_contact.message_ids)
        with self.leak_scan() as scan:
            self.receive(f"I cannot open https://x.example/sm/{token} please help")
            self.assertNoLeak(scan, token)
        self.assertEqual(len(self.other_contact.message_ids), before + 1)
        self.assertIn("/sm/***", self.other_contact.message_ids[0].body)

    def test_statement_02_links_made_over_by_mail_filters(self):
        """Outlook's and others' links to a link; in a text, a subject and a file."""
        for number, form in enumerate(
            (
                "https://x.safelinks.example/?url=https%3A%2F%2Fh.example%2Fsm%2F{}"
                "&data=05",
                "https://l.example/?a=https%253a%252f%252fh.example%252fsm%252f{}&c=E",
                "https://u.example/v2/url?u=https-3A__h.example_sm_{}&d=DwMFaQ",
                "https:\\/\\/h.example\\/sm\\/{}",
                "https:&#x2F;&#x2F;h.example&#x2F;sm&#x2F;{}",
            )
        ):
            with self.subTest(form=form):
                self.send()
                token = self.token
                before = len(self.other_contact.message_ids)
                mail = EmailMessage()
                mail["Subject"] = f"Fwd {form.format(token)}"
                mail.set_content(f"I cannot open {form.format(token)} please help")
                mail.add_attachment(form.format(token), filename="a.txt")
                attach(mail, form.format(token).encode("utf-16-le"), "a.msg")
                attach(mail, b"kept", "b")
                with self.leak_scan() as scan:
                    self.receive_mail(mail, number)
                    self.assertNoLeak(scan, token)
                posted = self.other_contact.message_ids[0]
                self.assertEqual(len(self.other_contact.message_ids), before + 1)
                self.assertIn("please help" if number > 2 else "***", posted.body)
                self.assertIn(b"kept", posted.attachment_ids.mapped("raw"))
                self.assertNotIn(
                    "original_email.eml", posted.attachment_ids.mapped("name")
                )

    def test_statement_02_a_notification_forwarded_as_a_file(self):
        """As a mail in the mail, or its file: in base64, and one in another."""
        self.send()
        token = self.token
        inner = EmailMessage()
        inner["Subject"] = "Secure message"
        inner.set_content(f"https://h.example/sm/{token} \u00e9", cte="base64")
        attach(inner, b"also inside", "c")
        middle = EmailMessage()
        middle.set_content("see the file")
        attach(middle, inner.as_bytes(), "inner.EML")
        mail = EmailMessage()
        mail["Subject"] = "Fwd"
        mail.set_content("please help")
        mail.add_attachment(inner)
        attach(mail, middle.as_bytes(), "mail.eml")
        self.assertNotIn(token, mail.as_string())
        with self.leak_scan() as scan:
            self.receive_mail(mail)
            self.env.flush_all()
            posted = self.other_contact.message_ids[0]
            files = posted.attachment_ids.mapped("raw")
            for data in (posted.body.encode(), *files):
                for part in message_from_bytes(data, policy=policy.SMTP).walk():
                    if not part.is_multipart():
                        data += part.get_payload(decode=True)
                self.assertNotIn(token.encode(), data)
            self.assertNoLeak(scan, token)
        self.assertIn("please help", posted.body)
        self.assertIn(b"also inside", files)
        self.assertNotIn("original_email.eml", posted.attachment_ids.mapped("name"))

    def test_junk_in_a_mail_loses_nothing(self):
        """What Python cannot read of a mail that hangs on one, and Odoo never does."""
        for number, head in enumerate(
            (
                "Message-ID: <>",
                "From: a <",
                "Reply-To: a@[",
                "Subject: =?nosuch?q?a?=",
                "From: =?utf-8?q?=0a?= <a@b>",
            )
        ):
            raw = (
                "From: clara@client.example\r\n"
                f"To: notes@{self._alias_domain().name}\r\n"
                f"Message-Id: <junk-{number}@client.example>\r\n"
                "Subject: Fwd\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                "--b\r\nContent-Type: text/plain\r\n\r\nplease help\r\n"
                f"--b\r\nContent-Type: message/rfc822\r\n\r\n{head}\r\n"
                "Content-Type: text/plain\r\n\r\nalso inside\r\n--b--\r\n"
            )
            with self.subTest(head=head), self.gateways():
                before = len(self.other_contact.message_ids)
                self.env["mail.thread"].message_process(
                    False, raw.encode(), save_original=True
                )
                self.assertEqual(len(self.other_contact.message_ids), before + 1)
                posted = self.other_contact.message_ids[0]
                self.assertIn("please help", posted.body)
                names = posted.attachment_ids.mapped("name")
                self.assertIn("original_email.eml", names)

    def test_statement_02_a_head_in_a_character_set_nobody_knows(self):
        link = b"https://h.example/sm/" + b"A1b2C3d4E5" * 3
        for charset in (b"utf-8", b"nosuch"):
            head = b"Subject: =?%s?b?%s?=" % (charset, base64.b64encode(link))
            kept = quoted_links.without("a.eml", head + b"\r\n\r\nhello")
            self.assertNotIn(base64.b64encode(link), kept)
            self.assertIn(b"hello", kept)

    def test_mails_in_mails_without_end_are_not_read_to_the_end(self):
        """Each level is to be read again: a stranger could keep a worker busy."""
        link = b"https://h.example/sm/" + b"A1b2C3d4E5" * 3
        data = b"nothing of ours"
        for _level in range(quoted_links.MAILS_DEEP):
            data = b"Content-Disposition: attachment; filename=a.eml\r\n\r\n" + data
        self.assertEqual(quoted_links.without("a.eml", data), data)
        for inside in (b"nothing of ours", link):
            data = inside
            for _level in range(1000):
                data = b"Content-Disposition: attachment; filename=a.eml\r\n\r\n" + data
            reads = quoted_links.message_from_bytes
            with patch.object(quoted_links, "message_from_bytes", wraps=reads) as read:
                kept = quoted_links.without("a.eml", data)
            self.assertLess(read.call_count, 4 * quoted_links.MAILS_DEEP)
            self.assertNotIn(inside, kept)

    def test_what_quotes_no_link_is_kept_as_it_came(self):
        inner = EmailMessage()
        inner.set_content("nothing of ours", cte="base64")
        mail = EmailMessage()
        mail["Subject"] = "Fwd"
        mail.set_content("see https://h.example/small/sm")
        attach(mail, inner.as_bytes(), "a.eml")
        self.receive_mail(mail)
        posted = self.other_contact.message_ids[0]
        self.assertIn(inner.as_bytes(), posted.attachment_ids.mapped("raw"))
        self.assertIn("original_email.eml", posted.attachment_ids.mapped("name"))

    def test_nothing_raises_without_the_key(self):
        self.send()
        own_id = self._mails[0]["message_id"]
        missing = base64.b64encode(b"o" * 32).decode()
        with (
            patch.dict("os.environ", {"SECURE_MESSAGING_KEYS": missing}),
            mute_logger(
                "odoo.addons.secure_messaging.models.secure_keyring",
                "odoo.addons.secure_messaging.models.secure_mail_answer",
            ),
        ):
            self.receive(CANARY_REPLY, References=own_id)
        self.assertFalse(self._mails)


@tagged("post_install", "-at_install")
class TestLoosening(SecureCase):
    def test_a_removed_pin_leaves_conversations_closed(self):
        self.set_pin(self.company, "918273")
        sent = self.send()
        self.set_pin(self.contact, PIN)
        wizard = self.env["secure.pin.wizard"].with_user(self.colleague)
        wizard.create({"partner_id": self.contact.id}).action_clear()
        self.assertEqual(sent.thread._effective_rule(), "contact")
        self.visitor.open_gate(self.token, pin="918273")
        self.assertEqual(self.visitor.status, 403)

    def test_a_pin_required_later_is_asked_at_old_links(self):
        self.send()
        self.company.secure_pin_required = True
        self.visitor.get(f"/sm/{self.token}")
        self.assertIn('name="pin"', self.visitor.text)
        self.visitor.submit(pin="1111")
        self.assertNotIn(CANARY, self.visitor.text)

    def test_no_link_leaves_while_switched_off(self):
        sent = self.send()
        token = self.token
        self.company.secure_messaging_enabled = False
        with at(sent.link.sudo().expires_at + timedelta(seconds=1)), self.gateways():
            self.visitor.get(f"/sm/{token}")
            self.visitor.submit(self.visitor.form("/renew"))
        self.assertEqual(self.visitor.status, 200)
        self.assertFalse(self._mails)
        self.assertTrue(sent.thread.activity_ids)
        with self.assertRaisesRegex(UserError, "switched off"):
            sent.thread.with_user(self.sender).action_resend()

    def test_kept_text_is_shown_behind_the_pin_only(self):
        sent = self.send(pin=PIN)
        self.visitor.open_gate(self.token, pin=PIN)
        path = "/" + self.visitor.path
        self.visitor.submit(self.visitor.form(path), body=CANARY_REPLY, resume="1")
        grant = self.env["secure.grant"].search([("thread_id", "=", sent.thread.id)])
        grant.idle_until = fields.Datetime.now()
        self.visitor.get(path)
        self.assertNotIn(CANARY_REPLY, self.visitor.text)
        self.visitor.submit(pin=PIN)
        self.assertIn(CANARY_REPLY, self.visitor.text)

    def test_a_reply_without_its_key_is_not_called_sent(self):
        sent = self.send()
        self.visitor.open_gate(self.token)
        action, hidden = self.visitor.forms()[self.visitor.form(self.visitor.path)]
        for key in ("", "\0", "x" * 40):
            self.visitor.post(action, data={**hidden, "reply_key": key, "body": "x"})
            self.assertEqual(self.visitor.status, 400)
        self.assertEqual(len(sent.thread.message_ids), 1)

    def test_odd_requests_are_answered(self):
        self.send(pin=PIN)
        with mute_logger("odoo.http"):
            for path in ("/sm/c/%00", "/sm/c/" + "x" * 22 + "/f/%00", "/sm/%00"):
                self.assertLess(self.visitor.get(path).status_code, 500)
        self.visitor.get(f"/sm/{self.token}")
        action, hidden = self.visitor.forms()[0]
        self.visitor.post(action, data=hidden, files={"pin": ("a", b"a")})
        self.assertEqual(self.visitor.status, 403)

    def test_a_parameter_named_self_is_none(self):
        """Odoo would hand it to the route beside its own."""
        self.send()
        self.visitor.open_gate(self.token)
        door = "/" + self.visitor.path
        for path, status in (
            (f"/sm/{self.token}?self=1", 200),
            (f"{door}?self=1&args=2&kwargs=3&handler=4", 200),
            ("/sm/c/x?self=1", 403),
            ("/sm/x?self=1", 404),
        ):
            with self.subTest(path=path):
                self.assertEqual(self.visitor.get(path).status_code, status)
        for path, status in (("/sm/x", 404), (f"/sm/{self.token}", 400), (door, 400)):
            with self.subTest(path=path, method="POST"):
                answer = self.visitor.post(path, data={"self": "1"})
                self.assertEqual(answer.status_code, status)

    def test_who_lost_the_right_to_read_is_not_the_one_told(self):
        sent = self.send()
        group = self.env.ref("secure_messaging.group_user")
        self.sender.write({"group_ids": [(3, group.id)]})
        self.visitor.open_gate(self.token)
        self.visitor.submit(self.visitor.form(self.visitor.path), body="x")
        reply = sent.thread.message_ids.sorted("id")[-1]
        self.assertEqual(reply.notification_ids.res_partner_id, self.manager.partner_id)

    def test_a_link_opens_few_doors(self):
        sent = self.send()
        for _ in range(25):
            self.visitor.open_gate(self.token)
        doors = self.env["secure.grant"].search_count(
            [("thread_id", "=", sent.thread.id)]
        )
        self.assertEqual(doors, 20)
