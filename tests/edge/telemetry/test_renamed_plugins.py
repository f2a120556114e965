"""Figures follow a plugin that its catalog renamed, through chains of renames; a plugin that takes the old name begins anew."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime
from random import Random

import pytest

from agnes.marketplace import former_names
from agnes.telemetry import service as telemetry
from agnes.telemetry.lake import ledger
from agnes.telemetry.lake.batch import workbench
from agnes.telemetry.lake.event_stream import EventStream, Selection
from agnes.telemetry.lake.renames import followed_events
from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import figures, run_usage, serve, upload
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

FOUND = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def house(tmp_path):
    with House(tmp_path) as house:
        yield house


def session(number: int, plugin: str) -> tuple[str, bytes]:
    session_id = f"5d2c8a10-0001-4f00-9a00-0000000000{number:02}"
    t = Transcript(session_id, rng=Random(number))
    t.prompt("Forecast Q3")
    t.result(t.use("Skill", skill=f"{plugin}:go", tokens=(1, 2, 3, 4)), f"Launching skill: {plugin}:go")
    return session_id, t.body()


def rename(house: House, old: str, new: str) -> None:
    """As a sync does it: the row has the new name, the old one is removed; what led to the old name leads to the new one."""

    def change(tx):
        tx.db.execute("UPDATE marketplace.plugins SET removed_at = now() WHERE name = ?", [old])
        tx.db.execute(
            "INSERT INTO marketplace.plugins BY NAME SELECT * REPLACE (? AS name, NULL AS removed_at) FROM marketplace.plugins "
            "WHERE name = ?",
            [new, old],
        )
        tx.db.execute("DELETE FROM marketplace.items WHERE plugin_name = ?", [old])
        tx.db.execute(
            "INSERT INTO marketplace.items BY NAME SELECT 'acme' AS marketplace_id, ? AS plugin_name, 'skill' AS kind, 'go' AS name, "
            "'' AS description, '' AS relpath",
            [new],
        )
        tx.db.execute("UPDATE marketplace.renames SET new_name = ? WHERE new_name = ?", [new, old])
        tx.db.execute("INSERT INTO marketplace.renames VALUES ('acme', ?, ?, ?, ?)", [old, new, FOUND, FOUND])

    house.state.commit("marketplace", change)


def uses(house: House) -> dict[str, tuple[int, int]]:
    """Plugin → (invocations, people) of 30 days."""
    return {
        plugin: (row["invocations_30d"], row["distinct_users_30d"])
        for (plugin, kind, _), row in figures(house).items()
        if kind == "plugin"
    }


def test_what_the_old_name_was_used_is_the_new_ones(house):
    admin = seed_admin(house)
    mira, bob = (add_person(house, admin, f"{name}@example.com") for name in ("mira", "bob"))
    serve(house, "alpha", "other", items=(("alpha", "skill", "go"),))
    upload(house, mira, *session(1, "alpha"))
    run_usage(house, admin)
    assert uses(house) == {"alpha": (1, 1)}

    rename(house, "alpha", "beta")
    upload(house, mira, *session(2, "beta"))
    upload(house, bob, *session(3, "alpha"))  # their client has not been updated
    run_usage(house, admin)
    assert uses(house) == {"beta": (3, 2)}
    assert figures(house)["beta", "skill", "go"]["invocations_30d"] == 3

    rename(house, "beta", "gamma")
    upload(house, bob, *session(4, "gamma"))
    run_usage(house, admin)
    assert uses(house) == {"gamma": (4, 2)}
    item = ("curated", "acme", "gamma", "plugin", "gamma")
    with house.state.read("telemetry") as db:
        series = telemetry.daily_series(db, item, today=house.clock.now().date())
    assert sum(calls for _, calls in series) == 4
    rows = house.get("/api/admin/usage/summary?window=30d", token=admin.token)
    assert rows.status == 200, rows.text
    assert {one["plugin"] for one in rows.json()["top_plugins"]} == {"gamma"}


def test_events_and_their_exports_say_both_names(house):
    admin = seed_admin(house)
    mira = add_person(house, admin, "mira@example.com")
    serve(house, "alpha", "other", items=(("alpha", "skill", "go"),))
    upload(house, mira, *session(1, "alpha"))
    run_usage(house, admin)
    rename(house, "alpha", "beta")
    upload(house, mira, *session(2, "beta"))
    run_usage(house, admin)

    def get(path: str):
        answer = house.get(f"/api/admin/usage/{path}", token=admin.token)
        assert answer.status == 200, answer.text
        return answer

    calls = [
        (r["ref_id"], r["written_plugin"], r["skill_name"]) for r in get("query?event_type=tool_use").json()["rows"]
    ]
    assert sorted(calls) == [("beta", "alpha", "alpha:go"), ("beta", "beta", "beta:go")]
    groups = {row["bucket"]: row["invocations"] for row in get("query?group_by=item").json()["rows"]}
    assert groups["beta:go"] == 2
    assert "alpha:go" not in groups
    assert {r["bucket"]: r["invocations"] for r in get("query?group_by=ref_id").json()["rows"]}["beta"] == 2
    for part in ("alpha", "beta:go"):
        assert [r["ref_id"] for r in get(f"query?q={part}&event_type=tool_use").json()["rows"]].count("beta") in (1, 2)
    assert len(get("query?q=beta:go&event_type=tool_use").json()["rows"]) == 2
    assert {f["value"] for f in get("facets").json()["ref_id"]} == {"beta"}

    exported = [json.loads(line) for line in get("export?format=json&event_type=tool_use").body.splitlines()]
    assert {(one["plugin"], one["written_plugin"]) for one in exported} == {("beta", "alpha"), ("beta", "beta")}
    header, *rows = csv.reader(get("export?format=csv&event_type=tool_use").body.decode().splitlines())
    assert [row[header.index("plugin")] for row in rows] == ["beta", "beta"]
    assert header[-1] == "written_plugin"
    started = house.post("/api/admin/usage/exports", token=admin.token, json_body={"format": "json"})
    assert started.status == 202, started.text
    with house.state.read("telemetry") as db:
        renamed = ledger.renamed(db)
    assert renamed
    stream = EventStream(house.state, house.store, Selection("plugin IS NOT NULL", {}, None, None), "json")
    lines = [json.loads(line) for line in b"".join(stream.pieces()).splitlines()]
    assert {(one["plugin"], one["written_plugin"]) for one in lines} == {("beta", "alpha"), ("beta", "beta")}


def test_an_agent_in_force_has_its_present_name_too():
    """Of both joins, and of days: what came before a rename ended is another plugin's."""
    renamed = [("acme", "alpha", "beta", None, date(2026, 3, 10)), ("acme", "alpha", "delta", date(2026, 3, 10), None)]
    with workbench() as bench:
        bench.db.execute(
            """CREATE TABLE e AS SELECT * FROM (VALUES
                (TIMESTAMPTZ '2026-03-09 23:59:59+00', 'curated', 'acme', 'alpha', 'skill', 'go', 'curated', 'acme', 'alpha'),
                (TIMESTAMPTZ '2026-03-10 00:00:00+00', 'curated', 'acme', 'alpha', 'plugin', 'alpha', 'flea', NULL, 'alpha'),
                (TIMESTAMPTZ '2026-03-10 00:00:00+00', 'curated', 'zoo', 'alpha', 'skill', 'go', NULL, NULL, NULL),
                (TIMESTAMPTZ '2026-03-10 00:00:00+00', 'builtin', NULL, NULL, NULL, NULL, 'curated', 'acme', 'alpha')
            ) AS r(occurred_at, source, marketplace_id, plugin, item_kind, item_name, agent_source, agent_marketplace_id,
                agent_plugin)"""
        )
        rows = bench.db.execute(
            "SELECT plugin, item_name, agent_plugin, written_plugin FROM "
            f"({followed_events('FROM e', renamed)}) ORDER BY written_plugin, plugin"
        ).fetchall()
    assert rows == [
        ("alpha", "go", None, "alpha"),
        ("beta", "go", "beta", "alpha"),
        ("delta", "delta", "alpha", "alpha"),
        (None, None, "delta", None),
    ]


def test_a_name_that_is_used_again_begins_anew(house):
    day = {n: date(2026, 3, n) for n in range(1, 30)}

    def change(tx):
        past = "INSERT INTO marketplace.past_renames VALUES ('acme', ?, ?, ?)"
        tx.db.execute(past, ["alpha", "beta", datetime(2026, 3, 10, 12, tzinfo=UTC)])
        tx.db.execute(past, ["alpha", "delta", datetime(2026, 3, 20, 12, tzinfo=UTC)])
        tx.db.execute("INSERT INTO marketplace.renames VALUES ('acme', 'beta', 'gamma', ?, ?)", [FOUND, FOUND])
        tx.db.execute("INSERT INTO marketplace.renames VALUES ('acme', 'gone', NULL, ?, ?)", [FOUND, FOUND])

    house.state.commit("marketplace", change)
    with house.state.read("marketplace") as db:
        found = former_names.used_as(db)
    assert found == [
        ("acme", "alpha", "delta", day[10], day[20]),
        ("acme", "alpha", "gamma", None, day[10]),
        ("acme", "beta", "gamma", None, None),
    ]

    def daily(tx):
        ledger.set_renamed(tx, found)
        for number, plugin in ((1, "alpha"), (1, "beta"), (12, "alpha"), (25, "alpha")):
            tx.db.execute(
                "INSERT INTO telemetry.item_daily BY NAME SELECT ?::DATE AS day, 'curated' AS source, 'acme' AS marketplace_id, "
                "? AS plugin, 'plugin' AS kind, ? AS name, 1 AS invocations, 1 AS distinct_users, 0 AS errors, 0 AS input_tokens, "
                "0 AS output_tokens, 0 AS cache_read_tokens, 0 AS cache_creation_tokens",
                [day[number], plugin, plugin],
            )

    house.state.commit("telemetry", daily)
    with house.state.read("telemetry") as db:
        calls = {
            plugin: sum(
                n for _, n in telemetry.daily_series(db, ("curated", "acme", plugin, "plugin", plugin), today=day[29])
            )
            for plugin in ("alpha", "beta", "gamma", "delta")
        }
    assert calls == {"alpha": 1, "beta": 0, "gamma": 2, "delta": 1}
