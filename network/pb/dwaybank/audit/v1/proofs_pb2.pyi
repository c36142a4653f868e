from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProveRangeRequest(_message.Message):
    __slots__ = ("from_seq", "to_seq", "shown_seqs", "leaves_only")
    FROM_SEQ_FIELD_NUMBER: _ClassVar[int]
    TO_SEQ_FIELD_NUMBER: _ClassVar[int]
    SHOWN_SEQS_FIELD_NUMBER: _ClassVar[int]
    LEAVES_ONLY_FIELD_NUMBER: _ClassVar[int]
    from_seq: int
    to_seq: int
    shown_seqs: _containers.RepeatedScalarFieldContainer[int]
    leaves_only: bool
    def __init__(self, from_seq: _Optional[int] = ..., to_seq: _Optional[int] = ..., shown_seqs: _Optional[_Iterable[int]] = ..., leaves_only: bool = ...) -> None: ...

class ProveRangeResponse(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: bytes
    def __init__(self, bundle: _Optional[bytes] = ...) -> None: ...

class ProveAccountRequest(_message.Message):
    __slots__ = ("account", "asset", "begin", "end", "from_seq", "to_seq", "touching_only")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQ_FIELD_NUMBER: _ClassVar[int]
    TO_SEQ_FIELD_NUMBER: _ClassVar[int]
    TOUCHING_ONLY_FIELD_NUMBER: _ClassVar[int]
    account: str
    asset: str
    begin: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    from_seq: int
    to_seq: int
    touching_only: bool
    def __init__(self, account: _Optional[str] = ..., asset: _Optional[str] = ..., begin: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., from_seq: _Optional[int] = ..., to_seq: _Optional[int] = ..., touching_only: bool = ...) -> None: ...

class ProveAccountResponse(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: bytes
    def __init__(self, bundle: _Optional[bytes] = ...) -> None: ...

class ProvePeriodRequest(_message.Message):
    __slots__ = ("begin", "end")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    begin: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    def __init__(self, begin: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ProvePeriodResponse(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: bytes
    def __init__(self, bundle: _Optional[bytes] = ...) -> None: ...

class ProveConsistencyRequest(_message.Message):
    __slots__ = ("organization", "old_size", "new_size")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    NEW_SIZE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    old_size: int
    new_size: int
    def __init__(self, organization: _Optional[str] = ..., old_size: _Optional[int] = ..., new_size: _Optional[int] = ...) -> None: ...

class ProveConsistencyResponse(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: bytes
    def __init__(self, bundle: _Optional[bytes] = ...) -> None: ...

class ProveForkRequest(_message.Message):
    __slots__ = ("organization", "note", "other_note")
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    OTHER_NOTE_FIELD_NUMBER: _ClassVar[int]
    organization: str
    note: bytes
    other_note: bytes
    def __init__(self, organization: _Optional[str] = ..., note: _Optional[bytes] = ..., other_note: _Optional[bytes] = ...) -> None: ...

class ProveForkResponse(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: bytes
    def __init__(self, bundle: _Optional[bytes] = ...) -> None: ...
