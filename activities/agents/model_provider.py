"""The model provider as an agent's sandbox sees it: a name inside, a dialect, and no key."""

import hashlib
import json
import re
from dataclasses import dataclass

from activities.egress.contract import BrokeredService, Endpoint, Price, UsageDialect
from activities.egress.prices import PriceTable, micro_usd, price_table
from activities.policy.agent_tables import PriceEntry, ProviderEntry

PLACEHOLDER = "placeholder"
"""What command lines that want a key are given; the gateway removes it."""
_DATE = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")


@dataclass(frozen=True)
class Interface:
    """What of a provider's interface a dialect needs."""

    endpoints: tuple[Endpoint, ...]
    header: str
    prefix: str = ""


INTERFACES = {
    UsageDialect.ANTHROPIC_MESSAGES: Interface(
        endpoints=(
            Endpoint(method="POST", path="/v1/messages", usage=UsageDialect.ANTHROPIC_MESSAGES),
            Endpoint(method="POST", path="/v1/messages/count_tokens"),
        ),
        header="x-api-key",
    ),
    UsageDialect.OPENAI_CHAT: Interface(
        endpoints=(Endpoint(method="POST", path="/v1/chat/completions", usage=UsageDialect.OPENAI_CHAT),),
        header="authorization",
        prefix="Bearer ",
    ),
    UsageDialect.OPENAI_RESPONSES: Interface(
        endpoints=(Endpoint(method="POST", path="/v1/responses", usage=UsageDialect.OPENAI_RESPONSES),),
        header="authorization",
        prefix="Bearer ",
    ),
}


@dataclass(frozen=True)
class Provider:
    """One of `[providers.NAME]`."""

    name: str
    entry: ProviderEntry

    @property
    def host(self) -> str:
        """Its name inside the sandbox."""
        return f"{self.name}.model.internal"

    @property
    def url(self) -> str:
        """Its base address inside the sandbox. Plain HTTP: it goes no further than the gateway of this host."""
        return f"http://{self.host}"

    def prices(self) -> PriceTable:
        """What its models cost: the list prices of vendors, and before them what journeyman.toml states.

        A model on a network of one's own costs what journeyman.toml states, and nothing if it states nothing: it is no
        vendor's, even by the same name.
        """
        listed = PriceTable(version="", prices={}) if self.entry.private else price_table()
        own = {model: _price(entry) for model, entry in self.entry.prices.items()}
        if not own:
            return listed
        stated = json.dumps({model: price.model_dump() for model, price in own.items()}, sort_keys=True)
        digest = f"own-{hashlib.sha256(stated.encode()).hexdigest()[:8]}"
        version = f"{listed.version}+{digest}" if listed.version else digest
        return PriceTable(version=version, prices={**listed.prices, **own})

    def knows_price_of(self, model: str) -> bool:
        """Whether a model has a price, by its name with or without the date behind it."""
        return bool({model, _DATE.sub("", model)} & self.prices().prices.keys())

    def service(self, dialect: UsageDialect, extra: tuple[Endpoint, ...] = ()) -> BrokeredService:
        """How the gateway is to let an agent reach it, for one dialect and what else the agent asks for."""
        interface, table = INTERFACES[dialect], self.prices()
        return BrokeredService(
            host=self.host,
            # Vendors print their address with the version and without it; the paths asked for begin with it.
            upstream=self.entry.url.rstrip("/").removesuffix("/v1"),
            # Known to the gateway by the provider's name, also where it is known to take none.
            credential=self.name,
            private=self.entry.private,
            header=interface.header,
            prefix=interface.prefix,
            endpoints=(*interface.endpoints, *extra),
            prices=table.prices,
            price_version=table.version,
        )


def _price(entry: PriceEntry) -> Price:
    def micro(dollars: float | None) -> int:
        return micro_usd(entry.input if dollars is None else dollars)

    return Price(
        input=micro(entry.input),
        output=micro(entry.output),
        cache_read=micro(entry.cache_read),
        cache_write=micro(entry.cache_write),
    )
