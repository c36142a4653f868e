"""Capabilities: the rules that a channel's members have switched on, by name.

Only MSP rules of version 1.4.3 and later are implemented, so the channel capability must be V1_4_3, V2_0 or V3_0.

Source: Fabric common/capabilities/{channel,orderer,application}.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from network.errors import CapabilityError, ConfigError

_KNOWN = {
    "channel": {"V1_1", "V1_3", "V1_4_2", "V1_4_3", "V2_0", "V3_0"},
    "orderer": {"V1_1", "V1_4_2", "V2_0"},
    "application": {"V1_1", "V1_2", "V1_3", "V1_4_2", "V2_0", "V2_5"},
}
_MSP = {"V1_4_3", "V2_0", "V3_0"}
"""Channel capabilities that bring the MSP rules implemented here."""

_VALIDATION = {"V2_0", "V2_5"}
"""Application capabilities that bring the rules of validation implemented here."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Names of the rules switched on.

    Attributes:
        channel: for all.
        orderer: for orderers.
        application: for peers.
    """

    channel: frozenset[str]
    orderer: frozenset[str]
    application: frozenset[str]

    @classmethod
    def of(cls, names: Mapping[str, Iterable[str]]) -> Capabilities:
        """Return what a configuration names at each level.

        Raises:
            ConfigError: rules that are not implemented here.
        """
        found = {level: frozenset(given) for level, given in names.items()}
        # Those of orderers are the orderers' own affair: a peer that refused one would stop where all others go on.
        for level in ("channel", "application"):
            _require_known(level, found[level])
        if _MSP.isdisjoint(found["channel"]):
            raise ConfigError(f"channel capabilities {sorted(found['channel'])}: V1_4_3, V2_0 or V3_0 is needed")
        return cls(**found)

    def require_ordering(self) -> None:
        """Require that blocks are made by rules that orderers have here.

        Raises:
            ConfigError: rules that are not implemented here.
        """
        _require_known("orderer", self.orderer)

    def require_validation(self) -> None:
        """Require that transactions are judged by the rules of Fabric 2.0 and later.

        Channels that began before it may have configurations without them, as long as nothing is judged by those.

        Raises:
            ConfigError: they are judged by the rules before, which find other definitions of chaincodes.
        """
        if _VALIDATION.isdisjoint(self.application):
            raise ConfigError(
                f"application capabilities {sorted(self.application)}: transactions are judged only by V2_0 or V2_5"
            )


def _require_known(level: str, names: frozenset[str]) -> None:
    if unknown := sorted(names - _KNOWN[level]):
        raise CapabilityError(level, unknown[0])
