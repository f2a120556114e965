"""Figures follow a plugin that its catalog renamed, through chains of renames; a plugin that takes the old name begins anew."""

from __future__ import annotations

from datetime import UTC, date, datetime
from random import Random

import pytest

from agnes.marketplace import former_names
from agnes.telemetry import service as telemetry
from agnes.telemetry.lake import ledger
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
