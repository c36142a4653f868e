from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetAnchorStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetAnchorStatusResponse(_message.Message):
    __slots__ = ("msp_id", "channel_id", "posted_seq", "sealed_size", "anchored_size", "attested_size", "checkpoint_count", "block_height", "commit_hash", "lag_p50_ms", "lag_p95_ms", "stalled", "current_block_hash")
    MSP_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    POSTED_SEQ_FIELD_NUMBER: _ClassVar[int]
    SEALED_SIZE_FIELD_NUMBER: _ClassVar[int]
    ANCHORED_SIZE_FIELD_NUMBER: _ClassVar[int]
    ATTESTED_SIZE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_COUNT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    COMMIT_HASH_FIELD_NUMBER: _ClassVar[int]
    LAG_P50_MS_FIELD_NUMBER: _ClassVar[int]
    LAG_P95_MS_FIELD_NUMBER: _ClassVar[int]
    STALLED_FIELD_NUMBER: _ClassVar[int]
    CURRENT_BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    msp_id: str
    channel_id: str
    posted_seq: int
    sealed_size: int
    anchored_size: int
    attested_size: int
    checkpoint_count: int
    block_height: int
    commit_hash: bytes
    lag_p50_ms: int
    lag_p95_ms: int
    stalled: str
    current_block_hash: bytes
    def __init__(self, msp_id: _Optional[str] = ..., channel_id: _Optional[str] = ..., posted_seq: _Optional[int] = ..., sealed_size: _Optional[int] = ..., anchored_size: _Optional[int] = ..., attested_size: _Optional[int] = ..., checkpoint_count: _Optional[int] = ..., block_height: _Optional[int] = ..., commit_hash: _Optional[bytes] = ..., lag_p50_ms: _Optional[int] = ..., lag_p95_ms: _Optional[int] = ..., stalled: _Optional[str] = ..., current_block_hash: _Optional[bytes] = ...) -> None: ...

class AuditRecord(_message.Message):
    __slots__ = ("kind", "organization", "record_id", "block_number", "transaction_id", "recorded_at", "from_seq", "to_seq", "signer", "body_json")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQ_FIELD_NUMBER: _ClassVar[int]
    TO_SEQ_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    BODY_JSON_FIELD_NUMBER: _ClassVar[int]
    kind: str
    organization: str
    record_id: str
    block_number: int
    transaction_id: str
    recorded_at: _timestamp_pb2.Timestamp
    from_seq: int
    to_seq: int
    signer: str
    body_json: str
    def __init__(self, kind: _Optional[str] = ..., organization: _Optional[str] = ..., record_id: _Optional[str] = ..., block_number: _Optional[int] = ..., transaction_id: _Optional[str] = ..., recorded_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., from_seq: _Optional[int] = ..., to_seq: _Optional[int] = ..., signer: _Optional[str] = ..., body_json: _Optional[str] = ...) -> None: ...

class SearchAuditRequest(_message.Message):
    __slots__ = ("kind", "organization", "entry_seq", "transaction_id", "recorded_from", "recorded_to", "record_id", "page_size", "page_token")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    ENTRY_SEQ_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FROM_FIELD_NUMBER: _ClassVar[int]
    RECORDED_TO_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    kind: str
    organization: str
    entry_seq: int
    transaction_id: str
    recorded_from: _timestamp_pb2.Timestamp
    recorded_to: _timestamp_pb2.Timestamp
    record_id: str
    page_size: int
    page_token: str
    def __init__(self, kind: _Optional[str] = ..., organization: _Optional[str] = ..., entry_seq: _Optional[int] = ..., transaction_id: _Optional[str] = ..., recorded_from: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., recorded_to: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., record_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class SearchAuditResponse(_message.Message):
    __slots__ = ("records", "next_page_token")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[AuditRecord]
    next_page_token: str
    def __init__(self, records: _Optional[_Iterable[_Union[AuditRecord, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetProofRequest(_message.Message):
    __slots__ = ("seq", "wait_ms", "salt", "canonical")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    CANONICAL_FIELD_NUMBER: _ClassVar[int]
    seq: int
    wait_ms: int
    salt: bytes
    canonical: bytes
    def __init__(self, seq: _Optional[int] = ..., wait_ms: _Optional[int] = ..., salt: _Optional[bytes] = ..., canonical: _Optional[bytes] = ...) -> None: ...

class GetProofResponse(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: bytes
    def __init__(self, bundle: _Optional[bytes] = ...) -> None: ...

class DemandDisclosureRequest(_message.Message):
    __slots__ = ("organization", "seqs", "purpose", "for_user", "scope")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    SEQS_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    seqs: _containers.RepeatedScalarFieldContainer[int]
    purpose: str
    for_user: str
    scope: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, organization: _Optional[str] = ..., seqs: _Optional[_Iterable[int]] = ..., purpose: _Optional[str] = ..., for_user: _Optional[str] = ..., scope: _Optional[_Iterable[str]] = ...) -> None: ...

class DemandDisclosureResponse(_message.Message):
    __slots__ = ("demand_id", "transaction_id", "bundles", "details")
    DEMAND_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    BUNDLES_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    demand_id: str
    transaction_id: str
    bundles: _containers.RepeatedScalarFieldContainer[bytes]
    details: _containers.RepeatedCompositeFieldContainer[DisclosedDetails]
    def __init__(self, demand_id: _Optional[str] = ..., transaction_id: _Optional[str] = ..., bundles: _Optional[_Iterable[bytes]] = ..., details: _Optional[_Iterable[_Union[DisclosedDetails, _Mapping]]] = ...) -> None: ...

class FetchDisclosureRequest(_message.Message):
    __slots__ = ("demand_id", "for_user")
    DEMAND_ID_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    demand_id: str
    for_user: str
    def __init__(self, demand_id: _Optional[str] = ..., for_user: _Optional[str] = ...) -> None: ...

class FetchDisclosureResponse(_message.Message):
    __slots__ = ("bundles", "details")
    BUNDLES_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    bundles: _containers.RepeatedScalarFieldContainer[bytes]
    details: _containers.RepeatedCompositeFieldContainer[DisclosedDetails]
    def __init__(self, bundles: _Optional[_Iterable[bytes]] = ..., details: _Optional[_Iterable[_Union[DisclosedDetails, _Mapping]]] = ...) -> None: ...

class DisclosedCustomer(_message.Message):
    __slots__ = ("account", "customer_id", "display_name", "email", "status", "opened_at")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    account: str
    customer_id: str
    display_name: str
    email: str
    status: str
    opened_at: _timestamp_pb2.Timestamp
    def __init__(self, account: _Optional[str] = ..., customer_id: _Optional[str] = ..., display_name: _Optional[str] = ..., email: _Optional[str] = ..., status: _Optional[str] = ..., opened_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DisclosedDetails(_message.Message):
    __slots__ = ("organization", "seq", "description", "description_salt", "customers", "unavailable", "demand_id")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_SALT_FIELD_NUMBER: _ClassVar[int]
    CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    DEMAND_ID_FIELD_NUMBER: _ClassVar[int]
    organization: str
    seq: int
    description: str
    description_salt: bytes
    customers: _containers.RepeatedCompositeFieldContainer[DisclosedCustomer]
    unavailable: _containers.RepeatedScalarFieldContainer[str]
    demand_id: str
    def __init__(self, organization: _Optional[str] = ..., seq: _Optional[int] = ..., description: _Optional[str] = ..., description_salt: _Optional[bytes] = ..., customers: _Optional[_Iterable[_Union[DisclosedCustomer, _Mapping]]] = ..., unavailable: _Optional[_Iterable[str]] = ..., demand_id: _Optional[str] = ...) -> None: ...

class GetDisclosedDetailsRequest(_message.Message):
    __slots__ = ("organization", "seq", "for_user")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    seq: int
    for_user: str
    def __init__(self, organization: _Optional[str] = ..., seq: _Optional[int] = ..., for_user: _Optional[str] = ...) -> None: ...

class GetDisclosedDetailsResponse(_message.Message):
    __slots__ = ("details",)
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    details: _containers.RepeatedCompositeFieldContainer[DisclosedDetails]
    def __init__(self, details: _Optional[_Iterable[_Union[DisclosedDetails, _Mapping]]] = ...) -> None: ...

class Demand(_message.Message):
    __slots__ = ("demand_id", "organization", "demanding_organization", "seqs", "purpose", "scope", "recorded_at", "block_number", "transaction_id", "state", "reason")
    DEMAND_ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    DEMANDING_ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    SEQS_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    demand_id: str
    organization: str
    demanding_organization: str
    seqs: _containers.RepeatedScalarFieldContainer[int]
    purpose: str
    scope: _containers.RepeatedScalarFieldContainer[str]
    recorded_at: _timestamp_pb2.Timestamp
    block_number: int
    transaction_id: str
    state: str
    reason: str
    def __init__(self, demand_id: _Optional[str] = ..., organization: _Optional[str] = ..., demanding_organization: _Optional[str] = ..., seqs: _Optional[_Iterable[int]] = ..., purpose: _Optional[str] = ..., scope: _Optional[_Iterable[str]] = ..., recorded_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., block_number: _Optional[int] = ..., transaction_id: _Optional[str] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ListDemandsRequest(_message.Message):
    __slots__ = ("organization", "state", "page_size", "page_token")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    organization: str
    state: str
    page_size: int
    page_token: str
    def __init__(self, organization: _Optional[str] = ..., state: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDemandsResponse(_message.Message):
    __slots__ = ("demands", "next_page_token")
    DEMANDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    demands: _containers.RepeatedCompositeFieldContainer[Demand]
    next_page_token: str
    def __init__(self, demands: _Optional[_Iterable[_Union[Demand, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AllowDemandRequest(_message.Message):
    __slots__ = ("demand_id", "for_user")
    DEMAND_ID_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    demand_id: str
    for_user: str
    def __init__(self, demand_id: _Optional[str] = ..., for_user: _Optional[str] = ...) -> None: ...

class AllowDemandResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RefuseDemandRequest(_message.Message):
    __slots__ = ("demand_id", "reason")
    DEMAND_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    demand_id: str
    reason: str
    def __init__(self, demand_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RefuseDemandResponse(_message.Message):
    __slots__ = ("transaction_id",)
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    def __init__(self, transaction_id: _Optional[str] = ...) -> None: ...

class DiscloseRequest(_message.Message):
    __slots__ = ("demand_id",)
    DEMAND_ID_FIELD_NUMBER: _ClassVar[int]
    demand_id: str
    def __init__(self, demand_id: _Optional[str] = ...) -> None: ...

class DiscloseResponse(_message.Message):
    __slots__ = ("sealed",)
    SEALED_FIELD_NUMBER: _ClassVar[int]
    sealed: bytes
    def __init__(self, sealed: _Optional[bytes] = ...) -> None: ...

class SignedDisclosure(_message.Message):
    __slots__ = ("package", "creator", "signature")
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    package: bytes
    creator: bytes
    signature: bytes
    def __init__(self, package: _Optional[bytes] = ..., creator: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class DisclosurePackage(_message.Message):
    __slots__ = ("demand_id", "organization", "bundles", "details")
    DEMAND_ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    BUNDLES_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    demand_id: str
    organization: str
    bundles: _containers.RepeatedScalarFieldContainer[bytes]
    details: _containers.RepeatedCompositeFieldContainer[DisclosedDetails]
    def __init__(self, demand_id: _Optional[str] = ..., organization: _Optional[str] = ..., bundles: _Optional[_Iterable[bytes]] = ..., details: _Optional[_Iterable[_Union[DisclosedDetails, _Mapping]]] = ...) -> None: ...

class ReadTileRequest(_message.Message):
    __slots__ = ("level", "index", "width")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    level: int
    index: int
    width: int
    def __init__(self, level: _Optional[int] = ..., index: _Optional[int] = ..., width: _Optional[int] = ...) -> None: ...

class ReadTileResponse(_message.Message):
    __slots__ = ("hashes",)
    HASHES_FIELD_NUMBER: _ClassVar[int]
    hashes: bytes
    def __init__(self, hashes: _Optional[bytes] = ...) -> None: ...

class ReadCheckpointRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReadCheckpointResponse(_message.Message):
    __slots__ = ("note",)
    NOTE_FIELD_NUMBER: _ClassVar[int]
    note: bytes
    def __init__(self, note: _Optional[bytes] = ...) -> None: ...

class RecomputeLeavesRequest(_message.Message):
    __slots__ = ("from_seq", "to_seq")
    FROM_SEQ_FIELD_NUMBER: _ClassVar[int]
    TO_SEQ_FIELD_NUMBER: _ClassVar[int]
    from_seq: int
    to_seq: int
    def __init__(self, from_seq: _Optional[int] = ..., to_seq: _Optional[int] = ...) -> None: ...

class RecomputedLeaf(_message.Message):
    __slots__ = ("seq", "leaf", "covered", "archived")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    LEAF_FIELD_NUMBER: _ClassVar[int]
    COVERED_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    seq: int
    leaf: bytes
    covered: bool
    archived: bool
    def __init__(self, seq: _Optional[int] = ..., leaf: _Optional[bytes] = ..., covered: bool = ..., archived: bool = ...) -> None: ...

class ArchivedEntries(_message.Message):
    __slots__ = ("first_seq", "last_seq", "file_name", "file_sha256", "archived_at")
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    FILE_SHA256_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_AT_FIELD_NUMBER: _ClassVar[int]
    first_seq: int
    last_seq: int
    file_name: str
    file_sha256: bytes
    archived_at: _timestamp_pb2.Timestamp
    def __init__(self, first_seq: _Optional[int] = ..., last_seq: _Optional[int] = ..., file_name: _Optional[str] = ..., file_sha256: _Optional[bytes] = ..., archived_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RecomputeLeavesResponse(_message.Message):
    __slots__ = ("leaves", "archived")
    LEAVES_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    leaves: _containers.RepeatedCompositeFieldContainer[RecomputedLeaf]
    archived: _containers.RepeatedCompositeFieldContainer[ArchivedEntries]
    def __init__(self, leaves: _Optional[_Iterable[_Union[RecomputedLeaf, _Mapping]]] = ..., archived: _Optional[_Iterable[_Union[ArchivedEntries, _Mapping]]] = ...) -> None: ...

class AuditBooksRequest(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: str
    def __init__(self, organization: _Optional[str] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("kind", "seq", "explanation")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    kind: str
    seq: int
    explanation: str
    def __init__(self, kind: _Optional[str] = ..., seq: _Optional[int] = ..., explanation: _Optional[str] = ...) -> None: ...

class AuditBooksResponse(_message.Message):
    __slots__ = ("findings", "entries_checked", "anchored_size", "archived")
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_CHECKED_FIELD_NUMBER: _ClassVar[int]
    ANCHORED_SIZE_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    entries_checked: int
    anchored_size: int
    archived: _containers.RepeatedCompositeFieldContainer[ArchivedEntries]
    def __init__(self, findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., entries_checked: _Optional[int] = ..., anchored_size: _Optional[int] = ..., archived: _Optional[_Iterable[_Union[ArchivedEntries, _Mapping]]] = ...) -> None: ...

class Review(_message.Message):
    __slots__ = ("record_id", "organization", "status", "reviewer", "recorded_at", "seq")
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    record_id: str
    organization: str
    status: str
    reviewer: str
    recorded_at: _timestamp_pb2.Timestamp
    seq: int
    def __init__(self, record_id: _Optional[str] = ..., organization: _Optional[str] = ..., status: _Optional[str] = ..., reviewer: _Optional[str] = ..., recorded_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., seq: _Optional[int] = ...) -> None: ...

class ListReviewsRequest(_message.Message):
    __slots__ = ("organization", "status", "page_size", "page_token")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    organization: str
    status: str
    page_size: int
    page_token: str
    def __init__(self, organization: _Optional[str] = ..., status: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListReviewsResponse(_message.Message):
    __slots__ = ("reviews", "next_page_token")
    REVIEWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    reviews: _containers.RepeatedCompositeFieldContainer[Review]
    next_page_token: str
    def __init__(self, reviews: _Optional[_Iterable[_Union[Review, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DecideReviewRequest(_message.Message):
    __slots__ = ("record_id", "approve", "reason")
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    APPROVE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    record_id: str
    approve: bool
    reason: str
    def __init__(self, record_id: _Optional[str] = ..., approve: bool = ..., reason: _Optional[str] = ...) -> None: ...

class DecideReviewResponse(_message.Message):
    __slots__ = ("review", "transaction_id")
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    review: Review
    transaction_id: str
    def __init__(self, review: _Optional[_Union[Review, _Mapping]] = ..., transaction_id: _Optional[str] = ...) -> None: ...

class EntrySearch(_message.Message):
    __slots__ = ("organization", "from_seq", "to_seq", "block", "transaction_id", "signer", "anchored_from", "anchored_to", "attested", "disclosed", "account", "asset", "amount_from_minor", "amount_to_minor", "settlement_id", "idempotency_key", "posted_from", "posted_to", "effective_from", "effective_to", "status", "decision_id", "rules_hash", "reviewer", "demand_id", "sort", "ascending")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQ_FIELD_NUMBER: _ClassVar[int]
    TO_SEQ_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    ANCHORED_FROM_FIELD_NUMBER: _ClassVar[int]
    ANCHORED_TO_FIELD_NUMBER: _ClassVar[int]
    ATTESTED_FIELD_NUMBER: _ClassVar[int]
    DISCLOSED_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FROM_MINOR_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_TO_MINOR_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    POSTED_FROM_FIELD_NUMBER: _ClassVar[int]
    POSTED_TO_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FROM_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TO_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    RULES_HASH_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    DEMAND_ID_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    ASCENDING_FIELD_NUMBER: _ClassVar[int]
    organization: str
    from_seq: int
    to_seq: int
    block: int
    transaction_id: str
    signer: str
    anchored_from: _timestamp_pb2.Timestamp
    anchored_to: _timestamp_pb2.Timestamp
    attested: bool
    disclosed: bool
    account: str
    asset: str
    amount_from_minor: str
    amount_to_minor: str
    settlement_id: str
    idempotency_key: str
    posted_from: _timestamp_pb2.Timestamp
    posted_to: _timestamp_pb2.Timestamp
    effective_from: _timestamp_pb2.Timestamp
    effective_to: _timestamp_pb2.Timestamp
    status: str
    decision_id: str
    rules_hash: str
    reviewer: str
    demand_id: str
    sort: str
    ascending: bool
    def __init__(self, organization: _Optional[str] = ..., from_seq: _Optional[int] = ..., to_seq: _Optional[int] = ..., block: _Optional[int] = ..., transaction_id: _Optional[str] = ..., signer: _Optional[str] = ..., anchored_from: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., anchored_to: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., attested: bool = ..., disclosed: bool = ..., account: _Optional[str] = ..., asset: _Optional[str] = ..., amount_from_minor: _Optional[str] = ..., amount_to_minor: _Optional[str] = ..., settlement_id: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., posted_from: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., posted_to: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., effective_from: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., effective_to: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[str] = ..., decision_id: _Optional[str] = ..., rules_hash: _Optional[str] = ..., reviewer: _Optional[str] = ..., demand_id: _Optional[str] = ..., sort: _Optional[str] = ..., ascending: bool = ...) -> None: ...

class FoundEntry(_message.Message):
    __slots__ = ("organization", "seq", "block_number", "transaction_id", "anchored_at", "signer", "state", "fields_json", "demand_id", "disclosed_at", "status", "reviewer", "rules_hash", "worth_minor")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    ANCHORED_AT_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_JSON_FIELD_NUMBER: _ClassVar[int]
    DEMAND_ID_FIELD_NUMBER: _ClassVar[int]
    DISCLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    RULES_HASH_FIELD_NUMBER: _ClassVar[int]
    WORTH_MINOR_FIELD_NUMBER: _ClassVar[int]
    organization: str
    seq: int
    block_number: int
    transaction_id: str
    anchored_at: _timestamp_pb2.Timestamp
    signer: str
    state: str
    fields_json: str
    demand_id: str
    disclosed_at: _timestamp_pb2.Timestamp
    status: str
    reviewer: str
    rules_hash: str
    worth_minor: str
    def __init__(self, organization: _Optional[str] = ..., seq: _Optional[int] = ..., block_number: _Optional[int] = ..., transaction_id: _Optional[str] = ..., anchored_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., signer: _Optional[str] = ..., state: _Optional[str] = ..., fields_json: _Optional[str] = ..., demand_id: _Optional[str] = ..., disclosed_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[str] = ..., reviewer: _Optional[str] = ..., rules_hash: _Optional[str] = ..., worth_minor: _Optional[str] = ...) -> None: ...

class SearchEntriesRequest(_message.Message):
    __slots__ = ("search", "page_size", "page_token", "for_user")
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    search: EntrySearch
    page_size: int
    page_token: str
    for_user: str
    def __init__(self, search: _Optional[_Union[EntrySearch, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., for_user: _Optional[str] = ...) -> None: ...

class SearchEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[FoundEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[FoundEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ExportEntriesRequest(_message.Message):
    __slots__ = ("search", "format", "for_user")
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    search: EntrySearch
    format: str
    for_user: str
    def __init__(self, search: _Optional[_Union[EntrySearch, _Mapping]] = ..., format: _Optional[str] = ..., for_user: _Optional[str] = ...) -> None: ...

class ExportEntriesResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class GetDisclosedBundleRequest(_message.Message):
    __slots__ = ("organization", "seq", "for_user")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    organization: str
    seq: int
    for_user: str
    def __init__(self, organization: _Optional[str] = ..., seq: _Optional[int] = ..., for_user: _Optional[str] = ...) -> None: ...

class GetDisclosedBundleResponse(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: bytes
    def __init__(self, bundle: _Optional[bytes] = ...) -> None: ...

class SavedSearch(_message.Message):
    __slots__ = ("name", "search", "saved_by", "saved_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    SAVED_BY_FIELD_NUMBER: _ClassVar[int]
    SAVED_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    search: EntrySearch
    saved_by: str
    saved_at: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., search: _Optional[_Union[EntrySearch, _Mapping]] = ..., saved_by: _Optional[str] = ..., saved_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SaveSearchRequest(_message.Message):
    __slots__ = ("name", "search", "for_user")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    name: str
    search: EntrySearch
    for_user: str
    def __init__(self, name: _Optional[str] = ..., search: _Optional[_Union[EntrySearch, _Mapping]] = ..., for_user: _Optional[str] = ...) -> None: ...

class SaveSearchResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSavedSearchesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSavedSearchesResponse(_message.Message):
    __slots__ = ("searches",)
    SEARCHES_FIELD_NUMBER: _ClassVar[int]
    searches: _containers.RepeatedCompositeFieldContainer[SavedSearch]
    def __init__(self, searches: _Optional[_Iterable[_Union[SavedSearch, _Mapping]]] = ...) -> None: ...

class DropSavedSearchRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DropSavedSearchResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListLooksRequest(_message.Message):
    __slots__ = ("before", "page_size", "verify")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    VERIFY_FIELD_NUMBER: _ClassVar[int]
    before: int
    page_size: int
    verify: bool
    def __init__(self, before: _Optional[int] = ..., page_size: _Optional[int] = ..., verify: bool = ...) -> None: ...

class Look(_message.Message):
    __slots__ = ("number", "looked_at", "actor", "asked_json", "shown_json", "hash")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    LOOKED_AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ASKED_JSON_FIELD_NUMBER: _ClassVar[int]
    SHOWN_JSON_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    number: int
    looked_at: _timestamp_pb2.Timestamp
    actor: str
    asked_json: str
    shown_json: str
    hash: bytes
    def __init__(self, number: _Optional[int] = ..., looked_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[str] = ..., asked_json: _Optional[str] = ..., shown_json: _Optional[str] = ..., hash: _Optional[bytes] = ...) -> None: ...

class ListLooksResponse(_message.Message):
    __slots__ = ("looks", "broken_number")
    LOOKS_FIELD_NUMBER: _ClassVar[int]
    BROKEN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    looks: _containers.RepeatedCompositeFieldContainer[Look]
    broken_number: int
    def __init__(self, looks: _Optional[_Iterable[_Union[Look, _Mapping]]] = ..., broken_number: _Optional[int] = ...) -> None: ...

class FindingStep(_message.Message):
    __slots__ = ("status", "by", "taken_at", "transaction_id", "outcome", "explanation_commitment", "explanation")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    TAKEN_AT_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    status: str
    by: str
    taken_at: _timestamp_pb2.Timestamp
    transaction_id: str
    outcome: str
    explanation_commitment: bytes
    explanation: str
    def __init__(self, status: _Optional[str] = ..., by: _Optional[str] = ..., taken_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., transaction_id: _Optional[str] = ..., outcome: _Optional[str] = ..., explanation_commitment: _Optional[bytes] = ..., explanation: _Optional[str] = ...) -> None: ...

class AuditFinding(_message.Message):
    __slots__ = ("finding_id", "organization", "opened_by", "kind", "subject", "status", "evidence_commitment", "evidence", "steps")
    FINDING_ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    finding_id: str
    organization: str
    opened_by: str
    kind: str
    subject: str
    status: str
    evidence_commitment: bytes
    evidence: str
    steps: _containers.RepeatedCompositeFieldContainer[FindingStep]
    def __init__(self, finding_id: _Optional[str] = ..., organization: _Optional[str] = ..., opened_by: _Optional[str] = ..., kind: _Optional[str] = ..., subject: _Optional[str] = ..., status: _Optional[str] = ..., evidence_commitment: _Optional[bytes] = ..., evidence: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[FindingStep, _Mapping]]] = ...) -> None: ...

class ListFindingsRequest(_message.Message):
    __slots__ = ("organization", "status", "page_size", "page_token")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    organization: str
    status: str
    page_size: int
    page_token: str
    def __init__(self, organization: _Optional[str] = ..., status: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListFindingsResponse(_message.Message):
    __slots__ = ("findings", "next_page_token")
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[AuditFinding]
    next_page_token: str
    def __init__(self, findings: _Optional[_Iterable[_Union[AuditFinding, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetFindingRequest(_message.Message):
    __slots__ = ("finding_id",)
    FINDING_ID_FIELD_NUMBER: _ClassVar[int]
    finding_id: str
    def __init__(self, finding_id: _Optional[str] = ...) -> None: ...

class GetFindingResponse(_message.Message):
    __slots__ = ("finding",)
    FINDING_FIELD_NUMBER: _ClassVar[int]
    finding: AuditFinding
    def __init__(self, finding: _Optional[_Union[AuditFinding, _Mapping]] = ...) -> None: ...

class OpenFindingRequest(_message.Message):
    __slots__ = ("organization", "kind", "subject", "evidence")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    kind: str
    subject: str
    evidence: str
    def __init__(self, organization: _Optional[str] = ..., kind: _Optional[str] = ..., subject: _Optional[str] = ..., evidence: _Optional[str] = ...) -> None: ...

class OpenFindingResponse(_message.Message):
    __slots__ = ("finding",)
    FINDING_FIELD_NUMBER: _ClassVar[int]
    finding: AuditFinding
    def __init__(self, finding: _Optional[_Union[AuditFinding, _Mapping]] = ...) -> None: ...

class MoveFindingRequest(_message.Message):
    __slots__ = ("finding_id", "explanation", "escalate", "close_as")
    FINDING_ID_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    ESCALATE_FIELD_NUMBER: _ClassVar[int]
    CLOSE_AS_FIELD_NUMBER: _ClassVar[int]
    finding_id: str
    explanation: str
    escalate: bool
    close_as: str
    def __init__(self, finding_id: _Optional[str] = ..., explanation: _Optional[str] = ..., escalate: bool = ..., close_as: _Optional[str] = ...) -> None: ...

class MoveFindingResponse(_message.Message):
    __slots__ = ("finding",)
    FINDING_FIELD_NUMBER: _ClassVar[int]
    finding: AuditFinding
    def __init__(self, finding: _Optional[_Union[AuditFinding, _Mapping]] = ...) -> None: ...

class ReadFindingTextRequest(_message.Message):
    __slots__ = ("finding_id", "commitment")
    FINDING_ID_FIELD_NUMBER: _ClassVar[int]
    COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    finding_id: str
    commitment: bytes
    def __init__(self, finding_id: _Optional[str] = ..., commitment: _Optional[bytes] = ...) -> None: ...

class ReadFindingTextResponse(_message.Message):
    __slots__ = ("salt", "text")
    SALT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    salt: bytes
    text: str
    def __init__(self, salt: _Optional[bytes] = ..., text: _Optional[str] = ...) -> None: ...

class GetReceiptRequest(_message.Message):
    __slots__ = ("block_number",)
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    block_number: int
    def __init__(self, block_number: _Optional[int] = ...) -> None: ...

class GetReceiptResponse(_message.Message):
    __slots__ = ("document", "block_number", "organizations", "missing")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATIONS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    block_number: int
    organizations: _containers.RepeatedScalarFieldContainer[str]
    missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, document: _Optional[bytes] = ..., block_number: _Optional[int] = ..., organizations: _Optional[_Iterable[str]] = ..., missing: _Optional[_Iterable[str]] = ...) -> None: ...

class ListReceiptsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class KeptReceipt(_message.Message):
    __slots__ = ("block_number", "organization", "received_at", "agrees", "receipt")
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    AGREES_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    block_number: int
    organization: str
    received_at: _timestamp_pb2.Timestamp
    agrees: bool
    receipt: str
    def __init__(self, block_number: _Optional[int] = ..., organization: _Optional[str] = ..., received_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., agrees: bool = ..., receipt: _Optional[str] = ...) -> None: ...

class ListReceiptsResponse(_message.Message):
    __slots__ = ("receipts", "next_page_token")
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    receipts: _containers.RepeatedCompositeFieldContainer[KeptReceipt]
    next_page_token: str
    def __init__(self, receipts: _Optional[_Iterable[_Union[KeptReceipt, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReadReceiptRequest(_message.Message):
    __slots__ = ("block_number",)
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    block_number: int
    def __init__(self, block_number: _Optional[int] = ...) -> None: ...

class ReadReceiptResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: bytes
    def __init__(self, receipt: _Optional[bytes] = ...) -> None: ...

class ControlTotal(_message.Message):
    __slots__ = ("asset", "debits_minor", "credits_minor")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    DEBITS_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREDITS_MINOR_FIELD_NUMBER: _ClassVar[int]
    asset: str
    debits_minor: str
    credits_minor: str
    def __init__(self, asset: _Optional[str] = ..., debits_minor: _Optional[str] = ..., credits_minor: _Optional[str] = ...) -> None: ...

class OpenedTotals(_message.Message):
    __slots__ = ("organization", "size", "opened_at", "totals", "block_number", "transaction_id")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    organization: str
    size: int
    opened_at: _timestamp_pb2.Timestamp
    totals: _containers.RepeatedCompositeFieldContainer[ControlTotal]
    block_number: int
    transaction_id: str
    def __init__(self, organization: _Optional[str] = ..., size: _Optional[int] = ..., opened_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., totals: _Optional[_Iterable[_Union[ControlTotal, _Mapping]]] = ..., block_number: _Optional[int] = ..., transaction_id: _Optional[str] = ...) -> None: ...

class ListControlTotalsRequest(_message.Message):
    __slots__ = ("organization", "page_size", "page_token")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    organization: str
    page_size: int
    page_token: str
    def __init__(self, organization: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListControlTotalsResponse(_message.Message):
    __slots__ = ("totals", "next_page_token")
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    totals: _containers.RepeatedCompositeFieldContainer[OpenedTotals]
    next_page_token: str
    def __init__(self, totals: _Optional[_Iterable[_Union[OpenedTotals, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class OpenControlTotalsRequest(_message.Message):
    __slots__ = ("size",)
    SIZE_FIELD_NUMBER: _ClassVar[int]
    size: int
    def __init__(self, size: _Optional[int] = ...) -> None: ...

class OpenControlTotalsResponse(_message.Message):
    __slots__ = ("totals", "salt")
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    totals: str
    salt: bytes
    def __init__(self, totals: _Optional[str] = ..., salt: _Optional[bytes] = ...) -> None: ...
