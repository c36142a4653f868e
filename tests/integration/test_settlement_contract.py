"""Aim: on a real channel the contract ``settlement`` keeps amounts with the two banks and the regulator, and neither
bank can write an obligation, or a step of one, without the other's peer.

Method: three organizations over mutual TLS and PostgreSQL, with the collections that a new consortium gets.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from network.errors import CommitError, EndorseError, GatewayError
from network.obligation import ObligationDetails, obligation_id_of
from network.topology import default_consortium
from node.collections_file import collections_text, parse_collections
from node.peer.definition import approved_definition
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR, Material, make_material
from tests.support.peer_network import MEMBERS, PeerNetwork, running_network

pytestmark = pytest.mark.asyncio(loop_scope="module")

AMOUNT = 918_273_645


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(
    postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PeerNetwork]:
    material: Material = make_material(tmp_path_factory.mktemp("crypto"))
    [described] = [each for each in default_consortium().chaincodes if each.name == "settlement"]
    definition = replace(
        approved_definition(described.name, described.version, described.sequence, described.endorsement_policy),
        collections=parse_collections(collections_text(described.collections).encode()),
    )
    async with running_network(
        material,
        postgres_cluster,
        tmp_path_factory.mktemp("network"),
        "settling",
        definitions=(definition,),
        contracts={"settlement": described.contract},
    ) as running:
        yield running


class Proposed:
    """An obligation and the arguments that propose it."""

    def __init__(self) -> None:
        today = datetime.now(UTC)
        reference = secrets.token_hex(8)
        self.id = obligation_id_of(BANK, reference)
        self.details = ObligationDetails(BANK, PARTNER, "EUR", AMOUNT, today.date(), reference, secrets.token_bytes(32))
        deadline = (today + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        booking = self.details.commitment.hex()
        item = {"obligation_id": self.id, "booking": booking, "deadline": deadline, "linked": ""}
        self.propose = ("settlement", "Propose", PARTNER, REGULATOR, json.dumps([item]))
        self.agree = ("settlement", "Agree", BANK, json.dumps([{"obligation_id": self.id, "booking": booking}]))
        self.transient = {"details": json.dumps([self.details.fields()]).encode()}


async def read(network: PeerNetwork, msp_id: str, function: str, *args: str) -> Any:
    client = network.client(msp_id)
    return json.loads(await client.evaluate("settlement", function, *args, target_organizations=[msp_id]))


async def test_two_banks_agree_the_regulator_reads_it_and_no_block_shows_an_amount(network: PeerNetwork) -> None:
    wanted = await proposed(network)
    committed = await network.client(PARTNER).submit(*wanted.agree)
    await network.wait_for_height(committed.block_number + 1)
    for msp_id in MEMBERS:
        record = await read(network, msp_id, "GetObligation", wanted.id)
        assert (record["state"], record["books"]) == ("agreed", "agreed")
        assert await read(network, msp_id, "GetDetails", wanted.id) == wanted.details.fields()
        owed = (await read(network, msp_id, "GetPairTerms", BANK, PARTNER))["debts"][BANK]["EUR"]
        assert int(owed) % AMOUNT == 0 < int(owed)
        assert in_blocks(network, msp_id, str(AMOUNT)) == 0
        assert in_blocks(network, msp_id, wanted.id) > 0, "the search finds what is there"


async def proposed(network: PeerNetwork) -> Proposed:
    """Propose one and wait until every peer has it."""
    wanted = Proposed()
    committed = await network.client(BANK).submit(*wanted.propose, transient=wanted.transient)
    await network.wait_for_height(committed.block_number + 1)
    return wanted


def in_blocks(network: PeerNetwork, msp_id: str, text: str) -> int:
    statement = b"SELECT count(*) FROM channel.block WHERE position(%s::bytea IN content) > 0"
    with psycopg.connect(network.members[msp_id].settings.database_url) as connection:
        row = connection.execute(statement, (text.encode(),)).fetchone()
        assert row is not None
        return int(row[0])


async def test_neither_bank_can_write_an_obligation_without_the_others_peer(network: PeerNetwork) -> None:
    wanted = Proposed()
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await network.client(BANK).submit(
            *wanted.propose, transient=wanted.transient, endorsing_organizations=[BANK, REGULATOR]
        )
    wanted = await proposed(network)
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await network.client(PARTNER).submit(*wanted.agree, endorsing_organizations=[PARTNER, REGULATOR])
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await network.client(BANK).submit("settlement", "Cancel", wanted.id, endorsing_organizations=[BANK, REGULATOR])
    assert (await read(network, PARTNER, "GetObligation", wanted.id))["state"] == "proposed"


async def test_a_member_cannot_act_for_a_bank_it_is_not(network: PeerNetwork) -> None:
    wanted = Proposed()
    with pytest.raises(EndorseError):
        await network.client(REGULATOR).submit(*wanted.propose, transient=wanted.transient)
    wanted = await proposed(network)
    with pytest.raises(EndorseError, match="access_denied"):
        await network.client(REGULATOR).submit("settlement", "Cancel", wanted.id)
    with pytest.raises(GatewayError, match="not_found"):
        await read(network, REGULATOR, "GetDetails", "00" * 16)
