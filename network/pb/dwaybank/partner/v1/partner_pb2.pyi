from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SignedMessage(_message.Message):
    __slots__ = ("payload", "creator", "signature")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    creator: bytes
    signature: bytes
    def __init__(self, payload: _Optional[bytes] = ..., creator: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Prepare(_message.Message):
    __slots__ = ("settlement_id", "sender_msp_id", "receiver_msp_id", "asset", "amount_minor", "beneficiary_account", "deadline", "sent_at")
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    BENEFICIARY_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    asset: str
    amount_minor: str
    beneficiary_account: str
    deadline: _timestamp_pb2.Timestamp
    sent_at: _timestamp_pb2.Timestamp
    def __init__(self, settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., asset: _Optional[str] = ..., amount_minor: _Optional[str] = ..., beneficiary_account: _Optional[str] = ..., deadline: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Complete(_message.Message):
    __slots__ = ("settlement_id", "sender_msp_id", "receiver_msp_id", "agreed_reference", "sent_at")
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    AGREED_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    agreed_reference: str
    sent_at: _timestamp_pb2.Timestamp
    def __init__(self, settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., agreed_reference: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Abort(_message.Message):
    __slots__ = ("settlement_id", "sender_msp_id", "receiver_msp_id", "reason", "sent_at")
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    reason: str
    sent_at: _timestamp_pb2.Timestamp
    def __init__(self, settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., reason: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Query(_message.Message):
    __slots__ = ("settlement_id", "sender_msp_id", "receiver_msp_id", "sent_at")
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    settlement_id: str
    sender_msp_id: str
    receiver_msp_id: str
    sent_at: _timestamp_pb2.Timestamp
    def __init__(self, settlement_id: _Optional[str] = ..., sender_msp_id: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., sent_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PrepareSettlementRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: SignedMessage
    def __init__(self, message: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class PrepareSettlementResponse(_message.Message):
    __slots__ = ("accepted", "agreed_reference", "refusal")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    AGREED_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    accepted: bool
    agreed_reference: str
    refusal: str
    def __init__(self, accepted: bool = ..., agreed_reference: _Optional[str] = ..., refusal: _Optional[str] = ...) -> None: ...

class CompleteSettlementRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: SignedMessage
    def __init__(self, message: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class CompleteSettlementResponse(_message.Message):
    __slots__ = ("completed", "seq", "refusal")
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    completed: bool
    seq: int
    refusal: str
    def __init__(self, completed: bool = ..., seq: _Optional[int] = ..., refusal: _Optional[str] = ...) -> None: ...

class AbortSettlementRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: SignedMessage
    def __init__(self, message: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class AbortSettlementResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: str
    def __init__(self, state: _Optional[str] = ...) -> None: ...

class QuerySettlementRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: SignedMessage
    def __init__(self, message: _Optional[_Union[SignedMessage, _Mapping]] = ...) -> None: ...

class QuerySettlementResponse(_message.Message):
    __slots__ = ("state", "agreed_reference", "seq", "positions")
    STATE_FIELD_NUMBER: _ClassVar[int]
    AGREED_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    state: str
    agreed_reference: str
    seq: int
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    def __init__(self, state: _Optional[str] = ..., agreed_reference: _Optional[str] = ..., seq: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("asset", "amount_minor")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    asset: str
    amount_minor: str
    def __init__(self, asset: _Optional[str] = ..., amount_minor: _Optional[str] = ...) -> None: ...

class SendPaymentRequest(_message.Message):
    __slots__ = ("payment_id", "debtor_account", "receiver_msp_id", "beneficiary_account", "asset", "amount_minor", "description")
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DEBTOR_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    BENEFICIARY_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    payment_id: str
    debtor_account: str
    receiver_msp_id: str
    beneficiary_account: str
    asset: str
    amount_minor: str
    description: str
    def __init__(self, payment_id: _Optional[str] = ..., debtor_account: _Optional[str] = ..., receiver_msp_id: _Optional[str] = ..., beneficiary_account: _Optional[str] = ..., asset: _Optional[str] = ..., amount_minor: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class Payment(_message.Message):
    __slots__ = ("payment_id", "settlement_id", "state", "refusal", "seq", "partner_seq", "agreed_reference", "debtor_account", "amount_minor", "asset")
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
    def __init__(self, payment_id: _Optional[str] = ..., settlement_id: _Optional[str] = ..., state: _Optional[str] = ..., refusal: _Optional[str] = ..., seq: _Optional[int] = ..., partner_seq: _Optional[int] = ..., agreed_reference: _Optional[str] = ..., debtor_account: _Optional[str] = ..., amount_minor: _Optional[str] = ..., asset: _Optional[str] = ...) -> None: ...

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
