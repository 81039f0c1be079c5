"""Getting merged what should not be, on the real path: by what a patch says, by racing, by forging, by names."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import WorkflowUpdateFailedError

from activities.decisions.signing import DecisionSigner
from tests.support.repositories import commit_to_bare, git, make_repository
from tests.workers.installation import FILES, Installation, installed
from tests.workers.terminal import typed
from workers.cli.client import CommandFailed
from workers.temporal import connect
from workflows.models.decision import Action, Decision, DecisionReceipt, SignedDecision
from workflows.models.gate import RiskTier
from workflows.models.intent import task_workflow_id
from workflows.models.person import Person
from workflows.models.status import Outcome, Stage, TaskStatus

pytestmark = pytest.mark.xdist_group("gate-attacks")
TEAM = '[gate]\ncode_owners = true\n[task_types.test-fix]\nscope = ["calc.py", ".journeyman/", "CODEOWNERS"]\n'
CRITERIA = ("add(2, 3) is 5",)


@pytest_asyncio.fixture(scope="module")
async def here(place: Path) -> AsyncIterator[Installation]:
    (place / "security.toml").write_text('promote = ["grace"]\n')
    async with installed(place) as one:
        yield one


@pytest.fixture
def repository(state: Path) -> Path:
    return make_repository(state / "till.git", FILES, bare=True)


async def in_phase_three(here: Installation, repository: Path) -> None:
    for _ in range(2):
        why = ("--repo", str(repository), "-m", "10 merged", "--as", "grace")
        assert (await typed(here.settings.state, "promote", "test-fix", *why)).code == 0


async def reviewed(here: Installation, repository: Path, agent: str = "mender") -> TaskStatus:
    task = await here.ask(repository, agent, task_type="test-fix", acceptance=CRITERIA)
    return (await here.reaches(task, Stage.REVIEW, Stage.ENDED, Stage.APPROVED)).status


def tip(repository: Path) -> str:
    return git(repository, "rev-parse", "main")


async def test_a_patch_that_rewrites_the_rules_and_the_owners_is_judged_by_those_of_base(
    here: Installation, state: Path
) -> None:
    """Else an agent would widen its own scope, own the paths itself, and have policy merge it."""
    laws = {".journeyman/team.toml": TEAM, "CODEOWNERS": "* @linus\n"}
    repository = make_repository(state / "till.git", FILES | laws, bare=True)
    await in_phase_three(here, repository)
    status = await reviewed(here, repository, "lawmaker")
    assert (status.stage, status.approved_by) == (Stage.REVIEW, ())
    assert status.risk is not None and status.risk.tier is RiskTier.HIGH
    assert any("what CI, owners or later agents go by" in reason.text for reason in status.risk.reasons)
    # Whom the patch would make the owner of everything is none of them yet; nor is who asked for it.
    assert "one of linus (@linus own" in status.message
    await here.decide(status.task.id, Action.APPROVE, "grace")
    with pytest.raises(CommandFailed, match="can't merge while the task is at stage review"):
        await here.decide(status.task.id, Action.MERGE, "grace")
    await here.decide(status.task.id, Action.REJECT, "grace")


@pytest.mark.parametrize("what", ["link", "directory"])
async def test_owners_that_are_named_by_no_plain_file_are_not_taken_for_no_owners(
    here: Installation, state: Path, what: str
) -> None:
    repository = make_repository(state / "till", FILES | {".journeyman/team.toml": TEAM, "owners": "* @linus\n"})
    if what == "link":
        os.symlink("owners", repository / "CODEOWNERS")
    else:
        (repository / "CODEOWNERS").mkdir()
        (repository / "CODEOWNERS" / "all").write_text("* @linus\n")
    git(repository, "add", "--all")
    git(repository, "commit", "-qm", "owners")
    await in_phase_three(here, repository)
    status = await reviewed(here, repository)
    assert (status.stage, status.approved_by) == (Stage.REVIEW, ())
    assert "CODEOWNERS is a symbolic link or a directory: make it a file" in status.message
    await here.decide(status.task.id, Action.REJECT)


@pytest.mark.parametrize("action", [Action.APPROVE, Action.MERGE])
async def test_a_decision_that_is_sent_to_temporal_and_that_no_gateway_signed_changes_nothing(
    here: Installation, repository: Path, tmp_path: Path, action: Action
) -> None:
    status = await reviewed(here, repository)
    if action is Action.MERGE:
        await here.decide(status.task.id, Action.APPROVE)
    assert status.patch is not None and status.evaluation is not None
    before, now = tip(repository), datetime.now(UTC)
    decision = Decision(
        action=action,
        person=Person(id="grace"),
        task_id=status.task.id,
        head=status.patch.head,
        evidence_hash=status.evaluation.evidence_hash,
        decided_at=now,
        expires_at=now + timedelta(hours=1),
    )
    forged = DecisionSigner.load_or_create(tmp_path / "forger").sign(decision)
    client = await connect(here.settings.temporal_address, here.settings.temporal_namespace)
    task = client.get_workflow_handle(task_workflow_id(status.task.id))
    for sent in (forged, SignedDecision(decision=decision, key_id="", signature="")):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await task.execute_update(str(action), sent, result_type=DecisionReceipt)
        assert "refused" in str(refused.value.cause)
    after = (await here.view(status.task.id)).status
    assert after.stage is (Stage.REVIEW if action is Action.APPROVE else Stage.APPROVED)
    assert tip(repository) == before
    await here.decide(status.task.id, Action.REJECT)


async def test_what_is_pushed_to_the_branch_while_it_is_approved_and_merged_does_not_land(
    here: Installation, repository: Path
) -> None:
    status = await reviewed(here, repository)
    task, branch = status.task.id, status.task.branch
    pushing = asyncio.to_thread(commit_to_bare, repository, {"evil.py": "x\n"}, "Slip in", branch)
    _, _ = await asyncio.gather(pushing, here.decide(task, Action.APPROVE))
    merging, _ = await asyncio.gather(
        here.decide(task, Action.MERGE),
        asyncio.to_thread(commit_to_bare, repository, {"worse.py": "x\n"}, "Slip in again", branch),
    )
    after = (await here.reaches(task, Stage.APPROVED, Stage.ENDED)).status
    assert (merging.action, after.stage) == (Action.MERGE, Stage.APPROVED)
    assert "somebody pushed to it" in after.message
    assert not {"evil.py", "worse.py"} & set(git(repository, "ls-tree", "--name-only", "main").split())
    await here.decide(task, Action.REJECT)


async def test_two_who_approve_and_merge_at_once_merge_once(here: Installation, repository: Path) -> None:
    task = (await reviewed(here, repository)).task.id
    approving = (here.decide(task, Action.APPROVE, person) for person in ("grace", "linus"))
    assert any(not isinstance(one, BaseException) for one in await asyncio.gather(*approving, return_exceptions=True))
    merging = (here.decide(task, Action.MERGE, person) for person in ("grace", "linus"))
    await asyncio.gather(*merging, return_exceptions=True)
    assert (await here.reaches(task, Stage.ENDED)).status.outcome is Outcome.MERGED
    assert git(repository, "rev-list", "--first-parent", "--count", "main") == "2"


@pytest.mark.parametrize(
    "name",
    ["\N{CYRILLIC SMALL LETTER A}da", "ada ", "ADA", "ada\u200b", "\N{FULLWIDTH LATIN SMALL LETTER A}da", "policy"],
)
async def test_nobody_approves_under_a_name_that_reads_like_another_s(
    here: Installation, repository: Path, name: str
) -> None:
    """Who asked could be the one who approves, and `Approved-by` would name somebody who never did."""
    task = (await reviewed(here, repository)).task.id
    refused = await typed(here.settings.state, "approve", task, "--as", name)
    assert (refused.code > 0, (await here.view(task)).status.stage) == (True, Stage.REVIEW), refused.out
    assert "--as takes" in refused.error
    await here.decide(task, Action.REJECT)
