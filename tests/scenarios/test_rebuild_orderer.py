"""An orderer whose files are lost gets them back from the peers, to the byte, and goes on; or is told why not.

Method: a consortium that has anchored is stopped and the orderer's folder goes; peers are as high as each other or not,
and one of their databases is tampered with, as its owner can.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from node.config import read_url
from node.offline import database_servers
from tests.support.consortium import RunningConsortium, own_consortium


@pytest.fixture(scope="module")
def running() -> Iterator[RunningConsortium]:
    with own_consortium() as found:
        yield found


async def anchored(running: RunningConsortium, entries: int) -> int:
    """Post, each entry in a batch of its own, until all is attested; return the height all peers have."""
    for _ in range(entries):
        await running.deposit(running.bank, "cust-rebuild", 100)
    return (await running.settled())[0].block_height


@contextmanager
def lost(running: RunningConsortium) -> Iterator[Path]:
    """Have the orderer's folder gone within the block; give the file of blocks."""
    file = running.home.orderer / "blocks" / running.consortium.channel / "blocks"
    kept = running.home.orderer.with_name("kept")
    running.home.orderer.rename(kept)
    try:
        yield file
    finally:
        shutil.rmtree(running.home.orderer, ignore_errors=True)
        kept.rename(running.home.orderer)


async def test_lost_orderer_is_written_anew_to_the_byte_and_the_chain_goes_on(running: RunningConsortium) -> None:
    await running.open_account(running.bank, "cust-rebuild")
    height = await anchored(running, 5)
    file = running.home.orderer / "blocks" / running.consortium.channel / "blocks"
    refused = running.command("rebuild-orderer")
    assert refused.returncode == 1 and f"{file} is there" in refused.stderr
    running.stop()
    original, settings = file.read_bytes(), (running.home.orderer / "orderer.yaml").read_bytes()
    # A peer that is behind is not the one to go by.
    back = running.command("peer", "rollback", "--block", str(height - 3), "--org", "dwaybank")
    assert back.returncode == 0, back.stderr
    shutil.rmtree(running.home.orderer)
    up = running.command("up")
    assert up.returncode == 1 and "`dwaybank rebuild-orderer` writes it anew" in up.stderr
    done = running.command("rebuild-orderer")
    assert done.returncode == 0, done.stderr
    assert f"{height} blocks written, from " in done.stdout and "from dwaybank's" not in done.stdout
    assert file.read_bytes() == original
    assert (running.home.orderer / "orderer.yaml").read_bytes() == settings
    await asyncio.to_thread(running.start)
    assert await anchored(running, 2) > height
    assert (await running.audit(running.regulator, running.bank)).findings == []
    running.stop()


def test_blocks_that_do_not_hold_or_differ_are_written_nowhere(running: RunningConsortium) -> None:
    running.stop()
    tampered = "UPDATE channel.block SET content = overlay(content placing '\\x00' from 200) WHERE block_number = 3"
    # Of two whole chains each is its own; only comparing them tells.
    last = "(SELECT max(block_number) FROM channel.block)"
    forked = f"UPDATE channel.block SET header_hash = sha256('other') WHERE block_number = {last}"
    for member, change, told in (
        (running.consortium.organizations[0], tampered, "dwaybank's database: block 3"),
        (running.regulator, forked, "dwaybank and regulator hold different blocks "),
    ):
        url = read_url(running.home.secret(member, "owner.url"))
        with database_servers(running.home, [member]), psycopg.connect(url) as database:
            before = database.execute(
                "SELECT channel_no, block_number, header_hash, content FROM channel.block"
            ).fetchall()
            database.execute(change)
        with lost(running) as file:
            refused = running.command("rebuild-orderer")
            assert refused.returncode == 1 and told in refused.stderr, refused.stderr
            assert "nothing was written" in refused.stderr and not list(file.parent.iterdir())
        with database_servers(running.home, [member]), psycopg.connect(url) as database:
            for channel, number, header_hash, content in before:
                database.execute(
                    "UPDATE channel.block SET header_hash = %s, content = %s "
                    "WHERE (channel_no, block_number) = (%s, %s)",
                    (header_hash, content, channel, number),
                )


def test_peer_that_cannot_be_asked_is_named_and_left_out_only_by_name(running: RunningConsortium) -> None:
    running.stop()
    data = running.home.organization(running.partner) / "postgres" / "data"
    with lost(running) as file:
        data.rename(data.with_name("elsewhere"))
        try:
            refused = running.command("rebuild-orderer")
            assert refused.returncode == 1 and f"{data} holds no database" in refused.stderr
            assert "--without leaves that member out" in refused.stderr and not data.exists() and not file.exists()
            unknown = running.command("rebuild-orderer", "--without", "nobody")
            assert unknown.returncode == 1 and "--without nobody: no organization here" in unknown.stderr
            done = running.command("rebuild-orderer", "--without", "partner")
            assert done.returncode == 0 and file.exists(), done.stderr
        finally:
            data.with_name("elsewhere").rename(data)
