"""Aim: both verifiers say the same of bundles that nobody thought of, and for the same reason.

Method: a channel's parts are bent one at a time, each in the manner of its bytes, before whatever is signed over them
is signed (``tests/support/twin_world.py``); both verifiers judge what comes of it. A number tells the whole bundle.
What was found so once is in ``FOUND``; to look further:
``python -m tests.interop.test_verifiers_agree FROM TO [STAGE ...]``.

To run: Node 20.9 or later on the PATH.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from network.bundle_verifier import BundleVerifier
from network.errors import ProofError
from node.audit.entry_fields import describe_entry, read_entry
from tests.support.node_packages import require_node
from tests.support.twin_world import NOW, STAGES, bent_bundle
from tests.support.verifier_page import PAGE

pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("ignore:Parsed a serial number:cryptography.utils.CryptographyDeprecationWarning"),
]

HARNESS = Path(__file__).parents[1] / "support" / "html_verifier_lines.mjs"
NUMBERS = range(5)
FOUND = [
    *(("authority", number) for number in (30, 76, 118, 189)),  # DER read too loosely by the page
    *(("authority", number) for number in (216, 269, 278)),  # a root that names another as its issuer
    ("authority", 314),  # a name that holds one part twice in a set
    *(("leaf", number) for number in (116, 172)),
    ("certificate", 416),  # bytes behind a signature with a high S, which the certificate in canonical form has no more
    *(("cert_signature", number) for number in (8, 68, 54)),  # bytes behind the two integers of an issuer's signature
    *(("revocation", number) for number in (1, 4, 14, 17, 35, 36, 38, 41)),
    *(("config", number) for number in (130, 188)),  # map entries that Python's protobuf takes for none
    ("signature_header", 109),  # of a configuration, which the page did not read
    *(("log_key", number) for number in (0, 15)),  # a lone surrogate in a key's name: a fault, and no answer
    ("witness_key", 201),
]
UNABLE = "no verdict"
"""What the page says where it lacks an algorithm."""


class Page:
    """The HTML verifier's script under Node."""

    def __init__(self) -> None:
        command = ["node", str(HARNESS), str(PAGE)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def reason(self, bundle: bytes, genesis_hash: bytes) -> str | None:
        """Return why a bundle is refused; None where it proves its entry."""
        asked = {"genesis": genesis_hash.hex(), "witnesses_min": 1, "now": NOW.timestamp()}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked | {"bundle": base64.b64encode(bundle).decode()}) + "\n")
        self.process.stdin.flush()
        reason: str | None = json.loads(self.process.stdout.readline())["reason"]
        return reason

    def close(self) -> None:
        """End it."""
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def html() -> Iterator[Page]:
    """The page's script."""
    require_node()
    page = Page()
    yield page
    page.close()


def reason_of(bundle: bytes, genesis_hash: bytes) -> str | None:
    """Return what ``dwaybank verify`` says."""
    try:
        BundleVerifier(genesis_hash, describe=describe_entry, read=read_entry).verify(bundle, NOW)
    except ProofError as error:
        return error.reason
    return None


@pytest.mark.parametrize("stage", STAGES)
def test_part_bent_at_random_is_judged_alike(html: Page, stage: str) -> None:
    for number in NUMBERS:
        bundle, genesis_hash = bent_bundle(stage, number)
        answer = html.reason(bundle, genesis_hash)
        assert answer in (reason_of(bundle, genesis_hash), UNABLE), f"{stage} {number}"


@pytest.mark.parametrize(("stage", "number"), FOUND)
def test_bundle_that_was_judged_differently_is_judged_alike(html: Page, stage: str, number: int) -> None:
    bundle, genesis_hash = bent_bundle(stage, number)
    answer = html.reason(bundle, genesis_hash)
    assert answer == reason_of(bundle, genesis_hash)
    assert answer is None or not answer.startswith("fault")


def main(first: int, last: int, stages: list[str]) -> None:
    """Print every difference among these numbers."""
    page = Page()
    for number in range(first, last):
        for stage in stages or list(STAGES):
            bundle, genesis_hash = bent_bundle(stage, number)
            answers = (reason_of(bundle, genesis_hash), page.reason(bundle, genesis_hash))
            if answers[0] != answers[1] != UNABLE:
                sys.stdout.write(f"{stage} {number}: {answers[0]}, the page says {answers[1]}\n")
    page.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
