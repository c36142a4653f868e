from google.protobuf import timestamp_pb2 as _timestamp_pb2
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as _ledger_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecurrenceUnit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECURRENCE_UNIT_UNSPECIFIED: _ClassVar[RecurrenceUnit]
    RECURRENCE_UNIT_ONCE: _ClassVar[RecurrenceUnit]
    RECURRENCE_UNIT_DAY: _ClassVar[RecurrenceUnit]
    RECURRENCE_UNIT_WEEK: _ClassVar[RecurrenceUnit]
    RECURRENCE_UNIT_MONTH: _ClassVar[RecurrenceUnit]

class MonthEnd(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MONTH_END_UNSPECIFIED: _ClassVar[MonthEnd]
    MONTH_END_LAST_DAY: _ClassVar[MonthEnd]
    MONTH_END_SKIP: _ClassVar[MonthEnd]

class CatchUp(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CATCH_UP_UNSPECIFIED: _ClassVar[CatchUp]
    CATCH_UP_ALL: _ClassVar[CatchUp]
    CATCH_UP_LATEST: _ClassVar[CatchUp]
    CATCH_UP_SKIP: _ClassVar[CatchUp]

class ScheduleStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCHEDULE_STATUS_UNSPECIFIED: _ClassVar[ScheduleStatus]
    SCHEDULE_STATUS_ACTIVE: _ClassVar[ScheduleStatus]
    SCHEDULE_STATUS_PAUSED: _ClassVar[ScheduleStatus]
    SCHEDULE_STATUS_FINISHED: _ClassVar[ScheduleStatus]
    SCHEDULE_STATUS_CANCELLED: _ClassVar[ScheduleStatus]

class ScheduleChange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCHEDULE_CHANGE_UNSPECIFIED: _ClassVar[ScheduleChange]
    SCHEDULE_CHANGE_PAUSE: _ClassVar[ScheduleChange]
    SCHEDULE_CHANGE_RESUME: _ClassVar[ScheduleChange]
    SCHEDULE_CHANGE_CANCEL: _ClassVar[ScheduleChange]
    SCHEDULE_CHANGE_FORGET: _ClassVar[ScheduleChange]
RECURRENCE_UNIT_UNSPECIFIED: RecurrenceUnit
RECURRENCE_UNIT_ONCE: RecurrenceUnit
RECURRENCE_UNIT_DAY: RecurrenceUnit
RECURRENCE_UNIT_WEEK: RecurrenceUnit
RECURRENCE_UNIT_MONTH: RecurrenceUnit
MONTH_END_UNSPECIFIED: MonthEnd
MONTH_END_LAST_DAY: MonthEnd
MONTH_END_SKIP: MonthEnd
CATCH_UP_UNSPECIFIED: CatchUp
CATCH_UP_ALL: CatchUp
CATCH_UP_LATEST: CatchUp
CATCH_UP_SKIP: CatchUp
SCHEDULE_STATUS_UNSPECIFIED: ScheduleStatus
SCHEDULE_STATUS_ACTIVE: ScheduleStatus
SCHEDULE_STATUS_PAUSED: ScheduleStatus
SCHEDULE_STATUS_FINISHED: ScheduleStatus
SCHEDULE_STATUS_CANCELLED: ScheduleStatus
SCHEDULE_CHANGE_UNSPECIFIED: ScheduleChange
SCHEDULE_CHANGE_PAUSE: ScheduleChange
SCHEDULE_CHANGE_RESUME: ScheduleChange
SCHEDULE_CHANGE_CANCEL: ScheduleChange
SCHEDULE_CHANGE_FORGET: ScheduleChange

class Recurrence(_message.Message):
    __slots__ = ("start", "zone", "unit", "every", "day", "month_end", "until", "count")
    START_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    MONTH_END_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    start: str
    zone: str
    unit: RecurrenceUnit
    every: int
    day: int
    month_end: MonthEnd
    until: str
    count: int
    def __init__(self, start: _Optional[str] = ..., zone: _Optional[str] = ..., unit: _Optional[_Union[RecurrenceUnit, str]] = ..., every: _Optional[int] = ..., day: _Optional[int] = ..., month_end: _Optional[_Union[MonthEnd, str]] = ..., until: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class Schedule(_message.Message):
    __slots__ = ("schedule_id", "actor", "postings", "settlement_id", "description", "metadata", "rule", "catch_up", "grace_s", "attempts_max", "pause_s")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SCHEDULE_ID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    POSTINGS_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    CATCH_UP_FIELD_NUMBER: _ClassVar[int]
    GRACE_S_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_MAX_FIELD_NUMBER: _ClassVar[int]
    PAUSE_S_FIELD_NUMBER: _ClassVar[int]
    schedule_id: str
    actor: str
    postings: _containers.RepeatedCompositeFieldContainer[_ledger_pb2.Posting]
    settlement_id: str
    description: str
    metadata: _containers.ScalarMap[str, str]
    rule: Recurrence
    catch_up: CatchUp
    grace_s: int
    attempts_max: int
    pause_s: int
    def __init__(self, schedule_id: _Optional[str] = ..., actor: _Optional[str] = ..., postings: _Optional[_Iterable[_Union[_ledger_pb2.Posting, _Mapping]]] = ..., settlement_id: _Optional[str] = ..., description: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., rule: _Optional[_Union[Recurrence, _Mapping]] = ..., catch_up: _Optional[_Union[CatchUp, str]] = ..., grace_s: _Optional[int] = ..., attempts_max: _Optional[int] = ..., pause_s: _Optional[int] = ...) -> None: ...

class ScheduleState(_message.Message):
    __slots__ = ("status", "due_at", "number", "attempts", "wake_at")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    WAKE_AT_FIELD_NUMBER: _ClassVar[int]
    status: ScheduleStatus
    due_at: _timestamp_pb2.Timestamp
    number: int
    attempts: int
    wake_at: _timestamp_pb2.Timestamp
    def __init__(self, status: _Optional[_Union[ScheduleStatus, str]] = ..., due_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., number: _Optional[int] = ..., attempts: _Optional[int] = ..., wake_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateScheduleRequest(_message.Message):
    __slots__ = ("schedule",)
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    schedule: Schedule
    def __init__(self, schedule: _Optional[_Union[Schedule, _Mapping]] = ...) -> None: ...

class CreateScheduleResponse(_message.Message):
    __slots__ = ("schedule", "state", "created")
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    schedule: Schedule
    state: ScheduleState
    created: bool
    def __init__(self, schedule: _Optional[_Union[Schedule, _Mapping]] = ..., state: _Optional[_Union[ScheduleState, _Mapping]] = ..., created: bool = ...) -> None: ...

class GetScheduleRequest(_message.Message):
    __slots__ = ("schedule_id",)
    SCHEDULE_ID_FIELD_NUMBER: _ClassVar[int]
    schedule_id: str
    def __init__(self, schedule_id: _Optional[str] = ...) -> None: ...

class GetScheduleResponse(_message.Message):
    __slots__ = ("schedule", "state")
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    schedule: Schedule
    state: ScheduleState
    def __init__(self, schedule: _Optional[_Union[Schedule, _Mapping]] = ..., state: _Optional[_Union[ScheduleState, _Mapping]] = ...) -> None: ...

class ListSchedulesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListedSchedule(_message.Message):
    __slots__ = ("schedule", "state")
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    schedule: Schedule
    state: ScheduleState
    def __init__(self, schedule: _Optional[_Union[Schedule, _Mapping]] = ..., state: _Optional[_Union[ScheduleState, _Mapping]] = ...) -> None: ...

class ListSchedulesResponse(_message.Message):
    __slots__ = ("schedules", "next_page_token")
    SCHEDULES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    schedules: _containers.RepeatedCompositeFieldContainer[ListedSchedule]
    next_page_token: str
    def __init__(self, schedules: _Optional[_Iterable[_Union[ListedSchedule, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ScheduleRun(_message.Message):
    __slots__ = ("due_at", "number", "attempt", "code", "seq", "at")
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    due_at: _timestamp_pb2.Timestamp
    number: int
    attempt: int
    code: str
    seq: int
    at: _timestamp_pb2.Timestamp
    def __init__(self, due_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., number: _Optional[int] = ..., attempt: _Optional[int] = ..., code: _Optional[str] = ..., seq: _Optional[int] = ..., at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("schedule_id", "page_size", "page_token")
    SCHEDULE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    schedule_id: str
    page_size: int
    page_token: str
    def __init__(self, schedule_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[ScheduleRun]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[ScheduleRun, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ChangeScheduleRequest(_message.Message):
    __slots__ = ("schedule_id", "change", "actor")
    SCHEDULE_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    schedule_id: str
    change: ScheduleChange
    actor: str
    def __init__(self, schedule_id: _Optional[str] = ..., change: _Optional[_Union[ScheduleChange, str]] = ..., actor: _Optional[str] = ...) -> None: ...

class ChangeScheduleResponse(_message.Message):
    __slots__ = ("state", "changed")
    STATE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    state: ScheduleState
    changed: bool
    def __init__(self, state: _Optional[_Union[ScheduleState, _Mapping]] = ..., changed: bool = ...) -> None: ...
