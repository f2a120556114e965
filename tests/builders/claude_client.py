"""The real Claude Code client as a subprocess with a home, a workspace and a model of the test's own.

What the client does in each situation is written down in `docs/claude-code-client.md`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agnes.claude_code import versions
from agnes_local.claude_install import claude_binary
from tests.builders.patience import PATIENCE_SECONDS

TOOLS = ("Bash", "Read", "Skill", "Task", "Agent")
GRACE_SECONDS = 10
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR")
"""All that a client sees of the environment of the test run: no account, no proxy, no git identity."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished process."""

    command: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


class ClientFailed(AssertionError):
    """The client ended with an error, or not within its deadline."""


@dataclass(frozen=True, slots=True)
class SessionResult:
    """What `claude -p --output-format json` printed."""

    json: dict[str, Any]

    @property
    def session_id(self) -> str:
        return self.json["session_id"]

    @property
    def text(self) -> str:
        return self.json["result"]


@dataclass(frozen=True, slots=True)
class ClaudeClient:
    """One person's laptop: `home` (empty at first), the folder they work in, and the model's address.

    `environment` is added last, so a test can hand in a token, git settings or `PATH`. `version` is the client's; a test
    whose outcome may differ between versions takes it from the fixture `claude_version` and so runs with each.
    """

    home: Path
    workspace: Path
    api_url: str = "http://127.0.0.1:9"
    environment: Mapping[str, str] = field(default_factory=dict)
    deadline_seconds: float = PATIENCE_SECONDS
    version: str = versions.NEWEST

    @property
    def binary(self) -> Path:
        return claude_binary(self.version)

    def env(self) -> dict[str, str]:
        """The whole environment of the client: also right for `agnes` and `git` run as the same person."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return kept | {
            "HOME": str(self.home),
            "ANTHROPIC_BASE_URL": self.api_url,
            "ANTHROPIC_API_KEY": "sk-ant-nobody",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **self.environment,
        }

    def run(self, *arguments: str, check: bool = True, stdin: str = "") -> Run:
        """`claude ARGUMENTS` in the workspace. Raises ClientFailed on the deadline and, if `check`, on an exit code."""
        command = (str(self.binary), *arguments)
        process = subprocess.Popen(
            command,
            cwd=self.workspace,
            env=self.env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that a deadline ends the hooks and servers that it started too
        )
        try:
            stdout, stderr = process.communicate(stdin, timeout=self.deadline_seconds)
        except subprocess.TimeoutExpired as late:
            stdout, stderr = _end(process)
            raise ClientFailed(f"{arguments} took over {self.deadline_seconds} s\n{stdout}\n{stderr}") from late
        done = Run(("claude", *arguments), process.returncode, stdout, stderr)
        if check and done.returncode != 0:
            raise ClientFailed(f"{done.command} exited with {done.returncode}\n{stdout}\n{stderr}")
        return done

    # Plugins. `check=False` hands back a refusal instead of raising it.

    def plugin_validate(self, path: Path, *, check: bool = True) -> Run:
        return self.run("plugin", "validate", str(path), check=check)

    def plugin_marketplace_add(self, source: str | Path, *, check: bool = True) -> Run:
        """Add a folder, a git URL ending in `.git`, or the URL of a `marketplace.json`."""
        return self.run("plugin", "marketplace", "add", str(source), check=check)

    def plugin_marketplace_update(self, name: str, *, check: bool = True) -> Run:
        return self.run("plugin", "marketplace", "update", name, check=check)

    def plugin_marketplace_remove(self, name: str, *, check: bool = True) -> Run:
        return self.run("plugin", "marketplace", "remove", name, check=check)

    def plugin_marketplace_list(self) -> list[dict[str, Any]]:
        return json.loads(self.run("plugin", "marketplace", "list", "--json").stdout)

    def plugin_install(self, plugin: str, *, scope: str = "user", check: bool = True) -> Run:
        """`plugin` is `NAME@MARKETPLACE`; `scope` is user, project or local."""
        return self.run("plugin", "install", plugin, "--scope", scope, check=check)

    def plugin_update(self, plugin: str, *, scope: str = "user", check: bool = True) -> Run:
        return self.run("plugin", "update", plugin, "--scope", scope, check=check)

    def plugin_uninstall(self, plugin: str, *, scope: str = "user", check: bool = True) -> Run:
        return self.run("plugin", "uninstall", plugin, "--scope", scope, check=check)

    def plugin_list(self) -> list[dict[str, Any]]:
        """One object for each installed plugin: id, version, scope, enabled, installPath, installedAt, lastUpdated, …

        Without those that the client brings itself (`NAME@builtin`, in later versions than 2.1.197): `plugins_listed`.
        """
        return [plugin for plugin in self.plugins_listed() if not plugin["id"].endswith("@builtin")]

    def plugins_listed(self) -> list[dict[str, Any]]:
        """All that `claude plugin list --json` prints."""
        return json.loads(self.run("plugin", "list", "--json").stdout)

    def plugin_version(self, plugin: str) -> str | None:
        return next((entry["version"] for entry in self.plugin_list() if entry["id"] == plugin), None)

    # Sessions

    def session(self, prompt: str, *, allowed_tools: Sequence[str] = TOOLS, resume: str | None = None) -> SessionResult:
        """One prompt, played to its end; `resume` goes on with an earlier session. Raises ClientFailed."""
        arguments = ["-p", prompt, "--allowedTools", ",".join(allowed_tools), "--output-format", "json"]
        done = self.run(*arguments, *(["--resume", resume] if resume else []))
        answer = json.loads(done.stdout)
        if answer.get("is_error"):
            raise ClientFailed(f"the session ended with an error: {answer.get('result')}\n{done.stderr}")
        return SessionResult(answer)

    def transcripts(self) -> list[Path]:
        """Every transcript on this laptop, each session's before those of its subagents."""
        return sorted(self.projects.glob("*/*.jsonl")) + sorted(self.projects.glob("*/*/subagents/*.jsonl"))

    def transcript(self, session_id: str) -> Path:
        (found,) = self.projects.glob(f"*/{session_id}.jsonl")
        return found

    def subagent_transcripts(self, session_id: str) -> list[Path]:
        return sorted(self.projects.glob(f"*/{session_id}/subagents/*.jsonl"))

    @property
    def projects(self) -> Path:
        return self.home / ".claude" / "projects"

    # Settings of the workspace

    @property
    def settings_path(self) -> Path:
        return self.workspace / ".claude" / "settings.json"

    def settings(self) -> dict[str, Any]:
        return json.loads(self.settings_path.read_text()) if self.settings_path.exists() else {}

    def write_settings(self, **settings: Any) -> None:
        """Set these keys in `.claude/settings.json` and leave the others."""
        self.settings_path.parent.mkdir(exist_ok=True)
        self.settings_path.write_text(json.dumps(self.settings() | settings, indent=2))

    def write_hooks(self, **commands: str) -> None:
        """One shell command an event: `write_hooks(SessionEnd="agnes push")`."""
        self.write_settings(
            hooks={event: [{"hooks": [{"type": "command", "command": command}]}] for event, command in commands.items()}
        )


def _end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Ask first: the client's tools run in sessions of their own, and only the client can end those."""
    process.terminate()
    try:
        return process.communicate(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()


def records(transcript: Path) -> list[dict[str, Any]]:
    """The lines of a transcript."""
    return [json.loads(line) for line in transcript.read_text().splitlines()]
