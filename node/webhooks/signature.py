"""Signs messages to webhooks, and verifies them as a receiver does.

Rules:
- signed is ``id.timestamp.body``, so that neither can be exchanged; the timestamp is that of the attempt, the id stays
  the same over all attempts: a receiver refuses old timestamps and remembers ids;
- every message carries two signatures, and a receiver checks the one he likes: ``v1``, HMAC-SHA256 with the endpoint's
  own secret, which every library of the scheme knows, and ``v1a``, Ed25519 with the node's key, which needs no shared
  secret and which the receiver can show to others.

Source: Standard Webhooks 1.0, standardwebhooks.com; keys are written as there: ``whsec_``, ``whpk_`` and base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from node.webhooks.errors import SecretError, SignatureError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
"""Names of the three headers."""

SECRET_BYTES = 32
AGE_MAX_S = 300
"""How far a message's timestamp may be from the receiver's clock, either way."""

_SECRET_PREFIX, _PUBLIC_PREFIX = "whsec_", "whpk_"
_SECRET_BYTES_MIN, _SECRET_BYTES_MAX = 24, 64
_SIGNATURES_MAX = 20


def encode_secret(secret: bytes) -> str:
    """Return a shared secret as it is handed to the receiver."""
    return _SECRET_PREFIX + base64.b64encode(secret).decode("ascii")


def decode_secret(text: str) -> bytes:
    """Return the shared secret that a text stands for.

    Raises:
        SecretError: not ``whsec_`` and base64 of 24 to 64 bytes.
    """
    try:
        secret = base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(_SECRET_PREFIX) or not _SECRET_BYTES_MIN <= len(secret) <= _SECRET_BYTES_MAX:
        raise SecretError(
            f"a webhook secret is {_SECRET_PREFIX} and base64 of {_SECRET_BYTES_MIN} to {_SECRET_BYTES_MAX} bytes"
        )
    return secret


def encode_public_key(key: VerifyKey) -> str:
    """Return the node's public key as receivers configure it."""
    return _PUBLIC_PREFIX + base64.b64encode(bytes(key)).decode("ascii")


def sign(message_id: str, at: datetime, body: bytes, *, secret: bytes, key: SigningKey) -> dict[str, str]:
    """Return the headers that sign one attempt.

    Args:
        message_id: the same for every attempt; without ".".
        at: time of this attempt.
        body: exactly the bytes that are sent.
        secret: shared with the receiver.
        key: the node's own.
    """
    timestamp = str(int(at.timestamp()))
    content = _content(message_id, timestamp, body)
    signatures = (("v1", _hmac(secret, content)), ("v1a", key.sign(content).signature))
    return {
        ID: message_id,
        TIMESTAMP: timestamp,
        SIGNATURE: " ".join(f"{version},{base64.b64encode(value).decode('ascii')}" for version, value in signatures),
    }


def verify(
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    secrets: Sequence[bytes] = (),
    keys: Sequence[VerifyKey] = (),
) -> str:
    """Check a message as its receiver and return its id, by which repeats are known.

    Args:
        headers: of the request; names in any case.
        body: exactly the bytes received.
        now: the receiver's clock.
        secrets: shared secrets accepted; two while one is being replaced.
        keys: public keys accepted.
    Raises:
        SignatureError: a header is missing or malformed, the timestamp is too far away, or no signature is good.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = given.get(ID, ""), given.get(TIMESTAMP, "")
    if not message_id or not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise SignatureError(f"headers {ID} and {TIMESTAMP} must be there, the latter in whole seconds")
    if abs(now.timestamp() - int(timestamp)) > AGE_MAX_S:
        raise SignatureError(f"header {TIMESTAMP} is more than {AGE_MAX_S} s from now")
    content = _content(message_id, timestamp, body)
    for signature in given.get(SIGNATURE, "").split(" ")[:_SIGNATURES_MAX]:
        version, _, encoded = signature.partition(",")
        try:
            value = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
        if version == "v1" and any(hmac.compare_digest(_hmac(secret, content), value) for secret in secrets):
            return message_id
        if version == "v1a" and any(_is_signed(key, content, value) for key in keys):
            return message_id
    raise SignatureError(f"no signature in header {SIGNATURE} is good")


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _hmac(secret: bytes, content: bytes) -> bytes:
    return hmac.new(secret, content, hashlib.sha256).digest()


def _is_signed(key: VerifyKey, content: bytes, signature: bytes) -> bool:
    try:
        key.verify(content, signature)
    except (BadSignatureError, ValueError):
        return False
    return True
