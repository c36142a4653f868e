"""Forged bundles: a log of a bank's own making, its checkpoints, its witness and its decisions.

``prepare_log`` anchors the log of ``proof_entries`` on top of a real network; the cases bend what stands on it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

from nacl.signing import SigningKey

from network.bundle import BundleContent, DecisionEvidence, TransactionRef, WitnessEvidence
from network.checkpoint import COSIGNATURE_V1, ED25519, Checkpoint, VerifierKey, cosign, sign_checkpoint, verifier_key
from network.errors import ProofError
from network.merkle import inclusion_proof, root
from node.audit.entry_fields import describe_entry
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR
from tests.support.proof_entries import DECISION_LEAVES, LEAVES, SALT, decision_record, entry_forms
from tests.support.proof_forge import NOW, Case, Cases, Forge, ref

LOG_KEY, OTHER_KEY = SigningKey(bytes(31) + b"\x11"), SigningKey(bytes(31) + b"\x12")
LOG, WITNESS = f"dwaybank.node/log/{BANK}", f"dwaybank.node/witness/{REGULATOR}"
COSIGNED_AT = int(NOW.timestamp()) - 3600

CASES = Cases()
"""On top of the log."""
NETWORK_CASES = Cases()
"""On top of the network itself."""


def prepare_log(forge: Forge) -> BundleContent:
    """A log of all ``entry_forms``: its key registered anew, a witness's key, decisions, then the checkpoint."""
    form, size = entry_forms()[0], len(LEAVES)
    record = {"origin": LOG, "verifier_key": verifier_key(LOG, LOG_KEY)}
    epoch = {"from_seq": 1, "to_seq": size, "root": base64.b64encode(root(DECISION_LEAVES)).decode()}
    proof = tuple(inclusion_proof(DECISION_LEAVES, 0))
    return forge.bundle(
        seq=1,
        salt=SALT,
        canonical=form.canonical,
        fields=describe_entry(form.canonical),
        size=size,
        proof=tuple(inclusion_proof(LEAVES, 0)),
        note=GOOD_NOTE,
        registration=_registered_log(forge, record),
        witnesses=(WitnessEvidence(REGULATOR, _cosigned(GOOD_NOTE), _registered_witness(forge)),),
        decision=DecisionEvidence(decision_record(1), 1, proof, _decided(forge, epoch)),
        anchor=ref(forge.commit(forge.checkpoint(GOOD_NOTE, size))),
    )


def _registered_log(forge: Forge, record: dict[str, Any]) -> TransactionRef:
    return ref(forge.commit(forge.transaction([(f"log~{BANK}", json.dumps(record).encode())])))


def _registered_witness(forge: Forge, record: dict[str, Any] | None = None) -> TransactionRef:
    record = record if record is not None else {"cosigner_key": verifier_key(WITNESS, OTHER_KEY, COSIGNATURE_V1)}
    writes = [(f"witness~{REGULATOR}", json.dumps(record).encode())]
    return ref(forge.commit(forge.transaction(writes, creator=forge.keys.signer(REGULATOR))))


def _decided(forge: Forge, epoch: dict[str, Any]) -> TransactionRef:
    writes = [(f"epoch~{BANK}~{1:020d}", json.dumps(epoch).encode())]
    return ref(forge.commit(forge.transaction(writes, contract="compliance")))


def noted(note: str) -> Case:
    """Another note is anchored, and cosigned."""

    def make(forge: Forge) -> BundleContent:
        anchor = ref(forge.commit(forge.checkpoint(note, SIZE)))
        witness = replace(forge.content.witnesses[0], cosignature=_cosigned(note))
        return forge.bundle(note=note, anchor=anchor, witnesses=(witness,))

    return make


def log_registered(record: dict[str, Any], note: str = "") -> Case:
    """The log's key is registered by another record, then its note anchored."""

    def make(forge: Forge) -> BundleContent:
        registration = _registered_log(forge, record)
        content = noted(note or GOOD_NOTE)(forge)
        return replace(content, registration=registration)

    return make


def cosigned(line: str) -> Case:
    """The witness gives another line."""
    return lambda forge: forge.bundle(witnesses=(replace(forge.content.witnesses[0], cosignature=line),))


def witness_registered(record: dict[str, Any]) -> Case:
    """The witness's key is registered by another record."""

    def make(forge: Forge) -> BundleContent:
        witness = replace(forge.content.witnesses[0], registration=_registered_witness(forge, record))
        return forge.bundle(witnesses=(witness,))

    return make


def decided(changes: dict[str, Any]) -> Case:
    """Decisions are anchored by another record; ``...`` leaves a field out."""

    def make(forge: Forge) -> BundleContent:
        assert forge.content.decision is not None
        epoch = {"from_seq": 1, "to_seq": SIZE, "root": base64.b64encode(root(DECISION_LEAVES)).decode(), **changes}
        epoch = {name: value for name, value in epoch.items() if value is not ...}
        return forge.bundle(decision=replace(forge.content.decision, transaction=_decided(forge, epoch)))

    return make


def _cosigned(note: str, key: SigningKey = OTHER_KEY, name: str = WITNESS, time: int = COSIGNED_AT) -> str:
    try:
        return cosign(note.encode(), name, key, time)
    except ProofError:
        return _line(name, COSIGNATURE_V1, key, bytes(72))


def _line(name: str, kind: int, key: SigningKey, signature: bytes) -> str:
    identifier = VerifierKey(name, kind, bytes(key.verify_key)).key_id
    return f"— {name} {base64.b64encode(identifier + signature).decode()}"


def signed_text(text: str, key: SigningKey = LOG_KEY, name: str = LOG) -> str:
    """Return a note of any text, signed."""
    return f"{text}\n{_line(name, ED25519, key, key.sign(text.encode()).signature)}\n"


ROOT = base64.b64encode(root(LEAVES)).decode()
SIZE = len(LEAVES)
TEXT = f"{LOG}\n{SIZE}\n{ROOT}\n"
GOOD_NOTE = signed_text(TEXT)
SIGNATURE_LINE = GOOD_NOTE.splitlines()[-1]


def _raw_key(name: str, kind: int, public: bytes) -> str:
    return str(VerifierKey(name, kind, public))


def weak_log(public: bytes) -> Case:
    """A log key under which one signature might hold for many texts."""
    key = VerifierKey(LOG, ED25519, public)
    line = f"— {LOG} {base64.b64encode(key.key_id + public + bytes(32)).decode()}"
    return log_registered({"origin": LOG, "verifier_key": str(key)}, f"{TEXT}\n{line}\n")


NOTES: dict[str, tuple[str | None, str]] = {
    "with_a_line_more": (None, signed_text(TEXT + "an extension\n")),
    "with_another_signature_beside": (None, GOOD_NOTE + _line("somebody", ED25519, OTHER_KEY, bytes(64)) + "\n"),
    "signed_twice": (None, GOOD_NOTE + SIGNATURE_LINE + "\n"),
    "signed_by_another_key": ("unsigned_checkpoint", signed_text(TEXT, OTHER_KEY)),
    "signed_under_another_name": ("unsigned_checkpoint", signed_text(TEXT, LOG_KEY, "somebody")),
    "signed_over_another_text": (
        "wrong_signature",
        GOOD_NOTE.replace(f"\n{SIZE}\n", f"\n{SIZE}\n", 1).replace(ROOT, base64.b64encode(bytes(32)).decode()),
    ),
    "signed_well_and_badly": ("wrong_signature", GOOD_NOTE + _line(LOG, ED25519, LOG_KEY, bytes(64)) + "\n"),
    "signed_with_63_bytes": ("wrong_signature", f"{TEXT}\n{_line(LOG, ED25519, LOG_KEY, bytes(63))}\n"),
    "of_another_log": ("wrong_checkpoint", signed_text(f"other\n{SIZE}\n{ROOT}\n")),
    "of_another_size": ("wrong_checkpoint", signed_text(f"{LOG}\n{SIZE - 1}\n{ROOT}\n")),
    "of_another_root": ("wrong_inclusion", signed_text(f"{LOG}\n{SIZE}\n{base64.b64encode(bytes(32)).decode()}\n")),
    "with_a_padded_size": ("malformed_checkpoint", signed_text(f"{LOG}\n0{SIZE}\n{ROOT}\n")),
    "with_a_signed_size": ("malformed_checkpoint", signed_text(f"{LOG}\n+{SIZE}\n{ROOT}\n")),
    "with_an_arabic_size": ("malformed_checkpoint", signed_text(f"{LOG}\n٣٧\n{ROOT}\n")),
    "with_a_size_beyond_63_bits": ("malformed_checkpoint", signed_text(f"{LOG}\n{2**63}\n{ROOT}\n")),
    "with_a_short_root": ("malformed_checkpoint", signed_text(f"{LOG}\n{SIZE}\nAAAA\n")),
    "with_a_root_in_other_base64": ("malformed_checkpoint", signed_text(f"{LOG}\n{SIZE}\n{ROOT.rstrip('=')}\n")),
    "of_two_lines": ("malformed_checkpoint", signed_text(f"{LOG}\n{SIZE}\n")),
    "with_an_empty_line": ("malformed_checkpoint", signed_text(f"{LOG}\n\n{SIZE}\n{ROOT}\n")),
    "without_signatures": ("malformed_note", TEXT + "\n"),
    "without_blank_line": ("malformed_note", TEXT + SIGNATURE_LINE + "\n"),
    "without_newline_at_its_end": ("malformed_note", GOOD_NOTE[:-1]),
    "with_windows_line_ends": ("malformed_note", GOOD_NOTE.replace("\n", "\r\n")),
    "with_a_control_character": ("malformed_note", GOOD_NOTE.replace(LOG, LOG + "\x01", 1)),
    "with_a_hyphen_for_a_dash": ("malformed_note", GOOD_NOTE.replace("— ", "- ")),
    "with_an_en_dash": ("malformed_note", GOOD_NOTE.replace("— ", "– ")),
    "with_two_spaces": ("malformed_note", GOOD_NOTE.replace("— ", "—  ")),
    "with_a_no_break_space_in_a_name": (
        "malformed_note",
        GOOD_NOTE + _line("some\u00a0body", ED25519, OTHER_KEY, bytes(64)) + "\n",
    ),
    "with_a_plus_in_a_name": ("malformed_note", GOOD_NOTE + _line("some+body", ED25519, OTHER_KEY, bytes(64)) + "\n"),
    "with_65_signatures": ("malformed_note", GOOD_NOTE + (SIGNATURE_LINE + "\n") * 64),
    "with_64_signatures": (None, GOOD_NOTE + (_line("somebody", ED25519, OTHER_KEY, bytes(64)) + "\n") * 63),
    "with_a_signature_of_4_bytes": ("malformed_note", f"{TEXT}\n— {LOG} {base64.b64encode(bytes(4)).decode()}\n"),
    "with_a_signature_in_other_base64": (
        "malformed_note",
        GOOD_NOTE.replace("=\n", "\n") if SIGNATURE_LINE.endswith("=") else GOOD_NOTE[:-1] + "=\n",
    ),
    "with_a_byte_order_mark": ("wrong_checkpoint", signed_text("\ufeff" + TEXT)),
}
for _name, (_reason, _note) in NOTES.items():
    CASES[f"note_{_name}"] = (_reason, noted(_note))

LOG_RECORDS: dict[str, tuple[str | None, Any]] = {
    "without_key": ("malformed_key", {"origin": LOG}),
    "with_a_key_that_is_a_number": ("malformed_key", {"origin": LOG, "verifier_key": 7}),
    "with_a_key_in_a_list": ("malformed_key", {"origin": LOG, "verifier_key": [verifier_key(LOG, LOG_KEY)]}),
    "with_a_key_of_another_id": (
        "malformed_key",
        {
            "origin": LOG,
            "verifier_key": verifier_key(LOG, LOG_KEY)
            .replace("+", "+00000000+", 1)
            .replace(verifier_key(LOG, LOG_KEY).split("+")[1] + "+", ""),
        },
    ),
    "with_a_key_id_in_capitals": (
        "malformed_key",
        {
            "origin": LOG,
            "verifier_key": "+".join((lambda p: [p[0], p[1].upper(), *p[2:]])(verifier_key(LOG, LOG_KEY).split("+"))),
        },
    ),
    "with_a_witness_key": (
        "malformed_key",
        {"origin": LOG, "verifier_key": verifier_key(LOG, LOG_KEY, COSIGNATURE_V1)},
    ),
    "with_a_key_of_an_unknown_kind": ("malformed_key", {"origin": LOG, "verifier_key": _raw_key(LOG, 2, bytes(32))}),
    "with_a_short_key": ("malformed_key", {"origin": LOG, "verifier_key": _raw_key(LOG, ED25519, bytes(31))}),
    "with_a_key_without_name": (
        "malformed_key",
        {"origin": LOG, "verifier_key": _raw_key("", ED25519, bytes(LOG_KEY.verify_key))},
    ),
    "of_another_origin": ("wrong_checkpoint", {"origin": "other", "verifier_key": verifier_key(LOG, LOG_KEY)}),
    "without_origin": ("wrong_checkpoint", {"verifier_key": verifier_key(LOG, LOG_KEY)}),
}
for _name, (_reason, _record_value) in LOG_RECORDS.items():
    CASES[f"log_{_name}"] = (_reason, log_registered(_record_value))

SMALL_ORDER = {
    "of_order_1": (1).to_bytes(32, "little"),
    "of_order_2": (2**255 - 20).to_bytes(32, "little"),
    "of_order_4": bytes(32),
    "of_order_8": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "of_order_8_again": bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    "beyond_the_field": (2**255 - 18).to_bytes(32, "little"),
}
for _name, _public in SMALL_ORDER.items():
    CASES[f"log_key_{_name}"] = ("wrong_signature", weak_log(_public))

_TOO_LARGE_S = (
    int.from_bytes(LOG_KEY.sign(TEXT.encode()).signature[32:], "little")
    + 2**252
    + 27742317777372353535851937790883648493
).to_bytes(32, "little")
CASES["note_signed_with_a_large_s"] = (
    "wrong_signature",
    noted(f"{TEXT}\n{_line(LOG, ED25519, LOG_KEY, LOG_KEY.sign(TEXT.encode()).signature[:32] + _TOO_LARGE_S)}\n"),
)

LINES: dict[str, tuple[str | None, str]] = {
    "by_another_key": ("unsigned_checkpoint", _cosigned(GOOD_NOTE, LOG_KEY)),
    "under_another_name": ("unsigned_checkpoint", _cosigned(GOOD_NOTE, name="somebody")),
    "of_another_note": ("wrong_signature", _cosigned(signed_text(f"{LOG}\n5\n{ROOT}\n"))),
    "of_zeros": ("malformed_cosignature", _line(WITNESS, COSIGNATURE_V1, OTHER_KEY, bytes(72))),
    "of_71_bytes": ("malformed_cosignature", _line(WITNESS, COSIGNATURE_V1, OTHER_KEY, bytes(71))),
    "of_a_time_beyond_63_bits": (
        "malformed_cosignature",
        _line(WITNESS, COSIGNATURE_V1, OTHER_KEY, b"\xff" * 8 + bytes(64)),
    ),
    "of_another_time": (
        "wrong_signature",
        _line(
            WITNESS,
            COSIGNATURE_V1,
            OTHER_KEY,
            (COSIGNED_AT + 1).to_bytes(8, "big") + base64.b64decode(_cosigned(GOOD_NOTE).split(" ")[2])[12:],
        ),
    ),
    "at_the_verifiers_own_time": (None, _cosigned(GOOD_NOTE, time=int(NOW.timestamp()))),
    "five_minutes_ahead": (None, _cosigned(GOOD_NOTE, time=int(NOW.timestamp()) + 300)),
    "a_second_more_ahead": ("witness_in_future", _cosigned(GOOD_NOTE, time=int(NOW.timestamp()) + 301)),
    "beyond_the_calendar": ("witness_in_future", _cosigned(GOOD_NOTE, time=2**62)),
    "with_a_line_end": ("malformed_note", _cosigned(GOOD_NOTE) + "\n"),
    "of_words": ("malformed_note", "yes, seen"),
}
for _name, (_reason, _text) in LINES.items():
    CASES[f"cosignature_{_name}"] = (_reason, cosigned(_text))

WITNESS_RECORDS: dict[str, tuple[str, Any]] = {
    "with_a_logs_key": ("malformed_key", {"cosigner_key": verifier_key(WITNESS, OTHER_KEY)}),
    "without_key": ("malformed_key", {}),
    "with_a_null_key": ("malformed_key", {"cosigner_key": None}),
}
for _name, (_reason, _record_value) in WITNESS_RECORDS.items():
    CASES[f"witness_{_name}"] = (_reason, witness_registered(_record_value))

EPOCHS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "of_one_entry": ("wrong_proof_length", {"to_seq": 1}),
    "of_later_entries": ("wrong_epoch", {"from_seq": 2}),
    "of_earlier_entries": ("wrong_epoch", {"from_seq": 0, "to_seq": 0}),
    "from_a_text": ("malformed_record", {"from_seq": "1"}),
    "from_true": ("malformed_record", {"from_seq": True}),
    "from_nothing": ("malformed_record", {"from_seq": ...}),
    "to_null": ("malformed_record", {"to_seq": None}),
    "without_root": ("malformed_record", {"root": ...}),
    "whose_root_is_a_number": ("malformed_record", {"root": 7}),
    "whose_root_is_no_base64": ("malformed_record", {"root": "%"}),
    "whose_root_is_in_other_base64": (
        "malformed_record",
        {"root": base64.b64encode(root(DECISION_LEAVES)).decode()[:-2] + "9="},
    ),
    "whose_root_is_short": ("malformed_hash", {"root": "AAAA"}),
    "whose_root_is_empty": ("malformed_hash", {"root": ""}),
    "of_another_root": ("wrong_inclusion", {"root": base64.b64encode(bytes(32)).decode()}),
    "from_a_negative_number": ("wrong_proof_length", {"from_seq": -5, "to_seq": 2**40}),
}
for _name, (_reason, _fields) in EPOCHS.items():
    CASES[f"epoch_{_name}"] = (_reason, decided(_fields))


CASES["log_registered_after_the_anchor"] = (
    "wrong_order",
    lambda forge: forge.bundle(
        registration=_registered_log(forge, {"origin": LOG, "verifier_key": verifier_key(LOG, LOG_KEY)})
    ),
)


# The bank anchors an older head under the newest size: what it promised since is to be forgotten.
CASES["checkpoint_replayed_from_before"] = (
    "wrong_inclusion",
    noted(sign_checkpoint(Checkpoint(LOG, SIZE, root(LEAVES[:-1])), LOG, LOG_KEY).decode()),
)


@NETWORK_CASES.case("log_registered_by_another_member", "wrong_organization")
def _(forge: Forge) -> BundleContent:
    record = json.dumps({"origin": LOG, "verifier_key": verifier_key(LOG, LOG_KEY)}).encode()
    number = forge.commit(forge.transaction([(f"log~{BANK}", record)], creator=forge.keys.signer(PARTNER)))
    return forge.bundle(registration=ref(number), anchor=ref(forge.commit(forge.anchored_again())))


@NETWORK_CASES.case("witness_registered_by_the_bank", "wrong_organization")
def _(forge: Forge) -> BundleContent:
    record = json.dumps({"cosigner_key": verifier_key(WITNESS, OTHER_KEY, COSIGNATURE_V1)}).encode()
    number = forge.commit(forge.transaction([(f"witness~{REGULATOR}", record)]))
    line = _cosigned(forge.content.note)
    return forge.bundle(witnesses=(WitnessEvidence(REGULATOR, line, ref(number)),))
