"""The orderer's process: settings in, the ordering service on one port with mutual TLS."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from network.identity import SigningIdentity
from network.rpc import Server
from node.config import OrdererConfig, load_settings
from node.errors import NodeError
from node.http_server import HttpServer
from node.logs import configure_logging
from node.orderer.errors import OrdererError
from node.orderer.orderer import SERVICE_NAME, Orderer
from node.orderer.participation import participation_app
from node.service import run_process, run_until_stopped

STOP_GRACE_S = 2.0


class OrdererProcess:
    """The ordering service behind its port; listens once every chain is open."""

    def __init__(self, config: OrdererConfig) -> None:
        identity = SigningIdentity.from_msp_folder(config.msp_folder, config.msp_id)
        tls = config.tls.server()
        self._orderer = Orderer(
            config.data_folder, [config.genesis_block], identity, lambda: datetime.now(UTC), tls.certificate_pem
        )
        self._server = Server(config.host, config.port, tls)
        self._orderer.register(self._server)
        self._server.enable_health()
        self._server.enable_reflection([SERVICE_NAME])
        self._admin: HttpServer | None = None
        if config.admin_port is not None:
            own_roots = b"".join(config.tls.roots_by_msp()[config.msp_id])
            own_only = replace(tls, client_roots_pem=own_roots)
            self._admin = HttpServer(participation_app(self._orderer), config.host, config.admin_port, own_only)

    async def start(self) -> None:
        """Open the chains, then listen."""
        await self._orderer.start()
        await self._server.start()
        if self._admin is not None:
            await self._admin.start()

    async def failed(self) -> None:
        """Return never; raise when a channel can order nothing more until this process starts again."""
        await self._orderer.failed()
        raise NodeError("a channel's block writer has failed, see the lines above: the orderer must start again")

    async def stop(self) -> None:
        """Finish the blocks being written, which ends the streams of those who follow them; then stop listening."""
        if self._admin is not None:
            await self._admin.stop()
        await self._orderer.stop()
        await self._server.stop(STOP_GRACE_S)


def run(config_file: Path) -> int:
    """Run the orderer until it is told to stop; return the exit status."""
    configure_logging()

    async def main() -> None:
        process = OrdererProcess(load_settings(OrdererConfig, config_file))
        await run_until_stopped(process, process.failed)

    return run_process("orderer", main, (OrdererError,))
