"""The scenario families of the official gateway clients, by the official client for Node, on our peers and on Go peers.

Aim: the client cannot tell our gateway from Fabric's: same calls, same results, same codes, texts and details. Method:
the families of fabric-gateway's ``scenario/features`` (transactions, errors, chaincodeevents, blockevents, endorsement,
sbe, privatedata, offlinesign, discovery) are stated again in ``node_gateway/scenarios.mjs``, over one contract on
Fabric's own contract API (``node_chaincode/scenarios.mjs``). They run on a network of ours and, where Fabric's programs
are, on a network of Go peers; each family is judged on both, and what both gave is compared word for word.

To run it: Node 20.9 or later with npm on the PATH (``tests/support/node_packages.py``); for the comparison see
``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fabric_protos.peer import collection_pb2

from network.envelope import ENDORSEMENT_POLICY_FAILURE
from network.policy import parse_signature_policy
from node.peer.chaincode_support import ExternalChaincode
from node.peer.connection_file import Connection
from node.peer.definition import approved_definition
from node.ports import free_port
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, CHANNEL, DOMAINS, PARTNER, REGULATOR, Material, make_material
from tests.support.fabric_channel import HOST
from tests.support.fabric_programs import FabricTools
from tests.support.mixed_network import FabricNetwork, fabric_network, make_fabric_material
from tests.support.node_packages import installed_packages
from tests.support.packages import package_id, service_package
from tests.support.peer_network import client_tls, running_network

pytestmark = pytest.mark.interop

HERE = Path(__file__).parent
MEMBERS = (BANK, PARTNER, REGULATOR)
"""The scenarios' Org1MSP, Org2MSP and Org3MSP."""

ONE = "OR('DwaybankMSP.member')"
ALL = "AND('DwaybankMSP.member', 'PartnerMSP.member', 'RegulatorMSP.member')"
POLICIES = {
    "basic": "AND('DwaybankMSP.member', 'PartnerMSP.member')",
    "private": "OR('DwaybankMSP.member', 'PartnerMSP.member', 'RegulatorMSP.member')",
    "errors": ALL,
    "everyone": ALL,
}
COLLECTIONS: list[dict[str, Any]] = [
    {
        "name": "SharedCollection",
        "policy": "OR('DwaybankMSP.member', 'RegulatorMSP.member')",
        "requiredPeerCount": 1,
        "maxPeerCount": 1,
        "blockToLive": 1_000_000,
        "memberOnlyRead": True,
        "memberOnlyWrite": True,
    },
    {
        "name": "Org1Collection",
        "policy": ONE,
        "requiredPeerCount": 0,
        "maxPeerCount": 1,
        "blockToLive": 3,
        "memberOnlyRead": True,
        "memberOnlyWrite": False,
        "endorsementPolicy": {"signaturePolicy": ONE},
    },
    {
        "name": "Org3Collection",
        "policy": "OR('RegulatorMSP.member')",
        "requiredPeerCount": 0,
        "maxPeerCount": 1,
        "blockToLive": 3,
        "memberOnlyRead": False,
        "memberOnlyWrite": False,
        "endorsementPolicy": {"signaturePolicy": "OR('RegulatorMSP.member')"},
    },
]
FAMILIES = (
    "ready",
    "transactions",
    "errors",
    "chaincodeevents",
    "blockevents",
    "endorsement",
    "sbe",
    "privatedata",
    "offlinesign",
    "discovery",
)
UNKNOWN, FAILED_PRECONDITION, ABORTED, UNAVAILABLE = 2, 9, 10, 14
REFUSED_BY_ENDORSERS = "failed to collect enough transaction endorsements, see attached details for more info"

Seen = Mapping[str, Any]


class Contracts:
    """The contract's processes, one for each organization."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[str]] = []
        self.ports = {msp_id: free_port() for msp_id in MEMBERS}
        self.package_ids: dict[str, str] = {}

    def package(self, msp_id: str) -> bytes:
        """Return an organization's package, and note its id."""
        content = service_package("scenarios", address=f"{HOST}:{self.ports[msp_id]}", dial_timeout="10s")
        self.package_ids[msp_id] = package_id("scenarios", content)
        return content

    def start(self) -> None:
        """Start them, until they listen."""
        for msp_id, identifier in self.package_ids.items():
            command = ["node", "scenarios.mjs", identifier, f"{HOST}:{self.ports[msp_id]}"]
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=os.environ | {"CORE_PEER_LOCALMSPID": msp_id, "CORE_CHAINCODE_LOGGING_LEVEL": "CRITICAL"},
                stdout=subprocess.PIPE,
                text=True,
            )
            self._processes.append(process)
            assert process.stdout is not None
            while "listening" not in (line := process.stdout.readline()):
                assert line, f"the contract ended with status {process.wait()}"

    def stop(self) -> None:
        """End those that have not ended."""
        for process in self._processes:
            process.kill()
            process.communicate()
        self._processes.clear()


@dataclass
class Network:
    """A network the scenarios run on."""

    settings: dict[str, Any]
    contracts: Contracts
    stop_third: Callable[[], Awaitable[None]]


def script_folder(root: Path, name: str) -> Path:
    """Return a folder from which Node runs the scenarios of a folder here."""
    root.mkdir()
    # Module resolution starts from the script's own folder, so the script goes beside the packages' link.
    (root / "node_modules").symlink_to(installed_packages(HERE / name))
    shutil.copy(HERE / name / "scenarios.mjs", root)
    return root


def settings_of(material: Material, channel_id: str, ports: Mapping[str, int]) -> dict[str, Any]:
    """Return what the client needs to know of a network."""
    members = []
    for msp_id in MEMBERS:
        user = material.root / "peerOrganizations" / DOMAINS[msp_id] / "users" / f"Node@{DOMAINS[msp_id]}" / "msp"
        (certificate,) = (user / "signcerts").iterdir()
        (key,) = (user / "keystore").iterdir()
        tls = client_tls(material, msp_id)
        members.append(
            {
                "address": f"localhost:{ports[msp_id]}",
                "mspId": msp_id,
                "rootsPem": tls.roots_pem.decode(),
                "tlsCertificatePem": (tls.certificate_pem or b"").decode(),
                "tlsKeyPem": (tls.key_pem or b"").decode(),
                "certificatePem": certificate.read_text(),
                "keyPem": key.read_text(),
            }
        )
    return {"channel": channel_id, "members": members}


@asynccontextmanager
async def our_network(folder: Path, cluster: PostgresCluster) -> AsyncIterator[Network]:
    """Run three peers of ours with an orderer of ours."""
    material = make_material(folder / "crypto")
    contracts = Contracts(script_folder(folder / "contract", "node_chaincode"))
    by_member = {}
    for msp_id in MEMBERS:
        contracts.package(msp_id)
        connection = Connection(f"{HOST}:{contracts.ports[msp_id]}")
        chaincodes = [ExternalChaincode(name, contracts.package_ids[msp_id], connection) for name in POLICIES]
        by_member[msp_id] = {"contracts": {}, "external_chaincodes": chaincodes}
    definitions = tuple(
        replace(approved_definition(name, "1.0", 1, policy), collections=packed() if name == "private" else b"")
        for name, policy in POLICIES.items()
    )
    contracts.start()
    try:
        (folder / "network").mkdir()
        async with running_network(
            material,
            cluster,
            folder / "network",
            "scenarios",
            definitions=definitions,
            contracts={},
            by_member=by_member,
        ) as network:
            ports = {msp_id: member.port for msp_id, member in network.members.items()}
            settings = settings_of(material, CHANNEL, ports)
            yield Network(settings, contracts, lambda: network.members[REGULATOR].server.stop(0))
    finally:
        contracts.stop()


def packed() -> bytes:
    """Return the collections as a definition carries them."""
    package = collection_pb2.CollectionConfigPackage()
    for item in COLLECTIONS:
        static = package.config.add().static_collection_config
        static.name = item["name"]
        static.member_orgs_policy.signature_policy.CopyFrom(parse_signature_policy(item["policy"]))
        static.required_peer_count, static.maximum_peer_count = item["requiredPeerCount"], item["maxPeerCount"]
        static.block_to_live = item["blockToLive"]
        static.member_only_read, static.member_only_write = item["memberOnlyRead"], item["memberOnlyWrite"]
        if "endorsementPolicy" in item:
            policy = parse_signature_policy(item["endorsementPolicy"]["signaturePolicy"])
            static.endorsement_policy.signature_policy.CopyFrom(policy)
    return bytes(package.SerializeToString())


@asynccontextmanager
async def go_network(folder: Path) -> AsyncIterator[Network]:
    """Run three Go peers with an orderer of Fabric's."""
    tools = FabricTools.found()
    material = make_fabric_material(folder / "crypto", 1)
    contracts = Contracts(script_folder(folder / "contract", "node_chaincode"))
    (folder / "network").mkdir()
    async with AsyncExitStack() as stack:
        stack.callback(contracts.stop)
        running = fabric_network(tools, material, folder / "network", go_peers=MEMBERS)
        fabric = await asyncio.to_thread(running.__enter__)
        stack.push_async_callback(asyncio.to_thread, running.__exit__, None, None, None)
        await asyncio.to_thread(define, fabric, contracts, folder)
        contracts.start()
        settings = settings_of(material, fabric.channel_id, fabric.peers)
        yield Network(settings, contracts, lambda: asyncio.to_thread(fabric.stop, f"peer-{REGULATOR}"))


def define(fabric: FabricNetwork, contracts: Contracts, folder: Path) -> None:
    """Install each organization's package at its peer, and define all chaincodes over it."""
    for msp_id in MEMBERS:
        package = folder / f"{msp_id}.tgz"
        package.write_bytes(contracts.package(msp_id))
        fabric.succeed(fabric.peer(msp_id, "lifecycle", "chaincode", "install", str(package)))
    (folder / "collections.json").write_text(json.dumps(COLLECTIONS))
    for name, policy in POLICIES.items():
        defined = ["-C", fabric.channel_id, "-n", name, "--version", "1.0", "--sequence", "1"]
        defined += ["--signature-policy", policy]
        defined += ["--collections-config", str(folder / "collections.json")] if name == "private" else []
        for msp_id in MEMBERS:
            approve = ["approveformyorg", *fabric.ordering(), *defined, "--package-id", contracts.package_ids[msp_id]]
            fabric.until("lifecycle", "chaincode", *approve, msp_id=msp_id)
        commit = ["commit", *fabric.ordering(), *defined, *fabric.endorsing(*MEMBERS)]
        fabric.until("lifecycle", "chaincode", *commit)


async def drive(network: Network, folder: Path, *families: str) -> dict[str, Any]:
    """Have the official client perform scenarios; return what it saw, without what no two runs have in common."""
    (folder / "settings.json").touch(mode=0o600)
    (folder / "settings.json").write_text(json.dumps(network.settings))
    process = await asyncio.create_subprocess_exec(
        *("node", "scenarios.mjs", "settings.json", *families),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(240):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    text = output.decode()
    for member in network.settings["members"]:
        port = member["address"].partition(":")[2]
        text = re.sub(rf"(localhost|127\.0\.0\.1):{port}\b", f"peer of {member['mspId']}", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "<hash>", re.sub(r"BlockNum: \d+", "BlockNum: n", text))
    found: dict[str, Any] = json.loads(text)
    assert found.pop("uncaught") == []
    return found


async def performed(network: Network, folder: Path) -> dict[str, Any]:
    """Perform all scenarios on a network."""
    seen = await drive(network, folder, *FAMILIES)
    seen |= await drive(network, folder, "crash")
    network.contracts.stop()
    network.contracts.start()
    await network.stop_third()
    seen["stopped"] = (await drive(network, folder, "discovery"))["discovery"]
    return seen


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ours(postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What the client saw on our network."""
    folder = tmp_path_factory.mktemp("ours")
    async with our_network(folder, postgres_cluster) as network:
        return await performed(network, script_folder(folder / "client", "node_gateway"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theirs(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What the client saw on a network of Fabric's."""
    folder = tmp_path_factory.mktemp("theirs")
    async with go_network(folder) as network:
        return await performed(network, script_folder(folder / "client", "node_gateway"))


@pytest.fixture(params=["ours", "theirs"])
def seen(request: pytest.FixtureRequest) -> Seen:
    """What the client saw, on either network."""
    found: Seen = request.getfixturevalue(request.param)
    return found


def failed(outcome: Mapping[str, Any], name: str, code: int, text: str, *details: tuple[str, str]) -> bool:
    """Say whether a call failed with this class of error, this code, a text that holds this, and these details."""
    error = outcome["error"]
    found = [(item["mspId"], item["message"]) for item in error["details"]]
    addresses = [f"peer of {msp_id}" for msp_id, _ in found]
    assert (error["name"], error.get("code")) == (name, code), error
    assert text in error["message"], error
    assert [item["address"] for item in error["details"]] == addresses, error
    assert found == list(details), error
    return True


def chaincode_says(text: str) -> str:
    """Return the detail of a chaincode's refusal."""
    return f"chaincode response 500, {text}"


def test_transactions(seen: Seen) -> None:
    steps = seen["transactions"]
    assert [steps[name] for name in ("evaluate", "submit", "put", "get")] == [
        {"result": "conga"},
        {"result": "conga"},
        {"result": "ledger"},
        {"result": "ledger"},
    ]
    assert json.loads(steps["transient"]["result"]) == {"key1": "value1", "key2": "value2"}
    refusal = (BANK, chaincode_says("ALL_YOUR_ERROR_ARE_BELONG_TO_US"))
    assert failed(steps["evaluateError"], "GatewayError", UNKNOWN, "ALL_YOUR_ERROR_ARE_BELONG_TO_US", refusal)
    text = "failed to endorse transaction, see attached details for more info"
    assert failed(steps["submitError"], "EndorseError", ABORTED, text, refusal)


def test_errors(seen: Seen) -> None:
    steps = seen["errors"]
    text = "Expected 1 parameters, but 0 have been supplied"
    evaluated = "evaluate call to endorser returned error: "
    assert failed(
        steps["evaluateArguments"],
        *("GatewayError", UNKNOWN, evaluated + chaincode_says(text)),
        (BANK, chaincode_says(text)),
    )
    text = "no combination of peers can be derived which satisfy the endorsement policy: No metadata was found for "
    text += "chaincode nonexistent in channel anchors"
    assert failed(steps["unknownChaincode"], "EndorseError", FAILED_PRECONDITION, text)
    text = "no peers available to evaluate chaincode nonexistent in channel anchors"
    assert failed(steps["unknownChaincodeEvaluated"], "GatewayError", FAILED_PRECONDITION, text)
    endorse = "failed to endorse transaction, see attached details for more info"
    text = chaincode_says("You've asked to invoke a function that does not exist: nonexistent")
    assert failed(steps["unknownTransaction"], "EndorseError", ABORTED, endorse, (BANK, text))
    text = f"error validating proposal: access denied: channel [anchors] creator org [{BANK}]"
    assert failed(steps["strangerSigns"], "GatewayError", FAILED_PRECONDITION, evaluated + text, (BANK, text))
    assert failed(steps["strangerSignsSubmission"], "EndorseError", ABORTED, endorse, (BANK, text))


def test_errors_of_some_organizations(seen: Seen) -> None:
    steps = seen["errors"]
    own, second, third = ((msp_id, chaincode_says(f"{msp_id} refuses to endorse this")) for msp_id in MEMBERS)
    text = f"evaluate call to endorser returned error: {own[1]}"
    assert failed(steps["ownRefusesEvaluation"], "GatewayError", UNKNOWN, text, own)
    assert failed(steps["thirdRefuses"], "EndorseError", ABORTED, REFUSED_BY_ENDORSERS, third)
    assert failed(steps["secondAndThirdRefuse"], "EndorseError", ABORTED, REFUSED_BY_ENDORSERS, second, third)
    different = [(msp_id, "ProposalResponsePayloads do not match") for msp_id in (PARTNER, REGULATOR)]
    assert failed(steps["nondeterministic"], "EndorseError", ABORTED, REFUSED_BY_ENDORSERS, *different)
    text = "failed to find any endorsing peers for org(s): NowhereMSP"
    assert failed(steps["unknownOrganization"], "EndorseError", UNAVAILABLE, text)
    text = "no peers available to evaluate chaincode errors in channel anchors"
    assert failed(steps["unknownOrganizationEvaluated"], "GatewayError", FAILED_PRECONDITION, text)


def test_error_of_a_chaincode_that_crashes_names_every_peer(seen: Seen) -> None:
    details = {item["mspId"]: item["message"] for item in seen["crash"]["evaluate"]["error"]["details"]}
    error = seen["crash"]["evaluate"]["error"]
    assert (error["name"], error["code"]) == ("GatewayError", ABORTED)
    assert "failed to evaluate transaction, see attached details for more info" in error["message"]
    assert set(details) == set(MEMBERS)
    assert all(message.endswith("chaincode stream terminated") for message in details.values())


def test_chaincodeevents(seen: Seen) -> None:
    def event(name: str, payload: str) -> dict[str, str]:
        return {"chaincodeName": "basic", "eventName": name, "payload": payload}

    assert seen["chaincodeevents"] == {
        "received": event("foo", "bar") | {"sameBlock": True},
        "replayed": event("event", "replay"),
        "restarted": [event("restart", "one"), event("restart", "two")],
        "before": [event("close", "before")] * 2,
        "after": event("close", "after"),
        "checkpoint": [event("checkpoint", "one"), event("checkpoint", "two")],
    }


def test_blockevents(seen: Seen) -> None:
    expected = {"received": True, "replayed": True, "restarted": True, "both": [True, True], "other": True}
    expected |= {"checkpoint": [True, True]}
    kinds = ("block", "filtered block", "block and private data")
    assert seen["blockevents"] == dict.fromkeys(kinds, expected)


def test_endorsement(seen: Seen) -> None:
    steps = seen["endorsement"]
    for msp_id in MEMBERS:
        assert steps[f"submit {msp_id}"] == steps[f"evaluate {msp_id}"] == {"result": msp_id}
    assert steps["both"] == {"result": "success"}
    text = chaincode_says(f"endorser in this org ({PARTNER}) should not have been invoked")
    assert failed(steps["wrong"], "EndorseError", ABORTED, REFUSED_BY_ENDORSERS, (PARTNER, text))


def test_sbe(seen: Seen) -> None:
    """A change that the key's policy does not allow commits as invalid, and the value stays."""
    steps = seen["sbe"]
    done, refused = {"result": ""}, f"committed with code {ENDORSEMENT_POLICY_FAILURE}"
    assert steps["set"] == done
    assert steps["byOne"] == [done, {"result": "value-Org1"}]
    assert steps["byTwo"][0]["error"]["message"] == refused
    assert steps["byTwo"][1] == {"result": "value-Org1"}
    assert steps["oneAndThree"] == [done, done, {"result": "value-Org1-Org3"}]
    assert steps["wrongTwo"][0]["error"]["message"] == refused
    assert steps["wrongTwo"][1] == {"result": "value-Org1-Org3"}
    assert steps["twoAndThree"] == [done, done, {"result": "value-Org2-Org3"}]


def test_privatedata(seen: Seen) -> None:
    steps = seen["privatedata"]
    done = {"result": ""}
    assert steps["ownReads"] == [done, {"result": "value-101"}]
    assert steps["anotherWrites"] == [done, {"result": "value-104"}]
    assert steps["planned"] == [done, {"result": "value-108"}]
    assert steps["handedOver"] == [done, {"result": "value-111"}]
    assert steps["plannedWithThird"][:3] == [done, {"result": "value-109"}, {"result": "value-109"}]
    hidden = "private data matching public hash version is not available"
    denied = "tx creator does not have read access permission on privatedata in chaincodeName:private collectionName: "
    for (written, read), text in (
        (steps["throughAnother"], hidden),
        (steps["anotherWritesAndReads"], denied + "Org1Collection"),
        (steps["sharedUnreadByAnother"], denied + "SharedCollection"),
        ((done, steps["plannedWithThird"][3]), hidden),
    ):
        assert written == done
        assert (read["error"]["name"], read["error"]["code"]) == ("GatewayError", UNKNOWN)
        assert text in read["error"]["message"]
    refused = steps["sharedUnwrittenByAnother"]["error"]
    assert (refused["name"], refused["code"]) == ("EndorseError", ABORTED)
    assert "does not have write access permission" in refused["details"][0]["message"]
    text = "collection anchors/private/NoCollection could not be found"
    assert text in steps["undefinedCollection"]["error"]["details"][0]["message"]


def test_offlinesign(seen: Seen) -> None:
    steps = seen["offlinesign"]
    assert steps["evaluateSigned"] == steps["submitSigned"] == {"result": "conga"}
    assert "sign" in steps["evaluateUnsigned"]["error"]["message"]
    assert "sign" in steps["submitUnsigned"]["error"]["message"]


def test_discovery(seen: Seen) -> None:
    assert seen["discovery"] == {"submit": {"result": "conga"}}
    error = seen["stopped"]["submit"]["error"]
    assert error["name"] == "EndorseError"
    # A Go peer that has heard of the third peer's end makes no plan; until then it asks in vain, as ours does.
    assert error["code"] in {ABORTED, FAILED_PRECONDITION}


@pytest.mark.parametrize("family", [*FAMILIES, "crash"])
def test_our_peers_and_fabrics_give_the_same(ours: Seen, theirs: Seen, family: str) -> None:
    assert ours[family] == theirs[family]
