"""What an update says of an organization: in each part of the configuration that has it."""

from __future__ import annotations

import pytest
from fabric_protos.common import configtx_pb2
from fabric_protos.msp import msp_config_pb2

from node import channel_update
from node.errors import ConfigurationError


def configuration(*places: tuple[str, str]) -> configtx_pb2.ConfigGroup:
    group = configtx_pb2.ConfigGroup()
    for kind, msp_id in places:
        msp = msp_config_pb2.FabricMSPConfig(name=msp_id)
        config = msp_config_pb2.MSPConfig(config=msp.SerializeToString())
        group.groups[kind].groups[msp_id].values["MSP"].value = config.SerializeToString()
    return group


def add_list(msp: msp_config_pb2.FabricMSPConfig) -> bool:
    if msp.revocation_list:
        return False
    msp.revocation_list.append(b"list of " + msp.name.encode())
    return True


def lists(group: configtx_pb2.ConfigGroup, kind: str, msp_id: str) -> list[bytes]:
    config = msp_config_pb2.MSPConfig.FromString(group.groups[kind].groups[msp_id].values["MSP"].value)
    return list(msp_config_pb2.FabricMSPConfig.FromString(config.config).revocation_list)


def test_organization_that_is_member_and_orders_is_changed_in_both_places_and_nobody_else() -> None:
    group = configuration(("Application", "BankMSP"), ("Orderer", "BankMSP"), ("Application", "OtherMSP"))
    assert channel_update._changed(group, "BankMSP", add_list)
    assert lists(group, "Application", "BankMSP") == lists(group, "Orderer", "BankMSP") == [b"list of BankMSP"]
    assert lists(group, "Application", "OtherMSP") == []
    assert not channel_update._changed(group, "BankMSP", add_list)


def test_organization_that_the_channel_does_not_have_is_named() -> None:
    with pytest.raises(
        ConfigurationError, match="organization BankMSP is not in the channel's configuration: an update"
    ):
        channel_update._changed(configuration(("Application", "OtherMSP")), "BankMSP", add_list)
