"""A stand-in whose every answer, accepted request and event must be in the shape that GitHub publishes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.github.description import disagreements, event_disagreements
from tests.support.github.published import need_descriptions
from tests.support.github.server import github_server
from tests.support.github.stand_in import GitHub


@contextmanager
def conforming_github(folder: Path) -> Iterator[GitHub]:
    """Start one, and fail when the block ends if anything that passed was in another shape.

    Skips the test where GitHub's descriptions can't be had. A block that fails by itself fails with its own words.
    """
    need_descriptions()
    with github_server(folder) as github:
        yield github
    found = disagreements(github.exchanges)
    found += [said for one in github.deliveries for said in event_disagreements(one.event, one.payload)]
    assert not found, "\n".join(dict.fromkeys(found))
