"""What the gateway takes from a request without a message is what protobuf's library would have given it.

Method: requests of all shapes, with bytes changed, cut, doubled and moved; the answer is compared with one made from
the library's own reading.
"""

from __future__ import annotations

from typing import Any

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from network.errors import RpcError
from node.peer.gateway.calls import read_asked
from node.peer.gateway.submit import read_submitted

PROPOSING = {
    gateway_pb2.EndorseRequest: "endorsing_organizations",
    gateway_pb2.EvaluateRequest: "target_organizations",
}

short = st.binary(max_size=200)
texts = st.text(max_size=70)


@st.composite
def changed(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> bytes:
    """Return bytes with nothing, something or much done to them."""
    data = bytearray(draw(contents))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, len(data)))
        data[start:end] = draw(st.one_of(st.just(b""), st.binary(max_size=3), st.just(bytes(data[start:end] * 2))))
    return bytes(data)


def proposing(kind: Any) -> st.SearchStrategy[bytes]:
    proposals = st.builds(proposal_pb2.SignedProposal, proposal_bytes=short, signature=short)
    built = st.builds(
        lambda tx_id, channel_id, proposal, names: kind(
            transaction_id=tx_id, channel_id=channel_id, proposed_transaction=proposal, **{PROPOSING[kind]: names}
        ),
        texts,
        texts,
        st.one_of(st.none(), proposals),
        st.lists(texts, max_size=2),
    )
    return changed(built.map(lambda message: bytes(message.SerializeToString())))


submits = changed(
    st.builds(
        gateway_pb2.SubmitRequest,
        transaction_id=texts,
        channel_id=texts,
        prepared_transaction=st.one_of(st.none(), st.builds(common_pb2.Envelope, payload=short, signature=short)),
    ).map(lambda message: bytes(message.SerializeToString()))
)


@pytest.mark.parametrize("kind", PROPOSING)
@given(data=st.data())
def test_proposal_is_the_one_the_library_reads(kind: Any, data: st.DataObject) -> None:
    request = data.draw(proposing(kind))
    try:
        message = kind.FromString(request)
    except DecodeError:
        with pytest.raises(RpcError):
            read_asked(kind, request, PROPOSING[kind])
        return
    asked, expected = read_asked(kind, request, PROPOSING[kind]), message.proposed_transaction
    assert proposal_pb2.SignedProposal.FromString(asked.signed_proposal) == expected
    assert asked.proposal_bytes == expected.proposal_bytes
    assert list(asked.msp_ids) == list(getattr(message, PROPOSING[kind]))


@given(request=submits)
def test_envelope_is_the_one_the_library_reads(request: bytes) -> None:
    try:
        message = gateway_pb2.SubmitRequest.FromString(request)
        if not message.prepared_transaction.signature:
            raise DecodeError
    except DecodeError:
        with pytest.raises(RpcError):
            read_submitted(request)
        return
    tx_id, channel_id, envelope = read_submitted(request)
    assert (tx_id, channel_id) == (message.transaction_id, message.channel_id)
    assert common_pb2.Envelope.FromString(envelope) == message.prepared_transaction


@pytest.mark.parametrize("tag", [b"\x0a", b"\x12"])
def test_id_and_channel_that_are_no_text_are_refused(tag: bytes) -> None:
    part = b"\x1a\x06\x0a\x01p\x12\x01s"
    for kind, name in PROPOSING.items():
        with pytest.raises(RpcError, match="error unmarshalling request"):
            read_asked(kind, tag + b"\x01\xff" + part, name)
        assert read_asked(kind, tag + b"\x01t" + part, name).proposal_bytes == b"p"
    with pytest.raises(RpcError, match="error unmarshalling request"):
        read_submitted(tag + b"\x01\xff" + part)
    assert read_submitted(tag + b"\x01t" + part)[2] == part[2:]
