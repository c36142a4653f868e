"""Certificates of a new home at its running nodes: each opens what it is for, and is told what it is not for.

Method: every method that a certificate must not open is called with it at the node that offers it; only the refusal of
roles counts, so that a method which nobody guards is seen. The auditor's also by the command line, as the page says.
"""

from __future__ import annotations

import pytest

from network.errors import RpcError
from network.role_unit import Role
from network.rpc import StatusCode
from network.topology import Organization
from node.access_roles import LEAST, SERVICES
from tests.support.consortium import RunningConsortium
from tests.support.hostile import Method, nothing_changes, own_methods

READER = {method for method, least in LEAST.items() if least is Role.READER}
POSTER = READER | {method for method, least in LEAST.items() if least is Role.POSTER}
OF_MEMBERS = {method for method, least in LEAST.items() if least is None}


async def _refusal(consortium: RunningConsortium, member: Organization, user: str, method: Method) -> str:
    """Return how a node refuses a method to a user; empty where it does not offer it."""
    async with consortium.node(member, user) as node:
        try:
            if method.kind == "unary":
                await node.channel.unary(method.path, b"", 20)
            else:
                async for _ in node.channel.server_stream(method.path, b"", 20):
                    return "answered"
        except RpcError as error:
            if error.code == StatusCode.UNIMPLEMENTED:
                return ""
            return f"{StatusCode(error.code).name} {error.message}"
        return "answered"


@pytest.mark.parametrize(
    ("who", "user", "opens", "words"),
    [
        ("bank", "Auditor", READER, "role:reader"),
        ("bank", "Teller", POSTER, "role:poster"),
        ("bank", "Gateway", SERVICES[Role.GATEWAY], "not for gateways"),
        ("bank", "User1", OF_MEMBERS, "names no role"),
        ("regulator", "Portal", SERVICES[Role.PORTAL], "not for portals"),
        ("regulator", "Auditor", READER, "role:reader"),
    ],
)
async def test_no_method_is_open_to_a_certificate_that_is_not_for_it(
    consortium: RunningConsortium, who: str, user: str, opens: frozenset[str], words: str
) -> None:
    member: Organization = getattr(consortium, who)
    if user == "Teller":
        made = consortium.command("role-certificate", "role:poster", "--name", user)
        assert made.returncode == 0, made.stderr
        assert f"users/{user}@" in made.stdout
    wrong, refused = {}, 0
    async with nothing_changes(consortium):
        for method in own_methods():
            if method.path in opens:
                continue
            told = await _refusal(consortium, member, user, method)
            refused += bool(told)
            if told and not (told.startswith("PERMISSION_DENIED") and words in told and f"caller is {user}@" in told):
                wrong[method.path] = told
    assert wrong == {}
    assert refused > 20


def test_an_auditor_looks_by_the_command_line_and_changes_nothing(
    consortium: RunningConsortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (
        ("account", "open", "auditors-desk", "--normal-side", "debit", "--floor-minor", ""),
        ("account", "open", "auditors-lamp"),
    ):
        opened = consortium.command(*words)
        assert opened.returncode == 0, opened.stderr
    monkeypatch.setenv("DWAYBANK_USER", "Auditor")
    for words in (("account", "list", "auditors-"), ("anchor", "status"), ("audit", "findings"), ("partner", "limits")):
        looked = consortium.command(*words)
        assert looked.returncode == 0, (words, looked.stderr)
    pay = ("--debit", "auditors-desk", "--credit", "auditors-lamp", "--amount", "1.00")
    for words, role in (
        (("post", *pay), "role:poster"),
        (("account", "open", "auditors-chair"), "role:poster"),
        (("ledger", "close-period", "2020-01-31"), "role:operator"),
    ):
        refused = consortium.command(*words)
        assert refused.returncode == 1, words
        assert f"this method needs {role}, the certificate has role:reader" in refused.stderr
        assert "Traceback" not in refused.stderr
