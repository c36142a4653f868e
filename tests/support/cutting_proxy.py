"""A TCP proxy before PostgreSQL that cuts every connection at a chosen message of the protocol.

It reads only where messages begin and end: a type byte (not in the first message of a client) and a length that
counts itself. Counting begins with ``arm``; messages before the chosen one are passed on, that one not, or half of it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType

from psycopg.conninfo import conninfo_to_dict, make_conninfo

TO_SERVER, TO_CLIENT = "to the server", "to the client"


class CuttingProxy:
    """Listens on the loopback for one database server.

    Args:
        url: of the database behind it.
    """

    def __init__(self, url: str) -> None:
        self._behind = conninfo_to_dict(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._cut: tuple[str, int, bool] | None = None
        self.counts = {TO_SERVER: 0, TO_CLIENT: 0}
        """Messages passed on since ``arm``."""
        port = self._listener.getsockname()[1]
        more = {"host": "127.0.0.1", "hostaddr": None, "port": port, "sslmode": "disable", "gssencmode": "disable"}
        self.url = make_conninfo(**{k: v for k, v in (self._behind | more).items() if v is not None})
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._close_all()
        for thread in self._threads:
            thread.join()

    def arm(self, direction: str | None = None, count: int = 0, *, torn: bool = False) -> None:
        """Begin to count; cut once, at message ``count`` (from 0) of a direction, if one is given.

        Args:
            torn: whether half of that message still goes through.
        """
        with self._lock:
            self.counts = {TO_SERVER: 0, TO_CLIENT: 0}
            self._cut = (direction, count, torn) if direction is not None else None

    @property
    def has_cut(self) -> bool:
        """Whether the chosen message came."""
        return self._cut is None

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            # Messages go on one by one: without this each waits for the other end's delayed acknowledgement, 40 ms.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = self._connect()
            with self._lock:
                self._ends |= {client, server}
            self._start(self._pump, client, server, TO_SERVER)
            self._start(self._pump, server, client, TO_CLIENT)

    def _connect(self) -> socket.socket:
        host, port = str(self._behind["host"]), str(self._behind.get("port", 5432))
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(Path(host) / f".s.PGSQL.{port}"))
            return server
        server = socket.create_connection((host, int(port)))
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server

    def _pump(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        head_bytes = 4 if direction == TO_SERVER else 5
        try:
            stream = source.makefile("rb")
            while head := stream.read(head_bytes):
                length = int.from_bytes(head[-4:], "big") - 4
                if not self._pass_on(head + stream.read(length), target, direction):
                    return
                head_bytes = 5
        except OSError:
            pass  # the other direction was cut, or one end went away
        finally:
            with self._lock:
                _close(source)
                _close(target)

    def _pass_on(self, message: bytes, target: socket.socket, direction: str) -> bool:
        with self._lock:
            if self._cut is not None and (direction, self.counts[direction]) == self._cut[:2]:
                if self._cut[2]:
                    target.sendall(message[: len(message) // 2])
                self._cut = None
                self._close_all()
                return False
            self.counts[direction] += 1
            target.sendall(message)
        return True

    def _close_all(self) -> None:
        for end in self._ends:
            _close(end)
        self._ends.clear()


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was closed before
        end.shutdown(socket.SHUT_RDWR)
    end.close()
