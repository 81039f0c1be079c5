"""The Python that is found inside every sandbox, with pytest, so that a plain repository can be checked offline.

An interpreter under /usr is seen inside with the rest of /usr. Any other one may be under a home that a dropped uid
cannot enter, so it is copied, and mounted inside at the path that it was built for: shared libraries, scripts and
sysconfig have that path written into them.
"""

import compileall
import importlib.util
import os
import shutil
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from py_compile import PycInvalidationMode

VENV = "/opt/journeyman/python"
"""Where the interpreter with pytest is inside."""
PACKAGES = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")
DISTRIBUTIONS = ("pytest", "pluggy", "iniconfig", "packaging", "Pygments")
SKIPPED = {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "site-packages"}
BASE = Path(sys.base_prefix)
LIBRARY = f"python{sys.version_info.major}.{sys.version_info.minor}"


def is_copied() -> bool:
    """Whether the interpreter has to be copied, because it is not under /usr."""
    return not BASE.resolve().is_relative_to("/usr")


def fingerprint() -> list[str]:
    """What the staged copy depends on; cheap to compute, and different whenever the copy would be."""
    executable = Path(sys.executable).resolve().stat()
    parts = [sys.version, str(BASE), str(executable.st_size), str(executable.st_mtime_ns)]
    for name in DISTRIBUTIONS:
        try:
            parts.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            parts.append(f"{name} is not installed")
    return parts


def copy_interpreter(target: Path) -> None:
    """Copy what programs and builds need of the interpreter's prefix: executables, library, headers."""
    (target / "bin").mkdir(parents=True)
    for source in (BASE / "bin").glob("python*"):
        if source.is_symlink() or source.is_file():
            shutil.copy2(source, target / "bin" / source.name, follow_symlinks=False)
    if (BASE / "include").is_dir():
        shutil.copytree(BASE / "include", target / "include", symlinks=True)
    (target / "lib").mkdir()
    for shared in (BASE / "lib").glob("*.so*"):
        shutil.copy2(shared, target / "lib" / shared.name, follow_symlinks=False)
    shutil.copytree(BASE / "lib" / LIBRARY, target / "lib" / LIBRARY, symlinks=True, ignore=_skipped)


def _skipped(_: str, names: list[str]) -> set[str]:
    return {name for name in names if name in SKIPPED or name.endswith(".a") or name.startswith("config-")}


def make_environment(target: Path) -> None:
    """Write a virtual environment by hand: the `venv` module would put the path of the moment into it."""
    site = target / "lib" / LIBRARY / "site-packages"
    site.mkdir(parents=True)
    (target / "bin").mkdir()
    (target / "pyvenv.cfg").write_text(
        f"home = {BASE}/bin\ninclude-system-site-packages = false\nversion = {sysconfig.get_python_version()}\n"
    )
    # The name with its version is the one that every installation has.
    (target / "bin" / "python3").symlink_to(f"{BASE}/bin/{LIBRARY}")
    for name in ("python", LIBRARY):
        (target / "bin" / name).symlink_to("python3")
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        if found and found.submodule_search_locations:
            source = Path(next(iter(found.submodule_search_locations)))
            shutil.copytree(source, site / package, ignore=shutil.ignore_patterns("__pycache__"))
        elif found and found.origin:
            shutil.copyfile(found.origin, site / f"{package}.py")
    for name in DISTRIBUTIONS:
        _copy_metadata(name, site)
    for name in ("pytest", "py.test"):
        script = target / "bin" / name
        script.write_text(f"#!{VENV}/bin/python3\nimport sys\n\nfrom pytest import main\n\nsys.exit(main())\n")
        script.chmod(0o755)


def compile_environment(target: Path) -> None:
    """Compile what every test run imports: nobody inside can write to it, so it would be compiled each time anew."""
    site = target / "lib" / LIBRARY / "site-packages"
    for package in PACKAGES:
        compileall.compile_dir(
            site / package,
            # Pygments' hundreds of lexers are below, and hardly any of them is ever loaded.
            maxlevels=0 if package == "pygments" else 10,
            quiet=2,
            stripdir=str(target),
            prependdir=VENV,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )


def _copy_metadata(name: str, site: Path) -> None:
    """Copy the few files by which plugins and `importlib.metadata` find an installed package."""
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return
    for wanted in ("METADATA", "entry_points.txt", "top_level.txt"):
        content = distribution.read_text(wanted)
        if content is not None:
            folder = site / f"{name.lower()}-{distribution.version}.dist-info"
            folder.mkdir(exist_ok=True)
            (folder / wanted).write_text(content)


def open_to_all(root: Path) -> None:
    """Let any uid read what is staged and execute what is executable, and nobody write it."""
    for directory, _, files in os.walk(root):
        os.chmod(directory, 0o755)  # noqa: PTH101, S103  thousands of files, for all to read
        for name in files:
            path = os.path.join(directory, name)  # noqa: PTH118
            if not os.path.islink(path):  # noqa: PTH114
                executable = os.stat(path).st_mode & 0o111  # noqa: PTH116
                os.chmod(path, 0o755 if executable else 0o644)  # noqa: PTH101
