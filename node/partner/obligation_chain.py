"""The contract ``settlement`` as this bank calls it: typed calls in, records out.

Private details go in the transient map only, and are read at the own organization's peer.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from network.client_stages import ChaincodeEvent, CommittedTransaction
from network.errors import GatewayError
from network.obligation import SETTLEMENT, ObligationDetails, details_of

BATCH_MAX = 100
"""Most obligations that the contract takes in one transaction."""

_CODE = re.compile(r"chaincode response \d+, ([a-z_]+):")


class Gateway(Protocol):
    """The own peer's gateway; ``network.client.GatewayClient`` is one."""

    async def evaluate(
        self,
        chaincode: str,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        target_organizations: Sequence[str] = (),
    ) -> bytes:
        """Return what a function returns on one peer."""
        ...

    async def submit(
        self,
        chaincode: str,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: Sequence[str] = (),
    ) -> CommittedTransaction:
        """Call a function and return once it is committed."""
        ...

    def chaincode_events(
        self, chaincode: str, *, start_block: int | None = None, after_tx_id: str = ""
    ) -> AsyncGenerator[ChaincodeEvent, None]:
        """Yield the events of VALID transactions in block order."""
        ...


class SettlementChain:
    """Calls the contract; every call may raise ``GatewayError``.

    Args:
        gateway: the own peer's.
        own_msp_id: this organization.
    """

    def __init__(self, gateway: Gateway, own_msp_id: str) -> None:
        self._gateway = gateway
        self._own_msp_id = own_msp_id

    async def read(self, function: str, *args: str) -> Any:
        """Return what a function returns on the own peer, parsed."""
        own = [self._own_msp_id]
        return json.loads(await self._gateway.evaluate(SETTLEMENT, function, *args, target_organizations=own))

    async def call(self, function: str, *args: str, **private: object) -> Any:
        """Submit a function and return its result, parsed; ``private`` becomes the transient map."""
        transient = {name: json.dumps(value).encode() for name, value in private.items()}
        committed = await self._gateway.submit(SETTLEMENT, function, *args, transient=transient)
        return json.loads(committed.result) if committed.result else None

    async def call_endorsed_by(self, organizations: Sequence[str], function: str, *args: str, **private: object) -> Any:
        """As ``call``, but only peers of these organizations see the private input."""
        transient = {name: json.dumps(value).encode() for name, value in private.items()}
        committed = await self._gateway.submit(
            SETTLEMENT, function, *args, transient=transient, endorsing_organizations=organizations
        )
        return json.loads(committed.result) if committed.result else None

    def events(self, after: ChaincodeEvent | None) -> AsyncGenerator[ChaincodeEvent, None]:
        """Yield the contract's events as they are committed, from after one on or from the next block."""
        if after is None:
            return self._gateway.chaincode_events(SETTLEMENT)
        return self._gateway.chaincode_events(SETTLEMENT, start_block=after.block_number, after_tx_id=after.tx_id)

    async def pages(self, function: str, key: str) -> AsyncIterator[dict[str, Any]]:
        """Give all records of a list, page by page.

        Args:
            function: takes an id after which to go on.
            key: field of a record that is its id.
        """
        after = ""
        while page := await self.read(function, after):
            after = page[-1][key]
            for record in page:
                yield record

    async def records(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the public records of those obligations that exist, by id."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(ids), BATCH_MAX):
            part = await self.read("GetObligations", json.dumps(list(ids[start : start + BATCH_MAX])))
            found |= {record["obligation_id"]: record for record in part}
        return found

    async def details(self, obligation_id: str) -> ObligationDetails:
        """Return an obligation's details; only where this organization may read them."""
        return details_of(await self.read("GetDetails", obligation_id))

    async def pair_details(self, banks: Sequence[str], ids: Sequence[str]) -> list[ObligationDetails]:
        """Return the details of obligations of two banks, in the order asked."""
        found: list[ObligationDetails] = []
        for start in range(0, len(ids), BATCH_MAX):
            part = json.dumps(list(ids[start : start + BATCH_MAX]))
            found += [details_of(fields) for fields in await self.read("GetPairDetails", *banks, part)]
        return found

    async def propose(
        self,
        partner: str,
        arbiter: str,
        deadline: datetime,
        proposed: Sequence[tuple[str, ObligationDetails, str]],
        *,
        linked: bool = False,
    ) -> None:
        """Propose obligations: (id, details, booking or ''); two that are ``linked`` are settled together or not."""
        others = [proposed[1 - number][0] if linked else "" for number in range(len(proposed))]
        until = time_text(deadline)
        items = [
            {"obligation_id": obligation_id, "booking": booking, "deadline": until, "linked": other}
            for (obligation_id, _, booking), other in zip(proposed, others, strict=True)
        ]
        await self.call(
            "Propose", partner, arbiter, json.dumps(items), details=[told.fields() for _, told, _ in proposed]
        )

    async def agree(self, partner: str, agreed: Sequence[tuple[str, str]]) -> None:
        """Agree to obligations: (id, booking or '')."""
        items = [{"obligation_id": obligation_id, "booking": booking} for obligation_id, booking in agreed]
        await self.call("Agree", partner, json.dumps(items))


def time_text(moment: datetime) -> str:
    """Return a moment in the one form in which the ledger writes times."""
    # Not by strftime, which writes years below 1000 without their zeros.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def refusal_code(error: GatewayError) -> str:
    """Return the code with which the contract refused; empty where it was not the contract."""
    found = _CODE.search(str(error))
    return found.group(1) if found else ""
