"""``dwaybank rebuild-orderer``: the blocks of an orderer whose file was lost, from the peers that hold them.

An orderer goes on with the number after its last block. So its file must hold every block that anybody has: one block
fewer, and another block of the same number would be ordered, which whoever has the first one refuses for ever. Of what
an orderer on this machine ordered, its peers here are who may have it; all of them are asked, and the highest is taken.

Rules
- Every block must continue the chain that began with the home's genesis block, and be signed by the orderer: a peer's
  database can be tampered with, and none is believed. Every other peer must hold the same chain as far as it goes.
- What peers write into a block, their verdicts, is taken out: what is left is what the orderer wrote, to the byte.
- The file gets its name when it is whole. One that is there is never touched.
- What was ordered and reached no peer is lost, though its sender heard SUCCESS: nobody has committed it, and who waits
  for that sends again. So it is with any last seconds of a lost disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from network.block import as_ordered, header_hash, holds_config, parse_block
from network.block_verifier import verify_block
from network.channel_config import ChannelConfig
from network.errors import NetworkError
from network.topology import Consortium, Organization
from node.config import NodeConfig, OrdererConfig, load_settings, read_url
from node.disk import sync
from node.errors import ConfigurationError, PostgresError
from node.home import Home, write_orderer_settings
from node.offline import database_servers
from node.orderer.block_store import write_store
from node.orderer.orderer import BLOCKS_FILE
from node.peer.block_store import BlockStore
from node.peer.database import connect, fetch
from node.peer.errors import PeerError

BLOCKS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was written.

    Attributes:
        file: the orderer's blocks.
        height: number of blocks.
        source: name of the member whose peer they were read from.
    """

    file: Path
    height: int
    source: str


def rebuild_orderer(
    home: Home,
    consortium: Consortium,
    without: list[str],
    progress: Callable[[int, int], None] = lambda done, whole: None,
) -> Rebuilt:
    """Write the lost block file of a stopped consortium's orderer, and its settings where they are lost too.

    Args:
        without: names of members that are not asked, because their databases are lost.
        progress: told the number of blocks done and their whole number.
    Raises:
        ConfigurationError: there is a file, somebody else runs the orderer, or the peers do not hold one whole chain.
        SupervisorError: the consortium runs.
    """
    if consortium.orderer.external:
        raise ConfigurationError("this consortium's orderer is not run by `dwaybank up`: mend it by its own means")
    members = [member for member in consortium.organizations if member.name not in without]
    known = [member.name for member in consortium.organizations]
    for name in without:
        if name not in known:
            raise ConfigurationError(f"--without {name}: no organization here, give one of {', '.join(known)}")
    if not members:
        raise ConfigurationError("--without: names all organizations, and somebody must hold the blocks")
    settings_file = home.orderer / "orderer.yaml"
    if not settings_file.exists():
        home.orderer.mkdir(exist_ok=True)
        write_orderer_settings(home, consortium)
    file = load_settings(OrdererConfig, settings_file).data_folder / consortium.channel / BLOCKS_FILE
    if file.exists():
        raise ConfigurationError(f"{file} is there: move it away if it is damaged or older than the peers, and keep it")
    try:
        with database_servers(home, members), ExitStack() as connections:
            chains = [_Chain(home, consortium, member, connections) for member in members]
            source = max(chains, key=lambda chain: chain.height)
            building = file.with_name(f"{BLOCKS_FILE}.building")
            try:
                write_store(building, _verified(source, chains, home.genesis.read_bytes(), progress))
                building.rename(file)
            finally:
                building.unlink(missing_ok=True)
            sync(file.parent)
    except PostgresError as error:
        raise ConfigurationError(
            f"{error}; where its data is lost, --without leaves that member out, who takes its blocks from the orderer "
            "anew: no block must be left anywhere that the others lack"
        ) from error
    except (psycopg.Error, PeerError) as error:
        raise ConfigurationError(f"the peers' blocks cannot be read: {error}") from error
    return Rebuilt(file, source.height, source.member.name)


class _Chain:
    """The blocks that a member's peer holds of the consortium's channel."""

    def __init__(self, home: Home, consortium: Consortium, member: Organization, connections: ExitStack) -> None:
        self.member = member
        settings = load_settings(NodeConfig, home.organization(member) / "node.yaml")
        connection = connections.enter_context(connect(read_url(settings.owner_database_url_file)))
        numbers = fetch(connection, "channel_number", (consortium.channel,))
        self._store = BlockStore(connection, numbers[0][0]) if numbers else None
        tip = None if self._store is None else self._store.tip()
        self.height, self.last_hash = (0, b"") if tip is None else (tip.height, tip.header_hash)

    def blocks(self) -> Iterator[bytes]:
        """Yield every block as it was committed.

        Raises:
            ConfigurationError: one is missing.
        """
        assert self._store is not None
        expected = 0
        for start in range(0, self.height, BLOCKS_AT_ONCE):
            for number, content in self._store.blocks(start, min(start + BLOCKS_AT_ONCE, self.height)):
                if number != expected:
                    break
                expected += 1
                yield content
        if expected != self.height:
            raise ConfigurationError(
                f"block {expected} is not in {self.member.name}'s database, which has later ones; nothing was written"
            )


def _verified(
    source: _Chain, chains: list[_Chain], genesis: bytes, progress: Callable[[int, int], None]
) -> Iterator[bytes]:
    """Yield the blocks of the highest chain as the orderer wrote them, each when it has been checked.

    Raises:
        ConfigurationError: naming the block that does not hold, or the peer that holds another chain.
    """
    first = parse_block(genesis)
    config, previous = ChannelConfig.from_block(first), b""
    ends = {(chain.height - 1, chain.member.name): chain.last_hash for chain in chains if chain.height}
    if not ends:
        raise ConfigurationError("no peer here holds a block: the consortium never ran, `dwaybank up` begins its chain")
    for number, content in enumerate(source.blocks()):
        try:
            block = parse_block(content)
            if number == 0 and header_hash(block.header) != header_hash(first.header):
                raise ConfigurationError(f"{source.member.name}'s chain did not begin with this home's genesis block")
            verify_block(block, previous, config)
            config = ChannelConfig.from_block(block) if holds_config(block.data) else config
        except NetworkError as error:
            raise ConfigurationError(f"{source.member.name}'s database: {error}; nothing was written") from error
        previous = header_hash(block.header)
        for end, name in ends:
            if end == number and ends[end, name] != previous:
                raise ConfigurationError(
                    f"{source.member.name} and {name} hold different blocks {number}: compare their chains "
                    "(docs/operations.md, What happens when a process dies); nothing was written"
                )
        yield as_ordered(block) if number else genesis
        progress(number + 1, source.height)
