"""A real PostgreSQL: types, names, chunks, limits, and what it says when it refuses."""

from __future__ import annotations

import datetime as dt
import decimal

import adbc_driver_manager
import adbc_driver_postgresql
import pytest

from agnes.kernel.ports import Secret
from agnes.outside.table_sources import OutsideSources
from agnes.tables import collecting as work
from agnes_local.postgresql import postgresql
from tests.builders.tables import add_source, register
from tests.unit.tables.test_collecting import rows_of, state_of

pytestmark = pytest.mark.postgresql


class Database:
    def __init__(self, server):
        self.server = server
        uri = f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/postgres"
        self._database = adbc_driver_manager.AdbcDatabase(driver=adbc_driver_postgresql._driver_path(), uri=uri)
        self._connection = adbc_driver_manager.AdbcConnection(self._database)

    def run(self, sql):
        with adbc_driver_manager.AdbcStatement(self._connection) as statement:
            statement.set_sql_query(sql)
            statement.execute_update()

    def close(self):
        self._connection.close()
        self._database.close()

    @property
    def options(self):
        server = self.server
        return {
            "host": server.host, "port": str(server.port), "database": "postgres", "user": server.user,
            "sslmode": "disable",
        }  # fmt: skip


@pytest.fixture(scope="module")
def database():
    with postgresql() as server:
        made = Database(server)
        yield made
        made.close()


@pytest.fixture
def warehouse(house, database):
    add_source(house, "warehouse", "postgresql", database.server.password, **database.options)
    return database


def test_every_usual_type_arrives_as_itself(house, warehouse, collecting, tmp_path):
    warehouse.run("DROP TABLE IF EXISTS kinds")
    warehouse.run(
        """CREATE TABLE kinds AS SELECT 1 AS id, true AS yes, 2::smallint AS small, 9007199254740993 AS large,
        1.5::float8 AS double, 12345.67::numeric(12, 2) AS money, 1.25::numeric AS loose, 'ž 日本'::text AS said,
        DATE '2026-02-28' AS day, TIMESTAMP '2026-02-28 09:00:01.5' AS local, TIMESTAMPTZ '2026-02-28 09:00+02' AS at,
        ARRAY[1, 2] AS list, '{"a": [1]}'::jsonb AS doc, NULL::text AS nothing"""
    )
    register(house, bucket="public", source_table="kinds")
    run = work.collect(collecting, "orders")
    assert run.error is None
    [row] = rows_of(house, tmp_path)
    state, _ = state_of(house)
    found = dict(zip((each["name"] for each in state.columns), row, strict=True))
    assert found["large"] == 9007199254740993
    assert (found["money"], found["loose"]) == (decimal.Decimal("12345.67"), 1.25)
    assert (found["said"], found["yes"], found["nothing"]) == ("ž 日本", True, None)
    assert (found["day"], found["local"]) == (dt.date(2026, 2, 28), dt.datetime(2026, 2, 28, 9, 0, 1, 500000))
    assert found["at"] == dt.datetime(2026, 2, 28, 7, 0, tzinfo=dt.UTC)
    assert found["list"] == [1, 2]
    assert '"a"' in found["doc"]


def test_names_that_need_quotes(house, warehouse, collecting, tmp_path):
    warehouse.run('CREATE SCHEMA IF NOT EXISTS "Odd"')
    warehouse.run('DROP TABLE IF EXISTS "Odd"."My ""Table"""')
    warehouse.run("""CREATE TABLE "Odd"."My ""Table""\" AS SELECT 1 AS "select", 'it''s' AS "a""b" """)
    register(
        house, bucket="Odd", source_table='My "Table"',
        where_filters=[{"column": 'a"b', "operator": "eq", "values": ["it's"]}],
    )  # fmt: skip
    assert work.collect(collecting, "orders").error is None
    assert rows_of(house, tmp_path, order="1") == [(1, "it's")]


def test_an_incremental_table_by_time(house, warehouse, collecting, tmp_path):
    warehouse.run("DROP TABLE IF EXISTS visits")
    warehouse.run("CREATE TABLE visits (id int, at timestamptz, said text)")
    warehouse.run("INSERT INTO visits VALUES (1, '2026-11-20 09:00+00', 'a'), (2, '2026-11-21 09:00+00', 'b')")
    register(
        house, source_table="visits", sync_strategy="incremental", incremental_column="at", primary_key="id",
        incremental_window_days=2,
    )  # fmt: skip
    assert work.collect(collecting, "orders").rows == 2
    assert state_of(house)[0].watermark.startswith("time:2026-11-21")
    warehouse.run(
        "INSERT INTO visits VALUES (3, '2026-11-19 12:00+00', 'late'), (4, '2026-11-01 00:00+00', 'too late')"
    )
    warehouse.run("UPDATE visits SET said = 'changed', at = '2026-11-22 09:00+00' WHERE id = 1")
    house.clock.sleep(900)
    assert work.collect(collecting, "orders").status == "ok"
    assert [(row[0], row[2]) for row in rows_of(house, tmp_path)] == [(1, "changed"), (2, "b"), (3, "late")]
    house.clock.sleep(900)
    assert work.collect(collecting, "orders").status == "unchanged", "the window hands out again what is stored"


def test_partitions_by_a_date_column(house, warehouse, collecting, tmp_path):
    warehouse.run("DROP TABLE IF EXISTS daily")
    warehouse.run(
        "CREATE TABLE daily AS SELECT n AS id, DATE '2026-11-23' - n AS day FROM generate_series(0, 199) AS n"
    )
    register(house, source_table="daily", sync_strategy="partitioned", partition_by="day", max_history_days=120)
    assert work.collect(collecting, "orders").error is None
    _, found = state_of(house)
    assert [each.partition for each in found] == ["2026-07", "2026-08", "2026-09", "2026-10", "2026-11"]
    assert sum(each.rows for each in found) == len(rows_of(house, tmp_path))


def test_a_statement_cannot_write(house, warehouse, collecting):
    warehouse.run("DROP TABLE IF EXISTS safe")
    warehouse.run("CREATE TABLE safe AS SELECT 1 AS id")
    for sql in ("DELETE FROM safe RETURNING id", "SELECT 1; DROP TABLE safe", "SELECT nextval('nothing')"):
        register(house, f"t{abs(hash(sql)) % 1000}", query_mode="materialized", source_query=sql, source_table="")
    for table_id in work.send_due(collecting):
        assert work.collect(collecting, table_id).status == "failed"
    register(house, "safe", source_table="safe")
    assert work.collect(collecting, "safe").rows == 1


def test_what_it_says_names_no_secret(house, database, collecting):
    add_source(house, "wrong", "postgresql", "wrong-pass-word", **database.options)
    register(house)
    run = work.collect(collecting, "orders")
    assert run.status == "failed"
    assert "wrong-pass-word" not in run.error
    assert "authentication" in run.error


def test_a_missing_table_is_told_by_its_name(house, warehouse, collecting):
    register(house, source_table="nothing_here")
    assert "nothing_here" in work.collect(collecting, "orders").error


def test_a_private_address_needs_leave(house, warehouse, collecting):
    register(house)
    refused = work.replace(
        collecting, sources=OutsideSources(allow=frozenset(), web=house.wiring.web, store=house.store)
    )
    assert "private address" in work.collect(refused, "orders").error


def test_nobody_listening_is_unreachable(house, database, collecting):
    add_source(house, "off", "postgresql", "x", **(database.options | {"port": "9"}))
    register(house)
    assert Secret("x")
    assert work.collect(collecting, "orders").status == "failed"
