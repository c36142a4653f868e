"""Keeps which netting cycles this bank still has to finish, in ``partner.netting_cycle``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from node.partner.obligation_store import ObligationStore


@dataclass(frozen=True, slots=True)
class KnownCycle:
    """A cycle this bank is a member of.

    Args:
        cycle_id: on the shared ledger.
        state: as last seen.
        finished: nothing is left to be done by this bank.
        note: what was done last, or what it waits for.
    """

    cycle_id: str
    state: str
    finished: bool = False
    note: str = ""


class CycleStore:
    """Table ``partner.netting_cycle``.

    Args:
        store: connections to the organization's database.
    """

    def __init__(self, store: ObligationStore) -> None:
        self._store = store

    async def known(self) -> dict[str, KnownCycle]:
        """Return all cycles by id."""
        return {row[0]: KnownCycle(*row) for row in await self._store.fetch("cycles", {})}

    async def keep(self, cycle: KnownCycle, now: datetime) -> None:
        """Write down how far a cycle is."""
        values = {"cycle_id": cycle.cycle_id, "state": cycle.state, "finished": cycle.finished, "note": cycle.note}
        await self._store.execute("put_cycle", values | {"now": now})
