"""Makes the captured vectors of bundles of version 2: claims about two logs, and forgeries with their network's keys.

``python -m tests.support.many_capture`` makes a channel in memory, with real keys, contracts and blocks, and writes a
new corpus. Channel-level forgeries are those of version 1, put under a range: the keys are thrown away.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from network.bundle import BundleContent
from network.bundle_many import (
    EVER,
    Difference,
    ForkClaim,
    ManyContent,
    SignedHead,
    Window,
)
from network.bundle_many_form import serialize_many
from network.identity import SigningIdentity
from network.merkle import inclusion_proof, leaf_hash, root
from tests.support.consortium_in_memory import BANK, CHANNEL, PARTNER, ConsortiumInMemory, Material, make_material
from tests.support.many_edits import MANY_FILE, derive
from tests.support.many_network import (
    BANK_SIZES,
    COSIGNED_AT,
    FALSE_TOTALS,
    HOUR_US,
    MALFORMED_TOTALS,
    ClaimedLog,
    ManyNetwork,
    anchored_network,
    signed_note,
    window,
)
from tests.support.proof_forge import Forge, NetworkKeys, ref
from tests.support.proof_members import CASES as MEMBERS
from tests.support.proof_transactions import CASES as TRANSACTIONS
from tests.support.proof_vectors import Corpus, Network, Vector, difference, write_corpus

LAST = BANK_SIZES[-1]
Claim = tuple[str | None, ManyContent, tuple[str, ...]]
"""Why it is refused, the bundle, and what it rests on where it is not."""

CHANNEL_CASES = (
    "signer_revoked", "signer_revoked_afterwards", "endorser_revoked", "endorser_revoked_but_enough_left",
    "orderer_revoked", "signer_is_an_authority", "signer_of_no_member", "signer_under_another_member",
    "config_left_out", "config_older_than_the_newest_shown", "endorsed_by_three", "endorsed_by_the_bank_alone",
    "endorsed_by_nobody", "endorsed_by_clients", "submitted_by_another_member", "signed_over_other_bytes",
    "transaction_of_another_contract", "transaction_of_another_proposal", "note_anchored_under_another_size",
    "note_anchored_for_another_member", "note_written_into_another_namespace", "record_deleted", "record_of_noise",
    "block_signed_by_the_bank", "block_signed_with_high_s", "block_with_another_data_hash", "block_of_a_fork",
    "policy_at_this_height_is_satisfied", "policy_of_an_earlier_height", "definition_endorsed_by_the_bank_alone",
    "definition_of_the_same_sequence",
)  # fmt: skip


class MemoryKeys(NetworkKeys):
    """Certificates and keys of a consortium in memory."""

    def signer(self, msp_id: str, user: str = "Node") -> SigningIdentity:
        """Return a user of an organization; ``user`` "peer" or "orderer" is its host."""
        return Material.signer(self, msp_id, user)


def good_claims(log: ClaimedLog) -> Iterator[tuple[str, ManyContent, tuple[str, ...]]]:
    """Give bundles that prove their claims, of every kind, and what each rests on."""
    whole = log.range(1, LAST, LAST)
    yield "range_whole", log.content("range", LAST, range=whole), ()
    yield "range_of_one", log.content("range", 14, range=log.range(9, 9, 14)), ()
    withheld = ("withheld_entries",)
    yield "range_some_shown", log.content("range", LAST, range=log.range(3, 17, LAST, lambda n: n % 3 == 0)), withheld
    yield "range_none_shown", log.content("range", LAST, range=log.range(1, LAST, LAST, lambda _: False)), withheld
    yield "statement", _statement(log, "bob", 1, LAST), ()
    yield "statement_of_an_asset", _statement(log, "alice", 1, LAST, asset="USD"), ()
    yield "statement_of_nobody", _statement(log, "nobody", 1, LAST), ()
    yield "statement_later", _statement(log, "cash", 7, 20), ("opening_balances",)
    timed = ("opening_balances", "posting_times")
    yield "statement_of_a_period", _statement(log, "bob", 6, 13, window(7, 12)), timed
    yield "statement_from_the_begin", _statement(log, "bob", 1, 13, Window(None, window(1, 12).end_us)), timed[1:]
    first = Window(window(1, 1).begin_us, window(1, 12).end_us)
    yield "statement_of_a_period_from_its_first_entry_on", _statement(log, "bob", 1, 13, first), timed[1:]
    yield "statement_from_entry_2", _statement(log, "cash", 2, 20), timed[:1]
    yield "statement_to_the_end", _statement(log, "bob", 6, LAST, Window(window(7, 7).begin_us, None)), timed
    over = Window(None, COSIGNED_AT * 1_000_000)
    yield "statement_to_a_time_a_witness_saw", _statement(log, "bob", 1, LAST, over), timed[1:]
    touching = log.range(1, LAST, LAST, lambda n: n % 5 == 0 and n % 8 != 0)
    yield "statement_touching_only", _of(log, "alice", touching, EVER), withheld
    yield "day_close", log.day_close(0, 14), ()
    yield "day_close_of_one_entry", log.day_close(0, 1), ()
    yield "day_close_later", log.day_close(6, LAST), ("opening_balances",)
    yield "day_close_of_a_period", log.day_close(6, LAST, window(10, 15)), timed
    yield "day_close_withheld", log.day_close(6, 14, shown=lambda n: n != 9), ("opening_balances", *withheld)
    yield "growth", log.content("consistency", 6, LAST, consistency=log.growth(6, LAST)), ()
    yield "growth_from_one", log.content("consistency", 1, 14, consistency=log.growth(1, 14)), ()


def _statement(
    log: ClaimedLog, account: str, first: int, last: int, period: Window = EVER, asset: str = "EUR"
) -> ManyContent:
    return _of(log, account, log.range(first, last, LAST), period, asset)


def _of(log: ClaimedLog, account: str, entries: object, period: Window, asset: str = "EUR") -> ManyContent:
    statement = log.statement(account, entries, period, asset)  # type: ignore[arg-type]
    return log.content("account", LAST, range=entries, statement=statement)


def forks(log: ClaimedLog) -> Iterator[tuple[str, ManyContent, tuple[str, ...]]]:
    """Give evidence of forks: two roots of one size, an entry that differs, with anchors and without."""
    other = [leaf_hash(b"another"), *log.leaves[1:]]
    signed = SignedHead(signed_note(log.organization, LAST, root(other)).decode(), None)
    anchored = SignedHead(log.heads[LAST].note, log.heads[LAST].anchor)
    yield "fork", _fork(log, signed, anchored), ()
    yield "fork_not_anchored", _fork(log, signed, replace(anchored, anchor=None)), ()
    older = SignedHead(signed_note(log.organization, 5, root(other[:5])).decode(), None)
    proofs = (tuple(inclusion_proof(other[:5], 0)), tuple(inclusion_proof(log.leaves, 0)))
    yield "fork_at_an_entry", _fork(log, older, anchored, Difference(0, (other[0], log.leaves[0]), proofs)), ()


def _fork(log: ClaimedLog, first: SignedHead, second: SignedHead, found: Difference | None = None) -> ManyContent:
    return log.content("fork", fork=ForkClaim(log.registration, (first, second), found))


def hostile_claims(network: ManyNetwork) -> Iterator[tuple[str, str | None, ManyContent]]:
    """Give claims about the other member's log, in which single entries and control totals are wrong."""
    log = network.logs[PARTNER]
    single = {
        "unreadable": (2, "unreadable_entry"),
        "of_another_number": (4, "wrong_fields"),
        "unbalanced": (6, None),
        "beyond_the_calendar": (10, "unreadable_entry"),
    }
    for name, (seq, reason) in single.items():
        yield f"range_with_an_entry_{name}", reason, log.content("range", 11, range=log.range(seq, seq, 11))
        leaf_only = log.content("range", 11, range=log.range(seq, seq, 11, lambda _: False))
        yield f"range_with_an_entry_{name}_withheld", None, leaf_only
        entries = log.range(seq, seq, 11)
        statement = log.statement("bob", entries)
        yield f"statement_over_an_entry_{name}", reason, log.content("account", 11, range=entries, statement=statement)
        close = "unbalanced_entry" if name == "unbalanced" else reason
        yield f"day_close_over_an_entry_{name}", close, log.day_close(seq - 1, seq)
    entries = log.range(7, 8, 11)
    statement = log.statement("bob", entries)
    yield (
        "statement_over_time_that_runs_back",
        "times_descend",
        log.content("account", 11, range=entries, statement=statement),
    )
    yield "day_close_over_time_that_runs_back", "times_descend", log.day_close(6, 8)
    yield "range_over_time_that_runs_back", None, log.content("range", 11, range=entries)
    entries = log.range(12, 13, 14)
    statement = log.statement("cash", entries)
    together = log.content("account", 14, range=entries, statement=statement)
    yield "statement_over_entries_of_one_moment", None, together
    for name, size in (("higher", FALSE_TOTALS), ("without_credits", FALSE_TOTALS + 2)):
        yield f"control_totals_{name}", "wrong_totals", log.day_close(size, size + 1)
        hidden = log.day_close(size, size + 1, shown=lambda _: False)
        yield f"control_totals_{name}_withheld", None if name == "higher" else "wrong_totals", hidden
    for number in range(len(MALFORMED_TOTALS)):
        yield f"control_totals_malformed_{number}", "malformed_totals", log.day_close(11 + number, 12 + number)


def forged(network: ManyNetwork, keys: NetworkKeys) -> Iterator[tuple[str, str | None, ManyContent]]:
    """Give ranges under a channel that its members, orderers and administrators bent, as version 1 has them."""
    log = network.logs[BANK]
    head = log.heads[LAST]
    content = BundleContent(
        CHANNEL, BANK, 1, b"", b"", {}, LAST, (), head.note, head.registration, head.anchor, head.witnesses, None,
        network.definitions, network.blocks,
    )  # fmt: skip
    cases = {**MEMBERS, **TRANSACTIONS}
    for name in CHANNEL_CASES:
        reason, make = cases[name]
        bent = make(Forge(keys, content))
        whole = log.content("range", LAST, range=log.range(1, LAST, LAST))
        yield (
            f"channel_{name}",
            reason,
            replace(whole, checkpoints=(bent.checkpoint,), definitions=bent.definitions, blocks=bent.blocks),
        )
    forge = Forge(keys, content)
    late = forge.transaction([(f"log~{BANK}", _log_record(network))])
    registered = ref(forge.commit(late))
    bent = forge.bundle(registration=registered)
    fork = next(forks(log))[1]
    assert fork.fork is not None
    claim = replace(fork.fork, registration=registered)
    yield (
        "fork_under_a_key_registered_later",
        "wrong_order",
        replace(fork, fork=claim, definitions=bent.definitions, blocks=bent.blocks),
    )


def _log_record(network: ManyNetwork) -> bytes:
    state = network.consortium.states["audit"]
    return bytes(state.values["", f"log~{BANK}"])


def capture(folder: Path) -> Corpus:
    """Return the corpus of all captured vectors."""
    material = make_material(folder)
    consortium = ConsortiumInMemory(material)
    network = asyncio.run(anchored_network(consortium))
    log = network.logs[BANK]
    claims: dict[str, Claim] = {
        name: (None, network.bundle(content), word) for name, content, word in (*good_claims(log), *forks(log))
    }
    base = serialize_many(claims["range_whole"][1])
    networks = {"channel": Network(consortium.genesis_hash.hex(), base)}
    bases: dict[str, bytes] = {"channel": base}
    vectors = []
    for name, (_, content, word) in claims.items():
        text = serialize_many(content)
        vectors.append(replace(_smallest(name, None, text, bases), word=word))
        bases[name] = text
    for name, reason, content in hostile_claims(network):
        word = _word(content) if reason is None else ()
        vectors.append(replace(_smallest(name, reason, serialize_many(network.bundle(content)), bases), word=word))
    for name, reason, content in forged(network, MemoryKeys(material.root)):
        vectors.append(_smallest(name, reason, serialize_many(content), bases))
    return Corpus(COSIGNED_AT + HOUR_US // 1_000_000, networks, tuple(vectors))


def _word(content: ManyContent) -> tuple[str, ...]:
    withheld = content.range is not None and any(len(item) == 32 for item in content.range.items)
    figures = content.statement or content.period
    opening = figures is not None and content.range is not None and content.range.first > 1
    return (("opening_balances",) if opening else ()) + (("withheld_entries",) if withheld else ())


def _smallest(name: str, reason: str | None, bundle: bytes, bases: Mapping[str, bytes]) -> Vector:
    """Return the vector as an edit of the base it differs least from."""
    kind = bundle[:40].split(b'"kind":"')[1].split(b'"')[0]
    near = {base: text for base, text in bases.items() if base == "channel" or kind in text[:40]}
    found = [Vector(name, base, reason, difference(text, bundle), captured=True) for base, text in near.items()]
    return min(found, key=lambda vector: sum(len(splice.insert) for splice in vector.splices))


def main() -> None:
    """Write a new corpus: the captured vectors, and those derived from them."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = capture(Path(folder))
    write_corpus(replace(corpus, vectors=(*corpus.vectors, *derive(corpus))), MANY_FILE)


if __name__ == "__main__":
    main()
