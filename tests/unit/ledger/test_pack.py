"""Packed arrays that psycopg itself reads back."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import Transformer
from psycopg.pq import Format

from ledger import pack
from tests.support.books import START


def unpack(packed: pack.Packed) -> list[Any]:
    transformer = Transformer()
    return transformer.get_loader(packed.array_type, Format.BINARY).load(packed.data)  # type: ignore[no-any-return]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_packed_integers_are_read_back(values: list[int]) -> None:
    assert unpack(pack.pack_int8(values)) == values


@given(st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))))
def test_packed_texts_are_read_back(values: list[str | None]) -> None:
    assert unpack(pack.pack_texts(values)) == values


@given(st.lists(st.uuids()))
def test_packed_uuids_are_read_back(values: list[uuid.UUID]) -> None:
    assert unpack(pack.pack_uuids([value.bytes for value in values])) == values
    assert unpack(pack.pack_optional_uuids([value.bytes for value in values])) == values


@pytest.mark.parametrize("moment", [START, datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)])
def test_packed_times_are_read_back(moment: datetime) -> None:
    from ledger.journal import microseconds

    assert unpack(pack.pack_times(np.array([microseconds(moment)]))) == [moment]
