"""Two plugins of one name, with the real Claude Code client: which is installed, why, and what comes when it goes.

The installation is in this process: entities of the flea market are planted in it as an upload and its approval leave them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.demo_marketplace import synced_demo
from tests.builders.desk import Desk, steps
from tests.builders.served_installation import ServedInstallation, opened_installation

pytestmark = pytest.mark.client


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[ServedInstallation]:
    with opened_installation(tmp_path) as installation:
        yield installation


@pytest.fixture
def desk(installation: ServedInstallation, tmp_path: Path) -> Desk:
    return Desk.of(installation.demo, tmp_path)


def hidden(desk: Desk) -> list[tuple[str, str, str]]:
    info = desk.who.get("/marketplace/info").json()
    return [(line["name"], line["marketplace_slug"], line["reason"]) for line in info["hidden"]]


def read_installed(desk: Desk, plugin: str, path: str) -> str:
    """A file of the plugin as the client keeps it, under the version that the server names."""
    found = desk.installed()[f"{plugin}@agnes"]
    (served,) = [p for p in desk.who.get("/marketplace/info").json()["plugins"] if p["name"] == plugin]
    assert (found["version"], found["enabled"], found.get("errors")) == (served["version"], True, None)
    return (Path(found["installPath"]) / path).read_text()


def test_curated_wins_over_an_entity_of_its_name_and_gives_way_when_it_is_revoked(
    installation: ServedInstallation, desk: Desk
):
    demo, skill = installation.demo, "skills/notes/SKILL.md"
    demo.repository.add_plugin(
        "notes-by-bob", extra={skill: "---\nname: notes\ndescription: Curated.\n---\nCurated.\n"}
    )
    demo.sync()
    grant = demo.grant(demo.group(desk.who), "notes-by-bob")
    entity = installation.plant("notes", kind="plugin")
    desk.who.post(f"/api/store/entities/{entity}/install")
    desk.add("notes-by-bob")
    reason = f"the name is taken by notes-by-bob of {demo.slug} (curated)"
    assert hidden(desk) == [("notes-by-bob", "bob", reason)]
    first = desk.refresh("--bootstrap")
    assert steps(first) == [("install", "notes-by-bob", "project")]
    assert [line["reason"] for line in first["hidden"]] == [reason]
    assert f"bob/notes-by-bob is not served: {reason}" in desk.laptop.agnes("refresh-marketplace").stderr
    assert read_installed(desk, "notes-by-bob", skill).endswith("Curated.\n")
    desk.client.plugin_validate(desk.copy)
    assert desk.check() == ""

    demo.revoke(grant)
    assert hidden(desk) == []
    assert desk.check() == "Agnes: notes-by-bob has a new version. Run /update-agnes-plugins to have it."
    assert steps(desk.refresh()) == [("update", "notes-by-bob", "project")]
    assert "# Release notes" in read_installed(desk, "notes-by-bob", skill)
    desk.client.plugin_validate(desk.copy / "plugins" / "notes-by-bob")

    desk.who.delete(f"/api/store/entities/{entity}/install")
    desk.add("finops")
    assert steps(desk.refresh()) == [("install", "finops", "project"), ("uninstall", "notes-by-bob", "project")]


def test_of_two_marketplaces_the_older_wins_and_the_other_follows(
    installation: ServedInstallation, desk: Desk, tmp_path: Path
):
    demo, readme = installation.demo, "skills/forecast/SKILL.md"
    installation.house.clock.sleep(3600)  # marketplaces come in the order of their registration
    younger = synced_demo(installation.target, tmp_path / "younger")
    younger.repository.change(
        "Ours", {f"plugins/finops/{readme}": "---\nname: forecast\ndescription: Ours.\n---\nYoung.\n"}
    )
    younger.sync()
    kept = younger.grant(younger.group(desk.who), "finops")
    younger.install(desk.who, "finops")
    desk.add("finops")
    assert hidden(desk) == [("finops", younger.slug, f"the name is taken by finops of {demo.slug} (curated)")]
    assert steps(desk.refresh("--bootstrap")) == [("install", "finops", "project")]
    assert "Young." not in read_installed(desk, "finops", readme)
    desk.client.plugin_validate(desk.copy)

    demo.revoke(desk.grants["finops"])
    assert hidden(desk) == []
    assert steps(desk.refresh()) == [("update", "finops", "project")]
    assert read_installed(desk, "finops", readme).endswith("Young.\n")

    again = demo.grant(demo.group(desk.who), "finops")
    desk.add("finops")
    assert steps(desk.refresh()) == [("update", "finops", "project")]
    assert "Young." not in read_installed(desk, "finops", readme)
    younger.revoke(kept)
    assert (hidden(desk), steps(desk.refresh())) == ([], [])
    demo.revoke(again)
