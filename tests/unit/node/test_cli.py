"""The command line as a stranger meets it: help for everything, one sentence for what goes wrong."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer import Context

from network.errors import RpcError
from network.rpc import StatusCode
from network.topology import default_consortium
from node.cli import _report, app, narrowed
from node.commands.options import with_node
from node.errors import ConfigurationError
from node.home import prepare_home
from node.own_node import OwnNode
from tests.support.consortium import free_base_port

REPOSITORY = Path(__file__).parents[3]
COMMANDS = (
    "up", "down", "status", "demo", "import", "post", "balance", "statement", "anchor", "proof", "verify", "verifier",
    "audit", "node", "orderer", "gateway", "gateway-certificate", "account", "review", "hold", "ledger", "chart",
    "reconcile", "schedule", "asset", "rate", "monitor", "webhook", "events",
)  # fmt: skip


def dwaybank(*arguments: str, umask: int = -1) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, umask=umask)


def test_help_lists_every_command() -> None:
    done = dwaybank("--help")
    assert done.returncode == 0
    assert [command for command in COMMANDS if f"  {command} " not in done.stdout] == []


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    done = dwaybank("--version")
    assert (done.returncode, done.stdout.split(",")[0]) == (0, f"dwaybank {project['version']}")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = dwaybank(command, "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout


def explained(group: Any, before: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Each command's and group's own help, by the words that call it."""
    found = {before: group.get_help(Context(group, info_name=" ".join(("dwaybank", *before))))}
    for name, command in getattr(group, "commands", {}).items():
        found |= explained(command, (*before, name))
    return found


def test_command_that_is_called_is_made_alone_and_is_the_same() -> None:
    whole = explained(typer.main.get_command(app))
    assert len(whole) > 150
    for words, text in whole.items():
        made = explained(typer.main.get_command(narrowed(app, [*words, "--home", "here"])))
        assert made[words] == text
        within = {other for other in whole if other[: len(words)] == words}
        assert set(made) == within | {words[:length] for length in range(len(words))}


def test_words_that_name_no_command_leave_all_to_choose_from() -> None:
    for words in ([], ["--help"], ["exprot"]):
        assert narrowed(app, words) is app
    (group,) = narrowed(app, ["ledger", "exprot"]).registered_groups
    assert group.typer_instance is next(info for info in app.registered_groups if info.name == "ledger").typer_instance
    done = dwaybank("ledger", "exprot")
    assert done.returncode == 2
    assert "No such command 'exprot'" in done.stderr
    assert "export" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("down",), "no consortium in"),
        (("status",), "no consortium in"),
        (("balance", "cash"), "no consortium in"),
        (("node", "--config", "nowhere.yaml"), "nowhere.yaml"),
        (("orderer", "--config", "nowhere.yaml"), "nowhere.yaml"),
        (("gateway", "--config", "nowhere.yaml"), "nowhere.yaml"),
        (("up", "--database-url", "dwaybank=oracle://x"), "write ORGANIZATION=postgresql://"),
    ],
)
def test_wrong_use_ends_in_one_sentence(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    home = () if "--config" in arguments else ("--home", str(tmp_path / "absent"))
    done = dwaybank(*arguments, *home)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_the_disk_refuses_is_named_in_one_sentence_and_no_fault(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert dwaybank("prepare", "--home", str(home)).returncode == 0
    (home / "run" / "lock").mkdir()
    done = dwaybank("status", "--home", str(home))
    assert (done.returncode, done.stderr) == (1, f"dwaybank: {home / 'run' / 'lock'}: Is a directory\n")


def test_home_made_under_a_umask_that_hides_nothing_is_nobody_elses_to_write(tmp_path: Path) -> None:
    done = dwaybank("prepare", "--home", str(tmp_path / "home"), umask=0)
    assert done.returncode == 0, done.stderr
    assert [path for path in (tmp_path / "home").rglob("*") if path.stat().st_mode & 0o022] == []


def test_fault_whose_file_cannot_be_written_is_told_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, told in ((tmp_path, "the details are in"), (tmp_path / "absent", "the details stand above, because")):
        monkeypatch.setenv("DWAYBANK_FAULTS", str(folder))
        assert _report(ZeroDivisionError("of the program")) == 2
        shown = capsys.readouterr().err
        assert told in shown and ("ZeroDivisionError: of the program" in shown) is not folder.exists()
    (kept,) = tmp_path.glob("dwaybank-fault-*.log")
    assert "ZeroDivisionError: of the program" in kept.read_text()


def test_html_verifier_is_written_as_it_stands_in_the_package(tmp_path: Path) -> None:
    page, copy = (REPOSITORY / "network" / "verifier.html").read_text(), tmp_path / "verifier.html"
    assert dwaybank("verifier").stdout == page
    done = dwaybank("verifier", "--out", str(copy))
    assert (done.returncode, copy.read_text()) == (0, page)
    assert str(copy) in done.stdout
    done = dwaybank("verifier", "--out", str(tmp_path / "absent" / "verifier.html"))
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1)


def test_html_verifier_goes_into_the_wheel() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert "verifier.html" in settings["tool"]["setuptools"]["package-data"]["network"]


def test_foreign_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    done = dwaybank("up", "--home", str(tmp_path))
    assert done.returncode == 1
    assert "holds files that are not ours" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_answer_that_begins_like_a_connection_that_failed_is_told_as_the_node_gave_it(tmp_path: Path) -> None:
    home, _ = prepare_home(tmp_path / "home", lambda: default_consortium(free_base_port()), datetime.now(UTC), {})

    async def refused(node: OwnNode) -> None:
        raise RpcError(StatusCode.UNAVAILABLE, "cannot connect to the rates of the day")

    with pytest.raises(RpcError, match="the rates of the day"):
        with_node(home.root, "dwaybank", refused)

    async def asked(node: OwnNode) -> None:
        await node.channel.unary("/nobody/listens", b"", 5)

    with pytest.raises(ConfigurationError, match=r"node is not reached: cannot connect to 127\.0\.0\.1"):
        with_node(home.root, "dwaybank", asked)


@pytest.mark.parametrize("module", ["node.process", "node.orderer_process"])
def test_a_service_loads_neither_rich_nor_what_it_brings(module: str) -> None:
    script = (
        "import importlib, sys\n"
        "from node.commands import processes\n"
        "processes._without_rich()\n"
        f"importlib.import_module({module!r})\n"
        "print({name.partition('.')[0] for name, loaded in sys.modules.items() if loaded} & {'rich', 'pygments'})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
