"""New modules at a repository's root that Python would load in the place of its own, or of a tool's.

`python3 -m pytest` looks in the working directory first. A module there that is called as one of pytest's own parts is
loaded before any test is, and can say of the tests whatever it likes, without touching them or the code.
"""

import sys
from collections.abc import Iterator

from activities.evaluation.judged import Judged
from activities.evaluation.paths import shown
from workflows.models.evidence import Finding, Severity

_TOOLS = frozenset(
    {
        *("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "exceptiongroup", "tomli", "py"),
        *("coverage", "xdist", "execnet", "hypothesis", "anyio", "nose", "tox", "nox", "attr", "attrs", "colorama"),
        *("pip", "setuptools", "pkg_resources", "_distutils_hack", "wheel", "mypy", "ruff", "flake8", "pylint"),
    }
)


def hiding_modules(judged: Judged) -> Iterator[Finding]:
    """Top-level modules and packages that the patch adds under a name that Python or a test tool has already."""
    known = sys.stdlib_module_names | _TOOLS
    told: set[str] = set()
    for change in judged.changes:
        top, _, rest = change.path.partition("/")
        name = top if rest else top.partition(".")[0]
        is_module = rest.endswith(".py") or (not rest and top.endswith((".py", ".so", ".pyc")))
        if change.is_added and is_module and name in known and name not in told:
            told.add(name)
            yield Finding(
                rule="hides-a-module",
                severity=Severity.PERSON,
                message=f"was added; checks that Python runs from here load it in the place of their own {name!r}",
                path=shown(change.path),
            )
