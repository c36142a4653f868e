"""When a node says that it is not well: what stands still for long, not what others' restarts interrupt."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from network.operations.health import HealthChecks
from node.operations.node_health import BEARS_S, NodeHealth, NodeParts


class Reader:
    """A database that answers."""

    async def run_on_blocks(self, work: Any) -> None:
        del work


def node(*, silent_s: float = 0, stood_s: float = 0) -> NodeParts:
    peer = SimpleNamespace(
        stopped=None,
        channels_without_source=[],
        silences_s={"anchors": 0.0, "trade": silent_s},
        channel=SimpleNamespace(reader=Reader()),
    )
    trail = SimpleNamespace(failure=None, anchorer=SimpleNamespace(stood_s=stood_s))
    return cast(NodeParts, SimpleNamespace(peer=peer, books=None, trail=trail))


async def failed(parts: NodeParts) -> dict[str, str]:
    checks = HealthChecks(lambda: datetime.now(UTC))
    NodeHealth(checks, parts)
    well, body = await checks.run()
    found = {item["component"]: item["reason"] for item in body.get("failed_checks", [])}
    assert well is not bool(found)
    return found


@pytest.mark.parametrize("seconds", [0, BEARS_S - 1])
async def test_node_is_well_while_others_start_again(seconds: float) -> None:
    assert await failed(node(silent_s=seconds, stood_s=seconds)) == {}


async def test_channel_that_gets_no_blocks_is_named() -> None:
    assert await failed(node(silent_s=75)) == {
        "channel": "no blocks arrive: nobody who gives them was reached on trade for 75 s"
    }


async def test_anchoring_that_stands_still_is_told_with_who_says_why() -> None:
    assert await failed(node(stood_s=61)) == {
        "anchoring": "nothing was anchored for 61 s: `dwaybank anchor status` says why"
    }
