"""The public page. Every ``sudo`` here follows a token or a grant that was checked."""

import functools
import hmac
import logging

from odoo import SUPERUSER_ID, fields, http
from odoo.exceptions import UserError
from odoo.http import Stream, request

from ..models.secure_keyring import KeysUnavailable
from ..models.secure_draft import INBOUND
from ..tools import content, limits

_logger = logging.getLogger(__name__)

GATE = "/sm/<string:token>"
DOOR = "/sm/c/<string:handle>"
COOKIE = "sm"
COOKIE_TEST = "sm_ok"
HEADERS = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("X-Robots-Tag", "noindex, nofollow"),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]
SAFE_TYPES = frozenset(
    {
        "application/pdf",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/plain",
    }
)
"""Types a browser gets told; any other file is just bytes to it."""


def page_route(path, method, **options):
    """A route of the page: no session, no website layer, no Odoo form token (ours is
    bound to the link or grant, and works in a browser that never had a session)."""
    route = http.route(
        path,
        type="http",
        auth="public",
        methods=[method],
        website=False,
        sitemap=False,
        csrf=False,
        save_session=False,
        **options,
    )

    def decorate(handler):
        @functools.wraps(handler)
        def guarded(self, *args, **kwargs):
            try:
                return handler(self, *args, **kwargs)
            except KeysUnavailable:
                return self._state_page("unavailable", self._env()["secure.link"], 503)

        return route(guarded)

    return decorate


class SecurePage(http.Controller):
    # -- the gate: with a token ------------------------------------------------

    @page_route(GATE, "GET")
    def gate(self, token):
        """Show the gate. Changes nothing: scanners and previews come here too."""
        link = self._link(token)
        closed = self._closed_gate(link, token)
        return closed or self._gate_page(link, self._gate_path(token))

    @page_route(GATE, "POST")
    def open(self, token, **form):
        link = self._link(token)
        closed = self._closed_gate(link, token) or self._refused_form(link, form)
        return closed or self._try_to_open(link, self._gate_path(token), form)

    @page_route(GATE + "/renew", "POST")
    def renew(self, token, **form):
        """Ask for a new link. The answer never tells whether one was sent."""
        link = self._link(token)
        if not link:
            return self._unknown()
        refused = self._refused_form(link, form)
        if refused:
            return refused
        if link._state() == "expired":
            link._ask_renewal(self._remote_addr())
        return self._state_page("renewal_asked", link, 200)

    # -- the door: with a grant --------------------------------------------------

    @page_route(DOOR, "GET")
    def conversation(self, handle, before=0, **_query):
        grant = self._grant(handle)
        if not grant._holds():
            return self._closed_door(grant)
        if grant.receipts_pending:
            messages = self._pages()._page_messages(grant.thread_id)
            self._pages()._write_receipts(grant, messages, self._remote_addr())
        grant._touch()
        before = int(before) if str(before).isdigit() else 0
        return self._conversation_page(grant, before=before, draft=grant._draft())

    @page_route(DOOR, "POST", max_content_length=limits.REQUEST_MAX_BYTES)
    def reply(self, handle, **form):
        grant = self._grant(handle)
        text = (form.get("body") or "").strip()
        if not grant._holds():
            return self._closed_door(grant, draft=text)
        refused = self._refused_form(grant, form)
        if refused:
            return refused
        files = request.httprequest.files.getlist("files")
        files = [(file.filename, file.read()) for file in files if file.filename]
        try:
            if grant._claim_reply(form.get("reply_key")):
                self._store_reply(grant, text, files)
        except KeysUnavailable:
            raise
        except UserError as refusal:
            grant._claim_reply("refused")
            return self._conversation_page(grant, status=422, draft=text, error=str(refusal))
        return self._see_other(self._door_path(grant) + "?sent=1")

    @page_route(DOOR + "/open", "POST", max_content_length=limits.MEGABYTE)
    def reopen(self, handle, **form):
        """The PIN again, after the door closed by itself; what was typed comes along."""
        grant = self._grant(handle)
        if not grant:
            return self._closed_door(grant)
        link = grant.link_id
        closed = self._closed_gate(link) or self._refused_form(grant, form)
        return closed or self._try_to_open(link, self._door_path(grant) + "/open", form, grant)

    @page_route(DOOR + "/stay", "POST")
    def stay(self, handle, **form):
        grant = self._grant(handle)
        if not grant._holds() or self._refused_form(grant, form):
            return request.make_json_response({"idle_seconds": 0}, status=403)
        grant._touch()
        seconds = (grant.idle_until - fields.Datetime.now()).total_seconds()
        if "text/html" in request.httprequest.headers.get("Accept", ""):
            return self._see_other(self._door_path(grant))
        return request.make_json_response({"idle_seconds": int(seconds)})

    @page_route(DOOR + "/leave", "POST")
    def leave(self, handle, **form):
        grant = self._grant(handle)
        response = self._see_other(f"/sm/c/{handle}")
        if grant and not self._refused_form(grant, form):
            grant._end()
            response.delete_cookie(COOKIE, path=self._door_path(grant))
        return response

    @page_route(DOOR + "/f/<string:uid>", "GET")
    def file(self, handle, uid):
        """A file of this very conversation, and of no other."""
        grant = self._grant(handle)
        if not grant._holds():
            return self._closed_door(grant)
        thread = grant.thread_id
        file = thread._page_file(uid)
        if not file:
            return self._unknown()
        grant._touch()
        links = {thread.id: grant.link_id}
        self._env()["secure.access.log"]._log(
            "file_taken", thread, links=links, remote_addr=self._remote_addr()
        )
        return self._file_response(file)

    # -- opening -----------------------------------------------------------------

    def _try_to_open(self, link, action, form, grant=None):
        """The PIN, or the button where none is asked, for a live link."""
        remote_addr = self._remote_addr()
        thread = link.thread_id
        log = self._env()["secure.access.log"]
        details = {"links": {thread.id: link}, "remote_addr": remote_addr}
        draft = form.get("draft") or ""
        link._note_opened(remote_addr)
        if thread._effective_rule() != "none":
            pins = self._env()["secure.pin"]
            result, reason = pins._try(link, form.get("pin"), remote_addr)
            if result == "locked":
                return self._locked(link, reason)
            if result == "wrong":
                log._log("pin_refused", thread, **details)
                _logger.info("PIN check: FAIL for conversation %s", thread.name)
                if reason:
                    return self._newly_locked(link, reason, details)
                error = link.env._("This PIN is not right. Please try again.")
                return self._gate_page(link, action, status=403, error=error, draft=draft, grant=grant)
            log._log("pin_accepted", thread, **details)
            _logger.info("PIN check: SUCCESS for conversation %s", thread.name)
        opened, secret = self._env()["secure.grant"]._open(link)
        opened._keep_draft(draft)
        path = self._door_path(opened)
        response = self._see_other(path)
        self._set_cookie(response, COOKIE, secret, path)
        return response

    def _newly_locked(self, link, reason, details):
        thread = link.thread_id
        self._env()["secure.access.log"]._log("locked", thread, detail=reason[0], **details)
        _logger.warning("PIN check: LOCKED for conversation %s", thread.name)
        thread._remind_responsible(link.env._("Locked after too many wrong PINs"))
        return self._locked(link, reason)

    def _locked(self, link, reason):
        _kind, until = reason
        minutes = 0
        if until:
            minutes = max(1, -(-int((until - fields.Datetime.now()).total_seconds()) // 60))
        return self._state_page("locked", link, 429, minutes=minutes)

    # -- replying ----------------------------------------------------------------

    def _store_reply(self, grant, text, files):
        """Into the conversation, as the system user: the public user would become the
        creator, and every visitor with it a reader."""
        thread = grant.thread_id
        [sent] = thread._send(
            [
                {
                    "thread": thread,
                    "direction": INBOUND,
                    "author": thread.partner_id,
                    "body": content.clean_client_text(text),
                    "attachments": files,
                }
            ]
        )
        grant._keep_draft("")
        grant._touch()
        self._env()["secure.access.log"]._log(
            "replied",
            thread,
            links={thread.id: grant.link_id},
            remote_addr=self._remote_addr(),
            message_id=sent.message.id,
        )
        thread._tell_responsible(sent.message)

    # -- who is there --------------------------------------------------------------

    def _env(self):
        """The system user's environment: visitors have no rights at all."""
        return request.env(user=SUPERUSER_ID, su=True)

    def _pages(self):
        return self._env()["secure.page"]

    def _link(self, token):
        return self._env()["secure.link"]._find(token)

    def _grant(self, handle):
        secret = request.httprequest.cookies.get(COOKIE)
        return self._env()["secure.grant"]._find(handle, secret)

    def _remote_addr(self):
        return request.httprequest.remote_addr

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
        """The PIN again for the browser that was inside; else a word on how to get in."""
        link = grant.link_id
        if not grant or link._state() != "live":
            return self._closed_gate(link) if grant else self._state_page("closed", link, 403)
        action = self._door_path(grant) + "/open"
        return self._gate_page(link, action, grant=grant, draft=draft or grant._draft())

    def _unknown(self):
        return self._state_page("unknown", self._env()["secure.link"], 404)

    def _gate_page(self, link, action, status=200, grant=None, error="", draft=""):
        thread = link.thread_id
        rule = thread._effective_rule()
        html = self._pages()._gate(
            thread.company_id,
            thread.partner_id.lang,
            action=action,
            form_token=(grant or link)._form_token(),
            asks_pin=rule != "none",
            rule=rule,
            error=error,
            draft=draft,
        )
        return self._respond(html, status)

    def _state_page(self, state, link, status, **values):
        thread = link.thread_id
        lang = thread.partner_id.lang or request.env.context.get("lang")
        if link:
            values.update(form_token=link._form_token(), channel=link.channel)
        html = self._pages()._state(state, thread.company_id, lang, **values)
        return self._respond(html, status)

    def _conversation_page(self, grant, status=200, **values):
        if request.params.get("sent"):
            values.setdefault("notice", grant.env._("Sent."))
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
        head, data = file._secure_head(), file._secure_data()
        mimetype = head["mimetype"]
        stream = Stream(
            type="data",
            data=data,
            size=len(data),
            mimetype=mimetype if mimetype in SAFE_TYPES else "application/octet-stream",
            download_name=head["name"],
            etag=False,
            conditional=False,
            public=False,
        )
        response = stream.get_response(
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
            secure=request.httprequest.scheme == "https",
            httponly=True,
            samesite="Strict",
        )
