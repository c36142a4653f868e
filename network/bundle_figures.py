"""Statements and day closes: figures that must follow, to the last unit, from the entries of a range.

What they rest on is told with them, as codes (``docs/proof-format.md``, section 16): a balance before the range is the
bank's word unless the range begins with entry 1; so is what the entries say that are withheld.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from network.audit_record import commit_controls
from network.bundle_entries import EntryReading, PeriodWatch, ReadEntry, shown_entries, withheld_count
from network.bundle_head import VerifiedHead
from network.bundle_json import read_json
from network.bundle_many import (
    ASSETS_MAX,
    NOTHING,
    BalanceClaim,
    ControlsClaim,
    PeriodClaim,
    RangeClaim,
    StatementClaim,
    Sums,
)
from network.bundle_many_form import AMOUNT
from network.errors import ProofError

DEBIT = 1
STRIPE_MARK = "#"
"""What stands between an account's reference and the number of one of its stripes."""


@dataclass(frozen=True, slots=True)
class StatementLine:
    """What one entry did to an account."""

    seq: int
    posted_at_us: int
    moved: Sums


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """An account's statement that follows from the entries shown."""

    account: str
    asset: str
    opening: Sums
    """Before the period: what the bank says of the entries before the range, and the range's own before the period."""
    lines: tuple[StatementLine, ...]
    moved: Sums

    @property
    def closing(self) -> Sums:
        """At the end of the period."""
        return self.opening + self.moved


@dataclass(frozen=True, slots=True)
class VerifiedPeriod:
    """Counts, totals and a trial balance that follow from the entries shown."""

    count: int
    totals: Mapping[str, Sums]
    """By asset, of the entries in the period."""
    balances: tuple[tuple[str, str, Sums, Sums], ...]
    """Account, asset, opening (at the period's begin), moved (in the period)."""


def verify_statement(
    claim: StatementClaim, entries: RangeClaim, head: VerifiedHead, read: ReadEntry
) -> VerifiedStatement:
    """Check that a statement follows from the entries of a range that holds.

    Raises:
        ProofError: ``unreadable_entry``, ``wrong_fields``, ``times_descend``, ``period_not_covered``, ``period_open``
            or ``wrong_totals``.
    """
    watch, before, moved, lines = PeriodWatch(claim.window, entries), NOTHING, NOTHING, []
    stripes = claim.account + STRIPE_MARK
    for entry in shown_entries(entries, read):
        place = watch.place(entry)
        debits = credits_ = 0
        for posting in entry.postings:
            if posting.asset != claim.asset:
                continue
            if posting.account == claim.account or posting.account.startswith(stripes):
                if posting.side == DEBIT:
                    debits += posting.amount
                else:
                    credits_ += posting.amount
        if not debits and not credits_:
            continue
        sums = Sums(debits, credits_)
        if place < 0:
            before += sums
        elif place == 0:
            moved += sums
            lines.append(StatementLine(entry.seq, entry.posted_at_us, sums))
    watch.require_covered(head)
    _require(claim.withheld == withheld_count(entries), "the number of entries withheld is another")
    _require(claim.count == len(lines), f"{len(lines)} entries touch the account, not {claim.count}")
    _require(claim.moved == moved, f"debits and credits are {moved.debits} and {moved.credits}")
    _require(entries.first > 1 or claim.opening == NOTHING, "before entry 1 there is nothing")
    return VerifiedStatement(claim.account, claim.asset, claim.opening + before, tuple(lines), moved)


def verify_period(
    claim: PeriodClaim, entries: RangeClaim, opening: Mapping[str, Sums], closing: Mapping[str, Sums],
    head: VerifiedHead, read: ReadEntry,
) -> VerifiedPeriod:  # fmt: skip
    """Check that a period's figures follow from the entries of a range that holds, and from anchored control totals.

    Args:
        opening: control totals anchored before the range; empty where it begins with entry 1.
        closing: control totals anchored with the range's last entry.
        head: that anchor.
    Raises:
        ProofError: as ``verify_statement``, and ``unbalanced_entry``.
    """
    sums = _Sums(claim, entries, read)
    sums.watch.require_covered(head)
    withheld = withheld_count(entries)
    _require(claim.withheld == withheld, "the number of entries withheld is another")
    _require(claim.count == sums.count, f"{sums.count} entries lie in the period, not {claim.count}")
    _require(_same(claim.totals, sums.totals), "the totals of the period are others")
    _require_balances(claim.balances, sums)
    opened = _by_asset((line.asset, line.opening) for line in claim.balances)
    _require(_same(opened, opening), "the opening balances do not sum to the control totals anchored before")
    expected = _by_asset([*opening.items(), *sums.all_totals.items()])
    if withheld:
        assets = {*expected, *closing}
        follows = all(_within(expected.get(each, NOTHING), closing.get(each, NOTHING)) for each in assets)
    else:
        follows = _same(expected, closing)
    _require(follows, "the control totals anchored at the end do not follow from those before and the entries")
    none = (NOTHING, NOTHING)
    balances = tuple(
        (line.account, line.asset, line.opening + sums.accounts.get((line.account, line.asset), none)[0], line.moved)
        for line in claim.balances
    )
    return VerifiedPeriod(sums.count, sums.totals, balances)


def open_controls(controls: ControlsClaim, head: VerifiedHead) -> dict[str, Sums]:
    """Return the control totals that an anchor committed to.

    Raises:
        ProofError: ``wrong_controls``, when they are others; ``malformed_totals``, when they cannot be read.
    """
    if head.record.get("controls_commitment") != commit_controls(controls.totals, controls.salt).hex():
        raise ProofError("wrong_controls", f"the anchor of size {head.size} committed to other control totals")
    value = read_json(controls.totals.encode(), "malformed_totals")
    if len(value) > ASSETS_MAX:
        raise ProofError("malformed_totals", f"control totals name more than {ASSETS_MAX} assets")
    return {asset: _read_sums(sums) for asset, sums in value.items()}


class _Sums:
    """The figures of a period, summed up from the entries shown."""

    def __init__(self, claim: PeriodClaim, entries: RangeClaim, read: ReadEntry) -> None:
        self.watch = PeriodWatch(claim.window, entries)
        self.count = 0
        debits: defaultdict[tuple[int, str, str], int] = defaultdict(int)
        credits_: defaultdict[tuple[int, str, str], int] = defaultdict(int)
        for entry in shown_entries(entries, read):
            _require_balanced(entry)
            place = self.watch.place(entry)
            self.count += place == 0
            for posting in entry.postings:
                side = debits if posting.side == DEBIT else credits_
                side[place, posting.account, posting.asset] += posting.amount
        moved = {key: Sums(debits[key], credits_[key]) for key in {*debits, *credits_}}
        self.accounts = {
            (account, asset): (moved.get((-1, account, asset), NOTHING), moved.get((0, account, asset), NOTHING))
            for _, account, asset in moved
        }
        """By account and asset: what moved before the period, and in it."""
        self.totals = _by_asset((asset, sums) for (place, _, asset), sums in moved.items() if place == 0)
        self.all_totals = _by_asset((asset, sums) for (_, _, asset), sums in moved.items())


def _require_balances(balances: Iterable[BalanceClaim], sums: _Sums) -> None:
    left = {key: moved for key, (_, moved) in sums.accounts.items()}
    known = set()
    for line in balances:
        key = (line.account, line.asset)
        _require(key not in known, f"the account {line.account[:80]} stands in the trial balance twice")
        known.add(key)
        moved = left.pop(key, NOTHING)
        _require(moved == line.moved, f"the account {line.account[:80]} moved by {moved.debits} and {moved.credits}")
    _require(not left, f"{len(left)} accounts that were posted on do not stand in the trial balance")


def _require_balanced(entry: EntryReading) -> None:
    sums: defaultdict[str, int] = defaultdict(int)
    for posting in entry.postings:
        sums[posting.asset] += posting.amount if posting.side == DEBIT else -posting.amount
    if any(sums.values()):
        raise ProofError("unbalanced_entry", f"debits and credits of entry {entry.seq} differ")


def _read_sums(value: object) -> Sums:
    if not isinstance(value, dict) or value.keys() != {"debits", "credits"}:
        raise ProofError("malformed_totals", "control totals are no debits and credits")
    amounts = [value["debits"], value["credits"]]
    if not all(isinstance(amount, str) and AMOUNT.fullmatch(amount) for amount in amounts):
        raise ProofError("malformed_totals", "control totals are no amounts in decimal digits")
    return Sums(int(amounts[0]), int(amounts[1]))


def _by_asset(sums: Iterable[tuple[str, Sums]]) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    for asset, each in sums:
        found[asset] = found.get(asset, NOTHING) + each
    return found


def _same(one: Mapping[str, Sums], other: Mapping[str, Sums]) -> bool:
    """Tell whether totals are equal; an asset of which nothing moved may be named or not."""
    return all(one.get(asset, NOTHING) == other.get(asset, NOTHING) for asset in {*one, *other})


def _within(part: Sums, whole: Sums) -> bool:
    return part.debits <= whole.debits and part.credits <= whole.credits


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ProofError("wrong_totals", message)
