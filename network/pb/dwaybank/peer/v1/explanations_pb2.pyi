from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExplainedErrorDetail(_message.Message):
    __slots__ = ("address", "msp_id", "message", "differences", "differences_omitted")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MSP_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_OMITTED_FIELD_NUMBER: _ClassVar[int]
    address: str
    msp_id: str
    message: str
    differences: _containers.RepeatedCompositeFieldContainer[Difference]
    differences_omitted: int
    def __init__(self, address: _Optional[str] = ..., msp_id: _Optional[str] = ..., message: _Optional[str] = ..., differences: _Optional[_Iterable[_Union[Difference, _Mapping]]] = ..., differences_omitted: _Optional[int] = ...) -> None: ...

class Difference(_message.Message):
    __slots__ = ("what", "namespace", "collection", "key", "first", "other")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    what: str
    namespace: str
    collection: str
    key: str
    first: str
    other: str
    def __init__(self, what: _Optional[str] = ..., namespace: _Optional[str] = ..., collection: _Optional[str] = ..., key: _Optional[str] = ..., first: _Optional[str] = ..., other: _Optional[str] = ...) -> None: ...

class ExplainedCommitStatus(_message.Message):
    __slots__ = ("result", "block_number", "conflict")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_FIELD_NUMBER: _ClassVar[int]
    result: int
    block_number: int
    conflict: ReadConflict
    def __init__(self, result: _Optional[int] = ..., block_number: _Optional[int] = ..., conflict: _Optional[_Union[ReadConflict, _Mapping]] = ...) -> None: ...

class ReadConflict(_message.Message):
    __slots__ = ("namespace", "collection", "key", "read", "found", "winner_transaction_id", "range_end")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    WINNER_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    RANGE_END_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    collection: str
    key: str
    read: Version
    found: Version
    winner_transaction_id: str
    range_end: str
    def __init__(self, namespace: _Optional[str] = ..., collection: _Optional[str] = ..., key: _Optional[str] = ..., read: _Optional[_Union[Version, _Mapping]] = ..., found: _Optional[_Union[Version, _Mapping]] = ..., winner_transaction_id: _Optional[str] = ..., range_end: _Optional[str] = ...) -> None: ...

class Version(_message.Message):
    __slots__ = ("block_number", "transaction_number")
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_NUMBER_FIELD_NUMBER: _ClassVar[int]
    block_number: int
    transaction_number: int
    def __init__(self, block_number: _Optional[int] = ..., transaction_number: _Optional[int] = ...) -> None: ...
