"""Which files of hooks the newest client takes, loses, and refuses a plugin for: the samples say what it does.

What we make of them: `tests/unit/marketplace/test_hook_forms.py`. The oldest client takes or loses them and never refuses a plugin.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from agnes.claude_code import versions
from agnes_local.demo_repository import File, write_files
from tests.builders.claude_client import ClaudeClient

pytestmark = pytest.mark.client

FORMS = tomllib.loads((Path(__file__).parents[1] / "samples/hook_files.toml").read_text())
SKILL = "---\ndescription: Says hello.\n---\nHello.\n"


def test_what_the_client_makes_of_a_file_of_hooks(tmp_path: Path, claude_version: str):
    files, entries, wanted = {}, [], {}
    for number, (outcome, form, text) in enumerate(
        (outcome, form, text) for outcome, forms in FORMS.items() for form, text in forms.items()
    ):
        name = f"p{number}"
        wanted[name] = (outcome, form)
        entries.append({"name": name, "source": f"./{name}"})
        files |= {
            f"{name}/.claude-plugin/plugin.json": json.dumps({"name": name, "version": "1.0.0"}),
            f"{name}/hooks/hooks.json": text,
            f"{name}/skills/hello/SKILL.md": SKILL,
        }
    catalog = {"name": "forms", "owner": {"name": "x"}, "plugins": entries}
    files[".claude-plugin/marketplace.json"] = json.dumps(catalog)
    write_files(tmp_path / "forms", {path: File(text.encode()) for path, text in files.items()})
    (tmp_path / "home").mkdir()
    client = ClaudeClient(tmp_path / "home", tmp_path, version=claude_version)
    client.plugin_marketplace_add(tmp_path / "forms")
    for name in wanted:
        client.plugin_install(f"{name}@forms")
    listed = {entry["id"].partition("@")[0]: entry for entry in client.plugin_list()}
    for name, (outcome, form) in wanted.items():
        said = str(listed[name].get("errors") or "")
        refused = "guards the permissions" in said
        if claude_version == versions.NEWEST:
            assert (refused, bool(said)) == (outcome == "refused", outcome != "taken"), f"{form}: {said}"
        else:
            assert not refused
