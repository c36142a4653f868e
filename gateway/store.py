"""The gateway's own records in schema ``gateway``: customers, whose account is whose, and transfer orders.

Rules it keeps:

- Every read of a thing that belongs to somebody names the customer: another's thing is not found.
- An order is claimed by (customer, idempotency key) before anything else happens.

It is synchronous; routes call it in threads. Balances and entries are the node's and are never stored here.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Row,
    Table,
    Text,
    Uuid,
    func,
    insert,
    literal,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or_skip

from gateway.auth.failures import TakenTold, note_at
from gateway.errors import ConflictError, NotFoundError

FINAL_STATES = frozenset({"posted", "completed", "returned", "aborted", "expired", "refused"})
"""States of a transfer to which nothing more happens."""

_schema = MetaData(schema="gateway")
_time = DateTime(timezone=True)
customers = Table(
    "customer",
    _schema,
    Column("customer_id", Uuid, primary_key=True),
    Column("email", Text),
    Column("display_name", Text),
    Column("password_hash", Text),
    Column("status", Text),
    Column("created_at", _time),
    Column("password_changes", Integer),
    Column("must_change_password", Boolean),
    Column("given_until", _time),
)
accounts = Table(
    "customer_account",
    _schema,
    Column("account", Text, primary_key=True),
    Column("customer_id", Uuid),
    Column("asset", Text),
    Column("label", Text),
    Column("opened_at", _time),
    Column("idempotency_key", Uuid),
)
_transfer = Table(
    "transfer",
    _schema,
    Column("transfer_id", Uuid, primary_key=True),
    Column("customer_id", Uuid),
    Column("idempotency_key", Uuid),
    Column("request_digest", LargeBinary),
    Column("debtor_account", Text),
    Column("creditor_account", Text),
    Column("partner_msp_id", Text),
    Column("asset", Text),
    Column("amount_minor", Numeric(38, 0)),
    Column("description", Text),
    Column("created_at", _time),
    Column("state", Text),
    Column("seq", BigInteger),
    Column("decision", Text),
    Column("refusal_code", Text),
    Column("refusal_message", Text),
)


@dataclass(frozen=True, slots=True)
class Customer:
    """A registered person; each of his ``password_changes`` ends what was begun before.

    With a password that the bank gave (``must_change_password``) he can do nothing but set one of his own, while it is
    good.
    """

    customer_id: uuid.UUID
    email: str
    display_name: str
    password_hash: str
    status: str
    password_changes: int = 0
    must_change_password: bool = False
    given_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """Whose account a reference in the books is, and the key of the request that opened it."""

    account: str
    customer_id: uuid.UUID
    asset: str
    label: str
    opened_at: datetime
    idempotency_key: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """A customer's order and what became of it, as far as this gateway knows."""

    transfer_id: uuid.UUID
    customer_id: uuid.UUID
    idempotency_key: uuid.UUID
    request_digest: bytes
    debtor_account: str
    creditor_account: str
    partner_msp_id: str | None
    asset: str
    amount_minor: int
    description: str
    created_at: datetime
    state: str = "received"
    seq: int | None = None
    decision: str | None = None
    refusal_code: str | None = None
    refusal_message: str | None = None


class Store:
    """Reads and writes schema ``gateway``.

    Args:
        engine: SQLAlchemy engine on psycopg.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ping(self) -> None:
        """Ask the database for anything at all."""
        with self._engine.connect() as connection:
            connection.execute(select(1))

    def add_customer(self, customer: Customer, created_at: datetime, told: TakenTold | None = None) -> datetime | None:
        """Register a customer, unless whoever asks was told of too many that are registered already.

        Returns:
            None when he is registered; where nobody was looked for, when the oldest of what was told was told.
        Raises:
            ConflictError: the e-mail address is taken.
        """
        values = {
            "customer_id": customer.customer_id,
            "email": customer.email,
            "display_name": customer.display_name,
            "password_hash": customer.password_hash,
            "status": customer.status,
            "created_at": created_at,
        }
        added = insert_or_skip(customers).values(values).on_conflict_do_nothing(index_elements=["email"])
        with self._engine.begin() as connection:
            if told is not None and (oldest := told.enough_since(connection, created_at)) is not None:
                return oldest
            is_taken = connection.scalar(added.returning(customers.c.customer_id)) is None
            if is_taken and told is not None:
                note_at(connection, told.place, told.subject, created_at, told.window)
        if is_taken:
            raise ConflictError("email_taken", "this e-mail address is registered already: sign in instead")
        return None

    def customer_by_email(self, email: str) -> Customer | None:
        """Return the customer of an e-mail address, or None."""
        with self._engine.connect() as connection:
            row = connection.execute(select(customers).where(customers.c.email == email)).one_or_none()
        return None if row is None else as_customer(row)

    def customer(self, customer_id: uuid.UUID) -> Customer:
        """Return a customer.

        Raises:
            NotFoundError: there is none.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(customers).where(customers.c.customer_id == customer_id)).one_or_none()
        if row is None:
            raise NotFoundError("no such customer")
        return as_customer(row)

    def renew_password_hash(self, customer: Customer, password_hash: str) -> None:
        """Replace a customer's hash, after a good login with an outdated one; not that of a password changed since."""
        with self._engine.begin() as connection:
            chosen = update(customers).where(
                customers.c.customer_id == customer.customer_id,
                customers.c.password_hash == customer.password_hash,
            )
            connection.execute(chosen.values(password_hash=password_hash))

    def add_account(self, account: OwnAccount, count_max: int) -> OwnAccount:
        """Record that an account in the books is a customer's, unless a request with its key opened one.

        Returns:
            The account of the key.
        Raises:
            ConflictError: he has ``count_max`` accounts, also where many are opened at once.
        """
        values = {
            "account": account.account,
            "customer_id": account.customer_id,
            "asset": account.asset,
            "label": account.label,
            "opened_at": account.opened_at,
            "idempotency_key": account.idempotency_key,
        }
        owner = select(customers.c.customer_id).where(customers.c.customer_id == account.customer_id)
        owned = select(func.count()).where(accounts.c.customer_id == account.customer_id)
        by_key = select(accounts).where(
            accounts.c.customer_id == account.customer_id, accounts.c.idempotency_key == account.idempotency_key
        )
        with self._engine.begin() as connection:
            connection.execute(owner.with_for_update())
            if account.idempotency_key is not None and (row := connection.execute(by_key).one_or_none()) is not None:
                return _as_account(row)
            if (connection.scalar(owned) or 0) >= count_max:
                raise ConflictError("account_limit", f"a customer may have {count_max} accounts")
            connection.execute(insert(accounts).values(values))
        return account

    def accounts(self, customer_id: uuid.UUID) -> list[OwnAccount]:
        """Return a customer's accounts, oldest first."""
        mine = select(accounts).where(accounts.c.customer_id == customer_id)
        with self._engine.connect() as connection:
            rows = connection.execute(mine.order_by(accounts.c.opened_at, accounts.c.account)).all()
        return [_as_account(row) for row in rows]

    def account(self, customer_id: uuid.UUID, account: str) -> OwnAccount:
        """Return one of the customer's own accounts.

        Raises:
            NotFoundError: there is none, or it is another customer's.
        """
        mine = select(accounts).where(accounts.c.account == account, accounts.c.customer_id == customer_id)
        with self._engine.connect() as connection:
            row = connection.execute(mine).one_or_none()
        if row is None:
            raise NotFoundError("no such account of yours")
        return _as_account(row)

    def claim_transfer(self, transfer: Transfer) -> Transfer:
        """Write an order down, or return the one that holds the same idempotency key already."""
        values = {column.name: getattr(transfer, column.name) for column in _transfer.columns}
        claim = insert_or_skip(_transfer).values(values)
        same_key = (_transfer.c.customer_id == transfer.customer_id) & (
            _transfer.c.idempotency_key == transfer.idempotency_key
        )
        with self._engine.begin() as connection:
            connection.execute(claim.on_conflict_do_nothing(index_elements=["customer_id", "idempotency_key"]))
            return _as_transfer(connection.execute(select(_transfer).where(same_key)).one())

    def has_transfer(self, customer_id: uuid.UUID, idempotency_key: uuid.UUID) -> bool:
        """Tell whether an order was written down under this key."""
        same_key = (_transfer.c.customer_id == customer_id) & (_transfer.c.idempotency_key == idempotency_key)
        with self._engine.connect() as connection:
            return connection.execute(select(_transfer.c.transfer_id).where(same_key)).one_or_none() is not None

    def transfer(self, customer_id: uuid.UUID, transfer_id: uuid.UUID) -> Transfer:
        """Return one of the customer's own orders.

        Raises:
            NotFoundError: there is none, or it is another customer's.
        """
        mine = select(_transfer).where(_transfer.c.transfer_id == transfer_id, _transfer.c.customer_id == customer_id)
        with self._engine.connect() as connection:
            row = connection.execute(mine).one_or_none()
        if row is None:
            raise NotFoundError("no such transfer of yours")
        return _as_transfer(row)

    def transfers(
        self, customer_id: uuid.UUID, before: tuple[datetime, uuid.UUID] | None, count: int
    ) -> list[Transfer]:
        """Return a customer's orders, newest first.

        Args:
            customer_id: whose.
            before: time and id of the last one known; None for the newest.
            count: most that are returned.
        """
        place = tuple_(_transfer.c.created_at, _transfer.c.transfer_id)
        mine = select(_transfer).where(_transfer.c.customer_id == customer_id)
        if before is not None:
            mine = mine.where(place < tuple_(literal(before[0], _time), literal(before[1], Uuid())))
        newest = mine.order_by(_transfer.c.created_at.desc(), _transfer.c.transfer_id.desc()).limit(count)
        with self._engine.connect() as connection:
            return [_as_transfer(row) for row in connection.execute(newest).all()]

    def record_outcome(self, transfer: Transfer) -> Transfer:
        """Store what the node answered (state, entry number, decision or refusal); return the transfer as it stands.

        Of two requests at once the later answer may be the older one, so a final state stays; only what stands in the
        books is written over a refusal, because the books do not keep a refused key from being posted.
        """
        chosen = update(_transfer).where(
            _transfer.c.transfer_id == transfer.transfer_id,
            true() if transfer.state == "posted" else _transfer.c.state.not_in(FINAL_STATES),
        )
        with self._engine.begin() as connection:
            connection.execute(
                chosen.values(
                    state=transfer.state,
                    seq=transfer.seq,
                    decision=transfer.decision,
                    refusal_code=transfer.refusal_code,
                    refusal_message=transfer.refusal_message,
                )
            )
            standing = select(_transfer).where(_transfer.c.transfer_id == transfer.transfer_id)
            return _as_transfer(connection.execute(standing).one())


def as_customer(row: Row[*tuple[object, ...]]) -> Customer:
    """Return the customer of a row."""
    return Customer(
        row.customer_id,
        row.email,
        row.display_name,
        row.password_hash,
        row.status,
        row.password_changes,
        row.must_change_password,
        row.given_until,
    )


def _as_account(row: Row[*tuple[object, ...]]) -> OwnAccount:
    return OwnAccount(row.account, row.customer_id, row.asset, row.label, row.opened_at, row.idempotency_key)


def _as_transfer(row: Row[*tuple[object, ...]]) -> Transfer:
    fields = dict(row._mapping)
    fields["request_digest"] = bytes(row.request_digest)
    fields["amount_minor"] = int(row.amount_minor)
    return Transfer(**fields)
