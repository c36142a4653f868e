"""Organizations in memory: an authority, its members' identities, and the MSP that vouches for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from fabric_protos.msp import msp_config_pb2

from network.crypto_material import Authority, issue_identity, new_authority
from network.go_certificate import Certificate
from network.identity import SigningIdentity
from network.msp import Msp

START = datetime(2026, 1, 1, tzinfo=UTC)
"""Beginning of every test certificate's validity unless another is given."""

ROLES = ("client", "peer", "admin", "orderer")


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def as_go(certificate: x509.Certificate) -> Certificate:
    """Return a certificate as Fabric's peers and ours read it."""
    return Certificate.read(certificate.public_bytes(serialization.Encoding.DER))


@dataclass(frozen=True)
class Member:
    """One organization whose authority the test holds."""

    msp_id: str
    authority: Authority = field(default_factory=lambda: new_authority("ca.test", "test", START))

    def identity(self, *units: str, name: str = "someone", not_after: datetime | None = None) -> SigningIdentity:
        """Return a fresh identity with organizational units."""
        return issue_identity(self.authority, self.msp_id, name, units, START, not_after)

    def config(self, *, node_ous: bool = True, certifier: bytes | None = None, **fields: object) -> bytes:
        """Return a serialized ``MSPConfig``; ``fields`` replace those of ``FabricMSPConfig``."""
        root = pem(self.authority.certificate)
        config = msp_config_pb2.FabricMSPConfig(name=self.msp_id, root_certs=[root])
        if node_ous:
            config.fabric_node_ous.enable = True
            for role in ROLES:
                unit = getattr(config.fabric_node_ous, f"{role}_ou_identifier")
                unit.organizational_unit_identifier = role
                unit.certificate = root if certifier is None else certifier
        config.MergeFrom(msp_config_pb2.FabricMSPConfig(**fields))
        return msp_config_pb2.MSPConfig(config=config.SerializeToString()).SerializeToString()

    def msp(self, **fields: object) -> Msp:
        """Return the MSP of ``config``."""
        return Msp.from_config(self.config(**fields))

    def crl(self, *certificates: x509.Certificate, signer: Authority | None = None, identified: bool = True) -> bytes:
        """Return a revocation list over certificates, by the organization's authority unless another signs."""
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.authority.certificate.subject, last_update=START, next_update=START.replace(year=2036)
        )
        if identified:
            key_id = self.authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            builder = builder.add_extension(x509.AuthorityKeyIdentifier(key_id.digest, None, None), critical=False)
        for certificate in certificates:
            revoked = x509.RevokedCertificateBuilder(certificate.serial_number, START).build()
            builder = builder.add_revoked_certificate(revoked)
        crl = builder.sign((signer or self.authority).key, hashes.SHA256())
        return crl.public_bytes(serialization.Encoding.PEM)
