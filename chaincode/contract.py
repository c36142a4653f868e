"""The base of a contract: public async methods are its transactions.

    class Purse(Contract):
        name = "purse"

        async def put_in(self, stub: ChaincodeStub, owner: str, coins: int) -> dict[str, object]:
            ...                                     # clients call "PutIn" with two arguments

- A method's wire name is its name in PascalCase; ``purse:PutIn`` is accepted too.
- Arguments are converted by annotation: ``bytes`` as they are, ``str`` from UTF-8, ``int`` from decimal digits,
  ``bool`` from ``true``/``false``, ``dict`` and ``list`` from strict JSON. The number of arguments must fit exactly.
- Return values: ``None`` is empty, ``bytes`` and ``str`` as they are, everything else canonical JSON.
- :meth:`Contract.invoke` never raises. A :class:`ContractError` becomes its status with ``<code>: <message>``, any
  other exception becomes 500 without details: one that escaped would hang the peer until its time limit.

Contracts must be deterministic: :mod:`chaincode.determinism` checks their source.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import structlog

from chaincode.encoding import from_json, parse_integer, to_json
from chaincode.errors import ArgumentError, ContractError, StateError
from chaincode.shim.stub import ChaincodeResponse, ChaincodeStub

logger = structlog.get_logger(__name__)

OK = 200
ERROR = 500

METADATA_FUNCTION = "org.hyperledger.fabric:GetMetadata"
"""Function by which clients of every Fabric contract ask for its transactions."""

ARGUMENT_BYTES_MAX = 1024 * 1024
"""Largest single argument; contracts bound their own much lower."""

Converter = Callable[[bytes, str], object]


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ArgumentError(f"{what} is not valid UTF-8") from None


def _boolean(data: bytes, what: str) -> bool:
    if data not in (b"true", b"false"):
        raise ArgumentError(f"{what} is neither 'true' nor 'false'")
    return data == b"true"


def _json_of(kind: type) -> Converter:
    def convert(data: bytes, what: str) -> object:
        value = from_json(data, what)
        if not isinstance(value, kind):
            raise ArgumentError(f"{what} is not a JSON {'object' if kind is dict else 'list'}")
        return value

    return convert


_CONVERTERS: Mapping[type, Converter] = types.MappingProxyType(
    {
        bytes: lambda data, what: data,
        str: _text,
        int: lambda data, what: parse_integer(_text(data, what), what),
        bool: _boolean,
        dict: _json_of(dict),
        list: _json_of(list),
    }
)

_SCHEMAS: Mapping[type, Mapping[str, str]] = types.MappingProxyType(
    {
        bytes: {"type": "string", "format": "byte"},
        str: {"type": "string"},
        int: {"type": "integer", "format": "int64"},
        bool: {"type": "boolean"},
        dict: {"type": "object"},
        list: {"type": "array"},
    }
)

_READS = "__reads_only__"

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


def reads_only(method: F) -> F:
    """Mark a transaction that writes nothing: metadata tells clients to evaluate it, and its writes are refused."""
    setattr(method, _READS, True)
    return method


@dataclass(frozen=True, slots=True)
class Transaction:
    """One function of a contract, as clients see it."""

    name: str
    method: str
    parameters: tuple[tuple[str, type], ...]
    reads_only: bool


def _plain_type(annotation: object) -> type:
    """Return the runtime type of an annotation: ``dict[str, int]`` is ``dict``."""
    origin = typing.get_origin(annotation) or annotation
    if not isinstance(origin, type) or origin not in _CONVERTERS:
        raise TypeError(f"a transaction's parameter cannot be annotated {annotation!r}")
    return origin


def _transactions(contract: type[Contract]) -> dict[str, Transaction]:
    found = {}
    for attribute, method in inspect.getmembers(contract, inspect.iscoroutinefunction):
        if attribute.startswith("_") or hasattr(Contract, attribute):
            continue
        hints = typing.get_type_hints(method)
        names = list(inspect.signature(method).parameters)[2:]
        missing = [name for name in names if name not in hints]
        if missing:
            raise TypeError(f"{contract.__name__}.{attribute}: parameter {missing[0]!r} has no annotation")
        parameters = tuple((name, _plain_type(hints[name])) for name in names)
        wire = "".join(word.capitalize() for word in attribute.split("_"))
        found[wire] = Transaction(wire, attribute, parameters, getattr(method, _READS, False))
    return found


class Contract:
    """Base of every contract; a subclass names itself and adds async methods ``(self, stub, …)``."""

    name: ClassVar[str] = ""
    """Name under which the contract is deployed."""

    version: ClassVar[str] = "1.0"
    """Version of the rules, part of the metadata."""

    def __init__(self) -> None:
        self.transactions: Mapping[str, Transaction] = types.MappingProxyType(_transactions(type(self)))

    async def initialize(self, stub: ChaincodeStub) -> ChaincodeResponse:
        """Answer Fabric's INIT; contracts need none unless their definition asks for it."""
        return ChaincodeResponse(OK, "", b"")

    async def invoke(self, stub: ChaincodeStub) -> ChaincodeResponse:
        """Run the function that the arguments name; never raises.

        Returns:
            Status 200 with the function's value, or 400 and more with a message.
        """
        try:
            return ChaincodeResponse(OK, "", await self._route(stub))
        except ContractError as error:
            return ChaincodeResponse(error.status, str(error), b"")
        except StateError as error:
            return ChaincodeResponse(ERROR, f"state_error: {error}", b"")
        except Exception as error:  # noqa: BLE001 - whatever escaped here would leave the peer waiting
            _log_failure(self.name, stub, error)
            return ChaincodeResponse(ERROR, f"internal_error: contract {self.name!r} failed; see its log", b"")

    async def _route(self, stub: ChaincodeStub) -> bytes:
        args = stub.get_args()
        if not args:
            raise ArgumentError("no function is named: the first argument must be one", "unknown_function")
        wire = _text(args[0], "the function's name")
        if wire == METADATA_FUNCTION:
            return to_json(self.metadata())
        transaction = self.transactions.get(wire.removeprefix(self.name + ":"))
        if transaction is None:
            known = ", ".join(sorted(self.transactions))
            raise ArgumentError(
                f"contract {self.name!r} has no function {wire[:80]!r}; it has {known}", "unknown_function"
            )
        values = _convert(transaction, args[1:])
        if transaction.reads_only:
            stub.forbid_writes(transaction.name)
        result = await getattr(self, transaction.method)(stub, *values)
        return _encode_result(result)

    def metadata(self) -> dict[str, Any]:
        """Return Fabric's contract metadata: every function with its parameters."""
        transactions = [
            {
                "name": transaction.name,
                "tag": ["evaluate" if transaction.reads_only else "submit"],
                "parameters": [{"name": name, "schema": dict(_SCHEMAS[kind])} for name, kind in transaction.parameters],
            }
            for _, transaction in sorted(self.transactions.items())
        ]
        info = {"title": self.name, "version": self.version}
        contract = {
            "name": self.name,
            "contractInstance": {"name": self.name},
            "transactions": transactions,
            "info": info,
        }
        return {"contracts": {self.name: contract}, "info": info, "components": {"schemas": {}}}


def _convert(transaction: Transaction, args: list[bytes]) -> list[object]:
    expected = [name for name, _ in transaction.parameters]
    if len(args) != len(expected):
        raise ArgumentError(
            f"{transaction.name} takes {len(expected)} arguments ({', '.join(expected)}), {len(args)} were given",
            "wrong_argument_count",
        )
    values = []
    for data, (name, kind) in zip(args, transaction.parameters, strict=True):
        if len(data) > ARGUMENT_BYTES_MAX:
            raise ArgumentError(f"{name} has {len(data)} bytes; at most {ARGUMENT_BYTES_MAX} are accepted")
        values.append(_CONVERTERS[kind](data, name))
    return values


def _encode_result(result: object) -> bytes:
    if result is None:
        return b""
    if isinstance(result, bytes):
        return result
    if isinstance(result, str):
        return result.encode()
    return to_json(result)


def _log_failure(name: str, stub: ChaincodeStub, error: Exception) -> None:
    """Log kind and place of an unexpected exception; its text may quote arguments and stays out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    logger.error("contract_failed", contract=name, tx_id=stub.get_tx_id(), error=type(error).__name__, place=place)
