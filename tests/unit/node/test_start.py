"""What ``up`` accepts before it starts anything."""

from __future__ import annotations

import socket

import pytest

from node.errors import ConfigurationError
from node.start import free_base_port, parse_database_urls


def test_database_url_with_organization_is_taken() -> None:
    url = "postgresql://admin:secret@db.example/postgres"
    assert parse_database_urls([f"dwaybank={url}"]) == {"dwaybank": url}


@pytest.mark.parametrize("value", ["postgresql://x", "dwaybank", "dwaybank=mysql://x", "=postgresql://x", "dwaybank="])
def test_database_url_in_another_form_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ConfigurationError, match="write ORGANIZATION=postgresql://"):
        parse_database_urls([value])


def test_free_base_port_skips_a_taken_range() -> None:
    first = free_base_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        taken.listen()
        assert free_base_port() > first
