"""A partner bank that turns hostile: rightly signed messages over its own connection, wrong in every place they can be.

Method: the other bank's real node identity and TLS certificate against a running node. Every text of every payload is
replaced by injections, payloads are damaged and signed anew, signed messages are shown to other methods, and calls come
faster than they may. No answer may blame the node, and nothing may change in its books or on the channel.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message

from network.identity import SigningIdentity
from network.pb.dwaybank.partner.v1 import partner_pb2
from network.rpc import Channel, StatusCode
from node.partner.messages import signed_message, signing_input, timestamp
from tests.support.consortium import RunningConsortium
from tests.support.hostile import INJECTIONS, OUR_FAULT, Method, attack, nothing_changes

PARTNER = "/dwaybank.partner.v1.PartnerService"
FOLLOW = Method(f"{PARTNER}/FollowSettlements", "stream")
SEED = 20_260_302
DAMAGED = 40
"""Damaged payloads for each method."""


def baselines(sender: str, receiver: str) -> dict[Method, Message]:
    """One message for every method that takes a signed one, sound but for naming nothing that exists."""
    head = {"version": 1, "sender_msp_id": sender, "receiver_msp_id": receiver, "sent_at": timestamp(datetime.now(UTC))}
    unknown = str(uuid.uuid4())
    later = timestamp(datetime.now(UTC) + timedelta(minutes=2))
    return {
        Method(f"{PARTNER}/GetQuote", "unary"): partner_pb2.QuoteRequest(
            **head, quote_id=unknown, asset="XXX", amount_minor="100", credited_asset="XXX"
        ),
        Method(f"{PARTNER}/PrepareSettlement", "unary"): partner_pb2.Prepare(
            **head,
            settlement_id=unknown,
            asset="EUR",
            amount_minor="100",
            beneficiary_account="cust-nobody",
            deadline=later,
            quote_id=unknown,
        ),
        Method(f"{PARTNER}/CompleteSettlement", "unary"): partner_pb2.Complete(
            **head, settlement_id=unknown, agreed_reference="R-1"
        ),
        Method(f"{PARTNER}/AbortSettlement", "unary"): partner_pb2.Abort(
            **head, settlement_id=unknown, reason="deadline_passed"
        ),
        Method(f"{PARTNER}/QuerySettlement", "unary"): partner_pb2.Query(**head, settlement_id=unknown),
        Method(f"{PARTNER}/GetVostroStatement", "unary"): partner_pb2.StatementQuery(
            **head, asset="EUR", account=partner_pb2.ACCOUNT_KIND_VOSTRO, page_size=1
        ),
        FOLLOW: partner_pb2.Follow(**head, after_sequence=2**40),
    }


@asynccontextmanager
async def hostile_bank(consortium: RunningConsortium) -> AsyncIterator[tuple[Channel, SigningIdentity]]:
    """The partner's own connection to the bank's node, and what its node signs with."""
    channel = consortium.foreign_channel(consortium.bank, consortium.partner, "Node")
    folder = consortium.home.user(consortium.partner, "Node") / "msp"
    try:
        yield channel, SigningIdentity.from_msp_folder(folder, consortium.partner.msp_id)
    finally:
        await channel.close()


def asked(payload: Message, identity: SigningIdentity) -> bytes:
    """Return a request with a payload signed as the partner's node signs."""
    return partner_pb2.QuerySettlementRequest(message=signed_message(payload, identity)).SerializeToString()


def signed_bytes(kind: type[Message], content: bytes, identity: SigningIdentity) -> bytes:
    """Return a request with a payload that may be no such message, signed all the same."""
    message = partner_pb2.SignedMessage(
        payload=content, creator=identity.creator, signature=identity.sign(signing_input(kind, content))
    )
    return partner_pb2.QuerySettlementRequest(message=message).SerializeToString()


async def test_injections_in_every_text_of_a_signed_message_are_refused_or_mean_nothing(
    consortium: RunningConsortium,
) -> None:
    wrong, tried = [], 0
    async with nothing_changes(consortium), hostile_bank(consortium) as (channel, identity):
        for method, payload in baselines(identity.msp_id, consortium.bank.msp_id).items():
            for field, sound in payload.ListFields():
                if not isinstance(sound, str):
                    continue
                for injection in INJECTIONS:
                    setattr(payload, field.name, injection)
                    code, _ = await attack(channel, method, asked(payload, identity))
                    tried += 1
                    if code in OUR_FAULT or code in (StatusCode.UNKNOWN, StatusCode.DEADLINE_EXCEEDED):
                        wrong.append((method.path, field.name, injection[:30], code))
                setattr(payload, field.name, sound)
    assert tried > 300
    assert wrong == []


async def test_damaged_payloads_rightly_signed_blame_nobody_and_change_nothing(consortium: RunningConsortium) -> None:
    chance = random.Random(SEED)
    wrong = []
    async with nothing_changes(consortium), hostile_bank(consortium) as (channel, identity):
        for method, payload in baselines(identity.msp_id, consortium.bank.msp_id).items():
            sound = payload.SerializeToString()
            for _ in range(DAMAGED):
                content = bytearray(sound)
                for _ in range(chance.randint(1, 4)):
                    content[chance.randrange(len(content))] = chance.randrange(256)
                request = signed_bytes(type(payload), bytes(content[: chance.randint(1, len(content))]), identity)
                code, _ = await attack(channel, method, request)
                if code in OUR_FAULT or code in (StatusCode.UNKNOWN, StatusCode.DEADLINE_EXCEEDED):
                    wrong.append((method.path, bytes(content).hex(), code))
    assert wrong == []


async def test_message_signed_for_one_method_is_refused_by_every_other(consortium: RunningConsortium) -> None:
    wrong = []
    async with nothing_changes(consortium), hostile_bank(consortium) as (channel, identity):
        messages = baselines(identity.msp_id, consortium.bank.msp_id)
        for method, payload in messages.items():
            for other in messages:
                if other == method:
                    continue
                code, replies = await attack(channel, other, asked(payload, identity))
                if code != StatusCode.UNAUTHENTICATED or replies:
                    wrong.append((method.path, other.path, code))
    assert wrong == []


async def test_payload_too_long_is_refused_before_it_is_read(consortium: RunningConsortium) -> None:
    async with nothing_changes(consortium), hostile_bank(consortium) as (channel, identity):
        for method, payload in baselines(identity.msp_id, consortium.bank.msp_id).items():
            content = payload.SerializeToString() + b"\x00" * 70_000
            code, _ = await attack(channel, method, signed_bytes(type(payload), content, identity))
            assert code == StatusCode.INVALID_ARGUMENT, method


async def test_flood_of_calls_is_held_back_and_the_bank_goes_on(consortium: RunningConsortium) -> None:
    async with hostile_bank(consortium) as (channel, _):
        version = Method(f"{PARTNER}/GetVersion", "unary")
        request = partner_pb2.GetVersionRequest(versions=[1]).SerializeToString()
        codes = []
        for _ in range(20):
            codes += [
                code for code, _ in await asyncio.gather(*(attack(channel, version, request) for _ in range(200)))
            ]
            if StatusCode.RESOURCE_EXHAUSTED in codes:
                break
        assert set(codes) <= {StatusCode.OK, StatusCode.RESOURCE_EXHAUSTED}
    assert all(row.agree for row in await consortium.compare_positions(consortium.bank))
