"""The chaincode's side of the chaincode stream, as states and messages; no I/O, no tasks, no clock.

    created ──REGISTER sent, REGISTERED received──▶ established ──READY received──▶ ready

- In ``created`` and ``established`` anything but the expected message (and KEEPALIVE) breaks the protocol.
- In ``ready`` the peer starts transactions (TRANSACTION, INIT), many at a time, told apart by channel and tx id, and
  answers requests (RESPONSE, ERROR).
- A transaction has one request outstanding at most: a peer drops a second one without an answer.
- KEEPALIVE is answered in kind, in any state.
- A reply that nobody waits for (its transaction gave up) is dropped.

Source: Fabric core/chaincode/handler.go; fabric-chaincode-go shim/handler.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, proposal_response_pb2
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage as Message
from google.protobuf.message import DecodeError

from chaincode.errors import StreamError

TxKey = tuple[str, str]
"""Channel and transaction id."""

TRANSACTIONS_MAX = 4096
"""Transactions in flight on one stream; a further one is answered with ERROR."""


class State(Enum):
    """Where the stream stands."""

    CREATED = "created"
    ESTABLISHED = "established"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Features:
    """What the peer offered in READY; a limit of 0 means the feature is off.

    Args:
        write_batch_max: writes in one WRITE_BATCH_STATE.
        get_multiple_max: keys in one GET_STATE_MULTIPLE.
    """

    write_batch_max: int = 0
    get_multiple_max: int = 0


@dataclass(frozen=True, slots=True)
class Invocation:
    """A transaction the peer asks to run."""

    key: TxKey
    args: tuple[bytes, ...]
    decorations: Mapping[str, bytes]
    is_init: bool
    signed_proposal: bytes


@dataclass(frozen=True, slots=True)
class Start:
    """Run this transaction."""

    invocation: Invocation


@dataclass(frozen=True, slots=True)
class Resolve:
    """Give this reply to the transaction's outstanding request."""

    key: TxKey
    message: Message


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message to the peer."""

    message: Message


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nothing to do."""

    reason: str


Action = Start | Resolve | Send | Ignore


def type_name(message_type: int) -> str:
    """Return a message type's name as Fabric spells it, or its number."""
    name: str | None = Message.Type.DESCRIPTOR.values_by_number.get(message_type)
    return str(message_type) if name is None else str(name.name)  # type: ignore[attr-defined]


class StreamHandler:
    """One stream's state.

    Args:
        package_id: ``label:hash`` under which the peers know the chaincode.
    """

    def __init__(self, package_id: str) -> None:
        self._package_id = package_id
        self._active: dict[TxKey, bool] = {}
        self.state = State.CREATED
        self.features = Features()

    def register(self) -> Message:
        """Return the message that opens the stream: the chaincode always speaks first."""
        payload = chaincode_pb2.ChaincodeID(name=self._package_id).SerializeToString()
        return Message(type=Message.REGISTER, payload=payload)

    def receive(self, message: Message) -> Action:
        """Take one message of the peer in.

        Returns:
            What to do about it.
        Raises:
            StreamError: when the message has no place in this state; the stream must end.
        """
        if message.type == Message.KEEPALIVE:
            return Send(Message(type=Message.KEEPALIVE))
        if self.state is State.CREATED:
            self._expect(message, Message.REGISTERED)
            self.state = State.ESTABLISHED
            return Ignore("registered")
        if self.state is State.ESTABLISHED:
            self._expect(message, Message.READY)
            self.features = _parse_features(message.payload)
            self.state = State.READY
            return Ignore("ready")
        if message.type in (Message.TRANSACTION, Message.INIT):
            return self._start(message)
        if message.type in (Message.RESPONSE, Message.ERROR):
            return self._resolve(message)
        raise StreamError(f"the peer sent {type_name(message.type)}, which has no place in a ready stream")

    def request(self, key: TxKey, message_type: int, payload: bytes) -> Message:
        """Return a request of a running transaction, now its one outstanding one.

        Raises:
            StreamError: when the transaction is over or waits for a reply already.
        """
        if key not in self._active:
            raise StreamError(f"transaction {key[1]} is over; it can ask for nothing more")
        if self._active[key]:
            raise StreamError(f"transaction {key[1]} has a request outstanding already")
        self._active[key] = True
        return Message(type=message_type, payload=payload, channel_id=key[0], txid=key[1])

    def complete(
        self,
        key: TxKey,
        response: proposal_response_pb2.Response,
        event: chaincode_event_pb2.ChaincodeEvent | None,
    ) -> Message:
        """End a transaction with its response, the event attached."""
        del self._active[key]
        payload = response.SerializeToString()
        return Message(type=Message.COMPLETED, payload=payload, channel_id=key[0], txid=key[1], chaincode_event=event)

    def fail(self, key: TxKey, text: str) -> Message:
        """End a transaction with an error."""
        self._active.pop(key, None)
        return _error(key, text)

    def _expect(self, message: Message, expected: int) -> None:
        if message.type != expected:
            raise StreamError(
                f"the peer sent {type_name(message.type)} in state {self.state.value}; "
                f"{type_name(expected)} must come first"
            )

    def _start(self, message: Message) -> Action:
        key = (message.channel_id, message.txid)
        if key in self._active:
            return Ignore("a transaction of this id runs already")
        if len(self._active) >= TRANSACTIONS_MAX:
            return Send(_error(key, f"chaincode runs {TRANSACTIONS_MAX} transactions already; try again"))
        try:
            chaincode_input = chaincode_pb2.ChaincodeInput.FromString(message.payload)
        except DecodeError:
            return Send(_error(key, "the transaction's payload is not a ChaincodeInput"))
        self._active[key] = False
        proposal = message.proposal.SerializeToString() if message.HasField("proposal") else b""
        return Start(
            Invocation(
                key=key,
                args=tuple(chaincode_input.args),
                decorations=dict(chaincode_input.decorations),
                is_init=message.type == Message.INIT,
                signed_proposal=proposal,
            )
        )

    def _resolve(self, message: Message) -> Action:
        key = (message.channel_id, message.txid)
        if not self._active.get(key):
            return Ignore("nobody waits for this reply")
        self._active[key] = False
        return Resolve(key, message)


def _error(key: TxKey, text: str) -> Message:
    return Message(type=Message.ERROR, payload=text.encode(), channel_id=key[0], txid=key[1])


def _parse_features(payload: bytes) -> Features:
    try:
        offered = chaincode_pb2.ChaincodeAdditionalParams.FromString(payload)
    except DecodeError:
        raise StreamError("the payload of READY is not a ChaincodeAdditionalParams") from None
    return Features(
        write_batch_max=offered.max_size_write_batch if offered.use_write_batch else 0,
        get_multiple_max=offered.max_size_get_multiple_keys if offered.use_get_multiple_keys else 0,
    )
