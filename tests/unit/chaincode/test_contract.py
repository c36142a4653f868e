"""Aim: routing, conversion and the promise that an invocation never raises. Method: one small contract, in process."""

from __future__ import annotations

import json

import pytest

from chaincode import in_process
from chaincode.contract import ARGUMENT_BYTES_MAX, METADATA_FUNCTION, Contract, reads_only
from chaincode.encoding import to_json
from chaincode.errors import ChaincodeError, ConflictError, StateError
from chaincode.shim.stub import ChaincodeResponse, ChaincodeStub
from tests.support.contract_state import CommittedState, serialized_identity, signed_proposal

PROPOSAL = signed_proposal(serialized_identity("BankMSP"))


class Purse(Contract):
    name = "purse"

    async def take_all(
        self,
        stub: ChaincodeStub,
        raw: bytes,
        text: str,
        number: int,
        flag: bool,
        fields: dict[str, object],
        items: list[int],
    ) -> dict[str, object]:
        return {"raw": len(raw), "text": text, "number": number, "flag": flag, "fields": fields, "items": items}

    async def put(self, stub: ChaincodeStub, key: str, value: bytes) -> None:
        await stub.put_state(key, value)
        stub.set_event("Put", value)

    @reads_only
    async def get(self, stub: ChaincodeStub, key: str) -> bytes:
        return await stub.get_state(key)

    @reads_only
    async def sly_write(self, stub: ChaincodeStub) -> None:
        await stub.put_state("k", b"v")

    async def echo(self, stub: ChaincodeStub, text: str) -> str:
        return text

    async def refuse(self, stub: ChaincodeStub) -> None:
        raise ConflictError("the purse is closed", "purse_closed")

    async def crash(self, stub: ChaincodeStub) -> None:
        raise RuntimeError("secret in the text")

    async def give_float(self, stub: ChaincodeStub) -> list[float]:
        return [0.5]

    async def _hidden(self, stub: ChaincodeStub) -> None:
        raise AssertionError


async def call(*args: bytes, state: CommittedState | None = None) -> tuple[ChaincodeResponse, in_process.Event | None]:
    return await in_process.execute(
        Purse(), channel_id="c", tx_id="t", args=args, signed_proposal=PROPOSAL, state=state or CommittedState()
    )


async def test_arguments_when_well_formed_then_each_type_is_converted() -> None:
    response, event = await call(b"TakeAll", b"\xff\x00", "ü".encode(), b"-7", b"true", b'{"a":{"b":[1]}}', b"[1,2]")
    assert response.status == 200
    assert json.loads(response.payload) == {
        "raw": 2,
        "text": "ü",
        "number": -7,
        "flag": True,
        "fields": {"a": {"b": [1]}},
        "items": [1, 2],
    }
    assert event is None


GOOD = [b"", b"t", b"1", b"true", b"{}", b"[]"]


@pytest.mark.parametrize(
    ("position", "value", "expected"),
    [
        (1, b"\xff", "text is not valid UTF-8"),
        (2, b"1.5", "number is '1.5', not an integer"),
        (2, b"01", "not an integer"),
        (2, b"-0", "not an integer"),
        (2, b" 1", "not an integer"),
        (2, "١".encode(), "not an integer"),
        (2, b"9007199254740992", "not an integer"),
        (2, b"9" * 5000, "not an integer"),
        (3, b"True", "flag is neither"),
        (4, b"[]", "fields is not a JSON object"),
        (4, b'{"a":1,"a":2}', "names a key twice"),
        (4, b'{"a":1.0}', "not an integer"),
        (4, b'{"a":NaN}', "not an integer"),
        (4, b'{"a":1e3}', "not an integer"),
        (4, b'{"a":9007199254740992}', "send it as text"),
        (4, b'{"a":"\\ud800"}', "surrogate"),
        (4, b"{", "fields is not JSON"),
        (5, b"[" * 50000, "nests deeper"),
        (5, b"[" * 20 + b"]" * 20, "nests deeper"),
        (5, b"[" * 17 + b'"' + b'\\"' * 500_000, "is not JSON"),
        (5, b"{}", "items is not a JSON list"),
        (0, b"x" * (ARGUMENT_BYTES_MAX + 1), "at most"),
    ],
)
async def test_arguments_when_malformed_then_status_400_names_them(position: int, value: bytes, expected: str) -> None:
    args = list(GOOD)
    args[position] = value
    response, _ = await call(b"TakeAll", *args)
    assert response.status == 400
    assert response.message.startswith("bad_argument: ")
    assert expected in response.message


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], "unknown_function: no function"),
        ([b"Nothing"], "unknown_function: contract 'purse' has no function 'Nothing'; it has Crash, Echo"),
        ([b"_hidden"], "unknown_function"),
        ([b"Hidden"], "unknown_function"),
        ([b"invoke"], "unknown_function"),
        ([b"Invoke"], "unknown_function"),
        ([b"Initialize"], "unknown_function"),
        ([b"Metadata"], "unknown_function"),
        ([b"put"], "unknown_function"),
        ([b"\xff"], "bad_argument"),
        ([b"Put", b"k"], "wrong_argument_count: Put takes 2 arguments (key, value), 1 were given"),
        ([b"Put", b"k", b"v", b"w"], "wrong_argument_count"),
    ],
)
async def test_function_when_unknown_or_wrongly_called_then_status_400(args: list[bytes], expected: str) -> None:
    response, _ = await call(*args)
    assert response.status == 400
    assert response.message.startswith(expected)


async def test_function_when_prefixed_with_contract_name_then_found() -> None:
    response, _ = await call(b"purse:Echo", b"hi")
    assert (response.status, response.payload) == (200, b"hi")


async def test_event_when_set_then_returned_beside_response() -> None:
    state = CommittedState()
    response, event = await call(b"Put", b"k", b"v", state=state)
    assert (response, event) == (ChaincodeResponse(200, "", b""), ("Put", b"v"))
    assert state.pending == [("put", "", "k", b"v")]


async def test_contract_error_when_raised_then_code_and_status_are_stable() -> None:
    response, _ = await call(b"Refuse")
    assert (response.status, response.message) == (409, "purse_closed: the purse is closed")


async def test_unexpected_exception_when_raised_then_500_without_details() -> None:
    response, _ = await call(b"Crash")
    assert response.status == 500
    assert response.message.startswith("internal_error")
    assert "secret" not in response.message


async def test_float_when_returned_then_refused() -> None:
    response, _ = await call(b"GiveFloat")
    assert response.status == 400
    assert "float" in response.message


async def test_state_failure_when_peer_refuses_then_500_carries_its_words() -> None:
    response, _ = await call(b"Get", b"k", state=CommittedState(fail_with=StateError("no such collection")))
    assert (response.status, response.message) == (500, "state_error: no such collection")


async def test_foreign_exception_when_state_raises_then_still_a_response() -> None:
    response, _ = await call(b"Get", b"k", state=CommittedState(fail_with=ZeroDivisionError()))
    assert response.status == 500


async def test_reads_only_when_function_writes_then_refused() -> None:
    state = CommittedState()
    response, _ = await call(b"SlyWrite", state=state)
    assert response.status == 500
    assert "SlyWrite reads only" in response.message
    assert state.pending == []


async def test_metadata_when_asked_then_lists_functions_with_types() -> None:
    response, _ = await call(METADATA_FUNCTION.encode())
    contract = json.loads(response.payload)["contracts"]["purse"]
    by_name = {transaction["name"]: transaction for transaction in contract["transactions"]}
    assert sorted(by_name) == ["Crash", "Echo", "Get", "GiveFloat", "Put", "Refuse", "SlyWrite", "TakeAll"]
    assert by_name["Get"]["tag"] == ["evaluate"]
    assert by_name["Put"]["parameters"] == [
        {"name": "key", "schema": {"type": "string"}},
        {"name": "value", "schema": {"type": "string", "format": "byte"}},
    ]


async def test_init_when_peer_sends_it_then_succeeds_without_writes() -> None:
    response, _ = await in_process.execute(
        Purse(), channel_id="c", tx_id="t", args=[], signed_proposal=b"", state=CommittedState(), is_init=True
    )
    assert response.status == 200


async def test_execute_when_proposal_is_malformed_then_500() -> None:
    response, event = await in_process.execute(
        Purse(), channel_id="c", tx_id="t", args=[b"Echo", b"x"], signed_proposal=b"\xff", state=CommittedState()
    )
    assert (response.status, event) == (500, None)


def test_contract_when_parameter_is_not_annotated_or_unknown_then_refused_at_once() -> None:
    class Untyped(Contract):
        async def do(self, stub: ChaincodeStub, a) -> None: ...  # type: ignore[no-untyped-def]

    class Floating(Contract):
        async def do(self, stub: ChaincodeStub, a: float) -> None: ...

    for contract in (Untyped, Floating):
        with pytest.raises(TypeError, match="annotat"):
            contract()


@pytest.mark.parametrize(
    "path", ["", "json", "json:nothing", "json:JSONDecoder", "no.such:Thing", "chaincode.contract:OK"]
)
def test_load_when_path_names_no_contract_then_raises(path: str) -> None:
    with pytest.raises(ChaincodeError, match="contract"):
        in_process.load(path)


@pytest.mark.parametrize("value", [0.1, b"x", {1: 2}, 2**53, -(2**53), {"a": object()}, "\ud800", {"\ud800": 1}])
def test_to_json_when_value_has_no_exact_form_then_raises(value: object) -> None:
    with pytest.raises(ChaincodeError):
        to_json(value)


def test_to_json_when_value_is_exact_then_one_form() -> None:
    assert to_json({"b": [1, None, True], "a": "ü"}) == '{"a":"ü","b":[1,null,true]}'.encode()
    assert to_json(2**53 - 1) == b"9007199254740991"
