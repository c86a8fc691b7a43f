"""Keeps tokens out of the request log."""

import logging
import re

LOGGERS = ("werkzeug", "odoo.http", "odoo.service.server")
_PATH = re.compile(r"(/sm/)[^\s?\"']+")


class MaskTokens(logging.Filter):
    """Replaces what follows ``/sm/`` in log records; never drops one."""

    def filter(self, record):
        if "/sm/" in str(record.msg):
            record.msg = mask(str(record.msg))
        if record.args:
            record.args = _mask_args(record.args)
        return True


def mask(text):
    return _PATH.sub(r"\1***", text)


def install():
    """Once for each logger, however often the module is loaded."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(item, MaskTokens) for item in logger.filters):
            logger.addFilter(MaskTokens())


def _mask_args(args):
    if isinstance(args, dict):
        return {key: _mask_arg(value) for key, value in args.items()}
    return tuple(_mask_arg(value) for value in args)


def _mask_arg(value):
    return mask(value) if isinstance(value, str) and "/sm/" in value else value
