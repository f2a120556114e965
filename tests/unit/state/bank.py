"""A state file for tests: accounts with balances, over any store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import Blob, Entry, Expect, NotModified, ObjectStore, Version
from agnes.kernel.state import Tx
from agnes.state import Migration, StateFiles, packaged

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
COMMON = packaged()["common"]
CREATE = Migration(
    1,
    "accounts",
    "CREATE TABLE bank.accounts (name VARCHAR PRIMARY KEY, balance BIGINT NOT NULL CHECK (balance >= 0));",
)
ADD_OWNER = Migration(2, "owner", "ALTER TABLE bank.accounts ADD COLUMN owner VARCHAR DEFAULT 'nobody';")
OTHER = Migration(1, "notes", "CREATE TABLE other.notes (text VARCHAR);")
MIGRATIONS = {"common": COMMON, "bank": (CREATE,), "other": (OTHER,)}


def state_files(store: ObjectStore, folder: Path, **options) -> StateFiles:
    """One process's view. Its clock stands still and each read asks for the head, unless told otherwise."""
    options = {"clock": FixedClock(START), "migrations": MIGRATIONS, "max_stale_seconds": 0.0} | options
    return StateFiles(store, cache_dir=folder, **options)


def deposit(name: str, amount: int):
    def change(tx: Tx) -> int:
        tx.db.execute(
            "INSERT INTO bank.accounts (name, balance) VALUES (?, ?) ON CONFLICT DO UPDATE SET balance = balance + ?",
            [name, amount, amount],
        )
        return tx.db.execute("SELECT balance FROM bank.accounts WHERE name = ?", [name]).fetchone()[0]

    return change


def nothing(tx: Tx) -> int:
    tx.db.execute("DELETE FROM bank.accounts WHERE name = 'nobody'")
    return tx.db.execute("SELECT count(*) FROM bank.accounts").fetchone()[0]


def balances(files: StateFiles) -> dict[str, int]:
    with files.read("bank") as db:
        return dict(db.execute("SELECT name, balance FROM bank.accounts").fetchall())


class CountingStore:
    """Counts calls and bytes by verb, on the way to another store."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self.calls: list[tuple[str, str, int]] = []

    def read(self, key: str) -> Blob | None:
        found = self._inner.read(key)
        self.calls.append(("read", key, len(found.body) if found else 0))
        return found

    def read_if_changed(self, key: str, version: Version) -> Blob | NotModified | None:
        found = self._inner.read_if_changed(key, version)
        self.calls.append(("read", key, len(found.body) if isinstance(found, Blob) else 0))
        return found

    def write(
        self, key: str, body: bytes, *, expect: Expect, content_type: str = "application/octet-stream"
    ) -> Version:
        self.calls.append(("write", key, len(body)))
        return self._inner.write(key, body, expect=expect, content_type=content_type)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        self.calls.append(("list", prefix, 0))
        return self._inner.list(prefix, after=after)

    def remove(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        self.calls.append(("remove", "", len(keys)))
        self._inner.remove(keys)

    def count(self, verb: str) -> int:
        return sum(called == verb for called, _, _ in self.calls)
