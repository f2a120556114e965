"""`agnes marketplace …` and `agnes my-stack …` against a house."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agnes_cli.commands.marketplace.detail import _cost
from tests.builders import flea
from tests.builders.people import Person
from tests.builders.telemetry_house import run_usage, upload
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def open_bob(open_shop):
    return open_shop.laptop("bob", git=False)


@pytest.fixture
def bob(shop):
    shop.team.grant("finops")
    shop.team.grant("chartkit")
    return shop.laptop("bob", git=False)


def test_what_search_prints_add_takes(shop, bob):
    lines = bob.agnes("marketplace", "search", "forecast").stdout.splitlines()
    assert lines[0].split()[:2] == ["ID", "VERSION"]
    given = lines[1].split()[0]
    assert given == "curated-acme/finops"
    added = bob.agnes("marketplace", "add", given)
    assert (added.returncode, added.stdout) == (0, "curated-acme/finops is in your stack.\n")
    assert shop.team.served("bob") == ["finops"]
    (found,) = [i for i in bob.json("marketplace", "search")["items"] if i["id"] == given]
    assert found["installed"] is True


class TestNaming:
    @pytest.mark.parametrize("given", ["curated-acme/finops", "acme/finops", "finops"])
    def test_ways_to_name_a_plugin(self, open_shop, open_bob, given):
        assert open_bob.json("marketplace", "add", given) == [{"id": "curated-acme/finops", "installed": True}]
        assert open_bob.json("marketplace", "remove", given) == [{"id": "curated-acme/finops", "installed": False}]
        assert open_shop.team.served("bob") == []

    @pytest.mark.parametrize(
        ("given", "code", "says"),
        [
            pytest.param("acme/nowhere", 1, "plugin_not_found", id="unknown"),
            pytest.param("acme/sql-style", 1, "grant_required", id="not-granted"),
            pytest.param("nowhere", 2, "no plugin that you may have", id="unknown-name"),
            pytest.param("acme/", 2, "no plugin's id", id="half"),
            pytest.param("a/b/c", 2, "no plugin's id", id="too-much"),
            pytest.param("acme/../../../api/me", 2, "no plugin's id", id="climbing"),
            pytest.param("acme/x?y=1#z", 1, "plugin_not_found", id="query"),
        ],
    )
    def test_one_that_cannot_be_added_is_told_and_the_others_are_added(self, open_shop, open_bob, given, code, says):
        done = open_bob.agnes("marketplace", "add", given, "acme/chartkit")
        assert (done.returncode, says in done.stderr) == (code, True), done.stderr
        assert "Hint: " in done.stderr or code == 1
        assert open_shop.team.served("bob") == ["chartkit"]
        assert open_bob.agnes("marketplace", "remove", "chartkit").returncode == 0

    def test_detail_says_what_is_inside(self, open_shop, open_bob):
        text = open_bob.agnes("marketplace", "detail", "finops").stdout
        for words in ("curated-acme/finops", "Curated by", "cora@example.com", "/finops:forecast", "In your stack"):
            assert words in text
        assert open_bob.json("marketplace", "detail", "acme/finops")["plugin_name"] == "finops"


def test_a_required_plugin_stays(shop, bob):
    shop.team.system("sql-style")
    done = bob.agnes("marketplace", "remove", "acme/sql-style")
    assert (done.returncode, "cannot_uninstall_system_plugin" in done.stderr) == (1, True)
    assert "required" in bob.agnes("my-stack", "show").stdout


def test_my_stack_shows_what_is_granted(shop, bob):
    shop.team.install("bob", "finops")
    lines = {line.split()[0]: line for line in bob.agnes("my-stack", "show").stdout.splitlines()}
    assert set(lines) == {"ID", "curated-acme/finops", "curated-acme/chartkit"}
    assert "not added" in lines["curated-acme/chartkit"]
    assert "not added" not in lines["curated-acme/finops"]
    assert [p["plugin_name"] for p in bob.json("my-stack", "show")["curated"]] == ["chartkit", "finops"]


def test_nothing_granted_is_said_and_is_no_failure(shop):
    eve = shop.laptop("eve", git=False)
    done = eve.agnes("my-stack", "show")
    assert (done.returncode, done.stdout, "Ask an admin" in done.stderr) == (0, "", True)


def test_names_do_nothing_to_the_terminal(shop, bob):
    manifest = shop.team.market.manifest()
    manifest["plugins"][0]["description"] = "red \x1b[31m\u202egnp.exe\nnext line"
    shop.team.market.write_manifest(manifest)
    shop.team.sync()
    text = bob.agnes("marketplace", "search").stdout
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text.splitlines()) == 3


class TestFlea:
    """What a colleague shared."""

    @pytest.fixture
    def notes(self, shop) -> str:
        house = shop.team.house
        owner = shop.team.call("GET", "eve", "/api/me").json()["user_id"]
        return flea.plant(
            house.state, house.store, owner_id=owner, owner="eve", name="notes", now=house.clock.now(), entity_id="n1"
        )

    def test_is_found_described_added_shown_and_removed(self, bob, notes):
        lines = bob.agnes("marketplace", "search", "--tab", "flea").stdout.splitlines()
        assert [line.split()[0] for line in lines] == ["ID", "flea-n1"]
        text = bob.agnes("marketplace", "detail", "flea-n1").stdout
        for words in ("flea-n1", "notes-by-eve", "Shared by", "approved"):
            assert words in text
        for given in ("flea-n1", "notes-by-eve"):
            assert bob.json("marketplace", "add", given) == [{"id": "flea-n1", "installed": True}]
            (line,) = [x for x in bob.agnes("my-stack", "show").stdout.splitlines() if x.startswith("flea-n1")]
            assert "notes-by-eve, shared by eve" in line
            assert bob.json("marketplace", "remove", given) == [{"id": "flea-n1", "installed": False}]
            assert "flea-n1" not in bob.agnes("my-stack", "show").stdout

    def test_what_was_archived_is_told_and_can_be_taken_off(self, shop, bob, notes):
        assert bob.agnes("marketplace", "add", "flea-n1").returncode == 0
        flea.set_status(shop.team.house.state, notes, "archived")
        assert bob.agnes("marketplace", "remove", "flea-n1").returncode == 0
        refused = bob.agnes("marketplace", "add", "flea-n1")
        assert (refused.returncode, "entity_not_found" in refused.stderr) == (1, True), refused.stderr
        assert bob.json("my-stack", "show")["store"] == []


@pytest.mark.parametrize(
    ("cost", "unpriced", "said"),
    [
        (12.5, 0, "2,000 tokens, about $12.50"),
        (12.5, 300, "2,000 tokens, about $12.50, 300 of them at an unknown price"),
        (None, 2000, "2,000 tokens, unknown price"),
    ],
)
def test_an_unknown_price_is_no_price_of_nothing(cost, unpriced, said):
    assert _cost({"tokens_30d": 2000, "cost_usd_30d": cost, "unpriced_tokens_30d": unpriced}) == said


def test_what_is_never_used_is_listed_with_its_cost_and_removed(shop, bob):
    team = shop.team
    for plugin in ("finops", "chartkit"):
        assert team.install("bob", plugin).status == 200
    team.house.clock.sleep(timedelta(days=8).total_seconds())
    for who in team.tokens:
        team.tokens[who] = team.house.login(f"{who}@example.com", "correct horse" if who == "ada" else "battery staple")
    t = Transcript("00000000-0000-4000-8000-000000000001", at=team.house.clock.now() - timedelta(hours=1))
    t.prompt("Forecast")
    content = "- finops:forecast: Forecasts.\n- chartkit:waterfall: Draws bridges."
    names = ["finops:forecast", "chartkit:waterfall"]
    t.record("attachment", attachment={"type": "skill_listing", "content": content, "names": names, "isInitial": True})
    t.use("Skill", skill="finops:forecast", tokens=(0, 10, 0, 1_000_000))
    t.say([{"type": "text", "text": "Done."}], tokens=(0, 10, 1_000_000, 0))
    me = team.call("GET", "bob", "/api/me").json()
    upload(team.house, Person(me["user_id"], me["email"], team.tokens["bob"]), t.session, t.body())
    run_usage(team.house, Person("", "", team.tokens["ada"]))
    laptop = shop.laptop("ada", git=False)
    listed = bob.agnes("my-stack", "unused")
    assert [line.split()[:4] for line in listed.stdout.splitlines()[1:]] == [["curated-acme/chartkit", "0", "1", "9"]]
    assert "1 unused, <$0.01" in listed.stderr
    assert len(bob.agnes("my-stack", "unused", "--all").stdout.splitlines()) == 3
    shown = laptop.agnes("admin", "usage", "unused").stdout.splitlines()
    assert [line.split()[:4] for line in shown[1:]] == [["curated-acme/chartkit", "1", "1", "1"]]
    whom = laptop.agnes("admin", "usage", "unused", "chartkit")
    assert (whom.stdout.splitlines()[1].split()[0], "Curator: Cora" in whom.stderr) == ("bob@example.com", True)
    assert laptop.agnes("admin", "usage", "unused", "nothing").returncode == 2
    assert bob.agnes("admin", "usage", "unused").returncode == 1
    removed = bob.agnes("my-stack", "unused", "--remove", "--yes")
    assert (removed.returncode, team.served("bob")) == (0, ["finops"]), removed.stderr
    assert "Everything in your stack was used" in bob.agnes("my-stack", "unused").stderr
