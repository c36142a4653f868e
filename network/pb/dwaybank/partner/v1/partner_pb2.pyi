from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AccountKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_KIND_UNSPECIFIED: _ClassVar[AccountKind]
    ACCOUNT_KIND_VOSTRO: _ClassVar[AccountKind]
    ACCOUNT_KIND_NOSTRO: _ClassVar[AccountKind]
ACCOUNT_KIND_UNSPECIFIED: AccountKind
ACCOUNT_KIND_VOSTRO: AccountKind
ACCOUNT_KIND_NOSTRO: AccountKind

class SignedMessage(_message.Message):
    __slots__ = ("payload", "creator", "signature")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    creator: bytes
    signature: bytes
    def __init__(self, payload: _Optional[bytes] = ..., creator: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class GetVersionRequest(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, versions: _Optional[_Iterable[int]] = ...) -> None: ...

class GetVersionResponse(_message.Message):
    __slots__ = ("versions", "chosen")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedScalarFieldContainer[int]
    chosen: int
    def __init__(self, versions: _Optional[_Iterable[int]] = ..., chosen: _Optional[int] = ...) -> None: ...

class QuoteRequest(_message.Message):
    __slots__ = ("version", "sender_msp_id", "receiver_msp_id", "sent_at", "quote_id", "asset", "amount_minor", "credited_asset")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREDITED_ASSET_FIELD_NUMBER: _ClassVar[int]
    version: int
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    quote_id: str
    asset: str
    amount_minor: str
    credited_asset: str
    def __init__(self, version: _Optional[int] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., quote_id: _Optional[str] = ..., asset: _Optional[str] = ..., amount_minor: _Optional[str] = ..., credited_asset: _Optional[str] = ...) -> None: ...

class Quote(_message.Message):
    __slots__ = ("version", "sender_msp_id", "receiver_msp_id", "sent_at", "request_hash", "quote_id", "asset", "amount_minor", "fee_minor", "credited_asset", "credited_minor", "rate", "rate_pair", "rate_source", "valid_until", "refusal")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HASH_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    FEE_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREDITED_ASSET_FIELD_NUMBER: _ClassVar[int]
    CREDITED_MINOR_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    RATE_PAIR_FIELD_NUMBER: _ClassVar[int]
    RATE_SOURCE_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    version: int
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    request_hash: bytes
    quote_id: str
    asset: str
    amount_minor: str
    fee_minor: str
    credited_asset: str
    credited_minor: str
    rate: str
    rate_pair: str
    rate_source: str
    valid_until: _timestamp_pb2.Timestamp
    refusal: str
    def __init__(self, version: _Optional[int] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., request_hash: _Optional[bytes] = ..., quote_id: _Optional[str] = ..., asset: _Optional[str] = ..., amount_minor: _Optional[str] = ..., fee_minor: _Optional[str] = ..., credited_asset: _Optional[str] = ..., credited_minor: _Optional[str] = ..., rate: _Optional[str] = ..., rate_pair: _Optional[str] = ..., rate_source: _Optional[str] = ..., valid_until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., refusal: _Optional[str] = ...) -> None: ...

class Prepare(_message.Message):
    __slots__ = ("settlement_id", "sender_msp_id", "receiver_msp_id", "asset", "amount_minor", "beneficiary_account", "deadline", "sent_at", "version", "quote_id", "return_of", "return_reason", "asset_scale")
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    BENEFICIARY_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ID_FIELD_NUMBER: _ClassVar[int]
    RETURN_OF_FIELD_NUMBER: _ClassVar[int]
    RETURN_REASON_FIELD_NUMBER: _ClassVar[int]
    ASSET_SCALE_FIELD_NUMBER: _ClassVar[int]
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    asset: str
    amount_minor: str
    beneficiary_account: str
    deadline: _timestamp_pb2.Timestamp
    sent_at: _timestamp_pb2.Timestamp
    version: int
    quote_id: str
    return_of: str
    return_reason: str
    asset_scale: int
    def __init__(self, settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., asset: _Optional[str] = ..., amount_minor: _Optional[str] = ..., beneficiary_account: _Optional[str] = ..., deadline: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[int] = ..., quote_id: _Optional[str] = ..., return_of: _Optional[str] = ..., return_reason: _Optional[str] = ..., asset_scale: _Optional[int] = ...) -> None: ...

class PrepareAnswer(_message.Message):
    __slots__ = ("version", "settlement_id", "sender_msp_id", "receiver_msp_id", "sent_at", "request_hash", "accepted", "agreed_reference", "refusal")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HASH_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    AGREED_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    version: int
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    request_hash: bytes
    accepted: bool
    agreed_reference: str
    refusal: str
    def __init__(self, version: _Optional[int] = ..., settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., request_hash: _Optional[bytes] = ..., accepted: bool = ..., agreed_reference: _Optional[str] = ..., refusal: _Optional[str] = ...) -> None: ...

class Complete(_message.Message):
    __slots__ = ("settlement_id", "sender_msp_id", "receiver_msp_id", "agreed_reference", "sent_at", "version")
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    AGREED_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    agreed_reference: str
    sent_at: _timestamp_pb2.Timestamp
    version: int
    def __init__(self, settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., agreed_reference: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class CompleteAnswer(_message.Message):
    __slots__ = ("version", "settlement_id", "sender_msp_id", "receiver_msp_id", "sent_at", "request_hash", "completed", "seq", "refusal")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HASH_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    version: int
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    request_hash: bytes
    completed: bool
    seq: int
    refusal: str
    def __init__(self, version: _Optional[int] = ..., settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., request_hash: _Optional[bytes] = ..., completed: bool = ..., seq: _Optional[int] = ..., refusal: _Optional[str] = ...) -> None: ...

class Abort(_message.Message):
    __slots__ = ("settlement_id", "sender_msp_id", "receiver_msp_id", "reason", "sent_at", "version")
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    reason: str
    sent_at: _timestamp_pb2.Timestamp
    version: int
    def __init__(self, settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., reason: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class AbortAnswer(_message.Message):
    __slots__ = ("version", "settlement_id", "sender_msp_id", "receiver_msp_id", "sent_at", "request_hash", "state")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HASH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    version: int
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    request_hash: bytes
    state: str
    def __init__(self, version: _Optional[int] = ..., settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., request_hash: _Optional[bytes] = ..., state: _Optional[str] = ...) -> None: ...

class Query(_message.Message):
    __slots__ = ("settlement_id", "sender_msp_id", "receiver_msp_id", "sent_at", "version")
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    version: int
    def __init__(self, settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class QueryAnswer(_message.Message):
    __slots__ = ("version", "settlement_id", "sender_msp_id", "receiver_msp_id", "sent_at", "request_hash", "state", "agreed_reference", "seq", "positions")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HASH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    AGREED_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    version: int
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    request_hash: bytes
    state: str
    agreed_reference: str
    seq: int
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    def __init__(self, version: _Optional[int] = ..., settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., request_hash: _Optional[bytes] = ..., state: _Optional[str] = ..., agreed_reference: _Optional[str] = ..., seq: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ...) -> None: ...

class StatementQuery(_message.Message):
    __slots__ = ("version", "sender_msp_id", "receiver_msp_id", "sent_at", "asset", "account", "since", "until", "from_seq", "page_size")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQ_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    version: int
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    asset: str
    account: AccountKind
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    from_seq: int
    page_size: int
    def __init__(self, version: _Optional[int] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., asset: _Optional[str] = ..., account: _Optional[_Union[AccountKind, str]] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., from_seq: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class StatementLine(_message.Message):
    __slots__ = ("seq", "change_minor", "balance_minor", "posted_at", "effective_at", "settlement_id")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    CHANGE_MINOR_FIELD_NUMBER: _ClassVar[int]
    BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    POSTED_AT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    seq: int
    change_minor: str
    balance_minor: str
    posted_at: _timestamp_pb2.Timestamp
    effective_at: _timestamp_pb2.Timestamp
    settlement_id: str
    def __init__(self, seq: _Optional[int] = ..., change_minor: _Optional[str] = ..., balance_minor: _Optional[str] = ..., posted_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., effective_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., settlement_id: _Optional[str] = ...) -> None: ...

class StatementAnswer(_message.Message):
    __slots__ = ("version", "sender_msp_id", "receiver_msp_id", "sent_at", "request_hash", "asset", "account", "lines", "next_seq", "balance_minor")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HASH_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQ_FIELD_NUMBER: _ClassVar[int]
    BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    version: int
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    request_hash: bytes
    asset: str
    account: AccountKind
    lines: _containers.RepeatedCompositeFieldContainer[StatementLine]
    next_seq: int
    balance_minor: str
    def __init__(self, version: _Optional[int] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., request_hash: _Optional[bytes] = ..., asset: _Optional[str] = ..., account: _Optional[_Union[AccountKind, str]] = ..., lines: _Optional[_Iterable[_Union[StatementLine, _Mapping]]] = ..., next_seq: _Optional[int] = ..., balance_minor: _Optional[str] = ...) -> None: ...

class Follow(_message.Message):
    __slots__ = ("version", "sender_msp_id", "receiver_msp_id", "sent_at", "after_sequence")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    version: int
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    after_sequence: int
    def __init__(self, version: _Optional[int] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class SettlementUpdate(_message.Message):
    __slots__ = ("version", "sender_msp_id", "receiver_msp_id", "sent_at", "request_hash", "sequence", "settlement_id", "from_asking_bank", "state", "refusal", "asset", "amount_minor", "seq", "at")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HASH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_ASKING_BANK_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    version: int
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    request_hash: bytes
    sequence: int
    settlement_id: str
    from_asking_bank: bool
    state: str
    refusal: str
    asset: str
    amount_minor: str
    seq: int
    at: _timestamp_pb2.Timestamp
    def __init__(self, version: _Optional[int] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., request_hash: _Optional[bytes] = ..., sequence: _Optional[int] = ..., settlement_id: _Optional[str] = ..., from_asking_bank: bool = ..., state: _Optional[str] = ..., refusal: _Optional[str] = ..., asset: _Optional[str] = ..., amount_minor: _Optional[str] = ..., seq: _Optional[int] = ..., at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PrepareSettlementRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: SignedMessage
    def __init__(self, message: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class PrepareSettlementResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: SignedMessage
    def __init__(self, answer: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class CompleteSettlementRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: SignedMessage
    def __init__(self, message: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class CompleteSettlementResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: SignedMessage
    def __init__(self, answer: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class AbortSettlementRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: SignedMessage
    def __init__(self, message: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class AbortSettlementResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: SignedMessage
    def __init__(self, answer: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class QuerySettlementRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: SignedMessage
    def __init__(self, message: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class QuerySettlementResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: SignedMessage
    def __init__(self, answer: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class GetQuoteRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: SignedMessage
    def __init__(self, message: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class GetQuoteResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: SignedMessage
    def __init__(self, answer: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class GetVostroStatementRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: SignedMessage
    def __init__(self, message: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class GetVostroStatementResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: SignedMessage
    def __init__(self, answer: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class FollowSettlementsRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: SignedMessage
    def __init__(self, message: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class FollowSettlementsResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: SignedMessage
    def __init__(self, answer: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("asset", "amount_minor")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    asset: str
    amount_minor: str
    def __init__(self, asset: _Optional[str] = ..., amount_minor: _Optional[str] = ...) -> None: ...

class SendPaymentRequest(_message.Message):
    __slots__ = ("payment_id", "debtor_account", "receiver_msp_id", "beneficiary_account", "asset", "amount_minor", "description", "quote_id")
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEBTOR_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    BENEFICIARY_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ID_FIELD_NUMBER: _ClassVar[int]
    payment_id: str
    debtor_account: str
    receiver_msp_id: str
    beneficiary_account: str
    asset: str
    amount_minor: str
    description: str
    quote_id: str
    def __init__(self, payment_id: _Optional[str] = ..., debtor_account: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., beneficiary_account: _Optional[str] = ..., asset: _Optional[str] = ..., amount_minor: _Optional[str] = ..., description: _Optional[str] = ..., quote_id: _Optional[str] = ...) -> None: ...

class Payment(_message.Message):
    __slots__ = ("payment_id", "settlement_id", "state", "refusal", "seq", "partner_seq", "agreed_reference", "debtor_account", "amount_minor", "asset", "receiver_msp_id", "beneficiary_account", "quote_id", "return_of", "return_reason", "ordered_at", "return_seq")
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    PARTNER_SEQ_FIELD_NUMBER: _ClassVar[int]
    AGREED_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    DEBTOR_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    BENEFICIARY_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ID_FIELD_NUMBER: _ClassVar[int]
    RETURN_OF_FIELD_NUMBER: _ClassVar[int]
    RETURN_REASON_FIELD_NUMBER: _ClassVar[int]
    ORDERED_AT_FIELD_NUMBER: _ClassVar[int]
    RETURN_SEQ_FIELD_NUMBER: _ClassVar[int]
    payment_id: str
    settlement_id: str
    state: str
    refusal: str
    seq: int
    partner_seq: int
    agreed_reference: str
    debtor_account: str
    amount_minor: str
    asset: str
    receiver_msp_id: str
    beneficiary_account: str
    quote_id: str
    return_of: str
    return_reason: str
    ordered_at: _timestamp_pb2.Timestamp
    return_seq: int
    def __init__(self, payment_id: _Optional[str] = ..., settlement_id: _Optional[str] = ..., state: _Optional[str] = ..., refusal: _Optional[str] = ..., seq: _Optional[int] = ..., partner_seq: _Optional[int] = ..., agreed_reference: _Optional[str] = ..., debtor_account: _Optional[str] = ..., amount_minor: _Optional[str] = ..., asset: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., beneficiary_account: _Optional[str] = ..., quote_id: _Optional[str] = ..., return_of: _Optional[str] = ..., return_reason: _Optional[str] = ..., ordered_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., return_seq: _Optional[int] = ...) -> None: ...

class SendPaymentResponse(_message.Message):
    __slots__ = ("payment",)
    PAYMENT_FIELD_NUMBER: _ClassVar[int]
    payment: Payment
    def __init__(self, payment: _Optional[_Union[Payment, _Mapping]] = ...) -> None: ...

class GetPaymentRequest(_message.Message):
    __slots__ = ("payment_id",)
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    payment_id: str
    def __init__(self, payment_id: _Optional[str] = ...) -> None: ...

class GetPaymentResponse(_message.Message):
    __slots__ = ("payment",)
    PAYMENT_FIELD_NUMBER: _ClassVar[int]
    payment: Payment
    def __init__(self, payment: _Optional[_Union[Payment, _Mapping]] = ...) -> None: ...

class CancelPaymentRequest(_message.Message):
    __slots__ = ("payment_id",)
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    payment_id: str
    def __init__(self, payment_id: _Optional[str] = ...) -> None: ...

class CancelPaymentResponse(_message.Message):
    __slots__ = ("payment",)
    PAYMENT_FIELD_NUMBER: _ClassVar[int]
    payment: Payment
    def __init__(self, payment: _Optional[_Union[Payment, _Mapping]] = ...) -> None: ...

class ReturnPaymentRequest(_message.Message):
    __slots__ = ("payment_id", "partner_msp_id", "settlement_id", "reason", "description")
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    payment_id: str
    partner_msp_id: str
    settlement_id: str
    reason: str
    description: str
    def __init__(self, payment_id: _Optional[str] = ..., partner_msp_id: _Optional[str] = ..., settlement_id: _Optional[str] = ..., reason: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class ReturnPaymentResponse(_message.Message):
    __slots__ = ("payment",)
    PAYMENT_FIELD_NUMBER: _ClassVar[int]
    payment: Payment
    def __init__(self, payment: _Optional[_Union[Payment, _Mapping]] = ...) -> None: ...

class RequestQuoteRequest(_message.Message):
    __slots__ = ("quote_id", "partner_msp_id", "asset", "amount_minor", "credited_asset")
    QUOTE_ID_FIELD_NUMBER: _ClassVar[int]
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREDITED_ASSET_FIELD_NUMBER: _ClassVar[int]
    quote_id: str
    partner_msp_id: str
    asset: str
    amount_minor: str
    credited_asset: str
    def __init__(self, quote_id: _Optional[str] = ..., partner_msp_id: _Optional[str] = ..., asset: _Optional[str] = ..., amount_minor: _Optional[str] = ..., credited_asset: _Optional[str] = ...) -> None: ...

class RequestQuoteResponse(_message.Message):
    __slots__ = ("quote", "signed")
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    quote: Quote
    signed: SignedMessage
    def __init__(self, quote: _Optional[_Union[Quote, _Mapping]] = ..., signed: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class ComparePositionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PositionComparison(_message.Message):
    __slots__ = ("partner_msp_id", "asset", "own_minor", "partner_minor", "agree")
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    OWN_MINOR_FIELD_NUMBER: _ClassVar[int]
    PARTNER_MINOR_FIELD_NUMBER: _ClassVar[int]
    AGREE_FIELD_NUMBER: _ClassVar[int]
    partner_msp_id: str
    asset: str
    own_minor: str
    partner_minor: str
    agree: bool
    def __init__(self, partner_msp_id: _Optional[str] = ..., asset: _Optional[str] = ..., own_minor: _Optional[str] = ..., partner_minor: _Optional[str] = ..., agree: bool = ...) -> None: ...

class ComparePositionsResponse(_message.Message):
    __slots__ = ("comparisons",)
    COMPARISONS_FIELD_NUMBER: _ClassVar[int]
    comparisons: _containers.RepeatedCompositeFieldContainer[PositionComparison]
    def __init__(self, comparisons: _Optional[_Iterable[_Union[PositionComparison, _Mapping]]] = ...) -> None: ...

class ListPartnersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AssetLimit(_message.Message):
    __slots__ = ("asset", "single_minor", "daily_minor", "used_minor")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    SINGLE_MINOR_FIELD_NUMBER: _ClassVar[int]
    DAILY_MINOR_FIELD_NUMBER: _ClassVar[int]
    USED_MINOR_FIELD_NUMBER: _ClassVar[int]
    asset: str
    single_minor: str
    daily_minor: str
    used_minor: str
    def __init__(self, asset: _Optional[str] = ..., single_minor: _Optional[str] = ..., daily_minor: _Optional[str] = ..., used_minor: _Optional[str] = ...) -> None: ...

class PartnerStanding(_message.Message):
    __slots__ = ("msp_id", "reachable", "version", "problem", "limits", "open", "open_max", "calls_per_s", "calls_burst")
    MSP_ID_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    OPEN_MAX_FIELD_NUMBER: _ClassVar[int]
    CALLS_PER_S_FIELD_NUMBER: _ClassVar[int]
    CALLS_BURST_FIELD_NUMBER: _ClassVar[int]
    msp_id: str
    reachable: bool
    version: int
    problem: str
    limits: _containers.RepeatedCompositeFieldContainer[AssetLimit]
    open: int
    open_max: int
    calls_per_s: float
    calls_burst: int
    def __init__(self, msp_id: _Optional[str] = ..., reachable: bool = ..., version: _Optional[int] = ..., problem: _Optional[str] = ..., limits: _Optional[_Iterable[_Union[AssetLimit, _Mapping]]] = ..., open: _Optional[int] = ..., open_max: _Optional[int] = ..., calls_per_s: _Optional[float] = ..., calls_burst: _Optional[int] = ...) -> None: ...

class ListPartnersResponse(_message.Message):
    __slots__ = ("partners",)
    PARTNERS_FIELD_NUMBER: _ClassVar[int]
    partners: _containers.RepeatedCompositeFieldContainer[PartnerStanding]
    def __init__(self, partners: _Optional[_Iterable[_Union[PartnerStanding, _Mapping]]] = ...) -> None: ...

class AskStatusRequest(_message.Message):
    __slots__ = ("partner_msp_id", "settlement_id")
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    partner_msp_id: str
    settlement_id: str
    def __init__(self, partner_msp_id: _Optional[str] = ..., settlement_id: _Optional[str] = ...) -> None: ...

class AskStatusResponse(_message.Message):
    __slots__ = ("answer", "signed")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    answer: QueryAnswer
    signed: SignedMessage
    def __init__(self, answer: _Optional[_Union[QueryAnswer, _Mapping]] = ..., signed: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class ListEvidenceRequest(_message.Message):
    __slots__ = ("settlement_id", "sender_msp_id")
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    settlement_id: str
    sender_msp_id: str
    def __init__(self, settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("kind", "signed", "received_at")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    signed: SignedMessage
    received_at: _timestamp_pb2.Timestamp
    def __init__(self, kind: _Optional[str] = ..., signed: _Optional[_Union[SignedMessage, _Mapping]] = ..., received_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListEvidenceResponse(_message.Message):
    __slots__ = ("evidence",)
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    evidence: _containers.RepeatedCompositeFieldContainer[Evidence]
    def __init__(self, evidence: _Optional[_Iterable[_Union[Evidence, _Mapping]]] = ...) -> None: ...

class FetchStatementRequest(_message.Message):
    __slots__ = ("partner_msp_id", "asset", "account", "since", "until", "from_seq", "page_size")
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQ_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    partner_msp_id: str
    asset: str
    account: AccountKind
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    from_seq: int
    page_size: int
    def __init__(self, partner_msp_id: _Optional[str] = ..., asset: _Optional[str] = ..., account: _Optional[_Union[AccountKind, str]] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., from_seq: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class FetchStatementResponse(_message.Message):
    __slots__ = ("page", "signed")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    page: StatementAnswer
    signed: SignedMessage
    def __init__(self, page: _Optional[_Union[StatementAnswer, _Mapping]] = ..., signed: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class FollowPartnerRequest(_message.Message):
    __slots__ = ("partner_msp_id", "after_sequence")
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    partner_msp_id: str
    after_sequence: int
    def __init__(self, partner_msp_id: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class FollowPartnerResponse(_message.Message):
    __slots__ = ("update", "signed")
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    update: SettlementUpdate
    signed: SignedMessage
    def __init__(self, update: _Optional[_Union[SettlementUpdate, _Mapping]] = ..., signed: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...
