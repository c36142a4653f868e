"""Aim: the index sees each valid record of a block once, and nothing of invalid or foreign transactions.

Method: blocks of an in-memory channel with real contracts.
"""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf.timestamp_pb2 import Timestamp

from network.block import header_hash
from network.identity import serialize_identity
from network.rwset_builder import RwsetBuilder
from node.audit.records import NO_TIME, Landmark, _signer, read_records
from tests.support.consortium_in_memory import BANK, DOMAINS, PARTNER, REGULATOR, ConsortiumInMemory, make_material
from tests.support.proof_scenario import SIZE, anchor_entry


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> ConsortiumInMemory:
    found = ConsortiumInMemory(make_material(tmp_path_factory.mktemp("crypto")))
    asyncio.run(anchor_entry(found))
    return found


def test_records_of_a_whole_channel_are_each_seen_once(consortium: ConsortiumInMemory) -> None:
    found = [read_records(block) for block in consortium.blocks]
    records = [record for block in found for record in block.records]
    assert [record.kind for record in records] == [
        "log", "witness", "witness", "checkpoint", "epoch", "cosignature", "cosignature",
    ]  # fmt: skip
    checkpoint = next(record for record in records if record.kind == "checkpoint")
    assert (checkpoint.organization, checkpoint.from_seq, checkpoint.to_seq) == (BANK, 1, SIZE)
    assert checkpoint.signer == f"{BANK}/Node@dwaybank.test"
    assert checkpoint.key == f"checkpoint~{BANK}~{SIZE:020d}"
    assert json.loads(checkpoint.body)["size"] == SIZE
    assert {record.organization for record in records if record.kind == "witness"} == {PARTNER, REGULATOR}


def test_configurations_and_definitions_are_landmarks(consortium: ConsortiumInMemory) -> None:
    found = {block.number: block.landmarks for block in map(read_records, consortium.blocks) if block.landmarks}
    assert found == {
        0: (Landmark("config", "", 0),),
        1: (Landmark("definition", "audit", 0),),
        2: (Landmark("definition", "compliance", 0),),
        6: (Landmark("config", "", 0),),
    }


def test_hashes_of_the_block_are_carried_along(consortium: ConsortiumInMemory) -> None:
    found = read_records(consortium.blocks[3])
    assert found.block_hash == header_hash(consortium.blocks[3].header)
    assert len(found.commit_hash) == 32


def make_block(
    consortium: ConsortiumInMemory, key: str, value: bytes, *, namespace: str = "audit", flag: int = 0
) -> int:
    builder = RwsetBuilder()
    builder.add_write(namespace, key, value)
    proposal = consortium.propose(consortium.material.signer(BANK), namespace, b"f")
    return consortium.commit([consortium.endorse(proposal, namespace, builder, b"")], bytes([flag]))


@pytest.mark.parametrize(
    ("key", "value", "namespace", "flag"),
    [
        ("demand~01", b'{"organization":"A","seqs":[1]}', "audit", 11),
        ("demand~01", b'{"organization":"A","seqs":[1]}', "other", 0),
        ("flag~01", b'{"organization":"A"}', "audit", 0),
        ("unknown~01", b'{"organization":"A"}', "audit", 0),
        ("demand~01", b"no json", "audit", 0),
        ("log~A", b'{"organization":"A","sequence":3}', "audit", 0),
    ],
)
def test_what_is_no_valid_record_is_passed_over(
    consortium: ConsortiumInMemory, key: str, value: bytes, namespace: str, flag: int
) -> None:
    number = make_block(consortium, key, value, namespace=namespace, flag=flag)
    assert read_records(consortium.blocks[number]).records == ()


COSIGNED = {"organization": PARTNER, "size": 9, "witness": BANK, "cosignature": "line", "time": 1}
ANCHORED = {
    "organization": BANK, "size": 40, "previous_size": 20, "root": base64.b64encode(bytes(32)).decode(), "note": "n",
    "controls_commitment": "00" * 32,
}  # fmt: skip
DEMANDED = {
    "demand_id": "0a" * 16, "organization": REGULATOR, "demanding_organization": BANK, "purpose": "p", "sealed_to": "",
    "scope": ["entry"], "seqs": [3, 9],
}  # fmt: skip
EPOCH = {"organization": BANK, "epoch": 2, "from_seq": 1, "to_seq": 5, "root": base64.b64encode(bytes(32)).decode()}
STEP = {"status": "open", "by": BANK, "transaction_id": "t", "timestamp": "2026-03-01T12:00:00+00:00"}
FINDING = {
    "finding_id": "0b" * 16, "organization": BANK, "opened_by": BANK, "kind": "k", "subject": "log",
    "evidence": "00" * 32, "status": "open", "steps": [STEP],
}  # fmt: skip
SOUND = {
    f"checkpoint~{BANK}~{40:020d}": ANCHORED,
    f"cosignature~{PARTNER}~{9:020d}~{BANK}": COSIGNED,
    f"demand~{'0a' * 16}": DEMANDED,
    f"epoch~{BANK}~{2:020d}": EPOCH,
    f"finding~{'0b' * 16}": FINDING,
}
"""By key, what the bank's client may write."""


def namespace_of(key: str) -> str:
    return "compliance" if key.startswith(("epoch", "flag")) else "audit"


@pytest.mark.parametrize("key", SOUND)
def test_what_the_contract_writes_is_a_record(consortium: ConsortiumInMemory, key: str) -> None:
    number = make_block(consortium, key, json.dumps(SOUND[key]).encode(), namespace=namespace_of(key))
    (record,) = read_records(consortium.blocks[number]).records
    assert (record.key, json.loads(record.body)) == (key, SOUND[key])


WRONG = [
    *((key, {**body, name: None}) for key, body in SOUND.items() for name in body),
    *(
        (key, {other: body[other] for other in body if other != name})
        for key, body in SOUND.items()
        for name in body.keys() - {"scope", "sealed_to"}  # which the first demands had not
    ),
    (f"demand~{'0a' * 16}", {**DEMANDED, "sealed_to": "no key"}),
    *((key, {**body, name: "half\ud800"}) for key, body in SOUND.items() for name in body if name != "root"),
    *((key + "x", body) for key, body in SOUND.items()),
    (f"checkpoint~{PARTNER}~{40:020d}", {**ANCHORED, "organization": PARTNER}),
    (f"cosignature~{BANK}~{9:020d}~{REGULATOR}", {**COSIGNED, "organization": BANK, "witness": REGULATOR}),
    (f"demand~{'0a' * 16}", {**DEMANDED, "demanding_organization": REGULATOR}),
    (f"demand~{'0a' * 16}", {**DEMANDED, "seqs": []}),
    (f"demand~{'0a' * 16}", {**DEMANDED, "seqs": ["1"]}),
    (f"demand~{'0a' * 16}", {**DEMANDED, "purpose": "nul\x00"}),
    (f"checkpoint~{BANK}~{40:020d}", {**ANCHORED, "size": True}),
    (f"checkpoint~{BANK}~{40:020d}", {**ANCHORED, "more": ["\x00"]}),
    *(
        (f"finding~{'0b' * 16}", {**FINDING, "steps": [step]})
        for step in (
            {"status": "open"},
            {**STEP, "timestamp": "yesterday"},
            {**STEP, "timestamp": "2026-03-01T12:00:00"},
            {**STEP, "explanation": "zz"},
            {**STEP, "outcome": 1},
            "open",
        )
    ),
    (f"finding~{'0b' * 16}", {**FINDING, "steps": []}),
    ("flag~zz", {"record_id": "zz", "organization": BANK, "status": "requires_manual_review"}),
    (f"log~{PARTNER}", {"organization": PARTNER, "origin": "o", "verifier_key": "k", "sequence": 0}),
    (f"witness~{REGULATOR}", {"organization": REGULATOR, "cosigner_key": "k"}),
]


def test_what_the_contract_could_not_have_written_stops_nobody_and_is_no_record(
    consortium: ConsortiumInMemory,
) -> None:
    """Two of three members can write it, and every peer judges it VALID: the third must go on, and see no cosignature
    of its own."""
    for key, body in WRONG:
        number = make_block(consortium, key, json.dumps(body).encode(), namespace=namespace_of(key))
        assert read_records(consortium.blocks[number]).records == (), (key, body)


def test_common_name_that_no_database_keeps_is_told_without_its_nul(consortium: ConsortiumInMemory) -> None:
    folder = consortium.material.root / "peerOrganizations" / DOMAINS[PARTNER] / "ca"
    authority = x509.load_pem_x509_certificate(next(folder.glob("*.pem")).read_bytes())
    authority_key = serialization.load_pem_private_key((folder / "priv_sk").read_bytes(), None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "client"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Eve\x00"),
        ]
    )
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(authority.not_valid_before_utc)
        .not_valid_after(authority.not_valid_after_utc)
        .sign(authority_key, hashes.SHA256())
    )
    creator = serialize_identity(PARTNER, certificate.public_bytes(serialization.Encoding.PEM))
    assert _signer(creator) == f"{PARTNER}/Eve\ufffd"


@pytest.mark.parametrize("given", [None, Timestamp(seconds=2**40), Timestamp(seconds=1, nanos=-1)])
def test_record_of_a_transaction_without_a_time_any_calendar_holds_is_indexed(
    consortium: ConsortiumInMemory, monkeypatch: pytest.MonkeyPatch, given: Timestamp | None
) -> None:
    """Contracts that do not ask for the time let it pass, and so do peers: the index must go on."""
    monkeypatch.setattr("network.proposal.timestamp_message", lambda moment: given)
    number = make_block(consortium, f"witness~{BANK}", b'{"organization":"DwaybankMSP","cosigner_key":"key"}')
    (record,) = read_records(consortium.blocks[number]).records
    assert (record.organization, record.recorded_at) == (BANK, NO_TIME)


def test_block_no_peer_has_judged_gives_no_records(consortium: ConsortiumInMemory) -> None:
    number = make_block(consortium, f"demand~{'0a' * 16}", json.dumps(DEMANDED).encode())
    [record] = read_records(consortium.blocks[number]).records
    assert (record.from_seq, record.to_seq) == (3, 9)
    block = type(consortium.blocks[number]).FromString(consortium.raw(number))
    block.metadata.metadata[2] = b""
    assert read_records(block).records == ()


def test_what_follows_a_definition_in_the_same_block_counts_too(consortium: ConsortiumInMemory) -> None:
    signer = consortium.material.signer(BANK)
    envelopes = []
    for namespace, key in (
        ("_lifecycle", "namespaces/fields/one/Sequence"),
        ("_lifecycle", "namespaces/fields/two/Sequence"),
        ("audit", f"demand~{'0a' * 16}"),
    ):
        builder = RwsetBuilder()
        builder.add_write(namespace, key, json.dumps(DEMANDED).encode())
        envelopes.append(consortium.endorse(consortium.propose(signer, namespace, b"f"), namespace, builder, b""))
    found = read_records(consortium.blocks[consortium.commit(envelopes, bytes(3))])
    assert found.landmarks == (Landmark("definition", "one", 0), Landmark("definition", "two", 1))
    assert [(record.tx_number, record.key) for record in found.records] == [(2, f"demand~{'0a' * 16}")]
