"""How a chain is judged, without a database: two pasts with one beginning, as a copy of
the database that was written to would bring them, and values no column should hold."""

import hashlib
import hmac
import json
from datetime import datetime

from odoo.tests import BaseCase, tagged

from ..tools import log_chain
from ..tools.log_chain import Check, Finding, Tip

NAME = log_chain.chain_name(7, 1)
KEY, FINGERPRINT = b"k" * 32, "f1"


def mac(fingerprint, data):
    if fingerprint != FINGERPRINT:
        return None
    return hmac.new(KEY, data, hashlib.sha256).digest()


@tagged("post_install", "-at_install")
class TestChainRules(BaseCase):
    def rows(self, *details):
        """One row for each detail, not in a chain yet."""
        return [
            {
                **dict.fromkeys(log_chain.CONTENT, False),
                "date": datetime(2026, 3, 2, 12),
                "kind": "read",
                "detail": detail,
                "thread_id": 7,
                "company_id": 1,
            }
            for detail in details
        ]

    def chain(self, *details):
        """:return: (rows of a whole chain, its tip)"""
        rows = self.rows(*details)
        empty = Tip(0, log_chain.start(NAME))
        tip = log_chain.extend(empty, rows, FINGERPRINT, mac)
        for number, row in enumerate(rows, 1):
            row["id"] = 100 + number
        return rows, tip

    def found(self, rows, tip):
        return list(Check(mac).chain(NAME, rows, tip))

    def test_nothing_is_wrong_with_what_was_written(self):
        self.assertEqual(self.found(*self.chain("a", "b", "c")), [])

    def test_a_genuine_row_of_another_past(self):
        """It has a MAC of ours; the row after it does not follow it."""
        rows, tip = self.chain("a", "b", "c", "d")
        other, _tip = self.chain("a", "X", "c", "d")
        mixed = [rows[0], other[1], *rows[2:]]
        self.assertEqual(self.found(mixed, tip), [Finding("order", 3, 3, 103)])

    def test_the_first_row_follows_its_own_chains_beginning(self):
        rows, _tip = self.chain("a", "b")
        elsewhere = Tip(0, log_chain.start(log_chain.chain_name(8, 1)))
        tip = log_chain.extend(elsewhere, rows, FINGERPRINT, mac)
        self.assertEqual(self.found(rows, tip), [Finding("order", 1, 1, 101)])

    def test_what_follows_a_changed_row_is_not_accused(self):
        rows, tip = self.chain("a", "b", "c", "d")
        rows[1]["digest"] = "00" * 32
        self.assertEqual(self.found(rows, tip), [Finding("changed", 2, 2, 102)])

    def test_what_is_no_hex_was_changed(self):
        for column in log_chain.PROOF:
            for value in ("zz", "", None, "abc"):
                with self.subTest(column=column, value=value):
                    rows, tip = self.chain("a", "b", "c")
                    rows[1][column] = value
                    found = self.found(rows, tip)
                    self.assertEqual(found, [Finding("changed", 2, 2, 102)])

    def test_the_canonical_form_is_for_ever(self):
        """Rows that stand would look forged. docs/log.md tells others how to check."""
        [row] = self.rows("Zoë <é>")
        row["number"], row["link_id"] = 3, 0
        cells = [""] * len(log_chain.CONTENT)
        for column, text in (
            ("number", "3"),
            ("date", "2026-03-02T12:00:00Z"),
            ("kind", "read"),
            ("detail", "Zoë <é>"),
            ("company_id", "1"),
            ("thread_id", "7"),
        ):
            cells[log_chain.CONTENT.index(column)] = text
        expected = json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
        self.assertEqual(log_chain.canonical(row), expected.encode())
        self.assertIn("Zoë <é>".encode(), log_chain.canonical(row))
