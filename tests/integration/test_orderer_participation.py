"""The channel participation API over HTTPS with mutual TLS: list, join, fetch, remove, and what is refused.

Method: a real orderer behind the real server, asked by an HTTP client as ``osnadmin`` does it; statuses and texts are
Fabric's. ``tests/interop/test_fabric_commands.py`` does the same with ``osnadmin`` itself.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
import threading
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from network import rpc
from network.block import parse_block
from network.errors import NetworkError
from network.genesis import RaftConsenter
from network.operations.http_server import HttpServer, HttpTls
from node.orderer import orderer as orderer_module
from node.orderer.orderer import Orderer
from node.orderer.participation import BASE, REQUEST_BYTES_MAX, Participation
from tests.support.config_updates import batch_size_update
from tests.support.ordering import BANK, CHANNEL, ORDERER, Material, broadcast, make_material, running, utc_now


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("crypto"))


@dataclass
class Admin:
    """A running orderer and an administrator's client."""

    material: Material
    folder: Path
    orderer: Orderer
    client: httpx.AsyncClient
    channel: rpc.Channel
    port: int

    def genesis(self, channel_id: str, **settings: object) -> bytes:
        return self.material.genesis(
            self.folder / f"{channel_id}.block", channel_id=channel_id, **settings
        ).read_bytes()

    async def join(self, genesis: bytes) -> httpx.Response:
        return await self.client.post(BASE, files={"config-block": ("config.block", genesis)})

    async def update(self, envelope: bytes) -> httpx.Response:
        return await self.client.put(BASE, files={"config-update-envelope": ("update.pb", envelope)})


def tls_context(material: Material, msp_id: str | None) -> ssl.SSLContext:
    """Return a client's TLS; without an organization, one without a certificate."""
    context = ssl.create_default_context(cadata=material.tls_roots().decode())
    if msp_id is not None:
        tls = material.host(msp_id) / "tls"
        context.load_cert_chain(tls / "server.crt", tls / "server.key")
    return context


def new_orderer(material: Material, folder: Path) -> Orderer:
    genesis = folder / "genesis.block"
    if not genesis.exists():
        material.genesis(genesis)
    tls = material.server_tls(ORDERER)
    return Orderer(folder / "orderer", [genesis], material.node(ORDERER), utc_now, tls.certificate_pem)


def admin_server(material: Material, orderer: Orderer, port: int) -> HttpServer:
    """Return the API as the orderer's process serves it."""
    tls = material.host(ORDERER) / "tls"
    own_only = HttpTls(tls / "server.crt", tls / "server.key", (tls / "ca.crt",), client_required=True)
    answer = Participation(orderer).answer
    return HttpServer("127.0.0.1", port, own_only, answer, request_bytes_max=REQUEST_BYTES_MAX)


@pytest.fixture
async def admin(material: Material, tmp_path: Path) -> AsyncIterator[Admin]:
    orderer = new_orderer(material, tmp_path)
    server = admin_server(material, orderer, 0)
    async with running(orderer) as channel:
        port = await server.start()
        base = f"https://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base, verify=tls_context(material, ORDERER)) as client:
            yield Admin(material, tmp_path, orderer, client, channel, port)
        await server.stop()


async def test_join_and_removal_whose_caller_goes_away_are_carried_through(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def held_up(name: str) -> None:
        begin = getattr(orderer_module, name)

        def later(*arguments: object) -> object:
            begun.set()
            assert go_on.wait(10)
            return begin(*arguments)

        monkeypatch.setattr(orderer_module, name, later)

    async def abandon(change: Coroutine[Any, Any, object]) -> None:
        asked = asyncio.create_task(change)
        assert await asyncio.to_thread(begun.wait, 10)
        asked.cancel()
        await asyncio.wait((asked,))
        assert asked.cancelled()
        go_on.set()

    genesis = admin.genesis("second")
    held_up("_begin")
    await abandon(admin.orderer.join(genesis))
    assert (await admin.join(genesis)).status_code == 405
    assert await broadcast(admin.channel, [admin.material.envelope(channel_id="second")]) == [(200, "")]
    begun.clear(), go_on.clear()
    held_up("_remove_folder")
    await abandon(admin.orderer.remove("second"))
    assert (await admin.join(genesis)).status_code == 201


async def test_joined_channel_is_listed_told_of_and_ordered(admin: Admin) -> None:
    genesis = admin.genesis("second")
    joined = await admin.join(genesis)
    info = {
        "name": "second",
        "url": f"{BASE}/second",
        "consensusRelation": "consenter",
        "status": "active",
        "height": 1,
    }
    assert (joined.status_code, joined.headers["Location"], joined.json()) == (201, info["url"], info)
    listed = await admin.client.get(BASE)
    assert listed.json() == {
        "systemChannel": None,
        "channels": [{"name": name, "url": f"{BASE}/{name}"} for name in (CHANNEL, "second")],
    }
    assert listed.headers["Cache-Control"] == "no-store"
    assert await broadcast(admin.channel, [admin.material.envelope(channel_id="second")]) == [(200, "")]
    told = await admin.client.get(f"{BASE}/second")
    assert told.json() == info | {"height": 2}
    assert told.text.endswith('"status":"active","height":2}\n')  # as Go writes it: scripts search in it
    newest = await admin.client.get(f"{BASE}/second/blocks/newest")
    assert parse_block(newest.content).header.number == 1
    assert (await admin.client.get(f"{BASE}/second/blocks/oldest")).content == genesis
    assert (await admin.client.get(f"{BASE}/second/blocks/0")).content == genesis


async def test_channel_joined_outlives_the_process_and_removed_one_does_not(admin: Admin) -> None:
    for channel_id in ("kept", "dropped"):
        assert (await admin.join(admin.genesis(channel_id))).status_code == 201
    removed = await admin.client.delete(f"{BASE}/dropped")
    assert (removed.status_code, removed.content) == (204, b"")
    assert (await admin.client.get(f"{BASE}/dropped")).json() == {"error": "channel does not exist"}
    await admin.orderer.stop()
    # What a removal leaves that is cut short is no channel, and goes away.
    cut_short = admin.folder / "orderer" / ".removed-half"
    cut_short.mkdir()
    (cut_short / "blocks").write_bytes(b"")
    again = new_orderer(admin.material, admin.folder)
    await again.start()
    try:
        assert sorted(again.chains) == [CHANNEL, "kept"]
        assert not cut_short.exists()
    finally:
        await again.stop()


async def test_folder_that_cannot_be_put_away_or_deleted_is_told_of(admin: Admin) -> None:
    assert (await admin.join(admin.genesis("second"))).status_code == 201
    in_the_way = admin.folder / "orderer" / ".removed-second"
    in_the_way.write_bytes(b"no folder")
    refused = await admin.client.delete(f"{BASE}/second")
    assert refused.status_code == 400
    folder = admin.folder / "orderer" / "second"
    assert refused.json()["error"] == (
        f"cannot remove: the channel is ordered no more, but its folder {folder} could not be put away: Not a "
        "directory; remove that before this orderer's next start, which would take the channel up again"
    )
    assert (await admin.client.get(f"{BASE}/second")).json() == {"error": "channel does not exist"}
    await admin.orderer.stop()
    again = new_orderer(admin.material, admin.folder)
    await again.start()
    try:
        assert sorted(again.chains) == [CHANNEL, "second"]
    finally:
        await again.stop()


async def test_joining_that_a_full_disk_cut_short_stops_no_start_and_is_asked_for_again(admin: Admin) -> None:
    genesis = admin.genesis("second")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        answer = await admin.join(genesis)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer.status_code == 400
    assert "block 0 of" in answer.json()["error"]
    await admin.orderer.stop()
    again = new_orderer(admin.material, admin.folder)
    await again.start()
    assert set(again.chains) == {CHANNEL}
    await again.join(genesis)
    assert set(again.chains) == {CHANNEL, "second"}
    await again.stop()


async def test_newest_configuration_block_is_found(admin: Admin) -> None:
    genesis = parse_block((admin.folder / "genesis.block").read_bytes())
    administrator = admin.material.user(ORDERER, "Admin")
    update = batch_size_update(genesis, 7, [administrator], administrator)
    for envelope in (update, admin.material.envelope()):
        assert await broadcast(admin.channel, [envelope]) == [(200, "")]
    found = await admin.client.get(f"{BASE}/{CHANNEL}/blocks/config")
    assert parse_block(found.content).header.number == 1


async def test_configuration_is_updated_by_an_administrators_form(admin: Admin) -> None:
    genesis = parse_block((admin.folder / "genesis.block").read_bytes())
    administrator = admin.material.user(ORDERER, "Admin")
    updated = await admin.update(batch_size_update(genesis, 7, [administrator], administrator))
    info = (updated.status_code, updated.headers["Location"], updated.json()["height"])
    assert info == (201, f"{BASE}/{CHANNEL}", 2)
    assert admin.orderer.chains[CHANNEL].config.orderer.max_messages == 7
    found = await admin.client.get(f"{BASE}/{CHANNEL}/blocks/config")
    assert parse_block(found.content).header.number == 1


async def test_update_that_the_channel_does_not_admit_changes_nothing(admin: Admin, tmp_path: Path) -> None:
    genesis = parse_block((admin.folder / "genesis.block").read_bytes())
    elsewhere = parse_block(admin.genesis("elsewhere"))
    administrator = admin.material.user(ORDERER, "Admin")
    stranger = make_material(tmp_path / "strangers").user(ORDERER, "Admin")
    failed = f"cannot update: failed update config of channel {CHANNEL}: "
    cases = [
        (batch_size_update(genesis, 7, [], administrator), 400, f"{failed}error applying config update to existing"),
        (batch_size_update(genesis, 7, [administrator], stranger), 400, f"{failed}config update for existing channel"),
        (batch_size_update(elsewhere, 7, [administrator], administrator), 405, "cannot update: channel does not exist"),
        (admin.material.envelope(), 400, "invalid config update envelope: bad type"),
        (b"", 400, "invalid config update envelope: bad header"),
    ]
    for envelope, status, text in cases:
        refused = await admin.update(envelope)
        assert (refused.status_code, refused.json()["error"][: len(text)]) == (status, text)
    assert admin.orderer.chains[CHANNEL].height == 1


async def test_block_that_begins_no_channel_of_this_orderer_is_refused(admin: Admin) -> None:
    pem = (admin.material.host(ORDERER) / "tls" / "server.crt").read_bytes()
    other = (admin.material.host(BANK) / "tls" / "server.crt").read_bytes()
    own, stranger = RaftConsenter("127.0.0.1", 7050, pem, pem), RaftConsenter("127.0.0.1", 7060, other, other)
    later = parse_block(admin.genesis("later"))
    later.header.number = 3
    bare = parse_block(admin.genesis("bare"))
    bare.ClearField("metadata")
    wrong = parse_block(admin.genesis("wrong"))
    wrong.header.data_hash = b"x" * 32
    cases = {
        b"": "block is not a config block",
        b"\xff": "the bytes do not parse",
        later.SerializeToString(): "it is block 3, and this orderer takes no blocks from others",
        bare.SerializeToString(): "invalid block: does not have metadata",
        wrong.SerializeToString(): "Header.DataHash is different from Hash(block.Data)",
        admin.genesis("two", consenters=(own, stranger)): "the channel names 2 consenters",
        admin.genesis("elsewhere", consenters=(stranger,)): "the channel's one consenter is not this orderer",
    }
    for genesis, text in cases.items():
        refused = await admin.join(genesis)
        assert refused.status_code == 400
        assert text in refused.json()["error"], text
    assert list(admin.orderer.chains) == [CHANNEL]
    assert [path.name for path in (admin.folder / "orderer").iterdir()] == [CHANNEL]


async def test_request_that_cannot_be_served_says_why(admin: Admin) -> None:
    genesis = (admin.folder / "genesis.block").read_bytes()
    client = admin.client
    again = await admin.join(genesis)
    assert (again.status_code, again.json()) == (405, {"error": "cannot join: channel already exists"})
    assert again.headers["Allow"] == "GET, DELETE"
    cases = [
        (await client.delete(f"{BASE}/none"), 404, "cannot remove: channel does not exist"),
        (await client.delete(f"{BASE}/{CHANNEL}"), 400, "cannot remove: channel 'anchors' stands in this orderer's"),
        (await client.get(f"{BASE}/none"), 404, "channel does not exist"),
        (await client.get(f"{BASE}/UPPER"), 400, "invalid channel ID"),
        (await client.get(f"{BASE}/{CHANNEL}/blocks/7"), 404, "block 7 does not exist"),
        (await client.get(f"{BASE}/{CHANNEL}/blocks/last"), 400, "not equal <newest|oldest|config|(number)>"),
        (await client.patch(BASE), 405, "invalid request method: PATCH"),
        (await client.put(BASE, content=b"x"), 400, "unsupported Content-Type"),
        (await client.put(BASE, files={"config-block": ("x", b"x")}), 400, "part key: config-update-envelope"),
        (await client.get(BASE, headers={"Accept": "text/html"}), 406, "application/json only"),
        (await client.post(BASE, content=b"x"), 400, "unsupported Content-Type"),
        (await client.post(BASE, files={"other": ("x", b"x")}), 400, "does not contains part key: config-block"),
        (await client.post(BASE, files={"config-block": ("x", b"x"), "b": ("y", b"y")}), 400, "too many parts"),
    ]
    for boundary, text in (("", "boundary is empty"), ("; boundary=b", "NextPart: EOF")):
        headers = {"Content-Type": f"multipart/form-data{boundary}"}
        cases.append((await client.post(BASE, content=b"--b\r\n", headers=headers), 400, text))
    assert (await admin.join(bytes(REQUEST_BYTES_MAX))).status_code == 413
    for answer, status, text in cases:
        assert (answer.status_code, text in answer.json()["error"]) == (status, True), (answer.text, text)


@pytest.mark.parametrize("msp_id", [BANK, None])
async def test_only_the_orderers_own_organization_gets_in(admin: Admin, msp_id: str | None) -> None:
    base = f"https://127.0.0.1:{admin.port}"
    async with httpx.AsyncClient(base_url=base, verify=tls_context(admin.material, msp_id)) as client:
        with pytest.raises(httpx.HTTPError):
            await client.get(BASE)


async def test_port_in_use_is_named(admin: Admin) -> None:
    with pytest.raises(NetworkError, match=f"cannot listen on 127.0.0.1:{admin.port}"):
        await admin_server(admin.material, admin.orderer, admin.port).start()
