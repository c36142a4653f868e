"""Gives the accepted entries of a batch their decisions, leaves, rows and answers. Pure but for the injected chance.

Each entry is encoded once: the bytes that are hashed are joined from pieces that accounts carry ready made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from ledger.account import AccountFacts, Side
from ledger.canonical import (
    PLAIN_EXTENSION,
    PREFIXES,
    SALT_BYTES,
    VERSION,
    description_commitment,
    encode_body,
    encode_extension,
    field,
    metadata_commitment,
)
from ledger.copy_rows import (
    BESIDE_COLUMNS,
    NO_ARRAYS,
    OTHER_COLUMNS,
    PLAIN_COLUMNS,
    encode_row,
    encode_values,
    int2,
    int4,
    int8,
    pack_plain_row,
)
from ledger.journal import (
    PLAIN_REQUEST_HEAD,
    PLAIN_REQUEST_TAIL,
    AcceptedEntry,
    Decider,
    Decision,
    EntryResult,
    NewEntry,
    Outcome,
    ResultCode,
    microseconds,
    request_hash,
)
from ledger.pack import POSTGRES_EPOCH_US, pack_int2, pack_int8
from ledger.prepared import Judged, PlainJudged, PreparedBatch, accounts_of, in_order

REQUEST_HASH_BYTES = 16
"""So much of a request's hash is kept: two bodies of one caller that agree in it would harm only him."""

_LEAF = b"\x00"
_PREFIX = PREFIXES[VERSION]
_KEY = b"\x00\x10"
_TWO = b"\x00\x02\x00\x02"
_NO_TEXTS = b"\x00\x00\x00\x00\x00\x10"
_OUTCOMES = {outcome: b"\x00\x01" + bytes([outcome]) + b"\x00\x20" for outcome in Outcome}


def encode_batch(
    batch: PreparedBatch, decider: Decider, random_bytes: Callable[[int], bytes], actors: Mapping[str, int]
) -> None:
    """Fill in decisions, leaves, rows and answers of a judged batch.

    Args:
        decider: the compliance rules.
        random_bytes: source of salts.
        actors: numbers of actors, by name.
    """
    if not batch.judged:
        return
    entries = [judged[1] for judged in batch.judged]
    facts = [_facts_of(judged) for judged in batch.judged]
    decisions = decider.decide(entries, facts, batch.posted_at)
    assert len(decisions) == len(entries)
    drawn = random_bytes(SALT_BYTES * len(entries))
    salts = [drawn[at : at + SALT_BYTES] for at in range(0, len(drawn), SALT_BYTES)]
    posted_us = microseconds(batch.posted_at)
    plain = _plain_encoder(posted_us)
    other = _OtherEncoder(batch, posted_us, random_bytes, actors)
    leaves, accepted, results = [], batch.accepted, batch.results
    # What a named tuple's own constructor does, without its detour: there are two for each entry.
    new = tuple.__new__
    seq = batch.first_seq
    for judged, decision, salt in zip(batch.judged, decisions, salts, strict=True):
        if isinstance(judged, Judged):
            leaf, row = other.encode(seq, judged, decision, salt)
            batch.other_rows.append(row)
        else:
            leaf, row = plain(seq, judged, decision, salt)
            batch.plain_rows.append(row)
        leaves.append(leaf)
        accepted.append(new(AcceptedEntry, (seq, judged[1], decision, leaf)))
        results[judged[0]] = new(EntryResult, (ResultCode.POSTED, seq, decision[1], leaf, ""))
        seq += 1
    batch.leaves = b"".join(leaves)


def _facts_of(judged: PlainJudged | Judged) -> Sequence[AccountFacts]:
    """Return the facts of the accounts, in the order of the request."""
    if isinstance(judged, Judged):
        return [account.facts for account in accounts_of(judged)]
    return (judged[3].facts, judged[2].facts) if judged[9] else (judged[2].facts, judged[3].facts)


def _plain_encoder(posted_us: int) -> Callable[[int, PlainJudged, Decision, bytes], tuple[bytes, bytes]]:
    """Return the function that encodes plain entries of one time: leaf and row."""
    time = int8(posted_us)
    # A plain entry counts for the moment of its posting.
    times = b"\x00\x08" + time + b"\x00\x08" + time + _TWO
    row_us = posted_us - POSTGRES_EPOCH_US
    sha256, columns = hashlib.sha256, len(PLAIN_COLUMNS)

    def encode(seq: int, judged: PlainJudged, decision: Decision, salt: bytes) -> tuple[bytes, bytes]:
        _, entry, debit, credit, amount, debit_balance, credit_balance, debit_before, credit_before, swapped = judged
        key = entry.key.int.to_bytes(16, "big")
        tail = amount.to_bytes(8, "big")
        debited, credited = debit.debit_head + tail, credit.credit_head + tail
        decision_id, outcome, decision_leaf, _ = decision
        leaf = sha256(
            b"".join(
                (
                    _LEAF, salt, _PREFIX, seq.to_bytes(8, "big"), _KEY, key, times, debited, credited, _NO_TEXTS,
                    decision_id, _OUTCOMES[outcome], decision_leaf, PLAIN_EXTENSION,
                )
            )
        ).digest()  # fmt: skip
        both = credited + debited if swapped else debited + credited
        asked = sha256(PLAIN_REQUEST_HEAD + both + PLAIN_REQUEST_TAIL).digest()
        row = pack_plain_row(
            columns, 8, seq, 8, row_us, 8, row_us, 8, debit.id, 8, credit.id, 8, amount, 8, debit_balance, 8,
            credit_balance, 8, debit_before, 8, credit_before, 2, debit.asset_id, 2, outcome, 16, key,
            REQUEST_HASH_BYTES, asked, 16, decision_id, 32, decision_leaf, 32, salt, 32, leaf,
        )  # fmt: skip
        return leaf, row

    return encode


class _OtherEncoder:
    """Encodes entries that have more than two postings, or anything beside them."""

    def __init__(
        self, batch: PreparedBatch, posted_us: int, random_bytes: Callable[[int], bytes], actors: Mapping[str, int]
    ) -> None:
        self._batch = batch
        self._posted_us = posted_us
        self._random_bytes = random_bytes
        self._actors = actors

    def encode(self, seq: int, judged: Judged, decision: Decision, salt: bytes) -> tuple[bytes, bytes]:
        """Return leaf and row."""
        entry, key, postings = judged.entry, judged.entry.key.bytes, in_order(judged.entry)
        effective_us = microseconds(entry.effective_at) if entry.effective_at is not None else self._posted_us
        description, metadata = self._commit_texts(seq, entry)
        fields = [
            account.head_of(posting.side) + posting.amount.to_bytes(8, "big")
            for posting, account in zip(postings, judged.accounts, strict=True)
        ]
        asked = request_hash(entry, fields if postings is entry.postings else fields[::-1])[:REQUEST_HASH_BYTES]
        hold = entry.hold_id.bytes if entry.hold_id is not None else b""
        body = encode_body(
            key, self._posted_us, effective_us, fields, entry.settlement_id, description, decision.id,
            decision.outcome, decision.leaf,
        )  # fmt: skip
        body += encode_extension(entry.actor, metadata, entry.reverses, hold, judged.chain_seq) + field(judged.refusals)
        leaf = hashlib.sha256(_LEAF + salt + _PREFIX + int8(seq) + body).digest()
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
        times = self._posted_us - POSTGRES_EPOCH_US, effective_us - POSTGRES_EPOCH_US
        if len(postings) == 2:
            (debit, credit), (balances, previous) = judged.accounts, (judged.balances, judged.previous)
            row = pack_plain_row(
                len(OTHER_COLUMNS), 8, seq, 8, times[0], 8, times[1], 8, debit.id, 8, credit.id, 8,
                postings[0].amount, 8, balances[0], 8, balances[1], 8, previous[0], 8, previous[1], 2, debit.asset_id,
                2, decision.outcome, 16, key, REQUEST_HASH_BYTES, asked, 16, decision.id, 32, decision.leaf, 32, salt,
                32, leaf,
            )  # fmt: skip
            return leaf, row + NO_ARRAYS + encode_values(BESIDE_COLUMNS, beside)
        values = {
            "seq": int8(seq),
            "posted_at": int8(times[0]),
            "effective_at": int8(times[1]),
            "key": key,
            "request_hash": asked,
            "decision_id": decision.id,
            "decision_outcome": int2(decision.outcome),
            "decision_leaf": decision.leaf,
            "salt": salt,
            "leaf": leaf,
        }
        return leaf, encode_row(values | _arrays(judged) | beside)

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


def _arrays(judged: Judged) -> dict[str, bytes]:
    accounts = judged.accounts
    signed = [posting.amount if posting.side is Side.DEBIT else -posting.amount for posting in judged.entry.postings]
    return {
        "posting_account": pack_int8([account.id for account in accounts]).data,
        "posting_asset": pack_int2([account.asset_id for account in accounts]).data,
        "posting_amount": pack_int8(signed).data,
        "posting_balance": pack_int8(judged.balances).data,
        "posting_previous": pack_int8(judged.previous).data,
    }
