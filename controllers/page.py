"""The public page. Every ``sudo`` here follows a token or a grant that was checked."""

import functools
import re

from odoo import http
from odoo.exceptions import UserError
from odoo.http import request

from ..models.secure_keyring import KeysUnavailable
from ..tools import limits
from ..tools.keyring import KeyMissing
from .page_answers import COOKIE, PageAnswers

GATE = "/sm/<string:token>"
DOOR = "/sm/c/<string:handle>"


def page_route(path, method, readonly=False, **options):
    """A route of the page: no user, no session, no website layer, no Odoo form token
    (ours is bound to the link or grant, and works in a browser without a session).

    ``auth="none"`` because it makes no difference who is logged in to Odoo: the token
    or the grant is all the page goes by.

    Odoo lets ``OPTIONS`` through to every handler, and ``HEAD`` to those of ``GET``:
    here neither reads, answers nor opens anything.
    """
    options.setdefault("max_content_length", limits.MEGABYTE)
    route = http.route(
        path,
        type="http",
        auth="none",
        methods=[method],
        website=False,
        sitemap=False,
        csrf=False,
        save_session=False,
        readonly=readonly,
        **options,
    )

    def decorate(handler):
        @functools.wraps(handler)
        def guarded(self, *args, **kwargs):
            asked = request.httprequest.method
            if asked != method and not (asked == "HEAD" and readonly):
                return self._only_by(method)
            try:
                return handler(self, *args, **kwargs)
            except (KeysUnavailable, KeyMissing):
                text = self._own(_text(kwargs, "body"))
                no_link = self._env()["secure.link"]
                return self._state_page("unavailable", no_link, 503, text=text)

        return route(guarded)

    return decorate


class SecurePage(PageAnswers, http.Controller):
    # -- the gate: with a token ------------------------------------------------

    @page_route(GATE, "GET", readonly=True)
    def gate(self, token, **_query):
        """Show the gate. Changes nothing, and PostgreSQL sees to it: scanners and
        previews come here too."""
        link = self._link(token)
        closed = self._closed_gate(link, token)
        return closed or self._gate_page(link, self._gate_path(token))

    @page_route(GATE, "POST")
    def open(self, token, **form):
        """The PIN at the gate, or the button where none is asked."""
        link = self._link(token)
        closed = self._closed_gate(link, token) or self._refused_form(link, form)
        return closed or self._try_to_open(link, self._gate_path(token), form)

    @page_route(GATE + "/code", "POST")
    def code(self, token, **form):
        """Ask for a one-time code. The answer never tells whether one was sent."""
        link = self._link(token)
        closed = self._closed_gate(link, token) or self._refused_form(link, form)
        return closed or self._ask_code(link, self._gate_path(token))

    @page_route(GATE + "/renew", "POST")
    def renew(self, token, **form):
        """Ask for a new link. The answer never tells whether one was sent."""
        link = self._link(token)
        if not link:
            return self._unknown()
        return self._ask_renewal(link, form)

    # -- the door: with a grant --------------------------------------------------

    @page_route(DOOR, "GET")
    def conversation(self, handle, before="", **_query):
        """Read the conversation; the first view writes the receipts."""
        grant = self._grant(handle)
        kept_out = self._kept_out(grant)
        if kept_out:
            return kept_out
        before = before if re.fullmatch("[0-9a-f]{32}", before) else ""
        messages = self._pages()._page_messages(grant.thread_id, before)
        grant._touch()
        page = self._conversation_page(
            grant, messages=messages, before=before, draft=grant._draft()
        )
        # Of what could be opened: nothing is shown while a key is missing
        self._pages()._write_receipts(grant, messages, self._remote_addr())
        return page

    @page_route(DOOR, "POST", max_content_length=limits.REQUEST_MAX_BYTES)
    def reply(self, handle, **form):
        """Take an answer with its files; whatever is wrong, the text is kept."""
        grant = self._grant(handle)
        text = _text(form, "body").strip()
        if not grant:
            return self._closed_door(grant, text)
        refused = self._refused_form(grant, form, text)
        if refused:
            return refused
        kept_out = self._kept_out(grant, 403, text)
        if kept_out:
            return kept_out
        if form.get("resume"):
            if text:
                grant._keep_draft(text)
            if form["resume"] == "again":
                grant._end()
            return self._see_other(self._door_path(grant))
        files = request.httprequest.files.getlist("files")
        files = [(file.filename, file.read()) for file in files if file.filename]
        key = _text(form, "reply_key")
        if not re.fullmatch("[0-9A-Za-z]{1,32}", key):
            return self._state_page("form_expired", grant.link_id, 400)
        try:
            # A refusal undoes the claim: the corrected form may be sent
            with grant.env.cr.savepoint():
                if grant._claim_reply(key):
                    grant._take_reply(text, files, self._remote_addr())
        except KeysUnavailable:
            raise
        except UserError as refusal:
            return self._conversation_page(
                grant, status=422, draft=text, error=str(refusal)
            )
        return self._see_other(self._door_path(grant) + "?sent=1")

    @page_route(DOOR + "/open", "POST")
    def reopen(self, handle, **form):
        """The PIN again, after the door closed by itself; what was kept of a text is
        found behind it."""
        grant = self._grant(handle)
        if not grant or grant.link_id._state() != "live":
            return self._closed_door(grant)
        refused = self._refused_form(grant, form)
        return refused or self._try_to_open(
            grant.link_id, self._door_path(grant) + "/open", form, grant
        )

    @page_route(DOOR + "/renew", "POST")
    def renew_from_door(self, handle, **form):
        """Ask for a new link where the door closed because the link expired."""
        grant = self._grant(handle)
        if not grant:
            return self._closed_door(grant)
        return self._ask_renewal(grant.link_id, form)

    @page_route(DOOR + "/code", "POST")
    def code_again(self, handle, **form):
        """Ask for a one-time code, after the door closed by itself."""
        grant = self._grant(handle)
        if not grant or grant.link_id._state() != "live":
            return self._closed_door(grant)
        refused = self._refused_form(grant, form)
        return refused or self._ask_code(grant.link_id, self._door_path(grant))

    @page_route(DOOR + "/stay", "POST")
    def stay(self, handle, **form):
        """Start the idle time anew: seconds left as JSON; the page without script."""
        grant = self._grant(handle)
        if not grant._holds() or self._refused_form(grant, form):
            return self._json({"idle_seconds": 0}, status=403)
        grant._touch()
        if "text/html" in request.httprequest.headers.get("Accept", ""):
            return self._see_other(self._door_path(grant))
        return self._json(grant._time_left())

    @page_route(DOOR + "/news", "GET")
    def news(self, handle, known="", **_query):
        """What an open page does not show yet. Being asked is no activity: it does not
        keep the door open. Receipts are written, as the script asks for what it will
        show at once, and only while its page is in front."""
        grant = self._grant(handle)
        if not grant._holds() or grant.thread_id._consent_wanted():
            return self._json({"idle_seconds": 0}, status=403)
        pages, address = self._pages(), self._door_path(grant)
        messages = pages._news(grant.thread_id, known)
        html = pages._render_news(messages, grant.thread_id, address)
        pages._write_receipts(grant, messages, self._remote_addr())
        return self._json({"html": html, **grant._time_left()})

    @page_route(DOOR + "/leave", "POST")
    def leave(self, handle, **form):
        """Close the door for good: from here only the link opens again."""
        grant = self._grant(handle)
        response = self._see_other(f"/sm/c/{handle}")
        if grant and not self._refused_form(grant, form):
            if grant._holds():
                grant._end()
                log = self._env()["secure.access.log"]
                log._log("left", grant.link_id, self._remote_addr())
            response.delete_cookie(COOKIE, path=self._door_path(grant))
        return response

    @page_route(DOOR + "/f/<string:uid>", "GET")
    def file(self, handle, uid):
        """A file of this very conversation, and of no other."""
        grant = self._grant(handle)
        kept_out = self._kept_out(grant, 403)
        if kept_out:
            return kept_out
        file = self._pages()._page_file(grant.thread_id, uid)
        if not file:
            return self._unknown()
        response = self._file_response(file)
        grant._touch()
        log = self._env()["secure.access.log"]
        log._log("file_taken", grant.link_id, self._remote_addr())
        return response

    # -- opening -----------------------------------------------------------------

    def _ask_renewal(self, link, form):
        """A new link, to the address on file; the same answer whatever comes of it."""
        refused = self._refused_form(link, form)
        if refused:
            return refused
        if link._state() == "expired":
            link._ask_renewal(self._remote_addr())
        return self._state_page("renewal_asked", link, 200)

    def _try_to_open(self, link, action, form, grant=None):
        """The PIN, or the button where none is asked, for a live link."""
        remote_addr = self._remote_addr()
        link._note_opened(remote_addr)
        rule = link.thread_id._effective_rule()
        if rule != "none":
            pins = self._env()["secure.pin"]
            pin = _text(form, "pin")
            result, lock = pins._try(link, pin, remote_addr, self._tried())
            if lock:
                return self._locked(link, lock)
            if result != "right":
                error = self._not_right(link, rule, result)
                return self._gate_page(
                    link, action, status=403, error=error, grant=grant
                )
        opened, secret = self._env()["secure.grant"]._open(link)
        path = self._door_path(opened)
        response = self._see_other(path)
        self._set_cookie(response, COOKIE, secret, path)
        return response

    def _ask_code(self, link, action):
        """A code for a live link. Answers with a redirect: a phone whose reader has
        looked at the SMS meanwhile often loads the page anew."""
        if link.thread_id._effective_rule() == "code":
            remote_addr = self._remote_addr()
            link._note_opened(remote_addr)
            lock = self._env()["secure.code"]._ask(link, remote_addr)
            if lock:
                return self._locked(link, lock)
        return self._see_other(f"{action}?code=asked")

    def _not_right(self, link, rule, result):
        """What is said of what was typed."""
        over = result == "stale" or self._env()["secure.code"]._is_over(link)
        if rule == "code" and over:
            return link.env._("This code is no longer valid. Please ask for a new one.")
        if rule == "code":
            return link.env._("This code is not right. Please try again.")
        if rule == "field":
            return link.env._("This is not right. Please try again.")
        return link.env._("This PIN is not right. Please try again.")


def _text(form, name):
    """A field of a form as text; a file sent in its place counts as nothing."""
    value = form.get(name)
    return value if isinstance(value, str) else ""
