"""A mistake in a policy file is found and named, instead of leaving a rule that does not hold."""

import os
from pathlib import Path

import pytest

from activities.policy.documents import PlatformPolicy, SecurityPolicy, TeamPolicy
from activities.policy.reading import MAX_BYTES, read_document, read_platform, read_security, read_team
from workflows.models.limits import GIB, Limits
from workflows.models.policy import PolicyRefusal


def refused(
    data: str | bytes, kind: type[PlatformPolicy] | type[SecurityPolicy] | type[TeamPolicy] = TeamPolicy
) -> str:
    with pytest.raises(PolicyRefusal) as refusal:
        read_document(kind, data.encode() if isinstance(data, str) else data, "file.toml")
    return str(refusal.value)


def test_a_full_platform_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "journeyman.toml"
    file.write_text(
        """
        profile = "local"
        allow_self_approval = true
        [agents.demo]
        command = ["python3", "/opt/demo/agent.py"]
        egress = ["api.example.com", "*.example.org:8443"]
        environment = { API_KEY = "placeholder", MODE = "fast" }
        [[agents.demo.mounts]]
        source = "/srv/demo"
        target = "/opt/demo"
        [limits.run]
        memory_bytes = "2 GiB"
        [people.alice]
        os = "alice"
        """
    )
    policy = read_platform(file)
    assert policy.agents["demo"].command == ("python3", "/opt/demo/agent.py")
    assert policy.limits.run.replace(Limits()).memory_bytes == 2 * GIB


def test_files_that_do_not_exist_set_nothing(tmp_path: Path) -> None:
    assert read_platform(tmp_path / "none.toml") == PlatformPolicy()
    assert read_security(tmp_path / "none.toml") == SecurityPolicy()
    assert read_team(None) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_security_file_that_cannot_be_read_is_not_taken_for_a_missing_one(tmp_path: Path) -> None:
    file = tmp_path / "security.toml"
    file.write_text("forbidden = ['secrets/']")
    file.chmod(0)
    with pytest.raises(PolicyRefusal, match="can't be read"):
        read_security(file)


def test_a_security_path_that_is_a_directory_is_not_taken_for_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PolicyRefusal, match="can't be read"):
        read_security(tmp_path)


@pytest.mark.parametrize(
    ("text", "key", "near"),
    [
        ("forbiden = ['x']", "`forbiden`", "`forbidden`"),
        ("[[checks]]\nname = 'a'\ncomand = 'b'", "`checks[0].comand`", "`command`"),
        ("[limits.run]\nmemory = 5", "`limits.run.memory`", "`memory_bytes`"),
        ("[task_types.docs]\nscop = ['docs/']", "`task_types.docs.scop`", "`scope`"),
        ("[setup]\nlockfiles = []", "`setup.lockfiles`", "`lock_files`"),
        ("zzz = 1", "`zzz`", "known keys here"),
    ],
)
def test_a_misspelt_key_is_named_with_the_right_one(text: str, key: str, near: str) -> None:
    message = refused(text)
    assert key in message
    assert near in message
    assert message.startswith("file.toml")


def test_a_syntax_error_names_file_and_line() -> None:
    assert refused("scope = []\n\nforbidden = [").startswith("file.toml, line 3:")
    assert refused("a = 1\na = 2").startswith("file.toml, line 2:")
    assert refused(b"a = 1\nb = '\xff'").startswith("file.toml, line 2:")


@pytest.mark.parametrize(
    "data", [b"x" * (MAX_BYTES + 1), b"a = " + b"[" * 50_000, b"\x00", b"a = 1e999999\n" * 2, b"scope = 5", b"[a"]
)
def test_a_hostile_file_is_refused_and_does_not_break_the_reader(data: bytes) -> None:
    assert refused(data).startswith("file.toml")


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (PlatformPolicy, 'profile = "team"\nallow_self_approval = true', "somebody else decides"),
        (PlatformPolicy, 'default_agent = "gone"', "no \\[agents.gone\\]"),
        (PlatformPolicy, "[people.a]\nos='x'\n[people.b]\nos='x'", "share the os account"),
        (PlatformPolicy, "[agents.a]\ncommand=['x']\negress=['127.0.0.1']", "an address"),
        (PlatformPolicy, "[agents.a]\ncommand=['x']\nenvironment={MY_API_KEY='real'}", "looks like a credential"),
        (PlatformPolicy, "[agents.a]\ncommand=['x']\nmounts=[{source='/a', target='/work/x'}]", "of the sandbox's own"),
        (PlatformPolicy, "[agents.a]\ncommand=['x']\nmounts=[{source='a', target='/x'}]", "absolute"),
        (SecurityPolicy, "approve = []", "at least 1"),
        (SecurityPolicy, "required_grades = {memroy = 'kernel'}", "is not a limit"),
        (TeamPolicy, "checks = []", "at least 1"),
        (TeamPolicy, "[[checks]]\nname='a'\ncommand='x'\n[[checks]]\nname='a'\ncommand='y'", "own name"),
        (TeamPolicy, "[[checks]]\nname='a'\ncommand='x'\njunit='../../etc/passwd'", "inside the repository"),
        (TeamPolicy, "forbidden = ['!all']", "without a leading"),
        (TeamPolicy, "max_changed_lines = 0", "greater than 0"),
        (TeamPolicy, "[setup]\nlock_files = ['/etc/passwd']", "inside the repository"),
    ],
)
def test_what_can_not_hold_is_refused_with_its_reason(
    kind: type[PlatformPolicy] | type[SecurityPolicy] | type[TeamPolicy], text: str, reason: str
) -> None:
    with pytest.raises(PolicyRefusal, match=reason):
        read_document(kind, text.encode(), "file.toml")


def test_a_mistake_is_told_with_its_line() -> None:
    with pytest.raises(PolicyRefusal) as refused:
        read_team(b"# ours\n[limits.run]\nwall_seconds = -1\n[gate]\nphase = 1\nphases = 3\n")
    assert "line 3: `limits.run.wall_seconds`" in str(refused.value)
    assert "line 6: `gate.phases` is not a key" in str(refused.value)
