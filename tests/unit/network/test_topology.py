"""The consortium file: the default one, and files a person got wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from network.errors import ConfigError
from network.topology import (
    Consortium,
    default_consortium,
    load_consortium,
    save_consortium,
    settlement_collections,
)


def test_default_consortium_uses_no_port_twice_and_survives_the_file(tmp_path: Path) -> None:
    consortium = default_consortium(20_000)
    assert len(set(consortium.ports())) == len(consortium.ports()) == 17
    save_consortium(consortium, tmp_path / "consortium.yaml")
    assert load_consortium(tmp_path / "consortium.yaml") == consortium


def test_default_consortium_asks_two_of_three_for_every_contract() -> None:
    policies = {chaincode.endorsement_policy for chaincode in default_consortium().chaincodes}
    assert policies == {"OutOf(2, 'DwaybankMSP.peer', 'PartnerMSP.peer', 'RegulatorMSP.peer')"}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("organizations", 0, "node_port"), 7050, "port 7050 is used more than once"),
        (("organizations", 1, "msp_id"), "DwaybankMSP", "msp_id DwaybankMSP is used more than once"),
        (("organizations", 0, "node_port"), 70_000, "organizations.0.node_port"),
        (("organizations", 0, "role"), "bakery", "organizations.0.role"),
        (("channel",), "../etc", "channel"),
        (("organizations", 0, "domain"), "a b", "organizations.0.domain"),
        (("surprise",), 1, "surprise"),
    ],
)
def test_consortium_file_with_a_wrong_field_is_refused_by_its_name(
    tmp_path: Path, path: tuple[str | int, ...], value: object, words: str
) -> None:
    content = default_consortium().model_dump(mode="json")
    part = content
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    file = tmp_path / "consortium.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=words):
        load_consortium(file)


@pytest.mark.parametrize("text", ["", "[1, 2", "- a", "version: 2"])
def test_consortium_file_that_is_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "consortium.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"consortium\.yaml"):
        load_consortium(file)


def test_unknown_organization_is_answered_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match="it has dwaybank, partner, regulator"):
        default_consortium().organization("nobody")


def test_orderer_that_somebody_else_starts_listens_on_no_port_of_ours() -> None:
    consortium = default_consortium(20_000)
    external = consortium.model_copy(update={"orderer": consortium.orderer.model_copy(update={"external": True})})
    assert set(consortium.ports()) - set(external.ports()) == {20_000, 20_008, 20_009}


def test_peers_of_fabrics_stand_for_all_members_or_for_none() -> None:
    described = default_consortium(20_000).model_dump()
    described["organizations"][0]["fabric_peer"] = "127.0.0.1:7051"
    with pytest.raises(ValidationError, match="name fabric_peer for every organization, or for none"):
        Consortium.model_validate(described)
    for number, organization in enumerate(described["organizations"]):
        organization["fabric_peer"] = f"127.0.0.1:{7051 + number}"
    consortium = Consortium.model_validate(described)
    assert [member.peer_address for member in consortium.organizations] == [f"127.0.0.1:705{n}" for n in (1, 2, 3)]
    assert consortium.organizations[0].peer_host == "peer.dwaybank.test"


def test_each_two_banks_have_a_collection_that_regulators_read_and_only_both_write() -> None:
    consortium = default_consortium()
    third = consortium.organizations[1].model_copy(update={"name": "saver", "msp_id": "SaverMSP"})
    found = settlement_collections((*consortium.organizations, third))
    assert [each.name for each in found] == [
        "pair_DwaybankMSP_PartnerMSP", "pair_DwaybankMSP_SaverMSP", "pair_PartnerMSP_SaverMSP",
    ]  # fmt: skip
    assert found[1].policy == "OR('DwaybankMSP.member', 'SaverMSP.member', 'RegulatorMSP.member')"
    assert found[1].endorsement_policy == "AND('DwaybankMSP.peer', 'SaverMSP.peer')"
