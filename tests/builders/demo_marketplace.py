"""What an admin sets up before an analyst can begin: a repository, a marketplace over it, groups, grants."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.builders.sample_marketplace import PLUGINS, SampleMarketplace
from tests.builders.target import Target, Visitor


@dataclass
class DemoMarketplace:
    """The demonstration marketplace under a slug of this test's own. Nothing is registered before `register`."""

    target: Target
    admin: Visitor
    repository: SampleMarketplace
    slug: str = field(default_factory=lambda: f"guild-{secrets.token_hex(4)}")

    def register(self, url: str | None = None) -> dict[str, Any]:
        """`url` is the repository's own `file://` if None."""
        wish = {
            "name": "Northwind Guild",
            "slug": self.slug,
            "url": url or self.repository.url,
            "curator_name": "Mira Okafor",
            "curator_email": "guild@northwind.example",
        }
        return self.admin.post("/api/marketplaces", json=wish, expect=201).json()

    def sync(self) -> dict[str, Any]:
        return self.admin.post(f"/api/marketplaces/{self.slug}/sync", expect=200).json()

    def registered(self) -> dict[str, Any]:
        """The marketplace as the admin's list shows it."""
        (found,) = [one for one in self.admin.get("/api/marketplaces").json() if one["id"] == self.slug]
        return found

    def person(self, name: str) -> Visitor:
        return self.target.person(name, made_by=self.admin)

    def group(self, *members: Visitor) -> str:
        """A group with these people; its id."""
        group_id = self.admin.post("/api/admin/groups", json={"name": f"Team {secrets.token_hex(4)}"}).json()["id"]
        for member in members:
            self.admin.post(f"/api/admin/groups/{group_id}/members", json={"email": member.email}, expect=201)
        return group_id

    def grant(self, group_id: str, plugin: str) -> str:
        """The grant's id."""
        wish = {"group_id": group_id, "resource_type": "marketplace_plugin", "resource_id": f"{self.slug}/{plugin}"}
        return self.admin.post("/api/admin/grants", json=wish, expect=201).json()["id"]

    def revoke(self, grant_id: str) -> None:
        self.admin.delete(f"/api/admin/grants/{grant_id}", expect=204)

    def install(self, who: Visitor, *plugins: str) -> None:
        for plugin in plugins:
            answer = who.post(f"/api/marketplace/curated/{self.slug}/{plugin}/install").json()
            assert answer == {"installed": True}

    def detail(self, who: Visitor, plugin: str) -> dict[str, Any]:
        return who.get(f"/api/marketplace/curated/{self.slug}/{plugin}").json()

    def card(self, who: Visitor, plugin: str) -> dict[str, Any]:
        return who.items()[plugin]


def synced_demo(target: Target, folder: Path) -> DemoMarketplace:
    """Registered over a new repository in `folder`, and synced; nothing is granted yet."""
    demo = DemoMarketplace(target, target.admin(), SampleMarketplace(folder / "repositories" / "marketplace.git"))
    demo.register()
    report = demo.sync()
    assert report["added"] == list(PLUGINS), report
    return demo


def analyst_with(demo: DemoMarketplace, *plugins: str, name: str = "mira") -> Visitor:
    """A person of a new group that is granted these plugins, with them in the stack."""
    analyst = demo.person(name)
    team = demo.group(analyst)
    for plugin in plugins:
        demo.grant(team, plugin)
    demo.install(analyst, *plugins)
    return analyst
