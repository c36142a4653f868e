"""What settlement needs of the organization's books, and the accounts that stand between two banks.

For each partner and asset there are two accounts:

- ``vostro-<partner>-<asset>`` (credit): what we owe the partner for payments of our customers to his;
- ``nostro-<partner>-<asset>`` (debit): what the partner owes us for payments of his customers to ours.

Beside them, for each asset: ``fees-partners-<asset>``, ``unclaimed-returns-<asset>``, and where payments are exchanged,
the position ``fx-partners-<asset>-<other asset>``.

Our vostro with the partner and his nostro with us grow by the same entries, so they agree when nothing is under way.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from ledger.account import Account, Side, check_reference
from ledger.errors import ConflictError, InvalidValueError
from ledger.hold import HoldResult, NewHold
from ledger.journal import EntryResult, NewEntry, ResultCode

T = TypeVar("T")

_COUNTED_OTHERWISE = frozenset({ResultCode.PERIOD_CLOSED, ResultCode.EXISTS_WITH_DIFFERENT_BODY})
"""Answers to an entry of a payment whose time lies in a period that was closed: now, or before a crash."""


class Books(Protocol):
    """The organization's books; every call may raise ``BooksUnavailableError`` and may then be made again."""

    async def open_account(self, reference: str, asset: str, normal_side: Side, floor: int | None) -> str:
        """Open an account; ``"created"``, ``"exists"`` or why not."""

    async def find_account(self, reference: str) -> Account | None:
        """Return an account as it stands, None when there is none."""

    async def place_hold(self, hold: NewHold) -> HoldResult:
        """Reserve money; returns the code and the hold if it stands."""

    async def release_hold(self, hold_id: uuid.UUID) -> HoldResult:
        """Give held money back."""

    async def post(self, entry: NewEntry) -> EntryResult:
        """Post one entry and return its result after the commit."""

    async def post_batch(self, requests: Sequence[NewEntry]) -> list[EntryResult]:
        """Post entries in order and return their results after the commit; linked ones stand or fall together."""

    async def read(self, work: Callable[..., T], /, *arguments: Any, **named: Any) -> T:
        """Run one of the reading functions of ``ledger``."""


async def post_in_time(books: Books, entries: Sequence[NewEntry]) -> list[EntryResult]:
    """Post the entries of a payment, which stand or fall together, and return their results.

    Where the period for which they count was closed while the payment was on its way, they count for the time of their
    posting: neither bank may refuse for its calendar what the other one has booked or is about to book. Which of both
    ways was posted, a repeat after a crash finds out by their key.
    """
    results = await _post(books, entries)
    if any(result.code in _COUNTED_OTHERWISE for result in results):
        results = await _post(books, [replace(entry, effective_at=None) for entry in entries])
    return results


async def _post(books: Books, entries: Sequence[NewEntry]) -> list[EntryResult]:
    return [await books.post(entries[0])] if len(entries) == 1 else await books.post_batch(entries)


UNFIT = "interbank_account_unfit"
"""Refusal of a payment for which an account between the banks stands otherwise than it must, or cannot be opened."""


class InterbankAccounts:
    """Names and opens the accounts between banks.

    All raise ``ConflictError`` where such an account counts another asset or on another side, and
    ``ChartRefusedError`` where the chart of accounts does not know it.

    Args:
        books: the organization's books.
    """

    def __init__(self, books: Books) -> None:
        self._books = books
        self._opened: set[str] = set()

    async def vostro(self, partner_msp_id: str, asset: str) -> str:
        """Return the account that says what we owe the partner, opened where absent."""
        return await self._open(f"vostro-{partner_msp_id}-{asset}", asset, Side.CREDIT)

    async def nostro(self, partner_msp_id: str, asset: str) -> str:
        """Return the account that says what the partner owes us, opened where absent."""
        return await self._open(f"nostro-{partner_msp_id}-{asset}", asset, Side.DEBIT)

    async def unclaimed(self, asset: str) -> str:
        """Return the account for money that came back while its owner's account could not take it."""
        return await self._open(f"unclaimed-returns-{asset}", asset, Side.CREDIT)

    async def fees(self, asset: str) -> str:
        """Return the account for what is kept of payments that partners send."""
        return await self._open(f"fees-partners-{asset}", asset, Side.CREDIT)

    async def position(self, asset: str, against: str) -> str:
        """Return the position account of an asset that is exchanged with another."""
        return await self._open(f"fx-partners-{asset}-{against}", asset, Side.CREDIT)

    async def net_position(self, partner_msp_id: str, asset: str) -> int:
        """Return what we owe the partner less what he owes us, minor units."""
        vostro = await self._books.find_account(f"vostro-{partner_msp_id}-{asset}")
        nostro = await self._books.find_account(f"nostro-{partner_msp_id}-{asset}")
        owed = vostro.balance if vostro is not None else 0
        return owed - (nostro.balance if nostro is not None else 0)

    async def _open(self, reference: str, asset: str, side: Side) -> str:
        if reference in self._opened:
            return reference
        code = await self._books.open_account(check_reference(reference), asset, side, None)
        if code == "asset_not_found":
            raise InvalidValueError("asset", asset, "the books do not know it")
        if code not in ("created", "exists"):
            # Whoever opened it before gave it terms, a place, names or stripes of its own, which is no harm.
            account = await self._books.find_account(reference)
            if account is None or (account.facts.asset.code, account.facts.normal_side) != (asset, side):
                raise ConflictError(f"account {reference} is not in {asset} on the {side.name.lower()} side")
        self._opened.add(reference)
        return reference
