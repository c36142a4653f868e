"""Brings the chaincode definitions of the settings onto the channel: the first transactions of a new consortium.

One member, the first, commits; every member endorses only what its own settings approve (``node/peer/lifecycle.py``).
Members that are still starting are waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from network.client import GatewayClient
from network.errors import GatewayError
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.definition import Definition
from node.peer.peer import Peer

RETRY_FIRST_S = 0.1
RETRY_MAX_S = 2.0

log = structlog.get_logger(__name__)


class DefinitionCommitter:
    """Commits definitions that the channel does not have yet, then ends.

    Args:
        peer: this organization's peer, already started.
        client: submits as this organization.
        definitions: what is to be committed, each with its sequence.
    """

    def __init__(self, peer: Peer, client: GatewayClient, definitions: Sequence[Definition]) -> None:
        self._peer = peer
        self._client = client
        self._definitions = definitions
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._commit_all(), name="commit-definitions")

    async def stop(self) -> None:
        """Give up what is not committed yet; the next start goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _commit_all(self) -> None:
        for definition in self._definitions:
            pause_s = RETRY_FIRST_S
            while not await self._is_committed(definition):
                try:
                    committed = await self._client.submit(
                        LIFECYCLE, "CommitChaincodeDefinition", definition.commit_arguments()
                    )
                except GatewayError as error:
                    log.info("chaincode definition waits", chaincode=definition.name, reason=str(error)[:300])
                    await asyncio.sleep(pause_s)
                    pause_s = min(RETRY_MAX_S, 1.5 * pause_s)
                else:
                    log.info("chaincode definition committed", chaincode=definition.name, block=committed.block_number)

    async def _is_committed(self, definition: Definition) -> bool:
        found = await self._peer.channel.committed_definition(definition.name)
        return found is not None and found.sequence >= definition.sequence
