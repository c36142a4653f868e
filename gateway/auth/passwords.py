"""Password hashing with Argon2id, in few threads, so that logins never starve the rest of the gateway.

Rules it keeps:

- At most ``threads`` hashes run at once and at most ``waiting_max`` wait; a further one is refused as busy at once.
- A password for an unknown customer is checked against a hash nobody knows the password of: same work, same answer.
- A hash made with an older cost is renewed at the next good login.

Source: RFC 9106 (Argon2), OWASP Password Storage Cheat Sheet (cost).
"""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from gateway.errors import UnavailableError

WAITING_MAX = 64
"""Hashes that may wait for a thread; at about 20 ms each the last one waits well under the client's patience."""


class Passwords:
    """Hashes and checks passwords.

    Args:
        memory_kib: memory of one hash.
        iterations: passes over it.
        threads: hashes at the same time.
        waiting_max: hashes that may wait.
    """

    def __init__(self, *, memory_kib: int, iterations: int, threads: int, waiting_max: int = WAITING_MAX) -> None:
        self._hasher = PasswordHasher(time_cost=iterations, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._admitted_max = threads + waiting_max
        self._admitted = 0
        self._unknown = self._hasher.hash("no customer has this password: it stands for the unknown one")

    async def hash(self, password: str) -> str:
        """Return the encoded hash of a password.

        Raises:
            UnavailableError: too many hashes wait already.
        """
        return await self._run(password, None)

    async def matches(self, password: str, encoded: str | None) -> bool:
        """Tell whether the password belongs to the hash; the same work is done where there is no hash.

        Args:
            password: as typed.
            encoded: stored hash, or None for an unknown customer.
        Raises:
            UnavailableError: too many hashes wait already.
        """
        found = await self._run(password, encoded if encoded is not None else self._unknown)
        return encoded is not None and found == "match"

    def is_outdated(self, encoded: str) -> bool:
        """Tell whether the hash was made with another cost than today's."""
        return self._hasher.check_needs_rehash(encoded)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _run(self, password: str, encoded: str | None) -> str:
        if self._admitted >= self._admitted_max:
            raise UnavailableError("busy", "too many people sign in at this moment: try again in a few seconds")
        self._admitted += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._work, password, encoded)
        finally:
            self._admitted -= 1

    def _work(self, password: str, encoded: str | None) -> str:
        normal = _normal(password)
        if encoded is None:
            return self._hasher.hash(normal)
        try:
            self._hasher.verify(encoded, normal)
        except (VerificationError, InvalidHashError):
            return "mismatch"
        return "match"


def is_same(password: str, other: str) -> bool:
    """Tell whether two passwords as typed are one."""
    return _normal(password) == _normal(other)


def _normal(password: str) -> str:
    # One form for the same letters typed on different keyboards.
    return unicodedata.normalize("NFKC", password)
