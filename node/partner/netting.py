"""What a netting cycle comes to for one bank, without any I/O: its position, and the entries that book it.

A net is paid outside: by the banks' accounts at a central bank, say. In this bank's books it moves from what it owes a
partner and is owed by him to ``interbank-settlement-<asset>``, which is reconciled with that account's statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.account import Side
from ledger.journal import NewEntry, Posting
from network import value_commitment
from network.obligation import ObligationDetails, pair_of
from node.partner.settlement import derived_id


@dataclass(frozen=True, slots=True)
class Position:
    """A bank's position in a cycle.

    Args:
        net: what it owes by asset, minor units; negative for what it is owed; without what comes to nothing.
        blinding: opens the public position together with it.
    """

    net: dict[str, int]
    blinding: int

    def opening(self) -> dict[str, object]:
        """Return the form in which the contract takes it."""
        return {
            "net": {asset: str(amount) for asset, amount in self.net.items()},
            "blinding": self.blinding.to_bytes(value_commitment.SCALAR_BYTES, "big").hex(),
        }

    def opens(self, public: str) -> bool:
        """Whether it is what a public position stands for."""
        return value_commitment.opens(bytes.fromhex(public), self.net, self.blinding)


def position_of(gross: Iterable[ObligationDetails], bank: str) -> Position:
    """Return the position that a bank's gross obligations come to."""
    known = list(gross)
    net = value_commitment.total((told.asset, told.amount if told.debtor == bank else -told.amount) for told in known)
    blinding = sum(
        told.blinding if pair_of(told.debtor, told.creditor)[0] == bank else -told.blinding for told in known
    )
    return Position(net, blinding % value_commitment.ORDER)


def sums_hold(cycle: Mapping[str, Any]) -> bool:
    """Whether a cycle's public positions are the sums of its pairs, and come to nothing in total."""
    again = dict.fromkeys(cycle["members"], value_commitment.NEUTRAL)
    for pair in cycle["pairs"]:
        value = bytes.fromhex(pair["value"])
        for bank, part in zip(pair["banks"], (value, value_commitment.negate(value)), strict=True):
            again[bank] = value_commitment.add(again[bank], part)
    stated = {bank: bytes.fromhex(point) for bank, point in cycle["positions"].items()}
    return again == stated and value_commitment.add(*again.values()) == value_commitment.NEUTRAL


def pair_holds(pair: Mapping[str, Any], values: Iterable[str]) -> bool:
    """Whether the sum of a pair is that of the public values of its obligations."""
    return value_commitment.add(*(bytes.fromhex(value) for value in values)) == bytes.fromhex(pair["value"])


def settlement_account(asset: str) -> str:
    """Return the account against which nets are paid."""
    return f"interbank-settlement-{asset}"


def entries_of(cycle_id: str, partner: str, gross: Sequence[ObligationDetails], bank: str) -> list[NewEntry]:
    """Return the entries that end what a bank and a partner owed one another, one for each asset.

    Their keys follow from cycle, partner and asset, so that each is posted once, whatever crashes.
    """
    entries = []
    for asset in sorted({told.asset for told in gross}):
        owed = sum(told.amount for told in gross if told.asset == asset and told.debtor == bank)
        claimed = sum(told.amount for told in gross if told.asset == asset and told.creditor == bank)
        legs = [
            (f"vostro-{partner}-{asset}", Side.DEBIT, owed),
            (f"nostro-{partner}-{asset}", Side.CREDIT, claimed),
            (settlement_account(asset), Side.CREDIT if owed > claimed else Side.DEBIT, abs(owed - claimed)),
        ]
        entries.append(
            NewEntry(
                key=derived_id("net", f"{cycle_id}/{partner}/{asset}"),
                postings=tuple(Posting(account, side, amount) for account, side, amount in legs if amount),
                settlement_id=cycle_id,
            )
        )
    return entries
