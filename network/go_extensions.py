"""Extensions of certificates that Go's parser refuses, and the whole certificate with them.

Whoever runs an authority may issue what he likes; a certificate that is one for some peers and none for others parts
their ledgers, as soon as it endorses.

Source: Go 1.27, crypto/x509/parser.go (parseSANExtension, parseCertificatePoliciesExtension); net/url/url.go (parse).
"""

from __future__ import annotations

import ipaddress
import re

from cryptography import x509

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ESCAPES = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_HOST = re.compile(r"[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"]*")
_PORT = re.compile(r"(?::[0-9]*)?")


def refusal_of(extensions: x509.Extensions) -> str:
    """Return why Go does not read a certificate with these extensions; '' where it does."""
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            for name in value:
                if isinstance(name, x509.IPAddress) and isinstance(
                    name.value, ipaddress.IPv4Network | ipaddress.IPv6Network
                ):
                    return f"its alternative name {name.value} is no address"
                if isinstance(name, x509.UniformResourceIdentifier) and not is_uri(name.value):
                    return f"its alternative name {name.value!r} is no URI"
        if isinstance(value, x509.CertificatePolicies):
            policies = [policy.policy_identifier for policy in value]
            if len(set(policies)) < len(policies):
                return "it has a certificate policy twice"
    return ""


def is_uri(text: str) -> bool:
    """Say whether Go reads a text as a URI, as far as certificates go."""
    if any(character < " " or character == "\x7f" for character in text):
        return False
    text, _, fragment = text.partition("#")
    scheme = _SCHEME.match(text)
    if scheme is None and text.startswith(":"):
        return False
    rest = text[scheme.end() if scheme else 0 :].partition("?")[0]
    if not rest.startswith("/"):
        if scheme is None and ":" in rest.partition("/")[0]:
            return False
        return scheme is not None or _is_escaped(rest, fragment)
    if rest.startswith("//") and (scheme is not None or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        user, _, host = authority.rpartition("@")
        if not (_USER.fullmatch(user) and _is_escaped(user) and _is_host(host)):
            return False
    return _is_escaped(rest, fragment)


def _is_escaped(*parts: str) -> bool:
    return all(_ESCAPES.fullmatch(part) for part in parts)


def _is_host(host: str) -> bool:
    if host.startswith("["):
        inside, bracket, port = host.rpartition("]")
        if not bracket or _PORT.fullmatch(port) is None:
            return False
        try:
            ipaddress.IPv6Address(inside[1:])
        except ValueError:
            return False
    elif ":" in host and _PORT.fullmatch(host[host.rindex(":") :]) is None:
        return False
    # An empty host is one. What escapes stand for is not of a name.
    return _HOST.fullmatch(host) is not None and (not host or "" not in host.split("."))
