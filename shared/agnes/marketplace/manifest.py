"""`.claude-plugin/marketplace.json` and `plugin.json`, as Claude Code documents them
(code.claude.com/docs/en/plugins/marketplace-reference and manifest-reference).

The catalog as a whole must be readable; one bad entry refuses that plugin and no other. Fields
that we pass on to Claude Code are held to its types, since one wrong type makes it refuse the
whole catalog, for everybody.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictBool,
    StrictStr,
    ValidationError,
)

from agnes.claude_code import describing, manifests
from agnes.claude_code.hook_forms import url
from agnes.claude_code.sources import HEADERS
from agnes.kernel.errors import InvalidError
from agnes.kernel.reasons import reason
from agnes.marketplace import components, strict_json
from agnes.marketplace.components import (
    Channel,
    Commands,
    Dependency,
    EntryHooks,
    Experimental,
    Hooks,
    LanguageServers,
    MarkdownPaths,
    Monitors,
    Options,
    Paths,
    Servers,
    SkillPaths,
    TypesPath,
)
from agnes.marketplace.declared import Names
from agnes.marketplace.limits import MAX_PLUGINS, MAX_RENAMES
from agnes.marketplace.model import Refused
from agnes.marketplace.rules import PLUGIN_NAME
from agnes.marketplace.sources import Inside, SourceInvalid, folder_of, locate
from agnes.trees import packaging

CATALOG = ".claude-plugin/marketplace.json"
PLUGIN_MANIFEST = ".claude-plugin/plugin.json"


class CatalogInvalid(InvalidError):
    """The catalog cannot be used; the last good plugins stay."""

    code = "catalog_invalid"

    def __init__(self, reason: str) -> None:
        super().__init__(f"{CATALOG}: {reason}", hint="Fix the file in its repository and sync again.")
        self.reason = reason


def _web_address(value: str) -> str | None:
    """A URL that pages may link to; None for another kind of URL, such as `mailto:`. Raises ValueError for what is no URL."""
    return value if describing.is_web_address(url(value)) else None


Text = StrictStr
"""Of any length, as for Claude Code: the size of the whole document is limited, and what is stored is cut."""
WebAddress = Annotated[Text | None, AfterValidator(_web_address)]
Words = list[Text]


def _object_or_none(value: Any) -> Any:
    """As the client, which ignores what is no object."""
    return value if isinstance(value, dict) else None


class Person(BaseModel):
    model_config = ConfigDict(extra="ignore", defer_build=True)

    name: Text
    email: Text | None = None
    url: Text | None = None


class PluginManifest(BaseModel):
    """What plugin.json and a catalog's entry have in common; unknown keys are Claude Code's to ignore."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, defer_build=True)

    name: StrictStr | None = None
    version: Text | None = None
    description: Text | None = None
    author: Person | Text | None = None
    homepage: WebAddress | None = None
    repository: Text | dict[str, Any] | None = None
    license: Text | None = None
    keywords: Words = []
    defaultEnabled: StrictBool | None = None  # noqa: N815
    displayName: Text | None = None  # noqa: N815
    dependencies: list[Dependency] | None = None
    commands: Commands | None = None
    agents: MarkdownPaths | None = None
    skills: SkillPaths | None = None
    hooks: Hooks | None = None
    mcpServers: Servers | None = None  # noqa: N815
    lspServers: LanguageServers | None = None  # noqa: N815
    outputStyles: Paths | None = None  # noqa: N815
    themes: Paths | None = None
    workflows: Paths | None = None
    monitors: Monitors | None = None
    channels: list[Channel] | None = None
    settings: dict[str, Any] | None = None
    userConfig: Options | None = None  # noqa: N815
    types: TypesPath | None = None
    experimental: Annotated[Experimental | None, BeforeValidator(_object_or_none)] = None

    def lost_paths(self, paths: Collection[str]) -> list[str]:
        """`field: reason` of each path that is neither a file of `paths` nor a folder of them, or leaves the plugin: Claude Code
        loads the plugin without it, and `claude plugin list` says so."""
        found = []
        for key in ("commands", "agents", "skills", "hooks", "workflows", "outputStyles", "themes"):
            for place in inner_paths(getattr(self, key)):
                prefix = f"{place}/" if place else ""
                if ".." in place.split("/"):
                    found.append(f"{key}: ./{place} leads out of the plugin")
                elif place not in paths and not any(path.startswith(prefix) for path in paths):
                    found.append(f"{key}: there is no ./{place} in the plugin")
        return found

    @property
    def author_name(self) -> str | None:
        return self.author.name if isinstance(self.author, Person) else self.author


class CatalogEntry(PluginManifest):
    """One plugin of the catalog. `source` is judged by `agnes.marketplace.sources`."""

    name: StrictStr
    source: Any = None
    category: Text | None = None
    tags: Words = []
    hooks: EntryHooks | None = None
    headers: Any = None
    headersHelper: Any = None  # noqa: N815
    """How an archive is fetched; may be secret, so neither is stored."""
    strict: StrictBool = True


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry with what it was read from, in the form that Claude Code takes."""

    entry: CatalogEntry
    raw: dict[str, Any]
    others: tuple[str, ...] = ()
    """The folders of the other plugins of the repository, where this one's is the root."""
    names: Names = Names()  # noqa: RUF009 (frozen)
    """What its dependencies are called now."""


@dataclass(frozen=True, slots=True)
class Catalog:
    plugins: list[Listed]
    plugin_root: str
    """`metadata.pluginRoot`, empty if there is none that can be used."""
    refused: list[Refused] = field(default_factory=list)
    """Entries with a usable name and something wrong."""
    warnings: list[str] = field(default_factory=list)
    """Entries without a usable name, and renames that lead nowhere."""
    name: str | None = None
    """What the catalog calls itself."""
    renames: dict[str, str | None] = field(default_factory=dict)
    """Old plugin name → current name, or None for one that was removed; as written (`agnes.claude_code.renames`)."""


def inner_paths(value: Any) -> list[str]:
    """The `./` paths in a value that may be one, a list or an object (whose `source`s are paths), without the `./`."""
    listed = value if isinstance(value, list) else [value]
    if isinstance(value, dict):
        listed = [entry.get("source") for entry in value.values() if isinstance(entry, dict)]
    return [path.removeprefix("./").rstrip("/") for path in listed if isinstance(path, str)]


def read_catalog(body: bytes) -> Catalog:
    """The catalog. Raises CatalogInvalid."""
    try:
        value = strict_json.load(body)
    except ValueError as exc:
        raise CatalogInvalid(str(exc)) from exc
    if not isinstance(value, dict):
        raise CatalogInvalid("not a JSON object")
    entries = value.get("plugins")
    if not isinstance(entries, list):
        raise CatalogInvalid("`plugins` is not a list")
    if not entries:
        raise CatalogInvalid("`plugins` is empty")
    root = _plugin_root(value.get("metadata"))
    name = value.get("name")
    catalog = Catalog([], root or "", name=name if isinstance(name, str) else None)
    if root is None:
        catalog.warnings.append("metadata.pluginRoot: not a path within the repository, so it is ignored")
    if len(entries) > MAX_PLUGINS:
        catalog.warnings.append(f"more than {MAX_PLUGINS} plugins: the other {len(entries) - MAX_PLUGINS} are left out")
    _read_renames(value.get("renames"), catalog)
    taken: dict[str, str] = {}
    for number, raw in enumerate(entries[:MAX_PLUGINS]):
        _read_entry(number, raw, catalog, taken)
    _tell_roots(catalog)
    if not catalog.plugins and not catalog.refused:
        raise CatalogInvalid(f"no entry can be used; {catalog.warnings[0]}")
    return catalog


def _plugin_root(metadata: Any) -> str | None:
    """`metadata.pluginRoot`, empty if there is none, None if it cannot be used."""
    root = metadata.get("pluginRoot") if isinstance(metadata, dict) else None
    if root is None:
        return ""
    if not isinstance(root, str):
        return None
    try:
        folder_of(root, "metadata.pluginRoot")
    except SourceInvalid:
        return None
    return root


def _tell_roots(catalog: Catalog) -> None:
    """Give the plugins whose folder is the root the folders of the others."""
    if not any(manifests.is_root(listed.entry.source) for listed in catalog.plugins):
        return
    folders: set[str] = set()
    for listed in catalog.plugins:
        with suppress(SourceInvalid):
            place = locate(listed.entry.name, listed.entry.source, catalog.plugin_root)
            folders.update(place.folders if isinstance(place, Inside) else ())
    others = tuple(sorted(folders - {""}))
    catalog.plugins[:] = [
        replace(listed, others=others) if manifests.is_root(listed.entry.source) else listed
        for listed in catalog.plugins
    ]


def _read_renames(value: Any, catalog: Catalog) -> None:
    """A wrong value costs that name, not the map: that is what the newest client does."""
    if value is None:
        return
    if not isinstance(value, dict):
        catalog.warnings.append("renames: not an object, so nothing was renamed")
        return
    if len(value) > MAX_RENAMES:
        catalog.warnings.append(f"renames: more than {MAX_RENAMES}, the others are ignored")
    for old, new in list(value.items())[:MAX_RENAMES]:
        if not PLUGIN_NAME.fullmatch(old) or not (new is None or (isinstance(new, str) and PLUGIN_NAME.fullmatch(new))):
            shown = old.encode("unicode_escape").decode()[:80]
            catalog.warnings.append(f"renames: {shown}: not a plugin's name, or null")
        else:
            catalog.renames[old] = new


def _read_entry(number: int, raw: Any, catalog: Catalog, taken: dict[str, str]) -> None:
    name = raw.get("name") if isinstance(raw, dict) else None
    if not isinstance(raw, dict):
        catalog.warnings.append(f"plugins[{number}]: not an object")
    elif not isinstance(name, str) or not PLUGIN_NAME.fullmatch(name):
        shown = name.encode("unicode_escape").decode()[:80] if isinstance(name, str) else type(name).__name__
        catalog.warnings.append(
            f"plugins[{number}]: the name {shown} is not 1 to 128 of A-Z, a-z, 0-9, ., _ and -, beginning with a letter or digit"
        )
    elif name.casefold() in taken:
        # Case does not count: both would be one folder on macOS and Windows.
        catalog.warnings.append(f"plugins[{number}]: {name} is listed twice, the first one counts")
    else:
        taken[name.casefold()] = name
        try:
            strict_json.check(raw, depth=3)
            catalog.plugins.append(Listed(CatalogEntry.model_validate(raw), _stored(raw)))
        except ValidationError as exc:
            catalog.refused.append(Refused(name, f"{CATALOG}: {first_reason(exc)}"))
        except ValueError as exc:
            catalog.refused.append(Refused(name, f"{CATALOG}: {exc}"))


def _stored(raw: dict[str, Any]) -> dict[str, Any]:
    """An entry in the form that Claude Code takes, without what may be secret."""
    served = {key: value for key, value in packaging.in_served_form(raw).items() if key not in HEADERS}
    if not describing.is_web_address(served.get("homepage", "https://x")):
        del served["homepage"]
    return served


def read_plugin_manifest(body: bytes) -> PluginManifest:
    """A plugin.json. Raises ValueError with a reason in words."""
    value = strict_json.parse(body)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 (a value from outside, not a caller's mistake)
    try:
        return PluginManifest.model_validate(packaging.manifest_in_served_form(value))
    except ValidationError as exc:
        raise ValueError(first_reason(exc)) from exc


def first_reason(exc: ValidationError) -> str:
    """What is wrong with the first such field, as `field: reason` or `field: inner key: reason`.

    A field of several forms has an error for each: said is the one that came furthest, as that form was likely meant.
    """
    errors = exc.errors(include_url=False, include_input=False)
    same = [error for error in errors if error["loc"][:1] == errors[0]["loc"][:1]]
    error = max(same, key=lambda one: (len(one["loc"]), one["type"] == "value_error"))
    where = str(error["loc"][0])
    keys = [part for part in error["loc"][1:] if isinstance(part, str) and not _is_form(part)]
    said = ": ".join([where, *keys[-1:], reason(error)])
    return said if len(same) == 1 else f"{said} (or another allowed form)"


_PLAIN_FORMS = ("constrained-str", "str", "bool", "float")


def _is_form(part: str) -> bool:
    """Whether a part of an error's place is pydantic's name of one form of several, and no key."""
    return (
        "[" in part
        or part in _PLAIN_FORMS
        or (part[:1].isupper() and hasattr(components, part))
        or part == Person.__name__
    )
