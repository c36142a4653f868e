"""Signatures and certificates that must not count, and transactions sent again, against running processes."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2, proposal_response_pb2

from network.block import parse_block, transactions_filter
from network.client import GatewayClient
from network.crypto_material import Authority, issue_certificate, issue_identity, new_authority, new_key, revoke
from network.envelope import DUPLICATE_TXID, Signer, parse_transaction, seek_envelope
from network.errors import CommitError, GatewayError, RpcError
from network.identity import SigningIdentity
from network.rpc import Channel, ClientTls, StatusCode
from network.signing import CURVE_ORDERS
from node.own_node import SETTLEMENT, partner_pb2
from node.partner.messages import signing_input, timestamp
from node.partner.protocol import VERSIONS
from node.postgres import PostgresCluster
from tests.support.consortium import RunningConsortium, eventually
from tests.support.consortium_in_memory import BANK, make_material
from tests.support.hostile import FABRIC_METHODS, Method, assert_logs_are_clean, attack, nothing_changes
from tests.support.peer_network import running_network

PREPARE = Method("/dwaybank.partner.v1.PartnerService/PrepareSettlement", "unary")
ENDORSE = FABRIC_METHODS[0]
ENTRY = '["entry"]'


class Forger:
    """Signs as somebody, in a way that must not count."""

    def __init__(self, honest: SigningIdentity, forge: Callable[[SigningIdentity, bytes], bytes]) -> None:
        self.creator = honest.creator
        self._honest = honest
        self._forge = forge

    def sign(self, message: bytes) -> bytes:
        """Return the forged signature."""
        return self._forge(self._honest, message)


def high_s(honest: SigningIdentity, message: bytes) -> bytes:
    r, s = decode_dss_signature(honest.sign(message))
    return encode_dss_signature(r, CURVE_ORDERS["secp256r1"] - s)


def flipped(honest: SigningIdentity, message: bytes) -> bytes:
    r, s = decode_dss_signature(honest.sign(message))
    return encode_dss_signature(r ^ 1, s)


FORGERIES: dict[str, Callable[[SigningIdentity, bytes], bytes]] = {
    "high S": high_s,
    "one bit changed": flipped,
    "of another message": lambda honest, message: honest.sign(message + b"!"),
    "no DER": lambda honest, message: b"signature",
    "zeros": lambda honest, message: encode_dss_signature(0, 0),
}


def user(consortium: RunningConsortium, name: str = "User1") -> SigningIdentity:
    bank = consortium.bank
    return SigningIdentity.from_msp_folder(consortium.home.user(bank, name) / "msp", bank.msp_id)


def impostors(consortium: RunningConsortium) -> dict[str, SigningIdentity]:
    """Identities no member vouches for, by what is wrong with them."""
    bank, now = consortium.bank, datetime.now(UTC)
    own = Authority.load(consortium.home.crypto(bank) / "ca")
    tls = Authority.load(consortium.home.crypto(bank) / "tlsca")
    foreign = new_authority("ca.dwaybank.test", "dwaybank.test", now - timedelta(days=1))
    past = now - timedelta(days=30)
    return {
        "unknown authority of the same name": issue_identity(foreign, bank.msp_id, "User1", ["client"], past),
        "expired yesterday": issue_identity(own, bank.msp_id, "User1", ["client"], past, now - timedelta(days=1)),
        "of the TLS authority": issue_identity(tls, bank.msp_id, "User1", ["client"], past),
        "of another member": issue_identity(own, consortium.partner.msp_id, "User1", ["client"], past),
        "of an unknown member": issue_identity(own, "NobodyMSP", "User1", ["client"], past),
        "of no role": issue_identity(own, bank.msp_id, "User1", [], past),
        "of two roles": issue_identity(own, bank.msp_id, "User1", ["client", "admin"], past),
    }


def everyone_bad(consortium: RunningConsortium) -> dict[str, Signer]:
    found: dict[str, Signer] = {f"signature: {what}": Forger(user(consortium), f) for what, f in FORGERIES.items()}
    return found | {f"certificate: {what}": identity for what, identity in impostors(consortium).items()}


async def demand(client: GatewayClient, consortium: RunningConsortium) -> object:
    return await client.submit(
        "audit", "Demand", secrets.token_hex(16), consortium.partner.msp_id, "[1]", "spot_check", ENTRY
    )


async def test_forged_and_foreign_identities_are_refused_at_every_stage(consortium: RunningConsortium) -> None:
    channel = consortium.foreign_channel(consortium.bank, consortium.bank)
    name = consortium.consortium.channel
    honest = GatewayClient(channel, user(consortium), name)
    accepted = []
    async with nothing_changes(consortium):
        for what, signer in everyone_bad(consortium).items():
            client = GatewayClient(channel, signer, name)
            stages = {
                "evaluate": lambda c=client: c.evaluate("audit", "GetLog", consortium.bank.msp_id),
                "endorse": lambda c=client: demand(c, consortium),
                "commit status": lambda c=client: c.commit_status("0" * 64),
                "events": lambda c=client: first(c.chaincode_events("audit", start_block=0)),
                "blocks": lambda c=client: first(c.blocks(0, stop=0)),
                "filtered blocks": lambda c=client: first(c.filtered_blocks(0, stop=0)),
            }
            for stage, call in stages.items():
                try:
                    await call()
                    accepted.append((what, stage))
                except GatewayError as error:
                    if error.code in (StatusCode.INTERNAL, StatusCode.DATA_LOSS, StatusCode.DEADLINE_EXCEEDED):
                        accepted.append((what, stage, str(error)))
            proposal = client.propose("audit", "GetLog", consortium.bank.msp_id)
            signed = client._signed_proposal(proposal, None).SerializeToString()
            code, replies = await attack(channel, ENDORSE, signed)
            if code == StatusCode.OK and endorsed(replies[0]):
                accepted.append((what, "endorsement"))
            prepared = await honest.endorse(
                "audit", "Demand", secrets.token_hex(16), consortium.partner.msp_id, "[1]", "spot_check", ENTRY
            )
            try:
                await honest.submit_prepared(prepared, signer.sign(prepared.message))
                accepted.append((what, "submit"))
            except GatewayError:
                continue
    await channel.close()
    assert accepted == []


async def first(stream: AsyncIterator[object]) -> object:
    async with aclosing(stream) as opened:  # type: ignore[type-var]
        async for item in opened:
            return item
    return None


def endorsed(reply: bytes) -> bool:
    return bool(proposal_response_pb2.ProposalResponse.FromString(reply).endorsement.signature)


async def test_orderer_takes_no_forged_envelope_and_serves_no_stranger(consortium: RunningConsortium) -> None:
    tls = consortium.home.user(consortium.bank, "User1") / "tls"
    roots = (consortium.home.orderer_crypto(consortium.consortium) / "tlsca").glob("*-cert.pem")
    orderer = Channel(
        f"127.0.0.1:{consortium.consortium.orderer.port}",
        ClientTls(next(roots).read_bytes(), (tls / "client.crt").read_bytes(), (tls / "client.key").read_bytes()),
    )
    node = consortium.foreign_channel(consortium.bank, consortium.bank)
    honest = GatewayClient(node, user(consortium), consortium.consortium.channel)
    broadcast, deliver = Method("/orderer.AtomicBroadcast/Broadcast", "bidi"), "/orderer.AtomicBroadcast/Deliver"
    taken = []
    async with nothing_changes(consortium):
        for what, signer in everyone_bad(consortium).items():
            prepared = await honest.endorse(
                "audit", "Demand", secrets.token_hex(16), consortium.partner.msp_id, "[1]", "spot_check", ENTRY
            )
            envelope = common_pb2.Envelope(payload=prepared.message, signature=signer.sign(prepared.message))
            _, replies = await attack(orderer, broadcast, envelope.SerializeToString())
            if [ab_pb2.BroadcastResponse.FromString(reply).status for reply in replies] != [common_pb2.FORBIDDEN]:
                taken.append((what, "broadcast", replies))
            seek = seek_envelope(
                consortium.consortium.channel,
                signer,
                nonce=secrets.token_bytes(24),
                timestamp=datetime.now(UTC),
                start=0,
                tls_cert_hash=orderer.tls_certificate_hash,
                stop=0,
            )
            _, replies = await attack(orderer, Method(deliver, "bidi"), seek.SerializeToString())
            statuses = [events_pb2.DeliverResponse.FromString(reply).status for reply in replies]
            if statuses not in ([common_pb2.FORBIDDEN], [common_pb2.BAD_REQUEST]):
                taken.append((what, "deliver", statuses))
    await node.close()
    await orderer.close()
    assert taken == []


async def test_strangers_certificates_open_no_connection(consortium: RunningConsortium) -> None:
    now = datetime.now(UTC)
    past = now - timedelta(days=30)
    own = Authority.load(consortium.home.crypto(consortium.bank) / "tlsca")
    foreign = new_authority("tlsca.dwaybank.test", "dwaybank.test", past)
    msp = Authority.load(consortium.home.crypto(consortium.bank) / "ca")
    check = Method("/grpc.health.v1.Health/Check", "unary")
    for authority, not_after in ((foreign, None), (own, now - timedelta(hours=1)), (msp, None)):
        key = new_key()
        certificate = issue_certificate(
            authority, key.public_key(), "Admin@dwaybank.test", not_before=past, not_after=not_after, tls_names=[]
        )
        stranger = Channel(
            f"127.0.0.1:{consortium.bank.node_port}",
            ClientTls(consortium.tls_roots(consortium.bank), certificate.public_bytes(Encoding.PEM), key_pem(key)),
        )
        code, _ = await attack(stranger, check, b"", 3)
        await stranger.close()
        assert code in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def test_replayed_transaction_takes_effect_once(consortium: RunningConsortium) -> None:
    channel = consortium.foreign_channel(consortium.bank, consortium.bank)
    client = GatewayClient(channel, user(consortium), consortium.consortium.channel)
    demand_id = secrets.token_hex(16)
    proposal = client.propose("audit", "Demand", demand_id, consortium.partner.msp_id, "[1]", "spot_check", ENTRY)
    prepared = await client.endorse_proposal(proposal)
    await client.submit_prepared(prepared)
    first_status = await client.commit_status(prepared.tx_id)
    assert first_status.code == 0
    await consortium.settled()

    with pytest.raises(GatewayError) as again:
        await client.endorse_proposal(proposal)
    assert again.value.code not in (StatusCode.INTERNAL, StatusCode.OK)
    signed = client._signed_proposal(proposal, None).SerializeToString()
    code, replies = await attack(channel, ENDORSE, signed)
    assert code != StatusCode.OK or not endorsed(replies[0])
    await client.submit_prepared(prepared)
    await client.submit_prepared(prepared)

    async def two_more() -> bool:
        return (await consortium.anchor_status(consortium.bank)).block_height > first_status.block_number + 1

    await eventually(two_more, "the replays are in a block")
    await consortium.settled()
    flags = [
        flag
        for block in map(parse_block, await consortium.blocks(consortium.regulator))
        for envelope, flag in zip(block.data.data, transactions_filter(block), strict=True)
        if parse_transaction(envelope).tx_id == prepared.tx_id
    ]
    assert flags[0] == 0
    assert len(flags) >= 2
    assert set(flags[1:]) == {DUPLICATE_TXID}
    assert (await client.commit_status(prepared.tx_id)) == first_status
    await channel.close()


async def test_bank_messages_of_impostors_are_refused(consortium: RunningConsortium) -> None:
    """To the partner's node come messages in the bank's name: wrong signers, wrong connections, old and misdirected."""
    now = datetime.now(UTC)
    node_identity = user(consortium, "Node")

    def message(signer: Signer, **changes: object) -> bytes:
        fields = {
            "version": VERSIONS[-1],
            "settlement_id": secrets.token_hex(8),
            "sender_msp_id": consortium.bank.msp_id,
            "receiver_msp_id": consortium.partner.msp_id,
            "asset": "EUR",
            "asset_scale": 2,
            "amount_minor": "100",
            "beneficiary_account": "cust-nobody",
            "deadline": timestamp(now + timedelta(minutes=2)),
            "sent_at": timestamp(now),
        }
        payload = partner_pb2.Prepare(**fields | changes).SerializeToString()
        signature = signer.sign(signing_input(partner_pb2.Prepare, payload))
        signed = partner_pb2.SignedMessage(payload=payload, creator=signer.creator, signature=signature)
        return partner_pb2.PrepareSettlementRequest(message=signed).SerializeToString()

    as_bank = consortium.foreign_channel(consortium.partner, consortium.bank)
    as_regulator = consortium.foreign_channel(consortium.partner, consortium.regulator)
    regulator = SigningIdentity.from_msp_folder(
        consortium.home.user(consortium.regulator, "Node") / "msp", consortium.regulator.msp_id
    )
    wrong = []
    async with nothing_changes(consortium):
        for what, signer in everyone_bad(consortium).items():
            code, _ = await attack(as_bank, PREPARE, message(signer))
            if code not in (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED):
                wrong.append((what, code))
        for channel, request, code in (
            (as_regulator, message(node_identity), StatusCode.PERMISSION_DENIED),
            (as_regulator, message(regulator), StatusCode.PERMISSION_DENIED),
            (
                as_regulator,
                message(regulator, sender_msp_id=consortium.regulator.msp_id),
                StatusCode.PERMISSION_DENIED,
            ),
            (as_bank, message(node_identity, receiver_msp_id="RegulatorMSP"), StatusCode.INVALID_ARGUMENT),
            (
                as_bank,
                message(node_identity, sent_at=timestamp(now - timedelta(minutes=6))),
                StatusCode.FAILED_PRECONDITION,
            ),
            (
                as_bank,
                message(node_identity, sent_at=timestamp(now + timedelta(minutes=6))),
                StatusCode.FAILED_PRECONDITION,
            ),
        ):
            answered, _ = await attack(channel, PREPARE, request)
            if answered != code:
                wrong.append((request, answered, code))
    await as_bank.close()
    await as_regulator.close()
    assert wrong == []


async def test_revoked_identity_is_refused_by_peer_and_orderer(
    postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    material = make_material(tmp_path / "crypto")
    folder = tmp_path / "crypto" / "peerOrganizations" / "dwaybank.test"
    authority = Authority.load(folder / "ca")
    start = datetime(2026, 3, 1, tzinfo=UTC)
    revoked, kept = (issue_identity(authority, BANK, name, ["client"], start) for name in ("leaver", "stayer"))
    revoke(folder, [revoked.certificate], datetime.now(UTC))
    async with running_network(material, postgres_cluster, tmp_path, "revoked") as network:
        honest, leaver = network.client(signer=kept), network.client(signer=revoked)
        await honest.submit("pc", "Put", "k", "v")
        for call in (
            lambda: leaver.evaluate("pc", "Get", "k"),
            lambda: leaver.endorse("pc", "Put", "k", "w"),
            lambda: leaver.commit_status("0" * 64),
            lambda: first(leaver.blocks(0, stop=0)),
        ):
            with pytest.raises(GatewayError):
                await call()
        prepared = await honest.endorse("pc", "Put", "k", "w")
        with pytest.raises((GatewayError, RpcError)):
            await leaver.submit_prepared(prepared)
        assert await honest.evaluate("pc", "Get", "k") == b"v"


async def test_honest_clients_are_served_right_after_the_attacks(consortium: RunningConsortium) -> None:
    channel = consortium.foreign_channel(consortium.bank, consortium.bank)
    name = consortium.consortium.channel
    honest = GatewayClient(channel, user(consortium), name)
    for signer in everyone_bad(consortium).values():
        with pytest.raises(GatewayError):
            await GatewayClient(channel, signer, name).evaluate("audit", "GetLog", consortium.bank.msp_id)
        with pytest.raises((GatewayError, CommitError)):
            await demand(GatewayClient(channel, signer, name), consortium)
        assert await honest.evaluate("audit", "GetLog", consortium.bank.msp_id)
        assert await demand(honest, consortium)
    await channel.close()
    async with consortium.node(consortium.bank) as node:
        await node.call(
            SETTLEMENT, "ComparePositions", partner_pb2.ComparePositionsRequest(), partner_pb2.ComparePositionsResponse
        )
    assert_logs_are_clean(consortium)
