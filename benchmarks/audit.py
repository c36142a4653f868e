"""How fast the regulator's node finds entries: ten million anchored ones of three members, a tenth of them disclosed.

Method: the audit index and the disclosed entries are filled by SQL with rows of the form that blocks and bundles give,
not through a channel; searches go through ``EntrySearch`` as the service calls it, each with values drawn anew.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.books import cluster
from benchmarks.measure import Result, latency_ms
from node.anchor.database import Database, migrate
from node.audit.entry_search import EntryFilter, EntrySearch, Order

MEMBERS = 3
ENTRIES_AN_ANCHOR = 400
ACCOUNTS = 50_000
DISCLOSED_EVERY = 10
REVIEWED_EVERY = 500
"""Of the disclosed entries."""
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ANCHOR_S = 30
SEARCHES = 200
SEED = 20261128
BOUND_MS = 100

_Draw = Callable[[random.Random], tuple[EntryFilter, Order]]


def run(entries: int = 10_000_000) -> Result:
    """Measure the first and a later page of each kind of search.

    Args:
        entries: anchored ones, of all members together.
    """
    result = Result(
        "audit", f"Search of the audit trail: {entries:,} anchored entries, {entries // DISCLOSED_EVERY:,} disclosed"
    )
    with cluster() as server:
        url = server.create_database("audit")
        with psycopg.connect(url, autocommit=True) as connection:
            migrate(connection)
            fill(connection, entries)
        database = Database(url)
        database.open()
        try:
            search = EntrySearch(database, lambda: datetime.now(UTC))
            for what, draw in searches(entries).items():
                result.rows.append({"what": what} | _timed(search, draw))
        finally:
            database.close()
    slowest = max(result.rows, key=lambda row: row["p95_ms"])
    result.below(f"first page, slowest kind ({slowest['what']}), p95 (ms)", BOUND_MS, slowest["p95_ms"])
    later = max(result.rows, key=lambda row: row["later_p95_ms"])
    result.below(f"second page, slowest kind ({later['what']}), p95 (ms)", BOUND_MS, later["later_p95_ms"])
    return result


def fill(connection: psycopg.Connection[Any], entries: int) -> None:
    """Write anchors, cosignatures, disclosed entries and reviews."""
    each = entries // MEMBERS
    shape = {
        "members": MEMBERS, "anchors": each // ENTRIES_AN_ANCHOR, "size": ENTRIES_AN_ANCHOR, "begin": BEGIN,
        "anchor_s": ANCHOR_S, "accounts": ACCOUNTS, "every": DISCLOSED_EVERY, "reviewed": REVIEWED_EVERY,
        "entries": each,
    }  # fmt: skip
    for statement in (Path(__file__).parent / "audit.sql").read_text().split(";\n"):
        connection.execute(statement.encode(), shape)
    connection.execute("VACUUM ANALYZE")


def searches(entries: int) -> dict[str, _Draw]:
    """Return each kind of search: what it draws."""
    each = entries // MEMBERS
    span_s = each // ENTRIES_AN_ANCHOR * ANCHOR_S

    def member(draw: random.Random) -> str:
        return f"M{draw.randrange(MEMBERS)}MSP"

    def moment(draw: random.Random) -> datetime:
        return BEGIN + timedelta(seconds=draw.randrange(span_s))

    def seq(draw: random.Random) -> int:
        return draw.randrange(1, each + 1)

    def amounts(draw: random.Random) -> dict[str, int]:
        least = draw.randrange(1, 1_000_000)
        return {"amount_from": least, "amount_to": least + 100}

    def account(draw: random.Random) -> str:
        return f"customer:{draw.randrange(ACCOUNTS)}"

    newest, by_worth = Order(), Order("worth")
    return {
        "newest anchored": lambda draw: (EntryFilter(), newest),
        "of a member": lambda draw: (EntryFilter(organization=member(draw)), newest),
        "one entry": lambda draw: (
            EntryFilter(organization=member(draw), from_seq=(number := seq(draw)), to_seq=number),
            newest,
        ),
        "one number of any member": lambda draw: (EntryFilter(from_seq=(number := seq(draw)), to_seq=number), newest),
        "block": lambda draw: (EntryFilter(block=draw.randrange(each // ENTRIES_AN_ANCHOR)), newest),
        "transaction": lambda draw: (
            EntryFilter(transaction_id=f"{draw.randrange(each // ENTRIES_AN_ANCHOR) * MEMBERS:064x}"),
            newest,
        ),
        "anchored in an hour": lambda draw: (
            EntryFilter(anchored_from=(at := moment(draw)), anchored_to=at + timedelta(hours=1)),
            newest,
        ),
        "attested": lambda draw: (EntryFilter(attested=True, organization=member(draw)), newest),
        "disclosed": lambda draw: (EntryFilter(disclosed=True), newest),
        "account": lambda draw: (EntryFilter(account=account(draw)), newest),
        "account of every entry": lambda draw: (EntryFilter(account="treasury", asset="EUR"), newest),
        "account, by worth": lambda draw: (EntryFilter(account=account(draw)), by_worth),
        "amount range": lambda draw: (EntryFilter(asset="EUR", **amounts(draw)), newest),
        "wide amount range, by worth": lambda draw: (EntryFilter(asset="EUR", amount_from=500_000), by_worth),
        "posted in an hour": lambda draw: (
            EntryFilter(posted_from=(at := moment(draw)), posted_to=at + timedelta(hours=1)),
            newest,
        ),
        "effective in an hour": lambda draw: (
            EntryFilter(effective_from=(at := moment(draw)), effective_to=at + timedelta(hours=1)),
            newest,
        ),
        "settlement": lambda draw: (
            EntryFilter(settlement_id=f"S-{seq(draw) // DISCLOSED_EVERY * DISCLOSED_EVERY}"),
            newest,
        ),
        "waits for review": lambda draw: (EntryFilter(status="requires_manual_review"), newest),
        "rejected, of a member": lambda draw: (EntryFilter(status="rejected", organization=member(draw)), newest),
        "reviewer": lambda draw: (EntryFilter(reviewer="M1MSP/Reviewer"), newest),
        "rules": lambda draw: (EntryFilter(rules_hash="22" * 32, organization=member(draw)), newest),
        "signer and time": lambda draw: (
            EntryFilter(signer="M1MSP/Node", anchored_from=(at := moment(draw)), anchored_to=at + timedelta(hours=1)),
            newest,
        ),
    }


def _timed(search: EntrySearch, draw: _Draw) -> dict[str, Any]:
    source, first, later, found = random.Random(SEED), [], [], 0
    for _ in range(SEARCHES):
        wanted, order = draw(source)
        began = time.perf_counter()
        entries, token = search.page(wanted, order)
        first.append(time.perf_counter() - began)
        found += len(entries)
        if token:
            began = time.perf_counter()
            search.page(wanted, order, 0, token)
            later.append(time.perf_counter() - began)
    return {"found": round(found / SEARCHES, 1), **latency_ms(first), "later_p95_ms": latency_ms(later)["p95_ms"]}
