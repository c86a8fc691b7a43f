"""Our module beside OCA's helpdesk_mgmt, which knows nothing of it: its templates and
its stages write to contacts, in the clear or in secret, as the template says.

Outside of `tests/`, because it needs a module that is only downloaded: `make interop`.
"""

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.secure_messaging.tests.common import (
    CANARY,
    CANARY_SUBJECT,
    SecureCase,
)

# Joined as the template is rendered: the template itself is no leak.
BODY = f"<p><t t-out=\"'{CANARY[:6]}' + '{CANARY[6:]}'\"/></p>"
SUBJECT = f"{{{{ '{CANARY_SUBJECT[:6]}' + '{CANARY_SUBJECT[6:]}' }}}}"


class HelpdeskCase(SecureCase):
    """A ticket of a contact, and a template its stages may send."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        manager = cls.env.ref("helpdesk_mgmt.group_helpdesk_manager")
        cls.sender.group_ids = [Command.link(manager.id)]
        cls.ticket = cls._ticket(cls.contact)
        cls.template = cls.env["mail.template"].create(
            {
                "name": "About the ticket",
                "model_id": cls.env["ir.model"]._get_id("helpdesk.ticket"),
                "partner_to": "{{ object.partner_id.id }}",
                "subject": SUBJECT,
                "body_html": BODY,
                "auto_delete": False,
            }
        )
        cls.stage = cls.env["helpdesk.ticket.stage"].create(
            {"name": "Answered", "mail_template_id": cls.template.id}
        )
        # Odoo tracks nothing of a record in the transaction that made it
        cls.env.flush_all()
        cls.env.cr.flush()

    @classmethod
    def _ticket(cls, contact):
        """Return a new ticket, nobody's yet."""
        return cls.env["helpdesk.ticket"].create(
            {"name": "Printer", "description": "Smoke", "partner_id": contact.id}
        )

    def move(self, ticket, stage):
        """Move a ticket as the agent does, and let what that sends leave."""
        ticket.with_user(self.sender).stage_id = stage
        self.leave_all()

    def leave_all(self):
        """What Odoo does as a transaction ends, and its queue after it."""
        self.env.flush_all()
        self.env.cr.flush()
        self.leave_mails()

    def leave_mails(self):
        """Send what waits in Odoo's queues."""
        self.env["mail.mail"].sudo().search([("state", "=", "outgoing")]).send()
        self.leave()

    def thread(self, ticket=None, contact=None):
        """Return the conversation about a ticket."""
        return self.env["secure.thread"].search(
            [
                ("res_model", "=", "helpdesk.ticket"),
                ("res_id", "=", (ticket or self.ticket).id),
                ("partner_id", "=", (contact or self.contact).id),
            ]
        )


@tagged("post_install", "-at_install")
class TestOrdinary(HelpdeskCase):
    """What is not marked leaves as ever."""

    def test_template(self):
        """A template of helpdesk's leaves with its content."""
        with self.gateways():
            self.template.with_user(self.sender).send_mail(self.ticket.id)
            self.leave_all()
            self.assertIn(CANARY, self.left_text())
            self.assertFalse(self.left_token())
        self.assertFalse(self.thread())

    def test_stage(self):
        """So does the one a stage sends by itself."""
        with self.gateways():
            self.move(self.ticket, self.stage)
            self.assertIn(CANARY, self.left_text())
            self.assertFalse(self.left_token())
        self.assertFalse(self.thread())


@tagged("post_install", "-at_install")
class TestConversation(HelpdeskCase):
    """A conversation about a ticket, begun by hand."""

    def test_about_ticket(self):
        """Two sends about one ticket are one conversation."""
        about = {"res_model": "helpdesk.ticket", "res_id": self.ticket.id}
        with self.leak_scan() as scan:
            first = self.send(**about)
            second = self.send(**about)
            scan.add_left("gateways", self.left_text())
            self.assertNoLeak(scan)
        self.assertTrue(self.token)
        self.assertEqual(first.thread, second.thread)
        self.assertEqual(self.thread(), first.thread)


@tagged("post_install", "-at_install")
class TestSecureTemplate(HelpdeskCase):
    """What is marked goes into the conversation, whichever way it is sent."""

    def setUp(self):
        super().setUp()
        self.template.send_securely = True

    def assertSecure(self, ticket=None, contact=None, needle=CANARY):
        """The content is in the conversation; a link left, and nothing else."""
        thread = self.thread(ticket, contact)
        self.assertEqual(len(thread), 1)
        clear = thread.message_ids._secure_clear().values()
        self.assertTrue([text for text in clear if needle in text["body"]])
        left = self.left_text()
        self.assertTrue(self.left_token())
        self.assertNotIn(needle, left)
        self.assertNotIn(CANARY_SUBJECT, left)
        return thread

    def test_send_mail(self):
        """The direct call, as other modules make it."""
        with self.leak_scan() as scan, self.gateways():
            self.template.with_user(self.sender).send_mail(self.ticket.id)
            self.leave_all()
            self.assertSecure()
            scan.add_left("gateways", self.left_text())
            self.assertNoLeak(scan)

    def test_the_contact_reads_it(self):
        """Behind the link that left, and not in helpdesk's own chatter."""
        with self.gateways():
            self.template.with_user(self.sender).send_mail(self.ticket.id)
            self.leave_all()
            token = self.left_token()
        self.visitor.open_gate(token)
        self.assertIn(CANARY, self.visitor.text)
        self.assertNotIn(CANARY, str(self.ticket.message_ids.mapped("body")))

    def test_force_send(self):
        """At once, and not by the queue."""
        with self.gateways():
            template = self.template.with_user(self.sender)
            template.send_mail(self.ticket.id, force_send=True)
            self.leave_all()
            self.assertSecure()

    def test_many(self):
        """Two tickets in one call: to each contact a conversation."""
        other = self._ticket(self.other_contact)
        tickets = self.ticket | other
        with self.gateways():
            self.template.with_user(self.sender).send_mail_batch(tickets.ids)
            self.leave_all()
            self.assertSecure()
            self.assertSecure(other, self.other_contact)

    def test_stage(self):
        """A stage sends it by itself: Odoo's mass mode, which helpdesk asks for."""
        with self.leak_scan() as scan, self.gateways():
            self.move(self.ticket, self.stage)
            self.assertSecure()
            scan.add_left("gateways", self.left_text())
            self.assertNoLeak(scan)

    def test_stage_and_direct_are_one_conversation(self):
        """About the same ticket."""
        with self.gateways():
            self.template.with_user(self.sender).send_mail(self.ticket.id)
            self.move(self.ticket, self.stage)
            self.assertSecure()

    def test_new_ticket_in_stage(self):
        """A ticket may begin in such a stage."""
        with self.gateways():
            ticket = self.env["helpdesk.ticket"].with_user(self.sender)
            ticket = ticket.create(
                {
                    "name": "Printer",
                    "description": "Smoke",
                    "partner_id": self.contact.id,
                    "stage_id": self.stage.id,
                }
            )
            self.leave_all()
            self.assertSecure(ticket)

    def test_shipped_template(self):
        """Helpdesk's own template of a closed ticket, whose copy address is a comma."""
        shipped = self.env.ref("helpdesk_mgmt.closed_ticket_template")
        shipped.send_securely = True
        self.company.partner_id.email = "office@practice.example"
        with self.gateways():
            done = self.env.ref("helpdesk_mgmt.helpdesk_ticket_stage_done")
            self.move(self.ticket, done)
            self.assertSecure(needle="has been closed")

    def test_switched_off(self):
        """Refused, and nothing leaves instead."""
        self.company.secure_messaging_enabled = False
        with self.gateways():
            with self.assertRaises(UserError):
                self.template.with_user(self.sender).send_mail(self.ticket.id)
            self.env.flush_all()
            self.leave_mails()
            self.assertFalse(self._mails or self._sms)

    @mute_logger("odoo.addons.mail.models.mail_mail")
    def test_stage_while_switched_off(self):
        """Be the move refused or only its mail not sent: no content leaves."""
        self.company.secure_messaging_enabled = False
        with self.gateways():
            try:
                self.move(self.ticket, self.stage)
            except UserError:
                self.env.cr.precommit.clear()
            self.leave_mails()
            self.assertNotIn(CANARY, self.left_text())
