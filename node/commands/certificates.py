"""``dwaybank certificates``: which the data directory holds, when they end, and new ones in their place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, home_path

if TYPE_CHECKING:
    from datetime import datetime

    from node.certificates import Held, Renewal
    from node.home import Home

OrgsOption = Annotated[
    list[str] | None, typer.Option("--org", help="Organization, or orderer; may be repeated. Default: all.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="List certificates with their ends; renew and revoke them.", no_args_is_help=True)
    group.command("list", help="List every certificate, those that end first first.")(list_certificates)
    group.command("renew-authority", help="Have an organization's authorities valid for longer, at every member.")(
        renew_authority
    )
    group.command("revoke", help="Shut out whoever holds a certificate, at every member of the channel.")(revoke)
    group.command("renew", help="Issue those anew that end soon, by the data directory's own authorities.")(renew)
    app.add_typer(group, name="certificates", rich_help_panel="Consortium")


def list_certificates(org: OrgsOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List every certificate."""
    from node.certificates import certificates_of
    from node.home import open_home

    opened, consortium = open_home(home_path(home))
    now = _now()
    found = certificates_of(opened, consortium, org or [])
    if as_json:
        typer.echo(json.dumps([_described(held, now) for held in found], indent=2))
        return
    for held in found:
        ends = held.certificate.not_valid_after_utc
        typer.echo(
            f"{ends:%Y-%m-%d %H:%M:%S}Z  {_left(held, now)}  {held.organization}  {held.use}\n"
            f"    {held.certificate.subject.rfc4514_string()}\n"
            f"    serial {held.certificate.serial_number:x}\n"
            f"    {held.path}"
        )


def renew(
    org: OrgsOption = None,
    within: Annotated[
        int | None,
        typer.Option(
            min=0, max=36_500, help="Those that end within so many days, or have ended. Default: as `status` warns of."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="All of them, whenever they end.")] = False,
    keep_key: Annotated[
        bool, typer.Option("--keep-key", help="Keep the keys; else each gets a new one, but the orderer's for TLS.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Issue certificates anew."""
    from node.certificates import WARNED_DAYS, certificates_of, due
    from node.certificates import renew as renewals
    from node.home import open_home

    opened, consortium = open_home(home_path(home))
    now = _now()
    within = WARNED_DAYS if within is None else within
    found = certificates_of(opened, consortium, org or [])
    chosen = [held for held in found if held.key is not None] if force else due(found, within, now)
    done = []
    for renewal in renewals(opened, chosen, keep_keys=keep_key, now=now):
        done.append(renewal)
        if not as_json:
            _tell(renewal)
    if as_json:
        described = [_described(one.held, now) | {"refused": one.refused or None} for one in done]
        typer.echo(json.dumps(described, indent=2))
    elif not done:
        typer.echo(f"No certificate ends within {within} days; the first ends in {found[0].days_left(now)} days.")
    elif any(not one.refused for one in done):
        _tell_what_next(opened, [held for held, one in zip(chosen, done, strict=True) if not one.refused])
    raise typer.Exit(1 if any(one.refused for one in done) else 0)


def renew_authority(
    org: Annotated[str, typer.Option("--org", help="Whose authorities: an organization, or orderer.")],
    home: HomeOption = None,
) -> None:
    """Give an organization's authorities certificates that end later, with the keys they have."""
    from node.authority_renewal import renew_authorities
    from node.home import open_home

    opened, consortium = open_home(home_path(home))
    for certificate in renew_authorities(opened, consortium, org, _now()):
        typer.echo(
            f"{certificate.subject.rfc4514_string()}: ends {certificate.not_valid_after_utc:%Y-%m-%d}, on channel "
            f"{consortium.channel} and in {opened.root}"
        )
    typer.echo(
        "Start again before the old ones end (`dwaybank down`, `dwaybank up`); whoever copied one copies it again."
    )


def revoke(
    serial: Annotated[str, typer.Argument(help="Its number, as `list` tells it; also of one that was renewed.")],
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
) -> None:
    """Put a certificate on its authority's revocation list, and that on the channel."""
    from node.commands.options import find
    from node.revocation import revoke_certificate

    opened, consortium, member = find(home, org)
    done = revoke_certificate(opened, consortium, member, serial, _now())
    typer.echo(
        f"{done.certificate.subject.rfc4514_string()}, number {done.certificate.serial_number:x}: revoked on channel "
        f"{consortium.channel} ({done.file}). What still runs with it is shut out, until it is started with another."
    )


def _now() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _left(held: Held, now: datetime) -> str:
    days = held.days_left(now)
    return f"{days} days left" if days >= 0 else "HAS ENDED"


def _described(held: Held, now: datetime) -> dict[str, Any]:
    certificate = held.certificate
    return {
        "organization": held.organization,
        "holder": held.holder,
        "use": held.use,
        "subject": certificate.subject.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "begins": certificate.not_valid_before_utc.isoformat(),
        "ends": certificate.not_valid_after_utc.isoformat(),
        "days_left": held.days_left(now),
        "file": str(held.path),
    }


def _tell(renewal: Renewal) -> None:
    held = renewal.held
    what = f"{held.organization}  {held.holder}  {held.use}"
    if renewal.refused:
        typer.echo(f"{what}: NOT RENEWED: {renewal.refused}", err=True)
        return
    typer.echo(f"{what}: renewed, ends {held.certificate.not_valid_after_utc:%Y-%m-%d}")


def _tell_what_next(home: Home, before: list[Held]) -> None:
    """Tell what takes the new ones up, and until when the old ones are good."""
    from node.start import is_held

    first = min(held.certificate.not_valid_after_utc for held in before)
    if is_held(home):
        typer.echo(
            f"What runs goes on with the old ones, the first of which ends {first:%Y-%m-%d %H:%M}Z: "
            f"`dwaybank down --home {home.root}`, then `dwaybank up --home {home.root}` takes the new ones up."
        )
    typer.echo("Whoever copied one, into a browser or to another machine, copies it again.")
