"""The canary leak scan: looks for marked text wherever it must not be."""

import base64
import logging
import os
import time

from odoo.tools import config


class LogCapture(logging.Handler):
    """Keeps every log record's text, at every level that is on."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


class LeakScan:
    """Searches database, filestore, logs and what left, from its creation on.

    :param env: an environment whose transaction sees what the test did
    """

    def __init__(self, env):
        self._env = env
        self._since = time.time() - 2
        self._log = LogCapture()
        logging.getLogger().addHandler(self._log)
        self._left = []

    def close(self):
        logging.getLogger().removeHandler(self._log)

    def add_left(self, name, text):
        """Note something that left by SMTP, SMS or HTTP, to be searched too."""
        self._left.append((name, text))

    def find(self, needles):
        """All leaks of any needle.

        :param needles: marked texts
        :return: list of (where, needle)
        """
        self._env.flush_all()
        needles = [str(needle) for needle in needles if needle]
        return [
            *self._find_in_tables(needles),
            *self._find_in_files(needles),
            *self._find_in_texts("log", self._log.lines, needles),
            *(
                (name, needle)
                for name, text in self._left
                for needle in needles
                if needle in text
            ),
        ]

    def _find_in_texts(self, where, texts, needles):
        return [
            (where, needle) for text in texts for needle in needles if needle in text
        ]

    def _find_in_tables(self, needles):
        cr = self._env.cr
        cr.execute(
            """SELECT quote_ident(table_schema) || '.' || quote_ident(table_name)
                 FROM information_schema.tables
                WHERE table_type = 'BASE TABLE'
                  AND table_schema NOT IN ('pg_catalog', 'information_schema')"""
        )
        found = []
        for (table,) in cr.fetchall():
            for needle in needles:
                patterns = [f"%{form}%" for form in disguises(needle)]
                # A row as text shows text and JSON as they are and bytea as hex
                cr.execute(  # pylint: disable=sql-injection
                    f"SELECT 1 FROM {table} AS t WHERE t::text LIKE ANY(%s) LIMIT 1",
                    [patterns],
                )
                if cr.fetchone():
                    found.append((table, needle))
        return found

    def _find_in_files(self, needles):
        found = []
        for folder, _folders, names in os.walk(config.filestore(self._env.cr.dbname)):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.getmtime(path) < self._since:
                    continue
                with open(path, "rb") as stream:
                    data = stream.read()
                found += [
                    ("filestore", needle)
                    for needle in needles
                    if needle.encode() in data
                ]
        return found


def disguises(needle):
    """A text as it stands in a row: as such, in hex, and in base64 at any offset."""
    data = needle.encode()
    forms = [_like(needle), data.hex()]
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data).decode()
        start = -(-offset * 8 // 6)
        end = len(encoded) - 4 if len(data) + offset > 3 else len(encoded)
        forms.append(_like(encoded[start + (1 if offset else 0) : end]))
    return [form for form in forms if len(form) >= 6]


def _like(text):
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
