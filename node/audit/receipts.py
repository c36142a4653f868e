"""Validity receipts: this node signs what a block came to, asks the others for theirs, keeps and compares.

Rules:
- a receipt is made from the block as the own peer committed it, for any member that asks;
- at each round the block is attested that was the newest at the round before, which all members had time to commit, and
  every member asked for its own receipt of it: the commit hash chains, so one receipt speaks for all blocks before;
- receipts that agree are kept every ten minutes, and when they were asked for by block, for later ones say what earlier
  ones said;
- where a member says otherwise, the first block on which it differs is looked for, and both receipts of it are kept,
  with those of the blocks that were looked at; from then on its receipts are kept as seldom as others';
- a receipt that its member did not sign, or of another block, is no receipt: it is logged and counts as none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import structlog

from network.block import parse_block
from network.errors import NetworkError, ProofError, RpcError
from network.receipt import (
    SignedReceipt,
    build_document,
    read_signed_receipt,
    receipt_of,
    sign_receipt,
    verify_receipt,
)
from network.rpc import StatusCode
from node.anchor.database import Database
from node.anchor.errors import AnchorError
from node.audit.errors import BadRequestError, NotYetError
from node.audit.index import AuditIndex
from node.audit.indexer import BlockSource
from node.audit.pages import limit_of, read_place, split, whole, word
from node.audit.sealing import OwnMember
from node.background import BackgroundWork

logger = structlog.get_logger(__name__)

INTERVAL = timedelta(seconds=10)
"""Between two rounds, where the settings say nothing else."""

KEPT_EVERY = timedelta(minutes=10)
"""Between two receipts of one member that are kept though they agree: each takes some three kilobytes, for ever."""

BLOCK_MAX = 2**53 - 1

RECEIPT_BYTES_MAX = 1024 * 1024
"""No member's receipt is longer: two digits for each transaction of a block, and a certificate. It may be kept."""

_PACKAGE = "node.audit"


class ReceiptGiver(Protocol):
    """Another member's node."""

    async def read_receipt(self, block_number: int) -> bytes:
        """Return its signed receipt of a block."""
        ...


class KeptReceipt(NamedTuple):
    """A receipt that is kept.

    Args:
        agrees: whether it says what the own one says.
        receipt: signed (JSON).
    """

    block_number: int
    organization: str
    received_at: datetime
    agrees: bool
    receipt: str


class Divergence(NamedTuple):
    """A member that says otherwise than this node: the first block on which it does, and both receipts (JSON)."""

    organization: str
    block_number: int
    own: str
    other: str


@dataclass(frozen=True, slots=True)
class Collected:
    """A block's receipt with the signatures of all that gave one.

    Args:
        document: what is verified offline.
        missing: members that gave none that counts, with the reason.
    """

    document: bytes
    block_number: int
    organizations: tuple[str, ...]
    missing: tuple[str, ...]


class ReceiptStore:
    """Receipts in the organization's own database. Calls block."""

    def __init__(self, msp_id: str, database: Database) -> None:
        self._msp_id = msp_id
        self._database = database
        self._divergences: list[Divergence] | None = None

    def keep(self, organization: str, signed: SignedReceipt, now: datetime) -> None:
        """Keep a receipt; the same one is kept once, two that differ both."""
        number, digest = signed.receipt.block_number, signed.receipt.digest()
        self._database.fetch("put_receipt", (number, organization, digest, now, signed.text()), _PACKAGE)
        if self._database.fetch("other_receipts", (number, digest), _PACKAGE):
            self._divergences = None

    def newest_agreed(self, organization: str) -> int:
        """Return the newest block on which a member said what this node said; 0 for none."""
        return int(self._database.fetch("newest_agreed", (self._msp_id, organization), _PACKAGE)[0][0])

    def page(self, page_size: int = 0, page_token: str = "") -> tuple[list[KeptReceipt], str]:
        """Return a page of what is kept, the newest block first, and the token of the next one (empty for none).

        Raises:
            PageTokenError: the token is not one of this list's.
        """
        limit = limit_of(page_size)
        after = read_place(page_token, whole, word, bytes.fromhex) if page_token else (2**62, "", b"")
        wanted = dict(zip(("block", "organization", "hash"), after, strict=True))
        rows = self._database.fetch("receipts", {"own": self._msp_id, "limit": limit + 1, **wanted}, _PACKAGE)
        page, token = split(rows, limit, lambda row: (row[0], row[1], row[5].hex()))
        return [KeptReceipt(*row[:5]) for row in page], token

    def newest(self, organization: str) -> KeptReceipt | None:
        """Return a member's newest receipt that is kept."""
        rows = self._database.fetch("newest_receipt", {"own": self._msp_id, "of": organization}, _PACKAGE)
        return KeptReceipt(*rows[0]) if rows else None

    def divergences(self) -> list[Divergence]:
        """Return for each member that ever said otherwise the first block on which it did."""
        # All receipts are gone through at the start, and once more whenever two of one block differ.
        if self._divergences is None:
            rows = self._database.fetch("divergences", (self._msp_id,), _PACKAGE)
            self._divergences = [Divergence(*row) for row in rows]
        return self._divergences


class Receipts(BackgroundWork):
    """Makes, asks for and compares receipts, until stopped.

    Args:
        member: this organization; its node's certificate signs.
        members: the other members' nodes, by organization.
        source: committed blocks of the own peer.
    """

    def __init__(
        self,
        channel_id: str,
        member: OwnMember,
        *,
        index: AuditIndex,
        source: BlockSource,
        store: ReceiptStore,
        members: Mapping[str, ReceiptGiver],
        now: Callable[[], datetime],
        interval: timedelta = INTERVAL,
    ) -> None:
        self._channel_id = channel_id
        self._member = member
        self._msp_id = member.identity.msp_id
        self._index = index
        self._source = source
        self._store = store
        self._members = members
        self._now = now
        self._interval = interval
        self._attested = 0
        self._newest = 0
        self._agreed: dict[str, int] = {}
        self._kept_at: datetime | None = None
        self._refusals: dict[str, str] = {}

    @property
    def refusals(self) -> Mapping[str, str]:
        """Members that answer and gave no receipt that counts at the last round, with the reason."""
        return self._refusals

    async def own(self, block_number: int) -> SignedReceipt:
        """Return this node's receipt of a block.

        Raises:
            BadRequestError: no number of a block after the first.
            NotYetError: the own peer did not commit it yet.
        """
        if not 1 <= block_number <= BLOCK_MAX:
            raise BadRequestError(f"block_number: {block_number} is not a block's number from 1")
        if block_number >= (await asyncio.to_thread(self._index.position)).next_block:
            raise NotYetError(f"block {block_number} is not committed here yet")
        block = parse_block(await self._block(block_number))
        return sign_receipt(receipt_of(block, self._channel_id), self._member.identity)

    async def exchange(self) -> list[str]:
        """Attest a block and hear the others about it; return the members that gave no receipt of it."""
        newest = (await asyncio.to_thread(self._index.position)).next_block - 1
        number, self._newest = self._newest or newest, newest
        if number < 1 or number == self._attested:
            return []
        own, now = await self.own(number), self._now()
        keeps = self._kept_at is None or now - self._kept_at >= KEPT_EVERY
        if keeps:
            await asyncio.to_thread(self._store.keep, self._msp_id, own, now)
            self._kept_at = now
        outcomes = await asyncio.gather(*(self._hear(organization, own, keeps) for organization in self._members))
        self._attested = number
        return [problem for problem in outcomes if problem]

    async def collect(self, block_number: int) -> Collected:
        """Return a block's receipt with the signatures of all members that agree; 0 asks for the newest block.

        Raises:
            BadRequestError, NotYetError: as ``own``.
        """
        number = block_number or (await asyncio.to_thread(self._index.position)).next_block - 1
        own = await self.own(number)
        await asyncio.to_thread(self._store.keep, self._msp_id, own, self._now())
        signatures, missing = {self._msp_id: own.signature}, []
        for organization in sorted(self._members):
            try:
                given = await self._given(organization, number)
            except (RpcError, ProofError) as error:
                missing.append(f"{organization}: {error}")
                continue
            await asyncio.to_thread(self._store.keep, organization, given, self._now())
            if given.receipt == own.receipt:
                signatures[organization] = given.signature
            else:
                missing.append(f"{organization}: it signed another receipt of this block")
        configs = (await asyncio.to_thread(self._index.landmarks, number)).configs
        blocks = {at: await self._block(at) for at in sorted({0, *configs, number})}
        document = build_document(own.receipt, [signatures[name] for name in sorted(signatures)], blocks)
        return Collected(document, number, tuple(sorted(signatures)), tuple(missing))

    async def _hear(self, organization: str, own: SignedReceipt, keeps: bool) -> str:
        """Ask a member about a block; return why it gave no receipt, nothing when it did."""
        number = own.receipt.block_number
        try:
            given = await self._given(organization, number)
            agrees = given.receipt == own.receipt
            is_known = not agrees and await self._first_is_known(organization)
            if keeps or not (agrees or is_known):
                await self._keep_pair(organization, own, given)
            if agrees:
                self._agreed[organization] = number
            elif not is_known:
                await self._find_first(organization, number)
        except (RpcError, ProofError) as error:
            self._note_refusal(organization, error)
            return f"{organization}: {error}"
        self._refusals.pop(organization, None)
        return ""

    def _note_refusal(self, organization: str, error: RpcError | ProofError) -> None:
        # One that does not answer at all is watched elsewhere.
        if isinstance(error, RpcError) and error.code in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED):
            self._refusals.pop(organization, None)
        else:
            self._refusals[organization] = str(error)

    async def _first_is_known(self, organization: str) -> bool:
        """Whether the first block on which a member says otherwise was found: it agreed on the one before."""
        found = await asyncio.to_thread(self._store.divergences)
        first = next((each.block_number for each in found if each.organization == organization), None)
        kept = await asyncio.to_thread(self._store.newest_agreed, organization)
        return first is not None and first - max(kept, self._agreed.get(organization, 0)) <= 1

    async def _find_first(self, organization: str, differs: int) -> None:
        """Look for the first block on which a member says otherwise, by halves, and keep both receipts of it."""
        kept = await asyncio.to_thread(self._store.newest_agreed, organization)
        agrees = min(max(kept, self._agreed.get(organization, 0)), differs - 1)
        while differs - agrees > 1:
            middle = (agrees + differs) // 2
            own, given = await self.own(middle), await self._given(organization, middle)
            if own.receipt == given.receipt:
                agrees = middle
            else:
                differs = middle
            await self._keep_pair(organization, own, given)
        logger.warning("receipts_diverge", organization=organization, block=differs)

    async def _keep_pair(self, organization: str, own: SignedReceipt, given: SignedReceipt) -> None:
        await asyncio.to_thread(self._store.keep, self._msp_id, own, self._now())
        await asyncio.to_thread(self._store.keep, organization, given, self._now())

    async def _given(self, organization: str, block_number: int) -> SignedReceipt:
        text = await self._members[organization].read_receipt(block_number)
        if len(text) > RECEIPT_BYTES_MAX:
            raise ProofError("malformed_receipt", f"{organization} gave a receipt of {len(text)} bytes")
        signed = await asyncio.to_thread(read_signed_receipt, text)
        signer = await asyncio.to_thread(verify_receipt, signed, self._member.msps())
        told = (signer, signed.receipt.channel, signed.receipt.block_number)
        if told != (organization, self._channel_id, block_number):
            raise ProofError("wrong_receipt", f"{organization} gave no receipt of its own of block {block_number}")
        return signed

    async def _block(self, number: int) -> bytes:
        found = b""
        async with aclosing(self._source.blocks(number, stop=number)) as blocks:
            async for block in blocks:
                found = bytes(block.SerializeToString())
        return found

    async def _run(self) -> None:
        problems: list[Any] = []
        while True:
            try:
                found = await self.exchange()
            except (NetworkError, AnchorError) as error:
                found = [str(error)]
            if found and found != problems:
                logger.warning("receipts_missing", reasons=found)
            problems = found
            await asyncio.sleep(self._interval.total_seconds())
