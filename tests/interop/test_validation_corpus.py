"""Our validator and Fabric's over everything that can be wrong with a transaction: same flags, same commit hashes.

Aim: no block gets another verdict here than at a Go peer of Fabric 3.1. Method: the corpus
(``tests/support/validation_corpus.py``) is ordered twice over: by Fabric's own orderers, Raft and SmartBFT, with what
they let pass; and by an orderer of ours that checks nothing, with all of it. Each time a Go peer and peers of ours take
the same blocks, and every block is compared.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer import collection_pb2, transaction_pb2

from network import rpc
from network.block import parse_block, transactions_filter
from network.client import GatewayClient
from network.config_delta import config_delta, sign_update
from network.crypto_material import Authority, revoke
from network.envelope import ENDORSEMENT_POLICY_FAILURE, VALID
from network.identity import SigningIdentity
from network.policy import parse_signature_policy
from node.orderer.msg_processor import Message
from node.peer.committer import CommittedBlock
from node.peer.definition import approved_definition
from node.peer.peer import Peer
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import (
    BANK,
    CHANNEL,
    DOMAINS,
    ORDERER,
    PARTNER,
    REGULATOR,
    Material,
    make_material,
)
from tests.support.drawn_certificates import drawn_endorser
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import FabricTools
from tests.support.mixed_channel import NETWORKS, Mixed, mixed_channel
from tests.support.mixed_network import FabricNetwork, prepare_folder
from tests.support.ordering import broadcast
from tests.support.peer_network import CONTRACT, POLICY, PeerNetwork, client_tls, running_network
from tests.support.private_collections import collection_package
from tests.support.validation_corpus import Case, Forge, judged, malformed, revoked, to_revoke, unordered, written_oddly

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

WAIT_S = 20

PROVOKED_BY_ORDERERS = {0, 3, 5, 8, 9, 10, 11, 12, 19, 21, 22, 23, 25, 255}
PROVOKED = PROVOKED_BY_ORDERERS | {2, 4, 6, 7}
"""Codes that the corpus brings about; docs/compatibility.md says of each other one why it does not come about."""


class Verdicts:
    """The codes that a peer gave, by envelope, in the order of the blocks."""

    def __init__(self, peer: Peer) -> None:
        self.found: dict[bytes, list[int]] = {}
        self.count = 0
        self._peer = peer
        peer.on_commit(self._take)

    def _take(self, block: CommittedBlock) -> None:
        parsed = parse_block(block.content)
        for envelope, flag in zip(parsed.data.data, transactions_filter(parsed), strict=True):
            self.found.setdefault(envelope, []).append(flag)
            self.count += 1

    async def until(self, count: int, what: str) -> None:
        """Wait until so many transactions are committed."""
        deadline = asyncio.get_running_loop().time() + WAIT_S
        while self.count < count:
            assert self._peer.stopped is None, (what, self._peer.stopped)
            assert asyncio.get_running_loop().time() < deadline, f"{what}: not committed"
            await asyncio.sleep(0.01)

    def check(self, cases: Iterable[Case]) -> set[int]:
        """Compare with what was expected, all at once, and return the codes that were found."""
        wrong, codes = {}, set()
        for case in cases:
            occurrences = {envelope: iter(self.found.get(envelope, [])) for envelope in case.envelopes}
            given = [next(occurrences[envelope], None) for envelope in case.envelopes]
            codes |= {code for code in given if code is not None}
            if given != list(case.codes):
                wrong[case.name] = (given, case.codes)
        assert not wrong, wrong
        return codes


async def applied(peer: Peer) -> None:
    """Wait until a peer stands under the first configuration update."""
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while peer.config.sequence == 0:
        assert asyncio.get_running_loop().time() < deadline, peer.stopped
        await asyncio.sleep(0.01)


async def same_verdicts(ours: Peer, theirs: GatewayClient) -> None:
    """Compare every block of a Go peer with ours: header, contents, flags and commit hash."""
    height, compared = ours.height, 0
    async with asyncio.timeout(60):
        async with aclosing(theirs.blocks(0, stop=height - 1)) as blocks:
            async for block in blocks:
                own = parse_block(await ours.block(block.header.number) or b"")
                assert (own.header, own.data) == (block.header, block.data)
                for slot in (common_pb2.TRANSACTIONS_FILTER, common_pb2.COMMIT_HASH):
                    assert own.metadata.metadata[slot] == block.metadata.metadata[slot], (block.header.number, slot)
                compared += 1
    assert compared == height


def revocation(material: Material, peer: Peer, certificates: list[SigningIdentity]) -> configtx_pb2.ConfigUpdate:
    """Return the update that puts the partner's revocation list on the channel."""
    folder = material.root / "peerOrganizations" / DOMAINS[PARTNER]
    path = revoke(folder, [identity.certificate for identity in certificates], datetime.now(UTC))
    current = configtx_pb2.ConfigEnvelope.FromString(peer.config.envelope).config.channel_group
    wanted = configtx_pb2.ConfigGroup()
    wanted.CopyFrom(current)
    for group in wanted.groups["Application"].groups.values():
        outer = msp_config_pb2.MSPConfig.FromString(group.values["MSP"].value)
        inner = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
        if inner.name == PARTNER:
            inner.revocation_list.append(path.read_bytes())
            outer.config = inner.SerializeToString()
            group.values["MSP"].value = outer.SerializeToString()
    return config_delta(CHANNEL, current, wanted)


def signed(update: configtx_pb2.ConfigUpdate, *signers: SigningIdentity) -> bytes:
    """Return an update as the ordering service takes it."""
    return bytes(sign_update(update, signers, datetime.now(UTC), secrets.token_bytes).SerializeToString())


# Fabric's own orderers ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=list(NETWORKS))
def consensus(request: pytest.FixtureRequest) -> str:
    """The ordering service."""
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mixed(
    consensus: str, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mixed]:
    async with mixed_channel(
        consensus, postgres_cluster, tmp_path_factory.mktemp(consensus), f"corpus_{consensus}"
    ) as mixed:
        yield mixed


async def test_fabrics_orderers_bring_about_the_same_verdicts_at_both_kinds_of_peer(
    mixed: Mixed, consensus: str
) -> None:
    forge, verdicts = Forge(mixed.fabric.material, "twin"), Verdicts(mixed.ours)
    orderer = rpc.Channel(f"{HOST}:{mixed.fabric.orderers[0]}", mixed.fabric.client_tls(BANK))
    sent: list[Case] = []

    async def order(cases: Iterable[Case]) -> None:
        for case in cases:
            if consensus == "bft" and not case.bft:
                continue
            for number, envelope in enumerate(case.envelopes, 1):
                before, takes = verdicts.count, case.ordered or number < len(case.envelopes)
                [(status, info)] = await broadcast(orderer, [envelope])
                assert (status == common_pb2.SUCCESS) == takes, (case.name, status, info)
                if takes:
                    await verdicts.until(before + 1, case.name)
            if case.ordered:
                sent.append(case)

    try:
        await order([*malformed(forge), *written_oddly(forge), *judged(forge)])
        await order(unordered(forge))
        update = revocation(mixed.fabric.material, mixed.ours, list(to_revoke(forge)))
        # An update that another organization signed is refused where it is ordered; its own administrator's is applied.
        [(status, info)] = await broadcast(orderer, [signed(update, mixed.fabric.material.signer(BANK, "Admin"))])
        assert status == common_pb2.BAD_REQUEST, info
        [(status, info)] = await broadcast(orderer, [signed(update, mixed.fabric.material.signer(PARTNER, "Admin"))])
        assert status == common_pb2.SUCCESS, info
        await applied(mixed.ours)
        await order(revoked(forge))
    finally:
        await orderer.close()
    await mixed.settle()
    assert verdicts.check(sent) == PROVOKED_BY_ORDERERS - (set() if consensus == "raft" else {9})
    await same_verdicts(mixed.ours, mixed.go_client)


# An orderer of ours that checks nothing -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    material: Material, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    FabricTools.found()
    definition = replace(approved_definition("pc", "1.0", 1, POLICY), collections=collections())
    folder = tmp_path_factory.mktemp("network")
    async with running_network(
        material, postgres_cluster, folder, "corpus", definitions=(definition,), contracts={"pc": CONTRACT}
    ) as network:
        yield network


def collections() -> bytes:
    """Return the collections that the corpus asks for."""
    members = "OR('DwaybankMSP.member', 'PartnerMSP.member', 'RegulatorMSP.member')"
    package = collection_pb2.CollectionConfigPackage.FromString(collection_package("shared", members))
    guarded = collection_pb2.CollectionConfigPackage.FromString(collection_package("guarded", members)).config[0]
    policy = guarded.static_collection_config.endorsement_policy
    policy.signature_policy.CopyFrom(parse_signature_policy("OR('PartnerMSP.peer')"))
    package.config.append(guarded)
    return bytes(package.SerializeToString())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def go_client(
    network: PeerNetwork, material: Material, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GatewayClient]:
    """A client of a Go peer of the partner's on that network."""
    tools, folder = FabricTools.found(), tmp_path_factory.mktemp("go")
    prepare_folder(tools, folder)
    genesis = network.orderer.folder / "genesis.block"
    fabric = FabricNetwork(tools, folder, material, CHANNEL, genesis, [network.orderer.port], {})
    async with AsyncExitStack() as stack:
        stack.callback(lambda: [fabric.stop(name) for name in list(fabric.processes)])
        await asyncio.to_thread(fabric.start_peer, PARTNER, free_port(), mutual_tls=True)
        joined = await asyncio.to_thread(fabric.peer, PARTNER, "channel", "join", "-b", str(genesis))
        assert joined.status == 0, log_of(folder)
        channel = rpc.Channel(f"{HOST}:{fabric.peers[PARTNER]}", client_tls(material, PARTNER))
        stack.push_async_callback(channel.close)
        yield GatewayClient(channel, material.signer(PARTNER), CHANNEL)


def log_of(folder: Path) -> str:
    return (folder / f"peer-{PARTNER}.log").read_text()[-3000:]


async def order(network: PeerNetwork, *envelopes: bytes) -> Any:
    """Have an orderer that checks nothing put envelopes into a block, as they are."""
    chain = network.orderer.orderer.chains[CHANNEL]
    outcomes = [await chain.order(Message(item, item, b"", CHANNEL, -1, "", b"")) for item in envelopes]
    return await asyncio.gather(*outcomes)


async def test_orderer_that_checks_nothing_brings_about_the_same_verdicts(
    network: PeerNetwork, material: Material, go_client: GatewayClient
) -> None:
    forge, verdicts = Forge(material, "pc"), Verdicts(network.peer(REGULATOR))
    cases = [*malformed(forge), *written_oddly(forge), *judged(forge), *unordered(forge)]
    for case in cases:
        # Together where it is about one block, one after the other otherwise: the orderer cuts when idle.
        for batch in [case.envelopes] if not case.ordered else [[item] for item in case.envelopes]:
            before = verdicts.count
            await order(network, *batch)
            await verdicts.until(before + len(batch), case.name)
    update = revocation(material, network.peer(), list(to_revoke(forge)))
    channel = rpc.Channel(f"localhost:{network.orderer.port}", client_tls(material, ORDERER))
    assert await broadcast(channel, [signed(update, material.signer(PARTNER, "Admin"))]) == [(200, "")]
    await channel.close()
    await applied(network.peer(REGULATOR))
    cases += (after := revoked(forge))
    for case in after:
        before = verdicts.count
        await order(network, *case.envelopes)
        await verdicts.until(before + len(case.envelopes), case.name)
    await network.wait_for_height(network.peer(REGULATOR).height)
    codes = verdicts.check(cases)
    assert codes == PROVOKED, [transaction_pb2.TxValidationCode.Name(code) for code in codes ^ PROVOKED]
    for msp_id in (BANK, PARTNER):
        assert network.peer(msp_id).commit_hash == network.peer(REGULATOR).commit_hash
    await same_verdicts(network.peer(REGULATOR), go_client)


async def test_endorsers_certificates_are_read_by_both_kinds_of_peer_or_by_neither(
    network: PeerNetwork, material: Material, go_client: GatewayClient
) -> None:
    """Whoever runs an authority may issue what he likes."""
    forge, verdicts, drawn = Forge(material, "pc"), Verdicts(network.peer(REGULATOR)), random.Random(1)
    authority = Authority.load(material.root / "peerOrganizations" / DOMAINS[PARTNER] / "ca")
    for number in range(30):
        endorsers = [drawn_endorser(drawn, authority, PARTNER) for _ in range(10)]
        batch = [forge.transaction(forge.write(f"drawn {number}"), endorsers=[BANK, each]) for each in endorsers]
        before = verdicts.count
        await order(network, *batch)
        await verdicts.until(before + len(batch), str([each.oddities for each in endorsers]))
    given = [code for codes in verdicts.found.values() for code in codes]
    assert min(given.count(VALID), given.count(ENDORSEMENT_POLICY_FAILURE)) > 30
    await same_verdicts(network.peer(REGULATOR), go_client)
