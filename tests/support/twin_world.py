"""A small channel whose every part can be bent before whatever is signed over it is signed: for comparing verifiers.

Keys, certificates, nonces and signatures are the same each time, so that a number tells a whole bundle. ``Bend`` says
which part is bent, and how; everything above it is signed anew, by whoever should sign it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.msp import identities_pb2, msp_config_pb2
from fabric_protos.peer import (
    chaincode_pb2,
    policy_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)
from fabric_protos.peer import (
    configuration_pb2 as peer_pb2,
)
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2
from google.protobuf.message import DecodeError
from nacl.signing import SigningKey

from ledger.canonical import encode_entry
from network.block import block_signature_data, data_hash, header_hash
from network.bundle import BundleContent, DecisionEvidence, TransactionRef, WitnessEvidence, build_bundle
from network.channel_config import config_of_block
from network.checkpoint import COSIGNATURE_V1, Checkpoint, cosign, sign_checkpoint, verifier_key
from network.errors import ProofError
from network.merkle import inclusion_proof, leaf_hash, root
from network.policy import parse_signature_policy
from network.proposal import compute_tx_id, endorsement_message, proposal_hash
from network.rwset import KvWrite, NamespaceRwset, TxRwset, serialize_rwset
from network.signing import to_low_s
from tests.support import twin_mutations as mutations
from tests.support.proof_entries import SALT, decision_record, entry
from tests.support.proof_vectors import FOLDER

BANK, PARTNER, REGULATOR, ORDERER = "DwaybankMSP", "PartnerMSP", "RegulatorMSP", "OrdererMSP"
CHANNEL = "anchors"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
COSIGNED_AT = 1_772_370_000
SIZE, SEQ = 5, 3
LOG_KEY, WITNESS_KEY = SigningKey(bytes(31) + b"\x41"), SigningKey(bytes(31) + b"\x42")
_SIGNED = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)

Change = Callable[[Random, Any], Any]
Key = ec.EllipticCurvePrivateKey
STAGES: dict[str, Change] = {
    **dict.fromkeys(("envelope", "payload", "channel_header", "signature_header", "transaction"), mutations.proto),
    **dict.fromkeys(("action_payload", "response", "action", "rwset", "definition", "validation"), mutations.proto),
    **dict.fromkeys(("identity", "proposal", "config", "msp", "update", "update_envelope"), mutations.proto),
    **dict.fromkeys(("config_envelope", "block", "metadata", "metadata_value", "header", "policy"), mutations.proto),
    **dict.fromkeys(("leaf", "certificate", "authority", "signature", "revocation", "cert_signature"), mutations.der),
    **dict.fromkeys(("pem",), mutations.pem),
    **dict.fromkeys(("record",), mutations.json_text),
    **dict.fromkeys(("note_text", "note", "cosignature", "log_key", "witness_key", "note_signed"), mutations.any_text),
    **dict.fromkeys(("canonical", "data_hash", "previous_hash"), mutations.any_bytes),
    "bundle": mutations.json_text,
}  # fmt: skip
"""Parts that can be bent, and in what manner."""


@dataclass
class Bend:
    """One part of a channel that is bent.

    Args:
        stage: which kind of part; none is bent where empty.
        which: the how-manieth of its kind, from 0.
        draw: what is drawn from.
    """

    stage: str
    which: int
    draw: Random
    met: int = 0

    def __call__(self, stage: str, value: Any) -> Any:
        if stage != self.stage:
            return value
        self.met += 1
        return STAGES[stage](self.draw, value) if self.met - 1 == self.which else value


@cache
def parts(stage: str) -> int:
    """Return how many parts of a kind there are."""
    bend = Bend(stage, -1, Random(0))
    make_bundle(bend)
    return bend.met


def bent_bundle(stage: str, number: int) -> tuple[bytes, bytes]:
    """Return the bundle that a number stands for, and the hash of its genesis block."""
    draw = Random(f"{stage} {number}")
    return make_bundle(Bend(stage, draw.randrange(parts(stage)), draw))


def private_key(number: int) -> Key:
    """Return a key that is the same each time."""
    return ec.derive_private_key(number, ec.SECP256R1())


def signed(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return the low-S signature, the same each time."""
    return to_low_s(key.curve, key.sign(message, _SIGNED))


@cache
def authority(msp_id: str) -> tuple[x509.Certificate, Key]:
    """Return an organization's root certificate and key."""
    key = private_key(1000 + ord(msp_id[0]))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"ca.{msp_id}")])
    return _certificate(name, name, key, key, 1, authority=True), key


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: Key, signer: Key, serial: int, *, authority: bool
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(serial)
        .not_valid_before(NOW - timedelta(days=30)).not_valid_after(NOW + timedelta(days=3000))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(*[flag == (5 if authority else 0) for flag in range(9)]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )  # fmt: skip
    if not authority:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(signer, hashes.SHA256(), ecdsa_deterministic=True)


@cache
def member(msp_id: str, unit: str) -> tuple[x509.Certificate, Key]:
    """Return an identity of an organization with one unit: client, peer, admin or orderer."""
    number = 2000 + 10 * ord(msp_id[0]) + len(unit)
    key, (above, above_key) = private_key(number), authority(msp_id)
    names = [
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        x509.NameAttribute(NameOID.COMMON_NAME, f"{unit}@{msp_id}"),
    ]
    return _certificate(x509.Name(names), above.subject, key, above_key, number, authority=False), key


def der_of(certificate: x509.Certificate) -> bytes:
    """Return a certificate's DER."""
    return certificate.public_bytes(serialization.Encoding.DER)


def armored(der: bytes, label: str = "CERTIFICATE") -> bytes:
    """Return DER as PEM."""
    return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(der) + f"-----END {label}-----\n".encode()


def resigned(der: bytes, bend: Bend, stage: str, key: Key) -> bytes:
    """Return a certificate or list whose signed part was bent, and is signed anew."""
    if bend.stage not in (stage, "cert_signature"):
        return der
    ((_, inside),) = mutations._elements(der)
    (_, first), (tag, algorithm), _ = mutations._elements(inside)
    tbs = mutations.der_element(0x30, first)
    bent = bend(stage, tbs)
    signature = bend("cert_signature", signed(key, bent))
    # The algorithm outside is kept as the one inside, wherever that still stands in its place.
    return mutations.der_element(
        0x30, bent + mutations.der_element(tag, algorithm) + mutations.der_element(3, b"\x00" + signature)
    )


class World:
    """The channel, built from its genesis block on."""

    def __init__(self, bend: Bend) -> None:
        self.bend = bend
        self.blocks: list[bytes] = []
        self.head = b""
        self.last_config = 0
        self.nonce = 0
        self.has_revocation = bend.stage == "revocation"

    def creator(self, msp_id: str, unit: str) -> bytes:
        """Return a serialized identity."""
        certificate, _ = member(msp_id, unit)
        der = self.bend("certificate", resigned(der_of(certificate), self.bend, "leaf", authority(msp_id)[1]))
        identity = identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=self.bend("pem", armored(der)))
        return bytes(self.bend("identity", identity.SerializeToString()))

    def sign(self, msp_id: str, unit: str, message: bytes) -> bytes:
        """Return a member's signature."""
        return bytes(self.bend("signature", signed(member(msp_id, unit)[1], message)))

    def fresh(self) -> bytes:
        """Return a nonce."""
        self.nonce += 1
        return self.nonce.to_bytes(24, "big")

    def msp(self, msp_id: str) -> bytes:
        """Return an organization's rules of membership."""
        certificate, key = authority(msp_id)
        der = resigned(der_of(certificate), self.bend, "authority", key)
        config = msp_config_pb2.FabricMSPConfig(
            name=msp_id, root_certs=[armored(der)], tls_root_certs=[armored(der_of(certificate))]
        )
        config.crypto_config.signature_hash_family, config.crypto_config.identity_identifier_hash_function = (
            "SHA2",
            "SHA256",
        )
        config.fabric_node_ous.enable = True
        for unit in ("client", "peer", "admin", "orderer"):
            getattr(config.fabric_node_ous, f"{unit}_ou_identifier").organizational_unit_identifier = unit
        if self.has_revocation and msp_id == BANK:
            config.revocation_list.append(self._revocation(msp_id))
        return bytes(msp_config_pb2.MSPConfig(config=self.bend("msp", config.SerializeToString())).SerializeToString())

    def _revocation(self, msp_id: str) -> bytes:
        certificate, key = authority(msp_id)
        # Either somebody nobody meets, or the client that anchors.
        serial = self.bend.draw.choice(
            (7, member(msp_id, "client")[0].serial_number, member(msp_id, "peer")[0].serial_number)
        )
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW).build()
        builder = (
            x509.CertificateRevocationListBuilder().issuer_name(certificate.subject).last_update(NOW).next_update(NOW)
            .add_revoked_certificate(revoked)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        )  # fmt: skip
        der = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(serialization.Encoding.DER)
        der = resigned(der, self.bend, "revocation", key)
        return armored(der, "X509 CRL") if self.bend.draw.random() < 0.5 else der

    def genesis(self) -> None:
        """Begin the channel."""
        base = common_pb2.Block.FromString(
            base64.b64decode(json.loads((FOLDER / "bundle.json").read_bytes())["blocks"]["0"])
        )
        envelope = configtx_pb2.ConfigEnvelope.FromString(config_of_block(base)[1])
        group = envelope.config.channel_group
        for role in ("Application", "Orderer"):
            for name in group.groups[role].groups:
                group.groups[role].groups[name].values["MSP"].value = self.msp(name)
        raw = self.bend("config", envelope.config.SerializeToString(deterministic=True))
        self.config = configtx_pb2.Config()
        try:
            self.config.ParseFromString(raw)
        except DecodeError:
            self.config = envelope.config
        config_envelope = mutations._written((1, 2, raw))
        self.append([self.config_transaction(config_envelope)], is_config=True)

    def config_transaction(self, config_envelope: bytes) -> bytes:
        """Return the transaction that puts a configuration into a block."""
        return self.envelope(
            common_pb2.CONFIG, self.bend("config_envelope", config_envelope), ORDERER, "orderer", chaincode=""
        )

    def update(self) -> None:
        """Change the configuration: the partner gets an anchor peer."""
        group = self.config.channel_group
        application = group.groups["Application"]
        organization = application.groups[PARTNER]
        update = configtx_pb2.ConfigUpdate(channel_id=CHANNEL)
        for part in (update.read_set, update.write_set):
            part.version = group.version
            part.groups["Application"].version = application.version
            part.groups["Application"].groups[PARTNER].version = organization.version
        read = update.read_set.groups["Application"].groups[PARTNER]
        for name, value in organization.values.items():
            read.values[name].version = value.version
        for name, policy in organization.policies.items():
            read.policies[name].version = policy.version
        changed = update.write_set.groups["Application"].groups[PARTNER]
        changed.CopyFrom(organization)
        changed.version += 1
        peers = peer_pb2.AnchorPeers(anchor_peers=[peer_pb2.AnchorPeer(host="127.0.0.1", port=7051)])
        changed.values["AnchorPeers"].value, changed.values["AnchorPeers"].mod_policy = (
            peers.SerializeToString(),
            "Admins",
        )
        serialized = self.bend("update", update.SerializeToString(deterministic=True))
        signed_update = configtx_pb2.ConfigUpdateEnvelope(config_update=serialized)
        header = common_pb2.SignatureHeader(
            creator=self.creator(PARTNER, "admin"), nonce=self.fresh()
        ).SerializeToString()
        signed_update.signatures.add(
            signature_header=header, signature=self.sign(PARTNER, "admin", header + serialized)
        )
        data = self.bend("update_envelope", signed_update.SerializeToString())
        outer = self.envelope(common_pb2.CONFIG_UPDATE, data, PARTNER, "admin", chaincode="")
        following = configtx_pb2.Config(sequence=self.config.sequence + 1)
        following.channel_group.CopyFrom(group)
        following.channel_group.groups["Application"].groups[PARTNER].CopyFrom(changed)
        parts = [(1, 2, following.SerializeToString(deterministic=True)), (2, 2, outer)]
        self.config = following
        self.append([self.config_transaction(b"".join(map(mutations._written, parts)))], is_config=True)

    def envelope(
        self, kind: int, data: bytes, msp_id: str, unit: str, *, chaincode: str, header: common_pb2.Header | None = None
    ) -> bytes:
        """Return a signed envelope."""
        header = header or self.header(kind, msp_id, unit, chaincode)
        payload = self.bend("payload", common_pb2.Payload(header=header, data=data).SerializeToString())
        envelope = common_pb2.Envelope(payload=payload, signature=self.sign(msp_id, unit, payload))
        return bytes(self.bend("envelope", envelope.SerializeToString()))

    def header(self, kind: int, msp_id: str, unit: str, chaincode: str) -> common_pb2.Header:
        """Return the two headers of an envelope."""
        creator, nonce = self.creator(msp_id, unit), self.fresh()
        extension = proposal_pb2.ChaincodeHeaderExtension(chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode))
        channel = common_pb2.ChannelHeader(type=kind, channel_id=CHANNEL, tx_id=compute_tx_id(nonce, creator))
        channel.timestamp.FromDatetime(NOW)
        if chaincode:
            channel.extension = extension.SerializeToString()
        signature_header = common_pb2.SignatureHeader(creator=creator, nonce=nonce)
        return common_pb2.Header(
            channel_header=self.bend("channel_header", channel.SerializeToString()),
            signature_header=self.bend("signature_header", signature_header.SerializeToString()),
        )

    def invoke(self, contract: str, writes: dict[str, bytes], msp_id: str, unit: str = "client") -> TransactionRef:
        """Commit a transaction that writes these keys."""
        spaces = (NamespaceRwset(contract, writes=tuple(KvWrite(key, value) for key, value in writes.items())),)
        header = self.header(common_pb2.ENDORSER_TRANSACTION, msp_id, unit, contract)
        action = proposal_pb2.ChaincodeAction(
            results=self.bend("rwset", serialize_rwset(TxRwset(spaces))),
            response=proposal_response_pb2.Response(status=200),
            chaincode_id=chaincode_pb2.ChaincodeID(name=contract, version="1.0"),
        )
        proposal = self.bend("proposal", proposal_pb2.ChaincodeProposalPayload(input=b"input").SerializeToString())
        response = proposal_response_pb2.ProposalResponsePayload(
            proposal_hash=proposal_hash(header.channel_header, header.signature_header, proposal),
            extension=self.bend("action", action.SerializeToString()),
        )
        endorsed = self.bend("response", response.SerializeToString())
        payload = transaction_pb2.ChaincodeActionPayload(chaincode_proposal_payload=proposal)
        payload.action.proposal_response_payload = endorsed
        for endorser in (BANK, REGULATOR):
            creator = self.creator(endorser, "peer")
            payload.action.endorsements.add(
                endorser=creator, signature=self.sign(endorser, "peer", endorsement_message(endorsed, creator))
            )
        transaction = transaction_pb2.Transaction()
        transaction.actions.add(
            header=header.signature_header, payload=self.bend("action_payload", payload.SerializeToString())
        )
        data = self.bend("transaction", transaction.SerializeToString())
        return TransactionRef(
            self.append(
                [self.envelope(common_pb2.ENDORSER_TRANSACTION, data, msp_id, unit, chaincode=contract, header=header)]
            ),
            0,
        )

    def define(self, contract: str) -> TransactionRef:
        """Define a contract."""
        policy = policy_pb2.ApplicationPolicy(
            signature_policy=parse_signature_policy(f"OutOf(2, '{BANK}.peer', '{PARTNER}.peer', '{REGULATOR}.peer')")
        )
        info = chaincode_definition_pb2.ChaincodeValidationInfo(
            validation_plugin="vscc", validation_parameter=self.bend("policy", policy.SerializeToString())
        )
        prefix = f"namespaces/fields/{contract}/"
        info_bytes = self.bend("validation", info.SerializeToString())
        return self.invoke("_lifecycle", {
            prefix + "Sequence": self.bend("definition", db_pb2.StateData(Int64=1).SerializeToString()),
            prefix + "ValidationInfo": self.bend("definition", db_pb2.StateData(Bytes=info_bytes).SerializeToString()),
        }, BANK, "admin")  # fmt: skip

    def record(self, contract: str, key: str, value: dict[str, Any], msp_id: str) -> TransactionRef:
        """Commit a record."""
        return self.invoke(
            contract, {key: self.bend("record", json.dumps(value, separators=(",", ":")).encode())}, msp_id
        )

    def append(self, envelopes: list[bytes], *, is_config: bool = False) -> int:
        """Cut, sign and append a block; return its number."""
        number = len(self.blocks)
        block = common_pb2.Block()
        block.data.data.extend(envelopes)
        block.header.number = number
        block.header.previous_hash = self.bend("previous_hash", self.head)
        block.header.data_hash = self.bend("data_hash", data_hash(block.data))
        try:
            block.header.ParseFromString(self.bend("header", block.header.SerializeToString()))
        except DecodeError:
            block.header.number = number
        self.last_config = number if is_config else self.last_config
        block.metadata.metadata.extend([b"", b"", b"\x00" * len(envelopes), b"", b""])
        if number:
            value = common_pb2.OrdererBlockMetadata(
                last_config=common_pb2.LastConfig(index=self.last_config)
            ).SerializeToString()
            value = self.bend("metadata_value", value)
            header = common_pb2.SignatureHeader(
                creator=self.creator(ORDERER, "orderer"), nonce=self.fresh()
            ).SerializeToString()
            signature = self.sign(ORDERER, "orderer", block_signature_data(value, header, block.header))
            metadata = common_pb2.Metadata(value=value)
            metadata.signatures.add(signature_header=header, signature=signature)
            block.metadata.metadata[0] = self.bend("metadata", metadata.SerializeToString())
        self.head = header_hash(block.header)
        self.blocks.append(bytes(self.bend("block", block.SerializeToString())))
        return number


def make_bundle(bend: Bend) -> tuple[bytes, bytes]:
    """Return a bundle of version 1, and the hash of its genesis block."""
    world = World(bend)
    world.genesis()
    genesis_hash = world.head
    definitions = {"audit": (world.define("audit"),), "compliance": (world.define("compliance"),)}
    canonicals = [encode_entry(entry(seq)) for seq in range(1, SIZE + 1)]
    canonicals[SEQ - 1] = bend("canonical", canonicals[SEQ - 1])
    leaves = [leaf_hash(SALT + canonical) for canonical in canonicals]
    decisions = [leaf_hash(decision_record(seq)) for seq in range(1, SIZE + 1)]
    origin, name = f"dwaybank.node/log/{BANK}", f"dwaybank.node/witness/{REGULATOR}"
    log_key, witness_key = verifier_key(origin, LOG_KEY), verifier_key(name, WITNESS_KEY, COSIGNATURE_V1)
    log = {"organization": BANK, "origin": origin, "verifier_key": bend("log_key", log_key), "size": 0, "sequence": 0}
    registration = world.record("audit", f"log~{BANK}", log, BANK)
    witness = {"organization": REGULATOR, "name": name, "cosigner_key": bend("witness_key", witness_key)}
    witnessed = world.record("audit", f"witness~{REGULATOR}", witness, REGULATOR)
    world.update()
    note = _note(bend, origin, root(leaves))
    checkpoint = {"note": note, "size": SIZE, "organization": BANK, "controls_commitment": "00" * 32}
    anchor = world.record("audit", f"checkpoint~{BANK}~{SIZE:020d}", checkpoint, BANK)
    epoch = {"epoch": 1, "from_seq": 1, "to_seq": SIZE, "root": base64.b64encode(root(decisions)).decode()}
    decided = world.record("compliance", f"epoch~{BANK}~{1:020d}", epoch, BANK)
    try:
        line = cosign(note.encode(), name, WITNESS_KEY, COSIGNED_AT)
    except (ProofError, UnicodeEncodeError):
        line = cosign(
            sign_checkpoint(Checkpoint(origin, SIZE, root(leaves)), origin, LOG_KEY), name, WITNESS_KEY, COSIGNED_AT
        )
    content = BundleContent(
        channel=CHANNEL, organization=BANK, seq=SEQ, salt=SALT, canonical=canonicals[SEQ - 1], fields={"seq": SEQ},
        size=SIZE,
        proof=tuple(inclusion_proof(leaves, SEQ - 1)), note=note, registration=registration, anchor=anchor,
        witnesses=(WitnessEvidence(REGULATOR, bend("cosignature", line), witnessed),),
        decision=DecisionEvidence(decision_record(SEQ), 1, tuple(inclusion_proof(decisions, SEQ - 1)), decided),
        definitions=definitions, blocks=dict(enumerate(world.blocks)),
    )  # fmt: skip
    text = json.dumps(json.loads(build_bundle(replace(content, note="x", witnesses=())).decode()))
    value = json.loads(text)
    value["checkpoint"]["note"] = note
    value["witnesses"] = [
        {
            "organization": REGULATOR,
            "cosignature": content.witnesses[0].cosignature,
            "registration": {"block": witnessed.block, "index": 0},
        }
    ]
    return bytes(bend("bundle", json.dumps(value, separators=(",", ":")).encode())), genesis_hash


def _note(bend: Bend, origin: str, log_root: bytes) -> str:
    """Return the log's note; its text may be bent before it is signed, or the note after."""
    text = f"{origin}\n{SIZE}\n{base64.b64encode(log_root).decode()}\n"
    if bend.stage == "note_text":
        text = bend("note_text", text)
    key = verifier_key(origin, LOG_KEY).split("+")
    key_id = bytes.fromhex(key[1])
    signature = LOG_KEY.sign(text.encode("utf-8", "replace")).signature
    signature = bend("note_signed", base64.b64encode(key_id + signature).decode())
    return str(bend("note", f"{text}\n\u2014 {origin} {signature}\n"))
