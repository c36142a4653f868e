"""Packages that administrators install: what is in them, and everything that may be wrong with one."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from network.rpc import ClientTls
from node.peer.connection_file import Connection
from node.peer.errors import ChaincodeError
from node.peer.package import FILES_MAX, UNPACKED_BYTES_MAX, ChaincodePackage, parse_package
from tests.support.packages import archive, package, package_id, python_package, service_package

CONNECTION = {"address": "host:9999", "tls_required": True, "root_cert": "ROOT"}


def test_contract_of_this_installation() -> None:
    content = python_package("audit_1", "chaincode.audit:AuditContract")
    expected = ChaincodePackage(
        package_id("audit_1", content), "audit_1", "python", contract="chaincode.audit:AuditContract"
    )
    assert parse_package(content, {}) == expected


def test_service_in_the_clear_takes_the_peers_own_values() -> None:
    found = parse_package(service_package("cc", address="{{.host}}:{{ .port }}"), {"host": "h", "port": "9001"})
    assert (found.connection, found.contract) == (Connection("h:9001"), "")


def test_service_over_tls_with_and_without_a_certificate_of_the_peer() -> None:
    plain = parse_package(service_package("cc", **CONNECTION), {}).connection
    assert plain == Connection("host:9999", ClientTls(b"ROOT"))
    both = {"client_auth_required": True, "client_key": "KEY", "client_cert": "CERT"}
    mutual = parse_package(service_package("cc", **CONNECTION, **both), {}).connection
    assert mutual == Connection("host:9999", ClientTls(b"ROOT", b"CERT", b"KEY"))


def test_external_chaincode_without_an_address_dials_the_peer() -> None:
    assert parse_package(package("cc", "external", {"notes.txt": b""}), {}).connection is None


def odd_entry() -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as tar:
        entry = tarfile.TarInfo("metadata.json")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    return output.getvalue()


def boastful_entry() -> bytes:
    """Return an archive whose one file claims to be huge and is not there."""
    entry = tarfile.TarInfo("code.tar.gz")
    entry.size = 2**40
    return gzip.compress(entry.tobuf())


def entry_below_nothing() -> bytes:
    """Return an archive whose entries have a size that leads back to the first."""
    header = bytearray(tarfile.TarInfo("metadata.json").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 4 + (2**64 - 1536).to_bytes(8, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return gzip.compress(bytes(header) * 3)


def hidden_bytes() -> bytes:
    """Return a small archive with one entry, of no file, that unpacks to more than a package may hold."""
    entry = tarfile.TarInfo("hidden")
    entry.type, entry.size = tarfile.XHDTYPE, UNPACKED_BYTES_MAX + 1
    return gzip.compress(entry.tobuf() + bytes(entry.size), 1)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "could not parse as a chaincode install package: error reading as gzip stream: EOF"),
        (b"no archive", "install package: error reading as gzip stream: gzip: invalid header"),
        (archive({"metadata.json": b"["}), "could not unmarshal metadata.json as json"),
        (
            archive({"metadata.json": b'{"label": "cc"}', "code.tar.gz": b""}),
            "chaincode install package: error retrieving DB artifacts from code package: EOF",
        ),
        (
            archive({"metadata.json": b'{"label": "cc", "type": "golang"}', "code.tar.gz": b"nothing"}),
            "chaincode install package: error retrieving DB artifacts from code package: unexpected EOF",
        ),
        (archive({"metadata.json": b"{}"})[:-20], "error reading as gzip stream"),
        (archive({"metadata.json": b"{}"}), "did not find a code package inside the package"),
        (archive({"code.tar.gz": b""}), "did not find any package metadata \\(missing metadata.json\\)"),
        (archive({"metadata.json": b"[", "code.tar.gz": b""}), "could not unmarshal metadata.json as json"),
        (archive({"metadata.json": b"[]", "code.tar.gz": b""}), "it is no object"),
        (package("-x", "ccaas", {}), "invalid label '-x'. Label must be non-empty"),
        (package("a/b", "ccaas", {}), "invalid label"),
        (odd_entry(), "tar entry metadata.json is not a regular file"),
        (boastful_entry(), "the archive has more than 268435456 bytes"),
        (entry_below_nothing(), "error reading as gzip stream: seeking backwards is not allowed"),
        (hidden_bytes(), "the archive has more than 268435456 bytes"),
        (archive({"metadata.json": b"[" * 200_000, "code.tar.gz": b""}), "could not unmarshal metadata.json as json"),
        (archive({"metadata.json": b'{"label": "\\ud800"}', "code.tar.gz": b""}), r"invalid label '\?'"),
        (package("cc", "ccaas", {"connection.json": b"[" * 200_000}), "could not unmarshal connection.json as json"),
        (service_package("cc", address="a:1", dial_timeout=10**400), "dial_timeout is 1000"),
        (archive({str(number): b"" for number in range(FILES_MAX + 1)}), "more than 10000 entries"),
        (package("cc", "golang", {}), "names type 'golang', and this peer builds no code"),
        (package("cc", "python", {}), "did not find contract.json in the code package"),
        (package("cc", "python", {"contract.json": b'{"contract": 1}'}), "name a contract of this installation"),
        (service_package("cc"), "chaincode address not provided"),
        (service_package("cc", address="{{.port}}"), "stands for a value of this peer's settings that is not there"),
        (service_package("cc", address="a:1", tls_required=True), "root_cert: chaincode tls root cert not provided"),
        (service_package("cc", **CONNECTION, client_auth_required=True), "client_key: chaincode tls key not provided"),
        (
            service_package("cc", **CONNECTION, client_auth_required=True, client_key="K"),
            "client_cert: chaincode tls cert not provided",
        ),
    ],
    ids=range(29),
)
def test_package_that_cannot_be_used_says_why(content: bytes, text: str) -> None:
    with pytest.raises(ChaincodeError, match=text):
        parse_package(content, {})
