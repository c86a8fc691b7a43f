"""Keeps tokens out of every log, whoever writes it, and what is typed out of some.

At the source of all records rather than at a few loggers: a request's path also stands
in stack dumps, and a mail server may quote a mail it refused.
"""

import logging
import re
import traceback
from contextlib import contextmanager
from contextvars import ContextVar

_SLASH = r"(?:/|\\/|%(?:25)*2F|&(?:amp;)*#(?:x2F|47);)"
BEFORE_TOKEN = rf"{_SLASH}sm{_SLASH}|_sm_(?=[0-9A-Za-z]{{33}})"
"""As it stands in a link, and in the links that mail filters make of one (escaped in a
parameter, or with `_` for `/`), in JSON and in HTML."""
_PATH = re.compile(rf"({BEFORE_TOKEN})[^\s?\"'<>]+", re.IGNORECASE)

_RENDERERS = (
    "odoo.addons.mail.models.mail_render_mixin",
    "odoo.addons.base.models.ir_qweb",
)
"""Odoo's loggers that quote the text which could not be rendered."""
_CALLS = "odoo.service.model"
"""Odoo's logger that quotes, at debug level, what clients call methods with."""
_QUIET_MODELS = ("secure.", "mail.compose.message", "sms.composer")
_content_at_work = ContextVar("content_at_work", default=False)


@contextmanager
def content_at_work():
    """Inside, the loggers of Odoo's rendering say that something failed, not what."""
    token = _content_at_work.set(True)
    try:
        yield
    finally:
        _content_at_work.reset(token)


def is_content_at_work():
    """Whether errors must not quote what is rendered, either."""
    return _content_at_work.get()


def mask(text):
    """A text with whatever follows ``/sm/`` replaced, however that is escaped."""
    return _PATH.sub(r"\1***", text)


def without_tokens(error):
    """The same exception, fit to be shown to people: what it says masked, and without
    what it came of."""
    error.args = tuple(mask(arg) if isinstance(arg, str) else arg for arg in error.args)
    error.__cause__ = error.__context__ = None
    return error


def install():
    """Wrap the process's factory of log records, once."""
    factory = logging.getLogRecordFactory()
    if getattr(factory, "masks_tokens", False):
        return

    def masking_factory(*args, **kwargs):
        return _masked(factory(*args, **kwargs))

    masking_factory.masks_tokens = True
    logging.setLogRecordFactory(masking_factory)


def _masked(record):
    if _content_at_work.get() and record.name in _RENDERERS:
        record.msg, record.args = "A secure message could not be rendered", ()
        record.exc_info = record.exc_text = None
        return record
    if record.name == _CALLS and _is_quiet(record.args):
        # Content and PINs on their way in: which method was called is enough
        record.args = (*record.args[:2], "***")
        return record
    record.msg = _mask_value(record.msg)
    if isinstance(record.args, dict):
        record.args = {key: _mask_value(arg) for key, arg in record.args.items()}
    elif record.args:
        record.args = tuple(_mask_value(arg) for arg in record.args)
    if record.exc_info and record.exc_info[1]:
        text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if _PATH.search(text):
            # Formatters take this text instead of making their own
            record.exc_text = mask(text)
    return record


def _is_quiet(args):
    """Whether a call is of a model that holds content: (records, method, values)."""
    if not isinstance(args, tuple) or len(args) != 3:
        return False
    return str(getattr(args[0], "_name", "")).startswith(_QUIET_MODELS)


def _mask_value(value):
    if not isinstance(value, str | Exception):
        return value
    text = str(value)
    return mask(text) if _PATH.search(text) else value
