"""Packages for Node that tests use and this project does not ship: installed by ``npm ci`` into a cache folder.

``DWAYBANK_NODE_MODULES`` may name a folder where they have been installed already.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NODE_MIN = (20, 9)


def require_node(*others: str) -> None:
    """Skip the test where Node, or a program beside it, is missing or too old."""
    for program in ("node", *others):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on the PATH: install Node 20.9 or later")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(int(part) for part in version.removeprefix("v").split(".")[:2]) < NODE_MIN:
        pytest.skip(f"node {version} is too old: 20.9 or later is needed")


def installed_packages(folder: Path) -> Path:
    """Return ``node_modules`` with the packages of a folder's package-lock.json; skip the test without Node."""
    require_node("npm")
    if given := os.environ.get("DWAYBANK_NODE_MODULES"):
        return Path(given)
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]
    name = f"{folder.name.replace('_', '-')}-{lock}"
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dwaybank" / name
    if not (cache / "installed").exists():
        _install(folder, cache)
    return cache / "node_modules"


def _install(folder: Path, cache: Path) -> None:
    """Run ``npm ci`` in ``cache``; skip the tests when the packages cannot be had."""
    cache.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(folder / name, cache / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm ci failed, so the official packages are not here: {done.stderr.strip()[-300:]}")
    (cache / "installed").touch()
