"""The events' checkpoint file: what was saved is read back, and a damaged file is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from network.client import ChaincodeEvent
from network.errors import WireError
from network.event_checkpoint import EventCheckpoint


def event(block: int, tx_id: str) -> ChaincodeEvent:
    return ChaincodeEvent(block, tx_id, "basic", "Paid", b"")


def test_new_checkpoint_starts_at_the_next_block(tmp_path: Path) -> None:
    checkpoint = EventCheckpoint(tmp_path / "checkpoint")
    assert (checkpoint.block_number, checkpoint.tx_id) == (None, "")


def test_last_event_saved_is_read_back(tmp_path: Path) -> None:
    checkpoint = EventCheckpoint(tmp_path / "checkpoint")
    for number in (3, 4):
        checkpoint.save(event(number, f"tx{number}"))
        again = EventCheckpoint(tmp_path / "checkpoint")
        assert (
            (again.block_number, again.tx_id) == (checkpoint.block_number, checkpoint.tx_id) == (number, f"tx{number}")
        )
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"block_number": "1", "tx_id": ""}', '{"block_number": -1, "tx_id": ""}']
)
def test_damaged_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "checkpoint"
    path.write_text(content)
    with pytest.raises(WireError, match=r"checkpoint.*remove it to start anew"):
        EventCheckpoint(path)
