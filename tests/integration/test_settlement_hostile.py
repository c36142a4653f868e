"""What a hostile or broken partner bank, or a careless program of our own, may send to the settlement services.

Method: well-signed messages of a real member with wrong contents, out of order, or repeated; after each refusal nothing
has changed in the receiving bank's records or books.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ledger.account import Side
from ledger.currency import register_asset
from network.errors import RpcError
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Call, StatusCode
from network.signing import verify
from node.partner.errors import PartnerUnavailableError
from node.partner.limits import MemberLimits
from node.partner.messages import request_hash, signed_message, signing_input, timestamp
from node.partner.partner_service import guarded
from tests.support.banks import Bank

REFERENCE = "R-" + "0" * 32


def _prepare(sender: Bank, receiver: Bank, beneficiary: str, **changes: Any) -> partner_pb2.Prepare:
    fields: dict[str, Any] = {
        "version": 1,
        "settlement_id": "s-1",
        "sender_msp_id": sender.msp_id,
        "receiver_msp_id": receiver.msp_id,
        "asset": "EUR",
        "amount_minor": "100",
        "beneficiary_account": beneficiary,
        "deadline": timestamp(sender.clock() + timedelta(minutes=2)),
        "sent_at": timestamp(sender.clock()),
    }
    return partner_pb2.Prepare(**(fields | changes))


def _later(kind: Any, sender: Bank, receiver: Bank, **fields: Any) -> Any:
    return kind(
        version=1,
        settlement_id="s-1",
        sender_msp_id=sender.msp_id,
        receiver_msp_id=receiver.msp_id,
        sent_at=timestamp(sender.clock()),
        **fields,
    )


async def _ask(sender: Bank, method: str, payload: Any) -> Any:
    """Send a signed message as the sender's node would and return what the answer says, its head left out."""
    kinds = {
        "Prepare": partner_pb2.PrepareAnswer,
        "Complete": partner_pb2.CompleteAnswer,
        "Abort": partner_pb2.AbortAnswer,
        "Query": partner_pb2.QueryAnswer,
    }
    content = partner_pb2.PrepareSettlementRequest(message=signed_message(payload, sender.identity))
    reply = await sender.line.unary(f"/x/{method}Settlement", content.SerializeToString(), 5)
    answer: Any = kinds[method].FromString(partner_pb2.PrepareSettlementResponse.FromString(reply).answer.payload)
    answer.ClearField("sent_at")
    answer.ClearField("request_hash")
    return answer


def _answer(answering: Bank, request: bytes, said: dict[str, Any], signer: Bank | None = None) -> bytes:
    """Return an answer to a Prepare, right but for what is said."""
    asked = partner_pb2.PrepareSettlementRequest.FromString(request).message.payload
    wanted = partner_pb2.Prepare.FromString(asked)
    right = {
        "version": 1,
        "settlement_id": wanted.settlement_id,
        "sender_msp_id": answering.msp_id,
        "receiver_msp_id": wanted.sender_msp_id,
        "sent_at": timestamp(answering.clock()),
        "request_hash": request_hash(asked),
    }
    payload = partner_pb2.PrepareAnswer(**(right | said))
    answer = signed_message(payload, (signer or answering).identity)
    return partner_pb2.PrepareSettlementResponse(answer=answer).SerializeToString()


async def _refusal(sender: Bank, method: str, payload: Any) -> int:
    with pytest.raises(RpcError) as refused:
        await _ask(sender, method, payload)
    return refused.value.code


def _rows(bank: Bank) -> tuple[int, int]:
    with psycopg.connect(bank.url) as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM partner.incoming), (SELECT count(*) FROM ledger.entry)"
        ).fetchone()
    assert counts is not None
    return int(counts[0]), int(counts[1])


async def test_prepare_with_a_field_that_can_never_be_valid_is_refused(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    beneficiary = await there.open_customer()
    before = _rows(there)
    for change in (
        {"settlement_id": ""},
        {"settlement_id": "s" * 65},
        {"settlement_id": "a\x00b"},
        {"amount_minor": "0"},
        {"amount_minor": "-1"},
        {"amount_minor": "1.5"},
        {"amount_minor": "9" * 19},
        {"amount_minor": "9" * 5_000},
        {"amount_minor": "\u0661"},
        {"amount_minor": ""},
        {"beneficiary_account": "a\x00b"},
        {"beneficiary_account": "cust-\u202egpj"},
        {"return_of": "x" * 257, "return_reason": "CUST"},
        {"return_reason": "CUST"},
        {"return_of": "s-0"},
        {"return_of": "s-0", "return_reason": "CUST"},
        {"quote_id": "q\n"},
        {"asset": "\x00"},
    ):
        code = await _refusal(here, "Prepare", _prepare(here, there, beneficiary, **change))
        assert code == StatusCode.INVALID_ARGUMENT, change
    assert _rows(there) == before


async def test_prepare_past_its_deadline_is_refused(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    late = _prepare(here, there, await there.open_customer(), deadline=timestamp(here.clock()))
    answer = await _ask(here, "Prepare", late)
    assert (answer.accepted, answer.refusal) == (False, "deadline_passed")


async def test_message_of_a_clock_too_far_off_is_refused_with_both_times(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    sent_at = here.clock() - timedelta(minutes=6)
    late = _prepare(here, there, await there.open_customer(), sent_at=timestamp(sent_at))
    with pytest.raises(RpcError) as refused:
        await _ask(here, "Prepare", late)
    told = str(refused.value)
    assert refused.value.code == StatusCode.FAILED_PRECONDITION
    assert sent_at.isoformat(timespec="seconds") in told and here.clock().isoformat(timespec="minutes")[:16] in told
    assert "NTP" in told, told


async def test_prepare_repeated_gets_the_same_reference_and_with_another_body_none(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    beneficiary, other = await there.open_customer(), await there.open_customer()
    wanted = _prepare(here, there, beneficiary)
    first = await _ask(here, "Prepare", wanted)
    assert first.accepted and await _ask(here, "Prepare", wanted) == first
    for change in ({"amount_minor": "101"}, {"beneficiary_account": other}, {"asset": "USD"}):
        changed = partner_pb2.Prepare()
        changed.CopyFrom(wanted)
        for name, value in change.items():
            setattr(changed, name, value)
        answer = await _ask(here, "Prepare", changed)
        assert (answer.accepted, answer.agreed_reference, answer.refusal) == (False, "", "settlement_id_reused")


async def test_two_banks_may_use_the_same_settlement_id(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    ours, theirs = await here.open_customer(), await there.open_customer()
    for sender, receiver, beneficiary in ((here, there, theirs), (there, here, ours)):
        agreed = await _ask(sender, "Prepare", _prepare(sender, receiver, beneficiary))
        done = await _ask(
            sender,
            "Complete",
            _later(partner_pb2.Complete, sender, receiver, agreed_reference=agreed.agreed_reference),
        )
        assert done.completed
        assert await receiver.balance(beneficiary) == (100, 0)


async def test_complete_without_agreement_or_with_another_reference_credits_nobody(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    beneficiary = await there.open_customer()
    complete = _later(partner_pb2.Complete, here, there, agreed_reference=REFERENCE)
    assert await _refusal(here, "Complete", complete) == StatusCode.NOT_FOUND
    await _ask(here, "Prepare", _prepare(here, there, beneficiary))
    assert await _refusal(here, "Complete", complete) == StatusCode.INVALID_ARGUMENT
    assert await there.balance(beneficiary) == (0, 0)


async def test_complete_repeated_credits_once_and_answers_the_same(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    beneficiary = await there.open_customer()
    agreed = await _ask(here, "Prepare", _prepare(here, there, beneficiary))
    complete = _later(partner_pb2.Complete, here, there, agreed_reference=agreed.agreed_reference)
    answers = [await _ask(here, "Complete", complete) for _ in range(3)]
    assert answers[0].completed and answers[0] == answers[1] == answers[2]
    assert await there.balance(beneficiary) == (100, 0)


async def test_refusal_at_complete_stays_final_when_its_cause_is_gone(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    beneficiary = await there.open_customer()
    agreed = await _ask(here, "Prepare", _prepare(here, there, beneficiary))
    complete = _later(partner_pb2.Complete, here, there, agreed_reference=agreed.agreed_reference)
    await there.books.set_status(beneficiary, "frozen")
    assert (await _ask(here, "Complete", complete)).refusal == "account_frozen"
    await there.books.set_status(beneficiary, "open")
    # The sender may have given the money back on that answer.
    assert (await _ask(here, "Complete", complete)).refusal == "account_frozen"
    assert await there.balance(beneficiary) == (0, 0)


async def test_abort_ends_an_agreement_and_nothing_is_credited_afterwards(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    beneficiary = await there.open_customer()
    abort = _later(partner_pb2.Abort, here, there, reason="deadline_passed")
    agreed = await _ask(here, "Prepare", _prepare(here, there, beneficiary))
    assert [(await _ask(here, "Abort", abort)).state for _ in range(2)] == ["aborted", "aborted"]
    complete = _later(partner_pb2.Complete, here, there, agreed_reference=agreed.agreed_reference)
    assert (await _ask(here, "Complete", complete)).refusal == "aborted_by_sender"
    assert (await _ask(here, "Prepare", _prepare(here, there, beneficiary))).refusal in (
        "aborted_by_sender",
        "settlement_id_reused",
    )
    assert await there.balance(beneficiary) == (0, 0)


@pytest.mark.every_postgres
async def test_prepare_that_comes_after_its_abort_agrees_to_nothing(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    beneficiary = await there.open_customer()
    abort = _later(partner_pb2.Abort, here, there, reason="cancelled")
    assert [(await _ask(here, "Abort", abort)).state for _ in range(2)] == ["unknown", "unknown"]
    before = _rows(there)
    for _ in range(2):
        answer = await _ask(here, "Prepare", _prepare(here, there, beneficiary))
        assert (answer.agreed_reference, answer.refusal) == ("", "aborted_by_sender")
    complete = _later(partner_pb2.Complete, here, there, agreed_reference="R-1")
    assert await _refusal(here, "Complete", complete) == StatusCode.NOT_FOUND
    assert _rows(there) == before
    with psycopg.connect(there.url) as connection:
        kept = connection.execute("SELECT kind FROM partner.evidence WHERE settlement_id = 's-1'").fetchall()
    assert kept == [("abort",)], "his word is kept, once"


async def test_abort_after_complete_is_refused(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    beneficiary = await there.open_customer()
    agreed = await _ask(here, "Prepare", _prepare(here, there, beneficiary))
    await _ask(here, "Complete", _later(partner_pb2.Complete, here, there, agreed_reference=agreed.agreed_reference))
    abort = _later(partner_pb2.Abort, here, there, reason="changed_my_mind")
    assert (await _ask(here, "Abort", abort)).state == "completed"
    assert await there.balance(beneficiary) == (100, 0)


async def test_signed_complete_shown_as_abort_is_refused(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    agreed = await _ask(here, "Prepare", _prepare(here, there, await there.open_customer()))
    complete = _later(partner_pb2.Complete, here, there, agreed_reference=agreed.agreed_reference)
    assert await _refusal(here, "Abort", complete) == StatusCode.UNAUTHENTICATED


async def test_query_tells_a_bank_its_own_settlements_only(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    agreed = await _ask(here, "Prepare", _prepare(here, there, await there.open_customer()))
    found = await _ask(here, "Query", _later(partner_pb2.Query, here, there))
    assert (found.state, found.agreed_reference, found.seq) == ("prepared", agreed.agreed_reference, 0)
    assert (await _ask(there, "Query", _later(partner_pb2.Query, there, here))).state == "unknown"


async def test_bytes_that_are_no_request_are_refused(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    before = _rows(there)
    for method in ("PrepareSettlement", "CompleteSettlement", "AbortSettlement", "QuerySettlement"):
        for content, code in ((b"\xff\xff\xff", StatusCode.INVALID_ARGUMENT), (b"", StatusCode.UNAUTHENTICATED)):
            with pytest.raises(RpcError) as refused:
                await here.line.unary(f"/x/{method}", content, 5)
            assert refused.value.code == code, method
    assert _rows(there) == before


async def test_partner_answers_that_are_no_answers_leave_the_payment_waiting(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    answers: list[Any] = [
        b"\xff",
        b"",
        {"accepted": True},
        {"accepted": True, "agreed_reference": "R" * 65},
        {"accepted": True, "agreed_reference": REFERENCE, "refusal": "both"},
        {"refusal": "account_closed", "settlement_id": "another"},
        {"refusal": "\x00"},
        {"refusal": "\x1b[2Jaccount_closed"},
        {"refusal": "x" * 257},
        {"accepted": True, "agreed_reference": "R\x00"},
        {"refusal": "account_closed", "request_hash": bytes(32)},
        {"refusal": "account_closed", "sender_msp_id": here.msp_id},
        {"refusal": "account_closed", "receiver_msp_id": there.msp_id},
        {"refusal": "account_closed", "version": 3},
        {"refusal": "account_closed", "sent_at": timestamp(here.clock() - timedelta(minutes=6))},
    ]

    async def lie(request: bytes, call: Call) -> bytes:
        said = answers.pop()
        return said if isinstance(said, bytes) else _answer(there, request, said)

    payment = None
    here.line.handlers = here.line.handlers | {"PrepareSettlement": lie}
    while answers:
        payment = await here.send(debtor, there, beneficiary, 100, payment_id=str(uuid.UUID(int=7)))
        assert payment.state == "held"
    assert await here.balance(debtor) == (1_000, 100)


async def test_order_with_a_wrong_field_is_refused_and_holds_nothing(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    for change in (
        {"payment_id": ""},
        {"payment_id": "7"},
        {"payment_id": uuid.uuid4().hex},
        {"receiver_msp_id": "NobodyMSP"},
        {"receiver_msp_id": "DwaybankMSP"},
        {"debtor_account": ""},
        {"debtor_account": "a b"},
        {"beneficiary_account": "../x"},
        {"asset": ""},
        {"asset": "E\u00dcR"},
        {"amount_minor": "0"},
        {"amount_minor": "1e3"},
        {"amount_minor": str(2**62)},
        {"description": "x" * 141},
    ):
        with pytest.raises(RpcError) as refused:
            await here.send(debtor, there, beneficiary, 100, **change)
        assert refused.value.code == StatusCode.INVALID_ARGUMENT, change
        assert next(iter(change)) in refused.value.message
    assert await here.balance(debtor) == (1_000, 0)


async def test_order_for_an_asset_or_account_the_books_do_not_know_is_refused(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    nobody = await here.send("cust-nobody", there, beneficiary, 100)
    assert (nobody.state, nobody.refusal) == ("aborted", "account_not_found")
    unknown = await here.send(debtor, there, beneficiary, 100, asset="XXX")
    assert (unknown.state, unknown.refusal) == ("aborted", "asset_not_found")
    assert await here.store.due_outgoing(here.clock() + timedelta(days=1), 10) == []


async def test_order_that_meets_a_foreign_account_under_its_name_is_refused_and_not_tried_in_a_circle(
    banks: tuple[Bank, Bank],
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    await here.books.open_account("vostro-PartnerMSP-EUR", "EUR", Side.DEBIT, None)
    payment = await here.send(debtor, there, beneficiary, 100)
    assert (payment.state, payment.refusal) == ("aborted", "interbank_account_unfit")
    assert await here.store.due_outgoing(here.clock(), 10) == []
    assert await here.balance(debtor) == (1_000, 0)


async def test_payment_nobody_ordered_is_not_found(banks: tuple[Bank, Bank]) -> None:
    here, _ = banks
    with pytest.raises(RpcError) as refused:
        await here.payment(str(uuid.uuid4()))
    assert refused.value.code == StatusCode.NOT_FOUND
    with pytest.raises(RpcError) as refused:
        await guarded(here.service.get_payment)(b"\xff", here.call("/x"))
    assert refused.value.code == StatusCode.INVALID_ARGUMENT


async def test_database_gone_is_said_without_its_details(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor = await here.open_customer(1_000)
    await here.store.close()
    with pytest.raises(RpcError) as refused:
        await here.send(debtor, there, "cust-x", 100)
    assert refused.value.code == StatusCode.UNAVAILABLE
    assert "pool" not in refused.value.message and "ask again" in refused.value.message
    await here.stop(there)
    await here.start(there)


async def test_answer_signed_by_another_bank_or_changed_on_its_way_is_not_believed(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    refusal = {"refusal": "account_closed"}

    async def by_ourselves(request: bytes, call: Call) -> bytes:
        return _answer(there, request, refusal, signer=here)

    async def changed(request: bytes, call: Call) -> bytes:
        reply = partner_pb2.PrepareSettlementResponse.FromString(_answer(there, request, refusal))
        reply.answer.payload = reply.answer.payload.replace(b"account_closed", b"account_frozen")
        return reply.SerializeToString()

    async def honest(request: bytes, call: Call) -> bytes:
        return _answer(there, request, refusal)

    payment_id = str(uuid.uuid4())
    for handler, state in ((by_ourselves, "held"), (changed, "held"), (honest, "aborted")):
        here.line.handlers = here.line.handlers | {"PrepareSettlement": handler}
        assert (await here.send(debtor, there, beneficiary, 100, payment_id=payment_id)).state == state, handler


async def test_answers_are_kept_as_the_partner_signed_them(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    payment = await here.send(await here.open_customer(1_000), there, await there.open_customer(), 100)
    with psycopg.connect(here.url) as connection:
        kept = connection.execute(
            "SELECT kind, payload, creator, signature FROM partner.evidence WHERE settlement_id = %s ORDER BY number",
            (payment.settlement_id,),
        ).fetchall()
    assert [row[0] for row in kept] == ["prepare_answer", "complete_answer"]
    identity = there.identity
    assert all(bytes(row[2]) == identity.creator for row in kept)
    verify(identity.certificate.public_key(), signing_input(partner_pb2.CompleteAnswer, kept[1][1]), kept[1][3])  # type: ignore[arg-type]


async def test_version_that_is_not_spoken_here_is_refused_by_name(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    wanted = _prepare(here, there, await there.open_customer(), version=3)
    with pytest.raises(RpcError, match="version 3: this node speaks 1, 2;") as refused:
        await _ask(here, "Prepare", wanted)
    assert refused.value.code == StatusCode.FAILED_PRECONDITION
    for offered, code in (([3, 9], StatusCode.FAILED_PRECONDITION), ([], StatusCode.INVALID_ARGUMENT)):
        with pytest.raises(RpcError) as refused:
            await here.line.unary(
                "/x/GetVersion", partner_pb2.GetVersionRequest(versions=offered).SerializeToString(), 5
            )
        assert refused.value.code == code
    reply = await here.line.unary(
        "/x/GetVersion", partner_pb2.GetVersionRequest(versions=[9, 1]).SerializeToString(), 5
    )
    assert partner_pb2.GetVersionResponse.FromString(reply).chosen == 1


async def test_payload_with_a_field_nobody_here_knows_is_refused(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    wanted = _prepare(here, there, await there.open_customer())
    for content in (wanted.SerializeToString() + b"\xf8\x01\x07", wanted.SerializeToString() + b"\x3a\x02\x18\x01"):
        unknown = partner_pb2.Prepare.FromString(content)
        with pytest.raises(RpcError, match="is not known here") as refused:
            await _ask(here, "Prepare", unknown)
        assert refused.value.code == StatusCode.INVALID_ARGUMENT
    assert _rows(there)[0] == 0


async def test_open_settlements_beyond_the_limit_wait_until_some_are_finished(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    there.limits = MemberLimits(open_max=1)
    await there.restart(here)
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    agreed = await _ask(here, "Prepare", _prepare(here, there, beneficiary))
    payment = await here.send(debtor, there, beneficiary, 100)
    assert payment.state == "held"
    standing = await there.ask("ListPartners", partner_pb2.ListPartnersRequest(), partner_pb2.ListPartnersResponse)
    assert (standing.partners[0].open, standing.partners[0].open_max) == (1, 1)
    complete = _later(partner_pb2.Complete, here, there, agreed_reference=agreed.agreed_reference)
    assert (await _ask(here, "Complete", complete)).completed
    assert (await here.driver.drive(payment.settlement_id)).state == "completed"


async def test_partner_that_is_upgraded_past_us_is_told_apart_and_met_again_when_both_speak_one(
    banks: tuple[Bank, Bank], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = banks
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    assert (await here.send(debtor, there, beneficiary, 100)).state == "completed"
    # The partner's node now speaks version 3 only; ours still holds version 2 to be agreed on.
    for module in ("node.partner.protocol", "node.partner.partner_service"):
        monkeypatch.setattr(f"{module}.VERSIONS", (3,))
    payment = await here.send(debtor, there, beneficiary, 100)
    assert payment.state == "held"
    with pytest.raises(PartnerUnavailableError, match="versions 1, 2: this node speaks 3"):
        await here.link.version()
    monkeypatch.undo()
    assert (await here.driver.drive(payment.settlement_id)).state == "completed"


async def _register(bank: Bank, code: str, digits: int) -> None:
    with psycopg.connect(bank.url) as connection:
        register_asset(connection, code, digits, actor="operator", reason="a test", now=bank.clock())


async def test_asset_that_the_banks_count_with_other_digits_moves_no_money(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    for bank, digits in ((here, 3), (there, 2)):
        await _register(bank, "GOLD", digits)
        await _register(bank, "SILVER", 4)
    debtor, beneficiary = await here.open_customer(1_000, "GOLD"), await there.open_customer(0, "GOLD")
    payment = await here.send(debtor, there, beneficiary, 100, asset="GOLD")
    assert (payment.state, payment.refusal) == ("aborted", "asset_digits_differ")
    assert await here.balance(debtor) == (1_000, 0)
    assert await there.balance(beneficiary) == (0, 0)
    debtor, beneficiary = await here.open_customer(1_000, "SILVER"), await there.open_customer(0, "SILVER")
    assert (await here.send(debtor, there, beneficiary, 100, asset="SILVER")).state == "completed"


@pytest.mark.every_postgres
async def test_prepare_of_version_2_says_how_its_asset_is_counted(banks: tuple[Bank, Bank]) -> None:
    here, there = banks
    beneficiary = await there.open_customer()
    with pytest.raises(RpcError, match="asset_scale: is missing") as refused:
        await _ask(here, "Prepare", _prepare(here, there, beneficiary, version=2))
    assert refused.value.code == StatusCode.INVALID_ARGUMENT
    assert _rows(there)[0] == 0
    for changes, refusal in (
        ({"asset_scale": 0}, "asset_digits_differ"),
        ({"asset_scale": 2**32 - 1}, "asset_digits_differ"),
        ({"asset_scale": 2, "asset": "nothing"}, "asset_not_found"),
        ({"asset_scale": 0, "beneficiary_account": "", "return_of": "x", "return_reason": "AC04"}, "return_of_unknown"),
        ({"asset_scale": 2}, ""),
    ):
        answer = await _ask(here, "Prepare", _prepare(here, there, beneficiary, version=2, **changes))
        assert (answer.refusal, answer.version) == (refusal, 2)


async def test_bank_whose_node_is_older_is_paid_without_the_field_that_it_does_not_know(
    banks: tuple[Bank, Bank], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The partner speaks version 1 only; and so the other way round."""
    here, there = banks
    for module in ("node.partner.protocol", "node.partner.partner_service"):
        monkeypatch.setattr(f"{module}.VERSIONS", (1,))
    debtor, beneficiary = await here.open_customer(1_000), await there.open_customer()
    assert (await here.send(debtor, there, beneficiary, 100)).state == "completed"
    with psycopg.connect(there.url) as connection:
        rows = connection.execute("SELECT payload FROM partner.evidence WHERE kind = 'prepare'").fetchall()
    told = partner_pb2.Prepare.FromString(rows[0][0])
    assert (told.version, told.HasField("asset_scale")) == (1, False)
    monkeypatch.undo()
    assert await here.link.version(anew=True) == 2
    assert (await here.send(debtor, there, beneficiary, 100)).state == "completed"
