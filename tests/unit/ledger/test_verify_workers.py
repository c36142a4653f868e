from __future__ import annotations

import subprocess
import sys


def test_machine_of_many_cores_leaves_connections_of_the_server_to_others() -> None:
    asks = "import os; os.cpu_count = lambda: 256; from ledger.verify import WORKERS; print(WORKERS)"
    told = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True).stdout
    assert int(told) == 16
