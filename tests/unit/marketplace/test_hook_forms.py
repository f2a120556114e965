"""What we make of a file of hooks is what the newest client makes of it (`tests/journeys/test_hook_forms.py`)."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from agnes.marketplace import inventory

FORMS = tomllib.loads((Path(__file__).parents[2] / "samples/hook_files.toml").read_text())


@pytest.mark.parametrize(
    ("outcome", "text"),
    [pytest.param(outcome, text, id=form) for outcome, forms in FORMS.items() for form, text in forms.items()],
)
def test_a_file_of_hooks(outcome: str, text: str):
    found = inventory.of_plugin(
        {
            ".claude-plugin/plugin.json": json.dumps({"name": "trap"}).encode(),
            "hooks/hooks.json": text.encode(),
            "skills/hello/SKILL.md": b"---\ndescription: Says hello.\n---\nHello.\n",
        },
        {"name": "trap"},
    )
    assert bool(found.refused) == (outcome == "refused"), found.refused
    if outcome == "lost":
        assert any("hooks/hooks.json" in warning for warning in found.warnings)
    if outcome != "taken":
        assert not [one for one in found.components if one.kind == "hook"]
