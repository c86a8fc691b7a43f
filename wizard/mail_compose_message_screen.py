"""What the form of Odoo's composer tells of secure messaging."""

from odoo import api, fields, models


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

    @api.depends("secure_send", "partner_ids", "composition_mode", "model", "res_ids")
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

    def _secure_document(self):
        res_ids = self._evaluate_res_ids() if self.model else []
        return self.env[self.model].browse(res_ids[:1]) if res_ids else None
