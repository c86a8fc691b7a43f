"""Small faults for a source file: each comparison, condition, boolean and return in
its functions, flipped one at a time. What the tests do not notice, they do not
watch."""

import ast
import copy
import re

COMPARISONS = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
"""An order is flipped twice: at its border, and altogether."""
SQL_COMPARISONS = {
    " >= ": (" > ", " < "),
    " <= ": (" < ", " > "),
    " > ": (" >= ", " <= "),
    " < ": (" <= ", " >= "),
    " = ": (" <> ",),
    " <> ": (" = ",),
    " AND ": (" OR ",),
    " OR ": (" AND ",),
    "IS NULL": ("IS NOT NULL",),
    "IS NOT NULL": ("IS NULL",),
}
SQL = re.compile(r"\b(SELECT|UPDATE|DELETE|INSERT)\b")
SQL_ASSIGNMENTS = re.compile(r"\bSET\b.*?(?=\bFROM\b|\bWHERE\b|$)", re.DOTALL)
DOMAIN_COMPARISONS = {
    "=": ("!=",),
    "!=": ("=",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "in": ("not in",),
    "not in": ("in",),
}


class Mutant:
    """One fault: where it is, and how to make it."""

    def __init__(self, node, function, what, apply):
        """`apply` changes a copy of the node, or returns what takes its place."""
        self.node = node
        self.line = node.lineno
        self.function = function
        self.what = what
        self.apply = apply

    @property
    def key(self):
        """What names it as long as the code around it stays: no line number."""
        return f"{self.function}: {self.what}"


def mutants_of(source):
    """List the faults of a source text, in its order.

    :return: list of ``Mutant``; several with one key are numbered
    """
    finder = _Finder()
    finder.visit(ast.parse(source))
    seen = {}
    for mutant in finder.found:
        number = seen[mutant.key] = seen.get(mutant.key, 0) + 1
        if number > 1:
            mutant.what += f" #{number}"
    return finder.found


def mutated(source, number):
    """Return the syntax tree of a source with the fault of that number."""
    tree = ast.parse(source)
    finder = _Finder()
    finder.visit(tree)
    mutant = finder.found[number]
    tree = _Swap(mutant).visit(tree)
    return ast.fix_missing_locations(tree)


class _Swap(ast.NodeTransformer):
    """Puts one fault into the very tree it was found in."""

    def __init__(self, mutant):
        """Keep the fault."""
        self.mutant = mutant

    def visit(self, node):
        """Swap the node, or go on below it."""
        if node is self.mutant.node:
            return self.mutant.apply(copy.deepcopy(node))
        return self.generic_visit(node)


class _Finder(ast.NodeVisitor):
    """Walks a tree and notes what can be flipped inside functions. What a class or a
    module declares (fields, constants) is no decision."""

    def __init__(self):
        """Nothing yet."""
        self.found = []
        self.names = []
        self.depth = 0

    def _note(self, node, what, apply):
        """Note a fault, unless outside of functions."""
        if self.depth:
            mutant = Mutant(node, ".".join(self.names), what, apply)
            self.found.append(mutant)

    def visit_ClassDef(self, node):
        """Remember whose functions these are."""
        self.names.append(node.name)
        self.generic_visit(node)
        self.names.pop()

    def visit_FunctionDef(self, node):
        """Remember where we are; defaults and decorators are no decisions."""
        self.names.append(node.name)
        self.depth += 1
        for statement in node.body:
            self.visit(statement)
        self.depth -= 1
        self.names.pop()

    def visit_Compare(self, node):
        """Each of its operators."""
        for index, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                changed = copy.deepcopy(node)
                changed.ops[index] = other()
                self._note(node, _arrow(node, changed), _always(changed))
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        """And for or."""
        changed = copy.deepcopy(node)
        changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self._note(node, _arrow(node, changed), _always(changed))
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        """Without its not."""
        if isinstance(node.op, ast.Not):
            self._note(node, _arrow(node, node.operand), _always(node.operand))
        self.generic_visit(node)

    def visit_Constant(self, node):
        """True for false, and comparisons in SQL."""
        if isinstance(node.value, bool):
            changed = ast.Constant(not node.value)
            self._note(node, _arrow(node, changed), _always(changed))
        elif isinstance(node.value, str) and SQL.search(node.value):
            self._note_sql(node)

    def visit_Expr(self, node):
        """A docstring is no code."""
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_If(self, node):
        """Its condition."""
        self._note_condition(node)

    def visit_IfExp(self, node):
        """Its condition."""
        self._note_condition(node)

    def visit_While(self, node):
        """Its condition."""
        self._note_condition(node)

    def _note_condition(self, node):
        """A plain value as condition; comparisons and `not` are flipped anyway."""
        if not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            test = node.test
            self._note(test, f"if {_text(test)} -> if not", _negated)
        self.generic_visit(node)

    def visit_Return(self, node):
        """Nothing, or the contrary."""
        if node.value is None:
            self._note(node, "return -> go on", _always(ast.Pass()))
        elif not _is_boolean(node.value):
            empty = isinstance(node.value, ast.Constant) and not node.value.value
            other = ast.Constant(True if empty else None)
            shown = ast.Return(other)
            # The value stays in the code: a function must keep the names it closes over
            changed = ast.Return(ast.IfExp(ast.Constant(True), other, node.value))
            self._note(node, _arrow(node, shown), _always(changed))
        elif isinstance(node.value, ast.Call):
            changed = ast.Return(ast.UnaryOp(ast.Not(), node.value))
            self._note(node, _arrow(node, changed), _always(changed))
        self.generic_visit(node)

    def visit_Tuple(self, node):
        """A term of a domain: (field, operator, value)."""
        if len(node.elts) == 3 and isinstance(node.elts[1], ast.Constant):
            for other in DOMAIN_COMPARISONS.get(node.elts[1].value, ()):
                changed = copy.deepcopy(node)
                changed.elts[1] = ast.Constant(other)
                self._note(node, _arrow(node, changed), _always(changed))
        self.generic_visit(node)

    def _note_sql(self, node):
        """Comparisons in a statement; what it assigns is none."""
        text = node.value
        skipped = [match.span() for match in SQL_ASSIGNMENTS.finditer(text)]
        for found in re.finditer("|".join(SQL_COMPARISONS), text):
            if found[0] == " = " and any(
                start <= found.start() < end for start, end in skipped
            ):
                continue
            for other in SQL_COMPARISONS[found[0]]:
                changed = text[: found.start()] + other + text[found.end() :]
                words = text[: found.start()].split()[-3:]
                around = " ".join([*words, found[0], *text[found.end() :].split()[:3]])
                what = f"SQL {' '.join(around.split())}: {found[0].strip()}"
                self._note(
                    node,
                    f"{what} -> {other.strip()}",
                    _always(ast.Constant(changed)),
                )


def _always(changed):
    """Return what swaps a node for another."""
    return lambda _node: changed


def _negated(node):
    """Return the contrary of a condition."""
    return ast.UnaryOp(ast.Not(), node)


def _is_boolean(node):
    """Whether flipping what is inside flips the whole, or a call says yes or no."""
    if isinstance(node, ast.Compare | ast.BoolOp):
        return True
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool)
    return _text(node).startswith(("bool(", "any(", "all(", "hmac.compare_digest("))


def _text(node):
    """Return code in one line."""
    return " ".join(ast.unparse(node).split())


def _arrow(node, changed):
    """Return what changes, as people read it."""
    return f"{_text(node)} -> {_text(changed)}"
