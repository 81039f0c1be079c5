"""What tests in JavaScript and TypeScript assert: Jest, Vitest, Mocha with Chai or Should, and Node's own runner.

Read from the syntax tree that tree-sitter makes; nothing is executed and no name is resolved.
"""

from collections.abc import Iterator

import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from activities.evaluation.weakening.facts import EXACT, Assertion, Gathered, Mark, NotComparable, Unit
from activities.evaluation.weakening.script_assertions import asserted, number, parts, text

_GRAMMARS = {
    ".ts": tree_sitter_typescript.language_typescript,
    ".mts": tree_sitter_typescript.language_typescript,
    ".cts": tree_sitter_typescript.language_typescript,
    ".tsx": tree_sitter_typescript.language_tsx,
}
_TESTS = frozenset({"it", "test", "specify", "xit", "xtest", "fit", "bench"})
_GROUPS = frozenset({"describe", "context", "suite", "xdescribe", "fdescribe"})
_FUNCTIONS = frozenset(
    {"function_declaration", "function_expression", "arrow_function", "method_definition", "generator_function"}
)
_MOCKED = {
    "jest": ("mock", "doMock", "unstable_mockModule", "spyOn", "fn", "replaceProperty", "createMockFromModule"),
    "vi": ("mock", "doMock", "spyOn", "fn", "stubGlobal", "stubEnv"),
    "sinon": ("stub", "mock", "fake", "replace", "spy", "createStubInstance"),
    "sandbox": ("stub", "mock", "fake", "replace", "spy"),
    "mock": ("method", "fn", "module", "getter", "setter"),
    "t": ("mock",),
    "td": ("replace", "func", "object"),
}
_TIMEOUTS = frozenset({"setTimeout", "timeout", "testTimeout", "hookTimeout"})
_RETRIES = frozenset({"retryTimes", "retries", "retry"})
_MOST_DEPTH = 2000
_MOST_NODES = 2_000_000


def units(source: bytes, suffix: str) -> tuple[Unit, ...]:
    """Every test, and what is outside of tests. Raises NotComparable."""
    root = Parser(language(suffix)).parse(source).root_node
    if root.has_error:
        raise NotComparable("it has a syntax error, or syntax that is not known here")
    return tuple(gathered.unit() for gathered in _gathered(root))


def language(suffix: str) -> Language:
    """The grammar for files of this suffix."""
    return Language(_GRAMMARS.get(suffix, tree_sitter_javascript.language)())


def _gathered(root: Node) -> list[Gathered]:
    """Walked with a stack of its own: source may be nested more deeply than Python may call."""
    found = [Gathered("", 1, is_test=False)]
    pending: list[tuple[Node, Gathered, str, tuple[str, ...], int]] = [(root, found[0], "", (), 0)]
    nodes = 0
    while pending:
        node, unit, prefix, guards, depth = pending.pop()
        nodes += 1
        if nodes > _MOST_NODES or depth > _MOST_DEPTH:
            raise NotComparable("it is nested too deeply, or too large")
        if node.type == "call_expression":
            kind, title = _opened(node)
            if kind:
                prefix = f"{prefix} > {title}" if prefix else title
            if kind == "test":
                unit = Gathered(prefix, _line(node), is_test=True)
                found.append(unit)
                unit.assertions += _cases(node)
            _note(node, unit, guards)
        if node.type == "pair":
            _note_option(node, unit)
        for child in reversed(list(_live(node))):
            pending.append((child, unit, prefix, (*guards, *_guard(node, child)), depth + 1))
    return found


def _opened(call: Node) -> tuple[str, str]:
    """Whether a call defines a test or a group, and its title."""
    names, arguments = parts(call)
    first = names[0] if names else ""
    kind = "test" if first in _TESTS else "group" if first in _GROUPS else ""
    titles = ("string", "template_string")
    if not kind or not arguments or arguments[0].type not in titles or len(arguments) < 2:
        return "", ""
    return kind, text(arguments[0])[1:-1][:200]


def _cases(call: Node) -> Iterator[Assertion]:
    """Rows of `test.each([...])`: each is something that is demanded."""
    names, _ = parts(call)
    inner = call.child_by_field_name("function")
    if "each" not in names or inner is None or inner.type != "call_expression":
        return
    _, tables = parts(inner)
    for table in tables[:1]:
        for row in table.named_children if table.type == "array" else ():
            cells = [text(cell) for cell in row.named_children] if row.type == "array" else [text(row)]
            given = ", ".join(cells[:-1])
            subject = f"case {given}" if given else f"case {cells[-1] if cells else ''}"
            expected = cells[-1] if given else ""
            yield Assertion(_line(row), subject, "expects" if given else "", expected, EXACT)


def _note(call: Node, unit: Gathered, guards: tuple[str, ...]) -> None:
    names, arguments = parts(call)
    if (found := asserted(call, guards)) is not None:
        unit.assertions.append(found)
    if not names:
        return
    first, last = names[0], names[-1]
    if (len(names) > 1 and last in _MOCKED.get(first, ())) or (first == "t" and "mock" in names[1:-1]):
        unit.mocks.append(Mark(_line(call), f"{'.'.join(names)}({', '.join(text(each) for each in arguments[:2])})"))
    amount = number(arguments[0]) if arguments else None
    bounded = len(names) > 1 or last == "retryTimes"
    if amount is not None and bounded and last in _TIMEOUTS:
        unit.timeouts.append(Mark(_line(call), ".".join(names), amount))
    if amount is not None and bounded and last in _RETRIES:
        unit.retries.append(Mark(_line(call), ".".join(names), amount))
    if _opened(call)[0] == "test" and len(arguments) > 2 and (amount := number(arguments[2])) is not None:
        unit.timeouts.append(Mark(_line(call), f"{first}(…, timeout)", amount))


def _note_option(pair: Node, unit: Gathered) -> None:
    key, value = pair.child_by_field_name("key"), pair.child_by_field_name("value")
    name = text(key).strip("'\"") if key is not None else ""
    amount = number(value) if value is not None else None
    if amount is not None and name in _TIMEOUTS:
        unit.timeouts.append(Mark(_line(pair), name, amount))
    if amount is not None and name in _RETRIES:
        unit.retries.append(Mark(_line(pair), name, amount))


def _live(node: Node) -> Iterator[Node]:
    """Children that can be reached: what follows an unconditional return in a block never runs."""
    for child in node.named_children:
        yield child
        if node.type == "statement_block" and child.type in ("return_statement", "throw_statement"):
            return


def _guard(node: Node, child: Node) -> tuple[str, ...]:
    """Under what condition a child runs, beyond its parent's."""
    match node.type:
        case "if_statement" if child != node.child_by_field_name("condition"):
            condition = text(node.child_by_field_name("condition"))
            return (f"if {condition}" if child == node.child_by_field_name("consequence") else f"unless {condition}",)
        case "while_statement" if child != node.child_by_field_name("condition"):
            return (f"while {text(node.child_by_field_name('condition'))}",)
        case "ternary_expression" if child != node.child_by_field_name("condition"):
            return (f"if {text(node.child_by_field_name('condition'))}",)
        case "try_statement" if child == node.child_by_field_name("body"):
            handler = node.child_by_field_name("handler")
            if handler is not None and not any(
                word in text(handler) for word in ("throw", "fail(", "done(", "expect(")
            ):
                return ("catch: swallowed",)
        case "catch_clause":
            return ("in an exception handler",)
    return ()


def _line(node: Node) -> int:
    return int(node.start_point[0]) + 1
