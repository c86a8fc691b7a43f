"""Statement 51: what `odoo neutralize` makes of a copy, by the SQL it runs."""

from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError
from odoo.modules.neutralize import get_neutralization_queries
from odoo.tests import tagged

from .common import CANARY, PIN, SecureCase


@tagged("post_install", "-at_install")
class TestNeutralize(SecureCase):
    def setUp(self):
        super().setUp()
        mails = type(self.env["mail.mail"])
        self.startPatcher(patch.object(mails, "send_after_commit", lambda mails: None))

    def neutralize(self):
        self.env.flush_all()
        [sql] = get_neutralization_queries(["secure_messaging"])
        self.env.cr.execute(sql)
        self.env.invalidate_all()

    def wait(self, channel):
        """A notification that waits in its queue."""
        threads = self.env["secure.thread"].with_user(self.sender)
        [sent] = threads._send(
            [
                {
                    "partner": self.contact,
                    "company": self.company,
                    "body": CANARY,
                    "channel": channel,
                }
            ]
        )
        return sent

    def test_statement_51_nothing_that_waits_leaves(self):
        mail = self.wait("email").message.sudo().mail_ids
        failed = self.wait("email").message.sudo().mail_ids
        failed.write({"state": "exception"})
        failed.mail_message_id.notification_ids.notification_status = "exception"
        messages = [self.wait("sms").message for _number in range(2)]
        sms = self.env["sms.sms"]
        sms = sms.search([("mail_message_id", "in", [one.id for one in messages])])
        sms[0].state = "error"
        ordinary = self.env["mail.mail"].create({"email_to": "a@b.example"})
        self.neutralize()
        self.assertEqual(set((mail | failed).mapped("state")), {"cancel"})
        self.assertEqual(set(sms.mapped("state")), {"canceled"})
        notified = (mail | failed).mail_message_id.notification_ids
        for one in messages:
            notified |= one.sudo().notification_ids
        self.assertEqual(len(notified), 4)
        self.assertEqual(set(notified.mapped("notification_status")), {"canceled"})
        self.assertEqual(ordinary.state, "outgoing", "is Odoo's to stop")
        with self.gateways():
            self.env["mail.mail"].process_email_queue(email_ids=(mail | failed).ids)
            self.env["sms.sms"]._process_queue()
            self.assertFalse(self._mails or self._sms)

    def test_statement_51_codes_that_wait_do_not_leave(self):
        """They belong to no message of a contact's: nobody is told how they fared."""
        self.company.secure_pin_source = "code"
        for channel in ("email", "sms"):
            link = self.wait(channel).link.sudo()
            self.assertFalse(self.env["secure.code"]._ask(link, "192.0.2.1"))
        mine = [("secure_code_id", "!=", False)]
        [mail] = self.env["mail.mail"].search(mine)
        [sms] = self.env["sms.sms"].search(mine)
        self.assertEqual((mail.state, sms.state), ("outgoing", "outgoing"))
        self.assertFalse(mail.mail_message_id.notification_ids)
        self.assertFalse(sms.mail_message_id)
        self.neutralize()
        self.assertEqual((mail.state, sms.state), ("cancel", "canceled"))
        with self.gateways():
            self.env["mail.mail"].process_email_queue(email_ids=mail.ids)
            self.env["sms.sms"]._process_queue()
            self.assertFalse(self._mails or self._sms)

    def test_statement_51_pins_that_wait_are_forgotten(self):
        bulks = self.env["secure.pin.bulk"].with_user(self.manager)
        with patch.object(type(bulks), "_run_chunk", lambda bulk: None):
            bulk = bulks._set_pins({self.contact: PIN}, "imported").sudo()
        line = bulk.line_ids
        self.assertEqual((line.state, bulk.state), ("waiting", "running"))
        self.assertTrue(line.pin_sealed)
        self.neutralize()
        self.assertEqual((line.state, bulk.state), ("failed", "failed"))
        self.assertFalse(line.pin_sealed)
        self.env["secure.pin.bulk"]._cron_run()
        self.assertFalse(self.env["secure.pin"]._of(self.contact))

    def test_statement_51_what_left_is_told_as_it_was(self):
        with self.gateways():
            sent = self.wait("email")
            sent.message.sudo().mail_ids.send()
        self.neutralize()
        self.assertEqual(sent.message.sudo().mail_ids.state, "sent")
        status = sent.message.sudo().notification_ids.notification_status
        self.assertEqual(status, "sent")

    def test_statement_51_planned_sends_are_over(self):
        states = ("scheduled", "running", "held", "failed", "sent")
        sends = [self.planned(pin=PIN) for _state in states]
        for dispatch, state in zip(sends, states, strict=True):
            dispatch.sudo().state = state
            if state in ("failed", "sent"):
                dispatch.sudo().line_ids.state = state
        self.neutralize()
        self.assertEqual(
            [dispatch.state for dispatch in sends],
            ["cancelled", "cancelled", "cancelled", "failed", "sent"],
        )
        for dispatch in sends:
            self.assertFalse(dispatch.sudo().sealed_pin)
            self.assertFalse(dispatch.can_retry)
            self.assertFalse(dispatch.waiting_count)
        with self.gateways():
            self.env["secure.dispatch"]._cron_run()
            for dispatch in sends[:3]:
                with self.assertRaises(UserError):
                    dispatch.with_user(self.sender).action_send_now()
            self.assertFalse(self._mails)

    def test_statement_51_no_second_way_in(self):
        sent = self.send(pin=PIN)
        token = sent.link._urls()[sent.link.id].rpartition("/")[2]
        self.visitor.open_gate(token, pin=PIN)
        self.assertIn(CANARY, self.visitor.text)
        page = f"/{self.visitor.path}"
        grant = self.env["secure.grant"].search([("link_id", "=", sent.link.id)])
        self.neutralize()
        self.assertEqual(sent.link.state, "revoked")
        self.assertFalse(grant._holds())
        for path in (f"/sm/{token}", page):
            self.visitor.get(path)
            self.assertEqual(self.visitor.status, 410)
            self.assertNotIn(CANARY, self.visitor.text)
        # Whatever becomes of its link, a door that stood open is closed for good
        self.assertLessEqual(grant.expires_at, fields.Datetime.now())
        sent.link.sudo().revoked_at = False
        self.assertFalse(grant._holds())

    def test_statement_51_nothing_new_is_sent(self):
        self.neutralize()
        self.assertFalse(
            self.env["res.company"].search([("secure_messaging_enabled", "=", True)])
        )
        with self.assertRaisesRegex(UserError, "switched off"):
            self.send()
        crons = self.env["ir.model.data"].search(
            [("module", "=", "secure_messaging"), ("model", "=", "ir.cron")]
        )
        jobs = self.env["ir.cron"].with_context(active_test=False)
        jobs = jobs.browse(crons.mapped("res_id"))
        self.assertGreaterEqual(len(jobs), 3)
        self.assertFalse(any(jobs.mapped("active")))

    def test_statement_51_can_be_run_twice(self):
        self.send()
        self.neutralize()
        links = self.env["secure.link"].search([])
        before = links.mapped("revoked_at")
        self.neutralize()
        self.assertEqual(links.mapped("revoked_at"), before)
