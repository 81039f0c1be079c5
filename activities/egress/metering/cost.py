"""From what was read to what is counted: tokens, and money at the provider's prices, never less than was used."""

import re
from collections.abc import Iterable, Mapping

from activities.egress.contract import Price
from activities.egress.metering.answer import AnswerReader
from workflows.models.usage import Allowance, Metered

BYTES_PER_TOKEN = 3
"""For estimates. English has about four bytes a token and code about three; an estimate should not be too low."""
_MILLION = 1_000_000
_VERSION = re.compile(r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|\d{4}|latest)(?:-v\d+(?::\d+)?)?")
"""What may follow a listed name in the name of a dated model. So `gpt-5-pro` is never taken for a `gpt-5`."""
LIMITS = ("micro_usd", "tokens", "requests", "bytes")


def price_of(model: str, prices: Mapping[str, Price]) -> tuple[Price | None, bool]:
    """The price of a model, and whether it is the one listed; the dearest of all for a model that is not listed."""
    if not prices:
        return None, True
    fitting = [name for name in prices if model == name or _is_dated(model, name)]
    if fitting:
        return prices[max(fitting, key=len)], True
    each = [*prices.values(), *(price.long_prompt for price in prices.values() if price.long_prompt)]
    hours = [price.cache_write_hour for price in each if price.cache_write_hour is not None]
    dearest = Price(
        input=max(price.input for price in each),
        output=max(price.output for price in each),
        cache_read=max(price.cache_read for price in each),
        cache_write=max(price.cache_write for price in each),
        cache_write_hour=max(hours) if hours else None,
    )
    return dearest, False


def measure(
    reader: AnswerReader,
    sent: int,
    free: bool,
    prices: Mapping[str, Price],
    version: str,
    asked_model: str = "",
    reserve: int = 0,
) -> Metered:
    """What one request used as far as its answer has been read. `sent`: bytes of its body; `free`: it costs nothing.

    What the answer has not stated is estimated from bytes, and its output is at least `reserve` tokens. A refusal by
    the provider costs what it states. `asked_model` counts until the answer names one.
    """
    bytes_seen = sent + reader.received
    usage = reader.usage
    stated = usage.input is not None or usage.output is not None
    if free or (reader.status >= 400 and not stated):
        return Metered(requests=1, bytes=bytes_seen, price_version=version if prices else "")
    known = usage.last_word and usage.input is not None
    text = usage.text_bytes + reader.unread_bytes()
    input_tokens = -(-sent // BYTES_PER_TOKEN) if usage.input is None else usage.input
    output_tokens = usage.output or 0
    if not usage.last_word:
        output_tokens = max(output_tokens, -(-text // BYTES_PER_TOKEN), reserve)
    cache_read, cache_write = usage.cache_read or 0, usage.cache_write or 0
    price, listed = price_of(usage.model or asked_model, prices)
    money = 0
    if price is not None:
        prompt = input_tokens + cache_read + cache_write
        if price.long_prompt and price.long_prompt_tokens is not None and prompt > price.long_prompt_tokens:
            price = price.long_prompt
        hour = min(usage.cache_write_hour or 0, cache_write)
        hour_price = price.cache_write if price.cache_write_hour is None else price.cache_write_hour
        parts = (
            input_tokens * price.input,
            output_tokens * price.output,
            cache_read * price.cache_read,
            (cache_write - hour) * price.cache_write,
            hour * hour_price,
        )
        money = -(-sum(parts) // _MILLION)
    return Metered(
        requests=1,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        bytes=bytes_seen,
        micro_usd=money,
        estimated=not known or not listed,
        price_version=version if prices else "",
    )


def total(parts: Iterable[Metered]) -> Metered:
    """The sum; of several price versions, the last one that was used."""
    counts = dict.fromkeys(_COUNTS, 0)
    estimated, version = False, ""
    for part in parts:
        for name in _COUNTS:
            counts[name] += getattr(part, name)
        estimated |= part.estimated
        version = part.price_version or version
    return Metered(**counts, estimated=estimated, price_version=version)


def limit_reached(used: Metered, allowance: Allowance) -> str:
    """The first limit that usage is at or over, by its name in the allowance; empty if there is none."""
    tokens = used.input_tokens + used.output_tokens + used.cache_read_tokens + used.cache_write_tokens
    for name in LIMITS:
        limit = getattr(allowance, name)
        if limit is not None and (tokens if name == "tokens" else getattr(used, name)) >= limit:
            return name
    return ""


def _is_dated(model: str, name: str) -> bool:
    return model.startswith(name) and _VERSION.fullmatch(model, len(name)) is not None


_COUNTS = tuple(name for name, field in Metered.model_fields.items() if field.annotation is int)
