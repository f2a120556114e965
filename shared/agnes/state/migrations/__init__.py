"""Migrations: numbered SQL files, `migrations/<series>/0001_name.sql`.

A series is a state file's own, or `common`, which every file gets first. In a file's own series tables
are written `<file>.<table>`; in `common`, `{file}.<table>`. A migration that was released is never edited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

COMMON = "common"
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str


@cache
def packaged() -> Mapping[str, tuple[Migration, ...]]:
    """All series that ship with the package, `common` among them. Raises ValueError on a gap or a bad name."""
    series = {}
    for folder in resources.files(__name__).iterdir():
        if folder.is_dir() and not folder.name.startswith("_"):
            series[folder.name] = tuple(_load(folder))
    return series


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
        return any(number > self.schema.get(series, 0) for series, number in schema.items())
