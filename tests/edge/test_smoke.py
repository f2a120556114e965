"""The heart of each domain, once, in one installation: what `make check` proves of the whole product in a few seconds.

A domain's own tests prove the rest. A domain without a smoke test here fails.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agnes.accounts import repository
from agnes.outside.object_store.memory import MemoryStore
from agnes.tables import service as table_registry
from tests.builders.acme_team import ENVIRON, Team
from tests.builders.archives import SKILL, packed
from tests.builders.house import ROOT, House
from tests.builders.market import FleaMarket, QueueHere, ScriptedReviewer
from tests.builders.people import Person
from tests.builders.tables import add_source, register
from tests.builders.telemetry_house import run_usage, upload
from tests.builders.transcripts import Transcript

SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
LAYERS = {"claude_code", "edge", "kernel", "outside", "sql", "state"}
"""Packages below or beside the domains; `state` has a smoke test all the same."""


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Acme with its marketplace; Bob has finops and sent a session in which he used it; Ada is the admin."""
    folder = tmp_path_factory.mktemp("smoke")
    parts = {"queue": QueueHere(), "flea_reviewer": ScriptedReviewer()}
    with House(folder, environ=ENVIRON, store=MemoryStore(), **parts) as house:
        team = Team(house, folder, registered=True)
        team.grant("finops")
        assert team.install("bob", "finops").status == 200
        talk = Transcript(SESSION)
        talk.result(talk.use("Skill", skill="finops:forecast"), "Launching skill: finops:forecast")
        upload(house, person(team, "bob"), SESSION, talk.body())
        run_usage(house, person(team, "ada"))
        yield team
        house.state.close()


def person(team: Team, name: str) -> Person:
    me = team.call("GET", name, "/api/me").json()
    return Person(me["user_id"], me["email"], team.tokens[name])


def get(team: Team, path: str, who: str = "ada") -> Any:
    answer = team.call("GET", who, path)
    assert answer.status == 200, (path, answer.text)
    return answer.json()


def page(team: Team, path: str, who: str = "ada") -> str:
    answer = team.house.get(path, cookie=f"access_token={team.tokens[who]}")
    assert answer.status == 200, (path, answer.text)
    return answer.text


def access(team: Team) -> None:
    [group] = [one for one in get(team, "/api/admin/groups") if one["name"] == "Finance"]
    assert [one["email"] for one in get(team, f"/api/admin/groups/{group['id']}/members")] == ["bob@example.com"]


def accounts(team: Team) -> None:
    wrong = team.house.post("/auth/token", json_body={"email": "bob@example.com", "password": "no"})
    assert (wrong.status, wrong.json()["code"]) == (401, "invalid_credentials")
    assert team.house.login("bob@example.com", "battery staple")


def admin(team: Team) -> None:
    assert "bob@example.com" in page(team, "/admin/users")
    assert team.house.get("/admin/users", cookie=f"access_token={team.tokens['bob']}").status == 403


def audit(team: Team) -> None:
    assert "grant" in str(get(team, "/api/admin/activity"))


def browse(team: Team) -> None:
    assert "finops" in [item["name"] for item in get(team, "/api/marketplace/items", "bob")["items"]]
    assert "finops" in page(team, "/marketplace", "bob")


def checks(team: Team) -> None:
    """A credential in an upload is found, and not shown."""
    key = "AKIA" + "Q3EGRIDFORKQZT2B"
    body = packed({"SKILL.md": SKILL + f"\naws_access_key_id = {key}\n"})
    answer = market(team).preview(person(team, "eve"), body)
    assert "secret" in answer.text.lower(), answer.text
    assert key not in answer.text


def configuration(team: Team) -> None:
    """What an admin sets counts at once."""
    wish = {"sections": {"instance": {"name": "Acme Agnes"}}, "confirm_danger": True}
    saved = team.call("POST", "ada", "/api/admin/server-config", wish)
    assert saved.status == 200, saved.text
    assert get(team, "/api/admin/server-config")["sections"]["instance"]["name"] == "Acme Agnes"
    assert "Acme Agnes" in page(team, "/marketplace", "bob")


def directory(team: Team) -> None:
    """A directory's token reads the accounts; nobody else's does."""
    wish = {"name": "Directory", "scope": "scim"}
    made = team.post("ada", "/auth/tokens", wish, 201)["token"]
    listed = team.house.get("/scim/v2/Users", token=made).json()["Resources"]
    assert "bob@example.com" in [one["userName"] for one in listed]
    assert team.call("GET", "bob", "/scim/v2/Users").status == 403


def feed(team: Team) -> None:
    answer = team.call("GET", "bob", "/marketplace.zip")
    assert answer.status == 302, answer.text
    key = answer.headers["location"].partition("?")[0]
    name = "feed/" + key.partition("/feed/")[2]
    with zipfile.ZipFile(io.BytesIO(team.house.store.read(name).body)) as held:
        assert any(path.endswith("finops/.claude-plugin/plugin.json") for path in held.namelist())


def flea(team: Team) -> None:
    shop, eve = market(team), person(team, "eve")
    entity = shop.shared(eve, packed({"SKILL.md": SKILL}))
    assert shop.versions(eve, entity)[0]["is_live"]


def health(team: Team) -> None:
    assert team.house.get("/api/health").status == 200
    detailed = get(team, "/api/health/detailed")
    assert (detailed["status"], detailed["store"]["status"]) == ("healthy", "ok")


def hosting(team: Team) -> None:
    assert page(team, "/admin/cost")


def knowledge(team: Team) -> None:
    """A proposed fact waits for a review, and its author reads it."""
    fact = {"title": "Refunds are not revenue", "content": "Net revenue excludes refunds.", "domain": "finance"}
    made = team.call("POST", "bob", "/api/knowledge", fact)
    assert made.status == 201, made.text
    assert get(team, f"/api/knowledge/{made.json()['item_id']}", "bob")["item"]["content"] == fact["content"]


def marketplace(team: Team) -> None:
    [acme] = get(team, "/api/marketplaces")
    assert (acme["id"], acme["name"]) == ("acme", "Acme")
    assert "finops" in [plugin["name"] for plugin in get(team, "/api/marketplaces/acme/plugins")]


def news(team: Team) -> None:
    made = team.call("POST", "ada", "/api/news", {"title": "Friday", "body": "Lunch"})
    assert made.status == 201, made.text
    assert [article["title"] for article in get(team, "/api/news", "bob")] == ["Friday"]


def ops(team: Team) -> None:
    started = team.post("ada", "/api/admin/run/ops.prune_state?dry_run=true", None, 202)
    assert get(team, f"/api/admin/run/ops.prune_state?run_id={started['run_id']}")["status"] == "done"


def profile(team: Team) -> None:
    assert "bob@example.com" in page(team, "/me/profile", "bob")


def stack(team: Team) -> None:
    assert team.served("bob") == ["finops"]
    assert team.served("eve") == []


def state(team: Team) -> None:
    """Another process over the same store reads what this one committed."""
    with House(Path(team.house.environ["AGNES_DATA_DIR"]).parent / "again", store=team.house.store) as other:
        with other.state.read("people") as db:
            assert repository.find_login(db, "bob@example.com")
        other.state.close()


def tables(team: Team) -> None:
    add_source(team.house)
    made = register(team.house)
    with team.house.state.read("tables") as db:
        assert [table.id for table in table_registry.tables(db)] == [made.id]


def telemetry(team: Team) -> None:
    [used] = [item for item in get(team, "/api/marketplace/items", "bob")["items"] if item["name"] == "finops"]
    assert used["invocations_30d"] == 1


def trees(team: Team) -> None:
    [row] = [plugin for plugin in get(team, "/api/marketplaces/acme/plugins") if plugin["name"] == "finops"]
    assert any(row["tree_id"] in entry.key for entry in team.house.store.list("trees/"))


def market(team: Team) -> FleaMarket:
    return FleaMarket(team.house, team.house.wiring.queue, team.house.wiring.flea_reviewer)


SMOKE: list[Callable[[Team], None]] = [
    access, accounts, admin, audit, browse, checks, configuration, directory, feed, flea, health, hosting, knowledge,
    marketplace, news, ops, profile, stack, state, tables, telemetry, trees,
]  # fmt: skip


@pytest.mark.parametrize("domain", SMOKE, ids=lambda domain: domain.__name__)
def test_its_heart_beats(team: Team, domain: Callable[[Team], None]) -> None:
    domain(team)


def test_no_domain_is_without_one() -> None:
    packages = {file.parent.name for file in (ROOT / "shared" / "agnes").glob("*/__init__.py")}
    assert packages - LAYERS == {domain.__name__ for domain in SMOKE} - LAYERS
