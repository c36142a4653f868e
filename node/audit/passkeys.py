"""Passkeys of the portal's persons: public keys and counters. What a signature must look like, the portal knows.

Rule: a counter only grows. One that does not means that the key was copied, or that an old answer is played again.

Source: W3C Web Authentication Level 3, section 6.1.1 (signature counter), 7.2 step 22.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from node.anchor.database import Database
from node.audit.errors import BadRequestError, NotYetError, UnknownEntryError

CREDENTIAL_ID_BYTES_MAX = 1_023
"""Source: W3C Web Authentication Level 3, section 5.1.3."""
PUBLIC_KEY_BYTES_MAX = 2_048
NAME_LENGTH_MAX = 200

_PACKAGE = "node.audit"


class Passkey(NamedTuple):
    """One passkey.

    Args:
        public_key: COSE key.
        used_at: None where it never was.
    """

    credential_id: bytes
    person: str
    public_key: bytes
    sign_count: int
    label: str
    added_at: datetime
    used_at: datetime | None


class Passkeys:
    """Passkeys in the organization's own database. Calls block."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, passkey: Passkey) -> None:
        """Keep a new passkey.

        Raises:
            BadRequestError: a field cannot be used, or the passkey is known already.
        """
        for field, text in (("person", passkey.person), ("label", passkey.label)):
            if not text or len(text) > NAME_LENGTH_MAX or not text.isprintable():
                raise BadRequestError(f"{field}: give 1 to {NAME_LENGTH_MAX} printable characters")
        if not 1 <= len(passkey.credential_id) <= CREDENTIAL_ID_BYTES_MAX:
            raise BadRequestError(f"credential_id: give 1 to {CREDENTIAL_ID_BYTES_MAX} bytes")
        if not 1 <= len(passkey.public_key) <= PUBLIC_KEY_BYTES_MAX or passkey.sign_count < 0:
            raise BadRequestError("public_key: give a COSE key, with a counter from 0")
        if not self._database.fetch("put_passkey", passkey[:-1], _PACKAGE):
            raise BadRequestError("credential_id: this passkey is known already")

    def listed(self, person: str = "") -> list[Passkey]:
        """Return passkeys of a person, or of everybody."""
        return [Passkey(*row) for row in self._database.fetch("passkeys", {"person": person}, _PACKAGE)]

    def use(self, credential_id: bytes, sign_count: int, now: datetime) -> None:
        """Note that a passkey signed.

        Raises:
            NotYetError: its counter did not grow, or it is gone.
        """
        told = {"credential_id": credential_id, "sign_count": sign_count, "now": now}
        if not self._database.fetch("use_passkey", told, _PACKAGE):
            raise NotYetError("the passkey's counter did not grow: it was copied or replayed; have it dropped")

    def drop(self, credential_id: bytes) -> None:
        """Forget a passkey.

        Raises:
            UnknownEntryError: there is none.
        """
        if not self._database.fetch("drop_passkey", (credential_id,), _PACKAGE):
            raise UnknownEntryError("there is no such passkey: list them first")
