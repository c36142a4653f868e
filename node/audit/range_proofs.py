"""Builds proofs over many entries of the own books: ranges, statements, periods.

Entries are read from their rows as they stand now, and each must give the leaf that was sealed: what was changed since
cannot be proved, and is named. ``network.bundle_claims`` says what the results prove, and what is the bank's word.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ledger.canonical import CanonicalEntry
from ledger.journal import microseconds
from ledger.rows import Disclosure
from network.bundle_entries import SECOND_US
from network.bundle_figures import STRIPE_MARK
from network.bundle_many import (
    ACCOUNT,
    EVER,
    NOTHING,
    PERIOD,
    RANGE,
    BalanceClaim,
    ControlsClaim,
    ManyContent,
    PeriodClaim,
    RangeClaim,
    StatementClaim,
    Sums,
    Window,
)
from network.bundle_many_form import claim_value
from network.bundle_parts import CheckpointEvidence
from network.checkpoint import parse_signature_line
from network.merkle import build_consistency_proof
from network.merkle_range import build_range_proof
from node.anchor.books import Books
from node.anchor.errors import NotSealedError
from node.anchor.store import LogStore
from node.audit.entry_fields import read_entry
from node.audit.errors import BadRequestError, NotYetError, UnknownEntryError
from node.audit.evidence import ChannelEvidenceSource, ChannelParts, own_text, references_of
from node.audit.index import AuditIndex
from node.audit.proofs import log_reader

ENTRIES_MAX = 100_000
"""Entries of one bundle."""
ITEMS_BYTES_MAX = 44 * 1024 * 1024
"""What the entries of one bundle may have together, so that its text stays within the format's limit."""
PAGE = 1_000
"""Rows read at once."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One entry of a range."""

    shown: bytes
    """Salt and canonical form, joined."""
    leaf: bytes
    entry: CanonicalEntry


class RangeProofs:
    """Builds bundles of kinds ``range``, ``account`` and ``period``."""

    def __init__(
        self,
        channel_id: str,
        msp_id: str,
        *,
        books: Books,
        store: LogStore,
        index: AuditIndex,
        evidence: ChannelEvidenceSource,
    ) -> None:
        self._channel_id = channel_id
        self._msp_id = msp_id
        self._books = books
        self._store = store
        self._index = index
        self._evidence = evidence

    async def range(self, first: int, last: int, shown: Sequence[int] | None) -> bytes:
        """Return the bundle which proves that a range of entries is whole.

        Args:
            first, last: numbers; 0 stands for entry 1 and for the newest one that is anchored.
            shown: of which entries more than the leaf is shown; None for all.
        Raises:
            BadRequestError: the range is none, or too large for one bundle.
            NotYetError: its last entry is not anchored.
            SealError: a row no longer reads as it was posted.
            InArchiveError: an entry that is to be shown is archived.
            GatewayError: the own peer does not give its blocks.
        """
        return await self._built(lambda: self._range(first or 1, last, shown))

    async def account(self, account: str, asset: str, window: Window, numbers: tuple[int, int], whole: bool) -> bytes:
        """Return the bundle of an account's statement.

        Args:
            window: posting times; where it has a bound, it decides which entries belong to the range.
            numbers: first and last entry where it has none, as for a range.
            whole: show every entry of the range; otherwise only those that touch the account.
        Raises:
            UnknownEntryError: there is no such account, or it holds another asset: nothing would be proved.
            as ``range``.
        """
        return await self._built(lambda: self._account(account, asset, window, numbers, whole))

    async def period(self, window: Window) -> bytes:
        """Return the bundle of a period's counts, totals and trial balance.

        Raises:
            as ``range``; BadRequestError too where the period holds no entry.
        """
        return await self._built(lambda: self._period(window))

    async def _built(self, build: Callable[[], tuple[ManyContent, ChannelParts]]) -> bytes:
        def text() -> tuple[bytes, ChannelParts]:
            content, parts = build()
            return own_text(claim_value(content)), parts

        own, parts = await asyncio.to_thread(text)
        return own + await self._evidence.text(parts)

    def _range(self, first: int, last: int, shown: Sequence[int] | None) -> tuple[ManyContent, ChannelParts]:
        head = self._head_of(first, last)
        last = last or head.size
        if shown is not None and not all(first <= seq <= last for seq in shown):
            raise BadRequestError(f"shown_seqs: name entries of the range, {first} to {last}")
        if shown is None:
            items = [item.shown for item in self._items(first, last)]
        else:
            items = self._leaves(first, last)
            # What is not shown need not stand in the database: it may be archived.
            for seq in sorted(set(shown)):
                items[seq - first] = next(self._items(seq, seq)).shown
        content = ManyContent(RANGE, self._channel_id, self._msp_id, (head,), {}, {})
        return self._with_range(content, first, last, items)

    def _account(
        self, account: str, asset: str, window: Window, numbers: tuple[int, int], whole: bool
    ) -> tuple[ManyContent, ChannelParts]:
        held = self._books.asset_of(account)
        if held is None:
            raise UnknownEntryError(
                f"account: {account!r} is not in the books, `dwaybank account list` shows which are"
            )
        if held != asset:
            raise UnknownEntryError(f"asset: account {account!r} holds {held}, not {asset!r}")
        first, last = self._bounds(window) if window != EVER else (numbers[0] or 1, numbers[1])
        head = self._head_of(first, last)
        last = last or head.size
        if last == head.size:
            self._require_over(window, head)
        stripes, moved, count, items = account + STRIPE_MARK, NOTHING, 0, []
        for item in self._items(first, last):
            sums = _moved(item.entry, lambda name: name == account or name.startswith(stripes)).get(asset)
            # Both ends stay shown: they tell where the period begins and ends.
            is_edge = window != EVER and item.entry.seq in (first, last)
            items.append(item.shown if whole or sums or is_edge else item.leaf)
            if sums and _is_within(window, item.entry):
                moved, count = moved + sums, count + 1
        before = self._books.sums_before(first, account) if first > 1 else {}
        opening = [Sums(each.debits, each.credits) for (_, code), each in before.items() if code == asset]
        withheld = sum(len(item) == 32 for item in items)
        claim = StatementClaim(account, asset, window, sum(opening, NOTHING), moved, count, withheld)
        content = ManyContent(ACCOUNT, self._channel_id, self._msp_id, (head,), {}, {}, statement=claim)
        return self._with_range(content, first, last, items)

    def _period(self, window: Window) -> tuple[ManyContent, ChannelParts]:
        closing = self._head_of(1, self._bounds(window)[1])
        self._require_over(window, closing)
        opening = None
        if window.begin_us is not None:
            # One entry of before is left to the range: it shows where the period begins.
            before = self._index.checkpoint_up_to(self._msp_id, self._first_at(window.begin_us) - 2)
            opening = self._evidence.checkpoint(self._msp_id, before) if before is not None else None
        first = opening.size + 1 if opening is not None else 1
        if first > closing.size:
            raise BadRequestError("begin: no entry was posted and anchored since: there is nothing to close")
        entries = list(self._items(first, closing.size))
        claim = self._period_claim(window, first, [item.entry for item in entries], opening, closing)
        heads = (closing,) if opening is None else (opening, closing)
        proof = build_consistency_proof(self._reader, heads[0].size, closing.size) if len(heads) == 2 else []
        content = ManyContent(
            PERIOD, self._channel_id, self._msp_id, heads, {}, {}, period=claim, consistency=tuple(proof)
        )
        return self._with_range(content, first, closing.size, [item.shown for item in entries])

    def _period_claim(
        self,
        window: Window,
        first: int,
        entries: Sequence[CanonicalEntry],
        opening: CheckpointEvidence | None,
        closing: CheckpointEvidence,
    ) -> PeriodClaim:
        totals: defaultdict[str, Sums] = defaultdict(lambda: NOTHING)
        accounts: defaultdict[tuple[str, str], Sums] = defaultdict(lambda: NOTHING)
        count = 0
        for entry in entries:
            is_within = _is_within(window, entry)
            count += is_within
            for posting in entry.postings:
                sums = _sums(posting.side, posting.amount) if is_within else NOTHING
                totals[posting.asset] += sums
                accounts[posting.account, posting.asset] += sums
        before = self._books.sums_before(first) if first > 1 else {}
        started = {key: Sums(each.debits, each.credits) for key, each in before.items()}
        balances = [
            BalanceClaim(*key, started.get(key, NOTHING), accounts.get(key, NOTHING))
            for key in sorted({*started, *accounts})
        ]
        return PeriodClaim(
            window=window,
            count=count,
            withheld=0,
            totals=dict(sorted(totals.items())),
            opening=self._controls(opening.size) if opening is not None else None,
            closing=self._controls(closing.size),
            balances=tuple(balances),
        )

    def _controls(self, size: int) -> ControlsClaim:
        found = self._store.control_opening(size)
        if found is None:
            raise NotYetError(f"what opens the control totals of the anchor at {size} entries is not kept here")
        return ControlsClaim(found.totals, found.salt)

    def _head_of(self, first: int, last: int) -> CheckpointEvidence:
        """Return the anchored head over the last entry of a range; 0 stands for the newest head."""
        size = (
            last or self._index.anchor_sizes(self._msp_id).attested or self._index.anchor_sizes(self._msp_id).anchored
        )
        if size and not 1 <= first <= size:
            raise BadRequestError(f"from_seq: {first} is not a number from 1 to {size}")
        record = self._evidence.checkpoint_covering(self._msp_id, size) if size else None
        head = self._evidence.checkpoint(self._msp_id, record) if record is not None else None
        if head is None:
            raise NotYetError(f"entry {last or 1} is not anchored yet: ask again in a moment")
        return head

    def _require_over(self, window: Window, head: CheckpointEvidence) -> None:
        """Refuse a period that nobody can be shown to be over: no entry came after it, and no witness looked since."""
        if window.end_us is None or self._first_at(window.end_us) <= head.size:
            return
        seen = [parse_signature_line(witness.cosignature).signature[:8] for witness in head.witnesses]
        if max((int.from_bytes(time, "big") for time in seen), default=0) * SECOND_US < window.end_us:
            raise NotYetError("end: the period is proved to be over once an entry that was posted after it is anchored")

    def _bounds(self, window: Window) -> tuple[int, int]:
        """Return first and last entry of a range that shows where a period begins and ends; last 0 for the newest."""
        first = max(self._first_at(window.begin_us) - 1, 1) if window.begin_us is not None else 1
        last = self._first_at(window.end_us) if window.end_us is not None else 0
        return first, last if last <= self._books.posted_seq() else 0

    def _first_at(self, moment_us: int) -> int:
        """Return the first entry that was posted at a moment or later; one more than there are for none.

        Entries are posted in the order of their numbers, so a binary search finds it.
        """
        low, high = 1, self._books.posted_seq() + 1
        while low < high:
            middle = (low + high) // 2
            times = self._books.posted_at(middle, middle)
            if not times or microseconds(times[0]) < moment_us:
                low = middle + 1
            else:
                high = middle
        return low

    def _items(self, first: int, last: int) -> Iterator[_Item]:
        """Give the entries of a range, each held against the leaf that was sealed."""
        if last - first + 1 > ENTRIES_MAX:
            raise BadRequestError(f"to_seq: one bundle holds at most {ENTRIES_MAX} entries, ask for several")
        read_node, length = self._reader, 0
        for start in range(first, last + 1, PAGE):
            for disclosure in self._books.disclose_range(start, min(start + PAGE - 1, last)):
                item = _item(disclosure)
                if read_node(0, disclosure.seq - 1) != disclosure.leaf:
                    raise NotSealedError(f"entry {disclosure.seq} is not what was sealed: audit the books first")
                length += len(item.shown)
                if length > ITEMS_BYTES_MAX:
                    raise BadRequestError(f"to_seq: entries {first} to {disclosure.seq} are too large for one bundle")
                yield item

    def _leaves(self, first: int, last: int) -> list[bytes]:
        if last - first + 1 > 10 * ENTRIES_MAX:
            raise BadRequestError(f"to_seq: one bundle holds at most {10 * ENTRIES_MAX} leaves, ask for several")
        return [self._reader(0, seq - 1) for seq in range(first, last + 1)]

    @property
    def _reader(self) -> Callable[[int, int], bytes]:
        return self._evidence.remembered("log", lambda: log_reader(self._store))

    def _with_range(
        self, content: ManyContent, first: int, last: int, items: Sequence[bytes]
    ) -> tuple[ManyContent, ChannelParts]:
        head = content.checkpoints[-1]
        proof = build_range_proof(self._reader, first - 1, last, head.size)
        named = [reference for checkpoint in content.checkpoints for reference in references_of(checkpoint)]
        claim = RangeClaim(first, last, tuple(items), tuple(proof))
        return replace(content, range=claim), self._evidence.parts(named)


def _item(disclosure: Disclosure) -> _Item:
    shown = disclosure.salt + disclosure.canonical
    return _Item(shown, disclosure.leaf, read_entry(disclosure.canonical))


def _moved(entry: CanonicalEntry, touches: Callable[[str], bool]) -> dict[str, Sums]:
    """Return by asset what an entry did to an account; nothing where it did not touch it."""
    found: dict[str, Sums] = {}
    for posting in entry.postings:
        if touches(posting.account):
            found[posting.asset] = found.get(posting.asset, NOTHING) + _sums(posting.side, posting.amount)
    return found


def _sums(side: int, amount: int) -> Sums:
    return Sums(amount, 0) if side == 1 else Sums(0, amount)


def _is_within(window: Window, entry: CanonicalEntry) -> bool:
    begin_us, end_us = window.begin_us, window.end_us
    return (begin_us is None or begin_us <= entry.posted_at_us) and (end_us is None or entry.posted_at_us < end_us)
