"""Two plugins of one name, with the real Claude Code client: which is installed, why, and what comes when it goes.

The house is in this process: entities of the flea market are planted in it as an upload and its approval leave them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.desk import Desk, steps
from tests.builders.guild import synced_guild
from tests.builders.square import Square, opened_square

pytestmark = pytest.mark.client


@pytest.fixture
def square(tmp_path: Path) -> Iterator[Square]:
    with opened_square(tmp_path) as square:
        yield square


@pytest.fixture
def desk(square: Square, tmp_path: Path) -> Desk:
    return Desk.of(square.guild, tmp_path)


def hidden(desk: Desk) -> list[tuple[str, str, str]]:
    info = desk.who.get("/marketplace/info").json()
    return [(line["name"], line["marketplace_slug"], line["reason"]) for line in info["hidden"]]


def read_installed(desk: Desk, plugin: str, path: str) -> str:
    """A file of the plugin as the client keeps it, under the version that the server names."""
    found = desk.installed()[f"{plugin}@agnes"]
    (served,) = [p for p in desk.who.get("/marketplace/info").json()["plugins"] if p["name"] == plugin]
    assert (found["version"], found["enabled"], found.get("errors")) == (served["version"], True, None)
    return (Path(found["installPath"]) / path).read_text()


def test_curated_wins_over_an_entity_of_its_name_and_gives_way_when_it_is_revoked(square: Square, desk: Desk):
    guild, skill = square.guild, "skills/notes/SKILL.md"
    guild.repository.add_plugin(
        "notes-by-bob", extra={skill: "---\nname: notes\ndescription: Curated.\n---\nCurated.\n"}
    )
    guild.sync()
    grant = guild.grant(guild.group(desk.who), "notes-by-bob")
    entity = square.plant("notes", kind="plugin")
    desk.who.post(f"/api/store/entities/{entity}/install")
    desk.add("notes-by-bob")
    reason = f"the name is taken by notes-by-bob of {guild.slug} (curated)"
    assert hidden(desk) == [("notes-by-bob", "bob", reason)]
    first = desk.refresh("--bootstrap")
    assert steps(first) == [("install", "notes-by-bob", "project")]
    assert [line["reason"] for line in first["hidden"]] == [reason]
    assert f"bob/notes-by-bob is not served: {reason}" in desk.laptop.agnes("refresh-marketplace").stderr
    assert read_installed(desk, "notes-by-bob", skill).endswith("Curated.\n")
    desk.client.plugin_validate(desk.copy)
    assert desk.check() == ""

    guild.revoke(grant)
    assert hidden(desk) == []
    assert desk.check() == "Agnes: notes-by-bob has a new version. Run /update-agnes-plugins to have it."
    assert steps(desk.refresh()) == [("update", "notes-by-bob", "project")]
    assert "# Release notes" in read_installed(desk, "notes-by-bob", skill)
    desk.client.plugin_validate(desk.copy / "plugins" / "notes-by-bob")

    desk.who.delete(f"/api/store/entities/{entity}/install")
    desk.add("finops")
    assert steps(desk.refresh()) == [("install", "finops", "project"), ("uninstall", "notes-by-bob", "project")]


def test_of_two_marketplaces_the_older_wins_and_the_other_follows(square: Square, desk: Desk, tmp_path: Path):
    guild, readme = square.guild, "skills/forecast/SKILL.md"
    square.house.clock.sleep(3600)  # marketplaces come in the order of their registration
    younger = synced_guild(square.target, tmp_path / "younger")
    younger.repository.change(
        "Ours", {f"plugins/finops/{readme}": "---\nname: forecast\ndescription: Ours.\n---\nYoung.\n"}
    )
    younger.sync()
    kept = younger.grant(younger.group(desk.who), "finops")
    younger.install(desk.who, "finops")
    desk.add("finops")
    assert hidden(desk) == [("finops", younger.slug, f"the name is taken by finops of {guild.slug} (curated)")]
    assert steps(desk.refresh("--bootstrap")) == [("install", "finops", "project")]
    assert "Young." not in read_installed(desk, "finops", readme)
    desk.client.plugin_validate(desk.copy)

    guild.revoke(desk.grants["finops"])
    assert hidden(desk) == []
    assert steps(desk.refresh()) == [("update", "finops", "project")]
    assert read_installed(desk, "finops", readme).endswith("Young.\n")

    again = guild.grant(guild.group(desk.who), "finops")
    desk.add("finops")
    assert steps(desk.refresh()) == [("update", "finops", "project")]
    assert "Young." not in read_installed(desk, "finops", readme)
    younger.revoke(kept)
    assert (hidden(desk), steps(desk.refresh())) == ([], [])
    guild.revoke(again)
