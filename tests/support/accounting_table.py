"""Reads accounting tables: text that an accountant can read, as commands for the books and what must come of them.

A case is a heading, its accounts, and a table. Its columns are the request, its code, and the balances that stand after
it; an empty cell says "as before", ``50 held 20`` says what is reserved of it, ``max`` is the largest amount. Requests:

    1: Dr cash 500, Cr alice 500        an entry with key 1; more after semicolons: linked, captures H1, last capture,
                                        reverses #3, effective 2026-01-31, settlement s-1, text rent, by teller,
                                        with name=value
    H1: hold 80 of alice until 60s      a hold, its deadline in seconds after the beginning
    H1: release
    alice: frozen | floor -50 | no floor | overdraft 100 | ceiling 900 | no ceiling
    close before 2026-02-01 · reopen · wait 60s · sweep · archive

A row that is linked is sent in one call with the row after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tests.support.ledger_model import AMOUNT_MAX, Account, Entry, Leg, Place, Release, Request

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

_LEG = re.compile(r"(Dr|Cr) (\S+) (\d+)")
_HOLD = re.compile(r"H(\d+): hold (\d+) of (\S+) until (\d+)s(; linked)?")
_RELEASE = re.compile(r"H(\d+): release(; linked)?")
_TERMS = re.compile(r"(\S+): (no )?(floor|overdraft|ceiling|open|frozen|closed) ?(-?\d+)?")
_BALANCE = re.compile(r"(-?\d+)(?: held (\d+))?")


@dataclass(frozen=True)
class SetTerms:
    account: str
    terms: dict[str, int | str | None]


@dataclass(frozen=True)
class ClosePeriod:
    before: datetime


@dataclass(frozen=True)
class ReopenPeriod:
    """Take the last close back."""


@dataclass(frozen=True)
class Wait:
    seconds: int


@dataclass(frozen=True)
class Sweep:
    """Give back what holds past their deadline held."""


@dataclass(frozen=True)
class Archive:
    """Archive whatever may go, in books whose partitions hold one entry each."""


Command = Request | SetTerms | ClosePeriod | ReopenPeriod | Wait | Sweep | Archive


@dataclass(frozen=True)
class Step:
    """A row.

    Args:
        command: what is asked.
        code: what must be answered.
        money: balance and held money of each account that the table shows, after it.
    """

    command: Command
    code: str
    money: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Case:
    name: str
    accounts: dict[str, Account]
    steps: list[Step]

    @property
    def partition_entries(self) -> int:
        return 1 if any(isinstance(step.command, Archive) for step in self.steps) else 1_000_000


def read_cases(text: str) -> list[Case]:
    """Return the cases of a text, each begun by a heading ``###``."""
    return [_case(part) for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]]


def _case(text: str) -> Case:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    accounts = dict(_account(line) for line in lines[1:] if not line.startswith("|"))
    head, _, *body = rows
    shown = head[2:]
    money = dict.fromkeys(shown, (0, 0))
    steps = []
    for row in body:
        assert len(row) == len(head), row
        money |= {name: _money(cell) for name, cell in zip(shown, row[2:], strict=True) if cell}
        steps.append(Step(read_command(row[0]), row[1], dict(money)))
    return Case(lines[0], accounts, steps)


def _account(line: str) -> tuple[str, Account]:
    """``alice EUR credit, floor -50, overdraft 10, ceiling 900``; also ``no floor``, ``3 stripes``."""
    head, *terms = line.split(", ")
    name, asset, side = head.split()
    account = Account(asset, side)
    for term in terms:
        if term.endswith(" stripes"):
            account = replace(account, stripes=int(term.removesuffix(" stripes")))
            continue
        command = read_command(f"{name}: {term}")
        assert isinstance(command, SetTerms)
        account = Account(**(vars(account) | command.terms))
    return name, account


def _money(cell: str) -> tuple[int, int]:
    match = _BALANCE.fullmatch(cell.replace("max", str(AMOUNT_MAX)))
    assert match is not None, cell
    return int(match[1]), int(match[2] or 0)


def read_command(text: str) -> Command:
    """Return what a request cell asks."""
    text = text.replace(" max", f" {AMOUNT_MAX}")
    if text == "sweep":
        return Sweep()
    if text == "archive":
        return Archive()
    if text == "reopen":
        return ReopenPeriod()
    if text.startswith("wait "):
        return Wait(int(text.removeprefix("wait ").removesuffix("s")))
    if text.startswith("close before "):
        return ClosePeriod(_time(text.removeprefix("close before ")))
    if match := _HOLD.fullmatch(text):
        number, amount, account, seconds, linked = match.groups()
        return Place(int(number), account, int(amount), START + timedelta(seconds=int(seconds)), bool(linked))
    if match := _RELEASE.fullmatch(text):
        return Release(int(match[1]), bool(match[2]))
    if match := _TERMS.fullmatch(text):
        account, none, term, value = match.groups()
        if term in ("open", "frozen", "closed"):
            return SetTerms(account, {"status": term})
        return SetTerms(account, {term: None if none else int(value)})
    return _entry(text)


def _entry(text: str) -> Entry:
    key, _, rest = text.partition(": ")
    legs, *more = rest.split("; ")
    made = []
    for leg in legs.split(", "):
        match = _LEG.fullmatch(leg)
        assert match is not None, text
        made.append(Leg(match[2], "debit" if match[1] == "Dr" else "credit", int(match[3])))
    fields: dict[str, object] = {}
    for part in more:
        fields |= _field(part)
    return Entry(int(key), tuple(made), **fields)


def _field(text: str) -> dict[str, object]:
    word, _, value = text.partition(" ")
    match word:
        case "linked":
            return {"linked": True}
        case "last":
            return {"hold_final": True}
        case "captures":
            return {"hold": int(value.removeprefix("H"))}
        case "reverses":
            return {"reverses": int(value.removeprefix("#"))}
        case "effective":
            return {"effective_at": _time(value)}
        case "with":
            return {"metadata": tuple(tuple(pair.split("=")) for pair in value.split(" "))}
    return {{"settlement": "settlement_id", "text": "description", "by": "actor"}[word]: value}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
