"""One suite of what our shim does, on a peer of ours and on a Go peer of Fabric's, with the same expectations.

Aim: a contract on our shim behaves alike wherever it runs. Method: the same contract, clients, calls and expected
answers, failures and refusals included, on a network of ours and on one of Fabric's own orderer and peers
(``tests/support/shim_place.py``). Only rich queries differ: a Go peer with LevelDB, its default, has none.

The half on a Go peer skips without Fabric's programs: see ``tests/support/fabric_programs.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from network.envelope import ENDORSEMENT_POLICY_FAILURE, MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT, parse_transaction
from network.errors import CommitError, EndorseError, GatewayError
from node.postgres import PostgresCluster
from tests.support.consortium_in_memory import BANK, PARTNER, REGULATOR
from tests.support.shim_place import CHANNEL, GO, OURS, SECOND, ShimPlace, shim_place

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[OURS, GO])
async def place(
    request: pytest.FixtureRequest, postgres_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ShimPlace]:
    async with shim_place(request.param, postgres_cluster, tmp_path_factory.mktemp("place")) as place:
        yield place


async def refused(place: ShimPlace, function: str, *args: str, **options: object) -> str:
    """Return why a call is refused."""
    with pytest.raises(EndorseError) as failure:
        await place.submit(function, *args, **options)
    return str(failure.value)


async def test_state_is_written_read_and_deleted(place: ShimPlace) -> None:
    assert await place.evaluate("Get", "none") == b""
    assert await place.submit("Put", "k", "v") == b"v"
    assert await place.evaluate("Get", "k") == b"v"
    await place.submit("Delete", "k")
    assert await place.evaluate("Get", "k") == b""
    assert [await place.submit("Bump", "n") for _ in range(3)] == [b"1", b"2", b"3"]


async def test_transaction_does_not_read_what_it_writes(place: ShimPlace) -> None:
    await place.submit("Put", "own", "before")
    assert await place.submit("OwnWrite", "own") == b"before"
    assert await place.evaluate("Get", "own") == b"mine"


async def test_several_keys_are_read_and_written_in_one_request(place: ShimPlace) -> None:
    committed = await place.commit("Batch", "b", "250")
    assert await place.evaluate("Both", "b0000", "b0249") == b"0,249"
    assert await place.evaluate("Both", "b0001", "absent") == b"1,"
    events = place.client().chaincode_events("shim", start_block=committed.block_number)
    async for event in events:
        if event.tx_id == committed.tx_id:
            break
    assert (event.chaincode, event.name, event.payload) == ("shim", "batch", b"250")


async def test_range_is_read_in_order_beyond_one_batch(place: ShimPlace) -> None:
    await place.submit("PutMany", "row", "150")
    found = (await place.submit("Range", "row0005", "row0120")).decode().split(",")
    assert found == [f"row{number:04}=x" for number in range(5, 120)]
    assert await place.evaluate("Range", "row0149", "s") == b"row0149=x"
    assert await place.evaluate("Range", "row0009", "row0009") == b""


async def test_pages_follow_one_another(place: ShimPlace) -> None:
    await place.submit("PutMany", "p", "5")
    pages, bookmark = [], ""
    for _ in range(3):
        page = (await place.evaluate("Page", "p", "q", "2", bookmark)).decode()
        pages.append(page)
        bookmark = page.rpartition("|")[2]
    assert pages == ["p0000=x,p0001=x|2|p0002", "p0002=x,p0003=x|2|p0004", "p0004=x|1|"]


async def test_page_is_refused_to_a_transaction_that_writes(place: ShimPlace) -> None:
    text = await refused(place, "PageAndWrite", "p", "q")
    assert "Paginated queries are supported only in a read-only transaction" in text


async def test_composite_keys_are_found_by_their_beginning(place: ShimPlace) -> None:
    for one, two in (("a", "1"), ("a", "2"), ("b", "1")):
        await place.submit("PutComposite", "kind", one, two, f"{one}{two}")
    assert await place.submit("Partial", "kind", "a") == b"kind/a/1=a1,kind/a/2=a2"
    # Composite keys stand in no plain range.
    assert b"a1" not in await place.evaluate("Range", "", "l")


async def test_history_tells_every_change_newest_first(place: ShimPlace) -> None:
    for value in ("one", "two"):
        await place.submit("Put", "past", value)
    await place.submit("Delete", "past")
    changes = [entry.split(":")[1:] for entry in (await place.evaluate("History", "past")).decode().split(",")]
    assert changes == [["", "true"], ["two", "false"], ["one", "false"]]


async def test_proposal_is_told_to_the_contract_as_it_was_signed(place: ShimPlace) -> None:
    client = place.client()
    proposal = client.propose("shim", "TellTime")
    tx_id, channel_id, msp_id, stamp, binding = (await client.evaluate_proposal(proposal)).decode().split()
    assert (tx_id, channel_id, msp_id) == (proposal.tx_id, CHANNEL, BANK)
    assert float(stamp) > 1_700_000_000
    assert len(bytes.fromhex(binding)) == 32


async def test_failure_is_no_endorsement(place: ShimPlace) -> None:
    text = await refused(place, "Refuse", "no such account")
    assert "no such account" in text
    with pytest.raises(GatewayError, match="no such account"):
        await place.evaluate("Refuse", "no such account")


async def test_rich_query_is_answered_where_the_state_database_can(place: ShimPlace) -> None:
    """The one difference: PostgreSQL answers, LevelDB does not."""
    await place.submit("Put", "car1", '{"kind": "car", "size": 2}')
    await place.submit("Put", "car2", '{"kind": "car", "size": 1}')
    query = '{"selector": {"kind": "car"}, "sort": [{"size": "asc"}]}'
    if place.kind == GO:
        with pytest.raises(GatewayError, match="ExecuteQuery not supported for leveldb"):
            await place.evaluate("Query", query)
        return
    answer = (await place.submit("Query", query)).decode()
    assert answer.index("car2=") < answer.index("car1=")


async def test_read_that_was_overtaken_makes_the_transaction_invalid(place: ShimPlace) -> None:
    client = place.client()
    await place.submit("Put", "hot", "0")
    await place.submit("PutMany", "z", "4")
    late = await client.endorse("shim", "Bump", "hot", endorsing_organizations=[BANK])
    ranged = await client.endorse("shim", "Range", "z", "zz", endorsing_organizations=[BANK])
    await place.submit("Bump", "hot")
    await place.submit("Put", "z9", "new")
    for prepared, code in ((late, MVCC_READ_CONFLICT), (ranged, PHANTOM_READ_CONFLICT)):
        await client.submit_prepared(prepared)
        assert (await client.commit_status(prepared.tx_id)).code == code


async def test_private_data_is_written_hashed_listed_deleted_and_purged(place: ShimPlace) -> None:
    for key in ("p1", "p2", "p3"):
        await place.submit("PutPrivate", "shared", key, transient={"value": f"secret {key}".encode()})
    assert await place.evaluate("GetPrivate", "shared", "p1") == b"secret p1"
    digest = hashlib.sha256(b"secret p1").hexdigest().encode()
    assert await place.evaluate("HashPrivate", "shared", "p1") == digest
    assert await place.evaluate("RangePrivate", "shared", "p2", "p4") == b"p2=secret p2,p3=secret p3"
    await place.submit("DeletePrivate", "shared", "p1")
    await place.submit("PurgePrivate", "shared", "p2")
    for key in ("p1", "p2"):
        assert await place.evaluate("GetPrivate", "shared", key) == b""
        assert await place.evaluate("HashPrivate", "shared", key) == b""
    assert await place.evaluate("RangePrivate", "shared", "", "") == b"p3=secret p3"


async def test_unknown_collection_is_refused(place: ShimPlace) -> None:
    text = await refused(place, "PutPrivate", "none", "k", transient={"value": b"x"})
    assert f"collection {CHANNEL}/shim/none could not be found" in text


async def test_key_level_policy_is_read_and_enforced(place: ShimPlace) -> None:
    await place.submit("Guard", "guarded", PARTNER)
    assert await place.evaluate("Guards", "guarded") == PARTNER.encode()
    with pytest.raises(CommitError) as failure:
        await place.submit("Put", "guarded", "x")
    assert failure.value.validation_code == ENDORSEMENT_POLICY_FAILURE
    await place.submit("PutPrivate", "shared", "guarded", transient={"value": b"1"})
    await place.submit("GuardPrivate", "shared", "guarded", "guarded")
    assert await place.evaluate("GuardsPrivate", "shared", "guarded") == b"True"
    with pytest.raises(CommitError) as failure:
        await place.submit("PutPrivate", "shared", "guarded", transient={"value": b"2"})
    assert failure.value.validation_code == ENDORSEMENT_POLICY_FAILURE


async def test_chaincode_calls_chaincode_in_one_transaction(place: ShimPlace) -> None:
    assert await place.submit("Call", "other", "Bump", "called") == b"200 1"
    assert await place.client().evaluate("other", "Get", "called", target_organizations=[BANK]) == b"1"
    assert await place.evaluate("Get", "called") == b""


async def test_chaincode_cannot_call_itself(place: ShimPlace) -> None:
    text = await refused(place, "Call", "shim", "Get", "k")
    assert "execute failed: error sending: txid: " in text
    assert f"({CHANNEL}) exists" in text


async def test_chaincode_that_is_not_defined_cannot_be_called(place: ShimPlace) -> None:
    text = await refused(place, "Call", "none", "Get", "k")
    assert "INVOKE_CHAINCODE failed: transaction ID: " in text
    assert f"[channel {CHANNEL}] failed to get chaincode container info for none: chaincode none not found" in text


async def test_other_channel_is_read_and_never_written(place: ShimPlace) -> None:
    """What is read there is no part of the transaction: a change there does not make it invalid."""
    await place.submit("Put", "rate", "1.07", channel_id=SECOND)
    client = place.client()
    call = ("CallOn", SECOND, "shim", "Get;rate")
    prepared = await client.endorse("shim", *call, endorsing_organizations=[BANK])
    assert prepared.result == b"200 1.07"
    await place.submit("Put", "rate", "1.08", channel_id=SECOND)
    await client.submit_prepared(prepared)
    status = await client.commit_status(prepared.tx_id)
    assert status.code == 0
    async for block in client.blocks(status.block_number, stop=status.block_number):
        transactions = [parse_transaction(data) for data in block.data.data]
    (found,) = [transaction for transaction in transactions if transaction.tx_id == prepared.tx_id]
    namespaces = {item.namespace for item in found.rwset.namespaces}
    assert namespaces == {"shim", "_lifecycle"}
    assert await place.submit("CallOn", SECOND, "shim", "Put;rate;9") == b"200 9"
    assert await place.evaluate("Get", "rate", channel_id=SECOND) == b"1.08"
    assert await place.evaluate("Get", "rate") == b""


async def test_called_chaincode_knows_the_channel_it_was_called_on(place: ShimPlace) -> None:
    answer = (await place.submit("CallOn", SECOND, "shim", "TellTime")).decode().split()
    assert (answer[2], answer[3]) == (SECOND, BANK)
    # And back: the first channel, seen from the second, is another one.
    await place.submit("Put", "seen", "yes")
    await place.submit("Call", "other", "Bump", "seen_there")
    committed = await place.submit("CallOn", SECOND, "shim", f"CallBack;{CHANNEL};other;seen_there")
    assert committed == b"200 200 1"


@pytest.mark.parametrize(
    ("channel", "chaincode", "text"),
    [
        ("third", "shim", "Failed to get policy manager for channel [third]"),
        (SECOND, "other", f"[channel {SECOND}] failed to get chaincode container info for other: chaincode other not"),
    ],
    ids=["channel", "chaincode"],
)
async def test_call_on_a_channel_that_cannot_be_served_says_why(
    place: ShimPlace, channel: str, chaincode: str, text: str
) -> None:
    answer = await refused(place, "CallOn", channel, chaincode, "Get;k")
    assert "INVOKE_CHAINCODE failed: transaction ID: " in answer
    assert text in answer


async def test_creator_that_is_not_on_the_other_channel_reads_nothing_there(place: ShimPlace) -> None:
    client = place.client(msp_id=REGULATOR)
    assert await client.evaluate("shim", "Get", "none", target_organizations=[BANK]) == b""
    with pytest.raises(GatewayError) as failure:
        await client.evaluate("shim", "CallOn", SECOND, "shim", "Get;rate", target_organizations=[BANK])
    assert (
        f"Failed evaluating policy on signed data during check policy on channel [{SECOND}] with policy "
        "[/Channel/Application/Writers]: [implicit policy evaluation failed - 0 sub-policies were satisfied, but this "
        "policy requires 1 of the 'Writers' sub-policies to be satisfied]"
    ) in str(failure.value)
