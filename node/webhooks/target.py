"""Whom a webhook may reach: addresses come from people, and the node stands inside the bank's network.

Rules:
- HTTPS to public addresses; plain HTTP and private addresses only in networks the configuration names, or on loopback
  when the address itself says so (``127.0.0.1``, ``::1``, ``localhost``), never by a name that resolves there;
- a name is resolved for every attempt, all its addresses are judged, and the address judged is the one connected to: a
  name that changes between the two gains nothing;
- names are looked up in threads of their own: while no name server answers, each holds one for half a minute, and soon
  none of those that the process shares would be left;
- the address is taken apart here, strictly, and put together again from the parts: no second reader of the same text
  can see another host in it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from node.webhooks.errors import TargetError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]

URL_LENGTH_MAX = 2000

_URL = re.compile(
    r"(https?)://"
    r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)"
    r"(?::([1-9][0-9]{0,4}))?"
    r"(/[!$-\[\]_a-z~]*)?"
)
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out for use everywhere. Outside lie prefixes that a network translates into its own IPv4
addresses (64:ff9b:1::/48, ::ffff:0:0:0/96) or keeps to itself, which releases of Python call global."""

LOOKUPS_MAX = 100
"""Most names looked up at once, as many as there are endpoints."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart.

    Args:
        scheme: ``"http"`` or ``"https"``.
        host: name or address, without brackets.
        port: number.
        path: path and query, from "/".
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def url_at(self, address: Address) -> str:
        """The URL with the host replaced by an address of it."""
        host = f"[{address}]" if address.version == 6 else str(address)
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def parse_target(url: str) -> Target:
    """Take an address apart.

    Raises:
        TargetError: not a plain URL of scheme, host, port, path and query.
    """
    match = _URL.fullmatch(url) if len(url) <= URL_LENGTH_MAX else None
    if match is None:
        raise TargetError("give https://host[:port][/path], without user, fragment or spaces")
    scheme, host, port, path = match.groups()
    number = int(port) if port else _PORTS[scheme]
    if number > 65535:
        raise TargetError("give a port up to 65535")
    bare = host.strip("[]").lower()
    if host.startswith("[") and _literal(bare) is None:
        raise TargetError("the address in brackets is none")
    return Target(scheme, bare, number, path or "/")


class TargetRules:
    """Which addresses may be called.

    Args:
        networks: private networks that may be called too, with plain HTTP if need be.
        lookup: resolves a name; the system's resolver unless a test gives another.
    """

    def __init__(self, networks: Sequence[Network] = (), lookup: Lookup | None = None) -> None:
        self._networks = tuple(networks)
        # Threads come when they are needed: mostly there is one.
        self._threads = ThreadPoolExecutor(LOOKUPS_MAX, thread_name_prefix="webhook-lookup")
        self._lookup = lookup or self._system_lookup

    def check(self, target: Target) -> None:
        """Refuse at once what can never be allowed; names are judged when they are resolved.

        Raises:
            TargetError: saying what would be allowed.
        """
        address = _own(target.host)
        if address is not None:
            self._judge(target, address)
        elif target.scheme == "http" and not self._networks:
            raise TargetError("plain http may reach loopback and configured networks only: use https")

    async def resolve(self, target: Target) -> Address:
        """Return an address of the target that may be called.

        Raises:
            TargetError: it has none, or one that may not be called.
        """
        own = _own(target.host)
        if own is not None:
            addresses = [own]
        else:
            try:
                found = await self._lookup(target.host, target.port)
                addresses = [ipaddress.ip_address(text) for text in found]
            except (OSError, UnicodeError, ValueError) as error:
                raise TargetError("the host's name cannot be resolved") from error
        if not addresses:
            raise TargetError("the host's name has no address")
        for address in addresses:
            self._judge(target, address)
        return addresses[0]

    def _judge(self, target: Target, address: Address) -> None:
        if any(address in network for network in self._networks):
            return
        if address.is_loopback and _own(target.host) is not None:
            return
        if not _is_public(address):
            raise TargetError("the host is not public: name its network in the configuration if it may be called")
        if target.scheme == "http":
            raise TargetError("plain http may reach loopback and configured networks only: use https")

    async def _system_lookup(self, host: str, port: int) -> Sequence[str]:
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [str(entry[4][0]) for entry in found]


def _is_public(address: Address) -> bool:
    """Whether an address, and each that it leads to, belongs to no network of anyone's own."""
    embedded = _embedded(address)
    if address.version == 6 and not embedded and address not in _UNICAST:
        return False
    return all(part.is_global and not part.is_multicast for part in (address, *embedded))


def _own(host: str) -> Address | None:
    """Return the address that a host says of itself, None when it is a name to be resolved."""
    return ipaddress.IPv4Address("127.0.0.1") if host == "localhost" else _literal(host)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _embedded(address: Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address leads to."""
    if address.version == 4:
        return []
    found = [address.ipv4_mapped, address.sixtofour]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [part for part in found if part is not None]
