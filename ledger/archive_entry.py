"""Rows in a file of the archive, read as what they are: entries, and what entries name. Pure but for the file.

An entry's row is believed no further than it gives the leaf that stands with it; whether that is the leaf that was
posted, the signed batch around it says (``ledger.archive_proof``), or the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from uuid import UUID

from ledger.archive_file import ArchiveLines, Values
from ledger.canonical import derive_salts
from ledger.errors import ArchiveRefusedError, DamagedRowError
from ledger.journal import microseconds
from ledger.rows import AccountNames, Disclosure, EntryRow, recompute_leaf


class Names:
    """What entries name by number."""

    def __init__(self) -> None:
        self.assets: dict[str, tuple[str, int]] = {}
        self.accounts: dict[int, AccountNames] = {}
        self.signs: dict[int, int] = {}
        self.wholes: dict[int, int] = {}
        """The striped account that an account is a stripe of; otherwise itself."""
        self.actors: dict[str, str] = {}
        self.holds: dict[UUID, int] = {}
        self.salt_secret: str | None = None
        """Of the batch told last; None where its entries keep salts of their own."""

    def take(self, table: str, values: Values) -> bool:
        """Take a row that names something; false for any other."""
        if table == "asset":
            self.assets[values["id"] or ""] = (values["code"] or "", int(values["scale"] or ""))
        elif table == "account":
            number, asset = int(values["id"] or ""), values["asset_id"] or ""
            self.accounts[number] = AccountNames(values["reference"] or "", *self.assets[asset], int(asset))
            self.signs[number] = 1 if values["normal_side"] == "1" else -1
            self.wholes[number] = int(values["stripe_of"] or number)
        elif table == "actor":
            self.actors[values["id"] or ""] = values["name"] or ""
        elif table == "hold":
            self.holds[UUID(values["id"] or "")] = int(values["account_id"] or "")
        elif table == "batch":
            # Not in files of releases before salts followed from it. Told for whoever takes the batch itself, too.
            self.salt_secret = values.get("salt_secret")
            return False
        else:
            return False
        return True


def recompute(lines: ArchiveLines, values: Values, names: Names) -> tuple[EntryRow, bytes, bytes]:
    """Return an entry's row, canonical form and leaf, once the row gives the leaf that stands with it."""
    try:
        row = entry_row(values, names.actors)
        secret = octets(names.salt_secret)
        if row.salt is None and secret is not None:
            row = row._replace(salt=derive_salts(secret, row.seq, 1))
        canonical, leaf = recompute_leaf(row, names.accounts)
    except DamagedRowError as error:
        raise lines.refused(str(error)) from error
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise lines.refused(f"entry {values.get('seq')}: its row cannot be read ({error})") from error
    if leaf != row.leaf:
        raise lines.refused(f"entry {row.seq}: its row does not give the leaf that stands with it")
    return row, canonical, leaf


def disclose_from(path: Path, seq: int) -> Disclosure:
    """Return what proves one entry to others, from the file that holds it.

    The rest of the file is not proved by this, and need not be: what an entry discloses is held against the log.

    Raises:
        ArchiveRefusedError: the file does not hold the entry, or its row does not give its leaf.
        OSError: the file cannot be read.
    """
    lines = ArchiveLines(path)
    names = Names()
    for table, row in lines:
        if table != "entry":
            names.take(table, dict(zip(lines.header.tables[table], row, strict=True)))
            continue
        if not lines.header.first_seq <= seq <= lines.header.last_seq:
            break
        values = dict(zip(lines.header.tables[table], row, strict=True))
        if values["seq"] == str(seq):
            found, canonical, leaf = recompute(lines, values, names)
            assert found.salt is not None
            assert found.decision_id is not None
            return Disclosure(seq, found.salt, canonical, leaf, found.decision_id.bytes)
    held = f"{lines.header.first_seq} to {lines.header.last_seq}"
    raise ArchiveRefusedError(f"file {path}", f"entry {seq} is not in it: it holds entries {held}")


def entry_row(values: Values, actors: Mapping[str, str]) -> EntryRow:
    """Return the row of an entry as ``ledger.rows`` takes it.

    Raises:
        ValueError, KeyError, TypeError: it cannot be read; never another exception.
    """
    two = values["posting_amount"] is None
    if two:
        amount, asset = _int(values["amount"]), _int(values["asset_id"])
        accounts: list[int | None] = [_int(values["debit_account"]), _int(values["credit_account"])]
        assets: list[int | None] = [asset, asset]
        amounts: list[int | None] = [amount, None if amount is None else -amount]
    else:
        accounts, assets, amounts = (_ints(values[f"posting_{name}"]) for name in ("account", "asset", "amount"))
    actor = values["actor_id"]
    posted_at = time_us(values["posted_at"])
    return EntryRow(
        seq=int(values["seq"] or ""),
        key=_uuid(values["key"]),
        posted_at_us=posted_at,
        effective_at_us=posted_at if values["effective_at"] is None else time_us(values["effective_at"]),
        settlement_id=values["settlement_id"],
        accounts=accounts,
        assets=assets,
        amounts=amounts,
        description_commitment=octets(values["description_commitment"]),
        decision_id=_uuid(values["decision_id"]),
        outcome=_int(values["decision_outcome"]),
        decision_leaf=octets(values["decision_leaf"]),
        salt=octets(values["salt"]),
        leaf=octets(values["leaf"]),
        form=_int(values["form"]),
        actor="" if actor is None else actors[actor],
        metadata_commitment=octets(values["metadata_commitment"]),
        reverses=_int(values["reverses"]),
        hold_id=_uuid(values["hold_id"]),
        chain_seq=_int(values["chain_seq"]),
        refusals=octets(values.get("refusals")),
    )


def chain_of(values: Values) -> tuple[list[int | None], list[int | None]]:
    """Return for each posting of an entry the balance after it and the account's entry before; raises as above."""
    if values["posting_amount"] is None:
        return (
            [_int(values["debit_balance"]), _int(values["credit_balance"])],
            [_int(values["debit_previous"]), _int(values["credit_previous"])],
        )
    return _ints(values["posting_balance"]), _ints(values["posting_previous"])


def octets(value: str | None) -> bytes | None:
    """Return bytes as PostgreSQL writes them in hex."""
    if value is None:
        return None
    if not value.startswith("\\x"):
        raise ValueError("bytes are not in hex")
    return bytes.fromhex(value[2:])


def time_us(value: str | None) -> int | None:
    """Return a time as PostgreSQL writes it in UTC, in microseconds since 1970."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time has no zone")
    return microseconds(moment)


def _int(value: str | None) -> int | None:
    return None if value is None else int(value)


def _uuid(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


def _ints(value: str | None) -> list[int | None]:
    if value is None or value[0] != "{" or value[-1] != "}":
        raise ValueError("a list is null, or no list")
    return [None if part == "NULL" else int(part) for part in value[1:-1].split(",")]
