"""Configuration updates made with ``configtxlator``, as Fabric's documentation does it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.fabric_programs import FabricTools


class ConfigTool:
    """Turns configuration into JSON and back.

    Args:
        tools: Fabric's programs.
        folder: for files.
    """

    def __init__(self, tools: FabricTools, folder: Path) -> None:
        self._tools = tools
        self._folder = folder

    def config_of(self, block: Path) -> dict[str, Any]:
        """Return the configuration in a configuration block."""
        content = self._decode("common.Block", block)
        config: dict[str, Any] = content["data"]["data"][0]["payload"]["data"]["config"]
        return config

    def update(self, channel_id: str, block: Path, change: Callable[[dict[str, Any]], None]) -> Path:
        """Return the file of an unsigned envelope that changes a channel's configuration.

        Args:
            block: the configuration block in force.
            change: changes the configuration's root group in place.
        """
        config = self.config_of(block)
        changed = copy.deepcopy(config)
        change(changed["channel_group"])
        original, updated = self._encode("common.Config", config, "old"), self._encode("common.Config", changed, "new")
        computed = self._folder / "update.pb"
        files = ("--original", str(original), "--updated", str(updated), "--output", str(computed))
        self._run("compute_update", "--channel_id", channel_id, *files)
        envelope = {
            "payload": {
                "header": {"channel_header": {"channel_id": channel_id, "type": 2}},
                "data": {"config_update": self._decode("common.ConfigUpdate", computed)},
            }
        }
        return self._encode("common.Envelope", envelope, "envelope")

    def _decode(self, kind: str, file: Path) -> dict[str, Any]:
        target = self._folder / "decoded.json"
        self._run("proto_decode", "--type", kind, "--input", str(file), "--output", str(target))
        content: dict[str, Any] = json.loads(target.read_text())
        return content

    def _encode(self, kind: str, content: dict[str, Any], name: str) -> Path:
        source, target = self._folder / f"{name}.json", self._folder / f"{name}.pb"
        source.write_text(json.dumps(content))
        self._run("proto_encode", "--type", kind, "--input", str(source), "--output", str(target))
        return target

    def _run(self, *arguments: str) -> None:
        done = self._tools.run("configtxlator", arguments)
        assert done.status == 0, done.text
