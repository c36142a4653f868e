"""Messages are read here if and only if Go's protobuf library reads them.

Aim: no transaction, however oddly it is written, is a message for one kind of peer and none for the other. Method:
drawn bytes, field by field and often as no library writes them, are given to Fabric's ``configtxlator`` and to ours.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fabric_protos.common import policies_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import msp_principal_pb2
from google.protobuf.message import DecodeError

from network.messages import read_message
from node.ports import free_port
from tests.support.fabric_programs import FabricTools
from tests.unit.network.test_messages import rule_in_gates, tag

pytestmark = pytest.mark.interop

KINDS = {
    "kvrwset.KVRWSet": kv_rwset_pb2.KVRWSet,
    "kvrwset.HashedRWSet": kv_rwset_pb2.HashedRWSet,
    "common.MSPRole": msp_principal_pb2.MSPRole,
}
NUMBERS = (0, 1, 1, 1, 2, 2, 2, 3, 4, 5, 15, 16, 2047, 2048, 2**29 - 1, 2**29, 2**31 - 1, 2**31, 2**60)
CONTENTS = (b"", b"abc", b"\xff\xfe", b"\xed\xa0\x80", "é".encode(), b"\x00")
MESSAGES = 4_000


class Writer:
    """Writes messages in ways that no library does."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def message(self, depth: int = 0) -> bytes:
        return b"".join(self._field(depth) for _ in range(self.random.randrange(4 if depth == 0 else 3)))

    def _number(self, value: int, odd: float = 0.2) -> bytes:
        more = self.random.choice([1, 3, 5, 8, 9]) if self.random.random() < odd else 0
        encoded = bytearray()
        while value > 0x7F:
            encoded.append(value & 0x7F | 0x80)
            value >>= 7
        if not more:
            return bytes([*encoded, value])
        return bytes([*encoded, value | 0x80]) + b"\x80" * (more - 1) + b"\x00"

    def _field(self, depth: int) -> bytes:
        number, wire_type = self.random.choice(NUMBERS), self.random.choice([0, 0, 1, 2, 2, 2, 2, 3, 3, 4, 5, 6, 7])
        tag = self._number(number << 3 | wire_type)
        if wire_type == 0:
            return tag + self._number(self.random.choice([0, 1, 2**31, 2**63, 2**64 - 1, 2**64]))
        if wire_type in (1, 5):
            whole = 8 if wire_type == 1 else 4
            return tag + self.random.randbytes(self.random.choice([whole, whole, whole, whole - 1]))
        inner = self.message(depth + 1) if depth < 4 and self.random.random() < 0.5 else b""
        if wire_type == 2:
            content = inner or self.random.choice(CONTENTS)
            return tag + self._number(len(content) + (self.random.random() < 0.05)) + content
        if wire_type == 3:
            return tag + inner + self._number((number + (self.random.random() < 0.05)) << 3 | 4)
        return tag


@contextmanager
def go_reader() -> Iterator[httpx.Client]:
    """Run Fabric's translator of messages."""
    port = free_port()
    command = [str(Path(FabricTools.found().programs) / "configtxlator"), "start"]
    command += ["--hostname", "127.0.0.1", "--port", str(port)]
    transport = httpx.HTTPTransport(retries=10)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=10) as client:
                yield client
        finally:
            process.terminate()


def is_read(kind: Any, data: bytes) -> bool:
    try:
        read_message(kind, data)
    except DecodeError:
        return False
    return True


def test_messages_inside_one_another_are_read_by_both_or_by_neither() -> None:
    kind = policies_pb2.SignaturePolicyEnvelope
    ends = (b"", tag(15, 0) + b"\x80" * 9 + b"\x02", tag(2, 2, length=9) + b"\x02\x08\x07")
    with go_reader() as client:
        for gates in (30, 31, 32, 48, 49, 50, 51, 500, 4_998, 4_999, 5_000):
            for end in ends:
                data = rule_in_gates(gates, b"\x08\x05" + end)
                answer = client.post("/protolator/decode/common.SignaturePolicyEnvelope", content=data)
                # What it read it may not be able to write as JSON.
                theirs = answer.status_code == httpx.codes.OK or "exceeded max depth" in answer.text
                assert is_read(kind, data) == theirs, (gates, end, answer.text)


@pytest.mark.parametrize("seed", range(2))
def test_odd_messages_are_read_by_both_or_by_neither(seed: int) -> None:
    writer, read = Writer(seed), 0
    with go_reader() as client:
        for number in range(MESSAGES):
            name = writer.random.choice(list(KINDS))
            data = writer.message() or b"\x0a"
            theirs = client.post(f"/protolator/decode/{name}", content=data).status_code == httpx.codes.OK
            assert is_read(KINDS[name], data) == theirs, (seed, number, name, data.hex())
            read += theirs
    assert read > MESSAGES // 10
