"""Bringing the copy of the marketplace, and the client's plugins, to what the server serves now.

`.claude/agnes-plugins.json` in the workspace keeps what was brought here from which server, so that a later look
needs one request and no client.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agnes_cli import config, download, notice_count
from agnes_cli.claude_code import Claude, ClaudeFailed, Installed
from agnes_cli.failures import Failure
from agnes_cli.marketplace_copy import NAME, MarketplaceCopy, read_json
from agnes_cli.reconcile import Step, left, plan


class NameTaken(Failure):
    def __init__(self, name: str, place: str) -> None:
        super().__init__(
            f"Claude Code knows another marketplace named {name}, at {place}",
            hint=f"Remove it (`claude plugin marketplace remove {name}`), then run this again.",
        )


@dataclass
class Outcome:
    commit: str
    fetched: str | None = None
    """`git` or `zip`; None if the copy was up to date."""
    claude: bool = True
    done: list[Step] = field(default_factory=list)
    failed: list[tuple[Step, Failure]] = field(default_factory=list)
    hidden: list[dict[str, Any]] = field(default_factory=list)
    """Plugins of the stack that are not served, with the server's reason."""
    kept: list[str] = field(default_factory=list)
    """Plugins that an empty marketplace left installed."""
    namesakes: list[str] = field(default_factory=list)
    """Plugins that left and stay installed, since the client would uninstall another marketplace's in their place."""

    def as_json(self) -> dict[str, Any]:
        failed = [asdict(step) | {"reason": failure.message} for step, failure in self.failed]
        return {
            "commit": self.commit,
            "fetched": self.fetched,
            "claude": self.claude,
            "done": [asdict(step) for step in self.done],
            "failed": failed,
            "hidden": self.hidden,
            "kept": self.kept,
            "namesakes": self.namesakes,
        }


class Refresh:
    """`server` is an open `Server`; `say` gets a line of progress a step."""

    def __init__(
        self, copy: MarketplaceCopy, server: Any, token: str, claude: Claude | None, say: Callable[[str], object]
    ) -> None:
        self._copy = copy
        self._server = server
        self._token = token
        self._claude = claude
        self._say = say

    def run(self, *, record: Path, scope: str) -> Outcome:
        """Raises Failure, with the copy as it was or as it should be, never in between."""
        with self._copy.locked():
            outcome = self._download()
            if self._claude is None:
                outcome.claude = False
            else:
                self._bring(self._claude, outcome, record=record, scope=scope)
        return outcome

    def _download(self) -> Outcome:
        notice_count.ask(self._server)
        info = self._server.get("/marketplace/info")  # says better than git why somebody is refused
        outcome = Outcome(str(info.get("etag")), hidden=info.get("hidden") or [])
        if outcome.commit == self._copy.commit(self._server.url):
            return outcome
        if download.has_git():
            try:
                outcome.commit = download.by_git(self._copy, self._server.url, self._token)
                outcome.fetched = "git"
                return outcome
            except download.GitFailed as failure:
                self._say(f"{failure.message}; fetching the zip instead")
        outcome.commit = download.by_zip(self._copy, self._server)
        outcome.fetched = "zip"
        return outcome

    def _bring(self, claude: Claude, outcome: Outcome, *, record: Path, scope: str) -> None:
        catalog = self._copy.catalog()
        self._make_known(claude, catalog.name)
        installed = claude.installed(catalog.name)
        have = {(plugin.name, plugin.scope): plugin for plugin in installed}
        if not catalog.versions:
            outcome.kept = sorted({plugin.name for plugin in installed})
        for step in plan(catalog.versions, installed, scope=scope, renames=catalog.renames):
            try:
                _take(claude, step, catalog.name)
            except ClaudeFailed as failure:
                if step.verb == "uninstall" and step.name in catalog.renames and _is_gone(claude, step, catalog.name):
                    have.pop((step.name, step.scope), None)
                    continue  # the client had taken it for the new one already
                outcome.failed.append((step, failure))
                continue
            outcome.done.append(step)
            have.pop((step.name, step.scope), None)
            if step.after is not None:
                have[step.name, step.scope] = Installed(step.name, step.after, step.scope)
            self._say(step.sentence)
        outcome.namesakes = sorted({p.name for p in left(catalog.versions, installed) if p.is_namesake})
        versions = {plugin.name: plugin.version for plugin in have.values() if plugin.name not in outcome.namesakes}
        record.parent.mkdir(parents=True, exist_ok=True)
        said = {"server": self._server.url, "commit": outcome.commit, "plugins": versions}
        config.write_private(record, json.dumps(said, indent=2) + "\n")

    def _make_known(self, claude: Claude, name: str) -> None:
        place = claude.folder_of(name)
        if place is None:
            claude.add(self._copy.folder)
        elif Path(place).resolve() != self._copy.folder.resolve():
            raise NameTaken(name, place)


def _is_gone(claude: Claude, step: Step, marketplace: str) -> bool:
    return all((plugin.name, plugin.scope) != (step.name, step.scope) for plugin in claude.installed(marketplace))


def _take(claude: Claude, step: Step, marketplace: str) -> None:
    plugin = f"{step.name}@{marketplace}"
    match step.verb:
        case "install":
            claude.install(plugin, step.scope)
        case "update":
            claude.update(plugin, step.scope)
        case _:
            claude.uninstall(plugin, step.scope)


def applied(record: Path, server: str) -> dict[str, str]:
    """Versions by name of what the last refresh left in this workspace."""
    said = read_json(record)
    if not isinstance(said, dict) or said.get("server") != server or not isinstance(said.get("plugins"), dict):
        return {}
    return {str(name): str(version) for name, version in said["plugins"].items()}


def served(info: dict[str, Any]) -> dict[str, str]:
    """Versions by name of what the server's /marketplace/info lists."""
    plugins = info.get("plugins") or []
    return {p["name"]: str(p.get("version")) for p in plugins if NAME.fullmatch(str(p.get("name")))}
