"""Aim: checkpoints and cosignatures are exactly C2SP's, read in one form only, and trusted only from the right key.

Method: the specifications' own example note and the verifier keys of two public logs; RFC 8032 keys; then one table of
malformed notes, each refused with its reason.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from network.checkpoint import (
    COSIGNATURE_V1,
    NOTE_BYTES_MAX,
    Checkpoint,
    add_signature_line,
    checkpoint_text,
    cosign,
    open_checkpoint,
    open_note,
    parse_checkpoint_text,
    parse_note,
    parse_verifier_key,
    sign_checkpoint,
    verifier_key,
    verify_cosignature,
)
from network.errors import ProofError
from tests.support import log_vectors

# The example of C2SP signed-note, section "Verifier keys".
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
# The key of Go's public checksum database.
SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
# The example of C2SP tlog-cosignature; its keys are not published, so only its form is checked.
SPEC_COSIGNED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()

LOG = "dwaybank.node/log/DwaybankMSP"
WITNESS = "dwaybank.node/witness/RegulatorMSP"
# RFC 8032 section 7.1, tests 1 and 2.
LOG_KEY = SigningKey(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
WITNESS_KEY = SigningKey(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
CHECKPOINT = Checkpoint(LOG, 20_852_163, bytes(range(32)))


def refused(reason: str, call: object, *args: object) -> None:
    with pytest.raises(ProofError) as caught:
        call(*args)  # type: ignore[operator]
    assert caught.value.reason == reason


def test_note_of_the_specification_verifies_with_its_key() -> None:
    assert open_note(SPEC_NOTE, SPEC_KEY) == b"This is an example message.\n"
    assert str(parse_verifier_key(SPEC_KEY)) == SPEC_KEY
    refused("wrong_signature", open_note, SPEC_NOTE.replace(b"example message", b"example massage"), SPEC_KEY)


def test_key_of_a_public_log_has_the_id_we_compute() -> None:
    key = parse_verifier_key(SUMDB_KEY)
    assert (key.name, key.key_id.hex(), str(key)) == ("sum.golang.org", "033de0ae", SUMDB_KEY)


def test_cosigned_checkpoint_of_the_specification_is_read() -> None:
    note = parse_note(SPEC_COSIGNED)
    checkpoint = parse_checkpoint_text(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert [s.name for s in note.signatures] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert note.signatures[0].key_id.hex() == "033de0ae"
    # The time stands in the example's text: 1679315147.
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == 1_679_315_147


def test_signed_checkpoint_opens_with_its_key_and_is_deterministic() -> None:
    note = sign_checkpoint(CHECKPOINT, LOG, LOG_KEY)
    assert open_checkpoint(note, verifier_key(LOG, LOG_KEY)) == CHECKPOINT
    assert note == sign_checkpoint(CHECKPOINT, LOG, LOG_KEY)
    assert note.startswith(b"dwaybank.node/log/DwaybankMSP\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n")


def test_checkpoint_with_extension_lines_keeps_them() -> None:
    checkpoint = Checkpoint(LOG, 0, bytes(32), ("one", "two words"))
    note = sign_checkpoint(checkpoint, LOG, LOG_KEY)
    assert open_checkpoint(note, verifier_key(LOG, LOG_KEY)) == checkpoint


def test_note_with_unknown_signatures_is_opened_by_the_known_one() -> None:
    note = sign_checkpoint(CHECKPOINT, LOG, LOG_KEY)
    line = cosign(note, WITNESS, WITNESS_KEY, 1_700_000_000)
    cosigned = add_signature_line(note, line)
    assert open_checkpoint(cosigned, verifier_key(LOG, LOG_KEY)) == CHECKPOINT
    assert verify_cosignature(cosigned, line, verifier_key(WITNESS, WITNESS_KEY, COSIGNATURE_V1)) == 1_700_000_000
    assert verify_cosignature(note, line, verifier_key(WITNESS, WITNESS_KEY, COSIGNATURE_V1)) == 1_700_000_000


def test_checkpoint_of_another_key_is_refused() -> None:
    note = sign_checkpoint(CHECKPOINT, LOG, LOG_KEY)
    refused("unsigned_checkpoint", open_checkpoint, note, verifier_key(LOG, WITNESS_KEY))
    refused("unsigned_checkpoint", open_checkpoint, note, verifier_key("another.log", LOG_KEY))
    refused("malformed_key", open_checkpoint, note, verifier_key(LOG, LOG_KEY, COSIGNATURE_V1))


def test_checkpoint_with_one_bad_signature_of_the_known_key_is_refused() -> None:
    note = sign_checkpoint(CHECKPOINT, LOG, LOG_KEY)
    other = sign_checkpoint(Checkpoint(LOG, 7, bytes(32)), LOG, LOG_KEY)
    both = add_signature_line(note, parse_line(other))
    refused("wrong_signature", open_checkpoint, both, verifier_key(LOG, LOG_KEY))


def parse_line(note: bytes) -> str:
    return note.decode().splitlines()[-1]


def test_cosignature_never_stands_in_for_the_logs_signature() -> None:
    note = sign_checkpoint(CHECKPOINT, LOG, LOG_KEY)
    text = parse_note(note).text
    line = cosign(note, LOG, LOG_KEY, 5)
    only_cosigned = text + b"\n" + line.encode() + b"\n"
    refused("unsigned_checkpoint", open_checkpoint, only_cosigned, verifier_key(LOG, LOG_KEY))
    refused(
        "unsigned_checkpoint", verify_cosignature, note, parse_line(note), verifier_key(LOG, LOG_KEY, COSIGNATURE_V1)
    )


def test_cosignature_bent_in_any_way_is_refused() -> None:
    note = sign_checkpoint(CHECKPOINT, LOG, LOG_KEY)
    key = verifier_key(WITNESS, WITNESS_KEY, COSIGNATURE_V1)
    line = cosign(note, WITNESS, WITNESS_KEY, 1_700_000_000)
    prefix, encoded = line.rsplit(" ", 1)
    raw = base64.b64decode(encoded)

    def with_raw(changed: bytes) -> str:
        return f"{prefix} {base64.b64encode(changed).decode()}"

    refused("wrong_signature", verify_cosignature, note, with_raw(raw[:11] + b"\x07" + raw[12:]), key)
    refused("wrong_signature", verify_cosignature, note, with_raw(raw[:-1] + bytes([raw[-1] ^ 1])), key)
    refused("malformed_cosignature", verify_cosignature, note, with_raw(raw[:4] + bytes(8) + raw[12:]), key)
    refused("malformed_cosignature", verify_cosignature, note, with_raw(raw[:4] + b"\x80" + raw[5:]), key)
    refused("malformed_cosignature", verify_cosignature, note, with_raw(raw + b"\x00"), key)
    refused("malformed_cosignature", verify_cosignature, note, with_raw(raw[:-1]), key)
    refused("unsigned_checkpoint", verify_cosignature, note, with_raw(bytes(4) + raw[4:]), key)
    refused("malformed_key", verify_cosignature, note, line, verifier_key(WITNESS, WITNESS_KEY))
    another = sign_checkpoint(Checkpoint(LOG, 7, bytes(32)), LOG, LOG_KEY)
    refused("wrong_signature", verify_cosignature, another, line, key)
    for time in (0, -1, 2**63):
        refused("malformed_cosignature", cosign, note, WITNESS, WITNESS_KEY, time)


NOTE = sign_checkpoint(CHECKPOINT, LOG, LOG_KEY)
TEXT = parse_note(NOTE).text
LINE = NOTE[len(TEXT) + 1 :]
MALFORMED_NOTES = {
    "empty": b"",
    "no_signature": TEXT + b"\n",
    "no_blank_line": TEXT + LINE,
    "no_final_newline": NOTE[:-1],
    "trailing_text": NOTE + b"more\n",
    "trailing_blank_line": NOTE + b"\n",
    "carriage_returns": NOTE.replace(b"\n", b"\r\n"),
    "null_byte": NOTE.replace(b"dway", b"d\x00ay"),
    "tab": NOTE.replace(b"dway", b"d\tay"),
    "not_utf8": NOTE.replace(b"dway", b"d\xffay"),
    "hyphen_for_dash": NOTE.replace("— ".encode(), b"- "),
    "two_spaces": NOTE.replace("— ".encode(), "—  ".encode()),
    "space_at_end_of_line": NOTE[:-1] + b" \n",
    "plus_in_name": TEXT + b"\n" + LINE.replace(b"dwaybank", b"dway+ank"),
    "no_name": TEXT + "\n— AAAAAAAA\n".encode(),
    "unpadded_base64": TEXT + b"\n" + LINE.replace(b"=", b""),
    "url_safe_base64": TEXT + "\n— name _-_-AAAAAAAA\n".encode(),
    "stray_bits_in_base64": TEXT + "\n— name AAAAAAB=\n".encode(),
    "signature_without_bytes": TEXT + "\n— name AAAAAA==\n".encode(),
    "too_many_signatures": TEXT + b"\n" + LINE * 65,
    "too_large": b"x" * NOTE_BYTES_MAX + b"\n\n" + LINE,
}


@pytest.mark.parametrize("name", MALFORMED_NOTES)
def test_malformed_note_is_refused(name: str) -> None:
    refused("malformed_note", open_checkpoint, MALFORMED_NOTES[name], verifier_key(LOG, LOG_KEY))


ROOT = base64.b64encode(bytes(32)).decode()
MALFORMED_TEXTS = {
    "two_lines": "log\n1\n",
    "empty_origin": f"\n1\n{ROOT}\n",
    "leading_zero": f"log\n01\n{ROOT}\n",
    "negative": f"log\n-1\n{ROOT}\n",
    "plus_sign": f"log\n+1\n{ROOT}\n",
    "arabic_digit": f"log\n١\n{ROOT}\n",
    "underscore": f"log\n1_0\n{ROOT}\n",
    "too_large": f"log\n{2**63}\n{ROOT}\n",
    "far_too_large": f"log\n{'9' * 5000}\n{ROOT}\n",
    "short_root": "log\n1\nAAAA\n",
    "long_root": f"log\n1\n{base64.b64encode(bytes(33)).decode()}\n",
    "root_not_base64": "log\n1\nnot base64\n",
    "root_hex": f"log\n1\n{bytes(32).hex()}\n",
    "stray_bits": f"log\n1\n{ROOT[:-2]}B=\n",
    "empty_extension": f"log\n1\n{ROOT}\n\nmore\n",
    "no_final_newline": f"log\n1\n{ROOT}",
}


@pytest.mark.parametrize("name", MALFORMED_TEXTS)
def test_malformed_checkpoint_text_is_refused_even_when_signed(name: str) -> None:
    text = MALFORMED_TEXTS[name].encode()
    refused("malformed_checkpoint", parse_checkpoint_text, text)


def test_checkpoint_text_not_in_utf8_is_refused() -> None:
    refused("malformed_checkpoint", parse_checkpoint_text, b"\xff\n1\n" + ROOT.encode() + b"\n")


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 1, bytes(32)),
        Checkpoint("log\n2", 1, bytes(32)),
        Checkpoint("log", -1, bytes(32)),
        Checkpoint("log", 2**63, bytes(32)),
        Checkpoint("log", 1, bytes(31)),
        Checkpoint("log", 1, bytes(32), ("",)),
    ],
)
def test_checkpoint_that_cannot_be_written_is_refused(checkpoint: Checkpoint) -> None:
    refused("malformed_checkpoint", checkpoint_text, checkpoint)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        SPEC_KEY.replace("530d903a", "530D903A"),
        SPEC_KEY.replace("530d903a", "530d903b"),
        SPEC_KEY.replace("foo", "bar"),
        SPEC_KEY + "\n",
        SPEC_KEY[:-4],
        "a b" + SPEC_KEY,
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "name+00000000+" + base64.b64encode(bytes([2]) + bytes(32)).decode(),
        "x" * 600 + SPEC_KEY,
    ],
)
def test_malformed_verifier_key_is_refused(text: str) -> None:
    refused("malformed_key", parse_verifier_key, text)


def test_key_with_an_impossible_name_is_refused() -> None:
    for name in ("", "two words", "a+b", "line\nbreak", "no\u00a0break", "x" * 256):
        refused("malformed_key", verifier_key, name, LOG_KEY)
        refused("malformed_key", sign_checkpoint, CHECKPOINT, name, LOG_KEY)


def test_golden_log_is_what_we_compute_today() -> None:
    golden = json.loads((Path(__file__).parents[3] / "fixtures" / "proofs" / "log.json").read_text(encoding="utf-8"))
    assert golden == log_vectors.vectors()
    assert open_checkpoint(golden["note"].encode(), golden["log_key"]).size == 300
    assert verify_cosignature(golden["note"].encode(), golden["cosignature"], golden["witness_key"]) == golden["time"]
