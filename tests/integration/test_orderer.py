"""The ordering service over gRPC: what it accepts, what it answers, what it hands out, what it survives.

Method: a real orderer on a free port with a real channel of three organizations; every delivered chain is checked by
``network.block_verifier``, as a peer would.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import resource
import secrets
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2

from network import rpc
from network.block import header_hash, last_config_number, new_block, parse_block, sign_block
from network.block_verifier import verify_block
from network.channel_config import ChannelConfig
from network.config_delta import config_delta, sign_update
from network.errors import RpcError
from network.rpc import StatusCode
from node.orderer import block_store, broadcast_service, chain
from node.orderer.errors import BlockStoreCorruptError, BlockStoreLockedError, GenesisError
from node.orderer.orderer import Orderer
from tests.support.config_updates import batch_size_update
from tests.support.ordering import (
    BANK,
    CHANNEL,
    ORDERER,
    PARTNER,
    Material,
    broadcast,
    deliver,
    make_material,
    running,
    seek,
    utc_now,
)

OK, BAD, FORBIDDEN, NOT_FOUND, UNAVAILABLE = 200, 400, 403, 404, 503


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Organizations of the same names with other keys."""
    return make_material(tmp_path_factory.mktemp("strangers"))


@pytest.fixture
def orderer(material: Material, tmp_path: Path) -> Orderer:
    return new_orderer(material, tmp_path)


@pytest.fixture
async def channel(orderer: Orderer) -> AsyncIterator[rpc.Channel]:
    async with running(orderer) as connection:
        yield connection


def new_orderer(material: Material, folder: Path, **settings: object) -> Orderer:
    genesis = folder / "channel" / "genesis.block"
    if not genesis.exists():
        material.genesis(genesis, **settings)
    return Orderer(folder / "orderer", [genesis], material.node(ORDERER), utc_now)


def verified(blocks: list[common_pb2.Block]) -> list[bytes]:
    """Check a chain from its genesis block as a peer does; return its envelopes after block 0."""
    config = ChannelConfig.from_block(blocks[0])
    envelopes: list[bytes] = []
    for previous, block in itertools.pairwise(blocks):
        verify_block(block, header_hash(previous.header), config)
        envelopes += block.data.data
    return envelopes


async def whole_chain(channel: rpc.Channel, material: Material) -> list[common_pb2.Block]:
    newest, status = await deliver(channel, seek(material.node(BANK), None, stop=2**63, fail_if_not_ready=True))
    assert status == NOT_FOUND
    blocks, status = await deliver(channel, seek(material.node(BANK), 0, stop=newest[-1].header.number))
    assert status == OK
    return blocks


# --- broadcast ------------------------------------------------------------------------------------------------------


async def test_acknowledged_envelopes_stand_in_the_chain_in_order_as_sent(
    channel: rpc.Channel, material: Material
) -> None:
    sent = [material.envelope(secrets.token_bytes(100)) for _ in range(30)]
    assert await broadcast(channel, sent) == [(OK, "")] * 30
    assert verified(await whole_chain(channel, material)) == sent


async def test_lone_envelope_is_not_kept_waiting_for_the_channels_timeout(material: Material, tmp_path: Path) -> None:
    async with running(new_orderer(material, tmp_path, batch_timeout="10s")) as channel:
        started = asyncio.get_running_loop().time()
        for _ in range(3):
            assert await broadcast(channel, [material.envelope()]) == [(OK, "")]
        assert asyncio.get_running_loop().time() - started < 5
        assert len(await whole_chain(channel, material)) == 4


async def test_blocks_keep_to_the_channels_message_limit(material: Material, tmp_path: Path) -> None:
    async with running(new_orderer(material, tmp_path, max_messages=4)) as channel:
        sent = [material.envelope() for _ in range(30)]
        await broadcast(channel, sent)
        blocks = await whole_chain(channel, material)
        assert verified(blocks) == sent
        assert max(len(block.data.data) for block in blocks) == 4


async def test_envelope_sent_twice_is_ordered_twice(channel: rpc.Channel, material: Material) -> None:
    envelope = material.envelope()
    assert await broadcast(channel, [envelope, envelope]) == [(OK, "")] * 2
    assert verified(await whole_chain(channel, material)) == [envelope, envelope]


async def test_refused_envelope_does_not_cost_the_next_one_its_place(
    channel: rpc.Channel, material: Material, stranger: Material
) -> None:
    good = [material.envelope() for _ in range(3)]
    bad = [b"", b"\xff", stranger.envelope()]
    answers = await broadcast(channel, [good[0], bad[0], good[1], bad[1], bad[2], good[2]])
    assert [status for status, _ in answers] == [OK, BAD, OK, BAD, FORBIDDEN, OK]
    assert verified(await whole_chain(channel, material)) == good


async def test_envelopes_of_one_turn_are_checked_together_and_answered_in_order(
    channel: rpc.Channel, material: Material, stranger: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    refusals = broadcast_service.refusals

    def noted(messages: Any, now: Any) -> Any:
        together.append(len(messages))
        return refusals(messages, now)

    monkeypatch.setattr(broadcast_service, "refusals", noted)
    many = 3 * broadcast_service.TOGETHER_MAX
    sent = [(stranger if number % 5 == 4 else material).envelope(b"%d" % number) for number in range(many)]
    answers = await asyncio.gather(broadcast(channel, sent), broadcast(channel, sent))
    for answered in answers:
        assert [status for status, _ in answered] == [FORBIDDEN if number % 5 == 4 else OK for number in range(many)]
    accepted = [envelope for number, envelope in enumerate(sent) if number % 5 != 4]
    ordered = verified(await whole_chain(channel, material))
    # Two streams that sent the same: each one's order is kept beside the other's.
    first_seen = list(dict.fromkeys(ordered))
    assert sorted(ordered) == sorted(accepted * 2) and first_seen == accepted
    assert sum(together) == 2 * many
    assert 1 < max(together) <= broadcast_service.TOGETHER_MAX


async def test_a_fault_of_the_checks_ends_the_stream(channel: rpc.Channel, material: Material) -> None:
    def fault(messages: Any, now: Any) -> Any:
        raise ZeroDivisionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broadcast_service, "refusals", fault)
        async with asyncio.timeout(20):
            with pytest.raises(RpcError):
                await broadcast(channel, [material.envelope()])
    assert await broadcast(channel, [material.envelope()]) == [(OK, "")]


async def test_nothing_is_acknowledged_before_its_block_is_durable(
    channel: rpc.Channel, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, release = threading.Event(), threading.Event()

    def held_back(fd: int) -> None:
        reached.set()
        assert release.wait(10)

    monkeypatch.setattr("os.fdatasync", held_back)
    answer = asyncio.create_task(broadcast(channel, [material.envelope()]))
    following = asyncio.create_task(deliver(channel, seek(material.node(BANK), 1, stop=1)))
    assert await asyncio.to_thread(reached.wait, 10)
    done, _ = await asyncio.wait({answer, following}, timeout=0.3)
    assert not done
    release.set()
    assert await answer == [(OK, "")]
    assert (await following)[1] == OK


async def test_full_disk_is_service_unavailable_and_ordering_goes_on_when_there_is_space(
    channel: rpc.Channel, material: Material, tmp_path: Path
) -> None:
    first, lost, second = (material.envelope(secrets.token_bytes(5_000)) for _ in range(3))
    assert await broadcast(channel, [first]) == [(OK, "")]
    size = (tmp_path / "orderer" / CHANNEL / "blocks").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1_000, hard))
    try:
        answers = await broadcast(channel, [lost])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answers == [(UNAVAILABLE, "the orderer cannot store blocks now; send it again later")]
    assert await broadcast(channel, [second]) == [(OK, "")]
    assert verified(await whole_chain(channel, material)) == [first, second]


async def test_failed_sync_ends_ordering_until_the_blocks_are_read_anew(
    channel: rpc.Channel, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", failing)
        answers = await broadcast(channel, [material.envelope()])
    refused = (UNAVAILABLE, "the ordering service has failed and must be restarted")
    assert answers == [refused]
    assert await broadcast(channel, [material.envelope()]) == [refused]


# --- deliver --------------------------------------------------------------------------------------------------------


async def test_waiting_reader_gets_each_block_as_it_is_made(channel: rpc.Channel, material: Material) -> None:
    request = seek(material.node(BANK), 1)
    following = asyncio.create_task(deliver(channel, request, enough=lambda n: n == 2))
    sent = [material.envelope(), material.envelope()]
    for envelope in sent:
        await broadcast(channel, [envelope])
    blocks, _ = await following
    assert [list(block.data.data) for block in blocks] == [[sent[0]], [sent[1]]]


@pytest.mark.parametrize(
    ("start", "stop", "numbers", "status"),
    [
        ("oldest", "newest", [0, 1, 2, 3], OK),
        ("oldest", "oldest", [0], OK),
        ("newest", "newest", [3], OK),
        (1, 2, [1, 2], OK),
        (2, 1, [], BAD),
        (9, 9, [], NOT_FOUND),
        (4, 4, [], NOT_FOUND),
        ("next_commit", 9, [], NOT_FOUND),
        (2, 9, [2, 3], NOT_FOUND),
        (None, 1, [], BAD),
        (1, None, [], BAD),
    ],
)
async def test_seek_positions_select_the_blocks_fabric_would_send(
    channel: rpc.Channel,
    material: Material,
    start: str | int | None,
    stop: str | int | None,
    numbers: list[int],
    status: int,
) -> None:
    for _ in range(3):
        await broadcast(channel, [material.envelope()])
    request = ab_pb2.SeekInfo(behavior=ab_pb2.SeekInfo.FAIL_IF_NOT_READY)
    for position, wanted in ((request.start, start), (request.stop, stop)):
        if isinstance(wanted, str):
            getattr(position, wanted).SetInParent()
        elif wanted is not None:
            position.specified.number = wanted
            position.specified.SetInParent()
    envelope = material.envelope(
        request.SerializeToString(), header_type=common_pb2.DELIVER_SEEK_INFO, signer=material.node(BANK)
    )
    blocks, answered = await deliver(channel, envelope)
    assert ([block.header.number for block in blocks], answered) == (numbers, status)


async def test_headers_alone_are_sent_when_asked_for_but_configuration_whole(
    channel: rpc.Channel, material: Material
) -> None:
    await broadcast(channel, [material.envelope()])
    request = ab_pb2.SeekInfo(content_type=ab_pb2.SeekInfo.HEADER_WITH_SIG)
    request.start.oldest.SetInParent()
    request.stop.newest.SetInParent()
    envelope = material.envelope(
        request.SerializeToString(), header_type=common_pb2.DELIVER_SEEK_INFO, signer=material.node(BANK)
    )
    (genesis, block), status = await deliver(channel, envelope)
    assert status == OK
    assert len(genesis.data.data) == 1
    assert not block.HasField("data")
    assert block.header.number == 1


async def test_stranger_and_forger_are_forbidden_to_read(
    channel: rpc.Channel, material: Material, stranger: Material
) -> None:
    forged = common_pb2.Envelope.FromString(seek(material.node(BANK), 0, stop=0))
    forged.signature = common_pb2.Envelope.FromString(seek(material.node(PARTNER), 0, stop=0)).signature
    for request in (seek(stranger.node(BANK), 0, stop=0), forged.SerializeToString()):
        assert await deliver(channel, request) == ([], FORBIDDEN)


async def test_recorded_request_is_refused_later_and_an_unreadable_one_at_once(
    channel: rpc.Channel, material: Material
) -> None:
    for minutes, status in ((-16, BAD), (16, BAD), (-14, OK)):
        request = seek(material.node(BANK), 0, stop=0, timestamp=utc_now() + timedelta(minutes=minutes))
        assert (await deliver(channel, request))[1] == status
    with pytest.raises(RpcError, match="failed to unmarshal the received message") as unreadable:
        await deliver(channel, b"\xff\xff")
    assert unreadable.value.code == StatusCode.INTERNAL
    assert await deliver(channel, b"\x0a\x01\xff") == ([], BAD)
    assert await deliver(channel, b"") == ([], BAD)


async def test_unknown_channel_is_not_found(channel: rpc.Channel, material: Material) -> None:
    request = material.envelope(channel_id="other", header_type=common_pb2.DELIVER_SEEK_INFO)
    assert await deliver(channel, request) == ([], NOT_FOUND)


async def test_mutual_tls_binds_a_request_to_the_connection_it_was_made_for(
    material: Material, orderer: Orderer
) -> None:
    tls = material.server_tls(ORDERER), material.client_tls(BANK)
    other = rpc.Channel("localhost:1", material.client_tls(PARTNER))
    async with running(orderer, *tls) as channel:
        for bound_to, status in ((channel.tls_certificate_hash, OK), (other.tls_certificate_hash, BAD), (b"", BAD)):
            request = seek(material.node(BANK), 0, stop=0, tls_cert_hash=bound_to)
            assert (await deliver(channel, request))[1] == status


async def test_reader_following_the_chain_is_told_when_the_service_stops(
    channel: rpc.Channel, orderer: Orderer, material: Material
) -> None:
    told = asyncio.Event()

    def never_enough(count: int) -> bool:
        told.set()
        return False

    following = asyncio.create_task(deliver(channel, seek(material.node(BANK), 0), enough=never_enough))
    await asyncio.wait_for(told.wait(), 10)
    await orderer.stop()
    blocks, status = await following
    assert (len(blocks), status) == (1, UNAVAILABLE)
    assert await broadcast(channel, [material.envelope()]) == [
        (UNAVAILABLE, "the ordering service is stopping; send the envelope again later")
    ]


# --- configuration updates ------------------------------------------------------------------------------------------


def new_batch_size(material: Material, config_block: common_pb2.Block, signers: list[str]) -> bytes:
    """Return an update to two envelopes a block, signed by these organizations' administrators."""
    administrators = [material.user(msp_id, "Admin") for msp_id in signers]
    return batch_size_update(config_block, 2, administrators, material.user(ORDERER, "Admin"))


async def test_authorized_configuration_update_has_its_own_block_and_rules_from_then_on(
    material: Material, tmp_path: Path
) -> None:
    async with running(new_orderer(material, tmp_path, max_messages=10)) as channel:
        (genesis,) = await whole_chain(channel, material)
        update = new_batch_size(material, genesis, [ORDERER])
        before = [material.envelope() for _ in range(3)]
        after = [material.envelope() for _ in range(10)]
        assert {status for status, _ in await broadcast(channel, [*before, update, *after])} == {OK}
        blocks = await whole_chain(channel, material)
    (number,) = [b.header.number for b in blocks if b.header.number and config_or_none(b) is not None]
    changed = config_or_none(blocks[number])
    assert changed is not None
    assert (changed.sequence, changed.orderer.max_messages) == (1, 2)
    assert [last_config_number(block) for block in blocks[number:]] == [number] * (len(blocks) - number)
    assert max(len(block.data.data) for block in blocks[number:]) == 2
    sent = [item for block in blocks[1:] if block.header.number != number for item in block.data.data]
    assert sent == [*before, *after]
    verified(blocks)
    async with running(new_orderer(material, tmp_path)) as channel:
        assert (await broadcast(channel, [material.envelope()]))[0][0] == OK
        assert last_config_number((await whole_chain(channel, material))[-1]) == number


async def test_update_that_is_long_judged_keeps_no_transaction_waiting(
    channel: rpc.Channel, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write to a channel may send updates that take seconds to judge."""
    (genesis,) = await whole_chain(channel, material)
    judged, held_back = threading.Event(), chain.prepare_config

    def long_judged(*arguments: Any) -> tuple[bytes, ChannelConfig]:
        assert judged.wait(60)
        return held_back(*arguments)

    monkeypatch.setattr(chain, "prepare_config", long_judged)
    update = asyncio.create_task(broadcast(channel, [new_batch_size(material, genesis, [ORDERER])]))
    await asyncio.sleep(0.2)
    try:
        async with asyncio.timeout(20):
            assert await broadcast(channel, [material.envelope() for _ in range(3)]) == [(OK, "")] * 3
        assert not update.done()
    finally:
        judged.set()
    assert await update == [(OK, "")]
    newest = (await whole_chain(channel, material))[-1]
    assert last_config_number(newest) == newest.header.number


async def test_update_judged_before_another_was_committed_is_judged_again(
    channel: rpc.Channel, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    (genesis,) = await whole_chain(channel, material)
    held, really_synced = threading.Event(), os.fdatasync
    update = new_batch_size(material, genesis, [ORDERER])

    def slow(descriptor: int) -> None:
        assert held.wait(60)
        really_synced(descriptor)

    monkeypatch.setattr("os.fdatasync", slow)
    both = [asyncio.create_task(broadcast(channel, [update])) for _ in range(2)]
    await asyncio.sleep(0.5)
    held.set()
    answers = [answer for found in await asyncio.gather(*both) for answer in found]
    assert sorted(status for status, _ in answers) == [OK, BAD]
    assert any("ModPolicy" in info or "version" in info for _, info in answers)


def config_or_none(block: common_pb2.Block) -> ChannelConfig | None:
    envelope = common_pb2.Envelope.FromString(block.data.data[0])
    payload = common_pb2.Payload.FromString(envelope.payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    return ChannelConfig.from_block(block) if header.type == common_pb2.CONFIG else None


async def test_update_without_the_administrators_signatures_changes_nothing(
    channel: rpc.Channel, material: Material
) -> None:
    (genesis,) = await whole_chain(channel, material)
    for signers in ([], [BANK, PARTNER]):
        ((status, info),) = await broadcast(channel, [new_batch_size(material, genesis, signers)])
        assert status == BAD
        assert info.startswith(f"error applying config update to existing channel '{CHANNEL}'")
    assert len(await whole_chain(channel, material)) == 1


async def test_ordering_service_of_another_kind_is_refused(channel: rpc.Channel, material: Material) -> None:
    """Peers would believe none of its blocks then."""
    (genesis,) = await whole_chain(channel, material)
    current = ChannelConfig.from_block(genesis).group()
    wanted = configtx_pb2.ConfigGroup()
    wanted.CopyFrom(current)
    value = wanted.groups["Orderer"].values["ConsensusType"]
    consensus = orderer_configuration_pb2.ConsensusType.FromString(value.value)
    consensus.type = "BFT"
    value.value = consensus.SerializeToString()
    update = config_delta(CHANNEL, current, wanted)
    signed = sign_update(update, [material.user(ORDERER, "Admin")], utc_now(), secrets.token_bytes)
    ((status, info),) = await broadcast(channel, [signed.SerializeToString()])
    assert status == BAD
    assert "attempted to change consensus type from etcdraft to BFT" in info
    assert len(await whole_chain(channel, material)) == 1


# --- start and restart ----------------------------------------------------------------------------------------------


async def test_update_to_older_rules_of_validation_is_refused_for_peers_would_stop(
    material: Material, tmp_path: Path
) -> None:
    async with running(new_orderer(material, tmp_path)) as channel:
        (genesis,) = await whole_chain(channel, material)
        current = ChannelConfig.from_block(genesis).group()
        wanted = configtx_pb2.ConfigGroup()
        wanted.CopyFrom(current)
        value = wanted.groups["Application"].values["Capabilities"]
        older = {"V1_4_2": configuration_pb2.Capability()}
        value.value = configuration_pb2.Capabilities(capabilities=older).SerializeToString()
        update = config_delta(CHANNEL, current, wanted)
        administrators = [material.user(msp_id, "Admin") for msp_id in (BANK, PARTNER)]
        signed = sign_update(update, administrators, utc_now(), secrets.token_bytes)
        ((status, info),) = await broadcast(channel, [signed.SerializeToString()])
    assert status == BAD
    assert info.endswith("application capabilities ['V1_4_2']: transactions are judged only by V2_0 or V2_5")


async def test_chain_goes_on_after_a_restart_with_or_without_the_genesis_file(
    material: Material, tmp_path: Path
) -> None:
    sent = [material.envelope() for _ in range(3)]
    for number, envelope in enumerate(sent):
        orderer = new_orderer(material, tmp_path)
        if number == 2:
            (tmp_path / "channel" / "genesis.block").unlink()
        async with running(orderer) as channel:
            assert await broadcast(channel, [envelope]) == [(OK, "")]
            assert verified(await whole_chain(channel, material)) == sent[: number + 1]


async def test_missing_genesis_block_is_one_clear_sentence(material: Material, tmp_path: Path) -> None:
    missing = tmp_path / "genesis.block"
    with pytest.raises(GenesisError, match=r"genesis\.block cannot be read .* no chain on disk to go on with"):
        await Orderer(tmp_path / "orderer", [missing], material.node(ORDERER), utc_now).start()
    with pytest.raises(GenesisError, match="no genesis block was given"):
        await Orderer(tmp_path / "orderer", [], material.node(ORDERER), utc_now).start()


async def test_foreign_genesis_block_is_refused_and_the_chain_left_alone(material: Material, tmp_path: Path) -> None:
    async with running(new_orderer(material, tmp_path)) as channel:
        await broadcast(channel, [material.envelope()])
    before = (tmp_path / "orderer" / CHANNEL / "blocks").read_bytes()
    material.genesis(tmp_path / "channel" / "genesis.block", max_messages=7)
    with pytest.raises(GenesisError, match=r"is not the one the chain in .* began with"):
        await new_orderer(material, tmp_path).start()
    assert (tmp_path / "orderer" / CHANNEL / "blocks").read_bytes() == before


async def test_file_that_is_no_genesis_block_is_refused(material: Material, tmp_path: Path) -> None:
    genesis = tmp_path / "channel" / "genesis.block"
    genesis.parent.mkdir()
    for content in (b"not a block", b"", new_block(0, b"", [b"x"]).SerializeToString()):
        genesis.write_bytes(content)
        with pytest.raises(GenesisError, match=r"genesis\.block is not the genesis block of a channel"):
            await new_orderer(material, tmp_path).start()


async def test_identity_that_may_not_sign_blocks_does_not_start(material: Material, tmp_path: Path) -> None:
    genesis = material.genesis(tmp_path / "genesis.block")
    orderer = Orderer(tmp_path / "orderer", [genesis], material.node(BANK), utc_now)
    with pytest.raises(GenesisError, match="give this orderer an identity that may sign its blocks"):
        await orderer.start()
    async with running(Orderer(tmp_path / "orderer", [genesis], material.node(ORDERER), utc_now)):
        pass


async def test_two_orderers_on_one_folder_are_refused(channel: rpc.Channel, material: Material, tmp_path: Path) -> None:
    with pytest.raises(BlockStoreLockedError):
        await new_orderer(material, tmp_path).start()
    assert await broadcast(channel, [material.envelope()]) == [(OK, "")]


async def test_block_replaced_on_disk_is_found_at_start(material: Material, tmp_path: Path) -> None:
    """The file's checksums are right, as somebody who knows the format would make them; the hash chain is not."""
    async with running(new_orderer(material, tmp_path)) as channel:
        for _ in range(3):
            await broadcast(channel, [material.envelope()])
    path = tmp_path / "orderer" / CHANNEL / "blocks"
    store = block_store.BlockStore(path, lambda number, block: None)
    blocks = [store.read(number) for number in range(4)]
    store.close()
    previous = header_hash(parse_block(blocks[0]).header)
    forged = new_block(1, previous, [material.envelope()])
    sign_block(forged, material.node(ORDERER), 0)
    path.unlink()
    store = block_store.BlockStore(path, lambda number, block: None)
    for number, block in enumerate([blocks[0], forged.SerializeToString(), *blocks[2:]]):
        store.append(number, block)
    store.close()
    with pytest.raises(BlockStoreCorruptError, match="block 2 does not follow the block before it"):
        await new_orderer(material, tmp_path).start()
