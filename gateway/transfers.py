"""A customer's transfer, from order to outcome: inside the bank, or to a customer of a partner bank.

Rules it keeps:

- The order is written down under (customer, idempotency key) first; its own random id, never the customer's key, names
  the entry in the books, so two customers' equal keys cannot meet.
- The same key with the same order gives the same transfer for ever; with another order it is a conflict.
- A refusal is final and remembered; anything else that goes wrong leaves the order to be sent again.
- One request at a time carries an order out, through whichever gateway: the books would post for the second what they
  refused to the first.
- Of another customer's account nothing is told, not even why it takes no money.
- Only customers' accounts can be credited: the bank's own accounts are out of a customer's reach.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from anyio import to_thread

from gateway.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from gateway.node_client import (
    ARCHIVED,
    NOT_AN_ORDER,
    EntryOutcome,
    InternalTransfer,
    NodeClient,
    PartnerPayment,
    PaymentOutcome,
)
from gateway.order_locks import OrderLocks
from gateway.store import FINAL_STATES, Store, Transfer

CUSTOMER_ACCOUNT = re.compile(r"^cust-[a-z2-7]{26}$")
"""Reference of a customer's account: 128 random bits in base32, so that it can be neither guessed nor linked."""
FAILED_STATES = frozenset({"returned", "aborted", "expired"})
"""States of a partner payment in which the beneficiary has no money and the customer has his back."""

CREDITORS_AFFAIRS = frozenset({"account_closed", "account_frozen", "balance_overflow", "exceeds_ceiling"})
"""Refusals that tell of an account that it is frozen, closed or how full: nothing for others than its owner."""


@dataclass(frozen=True, slots=True)
class TransferOrder:
    """What a customer asks for."""

    debtor_account: str
    creditor_account: str
    partner_msp_id: str | None
    asset: str
    amount_minor: int
    description: str

    def digest(self) -> bytes:
        """Return the SHA-256 that tells whether two orders are the same."""
        fields = [
            self.debtor_account,
            self.creditor_account,
            self.partner_msp_id,
            self.asset,
            str(self.amount_minor),
            self.description,
        ]
        return hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode()).digest()


class Transfers:
    """Carries customers' orders to the node.

    Args:
        store: the gateway's records.
        node: the organization's node.
        locks: so that no order is carried out twice at once.
        partner_msp_ids: banks a transfer may go to.
        now: clock.
        new_id: source of transfer ids.
    """

    def __init__(
        self,
        store: Store,
        node: NodeClient,
        locks: OrderLocks,
        *,
        partner_msp_ids: frozenset[str],
        now: Callable[[], datetime],
        new_id: Callable[[], uuid.UUID],
    ) -> None:
        self._store = store
        self._node = node
        self._locks = locks
        self._partner_msp_ids = partner_msp_ids
        self._now = now
        self._new_id = new_id

    async def submit(self, customer_id: uuid.UUID, idempotency_key: uuid.UUID, order: TransferOrder) -> Transfer:
        """Carry an order out once, however often it is sent.

        Returns:
            The transfer as it stands now.
        Raises:
            NotFoundError: the debtor account is not the customer's.
            ConflictError: the key was used for another order.
            RefusedError: the books or the partner bank refuse it, now and for ever.
            ForbiddenError: the account is frozen.
            UnavailableError: the node does not answer; the same request may be sent again.
        """
        own = await to_thread.run_sync(self._store.account, customer_id, order.debtor_account)
        self._check(order, own.asset)
        await self._require_bank(customer_id, idempotency_key, order)
        claimed = await to_thread.run_sync(
            self._store.claim_transfer, self._record(customer_id, idempotency_key, order)
        )
        if claimed.request_digest != order.digest():
            raise ConflictError(
                "idempotency_key_reused", "this Idempotency-Key was used for another transfer: choose a new one"
            )
        if claimed.state not in FINAL_STATES:
            claimed = await self._carry_out_once(claimed)
        _raise_refusal(claimed)
        return claimed

    async def find(self, customer_id: uuid.UUID, transfer_id: uuid.UUID) -> Transfer:
        """Return one of the customer's own transfers, brought up to date.

        Raises:
            NotFoundError: there is none, or it is another customer's.
        """
        return await self._up_to_date(await to_thread.run_sync(self._store.transfer, customer_id, transfer_id))

    async def newest(
        self, customer_id: uuid.UUID, before: tuple[datetime, uuid.UUID] | None, count: int
    ) -> list[Transfer]:
        """Return the customer's own transfers, newest first, those under way brought up to date.

        Args:
            customer_id: whose.
            before: time and id of the last one known; None for the newest.
            count: most that are returned.
        """
        known = await to_thread.run_sync(self._store.transfers, customer_id, before, count)
        return list(await asyncio.gather(*(self._up_to_date(transfer) for transfer in known)))

    async def _up_to_date(self, transfer: Transfer) -> Transfer:
        if transfer.state in FINAL_STATES:
            return transfer
        try:
            if transfer.partner_msp_id is None:
                # A gateway that was killed between the books and its own records leaves it so.
                changed = _with_entry(transfer, await self._node.posted_transfer(transfer.transfer_id))
            else:
                changed = _with_payment(transfer, await self._node.payment(transfer.transfer_id))
        except NotFoundError:
            return transfer  # ordered, but the node never heard of it: it stays "received" until it is sent again
        except RefusedError as error:
            if error.code != ARCHIVED:
                raise
            return transfer  # what the bank put away years ago stands in nobody's way
        return await self._remember(await self._with_decision(changed))

    def _check(self, order: TransferOrder, own_asset: str) -> None:
        if order.asset != own_asset:
            raise RefusedError("asset_mismatch", f"asset {order.asset}: the debtor account holds {own_asset}")
        if order.partner_msp_id is not None:
            return
        if order.creditor_account == order.debtor_account:
            raise RefusedError("same_account", "creditor_account: the money is there already, name another account")
        if not CUSTOMER_ACCOUNT.match(order.creditor_account):
            raise RefusedError("account_not_found", "creditor_account: no customer of this bank has this account")

    async def _require_bank(self, customer_id: uuid.UUID, idempotency_key: uuid.UUID, order: TransferOrder) -> None:
        if order.partner_msp_id is None or order.partner_msp_id in self._partner_msp_ids:
            return
        # An order of before the bank left is answered as it stands: its money may have been taken.
        if not await to_thread.run_sync(self._store.has_transfer, customer_id, idempotency_key):
            raise RefusedError("unknown_bank", f"creditor_bank {order.partner_msp_id}: not a bank of this network")

    def _record(self, customer_id: uuid.UUID, idempotency_key: uuid.UUID, order: TransferOrder) -> Transfer:
        return Transfer(
            transfer_id=self._new_id(),
            customer_id=customer_id,
            idempotency_key=idempotency_key,
            request_digest=order.digest(),
            debtor_account=order.debtor_account,
            creditor_account=order.creditor_account,
            partner_msp_id=order.partner_msp_id,
            asset=order.asset,
            amount_minor=order.amount_minor,
            description=order.description,
            created_at=self._now(),
        )

    async def _carry_out_once(self, claimed: Transfer) -> Transfer:
        async with self._locks.hold(claimed.transfer_id):
            # Read again: another request with its key may have carried it out meanwhile.
            known = await to_thread.run_sync(self._store.transfer, claimed.customer_id, claimed.transfer_id)
            return known if known.state in FINAL_STATES else await self._carry_out(known)

    async def _carry_out(self, transfer: Transfer) -> Transfer:
        try:
            changed = await self._order(transfer)
        except RefusedError as error:
            if error.code != NOT_AN_ORDER:
                raise
            changed = await self._taken_before(transfer) or _refused(transfer, error.code, str(error))
        return await self._remember(await self._with_decision(changed))

    async def _taken_before(self, transfer: Transfer) -> Transfer | None:
        """Return a payment that the node took once, whatever it thinks of such an order now."""
        if transfer.partner_msp_id is None:
            return None
        try:
            return _with_payment(transfer, await self._node.payment(transfer.transfer_id))
        except NotFoundError:
            return None

    async def _order(self, transfer: Transfer) -> Transfer:
        if transfer.partner_msp_id is None:
            order = InternalTransfer(
                transfer.transfer_id,
                transfer.debtor_account,
                transfer.creditor_account,
                transfer.amount_minor,
                transfer.description,
            )
            return _with_entry(transfer, await self._node.post_transfer(order))
        payment = PartnerPayment(
            transfer.transfer_id,
            transfer.debtor_account,
            transfer.partner_msp_id,
            transfer.creditor_account,
            transfer.asset,
            transfer.amount_minor,
            transfer.description,
        )
        return _with_payment(transfer, await self._node.send_payment(payment))

    async def _with_decision(self, transfer: Transfer) -> Transfer:
        if transfer.seq is None or transfer.decision is not None:
            return transfer
        return replace(transfer, decision=(await self._node.entry(transfer.seq)).decision)

    async def _remember(self, transfer: Transfer) -> Transfer:
        return await to_thread.run_sync(self._store.record_outcome, await self._without_creditors_affairs(transfer))

    async def _without_creditors_affairs(self, transfer: Transfer) -> Transfer:
        if transfer.refusal_code not in CREDITORS_AFFAIRS:
            return transfer
        own = await self._node.balance(transfer.debtor_account)
        if transfer.refusal_code == f"account_{own.status}":
            return transfer
        message = "creditor_account: it cannot take this payment: ask whom you want to pay"
        return replace(transfer, refusal_code="creditor_refused", refusal_message=message)


def _with_entry(transfer: Transfer, outcome: EntryOutcome) -> Transfer:
    if outcome.is_posted:
        return replace(transfer, state="posted", seq=outcome.seq, decision=outcome.decision)
    message = outcome.message or f"the books refuse this transfer: {outcome.code}"
    return _refused(transfer, outcome.code, message)


def _refused(transfer: Transfer, code: str, message: str) -> Transfer:
    return replace(transfer, state="refused", refusal_code=code, refusal_message=message)


def _with_payment(transfer: Transfer, outcome: PaymentOutcome) -> Transfer:
    changed = replace(transfer, state=outcome.state, seq=outcome.seq or None)
    if outcome.state not in FAILED_STATES:
        return changed
    code = outcome.refusal or outcome.state
    return replace(changed, refusal_code=code, refusal_message=f"the payment did not reach the other bank: {code}")


def _raise_refusal(transfer: Transfer) -> None:
    if transfer.refusal_code is None:
        return
    if transfer.refusal_code == "account_frozen":
        raise ForbiddenError("account_frozen", "the account is frozen: ask the bank")
    raise RefusedError(transfer.refusal_code, transfer.refusal_message or transfer.refusal_code)
