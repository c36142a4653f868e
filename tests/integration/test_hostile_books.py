"""Aim: whatever an administrator writes into the books, the audit names it; nothing he writes there stops the audit.

Method: real PostgreSQL and the whole audit trail of a bank and a regulator; superuser SQL with triggers off, and with
constraints, indexes and NOT NULL dropped where an attack needs that; findings are asserted exactly.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from ledger import audit as module
from ledger.audit import NO_LEAF, recompute_leaves
from ledger.hold import HoldRelease
from ledger.journal import transfer
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from tests.support.books import START, Clock, PlainRules, key, open_accounts, open_writer, verify
from tests.support.consortium_in_memory import BANK, REGULATOR, ConsortiumInMemory, Material, make_material
from tests.support.journal import NO_RULES, ROOM_FOR_ANY
from tests.support.trails import World, post, running_world

COPY = (
    "INSERT INTO ledger.entry SELECT (jsonb_populate_record(entry, jsonb_build_object('seq', ({seq})::bigint, 'key', "
    "gen_random_uuid()))).* FROM ledger.entry AS entry WHERE seq = 1"
)

LISTED = (
    "UPDATE ledger.entry SET posting_account = ARRAY[debit_account, credit_account], "
    "posting_asset = ARRAY[asset_id, asset_id], posting_amount = ARRAY[amount, -amount], "
    "posting_balance = ARRAY[debit_balance, credit_balance], "
    "posting_previous = ARRAY[debit_previous, credit_previous], debit_account = NULL, credit_account = NULL, "
    "asset_id = NULL, amount = NULL, debit_balance = NULL, credit_balance = NULL, debit_previous = NULL, "
    "credit_previous = NULL, request_hash = substring(leaf FOR 16) WHERE seq = {seq}"
)
"""The same entry in the form that entries of more postings have: no change that an audit could mind."""

LIST_CHANGES = {
    "null amount": "posting_amount[1] = NULL",
    "null account": "posting_account[2] = NULL",
    "null asset": "posting_asset[1] = NULL",
    "only nulls": "posting_amount = ARRAY[NULL, NULL]::bigint[]",
    "no amounts at all": "posting_amount = NULL",
    "no postings": "posting_amount = '{}', posting_account = '{}', posting_asset = '{}'",
    "fewer amounts than accounts": "posting_amount = posting_amount[1:1]",
    "more accounts than amounts": "posting_account = posting_account || 1::bigint",
    "array of two dimensions": "posting_amount = ARRAY[posting_amount, posting_amount]",
    "array from index 0": "posting_amount = format('[0:1]={%s,%s}', posting_amount[1], posting_amount[2])::bigint[]",
    "array of a hundred thousand": "posting_amount = array_fill(1::bigint, ARRAY[100000])",
    "list with an amount of 0": "posting_amount = ARRAY[0, 0]::bigint[]",
    "list with the largest amounts": "posting_amount = ARRAY[9223372036854775807, -9223372036854775808]",
    "list with an unknown account": "posting_account = ARRAY[4611686018427387904, 1]",
    "list with an unknown asset": "posting_asset = ARRAY[32767, 32767]::smallint[]",
}

CHANGES = {
    "no amount": "amount = NULL",
    "no account": "credit_account = NULL",
    "no asset": "asset_id = NULL",
    "amount of 0": "amount = 0",
    "amount below 0": "amount = -amount",
    "largest amount": "amount = 9223372036854775807",
    "sides changed": "debit_account = credit_account, credit_account = debit_account",
    "unknown account": "debit_account = 4611686018427387904",
    "account below 0": "debit_account = -1",
    "unknown asset": "asset_id = 32767",
    "another asset": "asset_id = 1",
    "older form": "form = 1",
    "unknown form": "form = 9",
    "no form": "form = NULL",
    "unknown actor": "actor_id = 77",
    "chain of its own": "chain_seq = seq",
    "reversal of the first": "reverses = 1",
    "capture of a hold": "hold_id = key",
    "metadata from nowhere": "metadata_commitment = sha256('x')",
    "metadata commitment of a megabyte": "metadata_commitment = convert_to(repeat('x', 1000000), 'UTF8')",
    "unknown outcome": "decision_outcome = 32767",
    "no outcome": "decision_outcome = NULL",
    "effective at infinity": "effective_at = 'infinity'",
    "effective at minus infinity": "effective_at = '-infinity'",
    "effective in the year 294276": "effective_at = '294276-12-31 23:59:59.999999+00'",
    "effective before Christ": "effective_at = '4713-01-01 00:00:00+00 BC'",
    "posted at infinity": "posted_at = 'infinity'",
    "posted never": "posted_at = NULL",
    "no key": "key = NULL",
    "no decision": "decision_id = NULL",
    "decision leaf with a byte more": "decision_leaf = decision_leaf || '\\x00'",
    "decision leaf cut": "decision_leaf = substring(decision_leaf FOR 31)",
    "no decision leaf": "decision_leaf = NULL",
    "salt with a byte more": "salt = sha256(leaf) || '\\x00'",
    "salt of its own": "salt = sha256(leaf)",
    "settlement of a megabyte": "settlement_id = repeat('x', 1000000)",
    "settlement without a letter": "settlement_id = ''",
    "commitment without a byte": "description_commitment = ''",
    "commitment of a megabyte": "description_commitment = convert_to(repeat('x', 1000000), 'UTF8')",
    "another stored leaf": "leaf = sha256(leaf)",
    "no stored leaf": "leaf = NULL",
}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(Path(tmp_path_factory.mktemp("crypto")))


@pytest.fixture
async def world(material: Material, database_url: str, regulator_url: str) -> AsyncIterator[World]:
    async with running_world(ConsortiumInMemory(material), database_url, regulator_url) as found:
        yield found


def tamper(url: str, *statements: str) -> None:
    """Do what a superuser can: no trigger, and no constraint where ``NO_RULES`` comes first."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode())


async def audit(world: World, by: str = REGULATOR) -> list[tuple[str, int]]:
    return [(finding.kind, finding.seq) for finding in await findings(world, by)]


async def findings(world: World, by: str) -> list[pb.Finding]:
    handlers = world.regulator_handlers if by == REGULATOR else world.bank_handlers
    request = pb.AuditBooksRequest(organization=BANK)
    reply = await world.call(handlers, by, "AuditBooks", request, pb.AuditBooksResponse)
    return list(reply.findings)


async def test_every_value_no_entry_can_have_is_named_with_its_row_and_no_other(world: World) -> None:
    post(world.writer, *range(1, len(LIST_CHANGES) + len(CHANGES) + 11))
    await world.settle()
    assert await audit(world) == []
    assert await audit(world, BANK) == []
    listed = range(5, 5 + len(LIST_CHANGES))
    tamper(world.bank_url, *(LISTED.format(seq=seq) for seq in listed))
    assert await audit(world, BANK) == []
    changes = list(enumerate([*LIST_CHANGES.values(), *CHANGES.values()], 5))
    tamper(
        world.bank_url, NO_RULES, *(f"UPDATE ledger.entry SET {change} WHERE seq = {seq}" for seq, change in changes)
    )
    assert await audit(world) == [("changed", seq) for seq, _ in changes]
    own = await audit(world, BANK)
    assert own[: len(changes)] == [("changed", seq) for seq, _ in changes]


async def test_rows_at_numbers_far_ahead_and_below_1_are_named(world: World) -> None:
    post(world.writer, 1, 2, 3)
    await world.settle()
    numbers = [-(2**63), -7, 0, 4, 4 * 10**18, 2**63 - 1]
    tamper(world.bank_url, NO_RULES, *(COPY.format(seq=seq) for seq in numbers))
    assert await audit(world) == [("inserted", seq) for seq in numbers]
    assert (await audit(world, BANK))[:6] == [("inserted", seq) for seq in numbers]


async def test_row_far_ahead_stops_sealing_and_is_the_one_that_is_named(world: World) -> None:
    post(world.writer, 1, 2, 3)
    await world.settle()
    tamper(world.bank_url, ROOM_FOR_ANY, COPY.format(seq=4 * 10**18))
    assert await world.bank.anchorer.anchor() is False
    assert "entry 4000000000000000000 stands in the books" in world.bank.anchorer.stalled


async def test_number_that_stands_twice_is_named_once(world: World) -> None:
    post(world.writer, *range(1, 10))
    await world.settle()
    twice = "INSERT INTO ledger.entry SELECT * FROM ledger.entry WHERE seq = 4"
    tamper(world.bank_url, NO_RULES, twice, twice)
    assert await audit(world) == [("changed", 4)]
    assert (await audit(world, BANK))[0] == ("changed", 4)


async def test_rows_without_a_number_are_named(world: World) -> None:
    post(world.writer, *range(1, 10))
    await world.settle()
    tamper(world.bank_url, NO_RULES, COPY.format(seq="NULL"))
    assert await audit(world) == [("inserted", 0)]


async def test_batch_that_carries_a_copied_signature_covers_nothing(world: World) -> None:
    post(world.writer, *range(1, 10))
    await world.settle()
    forged = "INSERT INTO ledger.batch SELECT 10, 10, epoch, digest, signature FROM ledger.batch WHERE first_seq = 1"
    tamper(world.bank_url, COPY.format(seq=10), forged)
    assert await audit(world) == [("inserted", 10)]
    assert await world.bank.anchorer.anchor() is False
    assert "entries 10 to 10 are not what the posting engine signed" in world.bank.anchorer.stalled
    tamper(world.bank_url, "UPDATE ledger.batch SET last_seq = 4000000000000000000 WHERE first_seq = 10")
    assert await audit(world) == [("inserted", 10)]
    assert await world.bank.anchorer.anchor() is False
    assert "entry 11 is missing" in world.bank.anchorer.stalled


async def test_row_changed_after_it_was_signed_and_before_it_was_anchored_is_named(world: World) -> None:
    post(world.writer, 1)
    await world.settle()
    post(world.writer, 2)
    post(world.writer, 3)
    tamper(world.bank_url, "UPDATE ledger.entry SET amount = 900 WHERE seq = 2")
    assert await audit(world) == [("changed", 2)]


async def test_time_at_infinity_keeps_nothing_from_being_registered_and_anchored(world: World) -> None:
    post(world.writer, 1, 2)
    await world.settle()
    tamper(
        world.bank_url,
        NO_RULES,
        "UPDATE ledger.entry SET posted_at = 'infinity' WHERE seq = 2",
        "UPDATE log.anchor_time SET committed_at = 'infinity'",
    )
    post(world.writer, 3)
    await world.bank.anchorer.start()
    for _ in range(100):
        if world.bank.store.head().size == 3 and not world.bank.anchorer.stalled:
            break
        await asyncio.sleep(0.1)
    await world.bank.anchorer.stop()
    await world.settle()
    assert world.bank.index.anchor_sizes(BANK).anchored == 3
    assert await audit(world) == [("changed", 2)]


async def test_balances_changed_by_hand_are_told_by_an_audit_of_the_own_books(world: World) -> None:
    post(world.writer, 100, 50)
    await world.settle()
    tamper(
        world.bank_url,
        "UPDATE ledger.account SET balance = balance + 7 WHERE reference = 'alice'",
        "UPDATE ledger.account SET held = held + 5 WHERE reference = 'cash'",
        "UPDATE ledger.entry SET debit_balance = 1 WHERE seq = 1",
    )
    assert await audit(world) == []
    assert sorted((found.kind, found.seq, found.explanation) for found in await findings(world, BANK)) == [
        ("balance", 0, "account alice has balance -143, its postings sum to -150"),
        ("balance", 0, "account cash holds 5, its placed holds sum to 0"),
        ("balance", 1, "posting 1 leaves balance 1, its postings sum to 100"),
    ]


async def test_changed_amount_is_no_finding_about_every_later_entry(world: World) -> None:
    post(world.writer, *range(1, 30))
    await world.settle()
    tamper(world.bank_url, "UPDATE ledger.entry SET amount = 900 WHERE seq = 7")
    changed, *others = await findings(world, BANK)
    assert (changed.kind, changed.seq) == ("changed", 7)
    assert [(found.kind, found.seq, found.explanation.split(" has ")[0]) for found in others] == [
        ("balance", 0, "account cash"),
        ("balance", 0, "account alice"),
    ]


REFUSAL_CHANGES = (
    "at = 'infinity'",
    "at = NULL",
    "after_seq = 9223372036854775807",
    "after_seq = NULL",
    "kind = 32767",
    "kind = NULL",
    "key = NULL",
    "code = repeat('x', 1000000)",
    "code = 'Überzogen'",
    "code = NULL",
    "chained = NOT chained",
    "chained = NULL",
    "request_hash = request_hash || '\\x00'",
    "request_hash = NULL",
    "actor_id = 77",
    "salt = salt || '\\x00'",
    "salt = NULL",
    "head = ''",
    "head = convert_to(repeat('x', 1000000), 'UTF8')",
    "head = NULL",
    "number = -number",
)
NO_RULES_OF_REFUSALS = """
DO $$
DECLARE
    v_name text;
BEGIN
    FOR v_name IN SELECT conname FROM pg_constraint WHERE conrelid = 'ledger.refusal'::regclass
        ORDER BY contype <> 'p', conname LOOP
        EXECUTE format('ALTER TABLE ledger.refusal DROP CONSTRAINT %I', v_name);
    END LOOP;
    FOR v_name IN SELECT attname FROM pg_attribute
        WHERE attrelid = 'ledger.refusal'::regclass AND attnum > 0 AND attnotnull LOOP
        EXECUTE format('ALTER TABLE ledger.refusal ALTER COLUMN %I DROP NOT NULL', v_name);
    END LOOP;
    DROP INDEX ledger.refusal_by_code;
END
$$
"""


async def test_refusal_of_any_value_is_told_to_the_bank_and_its_entry_to_the_regulator(world: World) -> None:
    refused = range(1, len(REFUSAL_CHANGES) + 1)
    for number in refused:
        world.writer.post([HoldRelease(key(1000 + number))])
        post(world.writer, number)
    await world.settle()
    assert await audit(world) == await audit(world, BANK) == []
    changes = enumerate(REFUSAL_CHANGES, 1)
    tamper(
        world.bank_url,
        NO_RULES_OF_REFUSALS,
        *(f"UPDATE ledger.refusal SET {change} WHERE number = {number}" for number, change in changes),
    )
    named = {seq for kind, seq in await audit(world) if kind == "changed"}
    # A head is the beginning of the next link: the entry after that is named as well or instead.
    heads = {number for number, change in enumerate(REFUSAL_CHANGES, 1) if change.startswith("head")}
    assert named >= set(refused) - heads and named >= {number + 1 for number in heads}
    told = [found.explanation for found in await findings(world, BANK) if found.kind == "refusal"]
    for number in (-len(REFUSAL_CHANGES), *refused[:-1]):
        assert any(text.startswith(f"refusal {number} ") for text in told), (number, told)


async def test_refusal_taken_out_or_put_in_is_told_by_an_audit(world: World) -> None:
    for number in (1, 2):
        world.writer.post([HoldRelease(key(1000 + number))])
        post(world.writer, number)
    await world.settle()
    tamper(world.bank_url, "DELETE FROM ledger.refusal WHERE number = 1")
    assert await audit(world) == [("changed", 1), ("changed", 2)]
    assert ("refusal", 0) in await audit(world, BANK)
    put_in = (
        "INSERT INTO ledger.refusal SELECT (jsonb_populate_record(refusal, '{\"number\": 3}')).* FROM ledger.refusal"
    )
    tamper(world.bank_url, put_in)
    told = [found.explanation for found in await findings(world, BANK)]
    assert "refusal 3 its row does not give the head of the chain that stands with it" in told


async def test_deleted_entry_is_named_missing_once_and_its_follower_points_to_nothing(world: World) -> None:
    post(world.writer, *range(1, 10))
    await world.settle()
    tamper(world.bank_url, "DELETE FROM ledger.entry WHERE seq = 4")
    assert await audit(world, BANK) == [("missing", 4), ("balance", 5), *[("balance", 0)] * 4]


async def test_decision_that_does_not_fit_is_told_by_an_audit_of_the_own_books(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(world.writer, 1, 2)
    await world.settle()
    monkeypatch.setattr(world.decisions, "violations", lambda: [(2, "another outcome")])
    assert [(found.kind, found.seq, found.explanation) for found in await findings(world, BANK)] == [
        ("decision", 2, "another outcome")
    ]


async def test_log_that_was_served_wrongly_is_told_by_an_audit_of_that_organization(world: World) -> None:
    post(world.writer, *range(1, 9))
    await world.bank.anchorer.anchor()
    await world.index()
    world.line.bend = lambda path, reply: reply[:-1] + bytes([reply[-1] ^ 1]) if path.endswith("ReadTile") else reply
    assert await world.regulator.attester.attest() == [BANK]
    world.line.bend = lambda path, reply: reply
    [alone] = await findings(world, REGULATOR)
    assert (alone.kind, alone.seq) == ("mirror", 0)
    assert "at 8 entries" in alone.explanation
    assert await world.regulator.attester.attest() == []
    tamper(world.bank_url, "DELETE FROM ledger.entry WHERE seq = 3")
    assert await audit(world) == [("missing", 3), ("mirror", 0)]


def test_number_that_fills_whole_pages_ends_and_is_told_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_READ", 5)
    with (
        open_writer(database_url, Clock(), PlainRules()) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, "cash EUR debit -\nalice EUR credit -")

        for number in range(1, 8):
            writer.post([transfer(key(number), "cash", "alice", number, effective_at=START)])
        tamper(database_url, NO_RULES, *[COPY.format(seq=3)] * 23)
        for first in (-(2**63), 1, 3):
            found = list(recompute_leaves(connection, verify, from_seq=first))
            assert [leaf.seq for leaf in found] == list(range(max(first, 1), 8))
            assert [leaf.seq for leaf in found if leaf.leaf == NO_LEAF or not leaf.covered] == [3]


CHECKED = {
    "entry_balanced": "posting_previous = ARRAY[NULL, 0]::bigint[]",
    "entry_times_finite": "effective_at = 'infinity'",
}


@pytest.mark.parametrize("name", CHECKED)
def test_database_refuses_nulls_in_arrays_and_times_at_infinity(database_url: str, name: str) -> None:
    with (
        open_writer(database_url, Clock(), PlainRules()) as writer,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        open_accounts(connection, "cash EUR debit -\nalice EUR credit -")

        writer.post([transfer(key(1), "cash", "alice", 5)])
        connection.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.CheckViolation, match=name):
            connection.execute(f"UPDATE ledger.entry SET {CHECKED[name]} WHERE seq = 1".encode())
