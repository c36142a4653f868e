"""Searches journal entries of all members: anchored ones by where they stand, disclosed ones by what they say.

Rules:
- what is anchored is known of every entry: whose it is, its number, block, transaction, time, who signed, whether
  another member vouches for it. What an entry says is known of disclosed ones only: a search that asks for it finds
  those, and no others;
- pages follow keys, never offsets: what is added meanwhile moves nothing;
- conditions that are not asked for do not stand in the statement, so that the database plans for what is asked.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from node.anchor.database import Database, statement
from node.audit.errors import BadRequestError
from node.audit.index import counts_until
from node.audit.pages import PageTokenError

PAGE_SIZE = 50
PAGE_SIZE_MAX = 500

SEQ_MAX = 2**62

_PACKAGE = "node.audit"


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries; None and empty fields let everything through. Times include their beginning and not their end.

    Args:
        organization: whose books, an MSP id.
        from_seq, to_seq: entry numbers, both ends in.
        block, transaction_id, signer: of the transaction that anchored it; the signer as ``MSP id/name``.
        anchored_from, anchored_to: when that transaction was made.
        attested: only those that another member vouches for.
        disclosed: only those that were disclosed to this organization.
        account, asset, amount_from, amount_to: of one and the same posting; amounts in minor units, both ends in.
        settlement_id, entry_key: of the entry.
        posted_from, posted_to, effective_from, effective_to: its two times.
        status: ``automated_approval``, ``requires_manual_review``, ``approved`` or ``rejected``.
        decision_id: of its compliance decision, 32 hex digits.
        rules_hash: version of the rules that decided, 64 hex digits.
        reviewer: who decided a review, as ``MSP id/name``, or all of an MSP id.
        demand_id: the demand that brought it.
    """

    organization: str = ""
    from_seq: int = 0
    to_seq: int = 0
    block: int | None = None
    transaction_id: str = ""
    signer: str = ""
    anchored_from: datetime | None = None
    anchored_to: datetime | None = None
    attested: bool = False
    disclosed: bool = False
    account: str = ""
    asset: str = ""
    amount_from: int | None = None
    amount_to: int | None = None
    settlement_id: str = ""
    entry_key: uuid.UUID | None = None
    posted_from: datetime | None = None
    posted_to: datetime | None = None
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    status: str = ""
    decision_id: str = ""
    rules_hash: str = ""
    reviewer: str = ""
    demand_id: str = ""


class Order(NamedTuple):
    """How entries found are sorted.

    Args:
        by: ``"anchored"``, for searches that ask for nothing an entry says; ``"posted"``, ``"effective"``, ``"entry"``
            or ``"worth"`` for disclosed ones. Empty for the first where it can be, else for the time that is bounded.
        descending: newest, or greatest, first.
    """

    by: str = ""
    descending: bool = True


class FoundEntry(NamedTuple):
    """An entry that was found.

    Args:
        block_number, tx_number, transaction_id, anchored_at, signer: of the anchor.
        attested: whether another member vouches for it.
        fields: what it says (JSON), None where it was not disclosed; so all that follow.
        status: of its compliance decision, as of now.
        reviewer: who decided its review, ``MSP id/name``.
        worth: to the rules that decided, in minor units of the reporting currency.
        sorted_by: what it was sorted by; None where that is its anchor.
    """

    organization: str
    seq: int
    block_number: int | None
    tx_number: int | None
    transaction_id: str | None
    anchored_at: datetime | None
    signer: str | None
    attested: bool
    fields: str | None
    demand_id: str | None
    disclosed_at: datetime | None
    status: str | None
    reviewer: str | None
    rules_hash: str | None
    worth: int | None
    sorted_by: datetime | int | str | None


_OF_ANCHOR = {
    "organization": "c.organization = %(organization)s",
    "from_seq": "c.to_seq >= %(from_seq)s",
    "to_seq": "c.from_seq <= %(to_seq)s",
    "block": "c.block_number = %(block)s",
    "transaction_id": "c.transaction_id = %(transaction_id)s",
    "signer": "c.signer = %(signer)s",
    "anchored_from": "c.recorded_at >= %(anchored_from)s",
    "anchored_to": "c.recorded_at < %(anchored_to)s",
    # A member vouches for a whole log as of an anchor.
    "attested": "EXISTS (SELECT FROM log.audit_record WHERE kind = 'cosignature' AND organization = c.organization"
    " AND to_seq >= c.to_seq AND (body::jsonb ->> 'time')::bigint <= %(until)s)",
}
"""Conditions on the anchor: all there is to know of an entry that was not disclosed."""

_OF_ENTRY = {
    **_OF_ANCHOR,
    "organization": "e.organization = %(organization)s",
    "from_seq": "e.seq >= %(from_seq)s",
    "to_seq": "e.seq <= %(to_seq)s",
    "attested": "attested.yes",
    "settlement_id": "e.settlement_id = %(settlement_id)s",
    "entry_key": "e.entry_key = %(entry_key)s",
    "posted_from": "e.posted_at >= %(posted_from)s",
    "posted_to": "e.posted_at < %(posted_to)s",
    "effective_from": "e.effective_at >= %(effective_from)s",
    "effective_to": "e.effective_at < %(effective_to)s",
    "status": "coalesce(review.decision, e.decision) = %(status)s",
    "decision_id": "e.decision_id = %(decision_id)s",
    "rules_hash": "e.rules_hash = %(rules_hash)s",
    "reviewer": "%(reviewer)s IN (review.signer, split_part(review.signer, '/', 1))",
    "demand_id": "e.demand_id = %(demand_id)s",
}
"""Conditions on a disclosed entry."""

_OF_POSTING = {
    "account": "p.account = %(account)s",
    "asset": "p.asset = %(asset)s",
    "amount_from": "p.amount >= %(amount_from)s",
    "amount_to": "p.amount <= %(amount_to)s",
}
"""Conditions on one posting of a disclosed entry."""

_POSTING = (
    "EXISTS (SELECT FROM log.disclosed_posting AS p WHERE (p.organization, p.seq) = (e.organization, e.seq) AND {})"
)

AUTOMATIC = "automated_approval"
"""Status of a decision that no reviewer looks at."""

_ASKS_OF = {
    "anchor": {"block", "transaction_id", "signer", "anchored_from", "anchored_to"},
    "attested": {"attested"},
    "review": {"status", "reviewer"},
}
"""Fields of a filter that ask for what stands beside a disclosed entry."""

_ANCHORED = "anchored"
_REVIEWED = "e.decision <> 'automated_approval'"
"""What a review can be of: a small part, with an index of its own."""

_KEYS = {"posted": "e.posted_at", "effective": "e.effective_at", "worth": "e.worth", "entry": "e.organization"}

_KEY_READERS: Mapping[str, Callable[[Any], Any]] = {
    "posted": datetime.fromisoformat,
    "effective": datetime.fromisoformat,
    "worth": int,
    "entry": str,
}
"""How a page token's key is read."""

_DEFAULTS = {each.name: each.default for each in fields(EntryFilter)}


class EntrySearch:
    """Searches the organization's own copy. Calls block.

    Args:
        now: the clock, UTC.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def page(
        self, wanted: EntryFilter, order: Order, page_size: int = 0, page_token: str = ""
    ) -> tuple[list[FoundEntry], str]:
        """Return a page of entries and the token of the next one (empty for none).

        Args:
            page_size: at most 500; 0 for 50.
            page_token: of the page before, of the same search.
        Raises:
            BadRequestError: a field cannot be used, or not with another.
            PageTokenError: the token is not one of this search's.
            AnchorError: the database does not answer.
        """
        limit = min(page_size, PAGE_SIZE_MAX) if page_size > 0 else PAGE_SIZE
        asked = _asked(wanted)
        by = order.by or _usual_order(asked)
        after = _read_token(page_token, by) if page_token else None
        if by == _ANCHORED:
            if _is_about_content(asked):
                raise BadRequestError(f"sort: {by!r} goes with nothing an entry says: sort by {', '.join(_KEYS)}")
            found = self._anchored(asked, order.descending, limit + 1, after)
        elif by in _KEYS:
            found = self._disclosed(asked, Order(by, order.descending), limit + 1, after)
        else:
            raise BadRequestError(f"sort: {by[:40]!r} is none of {', '.join((_ANCHORED, *_KEYS))}")
        return found[:limit], _write_token(found[limit - 1], by) if len(found) > limit else ""

    def all(self, wanted: EntryFilter, order: Order) -> Iterator[list[FoundEntry]]:
        """Yield every entry found, a page at a time."""
        token = ""
        while True:
            found, token = self.page(wanted, order, PAGE_SIZE_MAX, token)
            if found:
                yield found
            if not token:
                return

    def _anchored(self, asked: Mapping[str, Any], descending: bool, limit: int, after: Any) -> list[FoundEntry]:
        conditions = [_OF_ANCHOR[name] for name in asked if name in _OF_ANCHOR]
        parameters = {"from_seq": 1, "to_seq": SEQ_MAX, **asked, "limit": limit}
        follows = "true"
        if after is not None:
            parameters |= dict(zip(("block_after", "tx_after", "seq_after"), after, strict=True))
            compare = "<" if descending else ">"
            conditions.append(f"(c.block_number, c.tx_number) {compare}= (%(block_after)s, %(tx_after)s)")
            here = "(anchor.block_number, anchor.tx_number) = (%(block_after)s, %(tx_after)s)"
            follows = f"(NOT {here} OR seq {compare} %(seq_after)s)"
        parts = {"after": follows, "attested": _text("beside_attested")}
        parts["review"] = _text("beside_review").format(decision_id="d.decision_id")
        return self._fetch("search_anchored_entries", conditions, descending, parts, parameters)

    def _disclosed(self, asked: Mapping[str, Any], order: Order, limit: int, after: Any) -> list[FoundEntry]:
        conditions = [_OF_ENTRY[name] for name in asked if name in _OF_ENTRY]
        of_posting = [_OF_POSTING[name] for name in asked if name in _OF_POSTING]
        if of_posting:
            conditions.append(_POSTING.format(" AND ".join(of_posting)))
        if "reviewer" in asked or asked.get("status", AUTOMATIC) != AUTOMATIC:
            conditions.append(_REVIEWED)
        if order.by == "worth":
            conditions.append("e.worth IS NOT NULL")
        key, parameters, follows = _KEYS[order.by], {**asked, "limit": limit}, "true"
        if after is not None:
            parameters |= dict(zip(("key_after", "organization_after", "seq_after"), after, strict=True))
            last = "(%(key_after)s, %(organization_after)s, %(seq_after)s)"
            follows = f"({key}, e.organization, e.seq) {'<' if order.descending else '>'} {last}"
        beside = {
            "anchor": _text("beside_anchor"),
            "attested": _text("beside_attested"),
            "review": _text("beside_review").format(decision_id="e.decision_id"),
        }
        asked_beside = [text for name, text in beside.items() if not _ASKS_OF[name].isdisjoint(asked)]
        parts = {**beside, "after": follows, "key": key, "asked_beside": "\n".join(asked_beside)}
        return self._fetch("search_disclosed_entries", conditions, order.descending, parts, parameters)

    def _fetch(
        self,
        name: str,
        conditions: Sequence[str],
        descending: bool,
        parts: Mapping[str, str],
        parameters: Mapping[str, Any],
    ) -> list[FoundEntry]:
        direction = "DESC" if descending else "ASC"
        text = _text(name).format(**parts, conditions=" AND ".join(conditions) or "true", direction=direction)
        with self._database.transaction() as connection:
            # Planned for what is asked, each time: one plan for all values would serve few of them.
            asked = {**parameters, "until": counts_until(self._now())}
            cursor = connection.execute(text.encode(), asked, prepare=False)
            return [FoundEntry(*row) for row in cursor.fetchall()]


def _text(name: str) -> str:
    return statement(name, _PACKAGE).decode()


def _asked(wanted: EntryFilter) -> dict[str, Any]:
    """Return what a filter asks for, without what lets everything through."""
    told = {each.name: getattr(wanted, each.name) for each in fields(wanted)}
    return {name: value for name, value in told.items() if value != _DEFAULTS[name]}


def _usual_order(asked: Mapping[str, Any]) -> str:
    if not _is_about_content(asked):
        return _ANCHORED
    # Who bounds one of the two times looks along it.
    bounded = {name.partition("_")[0] for name in asked}
    return "effective" if "effective" in bounded and "posted" not in bounded else "posted"


def _is_about_content(asked: Mapping[str, Any]) -> bool:
    """Whether what is asked for is told by disclosed entries only."""
    return any(name not in _OF_ANCHOR for name in asked)


def _write_token(last: FoundEntry, by: str) -> str:
    place: tuple[Any, ...] = (last.block_number, last.tx_number, last.seq)
    if by != _ANCHORED:
        key = last.sorted_by.isoformat() if isinstance(last.sorted_by, datetime) else last.sorted_by
        place = (key, last.organization, last.seq)
    return base64.urlsafe_b64encode(json.dumps([by, *place]).encode()).decode()


def _read_token(token: str, by: str) -> tuple[Any, ...]:
    try:
        data = base64.urlsafe_b64decode(token.encode("ascii"))
        told, key, middle, seq = json.loads(data)
        if told == by and base64.urlsafe_b64encode(data).decode() == token:
            if by == _ANCHORED:
                return int(key), int(middle), int(seq)
            return _KEY_READERS[by](key), str(middle), int(seq)
    except (ValueError, TypeError, binascii.Error):
        pass
    raise PageTokenError("page_token: give the token of the page before, unchanged, with the same search")
