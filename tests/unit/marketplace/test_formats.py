"""What catalogs may say: the tables of tests/samples, through a whole sync."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agnes.marketplace.manifest import CatalogInvalid
from agnes.marketplace.reading import PluginRefused, read_manifest
from agnes.trees import service as trees
from agnes_local.demo_repository import BareRepository, File
from tests.builders.sample_marketplace import HOSTILE_FILES, MANIFEST, SampleMarketplace, small_plugin

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[2] / "samples"


def table(path: str) -> dict[str, Any]:
    return tomllib.loads((SAMPLES / path).read_text(encoding="utf-8"))


def cases(path: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in table(path)["case"]]


def text_of(case: dict[str, Any]) -> bytes:
    body = case["body"] if "body" in case else case["entry"]
    if "repeat" in case:
        unit, times, after = case["repeat"]
        body = body.replace("@", unit * times + after)
    return body.encode()


def repository(folder: Path, files: dict[str, str | bytes | File]) -> BareRepository:
    made = {
        path: body if isinstance(body, File) else File(body.encode() if isinstance(body, str) else body)
        for path, body in files.items()
    }
    repo = BareRepository(folder, made)
    repo.commit("as described")
    return repo


def plugin_files(folder: str, name: str) -> dict[str, str]:
    prefix = f"{folder}/" if folder else ""
    return {f"{prefix}{path}": body for path, body in small_plugin(name).items()}


@pytest.mark.parametrize("case", cases("reject/marketplace/catalogs.toml"))
def test_a_bad_catalog_keeps_the_last_good_plugins(workshop, case):
    market = SampleMarketplace(workshop.folder / "m.git")
    workshop.register(market.url)
    workshop.sync()
    before = workshop.plugins()
    market.write_manifest(text_of(case))
    with pytest.raises(CatalogInvalid) as caught:
        workshop.sync()
    assert caught.value.message == f"{MANIFEST}: {case['message']}"
    assert workshop.plugins() == before
    shown = workshop.marketplace()
    assert shown.last_error == caught.value.message
    assert shown.last_commit_sha == market.commits[0]


@pytest.mark.parametrize("case", cases("reject/marketplace/entries.toml"))
def test_a_bad_entry_is_refused_alone(workshop, case):
    catalog = f'{{"plugins": [{{"name": "sound", "source": "./plugins/sound"}}, {text_of(case).decode()}]}}'
    files = {MANIFEST: catalog, "README.md": "hello", **plugin_files("plugins/sound", "sound")}
    workshop.register(repository(workshop.folder / "m.git", files).url)
    report = workshop.sync()
    assert [r.reason for r in report.refused] == ([case["reason"]] if "reason" in case else [])
    assert report.warnings == ([case["warning"]] if "warning" in case else [])
    assert workshop.plugins()["sound"].is_served
    assert not any(p.is_served for name, p in workshop.plugins().items() if name != "sound")


@pytest.mark.parametrize("case", cases("accept/marketplace/entries.toml"))
def test_every_form_of_source(workshop, case):
    files: dict[str, Any] = {}
    for folder in table("accept/marketplace/entries.toml")["folders"]:
        files |= {f"{folder}/where.txt".lstrip("/"): folder, f"{folder}/skills/hi/SKILL.md".lstrip("/"): "hi"}
    metadata = {"metadata": {"pluginRoot": case["root"]}} if "root" in case else {}
    files[MANIFEST] = json.dumps({**metadata, "plugins": [json.loads(case["entry"])]})
    workshop.register(repository(workshop.folder / "m.git", files).url)
    report = workshop.sync()
    assert (report.refused, report.warnings) == ([], [])
    [plugin] = workshop.plugins().values()
    assert plugin.source_type == case.get("type")
    assert plugin.source_spec == json.loads(case["entry"]).get("source")
    assert plugin.problem == case.get("problem")
    if "where" in case:
        assert trees.read_file(workshop.tools.store, plugin.tree_id, "where.txt") == case["where"].encode()
    else:
        assert plugin.tree_id is None


def test_odd_fields_of_a_catalog_cost_nothing(workshop):
    """Of a key that is given twice the last one counts, as for the client."""
    odd = '"name": 7, "owner": [], "metadata": {"pluginRoot": 7}, "renames": [], "version": {}, "allowed": [[[[]]]]'
    entries = (
        '{"name": "first", "name": "sound", "description": "a\\u0000b\\ud800c"}, {"name": "other", "description": 1}'
    )
    files = {
        MANIFEST: f'{{"plugins": [{{}}], {odd}, "plugins": [{entries}]}}',
        **plugin_files("plugins/sound", "sound"),
        **plugin_files("plugins/other", "other"),
    }
    workshop.register(repository(workshop.folder / "m.git", files).url)
    report = workshop.sync()
    assert [refused.plugin for refused in report.refused] == ["other"]
    assert "metadata.pluginRoot: not a path within the repository, so it is ignored" in report.warnings
    assert workshop.plugins()["sound"].description == "a\ufffdb\ufffdc"
    assert workshop.plugins()["sound"].is_served


def test_entries_beyond_the_limit_are_left_out(workshop):
    names = [f"p{number:04}" for number in range(2_003)]
    files = {
        MANIFEST: json.dumps({"plugins": [{"name": name} for name in names]}),
        **plugin_files("plugins/p0000", "p0000"),
    }
    workshop.register(repository(workshop.folder / "m.git", files).url)
    report = workshop.sync()
    assert "more than 2000 plugins: the other 3 are left out" in report.warnings
    assert workshop.plugins()["p0000"].is_served


def refused_reason(workshop, extra: dict[str, File]) -> str:
    market = SampleMarketplace(workshop.folder / "m.git")
    market.add_plugin("trap", extra=extra)
    workshop.register(market.url)
    report = workshop.sync()
    [refused] = report.refused
    assert refused.plugin == "trap"
    assert {name for name, p in workshop.plugins().items() if p.is_served} == {"finops", "chartkit", "sql-style"}
    assert workshop.plugins()["trap"].problem == refused.reason
    return refused.reason


def left_out(workshop, extra: dict[str, File]) -> list[str]:
    """What the sync says of the plugin `trap`, which is served."""
    market = SampleMarketplace(workshop.folder / "m.git")
    market.add_plugin("trap", extra=extra)
    workshop.register(market.url)
    report = workshop.sync()
    assert report.refused == []
    assert workshop.plugins()["trap"].is_served
    return [warning.removeprefix("trap: ") for warning in report.warnings]


@pytest.mark.parametrize("kind", table("reject/marketplace/plugin_trees.toml")["hostile"])
def test_unsafe_files_are_left_out_and_named(workshop, kind):
    expected = table("reject/marketplace/plugin_trees.toml")["hostile"][kind].strip()
    (said,) = left_out(workshop, HOSTILE_FILES[kind])
    assert said == f"{expected}; it is left out" or (kind == "overlong name" and said.startswith(expected))
    served = trees.get(workshop.tools.store, workshop.plugins()["trap"].tree_id)
    kept = [file.path for file in served.files]
    assert ".claude-plugin/plugin.json" in kept
    assert "skills/hello/SKILL.md" in kept
    assert len(kept) == 2 + len(HOSTILE_FILES[kind]) - 1


@pytest.mark.parametrize("case", cases("reject/marketplace/plugin_trees.toml"))
def test_unsound_plugins_are_refused_and_unsound_files_left_out(workshop, case):
    files = {}
    for path, described in case["files"].items():
        mode, _, content = described.partition(" ")
        files[path] = File(content.encode(), int(mode, 8))
    if "reason" in case:
        assert refused_reason(workshop, files) == case["reason"]
    else:
        (said,) = left_out(workshop, files)
        assert said.removesuffix("; it is left out") == case["left_out"]


@pytest.mark.parametrize("case", cases("reject/marketplace/manifests.toml"))
def test_what_claude_code_refuses_is_refused_with_a_reason(case):
    body = json.dumps({"name": "trap", **json.loads(case["fields"])}).encode()
    with pytest.raises(PluginRefused) as caught:
        read_manifest({".claude-plugin/plugin.json": body, "README.txt": b"", "agents/a.md": b""})
    assert str(caught.value) == f".claude-plugin/plugin.json: {case['reason']}"


@pytest.mark.parametrize("case", cases("accept/marketplace/manifests.toml"))
def test_what_claude_code_takes_is_taken(case):
    fields = {"name": "sound", **json.loads(case["fields"])}
    read_manifest({".claude-plugin/plugin.json": json.dumps(fields).encode()})


def test_every_form_of_a_manifest_is_served(workshop):
    market = SampleMarketplace(workshop.folder / "m.git")
    forms = json.loads((SAMPLES / "accept/marketplace/forms.json").read_text())
    files = {".claude-plugin/plugin.json": json.dumps(forms), "more/close.md": "x", "more/hooks.json": '{"hooks": {}}'}
    entry = {**forms, "hooks": forms["hooks"][1]}  # of an entry the client takes one table
    market.add_plugin("forms", extra=files, **entry)
    workshop.register(market.url)
    report = workshop.sync()
    assert (report.refused, report.warnings) == ([], [])
    plugin = workshop.plugins()["forms"]
    served = json.loads(trees.read_file(workshop.tools.store, plugin.tree_id, ".claude-plugin/plugin.json"))
    # All are served from one marketplace, so a dependency is its name there.
    names = {"dependencies": ["finops", "chartkit", "sql-style"]}
    assert {**served, "version": None} == {"name": "forms", "version": None, **forms, **names}
    assert entry.items() <= plugin.raw.items()


@pytest.mark.parametrize(
    ("files", "reason", "number"),
    [
        pytest.param(
            {f"many/f{n:05}": File(b"") for n in range(5_003)}, "many/f04998: more than 5000 files", 5, id="many files"
        ),
        pytest.param(
            {"large.bin": File(bytes(10_000_001))}, "large.bin: larger than 10000000 bytes", 1, id="huge file"
        ),
        pytest.param(
            {f"part{n}.bin": File(bytes(9_999_999) + bytes([n])) for n in range(6)},
            "part4.bin: the files together are larger than 50000000 bytes",
            2,
            id="huge together",
        ),
        pytest.param(
            {"/".join(["d"] * 24) + "/f": File(b"")},
            "/".join(["d"] * 24) + "/f: the path is deeper than 24 folders",
            1,
            id="deep folders",
        ),
    ],
)
def test_what_is_too_much_is_left_out(workshop, files, reason, number):
    said = left_out(workshop, files)
    assert (said[0], len(said)) == (f"{reason}; it is left out", number)


@pytest.mark.slow
def test_more_files_than_are_looked_at_refuse_their_plugin(workshop):
    files = {f"many/f{n:06}": File(b"") for n in range(60_000)}
    assert refused_reason(workshop, files) == "more than 50000 files, counted with what symbolic links lead to"


def test_a_git_lfs_pointer_is_served_as_it_is_and_said(workshop):
    market = SampleMarketplace(workshop.folder / "m.git")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n"
    market.add_plugin("trap", extra={"assets/model.bin": File(pointer.encode())})
    workshop.register(market.url)
    report = workshop.sync()
    assert report.refused == []
    assert report.warnings == ["trap: assets/model.bin: a Git LFS pointer, the file itself is not served"]
    served = workshop.plugins()["trap"].tree_id
    assert trees.read_file(workshop.tools.store, served, "assets/model.bin") == pointer.encode()
