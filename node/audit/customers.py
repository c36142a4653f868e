"""Who stands behind an account: the gateway's customer data, as far as the node's database lets it ask.

The gateway keeps its customers in a schema of its own, which the node cannot read. One function of that schema answers
the node about accounts it names, and keeps that it was asked (``gateway/sql/migrations/0020_customers_of.sql``).
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from node.anchor.database import Database
from node.anchor.errors import AnchorError
from node.audit.serving import timestamp

_ABSENT = (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName, psycopg.errors.InsufficientPrivilege)


class CustomerSource:
    """Asks the gateway's schema. Calls block."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def customers_of(self, demand_id: str, accounts: Sequence[str]) -> list[pb.DisclosedCustomer] | None:
        """Return the customers behind accounts, as far as there are any; None where nobody can be asked.

        Args:
            demand_id: for which demand; the gateway's schema keeps it.
        """
        try:
            rows = self._database.fetch("customers_of", (demand_id, list(accounts)), "node.audit")
        except AnchorError as error:
            # No gateway on this database, or one before it could be asked.
            if isinstance(error.__cause__, _ABSENT):
                return None
            raise
        return [
            pb.DisclosedCustomer(
                account=account,
                customer_id=str(customer),
                display_name=name,
                email=email,
                status=status,
                opened_at=timestamp(opened_at),
            )
            for account, customer, name, email, status, opened_at in rows
        ]
