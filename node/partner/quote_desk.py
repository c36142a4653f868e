"""Gives quotes to partner banks: looks up the rate, keeps what it said, and says it again when asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from ledger.currency import find_asset, rate_at
from ledger.errors import NotFoundError
from ledger.exchange import Rate
from ledger.money import parse_amount_minor
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import StatusCode
from node.partner.books import Books
from node.partner.errors import MessageRefusedError
from node.partner.messages import Evidence, timestamp
from node.partner.quotes import GivenQuote, QuoteTerms, quote_of
from node.partner.store import SettlementStore

QUOTE_ID_LENGTH_MAX = 64


class QuoteDesk:
    """Answers requests for quotes.

    Args:
        store: quotes given before.
        books: the organization's books, with the rates on record.
        terms: by MSP id of the asking bank.
        now: clock.
    """

    def __init__(
        self, store: SettlementStore, books: Books, terms: Mapping[str, QuoteTerms], *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._books = books
        self._terms = terms
        self._now = now

    async def answer(self, asked: partner_pb2.QuoteRequest, evidence: Evidence) -> partner_pb2.Quote:
        """Return the quote, or why there is none.

        Raises:
            MessageRefusedError, InvalidValueError: a field can never be valid.
        """
        _check(asked)
        amount = parse_amount_minor(asked.amount_minor, "amount_minor")
        credited_asset = asked.credited_asset or asked.asset
        given = await self._store.quote(asked.sender_msp_id, asked.quote_id)
        if given is None:
            found = await self._quote(asked, amount, credited_asset)
            if isinstance(found, str):
                return _refused(asked, found)
            given = await self._store.add_quote(found, evidence)
        if (given.asset, given.amount, given.credited_asset) != (asked.asset, amount, credited_asset):
            return _refused(asked, "quote_id_reused")
        return _quote(given)

    async def _quote(self, asked: partner_pb2.QuoteRequest, amount: int, credited_asset: str) -> GivenQuote | str:
        now, terms = self._now(), self._terms.get(asked.sender_msp_id, QuoteTerms())
        for code in (asked.asset, credited_asset):
            try:
                await self._books.read(find_asset, code)
            except NotFoundError:
                return "asset_not_found"
        rate = None
        if credited_asset != asked.asset:
            rate = await self._rate(asked.asset, credited_asset, terms.rate_source, now)
        return quote_of(
            asked.sender_msp_id,
            asked.quote_id,
            asset=asked.asset,
            amount=amount,
            credited_asset=credited_asset,
            terms=terms,
            rate=rate,
            now=now,
        )

    async def _rate(self, sold: str, bought: str, source: str, now: datetime) -> Rate | None:
        """Return the newest rate of either direction, None where none is on record."""
        found = []
        for base, quote in ((sold, bought), (bought, sold)):
            try:
                found.append(await self._books.read(rate_at, base, quote, source, now))
            except NotFoundError:
                continue
        return max(found, key=lambda rate: rate.quoted_at, default=None)


def _check(asked: partner_pb2.QuoteRequest) -> None:
    if not 0 < len(asked.quote_id) <= QUOTE_ID_LENGTH_MAX or "\x00" in asked.quote_id:
        raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, f"quote_id: 1 to {QUOTE_ID_LENGTH_MAX} characters")


def _refused(asked: partner_pb2.QuoteRequest, refusal: str) -> partner_pb2.Quote:
    return partner_pb2.Quote(quote_id=asked.quote_id, refusal=refusal)


def _quote(given: GivenQuote) -> partner_pb2.Quote:
    return partner_pb2.Quote(
        quote_id=given.quote_id,
        asset=given.asset,
        amount_minor=str(given.amount),
        fee_minor=str(given.fee),
        credited_asset=given.credited_asset,
        credited_minor=str(given.credited_amount),
        rate=given.rate,
        rate_pair=given.rate_pair,
        rate_source=given.rate_source,
        valid_until=timestamp(given.valid_until),
    )
