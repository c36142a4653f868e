"""Chaincode packages, made as ``peer lifecycle chaincode package`` and the samples' scripts make them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a compressed archive of these files."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def package(label: str, kind: str, code: Mapping[str, bytes]) -> bytes:
    """Return a package of any kind."""
    metadata = {"type": kind, "label": label, "path": ""}
    return archive({"metadata.json": json.dumps(metadata).encode(), "code.tar.gz": archive(code)})


def service_package(label: str, **connection: Any) -> bytes:
    """Return the package of a chaincode that runs as a service."""
    return package(label, "ccaas", {"connection.json": json.dumps(connection).encode()})


def python_package(label: str, contract: str) -> bytes:
    """Return the package of a contract of the peer's own installation."""
    return package(label, "python", {"contract.json": json.dumps({"contract": contract}).encode()})


def package_id(label: str, content: bytes) -> str:
    """Return the id by which a package is known once it is installed."""
    return f"{label}:{hashlib.sha256(content).hexdigest()}"
