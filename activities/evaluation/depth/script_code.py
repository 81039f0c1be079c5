"""Statements of JavaScript source on changed lines, each with faults that a test of it should notice.

As python_code.py, by tree-sitter's syntax tree.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from tree_sitter import Node, Parser

from activities.evaluation.depth.code import Mutant, Statement
from activities.evaluation.depth.python_code import MOST_MUTANTS, MOST_PARSED_BYTES, MOST_STATEMENTS
from activities.evaluation.weakening.facts import NotComparable, clipped
from activities.evaluation.weakening.script_assertions import text
from activities.evaluation.weakening.script_tests import language

_STATEMENTS = frozenset(
    {
        *("expression_statement", "return_statement", "throw_statement", "lexical_declaration", "variable_declaration"),
        *("if_statement", "while_statement", "do_statement", "for_statement", "for_in_statement", "switch_statement"),
        *("break_statement", "continue_statement"),
    }
)
_BLOCKS = frozenset({"statement_block", "switch_body", "class_body"})
_REMOVED = frozenset({"expression_statement", "throw_statement"})
_APART = frozenset({*_BLOCKS, "template_string", *_STATEMENTS})
"""What is in these is a statement of its own, or can't be changed by itself."""
_OPERATORS = {
    **{"==": "!=", "!=": "==", "===": "!==", "!==": "===", "<": "<=", "<=": "<", ">": ">=", ">=": ">"},
    **{"+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "**": "*", "&&": "||", "||": "&&", "??": "&&"},
    **{"&": "|", "|": "&", "<<": ">>", ">>": "<<"},
}
_TEXTS = frozenset({"string", "template_string"})


def statements(source: str, suffix: str, lines: Iterable[int]) -> tuple[Statement, ...]:
    """Those on the given lines, in order. Raises NotComparable."""
    data = source.encode()
    parser = Parser(language(suffix))
    root = parser.parse(data).root_node
    if root.has_error:
        raise NotComparable("it has a syntax error, or syntax that is not known here")
    wanted = set(lines)
    found: list[Node] = []
    pending = [root]
    while pending:
        node = pending.pop()
        pending += reversed(node.named_children)
        if not _is_statement(node):
            continue
        first, last = _span(node)
        if not wanted.isdisjoint(range(first, last + 1)):
            if len(found) == MOST_STATEMENTS:
                raise NotComparable(f"more than {MOST_STATEMENTS} statements of it are changed")
            found.append(node)
    left = [MOST_PARSED_BYTES]
    return tuple(
        Statement(
            *_span(node),
            tuple(islice(_mutants(node, data, parser, left), MOST_MUTANTS)),
            len(data[: node.start_byte].decode("utf-8", "replace").encode("utf-16-le")) // 2,
        )
        for node in sorted(found, key=lambda each: each.start_byte)
    )


def _is_statement(node: Node) -> bool:
    """Also what an arrow function returns without a block: it runs when the function does."""
    if node.type in _STATEMENTS:
        return True
    parent = node.parent
    return (
        parent is not None
        and parent.type == "arrow_function"
        and node.type != "statement_block"
        and node == parent.child_by_field_name("body")
    )


def _span(node: Node) -> tuple[int, int]:
    """First and last line; of what has a block in it, a function's for example, those of its head."""
    first, last = int(node.start_point[0]) + 1, int(node.end_point[0]) + 1
    body = node.child_by_field_name("body") or node.child_by_field_name("consequence")
    inner = [body] if body is not None and node.type in _STATEMENTS else []
    pending = list(node.named_children)
    while pending:
        child = pending.pop()
        if child.type in _BLOCKS:
            inner.append(child)
        else:
            pending += child.named_children
    return first, max(first, min((int(each.start_point[0]) + 1 for each in inner), default=last))


def _mutants(statement: Node, source: bytes, parser: Parser, left: list[int]) -> Iterator[Mutant]:
    for node, replacement in _changes(statement):
        left[0] -= len(source)
        if left[0] < 0:
            return
        (first, start), (last, end) = node.start_point, node.end_point
        whole = node.parent if node.parent is not None and not node.is_named else node
        around = text(whole).replace(text(node), replacement, 1) if whole is not node else replacement
        what = f"{clipped(text(whole))!r} became {clipped(around)!r}"
        mutant = Mutant(int(first), int(start), int(last), int(end), replacement, what)
        mutated = mutant.applied(source)
        if mutated != source and not parser.parse(mutated).root_node.has_error:
            yield mutant


def _changes(statement: Node) -> Iterator[tuple[Node, str]]:
    """A node of the statement, and what takes its place."""
    pending = [statement]
    while pending:
        node = pending.pop(0)
        yield from _of_expression(node)
        pending += [
            child
            for child in node.named_children
            if child.type not in _APART and not (_is_statement(child) and child != statement)
        ]
    if statement.type == "return_statement" and statement.named_children:
        yield statement.named_children[0], "undefined"
    elif statement.type in _REMOVED:
        yield statement, ";"


def _of_expression(node: Node) -> Iterator[tuple[Node, str]]:
    operator = node.child_by_field_name("operator")
    if node.type == "binary_expression" and operator is not None:
        replacement = _OPERATORS.get(text(operator))
        sides = (node.child_by_field_name("left"), node.child_by_field_name("right"))
        is_text = text(operator) == "+" and any(side is not None and side.type in _TEXTS for side in sides)
        if replacement is not None and not is_text:
            yield operator, replacement
    elif node.type == "unary_expression" and operator is not None and text(operator) == "!":
        argument = node.child_by_field_name("argument")
        yield node, f"({text(argument)})"
    elif node.type in ("true", "false"):
        yield node, "false" if node.type == "true" else "true"
    elif node.type == "number":
        yield node, f"({text(node)} + 1)"
