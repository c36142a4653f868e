"""Assets and rates in the books' database: what may be counted, with how many digits, and what it was worth to whom.

Rules:
- every active currency of ISO 4217 is registered from the start; anything else is registered by someone for a reason,
  and that act is kept. Code and scale of an asset never change;
- amounts are 64 bits of minor units, so an asset of 18 digits holds 4.6 units: register it with fewer digits;
- rates are evidence: kept as they came, with source, time of the quote and time of receipt, never changed. A source
  that corrects itself leaves both on record; the one received last counts;
- the audit derives the amounts of every exchange and revaluation again, in SQL, independently of ``ledger.exchange``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ledger.account import Side, check_actor
from ledger.balances import find_account
from ledger.balances_in_time import seq_at
from ledger.errors import ConflictError, InvalidValueError, MappingError, NotFoundError
from ledger.exchange import Position, Rate
from ledger.money import ASSET_CODE, SCALE_MAX, Asset
from ledger.queries import query

PAGE_SIZE_MAX = 1000
"""Most assets or findings of one answer."""

REASON_LENGTH_MAX = 256
"""Longest reason of a registration, in characters."""


@dataclass(frozen=True, slots=True)
class RegisteredAsset:
    """An asset with the act that registered it."""

    asset: Asset
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExchangeFinding:
    """An entry whose amounts do not follow from the rate it names.

    Args:
        seq: its number.
        problem: what is wrong with it.
    """

    seq: int
    problem: str


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position as it stood at a moment.

    Args:
        amount: minor units of the foreign asset; above zero when the bank is long.
        carried: minor units of the reporting asset it stands at.
    """

    amount: int
    carried: int


def register_asset(
    connection: psycopg.Connection[Any], code: str, scale: int, *, actor: str, reason: str, now: datetime
) -> bool:
    """Make an asset known; return whether it is new.

    Args:
        connection: the books' database.
        code: 2 to 16 upper-case letters and digits.
        scale: decimal digits of the minor unit, 0 to 18; it can never be changed.
        actor: pseudonym of who asks.
        reason: why, for the record.
        now: the time.
    Raises:
        InvalidValueError: a malformed code, scale, actor or reason.
        ConflictError: the asset is known with another scale.
    """
    if not ASSET_CODE.fullmatch(code):
        raise InvalidValueError("asset", code, "use 2 to 16 upper-case letters and digits, a letter first")
    if not 0 <= scale <= SCALE_MAX:
        raise InvalidValueError("scale", scale, f"give 0 to {SCALE_MAX} digits")
    check_actor(actor)
    if not reason.isprintable() or not 1 <= len(reason) <= REASON_LENGTH_MAX:
        raise InvalidValueError("reason", reason, f"give 1 to {REASON_LENGTH_MAX} printable characters")
    arguments = (code, scale, actor, reason, now)
    answer = _one(connection, b"SELECT ledger.asset_register(%s, %s::smallint, %s, %s, %s)", arguments)
    if answer == "exists_with_other_scale":
        known = find_asset(connection, code)
        raise ConflictError(f"asset {code} has {known.scale} digits for ever: register another code for {scale}")
    return bool(answer == "created")


def find_asset(connection: psycopg.Connection[Any], code: str) -> Asset:
    """Return a registered asset.

    Raises:
        NotFoundError: there is none of that code.
    """
    row = None
    if ASSET_CODE.fullmatch(code):
        row = connection.execute("SELECT code, scale FROM ledger.asset WHERE code = %s", (code,)).fetchone()
    if row is None:
        raise NotFoundError(f"asset {code!r} is not registered")
    return Asset(*row)


def check_digits(connection: psycopg.Connection[Any], assets: Iterable[Asset]) -> None:
    """Let pass assets that a settings file or mapping counts as the books do; unknown ones have no account anyway.

    Raises:
        MappingError: one is registered with other digits: each of its amounts would be another by a power of ten.
    """
    given = {asset.code: asset for asset in assets}
    known = connection.execute("SELECT code, scale FROM ledger.asset WHERE code = ANY(%s)", (list(given),))
    for code, scale in known:
        refuse_other_digits(given[code], scale, f"of asset {code}")


def refuse_other_digits(asset: Asset, registered_scale: int, setting: str) -> None:
    """Raise if an asset has other digits than the one of its code that is registered.

    Raises:
        MappingError: it has.
    """
    if asset.scale != registered_scale:
        reason = f"is {asset.scale} digits; the books count {asset.code} with {registered_scale}: give that"
        raise MappingError(setting, reason)


def list_assets(
    connection: psycopg.Connection[Any], *, after: str = "", count_max: int = PAGE_SIZE_MAX
) -> list[RegisteredAsset]:
    """Return registered assets in the order of their codes, from the one after ``after``."""
    rows = connection.execute(query("assets"), (after, _page(count_max)))
    return [RegisteredAsset(Asset(code, scale), *registration) for code, scale, *registration in rows]


def record_rate(connection: psycopg.Connection[Any], rate: Rate, *, actor: str, now: datetime) -> bool:
    """Keep a rate as evidence; return whether it is new.

    Args:
        connection: the books' database.
        rate: as it was quoted.
        actor: pseudonym of who or what received it.
        now: when it was received.
    Raises:
        NotFoundError: an asset of the pair is not registered with that scale.
        InvalidValueError: a malformed actor.
    """
    check_actor(actor)
    for asset in (rate.base, rate.quote):
        if find_asset(connection, asset.code) != asset:
            raise NotFoundError(f"asset {asset.code} is not registered with {asset.scale} digits")
    arguments = (rate.base.code, rate.quote.code, rate.text, rate.source, rate.quoted_at, now, actor)
    return bool(_one(connection, query("fx_record_rate"), arguments) == "created")


def rate_at(
    connection: psycopg.Connection[Any],
    base: str,
    quote: str,
    source: str,
    at: datetime,
    *,
    known_at: datetime | None = None,
) -> Rate:
    """Return the newest rate of a source that was quoted no later than a moment.

    Args:
        known_at: as it would have been found then; None for now.
    Raises:
        NotFoundError: the source had quoted none.
    """
    row = connection.execute(query("fx_rate_at"), (base, quote, source, at, known_at)).fetchone()
    if row is None:
        raise NotFoundError(f"no rate {base}/{quote} of {source} is on record for {at.isoformat()} or before")
    base_code, base_scale, quote_code, quote_scale, *quoted = row
    return Rate(Asset(base_code, base_scale), Asset(quote_code, quote_scale), *quoted)


def open_position(connection: psycopg.Connection[Any], position: Position, rate: Rate, at: datetime) -> OpenPosition:
    """Return a position as of a moment, by effective time, ready for ``exchange.revaluation``.

    Raises:
        NotFoundError: one of its accounts does not exist.
        InvalidValueError: one of them counts another asset than the rate's.
    """
    known = seq_at(connection, "infinity")  # the same entries for all three, whatever is posted meanwhile
    amount = _credit_balance(connection, position.account, rate.base, known, at)
    paid = _credit_balance(connection, position.counter, rate.quote, known, at)
    revalued = _credit_balance(connection, position.revaluation, rate.quote, known, at)
    return OpenPosition(amount, -paid - revalued)


def _credit_balance(
    connection: psycopg.Connection[Any], reference: str, asset: Asset, known_seq: int, at: datetime
) -> int:
    facts = find_account(connection, reference).facts
    if facts.asset != asset:
        raise InvalidValueError("account", reference, f"counts {facts.asset.code}, the rate needs {asset.code}")
    given = {"account": facts.id, "known_seq": known_seq, "effective_at": at}
    balance = int(_one(connection, query("balance_at"), given))
    return balance if facts.normal_side is Side.CREDIT else -balance


def audit_exchanges(connection: psycopg.Connection[Any], count_max: int = PAGE_SIZE_MAX) -> list[ExchangeFinding]:
    """Return entries made at a rate whose amounts do not follow from it, or whose rate is not on record."""
    return [
        ExchangeFinding(seq, problem) for seq, problem in connection.execute(query("rate_audit"), (_page(count_max),))
    ]


def _page(count_max: int) -> int:
    if not 1 <= count_max <= PAGE_SIZE_MAX:
        raise InvalidValueError("page_size", count_max, f"give 1 to {PAGE_SIZE_MAX}")
    return count_max


def _one(connection: psycopg.Connection[Any], text: bytes, arguments: tuple[Any, ...] | dict[str, Any]) -> Any:
    row = connection.execute(text, arguments).fetchone()
    assert row is not None
    return row[0]
