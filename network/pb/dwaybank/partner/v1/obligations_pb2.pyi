from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Obligation(_message.Message):
    __slots__ = ("obligation_id", "settlement_id", "partner_msp_id", "outgoing", "asset", "amount_minor", "seq", "state", "books", "note", "completed_at")
    OBLIGATION_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    OUTGOING_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BOOKS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    obligation_id: str
    settlement_id: str
    partner_msp_id: str
    outgoing: bool
    asset: str
    amount_minor: str
    seq: int
    state: str
    books: str
    note: str
    completed_at: _timestamp_pb2.Timestamp
    def __init__(self, obligation_id: _Optional[str] = ..., settlement_id: _Optional[str] = ..., partner_msp_id: _Optional[str] = ..., outgoing: bool = ..., asset: _Optional[str] = ..., amount_minor: _Optional[str] = ..., seq: _Optional[int] = ..., state: _Optional[str] = ..., books: _Optional[str] = ..., note: _Optional[str] = ..., completed_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListObligationsRequest(_message.Message):
    __slots__ = ("partner_msp_id", "state", "breaks", "page_size", "page_token")
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BREAKS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    partner_msp_id: str
    state: str
    breaks: bool
    page_size: int
    page_token: str
    def __init__(self, partner_msp_id: _Optional[str] = ..., state: _Optional[str] = ..., breaks: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListObligationsResponse(_message.Message):
    __slots__ = ("obligations", "next_page_token")
    OBLIGATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    obligations: _containers.RepeatedCompositeFieldContainer[Obligation]
    next_page_token: str
    def __init__(self, obligations: _Optional[_Iterable[_Union[Obligation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetObligationRequest(_message.Message):
    __slots__ = ("obligation_id",)
    OBLIGATION_ID_FIELD_NUMBER: _ClassVar[int]
    obligation_id: str
    def __init__(self, obligation_id: _Optional[str] = ...) -> None: ...

class GetObligationResponse(_message.Message):
    __slots__ = ("obligation_id", "banks", "arbiter", "state", "books", "commitment", "deadline", "linked", "cycle", "steps", "bookings", "details")
    OBLIGATION_ID_FIELD_NUMBER: _ClassVar[int]
    BANKS_FIELD_NUMBER: _ClassVar[int]
    ARBITER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BOOKS_FIELD_NUMBER: _ClassVar[int]
    COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    LINKED_FIELD_NUMBER: _ClassVar[int]
    CYCLE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    BOOKINGS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    obligation_id: str
    banks: _containers.RepeatedScalarFieldContainer[str]
    arbiter: str
    state: str
    books: str
    commitment: bytes
    deadline: str
    linked: str
    cycle: str
    steps: _containers.RepeatedCompositeFieldContainer[ObligationStep]
    bookings: _containers.RepeatedCompositeFieldContainer[Booking]
    details: ObligationDetails
    def __init__(self, obligation_id: _Optional[str] = ..., banks: _Optional[_Iterable[str]] = ..., arbiter: _Optional[str] = ..., state: _Optional[str] = ..., books: _Optional[str] = ..., commitment: _Optional[bytes] = ..., deadline: _Optional[str] = ..., linked: _Optional[str] = ..., cycle: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[ObligationStep, _Mapping]]] = ..., bookings: _Optional[_Iterable[_Union[Booking, _Mapping]]] = ..., details: _Optional[_Union[ObligationDetails, _Mapping]] = ...) -> None: ...

class ObligationStep(_message.Message):
    __slots__ = ("state", "by", "transaction_id", "taken_at")
    STATE_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    TAKEN_AT_FIELD_NUMBER: _ClassVar[int]
    state: str
    by: str
    transaction_id: str
    taken_at: str
    def __init__(self, state: _Optional[str] = ..., by: _Optional[str] = ..., transaction_id: _Optional[str] = ..., taken_at: _Optional[str] = ...) -> None: ...

class Booking(_message.Message):
    __slots__ = ("by", "commitment", "transaction_id", "taken_at", "fits")
    BY_FIELD_NUMBER: _ClassVar[int]
    COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    TAKEN_AT_FIELD_NUMBER: _ClassVar[int]
    FITS_FIELD_NUMBER: _ClassVar[int]
    by: str
    commitment: bytes
    transaction_id: str
    taken_at: str
    fits: bool
    def __init__(self, by: _Optional[str] = ..., commitment: _Optional[bytes] = ..., transaction_id: _Optional[str] = ..., taken_at: _Optional[str] = ..., fits: bool = ...) -> None: ...

class ObligationDetails(_message.Message):
    __slots__ = ("debtor", "creditor", "asset", "amount_minor", "value_date", "settlement_id")
    DEBTOR_FIELD_NUMBER: _ClassVar[int]
    CREDITOR_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    VALUE_DATE_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    debtor: str
    creditor: str
    asset: str
    amount_minor: str
    value_date: str
    settlement_id: str
    def __init__(self, debtor: _Optional[str] = ..., creditor: _Optional[str] = ..., asset: _Optional[str] = ..., amount_minor: _Optional[str] = ..., value_date: _Optional[str] = ..., settlement_id: _Optional[str] = ...) -> None: ...

class MoveObligationRequest(_message.Message):
    __slots__ = ("obligation_id", "step")
    OBLIGATION_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    obligation_id: str
    step: str
    def __init__(self, obligation_id: _Optional[str] = ..., step: _Optional[str] = ...) -> None: ...

class MoveObligationResponse(_message.Message):
    __slots__ = ("state", "books")
    STATE_FIELD_NUMBER: _ClassVar[int]
    BOOKS_FIELD_NUMBER: _ClassVar[int]
    state: str
    books: str
    def __init__(self, state: _Optional[str] = ..., books: _Optional[str] = ...) -> None: ...

class ProposeExchangeRequest(_message.Message):
    __slots__ = ("partner_msp_id", "give_asset", "give_amount_minor", "take_asset", "take_amount_minor", "reference", "answer_within_s")
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    GIVE_ASSET_FIELD_NUMBER: _ClassVar[int]
    GIVE_AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    TAKE_ASSET_FIELD_NUMBER: _ClassVar[int]
    TAKE_AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_WITHIN_S_FIELD_NUMBER: _ClassVar[int]
    partner_msp_id: str
    give_asset: str
    give_amount_minor: str
    take_asset: str
    take_amount_minor: str
    reference: str
    answer_within_s: int
    def __init__(self, partner_msp_id: _Optional[str] = ..., give_asset: _Optional[str] = ..., give_amount_minor: _Optional[str] = ..., take_asset: _Optional[str] = ..., take_amount_minor: _Optional[str] = ..., reference: _Optional[str] = ..., answer_within_s: _Optional[int] = ...) -> None: ...

class ProposeExchangeResponse(_message.Message):
    __slots__ = ("give_obligation_id", "take_obligation_id")
    GIVE_OBLIGATION_ID_FIELD_NUMBER: _ClassVar[int]
    TAKE_OBLIGATION_ID_FIELD_NUMBER: _ClassVar[int]
    give_obligation_id: str
    take_obligation_id: str
    def __init__(self, give_obligation_id: _Optional[str] = ..., take_obligation_id: _Optional[str] = ...) -> None: ...

class ReconcileRequest(_message.Message):
    __slots__ = ("partner_msp_id",)
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    partner_msp_id: str
    def __init__(self, partner_msp_id: _Optional[str] = ...) -> None: ...

class ReconcileResponse(_message.Message):
    __slots__ = ("compared", "breaks", "break_count")
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    BREAKS_FIELD_NUMBER: _ClassVar[int]
    BREAK_COUNT_FIELD_NUMBER: _ClassVar[int]
    compared: int
    breaks: _containers.RepeatedCompositeFieldContainer[Break]
    break_count: int
    def __init__(self, compared: _Optional[int] = ..., breaks: _Optional[_Iterable[_Union[Break, _Mapping]]] = ..., break_count: _Optional[int] = ...) -> None: ...

class Break(_message.Message):
    __slots__ = ("obligation", "kind", "explanation", "own_booked_minor", "bookings", "evidence")
    OBLIGATION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    OWN_BOOKED_MINOR_FIELD_NUMBER: _ClassVar[int]
    BOOKINGS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    obligation: Obligation
    kind: str
    explanation: str
    own_booked_minor: str
    bookings: _containers.RepeatedCompositeFieldContainer[Booking]
    evidence: _containers.RepeatedCompositeFieldContainer[SignedEvidence]
    def __init__(self, obligation: _Optional[_Union[Obligation, _Mapping]] = ..., kind: _Optional[str] = ..., explanation: _Optional[str] = ..., own_booked_minor: _Optional[str] = ..., bookings: _Optional[_Iterable[_Union[Booking, _Mapping]]] = ..., evidence: _Optional[_Iterable[_Union[SignedEvidence, _Mapping]]] = ...) -> None: ...

class SignedEvidence(_message.Message):
    __slots__ = ("kind", "payload", "creator", "signature", "received_at")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    CREATOR_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    payload: bytes
    creator: bytes
    signature: bytes
    received_at: _timestamp_pb2.Timestamp
    def __init__(self, kind: _Optional[str] = ..., payload: _Optional[bytes] = ..., creator: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., received_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetTermsRequest(_message.Message):
    __slots__ = ("partner_msp_id",)
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    partner_msp_id: str
    def __init__(self, partner_msp_id: _Optional[str] = ...) -> None: ...

class GetTermsResponse(_message.Message):
    __slots__ = ("terms",)
    TERMS_FIELD_NUMBER: _ClassVar[int]
    terms: _containers.RepeatedCompositeFieldContainer[Term]
    def __init__(self, terms: _Optional[_Iterable[_Union[Term, _Mapping]]] = ...) -> None: ...

class Term(_message.Message):
    __slots__ = ("kind", "bank", "asset", "value")
    KIND_FIELD_NUMBER: _ClassVar[int]
    BANK_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    bank: str
    asset: str
    value: str
    def __init__(self, kind: _Optional[str] = ..., bank: _Optional[str] = ..., asset: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class SetTermRequest(_message.Message):
    __slots__ = ("partner_msp_id", "kind", "asset", "value")
    PARTNER_MSP_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    partner_msp_id: str
    kind: str
    asset: str
    value: str
    def __init__(self, partner_msp_id: _Optional[str] = ..., kind: _Optional[str] = ..., asset: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class SetTermResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OpenCycleRequest(_message.Message):
    __slots__ = ("partner_msp_ids", "cut_off", "settle_by")
    PARTNER_MSP_IDS_FIELD_NUMBER: _ClassVar[int]
    CUT_OFF_FIELD_NUMBER: _ClassVar[int]
    SETTLE_BY_FIELD_NUMBER: _ClassVar[int]
    partner_msp_ids: _containers.RepeatedScalarFieldContainer[str]
    cut_off: _timestamp_pb2.Timestamp
    settle_by: _timestamp_pb2.Timestamp
    def __init__(self, partner_msp_ids: _Optional[_Iterable[str]] = ..., cut_off: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., settle_by: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class OpenCycleResponse(_message.Message):
    __slots__ = ("cycle",)
    CYCLE_FIELD_NUMBER: _ClassVar[int]
    cycle: Cycle
    def __init__(self, cycle: _Optional[_Union[Cycle, _Mapping]] = ...) -> None: ...

class ListCyclesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCyclesResponse(_message.Message):
    __slots__ = ("cycles",)
    CYCLES_FIELD_NUMBER: _ClassVar[int]
    cycles: _containers.RepeatedCompositeFieldContainer[Cycle]
    def __init__(self, cycles: _Optional[_Iterable[_Union[Cycle, _Mapping]]] = ...) -> None: ...

class GetCycleRequest(_message.Message):
    __slots__ = ("cycle_id",)
    CYCLE_ID_FIELD_NUMBER: _ClassVar[int]
    cycle_id: str
    def __init__(self, cycle_id: _Optional[str] = ...) -> None: ...

class GetCycleResponse(_message.Message):
    __slots__ = ("cycle", "net", "sums_hold")
    CYCLE_FIELD_NUMBER: _ClassVar[int]
    NET_FIELD_NUMBER: _ClassVar[int]
    SUMS_HOLD_FIELD_NUMBER: _ClassVar[int]
    cycle: Cycle
    net: _containers.RepeatedCompositeFieldContainer[NetAmount]
    sums_hold: bool
    def __init__(self, cycle: _Optional[_Union[Cycle, _Mapping]] = ..., net: _Optional[_Iterable[_Union[NetAmount, _Mapping]]] = ..., sums_hold: bool = ...) -> None: ...

class Cycle(_message.Message):
    __slots__ = ("cycle_id", "members", "opened_by", "state", "cut_off", "settle_by", "count", "confirmed_by", "note")
    CYCLE_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CUT_OFF_FIELD_NUMBER: _ClassVar[int]
    SETTLE_BY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_BY_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    cycle_id: str
    members: _containers.RepeatedScalarFieldContainer[str]
    opened_by: str
    state: str
    cut_off: str
    settle_by: str
    count: int
    confirmed_by: _containers.RepeatedScalarFieldContainer[str]
    note: str
    def __init__(self, cycle_id: _Optional[str] = ..., members: _Optional[_Iterable[str]] = ..., opened_by: _Optional[str] = ..., state: _Optional[str] = ..., cut_off: _Optional[str] = ..., settle_by: _Optional[str] = ..., count: _Optional[int] = ..., confirmed_by: _Optional[_Iterable[str]] = ..., note: _Optional[str] = ...) -> None: ...

class NetAmount(_message.Message):
    __slots__ = ("asset", "amount_minor")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    asset: str
    amount_minor: str
    def __init__(self, asset: _Optional[str] = ..., amount_minor: _Optional[str] = ...) -> None: ...

class Dispute(_message.Message):
    __slots__ = ("dispute_id", "obligation_id", "banks", "arbiter", "opened_by", "reason", "state", "answer_by", "steps")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    OBLIGATION_ID_FIELD_NUMBER: _ClassVar[int]
    BANKS_FIELD_NUMBER: _ClassVar[int]
    ARBITER_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_BY_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    obligation_id: str
    banks: _containers.RepeatedScalarFieldContainer[str]
    arbiter: str
    opened_by: str
    reason: str
    state: str
    answer_by: str
    steps: _containers.RepeatedCompositeFieldContainer[DisputeStep]
    def __init__(self, dispute_id: _Optional[str] = ..., obligation_id: _Optional[str] = ..., banks: _Optional[_Iterable[str]] = ..., arbiter: _Optional[str] = ..., opened_by: _Optional[str] = ..., reason: _Optional[str] = ..., state: _Optional[str] = ..., answer_by: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[DisputeStep, _Mapping]]] = ...) -> None: ...

class DisputeStep(_message.Message):
    __slots__ = ("state", "by", "transaction_id", "taken_at", "outcome", "commitment", "statement")
    STATE_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    TAKEN_AT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    state: str
    by: str
    transaction_id: str
    taken_at: str
    outcome: str
    commitment: bytes
    statement: str
    def __init__(self, state: _Optional[str] = ..., by: _Optional[str] = ..., transaction_id: _Optional[str] = ..., taken_at: _Optional[str] = ..., outcome: _Optional[str] = ..., commitment: _Optional[bytes] = ..., statement: _Optional[str] = ...) -> None: ...

class OpenDisputeRequest(_message.Message):
    __slots__ = ("obligation_id", "reason", "statement", "answer_within_s")
    OBLIGATION_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_WITHIN_S_FIELD_NUMBER: _ClassVar[int]
    obligation_id: str
    reason: str
    statement: str
    answer_within_s: int
    def __init__(self, obligation_id: _Optional[str] = ..., reason: _Optional[str] = ..., statement: _Optional[str] = ..., answer_within_s: _Optional[int] = ...) -> None: ...

class OpenDisputeResponse(_message.Message):
    __slots__ = ("dispute",)
    DISPUTE_FIELD_NUMBER: _ClassVar[int]
    dispute: Dispute
    def __init__(self, dispute: _Optional[_Union[Dispute, _Mapping]] = ...) -> None: ...

class MoveDisputeRequest(_message.Message):
    __slots__ = ("dispute_id", "statement", "escalate", "resolve_as")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    ESCALATE_FIELD_NUMBER: _ClassVar[int]
    RESOLVE_AS_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    statement: str
    escalate: bool
    resolve_as: str
    def __init__(self, dispute_id: _Optional[str] = ..., statement: _Optional[str] = ..., escalate: bool = ..., resolve_as: _Optional[str] = ...) -> None: ...

class MoveDisputeResponse(_message.Message):
    __slots__ = ("dispute",)
    DISPUTE_FIELD_NUMBER: _ClassVar[int]
    dispute: Dispute
    def __init__(self, dispute: _Optional[_Union[Dispute, _Mapping]] = ...) -> None: ...

class ListDisputesRequest(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: str
    def __init__(self, state: _Optional[str] = ...) -> None: ...

class ListDisputesResponse(_message.Message):
    __slots__ = ("disputes",)
    DISPUTES_FIELD_NUMBER: _ClassVar[int]
    disputes: _containers.RepeatedCompositeFieldContainer[Dispute]
    def __init__(self, disputes: _Optional[_Iterable[_Union[Dispute, _Mapping]]] = ...) -> None: ...

class GetDisputeRequest(_message.Message):
    __slots__ = ("dispute_id",)
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    def __init__(self, dispute_id: _Optional[str] = ...) -> None: ...

class GetDisputeResponse(_message.Message):
    __slots__ = ("dispute",)
    DISPUTE_FIELD_NUMBER: _ClassVar[int]
    dispute: Dispute
    def __init__(self, dispute: _Optional[_Union[Dispute, _Mapping]] = ...) -> None: ...

class ReadStatementRequest(_message.Message):
    __slots__ = ("dispute_id", "commitment")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    commitment: bytes
    def __init__(self, dispute_id: _Optional[str] = ..., commitment: _Optional[bytes] = ...) -> None: ...

class ReadStatementResponse(_message.Message):
    __slots__ = ("salt", "text")
    SALT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    salt: bytes
    text: str
    def __init__(self, salt: _Optional[bytes] = ..., text: _Optional[str] = ...) -> None: ...
