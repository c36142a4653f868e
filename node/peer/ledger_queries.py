"""The system chaincodes ``qscc`` and ``cscc``: blocks, transactions, configuration, channels of this peer.

Nothing is simulated and nothing recorded: their answers are endorsed without a read/write set, as in Fabric. They act
on the channel their argument names, whatever channel the proposal is of.

Source: Fabric core/scc/qscc/query.go, core/scc/cscc/configure.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from fabric_protos.common import common_pb2, configtx_pb2, ledger_pb2
from fabric_protos.peer import query_pb2, transaction_pb2

from network.block import parse_block
from network.errors import IdentityError, NetworkError, PolicyError, WireError
from network.messages import read_message
from node.peer.block_store import TransactionRecord
from node.peer.channel import Channel
from node.peer.errors import ChaincodeError, MissingBlockError, SnapshotError, StoreError
from node.peer.join_block import channel_of, check_config
from node.peer.system_chaincode import CSCC, OK, QSCC, LocalMembers, SystemResponse, failure, is_text, text_of

_NEWEST = 2**64 - 1
_DIGITS_MAX = 20
_QUOTED = {'"': r"\"", "\\": r"\\", **dict(zip("\a\b\f\n\r\t\v", map("\\{}".format, "abfnrtv"), strict=True))}
_DELETE, _NO_UTF8, _SHORT_MAX = 0x7F, 0xDC00, 0xFFFF
"""Code points: a control character, what a byte that is no UTF-8 is read as, the last of four digits."""

Query = Callable[[Channel, bytes], Awaitable[bytes]]
Join = Callable[[bytes], Awaitable[None]]
"""Joins the channel of a genesis block; raises ChaincodeError, or what prevented it."""


class SnapshotJoins(Protocol):
    """Joins channels by snapshots, one at a time, in the background."""

    @property
    def in_progress(self) -> str | None:
        """The folder of the snapshot a channel is being joined by now."""

    async def begin(self, folder: Path) -> None:
        """Begin to join by a snapshot; raises SnapshotError where that is refused at once."""


class LedgerQueries:
    """The queries of one peer.

    Args:
        channels: channels this peer is on, by id.
        members: this peer's own organization.
        join: joins a channel.
        snapshots: joins a channel by a snapshot of its ledger.
    """

    def __init__(
        self, channels: Mapping[str, Channel], members: LocalMembers, join: Join, snapshots: SnapshotJoins
    ) -> None:
        self._channels = channels
        self._members = members
        self._join = join
        self._snapshots = snapshots
        self._queries: dict[str, dict[str, Query]] = {
            QSCC: {
                "GetChainInfo": _chain_info,
                "GetBlockByNumber": _block_by_number,
                "GetBlockByHash": _block_by_hash,
                "GetTransactionByID": _transaction,
                "GetBlockByTxID": _block_by_tx_id,
            },
            CSCC: {"GetConfigBlock": _config_block, "GetChannelConfig": _channel_config},
        }

    async def invoke(self, chaincode: str, args: Sequence[bytes], creator: bytes) -> SystemResponse:
        """Run one function; refusals are answers.

        Args:
            creator: who proposed, serialized.
        """
        name = text_of(args[0]) if args else ""
        if len(args) < 2 and name not in {"GetChannels", "JoinBySnapshotStatus"}:
            return failure(f"Incorrect number of arguments, {len(args)}")
        try:
            if chaincode == CSCC and name == "GetChannels":
                return SystemResponse(OK, payload=self._channel_ids(creator))
            if chaincode == CSCC and name == "JoinChain":
                return await self._join_chain(args[1], creator)
            if chaincode == CSCC and name == "JoinChainBySnapshot":
                return await self._join_by_snapshot(args[1], creator)
            if chaincode == CSCC and name == "JoinBySnapshotStatus":
                return self._snapshot_status(creator)
            return SystemResponse(OK, payload=await self._query(chaincode, name, args, creator))
        except ChaincodeError as error:
            return failure(str(error))

    async def _query(self, chaincode: str, name: str, args: Sequence[bytes], creator: bytes) -> bytes:
        query = self._queries[chaincode].get(name)
        if chaincode == QSCC and name != "GetChainInfo" and len(args) < 3:
            raise ChaincodeError(f"missing 3rd argument for {name}")
        channel_id = text_of(args[1])
        if chaincode == CSCC and query is None:
            raise ChaincodeError(f"Requested function {name} not found.")
        if not channel_id and name == "GetChannelConfig":
            raise ChaincodeError("empty channel name provided")
        channel = self._channels.get(channel_id)
        if channel is None and chaincode == QSCC:
            raise ChaincodeError(f"Invalid chain ID, {channel_id}")
        denied = f"access denied for [{name}][{channel_id}]: "
        if not channel_id:
            try:
                self._members.authorize(f"{chaincode}/{name}", creator)
            except ChaincodeError as error:
                raise ChaincodeError(f"{denied}{error}") from error
        if channel is None:
            raise ChaincodeError(f"{denied}Failed to get policy manager for channel [{channel_id}]")
        try:
            _authorize(channel, f"{chaincode}/{name}", creator)
        except (IdentityError, PolicyError, WireError) as error:
            raise ChaincodeError(denied + (f"[{error}]" if chaincode == QSCC else str(error))) from error
        if query is None:
            raise ChaincodeError(f"Requested function {name} not found.")
        return await query(channel, args[2] if len(args) > 2 else b"")

    def _channel_ids(self, creator: bytes) -> bytes:
        try:
            self._members.authorize("cscc/GetChannels", creator)
        except ChaincodeError as error:
            raise ChaincodeError(f"access denied for [GetChannels]: {error}") from error
        response = query_pb2.ChannelQueryResponse()
        for channel_id in sorted(self._channels):
            response.channels.add(channel_id=channel_id)
        serialized: bytes = response.SerializeToString()
        return serialized

    async def _join_chain(self, genesis: bytes, creator: bytes) -> SystemResponse:
        channel_id, envelope = channel_of(genesis)
        check_config(channel_id, envelope)
        try:
            self._members.authorize("cscc/JoinChain", creator)
        except ChaincodeError as error:
            raise ChaincodeError(f"access denied for [JoinChain][{channel_id}]: [{error}]") from error
        try:
            await self._join(genesis)
        except NetworkError as error:
            raise ChaincodeError(f'"JoinChain" failed: {error}') from error
        return SystemResponse(OK)

    async def _join_by_snapshot(self, argument: bytes, creator: bytes) -> SystemResponse:
        if not argument:
            raise ChaincodeError("Cannot join the channel, no snapshot directory provided")
        try:
            self._members.authorize("cscc/JoinChainBySnapshot", creator)
        except ChaincodeError as error:
            raise ChaincodeError(f"access denied for [JoinChainBySnapshot]: [{error}]") from error
        folder = text_of(argument)
        try:
            await self._snapshots.begin(Path(folder))
        except (SnapshotError, ValueError) as error:  # the latter of a path with a NUL in it
            raise ChaincodeError(f"cannot create ledger from snapshot {folder}: {error}") from error
        return SystemResponse(OK)

    def _snapshot_status(self, creator: bytes) -> SystemResponse:
        try:
            self._members.authorize("cscc/JoinBySnapshotStatus", creator)
        except ChaincodeError as error:
            raise ChaincodeError(f"access denied for [JoinBySnapshotStatus]: {error}") from error
        folder = self._snapshots.in_progress
        status = query_pb2.JoinBySnapshotStatus(in_progress=folder is not None, bootstrapping_snapshot_dir=folder or "")
        return SystemResponse(OK, payload=status.SerializeToString())


def _authorize(channel: Channel, resource: str, creator: bytes) -> None:
    config = channel.config
    config.policy(config.acl_path(resource)).evaluate_identities([config.msps.deserialize(creator)])


async def _chain_info(channel: Channel, _: bytes) -> bytes:
    progress = channel.progress
    height, current = progress.height, progress.header_hash
    previous = await channel.reader.block_store(lambda store: store.previous_hash(height - 1))
    info = ledger_pb2.BlockchainInfo(height=height, currentBlockHash=current, previousBlockHash=previous)
    if channel.first_block:
        info.bootstrappingSnapshotInfo.lastBlockInSnapshot = channel.first_block - 1
        info.bootstrappingSnapshotInfo.SetInParent()
    serialized: bytes = info.SerializeToString()
    return serialized


async def _block_by_number(channel: Channel, argument: bytes) -> bytes:
    text = text_of(argument)
    number = _unsigned(text)
    # The largest number a client can give stands for the newest block.
    number = channel.progress.height - 1 if number == _NEWEST else number
    try:
        channel.require_block(number)
    except MissingBlockError as error:
        raise ChaincodeError(f"Failed to get block number {number}, error {error}") from error
    block = await channel.block(number) if number < channel.progress.height else None
    if block is None:
        raise ChaincodeError(f"Failed to get block number {number}, error no such block number [{number}] in index")
    return block


async def _block_by_hash(channel: Channel, argument: bytes) -> bytes:
    block = await channel.reader.block_store(lambda store: store.block_by_header_hash(argument))
    if block is None:
        asked = text_of(argument)
        raise ChaincodeError(f"Failed to get block hash {asked}, error no such block hash [{argument.hex()}] in index")
    return block


def _unsigned(text: str) -> int:
    """Return the number that a text is, as Go's ``strconv.ParseUint`` reads it."""
    digits = text.lstrip("0") or text[:1]
    problem = "invalid syntax"
    if text.isascii() and text.isdigit():
        # The length first: Python refuses to read very many digits.
        if len(digits) <= _DIGITS_MAX and int(digits) <= _NEWEST:
            return int(digits)
        problem = "value out of range"
    raise ChaincodeError(
        f"Failed to parse block number with error strconv.ParseUint: parsing {_quoted(text)}: {problem}"
    )


def _quoted(text: str) -> str:
    """Return a text as Go's ``strconv.Quote`` writes it; bytes that are no UTF-8 stand in it as by ``text_of``."""
    return '"' + "".join(_QUOTED.get(character) or _shown(character) for character in text) + '"'


def _shown(character: str) -> str:
    code = ord(character)
    if code < ord(" ") or code == _DELETE:
        return f"\\x{code:02x}"
    if _NO_UTF8 <= code < _NO_UTF8 + 256:
        return f"\\x{code - _NO_UTF8:02x}"
    if character.isprintable():
        return character
    return f"\\u{code:04x}" if code <= _SHORT_MAX else f"\\U{code:08x}"


async def _transaction(channel: Channel, argument: bytes) -> bytes:
    record = await _record(channel, argument, "Failed to get transaction with id")
    envelope = parse_block(await channel.block(record.block_number) or b"").data.data[record.tx_number]
    processed = transaction_pb2.ProcessedTransaction(
        transactionEnvelope=read_message(common_pb2.Envelope, envelope), validationCode=record.validation_code
    )
    serialized: bytes = processed.SerializeToString()
    return serialized


async def _block_by_tx_id(channel: Channel, argument: bytes) -> bytes:
    record = await _record(channel, argument, "Failed to get block for txID")
    return await channel.block(record.block_number) or b""


async def _record(channel: Channel, argument: bytes, text: str) -> TransactionRecord:
    tx_id = text_of(argument)
    record = await channel.transaction(tx_id) if is_text(tx_id) else None
    if record is None:
        raise ChaincodeError(f"{text} {tx_id}, error no such transaction ID [{tx_id}] in index")
    try:
        channel.require_details(record)
    except MissingBlockError as error:
        raise ChaincodeError(f"{text} {tx_id}, error {error}") from error
    return record


async def _config_block(channel: Channel, _: bytes) -> bytes:
    height = channel.progress.height
    try:
        return await channel.reader.block_store(lambda store: store.config_block(height - 1))
    except StoreError as error:
        raise ChaincodeError(f"Failed to get the configuration block: {error}") from error


async def _channel_config(channel: Channel, _: bytes) -> bytes:
    envelope = configtx_pb2.ConfigEnvelope.FromString(channel.config.envelope)
    config: bytes = envelope.config.SerializeToString()
    return config
