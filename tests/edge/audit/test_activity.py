"""The audit as admins read it: of all files and objects, filtered, page by page."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from agnes.audit import service
from agnes.audit.model import ActivityQuery
from agnes.kernel import audit
from agnes.kernel.state import Actor, Change
from tests.builders.acme_team import code
from tests.builders.house import House
from tests.builders.people import add_person, seed_admin

pytestmark = pytest.mark.slow

PATHS = ("", "/sync", "/facets", "/kpis")


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Ada has made Bob and a group; somebody has guessed at Bob's password; Bob's name is hostile."""
    with House(tmp_path_factory.mktemp("house")) as house:
        ada = seed_admin(house)
        house.clock.sleep(60)
        bob = add_person(house, ada, "bob@example.com")
        house.call("PATCH", f"/api/users/{bob.id}", token=ada.token, json_body={"name": '100% "Böb"_'})
        house.clock.sleep(60)
        house.post("/api/admin/groups", token=ada.token, json_body={"name": "Finance", "description": "50% of all"})
        house.clock.sleep(60)
        wrong = {"email": "bob@example.com", "password": "wrong wrong"}
        assert house.post("/auth/token", json_body=wrong).status == 401
        house.state.commit("stack", lambda tx: tx.record(Change("plugin.install", "plugin:acme/x", {"é": "ü"})))
        house.clock.sleep(61)
        yield house, ada, bob


def read(lived, **asked) -> dict:
    house, ada, _ = lived
    answer = house.get(f"/api/admin/activity?{urlencode(asked)}", token=ada.token)
    assert answer.status == 200, answer.text
    return answer.json()


def actions(lived, **asked) -> list[str]:
    return [row["action"] for row in read(lived, **asked)["rows"] if row["action"] != "activity.read"]


def test_newest_first_over_all_files_and_objects(lived):
    rows = read(lived, limit=200)["rows"]
    assert [(row["ts"], row["id"]) for row in rows] == sorted(((row["ts"], row["id"]) for row in rows), reverse=True)
    assert {"plugin.install", "login_failed", "user_group.created", "user.create"} <= {row["action"] for row in rows}
    created = next(row for row in rows if row["action"] == "user.create")
    assert (created["user_email"], created["client_kind"]) == ("ada@example.com", "cli")
    login = next(row for row in rows if row["action"] == "login_succeeded" and row["user_email"] == "bob@example.com")
    assert login["user_name"] == '100% "Böb"_'  # what it is now
    assert login["params"] == {"method": "password"}


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_are_the_whole(lived, limit):
    whole = [row["id"] for row in read(lived, limit=200, action_prefix="")["rows"] if row["action"] != "activity.read"]
    found, cursor = [], {}
    while True:
        page = read(lived, limit=limit, **cursor)
        assert len(page["rows"]) <= limit
        found += [row["id"] for row in page["rows"] if row["action"] != "activity.read"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor_ts": page["next_cursor"]["ts"], "cursor_id": page["next_cursor"]["id"]}
    assert found == whole


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"action_prefix": "user_group."}, ["user_group.created"]),
        ({"action_prefix": "user_group%"}, []),
        ({"resource": "plugin:acme/x"}, ["plugin.install"]),
        ({"resource": "plugin:acme"}, []),
        ({"result_pattern": "error.%"}, ["login_failed"]),
        ({"result_pattern": "error"}, []),
        ({"q": "50% of"}, ["user_group.created"]),
        ({"q": "5_% of"}, []),
        ({"q": "Ü"}, ["plugin.install"]),
        ({"q": "ü"}, ["plugin.install"]),
        ({"q": '"Böb"_'}, ["user.update"]),
        ({"q": "fInAnCe"}, ["user_group.created"]),
        ({"user_id": "BOB@example.com", "action_prefix": "login_s"}, ["login_succeeded"]),
        ({"user_id": "nobody"}, []),
        ({"since_minutes": 1}, []),
    ],
)
def test_filters_mean_what_they_say(lived, asked, expected):
    assert actions(lived, **asked) == expected


def test_a_user_by_id(lived):
    _, _, bob = lived
    assert set(actions(lived, user_id=bob.id)) == {"login_succeeded"}


@pytest.mark.parametrize(
    "asked",
    [
        {"since_minutes": 0},
        {"since_minutes": 43201},
        {"since_minutes": "1e3"},
        {"limit": 0},
        {"limit": 201},
        {"result_pattern": "%a%a%a%a%a"},
        {"q": "\0"},
        {"q": "x" * 201},
        {"cursor_ts": "2026-11-23T09:00:00Z"},
        {"cursor_id": "x"},
        {"cursor_ts": "2026-11-23T09:00:00", "cursor_id": "x"},
        {"cursor_ts": "0001-01-01T00:00:00+14:00", "cursor_id": "x"},
        {"cursor_ts": "9999-12-31T23:59:59-14:00", "cursor_id": "x"},
        {"cursor_ts": "nan", "cursor_id": "x"},
        {"cursor_ts": "1e300", "cursor_id": "x"},
        {"order": "asc"},
    ],
)
def test_what_cannot_be_asked(lived, asked):
    house, ada, _ = lived
    assert code(house.get(f"/api/admin/activity?{urlencode(asked)}", token=ada.token), 422) == "invalid_input"


@pytest.mark.parametrize(
    "word", ["'; DROP TABLE people.audit; --", '"', "\\", "%", "_", "') OR ('1'='1", "$since", "{file}"]
)
def test_hostile_words_are_only_words(lived, word):
    for name in ("user_id", "action_prefix", "resource", "result_pattern", "q"):
        found = actions(lived, **{name: word})
        assert bool(found) is (
            (name, word) in (("result_pattern", "%"), ("q", '"'), ("q", "%"), ("q", "_"), ("q", "\\"))
        )


def test_what_one_person_did(lived):
    house, ada, bob = lived
    path = f"/api/admin/users/{bob.id}/activity"
    assert {row["action"] for row in house.get(path, token=ada.token).json()["rows"]} == {"login_succeeded"}
    row = read(lived, action_prefix="admin.user_activity_read")["rows"][0]
    assert (row["resource"], row["user_email"]) == (f"user:{bob.id}", "ada@example.com")
    assert code(house.get(path, token=bob.token), 403) == "admin_only"


def test_only_admins_read_it(lived):
    house, _, bob = lived
    for path in PATHS:
        assert code(house.get(f"/api/admin/activity{path}", token=bob.token), 403) == "admin_only"
        assert house.get(f"/api/admin/activity{path}").status == 401


def test_reading_is_audited_once_a_minute_for_each_filter(lived):
    house, _, _ = lived
    house.clock.sleep(120)
    for limit in (5, 6, 7):
        read(lived, q="spy", limit=limit)
    mine = [row for row in read(lived, action_prefix="activity.", limit=200)["rows"] if row["params"].get("q") == "spy"]
    assert [(row["user_email"], row["resource"]) for row in mine] == [("ada@example.com", "audit:")]
    house.clock.sleep(61)
    read(lived, q="spy")
    mine = [row for row in read(lived, action_prefix="activity.", limit=200)["rows"] if row["params"].get("q") == "spy"]
    assert len(mine) == 2


def test_facets_and_figures(lived):
    house, ada, bob = lived
    for base in ("/api/admin/activity", "/api/admin/observability"):
        facets = house.get(f"{base}/facets?since_minutes=1440", token=ada.token).json()
        kpis = house.get(f"{base}/kpis", token=ada.token).json()
        assert facets["complete"]
        assert {"value": bob.id, "label": "bob@example.com"}.items() <= facets["users"][1].items()
        assert {"value": "error.invalid_credentials", "count": 1, "label": ""} in facets["results"]
        assert {"value": "plugin:acme/x", "count": 1, "label": ""} in facets["resources"]
        assert sum(facet["count"] for facet in facets["sources"]) == kpis["events"]
        assert (kpis["errors"], kpis["active_users"]) == (1, 2)
        assert kpis["error_rate"] == pytest.approx(1 / kpis["events"])


def test_a_broken_object_hides_nothing(lived):
    house, _, _ = lived
    day = f"{house.clock.now():%Y-%m-%d}"
    for number, body in enumerate((b"", b"[]", b'{"at": 5, "id": "x"}', b'{"at": "2026-11-23T09:00:00Z"}', b"\xff")):
        house.store.write(f"audit/odd/day={day}/{number}.json", body, expect=audit.ABSENT)
    house.store.write("audit/odd/nothing.json", b"{}", expect=audit.ABSENT)
    assert "login_failed" in actions(lived, limit=200)


def test_the_sync_history_of_all_marketplaces(lived):
    house, ada, _ = lived
    assert house.get("/api/admin/activity/sync", token=ada.token).json() == []
    assert code(house.get("/api/admin/activity/sync?limit=500", token=ada.token), 422) == "invalid_input"


def test_pages_end_before_what_was_not_read(tmp_path):
    """More single objects than one answer reads: pages are short, and together they are the whole."""
    with House(tmp_path) as house:
        for number in range(40):
            house.clock.sleep(17)
            audit.record(house.store, Change("login_failed", "user:", {"n": number}), now=house.clock.now())
        found, cursor, pages, now = [], {}, 0, house.clock.now()
        while cursor is not None:
            query = ActivityQuery(action_prefix="login_f", **cursor)
            page = service.activity(house.state, house.store, query, now=now, max_objects=5)
            found += [row.params["n"] for row in page.rows]
            pages += 1
            following = page.next_cursor
            cursor = following and {"cursor_ts": following.ts, "cursor_id": following.id}
        assert found == list(reversed(range(40)))
        assert pages > 5
        since = now - timedelta(days=1)
        facets, kpis = service.overview(house.state, house.store, since=since, now=now, max_objects=5)
        assert not facets.complete
        assert 5 <= kpis.events < 40


def test_actor_of_a_job_has_no_name(lived):
    house, _, _ = lived
    house.state.commit(
        "stack", lambda tx: tx.record(Change("job.thing", "x:", {})), actor=Actor(client_kind="scheduler")
    )
    [row] = read(lived, action_prefix="job.thing")["rows"]
    assert (row["user_id"], row["user_email"], row["user_name"], row["client_kind"]) == ("", "", "", "scheduler")
    assert timedelta(0) <= timedelta(milliseconds=row["duration_ms"])
