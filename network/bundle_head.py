"""An anchored head of a bank's log, and the members that vouch for it: the part that every bundle shares.

What holds here, link by link:
1. The anchoring transaction is by the organization and wrote this very note.
2. The note is signed by the log key that the organization registered before, in a transaction of its own.
3. Each witness is another member then, or one that joined and registered its key since; that key cosigned the note at a
   time that is not to come.

Heads that held are kept beside the channel they were checked on: whoever verifies many bundles of one head checks its
signatures once. The time is asked again each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from network.audit_record import AUDIT, written_record
from network.bundle_channel import ChannelEvidence, VerifiedTransaction
from network.bundle_parts import CheckpointEvidence, TransactionRef, WitnessEvidence
from network.checkpoint import Checkpoint, open_checkpoint, verify_cosignature
from network.errors import ProofError

CLOCK_SKEW = timedelta(minutes=5)
"""How far a witness's clock may run ahead of the verifier's."""
HEADS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Witness:
    """Another member that vouches for the checkpoint."""

    organization: str
    time: datetime


@dataclass(frozen=True, slots=True)
class VerifiedHead:
    """An anchored head that holds."""

    size: int
    root: bytes
    block_number: int
    block_hash: bytes
    transaction_id: str
    witnesses: tuple[Witness, ...]
    record: Mapping[str, Any]
    """What the anchoring transaction wrote."""

    @property
    def state(self) -> str:
        """``"attested"`` when another member vouches for the checkpoint, else ``"anchored"``."""
        return "attested" if self.witnesses else "anchored"


class HeadVerifier:
    """Checks heads of logs on one channel.

    Args:
        evidence: the channel's blocks, which hold.
    """

    def __init__(self, evidence: ChannelEvidence) -> None:
        self._evidence = evidence
        self._kept: dict[tuple[str, CheckpointEvidence], VerifiedHead] = {}

    def verify(
        self, organization: str, checkpoint: CheckpointEvidence, *, witnesses_min: int, now: datetime | None
    ) -> VerifiedHead:
        """Return a head once it holds.

        Args:
            organization: whose log it is.
            witnesses_min: other members that must vouch for it.
            now: refuses witness times later than this; None to leave times unchecked.
        Raises:
            ProofError: it does not hold.
        """
        found = self._kept.get((organization, checkpoint))
        if found is None:
            found = self._verified(organization, checkpoint, now)
            if len(self._kept) >= HEADS_KEPT:
                self._kept.clear()
            self._kept[organization, checkpoint] = found
        for witness in found.witnesses:
            _require_past(witness.time, now)
        if len(found.witnesses) < witnesses_min:
            count = len(found.witnesses)
            raise ProofError("not_attested", f"{count} members vouch for the checkpoint, {witnesses_min} must")
        return found

    def _verified(self, organization: str, checkpoint: CheckpointEvidence, now: datetime | None) -> VerifiedHead:
        anchor = self._evidence.transaction(checkpoint.anchor, AUDIT)
        require_creator(anchor, organization)
        record = written_record(anchor.parsed, AUDIT, "checkpoint", organization, checkpoint.size)
        if record.get("note") != checkpoint.note:
            raise ProofError("wrong_checkpoint", "the note in the bundle is not the one that was anchored")
        log = registered_log(self._evidence, organization, checkpoint.registration, checkpoint.anchor)
        opened = open_log_note(checkpoint.note, log)
        if opened.size != checkpoint.size:
            raise ProofError("wrong_checkpoint", "the checkpoint is of another log or another size")
        return VerifiedHead(
            size=opened.size,
            root=opened.root,
            block_number=anchor.block,
            block_hash=self._evidence.block_hash(anchor.block),
            transaction_id=anchor.parsed.tx_id,
            witnesses=self._witnesses(organization, checkpoint, anchor, now),
            record=record,
        )

    def _witnesses(
        self, organization: str, checkpoint: CheckpointEvidence, anchor: VerifiedTransaction, now: datetime | None
    ) -> tuple[Witness, ...]:
        found: dict[str, Witness] = {}
        for witness in checkpoint.witnesses:
            name = witness.organization
            if name == organization or name in found:
                raise ProofError("wrong_witness", f"{name[:80]!r} vouches for itself or twice")
            if not self._is_member(witness, anchor):
                raise ProofError("wrong_witness", f"{name[:80]!r} is no member of the channel")
            found[name] = Witness(name, self._cosigned_at(checkpoint.note, witness, now))
        return tuple(found.values())

    def _is_member(self, witness: WitnessEvidence, anchor: VerifiedTransaction) -> bool:
        """Tell whether a witness was a member when the head was anchored, or joined since.

        One that had left by then is none: its key could cosign for ever.
        """
        name, registered = witness.organization, witness.registration.block
        if name in anchor.config.application_msp_ids:
            return True
        return registered > anchor.block and name in self._evidence.config_before(registered).application_msp_ids

    def _cosigned_at(self, note: str, witness: WitnessEvidence, now: datetime | None) -> datetime:
        registration = self._evidence.transaction(witness.registration, AUDIT)
        require_creator(registration, witness.organization)
        key = written_record(registration.parsed, AUDIT, "witness", witness.organization).get("cosigner_key")
        seconds = verify_cosignature(note.encode(), witness.cosignature, str(key))
        try:
            time = datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise ProofError("witness_in_future", f"a witness states the time {seconds}") from error
        _require_past(time, now)
        return time


def registered_log(
    evidence: ChannelEvidence, organization: str, registration: TransactionRef, used: TransactionRef | None
) -> Mapping[str, Any]:
    """Return the record by which an organization registered its log.

    Args:
        used: the transaction that the key must have been registered before; None for none.
    Raises:
        ProofError: it did not, or not before.
    """
    found = evidence.transaction(registration, AUDIT)
    require_creator(found, organization)
    if used is not None and (registration.block, registration.index) >= (used.block, used.index):
        raise ProofError("wrong_order", "the log's key was registered after the checkpoint was anchored")
    return written_record(found.parsed, AUDIT, "log", organization)


def open_log_note(note: str, log: Mapping[str, Any]) -> Checkpoint:
    """Return the checkpoint in a note that a registered log's key signed.

    Args:
        log: record of the registration.
    Raises:
        ProofError: it did not sign it, or the checkpoint is another log's.
    """
    checkpoint = open_checkpoint(note.encode(), str(log.get("verifier_key")))
    if checkpoint.origin != log.get("origin"):
        raise ProofError("wrong_checkpoint", "the checkpoint is of another log or another size")
    return checkpoint


def require_creator(transaction: VerifiedTransaction, organization: str) -> None:
    """Refuse a transaction that another organization signed.

    Raises:
        ProofError: ``wrong_organization``.
    """
    if transaction.creator.msp_id != organization:
        raise ProofError(
            "wrong_organization", f"a transaction is by {transaction.creator.msp_id}, not {organization[:80]}"
        )


def _require_past(time: datetime, now: datetime | None) -> None:
    if now is not None and time > now + CLOCK_SKEW:
        raise ProofError("witness_in_future", f"a witness states the time {time.isoformat()}, which is to come")
