"""The rules of the books: what one request may do to accounts and holds, told by a result code. Pure: no clock, no SQL.

Rules:
- requests are judged one by one in order of arrival, so a batch gives what its requests would give one after the other;
- the first code that applies, in the order of ``ResultCode``, is the answer; a refused request changes nothing;
- judged is the state after the whole entry: an account stands on one side of an entry only, so its postings have one
  sum.

Each ``judge_*`` decides and, where the answer is POSTED, does it. Runs of entries that have nothing beside their
postings are judged by columns (``run_judge``); a property test holds that way and these rules to the same answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ledger.account import Side
from ledger.hold import NewHold
from ledger.journal import NewEntry, ResultCode, microseconds
from ledger.money import AMOUNT_MAX
from ledger.scope import own_hold, own_original
from ledger.state import (
    CAPTURED,
    CLOSED,
    EXPIRED,
    FROZEN,
    PLACED,
    RELEASED,
    AccountState,
    HoldState,
    OriginalEntry,
    State,
)

_POSTED = ResultCode.POSTED

_ENDED = {
    CAPTURED: ResultCode.HOLD_NOT_PLACED,
    RELEASED: ResultCode.HOLD_NOT_PLACED,
    EXPIRED: ResultCode.HOLD_EXPIRED,
}


def judge_entry(
    state: State, entry: NewEntry, accounts: Sequence[AccountState | None], now: datetime, *, effective_at: datetime
) -> ResultCode:
    """Judge an entry and, where nothing is wrong, let it stand as entry ``state.next_seq``.

    Args:
        accounts: the accounts of its postings, in order; None for one that does not exist for it (``scope``).
        now: time of the batch.
        effective_at: when it counts for.
    """
    known = [account for account in accounts if account is not None]
    if len(known) != len(accounts):
        return ResultCode.ACCOUNT_NOT_FOUND
    code = _balance_code(entry, known)
    if code is not _POSTED:
        return code
    if state.closed_before is not None and effective_at < state.closed_before:
        return ResultCode.PERIOD_CLOSED
    changes = _changes(entry, known)
    if entry.reverses is not None:
        if 0 < entry.reverses <= state.archived_seq:
            return ResultCode.ENTRY_ARCHIVED
        code = _reversal_code(own_original(state, entry.reverses, entry.scope), changes)
        if code is not _POSTED:
            return code
    hold: HoldState | None = None
    freed = 0
    if entry.hold_id is not None:
        hold = own_hold(state, entry.hold_id, entry.scope)
        code, freed = _capture_code(hold, changes, now, entry.hold_final)
        if code is not _POSTED:
            return code
    code = _accounts_code(changes, hold, freed)
    if code is _POSTED:
        _apply(state, entry, known, changes, hold, freed, now)
    return code


def _balance_code(entry: NewEntry, accounts: Sequence[AccountState]) -> ResultCode:
    """Judge what the entry says by itself: debits equal credits in every asset."""
    totals: dict[int, int] = {}
    for posting, account in zip(entry.postings, accounts, strict=True):
        signed = posting.amount if posting.side is Side.DEBIT else -posting.amount
        totals[account.asset_id] = totals.get(account.asset_id, 0) + signed
    if not any(totals.values()):
        return _POSTED
    if len(accounts) == 2 and len(totals) == 2:
        return ResultCode.ASSET_MISMATCH
    return ResultCode.UNBALANCED


def _changes(entry: NewEntry, accounts: Sequence[AccountState]) -> dict[AccountState, int]:
    """Return for each account the sum of its postings, debit above zero."""
    changes: dict[AccountState, int] = {}
    for posting, account in zip(entry.postings, accounts, strict=True):
        signed = posting.amount if posting.side is Side.DEBIT else -posting.amount
        changes[account] = changes.get(account, 0) + signed
    return changes


def _reversal_code(original: OriginalEntry | None, changes: dict[AccountState, int]) -> ResultCode:
    """Judge whether what is taken back was there to be taken: on the other side, and not more than remains."""
    if original is None or original.is_reversal:
        return ResultCode.ENTRY_NOT_FOUND
    for account, signed in changes.items():
        remaining = original.remaining.get(account.id, 0)
        if signed * remaining >= 0 or abs(signed) > abs(remaining):
            return ResultCode.EXCEEDS_ORIGINAL
    return _POSTED


def _capture_code(
    hold: HoldState | None, changes: dict[AccountState, int], now: datetime, final: bool
) -> tuple[ResultCode, int]:
    """Judge a capture; return the held money that it ends: what is taken, and the rest where it is the last."""
    if hold is None:
        return ResultCode.HOLD_NOT_FOUND, 0
    if hold.state != PLACED:
        return _ENDED[hold.state], 0
    if hold.expires_us <= microseconds(now):
        return ResultCode.HOLD_EXPIRED, 0
    taken = -changes.get(hold.account, 0) * hold.account.sign
    if not 0 < taken <= hold.remaining:
        return ResultCode.HOLD_MISMATCH, 0
    return _POSTED, hold.remaining if final else taken


def _accounts_code(changes: dict[AccountState, int], hold: HoldState | None, freed: int) -> ResultCode:
    """Judge where the entry would leave its accounts; the code that goes first over all of them."""
    found = _POSTED
    for account, signed in changes.items():
        freed_here = freed if hold is not None and hold.account is account else 0
        code = balance_code(account, account.balance + signed * account.sign, freed_here)
        if code is not _POSTED and (found is _POSTED or code < found):
            found = code
    return found


def balance_code(account: AccountState, balance: int, freed: int) -> ResultCode:
    """Judge where an entry would leave an account.

    Args:
        balance: after the whole entry.
        freed: held money that the entry ends.
    """
    if account.status == CLOSED:
        return ResultCode.ACCOUNT_CLOSED
    if account.status == FROZEN:
        return ResultCode.ACCOUNT_FROZEN
    if abs(balance) > AMOUNT_MAX:
        return ResultCode.BALANCE_OVERFLOW
    if account.floor is not None and balance - account.held + freed < account.floor - account.overdraft:
        return ResultCode.EXCEEDS_AVAILABLE
    if account.ceiling is not None and balance > account.ceiling:
        return ResultCode.EXCEEDS_CEILING
    return _POSTED


def _apply(
    state: State,
    entry: NewEntry,
    accounts: Sequence[AccountState],
    changes: dict[AccountState, int],
    hold: HoldState | None,
    freed: int,
    now: datetime,
) -> None:
    seq = state.next_seq
    for account, signed in changes.items():
        state.touch(account)
        account.balance += signed * account.sign
        account.last_seq = seq
    for account in accounts:
        account.posting_count += 1
    if entry.reverses is not None:
        original = state.originals[entry.reverses]
        state.touch_original(original)
        original.remaining = {
            number: remaining + sum(signed for account, signed in changes.items() if account.id == number)
            for number, remaining in original.remaining.items()
        }
    if hold is not None:
        state.touch_hold(hold)
        hold.captured -= changes[hold.account] * hold.account.sign
        hold.entry_seq = seq
        if entry.hold_final or not hold.remaining:
            hold.end(CAPTURED, now)
        hold.account.held -= freed
        hold.account.bound()
    state.next_seq = seq + 1


def judge_hold(state: State, wanted: NewHold, account: AccountState | None, now: datetime) -> ResultCode:
    """Judge a hold to be placed and, where nothing is wrong, reserve its money."""
    known = state.hold(wanted.id)
    if known is not None:
        same = is_same_hold(known, wanted, account)
        return ResultCode.EXISTS if same else ResultCode.EXISTS_WITH_DIFFERENT_BODY
    if account is None:
        return ResultCode.ACCOUNT_NOT_FOUND
    if account.stripes:
        return ResultCode.ACCOUNT_STRIPED
    if account.status == CLOSED:
        return ResultCode.ACCOUNT_CLOSED
    if account.status == FROZEN:
        return ResultCode.ACCOUNT_FROZEN
    if wanted.expires_at <= now:
        return ResultCode.DEADLINE_PASSED
    available = account.balance - account.held - wanted.amount
    if account.held + wanted.amount > AMOUNT_MAX or available < -AMOUNT_MAX:
        return ResultCode.BALANCE_OVERFLOW
    if account.floor is not None and available < account.floor - account.overdraft:
        return ResultCode.EXCEEDS_AVAILABLE
    state.touch(account)
    account.held += wanted.amount
    account.bound()
    times = {"placed_us": microseconds(now), "expires_us": microseconds(wanted.expires_at)}
    state.place_holds([wanted.id.int], account=account.row, amount=wanted.amount, tenant=_tenant_of(wanted), **times)
    return _POSTED


def is_same_hold(known: HoldState, wanted: NewHold, account: AccountState | None) -> bool:
    """Whether a hold that stands is the one asked for, by the same."""
    return (
        known.account is account
        and known.amount == wanted.amount
        and known.expires_us == microseconds(wanted.expires_at)
        and known.tenant == _tenant_of(wanted)
    )


def _tenant_of(wanted: NewHold) -> int:
    return wanted.scope.tenant if wanted.scope is not None else 0


def judge_release(state: State, hold: HoldState | None, now: datetime) -> ResultCode:
    """Judge a release; a hold past its deadline expires instead, which gives the money back all the same."""
    if hold is None:
        return ResultCode.HOLD_NOT_FOUND
    if hold.state == RELEASED:
        return ResultCode.EXISTS
    if hold.state != PLACED:
        return _ENDED[hold.state]
    expired = hold.expires_us <= microseconds(now)
    state.touch_hold(hold)
    state.touch(hold.account)
    hold.end(EXPIRED if expired else RELEASED, now)
    hold.account.held -= hold.remaining
    hold.account.bound()
    return ResultCode.HOLD_EXPIRED if expired else _POSTED
