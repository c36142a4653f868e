"""The verifier in one HTML file against the published vectors.

Aim: two verifiers that share no code say the same of every bundle, and for the same reason. Method: the page's own
script runs under Node over ``fixtures/proofs/vectors.json.gz``, read by a program in JavaScript; and in a headless
Chromium the page itself is opened from its file, as a supervisor opens it.

To run the first: Node 20.9 or later on the PATH. To run the second: ``pip install playwright``, and a Chromium that it
finds (``playwright install chromium``) or that ``DWAYBANK_CHROMIUM`` names.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from network.bundle_claims import VerifiedClaim
from network.bundle_verifier import BundleVerifier
from tests.support.browser import require_playwright
from tests.support.consortium_in_memory import ConsortiumInMemory, make_material
from tests.support.many_edits import MANY_FILE
from tests.support.node_packages import require_node
from tests.support.proof_scenario import COSIGNED_AT, long_lived
from tests.support.proof_vectors import FILE, Corpus, Network, Vector, read_corpus, write_corpus
from tests.support.verifier_page import PAGE

pytestmark = pytest.mark.interop

HARNESS = Path(__file__).parents[1] / "support" / "html_verifier.mjs"
CORPUS, MANY = read_corpus(), read_corpus(MANY_FILE)
VECTORS = [(FILE, vector) for vector in CORPUS.vectors] + [(MANY_FILE, vector) for vector in MANY.vectors]


@pytest.fixture(scope="module")
def answers() -> dict[tuple[Path, str], dict[str, Any]]:
    """What the page's script says of each vector."""
    require_node()
    found = {}
    for file in (FILE, MANY_FILE):
        done = subprocess.run(
            ["node", str(HARNESS), str(PAGE), str(file)], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            answer = json.loads(line)
            found[file, answer["name"]] = answer
    return found


@pytest.mark.parametrize(("file", "vector"), VECTORS, ids=lambda value: getattr(value, "name", ""))
def test_script_of_the_page_answers_as_published(  # type: ignore[no-untyped-def]
    file: Path, vector, answers: dict[tuple[Path, str], dict[str, Any]]
) -> None:
    answer = answers[file, vector.name]
    assert answer["reason"] == vector.reason, answer["message"]
    if vector.reason is None:
        assert tuple(answer["word"]) == vector.word


def test_channel_of_many_years_is_proved_by_both_verifiers(tmp_path: Path) -> None:
    # Once a bundle had room for 256 blocks and 64 definitions: a configuration a week passes that in five years.
    require_node()
    consortium = ConsortiumInMemory(make_material(tmp_path / "crypto"))
    bundle = asyncio.run(long_lived(consortium, updates=300, definitions=70))
    proved = BundleVerifier(consortium.genesis_hash).verify(bundle)
    assert isinstance(proved, VerifiedClaim)
    assert len(proved.heads[0].witnesses) == 2
    network = Network(consortium.genesis_hash.hex(), bundle)
    file = tmp_path / "corpus.json.gz"
    write_corpus(Corpus(COSIGNED_AT, {"old": network}, (Vector("old_channel", "old", None, ()),)), file)
    done = subprocess.run(
        ["node", str(HARNESS), str(PAGE), str(file)], capture_output=True, text=True, timeout=300, check=False
    )
    assert json.loads(done.stdout) == {"name": "old_channel", "reason": None, "word": list(proved.word)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    api = require_playwright("sync_api")
    with api.sync_playwright() as playwright:
        path = os.environ.get("DWAYBANK_CHROMIUM") or shutil.which("chromium")
        try:
            # Inside containers Chromium's own sandbox often cannot start; the page it is to open is our own.
            chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(
                f"no Chromium: playwright install chromium, or name it in DWAYBANK_CHROMIUM: {error.message[:200]}"
            )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """The page, opened from its file; every request it makes and every fault it meets is remembered."""
    opened = browser.new_page()
    opened.asked, opened.faults = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("console", lambda message: opened.faults.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: opened.faults.append(str(error)))
    opened.goto(PAGE.as_uri())
    yield opened
    assert opened.asked == [PAGE.as_uri()]
    assert opened.faults == []
    opened.close()


def verify(page: Any, *files: Path, genesis: str = CORPUS.networks["network"].genesis) -> None:
    """Do what a supervisor does."""
    page.get_by_label("Hash of the genesis block").fill(genesis)
    page.get_by_label("Proof bundles").set_input_files([str(file) for file in files])
    page.get_by_role("button", name="Verify").click()
    # Not by a condition in JavaScript: the page's policy forbids its evaluation.
    page.locator("article").nth(len(files) - 1).wait_for()


@pytest.fixture
def bundles(tmp_path: Path) -> dict[str, Path]:
    """A good bundle, one with another amount, and one whose fields are markup."""
    texts = {name: CORPUS.text(name) for name in ("entry_of_a_real_network", "shown_amount")}
    texts["markup"] = texts["shown_amount"].replace(
        b'"amount_minor"', b'"<img src=x onerror=alert(1)>":1,"amount_minor"'
    )
    for name, text in texts.items():
        (tmp_path / f"{name}.json").write_bytes(text)
    return {name: tmp_path / f"{name}.json" for name in texts}


def test_supervisor_sees_verdicts_checks_and_the_entry(page: Any, bundles: dict[str, Path]) -> None:
    verify(page, *bundles.values())
    good, bent, _ = page.locator("article").all()
    assert good.get_by_role("heading").inner_text() == "PROVED: entry_of_a_real_network.json"
    assert "Entry 500 of DwaybankMSP is attested" in good.inner_text()
    assert good.locator("li.holds").count() == 10
    assert good.get_by_role("row", name="posting 1").count() == 1
    assert bent.get_by_role("heading").inner_text() == "NOT PROVED: shown_amount.json"
    assert "wrong_fields" in bent.inner_text()
    assert (bent.locator("li.holds").count(), bent.locator("li.refused").count()) == (9, 1)
    assert page.locator("article img").count() == 0


def test_supervisor_sees_what_claims_prove_and_what_is_the_banks_word(page: Any, tmp_path: Path) -> None:
    names = ("statement", "day_close_of_a_period", "growth", "fork", "day_close__balance_missing")
    for name in names:
        (tmp_path / f"{name}.json").write_bytes(MANY.text(name))
    genesis = MANY.networks["channel"].genesis
    verify(page, *(tmp_path / f"{name}.json" for name in names), genesis=genesis)
    statement, close, growth, fork, bent = page.locator("article").all()
    assert "9 of those shown touch account bob in EUR" in statement.inner_text()
    assert (statement.get_by_role("row").count(), "Not proved" in statement.inner_text()) == (10, False)
    assert "Not proved: the balances before the range" in close.inner_text()
    assert close.get_by_role("row").count() == 10
    assert "The log of 24 entries begins with that of 6, unchanged." in growth.inner_text()
    assert "DwaybankMSP forked its log" in fork.inner_text()
    assert bent.get_by_role("heading").inner_text() == "NOT PROVED: day_close__balance_missing.json"
    assert "wrong_totals" in bent.inner_text()


def test_another_genesis_block_is_refused_and_what_is_no_hash_is_not_taken(page: Any, bundles: dict[str, Path]) -> None:
    verify(page, bundles["entry_of_a_real_network"], genesis="00" * 32)
    assert "wrong_genesis" in page.locator("article").inner_text()
    page.get_by_label("Hash of the genesis block").fill("not a hash")
    page.get_by_role("button", name="Verify").click()
    assert page.locator("#genesis:invalid").count() == 1


def test_bundle_dropped_on_the_page_is_verified(page: Any, bundles: dict[str, Path]) -> None:
    page.get_by_label("Hash of the genesis block").fill(CORPUS.networks["network"].genesis)
    page.evaluate(
        """text => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], "dropped.json"));
            document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer }));
        }""",
        bundles["entry_of_a_real_network"].read_text(),
    )
    page.wait_for_selector("article")
    assert page.get_by_role("heading", level=2).inner_text() == "PROVED: dropped.json"


def test_page_cannot_connect_even_if_it_wanted_to(page: Any) -> None:
    outcome = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'connected', (error) => error.name)")
    assert outcome == "TypeError"
    assert any("Content Security Policy" in fault for fault in page.faults)
    page.faults.clear()


def test_page_is_worked_by_keyboard_alone(page: Any) -> None:
    focused = []
    for _ in range(4):
        page.keyboard.press("Tab")
        focused.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert focused == ["genesis", "witnesses", "files", "BUTTON"]


KEEP = """([name, text]) => {
    window.read = (digits) => {
        const text = atob(digits), bytes = new Uint8Array(text.length);
        for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
        return bytes;
    };
    (window.texts ??= new Map()).set(name, window.read(text));
}"""
ANSWER = """async ([base, splices, genesis, witnessesMin, now]) => {
    const before = window.texts.get(base), parts = [];
    let at = 0;
    for (const [begin, removed, insert, times] of splices) {
        parts.push(before.subarray(at, begin), ...Array(times).fill(window.read(insert)));
        at = begin + removed;
    }
    const bytes = new Uint8Array(await new Blob([...parts, before.subarray(at)]).arrayBuffer());
    const outcome = await verifyBundle(bytes, fromHex(genesis), { witnessesMin, now });
    return [bytes.length, outcome.proved ? null : outcome.reason];
}"""


def test_chromium_answers_every_vector_as_published(page: Any) -> None:
    wrong = {}
    for corpus in (CORPUS, MANY):
        for base in {vector.base for vector in corpus.vectors}:
            page.evaluate(KEEP, [base, base64.b64encode(corpus.text(base)).decode()])
        for vector in corpus.vectors:
            size = len(corpus.text(vector.name))
            if size > 1_000_000:  # made in the page, one part for each repeat; Node has judged it
                continue
            splices = [
                [splice.at, splice.remove, base64.b64encode(splice.insert).decode(), splice.times]
                for splice in sorted(vector.splices, key=lambda splice: splice.at)
            ]
            given = [vector.base, splices, corpus.genesis(vector).hex(), vector.witnesses_min, corpus.now]
            if (answer := page.evaluate(ANSWER, given)) != [size, vector.reason]:
                wrong[vector.name] = (answer, [size, vector.reason])
    assert wrong == {}
