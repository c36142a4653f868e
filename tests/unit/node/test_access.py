"""Who calls: told from the client certificate, the same however many others called before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from cryptography import x509

from network.errors import RpcError
from network.go_certificate import Certificate
from network.msp import Msp
from network.role_unit import Role
from network.rpc import Call
from node import access
from node.access import Members
from node.access_roles import SERVICES
from tests.support.members import Member, pem

TLS = {msp_id: Member(msp_id) for msp_id in ("DwaybankMSP", "PartnerMSP")}


def test_revoked_certificate_is_refused_with_the_next_call_after_the_channel_says_so() -> None:
    roots = {name: [pem(tls.authority.certificate)] for name, tls in TLS.items()}
    tls, partners = TLS["DwaybankMSP"], TLS["PartnerMSP"]
    gateway, lost = tls.identity("client", name="Gateway").certificate, tls.identity("client").certificate
    msps = {name: Member(name).msp() for name in TLS}
    members = Members("DwaybankMSP", roots, lambda: msps)
    assert members.caller(_call(lost)) == "DwaybankMSP"

    # Of the same serial number, by an authority that did not issue it, or signed by another: neither revokes.
    for lists in ([partners.crl(lost)], [tls.crl(lost, signer=partners.authority)], [tls.crl()]):
        msps["DwaybankMSP"] = Member("DwaybankMSP").msp(revocation_list=lists)
        assert members.caller(_call(lost)) == "DwaybankMSP"

    msps["DwaybankMSP"] = Member("DwaybankMSP").msp(revocation_list=[tls.crl(lost)])
    for ask in (members.caller, members.require_own, members.own_user, members.own_tenant):
        with pytest.raises(RpcError, match="is revoked") as refused:
            ask(_call(lost))
        assert refused.value.code == access.UNAUTHENTICATED
    assert members.own_user(_call(gateway)) == "DwaybankMSP/Gateway"
    assert members.caller(_call(partners.identity("client").certificate)) == "PartnerMSP"


@pytest.mark.parametrize("is_silent", [True, False])
async def test_open_stream_ends_when_its_callers_certificate_is_revoked(
    monkeypatch: pytest.MonkeyPatch, is_silent: bool
) -> None:
    monkeypatch.setattr(access, "ASK_AGAIN_S", 0.01)
    tls = TLS["DwaybankMSP"]
    msps = {"DwaybankMSP": Member("DwaybankMSP").msp()}
    members = Members("DwaybankMSP", {"DwaybankMSP": [pem(tls.authority.certificate)]}, lambda: msps)
    lost = tls.identity("client").certificate
    closed = asyncio.Event()

    async def replies(request: bytes, call: Call) -> AsyncIterator[bytes]:
        try:
            while True:
                yield request
                await asyncio.sleep(3600 if is_silent else 0)
        finally:
            closed.set()

    stream = members.admitted(replies)(b"told", _call(lost))
    assert await anext(stream) == b"told"
    msps["DwaybankMSP"] = Member("DwaybankMSP").msp(revocation_list=[tls.crl(lost)])
    with pytest.raises(RpcError, match="is revoked") as ended:
        async with asyncio.timeout(10):
            await anext(stream)
    assert ended.value.code == access.UNAUTHENTICATED
    assert closed.is_set()


async def test_stream_of_a_certificate_that_stands_is_given_on_to_its_end_and_its_fault() -> None:
    tls = TLS["DwaybankMSP"]
    members = Members("DwaybankMSP", {"DwaybankMSP": [pem(tls.authority.certificate)]})

    async def replies(request: bytes, call: Call) -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number
        if request:
            raise RpcError(access.PERMISSION_DENIED, "no more")

    call = _call(tls.identity("client").certificate)
    assert [reply async for reply in members.admitted(replies)(b"", call)] == [b"0", b"1", b"2"]
    with pytest.raises(RpcError, match="no more"):
        assert [reply async for reply in members.admitted(replies)(b"x", call)] == []


def test_long_list_is_looked_through_once_for_each_certificate_and_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tls, looked = TLS["DwaybankMSP"], []
    real = Msp.check_not_revoked

    def noted(msp: Msp, certificate: Certificate, issuer: Certificate) -> None:
        looked.append((id(msp), certificate.serial_number))
        real(msp, certificate, issuer)

    monkeypatch.setattr(Msp, "check_not_revoked", noted)
    msps = {"DwaybankMSP": Member("DwaybankMSP").msp()}
    members = Members("DwaybankMSP", {"DwaybankMSP": [pem(tls.authority.certificate)]}, lambda: msps)
    calls = [_call(tls.identity("client").certificate) for _ in range(2)]
    for call in calls * 3:
        members.caller(call)
    assert len(looked) == 2
    msps["DwaybankMSP"] = Member("DwaybankMSP").msp()
    for call in calls * 3:
        members.caller(call)
    assert len(looked) == len(set(looked)) == 4


def test_gateways_certificate_opens_what_a_gateway_calls_and_nothing_else() -> None:
    tls = TLS["DwaybankMSP"]
    members = Members("DwaybankMSP", {"DwaybankMSP": [pem(tls.authority.certificate)]})
    gateway = tls.identity("client", "service:gateway", name="Gateway").certificate
    for method in SERVICES[Role.GATEWAY]:
        assert members.own_user(_call(gateway, method)) == "DwaybankMSP/Gateway"
    for method in (
        "/dwaybank.ledger.v1.LedgerService/ListAccounts",
        "/dwaybank.audit.v1.DisclosureService/Allow",
        "/x",
    ):
        for ask in (members.caller, members.require_own, members.own_user, members.own_tenant):
            with pytest.raises(RpcError, match="not for gateways") as refused:
                ask(_call(gateway, method))
            assert refused.value.code == access.PERMISSION_DENIED


def _call(certificate: x509.Certificate, method: str = "/x") -> Call:
    return Call(method, None, pem(certificate), "127.0.0.1:1")


def test_any_number_of_certificates_is_told_apart_and_few_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "KNOWN_MAX", 3)
    members = Members("DwaybankMSP", {name: [pem(tls.authority.certificate)] for name, tls in TLS.items()})
    calls = [
        (msp_id, Call("/x", None, pem(TLS[msp_id].identity("client").certificate), "127.0.0.1:1"))
        for msp_id in [*TLS] * 4
    ]
    for msp_id, call in [*calls, *calls]:
        assert members.caller(call) == msp_id
    assert len(members._known) == 3
