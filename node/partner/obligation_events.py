"""Tells the driver which obligations moved on the shared ledger, as soon as the own peer has committed the block.

What is missed, because the peer was away for longer than its stream can be taken up again, is found by the driver's own
looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable

import structlog

from network.client_stages import ChaincodeEvent
from network.errors import GatewayError
from node.background import BackgroundWork
from node.partner.obligation_chain import SettlementChain

log = structlog.get_logger(__name__)

PAUSE_S = 1.0


class ObligationEvents(BackgroundWork):
    """Listens from the next block on: at its start the driver looks at everything by itself.

    Args:
        chain: the contract.
        moved: told the obligations' ids.
    """

    def __init__(self, chain: SettlementChain, moved: Callable[[Iterable[str]], None]) -> None:
        self._chain = chain
        self._moved = moved
        self._last: ChaincodeEvent | None = None

    async def _run(self) -> None:
        while True:
            try:
                async with contextlib.aclosing(self._chain.events(self._last)) as events:
                    async for event in events:
                        self._last = event
                        self._moved(moved_by(event))
            except GatewayError as error:
                log.info("obligation_events_wait", reason=str(error)[:300])
            except Exception as error:  # the root of the task: it must outlive one bad event
                log.error("obligation_events_failed", exc_info=error)
            await asyncio.sleep(PAUSE_S)


def moved_by(event: ChaincodeEvent) -> list[str]:
    """Return the obligations that an event of the contract is about."""
    told = json.loads(event.payload)
    if "ids" in told:
        return [str(each) for each in told["ids"]]
    return [str(told["obligation_id"])] if "obligation_id" in told else []
