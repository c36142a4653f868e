"""What organizations say in disputes: texts that stay with the two banks and the arbiter.

Rules: a text is kept before its commitment is shown; it is given to the three whom the dispute concerns, and only if
the dispute commits to it; what another gives is believed once it opens the commitment.

Commitment: SHA-256(``dwaybank.node/dispute-statement\\x01`` ‖ salt of 32 bytes ‖ UTF-8 text).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from google.protobuf.message import DecodeError

from ledger.errors import InvalidValueError
from network.errors import RpcError
from network.pb.dwaybank.partner.v1 import obligations_pb2 as pb
from network.rpc import Channel
from node.partner.obligation_store import ObligationStore

DISPUTE_SERVICE = "dwaybank.partner.v1.DisputeService"

TEXT_LENGTH_MAX = 4_000
SALT_BYTES = 32
READ_TIMEOUT_S = 5.0

_TAG = b"dwaybank.node/dispute-statement\x01"


class Statement(NamedTuple):
    """A text and its salt."""

    salt: bytes
    text: str

    def commitment(self) -> bytes:
        """Return what stands on the shared ledger."""
        return hashlib.sha256(_TAG + self.salt + self.text.encode()).digest()


class Statements:
    """Keeps own texts and fetches others'.

    Args:
        store: connections to the organization's database.
        channels: the other members' nodes by MSP id.
        now: clock.
        random_bytes: source of salts.
    """

    def __init__(
        self,
        store: ObligationStore,
        channels: Mapping[str, Channel],
        *,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._store = store
        self._channels = channels
        self._now = now
        self._random_bytes = random_bytes

    async def keep(self, text: str) -> bytes:
        """Keep a text of this organization; return its commitment.

        Raises:
            InvalidValueError: it is empty, too long, or has characters no text has.
        """
        if not 0 < len(text) <= TEXT_LENGTH_MAX or "\x00" in text:
            raise InvalidValueError("statement", text[:40], f"give 1 to {TEXT_LENGTH_MAX} characters of text")
        said = Statement(self._random_bytes(SALT_BYTES), text)
        commitment = said.commitment()
        values = {"commitment": commitment, "salt": said.salt, "statement": said.text, "now": self._now()}
        await self._store.execute("put_statement", values)
        return commitment

    async def kept(self, commitment: bytes) -> Statement | None:
        """Return an own text, None when it is not kept here."""
        rows = await self._store.fetch("statement", {"commitment": commitment})
        return Statement(bytes(rows[0][0]), rows[0][1]) if rows else None

    async def find(self, dispute_id: str, holder: str, commitment: bytes) -> str:
        """Return a text wherever it is; empty where it is not to be had now, or does not open its commitment."""
        own = await self.kept(commitment)
        if own is not None:
            return own.text
        if holder not in self._channels:
            return ""
        request = pb.ReadStatementRequest(dispute_id=dispute_id, commitment=commitment).SerializeToString()
        try:
            answer = await self._channels[holder].unary(f"/{DISPUTE_SERVICE}/ReadStatement", request, READ_TIMEOUT_S)
            reply = pb.ReadStatementResponse.FromString(answer)
        except (RpcError, DecodeError):
            # A member that is away keeps its text to itself for now; the commitment is shown without it.
            return ""
        said = Statement(reply.salt, reply.text)
        return said.text if said.commitment() == commitment else ""
