"""An organization's database while its consortium does not run, for commands that must not meet a node at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from network.topology import Organization
from node.errors import PostgresError, SupervisorError
from node.home import Home
from node.postgres import ClusterSettings, PostgresCluster
from node.start import running_pid
from node.supervisor import hold_lock


@contextmanager
def database_server(home: Home, member: Organization, *, alone: bool) -> Iterator[None]:
    """Have an organization's database server run, and keep ``dwaybank up`` from starting meanwhile.

    Args:
        alone: whether the consortium must not run; without it, a running one's server is used.
    Raises:
        SupervisorError: the consortium runs and must not.
        PostgresError: the server does not start.
    """
    running = running_pid(home)
    if running is not None and not alone:
        yield
        return
    with database_servers(home, [member]):
        yield


@contextmanager
def database_servers(home: Home, members: list[Organization]) -> Iterator[None]:
    """Have the database servers of organizations run whose consortium does not, and keep it from starting meanwhile.

    Raises:
        SupervisorError: the consortium runs.
        PostgresError: a server does not start, or its data is not there.
    """
    if (running := running_pid(home)) is not None:
        raise SupervisorError(
            f"the consortium in {home.root} runs (process {running}): stop it with `dwaybank down --home {home.root}` "
            "first, because nothing may commit meanwhile"
        )
    with hold_lock(home), ExitStack() as servers:
        for member in members:
            if not home.secret(member, "administrator.url").exists():
                folder = home.organization(member) / "postgres"
                if not (folder / "data" / "PG_VERSION").exists():
                    # A start would begin an empty one there, which the next `up` would take for the member's own.
                    raise PostgresError(f"{folder / 'data'} holds no database: mount it or put it back from a backup")
                cluster = PostgresCluster(ClusterSettings(folder, member.postgres_port))
                servers.callback(cluster.stop)
                cluster.start()
        yield
