"""What the public page shows of consent."""

from odoo import api, models

from ..tools import content
from .secure_consent import AGREED, DECLINED, WITHDRAWN
from .secure_page import html_lang

ISOLATE, END_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"


class SecurePageConsent(models.AbstractModel):
    _inherit = "secure.page"

    @api.model
    def _consent(self, grant, address, wanted, changed=False):
        """The text with its two answers; to who has said no, how to change one's mind.

        :param str address: path of this grant's page
        :param wanted: ``ConsentWanted``, with a version
        :param bool changed: whether it has just changed before the reader's eyes
        """
        last, thread = wanted.last, grant.thread_id
        state = "asked"
        if last.outcome == WITHDRAWN:
            state = WITHDRAWN
        elif last.text_id == wanted.version and last.outcome == DECLINED:
            state = DECLINED
        values = {
            "state": "asked" if changed else state,
            "title": self.env._("Your consent"),
            "changed": changed,
            "agreed_before": last.outcome == AGREED
            and self._isolated_date(last.date, thread),
            "is_kept": bool(grant.draft_sealed),
        }
        return self._consent_screen(grant, address, wanted.version, values)

    @api.model
    def _consent_given(self, grant, address, given):
        """What was agreed to, and the way to withdraw it.

        :param given: the ``secure.consent``
        """
        title = self.env._("Your consent")
        date = self._isolated_date(given.date, grant.thread_id)
        values = {"state": AGREED, "title": title, "agreed_on": date}
        return self._consent_screen(grant, address, given.text_id, values)

    @api.model
    def _isolated_date(self, date, thread):
        """A date within a sentence, whichever direction either is written in."""
        return f"{ISOLATE}{self._date_text(date, thread)}{END_ISOLATE}"

    @api.model
    def _consent_screen(self, grant, address, version, values):
        spoken = version.with_context(lang=self.env.lang)
        lang = spoken._spoken()
        other = lang != self._lang_code(self.env.lang)
        return self._render(
            "page_consent",
            self._company_values(grant.thread_id.company_id),
            {
                "address": address,
                "action": f"{address}/consent",
                "leave_action": f"{address}/leave",
                "form_token": grant._form_token(),
                "seen": spoken._seen(),
                "text": content.for_page(content.clean_client_text(spoken.text)),
                "text_lang": html_lang(lang) if other else None,
                "changed": False,
                "agreed_before": "",
                "agreed_on": "",
                "is_kept": False,
                **values,
            },
        )
