"""`agnes refresh-marketplace` with the real Claude Code client: from a grant to a plugin that works, and back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agnes.claude_code import versions
from agnes_local.demo_repository import File, write_files
from tests.builders.demo_marketplace import DemoMarketplace
from tests.builders.desk import Desk, steps
from tests.builders.sample_marketplace import small_plugin
from tests.builders.scripted_messages_api import Reply, Script, ScriptedMessagesApi, text

pytestmark = pytest.mark.client

FINOPS, CHARTKIT = "finops@agnes", "chartkit@agnes"
SKILL = "plugins/finops/skills/forecast/SKILL.md"


@pytest.fixture
def desk(demo: DemoMarketplace, tmp_path: Path) -> Desk:
    return Desk.of(demo, tmp_path)


@pytest.mark.parametrize("git", [pytest.param(True, id="git"), pytest.param(False, id="zip")])
def test_from_add_to_removal(demo: DemoMarketplace, tmp_path: Path, git: bool):
    desk = Desk.of(demo, tmp_path, git=git)
    desk.add("finops", "chartkit")
    first = desk.refresh("--bootstrap")
    assert first["fetched"] == ("git" if git else "zip")
    assert steps(first) == [("install", "chartkit", "project"), ("install", "finops", "project")]
    installed = desk.installed()
    assert {name: (plugin["version"], plugin["enabled"]) for name, plugin in installed.items()} == {
        name: (demo.card(desk.who, name.partition("@")[0])["version"], True) for name in (FINOPS, CHARTKIT)
    }
    script = Path(installed[FINOPS]["installPath"]) / "skills/forecast/scripts/forecast.py"
    assert os.access(script, os.X_OK)
    desk.client.plugin_validate(desk.copy)
    assert desk.check() == ""
    again = desk.refresh()
    assert (again["fetched"], again["done"]) == (None, [])

    content = demo.repository.files[SKILL].body.decode() + "6. Say which months were skipped.\n"
    demo.repository.change("New text, same version", {SKILL: content})
    demo.sync()
    assert desk.check() == "Agnes: finops has a new version. Run /update-agnes-plugins to have it."
    assert steps(desk.refresh()) == [("update", "finops", "project")]
    finops = desk.installed()[FINOPS]
    assert (Path(finops["installPath"]) / "skills/forecast/SKILL.md").read_text() == content
    assert finops["version"] == demo.card(desk.who, "finops")["version"]
    assert desk.check() == ""

    demo.revoke(desk.grants["chartkit"])
    assert desk.check().startswith("Agnes: chartkit left your stack.")
    assert steps(desk.refresh()) == [("uninstall", "chartkit", "project")]
    assert set(desk.installed()) == {FINOPS}

    demo.revoke(desk.grants["finops"])
    last = desk.refresh()
    assert (last["done"], last["kept"]) == ([], ["finops"])
    assert set(desk.installed()) == {FINOPS}, "an empty marketplace uninstalls nothing"
    assert desk.check() == ""


def test_what_is_not_ours_is_left_alone(demo: DemoMarketplace, tmp_path: Path, claude_version: str):
    desk = Desk.of(demo, tmp_path, claude_version=claude_version)
    client = desk.client
    other = {"name": "garden", "owner": {"name": "G"}, "plugins": [{"name": "finops", "source": "./plugins/finops"}]}
    files = {f"plugins/finops/{path}": File(body.encode()) for path, body in small_plugin("finops").items()}
    write_files(tmp_path / "garden", files | {".claude-plugin/marketplace.json": File(json.dumps(other).encode())})
    client.plugin_marketplace_add(tmp_path / "garden")
    client.plugin_install("finops@garden", scope="user")
    desk.add("chartkit")
    desk.refresh("--bootstrap")
    client.run("plugin", "disable", CHARTKIT, "--scope", "project")
    desk.add("finops")
    desk.refresh("--scope", "user")
    before = client.settings()

    demo.repository.release_finops("1.5.0")
    chart = "tools/chartkit/README.md"
    demo.repository.change("More about charts", {chart: "Charts.\n"})
    demo.sync()
    assert steps(desk.refresh()) == [("update", "chartkit", "project"), ("update", "finops", "user")]
    installed = desk.installed()
    assert installed[CHARTKIT]["enabled"] is False
    assert installed[CHARTKIT]["version"] == demo.card(desk.who, "chartkit")["version"]
    assert installed[FINOPS]["version"].startswith("1.5.0+")
    assert installed["finops@garden"]["version"] == "1.0.0"
    assert client.settings() == before

    desk.laptop.agnes("marketplace", "remove", f"{demo.slug}/finops")
    said = desk.refresh()
    if claude_version == versions.NEWEST:
        assert (steps(said), said["namesakes"]) == ([("uninstall", "finops", "user")], [])
        assert set(desk.installed()) == {CHARTKIT, "finops@garden"}
        return
    assert (said["done"], said["namesakes"]) == ([], ["finops"])
    assert set(desk.installed()) == {CHARTKIT, FINOPS, "finops@garden"}
    assert desk.check() == ""
    client.plugin_uninstall(FINOPS, scope="user")
    assert set(desk.installed()) == {CHARTKIT, FINOPS}, "the client takes the plugin of that name that is first"
    assert steps(desk.refresh()) == [("uninstall", "finops", "user")]
    assert set(desk.installed()) == {CHARTKIT}


def test_a_marketplace_of_our_name_from_elsewhere_is_not_replaced(desk: Desk, tmp_path: Path):
    mine = {"name": "agnes", "owner": {"name": "Me"}, "plugins": []}
    write_files(tmp_path / "mine", {".claude-plugin/marketplace.json": File(json.dumps(mine).encode())})
    desk.client.plugin_marketplace_add(tmp_path / "mine")
    desk.add("finops")
    done = desk.laptop.agnes("refresh-marketplace", "--bootstrap", check=False)
    assert (done.returncode, "another marketplace named agnes" in done.stderr) == (1, True)
    (known,) = desk.client.plugin_marketplace_list()
    assert known["installLocation"] == str(tmp_path / "mine")
    desk.client.plugin_marketplace_remove("agnes")
    assert steps(desk.refresh("--bootstrap")) == [("install", "finops", "project")]


def test_the_token_is_kept_in_one_file(desk: Desk):
    desk.add("finops")
    desk.refresh("--bootstrap")
    secret = desk.token.encode()
    places = [desk.laptop.home, desk.laptop.workspace]
    keeping = [p for place in places for p in place.rglob("*") if p.is_file() and secret in p.read_bytes()]
    assert keeping == [desk.laptop.home / "agnes" / "token.json"]


def test_a_starting_session_hears_of_news_and_of_an_ended_token(desk: Desk):
    desk.laptop.agnes("init")
    desk.add("finops")
    desk.refresh("--bootstrap")
    assert "Agnes: " not in told_in_a_session(desk)

    desk.add("chartkit")
    desk.demo.target.settle()
    assert "Agnes: chartkit is new. Run /update-agnes-plugins to have it." in told_in_a_session(desk)

    (kept,) = (token for token in desk.who.get("/auth/tokens").json() if desk.token.startswith(token["prefix"]))
    desk.who.delete(f"/auth/tokens/{kept['id']}", expect=204)
    desk.demo.target.settle()
    told = told_in_a_session(desk)
    assert "your plugins are not kept up to date" in told
    assert "agnes login" in told


def told_in_a_session(desk: Desk) -> str:
    """Everything that the model is told with the first prompt of a session."""
    with ScriptedMessagesApi([Script("main", [Reply([text("Hello.")])])]) as api:
        desk.laptop.claude(api.url).session("Say hello")
        api.assert_finished()
        return json.dumps([request.body["messages"] for request in api.turns()])
