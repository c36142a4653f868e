"""What two banks agree on when one owes the other: ids, details, their commitments, and where they are kept.

Contract, node and whoever checks a proof read it here, so that there is one reading.

    commitment = SHA-256(``dwaybank.node/obligation\\x01`` ‖ salt ‖ canonical JSON of the details without the salt)
    value      = value commitment to {asset: amount} under the blinding that follows from the salt

The value is signed as the first of the two banks, by name, sees it: positive where he owes, negative where he is owed.

Two banks' details lie in their own private collection, ``pair_<first>_<second>``, which the members of a consortium
define with its third member, the regulator, among the readers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date

from network import value_commitment
from network.errors import ProofError

SETTLEMENT = "settlement"
"""Name of the contract."""

ID_BYTES = 16
SALT_BYTES = 32
AMOUNT_MAX = 2**63 - 1

_TAG = b"dwaybank.node/obligation\x01"
_ID_TAG = b"dwaybank.node/obligation-id\x01"
_FIELDS = ("debtor", "creditor", "asset", "amount", "value_date", "reference", "salt")


@dataclass(frozen=True, slots=True)
class ObligationDetails:
    """What stays between two banks and the regulator.

    Args:
        debtor: MSP id of who owes.
        creditor: MSP id of who is owed.
        asset: code.
        amount: minor units, above 0.
        value_date: day on which it counts.
        reference: settlement id under which both books carry it.
        salt: 32 random bytes that both know.
    """

    debtor: str
    creditor: str
    asset: str
    amount: int
    value_date: date
    reference: str
    salt: bytes

    @property
    def commitment(self) -> bytes:
        """The salted commitment to all of it."""
        told = asdict(self) | {"amount": str(self.amount), "value_date": self.value_date.isoformat()}
        del told["salt"]
        canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        return hashlib.sha256(_TAG + self.salt + canonical).digest()

    @property
    def blinding(self) -> int:
        """The blinding of the value, as the first bank sees it."""
        return self.sign * value_commitment.blinding_of(self.salt)

    @property
    def sign(self) -> int:
        """1 where the first bank owes, -1 where he is owed."""
        return 1 if self.debtor < self.creditor else -1

    @property
    def value(self) -> bytes:
        """The commitment that adds up."""
        return value_commitment.commit({self.asset: self.sign * self.amount}, self.blinding)

    def fields(self) -> dict[str, str]:
        """Return the JSON form."""
        told = {name: str(getattr(self, name)) for name in _FIELDS}
        return told | {"value_date": self.value_date.isoformat(), "salt": self.salt.hex()}


def details_of(fields: object) -> ObligationDetails:
    """Return details from their JSON form.

    Raises:
        ProofError: ``malformed_details``, naming the field.
    """
    if not isinstance(fields, dict) or sorted(fields) != sorted(_FIELDS):
        raise _malformed("they have the fields " + ", ".join(_FIELDS) + " and no others")
    for name, value in fields.items():
        if not isinstance(value, str) or not 0 < len(value) <= 128 or not value.isprintable():
            raise _malformed(f"{name} is no text of 1 to 128 printable characters")
    debtor, creditor, asset, amount = (fields[name] for name in _FIELDS[:4])
    if debtor == creditor:
        raise _malformed("debtor and creditor are the same")
    if not (asset.isascii() and asset.isalnum() and len(asset) <= 16):
        raise _malformed("asset is no code such as EUR")
    if not (amount.isascii() and amount.isdecimal() and amount[0] != "0" and int(amount) <= AMOUNT_MAX):
        raise _malformed(f"amount is no whole number from 1 to {AMOUNT_MAX}")
    try:
        value_date = date.fromisoformat(fields["value_date"])
        salt = bytes.fromhex(fields["salt"])
    except ValueError:
        raise _malformed("value_date is no day such as 2026-03-01, or salt no hex") from None
    if value_date.isoformat() != fields["value_date"] or salt.hex() != fields["salt"] or len(salt) != SALT_BYTES:
        raise _malformed(f"value_date or salt is not in its one form; a salt has {SALT_BYTES} bytes")
    return ObligationDetails(debtor, creditor, asset, int(amount), value_date, fields["reference"], salt)


def pair_of(one: str, other: str) -> tuple[str, str]:
    """Return two banks in the order in which they stand everywhere."""
    return (one, other) if one < other else (other, one)


def pair_collection(one: str, other: str) -> str:
    """Return the name of two banks' private collection."""
    return "pair_" + "_".join(pair_of(one, other))


def obligation_id_of(sender_msp_id: str, settlement_id: str) -> str:
    """Return the id of the obligation that a settlement gives rise to, hex.

    It tells nothing: a settlement id is random, and only the two banks know it.
    """
    digest = hashlib.sha256(_ID_TAG + f"{sender_msp_id}\x00{settlement_id}".encode()).hexdigest()
    return digest[: 2 * ID_BYTES]


def _malformed(why: str) -> ProofError:
    return ProofError("malformed_details", f"the details of an obligation cannot be used: {why}")
