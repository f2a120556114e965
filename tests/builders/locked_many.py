"""A program: what `agnes.sql.child` is, but for many statements in one process, and on wish without its judge.

    python -I locked_many.py      standard input: {path, functions, database, tables, sqls, judged}

A process a statement would take a test of two hundred a minute.
"""

import errno
import json
import os
import socket
import sys
from pathlib import Path


def main() -> None:
    request = json.load(sys.stdin)
    sys.path[:0] = request["path"]
    import resource

    import duckdb

    from agnes.sql import child

    functions = frozenset(Path(request["functions"]).read_text().split())
    db = child.connect(duckdb, request["database"])
    child.warm_up(db, duckdb)
    child.lock(resource)
    outcomes = []
    for sql in request["sqls"]:
        try:
            if request["judged"]:
                child.judge(db, duckdb, sql, functions, frozenset(request["tables"]))
            outcome, said = "ran", child.execute(db, duckdb, sql)["rows"]
        except child.Rejected as rejected:
            outcome, said = "rejected", str(rejected)
        except child.Failed as failed:
            outcome, said = "failed", str(failed)
        except AttributeError:
            outcome, said = "ran", None  # without a judge a statement may have no result at all
        outcomes.append([outcome, said])
    print(json.dumps({"outcomes": outcomes, "kernel": [refusal(attempt) for attempt in ATTEMPTS]}), flush=True)


def refusal(attempt) -> str:
    """What the kernel says to something that DuckDB would have to be tricked into first."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


ATTEMPTS = (
    lambda: os.open("/etc/passwd", os.O_RDONLY),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    lambda: list(Path("/").iterdir()),
)


if __name__ == "__main__":
    main()
