"""Aim: ``verify`` proves sound books and names each tampering; what it kept is enough to go on after any interruption.

Method: real PostgreSQL; books with everything, proved in ranges of ten entries so that each check crosses a border;
superuser SQL with triggers and constraints off; a run that is killed.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from ledger.audit import verify_books
from ledger.errors import CheckpointError
from ledger.journal import transfer
from ledger.verify_checkpoint import CheckpointFile
from tests.support.books import Clock, PlainRules, key, open_writer
from tests.support.rich_books import LAST, age
from tests.support.tampering import proved, tamper, told
from tests.support.tamperings import TAMPERINGS

KILLED = """
import sys, time
from pathlib import Path
from ledger.verify import Verification
from ledger.verify_checkpoint import CheckpointFile
from tests.support.books import verify

def stop(done, whole):
    if done >= 40:
        print("proved", flush=True)
        time.sleep(60)

checkpoint = CheckpointFile(Path(sys.argv[2]), every_s=0)
Verification(sys.argv[1], verify, workers=1, range_entries=10, checkpoint=checkpoint, progress=stop).run()
"""


def test_books_with_everything_are_sound_whatever_ranges_and_workers(url: str) -> None:
    age(url, 20)
    for settings in ({}, {"range_entries": 1}, {"range_entries": 1000}, {"workers": 2}):
        report = proved(url, **settings)
        assert (told(report), report.entry_count, report.standing.account_count) == ([], LAST, 6)
    assert {line for line in report.standing.totals.values() if any(line)} == {(7855, 7855), (1900, 1900)}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_each_tampering_is_named_first_and_fully(url: str, name: str) -> None:
    statement, first, other = TAMPERINGS[name]
    tamper(url, statement)
    found = told(proved(url))
    assert found[0] == first
    assert other in found


def test_tampering_is_told_alike_by_the_short_form_and_by_large_ranges(url: str) -> None:
    tamper(url, "UPDATE ledger.entry SET debit_balance = 1, credit_previous = 3 WHERE seq = 11")
    with psycopg.connect(url, autocommit=True) as connection:
        short = [f"{found.subject}: {found.problem}" for found in verify_books(connection)]
    assert short == told(proved(url)) == told(proved(url, range_entries=500))
    assert [text.partition(":")[0] for text in short] == ["entry 11"] * 2


def test_killed_run_goes_on_where_it_was_and_tells_what_it_had_found(url: str, tmp_path: Path) -> None:
    tamper(url, "UPDATE ledger.entry SET debit_balance = 1 WHERE seq = 11")
    whole = proved(url)
    path = tmp_path / "checkpoint.json"
    with subprocess.Popen([sys.executable, "-c", KILLED, url, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"proved\n"
        process.send_signal(signal.SIGKILL)
    kept = json.loads(path.read_text())
    resumed = proved(url, checkpoint=CheckpointFile(path))
    assert resumed.resumed_after == kept["bounds"][1] == 30
    assert (told(resumed), resumed.digest, resumed.entry_count) == (told(whole), whole.digest, LAST)
    assert not path.exists()


def interrupt(url: str, path: Path) -> None:
    def stop(done: int, whole: int) -> None:
        if done >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        proved(url, checkpoint=CheckpointFile(path), progress=stop)


REFUSED = {
    "entry gone": ("DELETE FROM ledger.entry WHERE seq >= 50", "entry 50, where it ends, is gone"),
    "entry of other books": ("UPDATE ledger.entry SET leaf = sha256(leaf) WHERE seq = 50", "is not the one"),
    "older books": ("UPDATE ledger.head SET epoch = 0", "the books are older than it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_checkpoint_of_other_books_is_refused(url: str, tmp_path: Path, name: str) -> None:
    path = tmp_path / "checkpoint.json"
    interrupt(url, path)
    statement, reason = REFUSED[name]
    tamper(url, statement)
    with pytest.raises(CheckpointError, match=reason):
        proved(url, checkpoint=CheckpointFile(path))
    assert path.exists()


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', "[]", '{"format": 1, "bounds": 3}'])
def test_file_that_is_no_checkpoint_is_refused(url: str, tmp_path: Path, text: str) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=r"remove it to verify everything"):
        proved(url, checkpoint=CheckpointFile(path))


def test_entries_posted_meanwhile_are_proved_too(url: str) -> None:
    with open_writer(url, Clock(), PlainRules()) as writer:
        numbers = iter(range(1000, 2000))

        def post(done: int, whole: int) -> None:
            if done < 90:
                writer.post([transfer(key(next(numbers)), "cash", "alice", 3) for _ in range(7)])

        report = proved(url, progress=post)
    assert told(report) == []
    assert report.entry_count > LAST
