"""Asking people something while a task waits, and what happens when nobody answers."""

import contextlib
from datetime import timedelta

from temporalio import workflow

from workflows.models.decision import SignedDecision
from workflows.models.question import WORK, Choice, Question, QuestionKind
from workflows.models.status import Stage
from workflows.progress import Progress
from workflows.telling import Telling


class Asking:
    """The questions of one task, one at a time."""

    def __init__(self, progress: Progress, telling: Telling) -> None:
        self._progress = progress
        self._telling = telling
        self._count = 0
        self._answer: SignedDecision | None = None

    async def ask(
        self,
        kind: QuestionKind,
        text: str,
        *,
        choices: tuple[Choice, ...] = WORK,
        hosts: tuple[str, ...] = (),
        packages: tuple[str, ...] = (),
        cap: str = "",
        used_micro_usd: int = 0,
        suggested_micro_usd: int = 0,
        seconds: float,
    ) -> SignedDecision | None:
        """Wait for an answer, or return None when nobody has answered in time."""
        self._count += 1
        self._answer = None
        now = workflow.now()
        question = Question(
            id=f"q{self._count}",
            kind=kind,
            text=text,
            choices=choices,
            hosts=hosts,
            packages=packages,
            cap=cap,
            used_micro_usd=used_micro_usd,
            suggested_micro_usd=suggested_micro_usd,
            asked_at=now,
            expires_at=now + timedelta(seconds=seconds),
        )
        before = self._progress.status.stage
        self._progress.enter(Stage.QUESTION, message=text, question=question)
        await self._telling.asks(question)
        # Nothing may be done on the way out of here: a task that is dropped from memory while it asks leaves it, too.
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._answer is not None,
                timeout=timedelta(seconds=seconds),
                timeout_summary=f"an answer to {question.id}",
            )
        self._progress.change(question=None)
        continues = self._answer is not None and self._answer.decision.choice is Choice.CONTINUE
        if continues or kind is QuestionKind.EGRESS:
            self._progress.enter(before, message="")
        elif kind is QuestionKind.PACKAGES:
            # A workspace is made before the patch is judged, and that is not what was asked.
            self._progress.say("")
        return self._answer

    def answered(self, signed: SignedDecision) -> None:
        """Somebody has answered the question that is asked now."""
        self._answer = signed
