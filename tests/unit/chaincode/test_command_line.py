"""Aim: `python -m chaincode` serves, dials and lints, with the environment that Fabric's deployments set.

Method: real processes for serve; wrong options through `main`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from chaincode.__main__ import main
from chaincode.shim.server import CONNECT
from network.rpc import Channel
from node.ports import free_port
from tests.support.contract_runner import outcome_of
from tests.support.contract_state import CommittedState, serialized_identity, signed_proposal
from tests.support.stream_peer import StreamPeer

ROOT = Path(__file__).resolve().parents[3]


async def test_serve_when_started_from_the_environment_then_peers_connect_and_sigterm_ends_it() -> None:
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CHAINCODE_SERVER_ADDRESS": f"127.0.0.1:{port}",
        "CHAINCODE_ID": "audit:abc",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "chaincode", "serve", "chaincode.audit:AuditContract"),
        env=environment,
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(20):
            while b"chaincode_listening" not in (line := await process.stderr.readline()):
                assert line, "the process ended"
        channel = Channel(f"127.0.0.1:{port}", None)
        peer = StreamPeer(CommittedState())
        reader = asyncio.create_task(peer.read(channel.bidi(CONNECT, peer.outgoing(), None)))
        async with asyncio.timeout(10):
            await peer.ready.wait()
        assert peer.registered == "audit:abc"
        proposal = signed_proposal(serialized_identity("BankMSP"))
        outcome = outcome_of(await peer.invoke("t", [b"GetLog", b"BankMSP"], proposal))
        assert (outcome.status, outcome.code) == (404, "not_found")
        peer.hang_up()
        await asyncio.gather(reader, return_exceptions=True)
        await channel.close()
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            _, errors = await process.communicate()
    assert process.returncode == 0, errors


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["serve", "chaincode.audit:AuditContract"], {}, "no package id"),
        (["serve", "nonsense", "--package-id", "a:b"], {}, "names no contract"),
        (["serve", "chaincode.audit:AuditContract", "--address", "nowhere"], {"CHAINCODE_ID": "a:b"}, "not host:port"),
        (["serve", "chaincode.audit:AuditContract", "--address", "x:99999"], {"CHAINCODE_ID": "a:b"}, "not host:port"),
        (
            ["serve", "chaincode.audit:AuditContract"],
            {"CHAINCODE_ID": "a:b", "CHAINCODE_TLS_DISABLED": "false", "CHAINCODE_TLS_KEY": __file__},
            "needs both",
        ),
        (
            ["serve", "chaincode.audit:AuditContract", "--client-roots", __file__],
            {"CHAINCODE_ID": "a:b"},
            "works with TLS only",
        ),
        (["dial", "chaincode.audit:AuditContract", "--roots", "/does/not/exist"], {"CHAINCODE_ID": "a:b"}, "not/exist"),
        (["dial", "chaincode.audit:AuditContract"], {}, "no package id"),
    ],
)
def test_command_when_options_do_not_fit_then_one_sentence_and_exit_code_1(
    arguments: list[str], environment: dict[str, str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, environment) == 1
    errors = capsys.readouterr().err
    assert expected in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [("def x(:\n", "SyntaxError: invalid syntax (broken_contract.py, line 1)"), ("1 / 0\n", "ZeroDivisionError")],
)
def test_serve_when_the_module_is_broken_then_one_sentence_says_where(
    source: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken_contract.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["serve", "broken_contract:X", "--package-id", "a:b"], {}) == 1
    errors = capsys.readouterr().err
    assert expected in errors
    assert errors.count("\n") == 1


def test_lint_when_run_then_findings_and_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, broken = tmp_path / "good.py", tmp_path / "bad.py", tmp_path / "broken.py"
    good.write_text("import re\n")
    bad.write_text("\nimport time\n")
    broken.write_text("def\n")
    assert main(["lint", str(good)], {}) == 0
    assert main(["lint", str(good), str(bad)], {}) == 1
    assert capsys.readouterr().out == f"{bad}:2: imports time, which is not known to be deterministic\n"
    assert main(["lint", str(broken)], {}) == 1
    assert "is no Python" in capsys.readouterr().err
