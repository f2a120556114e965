"""What the client offers besides its records: subcommands, built-in tools, and the fields of plugin.json that it takes.

Read in 2.1.197 and 2.1.332 by `make client-drift`, which compares these tables with a newer client. `NEWER` names what
2.1.197 does not have, `GONE` what 2.1.332 has no more.
"""

from __future__ import annotations

from agnes.claude_code import events

COMMANDS = frozenset(
    [
        "agents",
        "attach",
        "auth",
        "auto-mode",
        "doctor",
        "gateway",
        "import",
        "install",
        "logs",
        "mcp",
        "plugin",
        "project",
        "purge",
        "respawn",
        "rm",
        "setup-token",
        "stop",
        "ultrareview",
        "update",
    ]
)
"""Subcommands of `claude`."""

PLUGIN_COMMANDS = frozenset(
    [
        "configure",
        "details",
        "disable",
        "enable",
        "eval",
        "help",
        "init",
        "install",
        "list",
        "marketplace",
        "prune",
        "restore-set-aside",
        "tag",
        "test",
        "uninstall",
        "update",
        "validate",
    ]
)
"""Subcommands of `claude plugin`."""

TOOLS = frozenset(
    [
        "Agent",
        "AskUserQuestion",
        "Bash",
        "CronCreate",
        "CronDelete",
        "CronList",
        "DeferredToolPlaceholder",
        "DesignSync",
        "Edit",
        "EnterPlanMode",
        "EnterWorktree",
        "ExitPlanMode",
        "ExitWorktree",
        "Glob",
        "Grep",
        "ListAgents",
        "Monitor",
        "NotebookEdit",
        "Read",
        "ReportFindings",
        "ScheduleWakeup",
        "SendMessage",
        "Skill",
        "Task",
        "TaskCreate",
        "TaskGet",
        "TaskList",
        "TaskOutput",
        "TaskStop",
        "TaskUpdate",
        "ToolSearch",
        "WebFetch",
        "WebSearch",
        "Workflow",
        "Write",
    ]
)
"""Built-in tools. `Task` is the name in the first event of a session, `Agent` in requests and in transcripts."""

MANIFEST_FIELDS = frozenset(
    [
        "$schema",
        "agents",
        "author",
        "binaries",
        "capabilities",
        "category",
        "channels",
        "classification",
        "commands",
        "defaultEnabled",
        "dependencies",
        "description",
        "displayName",
        "docs",
        "engines",
        "experimental",
        "headers",
        "headersHelper",
        "homepage",
        "hooks",
        "icon",
        "id",
        "keywords",
        "license",
        "lspServers",
        "mcpServers",
        "metadata",
        "monitors",
        "name",
        "network",
        "optionalDependencies",
        "outputStyles",
        "relevance",
        "repository",
        "screenshots",
        "settings",
        "skills",
        "source",
        "strict",
        "support",
        "tags",
        "themes",
        "types",
        "userConfig",
        "version",
        "workflows",
    ]
)
"""Fields of plugin.json that `claude plugin validate` does not call unknown; some it only knows as misplaced."""

EXPERIMENTAL_FIELDS = frozenset(["evals", "monitors", "outputStyles", "syntaxHighlighting", "themes"])
"""Fields of `experimental` in plugin.json."""

HOOK_EVENTS = events.KNOWN

NEWER = {
    "subcommand of claude": frozenset(["attach", "import", "logs", "purge", "respawn", "rm", "stop"]),
    "subcommand of claude plugin": frozenset(["configure", "eval", "restore-set-aside", "test"]),
    "tool": frozenset(["DeferredToolPlaceholder", "ListAgents", "Monitor", "ToolSearch"]),
    "field of plugin.json": frozenset(
        [
            "capabilities",
            "classification",
            "docs",
            "engines",
            "experimental.syntaxHighlighting",
            "headers",
            "headersHelper",
            "icon",
            "metadata",
            "network",
            "optionalDependencies",
            "screenshots",
            "support",
            "types",
        ]
    ),
    "hook event": events.KNOWN - events.EVERYWHERE,
}
"""Not in 2.1.197; in 2.1.332."""

GONE = {
    "subcommand of claude": frozenset(["project"]),
    "tool": frozenset(["TaskCreate", "TaskGet", "TaskList", "TaskOutput", "TaskUpdate"]),
}
"""In 2.1.197; not offered by default in 2.1.332."""
