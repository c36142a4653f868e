"""Makes the captured vectors: bundles of a real network, and forgeries with its keys.

``python -m tests.support.proof_capture HOME BUNDLE`` takes the home of a consortium (``dwaybank up``) and a bundle that
its bank gave (``dwaybank proof``). What the forgeries add to the channel was signed by its members' and its orderer's own
keys, as hostile or careless members could: a verifier cannot refuse them for want of a signature, but only for the
reason that each vector names. The keys are thrown away with the home.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from fabric_protos.common import common_pb2, configuration_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.peer import chaincode_event_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2
from nacl.signing import SigningKey

from network.block import header_hash, is_config_block, new_block, parse_block
from network.bundle import BundleContent, DecisionEvidence, TransactionRef, WitnessEvidence, build_bundle, parse_bundle
from network.channel_config import config_of_block
from network.checkpoint import COSIGNATURE_V1, ED25519, Checkpoint, VerifierKey, cosign, sign_checkpoint, verifier_key
from network.identity import SigningIdentity, serialize_identity
from network.merkle import inclusion_proof, root
from node.audit.entry_fields import describe_entry
from tests.support.captured import NETWORKS, captured
from tests.support.consortium_in_memory import BANK, ORDERER, PARTNER, REGULATOR
from tests.support.crafted import Edits
from tests.support.proof_entries import DECISION_LEAVES, LEAVES, SALT, decision_record, entry_forms
from tests.support.proof_forge import (
    ADMINS,
    NOW,
    Forge,
    NetworkKeys,
    bent_metadata,
    change_msp,
    change_value,
    high_s,
    ref,
)
from tests.support.proof_vectors import Corpus, Network, Vector, difference, write_corpus

LOG_KEY, OTHER_KEY = SigningKey(bytes(31) + b"\x11"), SigningKey(bytes(31) + b"\x12")
LOG, WITNESS = f"dwaybank.node/log/{BANK}", f"dwaybank.node/witness/{REGULATOR}"
COSIGNED_AT = int(NOW.timestamp()) - 3600

Case = Callable[[Forge], BundleContent]
CASES: dict[str, tuple[str | None, Case]] = {}
"""Of the real network, and what was forged on top of it."""
LOG_CASES: dict[str, tuple[str | None, Case]] = {}
"""Of a log made for this, which ``prepare_log`` anchors on top of the real network."""


def case(name: str, reason: str | None) -> Callable[[Case], Case]:
    """Enter a function into the table of cases."""

    def enter(make: Case) -> Case:
        CASES[name] = (reason, make)
        return make

    return enter


def cases(table: dict[str, tuple[str | None, Case]]) -> None:
    """Enter many cases."""
    CASES.update(table)


# --- configurations ----------------------------------------------------------------------------------------------


def anchored_under(change: Any, **options: Any) -> Case:
    """The configuration changes, then the note is anchored once more."""

    def make(forge: Forge) -> BundleContent:
        forge.reconfigure(change(forge), strict=False)
        number = forge.commit(forge.anchored_again(**{name: value(forge) for name, value in options.items()}))
        return forge.bundle(anchor=ref(number))

    return make


def changed_afterwards(change: Any, **options: Any) -> Case:
    """The configuration changes after everything the bundle shows."""

    def make(forge: Forge) -> BundleContent:
        forge.reconfigure(change(forge), strict=False, **options)
        return forge.bundle()

    return make


def anchor_peer(_: Forge) -> Any:
    peers = peer_pb2.AnchorPeers(anchor_peers=[peer_pb2.AnchorPeer(host="127.0.0.1", port=7051)])

    def apply(group: Any) -> None:
        value = group.groups["Application"].groups[PARTNER].values["AnchorPeers"]
        value.value, value.mod_policy = peers.SerializeToString(), "Admins"

    return apply


def batch_size(**fields: int) -> Any:
    def change(message: Any) -> None:
        for name, value in fields.items():
            setattr(message, name, value)

    return lambda _: change_value(("Orderer",), "BatchSize", orderer_pb2.BatchSize, change)


def channel_value(value_name: str, kind: Any, /, **fields: Any) -> Any:
    return lambda _: change_value((), value_name, kind, lambda m: [setattr(m, field, value) for field, value in fields.items()])


def capability(name: str) -> Any:
    def change(message: Any) -> None:
        message.ClearField("capabilities")
        message.capabilities[name].SetInParent()

    return change_value((), "Capabilities", configuration_pb2.Capabilities, change)


def without_member(_: Forge) -> Any:
    return lambda group: group.groups["Application"].groups.pop(PARTNER)


def stray_value(group: Any) -> None:
    group.values["Stray"].value, group.values["Stray"].mod_policy = b"x", "Admins"


def bent_config(bend: Any) -> Case:
    def make(forge: Forge) -> BundleContent:
        forge.reconfigure(anchor_peer(forge), bend=bend, strict=False)
        return forge.bundle()

    return make


def _other_result(envelope: Any) -> None:
    group = envelope.config.channel_group.groups["Application"].groups[PARTNER]
    peers = peer_pb2.AnchorPeers(anchor_peers=[peer_pb2.AnchorPeer(host="127.0.0.2", port=7051)])
    group.values["AnchorPeers"].value = peers.SerializeToString()


def _other_channel(envelope: Any) -> None:
    from fabric_protos.common import configtx_pb2

    payload = common_pb2.Payload.FromString(envelope.last_update.payload)
    signed = configtx_pb2.ConfigUpdateEnvelope.FromString(payload.data)
    update = configtx_pb2.ConfigUpdate.FromString(signed.config_update)
    update.channel_id = "other"
    signed.config_update = update.SerializeToString()
    payload.data = signed.SerializeToString()
    envelope.last_update.payload = payload.SerializeToString()


cases(
    {
        "config_changed_by_its_administrator": (None, changed_afterwards(anchor_peer, signers=(PARTNER,))),
        "config_changed_then_anchored": (None, anchored_under(anchor_peer)),
        "config_changed_by_another_administrator": ("wrong_config", changed_afterwards(anchor_peer, signers=(BANK,))),
        "config_of_another_result": ("wrong_config", bent_config(_other_result)),
        "config_of_another_sequence": (
            "wrong_config",
            bent_config(lambda e: setattr(e.config, "sequence", e.config.sequence + 1)),
        ),
        "config_update_of_another_channel": ("wrong_config", bent_config(_other_channel)),
        "config_update_missing": ("wrong_config", bent_config(lambda e: e.ClearField("last_update"))),
        "config_of_the_majority": (None, changed_afterwards(lambda _: batch_size(max_message_count=7)(_), signers=(ORDERER,))),
        "config_of_a_minority": ("wrong_config", changed_afterwards(without_member, signers=(BANK, ORDERER))),
        "config_batch_size_0": ("wrong_config", changed_afterwards(batch_size(max_message_count=0))),
        "config_batch_prefers_too_much": (
            "wrong_config",
            changed_afterwards(batch_size(preferred_max_bytes=2**31, absolute_max_bytes=2**30)),
        ),
        "config_without_time": (
            "wrong_config",
            changed_afterwards(
                lambda _: change_value(("Orderer",), "BatchTimeout", orderer_pb2.BatchTimeout, lambda m: setattr(m, "timeout", "0s"))
            ),
        ),
        "config_of_mixed_time": (
            None,
            changed_afterwards(
                lambda _: change_value(
                    ("Orderer",), "BatchTimeout", orderer_pb2.BatchTimeout, lambda m: setattr(m, "timeout", "1m.5s2µs")
                )
            ),
        ),
        "config_of_another_hash": (
            "wrong_config",
            changed_afterwards(channel_value("HashingAlgorithm", configuration_pb2.HashingAlgorithm, name="SHA3_256")),
        ),
        "config_of_a_narrow_tree": (
            "wrong_config",
            changed_afterwards(
                channel_value("BlockDataHashingStructure", configuration_pb2.BlockDataHashingStructure, width=2)
            ),
        ),
        "config_with_a_stray_value": ("wrong_config", changed_afterwards(lambda _: stray_value)),
        "config_of_an_unknown_capability": ("wrong_config", changed_afterwards(lambda _: capability("V9_0"))),
        "config_of_capability_v2": (None, anchored_under(lambda _: capability("V2_0"))),
        "config_of_a_capability_too_old": ("wrong_config", changed_afterwards(lambda _: capability("V1_4_2"))),
        "config_without_root_certificates": (
            "wrong_config",
            changed_afterwards(lambda _: change_msp(PARTNER, lambda msp: msp.ClearField("root_certs"))),
        ),
        "config_with_a_root_that_is_none": (
            "wrong_config",
            changed_afterwards(
                lambda forge: change_msp(
                    PARTNER, lambda msp: msp.root_certs.append(_pem(forge.keys.signer(PARTNER, "peer").certificate))
                )
            ),
        ),
        "config_with_a_root_that_is_noise": (
            "wrong_config",
            changed_afterwards(lambda _: change_msp(PARTNER, lambda msp: msp.root_certs.append(b"noise"))),
        ),
        "config_renaming_a_member": (
            "wrong_config",
            changed_afterwards(lambda _: change_msp(PARTNER, lambda msp: setattr(msp, "name", "OtherMSP"))),
        ),
        "member_that_left_vouches_no_more": ("wrong_witness", anchored_under(without_member)),
        "config_after_which_nothing_was_signed_is_needed_no_more": (None, lambda forge: _unseen_config(forge)),
    }
)  # fmt: skip


def _unseen_config(forge: Forge) -> BundleContent:
    """A configuration newer than every block shown need not be shown."""
    forge.reconfigure(anchor_peer(forge))
    forge.added.clear()
    return forge.bundle()


@case("config_left_out", "config_missing")
def _(forge: Forge) -> BundleContent:
    number = forge.reconfigure(anchor_peer(forge))
    anchor = forge.commit(forge.anchored_again())
    del forge.added[number]
    return forge.bundle(anchor=ref(anchor))


@case("config_older_than_the_newest_shown", "config_missing")
def _(forge: Forge) -> BundleContent:
    forge.reconfigure(anchor_peer(forge))
    return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(), last_config=0)))


# --- revocation and certificates ---------------------------------------------------------------------------------


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def creator_in(change: Callable[[Forge], SigningIdentity]) -> Case:
    """The note is anchored once more, by another creator."""

    def make(forge: Forge) -> BundleContent:
        return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(creator=change(forge)))))

    return make


def _with_creator(identity: SigningIdentity, id_bytes: bytes, msp_id: str = BANK) -> SigningIdentity:
    """Return the identity, its key unchanged, under other bytes of a creator."""
    identity.creator = serialize_identity(msp_id, id_bytes)
    return identity


def _high_s_certificate(certificate: x509.Certificate) -> bytes:
    from network.certificates import _replace_signature

    der = _replace_signature(certificate, high_s(certificate.signature))
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def _intermediate(forge: Forge) -> tuple[Any, Any]:
    """Add an intermediate authority of the bank to the channel; return its certificate and key."""
    made = forge.issue(BANK, (), authority=True)
    forge.reconfigure(change_msp(BANK, lambda msp: msp.intermediate_certs.append(_pem(made.certificate))))
    return made.certificate, made._key


def _revoked(msp_id: str, user: str, **options: Any) -> Any:
    return lambda forge: forge.revoke(msp_id, forge.serial(msp_id, user), **options)


def _authority_as_creator(forge: Forge) -> SigningIdentity:
    certificate, key = forge.keys.authority(BANK)
    return SigningIdentity(BANK, _pem(certificate), key)


cases(
    {
        "signer_revoked": ("wrong_creator", anchored_under(_revoked(BANK, "Node"))),
        "signer_revoked_afterwards": (None, changed_afterwards(_revoked(BANK, "Node"))),
        "another_signer_revoked": (None, anchored_under(_revoked(BANK, "User1"))),
        "signer_revoked_by_a_list_of_another_authority": (None, anchored_under(_revoked(BANK, "Node", by=PARTNER))),
        "signer_of_a_member_whose_list_names_no_authority": (
            "wrong_creator",
            anchored_under(_revoked(BANK, "User1", key_id=False)),
        ),
        "endorser_revoked": ("endorsement_policy", anchored_under(_revoked(BANK, "peer"))),
        "endorser_revoked_but_enough_left": (
            None,
            anchored_under(_revoked(BANK, "peer"), endorsers=lambda _: (BANK, PARTNER, REGULATOR)),
        ),
        "orderer_revoked": ("wrong_block_signature", anchored_under(_revoked(ORDERER, "orderer"))),
        "signer_is_an_authority": ("wrong_creator", creator_in(_authority_as_creator)),
        "signer_of_no_member": (
            "wrong_creator",
            creator_in(lambda f: _with_creator(f.keys.signer(BANK), _pem(f.keys.signer(BANK).certificate), "NobodyMSP")),
        ),
        "signer_under_another_member": (
            "wrong_creator",
            creator_in(lambda f: _with_creator(f.keys.signer(BANK), _pem(f.keys.signer(BANK).certificate), PARTNER)),
        ),
        "signer_without_certificate": ("wrong_creator", creator_in(lambda f: _with_creator(f.keys.signer(BANK), b"noise"))),
        "signer_with_a_certificate_cut_off": (
            "wrong_creator",
            creator_in(
                lambda f: _with_creator(
                    f.keys.signer(BANK),
                    b"-----BEGIN CERTIFICATE-----\n"
                    + base64.encodebytes(f.keys.signer(BANK).certificate.public_bytes(serialization.Encoding.DER)[:-1])
                    + b"-----END CERTIFICATE-----\n",
                )
            ),
        ),
        "signer_with_a_certificate_and_a_byte_more": (
            "wrong_creator",
            creator_in(
                lambda f: _with_creator(
                    f.keys.signer(BANK),
                    b"-----BEGIN CERTIFICATE-----\n"
                    + base64.encodebytes(f.keys.signer(BANK).certificate.public_bytes(serialization.Encoding.DER) + b"\0")
                    + b"-----END CERTIFICATE-----\n",
                )
            ),
        ),
        "signer_with_text_before_the_certificate": (
            None,
            creator_in(
                lambda f: _with_creator(f.keys.signer(BANK), b"a word\r\n" + _pem(f.keys.signer(BANK).certificate) + b"more")
            ),
        ),
        "signer_with_another_label": (
            None,
            creator_in(
                lambda f: _with_creator(
                    f.keys.signer(BANK), _pem(f.keys.signer(BANK).certificate).replace(b"CERTIFICATE", b"ANY LABEL")
                )
            ),
        ),
        "signer_with_pem_headers": (
            None,
            creator_in(
                lambda f: _with_creator(
                    f.keys.signer(BANK),
                    _pem(f.keys.signer(BANK).certificate).replace(b"-----\n", b"-----\nName: value\n\n", 1),
                )
            ),
        ),
        "signer_with_two_certificates": (
            "wrong_creator_signature",
            creator_in(
                lambda f: _with_creator(
                    f.keys.signer(BANK),
                    _pem(f.keys.signer(BANK, "User1").certificate) + _pem(f.keys.signer(BANK).certificate),
                )
            ),
        ),
        "signer_with_a_high_s_certificate": (
            None,
            creator_in(
                lambda f: _with_creator(f.keys.signer(BANK), _high_s_certificate(f.keys.signer(BANK).certificate))
            ),
        ),
        "signer_newly_issued": (None, creator_in(lambda f: f.issue(BANK, ("client",)))),
        "signer_without_a_role": ("wrong_creator", creator_in(lambda f: f.issue(BANK, ()))),
        "signer_with_a_unit_beside_its_role": (None, creator_in(lambda f: f.issue(BANK, ("client", "treasury")))),
        "signer_with_two_roles": ("wrong_creator", creator_in(lambda f: f.issue(BANK, ("client", "peer")))),
        "signer_with_an_unknown_critical_extension": (
            "wrong_creator",
            creator_in(lambda f: f.issue(BANK, ("client",), critical=True)),
        ),
        "signer_issued_by_another_authority": (
            "wrong_creator",
            creator_in(lambda f: replace_msp(f.issue(PARTNER, ("client",)), BANK)),
        ),
        "signer_issued_by_an_identity": (
            "wrong_creator",
            creator_in(lambda f: f.issue(BANK, ("client",), issuer=(f.keys.signer(BANK).certificate, f.keys.signer(BANK)._key))),
        ),
    }
)  # fmt: skip


def replace_msp(identity: SigningIdentity, msp_id: str) -> SigningIdentity:
    """Return the identity as one of another organization."""
    return _with_creator(identity, _pem(identity.certificate), msp_id)


@case("signer_issued_by_an_intermediate_of_another_role", "wrong_creator")
def _(forge: Forge) -> BundleContent:
    issuer = _intermediate(forge)
    creator = forge.issue(BANK, ("client",), issuer=issuer)
    return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(creator=creator))))


@case("signer_issued_by_a_root_above_an_intermediate", "wrong_creator")
def _(forge: Forge) -> BundleContent:
    _intermediate(forge)
    return forge.bundle(anchor=ref(forge.commit(forge.anchored_again())))


@case("signer_issued_by_an_intermediate", None)
def _(forge: Forge) -> BundleContent:
    made = forge.issue(BANK, (), authority=True)
    names = ("client", "peer", "admin", "orderer")

    def change(msp: Any) -> None:
        msp.intermediate_certs.append(_pem(made.certificate))
        for name in names:
            getattr(msp.fabric_node_ous, f"{name}_ou_identifier").certificate = b""

    forge.reconfigure(change_msp(BANK, change))
    creator = forge.issue(BANK, ("client",), issuer=(made.certificate, made._key))
    anchor = forge.commit(forge.anchored_again(creator=creator, endorsers=(PARTNER, REGULATOR)))
    return forge.bundle(anchor=ref(anchor))


# --- transactions ------------------------------------------------------------------------------------------------


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


def _padded_r(signature: bytes) -> bytes:
    r, s = _der_integers(signature)
    return _sequence(b"\x02" + bytes([r[1] + 1]) + b"\x00" + (b"\x00" if r[2] else b"") [:0] + r[2:], s) if r[2] < 0x80 else _sequence(
        r, s
    )


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
    "with_a_padded_r": (False, lambda s: _sequence(b"\x02\x22\x00\x00" + _der_integers(s)[0][-32:], _der_integers(s)[1])),
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
    return peer, _with_creator(twin, _high_s_certificate(peer.certificate))


def _unknown_varint(message: Any) -> None:
    message.MergeFromString(b"\x98\x06\x01")


cases(
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
                    _with_creator(f.keys.signer(BANK, "peer"), b"noise"), *(f.keys.signer(n, "peer") for n in (BANK, PARTNER)),
                )
            ),
        ),
        "submitted_by_another_member": ("wrong_organization", anchored(creator=lambda f: f.keys.signer(PARTNER))),
        "submitted_by_the_orderer": ("wrong_organization", anchored(creator=lambda f: f.keys.signer(ORDERER, "Admin"))),
        "signed_over_other_bytes": (
            "wrong_creator_signature",
            anchored(edits=lambda f: Edits(envelope=lambda e: setattr(e, "signature", f.keys.signer(BANK).sign(b"other")))),
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
        "transaction_id_of_another": ("invalid_transaction", bent(channel_header=lambda h: setattr(h, "tx_id", "0" * 64))),
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
        "transaction_without_endorsed_action": ("invalid_transaction", bent(action_payload=lambda a: a.ClearField("action"))),
        "transaction_without_result": ("invalid_transaction", bent(response_payload=lambda r: r.ClearField("extension"))),
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
        "record_with_a_key_twice_in_disguise": ("malformed_record", lambda f: _record(f, b'{"note":"","n\\u006fte":""}')),
        "record_with_a_float": ("malformed_record", lambda f: _record(f, b'{"note":"","size":1.0}')),
        "record_without_note": ("wrong_checkpoint", lambda f: _record(f, b"{}")),
        "record_whose_note_is_a_number": ("wrong_checkpoint", lambda f: _record(f, b'{"note":7}')),
        "record_of_another_note": ("wrong_checkpoint", lambda f: _record(f, b'{"note":"other"}')),
    }
)  # fmt: skip


def _record(forge: Forge, value: bytes) -> BundleContent:
    key = f"checkpoint~{BANK}~{forge.content.size:020d}"
    return forge.bundle(anchor=ref(forge.commit(forge.transaction([(key, value)]))))


@case("second_transaction_of_another_channel", "wrong_channel")
def _(forge: Forge) -> BundleContent:
    bent_one = forge.anchored_again(edits=Edits(channel_header=lambda h: setattr(h, "channel_id", "other")))
    return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(), bent_one), 1))


@case("anchored_by_the_second_transaction", None)
def _(forge: Forge) -> BundleContent:
    return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(endorsers=()), forge.anchored_again()), 1))


# --- blocks ------------------------------------------------------------------------------------------------------


def in_block(**options: Any) -> Case:
    """The note is anchored once more, in a block bent somewhere."""

    def make(forge: Forge) -> BundleContent:
        given = {name: value(forge) if name == "signer" else value for name, value in options.items()}
        return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(), **given)))

    return make


def _swapped_fields(block: Any) -> None:
    envelope = common_pb2.Envelope.FromString(block.data.data[0])
    payload, signature = common_pb2.Envelope(payload=envelope.payload), common_pb2.Envelope(signature=envelope.signature)
    block.data.data[0] = signature.SerializeToString() + payload.SerializeToString()
    block.header.data_hash = new_block(1, b"", list(block.data.data)).header.data_hash


cases(
    {
        "block_signed_by_the_bank": ("wrong_block_signature", in_block(signer=lambda f: f.keys.signer(BANK, "peer"))),
        "block_signed_with_high_s": (
            "wrong_block_signature",
            in_block(signed=bent_metadata(lambda m: setattr(m.signatures[0], "signature", high_s(m.signatures[0].signature)))),
        ),
        "block_signed_by_nobody": ("wrong_block_signature", in_block(signed=bent_metadata(lambda m: m.ClearField("signatures")))),
        "block_signed_with_noise_beside": (
            None,
            in_block(signed=bent_metadata(lambda m: m.signatures.add(signature_header=b"", signature=b"noise"))),
        ),
        "block_whose_signer_cannot_be_read": (
            "wrong_block_signature",
            in_block(signed=bent_metadata(lambda m: m.signatures.add(signature_header=b"\xff", signature=b"noise"))),
        ),
        "block_signed_under_another_number": ("wrong_block_signature", in_block(signed=lambda b: setattr(b.header, "number", 99))),
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
)  # fmt: skip


@case("block_without_transactions", "wrong_block_signature")
def _(forge: Forge) -> BundleContent:
    forge.commit()
    return forge.bundle()


@case("block_apart_without_hash_before", "wrong_block_data")
def _(forge: Forge) -> BundleContent:
    forge.head.header.number += 5
    number = forge.commit(forge.anchored_again(), header=lambda b: setattr(b.header, "previous_hash", b""))
    return forge.bundle(anchor=ref(number))


@case("block_of_a_fork", "broken_chain")
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
        defined = forge.commit(forge.definition(options.get("name", "audit"), policy, sequence, endorsers=options.get("endorsers", (BANK, REGULATOR))))
        anchor = forge.commit(forge.anchored_again(endorsers=endorsers))
        known = forge.content.definitions
        changed = {**known, "audit": (*known["audit"], ref(defined))} if shown else known
        return forge.bundle(anchor=ref(anchor), definitions=changed)

    return make


cases(
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
            redefined("OutOf(2, OR('DwaybankMSP.peer', 'PartnerMSP.peer'), AND('RegulatorMSP.member'), 'OrdererMSP.admin')"),
        ),
        "definition_evaluated_greedily": (
            "endorsement_policy",
            redefined("AND('DwaybankMSP.member', 'DwaybankMSP.peer', 'RegulatorMSP.peer')"),
        ),
        "definition_with_0_out_of_1": (None, redefined("OutOf(0, 'PartnerMSP.peer')")),
    }
)  # fmt: skip


@case("definition_without_policy", "wrong_definition")
def _(forge: Forge) -> BundleContent:
    defined = forge.commit(forge.definition("audit", None, 2))
    definitions = {**forge.content.definitions, "audit": (ref(defined),)}
    return forge.bundle(definitions=definitions)


@case("definition_after_the_anchor", "definition_missing")
def _(forge: Forge) -> BundleContent:
    defined = forge.commit(forge.definition("audit", ALL, 2))
    return forge.bundle(definitions={**forge.content.definitions, "audit": (ref(defined),)})


@case("definition_afterwards_changes_nothing", None)
def _(forge: Forge) -> BundleContent:
    defined = forge.commit(forge.definition("audit", ALL, 2))
    known = forge.content.definitions
    return forge.bundle(definitions={**known, "audit": (*known["audit"], ref(defined))})


# --- the log -----------------------------------------------------------------------------------------------------


def prepare_log(forge: Forge) -> BundleContent:
    """A log of all ``entry_forms``: its key registered anew, a witness's key, decisions, then the checkpoint."""
    form, size = entry_forms()[0], len(LEAVES)
    record = {"origin": LOG, "verifier_key": verifier_key(LOG, LOG_KEY)}
    epoch = {"from_seq": 1, "to_seq": size, "root": base64.b64encode(root(DECISION_LEAVES)).decode()}
    proof = tuple(inclusion_proof(DECISION_LEAVES, 0))
    return forge.bundle(
        seq=1,
        salt=SALT,
        canonical=form.canonical,
        fields=describe_entry(form.canonical),
        size=size,
        proof=tuple(inclusion_proof(LEAVES, 0)),
        note=GOOD_NOTE,
        registration=_registered_log(forge, record),
        witnesses=(WitnessEvidence(REGULATOR, _cosigned(GOOD_NOTE), _registered_witness(forge)),),
        decision=DecisionEvidence(decision_record(1), 1, proof, _decided(forge, epoch)),
        anchor=ref(forge.commit(forge.checkpoint(GOOD_NOTE, size))),
    )


def _registered_log(forge: Forge, record: dict[str, Any]) -> TransactionRef:
    return ref(forge.commit(forge.transaction([(f"log~{BANK}", json.dumps(record).encode())])))


def _registered_witness(forge: Forge, record: dict[str, Any] | None = None) -> TransactionRef:
    record = record if record is not None else {"cosigner_key": verifier_key(WITNESS, OTHER_KEY, COSIGNATURE_V1)}
    writes = [(f"witness~{REGULATOR}", json.dumps(record).encode())]
    return ref(forge.commit(forge.transaction(writes, creator=forge.keys.signer(REGULATOR))))


def _decided(forge: Forge, epoch: dict[str, Any]) -> TransactionRef:
    writes = [(f"epoch~{BANK}~{1:020d}", json.dumps(epoch).encode())]
    return ref(forge.commit(forge.transaction(writes, contract="compliance")))


def noted(note: str) -> Case:
    """Another note is anchored, and cosigned."""

    def make(forge: Forge) -> BundleContent:
        anchor = ref(forge.commit(forge.checkpoint(note, SIZE)))
        witness = replace(forge.content.witnesses[0], cosignature=_cosigned(note))
        return forge.bundle(note=note, anchor=anchor, witnesses=(witness,))

    return make


def log_registered(record: dict[str, Any], note: str = "") -> Case:
    """The log's key is registered by another record, then its note anchored."""

    def make(forge: Forge) -> BundleContent:
        registration = _registered_log(forge, record)
        content = noted(note or GOOD_NOTE)(forge)
        return replace(content, registration=registration)

    return make


def cosigned(line: str) -> Case:
    """The witness gives another line."""
    return lambda forge: forge.bundle(witnesses=(replace(forge.content.witnesses[0], cosignature=line),))


def witness_registered(record: dict[str, Any]) -> Case:
    """The witness's key is registered by another record."""

    def make(forge: Forge) -> BundleContent:
        witness = replace(forge.content.witnesses[0], registration=_registered_witness(forge, record))
        return forge.bundle(witnesses=(witness,))

    return make


def decided(changes: dict[str, Any]) -> Case:
    """Decisions are anchored by another record; ``...`` leaves a field out."""

    def make(forge: Forge) -> BundleContent:
        assert forge.content.decision is not None
        epoch = {"from_seq": 1, "to_seq": SIZE, "root": base64.b64encode(root(DECISION_LEAVES)).decode(), **changes}
        epoch = {name: value for name, value in epoch.items() if value is not ...}
        return forge.bundle(decision=replace(forge.content.decision, transaction=_decided(forge, epoch)))

    return make


def _cosigned(note: str, key: SigningKey = OTHER_KEY, name: str = WITNESS, time: int = COSIGNED_AT) -> str:
    try:
        return cosign(note.encode(), name, key, time)
    except Exception:
        return _line(name, COSIGNATURE_V1, key, bytes(72))


def _line(name: str, kind: int, key: SigningKey, signature: bytes) -> str:
    identifier = VerifierKey(name, kind, bytes(key.verify_key)).key_id
    return f"— {name} {base64.b64encode(identifier + signature).decode()}"


def signed_text(text: str, key: SigningKey = LOG_KEY, name: str = LOG) -> str:
    """Return a note of any text, signed."""
    return f"{text}\n{_line(name, ED25519, key, key.sign(text.encode()).signature)}\n"


ROOT = base64.b64encode(root(LEAVES)).decode()
SIZE = len(LEAVES)
TEXT = f"{LOG}\n{SIZE}\n{ROOT}\n"
GOOD_NOTE = signed_text(TEXT)
SIGNATURE_LINE = GOOD_NOTE.splitlines()[-1]


def _raw_key(name: str, kind: int, public: bytes) -> str:
    return str(VerifierKey(name, kind, public))


def weak_log(public: bytes) -> Case:
    """A log key under which one signature might hold for many texts."""
    key = VerifierKey(LOG, ED25519, public)
    line = f"— {LOG} {base64.b64encode(key.key_id + public + bytes(32)).decode()}"
    return log_registered({"origin": LOG, "verifier_key": str(key)}, f"{TEXT}\n{line}\n")


NOTES: dict[str, tuple[str | None, str]] = {
    "with_a_line_more": (None, signed_text(TEXT + "an extension\n")),
    "with_another_signature_beside": (None, GOOD_NOTE + _line("somebody", ED25519, OTHER_KEY, bytes(64)) + "\n"),
    "signed_twice": (None, GOOD_NOTE + SIGNATURE_LINE + "\n"),
    "signed_by_another_key": ("unsigned_checkpoint", signed_text(TEXT, OTHER_KEY)),
    "signed_under_another_name": ("unsigned_checkpoint", signed_text(TEXT, LOG_KEY, "somebody")),
    "signed_over_another_text": ("wrong_signature", GOOD_NOTE.replace(f"\n{SIZE}\n", f"\n{SIZE}\n", 1).replace(ROOT, base64.b64encode(bytes(32)).decode())),
    "signed_well_and_badly": ("wrong_signature", GOOD_NOTE + _line(LOG, ED25519, LOG_KEY, bytes(64)) + "\n"),
    "signed_with_63_bytes": ("wrong_signature", f"{TEXT}\n{_line(LOG, ED25519, LOG_KEY, bytes(63))}\n"),
    "of_another_log": ("wrong_checkpoint", signed_text(f"other\n{SIZE}\n{ROOT}\n")),
    "of_another_size": ("wrong_checkpoint", signed_text(f"{LOG}\n{SIZE - 1}\n{ROOT}\n")),
    "of_another_root": ("wrong_inclusion", signed_text(f"{LOG}\n{SIZE}\n{base64.b64encode(bytes(32)).decode()}\n")),
    "with_a_padded_size": ("malformed_checkpoint", signed_text(f"{LOG}\n0{SIZE}\n{ROOT}\n")),
    "with_a_signed_size": ("malformed_checkpoint", signed_text(f"{LOG}\n+{SIZE}\n{ROOT}\n")),
    "with_an_arabic_size": ("malformed_checkpoint", signed_text(f"{LOG}\n٣٧\n{ROOT}\n")),
    "with_a_size_beyond_63_bits": ("malformed_checkpoint", signed_text(f"{LOG}\n{2**63}\n{ROOT}\n")),
    "with_a_short_root": ("malformed_checkpoint", signed_text(f"{LOG}\n{SIZE}\nAAAA\n")),
    "with_a_root_in_other_base64": ("malformed_checkpoint", signed_text(f"{LOG}\n{SIZE}\n{ROOT.rstrip('=')}\n")),
    "of_two_lines": ("malformed_checkpoint", signed_text(f"{LOG}\n{SIZE}\n")),
    "with_an_empty_line": ("malformed_checkpoint", signed_text(f"{LOG}\n\n{SIZE}\n{ROOT}\n")),
    "without_signatures": ("malformed_note", TEXT + "\n"),
    "without_blank_line": ("malformed_note", TEXT + SIGNATURE_LINE + "\n"),
    "without_newline_at_its_end": ("malformed_note", GOOD_NOTE[:-1]),
    "with_windows_line_ends": ("malformed_note", GOOD_NOTE.replace("\n", "\r\n")),
    "with_a_control_character": ("malformed_note", GOOD_NOTE.replace(LOG, LOG + "\x01", 1)),
    "with_a_hyphen_for_a_dash": ("malformed_note", GOOD_NOTE.replace("— ", "- ")),
    "with_an_en_dash": ("malformed_note", GOOD_NOTE.replace("— ", "– ")),
    "with_two_spaces": ("malformed_note", GOOD_NOTE.replace("— ", "—  ")),
    "with_a_no_break_space_in_a_name": ("malformed_note", GOOD_NOTE + _line("some\u00a0body", ED25519, OTHER_KEY, bytes(64)) + "\n"),
    "with_a_plus_in_a_name": ("malformed_note", GOOD_NOTE + _line("some+body", ED25519, OTHER_KEY, bytes(64)) + "\n"),
    "with_65_signatures": ("malformed_note", GOOD_NOTE + (SIGNATURE_LINE + "\n") * 64),
    "with_64_signatures": (None, GOOD_NOTE + (_line("somebody", ED25519, OTHER_KEY, bytes(64)) + "\n") * 63),
    "with_a_signature_of_4_bytes": ("malformed_note", f"{TEXT}\n— {LOG} {base64.b64encode(bytes(4)).decode()}\n"),
    "with_a_signature_in_other_base64": ("malformed_note", GOOD_NOTE.replace("=\n", "\n") if SIGNATURE_LINE.endswith("=") else GOOD_NOTE[:-1] + "=\n"),
    "with_a_byte_order_mark": ("wrong_checkpoint", signed_text("\ufeff" + TEXT)),
}  # fmt: skip
for _name, (_reason, _note) in NOTES.items():
    LOG_CASES[f"note_{_name}"] = (_reason, noted(_note))

LOG_RECORDS: dict[str, tuple[str | None, Any]] = {
    "without_key": ("malformed_key", {"origin": LOG}),
    "with_a_key_that_is_a_number": ("malformed_key", {"origin": LOG, "verifier_key": 7}),
    "with_a_key_in_a_list": ("malformed_key", {"origin": LOG, "verifier_key": [verifier_key(LOG, LOG_KEY)]}),
    "with_a_key_of_another_id": (
        "malformed_key",
        {"origin": LOG, "verifier_key": verifier_key(LOG, LOG_KEY).replace("+", "+00000000+", 1).replace(verifier_key(LOG, LOG_KEY).split("+")[1] + "+", "")},
    ),
    "with_a_key_id_in_capitals": (
        "malformed_key",
        {"origin": LOG, "verifier_key": "+".join((lambda p: [p[0], p[1].upper(), *p[2:]])(verifier_key(LOG, LOG_KEY).split("+")))},
    ),
    "with_a_witness_key": ("malformed_key", {"origin": LOG, "verifier_key": verifier_key(LOG, LOG_KEY, COSIGNATURE_V1)}),
    "with_a_key_of_an_unknown_kind": ("malformed_key", {"origin": LOG, "verifier_key": _raw_key(LOG, 2, bytes(32))}),
    "with_a_short_key": ("malformed_key", {"origin": LOG, "verifier_key": _raw_key(LOG, ED25519, bytes(31))}),
    "with_a_key_without_name": ("malformed_key", {"origin": LOG, "verifier_key": _raw_key("", ED25519, bytes(LOG_KEY.verify_key))}),
    "of_another_origin": ("wrong_checkpoint", {"origin": "other", "verifier_key": verifier_key(LOG, LOG_KEY)}),
    "without_origin": ("wrong_checkpoint", {"verifier_key": verifier_key(LOG, LOG_KEY)}),
}  # fmt: skip
for _name, (_reason, _record_value) in LOG_RECORDS.items():
    LOG_CASES[f"log_{_name}"] = (_reason, log_registered(_record_value))

SMALL_ORDER = {
    "of_order_1": (1).to_bytes(32, "little"),
    "of_order_2": (2**255 - 20).to_bytes(32, "little"),
    "of_order_4": bytes(32),
    "of_order_8": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "of_order_8_again": bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    "beyond_the_field": (2**255 - 18).to_bytes(32, "little"),
}
for _name, _public in SMALL_ORDER.items():
    LOG_CASES[f"log_key_{_name}"] = ("wrong_signature", weak_log(_public))

_TOO_LARGE_S = (int.from_bytes(LOG_KEY.sign(TEXT.encode()).signature[32:], "little") + 2**252 + 27742317777372353535851937790883648493).to_bytes(32, "little")
LOG_CASES["note_signed_with_a_large_s"] = (
    "wrong_signature",
    noted(f"{TEXT}\n{_line(LOG, ED25519, LOG_KEY, LOG_KEY.sign(TEXT.encode()).signature[:32] + _TOO_LARGE_S)}\n"),
)

LINES: dict[str, tuple[str | None, str]] = {
    "by_another_key": ("unsigned_checkpoint", _cosigned(GOOD_NOTE, LOG_KEY)),
    "under_another_name": ("unsigned_checkpoint", _cosigned(GOOD_NOTE, name="somebody")),
    "of_another_note": ("wrong_signature", _cosigned(signed_text(f"{LOG}\n5\n{ROOT}\n"))),
    "of_zeros": ("malformed_cosignature", _line(WITNESS, COSIGNATURE_V1, OTHER_KEY, bytes(72))),
    "of_71_bytes": ("malformed_cosignature", _line(WITNESS, COSIGNATURE_V1, OTHER_KEY, bytes(71))),
    "of_a_time_beyond_63_bits": ("malformed_cosignature", _line(WITNESS, COSIGNATURE_V1, OTHER_KEY, b"\xff" * 8 + bytes(64))),
    "of_another_time": (
        "wrong_signature",
        _line(WITNESS, COSIGNATURE_V1, OTHER_KEY, (COSIGNED_AT + 1).to_bytes(8, "big") + base64.b64decode(_cosigned(GOOD_NOTE).split(" ")[2])[12:]),
    ),
    "at_the_verifiers_own_time": (None, _cosigned(GOOD_NOTE, time=int(NOW.timestamp()))),
    "five_minutes_ahead": (None, _cosigned(GOOD_NOTE, time=int(NOW.timestamp()) + 300)),
    "a_second_more_ahead": ("witness_in_future", _cosigned(GOOD_NOTE, time=int(NOW.timestamp()) + 301)),
    "beyond_the_calendar": ("witness_in_future", _cosigned(GOOD_NOTE, time=2**62)),
    "with_a_line_end": ("malformed_note", _cosigned(GOOD_NOTE) + "\n"),
    "of_words": ("malformed_note", "yes, seen"),
}  # fmt: skip
for _name, (_reason, _text) in LINES.items():
    LOG_CASES[f"cosignature_{_name}"] = (_reason, cosigned(_text))

WITNESS_RECORDS: dict[str, tuple[str, Any]] = {
    "with_a_logs_key": ("malformed_key", {"cosigner_key": verifier_key(WITNESS, OTHER_KEY)}),
    "without_key": ("malformed_key", {}),
    "with_a_null_key": ("malformed_key", {"cosigner_key": None}),
}
for _name, (_reason, _record_value) in WITNESS_RECORDS.items():
    LOG_CASES[f"witness_{_name}"] = (_reason, witness_registered(_record_value))

EPOCHS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "of_one_entry": ("wrong_proof_length", {"to_seq": 1}),
    "of_later_entries": ("wrong_epoch", {"from_seq": 2}),
    "of_earlier_entries": ("wrong_epoch", {"from_seq": 0, "to_seq": 0}),
    "from_a_text": ("malformed_record", {"from_seq": "1"}),
    "from_true": ("malformed_record", {"from_seq": True}),
    "from_nothing": ("malformed_record", {"from_seq": ...}),
    "to_null": ("malformed_record", {"to_seq": None}),
    "without_root": ("malformed_record", {"root": ...}),
    "whose_root_is_a_number": ("malformed_record", {"root": 7}),
    "whose_root_is_no_base64": ("malformed_record", {"root": "%"}),
    "whose_root_is_in_other_base64": ("malformed_record", {"root": base64.b64encode(root(DECISION_LEAVES)).decode()[:-2] + "9="}),
    "whose_root_is_short": ("malformed_hash", {"root": "AAAA"}),
    "whose_root_is_empty": ("malformed_hash", {"root": ""}),
    "of_another_root": ("wrong_inclusion", {"root": base64.b64encode(bytes(32)).decode()}),
    "from_a_negative_number": ("wrong_proof_length", {"from_seq": -5, "to_seq": 2**40}),
}  # fmt: skip
for _name, (_reason, _fields) in EPOCHS.items():
    LOG_CASES[f"epoch_{_name}"] = (_reason, decided(_fields))


LOG_CASES["log_registered_after_the_anchor"] = (
    "wrong_order",
    lambda forge: forge.bundle(
        registration=_registered_log(forge, {"origin": LOG, "verifier_key": verifier_key(LOG, LOG_KEY)})
    ),
)


@case("log_registered_by_another_member", "wrong_organization")
def _(forge: Forge) -> BundleContent:
    record = json.dumps({"origin": LOG, "verifier_key": verifier_key(LOG, LOG_KEY)}).encode()
    number = forge.commit(forge.transaction([(f"log~{BANK}", record)], creator=forge.keys.signer(PARTNER)))
    return forge.bundle(registration=ref(number), anchor=ref(forge.commit(forge.anchored_again())))


@case("witness_registered_by_the_bank", "wrong_organization")
def _(forge: Forge) -> BundleContent:
    record = json.dumps({"cosigner_key": verifier_key(WITNESS, OTHER_KEY, COSIGNATURE_V1)}).encode()
    number = forge.commit(forge.transaction([(f"witness~{REGULATOR}", record)]))
    line = _cosigned(forge.content.note)
    return forge.bundle(witnesses=(WitnessEvidence(REGULATOR, line, ref(number)),))


# The bank anchors an older head under the newest size: what it promised since is to be forgotten.
LOG_CASES["checkpoint_replayed_from_before"] = (
    "wrong_inclusion",
    noted(sign_checkpoint(Checkpoint(LOG, SIZE, root(LEAVES[:-1])), LOG, LOG_KEY).decode()),
)


def capture(keys: NetworkKeys, bundle: bytes) -> Corpus:
    """Return the corpus of all captured vectors."""
    content = parse_bundle(bundle)
    network = Network(header_hash(parse_block(content.blocks[0]).header).hex(), bundle)
    vectors = [Vector("entry_of_a_real_network", "network", None, (), captured=True)]
    for name, (reason, make) in CASES.items():
        made = build_bundle(make(Forge(keys, content)))
        vectors.append(Vector(name, "network", reason, difference(bundle, made), captured=True))
    log = prepare_log(Forge(keys, content))
    text = build_bundle(log)
    vectors.append(Vector("log_of_entries", "network", None, difference(bundle, text), captured=True))
    for name, (reason, make) in LOG_CASES.items():
        made = build_bundle(make(Forge(keys, log)))
        vectors.append(Vector(name, "log_of_entries", reason, difference(text, made), captured=True))
    networks = {"network": network, **{f"fabric_{name}": fabric_network(name, content) for name in NETWORKS}}
    vectors += [Vector(f"blocks_of_fabric_{name}", f"fabric_{name}", "wrong_contract", (), captured=True) for name in NETWORKS]
    return Corpus(int(NOW.timestamp()), networks, tuple(vectors))


def fabric_network(name: str, content: BundleContent) -> Network:
    """Return a bundle over blocks that a Fabric network made: nothing of ours is on it, so it proves no entry.

    Every check before that of the contract must hold: Fabric's own configurations, orderers' signatures, definitions.
    """
    blocks = captured(name).blocks
    configs = [number for number, block in enumerate(blocks) if is_config_block(parse_block(block))]
    newest = len(blocks) - 1
    bundle = replace(
        content,
        channel=config_of_block(parse_block(blocks[0]))[0],
        anchor=ref(newest),
        definitions={"anchorgo": (ref(4),)},
        blocks={number: blocks[number] for number in (*configs, 4, newest)},
    )
    return Network(header_hash(parse_block(blocks[0]).header).hex(), build_bundle(bundle))


def main() -> None:
    """Write a new corpus: the captured vectors, and those derived from them."""
    from tests.support.proof_edits import derive

    home, file = Path(sys.argv[1]), Path(sys.argv[2])
    corpus = capture(NetworkKeys(home / "crypto"), file.read_bytes())
    write_corpus(replace(corpus, vectors=(*corpus.vectors, *derive(corpus))))


if __name__ == "__main__":
    main()
