"""Makes the captured vectors: bundles of a real network, and forgeries with its keys.

``python -m tests.support.proof_capture HOME BUNDLE`` takes the home of a consortium (``dwaybank up``) and a bundle that
its bank gave (``dwaybank proof``). What the forgeries add to the channel was signed by its members' and its orderer's
own keys, as hostile or careless members could: a verifier cannot refuse them for want of a signature, but only for the
reason that each vector names. The keys are thrown away with the home.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from network.block import header_hash, is_config_block, parse_block
from network.bundle import BundleContent, build_bundle, parse_bundle
from network.channel_config import config_of_block
from tests.support.captured import NETWORKS, captured
from tests.support.proof_edits import derive
from tests.support.proof_forge import NOW, Forge, NetworkKeys, ref
from tests.support.proof_logs import CASES as LOGS
from tests.support.proof_logs import NETWORK_CASES, prepare_log
from tests.support.proof_members import CASES as MEMBERS
from tests.support.proof_transactions import CASES as TRANSACTIONS
from tests.support.proof_vectors import Corpus, Network, Vector, difference, write_corpus


def capture(keys: NetworkKeys, bundle: bytes) -> Corpus:
    """Return the corpus of all captured vectors."""
    content = parse_bundle(bundle)
    network = Network(header_hash(parse_block(content.blocks[0]).header).hex(), bundle)
    vectors = [Vector("entry_of_a_real_network", "network", None, (), captured=True)]
    bases = {"network": bundle}
    for name in ("config_changed_by_its_administrator", "config_changed_then_anchored"):
        # Most configurations are made of one of these with few bytes.
        _, make = MEMBERS.pop(name)
        bases[name] = build_bundle(make(Forge(keys, content)))
        vectors.append(Vector(name, "network", None, difference(bundle, bases[name]), captured=True))
    for name, (reason, make) in {**MEMBERS, **TRANSACTIONS, **NETWORK_CASES}.items():
        vectors.append(_smallest(name, reason, build_bundle(make(Forge(keys, content))), bases))
    log = prepare_log(Forge(keys, content))
    bases = {"log_of_entries": build_bundle(log)}
    vectors.append(
        Vector("log_of_entries", "network", None, difference(bundle, bases["log_of_entries"]), captured=True)
    )
    for name, (reason, make) in LOGS.items():
        vectors.append(_smallest(name, reason, build_bundle(make(Forge(keys, log))), bases))
    networks = {"network": network, **{f"fabric_{name}": fabric_network(name, content) for name in NETWORKS}}
    vectors += [
        Vector(f"blocks_of_fabric_{name}", f"fabric_{name}", "wrong_contract", (), captured=True) for name in NETWORKS
    ]
    return Corpus(int(NOW.timestamp()), networks, tuple(vectors))


def _smallest(name: str, reason: str | None, bundle: bytes, bases: Mapping[str, bytes]) -> Vector:
    """Return the vector as an edit of the base it differs least from."""
    found = [Vector(name, base, reason, difference(text, bundle), captured=True) for base, text in bases.items()]
    return min(found, key=lambda vector: sum(len(splice.insert) for splice in vector.splices))


def fabric_network(name: str, content: BundleContent) -> Network:
    """Return a bundle over blocks that a Fabric network made: nothing of ours is on it, so it proves no entry.

    Every check before that of the contract must hold: Fabric's own configurations, orderers' signatures, definitions.
    """
    blocks = captured(name).blocks
    configs = [number for number, block in enumerate(blocks) if is_config_block(parse_block(block))]
    newest = len(blocks) - 1
    bundle = replace(
        content,
        channel=config_of_block(parse_block(blocks[0]))[0],
        anchor=ref(newest),
        definitions={"anchorgo": (ref(4),)},
        blocks={number: blocks[number] for number in (*configs, 4, newest)},
    )
    return Network(header_hash(parse_block(blocks[0]).header).hex(), build_bundle(bundle))


def main() -> None:
    """Write a new corpus: the captured vectors, and those derived from them."""
    home, file = Path(sys.argv[1]), Path(sys.argv[2])
    corpus = capture(NetworkKeys(home / "crypto"), file.read_bytes())
    write_corpus(replace(corpus, vectors=(*corpus.vectors, *derive(corpus))))


if __name__ == "__main__":
    main()
