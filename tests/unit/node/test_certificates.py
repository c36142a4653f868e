"""Certificates of a home: told with their ends, issued anew by their own authority, never half of a pair.

Method: homes made as `dwaybank up` makes them, at a time that puts the ends where a test needs them; the command as a
user runs it. One test ends a forked process at each of the steps that it takes on files, one after another.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from network.crypto_material import AUTHORITY_VALIDITY, VALIDITY, add_tls_client, revoke
from network.identity import SigningIdentity
from network.msp import Msp
from network.msp_folder import read_msp_config
from network.rpc.tls_files import read_pair
from network.topology import Consortium, default_consortium
from node import certificates
from node.certificates import Held, certificates_of, due, renew
from node.home import Home, prepare_home
from node.lock_file import take_lock
from tests.support.command_line import invoke

DAYS_LEFT = timedelta(days=10, hours=1)


def now() -> datetime:
    """Return the time by which the command judges, too: a whole run takes longer than some margins here."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Consortium]:
    """A home all of whose certificates end in ten days, their authorities in ten years."""
    root = tmp_path_factory.mktemp("ending") / "home"
    return prepare_home(root, lambda: default_consortium(30_000), now() - VALIDITY + DAYS_LEFT, {})


@pytest.fixture
def ending(tmp_path: Path) -> tuple[Home, Consortium]:
    """Such a home for a test to change."""
    return prepare_home(tmp_path / "home", lambda: default_consortium(30_000), now() - VALIDITY + DAYS_LEFT, {})


def listed(home: Home, *options: str) -> list[dict[str, Any]]:
    found = invoke(["certificates", "list", "--home", str(home.root), "--json", *options])
    rows: list[dict[str, Any]] = json.loads(found.output)
    return rows


def leaves(home: Home, consortium: Consortium, *organizations: str) -> list[Held]:
    return [held for held in certificates_of(home, consortium, list(organizations)) if held.key is not None]


def check_pairs(home: Home, consortium: Consortium) -> None:
    """Every certificate has its own key beside it, and its authority vouches for it."""
    for held in leaves(home, consortium):
        assert held.key is not None
        if held.use != "identity":
            read_pair(held.path, held.key)
            continue
        signer = SigningIdentity.from_msp_folder(held.folder, "AnyMSP")
        msp = Msp.from_config(read_msp_config(held.crypto / "msp", "AnyMSP"))
        msp.validate(msp.deserialize(signer.creator), now())
        assert held.key.stat().st_mode & 0o777 == 0o600


def test_list_tells_every_certificate_of_a_member_with_its_end(made: tuple[Home, Consortium]) -> None:
    rows = listed(made[0], "--org", "dwaybank")
    assert {row["organization"] for row in rows} == {"dwaybank"}
    found = {(row["holder"], row["use"]): row for row in rows}
    users = [
        (f"{user}@dwaybank.test", use)
        for user in ("Admin", "Node", "Reviewer", "User1")
        for use in ("identity", "TLS client")
    ]
    assert set(found) == {
        ("ca.dwaybank.test", "authority"),
        ("tlsca.dwaybank.test", "TLS authority"),
        ("node.dwaybank.test", "identity"),
        ("node.dwaybank.test", "TLS server"),
        ("Auditor@dwaybank.test", "TLS client"),
        ("Gateway@dwaybank.test", "TLS client"),
        *users,
    }
    node = found["node.dwaybank.test", "identity"]
    (file,) = (made[0].crypto(made[1].organizations[0]) / "peers/node.dwaybank.test/msp/signcerts").iterdir()
    kept = x509.load_pem_x509_certificate(file.read_bytes())
    assert node["file"] == str(file) and node["serial"] == f"{kept.serial_number:x}"
    assert node["subject"] == kept.subject.rfc4514_string()
    assert (node["ends"], node["days_left"]) == (kept.not_valid_after_utc.isoformat(), 10)
    assert found["ca.dwaybank.test", "authority"]["days_left"] > 3_600
    text = invoke(["certificates", "list", "--home", str(made[0].root)]).output
    assert text.count("  10 days left  ") == len([row for row in listed(made[0]) if row["days_left"] == 10])
    assert "  orderer  TLS server\n" in text and kept.subject.rfc4514_string() in text


def test_renewed_certificates_differ_in_number_key_and_validity_alone(ending: tuple[Home, Consortium]) -> None:
    home, consortium = ending
    before = {held.path: held for held in leaves(home, consortium)}
    done = invoke(["certificates", "renew", "--home", str(home.root), "--json"])
    rows = json.loads(done.output)
    assert {row["file"] for row in rows} == {str(path) for path in before} and not any(row["refused"] for row in rows)
    check_pairs(home, consortium)
    for held in leaves(home, consortium):
        old, new = before[held.path].certificate, held.certificate
        assert (new.subject, new.issuer) == (old.subject, old.issuer)
        assert list(new.extensions) == list(old.extensions)
        assert new.serial_number != old.serial_number
        assert new.not_valid_before_utc < now() < new.not_valid_after_utc == new.not_valid_before_utc + VALIDITY
        # A consenter's, which an orderer of Fabric's finds itself by.
        consenter = (held.organization, held.use) == ("orderer", "TLS server")
        assert (new.public_key() == old.public_key()) == consenter
        assert (
            x509.load_pem_x509_certificate((held.crypto / "replaced" / f"{old.serial_number:x}.pem").read_bytes())
            == old
        )
    assert not list(home.root.rglob(".*.renewed*"))


def test_kept_keys_stay_and_one_members_renewal_leaves_the_others(ending: tuple[Home, Consortium]) -> None:
    home, consortium = ending
    before = {held.path: held for held in leaves(home, consortium)}
    keys = {held.path: held.key.read_bytes() for held in before.values() if held.key is not None}
    list(renew(home, due(leaves(home, consortium, "partner"), 30, now()), keep_keys=True, now=now()))
    check_pairs(home, consortium)
    for held in leaves(home, consortium):
        assert held.key is not None and held.key.read_bytes() == keys[held.path]
        assert (held.certificate != before[held.path].certificate) == (held.organization == "partner")


def test_what_does_not_end_within_the_days_stays_unless_forced(ending: tuple[Home, Consortium]) -> None:
    home, consortium = ending
    command = ["certificates", "renew", "--home", str(home.root), "--org", "partner"]
    before = [held.certificate for held in leaves(home, consortium, "partner")]
    said = invoke([*command, "--within", "9"])
    assert said.exit_code == 0 and said.output == "No certificate ends within 9 days; the first ends in 10 days.\n"
    assert [held.certificate for held in leaves(home, consortium, "partner")] == before
    assert invoke(command).exit_code == 0
    again = invoke([*command, "--force"])
    assert again.exit_code == 0 and again.output.count(": renewed, ends ") == len(before)
    check_pairs(home, consortium)


def test_what_cannot_be_renewed_is_named_and_stays_while_the_rest_is_renewed(ending: tuple[Home, Consortium]) -> None:
    home, consortium = ending
    bank, partner, _ = consortium.organizations
    (home.crypto(bank) / "ca" / "priv_sk").unlink()
    lost = x509.load_pem_x509_certificate((home.user(partner, "User1") / "tls" / "client.crt").read_bytes())
    revoke(home.crypto(partner), [lost], now(), tls=True)
    # Of another authority of the same name.
    foreign = home.crypto(partner) / "ca"
    shutil.rmtree(foreign)
    prepare_home(home.root.parent / "other", lambda: default_consortium(31_000), now() - timedelta(days=1), {})
    shutil.copytree(Home(home.root.parent / "other").crypto(partner) / "ca", foreign)
    before = {held.path: held.certificate for held in leaves(home, consortium)}
    done = list(renew(home, leaves(home, consortium), keep_keys=False, now=now()))
    refused = {(one.held.organization, one.held.holder, one.held.use): one.refused for one in done if one.refused}
    assert "does not hold an authority" in refused["dwaybank", "Admin@dwaybank.test", "identity"]
    assert "it is revoked" in refused["partner", "User1@partner.test", "TLS client"]
    assert "ca.partner.test did not issue it" in refused["partner", "node.partner.test", "identity"]
    assert {(name, use) for name, _, use in refused} == {
        ("dwaybank", "identity"), ("partner", "identity"), ("partner", "TLS client")
    }  # fmt: skip
    for one in done:
        kept = x509.load_pem_x509_certificate(one.held.path.read_bytes())
        assert (kept == before[one.held.path]) == bool(one.refused)


def test_certificate_lasts_no_longer_than_its_authority_and_then_is_not_renewed(tmp_path: Path) -> None:
    ends = now() + DAYS_LEFT
    home, _ = prepare_home(tmp_path / "home", lambda: default_consortium(30_000), ends - AUTHORITY_VALIDITY, {})
    command = ["certificates", "renew", "--home", str(home.root), "--org", "regulator"]
    first = invoke(command)
    assert f"Admin@regulator.test  identity: renewed, ends {ends:%Y-%m-%d}" in first.output
    second = invoke(command)
    assert second.exit_code == 1 and "renewed, ends" not in second.output
    told = "Admin@regulator.test  identity: NOT RENEWED: its authority ca.regulator.test itself ends no later, "
    assert told + f"{ends:%Y-%m-%d}: renew the authority first" in second.stderr
    other = "an authority is another command's: `dwaybank certificates renew-authority --org regulator`"
    assert f"ca.regulator.test  authority: NOT RENEWED: {other}" in second.stderr


def test_certificates_that_settings_name_elsewhere_are_listed_and_left_to_who_issued_them(
    ending: tuple[Home, Consortium], tmp_path: Path
) -> None:
    home, consortium = ending
    own = tmp_path / "own.crt"
    shutil.copy(home.user(consortium.organizations[0], "Admin") / "tls" / "client.crt", own)
    settings = home.root / "regulator" / "gateway.yaml"
    settings.write_text(f"server_tls: {{certificate: {own}, key: /somewhere/else.key}}\n")
    rows = [row for row in listed(home, "--org", "regulator") if row["file"] == str(own)]
    assert [(row["holder"], row["use"], row["days_left"]) for row in rows] == [("gateway.yaml", "TLS, of your own", 10)]
    done = invoke(["certificates", "renew", "--home", str(home.root), "--org", "regulator"])
    assert done.exit_code == 1 and f"gateway.yaml  TLS, of your own: NOT RENEWED: {own} has no key" in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--org", "nobody"], "--org nobody: no organization here, give one of orderer, dwaybank, partner, regulator"),
        (["--within", "soon"], "--within"),
        (["--within", "-1"], "--within"),
        (["--within", "99999999999999"], "--within"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(made: tuple[Home, Consortium], options: list[str], told: str) -> None:
    before = {path: path.read_bytes() for path in made[0].root.rglob("*") if path.is_file()}
    done = invoke(["certificates", "renew", "--home", str(made[0].root), *options], catch_exceptions=True)
    assert done.exit_code != 0 and told in f"{done.stderr}{done.exception}"
    assert {path: path.read_bytes() for path in made[0].root.rglob("*") if path.is_file()} == before


def test_folder_that_cannot_be_written_is_named_and_its_pair_stays(ending: tuple[Home, Consortium]) -> None:
    home, consortium = ending
    holder = home.user(consortium.organizations[0], "Admin")
    before = {path: path.read_bytes() for path in holder.rglob("*") if path.is_file()}
    # Also for root, whom no mode keeps out: a file stands where the new pair would be built.
    (holder / ".msp.renewed").write_text("")
    done = invoke(["certificates", "renew", "--home", str(home.root), "--org", "dwaybank"], catch_exceptions=True)
    assert done.exit_code == 1
    assert f"{holder / '.msp.renewed'}: File exists: this pair of Admin@dwaybank.test is as it was" in str(
        done.exception
    )
    (holder / ".msp.renewed").unlink()
    assert {path: path.read_bytes() for path in holder.rglob("*") if path.is_file()} == before
    check_pairs(home, consortium)
    assert invoke(["certificates", "renew", "--home", str(home.root), "--org", "dwaybank"]).exit_code == 0
    assert not due(leaves(home, consortium, "dwaybank"), 30, now())


def test_file_system_that_cannot_exchange_folders_is_told_with_the_way_out(
    ending: tuple[Home, Consortium], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, consortium = ending

    def exchange(one: Path, other: Path) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(one))

    monkeypatch.setattr(certificates, "exchange", exchange)
    found = leaves(home, consortium, "partner")
    refused = [one.refused for one in renew(home, found, keep_keys=False, now=now())]
    assert all("cannot exchange two folders in one step: renew with --keep-key" in reason for reason in refused)
    assert not list(home.root.rglob(".*.renewed*"))
    assert not any(one.refused for one in renew(home, found, keep_keys=True, now=now()))
    check_pairs(home, consortium)


def test_only_one_renews_at_a_time_and_none_while_a_backup_copies(ending: tuple[Home, Consortium]) -> None:
    home, consortium = ending
    home.run.mkdir(exist_ok=True)
    command = ["certificates", "renew", "--home", str(home.root), "--force"]
    for name, told in (("certificates", "another command renews"), ("backup", "a backup is being made")):
        lock = take_lock(home.run / name)
        assert lock is not None
        with lock:
            assert told in str(invoke(command, catch_exceptions=True).exception)
    assert due(leaves(home, consortium), 30, now()) == leaves(home, consortium)


@pytest.mark.parametrize("keep_keys", [False, True])
def test_who_is_killed_at_any_step_leaves_the_old_pair_or_the_new_one(
    made: tuple[Home, Consortium], tmp_path: Path, keep_keys: bool
) -> None:
    consortium = made[1]
    partner = consortium.organizations[1]
    seen = set()
    for steps in range(1, 1_000):
        home = Home(tmp_path / str(steps))
        for part in ("ca", "tlsca", "msp", "users/Node@partner.test"):
            shutil.copytree(made[0].crypto(partner) / part, home.crypto(partner) / part)
        found = leaves(home, consortium, "partner")
        ended = killed_after(steps, home, found, keep_keys)
        for held in found:
            assert held.key is not None
            pair = (
                SigningIdentity.from_msp_folder(held.folder, "AnyMSP").certificate
                if held.use == "identity"
                else x509.load_pem_x509_certificate(read_pair(held.path, held.key)[0])
            )
            seen.add((held.use, pair == held.certificate))
        # What was left is no hindrance, and does not stay.
        assert not any(one.refused for one in renew(home, found, keep_keys=keep_keys, now=now()))
        assert not list(home.root.rglob(".*.renewed*"))
        shutil.rmtree(home.root)
        if ended:
            break
    else:
        pytest.fail("the renewal never came to its end")
    assert seen == {("identity", True), ("identity", False), ("TLS client", True), ("TLS client", False)}
    assert steps > 10


def killed_after(steps: int, home: Home, found: list[Held], keep_keys: bool) -> bool:
    """Renew in a process that ends at its so-many-th step on files; tell whether it came to its end."""
    home.run.mkdir()
    pid = os.fork()
    if pid == 0:
        left = steps

        def step(event: str, _: object) -> None:
            nonlocal left
            if event.startswith(("open", "os.", "shutil.", "ctypes.")):
                left -= 1
                if left == 0:
                    os._exit(9)

        sys.addaudithook(step)
        code = 1
        try:
            list(renew(home, found, keep_keys=keep_keys, now=now()))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9), code
    return code == 0


def test_number_that_is_revoked_must_be_known_and_none_that_is_in_use(ending: tuple[Home, Consortium]) -> None:
    home, _ = ending
    command = ["certificates", "revoke", "--home", str(home.root)]
    numbers = {(row["holder"], row["use"]): row["serial"] for row in listed(home, "--org", "dwaybank")}
    for serial, told in (
        ("a-number", "a-number: no number of a certificate"),
        ("77", "77: no certificate of dwaybank here, nor one that was renewed"),
        (numbers["node.dwaybank.test", "identity"], "node.dwaybank.test is in use here and would be shut out"),
        (numbers["Node@dwaybank.test", "identity"], "Node@dwaybank.test is in use here and would be shut out"),
        (numbers["Admin@dwaybank.test", "identity"], "Admin@dwaybank.test is in use here and would be shut out"),
        (numbers["ca.dwaybank.test", "authority"], "only what this home's authorities issued"),
    ):
        assert told in str(invoke([*command, serial], catch_exceptions=True).exception), serial
    assert not list(home.root.rglob("crls"))


def test_revocation_that_the_channel_cannot_learn_of_now_is_told_and_kept(ending: tuple[Home, Consortium]) -> None:
    home, consortium = ending
    bank = consortium.organizations[0]
    known, replaced = (
        add_tls_client(home.crypto(bank), name, ("client",), now()) / "tls" / "client.crt"
        for name in ("Known", "Replaced")
    )
    serials = [x509.load_pem_x509_certificate(path.read_bytes()).serial_number for path in (known, replaced)]
    found = [held for held in leaves(home, consortium) if held.path == replaced]
    assert not any(one.refused for one in renew(home, found, keep_keys=False, now=now()))
    for serial in serials:
        done = invoke(["certificates", "revoke", f"{serial:x}", "--home", str(home.root)], catch_exceptions=True)
        assert "and the channel does not know yet: " in str(done.exception)
    crls = home.crypto(bank) / "msp" / "crls"
    assert [path.name for path in crls.iterdir()] == ["tls-crl.pem"]
    named = x509.load_pem_x509_crl((crls / "tls-crl.pem").read_bytes())
    assert {one.serial_number for one in named} == set(serials)
    # The one that took its place is not that one.
    found = [held for held in leaves(home, consortium) if held.path == replaced]
    assert not any(one.refused for one in renew(home, found, keep_keys=False, now=now()))
