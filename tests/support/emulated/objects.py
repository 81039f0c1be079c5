"""Git objects on their way between a bare repository and the emulator, which keeps its own by GitHub's REST interface.

Both name an object by its content, so each that arrives is checked by its name.
"""

import base64
from datetime import datetime
from typing import Any

import httpx

from tests.support.github.bare_repository import BareRepository

HEADS = "refs/heads/"


class Objects:
    """Of one repository. Every method blocks, and raises AssertionError where the emulator says no."""

    def __init__(self, bare: BareRepository, emulator: httpx.Client, name: str) -> None:
        """`emulator`: a client of somebody who may write there."""
        self.bare = bare
        self._emulator = emulator
        self._api = f"/repos/{name}/git"
        self._told: set[str] = set()

    def tell(self) -> None:
        """Put the emulator's branches where those of the bare repository are."""
        there, here = self._heads(), {ref: sha for ref, sha in self.bare.refs().items() if ref.startswith(HEADS)}
        for ref, sha in here.items():
            if there.get(ref) == sha:
                continue
            for commit in self.bare.git("rev-list", "--reverse", "--topo-order", sha).split():
                self._tell_commit(commit)
            if ref in there:
                self._ask("PATCH", ref, sha=sha, force=True)
            else:
                self._ask("POST", "refs", ref=ref, sha=sha)
        for ref in there.keys() - here.keys():
            self._ask("DELETE", ref)

    def follow(self) -> None:
        """Put the branches of the bare repository where the emulator has moved its own."""
        there = self._heads()
        for ref, sha in there.items():
            if self.bare.commit_of(ref) != sha:
                self._take_commit(sha)
                self.bare.move(ref, sha)
        for ref in [ref for ref in self.bare.refs() if ref.startswith(HEADS) and ref not in there]:
            self.bare.delete(ref)

    def _heads(self) -> dict[str, str]:
        found = self._ask("GET", "matching-refs/heads/")
        return {one["ref"]: one["object"]["sha"] for one in found}

    def _tell_commit(self, commit: str) -> None:
        if commit in self._told:
            return
        entries = []
        for line in self.bare.git("ls-tree", "-r", "-z", commit).split("\0"):
            if line:
                kind, _, path = line.partition("\t")
                mode, _, blob = kind.split(" ")
                self._tell_blob(blob)
                entries.append({"path": path, "mode": mode, "type": "blob", "sha": blob})
        tree, *told = self.bare.git("log", "-1", "--format=%T%n%an%n%ae%n%aI%n%cn%n%ce%n%cI%n%P", commit).split("\n")
        made = self._ask("POST", "trees", tree=entries)["sha"]
        assert made == tree, f"the emulator has another tree: {made} for {tree}"
        made = self._ask(
            "POST",
            "commits",
            message=self.bare.git("cat-file", "commit", commit, strip=False).partition("\n\n")[2],
            tree=tree,
            parents=told[6].split() if len(told) > 6 else [],
            author=dict(zip(("name", "email", "date"), told[:3], strict=True)),
            committer=dict(zip(("name", "email", "date"), told[3:6], strict=True)),
        )["sha"]
        assert made == commit, f"the emulator has another commit: {made} for {commit}"
        self._told.add(commit)

    def _tell_blob(self, blob: str) -> None:
        if blob not in self._told:
            content = self.bare.git("cat-file", "blob", blob, strip=False).encode(errors="surrogateescape")
            made = self._ask("POST", "blobs", content=base64.b64encode(content).decode(), encoding="base64")["sha"]
            assert made == blob, f"the emulator has another blob: {made} for {blob}"
            self._told.add(blob)

    def _take_commit(self, sha: str) -> None:
        """One that the emulator made, of a tree that is here: its merges have that of the head."""
        if self.bare.commit_of(sha):
            return
        found = self._ask("GET", f"commits/{sha}")
        parents = [parent["sha"] for parent in found["parents"]]
        for parent in parents:
            self._take_commit(parent)
        lines = [f"tree {found['tree']['sha']}", *(f"parent {parent}" for parent in parents)]
        lines += [f"{role} {_person(found[role])}" for role in ("author", "committer")]
        written = "\n".join([*lines, "", found["message"].removesuffix("\n"), ""])
        made = self.bare.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=written)
        assert made == sha, f"git has another commit: {made} for {sha}"
        self._told.add(sha)

    def _ask(self, method: str, path: str, **body: Any) -> Any:
        address = f"{self._api}/{path}"
        answer = self._emulator.request(method, address, json=body or None)
        assert answer.is_success, f"{method} {address}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None


def _person(told: dict[str, str]) -> str:
    moment = datetime.fromisoformat(told["date"])
    return f"{told['name']} <{told['email']}> {int(moment.timestamp())} {moment:%z}"
