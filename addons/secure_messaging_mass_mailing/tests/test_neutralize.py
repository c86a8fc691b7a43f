from odoo.modules.neutralize import get_neutralization_queries
from odoo.tests import tagged

from .common import MailingCase


@tagged("post_install", "-at_install")
class TestNeutralize(MailingCase):
    def test_statement_51_secure_mailings_of_a_copy_are_drafts_again(self):
        waiting = self.mailing(schedule_date="2030-01-01 00:00:00")
        begun, standard = self.mailing(), self.mailing(secure_send=False)
        (waiting | begun | standard).sudo().state = "in_queue"
        begun.sudo().state = "sending"
        self.env.flush_all()
        [sql] = get_neutralization_queries(["secure_messaging_mass_mailing"])
        self.env.cr.execute(sql)
        self.env.invalidate_all()
        self.assertEqual(set((waiting | begun).mapped("state")), {"draft"})
        self.assertFalse(waiting.schedule_date)
        self.assertEqual(standard.state, "in_queue", "is Odoo's to stop")
