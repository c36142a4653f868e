"""What a supervisor refuses before it starts anything."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from network.topology import default_consortium
from node.errors import SupervisorError, one_line
from node.home import prepare_home
from node.supervisor import Status, Supervisor


@pytest.mark.parametrize("lost", ["partner/postgres/data/PG_VERSION", "orderer/blocks/anchors/blocks"])
async def test_data_that_is_only_not_mounted_is_not_begun_anew(tmp_path: Path, lost: str) -> None:
    home, consortium = prepare_home(tmp_path / "home", lambda: default_consortium(30_000), datetime.now(UTC), {})
    left = ["orderer/blocks/anchors/blocks"]
    for member in consortium.organizations:
        left += [f"{member.name}/secrets/owner.url", f"{member.name}/postgres/data/PG_VERSION"]
        left.append(f"logs/{member.name}-node.log")
    for name in left:
        # As an earlier start left it.
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).touch()
    (home.root / lost).unlink()
    before = sorted(home.root.rglob("*"))
    way_out = (
        r".*`dwaybank up --without partner` starts the others"
        if lost.startswith("partner")
        else r".* was changed; if it is lost, `dwaybank rebuild-orderer` writes it anew from the peers' blocks$"
    )
    with pytest.raises(
        SupervisorError, match=f"{lost} is missing, and was there at an earlier start: mount it{way_out}"
    ):
        await Supervisor(home, consortium, Status(home.run / "status.json")).start()
    assert sorted(home.root.rglob("*")) == before


async def test_a_database_server_that_does_not_start_is_named_with_its_member(tmp_path: Path) -> None:
    home, consortium = prepare_home(tmp_path / "home", lambda: default_consortium(30_000), datetime.now(UTC), {})
    supervisor = Supervisor(home, consortium, Status(home.run / "status.json"))
    member = consortium.organization("partner")
    data = home.organization(member) / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "somebodys").touch()
    with pytest.raises(SupervisorError, match=r"partner's database: .* no PostgreSQL cluster: .*--without partner"):
        await supervisor._start_database(member)


def test_file_that_cannot_be_used_is_named_in_words(tmp_path: Path) -> None:
    (tmp_path / "node.log").mkdir()
    with pytest.raises(OSError, match="Errno") as refused:
        (tmp_path / "node.log").open("ab")
    assert one_line(refused.value) == f"{tmp_path / 'node.log'}: Is a directory"
