"""Remembers in a file how far a listener has come with chaincode events, so that it resumes without gap or repetition.

Example:
    checkpoint = EventCheckpoint(Path("listener.checkpoint"))
    start, after = checkpoint.block_number, checkpoint.tx_id
    async for event in client.chaincode_events("basic", start_block=start, after_tx_id=after):
        handle(event)
        checkpoint.save(event)

Rules
- An event is saved after it has been dealt with: a crash between the two repeats that one event, and loses none.
- The file is replaced whole and is durable when ``save`` returns.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from network.client import ChaincodeEvent
from network.errors import WireError


class EventCheckpoint:
    """The last event dealt with.

    Attributes:
        block_number: its block; ``None`` before the first event, which then starts at the next block committed.
        tx_id: its transaction; empty before the first event.

    Args:
        path: file to keep it in; need not exist.
    Raises:
        WireError: the file is not such a checkpoint.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.block_number: int | None = None
        self.tx_id = ""
        if path.exists():
            self._load()

    def save(self, event: ChaincodeEvent) -> None:
        """Record that ``event`` has been dealt with."""
        text = json.dumps({"block_number": event.block_number, "tx_id": event.tx_id})
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.block_number, self.tx_id = event.block_number, event.tx_id

    def _load(self) -> None:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            block_number, tx_id = content["block_number"], content["tx_id"]
        except (ValueError, KeyError, TypeError) as error:
            raise WireError(f"{self._path} is not an event checkpoint; remove it to start anew") from error
        if not isinstance(block_number, int) or not isinstance(tx_id, str) or block_number < 0:
            raise WireError(f"{self._path}: block_number or tx_id is of another kind; remove it to start anew")
        self.block_number, self.tx_id = block_number, tx_id
