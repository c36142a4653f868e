"""``dwaybank certificates renew-authority``: an organization's authorities, valid for longer, at the whole channel.

An authority keeps its key and its name, so that all it issued goes on: only its own certificate is another one, valid
from when the old one was. The channel's configuration gets it in the old one's place, not beside it: by two with one
name and key a certificate would have two chains, which members refuse.

Order: the channel first, then the files of the home. Cut short in between, the same command again completes it, with
one more certificate. Whoever trusts an authority from a file of his own, outside of this home, copies it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.msp import msp_config_pb2

from network.crypto_material import AUTHORITY_VALIDITY, Authority
from network.renewal import renewed_authority
from network.topology import Consortium
from node.certificates import AUTHORITIES, ORDERER, replace_file
from node.channel_update import change_msp
from node.errors import ConfigurationError
from node.home import Home


def renew_authorities(home: Home, consortium: Consortium, organization: str, now: datetime) -> list[x509.Certificate]:
    """Give an organization's authorities certificates that are valid for twenty years from now.

    Args:
        organization: name of a member, or ``orderer``.
        now: UTC.
    Returns:
        the new certificates.
    Raises:
        ConfigError: no such organization, or an authority's key is not here.
        ConfigurationError: the channel does not take them, or a file cannot be written.
    """
    if organization == ORDERER:
        crypto, msp_id = home.orderer_crypto(consortium), consortium.orderer.msp_id
    else:
        member = consortium.organization(organization)
        crypto, msp_id = home.crypto(member), member.msp_id
    renewed = [
        renewed_authority(Authority.load(crypto / folder), now + AUTHORITY_VALIDITY).certificate
        for folder in AUTHORITIES
    ]
    change_msp(home, consortium, msp_id, lambda msp: _replace_in(msp, renewed), now)
    try:
        for path in _files(home, consortium, crypto):
            content = path.read_bytes()
            if (changed := _replaced(content, renewed)) != content:
                replace_file(path, path.with_name(f".{path.name}.renewed"), changed)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or crypto}: {error.strerror}: the channel has the new authorities, not all files do; "
            "once that is mended, give this command again"
        ) from error
    return renewed


def _replace_in(msp: msp_config_pb2.FabricMSPConfig, renewed: list[x509.Certificate]) -> bool:
    before = msp.SerializeToString(deterministic=True)
    for certificates in (msp.root_certs, msp.tls_root_certs):
        certificates[:] = [_replaced(pem, renewed) for pem in certificates]
    units = msp.fabric_node_ous
    for name in ("client", "peer", "admin", "orderer"):
        field = f"{name}_ou_identifier"
        if units.HasField(field):
            unit = getattr(units, field)
            unit.certificate = _replaced(unit.certificate, renewed)
    for unit in msp.organizational_unit_identifiers:
        unit.certificate = _replaced(unit.certificate, renewed)
    return bool(msp.SerializeToString(deterministic=True) != before)


def _files(home: Home, consortium: Consortium, crypto: Path) -> Iterable[Path]:
    """Return the files of the home that may hold an organization's authorities."""
    yield from (path for pattern in ("*.pem", "*.crt") for path in crypto.rglob(pattern) if path.is_file())
    for member in consortium.organizations:
        path = home.organization(member) / "tls-roots.pem"
        if path.exists():
            yield path


def _replaced(pem: bytes, renewed: list[x509.Certificate]) -> bytes:
    """Return PEM certificates with the renewed ones in the place of those with their names and keys."""
    if b"BEGIN CERTIFICATE" not in pem:
        return pem
    found = x509.load_pem_x509_certificates(pem)
    after = [next((new for new in renewed if _is_same(old, new)), old) for old in found]
    return pem if after == found else b"".join(one.public_bytes(Encoding.PEM) for one in after)


def _is_same(old: x509.Certificate, new: x509.Certificate) -> bool:
    return old.subject == new.subject and old.public_key() == new.public_key()
