"""What recognises a credential by its shape.

detect-secrets' detectors are asked directly: its scanner honours comments that switch it off, which an agent can
write, and can be configured to try what it found against the vendor's server.
"""

import re
from collections.abc import Iterator
from functools import cache

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
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

_SHORTEST = 16
_NAMES = ("key", "pw", "pass", "token")
_NEEDS: dict[type[BasePlugin], tuple[str, ...]] = {
    CloudantDetector: (*_NAMES, "cloudant"),
    MailchimpDetector: ("-us",),
    SlackDetector: ("xox", "hooks.slack"),
    SoftlayerDetector: (*_NAMES, "softlayer"),
}
"""Of each, words of which one is in whatever it finds. They took nine tenths of all time, mostly for nothing."""


class _Tokens(RegexBasedDetector):
    """Shapes that the library does not know yet, each by its vendor's published prefix."""

    secret_type = "Vendor Token"  # noqa: S105  a name
    denylist = (
        re.compile(r"sk-ant-[A-Za-z0-9_-]{20,}"),  # Anthropic
        re.compile(r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}"),  # OpenAI
        re.compile(r"AIza[A-Za-z0-9_-]{35}"),  # Google
        re.compile(r"github_pat_[A-Za-z0-9_]{22,}"),
        re.compile(r"lin_(?:api|oauth)_[A-Za-z0-9]{20,}"),  # Linear
        re.compile(r"xapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]{32,}"),  # Slack, for Socket Mode
        re.compile(r"hf_[A-Za-z0-9]{30,}"),  # Hugging Face
    )


_CERTAIN: tuple[type[BasePlugin], ...] = (
    *(AWSKeyDetector, AzureStorageKeyDetector, BasicAuthDetector, CloudantDetector, DiscordBotTokenDetector),
    *(GitHubTokenDetector, GitLabTokenDetector, JwtTokenDetector, MailchimpDetector, NpmDetector, OpenAIDetector),
    *(PrivateKeyDetector, PypiTokenDetector, SendGridDetector, SlackDetector, SoftlayerDetector),
    *(SquareOAuthDetector, StripeDetector, TelegramBotTokenDetector, TwilioKeyDetector, _Tokens),
)
_LIKELY: tuple[type[BasePlugin], ...] = (ArtifactoryDetector, KeywordDetector)
"""These go by what a value is called or how it begins, and are often wrong."""


def spans(detector: BasePlugin, text: str) -> Iterator[tuple[int, int]]:
    """Where a detector finds secrets in a text: as a detector it tells only what, and of some only the beginning.

    Private keys are left out: what begins one says nothing of where it ends.
    """
    if not isinstance(detector, RegexBasedDetector) or isinstance(detector, PrivateKeyDetector):
        return
    if (needs := _NEEDS.get(type(detector))) is not None:
        lower = text.lower()
        if not any(word in lower for word in needs):
            return
    for pattern in detector.denylist:
        for found in pattern.finditer(text):
            if isinstance(detector, JwtTokenDetector) and not detector.is_formally_valid(found[0]):
                continue
            group = found.lastindex or 0
            # A short group is what all such tokens begin with, except that passwords may be short.
            if group and len(found[group]) < _SHORTEST and not isinstance(detector, BasicAuthDetector):
                group = 0
            yield found.span(group)


@cache
def certain() -> tuple[BasePlugin, ...]:
    """Detectors of shapes that are hardly ever anything else."""
    return tuple(kind() for kind in _CERTAIN)


@cache
def likely() -> tuple[BasePlugin, ...]:
    """Detectors that are often wrong."""
    return tuple(kind() for kind in _LIKELY)
