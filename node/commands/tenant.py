"""``dwaybank ledger tenant``: who inside the organization sees and uses which books."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, find, with_node
from node.commands.own_books import ActorOption, actor_name

if TYPE_CHECKING:
    from node.own_node import OwnNode

TenantArgument = Annotated[str, typer.Argument(help="Name of the tenant.")]


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank ledger``."""
    tenant = typer.Typer(help="Who sees and uses which books.", no_args_is_help=True)
    tenant.command("create", help="Open a tenant.")(create)
    tenant.command("list", help="List tenants with their books and logins.")(list_all)
    tenant.command("grant", help="Give a book to a tenant.")(grant)
    tenant.command("revoke", help="Take a book back from its tenant.")(revoke)
    tenant.command("share", help="Let all tenants post to an account, or no longer.")(share)
    tenant.command("login", help="Bind a login of the database to a tenant, or free it.")(login)
    tenant.command("certificate", help="Make a client certificate for a tenant's program.")(certificate)
    tenant.command("history", help="List what was decided about tenants.")(history)
    group.add_typer(tenant, name="tenant")


def create(
    tenant: TenantArgument, actor: ActorOption = "", org: OrgOption = "dwaybank", home: HomeOption = None
) -> None:
    """Open a tenant; it has no books yet."""
    from node.own_node import TENANTS, tenants_pb2

    async def run(node: OwnNode) -> None:
        request = tenants_pb2.CreateTenantRequest(tenant=tenant, actor=actor_name(actor))
        reply = await node.call(TENANTS, "CreateTenant", request, tenants_pb2.CreateTenantResponse)
        typer.echo(f"tenant {tenant}: {'opened' if reply.created else 'stood open already'}")

    with_node(home, org, run)


def list_all(org: OrgOption = "dwaybank", home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List tenants in the order of their names."""
    from google.protobuf.json_format import MessageToDict

    from node.own_node import TENANTS, tenants_pb2

    async def run(node: OwnNode) -> None:
        request = tenants_pb2.ListTenantsRequest()
        reply = await node.call(TENANTS, "ListTenants", request, tenants_pb2.ListTenantsResponse)
        for item in reply.tenants:
            if as_json:
                typer.echo(json.dumps(MessageToDict(item, always_print_fields_with_no_presence=True)))
            else:
                books, logins = ",".join(item.books) or "none", ",".join(item.logins) or "none"
                typer.echo(f"{item.tenant:<32} books: {books}  logins: {logins}")

    with_node(home, org, run)


def grant(
    tenant: TenantArgument,
    book: Annotated[str, typer.Option("--book", help="Code of the book.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Give a book, with all its accounts, to a tenant."""
    _give(book, tenant, actor, org, home)


def revoke(
    book: Annotated[str, typer.Option("--book", help="Code of the book.")],
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Take a book back: from here on its tenant sees nothing of it."""
    _give(book, "", actor, org, home)


def _give(book: str, tenant: str, actor: str, org: str, home: Path | None) -> None:
    from node.own_node import TENANTS, tenants_pb2

    async def run(node: OwnNode) -> None:
        request = tenants_pb2.GiveBookRequest(book=book, tenant=tenant, actor=actor_name(actor))
        reply = await node.call(TENANTS, "GiveBook", request, tenants_pb2.GiveBookResponse)
        owner = f"tenant {tenant}'s" if tenant else "the organization's"
        typer.echo(f"book {book}: {'now' if reply.changed else 'was already'} {owner}")

    with_node(home, org, run)


def share(
    account: Annotated[str, typer.Argument(help="Account reference.")],
    end: Annotated[bool, typer.Option("--end", help="Share it no longer.")] = False,
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Let every tenant post between an account and accounts of his own; what is on it none of them sees."""
    from node.own_node import TENANTS, tenants_pb2

    async def run(node: OwnNode) -> None:
        request = tenants_pb2.ShareAccountRequest(account=account, shared=not end, actor=actor_name(actor))
        reply = await node.call(TENANTS, "ShareAccount", request, tenants_pb2.ShareAccountResponse)
        typer.echo(f"{account}: {'' if reply.changed else 'was already '}{'not shared' if end else 'shared'}")

    with_node(home, org, run)


def login(
    login_name: Annotated[str, typer.Argument(metavar="LOGIN", help="Role of the database, IN ROLE dwaybank_tenant.")],
    tenant: Annotated[str, typer.Option(help="Whose rows it sees; empty to free it.")] = "",
    actor: ActorOption = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Let a login see what one tenant sees, and let it connect; freed, it sees nothing."""
    from node.own_node import TENANTS, tenants_pb2

    async def run(node: OwnNode) -> None:
        request = tenants_pb2.BindLoginRequest(login=login_name, tenant=tenant, actor=actor_name(actor))
        reply = await node.call(TENANTS, "BindLogin", request, tenants_pb2.BindLoginResponse)
        sees = f"sees what tenant {tenant} sees" if tenant else "sees nothing"
        typer.echo(f"login {login_name}: {sees}{'' if reply.changed else ', as before'}")

    with_node(home, org, run)


def certificate(
    tenant: TenantArgument,
    name: Annotated[str, typer.Option(help="Name of the program; default: the tenant's.")] = "",
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Make a TLS client certificate with which a program is this tenant, by the data directory's own authority."""
    from ledger.tenants import check_tenant
    from network.crypto_material import add_tls_client
    from network.tenant_unit import TENANT_UNIT

    opened, _, member = find(home, org)
    units = (f"{TENANT_UNIT}{check_tenant(tenant)}",)
    folder = add_tls_client(opened.crypto(member), name or tenant, units, datetime.now(UTC).replace(microsecond=0))
    typer.echo(f"{folder / 'tls'}: client.crt, client.key, ca.crt")


def history(
    after: Annotated[int, typer.Option(min=0, help="Only changes with a larger number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Lines to show.")] = 100,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """List decisions about tenants, oldest first."""
    from node.own_node import TENANTS, tenants_pb2

    async def run(node: OwnNode) -> None:
        request = tenants_pb2.ListTenantChangesRequest(page_size=limit, page_token=str(after) if after else "")
        reply = await node.call(TENANTS, "ListTenantChanges", request, tenants_pb2.ListTenantChangesResponse)
        for change in reply.changes:
            at = change.at.ToDatetime()
            typer.echo(f"{change.number:>6}  {at:%Y-%m-%d %H:%M:%S}  {change.actor:<16} {change.what_json}")

    with_node(home, org, run)
