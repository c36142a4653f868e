"""A node's ledger, settlement and audit services in memory, served over the real transport with the real messages.

For tests of the gateway alone: what it sends and how it treats each answer, also the answers a real node gives rarely
(refusals, silence, garbage). The journey through a real node is tested in ``tests/scenarios``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from network.errors import RpcError
from network.pb.dwaybank.audit.v1 import audit_pb2
from network.pb.dwaybank.ledger.v1 import ledger_pb2
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Call, Server, StatusCode

LEDGER = "/dwaybank.ledger.v1.LedgerService"
SETTLEMENT = "/dwaybank.partner.v1.SettlementService"
AUDIT = "/dwaybank.audit.v1.AuditService"


@dataclass
class Account:
    """An account and its movements, oldest first."""

    asset: str
    balance: int = 0
    status: str = "open"
    lines: list[ledger_pb2.StatementLine] = field(default_factory=list)


class NodeInMemory:
    """Serves the calls a gateway makes; ``fault`` may raise before any call is handled."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.entries: dict[str, tuple[bytes, ledger_pb2.EntryResult]] = {}
        self.payments: dict[str, partner_pb2.Payment] = {}
        self.payment_state = "completed"
        self.payment_refusal = "account_not_found"
        self.entry_state = "posted"
        self.fault: Callable[[str], None] = lambda method: None
        self.silent_commits = 0
        self.pause_s = 0.0
        self.calls: list[str] = []
        self.address = ""
        self._server = Server("127.0.0.1", 0, None)
        self._server.enable_health()
        for path, handler in {
            f"{LEDGER}/OpenAccount": self._open_account,
            f"{LEDGER}/GetAccount": self._get_account,
            f"{LEDGER}/GetStatement": self._get_statement,
            f"{LEDGER}/PostEntries": self._post_entries,
            f"{LEDGER}/GetEntry": self._get_entry,
            f"{SETTLEMENT}/SendPayment": self._send_payment,
            f"{SETTLEMENT}/GetPayment": self._get_payment,
            f"{AUDIT}/GetProof": self._get_proof,
        }.items():
            self._register(path, handler)

    async def start(self) -> str:
        """Serve on a free port and return the address."""
        self.address = f"127.0.0.1:{await self._server.start()}"
        return self.address

    async def stop(self) -> None:
        """Stop serving."""
        await self._server.stop(0)

    def deposit(self, account: str, amount: int) -> None:
        """Credit an account with cash, as an operator would."""
        self._move(account, amount, credit=True, seq=len(self.entries) + 1_000, description="cash")

    def _register(self, path: str, handler: Callable[[bytes], bytes]) -> None:
        async def serve(request: bytes, call: Call) -> bytes:
            self.calls.append(path)
            self.fault(path)
            await asyncio.sleep(self.pause_s)
            return handler(request)

        self._server.unary(path, serve)

    def _open_account(self, request: bytes) -> bytes:
        wanted = ledger_pb2.OpenAccountRequest.FromString(request)
        assert (wanted.normal_side, wanted.floor_minor) == (ledger_pb2.SIDE_CREDIT, "0")
        self.accounts[wanted.account] = Account(wanted.asset)
        reply = ledger_pb2.OpenAccountResponse(account=self._state(wanted.account), created=True)
        return reply.SerializeToString()

    def _get_account(self, request: bytes) -> bytes:
        account = ledger_pb2.GetAccountRequest.FromString(request).account
        return ledger_pb2.GetAccountResponse(account=self._state(account)).SerializeToString()

    def _get_statement(self, request: bytes) -> bytes:
        wanted = ledger_pb2.GetStatementRequest.FromString(request)
        if wanted.page_token and not wanted.page_token.isdigit():
            raise RpcError(StatusCode.INVALID_ARGUMENT, "page_token: not one this node gave")
        lines = self.accounts[wanted.account].lines[::-1]
        begin = int(wanted.page_token or "0")
        end = begin + wanted.page_size
        token = str(end) if end < len(lines) else ""
        return ledger_pb2.GetStatementResponse(lines=lines[begin:end], next_page_token=token).SerializeToString()

    def _post_entries(self, request: bytes) -> bytes:
        entry = ledger_pb2.PostEntriesRequest.FromString(request).entries[0]
        body, known = self.entries.get(entry.idempotency_key, (b"", None))
        if known is not None:
            code = "exists" if body == request else "exists_with_different_body"
            result = ledger_pb2.EntryResult(code=code, seq=known.seq, decision=known.decision)
        else:
            result = self._post(entry)
            if result.code == "posted":
                self.entries[entry.idempotency_key] = (request, result)
                self._die_after_a_commit()
        return ledger_pb2.PostEntriesResponse(results=[result]).SerializeToString()

    def _get_entry(self, request: bytes) -> bytes:
        wanted = ledger_pb2.GetEntryRequest.FromString(request)
        by_key = wanted.WhichOneof("by") == "idempotency_key"
        if by_key and wanted.idempotency_key not in self.entries:
            raise RpcError(StatusCode.NOT_FOUND, f"entry {wanted.idempotency_key}: not found")
        seq = self.entries[wanted.idempotency_key][1].seq if by_key else wanted.seq
        known = {result.seq: result.decision for _, result in self.entries.values()}
        entry = ledger_pb2.Entry(seq=seq, state=self.entry_state, decision=known.get(seq, "automated_approval"))
        return ledger_pb2.GetEntryResponse(entry=entry).SerializeToString()

    def _post(self, entry: ledger_pb2.NewEntry) -> ledger_pb2.EntryResult:
        debit, credit = entry.postings
        amount = int(debit.amount_minor)
        if credit.account not in self.accounts:
            return ledger_pb2.EntryResult(code="account_not_found", message=f"account {credit.account}: not found")
        for status in (self.accounts[debit.account].status, self.accounts[credit.account].status):
            if status != "open":
                return ledger_pb2.EntryResult(code=f"account_{status}")
        if self.accounts[debit.account].balance < amount:
            return ledger_pb2.EntryResult(code="exceeds_available", message=f"debit of {amount} exceeds the available")
        seq = len(self.entries) + 1
        self._move(debit.account, amount, credit=False, seq=seq, description=entry.description)
        self._move(credit.account, amount, credit=True, seq=seq, description=entry.description)
        decision = "requires_manual_review" if amount > 1_000_000 else "automated_approval"
        return ledger_pb2.EntryResult(code="posted", seq=seq, decision=decision)

    def _send_payment(self, request: bytes) -> bytes:
        wanted = partner_pb2.SendPaymentRequest.FromString(request)
        if wanted.payment_id not in self.payments:
            self.payments[wanted.payment_id] = partner_pb2.Payment(
                payment_id=wanted.payment_id,
                settlement_id=f"s-{wanted.payment_id}",
                state=self.payment_state,
                refusal=self.payment_refusal if self.payment_state == "aborted" else "",
                seq=77 if self.payment_state == "completed" else 0,
            )
            self._die_after_a_commit()
        return partner_pb2.SendPaymentResponse(payment=self.payments[wanted.payment_id]).SerializeToString()

    def _die_after_a_commit(self) -> None:
        if self.silent_commits:
            self.silent_commits -= 1
            raise RpcError(StatusCode.UNAVAILABLE, "killed after the commit")

    def _get_payment(self, request: bytes) -> bytes:
        payment_id = partner_pb2.GetPaymentRequest.FromString(request).payment_id
        if payment_id not in self.payments:
            raise RpcError(StatusCode.NOT_FOUND, f"payment {payment_id}: unknown")
        return partner_pb2.GetPaymentResponse(payment=self.payments[payment_id]).SerializeToString()

    def _get_proof(self, request: bytes) -> bytes:
        seq = audit_pb2.GetProofRequest.FromString(request).seq
        return audit_pb2.GetProofResponse(bundle=json.dumps({"entry": {"seq": seq}}).encode()).SerializeToString()

    def _move(self, account: str, amount: int, *, credit: bool, seq: int, description: str) -> None:
        state = self.accounts[account]
        state.balance += amount if credit else -amount
        line = ledger_pb2.StatementLine(
            seq=seq,
            side=ledger_pb2.SIDE_CREDIT if credit else ledger_pb2.SIDE_DEBIT,
            amount_minor=str(amount),
            balance_after_minor=str(state.balance),
            description=description,
        )
        line.posted_at.FromDatetime(datetime.now(UTC))
        line.effective_at.FromDatetime(datetime.now(UTC))
        state.lines.append(line)

    def _state(self, account: str) -> ledger_pb2.Account:
        if account not in self.accounts:
            raise RpcError(StatusCode.NOT_FOUND, f"account {account}: unknown")
        state = self.accounts[account]
        return ledger_pb2.Account(
            account=account,
            asset=state.asset,
            normal_side=ledger_pb2.SIDE_CREDIT,
            balance_minor=str(state.balance),
            held_minor="0",
            available_minor=str(state.balance),
            floor_minor="0",
            status=state.status,
        )
