"""Aim: ranges, statements, day closes and growth of the log are proved to a stranger, and no more is claimed.

Method: two organizations with their own databases, the real writer, contracts and services on an in-memory channel;
what the bank's node gives is verified with the genesis hash alone; rows are changed behind the writer's back.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from nacl.signing import SigningKey

from ledger.account import Side
from ledger.balances import open_account
from ledger.journal import transfer
from network.bundle_claims import VerifiedClaim
from network.bundle_many import NOTHING, Sums
from network.bundle_verifier import BundleVerifier
from network.checkpoint import Checkpoint, sign_checkpoint
from network.errors import ProofError, RpcError
from network.merkle import leaf_hash, root, split_hashes
from network.pb.dwaybank.audit.v1 import proofs_pb2 as pb
from network.rpc import StatusCode
from node.anchor.sealer import log_origin
from node.audit.entry_fields import read_entry
from tests.support.books import key
from tests.support.consortium_in_memory import (
    BANK,
    PARTNER,
    REGULATOR,
    ConsortiumInMemory,
    Material,
    make_material,
)
from tests.support.trails import Handlers, World, post, running_world


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture
async def world(material: Material, database_url: str, regulator_url: str) -> AsyncIterator[World]:
    async with running_world(ConsortiumInMemory(material), database_url, regulator_url) as found:
        yield found


async def bundle_of(world: World, method: str, handlers: Handlers | None = None, **fields: Any) -> bytes:
    request: Message = getattr(pb, f"{method}Request")(**fields)
    caller = REGULATOR if handlers is world.regulator_handlers else BANK
    reply: Any = await world.prove(
        handlers or world.bank_handlers, caller, method, request, getattr(pb, f"{method}Response")
    )
    found: bytes = reply.bundle
    return found


def verified(world: World, bundle: bytes) -> VerifiedClaim:
    proved = BundleVerifier(world.consortium.genesis_hash, read=read_entry).verify(bundle, datetime.now(UTC))
    assert isinstance(proved, VerifiedClaim)
    return proved


def reason(world: World, bundle: bytes) -> str:
    with pytest.raises(ProofError) as caught:
        verified(world, bundle)
    return caught.value.reason


def bent(bundle: bytes, *path: str | int, to: Any) -> bytes:
    value = json.loads(bundle)
    place = value
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(value).encode()


def stamp(moment: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(moment)
    return found


async def test_every_range_of_a_log_is_proved_whole(world: World) -> None:
    for count in (3, 5, 1):
        post(world.writer, *range(1, count + 1))
        await world.settle()
    for first in range(1, 10):
        for last in range(first, 10):
            proved = verified(world, await bundle_of(world, "ProveRange", from_seq=first, to_seq=last))
            assert proved.range is not None
            assert (proved.range.first, proved.range.last, proved.range.withheld) == (first, last, 0)
            assert (proved.word, len(proved.range.items)) == ((), last - first + 1)
    whole = verified(world, await bundle_of(world, "ProveRange"))
    assert whole.range is not None
    assert (whole.range.last, whole.heads[0].size, whole.heads[0].state) == (9, 9, "attested")


async def test_entries_withheld_are_counted_and_told(world: World) -> None:
    post(world.writer, *range(1, 8))
    await world.settle()
    some = verified(world, await bundle_of(world, "ProveRange", from_seq=2, to_seq=6, shown_seqs=[3, 5]))
    none = verified(world, await bundle_of(world, "ProveRange", leaves_only=True))
    assert some.range is not None
    assert none.range is not None
    assert (some.range.withheld, none.range.withheld) == (3, 7)
    assert some.word == none.word == ("withheld_entries",)


async def test_missing_entry_or_another_in_its_place_is_refused(world: World) -> None:
    post(world.writer, *range(1, 8))
    await world.settle()
    bundle = await bundle_of(world, "ProveRange", from_seq=2, to_seq=6)
    items = json.loads(bundle)["range"]["entries"]
    assert reason(world, bent(bundle, "range", "entries", to=items[:-1])) == "wrong_range"
    assert reason(world, bent(bundle, "range", "entries", to=[*items[:2], items[1], *items[3:]])) == "wrong_inclusion"
    assert reason(world, bent(bundle, "range", "from", to=3)) == "wrong_range"
    assert reason(world, bent(bundle, "range", "proof", to=[])) == "wrong_proof_length"
    moved = {"from": 3, "to": 7, "entries": items, "proof": json.loads(bundle)["range"]["proof"]}
    assert reason(world, bent(bundle, "range", to=moved)) in ("wrong_inclusion", "wrong_proof_length")


async def test_statement_from_the_first_entry_on_rests_on_nothing(world: World) -> None:
    post(world.writer, 100, 250)
    with psycopg.connect(world.bank_url, autocommit=True) as connection:
        open_account(connection, "bob", "EUR", Side.DEBIT, floor=None, now=datetime.now(UTC))
    world.writer.post([transfer(key(50), "cash", "bob", 40), transfer(key(51), "alice", "bob", 7)])
    await world.settle()
    proved = verified(world, await bundle_of(world, "ProveAccount", account="bob", asset="EUR"))
    assert proved.statement is not None
    assert (proved.statement.opening, proved.word) == (NOTHING, ())
    assert [line.seq for line in proved.statement.lines] == [3, 4]
    with psycopg.connect(world.bank_url) as connection:
        query = "SELECT side, sum(amount) FROM ledger.posting_view WHERE account = 'bob' GROUP BY side"
        told = dict(connection.execute(query).fetchall())
    assert proved.statement.closing == Sums(int(told.get(1, 0)), int(told.get(2, 0)))
    assert sum(told.values()) == 47


async def test_statement_of_a_later_range_names_what_is_the_banks_word(world: World) -> None:
    post(world.writer, 100, 250)
    post(world.writer, 7, 8)
    await world.settle()
    bundle = await bundle_of(world, "ProveAccount", account="alice", asset="EUR", from_seq=3, to_seq=4)
    proved = verified(world, bundle)
    assert proved.statement is not None
    assert proved.word == ("opening_balances",)
    whole = verified(world, await bundle_of(world, "ProveAccount", account="alice", asset="EUR")).statement
    assert whole is not None
    assert proved.statement.closing == whole.closing != proved.statement.opening
    with psycopg.connect(world.bank_url, autocommit=True) as connection:
        open_account(connection, "unused", "EUR", Side.DEBIT, floor=None, now=datetime.now(UTC))
    only = await bundle_of(world, "ProveAccount", account="unused", asset="EUR", touching_only=True)
    assert verified(world, only).word == ("withheld_entries",)
    assert reason(world, bent(bundle, "statement", "debits", to="1")) == "wrong_totals"
    assert reason(world, bent(bundle, "statement", "count", to=1)) == "wrong_totals"
    assert reason(world, bent(bundle, "statement", "withheld", to=1)) == "wrong_totals"


async def test_leaving_an_entry_out_of_a_statement_cannot_be_hidden(world: World) -> None:
    post(world.writer, 100, 250, 30)
    await world.settle()
    bundle = await bundle_of(world, "ProveAccount", account="alice", asset="EUR")
    value = json.loads(bundle)
    leaves = json.loads(await bundle_of(world, "ProveRange", leaves_only=True))["range"]["entries"]
    value["range"]["entries"][1] = leaves[1]
    value["statement"].update(count=2, withheld=1)
    sums = verified(world, bundle).statement
    assert sums is not None
    for side, moved in (("debits", sums.moved.debits), ("credits", sums.moved.credits)):
        value["statement"][side] = str(moved - 250 if moved else 0)
    assert verified(world, json.dumps(value).encode()).word == ("withheld_entries",)
    value["statement"]["withheld"] = 0
    assert reason(world, json.dumps(value).encode()) == "wrong_totals"


async def test_day_close_follows_from_entries_and_anchored_control_totals(world: World) -> None:
    for count in (2, 3, 4):
        post(world.writer, *range(1, count + 1))
        await world.settle()
    proved = verified(world, await bundle_of(world, "ProvePeriod"))
    assert proved.period is not None
    assert (proved.period.count, proved.period.totals, proved.word) == (9, {"EUR": Sums(19, 19)}, ())
    accounts = {account: moved for account, _, _, moved in proved.period.balances}
    assert accounts["cash"].debits + accounts["alice"].debits == 19
    bundle = await bundle_of(world, "ProvePeriod")
    assert reason(world, bent(bundle, "period", "totals", "EUR", "debits", to="20")) == "wrong_totals"
    assert reason(world, bent(bundle, "period", "balances", 0, "account", to="else")) == "wrong_totals"
    assert reason(world, bent(bundle, "period", "closing", "totals", to="{}")) == "wrong_controls"


@pytest.mark.every_postgres
async def test_period_of_time_is_bounded_by_entries_outside_it(world: World) -> None:
    moments = []
    for count in (2, 3, 4):
        moments.append(datetime.now(UTC))
        post(world.writer, *[5] * count)
        await world.settle()
    begin, end = moments[1], moments[2]
    bundle = await bundle_of(world, "ProvePeriod", begin=stamp(begin), end=stamp(end))
    proved = verified(world, bundle)
    assert proved.period is not None
    assert (proved.period.count, proved.period.totals) == (3, {"EUR": Sums(15, 15)})
    assert proved.word[-1] == "posting_times"
    opening = {account: sums for account, _, sums, _ in proved.period.balances}
    assert opening["cash"] + opening["alice"] == Sums(10, 10)
    statement = await bundle_of(world, "ProveAccount", account="alice", asset="EUR", begin=stamp(begin), end=stamp(end))
    found = verified(world, statement).statement
    assert found is not None
    assert [line.seq for line in found.lines] == [3, 4, 5]
    later = int((moments[2] + timedelta(hours=1)).timestamp() * 1_000_000)
    assert reason(world, bent(statement, "statement", "end", to=later)) == "period_not_covered"
    open_ended = await bundle_of(world, "ProveAccount", account="alice", asset="EUR", begin=stamp(begin))
    assert reason(world, bent(open_ended, "statement", "end", to=later)) == "period_open"
    with pytest.raises(RpcError, match="once an entry that was posted after it"):
        await bundle_of(world, "ProvePeriod", end=stamp(datetime.now(UTC) + timedelta(days=1)))


async def test_growth_of_a_log_is_proved_by_its_bank_and_by_whoever_mirrors_it(world: World) -> None:
    for count in (2, 3, 4):
        post(world.writer, *[5] * count)
        await world.settle()
    own = verified(world, await bundle_of(world, "ProveConsistency"))
    other = verified(
        world, await bundle_of(world, "ProveConsistency", world.regulator_handlers, organization=BANK, old_size=5)
    )
    assert [head.size for head in own.heads] == [2, 9]
    assert [head.size for head in other.heads] == [5, 9]
    for fields in ({"old_size": 3}, {"old_size": 9, "new_size": 5}, {"old_size": 9, "new_size": 9}):
        with pytest.raises(RpcError) as caught:
            await bundle_of(world, "ProveConsistency", **fields)
        assert caught.value.code == StatusCode.INVALID_ARGUMENT


async def test_second_head_under_the_logs_key_convicts_its_bank(world: World) -> None:
    post(world.writer, 1, 2, 3)
    await world.settle()
    origin = log_origin(BANK)
    note = sign_checkpoint(Checkpoint(origin, 3, bytes(32)), origin, SigningKey(bytes(31) + b"\x01"))
    bundle = await bundle_of(world, "ProveFork", world.regulator_handlers, organization=BANK, note=note)
    proved = verified(world, bundle)
    assert proved.fork is not None
    assert (proved.fork.first.root, proved.fork.anchored, proved.word) == (bytes(32), (False, True), ())
    anchored = json.loads(bundle)["fork"]["heads"][1]["note"].encode()
    foreign = sign_checkpoint(Checkpoint(origin, 3, bytes(32)), origin, SigningKey(bytes(31) + b"\x55"))
    for given in (anchored, foreign, b"no note"):
        with pytest.raises(RpcError) as caught:
            await bundle_of(world, "ProveFork", world.regulator_handlers, organization=BANK, note=given)
        assert caught.value.code == StatusCode.INVALID_ARGUMENT


async def test_head_of_another_size_convicts_by_an_entry_in_which_it_differs(world: World) -> None:
    """A bank rewrote its log after a backup: it signs and serves an entry that is not the one it anchored."""
    post(world.writer, 1, 2, 3)
    await world.settle()
    leaves = [leaf_hash(b"another"), *split_hashes(world.bank.store.read_tile(0, 0))[1:2]]
    origin, signer = log_origin(BANK), SigningKey(bytes(31) + b"\x01")
    note = sign_checkpoint(Checkpoint(origin, 2, root(leaves)), origin, signer)
    honest = split_hashes(world.bank.store.read_tile(0, 0))[:2]
    earlier = sign_checkpoint(Checkpoint(origin, 2, root(honest)), origin, signer)
    asked = {"handlers": world.regulator_handlers, "organization": BANK}
    with pytest.raises(RpcError, match="nor what DwaybankMSP serves now"):
        await bundle_of(world, "ProveFork", note=note, **asked)
    with pytest.raises(RpcError, match="contradict nothing"):
        await bundle_of(world, "ProveFork", note=earlier, **asked)
    with psycopg.connect(world.bank_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        forged = b"".join(leaves) + world.bank.store.read_tile(0, 0)[64:]
        connection.execute("UPDATE log.tile SET hashes = %s WHERE level = 0 AND index = 0", (forged,))
    proved = verified(world, await bundle_of(world, "ProveFork", note=note, **asked))
    assert proved.fork is not None
    assert (proved.fork.index, proved.fork.first.size, proved.fork.second.size) == (0, 2, 3)
    assert proved.fork.anchored == (False, True)


async def test_bundle_made_before_a_witness_came_is_not_what_is_given_afterwards(world: World) -> None:
    """What bundles share is remembered no longer than it is true."""
    post(world.writer, 1, 2, 3)
    await world.bank.anchorer.anchor()
    await world.index()
    assert reason(world, await bundle_of(world, "ProveRange")) == "not_attested"
    assert await world.regulator.attester.attest() == []
    await world.index()
    assert verified(world, await bundle_of(world, "ProveRange")).heads[0].state == "attested"
    post(world.writer, 4)
    await world.settle()
    later = verified(world, await bundle_of(world, "ProveRange"))
    assert later.range is not None
    assert (later.range.last, later.heads[0].size) == (4, 4)


async def test_row_that_was_changed_is_not_proved_and_is_named(world: World) -> None:
    post(world.writer, 1, 2, 3)
    await world.settle()
    with psycopg.connect(world.bank_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger.entry SET amount = 99 WHERE seq = 2")
    for method, fields in (
        ("ProveRange", {}),
        ("ProvePeriod", {}),
        ("ProveAccount", {"account": "alice", "asset": "EUR"}),
    ):
        with pytest.raises(RpcError, match="entry 2") as caught:
            await bundle_of(world, method, **fields)
        assert caught.value.code == StatusCode.DATA_LOSS


HOSTILE: list[tuple[str, dict[str, Any], StatusCode]] = [
    ("ProveRange", {"from_seq": -1}, StatusCode.INVALID_ARGUMENT),
    ("ProveRange", {"from_seq": 3, "to_seq": 2}, StatusCode.INVALID_ARGUMENT),
    ("ProveRange", {"from_seq": 9}, StatusCode.INVALID_ARGUMENT),
    ("ProveRange", {"to_seq": 2**60}, StatusCode.INVALID_ARGUMENT),
    ("ProveRange", {"to_seq": 9}, StatusCode.FAILED_PRECONDITION),
    ("ProveRange", {"shown_seqs": [7]}, StatusCode.INVALID_ARGUMENT),
    ("ProveRange", {"shown_seqs": [1], "leaves_only": True}, StatusCode.INVALID_ARGUMENT),
    ("ProveAccount", {"account": "alice"}, StatusCode.INVALID_ARGUMENT),
    ("ProveAccount", {"account": "nobody", "asset": "EUR"}, StatusCode.NOT_FOUND),
    ("ProveAccount", {"account": "alice", "asset": "USD"}, StatusCode.NOT_FOUND),
    ("ProveAccount", {"account": "a\x00", "asset": "EUR"}, StatusCode.INVALID_ARGUMENT),
    ("ProvePeriod", {"begin": Timestamp(seconds=9), "end": Timestamp(seconds=9)}, StatusCode.INVALID_ARGUMENT),
    ("ProvePeriod", {"begin": Timestamp(seconds=-9)}, StatusCode.INVALID_ARGUMENT),
    ("ProvePeriod", {"begin": Timestamp(seconds=2**60)}, StatusCode.INVALID_ARGUMENT),
    ("ProveConsistency", {"organization": PARTNER}, StatusCode.FAILED_PRECONDITION),
    ("ProveFork", {"organization": PARTNER}, StatusCode.FAILED_PRECONDITION),
]


@pytest.mark.parametrize(("method", "fields", "code"), HOSTILE, ids=lambda value: str(value)[:40])
async def test_what_cannot_be_proved_is_refused(
    world: World, method: str, fields: dict[str, Any], code: StatusCode
) -> None:
    post(world.writer, 1, 2, 3)
    await world.settle()
    with pytest.raises(RpcError) as caught:
        await bundle_of(world, method, **fields)
    assert caught.value.code == code, caught.value


async def test_other_members_and_a_node_without_books_get_no_proofs(world: World) -> None:
    with pytest.raises(RpcError) as foreign:
        await world.prove(world.bank_handlers, REGULATOR, "ProveRange", pb.ProveRangeRequest(), pb.ProveRangeResponse)
    assert foreign.value.code == StatusCode.PERMISSION_DENIED
    with pytest.raises(RpcError) as bookless:
        await bundle_of(world, "ProveRange", world.regulator_handlers)
    assert bookless.value.code == StatusCode.FAILED_PRECONDITION
