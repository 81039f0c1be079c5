"""Nothing gets out of a sandbox, and a sandbox out of which something gets is noticed."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from activities.egress.contract import EgressRules, Endpoint
from activities.removal import remove
from activities.sandbox.stage import Stage, stage_runtime
from tests.activities.egress.providers import MESSAGES
from tests.containment import report
from tests.containment.attempt import Attempt, Outcome, Verdict
from tests.containment.backends import BACKENDS, Unavailable
from tests.containment.gateway_world import World
from tests.containment.ground import Ground
from tests.containment.inside import Inside, Nowhere, OnHost
from tests.containment.observers import proof_was_left, secret_came_out
from tests.containment.returned import Desk, Taken, as_it_is
from tests.containment.suite import GROUPS, NoSuchAttempt, chosen, make_all
from workflows.models.usage import Allowance

pytestmark = [pytest.mark.xdist_group("containment"), pytest.mark.timeout(400)]
EVERY = {"network": 3, "resources": 7, "return path": 3, "broker": 4, "kernel": 3, "time": 2}
"""Of these groups every so-manieth attempt, since all of them take minutes: `make containment` makes them all."""
ELSEWHERE = {"broker", "policy"}
"""Groups that are made beside a sandbox: whichever backend it is of makes no difference, so once is enough here."""


def subset(backend: str) -> list[Attempt]:
    if backend == "bubblewrap":
        return [attempt for group, attempts in GROUPS.items() for attempt in attempts[:: EVERY.get(group, 1)]]
    return [
        attempt
        for group, attempts in GROUPS.items()
        if group not in ELSEWHERE
        for attempt in attempts[1 :: 2 * EVERY.get(group, 3)]
    ]


@contextmanager
def opened(backend: str, home: Path, stage: Stage) -> Iterator[Ground]:
    """Where a backend is attacked; skips the test if there is none."""
    with ExitStack() as closing:
        try:
            attacked = closing.enter_context(BACKENDS[backend](home / "runs", stage))
        except Unavailable as reason:
            pytest.skip(f"{backend}: {reason}")
        yield Ground.at(home, attacked, stage)


def temporary() -> Path:
    """Short, and passable for uids that were dropped to."""
    path = Path(tempfile.mkdtemp(prefix="jc-", dir="/tmp"))
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return path


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    path = temporary()
    yield stage_runtime(path)
    remove(path)


@pytest.fixture
def home() -> Iterator[Path]:
    path = temporary()
    yield path
    remove(path)


@pytest.fixture
def ground(home: Path, stage: Stage) -> Ground:
    """Where nothing is wrong yet."""
    return Ground.at(home, stage=stage)


async def made(ground: Ground, *names: str) -> dict[str, Outcome]:
    async with ground.closing:
        outcomes = await make_all(chosen(names), ground, {}, lambda _: None)
    return {outcome.attempt.name: outcome for outcome in outcomes}


@pytest.mark.parametrize("backend", BACKENDS)
async def test_nothing_gets_out_of_a_sandbox(home: Path, stage: Stage, backend: str) -> None:
    with opened(backend, home, stage) as ground:
        outcomes = await made(ground, *(attempt.name for attempt in subset(backend)))
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
        ("the read-only root", ["fill the root of the sandbox, which is memory or the host's disk"]),
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
async def test_a_sandbox_without_one_of_its_guards_is_noticed(ground: Ground, guard: str, names: list[str]) -> None:
    ground.sandboxes = ground.without(guard)
    await all_escape(ground, names)


async def test_a_container_without_one_of_its_guards_is_noticed(home: Path, stage: Stage) -> None:
    guards = {
        "the seccomp filter": ["ask for a keyring (keyctl)"],
        "the network namespace": ["connect to the host's loopback"],
        "the namespace of shared memory": ["read shared memory of the host"],
        "a file system of its own": ["read a file by its path on the host"],
        "the read-only root": ["write among the programs of the system"],
        "the bar to new rights": ["become root by a program that the image brings along"],
        "limits": ["start processes without end"],
    }
    with opened("container", home, stage) as ground:
        whole = ground.sandboxes
        for guard, names in guards.items():
            ground.sandboxes = ground.without(guard)
            await all_escape(ground, names)
            ground.sandboxes = whole


def test_a_backend_that_this_machine_lacks_is_named_and_fails_nothing(home: Path) -> None:
    programs = home / "programs"
    programs.mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name != "podman":
            (programs / program.name).symlink_to(program)
    done = command("container", "--only", "read a file by its path on the host", PATH=str(programs))
    assert done.returncode == 0, done.stderr
    assert "container is not available on this machine: not installed: podman" in done.stdout
    assert list(json.loads(done.stdout.splitlines()[-1])["container"]) == ["unavailable"]


async def all_escape(ground: Ground, names: list[str]) -> None:
    outcomes = await made(ground, *names)
    assert {name: outcome.verdict for name, outcome in outcomes.items()} == dict.fromkeys(names, Verdict.ESCAPED)
    assert report.failed(list(outcomes.values()))
    assert report.counts(list(outcomes.values()))["escaped"] == len(names)


class Copying(Desk):
    """Takes work by copying files as they are."""

    async def export(self, name: str, work: Path, uid: int | None) -> Taken:
        return as_it_is(work)


class Obliging(World):
    """Declares one request too many."""

    def brokered(self, allowance: Allowance | None = None, hosts: tuple[str, ...] = (), **changed: Any) -> EgressRules:
        rules = super().brokered(allowance, hosts, **changed)
        more = Endpoint(method="DELETE", path=MESSAGES)
        services = tuple(each.model_copy(update={"endpoints": (*each.endpoints, more)}) for each in rules.brokered)
        return rules.model_copy(update={"brokered": services})


@pytest.mark.parametrize(
    ("weak", "names"),
    [
        (
            Copying,
            ["leave a pipe and a socket in the tree", "leave a program that belongs to somebody else (set-user-id)"],
        ),
        (Obliging, ["use another method of a declared path"]),
    ],
)
async def test_an_export_or_a_gateway_that_is_not_careful_is_noticed(
    ground: Ground, weak: type[Desk] | type[World], names: list[str]
) -> None:
    await weak.of(ground)
    outcomes = await made(ground, *names)
    assert {name: outcome.verdict for name, outcome in outcomes.items()} == dict.fromkeys(names, Verdict.ESCAPED)


def attempt(script: str, name: str = "x", **given: object) -> Inside:
    facts = {"observe": proof_was_left, "where": OnHost(), **given}
    return Inside(name=name, group="files", success="none", script=script, **facts)  # type: ignore[arg-type]


async def verdict(ground: Ground, made_up: Inside) -> Verdict:
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
async def test_an_attack_that_shows_nothing_is_not_taken_for_one_that_was_held(ground: Ground, script: str) -> None:
    assert await verdict(ground, attempt(script)) is Verdict.UNPROVEN


async def test_what_an_attack_prints_proves_nothing(ground: Ground) -> None:
    says = "print('EPERM: refused, I could not do it'); tell(read(V['secret']))"
    assert await verdict(ground, attempt(says, observe=secret_came_out)) is Verdict.HELD
    lies = "print('I have read the canary'); won('outside') if not V['inside'] else None"
    assert await verdict(ground, attempt(lies)) is Verdict.HELD
    quiet = "won('inside too')"
    assert await verdict(ground, attempt(quiet)) is Verdict.ESCAPED


async def test_an_attempt_that_can_not_be_shown_here_counts_as_neither(ground: Ground) -> None:
    nowhere = attempt("won('x')", where=Nowhere("this machine has no moon"))
    assert await verdict(ground, nowhere) is Verdict.NOT_APPLICABLE
    lacking = attempt("pass", may_lack="this machine has no moon")
    assert await verdict(ground, lacking) is Verdict.NOT_APPLICABLE


def test_there_are_enough_attempts_and_each_has_a_name_of_its_own() -> None:
    everything = chosen([])
    names = [each.name for each in everything]
    assert len(names) == len(set(names)) >= 120
    assert all(each.success and each.controlled_by for each in everything)
    assert {each.group for each in everything} == set(GROUPS)
    assert [each.name for each in chosen([names[0]])] == [names[0]]
    with pytest.raises(NoSuchAttempt, match="no group or attempt"):
        chosen(["world peace"])


def command(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.containment", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env=os.environ | environment,
    )


def test_the_command_ends_with_one_line_of_json() -> None:
    done = command("bubblewrap", "--only", "approve one's own work", "--only", "read a file by its path on the host")
    assert done.returncode == 0, done.stderr
    expected = {"attempts": 2, "held": 2, "escaped": 0, "not_applicable": 0, "unproven": 0}
    assert json.loads(done.stdout.splitlines()[-1]) == {"bubblewrap": expected}
    assert "2/2" in done.stderr


def test_the_command_says_what_there_is() -> None:
    assert "one attempt" in command("--help").stdout
    listed = command("--list", "--only", "time").stdout
    assert len(listed.splitlines()) == len(GROUPS["time"])
    for wrong in (["nowhere"], ["--only", "nothing"]):
        done = command(*wrong)
        assert done.returncode == 2 and "there is no" in done.stderr
