"""What the form of Odoo's composer tells of secure messaging."""

from odoo import api, fields, models

from ..models.secure_road_pins import SUMMED_UP


class MailComposeMessageScreen(models.TransientModel):
    _inherit = "mail.compose.message"

    secure_offered = fields.Boolean(compute="_compute_secure_offered")
    secure_problem = fields.Char(compute="_compute_secure_problem")

    @api.depends("secure_send", "subtype_id")
    def _compute_secure_offered(self):
        """Whether the switch is shown: not where it could only be refused, unless a
        template has it on."""
        enabled = self.env.company._secure_sending_facts()["enabled"]
        for composer in self:
            composer.secure_offered = not composer.subtype_is_log and (
                enabled or composer.secure_send
            )

    @api.depends(
        "secure_send",
        "partner_ids",
        "composition_mode",
        "model",
        "res_ids",
        "secure_pin_asked",
    )
    def _compute_secure_problem(self):
        """What will stop the send, told before anything is typed. Of many documents
        the Outbox tells afterwards."""
        road = self.env["secure.road"]
        for composer in self:
            problem = False
            if composer.secure_send and composer.composition_mode == "comment":
                problem = road._form_problem(
                    composer.partner_ids._origin, composer._secure_document(), "email"
                )
            composer.secure_problem = problem

    @api.depends(
        "secure_send",
        "partner_ids",
        "composition_mode",
        "model",
        "res_ids",
        "template_id",
        "secure_pin_asked",
    )
    def _compute_secure_pin_summary(self):
        return super()._compute_secure_pin_summary()

    def _secure_pin_line(self):
        road = self.env["secure.road"]
        if self.composition_mode == "comment" and not self.composition_batch:
            chosen = self.partner_ids._origin._filtered_access("read")
            partners, document = road._split(chosen)[0], self._secure_document()
            return road._pin_line(
                [{"partner": one, "record": document} for one in partners]
            )
        records = self._secure_listed_documents()
        if records is None:
            return road._pin_line_of_any(self.env.company)
        return road._pin_line(
            [
                {"partner": partner, "record": records.browse(id_)}
                for id_, partners in road._recipients_of(records).items()
                for partner in partners
            ]
        )

    def _secure_listed_documents(self):
        """The documents whose own contacts get it; None where a filter or the template
        says who does, which is found out as it is sent."""
        # sudo: how a template is sent, whoever may use it
        template = self.template_id.sudo()
        named = template.email_to or template.partner_to or template.email_cc
        if self.res_domain or (named and not template.use_default_to):
            return None
        res_ids = self._evaluate_res_ids() if self.model else []
        if not res_ids or len(res_ids) > SUMMED_UP:
            return None
        return self.env[self.model].browse(res_ids)._filtered_access("read")

    def _secure_document(self):
        res_ids = self._evaluate_res_ids() if self.model else []
        return self.env[self.model].browse(res_ids[:1]) if res_ids else None
