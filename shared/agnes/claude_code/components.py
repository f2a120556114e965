"""What a plugin can be made of: every kind of component that the client takes, where it finds it, and what it does with it.

Read in 2.1.197 and 2.1.332, and held by `tests/journeys/test_inventory.py`: what `claude plugin validate` of the newest client
lists under *Provides*, and each field that it takes, is in these tables. `agnes.marketplace.inventory` finds the components.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agnes.claude_code.versions import OLDEST


class Danger(StrEnum):
    """What a component of a kind may do, the least first."""

    LOOKS = "looks"
    """Changes what the person sees, nothing else."""
    TEXT = "text"
    """Its text is put before the model, which may follow it."""
    PROCESS = "process"
    """Runs programs on the laptop, with the person's rights."""
    CLIENT = "client"
    """Runs inside the client itself: sees and changes everything that it does."""


@dataclass(frozen=True, slots=True)
class ComponentKind:
    kind: str
    """Our word: in rows, in the API, in telemetry."""
    label: str
    """Of a list of them, as a heading."""
    fields: tuple[str, ...]
    """Fields of plugin.json that declare them; `experimental.x` is read as `x`."""
    found: str
    """Where the client looks. *Beside* means that a declared path adds to the default, *in place of* that it replaces it."""
    does: str
    """How it runs code or puts text before the model."""
    danger: Danger
    group: str
    """The list of `agnes.marketplace.capabilities.Capabilities` that shows it."""
    acts: str = ""
    """What the plugin does with it once somebody added it, as *Once added, it …* says; empty for what waits until it is called."""
    is_asked_for: bool = False
    """It acts only when a person, the model or a shell command calls it."""
    detail: str = ""
    """The heading of what else is said of one: a hook's event, a monitor's command."""
    since: str = OLDEST
    """The version that brought it, at most; what OLDEST knows is not told apart."""
    provides: str = ""
    """The word of `claude plugin validate` for it, empty where that lists none."""
    is_called: bool = False
    """A person or the model calls it by name: telemetry counts it."""
    is_described: bool = False
    """Its name and description are before the model in every session: one without a description is not found."""
    written: str = ""
    """How a person types it, of the plugin's prefix and its name; empty for what is not typed."""
    line: str = "{name}"
    """How one with a detail is named in a list of what a plugin does."""
    is_shown_apart: bool = False
    """Pages show it in a place of its own, and not in the list of components."""


KINDS = (
    ComponentKind(
        "skill", "Skills", ("skills",),
        "skills/*/SKILL.md, beside them the declared folders (of one skill or of several); SKILL.md of the plugin's folder where there "
        "is no skills/ and none is declared",
        "name and description are in every session, the text once it is called; `!` commands, and hooks of its front matter, then run",
        Danger.TEXT, "texts", provides="skills", is_called=True,
        is_described=True, written="/{plugin}:{name}", is_shown_apart=True,
    ),
    ComponentKind(
        "command", "Commands", ("commands",),
        "commands/**/*.md (a folder with a SKILL.md is one command), in place of it the declared files, folders and inline texts",
        "as a skill, and a person types it", Danger.TEXT, "texts", provides="commands", is_called=True,
        is_described=True, written="/{plugin}:{name}",
    ),
    ComponentKind(
        "agent", "Agents", ("agents",), "agents/**/*.md, in place of it the declared files",
        "name and description are in every session, its text is the subagent's system prompt", Danger.TEXT, "texts",
        provides="agents", is_called=True,
        is_described=True, written="@agent-{plugin}:{name}", is_shown_apart=True,
    ),
    ComponentKind(
        "shell", "Shell commands in texts", (), "!`…` and ```! blocks of skills and commands",
        "run whenever the text is called, before the model reads it", Danger.PROCESS, "shell",
        acts="runs shell commands when called",
        is_asked_for=True, detail="Command",
        line="{detail}",
    ),
    ComponentKind(
        "workflow", "Workflows", ("workflows",), "workflows/*.js, in place of it the declared files and folders",
        "a script that starts agents, called as a command or by the model", Danger.PROCESS, "workflows",
        provides="workflows", is_called=True, acts="brings workflows, scripts that start agents",
        is_asked_for=True,
        written="/{plugin}:{name}",
    ),
    ComponentKind(
        "output-style", "Output styles", ("outputStyles",), "output-styles/**/*.md, in place of it the declared files and folders",
        "replaces part of the system prompt while it is chosen, or at once with `force-for-plugin`", Danger.TEXT, "texts",
        provides="outputStyles", acts="brings output styles for the system prompt",
        is_asked_for=True,
        line="{name} ({detail})",
    ),
    ComponentKind(
        "hook", "Hooks", ("hooks",),
        "hooks/hooks.json, beside it the declared files and tables; a table in the catalog's entry replaces the events that it names",
        "runs commands, requests and prompts at events of a session", Danger.PROCESS, "hooks", provides="hooks", acts="runs hooks", detail="Event",
        line="{detail}",
    ),
    ComponentKind(
        "mod", "Mods", (), "`modules` of a file of hooks: one JavaScript module a plugin", "runs inside the client, not sandboxed",
        Danger.CLIENT, "mods", since="2.1.287", provides="modules", acts="runs a module inside Claude Code",
    ),
    ComponentKind(
        "mcp", "MCP servers", ("mcpServers",), ".mcp.json, beside it the declared files, bundles (.mcpb, .dxt) and tables",
        "starts a program or talks to a host; its tools and instructions are put before the model", Danger.PROCESS, "servers",
        provides="mcpServers", acts="starts MCP servers", detail="Type",
        line="{name} ({detail})",
    ),
    ComponentKind(
        "lsp", "LSP servers", ("lspServers",), ".lsp.json, beside it the declared files and tables",
        "starts a program; its diagnostics are put before the model", Danger.PROCESS, "servers", provides="lspServers", acts="starts language servers", detail="Languages",
    ),
    ComponentKind(
        "monitor", "Monitors", ("monitors",), "monitors/monitors.json, in place of it the declared file or list",
        "a shell command in the background of every session, not sandboxed; each line that it writes is put before the model",
        Danger.PROCESS, "monitors", provides="monitors", acts="runs commands in the background", detail="Command",
        line="{name}: {detail}",
    ),
    ComponentKind(
        "channel", "Channels", ("channels",), "declared", "messages of one of its MCP servers are put before the model as they come",
        Danger.TEXT, "channels", acts="lets messages reach the model", detail="Shown as",
    ),
    ComponentKind(
        "program", "Programs", (), "bin/*", "on the PATH of every shell command that the model runs", Danger.PROCESS, "programs",
        provides="bin", acts="adds programs to the PATH of every session",
        is_asked_for=True,
    ),
    ComponentKind(
        "binary", "Downloaded programs", ("binaries",), "declared, with a SHA-256 each",
        "fetched into bin/ when the plugin is installed (official marketplaces only)", Danger.PROCESS, "downloads", acts="downloads programs",
    ),
    ComponentKind(
        "grammar", "Language grammars", ("syntaxHighlighting",), "declared",
        "JavaScript of npm or GitHub for highlighting, made for the client itself (read by 2.1.332, which does not use it yet)",
        Danger.CLIENT, "downloads", since="2.1.332", acts="brings grammars that run inside Claude Code", is_asked_for=True,
        detail="From",
    ),
    ComponentKind(
        "package", "npm packages", (),
        "package.json with dependencies beside package-lock.json, npm-shrinkwrap.json, bun.lock or bun.lockb, without node_modules",
        "installed from the registry when the plugin is; their install scripts do not run, the plugin's programs load them",
        Danger.PROCESS, "packages", since="2.1.332", acts="installs npm packages", detail="Version",
        line="{name} {detail}",
    ),
    ComponentKind(
        "setting", "Settings", ("settings",), "settings.json, in place of it the declared object: `agent` and `subagentStatusLine` only",
        "`agent` makes one of its agents the session's own system prompt, `subagentStatusLine` runs a command", Danger.PROCESS,
        "settings", acts="changes settings of the session", detail="Value",
        line="{name}: {detail}",
    ),
    ComponentKind(
        "dependency", "Needed plugins", ("dependencies", "optionalDependencies"), "declared",
        "installs and enables another plugin, with all that it does", Danger.PROCESS, "dependencies", acts="installs other plugins", detail="Version",
        line="{name} {detail}", is_shown_apart=True,
    ),
    ComponentKind(
        "option", "Options", ("userConfig",), "declared, also in a channel",
        "the person's answer, or the default, is put into commands of servers and hooks, and unless it is secret into texts",
        Danger.TEXT, "options", detail="Default",
        is_shown_apart=True,
    ),
    ComponentKind(
        "theme", "Themes", ("themes",), "themes/*.json, in place of it the declared files and folders", "changes colours",
        Danger.LOOKS, "themes", provides="themes",
    ),
)  # fmt: skip
BY_KIND = {row.kind: row for row in KINDS}

SKILL, AGENT, COMMAND, WORKFLOW, MCP = "skill", "agent", "command", "workflow", "mcp"
"""Kinds that telemetry and pages treat by themselves."""

CALLED = frozenset(row.kind for row in KINDS if row.is_called)
DESCRIBED = frozenset(row.kind for row in KINDS if row.is_described)
SHOWN_APART = frozenset(row.kind for row in KINDS if row.is_shown_apart)
BY_DANGER = tuple(
    sorted(KINDS, key=lambda row: (list(Danger).index(row.danger), not row.is_asked_for), reverse=True),
)
"""The most dangerous first; of those that are alike what acts without being called."""

DESCRIBING = (
    "$schema", "id", "name", "displayName", "version", "description", "author", "homepage", "repository", "license", "keywords",
    "category", "tags", "icon", "screenshots", "docs", "support", "classification", "capabilities", "relevance", "defaultEnabled",
    "metadata", "engines", "network", "types", "experimental", "source", "strict", "headers", "headersHelper",
)  # fmt: skip
"""Fields of plugin.json that declare no component: what the plugin is, where it runs, and what only `claude plugin` itself uses (`types`). Some belong into a catalog's entry, which says so."""
DESCRIBING_EXPERIMENTAL = ("evals",)
"""The same of `experimental`: cases that `claude plugin eval` runs when somebody calls it."""
FIELDS = {field: row for row in KINDS for field in row.fields}
"""Field of plugin.json → what it declares."""

SETTINGS = ("agent", "subagentStatusLine")
"""What the client takes of a plugin's settings."""
LOCKFILES = ("bun.lock", "npm-shrinkwrap.json", "package-lock.json", "bun.lockb")
"""Beside one of these the client installs the packages of a plugin's package.json."""
PACKAGE_FIELDS = ("dependencies", "optionalDependencies", "peerDependencies", "workspaces")
