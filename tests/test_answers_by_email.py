"""Raw email answers to what leaves by the roads: nothing is stored, one neutral answer
goes back."""

from odoo.tests import tagged

from .common import CANARY_REPLY
from .test_roads import RoadCase

ANSWER = """From: Clara Client <clara@client.example>
To: {to}
Subject: Re: {reply}
Message-Id: <{reply}-answer@client.example>
In-Reply-To: {message_id}
References: {message_id}
Content-Type: text/plain; charset=utf-8

{reply}
"""


@tagged("post_install", "-at_install")
class TestAnswers(RoadCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._init_mail_gateway()

    def answer(self, mail):
        """Answer a mail that left, to each address that could take it in."""
        raw = ANSWER.format(
            to=mail["reply_to"] or "office@practice.example",
            reply=CANARY_REPLY,
            message_id=mail["message_id"],
        )
        return self.env["mail.thread"].message_process("res.partner", raw)

    def assertDropped(self, document, forget=False):
        [mail] = self._mails
        if forget:
            self.env["mail.mail"].search([]).unlink()
            self.env["mail.message"].search(
                [("message_id", "=", mail["message_id"])]
            ).sudo().filtered(lambda message: message.model != "secure.thread").unlink()
        self._mails.clear()
        before = self.env["mail.message"].search_count([])
        partners = self.env["res.partner"].search_count([])
        with self.leak_scan() as scan:
            self.answer(mail)
            self.answer(mail)
            self.assertNoLeak(scan)
        [pointer] = self._mails
        self.assertIn("clara@client.example", pointer["email_to"])
        self.assertNotIn(CANARY_REPLY, pointer["body"])
        stored = self.env["mail.message"].search_count([]) - before
        self.assertLessEqual(stored, 1, "the pointer's own row at most")
        self.assertEqual(self.env["res.partner"].search_count([]), partners)
        self.assertFalse(
            document.message_ids.filtered(lambda m: m.message_type == "email")
        )

    def test_to_a_chatter_post(self):
        with self.gateways():
            self.contact.with_user(self.clerk).sudo().message_post(
                body="x",
                message_type="comment",
                subtype_xmlid="mail.mt_comment",
                partner_ids=self.contact.ids,
                send_securely=True,
            )
            self.assertDropped(self.contact)

    def test_to_a_template(self):
        with self.gateways():
            template = self.template.with_user(self.sender)
            template.send_mail(self.contact.id, force_send=True)
            self.assertDropped(self.contact)

    def test_to_a_mass_mail(self):
        with self.gateways():
            self.composer().action_send_mail()
            self.assertDropped(self.contact)

    def test_to_a_mass_mail_that_odoo_has_forgotten(self):
        with self.gateways():
            self.composer(auto_delete_keep_log=False).action_send_mail()
            self.assertDropped(self.contact, forget=True)

    def composer(self, **values):
        return (
            self.env["mail.compose.message"]
            .with_user(self.writer)
            .with_context(
                default_composition_mode="mass_mail",
                default_model="res.partner",
                default_res_ids=self.contact.ids,
                default_template_id=self.template.id,
            )
            .create(values)
        )
