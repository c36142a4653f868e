"""The derived vectors: edits that anyone could make to a captured bundle, without any key.

Each is one function from a bundle's text, or from its JSON, to another text. Nothing here is random: the same captured
bundles give the same vectors.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

from fabric_protos.common import common_pb2

from ledger.errors import InvalidValueError
from network.merkle import inclusion_proof
from node.audit.entry_fields import describe_entry
from tests.support.proof_entries import DECISION_LEAVES, LEAVES, decision_record, entry_forms
from tests.support.proof_vectors import Corpus, Splice, Vector, difference

MIB = 1024 * 1024

TextEdit = Callable[[bytes], bytes]
JsonEdit = Callable[[dict[str, Any]], object]


def derive(captured: Corpus) -> Iterator[Vector]:
    """Give all derived vectors."""
    network = captured.text("network")
    for name, (reason, edit) in TEXTS.items():
        yield Vector(name, "network", reason, difference(network, edit(network)))
    for name, (reason, change) in {**FORMS, **CONTENTS, **BLOCKS}.items():
        yield Vector(name, "network", reason, difference(network, edited(network, change)))
    for name, (reason, splice) in LARGE.items():
        yield Vector(name, "network", reason, (splice(network),))
    yield from _options(captured)
    yield from _byzantine(captured.text("fabric_bft"))
    yield from _entries(captured.text("log_of_entries"))


def edited(text: bytes, change: JsonEdit) -> bytes:
    """Return the bundle after a change of its JSON, written as bundles are."""
    value = json.loads(text)
    change(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


# --- the text: one way to read it, or none -----------------------------------------------------------------------


def swap(old: str, new: str | bytes) -> TextEdit:
    """Replace the first occurrence."""

    def apply(text: bytes) -> bytes:
        assert old.encode() in text, old
        return text.replace(old.encode(), new.encode() if isinstance(new, str) else new, 1)

    return apply


def number(text: str) -> TextEdit:
    """Write the entry's number otherwise."""
    return swap('"entry":{"seq":500', f'"entry":{{"seq":{text}')


TEXTS: dict[str, tuple[str | None, TextEdit]] = {
    "text_with_spaces_and_escapes": (
        None,
        lambda t: b" \t\r\n" + t.replace(b'"version":1', b' "\\u0076ersion" : 1 ') + b"\n",
    ),
    "text_empty": ("malformed_json", lambda t: b""),
    "text_of_a_space": ("malformed_json", lambda t: b" "),
    "text_is_a_list": ("malformed_json", lambda t: b"[" + t + b"]"),
    "text_is_null": ("malformed_json", lambda t: b"null"),
    "text_is_a_string": ("malformed_json", lambda t: b'"bundle"'),
    "text_is_another_object": ("unknown_version", lambda t: b"{}"),
    "text_cut_off": ("malformed_json", lambda t: t[:-1]),
    "text_cut_in_half": ("malformed_json", lambda t: t[: len(t) // 2]),
    "text_twice": ("malformed_json", lambda t: t + t),
    "text_with_a_byte_order_mark": ("malformed_json", lambda t: b"\xef\xbb\xbf" + t),
    "text_in_utf16": ("malformed_json", lambda t: b"\xff\xfe" + t[:200].decode().encode("utf-16-le")),
    "text_with_a_zero_byte": ("malformed_json", lambda t: t + b"\x00"),
    "text_with_a_stray_byte": ("malformed_json", swap("DwaybankMSP", b"Dwaybank\xff")),
    "text_with_an_overlong_character": ("malformed_json", swap("DwaybankMSP", b"Dwaybank\xc0\xaf")),
    "text_with_a_surrogate_in_utf8": ("malformed_json", swap("DwaybankMSP", b"Dwaybank\xed\xa0\x80")),
    "text_with_a_no_break_space": ("malformed_json", lambda t: "\u00a0".encode() + t),
    "text_with_a_vertical_tab": ("malformed_json", lambda t: b"\x0b" + t),
    "text_with_a_comment": ("malformed_json", lambda t: b"/* good */" + t),
    "text_with_a_comma_at_its_end": ("malformed_json", lambda t: t[:-1] + b",}"),
    "text_with_two_commas": ("malformed_json", swap('"version":1,', '"version":1,,')),
    "text_without_a_colon": ("malformed_json", swap('"version":1', '"version" 1')),
    "text_with_single_quotes": ("malformed_json", swap('"version"', "'version'")),
    "text_with_a_bare_key": ("malformed_json", swap('"version"', "version")),
    "text_with_a_line_end_in_a_string": ("malformed_json", swap("DwaybankMSP", "Dwaybank\nMSP")),
    "text_with_an_unknown_escape": ("malformed_json", swap("DwaybankMSP", "Dwaybank\\xMSP")),
    "text_with_a_short_escape": ("malformed_json", swap("DwaybankMSP", "Dwaybank\\u00e")),
    "text_with_an_escape_of_plus": ("malformed_json", swap("DwaybankMSP", "Dwaybank\\u+041")),
    "text_with_python_words": ("malformed_json", swap('"version":1', '"version":True')),
    "key_twice": ("malformed_json", swap('{"version":1', '{"version":1,"version":1')),
    "key_twice_in_disguise": ("malformed_json", swap('{"version":1', '{"version":1,"\\u0076ersion":1')),
    "key_twice_inside": ("malformed_json", swap('"entry":{', '"entry":{"seq":499,')),
    "key_twice_in_a_reference": ("malformed_json", swap('"anchor":{', '"anchor":{"index":1,')),
    "key_twice_in_fields": ("malformed_json", swap('"fields":{', '"fields":{"seq":500,')),
    "key_twice_in_a_posting": ("malformed_json", swap('"side":"debit"', '"side":"credit","side":"debit"')),
    "key_twice_in_blocks": ("malformed_json", swap('"blocks":{', '"blocks":{"0":"",')),
    "key_twice_in_the_empty": ("malformed_json", swap('{"version"', '{"":1,"":1,"version"')),
    "key_proto_twice": ("malformed_json", swap('{"version"', '{"__proto__":{},"__proto__":{},"version"')),
    "number_as_float": ("malformed_json", number("500.0")),
    "number_as_exponent": ("malformed_json", number("5e2")),
    "number_as_large_exponent": ("malformed_json", number("1E400")),
    "number_not_a_number": ("malformed_json", number("NaN")),
    "number_infinite": ("malformed_json", number("Infinity")),
    "number_minus_infinite": ("malformed_json", number("-Infinity")),
    "number_beyond_53_bits": ("malformed_json", number("9007199254740992")),
    "number_that_rounds_to_another": ("malformed_json", number("9007199254740993")),
    "number_beyond_64_bits": ("malformed_json", number("18446744073709552116")),
    "number_far_below_zero": ("malformed_json", number("-9007199254740992")),
    "number_of_5000_digits": ("malformed_json", number("9" * 5000)),
    "number_with_a_leading_zero": ("malformed_json", number("0500")),
    "number_with_a_plus": ("malformed_json", number("+500")),
    "number_in_hexadecimal": ("malformed_json", number("0x1f4")),
    "number_with_underscore": ("malformed_json", number("5_00")),
    "number_in_arabic_digits": ("malformed_json", number("٥٠٠")),
    "number_with_a_bare_point": ("malformed_json", number("500.")),
    "number_minus_alone": ("malformed_json", number("-")),
    "number_negative": ("malformed_bundle", number("-500")),
    "number_at_the_limit": ("index_out_of_range", number("9007199254740991")),
    "number_minus_zero": ("index_out_of_range", number("-0")),
    "nested_64_deep": ("wrong_fields", swap('"fields":{', '"fields":{"deep":' + "[" * 60 + "0" + "]" * 60 + ",")),
    "nested_65_deep": ("malformed_json", swap('"fields":{', '"fields":{"deep":' + "[" * 61 + "0" + "]" * 61 + ",")),
}


# --- the form: every field known, present and of its type ---------------------------------------------------------


def put(*path: str | int, to: Any) -> JsonEdit:
    """Set one value."""

    def apply(value: Any) -> None:
        for name in path[:-1]:
            value = value[name]
        value[path[-1]] = to

    return apply


def drop(*path: str | int) -> JsonEdit:
    """Remove one value."""

    def apply(value: Any) -> None:
        for name in path[:-1]:
            value = value[name]
        del value[path[-1]]

    return apply


def change(*path: str | int, by: Callable[[Any], Any]) -> JsonEdit:
    """Change one value."""

    def apply(value: Any) -> None:
        for name in path[:-1]:
            value = value[name]
        value[path[-1]] = by(value[path[-1]])

    return apply


MALFORMED = "malformed_bundle"
FORMS: dict[str, tuple[str | None, JsonEdit]] = {
    "version_2": (MALFORMED, put("version", to=2)),
    "version_3": ("unknown_version", put("version", to=3)),
    "version_0": ("unknown_version", put("version", to=0)),
    "version_true": ("unknown_version", put("version", to=True)),
    "version_as_text": ("unknown_version", put("version", to="1")),
    "version_in_a_list": ("unknown_version", put("version", to=[1])),
    "version_missing": ("unknown_version", drop("version")),
    "field_unknown": (MALFORMED, put("comment", to="trust me")),
    "field_named_proto": (MALFORMED, put("__proto__", to={})),
    "field_unknown_in_entry": (MALFORMED, put("entry", "leaf", to="x")),
    "field_unknown_in_inclusion": (MALFORMED, put("inclusion", "index", to=499)),
    "field_unknown_in_checkpoint": (MALFORMED, put("checkpoint", "root", to="x")),
    "field_unknown_in_reference": (MALFORMED, put("checkpoint", "anchor", "valid", to=True)),
    "field_unknown_in_witness": (MALFORMED, put("witnesses", 0, "trusted", to=True)),
    "field_unknown_in_decision": (MALFORMED, put("decision", "approved", to=True)),
    **{
        f"field_{name}_missing": (MALFORMED, drop(name))
        for name in (
            "channel",
            "organization",
            "entry",
            "inclusion",
            "checkpoint",
            "witnesses",
            "decision",
            "definitions",
            "blocks",
        )
    },
    "field_salt_missing": (MALFORMED, drop("entry", "salt")),
    "field_index_missing": (MALFORMED, drop("checkpoint", "anchor", "index")),
    "seq_true": (MALFORMED, put("entry", "seq", to=True)),
    "seq_as_text": (MALFORMED, put("entry", "seq", to="500")),
    "seq_null": (MALFORMED, put("entry", "seq", to=None)),
    "seq_in_a_list": (MALFORMED, put("entry", "seq", to=[500])),
    "size_as_text": (MALFORMED, put("inclusion", "size", to="4000")),
    "index_as_text": (MALFORMED, put("checkpoint", "anchor", "index", to="0")),
    "index_negative": (MALFORMED, put("checkpoint", "anchor", "index", to=-1)),
    "channel_empty": (MALFORMED, put("channel", to="")),
    "channel_as_number": (MALFORMED, put("channel", to=7)),
    "organization_of_257_characters": (MALFORMED, put("organization", to="x" * 257)),
    "organization_of_256_characters_beyond_16_bits": ("wrong_organization", put("organization", to="💶" * 256)),
    "entry_is_a_list": (MALFORMED, put("entry", to=[])),
    "fields_null": (MALFORMED, put("entry", "fields", to=None)),
    "witnesses_is_an_object": (MALFORMED, put("witnesses", to={})),
    "witness_is_a_text": (MALFORMED, put("witnesses", 0, to="RegulatorMSP")),
    "witnesses_of_65": (MALFORMED, change("witnesses", by=lambda w: [w[0]] * 65)),
    "cosignature_empty": (MALFORMED, put("witnesses", 0, "cosignature", to="")),
    "decision_is_a_list": (MALFORMED, put("decision", to=[])),
    "decision_false": (MALFORMED, put("decision", to=False)),
    "definitions_is_a_list": (MALFORMED, put("definitions", to=[])),
    "definitions_of_9_contracts": (MALFORMED, lambda v: v["definitions"].update({str(n): [] for n in range(7)})),
    "definitions_of_1024_sequences": ("wrong_definition", change("definitions", "audit", by=lambda d: d * 1024)),
    "definitions_of_1025_sequences": (MALFORMED, change("definitions", "audit", by=lambda d: d * 1025)),
    "definition_is_a_number": (MALFORMED, put("definitions", "audit", to=[1])),
    "note_empty": (MALFORMED, put("checkpoint", "note", to="")),
    "note_of_65537_characters": (MALFORMED, put("checkpoint", "note", to="x" * 65_537)),
    "proof_of_65_hashes": (MALFORMED, change("inclusion", "proof", by=lambda p: (p * 6)[:65])),
    "proof_is_a_text": (MALFORMED, put("inclusion", "proof", to="")),
    "proof_hash_of_33_bytes": (MALFORMED, put("inclusion", "proof", 0, to=base64.b64encode(bytes(33)).decode())),
    "proof_hash_is_null": (MALFORMED, put("inclusion", "proof", 0, to=None)),
    "blocks_is_a_list": (MALFORMED, put("blocks", to=[])),
    "block_is_null": (MALFORMED, put("blocks", "0", to=None)),
    "block_number_padded": (MALFORMED, put("blocks", "00", to="")),
    "block_number_negative": (MALFORMED, put("blocks", "-1", to="")),
    "block_number_with_space": (MALFORMED, put("blocks", " 1", to="")),
    "block_number_empty": (MALFORMED, put("blocks", "", to="")),
    "block_number_in_arabic_digits": (MALFORMED, put("blocks", "١", to="")),
    "block_number_in_superscript": (MALFORMED, put("blocks", "²", to="")),
    "block_number_of_17_digits": (MALFORMED, put("blocks", "1" * 17, to="")),
    "blocks_of_4096": ("wrong_block_number", lambda v: v["blocks"].update(_empty_blocks(4096 - len(v["blocks"])))),
    "blocks_of_4097": (MALFORMED, lambda v: v["blocks"].update(_empty_blocks(4097 - len(v["blocks"])))),
    "base64_without_padding": (MALFORMED, change("entry", "salt", by=lambda s: s.rstrip("="))),
    "base64_with_too_much_padding": (MALFORMED, change("entry", "salt", by=lambda s: s + "=")),
    "base64_with_padding_inside": (MALFORMED, put("entry", "salt", to="QUJD====QUJD")),
    "base64_of_one_digit": (MALFORMED, put("entry", "salt", to="A===")),
    "base64_with_stray_bits": (MALFORMED, put("entry", "salt", to="AB==")),
    "base64_with_a_line_end": (MALFORMED, change("entry", "salt", by=lambda s: s[:20] + "\n" + s[20:])),
    "base64_with_a_space": (MALFORMED, change("entry", "salt", by=lambda s: s + " ")),
    "base64_for_addresses": (MALFORMED, put("entry", "salt", to="-_-_" * 8)),
    "base64_beyond_ascii": (MALFORMED, put("entry", "salt", to="ＡＡＡＡ")),
    "base64_with_a_zero_character": (MALFORMED, put("entry", "salt", to="AA\u0000A")),
    "salt_of_65_bytes": (MALFORMED, put("entry", "salt", to=base64.b64encode(bytes(65)).decode())),
    "salt_is_a_list_of_bytes": (MALFORMED, put("entry", "salt", to=[0] * 32)),
}


# --- the content --------------------------------------------------------------------------------------------------


def _empty_blocks(count: int) -> dict[str, str]:
    return {str(number): "" for number in range(100, 100 + count)}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _flip(text: str, at: int = 0, bit: int = 1) -> str:
    data = bytearray(base64.b64decode(text))
    data[at] ^= bit
    return _b64(bytes(data))


def _swap_signatures(value: Any) -> None:
    first, second = value["witnesses"]
    first["cosignature"], second["cosignature"] = second["cosignature"], first["cosignature"]


def _shift(value: Any) -> None:
    """Move the entry's first byte to the end of the salt: the leaf stays what it is."""
    salt, canonical = (base64.b64decode(value["entry"][name]) for name in ("salt", "canonical"))
    value["entry"].update(salt=_b64(salt + canonical[:1]), canonical=_b64(canonical[1:]))


def _shift_back(value: Any) -> None:
    salt, canonical = (base64.b64decode(value["entry"][name]) for name in ("salt", "canonical"))
    value["entry"].update(salt=_b64(salt[:31]), canonical=_b64(salt[31:] + canonical))


def _amount(value: Any) -> None:
    """Change an amount in the entry itself."""
    canonical = bytearray(base64.b64decode(value["entry"]["canonical"]))
    amount = int(value["entry"]["fields"]["postings"][0]["amount_minor"]).to_bytes(16, "big")
    canonical[canonical.index(amount) + 15] ^= 1
    value["entry"]["canonical"] = _b64(bytes(canonical))


def _node_as_leaf(value: Any) -> None:
    """Show an inner node of the tree as if it were an entry: leaves and nodes are hashed apart."""
    value["entry"].update(salt=value["inclusion"]["proof"][0], canonical=value["inclusion"]["proof"][1])
    del value["inclusion"]["proof"][0]


WRONG = "wrong_inclusion"
CONTENTS: dict[str, tuple[str | None, JsonEdit]] = {
    "fields_shown_in_part": (None, put("entry", "fields", to={"seq": 500})),
    "fields_not_shown": (None, put("entry", "fields", to={})),
    "decision_not_shown": (None, lambda v: (v.update(decision=None), v["definitions"].pop("compliance"))),
    "one_witness_of_two": (None, change("witnesses", by=lambda w: w[:1])),
    "witnesses_in_another_order": (None, change("witnesses", by=lambda w: w[::-1])),
    "definitions_of_what_is_not_needed": (None, put("definitions", "other", to=[])),
    "leaf_of_another_salt": (WRONG, change("entry", "salt", by=_flip)),
    "leaf_of_another_amount": (WRONG, _amount),
    "leaf_of_another_byte": (WRONG, change("entry", "canonical", by=lambda c: _flip(c, 40))),
    "leaf_of_an_entry_extended": (WRONG, change("entry", "canonical", by=lambda c: _b64(base64.b64decode(c) + b"\0"))),
    "leaf_is_a_node": ("wrong_proof_length", _node_as_leaf),
    "salt_takes_a_byte_of_the_entry": ("wrong_salt", _shift),
    "salt_gives_a_byte_to_the_entry": ("wrong_salt", _shift_back),
    "salt_empty": ("wrong_salt", put("entry", "salt", to="")),
    "entry_empty": ("wrong_salt", put("entry", "canonical", to="")),
    "index_of_the_entry_before": (WRONG, put("entry", "seq", to=499)),
    "index_of_the_entry_after": (WRONG, put("entry", "seq", to=501)),
    "index_zero": ("index_out_of_range", put("entry", "seq", to=0)),
    "index_beyond_the_log": ("index_out_of_range", put("entry", "seq", to=4001)),
    "index_of_another_height_of_the_tree": ("wrong_proof_length", put("entry", "seq", to=4000)),
    "path_without_its_last_hash": ("wrong_proof_length", drop("inclusion", "proof", -1)),
    "path_without_its_first_hash": ("wrong_proof_length", drop("inclusion", "proof", 0)),
    "path_empty": ("wrong_proof_length", put("inclusion", "proof", to=[])),
    "path_with_a_hash_more": ("wrong_proof_length", change("inclusion", "proof", by=lambda p: [*p, p[0]])),
    "path_reversed": (WRONG, change("inclusion", "proof", by=lambda p: p[::-1])),
    "path_with_two_hashes_swapped": (WRONG, change("inclusion", "proof", by=lambda p: [p[1], p[0], *p[2:]])),
    "path_with_a_bit_flipped": (WRONG, change("inclusion", "proof", 3, by=_flip)),
    "path_with_a_short_hash": ("malformed_hash", put("inclusion", "proof", 0, to=_b64(bytes(31)))),
    "path_with_an_empty_hash": ("malformed_hash", put("inclusion", "proof", 0, to="")),
    "size_smaller": ("record_missing", put("inclusion", "size", to=3999)),
    "size_larger": ("record_missing", put("inclusion", "size", to=4001)),
    "size_zero": ("record_missing", put("inclusion", "size", to=0)),
    "size_padded_to_another_key": ("record_missing", put("inclusion", "size", to=9007199254740991)),
    "channel_of_another_name": ("wrong_channel", put("channel", to="other")),
    "channel_in_capitals": ("wrong_channel", change("channel", by=str.upper)),
    "channel_with_a_zero_width_space": ("wrong_channel", change("channel", by=lambda c: c + "\u200b")),
    "organization_of_another_member": ("wrong_organization", put("organization", to="PartnerMSP")),
    "organization_in_cyrillic": ("wrong_organization", put("organization", to="Dwaybаnk" + "MSP")),
    "organization_with_a_tilde": ("wrong_organization", put("organization", to="DwaybankMSP~1")),
    "note_with_a_cosignature": (
        "wrong_checkpoint",
        lambda v: v["checkpoint"].update(note=v["checkpoint"]["note"] + v["witnesses"][0]["cosignature"] + "\n"),
    ),
    "note_with_another_size": (
        "wrong_checkpoint",
        change("checkpoint", "note", by=lambda n: n.replace("\n4000\n", "\n4001\n")),
    ),
    "note_with_a_signature_bent": ("wrong_checkpoint", change("checkpoint", "note", by=lambda n: n[:-6] + "AAAA=\n")),
    "note_of_noise": ("wrong_checkpoint", put("checkpoint", "note", to="noise")),
    "witness_is_the_bank": ("wrong_witness", put("witnesses", 0, "organization", to="DwaybankMSP")),
    "witness_twice": ("wrong_witness", change("witnesses", by=lambda w: [w[0], w[0]])),
    "witness_is_nobody": ("wrong_witness", put("witnesses", 0, "organization", to="NobodyMSP")),
    "witness_is_the_orderer": ("wrong_witness", put("witnesses", 0, "organization", to="OrdererMSP")),
    "witness_of_another_registration": (
        "wrong_organization",
        lambda v: v["witnesses"][0].update(registration=v["witnesses"][1]["registration"]),
    ),
    "witness_registered_as_a_log": (
        "wrong_organization",
        lambda v: v["witnesses"][0].update(registration=v["checkpoint"]["registration"]),
    ),
    "witnesses_swapped_signatures": ("unsigned_checkpoint", _swap_signatures),
    "cosignature_bent": ("wrong_signature", change("witnesses", 0, "cosignature", by=lambda c: c[:-9] + "A" + c[-8:])),
    "cosignature_with_text_behind": ("malformed_note", change("witnesses", 0, "cosignature", by=lambda c: c + " x")),
    "no_witnesses": ("not_attested", put("witnesses", to=[])),
    "anchor_is_the_registration": (
        "record_missing",
        lambda v: v["checkpoint"].update(anchor=v["checkpoint"]["registration"]),
    ),
    "registration_is_the_anchor": (
        "wrong_order",
        lambda v: v["checkpoint"].update(registration=v["checkpoint"]["anchor"]),
    ),
    "registration_of_another_member": (
        "wrong_organization",
        lambda v: v["checkpoint"].update(registration=v["witnesses"][0]["registration"]),
    ),
    "anchor_in_genesis": ("invalid_transaction", put("checkpoint", "anchor", to={"block": 0, "index": 0})),
    "anchor_is_a_definition": ("wrong_contract", lambda v: v["checkpoint"].update(anchor=v["definitions"]["audit"][0])),
    "anchor_in_a_block_not_shown": ("missing_block", put("checkpoint", "anchor", "block", to=9)),
    "anchor_in_a_block_to_come": ("missing_block", put("checkpoint", "anchor", "block", to=9007199254740991)),
    "anchor_beyond_its_block": ("missing_transaction", put("checkpoint", "anchor", "index", to=1)),
    "anchor_far_beyond_its_block": ("missing_transaction", put("checkpoint", "anchor", "index", to=4294967296)),
    "decision_of_another_entry": (WRONG, put("decision", "record", to=_b64(decision_record(1)))),
    "decision_of_another_epoch": ("record_missing", change("decision", "epoch", by=lambda e: e + 1)),
    "decision_with_a_path_cut": ("wrong_proof_length", drop("decision", "proof", -1)),
    "decision_with_a_path_bent": (WRONG, change("decision", "proof", 0, by=_flip)),
    "decision_in_the_anchor": ("wrong_contract", lambda v: v["decision"].update(transaction=v["checkpoint"]["anchor"])),
    "definitions_missing": ("definition_missing", put("definitions", to={})),
    "definition_of_audit_missing": ("definition_missing", drop("definitions", "audit")),
    "definition_of_compliance_missing": ("definition_missing", drop("definitions", "compliance")),
    "definition_of_another": (
        "wrong_definition",
        lambda v: v["definitions"].update(audit=v["definitions"]["compliance"]),
    ),
    "definition_is_an_invocation": (
        "wrong_contract",
        lambda v: v["definitions"].update(audit=[v["checkpoint"]["anchor"]]),
    ),
    "definition_twice": ("wrong_definition", change("definitions", "audit", by=lambda d: d * 2)),
    "definition_named_otherwise": (
        "wrong_definition",
        lambda v: v["definitions"].update(other=v["definitions"].pop("audit")),
    ),
    "shown_amount": ("wrong_fields", put("entry", "fields", "postings", 0, "amount_minor", to="1")),
    "shown_amount_as_number": ("wrong_fields", change("entry", "fields", "postings", 0, "amount_minor", by=int)),
    "shown_scale_as_true": ("wrong_fields", put("entry", "fields", "postings", 0, "scale", to=True)),
    "shown_seq_as_text": ("wrong_fields", put("entry", "fields", "seq", to="500")),
    "shown_seq_of_another": ("wrong_fields", put("entry", "fields", "seq", to=501)),
    "shown_side": ("wrong_fields", put("entry", "fields", "postings", 0, "side", to="credit")),
    "shown_postings_in_another_order": ("wrong_fields", change("entry", "fields", "postings", by=lambda p: p[::-1])),
    "shown_postings_of_one": ("wrong_fields", change("entry", "fields", "postings", by=lambda p: p[:1])),
    "shown_posting_with_more": ("wrong_fields", put("entry", "fields", "postings", 0, "memo", to="x")),
    "shown_field_unknown": ("wrong_fields", put("entry", "fields", "memo", to="gift")),
    "shown_field_unknown_and_null": ("wrong_fields", put("entry", "fields", "memo", to=None)),
    "shown_field_named_proto": ("wrong_fields", put("entry", "fields", "__proto__", to={})),
    "shown_field_named_constructor": ("wrong_fields", put("entry", "fields", "constructor", to=None)),
    "shown_settlement_null": ("wrong_fields", put("entry", "fields", "settlement_id", to=None)),
    "shown_time_in_another_form": (
        "wrong_fields",
        change("entry", "fields", "effective_at", by=lambda t: t.replace("+00:00", "Z")),
    ),
    "shown_account_in_lookalikes": (
        "wrong_fields",
        change("entry", "fields", "postings", 0, "account", by=lambda a: a.replace("a", "а")),
    ),
    "shown_refusals": ("wrong_fields", put("entry", "fields", "refusals", to="")),
}


# --- blocks -------------------------------------------------------------------------------------------------------


def in_block(number: str, by: Callable[[Any], object]) -> JsonEdit:
    """Change a block's message."""

    def apply(text: str) -> str:
        block = common_pb2.Block.FromString(base64.b64decode(text))
        by(block)
        return _b64(block.SerializeToString())

    return change("blocks", number, by=apply)


def raw_block(number: str, by: Callable[[bytes], bytes]) -> JsonEdit:
    """Change a block's bytes."""
    return change("blocks", number, by=lambda text: _b64(by(base64.b64decode(text))))


def _metadata(block: Any, by: Callable[[Any], object]) -> None:
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[0])
    by(metadata)
    block.metadata.metadata[0] = metadata.SerializeToString()


def _flipped(message: Any, name: str) -> None:
    value = bytearray(getattr(message, name))
    value[-1] ^= 1
    setattr(message, name, bytes(value))


BLOCKS: dict[str, tuple[str | None, JsonEdit]] = {
    "block_flags_of_a_peer_bent": (None, in_block("8", lambda b: b.metadata.metadata.__setitem__(2, b"\xff" * 9))),
    "block_with_a_field_unknown": (None, raw_block("8", lambda r: r + b"\x98\x06\x01")),
    "block_with_its_header_in_two_parts": (None, raw_block("8", lambda r: r + b"\x0a\x02\x08\x08")),
    "block_whose_header_is_overruled": ("wrong_block_number", raw_block("8", lambda r: r + b"\x0a\x02\x08\x09")),
    "block_not_needed": ("wrong_block_number", lambda v: v["blocks"].update({"100": v["blocks"]["8"]})),
    "genesis_missing": ("genesis_missing", drop("blocks", "0")),
    "genesis_of_another_number": ("wrong_block_number", lambda v: v["blocks"].update({"0": v["blocks"]["1"]})),
    "genesis_with_a_transaction_more": ("wrong_block_data", in_block("0", lambda b: b.data.data.append(b"more"))),
    "genesis_without_transactions": ("wrong_block_data", in_block("0", lambda b: b.ClearField("data"))),
    "genesis_with_another_data_hash": ("wrong_genesis", in_block("0", lambda b: _flipped(b.header, "data_hash"))),
    "genesis_with_a_hash_before": (
        "wrong_genesis",
        in_block("0", lambda b: setattr(b.header, "previous_hash", bytes(32))),
    ),
    "block_empty": ("wrong_block_number", put("blocks", "8", to="")),
    "block_of_noise": ("malformed_block", put("blocks", "8", to=_b64(b"\xff\xff"))),
    "block_cut_off": ("malformed_block", raw_block("8", lambda r: r[:-1])),
    "block_with_an_open_group": ("malformed_block", raw_block("8", lambda r: r + b"\x53")),
    "block_with_a_group_closed": (None, raw_block("8", lambda r: r + b"\x53\x54")),
    "block_with_a_group_closed_by_another": ("malformed_block", raw_block("8", lambda r: r + b"\x53\x5c")),
    "block_with_field_0": ("malformed_block", raw_block("8", lambda r: r + b"\x02\x00")),
    "block_with_wire_type_6": ("malformed_block", raw_block("8", lambda r: r + b"\x56\x00")),
    "block_with_an_endless_number": ("malformed_block", raw_block("8", lambda r: r + b"\x50" + b"\xff" * 11)),
    "block_with_a_length_beyond_its_end": (
        "malformed_block",
        raw_block("8", lambda r: r + b"\x5a\xff\xff\xff\xff\x0f"),
    ),
    "block_with_a_length_beyond_63_bits": (
        "malformed_block",
        raw_block("8", lambda r: r + b"\x5a" + b"\xff" * 9 + b"\x01"),
    ),
    "block_with_a_header_cut_off": ("malformed_block", raw_block("8", lambda r: r + b"\x0a\x02\x12\x05")),
    "block_data_of_another_wire_type": (None, raw_block("8", lambda r: r + b"\x10\x05")),
    "block_without_header": ("wrong_block_number", in_block("8", lambda b: b.ClearField("header"))),
    "block_under_another_number": ("wrong_block_number", lambda v: v["blocks"].update({"9": v["blocks"].pop("8")})),
    "blocks_swapped": (
        "wrong_block_number",
        lambda v: v["blocks"].update({"7": v["blocks"]["8"], "8": v["blocks"]["7"]}),
    ),
    "block_with_its_transaction_twice": (
        "wrong_block_data",
        in_block("8", lambda b: b.data.data.append(b.data.data[0])),
    ),
    "block_with_a_byte_bent": (
        "wrong_block_data",
        raw_block("8", lambda r: r[:3000] + bytes([r[3000] ^ 1]) + r[3001:]),
    ),
    "block_renumbered_inside": ("wrong_block_number", in_block("8", lambda b: setattr(b.header, "number", 9))),
    "block_with_another_hash_before": ("broken_chain", in_block("8", lambda b: _flipped(b.header, "previous_hash"))),
    "block_without_hash_before": ("broken_chain", in_block("8", lambda b: b.header.ClearField("previous_hash"))),
    "block_apart_with_another_hash_before": (
        "wrong_block_signature",
        in_block("11", lambda b: _flipped(b.header, "previous_hash")),
    ),
    "block_apart_without_any_hash_before": (
        "wrong_block_data",
        in_block("11", lambda b: b.header.ClearField("previous_hash")),
    ),
    "block_without_signatures": ("wrong_block_signature", in_block("8", lambda b: b.ClearField("metadata"))),
    "block_with_a_signature_bent": (
        "wrong_block_signature",
        in_block("8", lambda b: _metadata(b, lambda m: _flipped(m.signatures[0], "signature"))),
    ),
    "block_with_the_signature_of_another": (
        "wrong_block_signature",
        lambda v: v["blocks"].update({"8": _b64(_with_metadata_of(v["blocks"]["8"], v["blocks"]["7"]))}),
    ),
    "block_with_another_configuration_named": (
        "wrong_block_signature",
        in_block("8", lambda b: _metadata(b, lambda m: setattr(m, "value", m.value + b"\x0a\x02\x08\x01"))),
    ),
    "block_signed_twice_by_one": (
        None,
        in_block("8", lambda b: _metadata(b, lambda m: m.signatures.add().CopyFrom(m.signatures[0]))),
    ),
    "block_with_as_much_beside_its_transactions_as_may_be": (None, raw_block("8", lambda b: _padded(b, 2 * MIB))),
    "block_with_a_byte_too_many": ("malformed_block", raw_block("8", lambda b: _padded(b, 2 * MIB + 1))),
    "block_of_the_registration_missing": ("missing_block", drop("blocks", "6")),
    "block_of_the_anchor_missing": ("missing_block", drop("blocks", "8")),
    "block_of_a_definition_missing": ("missing_block", drop("blocks", "1")),
}


def _padded(block: bytes, rest: int) -> bytes:
    """Add a field that nobody knows, so that this many bytes of a block are none of its transactions'."""
    covered = sum(map(len, common_pb2.Block.FromString(block).data.data))
    size = rest - (len(block) - covered) - 5
    assert 2**14 <= size < 2**21
    length = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
    return block + b"\xd2\x05" + length + bytes(size)


def _with_metadata_of(block: str, other: str) -> bytes:
    message = common_pb2.Block.FromString(base64.b64decode(block))
    message.metadata.CopyFrom(common_pb2.Block.FromString(base64.b64decode(other)).metadata)
    return bytes(message.SerializeToString())


# --- large inputs -------------------------------------------------------------------------------------------------


def behind(mark: str, insert: bytes, times: int) -> Callable[[bytes], Splice]:
    """Insert something many times behind a mark."""
    return lambda text: Splice(text.index(mark.encode()) + len(mark), 0, insert, times)


def _marked(text: bytes, marks: int) -> Splice:
    """Lengthen a list until the text has so many commas and opening brackets."""
    return behind('"witnesses":[', b"0,", marks - sum(map(text.count, (b",", b"[", b"{"))))(text)


LARGE: dict[str, tuple[str | None, Callable[[bytes], Splice]]] = {
    "huge_text": ("bundle_too_large", lambda t: Splice(len(t), 0, b" ", 96 * MIB)),
    "text_of_exactly_the_limit": (None, lambda t: Splice(len(t), 0, b" ", 96 * MIB - len(t))),
    "text_of_a_byte_above_the_limit": ("bundle_too_large", lambda t: Splice(len(t), 0, b" ", 96 * MIB - len(t) + 1)),
    "text_of_as_many_values_as_may_be": ("malformed_bundle", lambda t: _marked(t, 4 * MIB)),
    "text_of_a_value_too_many": ("bundle_too_large", lambda t: _marked(t, 4 * MIB + 1)),
    "huge_list_of_objects": ("bundle_too_large", behind('"witnesses":[', b"{},", 16 * MIB)),
    "huge_nesting": ("malformed_json", lambda t: Splice(0, len(t), b"[", 4 * MIB)),
    "huge_nesting_of_objects": ("malformed_json", lambda t: Splice(0, len(t), b'{"a":', 2 * MIB)),
    "huge_list": ("malformed_bundle", behind('"witnesses":[', b"0,", 2 * MIB)),
    "huge_number": ("malformed_json", behind('"entry":{"seq":', b"9", 4 * MIB)),
    "huge_key": ("unknown_version", behind('{"version', b"n", 4 * MIB)),
    "huge_string": ("malformed_bundle", behind('"channel":"', b"x", 16 * MIB)),
    "huge_escapes": ("malformed_bundle", behind('"channel":"', b"\\u0041", 2 * MIB)),
    "huge_salt": ("malformed_bundle", behind('"salt":"', b"AAAA", 8 * MIB)),
    "huge_entry": ("malformed_bundle", behind('"canonical":"', b"AAAA", MIB)),
    "huge_hash": ("malformed_bundle", behind('"proof":["', b"AAAA", MIB)),
    "huge_note": ("malformed_bundle", behind('"note":"', b"\\n", 4 * MIB)),
    "huge_shown_field": ("wrong_fields", behind('"key":"', b"x", 8 * MIB)),
    "huge_block_of_zeros": ("malformed_block", behind('"11":"', b"AAAA", 4 * MIB)),
    "huge_block_of_empty_transactions": ("malformed_block", behind('"11":"', b"EgQKAAoA", MIB)),
    "huge_block_of_unknown_fields": (None, behind('"11":"', b"UAFQ" + b"AVAB", 256 * 1024)),
}


# --- what the verifier was asked, and the entries of a log --------------------------------------------------------


def _options(captured: Corpus) -> Iterator[Vector]:
    genesis = captured.networks["network"].genesis
    network = captured.text("network")
    yield Vector("genesis_foreign", "network", "wrong_genesis", (), genesis="00" * 32)
    yield Vector(
        "genesis_bent_in_one_bit",
        "network",
        "wrong_genesis",
        (),
        genesis=genesis[:-1] + f"{int(genesis[-1], 16) ^ 1:x}",
    )
    yield Vector("two_witnesses_demanded", "network", None, (), witnesses_min=2)
    yield Vector("three_witnesses_demanded", "network", "not_attested", (), witnesses_min=3)
    alone = edited(network, put("witnesses", to=[]))
    yield Vector("no_witnesses_and_none_demanded", "network", None, difference(network, alone), witnesses_min=0)


def _byzantine(bundle: bytes) -> Iterator[Vector]:
    """Blocks of a Byzantine-tolerant ordering service, which a quorum of orderers signs by their numbers."""
    newest = max(json.loads(bundle)["blocks"], key=int)
    edits: dict[str, Callable[[Any], object]] = {
        "below_the_quorum": lambda m: m.signatures.__delitem__(slice(1, None)),
        "signed_by_one_of_them_thrice": lambda m: [m.signatures[at].CopyFrom(m.signatures[0]) for at in (1, 2)],
        "signed_by_a_stranger": lambda m: [
            setattr(item, "identifier_header", common_pb2.IdentifierHeader(identifier=99).SerializeToString())
            for item in m.signatures
        ],
        "signed_by_noise": lambda m: setattr(m.signatures[0], "identifier_header", b"\xff"),
    }
    for name, edit in edits.items():
        bent = edited(bundle, in_block(newest, lambda block, edit=edit: _metadata(block, edit)))
        yield Vector(f"block_of_fabric_bft_{name}", "fabric_bft", "wrong_block_signature", difference(bundle, bent))


def _entries(log: bytes) -> Iterator[Vector]:
    for seq, form in enumerate(entry_forms(), 1):
        try:
            fields = dict(describe_entry(form.canonical))
        except (InvalidValueError, OverflowError):
            fields = {}

        def show(value: Any, seq: int = seq, form: Any = form, fields: Any = fields) -> None:
            shown = fields if fields.get("seq", 0) < 2**53 else {}
            value["entry"].update(seq=seq, canonical=_b64(form.canonical), fields=shown)
            value["inclusion"]["proof"] = [_b64(node) for node in inclusion_proof(LEAVES, seq - 1)]
            proof = [_b64(node) for node in inclusion_proof(DECISION_LEAVES, seq - 1)]
            value["decision"].update(record=_b64(decision_record(seq)), proof=proof)

        yield Vector(f"entry_{form.name}", "log_of_entries", form.reason, difference(log, edited(log, show)))
