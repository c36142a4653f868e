"""The demo's order of events: start, import, pay, anchor, prove, tamper; stops everything whatever happens."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from node.demo.checks import Report
from node.demo.demo import Demo
from node.errors import ConfigurationError, NodeError
from node.start import ensure_home, free_base_port, launch_supervisor, stop_consortium

REPOSITORY = Path(__file__).resolve().parents[2]
STATEMENT = REPOSITORY / "fixtures" / "statements" / "dwaybank-2026-09.csv"
MAPPING = REPOSITORY / "fixtures" / "mappings" / "dwaybank.yaml"


def run_demo(keep: Path | None, statement: Path | None, mapping: Path | None, report_file: Path | None) -> int:
    """Run the demo; return 0 only when every check held.

    Args:
        keep: data directory to use and keep; a temporary one, removed at the end, when absent.
        statement: bank statement to import instead of the fixture.
        mapping: its mapping file.
        report_file: where to write checks and figures as JSON.
    """
    if (statement is None) != (mapping is None):
        raise ConfigurationError("--statement and --mapping go together")
    statement, mapping = statement or STATEMENT, mapping or MAPPING
    for path in (statement, mapping):
        if not path.is_file():
            raise ConfigurationError(
                f"{path} does not exist: run the demo from a checkout, or name --statement and --mapping"
            )
    report = Report(Console())
    root = keep or Path(tempfile.mkdtemp(prefix="dwaybank-demo-"))
    # Ports away from the default ones, and from another demo's: it may run beside a consortium.
    home, consortium = ensure_home(root, None if keep else free_base_port(20_000 + os.getpid() % 300 * 100), {})
    demo = Demo(home, consortium, report)
    try:
        asyncio.run(_steps(demo, statement, mapping))
    finally:
        with suppress(NodeError):
            stop_consortium(home.root)
        if keep is None:
            shutil.rmtree(root, ignore_errors=True)
    report.print_summary()
    if report_file is not None:
        report.save(report_file)
    return 0 if report.all_held else 1


async def _steps(demo: Demo, statement: Path, mapping: Path) -> None:
    from node.demo.anchoring import show_anchoring
    from node.demo.first_transaction import wait_for_first_transaction
    from node.demo.payments import make_payments
    from node.demo.proofs import prove_to_regulator
    from node.demo.tampering import tamper_and_audit
    from node.statement_import import import_and_reconcile

    report = demo.report
    with report.step("1. Start three organizations"):
        with report.console.status("starting") as spinner:
            await asyncio.to_thread(launch_supervisor, demo.home, spinner.update)
            committed_at_all = await wait_for_first_transaction(demo)
        report.check("a first transaction is committed at all three members", committed_at_all)
        report.figure("first committed transaction after (s), target 8", seconds_since_process_start())
    with report.step("2. Import a bank's movements and reconcile"):
        outcome = await import_and_reconcile(
            demo.home, demo.consortium, demo.bank, statement, mapping, None, report.console
        )
        report.check("every movement is posted", outcome.refused == 0 and outcome.posted > 0, outcome.sentence())
        compared = outcome.reconciliation
        if compared is not None and statement == STATEMENT:
            report.check(
                "the books' end-of-day balances are the bank's own, every one",
                compared.day_count > 0 and not compared.breaks,
                f"{compared.day_count} compared",
            )
        report.figure("movements imported", outcome.posted)
        report.figure("movements imported per second", outcome.per_second)
    with report.step("3. Customers pay through the gateways"):
        await make_payments(demo)
    with report.step("4. Anchor everything"):
        await show_anchoring(demo)
    with report.step("5. The regulator demands, receives and verifies proofs"):
        await prove_to_regulator(demo)
    with report.step("6. A dishonest administrator rewrites the books"):
        await tamper_and_audit(demo)
    report.figure("whole run (s)", seconds_since_process_start())


def seconds_since_process_start() -> float:
    """Seconds since the operating system started this process, interpreter start included."""
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    return round(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"), 2)
