"""What the form of Odoo's SMS composer tells of secure messaging."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.secure_road_pins import SUMMED_UP


class SmsComposerScreen(models.TransientModel):
    _inherit = "sms.composer"

    secure_offered = fields.Boolean(compute="_compute_secure_offered")
    secure_problem = fields.Char(compute="_compute_secure_problem")

    @api.depends("secure_send")
    def _compute_secure_offered(self):
        """Whether the switch is shown: not where it could only be refused, unless a
        template has it on."""
        enabled = self.env.company._secure_sending_facts()["enabled"]
        for composer in self:
            composer.secure_offered = enabled or composer.secure_send

    @api.depends(
        "secure_send", "composition_mode", "res_model", "res_id", "secure_pin_asked"
    )
    def _compute_secure_problem(self):
        """What will stop the send, told before anything is typed. Of many documents
        the Outbox tells afterwards."""
        road = self.env["secure.road"]
        for composer in self:
            problem = False
            if composer.secure_send and composer.composition_mode == "comment":
                record = (composer._get_records() or self.env["res.partner"])[:1]
                problem = road._form_problem(composer._secure_contacts(), record, "sms")
            composer.secure_problem = problem

    @api.depends(
        "secure_send",
        "composition_mode",
        "res_model",
        "res_id",
        "res_ids",
        "secure_pin_asked",
    )
    def _compute_secure_pin_summary(self):
        return super()._compute_secure_pin_summary()

    def _secure_pin_line(self):
        road = self.env["secure.road"]
        if self.composition_mode != "mass":
            record = (self._get_records() or self.env["res.partner"])[:1]
            contacts = road._split(self._secure_contacts())[0]
            return road._pin_line(
                [
                    {"partner": one, "record": record, "channel": "sms"}
                    for one in contacts
                ]
            )
        records = self._get_records()
        if not records or len(records) > SUMMED_UP:
            return road._pin_line_of_any(self.env.company)
        records = records._filtered_access("read")
        found = records._sms_get_recipients_info(force_field=self.number_field_name)
        return road._pin_line(
            [
                {
                    "partner": info["partner"],
                    "record": records.browse(id_),
                    "channel": "sms",
                }
                for id_, info in found.items()
            ]
        )

    def _secure_contacts(self):
        """The contacts it goes to, as Odoo finds them for an SMS."""
        road = self.env["secure.road"]
        if self.composition_mode == "numbers":
            numbers = self.sanitized_numbers or ""
            return road._contacts_of_numbers(numbers.split(","))
        partners = self.env["res.partner"]
        records = self._get_records()
        if not records:
            return partners
        records.check_access("read")
        found = records._sms_get_recipients_info(force_field=self.number_field_name)
        return partners.union(*(info["partner"] for info in found.values()))

    @api.model
    def action_secure_compose(self, values):
        """Go on in Compose, where files can be added.

        :param dict values: of the form, which may lack what it needs to be saved
        """
        names = self._fields.keys() & values.keys()
        composer = self.new({name: values[name] for name in names})
        contacts = composer._secure_contacts()
        if not contacts:
            raise UserError(self.env._("There is no contact to send to."))
        return self.env["secure.compose"]._form_action(
            context={
                "default_partner_ids": contacts.ids,
                "default_channel": "sms",
                "default_body": self.env["secure.road"]._html(values.get("body")),
            }
        )
