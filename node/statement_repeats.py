"""Before ``dwaybank import`` posts anything: whether the file's movements stand in the books under other keys.

A movement's key follows from the mapping's name and the bank's own number of it. Where either was changed since the
last import, every movement would be posted again; account, day and amount tell that, and one is enough. Where a mapping
replaces account numbers by keyed hashes, these follow from its name too, so that the other side's account has to tell
it: there movements of many customers are alike, and one tells nothing. A file is refused of which all that is new, or
half of it and ten at least, is found; a smaller part of one cannot be told for such a mapping.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time

from ledger.account import Side
from ledger.errors import MappingError
from ledger.statement_import import Movement, entry_key
from ledger.statement_mapping import StatementMapping
from node.own_node import LEDGER, OwnNode, ledger_pb2

BATCH_MOVEMENTS = 2000
SUSPECTS_MAX = 20_000
"""So many movements that equal entries are held against the rest of the file at once. Of a file with keyed hashes no
more than these are looked at."""

ALIKE_MIN = 10
"""So many movements of a file with keyed hashes, half of what is new in it, are no chance."""


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A movement that equals entries, whose keys may still be those of other movements of the file.

    Args:
        entries: their numbers by key.
    """

    movement: Movement
    entries: dict[str, int]


class RepeatCheck:
    """Holds a statement file against the books.

    Args:
        node: whose books.
        read: begins to read the file anew.
        mapping: explains it.
    """

    def __init__(self, node: OwnNode, read: Callable[[], Iterator[Movement]], mapping: StatementMapping) -> None:
        self._node = node
        self._read = read
        self._mapping = mapping

    async def refuse_repeats(self) -> None:
        """Let a file pass whose movements are new, or were posted under the same keys.

        Raises:
            MappingError: its movements stand in the books under other keys.
            LedgerError: a line cannot be understood.
            RpcError: the node does not answer.
        """
        suspects: list[_Suspect] = []
        like_contra: list[_Suspect] = []
        new_count = 0
        movements = self._read()
        while batch := list(itertools.islice(movements, BATCH_MOVEMENTS)):
            found, _ = await self._ask(batch, [_own(movement) for movement in batch])
            suspects += found
            if len(suspects) >= SUSPECTS_MAX:
                self._refuse(self._strangers(suspects))
                suspects = []
            if self._mapping.keyed_pseudonyms and len(like_contra) < SUSPECTS_MAX:
                found, count = await self._ask(batch, [_contra(movement) for movement in batch])
                like_contra += found
                new_count += count
        self._refuse(self._strangers(suspects))
        strangers = self._strangers(like_contra)
        if len(strangers) == new_count or len(strangers) >= max(ALIKE_MIN, new_count / 2):
            self._refuse(strangers)

    async def _ask(self, batch: list[Movement], sides: Iterable[tuple[str, int]]) -> tuple[list[_Suspect], int]:
        """Return those movements that equal entries, and how many are not posted under their keys."""
        request = ledger_pb2.FindRepeatedMovementsRequest()
        for movement, (account, change) in zip(batch, sides, strict=True):
            asked = request.movements.add(
                idempotency_key=str(entry_key(movement, self._mapping)), account=account, change_minor=str(change)
            )
            asked.effective_at.FromDatetime(datetime.combine(movement.day, time(), UTC))
        reply = await self._node.call(
            LEDGER, "FindRepeatedMovements", request, ledger_pb2.FindRepeatedMovementsResponse, 120
        )
        suspects = [
            _Suspect(batch[each.index], dict(zip(each.idempotency_keys, each.seqs, strict=True)))
            for each in reply.movements
        ]
        return suspects, len(batch) - reply.posted_count

    def _strangers(self, suspects: list[_Suspect]) -> list[_Suspect]:
        """Return those that equal an entry of which the file knows nothing, with such entries only."""
        unknown = {key for suspect in suspects for key in suspect.entries}
        if unknown:
            # An import that broke off may have posted one of two equal movements.
            unknown.difference_update(str(entry_key(movement, self._mapping)) for movement in self._read())
        left = [
            _Suspect(each.movement, {key: seq for key, seq in each.entries.items() if key in unknown})
            for each in suspects
        ]
        return [each for each in left if each.entries]

    def _refuse(self, strangers: list[_Suspect]) -> None:
        if not strangers:
            return
        first = strangers[0]
        raise MappingError(
            "name",
            f"{self._mapping.name!r}: the movement in line {first.movement.line} of the file ({first.movement.id!r} of "
            f"{first.movement.day}) stands in the books as entry {min(first.entries.values())}, posted under another "
            f"key, and so do {len(strangers)} movements at least. Keys follow from the mapping's name and column "
            f"{self._mapping.id_column!r}: give those of the earlier import, or --may-repeat where the bank "
            "truly booked these twice. Nothing was posted.",
        )


def _own(movement: Movement) -> tuple[str, int]:
    return movement.account.reference, movement.change


def _contra(movement: Movement) -> tuple[str, int]:
    """Return what happens on the other side, whose account counts on its own normal side."""
    change = movement.change if movement.contra.normal_side is Side.DEBIT else -movement.change
    return movement.contra.reference, change
