"""A program of its own: runs one SELECT that nobody has vouched for, over what it is given to read, and dies.

    python -I child.py      standard input, a line each: {path, functions}, then the request; standard output: the answer

Between the two lines it makes itself ready, so that a caller who starts it ahead waits for the statement alone. The request is
`{sql, tables}` with either `database`, a DuckDB file, or `views`, name → the SELECT over parquet files that it stands for, and
`files`, the paths of these. In the place of `sql` there may be `scan`, one table with a condition (`rendered`). `form` says how the
answer is written:

    rows            {"columns", "rows", "cut"} as one JSON document; also {"rejected"} and {"error"}
    csv, json, arrow    frames, each its length in four bytes and so many bytes; one of length 0, then a JSON document as above,
                        without the rows, with "row_count"

It imports nothing of Agnes, holds no credential, and its environment has one path. What holds SQL in, each by itself enough
for most of it:

- it must be exactly one SELECT whose syntax tree names only the allowed tables and functions (`functions.txt`);
- DuckDB has the database READ_ONLY and no files but those named, no external access, no extension, a memory limit, and its
  configuration locked;
- the kernel allows no new file or socket (RLIMIT_NOFILE: none, or as many as the parquet files need), no process
  (RLIMIT_NPROC 0), no written byte (RLIMIT_FSIZE 0), 1.5 GB of address space and a few seconds of processor; and the parent
  kills it when its time is over.
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
OPEN_FILES, MAX_FILES = 64, 400
"""Descriptors beside those of parquet files, and how many such files may be open at once."""
USAGE = "usage"
"""What an attached database is called."""
MAX_DEPTH = 200
CHANGING = frozenset(
    [
        "age",
        "current_date",
        "current_localtime",
        "current_localtimestamp",
        "gen_random_uuid",
        "get_current_time",
        "get_current_timestamp",
        "now",
        "random",
        "today",
        "transaction_timestamp",
        "uuid",
        "uuidv4",
        "uuidv7",
    ]
)
"""Functions whose result changes by itself, which a condition that is applied once must not have."""
MAX_LISTED = 20
"""Tables that a message names."""

QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
CATALOG_VIEWS = frozenset({"information_schema.tables", "information_schema.columns"})
SHOWN = frozenset({"", "tables", '"tables"'})
WRITES = {"COPY_QUERY_NODE": "COPY", "INSERT_QUERY_NODE": "INSERT"}
SAFE_INTEGER = 2**53


class Rejected(Exception):
    """The SQL is not run; says why, and of a scan's condition what kind of fault it has."""

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason)
        self.kind = kind


class Failed(Exception):
    """The SQL was run, or tried; DuckDB's message."""


def main() -> None:
    import json
    import resource

    start = json.loads(sys.stdin.readline())
    sys.path[:0] = start["path"]
    import _duckdb as duckdb  # what `duckdb` wraps; the wrapping takes longer to import than this process to do its work

    with open(start["functions"], encoding="utf-8") as file:  # noqa: PTH123 (a lean start)
        functions = frozenset(file.read().split())
    db = opened(duckdb)
    warm_up(db, duckdb)
    line = sys.stdin.readline()
    if not line:  # whoever started this needs it no more
        return
    request = json.loads(line)
    form, most_rows, most_bytes = request["form"], request["most_rows"], request["most_bytes"]
    if form == "arrow":
        import pyarrow as pa  # noqa: F401 (before no file can be opened any more)
    answer: dict[str, Any]
    try:
        provide(db, duckdb, request)
        scan = request.get("scan")
        aggregates = aggregates_of(db) if scan else frozenset()
        lock(resource, files=len(request["files"]))
        sql, written = rendered(db, duckdb, scan, functions, aggregates) if scan else (request["sql"], "")
        judge(db, duckdb, sql, functions, frozenset(request["tables"]))
        if form == "rows":
            answer = execute(db, duckdb, sql, most_rows, most_bytes)
        else:
            answer = stream(db, duckdb, sql, form, (most_rows, most_bytes))
        answer["condition"] = written
    except Rejected as rejected:
        answer = {"rejected": str(rejected), "kind": rejected.kind}
    except Failed as failed:
        answer = {"error": str(failed)}
    except (MemoryError, RecursionError) as error:
        answer = {"error": f"the query is too large ({type(error).__name__})"}
    if form != "rows":
        write_frame(b"")
    sys.stdout.write(json.dumps(answer, allow_nan=False))
    sys.stdout.flush()


def connect(duckdb: Any, database: str) -> Any:
    """A connection over a database file, as a request gives it."""
    db = opened(duckdb)
    provide(db, duckdb, {"database": database, "views": {}, "files": []})
    return db


def opened(duckdb: Any) -> Any:
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
    return db


def provide(db: Any, duckdb: Any, request: dict[str, Any]) -> None:
    """Attach the database or make the views, and lock DuckDB's configuration. Raises Failed for a file that is damaged."""
    if database := request.get("database"):
        db.execute(f"ATTACH {quoted(database)} AS {USAGE} (READ_ONLY)")
        db.execute(f"USE {USAGE}")
    try:
        for name, select in request["views"].items():
            db.execute('CREATE VIEW "{}" AS {}'.format(name.replace('"', '""'), select))
    except duckdb.Error as error:
        raise Failed(f"the table {name} cannot be read: {error}") from None
    if files := request["files"]:
        db.execute(f"SET allowed_paths = [{', '.join(map(quoted, files))}]")
    db.execute("SET enable_external_access = false")
    db.execute("SET lock_configuration = true")


def quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


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


def lock(resource: Any, files: int = 0) -> None:
    """A Mac's kernel has no limit of address space; there DuckDB's own and the parent's timer must do. `files` is how many
    parquet files may be opened."""
    open_files = OPEN_FILES + min(files, MAX_FILES) * 2 if files else 0
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    for name, value in (
        ("RLIMIT_CPU", CPU_SECONDS),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_NOFILE", open_files),
        ("RLIMIT_NPROC", 0),
    ):
        resource.setrlimit(getattr(resource, name), (value, value))


def execute(db: Any, duckdb: Any, sql: str, most_rows: int = MAX_ROWS, most_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The rows, so many at most. Raises Failed."""
    try:
        done = db.execute(sql)
        names, size, cut = columns(done.description), 0, False
        rows: list[list[Any]] = []
        while not cut and (batch := done.fetchmany(BATCH)):
            for row in batch:
                values = [sound(value) for value in row]
                size += sum(weight(value) for value in values)
                if len(rows) == most_rows or size > most_bytes:
                    cut = True
                    break
                rows.append(values)
    except duckdb.Error as error:
        raise failure(duckdb, error) from None
    if cut and not rows and most_rows:
        raise Failed(f"a single row has more than {most_bytes // 1_000_000} MB")
    return {"columns": names, "rows": rows, "cut": cut}


def stream(db: Any, duckdb: Any, sql: str, form: str, most: tuple[int, int]) -> dict[str, Any]:
    """Write the rows as frames, so many rows and bytes at most; what is known at the end. Raises Failed."""
    most_rows, most_bytes = most
    try:
        if form == "arrow":
            return stream_arrow(db, sql, most_rows, most_bytes)
        done = db.execute(sql)
        names, size, count, cut = columns(done.description), 0, 0, False
        encode = csv_lines if form == "csv" else json_lines
        if form == "csv":
            write_frame(encode(names, [names]))
        while not cut and (batch := done.fetchmany(min(BATCH, most_rows + 1 - count))):
            rows = [[sound(value) for value in row] for row in batch]
            cut = count + len(rows) > most_rows
            rows = rows[: most_rows - count]
            body = encode(names, rows)
            if size + len(body) > most_bytes:
                cut = True
                break
            write_frame(body)
            size, count = size + len(body), count + len(rows)
    except duckdb.Error as error:
        raise failure(duckdb, error) from None
    except OSError as error:  # what DuckDB raises while pyarrow reads comes as this
        raise Failed(str(error)) from None
    return {"columns": names, "row_count": count, "cut": cut}


def stream_arrow(db: Any, sql: str, most_rows: int, most_bytes: int) -> dict[str, Any]:
    """The IPC stream format, a record batch a frame."""
    import pyarrow as pa

    reader = db._submit(sql, None, "stream", 10_000).arrow_reader()  # what `duckdb` calls behind to_arrow_reader
    sink = Frames()
    count, cut = 0, False
    with pa.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            taken = batch.slice(0, most_rows - count)
            if sink.size + taken.nbytes > most_bytes:
                cut = True
                break
            writer.write_batch(taken)
            count += taken.num_rows
            if taken.num_rows < batch.num_rows:
                cut = True
                break
    return {"columns": list(reader.schema.names), "row_count": count, "cut": cut}


class Frames:
    """A file for pyarrow whose writes are frames."""

    closed = False

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: Any) -> int:
        body = bytes(data)
        if body:
            write_frame(body)
        self.size += len(body)
        return len(body)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


def write_frame(body: bytes) -> None:
    sys.stdout.buffer.write(len(body).to_bytes(4, "big") + body)
    sys.stdout.buffer.flush()


def csv_lines(_names: list[str], rows: list[list[Any]]) -> bytes:
    """RFC 4180: lines end with CR LF, NULL is nothing, an empty text is quoted."""
    return "".join(",".join(map(csv_field, row)) + "\r\n" for row in rows).encode("utf-8", "replace")


def csv_field(value: Any) -> str:
    import json

    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if text == "" or any(letter in text for letter in ',"\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def json_lines(names: list[str], rows: list[list[Any]]) -> bytes:
    """An object a line."""
    import json

    lines = (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    return "".join(lines).encode("utf-8", "replace")


def failure(duckdb: Any, error: Exception) -> Failed:
    if isinstance(error, duckdb.OutOfMemoryException):
        return Failed(f"the query needed more memory than the {MEMORY} that it may have")
    return Failed(str(error))


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


def aggregates_of(db: Any) -> frozenset[str]:
    sql = "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type = 'aggregate'"
    return frozenset(name for (name,) in db.execute(sql).fetchall())


def rendered(
    db: Any, duckdb: Any, scan: dict[str, Any], functions: frozenset[str], aggregates: frozenset[str]
) -> tuple[str, str]:
    """The SELECT of a scan and its condition: `{table, columns, select, where, order_by, count, is_fixed}`, where `order_by` are
    pairs of a column and whether it descends. The condition is taken apart and written anew. Raises Rejected with a kind."""
    known = {name.lower(): name for name in scan["columns"]}

    def column(name: str) -> str:
        if name.lower() not in known:
            raise Rejected(f"{scan['table']} has no column {name!r}", "unknown_column")
        return identifier(known[name.lower()])

    selected = ", ".join(column(name) for name in scan["select"]) or "*"
    parts = [f"SELECT {'count(*)' if scan['count'] else selected} FROM {identifier(scan['table'])}"]  # noqa: S608 (quoted)
    written = ""
    if scan["where"].strip():
        allowed = functions - CHANGING if scan["is_fixed"] else functions
        written = condition(db, duckdb, scan, known, allowed, aggregates)
        parts.append(f"WHERE {written}")
    if scan["order_by"] and not scan["count"]:
        ordered = (f"{column(name)}{' DESC' if descends else ''}" for name, descends in scan["order_by"])
        parts.append(f"ORDER BY {', '.join(ordered)}")
    return " ".join(parts), written


def condition(  # noqa: PLR0917
    db: Any,
    duckdb: Any,
    scan: dict[str, Any],
    known: dict[str, str],
    functions: frozenset[str],
    aggregates: frozenset[str],
) -> str:
    """The one expression of a scan's `where`, written anew from its tree. Raises Rejected with a kind."""
    import json

    try:
        sql = f"SELECT ({scan['where']}\n)"
        [(serialized,)] = db.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
        tree = json.loads(serialized)
    except duckdb.Error as error:
        raise Rejected(str(error), "syntax") from None
    if tree["error"]:
        raise Rejected(str(tree.get("error_message", "it cannot be understood")), "syntax")
    nodes = [statement["node"] for statement in tree["statements"]]
    if len(nodes) != 1 or nodes[0]["type"] != "SELECT_NODE" or len(nodes[0]["select_list"]) != 1:
        raise Rejected("`where` must be exactly one expression", "syntax")
    filled = [
        name
        for name in ("where_clause", "group_expressions", "group_sets", "having", "sample", "qualify", "modifiers")
        if nodes[0].get(name)
    ]
    if nodes[0]["from_table"]["type"] != "EMPTY" or nodes[0]["cte_map"]["map"] or filled:
        raise Rejected("`where` must be exactly one expression", "syntax")
    for node, _ in walk(nodes[0]["select_list"]):
        check_expression(node, known, functions, aggregates)
    [(written,)] = db.execute("SELECT json_deserialize_sql(?::JSON)", [serialized]).fetchall()
    return f"({written.removeprefix('SELECT ')})"


def check_expression(
    node: dict[str, Any], known: dict[str, str], functions: frozenset[str], aggregates: frozenset[str]
) -> None:
    """Raises Rejected with a kind."""
    kind = node.get("class")
    if kind == "SUBQUERY":
        raise Rejected("a condition has no subquery", "subquery")
    if kind == "WINDOW":
        raise Rejected("a condition has no window", "window")
    if kind in ("STAR", "PARAMETER", "LAMBDA", "POSITIONAL_REFERENCE", "DEFAULT"):
        raise Rejected(f"a condition has no {kind.lower().replace('_', ' ')}", "syntax")
    if kind == "COLUMN_REF" and not any(name.lower() in known for name in node["column_names"][:2]):
        raise Rejected(f"there is no column {'.'.join(node['column_names'])!r}", "unknown_column")
    name = node.get("function_name")
    if isinstance(name, str):
        if name.lower() in aggregates:
            raise Rejected(f"a condition has no aggregate, and {name} is one", "aggregate")
        if name.lower() not in functions or node.get("schema") or node.get("catalog"):
            raise Rejected(f"the function {name} is not allowed", "function")


def identifier(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


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
        bare = name.lower().removeprefix("usage.").removeprefix("memory.").removeprefix("main.")
        is_named = not (path[0] or path[1]) and name.lower() in named
        if bare not in tables and bare not in CATALOG_VIEWS and not is_named:
            listed = ", ".join(sorted(tables)[:MAX_LISTED])
            more = f" and {len(tables) - MAX_LISTED:,} more" if len(tables) > MAX_LISTED else ""
            raise Rejected(f"there is no table {name!r} to ask; there are {listed}{more}")
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
