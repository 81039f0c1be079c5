"""What a set-up may fetch: the files that belong to what the lock files pin, as the gateway gives them.

Indexes are asked on the host, and a set-up gets pages that name the pinned files alone. So pip and npm see a registry
in which nothing else exists, and which is told nothing but which of these files they want.
"""

import html
import json
import math
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version
from pypi_simple import DistributionPackage

from activities.egress.contract import PackageFile, PackageHost, PackagePage
from activities.egress.packages import can_be_fetched, can_be_offered
from activities.environment.locks.package import Ecosystem, LockedPackage
from activities.environment.registries import RegistryAccess, host_of

PYPI_HOST = "pypi.registry.internal"
NPM_HOST = "npm.registry.internal"
_MOST_TAGS = 1_000
_MOST_URL = 2_000
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,300}")


class Pins:
    """Which files of Python's projects belong to what is pinned, fit this machine, and may be there."""

    def __init__(self, packages: Iterable[LockedPackage], *, builds: bool) -> None:
        """`builds`: whether source distributions are among them, which run code when they are installed."""
        self._builds = builds
        self._digests: dict[str, set[str]] = {}
        self._versions: dict[str, set[Version | str]] = {}
        self._open: dict[str, set[Version | str]] = {}
        for package in packages:
            if package.ecosystem is Ecosystem.PYPI:
                version = _comparable(package.version)
                self._digests.setdefault(package.name, set()).update(package.hashes)
                self._versions.setdefault(package.name, set()).add(version)
                if not package.hashes:
                    self._open.setdefault(package.name, set()).add(version)

    @property
    def projects(self) -> list[str]:
        """Their normalised names, in order."""
        return sorted(self._versions)

    def has(self, name: str, file: DistributionPackage) -> bool:
        """Whether a file of a project is one of them: by its hash, or by its version where there is none to compare."""
        digest = file.digests.get("sha256", "").lower()
        if digest and digest in self._digests.get(name, ()):
            return _fits(file, builds=self._builds)
        versions = self._open if digest else self._versions
        pinned = file.version is not None and _comparable(file.version) in versions.get(name, ())
        return pinned and _fits(file, builds=self._builds)


def pypi_offer(
    projects: Iterable[str], files: Mapping[str, Sequence[DistributionPackage]], access: RegistryAccess
) -> PackageHost:
    """An index with these projects, and of them with these files alone."""
    pages, offered = [], {}
    for name in projects:
        chosen: dict[str, DistributionPackage] = {}
        for file in files.get(name, ()):
            chosen.setdefault(file.filename, file)
        for file in chosen.values():
            # Clients differ in whether they quote the plus sign of a local version.
            for written in {file.filename, quote(file.filename)}:
                path = f"/files/{name}/{written}"
                url = _without_fragment(file.url)
                offered[path] = PackageFile(path=path, url=url, private=_is_private(url, access))
        pages.append(_page(name, chosen.values()))
    return PackageHost(host=PYPI_HOST, pages=tuple(pages), files=tuple(offered.values()))


def npm_offer(packages: Sequence[LockedPackage], access: RegistryAccess) -> PackageHost:
    """A registry with the pinned tarballs alone, from where this machine's npm fetches packages of such names."""
    registries, private = access.npm, access.allow_private
    offered: dict[str, PackageFile] = {}
    versions: dict[str, list[LockedPackage]] = {}
    for package in packages:
        if package.ecosystem is not Ecosystem.NPM:
            continue
        # Where a package of this name is, whatever address the lock file has: that could be another package's.
        scope = package.name.partition("/")[0] if package.name.startswith("@") else ""
        registry = registries.get(scope) or registries.get("", "")
        if not registry:
            continue
        tarball = _tarball(package)
        url = registry.rstrip("/") + tarball
        # npm takes a lock file's address and puts this registry's name in it: the path stays.
        as_locked = _path_of(package.resolved)
        if not can_be_offered(tarball) or not can_be_fetched(url):
            continue
        offered[tarball] = PackageFile(path=tarball, url=url, private=private)
        if can_be_offered(as_locked):
            offered.setdefault(as_locked, PackageFile(path=as_locked, url=url, private=private))
        versions.setdefault(package.name, []).append(package)
    pages = [
        PackagePage(path=path, media_type="application/json", body=_packument(name, locked))
        for name, locked in versions.items()
        for path in dict.fromkeys([f"/{name}", f"/{name.replace('/', '%2f')}", f"/{name.replace('/', '%2F')}"])
    ]
    taken = {page.path for page in pages}
    files = tuple(file for file in offered.values() if file.path not in taken)
    return PackageHost(host=NPM_HOST, pages=tuple(pages), files=files)


def without_files(packages: Sequence[LockedPackage], offer: PackageHost) -> tuple[str, ...]:
    """Pinned packages of PyPI that the offer has no file of."""
    have = {file.path.split("/")[2] for file in offer.files}
    return tuple(one.told for one in packages if one.ecosystem is Ecosystem.PYPI and one.name not in have)


def variables() -> dict[str, str]:
    """How the package managers inside are told."""
    index = f"http://{PYPI_HOST}/simple/"
    return {
        "PIP_INDEX_URL": index,
        "PIP_TRUSTED_HOST": PYPI_HOST,
        "UV_DEFAULT_INDEX": index,
        "UV_INSECURE_HOST": PYPI_HOST,
        "NPM_CONFIG_REGISTRY": f"http://{NPM_HOST}/",
        "NPM_CONFIG_REPLACE_REGISTRY_HOST": "always",
        "NPM_CONFIG_AUDIT": "false",
        "NPM_CONFIG_FUND": "false",
    }


def _fits(file: DistributionPackage, *, builds: bool) -> bool:
    """Whether this machine could install the file, and may."""
    if not _FILE_NAME.fullmatch(file.filename) or not can_be_fetched(_without_fragment(file.url)):
        return False
    if len(_without_fragment(file.url)) > _MOST_URL or not _is_plain(file.requires_python or ""):
        return False
    if not file.filename.endswith(".whl"):
        return builds and file.package_type == "sdist"
    # What a wheel fits is written as a product: a name of 300 characters could stand for a million of them.
    if math.prod(part.count(".") + 1 for part in file.filename.split("-")[-3:]) > _MOST_TAGS:
        return False
    try:
        _, _, _, tags = parse_wheel_filename(file.filename)
    except (InvalidWheelFilename, InvalidVersion):
        return False
    systems = ("linux_", "manylinux", "musllinux")
    machine = platform.machine()
    return any(
        tag.platform == "any" or (tag.platform.startswith(systems) and tag.platform.endswith(machine)) for tag in tags
    )


def _is_private(url: str, access: RegistryAccess) -> bool:
    """Whether a file may be at a private address: a registry's own hosts may, and none that a page of it names."""
    return access.allow_private and host_of(url) in access.hosts


def _is_plain(text: str) -> bool:
    return len(text) <= 200 and text.isascii() and text.isprintable()


def _comparable(version: str) -> Version | str:
    """As PEP 440 compares versions; any other text as it is."""
    try:
        return Version(version)
    except InvalidVersion:
        return version


def _page(name: str, files: Iterable[DistributionPackage]) -> PackagePage:
    links = "".join(_link(name, file) for file in files)
    body = f"<!DOCTYPE html><html><head><title>{html.escape(name)}</title></head><body>{links}</body></html>"
    return PackagePage(path=f"/simple/{name}/", media_type="text/html", body=body)


def _link(name: str, file: DistributionPackage) -> str:
    digest = file.digests.get("sha256", "")
    fragment = f"#sha256={digest}" if re.fullmatch("[0-9a-fA-F]{64}", digest) else ""
    python = f' data-requires-python="{html.escape(file.requires_python)}"' if file.requires_python else ""
    return f'<a href="/files/{name}/{quote(file.filename)}{fragment}"{python}>{html.escape(file.filename)}</a>\n'


def _tarball(package: LockedPackage) -> str:
    base = package.name.rpartition("/")[2]
    return f"/{package.name}/-/{base}-{package.version}.tgz"


def _packument(name: str, packages: Sequence[LockedPackage]) -> str:
    versions = {
        one.version: {
            "name": name,
            "version": one.version,
            **json.loads(one.manifest or "{}"),
            "dist": {
                "tarball": f"http://{NPM_HOST}{_tarball(one)}",
                **({"integrity": one.hashes[0]} if one.hashes else {}),
            },
        }
        for one in packages
    }
    return json.dumps({"name": name, "dist-tags": {"latest": packages[-1].version}, "versions": versions})


def _path_of(url: str) -> str:
    """Empty where there is none, or no parser could tell."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _without_fragment(url: str) -> str:
    return url.partition("#")[0]
