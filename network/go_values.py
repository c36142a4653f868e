"""Names and times in certificates, read as by Go.

Source: Go 1.26, crypto/x509/parser.go (parseASN1String, parseName, parseTime),
golang.org/x/crypto/cryptobyte/asn1.go (ReadASN1UTCTime, ReadASN1GeneralizedTime).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from network.go_der import Der

_PRINTABLE = re.compile(rb"[a-zA-Z0-9'()+,\-./ :=?*&]*")
_NUMERIC = re.compile(rb"[0-9 ]*")
_UTC_TIME = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(Z|[+-]\d{4})")
_GENERAL_TIME = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(Z|[+-]\d{4})")
_FRACTION = re.compile(rb"(?<=\A\d{14})\.\d{0,8}[1-9](?=[Z+-])")
_FIRST_YEAR_OF_TWO_DIGITS = 1950
_YEARS_400 = 146097 * 86400
"""Seconds; as long as any four hundred years."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CALENDAR = tuple((edge.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1) for edge in (datetime.min, datetime.max))
CALENDAR_BEGIN = _CALENDAR[0]
"""Beginning of the year 1, which Go takes for no time at all."""


def check_loose_name(name: bytes) -> None:
    """Check a raw name as in a list of revoked certificates, where values may be of other kinds than text.

    Raises:
        ValueError: Go does not read it.
    Source: Go 1.26, encoding/asn1 (parseField, of an interface).
    """
    sets = Der(name).read(0x30)
    while sets:
        attributes = sets.read(0x31)
        while attributes:
            attribute = attributes.read(0x30)
            attribute.object_identifier()
            whole = attribute.unmarshal()
            tag = whole[0]
            if tag in _OTHER_VALUES:
                _OTHER_VALUES[tag](Der(whole))
            elif tag in _STRINGS:
                _STRINGS[tag](bytes(Der(whole).read(tag)))


def read_subject(name: bytes) -> tuple[tuple[str, str], ...]:
    """Return object identifiers and values in a raw name.

    Raises:
        ValueError: Go does not read it.
    """
    found = []
    sets = Der(name).read(0x30)
    while sets:
        attributes = sets.read(0x31)
        while attributes:
            attribute = attributes.read(0x30)
            kind = attribute.object_identifier()
            found.append((kind, _text(*attribute.read_any())))
    return tuple(found)


def _text(tag: int, value: bytes) -> str:
    reader = _STRINGS.get(tag)
    if reader is None:
        raise ValueError(f"a name in it is of the unknown kind {tag}")
    return reader(value)


def _matching(pattern: re.Pattern[bytes]) -> Callable[[bytes], str]:
    def read(value: bytes) -> str:
        if pattern.fullmatch(value) is None:
            raise ValueError("a name in it has characters of another kind")
        return value.decode()

    return read


def _two_byte_characters(value: bytes) -> str:
    if len(value) % 2:
        raise ValueError("a name in it ends within a character")
    points = [int.from_bytes(value[at : at + 2], "big") for at in range(0, len(value), 2)]
    if points and not points[-1]:
        del points[-1]
    if any(point >= 0xFFFE or 0xFDD0 <= point <= 0xFDEF or 0xD800 <= point <= 0xDFFF for point in points):
        raise ValueError("a name in it has characters that are none")
    return "".join(map(chr, points))


_STRINGS: dict[int, Callable[[bytes], str]] = {
    0x0C: lambda value: value.decode(),
    0x12: _matching(_NUMERIC),
    0x13: _matching(_PRINTABLE),
    0x14: lambda value: value.decode("latin-1"),
    0x16: lambda value: value.decode("ascii"),
    0x1E: _two_byte_characters,
}


_OTHER_VALUES: dict[int, Callable[[Der], object]] = {
    0x01: Der.boolean,
    0x02: lambda value: value.integer(bits=64),
    0x03: Der.bits,
    0x06: Der.object_identifier,
    0x17: lambda value: read_time(value, fractions=True),
    0x18: lambda value: read_time(value, fractions=True),
}


def read_time(data: Der, *, fractions: bool = False) -> int:
    """Read a time as seconds from 1970 on; lists of revoked certificates may have fractions, which are left out.

    It may be of the year 0 or, by its zone, of 10000: Go knows these years, Python's own times do not.

    Raises:
        ValueError: Go does not read it.
    """
    tag, value = data.read_any()
    if fractions and tag == 0x18:
        value = _FRACTION.sub(b"", value)
    found = {0x17: _UTC_TIME, 0x18: _GENERAL_TIME}.get(tag, _NUMERIC).fullmatch(value)
    if found is None or tag not in (0x17, 0x18):
        raise ValueError("a time in it is none")
    *digits, zone = found.groups()
    year, month, day, hour, minute, second = (int(part or 0) for part in digits)
    if tag == 0x17:
        year += 2000 if year < _FIRST_YEAR_OF_TWO_DIGITS - 1900 else 1900
    local = datetime(year or 400, month, day, hour, minute, second, tzinfo=UTC) - _EPOCH
    return local // timedelta(seconds=1) - (0 if year else _YEARS_400) - _offset(zone)


@lru_cache(256)  # the same few certificates are asked whenever they sign
def in_calendar(seconds: int) -> datetime:
    """Return a time as read above; the calendar's first or last where it is beyond."""
    return _EPOCH + timedelta(seconds=min(max(seconds, _CALENDAR[0]), _CALENDAR[1]))


def _offset(zone: bytes) -> int:
    if zone == b"Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[3:])
    if hours > 24 or minutes >= 60 or not (hours or minutes):
        raise ValueError("the zone of a time in it is none")
    return (hours * 3600 + minutes * 60) * (-1 if zone.startswith(b"-") else 1)
