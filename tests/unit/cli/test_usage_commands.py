"""`agnes admin usage …` against a house in which two models were used, one of which has no price."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import duckdb
import pytest

from agnes.outside.object_store.presigned import ROUTE
from agnes.telemetry.lake import exports
from agnes.telemetry.lake.export import INLINE_BYTES
from agnes_cli import spending
from agnes_cli.failures import BadInput
from tests.builders.telemetry_house import run_usage, serve, upload
from tests.builders.transcripts import Transcript
from tests.unit.cli.conftest import EMAIL

pytestmark = pytest.mark.slow

SESSION = "00000000-0000-4000-8000-000000000001"
LARGE = "00000000-0000-4000-8000-000000000002"
SAID = {"model": "mystery-1"}, {"model": "claude-sonnet-4-6"}


@pytest.fixture
def ada(office):
    """The laptop of an admin of a house with one session: 3 dollars of a known model, 700 tokens of an unknown one."""
    house = office.house
    serve(house, "finops", items=(("finops", "skill", "forecast"),))
    t = Transcript(SESSION, at=datetime(2026, 11, 20, 8, tzinfo=UTC), rng=random.Random(1))
    t.prompt("Forecast")
    for said, tokens in zip(SAID, ((700, 0, 0, 0), (1_000_000, 0, 0, 0)), strict=True):
        t.say([{"type": "text", "text": "Yes"}], tokens=tokens, attributionPlugin="finops", **said)
    t.result(t.use("Bash", command="ls", tokens=(0, 0, 0, 0)), "no", is_error=True)
    upload(house, office.mira, SESSION, t.body())
    run_usage(house, office.admin)
    made = house.post("/auth/tokens", token=office.admin.token, json_body={"name": "laptop"}).json()["token"]
    assert office.laptop.agnes("login", "--token-stdin", stdin=made + "\n").returncode == 0
    return office.laptop


def usage(laptop, *arguments):
    done = laptop.agnes("admin", "usage", *arguments)
    assert done.returncode == 0, done.stderr
    return done


def test_cost_follows_the_prices_and_is_unknown_without_one(ada):
    done = usage(ada, "cost")
    assert done.stdout.splitlines()[1].split() == [
        "finops", "acme/finops", "1,000,700", "0", "0", "0", "0", "0",
        *("$3.00", "+", "700", "tokens", "unpriced"), *("$3.00", "+", "700", "tokens", "unpriced"),
    ]  # fmt: skip
    assert "Without a price: mystery-1." in done.stderr
    costs = {
        row["bucket"]: row["cost_usd"]
        for row in json.loads(usage(ada, "cost", "--by", "model", "--json").stdout)["rows"]
    }
    assert costs == {"claude-sonnet-4-6": pytest.approx(3.0), "mystery-1": None}
    dollars = ["--input", "1000", "--output", "0", "--cache-read", "0", "--cache-write", "0"]
    assert "from 2026-11-01 on" in usage(ada, "prices", "set", "mystery*", "--from", "2026-11-01", *dollars).stdout
    listed = usage(ada, "prices")
    assert "mystery*" in listed.stdout
    assert "US dollars a million tokens" in listed.stderr
    done = usage(ada, "cost", "--by", "day", "--since", "2026-11-20", "--until", "2026-11-20")
    assert done.stdout.splitlines()[1].split() == ["2026-11-20", "1,000,700", *"00000", "$3.70"]
    usage(ada, "prices", "remove", "mystery*", "--from", "2026-11-01")
    assert "tokens unpriced" in usage(ada, "cost").stdout
    unsound = ada.agnes("admin", "usage", "prices", "set", "m", "--from", "2026-11-01", *dollars[2:], "--input", "nan")
    assert (unsound.returncode, "'nan' is no number" in unsound.stderr) == (2, True), unsound.stderr
    gone = ada.agnes("admin", "usage", "prices", "remove", "mystery*", "--from", "2026-11-01")
    assert (gone.returncode, "price_not_found" in gone.stderr) == (1, True)


def test_summary_and_query(ada):
    shown = usage(ada, "summary").stdout
    assert "mira@example.com" in shown
    assert "$3.00 + 700 tokens unpriced" in shown
    assert json.loads(usage(ada, "summary", "--window", "30d", "--json").stdout)["totals"]["errors"] == 1
    failed = usage(ada, "query", "--errors", "--since", "7d").stdout.splitlines()
    assert (len(failed), failed[1].split()[1:]) == (2, ["mira@example.com", "tool_use", "Bash", "builtin", "yes"])
    assert usage(ada, "query", "--text", "%").stderr.strip() == "Nothing matches."
    assert usage(ada, "query", "--group-by", "tool_name", "--event-type", "tool_use").stdout.splitlines()[1].split()[:5] == [
        "Bash", "1", "1", "1", "1",
    ]  # fmt: skip


def test_key_figures_are_those_of_the_route(ada):
    for group, total in (("usage", "tokens"), ("sessions", "total_tokens")):
        found = json.loads(ada.agnes("admin", group, "kpis", "--json").stdout)
        lines = dict(
            re.split(r"  +", line, maxsplit=1) for line in ada.agnes("admin", group, "kpis").stdout.splitlines()
        )
        assert lines["Tokens"] == f"{found[total]:,}"
        assert lines["Cache writes, 1 hour"] == f"{found['cache_creation_1h_tokens']:,}"
        assert (
            lines["Cache writes, 5 minutes"]
            == f"{found['cache_creation_tokens'] - found['cache_creation_1h_tokens']:,}"
        )
        assert lines["Web searches"] == f"{found['web_searches']:,}"
        assert lines["Cost"].startswith(f"${found['cost_usd']:,.2f}")
        assert (
            sum(found[f"{kind}_tokens"] for kind in ("input", "output", "cache_read", "cache_creation")) == found[total]
        )
        # Every figure of the route has a line, but rates, which stand beside what they are of, and the list of models.
        assert len(lines) == len(
            [k for k in found if "rate" not in k and k not in ("unpriced_models", "unpriced_tokens")]
        )
    none = ada.agnes("admin", "usage", "kpis", "--text", "nothing like this").stdout
    assert "Calls" in none


def test_export_prune_and_reprocess(office, ada, tmp_path):
    out = tmp_path / "events.csv"
    usage(ada, "export", "--out", str(out), "--since", "7d", "--user", "mira@example.com")
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert {row["session_id"] for row in rows} == {SESSION}
    assert list(csv.DictReader(io.StringIO(usage(ada, "export", "--since", "7d").stdout))) == rows
    assert list(tmp_path.glob(".events*")) == []
    wrong = ada.agnes("admin", "usage", "export", "--since", "soon", "--out", str(tmp_path / "none.csv"))
    assert (wrong.returncode, (tmp_path / "none.csv").exists()) == (1, False)
    assert "Nothing is pruned" in usage(ada, "prune", "--yes").stdout
    assert ada.agnes("admin", "usage", "reprocess", stdin="n\n").returncode == 1
    office.house.clock.sleep(1)
    assert usage(ada, "reprocess", "--yes").stdout.startswith("1 sessions")


def test_a_large_export_comes_from_the_store_whole_or_not_at_all(office, ada, tmp_path):
    deep = Transcript(LARGE, at=datetime(2026, 11, 21, 8, tzinfo=UTC), rng=random.Random(2), cwd="/" + "🗂" * 600)
    for _ in range(700):
        deep.use("Skill", skill="🗂" * 600)
    upload(office.house, office.mira, LARGE, deep.body())
    run_usage(office.house, office.admin)
    out = tmp_path / "events.json"
    out.write_text("of yesterday")
    wish = ["export", "--format", "json", "--user", EMAIL, "--out", str(out)]
    ended = {"code": "url_ended", "message": "the URL has ended"}
    office.server.refuse = lambda _method, path: (403, ended) if path.startswith(ROUTE) else None
    failed = ada.agnes("admin", "usage", *wish)
    assert (failed.returncode, "url_ended" in failed.stderr, out.read_text()) == (1, True, "of yesterday")
    office.server.refuse = lambda _method, _path: None
    usage(ada, *wish)
    assert office.server.seen[-1][1].startswith(f"{ROUTE}exports/")
    assert out.stat().st_size > INLINE_BYTES
    calls = [event for event in map(json.loads, out.read_text().splitlines()) if event["skill_name"]]
    assert len({event["event_id"] for event in calls}) == 700
    assert [path.name for path in tmp_path.glob("*events*")] == ["events.json"]


@contextmanager
def consumer(house, slice_events):
    """Exports in the background are made meanwhile, each part of a few events."""
    stop, queue = threading.Event(), house.wiring.queue

    def consume():
        while not stop.wait(0.05):
            for delivery in queue.receive(exports.QUEUE, visibility_seconds=60, max_attempts=3):
                which = json.loads(delivery.body)["export"]
                exports.run_queued(
                    house.state,
                    house.store,
                    queue,
                    which,
                    clock=house.clock,
                    part_seconds=-1,
                    slice_events=slice_events,
                )
                queue.acknowledge(delivery)

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_an_export_in_the_background_is_one_file_on_the_laptop(office, ada, tmp_path, kind):
    whole, out = tmp_path / f"whole.{kind}", tmp_path / f"events.{kind}"
    usage(ada, "export", "--format", kind, "--out", str(whole))
    too_large = {"code": "export_too_large", "message": "too many events for one answer"}
    office.server.refuse = lambda _, path: (413, too_large) if path.endswith("/usage/export") else None
    slices = 1 if kind != "parquet" else 1000  # in several parts, and in one
    with consumer(office.house, slices):
        usage(ada, "export", "--format", kind, "--out", str(out))
    if kind == "parquet":
        assert duckdb.sql(f"FROM '{out}'").fetchall() == duckdb.sql(f"FROM '{whole}'").fetchall()
    else:
        assert out.read_bytes() == whole.read_bytes()
        assert sum("/files/" in path for _, path in office.server.seen) > 1
    assert list(office.house.store.list("exports/")) == [], "nobody else knows of it"


def test_exports_are_listed_and_cancelled(office, ada):
    made = office.house.post("/api/admin/usage/exports", token=office.admin.token, json_body={}).json()
    assert [one["id"] for one in json.loads(usage(ada, "exports", "--json").stdout)] == [made["id"]]
    assert f"{made['id']}  queued  csv" in usage(ada, "exports").stdout
    assert usage(ada, "exports", "--remove", made["id"]).stdout == f"{made['id']}: removed.\n"
    assert "no exports" in usage(ada, "exports").stderr


def test_backfill(ada):
    assert usage(ada, "backfill").stdout == "The rollups of 1 day, from 2026-11-20 on, will be made anew.\n"
    assert json.loads(usage(ada, "backfill", "--json").stdout) == {
        "status": "started",
        "days": 1,
        "oldest": "2026-11-20",
    }


def test_a_backfill_without_events(office):
    made = office.house.post("/auth/tokens", token=office.admin.token, json_body={"name": "laptop"}).json()["token"]
    assert office.laptop.agnes("login", "--token-stdin", stdin=made + "\n").returncode == 0
    assert "nothing to make anew" in usage(office.laptop, "backfill").stdout


def test_it_is_for_admins(office):
    office.sign_in()
    for command in ("summary", "query", "cost", "prices", "export", "backfill"):
        refused = office.laptop.agnes("admin", "usage", command)
        assert (refused.returncode, "HTTP 403" in refused.stderr) == (1, True), refused.stderr


@pytest.mark.parametrize(
    ("cost", "unpriced", "shown"),
    [(None, 0, ""), (None, 5, "unknown price"), (0.0, 0, "$0.00"), (0.004, 0, "<$0.01"), (1234.5, 0, "$1,234.50")],
)
def test_an_unknown_cost_is_never_zero(cost, unpriced, shown):
    assert spending.cost({"cost_usd": cost, "unpriced_tokens": unpriced}) == shown


@pytest.mark.parametrize("span", ["", "7", "d", "-1d", "7w", "1.5h"])
def test_a_span_that_is_none(span):
    with pytest.raises(BadInput):
        spending.minutes(span)
