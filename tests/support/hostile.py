"""What hostile tests share: every method of every service, and proof that an attack changed and told nothing."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import pkgutil
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple

from google.protobuf.descriptor import ServiceDescriptor

from network.errors import RpcError
from network.pb.dwaybank.audit import v1 as audit
from network.pb.dwaybank.ledger import v1 as ledger
from network.pb.dwaybank.ledger.v1 import ledger_pb2
from network.pb.dwaybank.partner import v1 as partner
from network.rpc import Channel, StatusCode
from network.topology import Organization
from node.own_node import LEDGER
from tests.support.consortium import RunningConsortium

OUR_FAULT = frozenset({StatusCode.INTERNAL, StatusCode.DATA_LOSS})
"""Codes that blame the node; no request of a stranger may earn one."""

QUIET_S = 0.8
"""Longer than the nodes wait between two anchors."""

INJECTIONS = (
    "'; DROP TABLE ledger.entry; --",
    "' OR '1'='1",
    "x'); DELETE FROM ledger.batch; SELECT ('",
    "../../../../etc/passwd",
    "..\\..\\secrets\\writer.key",
    "/etc/shadow",
    "a\x00b",
    "\u202etxt.exe",
    "%s%s%s%n",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "$(touch /tmp/owned)",
    "\U0010ffff",
    "line\r\nlog forged=yes",
    "x" * 70_000,
)


class Method(NamedTuple):
    """One method of one service."""

    path: str
    kind: str
    """``unary``, ``stream`` (the server's) or ``bidi``."""


FABRIC_METHODS = (
    Method("/protos.Endorser/ProcessProposal", "unary"),
    Method("/gateway.Gateway/Evaluate", "unary"),
    Method("/gateway.Gateway/Endorse", "unary"),
    Method("/gateway.Gateway/Submit", "unary"),
    Method("/gateway.Gateway/CommitStatus", "unary"),
    Method("/gateway.Gateway/ChaincodeEvents", "stream"),
    Method("/protos.Deliver/Deliver", "bidi"),
    Method("/protos.Deliver/DeliverFiltered", "bidi"),
)
ORDERER_METHODS = (
    Method("/orderer.AtomicBroadcast/Broadcast", "bidi"),
    Method("/orderer.AtomicBroadcast/Deliver", "bidi"),
)


def own_methods() -> list[Method]:
    """Every method of the node's own services, as their definition files list them."""
    return [
        Method(f"/{service.full_name}/{method.name}", "stream" if method.server_streaming else "unary")
        for service in own_services()
        for method in service.methods
    ]


def own_services() -> Iterator[ServiceDescriptor]:
    """Every service of the node's own, but the one by which peers hand each other private data, as Fabric's gossip."""
    for package in (audit, ledger, partner):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if module.name.endswith("_pb2"):
                yield from importlib.import_module(module.name).DESCRIPTOR.services_by_name.values()


async def attack(channel: Channel, method: Method, request: bytes, timeout_s: float = 20.0) -> tuple[int, list[bytes]]:
    """Make a call and return its gRPC code and the replies that came before the end."""
    replies: list[bytes] = []
    try:
        if method.kind == "unary":
            replies.append(await channel.unary(method.path, request, timeout_s))
            return int(StatusCode.OK), replies
        if method.kind == "stream":
            stream = channel.server_stream(method.path, request, timeout_s)
        else:
            stream = channel.bidi(method.path, _one(request), timeout_s)
        async with aclosing(stream):
            async for reply in stream:
                replies.append(reply)
                if len(replies) == 3:
                    break
    except RpcError as error:
        return error.code, replies
    return int(StatusCode.OK), replies


async def _one(request: bytes) -> AsyncIterator[bytes]:
    yield request


async def snapshot(consortium: RunningConsortium) -> dict[str, object]:
    """Everything that no refused request may change."""
    found: dict[str, object] = {}
    for member in consortium.consortium.organizations:
        status = await consortium.anchor_status(member)
        found[f"{member.name} chain"] = (status.block_height, status.commit_hash.hex(), status.posted_seq)
        if member.role == "bank":
            found |= await _books(consortium, member)
    return found


async def _books(consortium: RunningConsortium, bank: Organization) -> dict[str, object]:
    async with consortium.node(bank) as node:
        trial = await node.call(
            LEDGER, "GetTrialBalance", ledger_pb2.GetTrialBalanceRequest(), ledger_pb2.GetTrialBalanceResponse
        )
    with consortium.superuser(bank) as connection:
        tables = connection.execute(
            b"SELECT string_agg(schemaname || '.' || relname, ',' ORDER BY 1) FROM pg_stat_user_tables"
        ).fetchone()
        counts = connection.execute(
            b"SELECT (SELECT count(*) FROM ledger.account), (SELECT count(*) FROM ledger.hold),"
            b" (SELECT count(*) FROM ledger.entry), (SELECT sum(balance) FROM ledger.account),"
            b" (SELECT count(*) FROM partner.outgoing), (SELECT count(*) FROM partner.incoming),"
            b" (SELECT count(*) FROM gateway.customer)"
        ).fetchone()
    return {f"{bank.name} books": (trial.SerializeToString(), counts), f"{bank.name} tables": tables}


@asynccontextmanager
async def nothing_changes(consortium: RunningConsortium) -> AsyncIterator[None]:
    """Assert that what happens inside changes neither chain nor books, and that the logs stay clean."""
    before, heard = await quiet_snapshot(consortium), len(consortium.log_text())
    yield
    await asyncio.sleep(QUIET_S)
    after = await snapshot(consortium)
    assert {what: (before[what], after[what]) for what in before if before[what] != after[what]} == {}
    assert_logs_are_clean(consortium, heard)


async def quiet_snapshot(consortium: RunningConsortium) -> dict[str, object]:
    """Return a snapshot once nothing moves by itself any more: all is anchored, attested, and its decisions too."""
    await consortium.settled()
    found = await snapshot(consortium)
    for _ in range(20):
        await asyncio.sleep(QUIET_S)
        earlier, found = found, await snapshot(consortium)
        if found == earlier:
            return found
    raise TimeoutError(f"the consortium does not come to rest: {found}")


def assert_logs_are_clean(consortium: RunningConsortium, since: int = 0) -> None:
    """Assert that no log holds a stack trace, an unforeseen error, a key or a password."""
    text = consortium.log_text()
    for sign in ("Traceback (most recent call last)", "rpc.unhandled", "Task exception was never retrieved"):
        assert sign not in text[since:] if since else sign not in text, around(text, sign)
    assert "PRIVATE KEY" not in text
    for member in consortium.consortium.organizations:
        for path in consortium.home.organization(member).joinpath("secrets").iterdir():
            content = path.read_bytes().strip()
            for secret in (content, content.hex().encode(), *re.findall(rb"://[^:]+:([^@]+)@", content)):
                assert secret.decode("latin-1") not in text, f"{path.name} of {member.name} stands in a log"


def around(text: str, sign: str) -> str:
    """What stands around a sign in a text."""
    place = text.find(sign)
    return text[max(0, place - 300) : place + 1200]


@contextlib.contextmanager
def refused(*codes: int):  # type: ignore[no-untyped-def]
    """Assert that the call inside is refused with one of these codes."""
    try:
        yield
    except RpcError as error:
        assert error.code in codes, f"{error.code} instead of {codes}: {error}"
        assert "Traceback" not in error.message
        assert ".py" not in error.message
    else:
        raise AssertionError(f"the call was not refused with any of {codes}")
