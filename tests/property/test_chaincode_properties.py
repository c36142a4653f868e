"""Aim: what contracts write has one form and reads back; hostile arguments are refused, never crash a contract.

Method: generated values, keys and argument lists.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode import in_process
from chaincode.audit import AuditContract
from chaincode.compliance import ComplianceContract
from chaincode.encoding import INTEGER_MAX, decode_base64, encode_base64, from_json, to_json
from chaincode.errors import ArgumentError
from chaincode.shim.composite_key import NAMESPACE, create_composite_key, partial_range, split_composite_key
from tests.support.contract_state import CommittedState, serialized_identity, signed_proposal

PROPOSAL = signed_proposal(serialized_identity("DwaybankMSP", units=("client", "reviewer")))
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
EXACT = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
PART = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00\U0010ffff"), max_size=10)


@given(EXACT)
def test_json_when_written_then_reads_back_in_one_form(value: Any) -> None:
    try:
        written = to_json(value)
    except ArgumentError as error:
        assert "deeper" in str(error)
        return
    assert from_json(written) == value
    assert to_json(from_json(written)) == written
    assert json.loads(written) == value


@given(st.binary(max_size=60))
def test_base64_when_encoded_then_only_its_one_form_is_read(data: bytes) -> None:
    text = encode_base64(data)
    assert decode_base64(text, "value", 60) == data
    with pytest.raises(ArgumentError):
        decode_base64(text + "=", "value", 100)
    with pytest.raises(ArgumentError):
        decode_base64(text + "\n", "value", 100)


@given(PART, st.lists(PART, max_size=4), st.lists(PART, max_size=2))
def test_composite_key_when_made_then_splits_back_and_stands_in_its_prefixes_range(
    kind: str, attributes: list[str], more: list[str]
) -> None:
    key = create_composite_key(kind, attributes + more)
    assert key.startswith(NAMESPACE)
    assert split_composite_key(key) == (kind, attributes + more)
    start, end = partial_range(kind, attributes)
    assert start.encode() <= key.encode() < end.encode()


FUNCTIONS = [(contract, name) for contract in (AuditContract(), ComplianceContract()) for name in contract.transactions]
ARGUMENT = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
    EXACT.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"DwaybankMSP", b"1", b"-1", b"00" * 16, b"ab" * 32, b"[]", b"[1,2]", b"{}", b"approved"]),
)


@settings(max_examples=300)
@given(st.sampled_from(FUNCTIONS), st.data())
async def test_contracts_when_arguments_are_arbitrary_then_answered_and_failures_write_nothing(
    function: tuple[Any, str], data: st.DataObject
) -> None:
    contract, name = function
    count = len(contract.transactions[name].parameters)
    args = [name.encode(), *data.draw(st.lists(ARGUMENT, min_size=count, max_size=count))]
    state = CommittedState()
    response, event = await in_process.execute(
        contract, channel_id="c", tx_id="t", args=args, signed_proposal=PROPOSAL, state=state
    )
    assert response.status == 200 or 400 <= response.status < 500, response.message
    if response.status != 200:
        assert (state.pending, event, response.payload) == ([], None, b"")
