"""Chaincode packages: what an administrator installs, and how this peer would run it.

A package is a compressed archive of ``metadata.json`` (type and label) and ``code.tar.gz``. Two kinds run here:

- ``ccaas`` and ``external``: the code holds ``connection.json``, where the chaincode listens; without that file the
  chaincode dials this peer;
- ``python``: the code holds ``contract.json``, which names a contract that is part of this peer's installation:
  ``{"contract": "<module>:<class>"}``. Code from a package never runs in the peer's process.

Nothing is built: Fabric's own types (golang, java, node) are refused.

Source: Fabric core/chaincode/persistence/chaincode_package.go, core/container/externalbuilder/instance.go.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from node.peer.connection_file import NAME as CONNECTION
from node.peer.connection_file import Connection, parse_connection
from node.peer.errors import ChaincodeError
from node.peer.state_indexes import StateIndex, parse_indexes

SERVICE_TYPES = ("ccaas", "external")
IN_PROCESS_TYPE = "python"

UNPACKED_BYTES_MAX = 256 * 1024 * 1024
"""Bytes one archive may have, all that stands between its files too: a small package must not fill the memory."""

FILES_MAX = 10_000
"""Entries an archive may have, for the same reason."""

_GZIP_HEADER_BYTES, _GZIP_MAGIC = 10, b"\x1f\x8b\x08"
_METADATA, _CODE = "metadata.json", "code.tar.gz"
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True, slots=True)
class ChaincodePackage:
    """A package whose form is in order.

    Args:
        package_id: ``label:hash``.
        label: a name for people.
        kind: ``ccaas``, ``external`` or ``python``.
        contract: ``module:Class`` of a contract of this installation; '' for a process of its own.
        connection: where that process listens; None when it dials this peer.
        indexes: for rich queries, which its code declares.
    """

    package_id: str
    label: str
    kind: str
    contract: str = ""
    connection: Connection | None = None
    indexes: tuple[StateIndex, ...] = ()


def parse_package(content: bytes, values: Mapping[str, str]) -> ChaincodePackage:
    """Read a package.

    Args:
        content: the archive, as installed.
        values: what ``{{.name}}`` in ``connection.json`` stands for.
    Raises:
        ChaincodeError: it is no package, or none that this peer can run.
    """
    try:
        label, kind, code = _read_outer(content)
        files = _unpack(code, "error retrieving DB artifacts from code package")
    except ChaincodeError as error:
        raise ChaincodeError(f"could not parse as a chaincode install package: {error}") from error
    package_id = f"{label}:{hashlib.sha256(content).hexdigest()}"
    try:
        if kind == IN_PROCESS_TYPE:
            return ChaincodePackage(package_id, label, kind, contract=_contract(files), indexes=parse_indexes(files))
        if kind in SERVICE_TYPES:
            connection = parse_connection(files[CONNECTION], values) if CONNECTION in files else None
            return ChaincodePackage(package_id, label, kind, connection=connection, indexes=parse_indexes(files))
    except ChaincodeError as error:
        raise ChaincodeError(f"could not build chaincode: {error}") from error
    raise ChaincodeError(
        f"could not build chaincode: metadata.json names type {kind!r}, and this peer builds no code; use 'ccaas' for "
        "a chaincode that runs as a service, 'python' for a contract of this installation"
    )


def _read_outer(content: bytes) -> tuple[str, str, bytes]:
    files = _unpack(content, "error reading as gzip stream")
    metadata = _json(files, _METADATA) if _METADATA in files else None
    if _CODE not in files:
        raise ChaincodeError("did not find a code package inside the package")
    if metadata is None:
        raise ChaincodeError(f"did not find any package metadata (missing {_METADATA})")
    label, kind = metadata.get("label", ""), metadata.get("type", "")
    if not isinstance(kind, str) or not isinstance(label, str) or _LABEL.fullmatch(label) is None:
        shown = str(label).encode(errors="replace").decode()
        raise ChaincodeError(
            f"invalid label '{shown}'. Label must be non-empty, can only consist of alphanumerics, symbols from "
            "'.+-_', and can only begin with alphanumerics"
        )
    return label, kind.lower(), files[_CODE]


def _contract(files: Mapping[str, bytes]) -> str:
    contract = _json(files, "contract.json").get("contract")
    if not isinstance(contract, str) or not contract:
        raise ChaincodeError("contract.json: contract: name a contract of this installation as '<module>:<class>'")
    return contract


def _json(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        content = json.loads(files[name])
    except KeyError as error:
        raise ChaincodeError(f"did not find {name} in the code package") from error
    except (ValueError, RecursionError) as error:
        raise ChaincodeError(f"could not unmarshal {name} as json: {error}") from error
    if not isinstance(content, dict):
        raise ChaincodeError(f"could not unmarshal {name} as json: it is no object")
    return content


def _unpack(content: bytes, unreadable: str) -> dict[str, bytes]:
    """Return the files of a compressed archive by their names.

    Args:
        unreadable: what to say, before the reason, where it is none.
    """
    files: dict[str, bytes] = {}
    if len(content) < _GZIP_HEADER_BYTES:
        raise ChaincodeError(f"{unreadable}: {'unexpected EOF' if content else 'EOF'}")
    if not content.startswith(_GZIP_MAGIC):
        raise ChaincodeError(f"{unreadable}: gzip: invalid header")
    try:
        # As a stream: an entry with a size below nothing cannot lead back to itself.
        with tarfile.open(fileobj=_Unpacked(content), mode="r|") as archive:
            for number, member in enumerate(archive):
                if number >= FILES_MAX:
                    raise ChaincodeError(f"the archive has more than {FILES_MAX} entries")
                if member.isdir():
                    continue
                reader = archive.extractfile(member) if member.isreg() else None
                if reader is None:
                    raise ChaincodeError(f"tar entry {member.name} is not a regular file, type {member.type!r}")
                if member.size > UNPACKED_BYTES_MAX:
                    raise _too_much()
                files[member.name.removeprefix("./")] = reader.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise ChaincodeError(f"{unreadable}: {error}") from error
    return files


class _Unpacked(io.RawIOBase):
    """A compressed archive, of which no more can be read than a package may hold."""

    def __init__(self, content: bytes) -> None:
        self._file = gzip.GzipFile(fileobj=io.BytesIO(content))
        self._left = UNPACKED_BYTES_MAX

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _too_much()
        return data


def _too_much() -> ChaincodeError:
    return ChaincodeError(f"the archive has more than {UNPACKED_BYTES_MAX} bytes")
