"""Chaincodes in processes of their own, as the peer's support knows them: who waits for one that is not there."""

from __future__ import annotations

import asyncio

import pytest

from node.peer import chaincode_support
from node.peer.chaincode_support import ChaincodeSupport
from node.peer.contract_runner import Invocation
from node.peer.errors import ChaincodeError
from tests.support.contract_state import CommittedState


async def test_those_who_waited_in_vain_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaincode_support, "REGISTER_TIMEOUT_S", 0.05)
    support = ChaincodeSupport([], lambda call: None)
    support.add("cc:1", None)
    call = Invocation("anchors", "t", "cc", "cc:1", (b"Get",), b"", is_init=False)
    calls = [support.execute(call, CommittedState()) for _ in range(20)]
    for ended in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(ended, ChaincodeError)
        assert "could not launch chaincode cc:1" in str(ended)
    assert not support._waiting
