"""Step 6: an administrator with every right edits the bank's books; the regulator's audit names exactly those rows."""

from __future__ import annotations

import asyncio
import random
from importlib.resources import files
from typing import TYPE_CHECKING

import psycopg

from node.demo.anchoring import anchor_status
from node.own_node import AUDIT, OwnNode, audit_pb2

if TYPE_CHECKING:
    from node.demo.demo import Demo


async def tamper_and_audit(demo: Demo) -> None:
    """Audit untouched books, tamper, audit, restore, audit again."""
    report = demo.report
    before = await audit(demo)
    report.check("an audit of untouched books finds nothing", not before.findings, f"{before.entries_checked} entries")
    posted = (await anchor_status(demo, demo.bank)).posted_seq
    changed, deleted = sorted(random.SystemRandom().sample(range(1, posted + 1), 2))
    rows = {"changed": changed, "deleted": deleted, "inserted": posted + 1}
    with psycopg.connect(administrator_url(demo), autocommit=True) as connection:
        await asyncio.to_thread(execute, connection, "tamper", rows)
        report.console.print(
            f"   superuser SQL: entry {changed} gets another amount, {deleted} is deleted, {posted + 1} is inserted",
            style="dim",
            highlight=False,
        )
        try:
            found = await audit(demo)
        finally:
            await asyncio.to_thread(execute, connection, "restore", rows)
    for finding in found.findings:
        report.console.print(
            f"   {finding.kind}: entry {finding.seq}: {finding.explanation}", style="dim", highlight=False
        )
    named = sorted((finding.kind, finding.seq) for finding in found.findings)
    expected = sorted([("changed", changed), ("missing", deleted), ("inserted", rows["inserted"])])
    report.check("the regulator's audit names exactly the three rows, and how each was touched", named == expected)
    after = await audit(demo)
    report.check("after the rows are restored the audit finds nothing", not after.findings)


async def audit(demo: Demo) -> audit_pb2.AuditBooksResponse:
    """Let the regulator's node audit the bank's books."""
    async with OwnNode(demo.home, demo.consortium, demo.regulator) as node:
        request = audit_pb2.AuditBooksRequest(organization=demo.bank.msp_id)
        return await node.call(AUDIT, "AuditBooks", request, audit_pb2.AuditBooksResponse, 120)


def administrator_url(demo: Demo) -> str:
    """URL of the bank's database for a role that may do anything."""
    given = demo.home.secret(demo.bank, "administrator.url")
    if given.exists():
        return psycopg.conninfo.make_conninfo(given.read_text().strip(), dbname=demo.bank.name)
    from node.postgres import ClusterSettings, PostgresCluster

    folder = demo.home.organization(demo.bank) / "postgres"
    return PostgresCluster(ClusterSettings(folder, demo.bank.postgres_port)).url(demo.bank.name)


def execute(connection: psycopg.Connection, name: str, rows: dict[str, int]) -> None:
    """Run ``sql/<name>.sql``, whose placeholders are the three row numbers."""
    text = (files("node.demo") / "sql" / f"{name}.sql").read_text()
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(text.encode(), rows)
