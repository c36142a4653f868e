"""``ObligationService``: what this bank's own programs ask and do about obligations on the shared ledger."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ledger.errors import InvalidValueError
from ledger.money import ASSET_CODE, parse_amount_minor
from network.errors import GatewayError, ProofError
from network.obligation import SALT_BYTES, ObligationDetails, obligation_id_of
from network.pb.dwaybank.partner.v1 import obligations_pb2 as pb
from network.rpc import Server
from node.partner.messages import timestamp
from node.partner.obligation import Recorded
from node.partner.obligation_breaks import Break, Reconciler
from node.partner.obligation_chain import SettlementChain
from node.partner.obligation_driver import ObligationDriver
from node.partner.obligation_serving import ObligationServing, require_id
from node.partner.obligation_store import START, ObligationStore, Place

OBLIGATION_SERVICE = "dwaybank.partner.v1.ObligationService"

PAGE_SIZE = 100
PAGE_SIZE_MAX = 500
ANSWER_WITHIN_S = 86_400
ANSWER_WITHIN_S_MAX = 90 * ANSWER_WITHIN_S
REFERENCE_BYTES = 16

STEPS = ("agree", "settle", "return", "cancel", "expire", "book")
FUNCTIONS = {"return": "ReturnObligation", "cancel": "Cancel", "expire": "Expire"}
TERMS = {"limit": "SetLimit", "collateral": "SetCollateral", "cut_off": "SetCutOff"}


class ObligationService:
    """Serves the bank's own programs.

    Args:
        own_msp_id: this bank.
        partners: the banks it settles with.
        store: completed settlements and their obligations.
        serving: offers methods, and has the contract.
        driver: brings obligations onto the shared ledger.
        reconciler: compares books and shared ledger.
        arbiter: member who decides disputes; '' for none.
        now: the clock, UTC.
        random_bytes: source of salts.
    """

    def __init__(
        self,
        own_msp_id: str,
        *,
        partners: frozenset[str],
        store: ObligationStore,
        serving: ObligationServing,
        driver: ObligationDriver | None,
        reconciler: Reconciler | None,
        arbiter: str,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._arbiter = arbiter
        self._own_msp_id = own_msp_id
        self._partners = partners
        self._store = store
        self._serving = serving
        self._driver = driver
        self._reconciler = reconciler
        self._now = now
        self._random_bytes = random_bytes

    def register(self, server: Server) -> None:
        """Serve all methods on a server or port."""
        offer = self._serving
        offer.own(server, OBLIGATION_SERVICE, "ListObligations", pb.ListObligationsRequest, self.list_obligations)
        offer.own(server, OBLIGATION_SERVICE, "GetObligation", pb.GetObligationRequest, self.get_obligation)
        offer.own(server, OBLIGATION_SERVICE, "MoveObligation", pb.MoveObligationRequest, self.move_obligation)
        offer.own(server, OBLIGATION_SERVICE, "ProposeExchange", pb.ProposeExchangeRequest, self.propose_exchange)
        offer.own(server, OBLIGATION_SERVICE, "Reconcile", pb.ReconcileRequest, self.reconcile)
        offer.own(server, OBLIGATION_SERVICE, "GetTerms", pb.GetTermsRequest, self.get_terms)
        offer.own(server, OBLIGATION_SERVICE, "SetTerm", pb.SetTermRequest, self.set_term)

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
        obligation_id = require_id("obligation_id", asked.obligation_id)
        record = await self._chain.read("GetObligation", obligation_id)
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
            details = await self._chain.details(obligation_id)
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
        obligation_id = require_id("obligation_id", asked.obligation_id)
        if asked.step not in STEPS:
            raise InvalidValueError("step", asked.step, f"give one of {', '.join(STEPS)}")
        chain = self._chain
        if asked.step == "settle":
            record = await chain.read("GetObligation", obligation_id)
            others = [bank for bank in record["banks"] if bank != self._own_msp_id]
            await chain.call("Settle", others[0], json.dumps([obligation_id]))
        elif asked.step == "agree":
            record = await chain.read("GetObligation", obligation_id)
            both = [obligation_id, record["linked"]] if record["linked"] else [obligation_id]
            await chain.agree(record["proposer"], [(each, "") for each in both])
        elif asked.step == "book":
            await self._book(obligation_id)
        else:
            await chain.call(FUNCTIONS[asked.step], obligation_id)
        await self._store.wake(self._now(), [obligation_id])
        record = await chain.read("GetObligation", obligation_id)
        return pb.MoveObligationResponse(state=record["state"], books=record["books"])

    async def _book(self, obligation_id: str) -> None:
        recorded = await self._store.find(obligation_id)
        assert self._driver is not None
        if recorded is None:
            raise InvalidValueError("obligation_id", obligation_id, "no settlement of this bank is behind it")
        await self._driver.book_again(recorded)

    async def propose_exchange(self, asked: pb.ProposeExchangeRequest) -> pb.ProposeExchangeResponse:
        """Propose a payment versus payment to a partner."""
        partner = self._partner(asked.partner_msp_id)
        within_s = asked.answer_within_s or ANSWER_WITHIN_S
        if not 0 < within_s <= ANSWER_WITHIN_S_MAX:
            raise InvalidValueError("answer_within_s", str(within_s), f"give 1 to {ANSWER_WITHIN_S_MAX}")
        now, reference = self._now(), asked.reference or self._random_bytes(REFERENCE_BYTES).hex()
        ways = (
            ("give", self._own_msp_id, partner, asked.give_asset, asked.give_amount_minor),
            ("take", partner, self._own_msp_id, asked.take_asset, asked.take_amount_minor),
        )
        proposed = []
        for way, debtor, creditor, asset, amount in ways:
            minor = parse_amount_minor(amount, f"{way}_amount_minor")
            salt = self._random_bytes(SALT_BYTES)
            told = ObligationDetails(debtor, creditor, asset, minor, now.date(), f"{reference}/{way}", salt)
            proposed.append((obligation_id_of(self._own_msp_id, f"{reference}/{way}"), told, ""))
        deadline = now + timedelta(seconds=within_s)
        await self._chain.propose(partner, self._arbiter, deadline, proposed, linked=True)
        return pb.ProposeExchangeResponse(give_obligation_id=proposed[0][0], take_obligation_id=proposed[1][0])

    async def reconcile(self, asked: pb.ReconcileRequest) -> pb.ReconcileResponse:
        """Compare this bank's books, both banks' bookings and the shared ledger."""
        partner = self._partner(asked.partner_msp_id) if asked.partner_msp_id else ""
        chain = self._chain
        assert chain is not None
        assert self._reconciler is not None
        found = await self._reconciler.compare(partner)
        breaks = [_break(each) for each in found.breaks]
        return pb.ReconcileResponse(compared=found.compared, breaks=breaks, break_count=found.break_count)

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
        if asked.value and not ASSET_CODE.fullmatch(asked.asset):
            # The contract would keep it, and limit nothing by it.
            raise InvalidValueError("asset", asked.asset, "give a code as the books register it, such as EUR")
        term = {"asset": asked.asset, "value": asked.value, "salt": self._random_bytes(SALT_BYTES).hex()}
        await self._chain.call(TERMS[asked.kind], self._partner(asked.partner_msp_id), term=term)
        return pb.SetTermResponse()

    @property
    def _chain(self) -> SettlementChain:
        return self._serving.chain

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
