"""Who may send for whom, which files go along, and numbers that have changed."""

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import CANARY, CANARY_FILE, CANARY_FILE_NAME, SecureCase, Visitor
from .test_page_rights import file_urls


@tagged("post_install", "-at_install")
class TestComposeRights(SecureCase):
    def form(self, **values):
        return (
            self.env["secure.compose"]
            .with_user(self.sender)
            .create({"partner_ids": self.contact.ids, "body": CANARY, **values})
        )

    def other_company(self):
        company = self.env["res.company"].create({"name": "Second Office"})
        company.write(
            {
                "secure_responsible_id": self.manager.id,
                "secure_messaging_enabled": True,
                "secure_pin_required": False,
            }
        )
        return company

    def upload(self, user):
        return (
            self.env["ir.attachment"]
            .with_user(user)
            .create(
                {
                    "name": CANARY_FILE_NAME,
                    "raw": CANARY_FILE.encode(),
                    "res_model": "secure.compose",
                }
            )
        )

    def assertNothingLeft(self):
        self.assertFalse(self._mails or self._sms)
        self.assertFalse(self.env["secure.thread"].search([]))

    def test_company_of_others(self):
        other = self.other_company()
        with self.gateways(), self.assertRaises(AccessError):
            self.form(company_id=other.id).action_send()
        self.assertNothingLeft()

    def test_company_that_is_not_chosen(self):
        """One's own, but not among those ticked in the company menu."""
        other = self.other_company()
        self.sender.company_ids |= other
        form = self.form(company_id=other.id)
        with self.gateways(), self.assertRaises(AccessError):
            form.with_context(allowed_company_ids=self.company.ids).action_send()
        self.assertNothingLeft()
        both = [self.company.id, other.id]
        with self.gateways():
            form.with_context(allowed_company_ids=both).action_send()
        self.assertEqual(self.env["secure.thread"].search([]).company_id, other)

    def test_contact_of_another_company(self):
        """By somebody who works for both."""
        other = self.other_company()
        self.sender.company_ids |= other
        self.contact.company_id = other
        both = [self.company.id, other.id]
        form = self.form().with_context(allowed_company_ids=both)
        self.assertIn("belongs to another company", form.problem)
        with self.gateways(), self.assertRaises(UserError) as refused:
            form.action_send()
        self.assertEqual(
            str(refused.exception),
            f"Clara Client belongs to another company than {self.company.name}.",
        )
        self.assertNothingLeft()
        self.contact.company_id = self.company
        with self.gateways():
            form.action_send()
        self.assertEqual(len(self._mails), 1)

    def test_files_of_others(self):
        file = self.upload(self.colleague)
        with self.assertRaises(AccessError):
            self.form(attachment_ids=file.ids)

    def test_files_that_may_be_read_but_belong_elsewhere(self):
        values = {"name": "x.txt", "raw": b"x"}
        files = self.env["ir.attachment"].with_user(self.manager)
        for place in (
            {"res_model": "res.partner", "res_id": self.contact.id},
            {"public": True},
        ):
            with self.subTest(place=place):
                file = files.sudo().create({**values, **place})
                form = self.form(attachment_ids=file.ids)
                with self.gateways(), self.assertRaises(UserError) as refused:
                    form.action_send()
                self.assertEqual(
                    str(refused.exception),
                    "Some files are no longer there. Please attach them again.",
                )
                self.assertNothingLeft()
                self.assertTrue(file.exists())

    def test_files_reach_each_contact(self):
        file = self.upload(self.sender)
        both = self.contact | self.other_contact
        form = self.form(partner_ids=both.ids, attachment_ids=file.ids)
        with self.gateways():
            form.action_send()
        self.assertFalse(file.exists())
        self.assertEqual(len(self._mails), 2)
        self.assertEqual(self.env["secure.thread"].search([]).partner_id, both)
        for mail in list(self._mails):
            self._mails[:] = [mail]
            visitor = Visitor(self)
            visitor.open_gate(self.left_token())
            self.assertIn(CANARY, visitor.text)
            [url] = set(file_urls(visitor.text))
            self.assertEqual(visitor.get(url).content, CANARY_FILE.encode())


@tagged("post_install", "-at_install")
class TestNumberChanged(SecureCase):
    """Between the moment an SMS was queued and the moment it would leave."""

    def assertDoesNotLeave(self, change):
        draft = {
            "partner": self.contact,
            "company": self.company,
            "body": f"<p>{CANARY}</p>",
            "channel": "sms",
        }
        with self.gateways():
            threads = self.env["secure.thread"].with_user(self.sender)
            [sent] = threads._send([draft])
            sms = self.env["sms.sms"].search(
                [("mail_message_id", "=", sent.message.id)]
            )
            change(sms)
            self.leave()
        self.assertNotIn("/sm/", self.left_text())
        self.assertEqual(sms.state, "error")
        notification = sent.message.sudo().notification_ids
        self.assertEqual(notification.notification_status, "exception")
        log = self.env["secure.access.log"].search([("thread_id", "=", sent.thread.id)])
        self.assertEqual(log.mapped("kind"), ["failed"])
        self.assertFalse(sent.link.sudo().left_at)

    def test_of_the_sms(self):
        def change(sms):
            sms.number = "+32470999999"

        self.assertDoesNotLeave(change)

    def test_of_the_contact(self):
        def change(_sms):
            self.contact.phone = "+32 470 99 99 99"

        self.assertDoesNotLeave(change)

    def test_others_in_the_queue_still_leave(self):
        self.other_contact.country_id = self.env.ref("base.be")
        drafts = [
            {
                "partner": partner,
                "company": self.company,
                "body": "x",
                "channel": "sms",
            }
            for partner in (self.contact, self.other_contact)
        ]
        with self.gateways():
            rows = self.env["secure.thread"]._send(drafts)
            self.contact.phone = "+32 470 99 99 99"
            self.leave()
        [sms] = self._sms
        self.assertEqual(sms["number"], "+32470654321")
        self.assertIn("/sm/", sms["body"])
        self.assertTrue(rows[1].link.sudo().left_at)
