"""The bank's commands about a customer: ``python -m gateway.customers --config FILE WHAT CUSTOMER``.

A new password is told once, here, and kept nowhere; it lets the customer set one of his own and do nothing else. Of a
home's gateway ``dwaybank customer`` runs this.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import secrets
import sys
from datetime import UTC
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from gateway.app import engine_of, passwords_of, prepare_database
from gateway.auth.tokens import utc_now
from gateway.config import GatewayConfig, load_config
from gateway.customer_desk import CustomerDesk, Standing
from gateway.errors import CustomerGatewayError

NEW_PASSWORD_BYTES = 12
"""Random ones: 16 characters."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says.

    Args:
        arguments: command line without the program's name; None for the process's own.
    Returns:
        0 when it is done, 1 when it is refused, 2 for a wrong command line.
    """
    parser = argparse.ArgumentParser(prog="python -m gateway.customers", description="A bank's customers")
    parser.add_argument("--config", required=True, type=Path, help="gateway.yaml")
    parser.add_argument("what", choices=("show", "suspend", "reinstate", "reset-password"))
    parser.add_argument("customer", help="e-mail address, customer id, or an account of his")
    parser.add_argument("--actor", default="", help="who does this; default: the user of this machine")
    parser.add_argument("--reason", default="", help="why, for the record")
    asked = parser.parse_args(arguments)
    try:
        config = load_config(asked.config)
        prepare_database(config)
        engine = engine_of(config.database_url)
        try:
            print("\n".join(_do(config, CustomerDesk(engine), asked)))  # noqa: T201 - a command's output
        finally:
            engine.dispose()
    except (CustomerGatewayError, SQLAlchemyError) as error:
        # The database's own words may name hosts and roles.
        refused = f"its database refused ({type(error).__name__}): see that it runs (`dwaybank status`), then try again"
        sys.stderr.write(f"gateway: {error if isinstance(error, CustomerGatewayError) else refused}\n")
        return 1
    return 0


def _do(config: GatewayConfig, desk: CustomerDesk, asked: argparse.Namespace) -> list[str]:
    found = desk.find(asked.customer)
    if asked.what == "show":
        return _shown(found)
    record = asked.actor or getpass.getuser(), asked.reason, utc_now()
    if asked.what == "suspend":
        desk.suspend(found.customer_id, *record)
        return [f"{found.customer_id}: suspended, all sessions ended; money and payments under way stay as they are"]
    if asked.what == "reinstate":
        desk.reinstate(found.customer_id, *record)
        return [f"{found.customer_id}: may log in again"]
    password = secrets.token_urlsafe(NEW_PASSWORD_BYTES)
    until = desk.reset_password(found.customer_id, asyncio.run(_hash(config, password)), *record)
    return [
        f"{found.customer_id}: all sessions ended; the new password, good until {until:%Y-%m-%d %H:%M} UTC:",
        password,
        "Tell it to nobody but the customer. With it he logs in and sets one of his own (POST /v1/auth/password);",
        "until then everything else is refused to him.",
    ]


async def _hash(config: GatewayConfig, password: str) -> str:
    passwords = passwords_of(config.password_cost)
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


def _shown(found: Standing) -> list[str]:
    lines = [f"{found.customer_id}  {found.status}  {found.email}  {found.display_name}"]
    if found.given_until is not None:
        until = found.given_until.astimezone(UTC)
        lines.append(f"has the password that the bank gave, good until {until:%Y-%m-%d %H:%M} UTC, and must change it")
    lines += [f"account {account}" for account in found.accounts]
    return lines + [
        f"{change.changed_at.isoformat(timespec='seconds')}  {change.what} by {change.actor}: {change.reason}"
        for change in found.changes
    ]


if __name__ == "__main__":
    sys.exit(main())
