"""Entries that the node found, as pages show them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.portal.rendering import minor
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb


@dataclass(frozen=True, slots=True)
class ShownPosting:
    """One leg of a disclosed entry; the amount as people write it."""

    account: str
    side: str
    amount: str
    asset: str


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry.

    Args:
        entry: as the node told it.
        fields: what it says; empty where it was not disclosed.
        postings: its legs; none where it was not disclosed.
    """

    entry: pb.FoundEntry
    fields: dict[str, Any]
    postings: tuple[ShownPosting, ...]

    @property
    def is_disclosed(self) -> bool:
        """Tell whether what it says is known here."""
        return bool(self.fields)

    @property
    def path(self) -> str:
        """Address of its page."""
        return f"/entries/{self.entry.organization}/{self.entry.seq}"

    @property
    def posted_at(self) -> datetime:
        """When it was posted; of disclosed entries only."""
        return datetime.fromisoformat(self.fields["posted_at"])


def shown_entry(entry: pb.FoundEntry) -> ShownEntry:
    """Return an entry as pages show it."""
    fields = json.loads(entry.fields_json) if entry.fields_json else {}
    postings = tuple(
        ShownPosting(
            posting["account"], posting["side"], minor(posting["amount_minor"], posting["scale"]), posting["asset"]
        )
        for posting in fields.get("postings", ())
    )
    return ShownEntry(entry, fields, postings)
