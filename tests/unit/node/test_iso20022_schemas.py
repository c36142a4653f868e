"""The grammar allows less than the official schemas and nothing else, element by element.

Method: both are walked side by side. Every element of the grammar must stand in the schema at that place, in that
order, no oftener, with a type that takes whatever ours takes; what the schema demands, the grammar demands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from node.iso20022.catalogue import MESSAGE_TYPES, MessageType
from node.iso20022.grammar import Choice, Computed, Content, Inside, Money, Part, Record, Step, Wrapped
from node.iso20022.values import Value
from tests.support.iso20022 import HOW_TO_ENABLE, SCHEMAS, schema_file

XS = "{http://www.w3.org/2001/XMLSchema}"

SAME = {
    "ISODate": {"ISODate"},
    "ISODateTime": {"ISODateTime"},
    "IBAN2007Identifier": {"IBAN2007Identifier"},
    "BICFIDec2014Identifier": {"BICFIDec2014Identifier", "AnyBICDec2014Identifier"},
    "LEIIdentifier": {"LEIIdentifier"},
    "UUIDv4Identifier": {"UUIDv4Identifier"},
    "CountryCode": {"CountryCode"},
    "CurrencyCode": {"ActiveOrHistoricCurrencyCode"},
    "TrueFalseIndicator": {"TrueFalseIndicator"},
    "Max15NumericText": {"Max15NumericText", "Number"},
    "DecimalNumber": {"DecimalNumber", "NonNegativeDecimalNumber"},
}
"""Types whose texts the schema's types take, whatever stands there; the property tests draw them."""


class Schema:
    def __init__(self, path: Path) -> None:
        root = etree.parse(str(path)).getroot()
        self.types = {each.get("name"): each for each in root if each.tag != f"{XS}element"}

    def children(self, name: str) -> list[etree._Element]:
        return list(self.types[name].iter(f"{XS}element"))

    def is_choice(self, name: str) -> bool:
        return self.types[name].find(f"{XS}choice") is not None

    def facet(self, name: str, kind: str) -> list[str]:
        return [each.get("value") for each in self.types[name].iter(f"{XS}{kind}")]


def problems(schema: Schema, content: Content, name: str, path: str) -> Iterator[str]:
    match content:
        case Value():
            yield from value_problems(schema, content, name, path)
        case Wrapped():
            yield from value_problems(schema, content.content, name, path)
        case Money():
            if name not in ("ActiveCurrencyAndAmount", "ActiveOrHistoricCurrencyAndAmount"):
                yield f"{path}: amount, but the schema has {name}"
        case Choice():
            known = {each.get("name"): each.get("type") for each in schema.children(name)}
            for tag, _, inner in content.options:
                if tag not in known:
                    yield f"{path}/{tag}: not in the schema"
                else:
                    yield from problems(schema, inner, known[tag], f"{path}/{tag}")
            # One element of a sequence, as of a bank transaction code, must be free to stand alone.
            if not schema.is_choice(name) and any(each.get("minOccurs") != "0" for each in schema.children(name)):
                yield f"{path}: a choice here, a sequence with demands in the schema"
        case Record():
            yield from step_problems(schema, content.steps, name, path)


def step_problems(schema: Schema, steps: tuple[Step, ...], name: str, path: str) -> Iterator[str]:
    if schema.is_choice(name) and (len(steps) != 1 or not steps[0].required):
        yield f"{path}: a sequence here, a choice in the schema"
    elements = schema.children(name)
    place = -1
    for step in steps:
        found = next((n for n, each in enumerate(elements) if each.get("name") == step.tag), None)
        if found is None or found <= place:
            yield f"{path}/{step.tag}: not in the schema, or in another order"
            continue
        place, element = found, elements[found]
        most = step.most if isinstance(step, Part) and step.most is not None else 1
        limit = element.get("maxOccurs", "1")
        if limit != "unbounded" and int(limit) < most:
            yield f"{path}/{step.tag}: {most} here, {limit} in the schema"
        if element.get("minOccurs", "1") != "0" and not step.required:
            yield f"{path}/{step.tag}: optional here, not in the schema"
        if isinstance(step, Inside):
            yield from step_problems(schema, step.steps, element.get("type"), f"{path}/{step.tag}")
        else:
            assert isinstance(step, Part | Computed)
            yield from problems(schema, step.content, element.get("type"), f"{path}/{step.tag}")
    if not schema.is_choice(name):
        ours = {step.tag for step in steps}
        demanded = {each.get("name") for each in elements if each.get("minOccurs", "1") != "0"}
        yield from (f"{path}/{tag}: demanded by the schema, not by us" for tag in demanded - ours)


def value_problems(schema: Schema, value: Value[object], name: str, path: str) -> Iterator[str]:
    if value.name in SAME:
        if name not in SAME[value.name]:
            yield f"{path}: {value.name} here, {name} in the schema"
        return
    bound = re.fullmatch(r"(?:Max|External)(\d+)(?:Text|Text free|Code)", value.name)
    if bound is not None:
        limits = schema.facet(name, "maxLength")
        if not limits or int(limits[0]) < int(bound[1]) or schema.facet(name, "pattern"):
            yield f"{path}: up to {bound[1]} characters here, {name} in the schema"
        return
    known = set(schema.facet(name, "enumeration"))
    for text in texts_of(value):
        limits = schema.facet(name, "maxLength")
        if text not in known and not (limits and len(text) <= int(limits[0])):
            yield f"{path}: {text} is no {name}"


def texts_of(value: Value[object]) -> list[str]:
    """The codes of a closed list, found by what it refuses with."""
    from node.iso20022 import content

    kinds = {kind.__name__: kind for kind in vars(content).values() if isinstance(kind, type)}
    return ["BOOK"] if value.name == "ExternalEntryStatus1Code" else [str(each.value) for each in kinds[value.name]]


@pytest.mark.parametrize("kind", MESSAGE_TYPES, ids=lambda kind: kind.name)
def test_grammar_is_part_of_the_official_schema(kind: MessageType) -> None:
    path = schema_file(kind.name)
    if path is None:
        pytest.skip(HOW_TO_ENABLE)
    schema = Schema(path)
    (root,) = schema.children("Document")
    assert root.get("name") == kind.root
    assert list(problems(schema, kind.record, root.get("type"), kind.root)) == []


@pytest.mark.parametrize(
    ("place", "change", "told"),
    [
        ("a step moved", lambda steps: (steps[1], steps[0], *steps[2:]), "another order"),
        ("a demand dropped", lambda steps: steps[1:], "demanded by the schema"),
        ("a step of our own", lambda steps: (*steps, Part("Own", "own", Money())), "not in the schema"),
    ],
)
def test_the_comparison_sees_a_grammar_that_went_astray(place: str, change: object, told: str) -> None:
    kind = MESSAGE_TYPES[0]
    schema = Schema(SCHEMAS / f"{kind.name}.xsd")
    header = kind.record.steps[0]
    assert isinstance(header, Inside)
    found = list(step_problems(schema, change(header.steps), "GroupHeader93", "GrpHdr"))  # type: ignore[operator]
    assert any(told in problem for problem in found), (place, found)


def test_schemas_are_the_official_ones() -> None:
    told = (SCHEMAS.parent / "README.md").read_text(encoding="utf-8")
    found = [path for kind in MESSAGE_TYPES if (path := schema_file(kind.name)) is not None]
    assert {path.name for path in SCHEMAS.glob("*.xsd")} <= {path.name for path in found}
    for path in found:
        assert f"| `{path.name}` | `{hashlib.sha256(path.read_bytes()).hexdigest()}` |" in told, path
