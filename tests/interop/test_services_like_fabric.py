"""What a peer's own services refuse: the same odd request to a Go peer and to ours has the same answer.

Aim: command lines, and whoever tests against a peer, meet Fabric's codes and texts at its system chaincodes, its
deliver service and its snapshots. Method: each request is sent to the bank's Go peer and to a peer of ours beside it,
by somebody of the organization whose peer it is.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import collection_pb2, events_pb2, proposal_response_pb2, snapshot_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from network import rpc
from network.envelope import signed_payload
from network.errors import RpcError
from network.identity import SigningIdentity
from network.policy import parse_signature_policy
from network.proposal import new_proposal, signed_proposal
from network.rpc import MESSAGE_BYTES_MAX
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, REGULATOR
from tests.support.fabric_channel import HOST
from tests.support.joining_blocks import joining_blocks
from tests.support.packages import archive
from tests.support.side_by_side import SideBySide, peers_side_by_side

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

DEFINED = {"any": ("--signature-policy", "OR('DwaybankMSP.member', 'RegulatorMSP.member')")}
Answer = tuple[object, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peers(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SideBySide]:
    folder = tmp_path_factory.mktemp("services")
    async with peers_side_by_side(folder, postgres_cluster, DEFINED, {}) as peers:
        yield peers


class Caller:
    """Somebody of the organization of one of the two peers, connected to it.

    Args:
        peers: the network.
        msp_id: the peer's organization.
        port: where the peer listens.
        user: who calls.
    """

    def __init__(self, peers: SideBySide, msp_id: str, port: int, user: str) -> None:
        self.channel_id = peers.fabric.channel_id
        self.signer: SigningIdentity = peers.fabric.material.signer(msp_id, user)
        self.channel = rpc.Channel(
            f"{HOST}:{port}", peers.fabric.client_tls(msp_id), max_message_bytes=2 * MESSAGE_BYTES_MAX
        )

    async def invoke(self, chaincode: str, channel_id: str, args: Sequence[bytes]) -> Answer:
        """Return what an invocation is answered."""
        nonce = secrets.token_bytes(24)
        _, content = new_proposal(channel_id, chaincode, args, self.signer.creator, nonce, datetime.now(UTC))
        request = signed_proposal(content, self.signer.sign(content))
        try:
            reply = await self.channel.unary("/protos.Endorser/ProcessProposal", request, 10)
        except RpcError as refusal:
            return refusal.code, plain(refusal.message)
        response = proposal_response_pb2.ProposalResponse.FromString(reply).response
        return response.status, plain(response.message)

    async def deliver(self, method: str, envelope: bytes) -> Answer:
        """Return what becomes of a request for blocks: what kinds of answers came, or the refusal."""

        async def requests() -> AsyncIterator[bytes]:
            yield envelope

        kinds: list[object] = []
        try:
            async with aclosing(self.channel.bidi(f"/protos.Deliver/{method}", requests(), 10)) as replies:
                async for reply in replies:
                    answer = events_pb2.DeliverResponse.FromString(reply)
                    kind = answer.WhichOneof("Type")
                    kinds.append(answer.status if kind == "status" else kind)
        except RpcError as refusal:
            return *kinds, refusal.code, plain(refusal.message)
        return tuple(kinds)

    async def unary(self, method: str, request: bytes) -> Answer:
        """Return what a call is answered."""
        try:
            return (await self.channel.unary(method, request, 20),)
        except RpcError as refusal:
            return refusal.code, plain(refusal.message)


def plain(text: str) -> str:
    """Return a text as both say it: Go's protobuf library puts now a space and now a hard space into its own, each
    names its own organization, and ids and times are drawn anew."""
    text = re.sub("DwaybankMSP|RegulatorMSP", "own", text.replace("\xa0", " "))
    text = re.sub(r"peer time \S+,", "peer time now,", text)
    return re.sub(r"0x[0-9a-f]{6,}|\b[0-9a-f]{64}\b", "hex", text)


RUBBISH = b"\xff"
HERE = "channel"
"""Stands for the channel's id in the cases below."""

QSCC: list[tuple[bytes, ...]] = [
    (),
    (b"",),
    (b"GetChainInfo",),
    (b"GetChainInfo", b""),
    (b"GetChainInfo", b"none"),
    (b"GetChainInfo", b"CH", b"more"),
    (b"Nothing", b"CH"),
    (b"Nothing", b"CH", b"x"),
    (b"GetBlockByNumber", b"CH"),
    *[
        (b"GetBlockByNumber", b"CH", number)
        for number in (
            b"",
            b"abc",
            b"-1",
            b"+1",
            b" 1",
            b"0x1",
            b"1_0",
            b"9" * 10,
            b"18446744073709551614",
            b"18446744073709551616",
            b"9" * 40,
            b"\xff\xfe",
            b'1"\n',
            "١".encode(),
            b"00",
            b"9223372036854775807",
            b"9223372036854775808",
        )
    ],
    *[(b"GetBlockByHash", b"CH", value) for value in (b"", b"short", b"\xff" * 32)],
    *[
        (name, b"CH", value)
        for name in (b"GetTransactionByID", b"GetBlockByTxID")
        for value in (b"", b"none", b"\xff\xfe", b"f" * 64)
    ],
]
CSCC: list[tuple[bytes, ...]] = [
    (),
    (b"",),
    (b"", b""),
    (b"Nothing",),
    (b"Nothing", b"x"),
    *[
        (name, *rest)
        for name in (b"GetConfigBlock", b"GetChannelConfig")
        for rest in ((), (b"",), (b"none",), (b"\xff",))
    ],
    (b"GetChannels", b"more"),
    (b"JoinBySnapshotStatus", b"more"),
    (b"JoinChain",),
    (b"JoinChainBySnapshot",),
    (b"JoinChainBySnapshot", b""),
    (b"JoinChainBySnapshot", b"/nowhere/at/all"),
    (b"GetConfigTree", b"CH"),
    (b"SimulateConfigTreeUpdate", b"CH"),
]
L = lifecycle_pb2
FUNCTIONS = [
    b"InstallChaincode",
    b"QueryInstalledChaincode",
    b"QueryInstalledChaincodes",
    b"GetInstalledChaincodePackage",
    b"ApproveChaincodeDefinitionForMyOrg",
    b"QueryApprovedChaincodeDefinition",
    b"QueryApprovedChaincodeDefinitions",
    b"CheckCommitReadiness",
    b"CommitChaincodeDefinition",
    b"QueryChaincodeDefinition",
    b"QueryChaincodeDefinitions",
    b"Nothing",
    b"",
]


def lifecycle_cases() -> list[tuple[bytes, ...]]:
    cases: list[tuple[bytes, ...]] = [()]
    for name in FUNCTIONS:
        cases += [(name,), (name, RUBBISH), (name, b""), (name, b"", b"")]
    for bad in (
        b"",
        b"no archive",
        archive({}),
        archive({"metadata.json": b"{}"}),
        archive({"metadata.json": b'{"type":"ccaas"}', "code.tar.gz": b""}),
        archive({"metadata.json": b'{"type":"ccaas","label":"a b"}', "code.tar.gz": b""}),
        archive({"metadata.json": b'{"type":"ccaas","label":"a"}'}),
        archive({"metadata.json": b'{"type":"ccaas","label":"a"}', "code.tar.gz": b"", "more": b"x"}),
        archive({"metadata.json": b'{"type":"golang","path":"x","label":"ok"}', "code.tar.gz": b"nothing"}),
        archive({"metadata.json": b'{"type":"ccaas","label":"ok"}', "code.tar.gz": b"nothing"}),
    ):
        argument = L.InstallChaincodeArgs(chaincode_install_package=bad)
        cases.append((b"InstallChaincode", argument.SerializeToString()))
    for identifier in ("", "none", "a:b", "../x", "any:" + "0" * 64):
        cases.append(
            (b"QueryInstalledChaincode", L.QueryInstalledChaincodeArgs(package_id=identifier).SerializeToString())
        )
        cases.append(
            (
                b"GetInstalledChaincodePackage",
                L.GetInstalledChaincodePackageArgs(package_id=identifier).SerializeToString(),
            )
        )
    for name in ("", "none", "a b", "_lifecycle", "qscc"):
        cases.append((b"QueryChaincodeDefinition", L.QueryChaincodeDefinitionArgs(name=name).SerializeToString()))
        for sequence in (0, 1, 5, -1):
            cases.append(
                (
                    b"QueryApprovedChaincodeDefinition",
                    L.QueryApprovedChaincodeDefinitionArgs(name=name, sequence=sequence).SerializeToString(),
                )
            )
    sound: dict[str, Any] = {"name": "new", "version": "1.0", "sequence": 1}
    odd: list[dict[str, Any]] = [
        {},
        {"name": ""},
        {"name": "a b"},
        {"name": "-a"},
        {"name": "a" * 200},
        {"version": ""},
        {"version": "1 0"},
        {"version": "1/0"},
        {"sequence": 0},
        {"sequence": 2},
        {"sequence": -3},
        {"name": "_lifecycle"},
        {"name": "qscc"},
        {"name": "lscc"},
        {"name": "any"},
        {"name": "any", "sequence": 2},
        {"name": "any", "sequence": 3},
        {"validation_parameter": b"\xff"},
        {"validation_parameter": b"\x12\x03/no"},
        {"validation_parameter": b"x"},
        {"validation_plugin": "none"},
        {"endorsement_plugin": "none"},
        {"init_required": True},
        {"collections": collection("c", name="")},
        {"collections": collection("c", name="a b")},
        {"collections": collection("c", policy=False)},
        {"collections": collection("c", required=2, maximum=1)},
        {"collections": collection("c", required=-1)},
        {"collections": collection("c", twice=True)},
        {"collections": collection("_implicit_org_X")},
        {"collections": collection("c", policy=b"")},
    ]
    for change in odd:
        fields = sound | change
        cases.append((b"CheckCommitReadiness", L.CheckCommitReadinessArgs(**fields).SerializeToString()))
        cases.append((b"CommitChaincodeDefinition", L.CommitChaincodeDefinitionArgs(**fields).SerializeToString()))
        cases.append(
            (
                b"ApproveChaincodeDefinitionForMyOrg",
                L.ApproveChaincodeDefinitionForMyOrgArgs(**fields).SerializeToString(),
            )
        )
    return cases


def collection(label: str, **changes: Any) -> Any:
    policy = parse_signature_policy("OR('DwaybankMSP.member')")
    found = collection_pb2.CollectionConfigPackage()
    for _ in range(2 if changes.get("twice") else 1):
        item = found.config.add().static_collection_config
        item.name = changes.get("name", label)
        if changes.get("policy") is not False:
            if changes.get("policy") == b"":
                item.member_orgs_policy.SetInParent()
            else:
                item.member_orgs_policy.signature_policy.CopyFrom(policy)
        item.required_peer_count = changes.get("required", 0)
        item.maximum_peer_count = changes.get("maximum", 1)
    return found


def named(args: tuple[bytes, ...], channel_id: str) -> tuple[bytes, ...]:
    return tuple(channel_id.encode() if arg == b"CH" else arg for arg in args)


def _lifecycle(on_channel: bool) -> list[tuple[bytes, ...]]:
    """Return the cases of the lifecycle: without a channel only what concerns the peer is told in the same words."""
    channels_own = (
        b"ApproveChaincodeDefinitionForMyOrg",
        b"QueryApprovedChaincodeDefinition",
        b"QueryApprovedChaincodeDefinitions",
    )
    return [args for args in lifecycle_cases() if on_channel or not args or args[0] not in channels_own]


CASES: dict[str, Callable[[bool], Sequence[tuple[bytes, ...]]]] = {
    "qscc": lambda on_channel: QSCC,
    "cscc": lambda on_channel: CSCC,
    "_lifecycle": _lifecycle,
    "vscc": lambda on_channel: [(b"x",)],
    "nothing": lambda on_channel: [(b"x",)],
    "": lambda on_channel: [(b"x",)],
}


async def differing(
    peers: SideBySide, user: str, cases: Mapping[str, Callable[[Caller], Awaitable[Answer]]]
) -> dict[str, Any]:
    """Return what the two peers answer to each case they do not answer alike."""
    found = {}
    callers = [
        Caller(peers, msp_id, port, user)
        for msp_id, port in ((BANK, peers.fabric.peers[BANK]), (REGULATOR, peers.our_port))
    ]
    try:
        for name, ask in cases.items():
            theirs, ours = [await ask(caller) for caller in callers]
            if theirs != ours:
                found[name] = {"Fabric": theirs, "ours": ours}
    finally:
        for caller in callers:
            await caller.channel.close()
    return found


def invocations(
    chaincode: str, channel_id: str, at: str, cases: Iterable[tuple[bytes, ...]]
) -> dict[str, Callable[[Caller], Awaitable[Answer]]]:
    return {
        f"{chaincode} at {at!r}: {args!r:.150}": partial(
            Caller.invoke, chaincode=chaincode, channel_id=at, args=named(args, channel_id)
        )
        for args in cases
    }


@pytest.mark.parametrize("user", ["Admin", "Node"])
@pytest.mark.parametrize("at", ["", HERE])
@pytest.mark.parametrize("chaincode", CASES)
async def test_system_chaincodes_answer_the_same(peers: SideBySide, chaincode: str, at: str, user: str) -> None:
    channel_id = peers.fabric.channel_id
    cases = invocations(chaincode, channel_id, channel_id if at else "", CASES[chaincode](bool(at)))
    assert await differing(peers, user, cases) == {}


@pytest.mark.parametrize("user", ["Admin", "Node"])
async def test_blocks_to_join_by_are_refused_the_same(peers: SideBySide, user: str) -> None:
    cases = {
        what: partial(Caller.invoke, chaincode="cscc", channel_id="", args=(b"JoinChain", block))
        for what, block in joining_blocks(peers.fabric.genesis.read_bytes()).items()
    }
    assert await differing(peers, user, cases) == {}


def seek(
    caller: Caller,
    *,
    info: Any = None,
    header: Any = None,
    signer: Any = None,
    signed: bool = True,
    start: Any = None,
    stop: Any = None,
    behavior: int = 0,
    **changes: Any,
) -> bytes:
    """Return a request for blocks, of the newest where nothing else is said."""
    request = ab_pb2.SeekInfo(behavior=behavior)
    (request.start.newest.SetInParent() if start is None else request.start.CopyFrom(start))
    (request.stop.newest.SetInParent() if stop is None else request.stop.CopyFrom(stop))
    fields: dict[str, Any] = {
        "header_type": common_pb2.DELIVER_SEEK_INFO,
        "channel_id": caller.channel_id,
        "timestamp": datetime.now(UTC),
        "nonce": b"n" * 24,
        "tls_cert_hash": caller.channel.tls_certificate_hash,
        "data": request.SerializeToString() if info is None else info,
        "signer": signer or caller.signer,
    } | changes
    envelope = signed_payload(**fields)
    if header is not None:
        payload = common_pb2.Payload.FromString(envelope.payload)
        channel = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        header(channel)
        payload.header.channel_header = channel.SerializeToString()
        envelope.payload = payload.SerializeToString()
        envelope.signature = caller.signer.sign(envelope.payload)
    if not signed:
        envelope.ClearField("signature")
    return bytes(envelope.SerializeToString())


def at(number: int) -> ab_pb2.SeekPosition:
    return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=number))


OLDEST, NEXT = ab_pb2.SeekPosition(oldest=ab_pb2.SeekOldest()), ab_pb2.SeekPosition(next_commit=ab_pb2.SeekNextCommit())
FAIL = ab_pb2.SeekInfo.FAIL_IF_NOT_READY

SEEKS: dict[str, Callable[[Caller], bytes]] = {
    "nothing": lambda caller: b"",
    "rubbish": lambda caller: RUBBISH,
    "rubbish payload": lambda caller: common_pb2.Envelope(payload=RUBBISH).SerializeToString(),
    "no header": lambda caller: common_pb2.Envelope(payload=b"\x12\x01x").SerializeToString(),
    "rubbish info": lambda caller: seek(caller, info=RUBBISH),
    "no info": lambda caller: seek(caller, info=b""),
    "newest": seek,
    "filtered newest": lambda caller: seek(caller),
    "no start": lambda caller: seek(caller, start=ab_pb2.SeekPosition()),
    "oldest to newest": lambda caller: seek(caller, start=OLDEST),
    "newest to oldest": lambda caller: seek(caller, stop=OLDEST),
    "oldest to oldest": lambda caller: seek(caller, start=OLDEST, stop=OLDEST),
    "backwards": lambda caller: seek(caller, start=at(2), stop=at(1)),
    "above the height": lambda caller: seek(caller, start=at(99), stop=at(99), behavior=FAIL),
    "up to above the height": lambda caller: seek(caller, start=at(1), stop=at(99), behavior=FAIL),
    "to the largest": lambda caller: seek(caller, start=at(1), stop=at(2**64 - 1), behavior=FAIL),
    "from the largest": lambda caller: seek(caller, start=at(2**64 - 1), stop=at(2**64 - 1), behavior=FAIL),
    "next commit": lambda caller: seek(caller, start=NEXT, stop=NEXT, behavior=FAIL),
    "stop at next commit": lambda caller: seek(caller, start=OLDEST, stop=NEXT, behavior=FAIL),
    "start at next commit": lambda caller: seek(caller, start=NEXT, stop=at(99), behavior=FAIL),
    "elsewhere": lambda caller: seek(caller, channel_id="other"),
    "nowhere": lambda caller: seek(caller, channel_id=""),
    "unsigned": lambda caller: seek(caller, signed=False),
    "another type": lambda caller: seek(caller, header_type=common_pb2.MESSAGE),
    "without a time": lambda caller: seek(caller, header=lambda channel: channel.ClearField("timestamp")),
    "long ago": lambda caller: seek(caller, timestamp=datetime.now(UTC) - timedelta(hours=1)),
    "soon": lambda caller: seek(caller, timestamp=datetime.now(UTC) + timedelta(hours=1)),
    "no time at all": lambda caller: seek(caller, header=lambda channel: setattr(channel.timestamp, "seconds", 2**60)),
    "unknown behaviour": lambda caller: seek(caller, behavior=7),
    "errors": lambda caller: seek(
        caller, info=ab_pb2.SeekInfo(start=at(0), stop=at(0), error_response=7).SerializeToString()
    ),
    "content": lambda caller: seek(
        caller, info=ab_pb2.SeekInfo(start=at(1), stop=at(1), content_type=7).SerializeToString()
    ),
    "headers of configuration": lambda caller: seek(
        caller, info=ab_pb2.SeekInfo(start=at(0), stop=at(0), content_type=1).SerializeToString()
    ),
}


@pytest.mark.parametrize("method", ["Deliver", "DeliverFiltered", "DeliverWithPrivateData"])
async def test_requests_for_blocks_are_answered_the_same(peers: SideBySide, method: str) -> None:
    async def ask(caller: Caller, make: Callable[[Caller], bytes]) -> Answer:
        return await caller.deliver(method, make(caller))

    assert await differing(peers, "Node", {name: partial(ask, make=make) for name, make in SEEKS.items()}) == {}


def snapshot(
    kind: Any, caller: Caller, *, creator: bytes | None = None, signature: bytes | None = None, **fields: Any
) -> bytes:
    values = {"channel_id": caller.channel_id} | fields
    header = common_pb2.SignatureHeader(creator=caller.signer.creator if creator is None else creator, nonce=b"n" * 24)
    asked = kind(signature_header=header, **values).SerializeToString()
    return bytes(
        snapshot_pb2.SignedSnapshotRequest(
            request=asked, signature=caller.signer.sign(asked) if signature is None else signature
        ).SerializeToString()
    )


SNAPSHOTS: dict[str, Callable[[Any, Caller], bytes]] = {
    "nothing": lambda kind, caller: b"",
    "rubbish": lambda kind, caller: RUBBISH,
    "rubbish inside": lambda kind, caller: snapshot_pb2.SignedSnapshotRequest(request=RUBBISH).SerializeToString(),
    "no header": lambda kind, caller: snapshot_pb2.SignedSnapshotRequest(
        request=kind(channel_id="x").SerializeToString()
    ).SerializeToString(),
    "unsigned": lambda kind, caller: snapshot(kind, caller, signature=b""),
    "signed wrongly": lambda kind, caller: snapshot(kind, caller, signature=caller.signer.sign(b"another")),
    "nowhere": lambda kind, caller: snapshot(kind, caller, channel_id=""),
    "elsewhere": lambda kind, caller: snapshot(kind, caller, channel_id="other"),
}


@pytest.mark.parametrize("user", ["Admin", "Node"])
@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("Generate", snapshot_pb2.SnapshotRequest),
        ("Cancel", snapshot_pb2.SnapshotRequest),
        ("QueryPendings", snapshot_pb2.SnapshotQuery),
    ],
)
async def test_requests_for_snapshots_are_answered_the_same(
    peers: SideBySide, method: str, kind: Any, user: str
) -> None:
    async def ask(caller: Caller, make: Callable[[Any, Caller], bytes]) -> Answer:
        return await caller.unary(f"/protos.Snapshot/{method}", make(kind, caller))

    cases = {name: partial(ask, make=make) for name, make in SNAPSHOTS.items()}
    if method != "QueryPendings":
        for number in (0, 1, 2**64 - 1) if method == "Cancel" else (1,):
            cases[f"block {number}"] = partial(
                ask, make=lambda kind, caller, number=number: snapshot(kind, caller, block_number=number)
            )
    assert await differing(peers, user, cases) == {}


@pytest.mark.parametrize(
    "path", ["/protos.Endorser/ProcessProposal", "/gateway.Gateway/Evaluate", "/protos.Snapshot/Generate"]
)
async def test_large_messages_are_refused_the_same(peers: SideBySide, path: str) -> None:
    for request in (b"\x0a\x00" * (MESSAGE_BYTES_MAX // 2), bytes(MESSAGE_BYTES_MAX + 1)):
        assert await differing(peers, "Node", {path: partial(Caller.unary, method=path, request=request)}) == {}


async def test_large_messages_of_a_stream_are_refused_the_same(peers: SideBySide) -> None:
    request = bytes(MESSAGE_BYTES_MAX + 1)
    cases = {"Deliver": partial(Caller.deliver, method="Deliver", envelope=request)}
    assert await differing(peers, "Node", cases) == {}
