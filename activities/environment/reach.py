"""How far a set-up's way out leads: to what its lock files pin, or to whole registries where policy says so."""

from dataclasses import dataclass
from pathlib import Path

from activities.egress.contract import EgressGateway, EgressRecord, EgressRules, PackageHost
from activities.environment import offers
from activities.environment.checkout import SetupFailed
from activities.environment.index_pages import read_indexes
from activities.environment.locks.package import Ecosystem, LockedPackage, LockRefused
from activities.environment.locks.reading import locked_packages
from activities.environment.registries import RegistryAccess
from workflows.models.policy import RegistryReach, Setup

_WHOLE = (
    '. Or let the set-up fetch any package: `registry = "whole"` below [setup] in .journeyman/team.toml on the base '
    "branch, where security.toml does not forbid it. `commands = []` there sets up nothing"
)


@dataclass(frozen=True)
class Reach:
    """A set-up's way out, and how its package managers are told."""

    rules: EgressRules
    environment: dict[str, str]
    packages: tuple[LockedPackage, ...] = ()
    missing: tuple[str, ...] = ()
    """Pinned packages that no index has a file of that fits."""
    records: tuple[EgressRecord, ...] = ()
    """What was asked of indexes to know that."""


async def reach_of(
    setup: Setup, source: Path, access: RegistryAccess, gateway: EgressGateway, *, listener: str, certificates: str
) -> Reach:
    """What the set-up of a checkout may fetch. Raises SetupFailed.

    `listener` names the gateway's listener by which indexes are asked; `certificates`: where that file is inside.
    """
    told = access.inside(certificates)
    if setup.registry is RegistryReach.WHOLE:
        return Reach(EgressRules(hosts=access.hosts, allow_private=access.allow_private), told)
    try:
        packages = locked_packages(source, setup.lock_files)
    except LockRefused as refused:
        raise SetupFailed(f"setting up the environment failed: {refused}{_WHOLE}") from refused
    pins = offers.Pins(packages, builds=setup.install_scripts)
    hosts: list[PackageHost] = []
    missing: tuple[str, ...] = ()
    records: tuple[EgressRecord, ...] = ()
    if projects := pins.projects:
        files, records = await read_indexes(
            gateway, listener, access.indexes, projects, pins.has, private=access.allow_private
        )
        offer = offers.pypi_offer(projects, files, access)
        missing = offers.without_files(packages, offer)
        hosts.append(offer)
    if any(package.ecosystem is Ecosystem.NPM for package in packages):
        hosts.append(offers.npm_offer(packages, access))
    # Other addresses than these would lead past the gateway's list, and so nowhere.
    elsewhere = ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")
    environment = {name: value for name, value in told.items() if name not in elsewhere} | offers.variables()
    return Reach(EgressRules(packages=tuple(hosts)), environment, packages, missing, records)
