"""``orderer.AtomicBroadcast/Deliver``: hands out blocks, old and new, to whoever the channel lets read.

Rules
- A request is a signed envelope; its timestamp must be near the orderer's, and under mutual TLS it must name the
  client's TLS certificate, so that a recorded request is of no use to another.
- The channel's Readers policy is asked at the start and again when the configuration changes; a client whose
  certificate expires loses the stream at the next block.
- Blocks leave as the bytes that were stored.

Source: Fabric common/deliver/{deliver,acl,binding}.go, common/ledger/blockledger/fileledger/impl.go (Iterator).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from google.protobuf.message import DecodeError

from network import rpc
from network.block import is_config_block, parse_block
from network.errors import IdentityError, PolicyError, WireError
from network.policy import SignedData
from node.orderer.chain import Chain
from node.orderer.errors import BlockStoreError, EnvelopeRefusedError, OrderingUnavailableError

log = structlog.get_logger(__name__)

PATH = "/orderer.AtomicBroadcast/Deliver"
READERS = "/Channel/Readers"

TIME_WINDOW = timedelta(minutes=15)
"""How far a request's timestamp may be from now, either way (Fabric's default)."""

_NEVER = 2**64
_BLOCK_FIELD = b"\x12"
"""Tag of ``DeliverResponse.block``: field 2, length-delimited."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A seek request whose form and time are in order."""

    chain: Chain
    signed: SignedData
    seek: Any
    """``orderer.SeekInfo``."""


class DeliverService:
    """The service over the channels given.

    Args:
        chains: by channel id.
        now: current time, UTC.
    """

    def __init__(self, chains: Mapping[str, Chain], now: Callable[[], datetime]) -> None:
        self._chains = chains
        self._now = now

    def register(self, server: rpc.Server) -> None:
        """Serve on ``server``."""
        server.bidi(PATH, self.deliver)

    async def deliver(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        """Serve one stream: each request is answered with its blocks and a status; a status but SUCCESS ends it."""
        async for envelope in requests:
            status = common_pb2.SUCCESS
            try:
                request = self._parse(envelope, call)
                async with aclosing(self._blocks(request)) as blocks:
                    async for block in blocks:
                        yield block
            except EnvelopeRefusedError as refusal:
                log.warning("orderer.deliver_refused", peer=call.peer, status=refusal.status, reason=refusal.info)
                status = refusal.status
            yield ab_pb2.DeliverResponse(status=status).SerializeToString()
            if status != common_pb2.SUCCESS:
                return

    def _parse(self, envelope: bytes, call: rpc.Call) -> _Request:
        try:
            outer = common_pb2.Envelope.FromString(envelope)
            payload = common_pb2.Payload.FromString(outer.payload)
            channel = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
            signer = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
        except DecodeError as error:
            raise _bad_request("the request is not a signed envelope with its headers") from error
        self._check_time(channel)
        _check_binding(channel.tls_cert_hash, call)
        chain = self._chains.get(channel.channel_id)
        if chain is None:
            raise EnvelopeRefusedError(common_pb2.NOT_FOUND, f"channel {channel.channel_id!r} does not exist here")
        try:
            seek = ab_pb2.SeekInfo.FromString(payload.data)
        except DecodeError as error:
            raise _bad_request("malformed seekInfo payload") from error
        return _Request(chain, SignedData(outer.payload, signer.creator, outer.signature), seek)

    def _check_time(self, channel: Any) -> None:
        if not channel.HasField("timestamp"):
            raise _bad_request("channel header in envelope must contain timestamp")
        try:
            claimed = channel.timestamp.ToDatetime(UTC)
        except (ValueError, OverflowError) as error:
            raise _bad_request("the channel header's timestamp is not a time") from error
        if abs(self._now() - claimed) > TIME_WINDOW:
            raise _bad_request(
                f"envelope timestamp {claimed.isoformat()} is more than {TIME_WINDOW} apart from this server's time"
            )

    async def _blocks(self, request: _Request) -> AsyncGenerator[bytes, None]:
        session = _Session(request, self._now)
        session.check()
        chain, seek = request.chain, request.seek
        if not seek.HasField("start") or not seek.HasField("stop"):
            raise _bad_request("seekInfo has no start or no stop")
        number = _start(seek.start, chain.height)
        stop = _stop(seek, number, chain.height)
        while True:
            if seek.behavior == ab_pb2.SeekInfo.FAIL_IF_NOT_READY and number >= chain.height:
                raise EnvelopeRefusedError(common_pb2.NOT_FOUND, f"block {number} does not exist yet")
            await chain.wait_for(number)
            session.check()
            try:
                block = await chain.block(number)
            except BlockStoreError as error:
                log.error("orderer.block_unreadable", channel=chain.channel_id, number=number, reason=str(error))
                raise OrderingUnavailableError(f"block {number} cannot be read") from error
            if seek.content_type == ab_pb2.SeekInfo.HEADER_WITH_SIG:
                block = _without_data(block)
            yield b"".join((_BLOCK_FIELD, _varint(len(block)), block))
            if number == stop:
                return
            number += 1


class _Session:
    """Whether the client may still read."""

    def __init__(self, request: _Request, now: Callable[[], datetime]) -> None:
        self._request = request
        self._now = now
        self._sequence: int | None = None
        self._ends = datetime.max.replace(tzinfo=UTC)

    def check(self) -> None:
        """Return if it may.

        Raises:
            EnvelopeRefusedError: FORBIDDEN.
        """
        config, signed = self._request.chain.config, self._request.signed
        try:
            if config.sequence != self._sequence:
                self._ends = config.msps.identity(signed.creator).certificate.not_valid_after_utc
                config.policy(READERS).evaluate([signed])
                self._sequence = config.sequence
        except (IdentityError, WireError, PolicyError) as error:
            raise EnvelopeRefusedError(common_pb2.FORBIDDEN, f"{error}: permission denied") from error
        if self._now() > self._ends:
            raise EnvelopeRefusedError(common_pb2.FORBIDDEN, "deliver client identity expired")


def _start(position: Any, height: int) -> int:
    kind = position.WhichOneof("Type")
    if kind == "oldest":
        return 0
    if kind == "newest":
        return height - 1
    if kind == "next_commit":
        return height
    if kind == "specified" and position.specified.number <= height:
        return int(position.specified.number)
    raise EnvelopeRefusedError(common_pb2.NOT_FOUND, f"no block to start from; the chain has {height} blocks")


def _stop(seek: Any, start: int, height: int) -> int:
    kind = seek.stop.WhichOneof("Type")
    if kind == "oldest":
        return start
    if kind == "newest":
        # A request from newest to newest wants one block, even if the chain grows meanwhile.
        return start if seek.start == seek.stop else height - 1
    if kind != "specified":
        return _NEVER
    if seek.stop.specified.number < start:
        raise _bad_request(f"start number {start} greater than stop number {seek.stop.specified.number}")
    return int(seek.stop.specified.number)


def _check_binding(claimed: bytes, call: rpc.Call) -> None:
    if call.peer_certificate is None:
        return
    if not claimed:
        raise _bad_request("client didn't include its TLS cert hash")
    actual = rpc.certificate_hash(call.peer_certificate)
    if claimed != actual:
        raise _bad_request(f"claimed TLS cert hash is {claimed.hex()} but actual TLS cert hash is {actual.hex()}")


def _without_data(block: bytes) -> bytes:
    parsed = parse_block(block)
    if is_config_block(parsed):
        return block
    parsed.ClearField("data")
    header_only: bytes = parsed.SerializeToString()
    return header_only


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _bad_request(info: str) -> EnvelopeRefusedError:
    return EnvelopeRefusedError(common_pb2.BAD_REQUEST, info)
