"""What the public page shows. No HTTP here, and no decision who may see it."""

import base64
import hashlib
from functools import lru_cache

from odoo import api, models
from odoo.tools import file_open, format_datetime, ormcache

from ..tools import file_types, limits
from ..tools import token as tokens

MESSAGES_PER_PAGE = 40
NEWS_SECONDS = 15
"""How often an open page in front asks for what is new (design, 10)."""
ACTION_MARKS = ("[[action]]", "[[code_action]]")
TOKEN_MARK = "[[form_token]]"
STATIC = "/secure_messaging/static/src/page/"


class SecurePage(models.AbstractModel):
    """Renders the page's screens, as the system user: the controller has checked."""

    _name = "secure.page"
    _description = "Secure Messaging Page"

    @api.model
    def _gate(self, company, actions, form_token, question, **state):
        """The gate; as long as nothing was typed it is alike for all of a company.

        :param actions: (where its form goes, where codes are asked for)
        :param question: ``Question``
        :param state: ``error`` to be told, whether a half-typed text is ``kept`` behind
            it, or the ``text`` handed back, and whether a code was ``asked`` for
        """
        if any(state.values()):
            return self._render_gate(
                self._company_values(company), actions, form_token, question, **state
            )
        values = tuple(self._company_values(company).items())
        html = self._plain_gate(self.env.lang, values, question)
        for mark, value in zip(ACTION_MARKS, actions, strict=True):
            html = html.replace(mark, value)
        return html.replace(TOKEN_MARK, form_token)

    @api.model
    @ormcache("lang", "company_values", "question", cache="templates")
    def _plain_gate(self, lang, company_values, question):
        """Rendered once for each company, language and question, with marks to
        replace."""
        return self._render_gate(
            dict(company_values), ACTION_MARKS, TOKEN_MARK, question
        )

    @api.model
    def _render_gate(self, company_values, actions, form_token, question, **state):
        action, code_action = actions
        return self._render(
            "page_gate",
            company_values,
            {
                "title": self.env._("Secure message"),
                "action": action,
                "code_action": code_action,
                "form_token": form_token,
                "question": question,
                "rule": question.rule,
                **{"error": "", "kept": False, "text": "", "asked": False, **state},
            },
        )

    @api.model
    def _state(self, state, company, **values):
        defaults = {
            "minutes": 0,
            "renew_action": "",
            "form_token": "",
            "channel": "email",
            "kept": False,
            "text": "",
        }
        title = self.env._("Secure message")
        return self._render(
            "page_state",
            self._company_values(company),
            {"title": title, "state": state, **defaults, **values},
        )

    @api.model
    def _conversation(self, grant, address, before="", messages=None, **values):
        """The conversation of a grant that holds.

        :param str address: path of this grant's page
        :param str before: uid of the message the page ends before; empty: the newest
        :param messages: what :meth:`_page_messages` gave, when it was asked already
        """
        thread = grant.thread_id
        if messages is None:
            messages = self._page_messages(thread, before)
        subject = thread._open_subject() or self.env._("Secure message")
        return self._render(
            "page_conversation",
            self._company_values(thread.company_id),
            {
                "title": self.env._("Secure message"),
                "subject": subject,
                "reference": thread.name,
                "messages": self._message_rows(
                    messages[:MESSAGES_PER_PAGE], thread, address
                ),
                "older_url": self._older_url(messages, address),
                "newer_url": address if before else "",
                "news_url": "" if before else f"{address}/news",
                "news_seconds": NEWS_SECONDS,
                "action": address,
                "form_token": grant._form_token(),
                "reply_key": tokens.new_public_id(),
                "draft": "",
                "error": "",
                "notice": "",
                "file_limits": self._file_limits(),
                **grant._time_left(),
                "stay_action": f"{address}/stay",
                "leave_action": f"{address}/leave",
                "consent_url": "",
                **values,
            },
        )

    # -- texts -----------------------------------------------------------------

    @api.model
    def _file_limits(self):
        """What the page tells of tools/limits.py."""
        return {
            "accept": file_types.ACCEPT,
            "file_mb": limits.FILE_MAX_BYTES // limits.MEGABYTE,
            "count": limits.FILES_PER_MESSAGE,
            "total_mb": limits.MESSAGE_FILES_MAX_BYTES // limits.MEGABYTE,
        }

    @api.model
    def _date_text(self, date, thread):
        zone = thread.partner_id.tz or thread.company_id.partner_id.tz or "UTC"
        return self._zoned_text(date, zone)

    @api.model
    def _zoned_text(self, date, zone):
        return format_datetime(
            self.env,
            date,
            tz=zone,
            dt_format="short",
            lang_code=self.env.lang,
        )

    # -- rendering -------------------------------------------------------------

    @api.model
    def _render(self, template, company_values, values):
        """One screen, in the environment's language."""
        code = self._lang_code(self.env.lang)
        direction = self.env["res.lang"]._get_data(code=code).direction or "ltr"
        common = {
            "lang": html_lang(code),
            "direction": direction,
            "css_url": _static_url("page.css"),
            "js_url": _static_url("page.js"),
            "company": company_values,
        }
        return self.env["ir.qweb"]._render(
            f"secure_messaging.{template}", {**common, **values}, minimal_qcontext=True
        )

    @api.model
    def _lang_code(self, lang):
        """An installed language: the wanted one, else the system's."""
        return self.env["res.lang"]._get_data(code=lang or "").code or "en_US"

    @api.model
    def _company_values(self, company):
        if not company:
            return {"name": "", "phone": "", "address": "", "color": "", "logo": ""}
        has_logo = not company.uses_default_logo
        return {
            "name": company.name,
            "phone": company.phone or "",
            "address": f"{company.get_base_url()}/",
            "color": company.primary_color or "",
            "logo": f"/logo.png?company={company.id}" if has_logo else "",
        }


def html_lang(code):
    """A language code as HTML wants it: ``sr@latin`` is ``sr-Latn`` there."""
    base, _at, script = code.partition("@")
    return "-".join([*base.split("_"), *([script[:4].title()] if script else [])])


@lru_cache(maxsize=8)
def _static_url(name):
    """The address of a static file, with its content's hash: cached, never stale."""
    with file_open(f"secure_messaging/static/src/page/{name}", "rb") as stream:
        digest = hashlib.sha256(stream.read()).digest()
    version = base64.urlsafe_b64encode(digest)[:12].decode()
    return f"{STATIC}{name}?v={version}"
