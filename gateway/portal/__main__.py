"""Runs a portal: ``python -m gateway.portal --config FILE``; SIGTERM or SIGINT finishes what is under way."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import uvicorn

from gateway.errors import ConfigurationError
from gateway.portal.app import create_portal
from gateway.portal.config import PortalConfig, load_portal_config
from gateway.portal.listener import CertificateProtocol, server_tls
from gateway.serving import StoppableServer
from network.errors import NetworkError
from network.operations.log_levels import LogSpecError
from network.operations.log_lines import write_log_lines
from network.rpc.tls_files import read_pair

GRACE_S = 5
"""Time for requests under way when the portal is asked to stop."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until asked to stop.

    Args:
        arguments: command line without the program's name; None for the process's own.
    Returns:
        0 after a graceful stop, 1 when the portal could not start, 2 for a bad configuration.
    """
    parser = argparse.ArgumentParser(prog="python -m gateway.portal", description="Portal of a regulator's node")
    parser.add_argument("--config", required=True, type=Path, help="portal.yaml")
    try:
        config = load_portal_config(parser.parse_args(arguments).config)
    except ConfigurationError as error:
        return _fail(error, 2)
    levels = write_log_lines()
    try:
        levels.set(config.log_spec)
        server = StoppableServer(_settings(config))
        asyncio.run(server.serve())
    except (ConfigurationError, LogSpecError, NetworkError) as error:
        return _fail(error, 1)
    except SystemExit:
        return _fail(f"cannot listen on {config.listen.host}:{config.listen.port}: free the port or choose another", 1)
    return 0 if server.started else 1


def _fail(reason: object, status: int) -> int:
    sys.stderr.write(f"portal: {reason}\n")
    return status


def _settings(config: PortalConfig) -> uvicorn.Config:
    app = create_portal(config)
    roots = app.state.services.certificates.roots_pem()
    settings = uvicorn.Config(
        app,
        host=config.listen.host,
        port=config.listen.port,
        http=CertificateProtocol,
        log_config=None,  # its lines go the way of all others
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    settings.load()
    read_pair(config.tls.certificate, config.tls.key)  # it does not ask a terminal for an encrypted key's word
    try:
        settings.ssl = server_tls(str(config.tls.certificate), str(config.tls.key), roots)
    except OSError as error:
        raise ConfigurationError(f"tls: {config.tls.certificate}, {config.tls.key}: {error}") from error
    return settings


if __name__ == "__main__":
    sys.exit(main())
