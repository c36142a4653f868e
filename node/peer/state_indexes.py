"""Indexes for rich queries: what a chaincode's package declares, and their making in the database.

A package's code holds them as Fabric's packages do:

    META-INF/statedb/couchdb/indexes/<any>.json
    META-INF/statedb/couchdb/collections/<collection>/indexes/<any>.json

Rules:
- an index is made for a channel once the chaincode is defined there and its package is on this peer; it stays;
- an index that cannot be made is logged: queries find the same without it;
- making one holds up commits to that channel's tables meanwhile, so declare indexes before there is much state.

Source: Fabric internal/ccmetadata/validators.go, core/ledger/cceventmgmt.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from node.peer.database import Connection, fetch, index_text
from node.peer.errors import ChaincodeError, PeerError, StateError
from node.peer.reader import DatabaseThread
from node.peer.selector import Path, parse_field

_log = structlog.get_logger(__name__)

FIELDS_MAX = 8
"""Fields of one index."""

INDEXES_MAX = 32
"""Indexes of one chaincode: each is work for every commit to its state."""

_PUBLIC = re.compile(r"META-INF/statedb/couchdb/indexes/[^/]+[.]json")
_PRIVATE = re.compile(r"META-INF/statedb/couchdb/collections/([A-Za-z0-9-][A-Za-z0-9_-]*)/indexes/[^/]+[.]json")


@dataclass(frozen=True, slots=True)
class StateIndex:
    """An index.

    Args:
        collection: private collection, '' for public state.
        fields: paths to its fields.
    """

    collection: str
    fields: tuple[Path, ...]


Wanted = Callable[[], Awaitable[Mapping[str, Sequence[StateIndex]]]]


def parse_indexes(files: Mapping[str, bytes]) -> tuple[StateIndex, ...]:
    """Return the indexes that the files of a package declare.

    Raises:
        ChaincodeError: naming the file and what is wrong with it.
    """
    indexes: dict[StateIndex, None] = {}
    for name, content in sorted(files.items()):
        if not name.startswith("META-INF/statedb/"):
            continue
        private = _PRIVATE.fullmatch(name)
        if private is None and _PUBLIC.fullmatch(name) is None:
            raise ChaincodeError(f"metadata file path or name is not supported: {name}")
        try:
            index = StateIndex(private.group(1) if private is not None else "", _fields(content))
        except (ChaincodeError, StateError) as error:
            raise ChaincodeError(f"Index metadata file [{name}] is not a valid index definition: {error}") from error
        indexes[index] = None
    if len(indexes) > INDEXES_MAX:
        raise ChaincodeError(f"the package declares {len(indexes)} indexes, more than {INDEXES_MAX}")
    return tuple(indexes)


class ChannelIndexes:
    """Makes the indexes that a channel's chaincodes declare, whenever there may be new ones.

    Args:
        thread: makes them; nothing that is waited for runs there.
        channel_no: number of the channel in its tables.
        wanted: gives the indexes by chaincode.
    """

    def __init__(self, thread: DatabaseThread, channel_no: int, wanted: Wanted) -> None:
        self._thread = thread
        self._channel_no = channel_no
        self._wanted = wanted
        self._awake = asyncio.Event()
        self._awake.set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Look again: a definition was committed or a package installed."""
        self._awake.set()

    async def _run(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            try:
                wanted = await self._wanted()
            except PeerError as error:
                _log.error("indexes not made", reason=str(error))
                continue
            for chaincode, indexes in wanted.items():
                for index in indexes:
                    await self._make(chaincode, index)

    async def _make(self, chaincode: str, index: StateIndex) -> None:
        """Make one index; that it cannot be made is told, and is no matter of those that follow."""
        columns = (self._channel_no, index_text(chaincode), index_text(index.collection), json.dumps(index.fields))
        names = {"chaincode": chaincode, "collection": index.collection, "fields": index.fields}
        try:
            made = await self._thread.run(partial(_declare, columns))
        except PeerError as error:
            _log.error("index not made", reason=str(error), **names)
            return
        if made:
            _log.info("index made", **names)


def _declare(parameters: tuple[object, ...], connection: Connection) -> bool:
    return bool(fetch(connection, "declare_document_index", parameters)[0][0])


def _fields(content: bytes) -> tuple[Path, ...]:
    try:
        definition = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ChaincodeError(f"it is not a valid JSON: {error}") from error
    if not isinstance(definition, dict):
        raise ChaincodeError("it is no JSON object")
    unknown = sorted(set(definition) - {"index", "ddoc", "name", "type"})
    if unknown:
        raise ChaincodeError(f"Invalid Entry.  Entry {unknown[0]}")
    for entry in ("ddoc", "name"):
        if not isinstance(definition.get(entry, ""), str):
            raise ChaincodeError(f'Invalid entry, "{entry}" must be a string')
    if definition.get("type", "json") != "json":
        raise ChaincodeError("Index type must be json")
    index = definition.get("index")
    fields = index.get("fields") if isinstance(index, dict) else None
    if not isinstance(fields, list):
        raise ChaincodeError('Index definition must include a "fields" definition')
    if not 1 <= len(fields) <= FIELDS_MAX:
        raise ChaincodeError(f"an index has between 1 and {FIELDS_MAX} fields, not {len(fields)}")
    return tuple(parse_field(_name(field)) for field in fields)


def _name(field: Any) -> str:
    """Return a field's name; its direction does not matter, an index is read both ways."""
    if isinstance(field, str):
        return field
    if isinstance(field, dict) and len(field) == 1:
        name, direction = next(iter(field.items()))
        if isinstance(direction, str) and direction.lower() in ("asc", "desc"):
            return str(name)
        raise ChaincodeError(f'Sort must be either "asc" or "desc".  "{direction}" was found.')
    raise ChaincodeError('Invalid field definition, fields must be in the form "fieldname":"sort"')
