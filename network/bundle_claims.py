"""What a bundle of version 2 proves: ranges, statements, periods, consistency of two heads, forks.

Everything before the claim is as for single entries: the channel's blocks from the trusted genesis block on
(``network/bundle_channel.py``), then each anchored head with its witnesses (``network/bundle_head.py``). What a claim
rests on besides is told as codes, so that nobody takes a bank's word for a proof:

| code | the bank's word is |
|---|---|
| ``no_witness`` | that the anchor was committed as VALID |
| ``opening_balances`` | what stood on each account before the range (a period's sums of it are anchored) |
| ``withheld_entries`` | what entries say of which only the leaf is shown: here, nothing that touches the claim |
| ``posting_times`` | when entries were posted; only their order and the witnesses' times are proved |

A fork rests on nothing: both heads bear the signature of the key that the organization registered itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from network.audit_record import AUDIT, written_record
from network.bundle_channel import ChannelEvidence
from network.bundle_entries import ReadEntry, shown_entries, verify_places, withheld_count
from network.bundle_figures import (
    VerifiedPeriod,
    VerifiedStatement,
    open_controls,
    verify_period,
    verify_statement,
)
from network.bundle_head import HeadVerifier, VerifiedHead, open_log_note, registered_log, require_creator
from network.bundle_many import EVER, ForkClaim, ManyContent, PeriodClaim, RangeClaim, SignedHead
from network.checkpoint import Checkpoint
from network.errors import ProofError
from network.merkle import EMPTY_ROOT, verify_consistency, verify_inclusion


@dataclass(frozen=True, slots=True)
class VerifiedRange:
    """Consecutive entries of which none is missing."""

    first: int
    last: int
    withheld: int
    """Entries of which only the leaf is shown."""
    items: tuple[bytes, ...] = field(repr=False)
    """Of each entry salt and canonical form, joined, or only its leaf."""


@dataclass(frozen=True, slots=True)
class VerifiedFork:
    """Two heads that one key signed and that contradict each other."""

    first: Checkpoint
    second: Checkpoint
    anchored: tuple[bool, bool]
    index: int | None
    """Where the two logs differ, from 0; None where their sizes are equal and their roots are not."""


@dataclass(frozen=True, slots=True)
class VerifiedClaim:
    """What a bundle of version 2 proved; what its kind does not have is None."""

    kind: str
    channel_id: str
    organization: str
    heads: tuple[VerifiedHead, ...]
    """Anchored heads, the earlier first; none for a fork."""
    word: tuple[str, ...] = ()
    """What is not proved, as codes."""
    range: VerifiedRange | None = None
    statement: VerifiedStatement | None = None
    period: VerifiedPeriod | None = None
    fork: VerifiedFork | None = None


def verify_claim(
    content: ManyContent,
    evidence: ChannelEvidence,
    heads: HeadVerifier,
    *,
    witnesses_min: int,
    read: ReadEntry | None,
    now: datetime | None,
) -> VerifiedClaim:
    """Return what a bundle of version 2 proves on a channel whose blocks hold.

    Args:
        witnesses_min: other members that must vouch for each checkpoint.
        read: reads canonical bytes; statements and periods cannot be verified without it.
        now: refuses witness times later than this; None to leave times unchecked.
    Raises:
        ProofError: it proves nothing.
        ValueError: it needs a reader, and there is none.
    """
    evidence.require_channel(content.channel)
    verified = tuple(
        heads.verify(content.organization, checkpoint, witnesses_min=witnesses_min, now=now)
        for checkpoint in content.checkpoints
    )
    parts: dict[str, Any] = {}
    if content.fork is not None:
        parts["fork"] = _verify_fork(content, content.fork, evidence)
    if content.consistency is not None:
        _verify_growth(content, verified)
    if content.range is not None:
        parts |= _verify_range(content, content.range, verified, read)
    word = () if content.fork is not None else tuple(_rests_on(content, verified))
    return VerifiedClaim(content.kind, content.channel, content.organization, verified, word, **parts)


def _verify_growth(content: ManyContent, heads: tuple[VerifiedHead, ...]) -> None:
    """Check that the last head extends the first; a period from entry 1 on extends the empty log."""
    assert content.consistency is not None
    old_size, old_root = (heads[0].size, heads[0].root) if len(heads) == 2 else (0, EMPTY_ROOT)
    new = heads[-1]
    if old_size >= new.size:
        raise ProofError("size_out_of_range", f"from {old_size} to {new.size} entries a log does not grow")
    verify_consistency(old_size, new.size, old_root, new.root, content.consistency)


def _verify_range(
    content: ManyContent, entries: RangeClaim, heads: tuple[VerifiedHead, ...], read: ReadEntry | None
) -> dict[str, Any]:
    head = heads[-1]
    controls: tuple[Any, Any] = ({}, {})
    if content.period is not None:
        controls = _open_period(content.period, entries, heads)
    verify_places(entries, head)
    parts: dict[str, Any] = {}
    if content.statement is not None:
        parts["statement"] = verify_statement(content.statement, entries, head, _required(read))
    elif content.period is not None:
        parts["period"] = verify_period(content.period, entries, *controls, head, _required(read))
    elif read is not None:
        for _ in shown_entries(entries, read):
            pass
    parts["range"] = VerifiedRange(entries.first, entries.last, withheld_count(entries), entries.items)
    return parts


def _open_period(
    period: PeriodClaim, entries: RangeClaim, heads: tuple[VerifiedHead, ...]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the control totals at both ends of a period, once its range is all that lies between its heads."""
    before = heads[0].size if len(heads) == 2 else 0
    if (entries.first, entries.last) != (before + 1, heads[-1].size):
        raise ProofError("wrong_range", f"between the checkpoints lie entries {before + 1} to {heads[-1].size}")
    if (period.opening is None) != (len(heads) == 1):
        raise ProofError("wrong_controls", "control totals at the begin belong to an anchor at the begin")
    opening = open_controls(period.opening, heads[0]) if period.opening is not None else {}
    return opening, open_controls(period.closing, heads[-1])


def _verify_fork(content: ManyContent, claim: ForkClaim, evidence: ChannelEvidence) -> VerifiedFork:
    log = registered_log(evidence, content.organization, claim.registration, None)
    first, second = (_signed_head(content.organization, head, claim, log, evidence) for head in claim.heads)
    anchored = (claim.heads[0].anchor is not None, claim.heads[1].anchor is not None)
    found = claim.difference
    if first.size == second.size:
        if first.root == second.root or found is not None:
            raise ProofError("no_fork", f"both heads are of {first.size} entries and do not differ in their roots")
        return VerifiedFork(first, second, anchored, None)
    if found is None or found.leaves[0] == found.leaves[1]:
        raise ProofError("no_fork", "one log may be the beginning of the other: no entry is shown in which they differ")
    for head, leaf, proof in zip((first, second), found.leaves, found.proofs, strict=True):
        verify_inclusion(leaf, found.index, head.size, proof, head.root)
    return VerifiedFork(first, second, anchored, found.index)


def _signed_head(
    organization: str, head: SignedHead, claim: ForkClaim, log: Mapping[str, Any], evidence: ChannelEvidence
) -> Checkpoint:
    checkpoint = open_log_note(head.note, log)
    if head.anchor is not None:
        anchor = evidence.transaction(head.anchor, AUDIT)
        require_creator(anchor, organization)
        record = written_record(anchor.parsed, AUDIT, "checkpoint", organization, checkpoint.size)
        if record.get("note") != head.note:
            raise ProofError("wrong_checkpoint", "the note in the bundle is not the one that was anchored")
        registered_log(evidence, organization, claim.registration, head.anchor)
    return checkpoint


def _rests_on(content: ManyContent, heads: tuple[VerifiedHead, ...]) -> Iterator[str]:
    if not all(head.witnesses for head in heads):
        yield "no_witness"
    figures = content.statement or content.period
    if content.range is None:
        return
    if figures is not None and content.range.first > 1:
        yield "opening_balances"
    if withheld_count(content.range):
        yield "withheld_entries"
    if figures is not None and figures.window != EVER:
        yield "posting_times"


def _required(read: ReadEntry | None) -> ReadEntry:
    if read is None:
        raise ValueError("statements and periods are verified by who reads entries: `dwaybank verify`")
    return read
