"""Unused plugins, from real transcripts of both tested clients to the page, the route and the figures: what the client listed, read
from its records a second time and by a plainer way, in every response, at the price of that response."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agnes.kernel.clock import FixedClock
from tests.builders.acme_team import ENVIRON, Team
from tests.builders.house import House
from tests.builders.people import Person
from tests.builders.telemetry_house import run_usage, upload
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

REAL = Path(__file__).parents[2] / "samples" / "transcripts" / "real"
NOW = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
"""A day after the samples were, by their own clocks."""
PLUGINS = ("chartkit", "finops", "sql-style")
PRICES = {"input": 5.0, "output": 25.0, "cache_read": 0.5, "cache_write": 6.25}


@dataclass
class Reference:
    """Per plugin: sessions, tokens in every request, dollars."""

    sessions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    tokens: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    dollars: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    seen: set[str] = field(default_factory=set)

    def read(self, session_id: str, lines: list[dict]) -> None:
        held: dict[str, int] = defaultdict(int)
        new: dict[str, int] = defaultdict(int)
        usage: dict[str, dict] = {}
        for record in lines:
            if record["type"] == "assistant":
                known = usage.setdefault(record["message"]["id"], dict.fromkeys(PRICES, 0))
                for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
                    known[name] = max(known.get(name, 0), record["message"]["usage"].get(name) or 0)
                kinds = record["message"]["usage"].get("cache_creation") or {}
                known["1h"] = max(known.get("1h", 0), kinds.get("ephemeral_1h_input_tokens") or 0)
        asked: set[str] = set()
        for record in lines:
            if record.get("isCompactSummary"):
                held.clear()
                new.clear()
            elif record["type"] == "attachment":
                for plugin, characters in listed(record["attachment"]):
                    held[plugin] += characters
                    new[plugin] += characters
            elif record["type"] == "assistant" and record["message"]["model"] != "<synthetic>":
                response = record["message"]["id"]
                if response in asked:
                    continue
                asked.add(response)
                is_copy = response in self.seen
                self.seen.add(response)
                paid = usage[response]
                writes, reads = paid["cache_creation_input_tokens"] > 0, paid["cache_read_input_tokens"] > 0
                write = PRICES["cache_write"] if writes else PRICES["input"]
                if paid["1h"]:
                    write = 2 * PRICES["input"]
                for plugin, characters in held.items():
                    if is_copy:
                        continue
                    tokens, fresh = round_half_up(characters / 4), round_half_up(new[plugin] / 4)
                    self.sessions[plugin].add(session_id)
                    self.tokens[plugin] += tokens
                    self.dollars[plugin] += fresh * write / 1e6
                    self.dollars[plugin] += (tokens - fresh) * (PRICES["cache_read"] if reads else write) / 1e6
                new.clear()


def round_half_up(value: float) -> int:
    return int(value + 0.5)


def listed(attachment: dict) -> Iterator[tuple[str, int]]:
    """(plugin, characters) of each line that the client says is about something of a plugin."""
    if attachment["type"] == "skill_listing":
        lines = attachment["content"].split("\n")
    elif attachment["type"] == "agent_listing_delta":
        lines = attachment["addedLines"]
    elif attachment["type"] == "deferred_tools_delta":
        lines = attachment["addedNames"]
    else:
        return
    for line in lines:
        found = re.match(r"(?:- |mcp__plugin_)(chartkit|finops|sql-style)[:_]", line)
        if found:
            yield found[1], len(line) + 1


def sessions(version: str) -> Iterator[tuple[str, dict[str | None, bytes]]]:
    for main in sorted((REAL / version).glob("*.jsonl")):
        agents = sorted((REAL / version / main.stem / "subagents").glob("agent-*.jsonl"))
        files = {None: main.read_bytes()} | {a.stem.removeprefix("agent-"): a.read_bytes() for a in agents}
        yield main.stem, files


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    with House(tmp_path, environ=ENVIRON, clock=FixedClock(datetime(2026, 5, 1, 9, 0, tzinfo=UTC))) as house:
        team = Team(house, tmp_path, registered=True, anew=True)
        team.grant_all()
        price = {"model": "claude-*", "valid_from": "2026-01-01", **PRICES}
        answer = team.call("PUT", "ada", "/api/admin/usage/prices", price)
        assert answer.status in (200, 201), answer.text
        for plugin in PLUGINS:
            assert team.install("bob", plugin).status == 200
        house.clock.sleep((NOW - house.clock.now()).total_seconds())
        for name in ("ada", "bob", "eve"):
            password = "correct horse" if name == "ada" else "battery staple"
            team.tokens[name] = house.login(f"{name}@example.com", password)
        yield team


def person(team: Team, name: str) -> Person:
    me = team.call("GET", name, "/api/me").json()
    return Person(me["user_id"], me["email"], team.tokens[name])


def page(team: Team, who: str, path: str) -> str:
    answer = team.house.get(path, cookie=f"access_token={team.tokens[who]}")
    assert answer.status == 200, answer.text
    return answer.text


@pytest.mark.parametrize("version", ["2.1.197", "2.1.332"])
def test_standing_tokens_are_what_the_client_listed(team: Team, version: str) -> None:
    reference, bob = Reference(), person(team, "bob")
    for session_id, files in sessions(version):
        for agent, body in files.items():
            upload(team.house, bob, session_id, body, agent_id=agent)
            reference.read(session_id, [json.loads(line) for line in body.splitlines()])
    run_usage(team.house, person(team, "ada"))
    found = team.call("GET", "bob", "/api/me/stats/unused").json()
    plugins = {plugin["plugin"]: plugin for plugin in found["unused"] + found["others"]}
    assert set(plugins) == set(PLUGINS)
    for name, plugin in plugins.items():
        standing = plugin["standing"]
        assert plugin["basis"] == "measured"
        assert standing["sessions"] == len(reference.sessions[name])
        assert standing["tokens"] == reference.tokens[name]
        assert standing["cost_usd"] == pytest.approx(reference.dollars[name])
        assert (standing["projected_sessions"], standing["projected_cost_usd"]) == (0, None)
    assert found["sessions"] == len(list(sessions(version)))
    assert found["projected_sessions"] == 0
    assert all(plugin["uses"] for plugin in found["others"])


def only_one_is_used(team: Team) -> None:
    """Of the sessions the one in which nothing but finops was called."""
    (session_id, files) = next(each for each in sessions("2.1.332") if b"finops:budget-variance" in each[1][None])
    for agent, body in files.items():
        upload(team.house, person(team, "bob"), session_id, body, agent_id=agent)
    run_usage(team.house, person(team, "ada"))


def test_what_is_never_used_is_listed_and_dropped_with_one_click(team: Team) -> None:
    only_one_is_used(team)
    found = team.call("GET", "bob", "/api/me/stats/unused").json()
    assert {plugin["plugin"] for plugin in found["unused"]} == {"chartkit", "sql-style"}
    assert [plugin["plugin"] for plugin in found["others"]] == ["finops"]
    costs = [plugin["standing"]["cost_usd"] for plugin in found["unused"]]
    assert costs == sorted(costs, reverse=True)
    assert found["unused_cost_usd"] == pytest.approx(sum(costs))
    assert all(costs)
    shown = page(team, "bob", "/me/unused")
    button = re.search(r'<form method="post" action="([^"]*chartkit)">(.*?)</form>', shown, re.DOTALL)
    assert button is not None
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', button[2]))
    assert form == {"back": "/me/unused", "enabled": "false"}
    sent = {"form": form, "cookie": f"access_token={team.tokens['bob']}", "headers": {"Origin": "http://agnes.test"}}
    answer = team.house.post(button[1], **sent)
    assert (answer.status, answer.headers["location"]) == (303, "/me/unused")
    assert team.call("GET", "bob", "/api/me/stats/unused").json()["unused"][0]["plugin"] == "sql-style"
    others = team.call("GET", "bob", "/api/me/stats/unused").json()["others"]
    assert {plugin["plugin"]: plugin["in_stack"] for plugin in others} == {"finops": True, "chartkit": False}


def test_admins_see_whom_to_ask_and_others_do_not(team: Team) -> None:
    only_one_is_used(team)
    route = "/api/admin/usage/unused"
    assert team.call("GET", "bob", route).status == 403
    assert team.house.get("/admin/unused", cookie=f"access_token={team.tokens['bob']}").status == 403
    found = team.call("GET", "ada", route).json()
    assert (found["people"], found["sessions"]) == (1, 1)
    of = {plugin["plugin"]: plugin for plugin in found["plugins"]}
    assert {name: (one["people"], one["idle_people"], one["unused"]) for name, one in of.items()} == {
        "chartkit": (1, 1, True),
        "sql-style": (1, 1, True),
        "finops": (1, 0, False),
    }
    assert [who["email"] for who in of["chartkit"]["ask"]] == ["bob@example.com"]
    assert of["chartkit"]["curator"] == "Cora"
    assert found["idle_cost_usd"] == pytest.approx(sum(one["idle_cost_usd"] or 0 for one in of.values()))
    shown = page(team, "ada", "/admin/unused")
    assert "Nobody uses it" in shown
    assert "bob@example.com" in shown or "Bob" in shown


def test_what_cannot_be_taken_off_says_whom_to_ask(team: Team) -> None:
    only_one_is_used(team)
    grant = team.grant("chartkit")
    assert team.call("POST", "ada", f"/api/admin/grants/{grant}/required").status == 200
    found = team.call("GET", "bob", "/api/me/stats/unused").json()
    assert {plugin["plugin"]: (plugin["locked"], plugin["remove_path"]) for plugin in found["unused"]} == {
        "chartkit": ("required", ""),
        "sql-style": ("", "/api/marketplace/curated/acme/sql-style/install"),
    }
    assert "Required for one of your groups" in page(team, "bob", "/me/unused")


def test_sessions_of_clients_that_write_no_listings_are_projected_and_told_apart(team: Team) -> None:
    characters = {"chartkit": 90, "finops": 400}
    for plugin, count in characters.items():
        team.house.state.commit(
            "marketplace",
            lambda tx, plugin=plugin, count=count: (
                tx.db.execute("UPDATE marketplace.items SET always_on = 0 WHERE plugin_name = ?", [plugin]),
                tx.db.execute(
                    "UPDATE marketplace.items SET always_on = ? WHERE plugin_name = ? AND name = (SELECT min(name) "
                    "FROM marketplace.items WHERE plugin_name = ?)",
                    [count, plugin, plugin],
                ),
            ),
        )
    old = Transcript("00000000-0000-4000-8000-000000000001", at=datetime(2026, 6, 29, 10, tzinfo=UTC))
    old.prompt("Anything")
    for tokens in ((10, 5, 0, 1000), (10, 5, 1000, 50), (10, 5, 0, 0)):
        old.say([{"type": "text", "text": "An answer."}], tokens=tokens, model="claude-opus-5-5")
    upload(team.house, person(team, "bob"), old.session, old.body())
    run_usage(team.house, person(team, "ada"))
    found = team.call("GET", "bob", "/api/me/stats/unused").json()
    assert (found["sessions"], found["projected_sessions"]) == (1, 1)
    standing = {plugin["plugin"]: plugin["standing"] for plugin in found["unused"]}
    dollars = (PRICES["cache_write"] + PRICES["cache_read"] + PRICES["input"]) / 1e6
    for plugin, count in characters.items():
        tokens = round_half_up(count / 4)
        assert standing[plugin]["projected_tokens_a_session"] == tokens
        assert standing[plugin]["projected_tokens"] == 3 * tokens
        assert standing[plugin]["projected_cost_usd"] == pytest.approx(tokens * dollars)
        assert (standing[plugin]["sessions"], standing[plugin]["cost_usd"]) == (0, None)
    assert "projected" in page(team, "bob", "/me/unused")


def test_nothing_at_all(team: Team) -> None:
    found = team.call("GET", "eve", "/api/me/stats/unused").json()
    assert (found["unused"], found["others"], found["standing_cost_usd"]) == ([], [], None)
    assert "Your stack is empty" in page(team, "eve", "/me/unused")
    assert "No session has arrived" in page(team, "ada", "/admin/unused")
