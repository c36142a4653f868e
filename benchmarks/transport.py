"""What a call costs on each transport: 4 KB there, 64 bytes back, mutual TLS, one connection, loopback.

Client and server are processes of their own, so that the CPU time of each is its own.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import ipaddress
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.measure import REPOSITORY, Result, latency_ms

TRANSPORTS = ("grpcio", "http2")
IN_FLIGHT = (1, 64, 256)
REQUEST = bytes(4_096)
REPLY = bytes(64)
SECONDS = 3.0
WARM_UP_S = 1.0
PATH = "/benchmark.Echo/Say"

US_MAX = 25
"""Target: CPU microseconds of a call at each end, at 64 in flight."""


def run() -> Result:
    """Measure each pair of transports."""
    result = Result("transport", "A unary call: 4 KB request, 64 B reply, mutual TLS, one connection")
    with TemporaryDirectory(prefix="dwaybank-bench-") as folder:
        write_certificates(Path(folder))
        for server in TRANSPORTS:
            for client in TRANSPORTS:
                result.rows += _pair(folder, server, client)
    for row in result.rows:
        if (row["server"], row["client"], row["in_flight"]) == ("http2", "http2", 64):
            result.below("server CPU a call at 64 in flight (us)", US_MAX, row["server_us"])
            result.below("client CPU a call at 64 in flight (us)", US_MAX, row["client_us"])
    return result


def _pair(folder: str, server: str, client: str) -> list[dict[str, Any]]:
    serving = _start(server, "serve", folder)
    assert serving.stdout is not None
    try:
        port = serving.stdout.readline().strip()
        calling = _start(client, "call", folder, port, str(serving.pid))
        output, _ = calling.communicate(timeout=120)
        if calling.returncode:
            raise RuntimeError(f"the benchmark's client failed with {calling.returncode}")
        return [{"server": server, "client": client, **row} for row in json.loads(output)]
    finally:
        serving.terminate()
        serving.communicate(timeout=10)


def _start(transport: str, role: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.transport", role, *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"DWAYBANK_TRANSPORT": transport, "GRPC_VERBOSITY": "ERROR"},
        stdout=subprocess.PIPE,
        text=True,
    )


async def serve(folder: Path) -> None:
    """Serve until terminated; print the port."""
    from network.rpc import Call, Server, ServerTls

    async def say(request: bytes, call: Call) -> bytes:
        return REPLY

    pem = {name: (folder / name).read_bytes() for name in ("ca.pem", "cert.pem", "key.pem")}
    server = Server("127.0.0.1", 0, ServerTls(pem["cert.pem"], pem["key.pem"], pem["ca.pem"]))
    server.unary(PATH, say)
    print(await server.start(), flush=True)
    await asyncio.Event().wait()


async def call(folder: Path, port: str, server_pid: int) -> None:
    """Call in closed loops; print the rows."""
    from network.rpc import Channel, ClientTls

    pem = {name: (folder / name).read_bytes() for name in ("ca.pem", "cert.pem", "key.pem")}
    channel = Channel(f"localhost:{port}", ClientTls(pem["ca.pem"], pem["cert.pem"], pem["key.pem"]))
    rows = []
    for in_flight in IN_FLIGHT:
        await _load(channel, in_flight, WARM_UP_S)
        server_before, client_before, began = _cpu_s(server_pid), time.process_time(), time.monotonic()
        latencies = await _load(channel, in_flight, SECONDS)
        took = time.monotonic() - began
        calls = len(latencies)
        rows.append(
            {
                "in_flight": in_flight,
                "per_second": round(calls / took),
                "server_us": round((_cpu_s(server_pid) - server_before) / calls * 1e6, 1),
                "client_us": round((time.process_time() - client_before) / calls * 1e6, 1),
                **latency_ms(latencies),
            }
        )
    await channel.close()
    print(json.dumps(rows))


async def _load(channel: Any, in_flight: int, seconds: float) -> list[float]:
    latencies: list[float] = []
    end = time.monotonic() + seconds

    async def loop() -> None:
        while (began := time.monotonic()) < end:
            await channel.unary(PATH, REQUEST, 30)
            latencies.append(time.monotonic() - began)

    await asyncio.gather(*(loop() for _ in range(in_flight)))
    return latencies


def _cpu_s(pid: int) -> float:
    """Return a process's CPU seconds; finer than the clock ticks of ``/proc/<pid>/stat``."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def write_certificates(folder: Path) -> None:
    """Write an authority and one certificate for both ends."""
    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("ca", "localhost")]
    pem = serialization.Encoding.PEM
    for place, file in enumerate(("ca.pem", "cert.pem")):
        alternatives = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(names[place])
            .issuer_name(names[0])
            .public_key(keys[place].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=place == 0, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .sign(keys[0], hashes.SHA256())
        )
        (folder / file).write_bytes(certificate.public_bytes(pem))
    none = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, none))


def main() -> None:
    """Be one end of the calls."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("serve", "call"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", nargs="?", default="")
    parser.add_argument("server_pid", nargs="?", type=int, default=0)
    options = parser.parse_args()
    if options.role == "serve":
        asyncio.run(serve(options.folder))
    else:
        asyncio.run(call(options.folder, options.port, options.server_pid))


if __name__ == "__main__":
    main()
