"""What one bank lets another owe it: limits, collateral, cut-off times; and how much is owed now.

- A limit is the creditor's: how much the other may owe him in an asset, beyond the collateral the other pledged to him.
  Without a limit anything goes. It is asked when obligations are agreed to.
- Collateral is the debtor's: what he pledged to the creditor. Less is pledged only as far as limit and debts allow.
- A cut-off is the creditor's: until when, UTC, he takes obligations of the same value date in an asset.
- All of it is private to the two banks and the regulator. It lies under two fixed keys of their collection, ``terms``
  and ``exposures``, so that not even a key's name tells an asset. Each value carries a salt, for its hash is public;
  the next salt follows from the last and from secrets of what changed, the same at every endorser.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from chaincode.contract import Contract, reads_only
from chaincode.encoding import decode_hex, format_time, from_json, to_json
from chaincode.errors import ArgumentError, ConflictError
from chaincode.keys import require_organization
from chaincode.pairs import Pair, private_input, require_pair
from chaincode.shim.stub import ChaincodeStub
from network.obligation import AMOUNT_MAX, SALT_BYTES, ObligationDetails

TERMS, EXPOSURES = "terms", "exposures"
LIMITS, COLLATERAL, CUT_OFFS = "limits", "collateral", "cut_offs"

_ASSET = re.compile(r"[A-Za-z0-9]{1,16}")
_CUT_OFF = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_SALT_TAG = b"dwaybank.node/pair-salt\x01"

Table = dict[str, dict[str, str]]


@dataclass
class Exposures:
    """What two banks owe one another, agreed and not settled, while a transaction changes it.

    Args:
        debts: minor units by debtor and asset.
        salt: of the stored value.
        terms: as they stand.
        grown: debtor and asset of every debt that grew.
        secrets: from which the next salt follows.
    """

    stub: ChaincodeStub
    pair: Pair
    debts: dict[str, dict[str, int]]
    salt: bytes
    terms: dict[str, Table]
    grown: list[tuple[str, str]] = field(default_factory=list)
    secrets: list[bytes] = field(default_factory=list)

    @classmethod
    async def of(cls, stub: ChaincodeStub, pair: Pair) -> Exposures:
        """Return them as they stand."""
        kept = await _kept(stub, pair, EXPOSURES)
        debts = {
            bank: {asset: int(amount) for asset, amount in owed.items()} for bank, owed in kept.get("debts", {}).items()
        }
        terms = {name: value for name, value in (await _kept(stub, pair, TERMS)).items() if name != "salt"}
        return cls(stub, pair, debts, bytes.fromhex(kept.get("salt", "")), terms)

    def add(self, details: ObligationDetails) -> None:
        """Take an obligation in."""
        self._change(details, details.amount)
        self.grown.append((details.debtor, details.asset))

    def remove(self, details: ObligationDetails) -> None:
        """Take an obligation out."""
        self._change(details, -details.amount)

    def _change(self, details: ObligationDetails, amount: int) -> None:
        owed = self.debts.setdefault(details.debtor, {})
        owed[details.asset] = owed.get(details.asset, 0) + amount
        self.secrets.append(details.salt)

    def require_limits(self) -> None:
        """Refuse what makes a debt larger than its creditor allows.

        Raises:
            ConflictError: ``limit_exceeded``.
        """
        for debtor, asset in self.grown:
            room = self.room(debtor, asset)
            if room is not None and room < 0:
                raise ConflictError(
                    f"{debtor} would owe more than its partner's limit and collateral allow", "limit_exceeded"
                )

    def room(self, debtor: str, asset: str) -> int | None:
        """Return how much more a bank may owe in an asset; None where its creditor set no limit."""
        creditor = next(bank for bank in self.pair.banks if bank != debtor)
        limit = self.terms.get(LIMITS, {}).get(creditor, {}).get(asset)
        if limit is None:
            return None
        pledged = self.terms.get(COLLATERAL, {}).get(debtor, {}).get(asset, "0")
        return int(limit) + int(pledged) - self.debts.get(debtor, {}).get(asset, 0)

    async def write(self) -> None:
        """Write them."""
        debts = {
            bank: {asset: str(amount) for asset, amount in owed.items() if amount} for bank, owed in self.debts.items()
        }
        salt = hashlib.sha256(_SALT_TAG + self.salt + b"".join(self.secrets)).hexdigest()
        value = to_json({"debts": debts, "salt": salt})
        await self.stub.put_private_data(self.pair.collection, EXPOSURES, value)


class PairTermsContract(Contract):
    """Sets and tells the terms between two banks. Transient ``term``: ``{"asset", "value", "salt"}``."""

    async def set_limit(self, stub: ChaincodeStub, counterparty: str) -> None:
        """Set how much the counterparty may owe the caller's bank in an asset; ``value`` '' takes the limit away."""
        await self._set(stub, require_pair(stub, counterparty), LIMITS)

    async def set_collateral(self, stub: ChaincodeStub, counterparty: str) -> None:
        """Set what the caller's bank has pledged to the counterparty in an asset; ``value`` '' for nothing."""
        pair = require_pair(stub, counterparty)
        terms, asset = await self._set(stub, pair, COLLATERAL)
        exposures = await Exposures.of(stub, pair)
        exposures.terms = terms
        room = exposures.room(pair.caller, asset)
        if room is not None and room < 0:
            raise ConflictError(
                "what is owed now needs this collateral: settle before it is taken back", "limit_exceeded"
            )

    async def set_cut_off(self, stub: ChaincodeStub, counterparty: str) -> None:
        """Set until when, ``HH:MM`` UTC, the caller's bank takes obligations of the same value date; '' for no end."""
        await self._set(stub, require_pair(stub, counterparty), CUT_OFFS)

    @reads_only
    async def get_terms(self, stub: ChaincodeStub, counterparty: str) -> dict[str, Any]:
        """Return limits, collateral, cut-offs and debts between the caller's bank and another; for the two of them."""
        return await _told(stub, require_pair(stub, counterparty))

    @reads_only
    async def get_pair_terms(self, stub: ChaincodeStub, first: str, second: str) -> dict[str, Any]:
        """Return the same between any two banks; for members of their collection, such as the regulator."""
        return await _told(stub, Pair(require_organization(first), require_organization(second)))

    async def _set(self, stub: ChaincodeStub, pair: Pair, kind: str) -> tuple[dict[str, Table], str]:
        asset, value, salt = _term(private_input(stub, "term"), kind)
        kept = await _kept(stub, pair, TERMS)
        terms: dict[str, Table] = {name: kept.get(name, {}) for name in (LIMITS, COLLATERAL, CUT_OFFS)}
        own = {key: each for key, each in terms[kind].get(pair.caller, {}).items() if key != asset}
        terms[kind] = {**terms[kind], pair.caller: {**own, asset: value} if value else own}
        old = bytes.fromhex(kept.get("salt", ""))
        fresh = hashlib.sha256(_SALT_TAG + old + salt).hexdigest()
        await stub.put_private_data(pair.collection, TERMS, to_json({**terms, "salt": fresh}))
        return terms, asset


async def require_before_cut_off(stub: ChaincodeStub, pair: Pair, details: ObligationDetails) -> None:
    """Refuse an obligation whose value date is over, or whose creditor takes no more for that day.

    Raises:
        ConflictError: ``past_cut_off``; the next day is the way out.
    """
    now = format_time(stub.get_timestamp())
    day = details.value_date.isoformat()
    terms = await _kept(stub, pair, TERMS)
    cut_off = terms.get(CUT_OFFS, {}).get(details.creditor, {}).get(details.asset)
    if now[:10] > day or (cut_off is not None and now[:10] == day and now[11:16] >= cut_off):
        raise ConflictError(f"nothing is taken any more for value date {day}: take the next day", "past_cut_off")


async def _told(stub: ChaincodeStub, pair: Pair) -> dict[str, Any]:
    terms = await _kept(stub, pair, TERMS)
    debts = (await _kept(stub, pair, EXPOSURES)).get("debts", {})
    return {**{name: terms.get(name, {}) for name in (LIMITS, COLLATERAL, CUT_OFFS)}, "debts": debts}


async def _kept(stub: ChaincodeStub, pair: Pair, key: str) -> dict[str, Any]:
    value = await stub.get_private_data(pair.collection, key)
    kept: dict[str, Any] = from_json(value) if value else {}
    return kept


def _term(given: Any, kind: str) -> tuple[str, str, bytes]:
    if not isinstance(given, dict) or sorted(given) != ["asset", "salt", "value"]:
        raise ArgumentError("term is no object with asset, value and salt")
    asset, value, salt = (given[name] for name in ("asset", "value", "salt"))
    if not isinstance(asset, str) or not _ASSET.fullmatch(asset):
        raise ArgumentError("asset is no code such as EUR")
    if not isinstance(value, str) or not isinstance(salt, str):
        raise ArgumentError("value or salt is no text")
    if value and kind == CUT_OFFS and not _CUT_OFF.fullmatch(value):
        raise ArgumentError(f"value is {value[:20]!r}, not a time of day such as 16:30, UTC")
    if value and kind != CUT_OFFS and not _is_amount(value):
        raise ArgumentError(f"value is no whole number of minor units up to {AMOUNT_MAX}")
    return asset, value, decode_hex(salt, "salt", SALT_BYTES)


def _is_amount(text: str) -> bool:
    plain = text.isascii() and text.isdecimal() and len(text) <= 19 and (text == "0" or text[0] != "0")
    return plain and int(text) <= AMOUNT_MAX
