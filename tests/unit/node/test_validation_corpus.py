"""The corpus that Go peers of Fabric 3.1 were asked about (``tests/interop/test_validation_corpus.py``), without them.

What they answered is written down in the corpus; here our validator must answer the same, on a channel in memory.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fabric_protos.peer import collection_pb2

from network.policy import parse_signature_policy
from tests.support.consortium_in_memory import Material, make_material
from tests.support.own_channel import OwnChannel
from tests.support.private_collections import collection_package
from tests.support.validation_corpus import Forge, judged, malformed, unordered

MEMBERS = "OR('DwaybankMSP.member', 'PartnerMSP.member', 'RegulatorMSP.member')"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    root: Path = tmp_path_factory.mktemp("crypto")
    return make_material(root)


def collection(name: str, policy: str = "") -> collection_pb2.StaticCollectionConfig:
    package = collection_pb2.CollectionConfigPackage.FromString(collection_package(name, MEMBERS))
    found: collection_pb2.StaticCollectionConfig = package.config[0].static_collection_config
    if policy:
        found.endorsement_policy.signature_policy.CopyFrom(parse_signature_policy(policy))
    return found


def test_every_case_gets_the_code_that_go_peers_gave_it(material: Material) -> None:
    channel, forge = OwnChannel(material), Forge(material, "cc")
    channel.define("cc", collections=[collection("shared"), collection("guarded", "OR('PartnerMSP.peer')")])
    wrong = {}
    for case in [*malformed(forge), *judged(forge), *unordered(forge)]:
        if case.ordered:
            codes = [channel.judge(envelope, commit=True).flags[0] for envelope in case.envelopes]
        else:
            codes = list(channel.judge(*case.envelopes, commit=True).flags)
        if codes != list(case.codes):
            wrong[case.name] = (codes, case.codes)
    assert wrong == {}
