"""Each state file damaged by each route that reads: answered in full, with a note of what is left out, or 503 with what to do.

Routes are those that the functions have. `NEEDS` says which may be 503 without which file; every other one has to answer as
it does while all is whole.
"""

from __future__ import annotations

import importlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import ANYTHING
from agnes.outside.object_store.memory import MemoryStore
from infra import compose
from tests.builders.acme_team import ENVIRON, Team
from tests.builders.flea import plant
from tests.builders.house import ROOT, START, House

SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"

NEEDS = {
    "people": r".*",  # nobody can be told from anybody without it
    "marketplace": r"/marketplace.*|/api/(marketplace|my-stack|store|admin/(blocked-trees|grants|users|access|activity/sync)).*"
    r"|/admin/(access|marketplaces|unused|system/blocked|users/[^/]+/as).*|/me/unused|/api/me/(effective-access|(stats/)?unused)|/api/admin/(usage|telemetry)/unused",
    # No feed and no stack of one person: clients would remove what they have.
    "stack": r"/marketplace(\.zip|\.git.*|/info)|/api/my-stack|(/admin|/me|/api/me/stats|/api/admin/(usage|telemetry))/unused"
    r"|/admin/users/[^/]+/as.*",
    "flea": r"(/api)?/marketplace/flea/.*|/api/store/.*|/store/.*|(/api)?/admin/store.*",
    "telemetry": r"/api/(me|admin)/(usage|telemetry|sessions|stats|home-stats|users/[^/]+/(sessions|archive)|prices|unused|kpis)?.*"
    r"|/me/.*|/admin/(usage|sessions|ask|unused|users/[^/]+/redact|system/prices).*|/api/admin/run.*|/api/v2/catalog",
    "collector": r"/api/admin/(usage|telemetry)/locations.*|/admin/system/locations",
    "knowledge": r"(/api)?(/admin)?/knowledge.*",
    "tables": r"/api/((admin/)?tables|v2)/.*",
}
PUBLIC = ("/api/health", "/api/health/live", "/api/version")


@dataclass
class World:
    held: dict[str, Any]
    tokens: dict[str, str]
    paths: list[str]
    whole: dict[str, int]


def get_routes() -> list[str]:
    """A path of each view; some have an older one beside it, behind which is the same code."""
    found = {}
    for file in sorted(ROOT.glob("functions/*/*/app.py")):
        module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        for path, methods in sorted(module.app.routes.items()):
            if "GET" in methods:
                found.setdefault(methods["GET"].view_function, path)
    return sorted(found.values())


def ask(house: House, path: str, token: str) -> Any:
    headers = {"git-protocol": "version=2"}
    if path.startswith("/marketplace.git"):
        path += "?service=git-upload-pack"
    is_page = not path.startswith("/api/") and not path.startswith("/marketplace.")
    who = {"cookie": f"access_token={token}"} if is_page else {"token": token}
    return house.call("GET", path, headers=headers, **who)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    compose.write_openapi(compose.compose())
    clock = FixedClock(START)
    with House(folder, environ=ENVIRON, clock=clock, store=MemoryStore(clock=clock)) as house:
        team = Team(house, folder, registered=True)
        grant = team.grant("finops", "admin")
        team.install("ada", "finops")
        ada = team.call("GET", "ada", "/api/me").json()
        user = ada.get("user_id") or ada["id"]
        entity = plant(
            house.state, house.store, owner_id=user, name="notes", owner="ada", now=clock.now(), kind="plugin"
        )
        team.post("ada", f"/api/store/entities/{entity}/install", None, 200)
        house.state.migrate()
        rows = team.call("GET", "ada", "/api/marketplaces/acme/plugins").json()
        tree = next(row["tree_id"] for row in rows if row["name"] == "finops")
        [version] = team.call("GET", "ada", "/api/marketplaces/acme/plugins/finops/versions").json()
        values = {
            "user_id": user, "marketplace_id": "acme", "slug": "acme", "plugin": "finops", "plugin_name": "finops", "name": "finops",
            "entity_id": entity, "tree_id": tree, "grant_id": grant, "group_id": team.group, "version_id": version["id"],
            "version": version["id"], "session_id": SESSION, "job": "telemetry.extract", "kind": "skill", "item": "forecast",
            "skill": "forecast", "inner": "forecast", "file": "main", "path": "docs%2Fguide.md",
        }  # fmt: skip
        paths = []
        for route in get_routes():
            if "/static/" in route:
                continue
            own = dict(values)
            if "/marketplaces/{id}" in route:
                own["id"] = "acme"
            paths.append(re.sub(r"{([^}]+)}", lambda part, own=own: own.get(part[1], "x"), route))
        whole = {path: ask(house, path, team.tokens["ada"]).status for path in paths}
        house.state.close()
        return World(dict(house.store._held), team.tokens, paths, whole)


@pytest.mark.parametrize("what", ["head", "material"])
@pytest.mark.parametrize("file", NEEDS)
def test_each_route_without_each_file(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, file, what
) -> None:
    clock = FixedClock(START)
    store = MemoryStore(clock=clock)
    store._held = dict(world.held)
    for entry in list(store.list(f"state/{file}/")):
        if entry.key.endswith("head.json") if what == "head" else entry.key.endswith((".duckdb", ".wal")):
            body = store.read(entry.key).body
            store.write(entry.key, b"{" if what == "head" else body[: len(body) // 2], expect=ANYTHING)
    caplog.set_level(logging.ERROR)
    wrong = []
    with House(tmp_path, environ=ENVIRON, clock=clock, store=store) as house:
        for path in world.paths:
            answer = ask(house, path, world.tokens["ada"])
            if answer.status == world.whole[path]:
                continue
            is_told = "agnes-local state check" in answer.text
            if not (answer.status == 503 and (is_told or path.endswith("ready"))):
                wrong.append(f"{path}: {answer.status} {answer.text[:200]}")
            elif (not re.fullmatch(NEEDS[file], path) and not path.endswith("ready")) or path in PUBLIC:
                wrong.append(f"{path}: needs {file}")
        if file == "stack":
            for path in ("/admin/marketplaces/acme", "/admin/marketplaces/acme/plugins/finops"):
                page = ask(house, path, world.tokens["ada"]).text
                assert "unknown" in page
                assert "0 people" not in page
            assert "Stacks cannot be read right now" in ask(house, "/marketplace?tab=curated", world.tokens["ada"]).text
            assert "left out here: stack" in ask(house, "/admin", world.tokens["ada"]).text
        if file == "marketplace":
            overview = ask(house, "/admin", world.tokens["ada"]).text
            assert "left out here: marketplace" in overview
            assert "Register a marketplace" not in overview
        if file == "flea":
            listing = ask(house, "/marketplace?tab=curated", world.tokens["ada"])
            assert "flea market cannot be read" in listing.text
            info = ask(house, "/marketplace/info", world.tokens["ada"])
            assert [plugin["name"] for plugin in info.json()["plugins"]] == ["finops"]
            assert "left out" in info.json()["notices"][0]
            assert info.headers["x-agnes-left-out"] == "flea"
            assert "left out here: flea" in ask(house, "/admin", world.tokens["ada"]).text
        house.state.close()
    assert not [line.getMessage() for line in caplog.records if "unexpected" in line.getMessage()]
    assert not wrong, "\n".join(wrong)
