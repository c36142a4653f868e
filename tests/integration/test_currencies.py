"""Assets, rates and exchanges in a real database: registering is recorded, nothing changes afterwards, and the audit in
SQL derives the same amounts as the rules in Python, or says what is wrong."""

from __future__ import annotations

import doctest
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.account import NewAccount, Side, Terms
from ledger.balances import find_account, open_new_account
from ledger.currency import (
    OpenPosition,
    audit_exchanges,
    find_asset,
    list_assets,
    open_position,
    rate_at,
    record_rate,
    register_asset,
)
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.exchange import Leg, Position, Rate, Rounding, exchange, revaluation, revaluation_reversal, round_ratio
from ledger.journal import NewEntry, Posting, ResultCode, transfer
from ledger.money import Asset
from ledger.posting import Writer
from ledger.schema import migrate
from ledger.statements import find_entry
from tests.support.books import START, Clock, key, open_accounts, open_writer
from tests.support.shared_data import REPOSITORY

Connection = psycopg.Connection[Any]

EUR, USD, JPY = Asset("EUR", 2), Asset("USD", 2), Asset("JPY", 0)
ACCOUNTS = """
ann:eur            EUR credit -
ann:usd            USD credit -
fx:EUR             EUR credit -
fx:EUR:USD         USD debit  -
fx:EUR:revaluation USD debit  -
income:fx          USD credit -
expense:fx         USD debit  -
"""
POSITION = Position("fx:EUR", "fx:EUR:USD", "fx:EUR:revaluation", "income:fx", "expense:fx")
EUR_LEG, USD_LEG = Leg("EUR", "ann:eur", "fx:EUR"), Leg("USD", "ann:usd", "fx:EUR:USD")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as made:
        migrate(made)
        yield made


def rate_of(text: str, quoted_at: datetime = START, source: str = "ECB") -> Rate:
    return Rate(EUR, USD, text, source, quoted_at)


def test_currencies_of_iso_4217_are_registered_with_their_digits(connection: Connection) -> None:
    known = {found.asset.code: found for found in list_assets(connection)}
    digits = {
        "EUR": 2,
        "JPY": 0,
        "KWD": 3,
        "CLF": 4,
        "UYW": 4,
        "UGX": 0,
        "IQD": 3,
        "XCG": 2,
        "ZWG": 2,
        "CHE": 2,
        "XOF": 0,
    }
    assert {code: known[code].asset.scale for code in digits} == digits
    assert len([code for code in known if len(code) == 3]) == len(known) == 166
    assert {(found.actor, found.reason) for found in known.values()} == {("dwaybank", "ISO 4217")}
    assert not {"XAU", "XDR", "XTS", "XXX"} & set(known)


def test_registering_an_asset_is_recorded_once_and_never_changes(connection: Connection) -> None:
    def register(scale: int) -> bool:
        return register_asset(connection, "GWEI", scale, actor="treasury", reason="custody of Ether", now=START)

    assert register(9)
    assert not register(9)
    with pytest.raises(ConflictError, match="has 9 digits for ever"):
        register(18)
    assert find_asset(connection, "GWEI") == Asset("GWEI", 9)
    (found,) = list_assets(connection, after="GWEH", count_max=1)
    assert (found.asset.code, found.actor, found.reason, found.at) == ("GWEI", "treasury", "custody of Ether", START)
    for statement in (
        "UPDATE ledger.asset SET scale = 3 WHERE code = 'EUR'",
        "UPDATE ledger.asset SET code = 'EURO' WHERE code = 'EUR'",
        "DELETE FROM ledger.asset WHERE code = 'ZWG'",
        "UPDATE ledger.asset_registration SET actor = 'me'",
        "TRUNCATE ledger.fx_rate",
    ):
        with pytest.raises(psycopg.Error, match="history cannot be edited"):
            connection.execute(statement.encode())


def test_malformed_registration_is_refused_with_its_field(connection: Connection) -> None:
    for code, scale, actor, reason, field in (
        ("eth", 18, "a", "r", "asset"),
        ("E", 18, "a", "r", "asset"),
        ("ETH", 19, "a", "r", "scale"),
        ("ETH", -1, "a", "r", "scale"),
        ("ETH", 18, "", "r", "actor"),
        ("ETH", 18, "a", "", "reason"),
        ("ETH", 18, "a", "x\x00", "reason"),
    ):
        with pytest.raises(InvalidValueError) as refused:
            register_asset(connection, code, scale, actor=actor, reason=reason, now=START)
        assert refused.value.field == field


def test_rates_are_kept_as_they_came_and_the_newest_counts(connection: Connection) -> None:
    def keep(text: str, hours: int, received: int, source: str = "ECB") -> bool:
        quoted = START + timedelta(hours=hours)
        return record_rate(
            connection, rate_of(text, quoted, source), actor="feed", now=START + timedelta(hours=received)
        )

    assert keep("1.08", 0, 1)
    assert not keep("1.08", 0, 9)
    assert keep("1.0900", 2, 2)
    assert keep("1.091", 2, 3)  # the source corrects itself
    assert keep("2", 2, 3, "OTHER")
    assert rate_at(connection, "EUR", "USD", "ECB", START + timedelta(hours=1)) == rate_of("1.08")
    assert rate_at(connection, "EUR", "USD", "ECB", START + timedelta(hours=2)).text == "1.091"
    with pytest.raises(NotFoundError, match="no rate EUR/USD of ECB"):
        rate_at(connection, "EUR", "USD", "ECB", START - timedelta(seconds=1))
    with pytest.raises(NotFoundError, match="no rate USD/EUR"):
        rate_at(connection, "USD", "EUR", "ECB", START)
    with pytest.raises(NotFoundError, match="EUR is not registered with 3 digits"):
        record_rate(connection, Rate(Asset("EUR", 3), USD, "1", "ECB", START), actor="feed", now=START)
    with pytest.raises(psycopg.Error, match="history cannot be edited"):
        connection.execute("UPDATE ledger.fx_rate SET rate = '9'")


def test_database_reads_a_rate_as_python_does(connection: Connection) -> None:
    for text in ("1.0843", "10843/10000", "0.000000000000000001", "999999999999999999/7"):
        row = connection.execute("SELECT ledger.fx_ratio(%s)", (text,)).fetchone()
        assert row is not None
        assert Fraction(int(row[0][0]), int(row[0][1])) == Fraction(text)
    for text in ("0", "0.0", "1/0", "0/1", "x", "1.", ".5", "-1", "1e3", ""):
        assert connection.execute("SELECT ledger.fx_ratio(%s)", (text,)).fetchone() == (None,), text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    amount=st.one_of(st.integers(-(10**6), 10**6), st.integers(-(10**18), 10**18)),
    numerator=st.integers(1, 10**9),
    denominator=st.one_of(st.integers(1, 10**9), st.sampled_from([1, 2, 4, 8, 200])),
    inverse=st.booleans(),
    scales=st.tuples(st.integers(0, 18), st.integers(0, 18)),
    rounding=st.sampled_from(Rounding),
)
def test_database_converts_as_python_does(
    connection: Connection,
    amount: int,
    numerator: int,
    denominator: int,
    inverse: bool,
    scales: tuple[int, int],
    rounding: Rounding,
) -> None:
    rate = f"{numerator}/{denominator}"
    arguments = (amount, rate, inverse, *scales, rounding.value)
    row = connection.execute("SELECT ledger.fx_convert(%s, %s, %s, %s, %s, %s)", arguments).fetchone()
    assert row is not None
    ratio = Fraction(denominator, numerator) if inverse else Fraction(numerator, denominator)
    assert int(row[0]) == round_ratio(amount * ratio * Fraction(10) ** (scales[1] - scales[0]), rounding)


# Through the writer -------------------------------------------------------------------------------------------------


@pytest.fixture
def writer(database_url: str) -> Iterator[Writer]:
    with open_writer(database_url, Clock()) as made:
        with psycopg.connect(database_url, autocommit=True) as connection:
            open_accounts(connection, ACCOUNTS)
        yield made


def posted(writer: Writer, entry: NewEntry | None) -> int:
    assert entry is not None
    (result,) = writer.post([entry])
    assert result.code is ResultCode.POSTED
    assert result.seq is not None
    return int(result.seq)


def test_exchange_is_posted_and_stands_up_to_the_audit(writer: Writer, connection: Connection) -> None:
    rate = rate_of("1.0843")
    record_rate(connection, rate, actor="feed", now=START)
    for number, (amount, asset, rounding) in enumerate(
        [
            (100_00, "EUR", Rounding.HALF_EVEN),
            (99_99, "USD", Rounding.UP),
            (1, "EUR", Rounding.DOWN),
            (77, "USD", Rounding.DOWN),
        ]
    ):
        entry = exchange(key(number), rate, amount, asset, debit=EUR_LEG, credit=USD_LEG, rounding=rounding)
        posted(writer, entry)
    assert audit_exchanges(connection) == []
    row = connection.execute("SELECT count(*) FROM ledger.rate_audit WHERE kind = 'exchange'").fetchone()
    assert row == (4,)
    for role in ("dwaybank_application", "dwaybank_reader"):
        connection.execute(f"SET ROLE {role}".encode())
        assert audit_exchanges(connection) == []
    connection.execute("RESET ROLE")
    assert find_account(connection, "fx:EUR").balance == -find_account(connection, "ann:eur").balance
    assert find_account(connection, "fx:EUR:USD").balance == find_account(connection, "ann:usd").balance


def test_exchange_that_stripes_bear_in_parts_stands_up_to_the_audit(writer: Writer, connection: Connection) -> None:
    for reference, side in (("till", Side.DEBIT), ("pool", Side.CREDIT)):
        new = NewAccount(reference, "EUR", side, Terms(0 if side is Side.CREDIT else None), stripes=2)
        open_new_account(connection, new, now=START)
    for number in (1, 2):
        posted(writer, transfer(key(number), "till", "pool", 50_00))
    rate = rate_of("1.0843")
    record_rate(connection, rate, actor="feed", now=START)
    entry = exchange(key(3), rate, 90_00, "EUR", debit=Leg("EUR", "pool", "fx:EUR"), credit=USD_LEG)
    assert [len(find_entry(connection, posted(writer, entry)).postings), audit_exchanges(connection)] == [5, []]


def forged(number: int, changes: dict[str, str], eur: int = 100_00, usd: int = 108_43) -> NewEntry:
    """An exchange with its evidence or amounts changed, as whoever does not use ``exchange`` could post it."""
    honest = exchange(key(number), rate_of("1.0843"), 100_00, "EUR", debit=EUR_LEG, credit=USD_LEG)
    amounts = {"EUR": eur, "USD": usd}
    postings = tuple(
        Posting(leg.account, leg.side, amounts["EUR" if leg.account in ("ann:eur", "fx:EUR") else "USD"])
        for leg in honest.postings
    )
    pairs = {name: value for name, value in {**dict(honest.metadata), **changes}.items() if value}
    return NewEntry(key(number), postings, metadata=tuple(sorted(pairs.items())))


WRONG = [
    ({}, 100_00, 108_44, "its amount is 10844, the rate gives 10843"),
    ({"fx.given": "USD"}, 99_99, 108_43, "its amount is 9999, the rate gives 10000"),
    ({"fx.rate": "1.0844"}, 100_00, 108_44, "its rate is not on record"),
    ({"fx.source": "BACKROOM"}, 100_00, 108_43, "its rate is not on record"),
    ({"fx.quoted_at": "yesterday"}, 100_00, 108_43, "its rate is not on record"),
    ({"fx.rate": "1,0843"}, 100_00, 108_43, "its rate, rounding or amounts are malformed or missing"),
    ({"fx.rate": ""}, 100_00, 108_43, "its rate, rounding or amounts are malformed or missing"),
    ({"fx.rounding": "nicely"}, 100_00, 108_43, "its rate, rounding or amounts are malformed or missing"),
    ({"fx.given": "JPY"}, 100_00, 108_43, "its rate, rounding or amounts are malformed or missing"),
    ({"fx.pair": "EUR/JPY"}, 100_00, 108_43, "its postings are not those of its kind and pair"),
    ({"fx.pair": "EUR"}, 100_00, 108_43, "its postings are not those of its kind and pair"),
    ({"fx": "revaluation"}, 100_00, 108_43, "its postings are not those of its kind and pair"),
]


def test_exchange_that_does_not_follow_from_its_rate_is_named_by_the_audit(
    writer: Writer, connection: Connection
) -> None:
    record_rate(connection, rate_of("1.0843"), actor="feed", now=START)
    posted(writer, forged(1, {}))
    expected = []
    for number, (changes, eur, usd, problem) in enumerate(WRONG, start=2):
        expected.append((posted(writer, forged(number, changes, eur, usd)), problem))
    odd = (Posting("ann:eur", Side.DEBIT, 30), Posting("fx:EUR", Side.CREDIT, 10), Posting("fx:EUR", Side.CREDIT, 20))
    pairs = forged(1, {}).metadata
    expected.append((posted(writer, NewEntry(key(99), odd, metadata=pairs)), WRONG[-1][-1]))
    assert [(finding.seq, finding.problem) for finding in audit_exchanges(connection)] == expected


def test_revaluation_brings_a_position_to_its_value_once_and_can_be_taken_back(
    writer: Writer, connection: Connection
) -> None:
    closing = START + timedelta(hours=8)
    trade, close = rate_of("1.0843"), rate_of("1.09", closing)
    for rate in (trade, close):
        record_rate(connection, rate, actor="feed", now=START)
    bought = exchange(key(1), trade, 100_00, "EUR", debit=EUR_LEG, credit=USD_LEG, effective_at=START)
    posted(writer, bought)

    def entry(revision: int = 0, at: datetime = closing) -> NewEntry | None:
        found = open_position(connection, POSITION, close, at)
        return revaluation(
            POSITION,
            amount=found.amount,
            carried=found.carried,
            rate=close,
            on=date(2026, 3, 2),
            effective_at=closing,
            revision=revision,
        )

    assert open_position(connection, POSITION, close, START - timedelta(hours=1)) == OpenPosition(0, 0)
    assert open_position(connection, POSITION, close, closing) == OpenPosition(100_00, 108_43)
    first = entry()
    assert first is not None
    seq = posted(writer, first)
    assert find_account(connection, "income:fx").balance == 57
    assert entry() is None
    assert writer.post([first])[0].code is ResultCode.EXISTS

    # A trade that is booked late changes the day's position: the next revision posts the difference.
    posted(writer, exchange(key(2), trade, 50_00, "EUR", debit=EUR_LEG, credit=USD_LEG, effective_at=START))
    late = entry()
    assert late is not None
    assert writer.post([late])[0].code is ResultCode.EXISTS_WITH_DIFFERENT_BODY
    posted(writer, entry(revision=1))
    assert open_position(connection, POSITION, close, closing) == OpenPosition(150_00, 163_50)
    assert audit_exchanges(connection) == []

    posted(writer, revaluation_reversal(first, seq, closing + timedelta(hours=2)))
    (again,) = writer.post([revaluation_reversal(first, seq, closing + timedelta(hours=2))])
    assert again.code is ResultCode.EXISTS
    (twice,) = writer.post(
        [NewEntry(uuid.UUID(int=77), revaluation_reversal(first, seq, closing).postings, reverses=seq)]
    )
    assert twice.code is ResultCode.EXCEEDS_ORIGINAL
    assert find_account(connection, "income:fx").balance == 163_50 - 162_65 - 57


def test_position_over_accounts_that_do_not_fit_is_refused(writer: Writer, connection: Connection) -> None:
    with pytest.raises(NotFoundError, match="'fx:GBP' does not exist"):
        open_position(connection, Position("fx:GBP", "fx:EUR:USD", "fx:EUR:revaluation", "g", "l"), rate_of("1"), START)
    with pytest.raises(InvalidValueError, match="counts USD, the rate needs EUR"):
        open_position(
            connection, Position("ann:usd", "fx:EUR:USD", "fx:EUR:revaluation", "g", "l"), rate_of("1"), START
        )


def test_wrong_revaluation_is_named_by_the_audit(writer: Writer, connection: Connection) -> None:
    close = rate_of("1.09", datetime(2026, 3, 31, 22, tzinfo=UTC))
    record_rate(connection, close, actor="feed", now=START)
    more: dict[str, Any] = {"rate": close, "on": date(2026, 3, 31), "effective_at": START}
    honest = revaluation(POSITION, amount=100_00, carried=108_43, **more)
    assert honest is not None
    pairs = {**dict(honest.metadata), "fx.carried": "10800"}
    seq = posted(writer, NewEntry(key(5), honest.postings, metadata=tuple(sorted(pairs.items()))))
    pairs["fx.carried"] = "nothing"
    malformed = posted(writer, NewEntry(key(6), honest.postings, metadata=tuple(sorted(pairs.items()))))
    assert [(finding.seq, finding.problem) for finding in audit_exchanges(connection)] == [
        (seq, "its amount is 57, the rate gives 100"),
        (malformed, "its rate, rounding or amounts are malformed or missing"),
    ]


def test_examples_of_the_page_are_true(writer: Writer, connection: Connection) -> None:
    known = {"connection": connection, "writer": writer, "now": START, "uuid": uuid}
    page = str(REPOSITORY / "docs" / "currencies.md")
    result = doctest.testfile(page, module_relative=False, globs=known)
    assert result.attempted > 30
    assert result.failed == 0
