"""Statements of Python source on changed lines, each with faults that a test of it should notice.

A mutant is one small change to one statement, spliced into the source at its place so that all else stays as it was
written. Nothing is executed here.
"""

import ast
import copy
from collections.abc import Iterable, Iterator
from itertools import islice

from activities.evaluation.depth.code import Mutant, Statement
from activities.evaluation.weakening.facts import NotComparable, clipped

MOST_STATEMENTS = 2000
MOST_MUTANTS = 4
"""Of one statement."""
MOST_PARSED_BYTES = 30_000_000
"""Each mutant is parsed once, to see whether it is a program."""
_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Raise, ast.Assert, ast.Delete)
_NOT_RUN = (ast.Global, ast.Nonlocal)


def statements(source: str, lines: Iterable[int]) -> tuple[Statement, ...]:
    """Those on the given lines, in order. Raises NotComparable."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise NotComparable(f"this Python can't parse it ({type(error).__name__})") from error
    wanted = set(lines)
    found: list[tuple[int, int, ast.stmt]] = []
    for node in _runnable(tree):
        first, last = _span(node)
        if wanted.isdisjoint(range(first, last + 1)):
            continue
        if len(found) == MOST_STATEMENTS:
            raise NotComparable(f"more than {MOST_STATEMENTS} statements of it are changed")
        found.append((first, last, node))
    workshop = _Workshop(source)
    return tuple(
        Statement(first, last, tuple(islice(workshop.mutants(node), MOST_MUTANTS)))
        for first, last, node in sorted(found, key=lambda each: each[:2])
    )


def _runnable(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or isinstance(node, _NOT_RUN):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        yield node


def _span(node: ast.stmt) -> tuple[int, int]:
    """First and last line; of a compound statement those of its head."""
    body = getattr(node, "body", None) or getattr(node, "cases", None)
    if not body:
        return node.lineno, node.end_lineno or node.lineno
    first = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
    start = min((each.lineno for each in getattr(first, "decorator_list", [])), default=first.lineno)
    return node.lineno, max(node.lineno, start - 1)


class _Workshop:
    """Makes mutants that parse, as long as that does not take too much."""

    def __init__(self, source: str) -> None:
        self._source = source.encode()
        self._left = MOST_PARSED_BYTES

    def mutants(self, statement: ast.stmt) -> Iterator[Mutant]:
        """Of one statement."""
        for node, changed in _changes(statement):
            text = ast.unparse(changed)
            text = f"({text})" if isinstance(changed, ast.expr) and not isinstance(changed, ast.Constant) else text
            before, after = ast.unparse(node), ast.unparse(changed)
            self._left -= len(self._source)
            if before == after or self._left < 0:
                continue
            first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
            what = f"{clipped(before)!r} became {clipped(after)!r}"
            mutant = Mutant(first, node.col_offset, last, node.end_col_offset or 0, text, what)
            try:
                ast.parse(mutant.applied(self._source))
            except (SyntaxError, ValueError):
                continue
            yield mutant


def _changes(statement: ast.stmt) -> Iterator[tuple[ast.expr | ast.stmt, ast.expr | ast.stmt]]:
    """A node of the statement, and what takes its place; the likeliest to be noticed first."""
    for node in _own_expressions(statement):
        yield from ((node, changed) for changed in _of_expression(node))
    match statement:
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield statement, ast.Return(ast.Constant(None))
        case ast.Expr() | ast.Assign() | ast.AugAssign() | ast.Raise() | ast.Delete():
            yield statement, ast.Pass()
        case ast.If(test=test) | ast.While(test=test) if not isinstance(test, ast.Compare | ast.BoolOp):
            yield test, ast.UnaryOp(ast.Not(), test)


def _of_expression(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in _COMPARED:
            changed = copy.copy(node)
            changed.ops = [_COMPARED[type(op)](), *node.ops[1:]]
            yield changed
        case ast.BinOp(op=op) if type(op) in _CALCULATED and not _is_text(node):
            yield ast.BinOp(node.left, _CALCULATED[type(op)](), node.right)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value) if abs(value) < 1e15:
            yield ast.Constant(value + 1)


def _is_text(node: ast.BinOp) -> bool:
    """Strings that are put together: to take one from the other is an error that says nothing about a test."""
    return any(
        isinstance(each, ast.JoinedStr | ast.Constant) and not _is_number(each) for each in (node.left, node.right)
    )


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _own_expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """Expressions of a statement, without those of statements in its body, of annotations and inside f-strings."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop(0)
        if isinstance(node, ast.expr):
            yield node
        if isinstance(node, ast.JoinedStr):
            continue  # where its parts are can't be told before Python 3.12
        for name, child in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params"):
                continue
            pending += [
                each
                for each in (child if isinstance(child, list) else [child])
                if isinstance(each, ast.AST) and not isinstance(each, ast.stmt | ast.excepthandler | ast.match_case)
            ]
