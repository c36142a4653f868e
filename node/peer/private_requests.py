"""Requests between peers about private data: signed, and bound to the connection they come over.

A request speaks for the peer that signed it. It names the TLS certificate of its connection, so a peer that received
one cannot show it to a third as its own. Policies of collections are then asked about that identity, as Fabric does.

Source: Fabric gossip/privdata (pull.go, coordinator.go), gossip/comm (binding to the TLS connection).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from network.errors import IdentityError, PolicyError, RpcError, SignatureError, WireError
from network.identity import Identity, SigningIdentity, check_creator_size
from network.pb.dwaybank.peer.v1 import private_data_pb2 as pb
from network.policy import SignaturePolicy, parse_signature_policy
from network.rpc import Call, StatusCode
from node.peer.channel import Channel

P = TypeVar("P", pb.PushedWriteSet, pb.WantedWriteSets)


def signed_request(payload: pb.PushedWriteSet | pb.WantedWriteSets, identity: SigningIdentity) -> pb.SignedRequest:
    """Return a request signed by this peer."""
    content = payload.SerializeToString()
    signature = identity.sign(_signing_input(type(payload), content))
    return pb.SignedRequest(payload=content, creator=identity.creator, signature=signature)


class RequestVerifier:
    """Decides who speaks in a request.

    Args:
        channels: the channels this peer is on, by id.
        now: UTC clock.
    """

    def __init__(self, channels: Mapping[str, Channel], now: Callable[[], datetime]) -> None:
        self._channels = channels
        self._now = now

    def verify(self, request: pb.SignedRequest, kind: type[P], call: Call) -> tuple[P, Channel, Identity]:
        """Return what is asked, about which channel, and by whom.

        Raises:
            RpcError: the request cannot be read, or nobody on the channel vouches for it.
        """
        try:
            payload = kind.FromString(request.payload)
        except DecodeError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, "payload: not the message this call takes") from error
        channel = self._channels.get(payload.channel_id)
        if channel is None:
            raise RpcError(StatusCode.NOT_FOUND, f"channel_id: this peer is not on channel {payload.channel_id!r}")
        if call.tls_certificate_hash is None or payload.tls_certificate_hash != call.tls_certificate_hash:
            raise RpcError(StatusCode.PERMISSION_DENIED, "tls_certificate_hash: not that of this connection")
        try:
            check_creator_size(request.creator, "creator")
        except WireError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        try:
            identity = channel.config.msps.identity(request.creator, self._now())
            identity.verify(_signing_input(kind, request.payload), request.signature)
            peers = parse_signature_policy(f"OR('{identity.msp_id}.peer')")
            SignaturePolicy(peers, channel.config.msps).evaluate_identities([identity])
        except PolicyError as error:
            raise RpcError(StatusCode.PERMISSION_DENIED, "creator: private data goes to peers only") from error
        except (IdentityError, WireError, SignatureError) as error:
            raise RpcError(StatusCode.UNAUTHENTICATED, f"creator: {error}") from error
        return payload, channel, identity


def _signing_input(kind: type[Any], payload: bytes) -> bytes:
    """Return what is signed: the message's full name keeps one message from being shown as another."""
    return str(kind.DESCRIPTOR.full_name).encode() + b"\x00" + payload
