"""A gateway client that remembers of which transactions it asked for the outcome."""

from __future__ import annotations

from typing import Any

from network.client import CommitStatus, GatewayClient
from tests.support.consortium import eventually


class CountingClient(GatewayClient):
    """Takes what ``GatewayClient`` takes.

    Attributes:
        asked: transaction ids.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.asked: list[str] = []

    async def commit_status(self, tx_id: str, signature: bytes | None = None) -> CommitStatus:
        """Note the id and ask."""
        self.asked.append(tx_id)
        return await super().commit_status(tx_id, signature)

    async def until_followed(self) -> None:
        """Submit until a commit is heard of without asking; forget what was asked until then."""

        async def heard_of() -> bool:
            return (await self.submit("pc", "Put", "followed", "v")).tx_id not in self.asked

        await eventually(heard_of, "blocks are followed", 20)
        self.asked.clear()
