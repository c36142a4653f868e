"""Every listener's certificate is watched: that of the operations service of node and orderer, those of the portal.

Method: each program is made from settings as `dwaybank prepare` writes them, with a certificate that ends in a day.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.config import ServerTls
from gateway.portal.app import create_portal
from network.operations.log_levels import LogLevels
from node.config import NodeConfig, OperationsSettings, OperationsTls, OrdererConfig, load_settings
from node.home import Home, open_home
from node.orderer_process import OrdererProcess
from node.process import NodeProcess
from node.start import prepare_consortium
from tests.support.certificates import Authority
from tests.support.gateway_client import Clock
from tests.support.portal_settings import portal_config


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return prepare_consortium(tmp_path_factory.mktemp("watched") / "home", None, None)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "own.crt", tmp_path / "own.key"
    for path, pem in zip((certificate, key), Authority("ca").issue("watched.bank.test"), strict=True):
        path.write_bytes(pem)
    return certificate, key


@pytest.fixture
def operations(pair: tuple[Path, Path]) -> OperationsSettings:
    certificate, key = pair
    return OperationsSettings(port=9, tls=OperationsTls(certificate=certificate, key=key, client_roots=[certificate]))


async def test_nodes_health_tells_that_its_operations_certificate_has_ended(
    home: Home, operations: OperationsSettings
) -> None:
    _, consortium = open_home(home.root)
    folder = home.organization(consortium.organization("dwaybank"))
    written = load_settings(NodeConfig, folder / "node.yaml")
    written.database_url_file.write_text("postgresql://127.0.0.1:9/none")
    clock = Clock()
    process = NodeProcess(written.model_copy(update={"operations": operations}), LogLevels(), clock)
    clock.ahead = timedelta(days=2)
    _, body = await process._operations.checks.run()
    told = {failed["component"]: failed["reason"] for failed in body["failed_checks"]}
    assert "CN=watched.bank.test (operations)" in told.get("certificates", "")


def test_orderer_warns_that_its_operations_certificate_ends_soon(home: Home, operations: OperationsSettings) -> None:
    written = load_settings(OrdererConfig, home.orderer / "orderer.yaml")
    process = OrdererProcess(written.model_copy(update={"operations": operations}), LogLevels())
    with capture_logs() as lines:
        process._certificates.look()
    assert [(line["event"], line["use"]) for line in lines] == [("certificate expires soon", "operations")]


async def test_portal_warns_that_its_certificate_ends_soon(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    certificate, key = pair
    portal = create_portal(portal_config(tmp_path, tls=ServerTls(certificate=certificate, key=key)))
    with capture_logs() as lines:
        async with portal.router.lifespan_context(portal):
            pass
    assert [line["use"] for line in lines if line["event"] == "certificate expires soon"] == ["tls"]
