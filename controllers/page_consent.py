"""Consent on the public page: given, declined, withdrawn."""

from ..models.secure_consent import AGREED, DECLINED, WITHDRAWN
from ..models.secure_thread_consent import ConsentWanted
from .page import DOOR, SecurePage, page_route

CONSENT = DOOR + "/consent"


class SecurePageConsent(SecurePage):
    @page_route(CONSENT, "GET")
    def consent(self, handle):
        """Ask whether a consent is to be withdrawn. Changes nothing."""
        grant = self._grant(handle)
        kept_out = self._kept_out(grant)
        if kept_out:
            return kept_out
        given = grant.thread_id._consent_given()
        if not given:
            return self._see_other(self._door_path(grant))
        html = self._pages()._consent_given(grant, self._door_path(grant), given)
        return self._respond(html, 200)

    @page_route(CONSENT, "POST")
    def answer_consent(self, handle, **form):
        """Take the answer to the text that was shown; to another one it counts for
        nothing."""
        grant = self._grant(handle)
        if not grant._holds():
            return self._closed_door(grant)
        refused = self._refused_form(grant, form)
        if refused:
            return refused
        answer = form.get("answer")
        if answer == WITHDRAWN:
            return self._withdraw(grant)
        if answer not in (AGREED, DECLINED):
            return self._state_page("form_expired", grant.link_id, 400)
        thread = grant.thread_id
        version = grant.env["secure.consent.text"]._current(thread.company_id)
        if not version or version._seen() != form.get("seen"):
            consents = grant.env["secure.consent"]
            last = consents._last_for(thread.partner_id, thread.company_id)
            wanted = ConsentWanted(version, last)
            return self._consent_page(grant, wanted, 409, changed=True)
        self._take_answer(grant, answer, version)
        return self._see_other(self._door_path(grant))

    def _withdraw(self, grant):
        given = grant.thread_id._consent_given()
        if given:
            self._take_answer(grant, WITHDRAWN, given.text_id)
        return self._see_other(self._door_path(grant))

    def _take_answer(self, grant, outcome, version):
        grant._touch()
        consents = grant.env["secure.consent"]
        consents._record(grant, outcome, version, self._remote_addr())
