import psycopg2

from odoo import fields, models

from ..tools import log_filter


class SmsTemplate(models.Model):
    _inherit = "sms.template"

    send_securely = fields.Boolean(
        default=lambda self: self.env["res.company"]._secure_new_default(),
        help="Contacts get an SMS with a link; the text is read behind it. Whatever "
        "sends this template does so.",
    )

    def _secure_bodies(self, res_ids):
        """The text for each record; None where it cannot be filled in. For all at once;
        when that fails, for one by one."""
        try:
            with self.env.cr.savepoint(), log_filter.content_at_work():
                return self._render_field("body", res_ids)
        except psycopg2.Error:
            raise
        except Exception:
            if len(res_ids) == 1:
                # What went wrong may quote the content: it is not kept
                return {res_ids[0]: None}
        return {
            id_: text
            for res_id in res_ids
            for id_, text in self._secure_bodies([res_id]).items()
        }
