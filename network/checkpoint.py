"""Signed heads of a log: C2SP checkpoints, their signed-note envelope, and witnesses' cosignatures.

Rules kept here:
- A note is text, a blank line, then lines ``— <key name> <base64(key id ‖ signature)>``; only that form is read.
- Base64 is canonical, numbers have no leading zeros, nothing follows the last signature line: each head has one form.
- A signature of the key asked for must be there and verify; signatures of unknown keys are passed over.
- A cosignature signs a time and the whole checkpoint text, and never stands in for the log's own signature.

Which keys to trust, and whether one head extends another, is for the caller (``network/merkle.py`` checks the latter).

Source: C2SP signed-note, tlog-checkpoint and tlog-cosignature (cosignature/v1); RFC 8032.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from nacl.exceptions import BadSignatureError
from nacl.exceptions import ValueError as NaclValueError
from nacl.signing import SigningKey, VerifyKey

from network.errors import ProofError

ED25519: Final = 0x01
"""Signature type of a log's own Ed25519 key. Source: C2SP signed-note."""
COSIGNATURE_V1: Final = 0x04
"""Signature type of a timestamped Ed25519 witness cosignature. Source: C2SP signed-note."""

NOTE_BYTES_MAX: Final = 65_536
SIGNATURES_MAX: Final = 64
"""Signature lines in one note; the specification asks for at least 16."""
TREE_SIZE_MAX: Final = 2**63 - 1
TIME_MAX: Final = 2**63 - 1
"""Largest time of a cosignature, POSIX seconds. Source: C2SP tlog-cosignature."""

_SEPARATOR = "— "
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_SIGNATURE_BYTES = 64
_PUBLIC_KEY_BYTES = 32
_KEY_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log at one size."""

    origin: str
    """Unique name of the log."""
    size: int
    """Leaves in the log."""
    root: bytes
    """RFC 6962 root over them, 32 bytes."""
    extensions: tuple[str, ...] = ()
    """Further lines of the note's text; a log of ours writes none."""


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line of a note, not yet verified."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note, taken apart; nothing in it is trusted yet."""

    text: bytes
    """What is signed: every byte before the blank line that separates the signatures."""
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name and the kind of signature it is used for."""

    name: str
    signature_type: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """First four bytes of ``SHA-256(name ‖ "\\n" ‖ type ‖ public key)``."""
        preimage = self.name.encode() + b"\n" + bytes([self.signature_type]) + self.public_key
        return hashlib.sha256(preimage).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        material = base64.b64encode(bytes([self.signature_type]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"


def verifier_key(name: str, key: SigningKey, signature_type: int = ED25519) -> str:
    """Return the text form ``name+key id+base64`` of a signing key's public half.

    Args:
        signature_type: ``ED25519`` for a log, ``COSIGNATURE_V1`` for a witness.
    Raises:
        ProofError: ``malformed_key``, when the name cannot be a key's name.
    """
    _require_name(name, "malformed_key")
    return str(VerifierKey(name, signature_type, bytes(key.verify_key)))


def parse_verifier_key(text: str) -> VerifierKey:
    """Return the key that a text ``name+key id+base64`` stands for.

    Raises:
        ProofError: ``malformed_key``, when the text is not of that form, names an unknown kind of signature, or its
            key id does not belong to its name and key.
    """
    parts = text.split("+", 2)
    if len(parts) != 3 or len(text) > 512:
        raise ProofError("malformed_key", "a verifier key has the form name+key id+base64")
    name, key_id, encoded = parts
    _require_name(name, "malformed_key")
    material = _base64(encoded, "malformed_key")
    if len(material) != 1 + _PUBLIC_KEY_BYTES or material[0] not in (ED25519, COSIGNATURE_V1):
        raise ProofError("malformed_key", f"the verifier key of {name} is no Ed25519 key of a known kind")
    key = VerifierKey(name, material[0], material[1:])
    if key_id != key.key_id.hex():
        raise ProofError("malformed_key", f"the key id {key_id[:16]} does not belong to {name}")
    return key


def parse_note(note: bytes) -> Note:
    """Take a signed note apart, without trusting anything in it.

    Raises:
        ProofError: ``malformed_note``, when a single byte is not as the format wants it.
    """
    if len(note) > NOTE_BYTES_MAX:
        raise ProofError("malformed_note", f"a note of {len(note)} bytes is larger than {NOTE_BYTES_MAX}")
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProofError("malformed_note", "a note is UTF-8 text") from error
    if any(ord(char) < 0x20 and char != "\n" for char in text):
        raise ProofError("malformed_note", "a note holds no control characters")
    split = text.rfind("\n\n")
    if split < 0 or not text.endswith("\n"):
        raise ProofError("malformed_note", "a note is text, a blank line, then signature lines that end in a newline")
    lines = text[split + 2 : -1].split("\n") if split + 2 < len(text) else []
    if not 1 <= len(lines) <= SIGNATURES_MAX:
        raise ProofError("malformed_note", f"a note has 1 to {SIGNATURES_MAX} signatures, not {len(lines)}")
    return Note(text[: split + 1].encode(), tuple(parse_signature_line(line) for line in lines))


def parse_signature_line(line: str) -> NoteSignature:
    """Return the signature that a line ``— <name> <base64>`` (without newline) carries.

    Raises:
        ProofError: ``malformed_note``.
    """
    parts = line.removeprefix(_SEPARATOR).split(" ")
    if not line.startswith(_SEPARATOR) or len(parts) != 2 or len(line) > 8_192:
        raise ProofError("malformed_note", "a signature line has the form: em dash, space, key name, space, base64")
    _require_name(parts[0], "malformed_note")
    raw = _base64(parts[1], "malformed_note")
    if len(raw) <= _KEY_ID_BYTES:
        raise ProofError("malformed_note", f"the signature of {parts[0]} is too short")
    return NoteSignature(parts[0], raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])


def checkpoint_text(checkpoint: Checkpoint) -> bytes:
    """Return the text of a checkpoint's note: what its signatures cover.

    Raises:
        ProofError: ``malformed_checkpoint``, when a field cannot stand in a checkpoint.
    """
    if not 0 <= checkpoint.size <= TREE_SIZE_MAX or len(checkpoint.root) != 32:
        raise ProofError("malformed_checkpoint", f"size {checkpoint.size} or its root cannot stand in a checkpoint")
    root = base64.b64encode(checkpoint.root).decode()
    lines = [checkpoint.origin, str(checkpoint.size), root, *checkpoint.extensions]
    if not all(lines) or any(ord(char) < 0x20 for line in lines for char in line):
        raise ProofError("malformed_checkpoint", "lines of a checkpoint are neither empty nor hold control characters")
    return ("\n".join(lines) + "\n").encode()


def parse_checkpoint_text(text: bytes) -> Checkpoint:
    """Return the checkpoint that a note's text states.

    Raises:
        ProofError: ``malformed_checkpoint``.
    """
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ProofError("malformed_checkpoint", "a checkpoint is UTF-8 text") from error
    if len(lines) < 4 or lines.pop() != "" or not all(lines):
        raise ProofError("malformed_checkpoint", "a checkpoint has three or more lines, none of them empty")
    origin, size, root_text = lines[:3]
    if not _DECIMAL.fullmatch(size) or int(size) > TREE_SIZE_MAX:
        raise ProofError("malformed_checkpoint", "a checkpoint's size is a decimal number without leading zeros")
    root = _base64(root_text, "malformed_checkpoint")
    if len(root) != 32:
        raise ProofError("malformed_checkpoint", f"a checkpoint's root has {len(root)} bytes, not 32")
    return Checkpoint(origin, int(size), root, tuple(lines[3:]))


def sign_checkpoint(checkpoint: Checkpoint, key_name: str, signing_key: SigningKey) -> bytes:
    """Return the checkpoint as a note signed with the log's own Ed25519 key.

    Raises:
        ProofError: ``malformed_checkpoint`` or ``malformed_key``.
    """
    _require_name(key_name, "malformed_key")
    text = checkpoint_text(checkpoint)
    key = VerifierKey(key_name, ED25519, bytes(signing_key.verify_key))
    return text + b"\n" + _line(key, signing_key.sign(text).signature).encode() + b"\n"


def open_checkpoint(note: bytes, verifier_key: str) -> Checkpoint:
    """Return the checkpoint in a note once the given key's signature on it holds.

    Args:
        verifier_key: the log's key, ``name+key id+base64``.
    Raises:
        ProofError: as ``open_note``; ``malformed_checkpoint``, when the signed text is no checkpoint.
    """
    return parse_checkpoint_text(open_note(note, verifier_key))


def open_note(note: bytes, verifier_key: str) -> bytes:
    """Return a note's text once the given key's signature on it holds.

    Raises:
        ProofError: ``malformed_note``, ``malformed_key``; ``unsigned_checkpoint`` when the key did not sign,
            ``wrong_signature`` when its signature does not hold.
    """
    key = parse_verifier_key(verifier_key)
    if key.signature_type != ED25519:
        raise ProofError("malformed_key", f"{key.name} is a witness's key, not a log's")
    parsed = parse_note(note)
    signatures = [s for s in parsed.signatures if (s.name, s.key_id) == (key.name, key.key_id)]
    if not signatures:
        raise ProofError("unsigned_checkpoint", f"the note is not signed by {key.name}")
    for signature in signatures:
        _verify(key, parsed.text, signature.signature)
    return parsed.text


def cosign(note: bytes, key_name: str, key: SigningKey, time: int) -> str:
    """Return a witness's cosignature line (without newline) over the checkpoint in ``note``.

    The caller has checked the log's signature and that the checkpoint extends all it saw before.

    Args:
        time: when the witness looked, POSIX seconds.
    Raises:
        ProofError: ``malformed_note``, ``malformed_checkpoint``, ``malformed_key`` or ``malformed_cosignature``.
    """
    _require_name(key_name, "malformed_key")
    if not 0 < time <= TIME_MAX:
        raise ProofError("malformed_cosignature", f"{time} is no time of a cosignature")
    text = parse_note(note).text
    parse_checkpoint_text(text)
    witness = VerifierKey(key_name, COSIGNATURE_V1, bytes(key.verify_key))
    signature = key.sign(_cosigned_message(text, time)).signature
    return _line(witness, time.to_bytes(8, "big") + signature)


def verify_cosignature(note: bytes, cosignature_line: str, cosigner_key: str) -> int:
    """Check a witness's cosignature line over the checkpoint in ``note``.

    Returns:
        The time the witness states, POSIX seconds.
    Raises:
        ProofError: ``malformed_note``, ``malformed_key``, ``malformed_cosignature``; ``unsigned_checkpoint`` when the
            line is another key's, ``wrong_signature`` when it does not hold.
    """
    key = parse_verifier_key(cosigner_key)
    if key.signature_type != COSIGNATURE_V1:
        raise ProofError("malformed_key", f"{key.name} is a log's key, not a witness's")
    text = parse_note(note).text
    line = parse_signature_line(cosignature_line)
    if (line.name, line.key_id) != (key.name, key.key_id):
        raise ProofError("unsigned_checkpoint", f"the cosignature is not by {key.name}")
    if len(line.signature) != 8 + _SIGNATURE_BYTES:
        raise ProofError("malformed_cosignature", f"the cosignature of {key.name} has the wrong length")
    time = int.from_bytes(line.signature[:8], "big")
    if not 0 < time <= TIME_MAX:
        raise ProofError("malformed_cosignature", f"the cosignature of {key.name} states no possible time")
    _verify(key, _cosigned_message(text, time), line.signature[8:])
    return time


def add_signature_line(note: bytes, line: str) -> bytes:
    """Return the note with one more signature line at its end, as logs publish cosigned checkpoints.

    Raises:
        ProofError: ``malformed_note``, when note or line is malformed or the note is full.
    """
    parse_signature_line(line)
    extended = note + line.encode() + b"\n"
    parse_note(extended)
    return extended


def _cosigned_message(text: bytes, time: int) -> bytes:
    return b"cosignature/v1\ntime " + str(time).encode() + b"\n" + text


def _line(key: VerifierKey, signature: bytes) -> str:
    return f"{_SEPARATOR}{key.name} {base64.b64encode(key.key_id + signature).decode()}"


def _verify(key: VerifierKey, message: bytes, signature: bytes) -> None:
    try:
        VerifyKey(key.public_key).verify(message, signature)
    except (BadSignatureError, NaclValueError) as error:
        raise ProofError("wrong_signature", f"the signature of {key.name} does not hold") from error


def _base64(text: str, reason: str) -> bytes:
    """Decode standard base64 in its one canonical form: padded, no stray bits, no other characters."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProofError(reason, "a field is not standard base64") from error
    if base64.b64encode(raw).decode() != text:
        raise ProofError(reason, "a field is not canonical base64")
    return raw


def _require_name(name: str, reason: str) -> None:
    if not name or len(name) > 255 or "+" in name or any(map(_is_no_part_of_a_name, name)):
        raise ProofError(reason, "a key's name is not empty and holds neither spaces nor plus signs")


def _is_no_part_of_a_name(char: str) -> bool:
    # Lone surrogates come out of JSON and fit in no UTF-8.
    return char.isspace() or ord(char) < 0x20 or 0xD800 <= ord(char) <= 0xDFFF
