"""What one bank owes another, on the shared ledger: a finite automaton whose steps are signed by those they bind.

    proposed ──agree──▶ agreed ──settle──▶ settled
       │                  │ ├──return──▶ returned         ▲
       │ cancel, expire   │ ├──cancel──▶ cancelled        │ the cycle is settled
       ▼                  ▼ └──add to a cycle──▶ netting ─┤
    cancelled, expired                                    └ the cycle failed ──▶ agreed

| step | signed by | because |
|---|---|---|
| propose | either bank | it says what it takes to be owed; anew once nobody answered by the deadline |
| agree | the other one | from here on both are bound |
| cancel | proposed: either; agreed: the creditor | nobody is bound yet; only the creditor gives his claim up |
| expire | either, after the deadline, while proposed | time ends nothing that was agreed |
| settle, return | the creditor | he has his money, or gave the payment back |
| add to a cycle, and out of it | either | both agreed to the obligation, and the net follows from it |

- Every step is endorsed by a peer of each bank: by their collection's policy at first, by the key's own afterwards.
- Public are random ids, states, the two banks, salted commitments. Amount, asset and direction lie in the collection.
- The public commitments are computed here, from the private details: endorsers of both banks saw that they fit.
- Two obligations in two assets, one each way, may be linked (payment versus payment): one transaction settles both,
  once both creditors have signed, or cancels both in the same way. Neither ends without the other.

State (JSON): ``obligation~<id>``; in the collection of the pair ``details~<id>``. Times are the proposals' own.
"""

from __future__ import annotations

from typing import Any

from chaincode import bookings, keys
from chaincode.callers import require_client
from chaincode.contract import Contract, reads_only
from chaincode.encoding import format_time, from_json, to_json
from chaincode.errors import AccessError, ArgumentError, ConflictError, NotFoundError
from chaincode.pages import page
from chaincode.pair_terms import Exposures, require_before_cut_off
from chaincode.pairs import Pair, pair_of_record, private_input, require_batch, require_id, require_ids, require_pair
from chaincode.shim.stub import ChaincodeStub
from network.errors import ProofError
from network.obligation import ObligationDetails, details_of

PROPOSED, AGREED, NETTING = "proposed", "agreed", "netting"
SETTLED, RETURNED, CANCELLED, EXPIRED = "settled", "returned", "cancelled", "expired"

TRANSITIONS = {
    PROPOSED: (AGREED, CANCELLED, EXPIRED),
    AGREED: (SETTLED, RETURNED, CANCELLED, NETTING),
    NETTING: (SETTLED, AGREED),
}
"""Every state that is left again, and for which others; the rest are final."""

LISTED_MAX = 500

_ITEM_FIELDS = ("booking", "deadline", "linked", "obligation_id")


class ObligationsContract(Contract):
    """Leads obligations through their life."""

    async def propose(self, stub: ChaincodeStub, counterparty: str, arbiter: str, items: list[Any]) -> dict[str, Any]:
        """Write down obligations between the caller's bank and another one; by a client of either.

        One that the other bank did not answer by its deadline is proposed anew by who proposed it, unless it is linked.

        Args:
            counterparty: the other bank.
            arbiter: a third member, who decides a dispute that the two cannot end; '' for none.
            items: JSON list of 1 to 100 objects with ``obligation_id`` (16 bytes hex), ``deadline`` (UTC, in the form
                of the ledger's times) by which the other must have agreed, ``booking`` (hex commitment to what the
                caller booked, '' for not yet) and ``linked`` (id of the obligation it is settled with, '' for none).

        Transient: ``details``, a JSON list with the details of each item, in the same order.
        """
        pair = require_pair(stub, counterparty)
        if arbiter and keys.require_organization(arbiter, "arbiter") in pair.banks:
            raise ArgumentError("arbiter is one of the two banks; name a third member")
        given = private_input(stub, "details")
        require_batch(items, "items")
        if not isinstance(given, list) or len(given) != len(items):
            raise ArgumentError("details is not a list as long as items")
        require_ids([_item(item)["obligation_id"] for item in items])
        proposed = [_details(fields, pair) for fields in given]
        _require_links(items, proposed)
        for item, each in zip(items, proposed, strict=True):
            await require_before_cut_off(stub, pair, each)
            record = _new_record(item, pair, each, arbiter)
            if known := await stub.get_state(keys.obligation(record["obligation_id"])):
                record = {**record, "steps": _unanswered_steps(stub, from_json(known), record)}
            await stub.put_private_data(pair.collection, keys.details(record["obligation_id"]), to_json(each.fields()))
            if item["booking"]:
                record = await bookings.booked(stub, record, pair.caller, item["booking"])
            await write(stub, stepped(stub, record, PROPOSED, pair.caller))
            await stub.set_state_validation_parameter(keys.obligation(record["obligation_id"]), pair.policy)
        return told(stub, PROPOSED, [item["obligation_id"] for item in items])

    async def agree(self, stub: ChaincodeStub, counterparty: str, items: list[Any]) -> dict[str, Any]:
        """Agree to obligations that the other bank proposed; by a client of the bank that did not propose them.

        Args:
            counterparty: who proposed.
            items: JSON list of 1 to 100 objects with ``obligation_id`` and ``booking`` (hex commitment, '' for none).
        """
        pair = require_pair(stub, counterparty)
        for item in require_batch(items, "items"):
            if not isinstance(item, dict) or sorted(item) != ["booking", "obligation_id"]:
                raise ArgumentError("items holds something that is no object with booking and obligation_id")
        ids = require_ids([item["obligation_id"] for item in items])
        exposures = await Exposures.of(stub, pair)
        for obligation_id, item in zip(ids, items, strict=True):
            record = await of_pair(stub, obligation_id, pair)
            if record["linked"] and record["linked"] not in ids:
                raise ArgumentError(f"obligation {obligation_id} is linked to {record['linked']}: agree to both")
            if record["proposer"] == pair.caller:
                raise AccessError(f"obligation {obligation_id} was proposed by {pair.caller}: the other bank agrees")
            if format_time(stub.get_timestamp()) > record["deadline"]:
                raise ConflictError(f"obligation {obligation_id} was to be agreed by {record['deadline']}", "too_late")
            exposures.add(await details(stub, pair, obligation_id))
            moved = stepped(stub, record, AGREED, pair.caller)
            if item["booking"]:
                moved = await bookings.booked(stub, moved, pair.caller, item["booking"])
            await write(stub, moved)
        exposures.require_limits()
        await exposures.write()
        return told(stub, AGREED, ids)

    async def settle(self, stub: ChaincodeStub, counterparty: str, ids: list[str]) -> dict[str, Any]:
        """Say that obligations are paid; by a client of the creditor.

        One that is linked waits until the creditor of the other says so too: then both are settled at once.
        """
        return await self._end(stub, require_pair(stub, counterparty), require_ids(ids), SETTLED)

    async def return_obligation(self, stub: ChaincodeStub, obligation_id: str) -> dict[str, Any]:
        """Say that the payment behind an agreed obligation was given back; by a client of the creditor."""
        record = await existing(stub, obligation_id)
        if record["linked"]:
            raise ConflictError(f"obligation {obligation_id} is linked: it is settled or cancelled", "linked")
        return await self._end(stub, pair_of_record(record, require_client(stub)), [obligation_id], RETURNED)

    async def cancel(self, stub: ChaincodeStub, obligation_id: str) -> dict[str, Any]:
        """Cancel what is proposed, by a client of either bank; or what is agreed, by a client of the creditor.

        One that is agreed and linked waits until the creditor of the other cancels too: then both are cancelled.
        """
        record = await existing(stub, obligation_id)
        pair = pair_of_record(record, require_client(stub))
        if record["state"] == AGREED:
            return await self._end(stub, pair, [obligation_id], CANCELLED)
        return await _end_proposed(stub, pair, record, CANCELLED)

    async def _end(self, stub: ChaincodeStub, pair: Pair, ids: list[str], state: str) -> dict[str, Any]:
        """End agreed obligations of which the caller is the creditor, each with the one it is linked to or not yet."""
        exposures = await Exposures.of(stub, pair)
        ended: list[str] = []
        for obligation_id in ids:
            record = await of_pair(stub, obligation_id, pair)
            if record["state"] != AGREED:
                # What is netted is settled, too, but with its cycle and not by its creditor's word.
                raise ConflictError(f"obligation {obligation_id} is {record['state']}", "wrong_state")
            await _require_creditor(stub, pair, obligation_id)
            due = [record]
            if record["linked"]:
                other = await of_pair(stub, record["linked"], pair)
                if other["state"] != AGREED or other["ready"] != state:
                    await write(stub, {**record, "ready": state})
                    continue
                due.append(other)
            for each in due:
                exposures.remove(await details(stub, pair, each["obligation_id"]))
                await write(stub, stepped(stub, {**each, "ready": ""}, state, pair.caller))
                ended.append(each["obligation_id"])
        if ended:
            await exposures.write()
        return told(stub, state, ended)

    async def expire(self, stub: ChaincodeStub, obligation_id: str) -> dict[str, Any]:
        """End an obligation that nobody agreed to by its deadline; by a client of either bank."""
        record = await existing(stub, obligation_id)
        pair = pair_of_record(record, require_client(stub))
        if format_time(stub.get_timestamp()) <= record["deadline"]:
            raise ConflictError(f"obligation {obligation_id} can be agreed until {record['deadline']}", "too_early")
        return await _end_proposed(stub, pair, record, EXPIRED)

    @reads_only
    async def get_obligation(self, stub: ChaincodeStub, obligation_id: str) -> dict[str, Any]:
        """Return an obligation without its details; anyone on the channel may call."""
        return await existing(stub, obligation_id)

    @reads_only
    async def get_obligations(self, stub: ChaincodeStub, ids: list[str]) -> list[dict[str, Any]]:
        """Return those of up to 100 obligations that exist, in the order asked; anyone on the channel may call."""
        found = await stub.get_multiple_states(*(keys.obligation(each) for each in require_ids(ids)))
        return [from_json(value) for value in found if value]

    @reads_only
    async def list_obligations(self, stub: ChaincodeStub, after: str) -> list[dict[str, Any]]:
        """Return up to 500 obligations by id, after ``after`` where it is given; anyone on the channel may call."""
        begin = keys.obligation(require_id(after, "after")) if after else ""
        return [from_json(value) for _, value in await page(stub, "obligation", begin, LISTED_MAX)]

    @reads_only
    async def get_details(self, stub: ChaincodeStub, obligation_id: str) -> dict[str, Any]:
        """Return an obligation's details; on a peer, and by a client, of a member of the two banks' collection."""
        record = await existing(stub, obligation_id)
        return (await details(stub, Pair(*record["banks"]), obligation_id)).fields()

    @reads_only
    async def get_pair_details(
        self, stub: ChaincodeStub, first: str, second: str, ids: list[str]
    ) -> list[dict[str, Any]]:
        """Return the details of up to 100 obligations of two banks, in the order asked; as ``get_details``."""
        pair = Pair(keys.require_organization(first), keys.require_organization(second))
        return [(await details(stub, pair, each)).fields() for each in require_ids(ids)]


async def _end_proposed(stub: ChaincodeStub, pair: Pair, record: dict[str, Any], state: str) -> dict[str, Any]:
    """End what nobody agreed to, with the one it is linked to."""
    due = [record, await of_pair(stub, record["linked"], pair)] if record["linked"] else [record]
    for each in due:
        if each["state"] != PROPOSED:
            raise ConflictError(f"obligation {each['obligation_id']} is {each['state']}", "wrong_state")
        await write(stub, stepped(stub, each, state, pair.caller))
    return told(stub, state, [each["obligation_id"] for each in due])


async def existing(stub: ChaincodeStub, obligation_id: str) -> dict[str, Any]:
    """Return an obligation's public record."""
    value = await stub.get_state(keys.obligation(require_id(obligation_id)))
    if not value:
        raise NotFoundError(f"there is no obligation {obligation_id}")
    record: dict[str, Any] = from_json(value)
    return record


async def details(stub: ChaincodeStub, pair: Pair, obligation_id: str) -> ObligationDetails:
    """Return an obligation's details, as they were proposed."""
    value = await stub.get_private_data(pair.collection, keys.details(obligation_id))
    if not value:
        raise NotFoundError(f"the details of obligation {obligation_id} are not there")
    return details_of(from_json(value))


def stepped(stub: ChaincodeStub, record: dict[str, Any], state: str, by: str) -> dict[str, Any]:
    """Return the record in its next state.

    Raises:
        ConflictError: the automaton has no such step.
    """
    if record["state"]:
        _require_transition(record, state)
    step = {
        "state": state,
        "by": by,
        "transaction_id": stub.get_tx_id(),
        "timestamp": format_time(stub.get_timestamp()),
    }
    return {**record, "state": state, "steps": [*record["steps"], step]}


async def write(stub: ChaincodeStub, record: dict[str, Any]) -> None:
    """Write an obligation's record."""
    await stub.put_state(keys.obligation(record["obligation_id"]), to_json(record))


def _require_transition(record: dict[str, Any], state: str) -> None:
    if state not in TRANSITIONS.get(record["state"], ()):
        raise ConflictError(
            f"obligation {record['obligation_id']} is {record['state']}: it does not become {state}", "wrong_state"
        )


async def of_pair(stub: ChaincodeStub, obligation_id: str, pair: Pair) -> dict[str, Any]:
    """Return an obligation's public record once it is between these two banks."""
    record = await existing(stub, obligation_id)
    if record["banks"] != pair.banks:
        raise AccessError(f"obligation {obligation_id} is not between {' and '.join(pair.banks)}")
    return record


async def _require_creditor(stub: ChaincodeStub, pair: Pair, obligation_id: str) -> None:
    if (await details(stub, pair, obligation_id)).creditor != pair.caller:
        raise AccessError(f"obligation {obligation_id}: only the creditor may do this")


def _item(item: Any) -> dict[str, str]:
    if not isinstance(item, dict) or tuple(sorted(item)) != _ITEM_FIELDS:
        raise ArgumentError(f"items holds something that is no object with {', '.join(_ITEM_FIELDS)}")
    if not all(isinstance(value, str) for value in item.values()):
        raise ArgumentError("items holds a field that is no text")
    bookings.require_time(item["deadline"], "deadline")
    if item["linked"]:
        require_id(item["linked"], "linked")
    return item


def _require_links(items: list[dict[str, str]], proposed: list[ObligationDetails]) -> None:
    """Links go both ways within one proposal, so that none waits for one that never comes."""
    by_id = {item["obligation_id"]: (item["linked"], each) for item, each in zip(items, proposed, strict=True)}
    for obligation_id, (linked, each) in by_id.items():
        back, other = by_id.get(linked, ("", each))
        if linked and back != obligation_id:
            raise ArgumentError(
                f"obligation {obligation_id}: the one it is linked to is not proposed with it, or not back"
            )
        if linked and (other.debtor, other.creditor) != (each.creditor, each.debtor):
            raise ArgumentError(f"obligation {obligation_id}: the one it is linked to goes the same way")
        if linked and other.asset == each.asset:
            raise ArgumentError(f"obligation {obligation_id}: the one it is linked to is in the same asset")


def _details(fields: Any, pair: Pair) -> ObligationDetails:
    try:
        told = details_of(fields)
    except ProofError as error:
        raise ArgumentError(str(error), error.reason) from None
    if sorted((told.debtor, told.creditor)) != pair.banks:
        raise ArgumentError(f"the details are not about {' and '.join(pair.banks)}")
    return told


def _new_record(item: dict[str, str], pair: Pair, told: ObligationDetails, arbiter: str) -> dict[str, Any]:
    return {
        "obligation_id": item["obligation_id"],
        "banks": pair.banks,
        "arbiter": arbiter,
        "proposer": pair.caller,
        "state": "",
        "commitment": told.commitment.hex(),
        "value": told.value.hex(),
        "deadline": item["deadline"],
        "linked": item["linked"],
        "ready": "",
        "cycle": "",
        "bookings": {},
        "books": bookings.OPEN,
        "steps": [],
    }


def _unanswered_steps(stub: ChaincodeStub, known: dict[str, Any], again: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of an obligation that may be proposed anew: nobody answered its proposer in time.

    Raises:
        ConflictError: it may not.
    """
    unanswered = known["state"] == PROPOSED and format_time(stub.get_timestamp()) > known["deadline"]
    alike = all(known[name] == again[name] for name in ("banks", "proposer"))
    if not unanswered or not alike or known["linked"] or again["linked"]:
        raise ConflictError(f"obligation {known['obligation_id']} was proposed before", "obligation_exists")
    steps: list[dict[str, Any]] = known["steps"]
    return steps


def told(stub: ChaincodeStub, state: str, ids: list[str]) -> dict[str, Any]:
    """Return, and tell as the transaction's event, which obligations are in which state now."""
    moved = {"state": state, "ids": ids}
    stub.set_event("Obligations", to_json(moved))
    return moved
