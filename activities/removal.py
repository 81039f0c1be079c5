"""Removing trees that hostile code made: of any depth, with any rights, full of links."""

import os
import subprocess
from pathlib import Path


def remove(root: Path) -> None:
    """Remove a tree, whatever rights its entries have and however deep it is. Missing is fine. Raises OSError."""
    open_up(root)
    # Not shutil.rmtree: it recurses, and hostile code can nest directories deeper than Python can.
    finished = subprocess.run(["rm", "-rf", "--", str(root)], capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise OSError(f"{root} can't be removed: {finished.stderr[-500:].strip()}")


def open_up(root: Path) -> None:
    """A normal user gives himself the rights that the tree's maker took away; root needs none. Follows no link."""
    if os.geteuid() != 0 and root.is_dir():
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(root)], capture_output=True, check=False)
