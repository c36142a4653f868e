"""Errors of ``gateway``, one tree; ``problems.py`` alone turns them into HTTP answers.

CustomerGatewayError
├── ConfigurationError        the configuration file cannot be used; the text names file, field and way out
├── CredentialsError          e-mail and password do not belong together (401)
├── TokenError                an access or refresh token that is missing, forged, expired or used twice (401)
├── ForbiddenError            known, but not allowed (403); carries ``code``
├── NotFoundError             absent, or another customer's, which must look the same (404)
├── ConflictError             contradicts what stands already (409); carries ``code``
├── RefusedError              understood and refused, for good, by the books or a partner bank (422); carries ``code``
├── TooManyAttemptsError      tried too often (429); carries ``retry_after_s``
└── UnavailableError          cannot be answered now, trying again is safe (503); carries ``code``
    └── NodeRefusesError      the node does not take this gateway's certificate; to customers the same
"""

from __future__ import annotations


class CustomerGatewayError(Exception):
    """Base of every error raised by ``gateway``; its text may be shown to a customer."""


class ConfigurationError(CustomerGatewayError):
    """The configuration file cannot be used."""


class CredentialsError(CustomerGatewayError):
    """E-mail and password do not belong together, or no such customer exists: both look the same."""


class TokenError(CustomerGatewayError):
    """An access or refresh token is missing, forged, expired, revoked or was used twice."""


class ForbiddenError(CustomerGatewayError):
    """The caller is known but may not do this.

    Args:
        code: stable code for programs.
        message: sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotFoundError(CustomerGatewayError):
    """The thing does not exist for this caller."""


class ConflictError(CustomerGatewayError):
    """The request contradicts what stands already.

    Args:
        code: stable code for programs.
        message: sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RefusedError(CustomerGatewayError):
    """The request was understood and refused for good.

    Args:
        code: the books' or partner bank's reason, e.g. ``"exceeds_available"``.
        message: sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooManyAttemptsError(CustomerGatewayError):
    """Tried too often.

    Args:
        message: sentence for people.
        retry_after_s: seconds until another attempt is looked at.
    """

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnavailableError(CustomerGatewayError):
    """Something needed does not answer; nothing is lost and the same request may be sent again.

    Args:
        code: ``"node_unavailable"``, ``"store_unavailable"`` or ``"busy"``.
        message: sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NodeRefusesError(UnavailableError):
    """The node does not take this gateway's certificate: for its operator to mend, and to customers the same."""
