"""Control totals: the sums of debits and credits per asset that each anchor commits to, opened to supervisors.

Rules:
- a member opens what it anchored, to whom its settings name a supervisor, and to nobody else;
- what is opened counts only if it is the very text that the anchor commits to, with its salt;
- what counts is kept, whether it balances or not, at least every ten minutes: it is evidence either way.

Totals are those of all entries of the anchored size, so they grow from one to the next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ledger.money import ASSET_CODE
from network.audit_record import commit_controls
from network.bundle_json import read_json
from network.errors import ProofError
from node.anchor.database import Database
from node.anchor.leaf_source import Totals
from node.anchor.store import ControlOpening, LogStore
from node.audit.errors import UnknownEntryError
from node.audit.pages import PAGE_SIZE_MAX, limit_of, read_place, split, whole, word

ASSETS_MAX = 10_000

_PACKAGE = "node.audit"
_AMOUNT = re.compile(r"0|[1-9][0-9]{0,37}")
_SALT_BYTES = 32
_GREATEST = (2**62, "")


@dataclass(frozen=True, slots=True)
class OpenedTotals:
    """Totals that a member opened and its anchor commits to.

    Args:
        size: entries they are about, the first so many.
        totals: by asset, minor units.
        block_number, transaction_id: of the anchor.
    """

    organization: str
    size: int
    opened_at: datetime
    totals: Mapping[str, Totals]
    block_number: int
    transaction_id: str


@dataclass(frozen=True, slots=True)
class DisclosedSum:
    """What was disclosed of the entries of a range, in one asset.

    Args:
        after, up_to: the range; ``after`` is not in it.
        count: entries of the range that were disclosed, whatever their assets.
    """

    organization: str
    after: int
    up_to: int
    count: int
    asset: str
    debits: int
    credits: int


class OwnTotals:
    """Opens the own ones. Calls block.

    Args:
        require_supervisor: refuses who is none, by raising.
    """

    def __init__(self, store: LogStore, require_supervisor: Callable[[str], None]) -> None:
        self._store = store
        self._require_supervisor = require_supervisor

    def open(self, caller: str, size: int) -> ControlOpening:
        """Return what opens the commitment of an anchored size.

        Raises:
            RefusedError: the caller is no supervisor.
            UnknownEntryError: nothing was anchored at this size.
        """
        self._require_supervisor(caller)
        opening = self._store.control_opening(size)
        if opening is None:
            raise UnknownEntryError(f"no control totals are kept of {size} entries: name a size that was anchored")
        return opening


class TotalsStore:
    """Totals that others opened, in the organization's own database. Calls block."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, organization: str, size: int, totals: str, salt: bytes, now: datetime) -> None:
        """Keep what a member opened."""
        self._database.fetch("put_opened_totals", (organization, size, now, totals, salt), _PACKAGE)

    def page(self, organization: str = "", page_size: int = 0, page_token: str = "") -> tuple[list[OpenedTotals], str]:
        """Return a page of what was opened, the greatest size first, and the token of the next one (empty for none).

        Raises:
            PageTokenError: the token is not one of this list's.
        """
        limit = limit_of(page_size, PAGE_SIZE_MAX)
        after = read_place(page_token, whole, word) if page_token else _GREATEST
        found = self._found(organization, 0, limit + 1, after)
        return split(found, limit, lambda last: (last.size, last.organization))

    def of_size(self, organization: str, size: int) -> OpenedTotals | None:
        """Return what a member opened of one size."""
        return next(iter(self._found(organization, size, 1)), None)

    def of_sizes(self, organization: str, sizes: Sequence[int]) -> dict[int, Mapping[str, Totals]]:
        """Return the totals that a member opened of some sizes, as far as it did."""
        rows = self._database.fetch("totals_of_sizes", (organization, list(sizes)), _PACKAGE)
        return {size: _read_totals(totals) for size, totals in rows}

    def newest(self, organization: str) -> OpenedTotals | None:
        """Return what a member opened last."""
        return next(iter(self._found(organization, 0, 1)), None)

    def disclosed_sums(self, organization: str) -> list[DisclosedSum]:
        """Return what was disclosed between each two sizes of which totals were opened."""
        return [DisclosedSum(*row) for row in self._database.fetch("disclosed_sums", (organization,), _PACKAGE)]

    def disclosed_count(self, organization: str) -> int:
        """Return how many entries of a member were disclosed."""
        return int(self._database.fetch("disclosed_count", (organization,), _PACKAGE)[0][0])

    def _found(
        self, organization: str, size: int, limit: int, after: tuple[int, str] = _GREATEST
    ) -> list[OpenedTotals]:
        below, beyond = after
        wanted = {"organization": organization, "size": size, "limit": limit, "below": below, "beyond": beyond}
        return [_opened(*row) for row in self._database.fetch("opened_totals", wanted, _PACKAGE)]


def check_opening(totals: str, salt: bytes, commitment: bytes) -> dict[str, Totals]:
    """Return totals once they are what was committed to.

    Raises:
        ProofError: ``wrong_totals``, when they are not; ``malformed_totals``, when they are no totals.
    """
    if len(salt) != _SALT_BYTES or commit_controls(totals, salt) != commitment:
        raise ProofError("wrong_totals", "the totals do not open the anchor's commitment")
    value = read_json(totals.encode(), "malformed_totals")
    if len(value) > ASSETS_MAX:
        raise ProofError("malformed_totals", f"totals of {len(value)} assets are more than anybody has")
    # What is kept is shown in lists and reports: a name that fits into no UTF-8 would keep all of them from being made.
    if unknown := [asset for asset in value if not ASSET_CODE.fullmatch(asset)]:
        raise ProofError("malformed_totals", f"{unknown[0][:20]!r} is no asset's code")
    return {asset: _read_sums(asset, sums) for asset, sums in value.items()}


def unbalanced(totals: Mapping[str, Totals]) -> list[str]:
    """Return the assets whose debits are not its credits, with both."""
    return [
        f"{asset}: debits {sums.debits}, credits {sums.credits}"
        for asset, sums in sorted(totals.items())
        if sums.debits != sums.credits
    ]


def shrunk(before: Mapping[str, Totals], after: Mapping[str, Totals]) -> list[str]:
    """Return the assets whose sums are smaller over more entries, with both."""
    none = Totals(0, 0)
    return [
        f"{asset}: debits {was.debits} then {now.debits}, credits {was.credits} then {now.credits}"
        for asset, was in sorted(before.items())
        if (now := after.get(asset, none)).debits < was.debits or now.credits < was.credits
    ]


def unfitting(sums: DisclosedSum, before: Totals, after: Totals) -> str:
    """Return how disclosed entries of a range do not fit its totals' growth; nothing where they do."""
    debits, credits_ = after.debits - before.debits, after.credits - before.credits
    whole = sums.count == sums.up_to - sums.after
    fits = sums.debits <= debits and sums.credits <= credits_
    if fits and not (whole and (sums.debits, sums.credits) != (debits, credits_)):
        return ""
    return (
        f"{sums.asset}, entries {sums.after + 1} to {sums.up_to}: totals grew by debits {debits}, credits {credits_}; "
        f"{sums.count} of these entries were disclosed, with debits {sums.debits}, credits {sums.credits}"
    )


def _read_sums(asset: str, value: Any) -> Totals:
    if not isinstance(value, dict) or set(value) != {"debits", "credits"}:
        raise ProofError("malformed_totals", f"the totals of {asset[:20]!r} are not debits and credits")
    sums = value["debits"], value["credits"]
    if not all(isinstance(text, str) and _AMOUNT.fullmatch(text) for text in sums):
        raise ProofError("malformed_totals", f"the totals of {asset[:20]!r} are no whole numbers from 0")
    return Totals(*map(int, sums))


def _opened(
    organization: str, size: int, opened_at: datetime, totals: str, block_number: int, transaction_id: str
) -> OpenedTotals:
    return OpenedTotals(organization, size, opened_at, _read_totals(totals), block_number, transaction_id)


def _read_totals(text: str) -> dict[str, Totals]:
    return {asset: _read_sums(asset, value) for asset, value in json.loads(text).items()}
