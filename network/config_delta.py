"""Making configuration updates: the difference between two configurations, and the signatures under it.

An update says which versions it was made for (read set) and which elements become what (write set). Where a group's
membership changes, all its members are listed in both, so that a change made meanwhile by another is noticed.

Left to others: judging updates (`network.config_update`).

Source: Fabric 3.1 internal/configtxlator/update/update.go, Compute; protoutil/txutils.go, CreateSignedEnvelope.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from fabric_protos.common import common_pb2, configtx_pb2

from network.errors import ConfigError
from network.identity import SigningIdentity

_NONCE_BYTES = 24


def config_delta(
    channel_id: str, current: configtx_pb2.ConfigGroup, wanted: configtx_pb2.ConfigGroup
) -> configtx_pb2.ConfigUpdate:
    """Return the update that leads from one configuration to another.

    Args:
        channel_id: the channel.
        current: root group in force, with its versions.
        wanted: root group as it should be; its versions are ignored.
    Raises:
        ConfigError: the two do not differ.
    Source: Fabric internal/configtxlator/update/update.go, Compute.
    """
    read, write, changed = _compare(current, wanted)
    if not changed:
        raise ConfigError("the configuration wanted is the one in force; change something first")
    return configtx_pb2.ConfigUpdate(channel_id=channel_id, read_set=read, write_set=write)


def sign_update(
    update: configtx_pb2.ConfigUpdate,
    signers: Sequence[SigningIdentity],
    timestamp: datetime,
    random_bytes: Callable[[int], bytes],
) -> common_pb2.Envelope:
    """Return an update as an envelope for the ordering service.

    Args:
        update: what to change.
        signers: administrators whose organizations agree; the first also submits.
        timestamp: UTC time of submission.
        random_bytes: source of nonces.
    Returns:
        envelope of type CONFIG_UPDATE.
    """
    serialized = update.SerializeToString(deterministic=True)
    signed = configtx_pb2.ConfigUpdateEnvelope(config_update=serialized)
    for signer in signers:
        header = _signature_header(signer, random_bytes(_NONCE_BYTES))
        signed.signatures.add(signature_header=header, signature=signer.sign(header + serialized))
    submitter, nonce = signers[0], random_bytes(_NONCE_BYTES)
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.CONFIG_UPDATE,
        channel_id=update.channel_id,
        tx_id=hashlib.sha256(nonce + submitter.creator).hexdigest(),
    )
    channel_header.timestamp.FromDatetime(timestamp)
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(), signature_header=_signature_header(submitter, nonce)
    )
    payload = common_pb2.Payload(header=header, data=signed.SerializeToString()).SerializeToString()
    return common_pb2.Envelope(payload=payload, signature=submitter.sign(payload))


def _signature_header(signer: SigningIdentity, nonce: bytes) -> bytes:
    serialized: bytes = common_pb2.SignatureHeader(creator=signer.creator, nonce=nonce).SerializeToString()
    return serialized


def _compare(
    current: configtx_pb2.ConfigGroup, wanted: configtx_pb2.ConfigGroup
) -> tuple[configtx_pb2.ConfigGroup, configtx_pb2.ConfigGroup, bool]:
    """Return a group's read set and write set, and whether anything in it changes."""
    read = configtx_pb2.ConfigGroup(version=current.version)
    write = configtx_pb2.ConfigGroup(version=current.version)
    unchanged = configtx_pb2.ConfigGroup()
    members_change = current.mod_policy != wanted.mod_policy
    for kind in ("values", "policies"):
        members_change |= _compare_items(kind, current, wanted, write, unchanged)
    members_change |= _compare_groups(current, wanted, read, write, unchanged)
    if members_change:
        read.MergeFrom(unchanged)
        write.MergeFrom(unchanged)
        write.version = current.version + 1
        write.mod_policy = wanted.mod_policy
    return read, write, members_change or bool(write.values or write.policies or write.groups)


def _compare_items(
    kind: str,
    current: configtx_pb2.ConfigGroup,
    wanted: configtx_pb2.ConfigGroup,
    write: configtx_pb2.ConfigGroup,
    unchanged: configtx_pb2.ConfigGroup,
) -> bool:
    """Compare the values or policies of a group; return whether one appears or disappears."""
    before, after = getattr(current, kind), getattr(wanted, kind)
    for name in after:
        if name in before and _same(kind, before[name], after[name]):
            getattr(unchanged, kind)[name].version = before[name].version
            continue
        written = getattr(write, kind)[name]
        written.CopyFrom(after[name])
        written.version = before[name].version + 1 if name in before else 0
    return bool(before.keys() ^ after.keys())


def _same(
    kind: str,
    one: configtx_pb2.ConfigValue | configtx_pb2.ConfigPolicy,
    other: configtx_pb2.ConfigValue | configtx_pb2.ConfigPolicy,
) -> bool:
    content = "value" if kind == "values" else "policy"
    same_content: bool = getattr(one, content) == getattr(other, content)
    return same_content and one.mod_policy == other.mod_policy


def _compare_groups(
    current: configtx_pb2.ConfigGroup,
    wanted: configtx_pb2.ConfigGroup,
    read: configtx_pb2.ConfigGroup,
    write: configtx_pb2.ConfigGroup,
    unchanged: configtx_pb2.ConfigGroup,
) -> bool:
    """Compare the groups below a group; return whether one appears or disappears."""
    for name in wanted.groups:
        if name not in current.groups:
            _, written, _ = _compare(configtx_pb2.ConfigGroup(), wanted.groups[name])
            written.version, written.mod_policy = 0, wanted.groups[name].mod_policy
            write.groups[name].CopyFrom(written)
            continue
        below_read, below_write, changed = _compare(current.groups[name], wanted.groups[name])
        if changed:
            read.groups[name].CopyFrom(below_read)
            write.groups[name].CopyFrom(below_write)
        else:
            unchanged.groups[name].version = current.groups[name].version
    return bool(current.groups.keys() ^ wanted.groups.keys())
