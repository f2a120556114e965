"""Runs SQL in the locked child process, and kills it when its time is over."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agnes.kernel.errors import BadRequestError

log = logging.getLogger("agnes.telemetry")

SECONDS = 5.0
"""Of the whole life of the child, its start (0.3 s) included."""
MAX_SQL = 20_000
CHILD = Path(__file__).with_name("child.py")
FUNCTIONS = Path(__file__).with_name("functions.txt")


@dataclass(frozen=True, slots=True)
class Rows:
    columns: list[str]
    rows: list[list[Any]] = field(repr=False)
    cut: bool
    """There were more: 10,000 rows or 4 MB are the most that is fetched."""
    milliseconds: float


class SqlRejected(BadRequestError):
    """It was not run."""

    code = "invalid_sql"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the SQL is not run: {reason}")
        self.reason = reason


class SqlFailed(BadRequestError):
    """It was run, and failed: DuckDB's message."""

    code = "exec_failed"
    hint = "Put the question differently, or more narrowly."

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def run(sql: str, database: Path, tables: frozenset[str], *, seconds: float = SECONDS) -> Rows:
    """The rows that one SELECT over the tables of a database file has. Raises SqlRejected, SqlFailed."""
    if not sql.strip():
        raise SqlRejected("there is none")
    if len(sql) > MAX_SQL:
        raise SqlRejected(f"it has more than {MAX_SQL} characters")
    request = {
        "path": [entry for entry in sys.path if entry],
        "functions": str(FUNCTIONS),
        "database": str(database),
        "tables": sorted(tables),
        "sql": sql,
    }
    started = time.monotonic()
    answer, status = _one_shot(json.dumps(request).encode(), seconds)
    if answer is None:
        raise SqlFailed(f"the query took longer than the {seconds:g} seconds that it may take")
    try:
        found = json.loads(answer)
    except ValueError:
        raise SqlFailed(
            f"the query needed more memory or time than it may have (the process ended with {status})"
        ) from None
    if "rejected" in found:
        raise SqlRejected(found["rejected"])
    if "error" in found:
        raise SqlFailed(found["error"])
    return Rows(found["columns"], found["rows"], found["cut"], (time.monotonic() - started) * 1000)


def _one_shot(request: bytes, seconds: float) -> tuple[bytes | None, int]:
    """What the child wrote, None if it was killed, and how it ended."""
    with TemporaryDirectory(prefix="agnes-ask-") as empty:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=empty,
            # Nothing of ours; Lambda's interpreter would not find its own library without this.
            env={"LD_LIBRARY_PATH": f"{sys.base_prefix}/lib"},
            start_new_session=True,
        )
        with child:
            try:
                answer, said = child.communicate(request, timeout=seconds)
            except subprocess.TimeoutExpired:
                return None, -9
            finally:
                child.kill()
    if child.returncode != 0:
        log.warning(
            "the child of a question ended with %s: %s", child.returncode, said[-500:].decode("utf-8", "replace")
        )
    return answer, child.returncode
