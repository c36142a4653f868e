"""``dwaybank import`` of movements that stand in the books under other keys: it says so before it posts anything.

Real books behind the node's own service; files of a few lines, read through mappings that differ in their names.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.balances import entry_count
from ledger.errors import MappingError, StatementFormatError
from ledger.statement_mapping import StatementMapping, parse_mapping
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as pb
from network.rpc import StatusCode
from node import statement_repeats
from node.books.ledger_service import SERVICE, LedgerService
from node.statement_import import ImportReport, _post, _Source
from node.statement_repeats import BATCH_MOVEMENTS
from tests.support.books import Clock
from tests.support.own_service import ServiceClient, open_books, open_port

MAPPING = """
name: {name}
file: {{column_names: [number, account, day, amount]}}
asset: {{code: EUR, scale: 2}}
columns: {{id: number, account: account, date: {{column: day, form: "%Y-%m-%d"}}, amount: {{column: amount}}}}
sign: {{amount: signed}}
accounts: {{reference: "customer:{{account}}", numbers: {numbers}}}
contra: [{{account: "bank:cash", normal_side: debit}}]
"""
MONTH = ("1,anna,2026-09-01,10.00", "2,anna,2026-09-01,10.00", "3,bert,2026-09-01,-4.00", "4,bert,2026-09-02,7.00")


def mapping(name: str, numbers: str = "pseudonyms") -> StatementMapping:
    return parse_mapping(MAPPING.format(name=name, numbers=numbers))


class Node:
    """The own node, as the command line calls it, and what its books hold."""

    def __init__(self, client: ServiceClient, url: str, file: Path) -> None:
        self.client, self._url, self._file = client, url, file

    async def call(self, service, method, request, reply, timeout_s=30.0):  # type: ignore[no-untyped-def]
        assert service == SERVICE
        return await self.client.ask(method, request, reply)

    async def bring(self, told: StatementMapping, *lines: str, may_repeat: bool = False) -> ImportReport:
        self._file.write_text("\n".join(lines))
        report = ImportReport(str(self._file), told.asset.code, told.asset.scale)
        source = _Source(self._file, told, bytes(32))
        await _post(self, source, report, None, may_repeat=may_repeat)  # type: ignore[arg-type]
        return report

    @property
    def entries(self) -> int:
        with psycopg.connect(self._url) as connection:
            return entry_count(connection)


@pytest.fixture
async def node(database_url: str, tmp_path: Path) -> AsyncIterator[Node]:
    clock = Clock()
    async with open_books(database_url, clock) as books, open_port(lambda own: [LedgerService(books, own)]) as port:
        yield Node(port.client(SERVICE), database_url, tmp_path / "month.csv")


@pytest.mark.parametrize("numbers", ["pseudonyms", "keyed"])
async def test_statement_under_a_renamed_mapping_posts_nothing(node: Node, numbers: str) -> None:
    await node.bring(mapping("bank", numbers), *MONTH)
    with pytest.raises(
        MappingError, match=r"setting name: 'bank-2': the movement in line 1 .* as entry 1, .*--may-repeat"
    ):
        await node.bring(mapping("bank-2", numbers), *MONTH)
    assert node.entries == 4


async def test_month_that_goes_on_under_a_renamed_mapping_with_keyed_hashes_posts_nothing(node: Node) -> None:
    month = [f"{number},anna,2026-09-{number:02},{number}.00" for number in range(1, 25)]
    await node.bring(mapping("bank", "keyed"), *month[:12])
    with pytest.raises(MappingError, match=r"the movement in line 1 .* as entry 1, .* and so do 12 movements at least"):
        await node.bring(mapping("bank-2", "keyed"), *month[:13])
    assert node.entries == 12
    # Less than half is no sign there: other customers may have been paid as much on the same days.
    more = [f"{number},bert,2026-09-25,{number}.00" for number in range(25, 30)]
    assert (await node.bring(mapping("bank-3", "keyed"), *month, *more)).posted == 29


async def test_one_movement_among_new_ones_suffices(node: Node) -> None:
    await node.bring(mapping("bank"), *MONTH)
    with pytest.raises(MappingError, match=r"line 2 of the file \('6' of 2026-09-02\) stands in the books as entry 4"):
        await node.bring(mapping("bank-2"), "5,anna,2026-09-02,10.00", "6,bert,2026-09-02,7.00")
    assert node.entries == 4


async def test_bank_that_numbers_anew_is_told_as_well(node: Node) -> None:
    await node.bring(mapping("bank"), *MONTH)
    with pytest.raises(MappingError, match="column 'number'"):
        await node.bring(mapping("bank"), *(f"1{line}" for line in MONTH))


async def test_bank_that_booked_twice_is_believed(node: Node) -> None:
    await node.bring(mapping("bank"), *MONTH)
    assert (await node.bring(mapping("bank-2"), *MONTH, may_repeat=True)).posted == 4


@pytest.mark.parametrize("numbers", ["pseudonyms", "keyed"])
async def test_import_that_broke_off_between_two_equal_movements_goes_on(node: Node, numbers: str) -> None:
    await node.bring(mapping("bank", numbers), MONTH[0])
    report = await node.bring(mapping("bank", numbers), *MONTH)
    assert (report.existed, report.posted) == (1, 3)
    assert (await node.bring(mapping("bank", numbers), *MONTH)).existed == 4


async def test_equal_movements_of_other_customers_are_no_repeat(node: Node) -> None:
    await node.bring(mapping("branch-1"), *MONTH)
    others = [line.replace("anna", "cleo").replace("bert", "dora") for line in MONTH]
    assert (await node.bring(mapping("branch-2"), *others)).posted == 4
    # By keyed hashes nobody can tell customers apart: there all of a file must be found.
    await node.bring(mapping("branch-3", "keyed"), *MONTH, "5,emil,2026-09-03,8.00")


async def test_striped_account_is_looked_at_as_a_whole(node: Node) -> None:
    opened = pb.OpenAccountRequest(account="customer:anna", asset="EUR", normal_side=pb.SIDE_CREDIT, stripes=4)
    await node.client.ask("OpenAccount", opened, pb.OpenAccountResponse)
    await node.bring(mapping("bank"), *MONTH)
    with pytest.raises(MappingError, match="as entry 1, "):
        await node.bring(mapping("bank-2"), "9,anna,2026-09-01,10.00")


async def test_line_that_cannot_be_understood_posts_nothing_before_it(node: Node) -> None:
    with pytest.raises(StatementFormatError, match="line 5"):
        await node.bring(mapping("bank"), *MONTH, "5,anna,2026-09-31,1.00")
    assert node.entries == 0


async def test_many_suspects_are_held_against_the_file_in_parts(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement_repeats, "SUSPECTS_MAX", BATCH_MOVEMENTS)
    lines = [f"{number},anna,2026-09-01,10.00" for number in range(3 * BATCH_MOVEMENTS)]
    await node.bring(mapping("bank"), *lines[:300])
    assert (await node.bring(mapping("bank"), *lines)).posted == len(lines) - 300


@pytest.mark.parametrize(
    ("movements", "told"),
    [
        ([], "movements"),
        ([pb.KeyedMovement(idempotency_key="x")], r"movements\[0\]\.idempotency_key"),
        ([pb.KeyedMovement(idempotency_key=str(uuid.UUID(int=1)), account="a", change_minor="1.0",
                           effective_at=Timestamp(seconds=1))], r"movements\[0\]\.change_minor"),
    ],
)  # fmt: skip
async def test_question_that_cannot_be_understood_is_refused(
    node: Node, movements: list[pb.KeyedMovement], told: str
) -> None:
    code, reason = await node.client.refusal(
        "FindRepeatedMovements", pb.FindRepeatedMovementsRequest(movements=movements)
    )
    assert code is StatusCode.INVALID_ARGUMENT
    assert re.match(told, reason)
