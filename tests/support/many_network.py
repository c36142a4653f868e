"""A channel on which a bank keeps an honest log and another member a hostile one, and every kind of claim about them.

Keys, contracts, endorsements and blocks are real; ``ClaimedLog`` says of a log whatever it is told to, so that the
vectors of bundles of version 2 can be good or lie in one place. Figures are summed up here anew, by other code than the
node's.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nacl.signing import SigningKey

from ledger.account import Side
from ledger.canonical import CanonicalEntry, CanonicalPosting, decode_entry, encode_entry
from ledger.errors import InvalidValueError
from ledger.journal import Outcome
from network.audit_record import commit_controls
from network.bundle_many import (
    EVER,
    NOTHING,
    BalanceClaim,
    ControlsClaim,
    ManyContent,
    PeriodClaim,
    RangeClaim,
    StatementClaim,
    Sums,
    Window,
)
from network.bundle_parts import CheckpointEvidence, TransactionRef, WitnessEvidence
from network.checkpoint import COSIGNATURE_V1, Checkpoint, cosign, sign_checkpoint, verifier_key
from network.merkle import consistency_proof, leaf_hash, level_reader, root
from network.merkle_range import build_range_proof
from tests.support.consortium_in_memory import BANK, CHANNEL, PARTNER, REGULATOR, START, ConsortiumInMemory
from tests.support.proof_scenario import origin, witness_name

HOUR_US = 3_600_000_000
BEGIN_US = 1_772_366_400_000_000
"""2026-03-01T12:00:00Z: entry ``n`` is posted ``n`` hours later."""
LOG_KEYS = {BANK: SigningKey(bytes(31) + b"\x21"), PARTNER: SigningKey(bytes(31) + b"\x22")}
WITNESS_KEY = SigningKey(bytes(31) + b"\x23")
COSIGNED_AT = int(START.timestamp()) + 30 * 24 * 3600
BANK_SIZES = (1, 6, 14, 24)
MALFORMED_TOTALS = (
    "noise", "[]", '{"EUR":[]}', '{"EUR":{"debits":"1"}}', '{"EUR":{"credits":1,"debits":1}}',
    '{"EUR":{"credits":"01","debits":"1"}}', '{"EUR":{"credits":"-1","debits":"1"}}',
    '{"EUR":{"credits":"1","debits":"1","more":"1"}}', '{"EUR":{"credits":"1","credits":"1","debits":"1"}}',
    '{"EUR":{"credits":"1.0","debits":"1"}}', '{"EUR":{"credits":"","debits":"1"}}',
    "{" + ",".join(f'"A{number}":{{"credits":"0","debits":"0"}}' for number in range(257)) + "}",
)  # fmt: skip
"""What the hostile member commits to from its entry 12 on."""
FALSE_TOTALS = 12 + len(MALFORMED_TOTALS)
"""From this size on it commits in turn to what is true, to more, to what is true, and to no credits."""


@dataclass
class ClaimedLog:
    """One organization's log, and what can be claimed of it."""

    organization: str
    canonicals: list[bytes] = field(default_factory=list)
    registration: TransactionRef = field(default_factory=lambda: TransactionRef(0, 0))
    heads: dict[int, CheckpointEvidence] = field(default_factory=dict)
    controls: dict[int, ControlsClaim] = field(default_factory=dict)

    @property
    def items(self) -> list[bytes]:
        """Salt and canonical form of each entry."""
        return [salt(seq) + canonical for seq, canonical in enumerate(self.canonicals, 1)]

    @property
    def leaves(self) -> list[bytes]:
        """Leaf hash of each entry."""
        return [leaf_hash(item) for item in self.items]

    def note(self, size: int) -> bytes:
        """Return the log's head of a size, signed."""
        return signed_note(self.organization, size, root(self.leaves[:size]))

    def content(self, kind: str, *sizes: int, **parts: object) -> ManyContent:
        """Return a bundle's content; its channel's blocks come later."""
        heads = tuple(self.heads[size] for size in sizes)
        return replace(ManyContent(kind, CHANNEL, self.organization, heads, {}, {}), **parts)  # type: ignore[arg-type]

    def range(self, first: int, last: int, size: int, shown: Callable[[int], bool] = lambda _: True) -> RangeClaim:
        """Return a range of entries under a head."""
        items = [
            self.items[seq - 1] if shown(seq) else self.leaves[seq - 1] for seq in range(first, min(last, size) + 1)
        ]
        proof = build_range_proof(level_reader(self.leaves[:size]), first - 1, min(last, size), size)
        return RangeClaim(first, last, tuple(items), tuple(proof))

    def statement(self, account: str, entries: RangeClaim, window: Window = EVER, asset: str = "EUR") -> StatementClaim:
        """Return the statement that follows from the entries a range shows."""
        moved, count = NOTHING, 0
        for entry in shown(entries):
            touching = [p for p in entry.postings if p.asset == asset and p.account.partition("#")[0] == account]
            if touching and inside(window, entry):
                moved, count = sum(map(sums_of, touching), moved), count + 1
        before = [
            sums_of(posting)
            for entry in map(readable, self.canonicals[: entries.first - 1])
            for posting in entry.postings
            if posting.asset == asset and posting.account.partition("#")[0] == account
        ]
        withheld = sum(len(item) == 32 for item in entries.items)
        return StatementClaim(account, asset, window, sum(before, NOTHING), moved, count, withheld)

    def period(self, first: int, last: int, entries: RangeClaim, window: Window = EVER) -> PeriodClaim:
        """Return the day close that follows from the entries a range shows, between two heads."""
        totals: defaultdict[str, Sums] = defaultdict(lambda: NOTHING)
        moved: defaultdict[tuple[str, str], Sums] = defaultdict(lambda: NOTHING)
        count = 0
        for entry in shown(entries):
            is_inside = inside(window, entry)
            count += is_inside
            for posting in entry.postings:
                sums = sums_of(posting) if is_inside else NOTHING
                totals[posting.asset] += sums
                moved[posting.account, posting.asset] += sums
        before: defaultdict[tuple[str, str], Sums] = defaultdict(lambda: NOTHING)
        for entry in map(readable, self.canonicals[: entries.first - 1]):
            for posting in entry.postings:
                before[posting.account, posting.asset] += sums_of(posting)
        balances = [BalanceClaim(*key, before[key], moved[key]) for key in sorted({*before, *moved})]
        withheld = sum(len(item) == 32 for item in entries.items)
        opening = self.controls[first] if first else None
        return PeriodClaim(window, count, withheld, dict(totals), opening, self.controls[last], tuple(balances))

    def growth(self, old: int, new: int) -> tuple[bytes, ...]:
        """Return the consistency proof between two heads."""
        return tuple(consistency_proof(self.leaves[:new], old))

    def day_close(self, first: int, last: int, window: Window = EVER, **options: object) -> ManyContent:
        """Return the whole day close between two heads, the first of which may be 0."""
        entries = self.range(first + 1, last, last, **options)  # type: ignore[arg-type]
        sizes = (first, last) if first else (last,)
        growth = self.growth(first, last) if first else ()
        claim = self.period(first, last, entries, window)
        return self.content("period", *sizes, range=entries, period=claim, consistency=growth)


def salt(seq: int) -> bytes:
    """Return an entry's salt."""
    return seq.to_bytes(32, "big")


def window(first: int, last: int) -> Window:
    """Return the period in which entries ``first`` to ``last`` were posted."""
    return Window(BEGIN_US + first * HOUR_US, BEGIN_US + (last + 1) * HOUR_US)


def legs(seq: int) -> tuple[CanonicalPosting, ...]:
    """Return what an honest entry posts."""
    amount = 100 * seq + seq % 7
    debit, credit = Side.DEBIT, Side.CREDIT
    if seq % 8 == 0:
        return (
            CanonicalPosting("cash", "EUR", 2, debit, amount),
            CanonicalPosting("position:eur", "EUR", 2, credit, amount),
            CanonicalPosting("position:usd", "USD", 2, debit, 2 * amount),
            CanonicalPosting("alice", "USD", 2, credit, 2 * amount),
        )
    taker = ("alice", "bob#01", "bob#02", "bobby", "carol")[seq % 5]
    return CanonicalPosting("cash", "EUR", 2, debit, amount), CanonicalPosting(taker, "EUR", 2, credit, amount)


def entry_of(seq: int, *, number: int = 0, posted_at_us: int = 0, legs_of: int = 0, unbalanced: int = 0) -> bytes:
    """Return an entry's canonical form; each option bends one thing in it."""
    postings = legs(legs_of or seq)
    if unbalanced:
        postings = (replace(postings[0], amount=postings[0].amount + unbalanced), *postings[1:])
    posted = posted_at_us or BEGIN_US + seq * HOUR_US
    return encode_entry(
        CanonicalEntry(
            number or seq, uuid.UUID(int=seq), posted, posted, postings, "", b"", seq.to_bytes(16, "big"),
            Outcome.AUTOMATED_APPROVAL, leaf_hash(salt(seq)),
        )
    )  # fmt: skip


def hostile_entries() -> list[bytes]:
    """Return the other member's entries: at some places one thing is wrong; entry 13 is as old as the one before."""
    bent = {
        2: b"no entry, but forty bytes of something else",
        4: entry_of(4, number=99),
        6: entry_of(6, unbalanced=1),
        8: entry_of(8, posted_at_us=BEGIN_US + HOUR_US),
        10: entry_of(10, posted_at_us=2**62),
        13: entry_of(13, posted_at_us=BEGIN_US + 12 * HOUR_US),
    }
    return [bent.get(seq, entry_of(seq)) for seq in range(1, FALSE_TOTALS + 4)]


def readable(canonical: bytes) -> CanonicalEntry:
    """Return an entry; one without postings for what is none."""
    try:
        return decode_entry(canonical)
    except InvalidValueError:
        return replace(decode_entry(entry_of(1)), postings=())


def shown(entries: RangeClaim) -> list[CanonicalEntry]:
    """Return the entries that a range shows."""
    return [readable(item[32:]) for item in entries.items if len(item) != 32]


def inside(window: Window, entry: CanonicalEntry) -> bool:
    """Tell whether an entry was posted in a period."""
    begin, end = window.begin_us, window.end_us
    return (begin is None or entry.posted_at_us >= begin) and (end is None or entry.posted_at_us < end)


def sums_of(posting: CanonicalPosting, before: Sums = NOTHING) -> Sums:
    """Return what a posting adds."""
    return before + (Sums(posting.amount, 0) if posting.side is Side.DEBIT else Sums(0, posting.amount))


def signed_note(organization: str, size: int, root_: bytes, key: SigningKey | None = None) -> bytes:
    """Return a head of a log, signed by its key or another."""
    name = origin(organization)
    return sign_checkpoint(Checkpoint(name, size, root_), name, key or LOG_KEYS[organization])


@dataclass(frozen=True)
class ManyNetwork:
    """The channel with both logs on it."""

    consortium: ConsortiumInMemory
    logs: Mapping[str, ClaimedLog]
    definitions: Mapping[str, tuple[TransactionRef, ...]]
    blocks: Mapping[int, bytes]

    def bundle(self, content: ManyContent) -> ManyContent:
        """Return a content with definitions and all blocks of the channel."""
        return replace(content, definitions=self.definitions, blocks=self.blocks)


async def anchored_network(consortium: ConsortiumInMemory) -> ManyNetwork:
    """Register both logs and a witness, anchor and cosign their heads; return all of it."""
    regulator = consortium.gateway(REGULATOR)
    key = verifier_key(witness_name(REGULATOR), WITNESS_KEY, COSIGNATURE_V1)
    witness = await regulator.submit("audit", "RegisterWitness", witness_name(REGULATOR), key)
    registered = TransactionRef(witness.block_number, 0)
    logs = {
        BANK: ClaimedLog(BANK, [entry_of(seq) for seq in range(1, BANK_SIZES[-1] + 1)]),
        PARTNER: ClaimedLog(PARTNER, hostile_entries()),
    }
    for log in logs.values():
        await _register(consortium, log)
    for size in BANK_SIZES:
        await _anchor(consortium, logs[BANK], size, registered)
    for size in range(1, len(logs[PARTNER].canonicals) + 1):
        await _anchor(consortium, logs[PARTNER], size, registered, hostile_totals(logs[PARTNER], size))
    blocks = {number: consortium.raw(number) for number in range(len(consortium.blocks))}
    return ManyNetwork(consortium, logs, {"audit": (TransactionRef(1, 0),)}, blocks)


async def _register(consortium: ConsortiumInMemory, log: ClaimedLog) -> None:
    name = origin(log.organization)
    key = verifier_key(name, LOG_KEYS[log.organization])
    done = await consortium.gateway(log.organization).submit("audit", "RegisterLog", name, key)
    log.registration = TransactionRef(done.block_number, 0)


async def _anchor(
    consortium: ConsortiumInMemory, log: ClaimedLog, size: int, registered: TransactionRef, totals: str = ""
) -> None:
    note, last = log.note(size), max(log.heads, default=0)
    controls = ControlsClaim(totals or totals_text(log.canonicals[:size]), size.to_bytes(32, "big"))
    proof = base64_list(consistency_proof(log.leaves[:size], last))
    commitment = commit_controls(controls.totals, controls.salt).hex()
    done = await consortium.gateway(log.organization).submit(
        "audit", "AnchorCheckpoint", note.decode(), proof, commitment
    )
    line = cosign(note, witness_name(REGULATOR), WITNESS_KEY, COSIGNED_AT)
    witness = WitnessEvidence(REGULATOR, line, registered)
    anchor = TransactionRef(done.block_number, 0)
    log.heads[size] = CheckpointEvidence(size, note.decode(), log.registration, anchor, (witness,))
    log.controls[size] = controls


def hostile_totals(log: ClaimedLog, size: int) -> str:
    """Return what the hostile member commits to at a size; empty for the truth."""
    if 12 <= size < FALSE_TOTALS:
        return MALFORMED_TOTALS[size - 12]
    if size not in (FALSE_TOTALS + 1, FALSE_TOTALS + 3):
        return ""
    told = json.loads(totals_text(log.canonicals[:size]))
    if size == FALSE_TOTALS + 1:
        told["EUR"] = {side: str(int(amount) + 1) for side, amount in told["EUR"].items()}
    else:
        told["EUR"]["credits"] = "0"
    return json.dumps(told, separators=(",", ":"))


def totals_text(canonicals: Sequence[bytes]) -> str:
    """Return control totals over entries, as a bank commits to them."""
    sums: defaultdict[str, Sums] = defaultdict(lambda: NOTHING)
    for entry in map(readable, canonicals):
        for posting in entry.postings:
            sums[posting.asset] = sums_of(posting, sums[posting.asset])
    parts = [
        f'"{asset}":{{"credits":"{each.credits}","debits":"{each.debits}"}}' for asset, each in sorted(sums.items())
    ]
    return "{" + ",".join(parts) + "}"


def base64_list(hashes: Sequence[bytes]) -> str:
    """Return a proof as the contract takes it."""
    return json.dumps([base64.b64encode(node).decode() for node in hashes])
