"""Aim: what other shims got wrong on the chaincode stream works here, over a real connection, in both directions.

Method: a peer that is as strict as Fabric's (tests/support/stream_peer.py), with TLS where it matters. The list of
defects comes from measurements of another Python shim on a real network: concurrent calls that collapse, errors
returned as values, lost events, broken chaincode-to-chaincode calls, leaking iterators, hanging transactions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fabric_protos.peer import chaincode_pb2
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage as Message

from chaincode.contract import Contract
from chaincode.errors import StateError, StreamError
from chaincode.shim.client import REGISTER, serve_forever, serve_once
from chaincode.shim.server import CONNECT, ChaincodeServer
from chaincode.shim.session import Session
from chaincode.shim.stub import ChaincodeResponse, ChaincodeStub
from network.errors import RpcError
from network.rpc import Call, Channel, ClientTls, Server, ServerTls, StatusCode
from tests.support.contract_runner import outcome_of
from tests.support.contract_state import CommittedState, serialized_identity, signed_proposal
from tests.support.stream_peer import StreamPeer

PROPOSAL = signed_proposal(serialized_identity("BankMSP"), transient={"pin": b"9"})


class Probe(Contract):
    """One function for each thing a stream can do."""

    name = "probe"

    async def get(self, stub: ChaincodeStub, key: str) -> bytes:
        return await stub.get_state(key)

    async def put(self, stub: ChaincodeStub, key: str, value: bytes) -> None:
        await stub.put_state(key, value)

    async def event(self, stub: ChaincodeStub, name: str) -> None:
        stub.set_event(name, b"payload")

    async def transient(self, stub: ChaincodeStub) -> bytes:
        return stub.get_transient()["pin"]

    async def scan(self, stub: ChaincodeStub) -> list[str]:
        return [key async for key, _ in await stub.get_state_by_range("", "")]

    async def scan_one(self, stub: ChaincodeStub) -> str:
        async with await stub.get_state_by_range("", "") as found:
            async for key, _ in found:
                return key
        return ""

    async def page(self, stub: ChaincodeStub, bookmark: str) -> list[object]:
        found, metadata = await stub.get_state_by_range_with_pagination("", "", 3, bookmark)
        return [[key async for key, _ in found], metadata.fetched_records_count, metadata.bookmark]

    async def rich(self, stub: ChaincodeStub) -> list[str]:
        return [key async for key, _ in await stub.get_query_result("{}")]

    async def history(self, stub: ChaincodeStub, key: str) -> list[object]:
        changes = await stub.get_history_for_key(key)
        return [
            [change.tx_id, change.value.decode(), change.timestamp.isoformat(), change.is_delete] for change in changes
        ]

    async def call_other(self, stub: ChaincodeStub, name: str, channel: str) -> bytes:
        response = await stub.invoke_chaincode(name, [b"Fn", b"\x00"], channel)
        return response.payload

    async def private(self, stub: ChaincodeStub) -> bytes:
        await stub.put_private_data("secret", "a", b"1")
        await stub.del_private_data("secret", "b")
        await stub.purge_private_data("secret", "c")
        await stub.set_private_data_validation_parameter("secret", "a", b"policy")
        return await stub.get_private_data_hash("secret", "a")

    async def policy(self, stub: ChaincodeStub) -> bytes:
        await stub.set_state_validation_parameter("k", b"new")
        return await stub.get_state_validation_parameter("k")

    async def batch(self, stub: ChaincodeStub, count: int) -> None:
        stub.start_write_batch()
        for number in range(count):
            await stub.put_state(f"k{number}", b"v")
        await stub.put_state("k0", b"last")
        await stub.del_state("k1")
        await stub.set_state_validation_parameter("k0", b"policy")

    async def many(self, stub: ChaincodeStub, count: int) -> list[int]:
        values = await stub.get_multiple_states(*(f"k{number}" for number in range(count)))
        return [len(value) for value in values]

    async def at_once(self, stub: ChaincodeStub) -> list[str]:
        values = await asyncio.gather(*(stub.get_state(f"k{number}") for number in range(8)))
        return [value.decode() for value in values]

    async def swallow(self, stub: ChaincodeStub) -> str:
        try:
            await stub.get_state("k")
        except StateError as error:
            return f"refused: {error}"
        return "no refusal"

    async def escape(self, stub: ChaincodeStub) -> None:
        async def later() -> None:
            await asyncio.sleep(0.05)
            try:
                await stub.put_state("late", b"")
            except StateError as error:
                self.late = str(error)

        self.late = ""
        self.task = asyncio.create_task(later())

    async def wait_for_ever(self, stub: ChaincodeStub) -> None:
        await asyncio.Event().wait()

    async def initialize(self, stub: ChaincodeStub) -> ChaincodeResponse:
        await stub.put_state("init", b"done")
        failing = stub.get_args() == [b"fail"]
        return ChaincodeResponse(500 if failing else 200, "not today" if failing else "", b"")


@asynccontextmanager
async def connected(
    state: CommittedState, features: chaincode_pb2.ChaincodeAdditionalParams | None = None, **server: Any
) -> AsyncIterator[StreamPeer]:
    listening = ChaincodeServer(Probe(), "probe:1", "127.0.0.1", 0, **server)
    channel = Channel(f"127.0.0.1:{await listening.start()}", None)
    peer = StreamPeer(state, features)
    reader = asyncio.create_task(peer.read(channel.bidi(CONNECT, peer.outgoing(), None)))
    try:
        async with asyncio.timeout(20):
            await peer.ready.wait()
        yield peer
    finally:
        peer.hang_up()
        await asyncio.gather(reader, return_exceptions=True)
        await channel.close()
        await listening.stop(0)


async def call(peer: StreamPeer, *args: bytes, tx_id: str = "t") -> Any:
    return outcome_of(await peer.invoke(tx_id, args, PROPOSAL))


async def test_transactions_when_hundreds_interleave_then_each_gets_its_own_answer() -> None:
    state = CommittedState({("", f"k{n}"): str(n).encode() for n in range(200)})
    async with connected(state) as peer:
        peer.delay_s = 0.01
        outcomes = await asyncio.gather(*(call(peer, b"Get", b"k%d" % n, tx_id=f"t{n}") for n in range(200)))
        assert [outcome.payload for outcome in outcomes] == [str(n).encode() for n in range(200)]
        assert peer.dropped == []


async def test_requests_when_one_transaction_asks_at_once_then_they_queue() -> None:
    async with connected(CommittedState({("", f"k{n}"): str(n).encode() for n in range(8)})) as peer:
        peer.delay_s = 0.005
        outcome = await call(peer, b"AtOnce")
        assert outcome.json() == [str(n) for n in range(8)]
        assert peer.dropped == []


async def test_error_reply_when_peer_refuses_then_raised_and_never_a_value() -> None:
    async with connected(CommittedState(fail_with=RuntimeError("collection not found"))) as peer:
        outcome = await call(peer, b"Get", b"k")
        assert outcome.status == 500
        assert outcome.message == "state_error: GET_STATE failed: transaction ID: t: collection not found"
        assert (await call(peer, b"Put", b"k", b"v")).status == 500
        assert (await call(peer, b"Swallow")).payload.startswith(b"refused: GET_STATE failed")


async def test_event_when_set_then_attached_to_completed() -> None:
    async with connected(CommittedState()) as peer:
        assert (await call(peer, b"Event", b"Paid")).event == ("Paid", b"payload")
        assert (await call(peer, b"Transient")).payload == b"9"


async def test_queries_when_peer_pages_results_then_all_come_and_nothing_stays_open() -> None:
    state = CommittedState({("", f"k{n}"): b"v" for n in range(7)})
    async with connected(state) as peer:
        assert (await call(peer, b"Scan")).json() == [f"k{n}" for n in range(7)]
        assert (await call(peer, b"Rich")).json() == [f"k{n}" for n in range(7)]
        assert (await call(peer, b"ScanOne")).payload == b"k0"
        assert peer.open_queries == 0
        assert Message.QUERY_STATE_CLOSE in peer.seen
        assert (await call(peer, b"Page", b"")).json() == [["k0", "k1", "k2"], 3, "k3"]
        assert (await call(peer, b"Page", b"k6")).json() == [["k6"], 1, ""]


async def test_history_when_long_then_all_pages_newest_first() -> None:
    state = CommittedState()
    for number in range(5):
        await state.put_state("", "k", str(number).encode())
        state.commit(f"t{number}")
    async with connected(state) as peer:
        found = (await call(peer, b"History", b"k")).json()
        assert [change[0] for change in found] == ["t4", "t3", "t2", "t1", "t0"]
        assert found[0] == ["t4", "4", "2026-03-01T12:00:00.123456+00:00", False]


async def test_other_chaincode_when_called_then_name_channel_and_arguments_arrive() -> None:
    state = CommittedState()
    async with connected(state) as peer:
        assert (await call(peer, b"CallOther", b"other", b"ch2")).payload == b"answer of other"
        assert (await call(peer, b"CallOther", b"other", b"")).payload == b"answer of other"
        assert state.calls == [("other", [b"Fn", b"\x00"], "ch2"), ("other", [b"Fn", b"\x00"], "")]
        outcome = await call(peer, b"CallOther", b"broken", b"")
        assert (outcome.status, outcome.message) == (500, "state_error: chaincode broken failed: it broke")


async def test_private_data_and_key_policies_when_used_then_arrive_at_the_peer() -> None:
    state = CommittedState(metadata={("", "k"): {"VALIDATION_PARAMETER": b"old"}})
    async with connected(state) as peer:
        assert (await call(peer, b"Private")).status == 200
        assert (await call(peer, b"Policy")).payload == b"old"
        assert state.pending == [
            ("put", "secret", "a", b"1"),
            ("delete", "secret", "b", b""),
            ("purge", "secret", "c", b""),
            ("metadata:VALIDATION_PARAMETER", "secret", "a", b"policy"),
            ("metadata:VALIDATION_PARAMETER", "", "k", b"new"),
        ]


@pytest.mark.parametrize("offered", [True, False])
async def test_batches_when_offered_then_few_requests_and_the_same_writes(offered: bool) -> None:
    features = chaincode_pb2.ChaincodeAdditionalParams(
        use_write_batch=offered, max_size_write_batch=4, use_get_multiple_keys=offered, max_size_get_multiple_keys=4
    )
    state = CommittedState()
    async with connected(state, features) as peer:
        assert (await call(peer, b"Batch", b"6")).status == 200
        state.commit()
        assert (await call(peer, b"Many", b"7")).json() == [4, 0, 1, 1, 1, 1, 0]
    assert {key: value for (_, key), value in state.values.items()} == {
        "k0": b"last",
        **{f"k{number}": b"v" for number in range(2, 6)},
    }
    assert state.metadata[("", "k0")] == {"VALIDATION_PARAMETER": b"policy"}
    assert peer.seen.count(Message.WRITE_BATCH_STATE) == (2 if offered else 0)
    assert peer.seen.count(Message.GET_STATE_MULTIPLE) == (2 if offered else 0)


async def test_stub_when_used_after_completed_then_refused_and_peer_hears_nothing() -> None:
    contract = Probe()
    session_state = CommittedState()
    server = ChaincodeServer(contract, "probe:1", "127.0.0.1", 0)
    channel = Channel(f"127.0.0.1:{await server.start()}", None)
    peer = StreamPeer(session_state)
    reader = asyncio.create_task(peer.read(channel.bidi(CONNECT, peer.outgoing(), None)))
    await peer.ready.wait()
    assert (await call(peer, b"Escape")).status == 200
    await contract.task
    assert "is over" in contract.late
    assert session_state.pending == []
    assert Message.PUT_STATE not in peer.seen
    peer.hang_up()
    await reader
    await channel.close()
    await server.stop(0)


async def test_request_when_peer_stays_silent_then_transaction_ends_by_itself() -> None:
    async with connected(CommittedState(), request_timeout_s=0.5) as peer:
        peer.silent_types.add(Message.GET_STATE)
        outcome = await call(peer, b"Get", b"k")
        assert (outcome.status, outcome.message) == (500, "state_error: the peer did not answer within 0.5 s")
        assert (await call(peer, b"Put", b"k", b"v", tx_id="next")).status == 200


async def test_transaction_when_peer_gave_up_then_contract_hears_of_it() -> None:
    async with connected(CommittedState()) as peer:
        peer.forget("gone")
        outcome = await call(peer, b"Get", b"k", tx_id="gone")
        assert "no ledger context" in outcome.message


async def test_init_when_sent_then_runs_initialization_and_failure_is_an_error() -> None:
    state = CommittedState()
    async with connected(state) as peer:
        done = await peer.invoke("i", [], PROPOSAL, message_type=Message.INIT)
        assert done.type == Message.COMPLETED
        assert state.pending == [("put", "", "init", b"done")]
        failed = await peer.invoke("j", [b"fail"], PROPOSAL, message_type=Message.INIT)
        assert (failed.type, failed.payload) == (Message.ERROR, b"not today")


async def test_keepalive_when_sent_then_echoed() -> None:
    async with connected(CommittedState()) as peer:
        peer.send(Message(type=Message.KEEPALIVE))
        await call(peer, b"Event", b"e")
        assert peer.keepalives == 1


async def test_server_when_peer_breaks_the_protocol_then_stream_ends_with_a_reason() -> None:
    server = ChaincodeServer(Probe(), "probe:1", "127.0.0.1", 0)
    channel = Channel(f"127.0.0.1:{await server.start()}", None)
    try:
        for message in (Message(type=Message.TRANSACTION).SerializeToString(), b"\xff\xff"):

            async def requests(data: bytes = message) -> AsyncIterator[bytes]:
                yield data
                await asyncio.sleep(5)

            with pytest.raises(RpcError) as refused:
                async for _ in channel.bidi(CONNECT, requests(), 5):
                    pass
            assert refused.value.code == StatusCode.INVALID_ARGUMENT
    finally:
        await channel.close()
        await server.stop(0)


async def test_session_when_stream_ends_then_running_transactions_are_cancelled() -> None:
    session = Session(Probe(), "probe:1")
    payload = chaincode_pb2.ChaincodeInput(args=[b"WaitForEver"]).SerializeToString()
    gate = asyncio.Event()

    async def incoming() -> AsyncIterator[bytes]:
        yield Message(type=Message.REGISTERED).SerializeToString()
        yield Message(type=Message.READY).SerializeToString()
        yield Message(type=Message.TRANSACTION, channel_id="c", txid="t", payload=payload).SerializeToString()
        await asyncio.sleep(0)
        assert session.transactions == 1
        gate.set()

    await session.read(incoming())
    assert gate.is_set()
    assert session.transactions == 0
    sent = [Message.FromString(data).type async for data in session.outgoing()]
    assert sent == [Message.REGISTER, Message.ERROR]


async def test_session_when_incoming_breaks_then_outgoing_raises() -> None:
    session = Session(Probe(), "probe:1")

    async def incoming() -> AsyncIterator[bytes]:
        yield Message(type=Message.READY).SerializeToString()

    with pytest.raises(StreamError, match="REGISTERED must come first"):
        await session.read(incoming())
    with pytest.raises(StreamError, match="REGISTERED must come first"):
        async for _ in session.outgoing():
            pass


# --- the chaincode dials; TLS both ways ---


class PeerServer:
    """A peer that chaincode dials."""

    def __init__(self, tls: ServerTls | None = None, port: int = 0) -> None:
        self.peers: list[StreamPeer] = []
        self.connected = asyncio.Event()
        self.server = Server("127.0.0.1", port, tls)
        self.server.bidi(REGISTER, self.register)

    async def register(self, requests: AsyncIterator[bytes], call: Call) -> AsyncIterator[bytes]:
        peer = StreamPeer(CommittedState({("", "k"): b"value"}))
        self.peers.append(peer)
        reader = asyncio.create_task(peer.read(requests))
        self.connected.set()
        async for message in peer.outgoing():
            yield message
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def test_client_when_it_dials_a_peer_then_serves_and_dials_again() -> None:
    peers = PeerServer()
    channel = Channel(f"127.0.0.1:{await peers.server.start()}", None)
    serving = asyncio.create_task(serve_forever(Probe(), "probe:1", channel))
    try:
        for round_number in (1, 2):
            async with asyncio.timeout(10):
                await peers.connected.wait()
                peers.connected.clear()
                peer = peers.peers[-1]
                await peer.ready.wait()
            assert len(peers.peers) == round_number
            assert peer.registered == "probe:1"
            assert (await call(peer, b"Get", b"k")).payload == b"value"
            peer.hang_up()
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await channel.close()
        await peers.server.stop(0)


async def test_client_when_peer_is_absent_then_raises() -> None:
    channel = Channel("127.0.0.1:1", None)
    try:
        async with asyncio.timeout(10):
            with pytest.raises(RpcError):
                await serve_once(Probe(), "probe:1", channel)
    finally:
        await channel.close()


def authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    return issue("ca", None, None)


def issue(
    name: str, issuer: x509.Certificate | None, issuer_key: ec.EllipticCurvePrivateKey | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    )
    return builder.sign(issuer_key or key, hashes.SHA256()), key


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


async def test_tls_when_peer_has_a_certificate_of_the_roots_then_let_in_and_others_not() -> None:
    root, root_key = authority()
    server_certificate, server_key = issue("chaincode", root, root_key)
    peer_certificate, peer_key = issue("peer", root, root_key)
    stranger, stranger_key = authority()
    tls = ServerTls(pem(server_certificate), key_pem(server_key), pem(root))
    server = ChaincodeServer(Probe(), "probe:1", "127.0.0.1", 0, tls)
    address = f"localhost:{await server.start()}"
    channel = Channel(address, ClientTls(pem(root), pem(peer_certificate), key_pem(peer_key)))
    peer = StreamPeer(CommittedState({("", "k"): b"value"}))
    reader = asyncio.create_task(peer.read(channel.bidi(CONNECT, peer.outgoing(), None)))
    try:
        async with asyncio.timeout(20):
            await peer.ready.wait()
        assert (await call(peer, b"Get", b"k")).payload == b"value"
        for certificate, key in ((None, None), (pem(stranger), key_pem(stranger_key))):
            refused = Channel(address, ClientTls(pem(root), certificate, key))
            other = StreamPeer(CommittedState())
            with pytest.raises(RpcError):
                await other.read(refused.bidi(CONNECT, other.outgoing(), 3))
            assert not other.registered
            await refused.close()
    finally:
        peer.hang_up()
        await asyncio.gather(reader, return_exceptions=True)
        await channel.close()
        await server.stop(0)


async def test_tls_when_chaincode_dials_then_both_sides_are_checked() -> None:
    root, root_key = authority()
    peer_certificate, peer_key = issue("peer", root, root_key)
    own_certificate, own_key = issue("chaincode", root, root_key)
    peers = PeerServer(ServerTls(pem(peer_certificate), key_pem(peer_key), pem(root)))
    address = f"localhost:{await peers.server.start()}"
    stranger, _ = authority()
    channel = Channel(address, ClientTls(pem(root), pem(own_certificate), key_pem(own_key)))
    serving = asyncio.create_task(serve_once(Probe(), "probe:1", channel))
    try:
        async with asyncio.timeout(20):
            await peers.connected.wait()
            await peers.peers[0].ready.wait()
        assert (await call(peers.peers[0], b"Get", b"k")).payload == b"value"
        wrong = Channel(address, ClientTls(pem(stranger), pem(own_certificate), key_pem(own_key)))
        with pytest.raises(RpcError):
            await serve_once(Probe(), "probe:1", wrong)
        await wrong.close()
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await channel.close()
        await peers.server.stop(0)
