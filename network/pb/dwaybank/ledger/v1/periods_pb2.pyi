from google.protobuf import timestamp_pb2 as _timestamp_pb2
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as _ledger_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatementOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATEMENT_ORDER_UNSPECIFIED: _ClassVar[StatementOrder]
    STATEMENT_ORDER_POSTING: _ClassVar[StatementOrder]
    STATEMENT_ORDER_EFFECT: _ClassVar[StatementOrder]
STATEMENT_ORDER_UNSPECIFIED: StatementOrder
STATEMENT_ORDER_POSTING: StatementOrder
STATEMENT_ORDER_EFFECT: StatementOrder

class GetBalanceAtRequest(_message.Message):
    __slots__ = ("account", "known_at", "effective_at")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    account: str
    known_at: _timestamp_pb2.Timestamp
    effective_at: _timestamp_pb2.Timestamp
    def __init__(self, account: _Optional[str] = ..., known_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., effective_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetBalanceAtResponse(_message.Message):
    __slots__ = ("balance_minor", "asset", "scale", "known_seq")
    BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    KNOWN_SEQ_FIELD_NUMBER: _ClassVar[int]
    balance_minor: str
    asset: str
    scale: int
    known_seq: int
    def __init__(self, balance_minor: _Optional[str] = ..., asset: _Optional[str] = ..., scale: _Optional[int] = ..., known_seq: _Optional[int] = ...) -> None: ...

class GetTrialBalanceAtRequest(_message.Message):
    __slots__ = ("known_at", "effective_at")
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    known_at: _timestamp_pb2.Timestamp
    effective_at: _timestamp_pb2.Timestamp
    def __init__(self, known_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., effective_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetTrialBalanceAtResponse(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[_ledger_pb2.TrialBalanceLine]
    def __init__(self, lines: _Optional[_Iterable[_Union[_ledger_pb2.TrialBalanceLine, _Mapping]]] = ...) -> None: ...

class GetStatementBetweenRequest(_message.Message):
    __slots__ = ("account", "order", "since", "until", "known_at", "page_size", "page_token")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account: str
    order: StatementOrder
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    known_at: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, account: _Optional[str] = ..., order: _Optional[_Union[StatementOrder, str]] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., known_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetStatementBetweenResponse(_message.Message):
    __slots__ = ("lines", "next_page_token")
    LINES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[_ledger_pb2.StatementLine]
    next_page_token: str
    def __init__(self, lines: _Optional[_Iterable[_Union[_ledger_pb2.StatementLine, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PeriodLine(_message.Message):
    __slots__ = ("asset", "debit_minor", "credit_minor", "debit_turnover_minor", "credit_turnover_minor")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    DEBIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREDIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    DEBIT_TURNOVER_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TURNOVER_MINOR_FIELD_NUMBER: _ClassVar[int]
    asset: str
    debit_minor: str
    credit_minor: str
    debit_turnover_minor: str
    credit_turnover_minor: str
    def __init__(self, asset: _Optional[str] = ..., debit_minor: _Optional[str] = ..., credit_minor: _Optional[str] = ..., debit_turnover_minor: _Optional[str] = ..., credit_turnover_minor: _Optional[str] = ...) -> None: ...

class Period(_message.Message):
    __slots__ = ("number", "opened_at", "closed_before", "closed_at", "last_seq", "actor", "entry_count", "lines", "digest", "reopened_at", "reopened_by", "reopened_because")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REOPENED_AT_FIELD_NUMBER: _ClassVar[int]
    REOPENED_BY_FIELD_NUMBER: _ClassVar[int]
    REOPENED_BECAUSE_FIELD_NUMBER: _ClassVar[int]
    number: int
    opened_at: _timestamp_pb2.Timestamp
    closed_before: _timestamp_pb2.Timestamp
    closed_at: _timestamp_pb2.Timestamp
    last_seq: int
    actor: str
    entry_count: int
    lines: _containers.RepeatedCompositeFieldContainer[PeriodLine]
    digest: bytes
    reopened_at: _timestamp_pb2.Timestamp
    reopened_by: str
    reopened_because: str
    def __init__(self, number: _Optional[int] = ..., opened_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., closed_before: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., closed_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., last_seq: _Optional[int] = ..., actor: _Optional[str] = ..., entry_count: _Optional[int] = ..., lines: _Optional[_Iterable[_Union[PeriodLine, _Mapping]]] = ..., digest: _Optional[bytes] = ..., reopened_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., reopened_by: _Optional[str] = ..., reopened_because: _Optional[str] = ...) -> None: ...

class ClosePeriodRequest(_message.Message):
    __slots__ = ("closed_before", "actor")
    CLOSED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    closed_before: _timestamp_pb2.Timestamp
    actor: str
    def __init__(self, closed_before: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[str] = ...) -> None: ...

class ClosePeriodResponse(_message.Message):
    __slots__ = ("period",)
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    period: Period
    def __init__(self, period: _Optional[_Union[Period, _Mapping]] = ...) -> None: ...

class ReopenPeriodRequest(_message.Message):
    __slots__ = ("number", "actor", "reason")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    number: int
    actor: str
    reason: str
    def __init__(self, number: _Optional[int] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReopenPeriodResponse(_message.Message):
    __slots__ = ("period",)
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    period: Period
    def __init__(self, period: _Optional[_Union[Period, _Mapping]] = ...) -> None: ...

class ListPeriodsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPeriodsResponse(_message.Message):
    __slots__ = ("periods",)
    PERIODS_FIELD_NUMBER: _ClassVar[int]
    periods: _containers.RepeatedCompositeFieldContainer[Period]
    def __init__(self, periods: _Optional[_Iterable[_Union[Period, _Mapping]]] = ...) -> None: ...
