"""Where this machine's package managers fetch from, as their own configuration says.

No registry is named here. What pip and npm would use on this machine is what a set-up may reach, and nothing else.
"""

import asyncio
import ensurepip
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from workflows.models.base import Model

SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Visible inside every sandbox under the same path."""
_SECONDS = 60.0

# Asked of pip itself, so that its files, sections, environment and built-in default all count as they do for pip.
_ASK_PIP = """
import json, sys
sys.path[:0] = sys.argv[1:]
from pip._internal.configuration import Configuration
from pip._internal.models.index import PyPI
configuration = Configuration(isolated=False)
configuration.load()
settings = {}
for key, value in configuration.items():
    settings.update(value if isinstance(value, dict) else {key: value})
print(json.dumps({"settings": settings, "index": PyPI.simple_url, "files": PyPI.file_storage_domain}))
"""


class RegistryAccess(Model):
    """What a set-up may reach, and how its package managers are told."""

    hosts: tuple[str, ...] = ()
    """As in EgressRules."""
    environment: dict[str, str] = {}
    """Variables for the package managers. Addresses without user names or passwords: no credential goes inside."""
    certificates: Path | None = None
    """A file on the host with the certificates to trust, where it is another than the system's."""
    allow_private: bool = False
    """Whether a registry may have a private address: for one on the team's own network."""
    indexes: tuple[str, ...] = ()
    """Addresses of Python's package indexes, the first one first."""
    npm: dict[str, str] = {}
    """Addresses of npm's registries by scope (`@scope`), of all else by an empty name."""

    def inside(self, certificates: str) -> dict[str, str]:
        """Variables for a sandbox that may reach them; `certificates`: where that file is inside."""
        variables = {
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "NPM_CONFIG_UPDATE_NOTIFIER": "false",
        }
        if self.certificates is not None:
            named = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE")
            variables |= dict.fromkeys(named, certificates)
        return variables | self.environment


async def discover(hosts: Sequence[str] = (), *, allow_private: bool = False) -> RegistryAccess:
    """Ask pip and npm, if they are there, where they fetch from. `hosts`, if any, are taken instead of theirs."""
    python, node = await asyncio.gather(_ask_pip(), _ask_npm())
    urls: list[str] = []
    found: list[str] = []
    environment: dict[str, str] = {}
    index: list[str] = []
    extra: list[str] = []
    settings: Mapping[str, str] = {}
    if python is not None:
        settings = _pip_settings(python["settings"])
        index = _remote(settings.get("index-url", python["index"]))
        if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
            index = []
        extra = _remote(settings.get("extra-index-url", ""))
        environment |= _variables(index, extra, settings)
        urls += [*index, *extra, *_remote(settings.get("find-links", ""))]
        if any(urlsplit(url).hostname == urlsplit(python["index"]).hostname for url in urls):
            # Only the default index keeps its files on another host.
            found.append(f"{python['files']}:443")
    registries = {name: url for name, url in node.items() for url in _remote(url)}
    urls += registries.values()
    if "registry" in registries:
        environment["NPM_CONFIG_REGISTRY"] = registries["registry"]
    found += [host_of(url) for url in urls]
    certificates = _certificates(settings)
    reached = tuple(dict.fromkeys(hosts or found))
    return RegistryAccess(
        hosts=reached,
        environment=environment,
        certificates=certificates,
        allow_private=allow_private,
        indexes=tuple(url for url in dict.fromkeys([*index, *extra]) if not hosts or host_of(url) in hosts),
        npm={
            name.rpartition("registry")[0].rstrip(":"): url
            for name, url in registries.items()
            if not hosts or host_of(url) in hosts
        },
    )


def _variables(index: Sequence[str], extra: Sequence[str], settings: Mapping[str, str]) -> dict[str, str]:
    variables = {
        "PIP_INDEX_URL": " ".join(index[:1]),
        "PIP_EXTRA_INDEX_URL": " ".join(extra),
        "PIP_TRUSTED_HOST": settings.get("trusted-host", "").replace("\n", " ").strip(),
    }
    return {name: value for name, value in variables.items() if value}


def _certificates(settings: Mapping[str, str]) -> Path | None:
    for value in (settings.get("cert"), os.environ.get("SSL_CERT_FILE"), os.environ.get("REQUESTS_CA_BUNDLE")):
        if value and Path(value).is_file():
            return Path(value).resolve()
    return SYSTEM_CERTIFICATES if SYSTEM_CERTIFICATES.is_file() else None


def _pip_settings(raw: Mapping[str, object]) -> dict[str, str]:
    """What holds for `pip install`: the environment before the section `install` before `global`."""
    settings: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        settings |= {key.removeprefix(section): str(value) for key, value in raw.items() if key.startswith(section)}
    return settings


def _remote(value: str) -> list[str]:
    """The addresses in a setting that are on a network, without credentials."""
    found = []
    for url in value.split():
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            found.append(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
    return found


def host_of(url: str) -> str:
    """`name:port` of an address, as `hosts` has it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


async def _ask_pip() -> dict[str, Any] | None:
    for command in _pips():
        answer = await _output(*command)
        if isinstance(answer, dict):
            return answer
    return None


def _pips() -> Iterator[tuple[str, ...]]:
    """Ways to run the question: with this Python's pip, with the one bundled for new environments, with any other."""
    yield (sys.executable, "-c", _ASK_PIP)
    shelves = [Path(ensurepip.__file__).parent / "_bundled"]
    if packaged := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        shelves.append(Path(packaged))
    for shelf in shelves:
        for wheel in sorted(shelf.glob("pip-*.whl")):
            yield (sys.executable, "-c", _ASK_PIP, str(wheel))
    for name in ("python3", "python"):
        if other := shutil.which(name):
            yield (other, "-c", _ASK_PIP)


async def _ask_npm() -> dict[str, str]:
    npm = shutil.which("npm")
    answer = await _output(npm, "config", "list", "--json") if npm else None
    if not isinstance(answer, dict):
        return {}
    return {
        key: value
        for key, value in answer.items()
        if isinstance(value, str) and (key == "registry" or key.endswith(":registry"))
    }


async def _output(*command: str) -> object:
    """What a program of this machine prints as JSON; None if it fails, prints something else, or does not end."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",  # A project's own settings are not the machine's.
        )
    except OSError:
        return None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
        return json.loads(output) if process.returncode == 0 else None
    except (TimeoutError, ValueError):
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
