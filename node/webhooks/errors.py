"""Errors of ``node.webhooks``, one tree.

WebhookError
├── TargetError         an address that must not be called; carries ``reason``
├── DeliveryError       one attempt failed; carries ``reason``, ``gone`` and ``retry_after_s``
├── SignatureError      a message that does not come from whom it should, as a receiver sees it
├── SecretError         an endpoint's secret cannot be read or is malformed
└── WebhookStoreError   the database refuses or does not answer
"""

from __future__ import annotations

from node.errors import NodeError


class WebhookError(NodeError):
    """Base of the errors of ``node.webhooks``."""


class TargetError(WebhookError):
    """An address must not be called.

    Args:
        reason: why, and what would be allowed.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"webhook url: {reason}")
        self.reason = reason


class DeliveryError(WebhookError):
    """One attempt to deliver failed.

    Args:
        reason: what happened; nothing of the address, nothing the receiver said but its status.
        gone: the receiver said that it wants no more.
        retry_after_s: how long the receiver asked us to wait; 0 if it did not.
    """

    def __init__(self, reason: str, *, gone: bool = False, retry_after_s: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.gone = gone
        self.retry_after_s = retry_after_s


class SignatureError(WebhookError):
    """A message is not what its sender signed, is too old, or was signed by someone else."""


class SecretError(WebhookError):
    """An endpoint's secret cannot be read or is malformed."""


class WebhookStoreError(WebhookError):
    """The database refuses or does not answer; whatever was asked may be asked again."""
