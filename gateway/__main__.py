"""Runs a gateway: ``python -m gateway --config FILE``; SIGTERM or SIGINT finishes what is under way and ends with 0."""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI

from gateway.app import create_app, prepare_database
from gateway.config import LOOPBACK, GatewayConfig, ServerTls, load_config
from gateway.errors import ConfigurationError
from gateway.serving import BoundedHttp, StoppableServer
from network.errors import NetworkError
from network.operations.log_levels import LogSpecError
from network.operations.log_lines import write_log_lines
from network.operations.otlp_tracer import OtlpTracer, traced
from network.rpc.tls_files import read_pair

log = structlog.get_logger(__name__)

GRACE_S = 10
"""Time for requests under way when the gateway is asked to stop."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until asked to stop.

    Args:
        arguments: command line without the program's name; None for the process's own.
    Returns:
        0 after a graceful stop, 1 when the gateway could not start, 2 for a bad configuration.
    """
    parser = argparse.ArgumentParser(prog="python -m gateway", description="HTTP gateway of a bank's node")
    parser.add_argument("--config", required=True, type=Path, help="gateway.yaml")
    try:
        config = load_config(parser.parse_args(arguments).config)
    except ConfigurationError as error:
        return _fail(error, 2)
    levels = write_log_lines()
    try:
        levels.set(config.log_spec)
        prepare_database(config)
        with traced(_tracer(config)):
            app = create_app(config, levels=levels)
            server = StoppableServer(_settings(config, app))
            asyncio.run(_serve(app, server))
    except (ConfigurationError, LogSpecError, NetworkError) as error:
        return _fail(error, 1)
    except SystemExit:
        return _fail(f"cannot listen on {config.listen.host}:{config.listen.port}: free the port or choose another", 1)
    return 0 if server.started else 1


async def _serve(app: FastAPI, server: StoppableServer) -> None:
    # Begun here and not by the server, which would write a trace of what is wrong, and then name its own port.
    async with app.router.lifespan_context(app):
        await server.serve()


def _fail(reason: object, status: int) -> int:
    sys.stderr.write(f"gateway: {reason}\n")
    return status


def _tracer(config: GatewayConfig) -> OtlpTracer | None:
    tracing = config.tracing
    if tracing is None:
        return None
    roots = None if tracing.roots is None else tracing.roots.read_bytes()
    return OtlpTracer(f"gateway {config.organization.msp_id}", tracing.endpoint, tracing.ratio, roots)


def _settings(config: GatewayConfig, app: FastAPI) -> uvicorn.Config:
    settings = uvicorn.Config(
        app,
        lifespan="off",
        host=config.listen.host,
        port=config.listen.port,
        http=BoundedHttp,
        log_config=None,  # its lines go the way of all others
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    if config.server_tls is not None:
        settings.load()
        settings.ssl = _listener_tls(config.server_tls)
    elif config.listen.host not in LOOPBACK:
        log.warning("gateway.in_the_clear", host=config.listen.host, way_out="set server_tls")
    return settings


def _listener_tls(files: ServerTls) -> ssl.SSLContext:
    read_pair(files.certificate, files.key)  # its errors name the file
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    return context


if __name__ == "__main__":
    sys.exit(main())
