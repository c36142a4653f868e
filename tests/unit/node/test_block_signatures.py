"""Signatures of blocks checked by processes of their own: the same verdicts, whatever becomes of those processes."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from network import signing
from network.channel_config import ChannelConfig
from network.envelope import ParsedTransaction, parse_transaction
from network.identity import Identity, Verify
from node.peer import block_signatures
from node.peer.block_signatures import (
    SENT_TOGETHER,
    WORTHWHILE_BLOCKS,
    SignatureProcess,
    SignatureProcesses,
    checked_beside,
    checked_together,
)
from node.peer.validator import CheckedTransaction, check_transaction
from tests.support.consortium_in_memory import Material, make_material
from tests.support.own_channel import OwnChannel
from tests.support.signature_processes import processes
from tests.support.validation_corpus import Forge, judged, malformed, unordered


@dataclass
class Corpus:
    """Transactions wrong in every way that peers tell apart, and right ones, and what each comes to."""

    config: ChannelConfig
    envelopes: Sequence[bytes]
    verified_here: int = 0

    def check(self, parsed: ParsedTransaction, verify: Verify) -> CheckedTransaction:
        self.verified_here += verify is Identity.verify
        return check_transaction(parsed, self.config, verify=verify)

    def expected(self) -> list[CheckedTransaction]:
        return [check_transaction(parse_transaction(envelope), self.config) for envelope in self.envelopes]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    root: Path = tmp_path_factory.mktemp("crypto")
    return make_material(root)


@pytest.fixture
def corpus(material: Material) -> Corpus:
    channel, forge = OwnChannel(material), Forge(material, "cc")
    cases = [*malformed(forge), *judged(forge), *unordered(forge)]
    return Corpus(channel.config, [envelope for case in cases for envelope in case.envelopes])


@pytest.fixture
def pool() -> Iterator[SignatureProcesses]:
    pool = SignatureProcesses(2)
    pool.yielding = False  # other tests may leave them no time
    yield pool
    pool.end()
    assert processes() == []


def ready(pool: SignatureProcesses) -> Sequence[SignatureProcess]:
    """Return the processes once all stand."""
    until = time.monotonic() + 20
    while len(found := pool.ready(WORTHWHILE_BLOCKS)) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def test_processes_and_this_one_judge_every_transaction_alike(corpus: Corpus, pool: SignatureProcesses) -> None:
    assert len(corpus.envelopes) > 4 * SENT_TOGETHER
    expected = corpus.expected()
    for _ in range(2):
        corpus.verified_here = 0
        found = checked_beside(ready(pool), corpus.envelopes, corpus.check)()
        assert list(found) == expected
        # What is forged is checked here too, the rest is not.
        assert 0 < corpus.verified_here < len(expected) / 2


def test_a_block_checked_together_is_judged_as_one_by_one_and_no_signature_looked_at_twice(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: Counter[tuple[bytes, int, int]] = Counter()
    verify = signing._verify_without_table

    def noted(key: Any, digest: bytes, r: int, s: int) -> None:
        looked_at[digest, r, s] += 1
        verify(key, digest, r, s)

    expected = corpus.expected()
    monkeypatch.setattr(signing, "_verify_without_table", noted)
    for envelope, transaction in zip(corpus.envelopes, expected, strict=True):
        looked_at.clear()
        assert checked_together([envelope], corpus.check) == (transaction,)
        assert max(looked_at.values(), default=1) == 1
    assert checked_together(corpus.envelopes, corpus.check) == tuple(expected)


def test_blocks_are_answered_in_the_order_they_were_asked(corpus: Corpus, pool: SignatureProcesses) -> None:
    standing, expected = ready(pool), corpus.expected()
    first = checked_beside(standing, corpus.envelopes, corpus.check)
    second = checked_beside(standing, corpus.envelopes[:3], corpus.check)
    third = checked_beside(standing, corpus.envelopes[1:], corpus.check)
    assert [list(first()), list(second()), list(third())] == [expected, expected[:3], expected[1:]]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("asked_before", [0.0, 0.5], ids=["before it is asked", "while it is asked"])
def test_process_that_ends_or_hangs_costs_no_verdict(
    corpus: Corpus, pool: SignatureProcesses, monkeypatch: pytest.MonkeyPatch, end: signal.Signals, asked_before: float
) -> None:
    monkeypatch.setattr(block_signatures, "ANSWER_S", 0.5)
    monkeypatch.setattr(block_signatures, "PAUSE_S", 0.0)
    standing = ready(pool)
    # More than fits a pipe, so that a process that hangs is noticed while it is written to as well.
    envelopes, expected = [*corpus.envelopes] * 8, corpus.expected() * 8
    harmed_at, checks = int(asked_before * len(envelopes)), 0

    def check(parsed: ParsedTransaction, verify: Verify) -> CheckedTransaction:
        nonlocal checks
        if checks == harmed_at:
            for process in processes():
                os.kill(process, end)
        checks += 1
        return corpus.check(parsed, verify)

    assert list(checked_beside(standing, envelopes, check)()) == expected
    assert all(process.failed for process in standing)
    # Others take their place.
    assert not set(ready(pool)) & set(standing)
    assert list(checked_beside(ready(pool), corpus.envelopes, corpus.check)()) == corpus.expected()


def test_processes_begin_when_many_blocks_wait_and_end_when_none_comes(
    pool: SignatureProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pool.ready(WORTHWHILE_BLOCKS - 1) == [] and processes() == [] and pool.idle_s is None
    ready(pool)
    assert len(processes()) == 2
    # Begun, they go on for blocks behind which fewer wait.
    assert len(pool.ready(0)) == 2
    assert pool.idle_s is not None and pool.idle_s > block_signatures.IDLE_S / 2
    monkeypatch.setattr(block_signatures, "IDLE_S", 0.0)
    assert pool.idle_s == 0


def test_machine_without_room_for_processes_checks_here(
    pool: SignatureProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    class OneOnly(SignatureProcess):
        def __init__(self, *, yielding: bool) -> None:
            if begun:
                raise BlockingIOError("Resource temporarily unavailable")
            super().__init__(yielding=yielding)
            begun.append(self)

    monkeypatch.setattr(block_signatures, "SignatureProcess", OneOnly)
    assert pool.ready(WORTHWHILE_BLOCKS) == []
    assert processes() == [] and len(begun) == 1
    assert pool.ready(WORTHWHILE_BLOCKS) == [] and len(begun) == 1


def test_processes_let_others_go_first_until_some_failed(
    pool: SignatureProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    def policies() -> set[int]:
        return {os.sched_getscheduler(process) for process in processes()}

    monkeypatch.setattr(block_signatures, "PAUSE_S", 0.0)
    pool.yielding = True
    pool.ready(WORTHWHILE_BLOCKS)
    assert policies() == {os.SCHED_IDLE}
    for process in processes():
        os.kill(process, signal.SIGKILL)
    until = time.monotonic() + 20
    while policies() != {os.SCHED_OTHER}:
        assert time.monotonic() < until
        pool.ready(WORTHWHILE_BLOCKS)
        time.sleep(0.02)


def test_process_that_is_left_no_time_to_begin_is_given_up(
    pool: SignatureProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_signatures, "ANSWER_S", 0.2)
    pool.yielding = True
    pool.ready(WORTHWHILE_BLOCKS)
    for process in processes():
        os.kill(process, signal.SIGSTOP)
    until = time.monotonic() + 20
    while pool.yielding:
        assert time.monotonic() < until
        pool.ready(WORTHWHILE_BLOCKS)
        time.sleep(0.02)
    assert processes() == []
