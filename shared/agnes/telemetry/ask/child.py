"""A program of its own: runs one SELECT that nobody has vouched for, over one database file, and dies.

    python -I child.py      standard input: a JSON request; standard output: a JSON answer; nothing else

It imports nothing of ours, holds no credential, and its environment has one path. What holds SQL in, each by itself enough
for most of it:

- it must be exactly one SELECT whose syntax tree names only the allowed tables and functions (`functions.txt`);
- DuckDB has the file READ_ONLY, no external access, no extension, a memory limit, and its configuration locked;
- the kernel allows no new file, socket or process (RLIMIT_NOFILE 0, RLIMIT_NPROC 0), no written byte (RLIMIT_FSIZE 0),
  1.5 GB of address space and a few seconds of processor; and the parent kills it when its time is over.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

MEMORY = "512MB"
ADDRESS_SPACE_BYTES = 1_500_000_000
CPU_SECONDS = 10
MAX_ROWS = 10_000
MAX_BYTES = 4_000_000
BATCH = 500
MAX_DEPTH = 200

QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
CATALOG_VIEWS = frozenset({"information_schema.tables", "information_schema.columns"})
SHOWN = frozenset({"", "tables", '"tables"'})
WRITES = {"COPY_QUERY_NODE": "COPY", "INSERT_QUERY_NODE": "INSERT"}
SAFE_INTEGER = 2**53


class Rejected(Exception):
    """The SQL is not run; says why."""


class Failed(Exception):
    """The SQL was run, or tried; DuckDB's message."""


def main() -> None:
    import json
    import resource

    request = json.load(sys.stdin)
    sys.path[:0] = request["path"]
    import _duckdb as duckdb  # what `duckdb` wraps; the wrapping takes longer to import than this process to do its work

    with open(request["functions"], encoding="utf-8") as file:  # noqa: PTH123 (a lean start)
        functions = frozenset(file.read().split())
    db = connect(duckdb, request["database"])
    warm_up(db, duckdb)
    lock(resource)
    try:
        judge(db, duckdb, request["sql"], functions, frozenset(request["tables"]))
        answer = execute(db, duckdb, request["sql"])
    except Rejected as rejected:
        answer = {"rejected": str(rejected)}
    except Failed as failed:
        answer = {"error": str(failed)}
    except (MemoryError, RecursionError) as error:
        answer = {"error": f"the query is too large ({type(error).__name__})"}
    sys.stdout.write(json.dumps(answer, allow_nan=False))
    sys.stdout.flush()


def connect(duckdb: Any, database: str) -> Any:
    """All switches before the lock; spilling to disk is off."""
    db = duckdb.connect(
        ":memory:",
        config={
            "threads": 2,
            "async_threads": 0,
            "memory_limit": MEMORY,
            "temp_directory": "",
            "max_temp_directory_size": "0KB",
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
        },
    )
    db.execute("SET TimeZone = 'UTC'")
    db.execute("ATTACH '{}' AS usage (READ_ONLY)".format(database.replace("'", "''")))
    db.execute("USE usage")
    db.execute("SET enable_external_access = false")
    db.execute("SET lock_configuration = true")
    return db


def warm_up(db: Any, duckdb: Any) -> None:
    """What is imported or opened at first use must be so before no file can be opened any more."""
    import decimal  # noqa: F401
    import uuid  # noqa: F401

    db.execute(
        "SELECT now(), current_date, 1.5::DECIMAL(5, 2), INTERVAL 1 DAY, uuid(), TIME '09:00', TIMETZ '09:00:00+00', "
        "[1], {'a': 1}, MAP {'a': 1}, 'x'::BLOB, TIMESTAMP_NS '2026-01-01', json_serialize_sql('SELECT 1'), "
        "strftime(DATE '2026-01-01', '%A'), regexp_matches('a', 'b'), 1::HUGEINT, 1::BIT"
    ).fetchall()
    db.execute("SELECT sum(i) FROM range(100000) t(i)").fetchall()
    db.extract_statements("SELECT 1")
    for wrong in ("SELECT nonsense", "SELEC 1", "SELECT error('x')"):
        try:
            db.execute(wrong).fetchall()
        except duckdb.Error:
            continue


def lock(resource: Any) -> None:
    """A Mac's kernel has no limit of address space; there DuckDB's own and the parent's timer must do."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    for name, value in (
        ("RLIMIT_CPU", CPU_SECONDS),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_NOFILE", 0),
        ("RLIMIT_NPROC", 0),
    ):
        resource.setrlimit(getattr(resource, name), (value, value))


def execute(db: Any, duckdb: Any, sql: str) -> dict[str, Any]:
    """Raises Failed."""
    try:
        done = db.execute(sql)
        names, size, cut = columns(done.description), 0, False
        rows: list[list[Any]] = []
        while not cut and (batch := done.fetchmany(BATCH)):
            for row in batch:
                values = [sound(value) for value in row]
                size += sum(weight(value) for value in values)
                if len(rows) == MAX_ROWS or size > MAX_BYTES:
                    cut = True
                    break
                rows.append(values)
    except duckdb.OutOfMemoryException:
        raise Failed(f"the query needed more memory than the {MEMORY} that it may have") from None
    except duckdb.Error as error:
        raise Failed(str(error)) from None
    if cut and not rows:
        raise Failed(f"a single row has more than {MAX_BYTES // 1_000_000} MB")
    return {"columns": names, "rows": rows, "cut": cut}


def judge(db: Any, duckdb: Any, sql: str, functions: frozenset[str], tables: frozenset[str]) -> None:
    """Raises Rejected, or Failed for what is no SQL at all."""
    import json

    try:
        statements = db.extract_statements(sql)
    except duckdb.Error as error:
        raise Failed(str(error)) from None
    if len(statements) != 1:
        raise Rejected("it must be exactly one statement" if statements else "it holds no statement")
    kind = statements[0].type.name
    if kind != "SELECT":
        raise Rejected(f"only SELECT is run, and this is {kind}")
    try:
        [(serialized,)] = db.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
        tree = json.loads(serialized)
    except duckdb.Error as error:
        raise Failed(str(error)) from None
    if tree["error"] or len(tree["statements"]) != 1:
        raise Rejected(str(tree.get("error_message", "it cannot be understood")))
    for node, named in walk(tree["statements"]):
        kind = node.get("type")
        if isinstance(kind, str):
            check_kind(kind, node, tables, named)
        name = node.get("function_name")
        if isinstance(name, str):
            check_function(name, node, functions)


def walk(tree: Any) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Every object of the tree, with the names that a WITH has given there: a name of another scope names nothing.
    By hand: what is nested deeply must not end the interpreter's stack."""
    nothing: frozenset[str] = frozenset()
    waiting: list[tuple[Any, frozenset[str]]] = [(tree, nothing)]
    while waiting:
        found, named = waiting.pop()
        if isinstance(found, list):
            waiting.extend((item, named) for item in found)
        elif isinstance(found, dict):
            for entry in found.get("cte_map", {}).get("map", ()):
                waiting.append((entry["value"], named))
                named |= {entry["key"].lower()}
            yield found, named
            own = {found["cte_name"].lower()} if found.get("cte_name") else nothing
            for name, value in found.items():
                if name != "cte_map":
                    # What a recursion begins with does not know its name yet.
                    waiting.append((value, named if name in ("left", "query") else named | own))


def check_kind(kind: str, node: dict[str, Any], tables: frozenset[str], named: frozenset[str]) -> None:
    if kind.endswith("_NODE") and kind not in QUERY_NODES:
        raise Rejected(
            f"{WRITES.get(kind, kind.removesuffix('_NODE').removesuffix('_QUERY'))} inside of a SELECT is not run"
        )
    if kind == "BASE_TABLE":
        path = [node.get("catalog_name"), node.get("schema_name"), node["table_name"]]
        name = ".".join(part for part in path if part)
        bare = name.lower().removeprefix("usage.").removeprefix("main.")
        is_named = not (path[0] or path[1]) and name.lower() in named
        if bare not in tables and bare not in CATALOG_VIEWS and not is_named:
            raise Rejected(f"there is no table {name!r} to ask; there are {', '.join(sorted(tables))}")
    elif kind == "SHOW_REF" and node.get("table_name") not in SHOWN:
        raise Rejected(f"SHOW {node.get('table_name')} is not run")
    elif kind == "TABLE_FUNCTION":
        called = node["function"]["function_name"]
        if called.lower() not in TABLE_FUNCTIONS:
            raise Rejected(f"the table function {called} is not allowed")
    elif kind == "VALUE_PARAMETER":
        raise Rejected("it has a parameter that nobody gives")


def check_function(name: str, node: dict[str, Any], functions: frozenset[str]) -> None:
    if name.lower() not in functions or node.get("schema") or node.get("catalog"):
        raise Rejected(f"the function {name} is not allowed")


def columns(description: Any) -> list[str]:
    """Names, each once, since a row is an object: `n`, `n_2`."""
    names = []
    for name, *_ in description:
        unique, number = name, 1
        while unique in names:
            number += 1
            unique = f"{name}_{number}"
        names.append(unique)
    return names


def sound(value: Any, depth: int = 0) -> Any:
    """A value as JSON knows it. What JSON has no number for is a string: NaN, Infinity, integers beyond 2^53, decimals
    that a double would change."""
    import datetime as dt
    import decimal

    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -SAFE_INTEGER <= value <= SAFE_INTEGER else str(value)
        case float():
            if value != value:  # noqa: PLR0124
                return "NaN"
            return value if abs(value) != float("inf") else "Infinity" if value > 0 else "-Infinity"
        case decimal.Decimal():
            if value == value.to_integral_value():
                return sound(int(value))
            return float(value) if decimal.Decimal(repr(float(value))) == value else str(value)
        case dt.datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dt.date() | dt.time():
            return value.isoformat()
        case bytes() | bytearray():
            return value.hex()
    if depth > MAX_DEPTH:
        raise Failed("a value is nested too deeply")
    if isinstance(value, dict):
        return {str(sound(key, depth + 1)): sound(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sound(item, depth + 1) for item in value]
    return str(value)


def weight(value: Any) -> int:
    """Bytes that a value takes in the answer, roughly."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace")) + 3
    if isinstance(value, dict):
        return 2 + sum(weight(key) + weight(item) for key, item in value.items())
    if isinstance(value, list):
        return 2 + sum(weight(item) for item in value)
    return 8


if __name__ == "__main__":
    main()
