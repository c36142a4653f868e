"""The writer's copy of the books: accounts, holds and reversed entries as they stand after the last request judged.

Rules:
- it decides only where the same commit proves it true (``sql/functions/settle_batch.sql``); at the first doubt it is
  thrown away and read again;
- what changes about accounts stands in columns (``account_columns``), for one entry and for a thousand at once;
- ``rules`` changes it, one request after the other; what a batch changed is listed with the values from before it;
- while ``undo`` is a list, every change is recorded there first, so that linked entries and dry runs can be taken back.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ledger.account import AccountFacts, Side
from ledger.account_columns import NEVER, NO_TIME, AccountColumns, Numbers, Views
from ledger.canonical import encode_account
from ledger.hold_columns import HoldColumns, HoldViews
from ledger.journal import EPOCH, microseconds
from ledger.money import AMOUNT_MAX, Asset
from ledger.monitors import Monitor
from ledger.partitions import Partition
from ledger.refusal import NO_REFUSALS, ChainEnd

OPEN, FROZEN, CLOSED = 1, 2, 3
"""States of an account, as the database numbers them."""

PLACED, CAPTURED, RELEASED, EXPIRED = 1, 2, 3, 4
"""States of a hold, as the database numbers them."""

HOLD_STATES = {PLACED: "placed", CAPTURED: "captured", RELEASED: "released", EXPIRED: "expired"}


class _Figure(property):
    """A figure of the row of an account or a hold, by the name of its column: to its readers a whole number."""

    def __init__(self, name: str, names: Sequence[str] = Views._fields) -> None:
        number = names.index(name)

        def read(thing: AccountState | HoldState) -> int:
            return thing.columns[number][thing.row]

        def write(thing: AccountState | HoldState, value: int) -> None:
            thing.columns[number][thing.row] = value

        super().__init__(read, write)

    if TYPE_CHECKING:

        def __get__(self, account: Any, kind: type | None = None) -> int: ...  # type: ignore[override]

        def __set__(self, account: Any, value: int) -> None: ...


class AccountState:
    """An account as it stands in the copy; what changes is read from its row and written there.

    ``lowest`` and ``highest`` bound the balance after an entry that is plainly allowed; they follow from status, terms,
    held money, monitors and stripes (``bound``). ``debit_head`` and ``credit_head`` are a posting's canonical fields up
    to its amount. A striped account is the sum of its ``stripes``, and is never written itself.
    """

    __slots__ = (
        "asset_id", "book", "ceiling", "columns", "credit_head", "debit_head", "facts", "floor", "id", "monitors",
        "overdraft", "row", "shared", "sign", "status", "stripes",
    )  # fmt: skip

    balance = _Figure("balance")
    held = _Figure("held")
    terms = _Figure("terms")
    last_seq = _Figure("last_seq")
    posting_count = _Figure("posting_count")
    least = _Figure("least")
    lowest = _Figure("lowest")
    highest = _Figure("highest")
    batch = _Figure("batch")
    balance_before = _Figure("balance_before")
    held_before = _Figure("held_before")
    count_before = _Figure("count_before")

    def __init__(
        self,
        columns: AccountColumns,
        facts: AccountFacts,
        asset_id: int,
        *,
        status: int,
        floor: int | None,
        overdraft: int,
        ceiling: int | None,
        book: int = 1,
        shared: bool = False,
        **figures: int,
    ) -> None:
        self.facts = facts
        self.id = facts.id
        self.asset_id = asset_id
        self.sign = 1 if facts.normal_side is Side.DEBIT else -1
        self.columns = columns.figures
        self.row = columns.add(id=facts.id, asset_id=asset_id, sign=self.sign, **figures)
        self.status = status
        self.floor = floor
        self.overdraft = overdraft
        self.ceiling = ceiling
        self.book = book
        self.shared = shared
        self.monitors: tuple[Monitor, ...] = ()
        self.stripes: tuple[AccountState, ...] = ()
        fields = encode_account(facts.reference, facts.asset.code, facts.asset.scale)
        self.debit_head = fields + b"\x00\x01\x01\x00\x10" + bytes(8)
        self.credit_head = fields + b"\x00\x01\x02\x00\x10" + bytes(8)
        self.bound()

    def bound(self) -> None:
        """Work out ``lowest`` and ``highest`` after status, terms, held money or monitors changed."""
        if self.status != OPEN or self.monitors or self.stripes:
            self.lowest, self.highest = NEVER, -NEVER
            return
        self.least = -NEVER if self.floor is None else self.floor - self.overdraft
        self.lowest = max(self.least + self.held, -AMOUNT_MAX)
        self.highest = AMOUNT_MAX if self.ceiling is None else min(self.ceiling, AMOUNT_MAX)

    @property
    def money(self) -> tuple[int, int]:
        """Balance and held money."""
        return self.balance, self.held

    def head_of(self, side: Side) -> bytes:
        """Return the canonical fields of a posting on this side, up to its amount."""
        return self.debit_head if side is Side.DEBIT else self.credit_head


class HoldState:
    """A hold as it stands in the copy, looked at by itself; what changes is read from its row and written there.

    ``account`` is whose money it reserves. For ``tenant``, ``entry_seq`` and the times see ``HoldViews``.
    """

    __slots__ = ("account", "columns", "id", "row")

    account_row = _Figure("account", HoldViews._fields)
    amount = _Figure("amount", HoldViews._fields)
    captured = _Figure("captured", HoldViews._fields)
    state = _Figure("state", HoldViews._fields)
    expires_us = _Figure("expires_us", HoldViews._fields)
    ended_us = _Figure("ended_us", HoldViews._fields)
    entry_seq = _Figure("entry_seq", HoldViews._fields)
    tenant = _Figure("tenant", HoldViews._fields)
    batch = _Figure("batch", HoldViews._fields)

    def __init__(self, columns: HoldColumns, row: int, id: uuid.UUID, listed: Sequence[AccountState]) -> None:
        self.columns = columns.figures
        self.row = row
        self.id = id
        self.account = listed[self.account_row - 1]

    @property
    def remaining(self) -> int:
        """What may still be captured, minor units."""
        return self.amount - self.captured

    @property
    def expires_at(self) -> datetime:
        """When it can no longer be captured."""
        return EPOCH + timedelta(microseconds=self.expires_us)

    def end(self, state: int, now: datetime) -> None:
        """Let it hold nothing any more."""
        self.state, self.ended_us = state, microseconds(now)


@dataclass(slots=True)
class OriginalEntry:
    """An entry that a request may take back.

    Args:
        seq: its number.
        is_reversal: a reversal cannot be reversed.
        remaining: for each account (by id) the signed amount (debit above zero) not yet taken back.
        places: of each account its book, and whether it is shared.
    """

    seq: int
    is_reversal: bool
    remaining: dict[int, int]
    places: set[tuple[int, bool]]


@dataclass(slots=True)
class State:
    """The copy.

    Args:
        next_seq: number of the next entry.
        closed_before: entries that count for an earlier time are refused; None while no period was closed.
        greatest_key: of all entries, as a number; no greater one stands in the books. -1 while there are none.
        greatest_hold: of the ids of all holds, likewise.
        partitions: of the journal, those with room for entries, in order.
        refusals: where the chain of refusals ends.
        columns: what changes about accounts.
        accounts: by reference.
        listed: the same and stripes of striped ones in the order of rows, which begin at 1.
        striped: those of them that have stripes.
        rows: their rows, by reference.
        assets: what they count, by number.
        heads: for each of them in turn the canonical fields of a debit and of a credit, up to the amount.
        hold_columns: the holds known.
        holds: their rows, by id as a number.
        originals: entries that requests of this copy's life want to take back, by number.
        archived_seq: the newest archived entry, as known when originals were last looked for; 0 for none.
        batch: number of the batch being judged, so that the first change of an account in it can be told.
        changed: rows of accounts that the batch changed, in the order of their first change.
        changed_holds: rows of holds, likewise.
        undo: while a list, takes back what was done since, last first.
    """

    next_seq: int
    closed_before: datetime | None
    greatest_key: int = -1
    greatest_hold: int = -1
    partitions: Sequence[Partition] = ()
    refusals: ChainEnd = NO_REFUSALS
    columns: AccountColumns = field(default_factory=AccountColumns)
    accounts: dict[str, AccountState] = field(default_factory=dict)
    listed: list[AccountState] = field(default_factory=list)
    striped: list[AccountState] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    assets: dict[int, Asset] = field(default_factory=dict)
    heads: list[bytes] = field(default_factory=list)
    hold_columns: HoldColumns = field(default_factory=HoldColumns)
    holds: dict[int, int] = field(default_factory=dict)
    originals: dict[int, OriginalEntry] = field(default_factory=dict)
    archived_seq: int = 0
    batch: int = 0
    changed: list[int] = field(default_factory=list)
    changed_holds: list[int] = field(default_factory=list)
    undo: list[Callable[[], object]] | None = None

    def add_account(self, facts: AccountFacts, asset_id: int, **more: Any) -> AccountState:
        """Remember an account; ``more`` are its terms and figures, see ``AccountState``."""
        account = self.add_stripe(facts, asset_id, **more)
        self.accounts[facts.reference] = account
        self.rows[facts.reference] = account.row
        return account

    def add_stripe(self, facts: AccountFacts, asset_id: int, **more: Any) -> AccountState:
        """Remember an account that nobody may ask for by its name; see ``add_account``."""
        account = AccountState(self.columns, facts, asset_id, **more)
        self.listed.append(account)
        self.assets[asset_id] = facts.asset
        self.heads += (account.debit_head, account.credit_head)
        return account

    def stripe(self, account: AccountState, stripes: Iterable[AccountState]) -> None:
        """Give an account its stripes."""
        account.stripes = tuple(stripes)
        account.bound()
        self.striped.append(account)

    def begin_batch(self) -> None:
        """Start counting changes anew."""
        self.batch += 1
        self.changed = []
        self.changed_holds = []

    def touch(self, account: AccountState) -> None:
        """Note how an account stands, before a change."""
        if account.batch != self.batch:
            account.batch = self.batch
            account.balance_before, account.held_before = account.balance, account.held
            account.count_before = account.posting_count
            if not account.stripes:
                self.changed.append(account.row)
        if self.undo is not None:
            self.undo.append(_restorer(account, ("balance", "held", "last_seq", "posting_count", "lowest", "highest")))

    def touch_rows(self, rows: Numbers) -> None:
        """Note how accounts stand, each named once, before a change that nobody takes back."""
        assert self.undo is None
        views = self.columns.views()
        first = rows[views.batch[rows] != self.batch]
        views.batch[first] = self.batch
        views.balance_before[first] = views.balance[first]
        views.held_before[first] = views.held[first]
        views.count_before[first] = views.posting_count[first]
        self.changed += first.tolist()

    def touch_hold(self, hold: HoldState) -> None:
        """Note how a hold stands, before a change."""
        if hold.batch != self.batch:
            hold.batch = self.batch
            self.changed_holds.append(hold.row)
        if self.undo is not None:
            self.undo.append(_restorer(hold, ("captured", "state", "ended_us", "entry_seq")))

    def touch_hold_rows(self, rows: Numbers) -> None:
        """Note how holds stand, each named once, before a change that nobody takes back."""
        assert self.undo is None
        batch = self.hold_columns.views().batch
        first = rows[batch[rows] != self.batch]
        batch[first] = self.batch
        self.changed_holds += first.tolist()

    def touch_original(self, original: OriginalEntry) -> None:
        """Note what remains of an entry, before some of it is taken back."""
        if self.undo is not None:
            remaining = dict(original.remaining)
            self.undo.append(lambda: setattr(original, "remaining", remaining))

    def add_original(self, original: OriginalEntry) -> None:
        """Remember an entry that is not in the books yet, as far as it stays."""
        self.originals[original.seq] = original
        if self.undo is not None:
            self.undo.append(lambda: self.originals.pop(original.seq, None))

    def hold(self, hold_id: uuid.UUID) -> HoldState | None:
        """Return a hold that is known, to be looked at or changed by itself."""
        row = self.holds.get(hold_id.int)
        return HoldState(self.hold_columns, row, hold_id, self.listed) if row is not None else None

    def remember_holds(self, numbers: Sequence[int], **figures: int | Numbers) -> Numbers:
        """Remember holds by their ids and return their rows; see ``HoldColumns.place``."""
        ids = b"".join([number.to_bytes(16, "big") for number in numbers])
        rows = self.hold_columns.place(ids, **figures)
        self.holds.update(zip(numbers, rows.tolist(), strict=True))
        return rows

    def place_holds(self, numbers: Sequence[int], **figures: int | Numbers) -> Numbers:
        """Let new holds stand and return their rows.

        Args:
            numbers: their ids.
            figures: account, amount, times and tenant; see ``HoldViews``.
        """
        self.greatest_hold = max((self.greatest_hold, *numbers))
        new = {"state": PLACED, "ended_us": NO_TIME, "batch": self.batch, "placed_in": self.batch}
        rows = self.remember_holds(numbers, **new, **figures)
        self.changed_holds += rows.tolist()
        if self.undo is not None:
            self.undo.append(lambda: self._forget_holds(numbers))
        return rows

    def _forget_holds(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self.changed_holds.remove(self.holds.pop(number))

    def take_back(self) -> None:
        """Take back all that ``undo`` lists."""
        assert self.undo is not None
        while self.undo:
            self.undo.pop()()


def _restorer(thing: AccountState | HoldState, names: tuple[str, ...]) -> Callable[[], None]:
    values = [getattr(thing, name) for name in names]

    def restore() -> None:
        for name, value in zip(names, values, strict=True):
            setattr(thing, name, value)

    return restore
