"""What was heard in Slack, on record before it is acknowledged, by this gateway's word.

Over Socket Mode nothing is signed: the connection itself is Slack's. So what is kept is signed by the gateway that
heard it, whichever way it came, and looked at again when it is carried out.
"""

from collections.abc import Callable

from activities.chat.slack.heard import Heard, kept, read
from activities.decisions.keys import SigningKey, TrustedKeys
from activities.webhooks.stored import Deliveries, StoredDelivery, digest_of

SOURCE = "slack"


class SlackRecord:
    """Of one gateway; each reads what others of this installation kept."""

    def __init__(
        self, deliveries: Deliveries, key: SigningKey, gateways: TrustedKeys, taken: Callable[[str], None]
    ) -> None:
        """`taken` is told the digest of what was put on record, and must not wait."""
        self._deliveries = deliveries
        self._key = key
        self._gateways = gateways
        self._taken = taken

    async def keep(self, heard: Heard) -> bool:
        """Put it on record and have it carried out; False if it was heard before. Raises BaseError or OSError."""
        new, digest = await self.put(heard)
        self._taken(digest)
        return new

    async def put(self, heard: Heard) -> tuple[bool, str]:
        """Put it on record alone; whether it is new, and its digest. Raises BaseError or OSError."""
        body = kept(heard)
        signature = f"{self._key.key_id}:{self._key.sign(_message(body))}"
        new = await self._deliveries.keep(heard.kind, digest_of(body)[:32], signature, body, SOURCE)
        return new, digest_of(body)

    def heard(self, stored: StoredDelivery) -> Heard:
        """What was kept. Raises Untrusted for what no gateway of this installation heard, or NotUnderstood."""
        key, _, signature = stored.signature.partition(":")
        self._gateways.verify(key, signature, _message(stored.body))
        return read(stored.body)


def _message(body: bytes) -> bytes:
    # Nothing else that is signed begins like this.
    return b"journeyman slack\n" + body
