"""A bank, a witness and one proof: everything a bundle needs, on an in-memory channel with real bytes.

``python -m tests.support.proof_scenario FOLDER`` writes the golden files of ``fixtures/proofs``.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.peer import configuration_pb2
from nacl.signing import SigningKey

from network.bundle import BundleContent, DecisionEvidence, TransactionRef, WitnessEvidence, build_bundle
from network.bundle_many import RANGE, ManyContent, RangeClaim
from network.bundle_many_form import serialize_many
from network.channel_config import ChannelConfig
from network.checkpoint import COSIGNATURE_V1, Checkpoint, cosign, sign_checkpoint, verifier_key
from network.envelope import config_envelope, signed_payload
from network.merkle import inclusion_proof, leaf_hash, root
from tests.support.consortium_in_memory import (
    BANK,
    CHANNEL,
    ORDERER,
    PARTNER,
    REGULATOR,
    START,
    ConsortiumInMemory,
    make_material,
)

LOG_KEY = SigningKey(bytes(31) + b"\x01")
WITNESS_KEYS = {REGULATOR: SigningKey(bytes(31) + b"\x02"), PARTNER: SigningKey(bytes(31) + b"\x03")}
SIZE = 20
SEQ = 7
SALT = bytes(range(32))
COSIGNED_AT = int(START.timestamp()) + 60


def origin(msp_id: str = BANK) -> str:
    return f"dwaybank.node/log/{msp_id}"


def witness_name(msp_id: str) -> str:
    return f"dwaybank.node/witness/{msp_id}"


def canonical(seq: int) -> bytes:
    """An entry's canonical bytes; here they only have to be some."""
    return b"entry " + str(seq).encode()


def decision(seq: int) -> bytes:
    """A decision record, salt first."""
    return bytes(32) + b"automated_approval of " + str(seq).encode()


LEAVES = [leaf_hash(SALT + canonical(seq)) for seq in range(1, SIZE + 1)]
DECISIONS = [leaf_hash(decision(seq)) for seq in range(1, SIZE + 1)]
NOTE = sign_checkpoint(Checkpoint(origin(), SIZE, root(LEAVES)), origin(), LOG_KEY)


@dataclass(frozen=True)
class Scenario:
    """A channel on which entry ``SEQ`` is anchored and witnessed, and the bundle that proves it."""

    consortium: ConsortiumInMemory
    content: BundleContent

    def bundle(self, **changes: object) -> bytes:
        """Return the bundle's text, with some of its content replaced."""
        return build_bundle(replace(self.content, **changes))  # type: ignore[arg-type]

    def blocks(self, *numbers: int) -> dict[int, bytes]:
        """Return the content's blocks and further ones of the channel."""
        return {**self.content.blocks, **{number: self.consortium.raw(number) for number in numbers}}


async def anchor_entry(consortium: ConsortiumInMemory, *, update_config: bool = True) -> Scenario:
    """Register keys, change the channel's configuration, anchor log and epoch, cosign, and put the bundle together."""
    bank = consortium.gateway(BANK)
    registered = await bank.submit("audit", "RegisterLog", origin(), verifier_key(origin(), LOG_KEY))
    witnesses = {}
    for msp_id, key in WITNESS_KEYS.items():
        text = verifier_key(witness_name(msp_id), key, COSIGNATURE_V1)
        gateway = consortium.gateway(msp_id)
        witnesses[msp_id] = await gateway.submit("audit", "RegisterWitness", witness_name(msp_id), text)
    config_block = update_channel(consortium) if update_config else None
    anchored = await bank.submit("audit", "AnchorCheckpoint", NOTE, "[]", "00" * 32)
    epoch = {
        "epoch": 1,
        "from_seq": 1,
        "to_seq": SIZE,
        "root": base64.b64encode(root(DECISIONS)).decode(),
        "counts": {"automated_approval": SIZE, "requires_manual_review": 0},
        "rules_hash": "11" * 32,
        "flags": [],
    }
    decided = await bank.submit("compliance", "AnchorEpoch", json.dumps(epoch))
    evidence = []
    for msp_id, key in WITNESS_KEYS.items():
        line = cosign(NOTE, witness_name(msp_id), key, COSIGNED_AT)
        await consortium.gateway(msp_id).submit("audit", "Cosign", BANK, str(SIZE), line)
        evidence.append(WitnessEvidence(msp_id, line, TransactionRef(witnesses[msp_id].block_number, 0)))
    numbers = {0, 1, 2, registered.block_number, anchored.block_number, decided.block_number}
    numbers |= {item.registration.block for item in evidence}
    numbers |= {config_block} if config_block is not None else set()
    content = BundleContent(
        channel=CHANNEL,
        organization=BANK,
        seq=SEQ,
        salt=SALT,
        canonical=canonical(SEQ),
        fields={"seq": SEQ},
        size=SIZE,
        proof=tuple(inclusion_proof(LEAVES, SEQ - 1)),
        note=NOTE.decode(),
        registration=TransactionRef(registered.block_number, 0),
        anchor=TransactionRef(anchored.block_number, 0),
        witnesses=tuple(evidence),
        decision=DecisionEvidence(
            decision(SEQ), 1, tuple(inclusion_proof(DECISIONS, SEQ - 1)), TransactionRef(decided.block_number, 0)
        ),
        definitions={"audit": (TransactionRef(1, 0),), "compliance": (TransactionRef(2, 0),)},
        blocks={number: consortium.raw(number) for number in numbers},
    )
    return Scenario(consortium, content)


async def long_lived(consortium: ConsortiumInMemory, updates: int, definitions: int) -> bytes:
    """Change configuration and contract this often, anchor a log, and prove the range of all its entries, withheld."""
    defined = [consortium.define("audit", sequence=sequence) for sequence in range(2, 1 + definitions)]
    changed = [update_channel(consortium) for _ in range(updates)]
    scenario = await anchor_entry(consortium, update_config=False)
    references = tuple(TransactionRef(number, 0) for number in (1, *defined))
    return serialize_many(
        ManyContent(
            RANGE,
            CHANNEL,
            BANK,
            (scenario.content.checkpoint,),
            {"audit": references},
            scenario.blocks(*defined, *changed),
            range=RangeClaim(1, SIZE, tuple(LEAVES), ()),
        )
    )


def update_channel(consortium: ConsortiumInMemory, *, signed_by: str = PARTNER) -> int:
    """Commit a configuration block that gives the partner an anchor peer; return its number."""
    config = ChannelConfig.from_envelope(consortium.config_envelope, CHANNEL)
    group = configtx_pb2.ConfigEnvelope.FromString(consortium.config_envelope).config.channel_group
    application = group.groups["Application"]
    update = configtx_pb2.ConfigUpdate(channel_id=CHANNEL)
    update.read_set.version = group.version
    update.read_set.groups["Application"].version = application.version
    update.read_set.groups["Application"].groups[PARTNER].version = application.groups[PARTNER].version
    known = update.read_set.groups["Application"].groups[PARTNER]
    for name, value in application.groups[PARTNER].values.items():
        known.values[name].version = value.version
    for name, policy in application.groups[PARTNER].policies.items():
        known.policies[name].version = policy.version
    update.write_set.CopyFrom(update.read_set)
    changed = update.write_set.groups["Application"].groups[PARTNER]
    changed.CopyFrom(application.groups[PARTNER])
    changed.version += 1
    peers = configuration_pb2.AnchorPeers(anchor_peers=[configuration_pb2.AnchorPeer(host="127.0.0.1", port=7051)])
    changed.values["AnchorPeers"].value = peers.SerializeToString()
    changed.values["AnchorPeers"].mod_policy = "Admins"
    admin = consortium.material.signer(signed_by, "Admin")
    serialized = update.SerializeToString()
    header = common_pb2.SignatureHeader(creator=admin.creator, nonce=bytes(24)).SerializeToString()
    signed = configtx_pb2.ConfigUpdateEnvelope(
        config_update=serialized,
        signatures=[configtx_pb2.ConfigSignature(signature_header=header, signature=admin.sign(header + serialized))],
    )
    now = consortium.now()
    outer = signed_payload(
        common_pb2.CONFIG_UPDATE, CHANNEL, signed.SerializeToString(), admin, nonce=bytes(24), timestamp=now
    )
    envelope = config.propose_update(outer)
    orderer = consortium.material.signer(ORDERER, "orderer")
    transaction = config_envelope(CHANNEL, envelope, orderer, nonce=bytes(24), timestamp=now)
    number = consortium.commit([transaction.SerializeToString()], is_config=True)
    consortium.config_envelope = envelope
    return number


def main() -> None:
    """Write the golden files."""
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as root_folder:
        consortium = ConsortiumInMemory(make_material(Path(root_folder)))
        scenario = asyncio.run(anchor_entry(consortium))
        (folder / "bundle.json").write_bytes(scenario.bundle())
        (folder / "genesis_hash.txt").write_text(consortium.genesis_hash.hex() + "\n")


if __name__ == "__main__":
    main()
