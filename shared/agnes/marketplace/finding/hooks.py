"""Hooks and the hooks module (mod)."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agnes.claude_code import hook_guards
from agnes.claude_code.events import GUARDS, KNOWN
from agnes.claude_code.hook_forms import Matched, is_matched
from agnes.marketplace import components
from agnes.marketplace.finding.model import Component
from agnes.marketplace.finding.plugin import Plugin, short, why
from agnes.marketplace.limits import MAX_DESCRIPTION_CHARACTERS
from agnes.marketplace.manifest import PLUGIN_MANIFEST

HOOKS_FILE = "hooks/hooks.json"
_ENTRY = "the catalog's entry"
_MATCHED = TypeAdapter(Matched)


class Hooks(Plugin):
    def hooks(self) -> None:
        tables: dict[str, list[tuple[str, list[Any]]]] = {}
        modules: list[tuple[str, str]] = []

        def take(where: str, table: Any) -> None:
            for event, groups in self.loadable(where, table).items():
                tables.setdefault(event, []).append((where, groups))

        own = self.manifest.get("hooks")
        declared = [None, *(own if isinstance(own, list) else [own] if own is not None else [])]
        for one in declared:
            if isinstance(one, dict):
                take(PLUGIN_MANIFEST, one)
                continue
            path = HOOKS_FILE if one is None else self.place(one)
            if path is None or (config := self.json(path)) is None or not self.once("hook", path):
                continue
            if (loaded := self.loadable_file(path, config)) is not None:
                take(path, loaded.hooks)
                modules += [(path, module) for module in loaded.modules]
        given = self.entry.get("hooks")
        if isinstance(given, dict):
            for event, groups in self.loadable(_ENTRY, given).items():
                tables[event] = [(_ENTRY, groups)]
        for event, found in tables.items():
            lines = tuple(line for _, groups in found for line in hook_lines(event, groups))
            path = next((where for where, _ in found if where != _ENTRY), PLUGIN_MANIFEST)
            self.add(Component("hook", event, path, None, self.described(path), event, lines))
        self.module(modules)

    def described(self, path: str) -> str:
        config = self.json(path) if path != PLUGIN_MANIFEST else None
        words = config.get("description") if isinstance(config, dict) else None
        return words[:MAX_DESCRIPTION_CHARACTERS] if isinstance(words, str) else ""

    def loadable_file(self, path: str, config: Any) -> components.HooksFile | None:
        """A file of hooks, None if the client loads nothing of it; the plugin is refused if it loads nothing of that either."""
        if lost := hook_guards.lost_in_file(config):
            self.refuse(f"{path}: {lost}")
            return None
        try:
            return components.HooksFile.model_validate(config)
        except ValidationError as exc:
            table = config.get("hooks") if isinstance(config, dict) else None
            if hook_guards.has_guard(table):
                self.refuse(f"{path}: {why(exc)}")
            self.warn(f"{path}: Claude Code loads nothing of it: {why(exc)}")
            return None

    def refuse(self, reason: str) -> None:
        """The first reason is told."""
        self.found.refused = self.found.refused or reason

    def loadable(self, where: str, table: Any, lose: Callable[[str], None] | None = None) -> dict[str, list[Any]]:
        """The part of a table of hooks that the newest client, or a later one, runs.

        `lose` is told of a hook that may guard and cannot be loaded; without it the plugin is refused for it.
        """
        found: dict[str, list[Any]] = {}
        for event, groups in table.items() if isinstance(table, dict) else ():
            if not isinstance(groups, list):
                self.warn(f"{where}: hooks.{event}: not a list")
                continue
            usable = [
                taken
                for group in groups
                if (taken := self.matched(where, event, group, lose or self.refuse)) is not None
            ]
            if usable or not groups:
                found[event] = usable
        return found

    def matched(self, where: str, event: str, group: Any, lose: Callable[[str], None]) -> dict[str, Any] | None:
        """A matcher with the hooks that the client runs of it, None for none. One hook in another form costs itself alone."""
        try:
            _MATCHED.validate_python(group)
        except ValidationError as exc:
            if event in GUARDS:
                lose(f"{where}: hooks.{event}: {why(exc)}")
            if event not in KNOWN:
                return group if isinstance(group, dict) else None
            self.warn(f"{where}: hooks.{event}: {why(exc)}")
            return _with_sound_hooks(group)
        sound: dict[str, Any] = group
        return sound

    def module(self, named: list[tuple[str, str]]) -> None:
        if len(named) > 1:
            self.warn(f"hooks: more than one module ({', '.join(module for _, module in named)}), so none is loaded")
        elif named:
            file, module = named[0]
            path = self.place(posixpath.join(posixpath.dirname(file), module))
            if path is None or path not in self.files:
                self.warn(f"{file}: modules: there is no {short(module)} in the plugin")
                return
            self.add(Component("mod", path, path, None, "", None, (path,)))


def _with_sound_hooks(group: Any) -> dict[str, Any] | None:
    listed = group.get("hooks") if isinstance(group, dict) else None
    if not isinstance(listed, list) or not is_matched({**group, "hooks": []}):
        return None
    sound = [hook for hook in listed if is_matched({"hooks": [hook]})]
    return {**group, "hooks": sound} if sound else None


def hook_lines(event: str, groups: list[Any]) -> Iterator[str]:
    """`event [matcher]: what runs`, or who is asked."""
    for group in groups:
        if not isinstance(group, dict):
            continue
        matcher = f" [{group['matcher']}]" if group.get("matcher") else ""
        inner = group.get("hooks")
        for hook in inner if isinstance(inner, list) else [group]:
            if not isinstance(hook, dict):
                continue
            if hook.get("type") == "mcp_tool":
                what = f"{hook.get('server')}/{hook.get('tool')}"
            else:
                arguments = hook.get("args")
                words = [hook.get("command") or hook.get("url") or hook.get("prompt") or hook.get("type")]
                what = " ".join(map(str, [*words, *(arguments if isinstance(arguments, list) else [])]))
            yield f"{event}{matcher}: {what}{_besides(hook)}"


def _besides(hook: dict[str, Any]) -> str:
    """What else a hook does: variables of the environment that it sends, arguments of a tool, words for the model."""
    said = []
    sent = hook.get("allowedEnvVars")
    if isinstance(sent, list) and sent:
        said.append(f"sends {', '.join(f'${name}' for name in sent)}")
    if isinstance(hook.get("headers"), dict) and hook["headers"]:
        said.append(f"headers {', '.join(map(str, hook['headers']))}")
    if isinstance(hook.get("input"), dict) and hook["input"]:
        said.append(f"with {json.dumps(hook['input'], ensure_ascii=False, sort_keys=True)}")
    said += [
        f"{key} {hook[key]}" for key in ("if", "shell", "model", "rewakeMessage", "rewakeSummary") if hook.get(key)
    ]
    said += [key for key in ("async", "asyncRewake", "once") if hook.get(key) is True]
    return f" ({'; '.join(said)})" if said else ""
