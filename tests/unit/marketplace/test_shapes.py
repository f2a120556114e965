"""Shapes of real marketplaces: every plugin that the client loads is served, and what is left out is named.

What the client loads of them, from the original and from our feed: `tests/journeys/test_original_and_feed.py`.
"""

from __future__ import annotations

import pytest

from tests.builders.shapes import Shape, shapes


@pytest.mark.parametrize("shape", shapes(), ids=lambda shape: shape.name)
def test_what_the_client_loads_is_served(workshop, shape: Shape):
    repository = shape.repository(workshop.folder / "m.git")
    workshop.register(repository.url)
    report = workshop.sync()
    assert {refused.plugin: refused.reason for refused in report.refused} == shape.refused
    served = {name for name, plugin in workshop.plugins().items() if plugin.is_served}
    assert served == set(shape.plugins) - set(shape.refused)
    said = [f"{plugin}: {path}; it is left out" for plugin, paths in shape.left_out.items() for path in paths]
    assert sorted(warning for warning in report.warnings if warning.endswith("left out")) == sorted(said)
    assert not workshop.sync().changed


@pytest.mark.parametrize("shape", shapes(), ids=lambda shape: shape.name)
def test_the_inventory_is_what_the_client_loads(workshop, shape: Shape):
    """Name by name; for the kinds that a session does not list see `tests/journeys/test_inventory.py`."""
    repository = shape.repository(workshop.folder / "m.git")
    workshop.register(repository.url)
    workshop.sync()
    names: dict[str, set[str]] = {"plugins": set(shape.loaded.get("plugins", ()))}
    called = {name: plugin.raw["name"] for name, plugin in workshop.plugins().items()}
    rows = workshop.rows(
        "SELECT plugin_name, kind, name FROM marketplace.items WHERE detail IS NULL OR detail <> 'used by Claude alone'"
    )
    for plugin_name, kind, name in rows:
        plugin = called[plugin_name]
        for listed in _LISTED.get(kind, ()):
            names.setdefault(listed, set()).add(
                f"plugin:{plugin}:{name}" if listed == "servers" else f"{plugin}:{name}"
            )
    wanted = {kind: set(found) for kind, found in shape.loaded.items()}
    # A command that is a folder with a SKILL.md is a skill to the session, too.
    names.setdefault("skills", set()).update(wanted.get("skills", set()) & names.get("commands", set()))
    assert {kind: found for kind, found in names.items() if found} == wanted


_LISTED = {
    "skill": ("skills", "commands"),
    "workflow": ("skills", "commands"),
    "command": ("commands",),
    "agent": ("agents",),
    "mcp": ("servers",),
}
"""Kind of component → the lists of a session that have it."""
