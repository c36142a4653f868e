"""Batches become columns: refusals that need no balances, repeats, slots; and packed arrays that psycopg
itself reads back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import Transformer
from psycopg.pq import Format

from ledger import pack
from ledger.account import AccountFacts, Side
from ledger.batch import KnownAccount, PreparedBatch, prepare_batch
from ledger.journal import NewEntry, Posting, ResultCode, transfer
from ledger.money import Asset
from tests.support.books import START, PlainRules, key

COLUMN = {name: place for place, name in enumerate((
    "posted_at", "key", "request_hash", "effective_at", "settlement", "commitment", "salt", "decision_id", "outcome",
    "decision_leaf", "body", "code", "earlier", "hold", "account", "first", "last", "slot", "posting_account", "amount",
))}  # fmt: skip

ACCOUNTS = {
    name: KnownAccount.of(AccountFacts(number, name, Asset(asset, 2), Side.CREDIT))
    for number, (name, asset) in enumerate((("a", "EUR"), ("b", "EUR"), ("c", "USD")), 11)
}


def unpack(packed: pack.Packed) -> list[Any]:
    transformer = Transformer()
    return transformer.get_loader(packed.array_type, Format.BINARY).load(packed.data)  # type: ignore[no-any-return]


def prepare(*entries: NewEntry, rules: PlainRules | None = None) -> tuple[PreparedBatch, dict[str, list[Any]]]:
    batch = prepare_batch(
        entries, accounts=ACCOUNTS, decider=rules or PlainRules(), posted_at=START, random_bytes=lambda n: b"s" * n
    )
    columns = {
        name: unpack(batch.columns[place])
        for name, place in COLUMN.items()
        if isinstance(batch.columns[place], pack.Packed)
    }
    return batch, columns


def test_refusals_that_need_no_balances_are_found_here() -> None:
    crossed = transfer(key(2), "a", "c", 5)
    one_sided = NewEntry(key(3), (Posting("a", Side.DEBIT, 5), Posting("b", Side.DEBIT, 5)))
    _, columns = prepare(transfer(key(1), "a", "b", 5), crossed, one_sided, transfer(key(4), "a", "x", 5))
    assert columns["code"] == [
        ResultCode.POSTED,
        ResultCode.UNBALANCED,
        ResultCode.UNBALANCED,
        ResultCode.ACCOUNT_NOT_FOUND,
    ]


def test_rules_see_only_what_may_be_posted() -> None:
    asked: list[NewEntry] = []

    class Watching(PlainRules):
        def decide(self, entries: Sequence[NewEntry], accounts: Sequence[Sequence[AccountFacts]], now: datetime) -> Any:
            asked.extend(entries)
            assert [[facts.reference for facts in each] for each in accounts] == [["a", "b"]]
            return super().decide(entries, accounts, now)

    good = transfer(key(2), "a", "b", 5)
    prepare(transfer(key(1), "a", "x", 5), good, rules=Watching())
    assert asked == [good]


def test_postings_are_numbered_by_slots_in_order_of_appearance() -> None:
    split = NewEntry(key(3), (Posting("b", Side.DEBIT, 3), Posting("a", Side.CREDIT, 1), Posting("a", Side.CREDIT, 2)))
    _, columns = prepare(transfer(key(1), "a", "b", 5), transfer(key(2), "a", "x", 5), split)
    assert columns["account"] == [11, 12]
    assert (columns["first"], columns["last"]) == ([1, 3, 3], [2, 2, 5])
    assert columns["slot"] == [1, 2, 2, 1, 1]
    assert columns["posting_account"] == [11, 12, 12, 11, 11]
    assert columns["amount"] == [5, -5, 3, -1, -2]


def test_repeated_keys_point_to_the_item_before() -> None:
    numbers = (1, 2, 1, 3, 1, 2)
    _, columns = prepare(*(transfer(key(n), "a", "b", 5) for n in numbers))
    assert columns["earlier"] == [0, 0, 1, 0, 3, 2]


def test_optional_columns_are_null_where_absent() -> None:
    plain = transfer(key(1), "a", "b", 5)
    full = transfer(key(2), "a", "b", 5, settlement_id="s", description="d", hold_id=key(9))
    batch, columns = prepare(plain, full)
    assert columns["settlement"] == [None, "s"]
    assert columns["commitment"][0] is None and len(columns["commitment"][1]) == 32
    assert columns["hold"] == [None, key(9)]
    assert batch.descriptions == {1: b"s" * 32}
    assert prepare(plain)[0].columns[COLUMN["hold"]] is None


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_packed_integers_are_read_back(values: list[int]) -> None:
    assert unpack(pack.pack_int8(values)) == values


@given(st.lists(st.one_of(st.none(), st.binary(max_size=40))))
def test_packed_bytes_are_read_back(values: list[bytes | None]) -> None:
    assert unpack(pack.pack_bytes(values)) == values


@given(st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))))
def test_packed_texts_are_read_back(values: list[str | None]) -> None:
    assert unpack(pack.pack_texts(values)) == values


@given(st.lists(st.uuids()))
def test_packed_uuids_are_read_back(values: list[uuid.UUID]) -> None:
    assert unpack(pack.pack_uuids([value.bytes for value in values])) == values
    assert unpack(pack.pack_optional_uuids([value.bytes for value in values])) == values


@pytest.mark.parametrize("moment", [START, datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)])
def test_packed_times_are_read_back(moment: datetime) -> None:
    from ledger.journal import microseconds

    assert unpack(pack.pack_times([microseconds(moment)])) == [moment]
