"""Findings about members: what is said of them on the shared ledger, and the texts that only those concerned have.

Rules:
- a text (evidence, explanation) is kept here before its commitment is shown, so that it can always be opened;
- a text is given to the two organizations a finding concerns, and only if the finding commits to it;
- what another member gives is believed once it opens the commitment.

Commitment: SHA-256(``dwaybank.node/finding-text\\x01`` ‖ salt of 32 bytes ‖ UTF-8 text).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from network.audit_record import AUDIT, finding_id_of, record_key
from network.errors import GatewayError, RpcError
from node.anchor.anchorer import Gateway
from node.anchor.database import Database
from node.audit.errors import BadRequestError, RefusedError, UnknownEntryError
from node.audit.finding_text import SALT_BYTES, OpenedText
from node.audit.index import NEWEST, AuditIndex
from node.audit.pages import PAGE_SIZE_MAX, limit_of, read_place, split, whole, word

TEXT_LENGTH_MAX = 20_000

_PACKAGE = "node.audit"


class TextHolder(Protocol):
    """Another member's node."""

    async def read_finding_text(self, finding_id: str, commitment: bytes) -> OpenedText:
        """Return a text of a finding that concerns this organization."""
        ...


class Findings:
    """Findings as this organization sees and moves them.

    Args:
        gateway: this organization's client on the channel.
        members: the other members' nodes, by organization.
    """

    def __init__(
        self,
        msp_id: str,
        database: Database,
        index: AuditIndex,
        gateway: Gateway,
        members: Mapping[str, TextHolder],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._msp_id = msp_id
        self._database = database
        self._index = index
        self._gateway = gateway
        self._members = members
        self._random_bytes = random_bytes

    def listed(self) -> list[dict[str, Any]]:
        """Return all findings as they stand, the one that moved last first. Blocks."""
        return [json.loads(body) for body, *_ in self._standing("", "", None, NEWEST)]

    def page(
        self, organization: str = "", status: str = "", page_size: int = 0, page_token: str = ""
    ) -> tuple[list[dict[str, Any]], str]:
        """Return a page of them, and the token of the next one (empty for none). Blocks.

        Raises:
            PageTokenError: the token is not one of this list's.
        """
        limit = limit_of(page_size, PAGE_SIZE_MAX)
        after = read_place(page_token, whole, whole, word) if page_token else NEWEST
        rows, token = split(self._standing(organization, status, limit + 1, after), limit, lambda row: row[1:])
        return [json.loads(body) for body, *_ in rows], token

    def found(self, finding_id: str) -> dict[str, Any]:
        """Return a finding as it stands. Blocks.

        Raises:
            UnknownEntryError: the own peer committed none under this id.
        """
        record = self._index.record(record_key("finding", finding_id))
        if record is None:
            raise UnknownEntryError(f"finding {finding_id[:40]} does not stand on the shared ledger")
        told: dict[str, Any] = json.loads(record.body)
        return told

    def was_opened(self, organization: str, kind: str, subject: str) -> bool:
        """Whether this organization opened a finding about a matter before; it may be closed. Blocks."""
        finding_id = finding_id_of(self._msp_id, kind, organization, subject)
        return self._index.record(record_key("finding", finding_id)) is not None

    def _standing(
        self, organization: str, status: str, limit: int | None, after: tuple[int, int, str]
    ) -> list[tuple[Any, ...]]:
        block, tx, key = after
        wanted = {"organization": organization, "status": status, "limit": limit, "block": block, "tx": tx, "key": key}
        return self._database.fetch("findings", wanted, _PACKAGE)

    async def open(self, organization: str, kind: str, subject: str, evidence: str) -> dict[str, Any]:
        """Open a finding; the evidence stays here.

        Raises:
            BadRequestError: the text cannot be used.
            GatewayError: the contract refused, or it did not commit.
        """
        commitment = await asyncio.to_thread(self._keep, "evidence", evidence)
        return await self._moved("OpenFinding", organization, kind, subject, commitment.hex())

    async def explain(self, finding_id: str, explanation: str) -> dict[str, Any]:
        """Explain a finding about this organization; the text stays here, for who opened it. Raises as ``open``."""
        commitment = await asyncio.to_thread(self._keep, "explanation", explanation)
        return await self._moved("ExplainFinding", finding_id, commitment.hex())

    async def escalate(self, finding_id: str) -> dict[str, Any]:
        """Escalate a finding this organization opened. Raises GatewayError."""
        return await self._moved("EscalateFinding", finding_id)

    async def close(self, finding_id: str, outcome: str) -> dict[str, Any]:
        """Close a finding this organization opened. Raises GatewayError."""
        return await self._moved("CloseFinding", finding_id, outcome)

    async def texts(self, finding: Mapping[str, Any]) -> dict[str, str]:
        """Return the texts of a finding by their commitments, in hex, as far as they can be had now."""
        concerned = {finding["opened_by"], finding["organization"]}
        if self._msp_id not in concerned:
            return {}
        found = {}
        for holder, commitment in _commitments(finding):
            opened = await asyncio.to_thread(self._kept, commitment)
            if opened is None and holder in self._members:
                opened = await self._fetched(self._members[holder], finding["finding_id"], commitment)
            if opened is not None:
                found[commitment.hex()] = opened.text
        return found

    def give_text(self, caller: str, finding_id: str, commitment: bytes) -> OpenedText:
        """Return a text to another organization that the finding concerns. Blocks.

        Raises:
            UnknownEntryError: there is no such finding, or this text is not kept here.
            RefusedError: the finding does not concern the caller, or does not commit to the text.
        """
        finding = self.found(finding_id)
        if caller not in (finding["opened_by"], finding["organization"]):
            raise RefusedError(f"finding {finding_id} does not concern {caller}")
        if commitment not in [each for _, each in _commitments(finding)]:
            raise RefusedError(f"finding {finding_id} commits to no such text")
        opened = self._kept(commitment)
        if opened is None:
            raise UnknownEntryError(f"this text of finding {finding_id} is not kept here")
        return opened

    async def _fetched(self, member: TextHolder, finding_id: str, commitment: bytes) -> OpenedText | None:
        try:
            opened = await member.read_finding_text(finding_id, commitment)
        except RpcError:
            # A member that is away keeps its text to itself for now; the commitment is shown without it.
            return None
        return opened if opened.commitment() == commitment else None

    def _keep(self, field: str, text: str) -> bytes:
        if not 0 < len(text) <= TEXT_LENGTH_MAX or "\x00" in text:
            raise BadRequestError(f"{field}: give 1 to {TEXT_LENGTH_MAX} characters of text")
        opened = OpenedText(self._random_bytes(SALT_BYTES), text)
        self._database.fetch("put_finding_text", (opened.commitment(), *opened), _PACKAGE)
        return opened.commitment()

    def _kept(self, commitment: bytes) -> OpenedText | None:
        rows = self._database.fetch("finding_text", (commitment,), _PACKAGE)
        return OpenedText(bytes(rows[0][0]), rows[0][1]) if rows else None

    async def _moved(self, function: str, *arguments: str) -> dict[str, Any]:
        committed = await self._gateway.submit(AUDIT, function, *arguments)
        told: dict[str, Any] = json.loads(committed.result)
        return told


def already_opened(error: GatewayError) -> bool:
    """Whether a finding was refused because the same stands already."""
    return "finding_exists:" in str(error)


def _commitments(finding: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """Return who holds each text of a finding, and its commitment."""
    explained = [(str(step["by"]), str(step["explanation"])) for step in finding["steps"] if "explanation" in step]
    told = [(str(finding["opened_by"]), str(finding["evidence"])), *explained]
    return [(holder, bytes.fromhex(commitment)) for holder, commitment in told]
