"""One DuckDB instance for all houses of a process: starting and closing one of its own costs each test 25 ms of processor time.

Everything else is the product's: aliases, attached generations and working copies are each house's own, and are detached when
it closes. A house over a store in memory takes it unless it is given another `state`: a folder may be on a disk of its own.
`tests/unit/state` and the simulation start instances of their own.
"""

from __future__ import annotations

import itertools
import tempfile
import weakref
from pathlib import Path

import duckdb

from agnes.state.engine import DuckDb, _Attached, _Opened


class _Instance:
    """The instance that is running, and the folder that it may read and write."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="agnes-engine-")
        self.duckdb = DuckDb(Path(self.folder.name))
        self.connection = self.duckdb._start()
        self.numbers = itertools.count(1)


_running: _Instance | None = None


def _instance() -> _Instance:
    global _running  # noqa: PLW0603 (one a process)
    if _running is None:
        _running = _Instance()
    return _running


class SharedDuckDb(DuckDb):
    """Behaves as `DuckDb`, over the instance of the process."""

    def __init__(self, _work: Path) -> None:
        self._of = _instance()
        super().__init__(Path(self._of.folder.name))
        self._numbers = self._of.numbers
        self._aliases: set[str] = set()
        self._ended = weakref.finalize(self, _detach_all, self._of, self._aliases)

    def _start(self) -> duckdb.DuckDBPyConnection:
        return self._of.connection.cursor()

    def attach(self, file: str, snapshot: Path, log: bytes) -> _Attached:
        attached = super().attach(file, snapshot, log)
        self._aliases.add(attached._alias)
        return attached

    def open(self, file: str, snapshot: Path | None, log: bytes) -> _Opened:
        opened = super().open(file, snapshot, log)
        self._aliases.add(opened._alias)
        return opened

    def detach(self, alias: str) -> None:
        super().detach(alias)
        self._aliases.discard(alias)

    def suspect(self, error: BaseException) -> bool:
        """A fatal error breaks the instance for everybody: the next house starts another."""
        global _running  # noqa: PLW0603
        fatal = super().suspect(error)
        if fatal and _running is self._of:
            _running = None
        return fatal

    def close(self) -> None:
        super().close()
        self._ended()


def _detach_all(of: _Instance, aliases: set[str]) -> None:
    if aliases and not of.duckdb.broken:
        with of.connection.cursor() as db:
            for alias in sorted(aliases):
                try:
                    db.execute(f"DETACH {alias}")
                except duckdb.Error:  # what is broken is not used again
                    continue
    aliases.clear()
