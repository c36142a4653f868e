from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SignedRequest(_message.Message):
    __slots__ = ("payload", "creator", "signature")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    creator: bytes
    signature: bytes
    def __init__(self, payload: _Optional[bytes] = ..., creator: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class PushedWriteSet(_message.Message):
    __slots__ = ("channel_id", "tx_id", "write_set", "tls_certificate_hash")
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    WRITE_SET_FIELD_NUMBER: _ClassVar[int]
    TLS_CERTIFICATE_HASH_FIELD_NUMBER: _ClassVar[int]
    channel_id: str
    tx_id: str
    write_set: bytes
    tls_certificate_hash: bytes
    def __init__(self, channel_id: _Optional[str] = ..., tx_id: _Optional[str] = ..., write_set: _Optional[bytes] = ..., tls_certificate_hash: _Optional[bytes] = ...) -> None: ...

class WantedWriteSets(_message.Message):
    __slots__ = ("channel_id", "wanted", "tls_certificate_hash")
    CHANNEL_ID_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    TLS_CERTIFICATE_HASH_FIELD_NUMBER: _ClassVar[int]
    channel_id: str
    wanted: _containers.RepeatedCompositeFieldContainer[PrivateWriteSetId]
    tls_certificate_hash: bytes
    def __init__(self, channel_id: _Optional[str] = ..., wanted: _Optional[_Iterable[_Union[PrivateWriteSetId, _Mapping]]] = ..., tls_certificate_hash: _Optional[bytes] = ...) -> None: ...

class PrivateWriteSetId(_message.Message):
    __slots__ = ("block_number", "tx_number", "namespace", "collection")
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TX_NUMBER_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    block_number: int
    tx_number: int
    namespace: str
    collection: str
    def __init__(self, block_number: _Optional[int] = ..., tx_number: _Optional[int] = ..., namespace: _Optional[str] = ..., collection: _Optional[str] = ...) -> None: ...

class FoundWriteSet(_message.Message):
    __slots__ = ("id", "rwset")
    ID_FIELD_NUMBER: _ClassVar[int]
    RWSET_FIELD_NUMBER: _ClassVar[int]
    id: PrivateWriteSetId
    rwset: bytes
    def __init__(self, id: _Optional[_Union[PrivateWriteSetId, _Mapping]] = ..., rwset: _Optional[bytes] = ...) -> None: ...

class PushPrivateDataRequest(_message.Message):
    __slots__ = ("signed",)
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    signed: SignedRequest
    def __init__(self, signed: _Optional[_Union[SignedRequest, _Mapping]] = ...) -> None: ...

class PushPrivateDataResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PullPrivateDataRequest(_message.Message):
    __slots__ = ("signed",)
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    signed: SignedRequest
    def __init__(self, signed: _Optional[_Union[SignedRequest, _Mapping]] = ...) -> None: ...

class PullPrivateDataResponse(_message.Message):
    __slots__ = ("found",)
    FOUND_FIELD_NUMBER: _ClassVar[int]
    found: _containers.RepeatedCompositeFieldContainer[FoundWriteSet]
    def __init__(self, found: _Optional[_Iterable[_Union[FoundWriteSet, _Mapping]]] = ...) -> None: ...
