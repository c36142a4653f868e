"""The published vectors of proof bundles: how they are written down, read, and made.

``fixtures/proofs/vectors.json.gz`` holds them; the README beside it says what a reader needs. A vector is an edit of
another text, splices of its bytes: whoever tests a verifier needs gzip and JSON, and no more. There are two kinds:

- *captured*: from a real network, or forged with its keys (``tests.support.proof_capture``), which are not kept;
- *derived*: made from those by ``tests.support.proof_edits``, the same on every run.

``python -m tests.support.proof_vectors`` makes the derived ones anew.
"""

from __future__ import annotations

import base64
import difflib
import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "proofs"
FILE = FOLDER / "vectors.json.gz"
"""Of bundles of version 1."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[^"]')
_GROUPS = re.compile(rb'"|[^"]{1,16}', re.DOTALL)
"""Whole groups of base64 digits, as many as make a splice worth its place."""


@dataclass(frozen=True)
class Splice:
    """One edit: at a byte's place in the base, so many bytes make room for others, given so many times."""

    at: int
    remove: int
    insert: bytes
    times: int = 1

    def value(self) -> dict[str, Any]:
        """As it is written down."""
        try:
            insert = {"text": self.insert.decode()}
        except UnicodeDecodeError:
            insert = {"base64": base64.b64encode(self.insert).decode()}
        return {"at": self.at, "remove": self.remove, **insert, **({"times": self.times} if self.times != 1 else {})}

    @classmethod
    def read(cls, value: dict[str, Any]) -> Splice:
        """From what was written down."""
        insert = base64.b64decode(value["base64"]) if "base64" in value else value["text"].encode()
        return cls(value["at"], value["remove"], insert, value.get("times", 1))


@dataclass(frozen=True)
class Vector:
    """A bundle, and what every verifier must say of it."""

    name: str
    base: str
    """Network, or vector, that it is an edit of."""
    reason: str | None
    """Why it is refused; None where it proves its entry."""
    splices: tuple[Splice, ...]
    captured: bool = False
    witnesses_min: int = 1
    genesis: str = ""
    """The hash trusted, where it is not the network's."""
    word: tuple[str, ...] = ()
    """Of a bundle that proves its claim: what it rests on besides."""

    def value(self) -> dict[str, Any]:
        """As it is written down."""
        rest: dict[str, Any] = {"captured": True} if self.captured else {}
        rest |= {"witnesses_min": self.witnesses_min} if self.witnesses_min != 1 else {}
        rest |= {"genesis": self.genesis} if self.genesis else {}
        rest |= {"word": list(self.word)} if self.word else {}
        splices = [splice.value() for splice in self.splices]
        return {"name": self.name, "reason": self.reason, "base": self.base, **rest, "splices": splices}

    @classmethod
    def read(cls, value: dict[str, Any]) -> Vector:
        """From what was written down."""
        rest = {name: value[name] for name in ("captured", "witnesses_min", "genesis") if name in value}
        splices = tuple(Splice.read(item) for item in value["splices"])
        return cls(value["name"], value["base"], value["reason"], splices, word=tuple(value.get("word", ())), **rest)


@dataclass(frozen=True)
class Network:
    """A network's plain bundle, and the hash of its block 0."""

    genesis: str
    bundle: bytes


@dataclass(frozen=True)
class Corpus:
    """All vectors."""

    now: int
    """When verifiers look, in seconds since 1970."""
    networks: dict[str, Network]
    vectors: tuple[Vector, ...]

    def text(self, name: str) -> bytes:
        """Return the bundle of a network or a vector."""
        if name in self.networks:
            return self.networks[name].bundle
        vector = self.vector(name)
        return spliced(self.text(vector.base), vector.splices)

    def genesis(self, vector: Vector) -> bytes:
        """Return the hash that a vector's verifier trusts."""
        base = vector.base
        while base not in self.networks:
            base = self.vector(base).base
        return bytes.fromhex(vector.genesis or self.networks[base].genesis)

    def vector(self, name: str) -> Vector:
        """Return one vector."""
        return next(vector for vector in self.vectors if vector.name == name)

    def captured(self) -> Corpus:
        """Return what cannot be derived."""
        return replace(self, vectors=tuple(vector for vector in self.vectors if vector.captured))


def spliced(text: bytes, splices: Sequence[Splice]) -> bytes:
    """Return a text after its splices, whose places are those of the text before."""
    for splice in sorted(splices, key=lambda splice: splice.at, reverse=True):
        text = text[: splice.at] + splice.insert * splice.times + text[splice.at + splice.remove :]
    return text


def difference(before: bytes, after: bytes) -> tuple[Splice, ...]:
    """Return splices that make ``after`` of ``before``: JSON strings are compared, and what is in those that differ."""
    return tuple(_trimmed(before, *part) for part in _parts(before, after, _TOKEN))


def _parts(before: bytes, after: bytes, token: re.Pattern[bytes], at: int = 0) -> Iterator[tuple[int, int, bytes]]:
    old, new = token.findall(before), token.findall(after)
    starts = list(accumulate(map(len, old), initial=at))
    if b"".join(old) != before or b"".join(new) != after:
        yield at, at + len(before), after
        return
    for tag, begin, end, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "replace" and token is _TOKEN and end - begin == last - first == 1 and len(new[first]) > 1_000:
            yield from _parts(old[begin], new[first], _GROUPS, starts[begin])
        elif tag != "equal":
            yield starts[begin], starts[end], b"".join(new[first:last])


def _trimmed(before: bytes, begin: int, end: int, insert: bytes) -> Splice:
    """Return the splice without what stays as it was at its beginning and its end."""
    while begin < end and insert and before[begin] == insert[0]:
        begin, insert = begin + 1, insert[1:]
    while begin < end and insert and before[end - 1] == insert[-1]:
        end, insert = end - 1, insert[:-1]
    return Splice(begin, end - begin, insert)


def read_corpus(file: Path = FILE) -> Corpus:
    """Return a corpus as published."""
    value = json.loads(gzip.decompress(file.read_bytes()))
    networks = {
        name: Network(network["genesis"], network["bundle"].encode()) for name, network in value["networks"].items()
    }
    return Corpus(value["now"], networks, tuple(Vector.read(item) for item in value["vectors"]))


def write_corpus(corpus: Corpus, file: Path = FILE) -> None:
    """Write a corpus, the same bytes for the same vectors."""
    file.write_bytes(gzip.compress(corpus_text(corpus), mtime=0))


def corpus_text(corpus: Corpus) -> bytes:
    """Return the corpus as JSON, one vector a line."""
    networks = {
        name: {"genesis": network.genesis, "bundle": network.bundle.decode()}
        for name, network in corpus.networks.items()
    }
    vectors = ",\n".join(json.dumps(vector.value(), ensure_ascii=False) for vector in corpus.vectors)
    head = f'"now": {corpus.now},\n"networks": {json.dumps(networks, ensure_ascii=False)}'
    return f'{{\n{head},\n"vectors": [\n{vectors}\n]\n}}\n'.encode()


def main() -> None:
    """Make the derived vectors anew."""
    from tests.support.proof_edits import derive

    captured = read_corpus().captured()
    write_corpus(replace(captured, vectors=(*captured.vectors, *derive(captured))))


if __name__ == "__main__":
    main()
