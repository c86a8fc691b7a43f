"""Reads a list of PINs that somebody pasted or chose as a file. Says what is wrong by
the number of the line, and never quotes it: what people are told is logged, too."""

import csv
import io

MAX_LINES = 20_000
"""About what an hour of hashing sets."""
MAX_CHARACTERS = 4_000_000
DELIMITERS = ";,\t"

PIN = "pin"
KEYS = {
    "database_id": (".id", "database id", "database_id"),
    "external_id": ("id", "external id", "external_id"),
    "ref": ("ref", "reference"),
    "email": ("email", "e-mail"),
}
"""How a contact may be named, and by which headings; of several in one list, the first
of these counts."""


class ListRefused(ValueError):
    """A list of which nothing can be used; ``reason`` is one of ``empty``, ``long``,
    ``pin`` (no such column), ``contact`` (no such column), ``broken``."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def parse(text):
    """Read a list.

    :param str text: CSV with a line of headings
    :return: (key of ``KEYS``, list of (line number, contact as written, PIN as
        written)); either may be empty
    :raise ListRefused: with the reason
    """
    text = (text or "").removeprefix("\ufeff")
    if len(text) > MAX_CHARACTERS:
        raise ListRefused("long")
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = _numbered(reader)
    if len(rows) < 2:
        raise ListRefused("empty")
    if len(rows) > MAX_LINES + 1:
        raise ListRefused("long")
    key, place, pin_place = _columns(rows[0][1])
    return key, [
        (line, _cell(cells, place), _cell(cells, pin_place)) for line, cells in rows[1:]
    ]


def _numbered(reader):
    """(line number, cells) of all that hold anything."""
    try:
        return [
            (reader.line_num, cells)
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise ListRefused("broken") from error


def _columns(headings):
    names = [name.strip().casefold() for name in headings]
    if PIN not in names:
        raise ListRefused("pin")
    for key, known in KEYS.items():
        for name in known:
            if name in names:
                return key, names.index(name), names.index(PIN)
    raise ListRefused("contact")


def _cell(cells, place):
    return cells[place].strip() if place < len(cells) else ""
