"""What the form of Odoo's SMS composer tells of secure messaging."""

from odoo import api, fields, models
from odoo.exceptions import UserError


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

    @api.depends("secure_send", "composition_mode", "res_model", "res_id")
    def _compute_secure_problem(self):
        """What will stop the send, told before anything is typed. Of many documents
        the Outbox tells afterwards."""
        road = self.env["secure.road"]
        for composer in self:
            problem = False
            if composer.secure_send and composer.composition_mode == "comment":
                records = composer._get_records()
                problem = road._form_problem(
                    composer._secure_contacts(), records[:1], "sms"
                )
            composer.secure_problem = problem

    def _secure_contacts(self):
        """The contacts of the documents, as Odoo finds them for an SMS."""
        if not self.res_model:
            return self.env["res.partner"]
        records = self._get_records()
        found = records._sms_get_recipients_info(force_field=self.number_field_name)
        partners = self.env["res.partner"]
        return partners.union(*(info["partner"] for info in found.values()))

    def action_secure_compose(self):
        """A secure SMS with files is written in Compose."""
        self.ensure_one()
        contacts = self._secure_contacts()
        if self.composition_mode == "numbers":
            numbers = self.sanitized_numbers or ""
            contacts = self.env["secure.road"]._contacts_of_numbers(numbers.split(","))
        if not contacts:
            raise UserError(self.env._("There is no contact to send to."))
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("New Secure Message"),
            "res_model": "secure.compose",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_partner_ids": contacts.ids,
                "default_channel": "sms",
            },
        }
