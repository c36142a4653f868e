"""Chaincodes that run in processes of their own: who they are, how they are reached, and their streams.

Two ways, the same stream: a chaincode dials this peer (``/protos.ChaincodeSupport/Register``), or this peer dials a
chaincode that listens (``/protos.Chaincode/Connect``) and dials again whenever the stream ends. What the settings name
is dialled from the start, an installed package from its first invocation on; an invocation ends the pause between two
tries.

Only a package that the settings name or that is installed may register, only once at a time, and only from this
organization.

Source: Fabric core/chaincode/{chaincode_support,handler_registry}.go, extcc/extcc_handler.go.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from network import rpc
from network.errors import RpcError
from network.rpc import StatusCode
from node.peer.chaincode_state import ChaincodeState, Response
from node.peer.chaincode_stream import ChaincodeStream, StreamProtocolError
from node.peer.connection_file import Connection
from node.peer.contract_runner import EXECUTE_TIMEOUT_S, Event, Invocation
from node.peer.errors import ChaincodeError

_log = structlog.get_logger(__name__)

SERVICE_NAME = "protos.ChaincodeSupport"
CONNECT = "/protos.Chaincode/Connect"

REGISTER_TIMEOUT_S = 3.0
"""How long an invocation waits for a chaincode that dials in and is not connected; others have their own time."""

PAUSE_FIRST_S = 0.2
PAUSE_MAX_S = 5.0


@dataclass(frozen=True, slots=True)
class ExternalChaincode:
    """A chaincode in a process of its own.

    Args:
        name: on the channel; of an installed package, its package id.
        package_id: ``label:hash`` by which it registers.
        connection: where it listens; None when it dials this peer.
    """

    name: str
    package_id: str
    connection: Connection | None = None


class ChaincodeSupport:
    """The external chaincodes of one peer; a :class:`node.peer.contract_runner.ChaincodeRunner`.

    Args:
        chaincodes: what may register or is dialled.
        authorize: refuses callers that are not this organization's own, by raising RpcError.
        timeout_s: time limit of one invocation.
    """

    def __init__(
        self,
        chaincodes: Sequence[ExternalChaincode],
        authorize: Callable[[rpc.Call], None],
        timeout_s: float = EXECUTE_TIMEOUT_S,
    ) -> None:
        self._chaincodes = {chaincode.name: chaincode for chaincode in chaincodes}
        self._installed: dict[str, ExternalChaincode] = {}
        self._authorize = authorize
        self._timeout_s = timeout_s
        self._streams: dict[str, ChaincodeStream] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._dialling: dict[str, asyncio.Task[None]] = {}
        self._wanted: dict[str, asyncio.Event] = {}
        self._wanted_until: dict[str, float] = {}

    def start(self) -> None:
        """Begin to dial the chaincodes that listen."""
        for chaincode in self._chaincodes.values():
            self._dial(chaincode)

    async def stop(self) -> None:
        """End all streams."""
        for task in self._dialling.values():
            task.cancel()
        await asyncio.gather(*self._dialling.values(), return_exceptions=True)
        for stream in list(self._streams.values()):
            stream.end()

    def register(self, server: rpc.Server) -> None:
        """Serve chaincodes that dial in on ``server``."""
        server.bidi(f"/{SERVICE_NAME}/Register", self._serve)

    def add(self, package_id: str, connection: Connection | None) -> None:
        """Take in an installed package: it is dialled when it is first invoked, or dials itself."""
        self._installed[package_id] = ExternalChaincode(package_id, package_id, connection)

    def has(self, code: str) -> bool:
        """Say whether the settings name a chaincode, or a package is installed."""
        return code in self._chaincodes or code in self._installed

    async def execute(self, invocation: Invocation, state: ChaincodeState) -> tuple[Response, Event | None]:
        """Run one invocation; see :class:`node.peer.contract_runner.ChaincodeRunner`."""
        chaincode = self._chaincodes.get(invocation.code) or self._installed[invocation.code]
        if chaincode.package_id not in self._streams:
            self._dial(chaincode)
        stream = await self._stream(chaincode)
        return await stream.execute(invocation, state, self._timeout_s)

    def _dial(self, chaincode: ExternalChaincode) -> None:
        """Dial a chaincode that listens, now."""
        if chaincode.connection is None:
            return
        package_id = chaincode.package_id
        self._wanted.setdefault(package_id, asyncio.Event()).set()
        until = asyncio.get_running_loop().time() + chaincode.connection.dial_timeout_s
        self._wanted_until[package_id] = math.inf if chaincode.name in self._chaincodes else until
        if package_id not in self._dialling:
            self._dialling[package_id] = asyncio.create_task(self._keep_dialling(package_id, chaincode.connection))

    async def _stream(self, chaincode: ExternalChaincode) -> ChaincodeStream:
        package_id, connection = chaincode.package_id, chaincode.connection
        try:
            async with asyncio.timeout(connection.dial_timeout_s if connection is not None else REGISTER_TIMEOUT_S):
                while package_id not in self._streams:
                    connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiting.add(connected)
                    connected.add_done_callback(self._waiting.discard)
                    await connected
        except TimeoutError as error:
            raise ChaincodeError(
                f"could not launch chaincode {package_id}: it is not connected; start it, or check its address"
            ) from error
        return self._streams[package_id]

    async def _serve(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        """Serve one chaincode that dialled in."""
        self._authorize(call)
        stream = ChaincodeStream(self._accept)
        reading = asyncio.create_task(stream.read(requests))
        try:
            async for message in stream.outgoing():
                yield message
            await reading
        except StreamProtocolError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        except ChaincodeError as error:
            raise RpcError(StatusCode.FAILED_PRECONDITION, str(error)) from error
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            self._drop(stream)

    async def _keep_dialling(self, package_id: str, connection: Connection) -> None:
        """Keep a stream to a chaincode that listens; one of a package, once it is gone, is dialled as it is invoked.

        Else what was upgraded would be called for ever after its last process ended.
        """
        pause_s = PAUSE_FIRST_S
        wanted = self._wanted[package_id]
        while True:
            wanted.clear()
            channel = rpc.Channel(connection.address, connection.tls, server_name=connection.server_name)
            stream = ChaincodeStream(self._accept)
            try:
                await stream.read(channel.bidi(CONNECT, stream.outgoing(), None))
                reason = "the chaincode closed the stream"
            except (RpcError, ChaincodeError) as error:
                reason = str(error)
            finally:
                served = self._drop(stream)
                await channel.close()
            pause_s = PAUSE_FIRST_S if served else min(2 * pause_s, PAUSE_MAX_S)
            awaited = asyncio.get_running_loop().time() < self._wanted_until[package_id]
            next_try_s = pause_s if awaited else None
            _log.warning("chaincode not connected", package_id=package_id, reason=reason, next_try_s=next_try_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(wanted.wait(), next_try_s)

    def _accept(self, package_id: str, stream: ChaincodeStream) -> None:
        """Take a chaincode's registration.

        Raises:
            ChaincodeError: nobody expects this package, or it is connected already.
        """
        named = {chaincode.package_id for chaincode in self._chaincodes.values()}
        if package_id not in named and package_id not in self._installed:
            raise ChaincodeError(f"no chaincode of this peer has package id {package_id!r}: install it first")
        if package_id in self._streams:
            raise ChaincodeError(f"duplicate chaincodeID: {package_id}")
        self._streams[package_id] = stream
        _log.info("chaincode connected", package_id=package_id)
        for connected in self._waiting:
            if not connected.done():
                connected.set_result(None)

    def _drop(self, stream: ChaincodeStream) -> bool:
        """Forget a stream that ended; say whether it had registered."""
        stream.end()
        registered = [package_id for package_id, known in self._streams.items() if known is stream]
        for package_id in registered:
            del self._streams[package_id]
        return bool(registered)
