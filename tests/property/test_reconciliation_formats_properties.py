"""Statement files that were damaged or forged on the way: read as something that adds up, or refused with a place.

Method: bytes of sound files are cut, doubled, swapped or replaced, and whole statements are made from random movements.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import StatementFormatError
from ledger.money import Asset
from ledger.reconciliation.records import StatementFile
from ledger.reconciliation.settings import read_settings
from ledger.reconciliation.statement_account import StatementAccount, StatementAccounts
from ledger.reconciliation.statement_files import read_statement_file
from tests.support.shared_data import REPOSITORY

FOLDER = REPOSITORY / "fixtures" / "statements"
ACCOUNTS = read_settings(FOLDER / "correspondent.yaml").accounts
FILES = [(FOLDER / f"correspondent-2026-03.{form}").read_bytes() for form in ("camt053.xml", "mt940")]
PIECES = [
    b"", b"<", b">", b"&", b"\x00", b"\xff", b":", b"\r\n:61:", b":86:", b"-}", b",", b".", b"9" * 30, b"-", b"RD",
    b"CRDT", b"DBIT", b'<Amt Ccy="EUR">1</Amt>', b"<!DOCTYPE a>", b"</Ntry><Ntry>", b"2026-02-30", b"\n",
]  # fmt: skip

edits = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 60), st.sampled_from(PIECES), st.booleans()),
    min_size=1,
    max_size=3,
)


def adds_up(file: StatementFile) -> bool:
    return all(
        statement.opening is not None
        and statement.opening + sum(record.change for record in statement.records) == statement.closing
        for statement in file.statements
    )


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FILES), edits)
def test_damaged_file_adds_up_or_is_refused(data: bytes, changes: list[tuple[int, int, bytes, bool]]) -> None:
    for place, length, piece, keep in changes:
        place %= len(data) + 1
        data = data[:place] + piece + data[place if keep else place + length :]
    try:
        file = read_statement_file(data, ACCOUNTS)
    except StatementFormatError as error:
        assert error.line >= 1
        return
    assert file.statements
    assert adds_up(file)


movements = st.lists(
    st.tuples(
        st.sampled_from(["C", "D", "RC", "RD"]),
        st.integers(1, 10**12),
        st.integers(-40, 40),
        st.text("ABC123-", max_size=16).filter(lambda text: "//" not in text),
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(movements, st.integers(-(10**12), 10**12), st.integers(0, 4), st.dates(date(1981, 1, 1), date(2078, 1, 1)))
def test_mt940_that_was_written_is_read_back(
    rows: list[tuple[str, int, int, str]], opening: int, scale: int, day: date
) -> None:
    signs = {"C": 1, "RD": 1, "D": -1, "RC": -1}

    def money(minor: int) -> str:
        digits = str(abs(minor)).rjust(scale + 1, "0")
        return f"{digits[: len(digits) - scale]},{digits[len(digits) - scale :]}"

    def balance(tag: str, minor: int) -> str:
        return f":{tag}:{'D' if minor < 0 else 'C'}{day:%y%m%d}XXX{money(minor)}"

    closing = opening + sum(signs[mark] * minor for mark, minor, _, _ in rows)
    lines = [":20:X", ":25:A1", ":28C:1", balance("60F", opening)]
    for mark, minor, offset, reference in rows:
        booked = day + timedelta(days=offset)
        lines.append(f":61:{day:%y%m%d}{booked:%m%d}{mark}{money(minor)}NTRF{reference}")
    lines.append(balance("62F", closing))
    accounts = StatementAccounts([StatementAccount("A1", "nostro", Asset("XXX", scale))])
    (statement,) = read_statement_file("\r\n".join(lines).encode(), accounts).statements
    assert (statement.opening, statement.closing) == (opening, closing)
    read = [(record.change, record.value_day, record.booking_day, record.references) for record in statement.records]
    assert read == [
        (signs[mark] * minor, day, day + timedelta(days=offset), (reference,) if reference else ())
        for mark, minor, offset, reference in rows
    ]


@pytest.mark.parametrize("data", FILES, ids=["camt.053", "mt940"])
def test_every_truncated_file_is_refused_or_whole(data: bytes) -> None:
    for length in range(0, len(data), 37):
        try:
            file = read_statement_file(data[:length], ACCOUNTS)
        except StatementFormatError:
            continue
        assert adds_up(file)
