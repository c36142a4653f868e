"""Passwords: Argon2id, bounded work, and the same work for a customer that does not exist.

Method: real hashes at the lowest cost; the amount of work is observed through the hasher, not through a clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.auth.passwords import Passwords
from gateway.errors import UnavailableError


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(memory_kib=8_192, iterations=1, threads=1, waiting_max=2)
    yield made
    made.close()


async def test_password_matches_its_own_hash_only(passwords: Passwords) -> None:
    encoded = await passwords.hash("correct horse battery")
    assert encoded.startswith("$argon2id$")
    assert await passwords.matches("correct horse battery", encoded)
    assert not await passwords.matches("correct horse batterx", encoded)


async def test_same_password_is_hashed_with_a_fresh_salt(passwords: Passwords) -> None:
    assert await passwords.hash("correct horse battery") != await passwords.hash("correct horse battery")


async def test_same_letters_typed_in_another_form_match(passwords: Passwords) -> None:
    encoded = await passwords.hash("caf\u00e9 au lait, svp")
    assert await passwords.matches("cafe\u0301 au lait, svp", encoded)


async def test_unknown_customer_costs_one_verification_like_a_known_one(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    work = Passwords._work

    def watched(self: Passwords, password: str, encoded: str | None) -> str:
        assert encoded is not None
        verified.append(encoded.rsplit("$", 2)[0])
        return work(self, password, encoded)

    encoded = await passwords.hash("correct horse battery")
    monkeypatch.setattr(Passwords, "_work", watched)
    assert not await passwords.matches("wrong password", encoded)
    assert not await passwords.matches("wrong password", None)
    # Same algorithm, same memory, same passes: so the same time.
    assert len(verified) == 2 and verified[0] == verified[1]


async def test_stored_text_that_is_no_hash_matches_nothing(passwords: Passwords) -> None:
    for stored in ("", "plain", "$argon2id$v=19$m=8192", "$2b$12$abc"):
        assert not await passwords.matches("", stored)


async def test_crowd_at_the_door_is_told_to_come_back(passwords: Passwords) -> None:
    answers: list[Any] = await asyncio.gather(
        *(passwords.hash("correct horse battery") for _ in range(8)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, UnavailableError)]
    assert len(refused) == 5 and all(error.code == "busy" for error in refused)
    assert await passwords.hash("correct horse battery")


async def test_hash_of_an_older_cost_is_outdated(passwords: Passwords) -> None:
    dearer = Passwords(memory_kib=8_192, iterations=2, threads=1)
    try:
        encoded = await passwords.hash("correct horse battery")
        assert dearer.is_outdated(encoded) and not passwords.is_outdated(encoded)
        assert await dearer.matches("correct horse battery", encoded)
    finally:
        dearer.close()
