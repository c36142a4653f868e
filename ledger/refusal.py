"""Refusals that matter: which are kept, the chain they stand in, and what binds them. Pure.

Rules (docs/adr/0018-refusals.md):
- kept is what follows from the state of the books, so that "there was not enough" can neither be made up nor be lost:
  the codes in ``RECORDED``. A repeat of what stands, a request that could never be right (no such account, unbalanced)
  and a member that failed with another of its chain are no facts about the books; a dry run leaves nothing;
- a refusal has a form as an entry has one (``ledger.canonical``): length-prefixed fields in a fixed order, domain tag
  and version first; its leaf is SHA-256(0x00 ‖ salt ‖ form). No personal data, no free text: the request enters as its
  hash, behind the salt;
- head = SHA-256(tag ‖ head before ‖ leaf): one refusal can be shown to a doubter with the leaves after it and no more;
- the writer signs each commit's new head; the first entry posted after a refusal carries the head in its own form.

Fields: tag, version (1 byte), number (8, from 1, gapless), entry after which it was judged (8), time (8, microseconds
since 1970 UTC), kind (1), key (16), code (its text), whether its chain failed with it (1), request hash (32), actor.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ledger.canonical import SALT_BYTES, field, leaf_hash
from ledger.hold import HoldRelease, NewHold
from ledger.journal import ResultCode, microseconds

RECORDED = frozenset(ResultCode) - {
    ResultCode.POSTED,
    ResultCode.EXISTS,
    ResultCode.ACCOUNT_NOT_FOUND,
    ResultCode.ASSET_MISMATCH,
    ResultCode.UNBALANCED,
    ResultCode.ACCOUNT_STRIPED,
    ResultCode.LINKED_FAILED,
}
"""Codes of refusals that are kept."""

FIRST_HEAD = bytes(32)
"""Head of the chain before the first refusal."""

_FORM_HEAD = field(b"dwaybank.node/refusal") + field(b"\x01")
_HEAD_TAG = b"dwaybank.node/refusals\x01"
_SIGNED_TAG = b"dwaybank.node/refusals-signed\x01"
_HOLD_TAG = b"dwaybank.node/hold-request\x01"
_RELEASE_TAG = b"dwaybank.node/release-request\x01"


class Kind(enum.IntEnum):
    """What was asked for; the numbers stand in the form and never change."""

    ENTRY = 1
    HOLD = 2
    RELEASE = 3


class Refused(NamedTuple):
    """A refusal as the rules left it.

    Args:
        after_seq: the entry after which it was judged; 0 before the first.
        key: the entry's key or the hold's id.
        code: its text; a number would have to stay for ever.
        chained: a chain of linked requests failed with it.
        request_hash: SHA-256 of what was asked, key left out.
        actor: pseudonym of who asked; empty for none.
    """

    after_seq: int
    kind: Kind
    key: bytes
    code: str
    chained: bool
    request_hash: bytes
    actor: str


class ChainEnd(NamedTuple):
    """Where the chain ends.

    Args:
        number: of the newest refusal; 0 for none.
        head: the chain's.
        after_seq: the entry after which the newest one was judged: the next entry has to bind it.
    """

    number: int
    head: bytes
    after_seq: int


NO_REFUSALS = ChainEnd(0, FIRST_HEAD, -1)


class Link(NamedTuple):
    """A refusal with its place in the chain."""

    refused: Refused
    salt: bytes
    head: bytes


def link(
    end: ChainEnd, refused: Iterable[Refused], at_us: int, random_bytes: Callable[[int], bytes]
) -> tuple[list[Link], ChainEnd]:
    """Append refusals of one time to the chain; return them in their places, and where it ends now."""
    links = []
    for each in refused:
        salt = random_bytes(SALT_BYTES)
        number = end.number + 1
        end = ChainEnd(number, next_head(end.head, leaf_hash(salt, encode(number, at_us, each))), each.after_seq)
        links.append(Link(each, salt, end.head))
    return links, end


def heads_to_bind(before: ChainEnd, links: Sequence[Link]) -> Mapping[int, bytes]:
    """Return the head that an entry carries, by its number, as far as refusals stand right before it."""
    return {before.after_seq + 1: before.head} | {each.refused.after_seq + 1: each.head for each in links}


def encode(number: int, at_us: int, refused: Refused) -> bytes:
    """Return the form of a refusal."""
    return _FORM_HEAD + b"".join(
        field(part)
        for part in (
            number.to_bytes(8, "big"),
            refused.after_seq.to_bytes(8, "big"),
            at_us.to_bytes(8, "big", signed=True),
            bytes([refused.kind]),
            refused.key,
            refused.code.encode("ascii"),
            bytes([refused.chained]),
            refused.request_hash,
            refused.actor.encode("ascii"),
        )
    )


def next_head(head: bytes, leaf: bytes) -> bytes:
    """Return the head of a chain that goes on with this leaf."""
    return hashlib.sha256(_HEAD_TAG + head + leaf).digest()


def signed_digest(first_number: int, last_number: int, head: bytes) -> bytes:
    """Return what the writer signs for the refusals of one commit; ``head`` is the chain's after the last of them."""
    numbers = first_number.to_bytes(8, "big") + last_number.to_bytes(8, "big")
    return hashlib.sha256(_SIGNED_TAG + numbers + head).digest()


def hold_request_hash(request: NewHold | HoldRelease) -> bytes:
    """Return the SHA-256 of what was asked of a hold, its id left out."""
    linked = bytes([request.linked])
    if isinstance(request, HoldRelease):
        return hashlib.sha256(_RELEASE_TAG + linked).digest()
    numbers = request.amount.to_bytes(8, "big") + microseconds(request.expires_at).to_bytes(8, "big", signed=True)
    return hashlib.sha256(_HOLD_TAG + field(request.account.encode("ascii")) + numbers + linked).digest()
