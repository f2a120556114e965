"""`make client-drift` finds nothing in the versions that the tables describe, and names what a table lacks."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from agnes.claude_code import surface, versions
from agnes_local.claude_install import claude_binary
from tests.builders import client_drift
from tests.builders.client_drift import Surface
from tests.builders.real_transcripts import FOLDER

pytestmark = pytest.mark.client


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Surface:
    """All that the newest tested version has; of its sessions the recorded ones, which `make client-drift` plays anew."""
    transcripts = (FOLDER / versions.NEWEST).rglob("*.jsonl")
    return client_drift.look(versions.NEWEST, tmp_path_factory.mktemp("drift") / "look", transcripts)


def test_the_newest_tested_version_has_nothing_new(newest: Surface):
    assert newest.missing_from(client_drift.known()) == []
    assert "has nothing" in client_drift.report(versions.NEWEST, [])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("record type", "cost-state"),
        ("field of assistant", "requestRef"),
        ("field of usage", "fallback_credit"),
        ("field of modelUsage", "thinkingTokens"),
        ("attachment", "skill_listing"),
        ("tool", "ToolSearch"),
        ("hook event", "PreSkillShellCommand"),
        ("field of plugin.json", "optionalDependencies"),
        ("field of plugin.json", "experimental.syntaxHighlighting"),
        ("subcommand of claude", "import"),
        ("subcommand of claude plugin", "eval"),
    ],
)
def test_what_a_table_lacks_is_named(newest: Surface, kind: str, name: str):
    doctored = copy.deepcopy(client_drift.known())
    doctored.names[kind].remove(name)
    missing = newest.missing_from(doctored)
    assert missing == [(kind, name)]
    assert f"\n{kind}: {name}\n" in client_drift.report(versions.NEWEST, missing)


def test_what_the_oldest_lacks_is_what_the_tables_say(newest: Surface):
    """Of the lists that cost no session: so that `NEWER` is true."""
    oldest = client_drift.of_binary(versions.OLDEST)
    lacks = newest.names["hook event"] - oldest.names["hook event"]
    assert lacks == surface.NEWER["hook event"]


def test_a_client_of_another_form_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A list that is not found is a failure, not an empty list."""
    odd = tmp_path / "claude" / "9.9.9" / "node_modules" / "@anthropic-ai" / "claude-code-odd" / "claude"
    odd.parent.mkdir(parents=True)
    odd.write_bytes(b'{type:"user"}')
    monkeypatch.setenv("AGNES_CACHE_DIR", str(tmp_path))
    assert claude_binary("9.9.9") == odd
    with pytest.raises(client_drift.NotFound, match="lists its record types"):
        client_drift.of_binary("9.9.9")
