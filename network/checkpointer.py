"""Remembers how far a listener has come with events, so that it resumes without loss.

Example:
    checkpoint = FileCheckpointer(Path("listener.checkpoint"))
    async for event in client.chaincode_events("basic", checkpoint=checkpoint):
        handle(event)
        checkpoint.checkpoint_chaincode_event(event)

Rules
- A checkpoint is set after the event has been dealt with: a crash between the two repeats that event, and loses none.
  Who must not repeat it keeps the checkpoint where the event's effect is kept, in one transaction: anything with
  ``block_number`` and ``transaction_id`` will do as a checkpoint.
- The file is replaced whole and is durable when the call returns; the official clients for Go and Node read it too.

Source: fabric-gateway pkg/client/filecheckpointer.go and node/src/filecheckpointer.ts (the file's form).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Protocol

from network.client_stages import ChaincodeEvent
from network.errors import WireError


class Checkpoint(Protocol):
    """Where to go on: block, and the last transaction dealt with in it."""

    @property
    def block_number(self) -> int | None:
        """The block to go on with; None before the first event."""

    @property
    def transaction_id(self) -> str:
        """The last transaction dealt with in that block; empty for none of it."""


class InMemoryCheckpointer:
    """A checkpoint for as long as the process lives, e.g. to listen again after a broken stream."""

    def __init__(self) -> None:
        self.block_number: int | None = None
        self.transaction_id = ""

    def checkpoint_block(self, block_number: int) -> None:
        """Take note that all of a block has been dealt with."""
        self._set(block_number + 1, "")

    def checkpoint_transaction(self, block_number: int, transaction_id: str) -> None:
        """Take note that a block has been dealt with up to and including a transaction."""
        self._set(block_number, transaction_id)

    def checkpoint_chaincode_event(self, event: ChaincodeEvent) -> None:
        """Take note that an event has been dealt with."""
        self._set(event.block_number, event.tx_id)

    def _set(self, block_number: int, transaction_id: str) -> None:
        self.block_number, self.transaction_id = block_number, transaction_id


class FileCheckpointer(InMemoryCheckpointer):
    """A checkpoint that survives the process and the machine.

    Args:
        path: file to keep it in; need not exist. One listener each.
    Raises:
        WireError: the file is not such a checkpoint.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        if path.exists() and (content := path.read_text(encoding="utf-8")):
            self.block_number, self.transaction_id = _parse(path, content)

    def _set(self, block_number: int, transaction_id: str) -> None:
        content: dict[str, object] = {"blockNumber": block_number}
        if transaction_id:
            content["transactionId"] = transaction_id
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(json.dumps(content))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        super()._set(block_number, transaction_id)


def _parse(path: Path, content: str) -> tuple[int | None, str]:
    try:
        state = json.loads(content)
        # A number is written by Go's client, a text by Node's; both write neither before the first event.
        number, transaction_id = state.get("blockNumber"), state.get("transactionId") or ""
        block_number = None if number is None else int(number)
    except (ValueError, TypeError, AttributeError) as error:
        raise WireError(f"{path} is not an event checkpoint; remove it to start anew") from error
    if not isinstance(transaction_id, str) or isinstance(number, float) or (block_number or 0) < 0:
        raise WireError(f"{path}: blockNumber or transactionId is of another kind; remove it to start anew")
    return block_number, transaction_id
