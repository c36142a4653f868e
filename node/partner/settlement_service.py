"""``SettlementService``: what this organization's own gateway and command line ask of it.

A payment's id is its settlement's: it names the payment in both banks' books and in every message of ISO 20022 about
it. What is asked of partners without ordering anything is ``partner_questions``.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from ledger.account import check_reference
from ledger.errors import InvalidValueError
from ledger.money import parse_amount_minor
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Call, Server
from node.access import Members
from node.partner.books import Books, InterbankAccounts
from node.partner.driver import SettlementDriver
from node.partner.errors import (
    NotCancellableError,
    PartnerUnavailableError,
    PaymentConflictError,
    PaymentNotFoundError,
    TransitionError,
    UnknownPartnerError,
)
from node.partner.link import PartnerLink
from node.partner.messages import timestamp
from node.partner.partner_service import guarded, parsed
from node.partner.returns import check_reason
from node.partner.settlement import Outgoing, ReceiverState
from node.partner.store import SettlementStore

log = structlog.get_logger(__name__)

SETTLEMENT_SERVICE = "dwaybank.partner.v1.SettlementService"

HOLD_LIFETIME = timedelta(minutes=2)
"""How long a customer's money stays held for a partner bank that does not answer."""

ANSWER_WITHIN_S = 6.0
"""A payment that takes longer is answered with its state; it goes on without its caller."""

ANSWER_MARGIN_S = 1.0
DESCRIPTION_LENGTH_MAX = 140


class SettlementService:
    """Serves the organization's own programs.

    Args:
        store: where settlements stand.
        books: the organization's books.
        driver: carries settlements on.
        links: the partner banks by MSP id.
        members: who issued which client certificate.
        now: clock.
        hold_lifetime: see ``HOLD_LIFETIME``.
    """

    def __init__(
        self,
        store: SettlementStore,
        books: Books,
        driver: SettlementDriver,
        links: Mapping[str, PartnerLink],
        members: Members,
        *,
        now: Callable[[], datetime],
        hold_lifetime: timedelta = HOLD_LIFETIME,
    ) -> None:
        self._store = store
        self._driver = driver
        self._links = links
        self._members = members
        self._now = now
        self._hold_lifetime = hold_lifetime
        self._accounts = InterbankAccounts(books)
        self._running: set[asyncio.Task[Outgoing]] = set()

    def register(self, server: Server) -> None:
        """Serve on a port."""
        for method, handler in (
            ("SendPayment", self.send_payment),
            ("GetPayment", self.get_payment),
            ("CancelPayment", self.cancel_payment),
            ("ReturnPayment", self.return_payment),
            ("ComparePositions", self.compare_positions),
        ):
            server.unary(f"/{SETTLEMENT_SERVICE}/{method}", guarded(handler))

    async def stop(self) -> None:
        """Let no payment run on; the worker of the next start continues each."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def send_payment(self, request: bytes, call: Call) -> bytes:
        """Begin a payment and carry it as far as it goes within the caller's patience."""
        self._members.require_own(call)
        order = parsed(partner_pb2.SendPaymentRequest, request)
        await self._require_partner("receiver_msp_id", order.receiver_msp_id, order.payment_id)
        asked = self._order(order)
        return partner_pb2.SendPaymentResponse(payment=await self._carried(asked, call)).SerializeToString()

    async def return_payment(self, request: bytes, call: Call) -> bytes:
        """Begin to send a received payment back, and carry that as far as it goes within the caller's patience."""
        self._members.require_own(call)
        order = parsed(partner_pb2.ReturnPaymentRequest, request)
        await self._require_partner("partner_msp_id", order.partner_msp_id, order.payment_id)
        asked = await self._return_order(order)
        return partner_pb2.ReturnPaymentResponse(payment=await self._carried(asked, call)).SerializeToString()

    async def cancel_payment(self, request: bytes, call: Call) -> bytes:
        """Give up a payment whose money was not yet taken."""
        self._members.require_own(call)
        payment_id = check_uuid(parsed(partner_pb2.CancelPaymentRequest, request).payment_id)
        known = await self._existing(payment_id)
        settlement = await self._driver.cancel(known.settlement_id)
        return partner_pb2.CancelPaymentResponse(payment=_payment(settlement)).SerializeToString()

    async def _require_partner(self, field: str, msp_id: str, payment_id: str) -> None:
        """Refuse an order to a bank that is no partner; one taken while it was one is answered as it stands."""
        if msp_id in self._links:
            return
        if await self._store.outgoing_by_payment(check_uuid(payment_id)) is None:
            raise UnknownPartnerError(f"{field} {msp_id!r}: not a partner bank of this node")

    async def _carried(self, asked: Outgoing, call: Call) -> partner_pb2.Payment:
        ordered = await self._store.add_outgoing(asked)
        if not _same_order(ordered, asked):
            raise PaymentConflictError(f"payment_id {asked.payment_id}: stands for another order; choose a new one")
        task = asyncio.create_task(self._driver.drive(ordered.settlement_id))
        self._running.add(task)
        task.add_done_callback(self._finished)
        done, _ = await asyncio.wait({task}, timeout=_patience_s(call))
        # Where a person must look first, the order stands all the same: its caller is told how far it came.
        ended = done and not isinstance(task.exception(), TransitionError)
        return _payment(task.result() if ended else await self._store.outgoing(ordered.settlement_id))

    def _finished(self, task: asyncio.Task[Outgoing]) -> None:
        """Forget a payment that its caller no longer waits for; whatever stopped it, the worker takes it up."""
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("settlement.left_to_worker", reason=str(error))

    async def get_payment(self, request: bytes, call: Call) -> bytes:
        """Return a payment as it stands."""
        self._members.require_own(call)
        payment_id = check_uuid(parsed(partner_pb2.GetPaymentRequest, request).payment_id)
        settlement = await self._existing(payment_id)
        return partner_pb2.GetPaymentResponse(payment=_payment(settlement)).SerializeToString()

    async def _existing(self, payment_id: uuid.UUID) -> Outgoing:
        settlement = await self._store.outgoing_by_payment(payment_id)
        if settlement is None:
            raise PaymentNotFoundError(f"payment_id {payment_id}: no such payment")
        return settlement

    async def compare_positions(self, request: bytes, call: Call) -> bytes:
        """Ask every partner for our position in his books and set it beside ours."""
        self._members.require_own(call)
        parsed(partner_pb2.ComparePositionsRequest, request)
        known = await self._store.partner_assets()
        reply = partner_pb2.ComparePositionsResponse()
        for partner, link in self._links.items():
            theirs = await _positions(link)
            assets = {asset for msp_id, asset in known if msp_id == partner} | set(theirs or {})
            for asset in sorted(assets):
                # What he owes us by our books: the negative of what we owe him, net.
                own = -await self._accounts.net_position(partner, asset)
                stated = None if theirs is None else theirs.get(asset, 0)
                reply.comparisons.add(
                    partner_msp_id=partner,
                    asset=asset,
                    own_minor=str(own),
                    partner_minor="" if stated is None else str(stated),
                    agree=stated == own,
                )
        return reply.SerializeToString()

    def _order(self, asked: partner_pb2.SendPaymentRequest) -> Outgoing:
        if not 0 < len(asked.asset) <= 16 or not asked.asset.isascii() or not asked.asset.isalnum():
            raise InvalidValueError("asset", asked.asset, "give an asset code such as EUR")
        if asked.quote_id:
            check_uuid(asked.quote_id, "quote_id")
        now, payment_id = self._now(), check_uuid(asked.payment_id)
        return Outgoing(
            settlement_id=str(payment_id),
            payment_id=payment_id,
            receiver_msp_id=asked.receiver_msp_id,
            debtor_account=check_reference(asked.debtor_account, "debtor_account"),
            beneficiary_account=check_reference(asked.beneficiary_account, "beneficiary_account"),
            asset=asked.asset,
            amount=parse_amount_minor(asked.amount_minor, "amount_minor"),
            description=_description(asked.description),
            ordered_at=now,
            deadline=now + self._hold_lifetime,
            quote_id=asked.quote_id,
        )

    async def _return_order(self, asked: partner_pb2.ReturnPaymentRequest) -> Outgoing:
        received = await self._store.incoming(asked.partner_msp_id, asked.settlement_id)
        if received is None:
            raise PaymentNotFoundError(
                f"settlement_id {asked.settlement_id}: {asked.partner_msp_id} sent no such payment"
            )
        if received.state is not ReceiverState.COMPLETED or received.return_of or received.quote_id:
            told = "a return" if received.return_of else "under a quote" if received.quote_id else received.state.value
            raise NotCancellableError(
                f"settlement_id {asked.settlement_id}: is {told}; only a completed payment without a quote is sent back"
            )
        now, payment_id = self._now(), check_uuid(asked.payment_id)
        return Outgoing(
            settlement_id=str(payment_id),
            payment_id=payment_id,
            receiver_msp_id=asked.partner_msp_id,
            debtor_account=received.beneficiary_account,
            beneficiary_account="",
            asset=received.asset,
            amount=received.amount,
            description=_description(asked.description),
            ordered_at=now,
            deadline=now + self._hold_lifetime,
            return_of=received.settlement_id,
            return_reason=check_reason(asked.reason),
        )


def _description(text: str) -> str:
    if len(text) > DESCRIPTION_LENGTH_MAX or "\x00" in text:
        raise InvalidValueError("description", text, f"at most {DESCRIPTION_LENGTH_MAX} characters")
    return text


async def _positions(link: PartnerLink) -> dict[str, int] | None:
    """Return the partner's statement, None where he does not answer: then nothing is said to agree."""
    try:
        return await link.positions()
    except PartnerUnavailableError:
        return None


def _patience_s(call: Call) -> float:
    if call.deadline is None:
        return ANSWER_WITHIN_S
    return max(0.0, min(ANSWER_WITHIN_S, call.deadline - time.monotonic() - ANSWER_MARGIN_S))


def _same_order(known: Outgoing, asked: Outgoing) -> bool:
    def said(order: Outgoing) -> tuple[object, ...]:
        accounts = (order.receiver_msp_id, order.debtor_account, order.beneficiary_account)
        more = (order.quote_id, order.return_of, order.return_reason)
        return *accounts, order.asset, order.amount, order.description, *more

    return said(known) == said(asked)


def _payment(settlement: Outgoing) -> partner_pb2.Payment:
    return partner_pb2.Payment(
        payment_id=str(settlement.payment_id),
        settlement_id=settlement.settlement_id,
        state=settlement.state.value,
        refusal=settlement.refusal,
        seq=settlement.seq or 0,
        partner_seq=settlement.partner_seq or 0,
        agreed_reference=settlement.agreed_reference,
        debtor_account=settlement.debtor_account,
        amount_minor=str(settlement.amount),
        asset=settlement.asset,
        receiver_msp_id=settlement.receiver_msp_id,
        beneficiary_account=settlement.beneficiary_account,
        quote_id=settlement.quote_id,
        return_of=settlement.return_of,
        return_reason=settlement.return_reason,
        ordered_at=timestamp(settlement.ordered_at),
        return_seq=settlement.return_seq or 0,
    )


def check_uuid(text: str, field: str = "payment_id") -> uuid.UUID:
    """Return a UUID written in full.

    Raises:
        InvalidValueError: it is not.
    """
    try:
        parsed_id = uuid.UUID(text)
    except ValueError as error:
        raise InvalidValueError(field, text, "give a UUID") from error
    if str(parsed_id) != text.lower():
        raise InvalidValueError(field, text, "write the UUID with its hyphens")
    return parsed_id
