"""Every prefix that a function may touch is known to backups: kept, left out with a reason, or a state file."""

from __future__ import annotations

from agnes.ops.backup.model import KEPT, LEFT_OUT, STATE
from infra import tables


def touched() -> set[str]:
    parts = ("gets", "puts", "streams", "lists", "removes")
    return {prefix for entry in tables.load().values() for part in parts for prefix in getattr(entry, part)}


def test_every_prefix_is_known_to_backups() -> None:
    known = (*KEPT, *LEFT_OUT, STATE)
    found = touched()
    assert len(found) > 40
    unknown = sorted(prefix for prefix in found if prefix and not prefix.startswith(known))
    assert not unknown, f"say in agnes.ops.backup.model whether a backup has them: {unknown}"


def test_what_is_left_out_says_why() -> None:
    assert all(len(reason.split()) > 3 for reason in LEFT_OUT.values())
    assert not [kept for kept in KEPT if kept.startswith(tuple(LEFT_OUT))]
