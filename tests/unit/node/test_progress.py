"""How far a channel is committed: who waits is told, once, and what changed is known for a while."""

from __future__ import annotations

import asyncio

import pytest

from network.rwset import StateKey
from node.peer.commit_notifier import CommitNotifier, CommitStatus
from node.peer.errors import ChannelStoppedError
from node.peer.own_endorsements import REMEMBERED_MAX, OwnEndorsements
from node.peer.progress import BLOCKS_REMEMBERED, Progress


def key(name: str) -> StateKey:
    return StateKey("cc", "", name.encode())


async def test_waiting_for_a_height_ends_with_its_block() -> None:
    progress = Progress(1, b"", b"")
    waiting = asyncio.ensure_future(progress.wait_for_height(3))
    progress.advance(b"h2", b"c2", [])
    await asyncio.sleep(0)
    assert not waiting.done()
    progress.advance(b"h3", b"c3", [])
    await waiting
    assert (progress.height, progress.header_hash, progress.commit_hash) == (3, b"h3", b"c3")
    await progress.wait_for_height(2)


async def test_stopped_channel_fails_who_waits_and_who_comes_later() -> None:
    progress = Progress(1, b"", b"")
    waiting = asyncio.ensure_future(progress.wait_for_height(2))
    await asyncio.sleep(0)
    progress.stop(ChannelStoppedError("bad block"))
    with pytest.raises(ChannelStoppedError, match="bad block"):
        await waiting
    with pytest.raises(ChannelStoppedError, match="bad block"):
        await progress.wait_for_height(2)
    await progress.wait_for_height(1)


def test_changes_are_given_between_heights_and_forgotten_in_time() -> None:
    progress = Progress(5, b"", b"")
    for number in range(3):
        progress.advance(b"", b"", [key(str(number))])
    assert progress.changes(6, 8) == [frozenset([key("1")]), frozenset([key("2")])]
    assert progress.changes(8, 8) == []
    assert progress.changes(4, 8) is None
    for _ in range(BLOCKS_REMEMBERED):
        progress.advance(b"", b"", [])
    assert progress.changes(6, 8) is None


async def test_notifier_tells_everyone_who_waits_for_a_transaction() -> None:
    notifier = CommitNotifier()
    with notifier.waiting("a") as first, notifier.waiting("a") as second, notifier.waiting("b") as other:
        notifier.notify(7, [("a", 11), ("c", 0)])
        assert (await first) == (await second) == CommitStatus(7, 11)
        assert not other.done()
        notifier.notify(8, [("a", 0)])
        assert (await first).block_number == 7
    with notifier.waiting("b") as again:
        notifier.fail(ChannelStoppedError("bad block"))
        with pytest.raises(ChannelStoppedError):
            await again


def test_own_endorsement_counts_once_and_only_for_its_payload() -> None:
    own = OwnEndorsements()
    own.add(b"s", b"p")
    assert not own.made(b"s", b"other")
    own.add(b"s", b"p")
    assert own.made(b"s", b"p")
    assert not own.made(b"s", b"p")
    for number in range(REMEMBERED_MAX + 1):
        own.add(b"%d" % number, b"p")
    assert not own.made(b"0", b"p")
    assert own.made(b"1", b"p")
