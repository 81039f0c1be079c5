"""Registries as a set-up has them: paths that no lock file pins, and whatever could be told by asking for them."""

from collections.abc import Callable

from activities.egress.contract import EgressRules, PackageFile, PackageHost, PackagePage
from activities.environment.offers import PYPI_HOST
from tests.containment.broker import Asked
from tests.containment.gateway_world import World

HOST = PYPI_HOST
FILE = "/files/tiny/tiny-1.0-py3-none-any.whl"
_SUCCESS = "a registry sees a request that is for no pinned file"


def _pinned(*more: str) -> Callable[[World], EgressRules]:
    """One pinned file with its page; `more`: paths inside that lead to the registry as well."""

    def rules(world: World) -> EgressRules:
        root = f"http://api.example.test:{world.web.port}/mirror"
        files = tuple(PackageFile(path=path, url=f"{root}{path}") for path in (FILE, *more))
        page = PackagePage(path="/simple/tiny/", media_type="text/html", body="tiny")
        return EgressRules(packages=(PackageHost(host=HOST, pages=(page,), files=files),), allow_private=True)

    return rules


def _asked(name: str, line: str, *granted: str, more: str = "") -> Asked:
    return Asked(
        name=name, group="broker", success=_SUCCESS,
        request=lambda _: f"{line} HTTP/1.1|Host: {HOST}{more}",
        rules=_pinned(), granted=_pinned(*granted) if granted else "web",
    )  # fmt: skip


ATTEMPTS = (
    _asked("fetch a package that nobody pinned", "GET /files/evil/evil-1.0.tar.gz", "/files/evil/evil-1.0.tar.gz"),
    _asked("fetch another version of a pinned package", f"GET {FILE[:-20]}.1.whl", f"{FILE[:-20]}.1.whl"),
    _asked("ask a registry for a name that is a secret", "GET /simple/key-1234/", "/simple/key-1234/"),
    _asked("tell a registry something in a query", f"GET {FILE}?key=1234"),
    _asked("tell a registry something in an empty query", f"GET {FILE}?"),
    _asked("climb from a pinned file to another", f"GET {FILE}/../../evil"),
    _asked("climb from a pinned file in code", f"GET {FILE}%2f%2e%2e%2fevil"),
    _asked("spell a pinned file in code", f"GET {FILE.replace('tiny', '%74iny')}"),
    _asked("write to a registry", f"POST {FILE}", more="|Content-Length: 0"),
    _asked("publish to a registry", "POST /legacy/", more="|Content-Length: 0"),
    _asked("upgrade a pinned file to another protocol", f"GET {FILE}", more="|Upgrade: websocket|Connection: upgrade"),
    Asked(
        name="ask the registry itself, past the name inside", group="broker", success=_SUCCESS,
        request=lambda world: f"GET /mirror{FILE} HTTP/1.1|Host: api.example.test:{world.web.port}",
        rules=_pinned(), granted="web",
    ),
    Asked(
        name="open a tunnel to the registry itself", group="broker", success=_SUCCESS,
        request=lambda world: f"CONNECT api.example.test:{world.silent.port} HTTP/1.1|Host: {HOST}",
        rules=_pinned(), granted="silent", inside=b"GET / HTTP/1.1\r\n\r\n",
    ),
)  # fmt: skip
