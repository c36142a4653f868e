"""``python -m chaincode``: serve a contract to peers, dial a peer, or check a contract's source.

    python -m chaincode serve chaincode.audit:AuditContract       # the peer connects (chaincode as a service)
    python -m chaincode dial chaincode.audit:AuditContract        # the chaincode connects to its peer
    python -m chaincode lint my_contract.py                       # the determinism lint

Options have the environment variables of Fabric's own shims as defaults, so that deployment files written for those
work: CHAINCODE_SERVER_ADDRESS, CHAINCODE_ID (or CORE_CHAINCODE_ID_NAME), CHAINCODE_TLS_DISABLED, CHAINCODE_TLS_CERT,
CHAINCODE_TLS_KEY, CHAINCODE_CLIENT_CA_CERT, CORE_PEER_ADDRESS, CORE_PEER_TLS_ENABLED, CORE_PEER_TLS_ROOTCERT_FILE,
CORE_TLS_CLIENT_CERT_FILE, CORE_TLS_CLIENT_KEY_FILE.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog

from chaincode.determinism import check_file
from chaincode.errors import ChaincodeError
from chaincode.in_process import load
from chaincode.shim.client import serve_forever
from chaincode.shim.server import ChaincodeServer
from network.errors import NetworkError
from network.rpc import Channel, ClientTls, ServerTls

logger = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Run the command line; return the exit code."""
    options = _parser(environment).parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (ChaincodeError, NetworkError, OSError) as error:
        sys.stderr.write(f"chaincode: {error}\n")
        return 1


def configure_logs() -> None:
    """Write log lines from INFO on to standard error; never payloads, which no logger of this package is given."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaincode", description="Serve contracts to Fabric peers.")
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve", help="listen for peers (chaincode as a service)")
    dial = commands.add_parser("dial", help="connect to a peer")
    for command in (serve, dial):
        command.add_argument("contract", help="<module>:<class>, e.g. chaincode.audit:AuditContract")
        package_id = environment.get("CHAINCODE_ID") or environment.get("CORE_CHAINCODE_ID_NAME", "")
        command.add_argument("--package-id", default=package_id, help="label:hash as the peers installed it")
    _add_serve_options(serve, environment)
    _add_dial_options(dial, environment)
    lint = commands.add_parser("lint", help="check contracts for what could make endorsers differ")
    lint.add_argument("files", nargs="+", type=Path)
    lint.set_defaults(run=_lint)
    return parser


def _add_serve_options(serve: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    plain = environment.get("CHAINCODE_TLS_DISABLED", "true").lower() == "true"
    address = environment.get("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:9999")
    serve.add_argument("--address", default=address, help="host:port to listen on (default %(default)s)")
    for name, variable, text in (
        ("--tls-certificate", "CHAINCODE_TLS_CERT", "server certificate, PEM file"),
        ("--tls-key", "CHAINCODE_TLS_KEY", "its private key, PEM file"),
        ("--client-roots", "CHAINCODE_CLIENT_CA_CERT", "authorities of the peers let in, PEM file"),
    ):
        serve.add_argument(name, type=Path, default=None if plain else _path(environment, variable), help=text)
    serve.set_defaults(run=_serve)


def _add_dial_options(dial: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    secure = environment.get("CORE_PEER_TLS_ENABLED", "false").lower() == "true"
    peer = environment.get("CORE_PEER_ADDRESS", "127.0.0.1:7052")
    dial.add_argument("--peer", default=peer, help="the peer's chaincode address (default %(default)s)")
    for name, variable, text in (
        ("--roots", "CORE_PEER_TLS_ROOTCERT_FILE", "authorities of the peer, PEM file"),
        ("--tls-certificate", "CORE_TLS_CLIENT_CERT_FILE", "client certificate, PEM file"),
        ("--tls-key", "CORE_TLS_CLIENT_KEY_FILE", "its private key, PEM file"),
    ):
        dial.add_argument(name, type=Path, default=_path(environment, variable) if secure else None, help=text)
    dial.set_defaults(run=_dial)


def _path(environment: Mapping[str, str], variable: str) -> Path | None:
    value = environment.get(variable)
    return Path(value) if value else None


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


def _package_id(options: argparse.Namespace) -> str:
    if not options.package_id:
        raise ChaincodeError("no package id: give --package-id label:hash, or set CHAINCODE_ID")
    return str(options.package_id)


def _serve(options: argparse.Namespace) -> int:
    host, separator, port = options.address.rpartition(":")
    if not separator or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ChaincodeError(f"--address is {options.address!r}, not host:port")
    tls = None
    if options.tls_certificate or options.tls_key:
        certificate, key = _read(options.tls_certificate), _read(options.tls_key)
        if certificate is None or key is None:
            raise ChaincodeError("TLS needs both --tls-certificate and --tls-key")
        tls = ServerTls(certificate, key, _read(options.client_roots))
    elif options.client_roots:
        raise ChaincodeError("--client-roots works with TLS only; give --tls-certificate and --tls-key")
    server = ChaincodeServer(load(options.contract), _package_id(options), host.strip("[]"), int(port), tls)

    async def run() -> None:
        await server.start()
        try:
            await asyncio.Event().wait()
        finally:
            await server.stop()

    return _run_until_signal(run)


def _dial(options: argparse.Namespace) -> int:
    tls = None
    if options.roots:
        tls = ClientTls(options.roots.read_bytes(), _read(options.tls_certificate), _read(options.tls_key))
    contract, package_id = load(options.contract), _package_id(options)

    async def run() -> None:
        channel = Channel(options.peer, tls)
        try:
            await serve_forever(contract, package_id, channel)
        finally:
            await channel.close()

    return _run_until_signal(run)


def _run_until_signal(work: Callable[[], Awaitable[None]]) -> int:
    """Run until SIGTERM or SIGINT ends it, which is a success."""

    async def run() -> None:
        task = asyncio.ensure_future(work())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    asyncio.run(run())
    return 0


def _lint(options: argparse.Namespace) -> int:
    found = 0
    for file in options.files:
        try:
            findings = check_file(file)
        except SyntaxError as error:
            raise ChaincodeError(f"{file} is no Python: {error.msg} in line {error.lineno}") from None
        for finding in findings:
            found += 1
            sys.stdout.write(f"{finding}\n")
    return 1 if found else 0


if __name__ == "__main__":
    configure_logs()
    sys.exit(main())
