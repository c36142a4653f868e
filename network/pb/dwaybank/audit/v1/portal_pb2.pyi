from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Authority(_message.Message):
    __slots__ = ("purpose", "subject", "fingerprint", "not_after")
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    purpose: str
    subject: str
    fingerprint: bytes
    not_after: _timestamp_pb2.Timestamp
    def __init__(self, purpose: _Optional[str] = ..., subject: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., not_after: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ChannelMember(_message.Message):
    __slots__ = ("msp_id", "authorities", "revoked_count")
    MSP_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHORITIES_FIELD_NUMBER: _ClassVar[int]
    REVOKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    msp_id: str
    authorities: _containers.RepeatedCompositeFieldContainer[Authority]
    revoked_count: int
    def __init__(self, msp_id: _Optional[str] = ..., authorities: _Optional[_Iterable[_Union[Authority, _Mapping]]] = ..., revoked_count: _Optional[int] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ("members",)
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[ChannelMember]
    def __init__(self, members: _Optional[_Iterable[_Union[ChannelMember, _Mapping]]] = ...) -> None: ...

class CaseItem(_message.Message):
    __slots__ = ("number", "kind", "subject", "note", "added_by", "added_at")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    ADDED_BY_FIELD_NUMBER: _ClassVar[int]
    ADDED_AT_FIELD_NUMBER: _ClassVar[int]
    number: int
    kind: str
    subject: str
    note: str
    added_by: str
    added_at: _timestamp_pb2.Timestamp
    def __init__(self, number: _Optional[int] = ..., kind: _Optional[str] = ..., subject: _Optional[str] = ..., note: _Optional[str] = ..., added_by: _Optional[str] = ..., added_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Case(_message.Message):
    __slots__ = ("case_id", "title", "opened_by", "opened_at", "moved_at", "is_closed", "item_count", "items")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    MOVED_AT_FIELD_NUMBER: _ClassVar[int]
    IS_CLOSED_FIELD_NUMBER: _ClassVar[int]
    ITEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    title: str
    opened_by: str
    opened_at: _timestamp_pb2.Timestamp
    moved_at: _timestamp_pb2.Timestamp
    is_closed: bool
    item_count: int
    items: _containers.RepeatedCompositeFieldContainer[CaseItem]
    def __init__(self, case_id: _Optional[str] = ..., title: _Optional[str] = ..., opened_by: _Optional[str] = ..., opened_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., moved_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., is_closed: bool = ..., item_count: _Optional[int] = ..., items: _Optional[_Iterable[_Union[CaseItem, _Mapping]]] = ...) -> None: ...

class OpenCaseRequest(_message.Message):
    __slots__ = ("title", "for_user")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    title: str
    for_user: str
    def __init__(self, title: _Optional[str] = ..., for_user: _Optional[str] = ...) -> None: ...

class OpenCaseResponse(_message.Message):
    __slots__ = ("case",)
    CASE_FIELD_NUMBER: _ClassVar[int]
    case: Case
    def __init__(self, case: _Optional[_Union[Case, _Mapping]] = ...) -> None: ...

class ListCasesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCasesResponse(_message.Message):
    __slots__ = ("cases", "next_page_token")
    CASES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    cases: _containers.RepeatedCompositeFieldContainer[Case]
    next_page_token: str
    def __init__(self, cases: _Optional[_Iterable[_Union[Case, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetCaseRequest(_message.Message):
    __slots__ = ("case_id",)
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    def __init__(self, case_id: _Optional[str] = ...) -> None: ...

class GetCaseResponse(_message.Message):
    __slots__ = ("case",)
    CASE_FIELD_NUMBER: _ClassVar[int]
    case: Case
    def __init__(self, case: _Optional[_Union[Case, _Mapping]] = ...) -> None: ...

class AddToCaseRequest(_message.Message):
    __slots__ = ("case_id", "kind", "subject", "note", "for_user")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    FOR_USER_FIELD_NUMBER: _ClassVar[int]
    case_id: str
    kind: str
    subject: str
    note: str
    for_user: str
    def __init__(self, case_id: _Optional[str] = ..., kind: _Optional[str] = ..., subject: _Optional[str] = ..., note: _Optional[str] = ..., for_user: _Optional[str] = ...) -> None: ...

class AddToCaseResponse(_message.Message):
    __slots__ = ("case",)
    CASE_FIELD_NUMBER: _ClassVar[int]
    case: Case
    def __init__(self, case: _Optional[_Union[Case, _Mapping]] = ...) -> None: ...

class Passkey(_message.Message):
    __slots__ = ("credential_id", "person", "public_key", "sign_count", "label", "added_at", "used_at")
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    SIGN_COUNT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    ADDED_AT_FIELD_NUMBER: _ClassVar[int]
    USED_AT_FIELD_NUMBER: _ClassVar[int]
    credential_id: bytes
    person: str
    public_key: bytes
    sign_count: int
    label: str
    added_at: _timestamp_pb2.Timestamp
    used_at: _timestamp_pb2.Timestamp
    def __init__(self, credential_id: _Optional[bytes] = ..., person: _Optional[str] = ..., public_key: _Optional[bytes] = ..., sign_count: _Optional[int] = ..., label: _Optional[str] = ..., added_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., used_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AddPasskeyRequest(_message.Message):
    __slots__ = ("passkey",)
    PASSKEY_FIELD_NUMBER: _ClassVar[int]
    passkey: Passkey
    def __init__(self, passkey: _Optional[_Union[Passkey, _Mapping]] = ...) -> None: ...

class AddPasskeyResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPasskeysRequest(_message.Message):
    __slots__ = ("person",)
    PERSON_FIELD_NUMBER: _ClassVar[int]
    person: str
    def __init__(self, person: _Optional[str] = ...) -> None: ...

class ListPasskeysResponse(_message.Message):
    __slots__ = ("passkeys",)
    PASSKEYS_FIELD_NUMBER: _ClassVar[int]
    passkeys: _containers.RepeatedCompositeFieldContainer[Passkey]
    def __init__(self, passkeys: _Optional[_Iterable[_Union[Passkey, _Mapping]]] = ...) -> None: ...

class UsePasskeyRequest(_message.Message):
    __slots__ = ("credential_id", "sign_count")
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    SIGN_COUNT_FIELD_NUMBER: _ClassVar[int]
    credential_id: bytes
    sign_count: int
    def __init__(self, credential_id: _Optional[bytes] = ..., sign_count: _Optional[int] = ...) -> None: ...

class UsePasskeyResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DropPasskeyRequest(_message.Message):
    __slots__ = ("credential_id",)
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    credential_id: bytes
    def __init__(self, credential_id: _Optional[bytes] = ...) -> None: ...

class DropPasskeyResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
