"""Aim: members that say otherwise of a block are found, with both signed receipts, and a receipt stands without a node.

Method: a bank and a regulator on an in-memory channel of genuine blocks; a dishonest bank signs other flags, another
commit hash, another block; documents are bent field by field.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fabric_protos.msp import identities_pb2

from network.errors import ProofError, RpcError
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.receipt import (
    SignedReceipt,
    build_document,
    read_signed_receipt,
    receipt_of,
    sign_receipt,
    verify_document,
    verify_receipt,
)
from network.rpc import StatusCode
from node.audit.receipts import RECEIPT_BYTES_MAX
from tests.support.consortium_in_memory import (
    BANK,
    CHANNEL,
    PARTNER,
    REGULATOR,
    ConsortiumInMemory,
    Material,
    make_material,
)
from tests.support.trails import World, own_member, post, running_world


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture
async def world(material: Material, database_url: str, regulator_url: str) -> AsyncIterator[World]:
    async with running_world(ConsortiumInMemory(material), database_url, regulator_url) as world:
        for amount in range(1, 6):
            post(world.writer, amount)
            await world.settle()
        yield world


def sign_otherwise_from(world: World, first: int, **changes: Any) -> None:
    """Have the bank's node sign something else of every block from one on."""
    honest = world.bank.receipts.own

    async def own(number: int) -> SignedReceipt:
        signed = await honest(number)
        if number < first:
            return signed
        return sign_receipt(replace(signed.receipt, **changes), world.consortium.material.signer(BANK, "peer"))

    world.bank.receipts.own = own  # type: ignore[method-assign]


async def watched(world: World) -> list[tuple[str, str]]:
    assert world.regulator.supervisor is not None
    opened = await world.regulator.supervisor.watch()
    await world.index()
    return [(matter.kind, matter.subject) for matter in opened]


# Exchange -------------------------------------------------------------------------------------------------------------


async def test_members_that_agree_are_kept_and_nothing_is_found(world: World) -> None:
    assert await world.regulator.receipts.exchange() == []
    newest = len(world.consortium.blocks) - 1
    kept = world.regulator.kept_receipts.page(0)[0]
    assert [(each.block_number, each.organization, each.agrees) for each in kept] == [
        (newest, BANK, True), (newest, REGULATOR, True),
    ]  # fmt: skip
    for each in kept:
        signed = read_signed_receipt(each.receipt.encode())
        assert verify_receipt(signed, own_member(world.consortium, BANK).msps()) == each.organization
    assert await world.regulator.receipts.exchange() == [], "a block is attested once"
    assert world.regulator.kept_receipts.newest_agreed(BANK) == newest
    assert await watched(world) == []
    post(world.writer, 9)
    await world.settle()
    for _ in range(2):
        assert await world.regulator.receipts.exchange() == []
    assert world.regulator.receipts._agreed == {BANK: len(world.consortium.blocks) - 1}
    assert len(world.regulator.kept_receipts.page(0)[0]) == 2, "those that agree are kept every ten minutes"


@pytest.mark.parametrize("first", [1, 2, 7, 11])
async def test_the_first_block_on_which_a_member_differs_is_found_with_both_receipts(world: World, first: int) -> None:
    sign_otherwise_from(world, first, commit_hash=bytes(32))
    assert await world.regulator.receipts.exchange() == []
    assert await watched(world) == [("diverging_receipts", f"block/{first}")]
    assert await watched(world) == [], "it is one matter"
    (finding,) = world.regulator.findings.listed()
    evidence = (await world.regulator.findings.texts(finding))[finding["evidence"]]
    own, theirs = (read_signed_receipt(line.partition(": ")[2].encode()) for line in evidence.splitlines())
    msps = own_member(world.consortium, BANK).msps()
    assert (verify_receipt(own, msps), verify_receipt(theirs, msps)) == (REGULATOR, BANK)
    assert own.receipt.block_number == theirs.receipt.block_number == first
    assert own.receipt != theirs.receipt


@pytest.mark.parametrize(
    "changes", [{"flags": b"\x0b"}, {"header_hash": bytes(32)}, {"transactions_root": bytes(32)}], ids=str
)
async def test_other_flags_or_another_block_diverge_too(world: World, changes: dict[str, bytes]) -> None:
    newest = len(world.consortium.blocks) - 1
    sign_otherwise_from(world, newest, **changes)
    await world.regulator.receipts.exchange()
    assert await watched(world) == [("diverging_receipts", f"block/{newest}")]


@pytest.mark.every_postgres
async def test_a_member_that_goes_on_to_differ_fills_no_database(world: World) -> None:
    sign_otherwise_from(world, 2, commit_hash=bytes(32))
    await world.regulator.receipts.exchange()
    kept = len(world.regulator.kept_receipts.page(500)[0])
    for amount in range(1, 5):
        post(world.writer, amount)
        await world.settle()
        await world.regulator.receipts.exchange()
    assert len(world.regulator.kept_receipts.page(500)[0]) == kept
    assert await watched(world) == [("diverging_receipts", "block/2")]
    await world.regulator.receipts.exchange()
    sign_otherwise_from(world, 2, flags=bytes(2 * RECEIPT_BYTES_MAX))
    post(world.writer, 9)
    await world.settle()
    for _ in range(2):
        problems = await world.regulator.receipts.exchange()
    assert "bytes" in problems[0], "what is kept for ever has a limit"


async def test_a_member_that_says_first_this_then_that_is_found(world: World) -> None:
    newest = len(world.consortium.blocks) - 1
    await world.regulator.receipts.collect(newest)
    assert await watched(world) == []
    sign_otherwise_from(world, newest, commit_hash=bytes(32))
    found = await world.regulator.receipts.collect(newest)
    assert found.organizations == (REGULATOR,)
    assert "another receipt" in found.missing[0]
    assert await watched(world) == [("diverging_receipts", f"block/{newest}")]


async def test_what_a_member_did_not_sign_is_no_receipt_and_accuses_nobody(world: World) -> None:
    newest = len(world.consortium.blocks) - 1
    honest = await world.bank.receipts.own(newest)
    forged = sign_receipt(replace(honest.receipt, flags=b"\x0b"), world.consortium.material.signer(PARTNER, "peer"))
    by_client = sign_receipt(replace(honest.receipt, flags=b"\x0b"), world.consortium.material.signer(BANK))
    earlier = await world.bank.receipts.own(newest - 1)
    changed = SignedReceipt(replace(honest.receipt, flags=b"\x0b"), honest.signature)
    for given in (forged, by_client, earlier, changed):
        reply = pb.ReadReceiptResponse(receipt=given.text().encode()).SerializeToString()
        world.line.bend = lambda path, was, reply=reply: reply if path.endswith("/ReadReceipt") else was  # type: ignore[misc]
        world.regulator.receipts._attested = 0
        (problem,) = await world.regulator.receipts.exchange()
        assert problem.startswith(BANK)
        assert await watched(world) == []


async def test_a_member_that_answers_and_gives_no_receipts_is_found_after_the_deadline(world: World) -> None:
    supervisor = world.regulator.supervisor
    assert supervisor is not None
    lasting = supervisor._watches[0]._lasting  # type: ignore[attr-defined]

    def refuse(path: str, reply: bytes) -> bytes:
        if path.endswith("/ReadReceipt"):
            raise RpcError(StatusCode.PERMISSION_DENIED, "not today")
        return reply

    world.line.bend = refuse
    assert len(await world.regulator.receipts.exchange()) == 1
    assert await watched(world) == []
    honest = lasting._now
    lasting._now = lambda: honest() + timedelta(seconds=61)
    assert await watched(world) == [("silent_member", "member")]
    world.line.bend = lambda path, reply: reply
    world.regulator.receipts._attested = 0
    assert await world.regulator.receipts.exchange() == []
    assert world.regulator.receipts.refusals == {}


@pytest.mark.parametrize("rubbish", [b"", b"{}", b"[1]", b'{"receipt":1,"receipt":2}', b"\xff" * 100, b"[" * 100_000])
async def test_rubbish_in_the_place_of_a_receipt_is_no_receipt(world: World, rubbish: bytes) -> None:
    reply = pb.ReadReceiptResponse(receipt=rubbish).SerializeToString()
    world.line.bend = lambda path, was: reply if path.endswith("/ReadReceipt") else was
    assert len(await world.regulator.receipts.exchange()) == 1
    assert await watched(world) == []


async def test_a_member_that_is_behind_or_away_is_asked_again_later(world: World) -> None:
    def refuse(path: str, reply: bytes) -> bytes:
        if path.endswith("/ReadReceipt"):
            raise RpcError(StatusCode.UNAVAILABLE, "no connection")
        return reply

    world.line.bend = refuse
    assert len(await world.regulator.receipts.exchange()) == 1
    world.line.bend = lambda path, reply: reply
    post(world.writer, 9)
    await world.settle()
    assert await world.regulator.receipts.exchange() == []
    for number, code in ((0, StatusCode.INVALID_ARGUMENT), (10_000, StatusCode.FAILED_PRECONDITION)):
        request = pb.ReadReceiptRequest(block_number=number)
        with pytest.raises(RpcError) as refused:
            await world.call(world.bank_handlers, REGULATOR, "ReadReceipt", request, pb.ReadReceiptResponse)
        assert refused.value.code == code


async def test_receipts_are_made_by_themselves_in_the_background(world: World) -> None:
    await world.regulator.receipts.start()
    try:
        for _ in range(400):
            if world.regulator.kept_receipts.page(0)[0]:
                break
            await asyncio.sleep(0.05)
        assert world.regulator.failure is None
    finally:
        await world.regulator.receipts.stop()
    assert world.regulator.kept_receipts.page(0)[0]


# The document ---------------------------------------------------------------------------------------------------------


async def document(world: World, block: int = 0) -> bytes:
    request = pb.GetReceiptRequest(block_number=block)
    reply = await world.call(world.regulator_handlers, REGULATOR, "GetReceipt", request, pb.GetReceiptResponse)
    return reply.document


async def test_a_document_verifies_with_nothing_but_the_genesis_hash(world: World) -> None:
    for block in (0, 1, 5):
        found = verify_document(await document(world, block), world.consortium.genesis_hash)
        assert found.organizations == (BANK, REGULATOR)
        assert found.receipt.block_number == (block or len(world.consortium.blocks) - 1)


async def test_a_document_of_another_channel_is_refused(world: World) -> None:
    with pytest.raises(ProofError) as refused:
        verify_document(await document(world), bytes(32))
    assert refused.value.reason == "wrong_genesis"


def another_receipt(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda value: value["receipt"].update(changes)


def without_blocks(value: dict[str, Any]) -> None:
    value["blocks"] = {}


def without_its_block(value: dict[str, Any]) -> None:
    del value["blocks"][str(value["receipt"]["block_number"])]


def without_genesis(value: dict[str, Any]) -> None:
    del value["blocks"]["0"]


def a_later_block(value: dict[str, Any]) -> None:
    value["blocks"]["6"] = value["blocks"]["5"]


def another_block(value: dict[str, Any]) -> None:
    block = bytearray(base64.b64decode(value["blocks"]["5"]))
    block[len(block) // 2] ^= 1
    value["blocks"]["5"] = base64.b64encode(block).decode()


def signed_twice(value: dict[str, Any]) -> None:
    value["signatures"].append(value["signatures"][0])


def signature_of_none(value: dict[str, Any]) -> None:
    value["signatures"][0]["signature"] = ""


def no_signatures(value: dict[str, Any]) -> None:
    value["signatures"] = []


def creator_of_none(value: dict[str, Any]) -> None:
    value["signatures"][0]["creator"] = "AAAA"


def stray_field(value: dict[str, Any]) -> None:
    value["receipt"]["seen"] = True


BENT = {
    "another flag": (another_receipt(flags="0b"), "wrong_signature"),
    "one flag more": (another_receipt(flags="0000"), "wrong_receipt"),
    "another commit hash": (another_receipt(commit_hash="00" * 32), "wrong_signature"),
    "another header": (another_receipt(header_hash="00" * 32), "wrong_receipt"),
    "another root": (another_receipt(transactions_root="00" * 32), "wrong_receipt"),
    "another channel": (another_receipt(channel="others"), "wrong_receipt"),
    "another number": (another_receipt(block_number=4), "missing_block"),
    "a boolean": (another_receipt(block_number=True), "malformed_receipt"),
    "upper case": (another_receipt(flags="0B"), "malformed_receipt"),
    "a stray field": (stray_field, "malformed_receipt"),
    "no block": (without_blocks, "malformed_receipt"),
    "not its block": (without_its_block, "missing_block"),
    "a later block": (a_later_block, "missing_block"),
    "no genesis": (without_genesis, "genesis_missing"),
    "another block": (another_block, "wrong_block_data"),
    "signed twice": (signed_twice, "wrong_signer"),
    "no signature": (signature_of_none, "wrong_signature"),
    "no signatures": (no_signatures, "malformed_receipt"),
    "no creator": (creator_of_none, "wrong_signer"),
}


async def test_receipt_whose_signer_is_a_text_of_megabytes_is_refused_at_once(world: World) -> None:
    given = (await world.bank.receipts.own(3)).as_json()
    noise = b"-----BEGIN A-----\n" * 500_000
    creator = identities_pb2.SerializedIdentity(mspid=BANK, id_bytes=noise).SerializeToString()
    text = json.dumps(given | {"creator": base64.b64encode(creator).decode()}).encode()
    msps = own_member(world.consortium, REGULATOR).msps()
    with pytest.raises(ProofError) as refused:
        verify_receipt(read_signed_receipt(text), msps)
    assert refused.value.reason == "wrong_signer"


async def test_every_bent_document_is_refused_with_its_reason(world: World) -> None:
    whole = await document(world, 5)
    found = {}
    for name, (bend, _) in BENT.items():
        value = json.loads(whole)
        bend(value)
        with pytest.raises(ProofError) as refused:
            verify_document(json.dumps(value).encode(), world.consortium.genesis_hash)
        found[name] = refused.value.reason
    assert found == {name: reason for name, (_, reason) in BENT.items()}


async def test_a_document_that_leaves_a_configuration_out_is_refused(world: World) -> None:
    consortium = world.consortium
    consortium.last_config = 3
    post(world.writer, 9)
    await world.settle()
    block = consortium.blocks[-1]
    receipt = receipt_of(block, CHANNEL)
    signature = sign_receipt(receipt, consortium.material.signer(BANK, "peer")).signature
    number = receipt.block_number
    left_out = build_document(receipt, [signature], {0: consortium.raw(0), number: consortium.raw(number)})
    with pytest.raises(ProofError) as refused:
        verify_document(left_out, consortium.genesis_hash)
    assert refused.value.reason == "config_missing"


def test_a_receipt_says_the_same_bytes_for_the_same_block(material: Material) -> None:
    consortium = ConsortiumInMemory(material)
    receipt = receipt_of(consortium.blocks[1], CHANNEL)
    assert receipt == receipt_of(consortium.blocks[1], CHANNEL)
    assert json.loads(receipt.content()) == receipt.as_json()
    assert receipt.content().startswith(b'{"block_number":1,"channel":"anchors","commit_hash":"')
