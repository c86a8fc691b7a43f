"""The canary leak scan: looks for marked text wherever it must not be.

Each place is read in every form a text takes there: as such, in capitals, escaped for
HTML, JSON, addresses and mails, as UTF-16, in hex and base64, compressed.
"""

import base64
import gzip
import html
import io
import json
import logging
import os
import quopri
import re
import traceback
import zipfile
import zlib
from contextlib import contextmanager
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

import requests

from odoo.tools import config

from odoo.addons.base.models.ir_mail_server import IrMail_Server
from odoo.addons.mail.models import mail_push, mail_thread
from odoo.addons.sms.tools.sms_api import SmsApi

from ..tools import token as tokens

SHORTEST_FORM = 6
"""A shorter piece of base64 stands in every other ciphertext, by chance."""
SHORTEST_SURE_NUMBER = 10
"""Fewer digits stand in random numbers and digests, by chance."""
DEEPEST = 3
"""How many times a thing may be packed: base64 of a zip of gzip."""
WIDE = ("utf-16-le", "utf-16-be")
LOCAL_HOSTS = ("127.0.0.1", "localhost")


# -- forms of a text --------------------------------------------------------------


FRACTIONS = re.compile(r"(\d\d:\d\d:\d\d)[.,]\d+")
"""Of seconds, in rows and in the log."""
LONG_VALUES = re.compile(
    r"(?i)(?=[0-9]*[a-f])[0-9a-f]{12,}|[0-9]{10,}(?:\.[0-9]+)?|\+[0-9][0-9 ]{8,}"
)
"""Digests, keys' names, numbers of mails, telephone numbers, bytes as PostgreSQL writes
them (which are read as bytes, too): short digits stand in one of these in one of a
hundred scans."""


class Needle:
    """One marked text, in every form it may be written in."""

    def __init__(self, text):
        self.text = text
        escaped = quopri.encodestring(text.encode()).decode()
        self._plain = {_squeezed(form).lower() for form in (text, escaped)}
        self._hex = {text.encode(code).hex() for code in ("utf-8", *WIDE)}
        self._base64 = {
            form for code in ("utf-8", *WIDE) for form in disguises(text.encode(code))
        }
        self._is_short = text.isdigit() and len(text) < SHORTEST_SURE_NUMBER

    def is_in(self, text):
        """Whether a text, or what it stands for, holds the needle."""
        joined = _joined(text)
        if any(form in joined for form in self._base64):
            return True
        if not self._is_short:
            forms = self._plain | self._hex
            return any(form in one for one in _spellings(joined) for form in forms)
        if any(form in one for one in _spellings(joined) for form in self._hex):
            return True
        # Six digits of a moment are those of a code now and then
        text = _joined(LONG_VALUES.sub("#", FRACTIONS.sub(r"\1", text)))
        return any(form in one for one in _spellings(text) for form in self._plain)


def _joined(text):
    """Without what mails and logs break lines with."""
    return re.sub(r"=\r?\n|\s+", "", text)


def _spellings(text):
    """A text as it is, and as what it may be escaped for would show it."""
    texts = [text]
    if "\\u" in text:
        escaped = r"\\+u([0-9a-fA-F]{4})"
        texts.append(re.sub(escaped, lambda found: chr(int(found[1], 16)), text))
    if "&" in text:
        texts += [html.unescape(text), html.unescape(html.unescape(text))]
    if "%" in text:
        texts.append(unquote(text))
    return [_squeezed(one).lower() for one in texts]


def _squeezed(text):
    """Without what escaping doubles, and what breaks lines."""
    return re.sub(r"[\s\"\\]+", "", text)


def disguises(data):
    """Pieces of base64 that hold some bytes, at each of the three offsets."""
    pieces = []
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data).decode()
        # Characters that are made of these bytes alone, six bits each
        first, last = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
        pieces.append(encoded[first:last])
    return [piece for piece in pieces if len(piece) >= SHORTEST_FORM]


def texts_in(data, depth=0):
    """What bytes say: as text in either width, and what is packed in them."""
    yield data.decode("utf-8", "replace")
    if b"\0" in data:
        # UTF-16 and UTF-32 of Latin text, whatever its byte order
        yield data.replace(b"\0", b"").decode("utf-8", "replace")
        yield data.decode("utf-16-le", "replace")
        yield data[1:].decode("utf-16-le", "replace")
    if depth < DEEPEST:
        for part in _unpacked(data):
            yield from texts_in(part, depth + 1)


def _unpacked(data):
    try:
        if data[:2] == b"\x1f\x8b":
            yield gzip.decompress(data)
        elif data[:1] == b"\x78":
            yield zlib.decompress(data)
        elif data[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    yield name.encode()
                    yield archive.read(name)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError):
        return


def texts_of_row(row):
    """What a row says: its text, and the bytes in it."""
    yield row
    for found in re.finditer(r"\\x((?:[0-9a-f]{2}){6,})", row):
        yield from texts_in(bytes.fromhex(found[1]))
    # What looks packed, in base64: gzip, zip, zlib
    for found in re.finditer(r"(?:H4sI|UEsD|eJ[wxz]|eN[pq])[0-9A-Za-z+/]{16,}", row):
        packed = found[0][: len(found[0]) // 4 * 4]
        for part in _unpacked(base64.b64decode(packed)):
            yield from texts_in(part, 1)


# -- what is written down as it happens ---------------------------------------------


class LogCapture:
    """Keeps every log record's text where records are made: a logger that a test has
    muted is read, too."""

    open = []

    def __init__(self):
        self.lines = []

    @classmethod
    def install(cls):
        inner = logging.getLogRecordFactory()
        if hasattr(inner, "leak_scan"):
            return

        def factory(*args, **kwargs):
            record = inner(*args, **kwargs)
            for capture in cls.open:
                capture.lines.append(_text_of(record))
            return record

        factory.leak_scan = True
        factory.masks_tokens = getattr(inner, "masks_tokens", False)
        logging.setLogRecordFactory(factory)


def _text_of(record):
    try:
        text = record.getMessage()
    except (TypeError, ValueError):
        text = f"{record.msg} {record.args}"
    if record.exc_text:
        return f"{text}\n{record.exc_text}"
    if record.exc_info and record.exc_info[1]:
        return text + "".join(traceback.format_exception(*record.exc_info))
    return text


@contextmanager
def recording(left):
    """Note all that leaves the house: emails, SMS, web push, and whatever else speaks
    HTTP to somebody, whether a test has put something in its place or not.

    :param list left: takes (road, text)
    """
    send_email = IrMail_Server.send_email
    send_sms = SmsApi._send_sms_batch
    send_request = requests.sessions.Session.send
    push = mail_push.push_to_end_point

    def note_email(server, message, *args, **kwargs):
        left.extend(("mail", text) for text in _texts_of_email(message))
        return send_email(server, message, *args, **kwargs)

    def note_sms(api, messages, *args, **kwargs):
        left.append(("sms", json.dumps(messages, default=str)))
        return send_sms(api, messages, *args, **kwargs)

    def note_request(session, request, **kwargs):
        if urlsplit(request.url).hostname not in LOCAL_HOSTS:
            left.append(("http", f"{request.url} {request.headers} {request.body}"))
        return send_request(session, request, **kwargs)

    def note_push(*args, **kwargs):
        left.append(("push", f"{args} {kwargs}"))
        return push(*args, **kwargs)

    with (
        patch.object(IrMail_Server, "send_email", note_email),
        patch.object(SmsApi, "_send_sms_batch", note_sms),
        patch.object(requests.sessions.Session, "send", note_request),
        patch.object(mail_push, "push_to_end_point", note_push),
        patch.object(mail_thread, "push_to_end_point", note_push),
    ):
        yield left


def _texts_of_email(message):
    """An email as it is on the wire, and what its parts say."""
    yield str(message)
    yield " ".join(f"{name}: {value}" for name, value in message.items())
    for part in message.walk():
        data = part.get_payload(decode=True)
        if data:
            yield from texts_in(data)


# -- the scan -----------------------------------------------------------------------


class LeakScan:
    """Searches database, filestore, sessions, logs and what left, from its creation on;
    of the database all that the test's transaction has written, and what others did
    since it began.

    :param env: an environment whose transaction sees what the test did
    :param list left: of (road, text), what leaves while the scan is open
    """

    def __init__(self, env, left=None):
        self._env = env
        self._folders = {
            "filestore": config.filestore(env.cr.dbname),
            "sessions": config.session_dir,
        }
        self._known = {
            path: changed
            for folder in self._folders.values()
            for path, changed in _files_in(folder)
        }
        self._log = LogCapture()
        LogCapture.install()
        LogCapture.open.append(self._log)
        self._left = [] if left is None else left
        self._left_before = len(self._left)
        self._added = []

    @property
    def log_lines(self):
        """All that was logged, muted or not."""
        return self._log.lines

    def close(self):
        LogCapture.open.remove(self._log)

    def add_left(self, name, text):
        """Note something that left another way, to be searched too."""
        self._added.append((name, text))

    def find(self, needles):
        """All leaks of any needle.

        What leaves by email and SMS may hold a link: no tokens are looked for there.

        :param needles: marked texts
        :return: list of (where, needle)
        """
        self._env.flush_all()
        # Odoo writes to the bus, and some of its messages, as a transaction ends
        self._env.cr.precommit.run()
        self._env.flush_all()
        needles = [Needle(str(needle)) for needle in needles if needle]
        secrets = [one for one in needles if not tokens.is_well_formed(one.text)]
        places = [
            (self._rows(), needles),
            (self._large_objects(), needles),
            (self._files(), needles),
            ((("log", line) for line in self._log.lines), needles),
            (self._left[self._left_before :], secrets),
            (self._added, secrets),
        ]
        found = {
            (where, needle.text): None
            for texts, wanted in places
            for where, text in texts
            for needle in wanted
            if needle.is_in(text)
        }
        return list(found)

    def _rows(self):
        """(table, text) of each row written since the test's transaction began, of
        tables and materialized views alike."""
        began = self._began()
        cr = self._env.cr
        cr.execute(
            """SELECT quote_ident(nspname) || '.' || quote_ident(relname)
                 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                WHERE relkind IN ('r', 'm')
                  AND (nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast'))
                  AND relpersistence <> 't'"""
        )
        for (table,) in cr.fetchall():
            # A row as text shows text and JSON as they are and bytea as hex
            cr.execute(  # pylint: disable=sql-injection
                f"SELECT t::text FROM {table} AS t WHERE age(t.xmin) <= age(%s::xid)",
                [began],
            )
            for (row,) in cr.fetchall():
                for text in texts_of_row(row):
                    yield table, text

    def _large_objects(self):
        cr = self._env.cr
        cr.execute("SELECT lo_get(oid) FROM pg_largeobject_metadata")
        for (data,) in cr.fetchall():
            for text in texts_in(bytes(data)):
                yield "large objects", text

    def _files(self):
        """What stands in files of the filestore and of web sessions, and their names.

        Odoo does not write a file anew whose content is there already: what this
        transaction's attachments refer to is read, whenever it was written.
        """
        for where, folder in self._folders.items():
            paths = {
                path
                for path, changed in _files_in(folder)
                if self._known.get(path) != changed
            }
            if where == "filestore":
                paths |= {os.path.join(folder, name) for name in self._stored_names()}
            for path in sorted(paths):
                yield where, os.path.basename(path)
                try:
                    with open(path, "rb") as stream:
                        data = stream.read()
                except FileNotFoundError:
                    continue
                for text in (*texts_in(data), *texts_of_row(data.decode("latin-1"))):
                    yield where, text

    def _stored_names(self):
        began = self._began()
        cr = self._env.cr
        cr.execute(
            """SELECT store_fname FROM ir_attachment
                WHERE store_fname IS NOT NULL AND age(xmin) <= age(%s::xid)""",
            [began],
        )
        return [name for (name,) in cr.fetchall()]

    def _began(self):
        """The number of the test's transaction: what is younger was written since."""
        self._env.cr.execute("SELECT pg_current_xact_id()::xid::text")
        return self._env.cr.fetchone()[0]


def _files_in(folder):
    """(path, when changed) of each file."""
    for root, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            try:
                yield path, os.stat(path).st_mtime_ns
            except FileNotFoundError:
                continue
