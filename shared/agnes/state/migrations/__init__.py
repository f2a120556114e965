"""Migrations: numbered SQL files, `migrations/<series>/0001_name.sql`.

A series is a state file's own, or `common`, which every file gets first. In a file's own series tables
are written `<file>.<table>`; in `common`, `{file}.<table>`. A migration that was released is never edited.

A release expands first and contracts later. While it rolls out, and after a roll-back, code that does not know a migration works
on the migrated file. So a migration is one of two kinds: with *expanding* ones earlier releases go on writing, since all
that they know is still there; any other makes them refuse to write until they are gone. A migration expands if it only creates tables,
views, indexes and sequences and fills the tables that it creates. One that adds columns may say so itself, in a line
`-- expands: <why>`: the release before must name the columns in every INSERT into that table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

COMMON = "common"
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
WRITERS = ".writers"
"""`<series>.writers` in a head's schema: how many migrations of the series code must know to write. As many as were made, if it is missing."""
_SAID = re.compile(r"^-- expands: \S", re.MULTILINE)
_COMMENT = re.compile(r"--[^\n]*")
_CREATE = re.compile(r"CREATE (?:UNIQUE )?(?:TABLE|VIEW|INDEX|SEQUENCE) (?:IF NOT EXISTS )?([\w{}.]+)", re.IGNORECASE)
_FILL = re.compile(r"INSERT INTO ([\w{}.]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def expands(self) -> bool:
        """Whether code that does not know this migration may go on writing to the file."""
        if _SAID.search(self.sql):
            return True
        created: set[str] = set()
        for statement in filter(None, (part.strip() for part in _COMMENT.sub("", self.sql).split(";"))):
            if made := _CREATE.match(statement):
                created.add(made[1].lower())
            elif not (filled := _FILL.match(statement)) or filled[1].lower() not in created:
                return False
        return True


@cache
def packaged() -> Mapping[str, tuple[Migration, ...]]:
    """All series that ship with the package, `common` among them. Raises ValueError on a gap or a bad name."""
    series = {}
    for folder in resources.files(__name__).iterdir():
        if folder.is_dir() and not folder.name.startswith("_"):
            series[folder.name] = tuple(_load(folder))
    return series


def names() -> tuple[str, ...]:
    """Of all state files."""
    return tuple(sorted(packaged().keys() - {COMMON}))


def _load(folder: resources.abc.Traversable) -> Iterator[Migration]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    for number, name in enumerate(names, start=1):
        matched = _NAME.fullmatch(name)
        if not matched or int(matched[1]) != number:
            raise ValueError(f"migrations/{folder.name}/{name}: expected {number:04d}_<name>.sql")
        yield Migration(number, matched[2], (folder / name).read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Plan:
    """The migrations of one file: what it has, against what this code knows."""

    file: str
    common: Sequence[Migration]
    own: Sequence[Migration]

    @property
    def schema(self) -> dict[str, int]:
        """The schema that this code knows, as a head states it."""
        return {COMMON: len(self.common), self.file: len(self.own)}

    def missing(self, schema: Mapping[str, int]) -> list[str]:
        """SQL that brings `schema` up to ours, in order."""
        common = [m.sql.replace("{file}", self.file) for m in self.common[schema.get(COMMON, 0) :]]
        return common + [m.sql for m in self.own[schema.get(self.file, 0) :]]

    def older(self, schema: Mapping[str, int]) -> bool:
        """Whether this code should migrate what has `schema`."""
        return bool(self.missing(schema)) and not self.newer(schema)

    def newer(self, schema: Mapping[str, int]) -> bool:
        """Whether `schema` has what this code does not know."""
        return self._has_unknown(schema) or any(schema.get(series, 0) > known for series, known in self.schema.items())

    def refuses(self, schema: Mapping[str, int]) -> bool:
        """Whether this code must not write to what has `schema`: a migration that it does not know takes away what it needs."""
        return self._has_unknown(schema) or any(
            schema.get(series, 0) > known and schema.get(series + WRITERS, schema[series]) > known
            for series, known in self.schema.items()
        )

    def _has_unknown(self, schema: Mapping[str, int]) -> bool:
        return any(series.removesuffix(WRITERS) not in (COMMON, self.file) for series in schema)

    def over(self, schema: Mapping[str, int]) -> dict[str, int]:
        """The schema after the missing migrations, as a head states it. What this code does not know stays."""
        found: dict[str, int] = {}
        for series, migrations in ((COMMON, self.common), (self.file, self.own)):
            made, known = schema.get(series, 0), len(migrations)
            found[series] = max(made, known)
            if made >= known:
                writers = schema.get(series + WRITERS, made)
            else:
                writers = max((m.number for m in migrations[1:] if not m.expands), default=1)
            if writers < found[series]:
                found[series + WRITERS] = writers
        return found
