"""An entry's whole path, from the books to the block, as a picture: one box for each step, drawn here as SVG. Pure.

What a box says stands beside the picture as a list, too, for whoever cannot see it.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.portal.found import ShownEntry
from gateway.portal.rendering import short, utc

_BOX_WIDTH, _BOX_HEIGHT, _GAP, _MARGIN = 186, 96, 34, 8
_PER_ROW = 3
_ROW_GAP = 44


@dataclass(frozen=True, slots=True)
class Path:
    """What the shared ledger knows of an entry's way.

    Args:
        size: entries in the checkpoint that anchored it; 0 where none did.
        root: of that checkpoint, base64.
        witnesses: members that vouch for the log at that size or a larger one.
    """

    size: int
    root: str
    witnesses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One station of the way.

    Args:
        title: what happened.
        lines: with which figures, short enough for a box.
        is_done: whether it is proved here.
        whole: the same in words.
    """

    title: str
    lines: tuple[str, ...]
    is_done: bool
    whole: str


@dataclass(frozen=True, slots=True)
class Box:
    """A step with its place in the picture, in units of the view box; ``arrow`` is the line to the next box."""

    step: Step
    x: int
    y: int
    arrow: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All boxes, and the size of the view box they fill."""

    boxes: tuple[Box, ...]
    width: int
    height: int


def path_of(shown: ShownEntry, path: Path) -> tuple[Step, ...]:
    """Return an entry's steps, in order."""
    entry = shown.entry
    return (
        _posted(shown),
        Step(
            "Sealed in the log",
            (f"leaf {entry.seq - 1}", f"of {path.size} leaves"),
            path.size > 0,
            f"Leaf {entry.seq - 1} of a log of {path.size} entries.",
        ),
        Step(
            "Signed checkpoint",
            (f"{path.size} entries", f"root {short(path.root)}"),
            path.size > 0,
            f"The head of {path.size} entries, with root {path.root}, signed by the log's key.",
        ),
        Step(
            "Transaction",
            (short(entry.transaction_id), _name(entry.signer)),
            bool(entry.transaction_id),
            f"Transaction {entry.transaction_id}, signed by {entry.signer}.",
        ),
        Step(
            f"Block {entry.block_number}",
            ("judged VALID here", utc(entry.anchored_at)[:16]),
            bool(entry.transaction_id),
            f"Block {entry.block_number}, judged VALID by this organization's own peer, {utc(entry.anchored_at)}.",
        ),
        Step(
            "Vouched for",
            tuple(path.witnesses[:2]) or ("by nobody yet",),
            bool(path.witnesses),
            f"Cosigned by {', '.join(path.witnesses)}." if path.witnesses else "No other member cosigned it yet.",
        ),
    )


def draw_path(steps: tuple[Step, ...]) -> Picture:
    """Return where each box stands: rows of three, read from the left."""
    boxes = []
    for number, step in enumerate(steps):
        row, column = divmod(number, _PER_ROW)
        x, y = _MARGIN + column * (_BOX_WIDTH + _GAP), _MARGIN + row * (_BOX_HEIGHT + _ROW_GAP)
        boxes.append(Box(step, x, y, _arrow(x, y, column, is_last=number == len(steps) - 1)))
    rows = -(-len(steps) // _PER_ROW)
    width = 2 * _MARGIN + _PER_ROW * _BOX_WIDTH + (_PER_ROW - 1) * _GAP
    return Picture(tuple(boxes), width, 2 * _MARGIN + rows * _BOX_HEIGHT + (rows - 1) * _ROW_GAP)


def _posted(shown: ShownEntry) -> Step:
    entry = shown.entry
    if not shown.is_disclosed:
        known = "What it says is in that member's books: it was not disclosed here."
        return Step("Posted in the books", (entry.organization, f"entry {entry.seq}"), False, known)
    at = utc(shown.fields["posted_at"])
    return Step(
        "Posted in the books",
        (entry.organization, at[:16]),
        True,
        f"Posted by {entry.organization} at {at}; disclosed.",
    )


def _arrow(x: int, y: int, column: int, *, is_last: bool) -> str:
    middle = y + _BOX_HEIGHT // 2
    right = x + _BOX_WIDTH
    if is_last:
        return ""
    if column < _PER_ROW - 1:
        return f"M{right} {middle} H{right + _GAP - 3}"
    # Down between the rows, back to the left, into the next row's first box.
    between, centre = y + _BOX_HEIGHT + _ROW_GAP // 2, _MARGIN + _BOX_WIDTH // 2
    return f"M{x + _BOX_WIDTH // 2} {y + _BOX_HEIGHT} V{between} H{centre} V{y + _BOX_HEIGHT + _ROW_GAP - 3}"


def _name(signer: str) -> str:
    return signer.partition("/")[2][:26] or signer[:26]
