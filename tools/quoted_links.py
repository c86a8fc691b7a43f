"""Links of ours in mails that come in, however they are written: taken out of them."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage

from . import log_filter

_IN_BYTES = re.compile(
    f"({log_filter.BEFORE_TOKEN})[0-9A-Za-z]{{20,}}".encode(), re.IGNORECASE
)
MAIL_ENDINGS = (".eml", ".mht", ".mhtml")
"""Files that are mails themselves, in which a link may stand in any encoding."""


def holds(data):
    """Whether a link stands in bytes, in one or two bytes a character."""
    return bool(_IN_BYTES.search(data) or _IN_BYTES.search(data.replace(b"\0", b"")))


def mail_holds(mail):
    """Whether a link stands anywhere in a mail, in those it carries too."""
    for part in mail.walk():
        heads = "\n".join(map(str, part.values()))
        if log_filter.mask(heads) != heads or holds(_decoded(part)):
            return True
        inner = _mail_in(part)
        if inner and mail_holds(inner):
            return True
    return False


def without(name, data):
    """A file of a mail without links: as it is where there are none.

    :param str name: the file's
    :param data: text, bytes, or a mail as Odoo's parser hands it over
    """
    if isinstance(data, str):
        return log_filter.mask(data)
    if isinstance(data, EmailMessage):
        _mask_mail(data)
        return data
    if not isinstance(data, bytes):
        return data
    if name.lower().endswith(MAIL_ENDINGS):
        mail = message_from_bytes(data, policy=policy.SMTP)
        if not mail_holds(mail):
            return data
        _mask_mail(mail)
        return mail.as_bytes()
    data = _IN_BYTES.sub(rb"\1***", data)
    return b"***" if holds(data) else data


def _mask_mail(mail):
    for part in mail.walk():
        for name, value in part.items():
            if log_filter.mask(str(value)) != str(value):
                del part[name]
        inner = _mail_in(part)
        if holds(_decoded(part)) or (inner and mail_holds(inner)):
            _mask_part(part)


def _mask_part(part):
    text = "***"
    if part.get_content_maintype() == "text":
        try:
            text = log_filter.mask(part.get_content())
        except (LookupError, ValueError):
            # An unknown charset: nothing is kept of what cannot be read
            text = "***"
    subtype = part.get_content_subtype() if text != "***" else "plain"
    part.set_content(text, subtype=subtype, cte="quoted-printable")


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
