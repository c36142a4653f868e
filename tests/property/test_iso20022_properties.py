"""ISO 20022 messages: what is written is valid by the official schema, is read back equal, and gives the same bytes.

What is damaged, forged or merely different is refused, or the official schema accepts it too.

Method: messages are drawn from the grammar; elements of written messages are then dropped, doubled, exchanged, renamed,
filled with other text or moved into another namespace, several at a time.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from lxml import etree

from node.iso20022 import describe_message, read_message, write_message
from node.iso20022.catalogue import MESSAGE_TYPES, MessageType, type_of
from node.iso20022.errors import UnacceptableMessageError
from tests.support.iso20022 import EXAMPLES, drawn, schema_error

KINDS = pytest.mark.parametrize("kind", MESSAGE_TYPES, ids=lambda kind: kind.name)
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@KINDS
@settings(max_examples=40, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_what_is_written_is_valid_and_read_back_equal(kind: MessageType, data: Any) -> None:
    message = data.draw(drawn(kind.record))
    written = write_message(message)
    assert schema_error(kind, written) == ""
    assert read_message(written) == message
    assert write_message(read_message(written)) == written


TEXTS = (
    "", " ", "A", "0", "1", "-1", "+1", "01", "1.", ".5", "1.00", "1.000", "1.005", "1e2", "NaN", "INF", "9" * 18,
    "9" * 19, "true", "false", "1.0", "BOOK", "PDNG", "CRDT", "DBIT", "OPBD", "CLBD", "RJCT", "INGA", "CLRG",
    "SHAR", "A\tB", "A\nB", " A", "A ", "x" * 35, "x" * 36, "x" * 141, "2026-02-28", "2026-02-29", "2026-02-28Z",
    "2026-02-28T24:00:00Z", "2026-02-28T10:00:00", "2026-02-28T10:00:00Z", "2026-02-28T10:00:00+14:00",
    "2026-02-28T10:00:00+14:01", "2026-02-28T10:00:00.1234567Z", "2026-02-28T23:59:60Z", "0000-01-01",
    "0001-01-01T00:00:00+01:00", "DE89370400440532013000", "DE89 3704 0044 0532 0130 00",
    "DE89370400440532013001", "de89370400440532013000", "DEUTDEFF", "deutdeff", "529900T8BM49AURSDO55",
    "529900T8BM49AURSDO56", "EUR", "eur", "XXX", "٣", "\u202e", "00000000-0000-4000-8000-000000000000",
    "00000000-0000-1000-8000-000000000000", "00000000-0000-4000-8000-00000000000A",
)  # fmt: skip

TAGS = (
    "Nm", "Id", "Cd", "Prtry", "Amt", "SplmtryData", "ChrgsInf", "XchgRate", "IntrmyAgt1", "CtrlSum", "UETR",
    "IBAN", "Othr", "BICFI", "ClrSysMmbId", "CtctDtls", "InstrForCdtrAgt", "Ntry", "Bal", "Dt", "DtTm", "Unknown",
)  # fmt: skip

ATTRIBUTES = (
    "Ccy",
    "xmlns",
    "{http://www.w3.org/2001/XMLSchema-instance}type",
    "{http://www.w3.org/2001/XMLSchema-instance}nil",
)

damages = st.lists(
    st.tuples(
        st.sampled_from(
            ("drop", "double", "exchange", "rename", "text", "attribute", "namespace", "child", "currency")
        ),
        st.integers(0, 5000),
        st.integers(0, 5000),
    ),
    min_size=1,
    max_size=2,
)


def damaged(data: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    root = etree.fromstring(data)
    for what, where, how in changes:
        elements = list(root.iter())[1:]
        if elements:
            _damage(elements[where % len(elements)], what, how)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _damage(element: etree._Element, what: str, how: int) -> None:
    parent, space = element.getparent(), element.nsmap[None]
    after = element.getnext()
    match what:
        case "drop":
            parent.remove(element)
        case "double":
            parent.insert(parent.index(element), copy.deepcopy(element))
        case "exchange" if after is not None:
            parent.insert(parent.index(element), after)
        case "rename":
            element.tag = f"{{{space}}}{TAGS[how % len(TAGS)]}"
        case "text":
            element.text = TEXTS[how % len(TEXTS)]
        case "attribute":
            element.set(ATTRIBUTES[how % len(ATTRIBUTES)], TEXTS[how % len(TEXTS)])
        case "namespace":
            element.tag = f"{{urn:other}}{etree.QName(element).localname}"
        case "child":
            etree.SubElement(element, f"{{{space}}}{TAGS[how % len(TAGS)]}").text = TEXTS[how % len(TEXTS)]
        case "currency" if "Ccy" in element.attrib:
            element.set("Ccy", ("EUR", "JPY", "KWD", "XXX", "eur", "", "EURO")[how % 7])


@KINDS
@settings(max_examples=150, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_what_is_damaged_is_refused_or_valid_by_the_official_schema(kind: MessageType, data: Any) -> None:
    sent = damaged(write_message(data.draw(drawn(kind.record))), data.draw(damages))
    try:
        message = read_message(sent)
    except UnacceptableMessageError as error:
        event("refused")
        assert error.line >= 1
        assert error.path.startswith("Document") or error.code == "FF01"
        assert re.fullmatch("[A-Z]{2}[0-9]{2}", error.code)
        return
    event("accepted")
    assert schema_error(kind, sent) == ""
    again = write_message(message)
    assert read_message(again) == message
    assert schema_error(kind, again) == ""


@KINDS
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_no_text_of_a_message_is_passed_over(kind: MessageType, data: Any) -> None:
    """Whatever text is changed, the message says something else or is refused."""
    message = data.draw(drawn(kind.record))
    root = etree.fromstring(write_message(message))
    leaves = [element for element in root.iter() if not len(element)]
    leaf = leaves[data.draw(st.integers(0, len(leaves) - 1))]
    other = data.draw(st.sampled_from(TEXTS))
    same = leaf.text == other
    leaf.text = other
    try:
        changed = read_message(etree.tostring(root))
    except UnacceptableMessageError:
        return
    assert (changed == message) == (same or list(describe_message(changed)) == list(describe_message(message)))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([write_message(message) for message in EXAMPLES]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 40), st.binary(max_size=4)), min_size=1, max_size=3),
)
def test_damaged_bytes_are_refused_or_valid(data: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    for place, length, piece in changes:
        place %= len(data) + 1
        data = data[:place] + piece + data[place + length :]
    try:
        message = read_message(data)
    except UnacceptableMessageError as error:
        assert error.code
        return
    assert schema_error(type_of(message), data) == ""
