"""Tasks as they are shown in Slack, and what Slack would take of a message."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.chat.slack.message import MOST_BLOCKS, Message
from activities.chat.slack.seen import TaskSeen
from tests.workflows.scripted import a_patch, a_task, ref, sha
from workflows.models.ci import CiCheck, CiOutcome, CiReport
from workflows.models.decision import Action, Decision, SignedDecision
from workflows.models.evidence import Evaluation, Finding, Severity
from workflows.models.gate import Permit, Risk, RiskReason, RiskTier, Verdict
from workflows.models.observation import Observation
from workflows.models.person import Person
from workflows.models.pull_request import PullRequest, RevertOutcome, RevertOutlook, RevertPreview, RevertResult
from workflows.models.run import RunEnd, RunResult
from workflows.models.status import Outcome, Stage, StageSpan, TaskStatus
from workflows.models.task import Repository
from workflows.models.usage import Metered
from workflows.models.watch import WatchOutcome, WatchResult

NOW = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
EVIL = (
    "<!channel> <!here> <@U0123ABCD> <#C0123ABCD> <!subteam^S0123> <https://evil.example|your bank> & *bold* _it_ "
    "~gone~ ```block``` `code` :tada: https://evil.example\n> quoted\u202eevitcefed\u2066\u200b\x1b[31m\x07\x00 "
    "\U000e0041\u2028next שלום مرحبا"
)
"""What somebody would write who wants to mention, link, format, or turn around what is shown."""
HASH = "e" * 64
GRACE = Person(id="grace", account="slack:U0GRACE", name="Grace")


def decision(action: Action, message: str = "", **more: Any) -> SignedDecision:
    values = {"action": action, "person": GRACE, "task_id": "t", "message": message, "decided_at": NOW}
    made = Decision.model_validate({**values, "expires_at": NOW + timedelta(days=1), **more})
    return SignedDecision(decision=made, key_id="k", signature="s")


def finding(words: str, severity: Severity = Severity.NOTE) -> Finding:
    return Finding(rule=words[:40] or "rule", severity=severity, message=words, path=words, line=7)


def status(stage: Stage = Stage.REVIEW, words: str = "mend add()", **changes: Any) -> TaskStatus:
    """One whose every text by others is this."""
    repository = Repository(url="https://github.example/acme/shop", name=words[:80] or "shop")
    task = a_task(goal=words, repository=repository, base=words[:80] or "main")
    evaluation = Evaluation(
        evidence=ref("e"),
        evidence_hash=HASH,
        base_commit=sha("base"),
        head=sha("head"),
        policy_hash="p",
        blocked=False,
        findings=tuple(finding(words, severity) for severity in Severity),
        summary=words,
    )
    values = {
        "task": task,
        "stage": stage,
        "message": words,
        "waits_for": "a person" if stage in {Stage.REVIEW, Stage.APPROVED, Stage.QUESTION, Stage.GUIDANCE} else "",
        "spans": (StageSpan(stage=stage, started=NOW),),
        "hangs": (words,),
        "run": RunResult(run_id="r", end=RunEnd.EXITED, summary=words),
        "used": Metered(micro_usd=1_230_000),
        "patch": a_patch("head"),
        "evaluation": evaluation,
        "risk": Risk(tier=RiskTier.MEDIUM, reasons=(RiskReason(tier=RiskTier.MEDIUM, text=words),)),
        "ci": CiReport(
            commit=sha("head"),
            checks=(CiCheck(name=words, outcome=CiOutcome.FAILED, detail=words, link="https://evil.example"),),
            unread=words,
        ),
        "pull_request": PullRequest(
            number=7, url="https://github.example/acme/shop/pull/7", head="h", base="main", title=words
        ),
    }
    return TaskStatus.model_validate(values | changes)


def worst(words: str) -> Iterator[TaskSeen]:
    """All that a message can have, of every text by others as much as there can be."""
    many = tuple(finding(words) for _ in range(50))
    evaluation = status(words=words).evaluation
    assert evaluation is not None
    said = tuple(decision(Action.REQUEST_CHANGES, words[:20_000]) for _ in range(500))
    verdict = Verdict(
        permits=Permit.PERSON,
        earned=1,
        phase=1,
        risk=Risk(tier=RiskTier.HIGH),
        reasons=(words,) * 50,
        head=sha("head"),
        evidence_hash=HASH,
        policy_hash="p",
        version="1",
    )
    reasons = tuple(RiskReason(tier=RiskTier.HIGH, text=words) for _ in range(50))
    full = {
        "evaluation": evaluation.model_copy(update={"findings": many}),
        "decisions": said,
        "verdict": verdict,
        "hangs": (words,) * 20,
        "risk": Risk(tier=RiskTier.HIGH, reasons=reasons),
    }
    red = Observation(
        repository="r", commit=sha("merge"), name="ci", good=False, detail=words[:2000], person=GRACE, observed_at=NOW
    )
    stuck = RevertResult(
        outcome=RevertOutcome.CONFLICT, detail=words, conflicts=(words,) * 50, pull_request=words, told=("a",)
    )
    conflict = RevertPreview(outlook=RevertOutlook.CONFLICT, detail=words, conflicts=(words,) * 50, tried_at=NOW)
    watch = WatchResult(outcome=WatchOutcome.STUCK, red=red, revert=stuck, outlook=conflict)
    for stage in Stage:
        if stage is not Stage.ENDED:
            yield TaskSeen(status(stage, words, **full), temporal_ui="https://temporal.example/w", halted=words)
    for outcome in Outcome:
        ended = status(Stage.ENDED, words, outcome=outcome, merge_commit=sha("merge"), **full)
        yield TaskSeen(ended, reverts=(stuck,), watch=watch, can_revert=False)
        yield TaskSeen(ended, watch=watch)
        yield TaskSeen(ended, reverts=(stuck.model_copy(update={"outcome": RevertOutcome.REVERTED}),), watch=watch)


def texts(message: Message) -> list[tuple[str, str]]:
    """Every text of a message, each with its type; the fallback text is formatted by Slack, too."""
    found = [("mrkdwn", message.text)]

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("type") in {"mrkdwn", "plain_text"}:
                found.append((value["type"], value["text"]))
            for each in value.values():
                look(each)
        elif isinstance(value, list):
            for each in value:
                look(each)

    look(message.as_json())
    return found


_LIMITS = {"header": 150, "section": 3000, "context": 3000}
_OURS = re.compile(r"<!date\^\d+\^\{date_short_pretty\} \{time\}\|[0-9-]+ [0-9:]+ UTC>|<(https?://[^|<>]+)\|[^|<>]+>")


def taken_by_slack(message: Message) -> None:
    """Fails where Slack would refuse a message, or cut it."""
    assert 0 < len(message.text) <= 3000
    blocks = message.as_json()
    assert len(blocks) <= MOST_BLOCKS
    for block in blocks:
        for element in [block.get("text"), *block.get("elements", [])]:
            if isinstance(element, dict) and isinstance(element.get("text"), str):
                assert 0 < len(element["text"]) <= _LIMITS[block["type"]], block["type"]
    assert sum(len(text) for _, text in texts(message)) <= 20_000


def says_nothing_but_itself(message: Message, *links: str) -> None:
    """Fails where what others wrote could mention, link, format, or turn anything around."""
    for kind, text in texts(message):
        for found in _OURS.finditer(text):
            assert not found[1] or found[1].startswith(links), text
        left = _OURS.sub("", text) if kind == "mrkdwn" else text
        assert "<" not in left and ">" not in left, text
        assert not re.search(
            "[\u200b-\u200f\u202a-\u202e\u2066\u2067\u2028\u2029\x00-\x09\x0b-\x1f\U000e0000-\U000e007f]", text
        )
        assert text.count("\u2068") == text.count("\u2069")
        if kind == "mrkdwn":
            outside = re.sub(r"`[^`\n]*`", "", left)
            assert "evil" not in outside and "bold" not in outside and "tada" not in outside, text
