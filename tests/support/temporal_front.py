"""Envoy before a Temporal server, as clusters and Temporal Cloud have it: TLS, and certificates or an API key."""

import asyncio
import datetime
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from workers.embedded.programs import program
from workers.embedded.temporal_server import free_port

API_KEY = "key-of-the-team"


@dataclass(frozen=True)
class Front:
    """Where it answers, and the files that one needs to talk to it."""

    address: str
    authority: Path
    certificate: Path
    key: Path


@asynccontextmanager
async def temporal_front(directory: Path, temporal: str, *, certificates: bool) -> AsyncIterator[Front]:
    """Pass on to the server what comes with a certificate of ours, or else with the API key."""
    authority, own = _authority(), ec.generate_private_key(ec.SECP256R1())
    _write(directory, "ca", authority.certificate, authority.key)
    _write(directory, "server", authority.sign("localhost", own), own)
    clients = ec.generate_private_key(ec.SECP256R1())
    _write(directory, "client", authority.sign("worker", clients), clients)
    port = free_port()
    configuration = directory / "front.json"
    configuration.write_text(json.dumps(_envoy(directory, port, temporal, certificates=certificates)))
    log = (directory / "front.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *(str(program("envoy")), "-c", str(configuration), "--use-dynamic-base-id", "--log-level", "warning"),
        *("--concurrency", "1"),
        stdout=log,
        stderr=log,
    )
    try:
        async with asyncio.timeout(30):
            while not await _answers(port):
                assert process.returncode is None, (directory / "front.log").read_text()
                await asyncio.sleep(0.05)
        yield Front(f"localhost:{port}", directory / "ca.pem", directory / "client.pem", directory / "client.key")
    finally:
        process.terminate()
        await process.wait()
        log.close()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _envoy(directory: Path, port: int, temporal: str, *, certificates: bool) -> dict[str, object]:
    host, _, upstream = temporal.rpartition(":")
    files = {
        "certificate_chain": {"filename": str(directory / "server.pem")},
        "private_key": {"filename": str(directory / "server.key")},
    }
    tls: dict[str, object] = {
        "@type": _type("transport_sockets.tls.v3.DownstreamTlsContext"),
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_certificates": [files],
            **({"validation_context": {"trusted_ca": {"filename": str(directory / "ca.pem")}}} if certificates else {}),
        },
        "require_client_certificate": certificates,
    }
    with_key = {
        "header": {"name": "authorization", "string_match": {"exact": f"Bearer {API_KEY}"}},
    }
    admitted = {"any": True} if certificates else with_key
    filters = [
        {
            "name": "envoy.filters.http.rbac",
            "typed_config": {
                "@type": _type("filters.http.rbac.v3.RBAC"),
                "rules": {
                    "action": "ALLOW",
                    "policies": {"team": {"permissions": [{"any": True}], "principals": [admitted]}},
                },
            },
        },
        {"name": "envoy.filters.http.router", "typed_config": {"@type": _type("filters.http.router.v3.Router")}},
    ]
    route = {"match": {"prefix": "/"}, "route": {"cluster": "temporal", "timeout": "0s"}}
    manager = {
        "@type": _type("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "front",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": filters,
    }
    http2 = {
        "@type": _type("upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": _socket("127.0.0.1", port),
                    "filter_chains": [
                        {
                            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
                            "filters": [
                                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
                            ],
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "temporal",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2
                    },
                    "load_assignment": {
                        "cluster_name": "temporal",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(host, int(upstream))}}]}],
                    },
                }
            ],
        }
    }


def _type(name: str) -> str:
    return f"type.googleapis.com/envoy.extensions.{name}"


def _socket(host: str, port: int) -> dict[str, object]:
    return {"socket_address": {"address": host, "port_value": port}}


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def sign(self, name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
        unsigned = _begun(name, key, self.certificate.subject).add_extension(names, critical=False)
        return unsigned.sign(self.key, hashes.SHA256())


def _authority() -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    unsigned = _begun("test authority", key, _named("test authority"))
    authority = unsigned.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return _Authority(authority.sign(key, hashes.SHA256()), key)


def _begun(name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _write(directory: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    (directory / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
