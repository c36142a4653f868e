"""Reads XML of strangers into a plain tree: no document type, hence no entity and nothing to expand or to fetch.

Every element remembers its line, so that an error can name it. Elements, attributes and the length of a tag are
bounded, and memory with them. Comments and processing instructions are passed over; who must account for every byte
asks for ``plain`` and has them refused, together with every encoding but UTF-8.
"""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from ledger.errors import StatementFormatError

DEPTH_MAX = 40
ELEMENTS_MAX = 3_000_000
"""As many as 64 MiB of a statement hold; each takes some 400 bytes of memory."""
ATTRIBUTES_MAX = 1_000_000
"""Of the whole document; a statement has one for each amount, and each takes some 200 bytes of memory."""
PIECE_BYTES = 65_536
TAG_BYTES_MAX = 1_048_576
"""Longest tag, with all its attributes: the parser gathers one as a whole, at some ten times its size."""


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


def parse_xml(data: bytes, *, plain: bool = False, elements_max: int = ELEMENTS_MAX) -> Element:
    """Return the root of a document.

    Args:
        data: the document as received.
        plain: elements, attributes and text in UTF-8 without a byte order mark; anything else is refused.
        elements_max: most elements.
    Raises:
        StatementFormatError: not well-formed, too deep, too long, with a document type, or not plain where asked.
    """
    builder = _Builder(plain, elements_max)
    # The parser would follow a byte order mark, or zeros between letters, whatever encoding it is told.
    if plain and (b"\x00" in data or data.startswith(BOM_UTF8)):
        raise StatementFormatError(1, "", "document", "is not UTF-8 without a byte order mark")
    try:
        builder.parse(data)
    except expat.ExpatError as error:
        reason = f"is no well-formed XML ({expat.ErrorString(error.code)})"
        raise StatementFormatError(error.lineno, "", "document", reason) from error
    except (LookupError, UnicodeDecodeError, ValueError) as error:
        raise StatementFormatError(1, "", "document", "has an encoding that cannot be read") from error
    assert builder.root is not None
    return builder.root


class _Builder:
    def __init__(self, plain: bool, elements_max: int) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0
        self._attribute_count = 0
        self._heard = False
        self._elements_max = elements_max
        self.parser = expat.ParserCreate("UTF-8" if plain else None, " ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        # Blank lines around the document, comments, instructions: whatever else the parser has done with.
        self.parser.DefaultHandler = self._pass_over
        if plain:
            self.parser.XmlDeclHandler = self._declared
            self.parser.CommentHandler = self._refuse_comment
            self.parser.ProcessingInstructionHandler = self._refuse_instruction

    def parse(self, data: bytes) -> None:
        """Read a document, and refuse a tag before the parser has gathered more of it than it may have."""
        silent_bytes = 0
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            self._heard = False
            self.parser.Parse(piece, False)
            silent_bytes = 0 if self._heard else silent_bytes + len(piece)
            if silent_bytes > TAG_BYTES_MAX:
                self._refuse("document", f"has a tag or comment of more than {TAG_BYTES_MAX} bytes")
        self.parser.Parse(b"", True)

    def _refuse_doctype(self, name: str, *_: object) -> None:
        self._refuse(name, "a document type has no place here")

    def _refuse_comment(self, text: str) -> None:
        self._refuse(text, "a comment has no place here")

    def _refuse_instruction(self, target: str, _: str) -> None:
        self._refuse(target, "a processing instruction has no place here")

    def _declared(self, version: str, encoding: str | None, _: int) -> None:
        if version != "1.0" or (encoding or "UTF-8").upper() != "UTF-8":
            self._refuse(f"{version} {encoding}", "is not XML 1.0 in UTF-8")

    def _refuse(self, value: str, reason: str) -> NoReturn:
        raise StatementFormatError(self.parser.CurrentLineNumber, "", value, reason)

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        namespace, _, name = qualified.rpartition(" ")
        self._count += 1
        if len(self._open) >= DEPTH_MAX or self._count > self._elements_max:
            raise StatementFormatError(self.parser.CurrentLineNumber, "", name, "is one element too deep or too many")
        self._heard = True
        self._attribute_count += len(attributes)
        if self._attribute_count > ATTRIBUTES_MAX:
            self._refuse(name, f"has one attribute too many: a document may have {ATTRIBUTES_MAX}")
        path = f"{self._open[-1].path}/{name}" if self._open else name
        # Names come again and again: kept once, they take a third less of the memory.
        name, namespace, path = sys.intern(name), sys.intern(namespace), sys.intern(path)
        element = Element(name, namespace, path, self.parser.CurrentLineNumber, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._heard = True
        self._open.pop()

    def _pass_over(self, _: str) -> None:
        self._heard = True

    def _text(self, text: str) -> None:
        self._heard = True
        if self._open:
            self._open[-1].pieces.append(text)
