"""The consortium file: which organizations share the channel, where their processes listen, what contracts they run.

One YAML file, ``consortium.yaml``, is the whole description of a consortium on one machine; everything else
(certificates, genesis block, each process's own settings) is derived from it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from network.errors import ConfigError
from network.obligation import SETTLEMENT, pair_collection

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
MspId = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,40}$")]
Domain = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,60}$")]
Port = Annotated[int, Field(ge=1, le=65535)]

BASE_PORT = 7050
"""Default of ``--base-port``: the port Fabric's own samples give to the orderer."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Orderer(_Strict):
    """The ordering service of the embedded engine."""

    msp_id: MspId = "OrdererMSP"
    domain: Domain = "orderer.test"
    host: Name = "orderer"
    port: Port = BASE_PORT
    admin_port: Port | None = None
    """Port of the channel participation API (``osnadmin``), if it is served."""
    operations_port: Port | None = None
    external: bool = False
    """Whether somebody else starts it, such as an orderer of Fabric's with the certificates made here."""


class Organization(_Strict):
    """A member of the consortium and the ports of its processes."""

    name: Name
    msp_id: MspId
    domain: Domain
    display_name: str = Field(min_length=1, max_length=60)
    role: Literal["bank", "regulator"]
    node_port: Port
    postgres_port: Port
    gateway_port: Port | None = None
    operations_port: Port | None = None
    """Of the node's operations service; none in homes made before there was one."""
    gateway_operations_port: Port | None = None
    portal_port: Port | None = None
    """Of a regulator's portal; none in homes made before there was one."""
    fabric_peer: str | None = Field(default=None, pattern=r"^.+:\d+$")
    """``host:port`` of a peer of Fabric's that somebody else starts, with the certificate made here for its host
    ``peer``: it endorses and submits for the member, whose node follows it. Named for all members or for none."""

    @property
    def peer_address(self) -> str:
        """Where the member's peer is found."""
        return self.fabric_peer or f"127.0.0.1:{self.node_port}"

    @property
    def peer_host(self) -> str:
        """Host name in the certificates of the member's peer."""
        return self.node_host if self.fabric_peer is None else f"peer.{self.domain}"

    @property
    def node_host(self) -> str:
        """Host name in the node's certificates."""
        return f"node.{self.domain}"


class Collection(_Strict):
    """A private data collection of a contract."""

    name: str = Field(pattern=r"^[A-Za-z0-9-]+[A-Za-z0-9_-]*$")
    policy: str
    """Whose peers hold its values."""
    endorsement_policy: str
    """Whose peers must endorse a write."""
    max_peer_count: int = Field(default=3, ge=0)
    """To how many other peers an endorser hands a value on at once; the rest of the members fetch it."""


class Chaincode(_Strict):
    """A contract every member runs, and who must endorse what it writes."""

    name: Name
    contract: str = Field(pattern=r"^[a-z_.]+:[A-Za-z]+$")
    version: str = "1.0"
    sequence: int = Field(default=1, ge=1)
    endorsement_policy: str
    collections: tuple[Collection, ...] = ()


class Consortium(_Strict):
    """The consortium file."""

    version: Literal[1] = 1
    channel: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]{0,248}$")] = "anchors"
    orderer: Orderer
    organizations: tuple[Organization, ...] = Field(min_length=1)
    chaincodes: tuple[Chaincode, ...]

    @model_validator(mode="after")
    def _no_two_alike(self) -> Consortium:
        used: dict[str, list[str]] = {
            "name": [organization.name for organization in self.organizations],
            "msp_id": [self.orderer.msp_id, *(organization.msp_id for organization in self.organizations)],
            "port": [str(port) for port in self.ports()],
        }
        for what, values in used.items():
            repeated = sorted({value for value in values if values.count(value) > 1})
            if repeated:
                raise ValueError(f"{what} {', '.join(repeated)} is used more than once")
        if len({organization.fabric_peer is None for organization in self.organizations}) > 1:
            raise ValueError("name fabric_peer for every organization, or for none")
        return self

    @property
    def on_fabric_peers(self) -> bool:
        """Whether peers of Fabric's endorse in the place of the nodes."""
        return self.organizations[0].fabric_peer is not None

    def ports(self) -> list[int]:
        """Every TCP port the consortium listens on."""
        orderer = self.orderer
        ports = [] if orderer.external else [orderer.port, orderer.admin_port, orderer.operations_port]
        for organization in self.organizations:
            ports += [organization.node_port, organization.postgres_port, organization.gateway_port]
            ports += [organization.operations_port, organization.gateway_operations_port, organization.portal_port]
        return [port for port in ports if port is not None]

    def organization(self, name: str) -> Organization:
        """Return the organization of this name.

        Raises:
            ConfigError: naming those that exist.
        """
        for organization in self.organizations:
            if organization.name == name:
                return organization
        known = ", ".join(organization.name for organization in self.organizations)
        raise ConfigError(f"organization {name!r} is not in the consortium; it has {known}")


def default_consortium(base_port: int = BASE_PORT) -> Consortium:
    """Return DwayBank, a partner bank and a regulator, on ports counted from ``base_port``."""
    members = (
        ("dwaybank", "DwayBank", "bank"),
        ("partner", "Partner Bank", "bank"),
        ("regulator", "Regulator", "regulator"),
    )
    organizations = tuple(
        Organization(
            name=name,
            msp_id=f"{name.capitalize()}MSP",
            domain=f"{name}.test",
            display_name=display_name,
            role=role,  # type: ignore[arg-type]
            node_port=base_port + 10 * number + 1,
            postgres_port=base_port + 10 * number + 2,
            gateway_port=base_port + 10 * number + 3 if role == "bank" else None,
            operations_port=base_port + 10 * number + 4,
            gateway_operations_port=base_port + 10 * number + 5 if role == "bank" else None,
            portal_port=base_port + 10 * number + 6 if role == "regulator" else None,
        )
        for number, (name, display_name, role) in enumerate(members)
    )
    two_of_three = "OutOf(2, " + ", ".join(f"'{member.msp_id}.peer'" for member in organizations) + ")"
    return Consortium(
        orderer=Orderer(port=base_port, admin_port=base_port + 8, operations_port=base_port + 9),
        organizations=organizations,
        chaincodes=(
            Chaincode(name="audit", contract="chaincode.audit:AuditContract", endorsement_policy=two_of_three),
            Chaincode(
                name="compliance", contract="chaincode.compliance:ComplianceContract", endorsement_policy=two_of_three
            ),
            Chaincode(
                name=SETTLEMENT,
                contract="chaincode.settlement:SettlementContract",
                endorsement_policy=two_of_three,
                collections=settlement_collections(organizations),
            ),
        ),
    )


def settlement_collections(organizations: Iterable[Organization]) -> tuple[Collection, ...]:
    """Return the collections of the contract ``settlement``: one for each two banks, which every regulator reads."""
    members = sorted(organizations, key=lambda member: member.msp_id)
    regulators = [member.msp_id for member in members if member.role == "regulator"]
    banks = [member.msp_id for member in members if member.role == "bank"]
    return tuple(
        Collection(
            name=pair_collection(one, other),
            policy="OR(" + ", ".join(f"'{msp_id}.member'" for msp_id in (one, other, *regulators)) + ")",
            endorsement_policy=f"AND('{one}.peer', '{other}.peer')",
        )
        for one, other in combinations(banks, 2)
    )


def load_consortium(path: Path) -> Consortium:
    """Read a consortium file.

    Raises:
        ConfigError: naming the file, the field and what is wrong with it.
    """
    try:
        return Consortium.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"consortium file {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"consortium file {path} is not YAML: {reason}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "file"
        raise ConfigError(f"consortium file {path}: {field}: {first['msg']}") from error


def save_consortium(consortium: Consortium, path: Path) -> None:
    """Write the consortium file."""
    # By a rename, for whoever looks for the file must find all of it, and a crash must leave none that is cut short.
    aside = path.with_suffix(".new")
    with aside.open("w", encoding="utf-8") as file:
        file.write(consortium_text(consortium))
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def consortium_text(consortium: Consortium) -> str:
    """Return the consortium file's text."""
    text: str = yaml.safe_dump(consortium.model_dump(mode="json"), sort_keys=False)
    return text
