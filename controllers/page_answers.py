"""How the public page answers: who is asking, what they are shown, what is refused."""

import hmac

from odoo import SUPERUSER_ID
from odoo.http import request

COOKIE = "sm"
COOKIE_TEST = "sm_ok"
HEADERS = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("X-Robots-Tag", "noindex, nofollow"),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]


class PageAnswers:
    """What the page's routes share."""

    # -- who is there --------------------------------------------------------------

    def _env(self):
        """The system user's environment: visitors have no rights at all."""
        return request.env(user=SUPERUSER_ID, su=True)

    def _pages(self):
        return self._env()["secure.page"]

    def _link(self, token):
        return self._in_language(self._env()["secure.link"]._find(token))

    def _grant(self, handle):
        secret = request.httprequest.cookies.get(COOKIE)
        return self._in_language(self._env()["secure.grant"]._find(handle, secret))

    def _in_language(self, record):
        """From here on the contact is spoken to in their own language, else the
        visitor in the browser's."""
        wanted = record.thread_id.partner_id.lang or request.env.context.get("lang")
        lang = self._env()["secure.page"]._lang_code(wanted)
        request.update_context(lang=lang)
        return record.with_context(lang=lang)

    def _remote_addr(self):
        return request.httprequest.remote_addr

    def _tried(self):
        """What a request remembers of its PIN when Odoo runs it again."""
        environ = request.httprequest.environ
        return environ.setdefault("secure_messaging.tried", {})

    def _gate_path(self, token):
        return f"/sm/{token}"

    def _door_path(self, grant):
        return f"/sm/c/{grant.handle}"

    def _refused_form(self, holder, form):
        """An answer when a form was not sent by a person who had the page before them.

        :param holder: the link or grant whose form it is
        """
        given = str(form.get("form_token") or "")
        cross_site = request.httprequest.headers.get("Sec-Fetch-Site") == "cross-site"
        genuine = hmac.compare_digest(given.encode(), holder._form_token().encode())
        if cross_site or not genuine:
            return self._state_page("form_expired", self._link_of(holder), 400)
        if not request.httprequest.cookies.get(COOKIE_TEST):
            return self._state_page("cookies", self._link_of(holder), 400)
        return None

    def _link_of(self, holder):
        return holder if holder._name == "secure.link" else holder.link_id

    # -- answers -------------------------------------------------------------------

    def _closed_gate(self, link, token=""):
        """What the holder of a link that does not open is told; None for a live one.

        :param str token: when the visitor came with it, and may ask for a new one
        """
        if not link:
            return self._unknown()
        state = link._state()
        if state == "live":
            return None
        renew_action = ""
        if token and state == "expired" and link._can_ask_renewal():
            renew_action = self._gate_path(token) + "/renew"
        status = 429 if state == "locked" else 410
        return self._state_page(state, link, status, renew_action=renew_action)

    def _closed_door(self, grant, draft=""):
        """The PIN again for a browser that was inside; else a word on how to get in."""
        link = grant.link_id
        if not grant:
            return self._state_page("closed", link, 403)
        action = self._door_path(grant) + "/open"
        closed = self._closed_gate(link)
        return closed or self._gate_page(link, action, grant=grant, draft=draft)

    def _kept_out(self, grant, status=200, draft=""):
        """What routes behind the door ask before anything else: an answer for whoever
        may not read, or not yet; None for who may.

        :param int status: of the page that asks for consent
        :param str draft: what was typed, to be kept
        """
        if not grant._holds():
            return self._closed_door(grant, draft=draft)
        wanted = grant.thread_id._consent_wanted()
        return wanted and self._consent_page(grant, wanted, status, draft=draft)

    def _consent_page(self, grant, wanted, status=200, draft="", changed=False):
        """The consent text, in the place of everything behind the door.

        :param wanted: ``ConsentWanted``
        :param bool changed: whether it has just changed before the reader's eyes
        """
        if not wanted.version:
            return self._state_page("unavailable", grant.link_id, 503)
        grant._touch()
        html = self._pages()._consent(
            grant, self._door_path(grant), wanted, changed=changed, draft=draft
        )
        return self._respond(html, status)

    def _unknown(self):
        return self._state_page("unknown", self._env()["secure.link"], 404)

    def _gate_page(self, link, action, status=200, grant=None, error="", draft=""):
        question = link.env["secure.pin"]._question(link)
        html = self._pages()._gate(
            link.thread_id.company_id,
            actions=(action, self._code_path(action, grant)),
            form_token=(grant or link)._form_token(),
            question=question,
            error=error,
            draft=draft,
            kept=bool(draft or (grant and grant.draft_sealed)),
            asked=question.rule == "code" and bool(request.params.get("code")),
        )
        return self._respond(html, status)

    def _code_path(self, action, grant):
        """Where a code is asked for, at the gate or at a door that closed."""
        return (self._door_path(grant) if grant else action) + "/code"

    def _state_page(self, state, link, status, **values):
        if link:
            values.update(form_token=link._form_token(), channel=link.channel)
        html = self._pages()._state(state, link.thread_id.company_id, **values)
        return self._respond(html, status)

    def _conversation_page(self, grant, status=200, **values):
        if request.params.get("sent"):
            values.setdefault("notice", grant.env._("Sent."))
        if grant.thread_id._consent_given():
            values["consent_url"] = self._door_path(grant) + "/consent"
        html = self._pages()._conversation(grant, self._door_path(grant), **values)
        return self._respond(html, status)

    def _respond(self, html, status):
        response = request.make_response(html, headers=HEADERS, status=status)
        if not request.httprequest.cookies.get(COOKIE_TEST):
            self._set_cookie(response, COOKIE_TEST, "1", "/sm")
        return response

    def _see_other(self, path):
        response = request.redirect(path, code=303)
        response.headers.extend(HEADERS)
        return response

    def _file_response(self, file):
        response = file._secure_stream().get_response(
            as_attachment=True,
            immutable=False,
            content_security_policy="default-src 'none'; sandbox",
        )
        for name, value in HEADERS[1:]:
            response.headers[name] = value
        return response

    def _set_cookie(self, response, name, value, path):
        response.set_cookie(
            name,
            value,
            path=path,
            expires=None,
            secure=request.httprequest.scheme == "https",
            httponly=True,
            samesite="Strict",
        )
