"""The two services every gRPC server is expected to have, over the port: health and reflection.

Source: gRPC core, doc/health-checking.md, doc/server-reflection.md.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from network.errors import RpcError
from network.rpc.port import Call, StatusCode

_Status = health_pb2.HealthCheckResponse


class Health:
    """Says whether the whole server, which is the service named ``""``, serves."""

    def __init__(self) -> None:
        self._serving = False
        self._changed = asyncio.Event()

    def serve(self, serving: bool) -> None:
        """Change the answer; those who watch a server that stops are let go."""
        self._serving = serving
        self._changed.set()
        self._changed = asyncio.Event()

    async def check(self, request: bytes, call: Call) -> bytes:
        """Answer Check.

        Raises:
            RpcError: NOT_FOUND for any other service.
        """
        if _service(request):
            raise RpcError(StatusCode.NOT_FOUND, "only the whole server, named by an empty service, is watched")
        return self._status()

    async def watch(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        """Answer Watch: the status now and after each change, until the server stops."""
        if _service(request):
            yield _Status(status=_Status.SERVICE_UNKNOWN).SerializeToString()
            await asyncio.Event().wait()  # by the protocol: the service might come to be known
        while True:
            changed = self._changed
            yield self._status()
            if not self._serving:
                return
            await changed.wait()

    def _status(self) -> bytes:
        status = _Status(status=_Status.SERVING if self._serving else _Status.NOT_SERVING)
        encoded: bytes = status.SerializeToString()
        return encoded


def _service(request: bytes) -> str:
    try:
        service: str = health_pb2.HealthCheckRequest.FromString(request).service
    except DecodeError:
        raise RpcError(StatusCode.INVALID_ARGUMENT, "the request is no HealthCheckRequest") from None
    return service


class Reflection:
    """Tells tools which services there are and what their messages look like.

    Args:
        service_names: full names.
    """

    OWN_NAMES: ClassVar[tuple[str, str]] = (
        "grpc.reflection.v1alpha.ServerReflection",
        "grpc.reflection.v1.ServerReflection",
    )
    """Both versions of the protocol: their messages are the same on the wire."""

    def __init__(self, service_names: Sequence[str]) -> None:
        self._service_names = (*service_names, *self.OWN_NAMES)
        self._servicer: Any = None

    async def answer(self, requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        """Answer ServerReflectionInfo."""
        if self._servicer is None:
            # With it comes the whole of grpcio, 9 MiB, which a process that is never asked can do without.
            module = await asyncio.to_thread(importlib.import_module, "grpc_reflection.v1alpha.reflection")
            self._servicer = module.aio.ReflectionServicer(self._service_names)
        async for reply in self._servicer.ServerReflectionInfo(_parsed(requests), None):
            yield reply.SerializeToString()


async def _parsed(requests: AsyncIterator[bytes]) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    async for request in requests:
        try:
            yield reflection_pb2.ServerReflectionRequest.FromString(request)
        except DecodeError:
            raise RpcError(StatusCode.INVALID_ARGUMENT, "the request is no ServerReflectionRequest") from None
