"""What ``up`` accepts before it starts anything."""

from __future__ import annotations

import fcntl
import json
import socket
import threading
from pathlib import Path

import pytest

from node.errors import ConfigurationError, SupervisorError
from node.home import Home
from node.start import free_base_port, parse_database_urls, running_pid
from node.supervisor import hold_lock


def test_database_url_with_organization_is_taken() -> None:
    url = "postgresql://admin:secret@db.example/postgres"
    assert parse_database_urls([f"dwaybank={url}"]) == {"dwaybank": url}


@pytest.mark.parametrize("value", ["postgresql://x", "dwaybank", "dwaybank=mysql://x", "=postgresql://x", "dwaybank="])
def test_database_url_in_another_form_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ConfigurationError, match="write ORGANIZATION=postgresql://"):
        parse_database_urls([value])


def test_free_base_port_skips_a_taken_range() -> None:
    first = free_base_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        taken.listen()
        assert free_base_port() > first


def test_whoever_looks_whether_it_runs_is_taken_for_no_supervisor(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.run.mkdir()
    (home.run / "lock").touch()
    (home.run / "status.json").write_text(json.dumps({"pid": 4711}))
    with (home.run / "lock").open("r+") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert running_pid(home) is None
        threading.Timer(0.2, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        held = hold_lock(home)
    with held:
        assert running_pid(home) == 4711
        with pytest.raises(SupervisorError, match="running already"):
            hold_lock(home)
    assert running_pid(home) is None
