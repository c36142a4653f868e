"""Which committed definitions this organization approves, and what code runs them on this peer.

An approval is in the peer's settings, which also name the code, or in the organization's implicit collection, which
names an installed package. Go peers keep this in a cache, so none of it may stand in a read set: it is read aside.

Source: Fabric core/chaincode/lifecycle/{cache,endorsement_info}.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.peer.channel import Channel
from node.peer.definition import Definition
from node.peer.errors import ChaincodeError
from node.peer.installed import InstalledPackages
from node.peer.lifecycle import Lifecycle
from node.peer.lifecycle_state import (
    OrganizationState,
    approval_mismatches,
    committed_names,
    hash_of_package_id,
    package_hash,
)
from node.peer.tx_simulator import TxSimulator


@dataclass(frozen=True, slots=True)
class _Approval:
    """What an organization's implicit collection says about one definition."""

    approved: bool
    package_hash: bytes


class Approvals:
    """This organization's view of one channel's definitions.

    Args:
        channel: channel.
        msp_id: this organization.
        lifecycle: knows what the settings approve.
        packages: what is installed.
    """

    def __init__(self, channel: Channel, msp_id: str, lifecycle: Lifecycle, packages: InstalledPackages) -> None:
        self._channel = channel
        self._msp_id = msp_id
        self._lifecycle = lifecycle
        self._packages = packages

    async def code_of(self, definition: Definition) -> str:
        """Return what runs a committed chaincode here: its own name where the settings do, else a package id.

        Raises:
            ChaincodeError: this organization did not approve the definition, or the package is not installed.
        """
        if self._lifecycle.approves(definition):
            return definition.name
        approval = await self._approval(self._msp_id, definition)
        if not approval.approved:
            raise ChaincodeError(
                f"chaincode definition for '{definition.name}' at sequence {definition.sequence} on channel "
                f"'{self._channel.channel_id}' has not yet been approved by this org"
            )
        package_id = self._packages.by_hash(approval.package_hash)
        if not package_id:
            raise not_installed(definition.name)
        return package_id

    async def packages_in_use(self) -> dict[str, list[tuple[str, str]]]:
        """Return, by package id, the name and version of the chaincodes it runs on this channel."""
        in_use: dict[str, list[tuple[str, str]]] = {}
        for definition in await self.definitions():
            approval = await self._approval(self._msp_id, definition)
            if approval.approved and (package_id := self._packages.by_hash(approval.package_hash)):
                in_use.setdefault(package_id, []).append((definition.name, definition.version))
        return in_use

    async def definitions(self) -> list[Definition]:
        """Return the committed definitions, in the order of their names."""
        names = await self._channel.read_aside(("names",), committed_names)
        found = [await self._channel.committed_definition(name) for name in names]
        return [definition for definition in found if definition is not None]

    async def runs_at(self, msp_id: str, definition: Definition) -> bool:
        """Say whether an organization approves a definition and names a package that runs it, as far as can be seen.

        What the settings approve here, every member's settings are taken to approve.
        """
        if self._lifecycle.approves(definition):
            return True
        approval = await self._approval(msp_id, definition)
        return approval.approved and approval.package_hash not in (b"", hash_of_package_id(""))

    async def _approval(self, msp_id: str, definition: Definition) -> _Approval:
        async def read(simulator: TxSimulator) -> _Approval:
            state = OrganizationState(simulator, msp_id)
            mismatches = await approval_mismatches(state, definition)
            return _Approval(not mismatches, await package_hash(state, definition.approval_name))

        return await self._channel.read_aside(("approval", msp_id, definition), read)


def not_installed(chaincode: str) -> ChaincodeError:
    """Return the error of a chaincode that is defined and approved while its code is not here."""
    return ChaincodeError(f"chaincode definition for '{chaincode}' exists, but chaincode is not installed")
