"""Step 1: the channel is alive when a contract's definition, the first transaction, is committed at every member."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from network.errors import RpcError
from node.errors import SupervisorError
from node.own_node import AUDIT, OwnNode, audit_pb2

if TYPE_CHECKING:
    from node.demo.demo import Demo

WAIT_S = 30.0


async def wait_for_first_transaction(demo: Demo) -> bool:
    """Return True when every node has a block after the genesis block.

    Raises:
        SupervisorError: none came in time.
    """

    async def wait(name: str) -> None:
        async with OwnNode(demo.home, demo.consortium, demo.consortium.organization(name)) as node:
            while True:
                try:
                    status = await node.call(
                        AUDIT,
                        "GetAnchorStatus",
                        audit_pb2.GetAnchorStatusRequest(),
                        audit_pb2.GetAnchorStatusResponse,
                        5,
                    )
                    if status.block_height >= 2:
                        return
                except RpcError:
                    await asyncio.sleep(0.1)
                await asyncio.sleep(0.02)

    try:
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(*(wait(member.name) for member in demo.consortium.organizations))
            return True
    except TimeoutError as error:
        raise SupervisorError(
            f"no transaction was committed within {WAIT_S:.0f} s: see the logs in {demo.home.logs}"
        ) from error
