"""Security statement 43: every `sudo()` stands next to what justifies it."""

import ast
import unittest

from ground.paths import CHECKOUT, bridge_modules

FOLDERS = ("controllers", "models", "tools", "wizard")
WHY = "# sudo:"


def sources():
    """Yield the module's and its bridges' Python files."""
    for root in (CHECKOUT, *bridge_modules()):
        for folder in FOLDERS:
            yield from sorted((root / folder).glob("*.py"))


def sudo_calls(tree):
    """Yield (line of a call that takes rights, lines of what is around it)."""

    def walk(node, around):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            around = [*around, node]
        if _takes_rights(node):
            yield node.func.end_lineno, around
        for child in ast.iter_child_nodes(node):
            yield from walk(child, around)

    yield from walk(tree, [])


def _takes_rights(node):
    """Tell `x.sudo()` from `x.sudo(False)`, which gives rights back."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    gives_back = node.args and getattr(node.args[0], "value", None) is False
    return node.func.attr == "sudo" and not gives_back


def is_explained(lines, line, around):
    """Whether a comment says why: above the call in its function, or for all of a
    class between its methods' heads."""
    for node in around:
        end = line if isinstance(node, ast.FunctionDef) else _first_method(node)
        if any(WHY in text for text in lines[node.lineno - 1 : end]):
            return True
    return False


def _first_method(node):
    """Return the line at which a class's first method starts."""
    methods = (one for one in node.body if isinstance(one, ast.FunctionDef))
    return min((one.lineno for one in methods), default=node.end_lineno)


class TestSudo(unittest.TestCase):
    """Each is explained."""

    maxDiff = None

    def test_statement_43_every_sudo_says_why(self):
        """In the function above it, or for the whole class."""
        unexplained = []
        for path in sources():
            text = path.read_text()
            for line, around in sudo_calls(ast.parse(text)):
                if not is_explained(text.splitlines(), line, around):
                    unexplained.append(f"{path.relative_to(CHECKOUT)}:{line}")
        self.assertEqual(unexplained, [])

    def test_the_check_finds_one(self):
        """Else its silence proves nothing."""
        code = "class A:\n    def f(self):\n        {}return self.sudo()\n"
        for comment, found in (("", False), ("# sudo: own\n        ", True)):
            text = code.format(comment)
            [(line, around)] = sudo_calls(ast.parse(text))
            self.assertEqual(is_explained(text.splitlines(), line, around), found)
