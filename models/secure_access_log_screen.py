"""What the back office shows of the log, beside its own columns."""

from odoo import api, fields, models
from odoo.exceptions import UserError


class SecureAccessLogScreen(models.Model):
    _inherit = "secure.access.log"

    partner_name = fields.Char("Contact", compute="_compute_names")
    user_name = fields.Char("By", compute="_compute_names", help="Empty: the contact.")

    @api.depends("partner_id", "user_id")
    def _compute_names(self):
        """Names of those that are still there and the reader may see."""
        partners = self._names("res.partner", self.mapped("partner_id"))
        users = self._names(
            "res.users", set(self.mapped("user_id")) - {api.SUPERUSER_ID}
        )
        for row in self:
            row.partner_name = partners.get(row.partner_id)
            row.user_name = users.get(row.user_id)

    @api.depends("kind")
    @api.depends_context("lang")
    def _compute_display_name(self):
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        for row in self:
            row.display_name = kinds.get(row.kind)

    @api.model
    def _names(self, model, ids):
        records = self.env[model].browse(set(ids) - {0}).exists()
        return {
            record.id: record.display_name
            for record in records._filtered_access("read")
        }

    def action_open_thread(self):
        """Go to the conversation a row is about."""
        self.ensure_one()
        thread = self.env["secure.thread"].browse(self.thread_id).exists()
        if not thread:
            raise UserError(self.env._("This conversation is no longer there."))
        return thread.get_formview_action()
