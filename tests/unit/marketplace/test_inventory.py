"""What the client loads of a plugin, by the rules that were read in it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from agnes.claude_code import components as kinds
from agnes.claude_code import surface
from agnes.marketplace import capabilities, front_matter, inventory, javascript
from agnes.marketplace.limits import MAX_FRONT_MATTER_BYTES, MAX_ITEMS
from agnes.marketplace.manifest import PLUGIN_MANIFEST

RUN = [{"hooks": [{"type": "command", "command": "true"}]}]


def of(files: dict[str, Any], manifest: Any = None, entry: dict | None = None) -> inventory.Inventory:
    """The inventory of a plugin `kit` with these files; what is no text is written as JSON."""
    given = {PLUGIN_MANIFEST: {"name": "kit", **(manifest or {})}, **files}
    made = {
        path: body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        for path, body in given.items()
    }
    return inventory.of_plugin(made, entry)


def found(files: dict[str, Any], manifest: Any = None, entry: dict | None = None) -> list[tuple[str, str]]:
    """(kind, name) of every component; warnings fail."""
    got = of(files, manifest, entry)
    assert got.warnings == []
    return [(c.kind, c.name) for c in got.components]


def head(**words: str) -> str:
    return "---\n" + "".join(f"{key}: {value}\n" for key, value in words.items()) + "---\n\n# Body\n"


def test_skills_are_folders_with_a_skill_file_and_are_named_for_the_folder():
    files = {
        "skills/forecast/SKILL.md": head(name="Forecast!", description="Looks ahead"),
        "skills/forecast/scripts/run.py": "x",
        "skills/plain/SKILL.md": "no front matter",
        "skills/with space/SKILL.md": "x",
        "skills/déjà.vu/SKILL.md": "x",
        "skills/deep/er/SKILL.md": head(name="too deep"),
        "skills/readme.md": "no skill",
        "skills/lower/skill.md": "no skill either",
    }
    first = of(files).components[1]
    assert (first.name, first.declared_name, first.description) == ("forecast", "Forecast!", "Looks ahead")
    assert found(files) == [("skill", name) for name in ("d-j--vu", "forecast", "plain", "with-space")]


@pytest.mark.parametrize(
    ("files", "manifest", "names"),
    [
        pytest.param({"SKILL.md": head(name="root one")}, {}, ["root-one"], id="the plugin is a skill"),
        pytest.param({"SKILL.md": head(name="r"), "skills/in/SKILL.md": "x"}, {}, ["in"], id="but not beside skills/"),
        pytest.param({"SKILL.md": head(name="r")}, {"skills": []}, [], id="nor where some are listed"),
        pytest.param({"SKILL.md": head(name="r")}, {"skills": ["./"]}, ["r"], id="its folder listed"),
        pytest.param({"SKILL.md": head(name="r"), "skills/in/SKILL.md": "x"}, {"skills": "."}, ["in", "r"], id="and beside"),
        pytest.param({"SKILL.md": "x"}, {}, ["kit"], id="without a name"),
        pytest.param({"a/SKILL.md": head(name="kit:other")}, {"skills": "./a"}, ["other"], id="one skill, named by itself"),
        pytest.param({"a/b/SKILL.md": head(name="x"), "skills/c/SKILL.md": "x"}, {"skills": ["./a", "./skills"]}, ["c", "b"],
                     id="a folder of skills is added"),
    ],
)  # fmt: skip
def test_where_skills_are(files, manifest, names):
    assert found(files, manifest) == [("skill", name) for name in names]


def test_nested_commands_and_agents_carry_their_folders():
    files = {
        "commands/close.md": head(name="not this", description="Closes"),
        "commands/month/end/close.md": head(description="Closes more"),
        "commands/UP.MD": "x",
        "commands/pack/SKILL.md": "one command",
        "commands/pack/help.md": "not one",
        "commands/pack/deep/er.md": "not one",
        "agents/review/sql.md": head(name="sql-reviewer", description="Reads"),
        "agents/plain.md": "no front matter",
        "commands/notes.txt": "x",
    }
    assert found(files) == [
        ("agent", "plain"),
        ("agent", "review:sql-reviewer"),
        *[("command", name) for name in ("UP.MD", "close", "month:end:close", "pack")],
    ]


def test_declared_places_add_to_the_default_or_replace_it():
    files = {
        "commands/hidden.md": "x", "cmds/one.md": "x", "cmds/in/two.md": "x",
        "agents/hidden.md": "x", "helpers/lint.md": head(name="linter"),
        "output-styles/hidden.md": "x", "styles/in/loud.md": head(name="Very Loud"),
        "workflows/hidden.js": "export const meta = {name: 'h'}", "w.js": "export const meta = { name: \"flow\", x: [1, {name: 'no'}] }",
        "themes/hidden.json": {}, "dusk.json": {"name": "Dusk"},
        "hooks/hooks.json": {"hooks": {"Stop": RUN}}, "more.json": {"hooks": {"SessionEnd": RUN}},
        ".mcp.json": {"mcpServers": {"a": {"command": "a"}}}, "b.json": {"b": {"command": "b"}},
        ".lsp.json": {"go": {"command": "gopls", "extensionToLanguage": {".go": "go"}}},
        "monitors/monitors.json": [{"name": "hidden", "command": "x", "description": "x"}],
        "watch.json": [{"name": "watch", "command": "tail -f log", "description": "Watches"}],
    }  # fmt: skip
    manifest = {
        "commands": ["./cmds"], "agents": "./helpers/lint.md", "outputStyles": "./styles", "workflows": "./w.js",
        "experimental": {"themes": "./dusk.json", "monitors": "./watch.json"}, "hooks": ["./more.json", {"Setup": RUN}],
        "mcpServers": ["./b.json", {"c": {"type": "http", "url": "https://c.example"}}],
        "lspServers": {"py": {"command": "pyls", "extensionToLanguage": {".py": "python"}}},
    }  # fmt: skip
    assert found(files, manifest) == [
        ("agent", "linter"), ("command", "one"), ("command", "in:two"), ("workflow", "flow"), ("output-style", "Very Loud"),
        ("hook", "Stop"), ("hook", "SessionEnd"), ("hook", "Setup"), ("mcp", "a"), ("mcp", "b"), ("mcp", "c"),
        ("lsp", "go"), ("lsp", "py"), ("monitor", "watch"), ("theme", "dusk"),
    ]  # fmt: skip


def test_a_table_of_commands_names_them():
    files = {"commands/z.md": "x", "more/real.md": "---\ndescription: of the file\n---\nx"}
    table = {"about": {"source": "./more/real.md", "description": "of the table"}, "inline": {"content": "!`date`"}}
    got = of(files, {"commands": table})
    assert [(c.kind, c.name, c.description) for c in got.components] == [
        ("command", "about", "of the table"),
        ("command", "inline", ""),
        ("shell", ".claude-plugin/plugin.json: commands.inline", ""),
    ]
    assert got.components[2].detail == "date"


def test_what_the_entry_adds():
    files = {
        "commands/z.md": "x",
        "ex/e.md": "x",
        "sk/q/SKILL.md": "x",
        "hooks/hooks.json": {"hooks": {"Stop": RUN, "Setup": RUN}},
    }
    other = [{"hooks": [{"type": "command", "command": "other"}]}]
    entry = {
        "commands": ["./ex/e.md"],
        "skills": ["./sk"],
        "hooks": {"Stop": other},
        "mcpServers": {"no": {"command": "x"}},
    }
    got = of(files, {}, entry)
    assert [(c.kind, c.name) for c in got.components] == [
        ("skill", "q"), ("command", "z"), ("command", "e"), ("hook", "Stop"), ("hook", "Setup"),
    ]  # fmt: skip
    assert got.components[3].lines == ("Stop: other",), "of one event the entry's hooks are in place of the plugin's"


def test_an_output_style_that_nobody_has_to_choose_says_so():
    (style,) = of({"output-styles/loud.md": "---\nforce-for-plugin: true\ndescription: Shouts\n---\n"}).components
    assert (style.detail, style.lines) == ("applies at once", ("output-style loud: Shouts (applies at once)",))


def test_hooks_come_from_files_of_hooks_and_from_nothing_else_in_their_folder():
    hooks = {"description": "Opens", "hooks": {"SessionStart": RUN, "PreToolUse": []}}
    files = {"hooks/hooks.json": hooks, "hooks/open.sh": "#!/bin/sh", "hooks/README.md": "x", "hooks/lib/w.py": "x"}
    got = of(files)
    assert [(c.name, c.description, c.detail) for c in got.components] == [
        ("SessionStart", "Opens", "SessionStart"),
        ("PreToolUse", "Opens", "PreToolUse"),
    ]


def test_a_hooks_module_and_hooks_of_front_matter():
    skill = "---\nname: s\nhooks:\n  PreToolUse:\n    - matcher: Bash\n      hooks:\n        - type: command\n          command: curl x\n---\n"
    files = {"hooks/hooks.json": {"modules": ["../mods/board.mjs"]}, "mods/board.mjs": "x", "skills/s/SKILL.md": skill}
    got = of(files)
    assert got.warnings == []
    assert [(c.kind, c.name, c.lines) for c in got.components if c.kind != "skill"] == [
        ("hook", "PreToolUse (skills/s/SKILL.md)", ("skills/s/SKILL.md: PreToolUse [Bash]: curl x",)),
        ("mod", "mods/board.mjs", ("mods/board.mjs",)),
    ]
    assert found({"agents/a.md": skill}) == [("agent", "s")], "the client ignores the hooks of a plugin's agent"


@pytest.mark.parametrize(
    ("files", "manifest", "expected"),
    [
        pytest.param({".mcp.json": {"mcpServers": {"r": {"command": "x"}}}}, {}, [("r", "stdio")], id="wrapped"),
        pytest.param({".mcp.json": {"r": {"type": "sse", "url": "u"}}}, {}, [("r", "sse")], id="flat"),
        pytest.param({"mcp_servers.json": {"r": {"command": "u"}}}, {}, [], id="no file of the client's"),
        pytest.param({".mcp.json": {"r": {"command": "x"}}}, {"mcpServers": {"r": {"type": "ws", "url": "u"}}}, [("r", "ws")],
                     id="declared ones win"),
        pytest.param({"s.json": {"r": {"command": "x"}}}, {"mcpServers": "./s.json"}, [("r", "stdio")], id="by path"),
        pytest.param({}, {"mcpServers": "https://x.example/y.mcpb"}, [("y.mcpb", "bundle")], id="a bundle elsewhere"),
        pytest.param({".mcp.json": "[]"}, {}, [], id="a list"),
    ],
)  # fmt: skip
def test_servers(files, manifest, expected):
    got = of(files, manifest)
    assert [(c.name, c.detail) for c in got.components] == expected
    assert got.warnings == []


def test_a_bundle_says_what_its_server_is_called():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(
            "manifest.json",
            json.dumps({"name": "bundled", "server": {"mcp_config": {"command": "node", "args": ["i.js"]}}}),
        )
    got = of({"b.mcpb": packed.getvalue(), "bad.dxt": b"PK"}, {"mcpServers": ["./b.mcpb", "./bad.dxt"]})
    assert [c.lines for c in got.components] == [("bundled: node i.js",), ("bad.dxt: ./bad.dxt",)]
    assert got.warnings == ["./bad.dxt: no MCP bundle"]


def test_everything_else_that_runs_or_reaches_the_model():
    files = {
        "bin/tool": "#!/bin/sh", "bin/lib/x": "x",
        "package.json": {"dependencies": {"left-pad": "^1.0.0"}, "devDependencies": {"no": "1"}}, "package-lock.json": {},
        "settings.json": {"agent": "a", "subagentStatusLine": {"type": "command", "command": "nc -l 9"}, "model": "no"},
    }  # fmt: skip
    manifest = {
        "channels": [{"server": "chat", "displayName": "Chat"}], "binaries": {"tool-x": {"sha256": "0" * 64}},
        "dependencies": ["charts", {"name": "maps", "marketplace": "m", "version": "^2"}], "optionalDependencies": ["sound"],
        "settings": {"agent": "not this"},
        "experimental": {"syntaxHighlighting": {"hljsLanguages": [{"id": "cobol", "remote": "npm:cobol-grammar"}]}},
    }  # fmt: skip
    got = of(files, manifest)
    assert [(c.kind, c.lines) for c in got.components] == [
        ("channel", ("chat (Chat)",)),
        ("binary", ("tool-x (000000000000)",)),
        ("grammar", ("cobol: npm:cobol-grammar",)),
        ("dependency", ("charts",)),
        ("dependency", ("maps@m ^2",)),
        ("dependency", ("sound optional",)),
        ("program", ("bin/tool",)),
        ("package", ("left-pad ^1.0.0",)),
        ("setting", ("agent: a",)),
        ("setting", ("subagentStatusLine: nc -l 9",)),
    ]


@pytest.mark.parametrize("beside", [{}, {"yarn.lock": ""}, {"package-lock.json": {}, "node_modules/x/i.js": "x"}])
def test_packages_are_installed_only_where_the_client_installs_them(beside):
    assert found({"package.json": {"dependencies": {"left-pad": "1"}}, **beside}) == []


def test_every_kind_of_component_is_in_a_list_of_the_review():
    assert {row.group for row in kinds.KINDS} <= set(capabilities.GROUPS)
    assert set(kinds.FIELDS).isdisjoint(kinds.DESCRIBING)


def test_every_field_that_the_newest_client_takes_is_in_the_tables():
    """`make client-drift` compares the fields with the client."""
    inside = set(surface.EXPERIMENTAL_FIELDS)
    assert surface.MANIFEST_FIELDS - set(kinds.FIELDS) == set(kinds.DESCRIBING)
    assert inside - set(kinds.FIELDS) == set(kinds.DESCRIBING_EXPERIMENTAL)
    assert set(kinds.FIELDS) <= surface.MANIFEST_FIELDS | inside


def test_what_cannot_be_read_is_a_warning():
    files = {
        ".mcp.json": b"{", "hooks/hooks.json": b"\xff", "agents/a.md": "---\nname: [\n}: - {\n---\n", "monitors/monitors.json": [{"name": "x"}],
        "more.json": {"Stop": RUN}, "workflows/x.js": "console.log(1)", "skills/s/SKILL.md": "---\nhooks: [1]\n---\n",
    }  # fmt: skip
    got = of(files, {"hooks": "./more.json", "skills": "./gone"})
    assert [(c.kind, c.name) for c in got.components] == [("skill", "s"), ("agent", "a")]
    assert got.warnings == [
        "skills/s/SKILL.md: it is loaded without its hooks and without what it allows itself: hooks: must be an object with a list for each event",
        "agents/a.md: its front matter is not YAML",
        "workflows/x.js: no workflow: it has to begin with `export const meta = {…}`",
        "hooks/hooks.json: not UTF-8",
        "more.json: Claude Code loads nothing of it: it has neither `hooks` nor `modules`",
        ".mcp.json: not JSON: Expecting property name enclosed in double quotes at line 1, column 2",
        "monitors/monitors.json: monitors: 0.command: is missing",
    ]


@pytest.mark.parametrize(
    ("hooks", "events", "is_lost"),
    [
        pytest.param({"Stop": RUN, "Dreamed": RUN}, ["Stop", "Dreamed"], False, id="an event of a later client"),
        pytest.param({"Stop": [*RUN, "x"]}, ["Stop"], False, id="a matcher that is none, beside one"),
        pytest.param({"PreToolUse": [{"hooks": [{"type": "telepathy"}]}], "Stop": RUN}, [], True, id="a lost guard"),
        pytest.param([{"matcher": "x", "hooks": RUN}], [], True, id="a list of matchers"),
    ],
)
def test_hooks_of_front_matter_that_are_partly_loaded(hooks, events, is_lost):
    got = of({"skills/s/SKILL.md": f"---\nhooks: {json.dumps(hooks)}\n---\n"})
    assert [c.detail for c in got.components if c.kind == "hook"] == events
    assert any("without its hooks" in warning for warning in got.warnings) == is_lost
    assert not got.refused


@pytest.mark.parametrize(
    ("said", "callers"),
    [
        ("name: s", None),
        ("user-invocable: true", None),
        ("user-invocable: false", "used by Claude alone"),
        ("user-invocable: 'no'", "used by Claude alone"),
        ("user-invocable:", "used by Claude alone"),
        ("disable-model-invocation: 'Yes'", "used by people alone"),
        ("disable-model-invocation: 2", None),
        ("user-invocable: off\ndisable-model-invocation: on", "used by nobody"),
    ],
)
def test_who_may_use_a_skill(said, callers):
    files = {"skills/s/SKILL.md": f"---\n{said}\n---\n", "commands/c.md": f"---\n{said}\n---\n"}
    assert [(c.kind, c.detail) for c in of(files).components] == [("skill", callers), ("command", callers)]


def test_components_are_bounded():
    assert len(of({f"commands/c{n}.md": "x" for n in range(MAX_ITEMS + 5)}).components) == MAX_ITEMS


@pytest.mark.parametrize(
    ("script", "meta"),
    [
        ("// note\n/* more */ export const meta = {\n  description: `Two\n lines`, name: 'a-b', phases: [{ title: \"}\" }] };\nx", ("a-b", "Two lines")),
        ("export const meta={'name':\"q\\u0041\"}", ("qA", "")),
        ("export const meta = { name: other }", None),
        ("export const meta = { title: { name: 'no' } }", None),
        ("export const meta = { name: 'open'", None),
        ("const x = 1; export const meta = { name: 'late' }", None),
        ("export const meta = {" + "[" * 20_000, None),
    ],
)  # fmt: skip
def test_the_first_statement_of_a_workflow(script, meta):
    assert javascript.workflow_meta(script) == meta


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
        ("---\nname: yes\ndescription: 1:30\n---\n", "yes", "1:30"),
        ("---\nname: 1.0\ndescription: true\n---\n", "1", "true"),
        ("---\ndescription: one --- two\nname: a\n---\n", None, "one"),
        ("--- \nname: a\n---\n", "a", ""),
        # Claude Code's own agents have unquoted colons, which YAML forbids: they are read once more, quoted.
        ("---\nname: rev\ndescription: Use it when: always. <example>x: y</example>\n---\n", "rev",
         "Use it when: always. <example>x: y</example>"),
        ("---\nname: &a x\ndescription: *a\n---\n", "&a x", "*a"),
        ("---\nname: !!python/object/apply:os.system [id]\n---\n", "!!python/object/apply:os.system [id]", ""),
        ("---\nwhen: 2026-13-45\nname: a\n---\n", "a", ""),
    ],
)  # fmt: skip
def test_front_matter(text, name, description):
    fields = front_matter.head(text.encode()).fields
    assert (front_matter.line(fields.get("name")), front_matter.line(fields.get("description")) or "") == (
        name,
        description,
    )


@pytest.mark.parametrize(
    "block",
    [
        pytest.param("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", id="aliases"),
        pytest.param("a: " + "[" * 5000 + "\n", id="deep"),
        pytest.param("a: " + "x" * (MAX_FRONT_MATTER_BYTES + 10) + "\n", id="long"),
    ],
)
def test_front_matter_that_explodes_is_left_alone(block):
    assert front_matter.head(f"---\n{block}---\n".encode()).fields.get("b") in (None, "&b [*a,*a]")
