"""What the system says of this process, under the names every Prometheus client uses.

Source: Prometheus, writing client libraries, process metrics; proc(5).
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

from network.operations.metrics import Metrics

_PROC = Path("/proc/self")


class ProcessMetrics:
    """Processor time, memory and files of this process."""

    def __init__(self, metrics: Metrics) -> None:
        self._cpu = metrics.counter("process_cpu_seconds_total", "Processor time spent, user and system.").of()
        self._resident = metrics.gauge("process_resident_memory_bytes", "Resident memory size.").of()
        self._virtual = metrics.gauge("process_virtual_memory_bytes", "Virtual memory size.").of()
        self._files = metrics.gauge("process_open_fds", "Open file descriptors.").of()
        self._files_max = metrics.gauge("process_max_fds", "Open file descriptors allowed.").of()
        self._started = metrics.gauge("process_start_time_seconds", "Start of the process, Unix time.").of()
        metrics.before_scrape(self._refresh)

    async def _refresh(self) -> None:
        # After the name in parentheses, which may hold anything; field numbers of proc(5) less the three before.
        fields = (_PROC / "stat").read_text().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        self._cpu.value = (int(fields[11]) + int(fields[12])) / ticks
        self._started.value = _booted_at() + int(fields[19]) / ticks
        self._virtual.value = int(fields[20])
        self._resident.value = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        self._files.value = len(list((_PROC / "fd").iterdir()))
        self._files_max.value = resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _booted_at() -> int:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    return 0
