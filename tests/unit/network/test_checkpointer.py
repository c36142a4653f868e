"""Checkpoints: what was saved is read back, the official clients' files too, and a damaged file is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from network.checkpointer import Checkpoint, FileCheckpointer, InMemoryCheckpointer
from network.client import ChaincodeEvent
from network.errors import WireError


def event(block: int, tx_id: str) -> ChaincodeEvent:
    return ChaincodeEvent(block, tx_id, "basic", "Paid", b"")


def place(checkpoint: Checkpoint) -> tuple[int | None, str]:
    return checkpoint.block_number, checkpoint.transaction_id


def test_new_checkpoint_says_nothing(tmp_path: Path) -> None:
    assert place(InMemoryCheckpointer()) == place(FileCheckpointer(tmp_path / "checkpoint")) == (None, "")


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_whole_block_is_followed_by_the_next_and_a_transaction_by_the_rest_of_its_block(
    tmp_path: Path, kind: str
) -> None:
    checkpoint = FileCheckpointer(tmp_path / "checkpoint") if kind == "file" else InMemoryCheckpointer()
    checkpoint.checkpoint_block(7)
    assert place(checkpoint) == (8, "")
    checkpoint.checkpoint_transaction(9, "tx9")
    assert place(checkpoint) == (9, "tx9")
    checkpoint.checkpoint_chaincode_event(event(10, "tx10"))
    assert place(checkpoint) == (10, "tx10")
    checkpoint.checkpoint_block(0)
    assert place(checkpoint) == (1, "")


def test_last_place_saved_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    checkpoint = FileCheckpointer(path)
    for number in (3, 4):
        checkpoint.checkpoint_chaincode_event(event(number, f"tx{number}"))
        assert place(FileCheckpointer(path)) == place(checkpoint) == (number, f"tx{number}")
    checkpoint.checkpoint_block(4)
    assert place(FileCheckpointer(path)) == (5, "")
    assert [item.name for item in tmp_path.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"blockNumber":"12","transactionId":"tx"}', (12, "tx")),
        ('{"blockNumber":12,"transactionId":"tx"}', (12, "tx")),
        ('{"blockNumber":12}', (12, "")),
        ("{}", (None, "")),
        ("", (None, "")),
    ],
)
def test_files_of_the_official_clients_are_read(tmp_path: Path, content: str, expected: tuple[int | None, str]) -> None:
    (tmp_path / "checkpoint").write_text(content)
    assert place(FileCheckpointer(tmp_path / "checkpoint")) == expected


def test_file_has_the_form_the_official_clients_read(tmp_path: Path) -> None:
    checkpoint = FileCheckpointer(tmp_path / "checkpoint")
    checkpoint.checkpoint_transaction(2**53 + 1, "tx")
    assert json.loads((tmp_path / "checkpoint").read_text()) == {"blockNumber": 2**53 + 1, "transactionId": "tx"}


def test_write_that_was_cut_off_leaves_the_last_place(tmp_path: Path) -> None:
    checkpoint = FileCheckpointer(tmp_path / "checkpoint")
    checkpoint.checkpoint_block(6)
    (tmp_path / "checkpoint.new").write_text('{"blockNu')
    again = FileCheckpointer(tmp_path / "checkpoint")
    assert place(again) == (7, "")
    again.checkpoint_block(7)
    assert place(FileCheckpointer(tmp_path / "checkpoint")) == (8, "")


@pytest.mark.parametrize(
    "content",
    ["x", "[]", "7", '{"blockNumber": "x"}', '{"blockNumber": -1}', '{"blockNumber": 1.5}', '{"transactionId": 5}'],
)
def test_damaged_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "checkpoint"
    path.write_text(content)
    with pytest.raises(WireError, match=r"checkpoint.*remove it to start anew"):
        FileCheckpointer(path)
