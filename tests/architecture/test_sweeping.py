"""Whoever stores trees or assets is asked before any is removed."""

from __future__ import annotations

import re
from pathlib import Path

from agnes.feed import sweeping
from infra import tables

MIGRATIONS = Path(__file__).parents[2] / "shared" / "agnes" / "state" / "migrations"


def tables_with_trees() -> dict[str, set[str]]:
    """State file → its tables with a column `tree_id`."""
    made = re.compile(r"(?is)create table (?:if not exists )?(\w+)\.(\w+)\s*\((.*?)^\);", re.MULTILINE)
    added = re.compile(r"(?i)alter table (\w+)\.(\w+) add column (?:if not exists )?tree_id\b")
    found: dict[str, set[str]] = {}
    for migration in MIGRATIONS.glob("*/*.sql"):
        text = migration.read_text(encoding="utf-8")
        for file, table, columns in made.findall(text):
            if re.search(r"^\s*tree_id\b", columns, re.MULTILINE):
                found.setdefault(file, set()).add(table)
        for file, table in added.findall(text):
            found.setdefault(file, set()).add(table)
    return found


def test_each_domain_tells_the_sweep_the_trees_of_every_table():
    found = tables_with_trees()
    assert found.keys() == sweeping.TREES_OF.keys()
    assert {"plugins", "versions", "blocked_trees"} <= found["marketplace"]
    for file, tree_ids in sweeping.TREES_OF.items():
        asked: list[str] = []

        class Recording:
            def execute(self, sql: str, *_: object) -> Recording:
                asked.append(sql)  # noqa: B023 (read before the next round)
                return self

            def fetchall(self) -> list[tuple[str]]:
                return []

        tree_ids(Recording())
        named = set(re.findall(rf"\b{file}\.(\w+)", " ".join(asked)))
        assert named >= found[file], f"{file}: trees that only these tables name would be removed"


def test_every_domain_that_stores_trees_keeps_their_ids_in_such_a_column():
    # The sweep writes again only what a row names already.
    storing = {of for of, entry in tables.load().items() if "trees/" in entry.puts} - {("feed", "cron_sweep")}
    storing = {domain for domain, _ in storing}
    assert storing <= set(sweeping.FILES)


def test_every_domain_that_stores_assets_is_asked():
    """By `sweeping.assets_in_use`."""
    storing = {
        domain for (domain, _), entry in tables.load().items() if any(p.startswith("assets/") for p in entry.puts)
    }
    assert storing == {"marketplace", "flea"}
