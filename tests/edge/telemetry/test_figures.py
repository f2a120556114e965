"""Usage figures, tokens and cost: computed by hand, over a price change, an unpriced model and two people.

The clock stands at 2026-11-23 09:00. Each line of the table is one response: day of November, who, model, tokens (input,
output, cache read, cache creation), the plugin in force. Prices a million: sonnet 3/15/0.3/3.75 from the start and
6/30/0.6/7.5 from the 21st on; nobody knows what mystery-1 costs.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests.builders.house import House
from tests.builders.people import Person, add_person, seed_admin
from tests.builders.telemetry_house import run_usage, serve, upload
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

SONNET, MYSTERY = "claude-sonnet-4-6", "mystery-1"
RESPONSES = [
    (20, "mira", SONNET, (1_000_000, 0, 0, 0), "finops"),  # 3.00
    (21, "mira", SONNET, (0, 1_000_000, 0, 0), "finops"),  # 30.00
    (21, "noah", SONNET, (0, 0, 1_000_000, 1_000_000), None),  # 0.60 + 7.50
    (22, "noah", MYSTERY, (500, 500, 0, 0), "finops"),  # unknown
]
OLD = {"finops": 33.0, "everything": 41.1}


@dataclass
class Used:
    house: House
    admin: Person
    mira: Person
    noah: Person

    def get(self, path: str, who: Person | None = None):
        return self.house.get(path, token=(who or self.admin).token)

    def json(self, path: str):
        answer = self.get(path)
        assert answer.status == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    with House(tmp_path_factory.mktemp("house")) as house:
        serve(house, "finops", items=(("finops", "skill", "forecast"),))
        admin = seed_admin(house)
        people = {name: add_person(house, admin, f"{name}@example.com") for name in ("mira", "noah")}
        put_price(house, admin, valid_from="2026-11-21", input=6, output=30, cache_read=0.6, cache_write=7.5)
        for number, (day, name, model, tokens, plugin) in enumerate(RESPONSES):
            session = f"00000000-0000-4000-8000-{number:012d}"
            t = Transcript(session, at=datetime(2026, 11, day, 8, tzinfo=UTC), rng=random.Random(number))
            t.prompt("Forecast")
            attribution = {"attributionPlugin": plugin, "attributionSkill": f"{plugin}:forecast"} if plugin else {}
            t.say([{"type": "text", "text": "Yes"}], tokens=tokens, model=model, **attribution)
            t.result(t.use("Skill", skill="finops:forecast", tokens=(0, 0, 0, 0)), "ok")
            t.result(t.use("Bash", command="ls", tokens=(0, 0, 0, 0)), "no", is_error=day == 22)
            upload(house, people[name], session, t.body())
        run_usage(house, admin)
        yield Used(house, admin, people["mira"], people["noah"])
        house.state.close()


def put_price(house: House, admin: Person, model: str = "claude-sonnet-4*", **given):
    answer = house.call("PUT", "/api/admin/usage/prices", token=admin.token, json_body={"model": model, **given})
    assert answer.status == 200, answer.text
    return answer.json()


def test_cost_by_day_crosses_a_price_change(used):
    found = used.json("/api/admin/usage/cost?by=day&since=2026-11-20&until=2026-11-23")
    assert [(row["bucket"], row["cost_usd"], row["unpriced_tokens"]) for row in found["rows"]] == [
        ("2026-11-20", pytest.approx(3.0), 0),
        ("2026-11-21", pytest.approx(38.1), 0),
        ("2026-11-22", None, 1000),  # unknown, never zero
    ]
    assert found["total"]["cost_usd"] == pytest.approx(OLD["everything"])
    assert found["total"]["unpriced_tokens"] == 1000
    assert found["unpriced_models"] == [MYSTERY]
    assert found["currency"] == "USD"


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("plugin", [("finops", 33.0, 1000)]),
        ("skill", [("forecast", 33.0, 1000)]),
        ("agent", []),
        ("model", [(SONNET, 41.1, 0), (MYSTERY, None, 1000)]),
        ("user", [("mira@example.com", 33.0, 0), ("noah@example.com", 8.1, 1000)]),
    ],
)
def test_cost_by_something_dearest_first(used, by, rows):
    found = used.json(f"/api/admin/telemetry/cost?by={by}")
    got = [(r["bucket"], r["cost_usd"] and round(r["cost_usd"], 6), r["unpriced_tokens"]) for r in found["rows"]]
    assert got == rows


def test_the_summary_is_what_happened(used):
    found = used.json("/api/admin/usage/summary?window=7d")
    assert {name: found["totals"][name] for name in ("people", "sessions", "prompts", "calls", "errors")} == {
        "people": 2,
        "sessions": 4,
        "prompts": 4,
        "calls": 8,
        "errors": 1,
    }
    assert found["totals"]["unpriced_models"] == [MYSTERY]
    assert [
        (t["tool_name"], t["source"], t["invocations"], t["people"], t["sessions"]) for t in found["top_tools"]
    ] == [
        ("Bash", "builtin", 4, 2, 4),
        ("Skill", "curated", 4, 2, 4),
    ]
    assert [(u["username"], u["invocations"], u["tokens"]) for u in found["top_users"]] == [
        ("mira@example.com", 4, 2_000_000),
        ("noah@example.com", 4, 2_001_000),
    ]
    assert found["error_rate"] == []  # nothing was called 5 times
    assert [(p["name"], p["invocations"], p["people"]) for p in found["top_plugins"]] == [("finops", 4, 2)]
    assert len(found["dau_series"]) == 30
    assert [day["users"] for day in found["dau_series"][-4:]] == [1, 2, 1, 0]
    assert found["dau_avg"] == round(4 / 30, 2)
    assert all(line["count"] >= 5 for line in found["slow_actions"])


def test_the_summary_is_audited_once_a_minute(used):
    for _ in range(3):
        used.json("/api/admin/usage/summary?window=90d")
    rows = used.json("/api/admin/activity?action_prefix=usage.summary")["rows"]
    assert len([row for row in rows if row["params"] == {"window": "90d"}]) == 1


def test_key_figures_and_facets_of_events(used):
    found = used.json("/api/admin/usage/kpis")
    assert (found["invocations"], found["errors"], found["error_rate"]) == (8, 1, 0.125)
    assert (found["distinct_users"], found["distinct_sessions"], found["prompts"]) == (2, 4, 4)
    assert found["cost_usd"] == pytest.approx(OLD["everything"])
    assert found["unpriced_models"] == [MYSTERY]
    only = used.json("/api/admin/usage/kpis?username=MIRA@example.com&source=curated")
    assert (only["invocations"], only["distinct_users"]) == (2, 1)
    facets = used.json("/api/admin/telemetry/facets?event_type=tool_use")
    assert facets["tool_name"] == [{"value": "Bash", "count": 4}, {"value": "Skill", "count": 4}]
    assert facets["username"] == [{"value": f"{n}@example.com", "count": 4} for n in ("mira", "noah")]
    assert {facet["value"] for facet in facets["event_type"]} == {"tool_use", "prompt", "message"}, (
        "another may be chosen"
    )
    chosen = used.json("/api/admin/usage/facets?username=mira@example.com&tool_name=Bash")
    assert chosen["username"] == [{"value": f"{n}@example.com", "count": 2} for n in ("mira", "noah")]
    assert chosen["tool_name"] == [{"value": "Bash", "count": 2}, {"value": "Skill", "count": 2}]
    assert chosen["event_type"] == [{"value": "tool_use", "count": 2}]


def test_nothing_is_counted_as_zero(used):
    found = used.json("/api/admin/usage/kpis?username=nobody@example.com")
    counted = ("invocations", "errors", "error_rate", "distinct_users", "prompts", "responses", "tokens")
    assert [found[name] for name in counted] == [0] * len(counted)
    assert found["cost_usd"] is None


def test_a_typed_command_and_its_call_are_one_everywhere(tmp_path):
    """Two sessions, the second a fork of the first; 5 calls, of which one failed."""
    with House(tmp_path) as house:
        serve(house, "finops", items=(("finops", "skill", "forecast"), ("finops", "command", "close")))
        admin = seed_admin(house)
        t = Transcript(at=datetime(2026, 11, 22, 23, 59, 58, tzinfo=UTC))
        t.command("finops:forecast")
        t.result(t.use("Skill", skill="finops:forecast"), "ok")
        t.command("finops:close")
        t.command("unknown:thing")
        upload(house, admin, t.session, t.body())
        fork = "77777777-0002-4f00-9a00-00000000bbbb"
        t.result(t.use("mcp__plugin_finops_db__q"), "no", is_error=True)
        t.result(t.use("Bash", command="ls"), "ok")
        upload(house, admin, fork, t.body().replace(t.session.encode(), fork.encode()))
        run_usage(house, admin)

        def asked(path: str) -> dict:
            return house.get(f"/api/admin/usage/{path}", token=admin.token).json()

        totals, kpis = asked("summary?window=7d")["totals"], asked("kpis")
        assert (totals["calls"], totals["errors"], totals["prompts"]) == (5, 1, 3)
        assert (kpis["invocations"], kpis["errors"], kpis["prompts"]) == (5, 1, 3)
        assert kpis["tokens"] == totals["spent"]["tokens"]
        days = [(row["bucket"], row["invocations"]) for row in asked("query?group_by=day")["rows"]]
        assert days == [("2026-11-22", 1), ("2026-11-23", 4)]
        assert asked("query")["total"] == 5
        assert asked("query?event_type=slash_command")["total"] == 3
        house.state.close()


def test_rows_and_groups(used):
    rows = used.json("/api/admin/usage/query?only_errors=true")
    assert [(r["tool_name"], r["username"], r["is_error"]) for r in rows["rows"]] == [
        ("Bash", "noah@example.com", True)
    ]
    page = used.json("/api/admin/usage/query?limit=3&sort=occurred_at:asc")
    assert (len(page["rows"]), page["total"], page["next_offset"]) == (3, 8, 3)
    last = used.json("/api/admin/usage/query?limit=3&offset=6")
    assert (len(last["rows"]), last["next_offset"]) == (2, None)
    days = used.json("/api/admin/usage/query?group_by=day")["rows"]
    assert [(d["bucket"], d["invocations"], d["distinct_users"], d["errors"]) for d in days] == [
        ("2026-11-20", 2, 1, 0),
        ("2026-11-21", 4, 2, 0),
        ("2026-11-22", 2, 1, 1),
    ]
    by_cost = used.json("/api/admin/usage/query?group_by=username&sort=cost_usd:desc")["rows"]
    assert [(r["bucket"], round(r["cost_usd"], 6), r["unpriced_tokens"]) for r in by_cost] == [
        ("mira@example.com", 33.0, 0),
        ("noah@example.com", 8.1, 1000),
    ]
    assert [r["bucket"] for r in used.json("/api/admin/usage/query?group_by=ref_id")["rows"]] == ["", "finops"]


@pytest.mark.parametrize(("q", "calls"), [("forec", 4), ("FORECAST", 4), ("%", 0), ("f_recast", 0), ("'; --", 0)])
def test_what_is_searched_for_is_taken_literally(used, q, calls):
    from urllib.parse import quote

    assert used.json(f"/api/admin/usage/query?q={quote(q)}")["total"] == calls


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("query?since_minutes=0", 422),
        ("query?limit=501", 422),
        ("query?offset=50001", 422),
        ("query?group_by=cwd", 422),
        ("query?colour=red", 422),
        ("query?sort=cwd:sideways", 200),  # an unknown order is the usual one
        ("query?sort=tool_name%3Bdrop", 200),
        ("kpis?source=elsewhere", 422),
        ("facets?event_type=x", 422),
        ("summary?window=2d", 422),
        ("cost?by=weather", 422),
        ("cost?since=yesterday", 422),
        ("cost?since=2026-11-23&until=2026-11-20", 400),
        ("cost?since=1990-01-01", 400),
        ("prices?x=1", 200),
    ],
)
def test_parameters(used, path, status):
    assert used.get(f"/api/admin/usage/{path}").status == status


@pytest.mark.parametrize("path", ["query", "kpis", "facets", "summary", "cost", "prices"])
@pytest.mark.parametrize("prefix", ["usage", "telemetry"])
def test_only_admins(used, prefix, path):
    assert used.get(f"/api/admin/{prefix}/{path}", used.mira).status == 403
    assert used.house.get(f"/api/admin/{prefix}/{path}").status == 401


def test_an_empty_house_has_sound_answers(tmp_path):
    with House(tmp_path) as house:
        admin = seed_admin(house)
        for path in ("query", "query?group_by=day", "kpis", "facets", "summary?window=all", "cost", "cost?by=day"):
            assert house.get(f"/api/admin/usage/{path}", token=admin.token).status == 200, path
        house.state.close()


def test_costs_stand_beside_items_and_follow_a_price(used):
    def shown() -> tuple:
        with used.house.state.read("telemetry") as db:
            return db.execute(
                "SELECT cost_usd_30d, unpriced_tokens_30d FROM telemetry.item_windows WHERE kind = 'plugin'"
            ).fetchone()

    assert shown() == (pytest.approx(33.0), 1000)
    put_price(
        used.house, used.admin, MYSTERY, valid_from="2026-11-01", input=1000, output=0, cache_read=0, cache_write=0
    )
    assert run_usage(used.house, used.admin)["windows_day"] == "2026-11-23"
    assert shown() == (pytest.approx(33.5), 0)
    gone = f"/api/admin/usage/prices?model={MYSTERY}&valid_from=2026-11-01"
    assert used.house.call("DELETE", gone, token=used.admin.token).status == 204
    assert used.house.call("DELETE", gone, token=used.admin.token).status == 404
    run_usage(used.house, used.admin)
    assert shown() == (pytest.approx(33.0), 1000)


def test_prices_are_listed_and_audited(used):
    found = used.json("/api/admin/usage/prices")
    mine = next(p for p in found if p["model"] == "claude-sonnet-4*" and p["valid_from"] == "2026-11-21")
    assert (mine["output"], mine["set_by"]) == (30, used.admin.email)
    assert mine["source"] == "admin"
    listed = next(
        p for p in found if p["model"] == "claude-opus-4-5" and p["source"] == "list" and p["speed"] == "standard"
    )
    assert (listed["input"], listed["cache_write"], listed["cache_write_1h"], listed["web_search"]) == (5, 6.25, 10, 10)
    rows = used.json("/api/admin/activity?action_prefix=usage.price")["rows"]
    assert {row["action"] for row in rows} >= {"usage.price.set"}


@pytest.mark.parametrize(
    "wish",
    [
        {"model": "claude; drop"},
        {"model": "*x"},
        {"model": ""},
        {"input": -1},
        {"output": "NaN"},
        {"cache_read": 1e9},
        {"valid_from": "soon"},
        {"currency": "EUR"},
    ],
)
def test_unsound_prices(used, wish):
    sound = {"model": "m", "valid_from": "2026-01-01", "input": 1, "output": 1, "cache_read": 1, "cache_write": 1}
    answer = used.house.call("PUT", "/api/admin/usage/prices", token=used.admin.token, json_body={**sound, **wish})
    assert answer.status == 422, answer.text


def page(used: Used, path: str, who: Person, status: int = 200) -> str:
    answer = used.house.get(path, cookie=who.cookie)
    assert answer.status == status, answer.text
    return answer.text


def test_the_dashboard_shows_the_figures_as_charts_tables_and_totals(used):
    shown = page(used, "/admin/usage?window=7d", used.admin)
    assert "$41.10" in shown
    assert f"No price is set for <bdi>{MYSTERY}</bdi>: " in shown
    assert shown.count("data-chart=") == 6
    assert 'data-value="30.0"' not in shown  # the day has what both took
    assert 'data-value="38.1"' in shown
    assert f'href="/admin/users/{used.mira.id}"' in shown
    assert page(used, "/admin/usage?window=all", used.admin).count("<tr>") > 20
    page(used, "/admin/usage?window=2d", used.admin, 422)
    page(used, "/admin/usage", used.mira, 403)


def test_names_that_a_transcript_invents_stay_in_their_place(tmp_path):
    with House(tmp_path) as house:
        serve(house, "finops")
        house.state.commit(
            "marketplace",
            lambda tx: tx.db.execute("UPDATE marketplace.plugins SET tree_id = 't' WHERE name = 'finops'"),
        )
        admin = seed_admin(house)
        t = Transcript()
        for number in range(60):
            t.say([{"type": "text", "text": "x"}], model=f"\u202e<b>{number:02}")
        t.use("Skill", skill="finops:../a?b=1#c", tokens=(0, 0, 0, 0))
        upload(house, admin, t.session, t.body())
        run_usage(house, admin)
        shown = house.get("/admin/usage", cookie=admin.cookie).text
        assert shown.count("<bdi>\u27e6U+202E\u27e7&lt;b&gt;") == 5
        assert "and 55 more: " in shown
        assert shown.count("\u27e6U+202E\u27e7&lt;b&gt;") == 55  # five in the sentence, fifty in the table
        assert 'href="/marketplace/curated/acme/finops/skill/..%2Fa%3Fb%3D1%23c"' in shown
        assert len(house.get("/api/admin/usage/kpis", token=admin.token).json()["unpriced_models"]) == 60
        house.state.close()


def test_ones_own_page_has_only_ones_own(used):
    shown = page(used, "/me/usage", used.mira)
    assert "$33.00" in shown
    assert MYSTERY not in shown
    assert "noah" not in shown
    assert MYSTERY in page(used, "/me/usage", used.noah)
    assert "Nothing of yours has arrived" in page(used, "/me/usage", used.admin)
