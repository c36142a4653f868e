"""The contract of docs/contracts.md, checked, run and debugged by the commands of that page.

Method: the page's commands run as they stand, but for the port; three peers of ours dial the service. The debugger is
driven through its standard input as a person would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
import pytest_asyncio
import yaml

from network.errors import GatewayError
from node.chaincodes import definitions, indexes
from node.config import ChaincodeSettings
from node.peer.chaincode_support import ExternalChaincode
from node.peer.connection_file import Connection
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium import REPOSITORY
from tests.support.consortium_in_memory import BANK, PARTNER, Material, make_material
from tests.support.peer_network import MEMBERS, PeerNetwork, running_network

PAGE = REPOSITORY / "docs" / "contracts.md"
EXAMPLE = REPOSITORY / "docs" / "examples" / "cars" / "cars.py"
PORT = "9999"


def fences(kind: str) -> list[str]:
    """Return the page's fenced blocks of one kind."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def command(number: int, port: int = 0) -> tuple[list[str], dict[str, str]]:
    """Return one of the page's commands and its environment."""
    words = shlex.split(fences("shell")[number].replace(PORT, str(port)))
    assigned = [word for word in words if re.match(r"[A-Z]+=", word)]
    variables = dict(word.split("=", 1) for word in assigned)
    (python, *rest) = words[len(assigned) :]
    assert python == "python"
    return [sys.executable, *rest], os.environ | {"PYTHONUNBUFFERED": "1"} | variables


def settings() -> ChaincodeSettings:
    """Return what the page puts into ``node.yaml``."""
    (chaincode,) = yaml.safe_load(fences("yaml")[0])["chaincodes"]
    return ChaincodeSettings(**chaincode)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    port: int, material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    chaincode = settings()
    assert chaincode.service is not None
    external = ExternalChaincode("cars", chaincode.service.package_id, Connection(f"127.0.0.1:{port}"))
    declared = indexes([chaincode.model_copy(update={"metadata_folder": EXAMPLE.parent})])
    by_member = {msp_id: {"external_chaincodes": [external], "indexes": declared} for msp_id in MEMBERS}
    folder = tmp_path_factory.mktemp("network")
    async with running_network(
        material,
        postgres_cluster,
        folder,
        "example",
        definitions=tuple(definitions([chaincode])),
        contracts={},
        by_member=by_member,
    ) as network:
        yield network


@contextlib.contextmanager
def service(number: int, port: int) -> Iterator[subprocess.Popen[str]]:
    """Run one of the page's commands that serve the contract."""
    words, environment = command(number, port)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(words, cwd=REPOSITORY, env=environment, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def test_code_of_the_page_is_the_examples_and_passes_the_lint() -> None:
    program = EXAMPLE.read_text(encoding="utf-8")
    blocks = [block for block in fences("python") if "client." not in block]
    assert len(blocks) == 2
    assert [block for block in blocks if block not in program] == []
    words, environment = command(0)
    done = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.asyncio(loop_scope="module")
async def test_contract_runs_by_the_pages_command(network: PeerNetwork, port: int) -> None:
    client = network.client()
    with service(1, port):
        await network.until_connected("cars", "OwnedBy", "nobody")
        await client.submit("cars", "Register", "car1", "anna")
        committed = await client.submit("cars", "Transfer", "car1", "berta")
        await network.wait_for_height(committed.block_number + 1)
        assert await client.evaluate("cars", "OwnedBy", "berta") == b'["car1"]'
        for arguments, text in (
            (("Register", "car1", "x"), "car_exists: car car1 is registered already"),
            (("Transfer", "car2", "x"), "no_car: car car2 is not registered"),
        ):
            with pytest.raises(GatewayError, match=text):
                await client.submit("cars", *arguments)
        with pytest.raises(GatewayError, match="access_denied: car car1 belongs to a client of DwaybankMSP"):
            await network.client(PARTNER).submit("cars", "Transfer", "car1", "x")
    with psycopg.connect(network.members[BANK].settings.database_url) as database:
        found = database.execute("SELECT indexdef FROM pg_indexes WHERE indexdef LIKE '%{kind}%{owner}%'").fetchall()
    assert len(found) == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_contract_stops_at_a_breakpoint_and_goes_on(network: PeerNetwork, port: int) -> None:
    client = network.client()
    with service(2, port) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        await network.until_connected("cars", "OwnedBy", "nobody")
        call = asyncio.ensure_future(client.evaluate("cars", "Transfer", "car1", "carla"))
        stopped = ""
        while "cars.py(" not in stopped:
            stopped = await asyncio.to_thread(process.stdout.readline)
            assert stopped, "the debugger has ended"
        assert "transfer()" in stopped
        assert not call.done()
        process.stdin.write("p car_id, owner\ncontinue\n")
        process.stdin.flush()
        assert b'"owner":"carla"' in await call
        process.kill()
        assert "('car1', 'carla')" in await asyncio.to_thread(process.stdout.read)
