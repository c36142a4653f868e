"""Errors of ``node.partner``, one tree.

SettlementError
├── TransitionError          a settlement cannot go from this state to that one; a fault of ours, never of a caller
├── PaymentConflictError     a payment id that stands for another order
├── PaymentNotFoundError     no such payment
├── UnknownPartnerError      not a bank this node settles with
├── PartnerUnavailableError  the partner bank does not answer; nothing is known to have happened, asking again is safe
│   └── PartnerBusyError     the partner bank asks for patience; carries the seconds after which to ask again
├── NotCancellableError      a payment that cannot be cancelled or returned as it stands; says what can be done
├── MessageRefusedError      a bank-to-bank message that must not be acted on; carries the gRPC status code
└── SettlementStoreError     the database refuses or does not answer
"""

from __future__ import annotations

from node.errors import NodeError


class SettlementError(NodeError):
    """Base of the errors of ``node.partner``."""


class TransitionError(SettlementError):
    """A settlement cannot take this step in its state."""


class PaymentConflictError(SettlementError):
    """The payment id stands for another order already."""


class PaymentNotFoundError(SettlementError):
    """There is no such payment."""


class UnknownPartnerError(SettlementError):
    """The named organization is not a bank this node settles with."""


class PartnerUnavailableError(SettlementError):
    """The partner bank gives no answer that could be relied on."""


class PartnerBusyError(PartnerUnavailableError):
    """The partner bank takes no more at the moment.

    Args:
        message: what the partner said.
        retry_after_s: when he wants to be asked again.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotCancellableError(SettlementError):
    """The payment has come too far, or not far enough, for what is asked."""


class MessageRefusedError(SettlementError):
    """A message between banks must not be acted on.

    Args:
        code: gRPC status code.
        message: sentence for the sending bank's operator.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SettlementStoreError(SettlementError):
    """The database refuses or does not answer; whatever was asked may be asked again."""
