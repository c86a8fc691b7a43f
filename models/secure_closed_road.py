from odoo import api, models
from odoo.exceptions import UserError

from .sealed_fields import reseal


class SecureClosedRoad(models.AbstractModel):
    """For Odoo's composers, whose tables keep what is typed in clear: they cannot be
    opened on a conversation. Its chatter and the form for new messages seal."""

    _name = "secure.closed.road"
    _description = "Composer That Cannot Write Into Conversations"
    _secure_model_field = "model"

    @api.model_create_multi
    def create(self, vals_list):
        context = self.env.context
        default = context.get(f"default_{self._secure_model_field}")
        default = default or context.get("active_model")
        for vals in vals_list:
            self._refuse_thread(vals.get(self._secure_model_field, default))
        records = super().create(vals_list)
        for record in records:
            self._refuse_thread(record[self._secure_model_field])
        return records

    def write(self, vals):
        self._refuse_thread(vals.get(self._secure_model_field))
        if vals.get("secure_send"):
            reseal(self)
        return super().write(vals)

    @api.model
    def _refuse_thread(self, model):
        if model == "secure.thread":
            raise UserError(
                self.env._(
                    "Please write in the conversation itself, with “Send message” or "
                    "“Log note”: this form would keep your text in clear."
                )
            )
