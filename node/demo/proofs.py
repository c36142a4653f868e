"""Step 5: the regulator searches, demands, receives bundles, and verifies them where nothing but the bundles is."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from node.own_node import AUDIT, OwnNode, audit_pb2

if TYPE_CHECKING:
    from node.demo.demo import Demo

SAMPLE = 8


async def prove_to_regulator(demo: Demo) -> None:
    """Search the audit trail, demand random entries, verify offline."""
    report = demo.report
    async with OwnNode(demo.home, demo.consortium, demo.regulator) as node:
        trail = await node.call(
            AUDIT,
            "SearchAudit",
            audit_pb2.SearchAuditRequest(kind="checkpoint", organization=demo.bank.msp_id, page_size=100),
            audit_pb2.SearchAuditResponse,
        )
        newest = max((record.to_seq for record in trail.records), default=0)
        report.check(
            "the regulator finds the bank's checkpoints in its own copy", newest > 0, f"{newest} entries covered"
        )
        flags = await node.call(
            AUDIT,
            "SearchAudit",
            audit_pb2.SearchAuditRequest(kind="flag", page_size=100),
            audit_pb2.SearchAuditResponse,
        )
        report.check(
            "payments over the threshold are flagged for review", len(flags.records) > 0, f"{len(flags.records)} found"
        )
        # Which entries an auditor looks at must not be foreseeable.
        seqs = sorted(random.SystemRandom().sample(range(1, newest + 1), min(SAMPLE, newest)))
        reply = await node.call(
            AUDIT,
            "DemandDisclosure",
            audit_pb2.DemandDisclosureRequest(organization=demo.bank.msp_id, seqs=seqs, purpose="supervisory_sample"),
            audit_pb2.DemandDisclosureResponse,
            60,
        )
    report.check(
        "the demand itself stands on the shared ledger and is answered",
        bool(reply.transaction_id) and len(reply.bundles) == len(seqs),
        f"entries {', '.join(map(str, seqs))}",
    )
    folder = demo.home.root / "disclosed"
    folder.mkdir(exist_ok=True)
    files = []
    for seq, bundle in zip(seqs, reply.bundles, strict=True):
        path = folder / f"{demo.bank.msp_id}-{seq}.json"
        path.write_bytes(bundle)
        files.append(path)
    verify_offline(demo, files)


def verify_offline(demo: Demo, files: list[Path]) -> None:
    """Verify in another process that cannot reach a network; then show that a changed bundle is refused."""
    genesis_hash = _genesis_hash(demo)
    done, isolation = _isolated_verify([*map(str, files)], genesis_hash)
    demo.report.check(
        f"all {len(files)} bundles verify in a process without network and database", done.returncode == 0, isolation
    )
    for line in done.stdout.splitlines():
        demo.report.console.print(f"   {line}", highlight=False, style="dim", soft_wrap=True)
    forged = files[0].with_name("forged.json")
    forged.write_bytes(_raise_amount(files[0].read_bytes()))
    refused, _ = _isolated_verify([str(forged)], genesis_hash)
    demo.report.check(
        "a bundle with one changed amount is refused", refused.returncode == 1, refused.stdout.strip()[:100]
    )


def _genesis_hash(demo: Demo) -> str:
    from network.block import header_hash, parse_block

    return header_hash(parse_block(demo.home.genesis.read_bytes()).header).hex()


def _raise_amount(bundle: bytes) -> bytes:
    import json

    content = json.loads(bundle)
    posting = content["entry"]["fields"]["postings"][0]
    posting["amount_minor"] = str(int(posting["amount_minor"]) + 1)
    return json.dumps(content).encode()


def _isolated_verify(files: list[str], genesis_hash: str) -> tuple[subprocess.CompletedProcess[str], str]:
    command = [sys.executable, "-m", "node", "verify", "--genesis", genesis_hash, *files]
    unshared = ["unshare", "--net", "--map-root-user", "--", *command]
    if subprocess.run([*unshared[:4], "true"], capture_output=True, check=False).returncode == 0:  # noqa: S603
        return _run(unshared), "in a network namespace without interfaces"
    return _run(command), "this system allows no network namespaces: the process opens no connection by itself"


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - ourselves, with files we wrote
        command, capture_output=True, text=True, check=False, timeout=120, env={"PATH": "/usr/bin:/bin"}
    )
