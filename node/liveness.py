"""Whether a process of a consortium on one machine is stuck: alive, and answering nobody.

What is asked is answered by the process's own loop, however the parts behind it fare: a node without its database is
not stuck, nor is one that migrates for an hour.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import yaml

from node.home import Home

ANSWER_TIMEOUT_S = 5.0

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""A PostgreSQL server answers it with one byte, before anybody logs in."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a process answers that is not stuck.

    Args:
        host: where it is asked.
        port: where it is asked.
        words: what is sent; any byte, or that the connection is closed, is an answer.
        heard_from_the_first: whether it listens there before it does anything that may take long.
    """

    host: str
    port: int
    words: bytes = b"GET /version HTTP/1.0\r\n\r\n"
    heard_from_the_first: bool = True

    async def is_answered(self) -> bool | None:
        """Tell whether it is answered in time; None where nobody listens."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(self.host, self.port)
        except TimeoutError:
            return False
        except (OSError, ValueError):
            return None  # or its host is no name at all
        try:
            writer.write(self.words)
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await reader.read(1)
        except TimeoutError:
            return False
        except OSError:
            return True  # it was cut off, by somebody who lives
        finally:
            writer.transport.abort()
        return True

    async def told(self, path: str) -> str:
        """Return the whole answer to another request than for a version; empty where there is none in time."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                    return (await reader.read()).decode(errors="replace")
                finally:
                    writer.transport.abort()
        except (OSError, ValueError):  # TimeoutError is an OSError
            return ""


def question_for(home: Home, name: str, port: int) -> Question | None:
    """Return what to ask a process of this home; None where its settings name nothing that could be asked.

    Args:
        home: where its settings are.
        name: as the supervisor calls it: ``orderer``, ``<organization>-node``, ...
        port: its own.
    """
    organization, _, kind = name.rpartition("-")
    if kind == "postgres":
        return Question("127.0.0.1", port, _SSL_REQUEST)
    if kind == "portal":
        # It has no operations service; a request in the clear is no handshake, and cut off.
        return Question("127.0.0.1", port)
    try:
        settings: dict[str, Any] = yaml.safe_load((home.root / (organization or kind) / f"{kind}.yaml").read_text())
        operations = settings["operations"]
        host, asked_port = str(operations.get("host", "127.0.0.1")), int(operations["port"])
    except (OSError, ValueError, OverflowError, yaml.YAMLError, TypeError, KeyError, AttributeError):
        return None  # none are served, or the process itself will say what is wrong with its settings
    if not 0 < asked_port < 2**16:
        return None
    return Question(host, asked_port, heard_from_the_first=kind != "gateway")
