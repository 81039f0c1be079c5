"""What is left of a record holds as it held before: true things stay true, and a forgery does not become one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.archive.chains import Chains
from activities.archive.objects import ArchiveError, Objects
from activities.decisions.admissions import ADMISSION, Admissions
from activities.decisions.attested import WORKER, Attested, AttestedMerge, UsedDecision
from activities.decisions.halts import FOLDER as HALTS
from activities.decisions.halts import HaltRecord
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.decisions.refused import ActionRefused
from activities.decisions.signed_chain import signed_decisions
from activities.decisions.signed_record import SignedRecord
from activities.decisions.signing import GATEWAY, DecisionSigner, DecisionVerifier
from activities.decisions.withdrawals import DECISION
from activities.forgetting.entries import Rewriting
from activities.forgetting.words import FORGOTTEN, Words
from workflows.models.decision import Action, Decision
from workflows.models.halt import HaltAction, HaltEntry, HaltScope, Reach, standing
from workflows.models.intent import Intent
from workflows.models.person import Person
from workflows.models.run import RunEnd, RunResult
from workflows.models.task import Repository, Task

ADA, GRACE = Person(id="ada", account="os:7", name="Ada L"), Person(id="grace", account="os:8", name="Grace H")
WORDS = Words(
    person="ada", alias="forgotten-00", names=("ada", "os:7", "Ada L"), texts=("mend the till", "please be quick")
)
NOW = datetime(2026, 11, 26, tzinfo=UTC)


class Record:
    """A task's chain with what gateways and workers sign, and what a stranger did not."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.signer = DecisionSigner.load_or_create(place)
        self.worker = SigningKey.load_or_create(place, WORKER)
        gateways, workers = (TrustedKeys.of_role(place, role) for role in (GATEWAY, WORKER))
        self.chains = Chains(Objects.open(str(place / "archive")), erasers=gateways)
        self.verifier = DecisionVerifier(gateways)
        self.signed = SignedRecord(self.chains, workers, self.worker)
        self.attested = Attested(self.signed)
        objects = Objects.open(str(place / "archive"))
        self.lasting = Chains(objects, HALTS, gateways)
        self.halting = SignedRecord(self.lasting, gateways, self.signer.key)
        self.halts = HaltRecord(objects, gateways, self.signer.key)
        self.rewriting = Rewriting(WORDS, self.verifier, self.signer, self.signed, self.halting)

    async def fill(self) -> None:
        (self.place / "stranger").mkdir()
        stranger = DecisionSigner.load_or_create(self.place / "stranger")
        task = Task(
            id="t1",
            intent=Intent(key="linear:ENG-1", requester=ADA),
            repository=Repository(url="/srv/ada/till.git", name="till"),
            goal="mend the till",
        )
        admitted = self.signer.admit(task).model_dump(mode="json")
        await self.chains.append("t1", ADMISSION, ADMISSION, admitted)
        run = RunResult(run_id="t1-1-1", end=RunEnd.EXITED, summary="ada wanted: mend the till. It adds now")
        await self.attested.add_run("t1", run, ())
        await self.decide(self.signer, GRACE, "fine", Action.APPROVE)
        used = await self.decide(self.signer, ADA, "please be quick", Action.REJECT)
        await self.decide(stranger, ADA, "please be quick", Action.REJECT)
        await self.attested.add_merge("t1", AttestedMerge(commit="c1", head="h", base="main", repository="/srv"))
        await self.attested.add_used("t1", UsedDecision(signature=used, why="refused: ada asked for this task"))

    async def decide(self, signer: DecisionSigner, person: Person, message: str, action: Action) -> str:
        signed = signer.sign(
            Decision(
                action=action,
                person=person,
                task_id="t1",
                message=message,
                decided_at=NOW,
                expires_at=NOW + timedelta(days=1),
            )
        )
        await self.chains.append("t1", f"d-{signed.signature[:8]}", DECISION, signed.model_dump(mode="json"))
        return signed.signature

    async def forget(self) -> None:
        entries = await self.chains.entries("t1")
        await self.chains.erase("t1", self.rewriting.changed(entries), self.signer.key)


@pytest.fixture
async def record(tmp_path: Path) -> Record:
    made = Record(tmp_path)
    await made.fill()
    return made


async def test_chain_admission_decisions_and_what_workers_attest_hold_without_the_person(record: Record) -> None:
    before = await record.chains.entries("t1")
    await record.forget()
    after = await record.chains.entries("t1")
    assert [entry.previous for entry in after] == [entry.previous for entry in before]
    assert [entry.entry_id for entry in after] == [entry.entry_id for entry in before]
    task = await Admissions(record.chains, record.verifier).of("t1")
    assert (task.goal, task.requester.id, task.intent.key) == (FORGOTTEN, "forgotten-00", "linear:ENG-1")
    assert task.repository.url == "/srv/ada/till.git"
    decided = await signed_decisions(record.chains, "t1", record.verifier)
    assert [(one.decision.person.id, one.decision.message) for one in decided] == [
        ("grace", "fine"),
        ("forgotten-00", FORGOTTEN),
    ]
    (run,) = await record.attested.runs("t1")
    assert run.summary == f"forgotten-00 wanted: {FORGOTTEN}. It adds now"
    assert await record.attested.merge("t1") is not None
    # A decision that came to nothing is still the one that did.
    used = await record.attested.used("t1", decided[1].signature)
    assert used is not None and used.why == "refused: forgotten-00 asked for this task"
    kept = "".join(path.read_text() for path in (record.place / "archive" / "tasks").rglob("*.json"))
    for word in ("mend the till", "be quick", "Ada L", '"ada"', "os:7"):
        assert word not in kept


async def test_a_halt_stands_although_who_made_it_is_forgotten(record: Record) -> None:
    halt = HaltEntry(
        id="0" * 8,
        action=HaltAction.HALT,
        scope=HaltScope(reach=Reach.ALL),
        person=ADA,
        reason="please be quick",
        at=NOW,
    )
    await record.halts.add(halt)
    changed = record.rewriting.changed(await record.lasting.entries("installation"))
    await record.lasting.erase("installation", changed, record.signer.key)
    (left,) = standing(await record.halts.entries(anew=True))
    assert (left.id, left.person.id, left.scope) == (halt.id, WORDS.alias, halt.scope)
    assert "please be quick" not in left.reason


async def test_what_was_nobodys_word_is_not_signed_when_a_person_is_taken_out_of_it(record: Record) -> None:
    assert len(await signed_decisions(record.chains, "t1", record.verifier)) == 2
    await record.forget()
    forged = [entry for entry in await record.chains.entries("t1") if entry.kind == DECISION][2]
    assert forged.data["signature"] == ""
    assert len(await signed_decisions(record.chains, "t1", record.verifier)) == 2


async def test_who_has_no_gateways_key_can_say_of_no_entry_that_somebody_was_taken_out_of_it(record: Record) -> None:
    entries = await record.chains.entries("t1")
    (record.place / "forger").mkdir()
    forger = SigningKey.load_or_create(record.place / "forger", GATEWAY)
    await record.chains.erase("t1", {4: {**entries[3].data, "signature": ""}}, forger)
    with pytest.raises(ArchiveError, match="no gateway of this installation did that"):
        await record.chains.entries("t1")


@pytest.mark.parametrize("what", ["data", "sha256"])
async def test_an_entry_that_was_changed_after_somebody_was_taken_out_is_noticed(record: Record, what: str) -> None:
    await record.forget()
    first = record.place / "archive" / "tasks" / "t1" / "000001.json"
    text = first.read_text()
    changed = text.replace(FORGOTTEN, "buy a till") if what == "data" else text.replace('"sha256": "', '"sha256": "0')
    assert changed != text
    first.write_text(changed)
    with pytest.raises(ArchiveError, match="broken"):
        await record.chains.entries("t1")


async def test_a_second_person_is_taken_out_of_the_same_entries(record: Record) -> None:
    await record.forget()
    words = Words(person="grace", alias="forgotten-11", names=("grace", "Grace H"), texts=("fine",))
    rewriting = Rewriting(words, record.verifier, record.signer, record.signed, record.halting)
    entries = await record.chains.entries("t1")
    await record.chains.erase("t1", rewriting.changed(entries), record.signer.key)
    decided = await signed_decisions(record.chains, "t1", record.verifier)
    assert [one.decision.person.id for one in decided] == ["forgotten-11", "forgotten-00"]


async def test_an_order_that_still_names_the_person_is_refused_as_another_task(record: Record) -> None:
    admissions = Admissions(record.chains, record.verifier)
    before = await admissions.of("t1")
    await record.forget()
    with pytest.raises(ActionRefused, match="not the task"):
        await admissions.confirm(before)
