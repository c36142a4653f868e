"""Changes what the channel's configuration says of an organization, as that organization's administrator."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from fabric_protos.common import configtx_pb2
from fabric_protos.msp import msp_config_pb2

from network.block import parse_block
from network.channel_config import config_of_block
from network.client import GatewayClient
from network.config_delta import config_delta, sign_update
from network.errors import GatewayError, RpcError
from network.identity import SigningIdentity
from network.rpc.tls_files import read_client_tls
from network.topology import Consortium
from node.errors import ConfigurationError
from node.home import Home, tls_roots
from node.own_node import OwnNode
from node.peer.gateway.orderers import OrdererConnection, OrdererEndpoint

SUCCESS = 200
COMMIT_LOOKS, COMMIT_PAUSE_S = 150, 0.2

Change = Callable[[msp_config_pb2.FabricMSPConfig], bool]
"""Changes an MSP in place and tells whether it did; not where all is so already."""


def change_msp(home: Home, consortium: Consortium, msp_id: str, change: Change, now: datetime) -> None:
    """Have the channel's configuration hold a change of an organization's MSP; return when the first peer has it.

    Args:
        msp_id: a member's, or that of the orderer's organization.
        now: UTC time of the update.
    Raises:
        ConfigurationError: the consortium does not run, or does not take the change.
    """
    try:
        asyncio.run(_change(home, consortium, msp_id, change, now))
    except (RpcError, GatewayError) as error:
        raise ConfigurationError(
            f"the channel does not know yet: {error}; once the consortium runs, give this command again"
        ) from error


async def _change(home: Home, consortium: Consortium, msp_id: str, change: Change, now: datetime) -> None:
    member = next((one for one in consortium.organizations if one.msp_id == msp_id), consortium.organizations[0])
    reader = SigningIdentity.from_msp_folder(home.user(member, "Admin") / "msp", member.msp_id)
    administrator = SigningIdentity.from_msp_folder(_administrator(home, consortium, msp_id), msp_id)
    async with OwnNode(home, consortium, member) as node:
        client = GatewayClient(node.channel, reader, consortium.channel)
        current = await _configuration(client)
        wanted = configtx_pb2.ConfigGroup()
        wanted.CopyFrom(current)
        if not _changed(wanted, msp_id, change):
            return
        update = config_delta(consortium.channel, current, wanted)
        envelope = sign_update(update, [administrator], now, secrets.token_bytes)
        await _order(home, consortium, home.user(member, "Admin") / "tls", envelope.SerializeToString())
        for _ in range(COMMIT_LOOKS):
            if not _changed(await _configuration(client), msp_id, change):
                return
            await asyncio.sleep(COMMIT_PAUSE_S)
        raise ConfigurationError(
            f"the orderer has taken the change, and {member.display_name}'s peer does not have that block yet: "
            "`dwaybank status` tells why; give this command again then"
        )


def _administrator(home: Home, consortium: Consortium, msp_id: str) -> Path:
    for member in consortium.organizations:
        if member.msp_id == msp_id:
            return home.user(member, "Admin") / "msp"
    return home.orderer_crypto(consortium) / "users" / f"Admin@{consortium.orderer.domain}" / "msp"


async def _configuration(client: GatewayClient) -> configtx_pb2.ConfigGroup:
    block = parse_block(await client.evaluate("cscc", "GetConfigBlock", client.channel_id))
    return configtx_pb2.ConfigEnvelope.FromString(config_of_block(block)[1]).config.channel_group


def _changed(group: configtx_pb2.ConfigGroup, msp_id: str, change: Change) -> bool:
    """Change an organization wherever the configuration has it: as a member, and as one that orders."""
    kinds = (group.groups["Application"], group.groups["Orderer"])
    organizations = [kind.groups[msp_id] for kind in kinds if msp_id in kind.groups]
    if not organizations:
        raise ConfigurationError(
            f"organization {msp_id} is not in the channel's configuration: an update by the channel's administrators "
            "brings it there first"
        )
    changed = [_changed_in(organization, change) for organization in organizations]  # each, not up to the first
    return any(changed)


def _changed_in(organization: configtx_pb2.ConfigGroup, change: Change) -> bool:
    value = organization.values["MSP"]
    config = msp_config_pb2.MSPConfig.FromString(value.value)
    fabric = msp_config_pb2.FabricMSPConfig.FromString(config.config)
    if not change(fabric):
        return False
    config.config = fabric.SerializeToString()
    value.value = config.SerializeToString()
    return True


async def _order(home: Home, consortium: Consortium, tls: Path, envelope: bytes) -> None:
    orderer = OrdererConnection(
        OrdererEndpoint(f"127.0.0.1:{consortium.orderer.port}", consortium.orderer.msp_id),
        read_client_tls(tls / "client.crt", tls / "client.key", tls_roots(home, consortium)[consortium.orderer.msp_id]),
    )
    try:
        answer = await orderer.broadcast(envelope)
    finally:
        await orderer.close()
    if answer.status != SUCCESS:
        raise ConfigurationError(
            f"the orderer refused the change: {answer.info or answer.status}; where the configuration was changed at "
            "the same moment, give this command again"
        )
