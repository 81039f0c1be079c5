"""An archive as version 1 has left it: a merged and reverted task, a rejected one, and one that is open."""

import tarfile
from pathlib import Path

MERGED, REJECTED, OPEN = "3rg3ajwlyi", "izypnlmd2o", "6fqgviv2j6"
DAY = "2026-11-26"
_STORED = Path(__file__).with_name("version-1.tar.gz")


def version_1(place: Path) -> Path:
    """Unpack it, with the public keys of who signed it beside it; returns the archive's folder."""
    with tarfile.open(_STORED) as stored:
        stored.extractall(place, filter="data")
    return place / "archive"


def contents(archive: Path) -> dict[str, bytes]:
    return {str(path.relative_to(archive)): path.read_bytes() for path in archive.rglob("*") if path.is_file()}
