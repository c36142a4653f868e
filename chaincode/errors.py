"""Errors of ``chaincode``, one tree.

    ChaincodeError
    ├── StateError         the peer refused a request, or a stub was used wrongly or too late
    ├── StreamError        the chaincode stream broke its protocol or ended
    └── ContractError      a contract refuses its caller; carries a stable ``code`` and a status of 400 or more
        ├── ArgumentError      an argument is missing, malformed or too large (400)
        ├── AccessError        this caller may not do this (403)
        ├── NotFoundError      the record asked for does not exist (404)
        └── ConflictError      the record's present state does not allow it (409)

A status of 400 or more means that no peer endorses. The text sent to the client is ``<code>: <message>``, so that
programs match the code and people read the rest; other exceptions become status 500 and give nothing away.
"""

from __future__ import annotations


class ChaincodeError(Exception):
    """Base of every error raised by ``chaincode``."""


class StateError(ChaincodeError):
    """A state request was refused by the peer, or the stub was used wrongly or after its transaction."""


class StreamError(ChaincodeError):
    """The chaincode stream broke its protocol, or ended while a request was outstanding."""


class ContractError(ChaincodeError):
    """A contract refuses a call.

    Args:
        code: stable code for programs, lower case with underscores.
        message: sentence for people; names field, value and way out, never a secret.
        status: response status, 400 or more.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status


class ArgumentError(ContractError):
    """An argument is missing, malformed or too large."""

    def __init__(self, message: str, code: str = "bad_argument") -> None:
        super().__init__(code, message, 400)


class AccessError(ContractError):
    """The caller's identity does not allow this call."""

    def __init__(self, message: str, code: str = "access_denied") -> None:
        super().__init__(code, message, 403)


class NotFoundError(ContractError):
    """The record asked for does not exist."""

    def __init__(self, message: str, code: str = "not_found") -> None:
        super().__init__(code, message, 404)


class ConflictError(ContractError):
    """The present state of a record does not allow this call."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(code, message, 409)
