"""A node's port with nothing but chosen services on it: real gRPC on loopback with mutual TLS, two members, one owner.

Books are real ones; what the service under test is asked goes over the wire as from the command line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import psycopg
from google.protobuf.message import Message

from ledger.schema import migrate
from network.rpc import Channel, ClientTls, RpcError, Server, ServerTls, StatusCode
from node.access import Members
from node.books.books import Books
from tests.support.books import Clock, new_writer
from tests.support.certificates import Authority

R = TypeVar("R", bound=Message)
TIMEOUT_S = 20.0


class Registers(Protocol):
    """A service of the node."""

    def register(self, server: Server) -> None:
        """Offer all methods."""


Make = Callable[[Members], Iterable[Registers]]


class ServiceClient:
    """Calls one service over a channel."""

    def __init__(self, channel: Channel, service: str) -> None:
        self._channel = channel
        self._service = service

    async def ask(self, method: str, request: Message, reply: type[R]) -> R:
        """Return the reply."""
        return reply.FromString(await self.raw(method, request.SerializeToString()))

    async def raw(self, method: str, data: bytes) -> bytes:
        """Return the reply's bytes."""
        return await self._channel.unary(f"/{self._service}/{method}", data, TIMEOUT_S)

    async def refusal(self, method: str, request: Message) -> tuple[StatusCode, str]:
        """Return how a call is refused; fails when it is not."""
        try:
            await self.raw(method, request.SerializeToString())
        except RpcError as error:
            return StatusCode(error.code), error.message
        raise AssertionError(f"{method} was not refused")


class Port:
    """Serves services, and connects members to them.

    Args:
        make: returns the services to register, given who the members are.
    """

    def __init__(self, make: Make) -> None:
        self._authorities = {"OwnMSP": Authority("tls.own"), "OtherMSP": Authority("tls.other")}
        roots = {msp_id: [authority.pem] for msp_id, authority in self._authorities.items()}
        certificate, key = self._authorities["OwnMSP"].issue("node")
        tls = ServerTls(certificate, key, b"".join(pem for pems in roots.values() for pem in pems))
        self._server = Server("127.0.0.1", 0, tls)
        self._channels: list[Channel] = []
        self._number = 0
        for service in make(Members("OwnMSP", roots)):
            service.register(self._server)

    async def start(self) -> None:
        self._number = await self._server.start()

    async def stop(self) -> None:
        for channel in self._channels:
            await channel.close()
        await self._server.stop(0)

    def client(self, service: str, msp_id: str = "OwnMSP", *units: str) -> ServiceClient:
        """Return a client with a certificate of a member, with organizational units."""
        self._channels.append(Channel(self.address, self.tls(msp_id, *units)))
        return ServiceClient(self._channels[-1], service)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._number}"

    def tls(self, msp_id: str = "OwnMSP", *units: str) -> ClientTls:
        """Return a new certificate of a member, with organizational units, and whom it trusts."""
        certificate, key = self._authorities[msp_id].issue("client", *units)
        return ClientTls(self._authorities["OwnMSP"].pem, certificate, key)


@asynccontextmanager
async def open_port(make: Make) -> AsyncIterator[Port]:
    """Yield a port with the services that ``make`` returns when it is given the members."""
    port = Port(make)
    await port.start()
    try:
        yield port
    finally:
        await port.stop()


@asynccontextmanager
async def open_books(url: str, clock: Clock) -> AsyncIterator[Books]:
    """Migrate the database and yield books that were taken over."""
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection)
    books = Books(url, new_writer(url, clock), now=clock)
    await books.start()
    try:
        yield books
    finally:
        await books.stop()
