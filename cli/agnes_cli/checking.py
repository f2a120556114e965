"""What `agnes diagnose` has looked at, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING = "ok", "warning"


@dataclass(frozen=True)
class Check:
    """`hint` is what to do, where something needs attention."""

    name: str
    status: str
    detail: str
    hint: str = ""
