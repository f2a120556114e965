"""The demonstration marketplace is the same repository everywhere, and its poisoned copies hold what they promise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dulwich.object_store import iter_tree_contents
from dulwich.repo import Repo

from agnes_local.demo_repository import EXECUTABLE, demo_files, demo_repository, write_files
from tests.builders.sample_marketplace import HOSTILE_FILES, PLUGINS, SampleMarketplace


def entries(repository: SampleMarketplace) -> dict[str, int]:
    """Path to mode of everything on main."""
    with Repo(str(repository.folder)) as repo:
        tree = repo[repo.refs[b"refs/heads/main"]].tree
        return {entry.path.decode(): entry.mode for entry in iter_tree_contents(repo.object_store, tree)}


def test_the_same_files_make_the_same_commit(tmp_path: Path):
    one, other = demo_repository(tmp_path / "one.git"), demo_repository(tmp_path / "other.git")
    assert one.head == other.head


def test_each_listed_plugin_has_its_files_and_scripts_can_be_run(tmp_path: Path):
    repository = SampleMarketplace(tmp_path / "m.git")
    modes = entries(repository)
    for plugin in repository.manifest()["plugins"]:
        assert any(path.startswith(plugin["source"].removeprefix("./") + "/") for path in modes)
    assert [plugin["name"] for plugin in repository.manifest()["plugins"]] == list(PLUGINS)
    assert {path for path, mode in modes.items() if mode == EXECUTABLE} == {
        "plugins/finops/hooks/open-period.sh",
        "plugins/finops/skills/forecast/scripts/forecast.py",
        "tools/chartkit/server/render.py",
    }


def test_a_folder_of_it_keeps_the_executable_bit(tmp_path: Path):
    write_files(tmp_path / "folder", demo_files())
    assert (tmp_path / "folder/tools/chartkit/server/render.py").stat().st_mode & 0o777 == 0o755


def test_a_release_raises_the_version_in_both_manifests(tmp_path: Path):
    repository = SampleMarketplace(tmp_path / "m.git")
    first = repository.head
    assert repository.release_finops("1.5.0") != first
    assert repository.manifest()["plugins"][0]["version"] == "1.5.0"
    assert json.loads(repository.files["plugins/finops/.claude-plugin/plugin.json"].body)["version"] == "1.5.0"


@pytest.mark.parametrize("kind", HOSTILE_FILES)
def test_a_trap_is_in_the_tree_as_it_is_written(tmp_path: Path, kind: str):
    repository = SampleMarketplace(tmp_path / "m.git")
    repository.add_hostile_plugin(kind)
    modes = entries(repository)
    for path, trap in HOSTILE_FILES[kind].items():
        assert modes[f"plugins/trap/{path}"] == trap.mode
