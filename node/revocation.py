"""``dwaybank certificates revoke``: shuts out whoever holds a certificate, at every member of the channel.

Rules
- The list in the organization's folder comes first, then the configuration update that brings it to the channel: cut
  short in between, the same command again completes it. It takes back nothing that was revoked before, here or there.
- What this home's own processes present now is not revoked, for they would be shut out: it is renewed first, which
  keeps the old certificate so that its number is known here.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from fabric_protos.common import configtx_pb2
from fabric_protos.msp import msp_config_pb2

from network.block import parse_block
from network.channel_config import config_of_block
from network.client import GatewayClient
from network.config_delta import config_delta, sign_update
from network.crypto_material import revoke
from network.errors import GatewayError, RpcError
from network.go_revocation import RevocationList
from network.identity import SigningIdentity
from network.rpc.tls_files import read_client_tls
from network.topology import Consortium, Organization
from node.certificates import AUTHORITIES, Held, certificates_of, named_in_settings, replaced_certificates
from node.errors import ConfigurationError
from node.home import Home, tls_roots
from node.own_node import OwnNode
from node.peer.gateway.orderers import OrdererConnection, OrdererEndpoint

SUCCESS = 200
COMMIT_LOOKS, COMMIT_PAUSE_S = 150, 0.2


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate that the channel's members refuse.

    Attributes:
        certificate: it.
        file: the list that names it.
    """

    certificate: x509.Certificate
    file: Path


def revoke_certificate(home: Home, consortium: Consortium, member: Organization, serial: str, now: datetime) -> Revoked:
    """Put a certificate on its authority's list, and that on the channel.

    Args:
        serial: its number in hexadecimal digits, as ``dwaybank certificates list`` tells it.
        now: UTC time of the revocation.
    Raises:
        ConfigurationError: it is not known, it is in use here, or the channel does not take the list.
        ConfigError: the authority's key is not here.
    """
    certificate, tls = _found(home, consortium, member, serial)
    file = revoke(home.crypto(member), [certificate], now, tls=tls)
    try:
        asyncio.run(_bring(home, consortium, member, file.read_bytes(), now))
    except (RpcError, GatewayError) as error:
        raise ConfigurationError(
            f"{file} names it, and the channel does not know yet: {error}; once the consortium runs, revoke it again"
        ) from error
    return Revoked(certificate, file)


def _found(home: Home, consortium: Consortium, member: Organization, serial: str) -> tuple[x509.Certificate, bool]:
    """Return the certificate of a number, and whether its authority is that for TLS."""
    try:
        number = int(serial, 16)
    except ValueError as error:
        raise ConfigurationError(
            f"{serial}: no number of a certificate, `dwaybank certificates list` tells them"
        ) from error
    for held in certificates_of(home, consortium, [member.name]):
        if held.certificate.serial_number == number:
            _refuse_in_use(home, member, held)
            return held.certificate, held.use != "identity"
    for certificate in replaced_certificates(home.crypto(member)):
        if certificate.serial_number == number:
            return certificate, _is_for_tls(certificate)
    raise ConfigurationError(
        f"{serial}: no certificate of {member.name} here, nor one that was renewed; `dwaybank certificates list --org "
        f"{member.name}` tells their numbers"
    )


def _refuse_in_use(home: Home, member: Organization, held: Held) -> None:
    if held.use in AUTHORITIES.values() or held.key is None:
        raise ConfigurationError(f"{held.holder}: only what this home's authorities issued is revoked here")
    # The administrator is who brings this list to the channel.
    own = {home.user(member, "Admin") / "msp", *named_in_settings(home.organization(member))}
    if not own.isdisjoint((held.path, held.folder)):
        raise ConfigurationError(
            f"{held.holder} is in use here and would be shut out: `dwaybank certificates renew --force --org "
            f"{member.name} --home {home.root}`, start again (`dwaybank down`, `dwaybank up`), then revoke this number"
        )


def _is_for_tls(certificate: x509.Certificate) -> bool:
    try:
        certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return False
    return True


async def _bring(home: Home, consortium: Consortium, member: Organization, pem: bytes, now: datetime) -> None:
    """Have the organization's part of the channel's configuration hold the list."""
    administrator = SigningIdentity.from_msp_folder(home.user(member, "Admin") / "msp", member.msp_id)
    async with OwnNode(home, consortium, member) as node:
        client = GatewayClient(node.channel, administrator, consortium.channel)
        current = await _configuration(client)
        wanted = configtx_pb2.ConfigGroup()
        wanted.CopyFrom(current)
        if not _add(wanted, member.msp_id, pem):
            return
        update = config_delta(consortium.channel, current, wanted)
        envelope = sign_update(update, [administrator], now, secrets.token_bytes)
        await _order(home, consortium, member, envelope.SerializeToString())
        for _ in range(COMMIT_LOOKS):
            if not _add(await _configuration(client), member.msp_id, pem):
                return
            await asyncio.sleep(COMMIT_PAUSE_S)
        raise ConfigurationError(
            f"the orderer has taken the list, and {member.display_name}'s peer does not have that block yet: look with "
            "`dwaybank status` why, and revoke it again then"
        )


async def _configuration(client: GatewayClient) -> configtx_pb2.ConfigGroup:
    block = parse_block(await client.evaluate("cscc", "GetConfigBlock", client.channel_id))
    return configtx_pb2.ConfigEnvelope.FromString(config_of_block(block)[1]).config.channel_group


def _add(group: configtx_pb2.ConfigGroup, msp_id: str, pem: bytes) -> bool:
    """Put a list into an organization's MSP, in the place of those it contains; tell whether that changed anything."""
    value = group.groups["Application"].groups[msp_id].values["MSP"]
    config = msp_config_pb2.MSPConfig.FromString(value.value)
    fabric = msp_config_pb2.FabricMSPConfig.FromString(config.config)
    if pem in fabric.revocation_list:
        return False
    kept = [
        one for one in fabric.revocation_list if not _contains(RevocationList.parse(pem), RevocationList.parse(one))
    ]
    del fabric.revocation_list[:]
    fabric.revocation_list.extend([*kept, pem])
    config.config = fabric.SerializeToString()
    value.value = config.SerializeToString()
    return True


def _contains(newer: RevocationList, older: RevocationList) -> bool:
    return older.authority == newer.authority and older.serial_numbers <= newer.serial_numbers


async def _order(home: Home, consortium: Consortium, member: Organization, envelope: bytes) -> None:
    tls = home.user(member, "Admin") / "tls"
    roots = tls_roots(home, consortium)[consortium.orderer.msp_id]
    address = f"127.0.0.1:{consortium.orderer.port}"
    orderer = OrdererConnection(
        OrdererEndpoint(address, consortium.orderer.msp_id),
        read_client_tls(tls / "client.crt", tls / "client.key", roots),
    )
    try:
        answer = await orderer.broadcast(envelope)
    finally:
        await orderer.close()
    if answer.status != SUCCESS:
        raise ConfigurationError(
            f"the orderer refused the list: {answer.info or answer.status}; where the configuration was changed at the "
            "same moment, revoke it again"
        )
