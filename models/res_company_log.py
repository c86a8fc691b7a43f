"""What of a company's settings its own log notes: who opened or closed what."""

from odoo import api, models

SWITCH = "secure_messaging_enabled"
NOTED = (
    "secure_pin_required",
    "secure_pin_source",
    "secure_pin_field_id",
    "secure_consent_for",
)
"""Settings that decide what is asked before somebody reads."""


class ResCompanyLog(models.Model):
    _inherit = "res.company"

    @api.model_create_multi
    def create(self, vals_list):
        companies = super().create(vals_list)
        companies._note_settings({})
        return companies

    def write(self, vals):
        if vals.keys().isdisjoint((SWITCH, *NOTED)):
            return super().write(vals)
        before = self._noted_settings()
        result = super().write(vals)
        self._note_settings(before)
        return result

    def _noted_settings(self):
        """:return: dict of the settings as text, by company"""
        # sudo: settings that are not read-protected; of companies that are written to
        return {
            company: {name: _as_text(company[name]) for name in (SWITCH, *NOTED)}
            for company in self.sudo()
        }

    def _note_settings(self, before):
        """The company's own log begins when it starts to send securely, and goes on
        with each change of what is asked.

        :param dict before: of :meth:`_noted_settings`
        """
        log = self.env["secure.access.log"]
        for company, now in self._noted_settings().items():
            then = before.get(company, {SWITCH: ""})
            if now[SWITCH] != then[SWITCH]:
                log._log("switched_on" if now[SWITCH] else "switched_off", company)
            sends = now[SWITCH] and then[SWITCH]
            # What was sent can be read while it is switched off
            if not sends and not company._secure_has_threads():
                continue
            for name in NOTED:
                if now[name] != then[name]:
                    change = f"{name}: {then[name] or '-'} > {now[name] or '-'}"
                    log._log("setting_changed", company, detail=change)


def _as_text(value):
    """A setting as the log says it, in every language: technical names."""
    return str(getattr(value, "name", value) or "")
