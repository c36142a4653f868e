"""What one bank keeps of another is true evidence later, and nothing bent afterwards is."""

from __future__ import annotations

from network.msp import MspManager
from network.pb.dwaybank.partner.v1 import partner_pb2
from node.partner.kept_evidence import judge
from tests.support.banks import Bank
from tests.support.members import Member


async def _kept(bank: Bank, settlement_id: str, sender: str = "") -> list[partner_pb2.Evidence]:
    request = partner_pb2.ListEvidenceRequest(settlement_id=settlement_id, sender_msp_id=sender)
    return list((await bank.ask("ListEvidence", request, partner_pb2.ListEvidenceResponse)).evidence)


async def test_each_side_can_show_what_the_other_signed(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    payment = await here.send(await here.open_customer(1_000), there, await there.open_customer(), 100)
    msps = MspManager([here.member.msp(), there.member.msp()])
    for bank, other, sender, kinds in (
        (here, there, "", ["prepare_answer", "complete_answer"]),
        (there, here, here.msp_id, ["prepare", "complete"]),
    ):
        kept = await _kept(bank, payment.settlement_id, sender)
        assert [one.kind for one in kept] == kinds
        for one in kept:
            judged = judge(one.kind, one.signed, msps)
            assert (judged.signer, judged.problem) == (other.msp_id, "")
            assert dict(judged.says)["settlement_id"] == payment.settlement_id
    assert await _kept(here, "another") == []


async def test_message_bent_after_it_came_proves_nothing(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    payment = await here.send(await here.open_customer(1_000), there, await there.open_customer(), 100)
    msps = MspManager([here.member.msp(), there.member.msp()])
    sound = (await _kept(there, payment.settlement_id, here.msp_id))[0].signed

    def problem(kind: str = "prepare", known: MspManager = msps, **changes: bytes) -> str:
        bent = partner_pb2.SignedMessage()
        bent.CopyFrom(sound)
        for name, value in changes.items():
            setattr(bent, name, value)
        return judge(kind, bent, known).problem

    assert problem() == ""
    assert problem("abort").startswith("signature")
    assert problem("something").startswith("kind")
    assert problem(payload=sound.payload.replace(b"100", b"900")).startswith("signature")
    assert problem(creator=there.identity.creator).startswith("signature")
    assert problem(creator=b"\xff").startswith("creator")
    assert problem(known=MspManager([Member("DwaybankMSP").msp()])).startswith("creator"), "a namesake's authority"
