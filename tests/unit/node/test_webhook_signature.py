"""Signatures of messages: vectors of the scheme made by others, and everything a receiver must refuse."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from nacl.signing import SigningKey

from node.webhooks.errors import SecretError, SignatureError
from node.webhooks.signature import decode_secret, encode_public_key, encode_secret, sign, verify

# The example that implementations of the scheme publish: svix.com and standardwebhooks.com, "verifying manually".
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
KEY = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
ED25519 = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="

secret = decode_secret(SECRET)
key = SigningKey(base64.b64decode(KEY)[:32])


def headers(signature: str, message_id: str = ID, timestamp: str = "1614265330") -> dict[str, str]:
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


def test_signatures_are_those_that_others_published() -> None:
    assert sign(ID, AT, BODY, secret=secret, key=key) == headers(f"{SIGNATURE} {ED25519}")
    assert encode_public_key(key.verify_key) == "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="


@pytest.mark.parametrize("signature", [SIGNATURE, ED25519, f"{SIGNATURE} {ED25519}", f"v2,AAAA v1,???? {SIGNATURE}"])
def test_message_is_accepted_by_any_good_signature(signature: str) -> None:
    accepted = verify(headers(signature), BODY, now=AT, secrets=[b"x" * 32, secret], keys=[key.verify_key])
    assert accepted == ID


def test_header_names_are_accepted_in_any_case() -> None:
    shouted = {name.upper(): value for name, value in headers(SIGNATURE).items()}
    assert verify(shouted, BODY, now=AT, secrets=[secret]) == ID


REFUSED = {
    "another body": (headers(SIGNATURE), b'{"test": 2432232315}'),
    "another id": (headers(SIGNATURE, message_id="msg_other"), BODY),
    "another timestamp": (headers(SIGNATURE, timestamp="1614265331"), BODY),
    "no signature": ({"webhook-id": ID, "webhook-timestamp": "1614265330"}, BODY),
    "no id": ({"webhook-timestamp": "1614265330", "webhook-signature": SIGNATURE}, BODY),
    "timestamp not a number": (headers(SIGNATURE, timestamp="1614265330.0"), BODY),
    "timestamp in other digits": (headers(SIGNATURE, timestamp="١٦١٤٢٦٥٣٣٠"), BODY),
    "timestamp endless": (headers(SIGNATURE, timestamp="9" * 400), BODY),
    "shared secret's signature under the key's name": (headers(SIGNATURE.replace("v1,", "v1a,")), BODY),
    "signature cut": (headers(SIGNATURE[:-8]), BODY),
    "Ed25519 signature cut": (headers(ED25519[:-8]), BODY),
    "not base64": (headers("v1,é"), BODY),
    "good one behind twenty bad ones": (headers("v1,AAAA " * 20 + SIGNATURE), BODY),
}


@pytest.mark.parametrize("name", REFUSED)
def test_message_that_was_not_signed_so_is_refused(name: str) -> None:
    given, body = REFUSED[name]
    with pytest.raises(SignatureError):
        verify(given, body, now=AT, secrets=[secret], keys=[key.verify_key])


def test_message_of_another_sender_is_refused() -> None:
    made = sign(ID, AT, BODY, secret=b"y" * 32, key=SigningKey(b"z" * 32))
    with pytest.raises(SignatureError):
        verify(made, BODY, now=AT, secrets=[secret], keys=[key.verify_key])


@pytest.mark.parametrize(("seconds", "good"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_message_is_accepted_only_near_its_time(seconds: int, good: bool) -> None:
    now = AT + timedelta(seconds=seconds)
    if good:
        assert verify(headers(SIGNATURE), BODY, now=now, secrets=[secret]) == ID
    else:
        with pytest.raises(SignatureError, match="more than 300 s"):
            verify(headers(SIGNATURE), BODY, now=now, secrets=[secret])


def test_secret_reads_back() -> None:
    assert decode_secret(encode_secret(bytes(range(32)))) == bytes(range(32))


@pytest.mark.parametrize(
    "text", ["", "whsec_", SECRET.removeprefix("whsec_"), "whsec_AAAA", "whsec_é", "whsec_" + "A" * 100]
)
def test_secret_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(SecretError):
        decode_secret(text)
