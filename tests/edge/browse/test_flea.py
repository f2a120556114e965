"""The flea market in listings, pages, stacks, the feed and the figures, over entities as an approval leaves them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest

from tests.builders import flea
from tests.builders.acme_team import ENVIRON, Team, code
from tests.builders.house import House
from tests.builders.people import Person
from tests.builders.telemetry_house import upload_form
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

EMPTIED = {
    "flea": ("flea.entities", "flea.items"),
    "stack": ("stack.entity_installs", "stack.subscriptions", "stack.audit"),
    "people": ("people.grants",),
    "marketplace": ("marketplace.blocked_trees",),
    "telemetry": ("telemetry.item_windows", "telemetry.item_daily"),
}
STATUSES = ("approved", "pending", "hidden", "archived")


@pytest.fixture(scope="module")
def house_of_all(tmp_path_factory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("flea")
    with House(folder, environ=ENVIRON) as house:
        yield Team(house, folder, registered=True)


@pytest.fixture
def team(house_of_all: Team) -> Team:
    """With nothing in the flea market, in no stack, and nothing granted or blocked."""
    for file, tables in EMPTIED.items():
        house_of_all.house.state.commit(
            file, lambda tx, names=tables: [tx.db.execute(f"DELETE FROM {name}") for name in names]
        )
    return house_of_all


def plant(team: Team, name: str, **given) -> str:
    owner = team.call("GET", "bob", "/api/me").json()["user_id"]
    house = team.house
    return flea.plant(
        house.state, house.store, owner_id=owner, name=name, now=house.clock.now(), entity_id=f"id-{name}", **given
    )


def page(team: Team, who: str, path: str, status: int = 200) -> str:
    answer = team.house.get(path, cookie=f"access_token={team.tokens[who]}")
    assert answer.status == status, answer.text
    return answer.text


def items(team: Team, who: str, query: str = "tab=flea") -> list[dict]:
    return team.call("GET", who, f"/api/marketplace/items?{query}").json()["items"]


def listed(team: Team, who: str, query: str = "tab=flea") -> list[str]:
    return [item["name"] for item in items(team, who, query)]


def test_there_is_no_tab_until_there_is_something_in_it(team):
    assert "Flea market" not in page(team, "eve", "/marketplace")
    plant(team, "notes")
    shown = page(team, "eve", "/marketplace?tab=flea")
    assert "Flea market" in shown
    assert "by bob" in shown


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        pytest.param("eve", {"approved"}, id="anybody: what is approved"),
        pytest.param("bob", {"approved", "pending", "hidden"}, id="the owner: their own, not archived"),
        pytest.param("ada", set(STATUSES), id="an admin: everything"),
    ],
)
def test_who_sees_what(team, who, seen):
    for status in STATUSES:
        plant(team, status, status=status)
    assert set(listed(team, who)) == {f"{status}-by-bob" for status in seen}
    for status in STATUSES:
        answer = team.call("GET", who, f"/api/marketplace/flea/id-{status}/detail")
        if status in seen or who == "bob":
            assert answer.status == 200
        else:
            assert code(answer, 404) == "entity_not_found"


def test_every_kind_has_its_page(team):
    skill, plugin = plant(team, "notes"), plant(team, "kit", kind="plugin")
    agent = plant(team, "auditor", kind="agent")
    shown = page(team, "eve", f"/marketplace/flea/{skill}")
    assert "/notes-by-bob:notes-by-bob" in shown
    assert "<dt>Owner</dt><dd>bob" in shown.lower() or "<dt>owner</dt>" in shown.lower()
    assert "Release notes" in shown
    assert "Curator" not in shown
    assert "@agent-auditor-by-bob:auditor-by-bob" in page(team, "eve", f"/marketplace/flea/{agent}")
    whole = page(team, "eve", f"/marketplace/flea/{plugin}")
    assert 'href="/marketplace?tab=flea"' in whole
    assert "Internal structure" in whole
    inner = page(team, "eve", f"/marketplace/flea/{plugin}/skill/notes")
    assert f'href="/marketplace/flea/{plugin}"' in inner
    assert "/kit-by-bob:notes" in inner
    page(team, "eve", f"/marketplace/flea/{plugin}/agent/auditor")
    page(team, "eve", f"/marketplace/flea/{plugin}/agent/nobody", 404)
    page(team, "eve", "/marketplace/flea/nothing", 404)


def test_the_answers_have_the_names_of_the_api(team):
    skill, plugin = plant(team, "notes"), plant(team, "kit", kind="plugin")
    one = team.call("GET", "eve", f"/api/marketplace/flea/{skill}/detail").json()
    assert (one["source"], one["type"], one["entity_id"], one["marketplace_id"]) == ("flea", "skill", skill, "")
    assert (one["plugin_name"], one["manifest_name"], one["author_name"]) == ("notes", "notes-by-bob", "bob")
    assert one["skills"] == one["agents"] == []  # a skill by itself has no structure
    assert one["telemetry"] is None
    whole = team.call("GET", "eve", f"/api/marketplace/flea/{plugin}/detail").json()
    assert [line["name"] for line in whole["skills"] + whole["agents"]] == ["notes", "auditor"]
    inner = team.call("GET", "eve", f"/api/marketplace/flea/{plugin}/skill/notes").json()
    assert (inner["marketplace_id"], inner["marketplace_name"]) == ("", "Flea market")
    assert inner["parent_display_name"] == "kit"


def test_what_is_added_is_served_and_counted_until_it_is_taken_off(team):
    skill = plant(team, "notes")
    path = f"/api/store/entities/{skill}/install"
    for _ in range(2):
        assert team.call("POST", "eve", path).json() == {"entity_id": skill, "installed": True}
    info = team.call("GET", "eve", "/marketplace/info").json()
    [served] = info["plugins"]
    assert (served["name"], served["source"], served["marketplace_slug"]) == ("notes-by-bob", "flea", "bob")
    [line] = team.call("GET", "eve", "/api/my-stack").json()["store"]
    assert (line["entity_id"], line["served"], line["status"]) == (skill, True, "approved")
    assert listed(team, "eve", "tab=my") == ["notes-by-bob"]
    assert team.call("GET", "bob", f"/api/marketplace/flea/{skill}/detail").json()["install_count"] == 1
    for _ in range(2):
        assert team.call("DELETE", "eve", path).json() == {"entity_id": skill, "installed": False}
    assert team.call("GET", "eve", "/marketplace/info").json()["plugins"] == []
    assert [a for a in team.audited("stack") if a.startswith("store.")] == [
        "store.entity.install",
        "store.entity.uninstall",
    ]


def test_archiving_keeps_who_has_it_and_ends_new_installs(team):
    skill = plant(team, "notes")
    path = f"/api/store/entities/{skill}/install"
    team.call("POST", "eve", path)
    flea.set_status(team.house.state, skill, "archived")
    assert [p["name"] for p in team.call("GET", "eve", "/marketplace/info").json()["plugins"]] == ["notes-by-bob"]
    assert "Remove from stack" in page(team, "eve", f"/marketplace/flea/{skill}")
    assert team.call("POST", "eve", path).json() == {"entity_id": skill, "installed": True}  # she has it already
    assert code(team.call("POST", "bob", path), 409) == "entity_not_approved"
    assert team.call("POST", "ada", path).status == 200
    assert team.call("DELETE", "eve", path).status == 200
    page(team, "eve", f"/marketplace/flea/{skill}", 404)


@pytest.mark.parametrize("status", ["hidden", "pending"])
def test_what_is_held_back_leaves_the_feed_and_comes_back(team, status):
    skill = plant(team, "notes")
    path = f"/api/store/entities/{skill}/install"
    team.call("POST", "eve", path)
    flea.set_status(team.house.state, skill, status)
    assert team.call("GET", "eve", "/marketplace/info").json()["plugins"] == []
    assert listed(team, "eve", "tab=my") == []
    assert team.call("GET", "eve", "/api/my-stack").json()["store"][0]["served"] is False
    flea.set_status(team.house.state, skill, "approved")
    assert len(team.call("GET", "eve", "/marketplace/info").json()["plugins"]) == 1


def test_what_nobody_may_see_cannot_be_added_and_anything_can_be_taken_off(team):
    plant(team, "draft", status="pending")
    assert code(team.call("POST", "eve", "/api/store/entities/id-draft/install"), 404) == "entity_not_found"
    assert code(team.call("POST", "bob", "/api/store/entities/id-draft/install"), 409) == "entity_not_approved"
    assert code(team.call("POST", "eve", "/api/store/entities/nothing/install"), 404) == "entity_not_found"
    assert team.call("DELETE", "eve", "/api/store/entities/nothing/install").status == 200
    assert team.house.post("/api/store/entities/id-draft/install").status == 401


def test_curated_wins_a_name_and_the_reason_is_told(team):
    """The served name of an entity may be a curated plugin's."""
    team.grant("finops", "everyone")
    team.install("eve", "finops")
    entity = plant(team, "finops", served_name="finops")
    team.call("POST", "eve", f"/api/store/entities/{entity}/install")
    info = team.call("GET", "eve", "/marketplace/info").json()
    assert [(p["name"], p["source"]) for p in info["plugins"]] == [("finops", "curated")]
    [hidden] = info["hidden"]
    reason = "the name is taken by finops of acme (curated)"
    assert (hidden["source"], hidden["reason"]) == ("flea", reason)
    assert_told(team, entity, reason)
    [granted] = team.call("GET", "eve", "/api/my-stack").json()["curated"]
    assert (granted["served"], granted["problem"], info["notes"]) == (True, None, [])
    # What wins is not marked, nor is the loser in the listing of somebody who has only one of the two.
    shown = {item["id"]: item["hidden_reason"] for item in items(team, "eve", "tab=my")}
    assert shown == {"curated-acme/finops": "", f"flea-{entity}": reason}
    team.call("POST", "bob", f"/api/store/entities/{entity}/install")
    assert [item["hidden_reason"] for item in items(team, "bob", "tab=my")] == [""]
    team.uninstall("eve", "finops")
    assert [item["hidden_reason"] for item in items(team, "eve", "tab=my")] == [""]


def assert_told(team: Team, entity: str, reason: str) -> None:
    """That something is in Eve's stack without being served: by the API, on its card and on its page."""
    [shared] = team.call("GET", "eve", "/api/my-stack").json()["store"]
    assert (shared["served"], shared["problem"]) == (False, reason)
    assert team.call("GET", "eve", f"/api/marketplace/flea/{entity}/detail").json()["hidden_reason"] == reason
    card = unescape(page(team, "eve", "/marketplace?tab=flea"))
    assert f"In your stack, but not served: {reason}." in card
    assert "In stack" not in card
    detail = unescape(page(team, "eve", f"/marketplace/flea/{entity}"))
    assert "In your stack, not served" in detail
    assert f"{reason[1:]}." in detail
    assert "Remove from stack" in detail
    assert "To have it in Claude Code now" not in detail


def test_of_two_entities_of_one_name_the_older_is_served(team):
    first = plant(team, "first", served_name="Notes")
    team.house.clock.sleep(60)
    second = plant(team, "second", served_name="notes")
    for entity in (second, first):
        team.call("POST", "eve", f"/api/store/entities/{entity}/install")
    [served] = team.call("GET", "eve", "/marketplace/info").json()["plugins"]
    assert served["name"] == "Notes"
    assert {item["id"]: item["hidden_reason"] for item in items(team, "eve", "tab=my")} == {
        f"flea-{first}": "",
        f"flea-{second}": "the name is taken by Notes of bob (flea)",
    }


def test_a_blocked_tree_is_served_by_nobody(team):
    skill = plant(team, "notes")
    team.call("POST", "eve", f"/api/store/entities/{skill}/install")
    [served] = team.call("GET", "eve", "/marketplace/info").json()["plugins"]
    team.post("ada", f"/api/admin/blocked-trees/{served['tree_id']}", {"reason": "steals"}, 200)
    info = team.call("GET", "eve", "/marketplace/info").json()
    assert info["plugins"] == []
    assert "steals" in info["hidden"][0]["reason"]
    assert_told(team, skill, info["hidden"][0]["reason"])


def test_my_stack_has_what_was_added_last_before_what_was_added_first(team):
    """Whichever is newer itself."""
    oldest, newest = plant(team, "oldest", created_at=team.house.clock.now() - timedelta(days=9)), plant(team, "newest")
    for entity in (newest, oldest):
        team.call("POST", "eve", f"/api/store/entities/{entity}/install")
        team.house.clock.sleep(60)
    assert listed(team, "eve", "tab=my") == ["oldest-by-bob", "newest-by-bob"]
    assert [line["entity_id"] for line in team.call("GET", "eve", "/api/my-stack").json()["store"]] == [oldest, newest]
    assert listed(team, "eve") == ["newest-by-bob", "oldest-by-bob"]


def test_calls_count_for_the_entity_under_its_served_name(team):
    skill, plugin = plant(team, "notes"), plant(team, "kit", kind="plugin")
    for entity in (skill, plugin):
        team.call("POST", "eve", f"/api/store/entities/{entity}/install")
    session = "aaaaaaaa-0000-4000-8000-000000000001"
    transcript = Transcript(session)
    for called in ("notes-by-bob:notes-by-bob", "kit-by-bob:notes", "kit-by-bob:notes"):
        transcript.result(transcript.use("Skill", skill=called), "Launching skill")
    eve = Person("", "eve@example.com", team.tokens["eve"])
    assert upload_form(team.house, eve, session, transcript.body()).status in (200, 201)
    team.call("POST", "ada", "/api/admin/run-session-processor?processor=usage")
    calls = {
        entity: team.call("GET", "eve", f"/api/marketplace/flea/{entity}/detail").json()["telemetry"]["invocations_30d"]
        for entity in (skill, plugin)
    }
    assert calls == {skill: 1, plugin: 2}
    inner = team.call("GET", "eve", f"/api/marketplace/flea/{plugin}/skill/notes").json()
    assert inner["telemetry"]["invocations_30d"] == 2
    assert listed(team, "eve", "tab=flea&sort=most_used") == ["kit-by-bob", "notes-by-bob"]


def test_the_buttons_work_without_script(team):
    skill = plant(team, "notes")
    cookie, origin = f"access_token={team.tokens['eve']}", {"Origin": "http://agnes.test"}
    path = f"/marketplace/flea/{skill}"
    added = team.house.post(
        path, cookie=cookie, form={"enabled": "true", "back": "/marketplace?tab=flea"}, headers=origin
    )
    assert (added.status, added.headers["location"]) == (303, "/marketplace?tab=flea")
    assert "In your stack" in page(team, "eve", path)
    removed = team.house.post(path, cookie=cookie, form={"enabled": "false"}, headers=origin)
    assert removed.headers["location"] == path
    assert "Add to stack" in page(team, "eve", path)


def test_documents_are_saved_by_who_may_see_the_entity(team):
    files = {"docs/how to.md": "# How", "docs/run.sh": "true"}
    plant(team, "notes", files=files)
    plant(team, "draft", files=files, status="pending")
    [document] = team.call("GET", "eve", "/api/marketplace/flea/id-notes/detail").json()["docs"]
    assert document["name"] == "how to.md"
    assert f'href="{document["url"]}"' in page(team, "eve", "/marketplace/flea/id-notes")
    answer = team.call("GET", "eve", document["url"])
    assert (answer.status, answer.text) == (200, "# How")
    assert answer.headers["content-disposition"] == 'attachment; filename="how_to.md"'
    folder = "/api/store/entities/id-notes/docs"
    assert code(team.call("GET", "eve", f"{folder}/README.md"), 404) == "file_not_found"
    assert code(team.call("GET", "eve", f"{folder}/docs%2Frun.sh"), 415) == "unsupported"
    assert code(team.call("GET", "eve", document["url"].replace("id-notes", "id-draft")), 404) == "entity_not_found"
    assert team.call("GET", "bob", document["url"].replace("id-notes", "id-draft")).status == 200


def test_the_crumb_of_a_skill_by_itself_is_what_it_is_called_by(team):
    plant(team, "notes")
    shown = page(team, "eve", "/marketplace/flea/id-notes")
    assert '<li aria-current="page">notes-by-bob</li>' in shown
    assert '<h1 id="detail-title">notes</h1>' in shown


def test_a_stack_of_a_skill_is_not_said_to_be_a_plugin(team):
    plant(team, "notes")
    team.call("POST", "eve", "/api/store/entities/id-notes/install")
    assert '<p class="muted" id="summary">1 item</p>' in page(team, "eve", "/marketplace?tab=my")
    assert "0 plugins" in page(team, "eve", "/marketplace")
    assert "1 item for “notes”" in page(team, "eve", "/marketplace?q=notes&scope=flea,curated")


def test_only_the_owner_s_card_and_the_admin_s_are_marked(team):
    for status in ("pending", "hidden"):
        plant(team, status, status=status)
    for who in ("bob", "ada"):
        shown = page(team, who, "/marketplace?tab=flea")
        assert "Under review" in shown
        assert "Quarantined" in shown
    assert "Under review" not in page(team, "eve", "/marketplace?tab=flea")


def test_an_archived_install_is_on_the_stack_s_page_with_a_way_off(team):
    plant(team, "notes")
    team.call("POST", "eve", "/api/store/entities/id-notes/install")
    flea.set_status(team.house.state, "id-notes", "archived")
    assert listed(team, "eve") == []
    shown = page(team, "eve", "/marketplace?tab=my")
    assert "Archived" in shown
    assert "Remove<span" in shown


def test_the_guide_is_linked(team):
    plant(team, "notes")
    assert 'href="/marketplace/guide/flea"' in page(team, "eve", "/marketplace?tab=flea")
    assert "Quarantined" in page(team, "eve", "/marketplace/guide/flea")


def test_an_owners_new_name_is_on_the_page_at_once(team):
    at = f"/api/marketplace/flea/{plant(team, 'cleaner')}/detail"
    bob = team.call("GET", "bob", "/api/me").json()["user_id"]

    def shown() -> tuple[str, int]:
        owner = team.call("GET", "ada", at).json()["owner_display"]
        return owner, len(items(team, "ada", "tab=flea&q=Robertson"))

    before = shown()
    team.call("PATCH", "ada", f"/api/users/{bob}", {"name": "Bob Robertson"})
    assert (before[1], shown()) == (0, ("Bob Robertson", 1))
    team.call("PATCH", "ada", f"/api/users/{bob}", {"name": before[0]})
    assert shown() == before
