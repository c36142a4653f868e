"""No personal data, no amount, no pseudonym and no leaf reaches the shared channel, in any spelling.

Everything that could betray a customer is planted with marks of its own, everything the books derive from it is read
from the databases, and every byte of every block of every member is searched: as it is, in hex, in base64 at each of
its three alignments, as UTF-16, hashed, and inside whatever base64 the blocks themselves carry.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator

import psycopg
import pytest
from fabric_protos.peer import chaincode_pb2, proposal_pb2

from network.audit_record import AUDIT as AUDIT_CONTRACT
from network.audit_record import COMPLIANCE as COMPLIANCE_CONTRACT
from network.block import parse_block
from network.envelope import parse_transaction
from network.topology import Organization
from node.home import Home
from node.own_node import AUDIT, OBLIGATIONS, audit_pb2, obligations_pb2
from tests.support.consortium import RunningConsortium, eventually, new_entry
from tests.support.customer import Customer

SignUp = Callable[[Organization, str], Awaitable[Customer]]

TEXT_BYTES_MIN = 7
"""Shorter texts occur in random bytes by chance."""


def spellings(needle: bytes) -> Iterator[bytes]:
    """Ways in which bytes may stand in a block."""
    yield needle
    yield needle.hex().encode()
    yield needle.hex().upper().encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for padding in range(3):
            # Characters that depend on the needle's bytes alone, wherever it begins in what was encoded.
            text = encode(bytes(padding) + needle)
            inner = text[(padding * 8 + 5) // 6 :].rstrip(b"=")
            yield inner[: len(needle) * 8 // 6 - 1]
    yield base64.b32encode(needle).rstrip(b"=")[: len(needle) * 8 // 5]


def hashes_of(text: str) -> Iterator[bytes]:
    """Unsalted hashes by which a reader could recognise a text he guesses."""
    for name in ("sha256", "sha1", "md5", "sha512", "sha3_256", "blake2b"):
        yield hashlib.new(name, text.encode()).digest()
    yield hashlib.sha256(b"\x00" + text.encode()).digest()


def layers(block: bytes) -> Iterator[bytes]:
    """A block, and whatever base64 or hex it carries, opened."""
    yield block
    for text in re.findall(rb"[A-Za-z0-9+/_-]{16,}={0,2}", block):
        for shift in range(4):
            part = text[shift:].replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
            yield base64.b64decode(part[: len(part) - (len(part) % 4 == 1)] + b"==", validate=False)
    for text in re.findall(rb"(?:[0-9a-f]{2}){8,}", block):
        yield binascii.unhexlify(text)


class Channel:
    """Everything that stands on the channel, opened."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        opened = dict.fromkeys(layer for block in blocks for layer in layers(block))
        self._content = b"\x00\x00".join(opened)

    def shows(self, secret: bytes) -> bool:
        """Tell whether these bytes stand there, as they are or inside what could be opened."""
        return secret in self._content

    def shows_text(self, text: str) -> bool:
        """Tell whether this text stands there in any spelling."""
        needle = text.encode()
        return len(needle) >= TEXT_BYTES_MIN and any(spelt in self._content for spelt in spellings(needle))


def rows(connection: psycopg.Connection, statement: str) -> list[tuple[object, ...]]:
    return connection.execute(statement.encode()).fetchall()


def private_texts(connection: psycopg.Connection) -> dict[str, str]:
    """Account references, names and e-mail addresses, descriptions, keys and settlement ids in a bank's database."""
    found: dict[str, str] = {}
    for what, statement in {
        "account": "SELECT reference FROM ledger.account",
        "description": "SELECT description FROM ledger.description",
        "idempotency key": "SELECT key::text FROM ledger.entry",
        "settlement": "SELECT DISTINCT settlement_id FROM ledger.entry WHERE settlement_id <> ''",
        "hold": "SELECT id::text FROM ledger.hold",
        "e-mail": "SELECT email FROM gateway.customer",
        "name": "SELECT display_name FROM gateway.customer",
        "approved decision": "SELECT decision_id::text FROM ledger.entry WHERE decision_outcome = 1",
    }.items():
        found |= {str(row[0]): what for row in rows(connection, statement)}
    return found


def private_hashes(connection: psycopg.Connection) -> dict[bytes, str]:
    """Leaves, salts and commitments of single entries and decisions in a bank's database."""
    found: dict[bytes, str] = {}
    for what, statement in {
        "leaf": "SELECT leaf FROM ledger.entry",
        "entry's salt": "SELECT salt FROM ledger.entry_view",
        "secret of a batch": "SELECT salt_secret FROM ledger.batch",
        "request hash": "SELECT request_hash FROM ledger.entry WHERE request_hash IS NOT NULL",
        "decision leaf": "SELECT decision_leaf FROM ledger.entry",
        "decision's leaf": "SELECT leaf FROM compliance.decision",
        "decision's salt": "SELECT salt FROM compliance.decision",
        "description commitment": "SELECT description_commitment FROM ledger.entry WHERE description_commitment <> ''",
        "description's salt": "SELECT salt FROM ledger.description",
        "batch digest": "SELECT digest FROM ledger.batch",
        "obligation's salt": "SELECT salt FROM partner.obligation WHERE salt IS NOT NULL",
    }.items():
        found |= {bytes(row[0]): what for row in rows(connection, statement)}  # type: ignore[call-overload]
    return found


def tree_nodes(blocks: Iterable[bytes]) -> set[bytes]:
    """Hashes that must stand on the channel as nodes of a tree: roots, and what proves one head to extend another.

    A tree of one leaf has that leaf as its root, and a consistency proof from an odd size names a single leaf. Both are
    salted hashes and say nothing; anywhere else a leaf has no business.
    """
    nodes: set[bytes] = set()
    for block in map(parse_block, blocks):
        for envelope in block.data.data:
            transaction = parse_transaction(envelope)
            if transaction.chaincode not in (AUDIT_CONTRACT, COMPLIANCE_CONTRACT):
                continue
            payload = proposal_pb2.ChaincodeProposalPayload.FromString(transaction.chaincode_proposal_payload)
            arguments = chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input).chaincode_spec.input.args
            if arguments[0] == b"AnchorCheckpoint":
                nodes.add(base64.b64decode(arguments[1].split(b"\n")[2]))
                nodes |= {base64.b64decode(node) for node in json.loads(arguments[2])}
            elif arguments[0] == b"AnchorEpoch":
                nodes.add(base64.b64decode(json.loads(arguments[1])["root"]))
    return nodes


def secret_files(home: Home, consortium: RunningConsortium) -> dict[bytes, str]:
    """Private keys and passwords of all organizations."""
    found: dict[bytes, str] = {}
    for member in consortium.consortium.organizations:
        for path in (home.organization(member) / "secrets").iterdir():
            content = path.read_bytes().strip()
            found[content if b"://" not in content else content.split(b":")[2].split(b"@")[0]] = f"{path.name}"
    return found


@pytest.fixture
async def planted(consortium: RunningConsortium, sign_up: SignUp) -> dict[str, str]:
    """Private texts that occur nowhere else, by what they are; all of them entered through the front doors."""
    mark = secrets.token_hex(4)
    marks = {
        f"Liselotte-{mark}": "name",
        f"birthday-money-{mark}": "description",
        f"kidney-clinic-{mark}": "description to the partner bank",
        f"savings-{mark}": "description of a deposit",
        f"label-{mark}": "label of an account",
        f"pseudonym:{mark}.one": "account reference",
        "73918264": "amount",
        "8264739": "amount to the partner bank",
    }
    name, inside, across, deposit, label, reference, amount, amount_across = marks
    payer, payee = await sign_up(consortium.bank, name), await sign_up(consortium.bank, f"bob-{mark}")
    eve = await sign_up(consortium.partner, f"eve-{mark}")
    account = payer.account
    await payer.open_account(label)
    payer.account = account
    await consortium.deposit(consortium.bank, payer.account, 2 * int(amount), deposit)
    await consortium.open_account(consortium.bank, reference)
    posted = await consortium.post(consortium.bank, new_entry(payer.account, reference, amount, inside))
    assert posted[0].decision == "requires_manual_review", "the large amount is flagged on the channel"
    # What follows goes into another checkpoint, however fast all of it is: its proof names nodes of the tree.
    await consortium.settled()
    assert (await payer.pay(payee, int(amount_across), inside))["state"] == "posted"
    assert (await payer.pay(eve, int(amount_across), across))["state"] == "completed"
    await consortium.settled()

    async def on_the_shared_ledger() -> bool:
        request = obligations_pb2.ListObligationsRequest(breaks=True)
        async with consortium.node(consortium.partner) as node:
            reply = await node.call(OBLIGATIONS, "ListObligations", request, obligations_pb2.ListObligationsResponse)
        return not reply.obligations

    await eventually(on_the_shared_ledger, "both banks anchored what they booked")
    return marks | {payer.email: "e-mail", payee.account: "account", eve.account: "account at the partner bank"}


async def test_no_block_of_any_member_holds_anything_private(
    consortium: RunningConsortium, planted: dict[str, str]
) -> None:
    texts, digests = dict(planted), secret_files(consortium.home, consortium)
    for bank in (consortium.bank, consortium.partner):
        with consortium.superuser(bank) as connection:
            texts |= private_texts(connection)
            digests |= private_hashes(connection)
    for text, what in list(texts.items()):
        digests |= dict.fromkeys(hashes_of(text), f"hash of {what} {text}")
        if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text):
            digests[bytes.fromhex(text.replace("-", ""))] = what
    digests |= {
        int(text).to_bytes(8, order): "amount" for text in ("73918264", "8264739") for order in ("big", "little")
    }
    assert len(texts) > 20
    assert len(digests) > 200

    chains = [await consortium.blocks(member) for member in consortium.consortium.organizations]
    assert len({len(chain) for chain in chains}) == 1
    channel = Channel(block for chain in chains for block in chain)
    assert channel.shows_text(consortium.bank.msp_id), "the search finds what does stand there"
    found = {what: text for text, what in texts.items() if channel.shows_text(text)}
    nodes = tree_nodes(chains[0])
    assert len(nodes) > 4
    found |= {what: digest.hex() for digest, what in digests.items() if digest not in nodes and channel.shows(digest)}
    assert found == {}


def test_the_search_finds_a_planted_secret_in_every_spelling() -> None:
    text, digest = "kidney-clinic-4711", hashlib.sha256(b"kidney").digest()
    for padding in range(3):
        for secret in (text.encode(), digest):
            for spelt in (secret, secret.hex().encode(), base64.b64encode(bytes(padding) + secret + b"!!")):
                channel = Channel([b"\x01\x02" + spelt + b"\xff", base64.b64encode(bytes(padding) + spelt)])
                assert channel.shows(digest) or channel.shows_text(text), spelt
    other = Channel([b"kidney-clinic-4712" * 40])
    assert not other.shows(digest)
    assert not other.shows_text(text)


async def test_flags_on_the_channel_are_random_ids_without_amount_or_account(
    consortium: RunningConsortium, planted: dict[str, str]
) -> None:
    request = audit_pb2.SearchAuditRequest(kind="flag", page_size=100)
    async with consortium.node(consortium.regulator) as node:
        reply = await node.call(AUDIT, "SearchAudit", request, audit_pb2.SearchAuditResponse)
    assert reply.records
    for record in reply.records:
        body = json.loads(record.body_json)
        assert re.fullmatch(r"[0-9a-f]{32}", body["record_id"])
        assert set(body) == {"record_id", "organization", "epoch", "status"}
