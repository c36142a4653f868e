"""Endpoints' secrets, in the organization's folder of secrets, for its owner only; the database knows their names."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

from nacl.signing import SigningKey

from node.home import write_secret
from node.webhooks.errors import SecretError
from node.webhooks.signature import SECRET_BYTES, decode_secret, encode_secret

_KEY_NAME = "webhooks.key"


class SecretFiles:
    """A folder of secrets.

    Args:
        folder: exists, readable by its owner only.
        random_bytes: source of new secrets.
    """

    def __init__(self, folder: Path, random_bytes: Callable[[int], bytes]) -> None:
        self._folder = folder
        self._random_bytes = random_bytes

    def name_of(self, webhook_id: uuid.UUID) -> str:
        """Return the name under which an endpoint's secret is kept."""
        return f"webhook-{webhook_id}.secret"

    def make(self, name: str) -> str:
        """Return an endpoint's secret as its receiver needs it; made if there is none."""
        try:
            write_secret(self._folder / name, encode_secret(self._random_bytes(SECRET_BYTES)).encode("ascii"))
        except OSError as error:
            raise SecretError(f"secret {name} cannot be written: {error.strerror}") from error
        return encode_secret(self.read(name))

    def read(self, name: str) -> bytes:
        """Return an endpoint's secret.

        Raises:
            SecretError: the file is not there or holds something else.
        """
        try:
            return decode_secret((self._folder / name).read_text(encoding="ascii").strip())
        except (OSError, UnicodeError) as error:
            raise SecretError(f"secret {name} cannot be read from the organization's secrets") from error

    def remove(self, name: str) -> None:
        """Forget an endpoint's secret."""
        (self._folder / name).unlink(missing_ok=True)

    def signing_key(self) -> SigningKey:
        """Return the node's own key for webhooks, made at first use: one key for one purpose."""
        path = self._folder / _KEY_NAME
        try:
            write_secret(path, self._random_bytes(SECRET_BYTES))
            return SigningKey(path.read_bytes())
        except (OSError, ValueError, TypeError) as error:
            raise SecretError(f"key {_KEY_NAME} cannot be made or read: {type(error).__name__}") from error
