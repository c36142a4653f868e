"""Protobuf forms of the books turned into our own, strictly, and back. Errors name the field's path and value."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import IntEnum
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from ledger.account import MAIN_BOOK, Account, NewAccount, Side, Terms, check_reference
from ledger.errors import InvalidValueError
from ledger.hold import Hold, NewHold
from ledger.journal import EntryResult, NewEntry, Outcome, Posting, ResultCode
from ledger.money import AMOUNT_MAX, parse_amount_minor, parse_balance_minor
from ledger.posting import STATUS_NUMBERS, AccountTerms
from ledger.refusal_store import KeptRefusal, RefusalFilter
from ledger.repeats import KeyedMovement
from ledger.statements import PostedEntry, StatementLine
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as pb

_SIDES: dict[int, Side] = {pb.SIDE_DEBIT: Side.DEBIT, pb.SIDE_CREDIT: Side.CREDIT}
_PB_SIDES = {Side.DEBIT: pb.SIDE_DEBIT, Side.CREDIT: pb.SIDE_CREDIT}

_KEY_FIELD = rb"\n\x24([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
_POSTING_FIELD = rb"\x12(.)\n(.)([0-9A-Za-z:_.\-]{1,64})\x10([\x01\x02])\x1a(.)([1-9][0-9]{0,18})"
_PLAIN_TRANSFER = re.compile(_KEY_FIELD + _POSTING_FIELD + _POSTING_FIELD, re.DOTALL)
"""An entry of two postings and nothing beside them, as protobuf writes it: of each field tag, length, bytes."""

YEAR_MIN, YEAR_MAX = 1900, 2200
"""Effective times outside these years are typing errors."""


E = TypeVar("E", bound=IntEnum)


@contextmanager
def below(path: str) -> Iterator[None]:
    """Name the fields of what fails in here by their path in the request."""
    try:
        yield
    except InvalidValueError as error:
        raise InvalidValueError(f"{path}.{error.field}", error.value, error.reason) from error


def member_of(kind: type[E], number: int, field: str) -> E:
    """Return the member of one of our enumerations that a protobuf one with the same numbers names."""
    try:
        return kind(number)
    except ValueError as error:
        known = ", ".join(member.name for member in kind)
        raise InvalidValueError(field, number, f"give one of {known}") from error


def uuid_of(text: str, field: str) -> uuid.UUID:
    """Return the UUID in its canonical text form (36 characters)."""
    try:
        value = uuid.UUID(text)
    except ValueError:
        value = None
    if value is None or str(value) != text.lower():
        raise InvalidValueError(field, text, "give a UUID such as 0190b6a0-5e7f-7c11-8000-3b1f6f0c2a55")
    return value


def side_of(number: int, field: str) -> Side:
    """Return the side; unspecified is refused."""
    if number not in _SIDES:
        raise InvalidValueError(field, number, "give SIDE_DEBIT or SIDE_CREDIT")
    return _SIDES[number]


def time_of(stamp: Timestamp, field: str) -> datetime:
    """Return the moment, cut to microseconds as the books keep it."""
    try:
        moment = stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidValueError(field, stamp.seconds, "is no valid timestamp") from error
    if not YEAR_MIN <= moment.year <= YEAR_MAX or not 0 <= stamp.nanos < 1_000_000_000:
        raise InvalidValueError(field, moment.isoformat(), f"give a time in the years {YEAR_MIN} to {YEAR_MAX}")
    return moment


def day_of(text: str, field: str) -> date:
    """Return the day in its one form, such as ``2026-03-31``."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise InvalidValueError(field, text, "give a day such as 2026-03-31")
    return day


def stamp_of(moment: datetime) -> Timestamp:
    """Return the moment as protobuf tells it."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def new_entries(messages: Sequence[pb.NewEntry]) -> list[NewEntry]:
    """Return the entries to be posted; errors name their fields below ``entries[n]``."""
    return [
        _plain_transfer(message) or new_entry(message, f"entries[{place}]") for place, message in enumerate(messages)
    ]


def _plain_transfer(message: pb.NewEntry) -> NewEntry | None:
    """Return the entry if it is of two postings, has nothing beside them and nothing is wrong with it.

    The same as ``new_entry`` for the common case, which is nearly all there is to do for a call of many.
    """
    match = _PLAIN_TRANSFER.fullmatch(message.SerializeToString())
    if match is None:
        return None
    key, *legs = match.groups()
    size, length, one, side, width, digits, other_size, other_length, other, other_side, other_width, again = legs
    # A text may hold bytes that look like the fields after it: only lengths tell where each field ends.
    lengths = b"".join((size, length, width, other_size, other_length, other_width))
    first, second, last = len(one), len(other), len(digits)
    amount = int(digits)
    if (
        lengths != bytes((first + last + 6, first, last, second + last + 6, second, last))
        or digits != again
        or amount > AMOUNT_MAX
        or one == other
    ):
        return None
    return NewEntry.plain(
        uuid.UUID(int=int(key.replace(b"-", b""), 16)),
        Posting(one.decode(), _SIDES[side[0]], amount),
        Posting(other.decode(), _SIDES[other_side[0]], amount),
    )


def new_entry(message: pb.NewEntry, path: str) -> NewEntry:
    """Return the entry to be posted.

    Args:
        message: as received.
        path: where it stands in the request, for errors.
    Raises:
        InvalidValueError: naming the field below ``path``.
    """
    postings = tuple(posting_of(posting, f"{path}.postings[{i}]") for i, posting in enumerate(message.postings))
    effective_at = time_of(message.effective_at, f"{path}.effective_at") if message.HasField("effective_at") else None
    key = uuid_of(message.idempotency_key, f"{path}.idempotency_key")
    hold_id = uuid_of(message.hold_id, f"{path}.hold_id") if message.hold_id else None
    with below(path):
        return NewEntry(
            key,
            postings,
            effective_at,
            message.settlement_id,
            message.description,
            hold_id,
            message.hold_final,
            message.linked,
            message.reverses or None,
            message.actor,
            tuple(sorted(message.metadata.items())),
        )


def posting_of(message: pb.Posting, path: str) -> Posting:
    """Return a posting to be made; errors name the field below ``path``."""
    return Posting(
        check_reference(message.account, f"{path}.account"),
        side_of(message.side, f"{path}.side"),
        parse_amount_minor(message.amount_minor, f"{path}.amount_minor"),
    )


def posting_message(posting: Posting) -> pb.Posting:
    """Return a posting to be made, as the service tells it."""
    return pb.Posting(account=posting.account, side=_PB_SIDES[posting.side], amount_minor=str(posting.amount))


def keyed_movement(message: pb.KeyedMovement, path: str) -> KeyedMovement:
    """Return a movement of a statement; errors name the field below ``path``."""
    return KeyedMovement(
        uuid_of(message.idempotency_key, f"{path}.idempotency_key"),
        check_reference(message.account, f"{path}.account"),
        time_of(message.effective_at, f"{path}.effective_at"),
        parse_balance_minor(message.change_minor, f"{path}.change_minor"),
    )


def new_hold(message: pb.PlaceHoldRequest) -> NewHold:
    """Return the hold to be placed."""
    if not message.HasField("expires_at"):
        raise InvalidValueError("expires_at", "", "is missing: a hold needs a deadline")
    return NewHold(
        uuid_of(message.hold_id, "hold_id"),
        check_reference(message.account),
        parse_amount_minor(message.amount_minor, "amount_minor"),
        time_of(message.expires_at, "expires_at"),
    )


def limit_of(text: str, field: str) -> int | None:
    """Return a floor or ceiling; empty text is none."""
    return parse_balance_minor(text, field) if text else None


def new_account(message: pb.OpenAccountRequest) -> NewAccount:
    """Return the account to be opened."""
    side = terms = None
    if not message.by_chart:
        side = side_of(message.normal_side, "normal_side")
        terms = limits_of(message.floor_minor, message.overdraft_minor, message.ceiling_minor)
    elif message.normal_side or message.floor_minor or message.overdraft_minor or message.ceiling_minor:
        raise InvalidValueError("by_chart", message.by_chart, "side and terms come from the chart: leave them out")
    return NewAccount(
        message.account,
        message.asset,
        side,
        terms,
        message.book or MAIN_BOOK,
        message.portfolio,
        message.segment,
        message.alias,
        dict(message.metadata),
        message.stripes,
    )


def limits_of(floor_minor: str, overdraft_minor: str, ceiling_minor: str) -> Terms:
    """Return terms; empty texts are none. Errors name the fields as the arguments are called."""
    return Terms(
        limit_of(floor_minor, "floor_minor"),
        limit_of(overdraft_minor, "overdraft_minor") or 0,
        limit_of(ceiling_minor, "ceiling_minor"),
    )


def number_of_token(token: str) -> int:
    """Return the number after which a page begins."""
    if not token:
        return 0
    if not token.isascii() or not token.isdigit() or len(token) > 18:
        raise InvalidValueError("page_token", token, "give the next_page_token of the page before")
    return int(token)


def terms_of(message: pb.SetAccountTermsRequest, standing: AccountTerms) -> AccountTerms:
    """Return the terms that an account shall have: as asked, and as they are where nothing was asked."""
    _, floor, overdraft, ceiling = standing
    if message.HasField("floor_minor"):
        floor = limit_of(message.floor_minor, "floor_minor")
    if message.HasField("overdraft_minor"):
        overdraft = limit_of(message.overdraft_minor, "overdraft_minor") or 0
    if message.HasField("ceiling_minor"):
        ceiling = limit_of(message.ceiling_minor, "ceiling_minor")
    status = message.status or standing.status
    if status not in STATUS_NUMBERS:
        raise InvalidValueError("status", status, "give open, frozen or closed")
    if overdraft < 0:
        raise InvalidValueError("overdraft_minor", overdraft, "give 0 or more")
    return AccountTerms(status, floor, overdraft, ceiling)


def side_message(side: Side) -> pb.Side:
    """Return a side as the services tell it."""
    return _PB_SIDES[side]


def minor_message(amount: int | None) -> str:
    """Return an amount, empty for none."""
    return "" if amount is None else str(amount)


def account_message(account: Account) -> pb.Account:
    """Return an account as the service tells it."""
    return pb.Account(
        account=account.facts.reference,
        asset=account.facts.asset.code,
        normal_side=_PB_SIDES[account.facts.normal_side],
        balance_minor=str(account.balance),
        held_minor=str(account.held),
        available_minor=str(account.available),
        floor_minor="" if account.floor is None else str(account.floor),
        status=account.status,
        overdraft_minor=str(account.overdraft),
        ceiling_minor="" if account.ceiling is None else str(account.ceiling),
        entry_count=account.posting_count,
        stripes=account.stripes,
        scale=account.facts.asset.scale,
    )


def post_response(results: Iterable[EntryResult]) -> pb.PostEntriesResponse:
    """Return the answers to the entries of a call."""
    response = pb.PostEntriesResponse()
    add = response.results.add
    for code, seq, outcome, _, message in results:
        add(code=_CODE_TEXTS[code], message=message, seq=seq or 0, decision=_OUTCOME_TEXTS[outcome])
    return response


_CODE_TEXTS = {code: code.text for code in ResultCode}
_OUTCOME_TEXTS = {None: ""} | {outcome: outcome.text for outcome in Outcome}


def result_message(result: EntryResult) -> pb.EntryResult:
    """Return the answer to one entry."""
    return post_response((result,)).results[0]


def entry_message(entry: PostedEntry, state: str) -> pb.Entry:
    """Return a posted entry as the service tells it."""
    postings = [
        pb.EntryPosting(
            account=posting.account,
            side=_PB_SIDES[posting.side],
            amount_minor=str(posting.amount),
            asset=posting.asset,
            balance_after_minor=str(posting.balance_after),
        )
        for posting in entry.postings
    ]
    return pb.Entry(
        seq=entry.seq,
        idempotency_key=str(entry.key),
        postings=postings,
        posted_at=stamp_of(entry.posted_at),
        effective_at=stamp_of(entry.effective_at),
        settlement_id=entry.settlement_id,
        description=entry.description,
        leaf=entry.leaf,
        decision=entry.decision,
        state=state,
        actor=entry.actor,
        metadata=dict(entry.metadata),
        reverses=entry.reverses or 0,
        hold_id=str(entry.hold_id) if entry.hold_id is not None else "",
        chain_seq=entry.chain_seq or 0,
    )


def line_message(line: StatementLine) -> pb.StatementLine:
    """Return a statement line as the service tells it."""
    return pb.StatementLine(
        seq=line.seq,
        side=_PB_SIDES[line.side],
        amount_minor=str(line.amount),
        balance_after_minor=str(line.balance_after),
        posted_at=stamp_of(line.posted_at),
        effective_at=stamp_of(line.effective_at),
        settlement_id=line.settlement_id,
        description=line.description,
    )


def refusal_filter(message: pb.ListRefusalsRequest) -> RefusalFilter:
    """Return which refusals are asked for."""
    return RefusalFilter(
        uuid_of(message.key, "key") if message.key else None,
        message.code or None,
        time_of(message.refused_from, "refused_from") if message.HasField("refused_from") else None,
        time_of(message.refused_to, "refused_to") if message.HasField("refused_to") else None,
    )


def refusal_message(refusal: KeptRefusal) -> pb.Refusal:
    """Return a kept refusal as the service tells it."""
    return pb.Refusal(
        number=refusal.number,
        after_seq=refusal.after_seq,
        refused_at=stamp_of(refusal.at),
        kind=refusal.kind.name.lower(),
        key=str(refusal.key),
        code=refusal.code,
        chained=refusal.chained,
        request_hash=refusal.request_hash,
        actor=refusal.actor,
        head=refusal.head,
    )


def hold_message(hold: Hold | None) -> pb.Hold | None:
    """Return a hold as the service tells it; None stays away."""
    if hold is None:
        return None
    return pb.Hold(
        hold_id=str(hold.id),
        account=hold.account,
        amount_minor=str(hold.amount),
        state=hold.state,
        expires_at=stamp_of(hold.expires_at),
        captured_minor=str(hold.captured),
    )
