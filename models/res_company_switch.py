"""What is marked “Send Securely”, and so refused while the switch is off."""

from odoo import models

NAMED = 5
"""How many of each kind are named."""


class ResCompanySwitch(models.Model):
    _inherit = "res.company"

    def _secure_has_threads(self):
        """Whether a company has been switched on some time: it has conversations."""
        threads = self.env["secure.thread"].with_context(active_test=False)
        # sudo: only whether there is any
        domain = [("company_id", "in", self.ids)]
        return bool(threads.sudo().search_count(domain, limit=1))

    def _secure_marked(self):
        """What secure messaging being switched off would stop.

        :return: list of (kind, names of the first, count) as the user reads it; only of
            what there is. For bridge modules to add to
        """
        self.ensure_one()
        marked = [("send_securely", "=", True)]
        chosen = [("secure_send", "=", True)]
        waiting = [
            ("state", "in", ("scheduled", "running", "held")),
            ("company_id", "=", self.id),
        ]
        kinds = [
            (self.env._("Email templates"), "mail.template", marked),
            (self.env._("SMS templates"), "sms.template", marked),
            (self.env._("Server actions"), "ir.actions.server", chosen),
            (self.env._("Appointment reminders"), "calendar.alarm", chosen),
            (self.env._("Sends that wait"), "secure.dispatch", waiting),
        ]
        rows = [
            (kind, *self._secure_names(model, domain)) for kind, model, domain in kinds
        ]
        return [row for row in rows if row[-1]]

    def _secure_names(self, model, domain):
        """(names of the first records, number of all)"""
        # sudo: who may switch it off must know what that stops, not open it
        records = self.env[model].sudo().search(domain, order="id")
        return records[:NAMED].mapped("display_name"), len(records)

    def _secure_marked_text(self):
        """:meth:`_secure_marked` as lines of text."""
        return "\n".join(
            self.env._(
                "%(kind)s (%(count)s): %(names)s",
                kind=kind,
                count=count,
                names=", ".join(names) + (", …" if count > len(names) else ""),
            )
            for kind, names, count in self._secure_marked()
        )
