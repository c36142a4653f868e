"""Tenants in the database: what one of them reads is his, whatever he asks, and nothing tells him of others.

Method: two tenants with everything that books can hold (``tests/support/tenancy.py``); the catalogue is walked, so
that a table, view or function that comes later is judged too; real logins try to see more than theirs.
"""

from __future__ import annotations

import doctest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from ledger import tenants
from ledger.audit import verify_books
from ledger.balances import find_account, list_accounts, trial_balance
from ledger.balances_in_time import balance_at, trial_balance_at
from ledger.errors import ConflictError, InvalidValueError, NotFoundError
from ledger.metadata import list_alias_changes, search_accounts
from ledger.migrate import apply_migrations
from ledger.outbox import START as OUTBOX_START
from ledger.outbox import read_page
from ledger.queries import SQL_FOLDER
from ledger.schema import migrate
from ledger.statements import effect_page, find_entry, statement_page
from ledger.structure import code_balances, list_books, open_book
from ledger.tenants import bind_login, create_tenant, give_book, list_changes, list_tenants, seen_by
from node.postgres import PostgresCluster
from tests.support.books import START, key
from tests.support.tenancy import (
    ACME,
    BOLT,
    CLEARED,
    OPERATOR,
    SPANNING,
    TENANTS,
    acting_for,
    fill,
    make_login,
    schedule_of,
)

Connection = psycopg.Connection[Any]

REFERENCE_DATA = {"ledger.asset"}
"""Relations that are the same for every tenant."""

FUNCTIONS = {
    "balance_seen", "chart_document", "chart_refusal", "chart_rule_of", "known_seq", "opening_of", "outbox_page",
    "refuse_archived_accounts", "refuse_archived_entry", "salt_of", "sees_all", "sees_entry", "sees_schedule",
    "statement_by_effect", "statement_page", "striped_page", "tenant_books", "trial_balance_seen",
}  # fmt: skip
"""What a tenant may call; each is tried below with what is not his."""

READABLE = """
    SELECT class.oid, namespace.nspname || '.' || class.relname, class.relkind, class.relrowsecurity,
        coalesce(class.reloptions, '{}')
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f') AND namespace.nspname !~ '^(pg_|information_schema)'
        AND (
            has_table_privilege('dwaybank_tenant', class.oid, 'SELECT')
            OR has_any_column_privilege('dwaybank_tenant', class.oid, 'SELECT')
        )
    ORDER BY 2
"""


@pytest.fixture(scope="module")
def url(postgres_cluster: PostgresCluster) -> Iterator[str]:
    url = postgres_cluster.create_empty_database("tenants")
    fill(url)
    with psycopg.connect(url, autocommit=True) as connection:
        make_login(connection, "acme_reports", ACME)
        make_login(connection, "nobodys_reports", None)
    yield url
    with psycopg.connect(postgres_cluster.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE tenants WITH (FORCE)")
        connection.execute("DROP ROLE acme_reports, nobodys_reports")


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    """As the owner of the books."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@contextmanager
def login(url: str, name: str) -> Iterator[Connection]:
    with psycopg.connect(url, user=name, password="secret", autocommit=True) as connection:
        yield connection


def rows_of(connection: Connection, relation: str) -> set[str]:
    """All rows of a relation that the connection sees, each as text."""
    name = sql.Identifier(*relation.split("."))
    rows = connection.execute(sql.SQL("SELECT row_to_json(seen)::text FROM {} AS seen").format(name))
    return {row for (row,) in rows}


def readable(connection: Connection) -> list[str]:
    return [name for _, name, *_ in connection.execute(READABLE)]


# Whatever the catalogue has -------------------------------------------------------------------------------------------


def test_no_relation_shows_a_tenant_a_row_of_another(url: str, connection: Connection) -> None:
    relations = readable(connection)
    assert len(relations) > 25
    seen: dict[str, dict[str, set[str]]] = {}
    for tenant in TENANTS:
        with acting_for(url, tenant) as acting:
            seen[tenant] = {relation: rows_of(acting, relation) for relation in relations}
    for relation in relations:
        everything = rows_of(connection, relation)
        first, second = seen[ACME][relation], seen[BOLT][relation]
        if relation == "ledger.trial_balance":
            # Sums over accounts: no rows of anyone. That they are over his own is told below.
            continue
        assert first, f"{relation} shows acme nothing: it proves nothing"
        assert second, f"{relation} shows bolt nothing: it proves nothing"
        assert first <= everything, relation
        if relation not in REFERENCE_DATA:
            assert not first & second, relation
            assert not [row for row in first if BOLT in row], relation
            assert not [row for row in second if ACME in row], relation


def test_no_relation_hides_from_a_tenant_what_is_his(url: str, connection: Connection) -> None:
    for relation in readable(connection):
        if relation in REFERENCE_DATA | {"ledger.trial_balance"}:
            continue
        own = {row for row in rows_of(connection, relation) if ACME in row and BOLT not in row}
        with acting_for(url, ACME) as acting:
            assert own <= rows_of(acting, relation), relation


def test_without_a_tenant_nothing_is_seen(url: str, connection: Connection) -> None:
    for name in ("", "nobody", "acme'", "ACME"):
        with acting_for(url, name) as acting:
            for relation in readable(connection):
                assert rows_of(acting, relation) == set(), (name, relation)


def test_every_relation_a_tenant_may_read_says_which_rows(connection: Connection) -> None:
    for _, name, kind, has_policies, options in connection.execute(READABLE):
        if kind in ("r", "p"):
            assert has_policies, f"{name} has no row-level security"
        else:
            filtered = {"security_invoker=true", "security_barrier=true"} & set(options)
            assert filtered, f"{name} is neither read with the caller's rights nor a barrier"
    open_to_all = connection.execute(
        "SELECT tablename FROM pg_policies WHERE 'dwaybank_tenant' = ANY (roles) AND (qual = 'true' OR cmd <> 'SELECT')"
    ).fetchall()
    assert open_to_all == []


def test_a_tenant_may_change_nothing(connection: Connection) -> None:
    rows = connection.execute(
        """
        SELECT class.relname, privilege
        FROM pg_class AS class
        JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
        CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
        WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f') AND namespace.nspname !~ '^(pg_|information_schema)'
            AND has_table_privilege('dwaybank_tenant', class.oid, privilege)
        """
    ).fetchall()
    assert rows == []


def test_a_tenant_calls_only_functions_that_are_listed(connection: Connection) -> None:
    rows = connection.execute(
        """
        SELECT DISTINCT proname
        FROM pg_proc
        JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname !~ '^(pg_|information_schema)'
            AND has_function_privilege('dwaybank_tenant', pg_proc.oid, 'EXECUTE')
        """
    )
    assert {name for (name,) in rows} == FUNCTIONS


def test_functions_tell_a_tenant_nothing_of_others(url: str, connection: Connection) -> None:
    accounts = dict(connection.execute("SELECT reference, id FROM ledger.account").fetchall())
    charts = dict(connection.execute("SELECT code, id FROM ledger.book").fetchall())
    entries = dict(connection.execute("SELECT key, seq FROM ledger.entry").fetchall())
    orders = dict(connection.execute("SELECT id, definition FROM ledger.schedule").fetchall())
    tried: dict[str, tuple[str, Any, Any, Any]] = {
        # What is asked, about another's, about his own, the answer of which there is none.
        "balance_seen": ("(%s, 100000, 'infinity')", accounts["bolt:alice"], accounts["acme:alice"], None),
        "known_seq": ("(%s, 'infinity')", accounts["bolt:alice"], accounts["acme:alice"], 0),
        "statement_page": ("(%s, 0, 9, '-infinity', 'infinity')", accounts["bolt:alice"], accounts["acme:alice"], ()),
        "striped_page": ("(%s, 0, 9, '-infinity', 'infinity')", accounts["bolt:taro"], accounts["acme:taro"], ()),
        "statement_by_effect": (
            "(%s, 100000, 'infinity', 9999, 9, '-infinity')", accounts["bolt:alice"], accounts["acme:alice"], (),
        ),
        "chart_rule_of": ("(%s::smallint, 'alike:x')", charts["bolt-main"], charts["acme-main"], {}),
        "chart_document": ("(%s::smallint)", charts["bolt-main"], charts["acme-main"], []),
        "sees_entry": ("(%s)", entries[key(2000)], entries[key(1000)], False),
        "sees_schedule": (
            "(%s)", Jsonb(orders[schedule_of(BOLT, by_tenant=True)]), Jsonb(orders[schedule_of(ACME, by_tenant=True)]),
            False,
        ),
    }  # fmt: skip
    # The others take nothing that could be another's: they tell who asks, judge what is given, or are tried below.
    apart = {"chart_refusal", "outbox_page", "salt_of", "sees_all", "tenant_books", "trial_balance_seen"}
    # tests/integration/test_archive_parties.py tries these, where something is archived.
    apart |= {"opening_of", "refuse_archived_accounts", "refuse_archived_entry"}
    assert set(tried) | apart == FUNCTIONS
    with acting_for(url, ACME) as acting:
        for name, (form, others, own, nothing) in tried.items():
            statement = f"SELECT jsonb_strip_nulls(to_jsonb(told)) FROM ledger.{name}{form} AS told".encode()
            told = acting.execute(statement, (others,)).fetchall()
            assert tuple(told) == () if nothing == () else told == [(nothing,)], name
            assert acting.execute(statement, (own,)).fetchall() not in ([], [(nothing,)]), name
        assert acting.execute("SELECT ledger.sees_all()").fetchone() == (False,)
        assert acting.execute("SELECT ledger.tenant_books()").fetchone() == ([charts["acme-main"]],)


# What it is for -------------------------------------------------------------------------------------------------------


def test_a_tenant_reads_his_accounts_and_no_other_exists(url: str) -> None:
    with acting_for(url, ACME) as acting:
        found = [account.facts.reference for account in list_accounts(acting)]
        assert found == ["acme:alice", "acme:bob", "acme:cash", "acme:taro", "acme:yen"]
        for reference in ("bolt:alice", "bank:vault", "bank:clearing", "nobody:at-all"):
            for ask in (find_account, statement_page, effect_page, balance_at):
                with pytest.raises(NotFoundError, match=f"^account '{reference}' does not exist$"):
                    ask(acting, reference)
        assert {item.account.facts.reference for item in search_accounts(acting)} == set(found)
        assert search_accounts(acting, metadata={"owner": "bolt-other"}) == []
        assert list_books(acting) == ["acme-main"]
        assert code_balances(acting, "bolt-main") == []
        assert list_alias_changes(acting, "@bolt:main") == []


def test_sums_are_over_a_tenants_accounts(url: str, connection: Connection) -> None:
    with acting_for(url, ACME) as acting:
        own = {account.facts.reference: account for account in list_accounts(acting)}
        now, at_once = trial_balance(acting), trial_balance_at(acting)
    assert now == at_once
    euro = next(line for line in now if line.asset == "EUR")
    assert euro.account_count == 3
    assert euro.debit == own["acme:cash"].balance
    assert euro.credit == own["acme:alice"].balance + own["acme:bob"].balance
    whole = next(line for line in trial_balance(connection) if line.asset == "EUR")
    assert whole.account_count == 8
    assert whole.debit == whole.credit


def test_statements_and_balances_are_what_the_organization_sees(url: str, connection: Connection) -> None:
    with acting_for(url, ACME) as acting:
        for reference in ("acme:alice", "acme:cash"):
            assert statement_page(acting, reference) == statement_page(connection, reference)
            effect, whole = effect_page(acting, reference), effect_page(connection, reference)
            assert effect.lines == whole.lines
            assert balance_at(acting, reference).balance == balance_at(connection, reference).balance


def test_questions_about_an_account_tell_its_own_newest_entry(url: str, connection: Connection) -> None:
    (last,) = connection.execute(
        "SELECT max(last_seq) FROM ledger.account WHERE reference ~ '^acme:taro'"
    ).fetchone() or (0,)
    with acting_for(url, ACME) as acting:
        assert balance_at(acting, "acme:taro").known_seq == last
    assert balance_at(connection, "acme:taro").known_seq > last


def test_an_entry_shows_whole_where_it_touches_no_other_tenant(url: str, connection: Connection) -> None:
    with acting_for(url, ACME) as acting:
        own = find_entry(acting, key(1000))
        assert own == find_entry(connection, key(1000))
        # A shared account is the counterpart; its balance is nobody's business.
        cleared = find_entry(acting, key(CLEARED[ACME]))
        assert [posting.account for posting in cleared.postings] == ["acme:alice"]
        assert cleared.description == "payment of acme"
        for other in (key(2000), key(CLEARED[BOLT]), key(SPANNING), key(424242)):
            with pytest.raises(NotFoundError, match=f"^entry {other} does not exist$"):
                find_entry(acting, other)


def test_the_row_of_an_entry_shows_where_all_of_it_is_his(url: str, connection: Connection) -> None:
    keys = dict(connection.execute("SELECT key, seq FROM ledger.entry").fetchall())
    with acting_for(url, ACME) as acting:
        seen = {number for (number,) in acting.execute("SELECT seq FROM ledger.entry")}
        touched = _accounts_of_entries(connection).items()
        own = {number for number, names in touched if all(name.startswith("acme:") for name in names)}
    assert seen == own and keys[key(CLEARED[ACME])] not in seen and keys[key(SPANNING)] not in seen


def _accounts_of_entries(connection: Connection) -> dict[int, set[str]]:
    return {
        number: set(accounts)
        for number, accounts in connection.execute(
            "SELECT seq, array_agg(account) FROM ledger.posting_view GROUP BY seq"
        )
    }


def test_an_entry_between_tenants_shows_each_his_own_leg(url: str) -> None:
    for tenant, amount_of in ((ACME, 1), (BOLT, 2)):
        with acting_for(url, tenant) as acting:
            page = statement_page(acting, f"{tenant}:alice", entry_count_max=1)
            (line,) = page.lines
            assert (int(line.side), line.amount, line.description) == (amount_of, 77, "from one tenant to another")
            legs = acting.execute(
                "SELECT account, side, amount FROM ledger.posting_view WHERE seq = %s", (line.seq,)
            ).fetchall()
            assert legs == [(f"{tenant}:alice", amount_of, 77)]


def test_the_outbox_tells_a_tenant_of_his_accounts_only(url: str, connection: Connection) -> None:
    def told(reader: Connection) -> list[Any]:
        page, events = read_page(reader, OUTBOX_START, count_max=1000), []
        while not page.is_last:
            events += page.events
            page = read_page(reader, page.after, count_max=1000)
        return events

    everything = told(connection)
    with acting_for(url, ACME) as acting:
        own = told(acting)
    assert own and not [event for event in own if BOLT in str(event) or "bank:" in str(event)]
    assert {event.position for event in own} < {event.position for event in everything}
    of_accounts = [event for event in everything if event.account.startswith("acme:")]
    assert [event for event in own if event.account] == of_accounts
    (spanning,) = [event for event in own if event.payload.get("postings", [{}])[0].get("amount_minor") == "77"]
    assert "key" not in spanning.payload and "leaf" not in spanning.payload
    assert [posting["account"] for posting in spanning.payload["postings"]] == ["acme:alice"]


def test_the_organization_sees_all_as_before(url: str, connection: Connection) -> None:
    for role in ("dwaybank_application", "dwaybank_reader"):
        with psycopg.connect(url, autocommit=True) as reader:
            reader.execute(f"SET ROLE {role}".encode())
            for relation in readable(connection):
                assert rows_of(reader, relation) == rows_of(connection, relation), (role, relation)


def test_books_with_tenants_prove_sound(connection: Connection) -> None:
    assert verify_books(connection) == []


def test_the_connection_is_the_organizations_again_afterwards(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        before = len(list_accounts(connection))
        with pytest.raises(NotFoundError), seen_by(connection, ACME):
            find_account(connection, "bolt:alice")
        assert len(list_accounts(connection)) == before
        with seen_by(connection, ACME), pytest.raises(psycopg.Error):
            connection.execute("DELETE FROM ledger.tenant_book")


# Logins ---------------------------------------------------------------------------------------------------------------

ESCAPES = (
    "SET dwaybank.tenant = 'bolt'",
    "SET ROLE dwaybank_tenant",
    "SET dwaybank.tenant = 'bolt'; SET ROLE dwaybank_tenant",
    "SET ROLE dwaybank_tenant; SET dwaybank.tenant = 'bolt'",
    "SET dwaybank.tenant = ''",
    "SET row_security = off",
    "SET search_path = pg_temp, ledger",
)


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_login_sees_its_tenant_whatever_it_sets(url: str, connection: Connection, escape: str) -> None:
    relations = readable(connection)
    with acting_for(url, ACME) as acting:
        expected = {relation: rows_of(acting, relation) for relation in relations}
    with login(url, "acme_reports") as reports, login(url, "nobodys_reports") as nobodys:
        for reader in (reports, nobodys):
            reader.execute(escape.encode())
        for relation in relations:
            if "row_security" in escape and not relation.endswith("_view"):
                # Then nothing is filtered silently: what would be filtered is refused.
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    rows_of(reports, relation)
                continue
            if "row_security" in escape:
                continue
            assert rows_of(reports, relation) == expected[relation], relation
            assert rows_of(nobodys, relation) == set(), relation


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM ledger.head",
        "SELECT * FROM ledger.signed_posting",
        "SELECT * FROM ledger.tenant_login",
        "SELECT * FROM ledger.event",
        "SELECT * FROM ledger.event_run",
        "SELECT * FROM ledger.run_events_behind(0, 0, 100)",
        "SELECT * FROM ledger.run_events_after(0, 100)",
        "SELECT * FROM ledger.dated_posting",
        "SELECT ledger.seq_at('infinity')",
        "SELECT ledger.balance_at(1, 1, 1, 'infinity')",
        "UPDATE ledger.tenant_login SET tenant_id = 2",
        "INSERT INTO ledger.tenant_login VALUES ('acme_reports', 2)",
        "SELECT ledger.tenant_bind_login('acme_reports', 'bolt', 'x', now())",
        "SELECT ledger.tenant_give_book('bolt-main', 'acme', 'x', now())",
        "SET ROLE dwaybank_application",
        "SET ROLE dwaybank_reader",
        "SET SESSION AUTHORIZATION dwaybank_application",
        "CREATE TABLE ledger.mine (n int)",
        "CREATE FUNCTION ledger.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE POLICY mine ON ledger.account TO acme_reports USING (true)",
        "ALTER TABLE ledger.account DISABLE ROW LEVEL SECURITY",
        "COPY ledger.account TO PROGRAM 'cat'",
    ],
)
def test_a_login_cannot_reach_further(url: str, statement: str) -> None:
    with login(url, "acme_reports") as reports, pytest.raises(psycopg.Error) as refused:
        reports.execute(statement.encode())
    assert refused.value.sqlstate in ("42501", "25006"), refused.value


@pytest.mark.parametrize(
    ("relation", "column"),
    [("ledger.posting_view", "amount"), ("ledger.account_view", "balance"), ("ledger.hold", "amount")],
)
def test_a_question_that_fails_on_a_row_of_another_does_not_fail(
    url: str, connection: Connection, relation: str, column: str
) -> None:
    """A condition that divides by what only another's row has would tell that it stands."""
    own = {row[0] for row in _values(url, relation, column, tenant=ACME)}
    others = {row[0] for row in connection.execute(f"SELECT {column} FROM {relation}".encode())} - own
    assert others
    probe = f"SELECT count(*) FROM {relation} WHERE 1 / ({column} - %s) > 1"
    with login(url, "acme_reports") as reports:
        for value in sorted(others)[:20]:
            reports.execute(probe.encode(), (value,))
        with pytest.raises(psycopg.errors.DivisionByZero):
            reports.execute(probe.encode(), (min(own),))


def _values(url: str, relation: str, column: str, *, tenant: str) -> list[tuple[Any, ...]]:
    with acting_for(url, tenant) as acting:
        return acting.execute(f"SELECT {column} FROM {relation}".encode()).fetchall()


def test_a_login_reads_with_functions_and_copies_out(url: str) -> None:
    with login(url, "acme_reports") as reports:
        (account,) = reports.execute("SELECT id FROM ledger.account WHERE reference = 'acme:alice'").fetchone() or (0,)
        lines = reports.execute(
            "SELECT * FROM ledger.statement_page(%s, 0, 5, '-infinity', 'infinity')", (account,)
        ).fetchall()
        assert len(lines) == 5
        with reports.cursor().copy("COPY ledger.account TO STDOUT") as copy:
            rows = b"".join(bytes(part) for part in copy).decode()
        assert rows.count("\n") == 5 + 2 and BOLT not in rows  # two are stripes of another


def test_the_example_of_the_module_holds(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
        names = vars(tenants) | {
            "connection": connection, "now": START, "open_book": open_book, "list_accounts": list_accounts,
        }  # fmt: skip
        (example,) = doctest.DocTestFinder(recurse=False).find(tenants, globs=names)
        assert len(example.examples) == 4
        assert doctest.DocTestRunner().run(example).failed == 0


# The organization's decisions -----------------------------------------------------------------------------------------


def test_tenants_are_managed_with_history(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
        assert create_tenant(connection, "acme", **OPERATOR)
        assert not create_tenant(connection, "acme", **OPERATOR)
        assert create_tenant(connection, "bolt", **OPERATOR)
        open_book(connection, "retail", **OPERATOR)
        with pytest.raises(NotFoundError, match="book 'cars' does not exist"):
            give_book(connection, "cars", "acme", **OPERATOR)
        with pytest.raises(NotFoundError, match="tenant 'zeta' does not exist"):
            give_book(connection, "retail", "zeta", **OPERATOR)
        assert give_book(connection, "retail", "acme", **OPERATOR)
        assert not give_book(connection, "retail", "acme", **OPERATOR)
        with pytest.raises(ConflictError, match="belongs to another tenant"):
            give_book(connection, "retail", "bolt", **OPERATOR)
        assert give_book(connection, "retail", "", **OPERATOR)
        assert give_book(connection, "retail", "bolt", **OPERATOR)
        assert [(item.name, item.books) for item in list_tenants(connection)] == [("acme", ()), ("bolt", ("retail",))]
        assert [change.what for change in list_changes(connection)] == [
            {"tenant": "acme"},
            {"tenant": "bolt"},
            {"book": "retail", "tenant": [None, "acme"]},
            {"book": "retail", "tenant": ["acme", None]},
            {"book": "retail", "tenant": [None, "bolt"]},
        ]
        for name in ("", "Acme", "1st", "a" * 32, "a b"):
            with pytest.raises(InvalidValueError, match="tenant"):
                create_tenant(connection, name, **OPERATOR)
        for statement in (b"DELETE FROM ledger.tenant_change", b"UPDATE ledger.tenant SET name = 'x'"):
            with pytest.raises(psycopg.Error, match="history cannot be edited"):
                connection.execute(statement)


def test_a_login_that_sees_more_is_bound_to_no_tenant(url: str, connection: Connection) -> None:
    made = ("more_reader", "more_creator", "no_member", "no_login")
    connection.execute("CREATE ROLE more_reader LOGIN IN ROLE dwaybank_tenant, dwaybank_reader")
    connection.execute("CREATE ROLE more_creator LOGIN CREATEROLE IN ROLE dwaybank_tenant")
    connection.execute("CREATE ROLE no_member LOGIN")
    connection.execute("CREATE ROLE no_login IN ROLE dwaybank_tenant")
    try:
        for name in ("more_reader", "more_creator", "dwaybank_admin"):
            with pytest.raises(InvalidValueError, match="show it more than a tenant may see"):
                bind_login(connection, name, ACME, **OPERATOR)
        with pytest.raises(InvalidValueError, match="is no member of dwaybank_tenant"):
            bind_login(connection, "no_member", ACME, **OPERATOR)
        for name in ("no_login", "nobody_at_all"):
            with pytest.raises(NotFoundError, match="does not exist"):
                bind_login(connection, name, ACME, **OPERATOR)
        with pytest.raises(ConflictError, match="bound to another tenant"):
            bind_login(connection, "acme_reports", BOLT, **OPERATOR)
    finally:
        connection.execute(f"DROP ROLE {', '.join(made)}".encode())


def test_a_login_set_free_sees_nothing(url: str, connection: Connection) -> None:
    make_login(connection, "bolt_reports", BOLT)
    try:
        with login(url, "bolt_reports") as reports:
            assert len(list_accounts(reports)) == 5
            assert bind_login(connection, "bolt_reports", "", **OPERATOR)
            assert list_accounts(reports) == []
    finally:
        connection.execute("DROP ROLE bolt_reports")


def test_an_account_stays_in_its_book(connection: Connection) -> None:
    for statement in (
        "UPDATE ledger.account SET book_id = 1 WHERE reference = 'acme:alice'",
        "UPDATE ledger.account_place SET book_id = 1, portfolio_id = NULL, segment_id = NULL WHERE book_id <> 1",
    ):
        with pytest.raises(psycopg.Error, match=r"history cannot be edited|does not stand in book"):
            connection.execute(statement.encode())


def test_accounts_opened_before_there_were_tenants_know_their_book(empty_database_url: str, tmp_path: Path) -> None:
    for file in (SQL_FOLDER / "migrations").iterdir():
        if int(file.name[:4]) < 30:
            (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        apply_migrations(connection, "ledger", tmp_path)
        connection.execute("INSERT INTO ledger.book (code) VALUES ('retail')")
        connection.execute(
            "INSERT INTO ledger.account (reference, asset_id, normal_side, opened_at)"
            " SELECT reference, 1, 1, now() FROM unnest(ARRAY['unplaced', 'in-main', 'in-retail']) AS reference"
        )
        connection.execute(
            "INSERT INTO ledger.account_place (account_id, book_id)"
            " SELECT id, CASE reference WHEN 'in-main' THEN 1 ELSE 2 END FROM ledger.account"
            " WHERE reference <> 'unplaced'"
        )
        migrate(connection)
        books = connection.execute(
            "SELECT reference, code FROM ledger.account JOIN ledger.book ON book.id = book_id ORDER BY reference"
        ).fetchall()
        assert books == [("in-main", "main"), ("in-retail", "retail"), ("unplaced", "main")]
        assert [item.book for item in search_accounts(connection)] == ["main", "retail", "main"]
