"""What other ways of starting a sandbox take to its first instruction, each with nothing of ours around it."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.support.engines import BASE, Engine

SAY_WHEN = ("bash", "-c", "echo $EPOCHREALTIME")


def bubblewrap(program: str) -> float:
    """Seconds until bubblewrap's sandbox has imported asyncio."""
    command = [program, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    inside = "import asyncio, json, time; print(json.dumps(time.time()))"
    interpreter = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    began = time.time()
    done = subprocess.run([*drop, *command, interpreter, "-c", inside], check=True, capture_output=True)
    return float(json.loads(done.stdout)) - began


def podman(engine: Engine) -> float:
    """Seconds until a container without a network runs."""
    began = time.time()
    said = engine.run("run", "--rm", "--network", "none", BASE, *SAY_WHEN)
    return float(said.strip().replace(",", ".")) - began


class Srt:
    """Anthropic's sandbox runtime (npm: @anthropic-ai/sandbox-runtime), where somebody has installed it."""

    def __init__(self, state: Path, bubblewrap: Path) -> None:
        """Its settings: one host may be reached, as in ours. It is lent our bubblewrap if there is no other."""
        self._settings = state / "srt.json"
        network = {"allowedDomains": ["api.example.com"], "deniedDomains": []}
        files: dict[str, list[str]] = {"denyRead": [], "allowWrite": ["/tmp"], "denyWrite": []}
        self._settings.write_text(json.dumps({"network": network, "filesystem": files}))
        lent = state / "lent"
        lent.mkdir()
        (lent / "bwrap").symlink_to(bubblewrap)
        self._environment = os.environ | {"PATH": f"{os.environ.get('PATH', os.defpath)}:{lent}"}

    def why_not(self) -> str:
        """Why it can't be measured; empty if it can."""
        if shutil.which("srt") is None:
            return "there is no program srt"
        done = self._run()
        return "" if done.returncode == 0 else (done.stderr.strip() or f"it ended with {done.returncode}")

    def start(self) -> float:
        """Seconds until its sandbox runs."""
        began = time.time()
        done = self._run()
        done.check_returncode()
        return float(done.stdout.split()[-1]) - began

    def _run(self) -> subprocess.CompletedProcess[str]:
        command = ["srt", "--settings", str(self._settings), "date", "+%s.%N"]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60, check=False)
