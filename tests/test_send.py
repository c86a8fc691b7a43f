from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import (
    CANARY,
    CANARY_FILE,
    CANARY_FILE_NAME,
    CANARY_SUBJECT,
    PIN,
    SecureCase,
)


@tagged("post_install", "-at_install")
class TestSend(SecureCase):
    def test_email_holds_link_and_no_content(self):
        with self.leak_scan() as scan:
            sent = self.send(
                attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())], pin=PIN
            )
            self.assertNoLeak(scan, self.token, PIN)
        self.assertEqual(len(self._mails), 1)
        mail = self._mails[0]
        self.assertEqual(mail["email_to"], ['"Clara Client" <clara@client.example>'])
        self.assertIn(f"/sm/{self.token}", mail["body"])
        self.assertIn(f"/sm/{self.token}", mail["body_alternative"])
        self.assertFalse(mail["attachments"])
        self.assertIn("Sender", mail["subject"])
        self.assertEqual(sent.thread.partner_id, self.contact)

    def test_sms_holds_link_and_no_content(self):
        with self.leak_scan() as scan:
            self.send(channel="sms")
            self.assertNoLeak(scan, self.token)
        self.assertEqual([sms["number"] for sms in self._sms], ["+32470123456"])
        self.assertIn(f"/sm/{self.token}", self._sms[0]["body"])

    def test_sender_reads_clear_subject(self):
        sent = self.send()
        self.assertEqual(sent.thread.with_user(self.sender).subject, CANARY_SUBJECT)
        clear = sent.message._secure_clear()[sent.message.id]
        self.assertIn(CANARY, clear["body"])

    def test_switched_off_refuses(self):
        self.company.secure_messaging_enabled = False
        with self.assertRaisesRegex(UserError, "switched off"):
            self.send()
        self.assertFalse(self._new_mails)
