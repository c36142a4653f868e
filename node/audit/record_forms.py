"""What a contract could have written, and who: all that the index takes for a record.

Members who together satisfy a contract's endorsement policy can write whatever they like under its keys, and every peer
judges that VALID. The index must go on over it, and must not let some speak for another: a record is what has the
contract's form, stands under the key that its own words give, and was written by a client of whom it speaks for.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from network.audit_record import record_key
from network.merkle import HASH_BYTES

_HASH = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{32}")

Check = Callable[[Any], bool]


def is_record(kind: str, key: str, body: Mapping[str, Any], written_by: str) -> bool:
    """Tell whether a JSON object is a record of a kind.

    Args:
        key: state key that it was written under.
        written_by: MSP id of the transaction's creator.
    """
    form = _FORMS[kind]
    return (
        all(name in body and holds(body[name]) for name, holds in form.fields.items())
        and all(holds(body[name]) for name, holds in _SINCE.items() if name in body)
        and key == record_key(kind, *(body[part] for part in form.parts))
        and (not form.by or body[form.by] == written_by)
        and _can_be_stored(body)
    )


class _Form(NamedTuple):
    """Fields that are there, those that its key is made of, and the one that names who wrote it ("": anybody)."""

    fields: Mapping[str, Check]
    parts: tuple[str, ...]
    by: str


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_key(value: Any) -> bool:
    return value == "" or _is_hash(value)


def _is_root(value: Any) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == HASH_BYTES
    except (ValueError, TypeError):
        return False


def _are_seqs(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_whole, value))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_steps(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(step, dict) and _is_step(step) for step in value)


def _is_step(step: Mapping[str, Any]) -> bool:
    return (
        all(_is_text(step.get(name)) for name in ("status", "by", "transaction_id"))
        and _is_time(step.get("timestamp"))
        and _is_text(step.get("outcome", ""))
        and ("explanation" not in step or _is_hash(step["explanation"]))
    )


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (ValueError, TypeError):
        return False


def _texts(*names: str) -> dict[str, Check]:
    return dict.fromkeys(names, _is_text)


_FORMS: Mapping[str, _Form] = {
    "log": _Form(_texts("organization", "origin", "verifier_key"), ("organization",), "organization"),
    "witness": _Form(_texts("organization", "cosigner_key"), ("organization",), "organization"),
    "checkpoint": _Form(
        _texts("organization", "note")
        | {"size": _is_whole, "previous_size": _is_whole, "root": _is_root, "controls_commitment": _is_hash},
        ("organization", "size"),
        "organization",
    ),
    "cosignature": _Form(
        _texts("organization", "witness", "cosignature") | {"size": _is_whole, "time": _is_whole},
        ("organization", "size", "witness"),
        "witness",
    ),
    "demand": _Form(
        _texts("organization", "demanding_organization", "purpose") | {"demand_id": _is_id, "seqs": _are_seqs},
        ("demand_id",),
        "demanding_organization",
    ),
    "refusal": _Form(
        _texts("organization", "demanding_organization", "reason") | {"demand_id": _is_id},
        ("demand_id",),
        "organization",
    ),
    "disclosure_key": _Form(_texts("organization") | {"key": _is_hash}, ("organization",), "organization"),
    "finding": _Form(
        _texts("organization", "opened_by", "kind", "subject", "status")
        | {"finding_id": _is_id, "evidence": _is_hash, "steps": _are_steps},
        ("finding_id",),
        "",
    ),
    "epoch": _Form(
        _texts("organization") | {"epoch": _is_whole, "from_seq": _is_whole, "to_seq": _is_whole, "root": _is_root},
        ("organization", "epoch"),
        "organization",
    ),
    "flag": _Form(_texts("organization", "status") | {"record_id": _is_id}, ("record_id",), ""),
    "review": _Form(
        _texts("organization", "decision", "reviewer_organization") | {"record_id": _is_id},
        ("record_id",),
        "reviewer_organization",
    ),
}


_SINCE: Mapping[str, Check] = {"scope": _are_texts, "sealed_to": _is_key}
"""Fields that the first demands had not."""


def _can_be_stored(value: Any) -> bool:
    """Tell whether the database holds every text: it has no NUL, and JSON's escapes can stand for half a character."""
    if isinstance(value, str):
        return "\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, dict):
        return all(_can_be_stored(name) and _can_be_stored(below) for name, below in value.items())
    return not isinstance(value, list) or all(map(_can_be_stored, value))
