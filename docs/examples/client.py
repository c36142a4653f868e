"""The gateway client from end to end: what docs/client.md explains, as one program.

    dwaybank up
    python docs/examples/client.py ~/.local/share/dwaybank/dwaybank/connection-profile.json

It writes demands for disclosure onto the shared ledger, because that is what any client of a member may do; with a
network of your own, call your own chaincode.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
from contextlib import aclosing
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from network.client import EventKind, FileCheckpointer, GatewayClient, OfflineIdentity
from network.connection_profile import ConnectionProfile, connect
from network.errors import CommitError, EndorseError, GatewayError


def demand(demand_id: str) -> tuple[str, str, str, str, str, str]:
    """Return a call that any client may make: function and arguments."""
    return "Demand", demand_id, "DwaybankMSP", "[1]", "example", '["entry"]'


async def transactions(client: GatewayClient) -> None:
    """Submit and evaluate."""
    demand_id = secrets.token_hex(16)
    committed = await client.submit("audit", *demand(demand_id))
    print("committed in block", committed.block_number)
    found = json.loads(await client.evaluate("audit", "GetDemand", demand_id))
    print("on the ledger: purpose", found["purpose"], "by", found["demanding_organization"])

    submitted = await client.submit_async("audit", *demand(secrets.token_hex(16)))
    print("accepted by the ordering service, with an answer:", len(submitted.result) > 0)
    status = await client.commit_status(submitted.tx_id)
    print("and committed with code", status.code)


async def many(client: GatewayClient) -> None:
    """Submit many at once, and hear of their commits in the channel's blocks."""
    async with client.following_commits():
        calls = [client.submit("audit", *demand(secrets.token_hex(16))) for _ in range(20)]
        committed = await asyncio.gather(*calls)
    print("committed at once:", len(committed))


async def failures(client: GatewayClient) -> None:
    """See what a failure tells."""
    demand_id = secrets.token_hex(16)
    first, second = [await client.endorse("audit", *demand(demand_id)) for _ in range(2)]
    for prepared in (first, second):
        await client.submit_prepared(prepared)
    lost = await client.commit_status(second.tx_id)
    if lost.conflict is not None:
        print("lost the race for", lost.conflict.key.split("~")[0])
        print("against the other one:", lost.conflict.winner_tx_id == first.tx_id)

    try:
        await client.submit("audit", *demand(demand_id))
    except EndorseError as error:
        print("not endorsed, gRPC code", error.code)
        for detail in error.details:
            print(" ", detail.msp_id, "says:", detail.message.split(";")[0].replace(demand_id, "..."))
    except CommitError as error:
        print("committed as invalid:", error.validation_code, error.conflict)
    except GatewayError as error:
        print("SubmitError or CommitStatusError: it may yet commit; ask for", error.transaction_id)


async def events(client: GatewayClient, folder: Path) -> None:
    """Listen, stop, and go on where it stopped."""
    sent = [await client.submit("audit", *demand(secrets.token_hex(16))) for _ in range(3)]

    async def listen(count: int) -> list[str]:
        seen = []
        checkpoint = FileCheckpointer(folder / "listener.checkpoint")
        start = sent[0].block_number
        async with aclosing(client.chaincode_events("audit", start_block=start, checkpoint=checkpoint)) as stream:
            async for event in stream:
                seen.append(event.tx_id)
                checkpoint.checkpoint_chaincode_event(event)
                if len(seen) == count:
                    break
        return seen

    print("one listener saw the first:", await listen(1) == [sent[0].tx_id])
    print("the next saw the others:", await listen(2) == [item.tx_id for item in sent[1:]])


async def blocks(client: GatewayClient) -> None:
    """Read blocks, whole and filtered."""
    async for block in client.blocks(0, stop=1):
        print("block", block.header.number, "holds transactions:", len(block.data.data) > 0)
    async for filtered in client.filtered_blocks(1, stop=1):
        print("block", filtered.number, "begins with code", filtered.filtered_transactions[0].tx_validation_code)


async def signed_elsewhere(profile: ConnectionProfile) -> None:
    """Keep the key away from the client."""
    vault = profile.identity("User1")
    certificate = vault.certificate.public_bytes(Encoding.PEM)
    async with connect(profile, identity=OfflineIdentity(vault.msp_id, certificate)) as client:
        proposal = client.propose("audit", *demand(secrets.token_hex(16)))
        prepared = await client.endorse_proposal(proposal, vault.sign(proposal.message))
        submitted = await client.submit_prepared(prepared, vault.sign(prepared.message))
        message = client.commit_status_message(submitted.tx_id)
        status = await client.commit_status(submitted.tx_id, vault.sign(message))
        print("signed elsewhere, committed with code", status.code)
        request = client.blocks_request(EventKind.FILTERED_BLOCKS, status.block_number, stop=status.block_number)
        async for block in client.signed_events(request, vault.sign(request.message)):
            print("and found in its block:", any(item.txid == proposal.tx_id for item in block.filtered_transactions))


async def several_peers(profile: ConnectionProfile) -> None:
    """Use another organization's peer when the own one is away."""
    async with connect(profile, organizations=["dwaybank", "regulator"]) as client:
        committed = await client.submit("audit", *demand(secrets.token_hex(16)))
        print("committed through whichever peer answered, in block", committed.block_number)


async def main(path: Path) -> None:
    """Run all of it."""
    async with connect(path) as client:
        await transactions(client)
        await many(client)
        await failures(client)
        with tempfile.TemporaryDirectory() as folder:
            await events(client, Path(folder))
        await blocks(client)
    await signed_elsewhere(ConnectionProfile(path))
    await several_peers(ConnectionProfile(path))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
