"""A real network's channel, continued with its own keys: transactions, configurations and blocks of any kind.

What a member, an orderer or an administrator gone bad could sign is signed here, after whatever was to be bent in it
was bent. Blocks follow the newest one of a bundle, so that a bundle can carry both.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import NameOID
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer import policy_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2

from network.block import header_hash, new_block, parse_block, sign_block
from network.bundle import BundleContent, TransactionRef
from network.channel_config import ChannelConfig, config_of_block
from network.config_delta import config_delta, sign_update
from network.config_update import authorized_result, update_of
from network.envelope import config_envelope
from network.errors import ConfigError
from network.identity import SigningIdentity, serialize_identity
from network.policy import parse_signature_policy
from network.rwset import KvWrite, NamespaceRwset, TxRwset
from network.signing import CURVE_ORDERS
from tests.support.consortium_in_memory import BANK, CHANNEL, DOMAINS, ORDERER, PARTNER, REGULATOR, Material
from tests.support.crafted import Edits, Endorsers, crafted_transaction

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
ADMINS = (BANK, PARTNER, REGULATOR, ORDERER)
P256_ORDER = CURVE_ORDERS["secp256r1"]

Change = Callable[[configtx_pb2.ConfigGroup], object]
Case = Callable[["Forge"], BundleContent]


class Cases(dict[str, tuple[str | None, Case]]):
    """By a vector's name why its bundle is refused (None: it is not), and what makes it."""

    def case(self, name: str, reason: str | None) -> Callable[[Case], Case]:
        """Enter a function."""

        def enter(make: Case) -> Case:
            self[name] = (reason, make)
            return make

        return enter


@dataclass(frozen=True)
class NetworkKeys(Material):
    """Certificates and keys of a consortium that ran, below ``crypto`` in its home."""

    def signer(self, msp_id: str, user: str = "Node") -> SigningIdentity:
        """Return a user of an organization; ``user`` "peer" or "orderer" is its host."""
        if (msp_id, user) != (ORDERER, "orderer") and (msp_id == ORDERER or user == "orderer"):
            folder = self.root / "ordererOrganizations" / DOMAINS[msp_id] / "users" / f"{user}@{DOMAINS[msp_id]}"
            return SigningIdentity.from_msp_folder(folder / "msp", msp_id)
        if user == "orderer":
            folder = self.root / "ordererOrganizations" / DOMAINS[msp_id] / "orderers" / f"orderer.{DOMAINS[msp_id]}"
            return SigningIdentity.from_msp_folder(folder / "msp", msp_id)
        return super().signer(msp_id, user)

    def authority(self, msp_id: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Return an organization's root certificate and its key."""
        kind = "orderer" if msp_id == ORDERER else "peer"
        folder = self.root / f"{kind}Organizations" / DOMAINS[msp_id] / "ca"
        certificate = x509.load_pem_x509_certificate(next(folder.glob("*.pem")).read_bytes())
        key = serialization.load_pem_private_key((folder / "priv_sk").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return certificate, key


class Forge:
    """The channel of a bundle, from its newest block on."""

    def __init__(self, keys: NetworkKeys, content: BundleContent) -> None:
        self.keys = keys
        self.content = content
        self.added: dict[int, bytes] = {}
        self.head = parse_block(content.blocks[max(content.blocks)])
        self.config = ChannelConfig.from_block(parse_block(content.blocks[0]))
        self.last_config = 0

    def bundle(self, **changes: Any) -> BundleContent:
        """Return the bundle with the blocks made since, and some of its content replaced."""
        blocks = {**self.content.blocks, **self.added}
        return replace(self.content, **{"blocks": blocks, **changes})

    def commit(
        self, *envelopes: bytes, signer: SigningIdentity | None = None, last_config: int = -1, **bend: Any
    ) -> int:
        """Cut, sign and append a block; return its number.

        Args:
            bend: ``header`` and ``signed``: change the block before it is signed, and after.
        """
        block = new_block(self.head.header.number + 1, header_hash(self.head.header), envelopes)
        bend.get("header", bool)(block)
        chosen = last_config if last_config >= 0 else self.last_config
        sign_block(block, signer or self.keys.signer(ORDERER, "orderer"), last_config=chosen)
        bend.get("signed", bool)(block)
        number = int(block.header.number)
        self.added[number] = bytes(block.SerializeToString())
        self.head = block
        return number

    def transaction(
        self,
        writes: Sequence[tuple[str, bytes]],
        contract: str = "audit",
        *,
        creator: SigningIdentity | None = None,
        endorsers: Endorsers = (BANK, REGULATOR),
        edits: Edits | None = None,
        namespace: str = "",
    ) -> bytes:
        """Return a transaction of a contract that writes these keys."""
        spaces = (NamespaceRwset(namespace or contract, writes=tuple(KvWrite(key, value) for key, value in writes)),)
        return crafted_transaction(
            self.keys, TxRwset(spaces), secrets.token_bytes(24), endorsers=endorsers, chaincode=contract,
            creator=creator or self.keys.signer(BANK), edits=edits,
        )  # fmt: skip

    def checkpoint(self, note: str, size: int, organization: str = BANK, **options: Any) -> bytes:
        """Return the transaction that anchors a note."""
        record = json.dumps({"note": note, "size": size, "organization": organization}).encode()
        return self.transaction([(f"checkpoint~{organization}~{size:020d}", record)], **options)

    def anchored_again(self, **options: Any) -> bytes:
        """Return a transaction that anchors the bundle's own note once more."""
        return self.checkpoint(self.content.note, self.content.size, **options)

    def definition(self, name: str, policy: str | bytes | None, sequence: int, **options: Any) -> bytes:
        """Return the transaction that defines a contract.

        Args:
            policy: signature policy, path of a policy of the channel, raw bytes, or None to write none.
        """
        prefix = f"namespaces/fields/{name}/"
        writes = [(prefix + "Sequence", db_pb2.StateData(Int64=sequence).SerializeToString())]
        if policy is not None:
            info = chaincode_definition_pb2.ChaincodeValidationInfo(validation_parameter=_application_policy(policy))
            writes.append(
                (prefix + "ValidationInfo", db_pb2.StateData(Bytes=info.SerializeToString()).SerializeToString())
            )
        return self.transaction(writes, "_lifecycle", creator=self.keys.signer(BANK, "Admin"), **options)

    def reconfigure(
        self,
        change: Change,
        *,
        signers: Sequence[str] = ADMINS,
        bend: Callable[[Any], object] = bool,
        strict: bool = True,
    ) -> int:
        """Commit a configuration block; return its number.

        Args:
            signers: organizations whose administrators sign the update; any may be missing.
            bend: changes the ``ConfigEnvelope`` before it is committed.
            strict: whether the configuration must be one that is loaded.
        """
        wanted = self.config.group()
        change(wanted)
        update = config_delta(CHANNEL, self.config.group(), wanted)
        everyone = sign_update(update, [self.keys.signer(name, "Admin") for name in ADMINS], NOW, secrets.token_bytes)
        result = authorized_result(CHANNEL, self.config.group(), self.config.policies, update_of(everyone))
        envelope = configtx_pb2.ConfigEnvelope(
            config=configtx_pb2.Config(sequence=self.config.sequence + 1, channel_group=result),
            last_update=sign_update(
                update, [self.keys.signer(name, "Admin") for name in signers], NOW, secrets.token_bytes
            ),
        )
        bend(envelope)
        raw = envelope.SerializeToString(deterministic=True)
        orderer = self.keys.signer(ORDERER, "orderer")
        transaction = config_envelope(CHANNEL, raw, orderer, nonce=secrets.token_bytes(24), timestamp=NOW)
        number = self.commit(transaction.SerializeToString(), last_config=int(self.head.header.number) + 1)
        self.last_config = number
        try:
            self.config = ChannelConfig.from_envelope(raw, CHANNEL)
        except ConfigError:
            if strict:
                raise
        return number

    def revoke(self, msp_id: str, serial: int, *, by: str = "", key_id: bool = True) -> Change:
        """Return the change that puts a revocation list into an organization's configuration.

        Args:
            by: whose authority signs the list, if not the organization's own.
            key_id: whether the list names its authority.
        """
        certificate, _ = self.keys.authority(msp_id)
        _, key = self.keys.authority(by or msp_id)
        revoked = (
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - timedelta(days=1)).build()
        )
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(certificate.subject)
            .last_update(NOW - timedelta(days=1))
            .next_update(NOW + timedelta(days=30))
            .add_revoked_certificate(revoked)
        )
        if key_id:
            known = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), False
            )
        crl = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return change_msp(msp_id, lambda msp: msp.revocation_list.append(crl))

    def serial(self, msp_id: str, user: str) -> int:
        """Return a certificate's serial number."""
        return self.keys.signer(msp_id, user).certificate.serial_number

    def issue(
        self, msp_id: str, units: Sequence[str], *, authority: bool = False, issuer: Any = None, critical: bool = False
    ) -> SigningIdentity:
        """Return a new identity of an organization.

        Args:
            authority: whether the certificate is an authority's.
            issuer: certificate and key that issue it; the organization's own root if None.
            critical: adds a critical extension that nobody knows.
        """
        above, above_key = issuer or self.keys.authority(msp_id)
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, f"made{secrets.token_hex(4)}")]))
            .issuer_name(above.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(above.not_valid_before_utc + timedelta(minutes=1))
            .not_valid_after(above.not_valid_after_utc - timedelta(minutes=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if critical:
            unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
            builder = builder.add_extension(unknown, critical=True)
        certificate = builder.sign(above_key, hashes.SHA256())
        return SigningIdentity(msp_id, certificate.public_bytes(serialization.Encoding.PEM), key)


def change_msp(msp_id: str, change: Callable[[msp_config_pb2.FabricMSPConfig], object]) -> Change:
    """Return the change of one organization's rules of membership, wherever it stands in the configuration."""

    def apply(group: configtx_pb2.ConfigGroup) -> None:
        for role in ("Application", "Orderer"):
            if msp_id not in group.groups[role].groups:
                continue
            value = group.groups[role].groups[msp_id].values["MSP"]
            outer = msp_config_pb2.MSPConfig.FromString(value.value)
            inner = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
            change(inner)
            outer.config = inner.SerializeToString()
            value.value = outer.SerializeToString()

    return apply


def change_value(path: Sequence[str], name: str, kind: Any, change: Callable[[Any], object]) -> Change:
    """Return the change of one value of the configuration."""

    def apply(group: configtx_pb2.ConfigGroup) -> None:
        for below in path:
            group = group.groups[below]
        message = kind.FromString(group.values[name].value)
        change(message)
        group.values[name].value = message.SerializeToString()

    return apply


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def armored(der: bytes) -> bytes:
    """Return any bytes as if they were a certificate's."""
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def with_creator(identity: SigningIdentity, id_bytes: bytes, msp_id: str = BANK) -> SigningIdentity:
    """Return the identity, its key unchanged, under other bytes of a creator."""
    identity.creator = serialize_identity(msp_id, id_bytes)
    return identity


def high_s_certificate(certificate: x509.Certificate) -> bytes:
    """Return the certificate's twin, whose issuer's signature has the larger S."""
    tbs, signature = certificate.tbs_certificate_bytes, high_s(certificate.signature)
    der = certificate.public_bytes(serialization.Encoding.DER)
    start = der.index(tbs) + len(tbs)
    algorithm = der[start : start + 2 + der[start + 1]]
    body = tbs + algorithm + bytes([0x03, len(signature) + 1, 0]) + signature
    return armored(b"\x30\x82" + len(body).to_bytes(2, "big") + body)


def high_s(signature: bytes) -> bytes:
    """Return the other signature, with the larger S."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, P256_ORDER - s)


def ref(block: int, index: int = 0) -> TransactionRef:
    """Return where a transaction stands."""
    return TransactionRef(block, index)


def bent_metadata(change: Callable[[common_pb2.Metadata], object]) -> Callable[[common_pb2.Block], None]:
    """Return the change of what the orderers left in a block."""

    def apply(block: common_pb2.Block) -> None:
        metadata = common_pb2.Metadata.FromString(block.metadata.metadata[0])
        change(metadata)
        block.metadata.metadata[0] = metadata.SerializeToString()

    return apply


def config_envelope_of(block: bytes) -> bytes:
    """Return the configuration in a block."""
    return config_of_block(parse_block(block))[1]


def _application_policy(policy: str | bytes) -> bytes:
    if isinstance(policy, bytes):
        return policy
    if policy.startswith("/"):
        message = policy_pb2.ApplicationPolicy(channel_config_policy_reference=policy)
    else:
        message = policy_pb2.ApplicationPolicy(signature_policy=parse_signature_policy(policy))
    return bytes(message.SerializeToString())
