"""Configuration updates as an administrator's tool makes them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.orderer import configuration_pb2

from network.channel_config import config_of_block
from network.envelope import signed_payload
from network.identity import SigningIdentity


def batch_size_update(
    config_block: common_pb2.Block,
    max_messages: int,
    administrators: Sequence[SigningIdentity],
    sender: SigningIdentity,
) -> bytes:
    """Return a CONFIG_UPDATE envelope that changes the orderer's BatchSize.

    Args:
        config_block: holds the configuration in force.
        max_messages: envelopes in a block from then on.
        administrators: sign the update.
        sender: signs the envelope.
    """
    channel_id, envelope = config_of_block(config_block)
    group = configtx_pb2.ConfigEnvelope.FromString(envelope).config.channel_group
    update = configtx_pb2.ConfigUpdate(channel_id=channel_id)
    value = group.groups["Orderer"].values["BatchSize"]
    batch = configuration_pb2.BatchSize.FromString(value.value)
    batch.max_message_count = max_messages
    update.read_set.groups["Orderer"].version = group.groups["Orderer"].version
    update.write_set.groups["Orderer"].version = group.groups["Orderer"].version
    changed = update.write_set.groups["Orderer"].values["BatchSize"]
    changed.value, changed.version, changed.mod_policy = batch.SerializeToString(), value.version + 1, value.mod_policy
    message = configtx_pb2.ConfigUpdateEnvelope(config_update=update.SerializeToString())
    for admin in administrators:
        header = common_pb2.SignatureHeader(creator=admin.creator, nonce=secrets.token_bytes(24)).SerializeToString()
        message.signatures.add(signature_header=header, signature=admin.sign(header + message.config_update))
    signed = signed_payload(
        common_pb2.CONFIG_UPDATE,
        channel_id,
        message.SerializeToString(),
        sender,
        nonce=secrets.token_bytes(24),
        timestamp=datetime.now(UTC),
    )
    return bytes(signed.SerializeToString())
