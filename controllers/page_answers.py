"""How the public page answers: who is asking, what they are shown, what is refused."""

import hmac

from odoo import SUPERUSER_ID, fields
from odoo.http import request

from ..tools.page_headers import HEADERS

COOKIE = "sm"
COOKIE_TEST = "sm_ok"


class PageAnswers:
    """What the page's routes share."""

    # -- who is there --------------------------------------------------------------

    def _env(self):
        """The system user's environment: visitors have no rights at all."""
        # sudo: each route looks for the visitor's link or grant before anything else
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

    def _refused_form(self, holder, form, text=""):
        """An answer when a form was not sent by a person who had the page before them.

        :param holder: the link or grant whose form it is
        :param str text: what was typed, handed back
        """
        given = str(form.get("form_token") or "")
        genuine = hmac.compare_digest(given.encode(), holder._form_token().encode())
        text = self._own(text)
        if self._is_cross_site() or not genuine:
            link = self._link_of(holder)
            return self._state_page("form_expired", link, 400, text=text)
        if not request.httprequest.cookies.get(COOKIE_TEST):
            return self._state_page("cookies", self._link_of(holder), 400, text=text)
        return None

    def _is_cross_site(self):
        return request.httprequest.headers.get("Sec-Fetch-Site") == "cross-site"

    def _own(self, text):
        """A text that may be handed back: no other site puts words on this page."""
        return "" if self._is_cross_site() else text

    def _link_of(self, holder):
        return holder if holder._name == "secure.link" else holder.link_id

    # -- answers -------------------------------------------------------------------

    def _closed_gate(self, link, token="", **values):
        """What the holder of a link that does not open is told; None for a live one.

        :param str token: when the visitor came with it, and may ask for a new one
        """
        if not link:
            return self._unknown()
        state = link._state()
        if state == "live":
            return None
        if token:
            values["renew_path"] = self._gate_path(token)
        renew_action = ""
        if state == "expired" and link._can_ask_renewal():
            renew_action = values["renew_path"] + "/renew"
        status = 429 if state == "locked" else 410
        return self._state_page(
            state, link, status, **{**values, "renew_action": renew_action}
        )

    def _closed_door(self, grant, text=""):
        """The PIN again for a browser that was inside; else a word on how to get in.

        :param str text: what was typed behind the door; its form was found genuine
        """
        if not grant:
            return self._state_page("closed", grant.link_id, 403, text=self._own(text))
        link, path = grant.link_id, self._door_path(grant)
        # Where there may be no way in any more, or for whoever was shut out, it is
        # handed back: what is kept will be found by who has the PIN by then
        lost = "" if grant._fits() and link._state() != "revoked" else text
        if text and not lost:
            grant._keep_draft(text)
        kept = bool(grant.draft_sealed) and not lost
        return self._closed_gate(
            link, renew_path=path, kept=kept, text=lost
        ) or self._gate_page(link, path + "/open", grant=grant, text=lost)

    def _kept_out(self, grant, status=200, text=""):
        """What routes behind the door ask before anything else: an answer for whoever
        may not read, or not yet; None for who may.

        :param int status: of the page that asks for consent
        :param str text: what was typed, to be kept; its form was found genuine
        """
        if not grant._holds():
            return self._closed_door(grant, text)
        wanted = grant.thread_id._consent_wanted()
        if not wanted:
            return None
        if text:
            grant._keep_draft(text)
        return self._consent_page(grant, wanted, status)

    def _consent_page(self, grant, wanted, status=200, changed=False):
        """The consent text, in the place of everything behind the door.

        :param wanted: ``ConsentWanted``
        :param bool changed: whether it has just changed before the reader's eyes
        """
        if not wanted.version:
            return self._state_page("unavailable", grant.link_id, 503)
        grant._touch()
        address = self._door_path(grant)
        html = self._pages()._consent(grant, address, wanted, changed=changed)
        return self._respond(html, status)

    def _only_by(self, *methods):
        """Nothing happens by other methods."""
        if request.httprequest.method == "OPTIONS":
            response = request.make_response("", headers=HEADERS, status=204)
        else:
            html = self._env()["secure.page"]._error(405)
            response = request.make_response(html, headers=HEADERS, status=405)
        response.headers["Allow"] = ", ".join(methods)
        return response

    def _unknown(self):
        return self._state_page("unknown", self._env()["secure.link"], 404)

    def _gate_page(self, link, action, status=200, grant=None, error="", text=""):
        question = link.env["secure.pin"]._question(link)
        html = self._pages()._gate(
            link.thread_id.company_id,
            actions=(action, self._code_path(action, grant)),
            form_token=(grant or link)._form_token(),
            question=question,
            error=error,
            kept=bool(grant and grant.draft_sealed and not text),
            text=text,
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

    def _locked(self, link, reason):
        """:param reason: (kind, until when) of ``secure.attempt``"""
        _kind, until = reason
        minutes = 0
        if until:
            minutes = max(
                1, -(-int((until - fields.Datetime.now()).total_seconds()) // 60)
            )
        return self._state_page("locked", link, 429, minutes=minutes)

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

    def _json(self, data, status=200):
        return request.make_json_response(data, headers=HEADERS[1:], status=status)

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
