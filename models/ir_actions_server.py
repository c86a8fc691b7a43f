from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..tools import own_code


class IrActionsServer(models.Model):
    """Server actions, and with them automation rules: secure as their template is,
    unless the action says otherwise."""

    _name = "ir.actions.server"
    _inherit = ["ir.actions.server", "secure.choice"]
    _secure_follows = frozenset({"state", "template_id", "sms_template_id"})

    secure_send = fields.Boolean(
        help="Shows what the template says; this action may decide otherwise."
    )

    @api.depends("template_id.send_securely", "sms_template_id.send_securely", "state")
    def _compute_secure_send(self):
        return super()._compute_secure_send()

    def _secure_by_template(self):
        by_state = {
            "mail_post": self.template_id.send_securely,
            "sms": self.sms_template_id.send_securely,
        }
        return by_state.get(self.state)

    @api.constrains("secure_send", "mail_post_method", "sms_method", "state")
    def _check_secure_note(self):
        for action in self:
            if action._is_secure_note():
                raise ValidationError(action._secure_note_text())

    def _is_secure_note(self):
        return self.secure_send and (
            (self.state == "mail_post" and self.mail_post_method == "note")
            or (self.state == "sms" and self.sms_method == "note")
        )

    def _secure_note_text(self):
        return self.env._(
            "“%(action)s” writes a note, which stays in the house: it cannot be sent "
            "securely.",
            action=self.display_name,
        )

    def _run_action_mail_post_multi(self, eval_context=None):
        if not self.secure_send:
            plain = self.with_context(**own_code.standard(self.template_id))
            return super(IrActionsServer, plain)._run_action_mail_post_multi(
                eval_context=eval_context
            )
        context = self.env.context
        res_ids = context.get("active_ids") or [context.get("active_id")]
        if not self.template_id or not any(res_ids) or self._is_recompute():
            return False
        if self._is_secure_note():
            raise UserError(self._secure_note_text())
        self.template_id.with_context(
            default_type=None, default_parent_id=None, **own_code.AUTOMATIC
        )._secure_send_batch(res_ids)
        return False

    def _run_action_sms_multi(self, eval_context=None):
        if not self.secure_send:
            plain = self.with_context(**own_code.standard(self.sms_template_id))
            return super(IrActionsServer, plain)._run_action_sms_multi(
                eval_context=eval_context
            )
        records = eval_context.get("records") or eval_context.get("record")
        if not self.sms_template_id or not records or self._is_recompute():
            return False
        if self._is_secure_note():
            raise UserError(self._secure_note_text())
        if hasattr(records, "_secure_sms"):
            # Several attend an appointment; the composer knows one recipient a record
            records.with_context(**own_code.AUTOMATIC)._secure_sms(self.sms_template_id)
            return False
        composer = self.env["sms.composer"].with_context(
            default_res_model=records._name,
            default_res_ids=records.ids,
            default_composition_mode="mass",
            default_template_id=self.sms_template_id.id,
            default_mass_keep_log=self.sms_method == "comment",
            **own_code.AUTOMATIC,
        )
        composer.create({"secure_send": True}).action_send_sms()
        return False
