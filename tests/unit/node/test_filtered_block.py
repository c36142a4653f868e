"""Filtered blocks tell what became of transactions and nothing of what they contain.

Method: captured blocks of a real network, whose contents are known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from network.block import parse_block, transactions_filter
from network.envelope import parse_transaction
from node.block_reading import read_block
from node.peer.filtered_block import filtered_block, filtered_response, filtered_response_of
from node.peer.gateway.chaincode_events import block_events
from tests.support.calls import calls_during
from tests.support.captured import NETWORKS, captured


@pytest.mark.parametrize("network", NETWORKS)
def test_ids_types_and_flags_are_those_fabric_reported(network: str) -> None:
    for number, content in enumerate(captured(network).blocks):
        filtered = filtered_block(content)
        expected = captured(network).expected[number]["transactions"]
        found = [
            (transaction.txid, transaction.type, transaction.tx_validation_code)
            for transaction in filtered.filtered_transactions
        ]
        assert filtered.number == number
        assert found == [(item["tx_id"], item["type"], item["flag"]) for item in expected]


@pytest.mark.parametrize("network", NETWORKS)
def test_event_is_named_without_its_payload(network: str) -> None:
    number, position = captured(network).position_of("event", 0)
    content = captured(network).blocks[number]
    transaction = filtered_block(content).filtered_transactions[position]
    event = transaction.transaction_actions.chaincode_actions[0].chaincode_event
    assert (event.event_name, event.chaincode_id, event.payload) == ("paid", "anchorgo", b"")
    assert b'"amount"' not in filtered_block(content).SerializeToString()
    _, events = block_events(content)
    assert [(item.event_name, item.payload) for item in events] == [("paid", b'{"amount":5}')]
    assert block_events(content, [b"anchorgo"]) == (number, events)
    assert block_events(content, [b"other", events[0].tx_id.encode()]) == (number, events)
    assert block_events(content, [b"other"]) == (number, [])


def with_results(envelope: bytes, results: bytes) -> bytes:
    """Return a transaction with another read/write set; whoever signs it may write what he likes."""
    outer = common_pb2.Envelope.FromString(envelope)
    payload = common_pb2.Payload.FromString(outer.payload)
    transaction = transaction_pb2.Transaction.FromString(payload.data)
    item = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
    response = proposal_response_pb2.ProposalResponsePayload.FromString(item.action.proposal_response_payload)
    action = proposal_pb2.ChaincodeAction.FromString(response.extension)
    action.results = results
    response.extension = action.SerializeToString()
    item.action.proposal_response_payload = response.SerializeToString()
    transaction.actions[0].payload = item.SerializeToString()
    payload.data = transaction.SerializeToString()
    outer.payload = payload.SerializeToString()
    return bytes(outer.SerializeToString())


@pytest.mark.parametrize("results", [b"\xff", b"\x12\x00" * 1_000], ids=["rubbish", "many namespaces"])
def test_event_is_told_whatever_the_read_write_set_is_and_that_is_not_read(results: bytes) -> None:
    """As a Go peer tells it, also of what is not valid; every reader of the stream has the block read again."""
    number, position = captured("raft").position_of("event", 0)
    block = captured("raft").block(number)
    block.data.data[position] = with_results(block.data.data[position], results)
    content = block.SerializeToString()
    actions = filtered_block(content).filtered_transactions[position].transaction_actions
    assert [action.chaincode_event.event_name for action in actions.chaincode_actions] == ["paid"]
    assert calls_during(lambda: filtered_block(content), "parse_rwset") == 0
    assert calls_during(lambda: block_events(content), "parse_rwset") == 0


@pytest.mark.parametrize("network", NETWORKS)
def test_what_the_committer_read_gives_the_same(network: str) -> None:
    number, position = captured(network).position_of("event", 0)
    unreadable = with_results(captured(network).block(number).data.data[position], b"\xff")
    for content in captured(network).blocks:
        block = parse_block(content)
        envelopes = [*block.data.data, b"", b"\xff", unreadable]
        block.data.data[:] = envelopes
        block.metadata.metadata[common_pb2.TRANSACTIONS_FILTER] = flags = transactions_filter(block) + b"\x0a\x01\x16"
        read = [parse_transaction(envelope) for envelope in envelopes]
        assert filtered_response_of(block.header.number, read, flags) == filtered_response(block.SerializeToString())


@pytest.mark.parametrize("read", [filtered_response, block_events])
async def test_large_block_is_read_while_others_are_served(read: Callable[[bytes], object]) -> None:
    number, position = captured("bft").position_of("event", 0)
    block = captured("bft").block(number)
    envelope, count = block.data.data[position], 3_000
    block.data.data[:] = [envelope] * count
    block.metadata.metadata[common_pb2.TRANSACTIONS_FILTER] = bytes(count)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    served = asyncio.create_task(others())
    found = await read_block(read, block.SerializeToString())
    served.cancel()
    assert turns > 1
    assert found == read(block.SerializeToString())
