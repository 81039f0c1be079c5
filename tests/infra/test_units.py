"""The units for systemd are ones that systemd takes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.containers import ROOT
from workers.embedded.programs import program

UNITS = sorted((ROOT / "infra" / "systemd").glob("*.service"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_has_no_line_that_systemd_would_ignore(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/journeyman/bin/journeyman", str(program("journeyman"))))
    found = subprocess.run(["systemd-analyze", "verify", str(copy)], check=False, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
