"""Errors of ``node.iso20022``, one tree.

Iso20022Error
├── UnacceptableMessageError  a received message that is refused; carries line, path, value and the code to answer with
├── UnwritableMessageError    a value that no message can carry; carries path and value
└── UnsupportedOrderError     a message that is sound, but asks for what this node does not do; carries path and code
"""

from __future__ import annotations

from ledger.errors import shorten
from node.errors import NodeError


class Iso20022Error(NodeError):
    """Base of the errors of ``node.iso20022``."""


class UnacceptableMessageError(Iso20022Error):
    """A received message is refused as a whole; nothing of it may be acted on.

    Args:
        line: line of the message, from 1.
        path: names of elements from the root, ``@`` before an attribute; empty where there is no place to name.
        value: what stands there.
        reason: what is wrong, and what would be right.
        code: reason of the answer, of ISO 20022's external code set ExternalStatusReason1Code.
    """

    def __init__(self, line: int, path: str, value: str, reason: str, code: str) -> None:
        super().__init__(f"line {line}, {_told(path, value, reason)}" if path else f"line {line}: {reason}")
        self.line = line
        self.path = path
        self.value = value
        self.reason = reason
        self.code = code


class UnwritableMessageError(Iso20022Error):
    """A value cannot stand in a message.

    Args:
        path: where it would stand.
        value: the value.
        reason: what is wrong, and what would be right.
    """

    def __init__(self, path: str, value: object, reason: str) -> None:
        super().__init__(f"{path}: {shorten(value)} {reason}")
        self.path = path
        self.value = value
        self.reason = reason


class UnsupportedOrderError(Iso20022Error):
    """A sound message asks for what this node does not do.

    Args:
        path: the element that asks.
        value: what stands there.
        reason: why not, and what would be right.
        code: reason of the answer, of ExternalStatusReason1Code.
    """

    def __init__(self, path: str, value: str, reason: str, code: str) -> None:
        super().__init__(_told(path, value, reason))
        self.path = path
        self.value = value
        self.reason = reason
        self.code = code


def _told(path: str, value: str, reason: str) -> str:
    """Where nothing stands, the place alone is what is wrong."""
    return f"{path}: {shorten(value)} {reason}" if value else f"{path} {reason}"
