"""Links of ours in mails that come in, however they are written: taken out of them."""

import re
from contextlib import suppress
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import EmailMessage

from . import log_filter

_IN_BYTES = re.compile(
    f"({log_filter.BEFORE_TOKEN})[0-9A-Za-z]{{20,}}".encode(), re.IGNORECASE
)
MAIL_ENDINGS = (".eml", ".mht", ".mhtml")
"""Files that are mails themselves, in which a link may stand in any encoding."""
MAILS_DEEP = 8
"""Mails in mails that are looked into: what is deeper counts as holding a link."""
NOTHING_KEPT = "***"


def holds(data):
    """Whether a link stands in bytes, in one or two bytes a character."""
    return bool(_IN_BYTES.search(data) or _IN_BYTES.search(data.replace(b"\0", b"")))


def mail_holds(mail):
    """Whether a link stands anywhere in a mail, in those it carries too. One that
    cannot be read counts as holding one: no mail is lost for the junk in it."""
    try:
        return _mail_holds(mail)
    except Exception:  # Python's parser raises whatever it stumbles over
        return True


def without(name, data):
    """A file of a mail without links: as it is where there are none; nothing of it is
    kept where it cannot be read.

    :param str name: the file's
    :param data: text, bytes, or a mail as Odoo's parser hands it over
    """
    try:
        return _without(name, data)
    except Exception:  # as above
        return NOTHING_KEPT


def _mail_holds(mail, deep=0):
    if deep > MAILS_DEEP:
        return True
    for part in mail.walk():
        if any(log_filter.mask(text) != text for _name, text in _heads(part)):
            return True
        inner = _mail_in(part)
        if holds(_decoded(part)) or (inner and _mail_holds(inner, deep + 1)):
            return True
    return False


def _without(name, data):
    if isinstance(data, str):
        return log_filter.mask(data)
    if isinstance(data, EmailMessage):
        _mask_mail(data)
        return data
    if not isinstance(data, bytes):
        return data
    if name.lower().endswith(MAIL_ENDINGS):
        mail = message_from_bytes(data, policy=policy.SMTP)
        if not _mail_holds(mail):
            return data
        _mask_mail(mail)
        return mail.as_bytes()
    data = _IN_BYTES.sub(rb"\1***", data)
    return NOTHING_KEPT.encode() if holds(data) else data


def _mask_mail(mail):
    for part in mail.walk():
        for name, text in _heads(part):
            if log_filter.mask(text) != text:
                del part[name]
        inner = _mail_in(part)
        if inner and _mail_holds(inner, 1):
            _mask_part(part, is_text=False)
        elif holds(_decoded(part)):
            _mask_part(part, is_text=part.get_content_maintype() == "text")


def _mask_part(part, is_text):
    """:param bool is_text: whether all of it can be read, and the link taken out"""
    text = NOTHING_KEPT
    if is_text:
        try:
            text = log_filter.mask(part.get_content())
        except (LookupError, ValueError):
            # An unknown charset: nothing is kept of what cannot be read
            text = NOTHING_KEPT
    subtype = part.get_content_subtype() if text != NOTHING_KEPT else "plain"
    # What calls itself several parts, and is none, takes no content
    part.clear_content()
    part.set_content(text, subtype=subtype, cte="quoted-printable")


def _heads(part):
    """(name, text) of each header. Not as Python's policies read them, which take them
    apart, and raise for many that Odoo never looks at. Links are ASCII: whatever
    character set is named, they stand there in Latin-1, too."""
    for name, value in list(part.raw_items()):
        text = "".join(str(value).splitlines())
        with suppress(MessageError):
            text = "".join(
                piece if isinstance(piece, str) else piece.decode("latin-1")
                for piece, _charset in decode_header(text)
            )
        yield name, text


def _decoded(part):
    """A part's bytes; of what only holds other parts, nothing."""
    if part.is_multipart():
        return b""
    return part.get_payload(decode=True) or b""


def _mail_in(part):
    """The mail in a file that is one."""
    name = part.get_filename() or ""
    if part.is_multipart() or not name.lower().endswith(MAIL_ENDINGS):
        return None
    return message_from_bytes(_decoded(part), policy=policy.SMTP)
