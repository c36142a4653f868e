"""Signatures of callers checked by a process of its own: the same verdicts, whatever becomes of that process."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from network.errors import SignatureError
from network.identity import Identity
from network.signing import CURVE_ORDERS
from node.peer import signature_checks
from node.peer.signature_checks import TOGETHER_MAX, WORTHWHILE_CHECKS, SignatureChecks
from node.peer.signature_process import Checks, encode_check, encode_key
from tests.support.members import Member
from tests.support.signature_processes import processes

MEMBERS = [Member("BankMSP"), Member("PartnerMSP")]
SIGNERS = [member.identity("client") for member in MEMBERS]
IDENTITIES: list[Identity] = [
    member.msp().deserialize(signer.creator) for member, signer in zip(MEMBERS, SIGNERS, strict=True)
]
MANY = WORTHWHILE_CHECKS * 3


@pytest.fixture
async def checks(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SignatureChecks]:
    # On a machine that is loaded an honest process may be silent for a second.
    monkeypatch.setattr(signature_checks, "LOOK_S", 20)
    monkeypatch.setattr(signature_checks, "WORTHWHILE_A_SECOND", 0)
    checks = SignatureChecks()
    yield checks
    await checks.stop()
    assert processes() == []


def high_s(signature: bytes) -> bytes:
    """Return the twin of a signature that Fabric refuses."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, CURVE_ORDERS["secp256r1"] - s)


async def verdicts(checks: SignatureChecks, count: int = MANY) -> list[bool]:
    """Check genuine and wrong signatures of both signers in one turn; return which hold."""

    async def check(number: int) -> bool:
        signer, identity = SIGNERS[number % 2], IDENTITIES[number % 2]
        message = b"message %d" % number
        signature = signer.sign(message)
        wrong = {
            3: b"",
            4: b"\x00",
            5: signature[:-1],
            6: high_s(signature),
            7: signer.sign(b"another message"),
            8: SIGNERS[(number + 1) % 2].sign(message),
        }
        try:
            await checks.verify(identity, message, wrong.get(number % 9, signature))
        except SignatureError:
            return False
        return True

    return await asyncio.gather(*(check(number) for number in range(count)))


EXPECTED = [number % 9 < 3 for number in range(MANY)]


async def with_process(checks: SignatureChecks) -> int:
    """Ask for so much at once that a process begins, and return its id when it stands."""
    async with asyncio.timeout(60):
        while True:
            await verdicts(checks)
            if (found := processes()) and checks.beside:
                return found[0]
            await asyncio.sleep(0.02)


async def test_few_at_once_are_checked_here(checks: SignatureChecks) -> None:
    for _ in range(3):
        assert await verdicts(checks, WORTHWHILE_CHECKS - 1) == EXPECTED[: WORTHWHILE_CHECKS - 1]
    assert processes() == []


@pytest.mark.parametrize(("often", "begun"), [(100, True), (10**6, False)])
async def test_a_process_begins_where_many_at_once_come_often(
    checks: SignatureChecks, monkeypatch: pytest.MonkeyPatch, often: int, begun: bool
) -> None:
    monkeypatch.setattr(signature_checks, "WORTHWHILE_A_SECOND", often)
    until = time.monotonic() + (20 if begun else 1.5)
    while not checks.beside and time.monotonic() < until:
        await verdicts(checks)
        await asyncio.sleep(0.02)
    assert checks.beside == begun
    assert bool(processes()) == begun


async def test_the_process_gives_the_same_verdicts(checks: SignatureChecks) -> None:
    assert await verdicts(checks) == EXPECTED  # while there is none yet
    await with_process(checks)
    for _ in range(20):
        assert await verdicts(checks) == EXPECTED
    assert await verdicts(checks, 1) == [True]


async def test_what_holds_is_not_checked_a_second_time_and_a_refusal_says_why(
    checks: SignatureChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_process(checks)
    checked_here: list[bytes] = []
    verify = Identity.verify

    def noted(self: Identity, message: bytes, signature: bytes) -> None:
        checked_here.append(message)
        verify(self, message, signature)

    monkeypatch.setattr(Identity, "verify", noted)
    signer, identity = SIGNERS[0], IDENTITIES[0]
    await checks.verify(identity, b"genuine", signer.sign(b"genuine"))
    with pytest.raises(SignatureError, match="high-S"):
        await checks.verify(identity, b"other", high_s(signer.sign(b"other")))
    assert checked_here == [b"other"]


def noted_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of checks of each call that makes some in the event loop."""
    calls: list[int] = []
    failures = signature_checks.signature_failures

    def noted(asked: Sequence[tuple[Identity, bytes, bytes]]) -> list[SignatureError | None]:
        calls.append(len(asked))
        return failures(asked)

    monkeypatch.setattr(signature_checks, "signature_failures", noted)
    return calls


async def test_checks_of_one_turn_are_made_together_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(self: Identity, message: bytes, signature: bytes) -> None:
        raise AssertionError("checked a second time, alone")

    calls = noted_calls(monkeypatch)
    monkeypatch.setattr(Identity, "verify", alone)
    checks = SignatureChecks()
    assert await verdicts(checks) == EXPECTED
    assert await verdicts(checks, 1) == [True]
    assert calls == [MANY, 1]
    with pytest.raises(SignatureError, match="high-S"):
        await checks.verify(IDENTITIES[0], b"other", high_s(SIGNERS[0].sign(b"other")))
    with pytest.raises(SignatureError, match="does not verify under the signer's key"):
        await checks.verify(IDENTITIES[0], b"other", SIGNERS[1].sign(b"other"))


async def test_very_many_checks_leave_turns_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = noted_calls(monkeypatch)
    many = TOGETHER_MAX * 2 + 3
    asked = asyncio.create_task(verdicts(SignatureChecks(), many))
    between = 0
    while not asked.done():
        between += len(calls) in (1, 2)
        await asyncio.sleep(0)
    assert [holds for number, holds in enumerate(await asked) if number % 9 < 3] == [True] * len(
        [number for number in range(many) if number % 9 < 3]
    )
    assert calls == [TOGETHER_MAX, TOGETHER_MAX, 3]
    assert between == 2


async def test_a_caller_who_is_gone_costs_no_check(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, checks, signature = noted_calls(monkeypatch), SignatureChecks(), SIGNERS[0].sign(b"m")
    gone = asyncio.create_task(checks.verify(IDENTITIES[0], b"m", signature))
    stays = asyncio.create_task(checks.verify(IDENTITIES[0], b"m", signature))
    asyncio.get_running_loop().call_soon(gone.cancel)
    await stays
    assert gone.cancelled()
    assert calls == [1]


async def test_a_killed_process_leaves_no_check_without_its_answer(checks: SignatureChecks) -> None:
    with structlog.testing.capture_logs() as told:
        process = await with_process(checks)
        asked = asyncio.create_task(verdicts(checks, MANY))
        os.kill(process, signal.SIGKILL)
        assert await asked == EXPECTED
        assert await verdicts(checks) == EXPECTED
        await asyncio.sleep(0.1)
    assert [line["event"] for line in told] == ["signatures are checked in the event loop for a while"]
    assert not checks.beside


async def test_a_process_that_stands_still_is_given_up(
    checks: SignatureChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signature_checks, "LOOK_S", 0.05)
    monkeypatch.setattr(signature_checks, "END_S", 0.05)
    process = await with_process(checks)
    os.kill(process, signal.SIGSTOP)
    async with asyncio.timeout(60):
        assert await verdicts(checks) == EXPECTED


async def test_it_ends_when_it_is_not_worthwhile_any_more_and_begins_again(
    checks: SignatureChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signature_checks, "LOOK_S", 0.5)
    first = await with_process(checks)
    monkeypatch.setattr(signature_checks, "IDLE_S", 0)
    async with asyncio.timeout(60):
        while processes():
            assert await verdicts(checks, 2) == EXPECTED[:2]
            await asyncio.sleep(0.02)
    monkeypatch.undo()
    assert await with_process(checks) != first


async def test_a_caller_who_gives_up_leaves_the_others_theirs(checks: SignatureChecks) -> None:
    await with_process(checks)
    gone = asyncio.create_task(verdicts(checks))
    asked = asyncio.create_task(verdicts(checks))
    await asyncio.sleep(0)
    gone.cancel()
    assert await asked == EXPECTED


async def test_after_the_stop_checks_are_made_here(checks: SignatureChecks) -> None:
    await with_process(checks)
    await checks.stop()
    assert processes() == []
    assert await verdicts(checks) == EXPECTED
    assert processes() == []


async def test_other_keys_than_ecdsa_are_checked_here(checks: SignatureChecks) -> None:
    await with_process(checks)
    key = Ed25519PrivateKey.generate()
    identity = replace(IDENTITIES[0], public_key=key.public_key(), identifier=("BankMSP", b"another"))
    await checks.verify(identity, b"message", key.sign(b"message"))
    with pytest.raises(SignatureError):
        await checks.verify(identity, b"message", key.sign(b"another"))


def test_records_may_come_in_pieces() -> None:
    digest = bytes(32)
    key = IDENTITIES[0].public_key
    records = encode_key(key) + encode_check(1, digest, b"none") + encode_check(1, digest, b"")  # type: ignore[arg-type]
    answering = Checks()
    assert b"".join(answering.answers(bytes([byte])) for byte in records) == b"\x00\x00"
    assert Checks().answers(records) == b"\x00\x00"
