from odoo import api, models

from odoo.addons.secure_messaging.models.secure_draft import OUTBOUND


class SecurePage(models.AbstractModel):
    _inherit = "secure.page"

    @api.model
    def _write_receipts(self, grant, messages, remote_addr):
        """A message that is read for the first time: what a mailing calls clicked."""
        fresh = messages.filtered(
            lambda message: message.secure_direction == OUTBOUND
            and not message.secure_seen_date
        )
        result = super()._write_receipts(grant, messages, remote_addr)
        read = fresh.filtered("secure_seen_date")
        if read:
            # sudo: for the holder of this thread's grant, checked by the controller
            traces = self.env["mailing.trace"].sudo()
            found = traces.search([("secure_link_id.message_id", "in", read.ids)])
            found.set_opened()
            found.set_clicked()
        return result
