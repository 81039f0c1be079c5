"""Asking Python's package indexes which files there are, through the gateway and for named projects alone."""

import asyncio
import json
from collections.abc import Sequence

import httpx
from pypi_simple import ACCEPT_JSON_PREFERRED, DistributionPackage, ProjectPage, UnsupportedRepoVersionError

from activities.egress.contract import SOCKET_NAME, EgressGateway, EgressRecord, EgressRules, PackageFile, PackageHost
from activities.environment.checkout import SetupFailed

_AT_ONCE = 8
_PAGE_BYTES = 32 * 1024 * 1024
"""The largest pages that are known have a few thousand files and about 5 MB."""
_SECONDS = 60.0


async def read_indexes(
    gateway: EgressGateway, listener: str, indexes: Sequence[str], projects: Sequence[str], *, private: bool
) -> tuple[dict[str, list[DistributionPackage]], tuple[EgressRecord, ...]]:
    """Files of each project, those of an earlier index first, and what was asked for. Raises SetupFailed.

    `projects`: normalised names. A project that no index has is left out.
    """
    hosts = tuple(
        PackageHost(
            host=_host(number),
            files=tuple(PackageFile(path=f"/{name}/", url=_page(index, name)) for name in projects),
            private=private,
        )
        for number, index in enumerate(indexes)
    )
    try:
        directory = await gateway.open(listener, EgressRules(packages=hosts), None)
        transport = httpx.AsyncHTTPTransport(uds=str(directory / SOCKET_NAME))
        turn = asyncio.Semaphore(_AT_ONCE)
        async with httpx.AsyncClient(transport=transport, timeout=_SECONDS, trust_env=False) as client:

            async def ask(number: int, index: str, name: str) -> list[DistributionPackage]:
                async with turn:
                    return await _ask(client, f"http://{_host(number)}/{name}/", _page(index, name), name)

            found: dict[str, list[DistributionPackage]] = {name: [] for name in projects}
            for number, index in enumerate(indexes):
                each = await asyncio.gather(*(ask(number, index, name) for name in projects))
                for name, files in zip(projects, each, strict=True):
                    found[name] += files
    finally:
        records = await gateway.close(listener)
        await gateway.forget(listener)
    return {name: files for name, files in found.items() if files}, records


async def _ask(client: httpx.AsyncClient, url: str, page: str, name: str) -> list[DistributionPackage]:
    try:
        async with client.stream("GET", url, headers={"Accept": ACCEPT_JSON_PREFERRED}) as answer:
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _PAGE_BYTES:
                    raise SetupFailed(f"the package index's page of {name} is larger than {_PAGE_BYTES:,} bytes")
    except httpx.HTTPError as error:
        raise SetupFailed(
            f"the package index could not be asked for {name}: {type(error).__name__}: {error}"
        ) from error
    if answer.status_code in (404, 410):
        return []
    if answer.status_code != 200:
        said = body.decode(errors="replace").strip()[:300] if answer.status_code in (403, 503) else ""
        leads = f"; it leads to {answer.headers['location'][:200]!r}" if "location" in answer.headers else ""
        raise SetupFailed(f"the package index answered {answer.status_code} when it was asked for {name}{leads} {said}")
    # Beside the event loop: a large page takes a second.
    return await asyncio.to_thread(_parse, answer.headers.get("content-type", ""), body, page, name)


def _parse(media_type: str, body: bytes, page: str, name: str) -> list[DistributionPackage]:
    try:
        if media_type.partition(";")[0].strip().endswith("+json"):
            return ProjectPage.from_json_data(json.loads(body), base_url=page).packages
        return ProjectPage.from_html(name, body, base_url=page).packages
    except (ValueError, TypeError, RecursionError, UnsupportedRepoVersionError) as error:
        raise SetupFailed(f"the package index's page of {name} can't be read: {str(error)[:300]}") from error


def _host(number: int) -> str:
    return f"index{number}.registry.internal"


def _page(index: str, name: str) -> str:
    return f"{index.rstrip('/')}/{name}/"
