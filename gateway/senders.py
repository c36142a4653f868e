"""From where a request was sent, as far as it can be believed: what log-in failures are counted by.

Rules it keeps:

- ``X-Forwarded-For`` is read from the right, one address for each trusted proxy on the way: what stands further left
  anybody may have written.
- Without trusted proxies the header says nothing.
- Of IPv6 the network of 64 bits counts: one customer has all of its addresses.
- Whoever forwards and is not trusted is told of once: of a proxy of ours all customers would be taken for one, or on
  loopback for nobody, and no limit by address would hold.
- Of a loopback address, or a trusted proxy's own, nobody knows how many customers stand behind it: it is no place.

Source: RFC 7239, 5.2 and 8.1 (what forwarded addresses are worth); RFC 6177, 2 (sizes of IPv6 sites).
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from starlette.requests import Request

from network.operations.metrics import Metrics

HEADER = "x-forwarded-for"

FORWARDERS_MAX = 8
"""Of so many it is told: a header costs nobody anything, and what is told must not grow by it."""

_FORWARDED = (HEADER, "forwarded", "x-real-ip")

_IPV6_SITE_BITS = 64

_Address = IPv4Address | IPv6Address

log = structlog.get_logger(__name__)


class UntrustedForwarders:
    """Who says that he asks for another and is no trusted proxy: one line of the log for each, and a metric.

    Only addresses of machines nearby are named: of the internet's, whose owner may be a customer, it is told that there
    was one.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._family = metrics.gauge(
            "dwaybank_untrusted_forwarders", "1 for who forwarded requests and is not in trusted_proxies.", ["peer"]
        )
        self._known: set[str] = set()

    def note(self, request: Request, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        """Look who sent a request."""
        if len(self._known) >= FORWARDERS_MAX or not any(name in request.headers for name in _FORWARDED):
            return
        address = None if request.client is None else _address(request.client.host)
        if address is None or any(address in network for network in trusted):
            return
        peer = str(address) if address.is_private else "an address of the internet"
        if peer not in self._known:
            self._known.add(peer)
            self._family.of(peer).value = 1
            log.warning(
                "gateway.forwarded_by_untrusted",
                peer=peer,
                way_out="if it is your proxy, name it in trusted_proxies: until then no limit by address holds",
            )


def sender_of(request: Request, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """Return the address of the machine a request comes from, empty where the transport knows none.

    Args:
        request: with the connection's peer, and what proxies wrote.
        trusted: networks of the proxies.
    """
    if request.client is None:
        return ""
    hop = _address(request.client.host)
    if hop is None:
        return request.client.host
    told = ",".join(request.headers.getlist(HEADER)).split(",")
    while told and any(hop in network for network in trusted):
        before = _address(told.pop())
        if before is None:
            break
        hop = before
    if isinstance(hop, IPv6Address):
        return str(IPv6Network((hop, _IPV6_SITE_BITS), strict=False))
    return str(hop)


def is_place(sender: str, trusted: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Tell whether an address is one of somebody: not a proxy's that did not say for whom it asks."""
    try:
        network = ip_network(sender)
    except ValueError:
        return False
    return not (network.is_loopback or any(network.network_address in proxies for proxies in trusted))


def _address(text: str) -> _Address | None:
    """Read an address, with or without the port that some proxies add; None for anything else."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped
