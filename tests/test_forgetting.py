"""What is kept for a while goes after that while, and not before."""

import inspect
from datetime import datetime, timedelta

from freezegun import freeze_time

from odoo.tests import tagged

from odoo.addons.base.models.ir_autovacuum import is_autovacuum

from .common import PIN, WRONG_PIN, SecureCase

NOON = datetime(2026, 3, 2, 12)


@tagged("post_install", "-at_install")
class TestForgetting(SecureCase):
    def setUp(self):
        super().setUp()
        self.env.cr.execute("DELETE FROM secure_attempt")

    def vacuum(self, model, **span):
        """What Odoo's daily job does for a model, so long after noon."""
        self.env.flush_all()
        with freeze_time(NOON + timedelta(**span)):
            members = inspect.getmembers(type(self.env[model]), is_autovacuum)
            for _name, method in members:
                method(self.env[model])

    def kinds(self):
        self.env.cr.execute("SELECT kind FROM secure_attempt ORDER BY kind")
        return [kind for (kind,) in self.env.cr.fetchall()]

    def test_quiet_addresses(self):
        """Once neither lock nor window can hold any more; failures of links and
        contacts are never forgotten by themselves."""
        with freeze_time(NOON):
            self.send(pin=PIN, expiry_hours=8760)
            for _try in range(5):
                self.visitor.open_gate(self.token, pin=WRONG_PIN)
        self.assertEqual(self.kinds(), ["address", "contact", "link"])
        self.vacuum("secure.attempt", minutes=40)
        self.assertEqual(self.kinds(), ["address", "contact", "link"])
        self.vacuum("secure.attempt", minutes=40, seconds=1)
        self.assertEqual(self.kinds(), ["contact", "link"])
        self.vacuum("secure.attempt", days=400)
        self.assertEqual(self.kinds(), ["contact", "link"])

    def test_closed_doors(self):
        with freeze_time(NOON):
            sent = self.send(expiry_hours=8760)
            self.visitor.open_gate(self.token)
        grants = self.env["secure.grant"].search([("thread_id", "=", sent.thread.id)])
        self.assertEqual(grants.expires_at, NOON + timedelta(hours=12))
        self.vacuum("secure.grant", hours=12 + 24)
        self.assertTrue(grants.exists())
        self.vacuum("secure.grant", hours=12 + 24, seconds=1)
        self.assertFalse(grants.exists())
        self.assertTrue(sent.link.exists())

    def test_who_was_told_not_to_answer(self):
        def answer(number):
            raw = (
                "From: clara@client.example\nTo: catchall@practice.example\n"
                f"Message-Id: <in-{number}@client.example>\nSubject: x\n"
                f"In-Reply-To: {mail['message_id']}\n\nx\n"
            )
            with self.gateways():
                self.env["mail.thread"].message_process("res.partner", raw)
            return len(self._mails)

        answers = self.env["secure.mail.answer"]
        with freeze_time(NOON):
            self.send()
            mail = self._mails[0]
            self.assertEqual(answer(1), 1)
        self.assertEqual(answers.search_count([]), 1)
        self.vacuum("secure.mail.answer", hours=24)
        self.assertEqual(answers.search_count([]), 1)
        with freeze_time(NOON + timedelta(hours=23)):
            self.assertEqual(answer(2), 0)
        with freeze_time(NOON + timedelta(hours=24)):
            self.assertEqual(answer(3), 1)
        self.vacuum("secure.mail.answer", hours=48)
        self.assertEqual(answers.search_count([]), 1)
        self.vacuum("secure.mail.answer", hours=48, seconds=1)
        self.assertEqual(answers.search_count([]), 0)
