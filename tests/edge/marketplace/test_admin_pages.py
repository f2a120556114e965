"""The admin's pages of marketplaces, as a browser without script uses them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.builders.acme_team import ENVIRON, WORDS, Team
from tests.builders.house import Answer, House

pytestmark = pytest.mark.slow

HOME = "/admin/marketplaces"
FINOPS = f"{HOME}/acme/plugins/finops"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory):
    """A team that several tests share: they leave `acme` as they found it."""
    yield from _team(tmp_path_factory.mktemp("office"))


@pytest.fixture
def team(tmp_path: Path):
    yield from _team(tmp_path)


def _team(folder: Path):
    with House(folder, environ=ENVIRON) as house:
        yield Team(house, folder, registered=True)


def see(team: Team, path: str, who: str = "ada", status: int = 200) -> str:
    answer = team.house.get(path, cookie=f"access_token={team.tokens[who]}")
    assert answer.status == status, answer.text
    return answer.text


def press(team: Team, path: str, who: str = "ada", origin: str = "http://agnes.test", **form: str) -> Answer:
    return team.house.post(path, cookie=f"access_token={team.tokens[who]}", form=form, headers={"Origin": origin})


def follow(team: Team, answer: Answer) -> str:
    """The page that a form leads to."""
    assert answer.status == 303, answer.text
    cookies = [f"access_token={team.tokens['ada']}", *(line.partition(";")[0] for line in answer.cookies)]
    page = team.house.get(answer.headers["location"].removeprefix("http://agnes.test"), cookie="; ".join(cookies))
    assert page.status == 200, page.text
    return page.text


def newest(team: Team) -> dict:
    return team.call("GET", "ada", "/api/marketplaces/acme/plugins/finops/versions").json()[0]


def test_from_registering_to_removing(office):
    form = {
        **WORDS,
        "slug": "second",
        "name": "Second",
        "url": office.market.url,
        "token": "s3cret-token",
        "hold": "true",
    }
    page = follow(office, press(office, HOME, **form, branch="", ref="", description=""))
    assert "Second is registered, and its plugins are being read." in page
    assert 'http-equiv="refresh"' in page
    assert office.house.wiring.queue.waiting("marketplace-sync") == 1
    assert "s3cret-token" not in page
    assert "One is stored; empty keeps it." in page
    page = follow(office, press(office, f"{HOME}/second/sync"))
    assert "The repository was read." in page
    assert page.count("Review<span") == 3
    assert 'http-equiv="refresh"' not in page
    assert "3 to review" in see(office, HOME)
    about = {key: value for key, value in form.items() if key in ("name", "url", "curator_name", "curator_email")}
    edit = about | {"action": "edit", "name": "Renamed", "branch": "", "ref": "", "description": "", "token": ""}
    assert "Renamed" in follow(office, press(office, f"{HOME}/second", **edit))
    [second] = [m for m in office.call("GET", "ada", "/api/marketplaces").json() if m["id"] == "second"]
    assert (second["has_token"], second["hold"], second["name"]) == (True, True, "Renamed")
    follow(office, press(office, f"{HOME}/second", **edit, clear_token="true"))
    assert "None is stored." in see(office, f"{HOME}/second")
    assert "New versions are served at once" in follow(
        office, press(office, f"{HOME}/second", action="switch", hold="false")
    )
    assert "are fetched" in follow(office, press(office, f"{HOME}/second", action="switch", allow_external="true"))
    page = follow(office, press(office, f"{HOME}/second", action="delete", purge="true"))
    assert "second is removed" in page
    assert "Renamed" not in page
    see(office, f"{HOME}/second", status=404)


def test_a_refused_form_says_why_and_keeps_what_was_typed(team):
    form = {
        **WORDS,
        "action": "register",
        "slug": "acme",
        "name": "Typed <name>",
        "url": team.market.url,
        "token": "s3cret-token",
    }
    answer = press(team, HOME, **form)
    assert answer.status == 409
    assert "The slug acme is taken. Choose another." in answer.text
    assert 'value="Typed &lt;name&gt;"' in answer.text
    assert "s3cret-token" not in answer.text
    answer = press(team, f"{HOME}/acme", action="edit", branch="main", ref="v1")
    assert (answer.status, "A marketplace follows a branch or is pinned, not both." in answer.text) == (400, True)
    team.market.write_manifest(b"{")
    answer = press(team, f"{HOME}/acme/sync")
    page = follow(team, answer)
    assert "The sync failed." in page
    assert "The last sync failed." in page


def test_a_review_shows_what_changed_and_takes_the_decision(team):
    follow(team, press(team, f"{HOME}/acme", action="switch", hold="true"))
    team.market.change(
        "hook", {"plugins/finops/commands/pay.md": "---\nallowed-tools: Bash\n---\n!`curl https://e.example`\n"}
    )
    team.market.release_finops("1.5.0")
    page = follow(team, press(team, f"{HOME}/acme/sync"))
    assert "Waiting for your review" in page
    version = newest(team)
    at = f"{FINOPS}/versions/{version['id']}"
    page = see(team, at)
    assert "Approve and serve it" in page
    assert "commands/pay.md: curl https://e.example" in page
    assert '<span class="line line--added">+5. Mention the currency.' in page
    assert "1 added, " in page
    answer = press(team, at, action="reject", reason=" ")
    assert (answer.status, "Say why it is rejected." in answer.text) == (400, True)
    assert "The version is rejected." in follow(team, press(team, at, action="reject", reason="Too chatty"))
    assert "Too chatty" in see(team, FINOPS)
    assert "The version is approved and served." in follow(team, press(team, at, action="approve", reason=""))
    assert newest(team)["is_served"]


def test_versions_are_rolled_back_rolled_out_and_stopped(team):
    first = newest(team)
    team.market.release_finops("1.5.0")
    team.sync()
    second = newest(team)
    page = follow(team, press(team, FINOPS, action="rollback", version=first["id"]))
    assert "Follow the repository again" in page
    assert not newest(team)["is_served"]
    page = follow(team, press(team, FINOPS, action="rollout", version=second["id"], group_id=team.group))
    assert "first to Finance" in page
    follow(team, press(team, FINOPS, action="end_rollout"))
    follow(team, press(team, FINOPS, action="follow"))
    assert newest(team)["is_served"]
    page = follow(team, press(team, FINOPS, action="block", tree_id=second["tree_id"], reason="It deletes files"))
    assert "It deletes files" in page
    assert not newest(team)["is_served"]
    follow(team, press(team, FINOPS, action="unblock", tree_id=second["tree_id"]))
    assert newest(team)["is_served"]


def test_a_plugin_is_switched_after_a_word_on_whom_it_touches(team):
    assert "0 people who have it in the stack lose it" in see(team, FINOPS)
    for action, shown in (("system", "system</span>"), ("disable", "Disabled</span>"), ("enable", "Active</span>")):
        assert shown in follow(team, press(team, FINOPS, action=action))
        row = re.search(r"<tr>\s*<th [^>]*><a href=\"[^\"]*/finops\".*?</tr>", see(team, f"{HOME}/acme"), re.DOTALL)[0]
        assert shown in row


def test_only_the_address_is_needed(team):
    page = follow(team, press(team, HOME, action="register", url=team.market.url))
    assert "is registered" in page
    made = [m for m in team.call("GET", "ada", "/api/marketplaces").json() if m["id"] != "acme"]
    assert len(made) == 1
    assert made[0]["curator_email"] == "ada@example.com"


def test_plugins_are_searched(team):
    assert "1 plugin<" in see(team, f"{HOME}/acme?q=finops")
    assert "No plugin matches" in see(team, f"{HOME}/acme?q=nothing-like-it")


@pytest.mark.parametrize("path", [HOME, f"{HOME}/acme", f"{HOME}/acme/sync", FINOPS, f"{FINOPS}/versions/x"])
def test_only_admins_come_in_and_no_other_site_presses_a_button(office, path):
    form = {"action": "system"}
    assert press(office, path, who="bob", **form).status == 403
    answer = press(office, path, origin="https://evil.example", **form)
    assert (answer.status, "This request was started by another site." in answer.text) == (403, True)
    if not path.endswith("/sync"):
        assert office.house.get(path).status == 302
        see(office, path, who="bob", status=403)


def test_the_format_guide_is_everybodys(office):
    assert "marketplace-metadata.json" in see(office, "/marketplace/format-guide", who="eve")
