"""What every published figure is read with: the machine, and how fast it was at that hour."""

import json
from pathlib import Path

import pytest

from benchmarks import measure
from benchmarks.measure import Result, machine, save
from benchmarks.yardstick import yardstick


def test_yardstick_times_both_kinds_of_work_alone_and_crowded() -> None:
    found = yardstick()
    assert set(found) == {
        f"{work}{cores}" for work in ("python_loop_us", "p256_verify_us") for cores in ("", "_all_cores")
    }
    # A verification is some hundred thousand instructions, a turn of the loop some hundred.
    assert found["p256_verify_us"] > 10 * found["python_loop_us"] > 0


def test_result_is_saved_with_the_machine_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    result = Result("some", "Some benchmark", rows=[{"per_second": 5}])
    result.at_least("rate", 4, 5)
    saved = json.loads(save(result, machine() | {"yardstick": {"a": 1.0}}, {"a": 2.0}).read_text())
    assert saved["rows"] == [{"per_second": 5}]
    assert saved["targets"] == [{"what": "rate", "bound": "at least 4", "measured": 5, "met": True}]
    assert saved["machine"]["yardstick"] == {"a": 1.0}
    assert saved["machine"]["yardstick_after"] == {"a": 2.0}
    assert saved["machine"]["python"].startswith("3.")
