"""A toy database behind the engine's seam: a list of words, a thousand times cheaper to open than DuckDB.

Snapshots and logs are JSON. A log names the snapshot that it belongs to, as DuckDB's does, and a bulky
word goes past the log into the file itself, as a large insert does there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agnes.state.engine import DatabaseUnreadable


class Toy:
    broken = False

    def __init__(self, work: Path) -> None:
        self._work = work

    def attach(self, file: str, snapshot: Path, log: bytes) -> ToyCopy:
        return ToyCopy(snapshot.read_bytes(), log)

    def attach_migrated(self, file: str, snapshot: Path, log: bytes, statements: Sequence[str]) -> ToyCopy:
        return ToyCopy(snapshot.read_bytes(), log)

    @contextmanager
    def reading(self, copies: Sequence[ToyCopy]) -> Iterator[list[str]]:
        yield copies[0].words

    def open(self, file: str, snapshot: Path | None, log: bytes) -> ToyCopy:
        return ToyCopy(snapshot.read_bytes() if snapshot else b'{"fold": 0, "words": []}', log)

    def close(self) -> None:
        pass


class ToyCopy:
    schema = ""

    def __init__(self, snapshot: bytes, log: bytes) -> None:
        body = json.loads(snapshot)
        self._fold: int = body["fold"]
        self.words: list[str] = body["words"]
        self._log = log
        self._bulky = snapshot == b'{"fold": 0, "words": []}'
        for line in log.splitlines():
            entry = json.loads(line)
            if entry["fold"] != self._fold:
                raise DatabaseUnreadable("the log belongs to another snapshot")
            self.words += entry["words"]

    def run(self, change: Callable[[list[str]], object]) -> object:
        words = list(self.words)
        value = change(words)
        added = words[len(self.words) :]
        self.words = words
        if added:
            logged = [word for word in added if not word.endswith("bulk")]
            self._log += json.dumps({"fold": self._fold, "words": logged}).encode() + b"\n"
            self._bulky = self._bulky or logged != added
        return value

    def run_together(self, changes: Sequence[Callable[[list[str]], object]]) -> list[object] | int:
        values: list[object] = []

        def all_of_them(words: list[str]) -> None:
            for change in changes:
                values.append(change(words))  # noqa: PERF401 (how many there are tells which one failed)

        try:
            self.run(all_of_them)
        except Exception:
            return len(values)
        return values

    def migrate(self, statements: Sequence[str]) -> None:
        self._bulky = True

    def log(self) -> bytes:
        return self._log

    def log_size(self) -> int:
        return len(self._log)

    def must_fold(self) -> bool:
        return self._bulky

    def fold(self) -> bytes:
        self._fold += 1
        self._log, self._bulky = b"", False
        return json.dumps({"fold": self._fold, "words": self.words}).encode()

    def close(self) -> None:
        pass


class ToyLedger:
    """The ledger of the simulation in the toy's terms; `SqlLedger` is its twin."""

    engine = staticmethod(Toy)
    migrations = ("-- the toy has no schema",)

    @staticmethod
    def add(db: list[str], word: str) -> None:
        db.append(word)

    @staticmethod
    def words(db: list[str]) -> list[str]:
        return list(db)


class SqlLedger:
    engine = None
    migrations = (
        """CREATE SEQUENCE bank.place;
           CREATE TABLE bank.words (place BIGINT PRIMARY KEY, word VARCHAR UNIQUE, padding VARCHAR);
           CREATE INDEX by_padding ON bank.words (padding)""",
    )

    @staticmethod
    def add(db, word: str) -> None:
        if word.endswith("bulk"):  # goes past the log, into the blocks of the file
            db.execute("CREATE TABLE IF NOT EXISTS bank.bulk AS SELECT range AS n FROM range(200000)")
        db.execute(
            "INSERT INTO bank.words SELECT count(*), ?, hash(?) % 3 FROM bank.words WHERE nextval('bank.place') > 0",
            [word, word],
        )

    @staticmethod
    def words(db) -> list[str]:
        return [word for (word,) in db.execute("SELECT word FROM bank.words ORDER BY place").fetchall()]
