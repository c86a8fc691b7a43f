from unittest.mock import patch

from odoo.addons.base.models.ir_cron import IrCron
from odoo.addons.secure_messaging.tests import test_roads

HALVES = "'CANARY' + 'body7351'"
"""Odoo keeps a mailing's own text in clear, as it does with templates: the marked text
must only come about as the mailing is rendered."""
BODY = (
    f'<div><p><t t-out="{HALVES}"/> for <t t-out="object.name"/></p>'
    '<p><a href="https://shop.example/CANARYlink7361">Shop</a>'
    '<a href="/view">Web version</a><a href="/unsubscribe_from_list">Out</a></p></div>'
)
SUBJECT = "{{ 'CANARY' + 'subject7352' }}"
SMS_BODY = (
    "{{ 'CANARY' + 'body7351' }} {{ object.display_name }} https://shop.example/p"
)


def mailing_case():
    """The base class of these tests; a function, as importing a class that holds tests
    would run them again."""

    class MailingCase(test_roads.RoadCase):
        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            cls.marketer = cls._user(
                "marketer",
                # Expressions like those of the marked text are for template editors
                "base.group_user,mail.group_mail_template_editor,"
                "mass_mailing.group_mass_mailing_user",
            )
            cls.list_ = cls.env["mailing.list"].create({"name": "Patients"})

        def mailing(self, records=None, **values):
            records = self.both if records is None else records
            model = values.pop("model", records._name)
            mailing = self.env["mailing.mailing"].create(
                {
                    "name": "Autumn",
                    "subject": SUBJECT,
                    "body_html": BODY,
                    "mailing_model_id": self.env["ir.model"]._get_id(model),
                    "mailing_domain": [("id", "in", records.ids)],
                    "secure_send": True,
                    "user_id": self.marketer.id,
                    **values,
                }
            )
            return mailing.with_user(self.marketer)

        def sms_mailing(self, records=None, **values):
            return self.mailing(
                records,
                **{
                    "mailing_type": "sms",
                    "subject": "Autumn",
                    "body_html": False,
                    "body_plaintext": SMS_BODY,
                    "sms_allow_unsubscribe": True,
                    **values,
                },
            )

        def list_mailing(self, contacts, **values):
            """To mailing contacts: dicts of their values."""
            targets = self.env["mailing.contact"].create(
                [{**target, "list_ids": self.list_.ids} for target in contacts]
            )
            sms = values.get("mailing_type") == "sms"
            make = self.sms_mailing if sms else self.mailing
            mailing = make(
                targets,
                model="mailing.list",
                contact_list_ids=self.list_.ids,
                mailing_domain=[("list_ids", "in", self.list_.ids)],
                **values,
            )
            return mailing, targets

        def run_queue(self):
            """What the cron does, as the user it runs as."""
            with patch.object(IrCron, "_commit_progress"):
                self.env["mailing.mailing"]._process_mass_mailing_queue()

        def launch(self, mailing):
            """As somebody does by hand, and then the cron."""
            mailing.action_launch()
            self.run_queue()

        def queries_each(self, mailing_of):
            """How many queries one recipient more costs.

            :param mailing_of: function of (whether secure, how many) that returns a
                mailing to people of its own
            :return: (of a standard mailing, of a secure one)
            """
            counts = {}
            for secure in (False, True):
                for number in (10, 40):
                    mailing = mailing_of(secure, number)
                    self.env.flush_all()
                    self.env.invalidate_all()
                    with self.gateways():
                        before = self.env.cr.sql_log_count
                        mailing.sudo()._action_send_mail()
                        self.env.flush_all()
                        counts[secure, number] = self.env.cr.sql_log_count - before
            return [
                (counts[secure, 40] - counts[secure, 10]) / 30
                for secure in (False, True)
            ]

        def traces(self, mailing):
            return self.env["mailing.trace"].search(
                [("mass_mailing_id", "=", mailing.id)], order="res_id"
            )

        def statuses(self, mailing):
            return self.traces(mailing).mapped("trace_status")

        def dispatch(self, mailing):
            return self.env["secure.dispatch"].search([("mailing_id", "=", mailing.id)])

    return MailingCase


MailingCase = mailing_case()
