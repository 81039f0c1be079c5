"""A repository with a lock file is set up and judged with what it pins, without anybody configuring it."""

import dataclasses
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from activities.environment.layer import EnvironmentLayers
from activities.policy.detect import detect
from tests.activities.environment import conftest as environment
from tests.activities.environment.conftest import Host
from tests.activities.environment.index import lock
from tests.activities.evaluation.court import POLICY, Court
from tests.support.repositories import make_repository
from workflows.models.limits import Guarantees, Limits

host, index, access = environment.host, environment.index, environment.access
directory, layers = environment.directory, environment.layers

FILES = {
    "requirements.txt": lock(),
    "answer.py": "import tinything\n\n\ndef answer():\n    return tinything.ANSWER + 1\n",
    "test_answer.py": "from answer import answer\n\n\ndef test_answer():\n    assert answer() == 42\n",
}


@pytest.fixture
async def court(host: Host) -> AsyncIterator[Court]:
    court = Court(Path(tempfile.mkdtemp(prefix="court-", dir=host.state)), host.sandboxes)
    yield court
    await court.close()


async def test_pinned_dependencies_are_there_for_the_checks_of_a_repository_without_a_team_file(
    court: Court, layers: EnvironmentLayers
) -> None:
    source = make_repository(court.folder / "source", FILES)
    found = detect(FILES, lambda path: FILES[path].encode())
    assert [check.name for check in found.checks] == ["pytest"]
    shutil.rmtree(source / ".git")
    layer = await layers.ensure(found.setup, source, Limits(wall_seconds=100), "toolchain")
    assert layer is not None
    policy = POLICY.model_copy(update={"checks": found.checks, "setup": found.setup})
    order = await court.order({"answer.py": FILES["answer.py"].replace(" + 1", "")}, files=FILES, policy=policy)
    bench = dataclasses.replace(court.bench(order), layer=layer.mount())
    evidence = (await court.evaluator.judge(order, bench, Guarantees())).evidence
    assert evidence.findings == ()
    assert evidence.turned == ("test_answer::test_answer",)
