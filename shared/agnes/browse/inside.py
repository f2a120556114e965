"""What is inside one plugin: its files, documents and texts, what it does by itself, what changed, how it is used."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import PurePosixPath

from agnes.browse.catalogue import Catalogue
from agnes.browse.detail import Capability, ChangeLine, Day, FileLine
from agnes.browse.model import Entry, Inner
from agnes.claude_code.components import BY_DANGER, BY_KIND
from agnes.flea import service as flea
from agnes.kernel.errors import AgnesError, UnsupportedError
from agnes.kernel.immutable import ImmutableCache
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Row, State
from agnes.marketplace import browsing
from agnes.telemetry.model import ITEM_DAILY, ItemKey
from agnes.trees import service as trees
from agnes.trees.damage import TreeDamaged

SERIES_DAYS = 30
CHANGES = 12
MAX_TEXT_BYTES = 64 * 1024
DOCUMENT_TYPES = {
    ".md": "text/markdown; charset=utf-8",
    ".markdown": "text/markdown; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".pdf": "application/pdf",
}
_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n.*?^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
_SCRIPTS = (".sh", ".bash", ".zsh", ".ps1", ".bat", ".cmd")

_texts = ImmutableCache(4_000_000)
"""Decoded files by tree and path."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a page shows of a plugin's files."""

    files: tuple[FileLine, ...] = ()
    readme: str = ""
    capabilities: tuple[Capability, ...] = ()
    body: str = ""
    """Of a skill or an agent."""
    is_damaged: bool = False
    """Then there is none of it."""


def contents(store: ObjectStore, entry: Entry) -> Contents:
    """Of the whole entry."""
    try:
        every = files(store, entry)
        of_itself = next((body(store, entry, inner) for inner in entry.inner if inner.kind == entry.type), "")
        return Contents(every, readme(store, entry, every), capabilities(store, entry), of_itself)
    except TreeDamaged:  # noted by who met it
        return Contents(is_damaged=True)


def contents_of(store: ObjectStore, entry: Entry, inner: Inner) -> Contents:
    """Of one skill or agent inside it."""
    try:
        return Contents(files_of(store, entry, inner), body=body(store, entry, inner))
    except TreeDamaged:
        return Contents(is_damaged=True)


def files(store: ObjectStore, entry: Entry) -> tuple[FileLine, ...]:
    """Everything in the plugin, by path; nothing while no version is live. Raises TreeDamaged."""
    if not entry.tree_id:
        return ()
    return tuple(FileLine(file.path, file.size_bytes) for file in trees.get(store, entry.tree_id).files)


def files_of(store: ObjectStore, entry: Entry, inner: Inner) -> tuple[FileLine, ...]:
    """A skill's folder; an agent's one file."""
    if inner.kind != "skill":
        return tuple(file for file in files(store, entry) if file.path == inner.relpath)
    folder = inner.relpath.rpartition("/")[0] + "/"
    return tuple(file for file in files(store, entry) if file.path.startswith(folder))


def documents(every: tuple[FileLine, ...]) -> tuple[FileLine, ...]:
    """What is offered for reading: documents below `docs/`."""
    return tuple(
        file
        for file in every
        if file.path.startswith("docs/") and PurePosixPath(file.path).suffix.lower() in DOCUMENT_TYPES
    )


def document(store: ObjectStore, entry: Entry, path: str) -> bytes | None:
    """One of `documents`. Paths are compared with those of the tree, never resolved. Raises UnsupportedError."""
    if PurePosixPath(path).suffix.lower() not in DOCUMENT_TYPES:
        raise UnsupportedError("only documents are served here", hint=f"One of {', '.join(DOCUMENT_TYPES)}.")
    if path not in {file.path for file in documents(files(store, entry))}:
        return None
    return trees.read_file(store, entry.tree_id, path)


def readme(store: ObjectStore, entry: Entry, every: tuple[FileLine, ...]) -> str:
    """Markdown; empty if there is none."""
    path = next((file.path for file in every if file.path.lower() == "readme.md"), None)
    return text(store, entry, path) if path else ""


def body(store: ObjectStore, entry: Entry, inner: Inner) -> str:
    """The text of a skill or agent without its front matter."""
    return _FRONT_MATTER.sub("", text(store, entry, inner.relpath), count=1).strip()


def text(store: ObjectStore, entry: Entry, path: str) -> str:
    """The beginning of a text file, cut between characters. Empty if the tree has no such file."""
    key = f"{entry.tree_id} {path}"
    found = _texts.get(store, key)
    if found is None:
        content = (trees.read_file(store, entry.tree_id, path) if entry.tree_id else None) or b""
        found = content[:MAX_TEXT_BYTES].decode("utf-8", "ignore" if len(content) > MAX_TEXT_BYTES else "replace")
        _texts.put(store, key, found, len(found) + 100)
    return found


_API_NAMES = {"hook": "hooks", "shell": "prompts"}
"""Kind of component → the capability's name in the API where it is another one."""


def capabilities(store: ObjectStore, entry: Entry) -> tuple[Capability, ...]:
    """What the plugin does on a person's machine without being asked again, the most dangerous first."""
    if not entry.tree_id:
        return ()
    found = []
    for row in BY_DANGER:
        names = tuple(dict.fromkeys(_acting(inner) for inner in entry.inner if inner.kind == row.kind))
        if names and row.acts:
            title = row.acts[:1].upper() + row.acts[1:]
            found.append(Capability(_API_NAMES.get(row.kind, row.kind), title, names, str(row.danger)))
    scripts = tuple(
        file.path
        for file in trees.get(store, entry.tree_id).files
        if file.executable or PurePosixPath(file.path).suffix.lower() in _SCRIPTS
    )
    if scripts:
        found.append(Capability("shell", "Brings programs and shell scripts", scripts))
    return tuple(found)


def _acting(inner: Inner) -> str:
    """One line of *Once added, it …*."""
    row = BY_KIND.get(inner.kind)
    return row.line.format(name=inner.name, detail=inner.detail) if row and inner.detail else inner.name


def changes(state: State, known: Catalogue, entry: Entry) -> tuple[ChangeLine, ...]:
    """The last syncs that changed a curated plugin, or versions of what somebody shares; the newest first."""
    key = ("changes", entry.id)
    found = known.content.remembered.get(key)
    if found is None and entry.source == "flea":
        with state.read("flea") as db:
            releases = flea.releases(db, entry.marketplace_id, limit=CHANGES)
        found = tuple(ChangeLine(one.at, "released", "", version=str(one.n), words=one.changes) for one in releases)
        known.content.remembered.put(key, found)
    elif found is None:
        with state.read("marketplace") as db:
            rows = browsing.changes(db, entry.marketplace_id, entry.name, quoted=json.dumps(entry.name), limit=CHANGES)
        found = tuple(line for row in rows for line in _change(entry.name, row))
        known.content.remembered.put(key, found)
    return found


def _change(name: str, row: Row) -> list[ChangeLine]:
    at, commit, added, removed, updated, refused = row
    for line in json.loads(refused):
        if line["plugin"] == name:
            return [ChangeLine(at, "refused", commit, line["reason"])]
    if added:
        return [ChangeLine(at, "added", commit)]
    if removed:
        return [ChangeLine(at, "removed", commit)]
    return [ChangeLine(at, "updated", commit)] if updated else []


def daily(state: State, known: Catalogue, entry: Entry, item: ItemKey, *, today: date) -> tuple[Day, ...]:
    """Exactly 30 days, oldest first, ending today; their sum is `invocations_30d`."""
    calls = _calls(state, known, entry).get(item[3:], {}) if known.measures.of_item.get(item) else {}
    days = (today - timedelta(days=back) for back in reversed(range(SERIES_DAYS)))
    return tuple(Day(day, calls.get(day, 0)) for day in days)


def _calls(state: State, known: Catalogue, entry: Entry) -> dict[tuple[str, str], dict[date, int]]:
    """(kind, name) → day → calls, of a plugin and everything in it: its pages are looked at together."""
    key = ("calls", entry.id)
    found = known.measures.remembered.get(key)
    if found is None:
        item = entry.item_key
        try:
            with state.read("telemetry") as db:
                rows = db.execute(
                    f"""SELECT kind, name, day, sum(invocations)::BIGINT FROM {ITEM_DAILY}
                    WHERE plugin = ? AND marketplace_id = ? AND source = ? GROUP BY ALL""",  # noqa: S608 (fixed parts)
                    [item.plugin, item.marketplace_id, item.source],
                ).fetchall()
        except AgnesError as exc:
            if exc.status < 500:
                raise
            return {}  # the page says that figures are missing (`UsageIndex.is_current`)
        found = {}
        for kind, name, day, invocations in rows:
            found.setdefault((kind, name), {})[day] = invocations
        known.measures.remembered.put(key, found)
    return found
