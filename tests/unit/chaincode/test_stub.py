"""Aim: the stub keeps Fabric's rules whatever state is under it. Method: a state in memory, real proposals."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime

import pytest
from cryptography import x509
from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

from chaincode.errors import StateError
from chaincode.shim.client_identity import ATTRIBUTES_OID, ClientIdentity
from chaincode.shim.composite_key import create_composite_key, split_composite_key
from chaincode.shim.key_endorsement import KeyEndorsementPolicy, Role
from chaincode.shim.stub import ChaincodeStub
from network.go_der import Der
from network.identity import serialize_identity
from tests.support.contract_state import NOW, CommittedState, serialized_identity, signed_proposal
from tests.support.der import der, elements

UNIT_AND_NAME = (("060355040b", der(0x1E, "client".encode("utf-16-be"))), ("0603550403", der(0x14, b"ann\xe9")))
CREATOR = serialized_identity("BankMSP", units=("client", "reviewer"))


def make_stub(state: CommittedState | None = None, **proposal: object) -> ChaincodeStub:
    signed = signed_proposal(CREATOR, **proposal)  # type: ignore[arg-type]
    return ChaincodeStub("anchors", "tx1", [b"Do", b"it"], signed, state or CommittedState())


async def test_reads_when_key_was_written_in_this_transaction_then_committed_value_is_seen() -> None:
    state = CommittedState({("", "a"): b"old"})
    stub = make_stub(state)
    await stub.put_state("a", b"new")
    assert await stub.get_state("a") == b"old"
    state.commit()
    assert await stub.get_state("a") == b"new"
    assert await stub.get_state("absent") == b""


async def test_get_multiple_states_when_peer_has_no_bulk_read_then_values_come_in_order() -> None:
    stub = make_stub(CommittedState({("", "a"): b"1", ("", "b"): b"2"}))
    assert await stub.get_multiple_states("b", "x", "a") == [b"2", b"", b"1"]


@pytest.mark.parametrize("key", ["", "\ud800"])
async def test_any_key_call_when_key_is_unusable_then_raises(key: str) -> None:
    state = CommittedState()
    stub = make_stub(state)
    for call in (stub.get_state(key), stub.put_state(key, b"v"), stub.del_state(key), stub.get_multiple_states(key)):
        with pytest.raises(StateError, match="key"):
            await call
    assert state.pending == []


async def test_range_when_start_is_open_then_composite_keys_do_not_leak() -> None:
    composite = create_composite_key("owner", ["x"])
    stub = make_stub(CommittedState({("", composite): b"c", ("", "a"): b"1", ("", "b"): b"2", ("", "c"): b"3"}))
    assert [key async for key, _ in await stub.get_state_by_range("", "")] == ["a", "b", "c"]
    assert [key async for key, _ in await stub.get_state_by_range("a", "c")] == ["a", "b"]
    with pytest.raises(StateError, match=r"U\+0000"):
        await stub.get_state_by_range("\x00owner", "")


async def test_partial_composite_key_when_prefix_given_then_only_its_keys_are_found() -> None:
    keys = [create_composite_key("owner", parts) for parts in (["a", "1"], ["a", "2"], ["ab", "1"])]
    stub = make_stub(CommittedState({("", key): b"v" for key in [*keys, "plain"]}))
    found = [
        stub.split_composite_key(key) async for key, _ in await stub.get_state_by_partial_composite_key("owner", ["a"])
    ]
    assert found == [("owner", ["a", "1"]), ("owner", ["a", "2"])]


async def test_pagination_when_followed_by_bookmark_then_all_keys_come_once() -> None:
    stub = make_stub(CommittedState({("", f"k{n}"): b"v" for n in range(5)}))
    seen, bookmark = [], ""
    while True:
        iterator, metadata = await stub.get_state_by_range_with_pagination("", "", 2, bookmark)
        page = [key async for key, _ in iterator]
        assert metadata.fetched_records_count == len(page) <= 2
        seen += page
        bookmark = metadata.bookmark
        if not bookmark:
            break
    assert seen == [f"k{n}" for n in range(5)]
    with pytest.raises(StateError, match="page size"):
        await stub.get_state_by_range_with_pagination("", "", 0, "")


async def test_iterator_when_closed_then_reading_raises() -> None:
    stub = make_stub(CommittedState({("", "a"): b"1"}))
    async with await stub.get_state_by_range("", "") as iterator:
        pass
    with pytest.raises(StateError, match="closed"):
        await anext(iterator)


@pytest.mark.parametrize(
    ("object_type", "attributes"),
    [("a\x00b", []), ("a", ["\U0010ffff"]), ("a", ["\ud800"])],
)
def test_composite_key_when_part_is_forbidden_then_raises(object_type: str, attributes: list[str]) -> None:
    with pytest.raises(StateError):
        create_composite_key(object_type, attributes)


def test_composite_key_when_split_then_parts_return() -> None:
    for parts in ([], [""], ["a", "", "ü"]):
        key = create_composite_key("type", parts)
        assert key.startswith("\x00")
        assert split_composite_key(key) == ("type", parts)
    for wrong in ("", "\x00", "plain", "\x00unfinished"):
        with pytest.raises(StateError, match="not a composite key"):
            split_composite_key(wrong)


async def test_private_data_when_written_then_only_collection_changes() -> None:
    state = CommittedState({("secret", "k"): b"value"})
    stub = make_stub(state)
    assert await stub.get_private_data("secret", "k") == b"value"
    assert await stub.get_multiple_private_data("secret", "k", "x") == [b"value", b""]
    assert await stub.get_private_data_hash("secret", "k") == hashlib.sha256(b"value").digest()
    assert [item async for item in await stub.get_private_data_by_range("secret", "", "")] == [("k", b"value")]
    assert [item async for item in await stub.get_private_data_by_partial_composite_key("secret", "t", [])] == []
    await stub.put_private_data("secret", "n", b"1")
    await stub.del_private_data("secret", "d")
    await stub.purge_private_data("secret", "p")
    assert [entry[:3] for entry in state.pending] == [
        ("put", "secret", "n"),
        ("delete", "secret", "d"),
        ("purge", "secret", "p"),
    ]


async def test_private_data_when_collection_is_empty_then_public_state_is_never_touched() -> None:
    state = CommittedState()
    stub = make_stub(state)
    for call in (
        stub.get_private_data("", "k"),
        stub.put_private_data("", "k", b"v"),
        stub.del_private_data("", "k"),
        stub.purge_private_data("", "k"),
        stub.get_private_data_hash("", "k"),
        stub.get_multiple_private_data("", "k"),
        stub.get_private_data_by_range("", "", ""),
        stub.get_private_data_by_partial_composite_key("", "t", []),
        stub.get_private_data_query_result("", "{}"),
        stub.set_private_data_validation_parameter("", "k", b"p"),
        stub.get_private_data_validation_parameter("", "k"),
    ):
        with pytest.raises(StateError, match="collection"):
            await call
    assert state.pending == []


async def test_validation_parameter_when_set_then_policy_of_the_key_is_read_back() -> None:
    state = CommittedState()
    stub = make_stub(state)
    policy = KeyEndorsementPolicy()
    policy.add_organizations(Role.PEER, "B", "A", "C")
    policy.delete_organizations("C", "unknown")
    await stub.set_state_validation_parameter("k", policy.policy())
    await stub.set_private_data_validation_parameter("secret", "k", b"other")
    state.commit()
    assert KeyEndorsementPolicy(await stub.get_state_validation_parameter("k")).organizations() == ["A", "B"]
    assert await stub.get_private_data_validation_parameter("secret", "k") == b"other"
    assert await stub.get_state_validation_parameter("x") == b""


def test_key_endorsement_policy_when_serialized_then_every_organization_must_sign() -> None:
    policy = KeyEndorsementPolicy()
    policy.add_organizations(Role.MEMBER, "B", "A")
    envelope = policies_pb2.SignaturePolicyEnvelope.FromString(policy.policy())
    assert envelope.rule.n_out_of.n == 2
    assert [rule.signed_by for rule in envelope.rule.n_out_of.rules] == [0, 1]
    roles = [msp_principal_pb2.MSPRole.FromString(principal.principal) for principal in envelope.identities]
    assert [(role.msp_identifier, role.role) for role in roles] == [("A", 0), ("B", 0)]
    with pytest.raises(StateError, match="SignaturePolicyEnvelope"):
        KeyEndorsementPolicy(b"\xff")


async def test_history_when_key_changed_then_newest_is_first() -> None:
    state = CommittedState()
    stub = make_stub(state)
    await stub.put_state("k", b"1")
    state.commit("t1")
    await stub.del_state("k")
    state.commit("t2")
    assert [(change.tx_id, change.is_delete) for change in await stub.get_history_for_key("k")] == [
        ("t2", True),
        ("t1", False),
    ]


async def test_rich_query_when_peer_offers_none_then_raises() -> None:
    with pytest.raises(StateError, match="JSON queries"):
        await make_stub().get_query_result("{}")
    with pytest.raises(StateError, match="JSON queries"):
        await make_stub().get_query_result_with_pagination("{}", 5, "")


async def test_stub_when_transaction_is_over_then_every_use_raises() -> None:
    state = CommittedState({("", "a"): b"1"})
    stub = make_stub(state)
    iterator = await stub.get_state_by_range("", "")
    stub.close()
    for call in (
        stub.get_state("a"),
        stub.put_state("a", b""),
        stub.get_state_by_range("", ""),
        stub.invoke_chaincode("other", []),
        stub.finish_write_batch(),
        anext(iterator),
    ):
        with pytest.raises(StateError, match="is over"):
            await call
    with pytest.raises(StateError, match="is over"):
        stub.set_event("late", b"")
    assert state.pending == []


async def test_state_error_when_peer_refuses_then_it_is_never_a_value() -> None:
    state = CommittedState(fail_with=StateError("collection secret could not be found"))
    stub = make_stub(state)
    for call in (stub.get_private_data("secret", "k"), stub.put_state("k", b"v"), stub.get_history_for_key("k")):
        with pytest.raises(StateError, match="could not be found"):
            await call


async def test_invoke_chaincode_when_called_then_name_args_and_channel_arrive() -> None:
    state = CommittedState()
    stub = make_stub(state)
    response = await stub.invoke_chaincode("other", [b"Fn", b"\xff"], "ch2")
    assert (response.status, response.payload) == (200, b"answer of other")
    assert state.calls == [("other", [b"Fn", b"\xff"], "ch2")]
    with pytest.raises(StateError, match="name"):
        await stub.invoke_chaincode("", [])


def test_proposal_when_parsed_then_its_fields_are_given() -> None:
    stub = make_stub(transient={"pin": b"1"}, nonce=b"x" * 24)
    assert stub.get_function_and_parameters() == ("Do", ["it"])
    assert stub.get_args() == [b"Do", b"it"]
    assert stub.get_args_slice() == b"Doit"
    assert (stub.get_tx_id(), stub.get_channel_id()) == ("tx1", "anchors")
    assert stub.get_creator() == CREATOR
    assert stub.get_transient() == {"pin": b"1"}
    assert stub.get_timestamp() == NOW
    assert stub.get_tx_timestamp().ToDatetime(tzinfo=UTC) == NOW
    assert stub.get_binding() == hashlib.sha256(b"x" * 24 + CREATOR + bytes(8)).digest()
    assert stub.get_decorations() == {}


def test_proposal_when_absent_then_fields_are_empty_and_time_raises() -> None:
    stub = ChaincodeStub("c", "t", [], b"", CommittedState())
    assert (stub.get_creator(), stub.get_transient(), stub.get_binding()) == (b"", {}, b"")
    assert stub.get_function_and_parameters() == ("", [])
    with pytest.raises(StateError, match="timestamp"):
        stub.get_timestamp()
    with pytest.raises(StateError, match=r"X\.509"):
        _ = stub.client_identity


@pytest.mark.parametrize(
    "proposal",
    [b"\xff\xff", signed_proposal(CREATOR, header_type=2)],
    ids=["malformed", "config update"],
)
def test_proposal_when_unacceptable_then_raises(proposal: bytes) -> None:
    with pytest.raises(StateError, match="proposal"):
        ChaincodeStub("c", "t", [], proposal, CommittedState())


def test_timestamp_when_out_of_range_then_raises() -> None:
    proposal = signed_proposal(CREATOR, timestamp=datetime(9999, 12, 31, tzinfo=UTC))
    stub = ChaincodeStub("c", "t", [], proposal, CommittedState())
    stub.get_tx_timestamp().seconds = 2**62
    with pytest.raises(StateError, match="out of range"):
        stub.get_timestamp()


def test_event_when_set_twice_then_last_counts() -> None:
    stub = make_stub()
    assert stub.chaincode_event() is None
    stub.set_event("a", b"1")
    stub.set_event("b", b"2")
    event = stub.chaincode_event()
    assert event is not None
    assert (stub.event, event.event_name, event.payload) == (("b", b"2"), "b", b"2")
    with pytest.raises(StateError, match="empty"):
        stub.set_event("", b"")


def test_client_identity_when_certificate_has_units_and_attributes_then_both_are_read() -> None:
    extension = x509.UnrecognizedExtension(
        x509.ObjectIdentifier(ATTRIBUTES_OID), json.dumps({"attrs": {"role": "auditor"}}).encode()
    )
    creator = serialized_identity("BankMSP", "ann, b", ("client", "reviewer"), [extension])
    identity = ClientIdentity.from_creator(creator)
    assert identity.msp_id == "BankMSP"
    assert identity.has_organizational_unit("reviewer")
    assert not identity.has_organizational_unit("admin")
    assert identity.attribute("role") == "auditor"
    assert identity.attribute("other") is None
    identity.assert_attribute("role", "auditor")
    with pytest.raises(StateError, match="'role'"):
        identity.assert_attribute("role", "teller")
    decoded = base64.b64decode(identity.id).decode()
    assert decoded == "x509::CN=ann\\, b,OU=client+OU=reviewer::CN=ca.BankMSP"


def test_client_identity_when_attribute_extension_is_malformed_then_raises() -> None:
    for content in (b"{}", b"not json", b'{"attrs":{"a":1}}', b'{"attrs":[]}'):
        creator = serialized_identity(
            "M", extensions=[x509.UnrecognizedExtension(x509.ObjectIdentifier(ATTRIBUTES_OID), content)]
        )
        with pytest.raises(StateError, match="attribute extension"):
            _ = ClientIdentity.from_creator(creator).attributes


def test_client_identity_when_only_go_reads_the_certificate_then_it_is_read_as_by_a_go_contract() -> None:
    extension = x509.UnrecognizedExtension(
        x509.ObjectIdentifier(ATTRIBUTES_OID), json.dumps({"attrs": {"role": "auditor"}}).encode()
    )
    creator = serialized_identity("BankMSP", "ann", ("client",), [extension])
    plain = ClientIdentity.from_creator(creator)
    whole = elements(Der(plain.certificate.der).read(0x30))
    parts = elements(Der(whole[0]).read(0x30))
    # Two attributes at one place, one of them in visible text's older form; the times without their seconds.
    names = [der(0x30, bytes.fromhex(kind), text) for kind, text in UNIT_AND_NAME]
    parts[4] = der(0x30, der(0x17, b"2601010000Z"), der(0x17, b"2712310000Z"))
    parts[5] = der(0x30, der(0x31, *names))
    odd = der(0x30, der(0x30, *parts), *whole[1:])
    with pytest.raises(ValueError, match=r"error parsing asn1|invalid"):
        _ = x509.load_der_x509_certificate(odd).not_valid_before_utc
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(odd) + b"-----END CERTIFICATE-----\n"
    identity = ClientIdentity.from_creator(serialize_identity("BankMSP", pem))
    assert identity.organizational_units == ("client",)
    assert identity.attributes == plain.attributes == {"role": "auditor"}
    assert base64.b64decode(identity.id).decode() == "x509::CN=ann\u00e9,OU=client::CN=ca.BankMSP"


class PeerRefusalError(Exception):
    """Stands for a peer's own error class, which this package does not know."""


@pytest.mark.parametrize(
    ("raised", "expected"), [(PeerRefusalError("collection x is not defined"), StateError), (KeyError("k"), KeyError)]
)
async def test_peer_error_when_raised_in_process_then_refusals_are_translated_and_defects_are_not(
    raised: Exception, expected: type[Exception]
) -> None:
    stub = make_stub(CommittedState(fail_with=raised))
    for call in (
        stub.get_state("k"),
        stub.get_multiple_states("k"),
        stub.put_state("k", b"v"),
        stub.get_state_by_range("", ""),
        stub.get_state_by_range_with_pagination("", "", 1, ""),
        stub.get_history_for_key("k"),
        stub.get_private_data_hash("c", "k"),
        stub.get_state_validation_parameter("k"),
        stub.set_private_data_validation_parameter("c", "k", b""),
        stub.purge_private_data("c", "k"),
        stub.invoke_chaincode("other", []),
    ):
        with pytest.raises(expected, match=r"is not defined|k"):
            await call
