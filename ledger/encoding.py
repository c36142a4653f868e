"""Gives the accepted entries of a batch their decisions, leaves, rows and answers. Pure but for the injected chance.

Each entry is encoded once: the bytes that are hashed are joined from pieces that accounts carry ready made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat

import numpy as np

from ledger.account import Side
from ledger.canonical import (
    PREFIXES,
    SALT_BYTES,
    VERSION,
    derive_salts,
    description_commitment,
    encode_body,
    encode_extension,
    field,
    metadata_commitment,
)
from ledger.copy_rows import (
    CAPTURE_COLUMNS,
    OTHER_COLUMNS,
    STAMP_COLUMNS,
    TRANSFER_COLUMNS,
    columns_of,
    encode_row,
    encode_transfer,
    int2,
    int4,
    int8,
)
from ledger.decision import AcceptedEntries, Debits, Decider, Decision
from ledger.journal import (
    REQUEST_HASH_BYTES,
    EntryResult,
    NewEntry,
    Outcome,
    ResultCode,
    microseconds,
    request_hash,
)
from ledger.pack import POSTGRES_EPOCH_US, pack_int2, pack_int8
from ledger.prepared import Judged, PreparedBatch, hash_request, judged_alone, legs_asked
from ledger.run_encoding import Stamps, encode_run
from ledger.run_judge import JudgedRun
from ledger.state import State

_PREFIX = PREFIXES[VERSION]
_OUTCOMES = (None, *Outcome)


def encode_batch(
    state: State,
    batch: PreparedBatch,
    decider: Decider,
    random_bytes: Callable[[int], bytes],
    actors: Mapping[str, int],
) -> None:
    """Fill in decisions, leaves, rows and answers of a judged batch.

    Args:
        state: the copy of the books that it was judged on.
        decider: the compliance rules.
        random_bytes: source of secrets that salts follow from, and of salts of texts.
        actors: numbers of actors, by name.
    """
    if not batch.places:
        return
    accepted = batch.accepted = accepted_entries(state, batch)
    decisions = accepted.decisions = decider.decide(accepted, batch.posted_at)
    assert len(decisions.outcomes) == len(accepted)
    posted_us, batch.salt_secret = microseconds(batch.posted_at), random_bytes(SALT_BYTES)
    salts = derive_salts(batch.salt_secret, batch.first_seq, len(accepted))
    stamps = Stamps(posted_us, accepted.keys, decisions, salts)
    apart = len(batch.partitions) > 1 or batch.few
    other = _OtherEncoder(batch, posted_us, random_bytes, actors)
    leaves: list[bytes] = []
    for judged in batch.judged:
        first = len(leaves)
        if isinstance(judged, JudgedRun):
            found, rows = encode_run(state, judged, stamps.part(first, first + len(judged.legs.entries)), apart=apart)
            leaves += found
            for columns, more in rows.items():
                batch.rows.setdefault(columns, []).extend(more)
            alone = [(first + place, judged_alone(state, judged, place)) for place in judged.heads]
        else:
            leaves.append(b"")
            alone = [(first, judged)]
        for place, each in alone:
            salt = salts[place * SALT_BYTES : (place + 1) * SALT_BYTES]
            leaves[place], columns, row = other.encode(batch.first_seq + place, each, decisions.at(place), salt)
            batch.rows.setdefault(columns, []).append(row)
    accepted.leaves = b"".join(leaves)
    _answer(batch, decisions.outcomes, leaves)


def _answer(batch: PreparedBatch, outcomes: bytes, leaves: Sequence[bytes]) -> None:
    seqs = range(batch.first_seq, batch.last_seq + 1)
    told = zip(repeat(ResultCode.POSTED), seqs, map(_OUTCOMES.__getitem__, outcomes), leaves, repeat(""))
    # What a named tuple's own constructor does, without its detour: there is one for each entry.
    for at, answer in zip(batch.places, map(tuple.__new__, repeat(EntryResult), told), strict=True):
        batch.results[at] = answer


def accepted_entries(state: State, batch: PreparedBatch) -> AcceptedEntries:
    """Return the accepted entries of a judged batch as the rules of the decision see them."""
    entries: list[NewEntry] = []
    places, assets, amounts = [], [], []
    for judged in batch.judged:
        if isinstance(judged, JudgedRun):
            legs = judged.legs
            debits = np.flatnonzero(legs.amount > 0)
            places.append(len(entries) + legs.entry[debits])
            assets.append(state.columns.views().asset_id[legs.row[debits]])
            amounts.append(legs.amount[debits])
            entries += legs.entries
        else:
            found = [
                (len(entries), account.asset_id, posting.amount)
                for posting, account in legs_asked(judged)
                if posting.side is Side.DEBIT
            ]
            for column, values in zip((places, assets, amounts), zip(*found, strict=True), strict=True):
                column.append(np.array(values))
            entries.append(judged.entry)
    own = np.concatenate(assets)
    numbers = sorted(set(own.tolist()))
    which, known = np.searchsorted(numbers, own), [state.assets[number] for number in numbers]
    keys = b"".join([key.to_bytes(16, "big") for key in batch.keys])
    return AcceptedEntries(
        batch.first_seq, entries, keys, Debits(np.concatenate(places), which, np.concatenate(amounts), known)
    )


class _OtherEncoder:
    """Encodes entries that have more than two postings, or anything beside them."""

    def __init__(
        self, batch: PreparedBatch, posted_us: int, random_bytes: Callable[[int], bytes], actors: Mapping[str, int]
    ) -> None:
        self._batch = batch
        self._posted_us = posted_us
        self._random_bytes = random_bytes
        self._actors = actors

    def encode(self, seq: int, judged: Judged, decision: Decision, salt: bytes) -> tuple[bytes, tuple[str, ...], bytes]:
        """Return leaf, and columns and values of the row."""
        entry, key, postings = judged.entry, judged.entry.key.bytes, judged.postings
        effective_us = microseconds(entry.effective_at) if entry.effective_at is not None else self._posted_us
        description, metadata = self._commit_texts(seq, entry)
        fields = [
            account.head_of(posting.side) + posting.amount.to_bytes(8, "big")
            for posting, account in zip(postings, judged.accounts, strict=True)
        ]
        if judged.asked:
            asked = hash_request(entry, judged.asked)[:REQUEST_HASH_BYTES]
        else:
            asked = request_hash(entry, fields if postings is entry.postings else fields[::-1])[:REQUEST_HASH_BYTES]
        hold = entry.hold_id.bytes if entry.hold_id is not None else b""
        body = encode_body(
            key, self._posted_us, effective_us, fields, entry.settlement_id, description, decision.id,
            decision.outcome, decision.leaf,
        )  # fmt: skip
        body += encode_extension(entry.actor, metadata, entry.reverses, hold, judged.chain_seq) + field(judged.refusals)
        leaf = hashlib.sha256(b"\x00" + salt + _PREFIX + int8(seq) + body).digest()
        beside = {
            name: value
            for name, value in (
                ("settlement_id", entry.settlement_id.encode()),
                ("description_commitment", description),
                ("metadata_commitment", metadata),
                ("hold_id", hold),
                ("actor_id", int4(self._actors[entry.actor]) if entry.actor else b""),
                ("reverses", int8(entry.reverses) if entry.reverses is not None else b""),
                ("chain_seq", int8(judged.chain_seq) if judged.chain_seq is not None else b""),
                ("refusals", judged.refusals),
            )
            if value
        }
        posted_us, effective_us = self._posted_us - POSTGRES_EPOCH_US, effective_us - POSTGRES_EPOCH_US
        columns = columns_of(entry)
        is_divided = len(postings) != len(entry.postings)
        if beside or is_divided:
            columns = CAPTURE_COLUMNS if len(postings) == 2 and beside.keys() == {"hold_id"} else OTHER_COLUMNS
        stamps: tuple[int | bytes, ...] = (
            seq, posted_us, key, decision.id, decision.outcome, decision.leaf, leaf,
        )  # fmt: skip
        if len(postings) == 2:
            told = () if columns is TRANSFER_COLUMNS else (asked, effective_us)
            return leaf, columns, encode_transfer(columns, (*stamps, *_two(judged), *told), beside)
        values = dict(zip(STAMP_COLUMNS, map(_binary, stamps), strict=True))
        values |= {"request_hash": asked, "effective_at": int8(effective_us)}
        values["decision_outcome"] = int2(decision.outcome)
        return leaf, columns, encode_row(columns, values | _arrays(judged) | beside)

    def _commit_texts(self, seq: int, entry: NewEntry) -> tuple[bytes, bytes]:
        """Return the commitments to description and metadata, empty for none, and keep their salts for the commit."""
        description = metadata = b""
        if entry.description:
            salt = self._random_bytes(SALT_BYTES)
            description = description_commitment(salt, entry.description)
            self._batch.descriptions.append((seq, salt, entry.description))
        if entry.metadata:
            salt = self._random_bytes(SALT_BYTES)
            metadata = metadata_commitment(salt, entry.metadata)
            self._batch.metadata.append((seq, salt, entry.metadata))
        return description, metadata


def _binary(value: int | bytes) -> bytes:
    return value if isinstance(value, bytes) else int8(value)


def _two(judged: Judged) -> tuple[int, ...]:
    """Return what the columns of two postings hold, in their order."""
    debit, credit = judged.accounts
    return debit.id, credit.id, judged.postings[0].amount, *judged.balances, *judged.previous, debit.asset_id


def _arrays(judged: Judged) -> dict[str, bytes]:
    accounts = judged.accounts
    signed = [posting.amount if posting.side is Side.DEBIT else -posting.amount for posting in judged.postings]
    return {
        "posting_account": pack_int8([account.id for account in accounts]).data,
        "posting_asset": pack_int2([account.asset_id for account in accounts]).data,
        "posting_amount": pack_int8(signed).data,
        "posting_balance": pack_int8(judged.balances).data,
        "posting_previous": pack_int8(judged.previous).data,
    }
