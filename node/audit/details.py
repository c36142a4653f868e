"""What demands bring beside entries: free text and people. Kept sealed to this organization's own key.

So whoever reads the database, or a copy of it, reads none of it without the key's file; and whoever is shown it through
the node is written down first (``disclosed.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nacl.public import PrivateKey

from ledger.canonical import description_commitment
from network.errors import ProofError
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from node.anchor.database import Database
from node.audit.sealing import seal, unseal

DESCRIPTION, CUSTOMER = "description", "customer"
SCOPES = ("entry", DESCRIPTION, CUSTOMER)

_PACKAGE = "node.audit"
_SALT_BYTES = 32


class DetailStore:
    """Details in the organization's own database. Calls block.

    Args:
        key: what they are sealed to and opened with.
    """

    def __init__(self, database: Database, key: PrivateKey) -> None:
        self._database = database
        self._key = key

    def keep(self, demand_id: str, details: Sequence[pb.DisclosedDetails], now: datetime) -> None:
        """Keep what a demand brought; what it brought before stays."""
        for each in details:
            sealed = seal(each.SerializeToString(), bytes(self._key.public_key))
            row = (each.organization, each.seq, demand_id, now, sealed)
            self._database.fetch("put_disclosed_detail", row, _PACKAGE)

    def of_entry(self, organization: str, seq: int) -> list[pb.DisclosedDetails]:
        """Return what was brought of an entry, the newest first, as far as the key that is here now opens it.

        Raises:
            ProofError: ``wrong_seal``, when it opens none of it.
        """
        rows = self._database.fetch("disclosed_details", (organization, seq), _PACKAGE)
        found, failed = [], None
        for (sealed,) in rows:
            try:
                found.append(pb.DisclosedDetails.FromString(unseal(bytes(sealed), self._key)))
            except ProofError as error:
                failed = error
        if failed is not None and not found:
            raise failed
        return found


def check_details(details: pb.DisclosedDetails, fields: Mapping[str, Any], scope: Sequence[str]) -> None:
    """Check what came beside an entry against the entry, which is proved.

    Args:
        fields: the entry, as its canonical form says it.
        scope: what was demanded.
    Raises:
        ProofError: ``wrong_description``, ``wrong_customer`` or ``not_disclosed``.
    """
    told = set(details.unavailable)
    if not told <= set(scope):
        raise ProofError("not_disclosed", f"entry {details.seq}: what is said to be unavailable was not demanded")
    if DESCRIPTION in scope and DESCRIPTION not in told:
        _check_description(details, str(fields["description_commitment"]))
    elif details.description:
        raise ProofError("wrong_description", f"entry {details.seq} came with a text that was not demanded or not told")
    accounts = {posting["account"] for posting in fields["postings"]} if CUSTOMER in scope else set()
    for customer in details.customers:
        if customer.account not in accounts:
            raise ProofError("wrong_customer", f"entry {details.seq} came with the customer of another account")


def _check_description(details: pb.DisclosedDetails, commitment: str) -> None:
    if not commitment and not details.description:
        return
    if len(details.description_salt) != _SALT_BYTES or (
        description_commitment(details.description_salt, details.description).hex() != commitment
    ):
        raise ProofError("wrong_description", f"entry {details.seq} commits to another text than was given")
