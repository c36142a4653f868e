"""One attempt over real TLS: whom the sender believes, and that what was judged is what is connected to."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from node.webhooks.errors import DeliveryError
from node.webhooks.sender import Sender
from node.webhooks.target import TargetRules, parse_target
from tests.support.certificates import Authority
from tests.support.webhook_receiver import Receiver, open_receiver

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def authority() -> Authority:
    return Authority("receivers")


@pytest.fixture
async def receiver(authority: Authority, tmp_path: Path) -> AsyncIterator[Receiver]:
    certificate, key = authority.issue("receiver")
    (tmp_path / "pem").write_bytes(certificate + key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "pem")
    async with open_receiver(tls) as opened:
        yield opened


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.pem.decode())


def rules(*found: str) -> TargetRules:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return found

    return TargetRules(LOOPBACK, lookup)


async def attempt(url: str, allowed: TargetRules, tls: ssl.SSLContext, timeout_s: float = 5) -> None:
    sender = Sender(url, rules=allowed, tls=tls, timeout_s=timeout_s)
    try:
        await sender.send({"webhook-id": "evt_1_0"}, b"{}")
    finally:
        await sender.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_receiver_with_a_trusted_certificate_is_believed(
    receiver: Receiver, authority: Authority, host: str
) -> None:
    await attempt(f"https://{host}:{receiver.port}/x", TargetRules(), trusting(authority))
    assert receiver.received[0].headers["host"] == f"{host}:{receiver.port}"


async def test_receiver_with_a_strange_certificate_is_not_believed(receiver: Receiver) -> None:
    with pytest.raises(DeliveryError, match="the connection failed: ConnectError"):
        await attempt(receiver.url, TargetRules(), trusting(Authority("someone else")))
    assert receiver.received == []


async def test_certificate_must_name_the_host_although_its_address_is_called(
    receiver: Receiver, authority: Authority
) -> None:
    with pytest.raises(DeliveryError, match="the connection failed: ConnectError"):
        await attempt(f"https://shop.example:{receiver.port}/", rules("127.0.0.1"), trusting(authority))
    assert receiver.received == []


async def test_plain_receiver_is_not_spoken_to_where_tls_was_asked_for(authority: Authority) -> None:
    async with open_receiver() as plain:
        with pytest.raises(DeliveryError, match="the connection failed: ConnectTimeout"):
            await attempt(f"https://127.0.0.1:{plain.port}/", TargetRules(), trusting(authority), timeout_s=0.3)
        assert plain.received == []


async def test_name_that_turns_inward_later_is_refused_before_anything_is_sent(receiver: Receiver) -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"]]

    async def lookup(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    turning = TargetRules(lookup=lookup)
    sender = Sender(
        f"https://shop.example:{receiver.port}/", rules=turning, tls=ssl.create_default_context(), timeout_s=5
    )
    await turning.resolve(parse_target(sender.url))
    with pytest.raises(DeliveryError, match="not public"):
        await sender.send({}, b"{}")
    await sender.close()
    assert receiver.connections == 0


async def test_receiver_that_does_not_listen_is_a_failed_attempt() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(DeliveryError, match="the connection failed: ConnectError"):
            await attempt(f"http://127.0.0.1:{port}/", TargetRules(), ssl.create_default_context())


async def test_proxy_of_the_environment_is_not_used(
    receiver: Receiver, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    await attempt(receiver.url, TargetRules(), trusting(authority))
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("answer", "gone", "retry_after_s"),
    [
        (410, True, 0),
        (429, False, 0),
        ((429, {"retry-after": "30"}), False, 30),
        ((503, {"retry-after": "99999"}), False, 3600),
        ((503, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}), False, 0),
        ((503, {"retry-after": "-5"}), False, 0),
    ],
)
async def test_refusal_carries_what_the_receiver_asked_for(
    receiver: Receiver, authority: Authority, answer: int | tuple[int, dict[str, str]], gone: bool, retry_after_s: int
) -> None:
    receiver.answers = [answer]
    with pytest.raises(DeliveryError) as refused:
        await attempt(receiver.url, TargetRules(), trusting(authority))
    assert (refused.value.gone, refused.value.retry_after_s) == (gone, retry_after_s)
