"""``dwaybank.audit.v1.ProofService``: proofs of more than one entry, for this organization's own programs."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from ledger.journal import microseconds
from network.bundle_json import NUMBER_MAX
from network.bundle_many import EVER, Window
from network.pb.dwaybank.audit.v1 import proofs_pb2 as pb
from network.rpc import Server
from node.access import Members
from node.audit.errors import BadRequestError
from node.audit.serving import Serving, number, text, time_of
from node.audit.trail import AuditTrail

SERVICE = "dwaybank.audit.v1.ProofService"


class ProofService:
    """Serves proofs.

    Args:
        trail: what builds them.
        members: tells who calls.
    """

    def __init__(self, trail: AuditTrail, members: Members) -> None:
        self._trail = trail
        self._members = members

    def register(self, server: Server) -> None:
        """Offer all methods of the service."""
        serving = Serving(server, self._members, SERVICE)
        serving.own("ProveRange", pb.ProveRangeRequest, self._prove_range)
        serving.own("ProveAccount", pb.ProveAccountRequest, self._prove_account)
        serving.own("ProvePeriod", pb.ProvePeriodRequest, self._prove_period)
        serving.own("ProveConsistency", pb.ProveConsistencyRequest, self._prove_consistency)
        serving.own("ProveFork", pb.ProveForkRequest, self._prove_fork)

    async def _prove_range(self, request: pb.ProveRangeRequest) -> pb.ProveRangeResponse:
        first, last = _numbers(request.from_seq, request.to_seq)
        if request.leaves_only and request.shown_seqs:
            raise BadRequestError("shown_seqs: leave them out with leaves_only")
        shown = [] if request.leaves_only else list(request.shown_seqs) or None
        return pb.ProveRangeResponse(bundle=await self._trail.own_range_proofs().range(first, last, shown))

    async def _prove_account(self, request: pb.ProveAccountRequest) -> pb.ProveAccountResponse:
        account, asset = text("account", request.account), text("asset", request.asset)
        if not account or not asset:
            raise BadRequestError("account, asset: name both")
        window = _window(request)
        numbers = _numbers(request.from_seq, request.to_seq)
        if window != EVER and numbers != (0, 0):
            raise BadRequestError("from_seq, to_seq: leave them out with begin or end")
        proofs = self._trail.own_range_proofs()
        bundle = await proofs.account(account, asset, window, numbers, not request.touching_only)
        return pb.ProveAccountResponse(bundle=bundle)

    async def _prove_period(self, request: pb.ProvePeriodRequest) -> pb.ProvePeriodResponse:
        return pb.ProvePeriodResponse(bundle=await self._trail.own_range_proofs().period(_window(request)))

    async def _prove_consistency(self, request: pb.ProveConsistencyRequest) -> pb.ProveConsistencyResponse:
        organization = text("organization", request.organization)
        old, new = number("old_size", request.old_size, 0), number("new_size", request.new_size, 0)
        return pb.ProveConsistencyResponse(bundle=await self._trail.head_proofs.consistency(organization, old, new))

    async def _prove_fork(self, request: pb.ProveForkRequest) -> pb.ProveForkResponse:
        organization = text("organization", request.organization)
        bundle = await self._trail.head_proofs.fork(organization, request.note, request.other_note)
        return pb.ProveForkResponse(bundle=bundle)


def _numbers(from_seq: int, to_seq: int) -> tuple[int, int]:
    first, last = number("from_seq", from_seq, 0), number("to_seq", to_seq, 0)
    if last and first > last:
        raise BadRequestError(f"from_seq: {first} is above to_seq, {last}")
    return first, last


def _window(request: pb.ProveAccountRequest | pb.ProvePeriodRequest) -> Window:
    begin = _bound("begin", request.begin) if request.HasField("begin") else None
    end = _bound("end", request.end) if request.HasField("end") else None
    if begin is not None and end is not None and begin >= end:
        raise BadRequestError("begin: it is not before end")
    return Window(begin, end)


def _bound(field: str, value: Timestamp) -> int:
    moment = microseconds(time_of(field, value))
    if not 0 <= moment <= NUMBER_MAX:
        raise BadRequestError(f"{field}: give a time of the years 1970 to 2254")
    return moment
