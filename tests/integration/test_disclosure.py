"""Aim: what a demand brings is readable to who demanded alone, proved before anybody sees it, and refusals are seen.

Method: a bank and a regulator with their own databases on an in-memory channel of genuine blocks, the gateway's own
schema beside the bank's books; a dishonest bank signs and seals what it should not.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from string import ascii_letters
from typing import Any

import psycopg
import pytest
from nacl.public import PrivateKey, SealedBox
from sqlalchemy import create_engine

from gateway.migrate import migrate as migrate_gateway
from network.bundle import VerifiedEntry
from network.errors import ProofError, RpcError
from network.member_signature import DISCLOSURE, REPORT, sign_as_member
from network.pb.dwaybank.audit.v1 import audit_pb2 as pb
from network.rpc import StatusCode
from node.audit.demands import Demands
from node.audit.disclosure import DisclosureSettings
from node.audit.sealing import open_package, seal, seal_package
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR, ConsortiumInMemory, Material, make_material
from tests.support.trails import DISCLOSURE_KEY, World, own_member, post, running_world

ALL = ["entry", "description", "customer"]
NAME, EMAIL, TEXT = "Alice Example", "alice@example.test", "rent for March, second floor"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@pytest.fixture
async def world(material: Material, database_url: str, regulator_url: str) -> AsyncIterator[World]:
    async with running_world(ConsortiumInMemory(material), database_url, regulator_url) as world:
        post(world.writer, 100, description=TEXT)
        post(world.writer, 250)
        await world.settle()
        yield world


def add_customers(url: str) -> None:
    """Make the gateway's schema as the gateway does, and a customer behind account ``alice``."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    migrate_gateway(engine)
    engine.dispose()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO gateway.customer VALUES (gen_random_uuid(), %s, %s, 'x', 'active', now())", (EMAIL, NAME)
        )
        connection.execute(
            "INSERT INTO gateway.customer_account SELECT 'alice', customer_id, 'EUR', '', now() FROM gateway.customer"
        )


async def indexed(world: World, call: Callable[[], object]) -> object:
    """Do something while the bank's index follows the newest block."""
    following = asyncio.create_task(world.bank.indexer.follow(stop=len(world.consortium.blocks)))
    try:
        return await call()  # type: ignore[misc]
    finally:
        await following
        await world.index()


async def demand(world: World, *seqs: int, scope: list[str] = ALL) -> pb.DemandDisclosureResponse:
    request = pb.DemandDisclosureRequest(organization=BANK, seqs=seqs, purpose="review", scope=scope)
    reply = await indexed(
        world,
        lambda: world.call(
            world.regulator_handlers, REGULATOR, "DemandDisclosure", request, pb.DemandDisclosureResponse
        ),
    )
    assert isinstance(reply, pb.DemandDisclosureResponse)
    return reply


async def demands(world: World, side: str, state: str = "") -> list[pb.Demand]:
    handlers = world.bank_handlers if side == BANK else world.regulator_handlers
    reply = await world.call(handlers, side, "ListDemands", pb.ListDemandsRequest(state=state), pb.ListDemandsResponse)
    return list(reply.demands)


def kept_anywhere(url: str, text: str) -> list[str]:
    """Return the tables of schema ``log`` in which a text can be read."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'log'").fetchall()
        return [
            name
            for (name,) in tables
            if any(
                text.encode() in (value if isinstance(value, bytes) else str(value).encode())
                for row in connection.execute(f"SELECT * FROM log.{name}".encode())
                for value in row
            )
        ]


async def findings(world: World) -> list[tuple[str, str]]:
    await world.index()
    return [(each["kind"], each["subject"]) for each in world.regulator.findings.listed()]


# What is given --------------------------------------------------------------------------------------------------------


@pytest.mark.every_postgres
async def test_a_demand_of_everything_brings_entry_text_and_customer_and_keeps_people_sealed(world: World) -> None:
    add_customers(world.bank_url)
    reply = await demand(world, 2, 1)
    assert [each.seq for each in reply.details] == [1, 2]
    first, second = reply.details
    assert (first.description, second.description) == (TEXT, "")
    assert [(each.account, each.display_name, each.email) for each in first.customers] == [("alice", NAME, EMAIL)]
    assert list(first.unavailable) == []
    regulator_url = world.regulator._database._pool.conninfo
    for text in (NAME, EMAIL, TEXT):
        assert kept_anywhere(regulator_url, text) == [], "the database alone tells nobody"
        assert all(text.encode() not in value for value in world.consortium.states["audit"].values.values())
    request = pb.GetDisclosedDetailsRequest(organization=BANK, seq=1)
    again = await world.call(
        world.regulator_handlers, REGULATOR, "GetDisclosedDetails", request, pb.GetDisclosedDetailsResponse
    )
    assert list(again.details) == [first]
    looks = world.regulator.disclosed.looks()
    assert [json.loads(look.asked) for look in looks] == [{"details": {}}, {"demand": {"demand_id": reply.demand_id}}]
    assert [each.state for each in await demands(world, REGULATOR)] == ["answered"]
    assert [each.state for each in await demands(world, BANK)] == ["answered"]
    with psycopg.connect(world.bank_url) as connection:
        asked = connection.execute("SELECT demand_id, account FROM gateway.customer_disclosure").fetchall()
    assert asked == [(reply.demand_id, "alice")] * 2, "the gateway's schema keeps that it was asked, for each entry"


async def test_a_demand_of_entries_brings_no_text_and_no_person(world: World) -> None:
    add_customers(world.bank_url)
    reply = await demand(world, 1, scope=[])
    assert len(reply.bundles) == 1
    assert list(reply.details) == []
    assert list((await demands(world, REGULATOR))[0].scope) == ["entry"]


async def test_where_nobody_knows_the_customers_the_answer_says_so(world: World) -> None:
    (details,) = (await demand(world, 1)).details
    assert (details.description, list(details.unavailable)) == (TEXT, ["customer"])


async def test_what_goes_over_the_line_is_opened_by_the_regulators_key_alone(world: World) -> None:
    add_customers(world.bank_url)
    seen: list[bytes] = []

    def listen(path: str, reply: bytes) -> bytes:
        if path.endswith("/Disclose"):
            seen.append(pb.DiscloseResponse.FromString(reply).sealed)
        return reply

    world.line.bend = listen
    await demand(world, 1)
    (sealed,) = seen
    for text in (NAME, TEXT, BANK, '"postings"'):
        assert text.encode() not in sealed
    msps = own_member(world.consortium, REGULATOR).msps()
    opened = open_package(sealed, DISCLOSURE_KEY, BANK, msps, None)
    assert opened.package.details[0].description == TEXT
    with pytest.raises(ProofError) as other:
        open_package(sealed, PrivateKey.generate(), BANK, msps, None)
    assert other.value.reason == "wrong_seal"
    with pytest.raises(ProofError) as foreign:
        open_package(sealed, DISCLOSURE_KEY, PARTNER, msps, None)
    assert foreign.value.reason == "wrong_signer"


async def test_a_new_key_opens_what_is_demanded_from_now_on_and_nothing_of_before(world: World) -> None:
    regulator, key = world.regulator, PrivateKey(bytes(31) + b"\x77")
    await demand(world, 1)
    regulator.anchorer._disclosure_key = bytes(key.public_key)
    await regulator.anchorer.register()
    await world.index()
    regulator.demands._key = regulator.demands._details._key = key
    request = pb.GetDisclosedDetailsRequest(organization=BANK, seq=1)

    async def details() -> list[pb.DisclosedDetails]:
        reply = await world.call(
            world.regulator_handlers, REGULATOR, "GetDisclosedDetails", request, pb.GetDisclosedDetailsResponse
        )
        return list(reply.details)

    with pytest.raises(RpcError) as lost:
        await details()
    assert lost.value.code == StatusCode.DATA_LOSS
    assert [each.description for each in (await demand(world, 1)).details] == [TEXT]
    assert [each.description for each in await details()] == [TEXT]


# A bank that gives what it should not ---------------------------------------------------------------------------------


def another_description(package: pb.DisclosurePackage) -> None:
    package.details[0].description = "a gift"


def another_salt(package: pb.DisclosurePackage) -> None:
    package.details[0].description_salt = bytes(32)


def no_description(package: pb.DisclosurePackage) -> None:
    package.details[0].description = ""


def invented_description(package: pb.DisclosurePackage) -> None:
    package.details[1].description = "a gift"


def anothers_customer(package: pb.DisclosurePackage) -> None:
    package.details[0].customers.add(account="bob", display_name="Bob")


def no_details(package: pb.DisclosurePackage) -> None:
    del package.details[:]


def one_detail_twice(package: pb.DisclosurePackage) -> None:
    package.details[1].CopyFrom(package.details[0])


def swapped_bundles(package: pb.DisclosurePackage) -> None:
    first, second = package.bundles
    package.bundles[:] = [second, first]


def bent_bundle(package: pb.DisclosurePackage) -> None:
    package.bundles[0] = package.bundles[0].replace(b'"amount_minor":"100"', b'"amount_minor":"900"')


def one_bundle(package: pb.DisclosurePackage) -> None:
    del package.bundles[1]


def another_demand(package: pb.DisclosurePackage) -> None:
    package.demand_id = "00" * 16


def details_of_another_demand(package: pb.DisclosurePackage) -> None:
    package.details[0].demand_id = "00" * 16


def unavailable_without_asking(package: pb.DisclosurePackage) -> None:
    package.details[0].unavailable.append("everything")


LIES = {
    another_description: "wrong_description", another_salt: "wrong_description", no_description: "wrong_description",
    invented_description: "wrong_description", anothers_customer: "wrong_customer", no_details: "not_disclosed",
    one_detail_twice: "not_disclosed", swapped_bundles: "wrong_entry", bent_bundle: "wrong_fields",
    one_bundle: "not_disclosed", another_demand: "wrong_package", details_of_another_demand: "wrong_package",
    unavailable_without_asking: "not_disclosed",
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
async def test_what_a_bank_signs_and_does_not_prove_is_kept_nowhere_and_becomes_a_finding(
    world: World, lie: Callable[[pb.DisclosurePackage], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dishonest(package: pb.DisclosurePackage, identity: object, key: bytes) -> tuple[bytes, bytes]:
        lie(package)
        return seal_package(package, identity, key)  # type: ignore[arg-type]

    monkeypatch.setattr("node.audit.disclosure.seal_package", dishonest)
    with pytest.raises(RpcError) as refused:
        await demand(world, 1, 2)
    assert refused.value.code == StatusCode.DATA_LOSS
    (made,) = await demands(world, REGULATOR)
    assert made.state == "waiting"
    assert await findings(world) == [("unsound_disclosure", f"demand/{made.demand_id}")]
    (finding,) = world.regulator.findings.listed()
    evidence = (await world.regulator.findings.texts(finding))[finding["evidence"]]
    assert LIES[lie] in evidence, evidence
    with psycopg.connect(world.regulator._database._pool.conninfo) as connection:
        for table in ("disclosed_entry", "disclosed_detail", "look"):
            assert connection.execute(f"SELECT * FROM log.{table}".encode()).fetchall() == []


UNKEPT = {
    "an amount above the books'": {"amount_minor": str(2**63)},
    "a zero character": {"account": "a\x00b"},
    "an account longer than an index takes": {"account": "".join(Random(1).choices(ascii_letters, k=30_000))},
}


@pytest.mark.parametrize("field", UNKEPT.values(), ids=UNKEPT)
async def test_a_proved_entry_that_cannot_be_kept_is_told_and_the_others_are_kept(
    world: World, field: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = Demands._checked

    def strange(self: Demands, *args: Any) -> VerifiedEntry:
        entry = checked(self, *args)
        assert entry.fields is not None
        first, *others = entry.fields["postings"]
        strange_fields = {**entry.fields, "postings": [{**first, **field}, *others]}
        return replace(entry, fields=strange_fields) if entry.seq == 1 else entry

    # Such an entry is proved by a bank that anchors what its own books cannot hold.
    monkeypatch.setattr(Demands, "_checked", strange)
    reply = await demand(world, 1, 2, scope=[])
    assert len(reply.bundles) == 2
    (made,) = await demands(world, REGULATOR)
    assert made.state == "answered"
    assert await findings(world) == [("unsound_disclosure", f"demand/{made.demand_id}")]
    (finding,) = world.regulator.findings.listed()
    assert "entry 1: " in (await world.regulator.findings.texts(finding))[finding["evidence"]]
    with psycopg.connect(world.regulator._database._pool.conninfo) as connection:
        assert connection.execute("SELECT seq FROM log.disclosed_entry").fetchall() == [(2,)]
        assert {seq for (seq,) in connection.execute("SELECT seq FROM log.disclosed_posting")} == {2}


@pytest.mark.parametrize(
    ("signer", "user", "domain", "more", "reason"),
    [
        (PARTNER, "peer", DISCLOSURE, b"", "signer"),
        (BANK, "Node", DISCLOSURE, b"", "signer"),
        (BANK, "peer", REPORT, b"", "signature"),
        (BANK, "peer", DISCLOSURE, b"x", "signature"),
    ],
    ids=["another member", "another of its certificates", "another domain", "another content"],
)
async def test_a_package_that_the_bank_did_not_sign_is_refused(
    world: World, signer: str, user: str, domain: str, more: bytes, reason: str
) -> None:
    content = pb.DisclosurePackage(demand_id="00" * 16, organization=BANK).SerializeToString()
    signature = sign_as_member(world.consortium.material.signer(signer, user), domain, content + more)
    signed = pb.SignedDisclosure(package=content, creator=signature.creator, signature=signature.signature)
    sealed = seal(signed.SerializeToString(), bytes(DISCLOSURE_KEY.public_key))
    with pytest.raises(ProofError) as refused:
        open_package(sealed, DISCLOSURE_KEY, BANK, own_member(world.consortium, BANK).msps(), None)
    assert refused.value.reason == f"wrong_{reason}"


@pytest.mark.parametrize("sealed", [b"", b"x" * 47, b"x" * 5_000])
async def test_what_is_no_sealed_package_is_refused(world: World, sealed: bytes) -> None:
    msps = own_member(world.consortium, BANK).msps()
    with pytest.raises(ProofError):
        open_package(sealed, DISCLOSURE_KEY, BANK, msps, None)
    boxed = SealedBox(DISCLOSURE_KEY.public_key).encrypt(sealed)
    with pytest.raises(ProofError):
        open_package(boxed, DISCLOSURE_KEY, BANK, msps, None)


def test_nothing_is_sealed_to_a_key_that_keeps_no_secret(material: Material) -> None:
    with pytest.raises(ProofError) as refused:
        seal(b"who it is", bytes(32))
    assert refused.value.reason == "wrong_disclosure_key"


# Refused, not allowed, not asked by who may ---------------------------------------------------------------------------


def settings(world: World, **changes: object) -> None:
    fields = {"key": PrivateKey.generate(), "supervisors": frozenset({REGULATOR}), "at_once": True} | changes
    world.bank.disclosures._settings = DisclosureSettings(**fields)  # type: ignore[arg-type]


@pytest.mark.every_postgres
async def test_a_demand_that_waits_is_given_once_somebody_at_the_bank_allows_it(world: World) -> None:
    settings(world, at_once=False)
    with pytest.raises(RpcError) as early:
        await demand(world, 1)
    assert early.value.code == StatusCode.FAILED_PRECONDITION
    (waiting,) = await demands(world, BANK, "waiting")
    allow = pb.AllowDemandRequest(demand_id=waiting.demand_id)
    await world.call(world.bank_handlers, BANK, "AllowDemand", allow, pb.AllowDemandResponse)
    assert [each.demand_id for each in await demands(world, BANK, "allowed")] == [waiting.demand_id]
    fetch = pb.FetchDisclosureRequest(demand_id=waiting.demand_id)
    reply = await world.call(world.regulator_handlers, REGULATOR, "FetchDisclosure", fetch, pb.FetchDisclosureResponse)
    assert [each.description for each in reply.details] == [TEXT]
    assert [each.state for each in await demands(world, REGULATOR)] == ["answered"]


async def test_a_refusal_is_a_finding_of_its_own_and_no_silence(world: World) -> None:
    settings(world, at_once=False)
    with pytest.raises(RpcError):
        await demand(world, 1)
    (made,) = await demands(world, BANK)
    refuse = pb.RefuseDemandRequest(demand_id=made.demand_id, reason="privileged")
    await world.call(world.bank_handlers, BANK, "RefuseDemand", refuse, pb.RefuseDemandResponse)
    await world.index()
    (told,) = await demands(world, REGULATOR)
    assert (told.state, told.reason) == ("refused", "privileged")
    supervisor = world.regulator.supervisor
    assert supervisor is not None
    now = supervisor._now
    supervisor._now = lambda: now() + timedelta(hours=2)
    opened = await supervisor.watch()
    assert [(each.kind, each.subject) for each in opened] == [("refused_demand", f"demand/{made.demand_id}")]
    await world.index()
    assert await supervisor.watch() == []
    fetch = pb.FetchDisclosureRequest(demand_id=made.demand_id)
    with pytest.raises(RpcError) as refused:
        await world.call(world.regulator_handlers, REGULATOR, "FetchDisclosure", fetch, pb.FetchDisclosureResponse)
    assert (refused.value.code, "privileged" in str(refused.value)) == (StatusCode.PERMISSION_DENIED, True)


async def test_what_was_given_cannot_be_refused_any_more(world: World) -> None:
    made = await demand(world, 1)
    refuse = pb.RefuseDemandRequest(demand_id=made.demand_id, reason="privileged")
    with pytest.raises(RpcError) as refused:
        await world.call(world.bank_handlers, BANK, "RefuseDemand", refuse, pb.RefuseDemandResponse)
    assert refused.value.code == StatusCode.PERMISSION_DENIED


async def test_nobody_is_answered_whom_the_settings_do_not_name(world: World) -> None:
    settings(world, supervisors=frozenset())
    with pytest.raises(RpcError) as refused:
        await demand(world, 1)
    assert refused.value.code == StatusCode.PERMISSION_DENIED
    assert "supervisors: [RegulatorMSP]" in str(refused.value)


@pytest.mark.parametrize(
    ("method", "request_", "code"),
    [
        ("AllowDemand", pb.AllowDemandRequest(demand_id="x"), StatusCode.INVALID_ARGUMENT),
        ("AllowDemand", pb.AllowDemandRequest(demand_id="00" * 16), StatusCode.NOT_FOUND),
        ("RefuseDemand", pb.RefuseDemandRequest(demand_id="00" * 16, reason="too_wide"), StatusCode.NOT_FOUND),
        ("RefuseDemand", pb.RefuseDemandRequest(demand_id="00" * 16, reason="x"), StatusCode.INVALID_ARGUMENT),
        ("FetchDisclosure", pb.FetchDisclosureRequest(demand_id="é"), StatusCode.INVALID_ARGUMENT),
        ("FetchDisclosure", pb.FetchDisclosureRequest(demand_id="00" * 16), StatusCode.NOT_FOUND),
        ("GetDisclosedDetails", pb.GetDisclosedDetailsRequest(seq=0), StatusCode.INVALID_ARGUMENT),
        ("ListDemands", pb.ListDemandsRequest(state="lost"), StatusCode.INVALID_ARGUMENT),
        (
            "DemandDisclosure",
            pb.DemandDisclosureRequest(organization=BANK, seqs=[1], purpose="x", scope=["x"]),
            StatusCode.INVALID_ARGUMENT,
        ),
    ],
)
async def test_fields_that_cannot_be_used_are_refused(
    world: World, method: str, request_: pb.AllowDemandRequest, code: StatusCode
) -> None:
    with pytest.raises(RpcError) as refused:
        await world.call(world.bank_handlers, BANK, method, request_, pb.AllowDemandResponse)
    assert refused.value.code == code
    with pytest.raises(RpcError) as foreign:
        await world.call(world.bank_handlers, REGULATOR, method, request_, pb.AllowDemandResponse)
    assert foreign.value.code == StatusCode.PERMISSION_DENIED


async def test_a_demand_is_fetched_by_who_made_it_alone(world: World) -> None:
    made = await demand(world, 1)
    fetch = pb.FetchDisclosureRequest(demand_id=made.demand_id)
    with pytest.raises(RpcError) as foreign:
        await world.call(world.bank_handlers, BANK, "FetchDisclosure", fetch, pb.FetchDisclosureResponse)
    assert foreign.value.code == StatusCode.PERMISSION_DENIED
    assert isinstance(world.regulator.demands, Demands)
