"""The texts that leave the house: a fixed list of placeholders, replaced in one pass.

Odoo's template engine never sees these texts: whoever may edit them gets to choose
words, not to run code.
"""

import re

from markupsafe import Markup, escape

LINK = "secure_link"
PLACEHOLDERS = (
    LINK,
    "user.name",
    "company.name",
    "user.name_and_company",
    "contact.name",
)

LINK_MARK = "[[secure_link]]"
"""Stands for the link in Odoo's queues, until the mail or SMS leaves."""
CODE_MARK = "[[secure_code]]"
"""Stands for a one-time code, likewise."""
TEXT_MARK = "[[secure_text]]"
"""Stands for the text in the mail's layout."""

SMS_PART = {"gsm": (160, 153), "ucs2": (70, 67)}
"""Characters of a lone SMS, and of each of several (3GPP TS 23.038)."""
_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("^{}\\[~]|€")

_FIELD = re.compile(r"{{\s*([\w.]+)\s*}}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class TextRefused(ValueError):
    """A text that may not be saved.

    ``reason`` is ``unknown`` (with the offending ``part``), ``no_link`` or
    ``link_in_subject``.
    """

    def __init__(self, reason, part=""):
        super().__init__(reason, part)
        self.reason = reason
        self.part = part


def check(text, link):
    """Refuse what is outside the fixed list.

    :param bool link: whether the text must hold the link, or must not
    :raise TextRefused: with the reason
    """
    fields = _FIELD.findall(text or "")
    unknown = next((field for field in fields if field not in PLACEHOLDERS), None)
    if unknown:
        raise TextRefused("unknown", unknown)
    rest = _FIELD.sub("", text or "")
    stray = re.search(r"{{|}}|\${|{%|<t\b|\[\[", rest)
    if stray:
        raise TextRefused("unknown", stray.group())
    if link and LINK not in fields:
        raise TextRefused("no_link")
    if not link and LINK in fields:
        raise TextRefused("link_in_subject")


def fill(text, values):
    """Replace the placeholders, all in one pass.

    What a value holds is never looked at again, be it ``{{ ... }}`` or a mark for the
    link: a contact may call himself anything.

    :param dict values: by placeholder, without the link
    :return: str; holds ``LINK_MARK`` where the link goes
    """
    clean = {name: one_line(value) for name, value in values.items()}
    clean[LINK] = LINK_MARK
    return _FIELD.sub(lambda match: clean.get(match[1], ""), text or "")


def fill_html(text, values, anchor):
    """Like :func:`fill`, as HTML with everything but the link's ``anchor`` escaped."""
    filled = escape(fill(text, values))
    paragraphs = [part for part in re.split(r"\n\s*\n", str(filled).strip()) if part]
    lines = Markup("").join(
        Markup("<p>%s</p>") % Markup(part.replace("\n", "<br/>")) for part in paragraphs
    )
    return lines.replace(Markup(escape(LINK_MARK)), anchor)


def sms_parts(text):
    """How many SMS a text takes."""
    if all(char in _GSM_BASIC or char in _GSM_EXTENDED for char in text):
        length = len(text) + sum(char in _GSM_EXTENDED for char in text)
        alone, each = SMS_PART["gsm"]
    else:
        length = len(text.encode("utf-16-be")) // 2
        alone, each = SMS_PART["ucs2"]
    return 1 if length <= alone else -(-length // each)


def name_for_one_sms(text, name):
    """As much of a name as fits into one SMS with the text around it.

    :param text: function from name to text
    """
    clean = one_line(name)
    lengths = range(len(clean), 0, -1)
    fitting = (size for size in lengths if sms_parts(text(clean[:size])) == 1)
    return clean[: next(fitting, 1)].rstrip()


def one_line(value):
    """A value on one line: it must not add headers to a mail, nor a second link.

    Python's email library takes encoded words apart that stand in a header's text, line
    breaks and all.
    """
    text = _CONTROL.sub("", " ".join(str(value or "").split()))
    return text.replace("[[", "[ [").replace("=?", "= ?")
