"""Whoever stores trees or assets is asked before any is removed."""

from __future__ import annotations

import re
from pathlib import Path

from agnes.feed import sweeping
from infra import tables

MIGRATIONS = Path(__file__).parents[2] / "shared" / "agnes" / "state" / "migrations"


def test_every_state_file_that_names_trees_is_known_to_the_sweep():
    naming = {
        f.parent.name for f in MIGRATIONS.glob("*/*.sql") if re.search(r"^\s*tree_id\b", f.read_text(), re.MULTILINE)
    }
    assert naming == set(sweeping.FILES)


def test_every_domain_that_stores_trees_keeps_their_ids_in_such_a_column():
    # The sweep writes again only what a row names already.
    storing = {of for of, entry in tables.load().items() if "trees/" in entry.puts} - {("feed", "cron_sweep")}
    storing = {domain for domain, _ in storing}
    assert storing <= set(sweeping.FILES)


def test_assets_are_stored_by_marketplaces_alone():
    """`sweeping.assets_in_use` asks nobody else."""
    storing = {
        domain for (domain, _), entry in tables.load().items() if any(p.startswith("assets/") for p in entry.puts)
    }
    assert storing == {"marketplace"}
