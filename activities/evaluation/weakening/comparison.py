"""What became weaker between two versions of a file of tests. Pure.

Assertions are matched by what they look at. What a test demanded before and demands no more, or demands less strictly,
is told; what is demanded more is not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from activities.evaluation.weakening.facts import Assertion, Mark, Unit, clipped


@dataclass(frozen=True)
class Weakened:
    """One thing that is demanded less."""

    rule: str
    line: int
    """In the new version."""
    message: str


def compared(before: Iterable[Unit], after: Iterable[Unit], *, is_new: bool = False) -> tuple[Weakened, ...]:
    """Everything that is weaker afterwards, in the order of lines. `is_new`: there was no such file before."""
    old, new = _merged(before), _merged(after)
    found = [*_assertions(old, new), *_mocks(old, new, is_new), *_bounds(old, new), *_empty(old, new)]
    return tuple(sorted(dict.fromkeys(found), key=lambda each: (each.line, each.rule, each.message)))


def _merged(units: Iterable[Unit]) -> dict[str, Unit]:
    """By name; two tests of one title are looked at as one."""
    merged: dict[str, Unit] = {}
    for unit in units:
        known = merged.get(unit.name)
        if known is not None:
            unit = Unit(  # noqa: PLW2901
                unit.name,
                known.line,
                known.is_test,
                known.assertions + unit.assertions,
                known.mocks + unit.mocks,
                known.timeouts + unit.timeouts,
                known.retries + unit.retries,
            )
        merged[unit.name] = unit
    return merged


def _assertions(old: dict[str, Unit], new: dict[str, Unit]) -> Iterator[Weakened]:
    changes = [
        (name, *_differences(unit.assertions, new[name].assertions if name in new else ()))
        for name, unit in old.items()
        # A test that is gone as a whole is told of by its name, see outcome_findings and test_text_findings.
        if name in new or not unit.is_test
    ]
    # What a test does no more and another place does now was moved there.
    known = {name: added for name, _, added in changes}
    brought = Counter(_key(each) for name, unit in new.items() for each in known.get(name, unit.assertions))
    for name, gone, added in changes:
        line = new[name].line if name in new else 1
        by_subject: dict[str, list[Assertion]] = defaultdict(list)
        for each in added:
            by_subject[each.subject].append(each)
        alone: list[Assertion] = []
        taken: set[int] = set()
        for each in gone:
            if partners := by_subject[each.subject]:
                partner = min(partners, key=lambda other: (other.relation != each.relation, other.line))
                partners.remove(partner)
                taken.add(id(partner))
                yield from _weaker(each, partner)
            else:
                alone.append(each)
        others = iter([each for each in added if id(each) not in taken])
        for each in alone:
            if brought[_key(each)] > 0:
                brought[_key(each)] -= 1
            elif (other := next(others, None)) is not None:
                message = f"{_in(name)}asserted {each.shown!r} and asserts {other.shown!r} instead"
                yield Weakened("assertion-changed", other.line, message)
            else:
                yield Weakened("assertion-removed", line, f"{_in(name)}no longer asserts {each.shown!r}")


def _differences(
    before: tuple[Assertion, ...], after: tuple[Assertion, ...]
) -> tuple[list[Assertion], list[Assertion]]:
    """Those that are gone and those that are new, lines apart."""
    kept = Counter(map(_key, before)) & Counter(map(_key, after))
    return _without(before, kept), _without(after, kept)


def _without(assertions: tuple[Assertion, ...], kept: Counter[tuple[object, ...]]) -> list[Assertion]:
    left = Counter(kept)
    rest = []
    for each in assertions:
        if left[_key(each)] > 0:
            left[_key(each)] -= 1
        else:
            rest.append(each)
    return rest


def _weaker(before: Assertion, after: Assertion) -> Iterator[Weakened]:
    """How the same thing is looked at less strictly, if it is."""
    what = f"{before.shown!r}"
    if added := [guard for guard in after.guards if guard not in before.guards]:
        yield Weakened("assertion-loosened", after.line, f"{what} counts only in part now: {clipped(added[0])}")
    far, further = dict(before.tolerance), dict(after.tolerance)
    wider = [kind for kind in further if further[kind] > far.get(kind, 0)]
    if after.strength < before.strength and not (before.tolerance and after.tolerance):
        yield Weakened("assertion-loosened", after.line, f"{what} became {after.shown!r}, which rules out less")
    elif wider:
        kind = wider[0]
        message = f"{what} allows a {kind} difference of {further[kind]:g}, and {far.get(kind, 0):g} before"
        yield Weakened("tolerance-widened", after.line, message)
    if before.expected != after.expected and after.strength >= before.strength:
        if _is_slack(before, after):
            message = f"{what} became {after.shown!r}: more passes now"
            yield Weakened("tolerance-widened", after.line, message)
        elif not _is_tightened(before, after):
            yield Weakened("expected-value-changed", after.line, f"{what} became {after.shown!r}")
    elif before.relation != after.relation and after.strength == before.strength:
        yield Weakened("assertion-changed", after.line, f"{what} became {after.shown!r}")


_UPPER = ("<", "<=", "toBeLessThan", "toBeLessThanOrEqual", "below", "most", "lt", "lte", "lessThan")
_LOWER = (">", ">=", "toBeGreaterThan", "toBeGreaterThanOrEqual", "above", "least", "gt", "gte", "greaterThan")


def _is_slack(before: Assertion, after: Assertion) -> bool:
    """A bound that was moved outwards."""
    old, new = _number(before.expected), _number(after.expected)
    if old is None or new is None or before.relation != after.relation:
        return False
    word = before.relation.rpartition(".")[2]
    return (word in _UPPER and new > old) or (word in _LOWER and new < old)


def _is_tightened(before: Assertion, after: Assertion) -> bool:
    """A bound that was moved inwards, or a value that is expected now where anything of a kind was before."""
    return after.strength > before.strength or _is_slack(after, before)


def _number(text: str) -> float | None:
    try:
        return float(text.replace("_", ""))
    except ValueError:
        return None


def _mocks(old: dict[str, Unit], new: dict[str, Unit], is_new: bool) -> Iterator[Weakened]:
    """Mocks in what was there before, or in what prepares it: a fixture, a helper, the module itself."""
    if is_new:
        return
    everywhere = Counter(mark.text for unit in old.values() for mark in unit.mocks)
    moved = everywhere - Counter(mark.text for unit in new.values() if unit.name in old for mark in unit.mocks)
    for name, unit in new.items():
        if unit.is_test and name not in old:
            continue
        before = Counter(mark.text for mark in old[name].mocks) if name in old else Counter[str]()
        for mark in unit.mocks:
            if before[mark.text] > 0:
                before[mark.text] -= 1
            elif moved[mark.text] > 0:
                moved[mark.text] -= 1
            else:
                yield Weakened("mock-added", mark.line, f"{_in(name)}replaces what was tested: {clipped(mark.text)}")


def _bounds(old: dict[str, Unit], new: dict[str, Unit]) -> Iterator[Weakened]:
    for name, unit in new.items():
        if name not in old:
            continue
        for rule, before, after, what in (
            ("timeout-raised", old[name].timeouts, unit.timeouts, "a timeout"),
            ("retries-added", old[name].retries, unit.retries, "how often it is tried"),
        ):
            for mark, amount in _raised(before, after, none_is_least=rule == "retries-added"):
                message = f"{_in(name)}raises {what}: {clipped(mark.text)} from {amount:g} to {mark.amount:g}"
                yield Weakened(rule, mark.line, message)


def _raised(before: tuple[Mark, ...], after: tuple[Mark, ...], *, none_is_least: bool) -> Iterator[tuple[Mark, float]]:
    amounts: dict[str, list[float]] = defaultdict(list)
    for mark in before:
        amounts[mark.text].append(mark.amount)
    for mark in after:
        known = amounts[mark.text]
        if known:
            amount = known.pop(0)
            if mark.amount > amount:
                yield mark, amount
        elif none_is_least:
            # A timeout that was not there before bounds what had no bound; a repetition hides a failure.
            yield mark, 0


def _empty(old: dict[str, Unit], new: dict[str, Unit]) -> Iterator[Weakened]:
    for name, unit in new.items():
        if unit.is_test and name not in old and not any(each.strength for each in unit.assertions):
            yield Weakened("test-without-assertion", unit.line, f"{_in(name)}asserts nothing by itself")


def _key(each: Assertion) -> tuple[object, ...]:
    return each.subject, each.relation, each.expected, each.tolerance, each.guards


def _in(name: str) -> str:
    return f"{clipped(name)[:120]}: " if name else ""
