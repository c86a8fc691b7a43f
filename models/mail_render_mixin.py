from odoo import api, models
from odoo.exceptions import AccessError, UserError

from ..tools import log_filter


class MailRenderMixin(models.AbstractModel):
    """Odoo's errors quote the whole text that could not be rendered, and its server
    logs the errors people get."""

    _inherit = "mail.render.mixin"

    @api.model
    def _render_template(self, *args, **kwargs):
        try:
            return super()._render_template(*args, **kwargs)
        except AccessError:
            raise
        except UserError:
            if not log_filter.is_content_at_work():
                raise
        raise UserError(self.env._("The text could not be filled in."))
