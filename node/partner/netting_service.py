"""``NettingService``: what this bank's own programs ask and do about netting cycles."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ledger.errors import InvalidValueError
from network.obligation import ID_BYTES
from network.pb.dwaybank.partner.v1 import obligations_pb2 as pb
from network.rpc import Server
from node.partner.cycle_store import CycleStore
from node.partner.messages import moment_of
from node.partner.netting import sums_hold
from node.partner.netting_driver import NettingDriver
from node.partner.obligation_chain import time_text
from node.partner.obligation_serving import ObligationServing, require_id

NETTING_SERVICE = "dwaybank.partner.v1.NettingService"


class NettingService:
    """Serves the bank's own programs.

    Args:
        own_msp_id: this bank.
        partners: the banks it settles with.
        serving: offers methods, and has the contract.
        cycles: cycles as this node took them on.
        driver: drives them; None where the contract is not approved.
        random_bytes: source of ids.
    """

    def __init__(
        self,
        own_msp_id: str,
        *,
        partners: frozenset[str],
        serving: ObligationServing,
        cycles: CycleStore,
        driver: NettingDriver | None,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._own_msp_id = own_msp_id
        self._partners = partners
        self._serving = serving
        self._cycles = cycles
        self._driver = driver
        self._random_bytes = random_bytes

    def register(self, server: Server) -> None:
        """Serve all methods on a server or port."""
        offer = self._serving
        offer.own(server, NETTING_SERVICE, "OpenCycle", pb.OpenCycleRequest, self.open_cycle)
        offer.own(server, NETTING_SERVICE, "ListCycles", pb.ListCyclesRequest, self.list_cycles)
        offer.own(server, NETTING_SERVICE, "GetCycle", pb.GetCycleRequest, self.get_cycle)

    async def open_cycle(self, asked: pb.OpenCycleRequest) -> pb.OpenCycleResponse:
        """Open a cycle with other banks; the nodes of all members then go on by themselves."""
        unknown = sorted(set(asked.partner_msp_ids) - self._partners)
        if unknown or not asked.partner_msp_ids:
            known = ", ".join(sorted(self._partners))
            raise InvalidValueError("partner_msp_ids", ", ".join(unknown)[:64], f"give some of {known}")
        times = [
            time_text(_moment(asked.cut_off, "cut_off")),
            time_text(_moment(asked.settle_by, "settle_by")),
        ]
        cycle_id = self._random_bytes(ID_BYTES).hex()
        members = json.dumps([self._own_msp_id, *asked.partner_msp_ids])
        opened = await self._serving.chain.call("OpenCycle", cycle_id, members, *times)
        return pb.OpenCycleResponse(cycle=_cycle(opened, ""))

    async def list_cycles(self, asked: pb.ListCyclesRequest) -> pb.ListCyclesResponse:
        """Return the cycles this bank is a member of."""
        del asked
        known = await self._cycles.known()
        reply = pb.ListCyclesResponse()
        async for cycle in self._serving.chain.pages("ListCycles", "cycle_id"):
            if self._own_msp_id in cycle["members"]:
                note = known[cycle["cycle_id"]].note if cycle["cycle_id"] in known else ""
                reply.cycles.append(_cycle(cycle, note))
        return reply

    async def get_cycle(self, asked: pb.GetCycleRequest) -> pb.GetCycleResponse:
        """Return a cycle with this bank's net, and whether its sums hold."""
        cycle_id = require_id("cycle_id", asked.cycle_id)
        cycle = await self._serving.chain.read("GetCycle", cycle_id)
        known = await self._cycles.known()
        note = known[cycle["cycle_id"]].note if cycle["cycle_id"] in known else ""
        reply = pb.GetCycleResponse(cycle=_cycle(cycle, note))
        if cycle["positions"]:
            reply.sums_hold = sums_hold(cycle)
            if self._own_msp_id in cycle["members"] and self._driver is not None:
                position = await self._driver.position(cycle["cycle_id"])
                for asset, amount in sorted(position.net.items()):
                    reply.net.add(asset=asset, amount_minor=str(amount))
        return reply


def _moment(stamp: Any, field: str) -> datetime:
    return moment_of(stamp, field)


def _cycle(cycle: Mapping[str, Any], note: str) -> pb.Cycle:
    names = ("cycle_id", "members", "opened_by", "state", "cut_off", "settle_by", "count")
    return pb.Cycle(**{name: cycle[name] for name in names}, confirmed_by=sorted(cycle["confirmed"]), note=note)
