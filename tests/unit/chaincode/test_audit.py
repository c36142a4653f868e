"""Aim: the network itself refuses a log that is rewritten, shortened, forked, unsigned or another's.

Method: real keys, notes and proofs; every case in process and over the chaincode stream. Stored JSON has golden
vectors: other programs read it.
"""

from __future__ import annotations

import base64
import json

import pytest
from nacl.signing import SigningKey

from chaincode.audit import AuditContract, log_origin, witness_name
from network import checkpoint as notes
from network import merkle
from network.checkpoint import Checkpoint
from tests.support.contract_runner import ContractLedger, Outcome, Runner
from tests.support.contract_state import serialized_identity

BANK, PARTNER = "DwaybankMSP", "PartnerMSP"
BANK_CLIENT = serialized_identity(BANK)
BANK_ADMIN = serialized_identity(BANK, units=("admin",))
BANK_PEER = serialized_identity(BANK, units=("peer",))
PARTNER_CLIENT = serialized_identity(PARTNER)
REGULATOR_CLIENT = serialized_identity("RegulatorMSP")
LOG_KEY = SigningKey(b"\x01" * 32)
WITNESS_KEY = SigningKey(b"\x02" * 32)
OTHER_KEY = SigningKey(b"\x03" * 32)
COMMITMENT = "ab" * 32
LEAVES = [merkle.leaf_hash(bytes([n])) for n in range(40)]


def note_of(size: int, leaves: list[bytes] = LEAVES, key: SigningKey = LOG_KEY, **fields: object) -> str:
    values: dict[str, object] = {"origin": log_origin(BANK), "size": size, "root": merkle.root(leaves[:size])}
    checkpoint = Checkpoint(**{**values, **fields})  # type: ignore[arg-type]
    return notes.sign_checkpoint(checkpoint, log_origin(BANK), key).decode()


def proof_of(old_size: int, size: int, leaves: list[bytes] = LEAVES) -> str:
    proof = merkle.consistency_proof(leaves[:size], old_size)
    return json.dumps([base64.b64encode(node).decode() for node in proof])


@pytest.fixture
async def ledger(runner: Runner) -> ContractLedger:
    ledger = ContractLedger(AuditContract(), runner)
    key = notes.verifier_key(log_origin(BANK), LOG_KEY)
    assert (await ledger.submit(BANK_CLIENT, "RegisterLog", log_origin(BANK), key)).status == 200
    return ledger


async def anchor(ledger: ContractLedger, old: int, new: int, creator: bytes = BANK_CLIENT) -> Outcome:
    return await ledger.submit(creator, "AnchorCheckpoint", note_of(new), proof_of(old, new), COMMITMENT)


async def register_witness(ledger: ContractLedger, creator: bytes = PARTNER_CLIENT, msp: str = PARTNER) -> None:
    key = notes.verifier_key(witness_name(msp), WITNESS_KEY, notes.COSIGNATURE_V1)
    assert (await ledger.submit(creator, "RegisterWitness", witness_name(msp), key)).status == 200


def cosignature(size: int, name: str = witness_name(PARTNER), key: SigningKey = WITNESS_KEY) -> str:
    return notes.cosign(note_of(size).encode(), name, key, 1_772_366_400)


# --- registration ---


async def test_register_log_when_first_then_empty_head_is_stored(ledger: ContractLedger) -> None:
    assert ledger.state.values[("", "log~DwaybankMSP")] == (
        b'{"organization":"DwaybankMSP","origin":"dwaybank.node/log/DwaybankMSP",'
        b'"root":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","sequence":0,"size":0,"verifier_key":'
        b'"dwaybank.node/log/DwaybankMSP+20fb6691+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"}'
    )


async def test_register_log_when_repeated_then_refused(ledger: ContractLedger) -> None:
    key = notes.verifier_key(log_origin(BANK), OTHER_KEY)
    outcome = await ledger.submit(BANK_ADMIN, "RegisterLog", log_origin(BANK), key)
    assert (outcome.status, outcome.code) == (409, "registered")


@pytest.mark.parametrize(
    ("creator", "origin", "key", "status", "code"),
    [
        (BANK_PEER, log_origin(BANK), notes.verifier_key(log_origin(BANK), LOG_KEY), 403, "access_denied"),
        (PARTNER_CLIENT, log_origin(BANK), notes.verifier_key(log_origin(BANK), LOG_KEY), 403, "wrong_name"),
        (PARTNER_CLIENT, log_origin(PARTNER), notes.verifier_key(log_origin(BANK), LOG_KEY), 400, "wrong_key"),
        (PARTNER_CLIENT, log_origin(PARTNER), "nonsense", 400, "malformed_key"),
        (PARTNER_CLIENT, log_origin(PARTNER), log_origin(PARTNER) + "+00000000+AQID", 400, "malformed_key"),
        (
            PARTNER_CLIENT,
            log_origin(PARTNER),
            notes.verifier_key(log_origin(PARTNER), LOG_KEY, notes.COSIGNATURE_V1),
            400,
            "wrong_key",
        ),
        (serialized_identity("a~b"), log_origin("a~b"), "x", 403, "access_denied"),
    ],
    ids=["peer", "foreign origin", "foreign key name", "no key", "bad key id", "witness key", "unusable msp id"],
)
async def test_register_log_when_not_ones_own_then_refused(
    runner: Runner, creator: bytes, origin: str, key: str, status: int, code: str
) -> None:
    ledger = ContractLedger(AuditContract(), runner)
    outcome = await ledger.submit(creator, "RegisterLog", origin, key)
    assert (outcome.status, outcome.code) == (status, code), outcome.message
    assert ledger.state.values == {}


# --- anchoring ---


async def test_anchor_when_log_grows_then_heads_are_stored_and_event_names_the_newest(ledger: ContractLedger) -> None:
    for old, new in ((0, 1), (1, 7), (7, 8), (8, 40)):
        outcome = await anchor(ledger, old, new)
        assert outcome.status == 200, outcome.message
    head = ledger.stored("log~DwaybankMSP")
    root = base64.b64encode(merkle.root(LEAVES)).decode()
    assert (head["size"], head["sequence"], head["root"]) == (40, 4, root)
    assert outcome.event is not None
    assert outcome.event[0] == "Checkpoint"
    assert json.loads(outcome.event[1]) == {
        "organization": BANK,
        "size": 40,
        "previous_size": 8,
        "root": root,
        "sequence": 4,
    }


async def test_anchor_when_stored_then_json_is_exactly_this(ledger: ContractLedger) -> None:
    await anchor(ledger, 0, 3)
    note = json.dumps(note_of(3), ensure_ascii=False)
    assert ledger.state.values[("", "checkpoint~DwaybankMSP~00000000000000000003")].decode() == (
        '{"controls_commitment":"' + COMMITMENT + '","note":' + note + ',"organization":"DwaybankMSP",'
        '"previous_size":0,"root":"O2zM1+PgI/85MAbwMDFe562esRGwIrQfun5bejlz9og=","sequence":1,"size":3,'
        '"timestamp":"2026-03-01T12:00:00.123456Z","transaction_id":"tx2"}'
    )


async def test_anchor_when_same_note_again_then_already_anchored(ledger: ContractLedger) -> None:
    await anchor(ledger, 0, 5)
    for old in (0, 5):
        outcome = await anchor(ledger, old, 5)
        assert (outcome.status, outcome.code) == (409, "already_anchored")
    await anchor(ledger, 5, 9)
    assert (await anchor(ledger, 0, 5)).code == "already_anchored"


async def test_anchor_when_log_is_shortened_then_refused(ledger: ContractLedger) -> None:
    await anchor(ledger, 0, 9)
    outcome = await anchor(ledger, 0, 5)
    assert (outcome.status, outcome.code) == (409, "not_growing")


async def test_anchor_when_log_is_rewritten_then_refused(ledger: ContractLedger) -> None:
    await anchor(ledger, 0, 9)
    rewritten = [merkle.leaf_hash(b"changed"), *LEAVES[1:]]
    for proof in (proof_of(9, 12, rewritten), proof_of(9, 12)):
        note = note_of(12, rewritten)
        outcome = await ledger.submit(BANK_CLIENT, "AnchorCheckpoint", note, proof, COMMITMENT)
        assert (outcome.status, outcome.code) == (409, "inconsistent")
    assert ledger.stored("log~DwaybankMSP")["size"] == 9


async def test_anchor_when_other_root_for_anchored_size_then_named_a_fork(ledger: ContractLedger) -> None:
    await anchor(ledger, 0, 9)
    forked = [merkle.leaf_hash(b"changed"), *LEAVES[1:]]
    outcome = await ledger.submit(BANK_CLIENT, "AnchorCheckpoint", note_of(9, forked), "[]", COMMITMENT)
    assert (outcome.status, outcome.code) == (409, "inconsistent")
    assert "fork" in outcome.message


HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("note", "proof", "commitment", "code"),
    [
        (note_of(3, key=OTHER_KEY), "[]", COMMITMENT, "unsigned_checkpoint"),
        (note_of(3).replace("\n3\n", "\n4\n"), "[]", COMMITMENT, "wrong_signature"),
        (note_of(3, origin=log_origin(PARTNER)), "[]", COMMITMENT, "wrong_origin"),
        (note_of(3, extensions=("Anna Example, Main Street 1",)), "[]", COMMITMENT, "note_not_plain"),
        (note_of(3) + "— someone AAAAAAAAAAAA\n", "[]", COMMITMENT, "note_not_plain"),
        (note_of(0), "[]", COMMITMENT, "bad_argument"),
        (note_of(2**53), "[]", COMMITMENT, "bad_argument"),
        ("x" * 5000, "[]", COMMITMENT, "bad_argument"),
        ("", "[]", COMMITMENT, "malformed_note"),
        (note_of(3), "[]", "AB" * 32, "bad_argument"),
        (note_of(3), "[]", "ab" * 31, "bad_argument"),
        (note_of(3), "[]", "zz" * 32, "bad_argument"),
        (note_of(3), "{}", COMMITMENT, "bad_argument"),
        (note_of(3), "[1]", COMMITMENT, "bad_argument"),
        (note_of(3), '["!"]', COMMITMENT, "bad_argument"),
        (note_of(3), '["AAAA"]', COMMITMENT, "bad_argument"),
        (note_of(3), json.dumps([HASH[:-2] + "B="]), COMMITMENT, "bad_argument"),
        (note_of(3), json.dumps([HASH] * 65), COMMITMENT, "bad_argument"),
        (note_of(3), json.dumps([HASH]), COMMITMENT, "wrong_proof_length"),
    ],
)
async def test_anchor_when_argument_is_hostile_then_refused_and_nothing_changes(
    ledger: ContractLedger, note: str, proof: str, commitment: str, code: str
) -> None:
    before = dict(ledger.state.values)
    outcome = await ledger.submit(BANK_CLIENT, "AnchorCheckpoint", note, proof, commitment)
    assert outcome.code == code, outcome.message
    assert 400 <= outcome.status < 500
    assert ledger.state.values == before


async def test_anchor_when_caller_is_another_organization_or_a_peer_then_refused(ledger: ContractLedger) -> None:
    outcome = await anchor(ledger, 0, 3, PARTNER_CLIENT)
    assert (outcome.status, outcome.code) == (404, "not_found")
    outcome = await anchor(ledger, 0, 3, BANK_PEER)
    assert (outcome.status, outcome.code) == (403, "access_denied")


# --- cosignatures ---


async def test_cosign_when_witness_signed_the_anchored_head_then_stored_and_listed(ledger: ContractLedger) -> None:
    await anchor(ledger, 0, 5)
    await register_witness(ledger)
    outcome = await ledger.submit(PARTNER_CLIENT, "Cosign", BANK, "5", cosignature(5))
    assert outcome.status == 200, outcome.message
    record = ledger.stored("cosignature~DwaybankMSP~00000000000000000005~PartnerMSP")
    assert record == {
        "organization": BANK,
        "size": 5,
        "witness": PARTNER,
        "name": witness_name(PARTNER),
        "time": 1_772_366_400,
        "cosignature": cosignature(5),
        "transaction_id": "tx4",
        "timestamp": "2026-03-01T12:00:00.123456Z",
    }
    assert (await ledger.submit(REGULATOR_CLIENT, "GetCosignatures", BANK, "5")).json() == [record]
    assert (await ledger.submit(REGULATOR_CLIENT, "GetCosignatures", BANK, "4")).json() == []
    again = await ledger.submit(PARTNER_CLIENT, "Cosign", BANK, "5", cosignature(5))
    assert (again.status, again.code) == (409, "already_cosigned")


@pytest.mark.parametrize(
    ("creator", "organization", "size", "line", "code"),
    [
        (BANK_CLIENT, BANK, "5", cosignature(5), "own_log"),
        (REGULATOR_CLIENT, BANK, "5", cosignature(5), "not_found"),
        (PARTNER_CLIENT, BANK, "6", cosignature(6), "not_found"),
        (PARTNER_CLIENT, BANK, "5", cosignature(6), "wrong_signature"),
        (PARTNER_CLIENT, BANK, "5", cosignature(5, key=OTHER_KEY), "unsigned_checkpoint"),
        (PARTNER_CLIENT, BANK, "5", "nonsense", "malformed_note"),
        (PARTNER_CLIENT, BANK, "5", "x" * 2000, "bad_argument"),
        (PARTNER_CLIENT, "a~b", "5", cosignature(5), "bad_argument"),
        (PARTNER_CLIENT, BANK, "0", cosignature(5), "bad_argument"),
        (PARTNER_CLIENT, BANK, "-5", cosignature(5), "bad_argument"),
    ],
)
async def test_cosign_when_unfit_then_refused(
    ledger: ContractLedger, creator: bytes, organization: str, size: str, line: str, code: str
) -> None:
    await anchor(ledger, 0, 5)
    await register_witness(ledger)
    before = dict(ledger.state.values)
    outcome = await ledger.submit(creator, "Cosign", organization, size, line)
    assert outcome.code == code, outcome.message
    assert ledger.state.values == before


async def test_register_witness_when_repeated_or_a_log_key_then_refused(ledger: ContractLedger) -> None:
    await register_witness(ledger)
    key = notes.verifier_key(witness_name(PARTNER), OTHER_KEY, notes.COSIGNATURE_V1)
    outcome = await ledger.submit(PARTNER_CLIENT, "RegisterWitness", witness_name(PARTNER), key)
    assert outcome.code == "registered"
    key = notes.verifier_key(witness_name(BANK), OTHER_KEY)
    assert (await ledger.submit(BANK_CLIENT, "RegisterWitness", witness_name(BANK), key)).code == "wrong_key"
    assert (await ledger.submit(BANK_CLIENT, "GetWitness", PARTNER)).json()["name"] == witness_name(PARTNER)
    assert (await ledger.submit(BANK_CLIENT, "GetWitness", BANK)).status == 404


# --- reads ---


async def test_checkpoint_covering_when_asked_then_smallest_head_that_holds_the_entry(ledger: ContractLedger) -> None:
    sizes = [1, 9, 10, 40]
    for old, new in zip([0, *sizes], sizes, strict=False):
        await anchor(ledger, old, new)
    for seq, size in ((1, 1), (2, 9), (9, 9), (10, 10), (11, 40), (40, 40)):
        found = (await ledger.submit(REGULATOR_CLIENT, "CheckpointCovering", BANK, str(seq))).json()
        assert found["size"] == size
    outcome = await ledger.submit(REGULATOR_CLIENT, "CheckpointCovering", BANK, "41")
    assert (outcome.status, outcome.code) == (404, "not_found")
    assert (await ledger.submit(REGULATOR_CLIENT, "CheckpointCovering", "Dwaybank", "1")).status == 404


async def test_reads_when_record_exists_or_not_then_told(ledger: ContractLedger) -> None:
    await anchor(ledger, 0, 4)
    assert (await ledger.submit(REGULATOR_CLIENT, "GetLog", BANK)).json()["size"] == 4
    assert (await ledger.submit(REGULATOR_CLIENT, "GetCheckpoint", BANK, "4")).json()["note"] == note_of(4)
    for function, args in (
        ("GetLog", [PARTNER]),
        ("GetCheckpoint", [BANK, "5"]),
    ):
        outcome = await ledger.submit(REGULATOR_CLIENT, function, *args)
        assert (outcome.status, outcome.code) == (404, "not_found")
