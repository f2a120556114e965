"""The port of sources of data tables: databases that are asked in SQL, and places that hand out files.

SourceFailed       502   the source refused or what it sent is no use; its own message, without the secret
SourceUnreachable  503   no answer in time; try again
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from agnes.kernel.errors import AgnesError, UnavailableError
from agnes.kernel.ports import Secret


class SourceFailed(AgnesError):
    status = 502
    code = "source_failed"


class SourceUnreachable(UnavailableError):
    code = "source_unreachable"


class ArrowStream(Protocol):
    """What hands out record batches by the Arrow C stream interface; DuckDB reads it without copying it whole."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A source as its admin described it, with its secret."""

    type: str
    options: Mapping[str, str]
    secret: Secret | None


@dataclass(frozen=True, slots=True)
class Extract:
    """The rows of a statement, once."""

    stream: ArrowStream
    casts: Mapping[str, str] = field(default_factory=dict)
    """Column → DuckDB's type for what the driver hands out as text, such as a database's exact numbers."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Files that a source wrote to this machine."""

    files: tuple[Path, ...]
    form: str
    """csv, json (an object a line, or a list) or parquet; gzip and zstd are seen by the name."""


class TableSources(Protocol):
    def query(self, place: Place, sql: str, *, seconds: float) -> AbstractContextManager[Extract]:
        """Ask a source in its SQL, in a transaction that may not write where it has such. Raises SourceFailed, SourceUnreachable."""
        ...

    def fetch(self, place: Place, path: str, folder: Path, *, seconds: float) -> Fetched:
        """Have the files of a table written into `folder`. Raises SourceFailed, SourceUnreachable."""
        ...
