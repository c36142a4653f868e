"""What a bundle of version 2 proved, in words: first what holds, then what rests on somebody's word."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from ledger.journal import EPOCH
from network.bundle_claims import VerifiedClaim, VerifiedFork
from network.bundle_figures import VerifiedPeriod, VerifiedStatement
from network.bundle_head import VerifiedHead
from network.bundle_many import Sums
from network.bundle_verifier import witnesses_report

WORD = {
    "no_witness": "Not proved: that the anchor was committed as valid; no other member vouches for it.",
    "opening_balances": "Not proved: the balances before the range; they are the bank's word.",
    "withheld_entries": "Not proved: what the entries say of which only the leaf is shown; that is the bank's word.",
    "posting_times": "Not proved: the clock by which entries were posted; their order and the witnesses' times are.",
}
"""By code, ``docs/proof-format.md``, section 16."""


def claim_sentences(proved: VerifiedClaim) -> list[str]:
    """Return what a bundle proved, a sentence a line."""
    return [*_proved(proved), *(WORD[code] for code in proved.word)]


def claim_report(proved: VerifiedClaim) -> dict[str, Any]:
    """Return what a bundle proved, for programs; amounts are decimal texts in minor units."""
    told: dict[str, Any] = {"kind": proved.kind, "word": list(proved.word), "heads": [_head(h) for h in proved.heads]}
    if proved.range is not None:
        told["range"] = {"from": proved.range.first, "to": proved.range.last, "withheld": proved.range.withheld}
    if proved.statement is not None:
        told["statement"] = _statement(proved.statement)
    if proved.period is not None:
        told["period"] = _period(proved.period)
    if proved.fork is not None:
        told["fork"] = _fork(proved.fork)
    return told


def _proved(proved: VerifiedClaim) -> Iterator[str]:
    name = proved.organization
    if proved.fork is not None:
        yield _forked(name, proved.fork)
        return
    for head in proved.heads:
        witnesses = ", ".join(witness.organization for witness in head.witnesses)
        yield (
            f"log of {name}, {head.size} entries, anchored in block {head.block_number}, "
            f"cosigned by {witnesses or 'nobody'}"
        )
    if proved.kind == "consistency":
        old, new = proved.heads
        yield f"Proved: the log of {new.size} entries begins with the log of {old.size}, unchanged."
    if proved.range is not None:
        first, last, withheld = proved.range.first, proved.range.last, proved.range.withheld
        told = f"; of {withheld} only the leaf is shown" if withheld else ", all of them shown"
        yield f"Proved: entries {first} to {last} stand in it one after the other, none missing{told}."
    if proved.statement is not None:
        found = proved.statement
        yield (
            f"Proved: {len(found.lines)} of those shown touch account {found.account} in {found.asset}: opening "
            f"{_sums(found.opening)}, moved {_sums(found.moved)}, closing {_sums(found.closing)} (minor units)."
        )
    if proved.period is not None:
        totals = ", ".join(f"{asset} {_sums(sums)}" for asset, sums in proved.period.totals.items())
        told = totals or "nothing moved"
        yield f"Proved: {proved.period.count} of those shown lie in the period: {told} (minor units)."
        follow = "are not below them" if proved.range is not None and proved.range.withheld else "follow from them"
        yield (
            f"Proved: the trial balance of {len(proved.period.balances)} accounts follows from them, and the control "
            f"totals anchored at both ends {follow}."
        )


def _forked(name: str, fork: VerifiedFork) -> str:
    where = ["anchored" if anchored else "signed" for anchored in fork.anchored]
    what = (
        f"with different roots, {fork.first.root.hex()} and {fork.second.root.hex()}"
        if fork.index is None
        else f"that differ in entry {fork.index + 1}"
    )
    return (
        f"Proved: {name} forked its log. Its registered key signed heads of {fork.first.size} ({where[0]}) and "
        f"{fork.second.size} ({where[1]}) entries {what}."
    )


def _sums(sums: Sums) -> str:
    return f"{sums.debits} debit / {sums.credits} credit"


def _head(head: VerifiedHead) -> dict[str, Any]:
    return {
        "log_size": head.size,
        "log_root": head.root.hex(),
        "block_number": head.block_number,
        "block_hash": head.block_hash.hex(),
        "transaction_id": head.transaction_id,
        "state": head.state,
        "witnesses": witnesses_report(head.witnesses),
    }


def _sums_report(sums: Sums, prefix: str = "") -> dict[str, str]:
    return {f"{prefix}debits_minor": str(sums.debits), f"{prefix}credits_minor": str(sums.credits)}


def _statement(found: VerifiedStatement) -> dict[str, Any]:
    return {
        "account": found.account,
        "asset": found.asset,
        **_sums_report(found.opening, "opening_"),
        **_sums_report(found.moved),
        **_sums_report(found.closing, "closing_"),
        "lines": [
            {
                "seq": line.seq,
                "posted_at": (EPOCH + timedelta(microseconds=line.posted_at_us)).isoformat(),
                **_sums_report(line.moved),
            }
            for line in found.lines
        ],
    }


def _period(found: VerifiedPeriod) -> dict[str, Any]:
    return {
        "count": found.count,
        "totals": {asset: _sums_report(sums) for asset, sums in found.totals.items()},
        "balances": [
            {"account": account, "asset": asset, **_sums_report(opening, "opening_"), **_sums_report(moved)}
            for account, asset, opening, moved in found.balances
        ],
    }


def _fork(found: VerifiedFork) -> dict[str, Any]:
    heads = zip((found.first, found.second), found.anchored, strict=True)
    return {
        "heads": [{"log_size": head.size, "log_root": head.root.hex(), "anchored": known} for head, known in heads],
        "differs_in_entry": None if found.index is None else found.index + 1,
    }
