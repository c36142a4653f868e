"""Bundles of version 2, which prove more than one entry, taken apart.

| kind | claim |
|---|---|
| ``range`` | these are the organization's entries ``from`` to ``to``, every one of them, in order |
| ``account`` | this is the account's statement over that range |
| ``period`` | these are counts, totals and balances of a period between two anchored heads |
| ``consistency`` | the later of two anchored heads only appended to the earlier |
| ``fork`` | the organization signed two heads of its log that contradict each other |

``network/bundle_many_form.py`` reads and writes their text; ``network/bundle_claims.py`` says what they prove.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from network.bundle_parts import CheckpointEvidence, TransactionRef

VERSION = 2
RANGE, ACCOUNT, PERIOD, CONSISTENCY, FORK = KINDS = ("range", "account", "period", "consistency", "fork")
CHECKPOINTS = {RANGE: (1, 1), ACCOUNT: (1, 1), PERIOD: (1, 2), CONSISTENCY: (2, 2), FORK: (0, 0)}
"""How many checkpoints a kind has, from and to."""
ITEMS_MAX = 1_000_000
"""Entries of one range."""
BALANCES_MAX = 200_000
ASSETS_MAX = 256
TOTALS_LENGTH_MAX = 65_536
SALT_BYTES = 32
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Sums:
    """Debits and credits, in minor units."""

    debits: int
    credits: int

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.debits + other.debits, self.credits + other.credits)


NOTHING = Sums(0, 0)


@dataclass(frozen=True, slots=True)
class RangeClaim:
    """Consecutive entries of a log."""

    first: int
    last: int
    """Numbers of the first and the last entry, from 1."""
    items: tuple[bytes, ...] = field(repr=False)
    """Of each entry salt and canonical form, joined, or (32 bytes) only its leaf."""
    proof: tuple[bytes, ...]
    """Roots of the largest subtrees beside the range, from left to right."""


@dataclass(frozen=True, slots=True)
class Window:
    """A period of posting times, in microseconds since 1970-01-01 UTC; None where it has no bound."""

    begin_us: int | None = None
    """Included."""
    end_us: int | None = None
    """Excluded."""


EVER = Window()


@dataclass(frozen=True, slots=True)
class StatementClaim:
    """What a bundle says of an account over a range of entries."""

    account: str
    asset: str
    window: Window
    opening: Sums
    """Of all entries before the range."""
    moved: Sums
    """Of the range's entries in the window."""
    count: int
    """Entries in the window that touch the account."""
    withheld: int
    """Entries of the range of which only the leaf is shown."""


@dataclass(frozen=True, slots=True)
class ControlsClaim:
    """Opens the commitment to control totals that an anchor carries."""

    totals: str
    salt: bytes


@dataclass(frozen=True, slots=True)
class BalanceClaim:
    """One line of a trial balance."""

    account: str
    asset: str
    opening: Sums
    """Of all entries before the range."""
    moved: Sums
    """Of the range's entries in the window."""


@dataclass(frozen=True, slots=True)
class PeriodClaim:
    """What a bundle says of a period."""

    window: Window
    count: int
    withheld: int
    totals: Mapping[str, Sums]
    """By asset, of the range's entries in the window."""
    opening: ControlsClaim | None
    """None where the range begins with entry 1."""
    closing: ControlsClaim
    balances: tuple[BalanceClaim, ...]


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head that a log's key signed, and where it was anchored, if it was."""

    note: str
    anchor: TransactionRef | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A place at which two heads of different size hold different leaves."""

    index: int
    leaves: tuple[bytes, bytes]
    proofs: tuple[tuple[bytes, ...], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class ForkClaim:
    """Two heads of one log that cannot both be its own."""

    registration: TransactionRef
    heads: tuple[SignedHead, SignedHead]
    difference: Difference | None
    """None where both are of one size."""


@dataclass(frozen=True, slots=True)
class ManyContent:
    """A bundle of version 2, taken apart; what its kind does not have is None."""

    kind: str
    channel: str
    organization: str
    checkpoints: tuple[CheckpointEvidence, ...]
    definitions: Mapping[str, tuple[TransactionRef, ...]]
    blocks: Mapping[int, bytes] = field(repr=False)
    range: RangeClaim | None = None
    statement: StatementClaim | None = None
    period: PeriodClaim | None = None
    consistency: tuple[bytes, ...] | None = None
    fork: ForkClaim | None = None
