"""The PostgreSQL that was named is the one that is tested, and it differs from the wheel's where servers differ."""

from __future__ import annotations

import psycopg
import pytest

from node.postgres import PostgresCluster
from tests.support.server import HOW_TO_ENABLE, named_binaries, server_version


def test_server_named_is_the_one_that_answers_and_orders_text_as_english_does(
    postgres_cluster: PostgresCluster,
) -> None:
    binaries = named_binaries()
    if binaries is None:
        pytest.skip(HOW_TO_ENABLE)
    with psycopg.connect(postgres_cluster.url()) as connection:
        assert connection.execute("SELECT split_part(current_setting('server_version'), ' ', 1)").fetchone() == (
            server_version(binaries),
        )
        assert connection.execute("SELECT 'a' < 'B', 'a' < 'B' COLLATE \"C\"").fetchone() == (True, False)
