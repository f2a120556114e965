"""Where a catalog's entry says that its plugin is (marketplace reference, "Plugin sources")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agnes.claude_code.sources import KINDS, is_ssh
from agnes.trees.rules import UnsafePath, check_path

EXTERNAL_KINDS = frozenset(kind.name for kind in KINDS.values() if not kind.reason)
NOT_FETCHED = "external sources are not allowed in this marketplace"


class SourceInvalid(ValueError):
    """The source is none that the format allows; the message says why."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A folder of the repository: the first of `folders` that exists, the root at the empty path."""

    kind: str | None
    folders: tuple[str, ...]
    within: str = ""
    """The folder of the repository that symbolic links may lead to; its root at the empty path."""


@dataclass(frozen=True, slots=True)
class Outside:
    kind: str
    reason: str = NOT_FETCHED


def locate(name: str, source: Any, plugin_root: str) -> Inside | Outside:
    """Judge `source` of the plugin `name`. Raises SourceInvalid.

    absent → `plugins/<name>`; `./` → the root; `./sub/dir` → that folder; with `metadata.pluginRoot`
    also a bare `dir`, below that root.
    """
    if source is None:
        return Inside(None, (f"plugins/{name}",))
    if isinstance(source, str):
        return _of_text(source, plugin_root)
    if isinstance(source, dict):
        kind = source.get("source")
        if not isinstance(kind, str) or not kind:
            raise SourceInvalid("source: the object names no kind of source")
        known = KINDS.get(kind)
        if known is None:
            return Outside("unknown", "this kind of source is not known")
        return Outside(kind, known.reason or NOT_FETCHED)
    raise SourceInvalid(f"source: must be a path or an object, not {_json_type(source)}")


def _of_text(source: str, plugin_root: str) -> Inside | Outside:
    if "://" in source or is_ssh(source):
        return Outside("url")
    if source in ("./", "."):
        return Inside("path", ("",))
    root = folder_of(plugin_root, "metadata.pluginRoot") if plugin_root else None
    if source.startswith("./"):
        folder = folder_of(source, "source")
        below = (f"{root}/{folder}",) if root else ()
        # Catalogs exist that write the root into `./` paths too, and such that leave it to pluginRoot.
        return Inside("path", (folder, *below))
    if root is None or source.startswith("/"):
        raise SourceInvalid("source: a path must begin with ./")
    return Inside("path", (f"{root}/{folder_of('./' + source, 'source')}".lstrip("/"),))


def folder_of(path: str, what: str) -> str:
    plain = path.removeprefix("./").rstrip("/")
    if plain in ("", "."):
        return ""
    try:
        check_path(plain)
    except UnsafePath as exc:
        raise SourceInvalid(f"{what}: {exc.message}") from exc
    return plain


def _json_type(value: Any) -> str:
    return {bool: "a boolean", int: "a number", float: "a number", list: "a list"}.get(type(value), "that")
