"""What each role of an organization's database may do, from the catalogue: the table of docs/database-roles.md."""

from __future__ import annotations

import re
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]

GROUPS = ("dwaybank_application", "dwaybank_reader", "dwaybank_tenant")
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")

_RELATIONS = """
    SELECT namespace.nspname, class.relname,
        ARRAY(SELECT privilege FROM unnest(%(privileges)s::text[]) AS privilege
            WHERE has_table_privilege(%(role)s, class.oid, privilege)
                OR privilege <> 'DELETE' AND has_any_column_privilege(%(role)s, class.oid, privilege))
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f') AND namespace.nspname !~ '^(pg_|information_schema|public)'
    ORDER BY 1, 2
"""
_FUNCTIONS = """
    SELECT DISTINCT namespace.nspname, proc.proname, has_function_privilege(%(role)s, proc.oid, 'EXECUTE')
    FROM pg_proc AS proc
    JOIN pg_namespace AS namespace ON namespace.oid = proc.pronamespace
    WHERE namespace.nspname !~ '^(pg_|information_schema|public)'
    ORDER BY 1, 2
"""


def render(connection: Connection, gateway: str) -> str:
    """Return the table, one line for each role and schema that it may use.

    Args:
        connection: of an administrator.
        gateway: name of the gateway's role.
    """
    lines = ["| role | schema | reads | adds | changes | removes | calls |", "|---|---|---|---|---|---|---|"]
    schemas = [
        name
        for (name,) in connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)' ORDER BY 1"
        )
    ]
    for role, shown in (*((group, group) for group in GROUPS), (gateway, "<database>_gateway")):
        rights = connection.execute(_RELATIONS, {"role": role, "privileges": list(PRIVILEGES)}).fetchall()
        calls = connection.execute(_FUNCTIONS, {"role": role}).fetchall()
        for schema in schemas:
            usable = connection.execute("SELECT has_schema_privilege(%s, %s, 'USAGE')", (role, schema)).fetchone()
            if usable == (True,):
                lines.append(f"| `{shown}` | `{schema}` | {' | '.join(_cells(schema, rights, calls))} |")
    return "\n".join(lines) + "\n"


def _cells(schema: str, rights: list[tuple[Any, ...]], calls: list[tuple[Any, ...]]) -> list[str]:
    held = {name: set(privileges) for of, name, privileges in rights if of == schema}
    cells = [_names(held, {name for name in held if privilege in held[name]}) for privilege in PRIVILEGES]
    functions = {name: allowed for of, name, allowed in calls if of == schema}
    return [*cells, _names(functions, {name for name, allowed in functions.items() if allowed})]


def _names(every: dict[str, Any], found: set[str]) -> str:
    whole = {name for name in every if not _is_partition(name)}
    if not found:
        return "–"
    if found == set(every):
        return "all"
    if found == whole:
        return "all but partitions"
    if found >= whole - {"migration"} and "migration" in whole and len(whole) > 2:
        return "all but `migration`"
    return ", ".join(f"`{name}`" for name in sorted({"entry_…" if _is_partition(name) else name for name in found}))


def _is_partition(name: str) -> bool:
    return re.fullmatch(r"entry_\d+", name) is not None
