"""The orderer's process: settings in, the ordering service on one port with mutual TLS."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from network.identity import SigningIdentity
from network.operations.certificates import CertificateWatch, Watched, authorities_of, certificates_in, require_valid
from network.operations.health import UnhealthyError
from network.operations.http_server import HttpServer, HttpTls
from network.operations.log_levels import LogLevels
from network.operations.log_lines import write_log_lines
from network.operations.otlp_tracer import traced
from node.config import OrdererConfig, load_settings, new_tracer
from node.errors import NodeError
from node.operations.grpc_metrics import GrpcMetrics, ObservedServer
from node.operations.process_operations import ProcessOperations
from node.orderer.errors import OrdererError
from node.orderer.orderer import SERVICE_NAME, Orderer
from node.orderer.participation import REQUEST_BYTES_MAX, Participation
from node.service import run_process, run_until_stopped

STOP_GRACE_S = 2.0


def utc_now() -> datetime:
    """The clock of this process."""
    return datetime.now(UTC)


class OrdererProcess:
    """The ordering service behind its port; listens once every chain is open."""

    def __init__(self, config: OrdererConfig, levels: LogLevels) -> None:
        levels.set(config.log_spec)
        self._operations = ProcessOperations(config.operations, levels, utc_now)
        metrics = self._operations.metrics
        identity = SigningIdentity.from_msp_folder(config.msp_folder, config.msp_id)
        tls = config.tls.server()
        self._orderer = Orderer(
            config.data_folder, [config.genesis_block], identity, utc_now, tls.certificate_pem, metrics
        )
        self._server = ObservedServer(config.host, config.port, tls, GrpcMetrics(metrics))
        own = [
            *certificates_in("signing", config.msp_folder),
            *certificates_in("tls", config.tls.certificate),
            *([] if config.operations is None else config.operations.certificates()),
        ]
        self._certificates = CertificateWatch(metrics, lambda: [*own, *self._authorities()], utc_now)
        self._operations.checks.add("certificates", lambda: require_valid(own, utc_now()))
        self._operations.checks.add("chains", self._check_chains)
        self._orderer.register(self._server)
        self._server.enable_health()
        self._server.enable_reflection([SERVICE_NAME])
        self._admin: HttpServer | None = None
        if config.admin_port is not None:
            own_only = HttpTls(
                config.tls.certificate, config.tls.key, tuple(config.tls.roots[config.msp_id]), client_required=True
            )
            self._admin = HttpServer(
                config.host,
                config.admin_port,
                own_only,
                Participation(self._orderer).answer,
                request_bytes_max=REQUEST_BYTES_MAX,
            )

    async def start(self) -> None:
        """Open the chains, then listen."""
        await self._operations.start()
        await self._orderer.start()
        await self._certificates.start()
        await self._server.start()
        if self._admin is not None:
            await self._admin.start()
        self._operations.started()

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
        await self._certificates.stop()
        await self._operations.stop()

    def _authorities(self) -> list[Watched]:
        return [item for chain in self._orderer.chains.values() for item in authorities_of(chain.config)]

    async def _check_chains(self) -> None:
        for chain in self._orderer.chains.values():
            if not chain.takes_envelopes:
                raise UnhealthyError(f"channel {chain.channel_id} takes no envelopes: see the log")


def run(config_file: Path) -> int:
    """Run the orderer until it is told to stop; return the exit status."""
    levels = write_log_lines()

    async def main() -> None:
        config = load_settings(OrdererConfig, config_file)
        with traced(new_tracer(config.tracing, f"orderer {config.msp_id}")):
            process = OrdererProcess(config, levels)
            await run_until_stopped(process, process.failed)

    return run_process("orderer", main, (OrdererError,))
