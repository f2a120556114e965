"""What an export holds, in each format, and how it comes."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from agnes.telemetry.lake import export, exports
from tests.builders.house import START, House
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import run_usage, serve, upload
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
C = "88888888-0003-4f00-9a00-00000000cccc"


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """Mira has a session and its fork, in which the call failed; the admin has an old one."""
    with House(tmp_path_factory.mktemp("house")) as house:
        serve(house, "finops")
        admin = seed_admin(house)
        mira = add_person(house, admin, "mira@example.com")
        t = Transcript(A)
        t.prompt('A "quoted", text')
        call = t.use("Skill", skill="finops:forecast")
        upload(house, mira, A, t.body())
        t.result(call, "no", is_error=True)
        upload(house, mira, B, t.body())
        old = Transcript(C)
        old.rng.seed(C)
        old.at -= timedelta(days=20)
        old.result(old.use("Bash", command="ls"), "x")
        upload(house, admin, C, old.body())
        run_usage(house, admin)
        yield house, admin, mira


def rows(used, query: str = "", *, prefix: str = "usage") -> list[dict]:
    house, admin, _ = used
    answer = house.get(f"/api/admin/{prefix}/export?format=json&{query}", token=admin.token)
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.body.splitlines()]


@pytest.mark.parametrize("prefix", ["usage", "telemetry"])
def test_each_event_once_ordered_by_time(used, prefix):
    found = rows(used, prefix=prefix)
    assert len(found) == len({row["event_id"] for row in found})
    assert [row["occurred_at"] for row in found] == sorted(row["occurred_at"] for row in found)
    skills = [row for row in found if row["skill_name"]]
    assert [(row["is_error"], row["source"], row["marketplace_id"], row["plugin"]) for row in skills] == [
        (True, "curated", "acme", "finops")
    ]


def test_formats_agree(used, tmp_path):
    house, admin, _ = used
    found = rows(used)
    answer = house.get("/api/admin/usage/export", token=admin.token)
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["content-disposition"] == 'attachment; filename="usage_events.csv"'
    assert [row["event_id"] for row in csv.DictReader(io.StringIO(answer.text))] == [row["event_id"] for row in found]
    path = tmp_path / "e.parquet"
    path.write_bytes(house.get("/api/admin/usage/export?format=parquet", token=admin.token).body)
    assert [row[0] for row in duckdb.sql(f"SELECT event_id FROM '{path}'").fetchall()] == [r["event_id"] for r in found]


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ("since=7d", {"prompt", "tool_use", "message"}),
        ("until=2026-11-10", {"tool_use", "message"}),
        ("since=2026-10-01&until=2026-11-10T00:00:00Z&event_type=tool_use", {"tool_use"}),
        ("since=30m", set()),
        ("source=curated", {"tool_use"}),
        ("event_type=prompt", {"prompt"}),
        ("user_id=Mira@Example.com&event_type=tool_use", {"tool_use"}),
        ("user_id=nobody", set()),
        ("since=99999d&event_type=prompt", {"prompt"}),
    ],
)
def test_filters(used, query, types):
    assert {row["event_type"] for row in rows(used, query)} == types


FORMULAS = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "a=1", "'=1"]


def test_a_spreadsheet_computes_nothing_that_a_transcript_says(tmp_path):
    with House(tmp_path) as house:
        admin = seed_admin(house)
        t = Transcript(A, cwd="=cmd|' /C calc'!A0")
        for name in FORMULAS:
            t.use(name, skill=name)
        upload(house, admin, A, t.body())
        run_usage(house, admin)

        def told(kind: str) -> str:
            return house.get(f"/api/admin/usage/export?event_type=tool_use&format={kind}", token=admin.token).text

        in_csv, in_json = (
            csv.DictReader(io.StringIO(told("csv"), newline="")),
            map(json.loads, told("json").splitlines()),
        )
        cells = [(row["tool_name"], row["cwd"]) for row in in_csv]
        exact = [row["tool_name"] for row in in_json]
        assert cells == [(f"'{name}" if name[0] in "=+-@\t\r" else name, f"'{t.cwd}") for name in exact]
        assert {"=1+1", "+1", "-1", "@SUM(1)", "a=1"} <= set(exact)
        house.state.close()


def test_times_are_iso_8601(used):
    house, admin, _ = used
    in_csv = house.get("/api/admin/usage/export", token=admin.token).text
    times = [row["occurred_at"] for row in csv.DictReader(io.StringIO(in_csv))]
    assert times == [row["occurred_at"] for row in rows(used)]
    assert all(time[10] == "T" and time.endswith("Z") and datetime.fromisoformat(time) < START for time in times)


def test_a_user_by_id(used):
    _, admin, mira = used
    assert {row["user_id"] for row in rows(used, f"user_id={mira.id}")} == {mira.id}
    assert {row["session_id"] for row in rows(used, f"user_id={admin.id}")} == {C}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("format=xlsx", 422),
        ("source=session", 422),
        ("event_type=x", 422),
        ("sinse=7d", 422),
        ("since=yesterday", 400),
        ("until=2026-13-01", 400),
        ("since=7w", 400),
        ("since=7d&until=30d", 400),
        ("since=7d&until=7d", 400),
    ],
)
def test_what_is_refused(used, query, status):
    house, admin, _ = used
    assert house.get(f"/api/admin/usage/export?{query}", token=admin.token).status == status


def test_who_may_and_the_audit(used):
    house, _, mira = used
    assert house.get("/api/admin/usage/export", token=mira.token).status == 403
    assert house.get("/api/admin/usage/export").status == 401
    rows(used, "since=7d&source=curated")
    with house.state.read("telemetry") as db:
        found = db.execute("SELECT params FROM telemetry.audit WHERE action = 'usage.export'").fetchall()
    since = (START - timedelta(days=7)).isoformat()
    said = {"filters": {"since": since, "source": "curated"}, "format": "json", "row_count": 1}
    assert said in [json.loads(params) for (params,) in found]


def test_a_large_one_comes_by_url_and_goes_after_a_day(used):
    house, _, _ = used
    done = export.export(house.state, house.store, export.Filters(), kind="csv", clock=house.clock, inline_bytes=10)
    assert (done.body, bool(done.url)) == (None, True)
    (entry,) = house.store.list("exports/")
    assert house.store.read(entry.key).body.startswith(b"event_id,")
    assert exports.remove_old(house.store, now=entry.modified_at + timedelta(hours=23)) == 0
    assert exports.remove_old(house.store, now=entry.modified_at + timedelta(hours=25)) == 1
    assert not list(house.store.list("exports/"))


def test_moments():
    now = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert export.moment("since", "24h", now=now) == now - timedelta(days=1)
    assert export.moment("since", "2026-11-01", now=now) == datetime(2026, 11, 1, tzinfo=UTC)
    assert export.moment("since", "2026-11-01T01:00:00+02:00", now=now) == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert export.moment("since", None, now=now) is None
