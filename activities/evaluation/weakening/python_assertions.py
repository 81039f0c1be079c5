"""One assertion of Python's: what it looks at, what it expects, and how much that rules out."""

import ast

from activities.evaluation.weakening.facts import EXACT, Assertion

_APPROX_DEFAULTS = {"relative": 1e-6, "absolute": 1e-12}
"""Of pytest.approx, see its documentation."""
_OPERATORS: dict[type[ast.cmpop], tuple[str, int]] = {
    ast.Eq: ("==", EXACT),
    ast.Is: ("is", EXACT),
    ast.NotEq: ("!=", 30),
    ast.IsNot: ("is not", 20),
    ast.Lt: ("<", 50),
    ast.LtE: ("<=", 49),
    ast.Gt: (">", 50),
    ast.GtE: (">=", 49),
    ast.In: ("in", 60),
    ast.NotIn: ("not in", 30),
}
_CLOSE = 90
_METHODS = {
    **dict.fromkeys(("assertEqual", "assertEquals", "assertListEqual", "assertDictEqual"), ("==", EXACT)),
    **dict.fromkeys(("assertTupleEqual", "assertSetEqual", "assertSequenceEqual"), ("==", EXACT)),
    **dict.fromkeys(("assertMultiLineEqual", "assertJSONEqual", "assertXMLEqual"), ("==", EXACT)),
    **dict.fromkeys(("assert_equal", "assert_array_equal", "assert_frame_equal"), ("==", EXACT)),
    **dict.fromkeys(("assert_series_equal", "assertQuerySetEqual", "assertHTMLEqual"), ("==", EXACT)),
    "assertIs": ("is", EXACT),
    "assertCountEqual": ("has the same elements as", 80),
    "assertIn": ("contains", 60),
    "assertContains": ("contains", 60),
    "assertRegex": ("matches", 60),
    "assertLess": ("<", 50),
    "assertLessEqual": ("<=", 49),
    "assertGreater": (">", 50),
    "assertGreaterEqual": (">=", 49),
    "assertIsInstance": ("is a", 40),
    "assertNotEqual": ("!=", 30),
    "assertNotIn": ("not in", 30),
    "assertIsNot": ("is not", 20),
    "assert_called_once_with": ("called once with", EXACT),
    "assert_called_with": ("called with", 90),
    "assert_any_call": ("called some time with", 80),
    "assert_has_calls": ("called with each of", 90),
    "assertRedirects": ("redirects to", 90),
    "assertNumQueries": ("makes queries:", 90),
}
_SINGLE = {
    "assertTrue": ("is true", 15),
    "assert_": ("is true", 15),
    "assertFalse": ("is false", 15),
    "assertIsNone": ("is None", EXACT),
    "assertIsNotNone": ("is not None", 20),
    "assert_called_once": ("called once", 60),
    "assert_called": ("called", 40),
    "assert_not_called": ("not called", 60),
    "assert_awaited": ("awaited", 40),
    "assert_awaited_once": ("awaited once", 60),
}
_NEAR = {
    # Name: default tolerances, in which keywords they are given, and by which place.
    "assertAlmostEqual": ({"absolute": 0.5e-7}, {"places": "places", "delta": "absolute"}, ("places", "", "absolute")),
    "assert_almost_equal": ({"absolute": 1.5e-7}, {"decimal": "places"}, ("places",)),
    "assert_array_almost_equal": ({"absolute": 1.5e-6}, {"decimal": "places"}, ("places",)),
    "assert_allclose": ({"relative": 1e-7, "absolute": 0}, {"rtol": "relative", "atol": "absolute"}, ("rtol", "atol")),
    "allclose": ({"relative": 1e-5, "absolute": 1e-8}, {"rtol": "relative", "atol": "absolute"}, ("rtol", "atol")),
    "isclose": (
        {"relative": 1e-9, "absolute": 0},
        {"rel_tol": "relative", "abs_tol": "absolute", "rtol": "relative", "atol": "absolute"},
        (),
    ),
}
_WIDE = {"Exception": 1, "BaseException": 0}
UNKNOWN = float("inf")
"""A tolerance that is no number in the source."""


def asserted(test: ast.expr, line: int, guards: tuple[str, ...]) -> Assertion:
    """What an `assert` statement demands."""
    if isinstance(test, ast.Constant):
        return Assertion(line, ast.unparse(test), "is true", guards=guards)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _compared(test, line, guards)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return Assertion(line, ast.unparse(test.operand), "is false", strength=15, guards=guards)
    if isinstance(test, ast.Call):
        name = _last(test.func)
        if name in _NEAR and len(test.args) > 1:
            return _near(test, name, guards, line)
        if name == "isinstance" and len(test.args) == 2:
            kind = ast.unparse(test.args[1])
            return Assertion(line, ast.unparse(test.args[0]), "is a", kind, 40, guards=guards)
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        # Each further alternative rules out less.
        rest = " or ".join(ast.unparse(each) for each in test.values[1:])
        first = asserted(test.values[0], line, guards)
        strength = max(0, min(first.strength, 60) - 10 * len(test.values))
        return Assertion(line, first.subject, f"{first.relation} {first.expected} or", rest, strength, guards=guards)
    return Assertion(line, ast.unparse(test), "is true", strength=15, guards=guards)


def by_call(call: ast.Call, guards: tuple[str, ...]) -> Assertion | None:
    """What a call such as `self.assertEqual(...)` or `assert_allclose(...)` demands; None if it is no assertion."""
    name, arguments = _last(call.func), [ast.unparse(each) for each in call.args]
    if name in _NEAR and name.startswith("assert") and len(arguments) > 1:
        return _near(call, name, guards, call.lineno)
    if name in ("assertRaises", "assertRaisesRegex", "raises") and len(arguments) > 1:
        return Assertion(
            call.lineno, ", ".join(arguments[1:]), "raises", arguments[0], _of_exception(arguments[0]), guards=guards
        )
    is_of_a_mock = isinstance(call.func, ast.Attribute) and name in (*_METHODS, *_SINGLE)
    if is_of_a_mock and name.startswith("assert_") and not name.endswith("equal"):
        # Of a mock: what it was called with is what is expected.
        relation, strength = _METHODS.get(name) or _SINGLE[name]
        given = ", ".join((*arguments, *(ast.unparse(each.value) for each in call.keywords)))
        mock = ast.unparse(call.func).removesuffix(f".{name}")
        return Assertion(call.lineno, mock, relation, given, strength, guards=guards)
    if name in _SINGLE and arguments:
        relation, strength = _SINGLE[name]
        return Assertion(call.lineno, arguments[0], relation, strength=strength, guards=guards)
    if name in _METHODS and len(arguments) > 1:
        relation, strength = _METHODS[name]
        subject, expected = arguments[:2]
        if relation == "contains" and name == "assertIn":
            subject, expected = expected, subject
        if _is_literal(call.args[0]) and not _is_literal(call.args[1]):
            subject, expected = expected, subject
        strength = 0 if subject == expected else strength
        return Assertion(call.lineno, subject, relation, expected, strength, guards=guards)
    if name.startswith("assert") and name not in ("assertRaises", "assertRaisesRegex", "assertWarns", "assertLogs"):
        return Assertion(call.lineno, ", ".join(arguments), name, strength=50, guards=guards)
    return None


def raised(context: ast.expr, body: list[ast.stmt], guards: tuple[str, ...]) -> Assertion | None:
    """What `with pytest.raises(...)` demands; None if it is something else."""
    if not isinstance(context, ast.Call) or not context.args:
        return None
    name = _last(context.func)
    if name not in ("raises", "assertRaises", "assertRaisesRegex", "warns", "assertWarns", "assertLogs"):
        return None
    words = [*(ast.unparse(each) for each in context.args[1:]), *(ast.unparse(each.value) for each in context.keywords)]
    kind = ast.unparse(context.args[0])
    return Assertion(
        line=context.lineno,
        subject="; ".join(ast.unparse(each) for each in body),
        relation=name.removeprefix("assert").lower().removesuffix("regex"),
        expected=", ".join((kind, *words)),
        strength=_of_exception(kind) + (5 if words else 0),
        guards=guards,
    )


def _compared(test: ast.Compare, line: int, guards: tuple[str, ...]) -> Assertion:
    relation, strength = _OPERATORS[type(test.ops[0])]
    left, right = test.left, test.comparators[0]
    if relation == "==" and _is_literal(left) and not _is_literal(right):
        left, right = right, left
    if relation == "in":
        # The container is looked at for the element; so is it with `contains`.
        left, right, relation = right, left, "contains"
    subject, expected = ast.unparse(left), ast.unparse(right)
    for one, other in ((right, subject), (left, expected)):
        if relation == "==" and isinstance(one, ast.Call) and _last(one.func) == "approx" and one.args:
            given = {"rel": "relative", "abs": "absolute"}
            tolerance = _tolerance(one, _APPROX_DEFAULTS, given, ("relative", "absolute"), first=1)
            return Assertion(line, other, "==", ast.unparse(one.args[0]), _CLOSE, tolerance, guards)
    if subject == expected:
        strength = 0
    elif relation == "is not" and expected == "None":
        relation, expected = "is not None", ""
    return Assertion(line, subject, relation, expected, strength, guards=guards)


def _near(call: ast.Call, name: str, guards: tuple[str, ...], line: int) -> Assertion:
    defaults, keywords, places = _NEAR[name]
    by_place = tuple(keywords.get(place, place) for place in places)
    tolerance = _tolerance(call, defaults, keywords, by_place, first=2)
    subject, expected = (ast.unparse(each) for each in call.args[:2])
    if _is_literal(call.args[0]) and not _is_literal(call.args[1]):
        subject, expected = expected, subject
    return Assertion(line, subject, "==", expected, _CLOSE, tolerance, guards)


def _tolerance(
    call: ast.Call, defaults: dict[str, float], keywords: dict[str, str], by_place: tuple[str, ...], first: int
) -> tuple[tuple[str, float], ...]:
    """By kind; `places` count decimal digits, so that fewer are wider."""
    found = dict(defaults)
    given = [(kind, value) for kind, value in zip(by_place, call.args[first:], strict=False) if kind]
    given += [(keywords[each.arg], each.value) for each in call.keywords if each.arg in keywords]
    for kind, value in given:
        amount = _number(value)
        if amount is None:
            if not (isinstance(value, ast.Constant) and value.value is None):
                found["absolute" if kind == "places" else kind] = UNKNOWN
        elif kind == "places":
            found["absolute"] = 0.5 * 10 ** -max(-300, min(300, amount))
        else:
            found[kind] = amount
    if "absolute" in {kind for kind, _ in given} and "relative" in found and "relative" not in {k for k, _ in given}:
        # pytest.approx with `abs` alone looks at that alone.
        found["relative"] = 0 if defaults is _APPROX_DEFAULTS else found["relative"]
    return tuple(sorted(found.items()))


def _number(node: ast.expr) -> float | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and abs(node.value) < 1e300:
        return sign * float(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        base, power = _number(node.left), _number(node.right)
        if base is not None and power is not None and abs(base) <= 100 and abs(power) <= 100 and base > 0:
            return float(sign * base**power)
    return None


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set | ast.JoinedStr) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
    )


def _of_exception(kind: str) -> int:
    return 70 + _WIDE.get(kind.rpartition(".")[2], 5)


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
