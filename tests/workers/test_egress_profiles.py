"""How far an agent's way out leads is a word in a policy file, and the registries are the machine's own."""

from pathlib import Path

from activities.environment.registries import discover
from tests.support.repositories import commit_to_bare, make_repository
from tests.workers.installation import FILES, MEND, installed
from tests.workers.terminal import typed
from workflows.models.status import Stage

ASK = (
    "import os, urllib.request as u; index = os.environ.get('PIP_INDEX_URL', 'none'); "
    "print('answered', u.urlopen(index.rstrip('/') + '/pip/', timeout=60).status if index != 'none' else index)"
)


async def test_an_agent_reaches_the_machines_registries_only_under_a_profile_that_says_so(state: Path) -> None:
    """Also with a certificate of the machine's own in between, as a company's proxy has."""
    access = await discover()
    repository = make_repository(state / "till.git", FILES, bare=True)
    configuration = (
        "[agents.asker]\n"
        f'command = ["sh", "-c", """python3 -c "{ASK}"; {MEND}"""]\n'
        '[egress]\nprofile = "model+registry"\n'
    )
    async with installed(state, configuration=configuration) as here:
        task = await here.ask(repository, "asker")
        await here.reaches(task, Stage.REVIEW)
        assert "answered 200" in (await typed(state, "logs", task, "--raw")).out
        shown = (await typed(state, "egress", task)).out
        assert any(host in shown for host in access.hosts)
        assert "0 refused" in shown
        commit_to_bare(repository, {".journeyman/team.toml": '[egress]\nprofile = "model-only"\n'})
        task = await here.ask(repository, "asker")
        await here.reaches(task, Stage.REVIEW)
        assert "answered none" in (await typed(state, "logs", task, "--raw")).out
        assert (await typed(state, "egress", task)).out.startswith("No request")
        (state / "security.toml").write_text("[egress]\nallow = []\n")
        commit_to_bare(repository, {".journeyman/team.toml": ""})
        task = await here.ask(repository, "asker")
        ended = await here.reaches(task, Stage.ENDED)
        assert "egress.allow" in ended.status.message
