"""What has to happen in the client so that it has the plugins of a view. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from agnes_cli.claude_code import Installed

NO_RENAMES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Step:
    verb: Literal["uninstall", "update", "install"]
    name: str
    scope: str
    before: str | None = None
    after: str | None = None

    @property
    def sentence(self) -> str:
        match self.verb:
            case "install":
                return f"installed {self.name} {self.after}"
            case "update":
                return f"updated {self.name} from {self.before or 'an unknown version'} to {self.after}"
            case _:
                return f"uninstalled {self.name}, which is not in your stack any more"


def plan(
    served: Mapping[str, str], installed: Sequence[Installed], *, scope: str, renames: Mapping[str, str] = NO_RENAMES
) -> list[Step]:
    """The steps from `installed` to `served` (versions by name): install what was renamed, uninstall, update, install.

    What is installed is updated where it is installed and stays switched off if somebody switched it off. What was renamed
    (`renames`: old name → new one) is installed under its new name where it was, before the old one goes: the client takes
    its settings over.
    """
    known = {(plugin.name, plugin.scope) for plugin in installed}
    moved = {(renames[p.name], p.scope) for p in installed if p.name in renames and p.name not in served} - known
    steps = [Step("install", name, where, after=served[name]) for name, where in sorted(moved) if name in served]
    steps += [
        Step("uninstall", p.name, p.scope, before=p.version) for p in left(served, installed) if not p.is_namesake
    ]
    steps += [
        Step("update", p.name, p.scope, before=p.version, after=served[p.name])
        for p in installed
        if p.name in served and served[p.name] != p.version
    ]
    there = {name for name, _ in known | moved}
    steps += [Step("install", name, scope, after=version) for name, version in served.items() if name not in there]
    return steps


def left(served: Mapping[str, str], installed: Sequence[Installed]) -> list[Installed]:
    """What is installed and not served any more; nothing if the view has no plugins at all."""
    return [plugin for plugin in installed if served and plugin.name not in served]


def news(served: Mapping[str, str], applied: Mapping[str, str]) -> list[str]:
    """What a refresh would change, in words, from what the last one left; nothing for a view without plugins."""
    if not served:
        return []
    return [
        *(f"{name} is new" for name in served if name not in applied),
        *(f"{name} has a new version" for name, version in served.items() if applied.get(name, version) != version),
        *(f"{name} left your stack" for name in applied if name not in served),
    ]
