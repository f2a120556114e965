"""What is served in place of plugin.json and the entry, and which files of a root plugin are its own."""

from __future__ import annotations

import pytest

from agnes.claude_code import manifests
from agnes.trees import service as trees
from tests.builders.shapes import shape

PATHS = {"skills/one/SKILL.md", "skills/two/SKILL.md", "more/three/SKILL.md", "commands/go.md", "hooks/hooks.json"}


def test_an_entry_without_a_plugin_json_is_the_manifest():
    servers = {"ledger": {"command": "x"}}
    entry = {
        "name": "a", "source": "./a", "strict": False, "category": "x", "description": "d", "commands": "./commands/go.md",
        "skills": ["./more/three"], "mcpServers": servers, "monitors": "./m.json", "hooks": {"Stop": []},
    }  # fmt: skip
    made = manifests.effective(None, entry, PATHS)
    assert made.manifest == {"skills": ["./more/three"], "mcpServers": servers, "description": "d"}
    kept = {"name", "source", "category", "description", "commands", "hooks"}
    assert made.entry == {key: entry[key] for key in kept}
    assert set(made.left_out) == {"hooks/hooks.json"}


def test_an_entry_beside_a_plugin_json_stays():
    entry = {"name": "a", "source": "./a", "skills": ["./more/three"], "hooks": {"Stop": []}, "strict": True}
    made = manifests.effective({"name": "a", "skills": "./x"}, entry, PATHS)
    assert made.manifest == {"name": "a", "skills": "./x"}
    assert made.entry == {key: value for key, value in entry.items() if key != "strict"}
    assert made.left_out == {}


@pytest.mark.parametrize("kind", [*manifests.BESIDE, "experimental"])
@pytest.mark.parametrize("value", [[], {}, "./x"])
def test_components_beside_strict_false_and_a_plugin_json_are_a_conflict(kind, value):
    given = {"experimental": {"themes": value}} if kind == "experimental" else {kind: value}
    with pytest.raises(manifests.Conflict, match="conflicting manifests"):
        manifests.effective({"name": "a"}, {"strict": False, **given}, PATHS)
    manifests.effective({"name": "a"}, {"strict": True, **given}, PATHS)
    manifests.effective({"name": "a"}, {"strict": False, "mcpServers": {}}, PATHS)
    manifests.effective(None, {"strict": False, **given}, PATHS)


@pytest.mark.parametrize("source", ["./", ".", "", "././", "./."])
@pytest.mark.parametrize("manifest", [None, {"name": "a", "skills": ["./elsewhere"]}])
def test_a_root_source_has_the_skills_that_it_lists(source, manifest):
    made = manifests.effective(
        manifest, {"source": source, "skills": ["./skills/one", "./more/three", "./gone"]}, PATHS
    )
    assert made.manifest["skills"] == ["./skills/one", "./more/three"]
    assert "skills" not in made.entry
    assert set(made.left_out) == {"skills/two/SKILL.md"}


@pytest.mark.parametrize("listed", [["./skills"], ["./"], ["./skills/"], ["./gone"]])
def test_a_list_that_names_the_folder_or_nothing_that_is_there_leaves_all(listed):
    assert manifests.effective(None, {"source": "./", "skills": listed}, PATHS).left_out == {}


def test_folders_of_other_skills_go_unless_a_file_mentions_them():
    bodies = {
        "skills/one/SKILL.md": b"Run ../two/run.sh",
        "skills/two/SKILL.md": b"x",
        "skills/two/run.sh": b"cat ../four/text.md",
        "skills/three/SKILL.md": b"see ../five/a.md",
        "skills/three/a.md": b"x",
        "skills/four/SKILL.md": b"x",
        "skills/four/text.md": b"x",
        "skills/five/SKILL.md": b"x",
        "skills/five/a.md": b"x",
        "plugins/other/SKILL.md": b"x",
        "shared/colours.md": b"x",
    }
    others = [f"skills/{name}/SKILL.md" for name in ("two", "three", "four", "five")]
    gone = manifests.with_their_folders(others, bodies, ["plugins/other"])
    assert set(bodies) - gone == {
        "skills/one/SKILL.md",
        "skills/two/run.sh",
        "skills/four/text.md",
        "shared/colours.md",
    }


def paths(workshop, plugin: str) -> set[str]:
    return {file.path for file in trees.get(workshop.tools.store, workshop.plugins()[plugin].tree_id).files}


def test_a_root_plugin_ships_what_is_its_own(workshop):
    workshop.register(shape("root-with-listed-skills").repository(workshop.folder / "a.git").url)
    workshop.register(shape("several-plugins-at-the-root").repository(workshop.folder / "b.git").url, slug="b")
    workshop.sync()
    assert paths(workshop, "api-skills") == {
        ".claude-plugin/plugin.json", "README.md", "shared/palette.md", "skills/api/SKILL.md",
    }  # fmt: skip
    assert {"skills/sheets/scripts/recalc.py", "skills/sheets/reference/rules.md"} <= paths(workshop, "office-skills")
    workshop.sync("b")
    with workshop.state.read("marketplace") as db:
        lean = db.execute("SELECT tree_id FROM marketplace.plugins WHERE name = 'lean'").fetchone()[0]
    assert {file.path for file in trees.get(workshop.tools.store, lean).files} == {
        ".claude-plugin/plugin.json", "skills/first/SKILL.md", "skills/second/scripts/count.sh", "commands/run.md",
        "extra/more/SKILL.md",
    }  # fmt: skip


def test_what_a_link_leads_to_elsewhere_is_noticed_when_it_changes(workshop):
    repository = shape("links").repository(workshop.folder / "m.git")
    workshop.register(repository.url)
    workshop.sync()
    before = workshop.plugins()["linked-skill"]
    repository.files["README.md"] = repository.files["plugins/linked-notes/CLAUDE.md"]
    repository.commit("elsewhere")
    assert workshop.sync().updated == []
    repository.files["shared/skills/common/more.md"] = repository.files["shared/skills/common/SKILL.md"]
    repository.commit("what the link leads to")
    assert workshop.sync().updated == ["linked-skill"]
    assert workshop.plugins()["linked-skill"].version != before.version


def test_links_keep_the_executable_bit_of_what_they_lead_to(workshop):
    workshop.register(shape("links").repository(workshop.folder / "m.git").url)
    workshop.sync()
    tree = trees.get(workshop.tools.store, workshop.plugins()["linked-shims"].tree_id)
    assert {file.path for file in tree.files if file.executable} == {
        f"hooks/shims/{name}" for name in ("pip", "pip3", "python")
    }
