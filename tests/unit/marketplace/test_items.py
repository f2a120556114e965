"""What is found inside a plugin."""

from __future__ import annotations

import json

import pytest

from agnes.marketplace import front_matter
from agnes.marketplace.items import inner_items
from agnes.marketplace.limits import MAX_FRONT_MATTER_BYTES, MAX_ITEMS
from agnes.marketplace.manifest import PluginManifest


def found(files: dict[str, str], *manifests: dict) -> list[tuple]:
    """(kind, name, declared name, description, path, detail) of every item; warnings fail."""
    items, warnings = inner_items(
        {path: body.encode() for path, body in files.items()}, *(PluginManifest(**m) for m in manifests)
    )
    assert warnings == []
    return [(i.kind, i.name, i.declared_name, i.description, i.relpath, i.detail) for i in items]


def head(**words: str) -> str:
    return "---\n" + "".join(f"{key}: {value}\n" for key, value in words.items()) + "---\n\n# Body\n"


def test_skills_are_folders_with_a_skill_file():
    files = {
        "skills/forecast/SKILL.md": head(name="Forecast!", description="Looks ahead"),
        "skills/forecast/scripts/run.py": "x",
        "skills/plain/SKILL.md": "no front matter",
        "skills/deep/er/SKILL.md": head(name="too deep"),
        "skills/readme.md": "no skill",
        "skills/lower/skill.md": "no skill either",
    }
    assert found(files) == [
        ("skill", "forecast", "Forecast!", "Looks ahead", "skills/forecast/SKILL.md", None),
        ("skill", "plain", None, "", "skills/plain/SKILL.md", None),
    ]


def test_nested_commands_and_agents_carry_their_folders():
    files = {
        "commands/close.md": head(description="Closes"),
        "commands/month/end/close.md": head(description="Closes more"),
        "agents/review/sql.md": head(name="sql-reviewer", description="Reads"),
        "commands/notes.txt": "x",
    }
    assert found(files) == [
        ("agent", "review:sql", "sql-reviewer", "Reads", "agents/review/sql.md", None),
        ("command", "close", None, "Closes", "commands/close.md", None),
        ("command", "month:end:close", None, "Closes more", "commands/month/end/close.md", None),
    ]


def test_manifests_add_places():
    files = {
        "more/one.md": head(description="1"),
        "more/two.md": head(description="2"),
        "helpers/lint.md": head(name="lint"),
        "packs/a/SKILL.md": head(name="a"),
        "single/SKILL.md": head(name="single"),
        "inline.md": head(description="from an object"),
    }
    plugin = {"commands": ["./more/one.md"], "agents": "./helpers/lint.md", "skills": ["./packs", "./single"]}
    entry = {"commands": {"inline": {"source": "./inline.md"}}}
    assert [(kind, name) for kind, name, *_ in found(files, plugin, entry)] == [
        ("skill", "a"),
        ("skill", "single"),
        ("agent", "lint"),
        ("command", "one"),
        ("command", "inline"),
    ]


def test_hooks_by_event_and_by_file():
    hooks = {"description": "Opens", "hooks": {"SessionStart": [{"hooks": []}], "PreToolUse": [], "odd": 7}}
    files = {"hooks/hooks.json": json.dumps(hooks), "hooks/open.sh": "#!/bin/sh", "config/h.json": '{"Stop": []}'}
    assert found(files, {"hooks": "./config/h.json"}, {"hooks": {"SessionEnd": []}}) == [
        ("hook", "SessionStart", None, "Opens", "hooks/hooks.json", "SessionStart"),
        ("hook", "PreToolUse", None, "Opens", "hooks/hooks.json", "PreToolUse"),
        ("hook", "Stop", None, "", "config/h.json", "Stop"),
        ("hook", "SessionEnd", None, "", ".claude-plugin/plugin.json", "SessionEnd"),
        ("hook", "open.sh", None, "", "hooks/open.sh", None),
    ]


@pytest.mark.parametrize(
    ("files", "manifest", "expected"),
    [
        pytest.param({".mcp.json": '{"mcpServers": {"r": {"command": "x"}}}'}, {}, [("r", "stdio")], id="wrapped"),
        pytest.param({".mcp.json": '{"r": {"type": "sse", "url": "u"}}'}, {}, [("r", "sse")], id="flat"),
        pytest.param({"mcp_servers.json": '{"r": {"url": "u"}}'}, {}, [("r", "http")], id="old name"),
        pytest.param(
            {".mcp.json": '{"a": {}}', "mcp_servers.json": '{"b": {}}'}, {}, [("a", None)], id="the first file counts"
        ),
        pytest.param({}, {"mcpServers": {"r": {"command": "x"}}}, [("r", "stdio")], id="inline"),
        pytest.param({"s.json": '{"r": {"command": "x"}}'}, {"mcpServers": "./s.json"}, [("r", "stdio")], id="by path"),
        pytest.param({".mcp.json": '{"r": 7}'}, {}, [], id="nonsense"),
        pytest.param({".mcp.json": "[]"}, {}, [], id="a list"),
    ],
)
def test_servers(files, manifest, expected):
    assert [(name, detail) for _, name, _, _, _, detail in found(files, manifest)] == expected


def test_what_cannot_be_read_is_a_warning():
    files = {".mcp.json": b"{", "hooks/hooks.json": b"\xff", "agents/a.md": b"---\nname: [\n---\n"}
    items, warnings = inner_items(files)
    assert [(i.kind, i.name) for i in items] == [("agent", "a")]
    assert warnings == [
        "agents/a.md: its front matter is not YAML",
        "hooks/hooks.json: not UTF-8",
        ".mcp.json: not JSON: Expecting property name enclosed in double quotes at line 1, column 2",
    ]


def test_items_are_bounded():
    items, _ = inner_items({f"commands/c{n}.md": b"x" for n in range(MAX_ITEMS + 5)})
    assert len(items) == MAX_ITEMS


@pytest.mark.parametrize(
    ("text", "name", "description"),
    [
        ("---\nname: a\ndescription: b\n---\n", "a", "b"),
        ("\ufeff---\r\nname: a\r\ndescription: b\r\n---\r\nbody", "a", "b"),
        ("---\ndescription: >\n  two\n  lines\n---\n", None, "two lines"),
        ("---\nname: 7\ndescription: 2026-11-23\n---\n", "7", "2026-11-23"),
        ("---\nname: [a]\ndescription: {b: c}\n---\n", None, ""),
        ("---\n- a\n---\n", None, ""),
        ("---\n---\n", None, ""),
        ("name: a\n", None, ""),
        ("text\n---\nname: a\n---\n", None, ""),
        ("---\nname: a\n", None, ""),
        ('---\nname: "a\\u202eb\\u0000"\n---\n', "ab", ""),
        # Claude Code's own agents have unquoted colons, which YAML forbids: read as plain lines.
        ("---\nname: rev\ndescription: Use it when: always. <example>x: y</example>\n---\n", "rev",
         "Use it when: always. <example>x: y</example>"),
        ("---\nname: &a x\ndescription: *a\n---\n", "&a x", "*a"),
        ("---\nname: !!python/object/apply:os.system [id]\n---\n", "!!python/object/apply:os.system [id]", ""),
        ("---\nwhen: 2026-13-45\nname: a\n---\n", "a", ""),
    ],
)  # fmt: skip
def test_front_matter(text, name, description):
    head = front_matter.read(text.encode())
    assert (head.name, head.description) == (name, description)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", id="aliases"),
        pytest.param("a: " + "[" * 5000 + "\n", id="deep"),
        pytest.param("a: " + "x" * (MAX_FRONT_MATTER_BYTES + 10) + "\n", id="long"),
    ],
)
def test_front_matter_that_explodes_is_left_alone(block):
    assert front_matter.read(f"---\n{block}---\n".encode()).name is None
