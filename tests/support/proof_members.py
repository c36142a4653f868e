"""Forged bundles: configurations, revocations and certificates.

Who may change the channel, who belongs to a member, and from which block on.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

from network.bundle import BundleContent
from network.identity import SigningIdentity
from tests.support.consortium_in_memory import BANK, ORDERER, PARTNER, REGULATOR
from tests.support.proof_forge import (
    Case,
    Cases,
    Forge,
    armored,
    change_msp,
    change_value,
    high_s_certificate,
    pem,
    ref,
    with_creator,
)

CASES = Cases()


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
    return lambda _: change_value(
        (), value_name, kind, lambda m: [setattr(m, field, value) for field, value in fields.items()]
    )


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
    payload = common_pb2.Payload.FromString(envelope.last_update.payload)
    signed = configtx_pb2.ConfigUpdateEnvelope.FromString(payload.data)
    update = configtx_pb2.ConfigUpdate.FromString(signed.config_update)
    update.channel_id = "other"
    signed.config_update = update.SerializeToString()
    payload.data = signed.SerializeToString()
    envelope.last_update.payload = payload.SerializeToString()


CASES.update(
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
        "config_of_the_majority": (
            None,
            changed_afterwards(lambda _: batch_size(max_message_count=7)(_), signers=(ORDERER,)),
        ),
        "config_of_a_minority": ("wrong_config", changed_afterwards(without_member, signers=(BANK, ORDERER))),
        "config_batch_size_0": ("wrong_config", changed_afterwards(batch_size(max_message_count=0))),
        "config_batch_prefers_too_much": (
            "wrong_config",
            changed_afterwards(batch_size(preferred_max_bytes=2**31, absolute_max_bytes=2**30)),
        ),
        "config_without_time": (
            "wrong_config",
            changed_afterwards(
                lambda _: change_value(
                    ("Orderer",), "BatchTimeout", orderer_pb2.BatchTimeout, lambda m: setattr(m, "timeout", "0s")
                )
            ),
        ),
        "config_of_arabic_time": (
            "wrong_config",
            changed_afterwards(
                lambda _: change_value(
                    ("Orderer",), "BatchTimeout", orderer_pb2.BatchTimeout, lambda m: setattr(m, "timeout", "٣s")
                )
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
                    PARTNER, lambda msp: msp.root_certs.append(pem(forge.keys.signer(PARTNER, "peer").certificate))
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
)


def _unseen_config(forge: Forge) -> BundleContent:
    """A configuration newer than every block shown need not be shown."""
    forge.reconfigure(anchor_peer(forge))
    forge.added.clear()
    return forge.bundle()


@CASES.case("config_left_out", "config_missing")
def _(forge: Forge) -> BundleContent:
    number = forge.reconfigure(anchor_peer(forge))
    anchor = forge.commit(forge.anchored_again())
    del forge.added[number]
    return forge.bundle(anchor=ref(anchor))


@CASES.case("config_older_than_the_newest_shown", "config_missing")
def _(forge: Forge) -> BundleContent:
    forge.reconfigure(anchor_peer(forge))
    return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(), last_config=0)))


# --- revocation and certificates ---------------------------------------------------------------------------------


def creator_in(change: Callable[[Forge], SigningIdentity]) -> Case:
    """The note is anchored once more, by another creator."""

    def make(forge: Forge) -> BundleContent:
        return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(creator=change(forge)))))

    return make


def _intermediate(forge: Forge) -> tuple[Any, Any]:
    """Add an intermediate authority of the bank to the channel; return its certificate and key."""
    made = forge.issue(BANK, (), authority=True)
    forge.reconfigure(change_msp(BANK, lambda msp: msp.intermediate_certs.append(pem(made.certificate))))
    return made.certificate, made._key


def _revoked(msp_id: str, user: str, **options: Any) -> Any:
    return lambda forge: forge.revoke(msp_id, forge.serial(msp_id, user), **options)


def sized_signer(forge: Forge, size: int) -> SigningIdentity:
    """Return a client of the bank whose serialized identity has so many bytes, some of them behind its certificate."""
    signer = forge.keys.signer(BANK)
    certificate = pem(signer.certificate)
    missing = size - len(with_creator(signer, certificate + b"x" * 10_000).creator) + 10_000
    return with_creator(signer, certificate + b"x" * missing)


def stray_bits(forge: Forge) -> SigningIdentity:
    """Return a client of the bank in whose PEM text the bits behind the last byte are not zero."""
    while True:
        made = forge.issue(BANK, ("client",))
        text = base64.b64encode(made.certificate.public_bytes(serialization.Encoding.DER)).decode()
        if text.endswith("="):
            break
    at = len(text.rstrip("=")) - 1
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bent = text[:at] + digits[digits.index(text[at]) + 1] + text[at + 1 :]
    return with_creator(made, f"-----BEGIN CERTIFICATE-----\n{bent}\n-----END CERTIFICATE-----\n".encode())


def _authority_as_creator(forge: Forge) -> SigningIdentity:
    certificate, key = forge.keys.authority(BANK)
    return SigningIdentity(BANK, pem(certificate), key)


CASES.update(
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
            creator_in(lambda f: with_creator(f.keys.signer(BANK), pem(f.keys.signer(BANK).certificate), "NobodyMSP")),
        ),
        "signer_under_another_member": (
            "wrong_creator",
            creator_in(lambda f: with_creator(f.keys.signer(BANK), pem(f.keys.signer(BANK).certificate), PARTNER)),
        ),
        "signer_without_certificate": (
            "wrong_creator",
            creator_in(lambda f: with_creator(f.keys.signer(BANK), b"noise")),
        ),
        "signer_with_a_certificate_cut_off": (
            "wrong_creator",
            creator_in(
                lambda f: with_creator(
                    f.keys.signer(BANK),
                    armored(f.keys.signer(BANK).certificate.public_bytes(serialization.Encoding.DER)[:-1]),
                )
            ),
        ),
        "signer_with_a_certificate_and_a_byte_more": (
            "wrong_creator",
            creator_in(
                lambda f: with_creator(
                    f.keys.signer(BANK),
                    armored(f.keys.signer(BANK).certificate.public_bytes(serialization.Encoding.DER) + b"\0"),
                )
            ),
        ),
        "signer_with_text_before_the_certificate": (
            None,
            creator_in(
                lambda f: with_creator(
                    f.keys.signer(BANK), b"a word\r\n" + pem(f.keys.signer(BANK).certificate) + b"more"
                )
            ),
        ),
        "signer_with_stray_bits_in_its_certificate": (None, creator_in(stray_bits)),
        "signer_of_16384_bytes": (None, creator_in(lambda f: sized_signer(f, 16_384))),
        "signer_of_16385_bytes": ("wrong_creator", creator_in(lambda f: sized_signer(f, 16_385))),
        "signer_with_another_label": (
            None,
            creator_in(
                lambda f: with_creator(
                    f.keys.signer(BANK), pem(f.keys.signer(BANK).certificate).replace(b"CERTIFICATE", b"ANY LABEL")
                )
            ),
        ),
        "signer_with_pem_headers": (
            None,
            creator_in(
                lambda f: with_creator(
                    f.keys.signer(BANK),
                    pem(f.keys.signer(BANK).certificate).replace(b"-----\n", b"-----\nName: value\n\n", 1),
                )
            ),
        ),
        "signer_with_two_certificates": (
            "wrong_creator_signature",
            creator_in(
                lambda f: with_creator(
                    f.keys.signer(BANK),
                    pem(f.keys.signer(BANK, "User1").certificate) + pem(f.keys.signer(BANK).certificate),
                )
            ),
        ),
        "signer_with_a_high_s_certificate": (
            None,
            creator_in(
                lambda f: with_creator(f.keys.signer(BANK), high_s_certificate(f.keys.signer(BANK).certificate))
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
            creator_in(lambda f: with_creator((m := f.issue(PARTNER, ("client",))), pem(m.certificate))),
        ),
        "signer_issued_by_an_identity": (
            "wrong_creator",
            creator_in(
                lambda f: f.issue(BANK, ("client",), issuer=(f.keys.signer(BANK).certificate, f.keys.signer(BANK)._key))
            ),
        ),
    }
)


@CASES.case("signer_issued_by_an_intermediate_of_another_role", "wrong_creator")
def _(forge: Forge) -> BundleContent:
    issuer = _intermediate(forge)
    creator = forge.issue(BANK, ("client",), issuer=issuer)
    return forge.bundle(anchor=ref(forge.commit(forge.anchored_again(creator=creator))))


@CASES.case("signer_issued_by_a_root_above_an_intermediate", "wrong_creator")
def _(forge: Forge) -> BundleContent:
    _intermediate(forge)
    return forge.bundle(anchor=ref(forge.commit(forge.anchored_again())))


@CASES.case("signer_issued_by_an_intermediate", None)
def _(forge: Forge) -> BundleContent:
    made = forge.issue(BANK, (), authority=True)
    names = ("client", "peer", "admin", "orderer")

    def change(msp: Any) -> None:
        msp.intermediate_certs.append(pem(made.certificate))
        for name in names:
            getattr(msp.fabric_node_ous, f"{name}_ou_identifier").certificate = b""

    forge.reconfigure(change_msp(BANK, change))
    creator = forge.issue(BANK, ("client",), issuer=(made.certificate, made._key))
    anchor = forge.commit(forge.anchored_again(creator=creator, endorsers=(PARTNER, REGULATOR)))
    return forge.bundle(anchor=ref(anchor))


# --- certificates that cannot be read ----------------------------------------------------------------------------

BENT_CERTIFICATES: dict[str, tuple[bytes, bytes]] = {
    "of_version_2": (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01"),
    "of_an_unknown_key": (b"\x2a\x86\x48\xce\x3d\x02\x01", b"\x2a\x86\x58\xce\x3d\x02\x01"),
    "on_an_unknown_curve": (b"\x2a\x86\x48\xce\x3d\x03\x01\x07", b"\x2a\x86\x48\xce\x3d\x03\x01\x77"),
    "whose_key_is_no_point": (b"\x03\x42\x00\x04", b"\x03\x42\x00\x05"),
    "whose_issuer_is_no_name": (b"\x31\x0b\x30\x09\x06\x03\x55\x04\x06", b"\x30\x0b\x30\x09\x06\x03\x55\x04\x06"),
    "whose_issuer_is_no_string": (b"\x06\x03\x55\x04\x06\x13", b"\x06\x03\x55\x04\x06\x01"),
    "whose_country_is_not_printable": (b"\x13\x02US", b"\x13\x02U@"),
    "of_a_month_13": (b"\x17\x0d2611", b"\x17\x0d2613"),
    "of_a_local_time": (b"Z\x17\x0d", b"+\x17\x0d"),
    "with_a_serial_number_padded": (b"\xa0\x03\x02\x01\x02\x02", b"\xa0\x03\x02\x01\x02\x82"),
    "with_an_extension_twice": (b"\x06\x03\x55\x1d\x0f", b"\x06\x03\x55\x1d\x13"),
    "that_is_no_authority": (b"\x30\x03\x01\x01\xff", b"\x30\x03\x01\x01\x00"),
}


def bent_authority(old: bytes, new: bytes) -> Case:
    """A member's TLS authority is added once more, bent where nothing but reading it can tell."""

    def make(forge: Forge) -> BundleContent:
        def change(msp: Any) -> None:
            der = x509.load_pem_x509_certificate(msp.tls_root_certs[0]).public_bytes(serialization.Encoding.DER)
            assert old in der, old.hex()
            msp.tls_root_certs.append(armored(der.replace(old, new, 1)))

        forge.reconfigure(change_msp(PARTNER, change), strict=False)
        return forge.bundle()

    return make


for _name, (_old, _new) in BENT_CERTIFICATES.items():
    CASES[f"config_with_an_authority_{_name}"] = ("wrong_config", bent_authority(_old, _new))
