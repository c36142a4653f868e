"""An organization's database while its consortium does not run, for commands that must not meet a node at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from network.topology import Organization
from node.errors import SupervisorError
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
    if running is not None:
        raise SupervisorError(
            f"the consortium in {home.root} runs (process {running}): stop it with `dwaybank down --home {home.root}` "
            "first, because nothing may commit meanwhile"
        )
    with hold_lock(home):
        if home.secret(member, "administrator.url").exists():
            yield
            return
        cluster = PostgresCluster(ClusterSettings(home.organization(member) / "postgres", member.postgres_port))
        try:
            cluster.start()
            yield
        finally:
            cluster.stop()
