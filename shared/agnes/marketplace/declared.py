"""What a version of a plugin says of itself beside its components: its display name, what it needs, what it asks for.

Kept as one JSON object with the version, since another version may say something else:

    display_name      how a person reads its name
    dependencies      [{name, marketplace?, range?}] as they are served; `marketplace` is the name of a catalog
    optional          [{name, marketplace?, range?}] that are installed along with it where there are (since 2.1.332)
    default_enabled   false if it is installed switched off
    user_config       [{key, title, type, description, required, sensitive, server?, default?, choices?, multiple?}]: what a person is asked for
    relevance         {topic?, signals: [text]}: when the client suggests it

Every key may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agnes.claude_code import dependencies
from agnes.claude_code.dependencies import Dependency

Declared = dict[str, Any]
Follow = Callable[[Dependency], Dependency]
"""A dependency → the same under the name that the plugin has now."""


def unfollowed(dependency: Dependency) -> Dependency:
    """For a catalog in which nothing was renamed."""
    return dependency


@dataclass(frozen=True, slots=True)
class Names:
    """What the plugins of all marketplaces are called now."""

    follow: Follow = unfollowed
    mark: str = ""
    """Another one once a plugin was renamed that dependencies may name; empty while none was."""


MAX_OPTIONS = 100
MAX_SIGNALS = 50


@dataclass(frozen=True, slots=True)
class ConfigOption:
    """Something that the client asks a person for when they switch the plugin on."""

    key: str
    title: str
    type: str
    """`string`, `number`, `boolean`, `directory` or `file`."""
    description: str
    required: bool = False
    sensitive: bool = False
    """Kept in the system's key store, never in settings.json."""
    server: str = ""
    """The channel's server that asks, empty for the plugin itself."""
    default: str | float | bool | tuple[str, ...] | None = None
    """What counts where a person says nothing."""
    choices: tuple[str, ...] = ()
    """The only values that it takes; empty for any (since 2.1.332)."""
    multiple: bool = False
    """Several texts may be given."""

    @property
    def type_text(self) -> str:
        """The type as people say it."""
        if self.multiple:
            return "one or more texts"
        return _TYPE_TEXTS.get(self.type, self.type)

    @property
    def default_text(self) -> str:
        """The default as people say it; empty if there is none."""
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        if isinstance(self.default, tuple):
            return ", ".join(map(str, self.default))
        return "" if self.default is None else str(self.default)


_TYPE_TEXTS = {"string": "text", "number": "number", "boolean": "yes or no", "directory": "folder", "file": "file"}


@dataclass(frozen=True, slots=True)
class Relevance:
    """When the client suggests the plugin (since 2.1.332 at the latest)."""

    topic: str = ""
    signals: tuple[str, ...] = ()
    """Such as `runs stripe`, `reads **/*.tf`."""


@dataclass(frozen=True, slots=True)
class Declarations:
    """The JSON object, read."""

    display_name: str = ""
    dependencies: tuple[Dependency, ...] = ()
    optional: tuple[Dependency, ...] = ()
    default_enabled: bool = True
    user_config: tuple[ConfigOption, ...] = ()
    relevance: Relevance | None = None


NOTHING = Declarations()


def declared(manifest: Mapping[str, Any] | None, entry: Mapping[str, Any], follow: Follow) -> Declared:
    """Of a plugin.json (None where there is none) and the catalog's entry, both as they came and valid."""
    # What the client asks for it reads from the entry only where the plugin brings no plugin.json.
    asking = entry if manifest is None else manifest
    manifest = manifest or {}
    found: dict[str, Any] = {
        "display_name": _text(entry.get("displayName")) or _text(manifest.get("displayName")),
        "dependencies": [_as_json(follow(d)) for d in dependencies.of_plugin(manifest, entry)],
        "optional": [_as_json(follow(d)) for d in dependencies.read(_either("optionalDependencies", manifest, entry))],
        "user_config": _options(asking),
        "relevance": _relevance(entry.get("relevance")),
    }
    found = {key: value for key, value in found.items() if value}
    if _first_bool(entry.get("defaultEnabled"), manifest.get("defaultEnabled")) is False:
        found["default_enabled"] = False
    return found


def served_manifest(declared: Declared, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of plugin.json that are served in another form than they came in; None for one that is left out.

    All plugins are served from one marketplace, so a dependency is its name there, whatever marketplace it is from.
    """
    found: dict[str, Any] = {}
    said = read(declared)
    if said.dependencies or "dependencies" in manifest:
        found["dependencies"] = dependencies.in_manifest(said.dependencies) or None
    if said.optional or "optionalDependencies" in manifest:
        found["optionalDependencies"] = dependencies.in_manifest(said.optional) or None
    return found


def read(found: Declared | None) -> Declarations:
    if not found:
        return NOTHING
    relevance = found.get("relevance")
    return Declarations(
        display_name=found.get("display_name", ""),
        dependencies=tuple(Dependency(**one) for one in found.get("dependencies", ())),
        optional=tuple(Dependency(**one) for one in found.get("optional", ())),
        default_enabled=found.get("default_enabled", True),
        user_config=tuple(ConfigOption(**_tuples(one)) for one in found.get("user_config", ())),
        relevance=Relevance(relevance["topic"], tuple(relevance["signals"])) if relevance else None,
    )


def _tuples(option: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in option.items()}


def _as_json(dependency: Dependency) -> dict[str, str]:
    found = {"name": dependency.name, "marketplace": dependency.marketplace, "range": dependency.range}
    return {key: value for key, value in found.items() if value is not None}


def _either(key: str, manifest: Mapping[str, Any], entry: Mapping[str, Any]) -> Any:
    return manifest[key] if key in manifest else entry.get(key)


def _options(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = _of_table(manifest.get("userConfig"), "")
    channels = manifest.get("channels")
    for channel in channels if isinstance(channels, list) else ():
        if isinstance(channel, dict):
            found += _of_table(channel.get("userConfig"), _text(channel.get("server")))
    return found[:MAX_OPTIONS]


def _of_table(table: Any, server: str) -> list[dict[str, Any]]:
    found = []
    for key, option in table.items() if isinstance(table, dict) else ():
        if not isinstance(option, dict):
            continue
        line = {
            "key": key,
            "title": _text(option.get("title")) or key,
            "type": _text(option.get("type")),
            "description": _text(option.get("description")),
            "required": option.get("required") is True,
            "sensitive": option.get("sensitive") is True,
        }
        line |= {"server": server} if server else {}
        line |= {"multiple": True} if option.get("multiple") is True else {}
        if isinstance(option.get("default"), (str, int, float, list)):
            line["default"] = option["default"]
        if isinstance(option.get("options"), list):
            line["choices"] = option["options"]
        found.append(line)
    return found


_SIGNALS = {
    "cli": "runs {}",
    "hosts": "calls {}",
    "filesRead": "reads {}",
    "cwd": "works in {}",
}


def _relevance(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    given = value.get("signals")
    signals = [
        words.format(text) for key, words in _SIGNALS.items() for text in _items(given, key) if isinstance(text, str)
    ]
    signals += [
        f"finds {pair['pattern']} in {pair['file']}"
        for pair in _items(given, "manifestDeps")
        if isinstance(pair, dict) and isinstance(pair.get("file"), str) and isinstance(pair.get("pattern"), str)
    ]
    topic = _text(value.get("topic"))
    return {"topic": topic, "signals": signals[:MAX_SIGNALS]} if topic or signals else None


def _items(value: Any, key: str) -> list[Any]:
    """The list under a key; nothing where either is of another kind."""
    items = value.get(key) if isinstance(value, dict) else None
    return items if isinstance(items, list) else []


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _first_bool(*values: Any) -> bool | None:
    return next((value for value in values if isinstance(value, bool)), None)
