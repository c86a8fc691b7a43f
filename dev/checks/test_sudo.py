"""Security statement 43: wherever full rights are taken, it says why beside it."""

import ast
import unittest

from ground.paths import CHECKOUT, bridge_modules

FOLDERS = ("cli", "controllers", "models", "tools", "wizard")
WHY = "# sudo:"
SYSTEM = "SUPERUSER_ID"


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
    """Tell `x.sudo()`, `env(su=True)` and what is done as the system user, as with
    `Environment(cr, SUPERUSER_ID, {})`, from `x.sudo(False)`, which gives back."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr == "sudo":
        return not (node.args and _is_false(node.args[0]))
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    return any(_name(value) == SYSTEM for value in values) or any(
        keyword.arg == "su" and not _is_false(keyword.value)
        for keyword in node.keywords
    )


def _is_false(node):
    return getattr(node, "value", None) is False


def _name(node):
    """Return the last part of `a.b.c`, or a name as it is."""
    return getattr(node, "attr", None) or getattr(node, "id", None)


def is_explained(lines, line, around):
    """Whether a comment says why: in the call's function or one around it, from its
    head to the call; or in the class, from its head to its first method.

    One covers all calls below it in the function, and one at a class's head all of its
    methods, those that are added later among them: whoever adds one has to see whether
    what stands there is still true."""
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
        code = "class A:\n    def f(self):\n        {}return {}\n"
        for call in (
            "self.sudo()",
            "self.sudo(True)",
            "request.env(user=user, su=True)",
            "self.env(su=su)",
            "api.Environment(cr, SUPERUSER_ID, {})",
            "self.with_user(api.SUPERUSER_ID)",
            "self.env(user=SUPERUSER_ID)",
        ):
            for comment, found in (("", False), ("# sudo: own\n        ", True)):
                text = code.format(comment, call)
                [(line, around)] = sudo_calls(ast.parse(text))
                self.assertEqual(is_explained(text.splitlines(), line, around), found)

    def test_rights_given_back_need_no_reason(self):
        """Nor does asking who it is."""
        for code in ("x.sudo(False)", "env(su=False)", "env.uid == SUPERUSER_ID"):
            self.assertEqual(list(sudo_calls(ast.parse(code))), [])
