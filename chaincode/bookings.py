"""Whether two banks booked what they agreed on: each anchors a commitment, and the contract compares.

- A booking is the commitment that the obligation itself has (``network/obligation.py``), made from what stands in the
  bank's own books, under the salt both know. No amount is shown to anybody.
- ``open`` without a booking, ``one_sided`` with one that fits, ``agreed`` when both fit; ``diverged`` as soon as one
  does not fit what both agreed on. Which of the two it is, everybody sees.
- A booking that fits is never replaced. One that does not may be put right, once the books are: the record keeps
  every booking with its transaction, so what was said first stays said.
- ``diverged~<id>`` stands exactly while it is diverged, so that any member finds what diverged without reading all.
"""

from __future__ import annotations

import re
from typing import Any

from chaincode import keys
from chaincode.callers import require_client
from chaincode.contract import Contract, reads_only
from chaincode.encoding import decode_hex, format_time, from_json, to_json
from chaincode.errors import ArgumentError, ConflictError, NotFoundError
from chaincode.pages import page
from chaincode.pairs import pair_of_record, require_id
from chaincode.shim.stub import ChaincodeStub

OPEN, ONE_SIDED, AGREED, DIVERGED = "open", "one_sided", "agreed", "diverged"

COMMITMENT_BYTES = 32
BOOKINGS_MAX = 10
"""Most bookings of one bank for one obligation: who does not get it right by then has a dispute."""

LISTED_MAX = 500

_TIME = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z")


class BookingsContract(Contract):
    """Takes bookings and tells which diverged."""

    async def book(self, stub: ChaincodeStub, obligation_id: str, booking: str) -> dict[str, Any]:
        """Anchor what the caller's bank booked for an obligation; by a client of either bank.

        Args:
            booking: hex commitment.
        """
        value = await stub.get_state(keys.obligation(require_id(obligation_id)))
        if not value:
            raise NotFoundError(f"there is no obligation {obligation_id}")
        record = from_json(value)
        pair = pair_of_record(record, require_client(stub))
        moved = await booked(stub, record, pair.caller, booking)
        await stub.put_state(keys.obligation(obligation_id), to_json(moved))
        stub.set_event("Booking", to_json({"obligation_id": obligation_id, "by": pair.caller, "books": moved["books"]}))
        return moved

    @reads_only
    async def list_diverged(self, stub: ChaincodeStub, after: str) -> list[dict[str, Any]]:
        """Return up to 500 obligations whose bookings diverge, ids after ``after``; anyone on the channel may call."""
        begin = keys.diverged(require_id(after, "after")) if after else ""
        marks = await page(stub, "diverged", begin, LISTED_MAX)
        ids = [key.partition("~")[2] for key, _ in marks]
        found = await stub.get_multiple_states(*(keys.obligation(each) for each in ids)) if ids else []
        return [from_json(value) for value in found]


async def booked(stub: ChaincodeStub, record: dict[str, Any], by: str, booking: str) -> dict[str, Any]:
    """Return a record with a bank's booking in it, and mark or unmark it as diverged."""
    decode_hex(booking, "booking", COMMITMENT_BYTES)
    known = record["bookings"].get(by, [])
    if known and known[-1]["booking"] == record["commitment"]:
        raise ConflictError(f"obligation {record['obligation_id']}: {by} booked it as agreed", "already_booked")
    if len(known) >= BOOKINGS_MAX:
        raise ConflictError(f"obligation {record['obligation_id']}: {by} booked it too often", "too_many_bookings")
    said = {
        "booking": booking,
        "transaction_id": stub.get_tx_id(),
        "timestamp": format_time(stub.get_timestamp()),
    }
    moved = {**record, "bookings": {**record["bookings"], by: [*known, said]}}
    moved["books"] = _books(moved)
    mark = keys.diverged(record["obligation_id"])
    if moved["books"] == DIVERGED:
        await stub.put_state(mark, to_json({"obligation_id": record["obligation_id"]}))
    elif record["books"] == DIVERGED:
        await stub.del_state(mark)
    return moved


def differing(record: dict[str, Any]) -> list[str]:
    """Return the banks whose newest booking is not what was agreed."""
    return sorted(bank for bank, said in record["bookings"].items() if said[-1]["booking"] != record["commitment"])


def _books(record: dict[str, Any]) -> str:
    if differing(record):
        return DIVERGED
    return (OPEN, ONE_SIDED, AGREED)[len(record["bookings"])]


def require_time(text: str, what: str) -> str:
    """Return a time in the one form in which the ledger writes them, so that times compare as texts."""
    if not _TIME.fullmatch(text):
        raise ArgumentError(f"{what} is {text[:40]!r}, not a UTC time such as 2026-03-01T12:00:00.000000Z")
    return text
