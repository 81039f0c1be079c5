"""Asking Python's package indexes which files there are, through the gateway and for named projects alone.

A page is somebody else's: it may be huge, packed, slow or endless. Of each, what is of use is kept and nothing else.
"""

import asyncio
import json
from collections.abc import Callable, Sequence

import httpx
from pypi_simple import ACCEPT_JSON_PREFERRED, DistributionPackage, ProjectPage, UnsupportedRepoVersionError

from activities.egress.contract import SOCKET_NAME, EgressGateway, EgressRecord, EgressRules, PackageFile, PackageHost
from activities.egress.rules import RuleRefused
from activities.environment.checkout import SetupFailed

_AT_ONCE = 8
_PAGE_BYTES = 32 * 1024 * 1024
"""The largest pages that are known have a few thousand files and about 5 MB."""
_SECONDS = 60.0
"""For one page from beginning to end: whoever sends a byte now and then is not waited for."""
_MOST_FILES = 20_000
"""That are kept, of all pages together: each becomes a route of the gateway."""
Keep = Callable[[str, DistributionPackage], bool]
"""Whether a file of a project is of use; asked in a thread."""


async def read_indexes(
    gateway: EgressGateway, listener: str, indexes: Sequence[str], projects: Sequence[str], keep: Keep, *, private: bool
) -> tuple[dict[str, list[DistributionPackage]], tuple[EgressRecord, ...]]:
    """Files of each project, those of an earlier index first, and what was asked for. Raises SetupFailed.

    `projects`: normalised names. A project that no index has is left out, and so is a file that is not to be kept.
    """
    hosts = tuple(
        PackageHost(
            host=_host(number),
            files=tuple(PackageFile(path=f"/{name}/", url=_page(index, name), private=private) for name in projects),
        )
        for number, index in enumerate(indexes)
    )
    found: dict[str, list[DistributionPackage]] = {name: [] for name in projects}
    try:
        directory = await gateway.open(listener, EgressRules(packages=hosts), None)
        transport = httpx.AsyncHTTPTransport(uds=str(directory / SOCKET_NAME))
        # As it is: a packed page of a few kilobytes could fill the memory.
        headers = {"Accept": ACCEPT_JSON_PREFERRED, "Accept-Encoding": "identity"}
        turn = asyncio.Semaphore(_AT_ONCE)
        async with httpx.AsyncClient(transport=transport, headers=headers, timeout=_SECONDS, trust_env=False) as client:

            async def ask(number: int, index: str, name: str) -> None:
                async with turn:
                    found[name] += await _ask(client, f"http://{_host(number)}", _page(index, name), name, keep)
                if sum(map(len, found.values())) > _MOST_FILES:
                    raise SetupFailed(
                        f"the package indexes have more than {_MOST_FILES:,} files of what the lock files pin: pin "
                        "them by their hashes, or fewer of them"
                    )

            for number, index in enumerate(indexes):
                await _together([asyncio.create_task(ask(number, index, name)) for name in projects])
    except RuleRefused as refused:
        raise SetupFailed(f"the package index can't be asked: {refused}") from refused
    finally:
        records = await gateway.close(listener)
        await gateway.forget(listener)
    return {name: files for name, files in found.items() if files}, records


async def _together(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for all, or for the first that fails."""
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _ask(client: httpx.AsyncClient, host: str, page: str, name: str, keep: Keep) -> list[DistributionPackage]:
    body = bytearray()
    try:
        async with asyncio.timeout(_SECONDS), client.stream("GET", f"{host}/{name}/") as answer:
            async for part in answer.aiter_raw():
                body += part
                if len(body) > _PAGE_BYTES:
                    raise SetupFailed(f"the package index's page of {name} is larger than {_PAGE_BYTES:,} bytes")
    except (httpx.HTTPError, TimeoutError) as error:
        raise SetupFailed(
            f"the package index could not be asked for {name}: {type(error).__name__}: {error}"
        ) from error
    if answer.status_code in (404, 410):
        return []
    if answer.status_code != 200:
        said = body.decode(errors="replace").strip()[:300] if answer.status_code in (403, 503) else ""
        leads = f"; it leads to {answer.headers['location'][:200]!r}" if "location" in answer.headers else ""
        raise SetupFailed(f"the package index answered {answer.status_code} when it was asked for {name}{leads} {said}")
    packed = answer.headers.get("content-encoding", "identity")
    if packed.lower() != "identity":
        raise SetupFailed(f"the package index's page of {name} is packed ({packed[:40]!r}), which was not asked for")
    # Beside the event loop: a large page takes a second.
    return await asyncio.to_thread(_parse, answer.headers.get("content-type", ""), bytes(body), page, name, keep)


def _parse(media_type: str, body: bytes, page: str, name: str, keep: Keep) -> list[DistributionPackage]:
    try:
        if media_type.partition(";")[0].strip().endswith("+json"):
            files = ProjectPage.from_json_data(json.loads(body), base_url=page).packages
        else:
            files = ProjectPage.from_html(name, body, base_url=page).packages
    except (ValueError, TypeError, RecursionError, UnsupportedRepoVersionError) as error:
        raise SetupFailed(f"the package index's page of {name} can't be read: {str(error)[:300]}") from error
    return [file for file in files if keep(name, file)]


def _host(number: int) -> str:
    return f"index{number}.registry.internal"


def _page(index: str, name: str) -> str:
    return f"{index.rstrip('/')}/{name}/"
