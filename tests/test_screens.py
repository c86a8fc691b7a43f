"""What the back office's screens show, beside what the models hold."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..tools import pin_policy
from ..tools.pin_policy import WRONG_PINS_PER_CONTACT
from .common import CANARY, CANARY_FILE, CANARY_FILE_NAME, PIN, SecureCase


@tagged("post_install", "-at_install")
class TestComposeScreen(SecureCase):
    def upload(self, user=None, **values):
        return (
            self.env["ir.attachment"]
            .with_user(user or self.sender)
            .create(
                {
                    "name": CANARY_FILE_NAME,
                    "raw": CANARY_FILE.encode(),
                    "res_model": "secure.compose",
                    **values,
                }
            )
        )

    def form(self, files):
        return (
            self.env["secure.compose"]
            .with_user(self.sender)
            .create(
                {
                    "partner_ids": [(6, 0, self.contact.ids)],
                    "body": CANARY,
                    "attachment_ids": [(6, 0, files.ids)],
                }
            )
        )

    def test_files_under_their_real_names(self):
        file = self.upload()
        self.env.invalidate_all()
        self.assertEqual(file.name, "secure-file")
        self.assertEqual(file.secure_display_name, CANARY_FILE_NAME)
        self.assertEqual(file.secure_display_type, "text/plain")

    def test_names_of_others_stay_hidden(self):
        file = self.upload(self.colleague)
        self.env.invalidate_all()
        file = file.with_user(self.sender)
        with self.assertRaises(AccessError):
            file.read(["secure_display_name"])
        self.assertEqual(file.sudo().secure_display_name, "secure-file")

    def test_plain_files_keep_their_names(self):
        values = {"name": "plain.txt", "raw": b"x", "res_model": False}
        file = self.env["ir.attachment"].with_user(self.sender).create(values)
        self.assertEqual(file.secure_display_name, "plain.txt")
        self.assertEqual(file.secure_display_type, file.mimetype)

    def test_no_file_is_lost_on_the_way(self):
        """One that hangs on something already would be left out in silence."""
        form = self.form(self.upload())
        form.attachment_ids |= self.upload(res_id=form.id)
        with self.gateways(), self.assertRaisesRegex(UserError, "attach them again"):
            form.action_send()
        self.assertFalse(self._mails)

    def test_too_many_files_are_told_before_sending(self):
        files = self.upload()
        for _number in range(10):
            files |= self.upload()
        self.assertIn("10 files", self.form(files).problem)

    def test_uploads_of_forms_never_sent_go(self):
        old, new = self.upload(), self.upload()
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE ir_attachment SET write_date = %s WHERE id = %s",
            [fields.Datetime.now() - timedelta(days=2), old.id],
        )
        self.env.invalidate_all()
        self.env["secure.compose"]._gc_uploads()
        self.assertFalse(old.exists())
        self.assertTrue(new.exists())

    def test_generated_pin_is_for_the_form_only(self):
        compose = self.env["secure.compose"].with_user(self.sender)
        pin = compose.generate_pin(self.contact.ids)
        pin_policy.check(pin, [self.contact.phone])
        self.assertFalse(self.env["secure.pin"]._of(self.contact))

    def test_sent_message_names_the_contact(self):
        with self.gateways():
            action = self.form(self.upload()).action_send()
        [link] = action["params"]["links"]
        self.assertEqual(link["label"], "Clara Client")
        thread = self.env["secure.thread"].search([], limit=1)
        self.assertTrue(link["url"].endswith(f"/{thread.id}"))


@tagged("post_install", "-at_install")
class TestPinScreen(SecureCase):
    def test_saving_nothing_is_told(self):
        wizards = self.env["secure.pin.wizard"].with_user(self.sender)
        with self.assertRaisesRegex(UserError, "type a PIN"):
            wizards.create({"partner_id": self.contact.id}).action_save()
        wizard = wizards.create({"partner_id": self.contact.id, "pin": PIN})
        self.assertEqual(wizard.action_save()["type"], "ir.actions.act_window_close")


@tagged("post_install", "-at_install")
class TestThreadScreen(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send()
        self.thread = self.sent.thread.with_user(self.sender)

    def test_rule_that_holds_now(self):
        self.assertEqual(self.thread.current_pin_rule, "none")
        self.set_pin(self.contact)
        self.thread.invalidate_recordset()
        self.assertEqual(self.thread.current_pin_rule, "contact")

    def test_locked_until_unlocked(self):
        self.assertFalse(self.thread.is_locked)
        self.env.cr.execute(
            """INSERT INTO secure_attempt
                      (kind, key, window_start, window_count, total)
               VALUES ('contact', %s, NOW(), 0, %s)""",
            [str(self.contact.id), WRONG_PINS_PER_CONTACT],
        )
        self.thread.invalidate_recordset()
        self.assertTrue(self.thread.is_locked)
        self.thread.action_unlock()
        self.thread.invalidate_recordset()
        self.assertFalse(self.thread.is_locked)

    def test_links_to_withdraw(self):
        self.assertTrue(self.thread.has_links)
        self.assertEqual(self.thread.link_ids.masked_address, "c***@client.example")
        self.thread.action_revoke()
        self.assertFalse(self.thread.has_links)

    def test_document(self):
        self.assertFalse(self.thread.document_name)
        with self.assertRaises(UserError):
            self.thread.action_open_document()
        country = self.env.ref("base.be")
        thread = self.send(res_model="res.country", res_id=country.id).thread
        thread = thread.with_user(self.sender)
        self.assertEqual(thread.document_name, country.display_name)
        self.assertEqual(thread.action_open_document()["res_id"], country.id)
        cron = self.env["ir.cron"].search([], limit=1)
        hidden = self.send(res_model="ir.cron", res_id=cron.id).thread
        self.assertFalse(hidden.with_user(self.sender).document_name)

    def test_read_when_who_answers_has_opened_it(self):
        self.thread.sudo().staff_unread_count = 2
        self.thread.with_user(self.manager).action_mark_read()
        self.assertEqual(self.thread.staff_unread_count, 2)
        with self.assertRaises(AccessError):
            self.thread.with_user(self.colleague).action_mark_read()
        self.thread.action_mark_read()
        self.assertEqual(self.thread.staff_unread_count, 0)

    def test_composer_proposes_nobody(self):
        self.assertEqual(self.thread._message_get_suggested_recipients(), [])


@tagged("post_install", "-at_install")
class TestLogScreen(SecureCase):
    def test_names(self):
        sent = self.send()
        sent.thread.with_user(self.sender).action_revoke()
        log = self.env["secure.access.log"].with_user(self.sender)
        row = log.search([("kind", "=", "revoked")])
        self.assertEqual(row.display_name, "Link withdrawn")
        self.assertEqual(row.partner_name, "Clara Client")
        self.assertEqual(row.user_name, "Sender")
        self.assertEqual(row.action_open_thread()["res_id"], sent.thread.id)

    def test_names_are_those_the_reader_may_see(self):
        sent = self.send()
        row = self.env["secure.access.log"].search(
            [("thread_id", "=", sent.thread.id)], limit=1
        )
        other = self.env["res.company"].create({"name": "Other Office"})
        self.contact.company_id = other
        self.env.invalidate_all()
        self.assertFalse(row.with_user(self.manager).partner_name)
