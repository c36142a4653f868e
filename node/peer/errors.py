"""Errors of ``node.peer``, one tree.

PeerError
├── StoreError              the channel's tables cannot be read or written
│   └── ChannelLockedError  another process commits blocks of this channel to this database
├── StateError              a contract asked the world state for something Fabric's rules refuse
│   └── StaleReadError      what a simulation read has changed meanwhile: run it again
├── MissingBlockError       the channel began from a snapshot after the block asked for
├── MaintenanceError        a ledger cannot be made anew or exported
├── SnapshotError           a snapshot cannot be made, requested, read or begun from
├── ChaincodeError          a chaincode is not defined, not approved, not installed, failed or hung
│   └── ReturnedErrorError  it ended its invocation with an error of its own instead of an answer
└── ChannelStoppedError     a block was refused; nothing after it is committed until an operator acts
"""

from __future__ import annotations

from node.errors import NodeError


class PeerError(NodeError):
    """Base of the errors of a peer."""


class StoreError(PeerError):
    """The channel's tables cannot be read or written."""

    @property
    def may_pass(self) -> bool:
        """Whether the server lacks something that it may have later: disk, memory, connections (SQL's class 53)."""
        sqlstate = getattr(self.__cause__, "sqlstate", None)
        return isinstance(sqlstate, str) and sqlstate.startswith("53")


class ChannelLockedError(StoreError):
    """Another process commits blocks of this channel to this database."""


class StateError(PeerError):
    """A contract asked the world state for something that Fabric's rules refuse."""


class StaleReadError(StateError):
    """What a simulation read has changed meanwhile, so it no longer sees one committed height."""


class MissingBlockError(PeerError):
    """The channel began from a snapshot after the block that was asked for."""


class MaintenanceError(PeerError):
    """A ledger cannot be made anew from its blocks, or exported."""


class SnapshotError(PeerError):
    """A snapshot cannot be made, requested, read or begun from."""


class ChaincodeError(PeerError):
    """A chaincode is not defined, not approved, not installed, failed or hung."""


class ReturnedErrorError(ChaincodeError):
    """A chaincode ended its invocation with an error instead of an answer.

    Args:
        payload: what it said, as it said it.
    """

    def __init__(self, payload: bytes) -> None:
        super().__init__(f"transaction returned with failure: {payload.decode(errors='replace')}")
        self.payload = payload


class ChannelStoppedError(PeerError):
    """A block was refused; nothing after it is committed until an operator acts."""
