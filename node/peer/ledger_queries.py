"""The system chaincodes ``qscc`` and ``cscc``, as far as they read: blocks, transactions, configuration, channels.

Nothing is simulated and nothing recorded: their answers are endorsed without a read/write set, as in Fabric. Channels
are joined by configuration here, so ``JoinChain`` and the like do not exist.

Source: Fabric core/scc/qscc/query.go, core/scc/cscc/configure.go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fabric_protos.common import common_pb2, configtx_pb2, ledger_pb2
from fabric_protos.peer import query_pb2, transaction_pb2

from network.block import parse_block
from network.errors import PolicyError
from network.identity import Identity
from node.peer.block_store import TransactionRecord
from node.peer.channel import Channel
from node.peer.errors import ChaincodeError
from node.peer.lifecycle import SystemResponse

QSCC = "qscc"
CSCC = "cscc"

FAILED = 500
_BLOCK_NUMBER_MAX = 2**63 - 1


class LedgerQueries:
    """The queries of one channel.

    Args:
        channel: channel.
        msp_id: this peer's organization, whose members may ask for its channels.
    """

    def __init__(self, channel: Channel, msp_id: str) -> None:
        self._channel = channel
        self._msp_id = msp_id
        self._functions: dict[tuple[str, str], tuple[Callable[[bytes], Awaitable[bytes]], int]] = {
            (QSCC, "GetChainInfo"): (self._chain_info, 2),
            (QSCC, "GetBlockByNumber"): (self._block_by_number, 3),
            (QSCC, "GetBlockByHash"): (self._block_by_hash, 3),
            (QSCC, "GetTransactionByID"): (self._transaction, 3),
            (QSCC, "GetBlockByTxID"): (self._block_by_tx_id, 3),
            (CSCC, "GetConfigBlock"): (self._config_block, 2),
            (CSCC, "GetChannelConfig"): (self._channel_config, 2),
        }

    async def invoke(self, chaincode: str, args: Sequence[bytes], creator: Identity) -> SystemResponse:
        """Run one function; refusals are answers."""
        name = args[0].decode(errors="replace") if args else ""
        if (chaincode, name) == (CSCC, "GetChannels"):
            return self._channels(creator)
        known = self._functions.get((chaincode, name))
        if known is None:
            return SystemResponse(FAILED, f"Requested function {name} not found.")
        function, count = known
        if len(args) < 2:
            return SystemResponse(FAILED, f"Incorrect number of arguments, {len(args)}")
        if len(args) < count:
            return SystemResponse(FAILED, f"missing 3rd argument for {name}")
        channel_id = args[1].decode(errors="replace")
        if channel_id != self._channel.channel_id:
            return SystemResponse(FAILED, f"Invalid chain ID, {channel_id}")
        config = self._channel.config
        try:
            config.policy(config.acl_path(f"{chaincode}/{name}")).evaluate_identities([creator])
        except PolicyError as error:
            return SystemResponse(FAILED, f"access denied for [{name}][{channel_id}]: [{error}]")
        try:
            return SystemResponse(200, payload=await function(args[-1]))
        except ChaincodeError as error:
            return SystemResponse(FAILED, str(error))

    def _channels(self, creator: Identity) -> SystemResponse:
        if creator.msp_id != self._msp_id:
            return SystemResponse(FAILED, f"access denied for [GetChannels]: only members of {self._msp_id} may ask")
        response = query_pb2.ChannelQueryResponse()
        response.channels.add(channel_id=self._channel.channel_id)
        return SystemResponse(200, payload=response.SerializeToString())

    async def _chain_info(self, _: bytes) -> bytes:
        progress = self._channel.progress
        newest = parse_block(await self._channel.block(progress.height - 1) or b"")
        info = ledger_pb2.BlockchainInfo(
            height=newest.header.number + 1,
            currentBlockHash=progress.header_hash,
            previousBlockHash=newest.header.previous_hash,
        )
        serialized: bytes = info.SerializeToString()
        return serialized

    async def _block_by_number(self, argument: bytes) -> bytes:
        text = argument.decode(errors="replace")
        if not (text.isascii() and text.isdigit()):
            raise ChaincodeError(f"Failed to parse block number with error {text!r} is no number")
        number = int(text)
        # The largest number a client can give stands for the newest block.
        number = self._channel.progress.height - 1 if number == 2**64 - 1 else number
        block = await self._channel.block(number) if number <= _BLOCK_NUMBER_MAX else None
        if block is None:
            raise ChaincodeError(f"Failed to get block number {number}, error no such block number [{number}] in index")
        return block

    async def _block_by_hash(self, argument: bytes) -> bytes:
        block = await self._channel.reader.block_store(lambda store: store.block_by_header_hash(argument))
        if block is None:
            raise ChaincodeError(f"Failed to get block hash {argument.hex()}, error no such block hash in index")
        return block

    async def _transaction(self, argument: bytes) -> bytes:
        record = await self._record(argument, "Failed to get transaction with id")
        envelope = parse_block(await self._channel.block(record.block_number) or b"").data.data[record.tx_number]
        processed = transaction_pb2.ProcessedTransaction(
            transactionEnvelope=common_pb2.Envelope.FromString(envelope), validationCode=record.validation_code
        )
        serialized: bytes = processed.SerializeToString()
        return serialized

    async def _block_by_tx_id(self, argument: bytes) -> bytes:
        record = await self._record(argument, "Failed to get block for txID")
        return await self._channel.block(record.block_number) or b""

    async def _record(self, argument: bytes, text: str) -> TransactionRecord:
        tx_id = argument.decode(errors="replace")
        record = await self._channel.transaction(tx_id)
        if record is None:
            raise ChaincodeError(f"{text} {tx_id}, error no such transaction ID [{tx_id}] in index")
        return record

    async def _config_block(self, _: bytes) -> bytes:
        height = self._channel.progress.height
        return await self._channel.reader.block_store(lambda store: store.config_block(height - 1))

    async def _channel_config(self, _: bytes) -> bytes:
        envelope = configtx_pb2.ConfigEnvelope.FromString(self._channel.config.envelope)
        config: bytes = envelope.config.SerializeToString()
        return config
