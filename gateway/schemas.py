"""What travels over HTTP: request and response bodies, their limits and examples; the OpenAPI document is made of them.

Rules: unknown fields are refused; amounts are strings of minor units ("1250" is 12.50 of a two-digit asset), because a
JSON number may become a float on the way; text has an upper length and no control characters.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any
from unicodedata import bidirectional, category

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from gateway.config import ASSET_CODE

PASSWORD_CHARACTERS_MIN = 12
PASSWORD_CHARACTERS_MAX = 128
_CONTROLS = frozenset({"Cc", "Zl", "Zp"})
_TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Unicode's bidirectional controls: with them a text shows otherwise than it reads."""
EXAMPLE_ACCOUNT = "cust-mfrggzdfmztwq2lknnwg23tpoa"


def _without_control_characters(text: str) -> str:
    if any(category(character) in _CONTROLS or bidirectional(character) in _TURNS for character in text):
        raise ValueError("control characters, line breaks and marks that turn the order of letters are not allowed")
    return text


def _storable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half a character (a lone surrogate)") from error
    return text


def _said(words: str) -> WrapValidator:
    """Say in words what a form wants; its pattern stands in the OpenAPI document, for programs."""

    def check(value: Any, form: ValidatorFunctionWrapHandler) -> Any:
        try:
            return form(value)
        except ValidationError as error:
            raise ValueError(words) from error

    return WrapValidator(check)


_Line = Annotated[str, AfterValidator(_without_control_characters), AfterValidator(_storable)]
Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        to_lower=True,
        max_length=254,
        pattern=r"^[^@\s\x00-\x1f\x7f]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,187}[A-Za-z0-9])?$",
    ),
    AfterValidator(_storable),
    _said("give an e-mail address such as maria@example.org, of at most 254 characters"),
]
Password = Annotated[
    str, Field(min_length=PASSWORD_CHARACTERS_MIN, max_length=PASSWORD_CHARACTERS_MAX), AfterValidator(_storable)
]
DisplayName = Annotated[_Line, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
AmountMinor = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,17}$"),
    _said('give a text of at most 18 digits, in minor units: "1250" is 12.50 of an asset with two decimals'),
]
AccountReference = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9:._-]{1,64}$"),
    _said(f"give an account's reference, such as {EXAMPLE_ACCOUNT}"),
]
MspId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,64}$"),
    _said("give the msp_id of a bank, as GET /v1/organization lists them"),
]
AssetCode = Annotated[
    str, StringConstraints(pattern=ASSET_CODE), _said("give an asset's code in capitals, such as EUR")
]
RefreshToken = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$"), _said("give a refresh token as log-in gave it")
]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, strict=True, json_schema_extra={"examples": [fields]})


class RegisterRequest(BaseModel):
    """A new customer."""

    model_config = _example(email="maria@example.org", password="correct horse battery", display_name="Maria")  # noqa: S106

    email: Email
    password: Password
    display_name: DisplayName


class CustomerResponse(BaseModel):
    """A customer as he sees himself."""

    model_config = _example(
        customer_id="6f1f0a52-1df5-4c53-9a39-2e9b8ab83c1e", email="maria@example.org", display_name="Maria"
    )

    customer_id: uuid.UUID
    email: str
    display_name: str


class LoginRequest(BaseModel):
    """E-mail address and password; limits are those of registration, so a longer text cannot be a password."""

    model_config = _example(email="maria@example.org", password="correct horse battery")  # noqa: S106

    email: Annotated[_Line, StringConstraints(strip_whitespace=True, to_lower=True, max_length=254)]
    password: Annotated[str, Field(max_length=PASSWORD_CHARACTERS_MAX), AfterValidator(_storable)]


class TokenResponse(BaseModel):
    """A session: the access token goes into ``Authorization: Bearer``, the refresh token can be used once.

    ``must_change_password``: the bank gave this password, and until another one is set everything else is refused.
    """

    model_config = _example(
        access_token="eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9...",  # noqa: S106
        refresh_token="Rk2cAvk6vZLc0nJh7m4c6yTq5JpJ9x1nB0a8d3e5f7g",  # noqa: S106
        token_type="Bearer",  # noqa: S106
        expires_in_s=900,
        must_change_password=False,
    )

    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105
    expires_in_s: int
    must_change_password: bool


class RefreshRequest(BaseModel):
    """A refresh token, to be exchanged or to be ended."""

    model_config = _example(refresh_token="Rk2cAvk6vZLc0nJh7m4c6yTq5JpJ9x1nB0a8d3e5f7g")  # noqa: S106

    refresh_token: RefreshToken


class PasswordRequest(BaseModel):
    """The password as it is, and as it shall be; the new one is another, as long as at registration."""

    model_config = _example(current_password="correct horse battery", new_password="another horse, another battery")  # noqa: S106

    current_password: Annotated[str, Field(max_length=PASSWORD_CHARACTERS_MAX), AfterValidator(_storable)]
    new_password: Password


class OpenAccountRequest(BaseModel):
    """A new account of the signed-in customer."""

    model_config = _example(asset="EUR", label="Household")

    asset: AssetCode
    label: Annotated[_Line, StringConstraints(strip_whitespace=True, max_length=80)] = ""


class AccountResponse(BaseModel):
    """An account and what it holds."""

    model_config = _example(
        account=EXAMPLE_ACCOUNT,
        asset="EUR",
        label="Household",
        opened_at="2026-09-01T08:00:00Z",
        balance_minor="125000",
        held_minor="0",
        available_minor="125000",
        status="open",
    )

    account: str
    asset: str
    label: str
    opened_at: datetime
    balance_minor: str
    held_minor: str
    available_minor: str
    status: str


class AccountListResponse(BaseModel):
    """All accounts of the signed-in customer, oldest first."""

    accounts: list[AccountResponse]


class BalanceResponse(BaseModel):
    """What an account holds: ``available_minor`` is the balance without what is held for payments under way."""

    model_config = _example(
        account=EXAMPLE_ACCOUNT, asset="EUR", balance_minor="125000", held_minor="2500", available_minor="122500"
    )

    account: str
    asset: str
    balance_minor: str
    held_minor: str
    available_minor: str


class StatementLineResponse(BaseModel):
    """One movement; ``amount_minor`` counts towards the customer when ``direction`` is ``in``."""

    model_config = _example(
        seq=4711,
        direction="out",
        amount_minor="1250",
        balance_after_minor="123750",
        posted_at="2026-09-02T10:15:00.123456Z",
        effective_at="2026-09-02T10:15:00Z",
        settlement_id="",
        description="Rent",
    )

    seq: int
    direction: str
    amount_minor: str
    balance_after_minor: str
    posted_at: datetime
    effective_at: datetime
    settlement_id: str
    description: str


class StatementResponse(BaseModel):
    """A page of movements, newest first; an empty ``next_page_token`` ends the list."""

    account: str
    lines: list[StatementLineResponse]
    next_page_token: str


_TRANSFER: dict[str, Any] = {
    "transfer_id": "0199f0a2-7f3c-7d11-9d3e-0f2f6f1c2b3a",
    "state": "posted",
    "debtor_account": EXAMPLE_ACCOUNT,
    "creditor_account": "cust-nbswy3dpfqqho33snrscc2lboa",
    "creditor_bank": None,
    "asset": "EUR",
    "amount_minor": "1250",
    "description": "Lunch",
    "created_at": "2026-09-02T10:15:00Z",
    "seq": 4711,
    "decision": "automated_approval",
    "refusal_code": None,
}


class TransferRequest(BaseModel):
    """An order to pay; without ``creditor_bank`` the creditor is a customer of this bank."""

    model_config = _example(
        debtor_account=EXAMPLE_ACCOUNT,
        creditor_account="cust-nbswy3dpfqqho33snrscc2lboa",
        creditor_bank=None,
        asset="EUR",
        amount_minor="1250",
        description="Lunch",
    )

    debtor_account: AccountReference
    creditor_account: AccountReference
    creditor_bank: MspId | None = None
    asset: AssetCode
    amount_minor: AmountMinor
    description: Annotated[_Line, StringConstraints(strip_whitespace=True, max_length=140)] = ""


class ListedTransferResponse(BaseModel):
    """An order and what became of it.

    ``state``: ``received`` (not carried out yet: send it again), ``posted`` (inside the bank: done); to a partner bank
    ``held``, ``prepared``, ``captured`` (under way), ``completed`` (done), ``returned``, ``aborted``, ``expired``
    (not paid, the money is back); ``refused`` (for good, ``refusal_code`` tells why).
    ``refusal_code`` is ``creditor_refused`` whatever keeps the creditor's account from taking the payment.
    ``decision``: ``requires_manual_review`` when the amount is looked at by a person afterwards.
    """

    model_config = _example(**_TRANSFER)

    transfer_id: uuid.UUID
    state: str
    debtor_account: str
    creditor_account: str
    creditor_bank: str | None
    asset: str
    amount_minor: str
    description: str
    created_at: datetime
    seq: int | None
    decision: str | None
    refusal_code: str | None


class TransferResponse(ListedTransferResponse):
    """An order, what became of it, and how far the proof of its entry has come.

    ``entry_state``: ``posted`` in the books, ``sealed`` in the bank's log, ``anchored`` on the shared ledger,
    ``attested`` by another member, ``archived`` some years later; null while nothing is posted.
    """

    model_config = _example(**_TRANSFER, entry_state="anchored")

    entry_state: str | None


class TransferListResponse(BaseModel):
    """A page of own orders, newest first; an empty ``next_page_token`` ends the list."""

    transfers: list[ListedTransferResponse]
    next_page_token: str


class OrganizationResponse(BaseModel):
    """The bank behind this gateway, its assets and the banks it can pay."""

    class Asset(BaseModel):
        """An asset and the number of its decimals."""

        code: str
        scale: int

    class Bank(BaseModel):
        """A partner bank; ``msp_id`` is what ``creditor_bank`` takes."""

        msp_id: str
        display_name: str

    msp_id: str
    display_name: str
    assets: list[Asset]
    partners: list[Bank]


class HealthResponse(BaseModel):
    """The gateway works."""

    model_config = _example(status="ok")

    status: str = "ok"


class FieldFault(BaseModel):
    """A faulty field and what is wrong with it."""

    field: str
    reason: str


class ProblemResponse(BaseModel):
    """A problem (RFC 9457, ``application/problem+json``); programs look at ``code``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:dwaybank:problem:exceeds_available",
                    "title": "The request was understood and refused",
                    "status": 422,
                    "detail": "debit of 1250 exceeds the available 900",
                    "instance": "/v1/transfers",
                    "code": "exceeds_available",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FieldFault] | None = None
