"""A channel's configuration as discovery tells it: the organizations' MSPs, and where the orderers listen.

Source: Fabric discovery/support/config/support.go.
"""

from __future__ import annotations

from fabric_protos.common import configuration_pb2
from fabric_protos.discovery import protocol_pb2
from fabric_protos.msp import msp_config_pb2

from network.channel_config import ChannelConfig


def config_result(config: ChannelConfig) -> protocol_pb2.ConfigResult:
    """Return the answer to a configuration query.

    An organization without addresses of its own stands with none, as long as any other has some; where none has, the
    channel's common addresses count for each.
    """
    result = protocol_pb2.ConfigResult()
    root = config.group()
    orderers: dict[str, list[str]] = {}
    for role in ("Orderer", "Application"):
        for group in root.groups[role].groups.values():
            content = msp_config_pb2.MSPConfig.FromString(group.values["MSP"].value).config
            msp = msp_config_pb2.FabricMSPConfig.FromString(content)
            if role == "Orderer":
                orderers[msp.name] = _addresses(group.values["Endpoints"].value)
            if msp.name not in result.msps:
                result.msps[msp.name].CopyFrom(msp)
    common = _addresses(root.values["OrdererAddresses"].value) if not any(orderers.values()) else []
    for msp_id, addresses in orderers.items():
        endpoints = result.orderers[msp_id]
        for address in addresses or common:
            host, _, port = address.rpartition(":")
            if not port.isdecimal():
                continue
            endpoints.endpoint.add(host=host.strip("[]"), port=int(port))
    return result


def _addresses(value: bytes) -> list[str]:
    return list(configuration_pb2.OrdererAddresses.FromString(value).addresses)
