"""Packs columns of a batch into PostgreSQL's binary array form, several times faster than value by value.

Source: PostgreSQL src/backend/utils/adt/arrayfuncs.c, array_recv: dimensions, null flag, element type, length, lower
bound, then each element with its length (-1 for null).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from psycopg.pq import Format

from ledger.account_columns import Numbers

_HEADER = struct.Struct("!iiIii")
_NULL = b"\xff\xff\xff\xff"


class Packed:
    """An array ready for the wire.

    Args:
        data: the elements, each with its length.
        count: number of elements.
        nullable: true where an element may be null.
    """

    __slots__ = ("data",)
    array_type: ClassVar[int]
    element_type: ClassVar[int]

    def __init__(self, data: bytes, count: int, nullable: bool = False) -> None:
        dimensions = 1 if count else 0
        self.data = _HEADER.pack(dimensions, int(nullable), self.element_type, count, 1)[: 20 if count else 12] + data


class PackedInt2(Packed):
    """``smallint[]``"""

    array_type = 1005
    element_type = 21


class PackedInt4(Packed):
    """``integer[]``"""

    array_type = 1007
    element_type = 23


class PackedInt8(Packed):
    """``bigint[]``"""

    array_type = 1016
    element_type = 20


class PackedBytes(Packed):
    """``bytea[]``"""

    array_type = 1001
    element_type = 17


class PackedText(Packed):
    """``text[]``"""

    array_type = 1009
    element_type = 25


class PackedUuid(Packed):
    """``uuid[]``"""

    array_type = 2951
    element_type = 2950


class PackedTime(Packed):
    """``timestamptz[]``"""

    array_type = 1185
    element_type = 1184


POSTGRES_EPOCH_US = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970: where PostgreSQL's timestamps begin."""


SMALL = 16
"""So few values are packed faster one by one than as an array."""


def _integers(values: Sequence[int] | Numbers, code: str, size: int) -> bytes:
    if isinstance(values, np.ndarray):
        if len(values) > SMALL:
            return _elements(values, f">i{size}").tobytes()
        values = values.tolist()
    count = len(values)
    flat = [size] * (2 * count)
    flat[1::2] = values
    return struct.pack("!" + f"i{code}" * count, *flat)


def _elements(values: npt.NDArray[Any], form: str) -> npt.NDArray[np.void]:
    elements = np.empty(len(values), [("length", ">i4"), ("value", form)])
    elements["length"] = np.dtype(form).itemsize
    elements["value"] = values
    return elements


class LegArrays:
    """Arrays over stretches of one column, each as a field of a row: its length, then the array.

    Args:
        column: of whole numbers.
        small: whether the arrays are ``smallint[]``; else ``bigint[]``.
    """

    def __init__(self, column: Numbers, small: bool) -> None:
        self._kind = PackedInt2 if small else PackedInt8
        elements = _elements(column, ">i2" if small else ">i8")
        self._size, self._data = elements.itemsize, elements.tobytes()
        self._heads: dict[int, bytes] = {}

    def field(self, start: int, end: int) -> bytes:
        """Return the field of the elements from ``start`` to before ``end``."""
        count = end - start
        head = self._heads.get(count)
        if head is None:
            empty = self._kind(b"", count).data
            head = self._heads[count] = (len(empty) + count * self._size).to_bytes(4, "big") + empty
        return head + self._data[start * self._size : end * self._size]


def pack_int2(values: Sequence[int] | Numbers) -> PackedInt2:
    """Return ``smallint[]``."""
    return PackedInt2(_integers(values, "h", 2), len(values))


def pack_int4(values: Sequence[int] | Numbers) -> PackedInt4:
    """Return ``integer[]``."""
    return PackedInt4(_integers(values, "i", 4), len(values))


def pack_int8(values: Sequence[int] | Numbers) -> PackedInt8:
    """Return ``bigint[]``."""
    return PackedInt8(_integers(values, "q", 8), len(values))


def pack_times(values_us: Numbers) -> PackedTime:
    """Return ``timestamptz[]`` from microseconds since 1970 UTC."""
    return PackedTime(_integers(values_us - POSTGRES_EPOCH_US, "q", 8), len(values_us))


def _same_length(values: Sequence[bytes] | bytes, size: int) -> bytes:
    if isinstance(values, bytes):
        return _elements(np.frombuffer(values, f"V{size}"), f"V{size}").tobytes()
    length = size.to_bytes(4, "big")
    return length + length.join(values) if values else b""


def pack_uuids(values: Sequence[bytes] | bytes) -> PackedUuid:
    """Return ``uuid[]`` from 16-byte values, single or joined."""
    return PackedUuid(_same_length(values, 16), _count(values, 16))


def pack_hashes(values: Sequence[bytes] | bytes) -> PackedBytes:
    """Return ``bytea[]`` from values of 32 bytes each, single or joined."""
    return PackedBytes(_same_length(values, 32), _count(values, 32))


def _count(values: Sequence[bytes] | bytes, size: int) -> int:
    return len(values) // size if isinstance(values, bytes) else len(values)


def _any_length(values: Sequence[bytes | None]) -> bytes:
    parts: list[bytes] = []
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            parts += (len(value).to_bytes(4, "big"), value)
    return b"".join(parts)


def pack_texts(values: Sequence[str | None]) -> PackedText:
    """Return ``text[]``; None is null."""
    # Kinds and codes repeat.
    fields = {value: _any_length((value.encode() if value is not None else None,)) for value in {*values}}
    return PackedText(b"".join([fields[value] for value in values]), len(values), nullable=True)


def pack_optional_uuids(values: Sequence[bytes | None]) -> PackedUuid:
    """Return ``uuid[]`` from 16-byte values; None is null."""
    if None not in values:
        return pack_uuids(cast(Sequence[bytes], values))
    return PackedUuid(_any_length(values), len(values), nullable=True)


class Raw:
    """One value in PostgreSQL's binary form.

    Args:
        data: the value.
    """

    __slots__ = ("data",)
    oid: ClassVar[int]

    def __init__(self, data: bytes) -> None:
        self.data = data


class RawInt2(Raw):
    """``smallint``"""

    oid = 21


class RawInt4(Raw):
    """``integer``"""

    oid = 23


class RawInt8(Raw):
    """``bigint``"""

    oid = 20


class RawBytes(Raw):
    """``bytea``"""

    oid = 17


class RawText(Raw):
    """``text``"""

    oid = 25


class RawUuid(Raw):
    """``uuid``"""

    oid = 2950


class RawTime(Raw):
    """``timestamptz``"""

    oid = 1184


class RawInt2s(Raw):
    """``smallint[]``"""

    oid = 1005


class RawInt8s(Raw):
    """``bigint[]``"""

    oid = 1016


class _BytesDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> bytes:
        data: bytes = obj.data
        return data


def _dumper(kind: type[Packed] | type[Raw]) -> type[Dumper]:
    oid = kind.array_type if issubclass(kind, Packed) else kind.oid
    return type(f"{kind.__name__}Dumper", (_BytesDumper,), {"oid": oid})


_DUMPERS = {kind: _dumper(kind) for base in (Packed, Raw) for kind in base.__subclasses__()}


def register(connection: psycopg.Connection[Any]) -> None:
    """Teach a connection to send packed arrays and raw values."""
    context: AdaptContext = connection
    for kind, dumper in _DUMPERS.items():
        assert context.adapters is not None
        context.adapters.register_dumper(kind, dumper)
