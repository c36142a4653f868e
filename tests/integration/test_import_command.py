"""What ``dwaybank import`` asks of the node: it posts a bank's movements, and nothing at all through a mapping that
counts otherwise than the books. Real books behind the node's own service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from google.protobuf.message import Message

from ledger.balances import entry_count
from ledger.errors import MappingError
from ledger.money import Asset
from ledger.statement_mapping import StatementMapping, read_mapping
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as pb
from network.rpc import RpcError
from node.books.ledger_service import SERVICE, LedgerService
from node.statement_import import ImportReport, _post, _Source
from tests.support.books import Clock
from tests.support.own_service import ServiceClient, open_books, open_port
from tests.support.shared_data import REPOSITORY

R = TypeVar("R", bound=Message)
MAPPING = read_mapping(REPOSITORY / "fixtures/mappings/dwaybank.yaml")
MONTH = REPOSITORY / "fixtures/statements/dwaybank-2026-09.csv"


class Node:
    """The own node's client, on a port of the test's."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def call(self, service: str, method: str, request: Message, reply: type[R], timeout_s: float = 30.0) -> R:
        assert service == SERVICE
        return await self._client.ask(method, request, reply)

    async def post(self, file: Path, mapping: StatementMapping) -> ImportReport:
        report = ImportReport(str(file), mapping.asset.code, mapping.asset.scale)
        await _post(self, _Source(file, mapping, bytes(32)), report, None)  # type: ignore[arg-type]
        return report


@pytest.fixture
async def node(database_url: str) -> AsyncIterator[Node]:
    clock = Clock()
    async with open_books(database_url, clock) as books, open_port(lambda own: [LedgerService(books, own)]) as port:
        yield Node(port.client(SERVICE))


@pytest.fixture
def month(tmp_path: Path) -> Path:
    """The first twenty movements of the month."""
    file = tmp_path / "month.csv"
    file.write_bytes(b"".join(MONTH.read_bytes().splitlines(keepends=True)[:21]))
    return file


def entries(database_url: str) -> Any:
    with psycopg.connect(database_url) as connection:
        return entry_count(connection)


async def test_movements_are_posted_once(node: Node, month: Path, database_url: str) -> None:
    assert (await node.post(month, MAPPING)).posted == 20
    again = await node.post(month, MAPPING)
    assert (again.posted, again.existed, again.refused) == (0, 20, 0)
    assert entries(database_url) == 20


async def test_mapping_with_other_digits_than_the_books_posts_nothing(
    node: Node, month: Path, database_url: str
) -> None:
    with pytest.raises(MappingError, match=r"asset\.scale: is 3 digits; the books count EUR with 2: give that"):
        await node.post(month, replace(MAPPING, asset=Asset("EUR", 3)))
    assert entries(database_url) == 0


async def test_account_that_was_opened_with_terms_of_its_own_is_used(node: Node, month: Path) -> None:
    account = next(_Source(month, MAPPING, bytes(32)).movements()).account.reference
    terms = pb.OpenAccountRequest(account=account, asset="EUR", normal_side=pb.SIDE_CREDIT, overdraft_minor="100000")
    await node.call(SERVICE, "OpenAccount", terms, pb.OpenAccountResponse)
    assert (await node.post(month, MAPPING)).posted == 20


async def test_account_that_counts_on_the_other_side_posts_nothing(node: Node, month: Path, database_url: str) -> None:
    account = next(_Source(month, MAPPING, bytes(32)).movements()).account.reference
    other = pb.OpenAccountRequest(account=account, asset="EUR", normal_side=pb.SIDE_DEBIT)
    await node.call(SERVICE, "OpenAccount", other, pb.OpenAccountResponse)
    with pytest.raises(RpcError, match="stands open with another asset, side"):
        await node.post(month, MAPPING)
    assert entries(database_url) == 0
