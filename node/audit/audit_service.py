"""``dwaybank.audit.v1.AuditService``: proofs and the audit trail of one organization's node.

Rules:
- handlers go from bytes to bytes; who calls is told by the client certificate before anything is read;
- other members reach three methods of this part, all of salted hashes: ``ReadTile``, ``ReadCheckpoint``,
  ``RecomputeLeaves``;
- everything else answers this organization's own programs.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from ledger.audit import NO_LEAF
from ledger.canonical import SALT_BYTES, decode_entry, leaf_hash
from ledger.errors import InvalidValueError
from ledger.rows import Disclosure
from network.errors import NetworkError, RpcError
from network.merkle import HASH_BYTES, TILE_WIDTH
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.rpc import Call, Server, StatusCode
from node.access import Members
from node.anchor.books import ArchivedEntries, recompute_all
from node.audit.errors import BadRequestError, NotYetError, UnknownEntryError, rpc_error_of
from node.audit.index import SearchFilter
from node.audit.member_node import SERVICE
from node.audit.records import KINDS, AuditRecord
from node.audit.reviews import Review
from node.audit.serving import Serving, number, parse, text, time_of, timestamp
from node.audit.trail import AuditTrail
from node.errors import NodeError

RECOMPUTING_MAX = 2
"""Walks over the books that one member may have under way: each hashes every row and reads it from the database."""

WAIT_MS_MAX = 60_000


class AuditService:
    """Serves the audit trail.

    Args:
        trail: what it serves.
        members: tells who calls.
    """

    def __init__(self, trail: AuditTrail, members: Members) -> None:
        self._trail = trail
        self._members = members
        self._recomputing: Counter[str] = Counter()

    def register(self, server: Server) -> None:
        """Offer all methods of the service."""
        serving = Serving(server, self._members)
        serving.own("GetAnchorStatus", pb.GetAnchorStatusRequest, self._get_anchor_status)
        serving.own("SearchAudit", pb.SearchAuditRequest, self._search_audit)
        serving.own("GetProof", pb.GetProofRequest, self._get_proof)
        serving.own("AuditBooks", pb.AuditBooksRequest, self._audit_books)
        serving.own("ListReviews", pb.ListReviewsRequest, self._list_reviews)
        serving.own("DecideReview", pb.DecideReviewRequest, self._decide_review)
        serving.members("ReadTile", pb.ReadTileRequest, self._read_tile)
        serving.members("ReadCheckpoint", pb.ReadCheckpointRequest, self._read_checkpoint)
        server.server_stream(f"/{SERVICE}/RecomputeLeaves", self._members.admitted(self._recompute_leaves))

    # --- own side ----------------------------------------------------------------------------------------------

    async def _get_anchor_status(self, request: pb.GetAnchorStatusRequest) -> pb.GetAnchorStatusResponse:
        del request
        status = await asyncio.to_thread(self._trail.status)
        return pb.GetAnchorStatusResponse(
            msp_id=self._trail.msp_id,
            channel_id=self._trail.channel_id,
            posted_seq=status.posted_seq,
            sealed_size=status.sealed_size,
            anchored_size=status.sizes.anchored,
            attested_size=status.sizes.attested,
            checkpoint_count=status.checkpoint_count,
            block_height=status.position.next_block,
            commit_hash=status.position.commit_hash,
            current_block_hash=status.position.block_hash,
            lag_p50_ms=int(status.lag.p50.total_seconds() * 1000),
            lag_p95_ms=int(status.lag.p95.total_seconds() * 1000),
            stalled=status.stalled,
        )

    async def _search_audit(self, request: pb.SearchAuditRequest) -> pb.SearchAuditResponse:
        wanted = SearchFilter(
            kind=_kind(request.kind),
            organization=text("organization", request.organization),
            entry_seq=number("entry_seq", request.entry_seq, 0),
            transaction_id=text("transaction_id", request.transaction_id),
            record_id=text("record_id", request.record_id),
            recorded_from=time_of("recorded_from", request.recorded_from)
            if request.HasField("recorded_from")
            else None,
            recorded_to=time_of("recorded_to", request.recorded_to) if request.HasField("recorded_to") else None,
        )
        token = text("page_token", request.page_token)
        records, next_token = await asyncio.to_thread(self._trail.index.search, wanted, request.page_size, token)
        return pb.SearchAuditResponse(records=[_record(record) for record in records], next_page_token=next_token)

    async def _get_proof(self, request: pb.GetProofRequest) -> pb.GetProofResponse:
        seq = number("seq", request.seq, 1)
        wait_ms = min(number("wait_ms", request.wait_ms, 0), WAIT_MS_MAX)
        archived = _disclosure(seq, request) if request.canonical else None
        return pb.GetProofResponse(bundle=await self._trail.own_proofs().build(seq, wait_ms / 1000, archived))

    async def _audit_books(self, request: pb.AuditBooksRequest) -> pb.AuditBooksResponse:
        outcome = await self._trail.audit_books(request.organization or self._trail.msp_id)
        findings = [
            pb.Finding(kind=finding.kind, seq=finding.seq, explanation=finding.explanation)
            for finding in outcome.findings
        ]
        return pb.AuditBooksResponse(
            findings=findings,
            entries_checked=outcome.entries_checked,
            anchored_size=outcome.anchored_size,
            archived=[_archived(archive) for archive in outcome.archived],
        )

    async def _list_reviews(self, request: pb.ListReviewsRequest) -> pb.ListReviewsResponse:
        reviews, token = await self._trail.reviews.page(
            text("organization", request.organization),
            text("status", request.status),
            request.page_size,
            request.page_token,
        )
        return pb.ListReviewsResponse(reviews=[_review(review) for review in reviews], next_page_token=token)

    async def _decide_review(self, request: pb.DecideReviewRequest) -> pb.DecideReviewResponse:
        review, tx_id = await self._trail.reviews.decide(request.record_id, request.approve, request.reason)
        return pb.DecideReviewResponse(review=_review(review), transaction_id=tx_id)

    # --- for every member --------------------------------------------------------------------------------------

    async def _read_tile(self, caller: str, request: pb.ReadTileRequest) -> pb.ReadTileResponse:
        del caller
        if not 0 <= request.level <= 7 or request.index < 0 or not 1 <= request.width <= TILE_WIDTH:
            raise BadRequestError("tile: give level 0 to 7, an index from 0 and width 1 to 256")
        hashes = await asyncio.to_thread(self._trail.store.read_tile, request.level, request.index)
        if len(hashes) < request.width * HASH_BYTES:
            raise UnknownEntryError(f"tile {request.index} of level {request.level} is not {request.width} hashes wide")
        return pb.ReadTileResponse(hashes=hashes[: request.width * HASH_BYTES])

    async def _read_checkpoint(self, caller: str, request: pb.ReadCheckpointRequest) -> pb.ReadCheckpointResponse:
        del caller, request
        head = await asyncio.to_thread(self._trail.store.head)
        if not head.note:
            raise NotYetError("the log holds no entry yet")
        return pb.ReadCheckpointResponse(note=head.note)

    async def _recompute_leaves(self, data: bytes, call: Call) -> AsyncIterator[bytes]:
        caller = self._members.caller(call)
        request = parse(pb.RecomputeLeavesRequest, data)
        if self._recomputing[caller] >= RECOMPUTING_MAX:
            told = f"{RECOMPUTING_MAX} walks over the books are under way for {caller}: ask again when one has ended"
            raise RpcError(StatusCode.RESOURCE_EXHAUSTED, told)
        self._recomputing[caller] += 1
        try:
            books = self._trail.own_books()
            first, last = number("from_seq", request.from_seq, 0), number("to_seq", request.to_seq, 0)
            async for some in recompute_all(books, first, last):
                leaves = [
                    pb.RecomputedLeaf(
                        seq=row.seq,
                        leaf=row.leaf if row.unchanged else NO_LEAF,
                        covered=row.covered,
                        archived=row.archived,
                    )
                    for row in some.rows
                ]
                archived = [_archived(archive) for archive in some.archived]
                yield pb.RecomputeLeavesResponse(leaves=leaves, archived=archived).SerializeToString()
        except (NodeError, NetworkError) as error:
            raise rpc_error_of(error) from error
        finally:
            self._recomputing[caller] -= 1


def _disclosure(seq: int, request: pb.GetProofRequest) -> Disclosure:
    """Return what the file of an archive tells of an entry; that it is true is proved by the log."""
    try:
        entry = decode_entry(request.canonical)
    except InvalidValueError as error:
        raise BadRequestError(f"canonical: {error}") from error
    if entry.seq != seq or len(request.salt) != SALT_BYTES:
        raise BadRequestError(f"canonical: it is entry {entry.seq}, or its salt is not {SALT_BYTES} bytes")
    leaf = leaf_hash(request.salt, request.canonical)
    return Disclosure(seq, request.salt, request.canonical, leaf, entry.decision_id)


def _archived(archive: ArchivedEntries) -> pb.ArchivedEntries:
    return pb.ArchivedEntries(
        first_seq=archive.first_seq,
        last_seq=archive.last_seq,
        file_name=archive.file_name,
        file_sha256=archive.file_sha256,
        archived_at=timestamp(archive.archived_at),
    )


def _kind(wanted: str) -> str:
    """Return the kind of records that is searched for, empty for all.

    Raises:
        BadRequestError: there are none of it, so that an empty answer would say nothing.
    """
    kinds = sorted(kind for of_contract in KINDS.values() for kind in of_contract)
    if wanted and wanted not in kinds:
        raise BadRequestError(f"kind: {wanted[:40]!r} is none of {', '.join(kinds)}")
    return wanted


def _record(record: AuditRecord) -> pb.AuditRecord:
    return pb.AuditRecord(
        kind=record.kind,
        organization=record.organization,
        record_id=record.key,
        block_number=record.block_number,
        transaction_id=record.transaction_id,
        recorded_at=timestamp(record.recorded_at),
        from_seq=record.from_seq or 0,
        to_seq=record.to_seq or 0,
        signer=record.signer,
        body_json=record.body,
    )


def _review(review: Review) -> pb.Review:
    return pb.Review(
        record_id=review.state.record_id,
        organization=review.state.organization,
        status=review.state.status,
        reviewer=review.state.reviewer,
        recorded_at=timestamp(review.state.recorded_at),
        seq=review.seq,
    )
