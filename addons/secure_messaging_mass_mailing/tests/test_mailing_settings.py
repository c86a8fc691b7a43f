"""Mailings when secure messaging, or this module, goes away."""

from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import tagged

from odoo.addons.secure_messaging.models.secure_bridge import SecureBridge

from ..hooks import uninstall_hook
from .common import MailingCase


@tagged("post_install", "-at_install")
class TestMailingSettings(MailingCase):
    def without_bridge(self):
        return patch.object(SecureBridge, "_mailings_guarded", lambda _self: False)

    def settings(self):
        return self.env["res.config.settings"].create({})

    def test_warning(self):
        self.assertFalse(self.settings().secure_mailings_unguarded)
        with self.without_bridge():
            self.assertTrue(self.settings().secure_mailings_unguarded)

    def test_marked_mailing_without_code(self):
        """The module's folder is gone, the mark is still in the table."""
        for mailing in (self.mailing(), self.sms_mailing()):
            mailing.flush_recordset()
            with self.gateways(), self.without_bridge():
                with self.assertRaises(UserError):
                    mailing.sudo()._action_send_mail()
            self.assertNothingSent()
        standard = self.mailing(secure_send=False)
        standard.flush_recordset()
        with self.gateways(), self.without_bridge():
            standard.sudo()._action_send_mail()
            self.assertEqual(len(self._mails), 2)

    def test_uninstall(self):
        waiting, sent = self.mailing(), self.mailing(self.contact)
        standard = self.mailing(secure_send=False)
        waiting.body_arch = "<p>kept</p>"
        with self.gateways():
            self.launch(sent)
        (waiting | standard).action_launch()
        uninstall_hook(self.env)
        self.assertEqual((waiting.state, waiting.active), ("draft", False))
        self.assertEqual(waiting.body_arch, "<p>kept</p>")
        self.assertFalse(waiting.body_html or sent.body_html)
        self.assertEqual((sent.state, sent.active), ("done", True))
        self.assertIn("put away", waiting.message_ids[0].body)
        self.assertEqual((standard.state, standard.active), ("in_queue", True))

    def test_marked_mailings_are_named(self):
        waiting = self.mailing()
        self.mailing(secure_send=False)
        marked = {kind: names for kind, names, _count in self.company._secure_marked()}
        self.assertEqual(marked["Mailings"], [waiting.display_name])
        self.assertIn("Mailings (1)", self.company._secure_marked_text())


@tagged("post_install", "-at_install")
class TestMailingPinLine(MailingCase):
    def test_what_it_will_ask_for(self):
        self.company.secure_pin_required = True
        self.set_pin(self.contact, "839174")
        mailing = self.mailing()
        text = "Contact's PIN (1); 1 contact has none"
        self.assertEqual(mailing.secure_pin_summary, text)
        self.assertFalse(self.mailing(secure_send=False).secure_pin_summary)
        # Whom targets stand for is found out as they are sent to
        to_list = self.mailing(self.list_, mailing_domain=[])
        text = "Contact's PIN; else: whoever has none is not sent to"
        self.assertEqual(to_list.secure_pin_summary, text)
