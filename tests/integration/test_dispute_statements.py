"""What an organization says in a dispute stays in its own database, and its commitment alone goes out."""

from __future__ import annotations

from datetime import UTC, datetime

from node.partner.dispute_statements import Statements
from node.partner.obligation_store import ObligationStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def test_statement_is_kept_and_found_by_its_commitment(database_url: str) -> None:
    store = ObligationStore(database_url)
    await store.open()
    try:
        statements = Statements(store, {}, now=lambda: NOW, random_bytes=bytes)
        commitment = await statements.keep("The teller's slip says 12.50.")
        kept = await statements.kept(commitment)
        assert kept is not None
        assert (kept.text, kept.commitment()) == ("The teller's slip says 12.50.", commitment)
        assert await statements.find("00" * 16, "DwaybankMSP", commitment) == kept.text
        assert await statements.kept(bytes(32)) is None
        assert await statements.find("00" * 16, "DwaybankMSP", bytes(32)) == "", "of a member that is not known"
    finally:
        await store.close()
