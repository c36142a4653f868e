from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExceptionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXCEPTION_STATE_UNSPECIFIED: _ClassVar[ExceptionState]
    EXCEPTION_STATE_OPEN: _ClassVar[ExceptionState]
    EXCEPTION_STATE_EXPLAINED: _ClassVar[ExceptionState]
    EXCEPTION_STATE_MATCHED_BY_HAND: _ClassVar[ExceptionState]
    EXCEPTION_STATE_WRITTEN_OFF: _ClassVar[ExceptionState]
    EXCEPTION_STATE_CLEARED: _ClassVar[ExceptionState]

class ExceptionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXCEPTION_KIND_UNSPECIFIED: _ClassVar[ExceptionKind]
    EXCEPTION_KIND_MISSING_IN_BOOKS: _ClassVar[ExceptionKind]
    EXCEPTION_KIND_MISSING_ON_STATEMENT: _ClassVar[ExceptionKind]
    EXCEPTION_KIND_AMOUNT_DIFFERS: _ClassVar[ExceptionKind]
    EXCEPTION_KIND_DATE_OUT_OF_WINDOW: _ClassVar[ExceptionKind]
    EXCEPTION_KIND_AMBIGUOUS: _ClassVar[ExceptionKind]
    EXCEPTION_KIND_TAKEN_APART: _ClassVar[ExceptionKind]

class ExceptionDecision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXCEPTION_DECISION_UNSPECIFIED: _ClassVar[ExceptionDecision]
    EXCEPTION_DECISION_EXPLAINED: _ClassVar[ExceptionDecision]
    EXCEPTION_DECISION_MATCHED_BY_HAND: _ClassVar[ExceptionDecision]
    EXCEPTION_DECISION_WRITTEN_OFF: _ClassVar[ExceptionDecision]
    EXCEPTION_DECISION_REOPENED: _ClassVar[ExceptionDecision]
    EXCEPTION_DECISION_TAKEN_APART: _ClassVar[ExceptionDecision]
EXCEPTION_STATE_UNSPECIFIED: ExceptionState
EXCEPTION_STATE_OPEN: ExceptionState
EXCEPTION_STATE_EXPLAINED: ExceptionState
EXCEPTION_STATE_MATCHED_BY_HAND: ExceptionState
EXCEPTION_STATE_WRITTEN_OFF: ExceptionState
EXCEPTION_STATE_CLEARED: ExceptionState
EXCEPTION_KIND_UNSPECIFIED: ExceptionKind
EXCEPTION_KIND_MISSING_IN_BOOKS: ExceptionKind
EXCEPTION_KIND_MISSING_ON_STATEMENT: ExceptionKind
EXCEPTION_KIND_AMOUNT_DIFFERS: ExceptionKind
EXCEPTION_KIND_DATE_OUT_OF_WINDOW: ExceptionKind
EXCEPTION_KIND_AMBIGUOUS: ExceptionKind
EXCEPTION_KIND_TAKEN_APART: ExceptionKind
EXCEPTION_DECISION_UNSPECIFIED: ExceptionDecision
EXCEPTION_DECISION_EXPLAINED: ExceptionDecision
EXCEPTION_DECISION_MATCHED_BY_HAND: ExceptionDecision
EXCEPTION_DECISION_WRITTEN_OFF: ExceptionDecision
EXCEPTION_DECISION_REOPENED: ExceptionDecision
EXCEPTION_DECISION_TAKEN_APART: ExceptionDecision

class ImportStatementRequest(_message.Message):
    __slots__ = ("file", "settings", "mapping", "actor", "may_repeat")
    FILE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    MAPPING_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    MAY_REPEAT_FIELD_NUMBER: _ClassVar[int]
    file: bytes
    settings: str
    mapping: str
    actor: str
    may_repeat: bool
    def __init__(self, file: _Optional[bytes] = ..., settings: _Optional[str] = ..., mapping: _Optional[str] = ..., actor: _Optional[str] = ..., may_repeat: bool = ...) -> None: ...

class ImportStatementResponse(_message.Message):
    __slots__ = ("format", "new_file", "new_statements", "new_records")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    NEW_FILE_FIELD_NUMBER: _ClassVar[int]
    NEW_STATEMENTS_FIELD_NUMBER: _ClassVar[int]
    NEW_RECORDS_FIELD_NUMBER: _ClassVar[int]
    format: str
    new_file: bool
    new_statements: int
    new_records: int
    def __init__(self, format: _Optional[str] = ..., new_file: bool = ..., new_statements: _Optional[int] = ..., new_records: _Optional[int] = ...) -> None: ...

class RunRequest(_message.Message):
    __slots__ = ("settings", "accounts", "actor")
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    settings: str
    accounts: _containers.RepeatedScalarFieldContainer[str]
    actor: str
    def __init__(self, settings: _Optional[str] = ..., accounts: _Optional[_Iterable[str]] = ..., actor: _Optional[str] = ...) -> None: ...

class RunResponse(_message.Message):
    __slots__ = ("run", "account_count", "matched", "opened", "cleared")
    RUN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_COUNT_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    CLEARED_FIELD_NUMBER: _ClassVar[int]
    run: int
    account_count: int
    matched: int
    opened: int
    cleared: int
    def __init__(self, run: _Optional[int] = ..., account_count: _Optional[int] = ..., matched: _Optional[int] = ..., opened: _Optional[int] = ..., cleared: _Optional[int] = ...) -> None: ...

class PostingPlace(_message.Message):
    __slots__ = ("seq", "number")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    seq: int
    number: int
    def __init__(self, seq: _Optional[int] = ..., number: _Optional[int] = ...) -> None: ...

class ListExceptionsRequest(_message.Message):
    __slots__ = ("account", "states", "page_size", "page_token")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account: str
    states: _containers.RepeatedScalarFieldContainer[ExceptionState]
    page_size: int
    page_token: str
    def __init__(self, account: _Optional[str] = ..., states: _Optional[_Iterable[_Union[ExceptionState, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ReconciliationException(_message.Message):
    __slots__ = ("exception", "account", "asset", "scale", "kind", "state", "records", "postings", "difference_minor", "opened_at")
    EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    exception: int
    account: str
    asset: str
    scale: int
    kind: ExceptionKind
    state: ExceptionState
    records: _containers.RepeatedScalarFieldContainer[int]
    postings: _containers.RepeatedCompositeFieldContainer[PostingPlace]
    difference_minor: str
    opened_at: _timestamp_pb2.Timestamp
    def __init__(self, exception: _Optional[int] = ..., account: _Optional[str] = ..., asset: _Optional[str] = ..., scale: _Optional[int] = ..., kind: _Optional[_Union[ExceptionKind, str]] = ..., state: _Optional[_Union[ExceptionState, str]] = ..., records: _Optional[_Iterable[int]] = ..., postings: _Optional[_Iterable[_Union[PostingPlace, _Mapping]]] = ..., difference_minor: _Optional[str] = ..., opened_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListExceptionsResponse(_message.Message):
    __slots__ = ("exceptions", "next_page_token")
    EXCEPTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    exceptions: _containers.RepeatedCompositeFieldContainer[ReconciliationException]
    next_page_token: str
    def __init__(self, exceptions: _Optional[_Iterable[_Union[ReconciliationException, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListMatchesRequest(_message.Message):
    __slots__ = ("account", "page_size", "page_token")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account: str
    page_size: int
    page_token: str
    def __init__(self, account: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ReconciliationMatch(_message.Message):
    __slots__ = ("match", "account", "asset", "scale", "rule", "difference_minor", "run", "matched_at", "records", "postings")
    MATCH_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    MATCHED_AT_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    match: int
    account: str
    asset: str
    scale: int
    rule: str
    difference_minor: str
    run: int
    matched_at: _timestamp_pb2.Timestamp
    records: _containers.RepeatedScalarFieldContainer[int]
    postings: _containers.RepeatedCompositeFieldContainer[PostingPlace]
    def __init__(self, match: _Optional[int] = ..., account: _Optional[str] = ..., asset: _Optional[str] = ..., scale: _Optional[int] = ..., rule: _Optional[str] = ..., difference_minor: _Optional[str] = ..., run: _Optional[int] = ..., matched_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., records: _Optional[_Iterable[int]] = ..., postings: _Optional[_Iterable[_Union[PostingPlace, _Mapping]]] = ...) -> None: ...

class ListMatchesResponse(_message.Message):
    __slots__ = ("matches", "next_page_token")
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    matches: _containers.RepeatedCompositeFieldContainer[ReconciliationMatch]
    next_page_token: str
    def __init__(self, matches: _Optional[_Iterable[_Union[ReconciliationMatch, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListDecisionsRequest(_message.Message):
    __slots__ = ("exception",)
    EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    exception: int
    def __init__(self, exception: _Optional[int] = ...) -> None: ...

class ExceptionDecisionTaken(_message.Message):
    __slots__ = ("decision", "actor", "decided_at", "reason", "entry_seq", "match")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ENTRY_SEQ_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    decision: ExceptionDecision
    actor: str
    decided_at: _timestamp_pb2.Timestamp
    reason: str
    entry_seq: int
    match: int
    def __init__(self, decision: _Optional[_Union[ExceptionDecision, str]] = ..., actor: _Optional[str] = ..., decided_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., entry_seq: _Optional[int] = ..., match: _Optional[int] = ...) -> None: ...

class ListDecisionsResponse(_message.Message):
    __slots__ = ("decisions",)
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[ExceptionDecisionTaken]
    def __init__(self, decisions: _Optional[_Iterable[_Union[ExceptionDecisionTaken, _Mapping]]] = ...) -> None: ...

class DecideRequest(_message.Message):
    __slots__ = ("exceptions", "decision", "reason", "entry_seq", "actor")
    EXCEPTIONS_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ENTRY_SEQ_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    exceptions: _containers.RepeatedScalarFieldContainer[int]
    decision: ExceptionDecision
    reason: str
    entry_seq: int
    actor: str
    def __init__(self, exceptions: _Optional[_Iterable[int]] = ..., decision: _Optional[_Union[ExceptionDecision, str]] = ..., reason: _Optional[str] = ..., entry_seq: _Optional[int] = ..., actor: _Optional[str] = ...) -> None: ...

class DecideResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TakeApartRequest(_message.Message):
    __slots__ = ("match", "reason", "actor")
    MATCH_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    match: int
    reason: str
    actor: str
    def __init__(self, match: _Optional[int] = ..., reason: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class TakeApartResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ("account", "page_size", "page_token")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account: str
    page_size: int
    page_token: str
    def __init__(self, account: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ReconciliationStatus(_message.Message):
    __slots__ = ("account", "asset", "scale", "statement", "last_day", "recorded_minor", "computed_minor", "open", "explained", "waiting_difference_minor", "gap")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    LAST_DAY_FIELD_NUMBER: _ClassVar[int]
    RECORDED_MINOR_FIELD_NUMBER: _ClassVar[int]
    COMPUTED_MINOR_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    EXPLAINED_FIELD_NUMBER: _ClassVar[int]
    WAITING_DIFFERENCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    account: str
    asset: str
    scale: int
    statement: str
    last_day: str
    recorded_minor: str
    computed_minor: str
    open: int
    explained: int
    waiting_difference_minor: str
    gap: str
    def __init__(self, account: _Optional[str] = ..., asset: _Optional[str] = ..., scale: _Optional[int] = ..., statement: _Optional[str] = ..., last_day: _Optional[str] = ..., recorded_minor: _Optional[str] = ..., computed_minor: _Optional[str] = ..., open: _Optional[int] = ..., explained: _Optional[int] = ..., waiting_difference_minor: _Optional[str] = ..., gap: _Optional[str] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("accounts", "next_page_token")
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedCompositeFieldContainer[ReconciliationStatus]
    next_page_token: str
    def __init__(self, accounts: _Optional[_Iterable[_Union[ReconciliationStatus, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
