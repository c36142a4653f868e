"""The example of docs/iso-20022.md, run as it stands: orders checked, paid and answered, and a statement written.

Method: every command of the page on the consortium that all journeys share. The page's period becomes yesterday until
now, its files lie in a folder of the test's own.
"""

from __future__ import annotations

import shlex
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

from node.iso20022 import read_message
from node.iso20022.catalogue import type_of
from node.iso20022.content import AccountStatement, Status, StatusReport
from tests.support.consortium import RunningConsortium, dwaybank
from tests.support.iso20022 import UETR, schema_error
from tests.support.page_commands import fits, page_commands
from tests.support.shared_data import REPOSITORY

PAGE = REPOSITORY / "docs" / "iso-20022.md"
EXAMPLE = REPOSITORY / "fixtures" / "iso20022"
PATIENCE_S = 60.0


def run(consortium: RunningConsortium, command: str, folder: Path) -> str:
    """What a command of the page prints, without the folder's name."""
    asked = shlex.split(command)
    if "--from" in asked:
        now = datetime.now(UTC)
        asked[asked.index("--from") + 1] = (now - timedelta(days=1)).isoformat()
        asked[asked.index("--to") + 1] = now.isoformat()
    asked = [str(folder / part) if part in ("status.xml", "statement.xml") else part for part in asked]
    offline = asked[0] == "iso20022" and asked[1] in ("check", "order")
    done = dwaybank(*asked) if offline else consortium.command(*asked)
    return (done.stdout + done.stderr).replace(f"{folder}/", "")


def test_the_page_shows_what_happens(consortium: RunningConsortium, tmp_path: Path) -> None:
    ran = 0
    for command, shown in page_commands(PAGE):
        found, deadline = run(consortium, command, tmp_path), time.monotonic() + PATIENCE_S
        # A payment on a busy machine may first be answered as under way; sending it again pays nothing.
        while not fits(shown, found) and "iso20022 send" in command and time.monotonic() < deadline:
            found = run(consortium, command, tmp_path)
        assert fits(shown, found), (command, found)
        ran += 1
    assert ran > 10

    written = [(tmp_path / name).read_bytes() for name in ("status.xml", "statement.xml")]
    report, statement = map(read_message, written)
    assert isinstance(report, StatusReport)
    assert isinstance(statement, AccountStatement)
    assert report.original_uetr == UETR
    assert report.servicer_reference == statement.entries[1].reference
    assert [schema_error(type_of(read_message(data)), data) for data in written] == ["", ""]

    asked_again = consortium.command(
        "iso20022", "answer", EXAMPLE / "payment-order.pacs008.xml", "--answer", tmp_path / "again.xml"
    )
    assert asked_again.returncode == 0, asked_again
    again = read_message((tmp_path / "again.xml").read_bytes())
    assert isinstance(again, StatusReport)
    assert (again.status, again.original_uetr) == (Status.CREDITED, UETR)

    other = tmp_path / "other.xml"
    order = (EXAMPLE / "payment-order.pacs008.xml").read_text(encoding="utf-8")
    other.write_text(order.replace("125.50", "12.50"), encoding="utf-8")
    refused, answer = send(consortium, other, tmp_path)
    assert "refused, answer DU03" in refused.stdout, refused
    assert (answer.status, answer.original_uetr) == (Status.REJECTED, UETR)
    # Asked again it is not answered by what became of the payment that its UETR stands for.
    asked = consortium.command("iso20022", "answer", other, "--answer", tmp_path / "never.xml")
    assert (asked.returncode, "DU03" in asked.stdout, (tmp_path / "never.xml").exists()) == (1, True, False), asked


def send(consortium: RunningConsortium, order: Path, folder: Path) -> tuple[CompletedProcess[str], StatusReport]:
    answer = folder / "answer.xml"
    done = consortium.command(
        "iso20022", "send", order, "--directory", EXAMPLE / "directory.yaml", "--day", "2026-03-02", "--answer", answer
    )
    assert done.returncode == 1
    report = read_message(answer.read_bytes())
    assert isinstance(report, StatusReport)
    return done, report


def test_order_that_is_refused_is_answered(consortium: RunningConsortium, tmp_path: Path) -> None:
    order = tmp_path / "order.xml"
    sound = (EXAMPLE / "payment-order.pacs008.xml").read_text(encoding="utf-8")
    order.write_text(sound.replace("<ChrgBr>", "<XchgRate>1.1</XchgRate><ChrgBr>"), encoding="utf-8")
    done, report = send(consortium, order, tmp_path)
    assert "refused, answer CH17" in done.stdout
    assert "CdtTrfTxInf/XchgRate" in done.stdout
    assert (report.status, report.original_message_id) == (Status.REJECTED, "DWAY-2026-0001")
