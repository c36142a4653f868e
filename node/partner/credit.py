"""The entries by which the receiving bank credits a beneficiary: plain, less a fee, or exchanged at a quoted rate.

An exchange has exactly the four postings that the books' own audit of rates expects; a fee then stands in an entry
beside it, and the two stand or fall together.
"""

from __future__ import annotations

from dataclasses import replace

from ledger.account import Side
from ledger.currency import find_asset
from ledger.exchange import Leg, Rate, exchange
from ledger.journal import NewEntry, Posting
from node.partner.books import Books, InterbankAccounts
from node.partner.quotes import GivenQuote
from node.partner.settlement import Incoming


async def credit_entries(
    incoming: Incoming, account: str, quote: GivenQuote | None, accounts: InterbankAccounts, books: Books
) -> list[NewEntry]:
    """Return what is posted when a payment has come, the credit first.

    Args:
        incoming: the payment.
        account: whom to credit.
        quote: what it was ordered under; None for none.
        accounts: opens what stands between the banks.
        books: tells assets.
    """
    nostro = await accounts.nostro(incoming.sender_msp_id, incoming.asset)
    fee = 0 if quote is None else quote.fee
    if quote is None or quote.asset == quote.credited_asset:
        postings = [
            Posting(nostro, Side.DEBIT, incoming.amount),
            Posting(account, Side.CREDIT, incoming.amount - fee),
        ]
        if fee:
            postings.append(Posting(await accounts.fees(incoming.asset), Side.CREDIT, fee))
        return [_entry(incoming, postings)]
    exchanged = await _exchange(incoming, account, quote, nostro, accounts, books)
    if not fee:
        return [exchanged]
    beside = [Posting(nostro, Side.DEBIT, fee), Posting(await accounts.fees(incoming.asset), Side.CREDIT, fee)]
    return [replace(exchanged, linked=True), replace(_entry(incoming, beside), key=incoming.fee_key)]


async def open_accounts(incoming: Incoming, quote: GivenQuote | None, accounts: InterbankAccounts) -> None:
    """Open every account between banks that the credit will need, so that none can be wanting once money has moved."""
    await accounts.nostro(incoming.sender_msp_id, incoming.asset)
    if quote is not None and quote.fee:
        await accounts.fees(incoming.asset)
    if quote is not None and quote.asset != quote.credited_asset:
        await accounts.position(quote.asset, quote.credited_asset)
        await accounts.position(quote.credited_asset, quote.asset)


async def _exchange(
    incoming: Incoming,
    account: str,
    quote: GivenQuote,
    nostro: str,
    accounts: InterbankAccounts,
    books: Books,
) -> NewEntry:
    assert quote.rate_quoted_at is not None
    base, quoted = quote.rate_pair.split("/")
    pair = [await books.read(find_asset, code) for code in (base, quoted)]
    rate = Rate(pair[0], pair[1], quote.rate, quote.rate_source, quote.rate_quoted_at)
    sold, bought = quote.asset, quote.credited_asset
    return exchange(
        incoming.credit_key,
        rate,
        quote.amount - quote.fee,
        sold,
        debit=Leg(sold, nostro, await accounts.position(sold, bought)),
        credit=Leg(bought, account, await accounts.position(bought, sold)),
        effective_at=incoming.prepared_at,
        settlement_id=incoming.settlement_id,
    )


def _entry(incoming: Incoming, postings: list[Posting]) -> NewEntry:
    return NewEntry(
        key=incoming.credit_key,
        postings=tuple(postings),
        effective_at=incoming.prepared_at,
        settlement_id=incoming.settlement_id,
    )
