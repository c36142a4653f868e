"""Transactions that are refused for every reason a peer has, and some that must not be: what peers are compared by.

:data:`MALFORMED` are faults of form, :func:`judged` are faults that signatures, policies and the state tell. Each has a
name, and the code that Fabric's peer gives.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_event_pb2

from network.crypto_material import Authority, issue_identity
from network.envelope import (
    BAD_COMMON_HEADER,
    BAD_CREATOR_SIGNATURE,
    BAD_HEADER_EXTENSION,
    BAD_PAYLOAD,
    BAD_PROPOSAL_TXID,
    BAD_RESPONSE_PAYLOAD,
    BAD_RWSET,
    DUPLICATE_TXID,
    ENDORSEMENT_POLICY_FAILURE,
    ILLEGAL_WRITESET,
    INVALID_CHAINCODE,
    INVALID_CONFIG_TRANSACTION,
    INVALID_ENDORSER_TRANSACTION,
    INVALID_OTHER_REASON,
    MVCC_READ_CONFLICT,
    PHANTOM_READ_CONFLICT,
    UNSUPPORTED_TX_PAYLOAD,
    VALID,
)
from network.identity import SigningIdentity
from network.policy import parse_signature_policy
from network.rwset import (
    HashedCollection,
    HashedRead,
    HashedWrite,
    KvMetadataWrite,
    KvRead,
    KvWrite,
    MerkleSummary,
    NamespaceRwset,
    RangeQuery,
    TxRwset,
    Version,
    key_hash,
)
from tests.support.consortium_in_memory import BANK, DOMAINS, PARTNER, REGULATOR, START, Material
from tests.support.crafted import Edits, crafted_transaction

MALFORMED: list[tuple[str, Edits, int]] = [
    ("type MESSAGE", Edits(channel_header=lambda m: setattr(m, "type", 0)), BAD_COMMON_HEADER),
    (
        "type of a package",
        Edits(channel_header=lambda m: setattr(m, "type", common_pb2.CHAINCODE_PACKAGE)),
        BAD_COMMON_HEADER,
    ),
    ("epoch 1", Edits(channel_header=lambda m: setattr(m, "epoch", 1)), BAD_COMMON_HEADER),
    ("no nonce", Edits(signature_header=lambda m: m.ClearField("nonce")), BAD_COMMON_HEADER),
    ("no creator", Edits(signature_header=lambda m: m.ClearField("creator")), BAD_COMMON_HEADER),
    ("no header", Edits(payload=lambda m: m.ClearField("header")), BAD_COMMON_HEADER),
    (
        "channel header that is none",
        Edits(payload=lambda m: setattr(m.header, "channel_header", b"\xff")),
        BAD_COMMON_HEADER,
    ),
    ("names another channel", Edits(channel_header=lambda m: setattr(m, "channel_id", "other")), BAD_CREATOR_SIGNATURE),
    (
        "creator that is none",
        Edits(signature_header=lambda m: setattr(m, "creator", b"\x0a\x01X")),
        BAD_CREATOR_SIGNATURE,
    ),
    (
        "configuration update as a transaction",
        Edits(channel_header=lambda m: setattr(m, "type", common_pb2.CONFIG_UPDATE)),
        UNSUPPORTED_TX_PAYLOAD,
    ),
    ("id of its own choosing", Edits(channel_header=lambda m: setattr(m, "tx_id", "0" * 64)), BAD_PROPOSAL_TXID),
    ("id in capitals", Edits(channel_header=lambda m: setattr(m, "tx_id", m.tx_id.upper())), BAD_PROPOSAL_TXID),
    ("no id", Edits(channel_header=lambda m: m.ClearField("tx_id")), BAD_PROPOSAL_TXID),
    ("no data", Edits(payload=lambda m: m.ClearField("data")), INVALID_ENDORSER_TRANSACTION),
    ("data that is none", Edits(payload=lambda m: setattr(m, "data", b"\xff")), INVALID_ENDORSER_TRANSACTION),
    ("two actions", Edits(transaction=lambda m: m.actions.append(m.actions[0])), INVALID_ENDORSER_TRANSACTION),
    ("no action", Edits(transaction=lambda m: m.ClearField("actions")), INVALID_ENDORSER_TRANSACTION),
    (
        "action without header",
        Edits(transaction=lambda m: m.actions[0].ClearField("header")),
        INVALID_ENDORSER_TRANSACTION,
    ),
    ("no endorsed action", Edits(action_payload=lambda m: m.ClearField("action")), INVALID_ENDORSER_TRANSACTION),
    (
        "no proposal payload",
        Edits(action_payload=lambda m: m.ClearField("chaincode_proposal_payload")),
        INVALID_ENDORSER_TRANSACTION,
    ),
    (
        "another proposal payload",
        Edits(action_payload=lambda m: setattr(m, "chaincode_proposal_payload", b"x")),
        INVALID_ENDORSER_TRANSACTION,
    ),
    (
        "another proposal hash",
        Edits(response_payload=lambda m: setattr(m, "proposal_hash", b"x" * 32)),
        INVALID_ENDORSER_TRANSACTION,
    ),
    (
        "header extension that is none",
        Edits(channel_header=lambda m: setattr(m, "extension", b"\xff")),
        BAD_HEADER_EXTENSION,
    ),
    ("no chaincode action", Edits(response_payload=lambda m: m.ClearField("extension")), BAD_RESPONSE_PAYLOAD),
    (
        "chaincode action that is none",
        Edits(response_payload=lambda m: setattr(m, "extension", b"\xff")),
        BAD_RESPONSE_PAYLOAD,
    ),
    ("read/write set that is none", Edits(action=lambda m: setattr(m, "results", b"\xff")), BAD_RWSET),
    ("no header extension", Edits(channel_header=lambda m: m.ClearField("extension")), INVALID_OTHER_REASON),
    ("no chaincode in the action", Edits(action=lambda m: m.ClearField("chaincode_id")), INVALID_OTHER_REASON),
    ("event that is none", Edits(action=lambda m: setattr(m, "events", b"\xff")), INVALID_OTHER_REASON),
    (
        "another chaincode in the action",
        Edits(action=lambda m: setattr(m.chaincode_id, "name", "dd")),
        INVALID_CHAINCODE,
    ),
    ("no version in the action", Edits(action=lambda m: m.chaincode_id.ClearField("version")), INVALID_CHAINCODE),
    ("no name in the action", Edits(action=lambda m: m.chaincode_id.ClearField("name")), INVALID_CHAINCODE),
]
"""Faults of form: name, edit, code."""

NOT_COMPARED = frozenset({"no endorsed action", "no header"})
"""Faults for which there is nothing to compare with."""

REFUSED_BY_ORDERERS = frozenset(
    {
        "no creator",
        "channel header that is none",
        "names another channel",
        "creator that is none",
        "configuration update as a transaction",
    }
)
"""Faults that Fabric's orderers let into no block."""

REFUSED_BY_BFT = frozenset({"type MESSAGE", "type of a package"})
"""Faults that SmartBFT orderers let into no block besides."""


@dataclass(frozen=True)
class Case:
    """Envelopes to be ordered one after the other, and the code of each.

    Args:
        ordered: whether Fabric's orderers take the last of them; some only see a hostile orderer's blocks.
        bft: the same for SmartBFT orderers, which know requests by client and nonce.
    """

    name: str
    envelopes: Sequence[bytes]
    codes: Sequence[int]
    ordered: bool = True
    bft: bool = True


@dataclass
class Forge:
    """Makes transactions of one chaincode.

    Args:
        chaincode: defined with a policy of two of three peers, and with the collections ``shared`` and ``guarded``; the
            latter's endorsement policy is one peer of the partner's.
    """

    material: Material
    chaincode: str
    _impostors: dict[str, SigningIdentity] = field(default_factory=dict)

    def transaction(self, rwset: TxRwset, **options: Any) -> bytes:
        """Return an envelope."""
        nonce = options.pop("nonce", None) or secrets.token_bytes(24)
        return crafted_transaction(self.material, rwset, nonce, **{"chaincode": self.chaincode} | options)

    def sets(self, namespace: str = "", **parts: Any) -> TxRwset:
        """Return the read/write set of one namespace."""
        return TxRwset((NamespaceRwset(namespace or self.chaincode, **parts),))

    def write(self, key: str, value: bytes = b"v", namespace: str = "") -> TxRwset:
        """Return a set that writes a key."""
        return self.sets(namespace, writes=(KvWrite(key, value),))

    def private(self, collection: str, key: str = "k", reads: tuple[HashedRead, ...] = ()) -> TxRwset:
        """Return a set that writes a private key's hash."""
        writes = (HashedWrite(key_hash(key), b"h" * 32),)
        return self.sets(collections=(HashedCollection(collection, reads=reads, writes=writes),))

    def impostor(self, msp_id: str, unit: str, *, days: int, authority: str = "") -> SigningIdentity:
        """Return an identity that is not among the organization's own.

        Args:
            unit: client or peer.
            days: of validity, from long ago.
            authority: organization whose authority vouches for it, in the place of its own.
        """
        name = f"{msp_id} {unit} {days} {authority}"
        if name not in self._impostors:
            folder = self.material.root / "peerOrganizations" / DOMAINS[authority or msp_id] / "ca"
            self._impostors[name] = issue_identity(
                Authority.load(folder), msp_id, f"{unit}.{DOMAINS[msp_id]}", [unit], START, START + timedelta(days=days)
            )
        return self._impostors[name]


def _groups(depth: int) -> bytes:
    """Return groups inside one another that no message knows."""
    return bytes([15 << 3 | 3]) * depth + bytes([15 << 3 | 4]) * depth


def written_oddly(forge: Forge) -> list[Case]:
    """Return sound transactions whose bytes only Go's protobuf library reads, at each level of them."""
    long_tag = b"\x8a\x80\x80\x80\x80\x80\x00"
    many = _groups(150)

    def put(field: str, change: Callable[[bytes], bytes]) -> Callable[[Any], None]:
        return lambda message: setattr(message, field, change(getattr(message, field)))

    def in_action(change: Callable[[bytes], bytes]) -> Callable[[Any], None]:
        return lambda message: put("payload", change)(message.actions[0])

    edits = {
        "the transaction": Edits(payload=put("data", lambda data: data + many)),
        "its action": Edits(transaction=in_action(lambda data: data + many)),
        "its action, 10,000 deep": Edits(transaction=in_action(lambda data: data + _groups(10_000))),
        "its action before all else": Edits(transaction=in_action(lambda data: many + data)),
        "the header's extension": Edits(channel_header=put("extension", lambda data: data + many)),
        "the chaincode's action": Edits(response_payload=put("extension", lambda data: data + many)),
        "the read/write set": Edits(action=put("results", lambda data: data + many)),
        "a tag of 7 bytes": Edits(transaction=in_action(lambda data: long_tag + data[1:])),
    }
    cases = [
        Case(f"oddly written: {name}", [forge.transaction(forge.write(f"odd {name}"), edits=edit)], [VALID])
        for name, edit in edits.items()
    ]
    envelope = forge.transaction(forge.write("odd envelope")) + many
    beyond = {
        "10,002 groups": _groups(10_002),
        "a number of 65 bits": b"\x78" + b"\x80" * 9 + b"\x02",
    }
    refused = [
        Case(
            f"oddly written, beyond what Go reads: {name}",
            [
                forge.transaction(
                    forge.write(name), edits=Edits(transaction=in_action(lambda data, more=more: data + more))
                )
            ],
            [INVALID_ENDORSER_TRANSACTION],
        )
        for name, more in beyond.items()
    ]
    return [*cases, Case("oddly written: the envelope", [envelope], [VALID]), *refused]


def malformed(forge: Forge) -> list[Case]:
    """Return the faults of form as cases; where no orderer of Fabric's takes one, it stands behind another transaction.

    A block is told by its first transaction to be of a channel, and otherwise refused as a whole.
    """
    cases = []
    for name, edits, code in MALFORMED:
        envelope = forge.transaction(forge.write(f"malformed {name}"), edits=edits)
        if name in NOT_COMPARED:
            continue
        if name in REFUSED_BY_ORDERERS:
            before = forge.transaction(forge.write(f"before {name}"))
            cases.append(Case(name, [before, envelope], [VALID, code], ordered=False))
        else:
            cases.append(Case(name, [envelope], [code], bft=name not in REFUSED_BY_BFT))
    return cases


def unordered(forge: Forge) -> list[Case]:
    """Return what only an orderer that checks nothing puts into a block, each behind another transaction."""
    make = forge.transaction
    write = forge.write("unordered")
    foreign = forge.impostor(BANK, "client", days=3650, authority=PARTNER)
    edits = {
        "signature of another message": Edits(
            envelope=lambda m: setattr(m, "signature", m.signature[:-1] + bytes([m.signature[-1] ^ 1]))
        ),
        "payload that is none": Edits(envelope=lambda m: setattr(m, "payload", b"\xff")),
        "configuration without content": Edits(
            channel_header=lambda m: setattr(m, "type", common_pb2.CONFIG), payload=lambda m: m.ClearField("data")
        ),
    }
    codes = (BAD_CREATOR_SIGNATURE, BAD_PAYLOAD, INVALID_CONFIG_TRANSACTION)
    found = {name: (make(write, edits=edit), code) for (name, edit), code in zip(edits.items(), codes, strict=True)} | {
        "creator whom another authority vouches for": (make(write, creator=foreign), BAD_CREATOR_SIGNATURE),
        "expired creator": (make(write, creator=forge.impostor(BANK, "client", days=1)), VALID),
    }
    return [
        Case(name, [make(write), envelope], [VALID, code], ordered=False) for name, (envelope, code) in found.items()
    ]


def judged(forge: Forge) -> list[Case]:
    """Return what signatures, policies and the state tell."""
    return [*_endorsed(forge), *_namespaces(forge), *_conflicts(forge), *_key_policies(forge), *_private(forge)]


def _endorsed(forge: Forge) -> list[Case]:
    make = forge.transaction
    write = forge.write("endorsed")
    both = [forge.material.signer(PARTNER), forge.material.signer(REGULATOR)]
    expired, foreign = (
        forge.impostor(PARTNER, "peer", days=1),
        forge.impostor(PARTNER, "peer", days=9, authority=BANK),
    )

    def flip(message: Any) -> None:
        signature = message.action.endorsements[1].signature
        message.action.endorsements[1].signature = signature[:-1] + bytes([signature[-1] ^ 1])

    twice = make(write)
    nonce = secrets.token_bytes(24)
    same_id = [make(forge.write(key), nonce=nonce) for key in ("first", "second")]
    event = chaincode_event_pb2.ChaincodeEvent(chaincode_id="other", event_name="e").SerializeToString()
    failure = [ENDORSEMENT_POLICY_FAILURE]
    return [
        Case("plain write", [make(write)], [VALID]),
        Case("no endorsement", [make(write, endorsers=[])], failure),
        Case("one endorser", [make(write, endorsers=[BANK])], failure),
        Case("one endorser twice", [make(write, endorsers=[BANK, BANK])], failure),
        Case("endorsed by clients", [make(write, endorsers=both)], failure),
        Case("endorsement of another message", [make(write, edits=Edits(action_payload=flip))], failure),
        Case("endorser whom another authority vouches for", [make(write, endorsers=[BANK, foreign])], failure),
        Case("expired endorser", [make(write, endorsers=[BANK, expired])], [VALID]),
        Case("the same twice", [twice, twice], [VALID, DUPLICATE_TXID], bft=False),
        Case("another one of the same id", same_id, [VALID, DUPLICATE_TXID], bft=False),
        Case("event of another chaincode", [make(write, event=event)], [INVALID_OTHER_REASON]),
    ]  # fmt: skip


def _namespaces(forge: Forge) -> list[Case]:
    make = forge.transaction
    twice = TxRwset(forge.write("a").namespaces * 2)
    other = TxRwset((*forge.write("a").namespaces, *forge.write("a", namespace="nowhere").namespaces))
    lifecycle = TxRwset((*forge.write("a").namespaces, *forge.write("junk", namespace="_lifecycle").namespaces))
    cases = [
        Case("namespace twice", [make(twice)], [ILLEGAL_WRITESET]),
        Case("chaincode that is not defined", [make(forge.write("a", namespace="nowhere"), chaincode="nowhere")],
             [INVALID_CHAINCODE]),
        Case("writes where no chaincode is defined", [make(other)], [INVALID_CHAINCODE]),
        Case("writes to the lifecycle, endorsed by two", [make(lifecycle)], [VALID]),
        Case("writes to the lifecycle, endorsed by one", [make(lifecycle, endorsers=[BANK])],
             [ENDORSEMENT_POLICY_FAILURE]),
        Case("name without form", [make(forge.write("a", namespace="no/name"), chaincode="no/name")],
             [INVALID_CHAINCODE]),
    ]  # fmt: skip
    for name in ("lscc", "qscc", "cscc", "vscc"):
        rwset = TxRwset((*forge.write("a").namespaces, *forge.write("a", namespace=name).namespaces))
        cases += [
            Case(f"writes to {name}", [make(rwset)], [INVALID_CHAINCODE]),
            Case(f"invokes {name}", [make(TxRwset(), chaincode=name)], [INVALID_CHAINCODE]),
        ]
    return cases


def _conflicts(forge: Forge) -> list[Case]:
    make = forge.transaction
    old = Version(0, 0)
    summary = MerkleSummary(2, 1, (b"h" * 32,))
    prepare = make(TxRwset((NamespaceRwset(forge.chaincode, writes=tuple(
        KvWrite(f"range{number:02}", b"v") for number in range(60))),)))  # fmt: skip
    queries = {
        "range that found nothing": RangeQuery("range", "rangf", True),
        "range that found one": RangeQuery("range", "rangf", True, reads=(KvRead("range00", old),)),
        "range with a hash tree no simulation makes": RangeQuery("range", "rangf", True, summary=summary),
        "range cut short": RangeQuery("range", "range01", False, reads=(KvRead("range00", old),)),
    }
    phantoms = [
        Case(name, [make(forge.sets(range_queries=(query,), writes=(KvWrite("x", b"v"),)))],
             [PHANTOM_READ_CONFLICT])
        for name, query in queries.items()
    ]  # fmt: skip
    read = forge.sets(reads=(KvRead("range00", None),), writes=(KvWrite("x", b"v"),))
    gone = forge.sets(reads=(KvRead("never there", old),), writes=(KvWrite("x", b"v"),))
    empty = forge.sets(range_queries=(RangeQuery("zzz", "zzzz", True),), writes=(KvWrite("x", b"v"),))
    delete = forge.sets(writes=(KvWrite("range59", b"", is_delete=True), KvWrite("", b"key without a name")))
    return [
        Case("sixty keys", [prepare], [VALID]),
        Case("reads what was not there then", [make(read)], [MVCC_READ_CONFLICT]),
        Case("reads what is no longer there", [make(gone)], [MVCC_READ_CONFLICT]),
        *phantoms,
        Case("range that finds nothing still", [make(empty)], [VALID]),
        Case("deletes, and writes the empty key", [make(delete)], [VALID]),
        Case("reads and writes nothing", [make(TxRwset())], [VALID]),
    ]


def _key_policies(forge: Forge) -> list[Case]:
    make = forge.transaction

    def guard(key: str, content: bytes) -> TxRwset:
        entries = (("VALIDATION_PARAMETER", content),)
        return forge.sets(writes=(KvWrite(key, b"v"),), metadata_writes=(KvMetadataWrite(key, entries),))

    policy = parse_signature_policy(f"OR('{REGULATOR}.peer')").SerializeToString()
    lifted = forge.sets(metadata_writes=(KvMetadataWrite("guarded", ()),))
    failure, write = [ENDORSEMENT_POLICY_FAILURE], forge.write("guarded")
    both = TxRwset((NamespaceRwset(forge.chaincode, writes=(KvWrite("free", b"v"), KvWrite("guarded", b"v"))),))
    return [
        Case("a key gets a policy", [make(guard("guarded", policy))], [VALID]),
        Case("written without its organization", [make(write)], failure),
        Case("written by its organization alone", [make(write, endorsers=[REGULATOR])], [VALID]),
        Case("with a free key, by its organization alone", [make(both, endorsers=[REGULATOR])], failure),
        Case("with a free key, by two", [make(both, endorsers=[REGULATOR, BANK])], [VALID]),
        Case("policy lifted without its organization", [make(lifted)], failure),
        Case("policy lifted", [make(lifted, endorsers=[REGULATOR])], [VALID]),
        Case("written as before", [make(write)], [VALID]),
        Case("a key gets a policy that is none", [make(guard("junk", b"\xff"))], [VALID]),
        # What is then written under it is left out: there is nothing to compare with.
        Case("policy and breach at once", [make(guard("at once", policy)), make(forge.write("at once"))],
             [VALID, ENDORSEMENT_POLICY_FAILURE]),
    ]  # fmt: skip


def _private(forge: Forge) -> list[Case]:
    make = forge.transaction
    failure = [ENDORSEMENT_POLICY_FAILURE]
    implicit = forge.private(f"_implicit_org_{PARTNER}")
    stale = forge.private("shared", reads=(HashedRead(key_hash("k"), Version(0, 0)),))
    others = [BANK, REGULATOR]
    return [
        Case("private write", [make(forge.private("shared"))], [VALID]),
        Case("private write, endorsed by one", [make(forge.private("shared"), endorsers=[BANK])], failure),
        Case("stale private read", [make(stale)], [MVCC_READ_CONFLICT]),
        Case("collection's own policy broken", [make(forge.private("guarded"), endorsers=others)], failure),
        Case("collection's own policy kept", [make(forge.private("guarded"), endorsers=[PARTNER])], [VALID]),
        # A collection that is not defined is left out: there is nothing to compare with.
        Case("implicit collection of another", [make(implicit, endorsers=others)], failure),
        Case("implicit collection of its own", [make(implicit, endorsers=[PARTNER])], [VALID]),
    ]  # fmt: skip


def revoked(forge: Forge) -> list[Case]:
    """Return what happens once :func:`to_revoke` are on their organization's revocation list."""
    make = forge.transaction
    creator, endorser = to_revoke(forge)
    write = forge.write("revoked")
    return [
        Case("revoked endorser", [make(write, endorsers=[BANK, endorser])], [ENDORSEMENT_POLICY_FAILURE]),
        Case(
            "revoked creator",
            [make(write), make(write, creator=creator)],
            [VALID, BAD_CREATOR_SIGNATURE],
            ordered=False,
        ),
        Case("the same with others", [make(write)], [VALID]),
    ]


def to_revoke(forge: Forge) -> tuple[SigningIdentity, SigningIdentity]:
    """Return a client and a peer of the partner's whose certificates are to be revoked."""
    return forge.impostor(PARTNER, "client", days=3000), forge.impostor(PARTNER, "peer", days=3000)
