"""Whom a webhook may reach: addresses as an attacker would write them, names that resolve where they should not."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from node.webhooks.errors import TargetError
from node.webhooks.target import Target, TargetRules, parse_target

PUBLIC = "93.184.216.34"


def rules(*found: str, networks: Sequence[str] = ()) -> TargetRules:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return found

    return TargetRules([ipaddress.ip_network(network) for network in networks], lookup)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://shop.example/hook?a=1&b=%20", Target("https", "shop.example", 443, "/hook?a=1&b=%20")),
        ("https://SHOP.example", Target("https", "shop.example", 443, "/")),
        ("http://127.0.0.1:8080/x", Target("http", "127.0.0.1", 8080, "/x")),
        ("https://[2606:4700::1111]:8443/", Target("https", "2606:4700::1111", 8443, "/")),
    ],
)
def test_address_is_taken_apart(url: str, target: Target) -> None:
    assert parse_target(url) == target


def test_address_is_put_together_with_the_address_judged() -> None:
    target = parse_target("https://shop.example:8443/hook?a=1")
    assert target.url_at(ipaddress.ip_address(PUBLIC)) == "https://93.184.216.34:8443/hook?a=1"
    assert target.url_at(ipaddress.ip_address("2606:4700::1111")) == "https://[2606:4700::1111]:8443/hook?a=1"
    assert (target.authority, parse_target("https://a.example/").authority) == ("shop.example:8443", "a.example")
    assert parse_target("http://[::1]:80/").authority == "[::1]"


@pytest.mark.parametrize(
    "url",
    [
        "", "shop.example", "ftp://shop.example/", "file:///etc/passwd", "https://", "https:///x",
        "https://shop example/",
        "https://user@shop.example/", "https://user:pass@shop.example/", "https://shop.example\\@127.0.0.1/",
        "https://shop.example#@127.0.0.1/", "https://shop.example?x=1", "https://shop.example:0/",
        "https://shop.example:65536/", "https://shop.example:port/", "https://[::1", "https://[::gg]/", "https://[1.2.3.4]:5:6/",
        "https://-shop.example/", "https://shop.exämple/", "https://shop.example/\n", "https://shop.example/a b",
        "https://shop.example/" + "a" * 2000, "HTTPS://shop.example/", "https://shop.example/#part",
    ],
)  # fmt: skip
def test_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(TargetError):
        parse_target(url)


@pytest.mark.parametrize("address", [PUBLIC, "2606:4700::1111"])
async def test_name_with_a_public_address_is_reached_over_https(address: str) -> None:
    assert await rules(address).resolve(parse_target("https://shop.example/")) == ipaddress.ip_address(address)


PRIVATE = [
    "127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "10.0.0.8", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "fd00::1", "fe80::1", "224.0.0.1", "ff02::1", "ff0e::1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::",
    "64:ff9b:1::a00:1", "::ffff:0:10.0.0.1", "::10.0.0.1", "fec0::1", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
async def test_name_that_resolves_inside_is_refused(address: str) -> None:
    with pytest.raises(TargetError, match="not public"):
        await rules(address).resolve(parse_target("https://shop.example/"))


@pytest.mark.parametrize("address", PRIVATE)
async def test_name_with_one_address_inside_among_public_ones_is_refused(address: str) -> None:
    with pytest.raises(TargetError, match="not public"):
        await rules(PUBLIC, address).resolve(parse_target("https://shop.example/"))


@pytest.mark.parametrize("host", ["10.0.0.8", "169.254.169.254", "[fd00::1]", "[::ffff:10.0.0.1]", "0.0.0.0"])
def test_private_address_is_refused_when_it_is_written_down(host: str) -> None:
    with pytest.raises(TargetError, match="not public"):
        rules().check(parse_target(f"https://{host}/"))


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost.example"])
async def test_loopback_in_disguise_is_a_name_and_refused(host: str) -> None:
    with pytest.raises(TargetError, match="not public"):
        await rules("127.0.0.1").resolve(parse_target(f"http://{host}/"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_loopback_that_says_so_is_reached(host: str, scheme: str) -> None:
    target = parse_target(f"{scheme}://{host}:8080/")
    rules().check(target)
    assert (await rules("10.0.0.1").resolve(target)).is_loopback


async def test_plain_http_reaches_no_public_address() -> None:
    target = parse_target("http://shop.example/")
    with pytest.raises(TargetError, match="use https"):
        rules().check(target)
    with pytest.raises(TargetError, match="use https"):
        await rules(PUBLIC).resolve(target)
    with pytest.raises(TargetError, match="use https"):
        rules().check(parse_target(f"http://{PUBLIC}/"))


async def test_configured_network_is_reached_and_no_other() -> None:
    inside = rules("10.1.2.3", networks=["10.1.0.0/16"])
    for scheme in ("http", "https"):
        target = parse_target(f"{scheme}://core.bank.example/")
        inside.check(target)
        assert str(await inside.resolve(target)) == "10.1.2.3"
    with pytest.raises(TargetError):
        await rules("10.2.2.3", networks=["10.1.0.0/16"]).resolve(parse_target("https://core.bank.example/"))


async def test_names_that_no_server_answers_take_no_threads_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        if host == "lost.example":
            answered.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    everyone = TargetRules()
    lost = [asyncio.create_task(everyone.resolve(parse_target("https://lost.example/"))) for _ in range(50)]
    try:
        async with asyncio.timeout(20):
            # What commits blocks and seals entries runs in the threads that everybody shares.
            assert await asyncio.to_thread(lambda: "sealed") == "sealed"
            assert str(await everyone.resolve(parse_target("https://shop.example/"))) == PUBLIC
            assert not any(task.done() for task in lost)
    finally:
        answered.set()
    assert {str(found) for found in await asyncio.gather(*lost)} == {PUBLIC}


async def test_name_without_an_address_is_refused() -> None:
    async def fails(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    for unresolved in (rules(), TargetRules(lookup=fails), rules("not an address")):
        with pytest.raises(TargetError, match=r"resolved|no address"):
            await unresolved.resolve(parse_target("https://shop.example/"))
