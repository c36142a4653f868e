"""Endorsement descriptors: which groups of peers can endorse, and how many of each are enough.

A layout says how many peers of each group must endorse; any layout will do. A group is named "G0", "G1", ... and stands
for one principal; in it are the peers that satisfy it and run the chaincodes.

Source: Fabric discovery/endorsement/endorsement.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fabric_protos.discovery import protocol_pb2

from network.channel_config import ChannelConfig
from network.errors import IdentityError
from node.peer.discovery.interests import DiscoveryError, Interest
from node.peer.discovery.members import Member
from node.peer.discovery.principal_sets import Principal, PrincipalSet


def endorsement_descriptor(interest: Interest, members: Sequence[Member]) -> protocol_pb2.EndorsementDescriptor:
    """Return whose endorsements satisfy an interest.

    Args:
        interest: what is called and touched.
        members: the channel's peers that are alive.
    Raises:
        DiscoveryError: no combination of them does.
    """
    authorized = [member for member in members if interest.authorizes(member.identity)]
    sets = interest.principal_sets()
    able = {
        principal: [member for member in authorized if _satisfies(interest.config, member, principal)]
        for principal in dict.fromkeys(principal for item in sets for principal in item)
    }
    layouts = [Counter(item) for item in sets if _enough(Counter(item), able)]
    if not layouts:
        raise DiscoveryError("no peer combination can satisfy the endorsement policy")
    needed = interest.chaincodes()
    running = {principal: [peer for peer in peers if needed <= peer.chaincodes] for principal, peers in able.items()}
    groups = {principal: f"G{number}" for number, principal in enumerate(dict.fromkeys(_all(layouts)))}
    layouts = [layout for layout in layouts if _enough(layout, running)]
    if not layouts:
        raise DiscoveryError("required chaincodes are not installed on sufficient peers")
    descriptor = protocol_pb2.EndorsementDescriptor(chaincode=interest.calls[0].name)
    for layout in layouts:
        quantities = {groups[principal]: quantity for principal, quantity in layout.items()}
        descriptor.layouts.add(quantities_by_group=quantities)
    for principal, group in groups.items():
        peers = [peer.describe(with_state=True) for peer in running[principal]]
        if peers:
            descriptor.endorsers_by_groups[group].peers.extend(peers)
    return descriptor


def _all(layouts: Sequence[Counter[Principal]]) -> PrincipalSet:
    return tuple(principal for layout in layouts for principal in layout)


def _enough(layout: Counter[Principal], peers: dict[Principal, list[Member]]) -> bool:
    return all(len(peers[principal]) >= quantity for principal, quantity in layout.items())


def _satisfies(config: ChannelConfig, member: Member, principal: Principal) -> bool:
    try:
        config.msps.satisfies_principal(member.identity, principal.message())
    except IdentityError:
        return False
    return True
