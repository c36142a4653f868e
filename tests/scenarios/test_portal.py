"""An examiner's journey at the portal without a browser: from log-in to a closed finding; and who may not do what.

Method: the one consortium that all journeys share; its own portal process; requests as a browser sends them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from gateway.portal.sessions import COOKIE
from network.crypto_material import OrganizationSpec, generate_organization, revoke
from network.topology import Organization
from tests.support.consortium import RunningConsortium, dwaybank, eventually
from tests.support.customer import Customer
from tests.support.own_portal import own_portal
from tests.support.portal_client import PortalClient, text_of, tls_of

MARKUP = """<script>alert(1)</script><img src=x onerror=alert(2)>'"&{{ 7*7 }}"""
SignUp = Callable[[Organization, str], Awaitable[Customer]]
Open = Callable[[str], Awaitable[PortalClient]]


@pytest.fixture
async def open_portal(consortium: RunningConsortium) -> AsyncIterator[Open]:
    """Open the portal as a user of the regulator, logged in."""
    async with AsyncExitStack() as browsers:

        async def opened(user: str) -> PortalClient:
            regulator = consortium.regulator
            tls = tls_of(consortium.home, regulator, consortium.home.user(regulator, user))
            origin = f"https://localhost:{regulator.portal_port}"
            client = await browsers.enter_async_context(PortalClient(origin, tls))
            answer = await client.log_in()
            assert answer.status_code == 303, answer.text
            return client

        yield opened


@pytest.fixture
async def paid(consortium: RunningConsortium, sign_up: SignUp) -> list[int]:
    """Numbers of two entries of the bank that are attested."""
    ada, bob = await sign_up(consortium.bank, "ada"), await sign_up(consortium.bank, "bob")
    seqs = [await consortium.deposit(consortium.bank, ada.account, 50_000)]
    seqs.append((await ada.pay(bob, 1_234))["seq"])
    await consortium.settled()
    return seqs


async def test_an_examiner_finds_an_entry_and_sees_its_path(
    consortium: RunningConsortium, paid: list[int], open_portal: Open
) -> None:
    examiner, bank = await open_portal("Examiner"), consortium.bank.msp_id

    overview = text_of(await examiner.page("/"))
    assert "Examiner@regulator.test, examiner" in overview
    assert bank in overview
    found = await examiner.page(f"/search?organization={bank}&from_seq={paid[-1]}&to_seq={paid[-1]}")
    assert f'href="/entries/{bank}/{paid[-1]}"' in found
    entry = text_of(await examiner.page(f"/entries/{bank}/{paid[-1]}"))
    assert "Cosigned by" in entry
    assert "not disclosed here" in entry


async def test_nobody_without_a_certificate_sees_anything(consortium: RunningConsortium) -> None:
    regulator = consortium.regulator
    async with PortalClient(
        f"https://localhost:{regulator.portal_port}", tls_of(consortium.home, regulator)
    ) as stranger:
        for path in ("/", "/search", f"/entries/{consortium.bank.msp_id}/1"):
            answer = await stranger.http.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert (await stranger.log_in()).status_code == 401


async def test_a_look_says_which_examiner_the_portal_showed_what(
    consortium: RunningConsortium, paid: list[int], open_portal: Open, tmp_path: Path
) -> None:
    bank = consortium.bank.msp_id
    demanded = consortium.command(
        "audit", "demand", bank, str(paid[0]), "--purpose", "spot_check", "--folder", tmp_path
    )
    assert demanded.returncode == 0, demanded.stderr
    examiner = await open_portal("Examiner")
    entry = await examiner.page(f"/entries/{bank}/{paid[0]}")
    assert "500.00" in text_of(entry)
    looks = consortium.command("audit", "looks", "--verify")
    assert "Portal@regulator.test for Examiner@regulator.test" in looks.stdout, looks.stdout + looks.stderr


async def test_an_examiner_demands_an_entry_opens_a_finding_and_keeps_a_case(
    consortium: RunningConsortium, paid: list[int], open_portal: Open
) -> None:
    examiner, bank = await open_portal("Examiner"), consortium.bank.msp_id

    entry = f"/entries/{bank}/{paid[0]}"
    assert f"/demands?organization={bank}&amp;seqs={paid[0]}" in await examiner.page(entry)
    disclosed = await examiner.send(
        "/demands", "/demands", organization=bank, seqs=str(paid[0]), purpose="supervisory_review", customer="1"
    )
    assert disclosed.url.path == entry, disclosed.text
    assert "500.00" in text_of(disclosed.text)
    assert "Who stands behind its accounts" in text_of(disclosed.text)
    demands = text_of(await examiner.page("/demands?state=answered"))
    assert "supervisory_review answered" in demands
    assert (
        "supervisory_review" not in text_of(await examiner.page("/demands?state=refused")).partition("Demands made")[2]
    )
    bundle = await examiner.http.get(f"{entry}/bundle")
    assert bundle.json()["entry"]["seq"] == paid[0]

    opened = await examiner.send(
        "/findings/new", "/findings", organization=bank, kind="other", subject=f"entry/{paid[0]}", evidence=MARKUP
    )
    assert opened.url.path.startswith("/findings/"), opened.text
    finding_id = opened.url.path.removeprefix("/findings/")
    case = await examiner.send("/cases", "/cases", title="Cash at the counter")
    case_path = case.url.path
    for kind, subject in (("entry", f"{bank}/{paid[0]}"), ("finding", finding_id), ("note", "")):
        added = await examiner.send(case_path, case_path, kind=kind, subject=subject, note=f"a note {MARKUP}")
        assert added.status_code == 200, added.text
    kept = await examiner.page(case_path)
    assert "<img" not in kept
    assert "Examiner@regulator.test" in text_of(kept)
    assert finding_id in kept


async def test_a_members_text_is_shown_and_never_runs(
    consortium: RunningConsortium, paid: list[int], open_portal: Open
) -> None:
    supervisor, bank = await open_portal("Supervisor"), consortium.bank.msp_id
    opened = await supervisor.send(
        "/findings/new", "/findings", organization=bank, kind="other", subject=f"entry/{paid[1]}", evidence="See it."
    )
    path = opened.url.path
    explained = consortium.command(
        "audit", "finding", path.removeprefix("/findings/"), "--explain", MARKUP, "--org", consortium.bank.name
    )
    assert explained.returncode == 0, explained.stderr

    async def shown() -> bool:
        return "explained" in text_of(await supervisor.page(path))

    await eventually(shown, "the bank's explanation is here")
    html = await supervisor.page(path)
    assert "<img" not in html
    assert "<script>alert" not in html
    assert MARKUP in unescape(html)
    await supervisor.send(path, f"{path}/escalate")
    closed = await supervisor.send(path, f"{path}/close", outcome="remedied")
    assert "closed as remedied" in text_of(closed.text)
    assert (await supervisor.send("/", f"{path}/escalate")).status_code == 422


async def test_a_search_is_saved_exported_and_forgotten(
    consortium: RunningConsortium, paid: list[int], open_portal: Open
) -> None:
    examiner, bank = await open_portal("Examiner"), consortium.bank.msp_id
    query = f"organization={bank}&from_seq={paid[0]}"
    assert (await examiner.send("/search?" + query, "/search/save", name=MARKUP[:80], query=query)).status_code == 200
    saved = await examiner.page("/search")
    assert MARKUP[:80] in unescape(saved)
    assert "<img" not in saved
    again = await examiner.http.get("/search", params={"saved": MARKUP[:80]}, follow_redirects=True)
    assert sorted(again.url.query.decode().split("&")) == sorted(query.split("&"))
    rows = (await examiner.http.get(f"/search/export?{query}&format=jsonl")).text.splitlines()
    assert len(rows) >= 2
    assert (await examiner.http.get(f"/search/export?{query}&format=xml")).status_code == 422
    assert (await examiner.http.get(f"/search/export?from_seq={2**60}")).status_code == 422
    await examiner.send("/search", "/search/drop", name=MARKUP[:80])
    assert "None yet" in text_of(await examiner.page("/search"))


async def test_members_keys_and_looks_are_shown(
    consortium: RunningConsortium, paid: list[int], open_portal: Open
) -> None:
    administrator = await open_portal("Admin")
    members = await administrator.page("/members")
    for member in consortium.consortium.organizations:
        assert member.msp_id in members
        assert f"dwaybank.node/witness/{member.msp_id}" in members
    assert "Every look follows from the one before it." in text_of(await administrator.page("/looks?verify=1"))


async def test_records_that_cover_an_entry_are_shown_as_they_stand(
    consortium: RunningConsortium, paid: list[int], open_portal: Open
) -> None:
    administrator, bank = await open_portal("Admin"), consortium.bank.msp_id
    shown = text_of(await administrator.page(f"/records?organization={bank}&entry_seq={paid[0]}&kind=checkpoint"))
    assert "checkpoint of DwayBank" in shown
    assert f"dwaybank.node/log/{bank}" in shown
    for query in ("kind=" + "x" * 2_000, "entry_seq=0", "page_token=x"):
        assert (await administrator.http.get(f"/records?{query}")).status_code == 422, query


async def test_reports_are_made_shown_and_taken_home_signed(
    consortium: RunningConsortium, paid: list[int], open_portal: Open, tmp_path: Path
) -> None:
    examiner, bank = await open_portal("Examiner"), consortium.bank.msp_id
    await examiner.send("/demands", "/demands", organization=bank, seqs=str(paid[0]), purpose="spot_check")
    made = await examiner.send("/reports", "/reports", kind="large", threshold_minor="1000")
    assert made.status_code == 200, made.text
    assert f'href="/entries/{bank}/{paid[0]}"' in made.text, "the figure leads to its proof"
    number = re.search(r"/reports/(\d+)/page", made.text)
    assert number is not None
    for name in ("page", "signature"):
        answer = await examiner.http.get(f"/reports/{number[1]}/{name}")
        assert answer.headers["content-disposition"].startswith("attachment"), "not under the portal's address"
        (tmp_path / {"page": "r.html", "signature": "r.html.sig"}[name]).write_bytes(answer.content)
    verified = dwaybank("report", "verify", tmp_path / "r.html", "--genesis", consortium.genesis_hash.hex())
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert number[1] in text_of(await examiner.page("/reports"))
    for form in ({}, {"kind": "x"}, {"kind": "daily", "day": "x"}, {"kind": "daily", "days": "999"}):
        assert (await examiner.send("/reports", "/reports", **form)).status_code == 422, form
    assert (await examiner.http.get("/reports/999999/page")).status_code == 404


async def test_what_a_node_refuses_is_told_on_the_page_that_asked(
    consortium: RunningConsortium, paid: list[int], open_portal: Open
) -> None:
    examiner, bank = await open_portal("Examiner"), consortium.bank.msp_id
    wrong = [
        {"organization": bank, "seqs": "999999", "purpose": "spot_check"},
        {"organization": "NobodyMSP", "seqs": "1", "purpose": "spot_check"},
        {"organization": bank, "seqs": "1-9999", "purpose": "spot_check"},
        {"organization": bank, "seqs": "one", "purpose": "spot_check"},
        {"organization": bank, "seqs": "1", "purpose": "Because I say so"},
        {},
    ]
    for form in wrong:
        answer = await examiner.send("/demands", "/demands", **form)
        assert answer.status_code == 422, form
        assert 'role="alert"' in answer.text


# --- who may not, and what is refused ---------------------------------------------------------------------------


async def test_an_administrator_sees_nothing_that_was_disclosed(
    consortium: RunningConsortium, open_portal: Open
) -> None:
    administrator = await open_portal("Admin")
    for path in ("/search", f"/entries/{consortium.bank.msp_id}/1", f"/entries/{consortium.bank.msp_id}/1/bundle"):
        assert "for the roles examiner and supervisor" in text_of(await administrator.page(path, 403))
    assert 'href="/search"' not in await administrator.page("/")


async def test_a_certificate_that_another_made_with_the_same_names_ends_the_handshake(
    consortium: RunningConsortium, tmp_path: Path
) -> None:
    spec = OrganizationSpec(
        name="Regulator", msp_id="RegulatorMSP", domain="regulator.test", kind="peer", hosts=(),
        others=(("Examiner", "portal:examiner"),),
    )  # fmt: skip
    generate_organization(tmp_path, spec, datetime(2026, 1, 1, tzinfo=UTC))
    forged = spec.folder(tmp_path) / "users" / "Examiner@regulator.test"
    origin = f"https://localhost:{consortium.regulator.portal_port}"
    async with PortalClient(origin, tls_of(consortium.home, consortium.regulator, forged)) as eve:
        with pytest.raises(httpx.TransportError):
            await eve.log_in()


async def test_a_client_without_a_role_is_told_which_units_give_one(consortium: RunningConsortium) -> None:
    regulator = consortium.regulator
    tls = tls_of(consortium.home, regulator, consortium.home.user(regulator, "User1"))
    async with PortalClient(f"https://localhost:{regulator.portal_port}", tls) as client:
        answer = await client.log_in()
        assert answer.status_code == 403
        assert "portal:examiner" in answer.text


async def test_whoever_is_revoked_is_out_with_his_next_request(consortium: RunningConsortium, tmp_path: Path) -> None:
    regulator, folder = consortium.regulator, tmp_path / consortium.regulator.domain
    for name in ("ca", "msp"):
        shutil.copytree(consortium.home.crypto(regulator) / name, folder / name)
    with own_portal(consortium, tmp_path, {"certificates": {"msp_folder": str(folder / "msp")}}) as origin:
        examiner = PortalClient(origin, tls_of(consortium.home, regulator, consortium.home.user(regulator, "Examiner")))
        supervisor = PortalClient(
            origin, tls_of(consortium.home, regulator, consortium.home.user(regulator, "Supervisor"))
        )
        async with examiner, supervisor:
            for person in (examiner, supervisor):
                assert (await person.log_in()).status_code == 303
                await person.page("/")
            (certificate,) = (consortium.home.user(regulator, "Examiner") / "msp" / "signcerts").glob("*.pem")
            revoke(folder, [x509.load_pem_x509_certificate(certificate.read_bytes())], datetime.now(UTC))
            assert "revoked" in text_of(await examiner.page("/", 401))
            assert (await examiner.log_in()).status_code == 401
            await supervisor.page("/")


async def test_a_cookie_is_worth_nothing_without_the_certificate_it_began_with(
    consortium: RunningConsortium, open_portal: Open
) -> None:
    examiner = await open_portal("Examiner")
    cookie = examiner.http.cookies[COOKIE]
    regulator = consortium.regulator
    for thief in (None, consortium.home.user(regulator, "Supervisor")):
        async with PortalClient(examiner.origin, tls_of(consortium.home, regulator, thief)) as client:
            answer = await client.http.get("/", headers={"Cookie": f"{COOKIE}={cookie}"})
            assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    await examiner.page("/")


@pytest.mark.parametrize("cookie", ["", "x", "é", "a" * 4_000, f"{COOKIE}={COOKIE}", "%00; =", ";" * 50])
async def test_a_bad_cookie_is_nobodys(consortium: RunningConsortium, cookie: str) -> None:
    regulator = consortium.regulator
    async with PortalClient(f"https://localhost:{regulator.portal_port}", tls_of(consortium.home, regulator)) as client:
        answer = await client.http.get("/", headers={"Cookie": f"{COOKIE}={cookie}".encode()})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")


async def test_a_form_of_another_site_changes_nothing(open_portal: Open) -> None:
    examiner = await open_portal("Examiner")
    foreign: list[dict[str, str]] = [
        {"Origin": "https://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ]  # fmt: skip
    for headers in foreign:
        assert (await examiner.http.post("/logout", headers=headers)).status_code == 403
    for form in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
        assert (await examiner.http.post("/logout", data=form)).status_code == 403
    assert (await examiner.http.post("/logout", data={"csrf": "0", "x": "1"})).status_code == 422
    await examiner.page("/")
    left = await examiner.send("/", "/logout")
    assert left.url.path == "/login"
    assert (await examiner.http.get("/")).status_code == 303


async def test_requests_that_no_page_makes_are_refused_and_the_portal_goes_on(open_portal: Open) -> None:
    examiner = await open_portal("Examiner")
    assert (await examiner.http.post("/logout", content=b"x" * 70_000)).status_code == 413
    assert (await examiner.http.get("/", headers={"Host": "evil.test"})).status_code == 421
    put, posted = await examiner.http.put("/logout"), await examiner.http.post("/search")
    assert (put.status_code, put.headers["allow"]) == (405, "GET, HEAD, POST")
    assert (posted.status_code, set(posted.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})
    for path in ("/search?nonsense=1", "/search?from_seq=1&from_seq=2", "/search?from_seq=x", "/search?page_token=x"):
        assert (await examiner.http.get(path)).status_code == 422, path
    for path in ("/entries/NobodyMSP/1", "/entries/DwaybankMSP/999999999", "/entries/DwaybankMSP/0", "/nowhere",
                 "/static/../app.py", "/static/%2e%2e/app.py"):  # fmt: skip
        assert (await examiner.http.get(path)).status_code == 404, path
    await examiner.page("/")


async def test_every_answer_forbids_scripts_frames_and_caches(open_portal: Open) -> None:
    examiner = await open_portal("Examiner")
    for path in ("/", "/search", "/login", "/nowhere", "/healthz"):
        headers = (await examiner.http.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (headers["x-frame-options"], headers["cache-control"]) == ("DENY", "no-store"), path
        assert headers["strict-transport-security"]
    cookie = (await examiner.log_in()).headers["set-cookie"].lower()
    assert all(word in cookie for word in ("__host-session=", "secure", "httponly", "samesite=strict", "path=/"))
