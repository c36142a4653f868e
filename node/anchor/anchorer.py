"""The anchorer: brings the sealed log's head, and the compliance epochs of the same entries, onto the shared ledger.

Rules:
- The head on the shared ledger decides what is still to be anchored; nothing here remembers what was sent, only that
  all of it was confirmed. So a crash between submit and commit anchors nothing twice: the next round reads the head.
- A conflict, a timeout or a refusal ends the round; the next one begins by reading.
- The opening of the control totals' commitment is kept before the commitment is shown.
- A head on the shared ledger that is not this log's stops everything, in one sentence.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Protocol

import structlog
from nacl.signing import SigningKey

from network import tracing
from network.audit_record import AUDIT, COMPLIANCE, commit_controls
from network.checkpoint import COSIGNATURE_V1, verifier_key
from network.errors import GatewayError, NetworkError
from network.merkle import EMPTY_ROOT, build_consistency_proof, tile_node_reader
from node.anchor.errors import LogError
from node.anchor.leaf_source import LeafSource, Totals
from node.anchor.sealer import Sealer, log_origin, witness_name
from node.anchor.store import ANCHOR_ENTRIES_MAX, AnchorTime, ControlOpening, Head, LogStore
from node.background import BackgroundWork
from node.errors import NodeError

logger = structlog.get_logger(__name__)

LAG_SAMPLES = 2_000
"""Newest entries over which the time from posting to anchoring is told."""

LAG_ANCHORS = 20
"""Anchors measured again after a restart."""

RETRY_S = 0.5

SILENT_S = 60.0
"""After so many seconds a round without an answer is told as one that stands still."""

EPOCH_ENTRIES_MAX = 100_000


class Gateway(Protocol):
    """What is asked of the channel's gateway; ``network.client.GatewayClient`` answers it."""

    async def evaluate(self, chaincode: str, function: str, *args: bytes | str) -> bytes:
        """Return what a function returns; nothing is ordered."""
        ...

    async def submit(self, chaincode: str, function: str, *args: bytes | str) -> Any:
        """Call a function and return once its writes are committed."""
        ...


class EpochSource(Protocol):
    """Builds compliance epochs. Calls block."""

    def build_epoch(self, number: int, from_seq: int, to_seq: int) -> Mapping[str, Any]:
        """Return an epoch from ``from_seq`` to at most ``to_seq`` in the form ``compliance:AnchorEpoch`` takes."""
        ...


@dataclass(frozen=True, slots=True)
class AnchoredHead:
    """The newest head of the organization's log on the shared ledger."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Lag:
    """Time from posting to the anchor's commit, over the newest entries; zero when none is anchored yet."""

    p50: timedelta
    p95: timedelta


class Anchorer(BackgroundWork):
    """Seals and anchors until stopped.

    Args:
        sealer: None for an organization without books, which only registers its other keys.
        disclosure_key: X25519 public key that answers to its demands are sealed to; nothing registers none.
        interval_s: shortest time between two anchors.
        random_bytes: source of salts.
    """

    def __init__(
        self,
        msp_id: str,
        *,
        log_key: SigningKey,
        witness_key: SigningKey,
        disclosure_key: bytes = b"",
        gateway: Gateway,
        sealer: Sealer | None,
        store: LogStore,
        source: LeafSource | None,
        epochs: EpochSource | None,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
        interval_s: float = 0.5,
    ) -> None:
        self._msp_id = msp_id
        self._log_key = log_key
        self._witness_key = witness_key
        self._disclosure_key = disclosure_key
        self._gateway = gateway
        self._sealer = sealer
        self._store = store
        self._source = source
        self._epochs = epochs
        self._now = now
        self._random_bytes = random_bytes
        self._interval_s = interval_s
        self._lags: deque[timedelta] = deque(maxlen=LAG_SAMPLES)
        self._wake = asyncio.Event()
        self._problem = ""
        self._lag_problem = ""
        self._confirmed_size = -1
        self._begun: float | None = None
        """When the round began since which none has ended well; None between rounds that do."""

    @property
    def stalled(self) -> str:
        """Why anchoring stands still, in one sentence; empty when it does not."""
        told = self._trouble
        if not told and self.stood_s >= SILENT_S:
            return f"the shared ledger has answered nothing for {self.stood_s:.0f} s: look at its orderer and its peers"
        return told

    @property
    def stood_s(self) -> float:
        """For how many seconds anchoring has stood still; a round that goes on counts, as it may never end."""
        return 0.0 if self._begun is None else monotonic() - self._begun

    @property
    def _trouble(self) -> str:
        return (self._sealer.stalled if self._sealer else "") or self._problem

    def wake(self) -> None:
        """Anchor now rather than when the interval ends."""
        self._wake.set()

    def lag(self) -> Lag:
        """Return the time from posting to anchoring over the newest entries."""
        if not self._lags:
            return Lag(timedelta(), timedelta())
        ordered = sorted(self._lags)
        return Lag(ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)])

    async def register(self) -> None:
        """Register the keys of log, witness and disclosure where the shared ledger does not know them yet.

        Raises:
            GatewayError: the shared ledger cannot be reached or refuses.
            LogError: another key is registered for this organization.
        """
        witness = verifier_key(witness_name(self._msp_id), self._witness_key, COSIGNATURE_V1)
        await self._register_disclosure_key()
        await self._register("GetWitness", "RegisterWitness", witness_name(self._msp_id), witness, "cosigner_key")
        if self._sealer is not None:
            log = verifier_key(log_origin(self._msp_id), self._log_key)
            await self._register("GetLog", "RegisterLog", log_origin(self._msp_id), log, "verifier_key")

    async def anchor(self) -> bool:
        """Do one round: seal what was posted, anchor what was sealed; tell whether anything was anchored.

        Raises:
            GatewayError: the shared ledger cannot be reached or refused; the next round reads its head again.
            AnchorError: the books or the log are not sound.
        """
        if self._sealer is None:
            return False
        sealed = await self._sealer.seal()
        if sealed.size == self._confirmed_size:
            return False
        head = await self.head()
        if sealed.size - head.size > ANCHOR_ENTRIES_MAX:
            sealed = await asyncio.to_thread(self._store.head_up_to, head.size + ANCHOR_ENTRIES_MAX)
        tasks = [self._anchor_checkpoint(head, sealed), self._anchor_epochs(sealed.size)]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        self._confirmed_size = sealed.size
        return any(outcomes)

    async def head(self) -> AnchoredHead:
        """Return the newest anchored head of this organization's log."""
        record = await self._read(AUDIT, "GetLog", self._msp_id)
        if record is None:
            return AnchoredHead(0, EMPTY_ROOT)
        return AnchoredHead(int(record["size"]), base64.b64decode(record["root"]))

    async def _anchor_checkpoint(self, head: AnchoredHead, sealed: Head) -> bool:
        await asyncio.to_thread(self._require_same_log, head, sealed)
        if sealed.size == head.size:
            return False
        proof = await asyncio.to_thread(self._consistency, head.size, sealed.size)
        opening = await asyncio.to_thread(self._control_opening, head.size, sealed.size)
        encoded = json.dumps([base64.b64encode(node).decode() for node in proof])
        with tracing.span("anchor checkpoint", size=sealed.size, previous_size=head.size):
            await self._gateway.submit(AUDIT, "AnchorCheckpoint", sealed.note, encoded, opening.commitment.hex())
        await asyncio.to_thread(self._record_lag, head.size, sealed.size)
        logger.info("checkpoint_anchored", size=sealed.size, previous_size=head.size)
        return True

    async def _anchor_epochs(self, sealed_size: int) -> bool:
        if self._epochs is None:
            return False
        last = await self._read(COMPLIANCE, "GetLastEpoch", self._msp_id)
        number, done = (int(last["epoch"]), int(last["to_seq"])) if last else (0, 0)
        while done < sealed_size:
            number += 1
            upper = min(sealed_size, done + EPOCH_ENTRIES_MAX)
            epoch = await asyncio.to_thread(self._epochs.build_epoch, number, done + 1, upper)
            await self._gateway.submit(COMPLIANCE, "AnchorEpoch", json.dumps(dict(epoch)))
            done = int(epoch["to_seq"])
        return number > (int(last["epoch"]) if last else 0)

    def _require_same_log(self, head: AnchoredHead, sealed: Head) -> None:
        """Check that the shared ledger's head is one this log was sealed at."""
        if head.size > sealed.size:
            raise LogError(
                f"the shared ledger holds a head of {head.size} entries, this database only {sealed.size}: "
                "restore the newest backup of the books and the log"
            )
        if head.size and self._store.head_at(head.size).root != head.root:
            raise LogError(f"the shared ledger holds another log of {head.size} entries than this database")

    def _consistency(self, old_size: int, new_size: int) -> list[bytes]:
        return build_consistency_proof(tile_node_reader(self._store.read_tile), old_size, new_size)

    def _control_opening(self, old_size: int, new_size: int) -> ControlOpening:
        """Return the opening kept for a size, or make and keep one from the last anchored one and what came since."""
        kept = self._store.control_opening(new_size)
        if kept is not None:
            return kept
        assert self._source is not None
        before = self._store.control_opening(old_size) if old_size else None
        totals = dict(self._source.control_totals((old_size if before else 0) + 1, new_size))
        if before is not None:
            totals = _add_totals(_read_totals(before.totals), totals)
        text = _write_totals(totals)
        salt = self._random_bytes(32)
        return self._store.keep_control_opening(new_size, ControlOpening(text, salt, commit_controls(text, salt)))

    def _record_lag(self, old_size: int, new_size: int) -> None:
        anchored = AnchorTime(new_size, old_size, self._now())
        self._store.keep_anchor_time(anchored)
        self._measure(anchored)

    def _measure(self, anchored: AnchorTime) -> None:
        assert self._source is not None
        first = max(anchored.previous_size + 1, anchored.size - LAG_SAMPLES + 1)
        self._lags.extend(anchored.committed_at - posted for posted in self._source.posted_at(first, anchored.size))

    def _remember_lags(self) -> bool:
        """Measure the newest anchors again, as they were before a restart; tell whether that was possible.

        A row that cannot be measured must not keep anything from being anchored.
        """
        self._lags.clear()
        try:
            for anchored in reversed(self._store.anchor_times(LAG_ANCHORS)) if self._source is not None else ():
                self._measure(anchored)
        except NodeError as error:
            if str(error) != self._lag_problem:
                logger.warning("lags_not_remembered", reason=str(error))
            self._lag_problem = str(error)
            return False
        return True

    async def _register(self, read: str, write: str, name: str, key: str, field: str) -> None:
        record = await self._read(AUDIT, read, self._msp_id)
        if record is None:
            await self._gateway.submit(AUDIT, write, name, key)
            logger.info("key_registered", name=name)
        elif record[field] != key:
            raise LogError(f"the shared ledger knows another key for {name}: restore the key file it belongs to")

    async def _register_disclosure_key(self) -> None:
        if not self._disclosure_key:
            return
        record = await self._read(AUDIT, "GetDisclosureKey", self._msp_id)
        # A new key takes the place of the one before: only answers to demands to come are sealed to it.
        if record is None or record["key"] != self._disclosure_key.hex():
            await self._gateway.submit(AUDIT, "RegisterDisclosureKey", self._disclosure_key.hex())
            logger.info("key_registered", name="disclosure key")

    async def _read(self, contract: str, function: str, *args: str) -> dict[str, Any] | None:
        """Return a record, None where the contract knows none."""
        try:
            record: dict[str, Any] = json.loads(await self._gateway.evaluate(contract, function, *args))
        except GatewayError as error:
            if "not_found:" in str(error):
                return None
            raise
        return record

    async def _run(self) -> None:
        registered = remembered = False
        while True:
            pause_s = self._interval_s
            self._begun = self._begun or monotonic()
            try:
                remembered = remembered or await asyncio.to_thread(self._remember_lags)
                if not registered:
                    await self.register()
                    registered = True
                await self.anchor()
                self._problem = ""
                if not self._trouble:
                    self._begun = None
            except (NetworkError, NodeError) as error:
                pause_s = max(RETRY_S, self._interval_s)
                self._report(str(error))
            await self._pause(pause_s)

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            logger.warning("anchoring_failed", reason=problem)
        self._problem = problem


def _write_totals(totals: Mapping[str, Totals]) -> str:
    value = {
        asset: {"credits": str(sums.credits), "debits": str(sums.debits)} for asset, sums in sorted(totals.items())
    }
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _read_totals(text: str) -> dict[str, Totals]:
    return {asset: Totals(int(sums["debits"]), int(sums["credits"])) for asset, sums in json.loads(text).items()}


def _add_totals(one: Mapping[str, Totals], other: Mapping[str, Totals]) -> dict[str, Totals]:
    none = Totals(0, 0)
    return {
        asset: Totals(
            one.get(asset, none).debits + other.get(asset, none).debits,
            one.get(asset, none).credits + other.get(asset, none).credits,
        )
        for asset in {**one, **other}
    }
