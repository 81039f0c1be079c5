"""What Python's tests assert, by their syntax tree: pytest, unittest, numpy's and Django's assertions by their names.

Nothing is executed. Names are not resolved: `expect = self.assertEqual` hides an assertion, as a helper in another file
does; both are seen as the assertion that is gone.
"""

import ast
from collections.abc import Iterator

from activities.evaluation.weakening.facts import EXACT, Assertion, Gathered, Mark, NotComparable, Unit
from activities.evaluation.weakening.python_assertions import asserted, by_call, raised

_SWALLOWERS = frozenset({"Exception", "BaseException", "AssertionError"})
_MOCKS = frozenset({"Mock", "MagicMock", "AsyncMock", "NonCallableMock", "PropertyMock", "create_autospec"})
_PATCHERS = frozenset({"patch", "object", "dict", "multiple", "setattr", "setitem", "delattr", "stub", "spy"})
_PATCHES = frozenset({"patch", "mocker", "monkeypatch", "mock", "flexmock"})
_RETRIES = frozenset({"flaky", "retry", "rerun", "reruns", "retries", "max_runs"})
_MOST_ASSERTIONS = 20_000


def units(source: str) -> tuple[Unit, ...]:
    """Every function, and the module itself. Raises NotComparable."""
    try:
        tree = ast.parse(source)
        reader = _Reader()
        reader.read(tree)
    except (SyntaxError, ValueError) as error:
        raise NotComparable(f"this Python can't parse it ({type(error).__name__})") from error
    except (RecursionError, MemoryError) as error:
        raise NotComparable("it is nested too deeply to be read") from error
    return tuple(gathered.unit() for gathered in reader.found)


class _Reader:
    """Walks a module; a function is a unit of its own, and what is nested in it belongs to it."""

    def __init__(self) -> None:
        self._units: dict[str, Gathered] = {}
        self._count = 0

    @property
    def found(self) -> list[Gathered]:
        """Of units with one name the last: it takes the place of those before it."""
        return list(self._units.values())

    def read(self, tree: ast.Module) -> None:
        module = Gathered("", 1, is_test=False)
        self._units[""] = module
        self._definitions(tree.body, "", module)

    def _definitions(self, body: list[ast.stmt], prefix: str, around: Gathered) -> None:
        for statement in body:
            if isinstance(statement, ast.ClassDef):
                for decorator in statement.decorator_list:
                    self._expressions(decorator, around, ())
                self._definitions(statement.body, f"{prefix}{statement.name}.", around)
            elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                unit = Gathered(prefix + statement.name, statement.lineno, statement.name.startswith("test"))
                self._units[unit.name] = unit
                for decorator in statement.decorator_list:
                    self._expressions(decorator, unit, ())
                    unit.assertions += _cases(decorator)
                self._block(statement.body, unit, ())
            else:
                self._block([statement], around, ())

    def _block(self, body: list[ast.stmt], unit: Gathered, guards: tuple[str, ...]) -> None:
        for statement in body:
            self._statement(statement, unit, guards)
            if isinstance(statement, ast.Return | ast.Raise | ast.Continue | ast.Break):
                return  # what follows never runs

    def _statement(self, statement: ast.stmt, unit: Gathered, guards: tuple[str, ...]) -> None:
        match statement:
            case ast.Assert():
                for part in _conjuncts(statement.test):
                    self._add(unit, asserted(part, statement.lineno, guards))
                self._expressions(statement.test, unit, guards)
            case ast.If(test=test):
                self._expressions(test, unit, guards)
                if not (isinstance(test, ast.Constant) and not test.value):
                    self._block(statement.body, unit, (*guards, f"if {ast.unparse(test)}"))
                self._block(statement.orelse, unit, (*guards, f"unless {ast.unparse(test)}"))
            case ast.With() | ast.AsyncWith():
                self._with(statement, unit, guards)
            case ast.Try() | ast.TryStar():
                swallowed = tuple(f"except {name}: swallowed" for name in _swallowed(statement.handlers))
                self._block(statement.body, unit, (*guards, *swallowed))
                for handler in statement.handlers:
                    self._block(handler.body, unit, (*guards, "in an exception handler"))
                self._block(statement.orelse, unit, guards)
                self._block(statement.finalbody, unit, guards)
            case _:
                self._rest(statement, unit, guards)

    def _with(self, statement: ast.With | ast.AsyncWith, unit: Gathered, guards: tuple[str, ...]) -> None:
        inner = guards
        for item in statement.items:
            self._expressions(item.context_expr, unit, guards)
            if _suppresses(item.context_expr):
                inner = (*inner, "suppressed")
            self._add(unit, raised(item.context_expr, statement.body, guards))
        self._block(statement.body, unit, inner)

    def _rest(self, statement: ast.stmt, unit: Gathered, guards: tuple[str, ...]) -> None:
        match statement:
            case ast.For() | ast.AsyncFor():
                self._expressions(statement.iter, unit, guards)
                self._block(statement.body, unit, guards)
                self._block(statement.orelse, unit, guards)
            case ast.While(test=test):
                self._expressions(test, unit, guards)
                self._block(statement.body, unit, (*guards, f"while {ast.unparse(test)}"))
            case ast.Match():
                for case in statement.cases:
                    self._block(case.body, unit, (*guards, f"case {ast.unparse(case.pattern)}"))
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                for decorator in statement.decorator_list:
                    self._expressions(decorator, unit, guards)
                self._block(statement.body, unit, guards)
            case _:
                self._expressions(statement, unit, guards)

    def _add(self, unit: Gathered, found: Assertion | None) -> None:
        if found is None:
            return
        self._count += 1
        if self._count > _MOST_ASSERTIONS:
            raise NotComparable(f"it has more than {_MOST_ASSERTIONS} assertions")
        unit.assertions.append(found)

    def _expressions(self, node: ast.AST, unit: Gathered, guards: tuple[str, ...]) -> None:
        for call in (each for each in ast.walk(node) if isinstance(each, ast.Call | ast.Attribute)):
            if isinstance(call, ast.Attribute):
                if call.attr in _RETRIES and _dotted(call).startswith("pytest.mark."):
                    unit.retries.append(Mark(call.lineno, _dotted(call)))
                continue
            self._add(unit, by_call(call, guards))
            name = _dotted(call.func)
            last, first = name.rpartition(".")[2], name.partition(".")[0]
            if last in _MOCKS or (last in _PATCHERS and any(part in _PATCHES for part in name.split("."))):
                target = ast.unparse(call.args[0]) if call.args else ""
                unit.mocks.append(Mark(call.lineno, f"{name}({target})" if first else name))
            unit.timeouts += _bounds(call, name, "timeout")
            unit.retries += [mark for word in _RETRIES for mark in _bounds(call, name, word)]


def _conjuncts(test: ast.expr) -> list[ast.expr]:
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]


def _cases(decorator: ast.expr) -> Iterator[Assertion]:
    """Each case of a parametrised test is something that it demands."""
    if not (isinstance(decorator, ast.Call) and _dotted(decorator.func).endswith("parametrize")):
        return
    names = ast.unparse(decorator.args[0]) if decorator.args else ""
    cases = decorator.args[1] if len(decorator.args) > 1 else None
    if isinstance(cases, ast.List | ast.Tuple | ast.Set):
        for case in cases.elts:
            parts = case.elts if isinstance(case, ast.Tuple | ast.List) and len(case.elts) > 1 else [case]
            given = ", ".join(ast.unparse(part) for part in parts[:-1])
            expected = ast.unparse(parts[-1])
            subject = f"case {names}: {given}" if given else f"case {names}: {expected}"
            yield Assertion(case.lineno, subject, "expects" if given else "", expected if given else "", EXACT)


def _bounds(call: ast.Call, name: str, word: str) -> list[Mark]:
    """Numbers that bound a wait, or count repetitions: `timeout=5`, `pytest.mark.timeout(5)`."""
    named = [(word, keyword.value) for keyword in call.keywords if keyword.arg == word]
    if name.rpartition(".")[2] == word and call.args:
        named.append(("", call.args[0]))
    return [
        Mark(call.lineno, f"{name}({key})", float(value.value))
        for key, value in named
        if isinstance(value, ast.Constant) and isinstance(value.value, int | float) and abs(value.value) < 1e15
    ]


def _swallowed(handlers: list[ast.ExceptHandler]) -> Iterator[str]:
    for handler in handlers:
        named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        names = [_dotted(each).rpartition(".")[2] if each is not None else "BaseException" for each in named]
        goes_on = any(
            isinstance(each, ast.Raise) or (isinstance(each, ast.Call) and _dotted(each.func).endswith("fail"))
            for statement in handler.body
            for each in ast.walk(statement)
        )
        if not goes_on:
            yield from (name for name in names if name in _SWALLOWERS)


def _suppresses(context: ast.expr) -> bool:
    return (
        isinstance(context, ast.Call)
        and _dotted(context.func).endswith("suppress")
        and any(_dotted(each).rpartition(".")[2] in _SWALLOWERS for each in context.args)
    )


def _dotted(node: ast.AST | None) -> str:
    """`a.b.c` of a name, without what is called or indexed on the way."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))
