"""The chaincode packages installed on this peer: kept in its database, handed to what runs them.

Source: Fabric core/chaincode/lifecycle/lifecycle.go (InstallChaincode and the queries beside it), persistence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from node.peer.database import fetch
from node.peer.errors import ChaincodeError
from node.peer.lifecycle_state import hash_of_package_id
from node.peer.package import ChaincodePackage, parse_package
from node.peer.reader import DatabaseThread

_log = structlog.get_logger(__name__)


class InstalledPackages:
    """What is installed.

    Args:
        thread: database thread of the peer.
        values: what ``{{.name}}`` in a package's ``connection.json`` stands for.
        run: told of each package, so that it can be run; refuses by raising ChaincodeError.
    """

    def __init__(
        self, thread: DatabaseThread, values: Mapping[str, str], run: Callable[[ChaincodePackage], None]
    ) -> None:
        self._thread = thread
        self._values = values
        self._run = run
        self._packages: dict[str, ChaincodePackage] = {}
        self._by_hash: dict[bytes, str] = {}
        self._listeners: list[Callable[[], None]] = []

    def on_install(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called after each package that is installed."""
        self._listeners.append(listener)

    async def load(self) -> None:
        """Read what was installed before; what cannot be run any more is left out and logged."""
        for package_id, content in await self._thread.run(lambda connection: fetch(connection, "read_packages", ())):
            try:
                package = parse_package(bytes(content), self._values)
                self._run(package)
            except ChaincodeError as error:
                _log.error("installed chaincode cannot be run", package_id=package_id, reason=str(error))
            else:
                self._keep(package)

    async def install(self, content: bytes) -> ChaincodePackage:
        """Install a package.

        Raises:
            ChaincodeError: it is no package this peer can run, or installed already.
        """
        # Unpacking is work for seconds where a package is large, and nobody else may wait for it.
        package = await asyncio.to_thread(parse_package, content, self._values)
        if package.package_id in self._packages:
            raise ChaincodeError(f"chaincode already successfully installed (package ID '{package.package_id}')")
        # What runs packages comes before the database: a package that cannot run is not kept.
        try:
            self._run(package)
        except ChaincodeError as error:
            raise ChaincodeError(f"could not build chaincode: {error}") from error
        await self._thread.run(lambda connection: fetch(connection, "insert_package", (package.package_id, content)))
        self._keep(package)
        _log.info("chaincode installed", package_id=package.package_id, kind=package.kind)
        for listener in self._listeners:
            listener()
        return package

    def all(self) -> list[ChaincodePackage]:
        """Return what is installed, by package id."""
        return [self._packages[package_id] for package_id in sorted(self._packages)]

    def package(self, package_id: str) -> ChaincodePackage:
        """Return one package.

        Raises:
            ChaincodeError: it is not installed.
        """
        if package_id not in self._packages:
            raise ChaincodeError(f"could not find chaincode with package id '{package_id}'")
        return self._packages[package_id]

    async def content(self, package_id: str) -> bytes:
        """Return one package as it was installed.

        Raises:
            ChaincodeError: it is not installed.
        """
        rows = await self._thread.run(lambda connection: fetch(connection, "read_package", (package_id,)))
        if not rows:
            raise ChaincodeError(
                f"could not load cc install package: chaincode install package '{package_id}' not found"
            )
        return bytes(rows[0][0])

    def by_hash(self, package_hash: bytes) -> str:
        """Return the id of the package that an approval names by its hash, '' when it is not installed."""
        return self._by_hash.get(package_hash, "")

    def _keep(self, package: ChaincodePackage) -> None:
        self._packages[package.package_id] = package
        self._by_hash[hash_of_package_id(package.package_id)] = package.package_id
