"""The container engine, by the Engine API that Docker and Podman serve on a unix socket.

What it answers is taken for hostile: ids go into addresses, so they must look like ids; text goes to people, so it is
made plain and short. Every call ends after a while, since a supervisor that waits for an engine watches no limit.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

SECONDS = 20
"""Until a call is given up."""
_ID = re.compile(r"[0-9a-f]{64}")
_IMAGE_ID = re.compile(r"(sha256:)?[0-9a-f]{64}")
MARK, RUN, PLACE = "org.journeyman.mark", "org.journeyman.run", "org.journeyman.place"
"""Labels of each container: by the first it is found again, the second is for people."""
_DEAD = ("exited", "dead", "removing", "stopped")


class EngineUnavailable(OSError):
    """Nobody who speaks the Engine API answers; the message says where, and what to do."""


class EngineRefused(OSError):
    """The engine did not do what it was asked for; the message is its own, made plain."""


class NoSuchThing(EngineRefused):
    """It knows no such container or image."""


@dataclass(frozen=True)
class Address:
    """Where an engine is and how it is spoken to, as JSON has it."""

    socket: str
    version: str
    """Of the API."""
    podman: bool
    """Podman takes some options in a form of its own."""


@dataclass(frozen=True)
class Image:
    """What an engine says of an image."""

    identity: str
    """Of exactly this content: a name can be given to another image at any time."""
    volumes: tuple[str, ...]
    has_health_check: bool


@dataclass(frozen=True)
class State:
    """What an engine says of a container."""

    alive: bool
    pid: int
    """Its first process on the engine's host; 0 if it has none."""
    exit_code: int
    ran_out_of_memory: bool
    told: str
    """Why it could not be started, if the engine says so."""


class Engine:
    """One engine. Methods raise EngineUnavailable and EngineRefused."""

    def __init__(self, address: Address, seconds: int = SECONDS) -> None:
        self._socket, self._podman = address.socket, address.podman
        with _told(self._socket):
            self._api: Any = docker.APIClient(
                base_url=f"unix://{address.socket}", version=address.version, timeout=seconds
            )

    @staticmethod
    def at(socket: str) -> Address:
        """Ask what is there."""
        with _told(socket):
            api: Any = docker.APIClient(base_url=f"unix://{socket}", version="auto", timeout=SECONDS)
            answer = api.version()
        version = str(answer.get("ApiVersion", ""))
        if not re.fullmatch(r"\d{1,2}\.\d{1,3}", version):
            raise EngineUnavailable(f"What answers at {plain(socket)} states no version of the Engine API.")
        names = [str(part.get("Name", "")) for part in answer.get("Components") or () if isinstance(part, dict)]
        return Address(socket, version, any("podman" in name.lower() for name in names))

    def is_rootless(self) -> bool:
        """Whether the engine itself runs without root's rights."""
        with _told(self._socket):
            told = self._api.info()
        options = [str(option) for option in told.get("SecurityOptions") or ()]
        # Podman has a field for it, Docker an option among others.
        return told.get("Rootless") is True or any("rootless" in option for option in options)

    def made_by(self, runtime: str) -> str:
        """What makes its containers, such as `runc of Podman 4.3.1`. `runtime` is the one that is asked for, if any."""
        with _told(self._socket):
            told, version = self._api.info(), self._api.version()
        name = "Podman" if self._podman else "Docker"
        chosen = runtime or told.get("DefaultRuntime") or "the default"
        return plain(f"{chosen} of {name} {version.get('Version') or ''}", 80)

    def image(self, reference: str) -> Image:
        """What it knows of an image. Raises NoSuchThing."""
        with _told(self._socket):
            found = self._api.inspect_image(reference)
        if not isinstance(found, dict) or not _IMAGE_ID.fullmatch(str(found.get("Id", ""))):
            raise EngineRefused(f"The engine names no image for {plain(reference)}.")
        told = found.get("Config")
        settings: dict[str, Any] = told if isinstance(told, dict) else {}
        return Image(
            identity="sha256:" + str(found["Id"]).removeprefix("sha256:"),
            volumes=tuple(map(str, settings.get("Volumes") or ())),
            has_health_check=bool(settings.get("Healthcheck")),
        )

    def create(self, body: dict[str, Any]) -> str:
        """Make a container and return its id."""
        with _told(self._socket):
            answer = self._api.create_container_from_config(body)
        return _checked(answer.get("Id") if isinstance(answer, dict) else None)

    def start(self, container: str) -> None:
        with _told(self._socket):
            self._api.start(container)

    def state(self, container: str) -> State:
        """Raises NoSuchThing."""
        with _told(self._socket):
            answer = self._api.inspect_container(container)
        told = answer.get("State") if isinstance(answer, dict) else None
        state: dict[str, Any] = told if isinstance(told, dict) else {}
        pid, code = state.get("Pid"), state.get("ExitCode")
        return State(
            alive=str(state.get("Status", "")).lower() not in _DEAD,
            pid=pid if isinstance(pid, int) and pid > 1 else 0,
            exit_code=code if isinstance(code, int) else -1,
            ran_out_of_memory=state.get("OOMKilled") is True,
            told=plain(str(state.get("Error") or "")),
        )

    def said(self, container: str) -> str:
        """The last of what it said to the engine, before it spoke to the supervisor; empty if that is not known."""
        with contextlib.suppress(OSError), _told(self._socket):
            return plain(self._api.logs(container, tail=20).decode(errors="replace"))
        return ""

    def freeze(self, container: str, wanted: bool) -> None:
        with _told(self._socket):
            if wanted:
                self._api.pause(container)
            else:
                self._api.unpause(container)

    def marked(self, mark: str) -> list[str]:
        """Every container with this mark, dead ones too."""
        with _told(self._socket):
            found = self._api.containers(all=True, filters={"label": f"{MARK}={mark}"})
        return [_checked(each.get("Id")) for each in found if isinstance(each, dict)]

    def placed(self) -> dict[str, str]:
        """Every container of any host's runs, with the directory that its supervisor has for it."""
        with _told(self._socket):
            found = self._api.containers(all=True, filters={"label": PLACE})
        each = [one for one in found if isinstance(one, dict)]
        return {_checked(one.get("Id")): str((one.get("Labels") or {}).get(PLACE, "")) for one in each}

    def remove(self, container: str) -> None:
        """Kill and remove it, frozen or not, with whatever storage it has. Nothing happens if it is not there."""
        with contextlib.suppress(NoSuchThing), _told(self._socket):
            self._api.remove_container(container, force=True, v=True)


def _checked(identity: object) -> str:
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        raise EngineRefused("The engine answered with something that is no container's id.")
    return identity


@contextlib.contextmanager
def _told(socket: str) -> Iterator[None]:
    """Turn the SDK's errors into ours."""
    try:
        yield
    except NotFound as error:
        raise NoSuchThing(plain(_explained(error))) from error
    except APIError as error:
        raise EngineRefused(plain(_explained(error))) from error
    except (DockerException, requests.RequestException) as error:
        raise EngineUnavailable(
            f"No container engine answers at {plain(socket)} ({plain(str(error), 200)}). Start it, for example with "
            "`systemctl start docker` or `systemctl start podman.socket`, let this user open the socket, or correct "
            "`sandbox.container.socket` in journeyman.toml."
        ) from error


def _explained(error: APIError) -> str:
    return str(error.explanation or error)


def plain(text: str, most: int = 1000) -> str:
    """One line of printable characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * most]).split())[:most]
