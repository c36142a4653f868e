"""Step 4: everything posted is anchored and attested, and the three peers hold the same chain."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from rich.table import Table

from node.own_node import AUDIT, OwnNode, audit_pb2

if TYPE_CHECKING:
    from network.topology import Organization
    from node.demo.demo import Demo

WAIT_S = 30.0


async def anchor_status(demo: Demo, organization: Organization) -> audit_pb2.GetAnchorStatusResponse:
    """Ask one node how far it is."""
    async with OwnNode(demo.home, demo.consortium, organization) as node:
        return await node.call(
            AUDIT, "GetAnchorStatus", audit_pb2.GetAnchorStatusRequest(), audit_pb2.GetAnchorStatusResponse
        )


async def wait_until_attested(demo: Demo) -> list[audit_pb2.GetAnchorStatusResponse]:
    """Return all nodes' status once the banks' entries are attested and all peers stand at one height."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = await asyncio.gather(*(anchor_status(demo, member) for member in demo.consortium.organizations))
        settled = all(status.attested_size == status.posted_seq for status in found)
        if (settled and len({status.commit_hash for status in found}) == 1) or time.monotonic() > deadline:
            return list(found)
        await asyncio.sleep(0.1)


async def show_anchoring(demo: Demo) -> None:
    """Wait, print and check."""
    with demo.report.console.status("waiting for anchors and cosignatures"):
        found = await wait_until_attested(demo)
    table = Table("organization", "posted", "anchored", "attested", "checkpoints", "block height", "commit hash")
    for member, status in zip(demo.consortium.organizations, found, strict=True):
        table.add_row(
            member.display_name,
            *(str(n) for n in (status.posted_seq, status.anchored_size, status.attested_size, status.checkpoint_count)),
            str(status.block_height),
            status.commit_hash.hex()[:32],
        )
    demo.report.console.print(table)
    banks = [
        status for member, status in zip(demo.consortium.organizations, found, strict=True) if member.role == "bank"
    ]
    demo.report.check(
        "every posted entry is anchored and attested by another member",
        all(0 < status.posted_seq == status.anchored_size == status.attested_size for status in banks),
    )
    demo.report.check(
        "the three peers hold the same chain: equal height and commit hash",
        len({(status.block_height, status.commit_hash) for status in found}) == 1,
    )
    demo.report.figure("entries anchored", sum(status.anchored_size for status in banks))
    demo.report.figure("block height", found[0].block_height)
    demo.report.figure("from posting to anchored, p95 (ms)", max(status.lag_p95_ms for status in banks))
