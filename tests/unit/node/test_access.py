"""Who calls: told from the client certificate, the same however many others called before."""

from __future__ import annotations

import pytest

from network.rpc import Call
from node import access
from node.access import Members
from tests.support.members import Member, pem

TLS = {msp_id: Member(msp_id) for msp_id in ("DwaybankMSP", "PartnerMSP")}


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
