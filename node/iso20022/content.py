"""What messages say to a bank: plain values, valid once a message of them was written or read.

Names are the standard's own, spelled out; each field's element stands in the grammar (``pacs``, ``camt``). Every
payment message here holds one transaction, as cross-border payments (CBPR+) demand.

Identifiers of a payment: the UETR names it from the first bank to the last, in every message about it. The end-to-end
id is the payer's own, handed on unchanged; instruction id and transaction id are the sending banks'.
"""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass
from datetime import date, datetime

from ledger.money import Asset
from node.iso20022.values import Amount


class SettlementMethod(enum.StrEnum):
    """Which bank's books settle: clearing systems and cover payments are not supported."""

    INSTRUCTED_AGENT = "INDA"
    """The receiver of the message holds the sender's account."""
    INSTRUCTING_AGENT = "INGA"
    """The sender of the message holds the receiver's account."""


class ChargeBearer(enum.StrEnum):
    """Who would pay charges; banks here take none."""

    DEBTOR = "DEBT"
    CREDITOR = "CRED"
    SHARED = "SHAR"
    SERVICE_LEVEL = "SLEV"


class Priority(enum.StrEnum):
    """How the instruction is to be handled."""

    HIGH = "HIGH"
    NORMAL = "NORM"


class SettlementPriority(enum.StrEnum):
    """How the settlement is to be handled."""

    URGENT = "URGT"
    HIGH = "HIGH"
    NORMAL = "NORM"


class Status(enum.StrEnum):
    """Where a payment stands (ExternalPaymentTransactionStatus1Code)."""

    RECEIVED = "RCVD"
    PENDING = "PDNG"
    ACCEPTED_TECHNICALLY = "ACTC"
    ACCEPTED = "ACCP"
    IN_SETTLEMENT = "ACSP"
    SETTLED = "ACSC"
    CREDITED = "ACCC"
    REJECTED = "RJCT"


class Mark(enum.StrEnum):
    """Which way money goes, as the account's owner sees it."""

    CREDIT = "CRDT"
    DEBIT = "DBIT"


class BalanceKind(enum.StrEnum):
    """The two balances of a statement."""

    OPENING = "OPBD"
    CLOSING = "CLBD"


class ReferenceKind(enum.StrEnum):
    """What a structured reference names (DocumentType3Code)."""

    REMITTANCE_ADVICE = "RADM"
    RELATED_PAYMENT = "RPIN"
    FOREIGN_EXCHANGE_DEAL = "FXDR"
    DISPATCH_ADVICE = "DISP"
    PURCHASE_ORDER = "PUOR"
    CREDITOR_REFERENCE = "SCOR"


@dataclass(frozen=True, slots=True)
class Code:
    """A code of one of ISO 20022's external code sets."""

    value: str


@dataclass(frozen=True, slots=True)
class Proprietary:
    """A code that sender and receiver agreed on."""

    value: str


AnyCode = Code | Proprietary


@dataclass(frozen=True, slots=True)
class Iban:
    """An account's IBAN, without blanks."""

    value: str


@dataclass(frozen=True, slots=True)
class OtherId:
    """An identification that is none of the standard's own: of an account, an organization or a person."""

    id: str
    scheme: AnyCode | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account of a customer or a bank."""

    id: Iban | OtherId
    currency: Asset | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """A postal address: structured, or in up to seven lines."""

    department: str | None = None
    sub_department: str | None = None
    street: str | None = None
    building_number: str | None = None
    building_name: str | None = None
    floor: str | None = None
    post_box: str | None = None
    room: str | None = None
    post_code: str | None = None
    town: str | None = None
    town_location: str | None = None
    district: str | None = None
    country_subdivision: str | None = None
    country: str | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Agent:
    """A bank, by its BIC, its LEI or both."""

    bic: str | None = None
    lei: str | None = None
    name: str | None = None
    address: PostalAddress | None = None


@dataclass(frozen=True, slots=True)
class OrganisationId:
    """What an organization is known by."""

    any_bic: str | None = None
    lei: str | None = None
    other: tuple[OtherId, ...] = ()


@dataclass(frozen=True, slots=True)
class Birth:
    """Where and when a person was born."""

    day: date
    city: str
    country: str
    province: str | None = None


@dataclass(frozen=True, slots=True)
class PersonId:
    """What a person is known by."""

    birth: Birth | None = None
    other: tuple[OtherId, ...] = ()


@dataclass(frozen=True, slots=True)
class Party:
    """A payer, a payee, or who acts for them."""

    name: str | None = None
    address: PostalAddress | None = None
    id: OrganisationId | PersonId | None = None
    country_of_residence: str | None = None


@dataclass(frozen=True, slots=True)
class CreditorReference:
    """A structured reference; of kind ``SCOR`` with the check digits of ISO 11649."""

    reference: str
    kind: ReferenceKind | Proprietary | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentType:
    """How a payment is to be handled."""

    priority: Priority | None = None
    service_levels: tuple[AnyCode, ...] = ()
    local_instrument: AnyCode | None = None
    category_purpose: AnyCode | None = None


@dataclass(frozen=True, slots=True)
class CustomerCreditTransfer:
    """pacs.008: a bank tells another to credit its customer."""

    message_id: str
    created_at: datetime
    settlement_method: SettlementMethod
    end_to_end_id: str
    uetr: uuid.UUID
    amount: Amount
    settlement_date: date
    charge_bearer: ChargeBearer
    instructing_agent: Agent
    instructed_agent: Agent
    debtor: Party
    debtor_agent: Agent
    creditor_agent: Agent
    creditor: Party
    settlement_account: Account | None = None
    instruction_id: str | None = None
    transaction_id: str | None = None
    payment_type: PaymentType | None = None
    settlement_priority: SettlementPriority | None = None
    accepted_at: datetime | None = None
    instructed_amount: Amount | None = None
    ultimate_debtor: Party | None = None
    debtor_account: Account | None = None
    creditor_account: Account | None = None
    ultimate_creditor: Party | None = None
    purpose: AnyCode | None = None
    remittance: tuple[str, ...] = ()
    references: tuple[CreditorReference, ...] = ()


@dataclass(frozen=True, slots=True)
class InstitutionCreditTransfer:
    """pacs.009: a bank tells another to credit a bank; never the cover of a customer's payment."""

    message_id: str
    created_at: datetime
    settlement_method: SettlementMethod
    end_to_end_id: str
    uetr: uuid.UUID
    amount: Amount
    settlement_date: date
    instructing_agent: Agent
    instructed_agent: Agent
    debtor: Agent
    creditor: Agent
    settlement_account: Account | None = None
    instruction_id: str | None = None
    transaction_id: str | None = None
    payment_type: PaymentType | None = None
    settlement_priority: SettlementPriority | None = None
    debtor_account: Account | None = None
    debtor_agent: Agent | None = None
    creditor_agent: Agent | None = None
    creditor_account: Account | None = None
    purpose: AnyCode | None = None
    remittance: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutPayment:
    """The payment that a status report or a return is about, by the names it had in its own message."""

    original_message_id: str
    original_message_name: str
    original_created_at: datetime | None = None
    original_instruction_id: str | None = None
    original_end_to_end_id: str | None = None
    original_transaction_id: str | None = None
    original_uetr: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a code, and what it does not say."""

    code: AnyCode
    originator: Party | None = None
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport(AboutPayment):
    """pacs.002: where a payment stands; a rejection says why."""

    message_id: str
    created_at: datetime
    status: Status
    status_id: str | None = None
    reasons: tuple[Reason, ...] = ()
    accepted_at: datetime | None = None
    settled_on: date | datetime | None = None
    servicer_reference: str | None = None
    instructing_agent: Agent | None = None
    instructed_agent: Agent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentReturn(AboutPayment):
    """pacs.004: money of a settled payment goes back."""

    message_id: str
    created_at: datetime
    settlement_method: SettlementMethod
    returned_amount: Amount
    settlement_date: date
    reasons: tuple[Reason, ...]
    settlement_account: Account | None = None
    return_id: str | None = None
    original_amount: Amount | None = None
    original_settlement_date: date | None = None
    settlement_priority: SettlementPriority | None = None
    charge_bearer: ChargeBearer | None = None
    instructing_agent: Agent | None = None
    instructed_agent: Agent | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """A booked balance of a day or moment."""

    kind: BalanceKind
    amount: Amount
    mark: Mark
    at: date | datetime


@dataclass(frozen=True, slots=True)
class EntryCode:
    """What kind of movement it is: ISO 20022's bank transaction code, in three steps."""

    domain: str
    family: str
    sub_family: str


@dataclass(frozen=True, slots=True)
class ProprietaryEntryCode:
    """What kind of movement it is, in the words of the bank that sends the statement."""

    code: str
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class OtherReference:
    """A reference of a movement that is none of the standard's own."""

    kind: str
    reference: str


@dataclass(frozen=True, slots=True)
class EntryDetails:
    """What a movement is about."""

    message_id: str | None = None
    servicer_reference: str | None = None
    instruction_id: str | None = None
    end_to_end_id: str | None = None
    uetr: uuid.UUID | None = None
    transaction_id: str | None = None
    other_references: tuple[OtherReference, ...] = ()
    remittance: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One booked movement of an account."""

    amount: Amount
    mark: Mark
    booked_at: date | datetime
    value_at: date | datetime
    code: EntryCode | ProprietaryEntryCode
    reference: str | None = None
    reversal: bool | None = None
    servicer_reference: str | None = None
    details: EntryDetails | None = None
    text: str | None = None

    @property
    def change(self) -> int:
        """Minor units, above zero for a credit."""
        return self.amount.minor if self.mark is Mark.CREDIT else -self.amount.minor


@dataclass(frozen=True, slots=True)
class StatementAccount:
    """The account of a statement or notification, with its currency."""

    id: Iban | OtherId
    currency: Asset
    name: str | None = None
    owner: Party | None = None
    servicer: Agent | None = None


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """camt.053: all booked movements of an account in a period; opening balance and movements give the closing one."""

    message_id: str
    created_at: datetime
    statement_id: str
    account: StatementAccount
    balances: tuple[Balance, ...]
    entries: tuple[Entry, ...] = ()
    electronic_number: int | None = None
    made_at: datetime | None = None
    begins_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountNotification:
    """camt.054: single booked movements of an account, told as they happen."""

    message_id: str
    created_at: datetime
    notification_id: str
    account: StatementAccount
    entries: tuple[Entry, ...]
    electronic_number: int | None = None
    made_at: datetime | None = None
    begins_at: datetime | None = None
    ends_at: datetime | None = None


AnyMessage = (
    CustomerCreditTransfer
    | InstitutionCreditTransfer
    | StatusReport
    | PaymentReturn
    | AccountStatement
    | AccountNotification
)
