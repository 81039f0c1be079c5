"""The certificates that upstreams are verified against: the system's."""

import hashlib
import os
import ssl
from pathlib import Path

from activities.egress.places import GatewayError, Places, write_aside

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def system_bundle() -> Path:
    """The file with the system's certificate authorities. Raises GatewayError if there is none."""
    known = ssl.get_default_verify_paths()
    for name in (os.environ.get(known.openssl_cafile_env), known.cafile, *_BUNDLES):
        if name and Path(name).is_file():
            return Path(name)
    raise GatewayError(
        "no file with the system's certificate authorities was found, so that no provider can be verified: install "
        f"ca-certificates, or name the file in {known.openssl_cafile_env}"
    )


def staged_bundle(places: Places, bundle: Path) -> Path:
    """A copy where Envoy can read it; one that changed has another name, so that Envoy takes it up."""
    text = bundle.read_text(errors="replace")
    staged = places.config / f"authorities-{hashlib.sha256(text.encode()).hexdigest()[:16]}.pem"
    if not staged.exists():
        write_aside(staged, text)
    return staged
