"""An orderer in a process of its own, to be killed.

Usage: ``python -m tests.support.orderer_process <crypto folder> <genesis block> <data folder> <port>``
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.support.ordering import serve

if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
