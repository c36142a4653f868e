"""``dwaybank iso20022 check`` and ``order``, and the page of the documents: what needs no consortium."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
from pathlib import Path

import pytest

from node.errors import ConfigurationError
from node.iso20022 import write_message
from tests.support.command_line import invoke
from tests.support.iso20022 import REPORT
from tests.support.page_commands import fits, page_commands
from tests.support.shared_data import REPOSITORY

PAGE = REPOSITORY / "docs" / "iso-20022.md"
ORDER = REPOSITORY / "fixtures" / "iso20022" / "payment-order.pacs008.xml"
DIRECTORY = REPOSITORY / "fixtures" / "iso20022" / "directory.yaml"


def command(*arguments: str | Path) -> tuple[int, str]:
    done = invoke(["iso20022", *map(str, arguments)])
    return done.exit_code, done.output


def test_offline_commands_of_the_page_print_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    offline = [
        (asked, shown)
        for asked, shown in page_commands(PAGE)
        if asked.startswith(("iso20022 check fixtures", "iso20022 order"))
    ]
    assert len(offline) >= 3
    for asked, shown in offline:
        _, printed = command(*shlex.split(asked)[1:])
        assert fits(shown, printed), (asked, printed)


def test_program_of_the_page_prints_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    found = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(found[1], str(PAGE), "exec"), {})
    assert printed.getvalue() == found[2]


def test_refusal_is_told_with_its_place_for_people_and_for_programs(tmp_path: Path) -> None:
    bad = tmp_path / "bad.xml"
    bad.write_text(ORDER.read_text(encoding="utf-8").replace("125.50", "125.505"), encoding="utf-8")
    code, printed = command("check", bad)
    assert code == 1
    assert printed.startswith("refused, answer CH20: line 17, Document/FIToFICstmrCdtTrf/CdtTrfTxInf/IntrBkSttlmAmt: ")
    code, printed = command("check", bad, "--json")
    told = json.loads(printed)
    assert (code, told["accepted"], told["code"], told["line"]) == (1, False, "CH20", 17)
    assert (told["value"], told["path"].rpartition("/")[2]) == ("125.505 EUR", "IntrBkSttlmAmt")


def test_accepted_message_is_told_as_json() -> None:
    code, printed = command("check", ORDER, "--json")
    told = json.loads(printed)
    assert (code, told["accepted"], told["message"]) == (0, True, "pacs.008.001.08")
    assert told["says"]["CdtTrfTxInf/IntrBkSttlmAmt"] == "125.50 EUR"


def test_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"none\.xml"):
        command("order", ORDER.parent / "none.xml", "--directory", DIRECTORY)


def test_order_for_another_day_or_from_another_message_is_refused(tmp_path: Path) -> None:
    (tmp_path / "status.xml").write_bytes(write_message(REPORT))
    code, printed = command("order", tmp_path / "status.xml", "--directory", DIRECTORY)
    assert (code, printed.startswith("refused, answer AG03: Document: 'pacs.002.001.10' is no order")) == (1, True)
    code, printed = command("order", ORDER, "--directory", DIRECTORY)
    assert (code, printed.startswith("refused, answer DT05")) == (1, True)
