"""Lock files of every known form are read the same way; whatever else is in them is refused, never followed."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pip._internal.exceptions import PipError
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements

from activities.environment.locks.package import LockRefused
from activities.environment.locks.reading import parse_locks

DIGEST = "ab" * 32
UV = f"""
version = 1
[[package]]
name = "Tiny_Thing"
version = "1.0"
source = {{ registry = "https://index.example/simple" }}
sdist = {{ url = "https://files.example/t.tar.gz", hash = "sha256:{DIGEST}" }}
wheels = [{{ url = "https://files.example/t.whl", hash = "sha256:{"cd" * 32}" }}]
[[package]]
name = "own"
version = "0"
source = {{ editable = "." }}
"""
POETRY = f"""
[[package]]
name = "tiny-thing"
version = "1.0"
files = [{{file = "t.whl", hash = "sha256:{DIGEST}"}}]
[[package]]
name = "from-git"
version = "1.0"
files = []
[package.source]
type = "git"
url = "https://git.example/x"
"""
PYLOCK = f"""
lock-version = "1.0"
created-by = "tests"
[[packages]]
name = "tiny-thing"
version = "1.0"
[[packages.wheels]]
url = "https://files.example/tiny_thing-1.0-py3-none-any.whl"
hashes = {{ sha256 = "{DIGEST}" }}
"""
PIPFILE = json.dumps({"default": {"Tiny.Thing": {"version": "==1.0", "hashes": [f"sha256:{DIGEST}"]}}, "develop": {}})
REQUIREMENTS = f"""# by hand
--require-hashes
-r other.txt
Tiny.Thing[extra]==1.0 ; python_version > "3" \\
    --hash=sha256:{DIGEST} \\
    --hash=sha512:{"0" * 128}
"""
NPM = json.dumps(
    {
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "shop"},
            "packages/own": {"version": "1.0.0"},
            "node_modules/own": {"resolved": "packages/own", "link": True},
            "node_modules/a/node_modules/@s/b": {"version": "2.0.0", "integrity": "sha512-x", "bin": {"b": "b.js"}},
            "node_modules/alias": {"name": "real", "version": "3.0.0"},
            "node_modules/g": {"version": "1.0.0", "resolved": "git+ssh://git@example/x.git#1"},
        },
    }
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", UV),
        ("poetry.lock", POETRY),
        ("sub/pylock.dev.toml", PYLOCK),
        ("Pipfile.lock", PIPFILE),
        ("requirements.txt", REQUIREMENTS),
        ("infra/requirements/lock.txt", REQUIREMENTS),
        ("requirements.lock", REQUIREMENTS),
    ],
)
def test_every_form_names_the_same_package(name: str, text: str) -> None:
    (package,) = parse_locks({name: text.encode()}).packages
    assert (package.told, DIGEST in package.hashes) == ("tiny-thing@1.0", True)


def test_npm_s_lock_names_what_comes_from_a_registry() -> None:
    packages = parse_locks({"web/package-lock.json": NPM.encode(), "package.json": b"not looked into"}).packages
    assert [package.told for package in packages] == ["npm:@s/b@2.0.0", "npm:real@3.0.0"]
    assert json.loads(packages[0].manifest) == {"bin": {"b": "b.js"}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        # Each is fetched by the tool whose lock file it is: by its own address, or because only we would skip it.
        ("uv.lock", UV.replace("editable", "git")),
        ("uv.lock", UV.replace("registry =", 'git = "x", registry =')),
        ("poetry.lock", POETRY.replace("files = [{", 'url = "x"\nfiles = [{')),
        ("Pipfile.lock", PIPFILE.replace('"version"', '"file": "https://files.example/x.whl", "version"')),
        ("requirements.txt", REQUIREMENTS),
        ("package-lock.json", NPM),
        ("package-lock.json", NPM.replace("git+ssh", "HTTPS")),
    ],
)
def test_what_is_of_no_registry_is_named_as_such(name: str, text: str) -> None:
    assert [told for told in parse_locks({name: text.encode()}).elsewhere if told.endswith(f" in {name}")]


def test_a_package_counts_though_the_lock_file_says_that_another_one_has_it_in_its_bundle() -> None:
    entry = {"version": "1.0.0", "inBundle": True, "resolved": "https://r.example/evil/-/evil-1.0.0.tgz"}
    text = json.dumps({"lockfileVersion": 3, "packages": {"node_modules/evil": entry}})
    assert [one.told for one in parse_locks({"package-lock.json": text.encode()}).packages] == ["npm:evil@1.0.0"]


def test_two_lock_files_that_pin_the_same_package_count_together() -> None:
    other = REQUIREMENTS.replace(DIGEST, "ef" * 32)
    (package,) = parse_locks(
        {"requirements.txt": REQUIREMENTS.encode(), "dev-requirements.txt": other.encode()}
    ).packages
    assert package.hashes == (DIGEST, "ef" * 32)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "-e ."),
        ("requirements.txt", "./local.whl"),
        ("requirements.txt", "a==1.*"),
        ("requirements.txt", "a==1,!=2"),
        ("requirements.txt", "a"),
        ("requirements.txt", "--extra-index-url=https://evil.example"),
        ("requirements.txt", "--only-binary=:none:"),
        ("requirements.txt", "a==1 --config-settings=x=y"),
        ("requirements.txt", "git+https://evil.example/x"),
        # To pip, which looks for an encoding there, the comment ends and a package begins.
        ("requirements.txt", "# coding: utf-7\n# +AAo-evil==6.6\n"),
        ("requirements.txt", "a==1\n# vim: set fileencoding=unicode_escape :\n# \\nevil==6.6\n"),
        ("requirements.txt", "-r other.txt --extra-index-url=https://evil.example"),
        ("requirements.txt", "-c other.txt -e ./own"),
        ("requirements.txt", "-r https://evil.example/x.txt"),
        ("package-lock.json", json.dumps({"lockfileVersion": 1, "packages": {"": {}}, "dependencies": {"a": {}}})),
        ("package-lock.json", json.dumps({"lockfileVersion": 3, "packages": {}, "dependencies": {"a": {}}})),
        ("package-lock.json", json.dumps({"lockfileVersion": 1, "dependencies": {}})),
        (
            "package-lock.json",
            json.dumps({"lockfileVersion": 3, "packages": {"node_modules/../../etc": {"version": "1.0.0"}}}),
        ),
        (
            "package-lock.json",
            json.dumps({"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0/../../b"}}}),
        ),
        ("package-lock.json", json.dumps({"lockfileVersion": 3, "packages": {"node_modules/a": {"version": 1}}})),
        ("package-lock.json", json.dumps({"lockfileVersion": 3, "packages": {"node_modules/a": []}})),
        ("package-lock.json", "[" * 100_000),
        ("Pipfile.lock", "[]"),
        ("uv.lock", "package = 3"),
        ("uv.lock", "[[package]]\nversion = '1'"),
        ("pylock.toml", "lock-version = '9.0'"),
        # Names and versions become paths, and what people are asked about: no other words get in with them.
        ("uv.lock", '[[package]]\nname = "a b"\nversion = "1"'),
        ("uv.lock", '[[package]]\nname = "a\\nb"\nversion = "1"'),
        ("uv.lock", '[[package]]\nname = "\u212aelvin"\nversion = "1"'),
        ("uv.lock", '[[package]]\nname = "../../a"\nversion = "1"'),
        ("uv.lock", f'[[package]]\nname = "{"a" * 300}"\nversion = "1"'),
        ("uv.lock", '[[package]]\nname = "a"\nversion = "1 (allowed by grace)"'),
        ("Pipfile.lock", json.dumps({"default": {"a": {"version": "==1/../2"}}})),
        ("requirements.txt", f"a=={'1' * 200}"),
        ("package-lock.json", json.dumps({"lockfileVersion": 3, "packages": {"node_modules/.": {"version": "1.0.0"}}})),
        (
            "package-lock.json",
            json.dumps({"lockfileVersion": 3, "packages": {"node_modules/@a/.": {"version": "1.0.0"}}}),
        ),
        ("yarn.lock", ""),
        ("go.sum", ""),
        ("requirements.txt", "\n".join(f"a{number}==1" for number in range(10_001))),
    ],
)
def test_what_pins_nothing_or_leads_elsewhere_is_refused_by_the_file_s_name(name: str, text: str) -> None:
    with pytest.raises(LockRefused, match=name):
        parse_locks({name: text.encode()})


FORMS = ("requirements.txt", "package-lock.json", "uv.lock", "poetry.lock", "pylock.toml", "Pipfile.lock")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["packages", "default", "node_modules/a", "version", "name", "integrity", "hashes"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(
    st.sampled_from(FORMS), st.binary(max_size=400) | st.text().map(str.encode) | JSON.map(json.dumps).map(str.encode)
)
def test_no_content_whatever_does_anything_but_be_read_or_refused(name: str, content: bytes) -> None:
    with suppress(LockRefused):
        packages = parse_locks({name: content}).packages
        assert all(package.name and package.version and "/.." not in package.name for package in packages)


PIECES = [
    *("one==1.0", "two==2.0", "evil==6.6", "-r x.txt", "-c x.txt", "--hash=sha256:ab", "; python_version>'3'", "[x]"),
    *("#", " ", "\t", "\\", "\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u00a0", "\ufeff"),
    *("# coding: utf-7", "+AAo-", "coding=unicode_escape", "\\n", "-e ", "==", "${X}", '"', "'", ",", "@", "\x00"),
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_whatever_pip_finds_in_a_requirements_file_is_found_here_or_the_file_is_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "requirements.txt")
        file.write_bytes(text.encode())
        try:
            found = parse_locks({file.name: text.encode()})
        except LockRefused:
            return
        # pip follows includes; what is in those is their own matter.
        Path(place, "x.txt").touch()
        try:
            theirs = [Requirement(one.requirement).name for one in parse_requirements(str(file), session=PipSession())]
        except (PipError, InvalidRequirement, OSError, UnicodeError, LookupError):
            return
    assert {canonicalize_name(name) for name in theirs} <= {package.name for package in found.packages}
