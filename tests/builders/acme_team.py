"""A small organisation in a house: an admin, Bob (in Finance), Eve (in no group), and a git repository of plugins."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agnes.accounts import service as accounts
from agnes.stack import service as stack
from agnes.stack.serving import serving_index
from tests.builders import entitlement_sql
from tests.builders.beginnings import begun
from tests.builders.house import Answer, House
from tests.builders.sample_marketplace import SampleMarketplace

ENVIRON = {
    "AGNES_GIT_ALLOW": "file",
    "AGNES_COLLECT_ALLOW": "folder,private",
    "SEED_ADMIN_EMAIL": "ada@example.com",
    "SEED_ADMIN_PASSWORD": "correct horse",
}
WORDS = {"name": "Acme", "slug": "acme", "curator_name": "Cora", "curator_email": "cora@example.com"}
MARKETPLACES = "/api/marketplaces"


class Team:
    """`registered` also registers the repository as `acme` and syncs it; `anew` lets everything happen in this very house."""

    def __init__(self, house: House, folder: Path, *, registered: bool = False, anew: bool = False) -> None:
        self.house = house
        self.market = SampleMarketplace(folder / "m.git")
        tokens, self.group = _staff(house) if anew else begun(house, _staff, **ENVIRON)
        self.tokens = dict(tokens)
        if registered:
            self.register()
            self.sync()

    def call(self, method: str, who: str | None, path: str, body: Any = None) -> Answer:
        return self.house.call(method, path, token=self.tokens[who] if who else None, json_body=body)

    def post(self, who: str, path: str, body: Any, status: int) -> Any:
        answer = self.call("POST", who, path, body)
        assert answer.status == status, answer.text
        return answer.json() if answer.body else None

    def register(self, **given: Any) -> Any:
        return self.post("ada", MARKETPLACES, {**WORDS, "url": self.market.url, **given}, 201)

    def sync(self) -> Any:
        return self.post("ada", f"{MARKETPLACES}/acme/sync", None, 200)

    def grant(self, plugin: str, group: str = "") -> str:
        wish = {"group_id": group or self.group, "resource_type": "marketplace_plugin", "resource_id": f"acme/{plugin}"}
        return self.post("ada", "/api/admin/grants", wish, 201)["id"]

    def grant_all(self, group: str = "") -> str:
        """Every plugin of the marketplace, those that it adds later too."""
        body = {"group_id": group or self.group, "resource_type": "marketplace", "resource_id": "acme"}
        return self.post("ada", "/api/admin/grants", body, 201)["id"]

    def install(self, who: str, plugin: str) -> Answer:
        return self.call("POST", who, f"/api/marketplace/curated/acme/{plugin}/install")

    def uninstall(self, who: str, plugin: str) -> Answer:
        return self.call("DELETE", who, f"/api/marketplace/curated/acme/{plugin}/install")

    def system(self, plugin: str, method: str = "POST") -> Any:
        answer = self.call(method, "ada", f"{MARKETPLACES}/acme/plugins/{plugin}/system")
        assert answer.status == 200, answer.text
        return answer.json()

    def served(self, who: str) -> list[str]:
        person = accounts.identify(self.house.state, self.house.store, self.tokens[who], now=self.house.clock.now())
        with self.house.state.read(*stack.FILES) as db:
            return [p.name for p in stack.served_plugins(db, person, serving_index(db))]

    def counts(self) -> dict[str, int]:
        with self.house.state.read(*stack.FILES) as db:
            return {name: people for (_, name), people in entitlement_sql.counts(db).items()}

    def audited(self, file: str) -> list[str]:
        with self.house.state.read(file) as db:
            return [row[0] for row in db.execute(f'SELECT action FROM {file}.audit ORDER BY "at", id').fetchall()]


def _staff(house: House) -> tuple[Mapping[str, str], str]:
    """Everybody's token, and the group Finance."""

    def post(path: str, body: Any, status: int) -> Any:
        answer = house.post(path, token=tokens["ada"], json_body=body)
        assert answer.status == status, answer.text
        return answer.json() if answer.body else None

    importlib.import_module("functions.accounts.cron_first_start.app").run({}, None)
    tokens = {"ada": house.login("ada@example.com", "correct horse")}
    for name in ("bob", "eve"):
        email = f"{name}@example.com"
        user = post("/api/users", {"email": email, "name": name.title()}, 201)
        post(f"/api/users/{user['id']}/set-password", {"password": "battery staple"}, 200)
        tokens[name] = house.login(email, "battery staple")
    group = post("/api/admin/groups", {"name": "Finance", "description": ""}, 201)["id"]
    post(f"/api/admin/groups/{group}/members", {"email": "bob@example.com"}, 201)
    return tokens, group


def code(answer: Answer, status: int) -> str:
    """The error's code, of an answer that must have this status and the one error shape."""
    assert answer.status == status, answer.text
    assert set(answer.json()) >= {"code", "message", "hint", "request_id"}
    return answer.json()["code"]
