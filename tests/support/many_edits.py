"""The derived vectors of bundles of version 2: edits that anyone could make to a captured one.

Of its keys only the logs' and the witness's are used, which are the tests' own: a hostile bank has its log's key.

``python -m tests.support.many_edits`` makes the derived vectors anew.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from nacl.signing import SigningKey

from network.checkpoint import ED25519, VerifierKey, cosign
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR
from tests.support.many_network import COSIGNED_AT, LOG_KEYS, WITNESS_KEY, signed_note
from tests.support.proof_edits import MIB, JsonEdit, behind, change, drop, edited, in_block, put, swap
from tests.support.proof_scenario import origin, witness_name
from tests.support.proof_vectors import FOLDER, Corpus, Splice, Vector, read_corpus, write_corpus

MANY_FILE = FOLDER / "vectors2.json.gz"

MALFORMED, TOTALS, WRONG = "malformed_bundle", "wrong_totals", "wrong_inclusion"
Edits = Mapping[str, tuple[str | None, JsonEdit]]


def derive(captured: Corpus) -> Iterator[Vector]:
    """Give all derived vectors."""
    for base, edits in EDITS.items():
        text, rests = captured.text(base), captured.vector(base).word
        for name, (reason, edit) in edits.items():
            vector = Vector(f"{base}__{name}", base, reason, (one_splice(text, edited(text, edit)),))
            yield replace(vector, word=rests) if reason is None else vector
    text = captured.text("range_whole")
    for name, (reason, change_text) in TEXTS.items():
        yield Vector(f"text__{name}", "range_whole", reason, (one_splice(text, change_text(text)),))
    for name, (reason, splice) in LARGE.items():
        yield Vector(f"huge__{name}", "range_whole", reason, (splice(text),))
    yield from _options(captured)
    yield from _mixed(captured)


def one_splice(before: bytes, after: bytes) -> Splice:
    """Return the one edit that makes ``after`` of ``before``."""
    limit = min(len(before), len(after))
    begin = next((at for at in range(limit) if before[at] != after[at]), limit)
    end = next((at for at in range(limit - begin) if before[-1 - at] != after[-1 - at]), limit - begin)
    return Splice(begin, len(before) - begin - end, after[begin : len(after) - end])


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _flip(text: str, at: int = 0, bit: int = 1) -> str:
    data = bytearray(base64.b64decode(text))
    data[at] ^= bit
    return _b64(bytes(data))


def _more(by: int) -> Callable[[str], str]:
    return lambda amount: str(int(amount) + by)


def _count(by: int) -> Callable[[int], int]:
    return lambda count: count + by


def _all(*edits: JsonEdit) -> JsonEdit:
    return lambda value: [edit(value) for edit in edits]


def _moved(value: Any) -> None:
    """Say of each entry that it stands one place later."""
    value["range"].update({"from": 2, "to": 25})


def _without_first(value: Any) -> None:
    value["range"]["from"] = 2
    del value["range"]["entries"][0]


def _nodes_as_leaves(value: Any) -> None:
    """Show inner nodes as if they were leaves: the log would be shorter."""
    items = [_b64(base64.b64decode(item)) for item in value["range"]["entries"]]
    value["range"].update({"to": 12, "entries": items[::2]})


# --- the form of a bundle of version 2 ------------------------------------------------------------------------------

TEXTS: dict[str, tuple[str | None, Callable[[bytes], bytes]]] = {
    "with_spaces_and_escapes": (None, lambda t: b" \n" + t.replace(b'"kind"', b' "k\\u0069nd" ', 1)),
    "kind_twice": ("malformed_json", swap('"kind":"range"', '"kind":"range","kind":"range"')),
    "kind_twice_in_disguise": ("malformed_json", swap('"kind":"range"', '"kind":"range","\\u006bind":"range"')),
    "range_twice": ("malformed_json", swap('"range":{', '"range":{},"range":{')),
    "from_twice": ("malformed_json", swap('"from":1', '"from":1,"from":1')),
    "from_as_float": ("malformed_json", swap('"from":1', '"from":1.0')),
    "from_as_exponent": ("malformed_json", swap('"from":1', '"from":1e0')),
    "from_beyond_53_bits": ("malformed_json", swap('"from":1', '"from":9007199254740993')),
    "size_with_a_leading_zero": ("malformed_json", swap('"size":24', '"size":024')),
    "channel_a_lone_surrogate": (MALFORMED, swap('"channel":"anchors"', '"channel":"\\ud800"')),
    "cut_off": ("malformed_json", lambda t: t[:-1]),
    "with_a_stray_byte": ("malformed_json", swap('"kind":"range"', b'"kind":"range\xff"')),
}

FORMS: dict[str, tuple[str | None, JsonEdit]] = {
    "version_1": (MALFORMED, put("version", to=1)),
    "version_3": ("unknown_version", put("version", to=3)),
    "version_as_text": ("unknown_version", put("version", to="2")),
    "version_true": ("unknown_version", put("version", to=True)),
    "version_missing": ("unknown_version", drop("version")),
    "kind_missing": (MALFORMED, drop("kind")),
    "kind_null": (MALFORMED, put("kind", to=None)),
    "kind_empty": (MALFORMED, put("kind", to="")),
    "kind_in_a_list": (MALFORMED, put("kind", to=["range"])),
    "kind_entry": ("unknown_kind", put("kind", to="entry")),
    "kind_in_capitals": ("unknown_kind", put("kind", to="RANGE")),
    "kind_of_a_prototype": ("unknown_kind", put("kind", to="__proto__")),
    "kind_constructor": ("unknown_kind", put("kind", to="constructor")),
    "kind_of_256": ("unknown_kind", put("kind", to="k" * 256)),
    "kind_of_257": (MALFORMED, put("kind", to="k" * 257)),
    "kind_of_another_claim": (MALFORMED, put("kind", to="consistency")),
    "field_unknown": (MALFORMED, put("comment", to="trust me")),
    "field_of_another_kind": (MALFORMED, put("consistency", to=[])),
    "field_of_version_1": (MALFORMED, put("witnesses", to=[])),
    "channel_missing": (MALFORMED, drop("channel")),
    "range_missing": (MALFORMED, drop("range")),
    "range_null": (MALFORMED, put("range", to=None)),
    "range_field_unknown": (MALFORMED, put("range", "count", to=24)),
    "from_missing": (MALFORMED, drop("range", "from")),
    "from_negative": (MALFORMED, put("range", "from", to=-1)),
    "from_as_text": (MALFORMED, put("range", "from", to="1")),
    "from_true": (MALFORMED, put("range", "from", to=True)),
    "to_missing": (MALFORMED, drop("range", "to")),
    "to_null": (MALFORMED, put("range", "to", to=None)),
    "entries_missing": (MALFORMED, drop("range", "entries")),
    "entries_in_an_object": (MALFORMED, change("range", "entries", by=lambda e: dict(enumerate(e)))),
    "entry_null": (MALFORMED, put("range", "entries", 3, to=None)),
    "entry_in_a_list": (MALFORMED, change("range", "entries", 3, by=lambda e: [e])),
    "entry_not_base64": (MALFORMED, put("range", "entries", 3, to="....")),
    "entry_with_a_line_end": (MALFORMED, change("range", "entries", 3, by=lambda e: e[:4] + "\n" + e[4:])),
    "entry_in_the_other_alphabet": (MALFORMED, put("range", "entries", 3, to="_-" * 30)),
    "entry_without_padding": (MALFORMED, put("range", "entries", 3, to=_b64(bytes(100)).rstrip("="))),
    "entry_with_stray_bits": (MALFORMED, put("range", "entries", 3, to="A" * 43 + "B=")),
    "range_proof_missing": (MALFORMED, drop("range", "proof")),
    "range_proof_of_129_hashes": (MALFORMED, put("range", "proof", to=[_b64(bytes(32))] * 129)),
    "range_proof_hash_of_33_bytes": (MALFORMED, put("range", "proof", to=[_b64(bytes(33))])),
    "checkpoints_missing": (MALFORMED, drop("checkpoints")),
    "checkpoints_empty": (MALFORMED, put("checkpoints", to=[])),
    "checkpoints_two": (MALFORMED, change("checkpoints", by=lambda c: c * 2)),
    "checkpoint_in_a_list": (MALFORMED, change("checkpoints", 0, by=lambda c: [c])),
    "checkpoint_without_size": (MALFORMED, drop("checkpoints", 0, "size")),
    "checkpoint_without_note": (MALFORMED, drop("checkpoints", 0, "note")),
    "checkpoint_without_anchor": (MALFORMED, drop("checkpoints", 0, "anchor")),
    "checkpoint_anchor_null": (MALFORMED, put("checkpoints", 0, "anchor", to=None)),
    "checkpoint_field_unknown": (MALFORMED, put("checkpoints", 0, "root", to="")),
    "witnesses_of_65": (MALFORMED, change("checkpoints", 0, "witnesses", by=lambda w: w * 65)),
    "blocks_missing": (MALFORMED, drop("blocks")),
    "blocks_of_4097": (MALFORMED, change("blocks", by=lambda b: b | {str(n): "" for n in range(100, 4_197 - len(b))})),
    "definitions_missing": (MALFORMED, drop("definitions")),
}

# --- ranges ---------------------------------------------------------------------------------------------------------

RANGES: dict[str, tuple[str | None, JsonEdit]] = {
    "from_0": ("index_out_of_range", put("range", "from", to=0)),
    "from_above_to": ("wrong_range", put("range", "from", to=25)),
    "to_0": ("wrong_range", put("range", "to", to=0)),
    "to_one_less": ("wrong_range", put("range", "to", to=23)),
    "to_one_more": ("wrong_range", put("range", "to", to=25)),
    "to_at_the_limit": ("wrong_range", put("range", "to", to=2**53 - 1)),
    "no_entries_and_told_so": (
        "wrong_range", _all(put("range", "entries", to=[]), put("range", "from", to=13), put("range", "to", to=12))
    ),
    "no_entries": ("wrong_range", put("range", "entries", to=[])),
    "first_entry_missing": ("wrong_range", drop("range", "entries", 0)),
    "entry_missing": ("wrong_range", drop("range", "entries", 11)),
    "last_entry_missing": ("wrong_range", drop("range", "entries", 23)),
    "entry_missing_and_told_so": (
        WRONG,
        _all(drop("range", "entries", 11), put("range", "to", to=23), put("range", "proof", to=[_b64(bytes(32))])),
    ),
    "first_entry_left_out_without_proof": ("wrong_proof_length", _without_first),
    "entry_twice": ("wrong_range", change("range", "entries", by=lambda e: [*e[:12], e[11], *e[12:]])),
    "entry_twice_in_place_of_the_next": (WRONG, change("range", "entries", by=lambda e: [*e[:12], e[11], *e[13:]])),
    "two_entries_swapped": (WRONG, change("range", "entries", by=lambda e: [*e[:4], e[5], e[4], *e[6:]])),
    "entries_reversed": (WRONG, change("range", "entries", by=lambda e: e[::-1])),
    "one_place_later": ("index_out_of_range", _moved),
    "entry_of_another_salt": (WRONG, change("range", "entries", 7, by=_flip)),
    "entry_of_another_amount": (WRONG, change("range", "entries", 7, by=lambda e: _flip(e, 180))),
    "entry_with_a_byte_more": (WRONG, change("range", "entries", 7, by=lambda e: _b64(base64.b64decode(e) + b"\0"))),
    "entry_of_31_bytes": ("wrong_salt", put("range", "entries", 7, to=_b64(bytes(31)))),
    "entry_empty": ("wrong_salt", put("range", "entries", 7, to="")),
    "entry_of_a_salt_alone": (WRONG, change("range", "entries", 7, by=lambda e: _b64(base64.b64decode(e)[:32]))),
    "leaf_of_nothing": (WRONG, put("range", "entries", 7, to=_b64(bytes(32)))),
    "nodes_as_leaves": ("wrong_proof_length", _nodes_as_leaves),
    "proof_where_none_is_needed": ("wrong_proof_length", put("range", "proof", to=[_b64(bytes(32))])),
    "proof_hash_empty": ("malformed_hash", put("range", "proof", to=[""])),
}  # fmt: skip

PARTS: dict[str, tuple[str | None, JsonEdit]] = {
    "proof_without_its_first": ("wrong_proof_length", drop("range", "proof", 0)),
    "proof_without_its_last": ("wrong_proof_length", drop("range", "proof", -1)),
    "proof_empty": ("wrong_proof_length", put("range", "proof", to=[])),
    "proof_with_one_more": ("wrong_proof_length", change("range", "proof", by=lambda p: [*p, p[0]])),
    "proof_reversed": (WRONG, change("range", "proof", by=lambda p: p[::-1])),
    "proof_bent_on_the_left": (WRONG, change("range", "proof", 0, by=_flip)),
    "proof_bent_on_the_right": (WRONG, change("range", "proof", -1, by=lambda h: _flip(h, 31, 128))),
    "proof_with_a_short_hash": ("malformed_hash", put("range", "proof", 1, to=_b64(bytes(31)))),
    "one_place_earlier": (
        "wrong_proof_length", lambda v: v["range"].update({"from": v["range"]["from"] - 1, "to": v["range"]["to"] - 1})
    ),
    "leaf_in_place_of_an_entry": (WRONG, change("range", "entries", by=lambda e: [e[1], *e[1:]])),
}  # fmt: skip

# --- heads ----------------------------------------------------------------------------------------------------------

HEAD = ("checkpoints", 0)
HEADS: dict[str, tuple[str | None, JsonEdit]] = {
    "size_of_another_head": ("record_missing", put(*HEAD, "size", to=14)),
    "size_0": ("record_missing", put(*HEAD, "size", to=0)),
    "note_bent": ("wrong_checkpoint", change(*HEAD, "note", by=lambda n: n.replace("\n24\n", "\n25\n"))),
    "note_with_a_line_more": ("wrong_checkpoint", change(*HEAD, "note", by=lambda n: n + "\n")),
    "anchor_of_the_registration": ("record_missing", lambda v: v[HEAD[0]][0].update(anchor=_registration(v))),
    "anchor_of_another_member": ("wrong_organization", put(*HEAD, "anchor", "block", to=10)),
    "anchor_of_an_older_head": ("record_missing", change(*HEAD, "anchor", "block", by=lambda n: n - 1)),
    "anchor_of_a_definition": ("wrong_contract", put(*HEAD, "anchor", "block", to=1)),
    "anchor_in_the_genesis_block": ("invalid_transaction", put(*HEAD, "anchor", "block", to=0)),
    "anchor_in_a_block_not_given": ("missing_block", put(*HEAD, "anchor", "block", to=900)),
    "anchor_beyond_its_block": ("missing_transaction", put(*HEAD, "anchor", "index", to=1)),
    "registration_by_another_member": ("wrong_organization", put(*HEAD, "registration", "block", to=5)),
    "registration_is_the_anchor": ("wrong_order", lambda v: v[HEAD[0]][0].update(registration=v[HEAD[0]][0]["anchor"])),
    "registration_of_a_witness": ("wrong_organization", put(*HEAD, "registration", "block", to=3)),
    "no_witness": ("not_attested", put(*HEAD, "witnesses", to=[])),
    "witness_is_the_bank": ("wrong_witness", put(*HEAD, "witnesses", 0, "organization", to=BANK)),
    "witness_is_a_stranger": ("wrong_witness", put(*HEAD, "witnesses", 0, "organization", to="NobodyMSP")),
    "witness_is_the_orderer": ("wrong_witness", put(*HEAD, "witnesses", 0, "organization", to="OrdererMSP")),
    "witness_is_another": ("wrong_organization", put(*HEAD, "witnesses", 0, "organization", to=PARTNER)),
    "witness_twice": ("wrong_witness", change(*HEAD, "witnesses", by=lambda w: w * 2)),
    "witness_registered_by_another": (
        "wrong_organization", put(*HEAD, "witnesses", 0, "registration", to={"block": 4, "index": 0})
    ),
    "cosignature_bent": ("wrong_signature", change(*HEAD, "witnesses", 0, "cosignature", by=lambda c: _bent_line(c))),
    "cosignature_is_no_line": ("malformed_note", put(*HEAD, "witnesses", 0, "cosignature", to="signed")),
    "cosignature_of_another_head": (
        "wrong_signature", lambda v: v[HEAD[0]][0]["witnesses"][0].update(cosignature=_cosigned(_other_note()))
    ),
    "cosignature_of_another_key": (
        "unsigned_checkpoint", lambda v: _with_cosignature(v, key=SigningKey(bytes(31) + b"\x66"))
    ),
    "cosignature_of_a_time_to_come": ("witness_in_future", lambda v: _with_cosignature(v, time=COSIGNED_AT + 90_000)),
    "cosignature_of_an_hour_later": (None, lambda v: _with_cosignature(v, time=COSIGNED_AT + 3_600)),
    "organization_is_another": ("wrong_organization", put("organization", to=PARTNER)),
    "organization_is_the_witness": ("wrong_organization", put("organization", to=REGULATOR)),
    "channel_is_another": ("wrong_channel", put("channel", to="other")),
    "contract_not_defined": ("definition_missing", drop("definitions", "audit")),
    "contract_defined_by_another_transaction": (
        "wrong_contract", put("definitions", "audit", 0, "block", to=4)
    ),
    "genesis_missing": ("genesis_missing", drop("blocks", "0")),
    "genesis_in_place_of_another": ("wrong_block_number", lambda v: v["blocks"].update({"3": v["blocks"]["0"]})),
    "block_missing": ("missing_block", drop("blocks", "9")),
    "block_empty": ("wrong_block_number", put("blocks", "9", to="")),
    "block_of_noise": ("malformed_block", put("blocks", "9", to=_b64(b"\xff" * 40))),
    "block_with_its_transaction_bent": (
        "wrong_block_data", in_block("9", lambda b: b.data.data.__setitem__(0, b.data.data[0][:-1] + b"\0"))
    ),
    "block_without_signatures": ("wrong_block_signature", in_block("9", lambda b: b.ClearField("metadata"))),
    "block_with_another_before": (
        "broken_chain", in_block("9", lambda b: setattr(b.header, "previous_hash", bytes(32)))
    ),
    "block_renumbered": ("wrong_block_number", in_block("9", lambda b: setattr(b.header, "number", 90))),
}  # fmt: skip


def _registration(value: Any) -> Any:
    return dict(value["checkpoints"][0]["registration"])


def _bent_line(line: str) -> str:
    head, _, encoded = line.rpartition(" ")
    return f"{head} {_flip(encoded, 40)}"


def _other_note() -> bytes:
    return signed_note(BANK, 24, bytes(32))


def _cosigned(note: bytes, key: SigningKey = WITNESS_KEY, time: int = COSIGNED_AT) -> str:
    return cosign(note, witness_name(REGULATOR), key, time)


def _with_cosignature(value: Any, **options: Any) -> None:
    head = value["checkpoints"][0]
    head["witnesses"][0]["cosignature"] = _cosigned(head["note"].encode(), **options)


# --- statements -----------------------------------------------------------------------------------------------------

AMOUNTS = {
    "negative": "-1", "with_a_leading_zero": "01", "with_a_point": "1.0", "with_a_plus": "+1", "with_a_space": " 1",
    "of_arabic_digits": "١", "of_40_digits": "9" * 40, "empty": "", "in_hexadecimal": "0x1",
}  # fmt: skip

STATEMENTS: dict[str, tuple[str | None, JsonEdit]] = {
    **{f"{name}_missing": (MALFORMED, drop("statement", name)) for name in (
        "account", "asset", "begin", "end", "opening_debits", "opening_credits", "debits", "credits", "count",
        "withheld",
    )},
    **{f"debits_{name}": (MALFORMED, put("statement", "debits", to=amount)) for name, amount in AMOUNTS.items()},
    "debits_as_number": (MALFORMED, put("statement", "debits", to=0)),
    "statement_missing": (MALFORMED, drop("statement")),
    "statement_null": (MALFORMED, put("statement", to=None)),
    "field_unknown": (MALFORMED, put("statement", "closing", to="0")),
    "account_empty": (MALFORMED, put("statement", "account", to="")),
    "begin_negative": (MALFORMED, put("statement", "begin", to=-1)),
    "begin_as_text": (MALFORMED, put("statement", "begin", to="2026-03-01")),
    "begin_is_end": (MALFORMED, _all(put("statement", "begin", to=5), put("statement", "end", to=5))),
    "begin_after_end": (MALFORMED, _all(put("statement", "begin", to=6), put("statement", "end", to=5))),
    "debits_too_many": (TOTALS, put("statement", "debits", to="1")),
    "debits_of_39_digits": (TOTALS, put("statement", "debits", to="9" * 39)),
    "credits_too_many": (TOTALS, change("statement", "credits", by=_more(1))),
    "credits_too_few": (TOTALS, change("statement", "credits", by=_more(-1))),
    "sides_exchanged": (TOTALS, lambda v: v["statement"].update(
        debits=v["statement"]["credits"], credits=v["statement"]["debits"]
    )),
    "count_too_high": (TOTALS, change("statement", "count", by=_count(1))),
    "count_too_low": (TOTALS, change("statement", "count", by=_count(-1))),
    "opening_before_the_first_entry": (TOTALS, put("statement", "opening_debits", to="1")),
    "withheld_that_is_not": (TOTALS, put("statement", "withheld", to=1)),
    "of_another_account": (TOTALS, put("statement", "account", to="alice")),
    "of_one_stripe": (TOTALS, put("statement", "account", to="bob#01")),
    "of_a_longer_name": (TOTALS, put("statement", "account", to="bobby")),
    "of_another_asset": (TOTALS, put("statement", "asset", to="USD")),
    "of_an_account_in_capitals": (TOTALS, put("statement", "account", to="BOB")),
    "with_its_last_entry_left_out": ("wrong_range", drop("range", "entries", 23)),
}  # fmt: skip


def _leave_out(seq: int, credits_: int, *, told: bool) -> Callable[[Any, Mapping[int, str]], None]:
    """Show only the leaf of an entry that touches the account, and count it out."""

    def apply(value: Any, leaves: Mapping[int, str]) -> None:
        value["range"]["entries"][seq - 1] = leaves[seq]
        statement = value["statement"]
        statement.update(count=statement["count"] - 1, credits=str(int(statement["credits"]) - credits_))
        statement["withheld"] = int(told)

    return apply


LATER: dict[str, tuple[str | None, JsonEdit]] = {
    "opening_of_the_banks_choice": (None, put("statement", "opening_debits", to="123456789")),
    "opening_negative": (MALFORMED, put("statement", "opening_debits", to="-5")),
    "range_said_to_begin_with_entry_1": ("wrong_range", put("range", "from", to=1)),
}

TIMED: dict[str, tuple[str | None, JsonEdit]] = {
    "begin_before_the_range": ("period_not_covered", change("statement", "begin", by=_count(-10 * 3_600_000_000))),
    "begin_at_the_first_entry": ("period_not_covered", change("statement", "begin", by=_count(-3_600_000_000))),
    "begin_just_after_the_first_entry": (None, change("statement", "begin", by=_count(-3_599_999_999))),
    "begin_one_microsecond_late": (TOTALS, change("statement", "begin", by=_count(1 + 3 * 3_600_000_000))),
    "end_after_the_range": ("period_not_covered", change("statement", "end", by=_count(10 * 3_600_000_000))),
    "end_just_after_the_last_entry": ("period_not_covered", change("statement", "end", by=_count(1))),
    "end_one_hour_early": (TOTALS, change("statement", "end", by=_count(-3_600_000_000))),
    "end_just_after_the_last_entry_of_the_period": (None, change("statement", "end", by=_count(-3_599_999_999))),
    "end_two_hours_early": (TOTALS, change("statement", "end", by=_count(-3 * 3_600_000_000))),
    "first_entry_withheld": ("period_not_covered", lambda v: _withhold(v, 0)),
    "last_entry_withheld": ("period_not_covered", lambda v: _withhold(v, -1)),
}

SEEN: dict[str, tuple[str | None, JsonEdit]] = {
    "end_a_microsecond_later": ("period_open", change("statement", "end", by=_count(1))),
    "end_a_year_later": ("period_open", change("statement", "end", by=_count(365 * 24 * 3_600_000_000))),
    "witness_looked_before": ("period_open", lambda v: _with_cosignature(v, time=COSIGNED_AT - 1)),
    "nobody_looked": ("not_attested", put("checkpoints", 0, "witnesses", to=[])),
}


def _withhold(value: Any, at: int) -> None:
    items = value["range"]["entries"]
    items[at] = _b64(hashlib.sha256(b"\x00" + base64.b64decode(items[at])).digest())
    value["statement"]["withheld"] += 1


# --- periods --------------------------------------------------------------------------------------------------------

PERIODS: dict[str, tuple[str | None, JsonEdit]] = {
    **{f"{name}_missing": (MALFORMED, drop("period", name)) for name in (
        "begin", "end", "count", "withheld", "totals", "opening", "closing", "balances"
    )},
    "field_unknown": (MALFORMED, put("period", "closed_by", to="me")),
    "totals_in_a_list": (MALFORMED, change("period", "totals", by=lambda t: [t])),
    "totals_with_a_field_more": (MALFORMED, put("period", "totals", "EUR", "net", to="0")),
    "totals_without_credits": (MALFORMED, drop("period", "totals", "EUR", "credits")),
    "totals_of_257_assets": (MALFORMED, put("period", "totals", to={
        f"A{n}": {"debits": "0", "credits": "0"} for n in range(257)
    })),
    "balance_field_missing": (MALFORMED, drop("period", "balances", 0, "opening_credits")),
    "balance_field_unknown": (MALFORMED, put("period", "balances", 0, "name", to="Alice")),
    "balances_in_an_object": (MALFORMED, put("period", "balances", to={})),
    "salt_of_33_bytes": (MALFORMED, put("period", "closing", "salt", to=_b64(bytes(33)))),
    "checkpoints_three": (MALFORMED, change("checkpoints", by=lambda c: c[:1] * 3)),
    "count_too_high": (TOTALS, change("period", "count", by=_count(1))),
    "count_too_low": (TOTALS, change("period", "count", by=_count(-1))),
    "withheld_that_is_not": (TOTALS, put("period", "withheld", to=1)),
    "total_debits_too_high": (TOTALS, change("period", "totals", "EUR", "debits", by=_more(1))),
    "totals_both_too_high": (TOTALS, _all(
        change("period", "totals", "EUR", "debits", by=_more(1)),
        change("period", "totals", "EUR", "credits", by=_more(1)),
    )),
    "total_of_an_asset_missing": (TOTALS, drop("period", "totals", "USD")),
    "total_of_an_asset_too_many": (TOTALS, put("period", "totals", "GBP", to={"debits": "1", "credits": "1"})),
    "total_of_nothing": (None, put("period", "totals", "GBP", to={"debits": "0", "credits": "0"})),
    "balance_missing": (TOTALS, drop("period", "balances", 0)),
    "balance_twice": (TOTALS, change("period", "balances", by=lambda b: [*b, b[0]])),
    "balance_of_another_account": (TOTALS, put("period", "balances", 0, "account", to="mallory")),
    "balance_of_another_asset": (TOTALS, put("period", "balances", 0, "asset", to="CHF")),
    "balance_moved_too_much": (TOTALS, change("period", "balances", 0, "debits", by=_more(1))),
    "balances_moved_exchanged": (TOTALS, lambda v: _exchange(v, "credits", 1, 2)),
    "balance_of_nobody": (None, change("period", "balances", by=lambda b: [*b, {
        **b[0], "account": "nobody", **dict.fromkeys(("opening_debits", "opening_credits", "debits", "credits"), "0")
    }])),
    "balance_of_nobody_twice": (TOTALS, change("period", "balances", by=lambda b: [*b, *[{
        **b[0], "account": "nobody", **dict.fromkeys(("opening_debits", "opening_credits", "debits", "credits"), "0")
    }] * 2])),
    "balances_in_another_order": (None, change("period", "balances", by=lambda b: b[::-1])),
    "closing_controls_bent": (
        "wrong_controls", change("period", "closing", "totals", by=lambda t: t.replace("1", "2", 1))
    ),
    "closing_controls_with_a_space": ("wrong_controls", change("period", "closing", "totals", by=lambda t: t + " ")),
    "closing_salt_bent": ("wrong_controls", change("period", "closing", "salt", by=_flip)),
    "closing_salt_empty": ("wrong_controls", put("period", "closing", "salt", to="")),
}  # fmt: skip


def _exchange(value: Any, name: str, one: int, other: int) -> None:
    balances = value["period"]["balances"]
    balances[one][name], balances[other][name] = balances[other][name], balances[one][name]


FROM_ONE: dict[str, tuple[str | None, JsonEdit]] = {
    **PERIODS,
    "opening_before_the_first_entry": (TOTALS, put("period", "balances", 0, "opening_debits", to="1")),
    "opening_controls_without_a_checkpoint": (
        "wrong_controls",
        lambda v: v["period"].update(opening=v["period"]["closing"]),
    ),
    "growth_from_nothing_with_a_hash": ("wrong_proof_length", put("consistency", to=[_b64(bytes(32))])),
    "growth_missing": (MALFORMED, drop("consistency")),
    "range_one_shorter": ("wrong_range", lambda v: (v["range"]["entries"].pop(), v["range"].update(to=13))),
    "range_from_2": ("wrong_range", _without_first),
    "entry_missing": ("wrong_range", drop("range", "entries", 5)),
    "entry_twice": (WRONG, change("range", "entries", by=lambda e: [*e[:5], e[4], *e[6:]])),
    "entry_bent": (WRONG, change("range", "entries", 5, by=lambda e: _flip(e, 180))),
    "of_a_time_to_come": ("period_open", put("period", "end", to=2**53 - 1)),
}

BETWEEN: dict[str, tuple[str | None, JsonEdit]] = {
    "openings_moved_between_accounts": (None, lambda v: _exchange(v, "opening_credits", 2, 3)),
    "opening_too_high": (TOTALS, change("period", "balances", 0, "opening_debits", by=_more(1))),
    "opening_controls_null": ("wrong_controls", put("period", "opening", to=None)),
    "opening_controls_of_the_close": ("wrong_controls", lambda v: v["period"].update(opening=v["period"]["closing"])),
    "closing_controls_of_the_opening": ("wrong_controls", lambda v: v["period"].update(closing=v["period"]["opening"])),
    "opening_salt_bent": ("wrong_controls", change("period", "opening", "salt", by=_flip)),
    "checkpoints_exchanged": ("size_out_of_range", change("checkpoints", by=lambda c: c[::-1])),
    "checkpoint_twice": ("size_out_of_range", change("checkpoints", by=lambda c: [c[1], c[1]])),
    "first_checkpoint_left_out": ("wrong_proof_length", drop("checkpoints", 0)),
    "first_checkpoint_left_out_and_growth": ("wrong_range", _all(drop("checkpoints", 0), put("consistency", to=[]))),
    "growth_bent": ("inconsistent", change("consistency", 0, by=_flip)),
    "growth_empty": ("wrong_proof_length", put("consistency", to=[])),
    "withheld_entry_denied": (TOTALS, put("period", "withheld", to=1)),
}

WITHHELD: dict[str, tuple[str | None, JsonEdit]] = {
    "denied": (TOTALS, put("period", "withheld", to=0)),
    "counted_twice": (TOTALS, put("period", "withheld", to=2)),
    "added_to_the_totals": (TOTALS, change("period", "totals", "EUR", "debits", by=_more(902))),
}

# --- growth and forks -----------------------------------------------------------------------------------------------

GROWTH: dict[str, tuple[str | None, JsonEdit]] = {
    "missing": (MALFORMED, drop("consistency")),
    "of_65_hashes": (MALFORMED, put("consistency", to=[_b64(bytes(32))] * 65)),
    "of_one_checkpoint": (MALFORMED, drop("checkpoints", 0)),
    "of_three_checkpoints": (MALFORMED, change("checkpoints", by=lambda c: [*c, c[1]])),
    "with_a_range": (MALFORMED, put("range", to={"from": 1, "to": 1, "entries": [], "proof": []})),
    "empty": ("wrong_proof_length", put("consistency", to=[])),
    "without_its_first": ("wrong_proof_length", drop("consistency", 0)),
    "without_its_last": ("wrong_proof_length", drop("consistency", -1)),
    "with_one_more": ("wrong_proof_length", change("consistency", by=lambda c: [*c, c[0]])),
    "reversed": ("inconsistent", change("consistency", by=lambda c: c[::-1])),
    "bent_at_its_first": ("inconsistent", change("consistency", 0, by=_flip)),
    "bent_at_its_last": ("inconsistent", change("consistency", -1, by=_flip)),
    "with_a_short_hash": ("malformed_hash", put("consistency", 0, to=_b64(bytes(31)))),
    "checkpoints_exchanged": ("size_out_of_range", change("checkpoints", by=lambda c: c[::-1])),
    "checkpoint_twice": ("size_out_of_range", change("checkpoints", by=lambda c: [c[0], c[0]])),
    "of_two_members": ("wrong_organization", put("checkpoints", 0, "anchor", "block", to=10)),
    "first_without_witness": ("not_attested", put("checkpoints", 0, "witnesses", to=[])),
    "second_without_witness": ("not_attested", put("checkpoints", 1, "witnesses", to=[])),
    "second_note_replayed": (
        "wrong_checkpoint",
        lambda v: v["checkpoints"][1].update(note=v["checkpoints"][0]["note"]),
    ),
}


def _head(value: Any, at: int, **changes: Any) -> None:
    value["fork"]["heads"][at].update(changes)


def _text_note(text: str, key: SigningKey) -> str:
    """Return a text that is no checkpoint, signed as notes are."""
    name = origin(BANK)
    signature = key.sign(text.encode()).signature
    raw = VerifierKey(name, ED25519, bytes(key.verify_key)).key_id + signature
    return f"{text}\n— {name} {_b64(raw)}\n"


def _note(size: int, root: bytes, key: SigningKey | None = None, organization: str = BANK) -> str:
    return signed_note(organization, size, root, key).decode()


FORKS: dict[str, tuple[str | None, JsonEdit]] = {
    "missing": (MALFORMED, drop("fork")),
    "with_a_checkpoint": (MALFORMED, put("checkpoints", to=[{}])),
    "of_one_head": (MALFORMED, drop("fork", "heads", 0)),
    "of_three_heads": (MALFORMED, change("fork", "heads", by=lambda h: [*h, h[0]])),
    "without_registration": (MALFORMED, drop("fork", "registration")),
    "without_difference": (MALFORMED, drop("fork", "difference")),
    "head_without_anchor": (MALFORMED, drop("fork", "heads", 0, "anchor")),
    "head_with_a_root": (MALFORMED, put("fork", "heads", 0, "root", to="")),
    "heads_exchanged": (None, change("fork", "heads", by=lambda h: h[::-1])),
    "heads_equal": ("no_fork", change("fork", "heads", by=lambda h: [h[1], h[1]])),
    "of_two_sizes": ("no_fork", lambda v: _head(v, 0, note=_note(23, bytes(32)))),
    "of_an_empty_log": ("no_fork", lambda v: _head(v, 0, note=_note(0, bytes(32)))),
    "of_one_size_and_a_difference": ("no_fork", put("fork", "difference", to={
        "index": 0, "leaves": [_b64(bytes(32)), _b64(b"1" * 32)], "first_proof": [], "second_proof": []
    })),
    "signed_by_a_framer": ("unsigned_checkpoint", lambda v: _head(v, 0, note=_note(
        24, bytes(32), SigningKey(bytes(31) + b"\x77")
    ))),
    "signed_by_another_member": (
        "unsigned_checkpoint", lambda v: _head(v, 0, note=_note(24, bytes(32), None, PARTNER))
    ),
    "signature_bent": ("wrong_signature", lambda v: _head(v, 0, note=_bent_line(
        v["fork"]["heads"][0]["note"][:-1]
    ) + "\n")),
    "signed_but_bent_afterwards": ("wrong_signature", lambda v: _head(
        v, 0, note=v["fork"]["heads"][0]["note"].replace("\n24\n", "\n25\n")
    )),
    "not_signed": ("malformed_note", lambda v: _head(v, 0, note=v["fork"]["heads"][0]["note"].split("\n\n")[0])),
    "of_a_text_that_is_no_checkpoint": ("malformed_checkpoint", lambda v: _head(
        v, 0, note=_text_note("good morning\n", LOG_KEYS[BANK])
    )),
    "of_another_origin": ("wrong_checkpoint", lambda v: _head(
        v, 0, note=_text_note(f"other\n24\n{_b64(bytes(32))}\n", LOG_KEYS[BANK])
    )),
    "anchored_where_it_was_not": ("wrong_checkpoint", lambda v: _head(v, 0, anchor=v["fork"]["heads"][1]["anchor"])),
    "anchored_at_another_size": ("record_missing", change("fork", "heads", 1, "anchor", "block", by=lambda n: n - 1)),
    "anchored_by_another_member": ("wrong_organization", put("fork", "heads", 1, "anchor", "block", to=10)),
    "anchored_in_a_block_not_given": ("missing_block", put("fork", "heads", 1, "anchor", "block", to=900)),
    "registered_by_another_member": ("wrong_organization", put("fork", "registration", "block", to=5)),
    "registered_by_an_anchor": ("unsigned_checkpoint", lambda v: v["fork"].update(registration=_partner(v))),
    "of_another_member": ("wrong_organization", put("organization", to=PARTNER)),
    "registration_in_a_block_not_given": ("missing_block", put("fork", "registration", "block", to=900)),
}  # fmt: skip


def _partner(value: Any) -> Any:
    """Accuse the other member with the bank's heads."""
    value["organization"] = PARTNER
    return {"block": 5, "index": 0}


AT_AN_ENTRY: dict[str, tuple[str | None, JsonEdit]] = {
    "difference_missing": ("no_fork", put("fork", "difference", to=None)),
    "leaves_equal": ("no_fork", change("fork", "difference", "leaves", by=lambda pair: [pair[0], pair[0]])),
    "of_one_leaf": (MALFORMED, drop("fork", "difference", "leaves", 0)),
    "difference_field_unknown": (MALFORMED, put("fork", "difference", "seq", to=1)),
    "leaf_bent": (WRONG, change("fork", "difference", "leaves", 0, by=_flip)),
    "leaves_exchanged": (WRONG, change("fork", "difference", "leaves", by=lambda pair: pair[::-1])),
    "leaf_short": ("malformed_hash", put("fork", "difference", "leaves", 0, to=_b64(bytes(31)))),
    "second_leaf_bent": (WRONG, change("fork", "difference", "leaves", 1, by=_flip)),
    "first_proof_bent": (WRONG, change("fork", "difference", "first_proof", 0, by=_flip)),
    "second_proof_bent": (WRONG, change("fork", "difference", "second_proof", 0, by=_flip)),
    "first_proof_cut": ("wrong_proof_length", drop("fork", "difference", "first_proof", -1)),
    "second_proof_empty": ("wrong_proof_length", put("fork", "difference", "second_proof", to=[])),
    "proof_with_a_short_hash": ("malformed_hash", put("fork", "difference", "first_proof", 0, to=_b64(bytes(31)))),
    "index_of_another_entry": (WRONG, put("fork", "difference", "index", to=1)),
    "index_beyond_the_shorter_log": ("index_out_of_range", put("fork", "difference", "index", to=5)),
}

EDITS: Mapping[str, Edits] = {
    "range_whole": {**FORMS, **RANGES, **HEADS},
    "range_some_shown": PARTS,
    "statement": STATEMENTS,
    "statement_later": LATER,
    "statement_of_a_period": TIMED,
    "statement_to_a_time_a_witness_saw": SEEN,
    "day_close": FROM_ONE,
    "day_close_of_a_period": BETWEEN,
    "day_close_withheld": WITHHELD,
    "growth": GROWTH,
    "fork": FORKS,
    "fork_at_an_entry": AT_AN_ENTRY,
}

# --- large inputs, options, two bundles mixed -----------------------------------------------------------------------

LARGE: dict[str, tuple[str | None, Callable[[bytes], Splice]]] = {
    "text": ("bundle_too_large", lambda t: Splice(len(t), 0, b" ", 96 * MIB)),
    "list_of_entries": (MALFORMED, behind('"entries":[', b'"",', 1_000_000)),
    "list_of_leaves": ("wrong_range", behind('"entries":[', b'"' + _b64(bytes(32)).encode() + b'",', 200_000)),
    "entry": (MALFORMED, behind('"entries":["', b"AAAA", MIB)),
    "list_of_witnesses": (MALFORMED, behind('"witnesses":[', b"0,", 2 * MIB)),
    "nesting": ("malformed_json", behind('"range":{', b'"a":{', MIB)),
    "kind": (MALFORMED, behind('"kind":"', b"r", 16 * MIB)),
    "number": ("malformed_json", behind('"from":', b"9", 4 * MIB)),
}


def _options(captured: Corpus) -> Iterator[Vector]:
    for base in ("range_whole", "statement", "day_close", "growth", "fork"):
        yield Vector(f"{base}__of_a_foreign_genesis", base, "wrong_genesis", (), genesis="00" * 32)
    yield Vector("growth__two_witnesses_demanded", "growth", "not_attested", (), witnesses_min=2)
    yield Vector("fork__witnesses_are_not_asked_for", "fork", None, (), witnesses_min=9)
    seen = "statement_to_a_time_a_witness_saw"
    alone = one_splice(captured.text(seen), edited(captured.text(seen), put("checkpoints", 0, "witnesses", to=[])))
    yield Vector(f"{seen}__nobody_demanded_and_nobody_looked", seen, "period_open", (alone,), witnesses_min=0)
    for base in ("range_whole", "statement", "growth"):
        text = captured.text(base)
        alone = edited(text, lambda v: [head.update(witnesses=[]) for head in v["checkpoints"]])
        vector = Vector(f"{base}__nobody_demanded", base, None, (one_splice(text, alone),), witnesses_min=0)
        yield replace(vector, word=("no_witness",))


def _mixed(captured: Corpus) -> Iterator[Vector]:
    """Parts of one good bundle in another, and entries left out of a statement."""
    leaves = dict(enumerate(json.loads(captured.text("range_none_shown"))["range"]["entries"], 1))
    shown = {seq: json.loads(captured.text("statement"))["range"]["entries"][seq - 1] for seq in (1, 11)}
    older = json.loads(captured.text("growth"))["checkpoints"][0]

    def vector(name: str, base: str, reason: str | None, edit: JsonEdit, *word: str) -> Vector:
        text = captured.text(base)
        return Vector(f"{base}__{name}", base, reason, (one_splice(text, edited(text, edit)),), word=word)

    told, hidden = _leave_out(11, 1104, told=True), _leave_out(11, 1104, told=False)
    yield vector("one_entry_left_out", "statement", TOTALS, lambda v: hidden(v, leaves))
    yield vector("one_entry_left_out_and_told", "statement", None, lambda v: told(v, leaves), "withheld_entries")
    yield vector(
        "one_entry_withheld_only", "statement", TOTALS, lambda v: v["range"]["entries"].__setitem__(10, leaves[11])
    )
    yield vector("another_entry_withheld_and_told", "statement", None, lambda v: (
        v["range"]["entries"].__setitem__(2, leaves[3]), v["statement"].update(withheld=1)
    ), "withheld_entries")  # fmt: skip
    yield vector("an_entry_shown_after_all", "range_none_shown", None, lambda v: (
        v["range"]["entries"].__setitem__(0, shown[1])
    ), "withheld_entries")  # fmt: skip
    yield vector("leaf_of_another_place", "range_none_shown", WRONG, put("range", "entries", 3, to=leaves[5]))
    yield vector("checkpoint_replayed", "range_whole", "index_out_of_range", put("checkpoints", 0, to=older))
    yield vector("statement_of_another_range", "statement_later", "wrong_range", put("range", "to", to=21))
    yield vector(
        "head_older_than_the_claim", "day_close_of_a_period", "size_out_of_range", put("checkpoints", 1, to=older)
    )
    yield vector("growth_of_another_pair", "growth", "wrong_proof_length", put("consistency", to=json.loads(
        captured.text("growth_from_one"))["consistency"]))  # fmt: skip


def main() -> None:
    """Make the derived vectors anew."""
    captured = read_corpus(MANY_FILE).captured()
    write_corpus(replace(captured, vectors=(*captured.vectors, *derive(captured))), MANY_FILE)


if __name__ == "__main__":
    main()
