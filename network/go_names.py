"""Alternative names in certificates, and the constraints that authorities set for those below them, read as by Go.

Go searches constraints in sorted order and looks at the nearest only. For networks whose address has bits beyond the
mask this finds less than a look at each would; so do these, or peers part.

Source: Go 1.26, crypto/x509/parser.go (parseSANExtension, parseNameConstraintsExtension, domainNameValid),
constraints.go, verify.go (parseRFC2821Mailbox); net/url/url.go (parse).
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote

from network.go_der import Der

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ESCAPES = re.compile(r"(?:[^%]++|%[0-9A-Fa-f]{2})*+")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_HOST = re.compile(r"(?:[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"]++|%25)*+")
_ZONE = re.compile(r"[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"%]+")
_PORT = re.compile(r"(?::[0-9]*)?")
_DOMAIN = re.compile(r"(?:[!-\-/-~]++(?:\.[!-\-/-~]++)*+)?")
_QUOTED = re.compile(r'"((?:\\[\x01-\x09\x0b\x0c\x0e-\x7f]|[\x01-\x08\x0b\x0c\x0e-!#-\[\]-\x7f])*+)"@', re.DOTALL)
_ATOM = re.compile(r"[0-9a-zA-Z!#$%&'*+\-/=?^_`{|}~.]")

_V4, _V6 = 4, 16
_MAPPED = b"\x00" * 10 + b"\xff\xff"

_Name = TypeVar("_Name")
_Item = TypeVar("_Item")
_Rule = Callable[[_Name], bool]
_Network = tuple[bytes, bytes]
"""Address and mask."""


@dataclass(frozen=True, slots=True)
class AlternativeNames:
    """The names that Go reads.

    Attributes:
        domains: DNS names.
        emails: mail addresses.
        hosts: of URIs, with their ports; '' where one names none.
        addresses: IP addresses, 4 or 16 bytes each.
    """

    domains: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    addresses: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.domains or self.emails or self.hosts or self.addresses)


@dataclass(frozen=True, slots=True)
class Subtrees:
    """Names that an authority permits, or excludes."""

    domains: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    networks: tuple[_Network, ...] = ()


@dataclass(frozen=True, slots=True)
class NameConstraints:
    """What an authority says of the names below it.

    Attributes:
        permitted: the only ones of their kind.
        excluded: none of these.
        all_read: whether Go understands every kind of name in it.
    """

    permitted: Subtrees
    excluded: Subtrees
    all_read: bool


def read_alternative_names(value: bytes) -> AlternativeNames:
    """Read the extension's value.

    Raises:
        ValueError: Go does not read it.
    """
    names = Der(value).read(0x30)
    domains, emails, hosts, addresses = [], [], [], []
    while names:
        tag, content = names.read_any()
        if tag == 0x81:
            emails.append(_ascii(content))
        elif tag == 0x82:
            domains.append(_ascii(content))
        elif tag == 0x86:
            host = uri_host(_ascii(content))
            if host is None:
                raise ValueError(f"its alternative name {content.decode()!r} is no URI")
            hosts.append(host)
        elif tag == 0x87:
            if len(content) not in (_V4, _V6):
                raise ValueError(f"its alternative name of {len(content)} bytes is no address")
            addresses.append(content)
    return AlternativeNames(tuple(domains), tuple(emails), tuple(hosts), tuple(addresses))


def read_name_constraints(value: bytes) -> NameConstraints:
    """Read the extension's value.

    Raises:
        ValueError: Go does not read it.
    """
    outer = Der(value)
    constraints = outer.read(0x30)
    permitted, excluded = constraints.optional(0xA0), constraints.optional(0xA1)
    if outer or constraints or not (permitted or excluded):
        raise ValueError("its name constraints are malformed, or none")
    inside, all_inside = _read_subtrees(permitted)
    outside, all_outside = _read_subtrees(excluded)
    return NameConstraints(inside, outside, all_inside and all_outside)


def _read_subtrees(subtrees: Der | None) -> tuple[Subtrees, bool]:
    domains, emails, hosts, networks = [], [], [], []
    all_read = True
    while subtrees:
        tag, content = subtrees.read(0x30).read_any()
        if tag == 0x87:
            networks.append(_network(content))
        elif tag == 0x81:
            emails.append(_ascii(content))
            if "@" in emails[-1]:
                _mailbox(emails[-1])
            else:
                _check_constraint(emails[-1])
        elif tag == 0x82:
            domains.append(_ascii(content))
            _check_constraint(domains[-1])
        elif tag == 0x86:
            hosts.append(_ascii(content))
            if _is_address(hosts[-1]):
                raise ValueError(f"its name constraint {hosts[-1]!r} for URIs is an address")
            _check_constraint(hosts[-1])
        else:
            all_read = False
    return Subtrees(tuple(domains), tuple(emails), tuple(hosts), tuple(networks)), all_read


def _network(content: bytes) -> _Network:
    size = len(content) // 2
    address, mask = content[:size], content[size:]
    bits = int.from_bytes(mask, "big")
    is_mask = not bits or bits | (bits - 1) == (1 << 8 * size) - 1
    if len(content) not in (2 * _V4, 2 * _V6) or not is_mask:
        raise ValueError(f"its name constraint {content.hex()} is no network")
    return address, mask


def _ascii(content: bytes) -> str:
    if not content.isascii():
        raise ValueError("a name in it is not ASCII")
    return content.decode()


def _check_constraint(domain: str) -> None:
    if not _is_domain(domain[1:] if domain.startswith(".") else domain) or domain == ".":
        raise ValueError(f"its name constraint {domain!r} is no domain")


def _is_domain(text: str) -> bool:
    return _DOMAIN.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


# --- URIs -----------------------------------------------------------------------------------------------------------


def uri_host(text: str) -> str | None:
    """Return the host that a URI names, with its port; None where Go does not read it, as far as certificates go."""
    text, _, fragment = text.partition("#")
    if any(character < " " or character == "\x7f" for character in text) or not _is_escaped(fragment):
        return None
    scheme = _SCHEME.match(text)
    if scheme is None and text.startswith(":"):
        return None
    rest = text[scheme.end() if scheme else 0 :].partition("?")[0]
    host = ""
    if not rest.startswith("/"):
        if scheme is None and ":" in rest.partition("/")[0]:
            return None
        return host if scheme is not None or _is_escaped(rest) else None
    if rest.startswith("//") and (scheme is not None or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        user, _, host = authority.rpartition("@")
        if not (_USER.fullmatch(user) and _is_escaped(user) and _is_host(scheme[0].lower() if scheme else "", host)):
            return None
    return host.replace("%25", "%") if _is_escaped(rest) else None


def _is_escaped(text: str) -> bool:
    return _ESCAPES.fullmatch(text) is not None


def _is_host(scheme: str, host: str) -> bool:
    if "[" in host:
        inside, bracket, port = host.rpartition("]")
        if not (bracket and host.rfind("[") == 0 and _PORT.fullmatch(port)):
            return False
        # A zone may be escaped, but for the address nothing is.
        address, mark, zone = inside[1:].partition("%25")
        return _is_address(address) and ":" in address and (not mark or _is_zone(zone))
    first_or_last = host.find if scheme in ("http:", "https:") else host.rfind
    if ":" in host and _PORT.fullmatch(host[first_or_last(":") :]) is None:
        return False
    # An empty host is one. What escapes stand for is not of a name.
    return _HOST.fullmatch(host) is not None and (not host or "" not in host.split("."))


def _is_zone(escaped: str) -> bool:
    zone = unquote(escaped)
    return _is_escaped(escaped) and _ZONE.fullmatch(zone) is not None and "" not in f"%{zone}]".split(".")


# --- mail addresses -------------------------------------------------------------------------------------------------


def _mailbox(text: str) -> tuple[str, str]:
    """Return the local part and the domain in lower case.

    Raises:
        ValueError: Go takes it for no mail address.
    """
    quoted = _QUOTED.match(text)
    if quoted is not None:
        local, domain = re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL), text[quoted.end() :]
    elif text.startswith('"'):
        raise ValueError(f"{text!r} is no mail address")
    else:
        local, domain = _atoms(text)
    if not _is_domain(domain):
        raise ValueError(f"{text!r} is no mail address")
    return local, domain.lower()


def _atoms(text: str) -> tuple[str, str]:
    letters, at = [], 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            at += 1  # whatever follows counts
        elif _ATOM.match(text, at) is None:
            break
        letters.append(text[at])
        at += 1
    local = "".join(letters)
    dots_wrong = local.startswith(".") or local.endswith(".") or ".." in local
    if not local or dots_wrong or text[at : at + 1] != "@":
        raise ValueError(f"{text!r} is no mail address")
    return local, text[at + 1 :]


# --- judging --------------------------------------------------------------------------------------------------------


class NameRules:
    """One authority's constraints, made ready for many names."""

    def __init__(self, constraints: NameConstraints) -> None:
        inside, outside = constraints.permitted, constraints.excluded
        self._addresses = _networks(inside.networks), _networks(outside.networks)
        self._domains = _domains(inside.domains, permitted=True), _domains(outside.domains, permitted=False)
        self._hosts = _domains(inside.hosts, permitted=True), _domains(outside.hosts, permitted=False)
        self._emails = _mailboxes(inside.emails, permitted=True), _mailboxes(outside.emails, permitted=False)

    def allow(self, names: AlternativeNames) -> bool:
        """Tell whether names may stand below this authority."""
        try:
            hosts = [_constrained_host(host) for host in names.hosts]
            mailboxes = [_mailbox(email) for email in names.emails]
        except ValueError:
            return False
        domains = (*names.domains, *hosts, *(domain for _, domain in mailboxes))
        return (
            all(_is_domain(domain) for domain in domains)
            and all(_allowed(self._addresses, address) for address in names.addresses)
            and all(_allowed(self._domains, domain) for domain in names.domains)
            and all(_allowed(self._hosts, host) for host in hosts)
            and all(_allowed(self._emails, mailbox) for mailbox in mailboxes)
        )


def _allowed(rules: tuple[_Rule[_Name] | None, _Rule[_Name] | None], name: _Name) -> bool:
    permitted, excluded = rules
    return (permitted is None or permitted(name)) and not (excluded is not None and excluded(name))


def _constrained_host(host: str) -> str:
    """Return what constraints of URIs are held against.

    Raises:
        ValueError: no host, or an address.
    """
    if not host or host.startswith("["):
        raise ValueError(f"constraints do not tell about a URI with the host {host!r}")
    name = host
    if ":" in host and not host.endswith("]"):
        name = host.rpartition(":")[0]
        if any(mark in name for mark in ":[]"):
            raise ValueError(f"constraints do not tell about a URI with the host {host!r}")
    if _is_address(name):
        raise ValueError(f"constraints do not tell about a URI with the address {host!r}")
    return name.lower()


def _domains(constraints: Sequence[str], *, permitted: bool) -> _Rule[str] | None:
    """Return the rule that some constraint matches a domain; None without constraints."""
    if not constraints:
        return None
    if "" in constraints:
        return lambda _name: True
    kept = _pruned(sorted(constraints, key=_from_behind), _is_above)
    keys = [_from_behind(constraint) for constraint in kept]
    parents = set() if permitted else {_without_first_label(constraint) for constraint in kept}

    def match(name: str) -> bool:
        at = bisect_left(keys, _from_behind(name))
        if at < len(keys) and keys[at] == _from_behind(name):
            return True
        if _is_above(kept[max(at - 1, 0)], name):
            return True
        return name.startswith("*") and "." in name and _without_first_label(name) in parents

    return match


def _from_behind(domain: str) -> str:
    """Return what domains are sorted by, so that those below one follow it at once."""
    return domain.lower().replace(".", "\0")[::-1]


def _is_above(constraint: str, domain: str) -> bool:
    if not domain.lower().endswith(constraint.lower()):
        return False
    left = len(domain) - len(constraint)
    return constraint.startswith(".") or not left or domain[left - 1] == "."


def _without_first_label(domain: str) -> str:
    return domain.lower()[domain.find(".") :] if "." in domain else ""


def _mailboxes(constraints: Sequence[str], *, permitted: bool) -> _Rule[tuple[str, str]] | None:
    if not constraints:
        return None
    whole = {_mailbox(constraint) for constraint in constraints if "@" in constraint}
    of_domain = _domains([constraint for constraint in constraints if "@" not in constraint], permitted=permitted)
    return lambda mailbox: mailbox in whole or (of_domain is not None and of_domain(mailbox[1]))


def _networks(constraints: Iterable[_Network]) -> _Rule[bytes] | None:
    by_size: dict[int, list[_Network]] = {}
    for network in sorted(constraints):
        by_size.setdefault(len(network[0]), []).append(network)
    if not by_size:
        return None
    kept = {size: _pruned(networks, _is_within) for size, networks in by_size.items()}

    def match(address: bytes) -> bool:
        networks = kept.get(len(address), [])
        at = bisect_left(networks, address, key=lambda network: network[0])
        if at < len(networks) and networks[at][0] == address:
            return True
        return bool(networks) and _contains(networks[max(at - 1, 0)], address)

    return match


def _is_within(network: _Network, other: _Network) -> bool:
    address, mask = other
    last = bytes(part | (~bits & 0xFF) for part, bits in zip(address, mask, strict=True))
    return _contains(network, address) and _contains(network, last)


def _contains(network: _Network, address: bytes) -> bool:
    base, mask = network
    if len(base) == _V6 and base.startswith(_MAPPED):
        base, mask = base[-_V4:], mask[-_V4:]
    if len(address) == _V6 and address.startswith(_MAPPED):
        address = address[-_V4:]
    if len(base) != len(address):
        return False
    return all(one & bits == other & bits for one, other, bits in zip(base, address, mask, strict=True))


def _pruned(ordered: Iterable[_Item], covers: Callable[[_Item, _Item], bool]) -> list[_Item]:
    """Leave out what the one kept before it covers."""
    kept: list[_Item] = []
    for item in ordered:
        if not kept or not covers(kept[-1], item):
            kept.append(item)
    return kept
