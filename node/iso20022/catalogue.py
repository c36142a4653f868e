"""The messages this node knows, and the way between their bytes and their values.

Rules:
- UTF-8 without a byte order mark; no document type, comment or processing instruction; bounded size, depth, count;
- the namespace alone says which message and version it is;
- the same value gives the same bytes, for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from ledger.errors import StatementFormatError
from ledger.reconciliation.xml_tree import Element, parse_xml
from node.iso20022.camt import NOTIFICATION, STATEMENT
from node.iso20022.content import AnyMessage
from node.iso20022.errors import UnacceptableMessageError, UnwritableMessageError
from node.iso20022.grammar import MISSING, NOT_ADMITTED, Node, Reader, Record, write
from node.iso20022.pacs import (
    CUSTOMER_CREDIT_TRANSFER,
    INSTITUTION_CREDIT_TRANSFER,
    PAYMENT_RETURN,
    STATUS_REPORT,
)

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""Largest message, in and out; it is held in memory."""

ELEMENTS_MAX = 500_000
"""Most elements of a message: what ``camt.ENTRIES_MAX`` entries need, with room to spare."""

SYNTAX = "FF01"
"""Reason code InvalidFileFormat."""

_URN = "urn:iso:std:iso:20022:tech:xsd:"
_SCHEMA_LOCATION = "http://www.w3.org/2001/XMLSchema-instance schemaLocation"


@dataclass(frozen=True, slots=True)
class MessageType:
    """One message in one version.

    Args:
        name: e.g. ``pacs.008.001.08``.
        title: what it is, for people.
        root: the element in ``Document``.
        record: its grammar.
    """

    name: str
    title: str
    root: str
    record: Record

    @property
    def namespace(self) -> str:
        """Of all its elements."""
        return _URN + self.name


MESSAGE_TYPES = (
    MessageType("pacs.008.001.08", "customer credit transfer", "FIToFICstmrCdtTrf", CUSTOMER_CREDIT_TRANSFER),
    MessageType("pacs.009.001.08", "institution credit transfer", "FICdtTrf", INSTITUTION_CREDIT_TRANSFER),
    MessageType("pacs.002.001.10", "payment status report", "FIToFIPmtStsRpt", STATUS_REPORT),
    MessageType("pacs.004.001.09", "payment return", "PmtRtr", PAYMENT_RETURN),
    MessageType("camt.053.001.08", "account statement", "BkToCstmrStmt", STATEMENT),
    MessageType("camt.054.001.08", "account notification", "BkToCstmrDbtCdtNtfctn", NOTIFICATION),
)

_BY_NAMESPACE = {kind.namespace: kind for kind in MESSAGE_TYPES}
_BY_CONTENT = {kind.record.make: kind for kind in MESSAGE_TYPES}


def type_of(message: AnyMessage) -> MessageType:
    """Return the type of a message."""
    return _BY_CONTENT[type(message)]


def read_message(data: bytes) -> AnyMessage:
    """Return what a message says.

    Args:
        data: the message as received.
    Raises:
        UnacceptableMessageError: it is refused as a whole; names line, path and value, and the code to answer with.
    """
    if not 0 < len(data) <= MESSAGE_BYTES_MAX:
        raise UnacceptableMessageError(1, "", "", f"{len(data)} bytes: give 1 to {MESSAGE_BYTES_MAX}", SYNTAX)
    try:
        root = parse_xml(data, plain=True, elements_max=ELEMENTS_MAX)
    except StatementFormatError as error:
        # The parser quotes what it stumbled over; a message's text has no place in an error without a path.
        raise UnacceptableMessageError(error.line, "", "", error.reason, SYNTAX) from error
    return _read(root)


def write_message(message: AnyMessage) -> bytes:
    """Return a message's bytes: UTF-8, one element a line.

    Raises:
        UnwritableMessageError: a value that no message can carry; names path and value.
    """
    kind, node = type_of(message), _written(message)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<Document xmlns={quoteattr(kind.namespace)}>"]
    lines += _lines(node, "  ")
    data = "\n".join([*lines, "</Document>", ""]).encode()
    if len(data) > MESSAGE_BYTES_MAX:
        reason = f"makes a message of {len(data)} bytes, more than {MESSAGE_BYTES_MAX}: tell it in several"
        raise UnwritableMessageError(node.path, "", reason)
    return data


def describe_message(message: AnyMessage) -> Iterator[tuple[str, str]]:
    """Yield every path of a message below its root, and what stands there; amounts with their currency."""
    node = _written(message)
    for leaf in node.leaves():
        yield leaf.path.removeprefix(f"{node.path}/"), f"{leaf.text} {leaf.currency}".strip()


def _written(message: AnyMessage) -> Node:
    kind = type_of(message)
    return write(kind.record, message, kind.root, f"Document/{kind.root}")


def _lines(node: Node, indent: str) -> Iterator[str]:
    if node.text is not None:
        currency = f" Ccy={quoteattr(node.currency)}" if node.currency else ""
        yield f"{indent}<{node.tag}{currency}>{escape(node.text)}</{node.tag}>"
        return
    yield f"{indent}<{node.tag}>"
    for child in node.children:
        yield from _lines(child, f"{indent}  ")
    yield f"{indent}</{node.tag}>"


def _read(document: Element) -> AnyMessage:
    kind = _BY_NAMESPACE.get(document.namespace)
    if kind is None or document.name != "Document":
        known = ", ".join(each.name for each in MESSAGE_TYPES)
        reason = f"is no message of this node: it knows Document of {known}"
        raise UnacceptableMessageError(
            document.line, document.name, document.namespace.removeprefix(_URN), reason, "AG03"
        )
    _check_location(document, kind)
    roots = document.children
    if not roots:
        raise UnacceptableMessageError(document.line, "Document", "", f"must hold one {kind.root}", MISSING)
    for number, root in enumerate(roots):
        if number or root.name != kind.root or root.namespace != kind.namespace:
            reason = f"has no place: the document holds one {kind.root}"
            raise UnacceptableMessageError(root.line, f"Document/{root.name}", "", reason, NOT_ADMITTED)
    if text := "".join(document.pieces).strip():
        raise UnacceptableMessageError(document.line, "Document", text, "is text between elements", NOT_ADMITTED)
    message: AnyMessage = Reader(kind.namespace).read(kind.record, roots[0], f"Document/{kind.root}")
    return message


def _check_location(document: Element, kind: MessageType) -> None:
    """Let pass only the customary hint where the message's own schema lies; nothing is ever looked up there."""
    for name, value in document.attributes.items():
        parts = value.split()
        if name != _SCHEMA_LOCATION or len(parts) != 2 or parts[0] != kind.namespace:
            shown = name.rpartition(" ")[2]
            reason = "is no attribute that has a meaning here: leave it out"
            raise UnacceptableMessageError(document.line, f"Document/@{shown}", value, reason, NOT_ADMITTED)
