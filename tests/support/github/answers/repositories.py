"""How repositories, branches and refs are told."""

from tests.support.github.accounts import LEVELS, Account
from tests.support.github.answers.commits import commit
from tests.support.github.answers.people import app, time, user, user_or_none
from tests.support.github.protection import Protection
from tests.support.github.state import Json, Move, Repository, State, node_id

_FIXED = ("contributors", "deployments", "downloads", "events", "forks", "hooks", "languages", "merges", "stargazers")
_FIXED_MORE = ("subscribers", "subscription", "tags", "teams")
_WITH_PARAMETERS = {
    "archive": "{archive_format}{/ref}",
    "assignees": "assignees{/user}",
    "blobs": "git/blobs{/sha}",
    "branches": "branches{/branch}",
    "collaborators": "collaborators{/collaborator}",
    "comments": "comments{/number}",
    "commits": "commits{/sha}",
    "compare": "compare/{base}...{head}",
    "contents": "contents/{+path}",
    "git_commits": "git/commits{/sha}",
    "git_refs": "git/refs{/sha}",
    "git_tags": "git/tags{/sha}",
    "issue_comment": "issues/comments{/number}",
    "issue_events": "issues/events{/number}",
    "issues": "issues{/number}",
    "keys": "keys{/key_id}",
    "labels": "labels{/name}",
    "milestones": "milestones{/number}",
    "notifications": "notifications{?since,all,participating}",
    "pulls": "pulls{/number}",
    "releases": "releases{/id}",
    "statuses": "statuses/{sha}",
    "trees": "git/trees{/sha}",
}


def repository_url(github: State, repository: Repository) -> str:
    return f"{github.api}/repos/{repository.full_name}"


def repository(github: State, told: Repository) -> Json:
    """As `repository`: what lists and pull requests hold."""
    url = repository_url(github, told)
    web = f"{github.web}/{told.full_name}"
    open_issues = sum(1 for issue in told.issues.values() if issue.state == "open")
    return {
        "id": told.id,
        "node_id": node_id("R", told.id),
        "name": told.name,
        "full_name": told.full_name,
        "private": told.private,
        "owner": user(github, told.owner),
        "html_url": web,
        "description": None,
        "fork": told.fork,
        "url": url,
        **{f"{name}_url": f"{url}/{name}" for name in (*_FIXED, *_FIXED_MORE)},
        **{f"{name}_url": f"{url}/{rest}" for name, rest in _WITH_PARAMETERS.items()},
        "clone_url": f"{web}.git",
        "git_url": f"git://127.0.0.1/{told.full_name}.git",
        "ssh_url": f"git@127.0.0.1:{told.full_name}.git",
        "svn_url": web,
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "default_branch": told.default_branch,
        "archived": told.archived,
        "disabled": False,
        "visibility": "private" if told.private else "public",
        "license": None,
        "topics": [],
        "is_template": False,
        "has_issues": True,
        "has_projects": False,
        "has_wiki": False,
        "has_pages": False,
        "has_downloads": False,
        "has_discussions": False,
        "allow_forking": False,
        "web_commit_signoff_required": False,
        "size": 0,
        **dict.fromkeys(("forks", "forks_count", "stargazers_count", "watchers", "watchers_count"), 0),
        "open_issues": open_issues,
        "open_issues_count": open_issues,
        "created_at": time(told.created),
        "updated_at": time(told.pushed),
        "pushed_at": time(told.pushed),
    }


def full_repository(github: State, told: Repository, account: Account, may_write: bool) -> Json:
    """As `full-repository`: with its settings, and what the caller may do.

    An app's installation is told of its rights on contents in a person's terms; GitHub tells them so too.
    """
    level = LEVELS.index("write" if may_write else "read") if account.kind == "Bot" else None
    held = LEVELS.index(told.level(account)) if level is None else level
    grades = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}
    settings: Json = {
        "allow_merge_commit": "merge" in told.methods,
        "allow_squash_merge": "squash" in told.methods,
        "allow_rebase_merge": "rebase" in told.methods,
        "allow_auto_merge": told.auto_merge,
        "allow_update_branch": False,
        "delete_branch_on_merge": told.delete_merged,
        "use_squash_pr_title_as_default": False,
        "squash_merge_commit_title": "COMMIT_OR_PR_TITLE",
        "squash_merge_commit_message": "COMMIT_MESSAGES",
        "merge_commit_title": "MERGE_MESSAGE",
        "merge_commit_message": "PR_TITLE",
    }
    return {
        **repository(github, told),
        # Who may not write is told nothing of how merges are made.
        **(settings if held >= LEVELS.index("write") else {}),
        "permissions": {name: held >= LEVELS.index(grade) for name, grade in grades.items()},
        "network_count": 0,
        "subscribers_count": 0,
    }


def git_ref(github: State, told: Repository, name: str, sha: str) -> Json:
    """A ref by its full name."""
    url = repository_url(github, told)
    return {
        "ref": name,
        "node_id": f"REF_{told.id}_{name}",
        "url": f"{url}/git/{name}",
        "object": {"type": "commit", "sha": sha, "url": f"{url}/git/commits/{sha}"},
    }


def short_branch(github: State, told: Repository, name: str, sha: str) -> Json:
    url = repository_url(github, told)
    rules = told.protections.get(name)
    return {
        "name": name,
        "commit": {"sha": sha, "url": f"{url}/commits/{sha}"},
        "protected": rules is not None,
        "protection": protection_summary(rules),
        "protection_url": f"{url}/branches/{name}/protection",
    }


def branch(github: State, told: Repository, name: str, sha: str) -> Json:
    """As `branch-with-protection`."""
    url = repository_url(github, told)
    return {
        **short_branch(github, told, name, sha),
        "commit": commit(github, told, sha),
        "_links": {"self": f"{url}/branches/{name}", "html": f"{github.web}/{told.full_name}/tree/{name}"},
    }


def protection_summary(rules: Protection | None) -> Json:
    """What anybody who reads the repository may know of a branch's protection; rulesets aren't told here."""
    known = rules if rules is not None and not rules.ruleset else None
    return {
        "enabled": known is not None,
        "required_status_checks": {
            "enforcement_level": "off" if known is None or not known.checks else "non_admins",
            "contexts": [] if known is None else list(known.checks),
            "checks": [] if known is None else [{"context": name, "app_id": app} for name, app in known.checks.items()],
        },
    }


def protection(github: State, told: Repository, name: str, rules: Protection) -> Json:
    """As `branch-protection`: all of it, for those who may administer."""
    url = f"{repository_url(github, told)}/branches/{name}/protection"
    answer: Json = {
        "url": url,
        "enforce_admins": {"url": f"{url}/enforce_admins", "enabled": True},
        "required_linear_history": {"enabled": rules.linear},
        "allow_force_pushes": {"enabled": rules.force_pushes},
        "allow_deletions": {"enabled": rules.deletions},
        "block_creations": {"enabled": False},
        "required_conversation_resolution": {"enabled": False},
        "lock_branch": {"enabled": False},
        "allow_fork_syncing": {"enabled": False},
        "required_signatures": {"url": f"{url}/required_signatures", "enabled": False},
    }
    if rules.checks:
        checks = f"{url}/required_status_checks"
        answer["required_status_checks"] = {
            "url": checks,
            "strict": rules.strict,
            "contexts": list(rules.checks),
            "contexts_url": f"{checks}/contexts",
            "checks": [{"context": name, "app_id": app} for name, app in rules.checks.items()],
        }
    if rules.pull_request:
        answer["required_pull_request_reviews"] = {
            "url": f"{url}/required_pull_request_reviews",
            "dismiss_stale_reviews": rules.dismiss_stale,
            "require_code_owner_reviews": False,
            "require_last_push_approval": rules.last_push_approval,
            "required_approving_review_count": rules.approvals,
            "bypass_pull_request_allowances": {
                "users": [],
                "teams": [],
                "apps": [app(github, one) for one in github.apps.values() if one.slug in rules.bypass],
            },
        }
    return answer


def ruleset_id(told: Repository, branch: str) -> int:
    """Each protected branch has a ruleset of its own."""
    return told.id * 100 + list(told.protections).index(branch)


def ruleset(told: Repository, branch: str, demanded: Protection, *, bypasses: bool) -> Json:
    """As `repository-ruleset`, to who may not administer."""
    source = ("ruleset_source_type", "ruleset_source", "ruleset_id")
    return {
        "id": ruleset_id(told, branch),
        "name": f"protect {branch}",
        "target": "branch",
        "source_type": "Repository",
        "source": told.full_name,
        "enforcement": "active",
        "current_user_can_bypass": "always" if bypasses else "never",
        "conditions": {"ref_name": {"include": [f"refs/heads/{branch}"], "exclude": []}},
        "rules": [
            {key: value for key, value in rule.items() if key not in source} for rule in rules(told, branch, demanded)
        ],
        "created_at": time(told.created),
        "updated_at": time(told.created),
    }


def rules(told: Repository, branch: str, demanded: Protection) -> list[Json]:
    """The rules of a ruleset, one by one."""
    found: list[Json] = []
    if demanded.pull_request:
        parameters = {
            "allowed_merge_methods": sorted(told.methods),
            "dismiss_stale_reviews_on_push": demanded.dismiss_stale,
            "require_code_owner_review": False,
            "require_last_push_approval": demanded.last_push_approval,
            "required_approving_review_count": demanded.approvals,
            "required_review_thread_resolution": False,
        }
        found.append({"type": "pull_request", "parameters": parameters})
    if demanded.checks:
        checks = [
            {"context": name, **({} if app is None else {"integration_id": app})}
            for name, app in demanded.checks.items()
        ]
        parameters = {"required_status_checks": checks, "strict_required_status_checks_policy": demanded.strict}
        found.append({"type": "required_status_checks", "parameters": parameters})
    if demanded.queue:
        numbers = ("max_entries_to_build", "max_entries_to_merge", "min_entries_to_merge")
        parameters = {
            "merge_method": "MERGE",
            "grouping_strategy": "ALLGREEN",
            "check_response_timeout_minutes": 60,
            "min_entries_to_merge_wait_minutes": 5,
            **dict.fromkeys(numbers, 1),
        }
        found.append({"type": "merge_queue", "parameters": parameters})
    if demanded.linear:
        found.append({"type": "required_linear_history"})
    if not demanded.force_pushes:
        found.append({"type": "non_fast_forward"})
    if not demanded.deletions:
        found.append({"type": "deletion"})
    source = {"ruleset_source_type": "Repository", "ruleset_source": told.full_name}
    return [{**rule, **source, "ruleset_id": ruleset_id(told, branch)} for rule in found]


def activity(github: State, move: Move) -> Json:
    """One move of a ref."""
    kinds = {(True, False): "branch_creation", (False, True): "branch_deletion", (False, False): "push"}
    kind = "force_push" if move.forced else kinds[(move.before is None, move.after is None)]
    return {
        "id": move.id,
        "node_id": node_id("PSH", move.id),
        "before": move.before or "0" * 40,
        "after": move.after or "0" * 40,
        "ref": move.ref,
        "timestamp": time(move.at),
        "activity_type": kind,
        "actor": user_or_none(github, move.actor),
    }
