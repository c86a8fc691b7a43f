from odoo import models

from ..tools import own_code


class MailTemplatePreview(models.TransientModel):
    _inherit = "mail.template.preview"

    def _compute_mail_template_fields(self):
        own = self.with_context(**own_code.RENDERING)
        return super(MailTemplatePreview, own)._compute_mail_template_fields()
