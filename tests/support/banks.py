"""Two banks with real books, real identities and real settlement, and a line between them that a test may cut.

Each bank has its own PostgreSQL database, the real writer of the books, and the real services; only the transport is a
direct call with the client certificate the real transport would show. ``Crash`` stands for a killed process: it is
raised where a test says, everything the bank held in memory is thrown away by ``restart``, and only PostgreSQL remains.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg
from google.protobuf.message import Message

from ledger.account import Account, Side
from ledger.decision import AcceptedEntries, Decisions
from ledger.errors import BooksUnavailableError
from ledger.hold import HoldResult, NewHold
from ledger.journal import EntryResult, NewEntry, Outcome, Posting
from ledger.posting import Writer
from ledger.schema import migrate as migrate_ledger
from ledger.script import Executes
from network.errors import RpcError
from network.identity import SigningIdentity
from network.msp import MspManager
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Call, StatusCode
from node.access import Members
from node.books.books import Books
from node.partner.database import migrate as migrate_partner
from node.partner.driver import SettlementDriver
from node.partner.limits import MemberLimits
from node.partner.link import RpcPartnerLink
from node.partner.messages import MessageVerifier
from node.partner.partner_questions import PartnerQuestions
from node.partner.partner_service import PartnerService, guarded
from node.partner.quote_desk import QuoteDesk
from node.partner.quotes import QuoteTerms
from node.partner.receiver import CreditCheck, SettlementReceiver
from node.partner.settlement_service import SettlementService
from node.partner.store import SettlementStore
from node.partner.updates import UpdateStreams
from node.partner.usage import LimitedUse
from node.partner.worker import SettlementWorker
from node.postgres import PostgresCluster
from tests.support.members import Member, pem

_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)


class Crash(BaseException):
    """The process is killed here; no handler of the product may catch it."""


class Clock:
    """A clock both banks share and a test moves."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class _ApproveAll:
    """Decides as a bank without rules would: every entry is approved, under a random id."""

    def decide(self, entries: AcceptedEntries, now: datetime) -> Decisions:
        approved = bytes([Outcome.AUTOMATED_APPROVAL]) * len(entries)
        return Decisions(os.urandom(16 * len(entries)), approved, os.urandom(32 * len(entries)))

    def in_commit(self, script: Executes, accepted: AcceptedEntries, now: datetime) -> None:
        return


class HookedBooks:
    """The real books; ``before`` and ``after`` may crash around any call that settlement makes."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.before: Callable[[str], None] = lambda call: None
        self.after: Callable[[str], None] = lambda call: None

    async def open_account(self, reference: str, asset: str, normal_side: Side, floor: int | None) -> str:
        """Open an account."""
        return await self._do("open_account", self._books.open_account(reference, asset, normal_side, floor))

    async def find_account(self, reference: str) -> Account | None:
        """Return an account."""
        return await self._do("find_account", self._books.find_account(reference))

    async def place_hold(self, hold: NewHold) -> HoldResult:
        """Reserve money."""
        return await self._do("place_hold", self._books.place_hold(hold))

    async def release_hold(self, hold_id: uuid.UUID) -> HoldResult:
        """Give held money back."""
        return await self._do("release_hold", self._books.release_hold(hold_id))

    async def post(self, entry: NewEntry) -> EntryResult:
        """Post an entry."""
        return await self._do("post", self._books.post(entry))

    async def post_batch(self, requests: Sequence[NewEntry]) -> list[EntryResult]:
        """Post entries."""
        return await self._do("post", self._books.post_batch(requests))

    async def read(self, work: Callable[..., _T], /, *arguments: Any, **named: Any) -> _T:
        """Read."""
        return await self._books.read(work, *arguments, **named)

    async def set_status(self, reference: str, status: str) -> None:
        """Freeze, close or open an account."""
        await self._books.set_account_status(reference, status)

    async def _do(self, name: str, work: Coroutine[Any, Any, _T]) -> _T:
        try:
            self.before(name)
        except BaseException:
            work.close()
            raise
        result = await work
        self.after(name)
        return result


@dataclass
class Line:
    """The connection from one bank to the other; ``before`` and ``after`` may lose a request or its answer."""

    caller: Bank
    handlers: dict[str, Callable[[bytes, Call], Awaitable[bytes]]] = field(default_factory=dict)
    before: Callable[[str], None] = lambda method: None
    after: Callable[[str], None] = lambda method: None
    calls: list[str] = field(default_factory=list)

    async def server_stream(self, path: str, request: bytes, timeout_s: float | None) -> AsyncGenerator[bytes, None]:
        """Carry one call with a stream of replies."""
        handler: Any = self.handlers[path.rsplit("/", 1)[1]]
        async with aclosing(handler(request, self.caller.call(path))) as replies:
            async for reply in replies:
                yield reply

    async def unary(self, path: str, request: bytes, timeout_s: float | None) -> bytes:
        """Carry one call, as the transport would."""
        method = path.rsplit("/", 1)[1]
        self.calls.append(method)
        self.before(method)
        handler = self.handlers.get(method)
        if handler is None:
            raise RpcError(StatusCode.UNAVAILABLE, "connection refused")
        try:
            answer = await handler(request, self.caller.call(path))
        except Crash:
            # The other bank's process died while it worked: what the caller sees is a lost connection.
            raise RpcError(StatusCode.UNAVAILABLE, "connection lost") from None
        self.after(method)
        return answer


class Handlers:
    """Takes what a service registers, by the name of the method."""

    def __init__(self, handlers: dict[str, Callable[[bytes, Call], Awaitable[bytes]]]) -> None:
        self._handlers = handlers

    def unary(self, path: str, handler: Callable[[bytes, Call], Awaitable[bytes]]) -> None:
        """Take a handler."""
        self._handlers[path.rsplit("/", 1)[1]] = handler

    server_stream = unary


class Bank:
    """One bank: database, books, identity, settlement."""

    def __init__(self, msp_id: str, url: str, clock: Clock) -> None:
        self.msp_id = msp_id
        self.url = url
        self.clock = clock
        self.member = Member(msp_id)
        self.tls = Member(msp_id)
        self.identity: SigningIdentity = self.member.identity("peer")
        self.tls_certificate = pem(self.tls.identity("client").certificate)
        self.line = Line(self)
        self.limits = MemberLimits()
        self.terms = QuoteTerms()
        self.credit: CreditCheck | None = None
        with psycopg.connect(url) as connection:
            migrate_ledger(connection)
            migrate_partner(connection)

    async def _beyond_line(self, sender: str, asset: str, amount: int) -> str:
        return "" if self.credit is None else await self.credit(sender, asset, amount)

    def call(self, path: str) -> Call:
        """Return the circumstances of a call this bank makes."""
        return Call(path, None, self.tls_certificate, "127.0.0.1:1")

    async def start(self, partner: Bank) -> None:
        """Come up with nothing but the database."""
        writer = Writer(self.url, sign=lambda digest: bytes(64), decider=_ApproveAll(), now=self.clock)
        self._books = Books(self.url, writer, now=self.clock)
        await self._books.start()
        self.books = HookedBooks(self._books)
        self.store = SettlementStore(self.url)
        await self.store.open()
        members = Members(self.msp_id, {bank.msp_id: [pem(bank.tls.authority.certificate)] for bank in (self, partner)})
        msps = MspManager([self.member.msp(), partner.member.msp()])
        verifier = MessageVerifier(
            self.msp_id, partners=frozenset({partner.msp_id}), members=members, msps=lambda: msps, now=self.clock
        )
        self.link = RpcPartnerLink(self.line, partner.msp_id, self.identity, verifier=verifier, now=self.clock)  # type: ignore[arg-type]
        links = {partner.msp_id: self.link}
        self.use = LimitedUse(self.store, {partner.msp_id: self.limits}, now=self.clock)
        self.driver = SettlementDriver(self.store, self.books, links, now=self.clock)
        self.receiver = SettlementReceiver(
            self.store,
            self.books,
            now=self.clock,
            random_bytes=os.urandom,
            use=self.use,
            beyond_line=self._beyond_line,
            terms={partner.msp_id: self.terms},
        )
        desk = QuoteDesk(self.store, self.books, {partner.msp_id: self.terms}, now=self.clock)
        updates = UpdateStreams(self.store, monotonic=time.monotonic, lifetime_s=2.0)
        self.partner_service = PartnerService(
            verifier, self.receiver, self.identity, self.use, desk, updates, now=self.clock
        )
        partner.line.handlers = {}
        self.partner_service.register(Handlers(partner.line.handlers))  # type: ignore[arg-type]
        self.service = SettlementService(self.store, self.books, self.driver, links, members, now=self.clock)
        self.own: dict[str, Callable[[bytes, Call], Awaitable[bytes]]] = {}
        self.service.register(Handlers(self.own))  # type: ignore[arg-type]
        PartnerQuestions(links, self.use, members, self.store, now=self.clock).register(Handlers(self.own))  # type: ignore[arg-type]
        self.worker = SettlementWorker(self.store, self.driver, self.receiver, now=self.clock)

    async def stop(self, partner: Bank) -> None:
        """Go down: nobody answers any more."""
        partner.line.handlers = {}
        await self.service.stop()
        await self.store.close()
        await self._books.stop()

    async def restart(self, partner: Bank) -> None:
        """Lose everything but the database, and come up again with everything unfinished due."""
        await self.stop(partner)
        await self.start(partner)
        await self.store.wake_outgoing(self.clock())

    async def open_customer(self, amount: int = 0, asset: str = "EUR") -> str:
        """Open a customer's account with some cash in it."""
        account = f"cust-{uuid.uuid4().hex}"
        await self.books.open_account(account, asset, Side.CREDIT, 0)
        await self.books.open_account(f"cash-{asset}", asset, Side.DEBIT, None)
        if amount:
            postings = (Posting(f"cash-{asset}", Side.DEBIT, amount), Posting(account, Side.CREDIT, amount))
            assert (await self.books.post(NewEntry(uuid.uuid4(), postings))).seq is not None
        return account

    async def send(
        self, debtor: str, receiver: Bank, beneficiary: str, amount: int, **more: str
    ) -> partner_pb2.Payment:
        """Order a payment as the gateway does and return where it stands."""
        fields: dict[str, Any] = {
            "payment_id": str(uuid.uuid4()),
            "debtor_account": debtor,
            "receiver_msp_id": receiver.msp_id,
            "beneficiary_account": beneficiary,
            "asset": "EUR",
            "amount_minor": str(amount),
        }
        request = partner_pb2.SendPaymentRequest(**(fields | more))
        answer = await guarded(self.service.send_payment)(request.SerializeToString(), self.call("/SendPayment"))
        return partner_pb2.SendPaymentResponse.FromString(answer).payment

    async def payment(self, payment_id: str) -> partner_pb2.Payment:
        """Return a payment as it stands."""
        request = partner_pb2.GetPaymentRequest(payment_id=payment_id)
        answer = await guarded(self.service.get_payment)(request.SerializeToString(), self.call("/GetPayment"))
        return partner_pb2.GetPaymentResponse.FromString(answer).payment

    async def ask(self, method: str, request: Message, reply: type[_M]) -> _M:
        """Call a method of this bank's own service, as its command line does."""
        return reply.FromString(await self.own[method](request.SerializeToString(), self.call(f"/{method}")))

    async def compare(self) -> list[partner_pb2.PositionComparison]:
        """Compare positions with the partner."""
        request = partner_pb2.ComparePositionsRequest()
        answer = await self.service.compare_positions(request.SerializeToString(), self.call("/ComparePositions"))
        return list(partner_pb2.ComparePositionsResponse.FromString(answer).comparisons)

    async def balance(self, account: str) -> tuple[int, int]:
        """Return balance and held money of an account; (0, 0) where there is none."""
        found = await self.books.find_account(account)
        return (found.balance, found.held) if found is not None else (0, 0)

    def entries(self, settlement_id: str) -> list[tuple[str, int, int]]:
        """Return (account, side, amount) of every posting made for a settlement, in order."""
        statement = (
            b"SELECT posting.account, posting.side, posting.amount FROM ledger.posting_view AS posting"
            b" JOIN ledger.entry USING (seq) WHERE settlement_id = %s ORDER BY seq, number"
        )
        with psycopg.connect(self.url) as connection:
            return [(str(a), int(s), int(m)) for a, s, m in connection.execute(statement, (settlement_id,)).fetchall()]


@asynccontextmanager
async def two_banks(cluster: PostgresCluster, terms: QuoteTerms | None = None) -> AsyncIterator[tuple[Bank, Bank]]:
    """Yield two banks at work, each with a new database of its own.

    Args:
        terms: what the second one takes for payments to it.
    """
    clock = Clock()
    here, there = (
        Bank(msp_id, cluster.create_database(f"bank_{uuid.uuid4().hex[:12]}"), clock)
        for msp_id in ("DwaybankMSP", "PartnerMSP")
    )
    if terms is not None:
        there.terms = terms
    await here.start(there)
    await there.start(here)
    yield here, there
    await here.stop(there)
    await there.stop(here)


def once(error: BaseException, wanted: str) -> Callable[[str], None]:
    """Return a hook that raises at the first call of one name, and never again."""
    armed = True

    def hook(name: str) -> None:
        nonlocal armed
        if armed and name == wanted:
            armed = False
            raise error

    return hook


def books_down(name: str) -> None:
    """A hook: the books do not answer."""
    raise BooksUnavailableError("down")
