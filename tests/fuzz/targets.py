"""What reads bytes of strangers: each parser, how it may refuse them, and well-formed bytes to begin from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from google.protobuf.message import DecodeError

from ledger.errors import InvalidValueError, StatementFormatError
from ledger.reconciliation.settings import read_settings
from ledger.reconciliation.statement_files import read_statement_file
from network.audit_record import commit_controls
from network.block import is_config_block, parse_block
from network.bundle_format import parse_bundle
from network.bundle_verifier import read_bundle
from network.channel_config import ChannelConfig
from network.checkpoint import parse_checkpoint_text, parse_note
from network.envelope import parse_transaction, seek_envelope
from network.errors import (
    IdentityError,
    NetworkError,
    PolicyError,
    ProofError,
    SeekRefusedError,
    WireError,
)
from network.identity import parse_identity
from network.pb.dwaybank.ledger.v1 import ledger_pb2
from network.policy_dsl import parse_signature_policy
from network.proposal import new_proposal, parse_proposal, signed_proposal
from network.receipt import Receipt, read_signed_receipt
from network.rpc.http2.frames import ProtocolError
from network.rpc.http2.hpack import Decoder, HeaderListTooLargeError, encode
from network.rwset import parse_metadata, parse_private_rwset, parse_rwset, serialize_rwset
from network.seek import parse_seek
from network.signed_report import ReportStatement, read_statement
from node.audit.control_totals import check_opening
from node.books.wire import new_entries
from node.collections_file import parse_collections
from node.errors import ConfigurationError
from node.iso20022 import read_message, write_message
from node.iso20022.errors import UnacceptableMessageError
from node.peer.connection_file import parse_connection
from node.peer.errors import ChaincodeError, PeerError
from node.peer.package import parse_package
from node.peer.rich_query import parse_query
from tests.support.captured import captured
from tests.support.consortium_in_memory import START
from tests.support.iso20022 import EXAMPLES
from tests.support.many_edits import MANY_FILE
from tests.support.packages import python_package, service_package
from tests.support.proof_vectors import read_corpus
from tests.support.shared_data import REPOSITORY

_CHANNEL = captured("bft")
_FIXTURES = REPOSITORY / "fixtures"
_ACCOUNTS = read_settings(_FIXTURES / "statements" / "correspondent.yaml").accounts
_ENVELOPES = [bytes(content) for block in _CHANNEL.blocks[1:] for content in parse_block(block).data.data]
_TRANSACTIONS = [parse_transaction(envelope) for envelope in _ENVELOPES]
_CREATOR = _TRANSACTIONS[-1].creator


@dataclass(frozen=True)
class Target:
    """A parser.

    Args:
        parse: reads bytes; what it returns does not matter.
        refusals: the errors by which it may refuse; any other is a fault.
        seeds: well-formed bytes.
    """

    parse: Callable[[bytes], Any]
    refusals: tuple[type[Exception], ...]
    seeds: Sequence[bytes]


def _configuration(data: bytes) -> None:
    block = parse_block(data)
    if is_config_block(block):
        ChannelConfig.from_block(block)


_CONFIG = ChannelConfig.from_block(parse_block(_CHANNEL.blocks[0]))


_UPDATES = [
    configtx_pb2.ConfigEnvelope.FromString(
        common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload).data
    ).last_update.SerializeToString()
    for block in map(parse_block, _CHANNEL.blocks[1:])
    if is_config_block(block)
]


def _configuration_update(data: bytes) -> None:
    _CONFIG.propose_update(common_pb2.Envelope.FromString(data))


def _transaction(data: bytes) -> None:
    # An unknown field in front has everything read by protobuf's library, and changes nothing else (ADR 41).
    assert parse_transaction(data) == parse_transaction(b"\xfa\x01\x00" + data)._replace(envelope=data)


def _rwset(data: bytes) -> None:
    with suppress(WireError):
        assert parse_rwset(data) == parse_rwset(b"\xfa\x01\x00" + data)


def _message(data: bytes) -> None:
    message = read_message(data)
    assert read_message(write_message(message)) == message


def _header_block(data: bytes) -> None:
    decoder = Decoder(list)
    # Twice, as one connection: the table that the first leaves is what the second refers to.
    half = len(data) // 2
    for part in (data[:half], data[half:]):
        decoder.decode(part)


def _note(data: bytes) -> None:
    parse_checkpoint_text(parse_note(data).text)


def _totals(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    check_opening(text, bytes(32), commit_controls(text, bytes(32)))


def _text(parse: Callable[[str], Any]) -> Callable[[bytes], Any]:
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


def _entries(data: bytes) -> None:
    new_entries(ledger_pb2.PostEntriesRequest.FromString(data).entries)


def _proposal() -> bytes:
    return signed_proposal(new_proposal("anchors", "cc", [b"f", b"a"], _CREATOR, bytes(24), START)[1], b"signature")


def _entry() -> bytes:
    posting = {"account": "a", "side": 1, "amount_minor": "5"}
    entry = ledger_pb2.NewEntry(
        idempotency_key="00000000-0000-4000-8000-000000000001",
        postings=[posting, posting | {"account": "b", "side": 2}],
        metadata={"purpose": "SALA"},
        description="salary",
    )
    return ledger_pb2.PostEntriesRequest(entries=[entry]).SerializeToString()


def _private_rwset() -> bytes:
    written = kv_rwset_pb2.KVRWSet(writes=[kv_rwset_pb2.KVWrite(key="k", value=b"v")]).SerializeToString()
    collection = rwset_pb2.CollectionPvtReadWriteSet(collection_name="c", rwset=written)
    namespace = rwset_pb2.NsPvtReadWriteSet(namespace="n", collection_pvt_rwset=[collection])
    return bytes(rwset_pb2.TxPvtReadWriteSet(ns_pvt_rwset=[namespace]).SerializeToString())


def _key_metadata() -> bytes:
    entry = kv_rwset_pb2.KVMetadataEntry(name="VALIDATION_PARAMETER", value=b"policy")
    return bytes(kv_rwset_pb2.KVMetadataWrite(key="k", entries=[entry]).SerializeToString())


class _Signer:
    creator = _CREATOR

    def sign(self, message: bytes) -> bytes:
        return b"signature"


_CLAIMS = read_corpus(MANY_FILE)
_BUNDLE = json.loads((_FIXTURES / "proofs" / "bundle.json").read_text())
_SEEK = seek_envelope("anchors", _Signer(), nonce=bytes(24), timestamp=START, start=0).SerializeToString()
_POLICY = "OutOf(2, 'A.peer', AND('B.member', 'C.client'), OR('D.admin'))"
_QUERY = {"selector": {"$or": [{"a": {"$gt": 1}}, {"b": {"$regex": "^x"}}]}, "sort": [{"a": "desc"}], "limit": 5}
_COLLECTION = {"name": "c", "policy": "OR('A.member')", "maxPeerCount": 1, "blockToLive": 3, "memberOnlyRead": True}

_SIGNATURE = {"creator": "AAAA", "signature": "AAAA"}
_RECEIPT = Receipt("anchors", 7, bytes(32), b"\x00\x0b", bytes(32), bytes(32))
_STATEMENT = ReportStatement(
    "daily", "AMSP", "anchors", *["2026-03-01T00:00:00+00:00"] * 3, 7, "0" * 64, "0" * 64, {"BMSP": [[1, 3]]}
)
_REPORT = {"format": "dwaybank-report/1", "statement": _STATEMENT.as_json(), "signature": _SIGNATURE, "blocks": {}}

TARGETS = {
    "signed_receipt": Target(
        read_signed_receipt, (ProofError,), [json.dumps({"receipt": _RECEIPT.as_json()} | _SIGNATURE).encode()]
    ),
    "report_statement": Target(read_statement, (ProofError,), [json.dumps(_REPORT).encode()]),
    "control_totals": Target(_totals, (ProofError,), [b'{"EUR":{"credits":"5","debits":"5"}}']),
    "block": Target(parse_block, (WireError,), _CHANNEL.blocks[:8]),
    "configuration": Target(_configuration, (NetworkError,), _CHANNEL.blocks[:1]),
    "configuration_update": Target(_configuration_update, (NetworkError, DecodeError), _UPDATES),
    "transaction": Target(_transaction, (WireError,), _ENVELOPES[:12]),
    "proposal": Target(parse_proposal, (WireError,), [_proposal()]),
    "identity": Target(parse_identity, (WireError, IdentityError), [_CREATOR]),
    "rwset": Target(_rwset, (WireError,), [serialize_rwset(item.rwset) for item in _TRANSACTIONS[:20]]),
    "private_rwset": Target(parse_private_rwset, (WireError,), [_private_rwset()]),
    "key_metadata": Target(parse_metadata, (WireError,), [_key_metadata()]),
    "seek": Target(lambda data: parse_seek(data, START, None), (SeekRefusedError,), [_SEEK]),
    "header_block": Target(
        _header_block,
        (ProtocolError, HeaderListTooLargeError),
        [2 * encode((b":method", b"POST"), (b"te", b"trailers"))],
    ),
    "signature_policy": Target(_text(parse_signature_policy), (PolicyError,), [_POLICY.encode()]),
    "proof_bundle": Target(parse_bundle, (ProofError,), [json.dumps(_BUNDLE).encode()]),
    "proof_claim": Target(
        read_bundle, (ProofError,), [_CLAIMS.text(name) for name in ("statement", "day_close", "fork")]
    ),
    "checkpoint_note": Target(_note, (ProofError,), [_BUNDLE["checkpoint"]["note"].encode()]),
    "chaincode_package": Target(
        lambda data: parse_package(data, {}),
        (ChaincodeError,),
        [python_package("a_1", "m:C"), service_package("b_1", address="127.0.0.1:1", dial_timeout="10s")],
    ),
    "connection_file": Target(
        lambda data: parse_connection(data, {}), (ChaincodeError,), [b'{"address": "h:1", "dial_timeout": "10s"}']
    ),
    "collections_file": Target(parse_collections, (ConfigurationError,), [json.dumps([_COLLECTION]).encode()]),
    "rich_query": Target(_text(parse_query), (PeerError,), [json.dumps(_QUERY).encode()]),
    "entries": Target(_entries, (InvalidValueError, DecodeError), [_entry()]),
    "iso20022_message": Target(_message, (UnacceptableMessageError,), [write_message(each) for each in EXAMPLES]),
    "statement_file": Target(
        lambda data: read_statement_file(data, _ACCOUNTS),
        (StatementFormatError,),
        [
            (_FIXTURES / "statements" / f"correspondent-2026-03.{form}").read_bytes()
            for form in ("camt053.xml", "mt940")
        ],
    ),
}
