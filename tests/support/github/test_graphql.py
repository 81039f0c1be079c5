"""What only GraphQL does: reverts, merge queues and drafts."""

import pytest
from github import Github, GithubException, UnknownObjectException
from github.PullRequest import PullRequest

from tests.support.github.clients import as_installation
from tests.support.github.protection import Protection
from tests.support.github.stand_in import GitHub, InstalledApp


@pytest.fixture
def client(github: GitHub, installed: InstalledApp) -> Github:
    return as_installation(github, installed)


def proposed(github: GitHub, client: Github, name: str, content: str, *, draft: bool = False) -> PullRequest:
    github.commit("acme/shop", name, {"price.py": content})
    repository = client.get_repo("acme/shop")
    return repository.create_pull(base="main", head=name, title="Set the price", body="", draft=draft)


def reverted(client: Github, pull: PullRequest) -> dict[str, object]:
    schema = "revertPullRequest { number title headRefName author { login } }"
    asked = {"pullRequestId": pull.node_id}
    made = client.requester.graphql_named_mutation("revertPullRequest", asked, schema)[1]["revertPullRequest"]
    assert isinstance(made, dict)
    return made


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_merged_pull_request_is_taken_back_by_another(github: GitHub, client: Github, method: str) -> None:
    before = client.get_repo("acme/shop").get_branch("main").commit.commit.tree.sha
    pull = proposed(github, client, "agent/price", "PRICE = 3\n")
    github.commit("acme/shop", "agent/price", {"price.py": "PRICE = 4\n"}, "Again")
    pull.merge(merge_method=method)
    made = reverted(client, pull)
    assert made == {
        "number": 2,
        "title": 'Revert "Set the price"',
        "headRefName": "revert-1-agent/price",
        "author": {"login": "journeyman"},
    }
    repository = client.get_repo("acme/shop")
    revert = repository.get_pull(2)
    assert revert.body == "Reverts acme/shop#1"
    revert.merge()
    assert repository.get_branch("main").commit.commit.tree.sha == before
    with pytest.raises(GithubException) as twice:
        reverted(client, pull)
    assert "could not be reverted" in str(twice.value.data)


def test_a_revert_that_conflicts_is_refused_and_leaves_nothing(github: GitHub, client: Github) -> None:
    pull = proposed(github, client, "agent/price", "PRICE = 3\n")
    with pytest.raises(GithubException) as unmerged:
        reverted(client, pull)
    assert unmerged.value.data["errors"][0]["type"] == "UNPROCESSABLE"
    pull.merge()
    github.commit("acme/shop", "main", {"price.py": "PRICE = 5\n"})
    with pytest.raises(GithubException) as conflict:
        reverted(client, pull)
    assert "conflicts" in conflict.value.data["errors"][0]["message"]
    assert [branch.name for branch in client.get_repo("acme/shop").get_branches()] == ["agent/price", "main"]


def test_a_branch_with_a_merge_queue_is_merged_by_the_queue_alone(github: GitHub, client: Github) -> None:
    github.protect("acme/shop", Protection(queue=True, checks={"tests": None}))
    first = proposed(github, client, "agent/one", "PRICE = 1\n")
    with pytest.raises(GithubException) as directly:
        first.merge()
    assert directly.value.data["message"] == "Changes must be made through the merge queue"
    schema = "mergeQueueEntry { position state pullRequest { number isInMergeQueue } }"

    def enqueue(pull: PullRequest, head: str) -> dict[str, object]:
        asked = {"pullRequestId": pull.node_id, "expectedHeadOid": head}
        entry = client.requester.graphql_named_mutation("enqueuePullRequest", asked, schema)[1]["mergeQueueEntry"]
        assert isinstance(entry, dict)
        return entry

    with pytest.raises(GithubException) as unchecked:
        enqueue(first, first.head.sha)
    assert 'Required status check "tests" is expected.' in str(unchecked.value.data)
    github.check("acme/shop", first.head.sha, "tests")
    with pytest.raises(GithubException) as moved:
        enqueue(first, "1" * 40)
    assert "Head sha" in str(moved.value.data)
    assert enqueue(first, first.head.sha) == {
        "position": 1,
        "state": "QUEUED",
        "pullRequest": {"number": 1, "isInMergeQueue": True},
    }
    second = proposed(github, client, "agent/two", "PRICE = 2\n")
    github.check("acme/shop", second.head.sha, "tests")
    assert enqueue(second, second.head.sha)["position"] == 2
    landed = github.land_next("acme/shop")
    assert landed is not None and landed.merged is not None
    put_out = github.land_next("acme/shop")
    assert put_out is not None and (put_out.merged, put_out.queued) == (None, None)
    assert github.land_next("acme/shop") is None


def test_a_draft_is_not_merged_until_it_is_ready(github: GitHub, client: Github) -> None:
    pull = proposed(github, client, "agent/price", "PRICE = 3\n", draft=True)
    with pytest.raises(GithubException) as refused:
        pull.merge()
    assert (refused.value.status, refused.value.data["message"]) == (405, "Pull Request is still a draft")
    assert pull.mark_ready_for_review() == {"clientMutationId": None, "pullRequest": {"isDraft": False}}
    assert pull.convert_to_draft()["pullRequest"] == {"isDraft": True}
    assert client.get_repo("acme/shop").get_pull(pull.number).mergeable_state == "draft"


def test_refusals_come_with_200_and_a_type(github: GitHub, client: Github) -> None:
    pull = proposed(github, client, "agent/price", "PRICE = 3\n", draft=True)
    requester = client.requester
    with pytest.raises(UnknownObjectException):
        requester.graphql_node("PR_nothing", "number", "PullRequest")
    assert requester.graphql_node(pull.node_id, "number state", "PullRequest")[1]["data"]["node"]["number"] == 1
    reader = as_installation(github, github.install("reader", "acme/shop", permissions={"pull_requests": "read"}))
    asked = {"query": _READY, "variables": {"id": pull.node_id}}
    status, _, body = reader.requester.requestJson("POST", reader.requester.graphql_url, input=asked)
    assert status == 200
    assert '"type": "FORBIDDEN"' in body or '"type":"FORBIDDEN"' in body
    with pytest.raises(GithubException) as misspelled:
        requester.graphql_named_mutation("revertPullRequest", {"pullRequestId": pull.node_id}, "revertedPullRequest")
    assert "Cannot query field 'revertedPullRequest'" in str(misspelled.value.data)
    query = 'query Q($n: Int!) { repository(owner: "acme", name: "shop") { pullRequest(number: $n) { title } } }'
    found = requester.graphql_query(query, {"n": 1})[1]["data"]["repository"]
    assert found == {"pullRequest": {"title": "Set the price"}}


_READY = "mutation M($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { id } } }"
