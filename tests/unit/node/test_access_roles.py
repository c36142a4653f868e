"""Who may call what: a row for each method, and each row asked as each certificate.

Method: certificates of an authority in memory ask ``Members`` as a handler does, for each method of the definition
files.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography import x509

from network.errors import RpcError
from network.role_unit import Role
from network.rpc import Call
from node.access import PERMISSION_DENIED, Members
from node.access_roles import LEAST, SERVICES
from tests.support.hostile import own_methods
from tests.support.members import Member, pem

OWN, OTHER = Member("DwaybankMSP"), Member("PartnerMSP")
ROOTS = {tls.msp_id: [pem(tls.authority.certificate)] for tls in (OWN, OTHER)}
CODE = Path(__file__).resolve().parents[3]
READS = re.compile(
    r"/(Get|List|Read|Search|Resolve|Audit|Prove|Find|Follow|Compare|Ask|FetchStatement|Export|Reconcile$)"
)


def _opened(certificate: x509.Certificate, *, roles_required: bool = True) -> set[str]:
    """Return the methods of which a certificate is not told that they are for another role."""
    members = Members("DwaybankMSP", ROOTS, roles_required=roles_required)
    opened = set()
    for method in [*LEAST, "/protos.ChaincodeSupport/Register"]:
        try:
            members.own_tenant(Call(method, None, pem(certificate), "127.0.0.1:1"))
        except RpcError as error:
            assert error.code == PERMISSION_DENIED
            assert error.message.endswith(", the caller is ann")
            continue
        opened.add(method)
    return opened


def _certificate(*units: str, of: Member = OWN) -> x509.Certificate:
    return of.identity("client", *units, name="ann").certificate


def test_every_method_has_a_row_and_no_row_is_of_a_method_that_is_not() -> None:
    assert sorted(LEAST) == sorted(method.path for method in own_methods())


def test_what_changes_something_is_no_readers() -> None:
    for method, role in LEAST.items():
        assert role is not Role.READER or READS.search(method), method


@pytest.mark.parametrize(("role", "rows"), [(Role.READER, [Role.READER]), (Role.POSTER, [Role.READER, Role.POSTER])])
def test_a_role_opens_its_rows_and_those_of_lesser_ones(role: Role, rows: list[Role]) -> None:
    wanted = {method for method, least in LEAST.items() if least in rows}
    for required in (True, False):
        assert _opened(_certificate(role), roles_required=required) == wanted


def test_an_operator_speaks_for_the_organization() -> None:
    assert _opened(_certificate(Role.OPERATOR)) == {*LEAST, "/protos.ChaincodeSupport/Register"}


@pytest.mark.parametrize("role", SERVICES)
def test_a_program_opens_what_its_code_calls(role: Role) -> None:
    for required in (True, False):
        assert _opened(_certificate(role), roles_required=required) == SERVICES[role]
    assert SERVICES[role] <= LEAST.keys()


def test_a_certificate_without_a_role_opens_all_unless_one_is_required() -> None:
    bare = _certificate()
    assert _opened(bare, roles_required=False) == {*LEAST, "/protos.ChaincodeSupport/Register"}
    of_members = {method for method, least in LEAST.items() if least is None}
    assert _opened(bare) == of_members | {"/protos.ChaincodeSupport/Register"}
    members = Members("DwaybankMSP", ROOTS, roles_required=True)
    method = "/dwaybank.ledger.v1.LedgerService/PostEntries"
    with pytest.raises(RpcError, match=r"needs role:poster, the certificate names no role .*role-certificate"):
        members.require_own(Call(method, None, pem(bare), "127.0.0.1:1"))


def test_a_tenants_certificate_needs_no_role_and_is_bounded_by_one() -> None:
    assert _opened(_certificate("tenant:acme")) >= LEAST.keys()
    reads = {method for method, least in LEAST.items() if least is Role.READER}
    assert _opened(_certificate("tenant:acme", Role.READER)) == reads


def test_another_members_reader_does_not_speak_for_his_bank() -> None:
    members = Members("DwaybankMSP", ROOTS, roles_required=True)
    for method in LEAST:
        for units in ((), (Role.OPERATOR,)):
            call = Call(method, None, pem(_certificate(*units, of=OTHER)), "127.0.0.1:1")
            assert members.caller(call) == "PartnerMSP"
        for role in (Role.READER, Role.POSTER):
            call = Call(method, None, pem(_certificate(role, of=OTHER)), "127.0.0.1:1")
            with pytest.raises(RpcError, match="speaks to its own organization's node alone"):
                members.caller(call)


@pytest.mark.parametrize(
    "units",
    [
        ("service:Gateway",),
        ("Service:gateway",),
        (" service:gateway",),
        ("service:books",),
        ("role:Reader",),
        (" role:reader",),
        ("role:",),
        ("role:admin",),
        (Role.READER, Role.OPERATOR),
        (Role.READER, Role.GATEWAY),
    ],
)
def test_units_that_only_look_like_one_open_nothing(units: tuple[str, ...]) -> None:
    members = Members("DwaybankMSP", ROOTS)
    for method in (*LEAST, "/x"):
        with pytest.raises(RpcError, match=r"name one of the units role:reader, .*service:portal, or none") as refused:
            members.caller(Call(method, None, pem(_certificate(*units)), "127.0.0.1:1"))
        assert refused.value.code == PERMISSION_DENIED


def test_gateways_methods_are_those_that_its_code_calls() -> None:
    code = (CODE / "gateway" / "node_client.py").read_text(encoding="utf-8")
    services = dict(re.findall(r'^(\w+) = "(/dwaybank[^"]+)"$', code, re.MULTILINE))
    called = {f"{services[name]}/{method}" for name, method in re.findall(r'f"\{(\w+)\}/(\w+)"', code)}
    assert called == SERVICES[Role.GATEWAY]


def test_portals_methods_are_those_that_its_code_calls() -> None:
    named = (CODE / "gateway" / "portal" / "node.py").read_text(encoding="utf-8")
    services = dict(re.findall(r'^(\w+) = "(/dwaybank[^"]+)"$', named, re.MULTILINE))
    called = {f"{services[name]}/{method}" for name, method in re.findall(r'f"\{(\w+)\}/(\w+)"', named)}
    for file in (CODE / "gateway" / "portal").rglob("*.py"):
        for method, rest in re.findall(r'\bnode\.call\(\s*"(\w+)",((?:[^()]|\([^()]*\))*)\)', file.read_text("utf-8")):
            (service,) = [name for name in services if re.search(rf"\b{name}\b", rest)] or ["AUDIT"]
            called.add(f"{services[service]}/{method}")
    assert called == SERVICES[Role.PORTAL]
