"""Aim: a bundle proves its entry to someone who has the genesis hash and nothing else; no other bundle does.

Method: one channel with real keys, contracts, endorsements and blocks; a good bundle; then a hostile prover, who holds
every key of the bank and of one peer, bends it in each place and is refused with the reason for just that place. The
golden files in ``fixtures/proofs`` keep bundles of today readable tomorrow.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from nacl.signing import SigningKey

from network.block import header_hash, new_block, sign_block
from network.bundle import (
    BundleContent,
    DecisionEvidence,
    TransactionRef,
    WitnessEvidence,
    build_bundle,
    parse_bundle,
    verify_bundle,
)
from network.bundle_parts import BLOCK_COUNT_MAX, BUNDLE_BYTES_MAX
from network.checkpoint import COSIGNATURE_V1, Checkpoint, cosign, sign_checkpoint, verifier_key
from network.errors import ProofError
from network.merkle import inclusion_proof, root
from network.rwset_builder import RwsetBuilder
from tests.support.consortium_in_memory import (
    BANK,
    CHANNEL,
    ORDERER,
    PARTNER,
    REGULATOR,
    START,
    ConsortiumInMemory,
    Material,
    make_material,
)
from tests.support.proof_forge import Forge
from tests.support.proof_scenario import (
    COSIGNED_AT,
    DECISIONS,
    LEAVES,
    LOG_KEY,
    NOTE,
    SEQ,
    SIZE,
    WITNESS_KEYS,
    Scenario,
    anchor_entry,
    canonical,
    decision,
    origin,
    update_channel,
    witness_name,
)

REPOSITORY = Path(__file__).parents[3]
GOLDEN = REPOSITORY / "fixtures" / "proofs"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Another consortium with the same names and other keys."""
    other = make_material(tmp_path_factory.mktemp("foreign"))
    return asyncio.run(anchor_entry(ConsortiumInMemory(other)))


@pytest.fixture(scope="module")
def scenario(material: Material) -> Scenario:
    return asyncio.run(anchor_entry(ConsortiumInMemory(material)))


def describe(data: bytes) -> dict[str, Any]:
    """Read the test's canonical bytes."""
    word, number = data.split()
    if word != b"entry":
        raise ValueError("no entry")
    return {"seq": int(number), "decision_leaf": DECISIONS[int(number) - 1].hex()}


def refused(scenario: Scenario, bundle: bytes, reason: str, **options: Any) -> None:
    with pytest.raises(ProofError) as caught:
        verify_bundle(bundle, scenario.consortium.genesis_hash, **options)
    assert caught.value.reason == reason, str(caught.value)


# --- what a good bundle proves ---------------------------------------------------------------------------------


def test_bundle_proves_its_entry(scenario: Scenario) -> None:
    entry = verify_bundle(scenario.bundle(), scenario.consortium.genesis_hash, describe=describe, now=START)
    assert (entry.channel_id, entry.organization, entry.seq) == (CHANNEL, BANK, SEQ)
    assert (entry.leaf, entry.canonical) == (LEAVES[SEQ - 1], canonical(SEQ))
    assert (entry.log_size, entry.log_root) == (SIZE, root(LEAVES))
    assert (entry.state, {witness.organization for witness in entry.witnesses}) == ("attested", {REGULATOR, PARTNER})
    assert {int(witness.time.timestamp()) for witness in entry.witnesses} == {COSIGNED_AT}
    assert entry.block_number == scenario.content.anchor.block
    assert entry.block_hash == header_hash(scenario.consortium.blocks[entry.block_number].header)
    assert entry.decision_record == decision(SEQ)
    assert entry.fields is not None


def test_bundle_read_back_is_the_bundle_written(scenario: Scenario) -> None:
    assert parse_bundle(scenario.bundle()) == scenario.content


def test_bundle_without_witnesses_proves_to_who_asks_for_none(scenario: Scenario) -> None:
    bundle = scenario.bundle(witnesses=())
    refused(scenario, bundle, "not_attested")
    assert verify_bundle(bundle, scenario.consortium.genesis_hash, witnesses_min=0).state == "anchored"
    refused(scenario, scenario.bundle(), "not_attested", witnesses_min=3)


def test_bundle_without_decision_proves_the_entry_and_no_decision(scenario: Scenario) -> None:
    definitions = {"audit": scenario.content.definitions["audit"]}
    entry = verify_bundle(
        scenario.bundle(decision=None, definitions=definitions), scenario.consortium.genesis_hash, describe=describe
    )
    assert entry.decision_record is None


def test_golden_bundle_still_verifies() -> None:
    genesis_hash = bytes.fromhex((GOLDEN / "genesis_hash.txt").read_text())
    bundle = (GOLDEN / "bundle.json").read_bytes()
    entry = verify_bundle(bundle, genesis_hash, describe=describe)
    assert (entry.organization, entry.seq, entry.state) == (BANK, SEQ, "attested")
    assert build_bundle(parse_bundle(bundle)) == bundle


def test_verifier_runs_as_a_program_of_its_own_without_network_or_database(tmp_path: Path) -> None:
    genesis = (GOLDEN / "genesis_hash.txt").read_text().strip()
    # Sockets are taken away before anything is imported.
    program = (
        "import socket, sys\n"
        "def refuse(*args, **kwargs): raise OSError('no network here')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from network.bundle_verifier import main\n"
        "code = main(sys.argv[1:])\n"
        "assert not {'psycopg', 'grpc', 'node', 'ledger'} & set(sys.modules), 'needs more than the proof'\n"
        "raise SystemExit(code)\n"
    )

    def run(*arguments: str) -> tuple[int, Any]:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    code, report = run(str(GOLDEN / "bundle.json"), "--genesis", genesis)
    assert (code, report["valid"], report["seq"], report["state"]) == (0, True, SEQ, "attested")
    code, report = run(str(GOLDEN / "bundle.json"), "--genesis", "00" * 32)
    assert (code, report["valid"], report["reason"]) == (1, False, "wrong_genesis")
    assert run(str(tmp_path / "absent.json"), "--genesis", genesis)[0] == 2
    assert run(str(GOLDEN / "bundle.json"), "--genesis", "not hex")[0] == 2


# --- a hostile prover: the text --------------------------------------------------------------------------------


def edit(scenario: Scenario, change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(scenario.bundle())
    change(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def replaced(scenario: Scenario, old: bytes, new: bytes) -> bytes:
    bundle = scenario.bundle()
    assert old in bundle
    return bundle.replace(old, new, 1)


TEXTS: dict[str, tuple[str, Callable[[Scenario], bytes]]] = {
    "empty": ("malformed_json", lambda s: b""),
    "not_utf8": ("malformed_json", lambda s: b"\xff" + s.bundle()),
    "cut_off": ("malformed_json", lambda s: s.bundle()[:-1]),
    "trailing_text": ("malformed_json", lambda s: s.bundle() + b"{}"),
    "a_list": ("malformed_json", lambda s: b"[]"),
    "deeply_nested": ("malformed_json", lambda s: b"[" * 200_000),
    "key_twice_outside": ("malformed_json", lambda s: replaced(s, b'{"version":1', b'{"version":1,"version":1')),
    "key_twice_inside": ("malformed_json", lambda s: replaced(s, b'"seq":7,"salt"', b'"seq":8,"seq":7,"salt"')),
    "float": ("malformed_json", lambda s: replaced(s, b'"seq":7,"salt"', b'"seq":7.0,"salt"')),
    "not_a_number": ("malformed_json", lambda s: replaced(s, b'"seq":7,"salt"', b'"seq":NaN,"salt"')),
    "huge_number": ("malformed_json", lambda s: replaced(s, b'"seq":7,"salt"', b'"seq":9007199254740993,"salt"')),
    "number_of_5000_digits": ("malformed_json", lambda s: replaced(s, b'"seq":7,', b'"seq":' + b"9" * 5000 + b",")),
    "other_version": ("unknown_version", lambda s: edit(s, lambda v: v.update(version=2))),
    "version_true": ("unknown_version", lambda s: edit(s, lambda v: v.update(version=True))),
    "no_version": ("unknown_version", lambda s: edit(s, lambda v: v.pop("version"))),
    "stray_field": ("malformed_bundle", lambda s: edit(s, lambda v: v.update(comment="trust me"))),
    "stray_field_inside": ("malformed_bundle", lambda s: edit(s, lambda v: v["checkpoint"].update(root="x"))),
    "stray_field_in_reference": (
        "malformed_bundle",
        lambda s: edit(s, lambda v: v["checkpoint"]["anchor"].update(valid=True)),
    ),
    "field_missing": ("malformed_bundle", lambda s: edit(s, lambda v: v["entry"].pop("salt"))),
    "decision_missing": ("malformed_bundle", lambda s: edit(s, lambda v: v.pop("decision"))),
    "decision_of_wrong_type": ("malformed_bundle", lambda s: edit(s, lambda v: v.update(decision=[]))),
    "fields_of_wrong_type": ("malformed_bundle", lambda s: edit(s, lambda v: v["entry"].update(fields=None))),
    "seq_true": ("malformed_bundle", lambda s: edit(s, lambda v: v["entry"].update(seq=True))),
    "seq_negative": ("malformed_bundle", lambda s: edit(s, lambda v: v["entry"].update(seq=-1))),
    "seq_as_text": ("malformed_bundle", lambda s: edit(s, lambda v: v["entry"].update(seq="7"))),
    "lone_surrogate": ("malformed_bundle", lambda s: edit_ascii(s, lambda v: v.update(channel="\ud800"))),
    "channel_empty": ("malformed_bundle", lambda s: edit(s, lambda v: v.update(channel=""))),
    "organization_long": ("malformed_bundle", lambda s: edit(s, lambda v: v.update(organization="x" * 300))),
    "salt_not_base64": ("malformed_bundle", lambda s: edit(s, lambda v: v["entry"].update(salt="%%%%"))),
    "salt_other_base64": ("malformed_bundle", lambda s: edit(s, lambda v: v["entry"].update(salt="AB=="))),
    "salt_too_long": ("malformed_bundle", lambda s: edit(s, lambda v: v["entry"].update(salt="A" * 200))),
    "proof_too_long": (
        "malformed_bundle",
        lambda s: edit(s, lambda v: v["inclusion"].update(proof=v["inclusion"]["proof"] * 20)),
    ),
    "block_number_padded": ("malformed_bundle", lambda s: edit(s, lambda v: v["blocks"].update({"00": ""}))),
    "block_number_arabic": ("malformed_bundle", lambda s: edit_ascii(s, lambda v: v["blocks"].update({"١": ""}))),
    "blocks_too_many": (
        "malformed_bundle",
        lambda s: edit(s, lambda v: v["blocks"].update({str(n): "" for n in range(99, 100 + BLOCK_COUNT_MAX)})),
    ),
    "contracts_too_many": (
        "malformed_bundle",
        lambda s: edit(s, lambda v: v["definitions"].update({str(n): [] for n in range(8)})),
    ),
    "too_large": ("bundle_too_large", lambda s: b" " * (BUNDLE_BYTES_MAX + 1)),
}


def edit_ascii(scenario: Scenario, change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(scenario.bundle())
    change(value)
    return json.dumps(value).encode()


@pytest.mark.parametrize("name", TEXTS)
def test_text_that_is_not_a_bundle_is_refused(scenario: Scenario, name: str) -> None:
    reason, make = TEXTS[name]
    refused(scenario, make(scenario), reason)


# --- a hostile prover: the content -----------------------------------------------------------------------------


def other_ref(reference: TransactionRef, **changes: int) -> TransactionRef:
    return replace(reference, **changes)


def without(content: BundleContent, number: int) -> dict[int, bytes]:
    return {at: block for at, block in content.blocks.items() if at != number}


def bent_block(raw: bytes, change: Callable[[common_pb2.Block], object]) -> bytes:
    block = common_pb2.Block.FromString(raw)
    change(block)
    return bytes(block.SerializeToString())


def in_block(content: BundleContent, number: int, change: Callable[[common_pb2.Block], object]) -> dict[int, bytes]:
    return {**content.blocks, number: bent_block(content.blocks[number], change)}


def flip_signature(block: common_pb2.Block) -> None:
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[0])
    signature = bytearray(metadata.signatures[0].signature)
    signature[-1] ^= 1
    metadata.signatures[0].signature = bytes(signature)
    block.metadata.metadata[0] = metadata.SerializeToString()


def claim_last_config(number: int) -> Callable[[common_pb2.Block], None]:
    def change(block: common_pb2.Block) -> None:
        metadata = common_pb2.Metadata.FromString(block.metadata.metadata[0])
        value = common_pb2.OrdererBlockMetadata.FromString(metadata.value)
        value.last_config.index = number
        metadata.value = value.SerializeToString()
        block.metadata.metadata[0] = metadata.SerializeToString()

    return change


def other_note(size: int = SIZE, name: str = origin(), key: SigningKey = LOG_KEY) -> str:
    return sign_checkpoint(Checkpoint(name, size, root(LEAVES)), name, key).decode()


def witness_of(content: BundleContent, **changes: Any) -> dict[str, Any]:
    return {"witnesses": (replace(content.witnesses[0], **changes),)}


def decision_of(content: BundleContent, **changes: Any) -> dict[str, Any]:
    assert content.decision is not None
    return {"decision": replace(content.decision, **changes)}


Change = Callable[[BundleContent], dict[str, Any]]
CONFIG = 6
"""The scenario's configuration block."""

CONTENTS: dict[str, tuple[str, Change]] = {
    # Entry and inclusion.
    "another_entry": ("wrong_inclusion", lambda c: {"canonical": canonical(8)}),
    "another_salt": ("wrong_inclusion", lambda c: {"salt": bytes(32)}),
    "salt_and_entry_shifted": ("wrong_salt", lambda c: {"salt": c.salt + b"e", "canonical": c.canonical[1:]}),
    "short_salt": ("wrong_salt", lambda c: {"salt": c.salt[:31], "canonical": c.salt[31:] + c.canonical}),
    "no_entry": ("wrong_salt", lambda c: {"canonical": b""}),
    "another_number": ("wrong_inclusion", lambda c: {"seq": SEQ - 1}),
    "number_zero": ("index_out_of_range", lambda c: {"seq": 0}),
    "number_beyond_the_log": ("index_out_of_range", lambda c: {"seq": SIZE + 1}),
    "proof_of_another_entry": ("wrong_inclusion", lambda c: {"proof": tuple(inclusion_proof(LEAVES, SEQ))}),
    "proof_cut": ("wrong_proof_length", lambda c: {"proof": c.proof[:-1]}),
    "proof_extended": ("wrong_proof_length", lambda c: {"proof": (*c.proof, bytes(32))}),
    "proof_of_short_hashes": ("malformed_hash", lambda c: {"proof": (*c.proof[:-1], b"short")}),
    # Checkpoint.
    "note_of_another_size": ("record_missing", lambda c: {"note": other_note(SIZE + 1), "size": SIZE + 1}),
    "note_signed_anew": ("wrong_checkpoint", lambda c: {"note": other_note(SIZE - 1)}),
    "note_with_cosignature": ("wrong_checkpoint", lambda c: {"note": c.note + c.witnesses[0].cosignature + "\n"}),
    "anchor_in_another_block": ("record_missing", lambda c: {"anchor": c.registration}),
    "anchor_that_is_not_there": ("missing_transaction", lambda c: {"anchor": other_ref(c.anchor, index=1)}),
    "anchor_in_no_block": ("missing_block", lambda c: {"anchor": other_ref(c.anchor, block=99)}),
    "anchor_is_a_configuration": ("invalid_transaction", lambda c: {"anchor": TransactionRef(CONFIG, 0)}),
    "anchor_is_the_epoch": ("wrong_contract", lambda c: {"anchor": TransactionRef(c.anchor.block + 1, 0)}),
    "registration_is_the_witness": (
        "wrong_organization",
        lambda c: {"registration": c.witnesses[0].registration},
    ),
    "registration_is_the_anchor": ("wrong_order", lambda c: {"registration": c.anchor}),
    "another_organization": ("wrong_organization", lambda c: {"organization": PARTNER}),
    "another_channel": ("wrong_channel", lambda c: {"channel": "other"}),
    # Witnesses.
    "witness_is_the_bank": ("wrong_witness", lambda c: witness_of(c, organization=BANK)),
    "witness_twice": ("wrong_witness", lambda c: {"witnesses": (c.witnesses[0], c.witnesses[0])}),
    "witness_is_no_member": ("wrong_witness", lambda c: witness_of(c, organization="NobodyMSP")),
    "witness_is_the_orderer": ("wrong_witness", lambda c: witness_of(c, organization=ORDERER)),
    "witness_under_another_name": ("wrong_organization", lambda c: witness_of(c, organization=PARTNER)),
    "cosignature_of_another_witness": (
        "unsigned_checkpoint",
        lambda c: witness_of(c, cosignature=c.witnesses[1].cosignature),
    ),
    "cosignature_by_the_banks_key": (
        "unsigned_checkpoint",
        lambda c: witness_of(c, cosignature=cosign(NOTE, witness_name(REGULATOR), LOG_KEY, COSIGNED_AT)),
    ),
    "cosignature_of_another_head": (
        "wrong_signature",
        lambda c: witness_of(
            c,
            cosignature=cosign(other_note(5).encode(), witness_name(REGULATOR), WITNESS_KEYS[REGULATOR], COSIGNED_AT),
        ),
    ),
    "cosignature_malformed": ("malformed_note", lambda c: witness_of(c, cosignature="yes, seen")),
    "witness_registration_is_the_log": (
        "wrong_organization",
        lambda c: witness_of(c, registration=c.registration),
    ),
    # Decision.
    "another_decision": ("wrong_inclusion", lambda c: decision_of(c, record=decision(8))),
    "decision_of_another_epoch": ("record_missing", lambda c: decision_of(c, epoch=2)),
    "decision_proof_of_another": (
        "wrong_inclusion",
        lambda c: decision_of(c, proof=tuple(inclusion_proof(DECISIONS, SEQ))),
    ),
    "decision_in_the_anchor": ("wrong_contract", lambda c: decision_of(c, transaction=c.anchor)),
    # Definitions.
    "no_definition": ("definition_missing", lambda c: {"definitions": {}}),
    "definition_of_another_contract": (
        "wrong_definition",
        lambda c: {"definitions": {**c.definitions, "audit": c.definitions["compliance"]}},
    ),
    "definition_is_an_invocation": (
        "wrong_contract",
        lambda c: {"definitions": {**c.definitions, "audit": (c.registration,)}},
    ),
    "definition_twice": (
        "wrong_definition",
        lambda c: {"definitions": {**c.definitions, "audit": c.definitions["audit"] * 2}},
    ),
    # Blocks.
    "no_genesis": ("genesis_missing", lambda c: {"blocks": without(c, 0)}),
    "genesis_bent": ("wrong_genesis", lambda c: {"blocks": in_block(c, 0, lambda b: b.header.ClearField("data_hash"))}),
    "genesis_data_bent": (
        "wrong_block_data",
        lambda c: {"blocks": in_block(c, 0, lambda b: b.data.data.append(b"more"))},
    ),
    "block_is_noise": ("malformed_block", lambda c: {"blocks": {**c.blocks, 3: b"\xff\xff"}}),
    "block_under_another_number": (
        "wrong_block_number",
        lambda c: {"blocks": {**without(c, c.anchor.block), 99: c.blocks[c.anchor.block]}},
    ),
    "block_missing": ("missing_block", lambda c: {"blocks": without(c, c.registration.block)}),
    "configuration_left_out": ("config_missing", lambda c: {"blocks": without(c, CONFIG)}),
    "block_with_more_transactions": (
        "wrong_block_data",
        lambda c: {"blocks": in_block(c, c.anchor.block, lambda b: b.data.data.append(b.data.data[0]))},
    ),
    "block_without_signature": (
        "wrong_block_signature",
        lambda c: {"blocks": in_block(c, c.anchor.block, lambda b: b.ClearField("metadata"))},
    ),
    "block_with_bent_signature": (
        "wrong_block_signature",
        lambda c: {"blocks": in_block(c, c.anchor.block, flip_signature)},
    ),
    "block_claims_an_older_configuration": (
        "wrong_block_signature",
        lambda c: {"blocks": in_block(c, c.anchor.block, claim_last_config(0))},
    ),
    "chain_broken": (
        "broken_chain",
        lambda c: {"blocks": in_block(c, CONFIG, lambda b: setattr(b.header, "previous_hash", bytes(32)))},
    ),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_bundle_bent_in_one_place_is_refused(scenario: Scenario, name: str) -> None:
    reason, change = CONTENTS[name]
    refused(scenario, scenario.bundle(**change(scenario.content)), reason)


def test_fields_shown_otherwise_than_proved_are_refused(scenario: Scenario) -> None:
    refused(scenario, scenario.bundle(fields={"seq": 8}), "wrong_fields", describe=describe)
    refused(scenario, scenario.bundle(fields={"amount": "1"}), "wrong_fields", describe=describe)
    refused(scenario, scenario.bundle(), "wrong_fields", describe=lambda data: {"seq": 8})
    refused(scenario, scenario.bundle(), "wrong_decision", describe=lambda data: {"seq": SEQ, "decision_leaf": "00"})

    def fail(data: bytes) -> dict[str, Any]:
        raise ValueError("unreadable")

    refused(scenario, scenario.bundle(), "unreadable_entry", describe=fail)


def test_witness_from_the_future_is_refused(scenario: Scenario) -> None:
    line = cosign(NOTE, witness_name(REGULATOR), WITNESS_KEYS[REGULATOR], COSIGNED_AT + 86_400)
    bundle = scenario.bundle(**witness_of(scenario.content, cosignature=line))
    refused(scenario, bundle, "witness_in_future", now=START)
    verify_bundle(bundle, scenario.consortium.genesis_hash, now=START + timedelta(days=2))
    line = cosign(NOTE, witness_name(REGULATOR), WITNESS_KEYS[REGULATOR], 2**62)
    refused(scenario, scenario.bundle(**witness_of(scenario.content, cosignature=line)), "witness_in_future")


def test_another_consortium_with_the_same_names_proves_nothing(scenario: Scenario, foreign: Scenario) -> None:
    refused(scenario, foreign.bundle(), "wrong_genesis")
    refused(
        scenario,
        foreign.bundle(blocks={**foreign.content.blocks, 0: scenario.content.blocks[0]}),
        "broken_chain",
    )
    blocks = {number: block for number, block in foreign.content.blocks.items() if number not in (0, 1, 2)}
    blocks |= {number: scenario.content.blocks[number] for number in (0, 1)}
    refused(scenario, foreign.bundle(blocks=blocks), "wrong_block_signature")


# --- a hostile prover who holds the bank's keys, one peer's, and the orderer's ----------------------------------


def with_forged_anchor(scenario: Scenario, make: Callable[[ConsortiumInMemory], bytes]) -> bytes:
    """Return the bundle with a forged anchor in a block of the real orderer's.

    The forged block stands alone: it is the orderer's duty, not the verifier's, to keep one chain, so this is the most
    that a bank with an orderer on its side could do.
    """
    consortium = scenario.consortium
    block = new_block(1_000, bytes(32), [make(consortium)])
    sign_block(block, consortium.material.signer(ORDERER, "orderer"), last_config=consortium.last_config)
    blocks = {**scenario.content.blocks, 1_000: bytes(block.SerializeToString())}
    return scenario.bundle(anchor=TransactionRef(1_000, 0), blocks=blocks)


def anchor_writes(consortium: ConsortiumInMemory) -> RwsetBuilder:
    builder = RwsetBuilder()
    record = json.dumps({"note": NOTE.decode(), "size": SIZE, "organization": BANK}).encode()
    builder.add_write("audit", f"checkpoint~{BANK}~{SIZE:020d}", record)
    return builder


def forged_anchor(
    consortium: ConsortiumInMemory,
    *,
    msp_id: str = BANK,
    user: str = "Node",
    endorsers: tuple[str, ...] = (BANK, REGULATOR),
    namespace: str = "audit",
) -> bytes:
    proposal = consortium.propose(consortium.material.signer(msp_id, user), namespace, b"AnchorCheckpoint")
    return consortium.endorse(proposal, namespace, anchor_writes(consortium), b"", endorsers=endorsers)


def resigned(envelope: bytes, change: Callable[[common_pb2.Envelope], object]) -> bytes:
    message = common_pb2.Envelope.FromString(envelope)
    change(message)
    return bytes(message.SerializeToString())


FORGERIES: dict[str, tuple[str, Callable[[ConsortiumInMemory], bytes]]] = {
    "endorsed_by_the_bank_alone": ("endorsement_policy", lambda c: forged_anchor(c, endorsers=(BANK,))),
    "endorsed_by_the_bank_twice": ("endorsement_policy", lambda c: forged_anchor(c, endorsers=(BANK, BANK))),
    "submitted_by_another_member": ("wrong_organization", lambda c: forged_anchor(c, msp_id=PARTNER)),
    "not_signed_by_its_creator": (
        "wrong_creator_signature",
        lambda c: resigned(
            forged_anchor(c), lambda e: setattr(e, "signature", c.material.signer(BANK).sign(b"something else"))
        ),
    ),
    "of_another_contract": ("wrong_contract", lambda c: forged_anchor(c, namespace="compliance")),
    "writing_nothing": (
        "record_missing",
        lambda c: c.endorse(c.propose(c.material.signer(BANK), "audit", b"x"), "audit", RwsetBuilder(), b""),
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_anchor_in_an_orderers_block_is_refused(material: Material, name: str) -> None:
    scenario = asyncio.run(anchor_entry(ConsortiumInMemory(material)))
    reason, make = FORGERIES[name]
    refused(scenario, with_forged_anchor(scenario, make), reason)


def test_forged_anchor_with_enough_colluding_peers_is_what_a_bundle_cannot_tell(material: Material) -> None:
    """The limit, written down: two of three members and the orderer together can put a transaction before us."""
    scenario = asyncio.run(anchor_entry(ConsortiumInMemory(material)))
    bundle = with_forged_anchor(scenario, forged_anchor)
    assert verify_bundle(bundle, scenario.consortium.genesis_hash).seq == SEQ


@pytest.mark.parametrize("signer", [BANK, REGULATOR])
def test_block_signed_by_a_member_instead_of_the_orderer_is_refused(material: Material, signer: str) -> None:
    scenario = asyncio.run(anchor_entry(ConsortiumInMemory(material)))
    block = new_block(1_000, bytes(32), [forged_anchor(scenario.consortium)])
    sign_block(block, material.signer(signer, "peer"), last_config=scenario.consortium.last_config)
    blocks = {**scenario.content.blocks, 1_000: bytes(block.SerializeToString())}
    refused(scenario, scenario.bundle(anchor=TransactionRef(1_000, 0), blocks=blocks), "wrong_block_signature")


def test_configuration_nobody_authorized_is_refused_though_the_orderer_signed_it(material: Material) -> None:
    scenario = asyncio.run(anchor_entry(ConsortiumInMemory(material), update_config=False))
    consortium = scenario.consortium
    before = consortium.config_envelope
    number = update_channel(consortium)
    good = consortium.config_envelope
    # The same configuration, but with an update that another organization's administrator signed.
    forged = good.replace(b"127.0.0.1", b"127.0.0.2")
    assert forged != good
    raw = consortium.raw(number).replace(good, forged)
    block = common_pb2.Block.FromString(raw)
    again = new_block(number, block.header.previous_hash, list(block.data.data))
    sign_block(again, material.signer(ORDERER, "orderer"), last_config=number)
    blocks = {**scenario.content.blocks, number: bytes(again.SerializeToString())}
    refused(scenario, scenario.bundle(blocks=blocks), "wrong_config")
    assert before != good


def test_contract_defined_without_enough_members_is_refused(material: Material) -> None:
    scenario = asyncio.run(anchor_entry(ConsortiumInMemory(material)))
    consortium = scenario.consortium
    one_is_enough = "OutOf(1, 'DwaybankMSP.peer')"
    number = consortium.define("audit", one_is_enough, sequence=2, endorsers=(BANK,))
    definitions = {**scenario.content.definitions, "audit": (TransactionRef(1, 0), TransactionRef(number, 0))}
    bundle = scenario.bundle(definitions=definitions, blocks=scenario.blocks(number))
    refused(scenario, bundle, "endorsement_policy")


def test_older_definition_counts_for_what_was_anchored_under_it(material: Material) -> None:
    scenario = asyncio.run(anchor_entry(ConsortiumInMemory(material)))
    number = scenario.consortium.define("audit", "OutOf(3, 'A.peer', 'B.peer', 'C.peer')", sequence=2)
    definitions = {**scenario.content.definitions, "audit": (TransactionRef(1, 0), TransactionRef(number, 0))}
    bundle = scenario.bundle(definitions=definitions, blocks=scenario.blocks(number))
    assert verify_bundle(bundle, scenario.consortium.genesis_hash).seq == SEQ
    reordered = {**definitions, "audit": tuple(reversed(definitions["audit"]))}
    refused(scenario, scenario.bundle(definitions=reordered, blocks=scenario.blocks(number)), "wrong_definition")


def test_member_that_joined_after_the_anchor_may_vouch_for_it_and_one_that_had_left_may_not(material: Material) -> None:
    scenario = asyncio.run(anchor_entry(ConsortiumInMemory(material), update_config=False))
    forge = Forge(material, scenario.content)
    partner = configtx_pb2.ConfigGroup.FromString(
        forge.config.group().groups["Application"].groups[PARTNER].SerializeToString()
    )
    forge.reconfigure(lambda group: group.groups["Application"].groups.pop(PARTNER))
    anchor = TransactionRef(forge.commit(forge.anchored_again()), 0)
    forge.reconfigure(lambda group: group.groups["Application"].groups[PARTNER].CopyFrom(partner))
    key = SigningKey(bytes(31) + b"\x77")
    record = {"cosigner_key": verifier_key(witness_name(PARTNER), key, COSIGNATURE_V1)}
    writes = [(f"witness~{PARTNER}", json.dumps(record).encode())]
    registration = TransactionRef(forge.commit(forge.transaction(writes, creator=material.signer(PARTNER))), 0)
    joined = WitnessEvidence(PARTNER, cosign(NOTE, witness_name(PARTNER), key, COSIGNED_AT), registration)
    proved = verify_bundle(
        build_bundle(forge.bundle(anchor=anchor, witnesses=(joined,))), scenario.consortium.genesis_hash
    )
    assert [witness.organization for witness in proved.witnesses] == [PARTNER]
    left = tuple(witness for witness in scenario.content.witnesses if witness.organization == PARTNER)
    refused(scenario, build_bundle(forge.bundle(anchor=anchor, witnesses=left)), "wrong_witness")


def test_witness_key_registered_by_someone_else_is_refused(material: Material) -> None:
    """A bank that registers a "regulator's" key itself gains nothing: the creator must be the witness."""
    scenario = asyncio.run(anchor_entry(ConsortiumInMemory(material)))
    consortium = scenario.consortium
    own = SigningKey(bytes(31) + b"\x77")
    key = verifier_key(witness_name(REGULATOR), own, COSIGNATURE_V1)
    builder = RwsetBuilder()
    builder.add_write("audit", f"witness~{REGULATOR}", json.dumps({"cosigner_key": key}).encode())
    proposal = consortium.propose(material.signer(BANK), "audit", b"RegisterWitness")
    number = consortium.commit([consortium.endorse(proposal, "audit", builder, b"")])
    line = cosign(NOTE, witness_name(REGULATOR), own, COSIGNED_AT)
    witness = WitnessEvidence(REGULATOR, line, TransactionRef(number, 0))
    refused(scenario, scenario.bundle(witnesses=(witness,), blocks=scenario.blocks(number)), "wrong_organization")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"not json", "malformed_record"),
        (b'{"from_seq":"1","to_seq":20,"root":""}', "malformed_record"),
        (b'{"from_seq":true,"to_seq":20,"root":""}', "malformed_record"),
        (b'{"from_seq":1,"to_seq":20,"root":"%"}', "malformed_record"),
        (b'{"from_seq":1,"to_seq":20,"root":7}', "malformed_record"),
        (b'{"from_seq":8,"to_seq":20,"root":""}', "wrong_epoch"),
        (b'{"from_seq":1,"to_seq":6,"root":""}', "wrong_epoch"),
    ],
)
def test_epoch_record_that_does_not_fit_is_refused(material: Material, record: bytes, reason: str) -> None:
    scenario = asyncio.run(anchor_entry(ConsortiumInMemory(material)))
    consortium = scenario.consortium
    builder = RwsetBuilder()
    builder.add_write("compliance", f"epoch~{BANK}~{9:020d}", record)
    proposal = consortium.propose(material.signer(BANK), "compliance", b"AnchorEpoch")
    number = consortium.commit([consortium.endorse(proposal, "compliance", builder, b"")])
    evidence = DecisionEvidence(decision(SEQ), 9, (), TransactionRef(number, 0))
    refused(scenario, scenario.bundle(decision=evidence, blocks=scenario.blocks(number)), reason)


def test_base64_of_blocks_is_bounded_before_it_is_decoded(scenario: Scenario) -> None:
    huge = "A" * (BUNDLE_BYTES_MAX // 2)
    refused(scenario, edit(scenario, lambda v: v["entry"].update(canonical=huge)), "malformed_bundle")
    assert base64.b64decode(json.loads(scenario.bundle())["blocks"]["0"]) == scenario.content.blocks[0]
