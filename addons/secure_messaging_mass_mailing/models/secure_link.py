from odoo import models


class SecureLink(models.Model):
    _inherit = "secure.link"

    def _note_opened(self, remote_addr):
        """Somebody passed on at the gate: what a mailing calls opened."""
        result = super()._note_opened(remote_addr)
        # sudo: for whoever holds the link, checked by the controller
        traces = self.env["mailing.trace"].sudo()
        traces.search([("secure_link_id", "in", self.ids)]).set_opened()
        return result

    def _take_back(self):
        """What does not leave any more is cancelled in its mailing, too."""
        result = super()._take_back()
        # sudo: for whoever withdrew, who was checked
        traces = self.env["mailing.trace"].sudo()
        waiting = ("outgoing", "error")
        domain = [
            ("secure_link_id", "in", self.ids),
            ("trace_status", "in", waiting),
        ]
        traces.search(domain).set_canceled()
        return result
