"""Nothing gets out of a sandbox, and a sandbox out of which something gets is noticed."""

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.removal import remove
from activities.sandbox.stage import stage_runtime
from tests.containment import report
from tests.containment.attempt import Attempt, Outcome, Verdict
from tests.containment.backends import BACKENDS, Unavailable
from tests.containment.ground import Ground
from tests.containment.inside import Inside, Nowhere, OnHost
from tests.containment.observers import proof_was_left, secret_came_out
from tests.containment.suite import GROUPS, NoSuchAttempt, chosen, make_all

pytestmark = [pytest.mark.xdist_group("containment"), pytest.mark.timeout(400)]
EVERY = {"network": 3, "resources": 6, "return path": 3, "broker": 3, "kernel": 2}
"""Of these groups every so-manieth attempt, since all of them take minutes: `make containment` makes them all."""


def subset() -> list[Attempt]:
    return [attempt for group, attempts in GROUPS.items() for attempt in attempts[:: EVERY.get(group, 1)]]


@pytest_asyncio.fixture
async def home() -> AsyncIterator[Path]:
    """Short, and passable for uids that were dropped to."""
    path = Path(tempfile.mkdtemp(prefix="jc-", dir="/tmp"))
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    yield path
    remove(path)


async def made(ground: Ground, *names: str) -> dict[str, Outcome]:
    async with ground.closing:
        outcomes = await make_all(chosen(names), ground, {}, lambda _: None)
    return {outcome.attempt.name: outcome for outcome in outcomes}


@pytest.mark.parametrize("backend", BACKENDS)
async def test_nothing_gets_out_of_a_sandbox(home: Path, backend: str) -> None:
    try:
        sandboxes = BACKENDS[backend](home / "runs", stage_runtime(home))
    except Unavailable as reason:
        pytest.skip(str(reason))
    outcomes = await made(Ground.at(home, sandboxes), *(attempt.name for attempt in subset()))
    bad = [each for each in outcomes.values() if each.verdict in {Verdict.ESCAPED, Verdict.UNPROVEN}]
    assert [(each.attempt.name, each.verdict, each.detail) for each in bad] == []
    assert sum(each.verdict is Verdict.HELD for each in outcomes.values()) > 0.8 * len(outcomes)


@pytest.mark.parametrize(
    ("guard", "names"),
    [
        ("the seccomp filter", ["make a namespace of users", "open a socket to the kernel's ciphers (alg)"]),
        ("the network namespace", ["connect to the host's loopback", "let somebody in from outside"]),
        ("the process namespace", ["find a process of the host by its command line"]),
        ("the namespace of shared memory", ["read shared memory of the host"]),
        ("the read-only root", ["fill the root of the sandbox, which is memory"]),
        (
            "a file system of its own",
            ["read a file by its path on the host", "remove a file of the host through a link"],
        ),
        (
            "limits",
            ["take memory", "fill the disk with many files", "start processes without end", "print without end"],
        ),
    ],
)
async def test_a_sandbox_without_one_of_its_guards_is_noticed(home: Path, guard: str, names: list[str]) -> None:
    ground = Ground.at(home)
    ground.sandboxes = ground.without(guard)
    outcomes = await made(ground, *names)
    assert {name: outcome.verdict for name, outcome in outcomes.items()} == dict.fromkeys(names, Verdict.ESCAPED)
    assert report.failed(list(outcomes.values()))
    assert report.counts(list(outcomes.values()))["escaped"] == len(names)


@pytest.mark.parametrize("groups", [["files", "processes"], ["network"]])
async def test_a_sandbox_that_is_none_is_noticed_in_nearly_every_attempt(home: Path, groups: list[str]) -> None:
    """Where a control is made without a sandbox, the control is what a backend without any guard would be."""
    attempts = [each for each in chosen(groups) if isinstance(each, Inside) and isinstance(each.where, OnHost)]
    ground = Ground.at(home)
    for attempt in attempts[::4]:
        assert isinstance(attempt, Inside)
        result = await attempt.control(ground)
        assert result.success, attempt.name


def attempt(script: str, name: str = "x", **given: object) -> Inside:
    facts = {"observe": proof_was_left, "where": OnHost(), **given}
    return Inside(name=name, group="files", success="none", script=script, **facts)  # type: ignore[arg-type]


async def verdict(home: Path, made_up: Inside) -> Verdict:
    ground = Ground.at(home)
    (outcome,) = await make_all([made_up], ground, {}, lambda _: None)
    return outcome.verdict


@pytest.mark.parametrize(
    "script",
    [
        "pass",
        "raise OSError('refused')",
        "undefined_name",
        "V['inside'] and undefined_name; won('it works outside')",
        "V['inside'] and sys.exit(3); won('it works outside')",
    ],
    ids=["does nothing", "fails outside", "is broken outside", "is broken inside", "stops halfway inside"],
)
async def test_an_attack_that_shows_nothing_is_not_taken_for_one_that_was_held(home: Path, script: str) -> None:
    assert await verdict(home, attempt(script)) is Verdict.UNPROVEN


async def test_what_an_attack_prints_proves_nothing(home: Path) -> None:
    says = "print('EPERM: refused, I could not do it'); tell(read(V['secret']))"
    assert await verdict(home, attempt(says, observe=secret_came_out)) is Verdict.HELD
    lies = "print('I have read the canary'); won('outside') if not V['inside'] else None"
    assert await verdict(home, attempt(lies)) is Verdict.HELD
    quiet = "won('inside too')"
    assert await verdict(home, attempt(quiet)) is Verdict.ESCAPED


async def test_an_attempt_that_can_not_be_shown_here_counts_as_neither(home: Path) -> None:
    nowhere = attempt("won('x')", where=Nowhere("this machine has no moon"))
    assert await verdict(home, nowhere) is Verdict.NOT_APPLICABLE
    lacking = attempt("pass", may_lack="this machine has no moon")
    assert await verdict(home, lacking) is Verdict.NOT_APPLICABLE


def test_there_are_enough_attempts_and_each_has_a_name_of_its_own() -> None:
    everything = chosen([])
    names = [each.name for each in everything]
    assert len(names) == len(set(names)) >= 120
    assert all(each.success and each.controlled_by for each in everything)
    assert {each.group for each in everything} == set(GROUPS)
    assert [each.name for each in chosen([names[0]])] == [names[0]]
    with pytest.raises(NoSuchAttempt, match="no group or attempt"):
        chosen(["world peace"])
