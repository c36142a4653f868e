"""The official Fabric Gateway client for Node against a running consortium.

Aim: a client that knows nothing of this project submits, evaluates, follows events and blocks, signs offline, and reads
our errors as it reads Fabric's. Method: ``node_gateway/drive.mjs`` performs all steps once and prints what it saw; each
test judges one step.

To run it: Node 20.9 or later with npm on the PATH, and a package registry that npm can reach the first time (packages
are kept in a cache folder afterwards; ``DWAYBANK_NODE_MODULES`` may name a folder where ``npm ci`` has been run).
``DWAYBANK_CONNECTION_PROFILE`` may name the connection profile of a consortium that runs already; otherwise one is
started for the test and removed afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.consortium import free_base_port
from tests.support.node_packages import installed_packages

pytestmark = pytest.mark.interop

HERE = Path(__file__).parent / "node_gateway"
REPOSITORY = Path(__file__).parents[2]
MVCC_READ_CONFLICT, VALID = 11, 0
UNKNOWN, FAILED_PRECONDITION, ABORTED, UNAVAILABLE = 2, 9, 10, 14


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The official client, installed once for each content of package-lock.json."""
    return installed_packages(HERE)


@pytest.fixture(scope="module")
def profile() -> Iterator[dict[str, Any]]:
    """The connection profile of a running consortium."""
    if given := os.environ.get("DWAYBANK_CONNECTION_PROFILE"):
        yield json.loads(Path(given).read_text())
        return
    with tempfile.TemporaryDirectory(prefix="dwaybank-interop-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        port = str(free_base_port())
        started = subprocess.run(
            [sys.executable, "-m", "node", "up", "--home", str(home), "--base-port", port],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert started.returncode == 0, started.stderr
        try:
            found = sorted(home.glob("*/connection-profile.json"))
            yield json.loads(found[0].read_text())
        finally:
            subprocess.run(
                [sys.executable, "-m", "node", "down", "--home", str(home)], cwd=REPOSITORY, timeout=60, check=True
            )


def settings_of(profile: dict[str, Any]) -> dict[str, str]:
    """Return what drive.mjs needs of a connection profile: the client organization's own first peer and user."""
    organization = profile["organizations"][profile["client"]["organization"]]
    peer = profile["peers"][organization["peers"][0]]
    tls = profile["client"]["tlsCerts"]["client"]
    user = Path(tls["cert"]["path"]).parents[1]
    return {
        "address": peer["url"].removeprefix("grpcs://"),
        "serverName": peer["grpcOptions"]["ssl-target-name-override"],
        "channel": next(iter(profile["channels"])),
        "mspId": organization["mspid"],
        "rootsPem": Path(peer["tlsCACerts"]["path"]).read_text(),
        "tlsCertificatePem": Path(tls["cert"]["path"]).read_text(),
        "tlsKeyPem": Path(tls["key"]["path"]).read_text(),
        "certificatePem": next((user / "msp" / "signcerts").glob("*.pem")).read_text(),
        "keyPem": next((user / "msp" / "keystore").iterdir()).read_text(),
    }


@pytest.fixture(scope="module")
def seen(node_modules: Path, profile: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the official client saw, by step."""
    folder = tmp_path_factory.mktemp("drive")
    # Module resolution starts from the script's own folder, so the script goes beside the packages' link.
    shutil.copy(HERE / "drive.mjs", folder / "drive.mjs")
    (folder / "node_modules").symlink_to(node_modules)
    settings = folder / "settings.json"
    settings.write_text(json.dumps(settings_of(profile)))
    settings.chmod(0o600)
    done = subprocess.run(
        ["node", "drive.mjs", str(settings)], cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    steps: dict[str, Any] = json.loads(done.stdout)
    return steps


def test_submit_commits_and_returns_the_contracts_result(seen: dict[str, Any]) -> None:
    submitted = seen["submit"]
    assert (submitted.get("successful"), submitted.get("code")) == (True, VALID), submitted
    assert submitted["blockNumber"] > 0
    assert submitted["result"]["demand_id"] == submitted["id"]
    assert submitted["result"]["transaction_id"] == submitted["transactionId"]


def test_evaluate_reads_what_was_submitted(seen: dict[str, Any]) -> None:
    assert seen["evaluate"] == seen["submit"]["result"]


def test_chaincode_event_comes_with_its_transaction_and_block(seen: dict[str, Any]) -> None:
    event = seen["chaincodeEvent"]
    assert (event.get("name"), event.get("chaincode")) == ("Demand", "audit"), event
    assert event["payload"]["demand_id"] == event["id"]
    assert event["sameTransaction"]
    assert event["sameBlock"]


def test_events_resume_after_a_checkpoint_without_gap_or_repetition(seen: dict[str, Any]) -> None:
    assert seen["checkpoint"].get("seen") == seen["checkpoint"].get("sent") is not None, seen["checkpoint"]


def test_contract_that_refuses_is_an_endorse_error_with_the_peers_own_words(seen: dict[str, Any]) -> None:
    error = seen["endorseError"]
    assert (error.get("name"), error.get("code")) == ("EndorseError", ABORTED), error
    assert error["transactionId"]
    assert error["details"]
    for detail in error["details"]:
        assert detail["mspId"].endswith("MSP")
        assert detail["address"]
        assert "demand_exists" in detail["message"]


def test_contract_that_refuses_an_evaluation_is_an_unknown_error_with_its_words(seen: dict[str, Any]) -> None:
    error = seen["evaluateError"]
    assert (error.get("name"), error.get("code")) == ("GatewayError", UNKNOWN), error
    assert "there is no demand" in error["details"][0]["message"]


def test_transaction_that_lost_a_race_is_reported_as_an_mvcc_conflict(seen: dict[str, Any]) -> None:
    assert seen["commitError"] == {"winner": VALID, "loser": MVCC_READ_CONFLICT, "successful": False}


def test_one_of_two_conflicting_submissions_fails_and_says_at_which_stage(seen: dict[str, Any]) -> None:
    outcomes = seen["submitTransactionConflict"]
    assert sum(outcome == "committed" for outcome in outcomes) == 1, outcomes
    (lost,) = [outcome for outcome in outcomes if outcome != "committed"]
    assert lost["name"] in {"CommitError", "EndorseError"}


@pytest.mark.parametrize(
    ("step", "absent", "code"),
    [("unknownChaincode", "nothing_here", FAILED_PRECONDITION), ("unknownChannel", "nowhere", UNAVAILABLE)],
)
def test_unknown_chaincode_or_channel_is_named(seen: dict[str, Any], step: str, absent: str, code: int) -> None:
    assert (seen[step].get("name"), seen[step].get("code")) == ("GatewayError", code), seen[step]
    assert absent in seen[step]["message"]


def test_blocks_and_filtered_blocks_are_delivered(seen: dict[str, Any]) -> None:
    block = seen["blockEvents"]
    assert (block.get("number"), block.get("filteredNumber")) == (1, 1), block
    assert block["transactions"] == block["flags"] == block["filteredTransactions"] > 0


def test_offline_signing_commits(seen: dict[str, Any]) -> None:
    assert seen["offlineSigning"] == {"successful": True, "code": VALID}


def test_signature_over_another_proposal_is_refused(seen: dict[str, Any]) -> None:
    error = seen["forgedSignature"]
    assert (error.get("name"), error.get("code")) == ("EndorseError", ABORTED), error
    assert "access denied" in error["details"][0]["message"]


def test_no_stream_failed_unseen(seen: dict[str, Any]) -> None:
    assert seen["uncaught"] == []
