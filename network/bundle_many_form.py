"""The text form of bundles of version 2: JSON, read in one way only.

Every field is known, present and of its one type, as in version 1; nothing read here is trusted. The form stands in
``docs/proof-format.md``, section 10.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from network.bundle_json import Fields, decode_bytes, encode_base64
from network.bundle_many import (
    ACCOUNT,
    ASSETS_MAX,
    BALANCES_MAX,
    CHECKPOINTS,
    CONSISTENCY,
    FORK,
    ITEMS_MAX,
    KINDS,
    PERIOD,
    RANGE,
    SALT_BYTES,
    TOTALS_LENGTH_MAX,
    VERSION,
    BalanceClaim,
    ControlsClaim,
    Difference,
    ForkClaim,
    ManyContent,
    PeriodClaim,
    RangeClaim,
    SignedHead,
    StatementClaim,
    Sums,
    Window,
)
from network.bundle_parts import (
    ENTRY_BYTES_MAX,
    NOTE_LENGTH_MAX,
    CheckpointEvidence,
    channel_value,
    read_blocks,
    read_definitions,
    read_reference,
    read_witnesses,
    reference_value,
    witnesses_value,
    write_json,
)
from network.errors import ProofError

AMOUNT = re.compile(r"0|[1-9][0-9]{0,38}")
"""An amount in minor units, as text."""


def read_many(outer: Fields) -> ManyContent:
    """Take a bundle apart whose version was asked.

    Raises:
        ProofError: ``unknown_kind`` or ``malformed_bundle``.
    """
    kind = outer.text("kind")
    if kind not in KINDS:
        raise ProofError("unknown_kind", f"this verifier knows no bundles of kind {kind[:40]!r}")
    least, most = CHECKPOINTS[kind]
    checkpoints = tuple(_checkpoint(item) for item in outer.objects("checkpoints", most))
    if len(checkpoints) < least:
        raise ProofError("malformed_bundle", f"bundle.checkpoints: a bundle of kind {kind} has at least {least}")
    content = ManyContent(
        kind=kind,
        channel=outer.text("channel"),
        organization=outer.text("organization"),
        checkpoints=checkpoints,
        definitions=read_definitions(outer),
        blocks=read_blocks(outer),
        range=_range(outer.object("range")) if kind in (RANGE, ACCOUNT, PERIOD) else None,
        statement=_statement(outer.object("statement")) if kind == ACCOUNT else None,
        period=_period(outer.object("period")) if kind == PERIOD else None,
        consistency=outer.hashes("consistency") if kind in (PERIOD, CONSISTENCY) else None,
        fork=_fork(outer.object("fork")) if kind == FORK else None,
    )
    outer.finish()
    return content


def serialize_many(content: ManyContent) -> bytes:
    """Return the text form of a bundle of version 2."""
    return write_json({**claim_value(content), **channel_value(content.definitions, content.blocks)})


def claim_value(content: ManyContent) -> dict[str, Any]:
    """Return what stands in a bundle before its definitions and blocks, as it is written."""
    value: dict[str, Any] = {
        "version": VERSION,
        "kind": content.kind,
        "channel": content.channel,
        "organization": content.organization,
        "checkpoints": [_checkpoint_value(each) for each in content.checkpoints],
    }
    if content.consistency is not None:
        value["consistency"] = [encode_base64(node) for node in content.consistency]
    if content.range is not None:
        value["range"] = {
            "from": content.range.first,
            "to": content.range.last,
            "entries": [encode_base64(item) for item in content.range.items],
            "proof": [encode_base64(node) for node in content.range.proof],
        }
    if content.statement is not None:
        value["statement"] = _statement_value(content.statement)
    if content.period is not None:
        value["period"] = _period_value(content.period)
    if content.fork is not None:
        value["fork"] = _fork_value(content.fork)
    return value


def _checkpoint(fields: Fields) -> CheckpointEvidence:
    found = CheckpointEvidence(
        fields.number("size"),
        fields.text("note", NOTE_LENGTH_MAX),
        read_reference(fields.object("registration")),
        read_reference(fields.object("anchor")),
        read_witnesses(fields),
    )
    fields.finish()
    return found


def _range(fields: Fields) -> RangeClaim:
    items = tuple(_item(value) for value in fields.items("entries", ITEMS_MAX))
    found = RangeClaim(fields.number("from"), fields.number("to"), items, fields.hashes("proof", 2 * 64))
    fields.finish()
    return found


def _item(value: Any) -> bytes:
    # The same as ``decode_bytes``, for the one list that may be long.
    if isinstance(value, str) and len(value) <= (ENTRY_BYTES_MAX + SALT_BYTES + 2) // 3 * 4:
        try:
            data = base64.b64decode(value, validate=True)
        except ValueError:
            data = b""
        if data and encode_base64(data) == value and len(data) <= ENTRY_BYTES_MAX + SALT_BYTES:
            return data
    return decode_bytes(value, "bundle.range.entries", ENTRY_BYTES_MAX + SALT_BYTES)


def _statement(fields: Fields) -> StatementClaim:
    found = StatementClaim(
        account=fields.text("account"),
        asset=fields.text("asset"),
        window=_window(fields),
        opening=_sums(fields, "opening_debits", "opening_credits"),
        moved=_sums(fields, "debits", "credits"),
        count=fields.number("count"),
        withheld=fields.number("withheld"),
    )
    fields.finish()
    return found


def _period(fields: Fields) -> PeriodClaim:
    totals = fields.object("totals")
    if len(totals.value) > ASSETS_MAX:
        raise ProofError("malformed_bundle", f"bundle.period.totals names more than {ASSETS_MAX} assets")
    found = PeriodClaim(
        window=_window(fields),
        count=fields.number("count"),
        withheld=fields.number("withheld"),
        totals={asset: _own_sums(totals.object(asset)) for asset in totals.value},
        opening=None if fields.take("opening") is None else _controls(fields.object("opening")),
        closing=_controls(fields.object("closing")),
        balances=tuple(_balance(item) for item in fields.objects("balances", BALANCES_MAX)),
    )
    fields.finish()
    return found


def _fork(fields: Fields) -> ForkClaim:
    heads = [_signed_head(item) for item in fields.objects("heads", 2)]
    if len(heads) != 2:
        raise ProofError("malformed_bundle", "bundle.fork.heads does not hold two heads")
    found = ForkClaim(
        read_reference(fields.object("registration")),
        (heads[0], heads[1]),
        None if fields.take("difference") is None else _difference(fields.object("difference")),
    )
    fields.finish()
    return found


def _signed_head(fields: Fields) -> SignedHead:
    anchor = None if fields.take("anchor") is None else read_reference(fields.object("anchor"))
    found = SignedHead(fields.text("note", NOTE_LENGTH_MAX), anchor)
    fields.finish()
    return found


def _difference(fields: Fields) -> Difference:
    leaves = fields.hashes("leaves", 2)
    if len(leaves) != 2:
        raise ProofError("malformed_bundle", "bundle.fork.difference.leaves does not hold two leaves")
    proofs = (fields.hashes("first_proof"), fields.hashes("second_proof"))
    found = Difference(fields.number("index"), (leaves[0], leaves[1]), proofs)
    fields.finish()
    return found


def _window(fields: Fields) -> Window:
    begin, end = (None if fields.take(name) is None else fields.number(name) for name in ("begin", "end"))
    if begin is not None and end is not None and begin >= end:
        raise ProofError("malformed_bundle", f"{fields.where}.begin is not before its end")
    return Window(begin, end)


def _controls(fields: Fields) -> ControlsClaim:
    found = ControlsClaim(fields.text("totals", TOTALS_LENGTH_MAX), fields.binary("salt", SALT_BYTES))
    fields.finish()
    return found


def _balance(fields: Fields) -> BalanceClaim:
    found = BalanceClaim(
        fields.text("account"),
        fields.text("asset"),
        _sums(fields, "opening_debits", "opening_credits"),
        _sums(fields, "debits", "credits"),
    )
    fields.finish()
    return found


def _own_sums(fields: Fields) -> Sums:
    found = _sums(fields, "debits", "credits")
    fields.finish()
    return found


def _sums(fields: Fields, debits: str, credits_: str) -> Sums:
    return Sums(_amount(fields, debits), _amount(fields, credits_))


def _amount(fields: Fields, name: str) -> int:
    found = fields.text(name, 39)
    if not AMOUNT.fullmatch(found):
        raise ProofError("malformed_bundle", f"{fields.where}.{name} is no amount from 0 in decimal digits")
    return int(found)


def _checkpoint_value(checkpoint: CheckpointEvidence) -> dict[str, Any]:
    return {
        "size": checkpoint.size,
        "note": checkpoint.note,
        "registration": reference_value(checkpoint.registration),
        "anchor": reference_value(checkpoint.anchor),
        "witnesses": witnesses_value(checkpoint.witnesses),
    }


def _statement_value(claim: StatementClaim) -> dict[str, Any]:
    return {
        "account": claim.account,
        "asset": claim.asset,
        **_window_value(claim.window),
        "opening_debits": str(claim.opening.debits),
        "opening_credits": str(claim.opening.credits),
        **_sums_value(claim.moved),
        "count": claim.count,
        "withheld": claim.withheld,
    }


def _period_value(claim: PeriodClaim) -> dict[str, Any]:
    return {
        **_window_value(claim.window),
        "count": claim.count,
        "withheld": claim.withheld,
        "totals": {asset: _sums_value(sums) for asset, sums in claim.totals.items()},
        "opening": None if claim.opening is None else _controls_value(claim.opening),
        "closing": _controls_value(claim.closing),
        "balances": [
            {
                "account": line.account,
                "asset": line.asset,
                "opening_debits": str(line.opening.debits),
                "opening_credits": str(line.opening.credits),
                **_sums_value(line.moved),
            }
            for line in claim.balances
        ],
    }


def _fork_value(claim: ForkClaim) -> dict[str, Any]:
    found = claim.difference
    return {
        "registration": reference_value(claim.registration),
        "heads": [
            {"note": head.note, "anchor": None if head.anchor is None else reference_value(head.anchor)}
            for head in claim.heads
        ],
        "difference": None
        if found is None
        else {
            "index": found.index,
            "leaves": [encode_base64(leaf) for leaf in found.leaves],
            "first_proof": [encode_base64(node) for node in found.proofs[0]],
            "second_proof": [encode_base64(node) for node in found.proofs[1]],
        },
    }


def _window_value(window: Window) -> dict[str, Any]:
    return {"begin": window.begin_us, "end": window.end_us}


def _sums_value(sums: Sums) -> dict[str, str]:
    return {"debits": str(sums.debits), "credits": str(sums.credits)}


def _controls_value(controls: ControlsClaim) -> dict[str, str]:
    return {"totals": controls.totals, "salt": encode_base64(controls.salt)}
