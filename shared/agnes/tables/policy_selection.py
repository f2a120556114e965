"""What several policies leave of a table together, as one SELECT."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from agnes.tables.policy_repository import Policy
from agnes.tables.workspace import name


@dataclass(frozen=True, slots=True)
class Selection:
    """What people of some policies read: pairs of a written condition (empty: always) and columns (None: all)."""

    parts: tuple[tuple[str, tuple[str, ...] | None], ...]

    @property
    def id(self) -> str:
        return hashlib.sha256(json.dumps(self.parts).encode()).hexdigest()

    def columns(self, of_table: Iterable[str]) -> tuple[str, ...]:
        """In the table's order."""
        named = [columns for _, columns in self.parts]
        if any(columns is None for columns in named):
            return tuple(of_table)
        wanted = {each for columns in named if columns for each in columns}
        return tuple(each for each in of_table if each in wanted)

    def select(self, rows: str, of_table: Iterable[str]) -> str:
        """The SELECT over the rows of a table. A condition that is NULL does not hold."""
        held = [f"coalesce({condition}, false)" if condition else "true" for condition, _ in self.parts]
        shown = []
        for each in self.columns(of_table):
            giving = [test for test, (_, names) in zip(held, self.parts, strict=True) if names is None or each in names]
            whole = len(giving) == len(held)
            shown.append(
                name(each) if whole else f"CASE WHEN {' OR '.join(giving)} THEN {name(each)} END AS {name(each)}"
            )
        return f"SELECT {', '.join(shown)} FROM ({rows}) q WHERE {' OR '.join(held)}"  # noqa: S608 (written by the child)


def selection(policies: Iterable[Policy]) -> Selection:
    parts = {(each.written, tuple(sorted(each.columns)) if each.columns is not None else None) for each in policies}
    return Selection(tuple(sorted(parts, key=lambda part: (part[0], part[1] is not None, part[1] or ()))))


def selection_for(groups: Collection[str], policies: Mapping[str, Policy]) -> Selection | None:
    """Of somebody whose groups were granted a table, with its policies by group; None: all of it."""
    if any(group not in policies for group in groups):
        return None
    return selection(policies[group] for group in groups)
