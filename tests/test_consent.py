from odoo.tests import tagged
from .common import SecureCase, CANARY
from .test_roads import RoadCase


@tagged("post_install", "-at_install")
class TestConsentPage(SecureCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.write({"secure_consent_text": "We keep it.\n\nYou read it.", "secure_consent_for": "everybody"})

    def test_first(self):
        self.send()
        self.visitor.open_gate(self.token)
        self.assertNotIn(CANARY, self.visitor.text)
        print(self.visitor.text)
        self.visitor.submit(self.visitor.form("/consent"), answer="agreed")
        self.assertIn(CANARY, self.visitor.text)
        self.assertIn("Withdraw my consent", self.visitor.text)
