"""Requests for blocks: the signed seek envelope that Fabric's Deliver services of peers and orderers take.

Rules:
- a request's timestamp must be near the server's clock, and under mutual TLS it must name the client's TLS certificate,
  so that a recorded request is of no use to another;
- whether the client may read is judged at the start and again after every change of configuration; a client whose
  certificate expires loses the stream at the next block;
- blocks leave as the bytes that were stored.

Source: Fabric common/deliver/{deliver,acl,binding}.go, common/ledger/blockledger/fileledger/impl.go (Iterator).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from google.protobuf.message import DecodeError

from network.block import is_config_block, parse_block
from network.channel_config import ChannelConfig
from network.errors import IdentityError, PolicyError, SeekRefusedError, WireError
from network.identity import check_creator_size
from network.messages import varint
from network.policy import SignedData

TIME_WINDOW = timedelta(minutes=15)
"""How far a request's timestamp may be from now, either way (core.yaml, peer.authentication.timewindow)."""

NEVER = 2**64
"""Number of no block: a stream without an end."""

_BLOCK_FIELD = b"\x12"
"""Tag of ``DeliverResponse.block`` at peers and orderers alike: field 2, length-delimited."""


@dataclass(frozen=True, slots=True)
class SeekRequest:
    """A request whose form, time and TLS binding are in order.

    Attributes:
        channel_id: channel asked for.
        signed: what the client signed, still to be judged.
        info: ``orderer.SeekInfo``.
    """

    channel_id: str
    signed: SignedData
    info: Any

    def span(self, height: int) -> tuple[int, int]:
        """Return the first and the last block asked for; the last may be ``NEVER``.

        Raises:
            SeekRefusedError: BAD_REQUEST, or NOT_FOUND for a start beyond the chain.
        """
        if not self.info.HasField("start") or not self.info.HasField("stop"):
            raise _bad_request("seekInfo has no start or no stop")
        start = _start(self.info.start, height)
        return start, _stop(self.info, start, height)

    def require_ready(self, number: int, height: int) -> None:
        """Let a request pass that may wait for block ``number``, or need not.

        Raises:
            SeekRefusedError: NOT_FOUND for a request that does not want to wait.
        """
        if self.info.behavior == ab_pb2.SeekInfo.FAIL_IF_NOT_READY and number >= height:
            raise SeekRefusedError(common_pb2.NOT_FOUND, f"block {number} does not exist yet")

    @property
    def headers_only(self) -> bool:
        """Whether it asks for blocks without their data."""
        return bool(self.info.content_type == ab_pb2.SeekInfo.HEADER_WITH_SIG)

    def content(self, block: bytes) -> bytes:
        """Return a stored block, or its header and metadata alone where the request asks for no more."""
        if not self.headers_only:
            return block
        parsed = parse_block(block)
        if is_config_block(parsed):
            return block
        parsed.ClearField("data")
        header_only: bytes = parsed.SerializeToString()
        return header_only


class ReadSession:
    """Whether a client may still read.

    Args:
        signed: the client's request.
        config: gives the configuration in force.
        authorize: judges the request under a configuration; raises ``PolicyError``.
        now: UTC clock.
    Source: Fabric common/deliver/acl.go.
    """

    def __init__(
        self,
        signed: SignedData,
        *,
        config: Callable[[], ChannelConfig],
        authorize: Callable[[ChannelConfig, SignedData], None],
        now: Callable[[], datetime],
    ) -> None:
        self._signed = signed
        self._config = config
        self._authorize = authorize
        self._now = now
        self._sequence: int | None = None
        self._ends = datetime.max.replace(tzinfo=UTC)

    def check(self) -> None:
        """Return if it may.

        Raises:
            SeekRefusedError: FORBIDDEN.
        """
        config = self._config()
        try:
            if config.sequence != self._sequence:
                self._ends = config.msps.identity(self._signed.creator).certificate.not_valid_after_utc
                self._authorize(config, self._signed)
                self._sequence = config.sequence
        except (IdentityError, WireError, PolicyError) as error:
            raise SeekRefusedError(common_pb2.FORBIDDEN, f"{error}: permission denied") from error
        if self._now() > self._ends:
            raise SeekRefusedError(common_pb2.FORBIDDEN, "deliver client identity expired")


def parse_seek(envelope: bytes, now: datetime, tls_certificate_hash: bytes | None) -> SeekRequest:
    """Return the request in a signed envelope.

    Args:
        envelope: as received.
        now: the server's time.
        tls_certificate_hash: SHA-256 of the client's TLS certificate; None without mutual TLS.
    Raises:
        SeekRefusedError: BAD_REQUEST.
    """
    try:
        outer = common_pb2.Envelope.FromString(envelope)
        payload = common_pb2.Payload.FromString(outer.payload)
        channel = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        signer = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
    except DecodeError as error:
        raise _bad_request("the request is not a signed envelope with its headers") from error
    try:
        check_creator_size(signer.creator, "creator")
    except WireError as error:
        raise _bad_request(str(error)) from error
    _check_time(channel, now)
    _check_binding(channel.tls_cert_hash, tls_certificate_hash)
    try:
        info = ab_pb2.SeekInfo.FromString(payload.data)
    except DecodeError as error:
        raise _bad_request("malformed seekInfo payload") from error
    return SeekRequest(channel.channel_id, SignedData(outer.payload, signer.creator, outer.signature), info)


def block_response(block: bytes) -> bytes:
    """Return a serialized ``DeliverResponse`` that carries a block's bytes as they are."""
    return b"".join((_BLOCK_FIELD, varint(len(block)), block))


def _check_time(channel: Any, now: datetime) -> None:
    if not channel.HasField("timestamp"):
        raise _bad_request("channel header in envelope must contain timestamp")
    try:
        claimed = channel.timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise _bad_request("the channel header's timestamp is not a time") from error
    if abs(now - claimed) > TIME_WINDOW:
        raise _bad_request(
            f"envelope timestamp {claimed.isoformat()} is more than {TIME_WINDOW} apart from this server's time"
        )


def _check_binding(claimed: bytes, actual: bytes | None) -> None:
    if actual is None:
        return
    if not claimed:
        raise _bad_request("client didn't include its TLS cert hash")
    if claimed != actual:
        raise _bad_request(f"claimed TLS cert hash is {claimed.hex()} but actual TLS cert hash is {actual.hex()}")


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
    raise SeekRefusedError(common_pb2.NOT_FOUND, f"no block to start from; the chain has {height} blocks")


def _stop(info: Any, start: int, height: int) -> int:
    kind = info.stop.WhichOneof("Type")
    if kind == "oldest":
        return start
    if kind == "newest":
        # A request from newest to newest wants one block, even if the chain grows meanwhile.
        return start if info.start == info.stop else height - 1
    if kind != "specified":
        # Fabric takes the number 0 then, which ends a request for the first block and no other.
        return NEVER if start else 0
    if info.stop.specified.number < start:
        raise _bad_request(f"start number {start} greater than stop number {info.stop.specified.number}")
    return int(info.stop.specified.number)


def _bad_request(message: str) -> SeekRefusedError:
    return SeekRefusedError(common_pb2.BAD_REQUEST, message)
