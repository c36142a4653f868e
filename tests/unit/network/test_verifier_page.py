"""Aim: the HTML verifier is one whole file that connects to nothing, and reads Fabric's messages by their own numbers.

Method: the file's text alone. What its script answers is tested in ``tests/interop/test_html_verifier.py``.
"""

from __future__ import annotations

import re
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    chaincode_pb2,
    policy_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)
from fabric_protos.peer import configuration_pb2 as peer_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.support.verifier_page import PAGE, inline, sealed

MODULES = (
    common_pb2, configtx_pb2, configuration_pb2, policies_pb2, rwset_pb2, kv_rwset_pb2, identities_pb2, msp_config_pb2,
    msp_principal_pb2, orderer_pb2, chaincode_event_pb2, chaincode_pb2, policy_pb2, proposal_pb2, proposal_response_pb2,
    transaction_pb2, peer_pb2, chaincode_definition_pb2, db_pb2,
)  # fmt: skip
TYPES = {
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_ENUM: "enum",
}


def described(descriptor: Descriptor) -> set[str]:
    """Return a message's fields in the page's own notation."""
    return {_field(field) for field in descriptor.fields}


def _field(field: FieldDescriptor) -> str:
    message = field.message_type
    is_map = message is not None and message.GetOptions().map_entry
    kind = TYPES.get(field.type) or (f"map:{_kind(message.fields_by_name['value'])}" if is_map else message.name)
    repeated = "*" if field.label == FieldDescriptor.LABEL_REPEATED and not is_map else ""
    oneof = f"|{field.containing_oneof.name}" if field.containing_oneof else ""
    return f"{field.name}:{field.number}:{kind}{repeated}{oneof}"


def _kind(field: FieldDescriptor) -> str:
    return TYPES.get(field.type) or str(field.message_type.name)


def schema() -> dict[str, set[str]]:
    text = re.search(r"readSchema\(`(.*?)`\)", PAGE.read_text(), re.DOTALL)
    assert text is not None
    lines = text[1].replace("\\\n", " ").splitlines()
    return {name.strip(): set(fields.split()) for name, _, fields in (line.partition("=") for line in lines) if fields}


def descriptors() -> dict[str, list[Descriptor]]:
    found: dict[str, list[Descriptor]] = {}

    def collect(messages: Any) -> None:
        for message in messages:
            found.setdefault(message.name, []).append(message)
            collect(message.nested_types)

    for module in MODULES:
        collect(module.DESCRIPTOR.message_types_by_name.values())
    return found


def test_page_reads_messages_by_fabrics_own_definitions() -> None:
    known, page = descriptors(), schema()
    assert len(page) > 60
    for name, fields in page.items():
        if name != "Timestamp":  # of the protobuf library itself
            assert any(fields == described(descriptor) for descriptor in known[name]), name


def test_policy_of_the_page_names_the_hashes_of_its_own_script_and_style() -> None:
    page = PAGE.read_text()
    assert sealed(page) == page, "run python -m tests.support.verifier_page"


def test_page_forbids_every_connection_and_refers_to_nothing_outside_itself() -> None:
    page = PAGE.read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert re.sub(r"'sha256-[^']*'", "'sha256'", policy[1]) == (
        "default-src 'none'; script-src 'sha256'; style-src 'sha256'; base-uri 'none'; form-action 'none'"
    )
    assert page.index("Content-Security-Policy") < page.index("<style>") < page.index("<script>")
    assert re.findall(r"https?://", page) == []
    outside = r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts|eval|innerHTML|localStorage)\b"
    assert re.findall(outside, page) == []
    assert re.findall(r"<(?:script|style|link|img|iframe|object|embed)\b", page) == ["<style", "<script"]


def test_page_is_labelled_for_who_cannot_see_it() -> None:
    page = PAGE.read_text()
    assert '<html lang="en">' in page
    assert 'aria-live="polite"' in page
    for name in re.findall(r'<input id="(\w+)"', page):
        assert f'<label for="{name}">' in page


def test_script_stays_within_the_width_of_the_house() -> None:
    assert [line for line in inline(PAGE.read_text(), "script").splitlines() if len(line) > 120] == []
