"""``ObligationService``: what this bank's own programs ask and do about obligations on the shared ledger."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from google.protobuf.message import Message

from ledger.errors import InvalidValueError
from network.errors import GatewayError, ProofError
from network.obligation import SALT_BYTES, SETTLEMENT
from network.pb.dwaybank.partner.v1 import obligations_pb2 as pb
from network.rpc import Call, RpcError, Server, StatusCode
from node.access import Members
from node.partner.messages import timestamp
from node.partner.obligation import Recorded
from node.partner.obligation_breaks import Break, Reconciler
from node.partner.obligation_chain import SettlementChain, refusal_code
from node.partner.obligation_driver import ObligationDriver
from node.partner.obligation_store import START, ObligationStore, Place
from node.partner.partner_service import guarded, parsed

OBLIGATION_SERVICE = "dwaybank.partner.v1.ObligationService"

PAGE_SIZE = 100
PAGE_SIZE_MAX = 500

NO_CONTRACT = (
    f"this node's settings approve no contract {SETTLEMENT!r}: add it to every member's node.yaml, as "
    "docs/settlement.md says under 'Consortiums that exist already', and start the consortium again"
)

STEPS = {"settle": "Settle", "return": "ReturnObligation", "cancel": "Cancel", "expire": "Expire", "book": "Book"}
TERMS = {"limit": "SetLimit", "collateral": "SetCollateral", "cut_off": "SetCutOff"}

_ID = re.compile(r"[0-9a-f]{32}")
_CODES = {
    "not_found": StatusCode.NOT_FOUND,
    "access_denied": StatusCode.PERMISSION_DENIED,
    "bad_argument": StatusCode.INVALID_ARGUMENT,
}
_R = TypeVar("_R", bound=Message)


class ObligationService:
    """Serves the bank's own programs.

    Args:
        own_msp_id: this bank.
        partners: the banks it settles with.
        store: completed settlements and their obligations.
        chain: the contract; None where this node's settings approve none.
        driver: brings obligations onto the shared ledger.
        reconciler: compares books and shared ledger.
        members: who issued which client certificate.
        random_bytes: source of salts.
    """

    def __init__(
        self,
        own_msp_id: str,
        *,
        partners: frozenset[str],
        store: ObligationStore,
        chain: SettlementChain | None,
        driver: ObligationDriver | None,
        reconciler: Reconciler | None,
        members: Members,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._own_msp_id = own_msp_id
        self._partners = partners
        self._store = store
        self._known_chain = chain
        self._driver = driver
        self._reconciler = reconciler
        self._members = members
        self._random_bytes = random_bytes

    def register(self, server: Server) -> None:
        """Serve all methods on a server or port."""
        self._offer(server, "ListObligations", pb.ListObligationsRequest, self.list_obligations)
        self._offer(server, "GetObligation", pb.GetObligationRequest, self.get_obligation)
        self._offer(server, "MoveObligation", pb.MoveObligationRequest, self.move_obligation)
        self._offer(server, "Reconcile", pb.ReconcileRequest, self.reconcile)
        self._offer(server, "GetTerms", pb.GetTermsRequest, self.get_terms)
        self._offer(server, "SetTerm", pb.SetTermRequest, self.set_term)

    def _offer(self, server: Server, method: str, kind: type[_R], handle: Callable[[_R], Awaitable[Message]]) -> None:
        async def serve(request: bytes, call: Call) -> bytes:
            self._members.require_own(call)
            asked = parsed(kind, request)
            try:
                return (await handle(asked)).SerializeToString()
            except GatewayError as error:
                raise _rpc_error_of(error) from error

        server.unary(f"/{OBLIGATION_SERVICE}/{method}", guarded(serve))

    async def list_obligations(self, asked: pb.ListObligationsRequest) -> pb.ListObligationsResponse:
        """Return a page of obligations as this bank knows them."""
        size = asked.page_size or PAGE_SIZE
        if not 1 <= size <= PAGE_SIZE_MAX:
            raise InvalidValueError("page_size", str(size), f"give 1 to {PAGE_SIZE_MAX}")
        partner = self._partner(asked.partner_msp_id) if asked.partner_msp_id else ""
        found = await self._store.listed(
            partner=partner, state=asked.state, breaks=asked.breaks, after=_place(asked.page_token), count_max=size + 1
        )
        reply = pb.ListObligationsResponse(obligations=[message_of(each) for each in found[:size]])
        if len(found) > size:
            reply.next_page_token = _token(found[size - 1])
        return reply

    async def get_obligation(self, asked: pb.GetObligationRequest) -> pb.GetObligationResponse:
        """Return an obligation as the shared ledger has it."""
        record = await self._chain.read("GetObligation", _id(asked.obligation_id))
        names = ("obligation_id", "banks", "arbiter", "state", "books", "deadline", "linked", "cycle")
        reply = pb.GetObligationResponse(
            **{name: record[name] for name in names},
            commitment=bytes.fromhex(record["commitment"]),
            bookings=_bookings(record),
        )
        for step in record["steps"]:
            told = {name: step[name] for name in ("state", "by", "transaction_id")}
            reply.steps.add(**told, taken_at=step["timestamp"])
        try:
            details = await self._chain.details(asked.obligation_id)
        except (GatewayError, ProofError):
            # Another bank's, or not here yet: what is public is all there is to tell.
            return reply
        reply.details.CopyFrom(
            pb.ObligationDetails(
                debtor=details.debtor,
                creditor=details.creditor,
                asset=details.asset,
                amount_minor=str(details.amount),
                value_date=details.value_date.isoformat(),
                settlement_id=details.reference,
            )
        )
        return reply

    async def move_obligation(self, asked: pb.MoveObligationRequest) -> pb.MoveObligationResponse:
        """Take the next step of an obligation, as this bank."""
        obligation_id = _id(asked.obligation_id)
        if asked.step not in STEPS:
            raise InvalidValueError("step", asked.step, f"give one of {', '.join(STEPS)}")
        chain = self._chain
        if asked.step == "settle":
            record = await chain.read("GetObligation", obligation_id)
            others = [bank for bank in record["banks"] if bank != self._own_msp_id]
            await chain.call("Settle", others[0], json.dumps([obligation_id]))
        elif asked.step == "book":
            await self._book(obligation_id)
        else:
            await chain.call(STEPS[asked.step], obligation_id)
        await self._store.wake(datetime.now(UTC), [obligation_id])
        record = await chain.read("GetObligation", obligation_id)
        return pb.MoveObligationResponse(state=record["state"], books=record["books"])

    async def _book(self, obligation_id: str) -> None:
        recorded = await self._store.find(obligation_id)
        assert self._driver is not None
        if recorded is None:
            raise InvalidValueError("obligation_id", obligation_id, "no settlement of this bank is behind it")
        await self._driver.book_again(recorded)

    async def reconcile(self, asked: pb.ReconcileRequest) -> pb.ReconcileResponse:
        """Compare this bank's books, both banks' bookings and the shared ledger."""
        partner = self._partner(asked.partner_msp_id) if asked.partner_msp_id else ""
        self._require_contract()
        assert self._reconciler is not None
        compared, breaks = await self._reconciler.compare(partner)
        return pb.ReconcileResponse(compared=compared, breaks=[_break(each) for each in breaks])

    async def get_terms(self, asked: pb.GetTermsRequest) -> pb.GetTermsResponse:
        """Return the terms between this bank and a partner."""
        told = await self._chain.read("GetTerms", self._partner(asked.partner_msp_id))
        reply = pb.GetTermsResponse()
        kinds = {"limits": "limit", "collateral": "collateral", "cut_offs": "cut_off", "debts": "debt"}
        for name, kind in kinds.items():
            for bank, by_asset in sorted(told[name].items()):
                for asset, value in sorted(by_asset.items()):
                    reply.terms.add(kind=kind, bank=bank, asset=asset, value=value)
        return reply

    async def set_term(self, asked: pb.SetTermRequest) -> pb.SetTermResponse:
        """Set a term, as this bank."""
        if asked.kind not in TERMS:
            raise InvalidValueError("kind", asked.kind, f"give one of {', '.join(TERMS)}")
        term = {"asset": asked.asset, "value": asked.value, "salt": self._random_bytes(SALT_BYTES).hex()}
        await self._chain.call(TERMS[asked.kind], self._partner(asked.partner_msp_id), term=term)
        return pb.SetTermResponse()

    @property
    def _chain(self) -> SettlementChain:
        self._require_contract()
        assert self._known_chain is not None
        return self._known_chain

    def _require_contract(self) -> None:
        if self._known_chain is None:
            raise RpcError(StatusCode.FAILED_PRECONDITION, NO_CONTRACT)

    def _partner(self, msp_id: str) -> str:
        if msp_id not in self._partners:
            raise InvalidValueError("partner_msp_id", msp_id, f"give one of {', '.join(sorted(self._partners))}")
        return msp_id


def message_of(recorded: Recorded) -> pb.Obligation:
    """Return an obligation as this bank knows it."""
    return pb.Obligation(
        obligation_id=recorded.obligation_id or "",
        settlement_id=recorded.settlement_id,
        partner_msp_id=recorded.partner_msp_id,
        outgoing=recorded.outgoing,
        asset=recorded.asset,
        amount_minor=str(recorded.amount),
        seq=recorded.seq,
        state=recorded.state,
        books=recorded.books,
        note=recorded.note,
        completed_at=timestamp(recorded.completed_at),
    )


def _break(found: Break) -> pb.Break:
    reply = pb.Break(kind=found.kind, explanation=found.explanation)
    if found.recorded is not None:
        reply.obligation.CopyFrom(message_of(found.recorded))
    reply.obligation.obligation_id = found.obligation_id
    if found.own_booked is not None:
        reply.own_booked_minor = str(found.own_booked)
    if found.record is not None:
        reply.bookings.extend(_bookings(found.record))
    for evidence, received_at in found.evidence:
        reply.evidence.add(
            kind=evidence.kind,
            payload=evidence.payload,
            creator=evidence.creator,
            signature=evidence.signature,
            received_at=timestamp(received_at),
        )
    return reply


def _bookings(record: Mapping[str, Any]) -> list[pb.Booking]:
    return [
        pb.Booking(
            by=bank,
            commitment=bytes.fromhex(said["booking"]),
            transaction_id=said["transaction_id"],
            taken_at=said["timestamp"],
            fits=said["booking"] == record["commitment"],
        )
        for bank, all_said in sorted(record["bookings"].items())
        for said in all_said
    ]


def _rpc_error_of(error: GatewayError) -> RpcError:
    """Return what the contract's refusal, or the peer's silence, means to the caller."""
    code = refusal_code(error)
    if not code:
        return RpcError(StatusCode.UNAVAILABLE, f"the shared ledger does not answer now, ask again: {error}")
    return RpcError(_CODES.get(code, StatusCode.FAILED_PRECONDITION), str(error))


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise InvalidValueError("obligation_id", text[:64], "give 32 hex digits")
    return text


def _token(recorded: Recorded) -> str:
    place = [recorded.completed_at.isoformat(), recorded.outgoing, recorded.settlement_id]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place(token: str) -> Place:
    if not token:
        return START
    try:
        at, outgoing, settlement_id = json.loads(base64.urlsafe_b64decode(token.encode()))
        place = Place(datetime.fromisoformat(at), bool(outgoing), str(settlement_id))
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidValueError("page_token", token[:64], "give the token of the page before") from error
    if place.completed_at.tzinfo is None:
        raise InvalidValueError("page_token", token[:64], "give the token of the page before")
    return place
