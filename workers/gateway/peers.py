"""Knowing who is at the other end of the gateway's unix socket: the kernel says, not the request."""

import asyncio
import os
import pwd
import re
import socket
import struct

from uvicorn.protocols.http.h11_impl import H11Protocol

from activities.policy.written_values import PERSON_ID
from workflows.models.person import Person
from workflows.models.status import POLICY


class PeerCredentialsProtocol(H11Protocol):
    """Puts the peer's uid, as SO_PEERCRED gives it, where ASGI has the client's address."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio for each connection."""
        super().connection_made(transport)
        connection: socket.socket = transport.get_extra_info("socket")
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", raw)
        self.client = (f"uid:{uid}", 0)


def os_person(client_host: str, people: dict[str, str]) -> Person:
    """The person behind a peer. `people` maps OS user names to ids of persons; others go by their OS user name.

    Raises PermissionError if the peer is unknown to the operating system.
    """
    if not client_host.startswith("uid:"):
        raise PermissionError("refused: this request did not come over the gateway's unix socket")
    uid = int(client_host.removeprefix("uid:"))
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError as error:
        raise PermissionError(f"refused: uid {uid} is no user of this machine") from error
    return Person(id=people.get(user, user), account=f"os:{uid}", name=user)


def acting_as(person: Person, name: str, profile: str) -> Person:
    """The person under another name, if one is given; the account stays. Raises PermissionError where that can't be.

    A name is what an id in `[people]` may be, so that none reads like another's and is not.
    """
    if not name:
        return person
    if profile != "local":
        raise PermissionError("refused: --as works only in the local profile; decide as yourself")
    if not re.fullmatch(PERSON_ID, name) or name == POLICY:
        raise PermissionError(
            f"refused: --as takes a name of at most 64 of a-z, 0-9, '.', '_' and '-', other than {POLICY!r}"
        )
    return Person(id=name, account=person.account, name=f"{name} (as {person.name})")


def this_user() -> str:
    """The OS user this process runs as, for messages."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
