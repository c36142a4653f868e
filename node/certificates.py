"""The certificates of a home: which there are, when they end, and how one is issued anew.

Rules
- A certificate and its key are exchanged in one step: with a new key the whole folder that holds both, with the old key
  the certificate's file alone. Whoever is killed half way leaves the old pair or the new one.
- What a member is known by stays: subject, units, names, authority (``network/renewal.py``). Processes go on with what
  they read at their start, which is good until its end; so nothing is stopped here.
- The orderer's TLS certificate stands in the channel's configuration as its consenter. Nothing of ours asks for it
  there after the first block, but an orderer of Fabric's finds itself by that certificate's key: it keeps its key.
- The certificate that was replaced is kept, in ``replaced/`` of the organization's folder, without its key: if that was
  stolen, its number must be known to be revoked (``node/revocation.py``).
- A revoked certificate is not issued anew: that would let back in whom somebody shut out.

Left to others: authorities (``node/authority_renewal.py``); certificates that another authority issued.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from network.crypto_material import Authority, new_key
from network.errors import ConfigError
from network.operations.certificates import WARN_BEFORE
from network.renewal import check_renewable, reissued
from network.rpc.tls_files import read_certificates
from network.topology import Consortium
from node.disk import exchange, sync
from node.errors import ConfigurationError, one_line
from node.home import Home
from node.lock_file import is_locked, take_lock
from node.start import CLOCKS_APART

WARNED_DAYS = WARN_BEFORE.days
"""Before a certificate's end its process and `status` warn of it, and `renew` takes it unless told otherwise."""

ORDERER = "orderer"
"""Name of the orderer's organization here, which is no member of the channel."""

_REPLACED = "replaced"
_SETTINGS = ("node.yaml", "gateway.yaml", "portal.yaml", "orderer.yaml")
AUTHORITIES = {"ca": "authority", "tlsca": "TLS authority"}
"""Folders of an organization's authorities, and what the certificates there are for."""


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate of the home.

    Attributes:
        organization: name of the member, or ``orderer``.
        holder: whose it is: a host, a user, an authority, or the settings file that names it.
        use: ``identity``, ``TLS server``, ``TLS client``, ``authority``, ``TLS authority`` or ``TLS, of your own``.
        path: its file.
        certificate: as it stands there.
        key: file of its key; None for authorities and what is not of this home.
        crypto: the organization's folder of certificates.
    """

    organization: str
    holder: str
    use: str
    path: Path
    certificate: x509.Certificate = field(repr=False)
    key: Path | None
    crypto: Path

    @property
    def folder(self) -> Path:
        """The folder that holds certificate and key, and nothing that is not theirs."""
        return self.path.parent.parent if self.use == "identity" else self.path.parent

    @property
    def keeps_key(self) -> bool:
        """Whether others know it by its key."""
        return self.organization == ORDERER and self.use == "TLS server"

    def days_left(self, now: datetime) -> int:
        """Whole days until it ends; negative once it has."""
        return (self.certificate.not_valid_after_utc - now).days

    def authority_folder(self) -> Path:
        """Where the authority lies that issues such certificates."""
        return self.crypto / ("ca" if self.use == "identity" else "tlsca")


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of one certificate: a new one, or why not."""

    held: Held
    refused: str = ""


def certificates_of(home: Home, consortium: Consortium, organizations: list[str]) -> list[Held]:
    """Return the certificates of some organizations, or of all where none is named, those that end first first.

    Raises:
        ConfigurationError: an organization is not known.
        ConfigError: a file cannot be read, or holds no certificate.
    """
    crypto = {ORDERER: home.orderer_crypto(consortium)}
    crypto |= {member.name: home.crypto(member) for member in consortium.organizations}
    for name in organizations:
        if name not in crypto:
            raise ConfigurationError(f"--org {name}: no organization here, give one of {', '.join(crypto)}")
    found = [
        held
        for name in organizations or crypto
        for held in (*_below(name, crypto[name]), *_of_settings(name, home.root / name, crypto[name]))
    ]
    return sorted(found, key=lambda held: (held.certificate.not_valid_after_utc, str(held.path)))


def due(found: list[Held], days: int, now: datetime) -> list[Held]:
    """Return those that end within so many days, or have ended."""
    return [held for held in found if held.certificate.not_valid_after_utc <= now + timedelta(days=days)]


def renew(home: Home, found: list[Held], *, keep_keys: bool, now: datetime) -> Iterator[Renewal]:
    """Issue certificates anew, each with a new key unless told otherwise, and yield what became of each.

    Args:
        found: which ones.
        keep_keys: whether all keep their keys.
        now: UTC time; the new ones begin a little earlier, for clocks differ.
    Raises:
        ConfigurationError: another command works on the certificates, or a file cannot be written.
    """
    home.run.mkdir(exist_ok=True)
    if is_locked(home.backup_lock):
        raise ConfigurationError("a backup is being made, which copies certificates and keys: wait until it has ended")
    if (lock := take_lock(home.run / "certificates")) is None:
        raise ConfigurationError("another command renews certificates here: wait until it has ended")
    with lock:
        for held in found:
            try:
                yield Renewal(_renewed(held, keep_keys or held.keeps_key, now - CLOCKS_APART))
            except ConfigError as error:
                yield Renewal(held, str(error))
            except OSError as error:
                raise ConfigurationError(
                    f"{one_line(error)}: this pair of {held.holder} is as it was; once that is mended, renew again"
                ) from error


def _below(name: str, crypto: Path) -> Iterator[Held]:
    """Yield what lies in an organization's folder, laid out as by cryptogen."""
    for folder, use in AUTHORITIES.items():
        for path in sorted((crypto / folder).glob("*-cert.pem")):
            yield Held(name, _bare(path), use, path, _read(path), None, crypto)
    for holder in sorted(
        path for kind in ("orderers", "peers", "servers", "users") for path in crypto.glob(f"{kind}/*")
    ):
        for path in sorted((holder / "msp" / "signcerts").glob("*.pem")):
            keys = sorted((holder / "msp" / "keystore").glob("*"))
            key = keys[0] if len(keys) == 1 else None
            yield Held(name, holder.name, "identity", path, _read(path), key, crypto)
        for kind in ("server", "client"):
            path = holder / "tls" / f"{kind}.crt"
            if path.exists():
                yield Held(name, holder.name, f"TLS {kind}", path, _read(path), path.with_suffix(".key"), crypto)


def _of_settings(name: str, folder: Path, crypto: Path) -> Iterator[Held]:
    """Yield certificates that settings name and that lie elsewhere: somebody else issued them."""
    named: dict[Path, str] = {}
    for settings, content in _settings_in(folder):
        for path in (folder / value for value in _certificates_named(content)):
            if not path.resolve().is_relative_to(crypto.resolve()):
                named.setdefault(path, settings)
    for path, settings in named.items():
        yield Held(name, settings, "TLS, of your own", path, _read(path), None, crypto)


def named_in_settings(folder: Path) -> set[Path]:
    """Return every path that an organization's settings name, those of certificates and MSP folders among them."""
    return {(folder / text).resolve() for _, content in _settings_in(folder) for text in _texts(content)}


def _settings_in(folder: Path) -> Iterator[tuple[str, object]]:
    """Yield the settings of an organization's processes, by file name.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    for file in (folder / settings for settings in _SETTINGS):
        try:
            yield file.name, yaml.safe_load(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"settings file {file} cannot be read: {one_line(error)}") from error


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from _texts(part)


def _certificates_named(content: object) -> Iterator[str]:
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    for part in parts:
        yield from _certificates_named(part)
    if isinstance(content, dict) and isinstance(content.get("certificate"), str) and "key" in content:
        yield content["certificate"]


def _bare(path: Path) -> str:
    return path.name.removesuffix("-cert.pem")


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificates(read_certificates(path))[0]


def _renewed(held: Held, keep_key: bool, not_before: datetime) -> Held:
    """Put a new certificate in its place.

    Raises:
        ConfigError: it cannot be issued anew here; nothing was changed.
        OSError: a file cannot be written; nothing was changed.
    """
    if held.use in AUTHORITIES.values():
        raise ConfigError(
            f"an authority is another command's: `dwaybank certificates renew-authority --org {held.organization}`"
        )
    if held.key is None:
        raise ConfigError(f"{held.path} has no key of its own in this home: whoever issued it renews it")
    building = _building(held.folder)
    # What an earlier run left that was killed: the pair that was not taken, or the one before.
    shutil.rmtree(building, ignore_errors=True)
    authority = Authority.load(held.authority_folder())
    _refuse_revoked(held)
    check_renewable(held.certificate, authority)
    _keep_old(held)
    if keep_key:
        certificate = reissued(held.certificate, authority, None, not_before)
        replace_file(held.path, building.with_suffix(".certificate"), _pem(certificate))
    else:
        key = _new_key_like(held.certificate)
        certificate = reissued(held.certificate, authority, key.public_key(), not_before)
        _exchange_pair(held, building, _pem(certificate), key)
    return replace(held, certificate=certificate)


def replaced_certificates(crypto: Path) -> list[x509.Certificate]:
    """Return an organization's certificates that others took the place of."""
    return [_read(path) for path in sorted((crypto / _REPLACED).glob("*.pem"))]


def _keep_old(held: Held) -> None:
    kept = held.crypto / _REPLACED / f"{held.certificate.serial_number:x}.pem"
    kept.parent.mkdir(exist_ok=True)
    building = kept.with_suffix(".building")
    building.write_bytes(_pem(held.certificate))
    if os.geteuid() == 0:
        status = held.crypto.stat()
        for path in (kept.parent, building):
            os.chown(path, status.st_uid, status.st_gid)
    building.replace(kept)


def _refuse_revoked(held: Held) -> None:
    for path in sorted((held.crypto / "msp" / "crls").glob("*")):
        try:
            revoked = x509.load_pem_x509_crl(path.read_bytes())
        except ValueError as error:
            raise ConfigError(f"{path} holds no PEM revocation list: put back the one that was issued") from error
        if revoked.issuer != held.certificate.issuer:
            continue
        if revoked.get_revoked_certificate_by_serial_number(held.certificate.serial_number) is not None:
            raise ConfigError(f"it is revoked ({path}): make another user where it is to be let in again")


def _new_key_like(certificate: x509.Certificate) -> ec.EllipticCurvePrivateKey:
    old = certificate.public_key()
    if not isinstance(old, ec.EllipticCurvePublicKey):
        raise ConfigError("its key is not one of an elliptic curve: it can only keep it (--keep-key)")
    return new_key(old.curve)


def _exchange_pair(held: Held, building: Path, certificate: bytes, key: ec.EllipticCurvePrivateKey) -> None:
    """Build the whole folder beside its place, then exchange the two."""
    assert held.key is not None
    folder = held.folder
    try:
        building.mkdir(mode=0o700)
        _copy_folder(folder, building)
        _write_over(building / held.path.relative_to(folder), certificate)
        _write_over(building / held.key.relative_to(folder), _key_pem(key))
        for place, _, files in os.walk(building):
            for path in (*(Path(place, name) for name in files), Path(place)):
                sync(path)
        exchange(folder, building)
    except OSError as error:
        shutil.rmtree(building, ignore_errors=True)
        if error.errno == errno.ENOTSUP:
            raise ConfigError(
                f"the file system of {folder} cannot exchange two folders in one step: renew with --keep-key"
            ) from error
        raise
    sync(folder.parent)
    shutil.rmtree(building, ignore_errors=True)


def _copy_folder(source: Path, target: Path) -> None:
    """Copy files and folders with their modes, and with their owner where that may be given."""
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    if os.geteuid() != 0:
        return
    for place, _, files in os.walk(source):
        for path in (*(Path(place, name) for name in files), Path(place)):
            status = path.lstat()
            os.chown(target / path.relative_to(source), status.st_uid, status.st_gid, follow_symlinks=False)


def _write_over(path: Path, content: bytes) -> None:
    """Write a copied file, whose mode and owner stay."""
    with path.open("r+b") as file:
        file.truncate()
        file.write(content)


def replace_file(path: Path, building: Path, content: bytes) -> None:
    """Replace one file in one step, by one that is built elsewhere; its mode and owner stay."""
    try:
        shutil.copy2(path, building)
        if os.geteuid() == 0:
            status = path.stat()
            os.chown(building, status.st_uid, status.st_gid)
        _write_over(building, content)
        sync(building)
        building.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            building.unlink(missing_ok=True)
        raise
    sync(path.parent)


def _building(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.renewed")


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
