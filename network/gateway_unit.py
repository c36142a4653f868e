"""The organizational unit with which a TLS certificate of an organization speaks for its gateway, and no more.

Whatever only looks like one is refused: a slip of the pen must not turn a gateway into the whole organization.
"""

from __future__ import annotations

from collections.abc import Iterable

GATEWAY_UNIT = "service:gateway"


def is_gateway(units: Iterable[str]) -> bool:
    """Tell whether a certificate's units name a gateway.

    Raises:
        ValueError: one looks like it and is not.
    """
    named = [unit for unit in units if unit.strip().casefold().startswith("service:")]
    if any(unit != GATEWAY_UNIT for unit in named):
        raise ValueError(f"the only unit of its kind is {GATEWAY_UNIT}")
    return bool(named)
