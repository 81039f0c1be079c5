"""`journeyman down`: end what `up` started, and what it left behind for runs that outlive it."""

import os
import signal
import socket
import struct

from filelock import FileLock, Timeout

from activities.egress.gateway import EnvoyGateway
from activities.host.layout import HostLayout
from activities.host.supervised import TAKEN_DOWN
from activities.sandbox.host import HostSandboxes
from activities.sandbox.stage import stage_runtime
from activities.socket_paths import short
from workers.sandboxes import configured_backend
from workers.settings import Settings

_PATIENCE = 60.0
"""Seconds in which `up` hands over what is running."""


class RunsGoOn(Exception):
    """Runs that nobody asked to end are alive, and need the egress gateway."""


class StillUp(Exception):
    """`up` was asked to end, and has not."""


async def take_down(settings: Settings, *, end_runs: bool) -> list[str]:
    """End everything of this state directory and say what was ended, a line for each.

    Runs that are at work go on, and so does the egress gateway that they need, unless `end_runs` allows ending them.
    Raises RunsGoOn if nothing but these was left to be ended, and StillUp.
    """
    told: list[str] = []
    lock = FileLock(settings.prepare_state() / "up.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        process = _serving(settings)
        os.kill(process, signal.SIGTERM)
        try:
            lock.acquire(timeout=_PATIENCE)
        except Timeout as late:
            raise StillUp(f"process {process} was asked to end and still goes on after {_PATIENCE:.0f} s") from late
        told.append(f"`journeyman up` (process {process}) was asked to end, and has")
    try:
        layout = HostLayout(settings.hosts / settings.host_id())
        sandboxes = HostSandboxes(layout.runs, configured_backend(settings, stage_runtime(settings.state)))
        runs = sandboxes.live_runs()
        if runs and not end_runs:
            go_on = (
                f"{', '.join(runs)}: still at work, with the egress gateway, and found again by `journeyman up`; "
                "`journeyman down --runs` ends what is at work, and its task begins that run again in the workspace "
                "as it is"
            )
            if not told:
                raise RunsGoOn(go_on)
            return [*told, go_on]
        for run in runs:
            await sandboxes.stop(run, TAKEN_DOWN)
            told.append(f"run {run} was ended")
        await EnvoyGateway(layout.egress).stop()
        told.append("nothing of it runs any more: no run, no egress gateway")
    finally:
        lock.release()
    return told


def _serving(settings: Settings) -> int:
    """The process that serves the gateway's socket. Raises StillUp if there is none yet."""
    try:
        with socket.socket(socket.AF_UNIX) as probe, short(settings.gateway_socket) as path:
            probe.connect(path)
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    except OSError as error:
        raise StillUp("`journeyman up` is just starting or ending: ask again in a few seconds") from error
    process: int = struct.unpack("3i", credentials)[0]
    if process <= 0:
        # What has no number here runs in another container; 0 would be this command and all beside it.
        raise StillUp("`journeyman up` runs in another container or namespace of processes: end it there")
    return process
