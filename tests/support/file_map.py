"""Writes ``docs/files.md``: every source file with the first sentence of its own docstring.

Run it after adding, removing or renaming a file: ``python -m tests.support.file_map``.
"""

from __future__ import annotations

import ast
import re
from itertools import groupby
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = {
    "network": "what all members agree on; pure but for `crypto_material`, `client`, `operations/` and `rpc/`",
    "ledger": "the books",
    "chaincode": "the rules that members endorse",
    "node": "the running processes",
    "gateway": "HTTP for customers",
}
HEAD = """# The map of files

Every source file with the first sentence of its own docstring (`tests/support/file_map.py` writes this page). Beside
them: SQL in `ledger/sql/` (migrations, functions that are the one door for writing, views, queries) and in
`node/peer/sql/`, `node/anchor/sql/`, `node/audit/sql/`, `node/compliance/sql/`, `node/partner/sql/`, `gateway/sql/`;
the proof verifier for browsers in `network/verifier.html`; service definitions in `proto/`, their bindings in
`network/pb/`; inputs in `fixtures/`, each folder with a README; measurements in `benchmarks/`; tests in `tests/`, where
`tests/unit/<room>/test_<module>.py` mirrors the code.
"""


def first_sentence(path: Path) -> str:
    """Return the first sentence of a module's docstring, on one line, in Markdown."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = docstring.split("\n\n")[0].replace("\n", " ").replace("``", "`").replace("|", "\\|")
    found = re.match(r"(.*?[^A-Z]\.)(\s|$)", paragraph)
    return found.group(1) if found is not None else paragraph


def file_map() -> str:
    """Return the page."""
    parts = [HEAD]
    for room, purpose in ROOMS.items():
        parts.append(f"## `{room}/`: {purpose}\n")
        files = sorted((REPOSITORY / room).rglob("*.py"), key=lambda path: (path.parent, path.name))
        for folder, members in groupby(files, key=lambda path: path.parent):
            name = folder.relative_to(REPOSITORY)
            if name.parts[:2] == ("network", "pb"):
                continue
            if folder != REPOSITORY / room:
                parts.append(f"**`{name}/`** {first_sentence(folder / '__init__.py')}\n")
            rows = [
                f"| `{name}/{path.name}` | {first_sentence(path)} |" for path in members if "__init__" not in path.name
            ]
            parts.append("\n".join(["| file | |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (REPOSITORY / "docs" / "files.md").write_text(file_map(), encoding="utf-8")
