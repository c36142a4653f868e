"""``DisputeService``: disputes about obligations, for the two banks and their arbiter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ledger.errors import InvalidValueError
from network.obligation import ID_BYTES
from network.pb.dwaybank.partner.v1 import obligations_pb2 as pb
from network.rpc import RpcError, Server, StatusCode
from node.partner.dispute_statements import DISPUTE_SERVICE, Statements
from node.partner.obligation_chain import time_text
from node.partner.obligation_serving import ObligationServing, require_id

ANSWER_WITHIN_S = 86_400
ANSWER_WITHIN_S_MAX = 90 * 86_400


class DisputeService:
    """Serves the organization's own programs, and texts to those whom a dispute concerns.

    Args:
        own_msp_id: this organization.
        serving: offers methods, and has the contract.
        statements: what was said.
        now: clock.
        random_bytes: source of ids.
    """

    def __init__(
        self,
        own_msp_id: str,
        *,
        serving: ObligationServing,
        statements: Statements,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._own_msp_id = own_msp_id
        self._serving = serving
        self._statements = statements
        self._now = now
        self._random_bytes = random_bytes

    def register(self, server: Server) -> None:
        """Serve all methods on a server or port."""
        offer = self._serving
        offer.own(server, DISPUTE_SERVICE, "OpenDispute", pb.OpenDisputeRequest, self.open_dispute)
        offer.own(server, DISPUTE_SERVICE, "MoveDispute", pb.MoveDisputeRequest, self.move_dispute)
        offer.own(server, DISPUTE_SERVICE, "ListDisputes", pb.ListDisputesRequest, self.list_disputes)
        offer.own(server, DISPUTE_SERVICE, "GetDispute", pb.GetDisputeRequest, self.get_dispute)
        offer.members(server, DISPUTE_SERVICE, "ReadStatement", pb.ReadStatementRequest, self.read_statement)

    async def open_dispute(self, asked: pb.OpenDisputeRequest) -> pb.OpenDisputeResponse:
        """Dispute an obligation as this bank."""
        obligation_id = require_id("obligation_id", asked.obligation_id)
        within_s = asked.answer_within_s or ANSWER_WITHIN_S
        if not 0 < within_s <= ANSWER_WITHIN_S_MAX:
            raise InvalidValueError("answer_within_s", str(within_s), f"give 1 to {ANSWER_WITHIN_S_MAX}")
        commitment = await self._statements.keep(asked.statement)
        answer_by = time_text(self._now() + timedelta(seconds=within_s))
        dispute_id = self._random_bytes(ID_BYTES).hex()
        opened = await self._serving.chain.call(
            "OpenDispute", dispute_id, obligation_id, asked.reason, commitment.hex(), answer_by
        )
        return pb.OpenDisputeResponse(dispute=_dispute(opened, {}))

    async def move_dispute(self, asked: pb.MoveDisputeRequest) -> pb.MoveDisputeResponse:
        """Take the next step of a dispute as this organization."""
        dispute_id, step = require_id("dispute_id", asked.dispute_id), asked.WhichOneof("step")
        chain = self._serving.chain
        if step == "statement":
            commitment = await self._statements.keep(asked.statement)
            moved = await chain.call("AnswerDispute", dispute_id, commitment.hex())
        elif step == "resolve_as":
            moved = await chain.call("ResolveDispute", dispute_id, asked.resolve_as)
        elif step == "escalate" and asked.escalate:
            moved = await chain.call("EscalateDispute", dispute_id)
        else:
            raise InvalidValueError("step", "", "say statement, escalate or resolve_as")
        return pb.MoveDisputeResponse(dispute=_dispute(moved, {}))

    async def list_disputes(self, asked: pb.ListDisputesRequest) -> pb.ListDisputesResponse:
        """Return the disputes that concern this organization, without their texts."""
        reply = pb.ListDisputesResponse()
        async for record in self._serving.chain.pages("ListDisputes", "dispute_id"):
            if self._own_msp_id in _concerned(record) and asked.state in ("", record["state"]):
                reply.disputes.append(_dispute(record, {}))
        return reply

    async def get_dispute(self, asked: pb.GetDisputeRequest) -> pb.GetDisputeResponse:
        """Return a dispute with its texts as far as they can be had now."""
        dispute_id = require_id("dispute_id", asked.dispute_id)
        record = await self._serving.chain.read("GetDispute", dispute_id)
        texts = {}
        if self._own_msp_id in _concerned(record):
            for step in record["steps"]:
                if "statement" in step:
                    commitment = bytes.fromhex(step["statement"])
                    text = await self._statements.find(record["dispute_id"], step["by"], commitment)
                    texts[step["statement"]] = text
        return pb.GetDisputeResponse(dispute=_dispute(record, texts))

    async def read_statement(self, caller: str, asked: pb.ReadStatementRequest) -> pb.ReadStatementResponse:
        """Give a text to another organization that the dispute concerns."""
        dispute_id = require_id("dispute_id", asked.dispute_id)
        record = await self._serving.chain.read("GetDispute", dispute_id)
        if caller not in _concerned(record):
            raise RpcError(StatusCode.PERMISSION_DENIED, f"the dispute does not concern {caller}")
        if asked.commitment.hex() not in [step.get("statement") for step in record["steps"]]:
            raise RpcError(StatusCode.PERMISSION_DENIED, "commitment: the dispute commits to no such text")
        said = await self._statements.kept(asked.commitment)
        if said is None:
            raise RpcError(StatusCode.NOT_FOUND, "commitment: this text is not kept here")
        return pb.ReadStatementResponse(salt=said.salt, text=said.text)


def _concerned(record: Mapping[str, Any]) -> set[str]:
    return {*record["banks"], record["arbiter"]} - {""}


def _dispute(record: Mapping[str, Any], texts: Mapping[str, str]) -> pb.Dispute:
    names = ("dispute_id", "obligation_id", "banks", "arbiter", "opened_by", "reason", "state", "answer_by")
    reply = pb.Dispute(**{name: record[name] for name in names})
    for step in record["steps"]:
        said = step.get("statement", "")
        reply.steps.add(
            state=step["state"],
            by=step["by"],
            transaction_id=step["transaction_id"],
            taken_at=step["timestamp"],
            outcome=step.get("outcome", ""),
            commitment=bytes.fromhex(said),
            statement=texts.get(said, ""),
        )
    return reply
