"""One assertion of JavaScript's: what it looks at, what it expects, and how much that rules out."""

from tree_sitter import Node

from activities.evaluation.weakening.facts import EXACT, Assertion

_MATCHERS = {
    # Jest and Vitest
    **dict.fromkeys(("toBe", "toStrictEqual"), EXACT),
    "toEqual": 95,
    "toMatchObject": 70,
    **dict.fromkeys(("toMatchInlineSnapshot", "toThrowErrorMatchingInlineSnapshot"), 95),
    **dict.fromkeys(("toMatchSnapshot", "toThrowErrorMatchingSnapshot", "toMatchFileSnapshot"), 80),
    "toBeCloseTo": 90,
    **dict.fromkeys(("toContain", "toContainEqual", "toMatch", "toHaveProperty", "toHaveLength"), 60),
    **dict.fromkeys(("toBeGreaterThan", "toBeLessThan"), 50),
    **dict.fromkeys(("toBeGreaterThanOrEqual", "toBeLessThanOrEqual"), 49),
    **dict.fromkeys(("toBeNull", "toBeUndefined", "toBeNaN"), EXACT),
    "toBeInstanceOf": 40,
    **dict.fromkeys(("toBeTruthy", "toBeFalsy"), 15),
    "toBeDefined": 12,
    **dict.fromkeys(("toThrow", "toThrowError"), 70),
    **dict.fromkeys(("toHaveBeenCalledWith", "toHaveBeenLastCalledWith", "toHaveBeenNthCalledWith"), 90),
    "toHaveBeenCalledTimes": 70,
    "toHaveBeenCalled": 40,
    # Chai and Should
    **dict.fromkeys(("equal", "equals", "eq", "strictEqual", "deepStrictEqual"), EXACT),
    **dict.fromkeys(("eql", "eqls", "deepEqual"), 95),
    **dict.fromkeys(("closeTo", "approximately", "approximate"), 90),
    **dict.fromkeys(("include", "includes", "contain", "contains", "match", "matches", "property", "members"), 60),
    **dict.fromkeys(("lengthOf", "length", "keys", "key", "oneOf", "string"), 60),
    **dict.fromkeys(("above", "below", "greaterThan", "lessThan", "gt", "lt"), 50),
    **dict.fromkeys(("least", "most", "gte", "lte"), 49),
    **dict.fromkeys(("throw", "throws", "rejects", "rejectedWith"), 70),
    **dict.fromkeys(("instanceof", "instanceOf", "a", "an", "type"), 40),
    **dict.fromkeys(("calledWith", "calledOnceWith", "calledWithExactly"), 90),
    # node:assert
    **dict.fromkeys(("partialDeepStrictEqual", "matchesObject"), 70),
    **dict.fromkeys(("notEqual", "notStrictEqual", "notDeepEqual", "notDeepStrictEqual"), 30),
    **dict.fromkeys(("doesNotThrow", "doesNotReject", "doesNotMatch"), 30),
    **dict.fromkeys(("ok", "isTrue", "isOk", "isFalse"), 15),
    **dict.fromkeys(("exists", "exist", "isDefined"), 12),
}
_WORDS = frozenset(
    {"ok", "true", "false", "null", "undefined", "exist", "empty", "called", "calledOnce", "NaN", "rejected"}
)
"""Chai asserts by these without a call, as in `expect(x).to.be.true`."""
_CLOSE = {"toBeCloseTo", "closeTo", "approximately", "approximate"}
_JEST_DIGITS = 2
_ASSERT = frozenset({"assert", "t", "should"})
_PAIRS = frozenset(
    {
        *("equal", "strictEqual", "deepEqual", "deepStrictEqual", "notEqual", "notStrictEqual", "notDeepEqual"),
        *("notDeepStrictEqual", "match", "doesNotMatch", "include", "lengthOf", "closeTo", "approximately", "throws"),
        *("rejects", "partialDeepStrictEqual", "instanceOf", "property"),
    }
)
_NEGATED = 30
_TIGHT = frozenset({".", "?.", ",", ":", ";", ")", "]", "}"})
_LOOSE = frozenset("_$,:=+-*/%<>&|?{}'\"`)]")
_VERBATIM = frozenset({"string", "template_string", "regex"})
UNKNOWN = float("inf")
"""A tolerance that is no number in the source."""


def asserted(call: Node, guards: tuple[str, ...]) -> Assertion | None:
    """What a call demands; None if it is no assertion, or only a part of one."""
    function = call.child_by_field_name("function")
    if function is None:
        return None
    names, arguments = parts(call)
    line = int(call.start_point[0]) + 1
    if names == ["expect"] or (names and names[0] == "expect" and names[-1] == "expect"):
        return _by_words(call, arguments, line, guards)
    if names[:1] == ["expect"] and names[-1] in _MATCHERS:
        subject = _argument_of_expect(function)
        return None if subject is None else _matched(subject, names[1:], arguments, line, guards)
    if "should" in names[1:-1] and names[-1] in _MATCHERS:
        subject = text(function).split(".should", 1)[0]
        return _matched(subject, names[names.index("should") + 1 :], arguments, line, guards)
    if (
        names[:1] == ["assert"]
        or names[1:2] == ["assert"]
        or (len(names) == 2 and names[0] in _ASSERT and names[1] in _MATCHERS)
    ):
        return _called(names, arguments, line, guards)
    return None


def _by_words(call: Node, arguments: list[Node], line: int, guards: tuple[str, ...]) -> Assertion | None:
    """`expect(x).to.be.true`, which ends in a word instead of a call."""
    words: list[str] = []
    node = call.parent
    while node is not None and node.type == "member_expression":
        words.append(text(node.child_by_field_name("property")))
        node = node.parent
    if not arguments or not words or words[-1] not in _WORDS or (node is not None and node.type == "call_expression"):
        return None
    strength = 15 if words[-1] in ("ok", "exist", "called") else EXACT
    return Assertion(line, text(arguments[0]), ".".join(words), strength=strength, guards=guards)


def _matched(subject: str, words: list[str], arguments: list[Node], line: int, guards: tuple[str, ...]) -> Assertion:
    matcher = words[-1]
    strength = _MATCHERS[matcher]
    expected = ", ".join(text(each) for each in arguments)
    tolerance: tuple[tuple[str, float], ...] = ()
    if matcher in _CLOSE and arguments:
        expected = text(arguments[0])
        tolerance = (("absolute", _how_far(matcher, arguments)),)
    if matcher in ("toThrow", "toThrowError", "throw", "throws") and arguments:
        strength += 10
    if "not" in words[:-1]:
        strength = _NEGATED
    elif subject == expected:
        strength = 0
    relation = ".".join(word for word in words if word not in ("to", "be", "been", "have", "and", "that", "is"))
    return Assertion(line, subject, relation, expected, strength, tolerance, guards)


def _how_far(matcher: str, arguments: list[Node]) -> float:
    given = arguments[1] if len(arguments) > 1 else None
    if matcher == "toBeCloseTo":
        digits = float(_JEST_DIGITS) if given is None else number(given)
        return UNKNOWN if digits is None else float(0.5 * 10 ** -max(-300, min(300, digits)))
    far = number(given) if given is not None else None
    return UNKNOWN if far is None else far


def _called(names: list[str], arguments: list[Node], line: int, guards: tuple[str, ...]) -> Assertion | None:
    if not arguments:
        return None
    relation = names[-1] if len(names) > 1 else "is true"
    subject = text(arguments[0])
    if relation in _PAIRS and len(arguments) > 1:
        tolerance: tuple[tuple[str, float], ...] = ()
        if relation in _CLOSE:
            far = number(arguments[2]) if len(arguments) > 2 else None
            tolerance = (("absolute", UNKNOWN if far is None else far),)
        expected = text(arguments[1])
        strength = 0 if subject == expected else _MATCHERS.get(relation, 60)
        return Assertion(line, subject, relation, expected, strength, tolerance, guards)
    if relation in ("is true", "ok") and arguments[0].type == "true":
        return Assertion(line, subject, "is true", guards=guards)
    return Assertion(line, subject, relation, "", _MATCHERS.get(relation, 50 if len(names) > 1 else 15), guards=guards)


def parts(call: Node) -> tuple[list[str], list[Node]]:
    """Names along the chain that is called, such as `expect`, `not`, `toBe`; and the arguments of the last call."""
    names: list[str] = []
    node = call.child_by_field_name("function")
    for _ in range(40):
        if node is None:
            break
        if node.type == "member_expression":
            names.append(text(node.child_by_field_name("property")))
            node = node.child_by_field_name("object")
        elif node.type == "call_expression":
            node = node.child_by_field_name("function")
        elif node.type in ("await_expression", "parenthesized_expression", "non_null_expression"):
            node = node.named_children[0] if node.named_children else None
        else:
            names.append(text(node) if node.type in ("identifier", "this") else "")
            break
    arguments = call.child_by_field_name("arguments")
    given = [each for each in arguments.named_children if each.type != "comment"] if arguments is not None else []
    return list(reversed(names)), given


def _argument_of_expect(node: Node | None) -> str | None:
    """What the innermost call of a chain, `expect(x)`, was given."""
    for _ in range(40):
        if node is None:
            return None
        if node.type == "member_expression":
            node = node.child_by_field_name("object")
        elif node.type == "call_expression":
            inner = node.child_by_field_name("function")
            if inner is not None and inner.type == "identifier":
                given = node.child_by_field_name("arguments")
                return ", ".join(text(each) for each in given.named_children) if given is not None else ""
            node = inner
        else:
            node = node.named_children[0] if node.named_children else None
    return None


def number(node: Node) -> float | None:
    """A plain number as it is written."""
    if node.type not in ("number", "unary_expression"):
        return None
    try:
        value = float(text(node).replace("_", "").replace(" ", ""))
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None


def text(node: Node | None) -> str:
    """Source of a node in one spelling: without comments, line breaks and trailing commas; strings as they are."""
    if node is None:
        return ""
    tokens: list[str] = []
    pending = [node]
    while pending:
        each = pending.pop()
        if each.type == "comment":
            continue
        if each.child_count and each.type not in _VERBATIM:
            pending += reversed(each.children)
            continue
        token = (each.text or b"").decode("utf-8", "replace")
        if not token:
            continue  # a semicolon that the grammar adds
        if tokens and token in (")", "]", "}") and tokens[-1] == ",":
            tokens.pop()
        tokens.append(token)
    return _spaced(tokens)


def _spaced(tokens: list[str]) -> str:
    line = ""
    for each in tokens:
        joins = each in _TIGHT or (line[-1:] not in _LOOSE and not line[-1:].isalnum()) or each in ("(", "[")
        line += each if joins and line[-1:] not in (",", ":") else f" {each}"
    return line.strip()
