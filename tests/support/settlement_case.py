"""Two banks and a regulator who settle, as contract tests and network tests need them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from chaincode.encoding import format_time
from chaincode.settlement import SettlementContract
from network.obligation import ObligationDetails, pair_collection
from tests.support.contract_runner import ContractLedger, Outcome, Runner
from tests.support.contract_state import NOW, serialized_identity

BANK, PARTNER, THIRD, REGULATOR = "DwaybankMSP", "PartnerMSP", "SaverMSP", "RegulatorMSP"
CLIENTS = {name: serialized_identity(name) for name in (BANK, PARTNER, THIRD, REGULATOR)}
PAIR = pair_collection(BANK, PARTNER)


def obligation_id(number: int) -> str:
    """Return an id, the same for the same number."""
    return hashlib.sha256(f"obligation {number}".encode()).hexdigest()[:32]


def details(
    number: int = 1, amount: int = 12_500, *, debtor: str = BANK, creditor: str = PARTNER, asset: str = "EUR"
) -> ObligationDetails:
    """Return details, the same for the same number."""
    salt = hashlib.sha256(f"salt {number}".encode()).digest()
    return ObligationDetails(debtor, creditor, asset, amount, NOW.date(), f"settlement-{number}", salt)


def later(**delta: float) -> datetime:
    """Return a moment after the usual one."""
    return NOW + timedelta(**delta)


class SettlementCase:
    """The contract's ledger and short ways to call it."""

    def __init__(self, runner: Runner) -> None:
        self.ledger = ContractLedger(SettlementContract(), runner)

    async def call(self, caller: str, function: str, *args: str, at: datetime = NOW, **private: object) -> Outcome:
        """Call a function as a client of an organization; ``private`` becomes the transient map."""
        transient = {name: json.dumps(value).encode() for name, value in private.items()}
        creator = CLIENTS[caller]
        return await self.ledger.submit(creator, function, *args, timestamp=at, transient=transient)

    async def propose(
        self,
        *numbered: tuple[int, ObligationDetails],
        by: str = BANK,
        booking: str = "",
        linked: dict[int, int] | None = None,
        at: datetime = NOW,
        arbiter: str = REGULATOR,
    ) -> Outcome:
        """Propose obligations, by number."""
        items = [
            {
                "obligation_id": obligation_id(number),
                "booking": booking,
                "deadline": format_time(max(at, NOW).astimezone(UTC) + timedelta(hours=1)),
                "linked": obligation_id((linked or {})[number]) if linked else "",
            }
            for number, _ in numbered
        ]
        other = next(bank for bank in (numbered[0][1].debtor, numbered[0][1].creditor) if bank != by)
        fields = [told.fields() for _, told in numbered]
        return await self.call(by, "Propose", other, arbiter, json.dumps(items), at=at, details=fields)

    async def agree(
        self, *numbers: int, by: str = PARTNER, other: str = BANK, booking: str = "", at: datetime = NOW
    ) -> Outcome:
        """Agree to proposed obligations."""
        items = [{"obligation_id": obligation_id(number), "booking": booking} for number in numbers]
        return await self.call(by, "Agree", other, json.dumps(items), at=at)

    async def settle(self, *numbers: int, by: str = PARTNER, other: str = BANK) -> Outcome:
        """Settle obligations as their creditor."""
        return await self.call(by, "Settle", other, json.dumps([obligation_id(number) for number in numbers]))

    async def agreed(self, *numbered: tuple[int, ObligationDetails], by: str = BANK, **more: Any) -> None:
        """Propose and agree, both with success."""
        first = numbered[0][1]
        other = first.creditor if by == first.debtor else first.debtor
        assert (await self.propose(*numbered, by=by, **more)).status == 200
        agreed = await self.agree(*(number for number, _ in numbered), by=other, other=by)
        assert agreed.status == 200, agreed

    def record(self, number: int) -> Any:
        """Return an obligation's public record."""
        return self.ledger.stored(f"obligation~{obligation_id(number)}")

    def state(self, number: int) -> str:
        """Return an obligation's state."""
        return str(self.record(number)["state"])

    def public(self) -> str:
        """Return everything that stands in the public state, as text."""
        values = self.ledger.state.values
        return "\n".join(f"{key}={value.decode()}" for (where, key), value in values.items() if not where)
