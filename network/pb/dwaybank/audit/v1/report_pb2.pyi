from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Report(_message.Message):
    __slots__ = ("number", "kind", "made_at", "made_by")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MADE_AT_FIELD_NUMBER: _ClassVar[int]
    MADE_BY_FIELD_NUMBER: _ClassVar[int]
    number: int
    kind: str
    made_at: _timestamp_pb2.Timestamp
    made_by: str
    def __init__(self, number: _Optional[int] = ..., kind: _Optional[str] = ..., made_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., made_by: _Optional[str] = ...) -> None: ...

class ReportProof(_message.Message):
    __slots__ = ("what", "block_number", "transaction_id", "record", "bundle")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    what: str
    block_number: int
    transaction_id: str
    record: str
    bundle: str
    def __init__(self, what: _Optional[str] = ..., block_number: _Optional[int] = ..., transaction_id: _Optional[str] = ..., record: _Optional[str] = ..., bundle: _Optional[str] = ...) -> None: ...

class ReportCell(_message.Message):
    __slots__ = ("text", "number", "bad", "proofs")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    BAD_FIELD_NUMBER: _ClassVar[int]
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    text: str
    number: bool
    bad: bool
    proofs: _containers.RepeatedCompositeFieldContainer[ReportProof]
    def __init__(self, text: _Optional[str] = ..., number: bool = ..., bad: bool = ..., proofs: _Optional[_Iterable[_Union[ReportProof, _Mapping]]] = ...) -> None: ...

class ReportRow(_message.Message):
    __slots__ = ("cells",)
    CELLS_FIELD_NUMBER: _ClassVar[int]
    cells: _containers.RepeatedCompositeFieldContainer[ReportCell]
    def __init__(self, cells: _Optional[_Iterable[_Union[ReportCell, _Mapping]]] = ...) -> None: ...

class ReportTable(_message.Message):
    __slots__ = ("title", "rests_on", "columns", "rows")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    RESTS_ON_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    title: str
    rests_on: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    rows: _containers.RepeatedCompositeFieldContainer[ReportRow]
    def __init__(self, title: _Optional[str] = ..., rests_on: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., rows: _Optional[_Iterable[_Union[ReportRow, _Mapping]]] = ...) -> None: ...

class MakeReportRequest(_message.Message):
    __slots__ = ("kind", "day", "days", "threshold_minor", "asset", "for_user")
    KIND_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_MINOR_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    kind: str
    day: str
    days: int
    threshold_minor: str
    asset: str
    for_user: str
    def __init__(self, kind: _Optional[str] = ..., day: _Optional[str] = ..., days: _Optional[int] = ..., threshold_minor: _Optional[str] = ..., asset: _Optional[str] = ..., for_user: _Optional[str] = ...) -> None: ...

class MakeReportResponse(_message.Message):
    __slots__ = ("report", "page", "signature", "tables")
    REPORT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    TABLES_FIELD_NUMBER: _ClassVar[int]
    report: Report
    page: bytes
    signature: bytes
    tables: _containers.RepeatedCompositeFieldContainer[ReportTable]
    def __init__(self, report: _Optional[_Union[Report, _Mapping]] = ..., page: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., tables: _Optional[_Iterable[_Union[ReportTable, _Mapping]]] = ...) -> None: ...

class ListReportsRequest(_message.Message):
    __slots__ = ("kind", "page_size", "page_token")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    kind: str
    page_size: int
    page_token: str
    def __init__(self, kind: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListReportsResponse(_message.Message):
    __slots__ = ("reports", "next_page_token")
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[Report]
    next_page_token: str
    def __init__(self, reports: _Optional[_Iterable[_Union[Report, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetReportRequest(_message.Message):
    __slots__ = ("number", "for_user")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    number: int
    for_user: str
    def __init__(self, number: _Optional[int] = ..., for_user: _Optional[str] = ...) -> None: ...

class GetReportResponse(_message.Message):
    __slots__ = ("report", "page", "signature")
    REPORT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    report: Report
    page: bytes
    signature: bytes
    def __init__(self, report: _Optional[_Union[Report, _Mapping]] = ..., page: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...
