"""The price table that comes with the program: list prices of model providers, with the day they were looked up."""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path

from activities.egress.contract import Price
from workflows.models.base import Model

_FILE = Path(__file__).with_name("prices.toml")
_MICRO = 1_000_000


class PriceTable(Model):
    """Prices of one provider's models by name, and the version to record beside what was counted with them."""

    version: str
    prices: dict[str, Price]


@cache
def price_table(provider: str = "") -> PriceTable:
    """A provider's prices (`anthropic`, `openai`), or everybody's. An unknown provider has none."""
    with _FILE.open("rb") as file:
        content = tomllib.load(file, parse_float=Decimal)
    version = content.pop("version")
    tables = [content.get(provider, {})] if provider else content.values()
    return PriceTable(
        version=version, prices={name: _price(entry) for table in tables for name, entry in table.items()}
    )


def micro_usd(dollars: Decimal | float) -> int:
    """Dollars per million tokens as micro-dollars per million tokens, rounded up."""
    exact = Decimal(str(dollars)) * _MICRO
    return int(exact.to_integral_value(rounding="ROUND_CEILING"))


def _price(entry: Mapping[str, object]) -> Price:
    long_prompt, tokens = entry.get("long_prompt"), entry.get("long_prompt_tokens")
    figures = {name: micro_usd(value) for name, value in entry.items() if isinstance(value, int | Decimal)}
    figures.pop("long_prompt_tokens", None)
    return Price(
        **figures,
        long_prompt_tokens=tokens if isinstance(tokens, int) else None,
        long_prompt=_price(long_prompt) if isinstance(long_prompt, dict) else None,
    )
