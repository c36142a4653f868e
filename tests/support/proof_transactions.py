"""Forged bundles: transactions, blocks and definitions of contracts.

What one creator, one endorser or one orderer can bend, and what the policy in force at each height demands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_event_pb2

from network.block import new_block
from network.bundle import BundleContent
from network.identity import serialize_identity
from tests.support.consortium_in_memory import BANK, ORDERER, PARTNER, REGULATOR
from tests.support.crafted import Edits
from tests.support.proof_forge import Case, Cases, Forge, bent_metadata, high_s, high_s_certificate, ref, with_creator

CASES = Cases()


def anchored(**options: Any) -> Case:
    """The note is anchored once more, in a transaction bent somewhere."""

    def make(forge: Forge) -> BundleContent:
        given = {name: value(forge) if callable(value) else value for name, value in options.items()}
        return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(**given))))

    return make


def bent(**edits: Any) -> Case:
    """As ``anchored``, with edits on the way."""
    return anchored(edits=Edits(**edits))


def signed_otherwise(change: Callable[[bytes], bytes]) -> Case:
    """The creator's signature in another form."""
    return bent(envelope=lambda e: setattr(e, "signature", change(e.signature)))


def endorsed_otherwise(change: Callable[[bytes], bytes]) -> Case:
    """The first endorsement's signature in another form."""

    def apply(payload: Any) -> None:
        payload.action.endorsements[0].signature = change(payload.action.endorsements[0].signature)

    return bent(action_payload=apply)


def _der_integers(signature: bytes) -> tuple[bytes, bytes]:
    length = signature[3]
    return signature[2 : 4 + length], signature[4 + length :]


def _sequence(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return b"\x30" + bytes([len(body)]) + body


def _negative_s(signature: bytes) -> bytes:
    r, _ = _der_integers(signature)
    return _sequence(r, b"\x02\x01\xff")


def _zero_r(signature: bytes) -> bytes:
    _, s = _der_integers(signature)
    return _sequence(b"\x02\x01\x00", s)


def _long_length(signature: bytes) -> bytes:
    return b"\x30\x81" + signature[1:]


def _huge_r(signature: bytes) -> bytes:
    _, s = _der_integers(signature)
    return _sequence(b"\x02\x21\x01" + bytes(32), s)


def _indefinite(signature: bytes) -> bytes:
    return b"\x30\x80" + signature[2:] + b"\x00\x00"


def _more_inside(signature: bytes) -> bytes:
    return _sequence(*_der_integers(signature), b"\x02\x01\x05")


SIGNATURES: dict[str, tuple[bool, Callable[[bytes], bytes]]] = {
    "with_high_s": (False, high_s),
    "with_bytes_behind": (True, lambda s: s + b"\x00\x01"),
    "with_an_integer_more": (True, _more_inside),
    "with_a_padded_r": (
        False,
        lambda s: _sequence(b"\x02\x22\x00\x00" + _der_integers(s)[0][-32:], _der_integers(s)[1]),
    ),
    "with_a_negative_s": (False, _negative_s),
    "with_r_0": (False, _zero_r),
    "with_a_huge_r": (False, _huge_r),
    "with_a_long_length": (False, _long_length),
    "with_an_indefinite_length": (False, _indefinite),
    "cut_off": (False, lambda s: s[:-1]),
    "of_64_raw_bytes": (False, lambda s: bytes(64)),
}
for _name, (_holds, _change) in SIGNATURES.items():
    CASES[f"creator_signature_{_name}"] = (None if _holds else "wrong_creator_signature", signed_otherwise(_change))
    CASES[f"endorsement_signature_{_name}"] = (None if _holds else "endorsement_policy", endorsed_otherwise(_change))


def _twice_under_two_certificates(forge: Forge) -> tuple[Any, ...]:
    peer = forge.keys.signer(BANK, "peer")
    twin = forge.keys.signer(BANK, "peer")
    return peer, with_creator(twin, high_s_certificate(peer.certificate))


def _unknown_varint(message: Any) -> None:
    message.MergeFromString(b"\x98\x06\x01")


CASES.update(
    {
        "anchored_again": (None, anchored()),
        "endorsed_by_three": (None, anchored(endorsers=(BANK, PARTNER, REGULATOR))),
        "endorsed_by_the_bank_alone": ("endorsement_policy", anchored(endorsers=(BANK,))),
        "endorsed_by_nobody": ("endorsement_policy", anchored(endorsers=())),
        "endorsed_by_the_bank_twice": ("endorsement_policy", anchored(endorsers=(BANK, BANK))),
        "endorsed_by_one_peer_under_two_certificates": (
            "endorsement_policy",
            anchored(endorsers=_twice_under_two_certificates),
        ),
        "endorsed_by_clients": (
            "endorsement_policy",
            anchored(endorsers=lambda f: (f.keys.signer(BANK), f.keys.signer(REGULATOR))),
        ),
        "endorsed_by_an_orderer": (
            "endorsement_policy",
            anchored(endorsers=lambda f: (f.keys.signer(BANK, "peer"), f.keys.signer(ORDERER, "orderer"))),
        ),
        "endorsed_by_a_forger_and_two_members": (
            None,
            anchored(
                endorsers=lambda f: (
                    with_creator(f.keys.signer(BANK, "peer"), b"noise"),
                    *(f.keys.signer(n, "peer") for n in (BANK, PARTNER)),
                )
            ),
        ),
        "submitted_by_another_member": ("wrong_organization", anchored(creator=lambda f: f.keys.signer(PARTNER))),
        "submitted_by_the_orderer": ("wrong_organization", anchored(creator=lambda f: f.keys.signer(ORDERER, "Admin"))),
        "signed_over_other_bytes": (
            "wrong_creator_signature",
            anchored(
                edits=lambda f: Edits(envelope=lambda e: setattr(e, "signature", f.keys.signer(BANK).sign(b"other")))
            ),
        ),
        "signed_by_another_key": (
            "wrong_creator_signature",
            anchored(
                edits=lambda f: Edits(
                    envelope=lambda e: setattr(e, "signature", f.keys.signer(BANK, "User1").sign(e.payload))
                )
            ),
        ),
        "signature_empty": ("wrong_block_signature", bent(envelope=lambda e: e.ClearField("signature"))),
        "transaction_of_another_contract": ("wrong_contract", anchored(contract="compliance", namespace="audit")),
        "transaction_of_another_channel": (
            "wrong_block_signature",
            bent(channel_header=lambda h: setattr(h, "channel_id", "other")),
        ),
        "transaction_id_of_another": (
            "invalid_transaction",
            bent(channel_header=lambda h: setattr(h, "tx_id", "0" * 64)),
        ),
        "transaction_id_in_capitals": (
            "invalid_transaction",
            bent(channel_header=lambda h: setattr(h, "tx_id", h.tx_id.upper())),
        ),
        "transaction_epoch_1": ("invalid_transaction", bent(channel_header=lambda h: setattr(h, "epoch", 1))),
        "transaction_type_message": ("invalid_transaction", bent(channel_header=lambda h: setattr(h, "type", 0))),
        "transaction_type_unknown": ("invalid_transaction", bent(channel_header=lambda h: setattr(h, "type", 99))),
        "transaction_without_actions": ("invalid_transaction", bent(transaction=lambda t: t.ClearField("actions"))),
        "transaction_with_two_actions": (
            "invalid_transaction",
            bent(transaction=lambda t: t.actions.add().CopyFrom(t.actions[0])),
        ),
        "transaction_of_noise": ("invalid_transaction", bent(payload=lambda p: setattr(p, "data", b"\xff\xff"))),
        "transaction_without_header": ("wrong_block_signature", bent(payload=lambda p: p.ClearField("header"))),
        "transaction_of_another_proposal": (
            "invalid_transaction",
            bent(response_payload=lambda r: setattr(r, "proposal_hash", bytes(32))),
        ),
        "transaction_without_proposal": (
            "invalid_transaction",
            bent(action_payload=lambda a: a.ClearField("chaincode_proposal_payload")),
        ),
        "transaction_without_endorsed_action": (
            "invalid_transaction",
            bent(action_payload=lambda a: a.ClearField("action")),
        ),
        "transaction_without_result": (
            "invalid_transaction",
            bent(response_payload=lambda r: r.ClearField("extension")),
        ),
        "transaction_result_of_another_contract": (
            "invalid_transaction",
            bent(action=lambda a: setattr(a.chaincode_id, "name", "compliance")),
        ),
        "transaction_result_without_version": (
            "invalid_transaction",
            bent(action=lambda a: a.chaincode_id.ClearField("version")),
        ),
        "transaction_result_of_noise": ("invalid_transaction", bent(action=lambda a: setattr(a, "results", b"\xff"))),
        "transaction_event_of_another_contract": (
            "invalid_transaction",
            bent(
                action=lambda a: setattr(
                    a, "events", chaincode_event_pb2.ChaincodeEvent(chaincode_id="compliance").SerializeToString()
                )
            ),
        ),
        "transaction_with_unknown_fields_inside": (None, bent(action=_unknown_varint, payload=_unknown_varint)),
        "envelope_with_an_unknown_field": (None, bent(envelope=_unknown_varint)),
        "note_anchored_under_another_size": (
            "record_missing",
            lambda f: f.bundle(anchor=ref(f.commit(f.checkpoint(f.content.note, f.content.size + 1)))),
        ),
        "note_anchored_for_another_member": (
            "record_missing",
            lambda f: f.bundle(anchor=ref(f.commit(f.checkpoint(f.content.note, f.content.size, PARTNER)))),
        ),
        "note_written_into_another_namespace": ("record_missing", anchored(namespace="compliance")),
        "record_deleted": ("record_missing", lambda f: _record(f, b"")),
        "record_of_noise": ("malformed_record", lambda f: _record(f, b"\xff")),
        "record_is_a_list": ("malformed_record", lambda f: _record(f, b"[]")),
        "record_with_a_key_twice": ("malformed_record", lambda f: _record(f, b'{"note":"","note":""}')),
        "record_with_a_key_twice_in_disguise": (
            "malformed_record",
            lambda f: _record(f, b'{"note":"","n\\u006fte":""}'),
        ),
        "record_with_a_float": ("malformed_record", lambda f: _record(f, b'{"note":"","size":1.0}')),
        "record_without_note": ("wrong_checkpoint", lambda f: _record(f, b"{}")),
        "record_whose_note_is_a_number": ("wrong_checkpoint", lambda f: _record(f, b'{"note":7}')),
        "record_of_another_note": ("wrong_checkpoint", lambda f: _record(f, b'{"note":"other"}')),
    }
)


def _record(forge: Forge, value: bytes) -> BundleContent:
    key = f"checkpoint~{BANK}~{forge.content.size:020d}"
    return forge.bundle(anchor=ref(forge.commit(forge.transaction([(key, value)]))))


@CASES.case("second_transaction_of_another_channel", "wrong_channel")
def _(forge: Forge) -> BundleContent:
    bent_one = forge.anchored_again(edits=Edits(channel_header=lambda h: setattr(h, "channel_id", "other")))
    return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(), bent_one), 1))


@CASES.case("anchored_by_the_second_transaction", None)
def _(forge: Forge) -> BundleContent:
    return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(endorsers=()), forge.anchored_again()), 1))


# --- blocks ------------------------------------------------------------------------------------------------------


def in_block(**options: Any) -> Case:
    """The note is anchored once more, in a block bent somewhere."""

    def make(forge: Forge) -> BundleContent:
        given = {name: value(forge) if name == "signer" else value for name, value in options.items()}
        return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(), **given)))

    return make


def huge_signer() -> bytes:
    """Return a signer's header whose identity is a megabyte in which certificates begin and never end."""
    creator = serialize_identity(ORDERER, b"-----BEGIN CERTIFICATE-----\n" * 40_000)
    return bytes(common_pb2.SignatureHeader(creator=creator).SerializeToString())


def _swapped_fields(block: Any) -> None:
    envelope = common_pb2.Envelope.FromString(block.data.data[0])
    payload, signature = (
        common_pb2.Envelope(payload=envelope.payload),
        common_pb2.Envelope(signature=envelope.signature),
    )
    block.data.data[0] = signature.SerializeToString() + payload.SerializeToString()
    block.header.data_hash = new_block(1, b"", list(block.data.data)).header.data_hash


CASES.update(
    {
        "block_signed_by_the_bank": ("wrong_block_signature", in_block(signer=lambda f: f.keys.signer(BANK, "peer"))),
        "block_signed_with_high_s": (
            "wrong_block_signature",
            in_block(
                signed=bent_metadata(lambda m: setattr(m.signatures[0], "signature", high_s(m.signatures[0].signature)))
            ),
        ),
        "block_signed_by_nobody": (
            "wrong_block_signature",
            in_block(signed=bent_metadata(lambda m: m.ClearField("signatures"))),
        ),
        "block_signed_with_noise_beside": (
            None,
            in_block(signed=bent_metadata(lambda m: m.signatures.add(signature_header=b"", signature=b"noise"))),
        ),
        "block_signed_with_a_huge_identity_beside": (
            None,
            in_block(signed=bent_metadata(lambda m: m.signatures.add(signature_header=huge_signer(), signature=b"x"))),
        ),
        "block_whose_signer_cannot_be_read": (
            "wrong_block_signature",
            in_block(signed=bent_metadata(lambda m: m.signatures.add(signature_header=b"\xff", signature=b"noise"))),
        ),
        "block_signed_under_another_number": (
            "wrong_block_signature",
            in_block(signed=lambda b: setattr(b.header, "number", 99)),
        ),
        "block_with_another_data_hash": (
            "wrong_block_data",
            in_block(header=lambda b: setattr(b.header, "data_hash", bytes(32))),
        ),
        "block_without_a_block_before": (
            "broken_chain",
            in_block(header=lambda b: setattr(b.header, "previous_hash", bytes(32))),
        ),
        "block_with_an_envelope_in_another_form": ("wrong_block_signature", in_block(header=_swapped_fields)),
        "block_without_metadata": ("wrong_block_signature", in_block(signed=lambda b: b.ClearField("metadata"))),
    }
)


@CASES.case("block_without_transactions", "wrong_block_signature")
def _(forge: Forge) -> BundleContent:
    forge.commit()
    return forge.bundle()


@CASES.case("block_apart_without_hash_before", "wrong_block_data")
def _(forge: Forge) -> BundleContent:
    forge.head.header.number += 5
    number = forge.commit(forge.anchored_again(), header=lambda b: setattr(b.header, "previous_hash", b""))
    return forge.bundle(anchor=ref(number))


@CASES.case("block_of_a_fork", "broken_chain")
def _(forge: Forge) -> BundleContent:
    """Two blocks of one height: the orderer signed both, and the chain goes on from the other."""
    head = forge.head
    forge.commit(forge.anchored_again())
    after = forge.commit(forge.anchored_again())
    first, forge.head = forge.added, head
    forge.added = {}
    forge.commit(forge.anchored_again())
    forge.added[after] = first[after]
    return forge.bundle(anchor=ref(after))


# --- definitions -------------------------------------------------------------------------------------------------

ALL = "AND('DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"


def redefined(policy: str | bytes | None, sequence: int = 2, *, shown: bool = True, **options: Any) -> Case:
    """The contract is defined anew, then the note anchored once more."""
    endorsers = options.pop("anchored_by", (BANK, REGULATOR))

    def make(forge: Forge) -> BundleContent:
        defined = forge.commit(
            forge.definition(
                options.get("name", "audit"), policy, sequence, endorsers=options.get("endorsers", (BANK, REGULATOR))
            )
        )
        anchor = forge.commit(forge.anchored_again(endorsers=endorsers))
        known = forge.content.definitions
        changed = {**known, "audit": (*known["audit"], ref(defined))} if shown else known
        return forge.bundle(anchor=ref(anchor), definitions=changed)

    return make


CASES.update(
    {
        "policy_at_this_height_is_satisfied": (None, redefined(ALL, anchored_by=(BANK, PARTNER, REGULATOR))),
        "policy_of_an_earlier_height": ("endorsement_policy", redefined(ALL)),
        "definition_not_shown_is_not_known": (None, redefined(ALL, shown=False)),
        "definition_endorsed_by_the_bank_alone": (
            "endorsement_policy",
            redefined("OR('DwaybankMSP.peer')", endorsers=(BANK,)),
        ),
        "definition_of_the_same_sequence": ("wrong_definition", redefined(ALL, sequence=1)),
        "definition_of_a_negative_sequence": ("wrong_definition", redefined(ALL, sequence=-5)),
        "definition_by_a_policy_of_the_channel": (None, redefined("/Channel/Application/Endorsement")),
        "definition_by_no_policy_of_the_channel": ("wrong_definition", redefined("/Channel/Application/Nothing")),
        "definition_by_a_policy_nobody_satisfies": ("endorsement_policy", redefined("/Channel/Orderer/Admins")),
        "definition_that_keeps_its_policy": (None, redefined(None)),
        "definition_of_an_empty_policy": ("wrong_definition", redefined(b"")),
        "definition_of_noise": ("wrong_definition", redefined(b"\xff")),
        "definition_of_another_contract": ("wrong_definition", redefined(ALL, name="other")),
        "definition_without_rule": ("wrong_definition", redefined(b"\x0a\x00")),
        "definition_of_a_principal_that_is_not_there": (
            "wrong_definition",
            redefined(b"\x0a\x04\x12\x02\x08\x07"),
        ),
        "definition_of_nested_gates": (
            None,
            redefined(
                "OutOf(2, OR('DwaybankMSP.peer', 'PartnerMSP.peer'), AND('RegulatorMSP.member'), 'OrdererMSP.admin')"
            ),
        ),
        "definition_evaluated_greedily": (
            "endorsement_policy",
            redefined("AND('DwaybankMSP.member', 'DwaybankMSP.peer', 'RegulatorMSP.peer')"),
        ),
        "definition_with_0_out_of_1": (None, redefined("OutOf(0, 'PartnerMSP.peer')")),
    }
)


@CASES.case("definition_without_policy", "wrong_definition")
def _(forge: Forge) -> BundleContent:
    defined = forge.commit(forge.definition("audit", None, 2))
    definitions = {**forge.content.definitions, "audit": (ref(defined),)}
    return forge.bundle(definitions=definitions)


@CASES.case("definition_after_the_anchor", "definition_missing")
def _(forge: Forge) -> BundleContent:
    defined = forge.commit(forge.definition("audit", ALL, 2))
    return forge.bundle(definitions={**forge.content.definitions, "audit": (ref(defined),)})


@CASES.case("definition_afterwards_changes_nothing", None)
def _(forge: Forge) -> BundleContent:
    defined = forge.commit(forge.definition("audit", ALL, 2))
    known = forge.content.definitions
    return forge.bundle(definitions={**known, "audit": (*known["audit"], ref(defined))})
