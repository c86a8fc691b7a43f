"""The table of security statements names tests that are there."""

import ast
import re
import unittest

from ground.paths import CHECKOUT

TABLE = CHECKOUT / "docs" / "statements.md"
THREATS = CHECKOUT / "docs" / "THREAT-MODEL.md"
COUNT = 55
LATER = {38, 39, 44, 49, 50, 51, 52, 53}
"""Statements that belong to later work, or of which a part does."""
NAMED = re.compile(r"`((?:addons/\w+/)?tests/\w+\.py)::(\w+)\.(test_\w+)`")


def tests_of(path):
    """Return (class, test) of each test in a file."""
    tree = ast.parse((CHECKOUT / path).read_text())
    return {
        (node.name, function.name)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for function in node.body
        if isinstance(function, ast.FunctionDef)
    }


class TestStatements(unittest.TestCase):
    """What the documents claim to be tested."""

    def rows(self):
        """Return the lines of the table by their number."""
        lines = re.findall(r"^\| (\d+) \|(.*)\|$", TABLE.read_text(), re.MULTILINE)
        return [(int(number), line) for number, line in lines]

    def test_every_statement_once(self):
        """From the first to the last."""
        numbers = [number for number, _line in self.rows()]
        self.assertEqual(numbers, list(range(1, COUNT + 1)))

    def test_each_has_tests_or_is_open(self):
        """Nothing else is said to be open than what comes later."""
        for number, line in self.rows():
            with self.subTest(statement=number):
                is_open = "**open" in line
                self.assertTrue(NAMED.search(line) or is_open)
                self.assertTrue(not is_open or number in LATER)

    def test_each_test_that_names_a_statement_is_in_its_row(self):
        """By the number in the test's name."""
        rows = dict(self.rows())
        folders = (CHECKOUT, *CHECKOUT.glob("addons/*"))
        for path in [file for one in folders for file in one.glob("tests/test_*.py")]:
            for case, test in tests_of(path.relative_to(CHECKOUT)):
                number = re.match(r"test_statement_(\d+)_", test)
                if number:
                    with self.subTest(test=f"{path.name} {case}.{test}"):
                        self.assertIn(f"::{case}.{test}`", rows[int(number[1])])

    def test_named_tests_are_there(self):
        """In both documents."""
        for document in (TABLE, THREATS):
            named = NAMED.findall(document.read_text())
            self.assertTrue(named)
            for path, case, test in named:
                with self.subTest(document=document.name, test=f"{path} {case}.{test}"):
                    self.assertIn((case, test), tests_of(path))
