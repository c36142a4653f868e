"""Bytes that are no messages, and messages too large, at every method of every service of running processes."""

from __future__ import annotations

import random

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2

from network.rpc import Channel, ClientTls, StatusCode
from node.home import tls_roots
from tests.support.consortium import RunningConsortium
from tests.support.hostile import (
    FABRIC_METHODS,
    ORDERER_METHODS,
    OUR_FAULT,
    Method,
    assert_logs_are_clean,
    attack,
    nothing_changes,
    own_methods,
)

NOT_MESSAGES = (
    b"\xff" * 12,
    b"\x0a\x7f",
    b"\x0a\xff\xff\xff\xff\x0f",
    b"\x08" * 3,
    b"\x0b\x0b\x0b\x0b",
    b"\x00\x00",
    random.Random(7).randbytes(333),
    b"GET / HTTP/1.1\r\n\r\n",
)
HALF_MESSAGES = (b"", b"\x0a\x00", b"\x0a\x02\x0a\x00", b"\x0a\x04\x0a\x02\x0a\x00", b"\x12\x00\x1a\x00\x22\x00")


def orderer_channel(consortium: RunningConsortium) -> Channel:
    tls = consortium.home.user(consortium.bank, "User1") / "tls"
    roots = tls_roots(consortium.home, consortium.consortium)[consortium.consortium.orderer.msp_id]
    return Channel(
        f"127.0.0.1:{consortium.consortium.orderer.port}",
        ClientTls(
            b"".join(path.read_bytes() for path in roots),
            (tls / "client.crt").read_bytes(),
            (tls / "client.key").read_bytes(),
        ),
    )


def refuses(method: Method, code: int, replies: list[bytes]) -> bool:
    """Tell whether an answer refuses: a gRPC error, or a status of Fabric's that is none of success."""
    if code != StatusCode.OK:
        return True
    if method.path == "/orderer.AtomicBroadcast/Broadcast":
        return [ab_pb2.BroadcastResponse.FromString(reply).status for reply in replies] == [common_pb2.BAD_REQUEST]
    if method.path == "/orderer.AtomicBroadcast/Deliver":
        return [ab_pb2.DeliverResponse.FromString(reply).status for reply in replies] == [common_pb2.BAD_REQUEST]
    if method.path.startswith("/protos.Deliver/"):
        return [events_pb2.DeliverResponse.FromString(reply).status for reply in replies] == [common_pb2.BAD_REQUEST]
    return False


LIKE_GO = ("/gateway.Gateway/", "/protos.Deliver/", "/protos.Snapshot/", "/orderer.AtomicBroadcast/Deliver")
"""Services whose answers to bytes that are no message are those of Go's gRPC."""


def is_fault(method: Method, code: int) -> bool:
    """Tell whether an answer blames us. Of bytes that are no message Go's gRPC says INTERNAL, and so do these."""
    return code in OUR_FAULT and not (method.path.startswith(LIKE_GO) and code == StatusCode.INTERNAL)


async def test_bytes_that_are_no_message_are_refused_by_every_method(consortium: RunningConsortium) -> None:
    methods = [*FABRIC_METHODS, *own_methods()]
    assert len(methods) > 30
    wrong = []
    async with nothing_changes(consortium):
        for channel, served in (
            (consortium.foreign_channel(consortium.bank, consortium.bank), methods),
            (orderer_channel(consortium), ORDERER_METHODS),
        ):
            for method in served:
                for request in NOT_MESSAGES:
                    code, replies = await attack(channel, method, request)
                    if is_fault(method, code) or not refuses(method, code, replies):
                        wrong.append((method.path, request[:12], code, replies))
            await channel.close()
    assert wrong == []


async def test_messages_with_nothing_in_them_blame_the_caller_or_answer(consortium: RunningConsortium) -> None:
    wrong = []
    async with nothing_changes(consortium):
        for channel, served in (
            (consortium.foreign_channel(consortium.bank, consortium.bank), [*FABRIC_METHODS, *own_methods()]),
            (orderer_channel(consortium), ORDERER_METHODS),
        ):
            for method in served:
                for request in HALF_MESSAGES:
                    # A stream may be one without end, which begins with such a message.
                    is_unary = method.kind == "unary"
                    code, _ = await attack(channel, method, request, timeout_s=20 if is_unary else 2)
                    if code in OUR_FAULT or (code == StatusCode.DEADLINE_EXCEEDED and is_unary):
                        wrong.append((method.path, request, code))
            await channel.close()
    assert wrong == []


async def test_unknown_methods_and_services_do_not_exist(consortium: RunningConsortium) -> None:
    channel = consortium.foreign_channel(consortium.bank, consortium.bank)
    for path in ("/dwaybank.ledger.v1.LedgerService/DropTables", "/admin.Admin/Shell", "/../../etc/passwd", "/"):
        code, _ = await attack(channel, Method(path, "unary"), b"")
        assert code == StatusCode.UNIMPLEMENTED, path
    await channel.close()


async def test_oversized_messages_are_refused(consortium: RunningConsortium) -> None:
    too_large_for_grpc = bytes(100 * 1024 * 1024 + 1)
    async with nothing_changes(consortium):
        node = consortium.foreign_channel(consortium.bank, consortium.bank)
        code, _ = await attack(
            node, Method("/dwaybank.ledger.v1.LedgerService/PostEntries", "unary"), too_large_for_grpc
        )
        assert code == StatusCode.RESOURCE_EXHAUSTED
        await node.close()
        orderer = orderer_channel(consortium)
        envelope = common_pb2.Envelope(payload=bytes(11 * 1024 * 1024), signature=b"s").SerializeToString()
        code, replies = await attack(orderer, ORDERER_METHODS[0], envelope)
        assert refuses(ORDERER_METHODS[0], code, replies), replies
        await orderer.close()
    assert_logs_are_clean(consortium)


async def test_reflection_and_health_answer_members_only(consortium: RunningConsortium) -> None:
    check = Method("/grpc.health.v1.Health/Check", "unary")
    member = consortium.foreign_channel(consortium.bank, consortium.partner)
    assert await attack(member, check, b"") == (0, [b"\x08\x01"])
    await member.close()
    for tls in (None, ClientTls(consortium.tls_roots(consortium.bank))):
        stranger = Channel(f"127.0.0.1:{consortium.bank.node_port}", tls)
        code, _ = await attack(stranger, check, b"", timeout_s=3)
        assert code in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)
        await stranger.close()
