"""A whole installation in which everything was used: from memory to S3, and on to a folder, equal by digest and by figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import Entry, ObjectStore, Secret
from agnes.ops.backup import model, restoring, taking
from agnes.outside.object_store.folder import FolderStore
from agnes.outside.object_store.memory import MemoryStore
from agnes.telemetry.extraction import moved
from agnes.telemetry.extraction.inbox import note_unread
from agnes.telemetry.lake import ledger
from tests.builders.acme_team import ENVIRON
from tests.builders.copied_installation import FILES, Installation
from tests.builders.house import START, House
from tests.contract.stores import moto_server

FIGURES = ("/api/marketplace/items?tab=curated", "/api/admin/telemetry/summary?window=30d", "/api/me/stats/sessions")


def held(store: ObjectStore) -> dict[str, bytes]:
    return {entry.key: store.read(entry.key).body for entry in store.list("") if not model.is_left_out(entry.key)}


def rows(house: House) -> dict[str, list[tuple]]:
    """Every row of every table, but for the line that a restore adds to the audit, and the stores' own versions of objects."""
    found = {}
    with house.state.read(*FILES) as db:
        for file in FILES:
            tables = db.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = ?", [file]).fetchall()
            for (table,) in tables:
                columns = "* EXCLUDE (version)" if (file, table) == ("telemetry", "transcripts") else "*"
                only = "WHERE action <> 'backup.restore'" if table == "audit" else ""
                found[f"{file}.{table}"] = db.execute(
                    f'SELECT {columns} FROM {file}."{table}" {only} ORDER BY ALL'
                ).fetchall()
    return found


def figures(house: House) -> list[object]:
    token = house.login(ENVIRON["SEED_ADMIN_EMAIL"], ENVIRON["SEED_ADMIN_PASSWORD"])
    answers = [house.get(path, token=token) for path in FIGURES]
    assert [answer.status for answer in answers] == [200, 200, 200]
    return [answer.json() | {"until": None} for answer in answers]  # which is when it was asked


def move(house: House, to: House, place: ObjectStore, folder: Path) -> restoring.Restored:
    run = model.Run(place, house.clock, folder, lambda _: None)
    taking.take(taking.Source(house.store, house.state, house.wiring.secrets, "here"), run, passphrase=None)
    target = restoring.Target(
        to.store, to.state, to.state.names, to.wiring.secrets, lambda found: moved.take_versions(to.state, found)
    )
    return restoring.restore(target, run, passphrase=None)


@pytest.mark.slow
def test_an_installation_moves_from_store_to_store_and_back(used: Installation, tmp_path: Path) -> None:
    clock = FixedClock(START)
    secret = Secret("signs")
    folder = FolderStore(tmp_path / "store", secret=secret, base_url="http://agnes.test", clock=clock)
    place = FolderStore(tmp_path / "place", secret=secret, base_url="http://agnes.test", clock=clock)
    with moto_server() as server:
        stores = (server.store(), folder, MemoryStore(clock=clock))
        house = used.opened(tmp_path / "begin").house
        with house:
            expected, shown, waiting = rows(house), figures(house), unread(house)
        for number, store in enumerate(stores):
            clock.sleep(1)
            before = held(house.store)  # asking for figures has added lines of the audit
            assert {key.split("/")[0] for key in before} >= {
                "assets",
                "audit",
                "sessions",
                "telemetry",
                "tombstones",
                "trees",
            }
            other = House(tmp_path / f"move{number}", environ=used.environ, clock=clock, store=store)
            done = move(house, other, place, tmp_path)
            assert done.removed == 0
            assert held(store) == before
            with other:
                assert other.get(FIGURES[0], token=used.tokens["ada"]).status == 401, "sign-ins are left out"
                assert rows(other) == expected
                assert figures(other) == shown
                assert unread(other) == waiting, "no transcript is taken for a changed one"
            house.state.close()
            house = other
        house.state.close()


class Listed(MemoryStore):
    """Lists what another store has, and keeps for itself what is written."""

    def __init__(self, house: House) -> None:
        super().__init__(clock=house.clock)
        self._listed = house.store

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        return self._listed.list(prefix, after=after)


def unread(house: House) -> int:
    """Transcripts that the daily look over all of them would have read again."""
    with house.state.read("telemetry") as db:
        assert ledger.versions(db)
        return len(note_unread(Listed(house), db, now=house.clock.now()))
