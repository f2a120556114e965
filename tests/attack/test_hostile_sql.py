"""Every function and every setting that this DuckDB has, at the locked child of questions, with the judge and without.

They are read from DuckDB itself, so that a newer one is attacked with what it brings. The statements of `tests/samples/ask/hostile.sql`
are tried by `tests.unit.sql.test_locked.py`.
"""

from __future__ import annotations

import json

import duckdb
import pytest

from agnes.sql import child, locked
from tests.unit.sql.test_locked import asked, in_one_process

__all__ = ["asked"]  # a fixture

POINTERS = ("arrow", "pandas", "python", "pointer")
"""Functions that take an address in memory: without the judge they end the process, which lets nothing out either."""
FILE = "'/etc/passwd'"
ARGUMENTS = (FILE, f"[{FILE}]", f"{FILE}, {FILE}", "'{out}/made'", "'http://127.0.0.1:{port}/x'", "")


def statements() -> dict[str, list[str]]:
    """By what they try: functions, table functions, settings and statements that reach outside."""
    known = duckdb.sql("SELECT DISTINCT function_name, function_type FROM duckdb_functions() ORDER BY ALL").fetchall()
    allowed = set(locked.FUNCTIONS.read_text().split())
    plain = [n for n, kind in known if kind in ("scalar", "aggregate", "macro") and n.replace("_", "").isalnum()]
    tables = [n for n, kind in known if kind in ("table", "table_macro", "pragma") and n not in child.TABLE_FUNCTIONS]
    settings = [name for (name,) in duckdb.sql("SELECT name FROM duckdb_settings() ORDER BY 1").fetchall()]
    return {
        "refused functions": [f'SELECT "{n}"({a})' for n in plain if n not in allowed for a in ARGUMENTS],
        "allowed functions": [f'SELECT "{n}"({FILE})' for n in plain if n in allowed],
        "table functions": [f'SELECT * FROM "{n}"({a})' for n in tables for a in ARGUMENTS]
        + [f'CALL "{n}"({FILE})' for n in tables]
        + [f"PRAGMA {n}" for n in tables],
        "settings": [
            text.format(name=name)
            for name in settings
            for text in (
                "SET {name} = '/tmp'", "SET GLOBAL {name} = true", "RESET {name}", "PRAGMA {name} = 1", "PRAGMA {name}",
                "SELECT current_setting('{name}')", "SELECT getvariable('{name}')",
            )
        ],
        "files": [
            text.format(file=file)
            for file in ("/etc/passwd", "{out}/made.duckdb", "http://127.0.0.1:{port}/x", "s3://bucket/x", "\\\\host\\share", "md:x")
            for text in (
                "SELECT * FROM '{file}'", "ATTACH '{file}'", "ATTACH '{file}' AS x (TYPE sqlite)", "COPY usage_users TO '{file}'",
                "COPY (SELECT 1) TO '{file}' (FORMAT parquet)", "COPY usage_users FROM '{file}'", "EXPORT DATABASE '{file}'",
                "IMPORT DATABASE '{file}'", "INSTALL '{file}'", "LOAD '{file}'", "INSTALL httpfs FROM '{file}'",
                "CREATE SECRET s (TYPE s3, KEY_ID '{file}')", "CREATE TABLE x AS SELECT * FROM '{file}'",
                "SELECT * FROM glob('{file}*')", "WITH x AS (SELECT * FROM '{file}') SELECT * FROM x",
                "EXPLAIN ANALYZE COPY usage_users TO '{file}'", "USE '{file}'", "CHECKPOINT '{file}'",
            )
        ],
    }  # fmt: skip


def filled(asked, texts: list[str]) -> list[str]:
    return [text.replace("{out}", str(asked.out)).replace("{port}", str(asked.port)) for text in texts]


@pytest.mark.parametrize("kind", list(statements()))
def test_the_judge_lets_nothing_through(asked, kind, record_property):
    before, texts = asked.digest(), filled(asked, statements()[kind])
    outcomes = in_one_process(asked, texts)
    ran = [text for text, (outcome, *_) in zip(texts, outcomes, strict=True) if outcome == "ran"]
    assert kind == "allowed functions" or ran == []
    assert "root:x:0" not in json.dumps(outcomes)
    asked.assert_untouched(before)
    record_property("statements", len(texts))


@pytest.mark.parametrize("kind", list(statements()))
def test_the_walls_hold_without_the_judge(asked, kind, record_property):
    texts = [text for text in filled(asked, statements()[kind]) if not any(word in text for word in POINTERS)]
    before = asked.digest()
    outcomes = in_one_process(asked, texts, judged=False)
    assert "root:x:0" not in json.dumps(outcomes)
    asked.assert_untouched(before)
    record_property("statements", len(texts))
