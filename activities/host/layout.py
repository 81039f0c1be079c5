"""Where a host keeps what: one directory for each host id."""

from pathlib import Path


class HostLayout:
    """The directories of one host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Passable for the uids of sandboxes, who open their own workspace below, and listable for nobody else.
        root.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        root.mkdir(exist_ok=True, mode=0o711)
        self.runs = root / "runs"
        self.workspaces = root / "workspaces"
        self.inputs = root / "inputs"
        self.scratch = root / "scratch"
        self.mirrors = root / "mirrors"
        self.layers = root / "layers"
        self.placements = root / "placements"
        self.preparations = root / "preparations"
        self.egress = root / "egress"
        self.sessions = root / "sessions"
        self.checkpoints = root / "checkpoints"
        self.losses = root / "losses"
        self.steps = root / "steps"
        """What the workers of this host are at, by which those that died are known; see workers.unfinished."""
        for folder in (self.inputs, self.sessions, self.checkpoints, self.scratch):
            folder.mkdir(exist_ok=True, mode=0o711)

    @property
    def of_placements(self) -> tuple[Path, ...]:
        """Where everything is named after the placement that it belongs to."""
        return (self.inputs, self.sessions, self.checkpoints, self.scratch)

    def input_of(self, run_id: str) -> Path:
        """The directory with a run's prompt."""
        return self.inputs / run_id

    def session_of(self, run_id: str) -> Path:
        """What a run's command line keeps of its conversation."""
        return self.sessions / run_id

    def checkpoints_of(self, run_id: str) -> Path:
        """The copies from which a run's checkpoints are made."""
        return self.checkpoints / run_id


def workspace_name(task_id: str, epoch: int) -> str:
    """The name of a placement's workspace."""
    return f"{task_id}-{epoch}"
