"""Invitations: codes by which an administrator lets somebody make his first passkey. In memory, for a day, used once.

Without one, whoever stole an account at the issuer could make himself the passkey that should have kept him out.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.errors import CredentialsError, RefusedError
from gateway.portal.oidc import NAME_LENGTH_MAX

LASTS = timedelta(days=1)
INVITATIONS_MAX = 200
TRIES_MAX = 5
"""Wrong codes after which an invitation is gone."""

_CODE_BYTES = 16


class Invitations:
    """All of this process.

    Args:
        now: the clock, UTC.
        random_bytes: for codes.
    """

    def __init__(self, now: Callable[[], datetime], random_bytes: Callable[[int], bytes]) -> None:
        self._now = now
        self._random_bytes = random_bytes
        self._open: dict[str, tuple[bytes, datetime, int]] = {}

    def invite(self, login: str) -> str:
        """Return the code for somebody, by his name at the issuer; an older one is void.

        Raises:
            RefusedError: the name cannot be one, or too many are invited.
        """
        if not 0 < len(login) <= NAME_LENGTH_MAX or not login.isprintable():
            raise RefusedError("bad_name", f"field login: give 1 to {NAME_LENGTH_MAX} printable characters")
        now = self._now()
        self._open = {name: told for name, told in self._open.items() if now - told[1] <= LASTS}
        if len(self._open) >= INVITATIONS_MAX and login not in self._open:
            raise RefusedError("too_many", f"{INVITATIONS_MAX} are invited already: wait until they came")
        code = self._random_bytes(_CODE_BYTES).hex()
        self._open[login] = (_hash(code), now, 0)
        return code

    def take(self, login: str, code: str) -> None:
        """Use somebody's invitation.

        Raises:
            CredentialsError: he has none, it is too old, or the code is another.
        """
        told = self._open.pop(login, None)
        if told is not None and self._now() - told[1] <= LASTS:
            if hmac.compare_digest(told[0], _hash(code)):
                return
            if told[2] + 1 < TRIES_MAX:
                self._open[login] = (told[0], told[1], told[2] + 1)
        raise CredentialsError("the code is not good for you: ask an administrator of the portal for one")


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.strip().lower().encode("utf-8", "surrogateescape")).digest()
