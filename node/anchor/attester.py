"""The attester: vouches for other members' logs, after its own peer committed their anchors as VALID.

Rules:
- A cosignature says: this node holds a copy of the whole log under this head, and it extends every copy it held before.
- A member whose tiles do not match what it anchored gets no cosignature; the finding is kept and shown.
- What was cosigned is read from the shared ledger, so a crash cosigns nothing twice.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import structlog
from nacl.signing import SigningKey

from network.audit_record import AUDIT, record_key
from network.checkpoint import cosign, open_checkpoint
from network.errors import GatewayError, ProofError, RpcError
from node.anchor.anchorer import Gateway
from node.anchor.errors import AnchorError, MirrorError
from node.anchor.mirror import LogReader, Mirror
from node.anchor.sealer import witness_name
from node.anchor.store import ANCHOR_ENTRIES_MAX
from node.background import BackgroundWork

logger = structlog.get_logger(__name__)

RETRY_S = 1.0


class AnchoredRecord(Protocol):
    """A record of the shared ledger, as the audit index gives it."""

    @property
    def organization(self) -> str:
        """Whose it is."""
        ...

    @property
    def body(self) -> str:
        """The record as the contract stored it (JSON)."""
        ...


class AnchoredHeads(Protocol):
    """What this organization's own peer committed. Calls block."""

    def newest_checkpoints(self, but: str) -> Sequence[AnchoredRecord]:
        """Return the newest anchored head of every organization other than ``but``."""
        ...

    def first_checkpoint_covering(self, organization: str, seq: int) -> AnchoredRecord | None:
        """Return the oldest anchored head that covers an entry."""
        ...

    def record(self, key: str) -> AnchoredRecord | None:
        """Return the newest writing of a record."""
        ...


class Attester(BackgroundWork):
    """Mirrors and cosigns other members' logs until stopped.

    Args:
        readers: the other members' logs, by organization.
    """

    def __init__(
        self,
        msp_id: str,
        *,
        key: SigningKey,
        gateway: Gateway,
        heads: AnchoredHeads,
        mirror: Mirror,
        readers: Mapping[str, LogReader],
        now: Callable[[], datetime],
    ) -> None:
        self._msp_id = msp_id
        self._key = key
        self._gateway = gateway
        self._heads = heads
        self._mirror = mirror
        self._readers = readers
        self._now = now
        self._wake = asyncio.Event()
        self._problems: dict[str, str] = {}

    def wake(self) -> None:
        """Look for new anchors now."""
        self._wake.set()

    async def attest(self) -> list[str]:
        """Mirror and cosign the newest anchored head of every other member; return those that failed.

        A member that fails does not keep the others from being attested.
        """
        newest = await asyncio.to_thread(self._heads.newest_checkpoints, self._msp_id)
        outcomes = await asyncio.gather(*(self._attest_one(record) for record in newest))
        return [organization for organization in outcomes if organization]

    async def _attest_one(self, anchored: AnchoredRecord) -> str:
        """Attest one member's head; return its name if that failed."""
        organization = anchored.organization
        try:
            await self._mirror_and_cosign(organization, json.loads(anchored.body))
        except (GatewayError, RpcError, AnchorError, ProofError) as error:
            self._report(organization, error)
            return organization
        self._problems.pop(organization, None)
        return ""

    async def _mirror_and_cosign(self, organization: str, record: dict[str, object]) -> None:
        size, note = int(str(record["size"])), str(record["note"])
        own = record_key("cosignature", organization, size, self._msp_id)
        if await asyncio.to_thread(self._heads.record, own) is not None:
            return
        registered = await asyncio.to_thread(self._heads.record, record_key("log", organization))
        reader = self._readers.get(organization)
        if registered is None or reader is None:
            raise MirrorError(f"the address or the log key of {organization} is not known here")
        checkpoint = open_checkpoint(note.encode(), str(json.loads(registered.body)["verifier_key"]))
        if checkpoint.root != base64.b64decode(str(record["root"])) or checkpoint.size != size:
            raise MirrorError(f"the anchored record of {organization} and its signed note differ")
        await self._approach(organization, size, reader)
        await self._mirror.extend(organization, size, checkpoint.root, reader)
        line = cosign(note.encode(), witness_name(self._msp_id), self._key, int(self._now().timestamp()))
        try:
            await self._gateway.submit(AUDIT, "Cosign", organization, str(size), line)
        except GatewayError as error:
            if "already_cosigned:" not in str(error):
                raise
        logger.info("checkpoint_cosigned", organization=organization, size=size)

    async def _approach(self, organization: str, size: int, reader: LogReader) -> None:
        """Bring a copy that is far behind nearer to a head, through heads that were anchored before it."""
        while size - (reached := await self._mirror.size(organization)) > ANCHOR_ENTRIES_MAX:
            wanted = reached + ANCHOR_ENTRIES_MAX
            found = await asyncio.to_thread(self._heads.first_checkpoint_covering, organization, wanted)
            between = json.loads(found.body) if found is not None else None
            if between is None or between["size"] >= size:
                return
            await self._mirror.extend(organization, between["size"], base64.b64decode(between["root"]), reader)

    def _report(self, organization: str, error: Exception) -> None:
        problem = str(error)
        if self._problems.get(organization) != problem:
            kind = "mirror_mismatch" if isinstance(error, MirrorError) else "attesting_failed"
            logger.warning(kind, organization=organization, reason=problem)
        self._problems[organization] = problem

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                failed = await self.attest()
            except AnchorError as error:
                logger.warning("attesting_failed", reason=str(error))
                failed = [self._msp_id]
            await self._pause(RETRY_S if failed else None)

    async def _pause(self, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return
