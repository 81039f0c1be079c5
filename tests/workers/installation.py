"""A whole installation in this process: real Temporal, Envoy, bubblewrap and git, with small programs as agents."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.worker import Interceptor

from workers.cli.client import GatewayClient
from workers.embedded.stack import stack
from workers.embedded.temporal_server import free_port
from workers.gateway.messages import NewDecision, NewTask, TaskView
from workers.parts.host import HostParts
from workers.settings import Settings
from workflows.models.decision import Action, DecisionReceipt
from workflows.models.evidence import Evidence
from workflows.models.pull_request import RevertResult
from workflows.models.question import Choice
from workflows.models.status import Stage
from workflows.models.usage import USD

MEND = "sed -i 's/a - b/a + b/' calc.py"
AGENTS = {
    "mender": f'{MEND}; echo \'{{"type": "result", "text": "add() subtracted; now it adds"}}\'',
    "claimer": f"{MEND}; sed -i 's/calc.double(2) == 4/calc.double(2)/' tests/test_calc.py; "
    'echo \'{"type": "result", "text": "Mended add(). All tests pass. I added two tests."}\'',
    "idle": "echo nothing to do",
    "tidy": "touch noise.log; mkdir -p build; touch build/x",
    "failing": f"{MEND}; echo 'cannot go on' >&2; exit 3",
    "sleeper": f"{MEND}; sleep 600",
    "mends-and-waits": f"{MEND}; echo mended; sleep 600",
    "waiter": f"echo started; while [ ! -e /opt/agent/go ]; do sleep 0.1; done; {MEND}",
    "ticker": f"while [ ! -e /opt/agent/go ]; do echo tick; sleep 0.1; done; {MEND}",
    "mended-ticker": f"{MEND}; while true; do echo tick; sleep 0.1; done",
    "flooder": "yes flood",
    "hoarder": f"{MEND}; head -c 300000000 /dev/zero > big; sleep 60",
    "staller": "ln -s / everything; printf 'import time\ntime.sleep(600)\n' >> calc.py",
    "leaver": f"{MEND}; (setsid sleep 1000 >/dev/null 2>&1 &)",
    "leaker": "echo 'AWS_KEY = \"AKIA' > s.py; printf 'AWS_SECRET = \"AKIAIOSFODNN7EXAMPLQ\"\\n' > secrets.py; " + MEND,
    "nester": f"{MEND}; mkdir -p vendor/x; cd vendor/x; git init -q; touch f; git add f; "
    "git -c user.name=a -c user.email=a@b commit -qm x; true",
    "deleter": "rm -rf calc.py tests conftest.py",
    "breaker": "echo 'def add(a, b): return a + b' > calc.py",
    "learner": 'if grep -q "not accepted" "$JOURNEYMAN_PROMPT"; then '
    "printf 'def add(a, b): return a + b\\ndef double(a): return a * 2\\n' > calc.py; "
    "else echo 'def add(a, b): return a + b' > calc.py; fi",
    "adder": f'{MEND}; echo "# $(cat /proc/sys/kernel/random/uuid)" >> calc.py',
    "listener": 'grep -q "also say why" "$JOURNEYMAN_PROMPT" && echo "# why" >> calc.py; ' + MEND,
    "caller": f"{MEND}; python3 -c 'import urllib.request as u; u.urlopen(\"http://evil.example/x\")'; true",
    "late-caller": "echo started; while [ ! -e /opt/agent/go ]; do sleep 0.1; done; "
    f"python3 -c 'import urllib.request as u; u.urlopen(\"http://late.example/x\")'; {MEND}",
    "binary": f"{MEND}; printf '\\000\\377' > blob.bin; "
    "printf x > \"$(printf 'new\\nline')\"; printf y > \"$(printf 'l\\351g')\"",
    "lawmaker": f"{MEND}; printf '[gate]\\nmost_lines = 100000\\n[task_types.test-fix]\\nscope = [\"*\"]\\n' "
    "> .journeyman/team.toml; echo '* @ada' > CODEOWNERS",
    "planter": f"{MEND}; ln -s /etc/passwd pw; git config core.fsmonitor 'touch /work/ran'",
}
FILES = {
    "calc.py": "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return a * 2\n",
    "tests/test_calc.py": "import calc\n\n\ndef test_add():\n    assert calc.add(2, 3) == 5\n\n\n"
    "def test_double():\n    assert calc.double(2) == 4\n",
    "conftest.py": "",
    "AGENTS.md": "# AGENTS.md\nRun the tests with pytest.\n",
    ".gitignore": "*.log\nbuild/\n__pycache__/\n.pytest_cache/\n.journeyman-junit.xml\n",
}


class Terminal:
    """What a person at a terminal of the gateway's machine can do."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def gateway(self, person: str) -> GatewayClient:
        return GatewayClient(self.settings.gateway_socket, person)

    async def ask(self, repository: Path | str, agent: str, person: str = "ada", **more: object) -> str:
        values = {"goal": "mend add()", "repository": str(repository), "agent": agent}
        asked = NewTask.model_validate(values | more)
        return (await asyncio.to_thread(self.gateway(person).admit, asked)).task_id

    async def view(self, task: str) -> TaskView:
        return await asyncio.to_thread(self.gateway("ada").view, task)

    async def evidence(self, task: str) -> Evidence:
        return await asyncio.to_thread(self.gateway("ada").evidence, task)

    async def diff(self, task: str) -> bytes:
        return await asyncio.to_thread(self.gateway("ada").diff, task)

    async def reaches(self, task: str, *stages: Stage, seconds: float = 90) -> TaskView:
        view, pause = await self.view(task), 0.05
        try:
            async with asyncio.timeout(seconds):
                while (view := await self.view(task)).status.stage not in stages:
                    # Each look is work for Temporal, the gateway and this process, which the task waits for.
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.2, 0.3)
        except TimeoutError:
            raise AssertionError(f"{task} is still at {view.status.stage}: {view.status.message}") from None
        return view

    async def settles(self, task: str) -> TaskView:
        """Until it needs a person or has ended."""
        return await self.reaches(task, Stage.REVIEW, Stage.GUIDANCE, Stage.ENDED)

    async def answer(self, task: str, choice: Choice, usd: float = 0, person: str = "grace") -> DecisionReceipt:
        question = (await self.reaches(task, Stage.QUESTION)).status.question
        assert question is not None
        more = round(usd * USD)
        asked = NewDecision(
            action=Action.ANSWER,
            question=question.id,
            choice=choice,
            more_micro_usd=more,
            hosts=question.hosts,
            packages=question.packages,
        )
        return await asyncio.to_thread(self.gateway(person).decide, task, asked)

    async def decide(self, task: str, action: Action, person: str = "grace", message: str = "") -> DecisionReceipt:
        status = (await self.view(task)).status
        asked = NewDecision(
            action=action,
            head=status.patch.head if status.patch else "",
            evidence_hash=status.evaluation.evidence_hash if status.evaluation else "",
            message=message,
        )
        return await asyncio.to_thread(self.gateway(person).decide, task, asked)

    async def revert(self, task: str, person: str = "grace") -> RevertResult:
        return await asyncio.to_thread(self.gateway(person).revert, task, NewDecision(action=Action.REVERT))


class Installation(Terminal):
    """The same, where everything runs on one machine and can be looked into."""

    def __init__(self, settings: Settings, parts: HostParts, agents: Path) -> None:
        super().__init__(settings)
        self.parts = parts
        self.agents = agents


def configure(state: Path, configuration: str = "") -> Path:
    """Write journeyman.toml with all agents, and return the directory they are in."""
    agents = state / "agents"
    agents.mkdir(mode=0o755)
    tables = []
    for name, script in AGENTS.items():
        folder = agents / name
        folder.mkdir(mode=0o755)
        (folder / "agent.sh").write_text(f"{script}\n")
        (folder / "agent.sh").chmod(0o644)
        tables.append(
            f'[agents.{name}]\ncommand = ["sh", "/opt/agent/agent.sh"]\n'
            f'[[agents.{name}.mounts]]\nsource = "{folder}"\ntarget = "/opt/agent"\n'
        )
    # Further runs of checks are asked for by the tests that look at them: they would take most of the others' time.
    quick = "" if "mutation_seconds" in configuration else "repeats = 0\nmutation_seconds = 0\n"
    head = f'default_agent = "mender"\n{quick}{configuration}\n'
    (state / "journeyman.toml").write_text(head + "\n".join(tables))
    return agents


@asynccontextmanager
async def installed(
    state: Path,
    *,
    configuration: str = "",
    capacity: int = 2,
    otlp_endpoint: str = "",
    interceptors: Sequence[Interceptor] = (),
    **more: Any,
) -> AsyncIterator[Installation]:
    """An installation of its own, up until the block ends; nothing of it is left running."""
    agents = configure(state, configuration)
    settings = Settings(
        state=state,
        capacity=capacity,
        otlp_endpoint=otlp_endpoint,
        temporal_address=f"127.0.0.1:{free_port()}",
        temporal_ui_port=free_port(),
        **more,
    )
    async with stack(settings, leave_nothing=True, interceptors=interceptors) as parts:
        yield Installation(settings, parts, agents)
