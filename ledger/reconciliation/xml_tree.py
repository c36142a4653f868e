"""Reads XML of strangers into a plain tree: no document type, hence no entity and nothing to expand or to fetch.

Every element remembers its line, so that an error can name it. Memory is bounded by the file's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from ledger.errors import StatementFormatError

DEPTH_MAX = 40
ELEMENTS_MAX = 5_000_000


@dataclass(slots=True)
class Element:
    """One element.

    Args:
        name: without its namespace.
        path: names from the root to here, joined by ``/``.
    """

    name: str
    namespace: str
    path: str
    line: int
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its own text without outer spaces."""
        return "".join(self.pieces).strip()

    def all(self, name: str) -> list[Element]:
        """Return the children of a name."""
        return [child for child in self.children if child.name == name]

    def find(self, *names: str) -> Element | None:
        """Return the first element on a path of names below this one, or None."""
        found: Element | None = self
        for name in names:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found

    def text_at(self, *names: str) -> str:
        """Return the text on a path of names; empty where there is none."""
        found = self.find(*names)
        return found.text if found is not None else ""

    def need(self, *names: str) -> Element:
        """Return the first element on a path of names.

        Raises:
            StatementFormatError: there is none.
        """
        found = self.find(*names)
        if found is None:
            raise StatementFormatError(self.line, self.path, "/".join(names), "is missing")
        return found

    def walk(self) -> Iterator[Element]:
        """Yield this element and all below it, in the file's order."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting += reversed(element.children)


def parse_xml(data: bytes) -> Element:
    """Return the root of a document.

    Raises:
        StatementFormatError: not well-formed, too deep, or with a document type.
    """
    builder = _Builder()
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        reason = f"is no well-formed XML ({expat.ErrorString(error.code)})"
        raise StatementFormatError(error.lineno, "", "document", reason) from error
    except (LookupError, UnicodeDecodeError, ValueError) as error:
        raise StatementFormatError(1, "", "document", "has an encoding that cannot be read") from error
    assert builder.root is not None
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _refuse_doctype(self, name: str, *_: object) -> None:
        raise StatementFormatError(
            self.parser.CurrentLineNumber, "", name, "a document type has no place in a statement"
        )

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        namespace, _, name = qualified.rpartition(" ")
        self._count += 1
        if len(self._open) >= DEPTH_MAX or self._count > ELEMENTS_MAX:
            raise StatementFormatError(self.parser.CurrentLineNumber, "", name, "is one element too deep or too many")
        path = f"{self._open[-1].path}/{name}" if self._open else name
        element = Element(name, namespace, path, self.parser.CurrentLineNumber, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].pieces.append(text)
