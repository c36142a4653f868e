"""Errors of the ordering service.

OrdererError
├── EnvelopeRefusedError     an envelope that is not ordered; carries Fabric's ``common.Status``
│   └── OrderingUnavailableError   not this envelope's fault: try again later (SERVICE_UNAVAILABLE)
├── BlockStoreError          the block file cannot be used; names file, place and way out
│   ├── BlockStoreCorruptError     bytes in the middle are not what was written
│   ├── BlockStoreLockedError      another process holds the file
│   └── BlockStoreWriteError       a block could not be made durable; nothing was kept of it
├── GenesisError             the genesis block is missing, unusable, or not the chain's own
├── JoinBlockError           a block by which a channel is to be joined is not one this orderer can begin with
├── UpdateEnvelopeError      an envelope by which a channel is to be configured anew is no configuration update
├── ChannelExistsError       the channel to be joined is ordered here already
├── ChannelMissingError      the channel named is not ordered here
├── ChannelConfiguredError   the channel to be removed stands in this orderer's settings
└── ChannelFolderError       the channel is ordered no more, but its folder is still in its place
"""

from __future__ import annotations

from pathlib import Path

from fabric_protos.common import common_pb2


class OrdererError(Exception):
    """Base of every error raised by ``node.orderer``."""


class EnvelopeRefusedError(OrdererError):
    """An envelope is not ordered.

    Args:
        status: Fabric's ``common.Status`` number for the broadcast reply.
        info: sentence for the reply's ``info``.
    """

    def __init__(self, status: int, info: str) -> None:
        super().__init__(info)
        self.status = status
        self.info = info


class OrderingUnavailableError(EnvelopeRefusedError):
    """The service cannot order now; the same envelope may be sent again later."""

    def __init__(self, info: str) -> None:
        super().__init__(common_pb2.SERVICE_UNAVAILABLE, info)


class BlockStoreError(OrdererError):
    """The block file cannot be used."""


class BlockStoreCorruptError(BlockStoreError):
    """The block file carries bytes that were not written so."""


class BlockStoreLockedError(BlockStoreError):
    """Another process holds the block file."""


class BlockStoreWriteError(BlockStoreError):
    """A block could not be made durable; the file ends where it ended before."""


class GenesisError(OrdererError):
    """The genesis block is missing, unusable, or not that of the chain on disk."""


class JoinBlockError(OrdererError):
    """A block by which a channel is to be joined is not one that this orderer can begin with."""


class UpdateEnvelopeError(OrdererError):
    """An envelope that an administrator has a channel configured anew with is no configuration update."""


class ChannelExistsError(OrdererError):
    """The channel to be joined is ordered here already."""

    def __init__(self) -> None:
        super().__init__("channel already exists")


class ChannelMissingError(OrdererError):
    """The channel named is not ordered here."""

    def __init__(self) -> None:
        super().__init__("channel does not exist")


class ChannelConfiguredError(OrdererError):
    """The channel to be removed stands in this orderer's settings, so that the next start would begin it anew."""

    def __init__(self, channel_id: str) -> None:
        super().__init__(
            f"channel {channel_id!r} stands in this orderer's settings and would begin anew at its next start; name "
            "another genesis_block there first"
        )


class ChannelFolderError(OrdererError):
    """A channel that was to be removed is ordered no more, but its folder could not be put away."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"the channel is ordered no more, but its folder {folder} could not be put away: {error.strerror}; remove "
            "that before this orderer's next start, which would take the channel up again"
        )
