"""Public state in memory: an answer is kept as long as it is true, and given with the height at which it is."""

from __future__ import annotations

import pytest

from network.rwset import StateKey
from node.peer import cached_states
from node.peer.cached_states import CachedStates
from node.peer.errors import StaleReadError
from node.peer.tx_simulator import TxSimulator
from tests.unit.node.test_tx_simulator import CommittedState, public


class Counting(CommittedState):
    """Committed state that counts how often it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[StateKey] = []

    async def state(self, key: StateKey):  # type: ignore[no-untyped-def]
        self.read.append(key)
        return await super().state(key)


@pytest.fixture
def committed() -> Counting:
    state = Counting()
    state.commit((public("a"), b"1"), (public("b"), b"2"))
    return state


@pytest.fixture
def states(committed: Counting) -> CachedStates:
    return CachedStates(committed, committed.progress)


def commit(committed: Counting, states: CachedStates, *writes: tuple[StateKey, bytes | None]) -> None:
    states.forget([key for key, _ in writes])
    committed.commit(*writes)


async def test_a_key_is_read_once_until_a_block_changes_it(committed: Counting, states: CachedStates) -> None:
    for _ in range(3):
        value, height = await states.state(public("a"))
        assert value is not None
        assert (value.value, height) == (b"1", 2)
    assert committed.read == [public("a")]
    commit(committed, states, (public("a"), b"3"))
    assert states.known(public("a")) is None
    value, height = await states.state(public("a"))
    assert value is not None
    assert (value.value, height) == (b"3", 3)


async def test_what_is_kept_holds_at_every_height_until_it_changes(committed: Counting, states: CachedStates) -> None:
    await states.state(public("a"))
    commit(committed, states, (public("b"), b"3"))
    known = states.known(public("a"))
    assert known is not None
    assert known[1] == 3


async def test_that_a_key_is_absent_is_kept_too(committed: Counting, states: CachedStates) -> None:
    assert await states.state(public("none")) == (None, 2)
    assert states.known(public("none")) == (None, 2)
    commit(committed, states, (public("none"), b"now"))
    assert states.known(public("none")) is None


async def test_hashes_of_private_values_are_always_read(committed: Counting, states: CachedStates) -> None:
    key = StateKey("cc", "secret", b"hash")
    await states.state(key)
    await states.state(key)
    assert committed.read == [key, key]


async def test_an_answer_of_another_height_is_not_kept(committed: Counting, states: CachedStates) -> None:
    class Ahead(Counting):
        async def state(self, key: StateKey):  # type: ignore[no-untyped-def]
            value, height = await super().state(key)
            return value, height + 1

    ahead = Ahead()
    ahead.commit((public("a"), b"1"))
    of_ahead = CachedStates(ahead, ahead.progress)
    await of_ahead.state(public("a"))
    assert of_ahead.known(public("a")) is None


async def test_what_was_read_first_is_forgotten_first(
    committed: Counting, states: CachedStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_states, "BYTES_MAX", 3 * (cached_states.KEY_OVERHEAD + 2))
    for name in "abcd":
        await states.state(public(name))
    assert [name for name in "abcd" if states.known(public(name)) is None] == ["a"]


async def test_a_simulation_that_met_a_change_meanwhile_is_stale_though_it_knew_the_value(
    committed: Counting, states: CachedStates
) -> None:
    await states.state(public("a"))
    simulator = TxSimulator("tx", states, committed.progress)
    assert simulator.known_state("cc", "a") == b"1"
    commit(committed, states, (public("a"), b"3"))
    with pytest.raises(StaleReadError):
        await simulator.get_state("cc", "b")


async def test_what_is_known_at_another_height_than_the_simulations_is_read(
    committed: Counting, states: CachedStates
) -> None:
    await states.state(public("b"))
    simulator = TxSimulator("tx", states, committed.progress)
    assert await simulator.get_state("cc", "a") == b"1"
    commit(committed, states, (public("c"), b"3"))
    assert simulator.known_state("cc", "b") is None
    assert await simulator.get_state("cc", "b") == b"2"


async def test_what_was_known_stands_in_the_read_set(committed: Counting, states: CachedStates) -> None:
    await states.state(public("a"))
    known, read = (TxSimulator("tx", states, committed.progress) for _ in range(2))
    assert known.known_state("cc", "a") == await read.get_state("cc", "a") == b"1"
    assert known.finish() == read.finish() != TxSimulator("tx", states, committed.progress).finish()
