"""What processes count and watch: calls by Fabric's names, Deliver's blocks, proposals, envelopes, certificates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from fabric_protos.common import common_pb2
from fabric_protos.peer import events_pb2, proposal_response_pb2

from network import rpc
from network.envelope import seek_envelope
from network.errors import RpcError
from network.identity import SigningIdentity
from network.operations.certificates import CertificateWatch, Watched, require_valid
from network.operations.health import UnhealthyError
from network.operations.metrics import Metrics
from network.rpc import StatusCode
from node.config import OperationsSettings, OperationsTls
from node.operations.grpc_metrics import GrpcMetrics, ObservedServer
from node.operations.orderer_metrics import BroadcastMetrics, ChainMetrics
from node.operations.peer_metrics import EndorserMetrics, LedgerMetrics
from node.peer.committer import CommittedBlock
from node.peer.endorser import ProposalRefusedError
from tests.support.certificates import Authority
from tests.support.members import as_go

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def lines(metrics: Metrics, name: str) -> set[str]:
    """Return the samples of a name, without histograms' buckets."""
    return {
        line.removeprefix(name)
        for line in (await metrics.text()).splitlines()
        if line.startswith((name + "{", name + " ", name + "_count"))
    }


async def told(metrics: Metrics, name: str, expected: set[str]) -> None:
    """Wait until the samples of a name are these."""
    async with asyncio.timeout(20):
        while await lines(metrics, name) != expected:  # noqa: ASYNC110 - what is counted has no event
            await asyncio.sleep(0.01)


# --- calls ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def served() -> AsyncIterator[tuple[rpc.Channel, Metrics]]:
    metrics = Metrics()
    server = ObservedServer("127.0.0.1", 0, None, GrpcMetrics(metrics))

    async def answer(request: bytes, call: rpc.Call) -> bytes:
        if request == b"refuse":
            raise RpcError(StatusCode.FAILED_PRECONDITION, "no")
        if request == b"fault":
            raise ValueError("a fault")
        if request == b"hang":
            await asyncio.Event().wait()
        return request

    async def stream(request: bytes, call: rpc.Call) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield request
        raise RpcError(StatusCode.UNAVAILABLE, "gone")

    async def echo(requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    async def deliver(requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        async for _ in requests:
            for number in range(2):
                yield events_pb2.DeliverResponse(filtered_block=filtered(number)).SerializeToString()
            yield events_pb2.DeliverResponse(status=common_pb2.SUCCESS).SerializeToString()

    server.unary("/pkg.v1.Service/Answer", answer)
    server.server_stream("/pkg.v1.Service/Stream", stream)
    server.bidi("/pkg.v1.Service/Echo", echo)
    server.bidi("/protos.Deliver/DeliverFiltered", deliver)
    channel = rpc.Channel(f"127.0.0.1:{await server.start()}", None)
    yield channel, metrics
    await channel.close()
    await server.stop(0)


def filtered(number: int) -> events_pb2.FilteredBlock:
    return events_pb2.FilteredBlock(channel_id="anchors", number=number)


async def sent(*requests: bytes) -> AsyncIterator[bytes]:
    for request in requests:
        yield request


async def test_unary_calls_are_counted_by_how_they_end(served: tuple[rpc.Channel, Metrics]) -> None:
    channel, metrics = served
    path = "/pkg.v1.Service/Answer"
    assert [await channel.unary(path, b"x", 5) for _ in range(2)] == [b"x", b"x"]
    for request in (b"refuse", b"fault"):
        with pytest.raises(RpcError):
            await channel.unary(path, request, 5)
    names = 'service="pkg_v1_Service",method="Answer"'
    ended = {f'{{{names},code="OK"}} 2', f'{{{names},code="FailedPrecondition"}} 1', f'{{{names},code="Internal"}} 1'}
    hanging = asyncio.create_task(channel.unary(path, b"hang", None))
    await told(metrics, "grpc_server_unary_requests_received", {f"{{{names}}} 5"})
    assert await lines(metrics, "grpc_server_unary_requests_completed") == ended
    hanging.cancel()
    await told(metrics, "grpc_server_unary_requests_completed", ended | {f'{{{names},code="Canceled"}} 1'})
    assert f'_count{{{names},code="OK"}} 2' in await lines(metrics, "grpc_server_unary_request_duration")


async def test_streams_and_their_messages_are_counted(served: tuple[rpc.Channel, Metrics]) -> None:
    channel, metrics = served
    with pytest.raises(RpcError, match="gone"):
        [_ async for _ in channel.server_stream("/pkg.v1.Service/Stream", b"x", 5)]
    assert [item async for item in channel.bidi("/pkg.v1.Service/Echo", sent(b"1", b"2"), 5)] == [b"1", b"2"]
    stream, echo = (f'service="pkg_v1_Service",method="{name}"' for name in ("Stream", "Echo"))
    assert {f"{{{stream}}} 1", f"{{{echo}}} 2"} <= await lines(metrics, "grpc_server_stream_messages_received")
    assert {f"{{{stream}}} 3", f"{{{echo}}} 2"} <= await lines(metrics, "grpc_server_stream_messages_sent")
    assert {f'{{{stream},code="Unavailable"}} 1', f'{{{echo},code="OK"}} 1'} <= await lines(
        metrics, "grpc_server_stream_requests_completed"
    )


async def test_blocks_delivered_are_counted_by_channel_and_kind(served: tuple[rpc.Channel, Metrics]) -> None:
    channel, metrics = served
    identity = SigningIdentity.from_pem("BankMSP", *Authority("bank").issue("user"))
    seek = seek_envelope("anchors", identity, nonce=b"n", timestamp=NOW, start=0, stop=1).SerializeToString()
    answers = channel.bidi("/protos.Deliver/DeliverFiltered", sent(seek, seek, b"\xff"), 5)
    assert len([item async for item in answers]) == 9
    labels = 'channel="anchors",filtered="true",data_type="filtered_block"'
    assert f"{{{labels}}} 4" in await lines(metrics, "deliver_blocks_sent")
    assert f'{{{labels},success="true"}} 2' in await lines(metrics, "deliver_requests_completed")
    assert f"{{{labels.replace('anchors', '')}}} 1" in await lines(metrics, "deliver_requests_received")
    assert await lines(metrics, "deliver_streams_opened") == await lines(metrics, "deliver_streams_closed") == {" 1"}


# --- peer and orderer -----------------------------------------------------------------------------------------------


def proposal(chaincode: str = "basic") -> Any:
    return SimpleNamespace(channel_id="anchors", chaincode=chaincode)


def response(status: int, payload: bytes = b"") -> proposal_response_pb2.ProposalResponse:
    answer = proposal_response_pb2.Response(status=status)
    return proposal_response_pb2.ProposalResponse(response=answer, payload=payload)


async def test_proposals_are_counted_by_what_came_of_them() -> None:
    metrics = Metrics()
    endorser = EndorserMetrics(metrics)
    for status, payload in ((200, b"p"), (399, b"p"), (500, b""), (500, b"p"), (404, b"")):
        endorser.answered(proposal(), response(status, payload), 0.01)
    for text in ("duplicate transaction found [x]", "failed evaluating policy on x", "error validating proposal: x"):
        endorser.refused(proposal(), ProposalRefusedError(text))
    names = 'channel="anchors",chaincode="basic"'
    assert await lines(metrics, "endorser_successful_proposals") == {" 2"}
    assert await lines(metrics, "endorser_proposal_simulation_failures") == {f"{{{names}}} 1"}
    assert await lines(metrics, "endorser_endorsement_failures") == {f'{{{names},chaincodeerror="true"}} 2'}
    assert await lines(metrics, "endorser_duplicate_transaction_failures") == {f"{{{names}}} 1"}
    assert await lines(metrics, "endorser_proposal_acl_failures") == {f"{{{names}}} 1"}
    assert await lines(metrics, "endorser_proposal_validation_failures") == {" 1"}
    assert f'_count{{{names},success="false"}} 3' in await lines(metrics, "endorser_proposal_duration")


def committed(number: int, *transactions: tuple[int, str, int]) -> CommittedBlock:
    parsed = tuple(
        SimpleNamespace(type=kind, chaincode=name, chaincode_version="1.0") for kind, name, _ in transactions
    )
    validation = SimpleNamespace(transactions=parsed, flags=bytes(flag for _, _, flag in transactions))
    return CommittedBlock(number, b"", b"", b"", cast(Any, validation), processing_s=0.012, storage_s=0.004)


async def test_blocks_and_transactions_are_counted() -> None:
    metrics = Metrics()
    ledger = LedgerMetrics(metrics)
    ledger.opened("anchors", 7)
    assert await lines(metrics, "ledger_blockchain_height") == {'{channel="anchors"} 7'}
    ledger.committed("anchors", committed(7, (3, "basic", 0), (3, "basic", 0), (3, "basic", 11)))
    ledger.committed("anchors", committed(8, (1, "", 0), (77, "odd", 12)))
    assert await lines(metrics, "ledger_blockchain_height") == {'{channel="anchors"} 9'}
    kind = 'channel="anchors",transaction_type'
    assert await lines(metrics, "ledger_transaction_count") == {
        f'{{{kind}="ENDORSER_TRANSACTION",chaincode="basic:1.0",validation_code="VALID"}} 2',
        f'{{{kind}="ENDORSER_TRANSACTION",chaincode="basic:1.0",validation_code="MVCC_READ_CONFLICT"}} 1',
        f'{{{kind}="CONFIG",chaincode="unknown",validation_code="VALID"}} 1',
        f'{{{kind}="unknown",chaincode="odd:1.0",validation_code="PHANTOM_READ_CONFLICT"}} 1',
    }
    text = await metrics.text()
    assert 'ledger_block_processing_time_bucket{channel="anchors",le="0.01"} 0' in text
    assert 'ledger_block_processing_time_bucket{channel="anchors",le="0.015"} 2' in text
    assert 'ledger_blockstorage_and_pvtdata_commit_time_bucket{channel="anchors",le="0.005"} 2' in text


async def test_envelopes_and_chains_are_counted() -> None:
    metrics = Metrics()
    broadcast = BroadcastMetrics(metrics)
    broadcast.checked("anchors", "ENDORSER_TRANSACTION", 0.001)
    broadcast.ended("anchors", "ENDORSER_TRANSACTION", None, 0.02)
    broadcast.ended("anchors", "CONFIG_UPDATE", cast(Any, SimpleNamespace(status=503)), 0.02)
    broadcast.refused("", "unknown", 400, 0.001)
    broadcast.refused("", "unknown", 4711, 0.001)
    assert await lines(metrics, "broadcast_processed_count") == {
        '{channel="anchors",type="ENDORSER_TRANSACTION",status="SUCCESS"} 1',
        '{channel="anchors",type="CONFIG_UPDATE",status="SERVICE_UNAVAILABLE"} 1',
        '{channel="",type="unknown",status="BAD_REQUEST"} 1',
        '{channel="",type="unknown",status="4711"} 1',
    }
    ChainMetrics(metrics, {"anchors": cast(Any, SimpleNamespace(height=12))})
    assert await lines(metrics, "ledger_blockchain_height") == {'{channel="anchors"} 12'}
    assert await lines(metrics, "participation_status") == {'{channel="anchors"} 1'}


# --- certificates and settings --------------------------------------------------------------------------------------


@pytest.fixture
def logged() -> Any:
    with structlog.testing.capture_logs() as found:
        yield found


async def test_certificate_near_its_end_is_warned_about_once_a_day_and_counted(logged: list[dict[str, Any]]) -> None:
    identity = SigningIdentity.from_pem("BankMSP", *Authority("bank").issue("user"))
    ends = identity.certificate.not_valid_after_utc
    clock = [ends - timedelta(days=40)]
    metrics = Metrics()
    watch = CertificateWatch(metrics, lambda: [Watched("peer", as_go(identity.certificate))], lambda: clock[0])
    looks: list[tuple[timedelta, Callable[[], bool]]] = [
        (timedelta(days=-31), lambda: not logged),
        (timedelta(days=-29), lambda: logged[-1]["event"] == "certificate expires soon" and len(logged) == 1),
        (timedelta(days=-29, hours=5), lambda: len(logged) == 1),
        (timedelta(days=-27), lambda: len(logged) == 2 and logged[-1]["days_left"] == 27),
        (timedelta(seconds=1), lambda: logged[-1]["event"] == "certificate has expired"),
    ]
    for moment, holds in looks:
        clock[0] = ends + moment
        watch.look()
        assert holds(), (moment, logged)
    assert logged[0]["use"] == "peer"
    assert logged[0]["subject"] == "CN=user"
    (line,) = await lines(metrics, "dwaybank_certificate_expires_at_seconds")
    assert line.startswith('{use="peer",subject="CN=user",serial="')
    assert line.endswith(f" {int(ends.timestamp())}")


async def test_process_whose_own_certificate_is_not_valid_is_not_well_and_names_it() -> None:
    identity = SigningIdentity.from_pem("BankMSP", *Authority("bank").issue("user"))
    begins, ends = identity.certificate.not_valid_before_utc, identity.certificate.not_valid_after_utc
    own = [Watched("tls", as_go(identity.certificate))]
    for moment in (begins, ends):
        await require_valid(own, moment)
    for moment in (begins - timedelta(seconds=1), ends + timedelta(seconds=1)):
        with pytest.raises(UnhealthyError, match=rf"CN=user \(tls\) is valid from .* to {ends.isoformat()[:10]}"):
            await require_valid(own, moment)


def test_address_that_others_reach_needs_tls() -> None:
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        assert OperationsSettings(host=host, port=9443).tls is None
    for host in ("0.0.0.0", "10.0.0.1", "::", "node.bank.example"):
        with pytest.raises(ValueError, match=r"is not a loopback address: give tls"):
            OperationsSettings(host=host, port=9443)
        tls = OperationsTls(certificate="a", key="b", client_roots=["c"])  # type: ignore[arg-type,list-item]
        assert OperationsSettings(host=host, port=9443, tls=tls).http_tls() is not None
