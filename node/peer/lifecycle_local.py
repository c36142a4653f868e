"""The functions of ``_lifecycle`` that concern the peer rather than a channel: install, list, hand out packages.

Source: Fabric core/chaincode/lifecycle/scc.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fabric_protos.peer.lifecycle import lifecycle_pb2
from google.protobuf.message import DecodeError

from network.proposal import NO_MESSAGE
from node.peer.chaincode_definition import LIFECYCLE
from node.peer.errors import ChaincodeError
from node.peer.installed import InstalledPackages
from node.peer.system_chaincode import OK, LocalMembers, SystemResponse, failure, text_of

References = Callable[[], Awaitable[dict[str, dict[str, list[tuple[str, str]]]]]]
"""Gives, by package id and channel, the name and version of the chaincodes a package runs."""


class InstallFunctions:
    """Packages of one peer.

    Args:
        packages: what is installed.
        references: where the packages are used.
    """

    def __init__(self, packages: InstalledPackages, references: References) -> None:
        self._packages = packages
        self._references = references
        lc = lifecycle_pb2
        self._functions: dict[str, tuple[Any, Callable[[Any], Awaitable[Any]]]] = {
            "InstallChaincode": (lc.InstallChaincodeArgs, self._install),
            "QueryInstalledChaincode": (lc.QueryInstalledChaincodeArgs, self._query),
            "QueryInstalledChaincodes": (lc.QueryInstalledChaincodesArgs, self._query_all),
            "GetInstalledChaincodePackage": (lc.GetInstalledChaincodePackageArgs, self._package),
        }

    async def run(self, name: str, argument: bytes) -> SystemResponse:
        """Run one function, whose caller is authorized already; refusals are answers."""
        try:
            if name not in self._functions:
                raise ChaincodeError("this peer has no such function")
            kind, function = self._functions[name]
            result = await function(parse_argument(name, kind, argument))
        except ChaincodeError as error:
            return failure(f"failed to invoke backing implementation of '{name}': {error}")
        return SystemResponse(OK, payload=result.SerializeToString())

    async def invoke(self, args: Sequence[bytes], creator: bytes, members: LocalMembers) -> SystemResponse:
        """Run one function of a proposal without a channel."""
        if len(args) != 2:
            return wrong_arguments(args)
        name = text_of(args[0])
        try:
            members.authorize(f"{LIFECYCLE}/{name}", creator)
        except ChaincodeError as error:
            return failure(f"Failed to authorize invocation due to failed ACL check: {error}")
        if name not in self._functions:
            return failure(f"failed to invoke backing implementation of '{name}': it needs a channel")
        return await self.run(name, args[1])

    async def _install(self, arguments: Any) -> Any:
        package = await self._packages.install(arguments.chaincode_install_package)
        return lifecycle_pb2.InstallChaincodeResult(package_id=package.package_id, label=package.label)

    async def _query(self, arguments: Any) -> Any:
        package = self._packages.package(arguments.package_id)
        result = lifecycle_pb2.QueryInstalledChaincodeResult(package_id=package.package_id, label=package.label)
        _refer(result, (await self._references()).get(package.package_id, {}))
        return result

    async def _query_all(self, arguments: Any) -> Any:
        references = await self._references()
        result = lifecycle_pb2.QueryInstalledChaincodesResult()
        for package in self._packages.all():
            described = result.installed_chaincodes.add(package_id=package.package_id, label=package.label)
            _refer(described, references.get(package.package_id, {}))
        return result

    async def _package(self, arguments: Any) -> Any:
        content = await self._packages.content(arguments.package_id)
        return lifecycle_pb2.GetInstalledChaincodePackageResult(chaincode_install_package=content)


def parse_argument(name: str, kind: Any, argument: bytes) -> Any:
    """Return what a function of ``_lifecycle`` is called with.

    Raises:
        ChaincodeError: the bytes are no such message; in Fabric's words, and those of Go's protobuf library.
    """
    try:
        return kind.FromString(argument)
    except DecodeError as error:
        reason = f"could not decode input arg for *lifecycle.Invocation.{name}: {NO_MESSAGE}"
        raise ChaincodeError(reason) from error


def wrong_arguments(args: Sequence[bytes]) -> SystemResponse:
    """Return the answer to a call that has not exactly a function and its argument."""
    if not args:
        return failure("lifecycle scc must be invoked with arguments")
    return failure(f"lifecycle scc operations require exactly two arguments but received {len(args)}")


def _refer(result: Any, channels: dict[str, list[tuple[str, str]]]) -> None:
    for channel_id, chaincodes in channels.items():
        for name, version in chaincodes:
            result.references[channel_id].chaincodes.add(name=name, version=version)
