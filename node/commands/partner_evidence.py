"""``dwaybank partner evidence|check-evidence``: what the other bank signed, shown and judged again."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.commands.options import HomeOption, JsonOption, OrgOption, find, with_node
from node.commands.texts import shown

if TYPE_CHECKING:
    from network.msp import MspManager
    from node.own_node import OwnNode
    from node.partner.kept_evidence import Judged


def register(group: typer.Typer) -> None:
    """Add these commands to ``dwaybank partner``."""
    group.command("evidence", help="Show what the other bank signed for a settlement.")(evidence)
    group.command("check-evidence", help="Judge a signed message from a file; needs no node.")(check)


def evidence(
    settlement: Annotated[str, typer.Argument(metavar="SETTLEMENT", help="Its id, or that of a quote.")],
    sender: Annotated[str, typer.Option("--from", help="MSP id of the bank that sent it; none for one of ours.")] = "",
    output: Annotated[Path | None, typer.Option(help="Folder for the messages as they were received.")] = None,
    org: OrgOption = "dwaybank",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Each message is judged by the certificates of the channel's first block; exit status 1 for no evidence."""
    from node.config import read_file, write_file
    from node.own_node import SETTLEMENT, partner_pb2
    from node.partner.kept_evidence import judge

    opened, _, _ = find(home, org)
    msps = _msps(read_file(opened.genesis))
    found = partner_pb2.ListEvidenceResponse()

    async def run(node: OwnNode) -> None:
        request = partner_pb2.ListEvidenceRequest(settlement_id=settlement, sender_msp_id=sender)
        found.CopyFrom(await node.call(SETTLEMENT, "ListEvidence", request, partner_pb2.ListEvidenceResponse))

    with_node(home, org, run)
    sound = True
    for number, kept in enumerate(found.evidence, 1):
        judged = judge(kept.kind, kept.signed, msps)
        at = kept.received_at.ToDatetime(tzinfo=UTC).isoformat(timespec="milliseconds")
        _show(kept.kind, judged, at, as_json)
        sound = sound and not judged.problem
        if output is not None:
            write_file(output / f"{number:02}-{kept.kind}.signed", kept.signed.SerializeToString(), with_folder=True)
    if not found.evidence:
        typer.echo(f"{settlement}: nothing was kept under it", err=True)
    if not sound or not found.evidence:
        raise typer.Exit(1)


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Signed message, as `evidence --output` wrote it.")],
    kind: Annotated[str, typer.Option(help="What it is, e.g. complete_answer or statement.")],
    genesis: Annotated[Path, typer.Option(help="The channel's first block, from a source that is trusted.")],
    as_json: JsonOption = False,
) -> None:
    """Exit status 1 when it proves nothing."""
    from google.protobuf.message import DecodeError

    from network.pb.dwaybank.partner.v1 import partner_pb2
    from node.config import read_file
    from node.errors import ConfigurationError
    from node.partner.kept_evidence import judge

    try:
        signed = partner_pb2.SignedMessage.FromString(read_file(file))
    except DecodeError as error:
        raise ConfigurationError(f"file {file} holds no signed message") from error
    judged = judge(kind, signed, _msps(read_file(genesis)))
    _show(kind, judged, "", as_json)
    if judged.problem:
        raise typer.Exit(1)


def _msps(genesis: bytes) -> MspManager:
    from network.block import parse_block
    from network.channel_config import ChannelConfig

    return ChannelConfig.from_block(parse_block(genesis)).msps


def _show(kind: str, judged: Judged, at: str, as_json: bool) -> None:
    if as_json:
        told = {"kind": kind, "signer": judged.signer, "received_at": at, "problem": judged.problem}
        typer.echo(json.dumps(told | {"says": dict(judged.says)}, ensure_ascii=False))
        return
    verdict = judged.problem or f"signed by {shown(judged.signer)}"
    typer.echo(f"{kind}: {verdict}{f', received {at}' if at else ''}")
    for name, text in judged.says:
        typer.echo(f"  {name:<20} {shown(text)}")
