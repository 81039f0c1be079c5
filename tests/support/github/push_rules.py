"""Which changes of a ref a protected branch refuses, in GitHub's words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tests.support.github.accounts import Token
from tests.support.github.protection import Protection
from tests.support.github.ref_change import RefChange
from tests.support.github.state import Repository

Kind = Literal["create", "forward", "force", "delete"]
KINDS: tuple[Kind, ...] = ("create", "forward", "force", "delete")


@dataclass(frozen=True)
class Refusal:
    """Why a ref may not be changed."""

    ref: str
    said: str
    """Of a rule."""
    ruleset: bool = False
    default_branch: bool = False
    """Whether it is refused because it is the default branch, whatever the rules."""

    @property
    def reason(self) -> str:
        """What git shows in brackets beside the ref."""
        if self.default_branch:
            return self.said
        return "push declined due to repository rule violations" if self.ruleset else "protected branch hook declined"

    @property
    def to_git(self) -> str:
        """What somebody who pushes reads."""
        if self.default_branch:
            return f"error: {self.said}\n"
        if self.ruleset:
            return f"error: GH013: Repository rule violations found for {self.ref}.\n\n- {self.said}\n"
        return f"error: GH006: Protected branch update failed for {self.ref}.\nerror: {self.said}\n"

    @property
    def to_api(self) -> str:
        """What somebody who uses the REST API reads."""
        return f"Repository rule violations found\n\n{self.said}\n\n" if self.ruleset else self.said


def acting_as(token: Token | None) -> frozenset[str]:
    """The names under which a caller may be excepted from rules."""
    if token is None:
        return frozenset()
    app = token.installation.app.slug if token.installation is not None else None
    return frozenset(name for name in (app, token.account.login) if name)


def refused_pushes(repository: Repository, token: Token | None) -> Iterator[tuple[Kind, Refusal]]:
    """Every kind of change that is refused to a caller, of one branch or another."""
    for branch, rules in repository.protections.items():
        for kind in KINDS:
            said = None if rules.bypass & acting_as(token) else _objection(rules, kind)
            if said is not None:
                yield kind, Refusal(f"refs/heads/{branch}", said, rules.ruleset)
    default = f"refs/heads/{repository.default_branch}"
    if repository.default_branch not in repository.protections:
        yield "delete", Refusal(default, f"refusing to delete the current branch: {default}", default_branch=True)


def refusal(repository: Repository, change: RefChange, token: Token | None) -> Refusal | None:
    """Why a ref may not be changed so by a caller; None where nothing forbids it."""
    kind = _kind(repository, change)
    found = (refused for its_kind, refused in refused_pushes(repository, token) if its_kind == kind)
    return next((refused for refused in found if refused.ref == change.ref), None)


def _objection(rules: Protection, kind: Kind) -> str | None:
    if kind == "delete":
        return None if rules.deletions else "Cannot delete this protected branch"
    if kind == "force" and not rules.force_pushes:
        return "Cannot force-push to this protected branch"
    if kind == "create":
        return None
    if rules.queue:
        return "Changes must be made through the merge queue"
    return "Changes must be made through a pull request." if rules.pull_request else None


def _kind(repository: Repository, change: RefChange) -> Kind:
    if change.before is None:
        return "create"
    if change.after is None:
        return "delete"
    return "forward" if repository.git.contains(change.after, change.before) else "force"
