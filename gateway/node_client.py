"""Speaks to the organization's own node: ledger, settlement and audit services over mutual TLS.

Messages are built and read here and nowhere else; the rest of the gateway sees small dataclasses and the errors of
``gateway.errors``. A call that may or may not have happened ends as ``UnavailableError``: every call here is safe to
repeat, because it carries the transfer's own id.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import structlog
from google.protobuf.message import DecodeError, Message

from gateway.errors import (
    ConflictError,
    CustomerGatewayError,
    NodeRefusesError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from network.errors import RpcError
from network.pb.dwaybank.audit.v1 import audit_pb2
from network.pb.dwaybank.ledger.v1 import ledger_pb2
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Channel, StatusCode

log = structlog.get_logger(__name__)

LEDGER = "/dwaybank.ledger.v1.LedgerService"
SETTLEMENT = "/dwaybank.partner.v1.SettlementService"
AUDIT = "/dwaybank.audit.v1.AuditService"
HEALTH = "/grpc.health.v1.Health/Check"
DONE_CODES = frozenset({"posted", "exists"})
"""Result codes of an entry that stands in the books."""

DATED_OTHERWISE = "exists_with_different_body"
"""Result code of an order that an older gateway posted with a time of its own and could not note as posted."""

NOBODYS = "gateway:ready"
"""Account that is asked for to learn whether the node takes this gateway's certificate."""

NOT_AN_ORDER = "invalid"
"""Code of what the node cannot read as a request of its kind, today and tomorrow."""

ARCHIVED = "archived"
"""Code of what the books keep in files."""

_UNAVAILABLE = "node_unavailable", "the bank's books do not answer now: nothing is lost, send it again"
_REFUSES = (StatusCode.PERMISSION_DENIED, StatusCode.UNAUTHENTICATED)

_Reply = TypeVar("_Reply", bound=Message)


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds, in minor units."""

    account: str
    asset: str
    balance_minor: int
    held_minor: int
    available_minor: int
    status: str


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement of an account."""

    seq: int
    is_credit: bool
    amount_minor: int
    balance_after_minor: int
    posted_at: datetime
    effective_at: datetime
    settlement_id: str
    description: str


@dataclass(frozen=True, slots=True)
class InternalTransfer:
    """An order inside the bank, ready to be posted."""

    transfer_id: uuid.UUID
    debtor_account: str
    creditor_account: str
    amount_minor: int
    description: str


@dataclass(frozen=True, slots=True)
class PartnerPayment:
    """An order to a partner bank, ready to be sent."""

    transfer_id: uuid.UUID
    debtor_account: str
    partner_msp_id: str
    beneficiary_account: str
    asset: str
    amount_minor: int
    description: str


@dataclass(frozen=True, slots=True)
class EntryOutcome:
    """What the books did with an entry."""

    code: str
    message: str
    seq: int
    decision: str

    @property
    def is_posted(self) -> bool:
        """Tell whether the entry stands in the books."""
        return self.code in DONE_CODES


@dataclass(frozen=True, slots=True)
class EntryStanding:
    """How far an entry has come (posted, sealed, anchored, attested), and its compliance decision."""

    state: str
    decision: str


@dataclass(frozen=True, slots=True)
class PaymentOutcome:
    """Where a payment to a partner bank stands."""

    state: str
    refusal: str
    seq: int
    settlement_id: str


class NodeClient:
    """The gateway's view of its node.

    Args:
        channel: connection to the node's one port.
        timeout_s: patience for one call.
    """

    def __init__(self, channel: Channel, *, timeout_s: float) -> None:
        self._channel = channel
        self._timeout_s = timeout_s
        self._refused = ""

    async def ping(self) -> None:
        """Ask the node's health service, which answers any member, and whether it takes this gateway's certificate.

        Raises:
            UnavailableError: no answer, or it does not.
        """
        try:
            await self._channel.unary(HEALTH, b"", timeout_s=self._timeout_s)
        except RpcError as error:
            raise _unavailable() from error
        request = ledger_pb2.GetAccountRequest(account=NOBODYS)
        try:
            await self._call(f"{LEDGER}/GetAccount", request, ledger_pb2.GetAccountResponse)
        except NodeRefusesError:
            raise
        except CustomerGatewayError:
            return  # nobody has this account, and how the books are is not asked here

    async def open_account(self, account: str, asset: str) -> Balance:
        """Open a customer's account in the books: a liability of the bank that may not fall below zero.

        Raises:
            RefusedError: the books do not know the asset.
        """
        request = ledger_pb2.OpenAccountRequest(
            account=account, asset=asset, normal_side=ledger_pb2.SIDE_CREDIT, floor_minor="0"
        )
        reply = await self._call(f"{LEDGER}/OpenAccount", request, ledger_pb2.OpenAccountResponse)
        return _as_balance(reply.account)

    async def balance(self, account: str) -> Balance:
        """Return an account's balance as the books state it now."""
        request = ledger_pb2.GetAccountRequest(account=account)
        reply = await self._call(f"{LEDGER}/GetAccount", request, ledger_pb2.GetAccountResponse)
        return _as_balance(reply.account)

    async def statement(self, account: str, page_size: int, page_token: str) -> tuple[list[StatementLine], str]:
        """Return a page of an account's movements, newest first, and the next page's token."""
        request = ledger_pb2.GetStatementRequest(account=account, page_size=page_size, page_token=page_token)
        reply = await self._call(f"{LEDGER}/GetStatement", request, ledger_pb2.GetStatementResponse)
        return [_as_line(line) for line in reply.lines], reply.next_page_token

    async def post_transfer(self, transfer: InternalTransfer) -> EntryOutcome:
        """Post a transfer inside the bank; its id is the entry's permanent idempotency key.

        It counts for the time of its posting, which the node gives: a gateway's clock may leap, the books' clock is
        guarded against that, and no period that closed meanwhile stands in the way.
        """
        amount = str(transfer.amount_minor)
        entry = ledger_pb2.NewEntry(
            idempotency_key=str(transfer.transfer_id),
            postings=[
                ledger_pb2.Posting(account=transfer.debtor_account, side=ledger_pb2.SIDE_DEBIT, amount_minor=amount),
                ledger_pb2.Posting(account=transfer.creditor_account, side=ledger_pb2.SIDE_CREDIT, amount_minor=amount),
            ],
            description=transfer.description,
        )
        request = ledger_pb2.PostEntriesRequest(entries=[entry])
        reply = await self._call(f"{LEDGER}/PostEntries", request, ledger_pb2.PostEntriesResponse)
        if len(reply.results) != 1:
            raise _unavailable()
        result = reply.results[0]
        if result.code == DATED_OTHERWISE:
            return await self.posted_transfer(transfer.transfer_id)
        return EntryOutcome(result.code, result.message, result.seq, result.decision)

    async def posted_transfer(self, transfer_id: uuid.UUID) -> EntryOutcome:
        """Return the entry of a transfer inside the bank.

        Nobody else knows the transfer's id: what stands under it is this order, whose fields never change.

        Raises:
            NotFoundError: nothing is posted under its id.
        """
        by_key = ledger_pb2.GetEntryRequest(idempotency_key=str(transfer_id))
        found = (await self._call(f"{LEDGER}/GetEntry", by_key, ledger_pb2.GetEntryResponse)).entry
        return EntryOutcome("exists", "", found.seq, found.decision)

    async def send_payment(self, payment: PartnerPayment) -> PaymentOutcome:
        """Send money to a partner bank's customer; repeating it with the same id changes nothing."""
        request = partner_pb2.SendPaymentRequest(
            payment_id=str(payment.transfer_id),
            debtor_account=payment.debtor_account,
            receiver_msp_id=payment.partner_msp_id,
            beneficiary_account=payment.beneficiary_account,
            asset=payment.asset,
            amount_minor=str(payment.amount_minor),
            description=payment.description,
        )
        reply = await self._call(f"{SETTLEMENT}/SendPayment", request, partner_pb2.SendPaymentResponse)
        return _as_payment(reply.payment)

    async def payment(self, transfer_id: uuid.UUID) -> PaymentOutcome:
        """Return where a payment to a partner bank stands.

        Raises:
            NotFoundError: the node has never heard of it.
        """
        request = partner_pb2.GetPaymentRequest(payment_id=str(transfer_id))
        reply = await self._call(f"{SETTLEMENT}/GetPayment", request, partner_pb2.GetPaymentResponse)
        return _as_payment(reply.payment)

    async def entry(self, seq: int) -> EntryStanding:
        """Return how far an entry has come, and what the compliance rules decided about it; "archived" says no more."""
        request = ledger_pb2.GetEntryRequest(seq=seq)
        try:
            reply = await self._call(f"{LEDGER}/GetEntry", request, ledger_pb2.GetEntryResponse)
        except RefusedError as error:
            if error.code != ARCHIVED:
                raise
            return EntryStanding(ARCHIVED, "")
        return EntryStanding(reply.entry.state, reply.entry.decision)

    async def proof(self, seq: int, wait_ms: int) -> bytes:
        """Return the offline proof bundle (JSON) of an entry.

        Raises:
            ConflictError: the entry is not anchored yet.
        """
        request = audit_pb2.GetProofRequest(seq=seq, wait_ms=wait_ms)
        timeout_s = self._timeout_s + wait_ms / 1_000
        reply = await self._call(f"{AUDIT}/GetProof", request, audit_pb2.GetProofResponse, timeout_s)
        return reply.bundle

    async def _call(self, path: str, request: Message, reply: type[_Reply], timeout_s: float | None = None) -> _Reply:
        try:
            answer = await self._channel.unary(path, request.SerializeToString(), timeout_s or self._timeout_s)
        except RpcError as error:
            self._note_refusal(error)
            raise _translate(error) from error
        try:
            return reply.FromString(answer)
        except DecodeError as error:
            raise _unavailable() from error

    def _note_refusal(self, error: RpcError) -> None:
        """Tell the operator, once, why a node does not take the certificate: customers hear nothing of it."""
        if error.code in _REFUSES and error.message != self._refused:
            self._refused = error.message
            log.error("node.refuses_certificate", reason=error.message)


def _translate(error: RpcError) -> Exception:
    """Turn a node's refusal into the gateway's own error; what is no customer's fault becomes "unavailable"."""
    if error.code == StatusCode.NOT_FOUND:
        return NotFoundError(error.message)
    if error.code in (StatusCode.ALREADY_EXISTS, StatusCode.ABORTED):
        return ConflictError("conflict", error.message)
    if error.code == StatusCode.FAILED_PRECONDITION:
        return ConflictError("not_ready", error.message)
    if error.code == StatusCode.OUT_OF_RANGE:
        # The node's words name files of the bank's archive: nothing for customers.
        return RefusedError(ARCHIVED, "this is older than what the bank keeps at hand: ask the bank for it")
    if error.code == StatusCode.INVALID_ARGUMENT:
        return RefusedError(NOT_AN_ORDER, error.message)
    if error.code in _REFUSES:
        return NodeRefusesError(*_UNAVAILABLE)
    return _unavailable()


def _unavailable() -> UnavailableError:
    return UnavailableError(*_UNAVAILABLE)


def _as_balance(account: ledger_pb2.Account) -> Balance:
    return Balance(
        account=account.account,
        asset=account.asset,
        balance_minor=int(account.balance_minor or "0"),
        held_minor=int(account.held_minor or "0"),
        available_minor=int(account.available_minor or "0"),
        status=account.status,
    )


def _as_line(line: ledger_pb2.StatementLine) -> StatementLine:
    return StatementLine(
        seq=line.seq,
        is_credit=line.side == ledger_pb2.SIDE_CREDIT,
        amount_minor=int(line.amount_minor),
        balance_after_minor=int(line.balance_after_minor),
        posted_at=line.posted_at.ToDatetime(tzinfo=UTC),
        effective_at=line.effective_at.ToDatetime(tzinfo=UTC),
        settlement_id=line.settlement_id,
        description=line.description,
    )


def _as_payment(payment: partner_pb2.Payment) -> PaymentOutcome:
    return PaymentOutcome(payment.state, payment.refusal, payment.seq, payment.settlement_id)
