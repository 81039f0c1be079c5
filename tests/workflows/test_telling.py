"""Who asked for a task on an issue is told there when it waits for them, and how it ended; at a terminal nobody is."""

from typing import Any

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.decisions.signing import DecisionSigner
from tests.workflows.scripted import ALICE, Desk, Script, a_task
from workflows.models.decision import Action
from workflows.models.evidence import Finding, Severity
from workflows.models.intent import Intent
from workflows.models.question import Choice
from workflows.models.status import Outcome, Stage
from workflows.models.task import Task

pytestmark = pytest.mark.xdist_group("temporal")
BROKEN = (Finding(rule="checks-fail", severity=Severity.BLOCKER, message="red"),)


def of_an_issue(**changes: Any) -> Task:
    asked = a_task()
    number = int(asked.id.translate(str.maketrans("abcdefghijklmnopqrstuvwxyz", "12345678901234567890123456"))[:8])
    link = f"https://github.com/acme/shop/issues/{number}"
    intent = Intent(key=f"github:acme/shop#{number}", requester=ALICE, link=link)
    return asked.model_copy(update={"intent": intent} | changes)


def told(script: Script) -> list[str]:
    return [order.mark.partition("-")[2] for name, order in script.calls if name == "tell_where_asked"]


async def test_each_wait_for_people_and_the_end_are_told_where_it_was_asked(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    script.findings = lambda order: BROKEN if script.count("evaluate") <= 1 + script.policy.feedback_rounds else ()
    desk = await Desk.start(temporal, signer, of_an_issue(), question="what do you mean by `it`?")
    question = (await desk.reaches(Stage.QUESTION)).question
    assert question is not None
    await desk.decide(Action.ANSWER, ALICE, question=question.id, choice=Choice.CONTINUE, message="calc.py")
    await desk.reaches(Stage.GUIDANCE)
    await desk.decide(Action.REQUEST_CHANGES, message="mend it")
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.REJECT, message="no `longer` needed")
    assert (await desk.result()).outcome is Outcome.REJECTED
    kinds = [mark.rstrip("0123456789") for mark in told(script)]
    assert kinds == ["question-q", "blocked-", "proposed", "ended"]
    said = [order.text for name, order in script.calls if name == "tell_where_asked"]
    assert "what do you mean by 'it'?" in said[0]
    assert "/agent WORDS" in said[0] and "/agent WORDS" in said[1]
    assert "local:/r#1" in said[2]
    assert "rejected" in said[3] and "no 'longer' needed" in said[3]


async def test_what_was_asked_at_a_terminal_or_can_not_be_told_ends_all_the_same(
    temporal: Client, script: Script, signer: DecisionSigner
) -> None:
    desk = await Desk.start(temporal, signer)
    await desk.reaches(Stage.REVIEW)
    await desk.decide(Action.REJECT)
    await desk.result()
    assert told(script) == []

    def refuse() -> None:
        raise ApplicationError("GitHub says no", non_retryable=True)

    script.told = refuse
    unheard = await Desk.start(temporal, signer, of_an_issue())
    await unheard.reaches(Stage.REVIEW)
    await unheard.decide(Action.APPROVE)
    await unheard.decide(Action.MERGE)
    assert (await unheard.result()).outcome is Outcome.MERGED
    assert told(script) == ["proposed", "ended"]
