"""What exists for a request that is asked on behalf of a tenant: accounts, holds and entries of his books. Pure.

Rules:
- a request of a tenant knows the accounts of his books, and shared accounts as counterparts of them; for everything
  else the answer is the one for a name that nobody has;
- in each asset, the shared accounts of an entry stand on one side of it: so whatever moves, moves between them and the
  tenant's own, never from one shared account to another;
- money is held on own accounts only, and a hold is captured or released by who placed it;
- an entry can be taken back where all its accounts are own or shared, and one at least is own;
- a request without a scope, the organization's own, knows everything.

Left to others: which books are whose, and what may be read (the database: docs/tenants.md).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from ledger.account import Side
from ledger.journal import NewEntry, Scope
from ledger.state import AccountState, HoldState, OriginalEntry, State


def accounts_of_entry(state: State, entry: NewEntry) -> list[AccountState | None]:
    """Return the accounts of an entry's postings, in order; None for one that does not exist for it."""
    accounts = [state.accounts.get(posting.account) for posting in entry.postings]
    return accounts if entry.scope is None else _within(entry, accounts, entry.scope.books)


def _within(
    entry: NewEntry, accounts: Sequence[AccountState | None], books: frozenset[int]
) -> list[AccountState | None]:
    shared_sides: dict[int, set[Side]] = {}
    for posting, account in zip(entry.postings, accounts, strict=True):
        if account is not None and account.shared and account.book not in books:
            shared_sides.setdefault(account.asset_id, set()).add(posting.side)

    def known(account: AccountState | None) -> bool:
        if account is None or account.book in books:
            return account is not None
        return account.shared and len(shared_sides[account.asset_id]) == 1

    return [account if known(account) else None for account in accounts]


def own_account(state: State, reference: str, scope: Scope | None) -> AccountState | None:
    """Return an account that money may be held on; None where there is none for the request."""
    account = state.accounts.get(reference)
    return account if account is None or scope is None or account.book in scope.books else None


def own_hold(state: State, hold_id: uuid.UUID, scope: Scope | None) -> HoldState | None:
    """Return a hold; None where there is none for the request."""
    hold = state.hold(hold_id)
    if hold is None or scope is None:
        return hold
    return hold if hold.tenant == scope.tenant and hold.account.book in scope.books else None


def own_original(state: State, seq: int, scope: Scope | None) -> OriginalEntry | None:
    """Return an entry to be taken back; None where there is none for the request."""
    original = state.originals.get(seq)
    if original is None or scope is None:
        return original
    own = [book in scope.books for book, _ in original.places]
    known = [is_own or shared for is_own, (_, shared) in zip(own, original.places, strict=True)]
    return original if any(own) and all(known) else None
