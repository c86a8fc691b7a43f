from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools import notification as texts

SAMPLE_LINK_LENGTH = 70
"""A link on a domain of average length; see tools/token.py."""
SAMPLE_COMPANY = "Practice Dr. Longname Ltd"
"""25 characters: the default SMS must fit one part with it."""


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    secure_messaging_enabled = fields.Boolean(
        related="company_id.secure_messaging_enabled", readonly=False
    )
    secure_send_default = fields.Boolean(
        related="company_id.secure_send_default", readonly=False
    )
    secure_off_warning = fields.Text(compute="_compute_secure_off_warning")
    secure_email_subject = fields.Char(
        related="company_id.secure_email_subject", readonly=False, required=True
    )
    secure_email_body = fields.Text(
        related="company_id.secure_email_body", readonly=False, required=True
    )
    secure_sms_body = fields.Text(
        related="company_id.secure_sms_body", readonly=False, required=True
    )
    secure_sms_parts = fields.Integer("SMS Parts", compute="_compute_secure_sms_parts")
    secure_expiry_hours = fields.Selection(
        related="company_id.secure_expiry_hours", readonly=False, required=True
    )
    secure_pin_required = fields.Boolean(
        related="company_id.secure_pin_required", readonly=False
    )
    secure_pin_source = fields.Selection(
        related="company_id.secure_pin_source", readonly=False, required=True
    )
    secure_pin_field_id = fields.Many2one(
        related="company_id.secure_pin_field_id", readonly=False
    )
    secure_responsible_id = fields.Many2one(
        related="company_id.secure_responsible_id", readonly=False
    )
    secure_default_pin_is_set = fields.Boolean(
        compute="_compute_secure_default_pin_is_set"
    )
    secure_key_source = fields.Selection(
        [
            ("environment", "the environment of the server"),
            ("config", "Odoo's configuration file"),
            ("file", "a key file beside the filestore"),
        ],
        compute="_compute_secure_key",
    )
    secure_key_path = fields.Char(compute="_compute_secure_key")
    secure_key_fingerprint = fields.Char(compute="_compute_secure_key")
    secure_key_problem = fields.Char(compute="_compute_secure_key")

    secure_mailings_unguarded = fields.Boolean(
        compute="_compute_secure_mailings_unguarded"
    )

    @api.depends("secure_sms_body", "company_id")
    def _compute_secure_sms_parts(self):
        for settings in self:
            values = {name: SAMPLE_COMPANY for name in texts.PLACEHOLDERS}
            filled = texts.fill(settings.secure_sms_body, values)
            link = "x" * SAMPLE_LINK_LENGTH
            settings.secure_sms_parts = texts.sms_parts(
                filled.replace(texts.LINK_MARK, link)
            )

    @api.depends("secure_messaging_enabled", "company_id")
    def _compute_secure_off_warning(self):
        """What the company loses by the switch that was just turned off."""
        for settings in self:
            company = settings.company_id._origin
            off = company.secure_messaging_enabled and not (
                settings.secure_messaging_enabled
            )
            settings.secure_off_warning = off and company._secure_marked_text()

    @api.depends("company_id")
    def _compute_secure_default_pin_is_set(self):
        for settings in self:
            pin = self.env["secure.pin"]._of(settings.company_id)
            settings.secure_default_pin_is_set = bool(pin)

    def _compute_secure_key(self):
        status = self.env["secure.keyring"]._status()
        for settings in self:
            settings.secure_key_source = status["source"]
            settings.secure_key_path = status["path"]
            settings.secure_key_fingerprint = status["primary"]
            settings.secure_key_problem = status["problem"]

    def _compute_secure_mailings_unguarded(self):
        unguarded = self.env["secure.bridge"]._mailings_unguarded()
        for settings in self:
            settings.secure_mailings_unguarded = unguarded

    @api.model_create_multi
    def create(self, vals_list):
        """Odoo hands settings to the company one by one, in the view's order. What only
        holds together, a switch and who is responsible, would be refused."""
        self.check_access("create")
        for vals in vals_list:
            company_id = vals.get("company_id") or self.env.company.id
            company = self.env["res.company"].browse(company_id)
            if changes := self._secure_changes(company, vals):
                company.write(changes)
        return super().create(vals_list)

    @api.model
    def _secure_changes(self, company, vals):
        """What is to change of the company's settings of ours."""
        changes = {}
        for name, value in vals.items():
            related = getattr(self._fields.get(name), "related", None) or ""
            if name.startswith("secure_") and related.startswith("company_id."):
                column = related.removeprefix("company_id.")
                field = company._fields[column]
                if field.convert_to_write(company[column], company) != value:
                    changes[column] = value
        return changes

    def set_values(self):
        """Nothing is switched on that could not send: fail closed from the start."""
        result = super().set_values()
        if self.secure_messaging_enabled and self.secure_key_problem:
            raise UserError(self.secure_key_problem)
        if self.secure_pin_source == "field" and not self.secure_pin_field_id:
            raise UserError(self.env._("Please choose the field that serves as PIN."))
        return result

    def action_secure_default_pin(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._(
                "Default PIN of %(company)s", company=self.company_id.name
            ),
            "res_model": "secure.pin.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_company_id": self.company_id.id,
                "dialog_size": "medium",
            },
        }
