"""Takes an endorser transaction apart that is laid out as every library writes it, and holds what bytes can tell.

Any other is left to ``network.envelope``, which says what is wrong with it, or that nothing is. So each test made there
is made here too, and what fails one is not judged, but given back.

Source: as in ``network.envelope``.
"""

from __future__ import annotations

from typing import Any

from network.canonical import BYTES_MAX, REFUSED, fields, repeated, text
from network.errors import WireError
from network.proposal import Endorsement, canonical_chaincode, canonical_time, compute_tx_id, moment_of, proposal_hash
from network.rwset import TxRwset, canonical_namespaces, parse_rwset

_ENDORSER_TRANSACTION = 3
_VALID = 0
_EMPTY_RWSET = TxRwset()


def read_canonical(envelope: bytes, *, with_rwset: bool) -> tuple[Any, ...] | None:
    """Return the fields of ``network.envelope.ParsedTransaction`` after the first; ``None`` for any other."""
    if len(envelope) > BYTES_MAX:
        return None
    try:
        return _read(envelope, with_rwset=with_rwset)
    except (*REFUSED, WireError):
        return None


def _read(envelope: bytes, *, with_rwset: bool) -> tuple[Any, ...] | None:
    payload, signature = fields(envelope, b"\x0a\x12")
    header, data = fields(payload or b"", b"\x0a\x12")
    channel_header, signature_header = fields(header or b"", b"\x0a\x12")
    # All but the epoch, of which there is only 0, and that is not written.
    kind, _, timestamp, channel_id, tx_id, extension, _ = fields(channel_header or b"", b"\x08\x10\x1a\x22\x2a\x3a\x42")
    creator, nonce = fields(signature_header or b"", b"\x0a\x12")
    if kind != _ENDORSER_TRANSACTION or not creator or not nonce:
        return None
    tx_id = text(tx_id)
    if tx_id != compute_tx_id(nonce, creator):
        return None
    [[action]] = repeated(data or b"", b"\x0a")
    action_header, action_payload = fields(action, b"\x0a\x12")
    proposal, endorsed = fields(action_payload or b"", b"\x0a\x12")
    [response_payload], endorsements = repeated(endorsed or b"", b"\x0a\x12")
    hashed, chaincode_action = fields(response_payload, b"\x0a\x12")
    if action_header != signature_header or not proposal:
        return None
    if hashed != proposal_hash(channel_header, signature_header, proposal):
        return None
    results, event, response, invoked = fields(chaincode_action or b"", b"\x0a\x12\x1a\x22")
    [called] = fields(extension or b"", b"\x12")
    name, version = canonical_chaincode(invoked or b"")
    if not name or not version or canonical_chaincode(called or b"")[0] != name:
        return None
    text(fields(response or b"", b"\x08\x12\x1a")[1])
    if event and _event_of(event) != name:
        return None
    rwset = _EMPTY_RWSET
    if with_rwset:
        # Of a set with very many namespaces, refused here, each would be read once more to say what is wrong with it.
        canonical_namespaces(results or b"")
        rwset = parse_rwset(results or b"")
    namespaces = rwset.namespaces
    if len({namespace.namespace for namespace in namespaces}) != len(namespaces):
        return None
    claimed = canonical_time(timestamp or b"")
    timestamp = None if timestamp is None else moment_of(*claimed)
    endorsed_by = tuple([_endorsement(item) for item in endorsements])
    return (
        payload, signature or b"", tx_id, text(channel_id), kind, creator, nonce, timestamp, claimed, data,
        name, version, proposal, response_payload, endorsed_by, chaincode_action, rwset, event or b"",
        _VALID, _VALID, _VALID,
    )  # fmt: skip


def _endorsement(content: bytes) -> Endorsement:
    endorser, signature = fields(content, b"\x0a\x12")
    return tuple.__new__(Endorsement, (endorser or b"", signature or b""))


def _event_of(content: bytes) -> str:
    chaincode, tx_id, name, _ = fields(content, b"\x0a\x12\x1a\x22")
    text(tx_id)
    text(name)
    return text(chaincode)
