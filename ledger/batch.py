"""Turns a batch of new entries into the columns that the posting function takes; pure but for the facts it is given.

Rules:
- what can be said without the balances is said here: an unknown account, debits that do not equal credits;
- each entry is encoded once: the body of its canonical form goes to the database, which adds the number and hashes;
- items keep their order of arrival; a repeated key inside the batch points to the item before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

from ledger import pack
from ledger.account import AccountFacts, Side
from ledger.canonical import SALT_BYTES, description_commitment, encode_account, encode_body, encode_posting
from ledger.journal import Decider, Decision, NewEntry, Outcome, ResultCode, microseconds, request_hash

_NO_DECISION = Decision(bytes(16), Outcome.AUTOMATED_APPROVAL, bytes(32))
"""Fills the columns of an item that is refused before the rules see it; never stored."""


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """Facts of an account with its part of the canonical form.

    Args:
        id: number inside the database.
        asset: code of its asset.
        facts: all that never changes about it.
        fields: ``encode_account`` of it.
    """

    id: int
    asset: str
    facts: AccountFacts
    fields: bytes

    @classmethod
    def of(cls, facts: AccountFacts) -> KnownAccount:
        """Return the account with its canonical fields encoded."""
        fields = encode_account(facts.reference, facts.asset.code, facts.asset.scale)
        return cls(facts.id, facts.asset.code, facts, fields)


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """A batch as the database takes it.

    Args:
        entries: what was asked, in order of arrival.
        decisions: one for each entry.
        posted_at: time of the batch.
        columns: arguments of the posting function after the epoch.
        descriptions: for items with a description, its salt.
    """

    entries: Sequence[NewEntry]
    decisions: Sequence[Decision]
    posted_at: datetime
    columns: tuple[Any, ...]
    descriptions: Mapping[int, bytes]


def prepare_batch(
    entries: Sequence[NewEntry],
    *,
    accounts: Mapping[str, KnownAccount],
    decider: Decider,
    posted_at: datetime,
    random_bytes: Callable[[int], bytes],
) -> PreparedBatch:
    """Return the batch ready to be posted.

    Args:
        entries: at least one, in order of arrival.
        accounts: every account that exists among those named.
        decider: the compliance rules.
        posted_at: time of the batch, not before the last one's.
        random_bytes: source of salts.
    """
    known = [_known_accounts(entry, accounts) for entry in entries]
    codes = [_static_code(entry, found) for entry, found in zip(entries, known, strict=True)]
    decisions = _decide(entries, known, codes, decider, posted_at)
    postings = [_posting_fields(entry, found) for entry, found in zip(entries, known, strict=True)]
    salts = _salts(len(entries), random_bytes)
    description_salts = {i: random_bytes(SALT_BYTES) for i, entry in enumerate(entries) if entry.description}
    commitments = {i: description_commitment(salt, entries[i].description) for i, salt in description_salts.items()}
    posted_us = microseconds(posted_at)
    effective_us = [microseconds(e.effective_at) if e.effective_at is not None else posted_us for e in entries]
    keys = [entry.key.bytes for entry in entries]
    # An entry that is refused already is numbered by nobody: its body is never used.
    bodies = [
        encode_body(
            keys[i], posted_us, effective_us[i], postings[i], entry.settlement_id, commitments.get(i, b""),
            decisions[i].id, decisions[i].outcome, decisions[i].leaf,
        )
        for i, entry in enumerate(entries)
    ]  # fmt: skip
    columns = (
        posted_at,
        pack.pack_uuids(keys),
        pack.pack_hashes([request_hash(entry, fields) for entry, fields in zip(entries, postings, strict=True)]),
        pack.pack_times(effective_us),
        pack.pack_texts([entry.settlement_id or None for entry in entries]),
        pack.pack_bytes([commitments.get(i) for i in range(len(entries))]),
        pack.pack_hashes(salts),
        pack.pack_uuids([decision.id for decision in decisions]),
        pack.pack_int2([decision.outcome for decision in decisions]),
        pack.pack_hashes([decision.leaf for decision in decisions]),
        pack.pack_bytes(bodies),
        pack.pack_int2(codes),
        pack.pack_int4(_earlier(keys)),
        _holds(entries),
        *_postings(entries, known, codes),
    )
    return PreparedBatch(entries, decisions, posted_at, columns, description_salts)


def _known_accounts(entry: NewEntry, accounts: Mapping[str, KnownAccount]) -> list[KnownAccount] | None:
    try:
        return [accounts[posting.account] for posting in entry.postings]
    except KeyError:
        return None


def _static_code(entry: NewEntry, known: list[KnownAccount] | None) -> ResultCode:
    if known is None:
        return ResultCode.ACCOUNT_NOT_FOUND
    return ResultCode.POSTED if _balances(entry, known) else ResultCode.UNBALANCED


def _balances(entry: NewEntry, known: list[KnownAccount]) -> bool:
    postings = entry.postings
    if len(postings) == 2:
        first, second = postings
        same_asset = known[0].asset == known[1].asset
        return same_asset and first.amount == second.amount and first.side is not second.side
    totals: dict[str, int] = {}
    for posting, account in zip(postings, known, strict=True):
        signed = posting.amount if posting.side is Side.DEBIT else -posting.amount
        totals[account.asset] = totals.get(account.asset, 0) + signed
    return not any(totals.values())


def _posting_fields(entry: NewEntry, known: list[KnownAccount] | None) -> list[bytes]:
    """Return the canonical fields of the postings; they make both the leaf and the request hash.

    An unknown account has no asset: its fields only have to differ from those of every entry ever posted.
    """
    if known is None:
        return [encode_posting(encode_account(p.account, "", 0), p.side, p.amount) for p in entry.postings]
    return [encode_posting(k.fields, p.side, p.amount) for k, p in zip(known, entry.postings, strict=True)]


def _decide(
    entries: Sequence[NewEntry],
    known: Sequence[list[KnownAccount] | None],
    codes: Sequence[ResultCode],
    decider: Decider,
    now: datetime,
) -> list[Decision]:
    asked = [i for i, code in enumerate(codes) if code is ResultCode.POSTED]
    facts = [[account.facts for account in known[i] or ()] for i in asked]
    answers = decider.decide([entries[i] for i in asked], facts, now) if asked else ()
    assert len(answers) == len(asked)
    if len(asked) == len(entries):
        return list(answers)
    decisions = [_NO_DECISION] * len(entries)
    for i, decision in zip(asked, answers, strict=True):
        decisions[i] = decision
    return decisions


def _salts(count: int, random_bytes: Callable[[int], bytes]) -> list[bytes]:
    drawn = random_bytes(SALT_BYTES * count)
    return [drawn[start : start + SALT_BYTES] for start in range(0, SALT_BYTES * count, SALT_BYTES)]


def _earlier(keys: Sequence[bytes]) -> list[int]:
    """Return for each item the number (from 1) of the last item before it with the same key, 0 for none."""
    if len(set(keys)) == len(keys):
        return [0] * len(keys)
    latest: dict[bytes, int] = {}
    earlier = []
    for number, key in enumerate(keys, 1):
        earlier.append(latest.get(key, 0))
        latest[key] = number
    return earlier


def _holds(entries: Sequence[NewEntry]) -> pack.PackedUuid | None:
    if all(entry.hold_id is None for entry in entries):
        return None
    return pack.pack_optional_uuids([entry.hold_id.bytes if entry.hold_id else None for entry in entries])


def _postings(
    entries: Sequence[NewEntry], known: Sequence[list[KnownAccount] | None], codes: Sequence[ResultCode]
) -> tuple[pack.Packed, ...]:
    """Return the columns account, first, last, slot, posting account and amount (debit above zero).

    An item that is refused already has no postings here: its last comes before its first.
    """
    live = [found if code is ResultCode.POSTED else None for found, code in zip(known, codes, strict=True)]
    last = list(accumulate(len(found) if found is not None else 0 for found in live))
    first = [1, *(end + 1 for end in last[:-1])]
    account_of = [account.id for found in live if found is not None for account in found]
    amounts = [
        posting.amount if posting.side is Side.DEBIT else -posting.amount
        for entry, found in zip(entries, live, strict=True)
        if found is not None
        for posting in entry.postings
    ]
    slots = {account: slot for slot, account in enumerate(dict.fromkeys(account_of), 1)}
    return (
        pack.pack_int8(list(slots)),
        pack.pack_int4(first),
        pack.pack_int4(last),
        pack.pack_int4([slots[account] for account in account_of]),
        pack.pack_int8(account_of),
        pack.pack_int8(amounts),
    )
