from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Side(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIDE_UNSPECIFIED: _ClassVar[Side]
    SIDE_DEBIT: _ClassVar[Side]
    SIDE_CREDIT: _ClassVar[Side]
SIDE_UNSPECIFIED: Side
SIDE_DEBIT: Side
SIDE_CREDIT: Side

class Account(_message.Message):
    __slots__ = ("account", "asset", "normal_side", "balance_minor", "held_minor", "available_minor", "floor_minor", "status", "entry_count", "scale", "overdraft_minor", "ceiling_minor", "stripes")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    NORMAL_SIDE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    HELD_MINOR_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_MINOR_FIELD_NUMBER: _ClassVar[int]
    FLOOR_MINOR_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CEILING_MINOR_FIELD_NUMBER: _ClassVar[int]
    STRIPES_FIELD_NUMBER: _ClassVar[int]
    account: str
    asset: str
    normal_side: Side
    balance_minor: str
    held_minor: str
    available_minor: str
    floor_minor: str
    status: str
    entry_count: int
    scale: int
    overdraft_minor: str
    ceiling_minor: str
    stripes: int
    def __init__(self, account: _Optional[str] = ..., asset: _Optional[str] = ..., normal_side: _Optional[_Union[Side, str]] = ..., balance_minor: _Optional[str] = ..., held_minor: _Optional[str] = ..., available_minor: _Optional[str] = ..., floor_minor: _Optional[str] = ..., status: _Optional[str] = ..., entry_count: _Optional[int] = ..., scale: _Optional[int] = ..., overdraft_minor: _Optional[str] = ..., ceiling_minor: _Optional[str] = ..., stripes: _Optional[int] = ...) -> None: ...

class SetAccountTermsRequest(_message.Message):
    __slots__ = ("account", "status", "floor_minor", "overdraft_minor", "ceiling_minor", "actor")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FLOOR_MINOR_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CEILING_MINOR_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    account: str
    status: str
    floor_minor: str
    overdraft_minor: str
    ceiling_minor: str
    actor: str
    def __init__(self, account: _Optional[str] = ..., status: _Optional[str] = ..., floor_minor: _Optional[str] = ..., overdraft_minor: _Optional[str] = ..., ceiling_minor: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class SetAccountTermsResponse(_message.Message):
    __slots__ = ("account", "code")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    account: Account
    code: str
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ..., code: _Optional[str] = ...) -> None: ...

class OpenAccountRequest(_message.Message):
    __slots__ = ("account", "asset", "normal_side", "floor_minor", "overdraft_minor", "ceiling_minor", "book", "portfolio", "segment", "alias", "metadata", "by_chart", "actor", "stripes")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    NORMAL_SIDE_FIELD_NUMBER: _ClassVar[int]
    FLOOR_MINOR_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CEILING_MINOR_FIELD_NUMBER: _ClassVar[int]
    BOOK_FIELD_NUMBER: _ClassVar[int]
    PORTFOLIO_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    BY_CHART_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    STRIPES_FIELD_NUMBER: _ClassVar[int]
    account: str
    asset: str
    normal_side: Side
    floor_minor: str
    overdraft_minor: str
    ceiling_minor: str
    book: str
    portfolio: str
    segment: str
    alias: str
    metadata: _containers.ScalarMap[str, str]
    by_chart: bool
    actor: str
    stripes: int
    def __init__(self, account: _Optional[str] = ..., asset: _Optional[str] = ..., normal_side: _Optional[_Union[Side, str]] = ..., floor_minor: _Optional[str] = ..., overdraft_minor: _Optional[str] = ..., ceiling_minor: _Optional[str] = ..., book: _Optional[str] = ..., portfolio: _Optional[str] = ..., segment: _Optional[str] = ..., alias: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., by_chart: bool = ..., actor: _Optional[str] = ..., stripes: _Optional[int] = ...) -> None: ...

class OpenAccountResponse(_message.Message):
    __slots__ = ("account", "created")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    account: Account
    created: bool
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ..., created: bool = ...) -> None: ...

class GetAccountRequest(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: str
    def __init__(self, account: _Optional[str] = ...) -> None: ...

class GetAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: Account
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ...) -> None: ...

class ListAccountsRequest(_message.Message):
    __slots__ = ("prefix", "page_size", "page_token")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    page_size: int
    page_token: str
    def __init__(self, prefix: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAccountsResponse(_message.Message):
    __slots__ = ("accounts", "next_page_token")
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedCompositeFieldContainer[Account]
    next_page_token: str
    def __init__(self, accounts: _Optional[_Iterable[_Union[Account, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Posting(_message.Message):
    __slots__ = ("account", "side", "amount_minor")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    account: str
    side: Side
    amount_minor: str
    def __init__(self, account: _Optional[str] = ..., side: _Optional[_Union[Side, str]] = ..., amount_minor: _Optional[str] = ...) -> None: ...

class NewEntry(_message.Message):
    __slots__ = ("idempotency_key", "postings", "effective_at", "settlement_id", "description", "hold_id", "hold_final", "linked", "reverses", "actor", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_FINAL_FIELD_NUMBER: _ClassVar[int]
    LINKED_FIELD_NUMBER: _ClassVar[int]
    REVERSES_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    postings: _containers.RepeatedCompositeFieldContainer[Posting]
    effective_at: _timestamp_pb2.Timestamp
    settlement_id: str
    description: str
    hold_id: str
    hold_final: bool
    linked: bool
    reverses: int
    actor: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, idempotency_key: _Optional[str] = ..., postings: _Optional[_Iterable[_Union[Posting, _Mapping]]] = ..., effective_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., settlement_id: _Optional[str] = ..., description: _Optional[str] = ..., hold_id: _Optional[str] = ..., hold_final: bool = ..., linked: bool = ..., reverses: _Optional[int] = ..., actor: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class PostEntriesRequest(_message.Message):
    __slots__ = ("entries", "dry_run")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[NewEntry]
    dry_run: bool
    def __init__(self, entries: _Optional[_Iterable[_Union[NewEntry, _Mapping]]] = ..., dry_run: bool = ...) -> None: ...

class EntryResult(_message.Message):
    __slots__ = ("code", "message", "seq", "decision")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    seq: int
    decision: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., seq: _Optional[int] = ..., decision: _Optional[str] = ...) -> None: ...

class PostEntriesResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[EntryResult]
    def __init__(self, results: _Optional[_Iterable[_Union[EntryResult, _Mapping]]] = ...) -> None: ...

class GetEntryRequest(_message.Message):
    __slots__ = ("seq", "idempotency_key")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    seq: int
    idempotency_key: str
    def __init__(self, seq: _Optional[int] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("seq", "idempotency_key", "postings", "posted_at", "effective_at", "settlement_id", "description", "leaf", "decision", "state", "actor", "metadata", "reverses", "hold_id", "chain_seq")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SEQ_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    POSTED_AT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LEAF_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    REVERSES_FIELD_NUMBER: _ClassVar[int]
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    CHAIN_SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    idempotency_key: str
    postings: _containers.RepeatedCompositeFieldContainer[EntryPosting]
    posted_at: _timestamp_pb2.Timestamp
    effective_at: _timestamp_pb2.Timestamp
    settlement_id: str
    description: str
    leaf: bytes
    decision: str
    state: str
    actor: str
    metadata: _containers.ScalarMap[str, str]
    reverses: int
    hold_id: str
    chain_seq: int
    def __init__(self, seq: _Optional[int] = ..., idempotency_key: _Optional[str] = ..., postings: _Optional[_Iterable[_Union[EntryPosting, _Mapping]]] = ..., posted_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., effective_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., settlement_id: _Optional[str] = ..., description: _Optional[str] = ..., leaf: _Optional[bytes] = ..., decision: _Optional[str] = ..., state: _Optional[str] = ..., actor: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., reverses: _Optional[int] = ..., hold_id: _Optional[str] = ..., chain_seq: _Optional[int] = ...) -> None: ...

class EntryPosting(_message.Message):
    __slots__ = ("account", "side", "amount_minor", "asset", "balance_after_minor")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    BALANCE_AFTER_MINOR_FIELD_NUMBER: _ClassVar[int]
    account: str
    side: Side
    amount_minor: str
    asset: str
    balance_after_minor: str
    def __init__(self, account: _Optional[str] = ..., side: _Optional[_Union[Side, str]] = ..., amount_minor: _Optional[str] = ..., asset: _Optional[str] = ..., balance_after_minor: _Optional[str] = ...) -> None: ...

class GetEntryResponse(_message.Message):
    __slots__ = ("entry",)
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    entry: Entry
    def __init__(self, entry: _Optional[_Union[Entry, _Mapping]] = ...) -> None: ...

class GetStatementRequest(_message.Message):
    __slots__ = ("account", "page_size", "page_token")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account: str
    page_size: int
    page_token: str
    def __init__(self, account: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class StatementLine(_message.Message):
    __slots__ = ("seq", "side", "amount_minor", "balance_after_minor", "posted_at", "effective_at", "settlement_id", "description")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    BALANCE_AFTER_MINOR_FIELD_NUMBER: _ClassVar[int]
    POSTED_AT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    seq: int
    side: Side
    amount_minor: str
    balance_after_minor: str
    posted_at: _timestamp_pb2.Timestamp
    effective_at: _timestamp_pb2.Timestamp
    settlement_id: str
    description: str
    def __init__(self, seq: _Optional[int] = ..., side: _Optional[_Union[Side, str]] = ..., amount_minor: _Optional[str] = ..., balance_after_minor: _Optional[str] = ..., posted_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., effective_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., settlement_id: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class GetStatementResponse(_message.Message):
    __slots__ = ("lines", "next_page_token")
    LINES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[StatementLine]
    next_page_token: str
    def __init__(self, lines: _Optional[_Iterable[_Union[StatementLine, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Hold(_message.Message):
    __slots__ = ("hold_id", "account", "amount_minor", "state", "expires_at", "captured_minor")
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_MINOR_FIELD_NUMBER: _ClassVar[int]
    hold_id: str
    account: str
    amount_minor: str
    state: str
    expires_at: _timestamp_pb2.Timestamp
    captured_minor: str
    def __init__(self, hold_id: _Optional[str] = ..., account: _Optional[str] = ..., amount_minor: _Optional[str] = ..., state: _Optional[str] = ..., expires_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., captured_minor: _Optional[str] = ...) -> None: ...

class PlaceHoldRequest(_message.Message):
    __slots__ = ("hold_id", "account", "amount_minor", "expires_at")
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    hold_id: str
    account: str
    amount_minor: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, hold_id: _Optional[str] = ..., account: _Optional[str] = ..., amount_minor: _Optional[str] = ..., expires_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PlaceHoldResponse(_message.Message):
    __slots__ = ("hold", "code", "message")
    HOLD_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    hold: Hold
    code: str
    message: str
    def __init__(self, hold: _Optional[_Union[Hold, _Mapping]] = ..., code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class CaptureHoldRequest(_message.Message):
    __slots__ = ("hold_id", "entry")
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    hold_id: str
    entry: NewEntry
    def __init__(self, hold_id: _Optional[str] = ..., entry: _Optional[_Union[NewEntry, _Mapping]] = ...) -> None: ...

class CaptureHoldResponse(_message.Message):
    __slots__ = ("hold", "result")
    HOLD_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    hold: Hold
    result: EntryResult
    def __init__(self, hold: _Optional[_Union[Hold, _Mapping]] = ..., result: _Optional[_Union[EntryResult, _Mapping]] = ...) -> None: ...

class ReleaseHoldRequest(_message.Message):
    __slots__ = ("hold_id",)
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    hold_id: str
    def __init__(self, hold_id: _Optional[str] = ...) -> None: ...

class ReleaseHoldResponse(_message.Message):
    __slots__ = ("hold", "code", "message")
    HOLD_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    hold: Hold
    code: str
    message: str
    def __init__(self, hold: _Optional[_Union[Hold, _Mapping]] = ..., code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class GetTrialBalanceRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TrialBalanceLine(_message.Message):
    __slots__ = ("asset", "debit_minor", "credit_minor", "account_count")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    DEBIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREDIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_COUNT_FIELD_NUMBER: _ClassVar[int]
    asset: str
    debit_minor: str
    credit_minor: str
    account_count: int
    def __init__(self, asset: _Optional[str] = ..., debit_minor: _Optional[str] = ..., credit_minor: _Optional[str] = ..., account_count: _Optional[int] = ...) -> None: ...

class GetTrialBalanceResponse(_message.Message):
    __slots__ = ("lines", "entry_count")
    LINES_FIELD_NUMBER: _ClassVar[int]
    ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[TrialBalanceLine]
    entry_count: int
    def __init__(self, lines: _Optional[_Iterable[_Union[TrialBalanceLine, _Mapping]]] = ..., entry_count: _Optional[int] = ...) -> None: ...

class ListDayChangesRequest(_message.Message):
    __slots__ = ("accounts",)
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, accounts: _Optional[_Iterable[str]] = ...) -> None: ...

class DayChange(_message.Message):
    __slots__ = ("account", "day", "change_minor")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    CHANGE_MINOR_FIELD_NUMBER: _ClassVar[int]
    account: str
    day: str
    change_minor: str
    def __init__(self, account: _Optional[str] = ..., day: _Optional[str] = ..., change_minor: _Optional[str] = ...) -> None: ...

class ListDayChangesResponse(_message.Message):
    __slots__ = ("changes",)
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[DayChange]
    def __init__(self, changes: _Optional[_Iterable[_Union[DayChange, _Mapping]]] = ...) -> None: ...

class KeyedMovement(_message.Message):
    __slots__ = ("idempotency_key", "account", "effective_at", "change_minor")
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    CHANGE_MINOR_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    account: str
    effective_at: _timestamp_pb2.Timestamp
    change_minor: str
    def __init__(self, idempotency_key: _Optional[str] = ..., account: _Optional[str] = ..., effective_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., change_minor: _Optional[str] = ...) -> None: ...

class FindRepeatedMovementsRequest(_message.Message):
    __slots__ = ("movements",)
    MOVEMENTS_FIELD_NUMBER: _ClassVar[int]
    movements: _containers.RepeatedCompositeFieldContainer[KeyedMovement]
    def __init__(self, movements: _Optional[_Iterable[_Union[KeyedMovement, _Mapping]]] = ...) -> None: ...

class RepeatedMovement(_message.Message):
    __slots__ = ("index", "seqs", "idempotency_keys")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SEQS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEYS_FIELD_NUMBER: _ClassVar[int]
    index: int
    seqs: _containers.RepeatedScalarFieldContainer[int]
    idempotency_keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index: _Optional[int] = ..., seqs: _Optional[_Iterable[int]] = ..., idempotency_keys: _Optional[_Iterable[str]] = ...) -> None: ...

class FindRepeatedMovementsResponse(_message.Message):
    __slots__ = ("movements", "posted_count")
    MOVEMENTS_FIELD_NUMBER: _ClassVar[int]
    POSTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    movements: _containers.RepeatedCompositeFieldContainer[RepeatedMovement]
    posted_count: int
    def __init__(self, movements: _Optional[_Iterable[_Union[RepeatedMovement, _Mapping]]] = ..., posted_count: _Optional[int] = ...) -> None: ...

class ListRefusalsRequest(_message.Message):
    __slots__ = ("key", "code", "refused_from", "refused_to", "page_size", "page_token")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FROM_FIELD_NUMBER: _ClassVar[int]
    REFUSED_TO_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    key: str
    code: str
    refused_from: _timestamp_pb2.Timestamp
    refused_to: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, key: _Optional[str] = ..., code: _Optional[str] = ..., refused_from: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., refused_to: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("number", "after_seq", "refused_at", "kind", "key", "code", "chained", "request_hash", "actor", "head")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    REFUSED_AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CHAINED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HASH_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    number: int
    after_seq: int
    refused_at: _timestamp_pb2.Timestamp
    kind: str
    key: str
    code: str
    chained: bool
    request_hash: bytes
    actor: str
    head: bytes
    def __init__(self, number: _Optional[int] = ..., after_seq: _Optional[int] = ..., refused_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[str] = ..., key: _Optional[str] = ..., code: _Optional[str] = ..., chained: bool = ..., request_hash: _Optional[bytes] = ..., actor: _Optional[str] = ..., head: _Optional[bytes] = ...) -> None: ...

class ListRefusalsResponse(_message.Message):
    __slots__ = ("refusals", "next_page_token")
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    refusals: _containers.RepeatedCompositeFieldContainer[Refusal]
    next_page_token: str
    def __init__(self, refusals: _Optional[_Iterable[_Union[Refusal, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
