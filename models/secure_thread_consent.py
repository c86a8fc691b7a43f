"""Whether a contact may read a conversation, as far as consent goes."""

from collections import namedtuple

from odoo import api, fields, models

from .secure_consent import AGREED, OUTCOMES, WITHDRAWN
from .secure_draft import OUTBOUND

ConsentWanted = namedtuple("ConsentWanted", ("version", "last"))
"""What stands between a contact and a conversation: the version to agree to (empty when
the company has none: then nobody reads), and what they answered last."""


class SecureThreadConsent(models.Model):
    _inherit = "secure.thread"

    ask_consent = fields.Boolean("Asks for Consent", readonly=True)
    consent_state = fields.Selection(
        [("asked", "Not answered yet"), *OUTCOMES],
        compute="_compute_consent",
    )
    consent_version = fields.Char(compute="_compute_consent")
    consent_date = fields.Datetime("Answered", compute="_compute_consent")
    consent_is_outdated = fields.Boolean(compute="_compute_consent")

    # -- sending -----------------------------------------------------------------

    @api.model
    def _find_or_make_threads(self, drafts):
        """What was asked for once stays asked for."""
        result = super()._find_or_make_threads(drafts)
        # sudo: asking for more is for whoever sends
        asking = self.sudo().browse(
            {
                draft["thread"].id
                for draft in drafts
                if draft["ask_consent"] and draft["direction"] == OUTBOUND
            }
        )
        asking.filtered(lambda thread: not thread.ask_consent).ask_consent = True
        return result

    @api.model
    def _thread_values(self, draft):
        return {**super()._thread_values(draft), "ask_consent": draft["ask_consent"]}

    # -- reading -----------------------------------------------------------------

    def _consent_wanted(self):
        """What keeps the contact from reading.

        Who withdrew reads nothing of the company until they agree again, wherever
        consent is asked for by then.

        :return: :class:`ConsentWanted`, or None for whoever may read
        """
        # sudo: for the holder of a grant, checked by the controller
        thread = self.sudo()
        company = thread.company_id
        last = self.env["secure.consent"]._last_for(thread.partner_id, company)
        withdrawn = last.outcome == WITHDRAWN
        if not withdrawn and not company._secure_asks_consent(thread.ask_consent):
            return None
        version = self.env["secure.consent.text"]._current(company)
        if version and (last.outcome, last.text_id) == (AGREED, version):
            return None
        return ConsentWanted(version, last)

    def _consent_given(self):
        """The consent that can be withdrawn; empty when there is none."""
        # sudo: for the holder of a grant, checked by the controller
        thread = self.sudo()
        consents = self.env["secure.consent"]
        last = consents._last_for(thread.partner_id, thread.company_id)
        return last.filtered(lambda row: row.outcome == AGREED)

    # -- what staff see ------------------------------------------------------------

    @api.depends("partner_id", "company_id", "ask_consent")
    def _compute_consent(self):
        # sudo: what the contact answered, of conversations the reader already sees
        threads = self.sudo()
        consents = self.env["secure.consent"]
        found = consents._last_of(threads.partner_id, threads.company_id)
        current = {
            company: self.env["secure.consent.text"]._current(company)
            for company in threads.company_id
        }
        for thread, known in zip(self, threads, strict=True):
            company = known.company_id
            last = found.get((known.partner_id.id, company.id))
            asked = company._secure_asks_consent(known.ask_consent)
            thread.consent_state = last.outcome if last else asked and "asked"
            thread.consent_version = last and last.text_id.display_name
            thread.consent_date = last and last.date
            thread.consent_is_outdated = bool(
                last
                and last.outcome != WITHDRAWN
                and asked
                and last.text_id != current[company]
            )

    def _reminder_texts(self):
        return {
            **super()._reminder_texts(),
            "consent_declined": self.env._(
                "The contact did not agree to the consent text"
            ),
            "consent_withdrawn": self.env._("The contact has withdrawn their consent"),
        }

    def action_open_consents(self):
        """What the contact answered so far."""
        self.ensure_one()
        return self.partner_id._secure_consents_action(self.company_id)
