"""C5, and how Odoo's SMS composer holds what is typed."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import split_every

from ..models.sealed_fields import SealedText
from ..tools import log_filter, own_code

SMS_CHUNK = 500
"""How many are made at once: as many as Odoo hands to the gateway in one request."""


class SmsComposer(models.TransientModel):
    _name = "sms.composer"
    _inherit = ["sms.composer", "secure.closed.road", "secure.composer.choice"]
    _secure_model_field = "res_model"

    body = SealedText()
    secure_send = fields.Boolean(
        "Send Securely",
        compute="_compute_secure_send",
        store=True,
        readonly=False,
        help="Contacts get an SMS with a link; the text is read behind it.",
    )
    secure_dispatch_id = fields.Many2one("secure.dispatch", groups=fields.NO_ACCESS)

    @api.depends("template_id")
    def _compute_secure_send(self):
        return super()._compute_secure_send()

    @api.depends("template_id")
    def _compute_ask_consent(self):
        return super()._compute_ask_consent()

    def _secure_by_default(self):
        # sudo: how a template is sent, whoever may use it
        template = self.template_id.sudo()
        default = self.env.company._secure_sends_by_default()
        secure = template.send_securely if template else default
        return secure and not own_code.is_standard(self.env, template)

    def _prepare_body_values(self, records):
        if not self.secure_send:
            return super()._prepare_body_values(records)
        with log_filter.content_at_work():
            return super()._prepare_body_values(records)

    def _action_send_sms(self):
        return super(SmsComposer, own_code.without_choice(self))._action_send_sms()

    # -- one ---------------------------------------------------------------------

    def _action_send_sms_numbers(self):
        if not self.secure_send:
            return super()._action_send_sms_numbers()
        numbers = self.sanitized_numbers or self.recipient_single_number_itf
        numbers = numbers or self.recipient_single_number or ""
        road = self.env["secure.road"]._acting()
        contacts = road._contacts_of_numbers(numbers.split(","))
        road._require_contacts(contacts)
        self._secure_refuse_again()
        dispatch = self._secure_begin()
        sent = dispatch._deliver(
            [
                {
                    "partner": contact,
                    "res_id": contact.id,
                    "body": road._html(self.body),
                    "channel": "sms",
                }
                for contact in contacts
            ]
        )
        dispatch._finish()
        messages = self.env["mail.message"].browse(row.message.id for row in sent)
        # sudo: SMS are returned as Odoo does it
        sms = self.env["sms.sms"].sudo()
        return sms.search([("mail_message_id", "in", messages.ids)])

    def _action_send_sms_comment(self, records=None):
        if not self.secure_send:
            return super()._action_send_sms_comment(records=records)
        records = records if records is not None else self._get_records()
        numbers = self.sanitized_numbers.split(",") if self.sanitized_numbers else None
        messages = self.env["mail.message"]
        bodies = self._prepare_body_values(records)
        for record in records:
            messages += record._message_sms(
                bodies[record.id],
                number_field=self.number_field_name,
                sms_numbers=numbers,
                send_securely=True,
                ask_consent=self.ask_consent,
            )
        return messages

    # -- many at once ------------------------------------------------------------

    def _action_send_sms_mass(self, records=None):
        """Like Odoo's, a chunk at a time; its SMS become notifications
        (:meth:`_filter_out_and_handle_revoked_sms_values`)."""
        self.env["secure.bridge"]._check_mailing(self, "mailing_id")
        if not self.secure_send:
            return super()._action_send_sms_mass(records=records)
        self._secure_refuse_again()
        records = records if records is not None else self._get_records()
        # By the queue, after the commit: who gets a link must find something there
        self.mass_force_send = False
        dispatch = self._secure_begin()
        ids = []
        for chunk in split_every(SMS_CHUNK, records.ids):
            sms = super()._action_send_sms_mass(records=records.browse(chunk))
            ids += sms.ids
            self.env.flush_all()
            self.env.invalidate_all()
        dispatch._finish()
        # sudo: as Odoo returns them; no content in these SMS
        return self.env["sms.sms"].sudo().browse(ids)

    def _secure_refuse_again(self):
        """Pressed twice: whoever comes second waits for the first, and is told."""
        # sudo: nobody has access to the field
        if self.sudo().secure_dispatch_id:
            raise UserError(self.env._("This message has been sent already."))

    def _secure_begin(self):
        template = self.template_id
        as_it_is = template and self.body == template.body
        dispatch = self.env["secure.dispatch"]._begin(
            {
                "origin": "sms",
                "channel": "sms",
                "res_model": self.res_model or "res.partner",
                "sms_template_id": template.id,
                "ask_consent": self.ask_consent,
            }
        )
        body = False if as_it_is else self.body
        dispatch._put_content(subject=False, body=body, pin=False, files=[])
        # sudo: nobody has access to the field
        self.sudo().secure_dispatch_id = dispatch
        return dispatch

    def _get_done_record_ids(self, records, recipients_info):
        """Two contacts who share a phone are two recipients; one contact, once."""
        if not self.secure_send:
            return super()._get_done_record_ids(records, recipients_info)
        partners = {
            record.id: recipients_info[record.id]["partner"] for record in records
        }
        done = self._secure_done_partners(partner.id for partner in partners.values())
        repeated = []
        for record_id, partner in partners.items():
            if partner.id in done:
                repeated.append(record_id)
            elif partner:
                done.add(partner.id)
        return repeated

    def _secure_done_partners(self, ids):
        """Which of these contacts have got it already.

        :return: set of ids
        """
        # sudo: what this very send has done so far
        lines = self.env["secure.dispatch.line"].sudo()
        return set(
            lines.search(
                [
                    ("dispatch_id", "=", self.sudo().secure_dispatch_id.id),
                    ("partner_id", "in", list(ids)),
                    ("state", "=", "sent"),
                ]
            ).partner_id.ids
        )

    def _filter_out_and_handle_revoked_sms_values(self, sms_values_all):
        values_all = super()._filter_out_and_handle_revoked_sms_values(sms_values_all)
        return self._secure_sms_values(values_all) if self.secure_send else values_all

    def _secure_sms_values(self, values_all):
        """Store the content of SMS, and make notifications of them.

        :param dict values_all: by record id, what Odoo is about to create SMS from
        :return: the same, in which no content is left
        """
        rows = self._secure_rows(values_all)
        # sudo: nobody has access to the field; this send is the composer's own
        dispatch = self.sudo().secure_dispatch_id
        sent = dispatch._deliver(rows, notify=False)
        for row, done in zip(rows, sent, strict=True):
            values = values_all[row["res_id"]]
            values["body"] = self.env._("A secure message was not sent.")
            if done.link:
                values.update(self.env["secure.notification"]._sms_values(done))
            elif values["state"] == "outgoing":
                values.update(self._secure_refusal(values, row["problem"]))
        return values_all

    def _secure_refusal(self, _values, _problem):
        """What is changed of an SMS that does not leave. The reason is in the Outbox:
        Odoo's row has no field for it."""
        return {"state": "canceled", "failure_type": "sms_not_allowed"}

    def _secure_rows(self, values_all):
        failures = dict(self.env["sms.sms"]._fields["failure_type"].selection)
        road = self.env["secure.road"]
        model = self.env[self.res_model]
        rows = []
        for res_id, values in values_all.items():
            partner = self.env["res.partner"].browse(values["partner_id"])
            if values["state"] != "outgoing":
                problem = failures.get(values["failure_type"]) or self.env._("Refused")
            elif not partner:
                problem = self.env._("There is no contact to send to.")
            else:
                problem = road._number_problem(partner, values["number"])
            rows.append(
                {
                    "record": model.browse(res_id),
                    "res_id": res_id,
                    "partner": partner,
                    "body": road._html(values["body"]),
                    "channel": "sms",
                    "problem": problem,
                }
            )
        return rows

    def _prepare_log_body_values(self, sms_records_values):
        """What a document keeps of a secure SMS: that it was sent."""
        if not self.secure_send:
            return super()._prepare_log_body_values(sms_records_values)
        # sudo: issued by this very send
        links = self.env["secure.link"].sudo()
        road = self.env["secure.road"]
        return {
            res_id: road._line_of_links(links.browse(values.get("secure_link_id")))
            for res_id, values in sms_records_values.items()
        }

    def _prepare_mass_sms(self, records, sms_record_values):
        sms = super()._prepare_mass_sms(records, sms_record_values)
        if self.secure_send:
            self.env["secure.notification"]._follow_sms(sms)
        return sms
