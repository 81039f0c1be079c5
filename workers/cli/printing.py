"""Tasks as lines for a terminal."""

from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workers.cli.evidence_lines import made_by, print_findings
from workers.cli.gate_lines import ci_lines, gate_lines, watch_line
from workers.cli.next_steps import is_taken_back, next_steps
from workers.cli.terminal import out, plain
from workers.gateway.messages import TaskLine, TaskView
from workflows.models.plural import plural
from workflows.models.pull_request import RevertOutlook, RevertPreview
from workflows.models.question import Choice, QuestionKind
from workflows.models.status import StageSpan, TaskStatus
from workflows.models.usage import USD, Metered


def print_tasks(lines: list[TaskLine]) -> None:
    """A table of tasks."""
    if not lines:
        out().print("No tasks yet. Ask for one: journeyman run 'GOAL' --repo PATH")
        return
    table = Table("task", "repository", "stage", "goal", "asked by", "age", box=None, pad_edge=False)
    for line in lines:
        stage = f"{line.outcome or line.stage}{', reverted' if line.reverted else ''}"
        if line.waits_for:
            # What exactly, its stage says; a narrow terminal has no room for more.
            stage += " (waits for a person)"
        row = (plain(line.repository, 40), plain(stage), plain(line.goal, 60), plain(line.requester, 20))
        table.add_row(plain(line.task_id, 20), *row, _age(line.started))
    out().print(table)


def print_view(view: TaskView, *, message: bool = True) -> None:
    """One task: what it waits for first, what can be done about it last. `message`: whether to print its message."""
    status, console = view.status, out()
    _print_standing(view, console, message=message)
    _print_question(status, console)
    for hang in status.hangs:
        console.print(f"hung        {plain(hang)}")
    if status.used.requests:
        console.print(f"used        {usage_line(status.used)}")
    console.print(f"repository  {plain(status.task.repository.url)} onto {plain(status.task.base)}")
    console.print(f"asked by    {plain(status.task.requester.id)}  (intent {plain(status.task.intent.key)})")
    if status.run is not None and status.run.summary:
        console.print(f"agent says  {plain(status.run.summary, 400)}")
    if status.run is not None:
        console.print(f"ran in      {plain(made_by(status.run.backend, status.run.runtime))}")
        if status.run.model:
            console.print(f"model       {plain(status.run.model, 100)}")
        if status.run.lost:
            console.print(f"lost        the sandbox of its run, {plural(status.run.lost, 'time')}; the log tells why")
    _print_patch(status, console)
    _print_decisions(status, console)
    _print_landing(view, console)
    for stone in view.removed:
        console.print(f"removed     {plain(stone.told)}")
    if view.temporal_ui:
        console.print(f"temporal    {plain(view.temporal_ui)}")
    if view.trace_ui:
        console.print(f"trace       {plain(view.trace_ui)}")
    print_spans(status.spans)
    for number, (command, meaning) in enumerate(next_steps(view)):
        console.print(f"{'' if number else 'next':11} {plain(command):50} {meaning}")


def _print_decisions(status: TaskStatus, console: Console) -> None:
    for signed in status.decisions:
        decision = signed.decision
        said = f": {plain(decision.message, 200)}" if decision.message else ""
        if decision.choice is not None:
            more = f" with {decision.more_micro_usd / USD:.2f} USD more" if decision.more_micro_usd else ""
            named = (*decision.hosts, *decision.packages)
            about = f" {plain(', '.join(named), 200)}" if named else ""
            said = f": {decision.choice}{more}{about}{said}"
        console.print(f"decision    {decision.action} by {plain(decision.person.id)}{said}")


def _print_standing(view: TaskView, console: Console, *, message: bool) -> None:
    status = view.status
    console.print(f"[bold]{plain(status.task.id)}[/bold]  {plain(status.task.goal, 200)}")
    console.print(
        f"stage       {status.outcome or status.stage}"
        + (f", waits for {status.waits_for}" if status.waits_for else "")
    )
    if view.halted:
        console.print(f"[bold]halted[/bold]      {plain(view.halted)}")
    if view.closed:
        console.print(f"[bold]closed[/bold]      {plain(view.closed)}")
    if view.silent:
        console.print(f"[bold]silent[/bold]      {plain(view.silent)}")
    if status.message and message and status.message != view.halted:
        console.print(f"message     {plain(status.message)}")


def _print_landing(view: TaskView, console: Console) -> None:
    """The merge, and what came after it."""
    if view.status.merge_commit:
        console.print(f"merged as   {plain(view.status.merge_commit)}")
    if view.watch is not None:
        console.print(watch_line(view.watch))
    if view.outlook is not None and view.outlook.outlook is not RevertOutlook.TAKEN_BACK:
        console.print(f"revert      {plain(outlook_line(view.outlook))}")
    if (before := view.outlook_recorded) is not None:
        when = f" when it was tried at {before.tried_at:%Y-%m-%d %H:%M:%S} UTC" if before.tried_at is not None else ""
        console.print(f"            {plain(outlook_line(before))}{when}")
    back = is_taken_back(view)
    if back and not any(revert.commit for revert in view.reverts):
        console.print("revert      taken back: base is without it again")
    for revert in view.reverts:
        if back and not revert.commit:
            # What was in the way then is in nobody's way any more.
            continue
        console.print(
            f"revert      {revert.outcome} {plain(revert.commit)} {plain(revert.detail)} ({revert.seconds:.1f} s)"
        )
        if revert.pull_request:
            branch = f" on branch {plain(revert.branch)}" if revert.branch else ""
            console.print(
                f"  resolve   {plain(revert.pull_request)}{branch}, by one of {plain(', '.join(revert.told))}"
            )


def outlook_line(preview: RevertPreview) -> str:
    """What taking a merge back would come to now, in one line."""
    if preview.outlook is RevertOutlook.CLEAN:
        return f"would be clean; {preview.detail}" if preview.detail else "would be clean"
    if preview.outlook is RevertOutlook.CONFLICT:
        commits = ", ".join(preview.commits_in_the_way[:3]) or "base as it is"
        return f"conflicts in {', '.join(preview.conflicts[:3])} with {commits}"
    return f"{preview.outlook}: {preview.detail}"


def usage_line(used: Metered) -> str:
    """What was used of model providers, in one line."""
    roughly = " (partly estimated)" if used.estimated else ""
    return (
        f"{used.micro_usd / USD:.4f} USD, {plural(used.requests, 'request')}, {used.input_tokens} tokens in, "
        f"{used.output_tokens} out, {used.cache_read_tokens} cached{roughly}"
    )


def print_spans(spans: tuple[StageSpan, ...]) -> None:
    """How long each stage took."""
    totals: dict[str, float] = {}
    for span in spans:
        seconds = ((span.ended or datetime.now(UTC)) - span.started).total_seconds()
        totals[span.stage] = totals.get(span.stage, 0) + seconds
    out().print("stages      " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in totals.items()))


_UNANSWERED = {
    QuestionKind.EGRESS: "the hosts stay refused and the run goes on",
    QuestionKind.PACKAGES: "the patch is judged with what base has",
    QuestionKind.SPECIFICATION: "the task ends, before anything was done",
}


def _print_question(status: TaskStatus, console: Console) -> None:
    question = status.question
    if question is None:
        return
    more = f" [--usd {question.suggested_micro_usd / USD:.2f}]" if question.suggested_micro_usd else ""
    for choice in question.choices:
        amount = more if choice is Choice.CONTINUE else ""
        if question.kind is QuestionKind.SPECIFICATION and choice is Choice.CONTINUE:
            amount = " [-m 'WHAT IS MEANT']"
        console.print(f"  answer    journeyman answer {plain(status.task.id)} {choice}{escape(amount)}")
    then = _UNANSWERED.get(question.kind, "the work is kept and the task ends")
    console.print(f"  until     {question.expires_at:%Y-%m-%d %H:%M} UTC; then {then}")


def _print_patch(status: TaskStatus, console: Console) -> None:
    if status.patch is not None:
        patch = status.patch
        console.print(
            f"patch       {plural(patch.files, 'file')}, +{patch.added} -{patch.removed}, head {plain(patch.head[:12])}"
        )
    if status.evaluation is not None:
        blocked = " [red](blocked)[/red]" if status.evaluation.blocked else ""
        console.print(f"evidence    {plain(status.evaluation.summary)}{blocked}")
        print_findings(status.evaluation.findings, console)
    if status.pull_request is not None:
        console.print(f"proposed    {plain(status.pull_request.url)}")
    for line in (*ci_lines(status.ci), *gate_lines(status)):
        console.print(line)


def _age(started: datetime | None) -> str:
    if started is None:
        return ""
    seconds = (datetime.now(UTC) - started).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
