"""The statement of the account that this bank keeps for a partner, a page at a time, newest first."""

from __future__ import annotations

from ledger.account import Side
from ledger.errors import ArchivedError, NotFoundError
from ledger.statements import PAGE_SIZE_MAX, StatementLine, statement_page
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import StatusCode
from node.partner.books import Books
from node.partner.errors import MessageRefusedError
from node.partner.messages import moment_of, timestamp

PAGE_SIZE_DEFAULT = 100
ASSET_LENGTH_MAX = 16

_KINDS = {
    partner_pb2.ACCOUNT_KIND_VOSTRO: ("vostro", Side.CREDIT),
    partner_pb2.ACCOUNT_KIND_NOSTRO: ("nostro", Side.DEBIT),
}


async def statement_answer(books: Books, asked: partner_pb2.StatementQuery) -> partner_pb2.StatementAnswer:
    """Return a page of an account between the asking bank and this one.

    Args:
        books: this bank's.
        asked: verified; the account is always the sender's own.
    Raises:
        MessageRefusedError: a field can never be valid, or all of the page is archived.
    """
    if asked.account not in _KINDS:
        raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, "account: VOSTRO or NOSTRO")
    if not 0 < len(asked.asset) <= ASSET_LENGTH_MAX or not (asked.asset.isascii() and asked.asset.isalnum()):
        raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, "asset: a code such as EUR")
    if asked.from_seq < 0 or not 0 <= asked.page_size <= PAGE_SIZE_MAX:
        reason = f"from_seq, page_size: not below zero, a page has up to {PAGE_SIZE_MAX} entries"
        raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, reason)
    name, side = _KINDS[asked.account]
    reference = f"{name}-{asked.sender_msp_id}-{asked.asset}"
    answer = partner_pb2.StatementAnswer(asset=asked.asset, account=asked.account, balance_minor="0")
    account = await books.find_account(reference)
    if account is None:
        return answer
    answer.balance_minor = str(account.balance)
    try:
        page = await books.read(
            statement_page,
            reference,
            from_seq=asked.from_seq,
            entry_count_max=asked.page_size or PAGE_SIZE_DEFAULT,
            since=moment_of(asked.since, "since") if asked.HasField("since") else None,
            until=moment_of(asked.until, "until") if asked.HasField("until") else None,
        )
    except (ArchivedError, NotFoundError) as error:
        raise MessageRefusedError(StatusCode.FAILED_PRECONDITION, str(error)) from error
    answer.lines.extend(_line(line, side) for line in page.lines)
    answer.next_seq = page.next_seq
    return answer


def _line(line: StatementLine, normal_side: Side) -> partner_pb2.StatementLine:
    return partner_pb2.StatementLine(
        seq=line.seq,
        change_minor=str(line.amount if line.side is normal_side else -line.amount),
        balance_minor=str(line.balance_after),
        posted_at=timestamp(line.posted_at),
        effective_at=timestamp(line.effective_at),
        settlement_id=line.settlement_id,
    )
