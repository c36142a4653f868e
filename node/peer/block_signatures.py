"""Checks the signatures of blocks: a block's together, and in processes while the peer catches up.

Three verifications take a third of the time that a transaction of a block costs a peer. So while blocks wait, processes
verify (``node.peer.signature_process``): one block's signatures while the next block is read and the one before is
written. Threads would wait for the interpreter after each of them.

Rules:
- only "it holds" is taken from a process: a transaction of which any signature does not hold by its word is checked
  again here, and so is all that a process does not answer in time;
- processes begin when enough blocks wait, and end when none of their size has come for a while;
- they let all other work go first, so that the database never waits for them; where that leaves them too little time,
  others take their place that do not.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from network.channel_config import ChannelConfig
from network.envelope import ParsedTransaction, parse_transaction
from network.errors import SignatureError
from network.identity import Identity, Verify, signature_failures
from node.peer.signature_process import FAILS, HOLDS, MODULE, CheckEncoder
from node.peer.validator import CheckedTransaction, OwnEndorsement, check_transaction

PROCESSES = min(4, os.cpu_count() or 1)
"""How many verify."""

DIVIDED_FROM = 32
"""Transactions from which a block is divided among them."""

WORTHWHILE_BLOCKS = 10
"""So many blocks that wait make processes worthwhile: in step with the orderer few ever do."""

IDLE_S = 30.0
"""After so long without a block for them they end: each takes 20 MiB."""

ANSWER_S = 5.0
"""Time to begin, and for the answers to a few transactions; a process that needs more is given up."""

YIELDING_ANSWER_S = 0.25
"""The same for one that lets others go first: a hundred times what it needs when it is let."""

PAUSE_S = 10.0
"""Time before others are begun where one was given up."""

SENT_TOGETHER = 16
"""Transactions whose checks are sent to one process at once."""

LOOK_S = 0.2
"""Longest wait before it is looked whether a process was ended meanwhile."""

_Asked = tuple[Identity, bytes, bytes]
"""Who is said to have signed what, with which signature."""

_Assumed = tuple[CheckedTransaction, int]
"""What a transaction is if so many signatures hold."""

Check = Callable[[ParsedTransaction, Verify], CheckedTransaction]
"""Judges a transaction's form and signatures, these with the function given."""

Checked = Callable[[], tuple[CheckedTransaction, ...]]
"""Waits for what is still being checked of a block's transactions, and returns them."""

_log = structlog.get_logger(__name__)


class BlockSignatures:
    """What checks the signatures of a channel's blocks, one block after the other; for one thread.

    Args:
        own_creator: this peer's serialized identity.
        own_endorsement: tells endorsements this peer made itself, which need not be verified again.
    """

    def __init__(self, own_creator: bytes, own_endorsement: OwnEndorsement) -> None:
        self._own_creator = own_creator
        self._own_endorsement = own_endorsement
        self._processes = SignatureProcesses(PROCESSES)

    @property
    def idle_s(self) -> float | None:
        """Seconds until processes are to be ended if no block comes for them; None where there are none."""
        return self._processes.idle_s

    def check(self, envelopes: Sequence[bytes], config: ChannelConfig, blocks_waiting: int) -> Checked:
        """Read a block's transactions and have their signatures checked.

        Args:
            config: configuration in force before this block.
            blocks_waiting: how many wait behind it.
        Returns:
            gives them, perhaps in another thread; at once, but where processes are at it.
        """

        def check(parsed: ParsedTransaction, verify: Verify) -> CheckedTransaction:
            own, made = self._own_creator, self._own_endorsement
            return check_transaction(parsed, config, own_creator=own, own_endorsement=made, verify=verify)

        if len(envelopes) >= DIVIDED_FROM and (processes := self._processes.ready(blocks_waiting)):
            return checked_beside(processes, envelopes, check)
        transactions = checked_together(envelopes, check)
        return lambda: transactions

    def end_processes(self) -> None:
        """End the processes; what they owe is checked by whoever waits for it. Others begin when it is worthwhile."""
        self._processes.end()


class SignatureProcesses:
    """The processes of one channel's committer; all but the answers is for its thread that checks signatures.

    Args:
        count: how many there are where there are any.

    Attributes:
        yielding: whether those that begin let all other work go first; until some had too little time for it.
    """

    def __init__(self, count: int) -> None:
        self.yielding = True
        self._count = count
        self._processes: list[SignatureProcess] = []
        self._used_at = 0.0
        self._not_before = 0.0

    @property
    def idle_s(self) -> float | None:
        """Seconds until they end if no block comes for them; None where there are none."""
        return max(0.0, self._used_at + IDLE_S - time.monotonic()) if self._processes else None

    def ready(self, blocks_waiting: int) -> Sequence[SignatureProcess]:
        """Return those that can be asked about a large block; none where they would not be worthwhile.

        Args:
            blocks_waiting: how many wait behind it.
        """
        now = time.monotonic()
        if any(process.failed for process in self._processes):
            self._give_up("one ended, or did not answer in time")
        if not self._processes and blocks_waiting >= WORTHWHILE_BLOCKS and now >= self._not_before:
            try:
                for _ in range(self._count):
                    self._processes.append(SignatureProcess(yielding=self.yielding))
            except OSError as error:
                self._give_up(str(error))
        self._used_at = now
        return [process for process in self._processes if process.stands]

    def end(self) -> None:
        """End them."""
        for process in self._processes:
            process.end()
        self._processes = []

    def _give_up(self, reason: str) -> None:
        _log.warning("signatures of blocks are checked without processes for a while", reason=reason)
        self.end()
        self.yielding = False
        self._not_before = time.monotonic() + PAUSE_S


class SignatureProcess:
    """One process: one thread asks, another takes the answers, in the same order.

    Args:
        yielding: whether it lets all other work go first.

    Attributes:
        failed: whether it ended, or did not answer in time.
    """

    def __init__(self, *, yielding: bool) -> None:
        self.failed = False
        self._answer_s = YIELDING_ANSWER_S if yielding else ANSWER_S
        self._stands = False
        self._stands_by = time.monotonic() + ANSWER_S
        self._lock = threading.Lock()
        """Held for what does not wait."""
        self._encoder = CheckEncoder()
        self._unsent = bytearray()
        self._answers = bytearray()
        command = [sys.executable, "-m", MODULE]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)  # noqa: S603
        assert self._process.stdin is not None and self._process.stdout is not None
        if yielding:
            with suppress(OSError):  # where a container forbids it, it competes
                os.sched_setscheduler(self._process.pid, os.SCHED_IDLE, os.sched_param(0))
        self._given, self._told = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._given, False)
        os.set_blocking(self._told, False)

    @property
    def stands(self) -> bool:
        """Whether it can be asked: it said that it is ready, and has not failed since."""
        if not self._stands:
            self._move()
            self._stands = bool(self._answers)
            self._answers.clear()
            self.failed = self.failed or not (self._stands or time.monotonic() < self._stands_by)
        return self._stands and not self.failed

    def ask(self, checks: Sequence[_Asked]) -> None:
        """Send checks: who is said to have signed what, with which signature."""
        records = b"".join([self._encoder.encode(*check) for check in checks])
        with self._lock:
            self._unsent += records
        self._move()

    def answers(self, count: int) -> bytes:
        """Return the next answers; fewer where it failed."""
        until = time.monotonic() + self._answer_s
        while len(self._answers) < count and not self.failed:
            if time.monotonic() > until:
                self.failed = True
                break
            self._wait()
            self._move()
        with self._lock:
            answers = bytes(self._answers[:count])
            del self._answers[:count]
        return answers

    def end(self) -> None:
        """End it; it has nothing to finish."""
        with self._lock:
            self.failed = True
            self._process.kill()
            self._process.communicate()

    def _wait(self) -> None:
        """Return when it can be written to or heard."""
        try:
            select.select([self._told], [self._given] if self._unsent else [], [], LOOK_S)
        except (OSError, ValueError):  # ended meanwhile
            self.failed = True

    def _move(self) -> None:
        """Send and hear what can be at once."""
        with self._lock:
            if self.failed:
                return
            try:
                with suppress(BlockingIOError):  # it has enough to do
                    if self._unsent:
                        del self._unsent[: os.write(self._given, self._unsent)]
                with suppress(BlockingIOError):  # it says nothing
                    heard = os.read(self._told, 65536)
                    self._answers += heard
                    self.failed = not heard
            except OSError:
                self.failed = True


def checked_beside(processes: Sequence[SignatureProcess], envelopes: Sequence[bytes], check: Check) -> Checked:
    """Have the signatures of transactions checked by processes.

    Returns:
        waits for their answers; what they do not vouch for is checked then, by whoever waits.
    """
    parts: list[tuple[SignatureProcess, list[_Assumed]]] = []
    for number, first in enumerate(range(0, len(envelopes), SENT_TOGETHER)):
        process = processes[number % len(processes)]
        parts.append((process, _ask(process, envelopes[first : first + SENT_TOGETHER], check)))

    def checked() -> tuple[CheckedTransaction, ...]:
        found: list[CheckedTransaction] = []
        for process, assumed in parts:
            found += _settled(assumed, process.answers(sum(count for _, count in assumed)), check, Identity.verify)
        return tuple(found)

    return checked


def checked_together(envelopes: Sequence[bytes], check: Check) -> tuple[CheckedTransaction, ...]:
    """Check transactions here, their signatures in one go."""
    assumed, asked = _assumed(envelopes, check)
    failed = signature_failures(asked)
    answers = b"".join([FAILS if failure else HOLDS for failure in failed])
    return tuple(_settled(assumed, answers, check, _as_found(asked, failed) if any(failed) else Identity.verify))


def _as_found(asked: Sequence[_Asked], failed: Sequence[SignatureError | None]) -> Verify:
    """Return a check that says again what was found of these signatures, and looks at others itself."""
    found = {
        (identity.identifier, message, signature): failure
        for (identity, message, signature), failure in zip(asked, failed, strict=True)
    }

    def verify(identity: Identity, message: bytes, signature: bytes) -> None:
        asked_now = (identity.identifier, message, signature)
        if asked_now not in found:
            identity.verify(message, signature)
        elif failure := found[asked_now]:
            raise failure

    return verify


def _ask(process: SignatureProcess, envelopes: Sequence[bytes], check: Check) -> list[_Assumed]:
    """Send the checks of transactions; return what these are if all hold, and the number of checks of each."""
    assumed, asked = _assumed(envelopes, check)
    process.ask(asked)
    return assumed


def _assumed(envelopes: Sequence[bytes], check: Check) -> tuple[list[_Assumed], list[_Asked]]:
    """Return what transactions are if all of their signatures hold, and these signatures, in the same order."""
    asked: list[_Asked] = []

    def verify(identity: Identity, message: bytes, signature: bytes) -> None:
        if identity.signs_usually:
            asked.append((identity, message, signature))
        else:
            identity.verify(message, signature)

    assumed = []
    for envelope in envelopes:
        before = len(asked)
        transaction = check(parse_transaction(envelope), verify)
        assumed.append((transaction, len(asked) - before))
    return assumed, asked


def _settled(assumed: Sequence[_Assumed], answers: bytes, check: Check, verify: Verify) -> list[CheckedTransaction]:
    """Return the transactions, each of which a signature is not said to hold checked again, one by one."""
    found, at = [], 0
    for transaction, count in assumed:
        holds = answers[at : at + count] == HOLDS * count
        found.append(transaction if holds else check(transaction.parsed, verify))
        at += count
    return found
