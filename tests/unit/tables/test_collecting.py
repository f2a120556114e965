"""Collecting from files of the store and from SQLite: what is published when, and what a failure leaves as it was."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from agnes.kernel.ports import ANYTHING
from agnes.tables import collecting as work
from agnes.tables import collection_repository, objects, service
from agnes.tables.collecting import AlreadyCollecting
from agnes.tables.model import TableNotFound, TableUpdate
from agnes.tables.objects import LocalObjects, ObjectDamaged
from tests.builders.tables import ADA, add_source, register


def put(house, name, body):
    house.store.write(f"tables/incoming/{name}", body if isinstance(body, bytes) else body.encode(), expect=ANYTHING)


def csv(house, *rows, name="orders.csv"):
    put(house, name, "id,day,amount\n" + "".join(f"{row}\n" for row in rows))


def state_of(house, table_id="orders"):
    with house.state.read("tables") as db:
        return collection_repository.find_state(db, table_id), collection_repository.objects(db, table_id)


def rows_of(house, tmp_path, table_id="orders", order="id"):
    _, found = state_of(house, table_id)
    paths = LocalObjects(tmp_path / "copies", house.store, limit_bytes=10**9).paths(found)
    if not paths:
        return []
    files = ", ".join(f"'{path}'" for path in paths)
    return duckdb.sql(f"SELECT * FROM read_parquet([{files}], union_by_name = true) ORDER BY {order}").fetchall()


@pytest.fixture
def orders(house):
    add_source(house, "files", "files", None, location="store:")
    csv(house, "1,2026-11-01,2.5", "2,2026-11-02,3")
    return register(house, source_table="orders.csv")


def test_a_table_of_a_file(house, orders, collecting, tmp_path):
    run = work.collect(collecting, "orders")
    assert (run.status, run.rows, run.reason) == ("ok", 2, "schedule")
    state, found = state_of(house)
    assert [each["name"] for each in state.columns] == ["id", "day", "amount"]
    assert [each["type"] for each in state.columns] == ["BIGINT", "DATE", "DOUBLE"]
    assert (state.failures, state.error, state.rows, state.size_bytes) == (0, None, 2, found[0].size_bytes)
    assert rows_of(house, tmp_path)[0][0] == 1


def test_the_same_content_is_the_same_object(house, orders, collecting):
    work.collect(collecting, "orders")
    before = state_of(house)
    house.clock.sleep(900)
    assert work.collect(collecting, "orders").status == "unchanged"
    after = state_of(house)
    assert after[1] == before[1]
    assert after[0].hash == before[0].hash
    assert after[0].changed_at == before[0].changed_at
    assert after[0].succeeded_at > before[0].succeeded_at


def test_a_failure_leaves_what_was_there_and_waits(house, orders, collecting, tmp_path):
    work.collect(collecting, "orders")
    before, kept = state_of(house)
    house.store.remove(["tables/incoming/orders.csv"])
    house.clock.sleep(900)
    run = work.collect(collecting, "orders")
    assert run.status == "failed"
    assert "orders.csv" in run.error
    after, still = state_of(house)
    assert (still, after.hash, after.failures) == (kept, before.hash, 1)
    assert after.retry_at == house.clock.now() + timedelta(minutes=5)
    assert len(rows_of(house, tmp_path)) == 2
    assert work.collect(collecting, "orders") is None, "it waits"
    house.clock.sleep(301)
    assert work.collect(collecting, "orders").status == "failed"
    assert state_of(house)[0].failures == 2
    csv(house, "1,2026-11-01,2.5")
    assert work.collect(collecting, "orders", "ada@example.com").status == "ok"
    assert state_of(house)[0].failures == 0
    assert state_of(house)[0].retry_at is None


@pytest.mark.parametrize("body", [b"PAR1 nothing", b""], ids=["not parquet", "empty"])
def test_what_cannot_be_read_is_a_failure_with_its_reason(house, collecting, body):
    add_source(house, "files", "files", None, location="store:")
    put(house, "x.parquet", body)
    register(house, source_table="x.parquet")
    run = work.collect(collecting, "orders")
    assert run.status == "failed"
    assert run.error


def test_several_files_packed_and_with_other_columns_are_one_table(house, collecting, tmp_path):
    import gzip

    add_source(house, "files", "files", None, location="store:shop")
    put(house, "shop/2026-10.csv.gz", gzip.compress(b"id,amount\n1,2\n"))
    put(house, "shop/2026-11.csv.gz", gzip.compress(b"id,amount,note\n2,3,x\n"))
    put(house, "shop/other.csv.gz", gzip.compress(b"id\n9\n"))
    register(house, source_table="2026-*.csv.gz")
    assert work.collect(collecting, "orders").rows == 2
    assert rows_of(house, tmp_path) == [(1, 2, None), (2, 3, "x")]


def test_json_lines_and_filters_with_placeholders(house, collecting, tmp_path):
    add_source(house, "files", "files", None, location="store:")
    lines = [{"id": n, "day": f"2026-11-{n:02d}", "who": who} for n, who in ((20, "a'b"), (22, "c"), (23, "d"))]
    put(house, "x.jsonl", "\n".join(map(json.dumps, lines)))
    filters = [
        {"column": "day", "operator": "lt", "values": ["{{today}}"]},
        {"column": "who", "operator": "eq", "values": ["a'b", "d"]},
    ]
    register(house, source_table="x.jsonl", where_filters=filters)
    work.collect(collecting, "orders")
    assert [row[0] for row in rows_of(house, tmp_path)] == [20]


# ---- SQLite, through its ADBC driver


class Shop:
    """A SQLite file that is put into the store anew after each change."""

    def __init__(self, house, tmp_path):
        self.house, self.path = house, tmp_path / "shop.db"
        self.db = sqlite3.connect(self.path)
        add_source(house, "shop", "sqlite", None, location="store:shop.db")

    def run(self, sql, *rows):
        self.db.executemany(sql, rows) if rows else self.db.execute(sql)
        self.db.commit()
        put(self.house, "shop.db", self.path.read_bytes())


@pytest.fixture
def shop(house, tmp_path):
    made = Shop(house, tmp_path)
    made.run("CREATE TABLE orders (id INTEGER, day TEXT, amount REAL, changed INTEGER)")
    yield made
    made.db.close()


def insert(shop, *rows):
    shop.run("INSERT INTO orders (id, day, amount, changed) VALUES (?, ?, ?, ?)", *rows)


def test_incremental_keeps_the_newest_row_of_a_key(house, shop, collecting, tmp_path):
    insert(shop, (1, "2026-11-01", 1.0, 10), (2, "2026-11-02", 2.0, 11), (2, "2026-11-02", 2.5, 12))
    register(house, sync_strategy="incremental", incremental_column="changed", primary_key="id")
    assert work.collect(collecting, "orders").rows == 2
    assert state_of(house)[0].watermark == "number:12"
    house.clock.sleep(900)
    assert work.collect(collecting, "orders").status == "unchanged"
    insert(shop, (1, "2026-11-01", 9.0, 13), (3, "2026-11-03", 3.0, 14))
    house.clock.sleep(900)
    assert work.collect(collecting, "orders").status == "ok"
    assert [row[:3] for row in rows_of(house, tmp_path)] == [
        (1, "2026-11-01", 9.0), (2, "2026-11-02", 2.5), (3, "2026-11-03", 3.0),
    ]  # fmt: skip


def test_incremental_without_a_key_only_adds(house, shop, collecting, tmp_path):
    insert(shop, (1, "a", 1.0, 10))
    register(house, sync_strategy="incremental", incremental_column="changed")
    work.collect(collecting, "orders")
    for number in range(2, 5):
        insert(shop, (number, "b", 1.0, 10 + number))
        house.clock.sleep(900)
        assert work.collect(collecting, "orders").status == "ok"
    house.clock.sleep(900)
    assert work.collect(collecting, "orders").status == "unchanged"
    assert [row[0] for row in rows_of(house, tmp_path)] == [1, 2, 3, 4]
    assert [each.rows for each in state_of(house)[1]] == [1, 1, 1, 1]


def test_a_window_of_days_finds_late_changes(house, shop, collecting, tmp_path):
    shop.run("CREATE TABLE visits (id INTEGER, at TIMESTAMP)")
    shop.run("INSERT INTO visits VALUES (1, '2026-11-10 10:00:00')")
    register(
        house, source_table="visits", sync_strategy="incremental", incremental_column="at", primary_key=["id"],
        incremental_window_days=3,
    )  # fmt: skip
    work.collect(collecting, "orders")
    shop.run("INSERT INTO visits VALUES (2, '2026-11-08 10:00:00')")
    house.clock.sleep(900)
    work.collect(collecting, "orders")
    kind = state_of(house)[0].watermark.partition(":")[0]
    found = [row[0] for row in rows_of(house, tmp_path)]
    assert found == ([1, 2] if kind == "time" else [1])


@pytest.mark.parametrize("granularity", ["day", "month", "year"])
def test_partitions_are_loaded_backwards_until_nothing_is_older(house, shop, collecting, tmp_path, granularity):
    days = [(datetime(2026, 11, 23, tzinfo=UTC) - timedelta(days=7 * n)).strftime("%Y-%m-%d") for n in range(30)]
    insert(shop, *((number, day, 1.0, 0) for number, day in enumerate(days)))
    register(
        house, sync_strategy="partitioned", partition_by="day", partition_granularity=granularity,
        initial_load_chunk_days=20,
    )  # fmt: skip
    assert work.collect(collecting, "orders").rows == 30
    state, found = state_of(house)
    assert state.backfill_done
    form = {"day": 10, "month": 7, "year": 4}[granularity]
    assert [each.partition for each in found] == sorted({day[:form] for day in days})
    assert len(rows_of(house, tmp_path)) == 30
    # Later only the window is asked for again: an old row that changes stays as it was.
    shop.run("UPDATE orders SET amount = 5 WHERE id IN (0, 29)")
    house.clock.sleep(900)
    assert work.collect(collecting, "orders").status == "ok"
    amounts = {row[0]: row[2] for row in rows_of(house, tmp_path)}
    assert (amounts[0], amounts[29]) == (5.0, 5.0 if granularity == "year" else 1.0)
    assert len(amounts) == 30


def test_a_partition_that_became_empty_is_gone(house, shop, collecting, tmp_path):
    insert(shop, (1, "2026-11-22", 1.0, 0), (2, "2026-11-23", 1.0, 0))
    register(house, sync_strategy="partitioned", partition_by="day", partition_granularity="day")
    work.collect(collecting, "orders")
    shop.run("DELETE FROM orders WHERE id = 2")
    house.clock.sleep(900)
    work.collect(collecting, "orders")
    assert [row[0] for row in rows_of(house, tmp_path)] == [1]


def test_history_has_an_end(house, shop, collecting, tmp_path):
    insert(shop, (1, "2026-11-20", 1.0, 0), (2, "2025-01-01", 1.0, 0))
    register(house, sync_strategy="partitioned", partition_by="day", max_history_days=90)
    work.collect(collecting, "orders")
    assert [row[0] for row in rows_of(house, tmp_path)] == [1]


def test_materialized_sql(house, shop, collecting, tmp_path):
    insert(shop, (1, "a", 1.0, 0), (2, "a", 2.0, 0), (3, "b", 4.0, 0))
    sql = "SELECT day AS id, sum(amount) AS total FROM orders GROUP BY day ORDER BY day;"
    register(house, query_mode="materialized", source_query=sql, source_table="")
    assert work.collect(collecting, "orders").rows == 2
    assert rows_of(house, tmp_path) == [("a", 3.0), ("b", 4.0)]


def test_a_source_is_not_written(house, shop, collecting):
    insert(shop, (1, "a", 1.0, 0))
    register(house, query_mode="materialized", source_query="DELETE FROM orders RETURNING id", source_table="")
    run = work.collect(collecting, "orders")
    assert run.status == "failed"
    assert shop.db.execute("SELECT count(*) FROM orders").fetchone() == (1,)


# ---- schedules, leases, what changes meanwhile


def test_what_is_due_is_sent_once_a_tick(house, orders, collecting):
    assert work.send_due(collecting, dry_run=True) == ["orders"]
    assert work.send_due(collecting) == ["orders"]
    work.collect(collecting, "orders")
    assert work.send_due(collecting) == []
    assert work.collect(collecting, "orders") is None, "a second message of the schedule does nothing"
    house.clock.sleep(900)
    assert work.send_due(collecting) == ["orders"]


def test_asking_for_a_table_ignores_its_schedule(house, orders, collecting):
    work.collect(collecting, "orders")
    assert work.ask_for(collecting, ADA, ["orders"]) == ["orders"]
    assert work.ask_for(collecting, ADA, None) == ["orders"]
    with pytest.raises(TableNotFound):
        work.ask_for(collecting, ADA, ["orders", "nothing"])
    assert work.collect(collecting, "orders", ADA.email).status == "unchanged"


def test_one_worker_at_a_time(house, orders, collecting):
    class Interrupting:
        """While one run fetches, another one begins."""

        def fetch(self, place, path, folder, *, seconds):
            assert work.collect(collecting, "orders") is None
            with pytest.raises(AlreadyCollecting):
                work.collect(collecting, "orders", ADA.email)
            return collecting.sources.fetch(place, path, folder, seconds=seconds)

    assert work.collect(replace(collecting, sources=Interrupting()), "orders").status == "ok"


@pytest.mark.parametrize("what", ["changed", "removed"])
def test_what_was_changed_meanwhile_is_not_published(house, orders, collecting, what):
    class Meanwhile:
        def fetch(self, place, path, folder, *, seconds):
            house.clock.sleep(1)
            if what == "removed":
                service.remove(house.state, ADA, "orders", clock=house.clock)
            else:
                service.update(house.state, ADA, "orders", TableUpdate(source_table="x.csv"), clock=house.clock)
            return collecting.sources.fetch(place, path, folder, seconds=seconds)

    assert work.collect(replace(collecting, sources=Meanwhile()), "orders") is None
    assert state_of(house) == (None, [])


def test_another_description_begins_again(house, shop, collecting, tmp_path):
    insert(shop, (1, "2026-11-01", 1.0, 10))
    shop.run("CREATE TABLE others AS SELECT 7 AS id, '2026-11-01' AS day, 1.0 AS amount, 1 AS changed")
    register(house, sync_strategy="incremental", incremental_column="changed", primary_key="id")
    work.collect(collecting, "orders")
    service.update(house.state, ADA, "orders", TableUpdate(source_table="others"), clock=house.clock)
    assert len(rows_of(house, tmp_path)) == 1, "what was there is served until the next run"
    assert work.send_due(collecting) == ["orders"]
    work.collect(collecting, "orders")
    assert [row[0] for row in rows_of(house, tmp_path)] == [7]


def test_a_changed_description_text_begins_nothing_again(house, orders, collecting):
    work.collect(collecting, "orders")
    service.update(house.state, ADA, "orders", TableUpdate(description="x"), clock=house.clock)
    assert work.send_due(collecting) == []


# ---- objects that nothing names


def test_objects_stay_for_a_day_after_their_table_is_gone(house, orders, collecting):
    work.collect(collecting, "orders")
    _, [kept] = state_of(house)
    service.remove(house.state, ADA, "orders", clock=house.clock)
    assert work.sweep(collecting) == 0
    house.clock.sleep(86_401)
    assert work.sweep(collecting, dry_run=True) == 0, "nothing is unknown: it is retired"
    assert work.sweep(collecting) == 1
    assert house.store.read(objects.key_of(kept.sha256)) is None
    assert work.sweep(collecting) == 0


def test_what_no_commit_ever_named_goes_too(house, orders, collecting):
    house.store.write(objects.key_of("ab" * 32), b"x", expect=ANYTHING)
    work.collect(collecting, "orders")
    house.clock.sleep(86_401)
    house.store.write(objects.key_of("cd" * 32), b"x", expect=ANYTHING)
    swept = work.sweep(collecting)
    named = {each.sha256 for each in state_of(house)[1]}
    left = {objects.sha256_of_key(entry.key) for entry in house.store.list(objects.PREFIX)}
    assert named <= left
    assert swept == len({"ab" * 32} - left)


def test_content_that_comes_back_is_not_deleted(house, orders, collecting, tmp_path):
    work.collect(collecting, "orders")
    csv(house, "9,2026-11-09,9")
    house.clock.sleep(900)
    work.collect(collecting, "orders")
    csv(house, "1,2026-11-01,2.5", "2,2026-11-02,3")
    house.clock.sleep(900)
    work.collect(collecting, "orders")
    house.clock.sleep(90_000)
    work.sweep(collecting)
    assert [row[0] for row in rows_of(house, tmp_path)] == [1, 2]


def test_what_is_being_deleted_is_not_named_again(house, orders, collecting):
    work.collect(collecting, "orders")
    _, [first] = state_of(house)
    csv(house, "9,2026-11-09,9")
    house.clock.sleep(900)
    work.collect(collecting, "orders")
    house.clock.sleep(90_000)
    before = house.clock.now() - timedelta(days=1)
    house.state.commit("tables", lambda tx: collection_repository.mark_removing(tx.db, [], before))
    csv(house, "1,2026-11-01,2.5", "2,2026-11-02,3")
    run = work.collect(collecting, "orders")
    assert run.status == "failed"
    assert first.sha256 in run.error


def test_a_damaged_object_is_found_when_it_is_fetched(house, orders, collecting, tmp_path):
    work.collect(collecting, "orders")
    _, [kept] = state_of(house)
    house.store.write(objects.key_of(kept.sha256), b"x" * kept.size_bytes, expect=ANYTHING)
    copies = LocalObjects(tmp_path / "c", house.store, limit_bytes=10**9)
    with pytest.raises(ObjectDamaged):
        copies.paths([kept])
    assert list((tmp_path / "c").iterdir()) == []
    house.clock.sleep(900)
    work.collect(collecting, "orders")
    assert copies.paths([kept])[0].stat().st_size == kept.size_bytes


def test_copies_make_room_for_one_another(house, orders, collecting, tmp_path):
    found = []
    for number in range(4):
        csv(house, f"{number},2026-11-01,1")
        work.collect(collecting, "orders", ADA.email)
        found.append(state_of(house)[1][0])
        house.clock.sleep(1)
    copies = LocalObjects(tmp_path / "c", house.store, limit_bytes=found[0].size_bytes * 2)
    for each in found:
        assert copies.paths([each])[0].exists()
    assert len(list((tmp_path / "c").iterdir())) == 2


def test_runs_are_kept_newest_first(house, orders, collecting):
    for _ in range(3):
        work.collect(collecting, "orders", ADA.email)
        house.clock.sleep(60)
    with house.state.read("tables") as db:
        found = collection_repository.runs(db, "orders")
    assert [run.status for run in found] == ["unchanged", "unchanged", "ok"]
    assert {run.reason for run in found} == {ADA.email}
