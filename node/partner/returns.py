"""Sending a received payment back: a settlement of its own the other way, which names the one it returns. Pure.

What may be returned is a completed settlement, whole and once; the money goes to the account it came from, which only
the original sender knows, and where that account can no longer take it, to his account for unclaimed returns.

Source of the reasons: ISO 20022 ExternalReturnReason1Code.
"""

from __future__ import annotations

import re

from ledger.errors import InvalidValueError
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import StatusCode
from node.partner.errors import MessageRefusedError
from node.partner.settlement import Incoming, Outgoing, SenderState

_REASON = re.compile(r"[A-Z0-9]{4}")


def check_reason(reason: str) -> str:
    """Return a reason that has the form of a code.

    Raises:
        InvalidValueError: it has not.
    """
    if not _REASON.fullmatch(reason):
        raise InvalidValueError("reason", reason, "give a code of ExternalReturnReason1Code, such as AC04 or CUST")
    return reason


def check_return(wanted: partner_pb2.Prepare) -> None:
    """Let pass a payment that is either a whole return or none.

    Raises:
        MessageRefusedError: it can never be valid.
    """
    if not wanted.return_of:
        if wanted.return_reason:
            raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, "return_reason: only beside return_of")
        return
    if not _REASON.fullmatch(wanted.return_reason):
        raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, "return_reason: a code of four characters, such as AC04")
    if wanted.beneficiary_account or wanted.quote_id:
        reason = "beneficiary_account, quote_id: a return goes where the money came from, without a quote"
        raise MessageRefusedError(StatusCode.INVALID_ARGUMENT, reason)


def return_refusal(original: Outgoing | None, asked: Incoming) -> str:
    """Return why the original sender does not take a return, empty when he does.

    Args:
        original: his settlement of that id with this partner.
        asked: the return.
    """
    if original is None or original.return_of:
        return "return_of_unknown"
    if original.state is not SenderState.COMPLETED:
        return "return_of_not_completed"
    return "" if (original.asset, original.amount) == (asked.asset, asked.amount) else "return_of_another_amount"
