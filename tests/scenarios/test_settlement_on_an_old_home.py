"""Aim: a consortium made before there was the contract ``settlement`` says what to do, and after doing what
docs/settlement.md says, brings the payments of before onto the shared ledger, too.

Method: real processes; the home is made from a consortium file without the contract, as an old one is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import yaml

from network.topology import default_consortium, settlement_collections
from node.collections_file import collections_text
from node.home import prepare_home
from tests.support.consortium import RunningConsortium, eventually, free_base_port, home_folder, remove_home
from tests.support.customer import Customer


@pytest.fixture
def old_home() -> Iterator[RunningConsortium]:
    folder, base = home_folder(), free_base_port()
    described = default_consortium(base)
    older = tuple(each for each in described.chaincodes if each.name != "settlement")
    old = described.model_copy(update={"chaincodes": older})
    prepare_home(folder / "home", lambda: old, datetime.now(UTC), {})
    running = RunningConsortium(folder / "home", base)
    try:
        running.start()
        yield running
    finally:
        remove_home(running, folder)


async def pay(consortium: RunningConsortium) -> None:
    ada, eve = Customer(consortium.bank, "ada"), Customer(consortium.partner, "eve")
    for customer in (ada, eve):
        await customer.sign_up()
    await consortium.deposit(consortium.bank, ada.account, 5_000)
    assert (await ada.pay(eve, 5_000, "before"))["state"] == "completed"
    for customer in (ada, eve):
        await customer.close()


def test_contract_is_added_to_an_old_home_as_the_page_says(old_home: RunningConsortium) -> None:
    asyncio.run(pay(old_home))
    told = old_home.command("partner", "reconcile")
    assert told.returncode == 1
    assert "node.yaml" in told.stderr
    assert "not there" in old_home.command("partner", "obligations").stdout

    old_home.stop()
    described = next(each for each in default_consortium().chaincodes if each.name == "settlement")
    collections = old_home.root / "channel" / "settlement-collections.json"
    collections.write_text(collections_text(settlement_collections(old_home.consortium.organizations)))
    for member in old_home.consortium.organizations:
        path = old_home.home.organization(member) / "node.yaml"
        settings = yaml.safe_load(path.read_text())
        added = described.model_dump(exclude={"collections"})
        settings["chaincodes"].append(added | {"collections_file": "../channel/settlement-collections.json"})
        path.write_text(yaml.safe_dump(settings, sort_keys=False))
    old_home.start()

    async def reconciled() -> bool:
        done = old_home.command("partner", "reconcile")
        return done.returncode == 0 and "1 obligations compared, 0 breaks" in done.stdout

    asyncio.run(eventually(reconciled, "the payment of before is agreed and booked alike", 60))
