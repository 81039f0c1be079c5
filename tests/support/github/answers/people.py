"""How accounts, apps and installations are told."""

from datetime import UTC, datetime

from tests.support.github.accounts import Account, App, Installation, Team, Token
from tests.support.github.state import Json, State, node_id

FOUNDED = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else time(moment)


def user(github: State, account: Account) -> Json:
    """A person, an organization or a bot, as `simple-user`."""
    url = f"{github.api}/users/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("U", account.id),
        "avatar_url": f"{github.web}/avatars/u/{account.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{github.web}/{account.login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": account.kind,
        "site_admin": False,
    }


def user_or_none(github: State, account: Account | None) -> Json | None:
    return None if account is None else user(github, account)


def public_user(github: State, account: Account) -> Json:
    """A person with a profile."""
    return {
        **user(github, account),
        "name": account.login.title(),
        "company": None,
        "blog": "",
        "location": None,
        "email": None,
        "hireable": None,
        "bio": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": time(FOUNDED),
        "updated_at": time(FOUNDED),
    }


def app(github: State, told: App) -> Json:
    """An app, as `integration`."""
    return {
        "id": told.id,
        "slug": told.slug,
        "node_id": node_id("A", told.id),
        "client_id": told.client_id,
        "owner": user(github, told.owner),
        "name": told.slug.title(),
        "description": None,
        "external_url": f"{github.web}/apps/{told.slug}",
        "html_url": f"{github.web}/apps/{told.slug}",
        "created_at": time(FOUNDED),
        "updated_at": time(FOUNDED),
        "permissions": told.permissions,
        "events": EVENTS,
        "installations_count": sum(1 for there in github.installations.values() if there.app is told),
    }


EVENTS = [
    "check_suite",
    "issue_comment",
    "issues",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "push",
    "workflow_run",
]


def installation(github: State, told: Installation) -> Json:
    return {
        "id": told.id,
        "account": user(github, told.account),
        "repository_selection": "all" if told.repositories is None else "selected",
        "access_tokens_url": f"{github.api}/app/installations/{told.id}/access_tokens",
        "repositories_url": f"{github.api}/installation/repositories",
        "html_url": f"{github.web}/settings/installations/{told.id}",
        "app_id": told.app.id,
        "client_id": told.app.client_id,
        "app_slug": told.app.slug,
        "target_id": told.account.id,
        "target_type": told.account.kind,
        "permissions": told.permissions,
        "events": EVENTS,
        "created_at": time(FOUNDED),
        "updated_at": time(FOUNDED),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": user(github, told.account) if told.suspended else None,
        "suspended_at": time_or_none(told.suspended),
    }


def installation_token(told: Token) -> Json:
    return {
        "token": told.value,
        "expires_at": time(told.expires),
        "permissions": told.permissions,
        "repository_selection": "all" if told.repositories is None else "selected",
    }


def team(github: State, told: Team) -> Json:
    url = f"{github.api}/organizations/{told.organization.id}/team/{told.id}"
    return {
        "id": told.id,
        "node_id": node_id("T", told.id),
        "name": told.slug.title(),
        "slug": told.slug,
        "description": None,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "pull",
        "type": "organization",
        "organization_id": told.organization.id,
        "url": url,
        "html_url": f"{github.web}/orgs/{told.organization.login}/teams/{told.slug}",
        "members_url": f"{url}/members{{/member}}",
        "repositories_url": f"{url}/repos",
        "parent": None,
    }
