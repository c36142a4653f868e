"""Aim: the stream's states accept exactly Fabric's messages in Fabric's order. Method: messages in, actions out."""

from __future__ import annotations

import pytest
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage as Message

from chaincode.errors import StreamError
from chaincode.shim.handler import (
    TRANSACTIONS_MAX,
    Features,
    Ignore,
    Resolve,
    Send,
    Start,
    State,
    StreamHandler,
    type_name,
)

KEY = ("ch", "t1")
RESPONSE = proposal_response_pb2.Response(status=200)


def ready_handler(payload: bytes = b"") -> StreamHandler:
    handler = StreamHandler("label:hash")
    handler.register()
    handler.receive(Message(type=Message.REGISTERED))
    handler.receive(Message(type=Message.READY, payload=payload))
    return handler


def transaction(tx_id: str = "t1", message_type: int = Message.TRANSACTION) -> Message:
    payload = chaincode_pb2.ChaincodeInput(args=[b"f", b"\xff"], decorations={"d": b"1"}).SerializeToString()
    proposal = proposal_pb2.SignedProposal(proposal_bytes=b"p")
    return Message(type=message_type, channel_id="ch", txid=tx_id, payload=payload, proposal=proposal)


def test_handshake_when_in_order_then_ready_with_the_offered_features() -> None:
    handler = StreamHandler("label:hash")
    opening = handler.register()
    assert opening.type == Message.REGISTER
    assert chaincode_pb2.ChaincodeID.FromString(opening.payload).name == "label:hash"
    assert handler.state is State.CREATED
    handler.receive(Message(type=Message.REGISTERED))
    assert handler.state is State.ESTABLISHED
    offered = chaincode_pb2.ChaincodeAdditionalParams(
        use_write_batch=True, max_size_write_batch=9, use_get_multiple_keys=False, max_size_get_multiple_keys=7
    )
    handler.receive(Message(type=Message.READY, payload=offered.SerializeToString()))
    assert handler.state is State.READY
    assert handler.features == Features(write_batch_max=9, get_multiple_max=0)
    assert ready_handler().features == Features()


@pytest.mark.parametrize("wrong", [Message.READY, Message.TRANSACTION, Message.RESPONSE, Message.REGISTER, 99])
def test_created_when_anything_but_registered_comes_then_stream_ends(wrong: int) -> None:
    with pytest.raises(StreamError, match="REGISTERED must come first"):
        StreamHandler("x").receive(Message(type=wrong))


@pytest.mark.parametrize("wrong", [Message.REGISTERED, Message.TRANSACTION, Message.ERROR])
def test_established_when_anything_but_ready_comes_then_stream_ends(wrong: int) -> None:
    handler = StreamHandler("x")
    handler.receive(Message(type=Message.REGISTERED))
    with pytest.raises(StreamError, match="READY must come first"):
        handler.receive(Message(type=wrong))


@pytest.mark.parametrize("wrong", [Message.REGISTERED, Message.READY, Message.GET_STATE, Message.COMPLETED])
def test_ready_when_a_message_has_no_place_then_stream_ends(wrong: int) -> None:
    with pytest.raises(StreamError, match="no place"):
        ready_handler().receive(Message(type=wrong))


def test_ready_when_payload_is_malformed_then_stream_ends() -> None:
    handler = StreamHandler("x")
    handler.receive(Message(type=Message.REGISTERED))
    with pytest.raises(StreamError, match="ChaincodeAdditionalParams"):
        handler.receive(Message(type=Message.READY, payload=b"\xff"))


def test_keepalive_when_received_in_any_state_then_answered() -> None:
    handler = StreamHandler("x")
    for message in (None, Message(type=Message.REGISTERED), Message(type=Message.READY)):
        if message is not None:
            handler.receive(message)
        action = handler.receive(Message(type=Message.KEEPALIVE))
        assert isinstance(action, Send)
        assert action.message.type == Message.KEEPALIVE


def test_transaction_when_started_then_input_and_proposal_are_given() -> None:
    action = ready_handler().receive(transaction())
    assert isinstance(action, Start)
    invocation = action.invocation
    assert (invocation.key, invocation.args, dict(invocation.decorations)) == (KEY, (b"f", b"\xff"), {"d": b"1"})
    assert proposal_pb2.SignedProposal.FromString(invocation.signed_proposal).proposal_bytes == b"p"
    assert not invocation.is_init
    init = ready_handler().receive(transaction(message_type=Message.INIT))
    assert isinstance(init, Start)
    assert init.invocation.is_init


def test_transaction_when_input_is_malformed_then_answered_with_error() -> None:
    action = ready_handler().receive(Message(type=Message.TRANSACTION, channel_id="ch", txid="t1", payload=b"\xff"))
    assert isinstance(action, Send)
    assert (action.message.type, action.message.txid) == (Message.ERROR, "t1")


def test_transaction_when_its_id_runs_already_then_ignored() -> None:
    handler = ready_handler()
    handler.receive(transaction())
    assert isinstance(handler.receive(transaction()), Ignore)


def test_transaction_when_too_many_run_then_answered_with_error() -> None:
    handler = ready_handler()
    for number in range(TRANSACTIONS_MAX):
        assert isinstance(handler.receive(transaction(f"t{number}")), Start)
    action = handler.receive(transaction("one more"))
    assert isinstance(action, Send)
    assert action.message.type == Message.ERROR
    handler.complete(("ch", "t0"), RESPONSE, None)
    assert isinstance(handler.receive(transaction("one more")), Start)


def test_request_when_one_is_outstanding_then_second_is_refused() -> None:
    handler = ready_handler()
    handler.receive(transaction())
    request = handler.request(KEY, Message.GET_STATE, b"p")
    assert (request.type, request.channel_id, request.txid, request.payload) == (Message.GET_STATE, "ch", "t1", b"p")
    with pytest.raises(StreamError, match="outstanding"):
        handler.request(KEY, Message.GET_STATE, b"p")
    reply = Message(type=Message.RESPONSE, channel_id="ch", txid="t1", payload=b"v")
    action = handler.receive(reply)
    assert isinstance(action, Resolve)
    assert (action.key, action.message.payload) == (KEY, b"v")
    handler.request(KEY, Message.GET_STATE, b"p")


def test_reply_when_nobody_waits_then_ignored() -> None:
    handler = ready_handler()
    reply = Message(type=Message.RESPONSE, channel_id="ch", txid="t1")
    assert isinstance(handler.receive(reply), Ignore)
    handler.receive(transaction())
    assert isinstance(handler.receive(reply), Ignore)
    handler.request(KEY, Message.GET_STATE, b"")
    other_channel = Message(type=Message.RESPONSE, channel_id="other", txid="t1")
    assert isinstance(handler.receive(other_channel), Ignore)
    assert isinstance(handler.receive(reply), Resolve)


def test_request_when_transaction_is_over_then_refused() -> None:
    handler = ready_handler()
    with pytest.raises(StreamError, match="is over"):
        handler.request(KEY, Message.GET_STATE, b"")
    handler.receive(transaction())
    done = handler.complete(KEY, RESPONSE, None)
    assert (done.type, done.txid, done.HasField("chaincode_event")) == (Message.COMPLETED, "t1", False)
    with pytest.raises(StreamError, match="is over"):
        handler.request(KEY, Message.GET_STATE, b"")


def test_type_name_when_unknown_then_its_number() -> None:
    assert (type_name(Message.READY), type_name(99)) == ("READY", "99")
