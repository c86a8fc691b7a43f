from odoo import models


class TemplateResetMixin(models.AbstractModel):
    """“Reset Template” brings the text back, and leaves how it is sent as it is: Odoo
    would empty every field that a module's data does not name."""

    _inherit = "template.reset.mixin"

    def _load_records_write(self, values):
        reset = self.env.context.get("reset_template")
        for name in ("send_securely", "ask_consent"):
            if reset and name in self._fields and self[name]:
                values = {**values, name: True}
        return super()._load_records_write(values)
