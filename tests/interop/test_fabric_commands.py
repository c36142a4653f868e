"""Fabric's own command lines, ``peer`` and ``osnadmin``, against a consortium of ours.

Aim: an operator who knows Fabric manages our peers and our orderer with the programs of Fabric 3.1, and cannot tell
them from Go peers. Method: ``configtxgen`` makes a second channel; the programs have it ordered, join the peers, and
take a chaincode through its whole life; every step is run once, and each test judges one.

To run it: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2

from network.block import header_hash, parse_block
from network.channel_config import ChannelConfig
from network.identity import SigningIdentity
from node.home import open_home
from node.ports import free_port
from tests.support.config_by_tools import ConfigTool
from tests.support.config_updates import batch_size_update
from tests.support.consortium import free_base_port
from tests.support.fabric_programs import FabricTools, Outcome
from tests.support.fabric_tools import ConsortiumTools
from tests.support.packages import package, package_id, python_package, service_package

pytestmark = pytest.mark.interop

REPOSITORY = Path(__file__).parents[2]
CONTRACT = "tests.support.peer_contract:PeerContract"
CHANNEL, NAME = "second", "life"
MEMBERS = ("dwaybank", "partner", "regulator")
DEFINED = ("-C", CHANNEL, "-n", NAME, "--version", "1.0")

Steps = dict[str, Outcome]


@pytest.fixture(scope="module")
def consortium() -> Iterator[ConsortiumTools]:
    """A running consortium, and the programs as its administrators use them."""
    tools = FabricTools.found()
    with tempfile.TemporaryDirectory(prefix="dwaybank-interop-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        port = str(free_base_port())
        command = [sys.executable, "-m", "node", "up", "--home", str(home), "--base-port", port]
        started = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=180, check=False)
        assert started.returncode == 0, started.stderr
        try:
            yield ConsortiumTools(tools, *open_home(home))
        finally:
            stop = [sys.executable, "-m", "node", "down", "--home", str(home)]
            subprocess.run(stop, cwd=REPOSITORY, timeout=60, check=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs write files."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def genesis(consortium: ConsortiumTools, folder: Path) -> Path:
    """The genesis block of the second channel, by ``configtxgen``."""
    return consortium.configtxgen(CHANNEL, folder)


@pytest.fixture(scope="module")
def joined(consortium: ConsortiumTools, genesis: Path, folder: Path) -> Steps:
    """The channel taken up by the orderer and joined by every peer."""
    run = consortium
    block = ("--config-block", str(genesis))
    steps = {
        "orderer list": run.osnadmin("channel", "list"),
        "orderer join": run.osnadmin("channel", "join", "--channelID", CHANNEL, *block),
        "orderer again": run.osnadmin("channel", "join", "--channelID", CHANNEL, *block),
        "orderer one": run.osnadmin("channel", "list", "--channelID", CHANNEL),
        "orderer none": run.osnadmin("channel", "list", "--channelID", "none"),
    }
    for member in MEMBERS:
        steps[f"join {member}"] = run.peer(member, "channel", "join", "-b", str(genesis))
    steps["again"] = run.peer("partner", "channel", "join", "-b", str(genesis))
    steps["user"] = run.peer("partner", "channel", "join", "-b", str(genesis), user="User1")
    steps["list"] = run.peer("partner", "channel", "list")
    steps["info"] = run.peer("partner", "channel", "getinfo", "-c", CHANNEL)
    ordering = run.ordering("partner")
    for source, options in (("peer", []), ("orderer", ordering)):
        for which in ("oldest", "newest", "config", "0"):
            target = str(folder / f"{source}-{which}.block")
            steps[f"fetch {source} {which}"] = run.peer(
                "partner", "channel", "fetch", which, target, "-c", CHANNEL, *options
            )
    return steps


def test_orderer_takes_the_channel_up_and_tells_of_it(joined: Steps) -> None:
    assert joined["orderer list"].output.startswith("Status: 200\n")
    assert joined["orderer join"].output.startswith("Status: 201\n")
    info = json.loads(joined["orderer one"].output.removeprefix("Status: 200\n"))
    assert (info["name"], info["consensusRelation"], info["status"]) == (CHANNEL, "consenter", "active")
    assert joined["orderer again"].output.startswith("Status: 405\n")
    assert "cannot join: channel already exists" in joined["orderer again"].output
    assert joined["orderer none"].output.startswith("Status: 404\n")


def test_every_peer_joins_the_channel_and_lists_it(joined: Steps) -> None:
    assert [joined[f"join {member}"].status for member in MEMBERS] == [0, 0, 0]
    assert joined["list"].output.split("\n")[1:3] == ["anchors", CHANNEL]
    assert "ledger [second] already exists with state [ACTIVE]" in joined["again"].errors
    assert "access denied for [JoinChain]" in joined["user"].errors


def test_blocks_fetched_from_peer_and_orderer_are_the_channels(joined: Steps, genesis: Path, folder: Path) -> None:
    first = parse_block(genesis.read_bytes())
    for source in ("peer", "orderer"):
        for which in ("oldest", "newest", "config", "0"):
            assert joined[f"fetch {source} {which}"].status == 0, joined[f"fetch {source} {which}"].errors
            found = parse_block((folder / f"{source}-{which}.block").read_bytes())
            assert header_hash(found.header) == header_hash(first.header)
            assert found.data == first.data
    info = json.loads(joined["info"].output.removeprefix("Blockchain info: "))
    assert info["height"] == 1


@pytest.fixture(scope="module")
def life(consortium: ConsortiumTools, joined: Steps, folder: Path) -> Iterator[Steps]:
    """A chaincode's whole life on the second channel: packaged, installed, approved, committed, invoked, changed."""
    port = free_port()
    content = service_package("life_1", address=f"127.0.0.1:{port}")
    archive = folder / "life.tgz"
    archive.write_bytes(content)
    identifier = package_id("life_1", content)
    command = [sys.executable, "-m", "chaincode", "serve", CONTRACT, "--address", f"127.0.0.1:{port}"]
    environment = os.environ | {"CHAINCODE_ID": identifier}
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield {**Life(consortium, folder, archive, identifier).run(), "id": Outcome(0, identifier, "")}
    finally:
        process.terminate()
        process.wait(20)


class Life:
    """The steps of one chaincode's life."""

    def __init__(self, consortium: ConsortiumTools, folder: Path, archive: Path, identifier: str) -> None:
        self.consortium = consortium
        self.folder = folder
        self.archive = str(archive)
        self.identifier = identifier
        self.steps: Steps = {}

    def run(self) -> Steps:
        """Take all steps, in order."""
        self.install()
        self.approve_and_commit()
        self.use()
        self.change()
        return self.steps

    def lifecycle(self, member: str, command: str, *arguments: str, user: str = "Admin") -> Outcome:
        return self.consortium.peer(member, "lifecycle", "chaincode", command, *arguments, user=user)

    def approve(self, member: str, *arguments: str) -> Outcome:
        ordering = self.consortium.ordering(member)
        return self.lifecycle(member, "approveformyorg", *ordering, *arguments, "--package-id", self.identifier)

    def commit(self, *arguments: str, endorsers: tuple[str, ...] = MEMBERS[:2]) -> Outcome:
        run = self.consortium
        return self.lifecycle("dwaybank", "commit", *run.ordering("dwaybank"), *arguments, *run.endorsing(*endorsers))

    def install(self) -> None:
        steps, lifecycle = self.steps, self.lifecycle
        steps["package id"] = lifecycle("dwaybank", "calculatepackageid", self.archive)
        for member in MEMBERS:
            steps[f"install {member}"] = lifecycle(member, "install", self.archive)
        steps["install again"] = lifecycle("dwaybank", "install", self.archive)
        steps["install as user"] = lifecycle("dwaybank", "install", self.archive, user="User1")
        for name, content in (("golang", package("go_1", "golang", {})), ("broken", b"nothing")):
            (self.folder / name).write_bytes(content)
            steps[f"install {name}"] = lifecycle("dwaybank", "install", str(self.folder / name))
        (self.folder / "got").mkdir(exist_ok=True)
        got = ("--package-id", self.identifier, "--output-directory", str(self.folder / "got"))
        steps["get"] = lifecycle("dwaybank", "getinstalledpackage", *got)

    def approve_and_commit(self) -> None:
        steps, lifecycle = self.steps, self.lifecycle
        first = (*DEFINED, "--sequence", "1")
        ready = (*first, "--output", "json", "--inspect")
        steps["not ready"] = lifecycle("dwaybank", "checkcommitreadiness", *first, "--output", "json")
        steps["commit early"] = self.commit(*first)
        for member in MEMBERS:
            steps[f"approve {member}"] = self.approve(member, *first)
        steps["approve again"] = self.approve("dwaybank", *first)
        steps["approve far"] = self.approve("dwaybank", *DEFINED, "--sequence", "5")
        steps["ready"] = lifecycle("dwaybank", "checkcommitreadiness", *ready)
        steps["approved"] = lifecycle("partner", "queryapproved", "-C", CHANNEL, "-n", NAME, "--output", "json")
        steps["commit"] = self.commit(*first)
        steps["commit again"] = self.commit(*first)
        steps["committed"] = lifecycle("regulator", "querycommitted", "-C", CHANNEL, "-n", NAME, "--output", "json")
        steps["all committed"] = lifecycle("regulator", "querycommitted", "-C", CHANNEL)
        steps["unknown"] = lifecycle("regulator", "querycommitted", "-C", CHANNEL, "-n", "none")
        steps["installed"] = lifecycle("partner", "queryinstalled", "--output", "json")

    def use(self) -> None:
        run, steps = self.consortium, self.steps

        def invoke(*arguments: str, endorsers: tuple[str, ...] = MEMBERS[:2]) -> Outcome:
            call = json.dumps({"Args": arguments})
            options = [*run.ordering("dwaybank"), *run.endorsing(*endorsers), "--waitForEvent"]
            return run.peer("dwaybank", "chaincode", "invoke", *options, "-C", CHANNEL, "-n", NAME, "-c", call)

        def query(member: str, *arguments: str, name: str = NAME) -> Outcome:
            call = json.dumps({"Args": arguments})
            return run.peer(member, "chaincode", "query", "-C", CHANNEL, "-n", name, "-c", call)

        steps["invoke"] = invoke("Put", "k", "v")
        steps["too few"] = invoke("Put", "k", "w", endorsers=MEMBERS[:1])
        steps["invoke unknown"] = invoke("NoSuchFunction")
        steps["query"] = _until(lambda: query("regulator", "Get", "k"), lambda found: found.output == "v\n")
        steps["query unknown"] = query("regulator", "Get", "k", name="none")

    def change(self) -> None:
        """Give the definition a collection and another policy, by reference to the channel's configuration."""
        config = self.folder / "collections.json"
        policy = "OR('DwaybankMSP.member', 'PartnerMSP.member')"
        collection = {
            "name": "bilateral",
            "policy": policy,
            "requiredPeerCount": 0,
            "maxPeerCount": 1,
            "blockToLive": 0,
            "memberOnlyRead": True,
            "memberOnlyWrite": False,
        }
        config.write_text(json.dumps([collection]))
        second = (*DEFINED, "--sequence", "2", "--collections-config", str(config))
        second = (*second, "--channel-config-policy", "/Channel/Application/LifecycleEndorsement")
        for member in MEMBERS:
            self.steps[f"approve 2 {member}"] = self.approve(member, *second)
        other = self.folder / "other.json"
        other.write_text(json.dumps([collection | {"policy": "AND('DwaybankMSP.member', 'PartnerMSP.member')"}]))
        third = (*DEFINED, "--sequence", "3", "--collections-config", str(other))
        self.steps["commit 2"] = self.commit(*second)
        self.steps["bad collection"] = self.approve("dwaybank", *third)
        self.steps["lost collection"] = self.approve("dwaybank", *DEFINED, "--sequence", "3")
        self.steps["committed 2"] = self.lifecycle(
            "dwaybank", "querycommitted", "-C", CHANNEL, "-n", NAME, "--output", "json"
        )
        run = self.consortium
        options = [*run.ordering("dwaybank"), *run.endorsing(*MEMBERS[:2]), "--waitForEvent"]
        call = json.dumps({"Args": ["PutPrivate", "bilateral", "p"]})
        transient = json.dumps({"value": "c2VjcmV0"})
        invoked = (*options, "-C", CHANNEL, "-n", NAME, "-c", call, "--transient", transient)
        self.steps["private"] = run.peer("dwaybank", "chaincode", "invoke", *invoked)
        call = json.dumps({"Args": ["GetPrivate", "bilateral", "p"]})
        self.steps["read private"] = run.peer("dwaybank", "chaincode", "query", "-C", CHANNEL, "-n", NAME, "-c", call)


def _until(step: Callable[[], Outcome], good: Callable[[Outcome], bool]) -> Outcome:
    """Repeat a step while the peer asked has not seen the newest block."""
    for _ in range(40):
        found = step()
        if good(found):
            break
        time.sleep(0.25)
    return found


def test_package_is_installed_on_every_peer_once(life: Steps, folder: Path) -> None:
    identifier = life["id"].output
    assert life["package id"].output.strip() == identifier
    assert [life[f"install {member}"].status for member in MEMBERS] == [0, 0, 0]
    assert f"chaincode already successfully installed (package ID '{identifier}')" in life["install again"].errors
    assert "Failed to authorize invocation due to failed ACL check" in life["install as user"].errors
    assert "this peer builds no code" in life["install golang"].errors
    assert "could not parse as a chaincode install package" in life["install broken"].errors
    assert life["get"].status == 0, life["get"].errors
    assert [file.read_bytes() for file in (folder / "got").iterdir()] == [(folder / "life.tgz").read_bytes()]


def test_definition_is_approved_by_each_member_and_committed(life: Steps) -> None:
    assert json.loads(life["not ready"].output)["approvals"] == {
        "DwaybankMSP": False,
        "PartnerMSP": False,
        "RegulatorMSP": False,
    }
    assert "chaincode definition not agreed to by this org (DwaybankMSP)" in life["commit early"].errors
    for member in MEMBERS:
        assert life[f"approve {member}"].status == 0, life[f"approve {member}"].errors
    assert "attempted to redefine uncommitted sequence (1)" in life["approve again"].errors
    assert "requested sequence 5 is larger than the next available sequence number 1" in life["approve far"].errors
    assert set(json.loads(life["ready"].output)["approvals"].values()) == {True}
    approved = json.loads(life["approved"].output)
    assert approved["source"]["Type"]["LocalPackage"]["package_id"] == life["id"].output
    assert life["commit"].status == 0, life["commit"].errors
    assert "requested sequence is 1, but new definition must be sequence 2" in life["commit again"].errors


def test_committed_definition_can_be_queried(life: Steps) -> None:
    committed = json.loads(life["committed"].output)
    assert (committed["sequence"], committed["version"]) == (1, "1.0")
    assert set(committed["approvals"].values()) == {True}
    assert "Name: life, Version: 1.0, Sequence: 1" in life["all committed"].output
    assert "404 - namespace none is not defined" in life["unknown"].errors
    found = json.loads(life["installed"].output)["installed_chaincodes"]
    assert [item["package_id"] for item in found] == [life["id"].output]
    assert found[0]["references"] == {CHANNEL: {"chaincodes": [{"name": NAME, "version": "1.0"}]}}


def test_chaincode_is_invoked_and_queried(life: Steps) -> None:
    assert life["invoke"].status == 0, life["invoke"].errors
    assert life["query"].output == "v\n"
    assert "transaction invalidated with status (ENDORSEMENT_POLICY_FAILURE)" in life["too few"].errors
    assert life["invoke unknown"].status != 0
    assert "chaincode none not found" in life["query unknown"].errors


def test_next_definition_brings_a_collection_and_a_policy_of_the_channel(life: Steps) -> None:
    for member in MEMBERS:
        assert life[f"approve 2 {member}"].status == 0, life[f"approve 2 {member}"].errors
    assert life["commit 2"].status == 0, life["commit 2"].errors
    committed = json.loads(life["committed 2"].output)
    assert committed["sequence"] == 2
    static = committed["collections"]["config"][0]["Payload"]["StaticCollectionConfig"]
    assert static["name"] == "bilateral"
    assert "signature policy is not an OR concatenation, NOutOf 2" in life["bad collection"].errors
    assert "does not contain previously defined collections" in life["lost collection"].errors
    assert life["private"].status == 0, life["private"].errors
    assert life["read private"].output == "secret\n"


def test_contract_of_the_installation_runs_from_a_package(
    consortium: ConsortiumTools, joined: Steps, folder: Path
) -> None:
    content = python_package("audit_1", "chaincode.audit:AuditContract")
    (folder / "audit.tgz").write_bytes(content)
    life = Life(consortium, folder, folder / "audit.tgz", package_id("audit_1", content))
    definition = ("-C", CHANNEL, "-n", "audit", "--version", "1.0", "--sequence", "1")
    for member in MEMBERS[:2]:
        assert life.lifecycle(member, "install", life.archive).status == 0
        assert life.approve(member, *definition).status == 0
    committed = life.commit(*definition)
    assert committed.status == 0, committed.errors
    call = json.dumps({"Args": ["org.hyperledger.fabric:GetMetadata"]})
    query = ("chaincode", "query", "-C", CHANNEL, "-n", "audit", "-c", call)
    found = _until(lambda: consortium.peer("partner", *query), lambda outcome: outcome.status == 0)
    assert "AnchorCheckpoint" in found.output, found.errors
    refused = consortium.peer("regulator", *query)
    assert "has not yet been approved by this org" in refused.errors


def test_configuration_made_by_configtxlator_is_judged_and_applied(
    consortium: ConsortiumTools, joined: Steps, tmp_path: Path
) -> None:
    run, tool = consortium, ConfigTool(consortium.tools, tmp_path)

    def fetched(*options: str) -> Path:
        target = tmp_path / "config.block"
        assert run.peer("partner", "channel", "fetch", "config", str(target), "-c", CHANNEL, *options).status == 0
        return target

    def smaller_blocks(root: dict[str, Any]) -> None:
        root["groups"]["Orderer"]["values"]["BatchSize"]["value"]["max_message_count"] = 7

    def another_rule(root: dict[str, Any]) -> None:
        policy = root["groups"]["Application"]["policies"]["Endorsement"]["policy"]
        policy["value"]["rule"] = "ANY"

    ordering = run.ordering("dwaybank")
    update = str(tool.update(CHANNEL, fetched(*ordering), smaller_blocks))
    refused = run.peer("dwaybank", "channel", "update", "-f", update, "-c", CHANNEL, *ordering)
    assert "error applying config update to existing channel 'second'" in refused.errors
    assert run.peer_as_orderer("channel", "update", "-f", update, "-c", CHANNEL, *ordering).status == 0
    # Each signature is put into the file; the last one comes with the update itself.
    update = str(tool.update(CHANNEL, fetched(*ordering), another_rule))
    refused = run.peer("dwaybank", "channel", "update", "-f", update, "-c", CHANNEL, *ordering)
    assert "error applying config update to existing channel 'second'" in refused.errors
    assert run.peer("partner", "channel", "signconfigtx", "-f", update).status == 0
    accepted = run.peer("dwaybank", "channel", "update", "-f", update, "-c", CHANNEL, *ordering)
    assert accepted.status == 0, accepted.errors
    from_orderer = tool.config_of(fetched(*ordering))
    found = _until(
        lambda: run.peer("partner", "channel", "fetch", "config", str(tmp_path / "of_peer"), "-c", CHANNEL),
        lambda _: tool.config_of(tmp_path / "of_peer") == from_orderer,
    )
    assert found.status == 0
    applied = tool.config_of(tmp_path / "of_peer")
    assert applied["sequence"] == "2"
    groups = applied["channel_group"]["groups"]
    assert groups["Orderer"]["values"]["BatchSize"]["value"]["max_message_count"] == 7
    assert groups["Application"]["policies"]["Endorsement"]["policy"]["value"]["rule"] == "ANY"


def test_partner_joins_by_the_snapshot_of_another_member(consortium: ConsortiumTools, folder: Path) -> None:
    """With the least rights a node's database role has; on a channel that only one member had joined."""
    own = folder / "fourth"
    own.mkdir()
    block = consortium.configtxgen("fourth", own)
    assert consortium.osnadmin("channel", "join", "-c", "fourth", "--config-block", str(block)).status == 0
    assert consortium.peer("dwaybank", "channel", "join", "-b", str(block)).status == 0
    asked = peer_snapshot(consortium, "submitrequest", "-b", "0")
    assert "Snapshot request submitted successfully" in asked.text, asked.text
    done = _until(
        lambda: peer_snapshot(consortium, "listpending"), lambda listed: listed.output.rstrip().endswith("requests: []")
    )
    assert done.status == 0, done.text
    again = peer_snapshot(consortium, "submitrequest")
    assert "snapshot already generated for block number 0" in again.errors
    refused = peer_snapshot(consortium, "submitrequest", user="User1")
    assert "failed verifying that the signed data identity satisfies local MSP principal" in refused.errors
    made = consortium.home.root / "dwaybank" / "snapshots" / "completed" / "fourth" / "0"
    join = ("channel", "joinbysnapshot", "--snapshotpath", str(made))
    assert consortium.peer("partner", *join).status == 0
    info = ("channel", "getinfo", "-c", "fourth")
    found = _until(lambda: consortium.peer("partner", *info), lambda outcome: outcome.status == 0)
    chain = json.loads(found.output.removeprefix("Blockchain info: "))
    assert (chain["height"], chain["bootstrappingSnapshotInfo"]) == (1, {})
    assert "ledger [fourth] already exists with state [ACTIVE]" in consortium.peer("partner", *join).errors


def peer_snapshot(consortium: ConsortiumTools, command: str, *options: str, user: str = "Admin") -> Outcome:
    """Run ``peer snapshot`` against the bank's peer."""
    member = consortium.consortium.organization("dwaybank")
    address = ("--peerAddress", f"127.0.0.1:{member.node_port}")
    roots = ("--tlsRootCertFile", str(consortium.peer_roots(member)))
    return consortium.peer("dwaybank", "snapshot", command, "-c", "fourth", *address, *roots, *options, user=user)


def test_removed_channel_is_ordered_no_more(consortium: ConsortiumTools, folder: Path) -> None:
    own = folder / "third"
    own.mkdir()
    block = consortium.configtxgen("third", own)
    assert consortium.osnadmin("channel", "join", "-c", "third", "--config-block", str(block)).status == 0
    fetched = consortium.osnadmin("channel", "fetch", "-c", "third", "-b", "newest", "-f", str(own / "fetched"))
    assert fetched.output.startswith("Status: 200"), fetched.text
    assert parse_block((own / "fetched").read_bytes()) == parse_block(block.read_bytes())
    assert consortium.osnadmin("channel", "remove", "-c", "third").output.strip() == "Status: 204"
    assert "channel does not exist" in consortium.osnadmin("channel", "list", "-c", "third").output
    fetch = ("channel", "fetch", "0", str(own / "none.block"), "-c", "third", *consortium.ordering("partner"))
    assert common_pb2.Status.Name(common_pb2.NOT_FOUND) in consortium.peer("partner", *fetch).text


def test_osnadmin_updates_a_channels_configuration(consortium: ConsortiumTools, folder: Path) -> None:
    own = folder / "fifth"
    own.mkdir()
    block = consortium.configtxgen("fifth", own)
    assert consortium.osnadmin("channel", "join", "-c", "fifth", "--config-block", str(block)).status == 0
    orderer = consortium.consortium.orderer
    admin = consortium.home.orderer_crypto(consortium.consortium) / "users" / f"Admin@{orderer.domain}" / "msp"
    administrator = SigningIdentity.from_msp_folder(admin, orderer.msp_id)
    update = own / "update.pb"
    for signers, status in (([], 400), ([administrator], 201)):
        update.write_bytes(batch_size_update(parse_block(block.read_bytes()), 7, signers, administrator))
        told = consortium.osnadmin("channel", "update", "-c", "fifth", "-e", str(update))
        assert told.output.startswith(f"Status: {status}\n"), told.text
    assert json.loads(told.output.partition("\n")[2])["height"] == 2
    consortium.osnadmin("channel", "fetch", "-c", "fifth", "-b", "config", "-f", str(own / "config"))
    newest = ChannelConfig.from_block(parse_block((own / "config").read_bytes()))
    assert (newest.sequence, newest.orderer.max_messages) == (1, 7)


def test_peer_finds_the_peers_in_the_connection_profile(consortium: ConsortiumTools) -> None:
    member = consortium.consortium.organization("dwaybank")
    profile = ("--connectionProfile", str(consortium.home.organization(member) / "connection-profile-peer.json"))
    listed = consortium.peer(
        "dwaybank", "lifecycle", "chaincode", "queryinstalled", "--targetPeer", member.peer_host, *profile
    )
    assert listed.status == 0, listed.errors
    call = json.dumps({"Args": ["org.hyperledger.fabric:GetMetadata"]})
    channel = ("-C", consortium.consortium.channel, "-n", "audit", "-c", call)
    # It ends with 0 once the transaction is valid, for which two of three members must endorse.
    invoked = consortium.peer(
        "dwaybank", "chaincode", "invoke", *channel, *consortium.ordering("dwaybank"), "--waitForEvent", *profile
    )
    assert invoked.status == 0, invoked.errors


def test_discover_is_told_of_every_peer_and_who_must_endorse(consortium: ConsortiumTools) -> None:
    peers = consortium.discover("partner", "peers")
    assert peers.status == 0, peers.text
    ports = {member.msp_id: member.node_port for member in consortium.consortium.organizations}
    found = {
        item["MSPID"]: (item["Endpoint"].partition(":")[2], item["Chaincodes"]) for item in json.loads(peers.output)
    }
    assert {msp_id: port for msp_id, (port, _) in found.items()} == {name: str(port) for name, port in ports.items()}
    assert all({"_lifecycle", "audit"} <= set(chaincodes) for _, chaincodes in found.values())
    endorsers = consortium.discover("partner", "endorsers", "--chaincode", "audit")
    assert endorsers.status == 0, endorsers.text
    (descriptor,) = json.loads(endorsers.output)
    assert descriptor["Layouts"]
    assert {peer["MSPID"] for group in descriptor["EndorsersByGroups"].values() for peer in group} <= set(ports)
    local = consortium.discover("partner", "endorsers", "--chaincode", "nothing")
    assert "failed constructing descriptor" in local.text
