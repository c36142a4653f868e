"""Netting: obligations of many banks are gathered until a cut-off, and only each bank's net is paid.

    open ──cut off──▶ cut_off ──every member confirms──▶ settled
                         └── not by ``settle_by`` ──▶ failed

- Two banks add obligations they agreed on and booked alike; from then on an obligation ends with its cycle only.
- Each obligation's public value is a commitment that adds up (``network/value_commitment.py``). The contract adds them,
  pair by pair as they come, and by member at the cut-off. So the public position of a member *is* the sum of its gross
  obligations: nobody's word is needed for it, and every member of the channel can add it up again.
- A member confirms by opening its own position: net amounts by asset and the sum of the blindings, as transient data.
  The contract checks the opening against the public position; it stays with the peers that endorse, which the member
  names (its own and the arbiter's, say), and nothing of it is written.
- A member that is owed confirms once it has its money. The cycle is settled by the last confirmation: for all or none.
- What came of the cycle is then written to the obligations, pair by pair, by either bank.

What is proven to whom: to a bank, its own position from details it knows; to the regulator, all positions from details
it reads; to any other member, that the positions shown to be confirmed are sums of the gross obligations and that they
come to nothing in total, with no amount.

State (JSON): ``cycle~<id>``, ``cyclepair~<id>~<bank>~<bank>``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from chaincode import bookings, disputes, keys, obligations
from chaincode.callers import require_client
from chaincode.contract import Contract, reads_only
from chaincode.encoding import decode_hex, format_time, from_json, to_json
from chaincode.errors import AccessError, ArgumentError, ConflictError, NotFoundError
from chaincode.pages import page
from chaincode.pair_terms import Exposures
from chaincode.pairs import Pair, private_input, require_id, require_ids, require_pair
from chaincode.shim.stub import ChaincodeStub
from network import value_commitment

OPEN, CUT_OFF, SETTLED, FAILED = "open", "cut_off", "settled", "failed"

LENGTH_MAX = timedelta(days=7)
"""From opening to the end of a cycle."""

MEMBERS_MAX = 20
ASSETS_MAX = 50
LISTED_MAX = 200

_NET = re.compile(r"-?[1-9][0-9]{0,30}")


class NettingContract(Contract):
    """Leads netting cycles."""

    async def open_cycle(
        self, stub: ChaincodeStub, cycle_id: str, members: list[Any], cut_off: str, settle_by: str
    ) -> dict[str, Any]:
        """Open a cycle; by a client of one of its members.

        Args:
            cycle_id: 16 random bytes in hex.
            members: JSON list of the MSP ids of 2 to 20 banks.
            cut_off: UTC time from which nothing is added any more.
            settle_by: UTC time after which a cycle that is not settled may be ended.
        """
        caller = require_client(stub)
        require_id(cycle_id, "cycle_id")
        members = _members(members, caller)
        now = format_time(stub.get_timestamp())
        bookings.require_time(cut_off, "cut_off")
        bookings.require_time(settle_by, "settle_by")
        # Claims wait in a cycle: who opens one must not be able to make them wait for ever.
        latest = format_time(stub.get_timestamp() + LENGTH_MAX)
        if not now < cut_off < settle_by <= latest:
            raise ArgumentError(f"cut_off and settle_by do not follow {now} and one another, or not within 7 days")
        if await stub.get_state(keys.cycle(cycle_id)):
            raise ConflictError(f"cycle {cycle_id} exists; take a fresh random id", "cycle_exists")
        record = {
            "cycle_id": cycle_id,
            "members": members,
            "opened_by": caller,
            "cut_off": cut_off,
            "settle_by": settle_by,
            "state": OPEN,
            "count": 0,
            "positions": {},
            "confirmed": {},
        }
        return await _write(stub, record)

    async def add_to_cycle(
        self, stub: ChaincodeStub, cycle_id: str, counterparty: str, ids: list[Any]
    ) -> dict[str, Any]:
        """Add obligations of the caller's bank with another one, before the cut-off; by a client of either."""
        pair = require_pair(stub, counterparty)
        cycle = await _existing(stub, cycle_id)
        if cycle["state"] != OPEN or format_time(stub.get_timestamp()) >= cycle["cut_off"]:
            raise ConflictError(f"cycle {cycle_id} takes nothing any more since {cycle['cut_off']}", "past_cut_off")
        if not set(pair.banks) <= set(cycle["members"]):
            raise AccessError(f"{' and '.join(pair.banks)} are not both members of cycle {cycle_id}")
        added = []
        for obligation_id in require_ids(ids):
            record = await obligations.of_pair(stub, obligation_id, pair)
            await _require_nettable(stub, record)
            moved = obligations.stepped(stub, record, obligations.NETTING, pair.caller)
            await obligations.write(stub, {**moved, "cycle": cycle_id})
            added.append(bytes.fromhex(record["value"]))
        return await _sum_up(stub, cycle_id, pair, added)

    async def cut_off_cycle(self, stub: ChaincodeStub, cycle_id: str) -> dict[str, Any]:
        """End the gathering, once its time is there, and add up each member's position; by a client of a member."""
        cycle = await _of_member(stub, cycle_id)
        if cycle["state"] != OPEN:
            raise ConflictError(f"cycle {cycle_id} is {cycle['state']}", "wrong_state")
        if format_time(stub.get_timestamp()) < cycle["cut_off"]:
            raise ConflictError(f"cycle {cycle_id} is open until {cycle['cut_off']}", "too_early")
        positions = dict.fromkeys(cycle["members"], value_commitment.NEUTRAL)
        count = 0
        for record in await _pairs(stub, cycle_id):
            first, second = record["banks"]
            value = bytes.fromhex(record["value"])
            positions[first] = value_commitment.add(positions[first], value)
            positions[second] = value_commitment.add(positions[second], value_commitment.negate(value))
            count += record["count"]
        told = {member: point.hex() for member, point in positions.items()}
        return await _write(stub, {**cycle, "state": CUT_OFF, "count": count, "positions": told})

    async def confirm_position(self, stub: ChaincodeStub, cycle_id: str) -> dict[str, Any]:
        """Open the caller's position; by a client of a member. The last one settles the cycle.

        Transient: ``position``, ``{"net": {asset: minor units as text}, "blinding": 32 bytes in hex}``. Positive is
        what the member owes, negative what it is owed; an asset that comes to nothing is left out.
        """
        cycle = await _of_member(stub, cycle_id)
        caller = require_client(stub)
        if cycle["state"] != CUT_OFF:
            raise ConflictError(f"cycle {cycle_id} is {cycle['state']}", "wrong_state")
        if caller in cycle["confirmed"]:
            raise ConflictError(f"{caller} confirmed its position in cycle {cycle_id} before", "already_confirmed")
        net, blinding = _opening(private_input(stub, "position"))
        if not value_commitment.opens(bytes.fromhex(cycle["positions"][caller]), net, blinding):
            raise ConflictError("these net amounts do not follow from the gross obligations", "wrong_position")
        confirmed = {**cycle["confirmed"], caller: stub.get_tx_id()}
        state = SETTLED if len(confirmed) == len(cycle["members"]) else CUT_OFF
        return await _write(stub, {**cycle, "confirmed": confirmed, "state": state})

    async def fail_cycle(self, stub: ChaincodeStub, cycle_id: str) -> dict[str, Any]:
        """End a cycle that was not settled in time; by a client of a member."""
        cycle = await _of_member(stub, cycle_id)
        if cycle["state"] not in (OPEN, CUT_OFF):
            raise ConflictError(f"cycle {cycle_id} is {cycle['state']}", "wrong_state")
        if format_time(stub.get_timestamp()) <= cycle["settle_by"]:
            raise ConflictError(f"cycle {cycle_id} may be settled until {cycle['settle_by']}", "too_early")
        return await _write(stub, {**cycle, "state": FAILED})

    async def finish_netted(
        self, stub: ChaincodeStub, cycle_id: str, counterparty: str, ids: list[Any]
    ) -> dict[str, Any]:
        """Write what came of a cycle to obligations of two banks; by a client of either."""
        pair = require_pair(stub, counterparty)
        cycle = await _existing(stub, cycle_id)
        if cycle["state"] not in (SETTLED, FAILED):
            raise ConflictError(f"cycle {cycle_id} is {cycle['state']}", "wrong_state")
        state = obligations.SETTLED if cycle["state"] == SETTLED else obligations.AGREED
        exposures = await Exposures.of(stub, pair)
        for obligation_id in require_ids(ids):
            record = await obligations.of_pair(stub, obligation_id, pair)
            if record["cycle"] != cycle_id:
                raise ConflictError(f"obligation {obligation_id} is not netted in cycle {cycle_id}", "wrong_cycle")
            moved = obligations.stepped(stub, record, state, pair.caller)
            if state == obligations.SETTLED:
                exposures.remove(await obligations.details(stub, pair, obligation_id))
            else:
                moved = {**moved, "cycle": ""}
            await obligations.write(stub, moved)
        if state == obligations.SETTLED:
            await exposures.write()
        return obligations.told(stub, state, ids)

    @reads_only
    async def get_cycle(self, stub: ChaincodeStub, cycle_id: str) -> dict[str, Any]:
        """Return a cycle with the sums of its pairs; anyone on the channel may call."""
        return {**await _existing(stub, cycle_id), "pairs": await _pairs(stub, cycle_id)}

    @reads_only
    async def list_cycles(self, stub: ChaincodeStub, after: str) -> list[dict[str, Any]]:
        """Return up to 200 cycles by id, after ``after`` where it is given; anyone on the channel may call."""
        begin = keys.cycle(require_id(after, "after")) if after else ""
        return [from_json(value) for _, value in await page(stub, "cycle", begin, LISTED_MAX)]


async def _require_nettable(stub: ChaincodeStub, record: dict[str, Any]) -> None:
    obligation_id = record["obligation_id"]
    if record["linked"]:
        raise ConflictError(f"obligation {obligation_id} is linked: it is settled with the other", "linked")
    if record["books"] != bookings.AGREED:
        raise ConflictError(f"obligation {obligation_id}: its bookings are {record['books']}", "not_booked_alike")
    if await disputes.is_disputed(stub, obligation_id):
        raise ConflictError(f"obligation {obligation_id} is disputed", "disputed")


async def _sum_up(stub: ChaincodeStub, cycle_id: str, pair: Pair, added: list[bytes]) -> dict[str, Any]:
    """Add values to the sum of a pair, which only both banks' peers may change."""
    key = keys.cycle_pair(cycle_id, *pair.banks)
    kept = await stub.get_state(key)
    old: dict[str, Any] = from_json(kept) if kept else {"count": 0, "value": value_commitment.NEUTRAL.hex()}
    record = {
        "cycle_id": cycle_id,
        "banks": pair.banks,
        "count": old["count"] + len(added),
        "value": value_commitment.add(bytes.fromhex(old["value"]), *added).hex(),
    }
    await stub.put_state(key, to_json(record))
    if not kept:
        await stub.set_state_validation_parameter(key, pair.policy)
    stub.set_event("Cycle", to_json({"cycle_id": cycle_id, "state": OPEN}))
    return record


async def _pairs(stub: ChaincodeStub, cycle_id: str) -> list[dict[str, Any]]:
    start, end = keys.under(f"cyclepair~{cycle_id}")
    async with await stub.get_state_by_range(start, end) as records:
        return [from_json(value) async for _, value in records]


async def _existing(stub: ChaincodeStub, cycle_id: str) -> dict[str, Any]:
    value = await stub.get_state(keys.cycle(require_id(cycle_id, "cycle_id")))
    if not value:
        raise NotFoundError(f"there is no cycle {cycle_id}")
    record: dict[str, Any] = from_json(value)
    return record


async def _of_member(stub: ChaincodeStub, cycle_id: str) -> dict[str, Any]:
    cycle = await _existing(stub, cycle_id)
    if require_client(stub) not in cycle["members"]:
        raise AccessError(f"only {', '.join(cycle['members'])}, members of cycle {cycle_id}, may do this")
    return cycle


async def _write(stub: ChaincodeStub, record: dict[str, Any]) -> dict[str, Any]:
    await stub.put_state(keys.cycle(record["cycle_id"]), to_json(record))
    stub.set_event("Cycle", to_json({"cycle_id": record["cycle_id"], "state": record["state"]}))
    return record


def _members(members: list[Any], caller: str) -> list[str]:
    if not 2 <= len(members) <= MEMBERS_MAX:
        raise ArgumentError(f"members has {len(members)} names; 2 to {MEMBERS_MAX} are accepted")
    names = [keys.require_organization(each if isinstance(each, str) else "", "members") for each in members]
    if len(set(names)) != len(names):
        raise ArgumentError("members names a bank twice")
    if caller not in names:
        raise AccessError("a cycle is opened by one of its members")
    return sorted(names)


def _opening(given: Any) -> tuple[dict[str, int], int]:
    if not isinstance(given, dict) or sorted(given) != ["blinding", "net"] or not isinstance(given["net"], dict):
        raise ArgumentError("position is no object with net and blinding")
    net, blinding = given["net"], given["blinding"]
    if len(net) > ASSETS_MAX or not isinstance(blinding, str):
        raise ArgumentError(f"net names more than {ASSETS_MAX} assets, or blinding is no text")
    for asset, amount in net.items():
        if not (asset.isascii() and asset.isalnum() and len(asset) <= 16):
            raise ArgumentError("net names an asset by no code such as EUR")
        if not isinstance(amount, str) or not _NET.fullmatch(amount):
            raise ArgumentError("net holds an amount that is no whole number other than 0, as text")
    return {asset: int(amount) for asset, amount in net.items()}, int.from_bytes(decode_hex(blinding, "blinding", 32))
