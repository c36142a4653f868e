"""The search form and the node's request, each from the other: their fields have the same names.

Times are UTC, as browsers' date and time fields write them; a day alone means the whole of it, so an end that is a day
lets that day through.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.errors import RefusedError
from gateway.portal.forms import Form, whole_number
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb

NUMBER_MAX = 2**53 - 1

TEXTS = (
    "organization", "transaction_id", "signer", "account", "asset", "amount_from_minor", "amount_to_minor",
    "settlement_id", "idempotency_key", "status", "decision_id", "rules_hash", "reviewer", "demand_id", "sort",
)  # fmt: skip
NUMBERS = ("from_seq", "to_seq", "block")
TIMES = ("anchored_from", "anchored_to", "posted_from", "posted_to", "effective_from", "effective_to")
FLAGS = ("attested", "disclosed", "ascending")
FIELDS = (*TEXTS, *NUMBERS, *TIMES, *FLAGS)
"""All that the form may hold."""


def search_of(form: Form) -> pb.EntrySearch:
    """Return the request that a form means; other fields of the form are passed over.

    Raises:
        RefusedError: a number or time that is none.
    """
    search = pb.EntrySearch()
    for name in TEXTS:
        if name in form:
            setattr(search, name, form[name])
    for name in NUMBERS:
        number = whole_number(form, name, 0, NUMBER_MAX)
        if number is not None:
            setattr(search, name, number)
    for name in TIMES:
        if name in form:
            getattr(search, name).CopyFrom(_timestamp(name, form[name]))
    for name in FLAGS:
        if name in form:
            setattr(search, name, True)
    return search


def form_of(search: pb.EntrySearch) -> Form:
    """Return the form that means a request."""
    form: Form = {}
    for field, value in search.ListFields():
        if field.name in TIMES:
            form[field.name] = value.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S")
        elif field.name in FLAGS:
            form[field.name] = "1"
        else:
            form[field.name] = str(value)
    return form


def query_of(form: Mapping[str, str]) -> str:
    """Return a form as the query of an address."""
    return urlencode(sorted(form.items()))


def next_query_of(form: Mapping[str, str], token: str) -> str:
    """Return the query of the page that a token leads to, empty for none."""
    return query_of({**form, "page_token": token}) if token else ""


def _timestamp(name: str, text: str) -> Timestamp:
    try:
        moment = datetime.fromisoformat(text)
        if name.endswith("_to") and len(text) == len("2026-01-31"):
            moment += timedelta(days=1)
        stamp = Timestamp()
        stamp.FromDatetime(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise RefusedError("not_a_time", f"field {name}: write 2026-01-31 or 2026-01-31T09:00, UTC") from error
    return stamp
