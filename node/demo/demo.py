"""What the steps of the demo share: the home, who stands in it, the report."""

from __future__ import annotations

from dataclasses import dataclass

from network.topology import Consortium, Organization
from node.demo.checks import Report
from node.home import Home


@dataclass(frozen=True, slots=True)
class Demo:
    """What every step needs."""

    home: Home
    consortium: Consortium
    report: Report

    @property
    def bank(self) -> Organization:
        """DwayBank, whose books are imported, proved and tampered with."""
        return self.consortium.organization("dwaybank")

    @property
    def partner(self) -> Organization:
        """The bank it pays to."""
        return self.consortium.organization("partner")

    @property
    def regulator(self) -> Organization:
        """Who audits."""
        return self.consortium.organization("regulator")
