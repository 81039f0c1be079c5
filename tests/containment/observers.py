"""How success is seen from outside: by a canary, never by what an attack says of itself."""

from tests.containment.ground import Ran
from tests.containment.inside import Observe
from tests.containment.scene import Scene


def secret_came_out(scene: Scene, ran: Ran) -> str:
    """The canary's text is in what came out. No script is told it, so it was read where it is kept."""
    return "it read the canary" if scene.token in ran.output else ""


def something_changed_outside(scene: Scene, ran: Ran) -> str:
    return scene.changed_outside()


def proof_was_left(scene: Scene, ran: Ran) -> str:
    """A script leaves its proof right behind what must not succeed, and nowhere else."""
    proof = scene.workspace / "won"
    return proof.read_text(errors="replace").strip()[:200] or "it got through" if proof.exists() else ""


def victim_is_dead(scene: Scene, ran: Ran) -> str:
    assert scene.victim
    return "" if scene.victim.poll() is None else "a process outside is dead"


def seen_meanwhile(scene: Scene, ran: Ran) -> str:
    return scene.seen[0] if scene.seen else ""


def reached(name: str) -> Observe:
    """Somebody came to a listener outside."""

    def observe(scene: Scene, ran: Ran) -> str:
        return f"it reached a {name} listener outside" if scene.listeners[name].came else ""

    return observe


def finished_beyond(scene: Scene, ran: Ran) -> str:
    """Nobody ended it, and it left its proof: it had more than it may have, and went on."""
    return proof_was_left(scene, ran) if ran.finished and not ran.exit_code else ""
