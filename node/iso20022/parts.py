"""Grammar of what several messages share: agents, parties, accounts, addresses, codes, reasons, identifiers."""

from __future__ import annotations

from collections.abc import Iterator

from node.iso20022.content import (
    Account,
    Agent,
    Birth,
    Code,
    CreditorReference,
    Iban,
    OrganisationId,
    OtherId,
    Party,
    PaymentType,
    PersonId,
    PostalAddress,
    Priority,
    Proprietary,
    Reason,
    ReferenceKind,
)
from node.iso20022.grammar import MISSING, Choice, Finding, Inside, Part, Record, Wrapped
from node.iso20022.values import (
    BIC,
    COUNTRY,
    CREDITOR_REFERENCE,
    CURRENCY,
    DATE,
    EXTERNAL_CODE,
    IBAN,
    LEI,
    MOMENT,
    UETR,
    RefusedTextError,
    Value,
    code_of,
    free_text,
    pattern,
    reference,
)

SEVERAL = 100
"""Most values of what the standard does not bound: further ones are refused, not cut."""

MAX35 = reference(35)

_LOCAL_CODE = pattern("External35Code", "[A-Z0-9]{1,35}", "code: 1 to 35 capital letters, digits")


def code_choice(code: Value[str] = EXTERNAL_CODE) -> Choice:
    """Return the choice between a code of an external code set and one the banks agreed on."""
    return Choice((("Cd", Code, Wrapped(Code, code)), ("Prtry", Proprietary, Wrapped(Proprietary, MAX35))))


CODE = code_choice()

ADDRESS = Record(
    PostalAddress,
    (
        Part("Dept", "department", free_text(70)),
        Part("SubDept", "sub_department", free_text(70)),
        Part("StrtNm", "street", free_text(70)),
        Part("BldgNb", "building_number", free_text(16)),
        Part("BldgNm", "building_name", free_text(35)),
        Part("Flr", "floor", free_text(70)),
        Part("PstBx", "post_box", free_text(16)),
        Part("Room", "room", free_text(70)),
        Part("PstCd", "post_code", free_text(16)),
        Part("TwnNm", "town", free_text(35)),
        Part("TwnLctnNm", "town_location", free_text(35)),
        Part("DstrctNm", "district", free_text(35)),
        Part("CtrySubDvsn", "country_subdivision", free_text(35)),
        Part("Ctry", "country", COUNTRY),
        Part("AdrLine", "lines", free_text(70), most=7),
    ),
)


def _agent_is_named(agent: Agent) -> Iterator[Finding]:
    if agent.bic is None and agent.lei is None:
        yield Finding("FinInstnId", agent.name or "", "must name the bank by BICFI or LEI", MISSING)


AGENT = Record(
    Agent,
    (
        Inside(
            "FinInstnId",
            (
                Part("BICFI", "bic", BIC),
                Part("LEI", "lei", LEI),
                Part("Nm", "name", free_text(140)),
                Part("PstlAdr", "address", ADDRESS),
            ),
            required=True,
        ),
    ),
    rule=_agent_is_named,
)


def _other_id(length_max: int) -> Record:
    return Record(
        OtherId,
        (
            Part("Id", "id", reference(length_max), required=True),
            Part("SchmeNm", "scheme", CODE),
            Part("Issr", "issuer", MAX35),
        ),
    )


ACCOUNT_ID = Choice((("IBAN", Iban, Wrapped(Iban, IBAN)), ("Othr", OtherId, _other_id(34))))

ACCOUNT = Record(
    Account,
    (
        Part("Id", "id", ACCOUNT_ID, required=True),
        Part("Ccy", "currency", CURRENCY),
        Part("Nm", "name", free_text(70)),
    ),
)

ORGANISATION = Record(
    OrganisationId,
    (Part("AnyBIC", "any_bic", BIC), Part("LEI", "lei", LEI), Part("Othr", "other", _other_id(35), most=SEVERAL)),
)

BIRTH = Record(
    Birth,
    (
        Part("BirthDt", "day", DATE, required=True),
        Part("PrvcOfBirth", "province", free_text(35)),
        Part("CityOfBirth", "city", free_text(35), required=True),
        Part("CtryOfBirth", "country", COUNTRY, required=True),
    ),
)

PERSON = Record(PersonId, (Part("DtAndPlcOfBirth", "birth", BIRTH), Part("Othr", "other", _other_id(35), most=SEVERAL)))

PARTY = Record(
    Party,
    (
        Part("Nm", "name", free_text(140)),
        Part("PstlAdr", "address", ADDRESS),
        Part("Id", "id", Choice((("OrgId", OrganisationId, ORGANISATION), ("PrvtId", PersonId, PERSON)))),
        Part("CtryOfRes", "country_of_residence", COUNTRY),
    ),
)

PAYMENT_TYPE = Record(
    PaymentType,
    (
        Part("InstrPrty", "priority", code_of(Priority)),
        Part("SvcLvl", "service_levels", CODE, most=SEVERAL),
        Part("LclInstrm", "local_instrument", code_choice(_LOCAL_CODE)),
        Part("CtgyPurp", "category_purpose", CODE),
    ),
)


def _creditor_reference_is_right(named: CreditorReference) -> Iterator[Finding]:
    if named.kind is ReferenceKind.CREDITOR_REFERENCE:
        try:
            CREDITOR_REFERENCE.parse(named.reference)
        except RefusedTextError as error:
            yield Finding("CdtrRefInf/Ref", named.reference, error.reason, error.code)


REFERENCE_KIND = Choice(
    (("Cd", ReferenceKind, code_of(ReferenceKind)), ("Prtry", Proprietary, Wrapped(Proprietary, MAX35)))
)

STRUCTURED_REMITTANCE = Record(
    CreditorReference,
    (
        Inside(
            "CdtrRefInf",
            (
                Inside("Tp", (Part("CdOrPrtry", "kind", REFERENCE_KIND, required=True), Part("Issr", "issuer", MAX35))),
                Part("Ref", "reference", MAX35, required=True),
            ),
            required=True,
        ),
    ),
    rule=_creditor_reference_is_right,
)

REASON = Record(
    Reason,
    (
        Part("Orgtr", "originator", PARTY),
        Part("Rsn", "code", CODE, required=True),
        Part("AddtlInf", "texts", free_text(105), most=SEVERAL),
    ),
)

ORIGINAL = (
    Inside(
        "OrgnlGrpInf",
        (
            Part("OrgnlMsgId", "original_message_id", MAX35, required=True),
            Part("OrgnlMsgNmId", "original_message_name", MAX35, required=True),
            Part("OrgnlCreDtTm", "original_created_at", MOMENT),
        ),
        required=True,
    ),
    Part("OrgnlInstrId", "original_instruction_id", MAX35),
    Part("OrgnlEndToEndId", "original_end_to_end_id", MAX35),
    Part("OrgnlTxId", "original_transaction_id", MAX35),
    Part("OrgnlUETR", "original_uetr", UETR),
)
"""The elements that say which payment a report or return is about."""
