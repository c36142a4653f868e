"""Aim: commitments to obligations bind every field, and those to amounts add up as the amounts do.

Method: golden values that are fixed for ever, sums against plain arithmetic, points that are none.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import pytest

from network import value_commitment
from network.errors import ProofError
from network.obligation import ObligationDetails, details_of, obligation_id_of, pair_collection, pair_of
from network.value_commitment import NEUTRAL, add, blinding_of, commit, negate, opens, total

DETAILS = ObligationDetails(
    "DwaybankMSP", "PartnerMSP", "EUR", 12_500, date(2026, 3, 1), "settlement-7", bytes(range(32))
)

GOLDEN = (
    "c2c1f6197458ea98e9e48f8e6505452214bdf62c4211d307c3ba28e1f9cf18c4",
    "9a446f85481d1fd1ea7f34c433c1ceb74faa8ef7358f7d04c401e8461e557795",
    "6d73738d09ade00f45f565642b7e6a1e",
)


def test_commitments_are_exactly_these_for_ever() -> None:
    assert DETAILS.commitment.hex() == GOLDEN[0]
    assert DETAILS.value.hex() == GOLDEN[1]
    assert obligation_id_of("DwaybankMSP", "settlement-7") == GOLDEN[2]


@pytest.mark.parametrize(
    "change",
    [
        {"debtor": "SaverMSP"}, {"creditor": "SaverMSP"}, {"asset": "USD"}, {"amount": 12_501},
        {"value_date": date(2026, 3, 2)}, {"reference": "settlement-8"}, {"salt": bytes(32)},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_commitment_binds_every_field(change: dict[str, object]) -> None:
    assert replace(DETAILS, **change).commitment != DETAILS.commitment  # type: ignore[arg-type]


def test_details_survive_their_json_form() -> None:
    assert details_of(DETAILS.fields()) == DETAILS
    with pytest.raises(ProofError, match="no others"):
        details_of({**DETAILS.fields(), "more": "x"})


def test_pair_has_one_order_and_one_collection() -> None:
    assert pair_of("B", "A") == pair_of("A", "B") == ("A", "B")
    assert pair_collection("PartnerMSP", "DwaybankMSP") == "pair_DwaybankMSP_PartnerMSP"


def test_sum_of_values_opens_with_the_net_and_with_nothing_else() -> None:
    chance = random.Random(20260301)
    banks = ("DwaybankMSP", "PartnerMSP")
    gross = [
        ObligationDetails(
            banks[way], banks[1 - way], chance.choice(("EUR", "USD")), chance.randint(1, 2**62), date(2026, 3, 1),
            str(number), chance.randbytes(32),
        )
        for number, way in enumerate(chance.choices((0, 1), k=40))
    ]  # fmt: skip
    net = total((each.asset, each.sign * each.amount) for each in gross)
    blinding = sum(each.blinding for each in gross)
    committed = add(*(each.value for each in gross))
    assert opens(committed, net, blinding)
    assert opens(negate(committed), {asset: -amount for asset, amount in net.items()}, -blinding)
    assert not opens(committed, {**net, "EUR": net["EUR"] + 1}, blinding)
    assert not opens(committed, net, blinding + 1)
    assert not opens(add(*(each.value for each in gross[1:])), net, blinding), "one left out"


def test_both_banks_see_one_value() -> None:
    assert commit({"EUR": 12_500}, blinding_of(DETAILS.salt)) == DETAILS.value
    turned = replace(DETAILS, debtor=DETAILS.creditor, creditor=DETAILS.debtor)
    assert add(turned.value, DETAILS.value) == NEUTRAL, "the same owed each way is nothing"


def test_nothing_is_committed_to_by_the_neutral_element() -> None:
    assert add() == NEUTRAL == commit({}, 0) == negate(NEUTRAL)
    assert add(NEUTRAL, DETAILS.value, NEUTRAL) == DETAILS.value
    assert total([("EUR", 5), ("EUR", -5)]) == {}


@pytest.mark.parametrize(
    "point",
    [b"", bytes(31), bytes(33), bytes(32), b"\xff" * 32, (2).to_bytes(32, "little")],
    ids=["empty", "short", "long", "small_order", "no_field_element", "not_on_the_curve"],
)
def test_what_is_no_point_of_the_group_is_refused(point: bytes) -> None:
    for call in (lambda: add(point), lambda: negate(point), lambda: opens(point, {}, 0)):
        with pytest.raises(ProofError) as refused:
            call()
        assert refused.value.reason == "malformed_commitment"


def test_bases_of_assets_and_blinding_are_different_points() -> None:
    points = {commit({asset: 1}, 0) for asset in ("EUR", "USD", "CZK")} | {commit({}, 1)}
    assert len(points) == 4
    assert all(value_commitment.require_point(point) for point in points)
