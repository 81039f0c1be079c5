"""Who asks: an app by a token that it signs itself, or whoever an issued token stands for."""

import base64
import binascii
import secrets
import time

import jwt

from tests.support.github.accounts import App, Installation, Token, now
from tests.support.github.routing import Refused
from tests.support.github.state import State

LONGEST_JWT = 600
"""Seconds that an app's own token may live (docs.github.com, Generating a JSON Web Token)."""
CLOCK_SKEW = 60
"""Seconds that its clock may be ahead of GitHub's."""


def app_of(github: State, signed: str) -> App:
    """The app that signed a JSON Web Token. Raises Refused."""
    try:
        issuer = str(jwt.decode(signed, options={"verify_signature": False}).get("iss"))
    except jwt.PyJWTError as error:
        raise Refused(401, "A JSON web token could not be decoded") from error
    app = next((app for app in github.apps.values() if issuer in (str(app.id), app.client_id)), None)
    if app is None:
        raise Refused(404, "Integration not found")
    try:
        claims = jwt.decode(
            signed, app.public_key, ["RS256"], leeway=CLOCK_SKEW, options={"verify_exp": False, "verify_iat": False}
        )
    except jwt.PyJWTError as error:
        raise Refused(401, "A JSON web token could not be decoded") from error
    _check_times(claims.get("iat"), claims.get("exp"))
    return app


def _check_times(issued: object, expires: object) -> None:
    moment = time.time()
    if not isinstance(issued, int) or issued > moment + CLOCK_SKEW:
        raise Refused(
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        )
    if not isinstance(expires, int) or expires <= moment:
        raise Refused(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the "
            "assertion expires",
        )
    if expires > moment + LONGEST_JWT or expires - issued > LONGEST_JWT + CLOCK_SKEW:
        raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")


def token_of(github: State, value: str) -> Token:
    """An issued token that still counts. Raises Refused."""
    token = github.tokens.get(value)
    if token is None or token.expires <= now():
        raise Refused(401, "Bad credentials")
    if token.installation is not None and token.installation.suspended is not None:
        raise Refused(403, "This installation has been suspended")
    return token


def issue_token(
    github: State, installation: Installation, permissions: dict[str, str], repositories: set[str] | None
) -> Token:
    """A new token of an installation."""
    token = Token(
        value=f"ghs_{secrets.token_urlsafe(27)}",
        account=installation.app.bot,
        expires=now() + github.token_life,
        installation=installation,
        permissions=permissions,
        repositories=repositories,
    )
    github.tokens[token.value] = token
    return token


def shown(header: str | None) -> tuple[str, str]:
    """What an Authorization header holds: its kind in lower case, and the secret. Empty where there is none."""
    kind, _, rest = (header or "").partition(" ")
    if kind.lower() != "basic":
        return kind.lower(), rest.strip()
    try:
        name, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "basic", ""
    # Git also sends a token as the name, with any password.
    return "basic", password if name != "" and password not in ("", "x-oauth-basic") else name
