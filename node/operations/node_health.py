"""What makes a node healthy: its channel, its database, its books, its anchoring, its background work."""

from __future__ import annotations

from typing import Protocol

from network.operations.health import HealthChecks, UnhealthyError
from node.audit.trail import AuditTrail
from node.books.books import Books
from node.peer.database import fetch
from node.peer.errors import StoreError
from node.peer.peer import Peer

BEARS_S = 60.0
"""For how long a node is well while nothing is anchored or no blocks arrive: others may start again meanwhile."""


class NodeParts(Protocol):
    """The parts of a node, as they come to be while it starts."""

    @property
    def peer(self) -> Peer:
        """The peer."""

    @property
    def books(self) -> Books | None:
        """The books, where there are any and they are open."""

    @property
    def trail(self) -> AuditTrail | None:
        """The audit trail, once it is there."""


class NodeHealth:
    """The checks of one node."""

    def __init__(self, checks: HealthChecks, node: NodeParts) -> None:
        self._node = node
        checks.add("channel", self._channel)
        checks.add("database", self._database)
        checks.add("anchoring", self._anchoring)
        checks.add("books", self._books)
        checks.add("audit_trail", self._trail)

    async def _channel(self) -> None:
        if self._node.trail is None:
            return
        if self._node.peer.stopped is not None:
            raise UnhealthyError("the channel has stopped: a block was refused, see the log")
        if names := self._node.peer.channels_without_source:
            raise UnhealthyError(f"no blocks arrive: no address of an orderer is known for {', '.join(names)}")
        silences = self._node.peer.silences_s
        if silent := [f"{name} for {seconds:.0f} s" for name, seconds in silences.items() if seconds >= BEARS_S]:
            raise UnhealthyError(f"no blocks arrive: nobody who gives them was reached on {', '.join(silent)}")

    async def _database(self) -> None:
        if self._node.trail is None:
            return
        try:
            await self._node.peer.channel.reader.run_on_blocks(lambda connection: fetch(connection, "ping", ()))
        except StoreError as error:
            # Its own words may name hosts and roles.
            raise UnhealthyError("the database does not answer") from error

    async def _anchoring(self) -> None:
        trail = self._node.trail
        if trail is not None and trail.anchorer.stood_s >= BEARS_S:
            # Its own words may name hosts.
            raise UnhealthyError(
                f"nothing was anchored for {trail.anchorer.stood_s:.0f} s: `dwaybank anchor status` says why"
            )

    async def _books(self) -> None:
        books = self._node.books
        if books is not None and books.fenced:
            raise UnhealthyError("another process took over this organization's books")

    async def _trail(self) -> None:
        trail = self._node.trail
        if trail is not None and trail.failure is not None:
            raise UnhealthyError("the audit trail failed: the node must start again")
