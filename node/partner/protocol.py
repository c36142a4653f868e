"""Versions of the protocol between banks: which ones this node speaks, and which one two nodes take.

A version is a whole number. Within one, no field changes its meaning and none is added that a receiver may pass over:
a message with a field the receiver does not know is refused (``messages``).
"""

from __future__ import annotations

from collections.abc import Iterable

from network.rpc import StatusCode
from node.partner.errors import MessageRefusedError

VERSIONS = (1, 2)
"""Spoken here, lowest first."""

DIGITS_SINCE = 2
"""From this version on a Prepare says with how many digits the sender's books count its asset."""


def choose_version(offered: Iterable[int]) -> int:
    """Return the highest version that is offered and spoken here.

    Raises:
        MessageRefusedError: FAILED_PRECONDITION naming both sides' versions; INVALID_ARGUMENT where none is offered.

    >>> choose_version([1, 7])
    1
    """
    known = sorted(set(offered))
    if not known:
        raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, "versions: name those you speak")
    common = [version for version in known if version in VERSIONS]
    if not common:
        raise MessageRefusedError(StatusCode.FAILED_PRECONDITION, f"versions {_listed(known)}: {spoken()}")
    return common[-1]


def check_version(version: int) -> None:
    """Let pass a version that is spoken here.

    Raises:
        MessageRefusedError: FAILED_PRECONDITION, naming the versions that are.
    """
    if version not in VERSIONS:
        raise MessageRefusedError(StatusCode.FAILED_PRECONDITION, f"version {version}: {spoken()}")


def spoken() -> str:
    """Return in words which versions this node speaks."""
    return f"this node speaks {_listed(VERSIONS)}; upgrade the older of the two nodes"


def _listed(versions: Iterable[int]) -> str:
    return ", ".join(str(version) for version in versions)
