"""How properties are drawn, whichever machine they are drawn on."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def test_slow_machine_is_no_fault_of_a_property() -> None:
    assert settings().deadline is None
    assert HealthCheck.too_slow in settings().suppress_health_check
