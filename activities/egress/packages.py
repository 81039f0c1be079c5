"""Registries by path: the files of named packages and nothing else, under names that exist in one sandbox alone.

A registry that is reached through a tunnel shows no path, and whoever may ask it for any name can tell it anything. So
a set-up asks the gateway, in plain HTTP, and the gateway asks the registry for exactly the files that were listed.
"""

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from activities.egress.clusters import RBAC_FILTER
from activities.egress.configuration import FORWARD_FILTER, ROUTE_FACTS, STREAM_IDLE, TYPE, Json
from activities.egress.contract import PackageFile, PackageHost, PackagePage
from activities.egress.replies import UNLOCKED_RULE
from activities.egress.rules import Rule, RuleRefused
from activities.egress.services import CREDENTIAL_HEADERS, Upstream

PACKAGES_RULE = "locked packages"
"""How the record names the rule by which pages of packages were given; of files, the registry's name follows."""
MOST_PAGE_BYTES = 4 * 1024 * 1024
MOST_FILES = 40_000
"""Of one sandbox: with so many, Envoy takes 10 to 15 seconds for their routes, and half a gigabyte."""
MOST_UPSTREAMS = 32
"""Servers of one sandbox's packages: each is resolved, and watched, by the gateway of all sandboxes."""
_HOST = re.compile(r"([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")
"""One that is written otherwise could make Envoy refuse the list of all that is open, and so the next sandbox."""
_PATH = re.compile(r"/[A-Za-z0-9._~/@%+!-]{0,800}")
_URL_PATH = re.compile(r"/[A-Za-z0-9._~/@%+!$&'()*,:=-]{0,1000}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")


def check_packages(hosts: Sequence[PackageHost]) -> None:
    """Raises RuleRefused for a package host that can't be offered as it is written."""
    for host in hosts:
        rule = Rule.parse(host.host)
        if rule.wildcard or ":" in host.host or rule.name != host.host:
            raise RuleRefused(f"refused the package host {host.host!r}: write one plain name in lower case")
        paths = [*(page.path for page in host.pages), *(file.path for file in host.files)]
        for path in paths:
            if not can_be_offered(path):
                raise RuleRefused(f"refused the path {path[:200]!r} of {host.host}: write it plain, from `/`")
        if len(set(paths)) != len(paths):
            raise RuleRefused(f"refused the package host {host.host}: two of its paths are the same")
        for page in host.pages:
            if not _MEDIA_TYPE.fullmatch(page.media_type) or len(page.body.encode()) > MOST_PAGE_BYTES:
                raise RuleRefused(
                    f"refused the page {page.path[:200]!r} of {host.host}: it is too large, or of no type"
                )
        for file in host.files:
            if not can_be_fetched(file.url):
                raise RuleRefused(
                    f"refused the address of {file.path[:200]!r} of {host.host}: write http(s)://host/path"
                )
    if sum(len(host.files) for host in hosts) > MOST_FILES:
        raise RuleRefused(f"refused the packages: one sandbox gets {MOST_FILES:,} files at most")
    if len(upstreams_of(hosts)) > MOST_UPSTREAMS:
        raise RuleRefused(
            f"refused the packages: their files are at more than {MOST_UPSTREAMS} servers, and each takes memory of "
            "everybody's gateway"
        )
    names = [host.host for host in hosts]
    if len(set(names)) != len(names):
        raise RuleRefused("refused the package hosts: two have the same name")


def can_be_fetched(url: str) -> bool:
    """Whether the gateway can be told to fetch exactly this: a plain address, without user, query or fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or parts.username or parts.password) and port != 0
    known = parts.scheme in ("http", "https") and _is_host(parts.hostname or "")
    return plain and known and bool(_URL_PATH.fullmatch(parts.path)) and not _leads_astray(parts.path)


def can_be_offered(path: str) -> bool:
    """Whether a file or a page may have this path inside."""
    return bool(_PATH.fullmatch(path)) and not _leads_astray(path)


def upstream_of(file: PackageFile) -> Upstream:
    """Where a file's requests go: its registry, without a credential."""
    parts = urlsplit(file.url)
    return Upstream.at(parts.hostname or "", parts.port, tls=parts.scheme == "https")


def upstreams_of(hosts: Sequence[PackageHost]) -> tuple[Upstream, ...]:
    """Of all files, each once."""
    origins = {urlsplit(file.url)[:2]: file for host in hosts for file in host.files}
    return tuple({upstream.name: upstream for upstream in map(upstream_of, origins.values())}.values())


def package_hosts(hosts: Sequence[PackageHost], *, allow_private: bool) -> list[Json]:
    """A virtual host for each name, so that whoever asks for another one never passes these routes."""
    return [_virtual_host(host, allow_private=allow_private) for host in hosts]


def _virtual_host(host: PackageHost, *, allow_private: bool) -> Json:
    known: dict[tuple[str, str], Upstream] = {}
    refusal = {"status": 403, "body": {"inline_string": "refused"}}
    return {
        "name": host.host,
        # With any other port it is a name like all others, and refused as one.
        "domains": [host.host, f"{host.host}:80"],
        # Said once, and not with each of ten thousands of files.
        "request_headers_to_remove": sorted(CREDENTIAL_HEADERS),
        "response_headers_to_remove": ["set-cookie"],
        "retry_policy": {"retry_on": "connect-failure", "num_retries": 2},
        "typed_per_filter_config": {
            # What follows is no name that a sandbox chose.
            FORWARD_FILTER: {"@type": TYPE + "envoy.config.route.v3.FilterConfig", "disabled": True},
        },
        "routes": [
            # Its tunnels first: to a proxy a tunnel has no path, and so none of these.
            {"name": UNLOCKED_RULE, "match": {"connect_matcher": {}}, "direct_response": refusal},
            *(_page(host.host, page) for page in host.pages),
            *(_file(host.host, file, known, allow_private or file.private) for file in host.files),
            {"name": UNLOCKED_RULE, "match": {"prefix": ""}, "direct_response": refusal},
        ],
    }


def _page(host: str, page: PackagePage) -> Json:
    content_type = {"key": "content-type", "value": page.media_type}
    return {
        **_facts(host, page.path, PACKAGES_RULE),
        "direct_response": {"status": 200, "body": {"inline_string": page.body}},
        "response_headers_to_add": [{"header": content_type, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }


def _file(host: str, file: PackageFile, known: dict[tuple[str, str], Upstream], allow_private: bool) -> Json:
    scheme, server, path, *_ = urlsplit(file.url)
    upstream = known.get((scheme, server)) or known.setdefault((scheme, server), upstream_of(file))
    route: Json = {
        **_facts(host, file.path, f"{PACKAGES_RULE} of {upstream.authority}"),
        "route": {
            "cluster": upstream.name,
            "timeout": "0s",
            "idle_timeout": STREAM_IDLE,
            "host_rewrite_literal": upstream.authority,
            "prefix_rewrite": path or "/",
        },
    }
    if allow_private:
        rbac = {"@type": TYPE + "envoy.extensions.filters.http.rbac.v3.RBACPerRoute"}
        route["typed_per_filter_config"] = {RBAC_FILTER: rbac}
    return route


def _facts(host: str, path: str, rule: str) -> Json:
    """Name, match and record of a route: a method that only reads, this very path, and nothing behind it."""
    return {
        "name": rule,
        "match": {
            "path": path,
            "headers": [
                # The path with its query, as it was written: nothing is decoded or tidied up before it is compared.
                {"name": ":path", "string_match": {"exact": path}},
                {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}},
                {"name": "upgrade", "present_match": True, "invert_match": True},
            ],
        },
        "metadata": {"filter_metadata": {ROUTE_FACTS: {"host": host, "path": path}}},
    }


def _is_host(host: str) -> bool:
    """Whether it is a plain name, or an address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return len(host) <= 253 and bool(_HOST.fullmatch(host))
    return "%" not in host


def _leads_astray(path: str) -> bool:
    """Whether some parser might take the path for another one."""
    parts = path.replace("%2e", ".").replace("%2E", ".").split("/")
    return ".." in parts or "." in parts or "" in parts[1:-1]
