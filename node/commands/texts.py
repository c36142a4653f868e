"""Texts that others wrote, as a terminal may show them: they look like nothing but themselves."""

from __future__ import annotations

CONTINUED = "\n    "
"""Between the lines of one text, so that none of them passes for a line of the command's own."""


def shown(text: str) -> str:
    """Return a text in which whatever a terminal obeys, or shows otherwise than it reads, is written as an escape."""
    lines = text.replace("\r\n", "\n").split("\n")
    return CONTINUED.join(
        "".join(letter if letter.isprintable() else _escape(letter) for letter in line) for line in lines
    )


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
