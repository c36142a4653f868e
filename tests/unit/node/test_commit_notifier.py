"""Aim: nobody waits for a commit that has passed, and nobody hears of a later occurrence what only the first decides.

Method: every order in which endorsing, asking the index and committing can follow one another.
"""

from __future__ import annotations

import pytest

from node.peer.commit_notifier import FOLLOWED_MAX, CommitNotifier, CommitStatus
from node.peer.errors import ChannelStoppedError

VALID, DUPLICATE = 0, 9


def known(notifier: CommitNotifier) -> tuple[bool, CommitStatus | None]:
    return notifier.is_pending("tx"), notifier.outcome("tx")


async def test_who_waits_is_told_and_forgotten() -> None:
    notifier = CommitNotifier()
    with notifier.waiting("tx") as first, notifier.waiting("tx") as second:
        notifier.notify(7, [("other", VALID), ("tx", 11)])
        assert await first == await second == CommitStatus(7, 11)
    notifier.notify(8, [("tx", VALID)])


async def test_who_waits_hears_that_the_channel_stopped() -> None:
    notifier = CommitNotifier()
    with notifier.waiting("tx") as waiting:
        notifier.fail(ChannelStoppedError("refused"))
        with pytest.raises(ChannelStoppedError):
            await waiting


def test_new_id_is_pending_until_its_first_occurrence_commits() -> None:
    notifier = CommitNotifier()
    assert known(notifier) == (False, None)
    notifier.follow("tx")
    assert known(notifier) == (False, None), "the index has not answered yet"
    notifier.settle("tx", is_new=True)
    assert known(notifier) == (True, None)
    notifier.notify(7, [("tx", VALID)])
    notifier.notify(8, [("tx", DUPLICATE)])
    assert known(notifier) == (False, CommitStatus(7, VALID))


def test_id_committed_while_the_index_is_asked_is_left_to_the_index() -> None:
    notifier = CommitNotifier()
    notifier.follow("tx")
    notifier.notify(7, [("tx", VALID)])
    notifier.settle("tx", is_new=True)
    assert known(notifier) == (False, None)


def test_id_the_index_knows_is_left_to_the_index() -> None:
    notifier = CommitNotifier()
    notifier.follow("tx")
    notifier.settle("tx", is_new=True)
    notifier.notify(7, [("tx", VALID)])
    notifier.follow("tx")
    assert notifier.outcome("tx") == CommitStatus(7, VALID)
    notifier.settle("tx", is_new=False)
    assert known(notifier) == (False, None)


def test_proposal_repeated_before_its_commit_stays_pending() -> None:
    notifier = CommitNotifier()
    for _ in range(2):
        notifier.follow("tx")
        notifier.settle("tx", is_new=True)
    assert known(notifier) == (True, None)


def test_what_was_followed_too_long_ago_is_left_to_the_index() -> None:
    notifier = CommitNotifier()
    for number in range(FOLLOWED_MAX + 1):
        notifier.follow(f"tx{number}")
        notifier.settle(f"tx{number}", is_new=True)
    assert not notifier.is_pending("tx0")
    assert notifier.is_pending("tx1")
