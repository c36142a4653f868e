"""Runs contracts inside the peer's process, in a thread of their own.

Rules:
- contracts come from configuration as ``module:Class`` and are loaded by name: this room knows no contract;
- an invocation ends after its time limit, and a contract that fails is an answer like any other;
- a contract that computes for ever holds only its own thread: the thread is interrupted, what it was running fails, and
  a new one takes its place. The event loop never runs contract code.

Source: Fabric core/chaincode/chaincode_support.go (execute timeout), handler.go (its texts).
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog

from network.rpc.http2.deadlines import Deadlines
from node.peer.chaincode_state import ChaincodeState, Response
from node.peer.errors import ChaincodeError
from node.peer.history import KeyModification
from node.peer.loop_bridge import LoopBridge
from node.peer.range_scan import Scan

_log = structlog.get_logger(__name__)

T = TypeVar("T")

EXECUTE_TIMEOUT_S = 30.0
"""Time limit of one invocation, Fabric's default."""

HOLD_LIMIT_S = 5.0
"""How long a contract may compute without awaiting anything before its thread is given up."""

WATCH_PAUSE_S = 1.0
"""Pause between two looks at whether the contracts' thread answers."""

RUNTIME = "chaincode.in_process"
"""Module that loads and executes contracts."""

Event = tuple[str, bytes]
"""Name and payload of a chaincode event."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a chaincode.

    Args:
        channel_id: channel.
        tx_id: transaction.
        chaincode: its name on the channel.
        code: what runs it: its name where the settings do, else the id of an installed package.
        args: function name first.
        signed_proposal: serialized ``SignedProposal`` as received.
        is_init: whether it is the initialising call.
    """

    channel_id: str
    tx_id: str
    chaincode: str
    code: str
    args: Sequence[bytes]
    signed_proposal: bytes
    is_init: bool


class ChaincodeRunner(Protocol):
    """Something that runs chaincodes: in this process, or over the chaincode stream."""

    def has(self, code: str) -> bool:
        """Say whether it can run this code."""

    async def execute(self, invocation: Invocation, state: ChaincodeState) -> tuple[Response, Event | None]:
        """Run one invocation.

        Raises:
            ChaincodeError: there is no answer of the chaincode: it hung, or its stream ended.
        """


class _HeldTooLongError(BaseException):
    """Raised inside a contract that computed without end; no contract can catch it by mistake."""


class _TimeUpError(Exception):
    """The time limit of an invocation has passed."""


class ContractRunner:
    """Contracts of this process.

    Args:
        contracts: ``module:Class`` by chaincode name.
        timeout_s: time limit of one invocation.
        hold_limit_s: time a contract may compute without awaiting.
        runtime: module with ``load`` and ``execute``.
    """

    def __init__(
        self,
        contracts: Mapping[str, str],
        *,
        timeout_s: float = EXECUTE_TIMEOUT_S,
        hold_limit_s: float = HOLD_LIMIT_S,
        runtime: str = RUNTIME,
    ) -> None:
        self._runtime: Any = importlib.import_module(runtime)
        self._contracts = {name: self._runtime.load(path) for name, path in contracts.items()}
        self._timeout_s = timeout_s
        self._hold_limit_s = hold_limit_s
        self._thread: _ContractThread | None = None
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the contracts' thread and the watch over it."""
        self._thread = _ContractThread()
        self._deadlines = Deadlines(asyncio.get_running_loop())
        self._watch = asyncio.create_task(self._watch_thread())

    async def stop(self) -> None:
        """End the thread; invocations under way fail."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._thread is not None:
            self._thread.fail_all()
            await asyncio.to_thread(self._thread.end, HOLD_LIMIT_S)

    def has(self, code: str) -> bool:
        """Say whether there is a contract of this name or package."""
        return code in self._contracts

    def add(self, package_id: str, path: str) -> None:
        """Run an installed package as the contract ``path`` names.

        Raises:
            ChaincodeError: there is no such contract.
        """
        try:
            self._contracts[package_id] = self._runtime.load(path)
        except Exception as error:
            raise ChaincodeError(str(error)) from error

    async def execute(self, invocation: Invocation, state: ChaincodeState) -> tuple[Response, Event | None]:
        """Run one invocation; see :class:`ChaincodeRunner`."""
        thread = self._thread
        assert thread is not None, "start() comes first"
        work = self._runtime.execute(
            self._contracts[invocation.code],
            channel_id=invocation.channel_id,
            tx_id=invocation.tx_id,
            args=invocation.args,
            signed_proposal=invocation.signed_proposal,
            state=_StateBridge(state, thread.home),
            is_init=invocation.is_init,
        )
        future = thread.run(work)
        try:
            return await self._outcome(future, invocation)
        finally:
            thread.forget(future)

    async def _outcome(
        self, future: asyncio.Future[tuple[Response, Event | None]], invocation: Invocation
    ) -> tuple[Response, Event | None]:
        limit = _Limit(future)
        tick = self._deadlines.add(time.monotonic() + self._timeout_s, limit)
        try:
            return await future
        except _TimeUpError:
            raise ChaincodeError("error sending: timeout expired while executing transaction") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ChaincodeError("error sending: chaincode stream terminated") from None
        except _HeldTooLongError:
            raise ChaincodeError("error sending: chaincode stream terminated") from None
        except Exception as error:
            _log.error("contract runtime failed", chaincode=invocation.chaincode, exc_info=error)
            raise ChaincodeError("error sending: chaincode stream terminated") from error
        finally:
            self._deadlines.remove(tick, limit)

    async def _watch_thread(self) -> None:
        """Replace the contracts' thread whenever it no longer answers."""
        while True:
            await asyncio.sleep(WATCH_PAUSE_S)
            thread = self._thread
            assert thread is not None
            if not await thread.answers(self._hold_limit_s):
                _log.error("a contract held its thread too long, starting another", limit_s=self._hold_limit_s)
                self._thread = _ContractThread()
                thread.give_up()


class _Limit:
    """The time limit of one invocation."""

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self._future = future

    def expire(self) -> None:
        _settle(self._future, _TimeUpError())


class _ContractThread:
    """A thread with an event loop for contracts; made, and asked, in the peer's own event loop."""

    def __init__(self) -> None:
        own = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._contracts = LoopBridge(own, self._loop)
        self.home = LoopBridge(self._loop, own)
        """The way back, for contracts that read the state."""
        self._running: set[asyncio.Future[Any]] = set()
        self._thread = threading.Thread(target=self._serve, name="peer-contracts", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Run a coroutine in the thread."""
        future = self._contracts.run(work)
        self._running.add(future)
        return future

    def forget(self, future: asyncio.Future[Any]) -> None:
        """Take note that a coroutine's outcome was heard."""
        self._running.discard(future)

    async def answers(self, limit_s: float) -> bool:
        """Say whether the thread's loop takes its turn within the limit."""
        done, _ = await asyncio.wait([self._contracts.run(asyncio.sleep(0))], timeout=limit_s)
        return bool(done)

    def give_up(self) -> None:
        """Fail everything that runs, interrupt the contract and let the thread end."""
        self.fail_all()
        self._loop.call_soon_threadsafe(self._loop.stop)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(_HeldTooLongError)
        )

    def end(self, limit_s: float) -> None:
        """End the thread after its current turn; blocks."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(limit_s)

    def fail_all(self) -> None:
        """Fail everything that runs."""
        for future in list(self._running):
            _settle(future, _HeldTooLongError())

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        except _HeldTooLongError:
            _log.warning("contract interrupted")
        finally:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()


def _settle(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


class _StateBridge:
    """A chaincode's state for use from the contracts' thread.

    What only notes something down is done at once, and so are reads of what the peer has in memory; all that has to be
    read goes to the peer's own event loop.
    """

    def __init__(self, state: ChaincodeState, home: LoopBridge) -> None:
        self._state = state
        self._home = home

    async def get_state(self, collection: str, key: str) -> bytes:
        known = self._state.known_state(collection, key)
        return known if known is not None else await self._call(self._state.get_state(collection, key))

    async def get_states(self, collection: str, keys: Sequence[str]) -> list[bytes]:
        return await self._call(self._state.get_states(collection, keys))

    async def put_state(self, collection: str, key: str, value: bytes) -> None:
        work = self._state.put_state(collection, key, value)
        await (self._call(work) if collection else work)

    async def del_state(self, collection: str, key: str) -> None:
        await self.put_state(collection, key, b"")

    async def purge_private_data(self, collection: str, key: str) -> None:
        await self._call(self._state.purge_private_data(collection, key))

    async def get_private_data_hash(self, collection: str, key: str) -> bytes:
        return await self._call(self._state.get_private_data_hash(collection, key))

    async def get_state_metadata(self, collection: str, key: str) -> Mapping[str, bytes]:
        return await self._call(self._state.get_state_metadata(collection, key))

    async def put_state_metadata(self, collection: str, key: str, name: str, value: bytes) -> None:
        await self._call(self._state.put_state_metadata(collection, key, name, value))

    async def range_query(self, collection: str, start: str, end: str, page_size: int, bookmark: str) -> _ScanBridge:
        scan = await self._call(self._state.range_query(collection, start, end, page_size, bookmark))
        return _ScanBridge(scan, self._home)

    async def query_result(self, collection: str, query: str, page_size: int, bookmark: str) -> _ScanBridge:
        scan = await self._call(self._state.query_result(collection, query, page_size, bookmark))
        return _ScanBridge(scan, self._home)

    async def history(self, key: str) -> Sequence[KeyModification]:
        return await self._call(self._state.history(key))

    async def invoke_chaincode(self, name: str, args: Sequence[bytes], channel: str) -> Response:
        return await self._call(self._state.invoke_chaincode(name, args, channel))

    async def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return await self._home.run(work)


class _ScanBridge:
    """An open query for use from the contracts' thread."""

    def __init__(self, scan: Scan, home: LoopBridge) -> None:
        self._scan = scan
        self._home = home
        self.fetched_records_count = scan.fetched_records_count
        self.bookmark = scan.bookmark

    def __aiter__(self) -> _ScanBridge:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        ready = self._scan.ready()
        if ready is not None:
            return ready
        return await self._home.run(self._scan.__anext__())

    async def aclose(self) -> None:
        await self._scan.aclose()
