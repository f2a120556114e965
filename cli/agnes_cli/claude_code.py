"""The Claude Code client's own commands, as docs/claude-code-client.md describes them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agnes_cli.failures import Failure

SECONDS = 120


class ClaudeFailed(Failure):
    def __init__(self, what: str, output: str) -> None:
        lines = output.strip().splitlines()
        super().__init__(f"claude {what} failed: {lines[-1][:300] if lines else 'no reason given'}")


UNINSTALLS_BY_ID = (2, 1, 212)
"""The first version of the client whose `plugin uninstall NAME@MARKETPLACE` looks at the marketplace, too."""


@dataclass(frozen=True)
class Installed:
    """A plugin of one marketplace as it is installed here: for the person, or for this project."""

    name: str
    version: str
    scope: str
    is_namesake: bool = False
    """Another marketplace's plugin of this name is installed too, and this client's `uninstall` takes whichever is first."""


class Claude:
    """`root` is the workspace: what is installed in project scope belongs to it."""

    def __init__(self, binary: str, root: Path) -> None:
        self._binary = binary
        self._root = root

    @classmethod
    def find(cls, root: Path) -> Claude | None:
        binary = shutil.which("claude")
        return cls(binary, root) if binary else None

    def folder_of(self, marketplace: str) -> str | None:
        """Where a marketplace that the client knows stands, or None. A URL's is the client's own clone."""
        found = self._json("plugin", "marketplace", "list")
        return next((str(entry.get("installLocation")) for entry in found if entry.get("name") == marketplace), None)

    def add(self, folder: Path) -> None:
        self._run("plugin", "marketplace", "add", str(folder))

    def installed(self, marketplace: str) -> list[Installed]:
        """What is installed from it for this person or for this workspace; other projects' is not ours to touch."""
        found = []
        entries = self._json("plugin", "list")
        others = {name for name, _, origin in (_id(entry) for entry in entries) if origin != marketplace}
        for entry in entries:
            name, _, origin = _id(entry)
            scope, project = str(entry.get("scope")), entry.get("projectPath")
            here = scope == "user" or (
                scope in ("project", "local") and project and Path(project).resolve() == self._root.resolve()
            )
            if origin == marketplace and here:
                version = entry.get("version") or _own_version(entry)
                found.append(Installed(name, version, scope, is_namesake=name in others))
        if any(plugin.is_namesake for plugin in found) and self._version() >= UNINSTALLS_BY_ID:
            found = [replace(plugin, is_namesake=False) for plugin in found]
        return found

    def _version(self) -> tuple[int, ...]:
        """`claude --version` prints `2.1.332 (Claude Code)`; empty if it prints something else."""
        found = re.match(r"(\d+)\.(\d+)\.(\d+)", self._run("--version"))
        return tuple(map(int, found.groups())) if found else ()

    def install(self, plugin: str, scope: str) -> None:
        self._run("plugin", "install", plugin, "--scope", scope)

    def update(self, plugin: str, scope: str) -> None:
        self._run("plugin", "update", plugin, "--scope", scope)

    def uninstall(self, plugin: str, scope: str) -> None:
        self._run("plugin", "uninstall", plugin, "--scope", scope)

    def _json(self, *arguments: str) -> list[dict[str, Any]]:
        said = self._run(*arguments, "--json")
        try:
            found = json.loads(said)
        except ValueError:
            raise ClaudeFailed(" ".join(arguments), "it did not print JSON") from None
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def _run(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                [self._binary, *arguments],
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise ClaudeFailed(" ".join(arguments[:3]), type(exc).__name__) from exc
        if done.returncode != 0:
            raise ClaudeFailed(" ".join(arguments[:3]), done.stderr.strip() or done.stdout)
        return done.stdout


def _id(entry: dict[str, Any]) -> tuple[str, str, str]:
    return str(entry.get("id", "")).rpartition("@")


def _own_version(entry: dict[str, Any]) -> str:
    """Some clients leave the version out of the list."""
    try:
        manifest = Path(str(entry["installPath"])) / ".claude-plugin" / "plugin.json"
        return str(json.loads(manifest.read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
