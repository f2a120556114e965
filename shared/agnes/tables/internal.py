"""Tables about whoever asks: sessions, telemetry and the audit. Domains above keep what they hold, and the wiring brings both together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agnes.kernel.principal import Principal


@dataclass(frozen=True, slots=True)
class InternalColumn:
    name: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class InternalTable:
    """`write` makes a parquet file of the rows that this person may read: their own, and of an admin everybody's."""

    id: str
    description: str
    columns: tuple[InternalColumn, ...]
    write: Callable[[Principal, Path], None]
