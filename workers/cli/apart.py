"""Commands for an installation whose parts run apart: on several machines, or each in a container."""

import asyncio
import contextlib
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from workers.cli.client import CommandFailed
from workers.cli.serving import asked_to_end, run_to_its_end
from workers.cli.terminal import out, tell
from workers.logs import log_to
from workers.settings import load_settings


def worker(
    *, queues: Annotated[str, Parameter(help="Kinds of work, with commas: orchestrate, api, host.")] = ""
) -> None:
    """Run a worker against a Temporal server until it is asked to end.

    The server is the one at JOURNEYMAN_TEMPORAL_ADDRESS; without that, where Temporal's own TEMPORAL_* variables or its
    configuration file say.
    """
    # Loaded here, so that commands which only ask the gateway stay quick.
    from activities.decisions.halts import HaltsUnreadable  # noqa: PLC0415
    from workers.namespace import check  # noqa: PLC0415
    from workers.parts.host import HostParts  # noqa: PLC0415
    from workers.parts.shared import SharedParts  # noqa: PLC0415
    from workers.temporal import connect_as_configured  # noqa: PLC0415
    from workers.worker import QUEUES, working  # noqa: PLC0415

    settings = load_settings()
    kinds = tuple(kind.strip() for kind in queues.split(",")) if queues else QUEUES
    if unknown := set(kinds) - set(QUEUES):
        raise CommandFailed(f"there is no kind of work {sorted(unknown)[0]!r}; choose from {', '.join(QUEUES)}", code=2)
    log_to(settings, "worker")

    async def serve() -> None:
        shared = SharedParts.load(settings)
        host = HostParts.load(shared) if "host" in kinds else None
        # A gateway of the worker before this one may still run: also who is ended before it serves leaves none.
        try:
            if host is not None:
                with contextlib.suppress(HaltsUnreadable):
                    # Also where Temporal is down, and this ends at once for it.
                    await host.halts.look()
            client = await connect_as_configured(settings, settings.metrics_address)
            await check(client)
            await shared.probe()
            async with working(client, shared, host, kinds):
                where = f"{client.service_client.config.target_host}, namespace {client.namespace}"
                with asked_to_end() as asked:
                    out().print(f"worker {shared.host} serves {', '.join(kinds)} at {where}", markup=False)
                    await asked.wait()
        finally:
            if host is not None:
                await host.leave()
            await shared.close()

    run_to_its_end(serve())


def gateway() -> None:
    """Run the gateway on its unix socket until it is asked to end. It finds Temporal as `worker` does."""
    from workers.gateway.assembly import gateway_of, members_of  # noqa: PLC0415
    from workers.gateway.server import serving  # noqa: PLC0415
    from workers.gateway.taking import taking_webhooks  # noqa: PLC0415
    from workers.namespace import check  # noqa: PLC0415
    from workers.parts.shared import SharedParts  # noqa: PLC0415
    from workers.temporal import connect_as_configured  # noqa: PLC0415

    settings = load_settings()
    log_to(settings, "gateway")

    async def serve() -> None:
        shared = SharedParts.load(settings)
        client = await connect_as_configured(settings)
        await check(client)
        await shared.probe()
        gateway = gateway_of(client, shared, pages=settings.pages(client.namespace))
        try:
            async with (
                serving(gateway.app, settings.gateway_socket, members_of(shared)),
                taking_webhooks(client, shared, gateway),
            ):
                with asked_to_end() as asked:
                    github = shared.owners.platform().github
                    webhooks = github.webhooks if github is not None else None
                    told = f", and GitHub at {webhooks.address}" if webhooks is not None else ""
                    out().print(f"gateway serves {settings.gateway_socket}{told}", markup=False)
                    await asked.wait()
        finally:
            await shared.close()

    run_to_its_end(serve())


def setup_namespace(*, retention_days: Annotated[int, Parameter(show_default=True)] = 30) -> None:
    """Make the Temporal namespace, if it is not there, and the search attributes that tasks need. Safe to repeat.

    `up` does this for the server that it starts.

    Parameters
    ----------
    retention_days
        How long a namespace that is made keeps tasks that have ended; the archive keeps them for good.
    """
    from workers.namespace import set_up  # noqa: PLC0415
    from workers.temporal import connect_as_configured  # noqa: PLC0415

    if retention_days < 1:
        raise CommandFailed("--retention-days is at least 1", code=2)

    async def prepare() -> None:
        client = await connect_as_configured(load_settings())
        done = await set_up(client, timedelta(days=retention_days))
        for line in done or [f"the namespace {client.namespace} has everything it needs"]:
            out().print(line, markup=False)

    run_to_its_end(prepare())


def keys(directory: Path) -> None:
    """Make signing keys for a gateway and for workers that don't share a state directory. Safe to repeat.

    Each gets a directory of its own, for JOURNEYMAN_KEYS: `gateway` and `worker`, with its private key, and the public
    half of the other's. Whoever has the gateway's can decide anything; whoever has the workers' can attest anything.

    Parameters
    ----------
    directory
        Where to make the two.
    """
    from activities.decisions.attested import WORKER  # noqa: PLC0415
    from activities.decisions.pairing import pair  # noqa: PLC0415
    from activities.decisions.signing import GATEWAY  # noqa: PLC0415

    async def make() -> None:
        for made in await asyncio.to_thread(pair, directory, GATEWAY, WORKER):
            out().print(f"JOURNEYMAN_KEYS={made.directory}   # of every {made.role}", markup=False)
        out().print("keys that were there are as they were; what is printed is where each part finds its own")

    run_to_its_end(make())


def sign(file: Path, /, *, keys: Path) -> None:
    """Sign security.toml as it is now, as its owner. Where an owner's key is known, no other text of it counts.

    The first time a key is made, for you alone; its public half goes to `security-owners/` in the installation's
    directory of keys (JOURNEYMAN_KEYS, or `keys` in the state directory), and with it signatures are asked for.

    Parameters
    ----------
    file
        The file; its signature stands beside it, and both are copied together.
    keys
        Your own directory, which nobody else can read.
    """
    from activities.decisions.keys import KeyUnusable, SigningKey  # noqa: PLC0415
    from activities.policy.owner_signature import OWNER  # noqa: PLC0415
    from activities.policy.owner_signature import sign as sign_file  # noqa: PLC0415
    from activities.policy.reading import read_security  # noqa: PLC0415
    from workflows.models.policy import PolicyRefusal  # noqa: PLC0415

    try:
        # What does not hold is not worth a signature.
        read_security(file)
        key = SigningKey.load_or_create(keys, OWNER)
        place = sign_file(file, key)
    except (KeyUnusable, PolicyRefusal) as error:
        raise CommandFailed(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} can't be signed: {error}") from error
    public, known = keys / f"{OWNER}.pub", load_settings().keys_location / f"{OWNER}s"
    out().print(f"signed: {place}\nyour public key: {public}", markup=False)
    if not any(each.read_bytes() == public.read_bytes() for each in known.glob("*.pub")):
        tell("it is not known here yet, so signatures are not asked for; this makes it known:")
        tell(f"  mkdir -p {known} && cp {public} {known}/NAME.pub")


def payload_key(name: str, /) -> None:
    """Print a line with a new key for the file that JOURNEYMAN_PAYLOAD_KEYS names.

    The first line of that file encrypts whatever Temporal keeps of tasks; the others still decrypt what they encrypted.

    Parameters
    ----------
    name
        Of the key, such as `2026-11`; it stands beside what the key encrypted.
    """
    from workers.payloads import is_key_name, new_key_line  # noqa: PLC0415

    if not is_key_name(name):
        raise CommandFailed("a key's name is at most 64 letters, digits, dots, dashes and underscores", code=2)
    sys.stdout.write(f"{new_key_line(name)}\n")


def codec(*, port: int = 8234, origin: str = "") -> None:
    """Decrypt payloads for the Temporal UI in your browser, on 127.0.0.1, until asked to end.

    Whoever reaches this port can read what tasks are about: keep it to yourself, or behind what knows your people.

    Parameters
    ----------
    port
        Where it listens.
    origin
        Of the UI's pages, as the browser shows it; default: the UI that `up` starts.
    """
    from workers.codec_server import codec_app  # noqa: PLC0415
    from workers.gateway.server import serving_on_port  # noqa: PLC0415
    from workers.payloads import EncryptedPayloads, read_keys  # noqa: PLC0415

    settings = load_settings()
    if settings.payload_keys is None:
        raise CommandFailed("JOURNEYMAN_PAYLOAD_KEYS names no file of keys, so nothing is encrypted")
    app = codec_app(
        EncryptedPayloads(read_keys(settings.payload_keys)), origin or f"http://127.0.0.1:{settings.temporal_ui_port}"
    )

    async def serve() -> None:
        async with serving_on_port(app, port):
            with asked_to_end() as asked:
                out().print(f"decrypts at http://127.0.0.1:{port}: the UI's codec endpoint", markup=False)
                await asked.wait()

    run_to_its_end(serve())
