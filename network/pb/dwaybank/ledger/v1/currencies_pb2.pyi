from google.protobuf import timestamp_pb2 as _timestamp_pb2
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as _ledger_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Rounding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUNDING_UNSPECIFIED: _ClassVar[Rounding]
    ROUNDING_HALF_EVEN: _ClassVar[Rounding]
    ROUNDING_HALF_UP: _ClassVar[Rounding]
    ROUNDING_DOWN: _ClassVar[Rounding]
    ROUNDING_UP: _ClassVar[Rounding]
ROUNDING_UNSPECIFIED: Rounding
ROUNDING_HALF_EVEN: Rounding
ROUNDING_HALF_UP: Rounding
ROUNDING_DOWN: Rounding
ROUNDING_UP: Rounding

class Asset(_message.Message):
    __slots__ = ("asset", "scale", "actor", "reason", "at")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    asset: str
    scale: int
    actor: str
    reason: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, asset: _Optional[str] = ..., scale: _Optional[int] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RegisterAssetRequest(_message.Message):
    __slots__ = ("asset", "scale", "actor", "reason")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    asset: str
    scale: int
    actor: str
    reason: str
    def __init__(self, asset: _Optional[str] = ..., scale: _Optional[int] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RegisterAssetResponse(_message.Message):
    __slots__ = ("created",)
    CREATED_FIELD_NUMBER: _ClassVar[int]
    created: bool
    def __init__(self, created: bool = ...) -> None: ...

class ListAssetsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAssetsResponse(_message.Message):
    __slots__ = ("assets", "next_page_token")
    ASSETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    assets: _containers.RepeatedCompositeFieldContainer[Asset]
    next_page_token: str
    def __init__(self, assets: _Optional[_Iterable[_Union[Asset, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Rate(_message.Message):
    __slots__ = ("base", "quote", "rate", "source", "quoted_at")
    BASE_FIELD_NUMBER: _ClassVar[int]
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    QUOTED_AT_FIELD_NUMBER: _ClassVar[int]
    base: str
    quote: str
    rate: str
    source: str
    quoted_at: _timestamp_pb2.Timestamp
    def __init__(self, base: _Optional[str] = ..., quote: _Optional[str] = ..., rate: _Optional[str] = ..., source: _Optional[str] = ..., quoted_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RecordRateRequest(_message.Message):
    __slots__ = ("rate", "actor")
    RATE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    rate: Rate
    actor: str
    def __init__(self, rate: _Optional[_Union[Rate, _Mapping]] = ..., actor: _Optional[str] = ...) -> None: ...

class RecordRateResponse(_message.Message):
    __slots__ = ("created",)
    CREATED_FIELD_NUMBER: _ClassVar[int]
    created: bool
    def __init__(self, created: bool = ...) -> None: ...

class RateChoice(_message.Message):
    __slots__ = ("base", "quote", "source", "at")
    BASE_FIELD_NUMBER: _ClassVar[int]
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    base: str
    quote: str
    source: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, base: _Optional[str] = ..., quote: _Optional[str] = ..., source: _Optional[str] = ..., at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetRateRequest(_message.Message):
    __slots__ = ("choice",)
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    choice: RateChoice
    def __init__(self, choice: _Optional[_Union[RateChoice, _Mapping]] = ...) -> None: ...

class GetRateResponse(_message.Message):
    __slots__ = ("rate",)
    RATE_FIELD_NUMBER: _ClassVar[int]
    rate: Rate
    def __init__(self, rate: _Optional[_Union[Rate, _Mapping]] = ...) -> None: ...

class ExchangeLeg(_message.Message):
    __slots__ = ("asset", "account", "position")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    asset: str
    account: str
    position: str
    def __init__(self, asset: _Optional[str] = ..., account: _Optional[str] = ..., position: _Optional[str] = ...) -> None: ...

class PostExchangeRequest(_message.Message):
    __slots__ = ("idempotency_key", "choice", "amount_minor", "given", "debit", "credit", "rounding", "effective_at", "settlement_id", "description", "actor", "metadata", "dry_run")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    GIVEN_FIELD_NUMBER: _ClassVar[int]
    DEBIT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    ROUNDING_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    choice: RateChoice
    amount_minor: str
    given: str
    debit: ExchangeLeg
    credit: ExchangeLeg
    rounding: Rounding
    effective_at: _timestamp_pb2.Timestamp
    settlement_id: str
    description: str
    actor: str
    metadata: _containers.ScalarMap[str, str]
    dry_run: bool
    def __init__(self, idempotency_key: _Optional[str] = ..., choice: _Optional[_Union[RateChoice, _Mapping]] = ..., amount_minor: _Optional[str] = ..., given: _Optional[str] = ..., debit: _Optional[_Union[ExchangeLeg, _Mapping]] = ..., credit: _Optional[_Union[ExchangeLeg, _Mapping]] = ..., rounding: _Optional[_Union[Rounding, str]] = ..., effective_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., settlement_id: _Optional[str] = ..., description: _Optional[str] = ..., actor: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., dry_run: bool = ...) -> None: ...

class PostExchangeResponse(_message.Message):
    __slots__ = ("rate", "postings", "result")
    RATE_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    rate: Rate
    postings: _containers.RepeatedCompositeFieldContainer[_ledger_pb2.Posting]
    result: _ledger_pb2.EntryResult
    def __init__(self, rate: _Optional[_Union[Rate, _Mapping]] = ..., postings: _Optional[_Iterable[_Union[_ledger_pb2.Posting, _Mapping]]] = ..., result: _Optional[_Union[_ledger_pb2.EntryResult, _Mapping]] = ...) -> None: ...

class AuditExchangesRequest(_message.Message):
    __slots__ = ("finding_count_max",)
    FINDING_COUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    finding_count_max: int
    def __init__(self, finding_count_max: _Optional[int] = ...) -> None: ...

class ExchangeFinding(_message.Message):
    __slots__ = ("seq", "problem")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    seq: int
    problem: str
    def __init__(self, seq: _Optional[int] = ..., problem: _Optional[str] = ...) -> None: ...

class AuditExchangesResponse(_message.Message):
    __slots__ = ("findings",)
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[ExchangeFinding]
    def __init__(self, findings: _Optional[_Iterable[_Union[ExchangeFinding, _Mapping]]] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("account", "counter", "revaluation", "gain", "loss")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    REVALUATION_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    account: str
    counter: str
    revaluation: str
    gain: str
    loss: str
    def __init__(self, account: _Optional[str] = ..., counter: _Optional[str] = ..., revaluation: _Optional[str] = ..., gain: _Optional[str] = ..., loss: _Optional[str] = ...) -> None: ...

class RevalueRequest(_message.Message):
    __slots__ = ("position", "choice", "on", "rounding", "revision", "description", "actor", "dry_run")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    ON_FIELD_NUMBER: _ClassVar[int]
    ROUNDING_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    position: Position
    choice: RateChoice
    on: str
    rounding: Rounding
    revision: int
    description: str
    actor: str
    dry_run: bool
    def __init__(self, position: _Optional[_Union[Position, _Mapping]] = ..., choice: _Optional[_Union[RateChoice, _Mapping]] = ..., on: _Optional[str] = ..., rounding: _Optional[_Union[Rounding, str]] = ..., revision: _Optional[int] = ..., description: _Optional[str] = ..., actor: _Optional[str] = ..., dry_run: bool = ...) -> None: ...

class RevalueResponse(_message.Message):
    __slots__ = ("rate", "amount_minor", "carried_minor", "postings", "result")
    RATE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CARRIED_MINOR_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    rate: Rate
    amount_minor: str
    carried_minor: str
    postings: _containers.RepeatedCompositeFieldContainer[_ledger_pb2.Posting]
    result: _ledger_pb2.EntryResult
    def __init__(self, rate: _Optional[_Union[Rate, _Mapping]] = ..., amount_minor: _Optional[str] = ..., carried_minor: _Optional[str] = ..., postings: _Optional[_Iterable[_Union[_ledger_pb2.Posting, _Mapping]]] = ..., result: _Optional[_Union[_ledger_pb2.EntryResult, _Mapping]] = ...) -> None: ...
