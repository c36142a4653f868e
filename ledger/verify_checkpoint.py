"""How far a verification of the books came, kept in a file that an interrupted one goes on from.

The file is JSON, replaced as a whole. It tells which books it was made of: a run over others, or over books that lost
entries, is refused.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from ledger.errors import CheckpointError
from ledger.ranges import AccountSum, Bounds, Captured, Carried, Finding

FORMAT = 1
SAVE_EVERY_S = 10.0
_NOBODY = ""
"""Name of the account of postings that name none; JSON has no null names."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was proved.

    Args:
        bounds: the last range taken.
        entry_count: rows up to its end.
        digest: see ``VerifyReport``.
        carried: what later ranges need.
        findings: so far.
    """

    bounds: Bounds
    entry_count: int
    digest: bytes
    carried: Carried
    findings: list[Finding]


@dataclass(slots=True)
class CheckpointFile:
    """Where checkpoints of a run are kept.

    Args:
        path: the file.
        every_s: least time between two of them; one of large books takes a second to write.
        monotonic: clock that only moves forward, seconds.
    """

    path: Path
    every_s: float = SAVE_EVERY_S
    monotonic: Callable[[], float] = time.monotonic
    _written_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._written_at = self.monotonic()

    def due(self) -> bool:
        """Tell whether it is time for the next one."""
        return self.monotonic() - self._written_at >= self.every_s

    def write(self, connection: psycopg.Connection[Any], checkpoint: Checkpoint) -> None:
        """Replace the file."""
        told = {
            "format": FORMAT,
            "epoch": _epoch(connection),
            "archives": _archives(connection),
            "last_leaf": _leaf(connection, checkpoint.bounds.last),
            "bounds": list(checkpoint.bounds),
            "entry_count": checkpoint.entry_count,
            "digest": checkpoint.digest.hex(),
            "accounts": {
                _NOBODY if account is None else str(account): list(known)
                for account, known in checkpoint.carried.accounts.items()
            },
            "captures": {str(hold): list(known) for hold, known in checkpoint.carried.captures.items()},
            "findings": [asdict(finding) for finding in checkpoint.findings],
        }
        beside = self.path.with_name(f"{self.path.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(told, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        self._written_at = self.monotonic()

    def read(self, connection: psycopg.Connection[Any]) -> Checkpoint | None:
        """Return what the file tells of these books; None when there is no file.

        Raises:
            CheckpointError: the file cannot be read, or is of other books than the connection's.
        """
        try:
            told = json.loads(self.path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise CheckpointError(self.path, "it is no checkpoint of a verification") from error
        try:
            checkpoint = _checkpoint(told)
            epoch, last_leaf, archives = told["epoch"], told["last_leaf"], told["archives"]
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(self.path, "it is no checkpoint of this release") from error
        last = checkpoint.bounds.last
        if _leaf(connection, last) != last_leaf:
            raise CheckpointError(self.path, f"entry {last}, where it ends, is gone or is not the one it was made of")
        if _epoch(connection) < epoch:
            raise CheckpointError(self.path, "the books are older than it: they were restored since")
        if _archives(connection) != archives:
            raise CheckpointError(self.path, "entries were archived or restored since it was made")
        return checkpoint

    def remove(self) -> None:
        """Remove the file: the run came to its end."""
        self.path.unlink(missing_ok=True)


def _checkpoint(told: dict[str, Any]) -> Checkpoint:
    if told["format"] != FORMAT:
        raise ValueError("format")
    accounts = {
        None if account == _NOBODY else int(account): AccountSum(*known) for account, known in told["accounts"].items()
    }
    captures = {UUID(hold): Captured(*known) for hold, known in told["captures"].items()}
    findings = [Finding(**finding) for finding in told["findings"]]
    digest = bytes.fromhex(told["digest"])
    return Checkpoint(Bounds(*told["bounds"]), told["entry_count"], digest, Carried(accounts, captures), findings)


def _epoch(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(b"SELECT max(epoch) FROM ledger.head").fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def _archives(connection: psycopg.Connection[Any]) -> list[int]:
    """Return the numbers of the archives that stand: what they hold was not proved from rows."""
    rows = connection.execute(b"SELECT number FROM ledger.archive WHERE restored_at IS NULL ORDER BY number")
    return [row[0] for row in rows]


def _leaf(connection: psycopg.Connection[Any], seq: int) -> str:
    row = connection.execute(b"SELECT leaf FROM ledger.entry WHERE seq = %s LIMIT 1", (seq,)).fetchone()
    return "" if row is None or row[0] is None else bytes(row[0]).hex()
