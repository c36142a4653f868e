"""``protos.Deliver``: committed blocks for whoever the channel lets read, whole, filtered, or with private data.

Rules:
- a request is a signed envelope with a timestamp near this peer's clock; under mutual TLS it names the client's TLS
  certificate, so that a recorded request is of no use to another;
- the channel's policy is asked at the start and again after every change of configuration; a client whose certificate
  expires loses the stream;
- filtered blocks carry no event payload and nothing of what transactions read or wrote.

Source: Fabric common/deliver/{deliver,acl,binding}.go, core/peer/deliverevents.go.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2
from google.protobuf.message import DecodeError

from network import rpc
from network.block import is_config_block, parse_block
from network.errors import IdentityError, PolicyError, WireError
from network.policy import SignedData
from node.peer.channel import Channel
from node.peer.errors import ChannelStoppedError, PeerError
from node.peer.filtered_block import filtered_block

_log = structlog.get_logger(__name__)

SERVICE_NAME = "protos.Deliver"

TIME_WINDOW = timedelta(minutes=15)
"""How far a request's timestamp may be from now, either way (core.yaml, peer.authentication.timewindow)."""

NEVER = 2**64
"""Number of no block: a stream without an end."""

Convert = Callable[[bytes], bytes]
"""From a committed block to a serialized ``DeliverResponse``."""


class SeekRefusedError(PeerError):
    """A request is refused, or its stream ends.

    Args:
        status: ``common.Status`` the client is told.
        message: reason, for the log.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Seek:
    """A request whose form and time are in order."""

    signed: SignedData
    info: Any
    """``orderer.SeekInfo``."""


class DeliverService:
    """The service of one channel.

    Args:
        channel: channel.
        now: UTC clock.
    """

    def __init__(self, channel: Channel, now: Callable[[], datetime]) -> None:
        self._channel = channel
        self._now = now

    def register(self, server: rpc.Server) -> None:
        """Serve on ``server``."""
        server.bidi(f"/{SERVICE_NAME}/Deliver", self._deliver)
        server.bidi(f"/{SERVICE_NAME}/DeliverFiltered", self._deliver_filtered)

    def _deliver(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        return self._serve(requests, call, "event/Block", _whole)

    def _deliver_filtered(self, requests: AsyncIterator[bytes], call: rpc.Call) -> AsyncIterator[bytes]:
        return self._serve(requests, call, "event/FilteredBlock", _filtered)

    async def _serve(
        self, requests: AsyncIterator[bytes], call: rpc.Call, resource: str, convert: Convert
    ) -> AsyncIterator[bytes]:
        """Answer each request with its blocks and a status; a status other than SUCCESS ends the stream."""
        async for envelope in requests:
            status = common_pb2.SUCCESS
            try:
                seek = self._parse(envelope, call)
                async with aclosing(self._blocks(seek, resource)) as blocks:
                    async for block in blocks:
                        yield convert(block)
            except SeekRefusedError as refusal:
                _log.warning("deliver refused", peer=call.peer, status=refusal.status, reason=str(refusal))
                status = refusal.status
            except ChannelStoppedError:
                status = common_pb2.SERVICE_UNAVAILABLE
            yield events_pb2.DeliverResponse(status=status).SerializeToString()
            if status != common_pb2.SUCCESS:
                return

    def _parse(self, envelope: bytes, call: rpc.Call) -> _Seek:
        try:
            outer = common_pb2.Envelope.FromString(envelope)
            payload = common_pb2.Payload.FromString(outer.payload)
            channel = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
            signer = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
        except DecodeError as error:
            raise _bad_request("the request is no signed envelope with its headers") from error
        self._check_time(channel)
        _check_binding(channel.tls_cert_hash, call)
        if channel.channel_id != self._channel.channel_id:
            raise SeekRefusedError(common_pb2.NOT_FOUND, f"channel {channel.channel_id!r} is not here")
        try:
            info = ab_pb2.SeekInfo.FromString(payload.data)
        except DecodeError as error:
            raise _bad_request("malformed seekInfo payload") from error
        return _Seek(SignedData(outer.payload, signer.creator, outer.signature), info)

    def _check_time(self, channel: Any) -> None:
        if not channel.HasField("timestamp"):
            raise _bad_request("channel header in envelope must contain timestamp")
        try:
            claimed = channel.timestamp.ToDatetime(UTC)
        except (ValueError, OverflowError) as error:
            raise _bad_request("the channel header's timestamp is no time") from error
        if abs(self._now() - claimed) > TIME_WINDOW:
            raise _bad_request(f"envelope timestamp {claimed.isoformat()} is more than {TIME_WINDOW} from now")

    async def _blocks(self, seek: _Seek, resource: str) -> AsyncGenerator[bytes, None]:
        session = _Session(self._channel, seek.signed, resource, self._now)
        session.check()
        info = seek.info
        if not info.HasField("start") or not info.HasField("stop"):
            raise _bad_request("seekInfo has no start or no stop")
        height = self._channel.progress.height
        number = _start(info.start, height)
        stop = _stop(info, number, height)
        async with aclosing(self._channel.follow(number)) as blocks:
            while True:
                if info.behavior == ab_pb2.SeekInfo.FAIL_IF_NOT_READY and number >= self._channel.progress.height:
                    raise SeekRefusedError(common_pb2.NOT_FOUND, f"block {number} is not committed yet")
                content = await anext(blocks)
                session.check()
                yield _header_only(content) if info.content_type == ab_pb2.SeekInfo.HEADER_WITH_SIG else content
                if number == stop:
                    return
                number += 1


class _Session:
    """Whether the client may still read.

    Source: Fabric common/deliver/acl.go.
    """

    def __init__(self, channel: Channel, signed: SignedData, resource: str, now: Callable[[], datetime]) -> None:
        self._channel = channel
        self._signed = signed
        self._resource = resource
        self._now = now
        self._sequence: int | None = None
        self._ends = datetime.max.replace(tzinfo=UTC)

    def check(self) -> None:
        """Return if it may.

        Raises:
            SeekRefusedError: FORBIDDEN.
        """
        config = self._channel.config
        try:
            if config.sequence != self._sequence:
                self._ends = config.msps.identity(self._signed.creator).certificate.not_valid_after_utc
                config.check_acl(self._resource, [self._signed])
                self._sequence = config.sequence
        except (IdentityError, WireError, PolicyError) as error:
            raise SeekRefusedError(common_pb2.FORBIDDEN, f"{error}: permission denied") from error
        if self._now() > self._ends:
            raise SeekRefusedError(common_pb2.FORBIDDEN, "deliver client identity expired")


def _whole(block: bytes) -> bytes:
    # The field is put together by hand so that the block leaves as the bytes that are stored.
    return b"\x12" + _varint(len(block)) + block


def _filtered(block: bytes) -> bytes:
    response: bytes = events_pb2.DeliverResponse(filtered_block=filtered_block(block)).SerializeToString()
    return response


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
    raise SeekRefusedError(common_pb2.NOT_FOUND, f"no block to start from; the channel has {height} blocks")


def _stop(info: Any, start: int, height: int) -> int:
    kind = info.stop.WhichOneof("Type")
    if kind == "oldest":
        return start
    if kind == "newest":
        # From newest to newest is one block, even if the channel grows meanwhile.
        return start if info.start == info.stop else height - 1
    if kind != "specified":
        return NEVER
    if info.stop.specified.number < start:
        raise _bad_request(f"start number {start} greater than stop number {info.stop.specified.number}")
    return int(info.stop.specified.number)


def _check_binding(claimed: bytes, call: rpc.Call) -> None:
    if call.peer_certificate is None:
        return
    if not claimed:
        raise _bad_request("client didn't include its TLS cert hash")
    actual = rpc.certificate_hash(call.peer_certificate)
    if claimed != actual:
        raise _bad_request(f"claimed TLS cert hash is {claimed.hex()} but actual TLS cert hash is {actual.hex()}")


def _header_only(content: bytes) -> bytes:
    block = parse_block(content)
    if is_config_block(block):
        return content
    block.ClearField("data")
    header: bytes = block.SerializeToString()
    return header


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _bad_request(message: str) -> SeekRefusedError:
    return SeekRefusedError(common_pb2.BAD_REQUEST, message)
