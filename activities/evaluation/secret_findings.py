"""Secrets in what a patch adds. A finding says where and of which kind, and never repeats the secret.

detect-secrets' detectors are asked directly: its scanner honours comments that switch it off, which an agent can
write, and can be configured to try what it found against the vendor's server.
"""

from collections.abc import Iterator
from functools import cache

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import BasePlugin
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.cloudant import CloudantDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.keyword import KeywordDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.softlayer import SoftlayerDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from activities.evaluation.changes import is_readable
from activities.evaluation.judged import Judged
from activities.evaluation.paths import shown
from workflows.models.evidence import Finding, Severity

MOST_CHARACTERS = 8 * 1024 * 1024
"""Of added text; a patch with more is over every sensible size limit, and a person is told."""
_CERTAIN: tuple[type[BasePlugin], ...] = (
    *(AWSKeyDetector, AzureStorageKeyDetector, BasicAuthDetector, CloudantDetector, DiscordBotTokenDetector),
    *(GitHubTokenDetector, GitLabTokenDetector, JwtTokenDetector, MailchimpDetector, NpmDetector, OpenAIDetector),
    *(PrivateKeyDetector, PypiTokenDetector, SendGridDetector, SlackDetector, SoftlayerDetector),
    *(SquareOAuthDetector, StripeDetector, TelegramBotTokenDetector, TwilioKeyDetector),
)
_LIKELY: tuple[type[BasePlugin], ...] = (ArtifactoryDetector, KeywordDetector)
"""These go by what a value is called or how it begins, and are often wrong."""


def secrets(judged: Judged) -> Iterator[Finding]:
    """Added lines that hold what looks like a credential."""
    left = MOST_CHARACTERS if is_readable(judged.changes) else -1
    for line in judged.added_lines:
        left -= len(line.text)
        if left < 0:
            break
        for severity, detectors in _detectors():
            kind = next((one.secret_type for one in detectors if any(one.analyze_string(line.text))), None)
            if kind is not None:
                certain = severity is Severity.BLOCKER
                yield Finding(
                    rule="secret" if certain else "possible-secret",
                    severity=severity,
                    message=f"looks like a secret ({kind}): take it out"
                    + (", and have it revoked if it is real" if certain else ", or confirm that it is none"),
                    path=shown(line.path),
                    line=line.line,
                )
                break
    if left < 0:
        message = f"more than {MOST_CHARACTERS} characters are added, and not all were searched for secrets"
        yield Finding(rule="secrets-not-searched", severity=Severity.PERSON, message=message)


@cache
def _detectors() -> tuple[tuple[Severity, tuple[BasePlugin, ...]], ...]:
    return (
        (Severity.BLOCKER, tuple(kind() for kind in _CERTAIN)),
        (Severity.PERSON, tuple(kind() for kind in _LIKELY)),
    )
