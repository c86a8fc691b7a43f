"""How rows of the log hang together, and how it is seen that one was touched.

Each conversation's rows are a chain, numbered from 1, and so are each company's own. Of
each row three values are kept beside what it says:

* its digest, over the digest of the row before it and its own content;
* its MAC, over that digest and its own content: a row can be judged although its
  neighbours are gone, and so be named;
* the fingerprint of the key of that MAC.

The digest needs no key: while the chain's tip (the last number and digest) is sealed
with a key that is there, it vouches for all rows before it, those too whose key was
removed after a rotation. docs/log.md describes the same for who checks an export.
"""

import csv
import hashlib
import hmac
import json
import re
from collections import namedtuple
from datetime import datetime

CONTENT = (
    "number",
    "date",
    "kind",
    "detail",
    "company_id",
    "thread_id",
    "thread_name",
    "partner_id",
    "message_id",
    "link_id",
    "user_id",
    "channel",
    "address",
    "network",
    "fingerprint",
)
"""What a row says, in the order of its canonical form. Never to be changed: rows that
stand would look forged."""
PROOF = ("digest", "mac")

DAMAGED = "damaged"
"""Kind of the row that stands where the sealed end of a chain was found lost."""
FORGED = "forged"
"""Kind of the row in the place of one that waited and was not the one put there."""
ALARMS = (DAMAGED, FORGED)

_START = b"secure_messaging/log/1/"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""What makes a cell a formula in a spreadsheet, and what marks it as none."""

_NUMBER = re.compile("[1-9][0-9]{0,9}")
"""As a row's number is written: Python reads more than that as one."""

Tip = namedtuple("Tip", ("number", "digest"))
"""The last number of a chain, and its digest (bytes)."""
Finding = namedtuple("Finding", ("kind", "number", "last_number", "row_id"))
"""Something that is not as it was written: which rows, by number."""


def chain_name(thread_id, company_id):
    """A conversation's chain, or a company's own."""
    return f"secure.thread:{thread_id}" if thread_id else f"res.company:{company_id}"


def start(name):
    """The digest before a chain's first row."""
    return hashlib.sha256(_START + name.encode()).digest()


def tip_to_text(tip):
    return f"{tip.number}:{tip.digest.hex()}"


def tip_from_text(text):
    number, _colon, digest = text.partition(":")
    return Tip(int(number), bytes.fromhex(digest))


def cell(value):
    """A column's value as text; nothing, zero and false are alike."""
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    return str(value) if value else ""


def canonical(row):
    """What a row says, as the bytes that are digested.

    :param dict row: the ``CONTENT``, as the database or a CSV file has it
    """
    cells = [cell(row[column]) for column in CONTENT]
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":")).encode()


def extend(tip, rows, fingerprint, mac):
    """Put rows behind a chain's tip: complete them, and tell the new tip.

    :param Tip tip: where the chain ends
    :param list rows: dicts of ``CONTENT`` without number and fingerprint
    :param str fingerprint: of the key that seals now
    :param mac: function of (fingerprint, bytes)
    :return: ``Tip``
    """
    for row in rows:
        row["number"] = tip.number + 1
        row["fingerprint"] = fingerprint
        content = hashlib.sha256(canonical(row)).digest()
        digest = _next(tip.digest, content)
        row["digest"] = digest.hex()
        row["mac"] = mac(fingerprint, digest + content).hex()
        tip = Tip(row["number"], digest)
    return tip


class Check:
    """Looks at chains, one after the other, and counts what it has looked at.

    :param mac: function of (fingerprint, bytes); None where that key is gone
    """

    def __init__(self, mac):
        self._mac = mac
        self.rows = 0
        self.by_digest = 0
        """Rows whose key is gone: their digests and the tip speak for them."""

    def chain(self, name, rows, tip):
        """What is wrong with a chain.

        :param str name: of :func:`chain_name`
        :param rows: dicts of ``CONTENT``, ``PROOF`` and id, by number, then id
        :param tip: ``Tip``; None where there is none to go by
        :return: generator of :class:`Finding`
        """
        last, digest, doubtful, behind = 0, start(name), False, False
        for row in rows:
            self.rows += 1
            number = row["number"]
            if number > last + 1:
                digest = None
                yield Finding("missing", last + 1, number - 1, 0)
            kind = self._judge(row, digest, number <= last, tip)
            if kind == "order" and doubtful:
                # The digest it does not follow is the one that was changed
                kind = None
            doubtful = bool(kind)
            if kind is None and row["kind"] in ALARMS:
                kind = row["kind"]
            if kind is None and tip:
                kind = self._beside_tip(row, tip, behind)
                behind = behind or number > tip.number
            if kind:
                yield Finding(kind, number, number, row["id"])
            if kind != "inserted":
                last, digest = number, to_bytes(row["digest"])
        if tip and last < tip.number:
            yield Finding("cut", last + 1, tip.number, 0)

    def _beside_tip(self, row, tip, behind):
        """What is wrong with a tip, seen from a row that is as it was written."""
        if row["number"] == tip.number and to_bytes(row["digest"]) != tip.digest:
            return "tip_differs"
        return "tip_behind" if row["number"] > tip.number and not behind else None

    def _judge(self, row, digest, taken, tip):
        """What is wrong with a row: a kind of finding, or None."""
        content = hashlib.sha256(canonical(row)).digest()
        own = to_bytes(row["digest"])
        expected = self._mac(row["fingerprint"], own + content)
        follows = digest is None or _next(digest, content) == own
        genuine = follows if expected is None else _same(expected, row["mac"])
        self.by_digest += expected is None
        if taken or (not genuine and tip and row["number"] > tip.number):
            return "inserted"
        if not genuine:
            return "changed"
        return None if follows else "order"


def csv_cell(value):
    """A value for a CSV file that no spreadsheet takes for a formula."""
    text = cell(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def from_csv_cell(text):
    return text.removeprefix("'")


def check_csv(stream, mac):
    """Check an exported file, whole or filtered.

    A filtered export lacks rows by intention: those that are there are checked by
    their MAC, and by their digest where the row before is there, too.

    :param stream: text file
    :param mac: function of (fingerprint, bytes); None where that key is gone
    :return: generator of (line's row, kind): rows that are not as they were written
    """
    ends = {}
    judge = Check(mac)
    for cells in csv.DictReader(stream, restval=""):
        # What stands beyond the last column has no name
        cells.pop(None, None)
        row = {name: from_csv_cell(value) for name, value in cells.items()}
        if not _NUMBER.fullmatch(row["number"]):
            yield row, "changed"
            continue
        number = row["number"] = int(row["number"])
        name = chain_name(row["thread_id"], row["company_id"])
        end = ends.get(name, Tip(0, start(name)))
        before = end.digest if number == end.number + 1 else None
        kind = judge._judge(row, before, number <= end.number, None)
        if before or not kind:
            # A number that was made up must not make the next ones look repeated
            ends[name] = Tip(number, to_bytes(row["digest"]))
        if kind:
            yield row, kind


def _next(digest, content):
    return hashlib.sha256(digest + content).digest()


def to_bytes(text):
    """What a hex column holds; nothing, if that is no hex any more."""
    try:
        return bytes.fromhex(text or "")
    except ValueError:
        return b""


def _same(mac, text):
    return hmac.compare_digest(mac, to_bytes(text))
